//! The flow table once more, as plainly as it can be said: one map, one record per flow, no embryos, no
//! lists, no strides, no shards, every timeout found by looking at all flows before every packet. A property
//! test holds the fast table to it, packet by packet: the same flows with the same counters, history, state,
//! times and reasons, in the same order.
//!
//! Left out: what is kept of payload and who is asked about it (`tests` cover that), and the caps.

use super::script::end;
use super::tests::{any_packet, build};
use super::{
    Basis, Config, ConnState, Counters, Direction, Ears, EndReason, Event, Flow, Head, History, IcmpNote,
    Keep, Opened, Order, Side, SynHint, Table,
};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Packet, Role, Tcp, TcpFlags, Transport};
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN;
const RST: u8 = TcpFlags::RST;

/// Everything that is said of openings and endings, spelled out.
type Told = Vec<(Order, String)>;
type Key = (Transport, [(IpAddr, u16); 2]);

#[derive(Default)]
struct Reference {
    config: Config,
    flows: HashMap<Key, Record>,
    told: Told,
    counters: Counters,
}

/// One flow. Side 0 sent its first packet.
struct Record {
    ends: [Endpoint; 2],
    transport: Transport,
    first: Order,
    input: u16,
    vlan: crate::wire::Vlan,
    syn: Option<SynHint>,
    originator: usize,
    basis: Basis,
    turned: bool,
    letters: Vec<(usize, char)>,
    sides: [Side; 2],
    next: [Option<u32>; 2],
    isn: [u32; 2],
    attempts: u16,
    unseen: bool,
    carrier: bool,
    icmp: Option<IcmpNote>,
    start: Timestamp,
    end: Timestamp,
    active: Timestamp,
}

impl Reference {
    fn packet(&mut self, packet: &Packet<'_>) {
        self.expire(packet.clock);
        let order = Order { clock: packet.clock, rank: 0, frame: packet.frame, layer: packet.layer };
        let mut key = (packet.transport, [packet.src, packet.dst].map(|end| (end.addr, end.port)));
        key.1.sort_unstable();
        if self.flows.get(&key).is_some_and(|record| record.is_over_with(packet)) {
            self.counters.reused += 1;
            self.close(key, order, EndReason::TcpReuse);
        }
        let note = icmp(packet);
        if !self.flows.contains_key(&key) {
            if note.is_some_and(|note| !note.refuses()) {
                self.counters.icmp_unmatched += 1;
                return;
            }
            self.counters.opened += 1;
            self.told.push((order, format!("{:?}", Opened::by(packet))));
            self.flows.insert(key, Record::new(packet, order));
        }
        let Some(record) = self.flows.get_mut(&key) else { return };
        match note {
            Some(note) if record.icmp.is_none_or(|old| note.refuses() && !old.refuses()) => {
                record.icmp = Some(note);
            }
            Some(_) => {}
            None => record.count(packet),
        }
        record.active = packet.clock;
    }

    /// Looks at every flow.
    fn expire(&mut self, clock: Timestamp) {
        let deadline = |record: &Record| record.active.after(record.timeout(&self.config));
        let all = self.flows.iter().map(|(key, record)| (*key, deadline(record), record.first));
        let due: Vec<_> = all.filter(|(_, deadline, _)| *deadline < clock).collect();
        for (key, deadline, first) in due {
            self.counters.timed_out += 1;
            self.close(key, Order { clock: deadline, rank: 1, ..first }, EndReason::Timeout);
        }
    }

    fn finish(&mut self, clock: Timestamp) {
        self.expire(clock);
        let left: Vec<_> = self.flows.iter().map(|(key, record)| (*key, record.first)).collect();
        for (key, first) in left {
            self.close(key, Order { clock, rank: Order::END, ..first }, EndReason::Shutdown);
        }
        self.told.sort_by_key(|(order, _)| *order);
    }

    fn close(&mut self, key: Key, order: Order, reason: EndReason) {
        let flow = self.flows.remove(&key).map(|record| record.flow(reason));
        self.told.extend(flow.map(|flow| (order, format!("{flow:?}"))));
    }
}

