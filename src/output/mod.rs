//! Verdicts and alerts → the serialised twin and its lines, and the table on a terminal. The only room that
//! knows JSON.
//!
//! An [`Event`] is a copy of what is to be said, with the names that the outside knows; renaming a field
//! inside never breaks a reader. The lines are Suricata-EVE shaped so that existing pipelines take them
//! unchanged; [`event`] says field by field what they hold, and [`schema()`] says it as a JSON Schema. Its
//! siblings say the same [`Record`]s in other receivers' words, a file each: [`ecs`] (Elastic), [`ocsf`],
//! [`hec`] (Splunk), [`syslog`] (RFC 5424), [`cef`]. Every one is a function of the type [`Write`].
//!
//! Invariants: nothing here decides anything; every line of a JSON format is one object below
//! [`LINE_BYTES_MAX`] (EVE: `timestamp` first), one of the others has at most [`COMPACT_BYTES_MAX`] bytes, a
//! newline at its end included; no control or direction-changing character from the wire, a
//! claim or a process reaches a line or a terminal as such; the same input gives the same bytes.

mod again;
mod attack;
mod briefing;
pub mod cef;
mod clean;
mod compact;
mod dossier;
pub mod ecs;
mod eight;
pub mod eve;
pub mod event;
mod findings;
mod flat;
mod ghost;
pub mod hec;
mod json;
mod line;
mod lists;
pub mod ocsf;
mod place;
mod record;
pub mod say;
mod schema;
mod sighting;
mod stats;
pub mod syslog;
mod table;
mod why;

pub use briefing::{Briefing, brief, in_short};
pub use clean::clean;
pub use compact::Key;
pub use dossier::{dossier_json, listed_json, listed_text};
pub use event::Event;
pub use findings::Findings;
pub use lists::{ListenerRow, facts_json, facts_text, rule_json};
pub use record::{Record, Write};
pub use say::print;
pub use schema::schema;
pub use sighting::sighting;
pub use stats::{FlowTotals, Stats, counters};
pub use table::{Look, finding, render};
pub use why::{Asked, explain_flow, explain_line};

use crate::flow::Flow;
use crate::rules::Internal;
use clean::Text;
use ghost::Room;

/// Every line is shorter than this, newline included: Splunk cuts at 10,000 bytes.
pub const LINE_BYTES_MAX: usize = 10_000;

/// Lines of [`syslog`] and [`cef`] have at most this many bytes, newline included: receivers of datagrams cut
/// there (RFC 5426 section 3.2 asks them for 480 and would like 2,048; 1,024 is what many have).
pub const COMPACT_BYTES_MAX: usize = 1024;

/// Longest name of an input and of a sensor, in bytes before a format escapes them.
const FILE_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 255;
/// Longest text of a rule.
const SIGNATURE_BYTES_MAX: usize = 512;
/// Techniques of a rule that are written, and bytes of each (a rule file has none longer than `T1021.004`).
const TECHNIQUES_MAX: usize = 16;
const TECHNIQUE_BYTES_MAX: usize = 16;

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
    /// The networks that are ours, for formats that say which way a flow goes.
    pub internal: &'a Internal,
}

impl<'a> Context<'a> {
    /// The input that a flow was first seen on.
    fn input(&self, flow: &Flow) -> Option<&'a str> {
        self.inputs.get(usize::from(flow.input)).map(String::as_str)
    }

    /// The interface and the capture file of a flow: one of the two, or none.
    fn origin(&self, flow: &Flow, room: Room) -> (Option<Text<'a>>, Option<Text<'a>>) {
        let input = self.input(flow).map(|name| Text::cut(name, room.file_max));
        if self.live { (input, None) } else { (None, input) }
    }

    fn sensor(&self) -> Option<Text<'a>> {
        self.host.map(|name| Text::cut(name, NAME_BYTES_MAX))
    }
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

#[cfg(test)]
mod tests;
