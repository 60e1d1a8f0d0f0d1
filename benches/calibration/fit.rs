//! What is fitted: how often experience contradicts whatever the facts say, by penalised likelihood.
//!
//! One number for all flows, so that nothing of a single capture can be learnt by heart. The alternatives
//! that were tried (one temperature) are computed beside it, for the report.

use ghostport::verdict::Story;

use crate::labels::{EVENTS, event_of};
use crate::replay::Judged;

/// The pull to the hand-set number, which is nought: as if this many more flows had been seen, all of them
/// told beyond doubt.
pub(crate) const PULL: f64 = 100.0;
/// Steps of the search: a grid gives the same number on every machine.
const STEP: f64 = 0.001;
const STEPS: u8 = 200;

/// The lapse, 0 to 0.2, that explains the flows best under this pull.
pub(crate) fn lapse(flows: &[&Judged], pull: f64) -> f64 {
    let loss = |lapse: f64| {
        let pull = -pull * (1.0 - lapse).ln();
        flows.iter().map(|flow| surprise(flow, 1.0, lapse)).sum::<f64>() + pull
    };
    (0..=STEPS).map(|step| f64::from(step) * STEP).min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or(0.0)
}

/// The temperature, 0.5 to 2.5, that explains the flows best at this lapse; unpenalised.
pub(crate) fn temperature(flows: &[&Judged], lapse: f64) -> f64 {
    let loss = |temperature: f64| flows.iter().map(|flow| surprise(flow, temperature, lapse)).sum::<f64>();
    (50..=250)
        .map(|percent: u8| f64::from(percent) / 100.0)
        .min_by(|a, b| loss(*a).total_cmp(&loss(*b)))
        .unwrap_or(1.0)
}

/// Negative logarithm of the probability of what was true.
pub(crate) fn surprise(flow: &Judged, temperature: f64, lapse: f64) -> f64 {
    -events(flow, temperature, lapse)[flow.truth].ln()
}

/// Probability of each event of [`EVENTS`] by the model: a softmax of the log-odds, and the lapse shared by
/// all stories.
pub(crate) fn events(flow: &Judged, temperature: f64, lapse: f64) -> [f64; EVENTS.len()] {
    let mut chances = [0.0; EVENTS.len()];
    for (story, chance) in Story::ALL.into_iter().zip(stories(flow, temperature, lapse)) {
        chances[event_of(story)] += chance;
    }
    chances
}

/// Probability of each story by the model, in the order of [`Story::ALL`].
pub(crate) fn stories(flow: &Judged, temperature: f64, lapse: f64) -> [f64; Story::ALL.len()] {
    let highest = flow.sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares = flow.sums.map(|sum| ((sum - highest) / temperature).exp());
    let total: f64 = shares.iter().sum();
    let each = lapse / f64::from(u8::try_from(Story::ALL.len()).unwrap_or(1));
    shares.map(|share| share / total * (1.0 - lapse) + each)
}
