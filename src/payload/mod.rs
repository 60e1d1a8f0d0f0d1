//! First bytes → what is really spoken, blind to port numbers; and what control conversations announce.
//!
//! [`recognise()`] sees the first bytes of each side and nothing else: no address, no port. A port is never a
//! reason to believe a protocol here. [`announce()`] reads control conversations (endpoint mapper, FTP,
//! portmapper, SIP, RTSP and others) for the meeting places they name, [`Conversations`] what was said before
//! as far as that takes it; [`Announced`] remembers the places, bounded, by the packet clock.
//!
//! Invariants: no panic on any input; no allocation in `recognise`; no input but the bytes.

mod announce;
mod announced;
mod app;
mod bytes;
mod calls;
mod conversations;
mod crypto;
mod data;
mod details;
mod fuzz;
mod mail;
mod malware;
mod manage;
mod meeting;
mod names;
mod networks;
mod over_http;
mod peers;
mod plants;
mod recognise;
mod remote;
mod sign;
mod tools;
mod web;

#[cfg(test)]
mod noise_tests;
#[cfg(test)]
mod recognition_tests;
#[cfg(test)]
mod samples;

pub use announce::{MEETINGS_MAX, Speech, announce, goes_on, overhear, wants};
pub use announced::Announced;
pub use app::{App, AppProto, Sides, Strength};
pub use conversations::{Conversations, LAST_BYTES_MAX, TAIL_BYTES_MAX, Words};
pub use details::Details;
#[doc(hidden)]
pub use fuzz::fuzz;
pub use meeting::{Announcement, Meeting};
pub use recognise::{Carrier, Heard, listen, recognise};
