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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Distinct {
    /// Nothing yet.
    #[default]
    Nothing,
    /// One thing. Most sets never see a second, so the first costs no allocation.
    One(u64),
    /// Few enough to be kept, in order: two or more.
    Exact(Vec<u64>),
    /// Too many: HyperLogLog registers.
    Estimated(Box<Sketch>),
}

impl Distinct {
    /// Things kept before counting becomes estimating.
    pub const EXACT_MAX: usize = 14;

    /// Adds a thing. Constant time.
    #[inline]
    pub fn insert(&mut self, bits: u64) {
        match self {
            Self::Estimated(sketch) => sketch.note(bits),
            Self::One(known) if *known == bits => {}
            _ => self.keep(bits),
        }
    }

    fn keep(&mut self, bits: u64) {
        match self {
            Self::Nothing => *self = Self::One(bits),
            Self::One(known) => *self = Self::Exact(vec![bits.min(*known), bits.max(*known)]),
            Self::Exact(known) => {
                let Err(place) = known.binary_search(&bits) else { return };
                if known.len() < Self::EXACT_MAX {
                    known.insert(place, bits);
                } else {
                    let mut sketch = Sketch::of(known);
                    sketch.note(bits);
                    *self = Self::Estimated(sketch);
                }
            }
            Self::Estimated(sketch) => sketch.note(bits),
        }
    }

    /// Adds everything of another set.
    pub fn merge(&mut self, other: &Self) {
        if let Self::Estimated(theirs) = other {
            let mut sketch = match std::mem::take(self) {
                Self::Estimated(ours) => ours,
                few => Sketch::of(few.kept()),
            };
            theirs.registers.iter().enumerate().for_each(|(at, &rank)| sketch.raise(at, rank));
            *self = Self::Estimated(sketch);
        }
        other.kept().iter().for_each(|&bits| self.insert(bits));
    }

    /// How many distinct things were added: exact, or within a few percent when [`Self::is_exact`] says no.
    /// Constant time: it is asked several times a flow.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Estimated(sketch) => sketch.estimate.max(Self::EXACT_MAX as u64 + 1),
            few => few.kept().len() as u64,
        }
    }

    /// [`Self::count`], where 32 bits are enough.
    pub(super) fn count_u32(&self) -> u32 {
        u32::try_from(self.count()).unwrap_or(u32::MAX)
    }

    /// True when nothing was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// True while the count is exact.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        !matches!(self, Self::Estimated(_))
    }

    /// The things themselves, while they are kept.
    fn kept(&self) -> &[u64] {
        match self {
            Self::Nothing | Self::Estimated(_) => &[],
            Self::One(known) => std::slice::from_ref(known),
            Self::Exact(known) => known,
        }
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

/// HyperLogLog registers, the two sums over them that an estimate is made of, and the estimate.
///
/// All are kept up as registers rise, which becomes ever rarer while a set grows: adding 256 powers of two
/// for every verdict took 45 % of the time of a scan.
///
/// Invariants: `sum` is the sum of `2^(SUM_BITS - rank)` over all registers; `empty` counts those of rank 0;
/// `estimate` is that of the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    registers: [u8; REGISTERS],
    empty: u16,
    sum: u64,
    estimate: u64,
}

/// Binary places of the sum: together with its 9 whole bits it fits a double exactly.
const SUM_BITS: u32 = 44;

impl Sketch {
    fn of(known: &[u64]) -> Box<Self> {
        const ALL: u16 = 1 << REGISTER_BITS;
        let mut sketch = Box::new(Self {
            registers: [0; REGISTERS],
            empty: ALL,
            sum: u64::from(ALL) << SUM_BITS,
            estimate: 0,
        });
        known.iter().for_each(|&bits| sketch.note(bits));
        sketch
    }

    #[inline]
    fn note(&mut self, bits: u64) {
        // The low 8 bits choose the register; the rank counts the zeros in front of the first one in the
        // other 56.
        let rank = (bits >> REGISTER_BITS).leading_zeros() - REGISTER_BITS + 1;
        self.raise(usize::from(bits.to_le_bytes()[0]), u8::try_from(rank).unwrap_or(u8::MAX));
    }

    #[inline]
    fn raise(&mut self, at: usize, rank: u8) {
        let known = self.registers[at];
        if rank > known {
            self.registers[at] = rank;
            self.sum = self.sum - part(known) + part(rank);
            self.empty -= u16::from(known == 0);
            self.estimate = self.estimated();
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count: positive and below 2^57"
    )]
    fn estimated(&self) -> u64 {
        let count = REGISTERS as f64;
        let bias = 0.7213 / (1.0 + 1.079 / count); // alpha_m for m >= 128
        let sum = self.sum as f64 / (1_u64 << SUM_BITS) as f64;
        let raw = bias * count * count / sum;
        let is_low = raw <= 2.5 * count && self.empty > 0;
        let linear = is_low.then(|| count * (count / f64::from(self.empty)).ln());
        linear.unwrap_or(raw).round() as u64
    }
}

/// What one register adds to the sum. A rank above 44 comes once in 2^44 things; it adds nothing.
const fn part(rank: u8) -> u64 {
    (1 << SUM_BITS) >> rank
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
