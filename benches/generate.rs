//! Writes the large captures that the figures in README are measured with: `small64.pcap`, `mixed.pcap`,
//! `syn.pcap`, `turnover.pcap`. Seeded: anyone gets the same bytes.
//!
//! `cargo bench --bench generate -- DIR [small64] [mixed] [syn] [turnover]` (`make captures-large DIR=...`)
//! writes all or the named ones into DIR. `GHOSTPORT_BENCH_PACKETS`, `GHOSTPORT_BENCH_FLOWS`,
//! `GHOSTPORT_BENCH_SEED` and `GHOSTPORT_BENCH_GAP` (picoseconds from frame to frame) change each of them.
//! Without DIR nothing is written.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a tool for developers: it stops when it cannot go on, and prints what it wrote"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

#[path = "../tests/support/flood/mod.rs"]
mod flood;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/quic.rs"]
mod quic;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/speech.rs"]
mod speech;

use flood::{Flood, Traffic};

/// Name, kind, packets, flows.
const CAPTURES: [(&str, Traffic, u64, u64); 4] = [
    ("small64", Traffic::Small, 20_000_000, 1_000_000),
    ("mixed", Traffic::Mixed, 10_000_000, 1_000_000),
    ("syn", Traffic::SynScan, 5_000_000, 5_000_000),
    ("turnover", Traffic::Turnover, 10_000_000, 500_000),
];

fn main() {
    // cargo adds --bench.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let Some((folder, names)) = words.split_first() else {
        println!("nothing to do: cargo bench --bench generate -- DIR [small64] [mixed] [syn] [turnover]");
        return;
    };
    for name in names {
        assert!(
            CAPTURES.iter().any(|(known, ..)| known == name),
            "{name}: not small64, mixed, syn or turnover"
        );
    }
    fs::create_dir_all(folder).expect("a folder can be made there");
    for (name, traffic, packets, flows) in CAPTURES {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let (packets, flows) =
            (size("GHOSTPORT_BENCH_PACKETS", packets), size("GHOSTPORT_BENCH_FLOWS", flows));
        let mut flood = Flood::new(traffic, packets, flows, size("GHOSTPORT_BENCH_SEED", 1));
        flood.gap = size("GHOSTPORT_BENCH_GAP", flood.gap);
        let path = Path::new(folder).join(format!("{name}.pcap"));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&path).expect("a file"));
        flood.write(&mut out).expect("room on the disk");
        out.flush().expect("room on the disk");
        let bytes = fs::metadata(&path).expect("just written").len();
        println!("{}: {packets} packets, {flows} flows, {bytes} bytes", path.display());
    }
}

/// A number from the environment.
fn size(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}
