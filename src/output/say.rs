//! Words to a person, on standard error. Data never goes here, words never go to standard output.

#![expect(clippy::print_stderr, reason = "this is the one place that talks to a person")]

use anstream::eprintln;
use owo_colors::OwoColorize;

/// Something failed.
pub fn error(message: &str) {
    eprintln!("{} {message}", "ghostport:".red().bold());
}

/// Something worth knowing.
pub fn note(message: &str) {
    eprintln!("{} {message}", "ghostport:".bold());
}
