//! Rules of Suricata and Snort, as far as they are about ports: read, and written as rules of ours.
//!
//! What can be said here is taken over: the head, `msg`, `sid`, `rev`, `classtype`, `priority`, `flow`,
//! `threshold`, `reference`, `app-layer-protocol` and ATT&CK numbers in `metadata`. A rule that looks into
//! the payload or at single packets is left out, and said: without that part it would mean something else.
//!
//! Invariants: reading never panics, on any text; what is written passes `rules check`; every rule of the
//! file is either written or said to be left out, with its place. Packets of both directions become one
//! flow here, so a port is always the responder's; a rule that needs the originator's is left out.

mod classes;
mod header;
mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use header::Side;
use options::Options;

use super::word::{Named, Way};
use crate::payload::App;
use crate::registry::{Diagnostic, Place};

/// Numbers that imported rules get: those for users' own rules.
const SID_FIRST: u32 = 1_100_000;
const SID_COUNT: u32 = 900_000;

/// What came of a file.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// A rule file of ours.
    pub toml: String,
    /// Rules that were written.
    pub written: usize,
    /// Rules that were left out.
    pub left_out: usize,
    /// What could not be taken over, each with its place.
    pub said: Vec<Diagnostic>,
}

/// Reads a file of Suricata or Snort rules. `variables` says what `$NAME` stands for, without the dollar
/// sign; `HOME_NET` and `EXTERNAL_NET` need no definition: they become a direction.
#[must_use]
pub fn import(place: Place<'_>, variables: &BTreeMap<String, String>) -> Imported {
    let mut done = Imported::default();
    let mut sids = BTreeSet::new();
    for span in statements(place.text) {
        let mut remarks = Vec::new();
        let made = Foreign::read(place, span.clone(), variables, &mut remarks)
            .and_then(|rule| rule.number(&mut sids).map(|sid| rule.write(place, sid, &mut remarks)));
        done.said.append(&mut remarks);
        match made {
            Ok(toml) => {
                done.toml.push_str(&toml);
                done.written += 1;
            }
            Err(Refusal { at, why, help }) => {
                let what = format!("left out: {why}");
                done.said.push(Diagnostic::warning(place, at, what).help(help));
                done.left_out += 1;
            }
        }
    }
    done
}

/// Why a rule is left out.
struct Refusal {
    at: Range<usize>,
    why: String,
    help: &'static str,
}

impl Refusal {
    fn new(at: Range<usize>, why: impl Into<String>, help: &'static str) -> Self {
        Self { at, why: why.into(), help }
    }
}

/// A rule as it was read.
struct Foreign<'a> {
    at: Range<usize>,
    transports: &'static [&'static str],
    apps: Vec<&'a str>,
    originator: Side,
    responder: Side,
    both_ways: bool,
    options: Options<'a>,
}

impl<'a> Foreign<'a> {
    fn read(
        place: Place<'a>,
        span: Range<usize>,
        variables: &BTreeMap<String, String>,
        remarks: &mut Vec<Diagnostic>,
    ) -> Result<Self, Refusal> {
        let text = &place.text[span.clone()];
        let (Some(open), Some(close)) = (text.find('('), text.rfind(')').filter(|_| text.contains('(')))
        else {
            return Err(Refusal::new(
                span,
                "it has no options",
                "action protocol from -> to (msg: …; sid: …;)",
            ));
        };
        let words = header::words(&text[..open]);
        let at = |word: &(usize, &str)| span.start + word.0..span.start + word.0 + word.1.len();
        let [action, proto, from, from_port, arrow, to, to_port] = words.as_slice() else {
            let help = "action protocol address port -> address port";
            return Err(Refusal::new(span.start..span.start + open, "its head has not seven words", help));
        };
        if close < open {
            return Err(Refusal::new(span, "its brackets do not match", "options stand in brackets"));
        }
        match action.1 {
            "alert" => {}
            "drop" | "reject" | "rejectsrc" | "rejectdst" | "rejectboth" | "block" | "sdrop" => {
                let what = format!("{} becomes an alert: nothing is blocked here", action.1);
                remarks.push(Diagnostic::warning(place, at(action), what));
            }
            other => {
                let help = "alert, drop and reject are; for pass write a [[suppress]] entry";
                return Err(Refusal::new(at(action), format!("action {other:?} is not taken over"), help));
            }
        }
        let (transports, app) = protocol(proto.1).ok_or_else(|| {
            Refusal::new(at(proto), format!("protocol {:?} is not known here", proto.1), PROTOCOLS)
        })?;
        let options = Options::read(place, span.start + open + 1..span.start + close, remarks)?;
        let side = |address: &(usize, &str), port: &(usize, &str)| {
            Side::of(address.1, port.1, variables)
                .map_err(|(in_port, what)| Refusal::new(at(if in_port { port } else { address }), what, ENDS))
        };
        let (from_side, to_side) = (side(from, from_port)?, side(to, to_port)?);
        let both_ways = match arrow.1 {
            "->" => false,
            "<>" => true,
            _ => return Err(Refusal::new(at(arrow), "no arrow", "-> or <>")),
        };
        let mut rule = Self {
            at: span.clone(),
            transports,
            apps: app.into_iter().chain(options.apps.iter().copied()).collect(),
            originator: from_side,
            responder: to_side,
            both_ways,
            options,
        };
        rule.turn(at(from_port), at(arrow))?;
        rule.is_about_something(span)?;
        Ok(rule)
    }

