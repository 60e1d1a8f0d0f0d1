//! Classic pcap savefiles, walked in place.
//!
//! Read are the microsecond and the nanosecond magic and the "modified" one of Alexey Kuznetzov's patched
//! libpcap (its records carry 8 bytes more), in both byte orders. The lengths of versions before 2.3 stand in
//! the other order, and in 2.3 they may (libpcap's savefile reader does the same). Other versions are read
//! like 2.4, as Wireshark does, and said.
//!
//! Invariants: a record longer than both 262144 bytes and the file's own snaplen is broken, and so is
//! anything above 16 MiB; a snaplen that lies the other way round (records longer than it) does no harm.

use super::burst::{LinkType, Place};
use super::walk::{FRAME_MAX, Found, RECORD_MAX, Stop, Walk, half, short, word};
use crate::time::Timestamp;

/// Bytes of the file header.
const FILE_HEADER: usize = 24;
/// Bytes of a record header.
const RECORD_HEADER: usize = 16;
/// Bytes that the modified format adds to a record header: interface index, protocol, packet type.
const MODIFIED_EXTRA: usize = 8;

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// Which of the two lengths of a record comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    /// Captured, then on the wire.
    Usual,
    /// On the wire, then captured.
    Swapped,
    /// The smaller one is the captured one.
    Maybe,
}

/// A walker over the records of one classic savefile.
#[derive(Debug)]
pub(super) struct Classic {
    big: bool,
    /// Nanoseconds per unit of the fraction.
    unit: u32,
    record_header: usize,
    lengths: Lengths,
    link: LinkType,
    frame_max: u32,
    opened: bool,
}

impl Classic {
    /// Recognises the magic number.
    pub(super) fn begins(magic: [u8; 4]) -> Option<Self> {
        let big = match u32::from_le_bytes(magic) {
            MAGIC_MICROS | MAGIC_NANOS | MAGIC_MODIFIED => false,
            other if matches!(other.swap_bytes(), MAGIC_MICROS | MAGIC_NANOS | MAGIC_MODIFIED) => true,
            _ => return None,
        };
        let magic = if big { u32::from_be_bytes(magic) } else { u32::from_le_bytes(magic) };
        Some(Self {
            big,
            unit: if magic == MAGIC_NANOS { 1 } else { 1000 },
            record_header: RECORD_HEADER + if magic == MAGIC_MODIFIED { MODIFIED_EXTRA } else { 0 },
            lengths: Lengths::Usual,
            link: LinkType::default(),
            frame_max: FRAME_MAX,
            opened: false,
        })
    }

    /// Indexes every whole record; the first call also consumes the file header.
    pub(super) fn walk(&mut self, block: &[u8], found: &mut Found) -> Walk {
        if self.big { self.walk_in::<true>(block, found) } else { self.walk_in::<false>(block, found) }
    }

    fn walk_in<const BIG: bool>(&mut self, block: &[u8], found: &mut Found) -> Walk {
        let mut at = 0;
        if !self.opened {
            let Some(header) = block.first_chunk::<FILE_HEADER>() else {
                return Walk { consumed: 0, stop: Stop::More(FILE_HEADER) };
            };
            self.open::<BIG>(header, found);
            at = FILE_HEADER;
        }
        loop {
            let Some(header) = block.get(at..).and_then(<[u8]>::first_chunk::<RECORD_HEADER>) else {
                return Walk { consumed: at, stop: Stop::More(self.record_header) };
            };
            let (captured, wire_len) = self.lengths(read::<BIG, 8>(header), read::<BIG, 12>(header));
            if captured > self.frame_max {
                let what = format!("a record says it holds {captured} bytes (at most {})", self.frame_max);
                return Walk { consumed: at, stop: Stop::Broken(what) };
            }
            let data = at + self.record_header;
            let end = data + captured as usize;
            if end > block.len() {
                return Walk { consumed: at, stop: Stop::More(end - at) };
            }
            let fraction = u64::from(read::<BIG, 4>(header)) * u64::from(self.unit);
            found.places.push(Place {
                number: 0,
                time: Timestamp::from_parts(i64::from(read::<BIG, 0>(header)), fraction),
                link: self.link,
                wire_len,
                at: short(data),
                len: captured,
                input: 0,
            });
            at = end;
        }
    }

