//! What an endpoint did across flows: who answers, who probes how widely, who keeps asking where nothing
//! answers.
//!
//! Fed by one thread in the order of the run and asked from anywhere. Every map has a configured bound and
//! forgets the entry that came first when it is full, so memory is bounded and what is forgotten does not
//! depend on hash order. Reach is kept for the last five to ten minutes of packet time, in two halves.
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
use super::{Flow, Knocks, Listener, Opened, Outcome, Reach, Sought};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Transport};

/// Half the window of packet time in which reach is counted.
const HALF: Duration = Duration::from_secs(300);
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
    /// Originators (addresses), up to about 2.3 KB each. Default 65,536.
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
    originators: Bounded<IpAddr, Originator>,
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

    /// A flow was opened. Those that do not ask (answers, midstream) are nobody's attempt.
    pub fn opened(&self, opened: &Opened) {
        if !opened.asks {
            return;
        }
        let responder = opened.responder;
        let host = even_addr(responder.addr);
        let port = even(u64::from(responder.port) << 8 | opened.transport as u64);
        let wide = self.originators.with(opened.originator.addr, |originator| {
            originator.attempt(opened, host, port);
            originator.is_wide()
        });
        if !wide {
            let who = even_addr(opened.originator.addr);
            self.sought.with((opened.transport, responder), |set| set.insert(who));
        }
    }

    /// A flow is finished, and in vain. Who answered is told by [`Self::answered`], which may be long before
    /// the end.
    pub fn closed(&self, flow: &Flow, outcome: Outcome) {
        if flow.asked() {
            self.ended(flow.originator.addr, outcome);
        }
    }

    /// The same of a flow whose request was seen, in fewer words.
    pub fn ended(&self, originator: IpAddr, outcome: Outcome) {
        if matches!(outcome, Outcome::Refused | Outcome::Unanswered | Outcome::OneWay)
            && let Some(mut originator) = self.originators.map.get_mut(&originator)
        {
            originator.failed(outcome);
        }
    }

    /// The responder of a flow answered: a SYN-ACK, or a datagram back. Once per flow.
    pub fn answered(&self, flow: &Flow) {
        self.listeners.with((flow.transport, flow.responder), |listener| {
            let known = listener.get_or_insert(Listener { first: flow.start, answers: 0 });
            known.answers = known.answers.saturating_add(1);
        });
        if flow.asked()
            && let Some(mut originator) = self.originators.map.get_mut(&flow.originator.addr)
        {
            originator.succeeded(flow.transport, flow.responder);
        }
    }

    /// What is known of an endpoint's answers.
    #[must_use]
    pub fn listener(&self, transport: Transport, endpoint: Endpoint) -> Option<Listener> {
        self.listeners.map.get(&(transport, endpoint)).and_then(|known| *known)
    }

    /// How widely an originator asked lately.
    #[must_use]
    pub fn reach(&self, originator: IpAddr) -> Reach {
        self.originators.map.get(&originator).map_or_else(Reach::default, |known| known.reach())
    }

    /// How an originator asked one endpoint.
    #[must_use]
    pub fn knocks(&self, originator: IpAddr, transport: Transport, responder: Endpoint) -> Knocks {
        self.reach_and_knocks(originator, transport, responder).1
    }

    /// Both, for the price of one look-up.
    #[must_use]
    pub fn reach_and_knocks(
        &self,
        originator: IpAddr,
        transport: Transport,
        responder: Endpoint,
    ) -> (Reach, Knocks) {
        let Some(known) = self.originators.map.get(&originator) else { return Default::default() };
        (known.reach(), known.target(transport, responder).map_or_else(Knocks::default, Target::knocks))
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

/// One address that asks.
#[derive(Debug, Default)]
struct Originator {
    /// Number of the newer half since the epoch.
    half: i64,
    newer: Half,
    older: Half,
    /// Hosts and ports of both halves, while the older one has any. Kept up with every attempt because it is
    /// asked for with every verdict, and merging sketches costs more than one insertion.
    together: Option<Box<[Distinct; 2]>>,
    /// Last ones, in the order they were first asked.
    targets: VecDeque<Target>,
}

#[derive(Debug, Default)]
struct Half {
    attempts: u64,
    answered: u64,
    refused: u64,
    unanswered: u64,
    hosts: Distinct,
    ports: Distinct,
}

impl Originator {
    fn attempt(&mut self, opened: &Opened, host: u64, port: u64) {
        self.advance(opened.time);
        self.newer.attempts += 1;
        self.newer.hosts.insert(host);
        self.newer.ports.insert(port);
        if let Some(together) = &mut self.together {
            together[0].insert(host);
            together[1].insert(port);
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

    fn failed(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Refused => self.newer.refused += 1,
            Outcome::Unanswered | Outcome::OneWay => self.newer.unanswered += 1,
            _ => {}
        }
    }

    fn succeeded(&mut self, transport: Transport, responder: Endpoint) {
        self.newer.answered += 1;
        if let Some(target) = self.targets.iter_mut().find(|target| target.is(transport, responder)) {
            target.answered = target.answered.saturating_add(1);
        }
    }

    /// Moves the window on; a time before it counts in its newer half.
    fn advance(&mut self, time: Timestamp) {
        let half = time.as_seconds().div_euclid(HALF.as_secs().cast_signed());
        if half <= self.half && self.newer.attempts > 0 {
            return;
        }
        let last = std::mem::take(&mut self.newer);
        self.older = if half == self.half.saturating_add(1) { last } else { Half::default() };
        let had_any = self.older.attempts > 0;
        self.together = had_any.then(|| Box::new([self.older.hosts.clone(), self.older.ports.clone()]));
        self.half = half;
    }

    fn is_wide(&self) -> bool {
        !self.newer.hosts.is_exact() || !self.newer.ports.is_exact()
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
            refused: newer.refused + older.refused,
            unanswered: newer.unanswered + older.unanswered,
        }
    }

    fn target(&self, transport: Transport, responder: Endpoint) -> Option<&Target> {
        self.targets.iter().find(|target| target.is(transport, responder))
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
        });
    }

    #[test]
    fn reach_counts_hosts_and_ports_within_its_window() {
        let endpoints = Endpoints::new(&EndpointsConfig::default());
        for host in 0..5 {
            ask(&endpoints, 1, end(100 + host, 80), 10);
            ask(&endpoints, 1, end(100 + host, 81), 290);
        }
        ask(&endpoints, 1, end(100, 82), 310);
        let reach = endpoints.reach(end(1, 0).addr);
        assert_eq!((reach.attempts, reach.hosts, reach.ports), (11, 5, 3));
        ask(&endpoints, 1, end(100, 83), 650);
        assert_eq!(endpoints.reach(end(1, 0).addr).attempts, 2);
        ask(&endpoints, 1, end(100, 83), 9_000);
        assert_eq!(endpoints.reach(end(1, 0).addr).attempts, 1);
        assert_eq!(endpoints.reach(end(2, 0).addr), Reach::default());
    }

    #[test]
    fn outcomes_go_to_their_originator_and_target() {
        let endpoints = Endpoints::new(&EndpointsConfig::default());
        let mut flow = script::flow(Transport::Tcp, "0.0.0.1:40000", "0.0.0.9:80");
        flow.history.push(b'S');
        ask(&endpoints, 1, flow.responder, 1);
        for outcome in [Outcome::Refused, Outcome::Unanswered, Outcome::Established] {
            endpoints.closed(&flow, outcome);
        }
        endpoints.answered(&flow);
        let reach = endpoints.reach(flow.originator.addr);
        assert_eq!((reach.answered, reach.refused, reach.unanswered), (1, 1, 1));
        assert_eq!(endpoints.knocks(flow.originator.addr, Transport::Tcp, flow.responder).answered, 1);
    }

    #[test]
    fn a_regular_knock_is_told_from_a_random_one() {
        let endpoints = Endpoints::new(&EndpointsConfig::default());
        for knock in 0..12 {
            ask(&endpoints, 1, end(9, 80), knock * 60 + knock % 2);
            ask(&endpoints, 1, end(9, 81), knock * knock * knock);
        }
        let knocks = |port| endpoints.knocks(end(1, 0).addr, Transport::Tcp, end(9, port));
        assert_eq!((knocks(80).attempts, knocks(80).regular), (12, true));
        assert_eq!(knocks(80).interval, Some(Duration::from_secs(60)));
        assert!(!knocks(81).regular);
        assert_eq!(knocks(82), Knocks::default());
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
