//! First bytes → what is really spoken, blind to port numbers; and what control conversations announce.
//!
//! [`recognise`] sees the first bytes of each side and nothing else: no address, no port. A port is never a reason to
//! believe a protocol here. [`announce`] reads control conversations (endpoint mapper, FTP, portmapper, SIP, RTSP) for the
//! meeting places they name; [`Announced`] remembers those, bounded, by the packet clock.
//!
//! Invariants: no panic on any input; no allocation in `recognise`; no input but the bytes.

mod app;
mod bytes;
mod calls;
mod crypto;
mod mail;
mod meeting;
mod names;
mod recognise;
mod sign;
mod web;

#[cfg(test)]
mod recognition_tests;
#[cfg(test)]
mod samples;

pub use app::{App, AppProto, Sides, Strength};
pub use meeting::{Announcement, Meeting};
pub use recognise::{Carrier, Heard, listen, recognise};
