//! The full record of a flow: what every packet changes, and the snapshot that is handed on.
//!
//! Both sides are kept by end of the key (0 lower, 1 higher), and one mark says which of them is the
//! originator, so a late SYN or SYN-ACK turns the flow round by flipping a bit.
//!
//! Invariant: three cache lines with a note of up to 4 bytes (a test holds it); what packets touch comes
//! first.

use super::birth::Profile;
use super::key::{End, Key, flow_id};
use super::letters::{Letter, Letters};
use super::slab::{Linked, Links, NIL};
use super::{Basis, Direction, EndReason, Flow, IcmpNote, Side, tcp};
use crate::time::Timestamp;
use crate::wire::{Packet, Role, TcpFlags, Transport};

/// Which timeout applies, and with it which list a flow stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    Opening,
    UdpOneWay,
    Established,
    Closed,
    UdpTwoWay,
    Sctp,
    /// The place is free.
    Gone,
}

impl Class {
    /// Those with a list.
    pub(super) const LISTED: [Self; 6] =
        [Self::Opening, Self::UdpOneWay, Self::Established, Self::Closed, Self::UdpTwoWay, Self::Sctp];

    /// True for flows that nobody has answered: they go first when the table is full.
    pub(super) const fn is_unanswered(self) -> bool {
        matches!(self, Self::Opening | Self::UdpOneWay)
    }
}

/// What is done with a flow's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    /// Heads are gathered.
    Open,
    /// It is decided.
    Done,
    /// It is decided, and every payload packet is handed on.
    Tapped,
}

/// One flow: three cache lines. A packet of a flow that is decided touches the first two only.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Track<N> {
    pub(super) key: Key,
    links: Links,
    /// Packet clock at the last packet.
    pub(super) active: Timestamp,
    flags: [u8; 2],
    pub(super) class: Class,
    pub(super) basis: Basis,
    marks: u16,
    attempts: u16,
    packets: [u64; 2],
    bytes: [u64; 2],
    payload: [u64; 2],
    /// Next sequence number of each end, as far as it is known (`known`); of a silent end, as acknowledged.
    pub(super) next: [u32; 2],
    /// Which were seen, and the order of the first six, end the second line: most flows never have more.
    pub(super) letters: Letters,
    pub(super) said: u16,
    pub(super) heard: u8,
    /// Payload packets since the last hearing.
    pub(super) since: u8,
    /// Sequence number of each end's SYN, when one was seen.
    pub(super) isn: [u32; 2],
    pub(super) start: Timestamp,
    /// Time of the last packet where that is not `active`.
    end: Timestamp,
    pub(super) frame: u64,
    pub(super) profile: u32,
    pub(super) icmp: u32,
    heads: [u16; 2],
    pub(super) note: N,
}

/// "No head."
const NO_HEAD: u16 = u16::MAX;

const ORIGINATOR: u16 = 1;
const TURNED: u16 = 2;
const CARRIER: u16 = 4;
const UNSEEN_ACKED: u16 = 8;
const KNOWN: [u16; 2] = [16, 32];
const DATAGRAM_OPEN: [u16; 2] = [64, 128];
/// The last packet was not the last thing that happened, or came from the past.
const END_APART: u16 = 256;
const DONE: u16 = 512;
const TAPPED: u16 = 1024;

impl<N: Copy + Default> Track<N> {
    /// A flow that this packet is the first of; the packet itself is not counted yet.
    pub(super) fn new(key: Key, sender: End, packet: &Packet<'_>, clock: Timestamp, profile: u32) -> Self {
        let mut track = Self::blank(key, packet.frame, packet.time, clock, profile);
        track.set_originator(sender);
        track
    }

    fn blank(key: Key, frame: u64, time: Timestamp, clock: Timestamp, profile: u32) -> Self {
        Self {
            key,
            links: Links::NONE,
            active: clock,
            flags: [0; 2],
            class: Class::Gone,
            basis: Basis::FirstPacket,
            marks: END_APART,
            attempts: 0,
            packets: [0; 2],
            bytes: [0; 2],
            payload: [0; 2],
            next: [0; 2],
            letters: Letters::default(),
            said: 0,
            heard: 0,
            since: 0,
            isn: [0; 2],
            start: time,
            end: time,
            frame,
            profile,
            icmp: NIL,
            heads: [NO_HEAD; 2],
            note: N::default(),
        }
    }

    /// The full record of a flow that was one SYN so far.
    pub(super) fn grown(embryo: &super::birth::Embryo, profile: &Profile) -> Self {
        let end = embryo.sender();
        let mut track = Self::blank(embryo.key(), embryo.frame(), embryo.time, embryo.time, embryo.profile());
        (track.class, track.basis, track.attempts) = (Class::Opening, Basis::Syn, 1);
        track.set_originator(end);
        track.packets[end] = 1;
        track.bytes[end] = u64::from(profile.wire_len);
        track.flags[end] = profile.flags;
        track.isn[end] = embryo.seq;
        track.know(end, embryo.seq.wrapping_add(1));
        track.letters.note(end, Letter::Syn);
        track
    }

