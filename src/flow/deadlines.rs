//! When the flows of one timeout class end: a list in order of last use, and the few that come due next.
//!
//! Moving a flow to the back of its list on every packet would touch three records instead of one. So the
//! packet clock is cut into ticks of a sixteenth to an eighth of the timeout, and a flow moves only with its
//! first packet in a tick: with ticks of a second, moving was 15 % of a million flows at a million packets a
//! second. When a tick comes due, its flows (nearly all of which will end now) are put in order of their
//! exact deadlines.
//!
//! Invariants: the list is in order of ticks; where a flow stands depends on packets only, never on when
//! somebody asked what has expired; a tick is shorter than the timeout, so no flow of the running tick is
//! ever due.

use super::slab::{List, Slab};
use super::track::{Class, Track};
use crate::time::Timestamp;
use std::time::Duration;

/// A tick is this power of two shorter than the timeout, rounded down to one.
const TICKS_BITS: u32 = 3;
/// Records per block of a shard's slab.
pub(super) const TRACKS: usize = 64;

/// The flows of one class.
#[derive(Debug)]
pub(super) struct Deadlines {
    class: Class,
    list: List,
    timeout: Duration,
    tick_bits: u32,
    /// Flows of the oldest tick and their deadlines, the next one last. An entry counts only when its flow
    /// still has that deadline.
    due: Vec<(Timestamp, u32)>,
}

impl Deadlines {
    pub(super) fn new(class: Class, timeout: Duration) -> Self {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self {
            class,
            list: List::EMPTY,
            timeout,
            tick_bits: nanos.ilog2().saturating_sub(TICKS_BITS),
            due: Vec::new(),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// True when two times lie in one tick.
    #[inline]
    pub(super) fn same_tick(&self, a: Timestamp, b: Timestamp) -> bool {
        self.tick(a) == self.tick(b)
    }

    pub(super) fn push<N: Copy>(&mut self, tracks: &mut Slab<Track<N>, TRACKS>, at: u32) {
        self.list.push_back(tracks, at);
    }

    pub(super) fn unlink<N: Copy>(&mut self, tracks: &mut Slab<Track<N>, TRACKS>, at: u32) {
        self.list.unlink(tracks, at);
    }

    /// The flow that was not used for longest, to within a tick.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.list.front()
    }

    /// A flow whose deadline lies before `clock`, and that deadline. It must be unlinked before the next
    /// call.
    pub(super) fn next_due<N: Copy>(
        &mut self,
        tracks: &mut Slab<Track<N>, TRACKS>,
        clock: Timestamp,
    ) -> Option<(Timestamp, u32)> {
        loop {
            while let Some(&(deadline, at)) = self.due.last() {
                if deadline >= clock {
                    return None;
                }
                self.due.pop();
                let track = tracks.get(at);
                if track.class == self.class && track.active.after(self.timeout) == deadline {
                    return Some((deadline, at));
                }
            }
            if self.earliest(tracks).is_none_or(|earliest| earliest >= clock) {
                return None;
            }
            self.drain(tracks);
        }
    }

    /// The flow that most likely comes due after so many others.
    pub(super) fn soon(&self, others: usize) -> Option<u32> {
        self.due.len().checked_sub(others + 1).map(|last| self.due[last].1)
    }

    /// No flow of this class has a deadline before this.
    pub(super) fn earliest<N: Copy>(&self, tracks: &Slab<Track<N>, TRACKS>) -> Option<Timestamp> {
        if let Some(&(deadline, _)) = self.due.last() {
            return Some(deadline);
        }
        let front = tracks.get(self.list.front()?);
        let begin = Timestamp::from_nanos(self.tick(front.active) << self.tick_bits);
        Some(begin.after(self.timeout))
    }

    fn drain<N: Copy>(&mut self, tracks: &mut Slab<Track<N>, TRACKS>) {
        let mut next = self.list.front();
        let tick = next.map(|at| self.tick(tracks.get(at).active));
        while let Some(at) = next {
            let active = tracks.get(at).active;
            if Some(self.tick(active)) != tick {
                break;
            }
            self.due.push((active.after(self.timeout), at));
            next = List::behind(tracks, at);
        }
        self.due.sort_unstable_by(|a, b| b.cmp(a));
    }

    #[inline]
    fn tick(&self, time: Timestamp) -> i64 {
        time.as_nanos() >> self.tick_bits
    }
}