impl Record {
    fn new(packet: &Packet<'_>, first: Order) -> Self {
        let asks = asks(packet) && icmp(packet).is_none();
        let (ttl, window) = (packet.ttl, packet.tcp.window);
        Self {
            ends: [packet.src, packet.dst],
            transport: packet.transport,
            first,
            input: packet.input,
            vlan: packet.vlan,
            syn: asks.then(|| SynHint { ttl, window, options: packet.tcp_options.iter().copied().collect() }),
            originator: 0,
            basis: Basis::FirstPacket,
            turned: false,
            letters: Vec::new(),
            sides: [Side::default(); 2],
            next: [None; 2],
            isn: [0; 2],
            attempts: 0,
            unseen: false,
            carrier: false,
            icmp: None,
            start: packet.time,
            end: packet.time,
            active: packet.clock,
        }
    }

    fn did(&self, side: usize, letters: &str) -> bool {
        self.letters.iter().any(|(who, letter)| *who == side && letters.contains(*letter))
    }

    fn note(&mut self, side: usize, letter: char, happened: bool) {
        if happened && !self.did(side, &letter.to_string()) {
            self.letters.push((side, letter));
        }
    }

    fn packets(&self) -> u64 {
        self.sides[0].packets + self.sides[1].packets
    }

    fn both_heard(&self) -> bool {
        self.sides[0].packets > 0 && self.sides[1].packets > 0
    }

    /// A SYN with another number, on a flow that is over, quiet, or was met in the middle.
    fn is_over_with(&self, packet: &Packet<'_>) -> bool {
        let side = usize::from(packet.src != self.ends[0]);
        let segment = matches!(packet.role, Role::Segment | Role::Carrier);
        let opened = self.did(side, "SH");
        if !segment || !packet.tcp.flags.has(SYN) || opened && self.isn[side] == packet.tcp.seq {
            return false;
        }
        let over = self.did(0, "FR") || self.did(1, "FR");
        if !asks(packet) {
            return over && opened;
        }
        if self.basis == Basis::FirstPacket && self.packets() > 0 {
            let back = self.next[side].unwrap_or(0).wrapping_sub(packet.tcp.seq);
            return over || self.sides[side].packets > 0 && (self.packets() > 4 || back > 65_536);
        }
        let answered = self.did(1 - self.originator, "HADF");
        over || answered && packet.clock.since(self.active) >= Duration::from_secs(10)
    }

    fn count(&mut self, packet: &Packet<'_>) {
        let side = usize::from(packet.src != self.ends[0]);
        if self.packets() == 0 {
            if self.basis == Basis::FirstPacket {
                self.originator = side;
            }
            (self.start, self.end) = (packet.time, packet.time);
        }
        let later =
            if let Role::LaterFragment { contiguous } = packet.role { Some(contiguous) } else { None };
        match (self.transport, later) {
            (Transport::Tcp, None) => self.segment(side, packet),
            (Transport::Tcp, Some(contiguous)) => {
                self.note(side, 'D', packet.payload_len > 0);
                if contiguous {
                    self.next[side] = self.next[side].map(|next| next.wrapping_add(packet.payload_len));
                }
            }
            _ => {
                self.note(side, 'D', packet.payload_len > 0);
                let asks = side == self.originator && self.sides[1 - side].packets == 0 && later.is_none();
                self.attempts += u16::from(asks);
            }
        }
        let sent = &mut self.sides[side];
        sent.packets += 1;
        sent.bytes += u64::from(packet.wire_len);
        sent.payload_bytes += u64::from(packet.payload_len);
        sent.tcp_flags |= packet.tcp.flags.0;
        self.carrier |= packet.role == Role::Carrier;
        self.end = packet.time;
    }

