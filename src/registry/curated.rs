//! Files that people write: claims (`rules/claims/*.toml`), what services speak (`rules/speaks.toml`), and
//! where operating systems take client ports from (`rules/ephemeral.toml`).
//!
//! Invariants: a claim without a source is refused, and so is a file with any mistake in it; everything wrong
//! in a file is reported at once, except that a file that is not TOML says only where it stops being it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::Deserialize;
use toml::Spanned;

use super::claim::{Claim, ClaimKind};
use super::diagnostic::{Diagnostic, Place};
use super::iana::Row;
use super::spec::{OneOrMany, Ports, Text, parse, range_name, slug};
use crate::wire::Transport;

/// What a curated claim says about life today.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Standing {
    /// In use today: keeps the port active.
    Active,
    /// Was in use and may still turn up: the port is remembered for it.
    #[default]
    Historic,
    /// Nobody runs it any more: ends the signs of life of a registration.
    Dead,
    /// Said somewhere and not confirmed: changes neither status nor tags.
    Unverified,
}

/// A range from which an operating system takes the ports of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ephemeral {
    /// Stable identifier.
    pub id: String,
    /// The system, and since when.
    pub name: String,
    /// The range.
    pub ports: RangeInclusive<u16>,
    /// An address translator: its ports are never those of a service.
    pub translates: bool,
    /// Where this is said.
    pub source: String,
}

/// What services speak, by registered name, and what ports speak whose registered name does not tell.
#[derive(Debug, Default)]
pub(super) struct Speaks {
    /// Asked for every row of the registry at every start, hence hashed; never walked through.
    pub(super) services: HashMap<String, Vec<String>, FixedState>,
    pub(super) ports: BTreeMap<(Transport, u16), Vec<String>>,
}

