//! Sets of numbers, as ranges in order.
//!
//! Lists of ports and networks may be long, and are asked about every flow: one range after the other, a rule
//! about 2,000 ports cost some 3 µs a flow.
//!
//! Invariant: the ranges are in order, and neither overlap nor touch.

/// Numbers of some width.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges<T>(Vec<(T, T)>);

impl<T: Copy + Ord> Ranges<T> {
    /// True when all numbers from `first` to `last` are in it.
    pub(crate) fn cover(&self, first: T, last: T) -> bool {
        let begun = self.0.partition_point(|range| range.0 <= first);
        self.0[..begun].last().is_some_and(|range| last <= range.1)
    }

    /// True when some number from `first` to `last` is in it.
    pub(crate) fn meet(&self, first: T, last: T) -> bool {
        let over = self.0.partition_point(|range| range.1 < first);
        self.0.get(over).is_some_and(|range| range.0 <= last)
    }

    /// The ranges: the first and the last number of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (T, T)> {
        self.0.iter().copied()
    }
}

impl<T: Copy + Ord + Into<u128>> FromIterator<(T, T)> for Ranges<T> {
    fn from_iter<I: IntoIterator<Item = (T, T)>>(ranges: I) -> Self {
        let mut all: Vec<_> = ranges.into_iter().collect();
        all.sort_unstable();
        let mut apart = Vec::<(T, T)>::new();
        for (first, last) in all {
            match apart.last_mut() {
                Some(before) if first.into() <= before.1.into().saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => apart.push((first, last)),
            }
        }
        Self(apart)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_say_what_the_list_says(
            list in prop::collection::vec((0..=255_u8, 0..40_u8), 0..12),
            (first, more) in (0..=255_u8, 0..40_u8),
        ) {
            let list: Vec<_> = list.into_iter().map(|(low, more)| (low, low.saturating_add(more))).collect();
            let last = first.saturating_add(more);
            let ranges: Ranges<u8> = list.iter().copied().collect();
            let has = |number| list.iter().any(|(low, high)| (*low..=*high).contains(&number));
            prop_assert_eq!(ranges.cover(first, last), (first..=last).all(has));
            prop_assert_eq!(ranges.meet(first, last), (first..=last).any(has));
            let apart: Vec<_> = ranges.iter().collect();
            prop_assert!(apart.windows(2).all(|pair| u16::from(pair[0].1) + 1 < u16::from(pair[1].0)));
        }
    }
}
