//! What makes two packets belong to one flow, and the hash that places it.
//!
//! The two ends are kept in the order of their addresses and ports, so that both directions give the same
//! key. IPv4 addresses sit in the low word; the family is part of `kind`, so a mapped address stays apart
//! from its IPv4 twin.
//!
//! Strangers choose what is hashed, and the program is no secret. So where a flow is looked for ([`Hasher`])
//! is different in every run: with a fixed seed, 80,000 SYNs whose addresses were chosen for it all lay in
//! one place of the index and took 7.5 s. Which shard a flow belongs to ([`Key::shard`]) is the same in every
//! run, since at the caps it decides what is forgotten. Whoever fills one shard gets its share of the table
//! and no more.
//!
//! Invariant: a key's shard depends on the key only, and no output on its tag.

use std::hash::{BuildHasher, Hasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::SHARDS;
use crate::wire::{Endpoint, Transport};

const KIND_V6: u32 = 0x100;

/// Addresses and ports of both ends, lower end first, and the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Key {
    /// Lower end's address, then the higher end's: two words each.
    pub(super) addrs: [u64; 4],
    /// Lower end's port in the high half, higher end's in the low half.
    pub(super) ports: u32,
    /// IP protocol number, and whether the addresses are IPv6.
    pub(super) kind: u32,
}

/// Which end of a key: 0 is the lower one, 1 the higher one.
pub(super) type End = usize;

impl Key {
    /// The key of a packet, and which end its sender is.
    pub(super) fn of(transport: Transport, src: Endpoint, dst: Endpoint) -> (Self, End) {
        let kind = u32::from(transport as u8);
        let (IpAddr::V4(from), IpAddr::V4(to)) = (src.addr, dst.addr) else {
            return Self::of_v6(kind | KIND_V6, src, dst);
        };
        let from = u64::from(from.to_bits()) << 16 | u64::from(src.port);
        let to = u64::from(to.to_bits()) << 16 | u64::from(dst.port);
        let (low, high) = (from.min(to), from.max(to));
        let ports = low32(low) << 16 | low32(high) & 0xffff;
        (Self { addrs: [0, low >> 16, 0, high >> 16], ports, kind }, usize::from(from > to))
    }

    fn of_v6(kind: u32, src: Endpoint, dst: Endpoint) -> (Self, End) {
        let (from, to) = ((words(src.addr), src.port), (words(dst.addr), dst.port));
        let ((low, low_port), (high, high_port)) = (from.min(to), from.max(to));
        let ports = u32::from(low_port) << 16 | u32::from(high_port);
        (Self { addrs: [low[0], low[1], high[0], high[1]], ports, kind }, usize::from(from > to))
    }

    /// A TCP key from its parts.
    pub(super) fn tcp(addrs: [u64; 4], ports: u32, v6: bool) -> Self {
        Self { addrs, ports, kind: u32::from(Transport::Tcp as u8) | if v6 { KIND_V6 } else { 0 } }
    }

    /// Which of the run's shards it belongs to.
    #[inline]
    pub(super) fn shard(&self) -> usize {
        const PLACES: Hasher = Hasher::new(0x6768_6f73_7470_6f72);
        const BITS: u32 = u64::BITS - SHARDS.ilog2();
        (PLACES.hash(self) >> BITS) as usize
    }

    /// True when the addresses are IPv6.
    pub(super) fn is_v6(&self) -> bool {
        self.kind & KIND_V6 != 0
    }

    /// Its transport.
    pub(super) fn transport(&self) -> Transport {
        match self.kind & 0xff {
            17 => Transport::Udp,
            132 => Transport::Sctp,
            _ => Transport::Tcp,
        }
    }

    /// One of its ends.
    pub(super) fn end(&self, end: End) -> Endpoint {
        let (high, low) = (self.addrs[end * 2], self.addrs[end * 2 + 1]);
        let addr = if self.is_v6() {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(low32(low)))
        };
        let [a, b, c, d] = self.ports.to_be_bytes();
        Endpoint::new(addr, if end == 0 { u16::from_be_bytes([a, b]) } else { u16::from_be_bytes([c, d]) })
    }
}

/// The address as two words; an IPv4 address among IPv6 ones takes its mapped form.
fn words(addr: IpAddr) -> [u64; 2] {
    match addr {
        IpAddr::V4(v4) => [0, 0xffff_0000_0000 | u64::from(v4.to_bits())],
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            [low64(bits >> 64), low64(bits)]
        }
    }
}

/// Seeded multiply-and-fold hash of keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasher([u64; 4]);

impl Hasher {
    /// One that nobody can foresee.
    pub(super) fn random() -> Self {
        Self::new(RandomState::new().build_hasher().finish())
    }

