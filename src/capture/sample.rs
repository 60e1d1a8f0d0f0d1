//! Capture files made for tests, byte by byte and in every variant, so that no test needs a file from
//! elsewhere.

use super::burst::Burst;
use super::{Damage, Files, Filled, Source};

/// The magic numbers of classic files: microseconds, nanoseconds, modified.
pub(super) const MAGICS: [u32; 3] = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34];

/// Numbers in one byte order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order(pub(super) bool);

impl Order {
    pub(super) fn u16(self, value: u16) -> [u8; 2] {
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(super) fn u32(self, value: u32) -> [u8; 4] {
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    pub(super) fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }

    /// A file header of version 2.4 with a snaplen of 65535.
    pub(super) fn pcap(self, magic: u32, link: u32) -> Vec<u8> {
        self.pcap_version(magic, (2, 4), 65_535, link)
    }

    pub(super) fn pcap_version(self, magic: u32, version: (u16, u16), snaplen: u32, link: u32) -> Vec<u8> {
        let mut file = self.u32(magic).to_vec();
        file.extend(self.u16(version.0));
        file.extend(self.u16(version.1));
        file.extend(self.words(&[0, 0, snaplen, link]));
        file
    }

    /// A record that holds all of its frame.
    pub(super) fn record(self, seconds: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
        let len = u32::try_from(data.len()).unwrap();
        [self.words(&[seconds, fraction, len, len]), data.to_vec()].concat()
    }

    /// A block with its padding and both lengths.
    pub(super) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = self.u32(u32::try_from(padded + 12).unwrap());
        [&self.u32(kind), &length, body, &[0; 3][..padded - body.len()], &length].concat()
    }

    pub(super) fn section(self) -> Vec<u8> {
        let body = [&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    pub(super) fn interface(self, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
        self.block(1, &[&self.u16(link)[..], &[0, 0], &self.u32(snaplen), options].concat())
    }

    pub(super) fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let padding = value.len().next_multiple_of(4) - value.len();
        let length = self.u16(u16::try_from(value.len()).unwrap());
        [&self.u16(code)[..], &length, value, &[0; 3][..padding]].concat()
    }

    pub(super) fn enhanced(self, interface: u32, units: u64, data: &[u8]) -> Vec<u8> {
        let len = u32::try_from(data.len()).unwrap();
        let (high, low) = (u32::try_from(units >> 32).unwrap(), u32::try_from(units & 0xffff_ffff).unwrap());
        self.block(6, &[self.words(&[interface, high, low, len, len]), data.to_vec()].concat())
    }
}

/// A frame as a test compares it: number, time in nanoseconds, link type, input, wire length, bytes.
pub(super) type Seen = (u64, i64, u32, u16, u32, Vec<u8>);

/// Everything that files give.
pub(super) fn read(files: &mut Files) -> Vec<Seen> {
    let mut burst = Burst::new();
    let mut seen = Vec::new();
    loop {
        match files.fill(&mut burst).unwrap() {
            Filled::End => return seen,
            Filled::Frames => assert!(!burst.is_empty()),
            Filled::Idle => assert!(burst.is_empty()),
        }
        for frame in burst.frames() {
            let time = frame.time.as_nanos();
            assert!(burst.clock() >= frame.time);
            seen.push((frame.number, time, frame.link.0, frame.input, frame.wire_len, frame.bytes.to_vec()));
        }
    }
}

/// What one file with these bytes gives: its frames and its damage, whose input is left out.
pub(super) fn read_bytes(bytes: &[u8]) -> (Vec<Seen>, Vec<Damage>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    std::fs::write(&path, bytes).unwrap();
    let mut files = Files::open(&[path.to_string_lossy().into_owned()], None).unwrap();
    let seen = read(&mut files);
    let damage = files.damage().iter().map(|damage| Damage { input: String::new(), ..damage.clone() });
    (seen, damage.collect())
}
