//! Where strangers were told to meet, remembered for a while.
//!
//! A bounded table by packet clock: an announcement lives for a configured time after the packet that carried
//! it, the oldest goes first when the table is full, and saying it again makes it young.
//!
//! What the owner of a place says of it is not overwritten by what others say, while it lives.
//!
//! Shared: it is written hardly ever and may be asked from any thread (`DashMap`).
//!
//! Invariants: at most `entries_max` entries; what is evicted follows from the order of announcements, never
//! from hashes, so it is the same on every run.

use std::collections::VecDeque;
use std::time::Duration;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::meeting::{Announcement, Meeting};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Transport};

/// Announced meeting places by transport and endpoint.
#[derive(Debug)]
pub struct Announced {
    entries_max: usize,
    lifetime: Duration,
    entries: DashMap<(Transport, Endpoint), Entry, RandomState>,
    /// Keys in the order they were last announced, each with its turn; a key whose turn is not the entry's is
    /// stale.
    order: VecDeque<(u64, (Transport, Endpoint))>,
    turn: u64,
    evicted: u64,
}

/// One place. It was announced again and again from the first time to the latest, never a lifetime apart.
#[derive(Debug)]
struct Entry {
    turn: u64,
    first: Announcement,
    latest: Announcement,
}

impl Announced {
    /// An empty table of at most `entries_max` places (at least one), each remembered for `lifetime` of
    /// packet time.
    #[must_use]
    pub fn new(entries_max: usize, lifetime: Duration) -> Self {
        let entries_max = entries_max.max(1);
        let (entries, order) = (DashMap::default(), VecDeque::new());
        Self { entries_max, lifetime, entries, order, turn: 0, evicted: 0 }
    }

    /// Remembers a meeting that `frame` announced at `time`. A place announced before is overwritten, unless
    /// its owner announced it and this is somebody else.
    pub fn insert(&mut self, meeting: Meeting, frame: u64, time: Timestamp) {
        let key = (meeting.transport, Endpoint::new(meeting.addr, meeting.port));
        let known = self.entries.get(&key);
        let alive = known.filter(|known| time.since(known.latest.time) <= self.lifetime);
        if alive.as_ref().is_some_and(|alive| alive.latest.meeting.is_own()) && !meeting.is_own() {
            return;
        }
        let latest = Announcement { meeting, frame, time };
        let first = alive.as_ref().map_or_else(|| latest.clone(), |alive| alive.first.clone());
        drop(alive); // it is locked as long as it is looked at
        self.turn += 1;
        self.order.push_back((self.turn, key));
        let known = self.entries.insert(key, Entry { turn: self.turn, first, latest }).is_some();
        if !known && self.entries.len() > self.entries_max {
            self.evict();
        }
        if self.order.len() > 2 * self.entries_max + 16 {
            let entries = &self.entries;
            self.order.retain(|(turn, key)| entries.get(key).is_some_and(|entry| entry.turn == *turn));
        }
    }

    /// The latest announcement of this endpoint, unless it is older than the lifetime at `now`. When that
    /// came after `now`, the first of those that led up to it: nobody follows directions not given yet.
    #[must_use]
    pub fn on(&self, transport: Transport, endpoint: Endpoint, now: Timestamp) -> Option<Announcement> {
        // Asked for every flow, and most captures have none.
        if self.order.is_empty() {
            return None;
        }
        let known = self.entries.get(&(transport, endpoint))?;
        let Entry { first, latest, .. } = known.value();
        if latest.time <= now {
            (now.since(latest.time) <= self.lifetime).then(|| latest.clone())
        } else {
            (first.time <= now).then(|| first.clone())
        }
    }

    /// Places remembered now, expired ones that nobody asked for included; never more than the configured
    /// maximum.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Announcements forgotten because the table was full.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Forgets the place that was announced longest ago.
    fn evict(&mut self) {
        while let Some((turn, key)) = self.order.pop_front() {
            if self.entries.get(&key).is_some_and(|entry| entry.turn == turn) {
                self.entries.remove(&key);
                self.evicted += 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting(port: u16) -> Meeting {
        let addr = "10.0.0.2".parse().unwrap();
        let (by, what) = ("ftp-pasv", String::new());
        Meeting { transport: Transport::Tcp, addr, port, said_by: addr, by, what }
    }

    fn place(port: u16) -> Endpoint {
        Endpoint::new("10.0.0.2".parse().unwrap(), port)
    }

    #[test]
    fn remembers_for_its_lifetime_and_by_transport() {
        let mut table = Announced::new(8, Duration::from_secs(60));
        table.insert(meeting(3007), 5, Timestamp::from_parts(100, 0));
        let at = |transport, seconds| {
            table.on(transport, place(3007), Timestamp::from_parts(seconds, 0)).map(|a| a.frame)
        };
        assert_eq!((at(Transport::Tcp, 100), at(Transport::Tcp, 160)), (Some(5), Some(5)));
        assert_eq!((at(Transport::Tcp, 161), at(Transport::Udp, 100)), (None, None));
    }

    #[test]
    fn the_oldest_goes_first_and_repeating_makes_young() {
        let mut table = Announced::new(2, Duration::from_secs(60));
        for (frame, port) in [(1, 1), (2, 2), (3, 1), (4, 3)] {
            table.insert(meeting(port), frame, Timestamp::from_parts(0, 0));
        }
        let known = |port| table.on(Transport::Tcp, place(port), Timestamp::from_parts(0, 0)).is_some();
        assert_eq!((known(1), known(2), known(3)), (true, false, true));
        assert_eq!((table.len(), table.evicted()), (2, 1));
    }

    #[test]
    fn nothing_is_explained_by_what_was_said_later() {
        let mut table = Announced::new(8, Duration::from_secs(60));
        for (frame, seconds, before) in
            [(1, 10, Some(1)), (2, 60, Some(1)), (3, 110, Some(1)), (4, 300, None)]
        {
            table.insert(meeting(7), frame, Timestamp::from_parts(seconds, 0));
            let at = |now| table.on(Transport::Tcp, place(7), Timestamp::from_parts(now, 0)).map(|a| a.frame);
            assert_eq!((at(9), at(50)), (None, before));
            assert_eq!(at(seconds), Some(frame));
        }
    }

    #[test]
    fn others_do_not_overwrite_the_owner() {
        let mut table = Announced::new(8, Duration::from_secs(60));
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        let hearsay = Meeting { said_by: "10.0.0.9".parse().unwrap(), ..meeting(7) };
        for (frame, meeting, seconds) in [(1, &hearsay, 0), (2, &meeting(7), 1), (3, &hearsay, 2)] {
            table.insert(meeting.clone(), frame, at(seconds));
        }
        let frame = |table: &Announced, seconds| {
            table.on(Transport::Tcp, place(7), at(seconds)).map(|known| known.frame)
        };
        assert_eq!(frame(&table, 2), Some(2));
        table.insert(hearsay, 4, at(100));
        assert_eq!(frame(&table, 100), Some(4), "what the owner said is too old");
    }

    #[test]
    fn memory_is_bounded_whatever_is_said() {
        let mut table = Announced::new(4, Duration::from_secs(60));
        for frame in 0..10_000_u64 {
            let port = u16::try_from(frame * 7919 % 60_000 + 1).unwrap();
            table.insert(meeting(if frame % 3 == 0 { 7 } else { port }), frame, Timestamp::from_parts(0, 0));
            assert!(table.len() <= 4 && table.order.len() <= 24);
        }
    }
}
