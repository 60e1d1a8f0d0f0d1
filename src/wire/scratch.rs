//! Where reassembled datagrams live: an arena that only grows, beside the burst whose packets borrow from it.

use typed_arena::Arena;

/// Append-only memory for reassembled datagrams. Make a new one for every burst: an unused one costs nothing.
pub struct Scratch {
    bytes: Arena<u8>,
}

impl Scratch {
    /// An empty arena; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: Arena::with_capacity(0) }
    }

    /// Bytes handed out so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// True when nothing was reassembled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies these bytes in, one after the other.
    pub(super) fn join<'p>(&self, parts: impl Iterator<Item = &'p [u8]>) -> &[u8] {
        self.bytes.alloc_extend(parts.flatten().copied())
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_bytes_stay_where_they_are() {
        let scratch = Scratch::new();
        assert!(scratch.is_empty());
        let first = scratch.join([&b"ab"[..], b"", b"c"].into_iter());
        let second = scratch.join([&[7u8; 5000][..]].into_iter());
        assert_eq!((first, second.len(), scratch.len()), (&b"abc"[..], 5000, 5003));
    }
}
