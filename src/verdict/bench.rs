//! A bench that remembers how it ranked: the flows of a scan or of one busy service have the same facts, and
//! eleven exponentials, two sorts and the divisions were 6 % of a scan.
//!
//! Invariant: a remembered ranking is used for the same log-odds only, bit for bit, so the verdict is the one
//! [`judge()`](super::judge()) gives.

use super::Verdict;
use super::judge::{Ranking, Sums, judge_by, rank};
use crate::evidence::Evidence;

/// Rankings remembered; a new one takes the place of an old one with the same low hash bits. About 70 KB.
const PLACES: usize = 256;
const PLACE_BITS: u32 = PLACES.trailing_zeros();

/// Judges, and remembers the rankings it used lately.
#[derive(Debug)]
pub struct Bench {
    known: Box<[Option<(Sums, Ranking)>]>,
}

impl Default for Bench {
    fn default() -> Self {
        Self { known: vec![None; PLACES].into_boxed_slice() }
    }
}

impl Bench {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The verdict that [`judge()`](super::judge()) gives.
    pub fn judge(&mut self, evidence: Evidence) -> Verdict {
        judge_by(evidence, |sums| self.rank(sums))
    }

    fn rank(&mut self, sums: &Sums) -> Ranking {
        let known = &mut self.known[place(sums)];
        match known {
            Some((same, ranking)) if same.map(f64::to_bits) == sums.map(f64::to_bits) => *ranking,
            _ => known.insert((*sums, rank(sums))).1,
        }
    }
}

fn place(sums: &Sums) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 divided by the golden ratio
    let mixed =
        sums.iter().fold(0_u64, |mixed, sum| (mixed.rotate_left(5) ^ sum.to_bits()).wrapping_mul(ODD));
    usize::try_from(mixed >> (u64::BITS - PLACE_BITS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_remembered_is_what_would_be_said(
            asked in proptest::collection::vec(proptest::collection::vec(-4i8..4, 11), 1..400)
        ) {
            let mut bench = Bench::new();
            for weights in asked.iter().chain(&asked) {
                let sums: Sums = std::array::from_fn(|story| f64::from(weights[story]) / 2.0);
                prop_assert_eq!(bench.rank(&sums), rank(&sums));
            }
        }
    }
}
