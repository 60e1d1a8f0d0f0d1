//! A receiver of `_bulk` that costs as little as one can: it takes everything, says so, and counts lines.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// One that listens on loopback, until the program ends.
pub(crate) struct Bulk {
    pub(crate) address: SocketAddr,
    lines: Arc<AtomicU64>,
}

impl Bulk {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, lines) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let count = Arc::clone(&lines);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                thread::spawn(move || answer(stream, &count));
            }
        });
        Ok(Self { address, lines })
    }

    /// Ends of lines in what came so far: two for each document, unless it was compressed.
    #[allow(dead_code, reason = "not every benchmark counts")]
    pub(crate) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Acquire)
    }
}

/// Request after request of one connection.
fn answer(stream: TcpStream, lines: &AtomicU64) {
    let (mut reader, mut head, mut body) = (BufReader::new(&stream), String::new(), Vec::new());
    while reader.read_line(&mut head).is_ok_and(|count| count > 0) {
        if !head.ends_with("\r\n\r\n") {
            continue;
        }
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        body.resize(length.unwrap_or(0), 0);
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        // Before the answer: who has it knows that the lines are counted.
        let ends = body.iter().filter(|byte| **byte == b'\n').count();
        lines.fetch_add(ends as u64, Ordering::Release);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"errors\":false}";
        if (&stream).write_all(answer).is_err() {
            return;
        }
        head.clear();
    }
}
