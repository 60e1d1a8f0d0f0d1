//! Lines on disk until somebody has them: a folder of segment files that is written at one end and read at
//! the other.
//!
//! One output has one folder. Its writer appends records to the newest segment ([`Appender`]), its reader
//! ([`Reader`]) follows, and segments that are settled are deleted. A file `position` says where the next run
//! goes on; it is replaced by renaming, so it is old or new and never half.
//!
//! Invariants:
//! - What [`Appender::write`] took is read again, in order, by this run or the next, until it is settled:
//!   a process that is killed loses nothing that was taken. (The system writes to the disk when it likes: a
//!   power cut may cost the last seconds. It is not told to hurry: that takes seconds on a busy disk, and the
//!   lines that come meanwhile would not fit into memory, and be lost live, power cut or not.)
//! - A record that is not whole is never read. What a kill left half at an end is found when the folder is
//!   opened, cut off, and told.
//! - The segments never hold more than the limit, but for one segment's slack and a single line that is
//!   longer than everything. A full spool takes nothing: the *newest* lines have to wait or are lost, because
//!   what is there was promised to arrive, and because the beginning of a story is worth more than its
//!   repetition.
//! - One process at a time: the folder is locked as long as the spool lives.

mod reader;
mod record;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use reader::{Next, Reader};

use super::courier::records;

/// First bytes of a segment: what it is, and the version of the shape.
const MAGIC: &[u8; 8] = b"gpspool1";
/// A segment is closed when it is longer.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
/// A limit is at least this.
const LIMIT_MIN: u64 = 64 << 10;
/// Segments that a full spool consists of, at least: room comes back one segment at a time.
const SEGMENTS_MIN: u64 = 8;
/// Bytes encoded at a time, at most.
const CHUNK_BYTES: usize = 256 << 10;

/// A folder of lines, opened.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    limit: u64,
    state: Mutex<State>,
    changed: Condvar,
    owned: File,
}

/// What was there when a spool was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Lines of former runs that are not settled.
    pub(super) lines: u64,
    /// Bytes at the ends of segments that were no whole records, and are gone.
    pub(super) damaged_bytes: u64,
}

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    segment: u64,
    offset: u64,
}

#[derive(Debug)]
struct State {
    /// Bytes of each segment that can be read, the newest last.
    segments: BTreeMap<u64, u64>,
    /// Number of the next segment.
    next: u64,
    /// Before the first record that is not settled.
    at: Position,
    /// What `position` says.
    saved: Option<Position>,
    /// Records behind it.
    pending: u64,
    /// Records settled so far.
    settled: u64,
    /// No more lines come; the reader may end when it has read everything.
    closing: bool,
    /// The reader is to end.
    stopped: bool,
    /// The receiver is to be opened anew.
    reopen: bool,
}

