//! Places that chat, proxies and file sharers name: DCC in IRC, SOCKS 5, and BitTorrent's distributed hash
//! table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Notes;
use crate::payload::bytes::{at, be16, contains, decimal};
use crate::wire::Transport::{Tcp, Udp};

/// What marks a DCC offer (CTCP, "DCC" of M. Bloch, the troll-dcc note): the control character, the word.
const DCC: &[u8] = b"\x01DCC ";

/// `PRIVMSG anna :\x01DCC SEND file 3232235777 3007 4096\x01`: the address is one number, or IPv6 in text.
/// A port of zero asks the other side to listen.
pub(super) fn irc(notes: &mut Notes<'_, '_>) {
    for line in notes.speech.bytes.split(|b| *b == b'\n').take(64) {
        let Some(offer) = line.windows(DCC.len()).position(|window| window == DCC) else { continue };
        let words = line[offer + DCC.len()..].split(|b| *b == 1).next().unwrap_or_default();
        if let Some((kind, addr, port)) = dcc(words) {
            // A server relays what others offer; only who offers may be behind address translation.
            let add = if line.starts_with(b":") { Notes::add } else { Notes::add_named };
            add(notes, Tcp, addr, port, "irc-dcc", kind);
        }
    }
}

/// True when a message has an offer in it.
pub(super) fn offers(bytes: &[u8]) -> bool {
    contains(bytes, DCC)
}

/// `SEND name addr port size` or `CHAT chat addr port`. A name with spaces stands in quotes.
fn dcc(text: &[u8]) -> Option<(&'static str, IpAddr, u16)> {
    let kind = [(&b"SEND "[..], "send"), (b"CHAT ", "chat"), (b"XMIT ", "send"), (b"RESUME ", "")];
    let (word, kind) = kind.into_iter().find(|(word, _)| text.starts_with(word))?;
    let rest = &text[word.len()..];
    let rest = match rest.strip_prefix(b"\"") {
        Some(quoted) => quoted.get(quoted.iter().position(|b| *b == b'"')? + 2..)?,
        None => rest.get(rest.iter().position(|b| *b == b' ')? + 1..)?,
    };
    let mut words = rest.split(|b| *b == b' ');
    let (addr, port) = (std::str::from_utf8(words.next()?).ok()?, words.next()?);
    let addr = addr.parse::<u32>().map(|bits| IpAddr::V4(bits.into())).or_else(|_| addr.parse()).ok()?;
    let port = u16::try_from(decimal(port)?).ok()?;
    (!kind.is_empty()).then_some((kind, addr, port))
}

/// The reply to BIND and UDP ASSOCIATE names a port of the proxy's where a peer, or the client's datagrams,
/// are awaited (RFC 1928 sections 4, 6 and 7). The reply to CONNECT names where the proxy speaks from, which
/// is no meeting; so the question must have been heard. An unspecified address is the proxy's.
pub(super) fn socks5(notes: &mut Notes<'_, '_>) {
    let (bytes, heard) = (notes.speech.bytes, notes.speech.heard);
    let (transport, what) = match socks5_request(heard) {
        Some(2) => (Tcp, "bind"),
        Some(3) => (Udp, "udp associate"),
        _ => return,
    };
    // A pipelining client hears the method, or the outcome of its login, in the same segment.
    let replies = [0, 2, 4].into_iter().filter_map(|skip| bytes.get(skip..));
    let Some(reply) = replies.into_iter().find(|reply| at(reply, 0, &[5, 0, 0])) else { return };
    let place = match reply.get(3) {
        Some(1) => octets::<4>(reply).map(|addr| (IpAddr::from(Ipv4Addr::from(addr)), 8)),
        Some(4) => octets::<16>(reply).map(|addr| (IpAddr::from(Ipv6Addr::from(addr)), 20)),
        _ => None,
    };
    if let Some((addr, port)) = place.and_then(|(addr, end)| Some((addr, be16(reply, end)?))) {
        notes.add_named(transport, addr, port, "socks5", what);
    }
}

fn octets<const N: usize>(reply: &[u8]) -> Option<[u8; N]> {
    reply.get(4..4 + N)?.try_into().ok()
}

/// The command of a request, alone or behind the methods (section 3).
fn socks5_request(bytes: &[u8]) -> Option<u8> {
    let is_request = |bytes: &[u8]| match bytes {
        [5, command @ 1..=3, 0, 1 | 3 | 4, ..] if bytes.len() >= 10 => Some(*command),
        _ => None,
    };
    let methods = bytes.get(1).map_or(0, |count| 2 + usize::from(*count));
    is_request(bytes).or_else(|| is_request(bytes.get(methods..)?))
}

/// `values` in the answer to `get_peers`: six bytes for each peer, which is reached by TCP and by uTP; and
/// the port in `announce_peer`, which is the speaker's (BEP 5, "DHT Queries"; BEP 29). Values are read only
/// after the question was heard.
pub(super) fn dht(notes: &mut Notes<'_, '_>) {
    let (bytes, speaker) = (notes.speech.bytes, notes.speech.speaker);
    if contains(bytes, b"13:announce_peer") && !contains(bytes, b"12:implied_porti1e") {
        let port = after(bytes, b"4:porti").and_then(|rest| decimal(rest.split(|b| *b == b'e').next()?));
        if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
            notes.add(Tcp, speaker, port, "dht", "announced by the peer");
            notes.add(Udp, speaker, port, "dht", "announced by the peer");
        }
    } else if contains(notes.speech.heard, GET_PEERS) {
        let mut values = after(bytes, b"6:valuesl").unwrap_or_default();
        while let Some(peer) = values.strip_prefix(b"6:").and_then(|peer| peer.get(..6)) {
            let addr = IpAddr::from(Ipv4Addr::new(peer[0], peer[1], peer[2], peer[3]));
            let port = u16::from_be_bytes([peer[4], peer[5]]);
            notes.add(Tcp, addr, port, "dht", "peer");
            notes.add(Udp, addr, port, "dht", "peer");
            values = &values[8..];
        }
    }
}

