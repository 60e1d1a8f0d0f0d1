//! Nothing is lost: the binary with outputs that rotate, fill up, go away and come back, and with the binary
//! itself killed. What should have arrived is known from a second output of the same run, or from a run that
//! nobody disturbs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::flood::{Flood, Traffic};
use crate::support::{binary, json, skip_aloud};

/// A scan, slow enough that its flows end, and are told, all along: so many flows, so many lines.
pub(super) fn scan(flows: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let flood = Flood { gap: 5_000_000_000, ..Flood::new(Traffic::SynScan, flows, flows, 3) };
    flood.write(&mut bytes).expect("writes to memory");
    bytes
}

/// The binary, reading a pipe.
pub(super) struct Piped(Child);

impl Piped {
    pub(super) fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command =
            binary::ghostport(&[&["-q", "-r", "-", "--flows", "--timeout-opening", "1"], args].concat());
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().expect("starts"))
    }

    /// In namespaces of its own, with a tiny disk at a place; `None` where that may not be done.
    fn start_on_small_disk(folder: &Path, place: &Path, arguments: &str) -> Option<Self> {
        let works = Command::new("unshare").args(["-mn", "mount", "-t", "tmpfs", "none"]).arg(place).output();
        if !works.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let script = format!(
            "mount -t tmpfs -o size=64k none {} && ip link set lo up && exec {} -q {arguments}",
            place.display(),
            binary::GHOSTPORT
        );
        let mut command = Command::new("unshare");
        command.args(["-mn", "sh", "-c", &script]).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        binary::clean_environment(&mut command);
        Some(Self(command.spawn().expect("unshare runs")))
    }

    /// Feeds a capture in pieces, with a pause after each, as a slow source would.
    pub(super) fn feed(&mut self, capture: &[u8], pieces: usize, mut between: impl FnMut(usize)) {
        let mut pipe = self.0.stdin.take().expect("piped");
        for (number, piece) in capture.chunks(capture.len().div_ceil(pieces)).enumerate() {
            if pipe.write_all(piece).is_err() {
                return; // killed
            }
            between(number);
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs").success());
    }

    pub(super) fn end(mut self) -> binary::Run {
        drop(self.0.stdin.take());
        let (code, hung) = binary::wait(&mut self.0, Duration::from_secs(60));
        let output = self.0.wait_with_output().expect("ended");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        binary::Run { code, hung, stdout: String::new(), stderr: text(&output.stderr) }
    }
}

