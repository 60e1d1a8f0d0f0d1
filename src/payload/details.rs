//! What a TLS handshake says in the clear: whom the client asks for, what it offers to speak, the version the
//! server chose, and the client's fingerprint.
//!
//! Computed once, from the heads, when a flow is heard; not kept in the flow table. Heads end after 512
//! bytes: what stands beyond is absent, never guessed. A fingerprint needs every extension's kind and the
//! signature algorithms, so long hellos (post-quantum key shares) have none.
//!
//! Invariants: no panic on any bytes; texts are bounded and come from strangers (writers clean them).

use sha2::{Digest, Sha256};

use super::app::App;
use super::bytes::{be16, be24};

/// Details of a protocol, where its first bytes give any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Server name indication of the client's hello (RFC 6066 section 3), at most 255 bytes.
    pub sni: Option<String>,
    /// Protocols the client offers (ALPN, RFC 7301), in its order; at most 8 of at most 32 bytes.
    pub alpn: Vec<String>,
    /// The version the server chose: `TLS 1.3` and so on.
    pub version: Option<&'static str>,
    /// The client's JA4 fingerprint.
    pub ja4: Option<String>,
}

impl Details {
    /// The details of a conversation in `app` that begins with these bytes; `None` when there are none.
    #[must_use]
    pub fn of(app: App, orig: &[u8], resp: &[u8]) -> Option<Box<Self>> {
        if app != App::Tls && app.family() != Some(App::Tls) {
            return None;
        }
        let mut details = Self::default();
        // The direction may be provisional: who says hello is the client.
        for bytes in [orig, resp] {
            if let Some(hello) = Hello::read(bytes, CLIENT) {
                details.client(&hello);
            } else if let Some(hello) = Hello::read(bytes, SERVER) {
                details.version = hello.version().and_then(version_name);
            }
        }
        (details != Self::default()).then(|| Box::new(details))
    }

    fn client(&mut self, hello: &Hello<'_>) {
        let text = |bytes: &[u8], max: usize| String::from_utf8_lossy(&bytes[..bytes.len().min(max)]).into();
        self.sni = hello.server_name().map(|name| text(name, 255));
        self.alpn = hello.protocols().take(8).map(|name| text(name, 32)).collect();
        self.ja4 = ja4(hello);
    }
}

const CLIENT: u8 = 1;
const SERVER: u8 = 2;

const SERVER_NAME: u16 = 0;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

/// A client's or server's hello (RFC 8446 sections 4.1.2 and 4.1.3), as much of it as is there.
struct Hello<'a> {
    legacy_version: u16,
    ciphers: &'a [u8],
    /// Kind and body of each extension; a body that is cut is `None`.
    extensions: Vec<(u16, Option<&'a [u8]>)>,
    /// True when every extension's kind is known.
    is_whole: bool,
}

impl<'a> Hello<'a> {
    fn read(bytes: &'a [u8], kind: u8) -> Option<Self> {
        if bytes.first() != Some(&22) || bytes.get(5) != Some(&kind) {
            return None;
        }
        let end = 9 + usize::try_from(be24(bytes, 6)?).ok()?;
        // A hello over several records (rare) has headers between its bytes, and is not read.
        if usize::from(be16(bytes, 3)?) + 5 < end {
            return None;
        }
        let bytes = bytes.get(..end).unwrap_or(bytes);
        let mut at = 44 + usize::from(*bytes.get(43)?);
        let ciphers;
        if kind == CLIENT {
            let len = usize::from(be16(bytes, at)?);
            ciphers = bytes.get(at + 2..at + 2 + len)?;
            at += 2 + len;
            at += 1 + usize::from(*bytes.get(at)?);
        } else {
            ciphers = bytes.get(at..at + 2)?;
            at += 3;
        }
        let mut hello =
            Self { legacy_version: be16(bytes, 9)?, ciphers, extensions: Vec::new(), is_whole: at == end };
        if let Some(len) = be16(bytes, at) {
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
    fn extension(&self, kind: u16) -> Option<Option<&'a [u8]>> {
        self.extensions.iter().find(|(k, _)| *k == kind).map(|(_, body)| *body)
    }

    /// The first host name (RFC 6066 section 3).
    fn server_name(&self) -> Option<&'a [u8]> {
        let body = self.extension(SERVER_NAME)??;
        let len = usize::from(be16(body, 3)?);
        body.get(5..5 + len).filter(|name| body.get(2) == Some(&0) && !name.is_empty())
    }

    /// Offered protocols.
    fn protocols(&self) -> impl Iterator<Item = &'a [u8]> {
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
    fn version(&self) -> Option<u16> {
        match self.extension(SUPPORTED_VERSIONS) {
            None => Some(self.legacy_version).filter(|_| self.is_whole || !self.extensions.is_empty()),
            Some(None) => None,
            Some(Some([high, low])) => Some(u16::from_be_bytes([*high, *low])),
            Some(Some(list)) => words(list.get(1..)?).filter(|word| !is_grease(*word)).max(),
        }
    }
}

/// Big-endian 16-bit numbers.
fn words(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

/// Reserved values that clients mix in at random (RFC 8701 section 2).
const fn is_grease(word: u16) -> bool {
    word & 0x0f0f == 0x0a0a && word >> 8 == word & 0xff
}

const fn version_name(version: u16) -> Option<&'static str> {
    match version {
        0x0304 => Some("TLS 1.3"),
        0x0303 => Some("TLS 1.2"),
        0x0302 => Some("TLS 1.1"),
        0x0301 => Some("TLS 1.0"),
        0x0300 => Some("SSL 3.0"),
        _ => None,
    }
}

