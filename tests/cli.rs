//! The command line on the real binary: help, versions, exit codes, pipes, signals, and the same bytes every
//! time.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::captures;
use crate::scenarios;
use crate::support::pcap;
use crate::support::talk::{Recorded, Tap};
use crate::support::{binary, speech, tree};

/// Subcommands of DESIGN section 4 that this version has.
const SUBCOMMANDS: [&str; 9] =
    ["explain", "why", "ports", "rules", "listeners", "doctor", "schema", "completions", "man"];

#[test]
fn help_is_grouped_complete_and_as_written_down() {
    let run = binary::run(&["--help"]);
    run.expect_code(0);
    let headings = ["Input:", "Output:", "Rules and registry:", "Flow tracking:", "Exit codes:"];
    let options = [
        "-r",
        "-i",
        "-F",
        "-c",
        "-s",
        "-S",
        "-o",
        "-w",
        "-n",
        "-q",
        "-v",
        "-T",
        "-V",
        "--fail-on",
        "--workers",
        "--color",
        "--flows",
        "--ports",
    ];
    for word in headings.iter().chain(&options).chain(&SUBCOMMANDS) {
        assert!(run.stdout.contains(word), "--help does not say {word}:\n{}", run.stdout);
    }
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    snapshot("help.txt", &run.stdout);
}

#[test]
fn every_subcommand_explains_itself() {
    for name in SUBCOMMANDS {
        let run = binary::run(&[name, "--help"]);
        run.expect_code(0);
        assert!(run.stdout.to_lowercase().contains("usage"), "{name} --help: {}", run.stdout);
    }
}

