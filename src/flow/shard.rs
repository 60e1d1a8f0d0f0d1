//! One shard: its flows, and what packets and time do to them.
//!
//! Before a packet is folded in, every flow of the shard whose deadline lies before the packet clock is
//! ended. So the state a packet meets depends on the packets before it only, not on how often
//! [`Shard::expire`] was called or on which other shards the worker owns; with it the events, evictions and
//! pools are the same for any number of workers.
//!
//! Invariants: flows, heads and ICMP notes stay within their bounds; `next_due` is never later than the
//! earliest deadline; a place with the top bit set names an embryo, others a full record.

use super::birth::{Embryo, Profile, Profiles};
use super::config::{Config, Counters};
use super::deadlines::{Deadlines, TRACKS};
use super::head::Beginning;
use super::heads::{Goes, Grown, Heads, payload_seq};
use super::key::{End, Hasher, Key};
use super::slab::{List, NIL, Slab};
use super::track::{Class, Hearing, Track, icmp_note, refuses_or_none};
use super::{Ears, EndReason, Event, Flow, IcmpNote, Keep, Opened, Order, Said, Told, tcp};
use super::{HEARINGS_MAX, SAID_MAX, SHARDS};
use crate::time::Timestamp;
use crate::wire::{Packet, Role, Transport};

mod ending;

const EMBRYO: u32 = 1 << 31;
/// Payload packets after which a flow is heard (again).
const HEAR_EVERY: u8 = 4;

/// A packet on its way into its shard.
pub(super) struct Arrival<'p, 'a> {
    pub(super) packet: &'p Packet<'a>,
    pub(super) key: Key,
    pub(super) sender: End,
    pub(super) tag: u32,
    /// Where its flow most likely lies, or `NIL`.
    pub(super) guess: u32,
}

#[derive(Debug)]
pub(super) struct Shard<N> {
    hasher: Hasher,
    index: super::index::Index,
    embryos: Slab<Embryo, 128>,
    tracks: Slab<Track<N>, TRACKS>,
    heads: Heads,
    icmp: Slab<IcmpNote, 16>,
    profiles: Profiles,
    /// Embryos, oldest first: in exact order of their deadlines.
    young: List,
    classes: [Deadlines; Class::LISTED.len()],
    next_due: Timestamp,
    clock: Timestamp,
    flows_max: usize,
    counters: Counters,
}

impl<N: Copy + Default> Shard<N> {
    pub(super) fn new(config: &Config, hasher: Hasher) -> Self {
        let times = config.timeouts;
        let timeout = |class| match class {
            Class::UdpOneWay => times.udp_one_way,
            Class::Established => times.tcp_established,
            Class::Closed => times.tcp_closed,
            Class::UdpTwoWay => times.udp_two_way,
            Class::Sctp => times.sctp,
            Class::Opening | Class::Gone => times.tcp_opening,
        };
        Self {
            hasher,
            index: super::index::Index::new(),
            embryos: Slab::new(),
            tracks: Slab::new(),
            heads: Heads::new(config.heads_max.div_ceil(SHARDS)),
            icmp: Slab::new(),
            profiles: Profiles::new(),
            young: List::EMPTY,
            classes: Class::LISTED.map(|class| Deadlines::new(class, timeout(class))),
            next_due: Timestamp::MAX,
            clock: Timestamp::MIN,
            flows_max: config.flows_max.div_ceil(SHARDS).max(1),
            counters: Counters::default(),
        }
    }

    pub(super) fn counters(&self) -> Counters {
        let (half_open, full) = (self.embryos.live() as u64, self.tracks.live() as u64);
        Counters { open: half_open + full, half_open, ..self.counters }
    }

    /// Where the search for a tag begins, for prefetching.
    #[inline]
    pub(super) fn index_address(&self, tag: u32) -> *const u8 {
        self.index.address(tag)
    }

    /// The tag of a living flow.
    pub(super) fn tag(&self, place: u32) -> u32 {
        let key = if place & EMBRYO != 0 {
            self.embryos.get(place & !EMBRYO).key()
        } else {
            self.tracks.get(place).key
        };
        self.hasher.tag(&key)
    }

