//! Decompression on a thread of its own, so that reading costs as much as decompressing or as following the
//! frames, whichever takes longer, and not the sum.
//!
//! Blocks of decompressed bytes go through a bounded queue and come back empty to be filled again. The first
//! block of a regular file is decompressed by whoever asks: looking at the beginnings of many files starts no
//! thread.
//!
//! Invariants: the bytes, and the error behind them, are those of the decoder alone, whatever the threads do;
//! at most [`BLOCKS`] blocks exist; dropping an [`Unpacker`] ends its thread before it returns.

use std::io::{self, Read};
use std::panic;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// Bytes asked from a decoder at once. A decoder that fails forgets what it wrote in the same call, so this
/// is also the most that can be lost before corrupt data.
const DECODED_CHUNK: usize = 4096;
/// Bytes of a block.
const BLOCK: usize = 256 * 1024;
/// Blocks of one input: one that is filled, one that is read, the others wait.
const BLOCKS: usize = 6;

/// What decompresses.
pub(super) type Decoder = Box<dyn Read + Send>;

/// What the thread hands on; nothing follows [`Piece::Last`].
enum Piece {
    Bytes(Vec<u8>),
    /// The end, or what went wrong there.
    Last(io::Result<()>),
}

/// The decompressed bytes of one input.
pub(super) struct Unpacker {
    origin: Origin,
    /// The block that is being read, and how far.
    block: Vec<u8>,
    at: usize,
}

/// Where the bytes come from.
enum Origin {
    /// The decoder, while this many bytes may be decompressed without a thread.
    Here(Decoder, usize),
    Thread(Ahead),
    /// Nothing more comes, but perhaps an error is still to be said.
    Over(io::Result<()>),
}

impl Unpacker {
    /// Takes a decoder. `live`: its input is a pipe, which may stay quiet for long: what it gives is handed
    /// on as it comes, by a thread from the beginning.
    pub(super) fn new(decoder: Decoder, live: bool) -> Self {
        let origin = if live { Ahead::start(decoder, true) } else { Origin::Here(decoder, BLOCK) };
        Self { origin, block: Vec::new(), at: 0 }
    }

    /// Waits until there is something to read; false when nothing came.
    pub(super) fn ready(&mut self, timeout: Duration) -> bool {
        match &self.origin {
            Origin::Thread(ahead) if self.at == self.block.len() => {
                let piece = ahead.full.recv_timeout(timeout);
                if let Err(RecvTimeoutError::Timeout) = piece {
                    return false;
                }
                self.turn(piece.ok());
                true
            }
            _ => true,
        }
    }

    /// Reads some bytes into a buffer that is not empty; 0 at the end.
    ///
    /// # Errors
    /// What the decoder said, behind everything it gave before.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Origin::Here(decoder, left) = &mut self.origin
            && *left > 0
        {
            let length = some(decoder, buffer)?;
            *left = left.saturating_sub(length);
            return Ok(length);
        }
        if self.at == self.block.len() {
            self.next();
        }
        let waiting = self.block.get(self.at..).unwrap_or(&[]);
        let length = waiting.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), waiting.get(..length)) {
            to.copy_from_slice(from);
            self.at += length;
        }
        match &mut self.origin {
            Origin::Over(last) if length == 0 => std::mem::replace(last, Ok(())).map(|()| 0),
            _ => Ok(length),
        }
    }

    /// Waits for the next block.
    fn next(&mut self) {
        if let Origin::Here(..) = self.origin
            && let Origin::Here(decoder, _) = std::mem::replace(&mut self.origin, Origin::Over(Ok(())))
        {
            self.origin = Ahead::start(decoder, false);
        }
        if let Origin::Thread(ahead) = &self.origin {
            let piece = ahead.full.recv().ok();
            self.turn(piece);
        }
    }

    /// Gives the old block back and takes what came. Nothing came: the thread panicked, which is to be heard
    /// where the bytes are wanted.
    fn turn(&mut self, piece: Option<Piece>) {
        let old = std::mem::take(&mut self.block);
        self.at = 0;
        match (piece, &mut self.origin) {
            (Some(Piece::Bytes(block)), Origin::Thread(ahead)) => {
                self.block = block;
                // The thread may have ended already and need no more.
                let _ = ahead.empty.send(old);
            }
            (Some(Piece::Last(last)), _) => self.origin = Origin::Over(last),
            _ => {
                if let Origin::Thread(ahead) = std::mem::replace(&mut self.origin, Origin::Over(Ok(())))
                    && let Err(panic) = ahead.end()
                {
                    panic::resume_unwind(panic);
                }
            }
        }
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        if let Origin::Thread(ahead) = std::mem::replace(&mut self.origin, Origin::Over(Ok(()))) {
            // A panic of a thread whose bytes nobody wants is nobody's business.
            let _ = ahead.end();
        }
    }
}

/// A thread that decompresses ahead.
struct Ahead {
    full: Receiver<Piece>,
    empty: Sender<Vec<u8>>,
    thread: JoinHandle<()>,
}

