//! Which of the places our own data goes to, for one line.

use serde::Serialize;

use super::ExtraPlacement;
use super::flat::{Flat, Ints};
use super::ghost::{GhostFlow, GhostPort};
use super::stats::GhostStats;

/// EVE's `metadata`: where strings and numbers of ours stand when nothing of ours may stand at the top level.
#[derive(Debug, Default, Serialize)]
pub(super) struct Metadata {
    /// `name:value`, never empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) flowbits: Vec<String>,
    /// Counters, never empty.
    #[serde(skip_serializing_if = "is_empty")]
    pub(super) flowints: Ints,
}

fn is_empty(ints: &Ints) -> bool {
    ints.0.is_empty()
}

/// Our own data of one line, and where it stands.
#[derive(Debug)]
pub(super) struct Extra<G> {
    pub(super) ghostport: Option<G>,
    pub(super) metadata: Option<Metadata>,
}

impl<'a> Extra<&'a GhostFlow<'a>> {
    pub(super) fn flow(ghost: &'a GhostFlow<'a>, placement: ExtraPlacement) -> Self {
        Self::placed(ghost, placement, |ghost| Metadata {
            flowbits: Flat::flow(ghost).bits(),
            flowints: Ints::default(),
        })
    }
}

impl<'a> Extra<GhostPort<'a>> {
    pub(super) fn port(ghost: GhostPort<'a>, placement: ExtraPlacement) -> Self {
        Self::placed(ghost, placement, |ghost| Metadata {
            flowbits: Flat::bucket(ghost).bits(),
            flowints: Ints::port(ghost),
        })
    }
}

impl<'a> Extra<GhostStats<'a>> {
    pub(super) fn stats(ghost: GhostStats<'a>, placement: ExtraPlacement) -> Self {
        Self::placed(ghost, placement, |ghost| Metadata { flowbits: Vec::new(), flowints: ghost.ints() })
    }
}

impl<G> Extra<G> {
    fn placed(ghost: G, placement: ExtraPlacement, metadata: impl FnOnce(&G) -> Metadata) -> Self {
        match placement {
            ExtraPlacement::TopLevel => Self { ghostport: Some(ghost), metadata: None },
            ExtraPlacement::Metadata => Self { metadata: Some(metadata(&ghost)), ghostport: None },
        }
    }
}
