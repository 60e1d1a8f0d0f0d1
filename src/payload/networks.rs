//! Protocols of operators' and vehicles' networks and of things: GTP, PFCP, LISP, BFD, PTP, OpenFlow, Babel,
//! SLP, SMPP, session announcements, CoAP, RTPS, SOME/IP, KNX, Ceph.
//!
//! Most have no magic word: what tells them is that every length they declare, down to the last element, adds
//! up to the message, and that reserved bits are empty.

use super::app::Strength::{Good, Strong};
use super::bytes::{at, be16, be24, be32, cut};
use super::recognise::Carrier;
use super::sign::{Role, Sign, answers, asks, either, shared};

/// GTP: 3GPP TS 29.281 section 5.1 (GTPv1-U), TS 29.060 sections 6 and 7.1 (GTPv1-C), TS 29.274 section 5.1
/// (GTPv2-C), GSM 09.60 section 6 (version 0, which ends its header with a number, spare ones and a tunnel).
pub(super) fn gtp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (flags, kind, len) = (*bytes.first()?, *bytes.get(1)?, usize::from(be16(bytes, 2)?));
    let datagram = len <= 9000; // what an Ethernet carries at most
    let fits =
        |header: usize| len + header == bytes.len() || len + header > bytes.len() && cut(bytes) && datagram;
    let inside = |skip: usize| bytes.get(8 + skip).is_some_and(|b| matches!(b >> 4, 4 | 6));
    let optional = if flags & 7 != 0 { 4 } else { 0 };
    match (flags & 0xf8, kind) {
        (0x30, 0xff) if fits(8) && inside(optional) => either(Good),
        (0x30, 1) if fits(8) && flags & 2 != 0 && len <= 8 && at(bytes, 4, &[0; 4]) => asks(Good),
        (0x30, 2) if fits(8) && flags & 2 != 0 && len <= 10 => answers(Good),
        (0x30, 16 | 18 | 20) if fits(8) && flags & 2 != 0 && len > 8 => asks(Good),
        (0x30, 17 | 19 | 21) if fits(8) && flags & 2 != 0 && len > 4 => answers(Good),
        (0x30, _) if flags == 0x32 && fits(8) && len > 4 && at(bytes, 10, &[0, 0]) => gtp_v1(kind),
        (0x40..=0x5f, _) => gtp_v2(bytes, kind, len),
        (0x18, 1 | 2 | 4..=7 | 16..=37 | 48..=52 | 255)
            if flags & 6 == 6 && fits(20) && at(bytes, 9, &[0xff; 3]) =>
        {
            either(Good)
        }
        _ => None,
    }
}

/// The rarer control messages of version 1 (TS 29.060 table 1): numbered, and nothing in the fields not used.
fn gtp_v1(kind: u8) -> Option<Sign> {
    match kind {
        4 | 6 | 22 | 27 | 29 | 32 | 34 | 36 | 48 | 50 | 53 | 56 | 58 | 128 => asks(Good),
        5 | 7 | 23 | 28 | 30 | 31 | 33 | 35 | 37 | 49 | 51 | 54 | 57 | 60 | 129 => answers(Good),
        26 | 52 | 55 | 59 => either(Good),
        _ => None,
    }
}

/// Version 2: spare bits are empty, and elements (type, length, instance) fill the message; another one may
/// ride behind it, when the flags say so.
fn gtp_v2(bytes: &[u8], kind: u8, len: usize) -> Option<Sign> {
    let (flags, end) = (bytes[0], len + 4);
    let header = if flags & 8 != 0 { 12 } else { 8 };
    let more = flags & 0x10 != 0 && bytes.get(end).is_some_and(|next| next >> 5 == 2);
    let fits = end == bytes.len() || end > bytes.len() && cut(bytes) || more;
    let known = matches!(kind, 1..=3 | 25..=41 | 64..=73 | 95..=107 | 128..=141 | 149..=181 | 200..=240);
    if !known || !fits || flags & 3 != 0 || bytes.get(header - 1)? & 0x0f != 0 {
        return None;
    }
    let mut place = header;
    while place < end.min(bytes.len()) {
        let (element, size) = (bytes[place], be16(bytes, place + 1));
        if element == 0 || bytes.get(place + 3).is_some_and(|instance| instance & 0xf0 != 0) {
            return None;
        }
        place += 4 + usize::from(size.unwrap_or(0));
    }
    if place != end && !(cut(bytes) && end > bytes.len()) || place == header {
        return None;
    }
    match kind {
        1 | 32 | 34 | 36 | 38 | 95 | 97 | 99 | 128 | 130 | 133 => asks(Good),
        2 | 33 | 35 | 37 | 39 | 96 | 98 | 100 | 129 | 131 | 134 => answers(Good),
        _ => either(Good),
    }
}

