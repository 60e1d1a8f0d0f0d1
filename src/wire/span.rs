//! Bytes that were captured, beside the length they had on the wire.
//!
//! A capture may cut a packet (snaplen), a link may pad it (Ethernet) and a header may promise more than
//! there is. Every layer therefore hands on both numbers: what can be read, and what the sender sent.
//!
//! Invariant: `wire >= bytes.len()`.

/// A run of captured bytes and how long it was on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    /// What was captured.
    pub(super) bytes: &'a [u8],
    /// How many bytes there were on the wire.
    pub(super) wire: usize,
}

impl<'a> Span<'a> {
    /// A span; a wire length below the captured length is a lie of the capture and is raised.
    #[inline]
    pub(super) fn new(bytes: &'a [u8], wire: usize) -> Self {
        Self { bytes, wire: wire.max(bytes.len()) }
    }

    /// True when the capture holds less than was sent.
    #[inline]
    pub(super) fn is_cut(self) -> bool {
        self.bytes.len() < self.wire
    }

    /// What follows the first `n` bytes; `None` when they were not captured.
    #[inline]
    pub(super) fn after(self, n: usize) -> Option<Self> {
        Some(Self { bytes: self.bytes.get(n..)?, wire: self.wire - n })
    }

    /// What follows `n` bytes of which some may not have been captured.
    pub(super) fn beyond(self, n: usize) -> Self {
        Self { bytes: self.bytes.get(n..).unwrap_or(&[]), wire: self.wire.saturating_sub(n) }
    }

    /// The first `n` bytes of the wire, or all when there are fewer: what lies behind is padding, an FCS or a
    /// trailer.
    #[inline]
    pub(super) fn first(self, n: usize) -> Self {
        Self { bytes: self.bytes.get(..n).unwrap_or(self.bytes), wire: self.wire.min(n) }
    }

    /// The byte at this place.
    #[inline]
    pub(super) fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The 16-bit number at this place, in network byte order.
    #[inline]
    pub(super) fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// The 32-bit number at this place, in network byte order.
    pub(super) fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// `N` bytes from this place on.
    #[inline]
    pub(super) fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_both_lengths() {
        let span = Span::new(&[1, 2, 3, 4], 10);
        assert!(span.is_cut());
        assert_eq!(Span::new(&[1, 2], 1).wire, 2);
        let rest = span.after(3).unwrap();
        assert_eq!((rest.bytes, rest.wire), (&[4u8][..], 7));
        assert!(span.after(5).is_none());
        let gone = span.beyond(6);
        assert_eq!((gone.bytes.len(), gone.wire), (0, 4));
        assert_eq!((span.first(2).wire, span.first(7).wire, span.first(7).bytes.len()), (2, 7, 4));
        assert_eq!((span.u16(1), span.u32(0), span.u32(1)), (Some(0x0203), Some(0x0102_0304), None));
    }
}
