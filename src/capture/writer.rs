//! Writes frames of any link type into one pcapng file with nanosecond time.
//!
//! A pcapng interface has one link type, so each link type gets its own interface description when it is
//! first seen. Numbers of blocks and options: draft-ietf-opsawg-pcapng.
//!
//! Invariants: little-endian on every machine; blocks are multiples of 4 bytes; what [`super::Files`] reads
//! back is what was written, except that times before 1970 become 1970 (the format cannot say them).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::burst::{Frame, LinkType};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
/// Option 9 (if_tsresol), one byte long, 10^-9 seconds, three bytes of padding; end of options.
const NANOSECONDS: [u8; 12] = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];

/// A pcapng file that is being written.
pub struct PcapngWriter<W: Write = BufWriter<File>> {
    out: W,
    links: Vec<LinkType>,
}

impl PcapngWriter {
    /// Makes the file, replacing one of the same name.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::new(BufWriter::new(File::create(path)?))
    }
}

impl<W: Write> PcapngWriter<W> {
    /// Writes to something else than a file.
    ///
    /// # Errors
    /// What writing the header says.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self { out, links: Vec::new() };
        let mut body = Vec::with_capacity(16);
        body.extend_from_slice(&0x1a2b_3c4du32.to_le_bytes());
        body.extend_from_slice(&[1, 0, 0, 0]);
        body.extend_from_slice(&u64::MAX.to_le_bytes());
        writer.block(SECTION, &body, &[])?;
        Ok(writer)
    }

    /// Appends one frame.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let known = self.links.iter().position(|link| *link == frame.link);
        let interface = match known {
            Some(interface) => interface,
            None => self.interface(frame.link)?,
        };
        let nanos = u64::try_from(frame.time.as_nanos()).unwrap_or(0).to_le_bytes();
        let [low @ .., a, b, c, d] = nanos;
        let mut fields = Vec::with_capacity(20);
        fields.extend_from_slice(&super::walk::short(interface).to_le_bytes());
        fields.extend_from_slice(&[a, b, c, d]);
        fields.extend_from_slice(&low);
        fields.extend_from_slice(&super::walk::short(frame.bytes.len()).to_le_bytes());
        fields.extend_from_slice(&frame.wire_len.to_le_bytes());
        self.block(ENHANCED_PACKET, &fields, frame.bytes)
    }

    /// Writes out what is still buffered and gives back what was written to.
    ///
    /// # Errors
    /// What the system says: without this call it is lost.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    /// Describes the interface of a link type; gives its number.
    fn interface(&mut self, link: LinkType) -> io::Result<usize> {
        let number = u16::try_from(link.0)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a link type above 65535"))?;
        let mut body = Vec::with_capacity(20);
        body.extend_from_slice(&number.to_le_bytes());
        body.extend_from_slice(&[0; 6]);
        body.extend_from_slice(&NANOSECONDS);
        self.block(INTERFACE, &body, &[])?;
        self.links.push(link);
        Ok(self.links.len() - 1)
    }

    fn block(&mut self, kind: u32, fields: &[u8], data: &[u8]) -> io::Result<()> {
        let body = fields.len() + data.len();
        let padding = body.next_multiple_of(4) - body;
        let length = super::walk::short(body + padding + 12).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length)?;
        self.out.write_all(fields)?;
        self.out.write_all(data)?;
        self.out.write_all([0; 3].get(..padding).unwrap_or(&[]))?;
        self.out.write_all(&length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::read_bytes;
    use super::*;
    use crate::time::Timestamp;
    use pcap_parser::traits::PcapReaderIterator;
    use pcap_parser::{Block, PcapBlockOwned, PcapError, PcapNGReader};
    use proptest::prelude::*;

    type Given = (u16, i64, u32, Vec<u8>);

    fn written(frames: &[Given]) -> Vec<u8> {
        let mut writer = PcapngWriter::new(Vec::new()).unwrap();
        for (link, nanos, wire_len, bytes) in frames {
            let (link, time) = (LinkType(u32::from(*link)), Timestamp::from_nanos(*nanos));
            writer.write(&Frame { number: 1, time, link, input: 0, wire_len: *wire_len, bytes }).unwrap();
        }
        writer.finish().unwrap()
    }

    /// The frames as pcap-parser reads them: nanoseconds, wire length, bytes.
    fn parsed(file: &[u8]) -> Vec<(i64, u32, Vec<u8>)> {
        let mut reader = PcapNGReader::new(1 << 20, file).unwrap();
        let mut frames = Vec::new();
        loop {
            match reader.next() {
                Ok((used, block)) => {
                    if let PcapBlockOwned::NG(Block::EnhancedPacket(packet)) = block {
                        let nanos = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                        let data = packet.data[..packet.caplen as usize].to_vec();
                        frames.push((i64::try_from(nanos).unwrap(), packet.origlen, data));
                    }
                    reader.consume(used);
                }
                Err(PcapError::Eof) => return frames,
                Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_written_is_read_back_by_us_and_by_pcap_parser(frames in prop::collection::vec(
            (0u16..4, 0i64.., any::<u32>(), prop::collection::vec(any::<u8>(), 0..200)), 0..40)
        ) {
            let file = written(&frames);
            let (seen, damage) = read_bytes(&file);
            prop_assert_eq!(damage, vec![]);
            let ours: Vec<Given> = seen
                .iter()
                .map(|frame| (u16::try_from(frame.2).unwrap(), frame.1, frame.4, frame.5.clone()))
                .collect();
            prop_assert_eq!(&ours, &frames);
            let theirs: Vec<_> = frames.into_iter().map(|(_, time, len, bytes)| (time, len, bytes)).collect();
            prop_assert_eq!(parsed(&file), theirs);
        }
    }

    #[test]
    fn times_before_1970_and_impossible_link_types() {
        assert_eq!(read_bytes(&written(&[(1, -5, 1, vec![1])])).0[0].1, 0);
        let mut writer = PcapngWriter::new(Vec::new()).unwrap();
        let (time, link) = (Timestamp::MIN, LinkType(70_000));
        assert!(writer.write(&Frame { number: 1, time, link, input: 0, wire_len: 0, bytes: &[] }).is_err());
    }
}
