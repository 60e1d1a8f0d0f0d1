//! A QUIC client's first packets (RFC 9000, RFC 9001, RFC 9369), made by a sender's rules: the program under
//! test only ever opens what is made here.

use aes::Aes128;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit, KeyIvInit, StreamCipher};
use ctr::Ctr32BE;
use hkdf::Hkdf;
use sha2::Sha256;

/// A datagram holds at least this much when an Initial is in it (RFC 9000 section 14.1).
const DATAGRAM_BYTES: usize = 1200;
const TAG_BYTES: usize = 16;
const PACKET_NUMBER_BYTES: usize = 4;

/// What differs between versions.
pub(crate) struct Version {
    number: u32,
    first: u8,
    salt: [u8; 20],
    labels: [&'static str; 3],
}

/// RFC 9001 section 5.2.
pub(crate) const V1: Version = Version {
    number: 1,
    first: 0xc3,
    salt: [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
        0xbb, 0x7f, 0x0a,
    ],
    labels: ["quic key", "quic iv", "quic hp"],
};

/// RFC 9369 section 3.
pub(crate) const V2: Version = Version {
    number: 0x6b33_43cf,
    first: 0xd3,
    salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
        0xbd, 0x2e, 0xd9,
    ],
    labels: ["quicv2 key", "quicv2 iv", "quicv2 hp"],
};

/// A CRYPTO frame with the part of `message` that begins at `from` (RFC 9000 section 19.6).
pub(crate) fn crypto(message: &[u8], from: usize, to: usize) -> Vec<u8> {
    let part = &message[from..to];
    [&[6][..], &two(from), &two(part.len()), part].concat()
}

/// A datagram with one Initial packet to the connection `id`, these frames and padding in it. The tag is
/// zeros: without the server's certificate nobody can tell a true one from a forged one anyway.
pub(crate) fn initial(version: &Version, id: [u8; 8], number: u32, frames: &[u8]) -> Vec<u8> {
    let mut header = vec![version.first];
    header.extend(version.number.to_be_bytes());
    header.push(8);
    header.extend(id);
    header.extend([0, 0]); // no identifier of its own, no token
    let body = DATAGRAM_BYTES - header.len() - 2;
    header.extend(two(body));
    let number = number.to_be_bytes();
    let mut plain = frames.to_vec();
    plain.resize(body - PACKET_NUMBER_BYTES - TAG_BYTES, 0);

    let secret = Hkdf::<Sha256>::new(Some(&version.salt), &id);
    let client = Hkdf::from_prk(&label::<32>(&secret, "client in")).expect("long enough");
    let key: [u8; 16] = label(&client, version.labels[0]);
    let mut nonce: [u8; 12] = label(&client, version.labels[1]);
    let protection: [u8; 16] = label(&client, version.labels[2]);
    for (byte, number) in nonce[8..].iter_mut().zip(number) {
        *byte ^= number;
    }
    let block: Vec<u8> = [&nonce[..], &[0, 0, 0, 2]].concat();
    Ctr32BE::<Aes128>::new(&key.into(), GenericArray::from_slice(&block)).apply_keystream(&mut plain);
    plain.extend([0; TAG_BYTES]);

    // Four bytes of packet number: the sample begins right behind them (RFC 9001 section 5.4.2).
    let mut mask = *GenericArray::from_slice(&plain[..16]);
    Aes128::new(&protection.into()).encrypt_block(&mut mask);
    header[0] ^= mask[0] & 0x0f;
    header.extend(number.iter().zip(&mask[1..]).map(|(byte, mask)| byte ^ mask));
    [header, plain].concat()
}

fn label<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> [u8; N] {
    let (mut out, full) = ([0; N], format!("tls13 {label}"));
    let info = [
        &u16::try_from(N).expect("short").to_be_bytes()[..],
        &[u8::try_from(full.len()).expect("short")],
        full.as_bytes(),
        &[0],
    ]
    .concat();
    secret.expand(&info, &mut out).expect("short");
    out
}

/// A variable-length integer in two bytes (RFC 9000 section 16).
fn two(number: usize) -> [u8; 2] {
    (0x4000 | u16::try_from(number).expect("below 16384")).to_be_bytes()
}
