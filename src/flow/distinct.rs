//! How many different things were seen, in bounded memory: exactly while they are few, by a sketch afterwards.
//!
//! The sketch is HyperLogLog (Flajolet et al. 2007) with 128 registers: 128 bytes, allocated only when needed, about 9 %
//! standard error; its authors' linear counting covers the range where most registers are still empty.

use arrayvec::ArrayVec;

const FEW_MAX: usize = 12;
const REGISTERS: usize = 128;
const REGISTER_BITS: u32 = REGISTERS.ilog2();

/// A set of 32-bit hashes of which only the size is asked.
#[derive(Clone, Debug)]
pub(super) enum Distinct {
    /// All of them.
    Few(ArrayVec<u32, FEW_MAX>),
    /// The sketch.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Few(ArrayVec::new_const())
    }
}

impl Distinct {
    /// Adds one.
    pub(super) fn insert(&mut self, hash: u32) {
        match self {
            Self::Many(registers) => raise(registers, hash),
            Self::Few(few) if few.contains(&hash) => {}
            Self::Few(few) => {
                if few.try_push(hash).is_ok() {
                    return;
                }
                let mut registers = Box::new([0; REGISTERS]);
                few.iter().chain([&hash]).for_each(|&known| raise(&mut registers, known));
                *self = Self::Many(registers);
            }
        }
    }

    /// True when there are more than can be told apart exactly.
    pub(super) fn is_many(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    /// The size of both sets together.
    pub(super) fn count_with(&self, other: &Self) -> u32 {
        let mut both = self.clone();
        match other {
            Self::Few(few) => few.iter().for_each(|&hash| both.insert(hash)),
            Self::Many(theirs) => {
                if let Self::Few(few) = &both {
                    let mut sum = Self::Many(theirs.clone());
                    few.iter().for_each(|&hash| sum.insert(hash));
                    both = sum;
                } else if let Self::Many(ours) = &mut both {
                    ours.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a = (*a).max(*b));
                }
            }
        }
        both.count()
    }

    /// The size: exact up to twelve.
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Few(few) => u32::try_from(few.len()).unwrap_or(u32::MAX),
            Self::Many(registers) => estimate(registers),
        }
    }
}

fn raise(registers: &mut [u8; REGISTERS], hash: u32) {
    let rest = hash << REGISTER_BITS;
    let rank = rest.leading_zeros().min(u32::BITS - REGISTER_BITS) + 1;
    let register = &mut registers[(hash >> (u32::BITS - REGISTER_BITS)) as usize];
    *register = (*register).max(u8::try_from(rank).unwrap_or(u8::MAX));
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the estimate is positive and far below 2^32"
)]
fn estimate(registers: &[u8; REGISTERS]) -> u32 {
    const M: f64 = REGISTERS as f64;
    const ALPHA: f64 = 0.7213 / (1.0 + 1.079 / M);
    let sum: f64 = registers.iter().map(|&rank| (-f64::from(rank)).exp2()).sum();
    let raw = ALPHA * M * M / sum;
    let empty = registers.iter().filter(|&&rank| rank == 0).count();
    let size = if raw <= 2.5 * M && empty > 0 { M * (M / empty as f64).ln() } else { raw };
    (size.round() as u32).max(FEW_MAX as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> u32 {
        let word = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        super::super::key::low32(word >> 32 ^ word >> 13)
    }

    #[test]
    fn exact_when_few_and_close_when_many() {
        let mut set = Distinct::default();
        for round in 0..3 {
            for number in 0..12 {
                set.insert(hash(number));
            }
            assert_eq!((set.count(), set.is_many()), (12, false), "round {round}");
        }
        for (upto, low, high) in [(13, 13, 17), (100, 80, 120), (1000, 750, 1250), (100_000, 75_000, 125_000)]
        {
            (0..upto).for_each(|number| set.insert(hash(number)));
            assert!((low..=high).contains(&set.count()), "{upto}: {}", set.count());
        }
    }

    #[test]
    fn unions_count_each_once() {
        let make = |range: std::ops::Range<u32>| {
            let mut set = Distinct::default();
            range.for_each(|number| set.insert(hash(number)));
            set
        };
        assert_eq!(make(0..6).count_with(&make(3..9)), 9);
        for (a, b) in [(0..500, 0..4), (0..4, 0..500), (0..300, 200..500)] {
            let size = make(a.clone()).count_with(&make(b.clone()));
            assert!((400..=600).contains(&size), "{a:?} {b:?}: {size}");
        }
    }
}
