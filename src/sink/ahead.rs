//! Records that are through while one before them is not.
//!
//! A receiver that answers about each record may take the third and turn the second away for now. Records
//! are settled in order, so both are offered again, and what became of the third is remembered here until
//! it is settled: it is neither sent twice nor counted twice. At most a batch is remembered.

use std::collections::BTreeMap;

use super::deliver::{Delivered, Refused, Then};

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The receiver has it.
    Taken,
    /// It never will; with the reason.
    Refused(String),
    /// It is to be offered again; with the reason.
    Later(String),
}

/// By id: refused with a reason, or taken.
#[derive(Default)]
pub(super) struct Ahead(BTreeMap<String, Option<String>>);

impl Ahead {
    /// What became of a record before it could be settled; `None` where it is still to be sent.
    pub(super) fn became(&self, id: &str) -> Option<Item> {
        self.0.get(id).map(|refused| refused.clone().map_or(Item::Taken, Item::Refused))
    }

    /// Settles up to the first record that has to be offered again, and remembers those behind it. `say` puts
    /// into words that so many of so many are to be offered again, and why the last of them.
    pub(super) fn settle(
        &mut self,
        results: Vec<(String, Item)>,
        say: impl FnOnce(usize, usize, &str) -> String,
    ) -> Delivered {
        self.0.clear();
        let all = results.len();
        let (mut settled, mut later, mut why_later) = (0, 0, None);
        let mut refused: Option<Refused> = None;
        for (id, item) in results {
            match item {
                Item::Later(why) => {
                    later += 1;
                    why_later = Some(why);
                }
                Item::Taken if later > 0 => drop(self.0.insert(id, None)),
                Item::Refused(why) if later > 0 => drop(self.0.insert(id, Some(why))),
                Item::Taken => settled += 1,
                Item::Refused(why) => {
                    settled += 1;
                    refused = Some(Refused { count: refused.map_or(0, |before| before.count) + 1, why });
                }
            }
        }
        let then =
            why_later.map_or(Then::GoOn, |why| Then::Retry { after: None, why: say(later, all, &why) });
        Delivered { settled, refused, then }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_one_that_comes_again_is_remembered_until_it_is_settled() {
        let mut ahead = Ahead::default();
        let say = |later: usize, all: usize, why: &str| format!("{later}/{all} {why}");
        let results =
            |items: [Item; 4]| ["a", "b", "c", "d"].map(str::to_owned).into_iter().zip(items).collect();
        let later = Item::Later("busy".into());
        let bad = Item::Refused("bad".into());
        let first = ahead.settle(results([Item::Taken, later.clone(), Item::Taken, bad.clone()]), say);
        let then = Then::Retry { after: None, why: "1/4 busy".into() };
        assert_eq!(first, Delivered { settled: 1, refused: None, then });
        assert_eq!(
            ["a", "b", "c", "d"].map(|id| ahead.became(id)),
            [None, None, Some(Item::Taken), Some(bad)]
        );
        let rest =
            ["b", "c", "d"].map(|id| (id.to_owned(), ahead.became(id).unwrap_or(Item::Taken))).to_vec();
        let refused = Some(Refused { count: 1, why: "bad".into() });
        assert_eq!(ahead.settle(rest, say), Delivered { settled: 3, refused, then: Then::GoOn });
        assert_eq!(ahead.became("c"), None);
    }
}