impl Spool {
    /// Opens (or makes) the spool in a folder, with a limit in bytes.
    ///
    /// # Errors
    /// The folder cannot be used, or another process does.
    pub(super) fn open(folder: &Path, limit: u64) -> io::Result<(Arc<Self>, Found)> {
        make_private(folder)?;
        let owned = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"))?;
        owned.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(ErrorKind::WouldBlock, "another ghostport (or another output) uses it")
            }
            TryLockError::Error(error) => error,
        })?;
        let (state, found) = State::find(folder)?;
        let limit = limit.max(LIMIT_MIN);
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Ok((Arc::new(Self { folder: folder.to_owned(), limit, state, changed, owned }), found))
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lines that are not settled.
    pub(super) fn pending(&self) -> u64 {
        self.lock().pending
    }

    /// HUP: tells the reader.
    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.changed.notify_all();
    }

    /// No more lines come: waits until all are settled, or until `patience` has passed (with `by_progress`:
    /// since a line was settled last). Then the reader is stopped, and the position written. Gives the number
    /// of lines that stay.
    pub(super) fn drain(&self, patience: Duration, by_progress: bool) -> u64 {
        let mut state = self.lock();
        state.closing = true;
        self.changed.notify_all();
        let (mut since, mut settled) = (std::time::Instant::now(), state.settled);
        while state.pending > 0 && !state.stopped {
            if by_progress && state.settled > settled {
                (since, settled) = (std::time::Instant::now(), state.settled);
            }
            let left = patience.saturating_sub(since.elapsed());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.stopped = true;
        self.save(&mut state);
        self.changed.notify_all();
        state.pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn segment(&self, number: u64) -> PathBuf {
        segment(&self.folder, number)
    }

    /// Writes down where to go on. When that fails, some lines are delivered twice: no reason to stop.
    fn save(&self, state: &mut State) {
        if state.saved == Some(state.at) {
            return;
        }
        let new = self.folder.join("position.new");
        let text = format!("{} {}\n", state.at.segment, state.at.offset);
        if fs::write(&new, text).and_then(|()| fs::rename(&new, self.folder.join("position"))).is_ok() {
            state.saved = Some(state.at);
        }
    }
}

impl State {
    fn find(folder: &Path) -> io::Result<(Self, Found)> {
        let mut found = Found::default();
        let saved = fs::read_to_string(folder.join("position")).ok().and_then(|text| Position::read(&text));
        let from = saved.unwrap_or(Position { segment: 0, offset: 0 });
        let mut segments = BTreeMap::new();
        for number in segments_in(folder)? {
            let path = segment(folder, number);
            if number < from.segment {
                fs::remove_file(&path)?;
                continue;
            }
            let begin = if number == from.segment { from.offset } else { 0 };
            let (lines, good, damaged) = reader::examine(&path, begin)?;
            found.lines += lines;
            found.damaged_bytes += damaged;
            if damaged > 0 {
                OpenOptions::new().write(true).open(&path)?.set_len(good)?;
            }
            segments.insert(number, good);
        }
        let next = segments.last_key_value().map_or(from.segment, |(&last, _)| last.max(from.segment)) + 1;
        let at = match segments.first_key_value() {
            Some((&first, &good)) if first == from.segment => {
                Position { segment: first, offset: from.offset.clamp(MAGIC.len() as u64, good.max(8)) }
            }
            Some((&first, _)) => Position::start(first),
            None => Position::start(next),
        };
        let state = Self {
            segments,
            next,
            at,
            saved,
            pending: found.lines,
            settled: 0,
            closing: false,
            stopped: false,
            reopen: false,
        };
        Ok((state, found))
    }

    /// Deletes every segment, when nothing in them is needed any more.
    fn clear(&mut self, folder: &Path) {
        for (number, _) in std::mem::take(&mut self.segments) {
            // What cannot be deleted now is deleted when the spool is opened next.
            let _ = fs::remove_file(segment(folder, number));
        }
        self.at = Position::start(self.next);
    }

    fn bytes(&self) -> u64 {
        self.segments.values().sum()
    }
}

impl Position {
    const fn start(segment: u64) -> Self {
        Self { segment, offset: MAGIC.len() as u64 }
    }

    fn read(text: &str) -> Option<Self> {
        let (segment, offset) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Self { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
    }
}

/// The writing end.
#[derive(Debug)]
pub(super) struct Appender {
    spool: Arc<Spool>,
    /// The newest segment, its number and its length.
    file: Option<(File, u64, u64)>,
    chunk: Vec<u8>,
    /// About its size: as much as found room last.
    chunk_bytes: usize,
    /// The last attempt failed.
    is_ill: bool,
}

impl Appender {
    /// The writing end of a spool; there must be one only.
    pub(super) const fn new(spool: Arc<Spool>) -> Self {
        Self { spool, file: None, chunk: Vec::new(), chunk_bytes: CHUNK_BYTES, is_ill: false }
    }

    /// Takes the whole lines of a block; what could not be taken stays in it.
    ///
    /// # Errors
    /// The spool is full, or the disk has a problem.
    pub(super) fn write(&mut self, block: &mut Vec<u8>) -> io::Result<()> {
        let mut done = 0;
        let ended = loop {
            if done >= block.len() {
                break Ok(());
            }
            if self.is_ill {
                self.make_room();
            }
            let (taken, records) = self.encode(&block[done..]);
            let appended = self.append(records);
            self.is_ill = appended.is_err();
            if self.is_ill && records > 1 {
                self.chunk_bytes /= 2; // a part of it may fit
                continue;
            }
            if self.is_ill {
                break appended;
            }
            self.chunk_bytes = (self.chunk_bytes * 2).clamp(1, CHUNK_BYTES);
            done += taken;
        };
        block.drain(..done);
        ended
    }

    /// Fills the chunk; gives how many bytes of the block are in it, and how many lines.
    fn encode(&mut self, block: &[u8]) -> (usize, u64) {
        self.chunk.clear();
        let (mut taken, mut count) = (0, 0);
        for line in records(block) {
            record::encode(line, &mut self.chunk);
            taken += line.len() + 1;
            count += 1;
            if self.chunk.len() >= self.chunk_bytes {
                break;
            }
        }
        (taken.min(block.len()), count)
    }

    /// Appends the chunk; when that fails, as if nothing had happened.
    fn append(&mut self, records: u64) -> io::Result<()> {
        let added = self.chunk.len() as u64;
        {
            let state = self.spool.lock();
            let is_one_long_line = records == 1 && state.pending == 0;
            if !is_one_long_line && state.bytes() + added > self.spool.limit {
                return Err(io::Error::new(
                    ErrorKind::QuotaExceeded,
                    format!("the spool is full ({} lines wait)", state.pending),
                ));
            }
        }
        let is_long = |length: u64| length >= SEGMENT_BYTES_MAX.min(self.spool.limit / SEGMENTS_MIN);
        if self.file.as_ref().is_some_and(|(.., length)| is_long(*length)) {
            self.file = None;
        }
        let (mut file, number, length) = match self.file.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        if let Err(error) = file.write_all(&self.chunk) {
            // If not even this works, the reader does not look behind the length it knows, and the next run
            // cuts off what is half; this run goes on in another segment.
            if file.set_len(length).is_ok() {
                self.file = Some((file, number, length));
            }
            return Err(error);
        }
        let length = length + added;
        self.file = Some((file, number, length));
        let mut state = self.spool.lock();
        state.segments.insert(number, length);
        state.pending += records;
        drop(state);
        self.spool.changed.notify_all();
        Ok(())
    }

    /// Deletes what is settled also where it is the newest segment: on a full disk no newer one can be begun.
    fn make_room(&mut self) {
        let mut state = self.spool.lock();
        if state.pending == 0 {
            self.file = None;
            state.clear(&self.spool.folder);
            self.spool.changed.notify_all(); // the reader lets go of it, which frees its bytes
        }
    }

    fn begin(&self) -> io::Result<(File, u64, u64)> {
        let mut state = self.spool.lock();
        let number = state.next;
        let path = self.spool.segment(number);
        let mut file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        if let Err(error) = file.write_all(MAGIC) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        state.next += 1;
        state.segments.insert(number, MAGIC.len() as u64);
        Ok((file, number, MAGIC.len() as u64))
    }
}

/// Makes a folder that only we can look into: what was seen on a network is nobody else's business.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn segment(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.seg"))
}

/// Numbers of the segments in a folder, the oldest first.
fn segments_in(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".seg")?.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

impl Drop for Spool {
    /// Lets the folder go. Closing the file alone would leave the lock for a moment to a child that some
    /// other part of the process has forked and that is not another program yet.
    fn drop(&mut self) {
        // It ends with the process at the latest.
        let _ = self.owned.unlock();
    }
}

#[cfg(test)]
mod tests;
