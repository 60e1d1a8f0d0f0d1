//! Over all shared captures: no panic, no hang, a legal exit code, `read = decoded + Σ skipped`, and the same
//! bytes for one thread and for two workers. These captures come from the test suites of other packet tools
//! and are no part of the project; where they are absent the test says so and does nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::binary::{self, Run};
use crate::support::{json, skip_aloud, tree};

const FOLDERS: [&str; 3] = ["labelled", "hostile", "malformed"];
const THREADS: usize = 2;

#[test]
fn shared_captures_replay_and_every_frame_is_accounted_for() {
    let Some(shared) = tree::shared() else {
        return skip_aloud("shared_captures_replay", "no shared captures here (set GHOSTPORT_SHARED)");
    };
    let mut files = Vec::new();
    for folder in FOLDERS {
        tree::walk(&shared.join("captures").join(folder), &mut files);
    }
    files.sort();
    assert!(files.len() > 1000, "{} files", files.len());
    let troubles = in_parallel(&files, check);
    assert!(troubles.is_empty(), "{} of {} files:\n{}", troubles.len(), files.len(), troubles.join("\n"));
}

/// Everything about one file; `Err` says what is wrong.
fn check(path: &Path) -> Result<(), String> {
    let one = replay(path, binary::ghostport_on_one_core, "1");
    if one.hung {
        return Err("hangs".into());
    }
    if one.stderr.contains("panicked") || !matches!(one.code, Some(0 | 1 | 3 | 65)) {
        return Err(format!("exit {:?}: {}", one.code, one.stderr));
    }
    if one.code != Some(65) || !one.stdout.is_empty() {
        let last = one.stdout.lines().last().ok_or("no output")?;
        let stats =
            serde_json::from_str(last).map_err(|error| format!("the last line is no JSON: {error}"))?;
        json::identity(&stats)?;
    }
    let two = replay(path, binary::ghostport, "2");
    if (one.code, &one.stdout) != (two.code, &two.stdout) {
        return Err("two workers give other bytes than one thread".into());
    }
    Ok(())
}

fn replay(path: &Path, ghostport: fn(&[&str]) -> Command, workers: &str) -> Run {
    let file = path.display().to_string();
    let command = ghostport(&["-r", &file, "--flows", "--ports", "-o", "eve:-", "--workers", workers]);
    binary::finish(command, &[], Duration::from_secs(120))
}

/// Runs `check` over all files on a few threads; gives what went wrong, in the order of the files.
fn in_parallel(files: &[PathBuf], check: impl Fn(&Path) -> Result<(), String> + Sync) -> Vec<String> {
    let (next, troubles) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(trouble) = check(path) {
                        troubles.lock().expect("no panic").push(format!("{}: {trouble}", path.display()));
                    }
                }
            });
        }
    });
    let mut troubles = troubles.into_inner().expect("no panic");
    troubles.sort();
    troubles
}

#[test]
fn every_file_is_checked_and_troubles_are_kept() {
    let files: Vec<_> = (0..100).map(|number| PathBuf::from(format!("{number:03}"))).collect();
    let odd = |path: &Path| {
        let number: usize = path.display().to_string().parse().expect("a number");
        if number % 2 == 1 { Err("odd".into()) } else { Ok(()) }
    };
    let troubles = in_parallel(&files, odd);
    assert_eq!((troubles.len(), troubles[0].as_str()), (50, "001: odd"));
}