impl Speaks {
    /// What the service of a row speaks. `first`: its name is the first that its first port has on the
    /// transport, so that what is said of the port is said of it.
    pub(super) fn of(&self, row: &Row, transport: Transport, first: bool) -> Vec<&str> {
        let mut said: Vec<&str> = Vec::new();
        if row.live() {
            let service = self.services.get(row.name).into_iter().flatten();
            let own = self.ports.get(&(transport, row.ports.0)).into_iter().flatten().filter(|_| first);
            for protocol in service.chain(own) {
                if !said.contains(&protocol.as_str()) {
                    said.push(protocol);
                }
            }
        }
        said
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClaimFile {
    /// The day its entries were written.
    recorded: Option<Text>,
    #[serde(default)]
    claim: Vec<RawClaim>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClaim {
    id: Text,
    ports: Ports,
    transport: OneOrMany<Carrier>,
    kind: Kind,
    name: Text,
    #[serde(default)]
    description: String,
    since: Option<Text>,
    until: Option<Text>,
    #[serde(default)]
    speaks: Vec<Text>,
    #[serde(default)]
    status: Standing,
    confidence: Option<Spanned<i64>>,
    source: Option<Text>,
    /// The day somebody opened the source and found there what the entry says.
    checked: Option<Text>,
    /// The page that was read.
    url: Option<Text>,
}

/// A transport by its name in files.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Carrier {
    Tcp,
    Udp,
    Sctp,
}

impl Carrier {
    pub(super) const fn transport(self) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            Self::Udp => Transport::Udp,
            Self::Sctp => Transport::Sctp,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Registered,
    FormerlyRegistered,
    Squatter,
    Suspicious,
}

impl Kind {
    pub(super) const fn kind(self) -> ClaimKind {
        match self {
            Self::Registered => ClaimKind::Registered,
            Self::FormerlyRegistered => ClaimKind::FormerlyRegistered,
            Self::Squatter => ClaimKind::Squatter,
            Self::Suspicious => ClaimKind::Suspicious,
        }
    }

    /// Percent, where the file does not say: an unsourced memory of malware is worth less than one of a
    /// product.
    const fn confidence(self) -> u8 {
        match self {
            Self::Registered | Self::FormerlyRegistered => 80,
            Self::Squatter => 60,
            Self::Suspicious => 30,
        }
    }
}

/// The claims of a file, each with what it says about life. `ids` are those taken by earlier files.
pub(super) fn claims(
    place: Place<'_>,
    ids: &mut BTreeSet<String>,
    wrong: &mut Vec<Diagnostic>,
) -> Vec<(Claim, Standing)> {
    let file: ClaimFile = match parse(place) {
        Ok(file) => file,
        Err(mistake) => {
            wrong.push(mistake);
            return Vec::new();
        }
    };
    day(place, file.recorded.as_ref(), wrong);
    let recorded = file.recorded.as_ref().map_or("", |day| day.get_ref());
    let mut claims = Vec::new();
    for raw in file.claim {
        let before = wrong.len();
        check(place, &raw, wrong);
        if wrong.len() == before {
            spread(place, &raw, recorded, ids, &mut claims, wrong);
        }
    }
    claims
}

/// The claims of one entry of a compiled-in file, `[[claim]]` and its keys; `recorded` is the file's day.
pub(super) fn entry(text: &str, recorded: &str) -> Vec<(Claim, Standing)> {
    let mut read = claims(Place { file: "", text }, &mut BTreeSet::new(), &mut Vec::new());
    for (claim, _) in read.iter_mut().filter(|(claim, _)| !claim.checked) {
        recorded.clone_into(&mut claim.date);
    }
    read
}

/// What the types cannot say.
fn check(place: Place<'_>, raw: &RawClaim, wrong: &mut Vec<Diagnostic>) {
    let id = raw.id.get_ref();
    if !slug(id) {
        let what = format!("{id:?} is not an id");
        let help = "lower-case letters, digits, '-', '_' and '.'; port and transport are put in front of it";
        wrong.push(Diagnostic::error(place, raw.id.span(), what).help(help));
    }
    if raw.name.get_ref().trim().is_empty() {
        wrong.push(Diagnostic::error(place, raw.name.span(), "the name is empty"));
    }
    match &raw.source {
        Some(source) if !source.get_ref().trim().is_empty() => {}
        source => {
            let span = source.as_ref().map_or_else(|| raw.id.span(), Text::span);
            let what = format!("claim {id:?} has no source");
            let help = "add source = \"…\": the document, address or registry row that says so";
            wrong.push(Diagnostic::error(place, span, what).help(help));
        }
    }
    if let Some(percent) = raw.confidence.as_ref().filter(|percent| !(0..=100).contains(percent.get_ref())) {
        let what = format!("confidence {} is not a percentage", percent.get_ref());
        wrong.push(Diagnostic::error(place, percent.span(), what).help("0 to 100"));
    }
    for date in [&raw.since, &raw.until].into_iter().flatten().filter(|date| !dated(date.get_ref())) {
        let what = format!("{:?} is not a year or a date", date.get_ref());
        wrong.push(Diagnostic::error(place, date.span(), what).help("YYYY, YYYY-MM or YYYY-MM-DD"));
    }
    day(place, raw.checked.as_ref(), wrong);
    if let Some(url) = raw.url.as_ref().filter(|url| !address(url.get_ref())) {
        let what = format!("{:?} is not an address", url.get_ref());
        wrong.push(Diagnostic::error(place, url.span(), what).help("https://… of the page that was read"));
    }
    protocols(place, &raw.speaks, wrong);
}

/// A key that takes a whole date.
fn day(place: Place<'_>, day: Option<&Text>, wrong: &mut Vec<Diagnostic>) {
    if let Some(day) = day.filter(|day| day.get_ref().len() != 10 || !dated(day.get_ref())) {
        let what = format!("{:?} is not a date", day.get_ref());
        wrong.push(Diagnostic::error(place, day.span(), what).help("YYYY-MM-DD"));
    }
}

/// `http://` or `https://` and something printable without spaces.
fn address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control()))
}

fn protocols(place: Place<'_>, speaks: &[Text], wrong: &mut Vec<Diagnostic>) {
    for protocol in speaks.iter().filter(|protocol| !slug(protocol.get_ref())) {
        let what = format!("{:?} is not a protocol name", protocol.get_ref());
        wrong.push(Diagnostic::error(place, protocol.span(), what).help("lower case, as in app_proto: http"));
    }
}

