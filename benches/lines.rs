//! What lines cost the packets: the whole release binary over captures whose flows end all along, without
//! lines and with a line for every flow, as the table that stands in README. The goals: 200,000 alert lines a
//! second to a file and 50,000 a second to a bulk receiver over HTTP, with at least 0.95 of the packet rate.
//!
//! Every way of running is measured several times, in turns with the others over the same capture, and
//! compared with the run beside it: what else the machine does comes and goes. Medians count. A run that
//! does not give exactly a line for each flow fails (to the receiver: at least; it may get one twice). CPU
//! time is that of the threads of the median run, looked at every few milliseconds; of the receiver, which
//! is a part of this program, all that it spent meanwhile. On a machine with too few cores for all threads,
//! or a busy one, the busiest thread says what would be left of the packet rate if each had a core of its
//! own.
//!
//! `GHOSTPORT_BENCH_PACKETS` (8,000,000 in each capture), `GHOSTPORT_BENCH_FILE` and `GHOSTPORT_BENCH_BULK`
//! (packets for each flow, [`PER_FLOW`]: they set how fast lines come), `GHOSTPORT_BENCH_WORKERS` (1) and
//! `GHOSTPORT_BENCH_RUNS` (5) change the load. Files are made in the temporary folder (`TMPDIR`), which
//! should be on a real disk: some 2 GB.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a measuring tool for developers: it stops when it cannot go on, and prints what it measured"
)]

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

mod bulk;
mod cpu;
#[allow(dead_code, reason = "other benchmarks use the rest of it")]
#[path = "../tests/support/flood/mod.rs"]
mod flood;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/quic.rs"]
mod quic;
#[path = "lines/run.rs"]
mod run;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/speech.rs"]
mod speech;

use bulk::Bulk;
use flood::{Flood, Traffic};
use run::{Out, Run, Way};

/// Packets for each flow, with lines to a file and to the bulk receiver: so few that lines come about as fast
/// as the goals say, as far as flows can be judged that fast.
const PER_FLOW: [u64; 2] = [24, 80];
/// Of the packet rate without lines, what must be left.
const LEFT: f64 = 0.95;
const RULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/lines/rule.toml");

fn main() {
    // `cargo bench` runs every bench; this one takes minutes and is asked for by name.
    if !std::env::args().any(|word| word == "run") {
        println!("nothing to do: make bench-lines");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (capture, lines) = (folder.path().join("turnover.pcap"), folder.path().join("lines.json"));
    let (packets, runs) = (size("PACKETS", 8_000_000), size("RUNS", 5));
    let flows = (packets / size("FILE", PER_FLOW[0]).max(1)).max(1);
    let [read, workers] = [capture.display().to_string(), size("WORKERS", 1).to_string()];
    let common = ["-q", "-n", "-r", &read, "--workers", &workers];
    let way = |name, base, lines, goal, out, more: &[&str]| {
        let args = [&common, more].concat().into_iter().map(str::to_owned).collect();
        Way { name, base, lines, goal, out, args }
    };
    let file = |types| Out::File { types, path: lines.clone() };
    let ways = [
        way("no lines", 0, 0, 0, file("stats"), &[]),
        way("a line for each flow, to a file", 0, flows, 200_000, file("flow,stats"), &["--flows"]),
        way(
            "a line for each flow, to nowhere",
            0,
            flows,
            0,
            Out::Nowhere { types: "flow,stats" },
            &["--flows"],
        ),
        way("no lines, a rule for each flow", 0, 0, 0, file("stats"), &["-S", RULE]),
        way("an alert for each flow, to a file", 3, flows, 200_000, file("alert,stats"), &["-S", RULE]),
        way(
            "an alert for each flow, to nowhere",
            3,
            flows,
            0,
            Out::Nowhere { types: "alert,stats" },
            &["-S", RULE],
        ),
    ];
    println!(
        "| {packets} packets | packets/s (least, most) | lines/s | of its base | by its busiest thread \
         | of no lines | goal | CPU s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    make(&capture, packets, flows);
    table(&ways, packets, runs);
    let flows = (packets / size("BULK", PER_FLOW[1]).max(1)).max(1);
    let receiver = Out::Bulk(Bulk::start().expect("loopback"));
    let ways = [
        way("no lines, longer flows", 0, 0, 0, file("stats"), &[]),
        way("a line for each flow, in bulk over HTTP", 0, flows, 50_000, receiver, &["--flows"]),
    ];
    make(&capture, packets, flows);
    table(&ways, packets, runs);
}

fn make(path: &Path, packets: u64, flows: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    Flood::new(Traffic::Turnover, packets, flows, 1).write(&mut out).expect("room on the disk");
    // Or the disk would be busy with it while others are measured.
    out.into_inner().expect("room on the disk").sync_all().expect("a disk");
}

/// Runs all ways over the same capture, in turns, and prints a line for each.
fn table(ways: &[Way], packets: u64, runs: u64) {
    let all: Vec<Vec<Run>> = (0..runs.max(1)).map(|_| ways.iter().map(Way::run).collect()).collect();
    for (at, way) in ways.iter().enumerate() {
        let rate = |run: &Run| as_float(packets) / run.seconds / 1e6;
        let mut runs: Vec<&Run> = all.iter().map(|round| &round[at]).collect();
        runs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let (run, most, least) = (runs[runs.len() / 2], runs[0], runs[runs.len() - 1]);
        let beside = |base: usize, took: fn(&Run) -> f64| {
            let mut shares: Vec<f64> =
                all.iter().map(|round| took(&round[base]) / took(&round[at])).collect();
            shares.sort_by(f64::total_cmp);
            shares[shares.len() / 2]
        };
        let [left, of_none] = [way.base, 0].map(|base| beside(base, |run| run.seconds));
        let lines = as_float(way.lines) / run.seconds;
        let goal = match as_float(way.goal) {
            0.0 => "",
            goal if lines >= goal && left >= LEFT => "reached",
            goal if lines / left < goal => "not shown: flows come slower",
            _ => "not reached",
        };
        println!(
            "| {} | {:.2} M ({:.2}, {:.2}) | {lines:.0} | {left:.2} | {:.2} | {of_none:.2} | {goal} | {} |",
            way.name,
            rate(run),
            rate(least),
            rate(most),
            beside(way.base, Run::busiest),
            spent(run)
        );
    }
}

/// Wall time, CPU seconds of each thread, and those of the receiver.
fn spent(run: &Run) -> String {
    let mut text = format!("in {:.2}:", run.seconds);
    for (name, seconds) in &run.threads {
        let _never_fails = write!(text, " {name} {seconds:.2}");
    }
    text
}

/// A number from the environment.
fn size(name: &str, default: u64) -> u64 {
    std::env::var(format!("GHOSTPORT_BENCH_{name}"))
        .map_or(default, |text| text.parse().expect("a whole number"))
}

fn as_float(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
