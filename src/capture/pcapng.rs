//! pcapng savefiles, walked in place.
//!
//! A file is a chain of blocks; sections may differ in byte order, and interfaces in link type, snaplen and
//! time resolution (libpcap refuses files whose interfaces differ; real ones do). Enhanced, simple and
//! obsolete packet blocks become frames, section and interface blocks change how they are read, everything
//! else is stepped over. Numbers of blocks and options: draft-ietf-opsawg-pcapng.
//!
//! Invariants: a block is trusted only when its two lengths agree and are at most 16 MiB; damage inside a
//! block whose frame is sound is noted and stepped over, damage of the framing itself ends the file; at most
//! [`INTERFACES_MAX`] interfaces are kept per section.

use super::burst::{LinkType, Place};
use super::walk::{Found, RECORD_MAX, Stop, Walk, half, short, word};
use crate::time::Timestamp;

/// Bytes of a block around its body: type, length, and the length again.
const FRAMING: usize = 12;
/// Bytes needed to know how long a section header is: its length can only be read once its byte order is
/// known.
const SECTION_PREFIX: usize = 12;
/// Bytes before the frame in an enhanced or obsolete packet block.
const PACKET_FIELDS: usize = 20;
/// Most interfaces that are kept per section; each costs some 32 bytes.
const INTERFACES_MAX: usize = 65_536;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const OPTION_END: u16 = 0;
const OPTION_TSRESOL: u16 = 9;
const OPTION_TSOFFSET: u16 = 14;

/// How the units of an interface's clock become nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Nanoseconds per unit.
    Times(u64),
    /// Units per nanosecond.
    Per(u128),
    /// The unit is 2^-n seconds.
    Binary(u32),
}

impl Unit {
    /// From the option's byte: a power of ten, or with the highest bit a power of two.
    fn of(byte: u8) -> Self {
        match u32::from(byte & 0x7f) {
            power if byte & 0x80 != 0 => Self::Binary(power),
            power @ 0..=9 => Self::Times(10u64.pow(9 - power)),
            power => Self::Per(10u128.checked_pow(power - 9).unwrap_or(u128::MAX)),
        }
    }

    fn nanos(self, units: u64) -> i64 {
        let nanos = match self {
            Self::Times(factor) => return i64::try_from(units.saturating_mul(factor)).unwrap_or(i64::MAX),
            Self::Per(divisor) => u128::from(units) / divisor,
            Self::Binary(power) => (u128::from(units) * 1_000_000_000) >> power,
        };
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }
}

/// What a section says about one of its interfaces.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    /// 0: no limit.
    snaplen: u32,
    unit: Unit,
    /// Nanoseconds to add to every time.
    offset: i64,
}

/// A walker over the blocks of one pcapng file.
#[derive(Debug)]
pub(super) struct Pcapng {
    big: bool,
    interfaces: Vec<Interface>,
    /// Simple packets carry no time: they get the last one seen.
    last: Timestamp,
}

impl Default for Pcapng {
    fn default() -> Self {
        Self { big: false, interfaces: Vec::new(), last: Timestamp::from_nanos(0) }
    }
}

impl Pcapng {
    /// Recognises the type of a section header block, which is the same in both byte orders.
    pub(super) fn begins(magic: [u8; 4]) -> bool {
        u32::from_le_bytes(magic) == SECTION
    }

    /// Walks every whole block.
    pub(super) fn walk(&mut self, block: &[u8], found: &mut Found) -> Walk {
        let mut at = 0;
        loop {
            let big = self.big;
            let rest = block.get(at..).unwrap_or(&[]);
            let step =
                if big { self.run::<true>(rest, at, found) } else { self.run::<false>(rest, at, found) };
            match step {
                // A section header: whoever comes next may have another byte order.
                Ok(consumed) => at += consumed,
                Err(Walk { consumed, stop }) => return Walk { consumed: at + consumed, stop },
            }
        }
    }

