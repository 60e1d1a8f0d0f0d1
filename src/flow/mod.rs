//! Packets → flows: who opened, who answered, how it went, and the first bytes each side said.
//!
//! A [`Table`] belongs to one worker and holds the flows of its shards. The number of shards is fixed and a
//! flow's shard depends only on its addresses and ports, so what happens inside a shard (order, expiry,
//! eviction) is the same for any number of workers. What a table has to say leaves as [`Event`]s that carry
//! their place in the one order of the run ([`Order`]), so that events of several workers merge into the same
//! sequence every time.
//!
//! [`Endpoints`] remembers what an endpoint did across flows (who answers, who probes); it is fed in that
//! order.
//!
//! Invariants: nothing here reads a clock, looks at the meaning of payload, or grows without a configured
//! bound.

mod behaviour;
mod birth;
mod community;
mod config;
mod deadlines;
mod distinct;
mod endpoints;
mod event;
mod fuzz;
mod head;
mod heads;
mod index;
mod key;
mod keyed;
mod letters;
mod originator;
mod outcome;
mod prefetch;
mod record;

mod settle;
mod shard;
mod slab;
mod table;
mod tcp;
mod track;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;

pub use behaviour::{Habits, Knocks, Known, Listener, Manner, Reach, Sought};
pub use config::{Config, Counters, Timeouts};
pub use distinct::{Distinct, even, even_addr};
pub use endpoints::{Endpoints, EndpointsConfig, Ends};
pub use event::{Ears, Event, Keep, Opened, Order, Said, Told};
#[doc(hidden)]
pub use fuzz::fuzz;
pub use keyed::{Expected, Keyed};
pub use record::{
    Basis, ConnState, Direction, EndReason, Flow, Head, History, IcmpNote, Outcome, Side, State, SynHint,
};
pub use settle::{Hints, settle};
pub use table::{Living, Table};

/// Payload bytes kept per direction until they have been asked about.
pub const HEAD_BYTES_MAX: usize = 512;
/// Payload bytes kept per direction where [`Keep::More`] asked for them: two datagrams of 1,500 bytes.
pub const LONG_HEAD_BYTES_MAX: usize = 3072;
/// Shards of all tables together: the finest division of work, and the same for any number of workers.
pub const SHARDS: usize = 64;
/// Times a flow is heard at most.
pub const HEARINGS_MAX: u8 = 4;
/// Payload packets of one tapped flow handed on at most.
pub const SAID_MAX: u16 = 4096;
