//! What a handshake says in the clear, or under a key that everybody has: whom the client asks for, what it
//! offers to speak, the version the server chose, and the client's fingerprint. TLS, DTLS and QUIC.
//!
//! Computed once, from the heads, when a flow is heard; not kept in the flow table. Hellos with post-quantum
//! key shares are longer than a head: [`Details::read`] says how much more of the bytes is needed, and
//! [`crate::flow::Keep::More`] gets it. What stands beyond is absent, never guessed: a fingerprint needs
//! every extension's kind and the signature algorithms.
//!
//! Invariants: no panic on any bytes; texts are bounded and come from strangers (writers clean them).

mod hello;
mod ja4;
mod quic;

use super::app::App;
use hello::{CLIENT, Hello, Message, version_name};

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
    /// The version of QUIC in the first packet: `1`, `2`, `draft-29`, `Q046`, `0xfaceb002`.
    pub quic: Option<String>,
}

/// Bytes of a side that hold what a QUIC client says first: a hello with a post-quantum key share takes two
/// datagrams of up to 1,500 bytes.
const DATAGRAMS_BYTES: usize = 3000;

impl Details {
    /// The details of a conversation in `app` that begins with these bytes; `None` when there are none.
    #[must_use]
    pub fn of(app: App, orig: &[u8], resp: &[u8]) -> Option<Box<Self>> {
        Self::read(app, orig, resp).0
    }

    /// The details, and how many bytes of each side would give more than these; `None` when no more would.
    /// Both at once, because opening a QUIC packet is most of the work of either.
    #[must_use]
    pub fn read(app: App, orig: &[u8], resp: &[u8]) -> (Option<Box<Self>>, Option<usize>) {
        let mut details = Self::default();
        let layer = layer(app);
        let mut wanted = if layer == App::Tls { wanted_of_records(orig, resp) } else { None };
        // The direction may be provisional: who says hello is the client.
        for bytes in [orig, resp] {
            match layer {
                App::Tls => details.take(Message::in_record(bytes), 't'),
                App::Dtls => details.take(Message::in_datagram(bytes), 'd'),
                App::Quic => {
                    details.quic = details.quic.take().or_else(|| quic::version(bytes));
                    let first = quic::First::of(bytes);
                    if let Some(hello) = first.hello() {
                        details.take(Message::read(hello), 'q');
                    }
                    wanted = wanted.or(first.goes_on().then_some(DATAGRAMS_BYTES));
                }
                _ => return (None, None),
            }
        }
        ((details != Self::default()).then(|| Box::new(details)), wanted)
    }

    fn take(&mut self, message: Option<Message<'_>>, carrier: char) {
        let Some((message, hello)) = message.and_then(|m| Hello::read(&m).map(|hello| (m, hello))) else {
            return;
        };
        if message.kind != CLIENT {
            self.version = hello.version().and_then(version_name);
            return;
        }
        let text = |bytes: &[u8], max: usize| String::from_utf8_lossy(&bytes[..bytes.len().min(max)]).into();
        self.sni = hello.server_name().map(|name| text(name, 255));
        self.alpn = hello.protocols().take(8).map(|name| text(name, 32)).collect();
        self.ja4 = ja4::ja4(&hello, carrier);
    }
}

