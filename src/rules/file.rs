//! One rule file: read, checked, and turned into policies. Everything wrong in it is reported at once.
//!
//! Invariant: what leaves here can be used as it is; a file with a mistake gives diagnostics and nothing
//! else.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::condition::Condition;
use super::nets::{About, Nets};
use super::rule::{Rule, Severity};
use super::subject::{FactNames, Subject};
use super::technique;
use super::title::Title;
use super::word::{By, FactName, Word};
use crate::flow::{ConnState, Outcome};
use crate::payload::{App, Sides};
use crate::registry::Place;
use crate::registry::{Diagnostic, OneOrMany, PortStatus, Ports, Registry, Tags, Text, Tier, parse, slug};
use crate::time::Timestamp;
use crate::verdict::Story;
use crate::wire::{Endpoint, Transport};

/// Identifiers that are ours, so that they never meet those of other rule sets.
const SIDS: std::ops::RangeInclusive<i64> = 1_000_000..=1_999_999;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    /// Networks that are ours; replaces the default.
    internal: Option<Nets>,
    #[serde(default)]
    rule: Vec<RawRule>,
    #[serde(default)]
    suppress: Vec<Spanned<RawSuppress>>,
    #[serde(default)]
    expected: Vec<Spanned<RawExpected>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    id: Text,
    sid: Spanned<i64>,
    rev: Spanned<i64>,
    title: Text,
    severity: Word<Severity>,
    category: Text,
    #[serde(default)]
    techniques: Vec<Text>,
    #[serde(default)]
    about: String,
    group: Option<String>,
    #[serde(rename = "match")]
    when: Spanned<Condition>,
    #[serde(default)]
    unless: Vec<Spanned<Condition>>,
    #[serde(default)]
    severity_if: Vec<Grade>,
    threshold: Option<Spanned<RawThreshold>>,
    #[serde(default)]
    must_match: Vec<Spanned<Case>>,
    #[serde(default)]
    must_not_match: Vec<Spanned<Case>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grade {
    severity: Word<Severity>,
    #[serde(rename = "match")]
    when: Spanned<Condition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawThreshold {
    count: u32,
    seconds: u32,
    by: Word<By>,
}

/// A verdict in a few words: what a rule is tested with. Status and tags are those of the port when not
/// given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    port: u16,
    transport: Option<Word<Transport>>,
    status: Option<Word<PortStatus>>,
    tags: Option<Vec<Word<super::word::Tag>>>,
    story: Option<Word<Story>>,
    probability: Option<f64>,
    app_proto: Option<Word<App>>,
    sides: Option<Word<Sides>>,
    outcome: Option<Word<Outcome>>,
    conn_state: Option<Word<ConnState>>,
    fact: Option<OneOrMany<Word<FactName>>>,
    originator: Option<IpAddr>,
    responder: Option<IpAddr>,
    bytes: Option<u64>,
    packets: Option<u64>,
    asked_bytes: Option<u64>,
    answered_bytes: Option<u64>,
    process: Option<String>,
    /// The severity the alert must have; only in `must_match`.
    pub(super) severity: Option<Word<Severity>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSuppress {
    rule: Option<Text>,
    claim: Option<String>,
    net: Option<Nets>,
    ports: Option<Ports>,
    transport: Option<Word<Transport>>,
    reason: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpected {
    net: Nets,
    ports: Ports,
    transport: Option<Word<Transport>>,
    app_proto: Option<OneOrMany<Word<App>>>,
    process: Option<OneOrMany<String>>,
    owner: Text,
    expires: Spanned<toml::value::Datetime>,
    #[serde(default)]
    reason: String,
}

/// A rule with everything it needs to decide.
#[derive(Debug)]
pub struct Policy {
    pub(super) rule: Arc<Rule>,
    pub(super) spots: Spots,
    /// `file:line` of the rule.
    pub(super) place: String,
    pub(super) about: String,
    pub(super) group: Option<Arc<str>>,
    pub(super) when: Condition,
    pub(super) unless: Vec<Condition>,
    /// Other severities, the first that holds.
    pub(super) grades: Vec<(Condition, Arc<Rule>)>,
    pub(super) threshold: Option<Threshold>,
    pub(super) must_match: Vec<(String, Case)>,
    pub(super) must_not_match: Vec<(String, Case)>,
}

/// Where in its file a rule says what, in bytes: for what is wrong or doubtful about it.
#[derive(Clone, Debug)]
pub(super) struct Spots {
    pub(super) id: Range<usize>,
    pub(super) sid: Range<usize>,
    pub(super) when: Range<usize>,
    pub(super) unless: Vec<Range<usize>>,
    pub(super) grades: Vec<Range<usize>>,
    pub(super) techniques: Vec<Range<usize>>,
}

/// At the `count`-th match within `within`; what comes after it belongs to the same alert.
#[derive(Clone, Copy, Debug)]
pub(super) struct Threshold {
    pub(super) count: u32,
    pub(super) within: Duration,
    pub(super) by: By,
}

/// Silence that somebody asked for. All that is given must hold.
#[derive(Debug)]
pub(super) struct Suppress {
    pub(super) place: String,
    pub(super) span: Range<usize>,
    /// The rule, and where it is named.
    pub(super) rule: Option<(String, Range<usize>)>,
    claim: Option<String>,
    net: Option<Nets>,
    ports: Option<Ports>,
    transport: Option<Transport>,
}

/// A service that somebody answers for.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) place: String,
    /// Where its last day is written.
    pub(super) expires: Range<usize>,
    net: Nets,
    ports: Ports,
    transport: Option<Transport>,
    app: Option<OneOrMany<Word<App>>>,
    process: Option<OneOrMany<String>>,
    /// The first moment at which it does not hold any more.
    pub(super) until: Timestamp,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) internal: Option<Nets>,
    pub(super) policies: Vec<Policy>,
    pub(super) suppress: Vec<Suppress>,
    pub(super) expected: Vec<Expected>,
}

