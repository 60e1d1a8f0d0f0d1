//! A flow as it is handed on: both directions of one 5-tuple, and everything that was seen of it.

use arrayvec::ArrayVec;
use std::net::{IpAddr, Ipv4Addr};

use crate::time::Timestamp;
use crate::wire::{Endpoint, Transport, Vlan};

/// A snapshot of one flow: while it lives (it has been heard) or when it is finished.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Identifier, below 2^53 so that it survives JSON readers with floating-point numbers; the same in every
    /// run.
    pub id: u64,
    /// Transport protocol.
    pub transport: Transport,
    /// Who opened.
    pub originator: Endpoint,
    /// Who was asked. The port a flow is about is the responder's.
    pub responder: Endpoint,
    /// How we know who opened, and how sure that is.
    pub direction: Direction,
    /// VLAN identifiers of the first packet.
    pub vlan: Vlan,
    /// Input (file or interface) of the first packet.
    pub input: u16,
    /// Number of the frame that carried the first packet.
    pub first_frame: u64,
    /// Time of the first packet.
    pub start: Timestamp,
    /// Time of the last packet.
    pub end: Timestamp,
    /// Zeek's summary of how the connection went.
    pub conn_state: ConnState,
    /// Zeek's letters in the order they were first seen.
    pub history: History,
    /// What the originator sent.
    pub orig: Side,
    /// What the responder sent.
    pub resp: Side,
    /// First payload bytes of the originator; empty when there were none or they were released.
    pub head_orig: Head,
    /// First payload bytes of the responder.
    pub head_resp: Head,
    /// The first ICMP error that quoted a packet of this flow.
    pub icmp: Option<IcmpNote>,
    /// The opening SYN's header values, when it was seen.
    pub syn: Option<SynHint>,
    /// Opening attempts: SYNs (or, without an answer, datagrams) the originator sent until it was answered.
    pub attempts: u16,
    /// True when packets show that one direction was not captured (acknowledgements of bytes nobody saw).
    pub one_sided: bool,
    /// True when it carried the outer packets of a tunnel.
    pub carrier: bool,
    /// Why it ended; `None` while it lives.
    pub ended: Option<EndReason>,
}

impl Flow {
    /// Of nothing: paper for a flow to be written on.
    pub(crate) fn blank() -> Self {
        let nobody = Endpoint::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Self {
            id: 0,
            transport: Transport::Tcp,
            originator: nobody,
            responder: nobody,
            direction: Direction { basis: Basis::FirstPacket, confidence: 0 },
            vlan: Vlan::default(),
            input: 0,
            first_frame: 0,
            start: Timestamp::MIN,
            end: Timestamp::MIN,
            conn_state: ConnState::Oth,
            history: History::default(),
            orig: Side::default(),
            resp: Side::default(),
            head_orig: Head::default(),
            head_resp: Head::default(),
            icmp: None,
            syn: None,
            attempts: 0,
            one_sided: false,
            carrier: false,
            ended: None,
        }
    }
}

/// How we know who the originator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// The evidence used.
    pub basis: Basis,
    /// How sure it is, in percent, 0 to 100.
    pub confidence: u8,
}

impl Direction {
    /// True when the packets of the opening said it: no hint changes that, so none needs to be gathered.
    #[must_use]
    pub const fn is_decided(self) -> bool {
        matches!(self.basis, Basis::Syn | Basis::SynAck)
    }

    /// True when neither the packets of the opening, nor an announcement, nor a known listener decided it.
    #[must_use]
    pub const fn is_guess(self) -> bool {
        matches!(self.basis, Basis::PortRange | Basis::FirstPacket)
    }
}

/// What decided who the originator is, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A SYN was seen; its sender is the originator.
    Syn,
    /// A SYN-ACK was seen; its receiver is the originator.
    SynAck,
    /// One end was announced as a meeting place by a control conversation.
    Announced,
    /// One end has answered others before.
    Listener,
    /// Only one of the two ports lies where servers live.
    PortRange,
    /// The sender of the first packet.
    FirstPacket,
}

