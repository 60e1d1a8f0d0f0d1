//! From a key's tag to the place of its flow: open addressing with linear probing.
//!
//! Eight bytes a slot: the low half of the hash and the place. The tag alone is enough to grow and to delete (by
//! shifting the run behind the hole back), so neither touches a flow record; and a slot's address follows from the tag,
//! so it can be prefetched.
//!
//! Invariants: at most three quarters of the slots are used; every entry can be reached from its home slot without
//! crossing an empty one.

const EMPTY: u32 = u32::MAX;
const SLOTS_MIN: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Slot {
    tag: u32,
    place: u32,
}

/// Tags and places of one shard's flows.
#[derive(Debug)]
pub(super) struct Index {
    slots: Box<[Slot]>,
    live: usize,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { slots: empty(SLOTS_MIN), live: 0 }
    }

    /// The place with this tag that `same` accepts.
    #[inline]
    pub(super) fn find(&self, tag: u32, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(tag);
        loop {
            let slot = self.slots[at];
            if slot.place == EMPTY {
                return None;
            }
            if slot.tag == tag && same(slot.place) {
                return Some(slot.place);
            }
            at = self.after(at);
        }
    }

    /// Adds a place. Neither may it be there already nor be `u32::MAX`.
    pub(super) fn insert(&mut self, tag: u32, place: u32) {
        if (self.live + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.live += 1;
        self.put(Slot { tag, place });
    }

    /// Changes where a flow lies.
    pub(super) fn replace(&mut self, tag: u32, from: u32, to: u32) {
        if let Some(at) = self.position(tag, from) {
            self.slots[at].place = to;
        }
    }

    /// Forgets a place.
    pub(super) fn remove(&mut self, tag: u32, place: u32) {
        let Some(mut hole) = self.position(tag, place) else { return };
        self.live -= 1;
        let mut at = self.after(hole);
        while self.slots[at].place != EMPTY {
            let home = self.home(self.slots[at].tag);
            // The entry may move into the hole when that lies between its home and where it is now.
            if self.distance(home, at) >= self.distance(hole, at) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.slots[hole].place = EMPTY;
    }

    /// Where the search for a tag begins, for prefetching only.
    #[inline]
    pub(super) fn address(&self, tag: u32) -> *const u8 {
        (&raw const self.slots[self.home(tag)]).cast()
    }

    /// A likely place for this tag: the first match within one cache line or so.
    #[inline]
    pub(super) fn guess(&self, tag: u32) -> Option<u32> {
        let mut at = self.home(tag);
        for _ in 0..8 {
            let slot = self.slots[at];
            if slot.place == EMPTY {
                return None;
            }
            if slot.tag == tag {
                return Some(slot.place);
            }
            at = self.after(at);
        }
        None
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }

    fn position(&self, tag: u32, place: u32) -> Option<usize> {
        let mut at = self.home(tag);
        while self.slots[at].place != EMPTY {
            if self.slots[at].place == place && self.slots[at].tag == tag {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }

    fn put(&mut self, slot: Slot) {
        let mut at = self.home(slot.tag);
        while self.slots[at].place != EMPTY {
            at = self.after(at);
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let twice = empty(self.slots.len() * 2);
        let old = std::mem::replace(&mut self.slots, twice);
        for slot in old.iter().filter(|slot| slot.place != EMPTY) {
            self.put(*slot);
        }
    }
}

fn empty(slots: usize) -> Box<[Slot]> {
    vec![Slot { tag: 0, place: EMPTY }; slots].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_a_map(steps in proptest::collection::vec((any::<bool>(), 0u32..300), 0..600)) {
            // Tags collide on purpose: eight places share each.
            let (mut index, mut model) = (Index::new(), std::collections::BTreeSet::new());
            for (add, place) in steps {
                let tag = (place / 8).wrapping_mul(0x0100_0001);
                if add && model.insert(place) {
                    index.insert(tag, place);
                } else if !add && model.remove(&place) {
                    index.remove(tag, place);
                }
                for place in 0..300u32 {
                    let found = index.find((place / 8).wrapping_mul(0x0100_0001), |other| other == place);
                    prop_assert_eq!(found.is_some(), model.contains(&place));
                }
            }
        }
    }
}
