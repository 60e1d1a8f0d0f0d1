//! What a sensor has itself seen answering: the best sign of life a port can have, made into claims.
//!
//! A claim made here says *that* a port is used, and by which protocols; never whose it is. So it makes the
//! port active, and with no confidence of its own it stands for nobody in a verdict, though the status still
//! weighs: what was there yesterday is not explained by having been there yesterday. Ports where only malware
//! answered, or something nobody can name, or what a mapper sent there, or under a guessed direction, are
//! listed and kept alive by nothing; so are dynamic ports, which belong to nobody.
//!
//! Invariants: pure; the order of the sightings does not matter, except that alerts about one flow are
//! expected next to each other; memory is bounded by the number of ports, whatever is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use super::claim::Tier;
use super::import::{identifier, one_line, quoted};
use crate::wire::Transport;

/// Addresses of responders that are told apart, per port.
const HOSTS_MAX: usize = 32;
/// Claims in one file: more ports than this is a tar pit, and a file of claims has a largest size.
const CLAIMS_MAX: usize = 16_384;

/// Which kind of line told about flows. The three tell of the same flows, each in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// One line for each flow.
    Flow,
    /// Some lines for some flows, with the flow's number.
    Alert(u64),
    /// One line for all flows of a port.
    Port,
}

/// One line's word about one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which kind of line it was.
    pub witness: Witness,
    /// Transport.
    pub transport: Transport,
    /// The responder's port.
    pub port: u16,
    /// Flows in which both sides sent data.
    pub flows: u64,
    /// True when a service was there that has a name: no malware, no riddle, no port of the moment, and the
    /// direction was not guessed.
    pub served: bool,
    /// Who answered, where one flow is told of.
    pub responder: Option<IpAddr>,
    /// What was recognised, by name as in `app_proto`.
    pub protocols: Vec<&'static str>,
    /// Days of the first and the last packet, `YYYY-MM-DD`.
    pub days: (String, String),
}

/// Everything that was seen, by port.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    ports: BTreeMap<(u16, Transport), Answers>,
    /// Lines about flows in which nobody answered with data.
    pub unanswered: u64,
}

#[derive(Clone, Debug, Default)]
struct Answers {
    /// Answered flows according to flow lines, alerts, and port lines: the same flows, so never added up.
    flows: [u64; 3],
    last_alert: Option<u64>,
    served: bool,
    hosts: BTreeSet<IpAddr>,
    protocols: BTreeSet<&'static str>,
    days: Option<(String, String)>,
}

impl Seen {
    /// Adds what a line says. A line about flows without an answer is counted and adds no port.
    pub fn add(&mut self, sighting: Sighting) {
        if sighting.flows == 0 {
            self.unanswered += 1;
            return;
        }
        self.ports.entry((sighting.port, sighting.transport)).or_default().add(sighting);
    }

    /// True when something answered with data there.
    #[must_use]
    pub fn answered(&self, transport: Transport, port: u16) -> bool {
        self.ports.contains_key(&(port, transport))
    }

    /// Ports on which something answered, and the flows in which it did.
    #[must_use]
    pub fn totals(&self) -> (usize, u64) {
        (self.ports.len(), self.ports.values().map(Answers::flows).sum())
    }

    /// How many of the ports [`Seen::claims_file`] leaves out.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.ports.len().saturating_sub(CLAIMS_MAX)
    }

    /// A file of claims for `--claims`, one for each port. `origin` names who saw it, where it is not simply
    /// this sensor, and makes the claims' ids its own.
    #[must_use]
    pub fn claims_file(&self, origin: Option<&str>) -> String {
        let who = origin.map_or_else(|| "this sensor".to_owned(), one_line);
        let id = origin.map_or_else(|| "seen".to_owned(), |origin| identifier("seen-", origin));
        let mut text = format!(
            "# {} ports that were seen answering. Signs of life: they make a port active and explain nothing.\n",
            self.ports.len() - self.left_out()
        );
        for (&(port, transport), answers) in self.busiest() {
            answers.write(&mut text, (port, transport), &id, &who);
        }
        text
    }

    /// The ports with most answers, in order of port.
    fn busiest(&self) -> BTreeMap<&(u16, Transport), &Answers> {
        let mut ports: Vec<_> = self.ports.iter().collect();
        ports.sort_by_key(|(_, answers)| std::cmp::Reverse(answers.flows())); // stable: lower ports first
        ports.truncate(CLAIMS_MAX);
        ports.into_iter().collect()
    }
}

