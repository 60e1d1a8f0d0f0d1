//! What a table has to say, each thing with its place in the one order of the run.

use std::net::IpAddr;
use std::ops::{Deref, DerefMut};

use super::record::Flow;
use super::track::asks;
use super::{Manner, Outcome};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Packet, Role, TcpFlags, Transport};

/// The place of an event in the run. Sorting the events of all workers by it gives the same sequence for any
/// number of workers, because nothing in it depends on how flows were shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// The packet clock at which it happened: of the packet, or the deadline that passed.
    pub clock: Timestamp,
    /// 0: caused by a packet; 1: caused by a deadline (after all packets of that very time); 2: the end of
    /// the input.
    pub rank: u8,
    /// Rank 0: the frame; otherwise the flow's first frame.
    pub frame: u64,
    /// The layer that goes with it. Several events of one packet keep the order in which they were pushed.
    pub layer: u8,
}

impl Order {
    /// The rank of what the end of the input caused.
    pub const END: u8 = 2;

    /// Of what a deadline caused.
    pub(super) const fn due(deadline: Timestamp, frame: u64, layer: u8) -> Self {
        Self { clock: deadline, rank: 1, frame, layer }
    }
}

/// One thing that happened to one flow. `N` is the note the caller keeps on a flow, `D` what it adds to an
/// event before it hands that on; the table never looks inside.
#[derive(Debug)]
pub enum Event<N, D = ()> {
    /// The first packet of a flow.
    Opened(Opened),
    /// Enough was said to ask what it is, and this was the answer. The flow so far, heads included. At most
    /// [`super::HEARINGS_MAX`] per flow.
    Heard(Box<Flow>, N, D),
    /// A flow under [`Keep::Tap`] carried payload that is wanted, or a datagram was overheard.
    /// Boxed, because it is rare and twice as large as the others, which are moved about by the million.
    Said(Box<Said<N>>),
    /// The flow is finished; it is no longer in the table.
    Closed(Box<Flow>, N, D),
    /// The input ended, and of a flow of this originator nothing better came. Told of all flows before the
    /// first of them is [`Event::Closed`].
    Ended(IpAddr, Manner, Outcome),
}

/// What a table pushes to: what happened, and memory of flows that were told before. Allocating each flow on
/// one thread and freeing it on another took longer than filling it.
#[derive(Debug)]
pub struct Told<N, D = ()> {
    events: Vec<(Order, Event<N, D>)>,
    #[expect(clippy::vec_box, reason = "what is kept is the memory behind the box")]
    spare: Vec<Box<Flow>>,
}

impl<N, D> Default for Told<N, D> {
    fn default() -> Self {
        Self { events: Vec::new(), spare: Vec::new() }
    }
}

impl<N, D> Deref for Told<N, D> {
    type Target = Vec<(Order, Event<N, D>)>;

    fn deref(&self) -> &Self::Target {
        &self.events
    }
}

impl<N, D> DerefMut for Told<N, D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.events
    }
}

impl<N, D> Told<N, D> {
    /// How many flows can be told without new memory.
    #[must_use]
    pub const fn spare(&self) -> usize {
        self.spare.len()
    }

    /// Takes flows that nobody needs any more.
    pub fn reuse(&mut self, flows: Vec<Box<Flow>>) {
        if self.spare.is_empty() {
            self.spare = flows;
        } else {
            self.spare.extend(flows);
        }
    }

    /// A flow in memory of its own, written over one that was told before. `write` leaves nothing of that.
    pub(super) fn flow(&mut self, write: impl FnOnce(&mut Flow)) -> Box<Flow> {
        let mut flow = self.spare.pop().unwrap_or_else(|| Box::new(Flow::blank()));
        write(&mut flow);
        flow
    }
}

/// The first packet of a flow, by the direction known then.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Transport protocol.
    pub transport: Transport,
    /// Sender of the first packet (receiver, when that was a SYN-ACK).
    pub originator: Endpoint,
    /// The other end.
    pub responder: Endpoint,
    /// Time of the packet.
    pub time: Timestamp,
    /// True when the packet was a request (SYN or datagram), false when it was an answer (SYN-ACK, RST) or
    /// midstream.
    pub asks: bool,
    /// True when it was a bare TCP segment: neither SYN nor reset, and no payload.
    pub bare: bool,
}

impl Opened {
    /// The opening by a flow's first packet.
    pub(super) fn by(packet: &Packet<'_>) -> Self {
        let is_icmp = matches!(packet.role, Role::IcmpError { .. });
        let answers = !is_icmp && packet.tcp.flags.has(TcpFlags::SYN | TcpFlags::ACK);
        let (originator, responder) =
            if answers { (packet.dst, packet.src) } else { (packet.src, packet.dst) };
        let bare = packet.transport == Transport::Tcp
            && !is_icmp
            && packet.payload_len == 0
            && !packet.tcp.flags.any(TcpFlags::SYN | TcpFlags::RST);
        let (transport, time, asks) = (packet.transport, packet.time, asks(packet));
        Self { transport, originator, responder, time, asks, bare }
    }
}

/// Payload of a tapped flow, or a datagram that was overheard.
#[derive(Debug)]
pub struct Said<N> {
    /// What was noted on the flow.
    pub note: N,
    /// Transport protocol.
    pub transport: Transport,
    /// Who sent these bytes.
    pub speaker: Endpoint,
    /// Who received them.
    pub listener: Endpoint,
    /// True when the speaker is the originator, by the direction known now.
    pub from_originator: bool,
    /// Frame number.
    pub frame: u64,
    /// Time of the packet.
    pub time: Timestamp,
    /// The payload, at most [`Said::BYTES_MAX`] of it.
    pub bytes: Box<[u8]>,
}

impl<N> Said<N> {
    /// Payload bytes handed on per packet.
    pub const BYTES_MAX: usize = 2048;
}

/// Whoever understands payload: asked the moment a flow is due, so that the answer counts from its next
/// packet on.
pub trait Ears<N> {
    /// Looks at the flow's heads; the note is kept on the flow and handed back with its later events.
    fn hear(&mut self, flow: &Flow) -> (N, Keep);

    /// A datagram of a flow that is not decided yet: a note when it is wanted as [`Event::Said`] now, because
    /// what it says must not wait until the flow is due (nobody may ever answer). Asked for every datagram
    /// until then, so it has to be quick.
    fn overhear(&mut self, _datagram: &[u8]) -> Option<N> {
        None
    }

    /// False for payload of a tapped flow with this note that is of no use: it is neither handed on nor
    /// counted. Asked for every packet with payload, so it has to be quick.
    fn wants(&mut self, _note: N, _payload: &[u8]) -> bool {
        true
    }
}

/// What to do with the kept payload bytes after they were asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is decided: let the bytes go, ask no more.
    Release,
    /// Not decided: keep the bytes, gather more, ask again.
    Listen,
    /// It is decided, but not all is there that is wanted: keep the bytes, let full heads grow until each
    /// holds so many (at most [`super::LONG_HEAD_BYTES_MAX`]; later datagrams stand behind the first), ask
    /// again. Asked again at once when a head grew, since the packet at hand may hold the rest. After the
    /// last hearing, and when the pool is at its bound, this is [`Keep::Release`].
    More(usize),
    /// It is decided, but what it says from its next payload packet on is wanted ([`Event::Said`]); the kept
    /// bytes go.
    Tap,
}
