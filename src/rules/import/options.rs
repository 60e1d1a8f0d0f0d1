//! The options of a Suricata or Snort rule: what of them means something here, and what makes a rule stay
//! behind.
//!
//! An option that is not known here might be the very point of the rule, so a rule with one is left out;
//! only those that say nothing about what matches are passed over.

use std::ops::Range;

use super::classes::class;
use super::{Refusal, app};
use crate::registry::{Diagnostic, Place};
use crate::rules::technique;

/// Options that describe a rule, or how it is matched, and not what.
const IDLE: [&str; 6] = ["gid", "target", "prefilter", "fast_pattern", "service", "rem"];
/// Longest title and reference, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// References and techniques that are kept.
const KEPT_MAX: usize = 16;

/// What the options say.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    msg: String,
    pub(super) sid: u32,
    pub(super) sid_at: Range<usize>,
    pub(super) rev: u32,
    class: Option<(&'static str, u8)>,
    priority: Option<u8>,
    pub(super) to_server: Option<bool>,
    pub(super) established: bool,
    pub(super) apps: Vec<&'static str>,
    pub(super) not_apps: Vec<&'static str>,
    pub(super) techniques: Vec<&'a str>,
    pub(super) references: Vec<String>,
    /// Count, seconds, and what is counted by.
    pub(super) threshold: Option<(u32, u32, &'static str)>,
}

/// One option: its name, what follows the colon, and where it stands.
struct Item<'a> {
    name: &'a str,
    value: &'a str,
    at: Range<usize>,
}

impl<'a> Options<'a> {
    /// Reads what stands between the brackets.
    pub(super) fn read(
        place: Place<'a>,
        span: Range<usize>,
        remarks: &mut Vec<Diagnostic>,
    ) -> Result<Self, Refusal> {
        let mut options = Self { rev: 1, ..Self::default() };
        let mut foreign: Vec<&str> = Vec::new();
        let mut first_foreign = None;
        for item in items(place.text, span.clone()) {
            if !options.take(place, &item, remarks)? {
                first_foreign.get_or_insert(item.at);
                if !foreign.contains(&item.name) && foreign.len() < KEPT_MAX {
                    foreign.push(item.name);
                }
            }
        }
        if let Some(at) = first_foreign {
            let why = format!("it asks for {}", foreign.join(", "));
            return Err(Refusal::new(
                at,
                why,
                "rules here see a finished flow, not its packets and their bytes",
            ));
        }
        if options.sid_at.is_empty() {
            return Err(Refusal::new(span, "it has no sid", "every rule needs a number: sid:1100001;"));
        }
        Ok(options)
    }

    /// Takes an option over; false when it is not known here.
    fn take(
        &mut self,
        place: Place<'a>,
        item: &Item<'a>,
        remarks: &mut Vec<Diagnostic>,
    ) -> Result<bool, Refusal> {
        let refuse = |why: String, help| Refusal::new(item.at.clone(), why, help);
        let mut remark = |what: String| remarks.push(Diagnostic::warning(place, item.at.clone(), what));
        match item.name {
            "msg" => self.msg = plain(item.value),
            "sid" => {
                let sid = item.value.parse().ok().filter(|&sid| sid > 0);
                self.sid = sid.ok_or_else(|| refuse("no number".to_owned(), "sid:1100001;"))?;
                self.sid_at = item.at.clone();
            }
            "rev" => match item.value.parse() {
                Ok(rev) if rev > 0 => self.rev = rev,
                _ => remark("no revision: 1 is taken".to_owned()),
            },
            "classtype" => {
                self.class = class(item.value);
                if self.class.is_none() {
                    remark("this class is not known here: Misc activity is taken".to_owned());
                }
            }
            "priority" => match item.value.parse::<u8>() {
                Ok(priority) if priority > 0 => self.priority = Some(priority.min(4)),
                _ => remark("no priority: that of the class is taken".to_owned()),
            },
            "flow" => self.take_flow(item)?,
            "app-layer-protocol" => self.take_app(item)?,
            "threshold" | "detection_filter" => self.take_threshold(item, &mut remark)?,
            "reference" if self.references.len() < KEPT_MAX => self.references.push(plain(item.value)),
            "metadata" => self.take_metadata(item.value),
            "reference" => {}
            name => return Ok(IDLE.contains(&name)),
        }
        Ok(true)
    }

    fn take_flow(&mut self, item: &Item<'_>) -> Result<(), Refusal> {
        for word in item.value.split(',').map(str::trim) {
            match word {
                "established" => self.established = true,
                "to_server" | "from_client" => self.to_server = Some(true),
                "to_client" | "from_server" => self.to_server = Some(false),
                "stateless" | "only_stream" | "no_stream" | "only_frag" | "no_frag" => {}
                other => {
                    let why = format!("flow {other:?} is not taken over");
                    let help = "established, to_server and to_client are";
                    return Err(Refusal::new(item.at.clone(), why, help));
                }
            }
        }
        Ok(())
    }

