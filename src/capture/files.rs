//! Capture files as one stream of frames, in the order of their first packets.
//!
//! A conversation may span rotated files, so files are sorted by the time of their first packet (files without one come
//! last, ties stay in the order given) and read one after the other. A damaged file is reported and left; the next one
//! is read all the same.
//!
//! Invariants: a burst holds frames of one input; frames are numbered before the filter sees them, so with one input
//! the number is the one Wireshark shows; a fill returns after [`BLOCKS_PER_FILL`] blocks even when no frame passed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::burst::Burst;
use super::filter::Filter;
use super::reader::{Reader, Step};
use super::specs::{self, Input};
use super::stream::{self, Stream};
use super::{Damage, Error, Filled, Loss, Progress, Source};
use crate::time::Timestamp;

/// Blocks read in one fill before it returns without a frame, so that a stop and a progress bar are served.
const BLOCKS_PER_FILL: usize = 64;
/// How long a fill waits for the first byte of standard input.
const STDIN_WAIT: Duration = Duration::from_millis(200);

/// A set of capture files.
pub struct Files {
    names: Vec<String>,
    /// Inputs still to be read, the next one last.
    waiting: Vec<Waiting>,
    current: Option<Current>,
    filter: Option<Filter>,
    damage: Vec<Damage>,
    /// Frames read so far, whether or not they passed the filter.
    number: u64,
    /// Bytes on disk of the inputs that are done.
    done: u64,
    total: u64,
    read: Arc<AtomicU64>,
}

/// An input whose turn has not come.
struct Waiting {
    input: Input,
    size: u64,
    index: u16,
    /// Pipes cannot be opened twice: what was read to learn their first time is kept.
    held: Option<Held>,
}

struct Held {
    reader: Reader,
    burst: Burst,
    step: Step,
}

/// The input that is being read.
struct Current {
    reader: Reader,
    /// The first block, when it has been read already.
    first: Option<(Burst, Step)>,
    index: u16,
    size: u64,
    frames: u64,
    /// Where its damage begins in the list.
    damage_from: usize,
}

impl Files {
    /// Finds and sorts the inputs; `specs` are files, directories, globs, or `-` for standard input.
    ///
    /// `filter` is a BPF expression: frames that do not match are read and numbered but not handed on.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when a specification names nothing that can be read, [`Error::Filter`] when the expression
    /// is wrong. What is wrong inside a file is [`Source::damage`].
    pub fn open(specs: &[String], filter: Option<&str>) -> Result<Self, Error> {
        let filter = filter.map(str::trim).filter(|text| !text.is_empty()).map(Filter::new).transpose()?;
        let inputs = specs::expand(specs)?;
        let read = Arc::new(AtomicU64::new(0));
        let sizes: Option<Vec<u64>> = inputs.iter().map(Input::size).collect();
        let total = sizes.map_or(0, |sizes| sizes.iter().sum());
        let mut waiting = sorted(inputs, &read);
        let mut names = Vec::with_capacity(waiting.len());
        for (index, next) in (0..=u16::MAX).zip(&mut waiting) {
            next.index = index;
            names.push(next.input.name.clone());
        }
        waiting.reverse();
        Ok(Self {
            names,
            waiting,
            current: None,
            filter,
            damage: Vec::new(),
            number: 0,
            done: 0,
            total,
            read,
        })
    }

    /// Opens the next input. Nothing when there is none; [`Step::Quiet`] when standard input has nothing to say yet.
    fn next(&mut self) -> Option<Step> {
        let next = self.waiting.pop()?;
        if next.held.is_none() && next.input.path.is_none() && !stream::stdin_ready(STDIN_WAIT) {
            self.waiting.push(next);
            return Some(Step::Quiet);
        }
        let damage_from = self.damage.len();
        let (index, size) = (next.index, next.size);
        let opened = match next.held {
            Some(held) => Ok((held.reader, Some((held.burst, held.step)))),
            None => open(next.input.path.as_deref(), &self.read).map(|reader| (reader, None)),
        };
        match opened {
            Ok((reader, first)) => {
                self.current = Some(Current { reader, first, index, size, frames: 0, damage_from });
            }
            Err(error) => {
                let what = format!("cannot be opened: {error}");
                self.damage.push(Damage { input: next.input.name, offset: 0, what, unreadable: true });
                self.finished(size);
            }
        }
        Some(Step::More)
    }

