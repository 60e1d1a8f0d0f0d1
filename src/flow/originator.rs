//! What one originator did: how far it reached lately and for hours, and how it asked its last targets.
//!
//! Most originators are seen with one flow and one target, and a scan is one originator with millions, so
//! what is rare is kept beside: the long window exists only once it differs from the short one, older halves
//! only while they lie within their window.

use std::time::Duration;

use super::distinct::Distinct;
use super::{Flow, Habits, Knocks, Opened, Outcome, Reach};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Transport};

/// Half the windows of packet time in which reach is counted: the short one and the long one. The long one
/// is a multiple of the short one, so it never moves on alone.
const HALVES: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(6 * 3600)];
/// Recent targets remembered per originator.
const TARGETS_MAX: usize = 8;
/// Intervals between knocks remembered per target.
const INTERVALS_MAX: usize = 8;
/// Intervals needed before anything is called regular.
const INTERVALS_MIN: usize = 3;
/// Largest standard deviation, as a part of the mean, that is called regular.
const REGULAR_SPREAD: f64 = 0.2;

/// One address that asks, or strays.
#[derive(Debug, Default)]
pub(super) struct Originator {
    short: Window,
    /// Nothing while it would be equal to the short one: until that one moves on for the first time.
    long: Option<Box<Window>>,
    /// The last ones it began to ask, a ring.
    targets: Vec<Target>,
    /// The first asked of them.
    oldest: usize,
}

/// What was tried within a stretch of packet time.
#[derive(Debug, Default)]
struct Window {
    /// Number of the newer half since the epoch.
    half: i64,
    newer: Half,
    /// The half before, while that has any attempts.
    past: Option<Box<Past>>,
}

#[derive(Debug)]
struct Past {
    older: Half,
    /// Hosts and ports of both halves. Kept up with every attempt because it is asked for with every verdict,
    /// and merging sketches costs more than one insertion.
    hosts: Distinct,
    ports: Distinct,
}

#[derive(Clone, Debug, Default)]
struct Half {
    attempts: u64,
    answered: u64,
    half_open: u64,
    refused: u64,
    unanswered: u64,
    hosts: Distinct,
    ports: Distinct,
}

impl Originator {
    /// It began a flow with this host and this port, both as even bits.
    pub(super) fn attempt(&mut self, opened: &Opened, host: u64, port: u64) {
        let [short, long] = HALVES.map(|half| number(opened.time, half));
        if self.long.is_none() && self.short.has_ended(short) {
            let half = self.short.half.div_euclid(ratio());
            self.long = Some(Box::new(Window { half, newer: self.short.newer.clone(), past: None }));
        }
        self.short.attempt(short, host, port);
        if let Some(window) = &mut self.long {
            window.attempt(long, host, port);
        }
        self.knock(opened);
    }

    /// A flow of it has ended.
    pub(super) fn ended(&mut self, outcome: Outcome) {
        self.each_window(|newer| match outcome {
            Outcome::Refused => newer.refused += 1,
            Outcome::Unanswered | Outcome::OneWay => newer.unanswered += 1,
            _ => newer.answered += 1,
        });
    }

    /// A flow of it was answered.
    pub(super) fn succeeded(&mut self, flow: &Flow) {
        let half_open = flow.is_half_open();
        self.each_window(|newer| *(if half_open { &mut newer.half_open } else { &mut newer.answered }) += 1);
        let is_it = |target: &&mut Target| target.is(flow.transport, flow.responder);
        if let Some(target) = self.targets.iter_mut().find(is_it) {
            target.answered = target.answered.saturating_add(1);
        }
    }

    /// True when it reaches more hosts or ports than are counted exactly.
    pub(super) const fn is_wide(&self) -> bool {
        let newer = &self.short.newer;
        !newer.hosts.is_exact() || !newer.ports.is_exact()
    }

    /// What it did lately, and how it asked one endpoint.
    pub(super) fn habits(&self, transport: Transport, responder: Endpoint) -> Habits {
        let reach = self.short.reach();
        let long_reach = self.long.as_ref().map_or(reach, |window| window.reach());
        let target = self.targets.iter().find(|target| target.is(transport, responder));
        Habits { reach, long_reach, knocks: target.map_or_else(Knocks::default, Target::knocks) }
    }

    fn each_window(&mut self, change: impl Fn(&mut Half)) {
        change(&mut self.short.newer);
        if let Some(window) = &mut self.long {
            change(&mut window.newer);
        }
    }

