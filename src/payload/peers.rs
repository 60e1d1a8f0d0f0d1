//! Tunnels, media, peers and games: SOCKS, STUN, L2TP, PPTP, VXLAN, GENEVE, Teredo, RTP, RTCP, RTMP,
//! Skinny, BitTorrent, eDonkey, Gnutella, Bitcoin, Stratum, RakNet, Source and Quake queries, TeamSpeak,
//! WhatsApp.

use super::app::Strength::{self, Good, Strong, Weak};
use super::bytes::{at, be16, be24, contains, cut, le32, line};
use super::recognise::Carrier;
use super::sign::{Role, Sign, answers, asks, either, shared};

/// SOCKS 5: RFC 1928 sections 3 (methods), 4 (request) and 6 (reply); RFC 1929 (user name and password).
pub(super) fn socks5(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let count = usize::from(*bytes.get(1)?);
    let address = |rest: &[u8]| matches!(rest, [5, _, 0, 1 | 3 | 4, ..]);
    // The selection is two bytes; what may follow is the reply to the request, or a login's outcome.
    if matches!(bytes[1], 0 | 1 | 2 | 0xff) {
        match &bytes[2..] {
            [] => return if bytes[1] == 1 { None } else { shared(Role::Answers) },
            rest if address(rest) && rest[1] <= 8 && rest.len() >= 10 => return answers(Good),
            [1, 0, rest @ ..] if bytes[1] == 2 && (rest.is_empty() || address(rest)) => return answers(Good),
            _ => {}
        }
    }
    let methods = bytes.get(2..2 + count)?;
    let rest = &bytes[2 + count..];
    let known = methods.iter().all(|m| matches!(m, 0..=9 | 0x80));
    let distinct = methods.iter().enumerate().all(|(i, m)| !methods[..i].contains(m));
    let request = address(rest) && matches!(rest[1], 1..=3);
    if !known || !distinct || count == 0 {
        return None;
    }
    match rest {
        [] => asks(Weak),
        [1, name, ..] if *name > 0 && methods.contains(&2) => asks(Good),
        _ if request => asks(Good),
        _ => None,
    }
}

/// SOCKS 4 and 4a: the protocol memo's CONNECT and BIND requests and their eight-byte reply.
pub(super) fn socks4(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if let [0, 0x5a..=0x5d, _, _, _, _, _, _] = bytes {
        return if at(bytes, 2, &[0; 6]) { answers(Weak) } else { shared(Role::Answers) };
    }
    let rest =
        bytes.get(8..).filter(|_| bytes[0] == 4 && matches!(bytes[1], 1 | 2) && bytes[2..4] != [0, 0])?;
    let mut fields = rest.split(|b| *b == 0);
    let user = fields.next()?;
    let named = user.iter().all(|b| b.is_ascii_graphic());
    let by_name = at(bytes, 4, &[0, 0, 0]) && bytes[7] != 0;
    let host = fields.next()?;
    if !named {
        return None;
    }
    match (by_name, host) {
        (true, host) if host.len() > 2 && host.iter().all(|b| b.is_ascii_graphic()) => asks(Good),
        (false, []) if rest.len() == user.len() + 1 => asks(Weak),
        _ => None,
    }
}

/// STUN and TURN: RFC 8489 section 5 (cookie), RFC 3489 section 11.1 (before the cookie), over TCP possibly
/// framed (RFC 4571).
pub(super) fn stun(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let framed = carrier == Carrier::Stream && at(bytes, 6, &STUN_COOKIE);
    let message = if framed { &bytes[2..] } else { bytes };
    let (kind, len) = (be16(message, 0)?, usize::from(be16(message, 2)?));
    // Older drafts of TURN did not pad: then at least the length is that of the message.
    let sized = len.is_multiple_of(4) || len + 20 == message.len();
    if kind & 0xc000 != 0 || !sized || message.len() < 20 {
        return None;
    }
    let strength = if at(message, 4, &STUN_COOKIE) {
        Strong
    } else if carrier == Carrier::Datagram {
        stun_classic(message, kind, len)?
    } else {
        return None;
    };
    if kind & 0x0100 != 0 { answers(strength) } else { asks(strength) }
}

