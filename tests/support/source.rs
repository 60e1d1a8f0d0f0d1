//! A Rust source file as the style tests see it: the text, and the same text with everything that is not code
//! blanked.
//!
//! Blanking keeps every line and column in its place, so a finding in `code` has the same position in `text`.
//! This is no parser: it knows comments, literals, brackets and attributes, which is all that the style tests
//! ask about.

use std::fs;
use std::path::{Path, PathBuf};

use super::tree;

/// One file.
pub(crate) struct Source {
    /// Relative to the root of the crate.
    pub(crate) path: PathBuf,
    /// As written.
    pub(crate) text: String,
    /// Comments and the insides of literals blanked.
    pub(crate) code: String,
}

/// One function: where it is and what surrounds it.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Byte range from `fn` to the closing brace.
    pub(crate) range: std::ops::Range<usize>,
}

impl Source {
    /// Reads a file of this tree.
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(tree::root().join(path)).expect("a source file is readable UTF-8");
        Self::new(path, text)
    }

    /// A file that exists only here: for the tests of the tests.
    pub(crate) fn new(path: &Path, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { path: path.to_path_buf(), code: blank_comments_and_literals(&text), text }
    }

    /// The code without items marked `#[cfg(test)]`, blanked in place.
    pub(crate) fn shipped_code(&self) -> String {
        let mut code = self.code.clone().into_bytes();
        let mut from = 0;
        while let Some(found) = self.code[from..].find("#[cfg(test)]") {
            let start = from + found;
            let end = item_end(&self.code, start + "#[cfg(test)]".len());
            blank(&mut code[start..end]);
            from = end;
        }
        String::from_utf8(code).expect("blanking replaces bytes by spaces")
    }

    /// Line number, from 1, of a byte offset.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset].iter().filter(|&&b| b == b'\n').count() + 1
    }

    /// All functions that have a body, also nested ones, in order.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for start in words(&self.code, "fn") {
            let name: String =
                self.code[start + 2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
            if name.is_empty() {
                continue; // a function pointer type
            }
            let Some(end) = body_end(&self.code, start) else { continue };
            functions.push(Function { name, range: start..end });
        }
        functions
    }
}

/// Offsets at which `word` stands as a whole word.
pub(crate) fn words(code: &str, word: &str) -> Vec<usize> {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| {
            let before = code[..at].chars().next_back().is_none_or(|c| !is_word(c));
            let after = code[at + word.len()..].chars().next().is_none_or(|c| !is_word(c));
            before && after
        })
        .collect()
}

pub(crate) const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Where the item that begins at or behind `from` ends: behind its closing brace, or its semicolon.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return at + 1,
            b'{' => return brace_end(code, at),
            _ => {}
        }
    }
    code.len()
}

/// Where the body of the function at `start` ends; `None` for a declaration without a body.
fn body_end(code: &str, start: usize) -> Option<usize> {
    let end = item_end(code, start);
    (code.as_bytes().get(end - 1) == Some(&b'}')).then_some(end)
}

/// Just behind the brace that closes the one at `open`.
fn brace_end(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Replaces comments and the insides of string and character literals by spaces; newlines stay.
fn blank_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_or_comment_end(bytes, at);
        match end {
            Some((inside, end)) => {
                blank(&mut code[inside]);
                at = end;
            }
            None => at += 1,
        }
    }
    String::from_utf8(code).expect("literals and comments begin and end at character boundaries")
}

/// If a comment or literal begins at `at`: the range to blank and where to go on.
fn literal_or_comment_end(bytes: &[u8], at: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let end = at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        return Some((at..end, end));
    }
    if rest.starts_with(b"/*") {
        let end = at + block_comment_length(rest);
        return Some((at..end, end));
    }
    let begins_word = at == 0 || !is_word(char::from(bytes[at - 1]));
    if begins_word && let Some((prefix, hashes)) = raw_string(rest) {
        let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
        let inside = at + prefix;
        let length = find(&bytes[inside..], &close).unwrap_or(bytes.len() - inside);
        return Some((inside..inside + length, (inside + length + close.len()).min(bytes.len())));
    }
    if rest[0] == b'"' {
        let end = at + 1 + quoted_length(&rest[1..], b'"');
        return Some((at + 1..end, (end + 1).min(bytes.len())));
    }
    if rest[0] == b'\'' && is_char_literal(rest) {
        let end = at + 1 + quoted_length(&rest[1..], b'\'');
        return Some((at + 1..end, (end + 1).min(bytes.len())));
    }
    None
}

/// Length of the nested block comment that `rest` begins with.
fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Bytes up to the closing quote, which a backslash can hide.
fn quoted_length(inside: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < inside.len() && inside[at] != quote {
        at += if inside[at] == b'\\' { 2 } else { 1 };
    }
    at.min(inside.len())
}

/// A raw string begins here: length of its opening (`r##"`) and its number of hashes.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
    let letters = if rest.starts_with(b"br") || rest.starts_with(b"cr") { 2 } else { 1 };
    if letters == 1 && rest[0] != b'r' {
        return None;
    }
    let hashes = rest[letters..].iter().take_while(|&&b| b == b'#').count();
    (rest.get(letters + hashes) == Some(&b'"')).then_some((letters + hashes + 1, hashes))
}

/// A character literal and not a lifetime: `'\n'`, `'x'`, `'é'`.
fn is_char_literal(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(&byte) if byte < 0x80 => rest.get(2) == Some(&b'\''),
        Some(_) => rest.iter().skip(2).take(4).any(|&b| b == b'\''),
        None => false,
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

#[test]
fn comments_and_literals_are_blanked_in_place() {
    let text = "let a = \"use crate::x\\\"\"; // crate::y\n\
                let b = r#\"crate::\"z\"#; /* /* crate */ */ 'q' 'a: loop";
    let source = Source::new(Path::new("x.rs"), text);
    assert_eq!(source.code.len(), text.len());
    assert!(!source.code.contains("crate"), "{}", source.code);
    assert!(source.code.contains("'a: loop"), "a lifetime is code: {}", source.code);
    assert!(!source.code.contains('q'), "{}", source.code);
}

#[test]
fn test_modules_are_not_shipped_and_functions_are_measured() {
    let text = "fn a() {\n  b(|x: fn(u8)| {});\n}\n#[cfg(test)]\nmod tests {\n fn t() {}\n}\n\
                fn c();\n#[cfg(test)]\nuse z;\nfn d() {}";
    let source = Source::new(Path::new("x.rs"), text);
    let shipped = source.shipped_code();
    assert!(shipped.contains("fn a") && shipped.contains("fn d"));
    assert!(!shipped.contains("fn t") && !shipped.contains("use z"), "{shipped}");
    let names: Vec<_> = source.functions().into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["a", "t", "d"]);
    assert_eq!(source.line_of(text.find("mod tests").expect("there")), 5);
}
