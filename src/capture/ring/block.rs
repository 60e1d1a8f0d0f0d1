//! One block of a TPACKET_V3 ring, as bytes: the frames that lie in it.
//!
//! The layout is that of linux/if_packet.h (`tpacket_block_desc`, `tpacket3_hdr`) and has been the kernel's
//! ABI since 3.2. Everything is read through bounds-checked slices: an offset that does not fit ends the
//! block and what was promised behind it is counted, never a panic.

use libc::{TP_STATUS_VLAN_TPID_VALID, TP_STATUS_VLAN_VALID};

use crate::time::Timestamp;

/// The tag protocol of a VLAN tag that the kernel names none for: 802.1Q.
const TPID: u16 = 0x8100;

/// A frame as it lies in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot<'a> {
    /// When the kernel saw it.
    pub(super) time: Timestamp,
    /// Bytes on the wire, without the tag that was taken out.
    pub(super) wire_len: u32,
    /// The VLAN tag that the interface or the kernel took out of it: protocol, then priority and number.
    pub(super) tag: Option<[u8; 4]>,
    /// What was captured of it.
    pub(super) bytes: &'a [u8],
}

/// The frames of a block, in order.
#[derive(Debug)]
pub(super) struct Slots<'a> {
    block: &'a [u8],
    at: usize,
    /// Frames that the block should still hold: what is left when the iteration ends could not be read.
    pub(super) left: u32,
}

impl<'a> Slots<'a> {
    /// Of a block that the kernel handed over.
    pub(super) fn of(block: &'a [u8]) -> Self {
        let word =
            |at| block.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |w| u32::from_ne_bytes(*w));
        Self { block, left: word(12), at: usize::try_from(word(16)).unwrap_or(usize::MAX) }
    }
}

impl<'a> Iterator for Slots<'a> {
    type Item = Slot<'a>;

    #[inline]
    fn next(&mut self) -> Option<Slot<'a>> {
        if self.left == 0 {
            return None;
        }
        let record = self.block.get(self.at..)?;
        let header: &[u8; 48] = record.first_chunk()?;
        let word =
            |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let status = word(20);
        let start = usize::from(half(24));
        let bytes = record.get(start..start.checked_add(usize::try_from(word(12)).ok()?)?)?;
        let tci = half(32); // 32 bits wide there, of which a tag has 16
        let tci = if cfg!(target_endian = "big") { half(34) } else { tci };
        let is_tagged = tci != 0 || status & TP_STATUS_VLAN_VALID != 0;
        let tag = is_tagged.then(|| {
            let tpid = if status & TP_STATUS_VLAN_TPID_VALID == 0 { TPID } else { half(36) };
            let ([a, b], [c, d]) = (tpid.to_be_bytes(), tci.to_be_bytes());
            [a, b, c, d]
        });
        self.left -= 1;
        // The last frame's offset leads nowhere; `left` says that it was the last.
        self.at = self.at.saturating_add(usize::try_from(word(0)).unwrap_or(usize::MAX));
        let time = Timestamp::from_parts(i64::from(word(4)), u64::from(word(8)));
        Some(Slot { time, wire_len: word(16), tag, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Protocol and contents of a tag.
    type Vlan = (u16, u16);

    fn block(frames: &[(&[u8], Option<Vlan>)]) -> Vec<u8> {
        let mut block = vec![0u8; 48];
        block[12..16].copy_from_slice(&u32::try_from(frames.len()).unwrap().to_ne_bytes());
        block[16..20].copy_from_slice(&48u32.to_ne_bytes());
        for (bytes, vlan) in frames {
            let length = u32::try_from(bytes.len()).unwrap();
            let (tpid, tci) = vlan.unwrap_or_default();
            let status = vlan.map_or(0, |_| TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID);
            let next = (82 + length).next_multiple_of(16);
            let halves = 82u32 | 96 << 16;
            for word in [next, 7, 9, length, length + 1, status, halves, 0, tci.into(), tpid.into(), 0, 0] {
                block.extend(word.to_ne_bytes());
            }
            block.resize(block.len() + 34, 0);
            block.extend(*bytes);
            block.resize(block.len() + usize::try_from(next - 82 - length).unwrap(), 0);
        }
        block
    }

    #[test]
    fn frames_and_tags_come_out_as_the_kernel_put_them_in() {
        let block = block(&[(b"one", None), (b"", Some((0x88a8, 0x2007))), (b"three", None)]);
        let mut slots = Slots::of(&block);
        let seen: Vec<_> = slots.by_ref().map(|slot| (slot.bytes, slot.wire_len, slot.tag)).collect();
        let tag = Some([0x88, 0xa8, 0x20, 0x07]);
        assert_eq!(seen, [(&b"one"[..], 4, None), (b"", 1, tag), (b"three", 6, None)]);
        assert_eq!(slots.left, 0);
        assert_eq!(Slots::of(&block).next().unwrap().time, Timestamp::from_parts(7, 9));
    }

    #[test]
    fn what_a_cut_block_promised_is_left() {
        let whole = block(&[(b"one", None), (b"two", None)]);
        let mut slots = Slots::of(&whole[..whole.len() - 16]);
        assert_eq!((slots.by_ref().count(), slots.left), (1, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            count in 0u8..9,
        ) {
            let mut bytes = bytes;
            if let Some(place) = bytes.get_mut(12..20) {
                place.copy_from_slice(&[count, 0, 0, 0, 48, 0, 0, 0]);
            }
            let mut slots = Slots::of(&bytes);
            let seen = slots.by_ref().inspect(|slot| assert!(slot.bytes.len() <= bytes.len())).count();
            prop_assert!(seen <= usize::from(count) || bytes.len() < 20);
        }
    }
}
