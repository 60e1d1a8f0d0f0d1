//! When a file is put aside for a new one, and what becomes of the old ones.
//!
//! An old file is named like the file with a number behind it that grows (`eve.json.000001`, then `.000002`):
//! nothing is ever renamed twice, so whoever ships the old files is not confused, and whether a name is free
//! does not depend on a clock. Compressing and deleting is done on a thread of its own, at the lowest
//! priority, and is repeatable: whatever a killed run left is finished by the next one. A compressed file
//! takes its name only when it is complete, and the plain one goes only then.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Complain;

/// What may stand behind the `?` of a file.
pub(super) const OPTIONS: &str = "rotate=100M, every=1d, keep=7, compress=zstd or gzip";
const DIGITS: usize = 6;
const COPY_BYTES: usize = 256 << 10;

/// When a file is put aside, and what becomes of the old ones. The default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes that the file has at most; a single line may be longer.
    pub size: Option<u64>,
    /// Period, at least a second, counted from midnight UTC of 1970-01-01: with one day, a file has the lines
    /// of one day UTC, with an hour those of an hour.
    pub every: Option<Duration>,
    /// Old files kept; without it all of them.
    pub keep: Option<u32>,
    /// How old files are compressed.
    pub compress: Option<Compress>,
}

/// Ways to compress old files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// `.zst`
    Zstd,
    /// `.gz`
    Gzip,
}

impl Compress {
    const ALL: [Self; 2] = [Self::Zstd, Self::Gzip];

    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

impl Rotation {
    /// True when files are put aside at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.size.is_some() || self.every.is_some()
    }

    /// Reads `rotate=100M&every=1d&keep=7&compress=zstd`.
    pub(super) fn parse(options: &str) -> Result<Self, String> {
        let mut rotation = Self::default();
        for option in options.split('&') {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let wrong = || format!("cannot understand {option:?} behind a file; there is: {OPTIONS}");
            match name {
                "rotate" => {
                    rotation.size = Some(parse_size(value).filter(|&size| size > 0).ok_or_else(wrong)?)
                }
                "every" => rotation.every = Some(period(value).ok_or_else(wrong)?),
                "keep" => rotation.keep = Some(value.parse().map_err(|_| wrong())?),
                "compress" => {
                    let known = Compress::ALL.into_iter().find(|known| known.name() == value);
                    rotation.compress = Some(known.ok_or_else(wrong)?);
                }
                _ => return Err(wrong()),
            }
        }
        if !rotation.is_on() {
            return Err("keep and compress say what becomes of old files; say with rotate=SIZE or \
                        every=TIME when a file is old"
                .to_owned());
        }
        Ok(rotation)
    }
}

/// `100`, `64K`, `100M`, `2G` in bytes, in powers of 1024; `None` for anything else.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "m" | "MiB" => 1 << 20,
        "G" | "g" | "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// `30s`, `15m`, `1h`, `1d`.
fn period(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let seconds = digits.parse::<u32>().ok().filter(|&count| count > 0)?;
    Some(Duration::from_secs(u64::from(seconds) * unit))
}

/// Renames a file to the next free name of an old one.
pub(super) fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let last = old_files(path)?.last().map_or(0, |old| old.number);
    let old = named(path, &format!(".{:0DIGITS$}", last + 1));
    fs::rename(path, &old)?;
    Ok(old)
}

/// The thread that compresses and deletes old files.
pub(super) struct Janitor {
    bell: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Compressing is given up where it stands.
    hurry: Arc<AtomicBool>,
    may_give_up: bool,
}

impl Janitor {
    /// Starts it, and lets it finish what a former run left. With `may_give_up`, the end of the run does not
    /// wait for it.
    pub(super) fn start(path: &Path, rotation: Rotation, may_give_up: bool, complain: Complain) -> Self {
        let (bell, rung) = channel();
        let _ = bell.send(());
        let hurry = Arc::new(AtomicBool::new(false));
        let (path, is_hurried) = (path.to_owned(), Arc::clone(&hurry));
        let clean = move || {
            lower_priority();
            while rung.recv().is_ok() {
                while rung.try_recv().is_ok() {}
                if let Err(error) = tidy(&path, &rotation, &is_hurried) {
                    complain(&format!("cannot tidy up old files of {}: {error}", path.display()));
                }
            }
        };
        let thread = thread::Builder::new().name("old-files".to_owned()).spawn(clean).ok();
        Self { bell: Some(bell), thread, hurry, may_give_up }
    }

