//! Alerts gathered for the list under the table: the same rule at the same service is one entry, however
//! often it fired.

use std::collections::HashMap;

use crate::rules::Alert;
use crate::wire::{Endpoint, Transport};

/// What the list shows, bounded.
#[derive(Debug, Default)]
pub struct Findings {
    entries: Vec<Finding>,
    places: HashMap<(u32, Transport, Endpoint), usize>,
    /// Alerts that found no place in the list any more.
    unlisted: u64,
}

/// The first alert of a rule at a service, and how often it came.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) first: Alert,
    pub(super) count: u64,
}

impl Findings {
    /// Entries kept.
    pub const ENTRIES_MAX: usize = 1000;

    /// Without any finding.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an alert.
    pub fn add(&mut self, alert: &Alert) {
        let flow = &alert.verdict.evidence.flow;
        let key = (alert.rule.sid, flow.transport, flow.responder);
        if let Some(&place) = self.places.get(&key) {
            self.entries[place].count += 1;
        } else if self.entries.len() < Self::ENTRIES_MAX {
            self.places.insert(key, self.entries.len());
            self.entries.push(Finding { first: alert.clone(), count: 1 });
        } else {
            self.unlisted += 1;
        }
    }

    /// All alerts added.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.entries.iter().map(|finding| finding.count).sum::<u64>() + self.unlisted
    }

    /// Worst first, then in the order of their first alert.
    pub(super) fn worst_first(&self) -> Vec<&Finding> {
        let mut worst_first: Vec<&Finding> = self.entries.iter().collect();
        worst_first.sort_by_key(|finding| finding.first.rule.severity);
        worst_first
    }

    /// Entries of a severity that are not shown, and alerts beyond the list.
    pub(super) fn alerts_beyond(&self, shown: usize) -> u64 {
        self.worst_first().iter().skip(shown).map(|finding| finding.count).sum::<u64>() + self.unlisted
    }
}