    /// Takes version, snaplen and link type from the file header.
    fn open<const BIG: bool>(&mut self, header: &[u8; FILE_HEADER], found: &mut Found) {
        let [_, _, _, _, major_a, major_b, minor_a, minor_b, ..] = *header;
        let (major, minor) = (half::<BIG>([major_a, major_b]), half::<BIG>([minor_a, minor_b]));
        self.lengths = match (major, minor) {
            (2, 0..3) | (543, 0) => Lengths::Swapped,
            (2, 3) => Lengths::Maybe,
            _ => Lengths::Usual,
        };
        if !matches!((major, minor), (2, 0..=4) | (543, 0)) {
            found.note(4, || format!("unknown pcap version {major}.{minor}, read like 2.4"));
        }
        let snaplen = read::<BIG, 16>(header);
        if snaplen <= RECORD_MAX {
            self.frame_max = snaplen.max(FRAME_MAX);
        }
        // The upper half holds the length of a frame check sequence and reserved bits,
        // draft-ietf-opsawg-pcap.
        self.link = LinkType(read::<BIG, 20>(header) & 0xffff);
        self.opened = true;
    }

    /// Captured length and wire length, in this order.
    fn lengths(&self, first: u32, second: u32) -> (u32, u32) {
        match self.lengths {
            Lengths::Usual => (first, second),
            Lengths::Swapped => (second, first),
            Lengths::Maybe => (first.min(second), first.max(second)),
        }
    }
}

/// The word at a fixed offset of a header.
fn read<const BIG: bool, const AT: usize>(header: &[u8]) -> u32 {
    header.get(AT..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| word::<BIG>(*bytes))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{MAGICS, Order, read_bytes};

    #[test]
    fn every_magic_in_both_byte_orders() {
        for order in [Order(false), Order(true)] {
            for magic in MAGICS {
                let extra = if magic == MAGICS[2] { 8 } else { 0 };
                let mut file = order.pcap(magic, 1);
                for (seconds, data) in [(1, &b"abcd"[..]), (2, b""), (3, b"xyz")] {
                    let record = order.record(seconds, 7, data);
                    file.extend(&record[..16]);
                    file.extend(&[0xee; 8][..extra]);
                    file.extend(&record[16..]);
                }
                let (seen, damage) = read_bytes(&file);
                let unit = if magic == MAGICS[1] { 1 } else { 1000 };
                let expected = [(1i64, &b"abcd"[..]), (2, b""), (3, b"xyz")].map(|(second, data)| {
                    let len = u32::try_from(data.len()).unwrap();
                    (second.unsigned_abs(), second * 1_000_000_000 + 7 * unit, 1, 0, len, data.to_vec())
                });
                assert_eq!((seen, damage), (expected.to_vec(), vec![]), "{magic:x} {order:?}");
            }
        }
    }

    #[test]
    fn old_versions_have_their_lengths_the_other_way_round() {
        let order = Order(false);
        for (version, lengths) in [((2, 2), [9, 3]), ((2, 3), [9, 3]), ((2, 3), [3, 9]), ((543, 0), [9, 3])] {
            let mut file = order.pcap_version(MAGICS[0], version, 65_535, 1);
            file.extend(order.words(&[1, 0, lengths[0], lengths[1]]));
            file.extend(b"abc");
            let (seen, damage) = read_bytes(&file);
            assert_eq!(
                (seen.len(), seen[0].4, &seen[0].5[..], damage.len()),
                (1, 9, &b"abc"[..], 0),
                "{version:?}"
            );
        }
    }

    #[test]
    fn strange_headers_are_read_and_unknown_versions_said() {
        let order = Order(false);
        let mut file = order.pcap_version(MAGICS[0], (99, 4), 0, 0xf400_0001);
        file.extend(order.record(1, 0, b"ab"));
        let (seen, damage) = read_bytes(&file);
        assert_eq!((seen.len(), seen[0].2), (1, 1));
        assert_eq!((damage.len(), damage[0].offset, damage[0].unreadable), (1, 4, false));
    }

    #[test]
    fn absurd_lengths_end_the_file_with_their_offset_and_lying_snaplens_do_not() {
        let order = Order(false);
        for (snaplen, length, fine) in [
            (1, 262_144, true),
            (u32::MAX, 262_144, true),
            (65_535, 262_145, false),
            (300_000, 300_000, true),
            (300_000, 300_001, false),
            (u32::MAX, 0xffff_ffff, false),
        ] {
            let mut file = order.pcap_version(MAGICS[0], (2, 4), snaplen, 1);
            file.extend(order.record(1, 0, b"ab"));
            file.extend(order.words(&[2, 0, length, length]));
            file.extend(vec![0; if fine { length as usize } else { 100 }]);
            let (seen, damage) = read_bytes(&file);
            assert_eq!(seen.len(), 1 + usize::from(fine), "{snaplen} {length}");
            assert_eq!(damage.first().map(|damage| damage.offset), (!fine).then_some(42));
            assert!(
                damage.iter().all(|damage| damage.what.contains(&length.to_string()) && !damage.unreadable)
            );
        }
    }
}
