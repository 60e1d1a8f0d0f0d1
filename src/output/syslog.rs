//! RFC 5424 messages with structured data, at most [`COMPACT_BYTES_MAX`] bytes with the newline at the end.
//! Every kind of record is carried.
//!
//! ```text
//! <132>1 2023-11-14T22:13:20.003000Z sensor1 ghostport - ALERT [ghostport@32473 id="…" sid="1000001"] MSG
//! ```
//!
//! PRI: facility local0 (16), severity 2, 3, 4 or 5 for alerts of severity 1 to 4, and 6 for the rest.
//! TIMESTAMP: packet time, as EVE's `timestamp`. HOSTNAME: the sensor's name, with `_` for what may not stand
//! there, or `-`. PROCID: `-`, so that the same packets give the same bytes. MSGID: `ALERT` `FLOW` `PORT`
//! `STATS`. MSG: the signature, or the record in one sentence, at most 200 bytes; a byte order mark before it
//! when it is not ASCII. The number in the name of the element is the one that RFC 5612 sets aside for
//! documentation: ghostport has none of its own.
//!
//! Parameters are written in the order of [`KEYS`]; one without a value is left out, and where the bound is
//! reached the rest is left out. Those marked required always fit.

use std::borrow::Cow;
use std::fmt::Display;

use super::clean::clean;
use super::compact::{Dialect, Keys};
use super::ghost::{registered, short};
use super::record::reasons;
use super::stats::Stats;
use super::{COMPACT_BYTES_MAX, Context, Key, NAME_BYTES_MAX, Record};
use crate::bucket::PortBucket;
use crate::payload::App;
use crate::registry::Tags;
use crate::rules::Alert;
use crate::verdict::Verdict;

/// Bytes of the sentence after the parameters, and of a parameter that strangers chose.
const MESSAGE_BYTES_MAX: usize = 200;
const VALUE_BYTES_MAX: usize = 96;

/// The parameters.
pub const KEYS: [Key; 59] = [
    ("id", "128 bits, hexadecimal: the same whenever the same record is written again", "afps", true),
    ("sid", "the rule's number", "a", true),
    ("story", "the verdict's story", "af", true),
    ("p", "its probability, 0 to 1", "af", true),
    ("src", "the originator's address", "af", true),
    ("spt", "the originator's port", "af", true),
    ("dst", "the responder's address", "af", true),
    ("dpt", "the responder's port, which the message is about", "afp", true),
    ("proto", "TCP, UDP or SCTP", "afp", true),
    ("status", "status of the responder's port", "afp", false),
    ("registered", "its registered name", "afp", false),
    ("app", "the protocol that was recognised", "af", false),
    ("outcome", "how the flow went", "af", false),
    ("way", "inbound, outbound, internal or external, seen from the networks that are ours", "af", false),
    ("stage", "first, update or closing line of the aggregate", "a", false),
    ("flows", "flows: since the aggregate's line before; of the port; of the run", "aps", false),
    ("total", "flows of the aggregate so far", "a", false),
    ("agg", "the aggregate's identifier", "a", false),
    ("rule", "the rule's stable name", "a", false),
    ("flow", "flow_id of EVE", "af", false),
    ("cid", "Community ID", "af", false),
    ("technique", "MITRE ATT&CK techniques, separated by commas", "a", false),
    ("category", "the rule's category", "a", false),
    ("revised", "the story that the flow was alerted as before", "a", false),
    ("originators", "distinct originators", "ap", false),
    ("responders", "distinct responders", "ap", false),
    ("ports", "distinct responder's ports", "a", false),
    ("tags", "remembered, suspicious; separated by commas", "afp", false),
    ("state", "Zeek's conn_state", "af", false),
    ("history", "Zeek's history", "af", false),
    ("pkts_out", "packets, originator to responder", "afp", false),
    ("pkts_in", "packets, responder to originator", "afp", false),
    ("bytes_out", "bytes of whole frames, originator to responder", "afp", false),
    ("bytes_in", "bytes of whole frames, responder to originator", "afp", false),
    ("answered", "flows that were answered", "p", false),
    ("findings", "findings", "p", false),
    ("clients", "flows that had the number as their originator's port", "p", false),
    ("start", "time of the first packet: of the flow, of the aggregate, of the port", "afp", false),
    ("vlan", "VLAN identifiers, outermost first, separated by commas", "af", false),
    ("process", "name of the local process that listens", "af", false),
    ("pid", "its number", "af", false),
    ("sni", "the server name that a TLS client asks for", "af", false),
    ("ja4", "the client's JA4 fingerprint", "af", false),
    ("why", "the facts that speak most for the story", "af", false),
    ("input", "the interface or capture file", "af", false),
    ("read", "packets read", "s", false),
    ("decoded", "packets decoded", "s", false),
    ("skipped", "packets skipped", "s", false),
    ("bytes", "bytes of packets read", "s", false),
    ("open", "flows tracked now", "s", false),
    ("alerts", "alert lines", "s", false),
    ("alerted", "flows that one of them stands for", "s", false),
    ("suppressed", "findings silenced", "s", false),
    ("expected", "findings explained", "s", false),
    ("held_back", "findings below a threshold", "s", false),
    ("damaged", "damaged places in the inputs", "s", false),
    ("lines_lost", "lines that an output did not take", "s", false),
    ("dropped_kernel", "packets dropped by the kernel", "s", false),
    ("dropped_interface", "packets dropped by the interface", "s", false),
];

