//! Asks the processor to bring a cache line in before it is needed: the difference between waiting for one
//! line of memory after the other and waiting for thirty-two at once.
#![expect(unsafe_code, reason = "the prefetch instruction is only offered as an unsafe intrinsic")]

use super::Flow;

const LINE: usize = 64;

impl Flow {
    /// Hints that this flow will be read soon. Another thread has just written it, so each of its lines is
    /// waited for as long as for memory.
    pub fn prefetch(&self) {
        prefetch_whole(self);
    }
}

/// Hints that all of this will be read soon.
#[inline]
pub(super) fn prefetch_whole<T>(wanted: &T) {
    let start = std::ptr::from_ref(wanted).cast::<u8>();
    (0..size_of::<T>()).step_by(LINE).for_each(|at| prefetch(start.wrapping_add(at)));
}

/// Hints that the line at `address` will be read soon. The address may be anything; nothing is read. Does
/// nothing where the instruction is not known.
#[inline(always)]
pub(super) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint: it reads and writes nothing a program can see and never faults,
        // whatever the address (Intel SDM volume 2, PREFETCHh). SSE, which it needs, is part of the x86-64
        // baseline.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