const STUN_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Binding or shared secret messages whose attributes fill the declared length exactly. Attributes that
/// nobody registered are allowed (RFC 3489 section 11.2) and prove little.
fn stun_classic(message: &[u8], kind: u16, len: usize) -> Option<Strength> {
    let known = matches!(kind, 0x0001 | 0x0101 | 0x0111 | 0x0002 | 0x0102 | 0x0112);
    let (mut place, mut strength) = (20, if len > 0 { Good } else { Weak });
    while let (Some(attribute), Some(size)) = (be16(message, place), be16(message, place + 2)) {
        if !matches!(attribute, 1..=0x30 | 0x8000..=0x80ff) {
            strength = Weak;
        }
        place += 4 + usize::from(size).next_multiple_of(4);
    }
    (known && len + 20 == message.len() && place == message.len()).then_some(strength)
}

/// L2TP: RFC 2661 section 3.1 (control messages carry type, length and sequence; version 2) and 4.4.1
/// (message type AVP).
pub(super) fn l2tp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let fits = usize::from(be16(bytes, 2)?) == bytes.len();
    if !bytes.starts_with(&[0xc8, 2]) || !fits {
        return None;
    }
    match bytes.get(12..20) {
        Some([0x80, 8, 0, 0, 0, 0, 0, 1]) => asks(Strong),
        Some([0x80, 8, 0, 0, 0, 0, 0, 2]) => answers(Strong),
        _ => either(Good),
    }
}

/// PPTP: RFC 2637 section 2.1 (length 156, control message, magic cookie).
pub(super) fn pptp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if !at(bytes, 2, &[0, 1, 0x1a, 0x2b, 0x3c, 0x4d]) {
        return None;
    }
    match be16(bytes, 8)? {
        1 | 7 | 9 => asks(Strong),
        2 | 8 | 10 => answers(Strong),
        _ => either(Strong),
    }
}

/// VXLAN: RFC 7348 section 5 (flags, reserved, network, reserved) around an Ethernet frame.
pub(super) fn vxlan(bytes: &[u8], _: Carrier) -> Option<Sign> {
    (bytes.starts_with(&[8, 0, 0, 0]) && at(bytes, 7, &[0]) && ethernet(bytes.get(8..)?))
        .then(|| either(Strong))
        .flatten()
}

/// GENEVE: RFC 8926 section 3.4.
pub(super) fn geneve(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let options = usize::from(*bytes.first()? & 0x3f) * 4;
    let sound = bytes[0] & 0xc0 == 0
        && bytes.get(1)? & 0x3f == 0
        && at(bytes, 2, &[0x65, 0x58])
        && at(bytes, 7, &[0]);
    (sound && ethernet(bytes.get(8 + options..)?)).then(|| either(Strong)).flatten()
}

/// An Ethernet frame of a common kind.
fn ethernet(frame: &[u8]) -> bool {
    matches!(be16(frame, 12), Some(0x0800 | 0x0806 | 0x86dd | 0x8100 | 0x88a8 | 0x8847))
}

/// Teredo: RFC 4380 sections 5.1.1 (IPv6 in UDP, origin and authentication indications) and 2.6 (its prefix).
pub(super) fn teredo(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let mut packet = bytes;
    if let [0, 1, id, value, ..] = packet {
        packet = packet.get(13 + usize::from(*id) + usize::from(*value)..)?;
    }
    if let [0, 0, ..] = packet {
        packet = packet.get(8..)?;
    }
    let len = usize::from(be16(packet, 4)?) + 40;
    let fits = len == packet.len() || len < packet.len() && packet.len() <= len + 32 || cut(packet);
    let teredo =
        |place| at(packet, place, &[0x20, 1, 0, 0]) || at(packet, place, &[0xfe, 0x80, 0, 0, 0, 0, 0, 0]);
    (packet[0] >> 4 == 6 && fits && (teredo(8) || teredo(24)) && packet.len() >= 40)
        .then(|| either(Good))
        .flatten()
}