impl From<Child> for Piped {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

/// Somebody who listens on a Unix socket. Whole lines only; a torn one at the end of a connection is what a
/// receiver drops too.
struct Receiver {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Receiver {
    /// Listens; hangs up for good after so many lines.
    fn start(path: &Path, lines_max: usize) -> Self {
        let _absent_is_fine = fs::remove_file(path);
        let listener = UnixListener::bind(path).expect("binds");
        listener.set_nonblocking(true).expect("a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut lines = Vec::new();
            while !is_over.load(Ordering::Relaxed) && lines.len() < lines_max {
                match listener.accept() {
                    Ok((stream, _)) => hear(&stream, &is_over, lines_max, &mut lines),
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
            lines
        });
        Self { path: path.to_owned(), stop, thread: Some(thread) }
    }

    /// Everything it got, after it is through with what waits.
    fn end(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let _absent_is_fine = fs::remove_file(&self.path);
        self.thread.take().expect("runs").join().expect("hears")
    }
}

fn hear(stream: &UnixStream, is_over: &AtomicBool, lines_max: usize, lines: &mut Vec<String>) {
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while lines.len() < lines_max {
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.ends_with(b"\n") => {
                lines.push(String::from_utf8(line[..line.len() - 1].to_vec()).expect("UTF-8"));
                line.clear();
            }
            Ok(_) => return,
            Err(_) if is_over.load(Ordering::Relaxed) => return,
            Err(_) => {}
        }
    }
}

pub(super) fn lines_of(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("a file of lines").lines().map(str::to_owned).collect()
}

/// Lines, each once, in the order of their first time.
fn once(lines: &[String]) -> Vec<&String> {
    let mut seen = BTreeSet::new();
    lines.iter().filter(|line| seen.insert(line.as_str())).collect()
}

#[test]
fn logrotate_under_load_loses_and_tears_nothing() {
    let name = "logrotate_under_load_loses_and_tears_nothing";
    if Command::new("logrotate").arg("--version").output().is_err() {
        return skip_aloud(name, "needs logrotate (Debian package logrotate)");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut piped = Piped::start(folder.path(), &["-o", "eve:all.json", "-o", "eve:eve.json"]);
    let (conf, state) = (folder.path().join("conf"), folder.path().join("state"));
    let text = format!(
        "{}/eve.json {{\n rotate 1000\n size 1\n missingok\n nocreate\n postrotate\n kill -HUP {}\n endscript\n}}\n",
        folder.path().display(),
        piped.0.id()
    );
    fs::write(&conf, text).expect("writes");
    let mut rotations = 0;
    piped.feed(&scan(15_000), 40, |_| {
        let run = Command::new("logrotate").arg("-s").arg(&state).arg(&conf).output().expect("runs");
        rotations += 1;
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        thread::sleep(Duration::from_millis(50));
    });
    piped.end().expect_code(0);
    let mut old: Vec<(u32, PathBuf)> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .filter_map(|path| Some((path.extension()?.to_str()?.parse().ok()?, path)))
        .collect();
    old.sort_unstable();
    assert!(old.len() > 5, "{} old files after {rotations} runs of logrotate", old.len());
    let mut lines: Vec<String> = old.iter().rev().flat_map(|(_, path)| lines_of(path)).collect();
    lines.extend(lines_of(&folder.path().join("eve.json")));
    assert_eq!(lines.len(), lines_of(&folder.path().join("all.json")).len());
    assert!(lines == lines_of(&folder.path().join("all.json")), "another order, or a torn line");
}

#[test]
fn files_rotate_by_themselves_and_severities_are_chosen() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut piped = Piped::start(
        folder.path(),
        &[
            "-o",
            "eve:all.json",
            "-o",
            "eve:eve.json?rotate=300K&keep=50&compress=gzip",
            "-o",
            "eve[alert:low+,stats]:some.json",
        ],
    );
    piped.feed(&scan(2_000), 4, |_| ());
    piped.end().expect_code(0);
    let mut old: Vec<PathBuf> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "gz"))
        .collect();
    old.sort_unstable();
    assert!(old.len() > 3, "{old:?}");
    let mut text = Vec::new();
    for path in &old {
        let plain = crate::support::pcap::gunzip(&fs::read(path).expect("reads"));
        assert!(plain.len() <= 300 << 10);
        text.extend(plain);
    }
    text.extend(fs::read(folder.path().join("eve.json")).expect("reads"));
    assert!(text == fs::read(folder.path().join("all.json")).expect("reads"));
    for event in json::lines(&fs::read_to_string(folder.path().join("some.json")).expect("reads")) {
        let severity = event["alert"]["severity"].as_u64();
        assert!(event["event_type"] == "stats" || severity.is_some_and(|severity| severity <= 3), "{event}");
    }
}

