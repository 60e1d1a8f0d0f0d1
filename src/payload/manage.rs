//! Directory, authentication, management and routing: LDAP, Kerberos, SNMP, RADIUS, TACACS+, Diameter,
//! syslog, BGP, LDP, RIP, HSRP, NetFlow, sFlow, IPMI.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{at, be16, be24, be32, ber, ber_length, contains, cut, is_text, line};
use super::recognise::Carrier;
use super::sign::{Sign, answers, asks, either};

/// LDAP: RFC 4511 section 4.1.1 (envelope: sequence, message number, then a tagged operation), over UDP as
/// CLDAP.
pub(super) fn ldap(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (whole, start) = ber(bytes, 0, 0x30)?;
    let (id_len, id_at) = ber(bytes, start, 0x02)?;
    let op_at = id_at + id_len;
    let op = *bytes.get(op_at)?;
    let (len, body) = ber_length(bytes, op_at + 1)?;
    let end = start.checked_add(whole)?;
    let exact = body.checked_add(len)? == end;
    let controls = body.checked_add(len)? < end && bytes.get(body + len).is_none_or(|tag| *tag == 0xa0);
    if !matches!(id_len, 1..=4) || !(exact || controls) {
        return None;
    }
    match op {
        0x60 if at(bytes, body, &[2, 1, 2]) || at(bytes, body, &[2, 1, 3]) => asks(Strong),
        0x63 | 0x77 if len > 4 => asks(if exact { Strong } else { Good }),
        0x42 | 0x4a | 0x50 | 0x66 | 0x68 | 0x6c | 0x6e => asks(if id_len + len > 2 { Good } else { Weak }),
        0x61 | 0x65 | 0x67 | 0x69 | 0x6b | 0x6d | 0x6f | 0x78 if at(bytes, body, &[0x0a, 1]) => {
            answers(Strong)
        }
        0x64 | 0x73 if len > 2 => answers(Good),
        _ => None,
    }
}

/// Kerberos 5: RFC 4120 section 5.10 (application tags); over TCP behind a four-byte length (section 7.2.2).
pub(super) fn kerberos(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let message = match carrier {
        Carrier::Datagram => bytes,
        Carrier::Stream => bytes.get(4..).filter(|_| bytes[0] == 0)?,
    };
    let tag = *message.first()?;
    let (_, inside) = ber_length(message, 1)?;
    let (_, fields) = ber(message, inside, 0x30)?;
    // Version 5 comes first, tagged 0 or (in requests to the KDC) 1; then the message type, which repeats the
    // tag.
    let kdc = at(message, fields, &[0xa1, 3, 2, 1, 5, 0xa2, 3, 2, 1]);
    let other = at(message, fields, &[0xa0, 3, 2, 1, 5, 0xa1, 3, 2, 1]);
    let repeats = message.get(fields + 9).is_some_and(|kind| *kind == tag & 0x1f);
    match tag {
        0x6a | 0x6c if kdc && repeats => asks(Strong),
        0x6e | 0x74 | 0x75 if other && repeats => asks(Strong),
        0x6b | 0x6d | 0x6f | 0x7e if other && repeats => answers(Strong),
        _ => None,
    }
}

/// SNMP: RFC 3416 section 3 and RFC 1157 (version, community, operation), RFC 3412 section 6 (version 3).
pub(super) fn snmp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (_, start) = ber(bytes, 0, 0x30)?;
    let version = bytes.get(start..start + 3)?;
    match version {
        [2, 1, 0 | 1] => {
            let (len, community) = ber(bytes, start + 3, 0x04)?;
            let operation = *bytes.get(community.checked_add(len)?)?;
            match operation {
                0xa0 | 0xa1 | 0xa3 | 0xa5 => asks(Strong),
                0xa2 => answers(Strong),
                0xa4 | 0xa6 | 0xa7 => either(Strong),
                _ => None,
            }
        }
        [2, 1, 3] => {
            let (_, header) = ber(bytes, start + 3, 0x30)?;
            let (len, id) = ber(bytes, header, 0x02)?;
            let (_, _size) = ber(bytes, id.checked_add(len)?, 0x02)?;
            either(Strong)
        }
        _ => None,
    }
}