/// How long both sides of a conversation in records must be to hold their hellos.
fn wanted_of_records(orig: &[u8], resp: &[u8]) -> Option<usize> {
    let hellos = [orig, resp].map(|bytes| Message::in_record(bytes).map(|m| (m, bytes)));
    let is_client = |(message, _): &(Message<'_>, &[u8])| message.kind == CLIENT;
    let asks = hellos.iter().flatten().any(is_client);
    let awaited = asks && (orig.is_empty() || resp.is_empty());
    let cut = hellos.iter().flatten().any(|(message, _)| message.missing() > 0);
    let ends = hellos.iter().flatten().map(|(message, bytes)| bytes.len() + message.missing());
    ends.max().filter(|_| awaited || cut)
}

/// Who says hello: some protocols are recognised by what their TLS carries.
fn layer(app: App) -> App {
    if app.family() == Some(App::Tls) { App::Tls } else { app }
}

#[cfg(test)]
mod tests {
    use super::hello::{SERVER, SERVER_NAME, SUPPORTED_VERSIONS};
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
    fn a_quic_client_says_the_same_behind_its_key() {
        let message = &client_hello()[5..];
        let packet = quic::tests::initial(1, 0, &quic::tests::frame(message, 0, message.len()));
        let details = Details::of(App::Quic, &packet, b"").unwrap();
        assert_eq!(details.sni.as_deref(), Some("example.org"));
        assert_eq!(details.ja4.as_deref(), Some("q13d1516h2_8daaf6152771_e5627efa2ab1"));
        assert_eq!((details.quic.as_deref(), details.version), (Some("1"), None));
        assert_eq!(Details::of(App::Quic, b"", &packet).unwrap(), details, "whichever side it is");
        assert_eq!(Details::read(App::Quic, &packet, b"").1, None);
        assert_eq!(Details::read(App::Quic, &packet[..200], b"").1, Some(DATAGRAMS_BYTES));
    }

    #[test]
    fn a_datagram_hello_has_a_cookie_and_versions_of_its_own() {
        let extensions = [(SUPPORTED_VERSIONS, vec![4, 0xfe, 0xfc, 0xfe, 0xfd])];
        let hello = |extensions: &[(u16, Vec<u8>)]| {
            let mut body = record(CLIENT, &[&[2, 9, 9][..], &[0, 2, 0x13, 1, 1, 0]].concat(), extensions);
            body.drain(..9);
            body[..2].copy_from_slice(&[0xfe, 0xfd]);
            let len = u8::try_from(body.len()).unwrap();
            let header = [1, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, len];
            [&[22, 0xfe, 0xff][..], &[0; 8], &counted(&[&header[..], &body].concat())].concat()
        };
        let ja4 = |bytes: &[u8]| Details::of(App::Dtls, bytes, b"").and_then(|details| details.ja4);
        assert_eq!(ja4(&hello(&extensions)).as_deref().map(|ja4| &ja4[..11]), Some("dd3i010100_"));
        let mut old = hello(&[(SERVER_NAME, [&[0, 4, 0, 0, 1][..], b"a"].concat())]);
        assert!(ja4(&old).is_some_and(|ja4| ja4.starts_with("dd2d010100_")));
        old[21] = 1; // a piece from the middle
        assert_eq!(ja4(&old), None);
    }

    #[test]
    fn more_is_wanted_until_both_hellos_are_there() {
        let (hello, answer) = (client_hello(), record(SERVER, &[0x13, 1, 0], &[(0x33, vec![0; 40])]));
        let wanted = |orig: &[u8], resp: &[u8]| Details::read(App::Tls, orig, resp).1;
        assert_eq!(wanted(&hello[..100], b""), Some(hello.len()));
        assert_eq!(wanted(&hello, b""), Some(hello.len()), "the server has not spoken");
        assert_eq!(wanted(&hello, &answer[..50]), Some(hello.len().max(answer.len())));
        assert_eq!(wanted(&hello, &answer), None);
        assert_eq!(wanted(&hello, b"\x15\x03\x03\0\x02\x02\x28"), None, "it said no");
        assert_eq!((wanted(b"", b""), Details::read(App::Ssh, &hello[..100], b"").1), (None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            at in 0..300_usize,
            byte: u8,
        ) {
            for app in [App::Tls, App::Dtls, App::Quic] {
                let _ = (Details::of(app, &bytes, &bytes), Details::read(app, &bytes, b"").1);
            }
            let mut hello = client_hello();
            if let Some(place) = hello.get_mut(at) { *place = byte }
            let _ = Details::of(App::Tls, &hello, b"");
        }
    }
}