impl Ahead {
    fn start(decoder: Decoder, live: bool) -> Origin {
        let (full_in, full) = bounded(BLOCKS);
        let (empty, empty_out) = bounded(BLOCKS);
        // The reader's first empty block is one of them.
        for _ in 1..BLOCKS {
            let _ = empty.send(Vec::new());
        }
        let work = move || unpack(decoder, live, &empty_out, &full_in);
        match thread::Builder::new().name("unpack".to_owned()).spawn(work) {
            Ok(thread) => Origin::Thread(Self { full, empty, thread }),
            Err(error) => Origin::Over(Err(error)),
        }
    }

    /// Closes the queues, so that the thread ends, and waits for it.
    fn end(self) -> thread::Result<()> {
        let Self { full, empty, thread } = self;
        drop((full, empty));
        thread.join()
    }
}

/// Fills blocks until the input ends, fails, or nobody wants any more.
fn unpack(mut decoder: Decoder, live: bool, empty: &Receiver<Vec<u8>>, full: &Sender<Piece>) {
    for mut block in empty {
        block.resize(BLOCK, 0);
        let mut filled = 0;
        let last = loop {
            match block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                None => break None,
                Some(_) if live && filled > 0 && full.is_empty() => break None,
                Some(rest) => match some(&mut decoder, rest) {
                    Ok(0) => break Some(Ok(())),
                    Ok(length) => filled += length,
                    Err(error) => break Some(Err(error)),
                },
            }
        };
        block.truncate(filled);
        if filled > 0 && full.send(Piece::Bytes(block)).is_err() {
            return;
        }
        if let Some(last) = last {
            let _ = full.send(Piece::Last(last));
            return;
        }
    }
}

/// Reads a chunk; a signal is no error.
fn some(decoder: &mut Decoder, buffer: &mut [u8]) -> io::Result<usize> {
    let chunk = buffer.len().min(DECODED_CHUNK);
    loop {
        match decoder.read(buffer.get_mut(..chunk).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::Stream;
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc;

    /// Gives this many bytes, a few at a time, then fails; says when it is dropped.
    struct Failing(usize, mpsc::Sender<()>);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(1000).min(self.0);
            buffer[..length].fill(7);
            self.0 -= length;
            if length == 0 { Err(io::Error::other("bad")) } else { Ok(length) }
        }
    }

    impl Drop for Failing {
        fn drop(&mut self) {
            let _ = self.1.send(());
        }
    }

    #[test]
    fn every_byte_comes_before_the_error_and_the_error_once() {
        for (length, live) in [(0, false), (1, true), (BLOCK, false), (9 * BLOCK + 1, false), (BLOCK, true)] {
            let mut unpacker = Unpacker::new(Box::new(Failing(length, mpsc::channel().0)), live);
            let (mut seen, mut buffer) = (0, vec![0; 300_000]);
            let error = loop {
                assert!(unpacker.ready(Duration::from_secs(60)));
                match unpacker.read(&mut buffer) {
                    Ok(0) => panic!("an end instead of an error after {seen} of {length}"),
                    Ok(some) => seen += some,
                    Err(error) => break error,
                }
            };
            assert_eq!((seen, error.to_string()), (length, "bad".to_owned()));
            // A decoder that failed without a thread is asked again, as it always was.
            assert!(unpacker.read(&mut buffer).map_or(true, |more| more == 0));
        }
    }

    #[test]
    fn a_reader_that_is_dropped_leaves_no_thread() {
        for live in [false, true] {
            let (sender, dropped) = mpsc::channel();
            let mut unpacker = Unpacker::new(Box::new(Failing(usize::MAX, sender)), live);
            let mut buffer = vec![0; 4096];
            for _ in 0..1000 {
                assert!(unpacker.read(&mut buffer).unwrap() > 0);
            }
            drop(unpacker);
            // The thread owned it and has been waited for.
            dropped.try_recv().unwrap();
        }
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_of_the_thread_is_heard() {
        struct Panics;
        impl Read for Panics {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("on purpose")
            }
        }
        let _ = Unpacker::new(Box::new(Panics), true).read(&mut [0]);
    }

    #[test]
    fn a_compressed_pipe_hands_on_what_came_and_then_is_quiet() {
        let (reader, mut writer) = io::pipe().unwrap();
        let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        writer.write_all(&packed(b"first")).unwrap();
        let mut stream = Stream::of(File::from(OwnedFd::from(reader)), Arc::new(AtomicU64::new(0))).unwrap();
        let mut buffer = [0; 100];
        for part in [&b"first"[..], b"second"] {
            assert!(stream.ready(Duration::from_secs(60)));
            let length = stream.read(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], part);
            assert!(!stream.ready(Duration::from_millis(1)));
            writer.write_all(&packed(b"second")).unwrap();
        }
        // The writer is still there: only the reader's end ends the thread.
        drop(stream);
    }
}
