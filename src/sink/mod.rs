//! Where lines go: standard output, files, sockets. A sink takes whole lines and never stalls who makes them
//! for longer than told.
//!
//! Each [`Target`] of the command line becomes one [`Lines`]: a bounded memory queue and a thread that
//! writes. Whoever sends pays for one copy into the queue; the disk or the receiver is the thread's business.
//! When the queue is full, a replay waits (everything is said) and a live run counts the line as lost
//! (capture goes on).
//!
//! ```text
//! Lines: queue → writer → Out ┬ stream, log (a file that is rotated)
//!                             ├ Courier → Deliver (a receiver, without a spool)
//!                             └ spool on disk → Dispatch: Courier → Deliver
//! ```
//!
//! With a spool every line goes through it, also while the receiver takes everything: so a process that is
//! killed loses only what was in the memory queue for the moment before.
//!
//! Invariants: a line is in the output whole or not at all, except behind a pipe that broke in the middle of
//! it; what is not written is counted; trouble is said once when it begins and once when it ends, never per
//! line; a reader that went away is not trouble but the end. Nothing here knows what a line means. Other
//! receivers join at `deliver::receiver`.

mod ahead;
mod broker;
mod courier;
mod deliver;
mod dispatch;
mod document;
mod filter;
mod health;
mod http;
#[cfg(feature = "kafka")]
mod kafka;
mod left;
mod lines;
mod log;
#[cfg(feature = "nats")]
mod nats;
mod out;
mod rotate;
mod secret;
mod spool;
mod stream;
mod syslog;
mod tail;
mod target;
#[cfg(test)]
mod testing;
mod tls;
mod unix;
mod unsent;
mod url;

#[doc = include_str!("receivers.md")]
pub mod receivers {}

pub use left::left_behind;
pub use lines::{Complain, Counters, Gone, Keep, Lines, Pace, Spooling};
pub use rotate::{Compress, Rotation, parse_size};
pub use target::{Format, Misspelt, Place, Target, split_specs};
pub use url::Remote;

use std::path::PathBuf;

/// Why an output cannot be opened, or did not get everything.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or made.
    #[error("cannot write to {}: {why}; name a file in a folder that can be written to", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The folder of a spool cannot be used.
    #[error("cannot use the spool {}: {why}", folder.display())]
    Spool {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// What a receiver needs beforehand, a certificate or a secret, cannot be read.
    #[error("cannot deliver to {name}: {why}")]
    Receiver {
        /// The output.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Standard output cannot be used, or no thread can be started.
    #[error("cannot write to standard output: {0}")]
    Stdout(std::io::Error),
    /// The run is over, and not every line was written.
    #[error("{lost} of {sent} lines were not written to {name}: {why}")]
    Lost {
        /// The output.
        name: String,
        /// Lines sent.
        sent: u64,
        /// Lines not written.
        lost: u64,
        /// What the system said last.
        why: String,
    },
}