    /// Finds out which side is the responder: packets have a direction there, flows have one here.
    fn turn(&mut self, from_port: Range<usize>, arrow: Range<usize>) -> Result<(), Refusal> {
        let help = "rules here look at the responder's port and never at a client's";
        let (from_ports, to_ports) = (!self.originator.ports.is_empty(), !self.responder.ports.is_empty());
        let to_client = match self.options.to_server {
            Some(to_server) => !to_server,
            None => from_ports && !to_ports,
        };
        if from_ports && to_ports {
            return Err(Refusal::new(from_port, "it asks for both ports", help));
        }
        if self.both_ways {
            if self.originator.has_nets() || self.responder.has_nets() {
                return Err(Refusal::new(arrow, "both directions between networks", "write it as two rules"));
            }
            if !to_ports {
                self.responder.ports = std::mem::take(&mut self.originator.ports);
            }
        } else if to_client {
            std::mem::swap(&mut self.originator, &mut self.responder);
        }
        if !self.originator.ports.is_empty() {
            return Err(Refusal::new(from_port, "it asks for the originator's port", help));
        }
        Ok(())
    }

    fn is_about_something(&self, at: Range<usize>) -> Result<(), Refusal> {
        if self.responder.ports.is_empty() && self.apps.is_empty() {
            let why = "it names no port and no protocol: it would speak about every flow";
            return Err(Refusal::new(at, why, "ask for a port, or for app-layer-protocol"));
        }
        Ok(())
    }

    /// A number in our range; the same whenever the file is imported.
    fn number(&self, taken: &mut BTreeSet<u32>) -> Result<u32, Refusal> {
        let own = self.options.sid;
        let sid =
            if (SID_FIRST..SID_FIRST + SID_COUNT).contains(&own) { own } else { SID_FIRST + own % SID_COUNT };
        if taken.insert(sid) {
            return Ok(sid);
        }
        let why = format!("sid {own} becomes {sid}, which another rule of this file has");
        Err(Refusal::new(
            self.options.sid_at.clone(),
            why,
            "give it another sid, or import it from a file of its own",
        ))
    }

