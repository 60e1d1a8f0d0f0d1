//! One alert per story over the real binary: few lines, no flow lost, the same bytes with any number of
//! workers.

use std::collections::BTreeMap;
use std::io::BufWriter;

use serde_json::Value;

use crate::support::{binary, flood};

const FLOWS: u64 = 20_000;
const MISDIRECTED: &str = "captures/misdirected/traffic.pcap";

fn of<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["event_type"] == kind)
}

fn states(events: &[Value]) -> BTreeMap<&str, u64> {
    let mut states = BTreeMap::new();
    for alert in of(events, "alert") {
        *states.entry(alert["ghostport"]["aggregate"]["state"].as_str().expect("a state")).or_default() += 1;
    }
    states
}

#[test]
fn a_scan_is_a_few_lines_and_no_probe_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scan.pcap");
    let mut file = BufWriter::new(std::fs::File::create(&path).expect("a file"));
    let scan = flood::Flood::new(flood::Traffic::SynScan, FLOWS, FLOWS, 7);
    scan.write(&mut file).expect("room on the disk");
    drop(file.into_inner().expect("written"));
    let run = |workers: &str, more: &[&str]| {
        let file = path.display().to_string();
        let run = binary::run(&[&["-r", &file, "--workers", workers], more].concat());
        run.expect_code(0);
        run
    };
    let one = run("1", &["--flows"]);
    assert!(one.stdout == run("8", &["--flows"]).stdout, "other bytes with eight workers");
    let events = one.events();
    assert!(of(&events, "alert").count() < 10);
    let told = |key: &'static str| {
        let counts = of(&events, "alert").map(move |alert| alert["ghostport"]["aggregate"][key].as_u64());
        counts.map(|count| count.expect("a count"))
    };
    let alerted = of(&events, "flow").filter(|flow| flow["flow"]["alerted"] == true).count() as u64;
    assert_eq!((told("flows").sum::<u64>(), told("total").max()), (alerted, Some(alerted)));
    assert!(alerted > FLOWS - 100, "{alerted}");
    let stats = one.stats();
    assert_eq!(stats["ghostport"]["alerted_flows"], alerted);
    assert_eq!(stats["ghostport"]["alerts"], of(&events, "alert").count());
}

/// What `benches/lines.rs` counts on: a line and an alert for every conversation, most of them long before
/// the end.
#[test]
fn conversations_with_services_of_their_own_are_an_alert_each() {
    const TALKS: u64 = 500;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("turnover.pcap");
    let mut file = BufWriter::new(std::fs::File::create(&path).expect("a file"));
    // A hundred seconds in all.
    let turnover = flood::Flood::new(flood::Traffic::Turnover, 10 * TALKS, TALKS, 7);
    flood::Flood { gap: 20_000_000_000, ..turnover }.write(&mut file).expect("room on the disk");
    drop(file.into_inner().expect("written"));
    let run = binary::run(&["-r", &path.display().to_string(), "--flows", "-S", "benches/lines/rule.toml"]);
    run.expect_code(0);
    let events = run.events();
    let flows: Vec<_> = of(&events, "flow").collect();
    assert_eq!((flows.len() as u64, of(&events, "alert").count() as u64), (TALKS, TALKS));
    assert!(flows.iter().all(|flow| flow["ghostport"]["conn_state"] == "SF"));
    let by_time = flows.iter().filter(|flow| flow["flow"]["reason"] == "timeout").count() as u64;
    assert!(by_time > TALKS * 8 / 10, "{by_time}");
    assert_eq!(run.stats()["ghostport"]["packets"]["read"], 10 * TALKS);
}

#[test]
fn the_interval_is_kept_and_every_line_can_be_asked_why() {
    let run = binary::run(&["-r", MISDIRECTED, "--alert-interval", "60"]);
    run.expect_code(0);
    let events = run.events();
    let states = states(&events);
    assert!(states["update"] >= states["first"] && states["closing"] == states["first"], "{states:?}");
    let why = binary::run_with_stdin(&["why"], run.stdout.as_bytes());
    why.expect_code(0);
    assert_eq!(why.stdout.matches("verdict:").count(), of(&events, "alert").count());
    binary::run(&["-r", MISDIRECTED, "--alert-interval", "0"]).expect_code(2);
}

#[test]
fn a_severity_that_is_wanted_is_noticed_whatever_line_says_it() {
    binary::run(&["-r", MISDIRECTED, "--fail-on", "informational"]).expect_code(1);
    binary::run(&["-r", MISDIRECTED, "--fail-on", "low"]).expect_code(0);
}