    /// Brings in the record a packet's tag most likely leads to, and says where it lies; `NIL` when there is
    /// none.
    #[inline]
    pub(super) fn guess(&self, arrival: &Arrival<'_, '_>) -> u32 {
        let Some(place) = self.index.guess(arrival.tag) else { return NIL };
        self.prefetch_record(place, !arrival.packet.payload.is_empty());
        place
    }

    /// Brings in a record: two lines, and all three where there is payload or the flow ends. Asking for the
    /// third every time made everything slower.
    #[inline]
    fn prefetch_record(&self, place: u32, whole: bool) {
        if place & EMBRYO != 0 {
            return super::prefetch::prefetch(self.embryos.address(place & !EMBRYO));
        }
        let address = self.tracks.address(place).cast::<u8>();
        super::prefetch::prefetch(address);
        super::prefetch::prefetch(address.wrapping_add(64));
        if whole {
            super::prefetch::prefetch(address.wrapping_add(128));
        }
    }

    /// Brings in what was kept of the sender's payload, when it goes on.
    #[inline]
    pub(super) fn prefetch_head(&self, arrival: &Arrival<'_, '_>) {
        if arrival.packet.payload.is_empty() || arrival.guess & EMBRYO != 0 {
            return;
        }
        let track = self.tracks.get(arrival.guess);
        let head = track.head(arrival.sender);
        if track.hearing() == Hearing::Open && head != NIL {
            self.heads.prefetch(head);
        }
    }

    /// Folds one packet in.
    pub(super) fn fold<D: Default>(
        &mut self,
        arrival: &Arrival<'_, '_>,
        ears: &mut impl Ears<N>,
        out: &mut Told<N, D>,
    ) {
        self.clock = self.clock.max(arrival.packet.clock);
        if self.clock > self.next_due {
            self.expire(self.clock, out);
        }
        let Some(at) = self.guessed(arrival).or_else(|| self.locate(arrival)) else {
            return self.open(arrival, ears, out);
        };
        if tcp::begins_anew(self.tracks.get(at), arrival.sender, arrival.packet, self.clock) {
            self.counters.reused += 1;
            self.close(at, EndReason::TcpReuse, self.order_of(arrival.packet), out);
            return self.open(arrival, ears, out);
        }
        let is_icmp = matches!(arrival.packet.role, Role::IcmpError { .. });
        let was = self.tracks.get_mut(at).activate(self.clock, !is_icmp);
        if is_icmp {
            self.note_icmp(at, arrival.packet);
        } else {
            self.follow(at, arrival, ears, out);
        }
        self.touch(at, was);
    }

    /// Ends every flow whose deadline lies before `clock`.
    pub(super) fn expire<D: Default>(&mut self, clock: Timestamp, out: &mut Told<N, D>) {
        if clock <= self.next_due {
            return;
        }
        let opening = self.classes[Class::Opening as usize].timeout();
        while let Some(at) = self.young.front() {
            let deadline = self.embryos.get(at).time.after(opening);
            if deadline >= clock {
                break;
            }
            let embryo = *self.embryos.get(at);
            let order = Order::due(deadline, embryo.frame(), self.profiles.get(embryo.profile()).layer);
            self.counters.timed_out += 1;
            self.close_embryo(at, EndReason::Timeout, order, out);
        }
        for class in 0..self.classes.len() {
            while let Some((deadline, at)) = self.classes[class].next_due(&mut self.tracks, clock) {
                self.look_ahead(class);
                let track = self.tracks.get(at);
                let order = Order::due(deadline, track.frame, self.profiles.get(track.profile).layer);
                self.counters.timed_out += 1;
                self.close(at, EndReason::Timeout, order, out);
            }
        }
        let young = self.young.front().map(|at| self.embryos.get(at).time.after(opening));
        let others = self.classes.iter().filter_map(|class| class.earliest(&self.tracks));
        self.next_due = others.chain(young).min().unwrap_or(Timestamp::MAX);
    }

