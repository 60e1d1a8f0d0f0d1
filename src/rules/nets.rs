//! Networks of rule files.
//!
//! A list may be long: every network of a provider, or the hosts that somebody else calls bad. So its
//! addresses are kept as ranges in order. Asking one network after the other took 5 µs an alert with 1,000
//! of them as `internal`, and 18 µs in the formats that say the direction.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::registry::{OneOrMany, Ports, Ranges};

/// What is about certain networks or ports.
pub(super) trait About {
    /// One of the flow's ends is in one of these; `None` for any.
    fn nets(&self) -> Option<&Nets>;
    /// The responder's port is one of these; `None` for any.
    fn ports(&self) -> Option<&Ports>;
}

/// A network such as `10.0.0.0/8`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Net(pub(super) IpNet);

impl Net {
    /// Its addresses, and whether they are IPv6.
    fn range(self) -> (bool, (u128, u128)) {
        match self.0 {
            IpNet::V4(net) => (false, (net.network().to_bits().into(), net.broadcast().to_bits().into())),
            IpNet::V6(net) => (true, (net.network().to_bits(), net.broadcast().to_bits())),
        }
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Net {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        let net = written.parse::<IpNet>().ok().or_else(|| written.parse::<IpAddr>().ok().map(IpNet::from));
        match net {
            Some(net) if net.trunc() != net => Err(D::Error::custom(format_args!(
                "{written:?} has bits set behind its prefix: {} is meant?",
                net.trunc()
            ))),
            Some(net) => Ok(Self(net)),
            None => {
                Err(D::Error::custom(format_args!("{written:?} is not a network such as \"10.0.0.0/8\"")))
            }
        }
    }
}

/// Networks, as they were listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nets {
    listed: Vec<Net>,
    /// Of IPv4 and of IPv6.
    ranges: [Ranges<u128>; 2],
}

impl Nets {
    /// In the order of the file.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Net> {
        self.listed.iter()
    }

    /// True when the address is in one of them; an IPv4 address mapped into IPv6 counts as what it maps, too.
    pub(super) fn contains(&self, addr: IpAddr) -> bool {
        let [in_v4, in_v6] = self.ranges.each_ref().map(|ranges| |bits| ranges.cover(bits, bits));
        match addr {
            IpAddr::V4(v4) => in_v4(v4.to_bits().into()),
            IpAddr::V6(v6) => {
                in_v6(v6.to_bits())
                    || v6.to_ipv4_mapped().is_some_and(|mapped| in_v4(mapped.to_bits().into()))
            }
        }
    }

    /// True when every address of the network is in one of them.
    pub(super) fn cover(&self, net: Net) -> bool {
        let (is_v6, (first, last)) = net.range();
        self.ranges[usize::from(is_v6)].cover(first, last)
    }

    /// True when some address of the network is in one of them.
    pub(super) fn meet(&self, net: Net) -> bool {
        let (is_v6, (first, last)) = net.range();
        self.ranges[usize::from(is_v6)].meet(first, last)
    }
}

impl From<Vec<Net>> for Nets {
    fn from(listed: Vec<Net>) -> Self {
        let of = |is_v6| listed.iter().map(|net| net.range()).filter(move |range| range.0 == is_v6);
        let ranges = [false, true].map(|is_v6| of(is_v6).map(|(_, range)| range).collect());
        Self { listed, ranges }
    }
}

impl<'de> Deserialize<'de> for Nets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OneOrMany::deserialize(deserializer).map(|nets| Self::from(nets.0))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    /// Few addresses, so that they meet.
    pub(in crate::rules) fn any_addr() -> impl Strategy<Value = IpAddr> {
        let v4 = (0..3_u8, 0..3_u8).prop_map(|(c, d)| Ipv4Addr::new(10, 0, c, d));
        let v6 = (0..3_u128).prop_map(|low| IpAddr::V6((0xfd_u128 << 120 | low).into()));
        let mapped = v4.clone().prop_map(|v4| IpAddr::V6(v4.to_ipv6_mapped()));
        prop_oneof![v4.prop_map(IpAddr::V4), mapped, v6]
    }

    pub(in crate::rules) fn any_net() -> impl Strategy<Value = Net> {
        (any_addr(), prop::sample::select(vec![0, 8, 24, 30, 31, 32, 96, 120, 127, 128])).prop_map(
            |(addr, length)| {
                let length = if addr.is_ipv4() { length.min(32) } else { length };
                Net(IpNet::new(addr, length).unwrap().trunc())
            },
        )
    }

    /// As ipnet says it.
    pub(in crate::rules) fn is_in(net: Net, addr: IpAddr) -> bool {
        let mapped = match addr {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        [Some(addr), mapped].into_iter().flatten().any(|addr| net.0.contains(&addr))
    }

    #[test]
    fn addresses_and_networks() {
        let net = |text: &str| {
            Nets::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text))
                .map_err(|error| error.to_string())
        };
        assert!(net("10.0.0.0/8").unwrap().contains("10.1.2.3".parse().unwrap()));
        assert!(net("10.1.2.3").unwrap().contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(net("10.1.2.3/8").unwrap_err().contains("10.0.0.0/8 is meant?"));
        assert!(net("10.1.2").is_err());
    }

    #[test]
    fn halves_make_a_whole() {
        let net = |text: &str| Net(text.parse().unwrap());
        let halves = Nets::from(vec![net("10.128.0.0/9"), net("10.0.0.0/9"), net("ff00::/8")]);
        assert!(halves.cover(net("10.0.0.0/8")) && !halves.cover(net("10.0.0.0/7")));
        assert!(halves.meet(net("10.0.0.0/7")) && !halves.meet(net("11.0.0.0/8")));
        assert!(halves.cover(net("ff02::/16")) && !halves.meet(net("fe80::/10")));
    }

    proptest! {
        #[test]
        fn ranges_say_what_the_list_says(
            listed in prop::collection::vec(any_net(), 0..8), addr in any_addr(), net in any_net(),
        ) {
            let nets = Nets::from(listed.clone());
            prop_assert_eq!(nets.contains(addr), listed.iter().any(|net| is_in(*net, addr)));
            let overlaps = |one: &Net| one.0.contains(&net.0) || net.0.contains(&one.0);
            prop_assert_eq!(nets.meet(net), listed.iter().any(overlaps));
            prop_assert!(nets.cover(net) || !listed.iter().any(|one| one.0.contains(&net.0)));
            prop_assert!(!nets.cover(net) || nets.meet(net));
            prop_assert!(nets.iter().eq(&listed));
        }
    }
}
