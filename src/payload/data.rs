//! Databases and message brokers: MySQL, PostgreSQL, Oracle, MongoDB, Redis, memcached, Cassandra,
//! Elasticsearch, AMQP, MQTT, Kafka, NATS, STOMP, ZMTP, Zabbix, Gearman.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{at, be16, be32, contains, cut, decimal, is_text, le24, le32, line, word};
use super::recognise::Carrier;
use super::sign::{Role, Sign, answers, asks, either, shared};

/// MySQL: client/server protocol, "Protocol::HandshakeV10", "Protocol::HandshakeResponse41", "ERR_Packet".
pub(super) fn mysql(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::try_from(le24(bytes, 0)?).ok()?;
    let fits = len + 4 == bytes.len() || len + 4 > bytes.len() && cut(bytes) || len + 4 < bytes.len();
    match (*bytes.get(3)?, *bytes.get(4)?) {
        (0, 10) if fits && len > 30 => {
            let version = bytes[5..].split(|b| *b == 0).next()?;
            let dotted = version.first()?.is_ascii_digit() && version.contains(&b'.') && is_text(version);
            (dotted && version.len() < 64).then(|| answers(Strong)).flatten()
        }
        (0, 0xff) if fits && len > 8 => is_text(bytes.get(7..4 + len)?).then(|| answers(Good)).flatten(),
        (1, _) if fits && len >= 32 && at(bytes, 13, &[0; 19]) && bytes.get(5)? & 2 != 0 => asks(Strong),
        _ => None,
    }
}

/// PostgreSQL: frontend/backend protocol, "Message Formats" (startup, `SSLRequest`, `CancelRequest`,
/// authentication, error).
pub(super) fn pgsql(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if matches!(bytes, b"S" | b"N") {
        return shared(Role::Answers); // the answer to SSLRequest
    }
    let len = usize::try_from(be32(bytes, 0)?).ok()?;
    let startup = |first: &u8| first.is_ascii_lowercase() || *first == 0; // a parameter, or the end of none
    match be32(bytes, 4) {
        Some(0x0003_0000 | 0x0003_0002)
            if (9..=10_000).contains(&len)
                && bytes.get(8).is_some_and(startup)
                && (bytes[8] != 0 || len == 9) =>
        {
            return asks(Strong);
        }
        Some(80_877_103 | 80_877_104) if len == 8 => return asks(Strong),
        Some(80_877_102) if len == 16 => return asks(Strong),
        _ => {}
    }
    let len = be32(bytes, 1)?;
    match bytes[0] {
        b'R' if (8..=512).contains(&len) && be32(bytes, 5)? <= 12 => answers(Good),
        b'E' if at(bytes, 5, b"SERROR\0") || at(bytes, 5, b"SFATAL\0") => answers(Strong),
        _ => None,
    }
}

/// Oracle TNS: packet header (length, checksum 0, type) and the connect descriptor; a resend is always the
/// same 8 bytes.
pub(super) fn oracle(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::from(be16(bytes, 0)?);
    if !at(bytes, 2, &[0, 0]) || !at(bytes, 6, &[0, 0]) || len > bytes.len() && bytes.len() < 256 {
        return None;
    }
    match *bytes.get(4)? {
        1 if (0x012c..=0x0140).contains(&be16(bytes, 8)?) && contains(bytes, b"(") => asks(Strong),
        2 if (0x012c..=0x0140).contains(&be16(bytes, 8)?) && len >= 24 => answers(Good),
        4 | 5 if contains(bytes, b"(DESCRIPTION=") || contains(bytes, b"(ADDRESS=") => answers(Strong),
        11 if len == 8 => answers(Good),
        _ => None,
    }
}

/// MongoDB: wire protocol, "Standard Message Header" (length, request, response to, operation; all
/// little-endian).
pub(super) fn mongodb(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::try_from(le32(bytes, 0)?).ok()?;
    let fits = (16..=48_000_000).contains(&len) && (len <= bytes.len() || bytes.len() >= 64);
    if !fits {
        return None;
    }
    match le32(bytes, 12)? {
        // A reply's documents come next; the shortest is five bytes long.
        1 => answers(Strong).filter(|_| len >= 36 && le32(bytes, 36).is_none_or(|size| size >= 5)),
        2001 | 2002 | 2004..=2007 | 2010 => asks(Strong),
        2012 | 2013 if le32(bytes, 8)? == 0 => asks(Strong),
        2011..=2013 => answers(Strong),
        _ => None,
    }
}