    /// The hash function of this seed.
    const fn new(seed: u64) -> Self {
        let mut state = seed;
        let first = split_mix(&mut state);
        let second = split_mix(&mut state);
        let third = split_mix(&mut state);
        Self([first, second, third, split_mix(&mut state)])
    }

    /// What a key is found by within its shard.
    #[inline]
    pub(super) fn tag(&self, key: &Key) -> u32 {
        low32(self.hash(key))
    }

    #[inline]
    fn hash(&self, key: &Key) -> u64 {
        let [s0, s1, s2, s3] = self.0;
        let tail = u64::from(key.ports) << 32 | u64::from(key.kind);
        let body = if key.is_v6() {
            let low = fold(key.addrs[0] ^ s0, key.addrs[1] ^ s1);
            low ^ fold(key.addrs[2] ^ s1 ^ low, key.addrs[3] ^ s2)
        } else {
            (key.addrs[1] << 32 | key.addrs[3]) ^ s0
        };
        let mixed = fold(body, tail ^ s2);
        fold(mixed ^ s3, s1)
    }
}

/// A 53-bit number for a flow: the same in every run, whatever the configuration.
pub(super) fn flow_id(key: &Key, start: i64, frame: u64, layer: u8) -> u64 {
    const FIXED: u64 = 0x243f_6a88_85a3_08d3; // fractional digits of pi
    const HASHER: Hasher = Hasher::new(FIXED);
    let born = fold(start.cast_unsigned() ^ HASHER.0[1], frame ^ u64::from(layer) << 56 ^ HASHER.0[2]);
    fold(HASHER.hash(key) ^ born, HASHER.0[3]) >> 11
}

fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    low64(wide) ^ low64(wide >> 64)
}

/// Steele, Lea and Flood's generator: turns one seed into several unrelated words.
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ word >> 31) | 1
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn low64(wide: u128) -> u64 {
    wide as u64
}

/// The low half of a word.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
pub(super) fn low32(word: u64) -> u32 {
    word as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn end(addr: &str, port: u16) -> Endpoint {
        Endpoint::new(addr.parse().unwrap(), port)
    }

    #[test]
    fn both_directions_share_a_key_and_give_their_ends_back() {
        for (a, b) in [
            (end("10.0.0.1", 40_000), end("10.0.0.2", 80)),
            (end("10.0.0.1", 80), end("10.0.0.1", 81)),
            (end("2001:db8::1", 1), end("::ffff:1.2.3.4", 2)),
        ] {
            for transport in Transport::ALL {
                let (key, from_a) = Key::of(transport, a, b);
                let (same, from_b) = Key::of(transport, b, a);
                assert_eq!(key, same);
                assert_ne!(from_a, from_b);
                assert_eq!((key.end(from_a), key.end(from_b)), (a, b));
                assert_eq!(key.transport(), transport);
                assert_eq!(Hasher::new(7).hash(&key), Hasher::new(7).hash(&same));
                assert_ne!(Hasher::new(7).hash(&key), Hasher::new(8).hash(&key));
            }
        }
    }

    #[test]
    fn a_mapped_address_is_not_its_ipv4_twin() {
        let (v4, _) = Key::of(Transport::Tcp, end("1.2.3.4", 1), end("1.2.3.5", 2));
        let (v6, _) = Key::of(Transport::Tcp, end("::ffff:1.2.3.4", 1), end("::ffff:1.2.3.5", 2));
        assert_ne!(v4, v6);
    }

    #[test]
    fn the_shards_fill_evenly_and_identifiers_fit_53_bits() {
        let mut filled = [0u32; 64];
        for port in 0..64_000u16 {
            let (key, _) = Key::of(Transport::Udp, end("10.0.0.1", port), end("10.0.0.2", 53));
            filled[key.shard()] += 1;
            assert!(flow_id(&key, i64::from(port), 1, 0) < 1 << 53);
        }
        assert!(filled.iter().all(|&n| (850..1150).contains(&n)), "{filled:?}");
    }

    /// Addresses that make one factor of each product nothing, so that no port makes a difference.
    #[test]
    fn who_knows_one_seed_knows_nothing_of_the_next_run() {
        let known = Hasher::new(5);
        let of_host = |net: u16, host: u64| {
            Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(net) << 64 | u128::from(host))
        };
        let [from, to] = [of_host(1, known.0[1]), of_host(2, known.0[2])].map(IpAddr::V6);
        let keys =
            (0..4096).map(|port| Key::of(Transport::Tcp, Endpoint::new(from, port), Endpoint::new(to, 80)).0);
        let tags = |hasher: &Hasher| keys.clone().map(|key| hasher.tag(&key)).collect::<BTreeSet<_>>().len();
        assert_eq!(tags(&known), 1);
        assert!(tags(&Hasher::random()) > 4080);
        assert_ne!(Hasher::random().0, Hasher::random().0);
    }
}
