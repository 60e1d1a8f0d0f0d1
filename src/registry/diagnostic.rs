//! What is wrong in a file somebody wrote: file, line, column, a picture with carets, and what to do next.
//!
//! Claim files and rule files are written by people and read by a program that runs unattended, so a mistake
//! has to lead straight to the place. Shared with the `rules` room.
//!
//! Invariants: making a diagnostic never panics, whatever the text or the span; what is quoted from a file
//! reaches a terminal without control characters; a picture quotes one line, never a whole file.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level as Shown, Renderer, Snippet};

/// Longest line that is drawn, in bytes.
const LINE_BYTES_MAX: usize = 300;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The file is refused.
    Error,
    /// The file works; it is probably not what was meant.
    Warning,
}

impl Level {
    /// Name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A text and the name of the file it came from.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// File name as the user wrote it.
    pub file: &'a str,
    /// The whole text.
    pub text: &'a str,
}

impl Place<'_> {
    /// Number of the line, from 1, that the byte at `offset` lies in. Asked for every rule of a long file,
    /// each time from its start.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        memchr::memchr_iter(b'\n', before).count() + 1
    }
}

/// One thing that is wrong (or doubtful) at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub level: Level,
    /// File name.
    pub file: String,
    /// Line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 when the whole file is meant.
    pub column: usize,
    /// What is wrong, one sentence.
    pub what: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line with carets under the place; empty when there is nothing to show.
    pub picture: String,
}

impl Diagnostic {
    /// An error at `span` (bytes) of a text. Any span is fine; it is cut to what is there.
    #[must_use]
    pub fn error(place: Place<'_>, span: Range<usize>, what: impl Into<String>) -> Self {
        Self::new(Level::Error, place, span, what)
    }

    /// A warning at `span` (bytes) of a text.
    #[must_use]
    pub fn warning(place: Place<'_>, span: Range<usize>, what: impl Into<String>) -> Self {
        Self::new(Level::Warning, place, span, what)
    }

    /// An error about a file as a whole.
    #[must_use]
    pub fn whole(file: &str, what: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            file: clean(file),
            line: 0,
            column: 0,
            what: clean(&what.into()),
            help: None,
            picture: String::new(),
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(clean(&help.into()));
        self
    }

    fn new(level: Level, place: Place<'_>, span: Range<usize>, what: impl Into<String>) -> Self {
        let text = place.text;
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |end| end + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |end| start + end);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let line_number = place.line_of(start);
        let column = text[line_start..start].chars().count() + 1;
        let from = (start - line_start).min(line.len());
        let to = floor(text, span.end).saturating_sub(line_start).clamp(from, line.len());
        let what = clean(&what.into());
        let picture = draw(level, line, line_number, from..to);
        Self { level, file: clean(place.file), line: line_number, column, what, help: None, picture }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}: {}", self.level.name(), self.what)?;
        if !self.picture.is_empty() {
            write!(f, "\n{}", self.picture)?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Files that cannot be used, and everything that is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub Vec<Diagnostic>);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, diagnostic) in self.0.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The line, and carets under the marked bytes of it.
fn draw(level: Level, line: &str, line_number: usize, marked: Range<usize>) -> String {
    if line.len() > LINE_BYTES_MAX || line.chars().any(|c| c.is_control() && c != '\t') {
        return String::new();
    }
    let shown = match level {
        Level::Error => Shown::ERROR,
        Level::Warning => Shown::WARNING,
    };
    let snippet = Snippet::source(line)
        .line_start(line_number)
        .fold(false)
        .annotation(AnnotationKind::Primary.span(marked));
    Renderer::plain().render(&[Group::with_level(shown).element(snippet)])
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Text for a terminal: control characters are escaped, line breaks become spaces.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for letter in text.trim_end().chars() {
        match letter {
            '\n' => cleaned.push(' '),
            c if c.is_control() => cleaned.extend(c.escape_default()),
            c => cleaned.push(c),
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shows_the_place() {
        let place = Place { file: "a.toml", text: "x = 1\nport = 70000\n" };
        let shown = Diagnostic::error(place, 13..18, "no such port").help("65535 is the last").to_string();
        assert!(shown.starts_with("a.toml:2:8: error: no such port\n"), "{shown}");
        assert!(shown.contains("2 | port = 70000\n"), "{shown}");
        assert!(shown.contains("|        ^^^^^"), "{shown}");
        assert!(shown.ends_with("\n  help: 65535 is the last"), "{shown}");
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        let place = Place { file: "a\u{1b}[31m", text: "x = \u{1b}[2J" };
        let shown = Diagnostic::error(place, 4..5, "bad \u{7} thing").to_string();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }

    proptest! {
        #[test]
        fn any_span_of_any_text(text in "(?s).{0,40}", start in 0usize..60, len in 0usize..60) {
            let place = Place { file: "f", text: &text };
            let made = Diagnostic::error(place, start..start + len, "w");
            prop_assert!(made.line >= 1 && made.column >= 1);
        }
    }
}