/// Appends a record as an RFC 5424 message.
pub fn write(line: &mut Vec<u8>, context: &Context<'_>, record: &Record<'_>) {
    let start = line.len();
    let headline = record.headline();
    let message = clean(&headline, MESSAGE_BYTES_MAX);
    let mark = if message.is_ascii() { "" } else { "\u{feff}" };
    let head = format!(
        "<{}>1 {} {} ghostport - {} [ghostport@32473",
        priority(record),
        record.time().rfc3339(),
        host(context),
        record.event_type().to_ascii_uppercase(),
    );
    line.extend_from_slice(head.as_bytes());
    let tail = format!("] {mark}{message}\n");
    let mut keys = Keys::new(line, start + COMPACT_BYTES_MAX - tail.len(), Dialect::StructuredData);
    keys.add("id", record.id(context));
    match *record {
        Record::Alert(alert) => {
            keys.add("sid", alert.rule.sid);
            add_flow(&mut keys, context, &alert.verdict, Some(alert));
        }
        Record::Flow { verdict, .. } => add_flow(&mut keys, context, verdict, None),
        Record::Port { bucket, client_flows } => add_port(&mut keys, bucket, client_flows),
        Record::Stats(stats) => add_stats(&mut keys, stats),
    }
    line.extend_from_slice(tail.as_bytes());
}

fn add_flow(keys: &mut Keys<'_>, context: &Context<'_>, verdict: &Verdict, alert: Option<&Alert>) {
    let evidence = &verdict.evidence;
    let flow = &*evidence.flow;
    let (from, to) = (flow.originator, flow.responder);
    let app = evidence.app.app;
    keys.add("story", verdict.story.name()).add("p", short(verdict.probability));
    keys.add("src", from.addr).add("spt", from.port).add("dst", to.addr).add("dpt", to.port);
    keys.add("proto", flow.transport.eve_name()).add("status", evidence.status.name());
    keys.add_some("registered", registered(&evidence.claims).map(value));
    keys.add_some("app", (app != App::Unknown).then(|| app.spoken().name()));
    keys.add("outcome", evidence.outcome.name()).add("way", context.internal.way(flow).name());
    if let Some(alert) = alert {
        let aggregate = &alert.aggregate;
        keys.add("stage", aggregate.stage.name()).add("flows", aggregate.flows);
        keys.add("total", aggregate.flows_total).add("agg", super::ghost::AggregateId::new(alert));
        keys.add("rule", value(&alert.rule.id));
    }
    keys.add("flow", flow.id).add("cid", flow.community_id());
    if let Some(alert) = alert {
        let aggregate = &alert.aggregate;
        keys.add_some("technique", list(&alert.rule.techniques)).add("category", value(&alert.rule.category));
        keys.add_some("revised", alert.revised.map(|revised| revised.from.name()));
        keys.add("originators", aggregate.originators).add("responders", aggregate.responders);
        keys.add("ports", aggregate.ports);
    }
    keys.add_some("tags", tags(evidence.tags)).add("state", flow.conn_state.name());
    keys.add_some("history", Some(flow.history.as_str()).filter(|letters| !letters.is_empty()));
    keys.add("pkts_out", flow.orig.packets).add("pkts_in", flow.resp.packets);
    keys.add("bytes_out", flow.orig.bytes).add("bytes_in", flow.resp.bytes);
    let first = alert.map_or(flow.start, |alert| alert.aggregate.first);
    keys.add("start", first.rfc3339()).add_some("vlan", list(flow.vlan.ids()));
    if let Some(process) = evidence.process() {
        keys.add("process", value(&process.name)).add("pid", process.pid);
    }
    let details = evidence.details.as_deref();
    keys.add_some("sni", details.and_then(|details| details.sni.as_deref()).map(value));
    keys.add_some("ja4", details.and_then(|details| details.ja4.as_deref()).map(value));
    keys.add_some("why", Some(reasons(verdict)).filter(|why| !why.is_empty()));
    keys.add_some("input", context.input(flow).map(|name| clean(name, NAME_BYTES_MAX)));
}

