//! `ArcSight`'s Common Event Format, version 0, at most [`COMPACT_BYTES_MAX`] bytes with the newline at the
//! end. Every kind of record is carried. Whoever sends it over syslog puts a syslog header before it.
//!
//! ```text
//! CEF:0|ghostport|ghostport|0.1.0|1000001|http on dormant port 3007/tcp|7|rt=1700000000003 externalId=…
//! ```
//!
//! The header's last three: signature id (the rule's number, or `flow` `port` `stats`), name (the signature,
//! or the record in one sentence, at most 200 bytes) and severity (9, 7, 4 or 2 for alerts of severity 1 to
//! 4, 1 for the rest). `\` and `|` in it have a `\` before them; in the extension `\` and `=`.
//!
//! Keys are written in the order of [`KEYS`]; one without a value is left out, and where the bound is reached
//! the rest is left out. Those marked required always fit. Times are milliseconds since 1970. CEF gives an
//! IPv6 address a key of its own with a label beside it.

use std::fmt::Write as _;

use super::clean::clean;
use super::compact::{Dialect, Escaped, Keys};
use super::ghost::{registered, short};
use super::line::Millis;
use super::record::{self, reasons};
use super::stats::Stats;
use super::syslog::list;
use super::{COMPACT_BYTES_MAX, Context, Key, NAME_BYTES_MAX, Record};
use crate::bucket::PortBucket;
use crate::payload::App;
use crate::rules::{Alert, Severity, Way};
use crate::verdict::Verdict;
use std::net::IpAddr;

/// Bytes of the header's name before escapes, and of a value that strangers chose.
const HEADLINE_BYTES_MAX: usize = 200;
const VALUE_BYTES_MAX: usize = 96;

/// The keys. What a numbered one is begins with a word, which stands under the key's name with `Label` behind
/// it; where records differ in that word, all are named.
pub const KEYS: [Key; 41] = [
    ("rt", "packet time, as EVE's timestamp", "afps", true),
    ("externalId", "128 bits, hexadecimal: the same whenever the same record is written again", "afps", true),
    ("src", "the originator's IPv4 address", "af", false),
    ("c6a2", "Source IPv6 Address: the originator's", "af", false),
    ("dst", "the responder's IPv4 address", "af", false),
    ("c6a3", "Destination IPv6 Address: the responder's", "af", false),
    ("spt", "the originator's port", "af", true),
    ("dpt", "the responder's port, which the line is about", "afp", true),
    ("proto", "TCP, UDP or SCTP", "afp", true),
    ("act", "allowed: ghostport only watches", "a", true),
    ("cs1", "story: the verdict's story", "af", true),
    ("cfp1", "probability: of the story, 0 to 1", "af", true),
    ("dvchost", "the sensor's name", "afps", false),
    ("cs2", "portStatus: status of the responder's port", "afp", false),
    ("cs3", "registered: its registered name", "afp", false),
    ("app", "the protocol that was recognised", "af", false),
    ("outcome", "how the flow went", "af", false),
    ("deviceDirection", "0 into the networks that are ours, 1 out of them; neither is absent", "af", false),
    ("cnt", "flows: since the aggregate's line before (absent when none); of the port", "ap", false),
    ("cs4", "aggregate: its identifier", "a", false),
    ("flexString1", "stage: first, update or closing line of the aggregate", "a", false),
    ("cn1", "total: flows of the aggregate so far; answered: flows of the port; packetsRead", "aps", false),
    ("cs5", "rule: the rule's stable name", "a", false),
    ("cat", "the rule's category", "a", false),
    ("flexString2", "techniques: of MITRE ATT&CK, separated by commas", "a", false),
    ("cs6", "communityId: Community ID", "af", false),
    ("cn2", "originators: distinct ones; packetsDecoded", "aps", false),
    ("cn3", "responders: distinct ones; alerts: alert lines", "aps", false),
    ("start", "time of the first packet: of the flow, of the aggregate, of the port", "afp", false),
    ("end", "time of the last packet of the same", "afp", false),
    ("out", "bytes of whole frames, originator to responder", "afp", false),
    ("in", "bytes of whole frames, responder to originator", "afp", false),
    ("dproc", "name of the local process that listens", "af", false),
    ("dpid", "its number", "af", false),
    ("duser", "whose it is", "af", false),
    ("reason", "the facts that speak most for the story", "af", false),
    ("deviceInboundInterface", "the interface", "af", false),
    ("fname", "the capture file", "af", false),
    ("msg", "what an analyst does next", "af", false),
    ("flexNumber1", "findings: of the port; linesLost: that an output did not take", "ps", false),
    (
        "flexNumber2",
        "clientFlows: with the number as their originator's port; alertedFlows: that alerts stand for",
        "ps",
        false,
    ),
];