/// PFCP: 3GPP TS 29.244 sections 7.2.2 (header, with a session when the lowest bit says so) and 8.1.1
/// (elements).
pub(super) fn pfcp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (flags, kind, len) = (*bytes.first()?, *bytes.get(1)?, usize::from(be16(bytes, 2)?));
    let header = if flags & 1 != 0 { 16 } else { 8 };
    let fits = len + 4 == bytes.len() || len + 4 > bytes.len() && cut(bytes);
    if !fits || flags & 0xf8 != 0x20 || flags & 2 == 0 && bytes.get(header - 1)? & 0x0f != 0 {
        return None;
    }
    let (mut place, mut count) = (header, 0);
    while let (Some(element), Some(size)) = (be16(bytes, place), be16(bytes, place + 2)) {
        if element == 0 || element > 400 && element < 0x8000 {
            return None;
        }
        place += 4 + usize::from(size);
        count += 1;
    }
    if count == 0 || place != bytes.len() && !cut(bytes) {
        return None;
    }
    match kind {
        1 | 3 | 5 | 7 | 9 | 12 | 14 | 16 | 50 | 52 | 54 | 56 => asks(Good),
        2 | 4 | 6 | 8 | 10 | 11 | 13 | 15 | 17 | 51 | 53 | 55 | 57 => answers(Good),
        _ => None,
    }
}

/// LISP control: RFC 9301 sections 5.2 (Map-Request), 5.4 (Map-Reply), 5.6 (Map-Register), 5.7 (Map-Notify):
/// the addresses and records they count end where the message ends.
pub(super) fn lisp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let records = *bytes.get(3)?;
    match bytes[0] >> 4 {
        1 if (1..=32).contains(&records) => lisp_request(bytes).then(|| asks(Good)).flatten(),
        2 if (1..=32).contains(&records) && bytes[1..3] == [0, 0] => {
            let end = (0..records).try_fold(12, |place, _| lisp_record(bytes, place));
            (end == Some(bytes.len())).then(|| answers(Good)).flatten()
        }
        kind @ (3 | 4) => {
            let digest = matches!((be16(bytes, 12)?, be16(bytes, 14)?), (0, 0) | (1, 20) | (2, 32));
            let keyed = bytes[12..16] != [0; 4] && matches!(records, 1..=64) && bytes[1] == 0;
            let sign = if kind == 3 { asks(Good) } else { answers(Good) };
            sign.filter(|_| digest && keyed)
        }
        _ => None,
    }
}

/// Flags, counts, nonce, the asker's address, where to answer, what is asked for; and a record when flagged.
fn lisp_request(bytes: &[u8]) -> bool {
    let answer_to = bytes[2] & 0x1f;
    let asked = |place: usize| {
        let sound = bytes.get(place) == Some(&0) && *bytes.get(place + 1)? <= 128;
        lisp_address(bytes, place + 2).filter(|_| sound)
    };
    let end = lisp_address(bytes, 12)
        .and_then(|place| (0..=answer_to).try_fold(place, |place, _| lisp_address(bytes, place)))
        .and_then(|place| (0..bytes[3]).try_fold(place, |place, _| asked(place)));
    let mapped = bytes[0] & 4 != 0;
    end.is_some_and(|end| end == bytes.len() || mapped && lisp_record(bytes, end) == Some(bytes.len()))
}

/// Where the mapping record at `place` ends: time, locators, mask, reserved bits, version, address; locators.
fn lisp_record(bytes: &[u8], place: usize) -> Option<usize> {
    let (count, mask) = (*bytes.get(place + 4)?, *bytes.get(place + 5)?);
    let reserved = be16(bytes, place + 6)? & 0x0fff == 0 && be16(bytes, place + 8)? & 0xf000 == 0;
    let first = lisp_address(bytes, place + 10).filter(|_| reserved && count <= 32 && mask <= 128)?;
    (0..count).try_fold(first, |place, _| lisp_address(bytes, place + 6))
}

