//! The last lines that went into a connection: they may still lie in a buffer on the way.
//!
//! A stream without acknowledgements takes lines before anybody has read them. When the connection breaks,
//! those are gone and nobody says which. So the last ones, as many as buffers hold, are remembered and sent
//! first on the next connection: a line may come twice (whoever minds goes by its `flow_id` and `timestamp`),
//! and is not lost.

use std::collections::VecDeque;

/// Bytes remembered. A Linux socket buffer holds 208 KiB, `net.core.wmem_default`, overhead included.
const TAIL_BYTES_MAX: usize = 256 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Tail {
    /// These went into the connection.
    pub(super) fn push(&mut self, records: &[&[u8]]) {
        // Only the last ones can stay: the others are not even copied.
        let mut bytes = 0;
        let last = records.iter().rev().take_while(|record| {
            bytes += record.len() + 1;
            bytes <= TAIL_BYTES_MAX
        });
        let first = records.len() - last.count();
        if first > 0 {
            *self = Self::default(); // no gap: what is older than those is of no use
        }
        for record in &records[first..] {
            self.bytes += record.len() + 1;
            self.lines.push_back(record.to_vec());
        }
        while self.bytes > TAIL_BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len() + 1;
        }
    }

    /// The lines, the oldest first, without newlines.
    pub(super) fn records(&self) -> Vec<&[u8]> {
        self.lines.iter().map(Vec::as_slice).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_last_lines_and_no_more_than_its_bytes() {
        let mut tail = Tail::default();
        assert!(tail.records().is_empty());
        tail.push(&[b"one", b"two"]);
        assert_eq!(tail.records(), [b"one", b"two"]);
        let long = vec![b'x'; 100 << 10];
        tail.push(&[&long, &long, &long]);
        tail.push(&[b"last"]);
        assert!(tail.records() == [&long[..], &long, b"last"]);
        assert!(tail.bytes <= TAIL_BYTES_MAX);
    }
}
