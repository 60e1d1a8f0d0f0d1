//! What an analyst is told about a port: data for `explain` and `ports`, without a word about how it is
//! shown.

use std::sync::Arc;

use super::claim::{Claim, PortStatus, Tags, Tier};
use super::curated::Ephemeral;
use super::iana::{self, Row};
use super::import::Service;
use super::table::Registry;
use crate::wire::Transport;

/// Everything that is known about one port.
#[derive(Clone, Debug)]
pub struct Dossier<'a> {
    /// Transport.
    pub transport: Transport,
    /// Port.
    pub port: u16,
    /// Where the number lies.
    pub tier: Tier,
    /// What the claims add up to.
    pub status: PortStatus,
    /// What else is remembered.
    pub tags: Tags,
    /// Service name in the IANA registry.
    pub registered: Option<&'a str>,
    /// Description in the registry; may be empty.
    pub description: &'a str,
    /// Registration date where the registry gives one, `YYYY-MM-DD` or `YYYY-MM`.
    pub registered_on: Option<&'a str>,
    /// Date of the last change where the registry gives one.
    pub modified_on: Option<&'a str>,
    /// Reasons for status and tags, in words.
    pub why: Vec<String>,
    /// The same reasons, shorter, and only those that no claim says itself.
    pub signs: Vec<String>,
    /// True when the registration itself shows signs of life.
    pub lives: bool,
    /// Claims that say somebody uses the port today.
    pub users: Vec<Arc<Claim>>,
    /// Every claim, with its source.
    pub claims: &'a [Arc<Claim>],
    /// Ranges of client ports that the number lies in.
    pub ephemeral: Vec<&'a Ephemeral>,
    /// Day of the IANA registry that says so: [`super::SNAPSHOT`] unless the name is younger.
    pub snapshot: &'static str,
}

/// One line of a list of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Transport.
    pub transport: Transport,
    /// Port.
    pub port: u16,
    /// What the claims add up to.
    pub status: PortStatus,
    /// What else is remembered.
    pub tags: Tags,
    /// Service name in the IANA registry.
    pub registered: Option<&'a str>,
}

impl Registry {
    /// Everything that is known about one port; works for every port.
    #[must_use]
    pub fn dossier(&self, transport: Transport, port: u16) -> Dossier<'_> {
        let row = self.registration(transport, port);
        let life = self.life(transport, port);
        let dated = |date: &'static str| Some(date).filter(|date| !date.is_empty());
        Dossier {
            transport,
            port,
            tier: Tier::of(port),
            status: self.status(transport, port),
            tags: self.tags(transport, port),
            registered: row.map(|row| row.name),
            description: row.map_or("", |row| row.description),
            registered_on: row.and_then(|row| dated(row.registered)),
            modified_on: row.and_then(|row| dated(row.modified)),
            why: self.why(transport, port),
            signs: life.signs,
            lives: life.lives,
            users: life.users,
            claims: self.on(transport, port),
            ephemeral: self.ephemeral(port).collect(),
            snapshot: row.map_or(super::SNAPSHOT, |row| row.seen()),
        }
    }

    /// Every port of a transport, in order.
    pub fn ports(&self, transport: Transport) -> impl Iterator<Item = Listed<'_>> {
        (0..=u16::MAX).map(move |port| Listed {
            transport,
            port,
            status: self.status(transport, port),
            tags: self.tags(transport, port),
            registered: self.registered_name(transport, port),
        })
    }

    /// The services of the compiled-in IANA table, for comparisons.
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        let live = iana::rows().filter(|row| row.live());
        let each = live.flat_map(|row| row.transports().map(move |transport| (row, transport)));
        let service = |(row, transport): (Row, Transport)| Service {
            ports: row.ports,
            transport,
            name: row.name.to_owned(),
            description: row.description.to_owned(),
            frequency: None,
            registered: true,
        };
        each.map(service).collect()
    }

    /// What IANA assigns a port to over DCCP (RFC 4340), which this program does not follow: name and
    /// description.
    #[must_use]
    pub fn dccp(port: u16) -> Vec<(&'static str, &'static str)> {
        let rows = Self::builtin().rows().on(port).map(|(_, row)| row);
        rows.filter(|row| row.live() && row.is_dccp()).map(|row| (row.name, row.description)).collect()
    }

    /// The ports on which something of this name is claimed (service names and names of claims, any case), in
    /// order.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<(Transport, u16)> {
        let claimed = |transport, port| {
            self.on(transport, port).iter().any(|claim| claim.name.eq_ignore_ascii_case(name))
        };
        let all = Transport::ALL.into_iter().flat_map(|t| (0..=u16::MAX).map(move |port| (t, port)));
        all.filter(|&(transport, port)| claimed(transport, port)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_a_dossier_with_reasons() {
        let registry = Registry::builtin();
        for transport in Transport::ALL {
            for port in 0..=u16::MAX {
                let dossier = registry.dossier(transport, port);
                assert!(!dossier.why.is_empty(), "{port}/{}", transport.name());
                assert!(dossier.status != PortStatus::Dynamic || port >= 49152);
            }
        }
    }

    #[test]
    fn dccp_is_in_the_table() {
        assert_eq!(Registry::dccp(9), [("discard", "Discard")]);
        assert!((0..=u16::MAX).filter(|&port| !Registry::dccp(port).is_empty()).count() > 5);
        assert!(Registry::builtin().services().len() > 6_000);
    }

    #[test]
    fn names_lead_to_ports() {
        let registry = Registry::builtin();
        assert_eq!(registry.named("ironmail"), [(Transport::Tcp, 3206), (Transport::Udp, 3206)]);
        assert!(registry.named("SoftWAR").contains(&(Transport::Tcp, 1207)));
        assert!(registry.named("no such thing").is_empty());
    }
}
