//! What an analyst is told about a port number: one screen of text, all transports together.
//!
//! Most numbers are claimed alike over TCP and UDP, so a claim stands once with the transports it is about.
//! The order is that of a reader's questions: what is this, what would answer here, who says so, which
//! stories come up and how one tells them apart, what to run.
//!
//! Invariants: nothing is decided here; every sentence is put together from the dossier, none is kept for a
//! port; words from files are [cleaned](super::clean()); no line but one long word is wider than asked for.

use std::fmt::Write as _;

use owo_colors::OwoColorize;

use super::clean::whole;
use crate::registry::{Claim, ClaimKind, Dossier, PortStatus};
use crate::verdict::{Expected, Story};
use crate::wire::Transport;

/// Reasons for a status that are said at most.
const SIGNS_MAX: usize = 4;
/// Answers that the first sentences name at most.
const ANSWERS_MAX: usize = 2;
/// Narrower than this is written for as if it were this wide.
const WIDTH_MIN: usize = 60;
/// Wider than this no line of running text is easy to read.
const WIDTH_MAX: usize = 120;

/// One number: what is known over each transport, and the stories to expect there.
#[derive(Debug)]
pub struct Briefing<'a> {
    /// Over each transport that is asked about, at least one; all of the same port.
    pub over: &'a [(Dossier<'a>, Vec<Expected>)],
    /// What IANA assigns it to over DCCP: name and description.
    pub dccp: &'a [(&'a str, &'a str)],
    /// Columns of the terminal.
    pub width: u16,
}

/// Everything about a port number, for people. Coloured; strip the codes where they are not wanted.
#[must_use]
pub fn brief(briefing: &Briefing<'_>) -> String {
    let mut text = String::new();
    let Some((dossier, expected)) = briefing.main() else { return text };
    let width = briefing.width();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{}", briefing.headline().bold());
    item(&mut text, "", 0, &briefing.lead(), width);
    section(&mut text, "Claims");
    claims(&mut text, briefing);
    let signs = signs(dossier);
    item(&mut text, "", 2, &format!("{} because: {signs}", dossier.status.name()), width);
    section(&mut text, "Stories special to this number, likeliest first");
    stories(&mut text, expected, width);
    section(&mut text, "How to check");
    let transports: Vec<Transport> = briefing.over.iter().map(|(dossier, _)| dossier.transport).collect();
    for (place, command) in commands(&transports, dossier.port) {
        let _ = writeln!(text, "  {place:<10}{command}");
    }
    text
}

/// The same in a paragraph: for ranges.
#[must_use]
pub fn in_short(briefing: &Briefing<'_>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", briefing.headline().bold());
    item(&mut text, "", 2, &briefing.lead(), briefing.width());
    let once = briefing.claims();
    let is_named =
        |claim: &Claim| briefing.over.iter().any(|(d, _)| d.users.iter().any(|u| u.id == claim.id));
    let others = once.iter().filter(|once| {
        !matches!(once.claim.kind, ClaimKind::Registered | ClaimKind::Suspicious) && !is_named(once.claim)
    });
    let others: Vec<String> = others
        .map(|once| {
            let claim = once.claim;
            format!("{} ({}, {} %)", whole(&claim.name), kind(claim.kind), claim.confidence)
        })
        .collect();
    if !others.is_empty() {
        item(&mut text, "", 2, &format!("also claimed: {}", others.join(", ")), briefing.width());
    }
    text
}

/// A claim and the transports over which the same is claimed.
struct Once<'a> {
    claim: &'a Claim,
    transports: Vec<&'static str>,
}

impl<'a> Briefing<'a> {
    fn width(&self) -> usize {
        usize::from(self.width).clamp(WIDTH_MIN, WIDTH_MAX)
    }

