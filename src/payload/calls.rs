//! Remote procedure calls and file sharing: SMB, DCE/RPC, ONC RPC with its portmapper and NFS, and the TPKT
//! family.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{at, be16, be32, contains, cut, le16};
use super::recognise::Carrier;
use super::sign::{Sign, answers, asks, either};

/// SMB 1 to 3 behind its NetBIOS or direct TCP header: [MS-SMB] 2.1, [MS-SMB2] 2.1 and 2.2.1; encrypted
/// 2.2.41, compressed 2.2.42. The header may follow a NetBIOS session request (72 bytes) or its four-byte
/// answer.
pub(super) fn smb(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let start = match bytes {
        [0x81, 0, 0, 0x44, ..] => 72,
        [0x82, 0, 0, 0, ..] => 4,
        _ => 0,
    };
    let message = bytes.get(start..)?;
    if *message.first()? != 0 || message.get(5..8)? != b"SMB" {
        return None;
    }
    let reply = match message[4] {
        0xff => message.get(13).map(|flags| flags & 0x80 != 0),
        0xfe => message.get(20).map(|flags| flags & 1 != 0),
        0xfc | 0xfd => None,
        _ => return None,
    };
    match reply {
        Some(true) => answers(Strong),
        Some(false) => asks(Strong),
        None => either(Strong),
    }
}

/// DCE/RPC: C706 chapter 12 (version 5 over a stream: 12.6.3, version 4 in datagrams: 12.6.2 with its 80-byte
/// header), [MS-RPCH] section 2.1.2.1 for the greeting of RPC over HTTP version 1.
pub(super) fn dcerpc(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    match bytes.first()? {
        5 if carrier == Carrier::Stream => dcerpc_stream(bytes),
        4 if carrier == Carrier::Datagram => dcerpc_datagram(bytes),
        b'n' if bytes.starts_with(b"ncacn_http/1.0") => answers(Strong),
        _ => None,
    }
}

fn dcerpc_stream(bytes: &[u8]) -> Option<Sign> {
    let header = bytes.get(..16)?;
    let order = matches!(header[4..8], [0x00 | 0x01 | 0x10 | 0x11, 0..=3, 0, 0]);
    let number = |at| if header[4] & 0x10 != 0 { le16(header, at) } else { be16(header, at) };
    let (whole, auth) = (number(8)?, number(10)?);
    if header[1] > 1 || !order || whole < 16 || auth >= whole {
        return None;
    }
    match header[2] {
        0 | 11 | 14 | 16 | 18 | 19 => asks(Strong),
        2 | 3 | 12 | 13 | 15 | 17 => answers(Strong),
        _ => None,
    }
}

fn dcerpc_datagram(bytes: &[u8]) -> Option<Sign> {
    let header = bytes.get(..80)?;
    let order = matches!(header[4..7], [0x00 | 0x01 | 0x10 | 0x11, 0..=3, 0]);
    let body = usize::from(if header[4] & 0x10 != 0 { le16(header, 74)? } else { be16(header, 74)? });
    let fits = body + 80 == bytes.len() || body + 80 > bytes.len() && cut(bytes);
    if !order || !fits || header[2] & 0x80 != 0 {
        return None;
    }
    match header[1] {
        0 | 1 | 7 | 8 => asks(Strong),
        2..=6 | 9 | 10 => answers(Strong),
        _ => None,
    }
}

/// ONC RPC calls to programs without a name of their own here, and all replies: RFC 5531 section 9.
pub(super) fn sunrpc(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let message = rpc_message(bytes, carrier)?;
    if be32(message, 0)? == 0 {
        return None; // a transaction number of nought is possible, but mostly it is nothing but zeros
    }
    match be32(message, 4)? {
        0 => (!matches!(rpc_program(message)?, PORTMAP | NFS)).then(|| asks(Strong)).flatten(),
        1 => {
            let accepted = be32(message, 8)? == 0;
            let sound = if accepted {
                matches!(be32(message, 12)?, 0..=7) && be32(message, 16)? <= 400 && {
                    let verifier = usize::try_from(be32(message, 16)?).ok()?.next_multiple_of(4);
                    be32(message, 20 + verifier)? <= 5
                }
            } else {
                be32(message, 8)? == 1 && be32(message, 12)? <= 1
            };
            sound.then(|| answers(Strong)).flatten()
        }
        _ => None,
    }
}

/// The portmapper, program 100000: RFC 1833 section 3.
pub(super) fn portmap(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    (rpc_program(rpc_message(bytes, carrier)?)? == PORTMAP).then(|| asks(Strong)).flatten()
}

/// NFS, program 100003: RFC 1813 section 2.
pub(super) fn nfs(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    (rpc_program(rpc_message(bytes, carrier)?)? == NFS).then(|| asks(Strong)).flatten()
}

