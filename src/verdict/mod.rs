//! Evidence → verdict: stories ranked by probability, with the facts for and against. Pure: no I/O, no state.
//!
//! The model is additive log-odds. Every story starts at a prior that the port's status and tier give it;
//! every fact adds its row of the weight table (`weights.rs`, a reason beside each number); a softmax over
//! the ten stories and [`Story::Undetermined`], which stays near zero, makes probabilities of it. So a story
//! has to earn its lead over "we do not know", not only over other stories, and evidence that cannot decide
//! anything (one side captured, no payload, no opening) speaks for `Undetermined` like any other fact. A
//! small fitted share goes to all stories alike ([`LAPSE`]), since facts may be wrong themselves. When the
//! likeliest story is below one half, or the next one is close behind it, the answer is `Undetermined` as
//! well: see [`judge()`].
//!
//! Invariants: the same evidence gives the same verdict, bit for bit; the first of [`Verdict::stories`] is
//! [`Verdict::story`] with [`Verdict::probability`]; probabilities add up to 1 within rounding and the 0.005
//! left out.

mod advice;
mod bench;
mod expect;
mod judge;
mod story;
mod weights;
mod whatif;

pub use bench::Bench;
pub use expect::{Expected, stories_to_expect};
pub use judge::{LAPSE, judge, log_odds, prior, weigh};
pub use story::Story;
pub use whatif::{Case, Change, Told};

use crate::evidence::{Evidence, Fact};

/// What a flow most likely is, how sure that is, and what it rests on.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The facts it rests on.
    pub evidence: Evidence,
    /// The answer: the likeliest story, or [`Story::Undetermined`] when the margin is small.
    pub story: Story,
    /// Probability of `story`, 0 to 1, rounded to three decimals.
    pub probability: f64,
    /// Stories with a probability of at least 0.005, likeliest first.
    pub stories: Vec<Ranked>,
    /// What each fact added, in the order of `evidence.facts`: rows of the weight table, log-odds by story,
    /// largest effect first.
    pub weights: Vec<&'static [(Story, f64)]>,
}

/// A story and its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// The story.
    pub story: Story,
    /// Its probability, 0 to 1, rounded to three decimals.
    pub probability: f64,
}

impl Verdict {
    /// Probability of a story, 0 when it is below 0.005.
    #[must_use]
    pub fn chance(&self, story: Story) -> f64 {
        self.stories.iter().find(|ranked| ranked.story == story).map_or(0.0, |ranked| ranked.probability)
    }

    /// What this flow says about a port number: the verdict's story for the responder's port, and for the
    /// originator's what [`on_originator_port`] says. `None` when the flow has no such port.
    #[must_use]
    pub fn about_port(&self, port: u16) -> Option<Story> {
        let flow = &self.evidence.flow;
        if flow.responder.port == port {
            Some(self.story)
        } else {
            (flow.originator.port == port).then(|| on_originator_port(self))
        }
    }

    /// The answer without the fact at this index of `evidence.facts`: what the verdict would be, had it not
    /// been seen.
    #[must_use]
    pub fn without(&self, fact: usize) -> Ranked {
        judge::without(&self.evidence, fact)
    }

    /// The facts that the answer hangs on: each of them alone, taken away, changes the story. Indices into
    /// `evidence.facts`, in catalogue order.
    pub fn hinges(&self) -> impl Iterator<Item = usize> {
        (0..self.evidence.facts.len()).filter(|&fact| self.without(fact).story != self.story)
    }
}

/// What a flow says about its *originator's* port number: that it is only a client's port. When the flow
/// itself was judged to run the other way round, the originator's port is the service: registered when what
/// is spoken belongs there.
#[must_use]
pub fn on_originator_port(verdict: &Verdict) -> Story {
    if verdict.story != Story::EphemeralOverlap {
        return Story::EphemeralOverlap;
    }
    let is_expected = |fact: &Fact| matches!(fact, Fact::OriginatorClaimExpects(_));
    if verdict.evidence.facts.iter().any(is_expected) {
        Story::RegisteredService
    } else {
        Story::Undetermined
    }
}
