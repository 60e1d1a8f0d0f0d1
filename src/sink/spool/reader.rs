//! The reading end of a spool: gives what is not settled, again and again, until it is.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{MAGIC, Position, Spool, State, record};

/// Bytes read at a time; a record may be longer.
const READ_BYTES: u64 = 1 << 20;
/// How often the position is written down while lines go out without a pause.
const SAVE_EVERY: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(in crate::sink) struct Reader {
    spool: Arc<Spool>,
    /// The segment that is being read.
    file: Option<(u64, File)>,
    bytes: Vec<u8>,
    /// Where each line that was given ends.
    ends: VecDeque<u64>,
    saved: Instant,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink) enum Next {
    /// The lines in the block.
    Lines,
    /// Open the receiver anew.
    Reopen,
    /// Nothing more, ever.
    End,
    /// Records of a segment cannot be read: so many were given up.
    Damaged(u64),
}

impl Reader {
    /// The reading end of a spool; there must be one only.
    pub(in crate::sink) fn new(spool: Arc<Spool>) -> Self {
        Self { spool, file: None, bytes: Vec::new(), ends: VecDeque::new(), saved: Instant::now() }
    }

    /// Waits at least `pause` (for a receiver that needs it) and then until there is something to do. Fills
    /// the block with lines, each with its newline.
    pub(in crate::sink) fn next(&mut self, pause: Duration, block: &mut Vec<u8>) -> Next {
        block.clear();
        self.ends.clear();
        let until = Instant::now() + pause;
        let (at, readable) = {
            let spool = Arc::clone(&self.spool);
            let mut state = spool.lock();
            loop {
                if std::mem::take(&mut state.reopen) {
                    return Next::Reopen;
                }
                if state.stopped || state.closing && state.pending == 0 {
                    self.end(&mut state);
                    return Next::End;
                }
                let left = until.saturating_duration_since(Instant::now());
                let readable = self.advance(&mut state);
                self.file.take_if(|(number, _)| *number != state.at.segment);
                if left.is_zero() && readable > state.at.offset {
                    break (state.at, readable);
                }
                let left = if left.is_zero() { Duration::from_secs(3600) } else { left };
                state = spool.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        };
        match self.read(at, readable, block) {
            Ok(()) if !self.ends.is_empty() => Next::Lines,
            _ => Next::Damaged(self.give_up(at, readable)),
        }
    }

    /// So many of the lines that were given and not settled yet, from the front, are settled. False when the
    /// others are not to be delivered now.
    pub(in crate::sink) fn settle(&mut self, count: u64) -> bool {
        let spool = Arc::clone(&self.spool);
        let mut state = spool.lock();
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.ends.len());
        let Some(end) = self.ends.drain(..count).next_back() else { return !state.stopped };
        state.at.offset = end;
        state.pending = state.pending.saturating_sub(count as u64);
        state.settled += count as u64;
        self.advance(&mut state);
        if state.pending == 0 || self.saved.elapsed() >= SAVE_EVERY {
            spool.save(&mut state);
            self.saved = Instant::now();
        }
        spool.changed.notify_all();
        !state.stopped
    }

    /// Goes over to the next segment where one is read to its end, and deletes it. Gives the end of what can
    /// be read in the segment where we are.
    fn advance(&mut self, state: &mut State) -> u64 {
        loop {
            let here = state.at.segment;
            let readable = state.segments.get(&here).copied().unwrap_or(0);
            let newer = state.segments.range(here + 1..).next().map(|(&number, _)| number);
            match newer {
                Some(newer) if state.at.offset >= readable => {
                    state.at = Position::start(newer);
                    state.segments.remove(&here);
                    // What cannot be deleted now is deleted when the spool is opened next.
                    let _ = fs::remove_file(self.spool.segment(here));
                }
                _ => return readable,
            }
        }
    }

    fn read(&mut self, at: Position, readable: u64, block: &mut Vec<u8>) -> io::Result<()> {
        if self.file.as_ref().is_none_or(|(number, _)| *number != at.segment) {
            self.file = Some((at.segment, File::open(self.spool.segment(at.segment))?));
        }
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        file.seek(SeekFrom::Start(at.offset))?;
        self.bytes.clear();
        let there = readable - at.offset;
        file.take(READ_BYTES.min(there)).read_to_end(&mut self.bytes)?;
        if let Some(long) = record::bytes(&self.bytes).filter(|&long| long > READ_BYTES && long <= there) {
            file.take(long - READ_BYTES).read_to_end(&mut self.bytes)?;
        }
        let (mut rest, mut offset) = (self.bytes.as_slice(), at.offset);
        while let Some(line) = record::decode(rest) {
            block.extend_from_slice(line);
            block.push(b'\n');
            rest = &rest[record::HEADER_BYTES + line.len()..];
            offset += (record::HEADER_BYTES + line.len()) as u64;
            self.ends.push_back(offset);
        }
        Ok(())
    }

    /// A disk that does not give back what was written: the rest of the segment is skipped, and counted as
    /// far as the lengths tell.
    fn give_up(&self, at: Position, readable: u64) -> u64 {
        let mut state = self.spool.lock();
        let later: u64 = state
            .segments
            .range(at.segment + 1..)
            .filter_map(|(&number, _)| examine(&self.spool.segment(number), 0).ok())
            .map(|(lines, ..)| lines)
            .sum();
        let lost = state.pending.saturating_sub(later);
        state.pending = later;
        state.at.offset = readable;
        self.spool.changed.notify_all();
        lost
    }

    /// Leaves nothing behind that is not needed.
    fn end(&self, state: &mut State) {
        if state.pending == 0 {
            state.clear(&self.spool.folder);
        }
        self.spool.save(state);
    }
}

/// Looks through a segment from an offset on: whole records behind it, the end of the last whole record, and
/// the bytes behind that.
pub(super) fn examine(path: &Path, begin: u64) -> io::Result<(u64, u64, u64)> {
    let bytes = fs::read(path)?;
    if !bytes.starts_with(MAGIC) {
        return Ok((0, 0, bytes.len() as u64));
    }
    let (mut lines, mut good) = (0, MAGIC.len());
    while let Some(line) = record::decode(&bytes[good..]) {
        lines += u64::from(good as u64 >= begin);
        good += record::HEADER_BYTES + line.len();
    }
    Ok((lines, good as u64, (bytes.len() - good) as u64))
}