impl Basis {
    /// Name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::SynAck => "syn_ack",
            Self::Announced => "announced",
            Self::Listener => "listener",
            Self::PortRange => "port_range",
            Self::FirstPacket => "first_packet",
        }
    }
}

/// Packets and bytes one side sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Packets.
    pub packets: u64,
    /// Bytes of whole frames on the wire.
    pub bytes: u64,
    /// Payload bytes above the transport header.
    pub payload_bytes: u64,
    /// All TCP control bits ever set, or-ed.
    pub tcp_flags: u8,
}

/// Zeek's `conn_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnState {
    /// Attempt seen, no reply.
    S0,
    /// Established, not terminated.
    S1,
    /// Normal establishment and termination.
    Sf,
    /// Attempt rejected.
    Rej,
    /// Established, close attempt by the originator seen, no reply from the responder.
    S2,
    /// Established, close attempt by the responder seen, no reply from the originator.
    S3,
    /// Established, originator aborted (sent a RST).
    Rsto,
    /// Responder sent a RST.
    Rstr,
    /// Originator sent a SYN followed by a RST, no SYN-ACK seen.
    Rstos0,
    /// Responder sent a SYN-ACK followed by a RST, no SYN seen.
    Rstrh,
    /// Originator sent a SYN followed by a FIN, no SYN-ACK seen ("half" open).
    Sh,
    /// Responder sent a SYN-ACK followed by a FIN, no SYN seen.
    Shr,
    /// No SYN seen, just midstream traffic.
    Oth,
}

impl ConnState {
    /// Zeek's spelling.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::S1 => "S1",
            Self::Sf => "SF",
            Self::Rej => "REJ",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::Rsto => "RSTO",
            Self::Rstr => "RSTR",
            Self::Rstos0 => "RSTOS0",
            Self::Rstrh => "RSTRH",
            Self::Sh => "SH",
            Self::Shr => "SHR",
            Self::Oth => "OTH",
        }
    }
}

/// Zeek's `history`: letters in the order they were first seen, upper case for the originator; `^` when the
/// direction was turned round. At most 24 letters are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    letters: [u8; Self::LETTERS_MAX],
    len: u8,
    /// The letters as a set. A verdict asks for some twenty, and looking for each was a twentieth of a scan.
    seen: u64,
}

impl History {
    /// Letters kept.
    pub const LETTERS_MAX: usize = 24;

    /// Of a SYN and nothing else.
    pub(super) const SYN: Self = {
        let mut letters = [0; Self::LETTERS_MAX];
        letters[0] = b'S';
        Self { letters, len: 1, seen: Self::bit(b'S') }
    };

    /// Adds an ASCII letter or `^`; the 25th and later ones are not kept.
    pub fn push(&mut self, letter: u8) {
        debug_assert!(letter.is_ascii_alphabetic() || letter == b'^');
        if let Some(place) = self.letters.get_mut(usize::from(self.len)) {
            *place = letter;
            self.len += 1;
            self.seen |= Self::bit(letter);
        }
    }

    /// True when the letter is there, in this case.
    #[must_use]
    pub const fn has(&self, letter: u8) -> bool {
        self.seen & Self::bit(letter) != 0
    }

    /// The low six bits of ASCII tell letters of both cases and `^` apart.
    const fn bit(letter: u8) -> u64 {
        1 << (letter & 0x3f)
    }

    /// The letters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.letters[..usize::from(self.len)]
    }

    /// The letters as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    /// The same history told from the other side: cases swapped, `^` in front.
    #[must_use]
    pub fn flipped(&self) -> Self {
        let mut flipped = Self::default();
        flipped.push(b'^');
        for &letter in self.as_bytes() {
            let swapped = if letter.is_ascii_uppercase() {
                letter.to_ascii_lowercase()
            } else {
                letter.to_ascii_uppercase()
            };
            flipped.push(swapped);
        }
        flipped
    }
}

