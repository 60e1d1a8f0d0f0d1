//! Encrypted transports and VPNs: TLS, DTLS, SSH, QUIC, IKE, OpenVPN, WireGuard.
//!
//! Their first messages are in the clear and carry lengths inside lengths; those are checked, so that a 0x16
//! at the beginning of something else is not a handshake.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{at, be16, be24, be32, contains, cut};
use super::recognise::Carrier;
use super::sign::{Sign, answers, asks, either};

/// TLS and SSL 3.0: RFC 8446 section 5.1 (records), section 4 (handshake); SSL 2.0 hello: RFC 5246 appendix
/// E.2.
pub(super) fn tls(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let Some(len) = tls_record(bytes, 0) else { return ssl2_hello(bytes) };
    match bytes[0] {
        22 => tls_handshake(bytes, len),
        21 if len == 2 && matches!(bytes.get(5)?, 1 | 2) && *bytes.get(6)? <= 121 => either(Good),
        21 if matches!(len, 16..=64) && bytes.len() == 5 + len => either(Good), // encrypted
        20 if len == 1 && *bytes.get(5)? == 1 => either(Good),
        23 if len >= 17 => {
            let end = 5 + len;
            let fits = bytes.len() == end || tls_record(bytes, end).is_some();
            either(if fits { Good } else { Weak })
        }
        _ => None,
    }
}

/// A record header at `at`: the length it declares, when everything else is in order.
fn tls_record(bytes: &[u8], at: usize) -> Option<usize> {
    let kind = matches!(bytes.get(at)?, 20..=23);
    let version = *bytes.get(at + 1)? == 3 && *bytes.get(at + 2)? <= 4;
    let len = usize::from(be16(bytes, at + 3)?);
    (kind && version && (1..=18_432).contains(&len)).then_some(len)
}

fn tls_handshake(bytes: &[u8], record_len: usize) -> Option<Sign> {
    let len = usize::try_from(be24(bytes, 6)?).ok()?;
    let version = bytes.get(9..11);
    let hello_version = version.is_none_or(|v| v[0] == 3 && v[1] <= 4 || v[0] == 0x7f);
    let session = bytes.get(43).is_none_or(|len| *len <= 32);
    let hello = (38..=131_072).contains(&len) && hello_version && session;
    let whole = bytes.len() >= 44 && len + 4 >= record_len.min(38);
    match bytes[5] {
        1 if hello => asks(if whole { Strong } else { Good }),
        2 if hello => answers(if whole { Strong } else { Good }),
        0 | 4 | 11..=16 | 20 | 22 if len + 4 <= record_len => either(Good),
        _ => None,
    }
}

/// The compatible hello: a two-byte length with the top bit set, message type 1, and three lengths that add
/// up.
fn ssl2_hello(bytes: &[u8]) -> Option<Sign> {
    let head = be16(bytes, 0)?;
    let known = *bytes.get(2)? == 1 && matches!((*bytes.get(3)?, *bytes.get(4)?), (0, 2) | (3, 0..=4));
    let (ciphers, session, challenge) = (be16(bytes, 5)?, be16(bytes, 7)?, be16(bytes, 9)?);
    let sizes = ciphers > 0
        && ciphers.is_multiple_of(3)
        && matches!(session, 0 | 16 | 32)
        && (16..=32).contains(&challenge);
    let sum = u32::from(ciphers) + u32::from(session) + u32::from(challenge) + 9;
    (head & 0x8000 != 0 && known && sizes && sum == u32::from(head & 0x7fff)).then(|| asks(Strong)).flatten()
}

