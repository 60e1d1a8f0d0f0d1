//! Before anything was seen: which stories traffic on a port is likely to tell, and why. For `ghostport
//! explain`.

use super::Story;
use crate::registry::{ClaimKind, Dossier, PortStatus};

/// A story that may come up on a port, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The story.
    pub story: Story,
    /// Why it may come up here, in one sentence without a full stop.
    pub because: String,
    /// What on the wire would show that it is this one, in one sentence without a full stop.
    pub tell: String,
}

/// The stories to expect on a port, in the order of [`Story::ALL`]. Scans and wrong addresses come up on any
/// port, so they close every list.
#[must_use]
pub fn stories_to_expect(dossier: &Dossier<'_>) -> Vec<Expected> {
    let mut expected = Vec::new();
    let mut add =
        |story, because: String| expected.push(Expected { story, because, tell: tell(story, dossier) });
    match (dossier.registered, dossier.status) {
        (Some(name), PortStatus::Active) => {
            add(Story::RegisteredService, format!("{name} is registered and in use"))
        }
        (Some(name), _) => {
            add(Story::RegisteredService, format!("{name} is registered, though nothing shows it in use"))
        }
        (None, _) => {}
    }
    let names = |kinds: &[ClaimKind]| -> Option<String> {
        let names: Vec<&str> =
            dossier.claims.iter().filter(|c| kinds.contains(&c.kind)).map(|c| c.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = names(&[ClaimKind::Squatter, ClaimKind::FormerlyRegistered]) {
        add(Story::KnownSquatter, format!("known here without a registration: {names}"));
    }
    if dossier.status != PortStatus::Active {
        add(Story::NonstandardPort, "a custom application likes a port that nobody uses".to_owned());
    }
    let systems: Vec<&str> = dossier.ephemeral.iter().map(|range| range.name.as_str()).collect();
    if !systems.is_empty() {
        let systems = systems.join(", ");
        add(Story::NegotiatedPort, format!("RPC endpoint mappers hand out ports of this range: {systems}"));
        add(Story::EphemeralOverlap, format!("clients pick ports of this range: {systems}"));
    }
    add(Story::Scan, "scanners try every port".to_owned());
    add(Story::Misdirected, "a wrong address or a service that moved".to_owned());
    if let Some(names) = names(&[ClaimKind::Suspicious]) {
        add(Story::SuspectedMalware, format!("{names} was here; only its bytes would show it"));
    }
    expected
}

/// What on the wire tells a story from the others on this port.
fn tell(story: Story, dossier: &Dossier<'_>) -> String {
    match story {
        Story::RegisteredService => spoken(dossier, &[ClaimKind::Registered]).map_or_else(
            || "no protocol is on record; a process or a second source must confirm it".to_owned(),
            |said| format!("both sides speak as registered: {said}"),
        ),
        Story::KnownSquatter => spoken(dossier, &[ClaimKind::Squatter, ClaimKind::FormerlyRegistered])
            .map_or_else(
                || "no protocol is on record; bytes of no known protocol that answer here fit".to_owned(),
                |said| format!("the answer begins like: {said}"),
            ),
        Story::NonstandardPort => "bytes of a known protocol that nobody above speaks".to_owned(),
        Story::NegotiatedPort => {
            "shortly before, a reply of the endpoint mapper (135), portmapper (111) or FTP names this port"
                .to_owned()
        }
        Story::EphemeralOverlap => {
            "the SYN comes from this port, and the other end's port is a service".to_owned()
        }
        Story::Scan => "one originator, many ports or hosts, hardly an answer".to_owned(),
        Story::Misdirected => {
            "the same few originators ask again; RST, ICMP unreachable or silence".to_owned()
        }
        Story::SuspectedMalware => spoken(dossier, &[ClaimKind::Suspicious]).map_or_else(
            || "no handshake is on record for it here: bytes of no known protocol are no proof".to_owned(),
            |said| format!("the handshake, by its bytes: {said}"),
        ),
        _ => "none of the above".to_owned(),
    }
}

/// Who speaks what, of the claims of these kinds: `pop3 (IronMail POP Proxy)`; none when nobody says it.
fn spoken(dossier: &Dossier<'_>, kinds: &[ClaimKind]) -> Option<String> {
    let speaking = dossier.claims.iter().filter(|c| kinds.contains(&c.kind) && !c.speaks.is_empty());
    let said: Vec<String> = speaking.map(|c| format!("{} ({})", c.speaks.join(" or "), c.name)).collect();
    (!said.is_empty()).then(|| said.join(", "))
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