/// Redis: RESP, "RESP protocol description"; inline commands are shared words.
pub(super) fn redis(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (first, ended) = line(bytes);
    let crlf = ended && bytes.get(first.len()) == Some(&b'\r');
    if !crlf {
        return None;
    }
    let next = &bytes[first.len() + 2..];
    match first.first()? {
        b'*' if decimal(&first[1..]).is_some_and(|n| n <= 100_000) => match next {
            [b'$', digit, ..] if digit.is_ascii_digit() => either(Strong),
            [b'*' | b'+' | b':', ..] => answers(Good),
            [] => either(Weak),
            _ => None,
        },
        b'+' if first == b"+PONG" => answers(Good),
        b'+' if first == b"+OK" => answers(Weak),
        b'-' => {
            let known: [&[u8]; 6] = [
                b"-NOAUTH ",
                b"-ERR unknown command",
                b"-WRONGPASS ",
                b"-DENIED Redis",
                b"-WRONGTYPE ",
                b"-ERR wrong number",
            ];
            known.iter().any(|k| first.starts_with(k)).then(|| answers(Strong)).flatten()
        }
        b'$' if first == b"$-1" || decimal(&first[1..]).is_some_and(|n| n < 512 && !next.is_empty()) => {
            answers(Weak)
        }
        _ if first.eq_ignore_ascii_case(b"PING") || first.eq_ignore_ascii_case(b"INFO") => shared(Role::Asks),
        _ => None,
    }
}

/// memcached: `protocol.txt` (commands and replies), `BinaryProtocolRevamped` (24-byte header), UDP frame
/// header.
pub(super) fn memcached(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let bytes = match carrier {
        Carrier::Datagram => {
            bytes.get(8..).filter(|_| at(bytes, 4, &[0, 1, 0, 0]) && at(bytes, 2, &[0, 0]))?
        }
        Carrier::Stream => bytes,
    };
    if let (0x80 | 0x81, Some(opcode @ 0..=0x48)) = (*bytes.first()?, bytes.get(1)) {
        let (key, extras, body) = (be16(bytes, 2)?, *bytes.get(4)?, be32(bytes, 8)?);
        let sound =
            *bytes.get(5)? == 0 && u32::from(key) + u32::from(extras) <= body && extras <= 20 && key <= 250;
        let whole = usize::try_from(body).ok()? + 24 == bytes.len() && be16(bytes, 6)? <= 0x0200;
        let busy = *opcode != 0 || key > 0;
        let asking = bytes[0] == 0x80;
        return (sound && whole && busy).then(|| if asking { asks(Good) } else { answers(Good) }).flatten();
    }
    let (first, ended) = line(bytes);
    let (command, rest) = word(first);
    let rest = &rest[..rest.len().min(300)]; // keys are at most 250 bytes long
    let numbers =
        |skip: usize| rest.split(|b| *b == b' ').skip(skip).take(3).filter(|n| decimal(n).is_some()).count();
    match command {
        b"set" | b"add" | b"replace" | b"append" | b"prepend" if ended && numbers(1) == 3 => asks(Strong),
        b"get" | b"gets" | b"delete" if ended && !rest.is_empty() && carrier == Carrier::Datagram => {
            asks(Good)
        }
        b"get" | b"gets" | b"delete" if ended && !rest.is_empty() => shared(Role::Asks),
        b"stats" | b"version" | b"flush_all" if ended && carrier == Carrier::Datagram => asks(Good),
        b"stats" | b"version" | b"flush_all" if ended => shared(Role::Asks),
        b"VALUE" if ended && numbers(1) >= 2 => answers(Strong),
        b"STAT" if contains(first, b" pid ") || first.starts_with(b"STAT ") && numbers(1) == 1 => {
            answers(Good)
        }
        b"VERSION" if ended && rest.first()?.is_ascii_digit() => answers(Good),
        b"STORED" | b"NOT_STORED" | b"NOT_FOUND" | b"DELETED" | b"END" if ended && rest.is_empty() => {
            answers(Weak)
        }
        _ => None,
    }
}

/// Cassandra: CQL binary protocol v3 to v5, section 2 (frame header) and 4.1 (STARTUP, OPTIONS).
pub(super) fn cassandra(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let header = bytes.get(..9)?;
    let (version, response) = (header[0] & 0x7f, header[0] & 0x80 != 0);
    let len = usize::try_from(be32(header, 5)?).ok()?;
    if !(3..=5).contains(&version) || header[1] & !0x1f != 0 || len > 65_536 {
        return None;
    }
    match header[4] {
        1 if !response && contains(bytes, b"CQL_VERSION") => asks(Strong),
        5 if !response && len == 0 && bytes.len() == 9 => asks(Strong),
        6 if response && contains(bytes, b"CQL_VERSION") => answers(Strong),
        3 if response && len + 9 == bytes.len() && contains(bytes, b"org.") => answers(Strong),
        2 if response && len == 0 => answers(Good),
        0 if response && len + 9 == bytes.len() && len >= 6 => answers(Weak),
        _ => None,
    }
}

