//! A client's fingerprint, by `FoxIO`'s published description of JA4 (which is under the 3-clause BSD
//! licence; this is not its code).

use sha2::{Digest, Sha256};

use super::hello::{ALPN, Hello, SERVER_NAME, SIGNATURE_ALGORITHMS, is_grease, words};

/// JA4 of a client: what carries its hello (`t` TCP, `d` DTLS, `q` QUIC), version, whether a name is asked
/// for, counts of ciphers and extensions, first and last character of the first ALPN value; then the
/// beginnings of two hashes. `None` when the hello is cut where it matters.
pub(super) fn ja4(hello: &Hello<'_>, carrier: char) -> Option<String> {
    if !hello.is_whole {
        return None;
    }
    let mut kinds = Vec::with_capacity(hello.extensions.len());
    kinds.extend(hello.extensions.iter().map(|(kind, _)| *kind).filter(|kind| !is_grease(*kind)));
    let mut ciphers = Vec::with_capacity(hello.ciphers.len() / 2);
    ciphers.extend(words(hello.ciphers).filter(|cipher| !is_grease(*cipher)));
    let algorithms = match hello.extension(SIGNATURE_ALGORITHMS) {
        None => &[][..],
        Some(body) => body?.get(2..)?,
    };
    if hello.extension(ALPN) == Some(None) {
        return None;
    }
    let version = match hello.version()? {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0xfefc => "d3",
        0xfefd => "d2",
        0xfeff => "d1",
        _ => "00",
    };
    let name = if kinds.contains(&SERVER_NAME) { 'd' } else { 'i' };
    // Written by hand into memory of the right size: formatters and growing strings were a tenth of what a
    // flow with TLS costs.
    let mut print = String::with_capacity(PRINT_BYTES);
    print.push(carrier);
    print.push_str(version);
    print.push(name);
    push_count(&mut print, ciphers.len());
    push_count(&mut print, kinds.len());
    print.extend(alpn_ends(hello.protocols().next().unwrap_or_default()));
    let mut text = Vec::with_capacity(WORD_BYTES * (ciphers.len().max(kinds.len()) + algorithms.len() / 2));
    ciphers.sort_unstable();
    list(&mut text, ciphers.into_iter());
    push_hash(&mut print, &text);
    text.clear();
    kinds.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
    kinds.sort_unstable();
    list(&mut text, kinds.into_iter());
    let mut algorithms = words(algorithms).filter(|word| !is_grease(*word)).peekable();
    if algorithms.peek().is_some() {
        text.push(b'_');
        list(&mut text, algorithms);
    }
    push_hash(&mut print, &text);
    Some(print)
}

/// Bytes of a fingerprint.
const PRINT_BYTES: usize = 36;
/// Bytes of a word in a list, with the mark behind it.
const WORD_BYTES: usize = 5;
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The lower four bits.
fn digit(bits: u8) -> u8 {
    DIGITS[usize::from(bits & 15)]
}

/// Two decimal digits, at most 99.
fn push_count(print: &mut String, count: usize) {
    let count = u8::try_from(count.min(99)).unwrap_or(99);
    print.extend([count / 10, count % 10].map(|digit| char::from(b'0' + digit)));
}

/// First and last character of an ALPN value; of its hexadecimal digits when either is not alphanumeric.
fn alpn_ends(value: &[u8]) -> [char; 2] {
    let ends = match (value.first(), value.last()) {
        (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
            [*first, *last]
        }
        (Some(first), Some(last)) => [digit(first >> 4), digit(*last)],
        _ => *b"00",
    };
    ends.map(char::from)
}

/// Four hexadecimal digits each, with commas between them.
fn list(text: &mut Vec<u8>, words: impl Iterator<Item = u16>) {
    for word in words {
        let [high, low] = word.to_be_bytes();
        text.extend_from_slice(&[digit(high >> 4), digit(high), digit(low >> 4), digit(low), b',']);
    }
    text.pop_if(|last| *last == b',');
}

/// A mark and the first twelve hexadecimal digits of SHA-256; zeros for an empty list.
fn push_hash(print: &mut String, text: &[u8]) {
    print.push('_');
    if text.is_empty() {
        return print.push_str("000000000000");
    }
    for byte in &Sha256::digest(text)[..6] {
        print.extend([byte >> 4, *byte].map(|bits| char::from(digit(bits))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_protocol_names_are_hexadecimal() {
        let ends = |value: &[u8]| alpn_ends(value).into_iter().collect::<String>();
        assert_eq!((ends(b"h2"), ends(b"h"), ends(b"")), ("h2".into(), "hh".into(), "00".into()));
        assert_eq!(ends(&[0xab, 0xcd]), "ad");
    }
}