/// AYIYA: draft-massar-v6ops-ayiya-02, section 3 (identity, signature, authentication and operation, next
/// header).
pub(super) fn ayiya(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let [identity, signature, method, next, ..] = *bytes else { return None };
    let sized = matches!(identity >> 4, 2 | 4) && matches!(identity & 15, 1 | 2) && signature >> 4 == 5;
    let sound =
        sized && signature & 15 == 2 && method >> 4 == 1 && method & 15 <= 2 && matches!(next, 41 | 59);
    (sound && bytes.len() >= 44).then(|| either(Good)).flatten()
}

/// RTP: RFC 3550 section 5.1, by the payload sizes of RFC 3551's audio codecs. One packet is never more than
/// a hint.
pub(super) fn rtp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let body = bytes.len().checked_sub(12).filter(|len| *len > 0)?;
    if bytes[0] != 0x80 || bytes[8..12] == [0; 4] || bytes[8..12] == bytes[4..8] {
        return None;
    }
    let sized = match bytes[1] & 0x7f {
        0 | 8 | 9 => body.is_multiple_of(80) && body <= 480,
        3 => body.is_multiple_of(33) && body <= 132,
        4 => matches!(body, 4 | 20 | 24 | 48),
        18 => body.is_multiple_of(10) && body <= 60 || matches!(body, 2 | 12 | 22),
        _ => {
            return (matches!(bytes[1] & 0x7f, 96..=127) && body <= 1448)
                .then(|| shared(Role::Either))
                .flatten();
        }
    };
    sized.then(|| either(Weak)).flatten()
}

/// RTCP: RFC 3550 section 6.1 (a compound packet begins with a report and its lengths add up). Encrypted,
/// only the report's header is legible, and an index with a tag of ten bytes follows (RFC 3711 section 3.4).
pub(super) fn rtcp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (reports, kind) = (usize::from(bytes.first()? & 0x1f), *bytes.get(1)?);
    let words = if kind == 200 { 6 } else { 1 } + reports * 6;
    let exact = bytes[0] & 0x20 == 0 && usize::from(be16(bytes, 2)?) == words && reports > 0;
    let encrypted = exact && matches!(kind, 200 | 201) && bytes.len() >= 4 + words * 4 + 14;
    if rtcp_adds_up(bytes, 4 + words * 4) {
        return either(Good);
    }
    encrypted.then(|| either(Weak)).flatten() // nothing says where it ends
}

/// Packets of known types to the very end, a report of at least this size first.
fn rtcp_adds_up(bytes: &[u8], shortest: usize) -> bool {
    let mut place = 0;
    while let (Some([first, kind, ..]), Some(words)) = (bytes.get(place..), be16(bytes, place + 2)) {
        if first >> 6 != 2 || !matches!(kind, 200..=207) || place == 0 && !matches!(kind, 200 | 201) {
            return false;
        }
        place += 4 + 4 * usize::from(words);
    }
    place == bytes.len() && place >= shortest
}

/// RTMP: Adobe's specification 1.0, section 5.2 (C0 and S0 say version 3, then 1536 bytes with a zero or
/// version field).
pub(super) fn rtmp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let field = bytes.get(5..9).filter(|_| bytes[0] == 3 && bytes.len() >= 300)?;
    let random = bytes[9..].iter().take(64).filter(|b| **b == 0).count() < 32;
    match field {
        [0, 0, 0, 0] if random && bytes[1..3] != [0, 0] => either(Good),
        [0, 0, 0, 0] if random => either(Weak),
        [9..=0x80, 0, 0..=9, _] if random => either(Weak),
        _ => shared(Role::Either),
    }
}

/// Skinny: its station header (length, reserved or version, message number, all little-endian).
pub(super) fn skinny(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (len, version, kind) = (le32(bytes, 0)?, le32(bytes, 4)?, le32(bytes, 8)?);
    let end = usize::try_from(len).ok()? + 8;
    // Another message may follow in the same segment, with the same version.
    let next = || le32(bytes, end).is_some_and(|len| len >= 4) && le32(bytes, end + 4) == Some(version);
    let fits = (4..=2000).contains(&len) && end <= bytes.len() && (end == bytes.len() || next());
    let known = matches!(version, 0 | 0x0a..=0x16)
        && matches!(kind, 0..=0x0050 | 0x0081..=0x0160)
        && (kind > 0 || len == 4);
    if !(fits && known) {
        return None;
    }
    let strength = if kind == 0 || version == 0 && kind < 3 { Weak } else { Good };
    if kind < 0x81 { asks(strength) } else { answers(strength) }
}

