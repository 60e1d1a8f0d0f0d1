//! Live interfaces, several at once: each through a ring of its own where that is possible, else through
//! libpcap.
//!
//! Nothing blocks here but our own poll(2). On a quiet link the packet clock follows the wall clock at a
//! small distance, so flows expire although no packet says that time passes. This file is one of the few
//! that may ask the machine for the time.
//!
//! # Why the ring, and not AF_XDP
//! A TPACKET_V3 ring costs no system call per frame and works with every driver. AF_XDP can do without the
//! kernel's copy where the driver has native support; in copy mode, which is all that a veth pair or a
//! driver without it offers, it is slower: on one such pair with 64-byte frames a bare V3 ring took all of
//! 2.8 M frames a second, an AF_XDP receiver about 1.5 M, a plain recv loop 1.2 M (issue 6). Besides, an
//! AF_XDP socket takes the frames away from the host, and does not see what the host sends. So it is worth
//! another way in here, beside `ring`, when a native driver is at hand to measure on, and not before.
//!
//! Invariants: a fill returns within the poll interval (plus one batch); frames of several interfaces are in
//! the order of their times within a burst; a burst holds at most [`BURST_BYTES`] and one batch, or one
//! block of each ring; counters only grow.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::burst::Burst;
use super::handle::Handle;
#[cfg(target_os = "linux")]
use super::ring::{self, Ring};
use super::{Damage, Error, Filled, Loss, Progress, Source, poll};
use crate::time::Timestamp;

/// Bytes in a burst after which no further batch is asked for.
const BURST_BYTES: usize = 256 * 1024;
/// How far the clock stays behind the wall clock on a quiet link: longer than a frame may wait in the
/// kernel's ring.
const LAG: Duration = Duration::from_millis(500);
/// Longest time a frame may wait in the kernel's ring for others, in milliseconds.
const RETIRE_MAX: u32 = 50;
/// Idle or busy, the kernel's 32-bit counters are read at least once in this many fills, long before they
/// wrap.
const FILLS_PER_COUNT: u32 = 4096;

/// What live frames come through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Through {
    /// AF_PACKET rings where the system and the interface allow it, else libpcap. The default.
    #[default]
    Ring,
    /// libpcap.
    Libpcap,
}

/// How to watch interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Bytes kept of each frame: 1 to 262144, the default.
    pub snaplen: u32,
    /// Also take frames that are not addressed to this machine. Default: yes; never on `any`.
    pub promiscuous: bool,
    /// Bytes of the kernel's buffer, per interface. Default: 64 MiB.
    pub buffer_bytes: u32,
    /// A BPF expression, applied in the kernel.
    pub filter: Option<String>,
    /// Longest time a fill waits for a frame. Default: 100 ms.
    pub poll: Duration,
    /// What frames come through.
    pub through: Through,
}

impl LiveOptions {
    /// Longest time a frame may wait in the kernel for others, in milliseconds, at least 1.
    pub(super) fn retire_millis(&self) -> u32 {
        u32::try_from(self.poll.as_millis() / 2).unwrap_or(RETIRE_MAX).clamp(1, RETIRE_MAX)
    }
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            snaplen: super::walk::FRAME_MAX,
            promiscuous: true,
            buffer_bytes: 64 * 1024 * 1024,
            filter: None,
            poll: Duration::from_millis(100),
            through: Through::default(),
        }
    }
}

/// A set of interfaces that are being watched, or one worker's share of them.
pub struct Live {
    names: Vec<String>,
    taps: RefCell<Vec<Tap>>,
    /// How each interface is watched, in words.
    ways: Vec<String>,
    poll: Duration,
    /// The last frame's, and how far it is to the next: workers with a source each never give the same.
    number: u64,
    stride: u64,
    fills: u32,
    /// What went wrong behind frames that were handed on first.
    broken: Option<Error>,
}

/// One open interface.
enum Tap {
    #[cfg(target_os = "linux")]
    Ring(Box<Ring>),
    Handle(Handle),
}

