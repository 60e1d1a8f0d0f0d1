//! Entries that may silence a rule, found by the networks and ports they are about.
//!
//! A large site has thousands of them. Whenever a rule spoke all were asked, so that with 10,000 an alert took
//! 0.2 ms, and the judge fell behind the packets in a flood of alerts.
//!
//! Invariants: [`Entries::about`] leaves out no entry that covers the flow, and keeps their order, so the
//! first one that covers it is the one that would be found by asking all.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::slice;

use ipnet::IpNet;

use crate::registry::Ports;
use crate::rules::file::{Expected, Suppress};
use crate::rules::nets::Nets;
use crate::rules::subject::Subject;

/// So few that all are asked: looking for the right ones takes as long.
const FEW: usize = 16;
/// An entry about more networks than this, or more ports, is found by what else it is about.
const WORDS_MAX: usize = 256;

/// Something that is about networks or ports.
pub(super) trait Entry {
    /// One of the flow's ends is in one of these; `None` for any.
    fn nets(&self) -> Option<&Nets>;
    /// The responder's port is one of these; `None` for any.
    fn ports(&self) -> Option<&Ports>;
}

impl Entry for Suppress {
    fn nets(&self) -> Option<&Nets> {
        Self::nets(self)
    }

    fn ports(&self) -> Option<&Ports> {
        Self::ports(self)
    }
}

impl Entry for Expected {
    fn nets(&self) -> Option<&Nets> {
        Some(Self::nets(self))
    }

    fn ports(&self) -> Option<&Ports> {
        Some(Self::ports(self))
    }
}

/// A network or any, and a port or any.
type Spot = (Option<IpNet>, Option<u16>);

/// All entries, in file order.
#[derive(Debug)]
pub(super) struct Entries<E> {
    list: Vec<E>,
    /// Each entry under every spot that it is about.
    spots: HashMap<Spot, Vec<usize>>,
    /// Lengths of the prefixes in `spots`, of IPv4 and of IPv6.
    lengths: [Vec<u8>; 2],
}

impl<E> Default for Entries<E> {
    fn default() -> Self {
        Self { list: Vec::new(), spots: HashMap::new(), lengths: [Vec::new(), Vec::new()] }
    }
}

impl<E: Entry> Entries<E> {
    pub(super) fn of(list: Vec<E>) -> Self {
        let mut entries = Self { list, ..Self::default() };
        let mut lengths = BTreeSet::new();
        for (index, entry) in entries.list.iter().enumerate() {
            for spot in spots(entry) {
                lengths.extend(spot.0.map(|net| (net.addr().is_ipv6(), net.prefix_len())));
                let there = entries.spots.entry(spot).or_default();
                if there.last() != Some(&index) {
                    there.push(index);
                }
            }
        }
        for (is_v6, length) in lengths {
            entries.lengths[usize::from(is_v6)].push(length);
        }
        entries
    }