    fn take_app(&mut self, item: &Item<'_>) -> Result<(), Refusal> {
        let (negated, name) = match item.value.strip_prefix('!') {
            Some(name) => (true, name.trim()),
            None => (false, item.value),
        };
        let Some(app) = app(name) else {
            let why = format!("protocol {name:?} is not known here");
            return Err(Refusal::new(item.at.clone(), why, "see app_proto in the output"));
        };
        if !negated && !self.apps.is_empty() {
            return Err(Refusal::new(item.at.clone(), "two protocols at once", "one is enough"));
        }
        if negated {
            self.not_apps.push(app)
        } else {
            self.apps.push(app)
        }
        Ok(())
    }

    fn take_threshold(&mut self, item: &Item<'_>, remark: &mut impl FnMut(String)) -> Result<(), Refusal> {
        let (mut kind, mut by, mut count, mut seconds) = ("both", None, None, None);
        for part in item.value.split(',') {
            match part.trim().split_once(char::is_whitespace).map(|(key, value)| (key, value.trim())) {
                Some(("type", value)) => kind = value,
                Some(("track", "by_src")) => by = Some("originator"),
                Some(("track", "by_dst")) => by = Some("responder"),
                Some(("track", "by_both")) => by = Some("pair"),
                Some(("track", "by_rule")) => by = Some("rule"),
                Some(("count", value)) => count = value.parse::<u32>().ok().filter(|&count| count > 0),
                Some(("seconds", value)) => seconds = value.parse::<u32>().ok().filter(|&some| some > 0),
                _ => kind = "?",
            }
        }
        let count = match (item.name, kind) {
            ("detection_filter", _) => count.map(|count| count.saturating_add(1)),
            (_, "limit") => Some(1),
            (_, "threshold" | "both") => count,
            _ => None,
        };
        let (Some(by), Some(count), Some(seconds)) = (by, count, seconds) else {
            let help = "type threshold, track by_src, count 5, seconds 60";
            return Err(Refusal::new(item.at.clone(), "this threshold is not understood", help));
        };
        remark("counts flows here, not packets, and speaks once per window".to_owned());
        self.threshold = Some((count, seconds, by));
        Ok(())
    }

    /// ATT&CK numbers: `mitre_technique_id T1571`.
    fn take_metadata(&mut self, value: &'a str) {
        let words = value.split(|c: char| c == ',' || c.is_whitespace());
        for id in words.filter(|word| technique::is_well_formed(word)) {
            if !self.techniques.contains(&id) && self.techniques.len() < KEPT_MAX {
                self.techniques.push(id);
            }
        }
    }

    /// What an analyst reads. Braces would be placeholders.
    pub(super) fn title(&self) -> String {
        let text = self.msg.replace('{', "(").replace('}', ")");
        if text.trim().is_empty() { format!("Rule {} on {{port}}/{{transport}}", self.sid) } else { text }
    }

    pub(super) fn category(&self) -> &'static str {
        self.class.map_or("Misc activity", |(description, _)| description)
    }

    pub(super) fn severity(&self) -> &'static str {
        match self.priority.or(self.class.map(|(_, priority)| priority)) {
            Some(1) => "high",
            Some(2) => "medium",
            Some(4) => "informational",
            _ => "low",
        }
    }
}

/// The options one by one. A semicolon ends one, except inside quotes or behind a backslash.
fn items(text: &str, span: Range<usize>) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    let (mut from, mut in_quotes, mut escaped) = (span.start, false, false);
    for (offset, letter) in text[span.clone()].char_indices() {
        let at = span.start + offset;
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_quotes = !in_quotes,
            ';' if !in_quotes => {
                found.extend(item(text, from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    found.extend(item(text, from..span.end));
    found
}

fn item(text: &str, span: Range<usize>) -> Option<Item<'_>> {
    let blank = |c: char| c.is_whitespace() || c == '\\';
    let whole = text[span.clone()].trim_end_matches(blank);
    let inner = whole.trim_start_matches(blank);
    let start = span.start + whole.len() - inner.len();
    let (name, value) = inner.split_once(':').unwrap_or((inner, ""));
    (!inner.is_empty()).then(|| Item {
        name: name.trim(),
        value: value.trim(),
        at: start..start + inner.len(),
    })
}

/// A text without its quotes and backslashes, on one line and of bounded length.
fn plain(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let kept = inner.chars().filter(|letter| *letter != '\\' && !letter.is_control());
    kept.take(TEXT_CHARS_MAX).collect()
}
