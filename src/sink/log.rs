//! A regular file that lines are appended to, and that is put aside when it is long or old.
//!
//! Invariants: it ends with a whole line after every write, also after one that failed; a line is in the file
//! or in the one that was put aside before it, never in both or in none.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Complain;
use super::out::write_lines;
use super::rotate::{Janitor, Rotation, put_aside};

/// After a rotation that failed.
const ROTATE_AGAIN: Duration = Duration::from_secs(60);
/// How far back the beginning of a torn line is sought. Lines are shorter than 10,000 bytes.
const TORN_BYTES_MAX: u64 = 64 << 10;

/// See the module.
pub(super) struct Log {
    file: File,
    path: PathBuf,
    length: u64,
    rotation: Rotation,
    /// Number of the period that its lines are of.
    period: u64,
    /// Rotation failed; it is not tried before.
    not_before: Option<Instant>,
    janitor: Option<Janitor>,
    complain: Complain,
}

impl Log {
    /// Takes a file that is open for appending.
    pub(super) fn new(
        mut file: File,
        path: &Path,
        rotation: Rotation,
        is_live: bool,
        complain: Complain,
    ) -> io::Result<Self> {
        mend(&mut file, path)?;
        let janitor =
            rotation.is_on().then(|| Janitor::start(path, rotation, is_live, Complain::clone(&complain)));
        let (length, period) = stand(&file, &rotation)?;
        let path = path.to_owned();
        Ok(Self { file, path, length, rotation, period, not_before: None, janitor, complain })
    }

    /// Opens the file anew, after it was renamed away. On an error the old one stays.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let mut file = append_to(&self.path)?;
        mend(&mut file, &self.path)?;
        (self.length, self.period) = stand(&file, &self.rotation)?;
        self.file = file;
        Ok(())
    }

    /// Writes whole lines; gives how many bytes of them are settled.
    pub(super) fn write(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let mut done = 0;
        while done < lines.len() {
            let rest = &lines[done..];
            if self.is_due(rest) {
                self.rotate();
            }
            let part = self.part(rest);
            let (settled, ended) =
                write_lines(&mut self.file, part, |file, torn| cut(file, torn as u64).is_ok());
            done += settled;
            self.length += settled as u64;
            if ended.is_err() {
                return (done, ended);
            }
        }
        (done, Ok(()))
    }

    /// True when the next of these lines belongs into a new file.
    fn is_due(&self, lines: &[u8]) -> bool {
        if self.length == 0 || self.not_before.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        let first = lines.iter().position(|&byte| byte == b'\n').map_or(lines.len(), |at| at + 1);
        self.rotation.size.is_some_and(|size| self.length + first as u64 > size)
            || self.rotation.every.is_some_and(|every| period(SystemTime::now(), every) != self.period)
    }

    /// The first lines, as many as the file may still have.
    fn part<'a>(&self, lines: &'a [u8]) -> &'a [u8] {
        let room = self.rotation.size.map_or(u64::MAX, |size| size.saturating_sub(self.length));
        let Some(front) = usize::try_from(room).ok().and_then(|room| lines.get(..room)) else { return lines };
        let end = front
            .iter()
            .rposition(|&byte| byte == b'\n')
            .or_else(|| lines.iter().position(|&byte| byte == b'\n'));
        end.map_or(lines, |newline| &lines[..=newline])
    }

    fn rotate(&mut self) {
        // It is not there when a rotation failed half way, or when somebody else moved it.
        let moved = if self.path.exists() { put_aside(&self.path).map(drop) } else { Ok(()) };
        match moved.and_then(|()| self.reopen()) {
            Ok(()) => {
                if let Some(janitor) = &self.janitor {
                    janitor.ring();
                }
                self.not_before = None;
            }
            Err(error) => {
                if self.not_before.is_none() {
                    (self.complain)(&format!(
                        "cannot put {} aside for a new file: {error}; writing on, and trying again",
                        self.path.display()
                    ));
                }
                self.not_before = Some(Instant::now() + ROTATE_AGAIN);
            }
        }
    }
}