    /// The transport over which most is claimed: the first of them.
    fn main(&self) -> Option<&'a (Dossier<'a>, Vec<Expected>)> {
        self.over.iter().rev().max_by_key(|(dossier, _)| dossier.claims.len())
    }

    /// `1207/tcp+udp  metasage · registered tier · dormant · remembered (tcp)`.
    fn headline(&self) -> String {
        let names: Vec<&str> = self.over.iter().map(|(dossier, _)| dossier.transport.name()).collect();
        let Some((main, _)) = self.main() else { return String::new() };
        let mut parts = self.each(|dossier| {
            vec![
                dossier
                    .registered
                    .map_or_else(|| "not registered".to_owned(), |name| whole(name).into_owned()),
            ]
        });
        parts.push(format!("{} tier", main.tier.name()));
        parts.extend(self.each(|dossier| vec![dossier.status.name().to_owned()]));
        parts.extend(self.each(|dossier| dossier.tags.names().map(str::to_owned).collect()));
        format!("{}/{}  {}", main.port, names.join("+"), parts.join(" · "))
    }

    /// What is said of the transports, each once, with those it holds for unless it holds for all.
    fn each(&self, said: impl Fn(&Dossier<'_>) -> Vec<String>) -> Vec<String> {
        let mut words: Vec<(String, Vec<&str>)> = Vec::new();
        for (dossier, _) in self.over {
            for word in said(dossier) {
                let transport = dossier.transport.name();
                match words.iter_mut().find(|(known, _)| *known == word) {
                    Some((_, transports)) => transports.push(transport),
                    None => words.push((word, vec![transport])),
                }
            }
        }
        let all = self.over.len();
        let said = words.into_iter().map(|(word, transports)| {
            if transports.len() == all { word } else { format!("{word} ({})", transports.join(", ")) }
        });
        said.collect()
    }

    /// Claims of all transports, those that say the same together.
    fn claims(&self) -> Vec<Once<'a>> {
        let mut once: Vec<Once<'a>> = Vec::new();
        for (dossier, _) in self.over {
            for claim in dossier.claims {
                let transport = dossier.transport.name();
                match once.iter_mut().find(|known| says_the_same(known.claim, claim)) {
                    Some(known) if !known.transports.contains(&transport) => known.transports.push(transport),
                    Some(_) => {}
                    None => once.push(Once { claim, transports: vec![transport] }),
                }
            }
        }
        once
    }

    /// Which malware is on record, and how good the record is: a sentence, or nothing.
    fn suspicion(&self) -> String {
        let all = self.claims();
        let bad: Vec<&Claim> =
            all.iter().map(|once| once.claim).filter(|claim| claim.kind == ClaimKind::Suspicious).collect();
        let Some(best) = bad.iter().map(|claim| claim.confidence).max() else { return String::new() };
        let mut names: Vec<&str> = bad.iter().map(|claim| claim.name.as_str()).collect();
        names.dedup();
        let most = if names.len() > 1 { "at most " } else { "" };
        let names = few(&names);
        format!(
            " On record as malware here: {} ({most}{best} %); the number alone proves nothing.",
            whole(&names)
        )
    }

    /// What the number is, what would answer here, and what is said against it: a few sentences.
    fn lead(&self) -> String {
        let Some((dossier, expected)) = self.main() else { return String::new() };
        let mut lead = assignment(dossier);
        let who = Expected::who_answers(expected);
        let named: Vec<&str> = who.into_iter().take(ANSWERS_MAX).collect();
        let itself = dossier.registered.filter(|_| dossier.lives);
        match (itself, named.as_slice()) {
            (Some(_), [_, second, ..]) if dossier.users.is_empty() => {
                let _ = write!(lead, " Otherwise it may be {}.", whole(second));
            }
            (Some(_), _) | (None, []) => {}
            (None, _) if !dossier.users.is_empty() => {} // they are named already
            (None, named) => {
                let named = named.join(", else ");
                let _ = write!(lead, " If something answers here, it is most likely {}.", whole(&named));
            }
        }
        if expected.iter().any(|story| story.story == Story::EphemeralOverlap && story.is_common()) {
            lead.push_str(" Mostly such a number is a client's own port and no service at all.");
        }
        lead + &self.suspicion()
    }
}

/// True when two claims differ in nothing that is shown but their transport.
fn says_the_same(one: &Claim, other: &Claim) -> bool {
    let shown = |claim: &Claim| Claim { id: String::new(), transport: Transport::Tcp, ..claim.clone() };
    one.name == other.name && shown(one) == shown(other)
}

/// What the registry says and whether it still means something, in one sentence.
fn assignment(dossier: &Dossier<'_>) -> String {
    let users: Vec<&str> = dossier.users.iter().map(|claim| claim.name.as_str()).collect();
    let Some(name) = dossier.registered else {
        return match dossier.status {
            PortStatus::Active => format!("Not assigned, but in use: {}.", whole(&few(&users))),
            PortStatus::Reserved => "Reserved by IANA: no service belongs here.".to_owned(),
            PortStatus::Dynamic => "A dynamic port, never assigned to anybody.".to_owned(),
            PortStatus::Unassigned | PortStatus::Dormant => "Assigned to nobody.".to_owned(),
        };
    };
    let what = dossier.description.trim_end_matches('.');
    let what = if what.is_empty() || what.eq_ignore_ascii_case(name) {
        String::new()
    } else {
        format!(" ({})", whole(what))
    };
    let registration = dossier.claims.iter().find(|claim| claim.kind == ClaimKind::Registered);
    let is_gone = registration.is_some_and(|claim| claim.dead);
    let name = whole(name);
    match dossier.status {
        PortStatus::Active if dossier.lives && users.is_empty() => {
            format!("Assigned to {name}{what}, and in use as such.")
        }
        PortStatus::Active if dossier.lives => {
            format!("Assigned to {name}{what}, and in use as such; also by {}.", whole(&few(&users)))
        }
        PortStatus::Active => {
            format!("Assigned to {name}{what}, but known for others: {}.", whole(&few(&users)))
        }
        _ if is_gone => format!("Assigned to {name}{what}, which nobody runs any more."),
        _ => format!("Assigned to {name}{what}, which nobody is known to use."),
    }
}