impl Contents {
    /// Reads a file. What is wrong or doubtful is pushed; with an error among it, the contents are not to be
    /// used.
    pub(super) fn of(place: Place<'_>, said: &mut Vec<Diagnostic>) -> Self {
        let file: RuleFile = match parse(place) {
            Ok(file) => file,
            Err(mistake) => {
                said.push(mistake);
                return Self::default();
            }
        };
        let mut contents = Self { internal: file.internal, ..Self::default() };
        for raw in file.rule {
            check(place, &raw, said);
            contents.policies.push(Policy::of(place, raw));
        }
        contents.suppress =
            file.suppress.into_iter().filter_map(|raw| Suppress::of(place, raw, said)).collect();
        contents.expected =
            file.expected.into_iter().filter_map(|raw| Expected::of(place, raw, said)).collect();
        contents
    }
}

/// What the types cannot say.
fn check(place: Place<'_>, raw: &RawRule, said: &mut Vec<Diagnostic>) {
    let mut wrong =
        |span, what: String, help: &str| said.push(Diagnostic::error(place, span, what).help(help));
    if !slug(raw.id.get_ref()) {
        wrong(
            raw.id.span(),
            format!("{:?} is not an id", raw.id.get_ref()),
            "lower-case letters, digits and '-'",
        );
    }
    if !SIDS.contains(raw.sid.get_ref()) {
        let help = "1000000 to 1999999; those below 1100000 are for the built-in rules";
        wrong(raw.sid.span(), format!("sid {} is out of range", raw.sid.get_ref()), help);
    }
    if !(1..=i64::from(u32::MAX)).contains(raw.rev.get_ref()) {
        wrong(raw.rev.span(), format!("rev {} is out of range", raw.rev.get_ref()), "count from 1");
    }
    for text in [&raw.title, &raw.category] {
        if text.get_ref().trim().is_empty() || text.get_ref().chars().any(char::is_control) {
            wrong(
                text.span(),
                "one line of text is needed here".to_owned(),
                "say what an analyst should read",
            );
        }
    }
    for name in Title::from(raw.title.get_ref().clone()).unknown() {
        let help = format!("there are {}", Title::placeholders());
        wrong(raw.title.span(), format!("{{{name}}} stands for nothing"), &help);
    }
    for technique in raw.techniques.iter().filter(|id| !technique::is_well_formed(id.get_ref())) {
        let what = format!("{:?} is not an ATT&CK technique", technique.get_ref());
        wrong(technique.span(), what, "T and four digits, as in T1571 or T1021.004");
    }
    if let Some(threshold) = &raw.threshold
        && (threshold.get_ref().count == 0 || threshold.get_ref().seconds == 0)
    {
        wrong(threshold.span(), "a threshold of nothing".to_owned(), "count and seconds are at least 1");
    }
    for unless in raw.unless.iter().filter(|unless| unless.get_ref().is_empty()) {
        wrong(unless.span(), "an empty `unless` silences the rule".to_owned(), "say when, or leave it out");
    }
    if raw.when.get_ref().is_port_alone() {
        let what = format!("rule {:?} looks at a port number alone", raw.id.get_ref());
        let help = "ask for what the flow did as well: story, outcome, answered, app_proto or bytes";
        said.push(Diagnostic::warning(place, raw.id.span(), what).help(help));
    }
}