/// Where the address at `place` ends: family, then as many bytes as the family has (RFC 8060 for 16387).
fn lisp_address(bytes: &[u8], place: usize) -> Option<usize> {
    let end = match be16(bytes, place)? {
        0 => place + 2,
        1 => place + 6,
        2 => place + 18,
        6 => place + 8,
        16_387 => place + 8 + usize::from(be16(bytes, place + 6)?),
        _ => return None,
    };
    (end <= bytes.len()).then_some(end)
}

/// BFD: RFC 5880 section 4.1 (version 1, never multipoint, a multiplier, the length) and 6.8.6 (a sender has
/// a number; the peer's may be zero only while it is down).
pub(super) fn bfd(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let header = bytes.get(..24)?;
    let (state, authenticated) = (header[1] >> 6, header[1] & 4 != 0);
    let sized = usize::from(header[3]) == bytes.len() && (bytes.len() == 24 || authenticated);
    let known =
        header[0] >> 5 == 1 && header[0] & 0x1f <= 9 && header[1] & 1 == 0 && header[1] & 0x30 != 0x30;
    let numbered = be32(header, 4)? != 0 && (be32(header, 8)? != 0 || state <= 1);
    let paced = header[2] != 0 && (1..=60_000_000).contains(&be32(header, 12)?);
    (sized && known && numbered && paced).then(|| either(Good)).flatten()
}

/// PTP: IEEE 1588 clause 13.3.1 (common header: type, version 2, length, the control field that repeats the
/// type) and the lengths of 13.5 to 13.12.
pub(super) fn ptp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let header = bytes.get(..34)?;
    let len = usize::from(be16(header, 2)?);
    // Over IPv6 two bytes may follow (annex D).
    let fits = len == bytes.len() || len + 2 == bytes.len();
    let (shortest, control) = match header[0] & 0x0f {
        0 => (44, 0),
        1 => (44, 1),
        8 => (44, 2),
        9 => (54, 3),
        13 => (48, 4),
        2 | 3 | 10 => (54, 5),
        11 => (64, 5),
        12 => (44, 5),
        _ => return None,
    };
    let sound = header[1] & 0x0f == 2 && header[16..20] == [0; 4] && header[20..28] != [0; 8];
    (fits && sound && len >= shortest && header[32] == control).then(|| either(Good)).flatten()
}

/// OpenFlow: switch specification 1.0 section 5.1 and 1.3 section 7.1 (version, type, length, transaction);
/// it begins with a hello (1.3 section 7.5.1), and other messages follow one another.
pub(super) fn openflow(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (mut place, mut count) = (0, 0);
    let version = bytes[0];
    while let (Some(header), Some(len @ 8..)) = (bytes.get(place..place + 8), be16(bytes, place + 2)) {
        if header[0] != version && header[1] != 0 || !(1..=6).contains(&header[0]) || header[1] > 35 {
            return None;
        }
        place += usize::from(len);
        count += 1;
    }
    let fits = place == bytes.len() || place > bytes.len() && cut(bytes);
    // An element of a hello: the bitmap of the versions.
    let bitmap = at(bytes, 1, &[0, 0, 16]) && at(bytes, 8, &[0, 1, 0, 8]);
    let plain = at(bytes, 1, &[0, 0, 8]);
    let strength = if bitmap && fits { Strong } else { Good };
    (fits && (bitmap || plain) || count > 1 && place == bytes.len()).then(|| either(strength)).flatten()
}

/// Babel: RFC 8966 section 4.2 (magic 42, version 2, length) and 4.3 (elements that fill it).
pub(super) fn babel(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let end = usize::from(be16(bytes, 2)?) + 4;
    if bytes[..2] != [42, 2] || end > bytes.len() && !cut(bytes) || end < 8 {
        return None;
    }
    let mut place = 4;
    while place < end.min(bytes.len()) {
        place += match (bytes[place], bytes.get(place + 1)) {
            (0, _) => 1,
            (kind, Some(size)) if kind < 32 => 2 + usize::from(*size),
            _ => return None,
        };
    }
    (place == end || cut(bytes)).then(|| either(Good)).flatten()
}

