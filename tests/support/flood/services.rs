//! Who serves what in the mix: services with their share of the flows, their servers, and what both sides say
//! first. Shares are those of an office uplink by rule of thumb: names and the web make three quarters of all
//! flows, and a few in a hundred go to ports that nobody expects.

use super::super::{quic, speech};
use super::frame::End;
use super::mix;

/// Most payload of one frame: fits an Ethernet frame behind IPv6 and TCP.
pub(super) const SEGMENT_BYTES_MAX: usize = 1440;

/// What follows the first words, when a flow carries more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bulk {
    /// Nothing.
    Never,
    /// Full segments, mostly from the responder.
    Transfer,
    /// Small packets both ways.
    Chat,
}

/// Something that end number `from` says, in one frame.
pub(super) struct Turn {
    pub(super) from: usize,
    pub(super) bytes: Vec<u8>,
}

/// One server of a service.
pub(super) struct Server {
    v4: [u8; 4],
    port: u16,
    pub(super) turns: Vec<Turn>,
}

impl Server {
    /// Its end of a flow.
    pub(super) fn end(&self, v6: bool) -> End {
        if v6 {
            End::v6(long([0x20, 0x01, 0x0d, 0xb8], self.v4), self.port)
        } else {
            End::v4(self.v4, self.port)
        }
    }
}

/// An IPv6 address with this prefix whose last bytes are an IPv4 address.
pub(super) fn long(prefix: [u8; 4], v4: [u8; 4]) -> [u8; 16] {
    let mut addr = [0; 16];
    addr[..4].copy_from_slice(&prefix);
    addr[12..].copy_from_slice(&v4);
    addr
}

/// A service and all its servers.
pub(super) struct Service {
    pub(super) tcp: bool,
    /// Flows of a thousand.
    pub(super) share: u64,
    pub(super) bulk: Bulk,
    /// Where the first words differ from flow to flow: a random, or an identifier that is answered with.
    pub(super) fresh: std::ops::Range<usize>,
    pub(super) servers: Vec<Server>,
}

/// All of them; the shares make a thousand.
pub(super) fn all(seed: u64) -> Vec<Service> {
    use Bulk::{Chat, Never, Transfer};
    let (tcp, udp) = (true, false);
    let mut next = 0;
    let mut service = |tcp, port: u16, share, count: u64, bulk, turns: fn(u64) -> Vec<Turn>| {
        let servers = (0..count).map(|at| {
            next += 1;
            let dice = mix(seed ^ (next << 32));
            let port = if port == 0 { odd_port(at, dice) } else { port };
            Server { v4: address(port, next), port, turns: turns(dice) }
        });
        let fresh = match port {
            53 => 0..2,
            443 if tcp => 11..43,
            123 => 40..48,
            _ => 0..0,
        };
        Service { tcp, share, bulk, fresh, servers: servers.collect() }
    };
    vec![
        service(udp, 53, 370, 8, Never, dns),
        service(tcp, 443, 280, 120, Transfer, tls),
        service(udp, 443, 90, 40, Transfer, quic_hello),
        service(tcp, 80, 65, 40, Transfer, http),
        service(udp, 123, 30, 6, Never, ntp),
        service(tcp, 25, 20, 10, Transfer, smtp),
        service(tcp, 110, 10, 6, Transfer, pop3),
        service(tcp, 22, 15, 20, Chat, ssh),
        service(tcp, 445, 30, 12, Transfer, smb),
        service(tcp, 3389, 10, 8, Chat, rdp),
        service(tcp, 3306, 10, 6, Chat, mysql),
        service(tcp, 5432, 10, 6, Chat, pgsql),
        service(tcp, 6379, 5, 4, Chat, redis),
        service(udp, 161, 8, 10, Never, snmp),
        service(udp, 514, 7, 2, Never, syslog),
        service(tcp, 0, 30, 64, Chat, anything),
        service(udp, 0, 10, 24, Chat, noise),
    ]
}

/// Dormant ports first, then any of the registered range.
fn odd_port(at: u64, dice: u64) -> u16 {
    const DORMANT: [u16; 8] = [1207, 3007, 3098, 3206, 2776, 5011, 8471, 1718];
    let known = usize::try_from(at).ok().and_then(|at| DORMANT.get(at));
    known.copied().unwrap_or(1024 + u16::try_from(dice % 47_000).unwrap_or(0))
}

