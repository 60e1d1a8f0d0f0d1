//! Where lines go: standard output and files. A sink takes whole lines and never stalls who makes them for
//! longer than told.
//!
//! Each [`Target`] of the command line becomes one [`Lines`]: a bounded memory queue and a thread that
//! writes. Whoever sends pays for one copy into the queue; the disk or the pipe is the thread's business.
//! When the queue is full, a replay waits (everything is said) and a live run counts the line as lost
//! (capture goes on).
//!
//! Invariants: a line is in the output whole or not at all, except behind a pipe that broke in the middle of
//! it; what is not written is counted; trouble is said once when it begins and once when it ends, never per
//! line; a reader that went away is not trouble but the end. Nothing here knows what a line means. Other
//! kinds of sinks (sockets, HTTP, spools) join at `out::Out`: something that takes a block of whole lines
//! or says what it took.

#[allow(dead_code, reason = "its first receivers come with the next commits")]
mod courier;
#[allow(dead_code, reason = "its first receivers come with the next commits")]
mod deliver;
#[allow(dead_code, reason = "its first receivers come with the next commits")]
mod http;
mod lines;
mod out;
#[allow(dead_code, reason = "its first receivers come with the next commits")]
mod secret;
#[allow(dead_code, reason = "its first receivers come with the next commits")]
mod stream;
#[allow(dead_code, reason = "its first receivers come with the next commits")]
mod syslog;
mod target;
#[cfg(test)]
mod testing;
#[allow(dead_code, reason = "its first receivers come with the next commits")]
mod tls;
mod unsent;
mod url;

pub use lines::{Complain, Counters, Gone, Lines, Pace};
pub use target::{Format, Misspelt, Place, Target};
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
