//! One integration binary: one link, one place to look. Each module says what it guards; `support` is shared.
//!
//! Tests that need something the machine may not have (network namespaces, the shared captures) say aloud on
//! stderr that they skip and why; none is `#[ignore]`d, so nothing rots unseen.

mod arrows;
mod badinput;
mod captures;
mod cli;
mod formats;
mod identity;
mod licences;
mod live;
mod readme;
mod scenarios;
mod schema;
mod support;
mod tidy;
