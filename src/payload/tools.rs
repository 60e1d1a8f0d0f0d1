//! Terminals, developers' and servers' protocols: Telnet, VNC, X11, ADB, SPICE, Git, Subversion, rsync, AJP,
//! FastCGI, Java, Citrix, checkmk, Ookla, ident, NBD, iSCSI, AFP.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{at, be16, be32, contains, cut, decimal, le32, line};
use super::recognise::Carrier;
use super::sign::{Role, Sign, answers, asks, either, shared};

/// Telnet: RFC 854 (commands after byte 255), RFC 855 (subnegotiation), RFC 885 (end of a binary record, as
/// terminals of RFC 1576 send); option numbers are those IANA lists.
pub(super) fn telnet(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (mut place, mut count) = (0, 0_usize);
    let (mut server, mut closed) = (false, false);
    while let [0xff, command, rest @ ..] = &bytes[place..] {
        match (command, rest.first()) {
            (251..=254, Some(option)) if *option <= 49 || matches!(option, 138..=140 | 255) => {
                server |= *command == 251 && matches!(option, 1 | 3)
                    || *command == 253 && matches!(option, 24 | 31);
                place += 3;
            }
            (250, Some(0..=49)) => match rest.windows(2).position(|pair| pair == [0xff, 0xf0]) {
                Some(end) => (place, closed) = (place + 2 + end + 2, true),
                None => {
                    place = bytes.len(); // cut inside a subnegotiation
                    count += 1;
                    break;
                }
            },
            (241..=249, _) => place += 2,
            _ => return None,
        }
        count += 1;
    }
    let tail = &bytes[place..];
    let text = tail.iter().all(|b| matches!(b, 0 | 7..=13 | 27 | 0x20..=0x7e | 0xff));
    let says = |strength| if server { answers(strength) } else { either(strength) };
    match count {
        0 => None,
        3.. => says(Strong), // what follows is a session, with commands of its own
        2 if tail.ends_with(&[0xff, 0xef]) => says(Good),
        _ if !text => None,
        1 if closed => says(Good),
        1 if bytes[1] < 251 => shared(Role::Either), // a lone interrupt, or a subnegotiation without its end
        1 if tail.len() < 4 => says(Weak),
        _ => says(Good),
    }
}

/// VNC: RFC 6143 section 7.1.1 (protocol version).
pub(super) fn vnc(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let version = bytes.get(4..11)?;
    let digits = decimal(&version[..3]).is_some() && version[3] == b'.' && decimal(&version[4..]).is_some();
    (bytes.starts_with(b"RFB ") && digits).then(|| either(Strong)).flatten()
}

/// X11: X Window System Protocol, appendix B "Connection Setup" (byte order, version 11.0; the server repeats
/// the version).
pub(super) fn x11(bytes: &[u8], _: Carrier) -> Option<Sign> {
    match bytes {
        [b'l', 0, 11, 0, 0, 0, ..] | [b'B', 0, 0, 11, 0, 0, ..] if bytes.len() >= 12 => asks(Strong),
        [state, reason, 11, 0, 0, 0, low, high, ..] | [state, reason, 0, 11, 0, 0, high, low, ..] => {
            // Success is followed by at least the fixed part of the setup, a failure by its padded reason.
            let units = u16::from_be_bytes([*high, *low]);
            let sound = match state {
                0 => *reason > 0 && units == u16::from(*reason).div_ceil(4),
                1 => units >= 8,
                2 => (1..256).contains(&units),
                _ => false,
            };
            sound.then(|| answers(Good)).flatten()
        }
        _ => None,
    }
}

/// Android Debug Bridge: `protocol.txt` (command, two arguments, length, sum, and the command inverted).
pub(super) fn adb(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let known = matches!(bytes.get(..4)?, b"CNXN" | b"AUTH" | b"STLS" | b"OPEN" | b"SYNC");
    (known && le32(bytes, 20)? == !le32(bytes, 0)?).then(|| either(Strong)).flatten()
}

/// SPICE: link message magic; NBD: handshake magic; both of their protocol documents.
pub(super) fn spice(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let size = le32(bytes, 12)?;
    (bytes.starts_with(b"REDQ") && le32(bytes, 4)? <= 3 && size < 65_536).then(|| either(Strong)).flatten()
}

/// Network block device: `proto.md`, "Negotiation".
pub(super) fn nbd(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"NBDMAGIC") {
        return answers(Strong);
    }
    contains(bytes.get(..16)?, b"IHAVEOPT").then(|| asks(Strong)).flatten()
}

/// Git: `gitprotocol-pack` ("git:// Transport": a counted line with the service; then counted references).
pub(super) fn git(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let counted = bytes.get(..4)?.iter().all(u8::is_ascii_hexdigit);
    let text = &bytes[4..];
    if counted && (text.starts_with(b"git-upload-pack ") || text.starts_with(b"git-receive-pack ")) {
        return asks(Strong);
    }
    let hash = text.get(..41).is_some_and(|h| h[40] == b' ' && h[..40].iter().all(u8::is_ascii_hexdigit));
    (counted && (hash || text.starts_with(b"version 2") || text.starts_with(b"ERR ")))
        .then(|| answers(Strong))
        .flatten()
}