impl Live {
    /// Opens all interfaces; `any` stands for every one of them on Linux. A name given twice is opened once.
    ///
    /// # Errors
    /// [`Error::Interface`], [`Error::Permission`] or [`Error::Filter`], for the first interface that cannot
    /// be watched.
    pub fn open(interfaces: &[String], options: &LiveOptions) -> Result<Self, Error> {
        Self::several(interfaces, options, 1)?.pop().ok_or_else(nothing_named)
    }

    /// Opens all interfaces for so many workers: one source for each, among which the kernel shares out what
    /// every interface sees, flow by flow; or only one, when an interface cannot be shared out.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn several(interfaces: &[String], options: &LiveOptions, count: usize) -> Result<Vec<Self>, Error> {
        let count = count.max(1);
        let mut names: Vec<String> = Vec::new();
        for name in interfaces {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        if names.is_empty() {
            return Err(nothing_named());
        }
        let opened = (0..=u16::MAX).zip(&names).map(|(input, name)| open(name, input, options, count));
        let (groups, ways): (Vec<_>, Vec<_>) = opened.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        if groups.iter().any(|group| group.len() < count) {
            drop(groups);
            return Self::several(interfaces, options, 1);
        }
        let mut groups: Vec<_> = groups.into_iter().map(Vec::into_iter).collect();
        let lives = (0..count as u64).map(|index| Self {
            names: names.clone(),
            taps: RefCell::new(groups.iter_mut().filter_map(Iterator::next).collect()),
            ways: ways.clone(),
            poll: options.poll,
            number: (index + 1).wrapping_sub(count as u64),
            stride: count as u64,
            fills: 0,
            broken: None,
        });
        Ok(lives.collect())
    }

    /// How each interface is watched, one sentence each.
    #[must_use]
    pub fn ways(&self) -> &[String] {
        &self.ways
    }

    /// Takes what the interfaces hold; the places are not numbered yet.
    fn take(&mut self, burst: &mut Burst) {
        let taps = self.taps.get_mut();
        let share = BURST_BYTES / taps.len().max(1);
        for (tap, name) in taps.iter_mut().zip(&self.names) {
            if let Err(said) = tap.take(burst, share) {
                let why = format!("{said}; bring it up again and restart");
                self.broken.get_or_insert(Error::Interface { interface: name.clone(), why });
            }
        }
    }

    /// Sleeps until an interface has frames or the poll interval is over.
    fn wait(&mut self) -> Result<(), Error> {
        let taps = self.taps.get_mut();
        let fds: Vec<BorrowedFd<'_>> = taps.iter().map(AsFd::as_fd).collect();
        match poll::readable(&fds, self.poll) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Interface { interface: self.names.join(", "), why: error.to_string() }),
        }
    }

    /// Orders and numbers what was taken.
    fn number(&mut self, burst: &mut Burst) {
        if self.names.len() > 1 {
            burst.places.sort_by_key(|place| place.time);
        }
        for place in &mut burst.places {
            self.number = self.number.wrapping_add(self.stride);
            place.number = self.number;
        }
    }
}

impl Source for Live {
    fn fill(&mut self, burst: &mut Burst) -> Result<Filled, Error> {
        burst.clear();
        self.fills = self.fills.wrapping_add(1);
        if self.fills.is_multiple_of(FILLS_PER_COUNT) {
            self.taps.get_mut().iter_mut().for_each(Tap::count);
        }
        if self.broken.is_none() {
            self.take(burst);
        }
        if burst.is_empty() && self.broken.is_none() {
            self.wait()?;
            self.take(burst);
        }
        if !burst.is_empty() {
            self.number(burst);
            return Ok(Filled::Frames);
        }
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        burst.advance(wall_clock(LAG));
        Ok(Filled::Idle)
    }

    fn inputs(&self) -> &[String] {
        &self.names
    }

    fn damage(&self) -> &[Damage] {
        &[]
    }

