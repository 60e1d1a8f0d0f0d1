//! Lines of keys and values that must stay short: a key that finds no room is left out with all that come
//! after it, so what is missing is always the end of the same list.

use std::fmt::{self, Display, Write};

/// A key of a compact format: its name, what it is, in which records it stands (`a`lert, `f`low, `p`ort,
/// `s`tats), and whether it is required there.
pub type Key = (&'static str, &'static str, &'static str, bool);

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// ` key="value"`, with `\` before `"`, `\` and `]` (RFC 5424 section 6.3.3).
    StructuredData,
    /// ` key=value`, with `\` before `\` and `=`; the value ends where the next key begins.
    Extension,
}

/// A list of keys and values at the end of a line.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    line: &'a mut Vec<u8>,
    /// Length that the line must not go beyond.
    end: usize,
    dialect: Dialect,
    is_full: bool,
}

impl<'a> Keys<'a> {
    /// Continues a line that may grow to `end` bytes.
    pub(super) const fn new(line: &'a mut Vec<u8>, end: usize, dialect: Dialect) -> Self {
        Self { line, end, dialect, is_full: false }
    }

    /// Adds a key with its value if there is still room.
    pub(super) fn add(&mut self, key: &str, value: impl Display) -> &mut Self {
        self.add_all(|keys| keys.write(key, value))
    }

    /// Adds a key if there is a value.
    pub(super) fn add_some(&mut self, key: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.add(key, value),
            None => self,
        }
    }

    /// Adds a value under one of the numbered keys, and what it is called under `keyLabel`: both or neither.
    pub(super) fn add_labelled(&mut self, key: &str, label: &str, value: impl Display) -> &mut Self {
        self.add_all(|keys| {
            keys.write(&format!("{key}Label"), label);
            keys.write(key, value);
        })
    }

    fn add_all(&mut self, write: impl FnOnce(&mut Self)) -> &mut Self {
        let before = self.line.len();
        if !self.is_full {
            write(self);
            self.is_full = self.line.len() > self.end;
        }
        if self.is_full {
            self.line.truncate(before);
        }
        self
    }

    fn write(&mut self, key: &str, value: impl Display) {
        let quote: &[u8] = if self.dialect == Dialect::StructuredData { b"\"" } else { b"" };
        self.line.push(b' ');
        self.line.extend_from_slice(key.as_bytes());
        self.line.push(b'=');
        self.line.extend_from_slice(quote);
        let special: &[u8] = match self.dialect {
            Dialect::StructuredData => b"\"\\]",
            Dialect::Extension => b"\\=",
        };
        // Writing to memory does not fail.
        let _ = write!(Escaped { line: self.line, special }, "{value}");
        self.line.extend_from_slice(quote);
    }
}

/// Puts a backslash before special characters. They are ASCII, so no other character is split.
pub(super) struct Escaped<'a> {
    pub(super) line: &'a mut Vec<u8>,
    pub(super) special: &'a [u8],
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.special.contains(&byte) {
                self.line.push(b'\\');
            }
            self.line.push(byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_the_dialect_says() {
        for (dialect, expected) in
            [(Dialect::StructuredData, r#"x k="a\"b\\c\]d=é""#), (Dialect::Extension, r#"x k=a"b\\c]d\=é"#)]
        {
            let mut line = b"x".to_vec();
            Keys::new(&mut line, 99, dialect).add("k", r#"a"b\c]d=é"#);
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
    }

    #[test]
    fn what_does_not_fit_goes_with_all_that_follows() {
        let mut line = Vec::new();
        let mut keys = Keys::new(&mut line, 12, Dialect::Extension);
        keys.add("a", 1).add_some("b", None::<u8>).add_labelled("cs1", "far too long", "x").add("d", 2);
        assert_eq!(line, b" a=1");
    }
}
