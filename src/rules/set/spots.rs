//! What is about certain networks or ports, found by the ends of a flow.
//!
//! Rules and entries come by the thousand: one for each port of a list, each host of an inventory, each
//! network that somebody calls bad. Asking all of them took most of the time: with 3,000 rules about ports a
//! replay took 12 times as long as without, about hosts 93 times.
//!
//! Invariant: nothing that is about one of a flow's ends is left out.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

use crate::rules::nets::About;

/// What is about more networks than this, or more ports, is found by what else it is about.
const WORDS_MAX: usize = 256;

/// Numbers of things, by what they are about: each under every spot, in order.
#[derive(Debug, Default)]
pub(super) struct Spots {
    /// Those that are about no network, by port: most, and every flow asks.
    ports: HashMap<u16, Vec<usize>>,
    /// The others, by network, and by port where they are about one.
    nets: HashMap<(IpNet, Option<u16>), Vec<usize>>,
    /// Lengths of the prefixes among them, of IPv4 and of IPv6.
    lengths: [Vec<u8>; 2],
}

impl Spots {
    /// Takes in a thing. False when it is about too much to be found here. Numbers come in order.
    pub(super) fn add(&mut self, number: usize, thing: &impl About) -> bool {
        let nets: Option<Vec<_>> = thing
            .nets()
            .filter(|nets| nets.iter().len() <= WORDS_MAX)
            .map(|nets| nets.iter().map(|net| net.0.trunc()).collect());
        let most = WORDS_MAX / nets.as_ref().map_or(1, Vec::len).max(1);
        let ports: Option<Vec<_>> = thing.ports().and_then(|ports| ports.few(most)).map(Iterator::collect);
        if nets.is_none() && ports.is_none() {
            return false;
        }
        let Some(nets) = nets else {
            ports.into_iter().flatten().for_each(|port| put(self.ports.entry(port).or_default(), number));
            return true;
        };
        for net in nets {
            let lengths = &mut self.lengths[usize::from(net.addr().is_ipv6())];
            if !lengths.contains(&net.prefix_len()) {
                lengths.push(net.prefix_len());
            }
            for port in each(ports.clone()) {
                put(self.nets.entry((net, port)).or_default(), number);
            }
        }
        true
    }

    /// What may be about a flow between these ends to this port, in order.
    pub(super) fn find(&self, ends: [IpAddr; 2], port: u16) -> Vec<usize> {
        let mut found = self.ports.get(&port).cloned().unwrap_or_default();
        if self.nets.is_empty() {
            return found;
        }
        for net in ends.into_iter().flat_map(|addr| self.nets_of(addr)) {
            for port in [Some(port), None] {
                found.extend(self.nets.get(&(net, port)).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The networks that the address is in, of every length that there is; an IPv4 address mapped into IPv6
    /// counts as what it maps, too.
    fn nets_of(&self, addr: IpAddr) -> impl Iterator<Item = IpNet> {
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

fn put(there: &mut Vec<usize>, number: usize) {
    if there.last() != Some(&number) {
        there.push(number);
    }
}

/// Each of them; any, where there is no list.
fn each<T>(list: Option<Vec<T>>) -> impl Iterator<Item = Option<T>> {
    let any = list.is_none().then_some(None);
    any.into_iter().chain(list.into_iter().flatten().map(Some))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::Ports;
    use crate::rules::nets::tests::{any_addr, any_net, is_in};
    use crate::rules::nets::{Net, Nets};

    type Thing = (Option<Nets>, Option<Ports>);

    impl About for Thing {
        fn nets(&self) -> Option<&Nets> {
            self.0.as_ref()
        }

        fn ports(&self) -> Option<&Ports> {
            self.1.as_ref()
        }
    }

    fn covers((nets, ports): &Thing, ends: [IpAddr; 2], port: u16) -> bool {
        let within = |nets: &Nets| nets.iter().any(|net| ends.iter().any(|end| is_in(*net, *end)));
        nets.as_ref().is_none_or(within) && ports.as_ref().is_none_or(|ports| ports.contains(port))
    }

    fn any_thing() -> impl Strategy<Value = Thing> {
        let more = prop::sample::select(vec![0, 1, 2, 300]);
        let range = (0..6_u16, more).prop_map(|(from, more)| from..=from + more);
        let ports = prop::collection::vec(range, 0..3).prop_map(Ports::from);
        let nets = prop::collection::vec(any_net(), 0..4).prop_map(Nets::from);
        (prop::option::of(nets), prop::option::of(ports))
    }

    proptest! {
        #[test]
        fn nothing_that_covers_is_left_out(
            list in prop::collection::vec(any_thing(), 0..40),
            flows in prop::collection::vec(([any_addr(), any_addr()], 0..8_u16), 1..20),
        ) {
            let mut spots = Spots::default();
            let taken: Vec<bool> = (0..)
                .zip(&list)
                .map(|(number, thing)| spots.add(number, thing))
                .collect();
            for (ends, port) in flows {
                let found = spots.find(ends, port);
                prop_assert!(found.is_sorted_by(|a, b| a < b));
                for (number, thing) in list.iter().enumerate().filter(|(number, _)| taken[*number]) {
                    prop_assert!(!covers(thing, ends, port) || found.contains(&number), "{thing:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_about_something_else_is_not_found() {
        let addr = |number: u32| IpAddr::V4((0x0a00_0000 | number).into());
        let everywhere = Nets::from(vec![Net("10.0.0.0/8".parse().unwrap())]);
        let mut spots = Spots::default();
        for number in 0..5000_u32 {
            let host = Nets::from(vec![Net(IpNet::from(addr(number)))]);
            assert!(spots.add(number as usize, &(Some(host), None)));
        }
        for number in 0..5000_u16 {
            let port = Ports::from(vec![number..=number]);
            assert!(spots.add(5000 + usize::from(number), &(Some(everywhere.clone()), Some(port))));
        }
        assert_eq!(spots.find([addr(7), addr(9)], 80), [7, 9, 5080]);
        assert_eq!(spots.find([addr(8000), addr(9000)], 6000), [0_usize; 0]);
        let wide = Ports::from(vec![0..=u16::MAX]);
        assert!(!spots.add(10_000, &(None, Some(wide))) && !spots.add(10_001, &(None, None)));
    }
}