#[test]
fn outputs_may_stand_in_the_configuration_and_in_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let conf = "output = ['eve[alert,stats]:conf.json?rotate=1M&keep=2', 'eve:unix:///no/such/socket']\n\
                spool = 'spool'\nspool-max = '10M'\ndrain-timeout = 0\n";
    fs::write(folder.path().join("ok.toml"), conf).expect("writes");
    fs::write(folder.path().join("bad.toml"), conf.replace("10M", "10T")).expect("writes");
    let mut piped = Piped::start(folder.path(), &["-c", "ok.toml"]);
    piped.feed(&scan(50), 1, |_| ());
    piped.end().expect_code(0).expect_said(&["lines for unix:///no/such/socket stay in the spool"]);
    assert!(lines_of(&folder.path().join("conf.json")).iter().all(|line| !line.contains(r#""flow","#)));
    binary::run_in(folder.path(), &["-T", "-c", "bad.toml"])
        .expect_code(78)
        .expect_said(&["bad.toml:3:13", "\"10T\" is no size; write it like 64K, 100M or 1G"]);
    let mut command = binary::ghostport(&["-q", "-r", "-", "--spool", "spool"]);
    command.current_dir(folder.path()).env("GHOSTPORT_OUTPUT", "eve[alert,stats]:a.json,eve[stats]:b.json");
    binary::finish(command, &scan(50), Duration::from_secs(60))
        .expect_code(0)
        .expect_said(&["lines of a former run for eve:unix:///no/such/socket, which this run does not have"]);
    assert!(lines_of(&folder.path().join("a.json")).len() > lines_of(&folder.path().join("b.json")).len());
}

#[test]
fn a_receiver_that_is_killed_and_comes_back_gets_every_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let out = format!("eve:unix://{}", socket.display());
    for (round, spool) in [&[][..], &["--spool", "spool"]].into_iter().enumerate() {
        let all = format!("all{round}.json");
        let all_out = format!("eve:{all}");
        let args = [&["-o", &out, "-o", &all_out, "--drain-timeout", "30"], spool].concat();
        let mut piped = Piped::start(folder.path(), &args);
        let mut got = Vec::new();
        let mut receiver = Some(Receiver::start(&socket, 300));
        piped.feed(&scan(6_000), 12, |piece| {
            thread::sleep(Duration::from_millis(150));
            match piece % 3 {
                1 => got.extend(receiver.take().expect("runs").end()),
                2 => receiver = Some(Receiver::start(&socket, 300)),
                _ => {}
            }
        });
        got.extend(receiver.take().expect("runs").end());
        let last = Receiver::start(&socket, usize::MAX);
        let run = piped.end();
        got.extend(last.end());
        run.expect_code(0).expect_said(&["cannot deliver to unix://", "can deliver to unix://"]);
        let expected = lines_of(&folder.path().join(all));
        assert!(expected.len() > 6_000 && got.len() > expected.len() / 2);
        let got: BTreeSet<_> = got.into_iter().collect();
        let missing: Vec<_> = expected.iter().filter(|line| !got.contains(*line)).collect();
        assert!(missing.is_empty(), "{} of {} are missing", missing.len(), expected.len());
        assert_eq!(got.len(), expected.len(), "something else came, or a torn line");
    }
}

#[test]
fn what_stays_in_the_spool_is_told_and_sent_by_the_next_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let out = format!("eve:unix://{}", socket.display());
    let args = ["-o", out.as_str(), "-o", "eve:all.json", "--drain-timeout", "1"];
    let spooled = [&args[..], &["--spool", "spool"]].concat();
    let capture = scan(500);

    let mut lossy = Piped::start(folder.path(), &args);
    lossy.feed(&capture, 1, |_| ());
    lossy
        .end()
        .expect_code(74)
        .expect_said(&["lines were not written to unix://", "waiting and trying again"]);

    fs::remove_file(folder.path().join("all.json")).expect("it is there");
    let mut first = Piped::start(folder.path(), &spooled);
    first.feed(&capture, 1, |_| ());
    let expected = || lines_of(&folder.path().join("all.json"));
    let first = first.end();
    first
        .expect_code(0)
        .expect_said(&[&format!("{} lines for unix://", expected().len()), "stay in the spool"]);

    let receiver = Receiver::start(&socket, usize::MAX);
    let mut second = Piped::start(folder.path(), &spooled);
    let said = format!("{} lines of a former run", expected().len());
    second.feed(&capture, 1, |_| ());
    second.end().expect_code(0).expect_said(&[&said]);
    assert!(receiver.end() == expected(), "both runs, in order, each line once");
}

