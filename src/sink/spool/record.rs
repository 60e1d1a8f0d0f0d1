//! How a line lies in a spool: its length and a checksum (CRC-32, both little-endian), then its bytes.
//!
//! The checksum covers the length too, so that a stretch of zeros, which a file system may leave behind after
//! a power cut, is no record. Invariant: [`decode`] gives a line only if exactly that line was encoded.

/// Bytes in front of a line.
pub(super) const HEADER_BYTES: usize = 8;

/// Appends a line, without its newline.
pub(super) fn encode(line: &[u8], to: &mut Vec<u8>) {
    // A line is some kB long; what is longer than 4 GiB cannot be in memory twice, as it would have to be.
    let length = u32::try_from(line.len()).unwrap_or(u32::MAX).to_le_bytes();
    to.extend_from_slice(&length);
    to.extend_from_slice(&checksum(length, line).to_le_bytes());
    to.extend_from_slice(line);
}

/// Bytes of the record that begins here, header included, as far as its length can be believed. `None` when
/// not even the header is there.
pub(super) fn bytes(from: &[u8]) -> Option<u64> {
    let length = from.first_chunk::<4>()?;
    (from.len() >= HEADER_BYTES).then(|| HEADER_BYTES as u64 + u64::from(u32::from_le_bytes(*length)))
}

/// The first line, if it is there whole and is what was written.
pub(super) fn decode(from: &[u8]) -> Option<&[u8]> {
    let length = from.first_chunk::<4>()?;
    let (header, rest) = from.split_at_checked(HEADER_BYTES)?;
    let line = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (header[4..] == checksum(*length, line).to_le_bytes()).then_some(line)
}

fn checksum(length: [u8; 4], line: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(line);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_and_nothing_else_does() {
        let mut bytes_of = Vec::new();
        encode(b"{\"a\":1}", &mut bytes_of);
        assert_eq!(decode(&bytes_of), Some(&b"{\"a\":1}"[..]));
        assert_eq!(bytes(&bytes_of), Some(bytes_of.len() as u64));
        for at in 0..bytes_of.len() {
            assert_eq!(decode(&bytes_of[..at]), None, "cut at {at}");
            let mut changed = bytes_of.clone();
            changed[at] ^= 1;
            assert_eq!(decode(&changed), None, "changed at {at}");
        }
        assert_eq!(decode(&[0; 64]), None);
        assert_eq!(decode(&[0xff; 64]), None);
        let mut empty = Vec::new();
        encode(b"", &mut empty);
        assert_eq!(decode(&empty), Some(&b""[..]));
    }
}