    /// Walks blocks up to and including the next section header.
    fn run<const BIG: bool>(&mut self, block: &[u8], base: usize, found: &mut Found) -> Result<usize, Walk> {
        let mut at = 0;
        loop {
            let stop = |stop| Walk { consumed: at, stop };
            let rest = block.get(at..).unwrap_or(&[]);
            let Some((kind, rest_of_head)) = rest.split_first_chunk::<4>() else {
                return Err(stop(Stop::More(FRAMING)));
            };
            let kind = word::<BIG>(*kind);
            if kind == SECTION {
                return self.section(rest).map(|length| at + length).map_err(stop);
            }
            let Some(length) = rest_of_head.first_chunk::<4>() else {
                return Err(stop(Stop::More(FRAMING)));
            };
            let body = framed::<BIG>(rest, word::<BIG>(*length)).map_err(stop)?;
            let place = At { block: base + at, body: base + at + 8 };
            match kind {
                ENHANCED_PACKET => self.packet::<BIG>(body, place, found),
                PACKET => self.obsolete_packet::<BIG>(body, place, found),
                SIMPLE_PACKET => self.simple_packet::<BIG>(body, place, found),
                INTERFACE => self.interface::<BIG>(body, place, found),
                _ => {}
            }
            at += body.len() + FRAMING;
        }
    }

    /// Begins a section: byte order, version, no interfaces yet. Gives the length of its block.
    fn section(&mut self, block: &[u8]) -> Result<usize, Stop> {
        let Some(prefix) = block.first_chunk::<SECTION_PREFIX>() else {
            return Err(Stop::More(SECTION_PREFIX));
        };
        let [_, _, _, _, l0, l1, l2, l3, order @ ..] = *prefix;
        let length = [l0, l1, l2, l3];
        let (big, body) = if u32::from_le_bytes(order) == ORDER_MAGIC {
            (false, framed::<false>(block, word::<false>(length))?)
        } else if u32::from_be_bytes(order) == ORDER_MAGIC {
            (true, framed::<true>(block, word::<true>(length))?)
        } else {
            return Err(Stop::Broken("a section header without its byte-order mark".into()));
        };
        let Some([_, _, _, _, a, b, c, d]) = body.first_chunk::<8>() else {
            return Err(Stop::Broken("a section header that is too short".into()));
        };
        let version = |bytes| if big { half::<true>(bytes) } else { half::<false>(bytes) };
        let (major, minor) = (version([*a, *b]), version([*c, *d]));
        if major != 1 {
            return Err(Stop::Broken(format!("pcapng version {major}.{minor}, of which only 1.x is known")));
        }
        self.big = big;
        self.interfaces.clear();
        Ok(body.len() + FRAMING)
    }

    fn interface<const BIG: bool>(&mut self, body: &[u8], at: At, found: &mut Found) {
        let Some(&[a, b, _, _, c, d, e, f]) = body.first_chunk::<8>() else {
            // Its number must be taken nevertheless, or every later interface would be another one.
            found.note(at.block, || "an interface description that is too short".into());
            return self.keep(Interface {
                link: LinkType(u32::MAX),
                snaplen: 0,
                unit: Unit::of(6),
                offset: 0,
            });
        };
        let mut interface = Interface {
            link: LinkType(u32::from(half::<BIG>([a, b]))),
            snaplen: word::<BIG>([c, d, e, f]),
            unit: Unit::of(6),
            offset: 0,
        };
        let sound = options::<BIG>(body.get(8..).unwrap_or(&[]), |code, value| match (code, value) {
            (OPTION_TSRESOL, [byte, ..]) => interface.unit = Unit::of(*byte),
            (OPTION_TSOFFSET, value) => {
                if let Some(&seconds) = value.first_chunk::<8>() {
                    let seconds = if BIG { i64::from_be_bytes(seconds) } else { i64::from_le_bytes(seconds) };
                    interface.offset = seconds.saturating_mul(1_000_000_000);
                }
            }
            _ => {}
        });
        if !sound {
            found.note(at.block, || "an interface description whose options run over its end".into());
        }
        self.keep(interface);
    }

    fn keep(&mut self, interface: Interface) {
        if self.interfaces.len() < INTERFACES_MAX {
            self.interfaces.push(interface);
        }
    }

    fn packet<const BIG: bool>(&mut self, body: &[u8], at: At, found: &mut Found) {
        let Some(fields) = body.first_chunk::<PACKET_FIELDS>() else {
            return found.note(at.block, || "a packet block that is too short".into());
        };
        let id = read::<BIG>(fields, 0);
        self.frame::<BIG>(id, fields, body.len(), at, found);
    }