/// RADIUS: RFC 2865 section 3 (code, identifier, length, authenticator) and 5 (attributes).
pub(super) fn radius(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let code = *bytes.first()?;
    let len = usize::from(be16(bytes, 2)?);
    let fits = len == bytes.len() || len > bytes.len() && cut(bytes);
    if !matches!(code, 1..=5 | 11..=13 | 40..=45) || !fits || !(20..=4096).contains(&len) {
        return None;
    }
    if bytes[..20].iter().all(|b| *b == code) {
        return None; // padding: the authenticator is random, or a digest
    }
    let (mut place, mut count) = (20, 0);
    while let (Some(kind), Some(size)) = (bytes.get(place), bytes.get(place + 1)) {
        if !matches!(kind, 1..=192 | 241..=246) || *size < 3 {
            return None;
        }
        place += usize::from(*size);
        count += 1;
    }
    let strength = match count {
        0 => Weak,
        3.. if !cut(bytes) => Strong,
        _ => Good,
    };
    let whole = place == bytes.len() || cut(bytes);
    let asking = matches!(code, 1 | 4 | 12 | 40 | 43);
    whole.then(|| if asking { asks(strength) } else { answers(strength) }).flatten()
}

/// TACACS+: RFC 8907 section 4.1.
pub(super) fn tacacs(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let header = bytes.get(..12)?;
    let len = be32(header, 8)?;
    let fits = usize::try_from(len).ok()? + 12 == bytes.len() && len >= 5;
    let sound =
        header[0] & 0xfe == 0xc0 && matches!(header[1], 1..=3) && header[2] != 0 && header[3] & !5 == 0;
    if !(fits && sound) {
        return None;
    }
    if header[2] & 1 == 1 { asks(Good) } else { answers(Good) }
}

/// Diameter: RFC 6733 section 3.
pub(super) fn diameter(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (len, command) = (be24(bytes, 1)?, be24(bytes, 5)?);
    let sound = bytes[0] == 1 && len >= 20 && len.is_multiple_of(4) && bytes[4] & 0x0f == 0;
    let known = matches!(command, 257..=290 | 300..=325 | 0x80_0000..=0x80_00ff);
    if !(sound && known && bytes.len() >= 20) {
        return None;
    }
    if bytes[4] & 0x80 != 0 { asks(Strong) } else { answers(Strong) }
}

/// syslog: RFC 5424 section 6 and RFC 3164 section 4.1.1 (priority at most 191 in angle brackets), over TCP
/// possibly counted (RFC 6587 section 3.4.1).
pub(super) fn syslog(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let counted = bytes
        .iter()
        .take(6)
        .position(|b| *b == b' ')
        .filter(|end| bytes[..*end].iter().all(u8::is_ascii_digit));
    let message = counted.map_or(bytes, |end| &bytes[end + 1..]);
    let end = message.iter().take(5).position(|b| *b == b'>')?;
    let priority = super::bytes::decimal(message.get(1..end)?)?;
    if message[0] != b'<' || priority > 191 {
        return None;
    }
    let rest = &message[end + 1..];
    const MONTHS: [&[u8]; 12] = [
        b"Jan ", b"Feb ", b"Mar ", b"Apr ", b"May ", b"Jun ", b"Jul ", b"Aug ", b"Sep ", b"Oct ", b"Nov ",
        b"Dec ",
    ];
    let dated = rest.starts_with(b"1 ") || MONTHS.iter().any(|m| rest.starts_with(m));
    match rest {
        _ if dated => asks(Strong),
        [] => None,
        text if is_text(line(text).0.trim_ascii_end()) && line(text).0.len() >= 4 => asks(Weak),
        _ => None,
    }
}

/// BGP: RFC 4271 section 4.1 (marker of ones, length, type).
pub(super) fn bgp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let kind = *bytes.get(18)?;
    let sound = bytes[..16] == [0xff; 16] && (19..=4096).contains(&be16(bytes, 16)?) && matches!(kind, 1..=5);
    sound.then(|| either(Strong)).flatten()
}

/// LDP: RFC 5036 section 3.1 (PDU header: version 1, length, identifier) and 3.5 (message types).
pub(super) fn ldp(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let len = usize::from(be16(bytes, 2)?);
    let fits = if carrier == Carrier::Datagram { len + 4 == bytes.len() } else { len >= 14 };
    let message = be16(bytes, 10)? & 0x7fff;
    let known = matches!(message, 0x0001 | 0x0100 | 0x0200 | 0x0201 | 0x0300 | 0x0301 | 0x0400..=0x0404);
    (be16(bytes, 0)? == 1 && fits && known && usize::from(be16(bytes, 12)?) + 10 <= len)
        .then(|| either(Strong))
        .flatten()
}

