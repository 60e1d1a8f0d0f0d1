//! IEEE 802.11 data frames and the headers that capture tools put before them.
//!
//! Only data in the clear leads to IP; management, control and encrypted frames are [`Skip::LinkControl`]. Of
//! a frame that aggregates several (A-MSDU) the first is followed.

use crate::wire::Skip;
use crate::wire::decoder::Walk;
use crate::wire::span::Span;

impl<'a> Walk<'a, '_> {
    /// An IEEE 802.11 frame (clause 9.2.3). `padded`: the adapter filled the header up to a multiple of four.
    pub(super) fn wifi(&mut self, span: Span<'a>, padded: bool) -> Result<(), Skip> {
        const TYPE_DATA: u8 = 0x08;
        const NO_DATA: u8 = 0x40;
        const QOS: u8 = 0x80;
        const BOTH_SYSTEMS: u8 = 0x03;
        const PROTECTED: u8 = 0x40;
        const ORDER: u8 = 0x80;
        const AGGREGATE: u8 = 0x80;
        let (kind, flags) = span.u8(0).zip(span.u8(1)).ok_or(Skip::LinkTruncated)?;
        if kind & 0x0f != TYPE_DATA || kind & NO_DATA != 0 || flags & PROTECTED != 0 {
            return Err(Skip::LinkControl);
        }
        let mut length = if flags & BOTH_SYSTEMS == BOTH_SYSTEMS { 30 } else { 24 };
        let mut aggregate = false;
        if kind & QOS != 0 {
            aggregate = span.u8(length).ok_or(Skip::LinkTruncated)? & AGGREGATE != 0;
            length += if flags & ORDER != 0 { 6 } else { 2 };
        }
        if padded {
            length = length.next_multiple_of(4);
        }
        let body = span.after(length).ok_or(Skip::LinkTruncated)?;
        if aggregate {
            let part = usize::from(body.u16(12).ok_or(Skip::LinkTruncated)?);
            return self.llc(body.beyond(14).first(part));
        }
        self.llc(body)
    }

    /// Radiotap: a length and a bit map of fields; of these only the flags matter here.
    pub(super) fn radiotap(&mut self, span: Span<'a>) -> Result<(), Skip> {
        const TIME: u32 = 1;
        const FLAGS: u32 = 2;
        const MORE: u32 = 1 << 31;
        const DATA_PAD: u8 = 0x20;
        let word = |at: usize| span.array(at).map(u32::from_le_bytes);
        let length = span.array(2).map(u16::from_le_bytes).ok_or(Skip::LinkTruncated)?;
        let present = word(4).ok_or(Skip::LinkTruncated)?;
        let inner = span.after(usize::from(length.max(8))).ok_or(Skip::LinkTruncated)?;
        let mut at = 8;
        let mut map = present;
        while map & MORE != 0 {
            map = word(at).ok_or(Skip::LinkTruncated)?;
            at += 4;
        }
        if present & TIME != 0 {
            at = at.next_multiple_of(8) + 8;
        }
        let padded = present & FLAGS != 0 && span.u8(at).is_some_and(|flags| flags & DATA_PAD != 0);
        self.wifi(inner, padded)
    }

    /// Prism: a message code and the length of the header, in the host's byte order; AVS may stand in its
    /// place.
    pub(super) fn prism(&mut self, span: Span<'a>) -> Result<(), Skip> {
        if span.u32(0).is_some_and(is_avs) {
            return self.avs(span);
        }
        let length = span.u32(4).ok_or(Skip::LinkTruncated)?;
        let length = length.min(length.swap_bytes());
        self.wifi(span.after(length.max(8) as usize).ok_or(Skip::LinkTruncated)?, false)
    }

    /// AVS: a magic number and the length of the header.
    pub(super) fn avs(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let length = span.u32(4).ok_or(Skip::LinkTruncated)?;
        self.wifi(span.after(length.max(8) as usize).ok_or(Skip::LinkTruncated)?, false)
    }
}

/// Versions 1 and 2 of the AVS capture frame format.
fn is_avs(magic: u32) -> bool {
    matches!(magic, 0x8021_1001 | 0x8021_1002)
}