/// BitTorrent: BEP 3 (peer handshake).
pub(super) fn bittorrent(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"\x13BitTorrent protocol") {
        return either(Strong);
    }
    // uTP, BEP 29: a SYN is version 1, sequence 1, and nothing measured yet.
    let syn =
        bytes.starts_with(&[0x41, 0]) && bytes.len() == 20 && at(bytes, 8, &[0; 4]) && at(bytes, 16, &[0, 1]);
    (carrier == Carrier::Datagram && syn).then(|| asks(Good)).flatten()
}

/// BitTorrent's distributed hash table: BEP 5 (bencoded queries and replies).
pub(super) fn dht(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"d1:ad2:id20:") {
        return asks(Strong);
    }
    let reply =
        bytes.starts_with(b"d1:rd2:id20:") || bytes.starts_with(b"d2:ip") && contains(bytes, b"1:rd2:id20:");
    (reply || bytes.starts_with(b"d1:eli20")).then(|| answers(Strong)).flatten()
}

/// eDonkey and eMule: header (protocol byte, length, opcode) with the hello messages' hash size.
pub(super) fn edonkey(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::try_from(le32(bytes, 1)?).ok()?;
    let fits = len + 5 <= bytes.len() || cut(bytes);
    match (bytes[0], *bytes.get(5)?) {
        (0xe3, 1) if fits && at(bytes, 6, &[0x10]) && len >= 22 => asks(Good),
        (0xe3, 0x4c) if fits && len >= 22 => answers(Good),
        (0xc5, 1 | 2) if fits && (6..=512).contains(&len) => either(Weak),
        _ => None,
    }
}

/// Gnutella: protocol 0.4 and 0.6, handshake.
pub(super) fn gnutella(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"GNUTELLA CONNECT/0.") {
        return asks(Strong);
    }
    (bytes.starts_with(b"GNUTELLA/0.") || bytes.starts_with(b"GNUTELLA OK"))
        .then(|| answers(Strong))
        .flatten()
}

/// Bitcoin: protocol documentation, "Message structure" (network magic, then a command padded with zeros).
pub(super) fn bitcoin(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let magic = [[0xf9, 0xbe, 0xb4, 0xd9], [0xfa, 0xbf, 0xb5, 0xda], [0x0b, 0x11, 0x09, 0x07]];
    let command = bytes.get(4..16)?;
    let name = command.iter().position(|b| *b == 0).unwrap_or(12);
    let padded = name > 2
        && command[..name].iter().all(u8::is_ascii_lowercase)
        && command[name..].iter().all(|b| *b == 0);
    (magic.iter().any(|m| bytes.starts_with(m)) && padded).then(|| either(Strong)).flatten()
}

/// Stratum mining: line-wise JSON-RPC with `mining.` methods (slushpool's specification), `login` of Monero
/// pools, `eth_` of Ethereum's.
pub(super) fn stratum(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (text, _) = line(bytes);
    let says = |word: &[u8]| contains(text, word);
    if says(b"mining.notify") || says(b"mining.set_difficulty") || says(b"\"job_id\"") {
        return answers(Strong);
    }
    let login = says(b"\"login\"") && (says(b"\"agent\"") || says(b"\"pass\"")) && says(b"\"method\"");
    (says(b"\"mining.") || login || says(b"eth_submitLogin")).then(|| asks(Strong)).flatten()
}

/// `RakNet`: the offline message identifier that its unconnected messages carry.
pub(super) fn raknet(bytes: &[u8], _: Carrier) -> Option<Sign> {
    const OFFLINE: &[u8] =
        &[0, 0xff, 0xff, 0, 0xfe, 0xfe, 0xfe, 0xfe, 0xfd, 0xfd, 0xfd, 0xfd, 0x12, 0x34, 0x56, 0x78];
    match bytes.first()? {
        1 | 2 if at(bytes, 9, OFFLINE) => asks(Strong),
        5 | 7 if at(bytes, 1, OFFLINE) => asks(Strong),
        6 | 8 if at(bytes, 1, OFFLINE) => answers(Strong),
        0x1c if at(bytes, 17, OFFLINE) => answers(Strong),
        _ => None,
    }
}