impl Answers {
    fn add(&mut self, sighting: Sighting) {
        let place = match sighting.witness {
            Witness::Flow => 0,
            Witness::Alert(flow) if self.last_alert == Some(flow) => return,
            Witness::Alert(flow) => {
                self.last_alert = Some(flow);
                1
            }
            Witness::Port => 2,
        };
        let flows = &mut self.flows[place];
        // A live sensor writes a port's line again and again, each with all that came before.
        let is_whole = sighting.witness == Witness::Port;
        *flows = if is_whole { sighting.flows.max(*flows) } else { flows.saturating_add(sighting.flows) };
        self.served |= sighting.served;
        if self.hosts.len() < HOSTS_MAX {
            self.hosts.extend(sighting.responder);
        }
        self.protocols.extend(sighting.protocols);
        let (first, last) = sighting.days;
        self.days = Some(match self.days.take() {
            None => (first, last),
            Some(known) => (known.0.min(first), known.1.max(last)),
        });
    }

    fn flows(&self) -> u64 {
        self.flows.into_iter().max().unwrap_or(0)
    }

    fn write(&self, text: &mut String, (port, transport): (u16, Transport), id: &str, who: &str) {
        let protocols: Vec<&str> = self.protocols.iter().copied().collect();
        let name = if protocols.is_empty() { "unknown protocol".to_owned() } else { protocols.join(", ") };
        let alive = self.served && Tier::of(port) != Tier::Dynamic;
        let (first, last) = self.days.as_ref().map_or(("", ""), |days| (days.0.as_str(), days.1.as_str()));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[claim]]\nid = \"{id}\"\nports = {port}\ntransport = \"{}\"\nkind = \"squatter\"\n\
             name = \"{name}, seen answering\"\nsince = \"{first}\"\nspeaks = {protocols:?}\n\
             status = \"{}\"\nconfidence = 0\nsource = {}\n",
            transport.name(),
            if alive { "active" } else { "unverified" },
            quoted(&format!("seen by {who}, {first} to {last}, {}", self.amount())),
        );
    }

    /// `412 answered flows on 3 hosts`.
    fn amount(&self) -> String {
        let flows = self.flows();
        let some = |many: u64, what: &str| format!("{many} {what}{}", if many == 1 { "" } else { "s" });
        let mut said = some(flows, "answered flow");
        if !self.hosts.is_empty() {
            let more = if self.hosts.len() == HOSTS_MAX { " or more" } else { "" };
            let hosts = self.hosts.len();
            let _ = write!(said, " on {hosts}{more} host{}", if hosts == 1 { "" } else { "s" });
        }
        if !self.served {
            said.push_str(", none of a service known to live here");
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::{PortStatus, Registry};

    fn sighting(witness: Witness, port: u16, flows: u64) -> Sighting {
        Sighting {
            witness,
            transport: Transport::Tcp,
            port,
            flows,
            served: true,
            responder: Some(IpAddr::from([10, 0, 0, 1])),
            protocols: vec!["http"],
            days: ("2026-11-02".to_owned(), "2026-11-03".to_owned()),
        }
    }

    fn seen(sightings: impl IntoIterator<Item = Sighting>) -> Seen {
        let mut seen = Seen::default();
        sightings.into_iter().for_each(|sighting| seen.add(sighting));
        seen
    }

    fn loaded(text: &str) -> Registry {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seen.toml");
        std::fs::write(&path, text).unwrap();
        Registry::load(&[path]).unwrap()
    }

    #[test]
    fn a_port_that_answers_is_active_and_says_why() {
        let mut other = sighting(Witness::Flow, 3098, 1);
        other.responder = Some(IpAddr::from([10, 0, 0, 2]));
        other.days = ("2026-11-01".to_owned(), "2026-11-01".to_owned());
        let seen = seen([sighting(Witness::Flow, 3098, 1), other, sighting(Witness::Flow, 4, 0)]);
        assert_eq!((seen.totals(), seen.unanswered), ((1, 2), 1));
        let registry = loaded(&seen.claims_file(None));
        assert_eq!(registry.status(Transport::Tcp, 3098), PortStatus::Active);
        assert_eq!(registry.status(Transport::Tcp, 4), PortStatus::Unassigned);
        let claim = registry.on(Transport::Tcp, 3098).last().unwrap();
        assert_eq!((claim.id.as_str(), claim.since.as_deref()), ("3098/tcp/seen", Some("2026-11-01")));
        assert_eq!(
            claim.source,
            "seen by this sensor, 2026-11-01 to 2026-11-03, 2 answered flows on 2 hosts"
        );
        assert_eq!((claim.speaks.join(" "), claim.confidence), ("http".to_owned(), 0));
        assert!(registry.why(Transport::Tcp, 3098).iter().any(|why| why.contains(&claim.source)));
    }

    #[test]
    fn the_same_flows_told_in_three_ways_are_counted_once() {
        let alerts = [Witness::Alert(7), Witness::Alert(7), Witness::Alert(8)];
        let lines = alerts.into_iter().chain([Witness::Flow; 3]).map(|witness| sighting(witness, 80, 1));
        let ports = [2, 5, 4].map(|flows| sighting(Witness::Port, 80, flows));
        assert_eq!(seen(lines.clone()).totals(), (1, 3));
        assert_eq!(seen(lines.chain(ports)).totals(), (1, 5));
        assert_eq!(seen(alerts.map(|witness| sighting(witness, 80, 1))).totals(), (1, 2));
    }

    #[test]
    fn malware_and_dynamic_ports_keep_nothing_alive() {
        let mut malware = sighting(Witness::Flow, 27374, 1);
        malware.served = false;
        let seen = seen([malware, sighting(Witness::Flow, 60_123, 1)]);
        assert!(seen.answered(Transport::Tcp, 27374));
        let registry = loaded(&seen.claims_file(Some("dmz 1")));
        assert_eq!(registry.status(Transport::Tcp, 27374), PortStatus::Unassigned);
        assert_eq!(registry.status(Transport::Tcp, 60_123), PortStatus::Dynamic);
        let claim = registry.on(Transport::Tcp, 27374).last().unwrap();
        assert_eq!(claim.id, "27374/tcp/seen-dmz-1");
        assert!(
            claim
                .source
                .starts_with("seen by dmz 1, 2026-11-02 to 2026-11-03, 1 answered flow on 1 host, none")
        );
    }

    #[test]
    fn a_tar_pit_stays_within_bounds() {
        let busy = std::iter::once(sighting(Witness::Port, 9, 5));
        let hosts = (0..100).map(|host| Sighting {
            responder: Some(IpAddr::from([10, 0, 0, host])),
            ..sighting(Witness::Flow, 8, 1)
        });
        let all = (10..=u16::MAX).map(|port| sighting(Witness::Flow, port, 1));
        let seen = seen(all.chain(hosts).chain(busy));
        let text = seen.claims_file(None);
        assert_eq!(text.matches("[[claim]]").count(), CLAIMS_MAX);
        assert_eq!(seen.left_out(), seen.totals().0 - CLAIMS_MAX);
        assert!(text.contains("100 answered flows on 32 or more hosts") && text.contains("\nports = 9\n"));
        assert!(text.len() < 8 << 20, "{}", text.len());
        loaded(&text);
    }

    proptest! {
        #[test]
        fn any_origin_makes_a_file_that_loads(origin in "(?s).{0,80}") {
            let text = seen([sighting(Witness::Flow, 3098, 1)]).claims_file(Some(&origin));
            prop_assert!(toml::from_str::<toml::Table>(&text).is_ok(), "{}", text);
        }
    }
}
