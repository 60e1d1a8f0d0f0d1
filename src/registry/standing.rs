//! From claims to a status: signs of life, deaths, and what is remembered.
//!
//! About nine in ten registrations show no sign of use, so a name in the registry is not one. A registration
//! lives when something dated or documented says so; what the sensor itself sees is weighed elsewhere.
//!
//! Invariants: pure; the status is computed from two bytes for each port ([`Signs`]), and the reasons given
//! for it are those that set its bits.

use std::fmt;
use std::sync::Arc;

use super::claim::{Claim, ClaimKind, PortStatus, Tags, Tier};
use super::curated::Standing;
use super::iana::{Kind, Row, SNAPSHOT};

/// A registration or a change since this year is a sign of life.
const RECENT_YEAR: &str = "2015";

/// What the claims on one port add up to, one bit for each sentence that one of them says. Adding a claim can
/// only set bits, so the order in which claims come does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs(u16);

impl Signs {
    /// Somebody claims something.
    pub(super) const CLAIMED: Self = Self(1);
    /// IANA assigns it.
    pub(super) const ASSIGNED: Self = Self(2);
    /// The assignment shows a sign of life.
    const ALIVE: Self = Self(4);
    /// A curated claim says that it is in use today.
    const IN_USE: Self = Self(8);
    /// A curated claim says that the registrant is gone.
    pub(super) const DEAD: Self = Self(16);
    const RESERVED: Self = Self(32);
    const REMEMBERED: Self = Self(64);
    const SUSPICIOUS: Self = Self(128);
    /// A site says that the port is its own service's, and in use.
    const REGISTRANT: Self = Self(256);
    /// A claim says that it is registered.
    const LISTED: Self = Self(512);

    /// What a row says. `spoken`: what its service speaks is known.
    pub(super) fn of_row(row: &Row, spoken: bool) -> Self {
        match row.kind {
            Kind::Reserved => Self::RESERVED.and_if(row.removed().is_some(), Self::REMEMBERED),
            Kind::Noted | Kind::Gone => Self::CLAIMED.and(Self::REMEMBERED),
            Kind::Assigned | Kind::Alias => {
                let mut alive = spoken;
                life(row, &mut |_| alive = true);
                Self::CLAIMED.and(Self::LISTED).and(Self::ASSIGNED).and_if(alive, Self::ALIVE)
            }
        }
    }

    /// What a curated or a user's claim says.
    pub(super) fn of_claim(kind: ClaimKind, standing: Standing) -> Self {
        let past = match kind {
            ClaimKind::Registered => standing == Standing::Dead,
            ClaimKind::FormerlyRegistered => true,
            ClaimKind::Squatter => matches!(standing, Standing::Historic | Standing::Dead),
            ClaimKind::Suspicious => false,
        };
        Self::CLAIMED
            .and_if(standing == Standing::Active && kind != ClaimKind::Suspicious, Self::IN_USE)
            .and_if(standing == Standing::Dead && kind == ClaimKind::Registered, Self::DEAD)
            .and_if(standing == Standing::Active && kind == ClaimKind::Registered, Self::REGISTRANT)
            .and_if(past, Self::REMEMBERED)
            .and_if(kind == ClaimKind::Registered, Self::LISTED)
            .and_if(kind == ClaimKind::Suspicious, Self::SUSPICIOUS)
    }

    /// Both.
    #[must_use]
    pub(super) const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    const fn and_if(self, holds: bool, more: Self) -> Self {
        if holds { self.and(more) } else { self }
    }

    /// True when all of `these` are set.
    pub(super) const fn has(self, these: Self) -> bool {
        self.0 & these.0 == these.0
    }

    /// True when the registration itself shows a sign of life, whoever else uses the port.
    const fn registration_lives(self) -> bool {
        self.has(Self::ASSIGNED) && self.has(Self::ALIVE) && !self.has(Self::DEAD)
    }

    /// True when the service that the port is registered for lives, by the registry or by a site's own word.
    pub(super) const fn registrant_lives(self) -> bool {
        self.has(Self::REGISTRANT) || self.registration_lives()
    }

    /// True when one of the claims is a registration.
    pub(super) const fn is_listed(self) -> bool {
        self.has(Self::LISTED)
    }

    /// The status of a port with these signs.
    pub(super) fn status(self, port: u16) -> PortStatus {
        if self.has(Self::IN_USE) {
            PortStatus::Active
        } else if self.has(Self::ASSIGNED) {
            if self.registration_lives() { PortStatus::Active } else { PortStatus::Dormant }
        } else if Tier::of(port) == Tier::Dynamic {
            PortStatus::Dynamic
        } else if self.has(Self::RESERVED) {
            PortStatus::Reserved
        } else {
            PortStatus::Unassigned
        }
    }

    /// What else is remembered of a port with these signs.
    pub(super) const fn tags(self) -> Tags {
        Tags { remembered: self.has(Self::REMEMBERED), suspicious: self.has(Self::SUSPICIOUS) }
    }
}

