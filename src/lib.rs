//! ghostport: a passive classifier that says which story the traffic on a port is.
//!
//! A port number alone is worth nothing: nine in ten registrations show no sign of use, and most of the
//! registered range was a range of client ports once. So evidence is weighed, and what comes out is a list of
//! stories with probabilities and with the facts for and against each.
//!
//! # The road
//! Packets travel from left to right. A room may import only from rooms to its left; `tests/arrows.rs` holds
//! the exact list and fails on an arrow that is not in it.
//!
//! ```text
//!  time · capture → wire → flow → (payload · registry · host) → evidence → verdict → bucket → rules → output · sink · pipeline · cli
//! ```
//!
//! | room | what it does | what it never does |
//! | --- | --- | --- |
//! | [`time`] | a moment of packet time, in nanoseconds | reads the wall clock |
//! | [`capture`] | files and interfaces in, bursts of frames out; owns the loss counters | decodes |
//! | [`wire`] | a frame becomes its packets, or one counted reason why not | panics, logs |
//! | [`flow`] | packets become flows: who opened, who answered, how it went | reads a clock or payload |
//! | [`payload`] | first bytes become a protocol or announced ports | judges by a port number |
//! | [`registry`] | what is claimed about a port, each claim with its source | judges |
//! | [`host`] | which local process listens on an endpoint | is asked per packet |
//! | [`evidence`] | a flow and what the rooms above say become facts, each checkable by hand | weighs |
//! | [`verdict`] | facts become stories ranked by probability; a pure function | does I/O |
//! | [`bucket`] | finished flows gathered under the responder's port | keeps state per flow |
//! | [`rules`] | which verdicts become alerts; what is suppressed or expected | computes evidence |
//! | [`output`] | verdicts and alerts become lines, tables and explanations | decides |
//! | [`sink`] | where lines go: files, sockets, receivers; the spool | holds up a live capture |
//! | [`pipeline`] | workers, queues, reload, shutdown: the whole road on one screen | knows a protocol |
//! | [`cli`] | arguments become a configuration; the subcommands | holds logic |
//!
//! # Data plane and control plane
//! The packet path is plain threads that run to completion: a worker reads, decodes and follows flows, one
//! thread judges, one writes the lines. (A replay with too few cores judges and writes on one thread, or does
//! everything on one. Several workers that replay share a reader: each decodes every burst and follows the
//! flows of its own shards. Live, each reads its own ring and follows all flows the kernel gives it.) Nothing
//! there is asynchronous, and per packet nothing is logged or shared; what is worth knowing is counted.
//! Signals, reload and statistics are the control plane.
//! Queues between them are bounded: when one is full, a replay waits and a live capture counts what it loses.
//!
//! # The same bytes every time
//! A flow's shard depends only on its addresses and ports, and the number of shards ([`flow::SHARDS`]) is
//! fixed, so whatever happens inside a shard is the same for any number of workers. Every event carries its
//! place in the run ([`flow::Order`]: packet clock, what caused it, frame, layer); sorting the events of all
//! workers by it gives one sequence, and a single judge hears it in that order. No timeout is measured by the
//! time of day.
//!
//! # Asked once
//! A flow keeps up to [`flow::HEAD_BYTES_MAX`] payload bytes of each side in a bounded pool. When it comes
//! due (enough was heard, refused, timed out, closed) `payload`, `registry` and `host` are asked, beside the
//! road and never per packet, and the bytes are let go. A handshake that is longer may be kept whole, up to
//! [`flow::LONG_HEAD_BYTES_MAX`], out of the same pool.
//!
//! # Hostile input
//! Any bytes are normal input: no panic, no unbounded memory, no silent loss. Rooms that read strangers'
//! bytes have a `fuzz` function beside them that states what must hold for any input; `tests/fuzz` and
//! `tests/hostile.rs` run them.

pub mod time;

pub mod capture;

pub mod wire;

pub mod flow;

pub mod payload;

pub mod registry;

pub mod host;

pub mod evidence;

pub mod verdict;

pub mod bucket;

pub mod rules;

pub mod output;

pub mod sink;

pub mod pipeline;

pub mod cli;
