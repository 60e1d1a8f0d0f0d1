//! One sourced sentence about a port, and the words that sum up what is known about a port.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::wire::Transport;

/// One sourced sentence about a port or a range of ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Stable identifier such as `3007/tcp/miralix-om` or `3007/tcp/iana`: goes into events, and users
    /// suppress by it.
    pub id: String,
    /// Transport it is about.
    pub transport: Transport,
    /// Ports it is about.
    pub ports: RangeInclusive<u16>,
    /// What kind of sentence it is.
    pub kind: ClaimKind,
    /// Name of the service, product or malware.
    pub name: String,
    /// One line about it; may be empty.
    pub description: String,
    /// Year (or date) from which on it was true, where known.
    pub since: Option<String>,
    /// Year (or date) until which it was true, where known.
    pub until: Option<String>,
    /// Protocols it speaks, by [`crate::payload`] name, where known.
    pub speaks: Vec<String>,
    /// True when there is evidence that nobody runs it any more (the source says so).
    pub dead: bool,
    /// How much the source is worth, in percent, 0 to 100.
    pub confidence: u8,
    /// Where this is said: registry row with its date, document, address.
    pub source: String,
    /// The day as of which this is said, `YYYY-MM-DD`: when somebody last opened the source
    /// ([`Self::checked`]), or else when the entry was written; of a row of the registry the day of the
    /// registry. Empty when a user's file does not say it.
    pub date: String,
    /// True when somebody opened the source on [`Self::date`] and found there what the claim says.
    pub checked: bool,
    /// Address of the page that was read, where there is one.
    pub url: Option<String>,
}

/// All claims about a port. A copy copies a pointer.
pub type Claims = Arc<[Arc<Claim>]>;

/// Kinds of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// IANA assigns the port to it.
    Registered,
    /// IANA did once.
    FormerlyRegistered,
    /// It uses the port without an assignment.
    Squatter,
    /// Malware or attack tools used it.
    Suspicious,
}

impl ClaimKind {
    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::FormerlyRegistered => "formerly_registered",
            Self::Squatter => "squatter",
            Self::Suspicious => "suspicious",
        }
    }
}

/// Where a number lies (RFC 6335 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 0 to 1023, "system ports".
    WellKnown,
    /// 1024 to 49151, "user ports".
    Registered,
    /// 49152 to 65535, "dynamic ports": never assigned.
    Dynamic,
}

impl Tier {
    /// The tier of a port.
    #[must_use]
    pub const fn of(port: u16) -> Self {
        match port {
            0..=1023 => Self::WellKnown,
            1024..=49151 => Self::Registered,
            49152..=65535 => Self::Dynamic,
        }
    }

    /// Name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WellKnown => "well_known",
            Self::Registered => "registered",
            Self::Dynamic => "dynamic",
        }
    }
}

/// What the claims about a port add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortStatus {
    /// Assigned or widely used, with signs of life.
    Active,
    /// Assigned, without any sign of use.
    Dormant,
    /// Not assigned.
    Unassigned,
    /// Reserved by IANA.
    Reserved,
    /// 49152 and up.
    Dynamic,
}

impl PortStatus {
    /// Name in files and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Dormant => "dormant",
            Self::Unassigned => "unassigned",
            Self::Reserved => "reserved",
            Self::Dynamic => "dynamic",
        }
    }
}

/// What else is remembered about a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tags {
    /// Used once, or unofficially.
    pub remembered: bool,
    /// Historically used by malware.
    pub suspicious: bool,
}

impl Tags {
    /// The tags that are set, by name, in output order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [(self.remembered, "remembered"), (self.suspicious, "suspicious")]
            .into_iter()
            .filter_map(|(set, name)| set.then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_meet_at_1024_and_49152() {
        let tiers = [0, 1023, 1024, 49151, 49152, 65535].map(Tier::of);
        use Tier::{Dynamic as D, Registered as R, WellKnown as W};
        assert_eq!(tiers, [W, W, R, R, D, D]);
    }
}
