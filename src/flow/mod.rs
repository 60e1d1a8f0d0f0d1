//! Packets → flows: who opened, who answered, how it went, and the first bytes each side said.
//!
//! A [`Table`] belongs to one worker and holds the flows of its shards. The number of shards is fixed and a flow's shard
//! depends only on its addresses and ports, so what happens inside a shard (order, expiry, eviction) is the same for any
//! number of workers. What a table has to say leaves as [`Event`]s that carry their place in the one order of the run
//! ([`Order`]), so that events of several workers merge into the same sequence every time.
//!
//! [`Endpoints`] remembers what an endpoint did across flows (who answers, who probes); it is fed in that order.
//!
//! Invariants: nothing here reads a clock, looks at the meaning of payload, or grows without a configured bound.

mod behaviour;
mod event;
mod record;

pub use behaviour::{Knocks, Listener, Reach, Sought};
pub use event::{Event, Heard, Keep, Opened, Order, Said, Slot};
pub use record::{
    Basis, ConnState, Direction, EndReason, Flow, Head, History, IcmpNote, Outcome, Side, State, SynHint,
};

/// Payload bytes kept per direction until they have been asked about.
pub const HEAD_BYTES_MAX: usize = 512;
