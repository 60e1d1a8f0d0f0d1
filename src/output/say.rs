//! Data to standard output, words to a person on standard error; never the other way round.

use std::io::{self, Write};

use anstream::eprintln;
use owo_colors::OwoColorize;

/// Writes data to standard output. A reader that went away is a clean end.
///
/// # Errors
/// Anything else that keeps it from being written.
pub fn print(data: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(data.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Something failed.
pub fn error(message: &str) {
    eprintln!("{} {message}", "ghostport:".red().bold());
}

/// Something that speaks for itself, such as a picture of a mistake.
pub fn plain(message: &str) {
    eprintln!("{message}");
}

/// Something worth knowing.
pub fn note(message: &str) {
    eprintln!("{} {message}", "ghostport:".bold());
}