    /// The older block differs in its interface number only: 16 bits, and a count of drops that is not used
    /// here.
    fn obsolete_packet<const BIG: bool>(&mut self, body: &[u8], at: At, found: &mut Found) {
        let Some(fields) = body.first_chunk::<PACKET_FIELDS>() else {
            return found.note(at.block, || "a packet block that is too short".into());
        };
        let [a, b, ..] = *fields;
        self.frame::<BIG>(u32::from(half::<BIG>([a, b])), fields, body.len(), at, found);
    }

    fn frame<const BIG: bool>(
        &mut self,
        id: u32,
        fields: &[u8; PACKET_FIELDS],
        body_len: usize,
        at: At,
        found: &mut Found,
    ) {
        let Some(interface) = self.interfaces.get(id as usize) else {
            return found.note(at.block, || format!("a packet of interface {id}, which is not described"));
        };
        let units = u64::from(read::<BIG>(fields, 4)) << 32 | u64::from(read::<BIG>(fields, 8));
        let len = read::<BIG>(fields, 12);
        if len as usize > body_len - PACKET_FIELDS {
            return found.note(at.block, || format!("a packet of {len} bytes in a block too short for it"));
        }
        self.last = Timestamp::from_nanos(interface.unit.nanos(units).saturating_add(interface.offset));
        found.places.push(Place {
            number: 0,
            time: self.last,
            link: interface.link,
            wire_len: read::<BIG>(fields, 16),
            at: short(at.body + PACKET_FIELDS),
            len,
            input: 0,
        });
    }

    /// A frame of interface 0 without a time; its captured length follows from the snaplen.
    fn simple_packet<const BIG: bool>(&mut self, body: &[u8], at: At, found: &mut Found) {
        let (Some(interface), Some(wire_len)) = (self.interfaces.first(), body.first_chunk::<4>()) else {
            return found.note(at.block, || "a simple packet block without an interface or a length".into());
        };
        let wire_len = word::<BIG>(*wire_len);
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        found.places.push(Place {
            number: 0,
            time: self.last,
            link: interface.link,
            wire_len,
            at: short(at.body + 4),
            len: wire_len.min(snaplen).min(short(body.len() - 4)),
            input: 0,
        });
    }
}

/// Where a block and its body start, in the whole block of bytes.
#[derive(Clone, Copy)]
struct At {
    block: usize,
    body: usize,
}

/// The body of a block whose two lengths agree.
fn framed<const BIG: bool>(block: &[u8], length: u32) -> Result<&[u8], Stop> {
    let whole = length as usize;
    if whole < FRAMING || length > RECORD_MAX {
        let what = format!("a block says it is {length} bytes long (12 to {RECORD_MAX} are possible)");
        return Err(Stop::Broken(what));
    }
    let (Some(body), Some(trailer)) = (block.get(8..whole - 4), block.get(whole - 4..whole)) else {
        return Err(Stop::More(whole));
    };
    if trailer.first_chunk::<4>().is_some_and(|bytes| word::<BIG>(*bytes) == length) {
        return Ok(body);
    }
    Err(Stop::Broken(format!("a block of {length} bytes whose length at the end is another one")))
}