    fn loss(&self) -> Loss {
        let mut sum = Loss::default();
        for tap in self.taps.borrow_mut().iter_mut() {
            tap.count();
            sum.add(tap.loss());
        }
        sum
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }
}

impl Tap {
    /// Copies what there is: at most about `share` bytes, or one block of a ring.
    fn take(&mut self, burst: &mut Burst, share: usize) -> Result<(), String> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Ring(ring) => ring.take(burst),
            Self::Handle(handle) => handle.take(burst, share),
        }
    }

    fn count(&mut self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Ring(ring) => ring.count(),
            Self::Handle(handle) => handle.count(),
        }
    }

    fn loss(&self) -> Loss {
        match self {
            #[cfg(target_os = "linux")]
            Self::Ring(ring) => ring.loss(),
            Self::Handle(handle) => handle.loss(),
        }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Ring(ring) => ring.as_fd(),
            Self::Handle(handle) => handle.as_fd(),
        }
    }
}

/// Whether live frames can come through rings here: nothing when they can, else why not.
///
/// # Errors
/// What the system says.
pub fn ring_works() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    return ring::probe();
    #[cfg(not(target_os = "linux"))]
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

/// One interface: a tap for each worker, or a single one; and how it is watched, in words.
fn open(name: &str, input: u16, options: &LiveOptions, count: usize) -> Result<(Vec<Tap>, String), Error> {
    let why = match options.through {
        #[cfg(target_os = "linux")]
        Through::Ring => match ring::open(name, input, options, count)? {
            ring::Opened::Rings(rings) => {
                let each = rings.first().map(Ring::describe).unwrap_or_default();
                let way = format!("{name}: through {each}, one for each of {count}");
                return Ok((rings.into_iter().map(|ring| Tap::Ring(Box::new(ring))).collect(), way));
            }
            ring::Opened::Not(why) => why,
        },
        #[cfg(not(target_os = "linux"))]
        Through::Ring => "there are no rings on this system".to_owned(),
        Through::Libpcap => "as asked for".to_owned(),
    };
    let handle = Handle::open(name, input, options)?;
    Ok((vec![Tap::Handle(handle)], format!("{name}: through libpcap, {why}")))
}

fn nothing_named() -> Error {
    Error::Interface { interface: "-".into(), why: "no interface was named; try any".into() }
}

fn wall_clock(behind: Duration) -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(behind);
    Timestamp::from_nanos(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn loopback_is_watched_and_quiet_moves_the_clock() {
        let names = ["lo".to_string(), "lo".to_string()];
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        let filter = Some(format!("udp port {}", to.port()));
        let poll = Duration::from_millis(20);
        let mut live = match Live::open(&names, &LiveOptions { filter, poll, ..LiveOptions::default() }) {
            Err(error @ (Error::Permission { .. } | Error::Interface { .. })) => {
                return eprintln!("SKIPPED: loopback cannot be watched here: {error}");
            }
            other => other.unwrap(),
        };
        let mut burst = Burst::new();
        assert_eq!(live.fill(&mut burst).unwrap(), Filled::Idle);
        let quiet = burst.clock();
        assert!(quiet > Timestamp::MIN);
        socket.send_to(b"hello", to).unwrap();
        let filled = (0..100).any(|_| live.fill(&mut burst).unwrap() == Filled::Frames);
        assert!(filled && burst.frames().all(|frame| frame.bytes.ends_with(b"hello") && frame.time > quiet));
        assert_eq!(live.inputs(), ["lo"]);
        assert!(live.loss().received >= 1);
    }

    #[test]
    fn a_wrong_filter_and_no_interface_are_refused() {
        assert!(matches!(Live::open(&[], &LiveOptions::default()), Err(Error::Interface { .. })));
        let options = LiveOptions { filter: Some("tcp prot".into()), ..LiveOptions::default() };
        let refused = Live::open(&["lo".into()], &options).err();
        assert!(matches!(
            refused,
            Some(Error::Filter { .. } | Error::Permission { .. } | Error::Interface { .. })
        ));
    }
}
