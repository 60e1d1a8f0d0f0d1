//! Memory for records: pieces of 2 MB, cut into blocks that never move.
//!
//! Among a million flows, nearly every packet's record lies on a page that the processor has to look up
//! first, and these look-ups were a third of [`super::Table::update`]. So the system is asked for huge
//! pages: 12 to 17 % of a replay of 20 M packets of 1 M flows. The first piece does without: a capture with
//! few flows should not pay for clearing 2 MB at once. A virtual machine whose free memory went back to its
//! host pays for having it back, once, about as much as such a replay gains.
#![expect(unsafe_code, reason = "blocks of different types are cut from one piece of memory")]

use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

const PIECE_BYTES: usize = 2 << 20;

/// As large as a huge page of x86-64 and of most ARM systems, and where one may lie.
#[repr(C, align(0x0020_0000))]
struct Piece([u8; PIECE_BYTES]);

/// Pieces of memory that several slabs share; a clone is the same arena. What was taken is given back when
/// the last block is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Arena(Arc<Mutex<Pieces>>);

#[derive(Debug, Default)]
struct Pieces {
    /// Ours until we are dropped; what lies in them is the blocks'.
    all: Vec<NonNull<MaybeUninit<Piece>>>,
    /// Bytes of the last piece that belong to blocks.
    taken: usize,
}

// SAFETY: the pointers are to memory that nobody else frees, and no thread is bound to it.
unsafe impl Send for Pieces {}

impl Arena {
    /// Room for `N` records.
    pub(super) fn block<T: Copy, const N: usize>(&self) -> Block<T, N> {
        const { assert!(size_of::<[T; N]>() <= PIECE_BYTES && align_of::<T>() <= PIECE_BYTES) };
        // Nothing that holds the lock can panic half way.
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = pieces.take(Layout::new::<[T; N]>()).cast();
        Block { start, used: 0, _arena: self.clone() }
    }
}

impl Pieces {
    /// Memory of this layout, which fits a piece, for one block.
    fn take(&mut self, block: Layout) -> NonNull<u8> {
        let at = self.taken.next_multiple_of(block.align());
        let (piece, at) = match self.all.last() {
            Some(&last) if at + block.size() <= PIECE_BYTES => (last, at),
            _ => (self.grow(), 0),
        };
        self.taken = at + block.size();
        // SAFETY: `at` and the whole block lie within the piece.
        unsafe { piece.cast::<u8>().add(at) }
    }

    fn grow(&mut self) -> NonNull<MaybeUninit<Piece>> {
        let piece = NonNull::from(Box::leak(Box::<Piece>::new_uninit()));
        if !self.all.is_empty() {
            ask_for_huge_pages(piece);
        }
        self.all.push(piece);
        piece
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        for &piece in &self.all {
            // SAFETY: it came from a box, and nobody uses it any more: every block keeps the arena.
            drop(unsafe { Box::from_raw(piece.as_ptr()) });
        }
    }
}

/// Up to `N` records, which stay where they are when it is moved.
#[derive(Debug)]
pub(super) struct Block<T, const N: usize> {
    start: NonNull<T>,
    /// Records that were written.
    used: usize,
    _arena: Arena,
}

// SAFETY: the memory is this block's alone, so it is as free to move to another thread as a `Vec<T>`.
unsafe impl<T: Send, const N: usize> Send for Block<T, N> {}

impl<T: Copy, const N: usize> Block<T, N> {
    /// Adds a record behind the others. There must be room for it.
    pub(super) fn push(&mut self, record: T) {
        assert!(self.used < N, "a block of {N} is full");
        // SAFETY: the block has room for `N` records, and `used` is less.
        unsafe { self.start.add(self.used).write(record) };
        self.used += 1;
    }
}

impl<T, const N: usize> Deref for Block<T, N> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: so many records were written, and nobody else has this memory while the arena lives.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.used) }
    }
}

impl<T, const N: usize> DerefMut for Block<T, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the block is borrowed for as long as the slice.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.used) }
    }
}

/// Asks that a piece be one page. A system that does not know how, or does not want to, gives small ones.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(piece: NonNull<MaybeUninit<Piece>>) {
    // SAFETY: the range is whole pages of ours, and the advice changes nothing that is in them.
    let _ = unsafe { libc::madvise(piece.as_ptr().cast(), PIECE_BYTES, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
const fn ask_for_huge_pages(_: NonNull<MaybeUninit<Piece>>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(64))]
    struct Wide(u64);

    #[test]
    fn blocks_lie_apart_keep_what_they_hold_and_outlive_the_arena() {
        let arena = Arena::default();
        let mut bytes = Vec::new();
        let mut wide = Vec::new();
        for turn in 0..400_u16 {
            let mut few = arena.block::<u16, 5>();
            (0..5).for_each(|at| few.push(turn * 5 + at));
            let mut many = arena.block::<Wide, 128>();
            (0..100).for_each(|at| many.push(Wide(u64::from(turn) << 32 | at)));
            assert!(many.as_ptr().is_aligned());
            bytes.push(few);
            wide.push(many);
        }
        wide[7][3] = Wide(7);
        assert!(arena.0.lock().unwrap().all.len() >= 2, "more than one piece");
        drop(arena);
        let moved = std::thread::spawn(move || (bytes, wide)).join().unwrap();
        for (turn, (few, many)) in moved.0.iter().zip(&moved.1).enumerate() {
            assert_eq!(few[..], [0, 1, 2, 3, 4].map(|at| u16::try_from(turn).unwrap() * 5 + at));
            assert_eq!(many.len(), 100);
            let expected = if turn == 7 { 7 } else { (turn as u64) << 32 | 3 };
            assert_eq!((many[3], many[99]), (Wide(expected), Wide((turn as u64) << 32 | 99)));
        }
    }

    #[test]
    #[should_panic(expected = "full")]
    fn a_full_block_takes_no_more() {
        let mut block = Arena::default().block::<u8, 2>();
        (0..3).for_each(|byte| block.push(byte));
    }
}