/// Elasticsearch transport: `TcpHeader` (`ES`, length, request number, status, version).
pub(super) fn elasticsearch(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::try_from(be32(bytes, 2)?).ok()?;
    let sound =
        bytes.starts_with(b"ES") && len >= 13 && len + 6 >= bytes.len().min(506) && *bytes.get(14)? <= 0x0f;
    (sound && at(bytes, 15, &[0]))
        .then(|| if bytes[14] & 1 == 0 { asks(Good) } else { answers(Good) })
        .flatten()
}

/// AMQP 0-9-1 section 4.2.2 and 4.2.3, AMQP 1.0 part 2 section 2.2.
pub(super) fn amqp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"AMQP")
        && matches!(bytes.get(4..8)?, [0, 0, 9, 1] | [1, 1, ..] | [0 | 2 | 3, 1, 0, 0])
    {
        return either(Strong);
    }
    let start = at(bytes, 0, &[1, 0, 0]) && at(bytes, 7, &[0, 10, 0, 10, 0]);
    start.then(|| answers(Strong)).flatten()
}

/// MQTT 3.1, 3.1.1 and 5: section 3.1 (CONNECT: protocol name and level) and 3.2 (CONNACK).
pub(super) fn mqtt(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes[0] == 0x10 {
        let size = bytes.iter().skip(1).take(4).position(|b| b & 0x80 == 0)?;
        let name = bytes.get(2 + size..)?;
        let known = name.starts_with(b"\0\x04MQTT") && matches!(name.get(6)?, 3..=5)
            || name.starts_with(b"\0\x06MQIsdp") && *name.get(8)? == 3;
        return known.then(|| asks(Strong)).flatten();
    }
    match bytes {
        [0x20, 2, 0 | 1, 0..=5] => answers(Good),
        [0x20, 2, 0 | 1, 0, 0x30 | 0x31 | 0x90 | 0x40 | 0xd0, ..] => answers(Good),
        [0x20, len @ 3..=127, 0 | 1, 0 | 0x80..=0x9f, properties, ..] => {
            (usize::from(*len) + 2 <= bytes.len() && *properties + 3 == *len).then(|| answers(Weak)).flatten()
        }
        _ => None,
    }
}

/// Kafka: protocol guide, "Request Header v1" (length, key, version, correlation, client name).
pub(super) fn kafka(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::try_from(be32(bytes, 0)?).ok()?;
    let (key, version, name) = (be16(bytes, 4)?, be16(bytes, 6)?, be16(bytes, 12)?);
    let fits = len + 4 == bytes.len() || len + 4 > bytes.len() && cut(bytes);
    if !fits || key > 92 || version > 20 || len < 10 {
        return None;
    }
    match name {
        0xffff => (len <= 64).then(|| asks(Weak)).flatten(),
        1..=255 => {
            let name = bytes.get(14..14 + usize::from(name))?;
            name.iter()
                .all(|b| b.is_ascii_graphic())
                .then(|| asks(if name.len() > 3 { Strong } else { Good }))
                .flatten()
        }
        0 if key == 18 || key == 3 => asks(Good),
        // Clients without a name: the body of a metadata, produce or fetch request follows.
        0 if key <= 3 && bytes.len() > 20 && bytes[14..].iter().any(|b| *b != 0) => asks(Weak),
        _ => None,
    }
}

/// NATS: client protocol.
pub(super) fn nats(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"INFO {") {
        return answers(if contains(bytes, b"server_id") { Strong } else { Good });
    }
    if bytes.starts_with(b"CONNECT {") {
        return asks(Strong);
    }
    matches!(line(bytes), (b"PING" | b"PONG" | b"+OK", true)).then(|| shared(Role::Either)).flatten()
}

/// STOMP 1.0 to 1.2, "Connecting".
pub(super) fn stomp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (first, ended) = line(bytes);
    let headers =
        contains(bytes, b"\naccept-version:") || contains(bytes, b"\nlogin:") || contains(bytes, b"\nhost:");
    match first {
        b"CONNECT" | b"STOMP" if ended && headers => asks(Strong),
        b"CONNECTED" if ended && (contains(bytes, b"\nversion:") || contains(bytes, b"\nsession:")) => {
            answers(Strong)
        }
        _ => None,
    }
}

