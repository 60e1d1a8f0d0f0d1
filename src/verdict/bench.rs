//! A bench that remembers how it answered, and writes on paper that was used before.
//!
//! The flows of a scan or of one busy service have the same facts, and eleven exponentials, two sorts and the
//! divisions were 6 % of a scan. Most verdicts end in a counter and are of no use a moment later: the next
//! one takes over the memory of its lists and its own, which were a dozen allocations a flow.
//!
//! Invariant: a remembered answer is used for the same log-odds only, bit for bit, and nothing of a verdict
//! handed back is seen in the next, so the verdict is the one [`judge()`](super::judge()) gives.

use std::mem::{replace, take};
use std::sync::Arc;

use super::judge::{Answer, Sums, answer, judge_by};
use super::{Verdict, weights};
use crate::evidence::{Context, Fact, gather, gather_into};
use crate::flow::{Flow, HEAD_BYTES_MAX, Head};
use crate::payload::AppProto;

/// Answers remembered; a new one takes the place of an old one with the same low hash bits. About 70 KB.
const PLACES: usize = 256;
const PLACE_BITS: u32 = PLACES.trailing_zeros();

/// Flows given back at once at most, some 2 MB, 6 MB where all have said much: more than a burst ends in a
/// scan.
const SPENT_FLOWS: usize = 4096;

/// Memory of a head that goes back with its flow: most say less.
const SPENT_HEAD_BYTES: usize = HEAD_BYTES_MAX;

/// Verdicts kept for their memory: some 100 KB. Lines give them back by the dozen.
const SPARES_MAX: usize = 128;

/// Judges, and remembers the answers it gave lately.
#[derive(Debug)]
pub struct Bench {
    known: Box<[Option<(Sums, Answer)>]>,
    /// Verdicts that nobody needs any more, at most [`SPARES_MAX`]; the latest is the last.
    spares: Vec<Arc<Verdict>>,
    /// Flows of verdicts that nobody needs any more, at most [`SPENT_FLOWS`].
    #[expect(clippy::vec_box, reason = "what is kept is the memory behind the box")]
    spent: Vec<Box<Flow>>,
}

impl Default for Bench {
    fn default() -> Self {
        Self { known: vec![None; PLACES].into_boxed_slice(), spares: Vec::new(), spent: Vec::new() }
    }
}

impl Bench {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The verdict that [`judge()`](super::judge()) gives on what [`gather()`] finds.
    pub fn judge(&mut self, flow: Box<Flow>, app: AppProto, context: &Context<'_>) -> Arc<Verdict> {
        if let Some(mut verdict) = self.spares.pop()
            && let Some(last) = Arc::get_mut(&mut verdict)
        {
            let rows = &last.weights;
            let weighs_as = |place: usize, fact: &Fact| {
                rows.get(place).is_some_and(|row| std::ptr::eq(*row, weights::of(fact)))
            };
            match last.evidence.turn(flow, app, context, weighs_as) {
                Ok(before) => self.spend(before),
                Err(flow) => {
                    let room = (take(&mut last.stories), take(&mut last.weights));
                    let evidence = gather_into(take(&mut last.evidence.facts), flow, app, context);
                    let before = replace(last, judge_by(evidence, room, |sums| self.answer(sums)));
                    self.spend(before.evidence.flow);
                }
            }
            return verdict;
        }
        let evidence = gather(flow, app, context);
        Arc::new(judge_by(evidence, (Vec::new(), Vec::new()), |sums| self.answer(sums)))
    }

    /// Takes back a verdict that has been told; its memory is used again when nobody else kept it.
    pub fn hand_back(&mut self, verdict: Arc<Verdict>) {
        if Arc::strong_count(&verdict) == 1 && self.spares.len() < SPARES_MAX {
            self.spares.push(verdict);
        }
    }

    /// Flows that were judged and are needed no more, for where flows are told.
    pub fn spent(&mut self) -> Vec<Box<Flow>> {
        // As many will come again, and a list that grows is copied again and again.
        let room = Vec::with_capacity(self.spent.len());
        replace(&mut self.spent, room)
    }

    fn spend(&mut self, mut flow: Box<Flow>) {
        if self.spent.len() < SPENT_FLOWS {
            // Thousands may wait, and what each said is up to 6 KB.
            for head in [&mut flow.head_orig, &mut flow.head_resp] {
                if head.bytes.capacity() > SPENT_HEAD_BYTES {
                    *head = Head::default();
                }
            }
            self.spent.push(flow);
        }
    }

    fn answer(&mut self, sums: &Sums) -> Answer {
        let known = &mut self.known[place(sums)];
        match known {
            Some((same, answer)) if same.map(f64::to_bits) == sums.map(f64::to_bits) => answer.clone(),
            _ => known.insert((*sums, answer(sums))).1.clone(),
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
    use crate::evidence::example::{any_flow, any_world};
    use crate::verdict::judge;

    proptest! {
        #[test]
        fn what_is_remembered_is_what_would_be_said(
            asked in proptest::collection::vec(proptest::collection::vec(-4i8..4, 11), 1..400)
        ) {
            let mut bench = Bench::new();
            for weights in asked.iter().chain(&asked) {
                let sums: Sums = std::array::from_fn(|story| f64::from(weights[story]) / 2.0);
                prop_assert_eq!(bench.answer(&sums), answer(&sums));
            }
        }

        #[test]
        fn used_paper_shows_nothing_of_what_it_said(
            flows in proptest::collection::vec((any_flow(), any_world(), any::<bool>()), 1..8)
        ) {
            let mut bench = Bench::new();
            let mut kept = Vec::new();
            for (flow, (app, world), keeps) in flows {
                let plain = judge(world.gather(flow.clone(), app));
                let verdict = world.shown(|context| bench.judge(Box::new(flow), app, context));
                prop_assert_eq!(format!("{verdict:?}"), format!("{plain:?}"));
                if keeps {
                    kept.push((Arc::clone(&verdict), plain));
                }
                bench.hand_back(verdict);
            }
            for (verdict, plain) in kept {
                prop_assert_eq!(format!("{verdict:?}"), format!("{plain:?}"));
            }
        }
    }
}
