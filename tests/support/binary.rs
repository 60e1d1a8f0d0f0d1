//! Runs the real binary, with a time limit, and reads everything it says.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::json;

/// The binary under test.
pub(crate) const GHOSTPORT: &str = env!("CARGO_BIN_EXE_ghostport");

/// How long a run may take before it counts as hung. Debug builds on a loaded two-core machine are slow.
const LIMIT: Duration = Duration::from_secs(120);

/// What a run said and how it ended.
pub(crate) struct Run {
    /// Exit code; `None` when a signal ended it or it was hung and killed.
    pub(crate) code: Option<i32>,
    /// True when the time limit passed and the run was killed.
    pub(crate) hung: bool,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Run {
    /// The JSON objects on standard output; panics on a line that is none.
    pub(crate) fn events(&self) -> Vec<Value> {
        json::lines(&self.stdout)
    }

    /// The closing `stats` record.
    pub(crate) fn stats(&self) -> Value {
        let events = self.events();
        let last = events.last().unwrap_or_else(|| panic!("no output; stderr: {}", self.stderr));
        assert_eq!(last["event_type"], "stats", "the last line must be the stats record: {last}");
        last.clone()
    }

    /// Panics, with everything that was said, unless the run ended with this code.
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(
            (self.code, self.hung),
            (Some(code), false),
            "exit code; stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Panics unless standard error has every one of these words, in any letter case.
    pub(crate) fn expect_said(&self, words: &[&str]) -> &Self {
        let said = self.stderr.to_lowercase();
        for word in words {
            assert!(
                said.contains(&word.to_lowercase()),
                "stderr must say {word:?}; it says:\n{}",
                self.stderr
            );
        }
        self
    }
}

/// Runs the binary in `folder` with nothing on standard input.
pub(crate) fn run_in(folder: &Path, args: &[&str]) -> Run {
    let mut command = ghostport(args);
    command.current_dir(folder);
    finish(command, &[], LIMIT)
}

/// Runs the binary in the root of the crate with nothing on standard input.
pub(crate) fn run(args: &[&str]) -> Run {
    run_in(super::tree::root(), args)
}

/// Runs the binary in the root of the crate with these bytes on standard input.
pub(crate) fn run_with_stdin(args: &[&str], stdin: &[u8]) -> Run {
    finish(ghostport(args), stdin, LIMIT)
}

/// A command for the binary, cleaned of what the environment could change about its output.
pub(crate) fn ghostport(args: &[&str]) -> Command {
    let mut command = Command::new(GHOSTPORT);
    command.args(args).current_dir(super::tree::root());
    clean_environment(&mut command);
    command
}

/// The same on one core, where it does everything on one thread; plainly where there is no taskset(1).
pub(crate) fn ghostport_on_one_core(args: &[&str]) -> Command {
    static CORES: OnceLock<Vec<String>> = OnceLock::new();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let is_ours = |core: &String| {
        Command::new("taskset")
            .args(["-c", core, "true"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    let cores = CORES.get_or_init(|| (0..8).map(|core: u8| core.to_string()).filter(is_ours).collect());
    let mut command = match cores.get(NEXT.fetch_add(1, Ordering::Relaxed) % cores.len().max(1)) {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", core, GHOSTPORT]);
            command
        }
        None => Command::new(GHOSTPORT),
    };
    command.args(args).current_dir(super::tree::root());
    clean_environment(&mut command);
    command
}

/// Takes out of a command's environment what could change the output.
pub(crate) fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GHOSTPORT_") {
            command.env_remove(name);
        }
    }
    command
        .env("COLUMNS", "110")
        .env("LC_ALL", "C")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("RUST_BACKTRACE");
}

/// Starts a command, feeds it, and reads it to the end or to the time limit.
pub(crate) fn finish(mut command: Command, stdin: &[u8], limit: Duration) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut pipe = child.stdin.take().expect("piped");
    let stdin = stdin.to_vec();
    let feeder = thread::spawn(move || {
        let _closed_early_is_fine = pipe.write_all(&stdin);
    });
    let stdout = read_all(child.stdout.take().expect("piped"));
    let stderr = read_all(child.stderr.take().expect("piped"));
    let (code, hung) = wait(&mut child, limit);
    feeder.join().expect("the feeder ends");
    Run { code, hung, stdout: stdout.join().expect("reader"), stderr: stderr.join().expect("reader") }
}

/// Waits for the child, at most `limit`; then kills it. Gives the exit code and whether it hung.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> (Option<i32>, bool) {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return (status.code(), false);
        }
        if started.elapsed() > limit {
            child.kill().expect("our own child can be killed");
            child.wait().expect("it ends");
            return (None, true);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _killed_is_fine = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
