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
    let kinds: Vec<u16> = hello.extensions.iter().map(|(kind, _)| *kind).filter(|k| !is_grease(*k)).collect();
    let mut ciphers: Vec<u16> = words(hello.ciphers).filter(|cipher| !is_grease(*cipher)).collect();
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
    let (cipher_count, kind_count) = (ciphers.len().min(99), kinds.len().min(99));
    let alpn = alpn_ends(hello.protocols().next().unwrap_or_default());
    ciphers.sort_unstable();
    let mut hashed: Vec<u16> = kinds.into_iter().filter(|k| !matches!(*k, SERVER_NAME | ALPN)).collect();
    hashed.sort_unstable();
    let mut text = listed(&hashed);
    let algorithms: Vec<u16> = words(algorithms).filter(|word| !is_grease(*word)).collect();
    if !algorithms.is_empty() {
        text.push('_');
        text.push_str(&listed(&algorithms));
    }
    let (first, second) = (hash(&listed(&ciphers)), hash(&text));
    Some(format!("{carrier}{version}{name}{cipher_count:02}{kind_count:02}{alpn}_{first}_{second}"))
}

/// First and last character of an ALPN value; of its hexadecimal digits when either is not alphanumeric.
fn alpn_ends(value: &[u8]) -> String {
    match (value.first(), value.last()) {
        (Some(first), Some(last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
            [char::from(*first), char::from(*last)].iter().collect()
        }
        (Some(first), Some(last)) => format!("{:x}{:x}", first >> 4, last & 15),
        _ => "00".to_owned(),
    }
}

/// Four hexadecimal digits each. A formatter for each word was a tenth of what a flow with TLS costs.
fn listed(words: &[u16]) -> String {
    let mut text = String::with_capacity(words.len() * 5);
    for word in words {
        if !text.is_empty() {
            text.push(',');
        }
        word.to_be_bytes().into_iter().for_each(|byte| push_hex(&mut text, byte));
    }
    text
}

fn push_hex(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
}

/// The first twelve hexadecimal digits of SHA-256; zeros for an empty list.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    let mut digits = String::with_capacity(12);
    Sha256::digest(text.as_bytes()).iter().take(6).for_each(|byte| push_hex(&mut digits, *byte));
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_protocol_names_are_hexadecimal() {
        assert_eq!(
            (alpn_ends(b"h2"), alpn_ends(b"h"), alpn_ends(b"")),
            ("h2".into(), "hh".into(), "00".into())
        );
        assert_eq!(alpn_ends(&[0xab, 0xcd]), "ad");
    }
}
