//! Before anything was seen: which stories traffic on a port is likely to tell, and why. For `ghostport
//! explain`.

use super::Story;
use crate::registry::{Claim, ClaimKind, Dossier, PortStatus};

/// A story that may come up on a port, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The story.
    pub story: Story,
    /// Why it may come up here, in one sentence without a full stop.
    pub because: String,
    /// What on the wire would show that it is this one, in one sentence without a full stop.
    pub tell: String,
    /// What it is that answers then, as a noun; none for stories in which nobody answers on the port.
    pub answers: Option<String>,
    /// True when something is known that makes it likelier here than on any other port.
    pub special: bool,
    /// For the order only: 0 to 100, by the confidence of the claims behind it.
    likely: u8,
}

/// Names that one sentence lists at most.
const NAMES_MAX: usize = 3;

/// The stories to expect on a port, likeliest first; equally likely ones in the order of [`Story::ALL`].
/// Those that come up on any port close the list.
#[must_use]
pub fn stories_to_expect(dossier: &Dossier<'_>) -> Vec<Expected> {
    let mut expected = Vec::new();
    expected.extend(registered(dossier));
    expected.extend(squatter(dossier));
    expected.extend(clients(dossier));
    expected.extend(malware(dossier));
    expected.extend(anywhere(dossier));
    expected.sort_by_key(|story| (!story.special, std::cmp::Reverse(story.likely), story.story));
    expected
}

fn registered(dossier: &Dossier<'_>) -> Option<Expected> {
    let name = dossier.registered?;
    let is_gone = dossier.claims.iter().any(|c| c.kind == ClaimKind::Registered && c.dead);
    let (because, likely) = match dossier.status {
        _ if dossier.lives => (format!("{name} is registered and in use"), 95),
        _ if is_gone => (format!("{name} is registered, but nobody runs it any more"), 4),
        PortStatus::Active => (format!("{name} is registered, though others are who use the port"), 12),
        _ => (format!("{name} is registered, though nothing shows it in use"), 12),
    };
    let said = spoken(dossier, &[ClaimKind::Registered]);
    let tell = said.map_or_else(
        || "no protocol is on record; a process or a second source must confirm it".to_owned(),
        |said| format!("both sides speak as registered: {said}"),
    );
    Some(Expected {
        story: Story::RegisteredService,
        because,
        tell,
        answers: Some(name.to_owned()),
        special: true,
        likely,
    })
}

fn squatter(dossier: &Dossier<'_>) -> Option<Expected> {
    const KINDS: [ClaimKind; 2] = [ClaimKind::Squatter, ClaimKind::FormerlyRegistered];
    let is_user = |claim: &Claim| dossier.users.iter().any(|user| user.id == claim.id);
    // Who is here today counts in full, who was here once by half.
    let weight = |claim: &Claim| if is_user(claim) { claim.confidence } else { claim.confidence / 2 };
    let mut claims: Vec<&Claim> =
        dossier.claims.iter().map(|claim| &**claim).filter(|claim| KINDS.contains(&claim.kind)).collect();
    claims.sort_by_key(|claim| std::cmp::Reverse(weight(claim)));
    let best = claims.first()?;
    let names = listed(claims.iter().map(|claim| claim.name.as_str()), "and");
    let because = if is_user(best) {
        format!("in use here without a registration: {names}")
    } else {
        format!("known here without a registration: {names}")
    };
    let tell = spoken(dossier, &KINDS).map_or_else(
        || "no protocol is on record; bytes of no known protocol that answer here fit".to_owned(),
        |said| format!("the answer begins like {said}"),
    );
    Some(Expected {
        story: Story::KnownSquatter,
        because,
        tell,
        answers: Some(listed(claims.iter().map(|claim| claim.name.as_str()), "or")),
        special: true,
        likely: weight(best),
    })
}

/// Stories of numbers that systems give to clients, and to services that tell where they are.
fn clients(dossier: &Dossier<'_>) -> Vec<Expected> {
    let systems: Vec<_> = dossier.ephemeral.iter().filter(|range| !range.translates).collect();
    if systems.is_empty() {
        return Vec::new();
    }
    let names = listed(systems.iter().map(|range| range.name.as_str()), "and");
    // How many of today's machines draw from here.
    let (client, service) = match dossier.port {
        0..=5000 => (10, 8),
        5001..=32767 => (15, 5),
        32768..=49151 => (60, 15),
        49152..=65535 => (80, 50),
    };
    let story = |story, because, tell: &str, answers: Option<&str>, likely| Expected {
        story,
        because,
        tell: tell.to_owned(),
        answers: answers.map(str::to_owned),
        special: true,
        likely,
    };
    vec![
        story(
            Story::EphemeralOverlap,
            format!("clients of {names} take such numbers"),
            "the SYN comes from this port, and the other end's port is a service",
            None,
            client,
        ),
        story(
            Story::NegotiatedPort,
            "RPC and FTP services take numbers from the clients' range and announce them".to_owned(),
            "an answer of 135 (RPC), 111 (portmapper) or FTP named this port before",
            Some("an RPC or FTP service that announced this number"),
            service,
        ),
    ]
}

