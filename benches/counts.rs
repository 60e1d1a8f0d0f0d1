//! How many instructions a packet costs: decoding it, updating its flow, recognising what a flow says,
//! writing a line about a flow, and the whole replay. Counted by valgrind (cachegrind without its caches),
//! because time is too noisy where CI runs.
//!
//! Each case runs twice over seeded input, a part once with one round and once with two, the whole over a
//! smaller and a larger capture: the difference is free of what starting and preparing cost.
//! `benches/COUNTS.md` holds the figures; a case that is more than [`TOLERANCE`] off fails, cheaper or
//! dearer: what became cheaper is to be kept. `BLESS=1` writes the file anew (`make counts BLESS=1`). Without
//! valgrind it says so and does nothing.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a measuring tool for developers: it stops when it cannot go on, and prints what it measured"
)]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::io::BufWriter;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use ghostport::capture::{Frame, LinkType};
use ghostport::flow::{Config, Ears, Flow, Keep, Table, Told};
use ghostport::output::{Record, eve};
use ghostport::payload::{Carrier, recognise};
use ghostport::time::Timestamp;
use ghostport::wire::{Decoder, Limits, Packet, Scratch, Transport};

#[allow(dead_code, reason = "other benchmarks use the rest of it")]
#[path = "../tests/support/flood/mod.rs"]
mod flood;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/quic.rs"]
mod quic;
mod said;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/speech.rs"]
mod speech;

use flood::{Flood, Traffic};

const GHOSTPORT: &str = env!("CARGO_BIN_EXE_ghostport");
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/COUNTS.md");
/// How far a count may lie from what is recorded. Threads take turns a little differently in every run.
const TOLERANCE: f64 = 0.05;
/// Packets of the smaller capture and of the larger one; the parts see the smaller.
const SIZES: [u64; 2] = [20_000, 60_000];
/// Packets decoded or folded in at once, as a worker does.
const BURST: usize = 256;

/// Name, what is counted, and over which traffic.
const CASES: [(&str, Work, Traffic); 11] = [
    ("decode/small64", Work::Decode, Traffic::Small),
    ("decode/mixed", Work::Decode, Traffic::Mixed),
    ("update/small64", Work::Update, Traffic::Small),
    ("update/mixed", Work::Update, Traffic::Mixed),
    ("update/syn", Work::Update, Traffic::SynScan),
    ("recognise/mixed", Work::Recognise, Traffic::Mixed),
    ("line/flow", Work::FlowLine, Traffic::Small),
    ("line/alert", Work::AlertLine, Traffic::Small),
    ("replay/small64", Work::Replay, Traffic::Small),
    ("replay/mixed", Work::Replay, Traffic::Mixed),
    ("replay/syn", Work::Replay, Traffic::SynScan),
];

/// What a packet (with [`Work::Recognise`]: a flow; for lines: a verdict of ours) is put through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Decode,
    Update,
    Recognise,
    FlowLine,
    AlertLine,
    Replay,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    // Under valgrind: the work of one case.
    if let [name, capture, rounds] = &words[..] {
        let case = CASES.iter().find(|(known, ..)| known == name).expect("a known case");
        println!("{}", rehearse(case.1, Path::new(capture), rounds.parse().expect("a number")));
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("SKIPPED the instruction counts: no valgrind (apt-get install valgrind)");
        return ExitCode::SUCCESS;
    }
    let counts: Vec<(&str, f64)> =
        CASES.iter().map(|(name, work, traffic)| (*name, each(name, *work, *traffic))).collect();
    if std::env::var_os("BLESS").is_some_and(|value| !value.is_empty()) {
        fs::write(FILE, report(&counts)).expect("the tree can be written");
        println!("{}", report(&counts));
        return ExitCode::SUCCESS;
    }
    compare(&counts, &fs::read_to_string(FILE).unwrap_or_default())
}

