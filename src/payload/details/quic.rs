//! QUIC's first packets (RFC 9000, RFC 9001, RFC 9369): whom the client asks for stands in them, under a key
//! that everybody who sees them can compute.
//!
//! The key comes from the Destination Connection ID and a number fixed per version (RFC 9001 section 5.2), so
//! the encryption hides nothing and its tag proves nothing: anybody could have made it. The tag is therefore
//! not checked, which also lets a packet be read that was cut. What tells the right key from a wrong one is
//! the content: frames that an Initial may carry, whole, and a `ClientHello` in them.
//!
//! CRYPTO frames come in any order and over several packets (long hellos; Chrome shuffles on purpose). What
//! is contiguous from the beginning is read; what is missing is missing.
//!
//! Invariants: no panic on any bytes; at most [`PACKETS_MAX`] packets are opened, so work and memory are
//! bounded whatever is given.

use aes::Aes128;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit, KeyIvInit, StreamCipher};
use ctr::Ctr32BE;
use hkdf::Hkdf;
use sha2::Sha256;

use super::hello::{CLIENT, Message};
use crate::payload::bytes::be32;

/// Packets of one side that are looked at.
const PACKETS_MAX: usize = 8;
/// Bytes of the tag behind every ciphertext (RFC 9001 section 5.3).
const TAG_BYTES: usize = 16;
/// Longest connection identifier (RFC 9000 section 17.2).
const CONNECTION_ID_MAX: usize = 20;

/// The version a long header bears, by the name under which it is known: `1`, `2`, `draft-29`, `Q046`, or the
/// number in hexadecimal digits. `None` for a short header and for version negotiation.
pub(super) fn version(bytes: &[u8]) -> Option<String> {
    let number = be32(bytes, 1).filter(|number| bytes[0] & 0x80 != 0 && *number != 0)?;
    Some(match (number, number.to_be_bytes()) {
        (1, _) => "1".to_owned(),
        (0x6b33_43cf, _) => "2".to_owned(),
        (_, [0xff, 0, 0, draft]) => format!("draft-{draft}"),
        (_, [b'Q' | b'T', digits @ ..]) if digits.iter().all(u8::is_ascii_digit) => {
            number.to_be_bytes().map(char::from).iter().collect()
        }
        _ => format!("{number:#010x}"),
    })
}

/// What one side said first, as far as it can be opened.
pub(super) struct First {
    message: Vec<u8>,
    goes_on: bool,
}

impl First {
    /// Opens what can be opened of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let first = packets(bytes).next().and_then(|packet| packet.initial);
        let pieces = gathered(bytes);
        let opened = !pieces.is_empty();
        let message = joined(pieces);
        let is_missing = || opened && Message::read(&message).is_none_or(|message| message.missing() > 0);
        let goes_on = first.is_some_and(|initial| initial.is_cut || is_missing());
        Self { message, goes_on }
    }

    /// The `ClientHello`, from its handshake header on; cut where the bytes end.
    pub(super) fn hello(&self) -> Option<&[u8]> {
        let is_hello = Message::read(&self.message).is_some_and(|message| message.kind == CLIENT);
        is_hello.then_some(&self.message)
    }

    /// True when more bytes of this side could hold more of a `ClientHello`.
    pub(super) const fn goes_on(&self) -> bool {
        self.goes_on
    }
}

/// What the CRYPTO frames of the packets hold that can be opened.
fn gathered(bytes: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut keys: Option<(&[u8], Keys)> = None;
    for packet in packets(bytes).take(PACKETS_MAX) {
        let Some(initial) = packet.initial else { continue };
        let keys = match &mut keys {
            Some((id, keys)) if *id == initial.to => keys,
            // A Retry gives the connection another identifier, and with it other keys (RFC 9001 section 5.2).
            keys => &mut keys.insert((initial.to, Keys::of(initial.dialect, initial.to))).1,
        };
        let Some(plain) = initial.open(keys) else { continue };
        // A packet with anything else in it was made with another key, or is damaged.
        let _ = read_frames(&plain, initial.is_cut, &mut pieces);
    }
    pieces
}

/// Part of a message, and where in it.
type Piece = (u64, Vec<u8>);

