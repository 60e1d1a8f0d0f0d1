//! What an endpoint did across flows: who answers, who probes how widely, who keeps asking where nothing
//! answers.
//!
//! Fed by one thread in the order of the run and asked from anywhere. Every map has a configured bound and
//! forgets the entry that came first when it is full, so memory is bounded and what is forgotten does not
//! depend on hash order. Reach is kept twice: for the last five to ten minutes of packet time, and, since who
//! is patient probes once in a quarter of an hour, for the last six to twelve hours; each window in two
//! halves.
//!
//! An originator that reaches widely (more than 14 hosts or ports in a half) does not count among those who
//! seek an endpoint: a scan seeks nobody in particular, and so it costs one map look-up a flow instead of two
//! entries.

use dashmap::DashMap;
use foldhash::fast::FixedState;
use std::collections::VecDeque;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::distinct::{Distinct, even, even_addr};
use super::{Flow, Habits, Knocks, Listener, Manner, Opened, Outcome, Reach, Sought};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Transport};

/// Half the windows of packet time in which reach is counted: the short one and the long one.
const HALVES: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(6 * 3600)];
/// Recent targets remembered per originator.
const TARGETS_MAX: usize = 8;
/// Intervals between knocks remembered per target.
const INTERVALS_MAX: usize = 8;
/// Intervals needed before anything is called regular.
const INTERVALS_MIN: usize = 3;
/// Largest standard deviation, as a part of the mean, that is called regular.
const REGULAR_SPREAD: f64 = 0.2;

/// Bounds of what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointsConfig {
    /// Originators (addresses, by manner), up to about 4 KB each when they reach widely in both windows.
    /// Default 65,536.
    pub originators_max: usize,
    /// Endpoints that answered, about 80 bytes each. Default 262,144.
    pub listeners_max: usize,
    /// Endpoints that were sought, up to about 400 bytes each. Default 65,536.
    pub sought_max: usize,
    /// Seed of the hashes.
    pub seed: u64,
}

impl Default for EndpointsConfig {
    fn default() -> Self {
        Self { originators_max: 1 << 16, listeners_max: 1 << 18, sought_max: 1 << 16, seed: 0x676f_7374 }
    }
}

/// What endpoints did across flows.
#[derive(Debug)]
pub struct Endpoints {
    originators: Bounded<(IpAddr, Manner), Originator>,
    listeners: Bounded<(Transport, Endpoint), Option<Listener>>,
    sought: Bounded<(Transport, Endpoint), Distinct>,
}

impl Endpoints {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(config: &EndpointsConfig) -> Self {
        let hasher = FixedState::with_seed(config.seed);
        Self {
            originators: Bounded::new(config.originators_max, &hasher),
            listeners: Bounded::new(config.listeners_max, &hasher),
            sought: Bounded::new(config.sought_max, &hasher),
        }
    }

    /// A flow was opened. Answers, and what is already under way, are nobody's attempt.
    pub fn opened(&self, opened: &Opened) {
        let manner = match (opened.asks, opened.bare) {
            (true, _) => Manner::Asks,
            (false, true) => Manner::Strays,
            (false, false) => return,
        };
        let responder = opened.responder;
        let host = even_addr(responder.addr);
        let port = even(u64::from(responder.port) << 8 | opened.transport as u64);
        let wide = self.originators.with((opened.originator.addr, manner), |originator| {
            originator.attempt(opened, host, port);
            originator.is_wide()
        });
        if !wide && opened.asks {
            let who = even_addr(opened.originator.addr);
            self.sought.with((opened.transport, responder), |set| set.insert(who));
        }
    }

    /// A flow has ended ([`Flow::attempt`]). That a request was answered is told by [`Self::answered`], which
    /// may be long before the end.
    pub fn ended(&self, originator: IpAddr, manner: Manner, outcome: Outcome) {
        let is_vain = matches!(outcome, Outcome::Refused | Outcome::Unanswered | Outcome::OneWay);
        if (is_vain || manner == Manner::Strays)
            && let Some(mut originator) = self.originators.map.get_mut(&(originator, manner))
        {
            originator.windows.iter_mut().for_each(|window| window.ended(outcome));
        }
    }

