//! A burst: one block of bytes, and the index of the frames that lie in it.
//!
//! The block is reused from burst to burst, so no frame costs an allocation. Frames are borrowed from the
//! burst and can not outlive it: the compiler sees to that.

use crate::time::Timestamp;

/// Link-layer header type of a frame, as numbered by the tcpdump group's registry of LINKTYPE values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: a 4-byte address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// Raw IPv4 or IPv6, as some savefiles number it (DLT_RAW of OpenBSD).
    pub const RAW_BSD: Self = Self(12);
    /// Raw IPv4 or IPv6.
    pub const RAW: Self = Self(101);
    /// Linux "cooked" capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// Linux "cooked" capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// One frame as captured: link-layer bytes, lent until the next burst.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Number of the frame in this run, from 1, over all inputs in the order they are read. Frames of files
    /// that a filter left out are counted, so with one file this is the number that Wireshark shows.
    pub number: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// What its first bytes are.
    pub link: LinkType,
    /// Which input it came from: an index into [`super::Source::inputs`].
    pub input: u16,
    /// Bytes on the wire; at least `bytes.len()` unless the capture lies.
    pub wire_len: u32,
    /// Bytes that were captured.
    pub bytes: &'a [u8],
}

/// Where one frame lies in its burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
    pub(crate) link: LinkType,
    pub(crate) wire_len: u32,
    pub(crate) at: u32,
    pub(crate) len: u32,
    pub(crate) input: u16,
}

/// A block of bytes and the frames inside it.
///
/// Invariant: every place satisfies `at + len <= bytes.len()`; numbers increase.
#[derive(Debug, Default)]
pub struct Burst {
    pub(crate) bytes: Vec<u8>,
    pub(crate) places: Vec<Place>,
    clock: Timestamp,
    /// The source had no more for now. What is known by then should go out: nothing may come for long.
    pub(crate) waited: bool,
}

impl Burst {
    /// An empty burst.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: Vec::new(), places: Vec::new(), clock: Timestamp::MIN, waited: false }
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when it holds no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Forgets all frames, keeps the memory and the clock.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Forgets all frames and makes room for `length` bytes, whose contents are left as they are: clearing a
    /// block that is about to be read over would cost more than indexing it.
    pub(crate) fn restart(&mut self, length: usize) {
        self.places.clear();
        self.bytes.resize(length, 0);
        if self.bytes.capacity() / 4 > length {
            self.bytes.shrink_to(length);
        }
    }

    /// Copies one frame in. For live sources and tests; files index their records in place.
    pub fn push(&mut self, frame: Frame<'_>) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(frame.bytes);
        self.places.push(Place {
            number: frame.number,
            time: frame.time,
            link: frame.link,
            wire_len: frame.wire_len,
            at: u32::try_from(at).unwrap_or(u32::MAX),
            len: u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX),
            input: frame.input,
        });
        self.advance(frame.time);
    }

    /// The frames in order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = Frame<'_>> {
        self.places.iter().map(|place| Frame {
            number: place.number,
            time: place.time,
            link: place.link,
            input: place.input,
            wire_len: place.wire_len,
            // A place that does not fit is an empty frame, never a panic.
            bytes: self.bytes.get(place.at as usize..place.at as usize + place.len as usize).unwrap_or(&[]),
        })
    }

    /// The packet clock behind the last frame: the latest time of the whole run so far, never running
    /// backwards.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.clock
    }

    /// Moves the clock on, never back. Live sources call it on a quiet link.
    pub fn advance(&mut self, time: Timestamp) {
        self.clock = self.clock.max(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_went_in_and_the_clock_never_runs_back() {
        let mut burst = Burst::new();
        for (number, nanos) in [(1u64, 50i64), (2, 40), (3, 60)] {
            let bytes = [u8::try_from(number).unwrap(); 3];
            let time = Timestamp::from_nanos(nanos);
            burst.push(Frame {
                number,
                time,
                link: LinkType::ETHERNET,
                input: 0,
                wire_len: 9,
                bytes: &bytes,
            });
        }
        let seen: Vec<_> =
            burst.frames().map(|f| (f.number, f.time.as_nanos(), f.bytes[0], f.bytes.len())).collect();
        assert_eq!(seen, [(1, 50, 1, 3), (2, 40, 2, 3), (3, 60, 3, 3)]);
        assert_eq!(burst.clock().as_nanos(), 60);
        burst.clear();
        assert!(burst.is_empty());
        burst.advance(Timestamp::from_nanos(10));
        assert_eq!(burst.clock().as_nanos(), 60);
    }
}
