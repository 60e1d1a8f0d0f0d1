//! Alerts gathered for the list under the table: all lines of an aggregate are one entry, with the flows they
//! stand for.

use std::collections::HashMap;

use crate::rules::{Alert, Stage};

/// What the list shows, bounded.
#[derive(Debug, Default)]
pub struct Findings {
    entries: Vec<Finding>,
    /// By rule and the flow that opened the aggregate.
    places: HashMap<(u32, u64), usize>,
    /// Aggregates that found no place in the list any more.
    unlisted: u64,
}

/// The first alert of an aggregate, or the first of its worst severity, and the flows so far.
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
        let key = (alert.rule.sid, alert.aggregate.opened_by);
        if let Some(&place) = self.places.get(&key) {
            let finding = &mut self.entries[place];
            finding.count += alert.aggregate.flows;
            if alert.rule.severity < finding.first.rule.severity {
                finding.first = alert.clone();
            }
        } else if self.entries.len() < Self::ENTRIES_MAX {
            self.places.insert(key, self.entries.len());
            self.entries.push(Finding { first: alert.clone(), count: alert.aggregate.flows });
        } else if alert.aggregate.stage == Stage::First {
            self.unlisted += 1;
        }
    }

    /// All aggregates.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.entries.len() as u64 + self.unlisted
    }

    /// Worst first, then in the order of their first alert.
    pub(super) fn worst_first(&self) -> Vec<&Finding> {
        let mut worst_first: Vec<&Finding> = self.entries.iter().collect();
        worst_first.sort_by_key(|finding| finding.first.rule.severity);
        worst_first
    }

    /// How many are left when this many are shown.
    pub(super) fn beyond(&self, shown: usize) -> u64 {
        self.total().saturating_sub(shown as u64)
    }
}
