//! One run of the binary, what it took, and whether all its lines came.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bulk::Bulk;
use crate::cpu;

const GHOSTPORT: &str = env!("CARGO_BIN_EXE_ghostport");
/// From look to look at the threads: what one spends after the last is not seen.
const PAUSE: Duration = Duration::from_millis(10);
/// Threads that spent less, in nanoseconds, are not worth a word.
const IDLE_NANOS: u64 = 10_000_000;

/// Where lines go.
pub(crate) enum Out {
    /// Those of these types, into a file that is new each time.
    File { types: &'static str, path: PathBuf },
    /// Those of these types, made and written to nowhere: what is left when the system's part is taken away.
    /// That they all come shows in the run beside it.
    Nowhere { types: &'static str },
    /// Flows, in the format that a bulk receiver is given.
    Bulk(Bulk),
}

/// A way of running the binary.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Which of the ways beside it does the same without lines.
    pub(crate) base: usize,
    /// How many must come beside the closing one.
    pub(crate) lines: u64,
    /// Lines a second that are wanted; 0 for none.
    pub(crate) goal: u64,
    pub(crate) out: Out,
    pub(crate) args: Vec<String>,
}

/// What a run took.
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// Names and CPU seconds of the threads, the most first; after them those of the receiver.
    pub(crate) threads: Vec<(String, f64)>,
}

impl Run {
    /// CPU seconds of the thread that spent the most; infinite when none was seen to spend any.
    pub(crate) fn busiest(&self) -> f64 {
        self.threads.first().map_or(f64::INFINITY, |(_, seconds)| *seconds)
    }
}

impl Way {
    /// Runs it.
    ///
    /// # Panics
    /// When it fails, or when other lines come than those that must.
    pub(crate) fn run(&self) -> Run {
        let before = self.received();
        let to = match &self.out {
            Out::File { types, path } => format!("eve[{types}]:{}", path.display()),
            Out::Nowhere { types } => format!("eve[{types}]:/dev/null"),
            Out::Bulk(bulk) => format!("ecs[flow,stats]:es+http://{}", bulk.address),
        };
        let mut command = Command::new(GHOSTPORT);
        command.args(&self.args).arg("-o").arg(to).stdin(Stdio::null()).stdout(Stdio::null());
        let own = cpu::of_process(std::process::id());
        let begun = Instant::now();
        let child = command.spawn().expect("the binary runs");
        let (status, took, mut threads) = follow(child, begun);
        assert!(status.success(), "{}: {status}", self.name);
        // The closing one too. A receiver may get a line twice: when a request took too long.
        let (came, due) = (self.received() - before, self.lines + 1);
        let is_right = match &self.out {
            Out::File { .. } => came == due,
            Out::Nowhere { .. } => true,
            Out::Bulk(_) => came >= due,
        };
        assert!(is_right, "{}: {came} lines instead of {due}", self.name);
        match &self.out {
            Out::File { path, .. } => fs::remove_file(path).expect("ours"),
            Out::Nowhere { .. } => {}
            Out::Bulk(_) => {
                let now = cpu::of_process(std::process::id());
                let spent = now.zip(own).map_or(0, |(now, before)| now - before);
                threads.push(("(the receiver)".to_owned(), spent));
            }
        }
        let threads = threads.into_iter().filter(|(_, nanos)| *nanos > IDLE_NANOS);
        let threads =
            threads.map(|(name, nanos)| (name, Duration::from_nanos(nanos).as_secs_f64())).collect();
        Run { seconds: took.as_secs_f64(), threads }
    }

    /// Lines that came so far.
    fn received(&self) -> u64 {
        match &self.out {
            Out::File { path, .. } => count(path),
            Out::Nowhere { .. } => 0,
            // An action before each document.
            Out::Bulk(bulk) => bulk.lines() / 2,
        }
    }
}

/// Waits for the end; gives how it ended, when, and what its threads spent, in nanoseconds, the most first.
fn follow(mut child: Child, begun: Instant) -> (ExitStatus, Duration, Vec<(String, u64)>) {
    let (id, ended) = (child.id(), AtomicBool::new(false));
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut spent = BTreeMap::new();
            while !ended.load(Ordering::Relaxed) {
                cpu::of_threads(id, &mut spent);
                thread::sleep(PAUSE);
            }
            spent
        });
        let status = child.wait().expect("a child can be waited for");
        let took = begun.elapsed();
        ended.store(true, Ordering::Relaxed);
        let mut threads: Vec<_> = watcher.join().expect("it looks only").into_values().collect();
        threads.sort_by_key(|(_, nanos)| std::cmp::Reverse(*nanos));
        (status, took, threads)
    })
}

/// Lines of a file; none when it is not there.
fn count(path: &Path) -> u64 {
    let Ok(file) = File::open(path) else { return 0 };
    let (mut file, mut block, mut lines) = (BufReader::new(file), vec![0; 1 << 20], 0);
    while let Ok(length @ 1..) = file.read(&mut block) {
        lines += block[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    lines
}
