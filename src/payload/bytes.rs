//! Careful reading of a few bytes: every function here answers `None` or `false` past the end, and none can
//! panic.
//!
//! Heads are cut at 512 bytes, so a declared length may honestly exceed what is there; "cut short" and
//! "wrong" are different answers, and the recognisers decide which one they accept.

/// How much of a side is kept: bytes of this many may be the beginning of more.
pub(super) const HEAD_MAX: usize = 512;

/// Bytes compared at once by the searches: loops over so many without a way out become vector instructions.
const LANES: usize = 32;

/// True when the bytes may have been cut, so that a declared length may exceed them.
pub(super) const fn cut(bytes: &[u8]) -> bool {
    bytes.len() >= HEAD_MAX
}

/// The big-endian 16-bit number at `at`.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// The little-endian 16-bit number at `at`.
pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// The big-endian 24-bit number at `at`.
pub(super) fn be24(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes([0, *bytes.get(at)?, *bytes.get(at + 1)?, *bytes.get(at + 2)?]))
}

/// The little-endian 24-bit number at `at`.
pub(super) fn le24(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?, *bytes.get(at + 2)?, 0]))
}

/// The big-endian 32-bit number at `at`.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?, *bytes.get(at + 2)?, *bytes.get(at + 3)?]))
}

/// The little-endian 32-bit number at `at`.
pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    be32(bytes, at).map(u32::swap_bytes)
}

/// True when these bytes stand at `at`.
pub(super) fn at(bytes: &[u8], at: usize, literal: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(literal))
}

/// True when the bytes begin with this word, in any case.
pub(super) fn starts_nocase(bytes: &[u8], word: &[u8]) -> bool {
    bytes.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

/// Where `byte` first stands.
pub(super) fn find_byte(bytes: &[u8], byte: u8) -> Option<usize> {
    let (chunks, rest) = bytes.as_chunks::<LANES>();
    let whole = chunks.iter().position(|chunk| holds(chunk, byte));
    let from = whole.unwrap_or(chunks.len()) * LANES;
    let within = if whole.is_some() { &bytes[from..] } else { rest };
    within.iter().position(|b| *b == byte).map(|place| from + place)
}

/// Where `byte` last stands.
pub(super) fn rfind_byte(bytes: &[u8], byte: u8) -> Option<usize> {
    let (rest, chunks) = bytes.as_rchunks::<LANES>();
    let whole = chunks.iter().rposition(|chunk| holds(chunk, byte));
    let end = whole.map_or(rest.len(), |chunk| rest.len() + (chunk + 1) * LANES);
    bytes[..end].iter().rposition(|b| *b == byte)
}

/// True when one of these is `byte`; without a way out of the loop, so that they are compared at once.
#[inline(always)]
fn holds(chunk: &[u8; LANES], byte: u8) -> bool {
    chunk.iter().fold(false, |any, b| any | (*b == byte))
}

/// True when `needle` occurs.
pub(super) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    occurs(bytes, needle, 0, |found| found == needle)
}

/// True when `needle` occurs, in any case.
pub(super) fn contains_nocase(bytes: &[u8], needle: &[u8]) -> bool {
    const CASE: u8 = 0x20; // what tells `a` from `A`
    occurs(bytes, needle, CASE, |found| found.eq_ignore_ascii_case(needle))
}

/// The first line without its end (LF or CR LF), and whether the end was seen.
pub(super) fn line(bytes: &[u8]) -> (&[u8], bool) {
    match find_byte(bytes, b'\n') {
        Some(end) => (bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]), true),
        None => (bytes, false),
    }
}

/// Splits at the first space: the word before it and what follows (empty when there is no space).
pub(super) fn word(bytes: &[u8]) -> (&[u8], &[u8]) {
    match find_byte(bytes, b' ') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// True when every byte is printable ASCII, a tab, or at least 0x80 (UTF-8 and Latin texts).
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let odd = |b: &u8| (*b < 0x20) & (*b != b'\t') | (*b == 0x7f);
    !bytes.chunks(LANES).any(|chunk| chunk.iter().fold(false, |any, b| any | odd(b)))
}

/// The number these decimal digits say; `None` for anything else, including nothing.
pub(super) fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0_u32, |sum, d| d.is_ascii_digit().then(|| sum * 10 + u32::from(d - b'0')))
}

/// How much of a reply line is read.
const TEXT_MAX: usize = 160;

/// A reply line of the mail and file transfer family (RFC 5321 section 4.2, RFC 959 section 4.2): three
/// digits, then a space, a hyphen or the end of the line. Gives the code and the beginning of the line's
/// text, where servers name themselves.
pub(super) fn reply(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (line, ended) = line(bytes);
    let code = decimal(line.get(..3)?).filter(|code| (100..600).contains(code))?;
    match line.get(3) {
        None if ended => Some((code, &[])),
        Some(b' ' | b'-') => {
            let text = &line[4..line.len().min(TEXT_MAX)];
            is_text(text).then_some((code, text))
        }
        _ => None,
    }
}

