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
//! contiguous; nothing else of `bytes` is ever read, so a buffer that is used again need not be emptied.

use super::HEAD_BYTES_MAX;
use super::slab::NIL;

/// Bytes of one buffer, as a distance between sequence numbers.
#[expect(clippy::cast_possible_truncation, reason = "512")]
const SIZE: u32 = HEAD_BYTES_MAX as u32;

/// A buffer of the pool. What is written of it first, and the first bytes, lie side by side.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
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

/// Where a buffer begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// Sequence number of its first byte (TCP).
    pub(super) base: u32,
    /// True when that is where the stream began.
    pub(super) from_start: bool,
}

impl HeadBuffer {
    /// An empty buffer.
    pub(super) const fn new(beginning: Beginning) -> Self {
        let Beginning { base, from_start } = beginning;
        Self { base, len: 0, island: (0, 0), from_start, next: NIL, bytes: [0; HEAD_BYTES_MAX] }
    }

    /// The same, of one that somebody else has filled.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        Beginning { base: self.base, from_start: self.from_start } = beginning;
        self.next = NIL;
        self.forget();
    }

    /// Of the buffer for the bytes behind this one's.
    pub(super) const fn following(&self) -> Beginning {
        Beginning { base: self.base.wrapping_add(SIZE), from_start: self.from_start }
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

    /// What was gathered, and whether it is from the start. Bytes behind a hole are given only when there is
    /// nothing before it.
    pub(super) fn gathered(&self) -> (&[u8], bool) {
        if self.len == 0 && self.island.1 > 0 {
            return (&self.bytes[usize::from(self.island.0)..usize::from(self.island.1)], false);
        }
        (self.contiguous(), self.from_start)
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

    fn gathered(segments: &[(u32, &[u8])]) -> (Vec<u8>, bool) {
        let mut buffer = HeadBuffer::new(Beginning { base: 9, from_start: false });
        buffer.append(&[b'?'; HEAD_BYTES_MAX]); // of which nothing may be seen
        buffer.begin(Beginning { base: u32::MAX - 1, from_start: true });
        for (ahead, bytes) in segments {
            buffer.segment((u32::MAX - 1).wrapping_add(*ahead), bytes);
        }
        let (bytes, from_start) = buffer.gathered();
        (bytes.to_vec(), from_start)
    }

    #[test]
    fn retransmissions_are_not_doubled_and_one_island_waits() {
        assert_eq!(gathered(&[(0, b"GET "), (0, b"GET "), (2, b"T /x")]).0, b"GET /x");
        assert_eq!(gathered(&[(4, b"/x"), (0, b"GET ")]).0, b"GET /x");
        assert_eq!(gathered(&[(0, b"G"), (4, b"/x"), (6, b"y"), (1, b"ET ")]).0, b"GET /xy");
        assert_eq!(gathered(&[(0, b"G"), (2, b"T"), (9, b"z"), (1, b"E")]).0, b"GET");
    }

    #[test]
    fn a_lost_beginning_is_said() {
        assert_eq!(gathered(&[(4, b"/x")]), (b"/x".to_vec(), false));
        assert_eq!(gathered(&[(5000, b"abc"), (5003, b"def")]), (b"abcdef".to_vec(), false));
    }

    proptest! {
        #[test]
        fn any_cut_and_order_gives_a_prefix_or_an_island(
            cuts in proptest::collection::vec((0usize..700, 1usize..300), 1..12),
        ) {
            let stream: Vec<u8> = (0..1000u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
            let mut buffer = HeadBuffer::new(Beginning { base: 77, from_start: true });
            for (from, len) in cuts {
                buffer.segment(77 + u32::try_from(from).unwrap(), &stream[from..from + len]);
            }
            let (bytes, from_start) = buffer.gathered();
            prop_assert!(bytes.len() <= HEAD_BYTES_MAX);
            if from_start {
                prop_assert_eq!(bytes, &stream[..bytes.len()]);
            } else {
                prop_assert!(stream.windows(bytes.len()).any(|part| part == bytes));
            }
        }
    }
}