#[test]
fn a_spool_belongs_to_one_run_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = ["-o", "eve:unix:///no/such/socket", "--spool", "spool"];
    let holder = Piped::start(folder.path(), &args);
    let locked = || fs::read_dir(folder.path().join("spool")).is_ok_and(|folders| folders.count() > 0);
    let started = Instant::now();
    while !locked() {
        assert!(started.elapsed() < Duration::from_secs(30), "no spool is made");
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(Duration::from_millis(300)); // from a folder to a lock
    let other = Piped::start(folder.path(), &args).end();
    assert_eq!(other.code, Some(78), "{}", other.stderr);
    other.expect_said(&["cannot use the spool", "another ghostport (or another output) uses it"]);
    holder.signal("KILL");
    holder.end();
}

/// A spool that gets no room on its disk waits for the receiver (in replay; live it counts), and goes on.
#[test]
fn a_spool_on_a_full_disk_waits_and_goes_on() {
    let name = "a_spool_on_a_full_disk_waits_and_goes_on";
    let folder = tempfile::tempdir().expect("a folder");
    let (spool, socket) = (folder.path().join("spool"), folder.path().join("socket"));
    fs::create_dir(&spool).expect("makes a folder");
    let Some(mut piped) = Piped::start_on_small_disk(
        folder.path(),
        &spool,
        &format!(
            "-r - --flows --timeout-opening 1 --spool spool -o eve:unix://{} -o eve:all.json",
            socket.display()
        ),
    ) else {
        return skip_aloud(name, "needs the right to make a mount namespace (root)");
    };
    let capture = scan(2_000);
    let feeder = thread::spawn(move || {
        piped.feed(&capture, 1, |_| ());
        piped.end()
    });
    thread::sleep(Duration::from_secs(2));
    let receiver = Receiver::start(&socket, usize::MAX);
    let run = feeder.join().expect("feeds");
    run.expect_code(0).expect_said(&[
        "cannot write to the spool of unix://",
        "no space left",
        "can write to",
    ]);
    assert!(receiver.end() == lines_of(&folder.path().join("all.json")), "a line is missing, or twice");
}

#[test]
fn kill_minus_nine_leaves_no_torn_line_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = scan(12_000);
    for round in 0..8 {
        let mut piped = Piped::start(folder.path(), &["-o", "eve:eve.json"]);
        piped.feed(&capture, 6, |_| thread::sleep(Duration::from_millis(20 + 7 * round)));
        piped.signal("KILL");
        piped.end();
    }
    let mut last = Piped::start(folder.path(), &["-o", "eve:eve.json"]);
    last.feed(&capture, 1, |_| ());
    last.end().expect_code(0);
    let events = json::lines(&fs::read_to_string(folder.path().join("eve.json")).expect("reads"));
    assert!(events.len() > 15_000, "{} lines of nine runs", events.len());
}

