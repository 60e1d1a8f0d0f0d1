//! Fixed-size records in blocks, named by number; and the lists that run through them.
//!
//! Blocks are never moved or copied when the slab grows, so growth costs no pause and no second copy of
//! everything. Freed places are used again, last freed first. Memory is never given back: the bound is the
//! caller's cap.
//!
//! Invariant: a number given out by `insert` stays valid until `remove`.

/// "No place."
pub(super) const NIL: u32 = u32::MAX;

/// Records of one type in blocks of `BLOCK` (a power of two).
#[derive(Debug)]
pub(super) struct Slab<T, const BLOCK: usize> {
    blocks: Vec<Vec<T>>,
    free: Vec<u32>,
    used: usize,
}

impl<T: Copy, const BLOCK: usize> Slab<T, BLOCK> {
    pub(super) const fn new() -> Self {
        assert!(BLOCK.is_power_of_two());
        Self { blocks: Vec::new(), free: Vec::new(), used: 0 }
    }

    /// Records that live in it.
    pub(super) fn live(&self) -> usize {
        self.used - self.free.len()
    }

    /// All places, free ones too.
    pub(super) fn places(&self) -> impl Iterator<Item = u32> + use<T, BLOCK> {
        0..u32::try_from(self.used).unwrap_or(NIL)
    }

    /// Takes a record in and names its place.
    pub(super) fn insert(&mut self, record: T) -> u32 {
        self.renew(|old| *old = record, || record)
    }

    /// Makes a record out of one that was freed, or else a fresh one, and names its place: for large records
    /// of which little has to be written.
    pub(super) fn renew(&mut self, change: impl FnOnce(&mut T), fresh: impl FnOnce() -> T) -> u32 {
        if let Some(at) = self.free.pop() {
            change(self.get_mut(at));
            return at;
        }
        if self.used.is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(fresh());
        }
        self.used += 1;
        u32::try_from(self.used - 1).unwrap_or(NIL)
    }

    /// Frees a place. What lies in it stays readable until it is used again.
    pub(super) fn remove(&mut self, at: u32) {
        self.free.push(at);
    }

    #[inline]
    pub(super) fn get(&self, at: u32) -> &T {
        &self.blocks[at as usize / BLOCK][at as usize % BLOCK]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: u32) -> &mut T {
        &mut self.blocks[at as usize / BLOCK][at as usize % BLOCK]
    }

    /// Where a record lies, for prefetching only.
    #[inline]
    pub(super) fn address(&self, at: u32) -> *const T {
        self.blocks
            .get(at as usize / BLOCK)
            .map_or(std::ptr::null(), |block| block.as_ptr().wrapping_add(at as usize % BLOCK))
    }
}

/// A record's neighbours in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Links {
    prev: u32,
    next: u32,
}

impl Links {
    pub(super) const NONE: Self = Self { prev: NIL, next: NIL };
}

/// A record that can stand in one list.
pub(super) trait Linked: Copy {
    fn links(&mut self) -> &mut Links;
}

/// A list through a slab: oldest in front.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    front: u32,
    back: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self { front: NIL, back: NIL };

    /// The oldest record.
    pub(super) fn front(&self) -> Option<u32> {
        (self.front != NIL).then_some(self.front)
    }

    /// The record behind this one.
    pub(super) fn behind<T: Linked, const B: usize>(slab: &mut Slab<T, B>, at: u32) -> Option<u32> {
        let next = slab.get_mut(at).links().next;
        (next != NIL).then_some(next)
    }

    pub(super) fn push_back<T: Linked, const B: usize>(&mut self, slab: &mut Slab<T, B>, at: u32) {
        *slab.get_mut(at).links() = Links { prev: self.back, next: NIL };
        match self.back {
            NIL => self.front = at,
            back => slab.get_mut(back).links().next = at,
        }
        self.back = at;
    }

    pub(super) fn unlink<T: Linked, const B: usize>(&mut self, slab: &mut Slab<T, B>, at: u32) {
        let Links { prev, next } = *slab.get_mut(at).links();
        match prev {
            NIL => self.front = next,
            prev => slab.get_mut(prev).links().next = next,
        }
        match next {
            NIL => self.back = prev,
            next => slab.get_mut(next).links().prev = prev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Bead(u32, Links);

    impl Linked for Bead {
        fn links(&mut self) -> &mut Links {
            &mut self.1
        }
    }

    fn told(list: List, slab: &mut Slab<Bead, 4>) -> Vec<u32> {
        std::iter::successors(list.front(), |&at| List::behind(slab, at)).collect()
    }

    #[test]
    fn a_list_keeps_its_order_and_places_are_used_again() {
        let (mut slab, mut list) = (Slab::<Bead, 4>::new(), List::EMPTY);
        for number in 0..10 {
            let at = slab.insert(Bead(number, Links::NONE));
            list.push_back(&mut slab, at);
        }
        for gone in [0, 5, 9] {
            list.unlink(&mut slab, gone);
            slab.remove(gone);
        }
        assert_eq!(told(list, &mut slab), [1, 2, 3, 4, 6, 7, 8]);
        assert_eq!(slab.live(), 7);
        let again = slab.insert(Bead(10, Links::NONE));
        list.push_back(&mut slab, again);
        assert_eq!((again, slab.get(again).0), (9, 10));
        assert_eq!(told(list, &mut slab).last(), Some(&9));
    }
}