    fn knock(&mut self, opened: &Opened) {
        let (transport, responder) = (opened.transport, opened.responder);
        if let Some(target) = self.targets.iter_mut().find(|target| target.is(transport, responder)) {
            return target.knock(opened.time);
        }
        let target = Target::new(transport, responder, opened.time);
        if self.targets.len() < TARGETS_MAX {
            // Most never ask a second one.
            if self.targets.is_empty() {
                self.targets.reserve_exact(1);
            }
            self.targets.push(target);
        } else {
            self.targets[self.oldest] = target;
            self.oldest = (self.oldest + 1) % TARGETS_MAX;
        }
    }
}

/// The number of a half window since the epoch.
fn number(time: Timestamp, half: Duration) -> i64 {
    time.as_seconds().div_euclid(half.as_secs().cast_signed())
}

/// Halves of the short window in one of the long one.
const fn ratio() -> i64 {
    (HALVES[1].as_secs() / HALVES[0].as_secs()).cast_signed()
}

impl Window {
    /// True when an attempt in this half moves the window on; one before it counts in its newer half.
    const fn has_ended(&self, half: i64) -> bool {
        half > self.half && self.newer.attempts > 0
    }

    fn attempt(&mut self, half: i64, host: u64, port: u64) {
        if self.has_ended(half) {
            self.advance(half);
        } else if self.newer.attempts == 0 {
            self.half = half;
        }
        self.newer.attempts += 1;
        self.newer.hosts.insert(host);
        self.newer.ports.insert(port);
        if let Some(past) = &mut self.past {
            past.hosts.insert(host);
            past.ports.insert(port);
        }
    }

    fn advance(&mut self, half: i64) {
        let older = std::mem::take(&mut self.newer);
        let is_next = half == self.half.saturating_add(1);
        self.past =
            is_next.then(|| Box::new(Past { hosts: older.hosts.clone(), ports: older.ports.clone(), older }));
        self.half = half;
    }

    fn reach(&self) -> Reach {
        let newer = &self.newer;
        let reach = Reach {
            attempts: newer.attempts,
            hosts: newer.hosts.count_u32(),
            ports: newer.ports.count_u32(),
            answered: newer.answered,
            half_open: newer.half_open,
            refused: newer.refused,
            unanswered: newer.unanswered,
        };
        let Some(Past { older, hosts, ports }) = self.past.as_deref() else { return reach };
        Reach {
            attempts: reach.attempts + older.attempts,
            hosts: hosts.count_u32(),
            ports: ports.count_u32(),
            answered: reach.answered + older.answered,
            half_open: reach.half_open + older.half_open,
            refused: reach.refused + older.refused,
            unanswered: reach.unanswered + older.unanswered,
        }
    }
}

/// One endpoint that an originator asked.
#[derive(Clone, Debug)]
struct Target {
    responder: Endpoint,
    transport: Transport,
    attempts: u32,
    answered: u32,
    last: Timestamp,
    /// The last intervals in milliseconds, in a ring.
    intervals: [u32; INTERVALS_MAX],
}

impl Target {
    fn new(transport: Transport, responder: Endpoint, time: Timestamp) -> Self {
        Self { responder, transport, attempts: 1, answered: 0, last: time, intervals: [0; INTERVALS_MAX] }
    }

    fn is(&self, transport: Transport, responder: Endpoint) -> bool {
        // The port first: it is what tells most of them apart, at one comparison.
        self.responder.port == responder.port && self.responder == responder && self.transport == transport
    }

    fn knock(&mut self, time: Timestamp) {
        let interval = u32::try_from(time.since(self.last).as_millis()).unwrap_or(u32::MAX);
        self.intervals[(self.attempts as usize - 1) % INTERVALS_MAX] = interval;
        self.attempts = self.attempts.saturating_add(1);
        self.last = time;
    }

    fn knocks(&self) -> Knocks {
        let known = (self.attempts as usize - 1).min(INTERVALS_MAX);
        let intervals = &self.intervals[..known];
        let total: u64 = intervals.iter().copied().map(u64::from).sum();
        let mean = total as f64 / known.max(1) as f64;
        let spread =
            intervals.iter().map(|&i| (f64::from(i) - mean).powi(2)).sum::<f64>() / known.max(1) as f64;
        Knocks {
            attempts: self.attempts,
            answered: self.answered,
            regular: known >= INTERVALS_MIN && mean > 0.0 && spread.sqrt() <= REGULAR_SPREAD * mean,
            interval: (known > 0).then(|| Duration::from_millis(total / known as u64)),
        }
    }
}