/// The first of some names, and how many there are more.
fn few(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().copied().take(SIGNS_MAX).collect();
    let more = names.len() - shown.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", shown.join(", "))
}

fn signs(dossier: &Dossier<'_>) -> String {
    let signs: Vec<&str> = dossier.signs.iter().map(String::as_str).collect();
    whole(&few(&signs)).into_owned()
}

fn claims(text: &mut String, briefing: &Briefing<'_>) {
    let Some((main, _)) = briefing.main() else { return };
    let all = briefing.claims();
    let transports = |names: &[&str]| names.join("+");
    let columns = |label: &str, over: &str| format!("  {label:<11} {over:<8}");
    for once in &all {
        let label = columns(kind(once.claim.kind), &transports(&once.transports));
        item(text, &label, label.len() + 1, &claim_line(once.claim, main), briefing.width());
    }
    for (name, what) in briefing.dccp {
        let label = columns(kind(ClaimKind::Registered), "dccp");
        let line = format!("{} · {} · not followed by ghostport", whole(name), whole(what));
        item(text, &label, label.len() + 1, &line, briefing.width());
    }
    let silent = briefing.over.iter().filter(|(dossier, _)| dossier.claims.is_empty());
    let silent: Vec<&str> = silent.map(|(dossier, _)| dossier.transport.name()).collect();
    if !silent.is_empty() {
        item(text, &columns("nothing", &transports(&silent)), 22, "", briefing.width());
    }
}

/// `SoftWAR · 1997-2006 · speaks x · 15 % · what it is · source`; IANA's rows say less, as the head says it.
fn claim_line(claim: &Claim, dossier: &Dossier<'_>) -> String {
    let mut parts = vec![whole(&claim.name).into_owned()];
    parts.extend(era(claim));
    if !claim.speaks.is_empty() {
        parts.push(format!("speaks {}", whole(&claim.speaks.join(" or "))));
    }
    if claim.dead {
        parts.push("gone".to_owned());
    }
    parts.push(format!("{} %", claim.confidence));
    let is_in_the_lead = claim.kind == ClaimKind::Registered && claim.description == dossier.description;
    if !claim.description.is_empty() && claim.description != claim.name && !is_in_the_lead {
        parts.push(whole(&claim.description).into_owned());
    }
    if claim.kind == ClaimKind::Registered && is_in_the_lead {
        parts.extend(dossier.modified_on.map(|date| format!("changed {date}")));
    }
    parts.push(source(claim));
    parts.push(format!("[{}]", whole(&claim.id)));
    parts.join(" · ")
}

/// Where it is said, and when somebody looked; the address of the page is in the JSON, lest a screen be full
/// of addresses. The registry's rows carry their day in the source.
fn source(claim: &Claim) -> String {
    let source = whole(&claim.source).replace("IANA service name and port number registry", "IANA registry");
    let date = whole(&claim.date);
    let read = match claim.checked {
        _ if date.is_empty() || source.contains(&*date) => String::new(),
        true => format!(" (read {date})"),
        false => format!(" (recorded {date}, not re-read)"),
    };
    format!("{source}{read}")
}

/// `1997 to 2006`, `since 2019`, `until 2008`.
fn era(claim: &Claim) -> Option<String> {
    Some(match (&claim.since, &claim.until) {
        (Some(since), Some(until)) => format!("{} to {}", whole(since), whole(until)),
        (Some(since), None) => format!("since {}", whole(since)),
        (None, Some(until)) => format!("until {}", whole(until)),
        (None, None) => return None,
    })
}

/// A kind in a column's width.
const fn kind(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Registered => "registered",
        ClaimKind::FormerlyRegistered => "former",
        ClaimKind::Squatter => "squatter",
        ClaimKind::Suspicious => "suspicious",
    }
}

/// What is special about this port, two paragraphs each; what comes up on any port in one.
fn stories(text: &mut String, expected: &[Expected], width: usize) {
    const LABEL: usize = 22;
    for story in expected.iter().filter(|story| story.special) {
        let label = format!("  {:<19}", story.story.name());
        item(text, &label, LABEL, &whole(&story.because), width);
        item(text, "", LABEL, &format!("tell: {}", whole(&story.tell)), width);
    }
    let others = expected.iter().filter(|story| !story.special);
    let others: Vec<String> =
        others.map(|story| format!("{} ({})", story.story.name(), whole(&story.because))).collect();
    if !others.is_empty() {
        item(text, "  as on any port", LABEL, &others.join(", "), width);
    }
}

