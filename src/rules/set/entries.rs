//! Entries that may silence a rule.
//!
//! A large site has thousands of them. Whenever a rule spoke all were asked, so that with 10,000 an alert
//! took 0.2 ms, and the judge fell behind the packets in a flood of alerts.
//!
//! Invariants: [`Entries::about`] leaves out no entry that covers the flow, and keeps their order, so the
//! first one that covers it is the one that would be found by asking all.

use std::slice;

use super::spots::Spots;
use crate::rules::nets::About;
use crate::rules::subject::Subject;

/// So few that all are asked: looking for the right ones takes as long.
const FEW: usize = 16;

/// All entries, in file order.
#[derive(Debug)]
pub(super) struct Entries<E> {
    list: Vec<E>,
    spots: Spots,
    /// Those that are about too much to be found by it.
    general: Vec<usize>,
}

impl<E> Default for Entries<E> {
    fn default() -> Self {
        Self { list: Vec::new(), spots: Spots::default(), general: Vec::new() }
    }
}

impl<E: About> Entries<E> {
    pub(super) fn of(list: Vec<E>) -> Self {
        let mut entries = Self { list, ..Self::default() };
        for (number, entry) in entries.list.iter().enumerate() {
            if !entries.spots.add(number, entry) {
                entries.general.push(number);
            }
        }
        entries
    }

    /// All of them.
    pub(super) fn iter(&self) -> slice::Iter<'_, E> {
        self.list.iter()
    }

    /// Those that may cover the flow, in file order.
    pub(super) fn about(&self, subject: &Subject<'_>) -> impl Iterator<Item = &E> {
        let (all, found) =
            if self.list.len() <= FEW { (&self.list[..], Vec::new()) } else { (&[][..], self.find(subject)) };
        all.iter().chain(found.into_iter().map(|number| &self.list[number]))
    }

    fn find(&self, subject: &Subject<'_>) -> Vec<usize> {
        let ends = [subject.originator, subject.responder.addr];
        let mut found = self.spots.find(ends, subject.responder.port);
        if !self.general.is_empty() {
            found.extend(&self.general);
            found.sort_unstable();
        }
        found
    }
}