    /// Counts a packet (not an ICMP error) and follows what it says.
    pub(super) fn count(&mut self, sender: End, packet: &Packet<'_>) {
        if self.packets == [0, 0] && self.basis == Basis::FirstPacket {
            // Until now there was only an ICMP error; this is the first packet.
            self.set_originator(sender);
            self.start = packet.time;
        }
        let asks = sender == self.originator() && self.packets[1 - sender] == 0;
        if self.key.transport() == Transport::Tcp {
            tcp::follow(self, sender, packet);
        } else {
            let is_later = matches!(packet.role, Role::LaterFragment { .. });
            if packet.payload_len > 0 {
                self.letters.note(sender, Letter::Data);
            }
            self.attempts = self.attempts.saturating_add(u16::from(asks && !is_later));
        }
        self.packets[sender] += 1;
        self.bytes[sender] += u64::from(packet.wire_len);
        self.payload[sender] += u64::from(packet.payload_len);
        self.flags[sender] |= packet.tcp.flags.0;
        self.marks |= if packet.role == Role::Carrier { CARRIER } else { 0 };
        self.set_end(packet);
    }

    /// The packet's time is that of the flow's last one. In a capture in order it is the clock, too, and need
    /// not be written twice.
    fn set_end(&mut self, packet: &Packet<'_>) {
        if packet.time == packet.clock {
            self.marks &= !END_APART;
        } else {
            self.marks |= END_APART;
            self.end = packet.time;
        }
    }

    /// Makes it active at this clock, by a packet or by something that is not counted; when it was before.
    pub(super) fn activate(&mut self, clock: Timestamp, by_packet: bool) -> Timestamp {
        if !by_packet {
            self.end = self.end();
            self.marks |= END_APART;
        }
        std::mem::replace(&mut self.active, clock)
    }

    fn end(&self) -> Timestamp {
        if self.marks & END_APART == 0 { self.active } else { self.end }
    }

    /// What is done with its payload.
    #[inline]
    pub(super) fn hearing(&self) -> Hearing {
        match self.marks & (DONE | TAPPED) {
            0 => Hearing::Open,
            DONE => Hearing::Done,
            _ => Hearing::Tapped,
        }
    }

    pub(super) fn set_hearing(&mut self, hearing: Hearing) {
        let mark = match hearing {
            Hearing::Open => 0,
            Hearing::Done => DONE,
            Hearing::Tapped => TAPPED,
        };
        self.marks = self.marks & !(DONE | TAPPED) | mark;
    }

    /// The head of this end in its pool, or `NIL`.
    pub(super) fn head(&self, end: End) -> u32 {
        if self.heads[end] == NO_HEAD { NIL } else { u32::from(self.heads[end]) }
    }

    /// Both heads.
    pub(super) fn heads(&self) -> [u32; 2] {
        [self.head(0), self.head(1)]
    }

    /// Another head for this end, or none.
    pub(super) fn set_head(&mut self, end: End, head: u32) {
        self.heads[end] = u16::try_from(head).unwrap_or(NO_HEAD);
    }