fn malware(dossier: &Dossier<'_>) -> Option<Expected> {
    let mut claims: Vec<&Claim> =
        dossier.claims.iter().map(|claim| &**claim).filter(|c| c.kind == ClaimKind::Suspicious).collect();
    claims.sort_by_key(|claim| std::cmp::Reverse(claim.confidence));
    let best = claims.first()?.confidence;
    let names = listed(claims.iter().map(|claim| claim.name.as_str()), "and");
    Some(Expected {
        story: Story::SuspectedMalware,
        because: format!("on record here: {names}; the number alone proves nothing"),
        tell: spoken(dossier, &[ClaimKind::Suspicious]).map_or_else(
            || "no handshake is on record: bytes of no known protocol are no proof".to_owned(),
            |said| format!("the handshake, by its bytes: {said}"),
        ),
        answers: None,
        special: true,
        // A listing says that it was seen here, not that it is common.
        likely: best / 4,
    })
}

/// What comes up on any port.
fn anywhere(dossier: &Dossier<'_>) -> Vec<Expected> {
    let story = |story, because: &str, tell: &str, likely| Expected {
        story,
        because: because.to_owned(),
        tell: tell.to_owned(),
        answers: None,
        special: false,
        likely,
    };
    let mut expected = vec![
        story(
            Story::Scan,
            "scanners try every port",
            "one originator, many ports or hosts, hardly an answer",
            30,
        ),
        story(
            Story::Misdirected,
            "a wrong address or a service that moved",
            "the same few originators ask again; RST, ICMP unreachable or silence",
            20,
        ),
    ];
    if dossier.status != PortStatus::Active {
        let mut odd = story(
            Story::NonstandardPort,
            "custom applications like ports that nobody uses",
            "bytes of a known protocol that nobody named here speaks",
            25,
        );
        odd.answers = Some("a custom application that speaks a known protocol".to_owned());
        expected.push(odd);
    }
    expected
}

impl Expected {
    /// True when this is what a number like this mostly is.
    #[must_use]
    pub const fn is_common(&self) -> bool {
        self.likely >= 50
    }

    /// What answers on the port if something does, likeliest first.
    #[must_use]
    pub fn who_answers(expected: &[Self]) -> Vec<&str> {
        let mut who: Vec<&Self> = expected.iter().filter(|story| story.answers.is_some()).collect();
        who.sort_by_key(|story| std::cmp::Reverse(story.likely));
        who.iter().filter_map(|story| story.answers.as_deref()).collect()
    }
}

/// `a, b and c`, or `a, b, c and 4 more`; every name once.
fn listed<'a>(names: impl Iterator<Item = &'a str>, last: &str) -> String {
    let mut all: Vec<&str> = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let more = all.len().saturating_sub(NAMES_MAX);
    match all.as_slice() {
        names if more > 0 => format!("{} {last} {more} more", names[..NAMES_MAX].join(", ")),
        [rest @ .., end] if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        names => names.concat(),
    }
}

/// Who speaks what, of the claims of these kinds: `pop3 (IronMail POP Proxy)`; none when nobody says it.
fn spoken(dossier: &Dossier<'_>, kinds: &[ClaimKind]) -> Option<String> {
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for claim in dossier.claims.iter().filter(|c| kinds.contains(&c.kind) && !c.speaks.is_empty()) {
        let protocols = claim.speaks.join(" or ");
        match said.iter_mut().find(|(known, _)| *known == protocols) {
            Some((_, names)) => names.push(&claim.name),
            None => said.push((protocols, vec![&claim.name])),
        }
    }
    let each = said.iter().map(|(what, names)| format!("{what} ({})", listed(names.iter().copied(), "and")));
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| listed(each.iter().map(String::as_str), "or"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::App;
    use crate::registry::Registry;
    use crate::wire::Transport;

    /// Claims are compared with what payload recognises by name: another spelling of it would never match.
    #[test]
    fn claims_spell_protocols_as_payload_does() {
        for transport in Transport::ALL {
            for claim in (0..=u16::MAX).flat_map(|port| Registry::builtin().on(transport, port).iter()) {
                for name in &claim.speaks {
                    let known = App::from_name(name).map_or(name.as_str(), App::name);
                    assert_eq!(known, name, "{}", claim.id);
                }
            }
        }
    }

    #[test]
    fn every_story_has_a_reason_and_a_tell() {
        for transport in Transport::ALL {
            for port in (0..=u16::MAX).step_by(7) {
                let expected = stories_to_expect(&Registry::builtin().dossier(transport, port));
                assert!(expected.iter().all(|e| !e.because.is_empty() && !e.tell.is_empty()), "{port}");
                assert!(expected.iter().any(|e| e.story == Story::Scan));
            }
        }
    }
}
