//! What a run counted, in Suricata's names and in ours.

use serde::Serialize;

use super::flat::Ints;
use crate::capture::Loss;
use crate::time::Timestamp;
use crate::wire::{Skip, Skips};
use serde::Serializer;

/// Everything a `stats` record says. All counts are since the start of the run.
#[derive(Clone, Copy, Debug)]
pub struct Stats<'a> {
    /// The packet clock; [`Timestamp::MIN`] when no packet came.
    pub clock: Timestamp,
    /// Frames handed on by the source.
    pub read: u64,
    /// Bytes of those frames on the wire.
    pub bytes: u64,
    /// What became of them.
    pub skips: &'a Skips,
    /// What became of flows.
    pub flows: FlowTotals,
    /// Alert lines.
    pub alerts: u64,
    /// Flows that one of those lines stands for, each counted once; what a threshold had held back before
    /// is not among them.
    pub alerted_flows: u64,
    /// Findings silenced by `suppress` entries.
    pub suppressed: u64,
    /// Findings explained by `expected` entries.
    pub expected: u64,
    /// Findings held back by thresholds, and in no alert since.
    pub held_back: u64,
    /// Alerts closed before their time because too many were open.
    pub closed_early: u64,
    /// What was lost before us; `None` in replay.
    pub loss: Option<Loss>,
    /// Damaged places in the inputs.
    pub damaged: u64,
    /// Lines that an output could not take.
    pub lines_lost: u64,
}

/// The counters in words, for somebody who asks while the run goes on.
#[must_use]
pub fn counters(stats: &Stats<'_>) -> String {
    let skipped: Vec<String> = Skip::ALL
        .into_iter()
        .filter(|&skip| stats.skips.of(skip) > 0)
        .map(|skip| format!("{} {}", skip.name(), stats.skips.of(skip)))
        .collect();
    let reasons = if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join(", ")) };
    let lost = stats.loss.map_or_else(String::new, |loss| {
        let full = if loss.freezes > 0 { format!(", {} times full", loss.freezes) } else { String::new() };
        format!(
            "; dropped {} by the kernel{full}, {} by the interface",
            loss.dropped_kernel, loss.dropped_interface
        )
    });
    format!(
        "{} packets read = {} decoded + {} skipped{reasons}; {} flows opened, {} open; {} alerts \
         about {} flows, {} suppressed, {} expected, {} held back, {} closed early; {} lines lost{lost}",
        stats.read,
        stats.skips.decoded,
        stats.skips.total(),
        stats.flows.opened,
        stats.flows.open,
        stats.alerts,
        stats.alerted_flows,
        stats.suppressed,
        stats.expected,
        stats.held_back,
        stats.closed_early,
        stats.lines_lost,
    )
}

/// Flows by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTotals {
    /// Ever opened.
    pub opened: u64,
    /// Tracked now.
    pub open: u64,
    /// Unanswered ones pushed out of a full table.
    pub evicted_half_open: u64,
    /// Others pushed out of a full table.
    pub evicted_other: u64,
}

/// `stats`: the part Suricata has names for.
#[derive(Debug, Serialize)]
pub(super) struct EveStats {
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<EveCapture>,
    decoder: EveDecoder,
    flow: EveFlows,
    detect: EveDetect,
}

#[derive(Debug, Serialize)]
struct EveCapture {
    kernel_packets: u64,
    kernel_drops: u64,
    kernel_ifdrops: u64,
}

#[derive(Debug, Serialize)]
struct EveDecoder {
    pkts: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct EveFlows {
    total: u64,
    active: u64,
}

#[derive(Debug, Serialize)]
struct EveDetect {
    alert: u64,
    alerts_suppressed: u64,
}

impl EveStats {
    pub(super) fn new(stats: &Stats<'_>) -> Self {
        Self {
            capture: stats.loss.map(|loss| EveCapture {
                kernel_packets: loss.received,
                kernel_drops: loss.dropped_kernel,
                kernel_ifdrops: loss.dropped_interface,
            }),
            decoder: EveDecoder { pkts: stats.read, bytes: stats.bytes },
            flow: EveFlows { total: stats.flows.opened, active: stats.flows.open },
            detect: EveDetect { alert: stats.alerts, alerts_suppressed: stats.suppressed },
        }
    }
}

/// The `ghostport` object of stats records.
#[derive(Debug, Serialize)]
pub(super) struct GhostStats<'a> {
    packets: GhostPackets<'a>,
    bytes: u64,
    flows: GhostFlows,
    alerts: u64,
    alerted_flows: u64,
    rules: GhostRules,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<GhostCapture>,
    damaged: u64,
    lines_lost: u64,
}

