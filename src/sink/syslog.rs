//! Records over datagrams and streams: UDP (RFC 5426), TCP (RFC 6587), TLS (RFC 5425). What a record says is
//! not looked at: an RFC 5424 message and a line of JSON travel alike.
//!
//! UDP promises nothing: a datagram may be lost without anybody noticing. One that is too long is refused and
//! counted, never cut. With TCP and TLS a record is settled when the other host's TCP acknowledged it, which
//! is more than "written" and less than "the receiver has it on disk" (syslog has no such answer). So that a
//! receiver that dies with records in its socket loses none of them, the last ones that were settled are
//! kept (see [`Tail`]) and sent again after a connection broke. When it ended orderly and
//! long after the last record, nothing is sent twice. Who needs more takes HTTP, where each batch is
//! answered.

use std::collections::VecDeque;
use std::io;
use std::net::{ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use super::deliver::{Deliver, Delivered, Refused, Then};
use super::stream::{Broken, Stream};
use super::tail::Tail;
use super::tls::Tls;
use super::url::{Framing, Papers, Remote, Speech};

/// One call waits at most so long for acknowledgements, after at most [`CONNECT_TIME`] for a connection;
/// together less than [`super::deliver::WAIT_MAX`].
const PATIENCE: Duration = Duration::from_secs(4);
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Of the records that were settled, so many bytes are kept for a connection that breaks: more than a
/// receiver's socket holds unread unless it is very busy.
const TAIL_BYTES: usize = 1 << 20;
/// ...of those that went in the last minute: for so long a receiver may have been stuck before it broke.
const TAIL_TIME: Duration = Duration::from_secs(60);
/// While waiting for acknowledgements, the system is asked after so long, then after twice as long, and so
/// on.
const ASK_MIN: Duration = Duration::from_micros(50);
const ASK_MAX: Duration = Duration::from_millis(5);

/// One record per datagram.
pub(super) struct Datagrams {
    remote: Remote,
    max: usize,
    socket: Option<UdpSocket>,
}

impl Datagrams {
    pub(super) const fn new(remote: Remote, max: usize) -> Self {
        Self { remote, max, socket: None }
    }

    fn connected(&mut self) -> io::Result<&UdpSocket> {
        if self.socket.is_none() {
            self.socket = Some(open(&self.remote)?);
        }
        self.socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Deliver for Datagrams {
    fn deliver(&mut self, records: &[&[u8]]) -> Delivered {
        let max = self.max;
        let socket = match self.connected() {
            Ok(socket) => socket,
            Err(error) => return Delivered::retry(0, error),
        };
        let mut refused: Option<Refused> = None;
        for (at, record) in records.iter().enumerate() {
            if record.len() > max {
                let count = refused.map_or(0, |before| before.count) + 1;
                let why =
                    format!("{} bytes do not fit a datagram of {max} (max=BYTES allows more)", record.len());
                refused = Some(Refused { count, why });
            } else if let Err(error) = socket.send(record) {
                // The error is about an earlier datagram (a host that says "port unreachable"): it goes
                // again.
                let settled = if refused.is_some() { at } else { at.saturating_sub(1) };
                self.socket = None;
                return Delivered {
                    settled,
                    refused,
                    then: Then::Retry { after: None, why: error.to_string() },
                };
            }
        }
        Delivered { settled: records.len(), refused, then: Then::GoOn }
    }

    fn reopen(&mut self) {
        self.socket = None;
    }
}

fn open(remote: &Remote) -> io::Result<UdpSocket> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for to in (remote.host.as_str(), remote.port).to_socket_addrs()? {
        let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        match UdpSocket::bind(from).and_then(|socket| socket.connect(to).map(|()| socket)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A stream of records.
pub(super) struct Streamed {
    remote: Remote,
    framing: Framing,
    /// For TLS.
    config: Option<Arc<ClientConfig>>,
    stream: Option<Stream>,
    /// Records that are under way in `stream`, in order.
    flying: VecDeque<Flying>,
    /// Records that were settled last.
    tail: Tail,
}

/// A record that is under way.
struct Flying {
    /// The stream's position behind it.
    end: u64,
    record: Vec<u8>,
    /// It was settled before and goes a second time: nobody waits for it.
    is_again: bool,
}

impl Streamed {
    /// # Errors
    /// Certificates cannot be read; in words for the user.
    pub(super) fn new(remote: Remote) -> Result<Self, String> {
        let Speech::Stream { framing, is_tls } = remote.speech else {
            return Err("it is no stream".to_owned());
        };
        let config = if is_tls { Some(trusted(&remote.papers)?) } else { None };
        Ok(Self {
            remote,
            framing,
            config,
            stream: None,
            flying: VecDeque::new(),
            tail: Tail::new(TAIL_BYTES),
        })
    }

    /// Puts on the way what is not under way yet, and counts how many of the records, from the front, arrive.
    fn attempt(&mut self, records: &[&[u8]], settled: &mut usize) -> Result<(), Broken> {
        self.connect()?;
        self.put(records)?;
        let (until, mut pause) = (Instant::now() + PATIENCE, ASK_MIN);
        loop {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            stream.push()?;
            let arrived = stream.acknowledged();
            // An end that is heard now must not hide what arrived before.
            let heard = stream.hear();
            let more = self.settle(arrived);
            *settled += more;
            heard?;
            if self.flying.is_empty() {
                return Ok(());
            }
            if Instant::now() >= until {
                return if *settled > 0 { Ok(()) } else { Err(Broken::Stuck) };
            }
            pause = if more > 0 { ASK_MIN } else { (pause * 2).min(ASK_MAX) };
            std::thread::sleep(pause);
        }
    }

    /// A connection, on which what may have been lost with the one before is already under way.
    fn connect(&mut self) -> Result<(), Broken> {
        if let Some(stream) = &mut self.stream {
            return stream.hear(); // it may have ended while there was nothing to send
        }
        let mut stream = Stream::connect(&self.remote, self.config.as_ref(), CONNECT_TIME)?;
        self.flying.clear();
        for record in self.tail.records() {
            let end = stream.put(self.framing, record)?;
            self.flying.push_back(Flying { end, record: record.to_vec(), is_again: true });
        }
        self.tail.forget();
        self.stream = Some(stream);
        Ok(())
    }

    fn put(&mut self, records: &[&[u8]]) -> Result<(), Broken> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let under_way = self.flying.iter().filter(|flying| !flying.is_again);
        let known = under_way.clone().count();
        let is_same = known <= records.len() && under_way.zip(records).all(|(a, b)| a.record == *b);
        let known = if is_same {
            known
        } else {
            // Somebody dropped records that had been offered: nobody waits for them any more.
            self.flying.iter_mut().for_each(|flying| flying.is_again = true);
            0
        };
        for record in &records[known..] {
            let end = stream.put(self.framing, record)?;
            self.flying.push_back(Flying { end, record: record.to_vec(), is_again: false });
        }
        Ok(())
    }

    /// Takes what has arrived from what is under way; says how many of them somebody waits for.
    fn settle(&mut self, arrived: u64) -> usize {
        let mut count = 0;
        while let Some(first) = self.flying.pop_front_if(|first| first.end <= arrived) {
            count += usize::from(!first.is_again);
            self.tail.push(&[&first.record]);
        }
        self.tail.forget_older(TAIL_TIME);
        count
    }

    fn hang_up(&mut self, broken: &Broken) {
        if matches!(broken, Broken::Stuck) {
            return; // slow is not dead: the system will say when it is dead
        }
        // What went again and did not arrive has to go once more.
        let mut unread = self.flying.drain(..).filter(|flying| flying.is_again).peekable();
        if matches!(broken, Broken::Ended) && self.tail.is_old() && unread.peek().is_none() {
            self.tail.forget();
        }
        unread.for_each(|flying| self.tail.push(&[&flying.record]));
        self.stream = None;
    }
}

impl Deliver for Streamed {
    fn deliver(&mut self, records: &[&[u8]]) -> Delivered {
        // A connection that ended orderly while nothing was under way is no trouble: a new one is made at
        // once.
        let idle = self.stream.is_some() && self.flying.is_empty();
        let mut settled = 0;
        let mut ended = self.attempt(records, &mut settled);
        if let Err(broken) = &ended {
            self.hang_up(broken);
            if matches!(broken, Broken::Ended) && idle && settled == 0 {
                ended = self.attempt(records, &mut settled);
                if let Err(broken) = &ended {
                    self.hang_up(broken);
                }
            }
        }
        match ended {
            Ok(()) => Delivered::all(settled),
            Err(broken) => Delivered::retry(settled, broken),
        }
    }

    fn reopen(&mut self) {
        // Old certificates go on where new ones cannot be read: HUP is no reason to stop.
        if self.config.is_some()
            && let Ok(config) = trusted(&self.remote.papers)
        {
            self.config = Some(config);
        }
        // A message that was begun is ended where it was begun.
        if self.flying.is_empty() {
            self.stream = None;
            self.tail.forget();
        }
    }
}

fn trusted(papers: &Papers) -> Result<Arc<ClientConfig>, String> {
    Tls::read(papers)?.rustls()
}

#[cfg(test)]
mod tests;
