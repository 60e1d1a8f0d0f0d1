//! ghostport: a passive classifier that says which story the traffic on a port is.
//!
//! # The road
//! Packets travel from left to right. A room may import only from rooms to its left; `tests/arrows.rs` holds
//! the exact list and fails on an arrow that is not in it.
//!
//! ```text
//!  time · capture → wire → flow → (payload · registry · host) → evidence → verdict → bucket → rules → output · sink · pipeline · cli
//! ```
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
