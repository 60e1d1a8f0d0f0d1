//! What a table has to say, each thing with its place in the one order of the run.

use super::record::Flow;
use crate::time::Timestamp;
use crate::wire::{Endpoint, Transport};

/// The place of an event in the run. Sorting the events of all workers by it gives the same sequence for any number of
/// workers, because nothing in it depends on how flows were shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// The packet clock at which it happened: of the packet, or the deadline that passed.
    pub clock: Timestamp,
    /// 0: caused by a packet; 1: caused by a deadline (after all packets of that very time); 2: the end of the input.
    pub rank: u8,
    /// Rank 0: the frame; otherwise the flow's first frame.
    pub frame: u64,
    /// The layer that goes with it. Several events of one packet keep the order in which they were pushed.
    pub layer: u8,
}

/// Where a flow lives in its table, valid until the next packet is folded in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Shard number.
    pub shard: u16,
    /// Index inside the shard.
    pub index: u32,
}

/// One thing that happened to one flow. `N` is the note the caller keeps on a flow; the table never looks inside.
#[derive(Debug)]
pub enum Event<N> {
    /// The first packet of a flow.
    Opened(Opened),
    /// Enough was said to ask what it is. Asked at most a few times per flow.
    Heard(Heard),
    /// A flow under [`Keep::Tap`] carried payload.
    Said(Said<N>),
    /// The flow is finished; it is no longer in the table.
    Closed(Box<Flow>, N),
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
    /// True when the packet was a request (SYN or datagram), false when it was an answer (SYN-ACK, RST) or midstream.
    pub asks: bool,
}

/// Both sides have spoken, or one has said enough, or more has come since the last time.
#[derive(Debug)]
pub struct Heard {
    /// Where to put the answer, with [`super::Table::note`].
    pub slot: Slot,
    /// The flow so far, heads included.
    pub flow: Box<Flow>,
}

/// Payload of a tapped flow.
#[derive(Debug)]
pub struct Said<N> {
    /// Where the flow lives.
    pub slot: Slot,
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

/// What to do with the kept payload bytes after they were asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is decided: let the bytes go, ask no more.
    Release,
    /// Not decided: keep the bytes, gather more, ask again.
    Listen,
    /// It is decided, but what it says from now on is wanted packet by packet ([`Event::Said`]).
    Tap,
}