/// Subversion: `libsvn_ra_svn/protocol` section 2.2 (greeting and response).
pub(super) fn svn(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"( success ( ") {
        return answers(Strong);
    }
    let client = bytes.starts_with(b"( 2 ( ") || bytes.starts_with(b"( 1 ( ");
    (client && contains(bytes, b"svn")).then(|| asks(Strong)).flatten()
}

/// rsync daemon: greeting of `clientserver.c`.
pub(super) fn rsync(bytes: &[u8], _: Carrier) -> Option<Sign> {
    (bytes.starts_with(b"@RSYNCD: ") && bytes.get(9)?.is_ascii_digit()).then(|| either(Strong)).flatten()
}

/// AJP 1.3: Tomcat's "AJPv13" (packet headers; forward request, ping; send headers, body chunk, end, pong).
pub(super) fn ajp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::from(be16(bytes, 2)?);
    let kind = *bytes.get(4)?;
    let fits = (1..=8192).contains(&len) && (len + 4 <= bytes.len() || cut(bytes));
    match bytes[..2] {
        [0x12, 0x34] if fits && kind == 2 && matches!(bytes.get(5)?, 1..=27 | 255) => asks(Strong),
        [0x12, 0x34] if fits && len == 1 && matches!(kind, 7 | 10) => asks(Strong),
        [b'A', b'B'] if fits && kind == 9 && len == 1 => answers(Strong),
        [b'A', b'B'] if fits && matches!((kind, len), (5, 2) | (6, 3)) => answers(Good),
        [b'A', b'B'] if fits && matches!(kind, 3 | 4) => answers(Good),
        _ => None,
    }
}

/// `FastCGI`: specification section 3.3 (records) and 5.1 (begin request).
pub(super) fn fastcgi(bytes: &[u8], _: Carrier) -> Option<Sign> {
    match bytes {
        [1, 1, _, _, 0, 8, _, 0, 0, 1..=3, ..] => asks(Strong),
        [1, 6 | 7, _, id, _, _, _, 0, text, ..] if *id != 0 && text.is_ascii_graphic() => {
            let header =
                contains(bytes, b"Status:") || contains(bytes, b"Content-") || contains(bytes, b"X-Powered");
            answers(if header { Strong } else { Weak })
        }
        [1, 9 | 10, 0, 0, ..] if bytes.len() >= 8 => either(Weak),
        _ => None,
    }
}

/// Java: debug wire protocol handshake; RMI transport header (JRMP) and its acknowledgement.
pub(super) fn jdwp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    bytes.starts_with(b"JDWP-Handshake").then(|| either(Strong)).flatten()
}

/// Java RMI: specification section 10.2 (header `JRMI`, version, protocol; the acknowledgement names the
/// client).
pub(super) fn rmi(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"JRMI\0") && matches!(bytes.get(5..7)?, [1 | 2, 0x4b..=0x4d]) {
        return asks(Strong);
    }
    let len = usize::from(be16(bytes, 1)?);
    let named = bytes
        .get(3..3 + len)
        .is_some_and(|h| h.iter().all(|b| b.is_ascii_alphanumeric() || b".-:%".contains(b)));
    let whole = bytes[0] == 0x4e && (2..=64).contains(&len) && named && at(bytes, 3 + len, &[0, 0]);
    whole.then(|| answers(Good)).flatten()
}

/// Citrix ICA and CGP: their opening words.
pub(super) fn citrix(bytes: &[u8], _: Carrier) -> Option<Sign> {
    (bytes.starts_with(b"\x7f\x7fICA\0") || bytes.starts_with(b"\x1aCGP/01"))
        .then(|| either(Strong))
        .flatten()
}

/// checkmk agent: the first section header.
pub(super) fn checkmk(bytes: &[u8], _: Carrier) -> Option<Sign> {
    bytes.starts_with(b"<<<check_mk").then(|| answers(Strong)).flatten()
}

/// Ookla's speed test: `HI` is greeted with `HELLO`, a version and a date.
pub(super) fn ookla(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (first, ended) = line(bytes);
    if first == b"HI" && ended {
        return shared(Role::Asks);
    }
    let version = first.strip_prefix(b"HELLO ")?;
    let dotted =
        version.first()?.is_ascii_digit() && version.get(1) == Some(&b'.') && contains(version, b"-");
    (dotted && ended).then(|| answers(Good)).flatten()
}