#[derive(Debug, Serialize)]
struct GhostPackets<'a> {
    read: u64,
    decoded: u64,
    skipped: Reasons<'a>,
}

#[derive(Debug, Serialize)]
struct GhostFlows {
    opened: u64,
    closed: u64,
    open: u64,
    evicted_half_open: u64,
    evicted_other: u64,
}

#[derive(Debug, Serialize)]
struct GhostRules {
    suppressed: u64,
    expected: u64,
    held_back: u64,
    closed_early: u64,
}

#[derive(Debug, Serialize)]
struct GhostCapture {
    received: u64,
    dropped_kernel: u64,
    dropped_interface: u64,
}

/// Every reason with its count, zeros too: the sum can be checked, and the keys never change.
#[derive(Debug)]
struct Reasons<'a>(&'a Skips);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Skip::ALL.into_iter().map(|skip| (skip.name(), self.0.of(skip))))
    }
}

impl<'a> GhostStats<'a> {
    pub(super) fn new(stats: &Stats<'a>) -> Self {
        let flows = &stats.flows;
        Self {
            packets: GhostPackets {
                read: stats.read,
                decoded: stats.skips.decoded,
                skipped: Reasons(stats.skips),
            },
            bytes: stats.bytes,
            flows: GhostFlows {
                opened: flows.opened,
                closed: flows.opened.saturating_sub(flows.open),
                open: flows.open,
                evicted_half_open: flows.evicted_half_open,
                evicted_other: flows.evicted_other,
            },
            alerts: stats.alerts,
            alerted_flows: stats.alerted_flows,
            rules: GhostRules {
                suppressed: stats.suppressed,
                expected: stats.expected,
                held_back: stats.held_back,
                closed_early: stats.closed_early,
            },
            capture: stats.loss.map(|loss| GhostCapture {
                received: loss.received,
                dropped_kernel: loss.dropped_kernel,
                dropped_interface: loss.dropped_interface,
            }),
            damaged: stats.damaged,
            lines_lost: stats.lines_lost,
        }
    }

    /// The same numbers as `metadata.flowints`.
    pub(super) fn ints(&self) -> Ints {
        let mut ints = Ints::default();
        ints.add("packets_read", self.packets.read);
        ints.add("packets_decoded", self.packets.decoded);
        for skip in Skip::ALL {
            ints.add(&format!("packets_skipped_{}", skip.name()), self.packets.skipped.0.of(skip));
        }
        ints.add("bytes", self.bytes);
        ints.add("flows_opened", self.flows.opened);
        ints.add("flows_closed", self.flows.closed);
        ints.add("flows_open", self.flows.open);
        ints.add("flows_evicted_half_open", self.flows.evicted_half_open);
        ints.add("flows_evicted_other", self.flows.evicted_other);
        ints.add("alerts", self.alerts);
        ints.add("alerted_flows", self.alerted_flows);
        ints.add("rules_suppressed", self.rules.suppressed);
        ints.add("rules_expected", self.rules.expected);
        ints.add("rules_held_back", self.rules.held_back);
        ints.add("rules_closed_early", self.rules.closed_early);
        if let Some(capture) = &self.capture {
            ints.add("capture_received", capture.received);
            ints.add("capture_dropped_kernel", capture.dropped_kernel);
            ints.add("capture_dropped_interface", capture.dropped_interface);
        }
        ints.add("damaged", self.damaged);
        ints.add("lines_lost", self.lines_lost);
        ints
    }
}