/// ZMTP 2 and 3: RFC 23/ZMTP, "greeting" (signature).
pub(super) fn zmtp(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let signature = bytes.starts_with(&[0xff, 0, 0, 0, 0, 0, 0, 0]) && *bytes.get(9)? == 0x7f;
    signature.then(|| either(Strong)).flatten()
}

/// Zabbix: header of "Zabbix protocol 4.0 and later" (`ZBXD`, flags, length).
pub(super) fn zabbix(bytes: &[u8], _: Carrier) -> Option<Sign> {
    (bytes.starts_with(b"ZBXD") && matches!(bytes.get(4)?, 1..=7)).then(|| either(Strong)).flatten()
}

/// Gearman: protocol document, "Binary Packet" (magic, type, size).
pub(super) fn gearman(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let known = be32(bytes, 4)? <= 45 && be32(bytes, 8)? <= 0x0400_0000;
    match bytes.get(..4)? {
        b"\0REQ" if known => asks(Strong),
        b"\0RES" if known => answers(Strong),
        _ => None,
    }
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(
        App::Mysql,
        b"\x20\0\0\x01\x85\xae\x03\0\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x32\0\0\0\x0a5.7.30-log\0\x08\0\0\0saltsalt\0\xff\xf7\x21\x02\0\xff\x81\x15\0\0\0\0\0\0\0\
          \0\0\0saltsaltsa\0",
    ),
    stream(App::Pgsql, b"\0\0\0\x08\x04\xd2\x16\x2f", b"S"),
    stream(App::Pgsql, b"\0\0\0\x12\0\x03\0\0user\0joe\0\0", b"R\0\0\0\x0c\0\0\0\x05SALT"),
    stream(
        App::Oracle,
        b"\0\x3a\0\0\x01\0\0\0\x01\x38\x01\x2c\0\0\x08\0(DESCRIPTION=(CONNECT_DATA=(SID=x))(ADDRESS=))",
        b"\0\x08\0\0\x0b\0\0\0",
    ),
    stream(
        App::Mongodb,
        b"\x24\0\0\0\x01\0\0\0\0\0\0\0\xd4\x07\0\0\0\0\0\0admin.$cmd\0\0\0\0\0\x01\0",
        b"\x24\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0",
    ),
    stream(App::Redis, b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
    stream(App::Redis, b"*1\r\n$7\r\nCOMMAND\r\n", b"*240\r\n*10\r\n$11\r\nsinterstore\r\n"),
    stream(App::Memcached, b"set k 0 0 5\r\nhello\r\n", b"STORED\r\n"),
    stream(App::Memcached, b"stats\r\n", b"STAT pid 17\r\nSTAT uptime 9\r\n"),
    datagram(App::Memcached, b"\0\x01\0\0\0\x01\0\0stats\r\n", b""),
    stream(App::Cassandra, b"\x04\0\0\0\x05\0\0\0\0", b"\x84\0\0\0\x06\0\0\0\x13\0\x01\0\x0bCQL_VERSION\0\0"),
    stream(
        App::Elasticsearch,
        b"ES\0\0\0\x0e\0\0\0\0\0\0\0\x01\x08\0\x6a\xcf\xbf\0",
        b"ES\0\0\0\x0e\0\0\0\0\0\0\0\x01\x09\0\x6a\xcf\xbf\0",
    ),
    stream(App::Amqp, b"AMQP\0\0\x09\x01", b"\x01\0\0\0\0\0\x0c\0\x0a\0\x0a\0\x09\0\0\0\0\xce"),
    stream(App::Mqtt, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01c", b"\x20\x02\0\0"),
    stream(App::Kafka, b"\0\0\0\x12\0\x03\0\x01\0\0\0\x07\0\x08consumer", b""),
    stream(App::Nats, b"CONNECT {\"verbose\":false}\r\n", b"INFO {\"server_id\":\"x\"}\r\n"),
    stream(App::Stomp, b"CONNECT\naccept-version:1.2\nhost:a\n\n\0", b"CONNECTED\nversion:1.2\n\n\0"),
    stream(App::Zmtp, b"\xff\0\0\0\0\0\0\0\x01\x7f\x03", b"\xff\0\0\0\0\0\0\0\x01\x7f\x03"),
    stream(App::Zabbix, b"ZBXD\x01\x02\0\0\0\0\0\0\0{}", b"ZBXD\x01\x02\0\0\0\0\0\0\0{}"),
    stream(App::Gearman, b"\0REQ\0\0\0\x01\0\0\0\x02wc", b"\0RES\0\0\0\x0a\0\0\0\0"),
];
