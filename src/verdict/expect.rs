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
}

/// The stories to expect on a port, in the order of [`Story::ALL`]. Scans and wrong addresses come up on any
/// port, so they close every list.
#[must_use]
pub fn stories_to_expect(dossier: &Dossier<'_>) -> Vec<Expected> {
    let mut expected = Vec::new();
    let mut add = |story, because: String| expected.push(Expected { story, because });
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
