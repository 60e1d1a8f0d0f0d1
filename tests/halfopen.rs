//! Receivers that are there and are not: one that accepts and then neither reads nor answers, and one whose
//! host vanishes without a word. Packets go on being read, lines wait in the spool, and all of them arrive
//! when somebody listens again.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::live::{CLIENT, Ended, Link, ip, link_for};
use crate::sinks::{Piped, lines_of, scan};
use crate::support::binary::GHOSTPORT;

/// One connection, both ways.
type Connection = (Box<dyn Read + Send>, Box<dyn Write + Send>);
/// Gives the next one that waits, if any.
type Accept = Box<dyn FnMut() -> io::Result<Connection> + Send>;

/// A receiver of lines that is mute at first: it accepts, and then neither reads nor answers. Repaired, it
/// drops what it holds and listens as it should.
struct Mute {
    is_mute: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

impl Mute {
    fn start(mut accept: Accept, is_http: bool) -> Self {
        let (is_mute, is_over) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let (mute, over) = (Arc::clone(&is_mute), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            let (mut held, mut hearing) = (Vec::new(), Vec::new());
            while !over.load(Ordering::Relaxed) {
                if !mute.load(Ordering::Relaxed) {
                    held.clear();
                }
                match accept() {
                    Ok(connection) if mute.load(Ordering::Relaxed) => held.push(connection),
                    Ok(connection) => hearing.push(thread::spawn(move || hear(connection, is_http))),
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
            hearing.into_iter().flat_map(|heard| heard.join().expect("hears")).collect()
        });
        Self { is_mute, is_over, thread }
    }

    fn repair(&self) {
        self.is_mute.store(false, Ordering::Relaxed);
    }

    /// Whole lines that it heard, after everybody hung up.
    fn end(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("receives")
    }
}

fn tcp(listener: TcpListener) -> Accept {
    listener.set_nonblocking(true).expect("a socket");
    Box::new(move || {
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(false)?;
        Ok((Box::new(TcpStream::try_clone(&socket)?), Box::new(socket)))
    })
}

fn unix(listener: UnixListener) -> Accept {
    listener.set_nonblocking(true).expect("a socket");
    Box::new(move || {
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(false)?;
        Ok((Box::new(UnixStream::try_clone(&socket)?), Box::new(socket)))
    })
}

fn hear((reader, mut writer): Connection, is_http: bool) -> Vec<String> {
    let (mut reader, mut lines) = (BufReader::new(reader), Vec::new());
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).is_ok_and(|count| count > 0) && line.ends_with('\n') {
        let text = line.trim_end();
        if !is_http {
            lines.push(text.to_owned());
        } else if let Some(value) = text.to_lowercase().strip_prefix("content-length: ") {
            length = value.parse().expect("a number");
        } else if text.is_empty() {
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                break;
            }
            lines.extend(String::from_utf8(body).expect("UTF-8").lines().map(str::to_owned));
            if writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                break;
            }
        }
        line.clear();
    }
    lines
}

/// Runs beside a receiver that is mute for so long, and then is repaired.
fn goes_on_beside(folder: &Path, out: &str, mute: Mute, time: Duration) {
    let args = ["-o", out, "-o", "eve:all.json", "--spool", "spool", "--drain-timeout", "40"];
    let mut piped = Piped::start(folder, &args);
    let (begun, all) = (Instant::now(), folder.join("all.json"));
    piped.feed(&scan(6_000), 12, |piece| {
        thread::sleep(Duration::from_millis(100));
        if piece == 8 {
            thread::sleep(time.saturating_sub(begun.elapsed()));
            // Nobody has read a line, and two thirds of the packets went their way.
            let said = lines_of(&all).len();
            assert!(said > 3_000, "{said} lines");
            mute.repair();
        }
    });
    let run = piped.end();
    run.expect_code(0).expect_said(&["cannot deliver to", "keeping lines in spool", "can deliver to"]);
    assert!(!run.stderr.contains("stay in the spool"), "{}", run.stderr);
    arrived(&mute.end(), &lines_of(&all));
}