/// Appends a record as a CEF line.
pub fn write(line: &mut Vec<u8>, context: &Context<'_>, record: &Record<'_>) {
    let end = line.len() + COMPACT_BYTES_MAX - 1;
    line.extend_from_slice(concat!("CEF:0|ghostport|ghostport|", env!("CARGO_PKG_VERSION"), "|").as_bytes());
    let headline = record.headline();
    let name = clean(&headline, HEADLINE_BYTES_MAX);
    // Writing to memory does not fail.
    let _ = match record {
        Record::Alert(alert) => write!(Escaped { line, special: b"" }, "{}|", alert.rule.sid),
        _ => write!(Escaped { line, special: b"" }, "{}|", record.event_type()),
    };
    let _ = write!(Escaped { line, special: b"\\|" }, "{name}");
    let _ = write!(Escaped { line, special: b"" }, "|{}|rt={}", severity(record), Millis::new(record.time()));
    let mut keys = Keys::new(line, end, Dialect::Extension);
    keys.add("externalId", record.id(context));
    match *record {
        Record::Alert(alert) => add_flow(&mut keys, context, &alert.verdict, Some(alert)),
        Record::Flow { verdict, .. } => add_flow(&mut keys, context, verdict, None),
        Record::Port { bucket, client_flows } => add_port(&mut keys, context, bucket, client_flows),
        Record::Stats(stats) => add_stats(&mut keys, context, stats),
    }
    line.push(b'\n');
}

/// 0 to 10, 10 the worst.
fn severity(record: &Record<'_>) -> u8 {
    let Record::Alert(alert) = record else { return 1 };
    match alert.rule.severity {
        Severity::High => 9,
        Severity::Medium => 7,
        Severity::Low => 4,
        Severity::Informational => 2,
    }
}

fn add_flow(keys: &mut Keys<'_>, context: &Context<'_>, verdict: &Verdict, alert: Option<&Alert>) {
    let evidence = &verdict.evidence;
    let flow = &*evidence.flow;
    let (from, to) = (flow.originator, flow.responder);
    let app = evidence.app.app;
    add_address(keys, from.addr, ("src", "c6a2", "Source IPv6 Address"));
    add_address(keys, to.addr, ("dst", "c6a3", "Destination IPv6 Address"));
    keys.add("spt", from.port).add("dpt", to.port).add("proto", flow.transport.eve_name());
    keys.add_some("act", alert.map(|_| "allowed")).add_labelled("cs1", "story", verdict.story.name());
    keys.add_labelled("cfp1", "probability", short(verdict.probability));
    add_sensor(keys, context);
    keys.add_labelled("cs2", "portStatus", evidence.status.name());
    if let Some(name) = registered(&evidence.claims) {
        keys.add_labelled("cs3", "registered", clean(name, VALUE_BYTES_MAX));
    }
    keys.add_some("app", (app != App::Unknown).then(|| app.spoken().name()));
    keys.add("outcome", evidence.outcome.name());
    keys.add_some("deviceDirection", direction(context.internal.way(flow)));
    if let Some(alert) = alert {
        add_aggregate(keys, alert);
    }
    keys.add_labelled("cs6", "communityId", flow.community_id());
    if let Some(alert) = alert {
        keys.add_labelled("cn2", "originators", alert.aggregate.originators);
        keys.add_labelled("cn3", "responders", alert.aggregate.responders);
    }
    let span = alert.map_or((flow.start, record::end(flow)), |a| (a.aggregate.first, a.aggregate.last));
    keys.add("start", Millis::new(span.0)).add("end", Millis::new(span.1));
    keys.add("out", flow.orig.bytes).add("in", flow.resp.bytes);
    if let Some(process) = evidence.process() {
        keys.add("dproc", clean(&process.name, VALUE_BYTES_MAX)).add("dpid", process.pid);
        keys.add_some("duser", process.user.as_deref().map(|user| clean(user, VALUE_BYTES_MAX)));
    }
    keys.add_some("reason", Some(reasons(verdict)).filter(|why| !why.is_empty()));
    let input = if context.live { "deviceInboundInterface" } else { "fname" };
    keys.add_some(input, context.input(flow).map(|name| clean(name, NAME_BYTES_MAX)));
    keys.add_some("msg", Some(verdict.next_step()).filter(|step| !step.is_empty()));
}