/// Opens a file (or a FIFO, or a device) for appending; makes it when it is not there.
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// A run that was killed in the middle of a line left its beginning: it is cut off, since nobody can read it.
/// What does not look like the beginning of a JSON line is somebody else's, and only ended.
fn mend(file: &mut File, path: &Path) -> io::Result<()> {
    let Ok(mut reader) = File::open(path) else { return Ok(()) }; // may be written, not read: taken as it is
    let length = reader.metadata()?.len();
    let back = length.min(TORN_BYTES_MAX);
    reader.seek(SeekFrom::Start(length - back))?;
    let mut end = Vec::new();
    reader.take(back).read_to_end(&mut end)?;
    let whole = end.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    match &end[whole..] {
        [] => Ok(()),
        torn @ [b'{', ..] => cut(file, torn.len() as u64),
        _ => file.write_all(b"\n"),
    }
}

fn cut(file: &File, torn: u64) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.set_len(length.saturating_sub(torn))
}

/// Length of a file, and the period that its lines are of.
fn stand(file: &File, rotation: &Rotation) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    let length = metadata.len();
    let time = if length == 0 { SystemTime::now() } else { metadata.modified()? };
    Ok((length, rotation.every.map_or(0, |every| period(time, every))))
}

fn period(time: SystemTime, every: Duration) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / every.as_secs().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn log(path: &Path, options: &str) -> Log {
        let rotation =
            if options.is_empty() { Rotation::default() } else { Rotation::parse(options).unwrap() };
        let complain: Complain = std::sync::Arc::new(|what| panic!("nobody should complain: {what}"));
        Log::new(append_to(path).unwrap(), path, rotation, false, complain).unwrap()
    }

    fn write(log: &mut Log, lines: &str) {
        let (settled, ended) = log.write(lines.as_bytes());
        ended.unwrap();
        assert_eq!(settled, lines.len());
    }

    #[test]
    fn a_torn_json_line_is_cut_off_and_anything_else_only_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        for (before, after) in [
            ("{\"whole\":1}\n{\"to", "{\"whole\":1}\nnext\n"),
            ("{\"to", "next\n"),
            ("notes", "notes\nnext\n"),
            ("one\n", "one\nnext\n"),
            ("", "next\n"),
        ] {
            fs::write(&path, before).unwrap();
            write(&mut log(&path, ""), "next\n");
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn files_are_put_aside_by_size_and_no_line_is_split_or_lost() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        let lines: Vec<String> = (0..5_000).map(|number| format!("{{\"number\":{number}}}\n")).collect();
        let mut sink = log(&path, "rotate=10K&compress=zstd");
        for block in lines.chunks(700) {
            write(&mut sink, &block.concat());
        }
        write(&mut sink, &("x".repeat(20_000) + "\n"));
        write(&mut sink, "last\n");
        drop(sink);
        let mut old: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        old.retain(|other| *other != path);
        old.sort_unstable();
        assert!(old.len() > 5 && old.iter().all(|path| path.extension().unwrap() == "zst"), "{old:?}");
        let mut text = String::new();
        for path in &old {
            let part = zstd::decode_all(File::open(path).unwrap()).unwrap();
            assert!(part.len() <= 10 << 10 || part.len() == 20_001);
            text += std::str::from_utf8(&part).unwrap();
        }
        text += &fs::read_to_string(&path).unwrap();
        assert!(text == lines.concat() + &"x".repeat(20_000) + "\nlast\n");
    }

    #[test]
    fn a_file_of_another_period_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        fs::write(&path, "yesterday\n").unwrap();
        let yesterday = SystemTime::now() - Duration::from_secs(86_400);
        File::options().write(true).open(&path).unwrap().set_modified(yesterday).unwrap();
        write(&mut log(&path, "every=1d&keep=2"), "today\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "today\n");
        assert_eq!(fs::read_to_string(dir.path().join("eve.json.000001")).unwrap(), "yesterday\n");
    }
}