const PORTMAP: u32 = 100_000;
const NFS: u32 = 100_003;

/// The message, without the record mark that streams put before it (RFC 5531 section 11).
pub(super) fn rpc_message(bytes: &[u8], carrier: Carrier) -> Option<&[u8]> {
    match carrier {
        Carrier::Datagram => Some(bytes),
        Carrier::Stream => {
            let mark = be32(bytes, 0)?;
            (mark & 0x7fff_ffff >= 20 && mark & 0x7f00_0000 == 0).then(|| &bytes[4..])
        }
    }
}

/// The program a call is for, when it is a sound call: RPC version 2, known credentials, small numbers.
fn rpc_program(message: &[u8]) -> Option<u32> {
    let call = be32(message, 4)? == 0 && be32(message, 8)? == 2;
    let small = be32(message, 16)? <= 20 && be32(message, 20)? <= 255;
    let flavour = be32(message, 24)?;
    let credentials = (flavour <= 7 || (300_000..400_000).contains(&flavour)) && be32(message, 28)? <= 400;
    let program = be32(message, 12)?;
    (call && small && credentials && program != 0).then_some(program)
}

/// What stands inside a TPKT (RFC 1006 section 6).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tpkt<'a> {
    /// X.224 connection request (class and references skipped): its variable part.
    Request(&'a [u8]),
    /// X.224 connection confirm: its variable part.
    Confirm(&'a [u8]),
    /// X.224 data: what it carries.
    Data(&'a [u8]),
    /// Something else, directly inside (H.225).
    Other(&'a [u8]),
}

/// The TPKTs of a head, in turn.
fn tpkts(bytes: &[u8]) -> impl Iterator<Item = Tpkt<'_>> {
    let mut left = bytes;
    std::iter::from_fn(move || {
        let len = usize::from(be16(left, 2)?);
        if left[..2] != [3, 0] || !(7..=16_384).contains(&len) {
            return None;
        }
        let body = left.get(4..len).unwrap_or(&left[4..]);
        left = left.get(len..).unwrap_or_default();
        let header = usize::from(*body.first()?);
        Some(match (header, *body.get(1)? & 0xf0) {
            (6.., 0xe0) if header + 5 == len && header < 255 => Tpkt::Request(body.get(7..)?),
            (6.., 0xd0) if header + 5 == len && header < 255 => Tpkt::Confirm(body.get(7..)?),
            (2, 0xf0) => Tpkt::Data(body.get(3..)?),
            _ => Tpkt::Other(body),
        })
    })
}

/// ISO transport over TCP: RFC 1006, X.224 section 13. The family of RDP, S7 and MMS before they say which
/// they are.
pub(super) fn tpkt(bytes: &[u8], _: Carrier) -> Option<Sign> {
    match tpkts(bytes).next()? {
        Tpkt::Request(_) => asks(Good),
        Tpkt::Confirm(_) => answers(Good),
        Tpkt::Data(_) if tpkts_fill(bytes) => either(Good), // met in the middle of the conversation
        Tpkt::Data(_) | Tpkt::Other(_) => None,
    }
}

/// True when one TPKT follows the other to the very end, or to where the head was cut.
fn tpkts_fill(bytes: &[u8]) -> bool {
    let mut end = 0;
    while let (true, Some(len @ 7..)) = (at(bytes, end, &[3, 0]), be16(bytes, end + 2)) {
        end += usize::from(len);
    }
    end == bytes.len() || end > bytes.len() && cut(bytes)
}

/// Remote Desktop: [MS-RDPBCGR] sections 2.2.1.1 (request: routing cookie, negotiation) and 2.2.1.2
/// (confirm).
pub(super) fn rdp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let negotiation = |rest: &[u8], kinds: [u8; 2]| {
        rest.len() >= 8
            && rest.get(rest.len() - 8..).is_some_and(|n| kinds.contains(&n[0]) && n[2..4] == [8, 0])
            || rest.len() >= 8 && kinds.contains(&rest[0]) && rest[2..4] == [8, 0]
    };
    match tpkts(bytes).next()? {
        Tpkt::Request(rest) if rest.starts_with(b"Cookie: ") || rest.starts_with(b"tsv://") => asks(Strong),
        Tpkt::Request(rest) if negotiation(rest, [1, 1]) => asks(Strong),
        Tpkt::Confirm(rest) if negotiation(rest, [2, 3]) => answers(Strong),
        _ => None,
    }
}

/// Siemens S7: its COTP parameters name two-byte TSAPs (RFC 1006 section 6.1 with X.224 13.3.4); data begin
/// with 0x32.
pub(super) fn s7comm(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let mut sign = None;
    for part in tpkts(bytes).take(3) {
        match part {
            Tpkt::Data([0x32, 1 | 7, ..]) => return asks(Strong),
            Tpkt::Data([0x32, 2 | 3, ..]) => return answers(Strong),
            Tpkt::Request(rest) if s7_tsaps(rest) => sign = asks(Strong),
            Tpkt::Confirm(rest) if s7_tsaps(rest) => sign = answers(Strong),
            _ => {}
        }
    }
    sign
}

/// Calling and called TSAP of two bytes each, the connection types 1 to 3 (PG, OP, basic) in the first.
fn s7_tsaps(parameters: &[u8]) -> bool {
    let tsap =
        |tag: u8| parameters.windows(4).any(|p| p[0] == tag && p[1] == 2 && matches!(p[2], 1..=3 | 0x10));
    tsap(0xc1) && tsap(0xc2) && contains(parameters, &[0xc0, 1])
}

/// H.323: H.225.0 section 7 over streams (Q.931 messages, protocol discriminator 8, in a TPKT), annex H in
/// datagrams (registration messages whose protocol identifier is 0.0.8.2250.0 and a version).
pub(super) fn h323(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    if carrier == Carrier::Datagram {
        return ras(bytes);
    }
    match tpkts(bytes).next()? {
        Tpkt::Other([8, 2, _, _, 5, ..]) => asks(Strong),
        Tpkt::Other([8, 2, _, _, 1 | 2 | 3 | 7, ..]) => answers(Strong),
        Tpkt::Other([8, 2, _, _, 0x5a | 0x62 | 0x7d, ..]) => either(Strong),
        _ => None,
    }
}

/// A request, confirmation or rejection of a gatekeeper or a registration: the choice, then (behind the
/// sequence number) the identifier, in packed encoding.
fn ras(bytes: &[u8]) -> Option<Sign> {
    const IDENTIFIER: [u8; 6] = [6, 0, 8, 0x91, 0x4a, 0];
    let identified = (3..=10).any(|place| at(bytes, place, &IDENTIFIER));
    match bytes[0] >> 2 {
        0 | 3 if identified => asks(Strong),
        1 | 2 | 4 | 5 if identified => answers(Strong),
        _ => None,
    }
}

/// Microsoft SQL Server: [MS-TDS] section 2.2.3.1 (packet header), 2.2.6.5 (pre-login), 2.2.6.4 (login).
pub(super) fn tds(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::from(be16(bytes, 2)?);
    let whole = len == bytes.len() || len > bytes.len() && cut(bytes) || len < bytes.len() && len >= 9;
    let header = bytes[1] & !0x19 == 0 && bytes[1] & 1 == 1 && *bytes.get(7)? == 0 && len >= 9 && whole;
    if !header {
        return None;
    }
    let token = *bytes.get(8)?;
    match bytes[0] {
        0x12 if token == 0 && at(bytes, 9, &[0]) => asks(Strong),
        0x12 if token == 0x16 && at(bytes, 9, &[3]) => either(Strong),
        0x10 if at(bytes, 10, &[0, 0]) && matches!(bytes.get(15)?, 0x70..=0x74) => asks(Strong),
        4 if token == 0 && at(bytes, 9, &[0]) => answers(Strong),
        4 if matches!(token, 0xaa | 0xab | 0xad | 0xe3 | 0xed) && len == bytes.len() => answers(Good),
        1 if len == bytes.len() && at(bytes, 8, &[0x16, 0, 0, 0]) => asks(Good),
        _ => None,
    }
}

/// SQL Server Browser: [MC-SQLR] section 2.2.
pub(super) fn sql_browser(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let answer = bytes.first() == Some(&5) && bytes.get(3..14) == Some(b"ServerName;");
    answer.then(|| answers(Strong)).flatten()
}

/// Lotus Notes RPC: the opening that nmap's `NotesRPC` probe sends and nDPI looks for at the seventh byte.
pub(super) fn notes_rpc(bytes: &[u8], _: Carrier) -> Option<Sign> {
    at(bytes, 6, &[0, 0, 2, 0, 0, 0x40, 2, 0x0f]).then(|| either(Strong)).flatten()
}

/// `Radmin` 3: frames of a one, a length, a sum, and a body. nmap's `radmin` probe (`01 00000001 00000008
/// 08`) is the shortest one; the sum is that of the body's little-endian words, here and in every answer.
pub(super) fn radmin(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (len, sum) = (usize::try_from(be32(bytes, 1)?).ok()?, be32(bytes, 5)?);
    let body = bytes.get(9..).filter(|_| bytes[0] == 1 && (1..=4096).contains(&len))?.get(..len)?;
    let word = |part: &[u8]| part.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    let total = body.chunks(4).map(word).fold(0_u32, u32::wrapping_add);
    if total != sum || total == 0 {
        return None;
    }
    if body == [8] { asks(Strong) } else { either(if len > 1 { Good } else { Weak }) }
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(
        App::Smb,
        b"\0\0\0\x2f\xffSMB\x72\0\0\0\0\x18\x53\xc8\0\0\0\0\0\0\0\0\0\0\0\0\xff\xfe\0\0\0\0\0\x0c\0\
          \x02NT LM 0.12\0",
        b"\0\0\0\x40\xfeSMB\x40\0\0\0\0\0\0\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0",
    ),
    stream(App::Smb, b"\0\0\0\x40\xfeSMB\x40\0\x01\0\0\0\0\0\0\0\x1f\0\0\0\0\0\0\0", b""),
    stream(
        App::Dcerpc,
        b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\xd0\x16\xd0\x16\0\0\0\0\x01\0\0\0",
        b"\x05\0\x0c\x03\x10\0\0\0\x3c\0\0\0\x01\0\0\0\xd0\x16\xd0\x16\x01\0\0\0\x04\x00135\0",
    ),
    datagram(App::Dcerpc, &dcerpc_sample(0), &dcerpc_sample(2)),
    datagram(
        App::Portmap,
        b"Xid1\0\0\0\0\0\0\0\x02\0\x01\x86\xa0\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"Xid1\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\x01",
    ),
    stream(
        App::Nfs,
        b"\x80\0\0\x28Xid1\0\0\0\0\0\0\0\x02\0\x01\x86\xa3\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x80\0\0\x18Xid1\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ),
    datagram(
        App::Sunrpc,
        b"Xid1\0\0\0\0\0\0\0\x02\0\x01\x86\xa5\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"Xid1\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ),
    stream(
        App::Rdp,
        b"\x03\0\0\x29\x24\xe0\0\0\0\0\0Cookie: mstshash=joe\r\n\x01\0\x08\0\x03\0\0\0",
        b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0",
    ),
    stream(App::Tpkt, b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0", b"\x03\0\0\x0b\x06\xd0\0\0\x12\x34\0"),
    stream(App::Tpkt, b"\x03\0\0\x09\x02\xf0\x80\xa0\0", b"\x03\0\0\x09\x02\xf0\x80\xa1\0"),
    stream(
        App::S7comm,
        b"\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc0\x01\x0a\xc1\x02\x01\0\xc2\x02\x01\x02",
        b"\x03\0\0\x16\x11\xd0\0\x01\0\x02\0\xc0\x01\x0a\xc1\x02\x01\0\xc2\x02\x01\x02",
    ),
    stream(
        App::S7comm,
        b"\x03\0\0\x19\x02\xf0\x80\x32\x01\0\0\0\0\0\x08\0\0\xf0\0\0\x01\0\x01\x01\xe0",
        b"\x03\0\0\x1b\x02\xf0\x80\x32\x03\0\0\0\0\0\x08\0\0\0\0\xf0\0\0\x01\0\x01\0\xf0",
    ),
    stream(App::H323, b"\x03\0\0\x0a\x08\x02\x12\x34\x05\x04", b"\x03\0\0\x0a\x08\x02\x92\x34\x07\x04"),
    datagram(
        App::H323,
        b"\x0e\0\0\x01\x06\0\x08\x91\x4a\0\x04\0\0\0",
        b"\x12\0\0\x01\x06\0\x08\x91\x4a\0\x04\0",
    ),
    stream(
        App::Tds,
        b"\x12\x01\0\x1a\0\0\0\0\0\0\x0b\0\x06\xff\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x04\x01\0\x1a\0\0\x01\0\0\0\x0b\0\x06\xff\0\0\0\0\0\0\0\0\0\0\0\0",
    ),
    datagram(App::SqlBrowser, b"", b"\x05\x1a\0ServerName;A;InstanceName;B;;"),
    stream(
        App::NotesRpc,
        b"\x3a\0\0\0\x2f\0\0\0\x02\0\0\x40\x02\x0f\0\x01\0\x3d\x05\0\0\0\0",
        b"\x3a\0\0\0\x2f\0\0\0\x02\0\0\x40\x02\x0f\0\x05\0\x3d\x05\0\0\0\0",
    ),
    stream(App::Radmin, b"\x01\0\0\0\x01\0\0\0\x08\x08", b""),
];

#[cfg(test)]
const fn dcerpc_sample(kind: u8) -> [u8; 84] {
    let mut packet = [0x20; 84];
    let head = [4, kind, 0x20, 0, 0x10, 0, 0, 0];
    let mut at = 0;
    while at < head.len() {
        packet[at] = head[at];
        at += 1;
    }
    packet[74] = 4;
    packet[75] = 0;
    packet
}
