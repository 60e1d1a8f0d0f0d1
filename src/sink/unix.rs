//! Lines to a Unix socket: a stream of lines (`unix:///path`) or a datagram for each (`unixgram:///path`).
//!
//! Nobody acknowledges anything here: a line is settled when the kernel has it, and the last ones are sent
//! again when a connection breaks (see [`super::tail`]): those of the last seconds and, where the system says
//! that some are unread, however long they have been, all that may be.

use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};

use super::deliver::{Deliver, Delivered, Refused, Then, WAIT_MAX};
use super::tail::{READ_TIME, Tail};
use super::unsent::unsent;

/// How long one write may wait; several together wait half of [`WAIT_MAX`].
const WRITE_WAIT: Duration = Duration::from_secs(2);

/// A Unix socket.
pub(super) struct Unix {
    path: PathBuf,
    is_datagram: bool,
    link: Option<Link>,
    tail: Tail,
    /// Bytes of the next record that the stream has already.
    begun: usize,
}

enum Link {
    Stream(UnixStream),
    Datagram(UnixDatagram),
}

impl Unix {
    /// A socket that is connected to when there is something to say.
    pub(super) fn new(path: &Path, is_datagram: bool) -> Self {
        Self { path: path.to_owned(), is_datagram, link: None, tail: Tail::default(), begun: 0 }
    }

    fn connect(&mut self, until: Instant) -> Result<(), String> {
        if self.link.is_some() {
            return Ok(());
        }
        let link = open(&self.path, self.is_datagram).map_err(|error| error.to_string())?;
        let link = self.link.insert(link);
        let again = self.tail.records();
        let sent = link.send(&again, 0, until);
        if sent.count < again.len() {
            self.link = None;
            return Err(sent.why());
        }
        Ok(())
    }
}

impl Deliver for Unix {
    fn deliver(&mut self, records: &[&[u8]]) -> Delivered {
        let until = Instant::now() + WAIT_MAX / 2;
        if let Err(why) = self.connect(until) {
            return Delivered::retry(0, why);
        }
        let Some(link) = &mut self.link else { return Delivered::retry(0, "not connected") };
        let was_read = link.is_read();
        let sent = link.send(records, self.begun, until);
        // A receiver that is slow keeps its connection, as what was begun has to be ended there. Behind one
        // that broke, nothing of this attempt may have been read: all of it comes again.
        if sent.count < records.len() && !sent.is_slow() {
            (self.link, self.begun) = (None, 0);
            return Delivered::retry(0, sent.why());
        }
        self.begun = sent.begun;
        // Of a broken connection the system says the same as of a read one: so not before it took more.
        if was_read {
            self.tail.forget_older(READ_TIME);
        }
        self.tail.push(&records[..sent.count]);
        let refused = (sent.too_long > 0)
            .then(|| Refused { count: sent.too_long, why: "too long for a datagram".to_owned() });
        if sent.count == records.len() {
            return Delivered { refused, ..Delivered::all(sent.count) };
        }
        Delivered { settled: sent.count, refused, then: Then::Retry { after: None, why: sent.why() } }
    }

    fn reopen(&mut self) {
        // A stream ends with a whole line, or goes on.
        if self.begun == 0 {
            if let Some(Link::Stream(stream)) = &self.link {
                let _ = stream.shutdown(Shutdown::Write);
            }
            self.link = None;
            self.tail = Tail::default();
        }
    }
}

/// What a connection took.
#[derive(Default)]
struct Sent {
    count: usize,
    begun: usize,
    too_long: usize,
    error: Option<io::Error>,
}

