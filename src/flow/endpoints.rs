//! What an endpoint did across flows: who answers, who probes how widely, who keeps asking where nothing
//! answers.
//!
//! Fed and asked by one thread in the order of the run. Everything has a configured bound, and
//! what came first is forgotten when it is full, so memory is bounded and what is forgotten does not depend
//! on hash order. Reach is kept twice: for the last five to ten minutes of packet time, and, since who is
//! patient probes once in a quarter of an hour, for the last six to twelve hours; each window in two halves.
//!
//! An originator that reaches widely (more than 14 hosts or ports in a half) does not count among those who
//! seek an endpoint: a scan seeks nobody in particular, and so it costs one look-up a flow instead of two
//! entries. Who answers and who is sought stand in one entry, since every verdict asks for both.

use std::net::IpAddr;

use super::distinct::{Distinct, even, even_addr};
use super::keyed::{Bounded, Expected, Key, Keyed};
use super::originator::Originator;
use super::{Flow, Habits, Known, Listener, Manner, Opened, Outcome, Sought};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Transport};

/// Bounds of what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointsConfig {
    /// Originators (addresses, by manner), about 250 bytes each, up to about 4 KB when they reach widely in
    /// both windows. Default 65,536.
    pub originators_max: usize,
    /// Endpoints that answered, about 90 bytes each. Default 262,144.
    pub listeners_max: usize,
    /// Endpoints that were sought, up to about 400 bytes each. Default 65,536.
    pub sought_max: usize,
}

impl Default for EndpointsConfig {
    fn default() -> Self {
        Self { originators_max: 1 << 16, listeners_max: 1 << 18, sought_max: 1 << 16 }
    }
}

/// What endpoints did across flows.
#[derive(Debug)]
pub struct Endpoints {
    originators: Keyed<Key, Originator>,
    /// Originators, in the order in which they first began something.
    began: Bounded,
    responders: Keyed<Key, Responder>,
    /// Those that answered, in the order in which they first did.
    listeners: Bounded,
    /// Those that were sought, likewise.
    sought: Bounded,
}

/// Both ends of a flow, on their way: see [`Endpoints::expect`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    originator: Expected,
    responder: Expected,
    /// The originator's end, as one that may have answered others.
    serving: Expected,
}

/// An endpoint that answered, was sought, or both; forgotten when it is neither any more.
#[derive(Debug)]
struct Responder {
    first: Timestamp,
    /// 0 when it is no listener.
    answers: u32,
    /// Empty when it is not sought.
    seekers: Distinct,
}

impl Default for Responder {
    fn default() -> Self {
        Self { first: Timestamp::MIN, answers: 0, seekers: Distinct::default() }
    }
}

impl Responder {
    fn listener(&self) -> Option<Listener> {
        (self.answers > 0).then_some(Listener { first: self.first, answers: self.answers })
    }

    const fn is_forgotten(&self) -> bool {
        self.answers == 0 && self.seekers.is_empty()
    }
}

impl Endpoints {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(config: &EndpointsConfig) -> Self {
        Self {
            originators: Keyed::default(),
            began: Bounded::new(config.originators_max),
            responders: Keyed::default(),
            listeners: Bounded::new(config.listeners_max),
            sought: Bounded::new(config.sought_max),
        }
    }

    /// A flow between these ends will be told of soon: brings in where the search for them begins. They are
    /// hashed once for this and [`Self::fetch`].
    #[inline]
    pub fn expect(&self, transport: Transport, originator: Endpoint, responder: Endpoint) -> Ends {
        if self.originators.are_few() && self.responders.are_few() {
            return Ends::default();
        }
        Ends {
            // How it begins is not known yet; nearly everybody asks.
            originator: self.originators.expect(asker(originator.addr, Manner::Asks)),
            responder: self.responders.expect(end(transport, responder)),
            serving: self.responders.expect(end(transport, originator)),
        }
    }

    /// The flow comes next: brings in what is known of its ends.
    #[inline]
    pub fn fetch(&self, ends: Ends) {
        self.originators.fetch(ends.originator);
        self.responders.fetch(ends.responder);
        self.responders.fetch(ends.serving);
    }

