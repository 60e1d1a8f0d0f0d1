//! The pool of a shard's heads: buffers of 512 bytes, and chains of them where somebody asked for more.
//!
//! Most conversations say what they are in their first bytes. The few that take longer to say all that is
//! wanted grow by whole buffers out of the same pool, so that there is one bound for all of it.
//!
//! Invariants: at most `max` buffers live; a chain is at most [`LONG_HEAD_BYTES_MAX`] long and ends; only the
//! first buffer of a chain is ever named from outside.

use std::iter;

use super::head::{Beginning, HeadBuffer};
use super::slab::{NIL, Slab};
use super::{HEAD_BYTES_MAX, Head, LONG_HEAD_BYTES_MAX};
use crate::wire::{Packet, TcpFlags};

/// See the module.
#[derive(Debug)]
pub(super) struct Heads {
    buffers: Slab<HeadBuffer, 16>,
    max: usize,
}

/// What is told of a head takes memory in steps of this.
const SAID_BYTES: usize = 128;

/// Where payload goes in its sender's head.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goes {
    /// Nowhere: it is of a later datagram, or stands behind a hole.
    Nowhere,
    /// To its place in the stream.
    At(u32),
    /// Behind what is there, from this byte of it on.
    Behind(usize),
}

/// What became of the wish for a longer head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grown {
    /// It takes more now.
    Longer,
    /// It takes as much as was asked for, or is not full yet.
    Enough,
    /// The pool is at its bound.
    Refused,
}

impl Heads {
    /// A pool of at most this many buffers, and never more than a record can name.
    pub(super) fn new(max: usize) -> Self {
        Self { buffers: Slab::new(), max: max.min(usize::from(u16::MAX)) }
    }

    /// A new head; `None` at the bound.
    pub(super) fn insert(&mut self, beginning: Beginning) -> Option<u32> {
        (self.buffers.live() < self.max).then(|| self.buffer(beginning))
    }

    fn buffer(&mut self, beginning: Beginning) -> u32 {
        self.buffers.renew(|buffer| buffer.begin(beginning), || HeadBuffer::new(beginning))
    }

    /// True when the first buffer takes no more.
    pub(super) fn is_full(&self, head: u32) -> bool {
        self.buffers.get(head).is_full()
    }

    /// True when it has grown.
    pub(super) fn is_long(&self, head: u32) -> bool {
        self.buffers.get(head).next != NIL
    }

    /// Empties a head that has not grown, for another datagram.
    pub(super) fn forget(&mut self, head: u32) {
        self.buffers.get_mut(head).forget();
    }

    /// Puts bytes behind the ones that are there; how many fitted.
    fn append(&mut self, head: u32, bytes: &[u8]) -> usize {
        let (mut at, mut taken) = (head, 0);
        while at != NIL && taken < bytes.len() {
            let buffer = self.buffers.get_mut(at);
            taken += buffer.append(&bytes[taken..]);
            at = buffer.next;
        }
        taken
    }

    /// Puts a TCP segment where its sequence number says.
    fn segment(&mut self, head: u32, seq: u32, bytes: &[u8]) {
        let first = self.buffers.get_mut(head);
        first.segment(seq, bytes);
        let mut at = first.next;
        while at != NIL {
            let buffer = self.buffers.get_mut(at);
            buffer.segment_behind(seq, bytes);
            at = buffer.next;
        }
    }

    /// Puts payload into a head; where the rest of it goes if the head grows.
    pub(super) fn put(&mut self, head: u32, payload: &[u8], goes: Goes) -> Goes {
        match goes {
            Goes::Nowhere => {}
            Goes::At(seq) => self.segment(head, seq, payload),
            Goes::Behind(from) => return Goes::Behind(from + self.append(head, &payload[from..])),
        }
        goes
    }

    /// Makes room for `len` bytes in a head whose first buffer is full: all of it or nothing.
    pub(super) fn grow(&mut self, head: u32, len: usize) -> Grown {
        if !self.is_full(head) {
            return Grown::Enough;
        }
        let (mut last, mut buffers) = (head, 1);
        while self.is_long(last) {
            last = self.buffers.get(last).next;
            buffers += 1;
        }
        let wanted = len.min(LONG_HEAD_BYTES_MAX).div_ceil(HEAD_BYTES_MAX);
        if buffers >= wanted {
            return Grown::Enough;
        }
        if self.buffers.live() + wanted - buffers > self.max {
            return Grown::Refused;
        }
        for _ in buffers..wanted {
            let next = self.buffer(self.buffers.get(last).following());
            self.buffers.get_mut(last).next = next;
            last = next;
        }
        Grown::Longer
    }

