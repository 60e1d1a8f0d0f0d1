//! EVE lines of a sensor, read for what it saw answering: `ports import` of them, and `ports free --seen`.
//!
//! A file may be larger than memory and is of any origin, so it is read line by line; what cannot be read is
//! counted and said, and the exit code is that of damaged input.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::data;
use super::exit::Failure;
use crate::output::{self, say};
use crate::registry::Seen;

/// Longest line that is read, in bytes; ours are below 10,000.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What one file, or several, told.
#[derive(Default)]
pub(crate) struct Sightings {
    pub(crate) seen: Seen,
    /// Lines of another kind, or without our part: counters, another program's events.
    others: u64,
    damaged: u64,
}

/// True when what comes begins like JSON lines; nothing of it is taken.
pub(crate) fn is_eve(file: &mut impl BufRead) -> bool {
    // What cannot be read says so when it is read.
    file.fill_buf().is_ok_and(|bytes| bytes.first() == Some(&b'{'))
}

/// What a sensor saw, as claims.
pub(crate) fn import(
    path: &Path,
    file: &mut impl BufRead,
    origin: Option<&str>,
) -> Result<ExitCode, Failure> {
    let mut sightings = Sightings::default();
    sightings.lines(path, file)?;
    sightings.report();
    let left_out = sightings.seen.left_out();
    if left_out > 0 {
        say::note(&format!("{left_out} ports with the fewest answers are left out: so many are a tar pit"));
    }
    data(&sightings.seen.claims_file(origin))?;
    Ok(sightings.code())
}

impl Sightings {
    /// What the lines of some files told, which is reported where there are any.
    pub(crate) fn of(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut sightings = Self::default();
        for path in paths {
            sightings.lines(path, &mut open(path)?)?;
        }
        if !paths.is_empty() {
            sightings.report();
        }
        Ok(sightings)
    }

    fn lines(&mut self, path: &Path, file: &mut impl BufRead) -> Result<(), Failure> {
        let (mut line, mut number, mut damaged) = (Vec::new(), 0_u64, 0_u64);
        while next_line(file, &mut line).map_err(|error| unreadable(path, &error))? {
            number += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let said = std::str::from_utf8(&line).map_err(|error| error.to_string());
            match said.and_then(output::sighting) {
                Ok(Some(sighting)) => self.seen.add(sighting),
                Ok(None) => self.others += 1,
                Err(what) => {
                    if damaged == 0 {
                        say::error(&format!("{}:{number}: {}", path.display(), output::clean(&what, 200)));
                    }
                    damaged += 1;
                }
            }
        }
        self.damaged += damaged;
        Ok(())
    }

    /// Says what was counted and what was not.
    fn report(&self) {
        let (ports, flows) = self.seen.totals();
        let (unanswered, others, damaged) = (self.seen.unanswered, self.others, self.damaged);
        say::note(&format!(
            "{flows} answered flows on {ports} ports; left out: {unanswered} lines about flows without an \
             answer, {others} lines of another kind, {damaged} damaged lines"
        ));
    }

    /// 3 when something could not be read.
    pub(crate) fn code(&self) -> ExitCode {
        if self.damaged > 0 { ExitCode::from(3) } else { ExitCode::SUCCESS }
    }
}

/// A file or a pipe, which is opened once: what was looked at does not come again.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    File::open(path).map(BufReader::new).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}

/// The next line, with its end; false at the end of the file. Of a line that is too long only the
/// beginning is kept, which is no event then.
fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let read = file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(false);
    }
    if line.last() != Some(&b'\n') {
        file.skip_until(b'\n')?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_cut() {
        let long = usize::try_from(LINE_BYTES_MAX).unwrap() + 7;
        let text = [b"a\n".as_slice(), &vec![b'x'; long], b"\nb"].concat();
        let (mut file, mut line, mut lens) = (text.as_slice(), Vec::new(), Vec::new());
        while next_line(&mut file, &mut line).unwrap() {
            lens.push(line.len());
        }
        assert_eq!(lens, [2, long - 7, 1]);
    }
}