/// What to run to see who listens, by system, and to watch the wire.
fn commands(transports: &[Transport], port: u16) -> Vec<(&'static str, String)> {
    let letters: String = transports.iter().map(|&transport| socket_letter(transport)).collect();
    let mut commands = vec![("Linux", format!("ss -{letters}lnp 'sport = :{port}'"))];
    let has = |transport| transports.contains(&transport);
    let tcp = format!("Get-NetTCPConnection -LocalPort {port} -State Listen");
    let udp = format!("Get-NetUDPEndpoint -LocalPort {port}");
    match (has(Transport::Tcp), has(Transport::Udp)) {
        (true, true) => {
            commands.push(("macOS", format!("sudo lsof -nP -i :{port}")));
            commands.push(("Windows", format!("netstat -ano | findstr \":{port} \"")));
        }
        (true, false) => {
            commands.push(("macOS", format!("sudo lsof -nP -iTCP:{port} -sTCP:LISTEN")));
            commands.push(("Windows", format!("{tcp} | select LocalAddress, OwningProcess")));
        }
        (false, true) => {
            commands.push(("macOS", format!("sudo lsof -nP -iUDP:{port}")));
            commands.push(("Windows", format!("{udp} | select LocalAddress, OwningProcess")));
        }
        (false, false) => {} // neither has SCTP
    }
    let over = match transports {
        [one] => format!("{} ", one.name()),
        _ => String::new(),
    };
    commands.push(("the wire", format!("ghostport -i any --flows '{over}port {port}'")));
    commands
}

const fn socket_letter(transport: Transport) -> char {
    match transport {
        Transport::Tcp => 't',
        Transport::Udp => 'u',
        Transport::Sctp => 'S',
    }
}

fn section(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{}", title.underline());
}

/// A paragraph behind a label; its lines begin at `indent` and end before `width`, unless a word is longer.
pub(super) fn item(text: &mut String, label: &str, indent: usize, words: &str, width: usize) {
    let mut line = format!("{label:<indent$}");
    let mut fresh = true;
    for word in words.split_whitespace() {
        if !fresh && line.chars().count() + 1 + word.chars().count() > width {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(indent);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::dossier_json;
    use crate::registry::Registry;
    use crate::verdict::stories_to_expect;

    /// What a claim may take, with its share of the stories.
    const LINES_OF_A_CLAIM: usize = 5;
    /// What the rest may take.
    const LINES: usize = 35;

    fn told(transport: Transport, port: u16) -> (Dossier<'static>, Vec<Expected>) {
        let dossier = Registry::builtin().dossier(transport, port);
        let expected = stories_to_expect(&dossier);
        (dossier, expected)
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn every_port_is_explained_over_every_transport() {
        std::thread::scope(|scope| {
            for first in 0..4 {
                scope.spawn(move || (first..=u16::MAX).step_by(4).for_each(is_explained));
            }
        });
    }

    fn is_explained(port: u16) {
        let over = Transport::ALL.map(|transport| told(transport, port));
        for one in &over {
            let json = dossier_json(&one.0, &one.1).unwrap();
            serde_json::from_str::<serde::de::IgnoredAny>(&json).unwrap();
            assert!(!one.1.is_empty());
        }
        let dccp = Registry::dccp(port);
        let briefing = Briefing { over: &over, dccp: &dccp, width: 100 };
        let text = brief(&briefing);
        assert!(text.contains(&format!("{port}/tcp+udp+sctp  ")), "{text}");
        let claims = briefing.claims().len();
        assert!(text.lines().count() <= LINES + claims * LINES_OF_A_CLAIM, "{text}");
        assert!(in_short(&briefing).lines().count() >= 2);
    }

    #[test]
    fn every_port_is_explained_over_one_transport() {
        for port in (0..=u16::MAX).step_by(7) {
            for transport in Transport::ALL {
                let over = [told(transport, port)];
                let text = brief(&Briefing { over: &over, dccp: &[], width: 80 });
                assert!(text.contains(&format!("{port}/{}  ", transport.name())), "{text}");
            }
        }
    }

    #[test]
    fn the_width_is_kept() {
        for width in [60, 80, 100, 120] {
            for port in [22, 443, 1207, 3007, 3098, 3206, 8080, 65000] {
                let over = [told(Transport::Tcp, port), told(Transport::Udp, port)];
                let text = plain(&brief(&Briefing { over: &over, dccp: &[], width }));
                let running = text.lines().skip(1).filter(|line| !line.contains("ghostport -i"));
                // A word is never broken: an address may be longer than a line.
                let widest = running.map(|line| line.chars().count()).max();
                assert!(widest <= Some(usize::from(width)), "{text}");
            }
        }
    }
}
