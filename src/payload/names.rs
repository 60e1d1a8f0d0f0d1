//! Naming and addressing: DNS with its multicast kin, NetBIOS names and datagrams, DHCP, DHCPv6, TFTP.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{at, be16, be32, cut};
use super::recognise::Carrier;
use super::sign::{Sign, answers, asks, either};

/// DNS: RFC 1035 section 4.1, over TCP behind a two-byte length (section 4.2.2). LLMNR (RFC 4795) has the
/// same shape and nothing in its bytes to tell it by, so it is called DNS here.
pub(super) fn dns(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let message = dns_message(bytes, carrier)?;
    dns_sign(message, carrier).filter(|_| !multicast(message) && !netbios(message))
}

/// Multicast DNS: RFC 6762 sections 18.1 (identifier zero) and 3 (names under `local`), 10.2 (cache-flush
/// bit).
pub(super) fn mdns(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    dns_sign(bytes, carrier).filter(|_| multicast(bytes))
}

/// NetBIOS name service: RFC 1002 section 4.2; its names are 32 letters from A to P (RFC 1001 section 14.1).
pub(super) fn netbios_ns(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let flags = be16(bytes, 2)?;
    let counts = [be16(bytes, 4)?, be16(bytes, 6)?, be16(bytes, 8)?, be16(bytes, 10)?];
    let sane = counts.iter().all(|c| *c <= 1) && counts[0] + counts[1] >= 1;
    if !(sane && netbios(bytes)) {
        return None;
    }
    if flags & 0x8000 == 0 { asks(Strong) } else { answers(Strong) }
}

/// NetBIOS datagrams: RFC 1002 section 4.4.1.
pub(super) fn netbios_dgm(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let kind = matches!(bytes.first()?, 0x10..=0x12) && *bytes.get(1)? & 0xf0 == 0;
    let name = bytes.get(14..47)?;
    (kind && name[0] == 32 && half_ascii(&name[1..])).then(|| either(Strong)).flatten()
}

/// NetBIOS session service: RFC 1002 section 4.3.2 (session request) and 4.3.3, 4.3.4 (its answers).
pub(super) fn netbios_ssn(bytes: &[u8], _: Carrier) -> Option<Sign> {
    match bytes {
        [0x81, 0, 0, 0x44, 0x20, rest @ ..] if rest.len() < 32 || half_ascii(&rest[..32]) => asks(Strong),
        [0x82, 0, 0, 0] => answers(Weak),
        [0x83, 0, 0, 1, 0x80..=0x8f] => answers(Good),
        _ => None,
    }
}

/// DHCP and BOOTP: RFC 2131 section 2, RFC 951 section 3 (before the magic cookie existed).
pub(super) fn dhcp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let header = bytes.get(..28)?;
    let plausible = matches!(header[0], 1 | 2) && header[2] <= 16 && header[3] <= 16;
    let cookie = at(bytes, 236, &[0x63, 0x82, 0x53, 0x63]);
    // An Ethernet address leaves ten bytes of its field empty, and 15 flags are reserved: that shows even in
    // a capture that kept only the beginning.
    let plain = header[1] == 1 && header[2] == 6 && header[10] & 0x7f == 0 && header[11] == 0;
    let plain = plain && at(bytes, 34, &[0; 10]) && header[4..8] != [0; 4];
    let strength = match (plausible, cookie, plain) {
        (true, true, _) => Strong,
        (true, false, true) => Good,
        _ => return None,
    };
    if header[0] == 1 { asks(strength) } else { answers(strength) }
}

/// DHCPv6: RFC 8415 sections 8 (client and server messages), 9 (relay messages), 21.1 (options).
pub(super) fn dhcpv6(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (options, relay) = match *bytes.first()? {
        1..=11 => (bytes.get(4..)?, false),
        12 | 13 if *bytes.get(1)? <= 32 => (bytes.get(34..)?, true),
        _ => return None,
    };
    let (mut at, mut count, mut identified) = (0, 0, relay);
    while let (Some(code), Some(len)) = (be16(options, at), be16(options, at + 2)) {
        let value = options.get(at + 4..at + 4 + usize::from(len));
        identified |=
            matches!(code, 1 | 2) && (4..=130).contains(&len) && matches!(value, Some([0, 1..=4, ..]));
        identified |= code == 9 && relay;
        if code == 0 || code > 150 {
            return None;
        }
        count += 1;
        at += 4 + usize::from(len);
    }
    let fits = at == options.len() || cut(bytes);
    if !fits || count < 1 || !identified || relay && count < 2 {
        return None;
    }
    match bytes[0] {
        2 | 7 | 10 | 13 => answers(Strong),
        _ => asks(Strong),
    }
}