/// SLP: RFC 2608 section 8 (version 2, function, length, flags, transaction, language tag).
pub(super) fn slp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (len, flags) = (usize::try_from(be24(bytes, 2)?).ok()?, be16(bytes, 5)?);
    let fits = len == bytes.len() || len > bytes.len() && cut(bytes);
    let tag = bytes.get(14..14 + usize::from(be16(bytes, 12)?))?;
    let named = (2..=35).contains(&tag.len()) && tag.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
    if bytes[0] != 2 || !fits || flags & 0x1fff != 0 || !named {
        return None;
    }
    match bytes[1] {
        1 | 3 | 4 | 6 | 9 => asks(Strong),
        2 | 5 | 7 | 8 | 10 | 11 => answers(Strong),
        _ => None,
    }
}

/// SMPP: protocol specification 3.4 section 3.2 (length, command, status, sequence) and 5.1.2.1 (commands; an
/// answer has the top bit).
pub(super) fn smpp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (len, command) = (usize::try_from(be32(bytes, 0)?).ok()?, be32(bytes, 4)?);
    let fits =
        len == bytes.len() || len > bytes.len() && cut(bytes) || be32(bytes, len + 4).is_some_and(smpp_known);
    let sound = (16..=65_536).contains(&len) && be32(bytes, 12)? != 0 && smpp_known(command);
    if !(fits && sound) {
        return None;
    }
    let answer = command & 0x8000_0000 != 0;
    let login = matches!(command & 0x7fff_ffff, 1 | 2 | 9);
    // A login names a system; other commands are numbers alone.
    let strength = if login && len > 20 { Strong } else { Good };
    match (answer, be32(bytes, 8)?) {
        (true, 0..=0x4ff) => answers(strength),
        (false, 0) if login => asks(strength),
        (false, 0) => either(strength),
        _ => None,
    }
}

const fn smpp_known(command: u32) -> bool {
    matches!(command & 0x7fff_ffff, 1..=9 | 11 | 0x15 | 0x21 | 0x102 | 0x103 | 0x111..=0x113)
}

/// Session announcements: RFC 2974 section 6 (version 1, no encryption, an origin, the type of what follows).
pub(super) fn sap(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let flags = *bytes.first()?;
    let origin = if flags & 0x10 != 0 { 16 } else { 4 };
    let body = bytes.get(4 + origin + 4 * usize::from(*bytes.get(1)?)..)?;
    let described =
        body.starts_with(b"application/sdp\0") || body.starts_with(b"v=0\r\n") || body.starts_with(b"v=0\n");
    (flags & 0xeb == 0x20 && described).then(|| asks(Strong)).flatten()
}

/// CoAP: RFC 7252 sections 3 (version 1, token, code) and 3.1 (options in ascending order). A request is told
/// by the path or host it names; an answer may be anything's alone.
pub(super) fn coap(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (token, code) = (usize::from(*bytes.first()? & 0x0f), *bytes.get(1)?);
    if bytes[0] >> 6 != 1 || token > 8 {
        return None;
    }
    let (mut place, mut option, mut named) = (4 + token, 0, false);
    bytes.get(..place)?;
    while let Some(head) = bytes.get(place).filter(|b| **b != 0xff) {
        let (delta, next) = coap_number(bytes, place + 1, head >> 4)?;
        let (len, start) = coap_number(bytes, next, head & 0x0f)?;
        option += delta;
        let value = bytes.get(start..start + len).filter(|_| COAP_OPTIONS.contains(&option))?;
        named |= matches!(option, 3 | 11) && len > 0 && value.iter().all(|b| matches!(b, 0x20..=0x7e));
        place = start + len;
    }
    let payload = bytes.len() - place;
    match code {
        1..=7 if named && payload != 1 && bytes[0] & 0x20 == 0 => asks(Good),
        0x41..=0x45 | 0x5f | 0x80..=0x8f | 0xa0..=0xa5 if payload != 1 => shared(Role::Answers),
        _ => None,
    }
}

/// Options in use (IANA, CoAP Option Numbers).
const COAP_OPTIONS: [usize; 24] =
    [1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 19, 20, 23, 27, 28, 31, 35, 39, 60, 258];

/// A four-bit number with its extension (RFC 7252 section 3.1): its value and what follows.
fn coap_number(bytes: &[u8], place: usize, nibble: u8) -> Option<(usize, usize)> {
    match nibble {
        13 => Some((usize::from(*bytes.get(place)?) + 13, place + 1)),
        14 => Some((usize::from(be16(bytes, place)?) + 269, place + 2)),
        15 => None,
        small => Some((usize::from(small), place)),
    }
}

