//! What recognition costs: nanoseconds per flow, for conversations as they come.
//!
//! Each case asks about both sides' first bytes of one flow, as a worker does when it is heard. `mixed` goes
//! round a list of common conversations, so that the branch predictor does not learn one of them by heart;
//! `noise` is 512 random bytes on each side, which no recogniser may believe and several must look at.
//!
//! The worst case is searched for, not guessed: every first byte and the openings that lead far into a
//! recogniser, each before every filler, 512 bytes on both sides. The dearest of each filler are printed, and
//! the dearest of all is then measured like the others.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ghostport::payload::{App, Carrier, Details, recognise};

/// A conversation: how it travels, and the first bytes of each side.
type Talk = (&'static str, Carrier, Vec<u8>, Vec<u8>);

fn talk(name: &'static str, carrier: Carrier, asks: &[u8], answers: &[u8]) -> Talk {
    (name, carrier, asks.to_vec(), answers.to_vec())
}

/// A client hello of the usual 517 bytes, with a name and padding.
fn client_hello() -> Vec<u8> {
    let mut hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    hello.extend_from_slice(&[0x5a; 32]);
    hello.extend_from_slice(b"\0\0\x08\x13\x01\x13\x02\xc0\x2b\xc0\x2f\x01\0");
    let extensions =
        b"\0\0\0\x10\0\x0e\0\0\x0bexample.org\0\x10\0\x05\0\x03\x02h2\0\x0d\0\x06\0\x04\x04\x03\x08\x04";
    let room = 517 - hello.len() - 2 - extensions.len() - 4;
    let len = |n: usize| u16::try_from(n).unwrap_or(0).to_be_bytes();
    hello.extend_from_slice(&len(extensions.len() + 4 + room));
    hello.extend_from_slice(extensions);
    hello.extend_from_slice(&[0, 0x15]);
    hello.extend_from_slice(&len(room));
    hello.resize(512, 0); // a head keeps no more
    hello
}

/// A small generator, so that the noise is the same on every run.
fn noise(mut state: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    while bytes.len() < 512 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.push(state.to_be_bytes()[0]);
    }
    bytes
}

fn talks() -> Vec<Talk> {
    use Carrier::{Datagram, Stream};
    let get = b"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
    let ok = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\nHello world\n";
    let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01";
    let answer = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x03www\x07example\x03org\0\0\x01\0\x01\
                   \xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";
    let server_hello =
        [&b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03"[..], &[0x51; 32], b"\0\x13\x01\0"].concat();
    let mut letter = b"Dear Sir or Madam, ".repeat(27);
    letter.truncate(512);
    vec![
        talk("http", Stream, get, ok),
        talk("tls", Stream, &client_hello(), &server_hello),
        talk("dns", Datagram, query, answer),
        talk("ssh", Stream, b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
        talk("smtp", Stream, b"EHLO mail.example.org\r\n", b"220 mx.example.net ESMTP Postfix\r\n"),
        talk("text", Stream, &letter, &letter),
        talk("noise_stream", Stream, &noise(1), &noise(2)),
        talk("noise_datagram", Datagram, &noise(3), &noise(4)),
    ]
}

/// What a head may be full of: the name, and the bytes repeated.
fn fillers() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("letter", b"Dear Sir or Madam, ".to_vec()),
        ("lines", b"Dear Sir or Madam,\r\n".to_vec()),
        ("short lines", b"a\n".to_vec()),
        ("zeros", vec![0]),
        ("ones", vec![0xff]),
        ("noise", noise(5)),
        ("digits", b"0123456789".to_vec()),
        ("commas", b"1, ".to_vec()),
        ("capitals", b"ABCDEFGH ".to_vec()),
        ("one letter", b"s".to_vec()),
        ("json", b"{\"a\": 1, ".to_vec()),
        ("telnet", b"\xff\xfb\x01".to_vec()),
    ]
}

/// Every first byte, and words that are only the beginning of a longer look.
fn openings() -> Vec<Vec<u8>> {
    const WORDS: [&[u8]; 24] = [
        b"GET ",
        b"GET /",
        b"POST /",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 ",
        b"NOTIFY ",
        b"OPTIONS sip:a",
        b"220 ",
        b"220-",
        b"250 ",
        b"200 ",
        b"+OK ",
        b"* OK ",
        b"a LOGIN ",
        b"USER ",
        b"NICK ",
        b":a 001 ",
        b"<?xml",
        b"{\"id\"",
        b"CONNECT",
        b"STAT ",
        b"6193, ",
        b"<13>",
        b"\xff\xfa\x18",
    ];
    (0..=255).map(|byte| vec![byte]).chain(WORDS.iter().map(|word| word.to_vec())).collect()
}

/// Nanoseconds that one conversation takes: the quickest of a few rounds, because the slower ones were
/// disturbed.
fn nanoseconds((_, carrier, asks, answers): &Talk) -> u128 {
    const TIMES: u32 = 200;
    let round = || {
        let start = Instant::now();
        for _ in 0..TIMES {
            black_box(recognise(*carrier, black_box(asks), black_box(answers)));
        }
        start.elapsed().as_nanos() / u128::from(TIMES)
    };
    (0..4).map(|_| round()).min().unwrap_or(0)
}

/// Searches, prints the dearest of every filler, and gives the dearest of all.
#[expect(clippy::print_stdout, reason = "the figures are what a bench is run for")]
fn worst() -> Option<Talk> {
    let mut dearest: Option<(u128, Talk)> = None;
    for carrier in [Carrier::Stream, Carrier::Datagram] {
        for (name, filler) in fillers() {
            let mut all = Vec::new();
            for mut head in openings() {
                let opening = String::from_utf8_lossy(&head).into_owned();
                head.extend(filler.iter().cycle().take(512 - head.len()));
                let talk = talk("worst", carrier, &head, &head);
                all.push((nanoseconds(&talk), opening, talk));
            }
            all.sort_by_key(|(cost, ..)| std::cmp::Reverse(*cost));
            let median = all[all.len() / 2].0;
            let (cost, opening, talk) = all.swap_remove(0);
            println!("{carrier:?}, {name}: worst {cost} ns after {opening:?}, median {median} ns");
            if dearest.as_ref().is_none_or(|(most, _)| cost > *most) {
                dearest = Some((cost, talk));
            }
        }
    }
    dearest.map(|(_, talk)| talk)
}

fn payload(c: &mut Criterion) {
    let talks = talks();
    let mut group = c.benchmark_group("payload/recognise");
    group.throughput(Throughput::Elements(1));
    for (name, carrier, asks, answers) in &talks {
        group.bench_function(*name, |b| b.iter(|| recognise(*carrier, black_box(asks), black_box(answers))));
    }
    let mut next = talks.iter().cycle();
    group.bench_function("mixed", |b| {
        b.iter(|| {
            next.next().map(|(_, carrier, asks, answers)| recognise(*carrier, black_box(asks), answers))
        });
    });
    if let Some((name, carrier, asks, answers)) = worst() {
        group.bench_function(name, |b| b.iter(|| recognise(carrier, black_box(&asks), black_box(&answers))));
    }
    group.finish();
    let mut group = c.benchmark_group("payload/details");
    group.throughput(Throughput::Elements(1));
    let hello = client_hello();
    group.bench_function("tls", |b| b.iter(|| Details::of(App::Tls, black_box(&hello), b"")));
    group.finish();
}

criterion_group!(benches, payload);
criterion_main!(benches);
