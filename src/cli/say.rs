//! Words to a person, on standard error.

#![expect(clippy::print_stderr, reason = "this is the one place that talks to a person")]

use anstream::{ColorChoice, eprintln};
use owo_colors::OwoColorize;

use super::args::Color;

/// Decides once whether anything here is coloured.
pub(crate) fn colour(color: Color) {
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
    .write_global();
}

/// Something failed.
pub(crate) fn error(message: &str) {
    eprintln!("{} {message}", "ghostport:".red().bold());
}

/// Something worth knowing.
pub(crate) fn note(message: &str) {
    eprintln!("{} {message}", "ghostport:".bold());
}