/// RTPS: DDSI-RTPS section 9.4.4 (`RTPS`, protocol version 1 or 2).
pub(super) fn rtps(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let sound = bytes.starts_with(b"RTPS") && matches!(bytes.get(4)?, 1 | 2) && bytes.len() >= 20;
    sound.then(|| either(Strong)).flatten()
}

/// SOME/IP: AUTOSAR `PRS_SOMEIPProtocol` (message, length, request, protocol version 1, type, return code);
/// service discovery is message 0xffff8100 of `PRS_SOMEIPServiceDiscoveryProtocol`.
pub(super) fn someip(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let discovery = at(bytes, 0, &[0xff, 0xff, 0x81, 0]);
    let (mut place, first) = (0, *bytes.get(14)?);
    while place < bytes.len() {
        let len = usize::try_from(be32(bytes, place + 4)?).ok()?;
        let sound = (8..=0x0010_0000).contains(&len)
            && at(bytes, place + 12, &[1])
            && match (bytes.get(place + 14)?, bytes.get(place + 15)?) {
                (0..=2 | 0x20..=0x22, 0) => true,
                (0x80 | 0x81 | 0xa0 | 0xa1, code) => *code <= 0x5e,
                _ => false,
            };
        place = place.checked_add(len + 8).filter(|_| sound)?;
    }
    let strength = if discovery { Strong } else { Good };
    match first {
        _ if place != bytes.len() && !cut(bytes) => None,
        0 | 1 | 0x20 | 0x21 => asks(strength),
        0x80 | 0x81 | 0xa0 | 0xa1 => answers(strength),
        _ => either(strength),
    }
}

/// KNXnet/IP: EN 13321-2 section 2.3 (header of six bytes, version 1.0, service, total length).
pub(super) fn knx(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (service, len) = (be16(bytes, 2)?, usize::from(be16(bytes, 4)?));
    if bytes[..2] != [6, 0x10] || len != bytes.len() && !(len > bytes.len() && cut(bytes)) {
        return None;
    }
    match service {
        0x0201 | 0x0203 | 0x0205 | 0x0207 | 0x0209 | 0x020b => asks(Strong),
        0x0202 | 0x0204 | 0x0206 | 0x0208 | 0x020a | 0x020c => answers(Strong),
        0x0310 | 0x0311 | 0x0420..=0x0425 | 0x0530..=0x0533 | 0x0740..=0x0743 | 0x0950..=0x0955 => {
            either(Strong)
        }
        _ => None,
    }
}