/// Web, mail and names are far away (the benchmarking network of RFC 2544), the rest is in the house.
fn address(port: u16, number: u64) -> [u8; 4] {
    let [high, low] = u16::try_from(number).unwrap_or(0).to_be_bytes();
    if [443, 80, 25, 53, 123].contains(&port) { [198, 18, high, low] } else { [10, 200, high, low] }
}

/// Alternating turns, the originator first; what is longer than a segment takes several frames.
fn talk(parts: &[&[u8]]) -> Vec<Turn> {
    let turns = parts.iter().enumerate().flat_map(|(at, part)| {
        part.chunks(SEGMENT_BYTES_MAX).map(move |bytes| Turn { from: at % 2, bytes: bytes.to_vec() })
    });
    turns.collect()
}

/// The same, the responder first.
fn greeted(parts: &[&[u8]]) -> Vec<Turn> {
    talk(&[&[&[][..]], parts].concat())
}

/// Bytes without a meaning.
pub(super) fn random(mut dice: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        dice = mix(dice);
        bytes.extend(dice.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn host(dice: u64) -> String {
    format!("www{}.example.com", dice % 5000)
}

/// A TLS record (RFC 8446 section 5.1).
fn sealed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[kind, 3, 3, length[0], length[1]], body].concat()
}

/// Two thirds speak TLS 1.3, the others 1.2 with a certificate in the open; then one request and its answer.
fn tls(dice: u64) -> Vec<Turn> {
    let request = sealed(23, &random(dice, 300));
    let reply = sealed(23, &random(dice, 1420));
    if dice.is_multiple_of(3) {
        let [hello, answer] = speech::tls(&host(dice));
        let certificate = [&[11, 0, 9, 252][..], &random(dice, 2556)].concat();
        let answer = [answer, sealed(22, &certificate), sealed(22, &[14, 0, 0, 0])].concat();
        let finished =
            [sealed(22, &random(dice, 70)), sealed(20, &[1]), sealed(22, &random(dice, 40))].concat();
        let done = [sealed(20, &[1]), sealed(22, &random(dice, 40))].concat();
        return talk(&[&hello, &answer, &finished, &done, &request, &reply]);
    }
    let [_, hello, answer] = speech::tls13(&host(dice));
    let answer = [answer, sealed(20, &[1]), sealed(23, &random(dice, 2500))].concat();
    let finished = [sealed(20, &[1]), sealed(23, &random(dice, 53)), request].concat();
    talk(&[&hello, &answer, &finished, &reply])
}

/// A client hello in two Initials, and what cannot be read without its keys.
fn quic_hello(dice: u64) -> Vec<Turn> {
    let [hello, ..] = speech::tls13(&host(dice));
    let id = dice.to_be_bytes();
    let first = quic::initial(&quic::V1, id, 0, &quic::crypto(&hello, 0, 1000));
    let second = quic::initial(&quic::V1, id, 1, &quic::crypto(&hello, 1000, hello.len()));
    let answer = [&[0xc7, 0, 0, 0, 1, 0, 8][..], &id, &random(dice, 1185)].concat();
    let short = |length| [&[0x43][..], &random(dice, length)].concat();
    let mut turns = talk(&[&first, &[], &second, &answer, &short(80), &short(1200), &short(40)]);
    turns.push(Turn { from: 1, bytes: short(600) });
    turns
}

fn http(dice: u64) -> Vec<Turn> {
    let [ask, answer] = speech::http(&host(dice), &"All is well. ".repeat(240));
    talk(&[&ask, &answer])
}

fn dns(dice: u64) -> Vec<Turn> {
    let [ask, answer] = speech::dns(&host(dice), [198, 18, 0, 7]);
    talk(&[&ask, &answer])
}

/// RFC 5905 section 7.3: version 4, client and server. What differs from flow to flow is when the client
/// sent.
fn ntp(dice: u64) -> Vec<Turn> {
    let ask = [&[0x23, 0, 6, 0xec][..], &[0; 44]].concat();
    let stamp = [&[0xed, 0x1f, 0x22, 0x80][..], &random(dice, 4)].concat();
    let answer =
        [&[0x24, 2, 6, 0xec, 0, 0, 1, 0, 0, 0, 2, 0, 192, 0, 2, 1][..], &stamp, &stamp, &stamp, &stamp]
            .concat();
    talk(&[&ask, &answer])
}

fn smtp(dice: u64) -> Vec<Turn> {
    let [greeting, hello, offer] = speech::smtp();
    let start = b"220 ready\r\n";
    greeted(&[greeting, hello, offer, b"STARTTLS\r\n", start, &speech::tls(&host(dice))[0]])
}

