//! The namespace, the receivers, and one measurement.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{cpu, send};

/// At which all flows are opened before measuring, in packets a second.
const OPENING_RATE: u64 = 200_000;
/// A receiver that spends less than this in [`PAUSE`], in nanoseconds, has read what there was.
const IDLE_NANOS: u64 = 20_000_000;
const PAUSE: Duration = Duration::from_millis(500);
/// How long a receiver may go on reading when the sender is done.
const PATIENCE: Duration = Duration::from_secs(30);

/// What stands above the lines of [`Link::measure`].
pub(crate) fn heading() -> String {
    format!(
        "{:<24} {:>10} {:>10} {:>11} {:>11} {:>10} {:>10} {:>10} {:>7}",
        "receiver", "wanted/s", "sent/s", "sent", "seen", "link", "ring", "unread", "ns CPU"
    )
}

/// A program that watches the interface.
#[derive(Clone, Copy)]
pub(crate) struct Watcher {
    pub(crate) name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
}

const GHOSTPORT: &str = env!("CARGO_BIN_EXE_ghostport");

/// All with 64 MiB of buffer, ghostport's default.
pub(crate) const WATCHERS: [Watcher; 4] = [
    Watcher { name: "ghostport", program: GHOSTPORT, args: &["-q", "-i", "gp0"] },
    Watcher {
        name: "ghostport, 2 workers",
        program: GHOSTPORT,
        args: &["-q", "-i", "gp0", "--workers", "2"],
    },
    Watcher {
        name: "ghostport, libpcap",
        program: GHOSTPORT,
        args: &["-q", "-i", "gp0", "--capture-with", "libpcap"],
    },
    Watcher {
        name: "tcpdump -w /dev/null",
        program: "tcpdump",
        args: &["-i", "gp0", "-n", "-B", "65536", "-Z", "root", "-w", "/dev/null"],
    },
];

impl Watcher {
    pub(crate) fn is_there(&self) -> bool {
        Command::new(self.program).arg("--version").output().is_ok()
    }
}

/// What a receiver says it got.
struct Counted {
    /// Frames that came to the kernel's socket.
    received: u64,
    dropped: u64,
    seen: u64,
}

/// A namespace with both ends of a veth pair.
pub(crate) struct Link {
    space: String,
}

impl Link {
    pub(crate) fn new() -> Result<Self, String> {
        let link = Self { space: format!("gpbench{}", std::process::id()) };
        let space = link.space.as_str();
        ip(&["netns", "add", space])?;
        ip(&["-n", space, "link", "add", "gp0", "type", "veth", "peer", "name", "gp1"])?;
        for device in ["gp0", "gp1"] {
            // No addresses: nobody else sends.
            ip(&["-n", space, "link", "set", device, "addrgenmode", "none"])?;
            ip(&["-n", space, "link", "set", device, "up"])?;
        }
        Ok(link)
    }

    /// One line: a receiver under this load.
    pub(crate) fn measure(&self, watcher: Watcher, flows: u64, seconds: u64, rate: u64) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (lines, words) = (folder.path().join("lines"), folder.path().join("words"));
        let mut command = self.inside(watcher.program);
        command.args(watcher.args).stdin(Stdio::null()).stdout(Stdio::null());
        if watcher.program == GHOSTPORT {
            command.arg("-o").arg(format!("eve:{}", lines.display()));
        }
        let mut child = command.stderr(fs::File::create(&words).expect("a file")).spawn().expect("starts");
        let started = Instant::now();
        while self.sockets() == 0 {
            assert!(started.elapsed() < Duration::from_secs(20), "{} never listens", watcher.name);
            sleep(Duration::from_millis(20));
        }
        sleep(Duration::from_millis(500));
        let opened = self.sender(&format!("gp1,{flows},0,{OPENING_RATE}")).0;
        let before = settle(&child);
        let (sent, micros) = self.sender(&format!("gp1,{flows},{seconds},{rate}"));
        let spent = settle(&child).saturating_sub(before);
        stop(&mut child);
        let counted = if watcher.program == GHOSTPORT { of_lines(&lines) } else { of_words(&words) };
        let all = opened + sent;
        let share = |count: u64| u128::from(count) * u128::from(sent) / u128::from(all.max(1));
        let wanted = if rate == 0 { "most".to_owned() } else { rate.to_string() };
        format!(
            "{:<24} {wanted:>10} {:>10} {all:>11} {:>11} {:>10} {:>10} {:>10} {:>7}",
            watcher.name,
            sent * 1_000_000 / micros.max(1),
            counted.seen,
            all.saturating_sub(counted.received),
            counted.dropped,
            counted.received.saturating_sub(counted.dropped).saturating_sub(counted.seen),
            u128::from(spent) / share(counted.seen).max(1),
        )
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space, program]);
        command
    }

    /// Packet sockets in the namespace.
    fn sockets(&self) -> usize {
        let table = self.inside("cat").arg("/proc/net/packet").output().expect("cat runs");
        String::from_utf8_lossy(&table.stdout).lines().count().saturating_sub(1)
    }

    /// Sends; gives frames and microseconds.
    fn sender(&self, task: &str) -> (u64, u64) {
        let myself = std::env::current_exe().expect("a path");
        let mut command = self.inside(&myself.display().to_string());
        command.env(send::TASK, task).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the sender starts");
        let mut said = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("ready");
        child.stdin.take().expect("piped").write_all(b"go\n").expect("it waits for that");
        line.clear();
        said.read_line(&mut line).expect("what was sent");
        child.wait().expect("it ends");
        let mut numbers = line.split_whitespace().map(|word| word.parse().expect("a number"));
        (numbers.next().expect("frames"), numbers.next().expect("microseconds"))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _absent_is_fine = ip(&["netns", "del", &self.space]);
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().into()) }
}

/// Waits until a receiver has read what there was; its CPU time then.
fn settle(child: &Child) -> u64 {
    let started = Instant::now();
    let (mut before, mut quiet) = (spent(child), 0);
    // On a busy machine it may just have had no turn for a while.
    while quiet < 3 && started.elapsed() < PATIENCE {
        sleep(PAUSE);
        let now = spent(child);
        quiet = if now - before < IDLE_NANOS { quiet + 1 } else { 0 };
        before = now;
    }
    before
}

fn spent(child: &Child) -> u64 {
    cpu::of_process(child.id()).expect("it runs")
}

/// `ip netns exec` becomes the program it runs, so the child is the receiver itself.
fn stop(child: &mut Child) {
    let told = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
    assert!(told.expect("kill runs").success());
    child.wait().expect("it ends");
}

/// Of ghostport: its closing record.
fn of_lines(lines: &Path) -> Counted {
    let text = fs::read_to_string(lines).expect("lines");
    let last = text.lines().last().expect("a closing record");
    let stats: serde_json::Value = serde_json::from_str(last).expect("JSON");
    let number = |path: &str| stats.pointer(path).and_then(serde_json::Value::as_u64).expect("a counter");
    Counted {
        received: number("/ghostport/capture/received"),
        dropped: number("/ghostport/capture/dropped_kernel"),
        seen: number("/ghostport/packets/read"),
    }
}

/// Of tcpdump: what it says at the end.
fn of_words(words: &Path) -> Counted {
    let text = fs::read_to_string(words).expect("words");
    let number = |what: &str| {
        let line = text.lines().find(|line| line.contains(what));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Counted {
        received: number("received by filter"),
        dropped: number("dropped by kernel"),
        seen: number("captured"),
    }
}
