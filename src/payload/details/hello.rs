//! Hellos of TLS and DTLS, wherever they travel: in records, in datagrams, in QUIC's CRYPTO frames.
//!
//! Invariants: no panic on any bytes; what is cut is absent, never guessed.

use crate::payload::bytes::{be16, be24};

/// Content type of records that hold handshake messages.
const HANDSHAKE: u8 = 22;
pub(super) const CLIENT: u8 = 1;
pub(super) const SERVER: u8 = 2;

pub(super) const SERVER_NAME: u16 = 0;
pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
pub(super) const ALPN: u16 = 16;
pub(super) const SUPPORTED_VERSIONS: u16 = 43;

/// A handshake message (RFC 8446 section 4), as much of it as is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    body: &'a [u8],
    /// What the body's length is said to be.
    len: usize,
}

impl<'a> Message<'a> {
    /// At the beginning of these bytes.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let len = usize::try_from(be24(bytes, 1)?).ok()?;
        let body = bytes.get(4..)?;
        Some(Self { kind: bytes[0], body: body.get(..len).unwrap_or(body), len })
    }

    /// In a TLS record (RFC 8446 section 5.1) that begins these bytes.
    pub(super) fn in_record(bytes: &'a [u8]) -> Option<Self> {
        let message = Self::read(bytes.get(5..)?).filter(|_| bytes[0] == HANDSHAKE)?;
        // A message over several records (rare) has headers between its bytes, and is not read.
        (usize::from(be16(bytes, 3)?) >= message.len + 4).then_some(message)
    }

    /// In a DTLS record that begins these bytes (RFC 6347 sections 4.1 and 4.2.2), when it is not in pieces.
    pub(super) fn in_datagram(bytes: &'a [u8]) -> Option<Self> {
        let handshake = bytes.get(13..).filter(|_| bytes[0] == HANDSHAKE)?;
        let (len, from, piece) = (be24(handshake, 1)?, be24(handshake, 6)?, be24(handshake, 9)?);
        let body = handshake.get(12..).filter(|_| from == 0 && piece == len)?;
        let len = usize::try_from(len).ok()?;
        let fits = usize::from(be16(bytes, 11)?) >= len + 12;
        fits.then(|| Self { kind: handshake[0], body: body.get(..len).unwrap_or(body), len })
    }

    /// Bytes of it that are not there.
    pub(super) const fn missing(&self) -> usize {
        self.len - self.body.len()
    }
}

/// A client's or server's hello (RFC 8446 sections 4.1.2 and 4.1.3), as much of it as is there.
pub(super) struct Hello<'a> {
    legacy_version: u16,
    pub(super) ciphers: &'a [u8],
    /// Kind and body of each extension; a body that is cut is `None`.
    pub(super) extensions: Vec<(u16, Option<&'a [u8]>)>,
    /// True when every extension's kind is known.
    pub(super) is_whole: bool,
}

impl<'a> Hello<'a> {
    /// Reads a message as a hello; `None` when it is another message or cut before the extensions.
    pub(super) fn read(message: &Message<'a>) -> Option<Self> {
        let (bytes, end) = (message.body, message.len);
        let legacy_version = be16(bytes, 0)?;
        let mut at = 35 + usize::from(*bytes.get(34)?);
        let ciphers;
        if message.kind == CLIENT {
            if is_dtls(legacy_version) {
                at += 1 + usize::from(*bytes.get(at)?); // the cookie
            }
            let len = usize::from(be16(bytes, at)?);
            ciphers = bytes.get(at + 2..at + 2 + len)?;
            at += 2 + len;
            at += 1 + usize::from(*bytes.get(at)?);
        } else if message.kind == SERVER {
            ciphers = bytes.get(at..at + 2)?;
            at += 3;
        } else {
            return None;
        }
        let mut hello = Self { legacy_version, ciphers, extensions: Vec::new(), is_whole: at == end };
        if let Some(len) = be16(bytes, at) {
            // As many as a browser has; more only grow it.
            hello.extensions.reserve(if message.kind == CLIENT { 20 } else { 4 });
            hello.read_extensions(bytes, at + 2, end.min(at + 2 + usize::from(len)));
        }
        Some(hello)
    }

    fn read_extensions(&mut self, bytes: &'a [u8], mut at: usize, end: usize) {
        while at < end {
            let (Some(kind), Some(len)) = (be16(bytes, at), be16(bytes, at + 2)) else { return };
            let next = at + 4 + usize::from(len);
            self.extensions.push((kind, bytes.get(at + 4..next)));
            at = next;
        }
        self.is_whole = at == end;
    }

    /// The body of an extension: `None` when it is absent, `Some(None)` when it is cut.
    pub(super) fn extension(&self, kind: u16) -> Option<Option<&'a [u8]>> {
        self.extensions.iter().find(|(k, _)| *k == kind).map(|(_, body)| *body)
    }

    /// The first host name (RFC 6066 section 3).
    pub(super) fn server_name(&self) -> Option<&'a [u8]> {
        let body = self.extension(SERVER_NAME)??;
        let len = usize::from(be16(body, 3)?);
        body.get(5..5 + len).filter(|name| body.get(2) == Some(&0) && !name.is_empty())
    }

    /// Offered protocols.
    pub(super) fn protocols(&self) -> impl Iterator<Item = &'a [u8]> {
        let body = self.extension(ALPN).flatten().unwrap_or_default();
        let mut left = body.get(2..).unwrap_or_default();
        std::iter::from_fn(move || {
            let len = usize::from(*left.first()?);
            let name = left.get(1..1 + len)?;
            left = &left[1 + len..];
            Some(name)
        })
    }

    /// The version chosen, or the highest one offered; `None` when what says so is cut.
    pub(super) fn version(&self) -> Option<u16> {
        match self.extension(SUPPORTED_VERSIONS) {
            None => Some(self.legacy_version).filter(|_| self.is_whole || !self.extensions.is_empty()),
            Some(None) => None,
            Some(Some([high, low])) => Some(u16::from_be_bytes([*high, *low])),
            // The numbers of DTLS count downwards.
            Some(Some(list)) if is_dtls(self.legacy_version) => {
                words(list.get(1..)?).filter(|v| is_dtls(*v)).min()
            }
            Some(Some(list)) => words(list.get(1..)?).filter(|word| !is_grease(*word)).max(),
        }
    }
}

/// Big-endian 16-bit numbers.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

/// True for a version of DTLS.
const fn is_dtls(version: u16) -> bool {
    version >> 8 == 0xfe
}

/// Reserved values that clients mix in at random (RFC 8701 section 2).
pub(super) const fn is_grease(word: u16) -> bool {
    word & 0x0f0f == 0x0a0a && word >> 8 == word & 0xff
}

pub(super) const fn version_name(version: u16) -> Option<&'static str> {
    match version {
        0x0304 => Some("TLS 1.3"),
        0x0303 => Some("TLS 1.2"),
        0x0302 => Some("TLS 1.1"),
        0x0301 => Some("TLS 1.0"),
        0x0300 => Some("SSL 3.0"),
        0xfefc => Some("DTLS 1.3"),
        0xfefd => Some("DTLS 1.2"),
        0xfeff => Some("DTLS 1.0"),
        _ => None,
    }
}
