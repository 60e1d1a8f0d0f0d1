//! One TCP connection, with TLS or without, that knows how much of what was put into it has been
//! acknowledged.
//!
//! The socket never blocks once it is connected. A half-open connection (the other host is gone without a
//! word) is noticed by keep-alive while nothing is under way and by `TCP_USER_TIMEOUT` while something is.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{SockRef, TcpKeepalive};

use super::unsent::unsent;
use super::url::{Framing, Remote};

/// What is not acknowledged for so long breaks the connection (Linux; elsewhere the system's own limit).
const UNANSWERED_MAX: Duration = Duration::from_secs(30);
/// An idle connection is probed after this time, and then so often...
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// ...until so many probes were not answered.
const PROBES: u32 = 3;
/// How long the receiver may take to end its side, at the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why a connection cannot go on.
#[derive(Debug)]
pub(super) enum Broken {
    /// The receiver ended it orderly: it has read everything that it acknowledged.
    Ended,
    /// It broke, or was never made.
    Failed(String),
    /// Nothing is wrong with it, but nothing moves.
    Stuck,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("it closed the connection"),
            Self::Failed(why) => f.write_str(why),
            Self::Stuck => f.write_str("it does not read what is sent"),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A connection.
pub(super) struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// What the socket did not take yet, as it goes over the wire; `out[..gone]` is gone.
    out: Vec<u8>,
    gone: usize,
    /// Bytes ever put into `out`.
    put: u64,
}

impl Stream {
    /// Connects to the first address that answers within `patience`; TLS has greeted when this returns.
    pub(super) fn connect(
        remote: &Remote,
        config: Option<&Arc<ClientConfig>>,
        patience: Duration,
    ) -> Result<Self, Broken> {
        let until = Instant::now() + patience;
        let socket = dial((remote.host.as_str(), remote.port).to_socket_addrs()?, until)?;
        watch(&socket)?;
        let tls = match config {
            Some(config) => Some(Box::new(greet(&socket, &remote.host, config, until)?)),
            None => None,
        };
        socket.set_nonblocking(true)?;
        // What TLS itself has said so far is not ours to wait for.
        Ok(Self { socket, tls, out: Vec::new(), gone: 0, put: 0 })
    }

    /// Takes a record to be sent; says the position behind it.
    pub(super) fn put(&mut self, framing: Framing, record: &[u8]) -> io::Result<u64> {
        let before = self.out.len();
        let frame = |out: &mut dyn Write| match framing {
            Framing::Octet => write!(out, "{} ", record.len()).and_then(|()| out.write_all(record)),
            Framing::Lf => out.write_all(record).and_then(|()| out.write_all(b"\n")),
        };
        match &mut self.tls {
            None => frame(&mut self.out)?,
            Some(tls) => {
                let mut plain = Vec::with_capacity(record.len() + 8);
                frame(&mut plain)?;
                let mut rest = plain.as_slice();
                while !rest.is_empty() {
                    let taken = tls.writer().write(rest)?;
                    rest = &rest[taken..];
                    seal(tls, &mut self.out)?;
                }
            }
        }
        self.put += (self.out.len() - before) as u64;
        Ok(self.put)
    }

    /// Gives the socket as much as it takes.
    pub(super) fn push(&mut self) -> io::Result<()> {
        while self.gone < self.out.len() {
            match self.socket.write(&self.out[self.gone..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.gone += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.gone == self.out.len() {
            self.out.clear();
            self.gone = 0;
        }
        Ok(())
    }

    /// The position up to which the other host has acknowledged everything.
    pub(super) fn acknowledged(&self) -> u64 {
        let waiting = (self.out.len() - self.gone) as u64;
        self.put.saturating_sub(waiting + unsent(&self.socket))
    }

    /// Hears what the receiver says: nothing, in syslog, but an end or an alert.
    pub(super) fn hear(&mut self) -> Result<(), Broken> {
        let mut heard = [0; 4096];
        loop {
            let read = match &mut self.tls {
                None => self.socket.read(&mut heard),
                Some(tls) => tls.read_tls(&mut self.socket),
            };
            match read {
                Ok(0) => return Err(Broken::Ended),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(tls) = &mut self.tls {
                let state = tls.process_new_packets().map_err(|error| Broken::Failed(error.to_string()))?;
                let mut rest = state.plaintext_bytes_to_read();
                let is_closed = state.peer_has_closed();
                while rest > 0 {
                    rest -= tls.reader().read(&mut heard)?.min(rest).max(1);
                }
                let before = self.out.len();
                seal(tls, &mut self.out)?;
                self.put += (self.out.len() - before) as u64;
                if is_closed {
                    return Err(Broken::Ended);
                }
            }
        }
    }
}

/// Says goodbye and waits until the receiver has: it then has read everything. Closing at once could throw
/// away what it has not read, where something of its own lies unread here.
impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = seal(tls, &mut self.out);
        }
        if self.push().is_err() || self.socket.shutdown(Shutdown::Write).is_err() {
            return; // it is broken
        }
        let until = Instant::now() + GOODBYE;
        let _ = self.socket.set_nonblocking(false);
        let mut heard = [0; 4096];
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && self.socket.set_read_timeout(Some(left)).is_ok()
            && matches!(self.socket.read(&mut heard), Ok(1..))
        {}
    }
}

/// Takes what TLS has to say to where it is sent from.
fn seal(tls: &mut ClientConnection, out: &mut Vec<u8>) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(out)?;
    }
    Ok(())
}

fn dial(addresses: impl Iterator<Item = SocketAddr>, until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn watch(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_EVERY).with_retries(PROBES);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNANSWERED_MAX))?;
    Ok(())
}

fn greet(
    mut socket: &TcpStream,
    host: &str,
    config: &Arc<ClientConfig>,
    until: Instant,
) -> Result<ClientConnection, Broken> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Broken::Failed(format!("{host:?} is no name that a certificate could have")))?;
    let mut tls = ClientConnection::new(Arc::clone(config), name)
        .map_err(|error| Broken::Failed(format!("TLS: {error}")))?;
    while tls.is_handshaking() || tls.wants_write() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Broken::Failed("it does not answer TLS's greeting".to_owned()));
        }
        socket.set_read_timeout(Some(left))?;
        socket.set_write_timeout(Some(left))?;
        if tls.wants_write() {
            tls.write_tls(&mut socket)?;
        } else {
            if tls.read_tls(&mut socket)? == 0 {
                return Err(Broken::Failed("it closed the connection during TLS's greeting".to_owned()));
            }
            if let Err(error) = tls.process_new_packets() {
                let _ = tls.write_tls(&mut socket); // tells it why
                return Err(Broken::Failed(format!("TLS: {error}")));
            }
        }
    }
    Ok(tls)
}
