//! What a flow comes to: the outcome in one word, EVE's state, and the same flow told from the other side.

use super::{ConnState, Direction, EndReason, Flow, Manner, Outcome, State};
use crate::wire::{TcpFlags, Transport};

/// Packets of a stray: a probe and a few repetitions.
const STRAY_PACKETS_MAX: u64 = 3;

impl Flow {
    /// How the conversation went.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let (asked, answered) = (self.orig.packets > 0, self.resp.packets > 0);
        if self.is_refused_by_icmp() && !answered {
            return Outcome::Refused;
        }
        match self.transport {
            Transport::Tcp if self.asked() => self.asked_outcome(),
            Transport::Tcp => self.unasked_outcome(),
            Transport::Udp | Transport::Sctp if asked && answered => Outcome::TwoWay,
            Transport::Udp | Transport::Sctp => Outcome::OneWay,
        }
    }

    /// EVE's `flow.state`.
    #[must_use]
    pub fn state(&self) -> State {
        let closed = self.transport == Transport::Tcp
            && (self.history.has(b'R')
                || self.history.has(b'r')
                || self.history.has(b'F') && self.history.has(b'f'));
        match (self.orig.packets > 0, self.resp.packets > 0) {
            _ if closed => State::Closed,
            (true, true) => State::Established,
            _ => State::New,
        }
    }

    /// True when the originator's request was seen: its SYN, or for other transports a datagram.
    #[must_use]
    pub fn asked(&self) -> bool {
        match self.transport {
            Transport::Tcp => self.history.has(b'S'),
            Transport::Udp | Transport::Sctp => self.orig.packets > 0,
        }
    }

    /// True when the responder said yes: a SYN-ACK or more over TCP, any datagram otherwise.
    #[must_use]
    pub fn answered(&self) -> bool {
        match self.transport {
            Transport::Tcp => b"hadfs".iter().any(|&letter| self.history.has(letter)),
            Transport::Udp | Transport::Sctp => self.resp.packets > 0,
        }
    }

    /// True when all there is of it are up to three bare TCP segments that opened nothing, and at most resets
    /// in return: what ACK, FIN and similar scans look like, and now and then the end of a connection.
    #[must_use]
    pub fn is_stray(&self) -> bool {
        let (sent, returned) = (TcpFlags(self.orig.tcp_flags), TcpFlags(self.resp.tcp_flags));
        self.transport == Transport::Tcp
            && (1..=STRAY_PACKETS_MAX).contains(&self.orig.packets)
            && !sent.any(TcpFlags::SYN | TcpFlags::RST)
            && self.orig.payload_bytes == 0
            && self.resp.payload_bytes == 0
            && (self.resp.packets == 0
                || returned.has(TcpFlags::RST) && !returned.any(TcpFlags::SYN | TcpFlags::FIN))
    }

    /// The manner in which its originator began, and what came of it; nothing when it is an answer or ICMP's
    /// word alone.
    #[must_use]
    pub fn attempt(&self) -> Option<(Manner, Outcome)> {
        if self.asked() {
            return Some((Manner::Asks, self.outcome()));
        }
        if !self.is_stray() {
            return (self.transport == Transport::Tcp).then_some((Manner::Strays, Outcome::Midstream));
        }
        let is_refused = self.resp.packets > 0 || self.is_refused_by_icmp();
        Some((Manner::Strays, if is_refused { Outcome::Refused } else { Outcome::Unanswered }))
    }

    /// True when the responder was ready to open and the originator did not go on.
    #[must_use]
    pub fn is_half_open(&self) -> bool {
        let went_on = b"ADF".iter().any(|&letter| self.history.has(letter));
        self.transport == Transport::Tcp && self.history.has(b'S') && self.history.has(b'h') && !went_on
    }

    /// True when an ICMP error said that the responder cannot be reached.
    #[must_use]
    pub fn is_refused_by_icmp(&self) -> bool {
        self.icmp.is_some_and(|note| note.refuses())
    }

    /// True when it is over: it has ended for another reason than the end of the input.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended.is_some_and(|reason| reason != EndReason::Shutdown)
    }

    /// Turns the flow round: the originator becomes the responder.
    pub fn flip(&mut self, direction: Direction) {
        std::mem::swap(&mut self.originator, &mut self.responder);
        std::mem::swap(&mut self.orig, &mut self.resp);
        std::mem::swap(&mut self.head_orig, &mut self.head_resp);
        self.history = self.history.flipped();
        self.conn_state = match self.conn_state {
            ConnState::S0 => ConnState::Shr,
            ConnState::Shr if self.transport != Transport::Tcp => ConnState::S0,
            ConnState::S2 => ConnState::S3,
            ConnState::S3 => ConnState::S2,
            ConnState::Rsto => ConnState::Rstr,
            ConnState::Rstr => ConnState::Rsto,
            ConnState::Rstos0 => ConnState::Rstrh,
            ConnState::Rstrh => ConnState::Rstos0,
            ConnState::Sh => ConnState::Shr,
            ConnState::Shr => ConnState::Sh,
            same => same,
        };
        self.direction = direction;
    }

    /// The opening was seen from its SYN on.
    fn asked_outcome(&self) -> Outcome {
        if self.answered() {
            return self.opened_outcome();
        }
        if self.history.has(b'r') {
            return Outcome::Refused;
        }
        if self.resp.packets == 0 && self.one_sided { Outcome::OneWay } else { Outcome::Unanswered }
    }

    /// The SYN was not seen.
    fn unasked_outcome(&self) -> Outcome {
        let both = self.orig.packets > 0 && self.resp.packets > 0;
        let first = self.history.as_bytes().iter().find(|&&letter| letter != b'^').copied();
        if self.history.has(b'h') && both {
            return self.opened_outcome();
        }
        match first {
            Some(b'R' | b'r') => Outcome::Reset,
            _ if both => Outcome::Midstream,
            _ => Outcome::OneWay,
        }
    }

    /// Both sides took part from the opening on.
    fn opened_outcome(&self) -> Outcome {
        let both_data = self.orig.payload_bytes > 0 && self.resp.payload_bytes > 0;
        match (both_data, self.history.has(b'R') || self.history.has(b'r')) {
            (true, _) => Outcome::Established,
            (false, true) => Outcome::Reset,
            (false, false) => Outcome::Opened,
        }
    }
}
