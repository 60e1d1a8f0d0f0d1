//! The last lines that went into a connection: they may still lie in a buffer on the way.
//!
//! A stream without acknowledgements takes lines before anybody has read them. When the connection breaks,
//! those are gone and nobody says which. So the last ones, as many as buffers hold, are remembered and sent
//! first on the next connection: a line may come twice (whoever minds goes by its `flow_id` and `timestamp`),
//! and is not lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes remembered. A Linux socket buffer holds 208 KiB, `net.core.wmem_default`, overhead included.
const TAIL_BYTES_MAX: usize = 256 << 10;
/// What went so long ago was read, by whoever reads at all.
pub(super) const READ_TIME: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Tail {
    lines: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    bytes_max: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self::new(TAIL_BYTES_MAX)
    }
}

impl Tail {
    /// One that remembers so many bytes.
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self { lines: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// These went into the connection.
    pub(super) fn push(&mut self, records: &[&[u8]]) {
        // Only the last ones can stay: the others are not even copied.
        let mut bytes = 0;
        let last = records.iter().rev().take_while(|record| {
            bytes += record.len() + 1;
            bytes <= self.bytes_max
        });
        let first = records.len() - last.count();
        if first > 0 {
            self.forget(); // no gap: what is older than those is of no use
        }
        let now = Instant::now();
        for record in &records[first..] {
            self.bytes += record.len() + 1;
            self.lines.push_back((now, record.to_vec()));
        }
        let bytes_max = self.bytes_max;
        self.forget_first(|_, bytes| bytes > bytes_max);
    }

    /// What went so long ago need not go again.
    pub(super) fn forget_older(&mut self, than: Duration) {
        self.forget_first(|at, _| at.elapsed() > than);
    }

    fn forget_first(&mut self, is_over: impl Fn(Instant, usize) -> bool) {
        while let Some((_, oldest)) = self.lines.pop_front_if(|(at, _)| is_over(*at, self.bytes)) {
            self.bytes -= oldest.len() + 1;
        }
    }

    /// The lines, the oldest first, without newlines.
    pub(super) fn records(&self) -> Vec<&[u8]> {
        self.lines.iter().map(|(_, line)| line.as_slice()).collect()
    }

    /// True when whoever reads had ample time for all of them.
    pub(super) fn is_old(&self) -> bool {
        self.lines.back().is_none_or(|(at, _)| at.elapsed() > READ_TIME)
    }

    /// They have been read, or are on their way again.
    pub(super) fn forget(&mut self) {
        (self.lines, self.bytes) = (VecDeque::new(), 0);
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
        tail.forget_older(Duration::from_secs(60));
        assert_eq!(tail.records().len(), 3);
        tail.forget_older(Duration::ZERO);
        assert_eq!((tail.records().len(), tail.bytes), (0, 0));
    }
}