    /// Brings in the beginning of a head.
    pub(super) fn prefetch(&self, head: u32) {
        super::prefetch::prefetch(self.buffers.address(head));
    }

    /// Writes what was gathered; nothing for `NIL`.
    pub(super) fn tell(&self, head: u32, said: &mut Head) {
        said.bytes.clear();
        said.from_start = false;
        if head == NIL {
            return;
        }
        let first = self.buffers.get(head);
        let (bytes, from_start) = first.gathered();
        said.from_start = from_start;
        let longer = || {
            let next = |buffer: &&HeadBuffer| {
                (buffer.is_full() && buffer.next != NIL).then(|| self.buffers.get(buffer.next))
            };
            iter::successors(next(&first), next).map(HeadBuffer::contiguous)
        };
        let length = longer().fold(bytes.len(), |sum, more| sum + more.len());
        if said.bytes.capacity() < length {
            // A little more than needed: this memory is used again.
            said.bytes = Vec::with_capacity(length.next_multiple_of(SAID_BYTES));
        }
        said.bytes.extend_from_slice(bytes);
        longer().for_each(|more| said.bytes.extend_from_slice(more));
    }

    /// Lets a head go.
    pub(super) fn release(&mut self, head: u32) {
        let mut at = head;
        while at != NIL {
            self.buffers.remove(at);
            at = self.buffers.get(at).next;
        }
    }
}

/// Sequence number of a segment's first payload byte: a SYN takes one of its own.
pub(super) fn payload_seq(packet: &Packet<'_>) -> u32 {
    packet.tcp.seq.wrapping_add(u32::from(packet.tcp.flags.has(TcpFlags::SYN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Beginning = Beginning { base: 0, from_start: true };

    fn told(heads: &Heads, head: u32) -> Vec<u8> {
        let mut said = Head { bytes: b"something else".to_vec(), from_start: false };
        heads.tell(head, &mut said);
        assert!(said.from_start);
        said.bytes
    }

    fn stream(len: usize) -> Vec<u8> {
        (0..len).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
    }

    #[test]
    fn a_long_head_holds_what_came_in_any_order() {
        let bytes = stream(4000);
        let mut heads = Heads::new(8);
        let head = heads.insert(Beginning { base: u32::MAX - 700, from_start: true }).unwrap();
        let seq = |at: usize| (u32::MAX - 700).wrapping_add(u32::try_from(at).unwrap());
        heads.segment(head, seq(0), &bytes[..600]);
        assert_eq!(told(&heads, head), &bytes[..HEAD_BYTES_MAX]);
        assert_eq!(heads.grow(head, 2000), Grown::Longer);
        heads.segment(head, seq(0), &bytes[..600]);
        heads.segment(head, seq(1500), &bytes[1500..4000]);
        assert_eq!(told(&heads, head), &bytes[..600]);
        heads.segment(head, seq(400), &bytes[400..1700]);
        assert_eq!(told(&heads, head), &bytes[..2048]);
        assert_eq!(heads.grow(head, 2000), Grown::Enough);
        assert_eq!(heads.grow(head, usize::MAX), Grown::Longer);
        heads.segment(head, seq(1800), &bytes[1800..]);
        assert_eq!(told(&heads, head), &bytes[..LONG_HEAD_BYTES_MAX]);
        heads.release(head);
        assert_eq!(heads.buffers.live(), 0);
    }

    #[test]
    fn datagrams_stand_behind_each_other() {
        let bytes = stream(1300);
        let mut heads = Heads::new(8);
        let head = heads.insert(START).unwrap();
        let taken = heads.append(head, &bytes);
        assert_eq!((taken, heads.grow(head, 3000)), (HEAD_BYTES_MAX, Grown::Longer));
        assert_eq!(heads.append(head, &bytes[taken..]), 1300 - taken);
        assert_eq!(heads.append(head, &bytes), 1300);
        assert_eq!(told(&heads, head), [&bytes[..], &bytes[..]].concat());
    }

    #[test]
    fn the_pool_has_one_bound_for_short_and_long() {
        let mut heads = Heads::new(4);
        let head = heads.insert(START).unwrap();
        heads.append(head, &stream(512));
        let young = heads.insert(START).unwrap();
        assert_eq!(heads.grow(young, 2000), Grown::Enough, "it is not full");
        assert_eq!(heads.grow(head, 2000), Grown::Refused);
        heads.release(young);
        assert_eq!(heads.grow(head, 2000), Grown::Longer);
        assert_eq!(heads.insert(START), None);
    }
}