    /// Brings in the flow that comes due after the next one, and what the next one's record leads to.
    fn look_ahead(&self, class: usize) {
        let [next, second] = [0, 1].map(|turn| self.classes[class].soon(turn));
        second.into_iter().for_each(|at| self.prefetch_whole(at));
        if let Some(at) = next {
            let track = self.tracks.get(at);
            super::prefetch::prefetch(self.index.address(self.hasher.tag(&track.key)));
            track.heads().into_iter().for_each(|head| self.heads.prefetch(head));
        }
    }

    /// The full record of this packet's flow, when it lies where it was guessed to be: no second search. What
    /// happened since the guess does not matter: no two living flows have one key.
    #[inline]
    fn guessed(&self, arrival: &Arrival<'_, '_>) -> Option<u32> {
        if arrival.guess & EMBRYO != 0 {
            return None; // `NIL`, too
        }
        let track = self.tracks.get(arrival.guess);
        (track.key == arrival.key && track.class != Class::Gone).then_some(arrival.guess)
    }

    /// The full record of this packet's flow. An embryo grows into one.
    fn locate(&mut self, arrival: &Arrival<'_, '_>) -> Option<u32> {
        let (embryos, tracks) = (&self.embryos, &self.tracks);
        let place = self.index.find(arrival.tag, |place| {
            if place & EMBRYO != 0 {
                embryos.get(place & !EMBRYO).key() == arrival.key
            } else {
                tracks.get(place).key == arrival.key
            }
        })?;
        if place & EMBRYO == 0 {
            return Some(place);
        }
        let young = place & !EMBRYO;
        let embryo = *self.embryos.get(young);
        self.young.unlink(&mut self.embryos, young);
        self.embryos.remove(young);
        let at = self.tracks.insert(Track::grown(&embryo, self.profiles.get(embryo.profile())));
        self.index.replace(arrival.tag, place, at);
        self.classes[Class::Opening as usize].push(&mut self.tracks, at);
        // It stands at the back with an old time for a moment; `touch` moves it at the end of this very
        // packet.
        Some(at)
    }

    /// Begins a flow with this packet.
    fn open<D: Default>(&mut self, arrival: &Arrival<'_, '_>, ears: &mut impl Ears<N>, out: &mut Told<N, D>) {
        let packet = arrival.packet;
        if !refuses_or_none(packet) {
            self.counters.icmp_unmatched += 1;
            return;
        }
        if self.embryos.live() + self.tracks.live() >= self.flows_max {
            self.evict(self.order_of(packet), out);
        }
        self.counters.opened += 1;
        out.push((self.order_of(packet), Event::Opened(Opened::by(packet))));
        if Embryo::fits(packet, self.clock) && self.open_embryo(arrival) {
            return;
        }
        let profile = self.profiles.take(&Profile::of(packet));
        let at = self.tracks.insert(Track::new(arrival.key, arrival.sender, packet, self.clock, profile));
        self.index.insert(arrival.tag, at);
        if matches!(packet.role, Role::IcmpError { .. }) {
            self.note_icmp(at, packet);
        } else {
            self.follow(at, arrival, ears, out);
        }
        let class = self.tracks.get(at).classify();
        self.tracks.get_mut(at).class = class;
        self.enlist(at, class);
    }

    fn open_embryo(&mut self, arrival: &Arrival<'_, '_>) -> bool {
        let profile = self.profiles.take(&Profile::of_embryo(arrival.packet));
        let Ok(small) = u16::try_from(profile) else {
            self.profiles.release(profile);
            return false;
        };
        let at = self.embryos.insert(Embryo::new(&arrival.key, arrival.sender, arrival.packet, small));
        self.young.push_back(&mut self.embryos, at);
        self.index.insert(arrival.tag, at | EMBRYO);
        let deadline = self.clock.after(self.classes[Class::Opening as usize].timeout());
        self.next_due = self.next_due.min(deadline);
        true
    }

