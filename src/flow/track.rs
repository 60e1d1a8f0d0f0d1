//! The full record of a flow: what every packet changes, and the snapshot that is handed on.
//!
//! Both sides are kept by end of the key (0 lower, 1 higher), and one mark says which of them is the originator, so a
//! late SYN or SYN-ACK turns the flow round by flipping a bit.
//!
//! Invariant: fixed size, at most 200 bytes with a note of up to 8 (a test holds it); what packets touch comes first.

use super::birth::{Profile, is_opening};
use super::key::{End, Key, flow_id};
use super::letters::{Letter, Letters};
use super::slab::{Linked, Links, NIL};
use super::{Basis, Direction, EndReason, Flow, Head, IcmpNote, Side, tcp};
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
#[repr(u8)]
pub(super) enum Hearing {
    /// Heads are gathered.
    Open,
    /// It is decided.
    Done,
    /// It is decided, and every payload packet is handed on.
    Tapped,
}

/// One flow.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Track<N> {
    pub(super) key: Key,
    links: Links,
    pub(super) active: Timestamp,
    packets: [u64; 2],
    bytes: [u64; 2],
    payload: [u64; 2],
    /// Next sequence number of each end, as far as it is known (`known`); of a silent end, as acknowledged.
    pub(super) next: [u32; 2],
    pub(super) letters: Letters,
    /// Sequence number of each end's SYN, when one was seen.
    pub(super) isn: [u32; 2],
    pub(super) heads: [u32; 2],
    flags: [u8; 2],
    pub(super) class: Class,
    pub(super) basis: Basis,
    pub(super) hearing: Hearing,
    pub(super) heard: u8,
    /// Payload packets since the last hearing.
    pub(super) since: u8,
    marks: u8,
    attempts: u16,
    pub(super) said: u16,
    pub(super) start: Timestamp,
    end: Timestamp,
    pub(super) frame: u64,
    pub(super) profile: u32,
    pub(super) icmp: u32,
    pub(super) note: N,
}

const ORIGINATOR: u8 = 1;
const TURNED: u8 = 2;
const CARRIER: u8 = 4;
const UNSEEN_ACKED: u8 = 8;
const KNOWN: [u8; 2] = [16, 32];
const DATAGRAM_OPEN: [u8; 2] = [64, 128];

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
            packets: [0; 2],
            bytes: [0; 2],
            payload: [0; 2],
            next: [0; 2],
            letters: Letters::default(),
            isn: [0; 2],
            heads: [NIL; 2],
            flags: [0; 2],
            class: Class::Gone,
            basis: Basis::FirstPacket,
            hearing: Hearing::Open,
            heard: 0,
            since: 0,
            marks: 0,
            attempts: 0,
            said: 0,
            start: time,
            end: time,
            frame,
            profile,
            icmp: NIL,
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
            (self.start, self.end) = (packet.time, packet.time);
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
        self.end = packet.time;
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
        self.marks = self.marks & !ORIGINATOR | u8::from(end != 0);
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

    /// The flow as it is handed on.
    pub(super) fn flow(
        &self,
        profile: &Profile,
        heads: [Head; 2],
        icmp: Option<IcmpNote>,
        ended: Option<EndReason>,
    ) -> Flow {
        let (orig, resp) = (self.originator(), 1 - self.originator());
        let [low, high] = heads;
        let (head_orig, head_resp) = if orig == 0 { (low, high) } else { (high, low) };
        let transport = self.key.transport();
        Flow {
            id: flow_id(&self.key, self.start.as_nanos(), self.frame, profile.layer),
            transport,
            originator: self.key.end(orig),
            responder: self.key.end(resp),
            direction: Direction { basis: self.basis, confidence: self.confidence() },
            vlan: profile.vlan,
            input: profile.input,
            first_frame: self.frame,
            start: self.start,
            end: self.end,
            conn_state: if transport == Transport::Tcp {
                tcp::conn_state(&self.letters, orig)
            } else {
                tcp::datagram_state(self.packets[orig], self.packets[resp])
            },
            history: self.letters.history(orig, self.marks & TURNED != 0),
            orig: self.side(orig),
            resp: self.side(resp),
            head_orig,
            head_resp,
            icmp,
            syn: profile.hint(),
            attempts: self.attempts,
            one_sided: self.marks & UNSEEN_ACKED != 0 && (self.packets[0] == 0 || self.packets[1] == 0),
            carrier: self.marks & CARRIER != 0,
            ended,
        }
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
    !matches!(packet.role, Role::IcmpError { .. })
        && (packet.transport != Transport::Tcp
            || is_opening(packet)
            || packet.tcp.flags.has(TcpFlags::SYN) && !packet.tcp.flags.has(TcpFlags::ACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_record_stays_small() {
        assert_eq!(size_of::<Track<()>>(), 192);
        assert_eq!(size_of::<Track<[u8; 4]>>(), 200);
    }
}
