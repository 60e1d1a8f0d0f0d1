//! Adding up: prior and weights → log-odds → probabilities → the answer.

use std::cmp::Ordering;

use super::weights;
use super::{Ranked, Story, Verdict};
use crate::evidence::Evidence;

/// A story below this probability is not an answer.
const ANSWER_MIN: f64 = 0.5;
/// A story this close to the next one is not an answer.
const LEAD_MIN: f64 = 0.2;
/// Stories below this probability are not listed.
const LISTED_MIN: f64 = 0.005;
/// Log-odds below the leader's from which on a story's share (less than 1e-8) is taken as zero, unasked of `exp`.
const NEGLIGIBLE: f64 = 18.5;

const STORIES: usize = Story::ALL.len();

/// Judges evidence. Pure and total: any evidence gives a verdict.
///
/// `Undetermined` is the answer when it is the likeliest of the eleven, or when the likeliest story stays below 0.5 or
/// leads the next one by less than 0.2. In the latter cases its probability is the chance that the best guess is wrong,
/// and the stories share what remains in proportion.
#[must_use]
pub fn judge(evidence: Evidence) -> Verdict {
    let mut sums = prior(&evidence);
    let mut rows = Vec::with_capacity(evidence.facts.len());
    for fact in &evidence.facts {
        let row = weights::of(fact);
        add(&mut sums, row);
        rows.push(row.to_vec());
    }
    let ranking = rank(&sums);
    let first = ranking[0];
    let listed = ranking.iter().take_while(|ranked| ranked.probability >= LISTED_MIN);
    let mut stories = Vec::with_capacity(listed.clone().count());
    stories.extend(listed.map(|&ranked| rounded(ranked)));
    Verdict { story: first.story, probability: rounded(first).probability, stories, weights: rows, evidence }
}

/// Log-odds of every story before any fact, in the order of [`Story::ALL`]; `Undetermined` is 0.
#[must_use]
pub fn prior(evidence: &Evidence) -> [f64; STORIES] {
    let mut sums = [0.0; STORIES];
    add(&mut sums, weights::BASE);
    add(&mut sums, weights::of_status(evidence.status));
    add(&mut sums, weights::of_tier(evidence.tier));
    sums
}

/// The answer of the same evidence with one fact taken away.
pub(super) fn without(evidence: &Evidence, absent: usize) -> Ranked {
    let mut sums = prior(evidence);
    for (place, fact) in evidence.facts.iter().enumerate() {
        if place != absent {
            add(&mut sums, weights::of(fact));
        }
    }
    rounded(rank(&sums)[0])
}

fn add(sums: &mut [f64; STORIES], row: &[(Story, f64)]) {
    for &(story, weight) in row {
        sums[story as usize] += weight;
    }
}

/// All stories, likeliest first; equals in the order of [`Story::ALL`].
fn rank(sums: &[f64; STORIES]) -> [Ranked; STORIES] {
    let highest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut shares = sums.map(|sum| {
        let below = highest - sum;
        if below > NEGLIGIBLE { 0.0 } else { (-below).exp() }
    });
    let total: f64 = shares.iter().sum();
    for share in &mut shares {
        *share /= total;
    }
    let mut ranking = Story::ALL.map(|story| Ranked { story, probability: shares[story as usize] });
    sort(&mut ranking);
    abstain(&mut ranking);
    ranking
}

/// Puts `Undetermined` first when no story deserves it.
fn abstain(ranking: &mut [Ranked; STORIES]) {
    let [first, second, third, ..] = *ranking;
    if first.story == Story::Undetermined {
        return;
    }
    let next = if second.story == Story::Undetermined { third } else { second };
    if first.probability >= ANSWER_MIN && first.probability - next.probability >= LEAD_MIN {
        return;
    }
    let wrong = 1.0 - first.probability;
    let others: f64 = ranking
        .iter()
        .filter(|ranked| ranked.story != Story::Undetermined)
        .map(|ranked| ranked.probability)
        .sum();
    for ranked in ranking.iter_mut() {
        ranked.probability = if ranked.story == Story::Undetermined {
            wrong
        } else {
            ranked.probability * (1.0 - wrong) / others
        };
    }
    sort(ranking);
}

fn sort(ranking: &mut [Ranked; STORIES]) {
    ranking.sort_unstable_by(|a, b| {
        b.probability.partial_cmp(&a.probability).unwrap_or(Ordering::Equal).then(a.story.cmp(&b.story))
    });
}

fn rounded(ranked: Ranked) -> Ranked {
    Ranked { probability: (ranked.probability * 1000.0).round() / 1000.0, ..ranked }
}
