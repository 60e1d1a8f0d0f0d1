//! Evidence → verdict: stories ranked by probability, with the facts for and against. Pure: no I/O, no state.

mod story;

use crate::evidence::Evidence;

pub use story::Story;

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
    /// What each fact added, in the order of `evidence.facts`: log-odds by story, largest effect first.
    pub weights: Vec<Vec<(Story, f64)>>,
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
    /// What an analyst does next, in one line. Safe to print and to paste into a shell.
    #[must_use]
    pub fn next_step(&self) -> String {
        String::new()
    }
}