    /// A flow was opened. Answers, and what is already under way, are nobody's attempt.
    pub fn opened(&mut self, opened: &Opened) {
        let manner = match (opened.asks, opened.bare) {
            (true, _) => Manner::Asks,
            (false, true) => Manner::Strays,
            (false, false) => return,
        };
        let responder = opened.responder;
        let host = even_addr(responder.addr);
        let port = even(u64::from(responder.port) << 8 | opened.transport as u64);
        let originator = self.originator(asker(opened.originator.addr, manner));
        originator.attempt(opened, host, port);
        if !originator.is_wide() && opened.asks {
            self.seek(end(opened.transport, responder), opened.originator.addr);
        }
    }

    /// A flow has ended ([`Flow::attempt`]). That a request was answered is told by [`Self::answered`], which
    /// may be long before the end.
    pub fn ended(&mut self, originator: IpAddr, manner: Manner, outcome: Outcome) {
        let is_vain = matches!(outcome, Outcome::Refused | Outcome::Unanswered | Outcome::OneWay);
        if (is_vain || manner == Manner::Strays)
            && let Some(originator) = self.originators.get_mut(asker(originator, manner))
        {
            originator.ended(outcome);
        }
    }

    /// The responder of a flow answered: a SYN-ACK, or a datagram back. Once per flow.
    pub fn answered(&mut self, flow: &Flow) {
        let place = self.responder(end(flow.transport, flow.responder));
        let known = self.responders.at_mut(place);
        let is_new = known.answers == 0;
        if is_new {
            known.first = flow.start;
        }
        known.answers = known.answers.saturating_add(1);
        if is_new {
            if let Some(first) = self.listeners.make_room() {
                self.forget(first, |known| known.answers = 0);
                self.listeners.front().into_iter().for_each(|next| self.responders.doom(next));
            }
            self.listeners.push(place);
        }
        if flow.asked()
            && let Some(originator) = self.originators.get_mut(asker(flow.originator.addr, Manner::Asks))
        {
            originator.succeeded(flow);
        }
    }

    /// What is known of an endpoint's answers.
    #[must_use]
    pub fn listener(&self, transport: Transport, endpoint: Endpoint) -> Option<Listener> {
        if self.listeners.is_empty() {
            return None;
        }
        self.responders.get(end(transport, endpoint)).and_then(Responder::listener)
    }

    /// All that is known of both ends of a flow whose originator begins in this manner.
    #[must_use]
    pub fn known(
        &self,
        manner: Manner,
        transport: Transport,
        originator: Endpoint,
        responder: Endpoint,
    ) -> Known {
        let known = self.responders.get(end(transport, responder));
        let (listener, seekers) =
            known.map_or((None, 0), |known| (known.listener(), known.seekers.count_u32()));
        Known {
            habits: self.habits(originator.addr, manner, transport, responder),
            sought: Sought { originators: seekers },
            listener,
            originator_listener: self.listener(transport, originator),
        }
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
        let known = self.originators.get(asker(originator, manner));
        known.map_or_else(Habits::default, |known| known.habits(transport, responder))
    }

    fn seek(&mut self, key: Key, who: IpAddr) {
        let place = self.responder(key);
        let known = self.responders.at_mut(place);
        let is_new = known.seekers.is_empty();
        known.seekers.insert(even_addr(who));
        if is_new {
            if let Some(first) = self.sought.make_room() {
                self.forget(first, |known| known.seekers = Distinct::default());
                self.sought.front().into_iter().for_each(|next| self.responders.doom(next));
            }
            self.sought.push(place);
        }
    }

    fn originator(&mut self, key: Key) -> &mut Originator {
        let place = self.originators.place(key).unwrap_or_else(|| {
            if let Some(first) = self.began.make_room() {
                self.originators.remove(first);
                self.began.front().into_iter().for_each(|next| self.originators.doom(next));
            }
            let place = self.originators.insert(key);
            self.began.push(place);
            place
        });
        self.originators.at_mut(place)
    }

    /// Where what is known of an end stands, or will.
    fn responder(&mut self, key: Key) -> u32 {
        self.responders.place(key).unwrap_or_else(|| self.responders.insert(key))
    }

    /// Forgets one side of a responder, and the whole of it when nothing is left.
    fn forget(&mut self, place: u32, side: impl FnOnce(&mut Responder)) {
        let known = self.responders.at_mut(place);
        side(known);
        if known.is_forgotten() {
            self.responders.remove(place);
        }
    }
}

fn asker(addr: IpAddr, manner: Manner) -> Key {
    Key::new(addr, manner as u32)
}