/// First payload bytes of one side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The bytes: for TCP contiguous from the first byte seen; for UDP and SCTP the first datagram,
    /// or a later one once the first had been heard and said nothing, and under [`super::Keep::More`] those
    /// after it.
    pub bytes: Vec<u8>,
    /// False when the beginning of the conversation was not captured, so the bytes may start anywhere.
    pub from_start: bool,
}

impl Head {
    /// The first [`super::HEAD_BYTES_MAX`] bytes.
    #[must_use]
    pub fn first(&self) -> &[u8] {
        &self.bytes[..self.bytes.len().min(super::HEAD_BYTES_MAX)]
    }
}

/// An ICMP error that quoted a packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpNote {
    /// Who sent it.
    pub from: IpAddr,
    /// True for ICMPv6.
    pub v6: bool,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Frame that carried it.
    pub frame: u64,
}

impl IcmpNote {
    /// True when it says that the port, host, network or protocol cannot be reached or is forbidden (RFC 792
    /// type 3, RFC 4443 type 1), and not merely that a packet was too big (type 3 code 4).
    #[must_use]
    pub const fn refuses(&self) -> bool {
        if self.v6 { self.kind == 1 } else { self.kind == 3 && self.code != 4 }
    }
}

/// Header values of the opening SYN, for a hint at the originator's operating system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynHint {
    /// Time to live as received.
    pub ttl: u8,
    /// Receive window, unscaled.
    pub window: u16,
    /// TCP option kinds in order (RFC 9293 section 3.2), at most 12.
    pub options: ArrayVec<u8, 12>,
}

/// How the conversation went, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Handshake seen and both sides sent data.
    Established,
    /// Handshake, but not data from both sides.
    Opened,
    /// The responder, or ICMP on its behalf, said no.
    Refused,
    /// The originator asked and nothing came back.
    Unanswered,
    /// Opened, then torn down by a reset before both sides sent data.
    Reset,
    /// TCP whose opening was not seen.
    Midstream,
    /// Datagrams (or TCP without opening) in one direction only.
    OneWay,
    /// Datagrams in both directions.
    TwoWay,
}

impl Outcome {
    /// All outcomes, in output order.
    pub const ALL: [Self; 8] = [
        Self::Established,
        Self::Opened,
        Self::Refused,
        Self::Unanswered,
        Self::Reset,
        Self::Midstream,
        Self::OneWay,
        Self::TwoWay,
    ];

    /// Name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Opened => "opened",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::Reset => "reset",
            Self::Midstream => "midstream",
            Self::OneWay => "one_way",
            Self::TwoWay => "two_way",
        }
    }

    /// True when the responder answered with more than a refusal.
    #[must_use]
    pub const fn answered(self) -> bool {
        matches!(self, Self::Established | Self::Opened | Self::TwoWay)
    }
}

/// EVE's `flow.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Only one side has spoken.
    New,
    /// Both sides have.
    Established,
    /// Closed by FINs or a reset.
    Closed,
}

impl State {
    /// Name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Established => "established",
            Self::Closed => "closed",
        }
    }
}

/// EVE's `flow.reason`: why the record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Nothing came for the configured time, or it was closed and its linger time passed.
    Timeout,
    /// It was pushed out of a full table.
    Forced,
    /// The input ended.
    Shutdown,
    /// A new connection with the same addresses and ports began.
    TcpReuse,
}

impl EndReason {
    /// Name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Forced => "forced",
            Self::Shutdown => "shutdown",
            Self::TcpReuse => "tcp_reuse",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_flips_and_stays_within_its_bound() {
        let mut history = History::default();
        for letter in *b"ShADd" {
            history.push(letter);
        }
        assert_eq!(history.as_str(), "ShADd");
        assert!(history.has(b'd') && !history.has(b'F'));
        assert_eq!(history.flipped().as_str(), "^sHadD");
        for _ in 0..100 {
            history.push(b'T');
        }
        assert_eq!(history.as_bytes().len(), History::LETTERS_MAX);
        assert_eq!(history.flipped().as_bytes().len(), History::LETTERS_MAX);
    }
}