/// Source engine queries: Valve's "Server queries" (four bytes of ones, a letter); Quake III's `getinfo`
/// family alike.
pub(super) fn game_query(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let rest = bytes.strip_prefix(&[0xff; 4])?;
    let asked: [&[u8]; 4] = [b"TSource Engine Query\0", b"getstatus", b"getinfo", b"getservers"];
    let told: [&[u8]; 3] = [b"statusResponse", b"infoResponse", b"getserversResponse"];
    if told.iter().any(|t| rest.starts_with(t)) {
        return answers(Strong);
    }
    asked.iter().any(|a| rest.starts_with(a)).then(|| asks(Strong)).flatten()
}

/// TeamSpeak 3: the initialisation packets begin with a fixed word instead of a checksum.
pub(super) fn teamspeak(bytes: &[u8], _: Carrier) -> Option<Sign> {
    bytes.starts_with(b"TS3INIT1").then(|| either(Strong)).flatten()
}

/// WhatsApp's Noise prologue: `WA`, dictionary and protocol version, then a three-byte length; `ED` routing
/// before it.
pub(super) fn whatsapp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let start = if bytes.starts_with(b"ED\0\x01") { 7 + usize::try_from(be24(bytes, 4)?).ok()? } else { 0 };
    let hello = bytes.get(start..)?;
    let sound = hello.starts_with(b"WA") && matches!(hello.get(2)?, 1..=9) && matches!(hello.get(3)?, 0..=9);
    let len = usize::try_from(be24(hello, 4)?).ok()?;
    (sound && len > 0 && len < 4096).then(|| asks(Good)).flatten()
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(App::Socks5, b"\x05\x02\0\x02", b"\x05\0"),
    stream(App::Socks5, b"\x05\x01\0\x05\x01\0\x01\x0a\0\0\x01\0\x50", b"\x05\0\x05\0\0\x01\0\0\0\0\0\0"),
    stream(App::Socks4, b"\x04\x01\0\x50\x0a\0\0\x01joe\0", b"\0\x5a\0\0\0\0\0\0"),
    datagram(
        App::Stun,
        b"\0\x01\0\0\x21\x12\xa4\x42TTTTTTTTTTTT",
        b"\x01\x01\0\x0c\x21\x12\xa4\x42TTTTTTTTTTTT\0\x20\0\x08\0\x01PPAAAA",
    ),
    datagram(
        App::Stun,
        b"\0\x01\0\x08TTTTTTTTTTTTTTTT\x01\x01\0\x04abcd",
        b"\x01\x01\0\x0cTTTTTTTTTTTTTTTT\0\x01\0\x08\0\x01PPAAAA",
    ),
    stream(App::Stun, b"\0\x14\0\x01\0\0\x21\x12\xa4\x42TTTTTTTTTTTT", b""),
    datagram(
        App::L2tp,
        b"\xc8\x02\0\x14\0\0\0\0\0\0\0\0\x80\x08\0\0\0\0\0\x01",
        b"\xc8\x02\0\x14\0\x01\0\0\0\0\0\x01\x80\x08\0\0\0\0\0\x02",
    ),
    stream(App::Pptp, b"\0\x9c\0\x01\x1a\x2b\x3c\x4d\0\x01\0\0", b"\0\x9c\0\x01\x1a\x2b\x3c\x4d\0\x02\0\0"),
    datagram(App::Vxlan, b"\x08\0\0\0\0\0\x7b\0DDDDDDSSSSSS\x08\x00E", b""),
    datagram(App::Geneve, b"\0\0\x65\x58\0\0\x7b\0DDDDDDSSSSSS\x08\x00E", b""),
    datagram(App::Teredo, b"\x60\0\0\0\0\0\x3b\x15\xfe\x80\0\0\0\0\0\0IIIIIIII\x20\x01\0\0SSSSSSSSPPPP", b""),
    datagram(
        App::Ayiya,
        b"AR\x11\x29TTTTIIIIIIIIIIIIIIIISSSSSSSSSSSSSSSSSSSS\x60\0\0\0",
        b"AR\x11\x29TTTTIIIIIIIIIIIIIIIISSSSSSSSSSSSSSSSSSSS\x60\0\0\0",
    ),
    datagram(App::Rtp, &rtp_sample(b'a'), &rtp_sample(b'b')),
    datagram(App::Rtcp, b"\x80\xc9\0\x01SSSS\x81\xca\0\x02SSSS\x01\x01a\0", b"\x80\xc9\0\x01RRRR"),
    datagram(App::Rtcp, b"\x81\xc9\0\x07SSSSeeeeeeeeeeeeeeeeeeeeeeee\x80\0\0\x01tttttttttt", b""),
    stream(App::Rtmp, &rtmp_sample(7), &rtmp_sample(9)),
    stream(App::Skinny, b"\x08\0\0\0\x11\0\0\0\x20\0\0\0AAAA", b"\x08\0\0\0\x11\0\0\0\x81\0\0\0AAAA"),
    stream(
        App::Bittorrent,
        b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05",
        b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05",
    ),
    datagram(App::Bittorrent, b"\x41\0\x12\x34TTTT\0\0\0\0\0\x10\0\0\0\x01\0\0", b""),
    datagram(
        App::BittorrentDht,
        b"d1:ad2:id20:IIIIIIIIIIIIIIIIIIIIe1:q4:ping1:t2:aa1:y1:qe",
        b"d1:rd2:id20:IIIIIIIIIIIIIIIIIIIIe1:t2:aa1:y1:re",
    ),
    stream(
        App::Edonkey,
        b"\xe3\x19\0\0\0\x01\x10HHHHHHHHHHHHHHHHAAAAPP\0\0",
        b"\xe3\x18\0\0\0\x4cHHHHHHHHHHHHHHHHAAAAPP\0\0",
    ),
    stream(App::Gnutella, b"GNUTELLA CONNECT/0.6\r\n", b"GNUTELLA/0.6 200 OK\r\n"),
    stream(
        App::Bitcoin,
        b"\xf9\xbe\xb4\xd9version\0\0\0\0\0\x64\0\0\0",
        b"\xf9\xbe\xb4\xd9verack\0\0\0\0\0\0\0\0\0\0",
    ),
    stream(
        App::Stratum,
        b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n",
        b"{\"id\":1,\"result\":[[[\"mining.notify\",\"x\"]],\"08\",4]}\n",
    ),
    stream(
        App::Stratum,
        b"{\"method\":\"login\",\"params\":{\"login\":\"x\",\"pass\":\"x\",\"agent\":\"a\"},\"id\":1}\n",
        b"{\"id\":1,\"result\":{\"job\":{\"job_id\":\"1\"}}}\n",
    ),
    datagram(
        App::Raknet,
        b"\x01TTTTTTTT\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78",
        b"\x1cTTTTTTTTGGGGGGGG\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78",
    ),
    datagram(App::GameQuery, b"\xff\xff\xff\xffgetinfo xxx", b"\xff\xff\xff\xffinfoResponse\n"),
    datagram(App::Teamspeak, b"TS3INIT1\0\x65\0\0\x88", b"TS3INIT1\0\x65\x88"),
    stream(App::Whatsapp, b"WA\x06\x03\0\0\x24hhhhhhhh", b""),
];

#[cfg(test)]
const fn rtp_sample(source: u8) -> [u8; 172] {
    let mut packet = [0xd5; 172];
    packet[0] = 0x80;
    packet[1] = 0;
    packet[8] = source;
    packet
}

#[cfg(test)]
const fn rtmp_sample(time: u8) -> [u8; 300] {
    let mut packet = [0x6b; 300];
    packet[0] = 3;
    packet[1] = time;
    let mut at = 5;
    while at < 9 {
        packet[at] = 0;
        at += 1;
    }
    packet
}