/// What is different between versions.
struct Dialect {
    salt: [u8; 20],
    /// Labels of key, nonce and header protection.
    labels: [&'static str; 3],
    /// The two bits of an Initial's packet type.
    initial: u8,
}

/// RFC 9001 section 5.2; its last drafts (33 and 34) used the same.
static V1: Dialect = Dialect {
    salt: *b"\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a",
    labels: ["quic key", "quic iv", "quic hp"],
    initial: 0,
};
/// RFC 9369 section 3.
static V2: Dialect = Dialect {
    salt: *b"\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9",
    labels: ["quicv2 key", "quicv2 iv", "quicv2 hp"],
    initial: 1,
};
/// draft-ietf-quic-tls-23 to 28, section 5.2.
static DRAFT_23: Dialect = Dialect {
    salt: *b"\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02",
    labels: V1.labels,
    initial: 0,
};
/// draft-ietf-quic-tls-29 to 32, section 5.2: what browsers spoke until 2021.
static DRAFT_29: Dialect = Dialect {
    salt: *b"\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99",
    labels: V1.labels,
    initial: 0,
};

impl Dialect {
    const fn of(version: u32) -> Option<&'static Self> {
        match version {
            1 | 0xff00_0021 | 0xff00_0022 => Some(&V1),
            0x6b33_43cf => Some(&V2),
            0xff00_0017..=0xff00_001c => Some(&DRAFT_23),
            0xff00_001d..=0xff00_0020 => Some(&DRAFT_29),
            _ => None,
        }
    }
}

/// A packet with a long header.
struct Packet<'a> {
    /// What it is, when it is an Initial of a version that is known.
    initial: Option<Initial<'a>>,
    /// What stands behind it.
    rest: &'a [u8],
}

/// An Initial packet (RFC 9000 section 17.2.2).
struct Initial<'a> {
    dialect: &'static Dialect,
    first: u8,
    /// The Destination Connection ID.
    to: &'a [u8],
    /// From the packet number on, as far as it is there.
    body: &'a [u8],
    /// True when not all of it is there.
    is_cut: bool,
}

/// The packets in these bytes, as far as their lengths are known (RFC 9000 section 12.2).
fn packets(bytes: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut left = bytes;
    std::iter::from_fn(move || {
        // Some fill the datagram with zeros behind the packet instead of inside it.
        let padding = left.iter().take_while(|byte| **byte == 0).count();
        let packet = Packet::read(&left[padding..])?;
        left = packet.rest;
        Some(packet)
    })
}

impl<'a> Packet<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let first = *bytes.first().filter(|first| **first & 0x80 != 0)?;
        let dialect = Dialect::of(be32(bytes, 1)?)?;
        let (to, rest) = counted(bytes.get(5..)?)?;
        let (from, rest) = counted(rest)?;
        if to.len() > CONNECTION_ID_MAX || from.len() > CONNECTION_ID_MAX {
            return None;
        }
        // From Initial: 0-RTT, Handshake, Retry. The last has no length, and nothing stands behind it.
        let kind = (first >> 4 & 3).wrapping_sub(dialect.initial) & 3;
        let rest = match kind {
            0 => {
                let (token, rest) = varint(rest)?;
                rest.get(usize::try_from(token).ok()?..)?
            }
            3 => return None,
            _ => rest,
        };
        let (len, rest) = varint(rest)?;
        let len = usize::try_from(len).ok()?;
        let body = rest.get(..len).unwrap_or(rest);
        let is_cut = body.len() < len;
        // Behind the packet number comes a sample of 16 bytes and nothing shorter; without the tag, what is
        // left to read.
        let body = &body[..body.len().min(len.checked_sub(TAG_BYTES)?)];
        let whole = &rest[..len.min(rest.len())];
        let initial = (kind == 0).then_some(Initial { dialect, first, to, body, is_cut });
        Some(Self { initial, rest: &rest[whole.len()..] })
    }
}

impl Initial<'_> {
    /// Takes the protection off (RFC 9001 sections 5.3 and 5.4): the frames. `None` when too little is there
    /// or the key is wrong.
    fn open(&self, keys: &Keys) -> Option<Vec<u8>> {
        let mut mask = *GenericArray::from_slice(self.body.get(4..20)?);
        keys.header.encrypt_block(&mut mask);
        let first = self.first ^ mask[0] & 0x0f;
        if first & 0x0c != 0 {
            return None; // reserved bits
        }
        let number_len = usize::from(first & 3) + 1;
        // The counter block of AES-GCM: the nonce, then a counter of which 1 is the tag's.
        let mut block = [0; 16];
        block[..12].copy_from_slice(&keys.nonce);
        block[15] = 2;
        for (at, byte) in self.body[..number_len].iter().enumerate() {
            block[12 - number_len + at] ^= byte ^ mask[1 + at];
        }
        let mut plain = self.body[number_len..].to_vec();
        Ctr32BE::<Aes128>::new(&keys.key.into(), &block.into()).apply_keystream(&mut plain);
        Some(plain)
    }
}

