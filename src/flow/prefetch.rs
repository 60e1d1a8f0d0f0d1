//! Asks the processor to bring a cache line in before it is needed: the difference between waiting for one line of
//! memory after the other and waiting for thirty-two at once.
#![expect(unsafe_code, reason = "the prefetch instruction is only offered as an unsafe intrinsic")]

/// Hints that the line at `address` will be read soon. The address may be anything; nothing is read. Does nothing where
/// the instruction is not known.
#[inline(always)]
pub(super) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint: it reads and writes nothing a program can see and never faults, whatever the
        // address (Intel SDM volume 2, PREFETCHh). SSE, which it needs, is part of the x86-64 baseline.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
