//! Outputs against real files, pipes and devices: slow, full, rotated, gone.

use super::*;
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use crate::sink::Format;

fn file(path: &Path) -> Target {
    Target::file(Format::Eve, path)
}

fn silent() -> Complain {
    Arc::new(|what| panic!("nobody should complain: {what}"))
}

/// An output and what it complains about.
fn listened(path: &Path, pace: Pace) -> (Lines, mpsc::Receiver<String>) {
    let (say, said) = mpsc::channel();
    let complain: Complain = Arc::new(move |what| say.send(what.to_owned()).unwrap_or(()));
    (Lines::open(&file(path), pace, complain).unwrap(), said)
}

fn fifo(dir: &Path) -> Option<PathBuf> {
    let path = dir.join("pipe");
    let made = Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success());
    if !made {
        eprintln!("skipped: there is no mkfifo here");
    }
    made.then_some(path)
}

#[test]
fn every_line_arrives_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    let lines = Lines::open(&file(&path), Pace::Replay, silent()).unwrap();
    let mut expected = String::new();
    for number in 0..200_000 {
        let line = format!("{{\"number\":{number}}}\n");
        lines.send(line.as_bytes(), 1).unwrap();
        expected += &line;
    }
    assert_eq!(lines.close().unwrap(), Counters { sent: 200_000, lost: 0, kept: 0 });
    assert!(fs::read_to_string(&path).unwrap() == expected);
    let again = Lines::open(&file(&path), Pace::Replay, silent()).unwrap();
    again.send(b"appended\n", 1).unwrap();
    drop(again);
    assert!(fs::read_to_string(&path).unwrap().ends_with("}\nappended\n"));
}

#[test]
fn live_lines_are_there_within_200_ms_and_flush_waits_for_them() {
    let dir = tempfile::tempdir().unwrap();
    for pace in [Pace::Live, Pace::Replay] {
        let path = dir.path().join(format!("{pace:?}"));
        let lines = Lines::open(&file(&path), pace, silent()).unwrap();
        lines.send(b"one\n", 1).unwrap();
        lines.flush();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        lines.flush();
        lines.send(b"two\n", 1).unwrap();
        let sent = Instant::now();
        while fs::read_to_string(&path).unwrap() != "one\ntwo\n" {
            assert!(sent.elapsed() < Duration::from_secs(2), "not written by itself");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn rotation_loses_nothing_and_tears_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    let lines = Lines::open(&file(&path), Pace::Live, silent()).unwrap();
    let mut all = String::new();
    for round in 0..20 {
        for number in 0..500 {
            lines.send(format!("{}\n", round * 500 + number).as_bytes(), 1).unwrap();
        }
        fs::rename(&path, dir.path().join(format!("{round:02}.old"))).unwrap();
        lines.reopen();
        lines.flush();
        assert!(path.exists(), "round {round}");
    }
    lines.close().unwrap();
    for round in 0..20 {
        all += &fs::read_to_string(dir.path().join(format!("{round:02}.old"))).unwrap();
    }
    all += &fs::read_to_string(&path).unwrap();
    let numbers: Vec<u32> = all.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(numbers, (0..10_000).collect::<Vec<_>>());
}

#[test]
fn a_reopening_that_fails_is_said_and_the_old_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("eve.json");
    let (lines, said) = listened(&path, Pace::Live);
    let moved = dir.path().join("moved");
    fs::rename(&inner, &moved).unwrap();
    lines.reopen();
    lines.send(b"still\n", 1).unwrap();
    assert!(said.recv().unwrap().contains("writing to the old file"));
    lines.close().unwrap();
    assert_eq!(fs::read_to_string(moved.join("eve.json")).unwrap(), "still\n");
}

#[test]
fn a_reader_that_goes_away_is_a_clean_end() {
    let dir = tempfile::tempdir().unwrap();
    let Some(path) = fifo(dir.path()) else { return };
    let from = path.clone();
    let reader = thread::spawn(move || fs::File::open(from).unwrap().read_exact(&mut [0; 4]).unwrap());
    let lines = Lines::open(&file(&path), Pace::Replay, silent()).unwrap();
    let begun = Instant::now();
    while lines.send(&[b'x'; 4095].iter().chain(b"\n").copied().collect::<Vec<_>>(), 1).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody noticed");
    }
    reader.join().unwrap();
    assert!(lines.is_gone());
    lines.flush();
    assert_eq!(lines.send(b"more\n", 1), Err(Gone));
    assert!(lines.close().is_ok());
}

