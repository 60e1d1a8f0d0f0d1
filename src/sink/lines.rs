//! A bounded queue of lines and the thread that writes them.
//!
//! The queue is one buffer behind one mutex. Who sends swaps a full one against it when it is empty, and the
//! writer swaps it whole against its own empty one, so lines cost at most a copy each and nothing else: no
//! allocation, no channel operation per line.

use std::fmt;
use std::io::ErrorKind;
use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::courier::Courier;
use super::deliver::{self, Deliver, Refused};
use super::dispatch::Dispatch;
use super::health::{Health, QUIET};
use super::left;
use super::out::{Out, Written};
use super::spool::{Appender, Spool};
use super::{Error, Place, Target};

/// Bytes waiting at most; as many again may be with the writer.
const QUEUE_BYTES_MAX: usize = 8 << 20;
/// A replay writes blocks of this size.
const BLOCK_BYTES: usize = 256 << 10;
/// What waits is written after this time, however little it is.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long a spool is emptied at the end of a run that was told no limit, without anything going out.
const DRAIN_PAUSE: Duration = Duration::from_secs(5);

/// What happens when lines come faster than they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Sending never waits: a line that finds the queue full is counted as lost. A write that fails is tried
    /// again until it succeeds. Lines are written at once.
    Live,
    /// Sending waits for room. What cannot be written is counted as lost; for a receiver that is away it
    /// waits. Lines are written in large blocks.
    Replay,
}

/// How lines are kept until they are where they belong.
#[derive(Clone, Debug)]
pub struct Keep {
    /// What happens when they come too fast.
    pub pace: Pace,
    /// A spool on disk, for outputs that go to a receiver; `None` for memory only.
    pub spool: Option<Spooling>,
}

/// Where spools are, and how large they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooling {
    /// Each output has a folder of its own in this one, which is made when it is not there.
    pub folder: PathBuf,
    /// Bytes on disk for each output; when they are used up, newer lines have to wait or are lost.
    pub limit: u64,
}

impl From<Pace> for Keep {
    fn from(pace: Pace) -> Self {
        Self { pace, spool: None }
    }
}

/// Who is told about trouble: once when it begins, once when it ends. Called on the writing thread, and by
/// who hands over.
pub type Complain = Arc<dyn Fn(&str) + Send + Sync>;

/// What became of the lines of one output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Lines handed over.
    pub sent: u64,
    /// Of those, lines that were not written and never will be.
    pub lost: u64,
    /// Lines in the spool, of former runs too: the receiver has them not yet.
    pub kept: u64,
}

/// The reader of the output went away (a broken pipe): nothing more can be written, and that is a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reader went away")]
pub struct Gone;

/// One output under way. Dropping it writes what waits.
pub struct Lines {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    dispatch: Option<Dispatch>,
    target: Target,
    pace: Pace,
    complain: Complain,
}

