//! What is to be said, before a format is chosen, and what all formats say alike: when, in one sentence, why,
//! and under which identifier.
//!
//! The identifier is the same whenever the same record is written again, by a retry or by another replay of
//! the same packets, so a receiver that was sent a line twice can drop one. It is made of what the record
//! says about packets and of the sensor's name; two sensors that saw the same flow say two things.

use std::borrow::Cow;
use std::fmt::Write as _;

use arrayvec::ArrayString;
use sha2::{Digest, Sha256};

use super::clean::clean;
use super::{Context, SIGNATURE_BYTES_MAX, Stats};
use crate::bucket::PortBucket;
use crate::flow::Flow;
use crate::payload::App;
use crate::rules::{Alert, Severity};
use crate::time::Timestamp;
use crate::verdict::Verdict;

/// Appends one record as one line of a format; nothing when the format has no place for such a record.
pub type Write = fn(&mut Vec<u8>, &Context<'_>, &Record<'_>);

/// One thing to be said.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// An alert, on one flow or many.
    Alert(&'a Alert),
    /// A finished flow.
    Flow {
        /// What was made of it.
        verdict: &'a Verdict,
        /// True when it raised at least one alert.
        alerted: bool,
    },
    /// Everything about one port.
    Port {
        /// Its flows, added up.
        bucket: &'a PortBucket,
        /// See [`crate::bucket::Buckets::client_flows`].
        client_flows: u64,
    },
    /// How the run stands.
    Stats(&'a Stats<'a>),
}

impl<'a> Record<'a> {
    /// Name of its kind in output and on the command line.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Alert(_) => "alert",
            Self::Flow { .. } => "flow",
            Self::Port { .. } => "port",
            Self::Stats(_) => "stats",
        }
    }

    /// How severe it is, where that can be said.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        match self {
            Self::Alert(alert) => Some(alert.rule.severity),
            Self::Flow { .. } | Self::Port { .. } | Self::Stats(_) => None,
        }
    }

    /// The verdict of alerts and flow records.
    pub(super) fn verdict(&self) -> Option<&'a Verdict> {
        match *self {
            Self::Alert(alert) => Some(&alert.verdict),
            Self::Flow { verdict, .. } => Some(verdict),
            Self::Port { .. } | Self::Stats(_) => None,
        }
    }

    /// Time of its last packet; 1970 when there was none.
    pub(super) fn time(&self) -> Timestamp {
        match *self {
            Self::Alert(alert) => end(&alert.verdict.evidence.flow),
            Self::Flow { verdict, .. } => end(&verdict.evidence.flow),
            Self::Port { bucket, .. } => bucket.last,
            Self::Stats(stats) if stats.clock == Timestamp::MIN => Timestamp::default(),
            Self::Stats(stats) => stats.clock,
        }
    }

    /// What it says, in one line without control characters, at most [`SIGNATURE_BYTES_MAX`] bytes.
    pub(super) fn headline(&self) -> Cow<'a, str> {
        match *self {
            Self::Alert(alert) => clean(&alert.signature, SIGNATURE_BYTES_MAX),
            Self::Flow { verdict, .. } => {
                let flow = &verdict.evidence.flow;
                let app = verdict.evidence.app.app;
                let speaks = if app == App::Unknown { "" } else { app.spoken().name() };
                let gap = if speaks.is_empty() { "" } else { ", " };
                Cow::Owned(format!(
                    "{} to {}/{}: {}{gap}{speaks}, {}",
                    flow.originator,
                    flow.responder,
                    flow.transport.name(),
                    verdict.story.name(),
                    verdict.evidence.outcome.name(),
                ))
            }
            Self::Port { bucket, .. } => Cow::Owned(format!(
                "port {}/{}: {} flows, {} answered, {} findings",
                bucket.port,
                bucket.transport.name(),
                bucket.flows,
                bucket.answered(),
                bucket.findings
            )),
            Self::Stats(stats) => Cow::Owned(format!(
                "{} packets read, {} decoded; {} alerts about {} flows",
                stats.read, stats.skips.decoded, stats.alerts, stats.alerted_flows
            )),
        }
    }

    /// The identifier: 128 bits, hexadecimal.
    pub(super) fn id(&self, context: &Context<'_>) -> ArrayString<32> {
        let mut name = Name(Sha256::new());
        name.word(self.event_type()).word(context.host.unwrap_or_default());
        name.number(self.time().as_nanos().cast_unsigned());
        match *self {
            Self::Alert(alert) => {
                let (rule, aggregate) = (&alert.rule, &alert.aggregate);
                name.flow(&alert.verdict).word(aggregate.stage.name());
                name.number(u64::from(rule.sid)).number(u64::from(rule.severity as u8));
                name.number(aggregate.opened_by).number(aggregate.flows).number(aggregate.flows_total);
                name.number(aggregate.first.as_nanos().cast_unsigned());
                name.number(aggregate.last.as_nanos().cast_unsigned());
                name.word(alert.revised.map_or("", |revised| revised.from.name()));
            }
            Self::Flow { verdict, .. } => {
                name.flow(verdict);
            }
            Self::Port { bucket, .. } => {
                name.word(bucket.transport.name()).number(u64::from(bucket.port));
                name.number(bucket.flows).number(bucket.bytes()).number(bucket.findings);
                name.number(bucket.first.as_nanos().cast_unsigned());
            }
            Self::Stats(stats) => {
                let lost = stats.loss.map_or(0, |loss| loss.dropped_kernel + loss.dropped_interface);
                for count in [stats.read, stats.bytes, stats.flows.opened, stats.flows.open, stats.alerts] {
                    name.number(count);
                }
                name.number(stats.lines_lost).number(lost);
            }
        }
        name.finish()
    }
}

