//! The flow table of one worker: its shards, and the burst shape.
//!
//! A slice of packets is taken in strides of 32: all keys are hashed and their index slots asked for, then
//! the records these lead to, then the packets are folded. So 32 cache misses are waited for together instead
//! of one by one.

use super::config::{Config, Counters};
use super::key::{Hasher, Key};
use super::prefetch::prefetch;
use super::shard::{Arrival, Shard};
use super::slab::NIL;
use super::{Ears, Event, Order, SHARDS, Told};
use crate::time::Timestamp;
use crate::wire::Packet;
use arrayvec::ArrayVec;

/// Packets looked ahead. Twice as many gain nothing measurable and push the first lines out of the nearest
/// cache.
const STRIDE: usize = 32;
/// Packets looked ahead for what was kept of their sender's payload, to which only the record leads.
const HEADS_AHEAD: usize = 4;

/// Names a flow that lives, until anything happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Living {
    /// Number of the frame that carried its first packet.
    pub frame: u64,
    shard: u16,
    place: u32,
}

/// The flows of one worker.
#[derive(Debug)]
pub struct Table<N> {
    hasher: Hasher,
    /// Where each shard of the run lies in `shards`; nowhere when it is another worker's. Looked up for every
    /// packet, where dividing by the number of workers took longer than hashing.
    places: [Option<u8>; SHARDS],
    /// Shard `s` of the run is here when `s % workers == worker`, in order.
    shards: Vec<Shard<N>>,
    /// The input has.
    has_ended: bool,
}

impl<N: Copy + Default> Table<N> {
    /// The table of worker `worker`, from 0, of `workers`. It owns the shards `s` with `s % workers ==
    /// worker`.
    #[must_use]
    pub fn new(config: &Config, worker: usize, workers: usize) -> Self {
        let (hasher, mut shards) = (Hasher::random(), Vec::new());
        let mut places = [None; SHARDS];
        let own = (worker..SHARDS).step_by(workers.max(1));
        for (shard, place) in own.zip(0..) {
            places[shard] = Some(place);
            shards.push(Shard::new(config, hasher));
        }
        Self { hasher, places, shards, has_ended: false }
    }

    /// Folds packets in and pushes what happens. Packets of shards it does not own are passed over. Flows
    /// that are due are shown to `ears` at once.
    pub fn update<D: Default>(
        &mut self,
        packets: &[Packet<'_>],
        ears: &mut impl Ears<N>,
        out: &mut Told<N, D>,
    ) {
        debug_assert!(!self.has_ended || packets.is_empty());
        for stride in packets.chunks(STRIDE) {
            let mut arrivals = ArrayVec::<(usize, Arrival<'_, '_>), STRIDE>::new();
            for packet in stride {
                let (key, sender) = Key::of(packet.transport, packet.src, packet.dst);
                let Some(shard) = self.own(&key) else { continue };
                let tag = self.hasher.tag(&key);
                prefetch(self.shards[shard].index_address(tag));
                arrivals.push((shard, Arrival { packet, key, sender, tag, guess: NIL }));
            }
            for (shard, arrival) in &mut arrivals {
                arrival.guess = self.shards[*shard].guess(arrival);
            }
            for (at, (shard, arrival)) in arrivals.iter().enumerate() {
                if let Some((shard, soon)) = arrivals.get(at + HEADS_AHEAD) {
                    self.shards[*shard].prefetch_head(soon);
                }
                self.shards[*shard].fold(arrival, ears, out);
            }
        }
    }

    /// Ends every flow whose deadline lies before `clock`, which must not be later than the clock of any
    /// packet still to come. May be called as often or as seldom as one likes: the events and their places
    /// are the same.
    pub fn expire<D: Default>(&mut self, clock: Timestamp, out: &mut Told<N, D>) {
        if self.has_ended {
            return;
        }
        for shard in &mut self.shards {
            shard.expire(clock, out);
        }
    }

    /// Ends every flow: those whose deadline lies before `clock` by timeout, the others because the input
    /// ended. All at once: [`Self::living`] and [`Self::end`] do it in pieces.
    pub fn finish<D: Default>(&mut self, clock: Timestamp, out: &mut Told<N, D>) {
        self.expire(clock, out);
        let living = self.living();
        self.end(&living, clock, out);
    }

    /// The flows that live, by their first frame; none once they have been ended.
    pub fn living(&mut self) -> Vec<Living> {
        if self.has_ended {
            return Vec::new();
        }
        let open = usize::try_from(self.counters().open).unwrap_or(0);
        let mut living = Vec::with_capacity(open);
        for (shard, number) in self.shards.iter_mut().zip(0..) {
            shard.living(|frame, place| living.push(Living { frame, shard: number, place }));
        }
        // Stable, because that sees that each shard's half-open flows come in order, as those of a scan do.
        living.sort_by_key(|one| one.frame);
        living
    }

    /// Tells what the attempts of living flows would come to if the input ended now; nothing for those that
    /// are no attempt ([`super::Flow::attempt`]) or were answered.
    pub fn attempts<D>(&self, living: &[Living], clock: Timestamp, out: &mut Told<N, D>) {
        for (at, one) in living.iter().enumerate() {
            self.prefetch(living.get(at + STRIDE / 2));
            let attempt = self.shards[usize::from(one.shard)].attempt(one.place);
            let order = Order { clock, rank: Order::END, frame: one.frame, layer: 0 };
            out.extend(
                attempt.map(|(originator, manner, what)| (order, Event::Ended(originator, manner, what))),
            );
        }
    }

    /// Brings in the record of a flow that is wanted soon.
    fn prefetch(&self, soon: Option<&Living>) {
        if let Some(soon) = soon {
            self.shards[usize::from(soon.shard)].prefetch_whole(soon.place);
        }
    }

    /// Ends flows because the input ended. They must still live, and no packets may come after that.
    pub fn end<D: Default>(&mut self, living: &[Living], clock: Timestamp, out: &mut Told<N, D>) {
        self.has_ended = true;
        for (at, one) in living.iter().enumerate() {
            self.prefetch(living.get(at + STRIDE));
            self.shards[usize::from(one.shard)].end(one.place, clock, out);
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for shard in &self.shards {
            sum.add(&shard.counters());
        }
        sum
    }

    /// Where the shard of this key lies, if it is ours.
    #[inline]
    fn own(&self, key: &Key) -> Option<usize> {
        self.places.get(key.shard()).copied().flatten().map(usize::from)
    }
}
