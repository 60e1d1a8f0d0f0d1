//! Text from strangers, made harmless.
//!
//! JSON writers escape C0 controls, but a reader that unescapes them and prints the text hands them to a
//! terminal, and DEL, C1 controls (0x9b alone begins an escape sequence), direction marks and line separators
//! pass JSON untouched. So they are replaced by visible text before anything is written, in lines and on
//! terminals alike.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::eight::{is_plain, is_seen};
use super::json::Plain;

/// Returns `text` without anything that changes a terminal's state or the direction of writing: such
/// characters become `\u{…}` with their number, and what would go beyond `bytes_max` bytes becomes one `…`.
/// The result is never longer than `bytes_max` (at least 3), and JSON at most doubles it.
#[must_use]
pub fn clean(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max && (is_seen(text) || !text.chars().any(is_dangerous)) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::new();
    for character in text.chars() {
        let before = cleaned.len();
        if is_dangerous(character) {
            cleaned.extend(character.escape_unicode());
        } else {
            cleaned.push(character);
        }
        if cleaned.len() > bytes_max {
            cleaned.truncate(before);
            while cleaned.len() + '…'.len_utf8() > bytes_max && cleaned.pop().is_some() {}
            cleaned.push('…');
            break;
        }
    }
    Cow::Owned(cleaned)
}

/// The same for text that is for people and may have any length.
pub(super) fn whole(text: &str) -> Cow<'_, str> {
    clean(text, usize::MAX)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and everything that directs bidirectional
/// writing or is invisible (Unicode Standard Annex #9; Trojan Source, CVE-2021-42574).
const fn is_dangerous(character: char) -> bool {
    let is_control = matches!(character, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}');
    let directs = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    let is_unseen =
        matches!(character, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    is_control
        || directs
        || is_unseen
        || matches!(character, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text field of an event: cleaned and cut while it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    pub(super) bytes_max: usize,
    is_ours: bool,
}

impl<'a> Text<'a> {
    /// A stranger's words.
    pub(super) const fn cut(text: &'a str, bytes_max: usize) -> Self {
        Self { text, bytes_max, is_ours: false }
    }

    /// Words of ours, counts and addresses: harmless, and without quotation marks and backslashes.
    pub(super) const fn ours(text: &'a str, bytes_max: usize) -> Self {
        Self { text, bytes_max, is_ours: true }
    }

    /// The words, harmless.
    pub(super) fn cleaned(&self) -> Cow<'a, str> {
        clean(self.text, self.bytes_max)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Nearly all are, and then one look is enough.
        if self.text.len() <= self.bytes_max && (self.is_ours || is_plain(self.text)) {
            return Plain(self.text.as_bytes()).serialize(serializer);
        }
        serializer.serialize_str(&self.cleaned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_and_direction_marks_become_visible() {
        assert_eq!(clean("a\u{1b}[31mb", 99), "a\\u{1b}[31mb");
        assert_eq!(clean("\u{9b}0m\u{7f}\r\n", 99), "\\u{9b}0m\\u{7f}\\u{d}\\u{a}");
        assert_eq!(clean("x\u{202e}fdp.exe", 99), "x\\u{202e}fdp.exe");
        assert!(matches!(clean("plain, größer, 端口", 99), Cow::Borrowed(_)));
    }

    #[test]
    fn cut_text_says_so_and_never_splits_a_character() {
        assert_eq!(clean("abcdef", 6), "abcdef");
        assert_eq!(clean("abcdefg", 6), "abc…");
        assert_eq!(clean("ääää", 6), "ä…");
        assert_eq!(clean("abc\u{1b}", 6), "abc…");
    }

    proptest! {
        #[test]
        fn any_text_is_harmless_and_within_its_bound(text in any::<String>(), bytes_max in 3_usize..64) {
            let cleaned = clean(&text, bytes_max);
            prop_assert!(cleaned.len() <= bytes_max);
            prop_assert!(!cleaned.chars().any(is_dangerous));
        }
    }
}
