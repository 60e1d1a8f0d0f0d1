//! More lines than can be made: the real binary is sent flows faster than it can write them in six formats.
//! Capture must go on, and every line must be there or be counted as lost.
//!
//! How many are lost depends on the machine and is no part of the test, but for this: a build without
//! optimising needs ten times as long for six lines as for the flow, so one that loses none has made the
//! capture wait. Nor are frames that the kernel drops: a machine that is busy elsewhere drops some without a
//! line being written.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::live::{CLIENT, Link, SERVER, link_for};
use crate::support::json;

/// Datagrams, each a flow of its own. More than may be on their way to who writes the lines, by far.
const FLOWS: u64 = 20_000;
/// For what is a matter of seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn a_flood_of_lines_costs_lines_and_every_one_is_counted() {
    let Some(link) = link_for("a_flood_of_lines_costs_lines_and_every_one_is_counted", "o") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let files = ["eve", "ecs", "ocsf", "hec", "syslog", "cef"].map(|format| folder.path().join(format));
    let outputs = files.each_ref().map(|file| {
        let format = file.file_name().and_then(|name| name.to_str()).expect("a format");
        format!("{format}[flow]:{}", file.display())
    });
    let filter = format!("udp and src host {CLIENT} and dst host {SERVER}");
    let mut args = vec!["-i", "gp0", "--flows", "--stats-interval", "1", "-o", "eve[stats]:-"];
    // A small table, so that flows end as fast as they come.
    args.extend(["--flows-max", "512", "--buffer-mib", "64", "--drain-timeout", "60"]);
    args.extend(outputs.iter().flat_map(|output| ["-o", output]));
    args.push(&filter);
    let watcher = link.start(&args);
    let begun = Instant::now();
    flood(&link);
    let before = Cell::new(0);
    // Everything that came was read or dropped, and nothing came since the record before.
    let at_rest = |stats: &Value| {
        counts(stats).is_some_and(|(read, came)| read == came && before.replace(read) == read && read > 0)
    };
    watcher.expect_line(begun + LIMIT, at_rest);
    let read_after = begun.elapsed();
    let (run, events) = watcher.stop_within("INT", LIMIT);

    let stats = events.last().expect("a closing record");
    json::identity(stats).expect("the identity holds");
    let flows = stats["ghostport"]["flows"]["opened"].as_u64().expect("a number");
    assert_eq!(counts(stats), Some((flows, flows)), "{stats}");
    let mut lost_in_all = lost(&run.stderr, "standard output");
    for (output, file) in outputs.iter().zip(&files) {
        let text = fs::read_to_string(file).expect("an output");
        assert!(text.ends_with('\n'), "{output}: a torn line");
        let lost = lost(&run.stderr, &file.display().to_string());
        assert_eq!(text.lines().count() as u64 + lost, flows, "{output}; stderr:\n{}", run.stderr);
        lost_in_all += lost;
    }
    let dropped = &stats["ghostport"]["capture"]["dropped_kernel"];
    eprintln!("{flows} flows read after {read_after:?}, {dropped} frames dropped, {lost_in_all} lines lost");
    assert_eq!(stats["ghostport"]["lines_lost"], lost_in_all, "{stats}; stderr:\n{}", run.stderr);
    run.expect_code(if lost_in_all == 0 { 0 } else { 74 });
    if cfg!(debug_assertions) && flows > FLOWS / 2 {
        run.expect_said(&["there were more lines than could be made in time", " so far"]);
    }
}

/// A datagram to so many ports of the server, as fast as they go.
fn flood(link: &Link) {
    let code = format!(
        "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         for port in range(1, {FLOWS} + 1):\n s.sendto(b'x', ('{SERVER}', port))"
    );
    let sent = Link::inside(&link.client, "python3", &["-c", &code]).status().expect("python3 runs");
    assert!(sent.success(), "datagrams to {SERVER}");
}

/// Packets that were read and packets that were to be read, by a `stats` record.
fn counts(stats: &Value) -> Option<(u64, u64)> {
    let capture = &stats["ghostport"]["capture"];
    let read = json::packets(stats)?["read"].as_u64()?;
    Some((read, capture["received"].as_u64()? - capture["dropped_kernel"].as_u64()?))
}

/// What is said at the end of an output that lost lines; 0 when nothing is.
fn lost(stderr: &str, name: &str) -> u64 {
    let closing = stderr.lines().find(|line| line.contains(&format!("lines were not written to {name}: ")));
    closing.map_or(0, |line| {
        let mut numbers =
            line.split(|letter: char| !letter.is_ascii_digit()).filter_map(|word| word.parse().ok());
        numbers.next().expect("a number")
    })
}