/// One claim for each range and transport.
fn spread(
    place: Place<'_>,
    raw: &RawClaim,
    recorded: &str,
    ids: &mut BTreeSet<String>,
    claims: &mut Vec<(Claim, Standing)>,
    wrong: &mut Vec<Diagnostic>,
) {
    let confidence = raw.confidence.as_ref().and_then(|percent| u8::try_from(*percent.get_ref()).ok());
    for range in raw.ports.listed() {
        for transport in raw.transport.0.iter().map(|carrier| carrier.transport()) {
            let id = format!("{}/{}/{}", range_name(range), transport.name(), raw.id.get_ref());
            if !ids.insert(id.clone()) {
                let what = format!("there is another claim {id}");
                wrong.push(Diagnostic::error(place, raw.id.span(), what).help("choose another id"));
                continue;
            }
            let claim = Claim {
                id,
                transport,
                ports: range.clone(),
                kind: raw.kind.kind(),
                name: raw.name.get_ref().clone(),
                description: raw.description.clone(),
                since: raw.since.as_ref().map(|date| date.get_ref().clone()),
                until: raw.until.as_ref().map(|date| date.get_ref().clone()),
                speaks: raw.speaks.iter().map(|protocol| protocol.get_ref().clone()).collect(),
                dead: raw.status == Standing::Dead,
                confidence: confidence.unwrap_or_else(|| raw.kind.confidence()),
                source: raw.source.as_ref().map(|source| source.get_ref().clone()).unwrap_or_default(),
                date: raw.checked.as_ref().map_or(recorded, |day| day.get_ref()).to_owned(),
                checked: raw.checked.is_some(),
                url: raw.url.as_ref().map(|url| url.get_ref().clone()),
            };
            claims.push((claim, raw.status));
        }
    }
}

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD` (ISO 8601), of a month and a day that there are.
pub(super) fn dated(text: &str) -> bool {
    let number = |part: &str, len: usize| {
        let digits = part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let mut parts = text.split('-');
    let Some(year) = parts.next().and_then(|part| number(part, 4)) else { return false };
    let Some(month) = parts.next() else { return true };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match number(month, 2) {
        Some(2) => 28 + u16::from(leap),
        Some(4 | 6 | 9 | 11) => 30,
        Some(1..=12) => 31,
        _ => return false,
    };
    let Some(day) = parts.next() else { return true };
    parts.next().is_none() && number(day, 2).is_some_and(|day| (1..=days).contains(&day))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpeaksFile {
    service: BTreeMap<String, OneOrMany<String>>,
    #[serde(default)]
    port: Vec<RawSpeaking>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpeaking {
    ports: Ports,
    transport: OneOrMany<Carrier>,
    speaks: Vec<Text>,
    source: Text,
}

/// What services speak. That each of them is registered is for the tests to say.
pub(super) fn speaks(place: Place<'_>, wrong: &mut Vec<Diagnostic>) -> Speaks {
    let mut speaks = Speaks::default();
    let file: SpeaksFile = match parse(place) {
        Ok(file) => file,
        Err(mistake) => {
            wrong.push(mistake);
            return speaks;
        }
    };
    for (service, protocols) in file.service {
        speaks.services.insert(service, protocols.0);
    }
    for raw in file.port {
        protocols(place, &raw.speaks, wrong);
        if raw.source.get_ref().trim().is_empty() {
            wrong.push(Diagnostic::error(place, raw.source.span(), "the source is empty"));
        }
        let said: Vec<String> = raw.speaks.into_iter().map(Spanned::into_inner).collect();
        for transport in raw.transport.0.into_iter().map(Carrier::transport) {
            for port in raw.ports.listed().cloned().flatten() {
                speaks.ports.entry((transport, port)).or_default().extend_from_slice(&said);
            }
        }
    }
    speaks
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EphemeralFile {
    range: Vec<RawEphemeral>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEphemeral {
    id: String,
    name: String,
    ports: Ports,
    #[serde(default)]
    kind: RangeKind,
    source: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RangeKind {
    #[default]
    System,
    Nat,
}

/// Where clients' ports come from.
pub(super) fn ephemeral(place: Place<'_>, wrong: &mut Vec<Diagnostic>) -> Vec<Ephemeral> {
    let file: EphemeralFile = match parse(place) {
        Ok(file) => file,
        Err(mistake) => {
            wrong.push(mistake);
            return Vec::new();
        }
    };
    let ranges = file.range.into_iter().flat_map(|raw| {
        let RawEphemeral { id, name, ports, kind, source } = raw;
        let listed: Vec<_> = ports.listed().cloned().collect();
        listed.into_iter().map(move |ports| Ephemeral {
            id: id.clone(),
            name: name.clone(),
            ports,
            translates: kind == RangeKind::Nat,
            source: source.clone(),
        })
    });
    ranges.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "[[claim]]\nid = 'x'\nports = 7\ntransport = 'tcp'\nkind = 'squatter'\nname = 'X'\n\
                        source = 's'\n";

    fn read(text: &str) -> (usize, Vec<String>) {
        let mut wrong = Vec::new();
        let place = Place { file: "c.toml", text };
        let claims = claims(place, &mut BTreeSet::new(), &mut wrong).len();
        (claims, wrong.iter().map(|d| format!("{}:{}:{}: {}", d.file, d.line, d.column, d.what)).collect())
    }

    fn said(from: &str, to: &str) -> Vec<String> {
        assert!(GOOD.contains(from), "{from}");
        read(&GOOD.replace(from, to)).1
    }

    #[test]
    fn a_claim_for_each_range_and_transport() {
        assert_eq!(read(GOOD), (1, vec![]));
        let text = GOOD.replace("ports = 7", "ports = [7, '9-10']").replace("'tcp'", "['tcp', 'udp']");
        assert_eq!(read(&text), (4, vec![]));
    }

    #[test]
    fn every_mistake_has_its_place() {
        assert_eq!(said("source = 's'\n", ""), ["c.toml:2:6: claim \"x\" has no source"]);
        assert_eq!(said("'s'", "' '"), ["c.toml:7:10: claim \"x\" has no source"]);
        assert_eq!(said("'x'", "'X y'"), ["c.toml:2:6: \"X y\" is not an id"]);
        assert_eq!(said("'X'", "''"), ["c.toml:6:8: the name is empty"]);
        assert_eq!(said("ports = 7", "ports = '9-7'"), ["c.toml:3:9: empty range: 9 is above 7"]);
        assert_eq!(
            said("ports = 7", "ports = 65536"),
            ["c.toml:3:9: 65536 is not a port: ports are 0 to 65535"]
        );
        assert!(said("'tcp'", "'tpc'")[0].starts_with("c.toml:4:13: unknown variant `tpc`"));
        assert!(said("'squatter'", "'guest'")[0].starts_with("c.toml:5:8: unknown variant `guest`"));
        assert!(said("name =", "nmae =")[0].starts_with("c.toml:6:1: unknown field `nmae`"));
        let more = |line: &str| said("source = 's'\n", &format!("source = 's'\n{line}\n"));
        assert_eq!(more("confidence = 101"), ["c.toml:8:14: confidence 101 is not a percentage"]);
        assert_eq!(more("since = '98'"), ["c.toml:8:9: \"98\" is not a year or a date"]);
        assert_eq!(more("until = '2003-13'"), ["c.toml:8:9: \"2003-13\" is not a year or a date"]);
        assert_eq!(more("checked = '2026-11'"), ["c.toml:8:11: \"2026-11\" is not a date"]);
        assert_eq!(more("checked = '2026-02-29'"), ["c.toml:8:11: \"2026-02-29\" is not a date"]);
        assert_eq!(more("url = 'wiki'"), ["c.toml:8:7: \"wiki\" is not an address"]);
        assert_eq!(more("url = 'https://a b'"), ["c.toml:8:7: \"https://a b\" is not an address"]);
        let recorded = read(&format!("recorded = '21.11.2026'\n{GOOD}")).1;
        assert_eq!(recorded, ["c.toml:1:12: \"21.11.2026\" is not a date"]);
        assert_eq!(more("speaks = ['HTTP']"), ["c.toml:8:11: \"HTTP\" is not a protocol name"]);
        assert_eq!(read(&GOOD.repeat(2)).1, ["c.toml:9:6: there is another claim 7/tcp/x"]);
    }

    #[test]
    fn a_claim_is_as_old_as_its_last_check() {
        let date = |text: &str| {
            let place = Place { file: "c.toml", text };
            let (claim, _) = claims(place, &mut BTreeSet::new(), &mut Vec::new()).remove(0);
            (claim.date, claim.checked, claim.url)
        };
        let recorded = format!("recorded = '2024-02-29'\n{GOOD}");
        assert_eq!(date(GOOD), (String::new(), false, None));
        assert_eq!(date(&recorded), ("2024-02-29".to_owned(), false, None));
        let url = "https://example.org/a?b=c#d";
        assert_eq!(
            date(&format!("{recorded}checked = '2026-11-21'\nurl = '{url}'\n")),
            ("2026-11-21".to_owned(), true, Some(url.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
            read(&text);
        }

        #[test]
        fn any_change_of_a_good_file(at in 0usize..100, cut in 0usize..5, put in "(?s).{0,3}") {
            let mut text = GOOD.to_owned();
            let at = at.min(text.len());
            text.replace_range(at..(at + cut).min(GOOD.len()), &put);
            read(&text);
        }
    }
}
