//! What rules remember between verdicts: which rule has spoken about which flow, and how often lately.
//! Bounded.
//!
//! Two generations: what is remembered goes into the young one; when that is full, it becomes the old one and
//! the old one is forgotten, counted. What was asked for within the last half of the bound is therefore
//! always remembered.
//!
//! Invariants: memory never exceeds the bounds; time is the packets'; nothing is keyed by a rule's place in
//! its file, so that the memory outlives a reload of the rules.

use std::collections::BTreeMap;
use std::hash::Hash;

use hashbrown::HashMap;

use super::aggregate::{Aggregates, Gathering, Key, Tally};
use super::file::Threshold;
use super::subject::Subject;
use crate::time::Timestamp;

/// Windows remembered per generation.
const WINDOWS_MAX: usize = 65_536;
/// Flows under way that were spoken about, per generation: both together are as many as there may be flows by
/// default, because a flow that is forgotten would be counted twice.
const FLOWS_MAX: usize = 1 << 20;

/// What became of the verdicts that rules matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Alerts made: lines, of which one may stand for many flows.
    pub alerts: u64,
    /// Silenced by a `suppress` entry.
    pub suppressed: u64,
    /// Silenced because an `expected` entry says that this is normal.
    pub expected: u64,
    /// Not silenced, because the `expected` entry that covers it is out of date.
    pub expired: u64,
    /// Held back by a threshold, and in no alert since.
    pub held_back: u64,
    /// Another rule of the same group had already spoken about the flow, at the same severity or a worse one.
    pub grouped: u64,
    /// Flows and windows forgotten because the memory is bounded.
    pub forgotten: u64,
    /// Aggregates closed before their time because too many were open.
    pub closed_early: u64,
}

/// The memory. One per run.
#[derive(Debug)]
pub struct State {
    flows: Generations<u64, Vec<Spoken>>,
    /// Room for the next flow that no rule has spoken about.
    spare: Vec<Spoken>,
    windows: Generations<Key, Window>,
    pub(super) aggregates: Aggregates,
    pub(super) counters: Counters,
    /// How often each `suppress` and `expected` entry silenced something, by its place.
    pub(super) silenced: BTreeMap<String, u64>,
}

/// A rule has spoken about a flow.
#[derive(Clone, Debug)]
pub(super) struct Spoken {
    pub(super) sid: u32,
    /// Its group and severity when it became an alert.
    pub(super) alerted: Option<(String, u8)>,
}

#[derive(Clone, Debug)]
struct Window {
    start: Timestamp,
    count: u32,
    /// Held back so far, for the aggregate that they may become part of.
    held: Option<Box<Tally>>,
}

/// What a threshold makes of a match.
#[derive(Debug)]
pub(super) enum Reached {
    /// Too few so far.
    No,
    /// Enough, together with those held back before.
    Yes(Option<Box<Tally>>),
}

impl State {
    /// An empty memory.
    #[must_use]
    pub fn new() -> Self {
        Self::gathering(Gathering::default())
    }

    /// An empty memory that gathers alerts like this.
    #[must_use]
    pub fn gathering(gathering: Gathering) -> Self {
        Self {
            flows: Generations::new(FLOWS_MAX),
            spare: Vec::new(),
            windows: Generations::new(WINDOWS_MAX),
            aggregates: Aggregates::new(gathering),
            counters: Counters::default(),
            silenced: BTreeMap::new(),
        }
    }

    /// What became of the verdicts that rules matched so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.forgotten = self.flows.forgotten + self.windows.forgotten;
        counters.closed_early = self.aggregates.closed_early;
        counters
    }

    /// How often each `suppress` and `expected` entry silenced something, by `file:line`.
    #[must_use]
    pub const fn silenced(&self) -> &BTreeMap<String, u64> {
        &self.silenced
    }

    /// Takes what rules have said about a flow, to be put back by [`Self::remember()`].
    pub(super) fn recall(&mut self, flow: u64) -> Vec<Spoken> {
        self.flows.remove(&flow).unwrap_or_else(|| std::mem::take(&mut self.spare))
    }

    /// Puts back what rules have said about a flow, unless it is over: then nobody asks again. Most flows
    /// that a rule speaks about are spoken about once, when they end, and never come into the map.
    pub(super) fn remember(&mut self, flow: u64, mut spoken: Vec<Spoken>, ended: bool) {
        if ended || spoken.is_empty() {
            spoken.clear();
            self.spare = spoken;
        } else {
            *self.flows.entry(flow) = spoken;
        }
    }

    /// Forgets a finished flow.
    pub(super) fn finished(&mut self, flow: u64) {
        self.flows.remove(&flow);
    }

    /// Counts a match. Where an aggregate is open already there is nothing to wait for.
    pub(super) fn reached(
        &mut self,
        sid: u32,
        threshold: Threshold,
        subject: &Subject<'_>,
        is_open: bool,
    ) -> Reached {
        let key = Key::window(sid, threshold.by, subject);
        let is_over = |window: &Window| subject.time.since(window.start) >= threshold.within;
        let held = if is_open {
            self.windows.get_mut(&key).filter(|window| !is_over(window)).and_then(|window| window.held.take())
        } else {
            let window = self.windows.entry(key);
            if window.count == 0 || is_over(window) {
                *window = Window { start: subject.time, count: 0, held: None };
            }
            window.count = window.count.saturating_add(1);
            if window.count < threshold.count {
                window.held.get_or_insert_default().add(subject);
                self.counters.held_back += 1;
                return Reached::No;
            }
            window.held.take()
        };
        self.counters.held_back -= held.as_ref().map_or(0, |held| held.flows);
        Reached::Yes(held)
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { start: Timestamp::MIN, count: 0, held: None }
    }
}

/// A bounded map that forgets the older half when it is full.
#[derive(Debug)]
struct Generations<K, V> {
    /// Entries per generation.
    max: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    forgotten: u64,
}

impl<K, V> Generations<K, V> {
    fn new(max: usize) -> Self {
        Self { max, young: HashMap::new(), old: HashMap::new(), forgotten: 0 }
    }
}

impl<K: Eq + Hash, V: Default> Generations<K, V> {
    fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) && self.young.len() >= self.max {
            let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.forgotten += old.len() as u64;
        }
        let kept = self.old.remove(&key);
        self.young.entry(key).or_insert_with(|| kept.unwrap_or_default())
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        // Asked at the end of every flow, and most runs have nothing here.
        if self.young.is_empty() && self.old.is_empty() {
            return None;
        }
        self.young.remove(key).or_else(|| self.old.remove(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_forgetting_is_counted() {
        let mut state = State { flows: Generations::new(WINDOWS_MAX), ..State::new() };
        for flow in 0..300_000 {
            state.remember(flow, vec![Spoken { sid: 1, alerted: None }], false);
        }
        assert!(state.flows.young.len() + state.flows.old.len() <= 2 * WINDOWS_MAX);
        let kept = (state.flows.young.len() + state.flows.old.len()) as u64;
        assert_eq!(state.counters().forgotten + kept, 300_000);
        let spoken = state.recall(299_999);
        assert_eq!(spoken.len(), 1);
        state.remember(299_999, spoken, true);
        assert!(state.recall(299_999).is_empty());
    }
}