/// `file:line` of a place.
fn at(place: Place<'_>, start: usize) -> String {
    format!("{}:{}", place.file, place.line_of(start))
}

impl Policy {
    fn of(place: Place<'_>, raw: RawRule) -> Self {
        let spots = Spots {
            id: raw.id.span(),
            sid: raw.sid.span(),
            when: raw.when.span(),
            unless: raw.unless.iter().map(Spanned::span).collect(),
            grades: raw.severity_if.iter().map(|grade| grade.when.span()).collect(),
            techniques: raw.techniques.iter().map(Spanned::span).collect(),
        };
        let rule = Rule {
            id: raw.id.get_ref().clone(),
            sid: u32::try_from(*raw.sid.get_ref()).unwrap_or_default(),
            rev: u32::try_from(*raw.rev.get_ref()).unwrap_or_default(),
            title: raw.title.into_inner().into(),
            category: raw.category.into_inner(),
            severity: raw.severity.0,
            techniques: raw.techniques.into_iter().map(Spanned::into_inner).collect(),
        };
        let graded = |grade: Grade| {
            (grade.when.into_inner(), Arc::new(Rule { severity: grade.severity.0, ..rule.clone() }))
        };
        let cases = |cases: Vec<Spanned<Case>>| {
            cases.into_iter().map(|case| (at(place, case.span().start), case.into_inner())).collect()
        };
        Self {
            grades: raw.severity_if.into_iter().map(graded).collect(),
            rule: Arc::new(rule),
            spots,
            place: at(place, raw.id.span().start),
            about: raw.about,
            group: raw.group.map(Arc::from),
            when: raw.when.into_inner(),
            unless: raw.unless.into_iter().map(Spanned::into_inner).collect(),
            threshold: raw.threshold.map(|raw| {
                let RawThreshold { count, seconds, by } = raw.into_inner();
                Threshold { count, within: Duration::from_secs(u64::from(seconds)), by: by.0 }
            }),
            must_match: cases(raw.must_match),
            must_not_match: cases(raw.must_not_match),
        }
    }
}

impl Suppress {
    fn of(place: Place<'_>, raw: Spanned<RawSuppress>, said: &mut Vec<Diagnostic>) -> Option<Self> {
        let span = raw.span();
        let raw = raw.into_inner();
        if raw.reason.get_ref().trim().is_empty() {
            said.push(Diagnostic::error(place, raw.reason.span(), "a reason is needed: somebody will ask"));
            return None;
        }
        if raw.rule.is_none() && raw.claim.is_none() && raw.net.is_none() && raw.ports.is_none() {
            let what = "this would silence everything";
            said.push(Diagnostic::error(place, span, what).help("name a rule, a claim, a net or ports"));
            return None;
        }
        Some(Self {
            place: at(place, span.start),
            span,
            rule: raw.rule.map(|rule| (rule.get_ref().clone(), rule.span())),
            claim: raw.claim,
            net: raw.net,
            ports: raw.ports,
            transport: raw.transport.map(|word| word.0),
        })
    }

    /// What it asks of the port, as conditions.
    pub(super) fn on_port(&self) -> Condition {
        Condition::on_port(self.ports.as_ref(), self.transport, self.claim.as_ref())
    }

    pub(super) fn covers(&self, rule: &str, subject: &Subject<'_>) -> bool {
        let within = |nets: &Nets| nets.contains(subject.originator) || nets.contains(subject.responder.addr);
        self.rule.as_ref().is_none_or(|(id, _)| id == rule)
            && self.claim.as_ref().is_none_or(|id| subject.claims.iter().any(|claim| claim.id == *id))
            && self.net.as_ref().is_none_or(within)
            && self.ports.as_ref().is_none_or(|ports| ports.contains(subject.responder.port))
            && self.transport.is_none_or(|transport| transport == subject.transport)
    }
}

impl About for Suppress {
    fn nets(&self) -> Option<&Nets> {
        self.net.as_ref()
    }

    fn ports(&self) -> Option<&Ports> {
        self.ports.as_ref()
    }
}

impl About for Expected {
    fn nets(&self) -> Option<&Nets> {
        Some(&self.net)
    }

    fn ports(&self) -> Option<&Ports> {
        Some(&self.ports)
    }
}