    /// The responder of a flow answered: a SYN-ACK, or a datagram back. Once per flow.
    pub fn answered(&self, flow: &Flow) {
        self.listeners.with((flow.transport, flow.responder), |listener| {
            let known = listener.get_or_insert(Listener { first: flow.start, answers: 0 });
            known.answers = known.answers.saturating_add(1);
        });
        if flow.asked()
            && let Some(mut originator) = self.originators.map.get_mut(&(flow.originator.addr, Manner::Asks))
        {
            originator.succeeded(flow);
        }
    }

    /// What is known of an endpoint's answers.
    #[must_use]
    pub fn listener(&self, transport: Transport, endpoint: Endpoint) -> Option<Listener> {
        self.listeners.map.get(&(transport, endpoint)).and_then(|known| *known)
    }

    /// What an originator did lately in this manner, and how it asked one endpoint.
    #[must_use]
    pub fn habits(
        &self,
        originator: IpAddr,
        manner: Manner,
        transport: Transport,
        responder: Endpoint,
    ) -> Habits {
        let Some(known) = self.originators.map.get(&(originator, manner)) else { return Habits::default() };
        let [reach, long_reach] = known.windows.each_ref().map(Window::reach);
        let knocks = known.target(transport, responder).map_or_else(Knocks::default, Target::knocks);
        Habits { reach, long_reach, knocks }
    }

    /// Who asked for an endpoint.
    #[must_use]
    pub fn sought(&self, transport: Transport, responder: Endpoint) -> Sought {
        let known = self.sought.map.get(&(transport, responder));
        Sought { originators: known.map_or(0, |set| counted(&set)) }
    }
}

fn counted(set: &Distinct) -> u32 {
    u32::try_from(set.count()).unwrap_or(u32::MAX)
}

/// A map that forgets what came first when it is full.
#[derive(Debug)]
struct Bounded<K: Eq + Hash, V> {
    map: DashMap<K, V, FixedState>,
    /// Keys in the order they came; touched only when one comes or goes.
    order: Mutex<VecDeque<K>>,
    max: usize,
}

impl<K: Copy + Eq + Hash, V: Default> Bounded<K, V> {
    fn new(max: usize, hasher: &FixedState) -> Self {
        Self { map: DashMap::with_hasher(hasher.clone()), order: Mutex::default(), max: max.max(1) }
    }

    /// Changes the value of a key, which is made when it is not there.
    fn with<R>(&self, key: K, change: impl FnOnce(&mut V) -> R) -> R {
        if let Some(mut value) = self.map.get_mut(&key) {
            return change(&mut value);
        }
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if order.len() >= self.max
            && let Some(first) = order.pop_front()
        {
            self.map.remove(&first);
        }
        order.push_back(key);
        change(&mut self.map.entry(key).or_default())
    }
}

/// One address that asks, or strays.
#[derive(Debug, Default)]
struct Originator {
    /// The short one and the long one.
    windows: [Window; 2],
    /// Last ones, in the order they were first asked.
    targets: VecDeque<Target>,
}

/// What was tried within a stretch of packet time.
#[derive(Debug, Default)]
struct Window {
    /// Number of the newer half since the epoch.
    half: i64,
    newer: Half,
    older: Half,
    /// Hosts and ports of both halves, while the older one has any. Kept up with every attempt because it is
    /// asked for with every verdict, and merging sketches costs more than one insertion.
    together: Option<Box<[Distinct; 2]>>,
}

#[derive(Debug, Default)]
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
    fn attempt(&mut self, opened: &Opened, host: u64, port: u64) {
        for (window, half) in self.windows.iter_mut().zip(HALVES) {
            window.advance(opened.time, half);
            window.attempt(host, port);
        }
        let (transport, responder) = (opened.transport, opened.responder);
        if let Some(target) = self.targets.iter_mut().find(|target| target.is(transport, responder)) {
            return target.knock(opened.time);
        }
        if self.targets.len() >= TARGETS_MAX {
            self.targets.pop_front();
        }
        self.targets.push_back(Target::new(transport, responder, opened.time));
    }

    fn succeeded(&mut self, flow: &Flow) {
        let half_open = flow.is_half_open();
        for Window { newer, .. } in &mut self.windows {
            *(if half_open { &mut newer.half_open } else { &mut newer.answered }) += 1;
        }
        let is_it = |target: &&mut Target| target.is(flow.transport, flow.responder);
        if let Some(target) = self.targets.iter_mut().find(is_it) {
            target.answered = target.answered.saturating_add(1);
        }
    }

    fn is_wide(&self) -> bool {
        let newer = &self.windows[0].newer;
        !newer.hosts.is_exact() || !newer.ports.is_exact()
    }

    fn target(&self, transport: Transport, responder: Endpoint) -> Option<&Target> {
        self.targets.iter().find(|target| target.is(transport, responder))
    }
}

