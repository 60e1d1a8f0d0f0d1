//! Parts of a line that are the same as in a line before.
//!
//! Nine tenths of a line are words of ours and a few numbers, in orders that come back: what a verdict says
//! about one probe of a scan it says about the next, and one port has the same tier, status and name in all
//! its lines. Writing them field by field was half of what a line costs; so they are kept as they were
//! written, and copied.
//!
//! Invariants: a [`Key`] says all that its part says, so what is kept never grows stale; a key has at most
//! [`WORDS_MAX`] words, which bounds what it can say, and there are [`PLACES`] places with room for
//! [`PARTS`] parts each. What strangers choose can put a part out of its place, and do nothing else.

use std::cell::RefCell;
use std::mem;

use arrayvec::ArrayVec;
use serde::ser::Error;
use serde::{Serialize, Serializer};

use super::clean::Text;
use super::eight::each;
use super::json::{Json, Written};

/// A few hundred parts make nearly all lines of a network; with so many places few of them want the same one.
/// All of them full are some 2 MB.
const PLACES: usize = 1 << 10;
/// Parts that may share a place. Where a part lies in the program decides on its place, so in some builds two
/// of those that stand in every line have the same. When they put each other out, a tenth of the run went
/// there.
const PARTS: usize = 4;
/// A verdict with eleven stories; a fact with a name of eighty bytes.
const WORDS_MAX: usize = 16;

/// A part of a line that is likely to come back.
pub(super) trait Part: Serialize {
    /// What it is.
    const KIND: Kind;

    /// Adds all that it says to a key. Two parts with the same key are written alike.
    fn say(&self, key: &mut Key);
}

/// Such a part: copied when it is known, written and kept when not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again<T>(pub(super) T);

/// What a part says, as numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    words: ArrayVec<u64, WORDS_MAX>,
    is_cut: bool,
}

/// What a part is: parts of different kinds never have the same key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Port,
    Course,
    Verdict,
    Fact,
    Weights,
    Tcp,
}

impl Key {
    /// Adds numbers.
    pub(super) fn numbers<const N: usize>(&mut self, numbers: [u64; N]) {
        self.is_cut |= self.words.try_extend_from_slice(&numbers).is_err();
    }

    /// Adds something that never changes, by where it lies.
    pub(super) fn constant<T>(&mut self, constant: &'static [T]) {
        self.numbers([constant.as_ptr().addr() as u64, constant.len() as u64]);
    }

    /// Adds words of ours, each shorter than 2^16 bytes, by where they lie.
    pub(super) fn words<const N: usize>(&mut self, words: [&'static str; N]) {
        const { assert!(N <= 4) }
        self.numbers([words.iter().fold(0, |lengths, word| lengths << 16 | word.len() as u64)]);
        self.numbers(words.map(|word| word.as_ptr().addr() as u64));
    }

    /// Adds words of others, if there are any.
    pub(super) fn text(&mut self, text: Option<Text<'_>>) {
        let Some(Text { text, bytes_max, .. }) = text else { return self.numbers([u64::MAX]) };
        self.numbers([(bytes_max as u64) << 32 | text.len() as u64]);
        each(text, |eight| self.numbers([eight]));
    }

    fn place(&self) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let sum = self.words.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word));
        (sum.wrapping_mul(ODD) >> 32) as usize % PLACES
    }
}

/// A part as it was written, and its key.
type Kept = (Key, Vec<u8>);

struct Shelf {
    /// By place.
    places: Vec<[Kept; PARTS]>,
    /// Of the parts of a place, the one that makes room next.
    turn: usize,
}

impl Shelf {
    fn find(&self, place: usize, key: &Key) -> Option<&[u8]> {
        let mut kept = self.places.get(place)?.iter();
        kept.find(|(known, _)| known.words == key.words).map(|(_, json)| json.as_slice())
    }

    /// Which part of a place makes room, and its memory.
    fn clear(&mut self, place: usize) -> (usize, Vec<u8>) {
        self.places.resize_with(PLACES, Default::default);
        self.turn = (self.turn + 1) % PARTS;
        let (_, mut json) = mem::take(&mut self.places[place][self.turn]);
        json.clear();
        (self.turn, json)
    }
}

thread_local! {
    static SHELF: RefCell<Shelf> = const { RefCell::new(Shelf { places: Vec::new(), turn: 0 }) };
}

impl<T: Part> Serialize for Again<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut key = Key::default();
        key.numbers([T::KIND as u64]);
        self.0.say(&mut key);
        if key.is_cut {
            return self.0.serialize(serializer);
        }
        let place = key.place();
        let found = SHELF.with_borrow(|shelf| match shelf.find(place, &key) {
            Some(json) => Ok(Written(json).serialize(serializer)),
            None => Err(serializer),
        });
        let serializer = match found {
            Ok(done) => return done,
            Err(serializer) => serializer,
        };
        // The shelf is not held meanwhile: a part may have parts.
        let (turn, mut json) = SHELF.with_borrow_mut(|shelf| shelf.clear(place));
        self.0.serialize(Json(&mut json)).map_err(S::Error::custom)?;
        let done = Written(&json).serialize(serializer);
        SHELF.with_borrow_mut(|shelf| shelf.places[place][turn] = (key, json));
        done
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::json::written;
    use super::*;
    use proptest::prelude::*;
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Serialize)]
    struct Said {
        number: u64,
        name: &'static str,
        text: String,
    }

    impl Part for Said {
        const KIND: Kind = Kind::Fact;

        fn say(&self, key: &mut Key) {
            key.words([self.name]);
            key.numbers([self.number]);
            key.text(Some(Text::cut(&self.text, 512)));
        }
    }

    fn said() -> impl Strategy<Value = Said> {
        (0..3_u64, prop::sample::select(vec!["a", "ab", "b"]), "[ab]{0,20}|.{0,300}")
            .prop_map(|(number, name, text)| Said { number, name, text })
    }

    proptest! {
        #[test]
        fn what_comes_back_is_what_would_be_written(parts in prop::collection::vec(said(), 1..200)) {
            for part in parts.iter().chain(&parts) {
                let again = written(&Again(part.clone())).unwrap();
                prop_assert_eq!(again, serde_json::to_vec(part).unwrap());
            }
        }
    }

    #[test]
    fn nothing_that_is_said_makes_it_grow() {
        for number in 0..100_000 {
            written(&Again(Said { number, name: "a", text: "x".repeat(60) })).unwrap();
        }
        let (parts, bytes) = SHELF.with_borrow(|shelf| {
            let kept = shelf.places.as_flattened();
            (kept.len(), kept.iter().map(|(_, json)| json.capacity()).sum::<usize>())
        });
        assert!(parts == PARTS * PLACES && bytes < 512 * parts, "{parts}, {bytes}");
    }

    /// Wherever the compiler puts the words of those that stand in every line.
    #[test]
    fn those_that_share_a_place_do_not_put_each_other_out() {
        thread_local! {
            static WRITTEN: Cell<u32> = const { Cell::new(0) };
        }
        struct Counted(u64);
        impl Serialize for Counted {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                WRITTEN.set(WRITTEN.get() + 1);
                serializer.serialize_u64(self.0)
            }
        }
        impl Part for Counted {
            const KIND: Kind = Kind::Port;

            fn say(&self, key: &mut Key) {
                key.numbers([self.0, u64::MAX - self.0]); // all have the same sum
            }
        }
        for number in (0..3).cycle().take(1000) {
            assert_eq!(written(&Again(Counted(number))).unwrap(), number.to_string().into_bytes());
        }
        assert_eq!(WRITTEN.get(), 3);
    }
}
