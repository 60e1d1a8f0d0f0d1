//! Frame bytes → packets: link layer, tunnels, IP, then the TCP, UDP or SCTP header, with etherparse.
//!
//! One frame gives one packet in the common case; a frame that carries a tunnel gives one packet for the
//! outer UDP flow (marked [`Role::Carrier`]) and one for each flow inside. What cannot be followed becomes
//! exactly one [`Skip`] reason, so `frames read = frames decoded + Σ skipped` holds at every moment.
//!
//! Invariants: nothing here allocates on the common path, panics, or logs, on any input. Fragments are the
//! one thing that needs memory across frames; it is bounded and runs by the packet clock.

mod decoder;
mod ether;
mod fragment;
mod fuzz;
mod icmp;
mod ip;
mod link;
mod packet;
mod radio;
#[cfg(test)]
mod samples;
mod scratch;
mod skip;
mod span;
pub mod text;
mod transport;
mod tunnel;
mod udp_tunnel;

pub use decoder::{Decoder, Limits};
#[doc(hidden)]
pub use fuzz::fuzz;
pub use packet::{Endpoint, Packet, Role, Tcp, TcpFlags, Transport, Vlan};
pub use scratch::Scratch;
pub use skip::{Skip, Skips};
