//! One capture file while it is read: its stream, its format, and the partial record between two blocks.
//!
//! A block is read straight into the burst and its records are indexed there. Only the partial record at the
//! end of a block is copied, to the front of the next one.
//!
//! Invariants: `offset` is the place of the first byte that has not been indexed, in the decompressed stream;
//! a fill reads each byte once and leaves either a place for a whole record or a finding behind; memory stays
//! below the longest record plus one block.

use std::time::Duration;

use super::burst::Burst;
use super::stream::Stream;
use super::walk::{Found, Stop, Walk, Walker};

/// Bytes read into a burst at once.
const BLOCK: usize = 256 * 1024;
/// How long a pipe that is slower than we are is waited for, and how often in one fill: however steadily it
/// trickles, nobody is to wait for a verdict until a block is full.
const PIPE_WAIT: Duration = Duration::from_millis(50);
const PIPE_WAITS: usize = 4;

/// Something wrong at a byte of the decompressed stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) offset: u64,
    pub(super) what: String,
}

/// What a fill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to read.
    More,
    /// There may be more, but nothing came for a while.
    Quiet,
    /// This input is done.
    End,
}

/// How reading into a block ended.
enum Filling {
    Full,
    Quiet,
    End,
    Failed(String),
}

/// An open capture file.
pub(super) struct Reader {
    stream: Stream,
    walker: Option<Walker>,
    carry: Vec<u8>,
    /// Bytes that the record at the front needs.
    need: usize,
    offset: u64,
    found: Found,
    /// Damage found in the last fill.
    pub(super) findings: Vec<Finding>,
}

impl Reader {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            walker: None,
            carry: Vec::new(),
            need: 0,
            offset: 0,
            found: Found::default(),
            findings: Vec::new(),
        }
    }

    /// Fills the burst with the next block; numbers and inputs of the places are left at zero.
    ///
    /// Not to be called again after [`Step::End`].
    pub(super) fn fill(&mut self, burst: &mut Burst) -> Step {
        burst.restart(BLOCK.max(self.need));
        let have = self.carry.len();
        if let Some(front) = burst.bytes.get_mut(..have) {
            front.copy_from_slice(&self.carry);
        }
        let (filled, filling) = self.read(&mut burst.bytes, have);
        let block = burst.bytes.get(..filled).unwrap_or(&[]);
        std::mem::swap(&mut self.found.places, &mut burst.places);
        let walk = self.walk(block);
        std::mem::swap(&mut self.found.places, &mut burst.places);
        let rest = block.get(walk.consumed..).unwrap_or(&[]);
        self.carry.clear();
        self.carry.extend_from_slice(rest);
        self.settle(walk, filling)
    }

    /// Reads behind the first `at` bytes until the block is full, the input ends, or a pipe has nothing
    /// more in time.
    fn read(&mut self, block: &mut [u8], mut at: usize) -> (usize, Filling) {
        let mut waits = 0;
        while let Some(rest) = block.get_mut(at..).filter(|rest| !rest.is_empty()) {
            while !self.stream.ready(Duration::ZERO) {
                if waits == PIPE_WAITS {
                    return (at, Filling::Quiet);
                }
                waits += 1;
                if self.stream.ready(PIPE_WAIT) {
                    break;
                }
            }
            match self.stream.read(rest) {
                Ok(0) => return (at, Filling::End),
                Ok(length) => at += length,
                Err(what) => return (at, Filling::Failed(what)),
            }
        }
        (at, Filling::Full)
    }

    fn walk(&mut self, block: &[u8]) -> Walk {
        let stopped = |stop| Walk { consumed: 0, stop };
        if self.walker.is_none() {
            match Walker::recognise(block) {
                Ok(walker) => self.walker = walker,
                Err(what) => return stopped(Stop::Broken(what)),
            }
        }
        match &mut self.walker {
            Some(walker) => walker.walk(block, &mut self.found),
            None => stopped(Stop::More(4)),
        }
    }

    /// Turns what the walk and the reading came to into findings, and says whether there is more.
    fn settle(&mut self, walk: Walk, filling: Filling) -> Step {
        let start = self.offset;
        self.offset += walk.consumed as u64;
        let notes = self.found.notes.drain(..);
        self.findings.extend(notes.map(|(at, what)| Finding { offset: start + at as u64, what }));
        let need = match walk.stop {
            Stop::Broken(what) => return self.end(Some(what)),
            Stop::More(need) => need,
        };
        self.need = need;
        match filling {
            Filling::Full => Step::More,
            Filling::Quiet => Step::Quiet,
            Filling::Failed(what) => self.end(Some(what)),
            Filling::End if self.offset == 0 && self.carry.is_empty() => {
                self.end(Some("the file is empty".into()))
            }
            Filling::End if self.carry.is_empty() => self.end(None),
            Filling::End => {
                let left = self.carry.len();
                self.end(Some(format!("cut off: {left} bytes are left where at least {need} are needed")))
            }
        }
    }

    fn end(&mut self, what: Option<String>) -> Step {
        let offset = self.offset;
        self.findings.extend(what.map(|what| Finding { offset, what }));
        Step::End
    }
}
