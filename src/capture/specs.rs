//! What `-r` names: files, directories, globs and standard input, turned into a list of inputs.
//!
//! A directory stands for every capture file inside it, however deep, recognised by its first bytes. A file
//! that was named, or that a glob found (as a shell would have), is an input even when it turns out to be no
//! capture.
//!
//! Invariants: the same file is listed once, under the name it was first given; names inside directories and
//! globs are sorted; links to directories are not followed, so a loop of links ends; only regular files of a
//! directory are opened.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::stream::Stream;
use super::walk::Walker;

/// Most inputs of one run: [`super::Frame::input`] has 16 bits.
const INPUTS_MAX: usize = 65_535;
/// Deepest directory below a named one.
const DEPTH_MAX: usize = 64;

/// One input, not opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// As the user gave it; for a file in a directory, with the directory as given in front.
    pub(super) name: String,
    /// Where it lies; none is standard input.
    pub(super) path: Option<PathBuf>,
}

impl Input {
    /// Size of a regular file in bytes; none for pipes and standard input.
    pub(super) fn size(&self) -> Option<u64> {
        let found = fs::metadata(self.path.as_ref()?).ok()?;
        found.is_file().then_some(found.len())
    }
}

/// Lists the inputs that the specifications stand for, in their order.
///
/// # Errors
/// [`Error::Unreadable`] for the first specification that stands for nothing that can be read.
pub(super) fn expand(specs: &[String]) -> Result<Vec<Input>, Error> {
    let mut list = List::default();
    for spec in specs {
        let before = list.inputs.len() + list.again;
        list.spec(spec)?;
        if list.inputs.len() + list.again == before {
            return Err(unreadable(
                spec,
                "no capture file is in there; name the file to hear why it is not one",
            ));
        }
    }
    Ok(list.inputs)
}

#[derive(Default)]
struct List {
    inputs: Vec<Input>,
    known: HashSet<PathBuf>,
    /// Inputs that were listed already.
    again: usize,
}

impl List {
    fn spec(&mut self, spec: &str) -> Result<(), Error> {
        if spec == "-" {
            return self.add(spec, Input { name: spec.into(), path: None }, Path::new("-"));
        }
        match fs::metadata(spec) {
            Ok(_) => self.named(spec, Path::new(spec)),
            Err(_) if spec.contains(['*', '?', '[']) => self.glob(spec),
            Err(error) => Err(unreadable(spec, &advice(&error))),
        }
    }

    fn glob(&mut self, spec: &str) -> Result<(), Error> {
        let matches =
            glob::glob(spec).map_err(|error| unreadable(spec, &format!("a broken pattern: {error}")))?;
        let mut any = false;
        for path in matches.flatten() {
            any = true;
            self.named(spec, &path)?;
        }
        if any {
            Ok(())
        } else {
            Err(unreadable(spec, "no file matches; check the pattern and the directory"))
        }
    }

    /// A path that the user meant.
    fn named(&mut self, spec: &str, path: &Path) -> Result<(), Error> {
        let found = fs::metadata(path).map_err(|error| unreadable(&name(path), &advice(&error)))?;
        if found.is_dir() {
            return self.directory(spec, path, 0);
        }
        if found.is_file() {
            // Opening now: a file that may not be read is better said before anything has been printed.
            File::open(path).map_err(|error| unreadable(&name(path), &advice(&error)))?;
        }
        self.add(spec, Input { name: name(path), path: Some(path.into()) }, path)
    }

    fn directory(&mut self, spec: &str, path: &Path, depth: usize) -> Result<(), Error> {
        let entries = fs::read_dir(path).map_err(|error| unreadable(&name(path), &advice(&error)))?;
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            if kind.is_dir() {
                if depth < DEPTH_MAX {
                    self.directory(spec, &path, depth + 1)?;
                }
            } else if fs::metadata(&path).is_ok_and(|found| found.is_file()) && may_be_capture(&path) {
                self.add(spec, Input { name: name(&path), path: Some(path.clone()) }, &path)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, spec: &str, input: Input, path: &Path) -> Result<(), Error> {
        if !self.known.insert(fs::canonicalize(path).unwrap_or_else(|_| path.into())) {
            self.again += 1;
            return Ok(());
        }
        if self.inputs.len() >= INPUTS_MAX {
            let why =
                format!("more than {INPUTS_MAX} files in one run; name fewer, or merge them with mergecap");
            return Err(unreadable(spec, &why));
        }
        self.inputs.push(input);
        Ok(())
    }
}

/// True for capture files, and for files that cannot be looked at: those must be said, not passed over.
fn may_be_capture(path: &Path) -> bool {
    let Ok(mut stream) = Stream::open(path, Arc::default()) else { return true };
    let mut head = [0; 4];
    let mut at = 0;
    while let Some(rest) = head.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => return false,
            Ok(length) => at += length,
            Err(_) => return true,
        }
    }
    matches!(Walker::recognise(&head), Ok(Some(_)))
}

fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn unreadable(input: &str, why: &str) -> Error {
    Error::Unreadable { input: input.into(), why: why.into() }
}

/// What the system said, and what to do next.
fn advice(error: &io::Error) -> String {
    let next = match error.kind() {
        io::ErrorKind::NotFound => "check the name and the directory",
        io::ErrorKind::PermissionDenied => "check its permissions, or run as a user who may read it",
        _ => "check the file system it lies on",
    };
    format!("{error}; {next}")
}
