//! Live capture under load: how many packets a second the real binary takes from an interface before anything
//! is dropped, and what a packet costs it, beside `tcpdump -w /dev/null` under the same load.
//!
//! Makes a network namespace of its own with a veth pair, and removes it. A sender (this program again, in
//! that namespace) first opens every flow once at a gentle rate, then sends minimum-size frames of them
//! at a given rate, seeded, with sendmmsg(2) on a packet socket past the queueing discipline. The kernel's
//! half of receiving runs on the sender's core; what is measured is the receiver's CPU time. Needs root, ip,
//! kill, and a release build; without the rights it says so and does nothing.
//!
//! `GHOSTPORT_BENCH_FLOWS` (1,000,000), `GHOSTPORT_BENCH_SECONDS` (5) and `GHOSTPORT_BENCH_RATES` (packets a
//! second, 0 for as fast as it goes: `250000,500000,1000000,0`) change the load.

#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "sendmmsg(2) and packet sockets have no safe form in libc")
)]
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a benchmark that cannot go on stops, and its table is printed"
)]

#[cfg(target_os = "linux")]
mod cpu;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "other benches use the rest of it")]
#[path = "../tests/support/flood/mod.rs"]
mod flood;
#[cfg(target_os = "linux")]
#[path = "live/load.rs"]
mod load;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/quic.rs"]
mod quic;
#[cfg(target_os = "linux")]
#[path = "live/send.rs"]
mod send;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/support/speech.rs"]
mod speech;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("SKIPPED the live benchmark: needs Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    if let Ok(task) = std::env::var(send::TASK) {
        return send::run(&task);
    }
    let link = match load::Link::new() {
        Ok(link) => link,
        Err(why) => return eprintln!("SKIPPED the live benchmark: cannot make a network namespace: {why}"),
    };
    let (flows, seconds) = (size("FLOWS", 1_000_000), size("SECONDS", 5));
    let rates = std::env::var("GHOSTPORT_BENCH_RATES").unwrap_or("250000,500000,1000000,0".into());
    let rates: Vec<u64> = rates.split(',').filter_map(|rate| rate.trim().parse().ok()).collect();
    println!(
        "{flows} flows opened first, then {seconds} s of 64-byte frames; dropped by the link, in the ring,"
    );
    println!("and what ghostport had not read when told to stop; CPU time of the receiver per packet it saw");
    println!("{}", load::heading());
    for watcher in load::WATCHERS {
        if !watcher.is_there() {
            println!("SKIPPED {}: not installed", watcher.name);
            continue;
        }
        for &rate in &rates {
            println!("{}", link.measure(watcher, flows, seconds, rate));
        }
    }
}

/// A number from the environment.
#[cfg(target_os = "linux")]
fn size(name: &str, default: u64) -> u64 {
    std::env::var(format!("GHOSTPORT_BENCH_{name}"))
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}