/// The facts that speak most for the story that is told, strongest first: `speaks=http; ...`. Empty when none
/// does.
pub(super) fn reasons(verdict: &Verdict) -> String {
    const REASONS_MAX: usize = 4;
    const VALUE_BYTES_MAX: usize = 64;
    let weighed = verdict.evidence.facts.iter().zip(&verdict.weights).filter_map(|(fact, row)| {
        let weight = row.iter().find(|(story, _)| *story == verdict.story)?.1;
        (weight > 0.0).then_some((fact, weight))
    });
    let mut weighed: Vec<_> = weighed.collect();
    weighed.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let mut text = String::new();
    for (fact, _) in weighed.into_iter().take(REASONS_MAX) {
        let gap = if text.is_empty() { "" } else { "; " };
        // Writing to memory does not fail.
        let _ = write!(text, "{gap}{}={}", fact.name(), clean(&fact.value(), VALUE_BYTES_MAX));
    }
    text
}

/// A record never bears a time before its flow's start, whatever order the capture's time stamps have.
pub(super) fn end(flow: &Flow) -> Timestamp {
    flow.end.max(flow.start)
}

/// An identifier in the making. Words end with a zero byte and numbers have eight, so no two records run
/// together to the same bytes.
struct Name(Sha256);

impl Name {
    fn word(&mut self, word: &str) -> &mut Self {
        self.0.update(word);
        self.0.update([0]);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(number.to_le_bytes());
        self
    }

    fn flow(&mut self, verdict: &Verdict) -> &mut Self {
        let flow = &verdict.evidence.flow;
        self.number(flow.id).number(flow.transport as u64).number(flow.start.as_nanos().cast_unsigned());
        for side in [flow.orig, flow.resp] {
            self.number(side.packets).number(side.bytes);
        }
        self.word(verdict.story.name()).word(flow.history.as_str())
    }

    fn finish(self) -> ArrayString<32> {
        let mut text = ArrayString::new();
        for byte in self.0.finalize().into_iter().take(16) {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
        }
        text
    }
}