fn add_port(keys: &mut Keys<'_>, bucket: &PortBucket, client_flows: u64) {
    keys.add("dpt", bucket.port).add("proto", bucket.transport.eve_name());
    keys.add("status", bucket.status.name()).add_some("registered", bucket.registered.as_deref().map(value));
    keys.add("flows", bucket.flows).add("originators", bucket.originators.count());
    keys.add("responders", bucket.responders.count()).add_some("tags", tags(bucket.tags));
    keys.add("pkts_out", bucket.packets_to_responder).add("pkts_in", bucket.packets_to_originator);
    keys.add("bytes_out", bucket.bytes_to_responder).add("bytes_in", bucket.bytes_to_originator);
    keys.add("answered", bucket.answered()).add("findings", bucket.findings).add("clients", client_flows);
    keys.add("start", bucket.first.rfc3339());
}

fn add_stats(keys: &mut Keys<'_>, stats: &Stats<'_>) {
    keys.add("flows", stats.flows.opened).add("read", stats.read).add("decoded", stats.skips.decoded);
    keys.add("skipped", stats.skips.total()).add("bytes", stats.bytes).add("open", stats.flows.open);
    keys.add("alerts", stats.alerts).add("alerted", stats.alerted_flows);
    keys.add("suppressed", stats.suppressed).add("expected", stats.expected);
    keys.add("held_back", stats.held_back).add("damaged", stats.damaged).add("lines_lost", stats.lines_lost);
    if let Some(loss) = stats.loss {
        keys.add("dropped_kernel", loss.dropped_kernel).add("dropped_interface", loss.dropped_interface);
    }
}

/// Facility and severity (RFC 5424 section 6.2.1).
fn priority(record: &Record<'_>) -> u8 {
    const LOCAL0: u8 = 16 * 8;
    const INFORMATIONAL: u8 = 6;
    match record {
        Record::Alert(alert) => LOCAL0 + 1 + alert.rule.severity as u8,
        _ => LOCAL0 + INFORMATIONAL,
    }
}

/// HOSTNAME: printable ASCII without blanks (RFC 5424 section 6), at most 255 bytes.
fn host(context: &Context<'_>) -> String {
    let name = context.host.filter(|name| !name.is_empty()).unwrap_or("-");
    let plain = |letter: char| if letter.is_ascii_graphic() { letter } else { '_' };
    name.chars().map(plain).take(NAME_BYTES_MAX).collect()
}

/// A stranger's word.
fn value(text: &str) -> Cow<'_, str> {
    clean(text, VALUE_BYTES_MAX)
}

fn tags(tags: Tags) -> Option<String> {
    let names: Vec<_> = tags.names().collect();
    list(&names)
}

/// Separated by commas; `None` when there are none.
pub(super) fn list<T: Display>(values: &[T]) -> Option<String> {
    const VALUES_MAX: usize = 16;
    let words: Vec<String> = values.iter().take(VALUES_MAX).map(T::to_string).collect();
    (!words.is_empty()).then(|| clean(&words.join(","), VALUE_BYTES_MAX).into_owned())
}
