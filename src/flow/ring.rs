//! A bounded map that forgets what came first: values in a ring, found through the same index of tags that
//! flows use.
//!
//! Written two or three times a flow by the one thread that owns it, so it takes no lock; whoever asks for
//! the same key many times in a row (a scan has one originator) is answered without a search. A full ring
//! overwrites its oldest slot in place: nothing is moved, no order is kept beside it.
//!
//! Invariants: at most `max` values; every slot is in the index, by the tag of its key; what is forgotten
//! depends on the order in which keys came, never on hashes.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::FixedState;

use super::index::Index;

/// An address and a few bits beside it, as three words: hashed and compared faster than the address itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    high: u64,
    low: u64,
    beside: u64,
}

impl Key {
    pub(super) fn new(addr: IpAddr, beside: u32) -> Self {
        let (family, bits) = match addr {
            IpAddr::V4(v4) => (4, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (6, v6.to_bits()),
        };
        let [low, high] = halves(bits);
        Self { high, low, beside: family << 32 | u64::from(beside) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each half of 128 bits is taken")]
const fn halves(bits: u128) -> [u64; 2] {
    [bits as u64, (bits >> 64) as u64]
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ring<V> {
    index: Index,
    slots: Vec<(Key, V)>,
    /// The slot that is overwritten next, once all are used.
    oldest: usize,
    /// The slot that was changed last.
    last: usize,
    max: usize,
    hasher: FixedState,
}

impl<V: Default> Ring<V> {
    pub(super) fn new(max: usize, hasher: &FixedState) -> Self {
        let max = max.clamp(1, u32::MAX as usize);
        Self { index: Index::new(), slots: Vec::new(), oldest: 0, last: 0, max, hasher: hasher.clone() }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: Key) -> Option<&V> {
        self.find(key, self.last).map(|at| &self.slots[at].1)
    }

    /// The value of a key, to be changed.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut V> {
        self.last = self.find(key, self.last)?;
        Some(&mut self.slots[self.last].1)
    }

    /// The value of a key, to be changed, which is made when it is not there.
    pub(super) fn entry(&mut self, key: Key) -> &mut V {
        self.last = self.find(key, self.last).unwrap_or_else(|| self.insert(key));
        &mut self.slots[self.last].1
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn find(&self, key: Key, likely: usize) -> Option<usize> {
        let is_it = |at: usize| self.slots.get(at).is_some_and(|slot| slot.0 == key);
        if is_it(likely) {
            return Some(likely);
        }
        self.index.find(self.tag(key), |at| is_it(at as usize)).map(|at| at as usize)
    }

    fn insert(&mut self, key: Key) -> usize {
        let fresh = (key, V::default());
        let at = self.slots.len();
        let at = if at < self.max {
            self.slots.push(fresh);
            at
        } else {
            let at = self.oldest;
            self.oldest = (at + 1) % self.max;
            let (forgotten, _) = std::mem::replace(&mut self.slots[at], fresh);
            self.index.remove(self.tag(forgotten), place(at));
            at
        };
        self.index.insert(self.tag(key), place(at));
        at
    }

    #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of the hash will do")]
    fn tag(&self, key: Key) -> u32 {
        self.hasher.hash_one(key) as u32
    }
}

/// Slots are at most `u32::MAX`, so the last of them lies one below what the index cannot hold.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        Key::new(IpAddr::V4(number.into()), 0)
    }

    #[test]
    fn a_full_ring_forgets_what_came_first() {
        let mut ring = Ring::<u32>::new(10, &FixedState::with_seed(7));
        for number in 0..35 {
            *ring.entry(key(number)) += number;
            *ring.entry(key(number)) += 1;
            assert_eq!(ring.get(key(number)), Some(&(number + 1)));
        }
        assert_eq!(ring.len(), 10);
        for number in 0..40 {
            let there = (25..35).contains(&number);
            assert_eq!(ring.get(key(number)).is_some(), there, "{number}");
            assert_eq!(ring.get_mut(key(number)).is_some(), there, "{number}");
        }
    }

    #[test]
    fn keys_differ_by_family_and_by_what_stands_beside() {
        let mapped = IpAddr::V6(std::net::Ipv6Addr::from_bits(1));
        assert_ne!(Key::new(mapped, 0), key(1));
        assert_ne!(Key::new(IpAddr::V4(1.into()), 1), key(1));
    }
}
