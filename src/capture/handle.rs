//! One interface watched through libpcap.
//!
//! libpcap reads in batches and never blocks here: the wait is our own poll(2), because libpcap's read
//! timeout does not end on a quiet link.
//!
//! Invariants: a batch is at most [`BATCH`] frames; counters only grow.

use std::os::fd::{AsFd, BorrowedFd};

use pcap::{Active, Capture, Precision, Stat};

use super::burst::{Burst, Frame, LinkType};
use super::filter::link_type;
use super::interfaces::{advice_for, check};
use super::live::LiveOptions;
use super::{Error, Loss};
use crate::time::Timestamp;

/// Frames asked for at once.
const BATCH: usize = 64;

/// One open interface.
pub(super) struct Handle {
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

impl Handle {
    /// Opens an interface, or `any` of them.
    ///
    /// # Errors
    /// [`Error::Interface`], [`Error::Permission`] or [`Error::Filter`].
    pub(super) fn open(name: &str, input: u16, options: &LiveOptions) -> Result<Self, Error> {
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

    /// What its frames begin with.
    pub(super) fn link(&self) -> LinkType {
        self.link
    }

    /// What libpcap would attach for this expression, snapshot length included; `None` when it does not
    /// compile. Compiled for a live interface, so `vlan` asks for the tag that the kernel took out.
    #[cfg(target_os = "linux")]
    pub(super) fn program(&self, expression: &str) -> Option<Vec<libc::sock_filter>> {
        let program = self.capture.compile(expression, true).ok()?;
        // The pcap crate shows an instruction only as text: code, both jumps, operand.
        let instruction = |text: String| {
            let mut words = text.split(' ');
            Some(libc::sock_filter {
                code: words.next()?.parse().ok()?,
                jt: words.next()?.parse().ok()?,
                jf: words.next()?.parse().ok()?,
                k: words.next()?.parse().ok()?,
            })
        };
        program.get_instructions().iter().map(|one| instruction(one.to_string())).collect()
    }

    /// Copies what there is, at most about `share` bytes.
    ///
    /// # Errors
    /// The interface is gone, or cannot be read any more.
    pub(super) fn take(&mut self, burst: &mut Burst, share: usize) -> Result<(), String> {
        let full = burst.bytes.len() + share;
        while burst.bytes.len() < full {
            match self.batch(burst) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(super::said(&error)),
            }
        }
        Ok(())
    }

    /// Reads the counters. One that cannot be read keeps its last value: the interface may be gone.
    pub(super) fn count(&mut self) {
        if let Ok(now) = self.capture.stats() {
            self.counted.count(&now);
        }
    }

    /// What was lost so far, as counted last.
    pub(super) fn loss(&self) -> Loss {
        self.counted.loss
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

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.capture.as_fd()
    }
}

fn activate(
    name: &str,
    options: &LiveOptions,
    promiscuous: bool,
    nanos: bool,
) -> Result<Capture<Active>, pcap::Error> {
    let bounded = |value: u32, most: u32| i32::try_from(value.clamp(1, most)).unwrap_or(i32::MAX);
    let retire = i32::try_from(options.retire_millis()).unwrap_or(1);
    Capture::from_device(name)?
        .snaplen(bounded(options.snaplen, super::walk::FRAME_MAX))
        .promisc(promiscuous)
        .buffer_size(bounded(options.buffer_bytes, i32::MAX.unsigned_abs()))
        .timeout(retire)
        .precision(if nanos { Precision::Nano } else { Precision::Micro })
        .open()
}

/// True where libpcap hands out nanoseconds when asked: Linux packet sockets. Its other Linux modules do not,
/// and the pcap crate does not say what it got.
fn counts_nanos(name: &str) -> bool {
    let others = ["nflog", "nfqueue", "usbmon", "bluetooth", "dbus-", "rdma"];
    cfg!(target_os = "linux") && !others.iter().any(|module| name.starts_with(module))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_32_bits_go_on_when_they_wrap() {
        let mut counted = Counted::default();
        for received in [u32::MAX - 1, 3, 3, 10] {
            counted.count(&Stat { received, dropped: received, if_dropped: 0 });
        }
        let expected = u64::from(u32::MAX) + 1 + 10;
        assert_eq!((counted.loss.received, counted.loss.dropped_kernel), (expected, expected));
    }
}