    /// All of them.
    pub(super) fn iter(&self) -> slice::Iter<'_, E> {
        self.list.iter()
    }

    /// Those that may cover the flow, in file order.
    pub(super) fn about(&self, subject: &Subject<'_>) -> impl Iterator<Item = &E> {
        let (all, found) = if self.list.len() <= FEW {
            (&self.list[..], Vec::new())
        } else {
            (&[][..], self.find([subject.originator, subject.responder.addr], subject.responder.port))
        };
        all.iter().chain(found.into_iter().map(|index| &self.list[index]))
    }

    fn find(&self, ends: [IpAddr; 2], port: u16) -> Vec<usize> {
        let nets = ends.into_iter().flat_map(|addr| self.nets(addr)).map(Some);
        let spots = nets.chain([None]).flat_map(|net| [(net, Some(port)), (net, None)]);
        let mut found: Vec<usize> =
            spots.filter_map(|spot| self.spots.get(&spot)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The networks that the address is in, of every length that there is.
    fn nets(&self, addr: IpAddr) -> impl Iterator<Item = IpNet> {
        let mapped = match addr {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        [Some(addr), mapped].into_iter().flatten().flat_map(|addr| {
            let lengths = &self.lengths[usize::from(addr.is_ipv6())];
            lengths.iter().filter_map(move |&length| IpNet::new(addr, length).ok()).map(|net| net.trunc())
        })
    }
}

/// Where an entry is to be found: under any network, or any port, where it is about too many.
fn spots(entry: &impl Entry) -> impl Iterator<Item = Spot> {
    let nets = entry.nets().filter(|nets| nets.iter().len() <= WORDS_MAX);
    let nets: Vec<_> =
        nets.map_or_else(|| vec![None], |nets| nets.iter().map(|net| Some(net.0.trunc())).collect());
    let ports = entry.ports().and_then(|ports| ports.few(WORDS_MAX / nets.len().max(1)));
    let ports: Vec<_> = ports.map_or_else(|| vec![None], |ports| ports.map(Some).collect());
    nets.into_iter().flat_map(move |net| ports.clone().into_iter().map(move |port| (net, port)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::nets::Net;
    use crate::rules::nets::tests::{any_addr, any_net, is_in};

    #[derive(Clone, Debug)]
    struct Asked {
        nets: Option<Nets>,
        ports: Option<Ports>,
    }

    impl Entry for Asked {
        fn nets(&self) -> Option<&Nets> {
            self.nets.as_ref()
        }

        fn ports(&self) -> Option<&Ports> {
            self.ports.as_ref()
        }
    }

    impl Asked {
        fn covers(&self, ends: [IpAddr; 2], port: u16) -> bool {
            let within = |nets: &Nets| nets.iter().any(|net| ends.iter().any(|end| is_in(*net, *end)));
            self.nets.as_ref().is_none_or(within)
                && self.ports.as_ref().is_none_or(|ports| ports.contains(port))
        }
    }

    fn any_entry() -> impl Strategy<Value = Asked> {
        let range =
            (0..6_u16, prop::sample::select(vec![0, 1, 2, 300])).prop_map(|(from, more)| from..=from + more);
        let ports = prop::collection::vec(range, 0..3).prop_map(Ports);
        let nets = prop::collection::vec(any_net(), 0..4).prop_map(Nets::from);
        (prop::option::of(nets), prop::option::of(ports)).prop_map(|(nets, ports)| Asked { nets, ports })
    }

    proptest! {
        #[test]
        fn none_that_covers_is_left_out(
            list in prop::collection::vec(any_entry(), 0..40),
            flows in prop::collection::vec(([any_addr(), any_addr()], 0..8_u16), 1..20),
        ) {
            let entries = Entries::of(list.clone());
            for (ends, port) in flows {
                let found = entries.find(ends, port);
                prop_assert!(found.is_sorted_by(|a, b| a < b));
                for (index, entry) in list.iter().enumerate() {
                    prop_assert!(!entry.covers(ends, port) || found.contains(&index), "{entry:?}");
                }
            }
        }
    }

    #[test]
    fn those_about_something_else_are_not_asked() {
        let addr = |number: u32| IpAddr::V4((0x0a00_0000 | number).into());
        let host = |number| Some(Nets::from(vec![Net(IpNet::from(addr(number)))]));
        let everywhere = Some(Nets::from(vec![Net("10.0.0.0/8".parse().unwrap())]));
        let port = |number| Some(Ports(vec![number..=number]));
        let hosts = (0..5000).map(|number| Asked { nets: host(number), ports: None });
        let services = (0..5000).map(|number| Asked { nets: everywhere.clone(), ports: port(number) });
        let entries = Entries::of(hosts.chain(services).collect());
        assert_eq!(entries.find([addr(7), addr(9)], 80), [7, 9, 5080]);
        assert_eq!(entries.find([addr(8000), addr(9000)], 6000), [0_usize; 0]);
    }
}