    /// Counts a packet, keeps what is wanted of its payload, and asks when the flow is due.
    fn follow<D: Default>(
        &mut self,
        at: u32,
        arrival: &Arrival<'_, '_>,
        ears: &mut impl Ears<N>,
        out: &mut Told<N, D>,
    ) {
        let (packet, sender) = (arrival.packet, arrival.sender);
        let track = self.tracks.get_mut(at);
        // Read before the packet moves it on: a later fragment's bytes belong there.
        let expected = track.next[sender];
        track.count(sender, packet);
        if packet.payload.is_empty() {
            return;
        }
        match track.hearing() {
            Hearing::Done => {}
            Hearing::Tapped => {
                let note = track.note;
                if ears.wants(note, packet.payload) {
                    self.say(at, arrival, note, out);
                }
            }
            Hearing::Open => {
                if packet.transport == Transport::Udp
                    && let Some(note) = ears.overhear(packet.payload)
                {
                    self.say(at, arrival, note, out);
                }
                let (first, rest) = self.keep_head(at, arrival, expected);
                if self.is_due(at, sender, first) {
                    self.hear(at, arrival, rest, ears, out);
                }
            }
        }
    }

    /// Adds payload to the sender's head: whether it is the first of that side, and how it would go on.
    fn keep_head(&mut self, at: u32, arrival: &Arrival<'_, '_>, expected: u32) -> (bool, Goes) {
        let (packet, sender) = (arrival.packet, arrival.sender);
        let is_tcp = packet.transport == Transport::Tcp;
        let fragment = match packet.role {
            Role::LaterFragment { contiguous } => Some(contiguous),
            _ => None,
        };
        let track = self.tracks.get_mut(at);
        track.since = track.since.saturating_add(1);
        let first = track.head(sender) == NIL;
        // What was heard said nothing: a later datagram may. (A stream goes on where it was.)
        let again = !is_tcp && fragment.is_none() && (1..HEARINGS_MAX).contains(&track.heard);
        if first {
            let Some(head) = self.heads.insert(beginning(track, arrival)) else {
                self.counters.heads_refused += 1;
                if track.head(1 - sender) == NIL {
                    track.set_hearing(Hearing::Done);
                }
                return (false, Goes::Nowhere);
            };
            track.set_head(sender, head);
            track.set_datagram_open(sender, true);
        } else if fragment.is_none() {
            track.set_datagram_open(sender, again);
        }
        let (open, head) = (track.datagram_is_open(sender), track.head(sender));
        if again && !self.heads.is_long(head) {
            self.heads.forget(head);
        }
        let goes = match fragment {
            Some(false) => Goes::Nowhere,
            Some(true) if is_tcp => Goes::At(expected),
            Some(true) if open => Goes::Behind(0),
            Some(true) => Goes::Nowhere,
            None if is_tcp => Goes::At(payload_seq(packet)),
            None if first || again || self.heads.is_long(head) => Goes::Behind(0),
            None => Goes::Nowhere,
        };
        (first, self.heads.put(head, packet.payload, goes))
    }

    /// Due: the second side spoke for the first time, four more payload packets came, or a side without an
    /// answer has filled its head.
    fn is_due(&self, at: u32, sender: End, first: bool) -> bool {
        let track = self.tracks.get(at);
        let [mine, other] = [track.head(sender), track.head(1 - sender)];
        if track.heard >= HEARINGS_MAX || mine == NIL && other == NIL {
            return false;
        }
        let full = track.heard == 0 && mine != NIL && other == NIL && self.heads.is_full(mine);
        first && other != NIL || track.since >= HEAR_EVERY || full
    }

    /// Asks what the flow is. Whoever wants more is asked again at once, as the packet at hand may hold it.
    fn hear<D: Default>(
        &mut self,
        at: u32,
        arrival: &Arrival<'_, '_>,
        rest: Goes,
        ears: &mut impl Ears<N>,
        out: &mut Told<N, D>,
    ) {
        let mut flow = out.flow(|flow| self.tell(at, flow, None));
        let (mut note, mut keep) = ears.hear(&flow);
        if let Keep::More(len) = keep {
            match self.lengthen(at, arrival, rest, len) {
                Grown::Longer => {
                    self.tell(at, &mut flow, None);
                    (note, keep) = ears.hear(&flow);
                }
                Grown::Enough => {}
                Grown::Refused => keep = Keep::Release,
            }
        }
        let track = self.tracks.get_mut(at);
        (track.note, track.since) = (note, 0);
        track.heard += 1;
        let hearing = match keep {
            Keep::More(_) if track.heard >= HEARINGS_MAX => Hearing::Done,
            Keep::Listen | Keep::More(_) => Hearing::Open,
            Keep::Release => Hearing::Done,
            Keep::Tap => Hearing::Tapped,
        };
        track.set_hearing(hearing);
        if hearing != Hearing::Open {
            self.release_heads(at);
        }
        out.push((self.order_of(arrival.packet), Event::Heard(flow, note, D::default())));
    }

