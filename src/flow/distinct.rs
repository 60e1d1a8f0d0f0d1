//! How many different things there were, in bounded memory: exactly while they are few, by a sketch
//! afterwards.
//!
//! Up to [`Distinct::EXACT_MAX`] things are kept and counted exactly; beyond that they are folded into a
//! HyperLogLog of 256 registers (Flajolet et al., AofA 2007) with linear counting for its lower range, whose
//! standard error is 1.04/√256 = 6.5 %. Both give the same answer for the same things in any order, so
//! merging parts of a run is exact in the sense that it equals not having split it.
//!
//! The hash is fixed: the same capture must give the same line every time. A sender who knows it can make an
//! estimate wrong; an estimate is never evidence on its own.

use std::net::IpAddr;

const REGISTERS: usize = 256;
const REGISTER_BITS: u32 = REGISTERS.trailing_zeros();

/// A set of which only the size is wanted. Things go in as 64 even bits: see [`even_addr`] and [`even`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distinct {
    /// Few enough to be kept, in order.
    Exact(Vec<u64>),
    /// Too many: HyperLogLog registers.
    Estimated(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl Distinct {
    /// Things kept before counting becomes estimating.
    pub const EXACT_MAX: usize = 14;

    /// Adds a thing. Constant time.
    pub fn insert(&mut self, bits: u64) {
        match self {
            Self::Exact(known) => {
                let Err(place) = known.binary_search(&bits) else { return };
                if known.len() < Self::EXACT_MAX {
                    known.insert(place, bits);
                } else {
                    let mut registers = registers(known);
                    note(&mut registers, bits);
                    *self = Self::Estimated(registers);
                }
            }
            Self::Estimated(registers) => note(registers, bits),
        }
    }

    /// Adds everything of another set.
    pub fn merge(&mut self, other: &Self) {
        match other {
            Self::Exact(known) => known.iter().for_each(|&bits| self.insert(bits)),
            Self::Estimated(theirs) => {
                if let Self::Exact(known) = self {
                    *self = Self::Estimated(registers(known));
                }
                if let Self::Estimated(ours) = self {
                    ours.iter_mut().zip(theirs.iter()).for_each(|(ours, &theirs)| *ours = theirs.max(*ours));
                }
            }
        }
    }

    /// How many distinct things were added: exact, or within a few percent when [`Self::is_exact`] says no.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Exact(known) => known.len() as u64,
            Self::Estimated(registers) => estimate(registers).max(Self::EXACT_MAX as u64 + 1),
        }
    }

    /// True while the count is exact.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_))
    }
}

/// 64 even bits of an address: two rounds of the finaliser of SplitMix64 (Steele et al., OOPSLA 2014).
#[must_use]
pub fn even_addr(addr: IpAddr) -> u64 {
    let (high, low) = match addr {
        IpAddr::V4(v4) => (4, u64::from(v4.to_bits())),
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h, low @ ..] = v6.octets();
            (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes(low))
        }
    };
    mix(even(high) ^ low)
}

/// 64 even bits of a number.
#[must_use]
pub const fn even(number: u64) -> u64 {
    mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15))
}

const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn registers(known: &[u64]) -> Box<[u8; REGISTERS]> {
    let mut registers = Box::new([0; REGISTERS]);
    known.iter().for_each(|&bits| note(&mut registers, bits));
    registers
}

fn note(registers: &mut [u8; REGISTERS], bits: u64) {
    let register = &mut registers[usize::from(bits.to_le_bytes()[0])];
    // The low 8 bits chose the register; the rank counts the zeros in front of the first one in the other 56.
    let rank = (bits >> REGISTER_BITS).leading_zeros() - REGISTER_BITS + 1;
    *register = (*register).max(u8::try_from(rank).unwrap_or(u8::MAX));
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count: positive and below 2^57"
)]
fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let count = REGISTERS as f64;
    let bias = 0.7213 / (1.0 + 1.079 / count); // alpha_m for m >= 128
    let sum: f64 = registers.iter().map(|&rank| 2_f64.powi(-i32::from(rank))).sum();
    let raw = bias * count * count / sum;
    let empty = registers.iter().filter(|&&rank| rank == 0).count();
    let linear =
        if raw <= 2.5 * count && empty > 0 { Some(count * (count / empty as f64).ln()) } else { None };
    linear.unwrap_or(raw).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    #[test]
    fn few_are_exact_and_repeats_do_not_count() {
        let mut set = Distinct::default();
        for _ in 0..3 {
            for number in 0..u32::try_from(Distinct::EXACT_MAX).unwrap() {
                set.insert(even_addr(v4(number)));
            }
        }
        assert!(set.is_exact());
        assert_eq!(set.count(), Distinct::EXACT_MAX as u64);
        set.insert(even_addr(v4(99)));
        assert!(!set.is_exact());
    }

    #[test]
    fn estimates_stay_within_a_fifth() {
        let sizes = [15_u32, 20, 50, 100, 300, 640, 1000, 5000, 65_536, 1_000_000];
        for size in sizes {
            for v6 in [false, true] {
                let mut set = Distinct::default();
                for number in 0..size {
                    let wide = (0x2001_0db8_u128 << 96) + u128::from(number);
                    set.insert(even_addr(if v6 { Ipv6Addr::from_bits(wide).into() } else { v4(number) }));
                }
                let error = (set.count() as f64 - f64::from(size)).abs() / f64::from(size);
                assert!(error < 0.2, "{size} counted as {}", set.count());
            }
        }
    }

    #[test]
    fn order_and_splitting_do_not_matter() {
        let mut whole = Distinct::default();
        let (mut left, mut right) = (Distinct::default(), Distinct::default());
        for number in 0..200 {
            whole.insert(even_addr(v4(199 - number)));
            if number % 3 == 0 {
                left.insert(even_addr(v4(number)))
            } else {
                right.insert(even_addr(v4(number)))
            }
        }
        left.merge(&right);
        assert_eq!(left, whole);
        let mut small = Distinct::default();
        small.insert(even_addr(v4(0)));
        small.merge(&whole);
        assert_eq!(small, whole);
    }
}