/// A client's keys for its Initial packets.
struct Keys {
    key: [u8; 16],
    nonce: [u8; 12],
    header: Aes128,
}

impl Keys {
    /// RFC 9001 section 5.2.
    fn of(dialect: &Dialect, id: &[u8]) -> Self {
        let mut secret = [0; 32];
        expand(&Hkdf::new(Some(&dialect.salt), id), "client in", &mut secret);
        let (mut key, mut nonce, mut header) = ([0; 16], [0; 12], [0; 16]);
        if let Ok(secret) = Hkdf::from_prk(&secret) {
            expand(&secret, dialect.labels[0], &mut key);
            expand(&secret, dialect.labels[1], &mut nonce);
            expand(&secret, dialect.labels[2], &mut header);
        }
        Self { key, nonce, header: Aes128::new(&header.into()) }
    }
}

/// `HKDF-Expand-Label` with an empty context (RFC 8446 section 7.1).
#[expect(clippy::expect_used, reason = "at most 32 bytes are asked for, and HKDF gives 8160")]
fn expand(secret: &Hkdf<Sha256>, label: &str, out: &mut [u8]) {
    let short = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
    let lens = [0, short(out.len()), short(6 + label.len())];
    secret.expand_multi_info(&[&lens, b"tls13 ", label.as_bytes(), &[0]], out).expect("short");
}

/// Collects the CRYPTO frames, each with its offset (RFC 9000 section 19.6); `None` when there is anything
/// that an Initial may not carry (section 17.2.2). `is_cut`: the last frame may be incomplete.
fn read_frames(plain: &[u8], is_cut: bool, pieces: &mut Vec<Piece>) -> Option<()> {
    let (mut left, mut found) = (plain, Vec::new());
    while let Some((kind, rest)) = left.split_first() {
        let next = match kind {
            // PADDING, most of a datagram.
            0 => Some(rest.iter().position(|byte| *byte != 0).map_or(&[][..], |padding| &rest[padding..])),
            1 => Some(rest), // PING
            2 | 3 => skip_ack(rest, *kind == 3),
            6 => crypto(rest, is_cut, &mut found),
            0x1c => break, // CONNECTION_CLOSE: nothing else matters
            _ => return None,
        };
        match next {
            Some(next) => left = next,
            None if is_cut => break,
            None => return None,
        }
    }
    pieces.append(&mut found);
    Some(())
}

/// A CRYPTO frame; what stands behind it.
fn crypto<'a>(frame: &'a [u8], is_cut: bool, found: &mut Vec<Piece>) -> Option<&'a [u8]> {
    let (offset, rest) = varint(frame)?;
    let (len, rest) = varint(rest)?;
    let len = usize::try_from(len).ok()?;
    if len > rest.len() && !is_cut {
        return None;
    }
    let (data, rest) = rest.split_at(len.min(rest.len()));
    found.push((offset, data.to_vec()));
    Some(rest)
}

/// What stands behind an ACK frame (RFC 9000 section 19.3).
fn skip_ack(frame: &[u8], has_ecn: bool) -> Option<&[u8]> {
    let (_largest, rest) = varint(frame)?;
    let (_delay, rest) = varint(rest)?;
    let (ranges, mut rest) = varint(rest)?;
    // Every number takes at least a byte, so this ends.
    let numbers = ranges.checked_mul(2)?.checked_add(if has_ecn { 4 } else { 1 })?;
    for _ in 0..numbers {
        (_, rest) = varint(rest)?;
    }
    Some(rest)
}

/// What is contiguous from offset 0.
fn joined(mut pieces: Vec<Piece>) -> Vec<u8> {
    pieces.sort_by_key(|(offset, _)| *offset);
    let mut whole = Vec::new();
    for (offset, data) in pieces {
        let Some(known) = usize::try_from(offset).ok().and_then(|at| whole.len().checked_sub(at)) else {
            break;
        };
        whole.extend_from_slice(data.get(known..).unwrap_or_default());
    }
    whole
}

