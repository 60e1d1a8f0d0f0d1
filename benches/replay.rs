//! Whole replay: packets a second of the real binary, from a capture file to nothing written but the closing
//! record.
//!
//! The captures are made here, seeded, in a temporary folder, and read once before measuring, so that the
//! page cache is warm for everyone. `tcpdump -r FILE -w /dev/null` on the same file in the same run is the
//! yardstick, where it is installed: it only copies, so it says how much of the time is reading.
//! `GHOSTPORT_BENCH_PACKETS` and `GHOSTPORT_BENCH_FLOWS` change the size (default 1,000,000 packets, 100,000
//! flows).

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that cannot go on stops; its macros write no docs"
)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

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

fn replay(criterion: &mut Criterion) {
    let (packets, flows) =
        (size("GHOSTPORT_BENCH_PACKETS", 1_000_000), size("GHOSTPORT_BENCH_FLOWS", 100_000));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let kinds = [("small", Traffic::Small), ("mixed", Traffic::Mixed), ("syn-scan", Traffic::SynScan)];
    for (name, traffic) in kinds {
        let file = folder.path().join(format!("{name}.pcap"));
        let flows = if traffic == Traffic::SynScan { packets } else { flows };
        make(&file, traffic, packets, flows);
        let mut group = criterion.benchmark_group(format!("replay/{name}"));
        group.sample_size(10).throughput(Throughput::Elements(packets));
        let path = file.display().to_string();
        group.bench_function("ghostport", |bencher| {
            bencher.iter(|| run(GHOSTPORT, &["-q", "-r", &path, "-o", "eve:-"]))
        });
        if Command::new("tcpdump").arg("--version").output().is_ok() {
            group.bench_function("tcpdump", |bencher| {
                bencher.iter(|| run("tcpdump", &["-r", &path, "-w", "/dev/null"]));
            });
        }
        group.finish();
    }
}

/// A number from the environment.
fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn make(file: &Path, traffic: Traffic, packets: u64, flows: u64) {
    let mut out = BufWriter::new(File::create(file).expect("a file"));
    Flood::new(traffic, packets, flows, 1).write(&mut out).expect("room on the disk");
    out.flush().expect("room on the disk");
}

fn run(program: &str, args: &[&str]) {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().expect("starts");
    assert!(status.success(), "{program} {args:?}: {status}");
}

criterion_group!(benches, replay);
criterion_main!(benches);
