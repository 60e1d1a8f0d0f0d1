//! Lines a second through an output: to a file, to a file that rotates, through a spool to a Unix socket that
//! somebody reads, over TCP, to a bulk receiver over HTTP. The goals, on one core of the control plane:
//! 200,000 a second to a file, 50,000 to the bulk receiver.
//!
//! `cargo bench --bench sink`. Not criterion: one long run says more about queues and disks than many short.

#![allow(clippy::print_stdout, reason = "a benchmark says what it measured")]

mod bulk;

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ghostport::sink::{Keep, Lines, Pace, Spooling, Target};

const LINES: u32 = 1_000_000;
/// Bytes of a usual alert line.
const LINE_BYTES: usize = 1_000;
/// Lines that are handed over at once, as a burst does.
const BATCH: u32 = 64;

fn main() {
    let Ok(folder) = tempfile::tempdir() else { return println!("no folder to write to") };
    let folder = folder.path();
    let file = |options: &str| format!("eve:{}/eve.json{options}", folder.display());
    measure("file", &file(""), None);
    measure("file, rotate=100M keep=2", &file("?rotate=100M&keep=2"), None);
    let socket = folder.join("socket");
    read_from(&socket);
    let unix = format!("eve:unix://{}", socket.display());
    measure("unix socket", &unix, None);
    let spool = Spooling { folder: folder.join("spool"), limit: 4 << 30 };
    measure("unix socket through a spool", &unix, Some(spool));
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { return println!("no loopback") };
    let Ok(address) = listener.local_addr() else { return };
    thread::spawn(move || listener.incoming().flatten().for_each(forget));
    measure("tcp", &format!("eve:tcp://{address}"), None);
    let Ok(bulk::Bulk { address, .. }) = bulk::Bulk::start() else { return println!("no loopback") };
    measure("bulk over http", &format!("ecs:es+http://{address}"), None);
    measure("bulk over http, gzip=yes", &format!("ecs:es+http://{address}?gzip=yes"), None);
}

fn measure(what: &str, spec: &str, spool: Option<Spooling>) {
    let target = Target::parse(spec).unwrap_or_else(|error| panic!("{error}"));
    let keep = Keep { pace: Pace::Replay, spool };
    let lines = Lines::open(&target, keep, Arc::new(|said| println!("  {said}")))
        .unwrap_or_else(|error| panic!("{error}"));
    let mut line =
        br#"{"event":{"id":"00112233445566778899aabbccddeeff","dataset":"ghostport.alert"},"x":""#.to_vec();
    line.resize(LINE_BYTES - 3, b'x');
    line.extend_from_slice(b"\"}\n");
    let batch = line.repeat(BATCH as usize);
    let begun = Instant::now();
    for _ in 0..LINES / BATCH {
        if lines.send(&batch, u64::from(BATCH)).is_err() {
            return println!("{what}: gone");
        }
    }
    let ended = lines.close_within(Duration::from_secs(60));
    let rate = f64::from(LINES / BATCH * BATCH) / begun.elapsed().as_secs_f64();
    println!("{what}: {rate:.0} lines/s of {LINE_BYTES} bytes {ended:?}");
}

/// Reads and forgets, connection after connection.
fn read_from(socket: &Path) {
    let Ok(listener) = UnixListener::bind(socket) else { return };
    thread::spawn(move || {
        listener.incoming().flatten().for_each(forget);
    });
}

fn forget(mut stream: impl Read) {
    let mut bytes = vec![0; 1 << 20];
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
}