/// RIP: RFC 2453 section 4 (entries of 20 bytes), `RIPng`: RFC 2080 section 2.1.
pub(super) fn rip(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let header = bytes.get(..4)?;
    let entries = bytes.get(4..)?;
    let sound = matches!(header[0], 1 | 2) && matches!(header[1], 1 | 2) && header[2..4] == [0, 0];
    let sized = !entries.is_empty() && (entries.len().is_multiple_of(20) || bytes.len() >= 512);
    if !sound || !sized {
        return None;
    }
    let rip = |e: &[u8]| {
        matches!(e[..2], [0, 0 | 2] | [0xff, 0xff]) && (e[0] == 0xff || e[16..19] == [0; 3] && e[19] <= 16)
    };
    let ng = |e: &[u8]| e[18] <= 128 && matches!(e[19], 1..=16 | 255);
    let mut all = entries.chunks_exact(20);
    if all.clone().next().is_none() || !(all.clone().all(rip) || header[1] == 1 && all.all(ng)) {
        return None;
    }
    if header[0] == 1 { asks(Good) } else { answers(Good) }
}

/// HSRP: RFC 2281 section 5 (20 bytes: version 0, operation, state, times, priority, group, a reserved byte,
/// eight bytes of authentication data, the address), version 2 by its elements (interface state, group
/// state).
pub(super) fn hsrp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let first = bytes.len() == 20
        && bytes[0] == 0
        && bytes[1] <= 2
        && matches!(bytes[2], 0 | 1 | 2 | 4 | 8 | 16)
        && bytes[7] == 0;
    let advertise = bytes.len() == 16 && bytes.starts_with(&[0, 3]) && at(bytes, 2, &[0, 1, 0]);
    let groups = if bytes.starts_with(&[2, 4]) { bytes.get(6..)? } else { bytes };
    if first && at(bytes, 8, b"cisco\0\0\0") || groups.starts_with(&[1, 40, 2]) && groups.len() >= 42 {
        return either(Strong);
    }
    let secret = bytes.get(8..16).is_some_and(|word| {
        let end = word.iter().position(|b| *b == 0).unwrap_or(8);
        end > 0 && word[..end].iter().all(u8::is_ascii_graphic) && word[end..].iter().all(|b| *b == 0)
    });
    if first && secret && bytes[3] > 0 && bytes[3] < bytes[4] {
        return either(Good);
    }
    let interface = bytes.len() == 6 && bytes.starts_with(&[2, 4]);
    (advertise || interface).then(|| either(Weak)).flatten()
}

/// `NetFlow` 5 and 9 and IPFIX: Cisco's export format (24 + 48 n bytes), RFC 3954 section 5.1, RFC 7011
/// section 3.1.
pub(super) fn netflow(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (version, second) = (be16(bytes, 0)?, usize::from(be16(bytes, 2)?));
    let set = |place| {
        let (id, len) = (be16(bytes, place)?, be16(bytes, place + 2)?);
        Some((matches!(id, 0..=3 | 256..) && len >= 8 && usize::from(len) <= 1500).then_some(id))
    };
    let cut = cut(bytes);
    match version {
        5 if (1..=30).contains(&second)
            && (bytes.len() == 24 + 48 * second || cut && bytes.len() < 24 + 48 * second) =>
        {
            asks(Good)
        }
        9 if (1..=64).contains(&second) => {
            set(20)?.filter(|id| matches!(id, 0 | 1 | 256..=1023)).and_then(|_| asks(Good))
        }
        10 if second == bytes.len() || cut && second > bytes.len() => {
            set(16)?.filter(|id| matches!(id, 2 | 3 | 256..)).and_then(|_| asks(Good))
        }
        _ => None,
    }
}

/// sFlow 5: the datagram header of its specification, section 5 (version, kind of agent address).
pub(super) fn sflow(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let sound = be32(bytes, 0)? == 5 && matches!(be32(bytes, 4)?, 1 | 2);
    let samples = if *bytes.get(7)? == 1 { be32(bytes, 24)? } else { be32(bytes, 36)? };
    (sound && (1..=64).contains(&samples)).then(|| asks(Strong)).flatten()
}

/// IPMI over RMCP: ASF 2.0 section 3.2.2 (version 6, reserved, sequence 0xff, class), IPMI 2.0 section 13.6.
pub(super) fn ipmi(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let class = *bytes.get(3)?;
    let known =
        class == 7 && matches!(bytes.get(4)?, 0..=6) || class == 6 && at(bytes, 4, &[0, 0, 0x11, 0xbe]);
    (bytes.starts_with(&[6, 0, 0xff]) && known).then(|| either(Good)).flatten()
}

