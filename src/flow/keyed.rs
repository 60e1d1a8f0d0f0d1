//! Values by key, found through the same index of tags that flows use; and the order in which they came, to
//! forget by.
//!
//! Asked several times a flow by the one thread that owns it, so it takes no lock, and who knows what will be
//! asked next has it brought in beforehand: waiting for one line of memory after the other was a sixth of a
//! run. Whoever asks for the same key many times in a row (a scan has one originator) is answered without a
//! search.
//!
//! Invariants: every value is in the index, by the tag of its key; a place names its value until that is
//! removed; what is forgotten depends on the order in which keys came, never on hashes.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::index::Index;
use super::prefetch::prefetch_whole;
use super::slab::NIL;

/// Values below which nothing is brought in beforehand: so few stay in the processor's cache.
const FEW: usize = 4096;

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
pub struct Keyed<K, V> {
    index: Index,
    slots: Vec<(K, V)>,
    free: Vec<u32>,
    /// The place that was changed last.
    last: u32,
    /// Different in every run: strangers choose most keys.
    hasher: RandomState,
}

/// What a key will be looked for by: see [`Keyed::expect`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected(Option<u32>);

impl<K, V> Default for Keyed<K, V> {
    /// Nothing yet.
    fn default() -> Self {
        let (index, hasher) = (Index::new(), RandomState::default());
        Self { index, slots: Vec::new(), free: Vec::new(), last: NIL, hasher }
    }
}

impl<K: Copy + Eq + Hash, V: Default> Keyed<K, V> {
    /// Keeps a value for a key that has none, and names its place.
    pub fn keep(&mut self, key: K, value: V) -> u32 {
        let place = self.insert(key);
        *self.at_mut(place) = value;
        place
    }

    /// Takes the value of a key out.
    pub fn take(&mut self, key: K) -> Option<V> {
        // Asked for most keys, and most runs have nothing here.
        if self.free.len() == self.slots.len() {
            return None;
        }
        self.place(key).map(|place| self.remove(place))
    }

    /// The value of a key.
    #[inline]
    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.place(key).map(|place| self.at(place))
    }

    /// The value of a key, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.place(key).map(|place| self.at_mut(place))
    }

    /// Where the value of a key lies.
    #[inline]
    pub fn place(&self, key: K) -> Option<u32> {
        let is_it = |place: u32| self.slots.get(place as usize).is_some_and(|slot| slot.0 == key);
        if is_it(self.last) {
            return Some(self.last);
        }
        self.index.find(self.tag(key), is_it)
    }

    /// The value at a place.
    pub(crate) fn at(&self, place: u32) -> &V {
        &self.slots[place as usize].1
    }

    /// The value at a place, to be changed.
    ///
    /// # Panics
    /// The place was never named.
    pub fn at_mut(&mut self, place: u32) -> &mut V {
        self.last = place;
        &mut self.slots[place as usize].1
    }

    /// Makes a value for a key that has none, and names its place.
    pub(super) fn insert(&mut self, key: K) -> u32 {
        let fresh = (key, V::default());
        let place = if let Some(place) = self.free.pop() {
            self.slots[place as usize] = fresh;
            place
        } else {
            self.slots.push(fresh);
            u32::try_from(self.slots.len() - 1).unwrap_or(NIL)
        };
        self.index.insert(self.tag(key), place);
        place
    }

    /// Forgets a key and its value, which lies at this place.
    ///
    /// # Panics
    /// The place was never named.
    pub fn remove(&mut self, place: u32) -> V {
        let (key, value) = &mut self.slots[place as usize];
        let (key, value) = (*key, std::mem::take(value));
        self.index.remove(self.tag(key), place);
        self.free.push(place);
        if self.last == place {
            self.last = NIL;
        }
        value
    }

    /// A key will be asked for soon: brings in where the search for it begins.
    #[inline]
    #[must_use]
    pub fn expect(&self, key: K) -> Expected {
        Expected((!self.are_few()).then(|| {
            let tag = self.tag(key);
            super::prefetch::prefetch(self.index.address(tag));
            tag
        }))
    }

    /// So few that none needs to be brought in.
    #[inline]
    pub(super) const fn are_few(&self) -> bool {
        self.slots.len() < FEW
    }

    /// What was expected comes now: brings in the value that it most likely is.
    #[inline]
    pub fn fetch(&self, expected: Expected) {
        if let Some(place) = expected.0.and_then(|tag| self.index.guess(tag))
            && let Some(slot) = self.slots.get(place as usize)
        {
            prefetch_whole(slot);
        }
    }

    /// The value at a place will be removed soon: brings it in, and where its key is looked for.
    pub fn doom(&self, place: u32) {
        if let Some(slot) = self.slots.get(place as usize) {
            prefetch_whole(slot);
            let _ = self.expect(slot.0);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of the hash will do")]
    fn tag(&self, key: K) -> u32 {
        self.hasher.hash_one(key) as u32
    }
}

/// Places in the order they came, up to a bound.
#[derive(Debug)]
pub(super) struct Bounded {
    order: VecDeque<u32>,
    max: usize,
}

impl Bounded {
    pub(super) fn new(max: usize) -> Self {
        Self { order: VecDeque::new(), max: max.clamp(1, NIL as usize) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The place that has to go before another one comes, when there are as many as there may be.
    pub(super) fn make_room(&mut self) -> Option<u32> {
        if self.order.len() >= self.max { self.order.pop_front() } else { None }
    }

    /// The place that goes next.
    pub(super) fn front(&self) -> Option<u32> {
        self.order.front().copied()
    }

    /// Adds a place that is not there.
    pub(super) fn push(&mut self, place: u32) {
        self.order.push_back(place);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u32) -> Key {
        Key::new(IpAddr::V4(number.into()), 0)
    }

    #[test]
    fn keys_differ_by_family_and_by_what_stands_beside() {
        let mapped = IpAddr::V6(std::net::Ipv6Addr::from_bits(1));
        assert_ne!(Key::new(mapped, 0), key(1));
        assert_ne!(Key::new(IpAddr::V4(1.into()), 1), key(1));
    }

    #[test]
    fn the_first_makes_room() {
        let mut bounded = Bounded::new(3);
        let gone: Vec<_> = (0..6)
            .filter_map(|place| {
                let gone = bounded.make_room();
                bounded.push(place);
                gone
            })
            .collect();
        assert_eq!((gone, bounded.len()), (vec![0, 1, 2], 3));
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in prop::collection::vec((0..4u8, 0..40u32), 0..300)) {
            let mut keyed = Keyed::<Key, u32>::default();
            let mut plain = BTreeMap::new();
            for (what, number) in steps {
                let place = keyed.place(key(number));
                match (what, place) {
                    (0, _) => prop_assert_eq!(keyed.take(key(number)), plain.remove(&number)),
                    (1, None) => {
                        keyed.keep(key(number), number + 7);
                        plain.insert(number, number + 7);
                    }
                    (2, _) => {
                        keyed.get_mut(key(number)).into_iter().for_each(|value| *value += 1);
                        plain.entry(number).and_modify(|value| *value += 1);
                    }
                    _ => keyed.fetch(keyed.expect(key(number))),
                }
                prop_assert_eq!(keyed.get(key(number)), plain.get(&number));
                prop_assert_eq!(keyed.len(), plain.len());
            }
            for number in 0..40 {
                prop_assert_eq!(keyed.get(key(number)), plain.get(&number));
            }
        }
    }
}