/// ident: RFC 1413 section 4 (two port numbers; the answer repeats them).
pub(super) fn ident(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if !bytes.iter().take(16).any(|b| *b == b',') {
        return None; // quick to say no to the many texts that begin with a digit
    }
    let (first, ended) = line(bytes);
    let mut fields = first.split(|b| *b == b':');
    let mut pair = fields.next()?.split(|b| *b == b',');
    let number = |text: &[u8]| decimal(text.trim_ascii()).is_some_and(|n| (1..=65_535).contains(&n));
    let two = pair.next().is_some_and(number) && pair.next().is_some_and(number) && pair.next().is_none();
    if !two || !ended {
        return None;
    }
    match fields.next().map(<[u8]>::trim_ascii) {
        Some(b"USERID" | b"ERROR") => answers(Strong),
        None => shared(Role::Asks),
        _ => None,
    }
}

/// iSCSI: RFC 7143 section 11.12 (login request) and 11.13 (login response), with their text keys.
pub(super) fn iscsi(bytes: &[u8], _: Carrier) -> Option<Sign> {
    match bytes.first()? {
        0x43 | 0x03 if contains(bytes.get(48..)?, b"InitiatorName=") => asks(Strong),
        0x23 if contains(bytes.get(48..)?, b"TargetPortalGroupTag=") => answers(Strong),
        _ => None,
    }
}

/// AFP over DSI: Apple's "Data Stream Interface" header (flags, command, request, error, length, reserved).
pub(super) fn afp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let sound = matches!(bytes.get(1)?, 3 | 4)
        && at(bytes, 12, &[0; 4])
        && usize::try_from(be32(bytes, 8)?).ok()? + 16 == bytes.len();
    match bytes[0] {
        0 if sound && be32(bytes, 4)? == 0 => asks(Good),
        1 if sound && be32(bytes, 4)? == 0 => answers(Good),
        _ => None,
    }
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(
        App::Telnet,
        b"\xff\xfb\x18\xff\xfb\x1f\xff\xfb\x20",
        b"\xff\xfd\x18\xff\xfd\x20\xff\xfb\x01login: ",
    ),
    stream(App::Telnet, b"\xff\xfa\x18\0XTERM\xff\xf0", b"\xff\xfa\x18\x01\xff\xf0\r\nlogin: "),
    stream(App::Telnet, b"\xff\xfb\0\xff\xfd\0\x11\xc2\0\x05\xff\xef", b""),
    stream(App::Vnc, b"RFB 003.008\n", b"RFB 003.008\n"),
    stream(App::X11, b"l\0\x0b\0\0\0\x12\0\x10\0\0\0", b"\x01\0\x0b\0\0\0\x34\0"),
    stream(
        App::Adb,
        b"CNXN\x01\0\0\x01\0\0\x10\0\x07\0\0\0\x32\x02\0\0\xbc\xb1\xa7\xb1host::\0",
        b"AUTH\x01\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0\xbe\xaa\xab\xb7",
    ),
    stream(App::Spice, b"REDQ\x02\0\0\0\x02\0\0\0\x1a\0\0\0", b"REDQ\x02\0\0\0\x02\0\0\0\xba\0\0\0"),
    stream(App::Nbd, b"\0\0\0\x03IHAVEOPT\0\0\0\x01", b"NBDMAGICIHAVEOPT\0\x03"),
    stream(
        App::Git,
        b"0033git-upload-pack /p.git\0host=a.example\0",
        b"004895dcfa3633004da0049d3d0fa03f80589cbcaf31 HEAD\0ofs-delta",
    ),
    stream(
        App::Svn,
        b"( 2 ( edit-pipeline svndiff1 ) 16:svn://a.example/ )",
        b"( success ( 2 2 ( ) ( edit-pipeline ) ) )",
    ),
    stream(App::Rsync, b"@RSYNCD: 31.0\n", b"@RSYNCD: 31.0\n"),
    stream(App::Ajp, b"\x12\x34\0\x01\x0a", b"AB\0\x01\x09"),
    stream(
        App::Fastcgi,
        b"\x01\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0",
        b"\x01\x06\0\x01\0\x10\0\0Status: 200 OK\r\n",
    ),
    stream(App::Jdwp, b"JDWP-Handshake", b"JDWP-Handshake"),
    stream(App::Rmi, b"JRMI\0\x02K", b"\x4e\0\x0810.0.0.1\0\0\x12\x34"),
    stream(App::Citrix, b"\x7f\x7fICA\0", b"\x7f\x7fICA\0"),
    stream(App::Checkmk, b"", b"<<<check_mk>>>\nVersion: 2.0\n"),
    stream(App::Ookla, b"HI\n", b"HELLO 2.4 2016-10-06.1324.996ab91\n"),
    stream(App::Ident, b"6193, 23\r\n", b"6193, 23 : USERID : UNIX : joe\r\n"),
    stream(App::Iscsi, &iscsi_sample(), b""),
    stream(
        App::Afp,
        b"\0\x04\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\x01\x04",
        b"\x01\x04\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\x01\x04",
    ),
];

#[cfg(test)]
const fn iscsi_sample() -> [u8; 64] {
    let mut packet = [0; 64];
    packet[0] = 0x43;
    let name = b"InitiatorName=a";
    let mut at = 0;
    while at < name.len() {
        packet[48 + at] = name[at];
        at += 1;
    }
    packet
}