/// JA4 of a TLS client over TCP, by `FoxIO`'s published description (JA4 itself is under the 3-clause BSD
/// licence; this is not its code): `t`, version, whether a name is asked for, counts of ciphers and
/// extensions, first and last character of the first ALPN value; then the beginnings of two hashes. `None`
/// when the hello is cut where it matters.
fn ja4(hello: &Hello<'_>) -> Option<String> {
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
    Some(format!("t{version}{name}{cipher_count:02}{kind_count:02}{alpn}_{first}_{second}"))
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

fn listed(words: &[u16]) -> String {
    words.iter().map(|word| format!("{word:04x}")).collect::<Vec<_>>().join(",")
}

/// The first twelve hexadecimal digits of SHA-256; zeros for an empty list.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    Sha256::digest(text.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The browser of the JA4 description's worked example: its ciphers, extensions and algorithms, GREASE
    /// mixed in.
    const CIPHERS: [u16; 16] = [
        0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
        0x009c, 0x009d, 0x002f, 0x0035,
    ];
    const ALGORITHMS: [u16; 8] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

    fn bytes(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn counted(body: &[u8]) -> Vec<u8> {
        [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
    }

    /// A record with a hello of this kind.
    fn record(kind: u8, head: &[u8], extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let list: Vec<u8> =
            extensions.iter().flat_map(|(k, body)| [bytes(&[*k]), counted(body)].concat()).collect();
        let body = [&[3, 3][..], &[7; 32], &[0], head, &counted(&list)].concat();
        let handshake = [&[kind, 0], &counted(&body)[..]].concat();
        [&[22, 3, 1][..], &counted(&handshake)].concat()
    }

    fn client_hello() -> Vec<u8> {
        let name = [&[0, 14, 0, 0, 11][..], b"example.org"].concat();
        let extensions = vec![
            (0x2a2a, vec![]),
            (0x0000, name),
            (0x0017, vec![]),
            (0xff01, vec![0]),
            (0x000a, bytes(&[2, 29])),
            (0x000b, vec![1, 0]),
            (0x0023, vec![]),
            (0x0010, counted(b"\x02h2\x08http/1.1")),
            (0x0005, vec![1, 0, 0, 0, 0]),
            (0x000d, counted(&bytes(&ALGORITHMS))),
            (0x0012, vec![]),
            (0x0033, bytes(&[0])),
            (0x002d, vec![1, 1]),
            (0x002b, vec![6, 0x3a, 0x3a, 3, 4, 3, 3]),
            (0x001b, vec![2, 0, 2]),
            (0x4469, vec![0, 3, 2, b'h', b'2']),
            (0x0015, vec![0; 30]),
        ];
        record(CLIENT, &[counted(&bytes(&CIPHERS)), vec![1, 0]].concat(), &extensions)
    }

    #[test]
    fn the_worked_example_has_its_published_fingerprint() {
        let details = Details::of(App::Tls, &client_hello(), b"").unwrap();
        assert_eq!(details.sni.as_deref(), Some("example.org"));
        assert_eq!(details.alpn, ["h2", "http/1.1"]);
        assert_eq!(details.ja4.as_deref(), Some("t13d1516h2_8daaf6152771_e5627efa2ab1"));
        assert_eq!(details.version, None, "the server said nothing");
    }

    #[test]
    fn the_server_chooses_the_version() {
        let version = |extensions: &[(u16, Vec<u8>)]| {
            let hello = record(SERVER, &[0x13, 1, 0], extensions);
            Details::of(App::Tls, b"", &hello).and_then(|details| details.version)
        };
        assert_eq!(version(&[(SUPPORTED_VERSIONS, vec![3, 4])]), Some("TLS 1.3"));
        assert_eq!(version(&[(0xff01, vec![0])]), Some("TLS 1.2"));
        assert_eq!(version(&[]), Some("TLS 1.2"));
    }

    #[test]
    fn a_cut_hello_gives_what_is_there_and_no_false_fingerprint() {
        let whole = client_hello();
        let full = Details::of(App::Tls, &whole, b"").unwrap();
        for len in 0..whole.len() {
            let Some(details) = Details::of(App::Tls, &whole[..len], b"") else { continue };
            assert!(details.sni.is_none() || details.sni == full.sni, "{len}");
            assert!(details.ja4.is_none() || details.ja4 == full.ja4, "{len}");
        }
        let cut_in_padding = Details::of(App::Tls, &whole[..whole.len() - 20], b"").unwrap();
        assert_eq!(cut_in_padding.ja4, full.ja4, "padding says nothing");
    }

    #[test]
    fn strange_protocol_names_are_hexadecimal() {
        assert_eq!(
            (alpn_ends(b"h2"), alpn_ends(b"h"), alpn_ends(b"")),
            ("h2".into(), "hh".into(), "00".into())
        );
        assert_eq!(alpn_ends(&[0xab, 0xcd]), "ad");
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            at in 0..300_usize,
            byte: u8,
        ) {
            let _ = Details::of(App::Tls, &bytes, &bytes);
            let mut hello = client_hello();
            if let Some(place) = hello.get_mut(at) { *place = byte }
            let _ = Details::of(App::Tls, &hello, b"");
        }
    }
}