const GET_PEERS: &[u8] = b"9:get_peers";

/// True when a message asks for peers, has some, or announces one.
pub(super) fn is_about_peers(bytes: &[u8]) -> bool {
    [GET_PEERS, b"6:valuesl", b"13:announce_peer"].iter().any(|word| contains(bytes, word))
}

fn after<'a>(bytes: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let found = bytes.windows(word.len()).position(|window| window == word)?;
    bytes.get(found + word.len()..)
}

#[cfg(test)]
mod tests {
    use crate::payload::announce::tests::{said, speech};
    use crate::payload::{App, Carrier, Speech, announce};

    fn answered(app: App, heard: &[u8], bytes: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        announce(app, &Speech { heard, ..speech(Carrier::Stream, bytes) }, &mut out);
        out.iter().map(|m| format!("{} {} {} {}", m.transport.name(), m.addr, m.port, m.what)).collect()
    }

    #[test]
    fn dcc_offers_name_an_address_as_one_number() {
        let irc = |text: &str| said(App::Irc, Carrier::Stream, text.as_bytes());
        let send = "PRIVMSG anna :\x01DCC SEND notes.txt 167772162 3007 4096\x01\r\n";
        assert_eq!(irc(send), ["tcp 10.0.0.2 3007 irc-dcc send"]);
        let quoted = ":bert!b@c PRIVMSG anna :\x01DCC SEND \"my notes.txt\" 167772162 3007 4096\x01\r\n";
        assert_eq!(irc(quoted), ["tcp 10.0.0.2 3007 irc-dcc send"]);
        let chat = ":bert!b@c PRIVMSG anna :\x01DCC CHAT chat 3221225993 3098\x01\r\n";
        assert_eq!(irc(chat), ["tcp 192.0.2.9 3098 irc-dcc chat; third party"]);
        for text in [
            "PRIVMSG anna :\x01DCC SEND x 167772162 0 9 77\x01\r\n", // the other side is to listen
            "PRIVMSG anna :\x01DCC RESUME x 3007 9\x01\r\n",
            "PRIVMSG anna :\x01DCC SEND",
            "PRIVMSG anna :\x01DCC SEND \"",
            "PRIVMSG anna :DCC SEND x 167772162 3007 9\r\n",
        ] {
            assert!(irc(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_proxy_says_where_it_waits() {
        let ask = |command| [5, command, 0, 1, 0, 0, 0, 0, 0, 0];
        let reply = [5, 0, 0, 1, 10, 0, 0, 2, 0x0b, 0xbf];
        assert_eq!(answered(App::Socks5, &ask(2), &reply), ["tcp 10.0.0.2 3007 bind"]);
        assert_eq!(answered(App::Socks5, &ask(3), &reply), ["udp 10.0.0.2 3007 udp associate"]);
        assert!(answered(App::Socks5, &ask(1), &reply).is_empty(), "CONNECT");
        assert!(answered(App::Socks5, &[], &reply).is_empty());
        let unspecified = [5, 0, 0, 1, 0, 0, 0, 0, 0x0b, 0xbf];
        assert_eq!(answered(App::Socks5, &ask(3), &unspecified), ["udp 10.0.0.2 3007 udp associate"]);
        let pipelined = [&[5, 1, 0][..], &ask(3)].concat();
        let both = [&[5, 0][..], &reply].concat();
        assert_eq!(answered(App::Socks5, &pipelined, &both).len(), 1);
        for len in 0..reply.len() {
            assert!(answered(App::Socks5, &ask(3), &reply[..len]).is_empty());
        }
    }

    #[test]
    fn peers_are_named_to_who_asked() {
        let ask = b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa9:info_hash20:bbbbbbbbbbbbbbbbbbbbe1:q9:get_peers\
                    1:t2:aa1:y1:qe";
        let reply =
            b"d1:rd2:id20:cccccccccccccccccccc5:token2:tt6:valuesl6:\xc0\0\x02\x09\x0b\xbf6:\xc0\0\x02\
                      \x0a\0\0ee1:t2:aa1:y1:re";
        let peer = "192.0.2.9 3007 peer; third party";
        let want = [format!("tcp {peer}"), format!("udp {peer}")];
        assert_eq!(answered(App::BittorrentDht, ask, reply), want);
        assert!(answered(App::BittorrentDht, &[], reply).is_empty());
        for len in 0..reply.len() {
            assert!(answered(App::BittorrentDht, ask, &reply[..len]).len() <= 2);
        }
        let announced =
            b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa9:info_hash20:bbbbbbbbbbbbbbbbbbbb4:porti3007e5:token\
                          2:tte1:q13:announce_peer1:t2:aa1:y1:qe";
        let said = answered(App::BittorrentDht, &[], announced);
        assert_eq!(said.len(), 2);
        assert!(said[0].starts_with("tcp 10.0.0.2 3007"), "{said:?}");
    }
}