/// Each line at least once, and no other.
fn arrived(got: &[String], expected: &[String]) {
    let (got, all): (BTreeSet<_>, BTreeSet<_>) = (got.iter().collect(), expected.iter().collect());
    assert!(all.len() > 6_000, "{} lines", all.len());
    let (missing, strange) = (all.difference(&got).count(), got.difference(&all).count());
    assert_eq!((missing, strange), (0, 0), "missing and strange ones of {}", all.len());
}

#[test]
fn a_mute_stream_over_tcp_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let out = format!("eve:tcp://{}", listener.local_addr().expect("bound"));
    goes_on_beside(folder.path(), &out, Mute::start(tcp(listener), false), Duration::from_secs(6));
}

#[test]
fn a_mute_unix_socket_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("binds");
    let out = format!("eve:unix://{}", path.display());
    goes_on_beside(folder.path(), &out, Mute::start(unix(listener), false), Duration::from_secs(7));
}

#[test]
fn a_mute_http_server_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let out = format!("eve:http://{}/in", listener.local_addr().expect("bound"));
    goes_on_beside(folder.path(), &out, Mute::start(tcp(listener), true), Duration::from_secs(11));
}

/// Appends what it hears to a file, whole lines only, one connection after the other.
const HEARER: &str = "
import socket, sys
listener = socket.create_server(('0.0.0.0', 5170), reuse_port=True)
while True:
    connection, _ = listener.accept()
    for line in connection.makefile('rb'):
        if line.endswith(b'\\n'):
            with open(sys.argv[1], 'ab') as file: file.write(line)
";

fn hearer(link: &Link, to: &Path) -> Ended {
    let to = to.display().to_string();
    let child = Link::inside(&link.client, "python3", &["-c", HEARER, &to]).spawn().expect("python3 starts");
    Ended::from(child)
}

/// How long a host is away: GHOSTPORT_TEST_AWAY in seconds, where somebody has the time for the limits of
/// TCP itself.
fn away() -> Duration {
    let asked = std::env::var("GHOSTPORT_TEST_AWAY").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(8))
}

#[test]
fn a_host_that_vanishes_and_comes_back_gets_every_line() {
    let Some(link) = link_for("a_host_that_vanishes_and_comes_back_gets_every_line", "v") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (heard, all) = (folder.path().join("heard.json"), folder.path().join("all.json"));
    let out = format!("eve:tcp://{CLIENT}:5170");
    let args = "-q -r - --flows --timeout-opening 1 -o eve:all.json --spool spool --drain-timeout 60 -o";
    let args: Vec<&str> = args.split(' ').chain([out.as_str()]).collect();
    let mut command = Link::inside(&link.server, GHOSTPORT, &args);
    command.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child: Child = command.spawn().expect("starts");
    let mut receiver = Some(hearer(&link, &heard));
    let mut piped = Piped::from(child);
    piped.feed(&scan(6_000), 12, |piece| {
        thread::sleep(Duration::from_millis(200));
        match piece {
            3 => {
                ip(&["-n", &link.client, "link", "set", "gp1", "down"]).expect("ip works");
                drop(receiver.take());
            }
            8 => {
                thread::sleep(away());
                let said = lines_of(&all).len();
                assert!(said > 3_000, "{said} lines");
                ip(&["-n", &link.client, "link", "set", "gp1", "up"]).expect("ip works");
                receiver = Some(hearer(&link, &heard));
            }
            _ => {}
        }
    });
    let run = piped.end();
    run.expect_code(0).expect_said(&["cannot deliver to tcp://"]);
    drop(receiver);
    let whole = fs::read_to_string(&heard).expect("lines");
    // Where the hearer was killed in the middle of a line, the next one begins behind it.
    let got: Vec<_> = whole.lines().filter(|line| line.ends_with('}')).map(str::to_owned).collect();
    arrived(&got, &lines_of(&all));
}