/// TFTP: RFC 1350 section 5, option acknowledgement RFC 2347.
pub(super) fn tftp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let rest = bytes.get(2..)?;
    match be16(bytes, 0)? {
        1 | 2 => {
            let mut words = rest.split(|b| *b == 0);
            let (file, mode) = (words.next()?, words.next()?);
            let named = !file.is_empty() && file.iter().all(|b| *b >= 0x20);
            let known = ["octet", "netascii", "mail"].iter().any(|m| mode.eq_ignore_ascii_case(m.as_bytes()));
            (named && known).then(|| asks(Strong)).flatten()
        }
        3 if be16(bytes, 2)? == 1 && rest.len() <= 514 && rest.len() > 2 => answers(Weak),
        4 if rest.len() == 2 && be16(bytes, 2)? <= 1 => either(Weak),
        5 if be16(bytes, 2)? <= 8 && rest.last() == Some(&0) && rest.len() > 3 => {
            let text = rest[2..rest.len() - 1].iter().all(|b| (0x20..0x7f).contains(b));
            text.then(|| answers(Good)).flatten()
        }
        6 if rest.last() == Some(&0)
            && ["blksize", "tsize", "timeout", "windowsize"]
                .iter()
                .any(|o| rest.starts_with(o.as_bytes())) =>
        {
            answers(Strong)
        }
        _ => None,
    }
}

/// The message inside: itself, or what follows the length over TCP. A message cut short still begins here.
fn dns_message(bytes: &[u8], carrier: Carrier) -> Option<&[u8]> {
    match carrier {
        Carrier::Datagram => Some(bytes),
        Carrier::Stream => {
            let len = usize::from(be16(bytes, 0)?);
            let rest = &bytes[2..];
            (len >= 12).then(|| rest.get(..len).unwrap_or(rest))
        }
    }
}

/// A header whose bits and counts make sense, followed by a question (and the beginning of records) that
/// parse.
fn dns_sign(message: &[u8], carrier: Carrier) -> Option<Sign> {
    let flags = be16(message, 2)?;
    let counts = [be16(message, 4)?, be16(message, 6)?, be16(message, 8)?, be16(message, 10)?];
    let (response, opcode, code) = (flags & 0x8000 != 0, flags >> 11 & 15, flags & 15);
    let sane = matches!(opcode, 0 | 1 | 2 | 4 | 5) && flags & 0x0040 == 0 && code <= 11;
    let records = u32::from(counts[1]) + u32::from(counts[2]) + u32::from(counts[3]);
    if !sane || counts[0] > 32 || records > 512 || !response && code != 0 {
        return None;
    }
    let says = |strength| if response { answers(strength) } else { asks(strength) };
    if counts[0] == 0 && records == 0 {
        let refused = response && code != 0 && message.len() == 12;
        return refused.then(|| answers(Weak)).flatten();
    }
    // Cut in the first question: only a name of at least one label says anything.
    let label = message.get(12).is_some_and(|len| *len != 0);
    let short = if label { says(if cut(message) { Good } else { Weak }) } else { None };
    let mut end = 12;
    for _ in 0..counts[0] {
        let Some(name_end) = dns_name(message, end)? else { return short };
        let Some(class) = be16(message, name_end + 2) else { return short };
        if !dns_type(be16(message, name_end)?) || !matches!(class & 0x7fff, 1 | 3 | 4 | 254 | 255) {
            return None;
        }
        end = name_end + 4;
        if end >= message.len() && cut(message) {
            return says(Strong);
        }
    }
    match records {
        0 if end == message.len() || carrier == Carrier::Stream => says(Strong),
        0 => says(Good).filter(|_| label),
        _ => dns_record(message, end).then(|| says(Strong)).flatten(),
    }
}

/// A name at `at`. `None`: not a name; `Some(None)`: cut short; otherwise where it ends.
fn dns_name(message: &[u8], mut at: usize) -> Option<Option<usize>> {
    let start = at;
    loop {
        let Some(len) = message.get(at) else { return Some(None).filter(|_| at > start) };
        match *len {
            0 => return Some(Some(at + 1)),
            len @ 1..=63 => {
                let label = message.get(at + 1..(at + 1 + usize::from(len)).min(message.len()))?;
                if !label.iter().all(|b| *b > 0x1f && *b != 0x7f) {
                    return None;
                }
                at += 1 + usize::from(len);
            }
            0xc0..=0xff => {
                let target = be16(message, at)? & 0x3fff;
                return (target >= 12 && usize::from(target) < at).then_some(Some(at + 2));
            }
            _ => return None,
        }
        if at - start > 255 {
            return None;
        }
    }
}