impl Sent {
    fn is_slow(&self) -> bool {
        self.error
            .as_ref()
            .is_none_or(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn why(&self) -> String {
        match &self.error {
            Some(error) if !self.is_slow() => error.to_string(),
            _ => "it does not read".to_owned(),
        }
    }
}

impl Link {
    /// True when the receiver has read everything, as far as anybody can tell.
    fn is_read(&self) -> bool {
        match self {
            Self::Stream(stream) => unsent(stream) == 0,
            Self::Datagram(socket) => unsent(socket) == 0,
        }
    }

    /// Sends records, of the first one only what is missing.
    fn send(&mut self, records: &[&[u8]], begun: usize, until: Instant) -> Sent {
        match self {
            _ if records.is_empty() => Sent::default(),
            Self::Stream(stream) => send_stream(stream, records, begun, until),
            Self::Datagram(socket) => send_datagrams(socket, records, until),
        }
    }
}

fn send_stream(stream: &mut UnixStream, records: &[&[u8]], begun: usize, until: Instant) -> Sent {
    let mut bytes = records.join(&b'\n');
    bytes.push(b'\n');
    let mut done = begun;
    let mut error = None;
    while done < bytes.len() && error.is_none() {
        match stream.write(&bytes[done..]) {
            Ok(count) => done += count,
            Err(interrupted) if interrupted.kind() == ErrorKind::Interrupted => {}
            Err(slow) if slow.kind() == ErrorKind::WouldBlock && Instant::now() < until => {}
            Err(other) => error = Some(other),
        }
    }
    let (mut count, mut end) = (0, 0);
    for record in records {
        if end + record.len() + 1 > done {
            break;
        }
        end += record.len() + 1;
        count += 1;
    }
    Sent { count, begun: done - end, too_long: 0, error }
}

fn send_datagrams(socket: &UnixDatagram, records: &[&[u8]], until: Instant) -> Sent {
    let mut sent = Sent::default();
    while let Some(record) = records.get(sent.count) {
        match socket.send(record) {
            Ok(_) => sent.count += 1,
            Err(error) if error.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) => {
                sent.count += 1;
                sent.too_long += 1;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < until => {}
            Err(error) => {
                sent.error = Some(error);
                break;
            }
        }
    }
    sent
}

/// Connects without waiting: a receiver that does not accept has a full queue, and connecting would wait for
/// as long as that lasts.
fn open(path: &Path, is_datagram: bool) -> io::Result<Link> {
    let kind = if is_datagram { SocketType::DGRAM } else { SocketType::STREAM };
    let socket = socket(AddressFamily::UNIX, kind, None)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::io::ioctl_fionbio(&socket, false)?;
    if is_datagram {
        let socket = UnixDatagram::from(socket);
        socket.set_write_timeout(Some(WRITE_WAIT))?;
        return Ok(Link::Datagram(socket));
    }
    let stream = UnixStream::from(socket);
    stream.set_write_timeout(Some(WRITE_WAIT))?;
    Ok(Link::Stream(stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_stream_that_comes_back_has_every_line_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let mut unix = Unix::new(&path, false);
        assert!(matches!(unix.deliver(&[b"one"]).then, Then::Retry { .. }), "nobody is there");
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(unix.deliver(&[b"one", b"two"]), Delivered::all(2));
        let (mut reader, _) = listener.accept().unwrap();
        let mut read = [0; 4];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\n");
        drop(reader); // "two" was never read
        let delivered = unix.deliver(&[b"three"]);
        assert_eq!(delivered.settled, 0, "{delivered:?}");
        assert_eq!(unix.deliver(&[b"three"]), Delivered::all(1));
        let (reader, _) = listener.accept().unwrap();
        unix.reopen();
        let lines: Vec<_> = BufReader::new(reader).lines().map(Result::unwrap).collect();
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn a_stream_that_does_not_read_is_left_and_its_torn_line_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut unix = Unix::new(&path, false);
        let line = vec![b'x'; 50_000];
        let records: Vec<&[u8]> = (0..20).map(|_| line.as_slice()).collect();
        let begun = Instant::now();
        let first = unix.deliver(&records);
        assert!(begun.elapsed() < WAIT_MAX && first.settled < 20, "{first:?}");
        assert_eq!(first.then, Then::Retry { after: None, why: "it does not read".into() });
        let (reader, _) = listener.accept().unwrap();
        let reader = std::thread::spawn(move || {
            BufReader::new(reader).lines().map(|line| line.unwrap().len()).collect::<Vec<_>>()
        });
        let mut settled = first.settled;
        while settled < 20 {
            settled += unix.deliver(&records[settled..]).settled;
        }
        drop(unix);
        assert_eq!(reader.join().unwrap(), [50_000; 20]);
    }

    #[test]
    fn what_nobody_has_read_comes_again_however_old_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut unix = Unix::new(&path, false);
        let lines = |reader: UnixStream| BufReader::new(reader).lines().map(Result::unwrap);
        assert_eq!(unix.deliver(&[b"one"]).settled, 1);
        std::thread::sleep(READ_TIME + Duration::from_millis(200));
        assert_eq!(unix.deliver(&[b"two"]).settled, 1);
        drop(listener.accept().unwrap()); // it never read
        assert_eq!(unix.deliver(&[b"three"]).settled, 0);
        assert_eq!(unix.deliver(&[b"three"]).settled, 1);
        let (reader, _) = listener.accept().unwrap();
        let mut heard = lines(reader);
        assert_eq!(heard.by_ref().take(3).collect::<Vec<_>>(), ["one", "two", "three"]);
        std::thread::sleep(READ_TIME + Duration::from_millis(200));
        assert_eq!(unix.deliver(&[b"four"]).settled, 1);
        assert_eq!(heard.next().unwrap(), "four");
        drop(heard);
        let again = unix.tail.records();
        assert_eq!(again, [b"four"], "what was read long ago need not");
    }

    #[test]
    fn each_datagram_is_a_line_and_one_too_long_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let mut unix = Unix::new(&path, true);
        let long = vec![b'x'; 4 << 20];
        let delivered = unix.deliver(&[b"one", &long, b"two"]);
        assert_eq!((delivered.settled, delivered.refused.unwrap().count), (3, 1));
        let mut bytes = [0; 100];
        for expected in [&b"one"[..], b"two"] {
            let length = receiver.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], expected);
        }
        drop(receiver);
        assert!(matches!(unix.deliver(&[b"three"]).then, Then::Retry { .. }));
    }
}