/// CEF knows two ways.
const fn direction(way: Way) -> Option<u8> {
    match way {
        Way::Inbound => Some(0),
        Way::Outbound => Some(1),
        Way::Internal | Way::External => None,
    }
}

fn add_aggregate(keys: &mut Keys<'_>, alert: &Alert) {
    let (rule, aggregate) = (&alert.rule, &alert.aggregate);
    keys.add_some("cnt", Some(aggregate.flows).filter(|&flows| flows > 0));
    keys.add_labelled("cs4", "aggregate", super::ghost::AggregateId::new(alert));
    keys.add_labelled("flexString1", "stage", aggregate.stage.name());
    keys.add_labelled("cn1", "total", aggregate.flows_total);
    keys.add_labelled("cs5", "rule", clean(&rule.id, VALUE_BYTES_MAX));
    keys.add("cat", clean(&rule.category, VALUE_BYTES_MAX));
    if let Some(techniques) = list(&rule.techniques) {
        keys.add_labelled("flexString2", "techniques", techniques);
    }
}

fn add_port(keys: &mut Keys<'_>, context: &Context<'_>, bucket: &PortBucket, client_flows: u64) {
    keys.add("dpt", bucket.port).add("proto", bucket.transport.eve_name());
    add_sensor(keys, context);
    keys.add_labelled("cs2", "portStatus", bucket.status.name());
    if let Some(name) = &bucket.registered {
        keys.add_labelled("cs3", "registered", clean(name, VALUE_BYTES_MAX));
    }
    keys.add("cnt", bucket.flows).add_labelled("cn1", "answered", bucket.answered());
    keys.add_labelled("cn2", "originators", bucket.originators.count());
    keys.add_labelled("cn3", "responders", bucket.responders.count());
    keys.add("start", Millis::new(bucket.first)).add("end", Millis::new(bucket.last));
    keys.add("out", bucket.bytes_to_responder).add("in", bucket.bytes_to_originator);
    keys.add_labelled("flexNumber1", "findings", bucket.findings);
    keys.add_labelled("flexNumber2", "clientFlows", client_flows);
}

fn add_stats(keys: &mut Keys<'_>, context: &Context<'_>, stats: &Stats<'_>) {
    add_sensor(keys, context);
    keys.add_labelled("cn1", "packetsRead", stats.read);
    keys.add_labelled("cn2", "packetsDecoded", stats.skips.decoded);
    keys.add_labelled("cn3", "alerts", stats.alerts);
    keys.add_labelled("flexNumber1", "linesLost", stats.lines_lost);
    keys.add_labelled("flexNumber2", "alertedFlows", stats.alerted_flows);
}

fn add_sensor(keys: &mut Keys<'_>, context: &Context<'_>) {
    keys.add_some("dvchost", context.sensor().map(|name| name.cleaned()));
}

fn add_address(keys: &mut Keys<'_>, addr: IpAddr, (v4, v6, label): (&str, &str, &str)) {
    match addr {
        IpAddr::V4(addr) => keys.add(v4, addr),
        IpAddr::V6(addr) => keys.add_labelled(v6, label, addr),
    };
}