    fn segment(&mut self, side: usize, packet: &Packet<'_>) {
        let (tcp, len, peer) = (packet.tcp, packet.payload_len, 1 - side);
        let [syn, ack, fin, rst] = [SYN, ACK, FIN, RST].map(|flag| tcp.flags.has(flag));
        if syn {
            self.opening(side, ack, tcp.seq);
        }
        if ack && !rst {
            self.acknowledged(peer, tcp.ack, self.did(side, "S"));
        }
        let below = self.next[side].map_or(0, |next| next.wrapping_sub(tcp.seq).cast_signed());
        let probe = len == 1 && below == 1;
        let again = len > 0 && self.sides[side].packets > 0 && below > 0 && !probe;
        let control = syn || fin || rst;
        for (letter, happened) in [
            ('Q', syn && (fin || rst)),
            ('I', fin && rst),
            ('S', syn && !ack),
            ('H', syn && ack),
            ('R', rst),
            ('D', len > 0),
            ('T', again),
            ('A', len == 0 && ack && !control),
            ('W', tcp.window == 0 && !control),
            ('F', fin),
        ] {
            self.note(side, letter, happened);
        }
        let end = tcp.seq.wrapping_add(len).wrapping_add(u32::from(syn)).wrapping_add(u32::from(fin));
        let ahead = |next: u32| end.wrapping_sub(next).cast_signed() > 0;
        if !rst && self.next[side].is_none_or(ahead) {
            self.next[side] = Some(end);
        }
    }

    fn opening(&mut self, side: usize, answers: bool, seq: u32) {
        if !self.did(side, "SH") {
            self.isn[side] = seq;
        }
        let decided = match (self.basis, answers) {
            (Basis::FirstPacket, true) => Some((1 - side, Basis::SynAck)),
            (Basis::FirstPacket, false) => Some((side, Basis::Syn)),
            (Basis::SynAck, false) if side == self.originator => Some((side, Basis::Syn)),
            _ => None,
        };
        if let Some((originator, basis)) = decided {
            self.turned ^= originator != self.originator;
            (self.originator, self.basis) = (originator, basis);
        }
        self.attempts += u16::from(!answers && side == self.originator && !self.did(1 - side, "HADF"));
    }

    /// The other side says that it has everything of `side` before `ack`.
    fn acknowledged(&mut self, side: usize, ack: u32, peer_asked: bool) {
        let silent = self.sides[side].packets == 0;
        match self.next[side] {
            None => self.unseen |= silent && peer_asked,
            Some(next) if ack.wrapping_sub(next).cast_signed() <= 0 => return,
            Some(_) if silent => self.unseen = true,
            Some(_) => self.note(side, 'G', true),
        }
        self.next[side] = Some(ack);
    }

    fn timeout(&self, config: &Config) -> Duration {
        let times = &config.timeouts;
        let reset = self.did(0, "R") || self.did(1, "R");
        match self.transport {
            Transport::Sctp => times.sctp,
            Transport::Udp if self.both_heard() => times.udp_two_way,
            Transport::Udp => times.udp_one_way,
            Transport::Tcp if reset || self.did(0, "F") && self.did(1, "F") => times.tcp_closed,
            Transport::Tcp if self.both_heard() || self.unseen && self.packets() >= 4 => {
                times.tcp_established
            }
            Transport::Tcp => times.tcp_opening,
        }
    }

    /// Zeek's table, line by line.
    fn conn_state(&self) -> ConnState {
        let (orig, resp) = (self.originator, 1 - self.originator);
        if self.transport != Transport::Tcp {
            let heard = [orig, resp].map(|side| self.sides[side].packets > 0);
            return match heard {
                [true, true] => ConnState::Sf,
                [true, false] => ConnState::S0,
                [false, true] => ConnState::Shr,
                [false, false] => ConnState::Oth,
            };
        }
        let asked = self.did(orig, "S");
        let agreed = self.did(resp, "H") || asked && self.did(resp, "S");
        let there = asked || self.did(orig, "HADF");
        let answered = agreed || self.did(resp, "HADF");
        if let Some((breaker, _)) = self.letters.iter().find(|(_, letter)| *letter == 'R') {
            return if *breaker == orig {
                if answered {
                    ConnState::Rsto
                } else if asked {
                    ConnState::Rstos0
                } else {
                    ConnState::Oth
                }
            } else if there {
                if asked && !answered { ConnState::Rej } else { ConnState::Rstr }
            } else if agreed {
                ConnState::Rstrh
            } else {
                ConnState::Oth
            };
        }
        let both = asked && answered || agreed && self.did(orig, "HADF");
        match [orig, resp].map(|side| self.did(side, "F")) {
            [true, true] => ConnState::Sf,
            [true, false] if answered => ConnState::S2,
            [true, false] if asked => ConnState::Sh,
            [false, true] if there => ConnState::S3,
            [false, true] if agreed => ConnState::Shr,
            [false, false] if both => ConnState::S1,
            [false, false] if asked => ConnState::S0,
            _ => ConnState::Oth,
        }
    }