/// DTLS 1.0 and 1.2: RFC 6347 sections 4.1 (records) and 4.2.2 (handshake).
pub(super) fn dtls(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::from(dtls_record(bytes, 0)?);
    let end = 13 + len;
    let fits = bytes.len() == end || dtls_record(bytes, end).is_some() || cut(bytes) && end > bytes.len();
    let clear = at(bytes, 3, &[0, 0]);
    match bytes[0] {
        22 if clear && len >= 12 => {
            let (whole, piece) = (be24(bytes, 14)?, be24(bytes, 22)?);
            match *bytes.get(13)? {
                _ if piece > whole || usize::try_from(piece).ok()? + 12 > len => None,
                1 => asks(Strong),
                2 | 3 => answers(Strong),
                0 | 4 | 11..=16 | 20 => either(Good),
                _ => None,
            }
        }
        20 | 21 if fits && len <= 64 => either(Good),
        22 | 23 if fits && !clear => either(Good),
        _ => None,
    }
}

/// A DTLS record header at `at`: the length it declares.
fn dtls_record(bytes: &[u8], at: usize) -> Option<u16> {
    let known =
        matches!(bytes.get(at)?, 20..=23) && matches!(bytes.get(at + 1..at + 3)?, [254, 253 | 255] | [1, 0]);
    let early = matches!(bytes.get(at + 5..at + 7)?, [0, 0]); // fewer than 2^32 records so far
    be16(bytes, at + 11).filter(|len| known && early && (1..=18_432).contains(len))
}

/// SSH: RFC 4253 section 4.2 (identification string), SSH 1.x alike; a key exchange seen without it (section
/// 7.1).
pub(super) fn ssh(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if at(bytes, 5, &[20]) && at(bytes, 0, &[0, 0]) {
        let names = bytes.get(26..)?; // after length, padding, type and cookie
        let methods: [&[u8]; 3] = [b"curve25519-", b"diffie-hellman-", b"ecdh-sha2-"];
        return methods.iter().any(|m| contains(names, m)).then(|| either(Strong)).flatten();
    }
    let rest = bytes.strip_prefix(b"SSH-")?;
    let old = rest.starts_with(b"1.") && rest.get(2).is_some_and(u8::is_ascii_digit);
    (rest.starts_with(b"2.") || old).then(|| either(Strong)).flatten()
}

/// QUIC: RFC 9000 section 17.2 (long header), RFC 9369 (version 2); Google's versions before it (`Q043` …).
pub(super) fn quic(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let first = *bytes.first()?;
    if first & 0x80 == 0 {
        // Google QUIC up to Q043: public flags with a version, an 8-byte connection identifier, then the
        // version.
        let version = bytes.get(9..13)?;
        let digits = version.starts_with(b"Q0") && version[2].is_ascii_digit() && version[3].is_ascii_digit();
        return (first & 0x09 == 0x09 && digits).then(|| asks(Strong)).flatten();
    }
    let version = be32(bytes, 1)?;
    let dcid = usize::from(*bytes.get(5)?);
    let scid = usize::from(*bytes.get(6 + dcid)?);
    let google = matches!(version.to_be_bytes(), [b'Q' | b'T', b'0', b'0'..=b'9', b'0'..=b'9']);
    if google {
        return either(Strong);
    }
    let draft = (0xff00_0001..=0xff00_0022).contains(&version) || version & 0xffff_ff00 == 0xface_b000;
    let known = matches!(version, 1 | 0x6b33_43cf | 0x709a_50c4) || draft;
    let sizes = dcid <= 20 && scid <= 20 && bytes.len() >= 7 + dcid + scid;
    if known && first & 0x40 != 0 && sizes && (dcid > 0 || scid > 0) {
        return either(Strong);
    }
    // Reserved versions, with which clients ask for a negotiation (RFC 9000 section 15).
    if version & 0x0f0f_0f0f == 0x0a0a_0a0a && first & 0xf0 == 0xc0 && sizes && dcid >= 8 {
        return either(Good);
    }
    let list = bytes.get(7 + dcid + scid..).unwrap_or_default();
    let offered =
        |v: &[u8]| matches!(v, [0, 0, 0, 1] | [0xff, 0, 0, _] | [0x6b, 0x33, 0x43, 0xcf] | [b'Q', b'0', ..]);
    let negotiation = version == 0 && sizes && list.len() >= 4 && list.len().is_multiple_of(4);
    (negotiation && list.chunks_exact(4).any(offered)).then(|| answers(Strong)).flatten()
}