#[test]
fn a_reader_that_stalls_costs_lines_when_live_and_never_the_sender() {
    let dir = tempfile::tempdir().unwrap();
    let Some(path) = fifo(dir.path()) else { return };
    let from = path.clone();
    let (release, released) = mpsc::channel::<()>();
    let reader = thread::spawn(move || {
        let mut reader = fs::File::open(from).unwrap();
        released.recv().unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    let lines = Lines::open(&file(&path), Pace::Live, silent()).unwrap();
    let line = [vec![b'x'; 9_999], vec![b'\n']].concat();
    let begun = Instant::now();
    for _ in 0..3_000 {
        lines.send(&line, 1).unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "the sender was stalled");
    let lost = lines.counters().lost;
    assert!(lost > 0, "30 MB do not fit");
    release.send(()).unwrap();
    let ended = lines.close().unwrap_err().to_string();
    assert!(ended.starts_with(&format!("{lost} of 3000 lines were not written")), "{ended}");
    let text = reader.join().unwrap();
    assert_eq!(text.lines().count() as u64, 3_000 - lost);
    assert!(text.lines().all(|line| line.len() == 9_999));
}

#[test]
fn a_reader_that_never_reads_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let Some(path) = fifo(dir.path()) else { return };
    let (release, released) = mpsc::channel::<()>();
    let from = path.clone();
    let reader = thread::spawn(move || {
        let _held = fs::File::open(from).unwrap();
        released.recv().unwrap();
    });
    let lines = Lines::open(&file(&path), Pace::Live, silent()).unwrap();
    lines.send(&[vec![b'x'; 1 << 20], vec![b'\n']].concat(), 1).unwrap();
    let ended = lines.close_within(Duration::from_millis(50)).unwrap_err().to_string();
    assert!(ended.contains("1 of 1 lines"), "{ended}");
    release.send(()).unwrap();
    reader.join().unwrap();
}

/// A receiver that takes the connection and then nothing: the sender is not stalled, the end comes in time,
/// and the next run has every line.
#[test]
fn a_half_open_receiver_costs_nothing_with_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let target = Target::parse(&format!("eve:unix://{}", path.display())).unwrap();
    let spool = Some(Spooling { folder: dir.path().join("spool"), limit: 1 << 30 });
    let keep = Keep { pace: Pace::Live, spool };
    let lines = Lines::open(&target, keep.clone(), Arc::new(|_| ())).unwrap();
    let line = [vec![b'x'; 999], vec![b'\n']].concat();
    let mut slowest = Duration::ZERO;
    for number in 1..=20_000 {
        let begun = Instant::now();
        lines.send(&line, 1).unwrap();
        slowest = slowest.max(begun.elapsed());
        if number % 4_000 == 0 {
            lines.flush();
        }
    }
    assert!(slowest < Duration::from_secs(1), "a line took {slowest:?}");
    let begun = Instant::now();
    let counters = lines.close_within(Duration::from_millis(300)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(counters.kept > 19_000 && counters.lost == 0, "{counters:?}");

    drop(listener); // ends the attempt that is under way
    fs::remove_file(&path).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let reader = thread::spawn(move || {
        let (mut stream, mut text) = (listener.accept().unwrap().0, String::new());
        stream.read_to_string(&mut text).unwrap();
        text.lines().count() as u64
    });
    let again = reopened(&target, &keep);
    assert_eq!(again.close_within(Duration::from_secs(20)).unwrap(), Counters::default());
    assert!(reader.join().unwrap() >= counters.kept);
}

/// Opened as soon as the last attempt of the run before lets go of the spool, as the end of a process does.
fn reopened(target: &Target, keep: &Keep) -> Lines {
    let begun = Instant::now();
    loop {
        match Lines::open(target, keep.clone(), Arc::new(|_| ())) {
            Ok(lines) => return lines,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(15), "{error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_device_without_room_is_said_once_and_counted() {
    let path = Path::new("/dev/full");
    if !path.exists() {
        eprintln!("skipped: there is no /dev/full here");
        return;
    }
    for (pace, expected) in [(Pace::Replay, "run again"), (Pace::Live, "trying again")] {
        let (lines, said) = listened(path, pace);
        for _ in 0..10 {
            lines.send(b"line\n", 1).unwrap();
            lines.flush();
        }
        assert!(matches!(lines.close(), Err(Error::Lost { sent: 10, lost: 10, .. })));
        let said: Vec<_> = said.into_iter().collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(expected) && said[0].contains("/dev/full"), "{said:?}");
    }
}

#[test]
fn a_file_that_cannot_be_made_says_where() {
    let said = Lines::open(&file(Path::new("/no/such/folder/eve.json")), Pace::Live, silent()).unwrap_err();
    assert!(said.to_string().starts_with("cannot write to /no/such/folder/eve.json: No such file"), "{said}");
}
