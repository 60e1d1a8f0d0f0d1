//! A bounded queue of lines and the thread that writes them.
//!
//! The queue is one buffer behind one mutex. The writer swaps it whole against its own empty one, so lines
//! cost a copy each and nothing else: no allocation, no channel operation per line.

use std::fmt;
use std::io::ErrorKind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::out::Out;
use super::{Error, Target};

/// Bytes waiting at most; as many again may be with the writer.
const QUEUE_BYTES_MAX: usize = 8 << 20;
/// A replay writes blocks of this size.
const BLOCK_BYTES: usize = 256 << 10;
/// What waits is written after this time, however little it is.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Between attempts while the disk is full.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// What happens when lines come faster than they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Sending never waits: a line that finds the queue full is counted as lost. A write that fails is tried
    /// again until it succeeds. Lines are written at once.
    Live,
    /// Sending waits for room. What cannot be written is counted as lost. Lines are written in large blocks.
    Replay,
}

/// Who is told about trouble: once when it begins, once when it ends. Called on the writing thread.
pub type Complain = Box<dyn Fn(&str) + Send>;

/// What became of the lines of one output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Lines handed over.
    pub sent: u64,
    /// Of those, lines that were not written and never will be.
    pub lost: u64,
}

/// The reader of the output went away (a broken pipe): nothing more can be written, and that is a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader went away")]
pub struct Gone;

/// One output under way. Dropping it writes what waits.
pub struct Lines {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    target: Target,
    pace: Pace,
}

impl Lines {
    /// Opens the target and starts its thread.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread can be started.
    pub fn open(target: &Target, pace: Pace, complain: Complain) -> Result<Self, Error> {
        let out = Out::open(target)?;
        let shared = Arc::new(Shared::default());
        let writer =
            Writer { shared: Arc::clone(&shared), out, pace, complain, name: target.name(), ill: false };
        let writer = thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || writer.run())
            .map_err(Error::Stdout)?;
        Ok(Self { shared, writer: Some(writer), target: target.clone(), pace })
    }

    /// What it was opened for.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Hands over one or more whole lines, each with its newline.
    ///
    /// # Errors
    /// The reader went away.
    pub fn send(&self, lines: &[u8]) -> Result<(), Gone> {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\n"));
        let mut state = self.shared.lock();
        let count = count(lines);
        state.counters.sent += count;
        while !state.gone && !state.waiting.is_empty() && state.waiting.len() + lines.len() > QUEUE_BYTES_MAX
        {
            if self.pace == Pace::Live {
                state.counters.lost += count;
                return Ok(());
            }
            state = wait(&self.shared.changed, state);
        }
        if state.gone {
            state.counters.lost += count;
            return Err(Gone);
        }
        let before = state.waiting.len();
        state.waiting.extend_from_slice(lines);
        let enough = enough(self.pace);
        if before < enough && state.waiting.len() >= enough {
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    /// Waits until everything sent so far is written, is lost, or cannot be written for now, and until a
    /// reopening that was asked for has been tried.
    pub fn flush(&self) {
        let mut state = self.shared.lock();
        state.hurry = true;
        self.shared.wake.notify_one();
        while state.hurry && !state.done {
            state = wait(&self.shared.changed, state);
        }
    }

    /// Opens a file anew, so that it can be rotated: lines sent before may go to either, none to both.
    /// Standard output stays as it is.
    pub fn reopen(&self) {
        self.shared.lock().reopen = true;
        self.shared.wake.notify_one();
    }

    /// True when the reader went away.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.shared.lock().gone
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters
    }

    /// Writes what waits and ends, however long that takes.
    ///
    /// # Errors
    /// Lines were lost. A reader that went away is no error.
    pub fn close(mut self) -> Result<Counters, Error> {
        self.end(None)
    }

    /// Like [`Lines::close`], and gives up after `patience`: what is not written then counts as lost.
    ///
    /// # Errors
    /// Lines were lost.
    pub fn close_within(mut self, patience: Duration) -> Result<Counters, Error> {
        self.end(Some(patience))
    }

    fn end(&mut self, patience: Option<Duration>) -> Result<Counters, Error> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut state = self.shared.lock();
        state.closing = true;
        self.shared.wake.notify_one();
        while !state.done {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => break,
                Some(left) => wait_for(&self.shared.changed, state, left),
                None => wait(&self.shared.changed, state),
            };
        }
        let mut counters = state.counters;
        let (done, gone) = (state.done, state.gone);
        if !done {
            counters.lost += count(&state.waiting) + state.writing;
        }
        let why = state.trouble.clone();
        drop(state);
        if let (Some(writer), true) = (self.writer.take(), done) {
            let _ = writer.join(); // it ends right after `done`
        }
        if counters.lost == 0 || gone {
            return Ok(counters);
        }
        let why = why.unwrap_or_else(|| {
            if done { "it was too slow" } else { "it did not take them in time" }.to_owned()
        });
        Err(Error::Lost { name: self.target.name(), sent: counters.sent, lost: counters.lost, why })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.writer.is_some() {
            let _ = self.end(None);
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("target", &self.target).field("counters", &self.counters()).finish()
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// The writer waits here for something to do.
    wake: Condvar,
    /// Everybody else waits here for the writer to have done something.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines in the block that is being written.
    writing: u64,
    counters: Counters,
    /// What the system said when writing failed last.
    trouble: Option<String>,
    hurry: bool,
    reopen: bool,
    closing: bool,
    gone: bool,
    done: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condvar.wait(state).unwrap_or_else(PoisonError::into_inner)
}