/// Instructions per packet, or per flow.
fn each(name: &str, work: Work, traffic: Traffic) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [smaller, larger] = SIZES.map(|packets| {
        let flows = if traffic == Traffic::SynScan { packets } else { packets / 10 };
        let path = folder.path().join(format!("{packets}.pcap"));
        let mut out = BufWriter::new(fs::File::create(&path).expect("a file"));
        Flood::new(traffic, packets, flows, 1).write(&mut out).expect("room on the disk");
        drop(out.into_inner().expect("room on the disk"));
        path.display().to_string()
    });
    let [once, twice] = if work == Work::Replay {
        [smaller, larger].map(|path| {
            let (count, _) = counted(&[GHOSTPORT, "-q", "-n", "-o", "eve:/dev/null", "-r", &path]);
            let [few, many] = SIZES.map(|size| u32::try_from(size).map_or(f64::INFINITY, f64::from));
            (count, many - few)
        })
    } else {
        let itself = std::env::current_exe().expect("we run").display().to_string();
        ["1", "2"].map(|rounds| {
            let (count, said) = counted(&[&itself, name, &smaller, rounds]);
            (count, said.trim().parse().expect("how many were done"))
        })
    };
    (twice.0 - once.0) / once.1
}

/// Instructions of a whole run, and what it said. On one core, where taskset(1) gives one: the program then
/// does all on one thread, and it is not counted how long threads wait for each other.
fn counted(words: &[&str]) -> (f64, String) {
    let has_taskset = Command::new("taskset").args(["-c", "0", "true"]).status().is_ok_and(|s| s.success());
    let mut command = Command::new(if has_taskset { "taskset" } else { "valgrind" });
    if has_taskset {
        command.args(["-c", "0", "valgrind"]);
    }
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]).args(words);
    let run = command.stdin(Stdio::null()).output().expect("valgrind starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{words:?}: {said}");
    let count = said.lines().filter(|line| line.contains("refs:")).find_map(|line| line.rsplit_once(' '));
    let (_, count) = count.unwrap_or_else(|| panic!("{words:?}: no count in {said}"));
    let count = count.replace(',', "").parse().expect("a number");
    (count, String::from_utf8_lossy(&run.stdout).into_owned())
}

fn compare(counts: &[(&str, f64)], recorded: &str) -> ExitCode {
    let mut missed = false;
    println!("{:<20}{:>12}{:>12}{:>9}", "per packet or flow", "now", "recorded", "change");
    for (name, now) in counts {
        let line = recorded.lines().find_map(|line| line.strip_prefix(&format!("| {name} | ")));
        let before = line.and_then(|rest| rest.trim_end_matches(['|', ' ']).parse::<f64>().ok());
        let change = before.map_or(f64::INFINITY, |before| now / before - 1.0);
        let off = change.abs() > TOLERANCE;
        missed |= off;
        let note = if off { "  OFF" } else { "" };
        println!("{name:<20}{now:>12.0}{:>12.0}{:>8.1}%{note}", before.unwrap_or(0.0), change * 100.0);
    }
    if missed {
        println!(
            "\nMore than {:.0} % off benches/COUNTS.md. If that is meant: make counts BLESS=1, and commit.",
            TOLERANCE * 100.0
        );
    }
    ExitCode::from(u8::from(missed))
}

fn report(counts: &[(&str, f64)]) -> String {
    let mut text = String::from(
        "# Instruction counts\n\
         Written by `make counts BLESS=1`; do not edit. `make counts` compares, within five per cent.\n\
         What is counted, and how: see `benches/counts.rs`. `recognise` is per flow of about ten packets,\n\
         `line` per EVE line; the others are per packet, `replay` for the whole program with its alerts\n\
         written.\n\n\
         | case | instructions |\n|---|---|\n",
    );
    for (name, count) in counts {
        let _never_fails = writeln!(text, "| {name} | {count:.0} |");
    }
    text
}