/// Ceph: messenger protocol, "banner" of versions 1 (`ceph v027`) and 2 (`ceph v2` and a line end).
pub(super) fn ceph(bytes: &[u8], _: Carrier) -> Option<Sign> {
    (bytes.starts_with(b"ceph v02") || bytes.starts_with(b"ceph v2\n")).then(|| either(Strong)).flatten()
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    datagram(App::Gtp, b"\x32\x01\0\x04\0\0\0\0\0\x01\0\0", b"\x32\x02\0\x06\0\0\0\0\0\x01\0\0\x0e\0"),
    datagram(
        App::Gtp,
        b"\x40\x01\0\x09\0\0\x01\0\x03\0\x01\0\x07",
        b"\x40\x02\0\x09\0\0\x01\0\x03\0\x01\0\x07",
    ),
    datagram(
        App::Gtp,
        b"\x48\x20\0\x0dTTTT\0\0\x01\0\x03\0\x01\0\x07",
        b"\x58\x21\0\x0dTTTT\0\0\x01\0\x03\0\x01\0\x07\x48\x5f\0\x0dTTTT\0\0\x02\0\x49\0\x01\0\x05",
    ),
    datagram(App::Gtp, b"\x32\x32\0\x0aTTTT\0\x01\0\0\x11PPPPP", b"\x32\x33\0\x06TTTT\0\x01\0\0\x01\x80"),
    datagram(App::Gtp, b"\x1e\x01\0\0\0\x01\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0", b""),
    datagram(
        App::Pfcp,
        b"\x20\x01\0\x0c\0\0\x01\0\0\x60\0\x04\xe0\0\0\0",
        b"\x20\x02\0\x0c\0\0\x01\0\0\x60\0\x04\xe0\0\0\0",
    ),
    datagram(
        App::Pfcp,
        b"\x21\x36\0\x14SSSSSSSS\0\0\x02\0\0\x39\0\x04EEEE",
        b"\x21\x37\0\x11SSSSSSSS\0\0\x02\0\0\x13\0\x01\x01",
    ),
    datagram(
        App::Lisp,
        b"\x30\0\x01\x01NNNNNNNN\0\x01\0\x14DDDDDDDDDDDDDDDDDDDD",
        b"\x40\0\0\x01NNNNNNNN\0\x01\0\x14DDDDDDDDDDDDDDDDDDDD",
    ),
    datagram(
        App::Lisp,
        b"\x10\0\0\x01NNNNNNNN\0\0\0\x01\xc0\0\x02\x01\0\x20\0\x01\xc6\x33\x64\x01",
        b"\x20\0\0\x01NNNNNNNN\0\0\x05\xa0\x01\x18\x10\0\0\0\0\x01\xc6\x33\x64\0\x01\x64\xff\0\0\x01\0\x01\
          \xc0\0\x02\x09",
    ),
    datagram(App::Bfd, b"\x20\x40\x03\x18\0\0\0\x01\0\0\0\0\0\x0f\x42\x40\0\x0f\x42\x40\0\0\0\0", b""),
    datagram(App::Ptp, &ptp_sample(), b""),
    stream(App::Openflow, b"\x01\0\0\x08XXXX", b"\x04\0\0\x10XXXX\0\x01\0\x08\0\0\0\x12"),
    stream(
        App::Openflow,
        b"\x01\x02\0\x0cXXXXecho\x01\x12\0\x08XXXX",
        b"\x01\x03\0\x0cXXXXecho\x01\x13\0\x08XXXX",
    ),
    datagram(App::Babel, b"\x2a\x02\0\x08\x04\x06\0\0\0\x01\x01\x90", b"\x2a\x02\0\x05\x01\x01\0\0\0"),
    datagram(
        App::Slp,
        b"\x02\x01\0\0\x28\x20\0\0\0\0\0\x01\0\x02en\0\0\0\x0eservice:a.test\0\0\0\0\0\0",
        b"\x02\x02\0\0\x14\0\0\0\0\0\0\x01\0\x02en\0\0\0\0",
    ),
    stream(
        App::Smpp,
        b"\0\0\0\x1e\0\0\0\x09\0\0\0\0\0\0\0\x01system\0\0\0\x34\0\0\0\0",
        b"\0\0\0\x17\x80\0\0\x09\0\0\0\0\0\0\0\x01server\0",
    ),
    datagram(App::Sap, b"\x20\0HH\xc0\0\x02\x01application/sdp\0v=0\r\no=- 1 1 IN IP4 a\r\n", b""),
    datagram(App::Coap, b"\x41\x01MMT\xb4test", b"\x61\x45MMT\xc0\xffhello"),
    datagram(App::Rtps, b"RTPS\x02\x01\x01\x0fGGGGGGGGGGGG\x09\x01\x08\0TTTTTTTT", b""),
    datagram(
        App::Someip,
        b"\x12\x34\0\x01\0\0\0\x0a\0\x01\0\x01\x01\x01\0\0hi",
        b"\x12\x34\0\x01\0\0\0\x0a\0\x01\0\x01\x01\x01\x80\0ok",
    ),
    datagram(App::Someip, b"\xff\xff\x81\0\0\0\0\x14\0\0\0\x01\x01\x01\x02\0\xc0\0\0\0\0\0\0\0\0\0\0\0", b""),
    datagram(
        App::Knx,
        b"\x06\x10\x02\x03\0\x0e\x08\x01\xc0\0\x02\x01\x0e\x57",
        b"\x06\x10\x02\x04\0\x08\x02\0",
    ),
    stream(App::Ceph, b"ceph v2\n\x10\0FFFFFFFFFFFFFFFF", b"ceph v2\n\x10\0FFFFFFFFFFFFFFFF"),
];

#[cfg(test)]
const fn ptp_sample() -> [u8; 44] {
    let mut packet = [0; 44];
    packet[0] = 1; // Delay_Req
    packet[1] = 2;
    packet[3] = 44;
    packet[25] = 7;
    packet[32] = 1;
    packet
}
