//! Something that takes blocks of whole lines. Knows files and pipes, and how to leave no torn line behind.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{Error, Place, Target};

/// How long to wait for a pipe that is set to non-blocking and full.
const FULL_PIPE_PAUSE: Duration = Duration::from_millis(2);

/// An opened output.
pub(super) enum Out {
    /// Standard output, a FIFO, a device: what went in cannot be taken back.
    Stream(Box<dyn Write + Send>),
    /// A regular file, and its path for opening it anew.
    File(File, PathBuf),
}

impl Out {
    /// Opens an output.
    pub(super) fn open(target: &Target) -> Result<Self, Error> {
        match &target.place {
            Place::Stdout => stdout().map(Self::Stream).map_err(Error::Stdout),
            Place::File(path) => open(path).map_err(|why| Error::Open { path: path.clone(), why }),
        }
    }

    /// Opens a file anew, after it was renamed away; everything else stays as it is. On an error the old file
    /// stays.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(_, path) = self {
            *self = open(path)?;
        }
        Ok(())
    }

    /// Writes a block of whole lines and empties it. On an error, what is left in the block is what still has
    /// to be written: the output ends with a whole line, or what is left begins with the rest of the torn
    /// one.
    pub(super) fn write(&mut self, block: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Stream(stream) => write_block(stream, block, |_, _| false),
            Self::File(file, _) => write_block(file, block, |file, torn| cut(file, torn).is_ok()),
        }
    }
}

/// Writes until the block is empty or there is an error; then drops from the block what is safely written.
/// `take_back(n)` removes the last n bytes from the output and says whether it could.
fn write_block<W: Write>(
    out: &mut W,
    block: &mut Vec<u8>,
    take_back: impl FnOnce(&mut W, usize) -> bool,
) -> io::Result<()> {
    if block.is_empty() {
        return Ok(());
    }
    let mut written = 0;
    let ended = loop {
        match out.write(&block[written..]) {
            Ok(0) => break Err(ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PIPE_PAUSE),
            Err(error) => break Err(error),
        }
        if written == block.len() {
            break out.flush();
        }
    };
    let whole = block[..written].iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let torn = written - whole;
    let kept = if torn > 0 && take_back(out, torn) { whole } else { written };
    block.drain(..kept);
    ended
}

fn cut(file: &File, torn: usize) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.set_len(length.saturating_sub(u64::try_from(torn).unwrap_or(u64::MAX)))
}

fn open(path: &Path) -> io::Result<Out> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(Out::Stream(Box::new(file)));
    }
    if ends_torn(path) {
        // A run that was killed in the middle of a line: its rest must not swallow our first one.
        file.write_all(b"\n")?;
    }
    Ok(Out::File(file, path.to_owned()))
}

/// True when a file has a last line without its end. A file that cannot be read is taken as it is.
fn ends_torn(path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0])
    };
    last().is_ok_and(|byte| byte != b'\n')
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
    use std::fs;

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
                let mut block = lines.to_vec();
                let ended = write_block(&mut out, &mut block, |out, torn| {
                    if can_cut {
                        out.taken.truncate(out.taken.len() - torn);
                    }
                    can_cut
                });
                assert_eq!(ended.unwrap_err().kind(), ErrorKind::StorageFull);
                assert!(!can_cut || out.taken.is_empty() || out.taken.ends_with(b"\n"));
                out.room = usize::MAX;
                write_block(&mut out, &mut block, |_, _| panic!("nothing is torn")).unwrap();
                assert_eq!((out.taken.as_slice(), block.len()), (&lines[..], 0));
            }
        }
    }

    #[test]
    fn an_empty_block_is_no_error() {
        let mut out = Small { taken: Vec::new(), room: 9 };
        assert!(write_block(&mut out, &mut Vec::new(), |_, _| false).is_ok() && out.taken.is_empty());
    }

    #[test]
    fn appends_behind_a_torn_line_without_gluing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        fs::write(&path, "{\"whole\":1}\n{\"to").unwrap();
        let mut out = open(&path).unwrap();
        out.write(&mut b"{\"next\":1}\n".to_vec()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"whole\":1}\n{\"to\n{\"next\":1}\n");
    }

    #[test]
    fn cutting_a_real_file_takes_back_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        let Ok(Out::File(mut file, _)) = open(&path) else { panic!("a regular file") };
        file.write_all(b"whole\nto").unwrap();
        cut(&file, 2).unwrap();
        file.write_all(b"next\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nnext\n");
    }
}