/// Does one part so many times, and says how many packets or flows each round had.
fn rehearse(work: Work, capture: &Path, rounds: u32) -> usize {
    if matches!(work, Work::FlowLine | Work::AlertLine) {
        return write_lines(work, rounds);
    }
    let file = fs::read(capture).expect("a capture");
    let frames = frames(&file);
    let clock = frames.last().expect("a frame").time;
    let (mut decoder, scratch, mut packets) = (Decoder::new(Limits::default()), Scratch::new(), Vec::new());
    let mut decode = |packets: &mut Vec<_>| {
        packets.clear();
        for frame in &frames {
            decoder.decode(frame, frame.time, &scratch, packets).expect("a good frame");
        }
    };
    decode(&mut packets);
    let mut talks = Talks(Vec::new());
    update(&packets, clock, &mut talks);
    let mut released = Released;
    for _ in 0..rounds {
        match work {
            Work::Decode => decode(&mut packets),
            Work::Update => update(&packets, clock, &mut released),
            _ => talks.recognise(),
        }
    }
    black_box(&packets);
    if work == Work::Recognise { talks.0.len() } else { frames.len() }
}

/// EVE lines about the verdicts or alerts of [`said`], many times each, after one that makes everything
/// ready.
fn write_lines(work: Work, rounds: u32) -> usize {
    const TIMES: usize = 1000;
    let (verdicts, alerts) = said::said();
    let records: Vec<Record<'_>> = if work == Work::AlertLine {
        alerts.iter().map(Record::Alert).collect()
    } else {
        verdicts.iter().map(|verdict| Record::Flow { verdict, alerted: true }).collect()
    };
    let inputs = ["traffic.pcap".to_owned()];
    let context = said::context(&inputs);
    let mut batch = Vec::new();
    for _ in 0..1 + TIMES * rounds as usize {
        batch.clear();
        records.iter().for_each(|record| eve::write(&mut batch, &context, black_box(record)));
    }
    black_box(&batch);
    TIMES * records.len()
}

/// A worker's flow table, from the first packet to the end of the input.
fn update(packets: &[Packet<'_>], clock: Timestamp, ears: &mut impl Ears<u8>) {
    let (mut table, mut events) = (Table::new(&Config::default(), 0, 1), Told::<u8>::default());
    for burst in packets.chunks(BURST) {
        table.update(burst, ears, &mut events);
        table.expire(burst.last().map_or(clock, |packet| packet.clock), &mut events);
        black_box(&events);
        events.clear();
    }
    table.finish(clock, &mut events);
    black_box(&events);
}

/// Wants nothing more than to be asked.
struct Released;

impl Ears<u8> for Released {
    fn hear(&mut self, _: &Flow) -> (u8, Keep) {
        (0, Keep::Release)
    }
}

/// What flows said when they were heard.
struct Talks(Vec<(Carrier, Vec<u8>, Vec<u8>)>);

impl Talks {
    fn recognise(&self) {
        for (carrier, asks, answers) in &self.0 {
            black_box(recognise(*carrier, black_box(asks), black_box(answers)));
        }
    }
}

impl Ears<u8> for Talks {
    fn hear(&mut self, flow: &Flow) -> (u8, Keep) {
        let carrier = if flow.transport == Transport::Tcp { Carrier::Stream } else { Carrier::Datagram };
        self.0.push((carrier, flow.head_orig.bytes.clone(), flow.head_resp.bytes.clone()));
        (0, Keep::Release)
    }
}

/// The frames of a capture of ours.
fn frames(file: &[u8]) -> Vec<Frame<'_>> {
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let part = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
        let (bytes, behind) = behind.split_at(part(8) as usize);
        frames.push(Frame {
            number: frames.len() as u64 + 1,
            time: Timestamp::from_parts(i64::from(part(0)), u64::from(part(4))),
            link: LinkType::ETHERNET,
            input: 0,
            wire_len: part(12),
            bytes,
        });
        rest = behind;
    }
    frames
}