fn wait_for<'a>(condvar: &Condvar, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
    condvar.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
}

/// Bytes that are worth waking the writer for.
const fn enough(pace: Pace) -> usize {
    match pace {
        Pace::Live => 1,
        Pace::Replay => BLOCK_BYTES,
    }
}

fn count(lines: &[u8]) -> u64 {
    lines.iter().map(|&byte| u64::from(byte == b'\n')).sum()
}

/// The thread's half.
struct Writer {
    shared: Arc<Shared>,
    out: Out,
    pace: Pace,
    complain: Complain,
    name: String,
    /// True from the first failed write to the next good one.
    ill: bool,
}

impl Writer {
    fn run(mut self) {
        let mut block = Vec::new();
        loop {
            let (reopen, closing) = self.take(&mut block);
            if reopen && let Err(error) = self.out.reopen() {
                (self.complain)(&format!("cannot open {} anew: {error}; writing to the old file", self.name));
            }
            let gone = self.write(&mut block);
            let mut state = self.shared.lock();
            state.gone |= gone;
            state.writing = count(&block);
            let is_settled = block.is_empty() && state.waiting.is_empty() || self.ill || gone;
            if is_settled && !state.reopen {
                state.hurry = false;
            }
            if gone || closing && (state.waiting.is_empty() || self.ill) {
                state.counters.lost += std::mem::take(&mut state.writing) + count(&state.waiting);
                state.waiting.clear();
                (state.done, state.hurry) = (true, false);
                self.shared.changed.notify_all();
                return;
            }
            self.shared.changed.notify_all();
        }
    }

    /// Waits for something to do and takes what waits, unless there is still something left from before.
    fn take(&self, block: &mut Vec<u8>) -> (bool, bool) {
        let mut state = self.shared.lock();
        let pause = if block.is_empty() { PAUSE_MAX } else { RETRY_PAUSE };
        let until = Instant::now() + pause;
        loop {
            let is_due = state.waiting.len() >= enough(self.pace) && block.is_empty();
            if is_due || state.closing || state.reopen || state.hurry {
                break;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = wait_for(&self.shared.wake, state, left);
        }
        if block.is_empty() {
            std::mem::swap(&mut state.waiting, block);
            state.writing = count(block);
            self.shared.changed.notify_all();
        }
        (std::mem::take(&mut state.reopen), state.closing)
    }

    /// Writes the block; says whether the reader is gone. What is to be tried again stays in the block.
    fn write(&mut self, block: &mut Vec<u8>) -> bool {
        if block.is_empty() {
            return false;
        }
        match self.out.write(block) {
            Ok(()) => {
                if std::mem::take(&mut self.ill) {
                    let lost = self.shared.lock().counters.lost;
                    (self.complain)(&format!("writing to {} again; {lost} lines lost so far", self.name));
                }
                false
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => true,
            Err(error) => {
                self.failed(&error, block);
                false
            }
        }
    }

    fn failed(&mut self, error: &std::io::Error, block: &mut Vec<u8>) {
        let mut state = self.shared.lock();
        state.trouble = Some(error.to_string());
        if self.pace == Pace::Replay {
            state.counters.lost += count(block);
            block.clear();
        }
        drop(state);
        if !std::mem::replace(&mut self.ill, true) {
            let then = match self.pace {
                Pace::Live => "keeping what fits into memory and trying again",
                Pace::Replay => "lines are being lost; make room and run again",
            };
            (self.complain)(&format!("cannot write to {}: {error}; {then}", self.name));
        }
    }
}

#[cfg(test)]
mod tests;