    /// The rule in our words.
    fn write(&self, place: Place<'_>, sid: u32, remarks: &mut Vec<Diagnostic>) -> String {
        let options = &self.options;
        let by_number = self.apps.is_empty();
        if by_number {
            let what = format!("sid {} looks at a port number alone: informational", options.sid);
            let help = "add to the rule what the flow did: story, app_proto or bytes";
            remarks.push(Diagnostic::warning(place, self.at.clone(), what).help(help));
        }
        let severity = if by_number { "informational" } else { options.severity() };
        let mut text = format!("[[rule]]\nid = \"imported-{sid}\"\nsid = {sid}\nrev = {}\n", options.rev);
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "title = {}\nseverity = \"{severity}\"\n", quoted(&options.title()));
        let _ = writeln!(text, "category = {}", quoted(options.category()));
        if !options.techniques.is_empty() {
            let _ = writeln!(text, "techniques = [{}]", listed(&options.techniques));
        }
        let line = place.text[..self.at.start].matches('\n').count() + 1;
        let mut about = format!("Imported: sid {} of {}, line {line}.", options.sid, place.file);
        for reference in &options.references {
            let _ = write!(about, " Reference: {reference}.");
        }
        let _ = writeln!(text, "about = {}", quoted(&about));
        let _ = writeln!(text, "match = {{ {} }}", self.conditions().join(", "));
        let unless = self.exceptions();
        if !unless.is_empty() {
            let _ = writeln!(text, "unless = [{}]", unless.join(", "));
        }
        if let Some((count, seconds, by)) = options.threshold {
            let _ = writeln!(text, "threshold = {{ count = {count}, seconds = {seconds}, by = \"{by}\" }}");
        }
        text.push('\n');
        text
    }

    fn conditions(&self) -> Vec<String> {
        let mut asked = Vec::new();
        if !self.responder.ports.is_empty() {
            let range = |&(first, last): &(u16, u16)| match first == last {
                true => first.to_string(),
                false => format!("\"{first}-{last}\""),
            };
            let ranges: Vec<_> = self.responder.ports.iter().map(range).collect();
            asked.push(format!("ports = [{}]", ranges.join(", ")));
        }
        if !self.transports.is_empty() {
            asked.push(format!("transport = [{}]", listed(self.transports)));
        }
        if !self.apps.is_empty() {
            asked.push(format!("app_proto = [{}]", listed(&self.apps)));
        }
        if self.options.established {
            asked.push("answered = true".to_owned());
        }
        for (name, side) in [("originator", &self.originator), ("responder", &self.responder)] {
            if !side.nets.is_empty() {
                asked.push(format!("{name} = [{}]", listed(&side.nets)));
            }
        }
        let ways = self.ways();
        if ways.len() < Way::all().len() {
            asked.push(format!("direction = [{}]", listed(&ways)));
        }
        asked
    }

    /// Directions that the two ends leave open.
    fn ways(&self) -> Vec<&'static str> {
        let fits = |from: Option<bool>, to: Option<bool>, ours: (bool, bool)| {
            from.is_none_or(|from| from == ours.0) && to.is_none_or(|to| to == ours.1)
        };
        let ends = |way: Way| match way {
            Way::Inbound => (false, true),
            Way::Outbound => (true, false),
            Way::Internal => (true, true),
            Way::External => (false, false),
        };
        let (from, to) = (self.originator.ours, self.responder.ours);
        let open = |way: &Way| fits(from, to, ends(*way)) || self.both_ways && fits(to, from, ends(*way));
        Way::all().into_iter().filter(open).map(Way::name).collect()
    }

    fn exceptions(&self) -> Vec<String> {
        let mut unless = Vec::new();
        for (name, side) in [("originator", &self.originator), ("responder", &self.responder)] {
            if !side.not_nets.is_empty() {
                unless.push(format!("{{ {name} = [{}] }}", listed(&side.not_nets)));
            }
        }
        if !self.options.not_apps.is_empty() {
            unless.push(format!("{{ app_proto = [{}] }}", listed(&self.options.not_apps)));
        }
        unless
    }
}

const PROTOCOLS: &str = "tcp, udp, sctp, ip, or a name of app_proto such as http";

const ENDS: &str =
    "any, a variable, a list in brackets; networks such as 10.0.0.0/8, ports such as 80 or 80:90";

/// Transports and protocol that a head's word stands for; no transport is any.
fn protocol(word: &str) -> Option<(&'static [&'static str], Option<&'static str>)> {
    match word {
        "tcp" | "tcp-pkt" | "tcp-stream" => Some((&["tcp"], None)),
        "udp" => Some((&["udp"], None)),
        "sctp" => Some((&["sctp"], None)),
        "ip" | "pkthdr" => Some((&[], None)),
        _ => app(word).map(|app| (&[] as &[_], Some(app))),
    }
}

/// Our name of a protocol.
fn app(word: &str) -> Option<&'static str> {
    let word = match word {
        "rfb" => "vnc",
        "ikev2" => "ike",
        "krb5" => "kerberos",
        word => word,
    };
    App::all().into_iter().filter(|app| *app != App::Unknown).map(App::name).find(|name| *name == word)
}

/// Where rules stand in a file: from the first letter of one to the end of its last line. A backslash at the
/// end of a line carries on; lines that begin with `#` are comments.
fn statements(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.trim_end().len());
        at += line.len();
        let blank = line.trim().is_empty();
        if open.is_none() && (blank || line.trim_start().starts_with('#')) {
            continue;
        }
        let first = *open.get_or_insert(start + line.len() - line.trim_start().len());
        if !line.trim_end().ends_with('\\') {
            found.push(first..end.max(first));
            open = None;
        }
    }
    found.extend(open.map(|first| first..text.trim_end().len().max(first)));
    found
}

/// Text as TOML: control characters are left out.
fn quoted(text: &str) -> String {
    let mut made = String::from("\"");
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if matches!(letter, '"' | '\\') {
            made.push('\\');
        }
        made.push(letter);
    }
    made.push('"');
    made
}

fn listed<T: ToString>(words: &[T]) -> String {
    words.iter().map(|word| format!("\"{}\"", word.to_string())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