impl Expected {
    fn of(place: Place<'_>, raw: Spanned<RawExpected>, said: &mut Vec<Diagnostic>) -> Option<Self> {
        let span = raw.span();
        let raw = raw.into_inner();
        let before = said.len();
        if raw.owner.get_ref().trim().is_empty() {
            said.push(Diagnostic::error(place, raw.owner.span(), "an owner is needed: whom to ask about it"));
        }
        if raw.app_proto.is_none() && raw.process.is_none() {
            let help = "say what is expected there: app_proto = \"http\" or process = \"om-server\"";
            said.push(Diagnostic::error(place, span.clone(), "any protocol would be expected").help(help));
        }
        let until = end_of_day(raw.expires.get_ref());
        if until.is_none() {
            let what = format!("{} is not a date", raw.expires.get_ref());
            said.push(Diagnostic::error(place, raw.expires.span(), what).help("YYYY-MM-DD, without a time"));
        }
        let until = until.filter(|_| said.len() == before)?;
        let _reason = raw.reason; // for the reader of the file
        Some(Self {
            place: at(place, span.start),
            expires: raw.expires.span(),
            net: raw.net,
            ports: raw.ports,
            transport: raw.transport.map(|word| word.0),
            app: raw.app_proto,
            process: raw.process,
            until,
        })
    }

    pub(super) fn covers(&self, subject: &Subject<'_>) -> bool {
        let named = |names: &OneOrMany<String>| {
            subject.process.is_some_and(|process| names.0.iter().any(|name| name == process))
        };
        // What is normal is a service, and never malware that answers in its place.
        subject.story != Story::SuspectedMalware
            && self.net.contains(subject.responder.addr)
            && self.ports.contains(subject.responder.port)
            && self.transport.is_none_or(|transport| transport == subject.transport)
            && self.app.as_ref().is_none_or(|apps| apps.0.iter().any(|app| app.0 == subject.app))
            && self.process.as_ref().is_none_or(named)
    }
}

/// The moment a date is over, in UTC; `None` for anything but a date.
fn end_of_day(datetime: &toml::value::Datetime) -> Option<Timestamp> {
    if datetime.time.is_some() || datetime.offset.is_some() {
        return None;
    }
    let date = datetime.date?;
    let days = days_from_civil(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    Some(Timestamp::from_parts((days + 1).saturating_mul(86_400), 0))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March, so that leap days come
/// last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    days + (153 * month + 2) / 5 + day - 1 - 719_468
}

impl Case {
    /// The verdict it describes.
    pub(super) fn subject<'a>(&'a self, registry: &'a Registry, internal: &'a Nets) -> Subject<'a> {
        let transport = self.transport.map_or(Transport::Tcp, |word| word.0);
        let addr = |given: Option<IpAddr>, last| given.unwrap_or(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
        let originator = addr(self.originator, 1);
        let responder = Endpoint::new(addr(self.responder, 2), self.port);
        let app = self.app_proto.map_or(App::Unknown, |word| word.0);
        let told = if app == App::Unknown { Sides::Neither } else { Sides::Both };
        let tags = self.tags.as_ref().map(|tags| Tags {
            remembered: tags.contains(&Word(super::word::Tag::Remembered)),
            suspicious: tags.contains(&Word(super::word::Tag::Suspicious)),
        });
        Subject {
            flow: 1,
            start: Timestamp::from_nanos(0),
            time: Timestamp::from_nanos(0),
            transport,
            originator,
            responder,
            way: OnceCell::new(),
            internal,
            tier: Tier::of(self.port),
            status: self.status.map_or_else(|| registry.status(transport, self.port), |word| word.0),
            tags: tags.unwrap_or_else(|| registry.tags(transport, self.port)),
            claims: registry.on(transport, self.port),
            story: self.story.map_or(Story::Undetermined, |word| word.0),
            probability: self.probability.unwrap_or(0.9),
            app,
            sides: self.sides.map_or(told, |word| word.0),
            outcome: self.outcome.map_or(Outcome::Established, |word| word.0),
            conn_state: self.conn_state.map_or(ConnState::Sf, |word| word.0),
            facts: FactNames::Names(
                self.fact.iter().flat_map(|facts| facts.0.iter().map(|word| word.0.0)).collect(),
            ),
            bytes: self.bytes.unwrap_or(1200),
            packets: self.packets.unwrap_or(10),
            asked_bytes: self.asked_bytes.unwrap_or(100),
            answered_bytes: self.answered_bytes.unwrap_or(100),
            process: self.process.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_end_at_midnight() {
        let end = |text: &str| end_of_day(&text.parse().unwrap()).map(|time| time.to_string());
        assert_eq!(end("2026-12-31").unwrap(), "2027-01-01T00:00:00.000000+0000");
        assert_eq!(end("2024-02-28").unwrap(), "2024-02-29T00:00:00.000000+0000");
        assert_eq!(end("1970-01-01").unwrap(), "1970-01-02T00:00:00.000000+0000");
        assert_eq!(end("2026-12-31T10:00:00Z"), None);
    }
}
