//! What the two record walkers share: how a walk over a block ends, and which limits keep memory bounded.
//!
//! A walker never reads and never copies: it is shown a block that starts at a record, indexes every whole
//! record where it lies, and says how far it came. Who calls it brings the rest of a partial record in front
//! of the next block.
//!
//! Invariants: a walk consumes only whole records; it always ends, because each record is at least 12 bytes
//! long; [`Stop::More`] never asks for more than [`RECORD_MAX`] bytes plus a header.

use super::burst::Place;
use super::classic::Classic;
use super::pcapng::Pcapng;

/// Longest frame that is believed without the file's word for it, in bytes. The same as libpcap's
/// MAXIMUM_SNAPLEN.
pub(super) const FRAME_MAX: u32 = 262_144;

/// Longest record or block that is read at all, in bytes: bounds the memory a hostile length can ask for. The
/// same as the largest pcapng block that libpcap and Wireshark accept.
pub(super) const RECORD_MAX: u32 = 16 * 1024 * 1024;

/// Most notes kept about one input; a hostile file could cause one per record.
const NOTES_MAX: usize = 16;

/// Why a walk ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The record at the end is not whole: it needs this many bytes from its own start.
    More(usize),
    /// The record at the end makes no sense, and where the next one begins is not known.
    Broken(String),
}

/// How far a walk came: bytes consumed from the start of the block, and why it ended there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) consumed: usize,
    pub(super) stop: Stop,
}

/// Where a walk puts what it finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The frames, numbered and attributed later.
    pub(super) places: Vec<Place>,
    /// Damage that could be stepped over: byte offset in the block, and what is wrong there.
    pub(super) notes: Vec<(usize, String)>,
    /// Notes ever made about this input.
    noted: usize,
}

impl Found {
    /// Notes damage that does not end the walk; the first few of an input are kept.
    pub(super) fn note(&mut self, at: usize, what: impl FnOnce() -> String) {
        self.noted += 1;
        if self.noted < NOTES_MAX {
            self.notes.push((at, what()));
        } else if self.noted == NOTES_MAX {
            self.notes.push((at, "more damage of this kind; only the first places are listed".into()));
        }
    }
}

/// A file format whose header has been recognised.
#[derive(Debug)]
pub(super) enum Walker {
    Classic(Classic),
    Pcapng(Box<Pcapng>),
}

impl Walker {
    /// Recognises the format by the first bytes of the decompressed stream. `Ok(None)`: not enough bytes to
    /// say.
    pub(super) fn recognise(head: &[u8]) -> Result<Option<Self>, String> {
        let Some(magic) = head.first_chunk::<4>() else { return Ok(None) };
        if Pcapng::begins(*magic) {
            return Ok(Some(Self::Pcapng(Box::default())));
        }
        if let Some(classic) = Classic::begins(*magic) {
            return Ok(Some(Self::Classic(classic)));
        }
        Err(strange(head))
    }

    /// Indexes every whole record of a block that starts at a record.
    pub(super) fn walk(&mut self, block: &[u8], found: &mut Found) -> Walk {
        match self {
            Self::Classic(walker) => walker.walk(block, found),
            Self::Pcapng(walker) => walker.walk(block, found),
        }
    }
}

/// Capture formats that are not read, by their first bytes, so that the message can name them.
const OTHERS: [(&[u8], &str); 8] = [
    (b"snoop\0\0\0", "a Solaris snoop file"),
    (b"RTSS", "a Microsoft Network Monitor 1 file"),
    (b"GMBU", "a Microsoft Network Monitor 2 file"),
    (b"XCP\0", "a NetXRay or Sniffer file"),
    (b"TRSNIFF data", "a Sniffer file"),
    (b"\x02\x21\x4c\x18", "a file in the legacy lz4 format: decompress it with lz4 -d"),
    (b"\x1f\x9d", "a file of compress(1): decompress it with uncompress"),
    (b"PK\x03\x04", "a zip archive: unpack it"),
];

/// Says what a file that is no capture begins with, and what to do with it.
fn strange(head: &[u8]) -> String {
    if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return match name.contains(':') {
            true => format!("neither pcap nor pcapng but {name}"),
            false => format!("neither pcap nor pcapng but {name}: convert it with editcap"),
        };
    }
    let first: Vec<String> = head.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("neither pcap nor pcapng: it begins with the bytes {}", first.join(" "))
}

/// Four bytes as a number, in the byte order of the file.
pub(super) const fn word<const BIG: bool>(bytes: [u8; 4]) -> u32 {
    if BIG { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
}

/// Two bytes as a number, in the byte order of the file.
pub(super) const fn half<const BIG: bool>(bytes: [u8; 2]) -> u16 {
    if BIG { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
}

/// A length or offset inside a block, which is always far below 4 GiB.
pub(super) fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
