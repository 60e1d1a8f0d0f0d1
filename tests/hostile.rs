//! Strangers' bytes on stable Rust: the bodies that the fuzzers run (`src/*/fuzz.rs`), fed with random bytes
//! and with damaged copies of good ones; and the real binary on damaged captures.
//!
//! Everything is seeded, so a failure comes back. The seeds in `tests/fuzz/seeds` are made here, by code, and
//! are what `make fuzz` starts from.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{binary, json, tree};

type Body = fn(&[u8]);

/// Each room that reads strangers' bytes, and a good input for it.
fn rooms() -> [(&'static str, Body, Vec<u8>); 6] {
    let read = |path: &str| fs::read(tree::root().join(path)).expect("a committed file");
    let capture = read("captures/reuse/traffic.pcap");
    [
        ("capture", ghostport::capture::fuzz, capture.clone()),
        ("wire", ghostport::wire::fuzz, frames(&capture)),
        ("flow", ghostport::flow::fuzz, talk()),
        (
            "payload",
            ghostport::payload::fuzz,
            b"\x80227 Entering Passive Mode (10,0,0,1,11,191)\r\n".to_vec(),
        ),
        ("registry", ghostport::registry::fuzz, beginning(&read("rules/claims/seed.toml"), "[[claim]]")),
        ("rules", ghostport::rules::fuzz, beginning(&read("rules/default.toml"), "[[rule]]")),
    ]
}

/// The frames of a little-endian pcap file with Ethernet frames, as the body of `wire` takes them.
fn frames(capture: &[u8]) -> Vec<u8> {
    let (mut at, mut frames) = (24, Vec::new());
    while let Some(length) = capture.get(at + 8..at + 10).filter(|_| frames.len() < 1500) {
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let units = length.div_ceil(4).min(255);
        frames.extend([0, u8::try_from(units).expect("at most 255")]);
        let frame = &capture[at + 16..at + 16 + length.min(units * 4)];
        frames.extend_from_slice(frame);
        frames.resize(frames.len() + units * 4 - frame.len(), 0);
        at += 16 + length;
    }
    frames
}

/// Two conversations as the body of `flow` takes them: transport, ends, flags, sequence, time, payload.
fn talk() -> Vec<u8> {
    let tcp = [(0x10, 0x02, 0), (0x01, 0x12, 0), (0x10, 0x10, 0), (0x10, 0x18, 9), (0x01, 0x18, 9)];
    let steps = tcp.iter().map(|(ends, flags, load)| [0, *ends, *flags, 1, 8, *load]);
    let datagrams = [[1, 0x23, 0, 0, 8, 4], [1, 0x32, 0, 0, 80, 4], [0xf1, 0x23, 0, 3, 80, 0]];
    steps.chain(datagrams).chain([[0, 0x10, 0x11, 2, 255, 0]]).flatten().collect()
}

/// The text up to the third item.
fn beginning(text: &[u8], item: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let end = text.match_indices(item).nth(2).map_or(text.len(), |(at, _)| at);
    text[..end].as_bytes().to_vec()
}

/// A runner whose random numbers are the same every time.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

/// Places that change, each to another byte, and where the input is cut, in parts of 65536 (most are not).
fn damage() -> impl Strategy<Value = (Vec<(u16, u8)>, u16)> {
    (
        prop::collection::vec((any::<u16>(), any::<u8>()), 0..12),
        prop_oneof![3 => Just(u16::MAX), 1 => any::<u16>()],
    )
}

fn damaged(good: &[u8], (changes, cut): &(Vec<(u16, u8)>, u16)) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let place = |part: u16| bytes_at(good.len(), part);
    for (part, byte) in changes {
        if let Some(old) = bytes.get_mut(place(*part)) {
            *old = *byte;
        }
    }
    if *cut < u16::MAX {
        bytes.truncate(place(*cut));
    }
    bytes
}

fn bytes_at(length: usize, part: u16) -> usize {
    length * usize::from(part) / 65_536
}

#[test]
fn random_bytes_keep_every_invariant() {
    for (room, body, _) in rooms() {
        let bytes = prop::collection::vec(any::<u8>(), 0..2048);
        let outcome = runner(96).run(&bytes, |bytes| {
            body(&bytes);
            Ok(())
        });
        assert!(outcome.is_ok(), "{room}: {outcome:?}");
    }
}

#[test]
fn damaged_good_bytes_keep_every_invariant() {
    for (room, body, good) in rooms() {
        body(&good);
        let outcome = runner(96).run(&damage(), |damage| {
            body(&damaged(&good, &damage));
            Ok(())
        });
        assert!(outcome.is_ok(), "{room}: {outcome:?}");
    }
}

#[test]
fn the_seeds_hold_and_are_small() {
    for (room, body, good) in rooms() {
        let file = tree::root().join("tests/fuzz/seeds").join(room);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &good).expect("seeds can be written");
        }
        let seed = fs::read(&file).unwrap_or_default();
        assert!((1..4096).contains(&seed.len()), "{}: BLESS=1 cargo test hostile", file.display());
        body(&seed);
    }
}

#[test]
fn every_target_calls_its_room_and_nothing_else() {
    let manifest = fs::read_to_string(tree::root().join("tests/fuzz/Cargo.toml")).expect("committed");
    for (room, ..) in rooms() {
        let target = tree::root().join(format!("tests/fuzz/targets/{room}.rs"));
        let text = fs::read_to_string(target).expect("a target for each room");
        assert!(text.contains(&format!("ghostport::{room}::fuzz(data)")), "{text}");
        assert!(manifest.contains(&format!("targets/{room}.rs")));
    }
}

#[test]
fn damaged_captures_never_crash_the_binary() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let traces = tree::files("captures").into_iter().filter(|path| path.ends_with("traffic.pcap"));
    let mut strategy_runner = runner(1);
    for trace in traces {
        let good = fs::read(tree::root().join(&trace)).expect("a listed file");
        for _ in 0..4 {
            let damage = damage().new_tree(&mut strategy_runner).expect("a value").current();
            survive(&trace, &damaged(&good, &damage), folder.path());
        }
    }
}

fn survive(trace: &Path, bytes: &[u8], folder: &Path) {
    let file = folder.join("damaged.pcap");
    fs::write(&file, bytes).expect("writable");
    let path = file.display().to_string();
    let run = binary::run(&["-r", &path, "--flows", "--ports", "-o", "eve:-", "--fail-on", "high"]);
    let about = || format!("{}: exit {:?}, stderr:\n{}", trace.display(), run.code, run.stderr);
    assert!(!run.hung && !run.stderr.contains("panicked"), "{}", about());
    assert!(matches!(run.code, Some(0 | 1 | 3 | 65)), "{}", about());
    assert_eq!(run.code == Some(0), run.stderr.is_empty() && run.code != Some(1), "{}", about());
    if run.code != Some(65) {
        assert_eq!(json::identity(&run.stats()), Ok(()), "{}", about());
    }
}

#[test]
fn damage_damages() {
    assert_eq!(damaged(b"abcd", &(vec![(0, b'x'), (65_535, b'y')], u16::MAX)), b"xbcy");
    assert_eq!(damaged(b"abcd", &(Vec::new(), 32_768)), b"ab");
    assert_eq!(damaged(b"", &(vec![(9, 9)], 3)), b"");
}