/// A record at `at`: a name, a known type, a known class, and data that fit (or are cut).
fn dns_record(message: &[u8], at: usize) -> bool {
    let Some(Some(end)) = dns_name(message, at) else { return cut(message) };
    let (Some(kind), Some(class)) = (be16(message, end), be16(message, end + 2)) else { return false };
    let known = dns_type(kind) && (kind == 41 || matches!(class & 0x7fff, 1 | 3 | 4 | 254 | 255));
    known
        && be16(message, end + 8)
            .is_some_and(|len| end + 10 + usize::from(len) <= message.len() || cut(message))
}

/// Record types in use (IANA DNS parameters), the meta types, and TA and DLV.
const fn dns_type(kind: u16) -> bool {
    matches!(kind, 1..=65 | 99..=109 | 128 | 249..=262 | 0x8000 | 0x8001 | 0xff01..=0xff05)
}

/// Identifier zero and a name under `local`, or a class with the top bit that only mDNS uses.
fn multicast(message: &[u8]) -> bool {
    let Some(0) = be16(message, 0) else { return false };
    let mut at = 12;
    let mut local = false;
    while let Some(len @ 1..=63) = message.get(at).copied() {
        let label = message.get(at + 1..at + 1 + usize::from(len)).unwrap_or_default();
        local = label.eq_ignore_ascii_case(b"local");
        at += 1 + usize::from(len);
    }
    local || be16(message, at + 3).is_some_and(|class| class & 0x8000 != 0)
}

/// The first name is a NetBIOS one and asks for NB or NBSTAT (or is at least that far whole).
fn netbios(message: &[u8]) -> bool {
    let name = message.get(12..45).is_some_and(|name| name[0] == 32 && half_ascii(&name[1..]));
    name && message.get(45).is_none_or(|_| {
        let after = message[45..].iter().position(|b| *b == 0).map_or(0, |end| 46 + end);
        be16(message, after).is_none_or(|kind| matches!(kind, 0x0a | 0x20 | 0x21))
    })
}

/// First-level encoding: every byte is a letter from A to P.
fn half_ascii(name: &[u8]) -> bool {
    name.iter().all(|b| matches!(b, b'A'..=b'P'))
}

/// X Display Manager Control Protocol, version 1 section 3: version, opcode, length.
pub(super) fn xdmcp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (version, opcode, len) = (be16(bytes, 0)?, be16(bytes, 2)?, usize::from(be16(bytes, 4)?));
    if version != 1 || !(1..=14).contains(&opcode) || len + 6 != bytes.len() || len == 0 {
        return None;
    }
    if matches!(opcode, 1..=3 | 7 | 10 | 13) { asks(Good) } else { answers(Good) }
}

/// `WoL`: AMD white paper 20213, six bytes of 0xff and sixteen times the address.
pub(super) fn wake_on_lan(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let body = bytes.strip_prefix(&[0xff; 6])?.get(..96)?;
    let address = &body[..6];
    (body.chunks_exact(6).all(|part| part == address) && address != [0xff; 6]).then(|| asks(Strong)).flatten()
}

