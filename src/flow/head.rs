//! The first payload bytes of one side, put together in a fixed buffer.
//!
//! TCP bytes land at their distance from the first byte of the stream, so a segment that overtook another
//! waits where it belongs until the hole before it is filled. One such island is remembered; a second one
//! apart from it is not kept (and comes back if it is retransmitted). Bytes that are there already are never
//! doubled.
//!
//! A head that is to become longer goes on in further buffers ([`super::heads`]), each of which is one like
//! this with a `base` of its own.
//!
//! Invariants: `len <= 512`, `len < island.0 < island.1 <= 512` or there is no island; `bytes[..len]` is
//! contiguous.

use super::slab::NIL;
use super::{HEAD_BYTES_MAX, Head};

/// Bytes of one buffer, as a distance between sequence numbers.
#[expect(clippy::cast_possible_truncation, reason = "512")]
const SIZE: u32 = HEAD_BYTES_MAX as u32;

/// A buffer of the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadBuffer {
    /// Sequence number of the first byte (TCP).
    base: u32,
    /// Contiguous bytes.
    len: u16,
    /// Bytes beyond a hole, from and to; equal when there are none.
    island: (u16, u16),
    /// True when `base` is where the stream began.
    from_start: bool,
    /// The buffer that goes on where this one ends.
    pub(super) next: u32,
    bytes: [u8; HEAD_BYTES_MAX],
}

impl HeadBuffer {
    /// An empty buffer whose first byte has this sequence number.
    pub(super) fn new(base: u32, from_start: bool) -> Self {
        Self { base, len: 0, island: (0, 0), from_start, next: NIL, bytes: [0; HEAD_BYTES_MAX] }
    }

    /// An empty buffer for the bytes behind this one's.
    pub(super) fn following(&self) -> Self {
        Self::new(self.base.wrapping_add(SIZE), self.from_start)
    }

    /// True when nothing more fits.
    pub(super) fn is_full(&self) -> bool {
        usize::from(self.len) == HEAD_BYTES_MAX
    }

    /// Empties it for another datagram.
    pub(super) fn forget(&mut self) {
        (self.len, self.island) = (0, (0, 0));
    }

    /// Puts bytes behind the ones that are there (a datagram and its later fragments); how many fitted.
    pub(super) fn append(&mut self, bytes: &[u8]) -> usize {
        let from = usize::from(self.len);
        self.place(from, bytes);
        usize::from(self.len) - from
    }

    /// Puts a TCP segment where its sequence number says.
    pub(super) fn segment(&mut self, seq: u32, bytes: &[u8]) {
        let ahead = seq.wrapping_sub(self.base).cast_signed();
        let is_beyond = usize::try_from(ahead).is_ok_and(|at| at >= HEAD_BYTES_MAX);
        if is_beyond && self.len == 0 && self.island.0 == self.island.1 {
            // The beginning is lost: better the first bytes there are than none.
            (self.base, self.from_start) = (seq, false);
        }
        self.segment_behind(seq, bytes);
    }

    /// Puts a TCP segment where its sequence number says, as far as that is in this buffer.
    pub(super) fn segment_behind(&mut self, seq: u32, bytes: &[u8]) {
        let ahead = seq.wrapping_sub(self.base).cast_signed();
        if let Ok(at) = usize::try_from(ahead) {
            return self.place(at, bytes);
        }
        // It begins before the first byte kept; what reaches beyond that is still new or the same.
        if let Some(rest) = bytes.get(ahead.unsigned_abs() as usize..) {
            self.place(0, rest);
        }
    }

    /// The bytes without a hole before them.
    pub(super) fn contiguous(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// What was gathered. Bytes behind a hole are given only when there is nothing before it.
    pub(super) fn snapshot(&self) -> Head {
        if self.len == 0 && self.island.1 > 0 {
            let bytes = self.bytes[usize::from(self.island.0)..usize::from(self.island.1)].to_vec();
            return Head { bytes, from_start: false };
        }
        Head { bytes: self.contiguous().to_vec(), from_start: self.from_start }
    }

    fn place(&mut self, at: usize, bytes: &[u8]) {
        let end = (at + bytes.len()).min(HEAD_BYTES_MAX);
        let (Ok(from), Ok(to)) = (u16::try_from(at), u16::try_from(end)) else { return };
        if to <= self.len || at >= end {
            return;
        }
        if from <= self.len {
            let new = usize::from(self.len);
            self.bytes[new..end].copy_from_slice(&bytes[new - at..end - at]);
            self.len = to;
        } else if self.island.0 == self.island.1 {
            self.bytes[at..end].copy_from_slice(&bytes[..end - at]);
            self.island = (from, to);
        } else if from <= self.island.1 && to >= self.island.0 {
            self.bytes[at..end].copy_from_slice(&bytes[..end - at]);
            self.island = (from.min(self.island.0), to.max(self.island.1));
        }
        if self.island.0 <= self.len {
            self.len = self.len.max(self.island.1);
            self.island = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(segments: &[(u32, &[u8])]) -> Head {
        let mut buffer = HeadBuffer::new(u32::MAX - 1, true);
        for (ahead, bytes) in segments {
            buffer.segment((u32::MAX - 1).wrapping_add(*ahead), bytes);
        }
        buffer.snapshot()
    }

    #[test]
    fn retransmissions_are_not_doubled_and_one_island_waits() {
        assert_eq!(head(&[(0, b"GET "), (0, b"GET "), (2, b"T /x")]).bytes, b"GET /x");
        assert_eq!(head(&[(4, b"/x"), (0, b"GET ")]).bytes, b"GET /x");
        assert_eq!(head(&[(0, b"G"), (4, b"/x"), (6, b"y"), (1, b"ET ")]).bytes, b"GET /xy");
        assert_eq!(head(&[(0, b"G"), (2, b"T"), (9, b"z"), (1, b"E")]).bytes, b"GET");
    }

    #[test]
    fn a_lost_beginning_is_said() {
        let short = head(&[(4, b"/x")]);
        assert_eq!((short.bytes.as_slice(), short.from_start), (&b"/x"[..], false));
        let long = head(&[(5000, b"abc"), (5003, b"def")]);
        assert_eq!((long.bytes.as_slice(), long.from_start), (&b"abcdef"[..], false));
    }

    proptest! {
        #[test]
        fn any_cut_and_order_gives_a_prefix_or_an_island(
            cuts in proptest::collection::vec((0usize..700, 1usize..300), 1..12),
        ) {
            let stream: Vec<u8> = (0..1000u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
            let mut buffer = HeadBuffer::new(77, true);
            for (from, len) in cuts {
                buffer.segment(77 + u32::try_from(from).unwrap(), &stream[from..from + len]);
            }
            let head = buffer.snapshot();
            prop_assert!(head.bytes.len() <= HEAD_BYTES_MAX);
            if head.from_start {
                prop_assert_eq!(&head.bytes[..], &stream[..head.bytes.len()]);
            } else {
                prop_assert!(stream.windows(head.bytes.len()).any(|part| part == head.bytes));
            }
        }
    }
}