    /// Reads one block of the current input.
    fn block(&mut self, burst: &mut Burst) -> Step {
        let Some(current) = &mut self.current else { return Step::End };
        let step = match current.first.take() {
            Some((first, step)) => {
                burst.bytes = first.bytes;
                burst.places = first.places;
                step
            }
            None => current.reader.fill(burst),
        };
        let (index, before) = (current.index, self.number);
        self.hand_on(index, burst);
        self.report(index, self.number - before);
        if step == Step::End
            && let Some(done) = self.current.take()
        {
            if done.frames == 0 {
                self.damage.iter_mut().skip(done.damage_from).for_each(|damage| damage.unreadable = true);
            }
            self.finished(done.size);
        }
        step
    }

    /// Numbers the frames, leaves out those that do not pass, and moves the clock.
    fn hand_on(&mut self, index: u16, burst: &mut Burst) {
        let mut number = self.number;
        let mut places = std::mem::take(&mut burst.places);
        for place in &mut places {
            number += 1;
            place.number = number;
            place.input = index;
        }
        if let Some(filter) = &mut self.filter {
            let bytes = &burst.bytes;
            places.retain(|place| {
                let at = place.at as usize;
                filter.passes(place.link, bytes.get(at..at + place.len as usize).unwrap_or(&[]))
            });
        }
        self.number = number;
        burst.advance(places.iter().fold(Timestamp::MIN, |latest, place| latest.max(place.time)));
        burst.places = places;
    }

    /// Moves what was found in the last block to the list of damage.
    fn report(&mut self, index: u16, frames: u64) {
        let Some(current) = &mut self.current else { return };
        current.frames += frames;
        let name = self.names.get(usize::from(index)).map_or("", String::as_str);
        let refusals =
            self.filter.iter_mut().flat_map(|filter| filter.refusals.drain(..)).map(|what| (0, what));
        let findings = current.reader.findings.drain(..).map(|finding| (finding.offset, finding.what));
        for (offset, what) in findings.chain(refusals) {
            self.damage.push(Damage { input: name.into(), offset, what, unreadable: false });
        }
    }

    /// Counts an input as read to its end, however far it could be read.
    fn finished(&mut self, size: u64) {
        self.done += size;
        if self.total > 0 {
            self.read.store(self.done, Ordering::Relaxed);
        }
    }
}

impl Source for Files {
    fn fill(&mut self, burst: &mut Burst) -> Result<Filled, Error> {
        burst.places.clear();
        for _ in 0..BLOCKS_PER_FILL {
            let step = if self.current.is_some() {
                self.block(burst)
            } else {
                match self.next() {
                    Some(step) => step,
                    None => return Ok(Filled::End),
                }
            };
            if !burst.is_empty() {
                return Ok(Filled::Frames);
            }
            if step == Step::Quiet {
                break;
            }
        }
        Ok(Filled::Idle)
    }

    fn inputs(&self) -> &[String] {
        &self.names
    }

    fn damage(&self) -> &[Damage] {
        &self.damage
    }

    fn loss(&self) -> Loss {
        Loss::default()
    }

    fn progress(&self) -> Progress {
        let read = self.read.load(Ordering::Relaxed);
        Progress { read: if self.total > 0 { read.min(self.total) } else { read }, total: self.total }
    }
}

fn open(path: Option<&Path>, read: &Arc<AtomicU64>) -> io::Result<Reader> {
    let stream = match path {
        Some(path) => Stream::open(path, Arc::clone(read))?,
        None => Stream::stdin(Arc::clone(read))?,
    };
    Ok(Reader::new(stream))
}

/// Sorts the inputs by the time of their first packet. A single input is not looked at: a pipe would be waited for.
fn sorted(inputs: Vec<Input>, read: &Arc<AtomicU64>) -> Vec<Waiting> {
    let several = inputs.len() > 1;
    let waiting = inputs.into_iter().map(|input| {
        let size = input.size();
        let mut next = Waiting { input, size: size.unwrap_or(0), index: 0, held: None };
        if !several {
            return (Timestamp::MAX, next);
        }
        // Regular files are closed again: a directory may hold more of them than a process may have open.
        let counter = if size.is_some() { Arc::default() } else { Arc::clone(read) };
        let looked = look(&next.input, &counter);
        let first = looked.as_ref().and_then(|held| held.burst.places.first()).map(|place| place.time);
        next.held = looked.filter(|_| size.is_none());
        (first.unwrap_or(Timestamp::MAX), next)
    });
    let mut waiting: Vec<_> = waiting.collect();
    waiting.sort_by_key(|(first, _)| *first);
    waiting.into_iter().map(|(_, next)| next).collect()
}

/// Reads the first block of an input.
fn look(input: &Input, read: &Arc<AtomicU64>) -> Option<Held> {
    let mut reader = open(input.path.as_deref(), read).ok()?;
    let mut burst = Burst::new();
    let mut step = reader.fill(&mut burst);
    while step == Step::Quiet && burst.is_empty() {
        step = reader.fill(&mut burst);
    }
    Some(Held { reader, burst, step })
}
