//! What rules remember between verdicts: which rule has spoken about a flow, kept by whoever keeps the flow,
//! and how often lately. Bounded.
//!
//! Two generations: what is remembered goes into the young one; when that is full, it becomes the old one and
//! the old one is forgotten, counted. What was asked for within the last half of the bound is therefore
//! always remembered.
//!
//! Invariants: memory never exceeds the bounds; time is the packets'; nothing is keyed by a rule's place in
//! its file, so that the memory outlives a reload of the rules.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;

use super::aggregate::{Aggregates, Gathering, Key, Tally};
use super::file::Threshold;
use super::subject::Subject;
use crate::time::Timestamp;

/// Windows remembered per generation.
const WINDOWS_MAX: usize = 65_536;

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
    /// Windows forgotten because the memory is bounded.
    pub forgotten: u64,
    /// Aggregates closed before their time because too many were open.
    pub closed_early: u64,
}

/// The memory. One per run.
#[derive(Debug)]
pub struct State {
    /// Where titles are filled in.
    pub(super) text: String,
    windows: Generations<Key, Window>,
    pub(super) aggregates: Aggregates,
    pub(super) counters: Counters,
    /// How often each `suppress` and `expected` entry silenced something, by its place.
    pub(super) silenced: BTreeMap<String, u64>,
}

/// What rules have said about a flow so far: kept with the flow between its verdicts, at most one entry a
/// rule, and hardly ever more than one. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct Spoken {
    first: Option<Said>,
    more: Vec<Said>,
}

impl Spoken {
    /// True when no rule has said anything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Said> {
        self.first.iter().chain(&self.more)
    }

    pub(super) fn push(&mut self, said: Said) {
        match &mut self.first {
            None => self.first = Some(said),
            Some(_) => self.more.push(said),
        }
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Said> {
        self.more.last_mut().or(self.first.as_mut())
    }
}

/// A rule has spoken about a flow.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) sid: u32,
    /// Its group and severity when it became an alert.
    pub(super) alerted: Option<(Arc<str>, u8)>,
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
            text: String::new(),
            windows: Generations::new(WINDOWS_MAX),
            aggregates: Aggregates::new(gathering),
            counters: Counters::default(),
            silenced: BTreeMap::new(),
        }
    }

    /// Moves the packet clock; true when [`Rules::until`](super::Rules::until) has something to say by it.
    /// Asked for every event, when hardly ever something is.
    #[inline]
    pub fn advance(&mut self, clock: Timestamp) -> bool {
        self.aggregates.advance(clock)
    }

    /// What became of the verdicts that rules matched so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.forgotten = self.windows.forgotten;
        counters.closed_early = self.aggregates.closed_early;
        counters
    }

    /// How often each `suppress` and `expected` entry silenced something, by `file:line`.
    #[must_use]
    pub const fn silenced(&self) -> &BTreeMap<String, u64> {
        &self.silenced
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_forgetting_is_counted() {
        let mut windows = Generations::<u32, u32>::new(1000);
        for key in 0..4_600 {
            *windows.entry(key) = key + 7;
        }
        let kept = windows.young.len() + windows.old.len();
        assert!(kept <= 2000);
        assert_eq!(windows.forgotten + kept as u64, 4_600);
        let mut known = |key| windows.get_mut(&key).copied();
        assert_eq!([known(4_599), known(4_099), known(0)], [Some(4_606), Some(4_106), None]);
    }
}