    fn flow(&self, reason: EndReason) -> Flow {
        let (orig, resp) = (self.originator, 1 - self.originator);
        let mut history = History::default();
        let letters = self
            .letters
            .iter()
            .map(|(side, letter)| if *side == orig { *letter } else { letter.to_ascii_lowercase() });
        for letter in self.turned.then_some('^').into_iter().chain(letters) {
            history.push(u8::try_from(letter).unwrap());
        }
        let confidence = match (self.basis, self.transport) {
            (Basis::Syn, _) => 100,
            (Basis::SynAck, _) => 95,
            (_, Transport::Tcp) => 50,
            _ if self.packets() == 0 => 60,
            _ => 80,
        };
        Flow {
            id: 0,
            transport: self.transport,
            originator: self.ends[orig],
            responder: self.ends[resp],
            direction: Direction { basis: self.basis, confidence },
            vlan: self.vlan,
            input: self.input,
            first_frame: self.first.frame,
            start: self.start,
            end: self.end,
            conn_state: self.conn_state(),
            history,
            orig: self.sides[orig],
            resp: self.sides[resp],
            head_orig: Head::default(),
            head_resp: Head::default(),
            icmp: self.icmp,
            syn: self.syn.clone(),
            attempts: self.attempts,
            one_sided: self.unseen && !self.both_heard(),
            carrier: self.carrier,
            ended: Some(reason),
        }
    }
}

/// A SYN and nothing that goes against it.
fn asks(packet: &Packet<'_>) -> bool {
    let flags = packet.tcp.flags;
    packet.transport == Transport::Tcp && flags.has(SYN) && !flags.any(ACK | FIN | RST)
}

fn icmp(packet: &Packet<'_>) -> Option<IcmpNote> {
    let Role::IcmpError { from, v6, kind, code } = packet.role else { return None };
    Some(IcmpNote { from, v6, kind, code, frame: packet.frame })
}

