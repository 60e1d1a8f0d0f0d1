//! Live interfaces through libpcap, several at once.
//!
//! libpcap reads in batches and never blocks here: the wait is our own poll(2), because libpcap's read
//! timeout does not end on a quiet link. On a quiet link the packet clock follows the wall clock at a small
//! distance, so flows expire although no packet says that time passes. This file is one of the few that may
//! ask the machine for the time.
//!
//! Invariants: a fill returns within the poll interval (plus one batch); frames of several interfaces are in
//! the order of their times within a burst; a burst holds at most [`BURST_BYTES`] and one batch; counters
//! only grow.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pcap::{Active, Capture, Precision, Stat};

use super::burst::{Burst, Frame, LinkType};
use super::filter::link_type;
use super::interfaces::{advice_for, check};
use super::{Damage, Error, Filled, Loss, Progress, Source, poll};
use crate::time::Timestamp;

/// Bytes in a burst after which no further batch is asked for.
const BURST_BYTES: usize = 256 * 1024;
/// Frames asked from one interface at once.
const BATCH: usize = 64;
/// How far the clock stays behind the wall clock on a quiet link: longer than a frame may wait in the
/// kernel's ring.
const LAG: Duration = Duration::from_millis(500);
/// Longest time a frame may wait in the kernel's ring for others, in milliseconds.
const RETIRE_MAX: i32 = 50;
/// Idle or busy, the kernel's 32-bit counters are read at least once in this many fills, long before they
/// wrap.
const FILLS_PER_COUNT: u32 = 4096;

/// How to watch interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Bytes kept of each frame: 1 to 262144, the default.
    pub snaplen: u32,
    /// Also take frames that are not addressed to this machine. Default: yes; never on `any`.
    pub promiscuous: bool,
    /// Bytes of the kernel's ring, per interface. Default: 64 MiB.
    pub buffer_bytes: u32,
    /// A BPF expression, applied in the kernel.
    pub filter: Option<String>,
    /// Longest time a fill waits for a frame. Default: 100 ms.
    pub poll: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            snaplen: super::walk::FRAME_MAX,
            promiscuous: true,
            buffer_bytes: 64 * 1024 * 1024,
            filter: None,
            poll: Duration::from_millis(100),
        }
    }
}

/// A set of interfaces that are being watched.
pub struct Live {
    names: Vec<String>,
    taps: RefCell<Vec<Tap>>,
    poll: Duration,
    number: u64,
    fills: u32,
    /// What went wrong behind frames that were handed on first.
    broken: Option<Error>,
}

/// One open interface.
struct Tap {
    capture: Capture<Active>,
    link: LinkType,
    /// Nanoseconds per unit of the fraction that libpcap hands out.
    unit: u64,
    input: u16,
    counted: Counted,
}

/// The kernel's counters as read last, and what they amount to since the start.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    received: u32,
    dropped: u32,
    dropped_interface: u32,
    loss: Loss,
}

impl Counted {
    /// Adds what was counted since the last time; the kernel's counters may have wrapped once in between.
    fn count(&mut self, now: &Stat) {
        self.loss.received += u64::from(now.received.wrapping_sub(self.received));
        self.loss.dropped_kernel += u64::from(now.dropped.wrapping_sub(self.dropped));
        self.loss.dropped_interface += u64::from(now.if_dropped.wrapping_sub(self.dropped_interface));
        (self.received, self.dropped, self.dropped_interface) = (now.received, now.dropped, now.if_dropped);
    }
}

impl Live {
    /// Opens all interfaces; `any` stands for every one of them on Linux. A name given twice is opened once.
    ///
    /// # Errors
    /// [`Error::Interface`], [`Error::Permission`] or [`Error::Filter`], for the first interface that cannot
    /// be watched.
    pub fn open(interfaces: &[String], options: &LiveOptions) -> Result<Self, Error> {
        let mut names: Vec<String> = Vec::new();
        for name in interfaces {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let taps = (0..=u16::MAX).zip(&names).map(|(input, name)| Tap::open(name, input, options));
        let taps = taps.collect::<Result<Vec<_>, _>>()?;
        if taps.is_empty() {
            return Err(Error::Interface {
                interface: "-".into(),
                why: "no interface was named; try any".into(),
            });
        }
        Ok(Self { names, taps: RefCell::new(taps), poll: options.poll, number: 0, fills: 0, broken: None })
    }

    /// Takes what the interfaces hold; the places are not numbered yet.
    fn take(&mut self, burst: &mut Burst) {
        let taps = self.taps.get_mut();
        let share = BURST_BYTES / taps.len().max(1);
        for tap in taps {
            let full = burst.bytes.len() + share;
            while burst.bytes.len() < full {
                match tap.batch(burst) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        let interface = self.names.get(usize::from(tap.input)).cloned().unwrap_or_default();
                        let why = format!("{}; bring it up again and restart", super::said(&error));
                        self.broken.get_or_insert(Error::Interface { interface, why });
                        break;
                    }
                }
            }
        }
    }

    /// Sleeps until an interface has frames or the poll interval is over.
    fn wait(&mut self) -> Result<(), Error> {
        let taps = self.taps.get_mut();
        let fds: Vec<BorrowedFd<'_>> = taps.iter().map(|tap| tap.capture.as_fd()).collect();
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
            self.number += 1;
            place.number = self.number;
        }
    }

    /// Reads the kernel's counters. One that cannot be read keeps its last value: the interface may be gone.
    fn count(taps: &mut [Tap]) {
        for tap in taps {
            if let Ok(now) = tap.capture.stats() {
                tap.counted.count(&now);
            }
        }
    }
}

