//! Words of rule files that name something of another room: a story, a protocol, an outcome.
//!
//! They are read where they stand, so that a misspelt one is refused with its place and with the word that
//! was meant.

use std::net::IpAddr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::evidence::CATALOGUE;
use crate::flow::{ConnState, Flow, Outcome};
use crate::payload::{App, Sides};
use crate::registry::{PortStatus, Tier};
use crate::verdict::Story;
use crate::wire::Transport;

use super::nets::Nets;
use super::rule::Severity;

/// Something that has a name in rule files.
pub(super) trait Named: Copy {
    /// What it is called in messages.
    const WHAT: &'static str;
    /// Everything there is, with its name.
    fn all() -> Vec<Self>;
    /// The name in files.
    fn name(self) -> &'static str;
}

/// A word of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: Named> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        if let Some(found) = T::all().into_iter().find(|one| one.name() == written) {
            return Ok(Self(found));
        }
        let known: Vec<String> = T::all().into_iter().map(|one| format!("`{}`", one.name())).collect();
        let what = T::WHAT;
        Err(D::Error::custom(format_args!(
            "unknown {what} `{written}`, expected one of {}",
            known.join(", ")
        )))
    }
}

/// Where the two ends of a flow are, seen from the networks that are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From outside to one of ours.
    Inbound,
    /// From one of ours to the outside.
    Outbound,
    /// Both ends are ours.
    Internal,
    /// Neither is.
    External,
}

impl Way {
    /// Name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
}

/// The networks that are ours: `internal` in rule files. Shared, so that who writes lines can say the way of
/// a flow without holding up who judges it.
#[derive(Clone, Debug)]
pub struct Internal(pub(super) Arc<Nets>);

impl Internal {
    /// Which way a flow goes, seen from these networks.
    #[must_use]
    pub fn way(&self, flow: &Flow) -> Way {
        way(&self.0, flow.originator.addr, flow.responder.addr)
    }
}

/// Which way a flow goes, seen from the networks that are ours.
pub(super) fn way(internal: &Nets, originator: IpAddr, responder: IpAddr) -> Way {
    match (internal.contains(originator), internal.contains(responder)) {
        (false, true) => Way::Inbound,
        (true, false) => Way::Outbound,
        (true, true) => Way::Internal,
        (false, false) => Way::External,
    }
}

/// A tag of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Remembered,
    Suspicious,
}

/// The name of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FactName(pub(super) &'static str);

impl Word<FactName> {
    /// True unless nobody gathers that fact, so that it is never there.
    pub(super) fn is_gathered(&self) -> bool {
        CATALOGUE.iter().any(|(name, ..)| *name == self.0.0)
    }
}

impl Named for FactName {
    const WHAT: &'static str = "fact";

    /// Those of the catalogue, and the one that an inventory adds: without an inventory it is never there,
    /// and a rule that asks for it is silent.
    fn all() -> Vec<Self> {
        CATALOGUE.iter().map(|(name, ..)| Self(name)).chain([Self("first_seen_service")]).collect()
    }

    fn name(self) -> &'static str {
        self.0
    }
}

/// What a threshold counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// All flows of the rule.
    Rule,
    Originator,
    Responder,
    /// Originator's address, and responder's address, port and transport.
    Pair,
    /// Responder's address, port and transport.
    Service,
    /// Responder's port and transport.
    Port,
}

macro_rules! named {
    ($($type:ty, $what:literal, $all:expr;)*) => {
        $(impl Named for $type {
            const WHAT: &'static str = $what;
            fn all() -> Vec<Self> {
                $all.to_vec()
            }
            fn name(self) -> &'static str {
                <$type>::name(self)
            }
        })*
    };
}

named! {
    Transport, "transport", Transport::ALL;
    Story, "story", Story::ALL;
    Outcome, "outcome", Outcome::ALL;
    ConnState, "conn_state", [
        ConnState::S0, ConnState::S1, ConnState::Sf, ConnState::Rej, ConnState::S2, ConnState::S3,
        ConnState::Rsto, ConnState::Rstr, ConnState::Rstos0, ConnState::Rstrh, ConnState::Sh, ConnState::Shr,
        ConnState::Oth,
    ];
    Tier, "tier", [Tier::WellKnown, Tier::Registered, Tier::Dynamic];
    PortStatus, "status", [
        PortStatus::Active, PortStatus::Dormant, PortStatus::Unassigned, PortStatus::Reserved,
        PortStatus::Dynamic,
    ];
    Sides, "side", [Sides::Neither, Sides::Originator, Sides::Responder, Sides::Both];
    App, "app_proto", [&[App::Unknown], App::ALL].concat();
    Way, "direction", [Way::Inbound, Way::Outbound, Way::Internal, Way::External];
    Tag, "tag", [Tag::Remembered, Tag::Suspicious];
    By, "word to count by", [By::Rule, By::Originator, By::Responder, By::Pair, By::Service, By::Port];
    Severity, "severity", Severity::ALL;
}

impl Tag {
    const fn name(self) -> &'static str {
        match self {
            Self::Remembered => "remembered",
            Self::Suspicious => "suspicious",
        }
    }
}

impl By {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Originator => "originator",
            Self::Responder => "responder",
            Self::Pair => "pair",
            Self::Service => "service",
            Self::Port => "port",
        }
    }
}

/// A probability, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share(pub(super) f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        if (0.0..=1.0).contains(&share) {
            return Ok(Self(share));
        }
        Err(D::Error::custom(format_args!("{share} is not a probability: 0 to 1")))
    }
}