impl Lines {
    /// Opens the target and starts its thread.
    ///
    /// # Errors
    /// The file or the spool cannot be opened, or no thread can be started.
    pub fn open(target: &Target, keep: impl Into<Keep>, complain: Complain) -> Result<Self, Error> {
        let keep = keep.into();
        let health = || Health::new(target.name(), Complain::clone(&complain));
        let (out, dispatch) = match (deliver::receiver(&target.place)?, &keep.spool) {
            (Some(receiver), Some(spooling)) => {
                let (appender, dispatch) = open_spool(target, spooling, receiver, health())?;
                (Out::Spool(appender), Some(dispatch))
            }
            (Some(receiver), None) => (Out::Receiver(Courier::new(receiver)), None),
            (None, _) => (open_local(&target.place, keep.pace, &complain)?, None),
        };
        let shared = Arc::new(Shared::default());
        let writer = Writer { shared: Arc::clone(&shared), out, pace: keep.pace, health: health() };
        let writer = thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || writer.run())
            .map_err(Error::Stdout)?;
        Ok(Self { shared, writer: Some(writer), dispatch, target: target.clone(), pace: keep.pace, complain })
    }

    /// What it was opened for.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Hands over so many whole lines, each with its newline.
    ///
    /// # Errors
    /// The reader went away.
    pub fn send(&self, lines: &[u8], count: u64) -> Result<(), Gone> {
        self.swap(&mut lines.to_vec(), count)
    }

    /// The same, and leaves an empty buffer: the one in which nothing waits, or the one that came, copied.
    /// Who made the lines knows their number; counting newlines again was an eighth of a run with a line for
    /// every flow.
    ///
    /// # Errors
    /// The reader went away.
    pub fn swap(&self, lines: &mut Vec<u8>, count: u64) -> Result<(), Gone> {
        let done = self.accept(lines, count);
        lines.clear();
        done
    }

    fn accept(&self, lines: &mut Vec<u8>, count: u64) -> Result<(), Gone> {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\n"));
        debug_assert_eq!(self::count(lines), count);
        let mut state = self.shared.lock();
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
        if state.waiting.is_empty() {
            mem::swap(&mut state.waiting, lines);
        } else {
            state.waiting.extend_from_slice(lines);
        }
        state.waiting_lines += count;
        let enough = enough(self.pace);
        if before < enough && state.waiting.len() >= enough {
            self.shared.wake.notify_one();
        }
        Ok(())
    }

    /// Counts lines that were to be handed over and that nobody had the time to make; says so once a minute.
    pub fn lose(&self, count: u64, why: &str) {
        let mut state = self.shared.lock();
        state.counters.sent += count;
        state.counters.lost += count;
        state.trouble = Some(why.to_owned());
        let (lost, now) = (state.counters.lost, Instant::now());
        if state.quiet_until.is_none_or(|until| now >= until) {
            state.quiet_until = Some(now + QUIET);
            drop(state);
            (self.complain)(&format!("lines for {} are lost: {why}; {lost} so far", self.target.name()));
        }
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
    /// A receiver is connected to anew. Standard output stays as it is.
    pub fn reopen(&self) {
        if let Some(dispatch) = &self.dispatch {
            dispatch.reopen();
        }
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
        let mut counters = self.shared.lock().counters;
        if let Some(dispatch) = &self.dispatch {
            counters.lost += dispatch.losses().lines;
            counters.kept = dispatch.pending();
        }
        counters
    }

    /// Writes what waits and ends, however long that takes. What a receiver does not take from a spool stays
    /// there for the next run.
    ///
    /// # Errors
    /// Lines were lost. A reader that went away is no error.
    pub fn close(mut self) -> Result<Counters, Error> {
        self.end(None)
    }

    /// Like [`Lines::close`], and gives up after `patience`: what is not written then, or in a spool, counts
    /// as lost.
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
            counters.lost += state.waiting_lines + state.writing;
            state.given_up = true;
            self.shared.wake.notify_one();
        }
        let mut why = state.trouble.clone();
        drop(state);
        if let (Some(writer), true) = (self.writer.take(), done) {
            let _ = writer.join(); // it ends right after `done`
        }
        if let Some(mut dispatch) = self.dispatch.take() {
            let patience = deadline.map_or(DRAIN_PAUSE, |at| at.saturating_duration_since(Instant::now()));
            counters.kept = dispatch.drain(patience, self.pace == Pace::Replay);
            let losses = dispatch.losses();
            counters.lost += losses.lines;
            why = losses.why.or(why);
        }
        if counters.kept > 0 {
            (self.complain)(&format!(
                "{} lines for {} stay in the spool; the next run sends them first",
                counters.kept,
                self.target.name()
            ));
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

fn open_local(place: &Place, pace: Pace, complain: &Complain) -> Result<Out, Error> {
    match place {
        Place::File(path, rotation) => {
            Out::file(path, *rotation, pace == Pace::Live, Complain::clone(complain))
        }
        _ => Out::stdout(),
    }
}

fn open_spool(
    target: &Target,
    spooling: &Spooling,
    receiver: Box<dyn Deliver>,
    health: Health,
) -> Result<(Appender, Dispatch), Error> {
    let folder = spooling.folder.join(target.spool_name());
    let open = || {
        let (spool, found) = Spool::open(&folder, spooling.limit)?;
        left::sign(&folder, target);
        let appender = Appender::new(Arc::clone(&spool));
        Ok((appender, Dispatch::start(spool, found, receiver, health)?))
    };
    open().map_err(|why| Error::Spool { folder: folder.clone(), why })
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
    /// Lines in `waiting`.
    waiting_lines: u64,
    /// Lines in the block that is being written.
    writing: u64,
    counters: Counters,
    /// What the system said when writing failed last.
    trouble: Option<String>,
    /// Until then it is not said again that lines are lost for want of time.
    quiet_until: Option<Instant>,
    hurry: bool,
    reopen: bool,
    closing: bool,
    /// Nobody waits for what is left any more.
    given_up: bool,
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

/// In pieces that a byte can count, so that sixteen bytes are looked at in one go: a quarter of a run with
/// `--flows` went here.
fn count(lines: &[u8]) -> u64 {
    let pieces = lines.chunks(usize::from(u8::MAX));
    pieces.map(|piece| u64::from(piece.iter().map(|&byte| u8::from(byte == b'\n')).sum::<u8>())).sum()
}

/// The thread's half.
struct Writer {
    shared: Arc<Shared>,
    out: Out,
    pace: Pace,
    health: Health,
}

impl Writer {
    fn run(mut self) {
        let mut block = Vec::new();
        loop {
            let reopen = self.take(&mut block);
            if reopen && let Err(error) = self.out.reopen() {
                let name = self.health.name();
                self.health.say(&format!("cannot open {name} anew: {error}; writing to the old file"));
            }
            let (gone, settled) = self.write(&mut block);
            let is_ill = self.health.is_ill();
            let mut state = self.shared.lock();
            state.gone |= gone;
            state.writing =
                settled.map_or_else(|| count(&block), |settled| state.writing.saturating_sub(settled));
            let is_empty = block.is_empty() && state.waiting.is_empty();
            if (is_empty || is_ill || gone) && !state.reopen {
                state.hurry = false;
            }
            let gives_up = is_ill && !self.out.is_worth_waiting() || state.given_up;
            if gone || state.closing && (is_empty || gives_up) {
                state.counters.lost += mem::take(&mut state.writing) + mem::take(&mut state.waiting_lines);
                state.waiting.clear();
                (state.done, state.hurry) = (true, false);
                self.shared.changed.notify_all();
                return;
            }
            self.shared.changed.notify_all();
        }
    }

    /// Waits for something to do and takes what waits, unless there is still something left from before. True
    /// when a reopening was asked for.
    fn take(&self, block: &mut Vec<u8>) -> bool {
        let mut state = self.shared.lock();
        let pause = match (block.is_empty(), self.health.is_ill()) {
            (true, _) => PAUSE_MAX,
            (false, true) => self.out.pause(),
            (false, false) => Duration::ZERO,
        };
        let must_wait = !block.is_empty() && self.out.is_worth_waiting();
        let until = Instant::now() + pause;
        loop {
            let is_due = state.waiting.len() >= enough(self.pace) && block.is_empty();
            let ends = state.closing && !must_wait || state.given_up;
            if is_due || ends || state.reopen || state.hurry {
                break;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = wait_for(&self.shared.wake, state, left);
        }
        if block.is_empty() {
            mem::swap(&mut state.waiting, block);
            state.writing = mem::take(&mut state.waiting_lines);
            self.shared.changed.notify_all();
        }
        mem::take(&mut state.reopen)
    }

    /// Writes the block; says whether the reader is gone, and how many lines are settled, where that is
    /// known. What is to be tried again stays in the block.
    fn write(&mut self, block: &mut Vec<u8>) -> (bool, Option<u64>) {
        if block.is_empty() {
            return (false, None);
        }
        let Written { settled, refused, ended } = self.out.write(block);
        if let Some(Refused { count, why }) = refused {
            self.health.refused(&why);
            let mut state = self.shared.lock();
            state.counters.lost += count as u64;
            state.trouble = Some(why);
        }
        match ended {
            Ok(()) => {
                let shared = &self.shared;
                let standing = || format!("{} lines lost so far", shared.lock().counters.lost);
                self.health.well(self.out.deed(), standing);
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return (true, settled),
            Err(error) => self.failed(&error, block),
        }
        (false, settled)
    }

    fn failed(&mut self, error: &std::io::Error, block: &mut Vec<u8>) {
        let waits = self.out.is_worth_waiting();
        let mut state = self.shared.lock();
        state.trouble = Some(error.to_string());
        if self.pace == Pace::Replay && !waits {
            state.counters.lost += count(block);
            block.clear();
        }
        drop(state);
        let then = match (self.pace, waits) {
            (Pace::Live, _) => "keeping what fits into memory and trying again",
            (Pace::Replay, true) => "waiting and trying again",
            (Pace::Replay, false) => "lines are being lost; make room and run again",
        };
        self.health.trouble(self.out.deed(), &error.to_string(), then);
    }
}

#[cfg(test)]
mod tests;