/// Bytes behind their one-byte length, and what follows.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

/// A variable-length integer (RFC 9000 section 16), and what follows.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let first = *bytes.first()?;
    let (number, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    Some((
        number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)) & !0 >> (64 - (8 * number.len() - 2)),
        rest,
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn hello(bytes: &[u8]) -> Option<Vec<u8>> {
        First::of(bytes).hello().map(<[u8]>::to_vec)
    }

    fn goes_on(bytes: &[u8]) -> bool {
        First::of(bytes).goes_on()
    }
    use proptest::prelude::*;

    /// The beginnings of the client's Initials of RFC 9001 appendix A.2 and RFC 9369 appendix A.2: the hello
    /// and some of the padding behind it.
    const SAMPLE_V1: &str = concat!(
        "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec",
        "356c0bab7df5976d27cd449f63300099f3991c260ec4c60d17b31f8429157bb35a1282a643a8d2262cad67500cad",
        "b8e7378c8eb7539ec4d4905fed1bee1fc8aafba17c750e2c7ace01e6005f80fcb7df621230c83711b39343fa028c",
        "ea7f7fb5ff89eac2308249a02252155e2347b63d58c5457afd84d05dfffdb20392844ae812154682e9cf012f9021",
        "a6f0be17ddd0c2084dce25ff9b06cde535d0f920a2db1bf362c23e596d11a4f5a6cf3948838a3aec4e15daf8500a",
        "6ef69ec4e3feb6b1d98e610ac8b7ec3faf6ad760b7bad1db4ba3485e8a94dc250ae3fdb41ed15fb6a8e5eba0fc3d",
        "d60bc8e30c5c4287e53805db059ae0648db2f64264ed5e39be2e20d82df566da8dd5998ccabdae053060ae6c",
    );
    const SAMPLE_V2: &str = concat!(
        "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03dceebfa162e7",
        "5d6c96058bdbfb127cdfcbf903388e99ad049f9a3dd4425ae4d0992cfff18ecf0fdb5a842d09747052f17ac2053d",
        "21f57c5d250f2c4f0e0202b70785b7946e992e58a59ac52dea6774d4f03b55545243cf1a12834e3f249a78d395e0",
        "d18f4d766004f1a2674802a747eaa901c3f10cda5500cb9122faa9f1df66c392079a1b40f0de1c6054196a11cbea",
        "40afb6ef5253cd6818f6625efce3b6def6ba7e4b37a40f7732e093daa7d52190935b8da58976ff3312ae50b187c1",
        "433c0f028edcc4c2838b6a9bfc226ca4b4530e7a4ccee1bfa2a3d396ae5a3fb512384b2fdd851f784a65e03f2c4f",
        "be11a53c7777c023462239dd6f7521a3f6c7d5dd3ec9b3f233773d4b46d23cc375eb198c63301c21801f6520",
    );
    /// The hello in both.
    const HELLO: &str = concat!(
        "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c0000041301130201",
        "0000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d00170018001000070005",
        "04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f",
        "1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00",
        "024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8",
        "f03e51570806048000ffff",
    );

    fn hex(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }

    /// A number in two bytes.
    fn two(number: usize) -> [u8; 2] {
        (0x4000 | u16::try_from(number).unwrap()).to_be_bytes()
    }

    /// A client's Initial with these frames, protected, with a tag of zeros that nobody checks.
    pub(in crate::payload::details) fn initial(version: u32, number: u8, frames: &[u8]) -> Vec<u8> {
        let dialect = Dialect::of(version).unwrap();
        let (id, keys) = ([7; 8], Keys::of(dialect, &[7; 8]));
        let first = 0xc0 | dialect.initial << 4;
        let mut packet = [&[first][..], &version.to_be_bytes(), &[8], &id, &[0, 0]].concat();
        packet.extend(two(1 + frames.len() + TAG_BYTES));
        let at = packet.len();
        packet.push(number);
        let mut block = [0; 16];
        block[..12].copy_from_slice(&keys.nonce);
        (block[11], block[15]) = (block[11] ^ number, 2);
        let mut body = frames.to_vec();
        Ctr32BE::<Aes128>::new(&keys.key.into(), &block.into()).apply_keystream(&mut body);
        packet.extend(body);
        packet.extend([0; TAG_BYTES]);
        let mut mask = *GenericArray::from_slice(&packet[at + 4..at + 20]);
        keys.header.encrypt_block(&mut mask);
        packet[0] ^= mask[0] & 0x0f;
        packet[at] ^= mask[1];
        packet
    }

    /// A CRYPTO frame with this part of a message.
    pub(in crate::payload::details) fn frame(message: &[u8], from: usize, to: usize) -> Vec<u8> {
        [&[6][..], &two(from), &two(to - from), &message[from..to]].concat()
    }

    #[test]
    fn keys_are_those_of_the_appendices() {
        // RFC 9001 appendix A.1 and RFC 9369 appendix A.1: client key and nonce.
        let id = hex("8394c8f03e515708");
        let keys = Keys::of(&V1, &id);
        assert_eq!(keys.key.to_vec(), hex("1f369613dd76d5467730efcbe3b1a22d"));
        assert_eq!(keys.nonce.to_vec(), hex("fa044b2f42a3fd3b46fb255c"));
        let keys = Keys::of(&V2, &id);
        assert_eq!(keys.key.to_vec(), hex("8b1a0bc121284290a29e0971b5cd045d"));
        assert_eq!(keys.nonce.to_vec(), hex("91f73e2351d8fa91660e909f"));
    }

    #[test]
    fn the_samples_of_the_appendices_are_read() {
        for (sample, name) in [(SAMPLE_V1, "1"), (SAMPLE_V2, "2")] {
            let sample = hex(sample);
            assert_eq!(hello(&sample), Some(hex(HELLO)));
            assert_eq!(version(&sample).as_deref(), Some(name));
            assert!(goes_on(&sample), "the sample is cut");
        }
    }

    #[test]
    fn frames_come_in_any_order_and_over_packets() {
        let message = hex(HELLO);
        for version in [1, 0x6b33_43cf, 0xff00_001d] {
            let (a, b, c) = (frame(&message, 0, 60), frame(&message, 50, 200), frame(&message, 200, 241));
            let ack = [2, 5, 0, 1, 0, 0, 0];
            let one = initial(version, 0, &[&c[..], &[0, 1], &a, &ack, &[0; 30], &b].concat());
            assert_eq!(hello(&one).as_ref(), Some(&message));
            assert!(!goes_on(&one));
            let (first, second) = (
                initial(version, 0, &[&c[..], &a].concat()),
                initial(version, 1, &[&b[..], &[0; 40]].concat()),
            );
            assert_eq!(hello(&first).as_deref(), Some(&message[..60]));
            assert!(goes_on(&first));
            assert_eq!(hello(&[&first[..], &[0; 9], &second].concat()).as_ref(), Some(&message));
            assert_eq!(hello(&second), None, "its beginning is missing");
            assert!(goes_on(&second));
        }
    }

    #[test]
    fn a_wrong_key_gives_nothing() {
        let message = hex(HELLO);
        let right = initial(1, 0, &frame(&message, 0, message.len()));
        let mut wrong = right.clone();
        wrong[6] ^= 1; // the connection identifier
        assert_eq!((hello(&wrong), goes_on(&wrong)), (None, false));
        let mut wrong = right;
        wrong[1..5].copy_from_slice(&0xff00_001d_u32.to_be_bytes());
        assert_eq!((hello(&wrong), goes_on(&wrong)), (None, false));
    }

    #[test]
    fn versions_have_names() {
        let named = |bytes: [u8; 4]| version(&[&[0xc0][..], &bytes].concat());
        assert_eq!(named([0xff, 0, 0, 29]).as_deref(), Some("draft-29"));
        assert_eq!(named(*b"Q046").as_deref(), Some("Q046"));
        assert_eq!(named([0xfa, 0xce, 0xb0, 2]).as_deref(), Some("0xfaceb002"));
        assert_eq!((named([0; 4]), version(b"\x40\0\0\0\x01")), (None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_frames_are_safe(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            len in 0..400_usize,
        ) {
            let _ = (hello(&bytes), goes_on(&bytes), version(&bytes));
            let packet = initial(1, 3, &[&[0; 20][..], &bytes].concat());
            let _ = (hello(&packet), goes_on(&packet));
            let _ = hello(&packet[..len.min(packet.len())]);
            let long = [&packet[..12], &bytes].concat();
            let _ = (hello(&long), goes_on(&long));
        }
    }
}