/// IKE: RFC 7296 section 3.1, RFC 2408 section 3.1; behind four zero bytes when NAT traversal is on (RFC
/// 3948).
pub(super) fn ike(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let message = bytes.strip_prefix(&[0, 0, 0, 0]).unwrap_or(bytes);
    let header = message.get(..28)?;
    let named = header[..8].iter().any(|b| *b != 0);
    let exchange = match header[17] {
        0x10 => matches!(header[18], 1..=6 | 32..=35) && header[19] & !7 == 0,
        0x20 => matches!(header[18], 34..=43) && header[19] & !0x38 == 0,
        _ => false,
    };
    let payload = matches!(header[16], 0..=16 | 20 | 21 | 33..=54 | 130..=137);
    let len = usize::try_from(be32(header, 24)?).ok()?;
    let fits = len == message.len() || len > message.len() && cut(message);
    if !(named && exchange && payload && fits && len <= 65_535) {
        return None;
    }
    if header[8..16] == [0; 8] { asks(Strong) } else { either(Strong) }
}

/// OpenVPN: the hard resets of its control channel (network protocol documentation,
/// `P_CONTROL_HARD_RESET_*`), bare, with tls-auth (digest, packet number, time) or with tls-crypt; over TCP
/// behind a two-byte length.
pub(super) fn openvpn(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let message = match carrier {
        Carrier::Datagram => bytes,
        Carrier::Stream => bytes.get(2..2 + usize::from(be16(bytes, 0)?))?,
    };
    let client = match *message.first()? {
        0x38 | 0x50 => true,
        0x40 => false,
        _ => return None,
    };
    let says = |strength| if client { asks(strength) } else { answers(strength) };
    // What every reset ends with: acknowledged packets (count, numbers, the peer's session), then packet
    // number 0.
    let tail = |rest: &[u8]| match rest {
        [0, 0, 0, 0, 0] => true,
        [1, acked @ ..] => !client && acked.len() == 16 && acked[..4] == [0; 4] && acked[12..] == [0; 4],
        _ => false,
    };
    let rest = message.get(9..)?;
    if tail(rest) {
        return says(Strong);
    }
    // tls-auth: digests of 16 to 64 bytes, then packet number 1.
    for digest in [20, 32, 64, 16, 28, 48] {
        let signed = rest.get(digest..digest + 4) == Some(&[0, 0, 0, 1][..]);
        if signed && rest.get(digest + 8..).is_some_and(tail) {
            return says(Strong);
        }
    }
    // tls-crypt: packet number 1 (or the 2.6 cookie's 0x0f000001), time, a 32-byte tag, then ciphertext.
    let numbered = rest.starts_with(&[0, 0, 0, 1]) || rest.starts_with(&[0x0f, 0, 0, 1]);
    let random = message[1..9].iter().filter(|b| **b == 0).count() <= 2;
    (numbered && random && rest.len() >= 4 + 4 + 32 + 5).then(|| says(Good)).flatten()
}