impl Window {
    /// Moves the window on; a time before it counts in its newer half.
    fn advance(&mut self, time: Timestamp, half: Duration) {
        let half = time.as_seconds().div_euclid(half.as_secs().cast_signed());
        if half <= self.half && self.newer.attempts > 0 {
            return;
        }
        let last = std::mem::take(&mut self.newer);
        self.older = if half == self.half.saturating_add(1) { last } else { Half::default() };
        let had_any = self.older.attempts > 0;
        self.together = had_any.then(|| Box::new([self.older.hosts.clone(), self.older.ports.clone()]));
        self.half = half;
    }

    fn attempt(&mut self, host: u64, port: u64) {
        self.newer.attempts += 1;
        self.newer.hosts.insert(host);
        self.newer.ports.insert(port);
        if let Some(together) = &mut self.together {
            together[0].insert(host);
            together[1].insert(port);
        }
    }

    fn ended(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Refused => self.newer.refused += 1,
            Outcome::Unanswered | Outcome::OneWay => self.newer.unanswered += 1,
            _ => self.newer.answered += 1,
        }
    }

    fn reach(&self) -> Reach {
        let (newer, older) = (&self.newer, &self.older);
        let [hosts, ports] =
            self.together.as_deref().map_or([&newer.hosts, &newer.ports], |both| both.each_ref());
        Reach {
            attempts: newer.attempts + older.attempts,
            hosts: counted(hosts),
            ports: counted(ports),
            answered: newer.answered + older.answered,
            half_open: newer.half_open + older.half_open,
            refused: newer.refused + older.refused,
            unanswered: newer.unanswered + older.unanswered,
        }
    }
}

/// One endpoint that an originator asked.
#[derive(Debug)]
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
        self.responder == responder && self.transport == transport
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

#[cfg(test)]
mod tests {
    use super::super::script;
    use super::*;

    fn end(addr: u32, port: u16) -> Endpoint {
        Endpoint::new(IpAddr::V4(addr.into()), port)
    }

    fn ask(endpoints: &Endpoints, from: u32, to: Endpoint, seconds: i64) {
        endpoints.opened(&Opened {
            transport: Transport::Tcp,
            originator: end(from, 40_000),
            responder: to,
            time: Timestamp::from_parts(seconds, 0),
            asks: true,
            bare: false,
        });
    }

    /// What an address that asks is known for, asked about the end 9:`port`.
    fn habits(endpoints: &Endpoints, from: u32, port: u16) -> Habits {
        endpoints.habits(end(from, 0).addr, Manner::Asks, Transport::Tcp, end(9, port))
    }

    #[test]
    fn reach_counts_hosts_and_ports_within_its_window() {
        let endpoints = Endpoints::new(&EndpointsConfig::default());
        for host in 0..5 {
            ask(&endpoints, 1, end(100 + host, 80), 10);
            ask(&endpoints, 1, end(100 + host, 81), 290);
        }
        ask(&endpoints, 1, end(100, 82), 310);
        let reach = habits(&endpoints, 1, 80).reach;
        assert_eq!((reach.attempts, reach.hosts, reach.ports), (11, 5, 3));
        ask(&endpoints, 1, end(100, 83), 650);
        assert_eq!(habits(&endpoints, 1, 80).reach.attempts, 2);
        ask(&endpoints, 1, end(100, 83), 9_000);
        assert_eq!(habits(&endpoints, 1, 80).reach.attempts, 1);
        assert_eq!(habits(&endpoints, 2, 80).reach, Reach::default());
        let long = habits(&endpoints, 1, 80).long_reach;
        assert_eq!((long.attempts, long.hosts, long.ports), (13, 5, 4), "the long window forgets later");
        ask(&endpoints, 1, end(100, 83), 50_000);
        assert_eq!(habits(&endpoints, 1, 80).long_reach.attempts, 1);
    }

