//! Verdicts and alerts → the serialised twin and its lines, and the table on a terminal. The only room that
//! knows JSON.
//!
//! An [`Event`] is a copy of what is to be said, with the names that the outside knows; renaming a field
//! inside never breaks a reader. The lines are Suricata-EVE shaped so that existing pipelines take them
//! unchanged; [`event`] says field by field what they hold, and [`schema`] says it as a JSON Schema.
//!
//! Invariants: nothing here decides anything; every line is one JSON object below [`LINE_BYTES_MAX`] with
//! `timestamp` first and a newline at its end; no control or direction-changing character from the wire, a
//! claim or a process reaches a line or a terminal as such; the same input gives the same bytes.

mod briefing;
mod clean;
mod dossier;
mod eve;
pub mod event;
mod findings;
mod flat;
mod ghost;
mod lists;
mod place;
pub mod say;
mod sighting;
mod stats;
mod table;
mod why;

pub use briefing::{Briefing, brief, in_short};
pub use clean::clean;
pub use dossier::{dossier_json, listed_json, listed_text};
pub use eve::{write_alert, write_flow, write_port, write_stats};
pub use event::Event;
pub use findings::Findings;
pub use lists::{ListenerRow, facts_json, facts_text, rule_json};
pub use say::print;
pub use sighting::sighting;
pub use stats::{FlowTotals, Stats, counters};
pub use table::{Look, finding, render};
pub use why::{Asked, explain_flow, explain_line};

/// Every line is shorter than this, newline included: Splunk cuts at 10,000 bytes.
pub const LINE_BYTES_MAX: usize = 10_000;

/// What does not change from line to line.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Names of the inputs, indexed by [`crate::flow::Flow::input`].
    pub inputs: &'a [String],
    /// True when they are interfaces, false when they are capture files.
    pub live: bool,
    /// The sensor's name, when given.
    pub host: Option<&'a str>,
    /// Where our own data stands.
    pub extra: ExtraPlacement,
}

/// Where data stands that Suricata's EVE has no place for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtraPlacement {
    /// Under one key of its own, `ghostport`: typed and complete. Suricata's published schema forbids unknown
    /// keys, and readers do not mind them.
    #[default]
    TopLevel,
    /// Where Suricata's published schema (7.0, 8.0) leaves room: alerts in `alert.metadata` as arrays of
    /// strings, flow and port records as strings in `metadata.flowbits`, counters in `metadata.flowints`.
    Metadata,
}

/// The JSON Schema of a format's lines, by the format's name: `eve`. The catalogue of facts is written into
/// it: each name, what it means and how to check it.
#[must_use]
pub fn schema(format: &str) -> Option<String> {
    const PLACE: &str = "\"the catalogue of facts\"";
    (format == "eve").then(|| include_str!("eve.schema.json").replace(PLACE, &lists::facts_schema()))
}

#[cfg(test)]
mod tests;
