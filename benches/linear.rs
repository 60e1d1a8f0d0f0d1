//! Does work grow linearly? Nanoseconds of the whole release binary at 1 k to 4 M concurrent flows, on one
//! core (by taskset(1)), with one worker and a core for the judge, and with two workers, as the table that
//! stands in README.
//!
//! Every flow opens with a SYN, then smallest frames of flows picked at random follow, all within seconds, so
//! that no flow ends before the input does. Each number of flows is measured over two captures that differ in
//! how many frames follow: the difference is what one more packet costs (of a flow that is there), the rest
//! is what opening, judging and closing a flow costs, start of the program included. The quickest of three
//! runs counts. `tcpdump -r FILE -w /dev/null` on the same file is the yardstick, where it is installed.
//! `GHOSTPORT_BENCH_PACKETS` is how many more frames the larger capture has (default 4,000,000).

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a measuring tool for developers: it stops when it cannot go on, and prints what it measured"
)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

#[allow(dead_code, reason = "other benchmarks use the rest of it")]
#[path = "../tests/support/flood/mod.rs"]
mod flood;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/quic.rs"]
mod quic;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/speech.rs"]
mod speech;

use flood::{Flood, Traffic};

const GHOSTPORT: &str = env!("CARGO_BIN_EXE_ghostport");
const FLOWS: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 4_000_000];
const RUNS: usize = 3;
/// Frames that follow the openings in the smaller capture, at least, and for each flow: so many that all but
/// one in fifty have grown out of the half-open record, which is part of what a flow costs, not of what a
/// packet costs.
const FEW: u64 = 500_000;
const FEW_PER_FLOW: u64 = 4;

fn main() {
    // `cargo bench` runs every bench; this one takes minutes and is asked for by name.
    if !std::env::args().any(|word| word == "run") {
        println!("nothing to do: make bench-linear");
        return;
    }
    let more = std::env::var("GHOSTPORT_BENCH_PACKETS")
        .map_or(4_000_000, |text| text.parse::<u64>().expect("a whole number").max(1));
    println!(
        "| flows | ns per packet, one core | 1 worker | 2 workers | tcpdump \
         | µs per flow, one core | 1 worker | 2 workers |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("linear.pcap");
    for flows in FLOWS {
        let least = FEW.max(FEW_PER_FLOW * flows);
        // One file at a time: the largest is 1.8 GB.
        let [few, many] = [least, least + more].map(|follow| {
            make(&path, flows + follow, flows);
            let file = path.display().to_string();
            let words = ["-q", "-n", "-r", &file, "-o", "eve:/dev/null", "--flows-max", "8388608"];
            let replay = |workers| quickest(GHOSTPORT, &[&words[..], &["--workers", workers]].concat());
            let one_core = quickest("taskset", &[&["-c", "0", GHOSTPORT][..], &words].concat());
            [one_core, replay("1"), replay("2"), quickest("tcpdump", &["-r", &file, "-w", "/dev/null"])]
        });
        let packet = [0, 1, 2, 3].map(|at| (many[at] - few[at]) / as_float(more));
        let flow = [0, 1, 2].map(|at| (few[at] - packet[at] * as_float(least)) / as_float(flows) / 1000.0);
        println!(
            "| {flows} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} |",
            packet[0], packet[1], packet[2], packet[3], flow[0], flow[1], flow[2]
        );
    }
}

fn make(path: &Path, packets: u64, flows: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    Flood::new(Traffic::Small, packets, flows, 1).write(&mut out).expect("room on the disk");
    out.flush().expect("room on the disk");
}

/// Nanoseconds of wall time, the least of a few runs; NaN where the program is not installed.
fn quickest(program: &str, words: &[&str]) -> f64 {
    let runs = (0..RUNS).map(|_| {
        let start = Instant::now();
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(status) = command.status() else { return f64::NAN };
        assert!(status.success(), "{program} {words:?}: {status}");
        start.elapsed().as_secs_f64() * 1e9
    });
    runs.fold(f64::NAN, f64::min)
}

fn as_float(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}