    #[test]
    fn outcomes_go_to_their_originator_and_target() {
        let endpoints = Endpoints::new(&EndpointsConfig::default());
        let mut flow = script::flow(Transport::Tcp, "0.0.0.1:40000", "0.0.0.9:80");
        flow.history.push(b'S');
        ask(&endpoints, 1, flow.responder, 1);
        for outcome in [Outcome::Refused, Outcome::Unanswered, Outcome::Established] {
            endpoints.ended(flow.originator.addr, Manner::Asks, outcome);
        }
        endpoints.answered(&flow);
        flow.history.push(b'h');
        endpoints.answered(&flow);
        let reach = habits(&endpoints, 1, 80).reach;
        assert_eq!(reach.half_open, 1);
        assert_eq!((reach.answered, reach.refused, reach.unanswered), (1, 1, 1));
        assert_eq!(habits(&endpoints, 1, 80).knocks.answered, 2);
    }

    #[test]
    fn a_regular_knock_is_told_from_a_random_one() {
        let endpoints = Endpoints::new(&EndpointsConfig::default());
        for knock in 0..12 {
            ask(&endpoints, 1, end(9, 80), knock * 60 + knock % 2);
            ask(&endpoints, 1, end(9, 81), knock * knock * knock);
        }
        let knocks = |port| habits(&endpoints, 1, port).knocks;
        assert_eq!((knocks(80).attempts, knocks(80).regular), (12, true));
        assert_eq!(knocks(80).interval, Some(Duration::from_secs(60)));
        assert!(!knocks(81).regular);
        assert_eq!(knocks(82), Knocks::default());
    }

    #[test]
    fn strays_are_counted_apart() {
        let endpoints = Endpoints::new(&EndpointsConfig::default());
        let stray = |host, asks, bare| {
            let (transport, time) = (Transport::Tcp, Timestamp::from_parts(1, 0));
            let (originator, responder) = (end(1, 40_000), end(host, 80));
            endpoints.opened(&Opened { transport, originator, responder, time, asks, bare });
        };
        stray(9, false, true);
        stray(10, false, true);
        stray(11, false, false); // an answer is no attempt
        for outcome in [Outcome::Refused, Outcome::Midstream] {
            endpoints.ended(end(1, 0).addr, Manner::Strays, outcome);
        }
        assert_eq!(habits(&endpoints, 1, 80), Habits::default());
        let reach = endpoints.habits(end(1, 0).addr, Manner::Strays, Transport::Tcp, end(9, 80)).reach;
        assert_eq!((reach.hosts, reach.refused, reach.answered), (2, 1, 1));
    }

    #[test]
    fn wide_originators_do_not_seek_anyone() {
        let endpoints = Endpoints::new(&EndpointsConfig::default());
        for from in 1..=5 {
            ask(&endpoints, from, end(9, 80), 1);
        }
        for host in 1000..1100 {
            ask(&endpoints, 77, end(host, 80), 1);
        }
        ask(&endpoints, 77, end(9, 80), 1);
        assert_eq!(endpoints.sought(Transport::Tcp, end(9, 80)).originators, 5);
        assert_eq!(endpoints.sought(Transport::Udp, end(9, 80)).originators, 0);
    }

    #[test]
    fn full_maps_forget_what_came_first() {
        let config = EndpointsConfig { listeners_max: 100, originators_max: 100, ..Default::default() };
        let endpoints = Endpoints::new(&config);
        let mut flow = script::flow(Transport::Tcp, "0.0.0.1:40000", "0.0.0.9:80");
        for number in 0..150 {
            flow.responder = end(number, 80);
            endpoints.answered(&flow);
            ask(&endpoints, number, end(9, 80), 1);
        }
        let answers = |number| endpoints.listener(Transport::Tcp, end(number, 80)).map(|known| known.answers);
        assert_eq!((answers(49), answers(50), answers(149)), (None, Some(1), Some(1)));
        assert_eq!((endpoints.listeners.map.len(), endpoints.originators.map.len()), (100, 100));
    }
}