    /// Lets the full heads of a flow grow, and takes in what the packet at hand has for them.
    fn lengthen(&mut self, at: u32, arrival: &Arrival<'_, '_>, rest: Goes, len: usize) -> Grown {
        let heads = self.tracks.get(at).heads();
        let mut all = Grown::Enough;
        for (end, head) in heads.into_iter().enumerate().filter(|(_, head)| *head != NIL) {
            match self.heads.grow(head, len) {
                Grown::Enough => {}
                Grown::Refused => {
                    self.counters.heads_refused += 1;
                    return Grown::Refused;
                }
                Grown::Longer => {
                    all = Grown::Longer;
                    if end == arrival.sender {
                        self.heads.put(head, arrival.packet.payload, rest);
                    }
                }
            }
        }
        all
    }

    fn say<D: Default>(&mut self, at: u32, arrival: &Arrival<'_, '_>, note: N, out: &mut Told<N, D>) {
        let track = self.tracks.get_mut(at);
        if track.said >= SAID_MAX {
            self.counters.said_dropped += 1;
            return;
        }
        track.said += 1;
        let packet = arrival.packet;
        let bytes = &packet.payload[..packet.payload.len().min(Said::<N>::BYTES_MAX)];
        let said = Said {
            note,
            transport: packet.transport,
            speaker: packet.src,
            listener: packet.dst,
            from_originator: arrival.sender == track.originator(),
            frame: packet.frame,
            time: packet.time,
            bytes: bytes.into(),
        };
        out.push((self.order_of(packet), Event::Said(Box::new(said))));
    }

    /// The first error that refuses wins over those that do not, and otherwise the first one.
    fn note_icmp(&mut self, at: u32, packet: &Packet<'_>) {
        let Some(note) = icmp_note(packet) else { return };
        let track = self.tracks.get_mut(at);
        if track.icmp == NIL {
            track.icmp = self.icmp.insert(note);
        } else if note.refuses() && !self.icmp.get(track.icmp).refuses() {
            *self.icmp.get_mut(track.icmp) = note;
        }
    }

    /// The flow was used now, and before at `last`: moves it to where it belongs.
    fn touch(&mut self, at: u32, last: Timestamp) {
        let track = self.tracks.get_mut(at);
        let class = track.classify();
        let stays = class == track.class && self.classes[class as usize].same_tick(last, self.clock);
        let was = std::mem::replace(&mut track.class, class);
        // A flow that grew from an embryo just now is in the right tick or is moved here.
        if !stays {
            self.classes[was as usize].unlink(&mut self.tracks, at);
            self.enlist(at, class);
        }
    }

    fn enlist(&mut self, at: u32, class: Class) {
        let deadlines = &mut self.classes[class as usize];
        deadlines.push(&mut self.tracks, at);
        self.next_due = self.next_due.min(self.clock.after(deadlines.timeout()));
    }

    /// Makes room: the oldest flow that nobody answered, or else the one not used for longest.
    fn evict<D: Default>(&mut self, order: Order, out: &mut Told<N, D>) {
        let oldest = |shard: &Self, unanswered: bool| {
            let fronts = Class::LISTED.into_iter().filter(|class| class.is_unanswered() == unanswered);
            let fronts = fronts.filter_map(|class| shard.classes[class as usize].oldest());
            fronts.map(|at| (shard.tracks.get(at).active, shard.tracks.get(at).frame, at)).min()
        };
        let young =
            self.young.front().map(|at| (self.embryos.get(at).time, self.embryos.get(at).frame(), at));
        let unanswered = oldest(self, true);
        if let Some(first) = young
            && unanswered.is_none_or(|other| (first.0, first.1) <= (other.0, other.1))
        {
            self.counters.evicted_half_open += 1;
            self.close_embryo(first.2, EndReason::Forced, order, out);
            // In a scan the next one goes with this shard's next packet: its line of the index takes that
            // long.
            if let Some(next) = self.young.front() {
                super::prefetch::prefetch(self.index.address(self.tag(next | EMBRYO)));
            }
        } else if let Some((.., at)) = unanswered {
            self.counters.evicted_half_open += 1;
            self.close(at, EndReason::Forced, order, out);
        } else if let Some((.., at)) = oldest(self, false) {
            self.counters.evicted_other += 1;
            self.close(at, EndReason::Forced, order, out);
        }
    }