/// `WireGuard`: the four messages of its whitepaper, section 5.4, each with a fixed or aligned size.
pub(super) fn wireguard(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if !at(bytes, 1, &[0, 0, 0]) {
        return None;
    }
    let no_cookie = bytes.len() >= 16 && bytes[bytes.len() - 16..] == [0; 16];
    match (bytes[0], bytes.len()) {
        (1, 148) => asks(if no_cookie { Strong } else { Good }),
        (2, 92) => answers(if no_cookie { Strong } else { Good }),
        (3, 64) => answers(Weak),
        (4, len) if len >= 32 && (len.is_multiple_of(16) || len >= 256) && at(bytes, 12, &[0, 0, 0, 0]) => {
            (bytes[4..8] != [0; 4]).then(|| either(Good)).flatten()
        }
        _ => None,
    }
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

/// A client hello and a server hello, cut after the session identifier's length.
#[cfg(test)]
const HELLOS: (&[u8], &[u8]) = (
    b"\x16\x03\x01\x00\x60\x01\x00\x00\x5c\x03\x03RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR\x00\x00\x02\x13\x01",
    b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\x00\x13\x01",
);

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(App::Tls, HELLOS.0, HELLOS.1),
    stream(App::Tls, HELLOS.0, b"\x15\x03\x01\x00\x02\x02\x28"),
    stream(App::Tls, b"\x80\x1c\x01\x03\x01\x00\x03\x00\x00\x00\x10\x00\x00\x05CCCCCCCCCCCCCCCC", HELLOS.1),
    stream(
        App::Tls,
        b"\x17\x03\x03\x00\x14AAAAAAAAAAAAAAAAAAAA",
        b"\x17\x03\x03\x00\x15BBBBBBBBBBBBBBBBBBBBB",
    ),
    datagram(
        App::Dtls,
        b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x20\x01\0\0\x14\0\0\0\0\0\0\0\x14\xfe\xfdRRRRRRRRRRRRRRRRRR",
        b"\x16\xfe\xff\0\0\0\0\0\0\0\0\0\x10\x03\0\0\x04\0\0\0\0\0\0\0\x04\xfe\xff\x01C",
    ),
    stream(App::Ssh, b"\0\0\x03\x84\x04\x14cookiecookiecook\0\0\0\x7ediffie-hellman-group1-sha1", b""),
    stream(App::Ssh, b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-1.99-Cisco-1.25\r\n"),
    datagram(
        App::Quic,
        b"\xc3\0\0\0\x01\x08DDDDDDDD\x00\x00\x44\x9epppppppppppppp",
        b"\xc1\0\0\0\x01\x00\x08SSSSSSSS\x00\x40\x75pppppppp",
    ),
    datagram(
        App::Quic,
        b"\xc0\x6b\x33\x43\xcf\x08DDDDDDDD\x00\x00\x44\x9epp",
        b"\x80\0\0\0\0\x00\x08DDDDDDDD\0\0\0\x01",
    ),
    datagram(App::Quic, b"\xcc\x1a\x2a\x3a\x4a\x08DDDDDDDD\x00\x00\x44\x9eppppppppppppp", b""),
    datagram(App::Quic, b"\x0dCCCCCCCCQ043\x01HHHHHHHHHHHH", b""),
    datagram(
        App::Ike,
        b"IIIIIIII\0\0\0\0\0\0\0\0\x21\x20\x22\x08\0\0\0\0\0\0\0\x20PPPP",
        b"IIIIIIIIRRRRRRRR\x21\x20\x22\x20\0\0\0\0\0\0\0\x20PPPP",
    ),
    datagram(App::Ike, b"\0\0\0\0IIIIIIII\0\0\0\0\0\0\0\0\x01\x10\x02\x00\0\0\0\0\0\0\0\x1c", b""),
    datagram(App::Openvpn, b"\x38SSSSSSSS\0\0\0\0\0", b"\x40TTTTTTTT\x01\0\0\0\0SSSSSSSS\0\0\0\0"),
    stream(
        App::Openvpn,
        b"\0\x2a\x38SSSSSSSSDDDDDDDDDDDDDDDDDDDD\0\0\0\x01TTTT\0\0\0\0\0",
        b"\0\x36\x40TTTTTTTTDDDDDDDDDDDDDDDDDDDD\0\0\0\x01TTTT\x01\0\0\0\0SSSSSSSS\0\0\0\0",
    ),
    datagram(App::Wireguard, &WIREGUARD_HELLO, &WIREGUARD_REPLY),
];

#[cfg(test)]
const WIREGUARD_HELLO: [u8; 148] = wireguard_sample(1);
#[cfg(test)]
const WIREGUARD_REPLY: [u8; 92] = wireguard_sample(2);

/// A handshake message whose secrets are all `k` and whose second authenticator is empty.
#[cfg(test)]
const fn wireguard_sample<const N: usize>(kind: u8) -> [u8; N] {
    let mut message = [0; N];
    message[0] = kind;
    let mut at = 4;
    while at < N - 16 {
        message[at] = b'k';
        at += 1;
    }
    message
}