/// Where a claim came from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// A row of the table.
    Iana(Row),
    /// A curated or a user's file.
    Curated(Standing),
}

/// A claim about a port, and where it came from.
pub(super) type Sourced = (Arc<Claim>, Origin);

/// One reason for the status of a port.
#[derive(Clone, Copy, Debug)]
enum Reason<'a> {
    Assigned(&'a Row),
    Rfc(&'a str),
    SystemPort,
    Registered(&'a str),
    Modified(&'a str),
    Late,
    Speaks(&'a Claim),
    InUse(&'a Claim),
    Dead(&'a Claim),
    NoSign,
    Remembered(&'a Claim),
    Removed(&'a str),
    Widespread,
    Suspicious(&'a Claim),
    Reserved(&'a str),
    NotAssigned,
    DynamicRange,
}

impl Reason<'_> {
    /// The reason in a few words, unless it is a claim's own and the claim is shown anyway.
    fn sign(&self) -> Option<String> {
        Some(match self {
            Self::Rfc(numbers) => format!("RFC {}", numbers.replace(',', ", RFC ")),
            Self::SystemPort => "an assigned system port".to_owned(),
            Self::Registered(date) => format!("registered {date}"),
            Self::Modified(date) => format!("changed {date}"),
            Self::Speaks(claim) => format!("a maintained protocol ({})", claim.speaks.join(", ")),
            Self::InUse(_) => "in use, as claimed above".to_owned(),
            Self::Dead(claim) => format!("nobody runs {} any more", claim.name),
            Self::NoSign => format!(
                "no RFC, no registration or change since {RECENT_YEAR}, no maintained protocol, no known use"
            ),
            Self::Late
            | Self::Removed(_)
            | Self::Widespread
            | Self::Reserved(_)
            | Self::NotAssigned
            | Self::DynamicRange => self.to_string(),
            Self::Assigned(..) | Self::Remembered(_) | Self::Suspicious(_) => return None,
        })
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assigned(row) => {
                let comma = if row.description.is_empty() { "" } else { ", " };
                let (name, what, seen) = (row.name, row.description, row.seen());
                write!(f, "assigned by IANA to {name}{comma}{what} (snapshot {seen})")
            }
            Self::Rfc(numbers) => write!(f, "the registry refers to RFC {}", numbers.replace(',', ", RFC ")),
            Self::SystemPort => f.write_str("a system port (0 to 1023) with an assignment"),
            Self::Registered(date) => write!(f, "registered {date}: since {RECENT_YEAR}"),
            Self::Modified(date) => write!(f, "the registration was changed {date}: since {RECENT_YEAR}"),
            Self::Late => f.write_str("registered after 2024-06-12"),
            Self::Speaks(claim) => {
                write!(f, "{} is a maintained protocol ({})", claim.name, claim.speaks.join(", "))
            }
            Self::InUse(claim) => write!(f, "in use: {} ({}; {})", claim.name, claim.id, claim.source),
            Self::Dead(claim) => {
                write!(f, "nobody runs {} any more ({}; {})", claim.name, claim.id, claim.source)
            }
            Self::NoSign => write!(
                f,
                "no sign of life: no RFC, no registration or change since {RECENT_YEAR}, no maintained \
                 protocol, no known use"
            ),
            Self::Remembered(claim) => write!(f, "remembered for {} ({})", claim.name, claim.id),
            Self::Suspicious(claim) => {
                write!(f, "on record for {} ({}, confidence {} %)", claim.name, claim.id, claim.confidence)
            }
            Self::Removed(date) => write!(f, "an earlier assignment was removed from the registry {date}"),
            Self::Widespread => f.write_str("the registry records it as an unassigned but widespread use"),
            Self::Reserved("") => write!(f, "reserved by IANA (snapshot {SNAPSHOT})"),
            Self::Reserved(what) => write!(f, "reserved by IANA: {what} (snapshot {SNAPSHOT})"),
            Self::NotAssigned => write!(f, "not assigned by IANA (snapshot {SNAPSHOT})"),
            Self::DynamicRange => f.write_str("49152 to 65535 are never assigned (RFC 6335 section 6)"),
        }
    }
}

/// What speaks for life on a port, for a dossier.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Reasons for the status, each once; none that a claim says itself.
    pub(super) signs: Vec<String>,
    /// True when the registration is alive.
    pub(super) lives: bool,
    /// Claims that say somebody uses it today.
    pub(super) users: Vec<Arc<Claim>>,
}

/// All that is said of one port, and what it adds up to.
pub(super) struct Told {
    pub(super) port: u16,
    pub(super) signs: Signs,
    /// All claims on it in the order of `Registry::on`.
    pub(super) said: Vec<Sourced>,
    /// The row that reserves it.
    pub(super) reserved: Option<Row>,
}

impl Told {
    /// The reasons for the status and the tags, in words; never empty.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        self.status(&mut |reason| reasons.push(reason.to_string()));
        self.tags(&mut |reason| reasons.push(reason.to_string()));
        reasons
    }

    /// The reasons for the status as a dossier shows them.
    pub(super) fn life(&self) -> Life {
        let mut life = Life::default();
        self.status(&mut |reason| {
            life.signs.extend(reason.sign().filter(|sign| !life.signs.contains(sign)));
        });
        self.tags(&mut |reason| {
            let ended = matches!(reason, Reason::Removed(_)).then(|| reason.to_string());
            life.signs.extend(ended.filter(|sign| !life.signs.contains(sign)));
        });
        let is_user = |(claim, origin): &&Sourced| match origin {
            Origin::Curated(standing) => Signs::of_claim(claim.kind, *standing).has(Signs::IN_USE),
            Origin::Iana(_) => false,
        };
        life.lives = self.signs.registration_lives();
        life.users = self.said.iter().filter(is_user).map(|(claim, _)| Arc::clone(claim)).collect();
        life
    }

    fn status(&self, say: &mut dyn FnMut(Reason<'_>)) {
        for (claim, origin) in &self.said {
            match origin {
                Origin::Iana(row) if row.live() => row_life(claim, row, say),
                Origin::Iana(_) => {}
                Origin::Curated(standing) => {
                    let signs = Signs::of_claim(claim.kind, *standing);
                    if signs.has(Signs::IN_USE) {
                        say(Reason::InUse(claim));
                    }
                    if signs.has(Signs::DEAD) {
                        say(Reason::Dead(claim));
                    }
                }
            }
        }
        match self.signs.status(self.port) {
            PortStatus::Active => {}
            PortStatus::Dormant if self.signs.has(Signs::DEAD) => {}
            PortStatus::Dormant => say(Reason::NoSign),
            PortStatus::Dynamic => say(Reason::DynamicRange),
            PortStatus::Reserved => {
                say(Reason::Reserved(self.reserved.map_or("", |row| row.description)));
            }
            PortStatus::Unassigned => say(Reason::NotAssigned),
        }
    }

    fn tags(&self, say: &mut dyn FnMut(Reason<'_>)) {
        if let Some(date) = self.reserved.as_ref().and_then(Row::removed) {
            say(Reason::Removed(date));
        }
        for (claim, origin) in &self.said {
            let signs = match origin {
                Origin::Iana(row) => Signs::of_row(row, false),
                Origin::Curated(standing) => Signs::of_claim(claim.kind, *standing),
            };
            if signs.has(Signs::REMEMBERED) {
                say(Reason::Remembered(claim));
            }
            if signs.has(Signs::SUSPICIOUS) {
                say(Reason::Suspicious(claim));
            }
        }
    }
}

/// What a live row says of its port.
fn row_life<'a>(claim: &'a Claim, row: &'a Row, say: &mut dyn FnMut(Reason<'a>)) {
    if row.kind == Kind::Assigned {
        say(Reason::Assigned(row));
    }
    if row.widespread() {
        say(Reason::Widespread);
    }
    if let Some(date) = row.removed() {
        say(Reason::Removed(date));
    }
    life(row, say);
    if !claim.speaks.is_empty() {
        say(Reason::Speaks(claim));
    }
}

/// The signs of life that a row carries itself.
fn life<'a>(row: &'a Row, sign: &mut dyn FnMut(Reason<'a>)) {
    if let Some(numbers) = row.rfcs() {
        sign(Reason::Rfc(numbers));
    }
    if Tier::of(row.ports.0) == Tier::WellKnown && row.kind == Kind::Assigned {
        sign(Reason::SystemPort);
    }
    if row.registered >= RECENT_YEAR {
        sign(Reason::Registered(row.registered));
    }
    if row.modified >= RECENT_YEAR {
        sign(Reason::Modified(row.modified));
    }
    if row.late() {
        sign(Reason::Late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_compare_as_text() {
        assert!("2015" >= RECENT_YEAR && "2015-01" >= RECENT_YEAR && "2026-09-17" >= RECENT_YEAR);
        assert!("2014-12-31" < RECENT_YEAR);
    }

    #[test]
    fn signs_add_up() {
        let (assigned, alive) = (Signs::ASSIGNED, Signs::ASSIGNED.and(Signs::ALIVE));
        assert_eq!(assigned.status(80), PortStatus::Dormant);
        assert_eq!(alive.status(80), PortStatus::Active);
        assert_eq!(alive.and(Signs::DEAD).status(80), PortStatus::Dormant);
        assert_eq!(alive.and(Signs::DEAD).and(Signs::IN_USE).status(80), PortStatus::Active);
        assert_eq!(Signs::RESERVED.and(Signs::CLAIMED).status(80), PortStatus::Reserved);
        assert_eq!(Signs::default().status(80), PortStatus::Unassigned);
        assert_eq!(Signs::RESERVED.status(50_000), PortStatus::Dynamic);
        assert_eq!(size_of::<Signs>(), 2);
        let site = alive.and(Signs::DEAD).and(Signs::of_claim(ClaimKind::Registered, Standing::Active));
        assert!(site.registrant_lives() && !site.registration_lives());
    }
}