/// NTP: RFC 5905 section 7.3; control and private modes (RFC 9327, ntpd's mode 7) by their fixed openings.
pub(super) fn ntp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let first = *bytes.first()?;
    let (version, mode) = (first >> 3 & 7, first & 7);
    if mode == 6 && (2..=4).contains(&version) && matches!(bytes.get(1)? & 0x1f, 1..=10) && bytes.len() >= 12
    {
        let quiet = at(bytes, 4, &[0, 0]) || bytes[1] & 0x80 != 0;
        let fits = usize::from(be16(bytes, 10)?) + 12 <= bytes.len() && at(bytes, 8, &[0, 0]) && quiet;
        return fits.then(|| if bytes[1] & 0x80 != 0 { answers(Good) } else { asks(Good) }).flatten();
    }
    if mode == 7 && version == 2 && first & 0x80 != 0 {
        // An answer of several packets counts them; its items fill what follows the header of eight bytes.
        let (count, size) = (usize::from(be16(bytes, 4)? & 0x0fff), usize::from(be16(bytes, 6)? & 0x0fff));
        let filled = count > 0 && size > 0 && count * size + 8 == bytes.len();
        if filled && matches!(bytes[2], 2 | 3) {
            return answers(Good);
        }
    }
    if mode == 7 && version == 2 && at(bytes, 1, &[0, 3]) && bytes.len() >= 8 {
        let empty = at(bytes, 4, &[0; 4]); // no error, no items
        return if first & 0x80 != 0 { answers(Good) } else { asks(if empty { Good } else { Weak }) };
    }
    let size = bytes.len() >= 48 && bytes.len().is_multiple_of(4); // extension fields follow in fours
    let header = bytes.get(..48)?;
    let stratum = header[1] <= 16;
    let poll = header[2] <= 17;
    let precision = header[3] == 0 || header[3] >= 0xe0 || header[3] <= 4;
    let seconds = be16(bytes, 4)? < 16 && be16(bytes, 8)? < 17;
    // Not an all-zero body: a client sends its time, or at least says its version and mode and nothing else.
    if !((1..=4).contains(&version) && size && stratum && poll && precision && seconds) {
        return None;
    }
    match mode {
        3 if be32(bytes, 40)? != 0 || bytes.len() == 48 => asks(Good),
        4 if be32(bytes, 40)? != 0 => answers(Good),
        1 | 2 | 5 if be32(bytes, 40)? != 0 => either(Good),
        _ => None,
    }
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    datagram(
        App::Dns,
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01",
        b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x07example\x03org\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\
          \0\0\x3c\0\x04\x7f\0\0\x01",
    ),
    stream(
        App::Dns,
        b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\xfc\0\x01",
        b"\0\x1d\x12\x34\x81\x85\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\xfc\0\x01",
    ),
    datagram(
        App::Mdns,
        b"\0\0\0\0\0\x01\0\0\0\0\0\0\x05_ipps\x04_tcp\x05local\0\0\x0c\0\x01",
        b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x02pr\x05local\0\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\0\0\x01",
    ),
    datagram(
        App::NetbiosNs,
        b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0\x20EIEPFDFECACACACACACACACACACACAAA\0\0\x20\0\x01",
        b"\x12\x34\x85\0\0\0\0\x01\0\0\0\0\x20EIEPFDFECACACACACACACACACACACAAA\0\0\x20\0\x01\0\0\0\0\
          \0\x06\0\0\x0a\0\0\x01",
    ),
    datagram(
        App::NetbiosDgm,
        b"\x11\x02\x12\x34\x0a\0\0\x01\0\x8a\0\xbb\0\0\x20EIEPFDFECACACACACACACACACACACAAA\0",
        b"",
    ),
    stream(App::NetbiosSsn, b"\x81\0\0\x44\x20EIEPFDFECACACACACACACACACACACAAA\0", b"\x82\0\0\0"),
    datagram(App::Dhcp, &dhcp_sample(1), &dhcp_sample(2)),
    datagram(
        App::Dhcpv6,
        b"\x01XXX\0\x01\0\x0a\0\x03\0\x01\x02\0\0\0\0\x01\0\x06\0\x02\0\x17\0\x08\0\x02\0\0",
        b"\x02XXX\0\x01\0\x0a\0\x03\0\x01\x02\0\0\0\0\x01\0\x02\0\x0a\0\x03\0\x01\x02\0\0\0\0\x02",
    ),
    datagram(App::Tftp, b"\0\x01boot.cfg\0octet\0", b"\0\x03\0\x01hello"),
    datagram(App::Tftp, b"\0\x02up.bin\0netascii\0blksize\x001428\0", b"\0\x06blksize\x001428\0"),
    datagram(App::Xdmcp, b"\0\x01\0\x02\0\x01\0", b"\0\x01\0\x05\0\x09\0\0\0\x01h\0\x02ok"),
    datagram(App::WakeOnLan, &WAKE, b""),
    datagram(
        App::Ntp,
        b"\x23\0\x06\xec\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe0\
          \x12\x34\x56\x12\x34\x56\x78",
        b"\x24\x02\x06\xec\0\0\x01\0\0\0\x02\0\x0a\0\0\x01\xe0\x12\x34\x56\x12\x34\x56\x78\xe0\x12\
          \x34\x56\x12\x34\x56\x78\xe0\x12\x34\x56\x12\x34\x56\x78\xe0\x12\x34\x56\x12\x34\x56\x78",
    ),
];

#[cfg(test)]
const WAKE: [u8; 102] = {
    let mut packet = [0xff; 102];
    let mut at = 6;
    while at < 102 {
        packet[at] = [2, 0, 0, 0, 0, 7][at % 6];
        at += 1;
    }
    packet
};

#[cfg(test)]
const fn dhcp_sample(op: u8) -> [u8; 244] {
    let mut packet = [0; 244];
    let known = [op, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef];
    let mut at = 0;
    while at < known.len() {
        packet[at] = known[at];
        packet[236 + at] = [0x63, 0x82, 0x53, 0x63, 53, 1, op, 0xff][at];
        at += 1;
    }
    packet
}