/// A BER length (X.690 section 8.1.3, definite form) at `at`: the length and where the contents begin.
pub(super) fn ber_length(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    match *bytes.get(at)? {
        short @ 0..=0x7f => Some((usize::from(short), at + 1)),
        long @ 0x81..=0x84 => {
            let octets = usize::from(long & 0x7f);
            let value = bytes.get(at + 1..at + 1 + octets)?;
            Some((value.iter().fold(0, |sum, b| sum << 8 | usize::from(*b)), at + 1 + octets))
        }
        _ => None,
    }
}

/// A BER element with this tag at `at`: its length and where its contents begin.
pub(super) fn ber(bytes: &[u8], at: usize, tag: u8) -> Option<(usize, usize)> {
    (*bytes.get(at)? == tag).then(|| ber_length(bytes, at + 1)).flatten()
}

/// True when a place passes `same` whose first and last byte are the needle's, but for the bits of `ignored`.
/// Both are compared for many places at once, and only where both agree is the rest looked at.
fn occurs(bytes: &[u8], needle: &[u8], ignored: u8, same: impl Fn(&[u8]) -> bool) -> bool {
    let (Some(first), Some(last)) = (needle.first(), needle.last()) else { return false };
    let Some(ends) = bytes.get(needle.len() - 1..) else { return false };
    let (first, last) = (first | ignored, last | ignored);
    let fits = |start: u8, end: u8| (start | ignored == first) & (end | ignored == last);
    let starts = &bytes[..ends.len()];
    let here = |place: usize| fits(starts[place], ends[place]) && same(&bytes[place..place + needle.len()]);
    let any = |s: &[u8; LANES], e: &[u8; LANES]| (0..LANES).fold(false, |any, i| any | fits(s[i], e[i]));
    let within = |(from, s, e): (usize, _, _)| any(s, e) && (from..from + LANES).any(here);
    let (Some(last_starts), Some(last_ends)) = (starts.last_chunk(), ends.last_chunk()) else {
        return (0..starts.len()).any(here); // few places
    };
    let chunks = starts.as_chunks().0.iter().zip(ends.as_chunks().0).enumerate();
    let mut chunks = chunks.map(|(number, (s, e))| (number * LANES, s, e));
    chunks.any(within) || within((starts.len() - LANES, last_starts, last_ends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Few letters, so that needles are nearly found often.
        #[test]
        fn searches_find_what_a_plain_search_finds(
            bytes in proptest::collection::vec(prop::sample::select(b"aAb[{ \n".to_vec()), 0..150),
            needle in proptest::collection::vec(prop::sample::select(b"aAb[{".to_vec()), 0..4),
        ) {
            let windows = || bytes.windows(needle.len().max(1)).filter(|_| !needle.is_empty());
            prop_assert_eq!(contains(&bytes, &needle), windows().any(|w| w == needle));
            let any_case = windows().any(|w| w.eq_ignore_ascii_case(&needle));
            prop_assert_eq!(contains_nocase(&bytes, &needle), any_case);
            prop_assert_eq!(find_byte(&bytes, b'b'), bytes.iter().position(|b| *b == b'b'));
            prop_assert_eq!(rfind_byte(&bytes, b'b'), bytes.iter().rposition(|b| *b == b'b'));
        }

        #[test]
        fn text_is_printable(
            bytes in proptest::collection::vec(prop_oneof![20 => 0x20..0x7e_u8, 1 => any::<u8>()], 0..90),
        ) {
            let text = bytes.iter().all(|b| matches!(b, b'\t' | 0x20..=0x7e | 0x80..));
            prop_assert_eq!(is_text(&bytes), text);
        }
    }

    #[test]
    fn numbers_end_where_the_bytes_end() {
        let bytes = [1, 2, 3, 4];
        assert_eq!((be16(&bytes, 2), be16(&bytes, 3)), (Some(0x0304), None));
        assert_eq!((le32(&bytes, 0), be32(&bytes, 1)), (Some(0x0403_0201), None));
        assert_eq!((be24(&bytes, 1), le24(&bytes, 1)), (Some(0x02_0304), Some(0x04_0302)));
    }

    #[test]
    fn replies_are_three_digits_and_a_separator() {
        assert_eq!(reply(b"220 hello\r\n"), Some((220, &b"hello"[..])));
        assert_eq!(reply(b"220-hello\r\n"), Some((220, &b"hello"[..])));
        assert_eq!(reply(b"220\r\n"), Some((220, &b""[..])));
        assert_eq!((reply(b"220"), reply(b"2200 x\r\n"), reply(b"999 x\r\n")), (None, None, None));
    }

    #[test]
    fn ber_lengths_are_definite() {
        assert_eq!(ber_length(&[0x05], 0), Some((5, 1)));
        assert_eq!(ber_length(&[0x82, 0x01, 0x00], 0), Some((256, 3)));
        assert_eq!((ber_length(&[0x80], 0), ber_length(&[0x82, 1], 0)), (None, None));
    }
}