/// A gap-free beginning of what an undisturbed run says is there of every run, however it was killed, and
/// everything that a spool held has arrived in the end.
#[test]
fn kill_minus_nine_loses_nothing_that_was_handed_over_and_tears_nothing() {
    const ROUNDS: usize = 12;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let out = format!("eve[flow]:unix://{}", socket.display());
    let capture = scan(4_000);
    let host = |round: usize| format!("run{round}");
    let mut got = Vec::new();
    for round in 0..ROUNDS {
        let args = ["-o", &out, "--spool", "spool", "--host", &host(round)];
        let receiver = (round % 3 != 1).then(|| Receiver::start(&socket, usize::MAX));
        let mut piped = Piped::start(folder.path(), &args);
        let mut dice = 0x9e37_79b9_u64.wrapping_mul(round as u64 + 1);
        piped.feed(&capture, 8, |_| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            thread::sleep(Duration::from_millis(dice % 60));
        });
        thread::sleep(Duration::from_millis(dice % 300));
        piped.signal("KILL");
        piped.end();
        got.extend(receiver.map(Receiver::end).unwrap_or_default());
    }
    let receiver = Receiver::start(&socket, usize::MAX);
    let args = ["-o", &out, "-o", "eve[flow]:all.json", "--spool", "spool", "--host", "last"];
    let mut last = Piped::start(folder.path(), &args);
    last.feed(&capture, 1, |_| ());
    last.end().expect_code(0);
    got.extend(receiver.end());
    let expected = lines_of(&folder.path().join("all.json"));
    let got = once(&got);
    let mut handed_over = Vec::new();
    for round in 0..ROUNDS {
        let mark = format!("\"host\":\"{}\"", host(round));
        let of_run: Vec<_> = got
            .iter()
            .filter(|line| line.contains(&mark))
            .map(|line| line.replace(&mark, "\"host\":\"last\""))
            .collect();
        assert!(of_run == expected[..of_run.len()], "run {round}: {} lines are no beginning", of_run.len());
        handed_over.push(of_run.len());
    }
    assert_eq!(
        got.len(),
        handed_over.iter().sum::<usize>() + expected.len(),
        "a torn line, or one of nobody"
    );
    let in_the_middle = |&&count: &&usize| count > 0 && count < expected.len();
    assert!(handed_over.iter().filter(in_the_middle).count() > ROUNDS / 3, "{handed_over:?}");
    let spool =
        fs::read_dir(folder.path().join("spool")).expect("a folder").next().expect("one").expect("one");
    let left = fs::read_dir(spool.path()).expect("a folder").flatten();
    assert_eq!(left.filter(|entry| entry.path().extension().is_some_and(|e| e == "seg")).count(), 0);
}

/// A live run in a mount namespace of its own with a file on a tiny disk.
#[test]
fn a_full_disk_is_said_once_and_costs_nothing_when_space_returns() {
    let name = "a_full_disk_is_said_once_and_costs_nothing_when_space_returns";
    let folder = tempfile::tempdir().expect("a folder");
    let small = folder.path().join("small");
    fs::create_dir(&small).expect("makes a folder");
    let arguments = "-i lo --stats-interval 1 -o eve:small/eve.json -o eve:all.json";
    let Some(piped) = Piped::start_on_small_disk(folder.path(), &small, arguments) else {
        return skip_aloud(name, "needs the right to make a mount namespace (root)");
    };
    let all = folder.path().join("all.json");
    let count = || fs::read_to_string(&all).map_or(0, |text| text.lines().count());
    let at_least = |lines: usize| {
        let started = Instant::now();
        while count() < lines {
            assert!(started.elapsed() < Duration::from_secs(30), "capture stands still at {} lines", count());
            thread::sleep(Duration::from_millis(50));
        }
    };
    let inside = |script: &str| {
        let pid = piped.0.id().to_string();
        let run =
            Command::new("nsenter").args(["-t", &pid, "-m", "sh", "-c", script]).current_dir("/").output();
        String::from_utf8_lossy(&run.expect("nsenter runs").stdout).into_owned()
    };
    at_least(1);
    let file = format!("{}/eve.json", small.display());
    inside(&format!("cat /dev/zero > {}/ballast", small.display()));
    at_least(count() + 12);
    let while_full = inside(&format!("cat {file}"));
    assert!(while_full.ends_with('\n') && json::lines(&while_full).len() < count(), "it was not full");
    inside(&format!("rm {}/ballast", small.display()));
    at_least(count() + 3);
    // The last lines are written at the end, when nobody can look in any more: so a copy of the inside now.
    let (after, outside) = (inside(&format!("cat {file}")), fs::read_to_string(&all).expect("reads"));
    piped.signal("INT");
    let run = piped.end();
    run.expect_code(0).expect_said(&["no space left"]);
    assert!(
        outside.starts_with(&after) && after.lines().count() + 2 > outside.lines().count(),
        "lines are missing"
    );
    for words in ["cannot write to", "can write to"] {
        assert_eq!(run.stderr.matches(words).count(), 1, "{}", run.stderr);
    }
}