/// Dropbox LAN discovery: a JSON object with the host's number and a version, in any order (RFC 8259 section
/// 4).
pub(super) fn dropbox(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let json = bytes.starts_with(b"{\"");
    (json && contains(bytes, b"\"host_int\":") && contains(bytes, b"\"version\":"))
        .then(|| either(Strong))
        .flatten()
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(
        App::Ldap,
        b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0",
        b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0",
    ),
    stream(
        App::Ldap,
        b"\x30\x84\0\0\0\x10\x02\x01\x02\x63\x84\0\0\0\x07\x04\0\x0a\x01\0\x0a\x01",
        b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\0\x04\0\x04\0",
    ),
    datagram(
        App::Kerberos,
        b"\x6a\x16\x30\x14\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a\xa4\x08\x30\x06\xa0\x04\x03\x02\0\0",
        b"\x7e\x16\x30\x14\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x1e\xa4\x08\x30\x06\xa0\x04\x03\x02\0\0",
    ),
    stream(
        App::Kerberos,
        b"\0\0\0\x18\x6c\x16\x30\x14\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0c\xa4\x08\x30\x06\xa0\x04\
          \x03\x02\0\0",
        b"\0\0\0\x18\x6d\x16\x30\x14\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x0d\xa4\x08\x30\x06\xa0\x04\
          \x03\x02\0\0",
    ),
    datagram(
        App::Snmp,
        b"\x30\x18\x02\x01\x01\x04\x06public\xa0\x0b\x02\x01\x01\x02\x01\0\x02\x01\0\x30\0",
        b"\x30\x18\x02\x01\x01\x04\x06public\xa2\x0b\x02\x01\x01\x02\x01\0\x02\x01\0\x30\0",
    ),
    datagram(
        App::Snmp,
        b"\x30\x15\x02\x01\x03\x30\x10\x02\x04AAAA\x02\x02\x05\xc0\x04\x01\x04\x02\x01\x03",
        b"",
    ),
    datagram(
        App::Radius,
        b"\x01\x07\0\x23AAAAAAAAAAAAAAAA\x01\x05joe\x04\x06\x0a\0\0\x01\x05\x04\0\0",
        b"\x02\x07\0\x20AAAAAAAAAAAAAAAA\x06\x06\0\0\0\x02\x12\x06ok!!",
    ),
    stream(App::Tacacs, b"\xc0\x01\x01\0SSSS\0\0\0\x08BBBBBBBB", b"\xc0\x01\x02\0SSSS\0\0\0\x06BBBBBB"),
    stream(
        App::Diameter,
        b"\x01\0\0\x14\x80\0\x01\x01\0\0\0\0HHHHEEEE",
        b"\x01\0\0\x14\0\0\x01\x01\0\0\0\0HHHHEEEE",
    ),
    datagram(App::Syslog, b"<34>1 2003-10-11T22:14:15.003Z host su - ID47 - failed", b""),
    datagram(App::Syslog, b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", b""),
    stream(App::Syslog, b"29 <34>Oct 11 22:14:15 host su: x", b""),
    stream(
        App::Bgp,
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\x1d\x01\x04\xfd\xe8\0\
          \xb4\x0a\0\0\x01\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\x13\x04",
    ),
    datagram(App::Ldp, b"\0\x01\0\x16\x0a\0\0\x01\0\0\x01\0\0\x0c\0\0\0\x01\x04\0\0\x04\0\x0f\0\0", b""),
    datagram(
        App::Rip,
        b"\x01\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10",
        b"\x02\x02\0\0\0\x02\0\0\x0a\0\0\0\xff\0\0\0\0\0\0\0\0\0\0\x01",
    ),
    datagram(App::Hsrp, b"\0\0\x10\x03\x0a\x64\x01\0cisco\0\0\0\x0a\0\0\x01", b""),
    datagram(App::Hsrp, b"\0\0\x08\x03\x0a\x64\x01\0secret\0\0\x0a\0\0\x01", b""),
    datagram(App::Hsrp, b"\x02\x04\0\0\0\x01", b""),
    datagram(App::Netflow, b"\0\x0a\0\x1cTTTTSSSSDDDD\0\x02\0\x0c\x01\0\0\x01\0\x08\0\x04", b""),
    datagram(App::Sflow, b"\0\0\0\x05\0\0\0\x01\x0a\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x09\0\0\0\x01", b""),
    datagram(App::Ipmi, b"\x06\0\xff\x07\0\0\0\0\0\0\0\0\0\x09\x20\x18\xc8\x81\0\x38\x8e\x04\xb5", b""),
    datagram(App::Dropbox, b"{\"version\": [2, 0], \"port\": 17500, \"host_int\": 1}", b""),
    datagram(App::Dropbox, b"{\"host_int\": 1, \"version\": [2, 0], \"displayname\": \"\"}", b""),
];