impl Source for Live {
    fn fill(&mut self, burst: &mut Burst) -> Result<Filled, Error> {
        burst.clear();
        self.fills = self.fills.wrapping_add(1);
        if self.fills.is_multiple_of(FILLS_PER_COUNT) {
            Self::count(self.taps.get_mut());
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
        let mut taps = self.taps.borrow_mut();
        Self::count(&mut taps);
        taps.iter().fold(Loss::default(), |sum, tap| Loss {
            received: sum.received + tap.counted.loss.received,
            dropped_kernel: sum.dropped_kernel + tap.counted.loss.dropped_kernel,
            dropped_interface: sum.dropped_interface + tap.counted.loss.dropped_interface,
        })
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }
}

impl Tap {
    fn open(name: &str, input: u16, options: &LiveOptions) -> Result<Self, Error> {
        check(name)?;
        let promiscuous = options.promiscuous && name != "any";
        let nanos = counts_nanos(name);
        let capture = activate(name, options, promiscuous, nanos)
            // Some interfaces cannot be promiscuous, and a warning about it counts as an error in the pcap
            // crate.
            .or_else(|error| {
                if promiscuous {
                    activate(name, options, false, nanos).map_err(|_| error)
                } else {
                    Err(error)
                }
            })
            .and_then(Capture::setnonblock)
            .map_err(|error| advice_for(name, &super::said(&error)))?;
        let mut tap = Self {
            link: link_type(capture.get_datalink().0),
            unit: if nanos { 1 } else { 1000 },
            capture,
            input,
            counted: Counted::default(),
        };
        if let Some(filter) = options.filter.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            tap.capture.filter(filter, true).map_err(|error| Error::Filter {
                why: format!("{} (in: {filter}, on {name})", super::said(&error)),
            })?;
        }
        Ok(tap)
    }

    /// Copies one batch of frames; 0 when there is none.
    fn batch(&mut self, burst: &mut Burst) -> Result<usize, pcap::Error> {
        let (link, unit, input) = (self.link, self.unit, self.input);
        self.capture.dispatch(Some(BATCH), |packet| {
            let fraction = u64::try_from(packet.header.ts.tv_usec).unwrap_or(0);
            burst.push(Frame {
                number: 0,
                time: Timestamp::from_parts(packet.header.ts.tv_sec, fraction.saturating_mul(unit)),
                link,
                input,
                wire_len: packet.header.len,
                bytes: packet.data,
            });
        })
    }
}

fn activate(
    name: &str,
    options: &LiveOptions,
    promiscuous: bool,
    nanos: bool,
) -> Result<Capture<Active>, pcap::Error> {
    let bounded = |value: u32, most: u32| i32::try_from(value.clamp(1, most)).unwrap_or(i32::MAX);
    let poll = i32::try_from(options.poll.as_millis() / 2).unwrap_or(RETIRE_MAX);
    Capture::from_device(name)?
        .snaplen(bounded(options.snaplen, super::walk::FRAME_MAX))
        .promisc(promiscuous)
        .buffer_size(bounded(options.buffer_bytes, i32::MAX.unsigned_abs()))
        .timeout(poll.clamp(1, RETIRE_MAX))
        .precision(if nanos { Precision::Nano } else { Precision::Micro })
        .open()
}

/// True where libpcap hands out nanoseconds when asked: Linux packet sockets. Its other Linux modules do not,
/// and the pcap crate does not say what it got.
fn counts_nanos(name: &str) -> bool {
    let others = ["nflog", "nfqueue", "usbmon", "bluetooth", "dbus-", "rdma"];
    cfg!(target_os = "linux") && !others.iter().any(|module| name.starts_with(module))
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
    fn counters_of_32_bits_go_on_when_they_wrap() {
        let mut counted = Counted::default();
        for received in [u32::MAX - 1, 3, 3, 10] {
            counted.count(&Stat { received, dropped: received, if_dropped: 0 });
        }
        let expected = u64::from(u32::MAX) + 1 + 10;
        assert_eq!((counted.loss.received, counted.loss.dropped_kernel), (expected, expected));
    }

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