#[test]
fn versions_name_the_program() {
    let run = binary::run(&["-V"]);
    run.expect_code(0);
    assert_eq!(run.stdout, format!("ghostport {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn usage_mistakes_are_2_and_say_so_on_stderr() {
    for args in
        [&["--no-such-option"][..], &["-r"], &[], &["--workers", "0", "-r", "x"], &["no-such-command", "x"]]
    {
        let run = binary::run(args);
        assert_eq!(run.code, Some(2), "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_configuration_can_be_tested() {
    binary::run(&["-T"]).expect_code(0);
}

#[test]
fn the_output_goes_where_it_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("eve.json");
    let to_file = format!("eve:{}", file.display());
    let trace = trace("matrix-3098");
    let run = binary::run(&["-r", &trace, "--flows", "-o", &to_file]);
    run.expect_code(0);
    assert!(run.stdout.is_empty(), "data went to the file: {}", run.stdout);
    let both = binary::run(&["-r", &trace, "--flows", "-o", &to_file, "-o", "eve:-"]);
    both.expect_code(0);
    assert!(
        fs::read_to_string(&file).expect("written").contains(&both.stdout),
        "both places get the same lines"
    );
    assert!(!both.stdout.is_empty());
}

#[test]
fn without_a_terminal_and_options_the_lines_come_on_stdout() {
    let run = binary::run(&["-r", &trace("matrix-3098")]);
    run.expect_code(0);
    run.stats();
    assert!(run.events().iter().any(|event| event["event_type"] == "alert"));
    assert!(
        !run.events().iter().any(|event| event["event_type"] == "flow"),
        "flow records are off by default"
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut command = binary::ghostport(&["-r", &trace("scan"), "--flows", "--ports", "-o", "eve:-"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut first = String::new();
    let mut pipe = BufReader::with_capacity(64, child.stdout.take().expect("piped"));
    pipe.read_line(&mut first).expect("one line");
    drop(pipe);
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    std::io::Read::read_to_string(&mut stderr, &mut said).expect("reads");
    assert_eq!(binary::wait(&mut child, Duration::from_secs(60)), (Some(0), false), "{said}");
    assert!(first.starts_with('{') && !said.to_lowercase().contains("panic"), "{said}");
}

#[test]
fn fail_on_is_1_from_the_given_severity_on() {
    let malware = trace("suspected_malware");
    let quiet = trace("registered_service");
    binary::run(&["-r", &malware, "--fail-on", "informational"]).expect_code(1);
    binary::run(&["-r", &malware, "--fail-on", "high"]).expect_code(1);
    binary::run(&["-r", &malware]).expect_code(0);
    binary::run(&["-r", &quiet, "--fail-on", "informational"]).expect_code(0);
    binary::run(&["-r", &trace("unidentified_listener"), "--fail-on", "high"]).expect_code(0);
}

#[test]
fn a_filter_takes_part_of_the_traffic() {
    let trace = trace("matrix-3098");
    let all = binary::run(&["-r", &trace, "--flows", "-o", "eve:-"]);
    let some = binary::run(&["-r", &trace, "--flows", "-o", "eve:-", "tcp and port 443"]);
    some.expect_code(0);
    let flows = |run: &binary::Run| run.events().iter().filter(|e| e["event_type"] == "flow").count();
    assert!(flows(&some) > 0 && flows(&some) < flows(&all));
    assert!(some.events().iter().filter(|e| e["event_type"] == "flow").all(|e| e["dest_port"] == 443));
    let wrong = binary::run(&["-r", &trace, "tcp and and"]);
    wrong.expect_code(2).expect_said(&["filter"]);
}

#[test]
fn the_same_bytes_every_time_and_for_any_number_of_workers() {
    for scenario in scenarios::all() {
        let once = captures::replay(&scenario, &[]);
        assert!(!once.stdout.is_empty(), "{}: {}", scenario.name, once.stderr);
        for more in [&[][..], &["--workers", "1"], &["--workers", "2"], &["--workers", "5"]] {
            let again = captures::replay(&scenario, more);
            assert!(once.stdout == again.stdout, "{} {more:?}: other bytes", scenario.name);
        }
    }
}

#[test]
fn no_colour_and_no_control_characters_outside_terminals() {
    let run = binary::run(&["-r", &trace("suspected_malware"), "--flows", "-o", "eve:-"]);
    for (name, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        let odd = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(odd, None, "a control character on {name}: {text:?}");
    }
}

/// INT while more input may come: what was read is reported, the `stats` record closes the run, exit 0.
#[test]
fn an_interrupt_drains_and_reports() {
    let mut piped = Piped::start(&["--flows", "-o", "eve:-"]);
    piped.feed(&pcap::classic(pcap::ETHERNET, &web_on_3098(1)));
    thread::sleep(Duration::from_secs(1));
    piped.signal("INT");
    thread::sleep(Duration::from_millis(300));
    let run = piped.end();
    run.expect_code(0);
    run.stats();
    assert!(run.events().iter().any(|event| event["event_type"] == "flow"), "{}", run.stdout);
}

/// USR1 prints the counters on stderr; HUP lets go of a file that was moved away and writes a new one.
#[test]
fn signals_print_counters_and_reopen_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, moved) = (folder.path().join("eve.json"), folder.path().join("eve.json.1"));
    let mut piped = Piped::start(&["--flows", "-o", &format!("eve:{}", file.display())]);
    piped.feed(&pcap::classic(pcap::ETHERNET, &web_on_3098(1)));
    wait_for(&file);
    piped.signal("USR1");
    thread::sleep(Duration::from_millis(500));
    fs::rename(&file, &moved).expect("renames");
    piped.signal("HUP");
    thread::sleep(Duration::from_millis(500));
    for number in 2..5 {
        piped.feed(&web_on_3098(number).iter().flat_map(pcap::record).collect::<Vec<_>>());
        thread::sleep(Duration::from_millis(200));
    }
    let run = piped.end();
    run.expect_code(0).expect_said(&["decoded"]);
    let fresh = fs::read_to_string(&file).expect("HUP makes the file anew");
    assert!(fresh.contains("\"stats\""), "the end of the run is in the new file: {fresh}");
}

/// HUP with other networks that are ours: lines from then on say another direction.
#[test]
fn a_reload_changes_which_way_flows_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("ours.toml");
    let ours = |net: &str| fs::write(&rules, format!("internal = \"{net}\"")).expect("writes");
    ours("10.9.0.0/16");
    let mut piped = Piped::start(&["--flows", "-s", &rules.display().to_string(), "-o", "ecs[flow]:-"]);
    piped.feed(&pcap::classic(pcap::ETHERNET, &web_on_3098(1)));
    for number in 2..8 {
        if number == 4 {
            ours("10.9.1.0/24");
            piped.signal("HUP");
        }
        thread::sleep(Duration::from_millis(500));
        piped.feed(&web_on_3098(number).iter().flat_map(pcap::record).collect::<Vec<_>>());
    }
    let run = piped.end();
    run.expect_code(0).expect_said(&["reloaded"]);
    let mut ways: Vec<_> = run.events().iter().map(|event| event["network"]["direction"].clone()).collect();
    assert_eq!(ways.len(), 7, "{}", run.stdout);
    ways.dedup();
    assert_eq!(ways, ["internal", "inbound"]);
}

#[test]
fn what_a_trickling_pipe_brings_is_said_while_it_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let first =
        |path: &Path| fs::read_to_string(path).ok().filter(|text| text.contains(r#""event_type":"flow""#));
    for (name, command) in
        [("several", binary::ghostport as fn(&[&str]) -> Command), ("one", binary::ghostport_on_one_core)]
    {
        let file = folder.path().join(name);
        let mut piped = Piped::of(command(&["-r", "-", "--flows", "-o", &format!("eve:{}", file.display())]));
        piped.feed(&pcap::header(pcap::ETHERNET, 65_535));
        // More often than any wait for a quiet pipe, and far less than a block.
        let trickle = (1..20).flat_map(web_on_3098).take_while(|record| {
            piped.feed(&pcap::record(record));
            thread::sleep(Duration::from_millis(60));
            first(&file).is_none()
        });
        let packets = trickle.count();
        assert!(first(&file).is_some(), "on {name}: no line after {packets} packets");
        piped.end().expect_code(0);
    }
}

/// Files have no pause in which to hand over the few lines that there are.
#[test]
fn what_a_long_replay_finds_is_said_while_it_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).expect("a folder");
    let mut tap = Tap::default();
    tap.udp(120_000, "10.9.0.1:50001", "10.9.1.1:9").ask(b"still there?");
    let filler = pcap::record(&tap.frames()[0]).repeat(40_000);
    let filler = [pcap::header(pcap::ETHERNET, 65_535), filler].concat();
    fs::write(captures.join("000.pcap"), pcap::classic(pcap::ETHERNET, &web_on_3098(1))).expect("writes");
    fs::write(captures.join("001.pcap"), filler).expect("writes");
    // One flow of 16 million packets, which takes more than a second anywhere.
    for number in 2..=400 {
        let again = captures.join(format!("{number:03}.pcap"));
        fs::hard_link(captures.join("001.pcap"), again).expect("the same file once more");
    }
    for (name, command) in
        [("several", binary::ghostport as fn(&[&str]) -> Command), ("one", binary::ghostport_on_one_core)]
    {
        let (file, started) = (folder.path().join(name), Instant::now());
        let [input, output] = [&captures, &file].map(|path| path.display().to_string());
        let output = format!("eve:{output}");
        let args = ["-r", &input, "--flows", "-o", &output];
        let mut child = command(&args).stderr(Stdio::null()).spawn().expect("starts");
        while !fs::read_to_string(&file).is_ok_and(|text| text.contains(r#""event_type":"flow""#)) {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "on {name}: no line in the {:?} before the end", started.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
        let is_running = child.try_wait().expect("a child").is_none();
        child.kill().and_then(|()| child.wait()).expect("stops");
        assert!(is_running, "on {name}: the first line came with the end, {:?} after", started.elapsed());
    }
}

/// One web request to 3098, `minutes` after the base time.
fn web_on_3098(minutes: u64) -> Vec<Recorded> {
    let mut tap = Tap::default();
    let [ask, answer] = speech::http("stock.example.net", "42\n");
    let from = format!("10.9.0.{minutes}:50001");
    tap.tcp(minutes * 60_000, &from, "10.9.1.1:3098").open().ask(&ask).answer(&answer).close();
    tap.frames()
}

/// The binary reading a pipe that stays open.
struct Piped {
    child: Child,
    pipe: ChildStdin,
}

impl Piped {
    fn start(args: &[&str]) -> Self {
        Self::of(binary::ghostport(&[&["-r", "-"], args].concat()))
    }

    fn of(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let pipe = child.stdin.take().expect("piped");
        thread::sleep(Duration::from_millis(2500)); // until it listens for signals
        Self { child, pipe }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.pipe.write_all(bytes).expect("it reads");
        self.pipe.flush().expect("it reads");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success(), "signal {name}");
    }

    /// Closes the pipe and reads what it said.
    fn end(self) -> binary::Run {
        drop(self.pipe);
        let mut child = self.child;
        let (code, hung) = binary::wait(&mut child, Duration::from_secs(30));
        let output = child.wait_with_output().expect("ended");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        binary::Run { code, hung, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

fn wait_for(file: &Path) {
    let started = Instant::now();
    while !file.exists() {
        assert!(started.elapsed() < Duration::from_secs(30), "{} never appears", file.display());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The capture file of a folder, as a path from the root.
fn trace(folder: &str) -> String {
    format!("captures/{folder}/traffic.pcap")
}

/// Compares with a file of `tests/snapshots`; `BLESS=1` writes it.
pub(crate) fn snapshot(name: &str, text: &str) {
    let path: PathBuf = tree::root().join("tests/snapshots").join(name);
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().expect("has one")).expect("writes");
        fs::write(&path, text).expect("writes");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{name} has changed: BLESS=1 writes it anew. Now:\n{text}");
}