    /// One more SYN without an answer.
    pub(super) fn attempted(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    #[inline]
    pub(super) fn originator(&self) -> End {
        usize::from(self.marks & ORIGINATOR)
    }

    fn set_originator(&mut self, end: End) {
        self.marks = self.marks & !ORIGINATOR | u16::from(end != 0);
    }

    /// Says who the originator is after the first packet said otherwise or nothing.
    pub(super) fn decide(&mut self, originator: End, basis: Basis) {
        if originator != self.originator() {
            self.set_originator(originator);
            self.marks ^= TURNED;
        }
        self.basis = basis;
    }

    pub(super) fn is_known(&self, end: End) -> bool {
        self.marks & KNOWN[end] != 0
    }

    pub(super) fn know(&mut self, end: End, next: u32) {
        self.next[end] = next;
        self.marks |= KNOWN[end];
    }

    pub(super) fn mark_unseen_acked(&mut self) {
        self.marks |= UNSEEN_ACKED;
    }

    pub(super) fn is_silent(&self, end: End) -> bool {
        self.packets[end] == 0
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets[0] + self.packets[1]
    }

    /// Payload bytes this end sent so far.
    pub(super) fn payload_sent(&self, end: End) -> u64 {
        self.payload[end]
    }

    /// True when the last payload of this end began the datagram whose head is kept.
    pub(super) fn datagram_is_open(&self, end: End) -> bool {
        self.marks & DATAGRAM_OPEN[end] != 0
    }

    pub(super) fn set_datagram_open(&mut self, end: End, open: bool) {
        self.marks = self.marks & !DATAGRAM_OPEN[end] | if open { DATAGRAM_OPEN[end] } else { 0 };
    }

    /// The timeout class by what is known now.
    pub(super) fn classify(&self) -> Class {
        // Once both sides have spoken, only an end changes that.
        if self.class == Class::Established && !tcp::is_closed(&self.letters) {
            return Class::Established;
        }
        let both = self.packets[0] > 0 && self.packets[1] > 0;
        match self.key.transport() {
            Transport::Sctp => Class::Sctp,
            Transport::Udp if both => Class::UdpTwoWay,
            Transport::Udp => Class::UdpOneWay,
            Transport::Tcp if tcp::is_closed(&self.letters) => Class::Closed,
            // One direction of a living connection: the other way is not captured.
            Transport::Tcp if both || self.packets() >= 4 && self.marks & UNSEEN_ACKED != 0 => {
                Class::Established
            }
            Transport::Tcp => Class::Opening,
        }
    }

    /// Writes the flow as it is handed on, all of it but the heads. Field by field where it is to lie: made
    /// elsewhere and moved there, it took twice as long.
    pub(super) fn tell(
        &self,
        flow: &mut Flow,
        profile: &Profile,
        refused: Option<IcmpNote>,
        why: Option<EndReason>,
    ) {
        // All fields are named, so that none is forgotten.
        #[rustfmt::skip]
        let Flow {
            id, transport, originator, responder, direction, vlan, input, first_frame, start, end, conn_state,
            history, orig, resp, head_orig: _, head_resp: _, icmp, syn, attempts, one_sided, carrier, ended,
        } = flow;
        let (asking, asked) = (self.originator(), 1 - self.originator());
        *id = flow_id(&self.key, self.start.as_nanos(), self.frame, profile.layer);
        *transport = self.key.transport();
        *originator = self.key.end(asking);
        *responder = self.key.end(asked);
        *direction = Direction { basis: self.basis, confidence: self.confidence() };
        *vlan = profile.vlan;
        *input = profile.input;
        *first_frame = self.frame;
        *start = self.start;
        *end = self.end();
        *conn_state = if *transport == Transport::Tcp {
            tcp::conn_state(&self.letters, asking)
        } else {
            tcp::datagram_state(self.packets[asking], self.packets[asked])
        };
        *history = self.letters.history(asking, self.marks & TURNED != 0);
        *orig = self.side(asking);
        *resp = self.side(asked);
        *icmp = refused;
        *syn = profile.hint();
        *attempts = self.attempts;
        *one_sided = self.marks & UNSEEN_ACKED != 0 && (self.packets[0] == 0 || self.packets[1] == 0);
        *carrier = self.marks & CARRIER != 0;
        *ended = why;
    }

    /// True when the flow was asked for and answered: an attempt that was not in vain, whatever else came of
    /// it.
    pub(super) fn is_answered(&self) -> bool {
        let (orig, resp) = (self.originator(), 1 - self.originator());
        if self.is_silent(orig) || self.is_silent(resp) {
            return false;
        }
        let letters = &self.letters;
        self.key.transport() != Transport::Tcp
            || letters.saw(orig, Letter::Syn) && (letters.spoke(resp) || letters.saw(resp, Letter::Syn))
    }

    fn side(&self, end: End) -> Side {
        Side {
            packets: self.packets[end],
            bytes: self.bytes[end],
            payload_bytes: self.payload[end],
            tcp_flags: self.flags[end],
        }
    }

    /// How sure the direction is before anybody gave hints, in percent.
    fn confidence(&self) -> u8 {
        match (self.basis, self.key.transport()) {
            (Basis::Syn, _) => 100,
            (Basis::SynAck, _) => 95,
            (_, Transport::Tcp) => 50,
            _ if self.packets() == 0 => 60,
            _ => 80,
        }
    }
}

impl<N: Copy> Linked for Track<N> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// True when the packet asks for something, false when it is an answer or midstream.
pub(super) fn asks(packet: &Packet<'_>) -> bool {
    let flags = packet.tcp.flags;
    !matches!(packet.role, Role::IcmpError { .. })
        && (packet.transport != Transport::Tcp || flags.has(TcpFlags::SYN) && !flags.has(TcpFlags::ACK))
}

/// An ICMP error about a flow that nobody saw is worth a flow of its own when it refuses: a packet went out
/// under that sender's address and was not captured, or somebody else forged it (backscatter). Such a flow
/// has no packets.
pub(super) fn refuses_or_none(packet: &Packet<'_>) -> bool {
    icmp_note(packet).is_none_or(|note| note.refuses())
}

/// What an ICMP error that quotes a packet of a flow says of it.
pub(super) fn icmp_note(packet: &Packet<'_>) -> Option<IcmpNote> {
    match packet.role {
        Role::IcmpError { from, v6, kind, code } => {
            Some(IcmpNote { from, v6, kind, code, frame: packet.frame })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_record_stays_small() {
        assert_eq!(size_of::<Track<[u8; 4]>>(), 192);
        assert_eq!(std::mem::offset_of!(Track<u32>, letters), 120);
    }
}
