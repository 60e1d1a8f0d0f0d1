//! Something that takes blocks of whole lines: a file, a pipe, a spool, a receiver. Knows how to leave no
//! torn line behind.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::courier::Courier;
use super::deliver::Refused;
use super::log::{Log, append_to};
use super::rotate::Rotation;
use super::spool::Appender;
use super::{Complain, Error};

/// How long to wait for a pipe that is set to non-blocking and full.
const FULL_PIPE_PAUSE: Duration = Duration::from_millis(2);
/// Between attempts while a disk or a spool is full.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// An opened output.
pub(super) enum Out {
    /// Standard output, a FIFO, a device: what went in cannot be taken back.
    Stream(Box<dyn Write + Send>),
    /// A regular file.
    File(Box<Log>),
    /// A folder from where somebody else brings lines to a receiver.
    Spool(Appender),
    /// A receiver, without a spool.
    Receiver(Courier),
}

/// What became of a block besides what is left in it.
#[derive(Debug)]
pub(super) struct Written {
    /// Lines that were taken out of it, where that is known without counting.
    pub(super) settled: Option<u64>,
    /// Of those, lines that the receiver will never take.
    pub(super) refused: Option<Refused>,
    /// Why something is left.
    pub(super) ended: io::Result<()>,
}

impl Out {
    /// Standard output.
    pub(super) fn stdout() -> Result<Self, Error> {
        stdout().map(Self::Stream).map_err(Error::Stdout)
    }

    /// A file, a FIFO or a device.
    pub(super) fn file(
        path: &Path,
        rotation: Rotation,
        is_live: bool,
        complain: Complain,
    ) -> Result<Self, Error> {
        let open = || -> io::Result<Self> {
            let file = append_to(path)?;
            if !file.metadata()?.is_file() {
                return Ok(Self::Stream(Box::new(file)));
            }
            Ok(Self::File(Box::new(Log::new(file, path, rotation, is_live, complain)?)))
        };
        open().map_err(|why| Error::Open { path: path.to_owned(), why })
    }

    /// Opens a file anew, after it was renamed away, and a receiver with what it reads from files; everything
    /// else stays as it is. On an error the old file stays.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        match self {
            Self::File(log) => log.reopen(),
            Self::Receiver(courier) => {
                courier.reopen();
                Ok(())
            }
            Self::Stream(_) | Self::Spool(_) => Ok(()),
        }
    }

    /// Writes a block of whole lines and empties it. On an error, what is left in the block is what still has
    /// to be written: the output ends with a whole line, or what is left begins with the rest of the torn
    /// one. A receiver may leave something without an error: the next batch.
    pub(super) fn write(&mut self, block: &mut Vec<u8>) -> Written {
        let (settled, ended) = match self {
            Self::Stream(stream) => write_lines(stream, block, |_, _| false),
            Self::File(log) => log.write(block),
            Self::Spool(appender) => (0, appender.write(block)),
            Self::Receiver(courier) => {
                let brought = courier.bring(block);
                let ended = brought.trouble.map_or(Ok(()), |why| Err(io::Error::other(why)));
                return Written { settled: Some(brought.settled), refused: brought.refused, ended };
            }
        };
        block.drain(..settled);
        Written { settled: None, refused: None, ended }
    }

    /// How long to leave it alone when it is ill.
    pub(super) fn pause(&self) -> Duration {
        match self {
            Self::Receiver(courier) => courier.pause(),
            _ => RETRY_PAUSE,
        }
    }

    /// True when trouble is a matter of time: the receiver comes back, the spool is emptied. A replay waits
    /// for those and says of the others what it lost.
    pub(super) const fn is_worth_waiting(&self) -> bool {
        matches!(self, Self::Spool(_) | Self::Receiver(_))
    }

    /// What does not work when it does not.
    pub(super) const fn deed(&self) -> &'static str {
        match self {
            Self::Stream(_) | Self::File(_) => "write to",
            Self::Spool(_) => "write to the spool of",
            Self::Receiver(_) => "deliver to",
        }
    }
}

/// Writes whole lines; on an error gives how many bytes need not be written again. `take_back(n)` removes the
/// last n bytes from the output and says whether it could.
pub(super) fn write_lines<W: Write>(
    out: &mut W,
    lines: &[u8],
    take_back: impl FnOnce(&mut W, usize) -> bool,
) -> (usize, io::Result<()>) {
    let mut written = 0;
    let ended = loop {
        if written == lines.len() {
            break out.flush();
        }
        match out.write(&lines[written..]) {
            Ok(0) => break Err(ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PIPE_PAUSE),
            Err(error) => break Err(error),
        }
    };
    let whole = lines[..written].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let torn = written - whole;
    let settled = if torn > 0 && take_back(out, torn) { whole } else { written };
    (settled, ended)
}

/// Standard output without the line buffer of the standard library, which would write line by line.
#[cfg(unix)]
fn stdout() -> io::Result<Box<dyn Write + Send>> {
    use std::os::fd::AsFd;
    Ok(Box::new(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
}

#[cfg(not(unix))]
fn stdout() -> io::Result<Box<dyn Write + Send>> {
    Ok(Box::new(io::stdout()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and then no more, at most three at a time.
    struct Small {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room - self.taken.len()).min(3);
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_loses_none_of_the_rest() {
        let lines = b"one\ntwo\nthree\nfour\n";
        for room in 0..lines.len() {
            for can_cut in [true, false] {
                let mut out = Small { taken: Vec::new(), room };
                let (settled, ended) = write_lines(&mut out, lines, |out, torn| {
                    if can_cut {
                        out.taken.truncate(out.taken.len() - torn);
                    }
                    can_cut
                });
                assert_eq!(ended.unwrap_err().kind(), ErrorKind::StorageFull);
                assert!(!can_cut || out.taken.is_empty() || out.taken.ends_with(b"\n"));
                out.room = usize::MAX;
                let rest = &lines[settled..];
                let (settled, ended) = write_lines(&mut out, rest, |_, _| panic!("nothing is torn"));
                ended.unwrap();
                assert_eq!((out.taken.as_slice(), settled), (&lines[..], rest.len()));
            }
        }
    }
}