fn end(transport: Transport, end: Endpoint) -> Key {
    Key::new(end.addr, u32::from(end.port) << 8 | transport as u32)
}

#[cfg(test)]
mod tests {
    use super::super::script;
    use super::super::{Knocks, Reach};
    use super::*;
    use std::time::Duration;

    fn end(addr: u32, port: u16) -> Endpoint {
        Endpoint::new(IpAddr::V4(addr.into()), port)
    }

    fn ask(endpoints: &mut Endpoints, from: u32, to: Endpoint, seconds: i64) {
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
        let mut endpoints = Endpoints::new(&EndpointsConfig::default());
        for host in 0..5 {
            ask(&mut endpoints, 1, end(100 + host, 80), 10);
            ask(&mut endpoints, 1, end(100 + host, 81), 290);
        }
        ask(&mut endpoints, 1, end(100, 82), 310);
        let reach = habits(&endpoints, 1, 80).reach;
        assert_eq!((reach.attempts, reach.hosts, reach.ports), (11, 5, 3));
        ask(&mut endpoints, 1, end(100, 83), 650);
        assert_eq!(habits(&endpoints, 1, 80).reach.attempts, 2);
        ask(&mut endpoints, 1, end(100, 83), 9_000);
        assert_eq!(habits(&endpoints, 1, 80).reach.attempts, 1);
        assert_eq!(habits(&endpoints, 2, 80).reach, Reach::default());
        let long = habits(&endpoints, 1, 80).long_reach;
        assert_eq!((long.attempts, long.hosts, long.ports), (13, 5, 4), "the long window forgets later");
        ask(&mut endpoints, 1, end(100, 83), 50_000);
        assert_eq!(habits(&endpoints, 1, 80).long_reach.attempts, 1);
    }

    #[test]
    fn outcomes_go_to_their_originator_and_target() {
        let mut endpoints = Endpoints::new(&EndpointsConfig::default());
        let mut flow = script::flow(Transport::Tcp, "0.0.0.1:40000", "0.0.0.9:80");
        flow.history.push(b'S');
        ask(&mut endpoints, 1, flow.responder, 1);
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
        let mut endpoints = Endpoints::new(&EndpointsConfig::default());
        for knock in 0..12 {
            ask(&mut endpoints, 1, end(9, 80), knock * 60 + knock % 2);
            ask(&mut endpoints, 1, end(9, 81), knock * knock * knock);
        }
        let knocks = |port| habits(&endpoints, 1, port).knocks;
        assert_eq!((knocks(80).attempts, knocks(80).regular), (12, true));
        assert_eq!(knocks(80).interval, Some(Duration::from_secs(60)));
        assert!(!knocks(81).regular);
        assert_eq!(knocks(82), Knocks::default());
    }

    #[test]
    fn strays_are_counted_apart() {
        let mut endpoints = Endpoints::new(&EndpointsConfig::default());
        let mut stray = |host, asks, bare| {
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
        let mut endpoints = Endpoints::new(&EndpointsConfig::default());
        for from in 1..=5 {
            ask(&mut endpoints, from, end(9, 80), 1);
        }
        for host in 1000..1100 {
            ask(&mut endpoints, 77, end(host, 80), 1);
        }
        ask(&mut endpoints, 77, end(9, 80), 1);
        let sought = |transport| endpoints.known(Manner::Asks, transport, end(1, 1), end(9, 80)).sought;
        assert_eq!(sought(Transport::Tcp).originators, 5);
        assert_eq!(sought(Transport::Udp).originators, 0);
    }

    #[test]
    fn full_maps_forget_what_came_first() {
        let config = EndpointsConfig { listeners_max: 100, originators_max: 100, ..Default::default() };
        let mut endpoints = Endpoints::new(&config);
        let mut flow = script::flow(Transport::Tcp, "0.0.0.1:40000", "0.0.0.9:80");
        for number in 0..150 {
            flow.responder = end(number, 80);
            endpoints.answered(&flow);
            ask(&mut endpoints, number, end(9, 80), 1);
        }
        let answers = |number| endpoints.listener(Transport::Tcp, end(number, 80)).map(|known| known.answers);
        assert_eq!((answers(49), answers(50), answers(149)), (None, Some(1), Some(1)));
        assert_eq!((endpoints.listeners.len(), endpoints.originators.len()), (100, 100));
    }
}
