//! One integration binary: one link, one place to look. Each module says what it guards; `support` is shared.
//!
//! Tests that need something the machine may not have (network namespaces, the shared captures) say aloud on
//! stderr that they skip and why; none is `#[ignore]`d, so nothing rots unseen.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on stops, and one that is skipped says so"
)]

mod aggregate;
mod arrows;
mod badinput;
mod captures;
mod cli;
mod formats;
mod halfopen;
mod hostile;
mod identity;
#[cfg(feature = "kafka")]
mod kafka;
mod licences;
mod live;
#[cfg(feature = "nats")]
mod nats;
mod options;
mod overload;
mod readme;
mod receivers;
mod registry;
mod scenarios;
mod schema;
mod shippers;
mod siem;
mod sinks;
mod support;
mod tidy;
mod why;
