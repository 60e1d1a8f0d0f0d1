//! From claims to a status: signs of life, deaths, and what is remembered.
//!
//! About nine in ten registrations show no sign of use, so a name in the registry is not one. A registration
//! lives when something dated or documented says so; what the sensor itself sees is weighed elsewhere.
//!
//! Invariants: pure; the reasons given for a status are the ones it was computed from.

use std::fmt;

use super::claim::{Claim, ClaimKind, PortStatus, Tags, Tier};
use super::curated::Standing;
use super::iana::{Kind, Row, SNAPSHOT};

/// A registration or a change since this year is a sign of life.
const RECENT_YEAR: &str = "2015";

/// Where a claim (or a row that makes no claim) on a port came from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// A row of the table.
    Iana(&'static Row),
    /// A curated or a user's file.
    Curated(Standing),
}

/// One reason for the status of a port.
#[derive(Clone, Debug)]
pub(super) enum Reason<'a> {
    Assigned(&'a Row),
    Rfc(&'a str),
    SystemPort,
    Registered(&'a str),
    Modified(&'a str),
    Late,
    Speaks(&'a str, String),
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
    /// True when a registration with it is alive.
    const fn is_life(&self) -> bool {
        matches!(
            self,
            Self::Rfc(_)
                | Self::SystemPort
                | Self::Registered(_)
                | Self::Modified(_)
                | Self::Late
                | Self::Speaks(..)
        )
    }
}

impl Reason<'_> {
    /// The reason in a few words, unless it is a claim's own and the claim is shown anyway.
    fn sign(&self) -> Option<String> {
        Some(match self {
            Self::Rfc(numbers) => format!("RFC {}", numbers.replace(',', ", RFC ")),
            Self::SystemPort => "an assigned system port".to_owned(),
            Self::Registered(date) => format!("registered {date}"),
            Self::Modified(date) => format!("changed {date}"),
            Self::Speaks(_, what) => format!("a maintained protocol ({what})"),
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

/// What speaks for life on a port, for a dossier.
#[derive(Debug, Default)]
pub(super) struct Life<'a> {
    /// Reasons for the status, each once.
    pub(super) signs: Vec<String>,
    /// True when the registration is alive.
    pub(super) lives: bool,
    /// Claims that say somebody uses it today.
    pub(super) users: Vec<&'a Claim>,
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
            Self::Speaks(name, what) => write!(f, "{name} is a maintained protocol ({what})"),
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
            Self::Removed(date) => write!(f, "an earlier assignment was removed from the registry {date}"),
            Self::Widespread => f.write_str("the registry records it as an unassigned but widespread use"),
            Self::Suspicious(claim) => {
                write!(f, "on record for {} ({}, confidence {} %)", claim.name, claim.id, claim.confidence)
            }
            Self::Reserved("") => write!(f, "reserved by IANA (snapshot {SNAPSHOT})"),
            Self::Reserved(what) => write!(f, "reserved by IANA: {what} (snapshot {SNAPSHOT})"),
            Self::NotAssigned => write!(f, "not assigned by IANA (snapshot {SNAPSHOT})"),
            Self::DynamicRange => f.write_str("49152 to 65535 are never assigned (RFC 6335 section 6)"),
        }
    }
}

/// Everything that is said about one port and transport: rows and claims, in the order of `Registry::on`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    pub(super) port: u16,
    pub(super) claims: &'a [std::sync::Arc<Claim>],
    pub(super) origins: &'a [Origin],
    pub(super) reserved: Option<&'static Row>,
}

impl<'a> Said<'a> {
    fn each(self) -> impl Iterator<Item = (&'a Claim, Origin)> {
        self.claims.iter().map(|claim| &**claim).zip(self.origins.iter().copied())
    }

    /// The status, and the reasons for it when they are wanted.
    pub(super) fn status(self, reasons: &mut dyn FnMut(Reason<'a>)) -> PortStatus {
        let (mut assigned, mut alive, mut dead, mut in_use) = (false, false, false, false);
        for (claim, origin) in self.each() {
            match origin {
                Origin::Iana(row) if row.live() => {
                    assigned = true;
                    self.row_life(claim, row, &mut |reason| {
                        alive |= reason.is_life();
                        reasons(reason);
                    });
                }
                Origin::Curated(Standing::Active) if claim.kind != ClaimKind::Suspicious => {
                    in_use = true;
                    reasons(Reason::InUse(claim));
                }
                Origin::Curated(Standing::Dead) if claim.kind == ClaimKind::Registered => {
                    dead = true;
                    reasons(Reason::Dead(claim));
                }
                Origin::Iana(_) | Origin::Curated(_) => {}
            }
        }
        if in_use {
            return PortStatus::Active;
        }
        if assigned {
            if alive && !dead {
                return PortStatus::Active;
            }
            if !dead {
                reasons(Reason::NoSign);
            }
            return PortStatus::Dormant;
        }
        self.without_assignment(reasons)
    }

    fn without_assignment(self, reasons: &mut dyn FnMut(Reason<'a>)) -> PortStatus {
        if Tier::of(self.port) == Tier::Dynamic {
            reasons(Reason::DynamicRange);
            PortStatus::Dynamic
        } else if let Some(row) = self.reserved {
            reasons(Reason::Reserved(row.description));
            PortStatus::Reserved
        } else {
            reasons(Reason::NotAssigned);
            PortStatus::Unassigned
        }
    }

    /// The reasons for the status as a dossier shows them.
    pub(super) fn life(self) -> Life<'a> {
        let mut life = Life::default();
        let mut dead = false;
        self.status(&mut |reason| {
            life.lives |= reason.is_life();
            match reason {
                Reason::Dead(_) => dead = true,
                Reason::InUse(claim) => life.users.push(claim),
                _ => {}
            }
            life.signs.extend(reason.sign().filter(|sign| !life.signs.contains(sign)));
        });
        life.lives &= !dead;
        life
    }

    /// The tags, and the reasons for them.
    pub(super) fn tags(self, reasons: &mut dyn FnMut(Reason<'a>)) -> Tags {
        let mut tags = Tags::default();
        if let Some(date) = self.reserved.and_then(Row::removed) {
            tags.remembered = true;
            reasons(Reason::Removed(date));
        }
        for (claim, origin) in self.each() {
            let past = match origin {
                Origin::Iana(row) => matches!(row.kind, Kind::Noted | Kind::Gone),
                Origin::Curated(standing) => match claim.kind {
                    ClaimKind::Registered => standing == Standing::Dead,
                    ClaimKind::FormerlyRegistered => true,
                    ClaimKind::Squatter => matches!(standing, Standing::Historic | Standing::Dead),
                    ClaimKind::Suspicious => false,
                },
            };
            if past {
                tags.remembered = true;
                reasons(Reason::Remembered(claim));
            }
            if claim.kind == ClaimKind::Suspicious {
                tags.suspicious = true;
                reasons(Reason::Suspicious(claim));
            }
        }
        tags
    }

    fn row_life(self, claim: &'a Claim, row: &'static Row, reasons: &mut dyn FnMut(Reason<'a>)) {
        if row.kind == Kind::Assigned {
            reasons(Reason::Assigned(row));
        }
        if row.widespread() {
            reasons(Reason::Widespread);
        }
        if let Some(date) = row.removed() {
            reasons(Reason::Removed(date));
        }
        if let Some(numbers) = row.rfcs() {
            reasons(Reason::Rfc(numbers));
        }
        if Tier::of(self.port) == Tier::WellKnown && row.kind == Kind::Assigned {
            reasons(Reason::SystemPort);
        }
        if row.registered >= RECENT_YEAR {
            reasons(Reason::Registered(row.registered));
        }
        if row.modified >= RECENT_YEAR {
            reasons(Reason::Modified(row.modified));
        }
        if row.late() {
            reasons(Reason::Late);
        }
        if !claim.speaks.is_empty() {
            reasons(Reason::Speaks(row.name, claim.speaks.join(", ")));
        }
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
}