/// What the table says, with so many workers and packets at a time.
fn table(config: &Config, packets: &[Packet<'_>], workers: usize, burst: usize) -> (Told, Counters) {
    struct Deaf;
    impl Ears<()> for Deaf {
        fn hear(&mut self, _: &Flow) -> ((), Keep) {
            ((), Keep::Release)
        }
    }
    let (mut out, mut counters) = (super::Told::default(), Counters::default());
    for worker in 0..workers {
        let mut table = Table::new(config, worker, workers);
        for some in packets.chunks(burst) {
            table.update(some, &mut Deaf, &mut out);
        }
        table.finish(last(packets), &mut out);
        counters.add(&table.counters());
    }
    out.sort_by_key(|(order, _)| *order);
    let told = out.drain(..).filter_map(|(order, event)| match event {
        Event::Opened(opened) => Some((order, format!("{opened:?}"))),
        Event::Closed(flow, (), ()) => {
            let (head_orig, head_resp) = (Head::default(), Head::default());
            Some((order, format!("{:?}", Flow { id: 0, head_orig, head_resp, ..*flow })))
        }
        Event::Heard(..) | Event::Said(_) | Event::Ended(..) => None,
    });
    (told.collect(), counters)
}

fn last(packets: &[Packet<'_>]) -> Timestamp {
    packets.last().map_or(Timestamp::MIN, |packet| packet.clock)
}

fn same(config: &Config, packets: &[Packet<'_>]) -> Result<(), TestCaseError> {
    let mut reference = Reference { config: *config, ..Reference::default() };
    for packet in packets {
        reference.packet(packet);
    }
    reference.finish(last(packets));
    for (workers, burst) in [(1, 1), (1, 64), (3, 17)] {
        let (told, counters) = table(config, packets, workers, burst);
        for (at, (fast, plain)) in told.iter().zip(&reference.told).enumerate() {
            prop_assert_eq!(fast, plain, "sentence {} of {} workers", at, workers);
        }
        prop_assert_eq!(told.len(), reference.told.len());
        prop_assert_eq!(counters, reference.counters);
    }
    Ok(())
}

/// Random flags among few endpoints; what has no TCP header says nothing of TCP.
fn anything() -> impl Strategy<Value = Vec<Packet<'static>>> {
    proptest::collection::vec(any_packet(), 1..300).prop_map(|steps| {
        let mut packets = build(&steps);
        for packet in packets.iter_mut().filter(|packet| packet.role != Role::Segment) {
            packet.tcp = Tcp::default();
        }
        packets
    })
}

/// Conversations as they are: both sides count right most of the time, so that connections open, speak,
/// close, lose segments and begin anew. Pause, connection, side, what is sent, and what goes wrong.
fn conversations() -> impl Strategy<Value = Vec<Packet<'static>>> {
    let pause = prop_oneof![12 => 0u64..20, 3 => 500u64..4000, 1 => 9000u64..12_000, 1 => 20_000u64..700_000];
    let flags = prop_oneof![
        3 => Just(SYN), 3 => Just(SYN | ACK), 8 => Just(ACK), 2 => Just(FIN | ACK),
        1 => Just(RST), 1 => Just(RST | ACK)
    ];
    let step = (pause, 0u16..4, 0usize..2, flags, 0usize..5, 0u8..12);
    proptest::collection::vec(step, 1..300).prop_map(|steps| {
        let mut next = [[100u32, 9000]; 4];
        let mut ms = 0;
        let packets =
            steps.into_iter().zip(1u64..).map(|((pause, which, side, flags, len, wrong), frame)| {
                ms += pause;
                let next = &mut next[usize::from(which)];
                let ends = [format!("10.0.0.1:{}", 4000 + which), format!("[2001:db8::{which}]:80")];
                let ends = if which < 3 {
                    [ends[0].clone(), "10.0.0.2:80".into()]
                } else {
                    [format!("[fd00::1]:{which}"), ends[1].clone()]
                };
                let len = if flags == ACK { len } else { 0 };
                // A new number, a segment that is lost, one that is sent again.
                match wrong {
                    0 if flags == SYN => next[side] = next[side].wrapping_add(1 << 20),
                    1 => next[side] = next[side].wrapping_add(5),
                    2 => next[side] = next[side].wrapping_sub(5),
                    _ => {}
                }
                let (seq, ack) = (next[side], if flags & ACK == 0 { 0 } else { next[1 - side] });
                let control = u32::from(flags & (SYN | FIN) != 0);
                next[side] = seq.wrapping_add(u32::try_from(len).unwrap()).wrapping_add(control);
                let window = if wrong == 3 { 0 } else { 512 };
                Packet {
                    frame,
                    src: end(&ends[side]),
                    dst: end(&ends[1 - side]),
                    tcp: Tcp { flags: TcpFlags(flags), seq, ack, window },
                    ..super::script::packet(
                        Transport::Tcp,
                        ms,
                        &ends[side],
                        &ends[1 - side],
                        &b"data!"[..len],
                    )
                }
            });
        packets.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn the_table_does_what_the_reference_does(packets in anything(), short in any::<bool>()) {
        let mut config = Config::default();
        if short {
            config.timeouts.tcp_opening = Duration::from_millis(40);
            config.timeouts.udp_one_way = Duration::ZERO;
            config.timeouts.tcp_closed = Duration::from_nanos(1);
        }
        same(&config, &packets)?;
    }

    #[test]
    fn so_it_does_with_conversations(packets in conversations()) {
        same(&Config::default(), &packets)?;
    }
}