fn pop3(_: u64) -> Vec<Turn> {
    greeted(&speech::pop3())
}

/// RFC 4253: identification, then key exchange (message 20) and its answer.
fn ssh(dice: u64) -> Vec<Turn> {
    let [client, server] = speech::ssh();
    let exchange = [&[0, 0, 4, 0xfc, 9, 20][..], &random(dice, 1274)].concat();
    talk(&[&client, &server, &exchange, &exchange])
}

fn smb(dice: u64) -> Vec<Turn> {
    let [ask, answer] = speech::smb2();
    let id = dice.to_le_bytes()[0];
    let [create, created] = speech::smb2_create(id, "report.txt", 1);
    let [read, data] = speech::smb2_read(id, &random(dice, 1420));
    talk(&[&ask, &answer, &create, &created, &read, &data])
}

/// \[MS-RDPBCGR\] 2.2.1.1 and 2.2.1.2: TLS is asked for and granted.
fn rdp(dice: u64) -> Vec<Turn> {
    let ask = [3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0];
    let answer = [3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0];
    let [hello, reply] = speech::tls(&host(dice));
    talk(&[&ask, &answer, &hello, &reply])
}

/// Protocol::HandshakeV10, Protocol::HandshakeResponse41, an OK packet.
fn mysql(dice: u64) -> Vec<Turn> {
    let framed = |number: u8, body: &[u8]| {
        let length = u16::try_from(body.len()).unwrap_or(0).to_le_bytes();
        [&[length[0], length[1], 0, number], body].concat()
    };
    let greeting = [
        &b"\x0a8.0.36\0\x2a\0\0\0"[..],
        &[b'k'; 8],
        b"\0\xff\xff\xff\x02\0\xff\xdf\x15",
        &[0; 10],
        &[b'm'; 12],
        b"\0caching_sha2_password\0",
    ];
    let login =
        [&b"\x8d\xa6\xff\x19\0\0\0\x01\xff"[..], &[0; 23], b"app\0\x20", &random(dice, 32), b"shop\0"];
    let ok = framed(2, &[0, 0, 0, 2, 0, 0, 0]);
    greeted(&[&framed(0, &greeting.concat()), &framed(1, &login.concat()), &ok])
}

/// Version 3.0: StartupMessage, AuthenticationOk, ReadyForQuery.
fn pgsql(_: u64) -> Vec<Turn> {
    let startup = b"\0\0\0\x22\0\x03\0\0user\0app\0database\0shop1\0\0";
    talk(&[startup, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", b"Q\0\0\0\x0dselect 1\0", b"C\0\0\0\x0dSELECT 1\0"])
}

fn redis(_: u64) -> Vec<Turn> {
    let get = b"*2\r\n$3\r\nGET\r\n$7\r\nsession\r\n";
    talk(&[b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n", get, b"$5\r\nhello\r\n"])
}

/// SNMPv2c (RFC 3416): sysUpTime is asked for and told.
fn snmp(_: u64) -> Vec<Turn> {
    let ask = b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x2a\x02\x01\0\x02\x01\0\x30\x0e\x30\x0c\
                \x06\x08\x2b\x06\x01\x02\x01\x01\x03\0\x05\0";
    let answer =
        b"\x30\x28\x02\x01\x01\x04\x06public\xa2\x1b\x02\x01\x2a\x02\x01\0\x02\x01\0\x30\x10\x30\x0e\
                   \x06\x08\x2b\x06\x01\x02\x01\x01\x03\0\x43\x02\x10\x20";
    talk(&[ask, answer])
}

/// RFC 5424: nobody answers.
fn syslog(dice: u64) -> Vec<Turn> {
    let line = format!("<134>1 2026-01-01T00:00:00Z {} app 42 - - job {} done", host(dice), dice % 1000);
    talk(&[line.as_bytes(), &[], line.as_bytes()])
}

/// Known protocols where they do not belong, and some that nobody knows.
fn anything(dice: u64) -> Vec<Turn> {
    match dice % 5 {
        0 => http(dice),
        1 => tls(dice),
        2 => ssh(dice),
        _ => noise(dice),
    }
}

/// A protocol of somebody's own: a constant, and what cannot be read.
fn noise(dice: u64) -> Vec<Turn> {
    let words = [&[0x9d, 0x17][..], &random(dice, 120)].concat();
    talk(&[&words, &words, &words[..40], &words[..80]])
}
