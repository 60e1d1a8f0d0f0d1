//! How a run stands at one moment: what a `stats` line, the counters on standard error and the foot of the
//! table say.
//!
//! A copy, because the line is written later and elsewhere, while the run goes on counting. Only how many
//! lines were lost is asked when it is written.

use super::crew::Moment;
use super::judge::Judge;
use crate::output::{FlowTotals, Stats};
use crate::rules::Counters;
use crate::time::Timestamp;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Standing {
    clock: Timestamp,
    moment: Moment,
    alerts: u64,
    alerted_flows: u64,
    rules: Counters,
    live: bool,
    damaged: u64,
}

impl Standing {
    /// `alerts`: lines so far; `damaged`: places in the inputs.
    pub(super) fn new(
        (clock, moment): (Timestamp, &Moment),
        judge: &Judge,
        alerts: u64,
        live: bool,
        damaged: usize,
    ) -> Self {
        Self {
            clock,
            moment: moment.clone(),
            alerts,
            alerted_flows: judge.alerted_flows,
            rules: judge.state.counters(),
            live,
            damaged: damaged as u64,
        }
    }

    /// As it is said, with the lines that were lost up to now.
    pub(super) const fn stats(&self, lines_lost: u64) -> Stats<'_> {
        let (totals, rules) = (&self.moment.totals, &self.rules);
        Stats {
            clock: self.clock,
            read: totals.frames,
            bytes: totals.bytes,
            skips: &totals.skips,
            flows: FlowTotals {
                opened: totals.flows.opened,
                open: totals.flows.open,
                evicted_half_open: totals.flows.evicted_half_open,
                evicted_other: totals.flows.evicted_other,
            },
            alerts: self.alerts,
            alerted_flows: self.alerted_flows,
            suppressed: rules.suppressed,
            expected: rules.expected,
            held_back: rules.held_back,
            closed_early: rules.closed_early,
            loss: if self.live { Some(self.moment.loss) } else { None },
            damaged: self.damaged,
            lines_lost,
        }
    }
}
