//! Bytes in: capture files and live interfaces, handed on as bursts of frames. The first room of the road.
//!
//! Every source, whatever it reads, fills a [`Burst`]: one block of bytes and an index of the frames inside
//! it. Files are read in large blocks and their records indexed where they lie; live frames are copied once
//! out of the kernel's ring, which is our own or libpcap's. Nothing to the right of this room knows where
//! frames come from, so all of it runs without a network.
//!
//! Invariants: nothing here decodes a header; a frame is numbered once, from 1, in the order it is handed on,
//! over all inputs of a run; what is lost is counted ([`Loss`]) and what is damaged is said ([`Damage`]),
//! with the byte offset.

mod burst;
mod classic;
mod files;
mod filter;
mod fuzz;
mod handle;
mod interfaces;
mod live;
mod pcapng;
mod poll;
mod reader;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(test)]
mod sample;
mod specs;
mod stream;
mod unpack;
mod walk;
mod writer;

pub use burst::{Burst, Frame, LinkType};
pub use files::Files;
#[doc(hidden)]
pub use fuzz::fuzz;
pub use interfaces::{Interface, interfaces};
pub use live::{Live, LiveOptions, Through, ring_works};
pub use writer::PcapngWriter;

/// Where frames come from: an ordered set of capture files, or a set of live interfaces.
pub trait Source: Send {
    /// Clears `burst` and fills it with the next frames; the packet clock of the burst never runs backwards.
    ///
    /// # Errors
    /// Only what ends the run: an interface that went down, a read error. Damage inside a file is not an
    /// error: see [`Source::damage`].
    fn fill(&mut self, burst: &mut Burst) -> Result<Filled, Error>;

    /// Names of the inputs, indexed by [`Frame::input`]: file names as the user gave them, or interface
    /// names.
    fn inputs(&self) -> &[String];

    /// Everything found damaged so far, oldest first.
    fn damage(&self) -> &[Damage];

    /// What the kernel and the interfaces say they lost so far; zero for files.
    fn loss(&self) -> Loss;

    /// How far the input has been read, for a progress bar; total is zero when it is not known.
    fn progress(&self) -> Progress;
}

/// What [`Source::fill`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// At least one frame.
    Frames,
    /// No frame for now. Live: none within the poll interval, and the packet clock moved on nevertheless.
    /// Files: a quiet pipe, or many blocks in which none passed the filter; the clock stands still.
    Idle,
    /// The end of the last input.
    End,
}

/// One damaged place in one input. Everything before it, and where possible behind it, was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The input as the user named it.
    pub input: String,
    /// Byte offset of the damaged record in the (decompressed) stream.
    pub offset: u64,
    /// What is wrong there, in a few words.
    pub what: String,
    /// True when not a single frame could be read from this input: exit code 65 instead of 3.
    pub unreadable: bool,
}

/// Frames that never reached us, by who dropped them. Counted since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Frames that the kernel saw pass the filter.
    pub received: u64,
    /// Dropped by the kernel because our buffer was full.
    pub dropped_kernel: u64,
    /// Dropped by the interface or its driver.
    pub dropped_interface: u64,
    /// How often a ring was full, and the kernel waited for us to give a block back. 0 through libpcap.
    pub freezes: u64,
}

impl Loss {
    /// Adds another source's.
    pub fn add(&mut self, other: Self) {
        self.received += other.received;
        self.dropped_kernel += other.dropped_kernel;
        self.dropped_interface += other.dropped_interface;
        self.freezes += other.freezes;
    }
}

/// How far reading has come, in bytes of the files as they lie on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far.
    pub read: u64,
    /// Bytes in all inputs together; 0 when unknown (standard input, live).
    pub total: u64,
}

/// Why capturing cannot start or go on. Each message says what happened, where, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such file, or a glob or directory without a capture file.
    #[error("cannot read {input}: {why}")]
    Unreadable {
        /// The input as the user named it.
        input: String,
        /// What the system or the format check said, and what to do next.
        why: String,
    },
    /// The interface does not exist or cannot be watched.
    #[error("cannot watch {interface}: {why}")]
    Interface {
        /// Interface name.
        interface: String,
        /// What libpcap said, and what to do next.
        why: String,
    },
    /// The user may not capture.
    #[error("no permission to capture on {interface}: {why}")]
    Permission {
        /// Interface name.
        interface: String,
        /// What libpcap said, and what to do next.
        why: String,
    },
    /// The filter expression does not compile.
    #[error("the filter does not compile: {why}")]
    Filter {
        /// What libpcap said.
        why: String,
    },
}

/// What libpcap said, without the crate's words around it.
fn said(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}