    fn close<D: Default>(&mut self, at: u32, reason: EndReason, order: Order, out: &mut Told<N, D>) {
        let flow = out.flow(|flow| self.tell(at, flow, Some(reason)));
        self.release_heads(at);
        let track = self.tracks.get_mut(at);
        let class = std::mem::replace(&mut track.class, Class::Gone);
        let (note, key, profile, icmp) = (track.note, track.key, track.profile, track.icmp);
        self.classes[class as usize].unlink(&mut self.tracks, at);
        self.tracks.remove(at);
        if icmp != NIL {
            self.icmp.remove(icmp);
        }
        self.profiles.release(profile);
        self.index.remove(self.hasher.tag(&key), at);
        out.push((order, Event::Closed(flow, note, D::default())));
    }

    fn close_embryo<D: Default>(&mut self, at: u32, reason: EndReason, order: Order, out: &mut Told<N, D>) {
        let embryo = *self.embryos.get(at);
        let flow = out.flow(|flow| self.tell_embryo(&embryo, flow, Some(reason)));
        self.young.unlink(&mut self.embryos, at);
        self.embryos.remove(at);
        self.profiles.release(embryo.profile());
        self.index.remove(self.hasher.tag(&embryo.key()), at | EMBRYO);
        out.push((order, Event::Closed(flow, N::default(), D::default())));
    }

    /// Writes what is known of a flow.
    fn tell(&self, at: u32, flow: &mut Flow, ended: Option<EndReason>) {
        let track = self.tracks.get(at);
        track.tell(flow, self.profiles.get(track.profile), self.icmp_of(track), ended);
        let orig = track.originator();
        self.heads.tell(track.head(orig), &mut flow.head_orig);
        self.heads.tell(track.head(1 - orig), &mut flow.head_resp);
    }

    fn tell_embryo(&self, embryo: &Embryo, flow: &mut Flow, ended: Option<EndReason>) {
        embryo.tell(flow, self.profiles.get(embryo.profile()), ended);
        self.heads.tell(NIL, &mut flow.head_orig);
        self.heads.tell(NIL, &mut flow.head_resp);
    }

    fn icmp_of(&self, track: &Track<N>) -> Option<IcmpNote> {
        (track.icmp != NIL).then(|| *self.icmp.get(track.icmp))
    }

    fn release_heads(&mut self, at: u32) {
        let track = self.tracks.get_mut(at);
        for (end, head) in track.heads().into_iter().enumerate().filter(|(_, head)| *head != NIL) {
            self.heads.release(head);
            track.set_head(end, NIL);
        }
    }

    fn order_of(&self, packet: &Packet<'_>) -> Order {
        Order { clock: self.clock, rank: 0, frame: packet.frame, layer: packet.layer }
    }
}

/// A head begins where the stream began, if that was seen.
fn beginning<N: Copy + Default>(track: &Track<N>, arrival: &Arrival<'_, '_>) -> Beginning {
    use super::letters::Letter;
    let (packet, sender) = (arrival.packet, arrival.sender);
    if packet.transport != Transport::Tcp {
        let from_start = track.payload_sent(sender) == u64::from(packet.payload_len);
        return Beginning { base: 0, from_start };
    }
    if track.letters.saw(sender, Letter::Syn) || track.letters.saw(sender, Letter::SynAck) {
        return Beginning { base: track.isn[sender].wrapping_add(1), from_start: true };
    }
    Beginning { base: payload_seq(packet), from_start: false }
}
