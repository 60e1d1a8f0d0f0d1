//! Capture files from frames: classic pcap, pcapng, gzip. Plain and small, so that a reader sees every byte.

use std::io::Write;

use super::talk::Recorded;

/// Link type Ethernet.
pub(crate) const ETHERNET: u32 = 1;

/// How frames are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Classic pcap, microseconds, little endian.
    Pcap,
    /// pcapng: one section, one interface, enhanced packet blocks.
    Pcapng,
    /// Classic pcap, compressed with gzip.
    PcapGz,
}

/// The bytes of a file in this format.
pub(crate) fn write(format: Format, frames: &[Recorded]) -> Vec<u8> {
    match format {
        Format::Pcap => classic(ETHERNET, frames),
        Format::Pcapng => pcapng(frames),
        Format::PcapGz => gzip(&classic(ETHERNET, frames)),
    }
}

/// A classic pcap file.
pub(crate) fn classic(link: u32, frames: &[Recorded]) -> Vec<u8> {
    let mut file = header(link, 262_144);
    for frame in frames {
        file.extend(record(frame));
    }
    file
}

/// The 24 bytes that a classic file begins with.
pub(crate) fn header(link: u32, snaplen: u32) -> Vec<u8> {
    let mut header = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    header.extend([2, 0, 4, 0]); // version 2.4
    header.extend([0; 8]); // time zone and accuracy, never used
    header.extend(snaplen.to_le_bytes());
    header.extend(link.to_le_bytes());
    header
}

/// One record of a classic file.
pub(crate) fn record(frame: &Recorded) -> Vec<u8> {
    let length = u32::try_from(frame.bytes.len()).expect("a frame is small").to_le_bytes();
    let part = |number: u64| u32::try_from(number).expect("fits in this century").to_le_bytes();
    let mut record = part(frame.micros / 1_000_000).to_vec();
    record.extend(part(frame.micros % 1_000_000));
    record.extend(length);
    record.extend(length);
    record.extend(&frame.bytes);
    record
}

fn pcapng(frames: &[Recorded]) -> Vec<u8> {
    let mut section = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
    section.extend([1, 0, 0, 0]); // version 1.0
    section.extend([0xff; 8]); // length of the section not given
    let mut file = block(0x0a0d_0d0a, &section);
    let mut interface = ETHERNET.to_le_bytes().to_vec(); // link type and two reserved bytes
    interface.extend(262_144_u32.to_le_bytes());
    file.extend(block(1, &interface));
    for frame in frames {
        let [low, high] = [frame.micros & 0xffff_ffff, frame.micros >> 32].map(|half| half.to_le_bytes());
        let length = u32::try_from(frame.bytes.len()).expect("a frame is small").to_le_bytes();
        let mut body = vec![0; 4]; // interface 0
        body.extend(&high[..4]);
        body.extend(&low[..4]);
        body.extend(length);
        body.extend(length);
        body.extend(&frame.bytes);
        file.extend(block(6, &body));
    }
    file
}

/// A pcapng block: type, length, padded body, length.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).expect("a block is small").to_le_bytes();
    let mut block = kind.to_le_bytes().to_vec();
    block.extend(length);
    block.extend(body);
    block.resize(8 + padded, 0);
    block.extend(length);
    block
}

/// These bytes as one gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).expect("writes to memory");
    encoder.finish().expect("writes to memory")
}

/// What a gzip file holds.
pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes), &mut plain)
        .expect("a whole gzip file");
    plain
}