/// Goes through the options of a block; false when one runs over the end.
fn options<const BIG: bool>(mut rest: &[u8], mut each: impl FnMut(u16, &[u8])) -> bool {
    while let Some((&[a, b, c, d], after)) = rest.split_first_chunk::<4>() {
        let (code, length) = (half::<BIG>([a, b]), usize::from(half::<BIG>([c, d])));
        if code == OPTION_END {
            return true;
        }
        let Some(value) = after.get(..length) else { return false };
        each(code, value);
        rest = after.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    true
}

/// The word at an offset of the fields of a packet block.
fn read<const BIG: bool>(fields: &[u8; PACKET_FIELDS], at: usize) -> u32 {
    fields.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| word::<BIG>(*bytes))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Order, Seen, read_bytes};
    use super::*;

    fn brief(seen: &[Seen]) -> Vec<(i64, u32, &[u8])> {
        seen.iter().map(|frame| (frame.1, frame.2, &frame.5[..])).collect()
    }

    #[test]
    fn sections_of_both_byte_orders_with_interfaces_of_their_own() {
        let (little, big) = (Order(false), Order(true));
        let file = [
            little.section(),
            little.interface(1, 0, &[]),
            little.interface(101, 96, &little.option(OPTION_TSRESOL, &[9])),
            little.enhanced(1, 5, b"raw"),
            little.enhanced(0, 7, b"eth"),
            little.block(0x0bad_beef, b"skip me"),
            big.section(),
            big.interface(113, 0, &[]),
            big.enhanced(0, 9, b"cooked"),
            big.block(3, &[&big.u32(3)[..], b"spb"].concat()),
            big.block(2, &[&big.u16(0)[..], &[0, 9], &big.words(&[0, 11, 4, 60]), b"obso"].concat()),
        ];
        let (seen, damage) = read_bytes(&file.concat());
        let expected: [(i64, u32, &[u8]); 5] = [
            (5, 101, b"raw"),
            (7000, 1, b"eth"),
            (9000, 113, b"cooked"),
            (9000, 113, b"spb"),
            (11_000, 113, b"obso"),
        ];
        assert_eq!((brief(&seen), damage), (expected.to_vec(), vec![]));
        assert_eq!(seen[4].4, 60);
    }

    #[test]
    fn time_resolution_and_offset() {
        let order = Order(true);
        for (resolution, units, nanos) in [
            (0, 3, 3_000_000_000),
            (3, 3, 3_000_000),
            (12, 3500, 3),
            (127, u64::MAX, 0),
            (0x80 | 1, 3, 1_500_000_000),
            (0x80 | 20, 1 << 20, 1_000_000_000),
            (0x80 | 127, u64::MAX, 0),
            (6, u64::MAX, i64::MAX),
        ] {
            assert_eq!(Unit::of(resolution).nanos(units), nanos, "{resolution}");
        }
        let options =
            [order.option(OPTION_TSOFFSET, &(-2i64).to_be_bytes()), order.option(2, b"name of it")].concat();
        let file = [order.section(), order.interface(1, 0, &options), order.enhanced(0, 5, b"x")].concat();
        assert_eq!(read_bytes(&file).0[0].1, -2_000_000_000 + 5000);
    }

    #[test]
    fn damage_inside_a_block_is_stepped_over() {
        let order = Order(false);
        let good = order.enhanced(0, 1, b"good");
        let bad_blocks = [
            order.enhanced(7, 1, b"x"),
            order.block(6, &order.words(&[0, 0, 1, 5000, 5000])),
            order.block(6, &[0; 16]),
            order.block(2, &[0; 8]),
            order.block(3, &[]),
            order.interface(1, 0, &[9, 0, 200, 0]),
            order.block(1, &[0; 4]),
        ];
        for bad in bad_blocks {
            let file = [order.section(), order.interface(1, 0, &[]), bad, good.clone()].concat();
            let (seen, damage) = read_bytes(&file);
            assert_eq!(brief(&seen), [(1000, 1, &b"good"[..])]);
            assert_eq!((damage.len(), damage[0].offset, damage[0].unreadable), (1, 48, false), "{damage:?}");
        }
    }

    #[test]
    fn damaged_framing_ends_the_file_and_says_where() {
        let order = Order(false);
        let good = order.enhanced(0, 1, b"good");
        let mut mismatch = good.clone();
        let end = mismatch.len() - 4;
        mismatch[end] ^= 1;
        let mut other_version = order.section();
        other_version[12] = 2;
        let mut no_mark = order.section();
        no_mark[8] = 0;
        for bad in [
            order.words(&[6, 0, 0]),
            order.words(&[6, 0xffff_fff0, 0]),
            order.words(&[6, RECORD_MAX + 4, 0]),
            mismatch,
            other_version,
            no_mark,
            order.block(SECTION, &order.u32(ORDER_MAGIC)),
        ] {
            let file =
                [order.section(), order.interface(1, 0, &[]), good.clone(), bad, good.clone()].concat();
            let (seen, damage) = read_bytes(&file);
            assert_eq!((seen.len(), damage.len(), damage[0].offset), (1, 1, 84), "{damage:?}");
        }
    }

    #[test]
    fn notes_and_interfaces_are_bounded() {
        let order = Order(false);
        let mut file = order.section();
        for _ in 0..1000 {
            file.extend(order.enhanced(9, 0, b"x"));
        }
        let (seen, damage) = read_bytes(&file);
        assert!(seen.is_empty() && damage.len() == 16 && damage.iter().all(|damage| damage.unreadable));
        let mut walker = Pcapng::default();
        for _ in 0..INTERFACES_MAX + 5 {
            walker.walk(&order.interface(1, 0, &[]), &mut Found::default());
        }
        assert_eq!(walker.interfaces.len(), INTERFACES_MAX);
    }
}