    /// There is a new old file.
    pub(super) fn ring(&self) {
        if let Some(bell) = &self.bell {
            let _ = bell.send(());
        }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        self.bell = None;
        self.hurry.store(self.may_give_up, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(target_os = "linux")]
fn lower_priority() {
    // On Linux, "process" 0 is the calling thread.
    let _ = rustix::process::setpriority_process(None, 19);
}

#[cfg(not(target_os = "linux"))]
const fn lower_priority() {}

struct Old {
    number: u64,
    path: PathBuf,
    is_compressed: bool,
}

fn tidy(path: &Path, rotation: &Rotation, hurry: &AtomicBool) -> io::Result<()> {
    let mut files = old_files(path)?;
    if let Some(keep) = rotation.keep {
        let too_many = files.len().saturating_sub(keep as usize);
        for old in files.drain(..too_many) {
            fs::remove_file(&old.path)?;
        }
    }
    let Some(way) = rotation.compress else { return Ok(()) };
    for old in files.iter().filter(|old| !old.is_compressed) {
        let part = named(&old.path, ".part");
        let compressed = compress(way, &old.path, &part, hurry);
        if !matches!(compressed, Ok(true)) {
            let _absent_is_fine = fs::remove_file(&part);
            return compressed.map(drop);
        }
        fs::rename(&part, named(&old.path, way.ending()))?;
        fs::remove_file(&old.path)?;
    }
    Ok(())
}

/// Compresses a file; false when it was given up.
fn compress(way: Compress, from: &Path, to: &Path, hurry: &AtomicBool) -> io::Result<bool> {
    let (mut from, to) = (File::open(from)?, File::create(to)?);
    match way {
        Compress::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(to, 0)?;
            let whole = copy(&mut from, &mut encoder, hurry)?;
            encoder.finish()?.sync_data()?;
            Ok(whole)
        }
        Compress::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(to, flate2::Compression::default());
            let whole = copy(&mut from, &mut encoder, hurry)?;
            encoder.finish()?.sync_data()?;
            Ok(whole)
        }
    }
}

fn copy(from: &mut File, to: &mut impl Write, hurry: &AtomicBool) -> io::Result<bool> {
    let mut bytes = vec![0; COPY_BYTES];
    loop {
        if hurry.load(Ordering::Relaxed) {
            return Ok(false);
        }
        match from.read(&mut bytes)? {
            0 => return Ok(true),
            count => to.write_all(&bytes[..count])?,
        }
    }
}

/// Old files beside a file, the oldest first. A file that is there plain and compressed was being replaced:
/// the plain one counts, and is compressed again.
fn old_files(path: &Path) -> io::Result<Vec<Old>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut files: Vec<Old> = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or_else(|| Path::new(".")))? {
        let entry = entry?;
        let entry_name = entry.file_name();
        let entry_name = entry_name.to_string_lossy();
        let Some(rest) = entry_name.strip_prefix(&*name).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        let plain = Compress::ALL.into_iter().find_map(|way| rest.strip_suffix(way.ending()));
        let digits = plain.unwrap_or(rest);
        let is_ours = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        if let (true, Ok(number)) = (is_ours, digits.parse()) {
            files.push(Old { number, path: entry.path(), is_compressed: plain.is_some() });
        }
    }
    files.sort_unstable_by_key(|old| (old.number, old.is_compressed));
    files.dedup_by_key(|old| old.number);
    Ok(files)
}

fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_mistakes_explained() {
        let rotation = Rotation::parse("rotate=100M&every=1h&keep=7&compress=zstd").unwrap();
        assert_eq!((rotation.size, rotation.every), (Some(100 << 20), Some(Duration::from_secs(3_600))));
        assert_eq!((rotation.keep, rotation.compress), (Some(7), Some(Compress::Zstd)));
        for wrong in
            ["rotate=", "rotate=0", "rotate=5T", "every=5", "every=0s", "keep=x", "compress=rar", "x"]
        {
            let said = Rotation::parse(wrong).unwrap_err();
            assert!(said.contains(wrong) && said.contains("rotate=100M"), "{said}");
        }
        assert!(Rotation::parse("keep=3").unwrap_err().contains("rotate=SIZE"));
        assert_eq!(
            (parse_size("64K"), parse_size("99999999999G"), parse_size("-1")),
            (Some(65_536), None, None)
        );
    }

    #[test]
    fn what_a_killed_run_left_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        let is_there = |name: &str| dir.path().join(name).exists();
        for name in ["eve.json.000001", "eve.json.000002.gz", "eve.json.000003", "eve.json.000004"] {
            fs::write(dir.path().join(name), "line\n".repeat(1_000)).unwrap();
        }
        fs::write(dir.path().join("eve.json.000003.gz"), "half").unwrap();
        fs::write(dir.path().join("eve.json.1"), "logrotate's").unwrap();
        let rotation = Rotation::parse("rotate=1M&keep=3&compress=gzip").unwrap();
        tidy(&path, &rotation, &AtomicBool::new(false)).unwrap();
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["eve.json.000002.gz", "eve.json.000003.gz", "eve.json.000004.gz", "eve.json.1"]);
        let file = File::open(dir.path().join("eve.json.000003.gz")).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 5_000);
        fs::write(&path, "x").unwrap();
        put_aside(&path).unwrap();
        assert!(is_there("eve.json.000005") && !is_there("eve.json"));
        tidy(&path, &rotation, &AtomicBool::new(true)).unwrap();
        assert!(is_there("eve.json.000005") && !is_there("eve.json.000005.part"), "given up cleanly");
    }
}
