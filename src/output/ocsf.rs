//! Lines in the Open Cybersecurity Schema Framework 1.5, with only such attributes as 1.3 and 1.8 have too.
//! Alerts are Detection Findings (class 2004), flow records are Network Activity (class 4001). Port and stats
//! records are sums over many events, for which OCSF has no class: they are not written.
//!
//! Times are packet times in milliseconds since 1970. A key without a value is absent. Captions (`*_name`,
//! `severity`, `status`) stand beside their numbers.
//!
//! `time` alone has a floor, 2001-09-09T01:46:41Z, when milliseconds have thirteen digits: receivers tell
//! seconds, milliseconds and microseconds apart by the number of digits, and file what has fewer far from
//! where it belongs. Captures older than that, or with a clock that was never set, have the packets' time in
//! `metadata.original_time` (`1999-03-11T13:45:01.000000Z`; absent otherwise), and in `start_time` and
//! `end_time` as always.
//!
//! # Both
//! `class_uid` `class_name` `category_uid` `category_name` `activity_id` `activity_name` `type_uid`
//! (100 × class + activity) `type_name`; `time` (as EVE's `timestamp`) `start_time` `end_time`;
//! `severity_id` (alerts: EVE's 1 to 4 are High 4, Medium 3, Low 2, Informational 1; flows: 1) `severity`;
//! `message` (the signature, or the flow in one sentence); `metadata{version "1.5.0", product{name,
//! vendor_name, version}, uid (see [`Record`]), correlation_uid (Community ID), log_name (`alert`, `flow`),
//! event_code (the rule's number, alerts only), original_time}`; `unmapped{in_iface | pcap_filename,
//! pcap_cnt, host}` as in EVE lines, and in flow records `ghostport`.
//!
//! Ends are `{ip, port, vlan_uid (the outer tag), svc_name (responder: the port's registered name)}`.
//! `connection_info` is `{uid (flow_id), protocol_num, protocol_name, protocol_ver_id (4, 6), tcp_flags (all
//! bits of both sides), direction_id, direction}`. The direction is that of [`Internal::way()`]: 1 Inbound, 2
//! Outbound, 3 Lateral (both ends are ours), 99 External (neither is; OCSF has no number for that).
//!
//! [`Internal::way()`]: crate::rules::Internal::way
//!
//! # Detection Finding
//! `activity_id`: 1 Create, 2 Update, 3 Close, by the aggregate's `first`, `update`, `closing`. `status_id` 1
//! (New) with Create only: what became of a finding since is for those who work on it. `confidence_score`
//! (0-100, the story's probability), `confidence_id` (3 from 80 on, 2 from 50 on, else 1) `confidence`.
//! `count`: flows since the line before, absent when none. `start_time`, `end_time`: of the aggregate.
//!
//! `finding_info{uid (ghostport.aggregate.id: the same in Create, Update and Close), title, desc (the facts
//! that speak most for the story), types[] (the rule's category), first_seen_time, last_seen_time,
//! analytic{uid (the rule's number), name (its stable name), type_id 1, type, version, category},
//! attacks[{tactic{uid, name}, technique{uid}, sub_technique{uid}, version (of ATT&CK)}]}` (a technique that
//! serves several tactics once for each, at most 16 in all); `evidences[0]{src_endpoint, dst_endpoint,
//! connection_info, process{pid, name}, data{ghostport}}`: the latest flow; `observables`: both addresses
//! (type 2) and the responder's port (type 11).
//!
//! # Network Activity
//! `activity_id`: 5 Refuse (`refused`), 4 Fail (`unanswered`), 3 Reset (`reset`), 2 Close (TCP that was
//! opened and closed by both sides), else 6 Traffic. `status_id`: 1 Success, 2 Failure, 0 Unknown; did the
//! responder take the flow; `status_detail`: the outcome's name. `src_endpoint` `dst_endpoint`
//! `connection_info`; `traffic{bytes, bytes_out, bytes_in, packets, packets_out, packets_in}` (out:
//! originator → responder); `app_name` (absent when nothing was recognised); `duration` (ms).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::attack::{Attack, attacks};
use super::clean::Text;
use super::ghost::{AggregateId, GhostFlow, Room, registered};
use super::line::{Digits, Ip, Millis, Rfc3339, write_json, write_within};
use super::record::{self, reasons};
use super::{Context, NAME_BYTES_MAX, Record};
use crate::evidence::Evidence;
use crate::flow::{Flow, Outcome, State};
use crate::rules::{Alert, Severity, Stage, Way};
use crate::time::Timestamp;
use crate::verdict::Verdict;
use crate::wire::{Endpoint, Transport};

/// Appends an alert or a flow record as an OCSF line; nothing for the others.
pub fn write(line: &mut Vec<u8>, context: &Context<'_>, record: &Record<'_>) {
    let Some(verdict) = record.verdict() else { return };
    let flow = &*verdict.evidence.flow;
    let words = Words {
        uid: &record.id(context),
        message: &record.headline(),
        next_step: &verdict.next_step(),
        community_id: &flow.community_id(),
        desc: &reasons(verdict),
    };
    write_within(line, |line, room| match *record {
        Record::Alert(alert) => write_json(line, &finding(context, alert, &words, room)),
        _ => write_json(line, &activity(context, verdict, &words, room)),
    });
}

/// The least that `time` says, see the module: the first whole second beyond 10^12 milliseconds.
const TIME_MIN: Timestamp = Timestamp::from_parts(1_000_000_001, 0);

/// Texts made once for a line, however often it is tried.
struct Words<'a> {
    uid: &'a str,
    message: &'a str,
    next_step: &'a str,
    community_id: &'a str,
    desc: &'a str,
}

fn finding<'a>(
    context: &Context<'a>,
    alert: &'a Alert,
    words: &Words<'a>,
    room: Room,
) -> Line<'a, Finding<'a>> {
    let (rule, aggregate) = (&*alert.rule, &alert.aggregate);
    let evidence = &alert.verdict.evidence;
    let flow = &*evidence.flow;
    let ghost = GhostFlow::in_alert(alert, words.next_step, room);
    let confidence_score = percent(alert.verdict.probability);
    let (confidence_id, confidence) = confidence(confidence_score);
    let (activity, is_new) = match aggregate.stage {
        Stage::First => (Activity(1, "Create", "Detection Finding: Create"), true),
        Stage::Update => (Activity(2, "Update", "Detection Finding: Update"), false),
        Stage::Closing => (Activity(3, "Close", "Detection Finding: Close"), false),
    };
    let (src_endpoint, dst_endpoint) = ends(evidence, room);
    let observable = |name, type_id, kind, value| Observable { name, type_id, kind, value };
    let body = Finding {
        count: Some(aggregate.flows).filter(|&flows| flows > 0),
        confidence_id,
        confidence,
        confidence_score,
        finding_info: FindingInfo::new(alert, words),
        evidences: [Evidences {
            src_endpoint,
            dst_endpoint,
            connection_info: Connection::new(context, flow),
            process: ghost.process.as_ref().map(|process| Process { pid: process.pid, name: process.name }),
            data: Data { ghostport: ghost },
        }],
        observables: [
            observable("evidences[0].src_endpoint.ip", 2, "IP Address", Value::Ip(Ip(flow.originator.addr))),
            observable("evidences[0].dst_endpoint.ip", 2, "IP Address", Value::Ip(Ip(flow.responder.addr))),
            observable("evidences[0].dst_endpoint.port", 11, "Port", Value::Port(flow.responder.port)),
        ],
    };
    Line {
        class: Class {
            category_uid: 2,
            category_name: "Findings",
            class_uid: 2004,
            class_name: "Detection Finding",
        },
        activity,
        time: Millis::new(record::end(flow).max(TIME_MIN)),
        start_time: Millis::new(aggregate.first),
        end_time: Millis::new(aggregate.last),
        severity: severity(rule.severity),
        status: is_new.then_some(Status(1, "New")),
        message: words.message,
        metadata: Metadata::new(words, record::end(flow), "alert", Some(Digits(rule.sid.into()))),
        body,
        unmapped: Unmapped::new((context, room), flow, None),
    }
}

fn activity<'a>(
    context: &Context<'a>,
    verdict: &'a Verdict,
    words: &Words<'a>,
    room: Room,
) -> Line<'a, NetworkActivity<'a>> {
    let evidence = &verdict.evidence;
    let flow = &*evidence.flow;
    let ghost = GhostFlow::new(verdict, words.next_step, room);
    let (src_endpoint, dst_endpoint) = ends(evidence, room);
    let (start, end) = (flow.start, record::end(flow));
    let body = NetworkActivity {
        status_detail: evidence.outcome.name(),
        src_endpoint,
        dst_endpoint,
        connection_info: Connection::new(context, flow),
        traffic: Traffic {
            bytes: flow.orig.bytes.saturating_add(flow.resp.bytes),
            bytes_out: flow.orig.bytes,
            bytes_in: flow.resp.bytes,
            packets: flow.orig.packets.saturating_add(flow.resp.packets),
            packets_out: flow.orig.packets,
            packets_in: flow.resp.packets,
        },
        app_name: ghost.app_proto.as_ref().map(|app| app.name),
        duration: u64::try_from(end.since(start).as_millis()).unwrap_or(u64::MAX),
    };
    Line {
        class: Class {
            category_uid: 4,
            category_name: "Network Activity",
            class_uid: 4001,
            class_name: "Network Activity",
        },
        activity: network_activity(evidence),
        time: Millis::new(end.max(TIME_MIN)),
        start_time: Millis::new(start),
        end_time: Millis::new(end),
        severity: severity(Severity::Informational),
        status: Some(status(evidence.outcome)),
        message: words.message,
        metadata: Metadata::new(words, end, "flow", None),
        body,
        unmapped: Unmapped::new((context, room), flow, Some(ghost)),
    }
}

const fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::High => (4, "High"),
        Severity::Medium => (3, "Medium"),
        Severity::Low => (2, "Low"),
        Severity::Informational => (1, "Informational"),
    }
}

fn confidence(score: u8) -> (u8, &'static str) {
    match score {
        80.. => (3, "High"),
        50.. => (2, "Medium"),
        _ => (1, "Low"),
    }
}

/// A probability in whole percent.
#[expect(clippy::cast_possible_truncation, reason = "0 to 100; what is no number becomes 0")]
fn percent(probability: f64) -> u8 {
    (probability * 100.0).round() as u8
}

fn network_activity(evidence: &Evidence) -> Activity {
    let flow = &evidence.flow;
    match evidence.outcome {
        Outcome::Refused => Activity(5, "Refuse", "Network Activity: Refuse"),
        Outcome::Unanswered => Activity(4, "Fail", "Network Activity: Fail"),
        Outcome::Reset => Activity(3, "Reset", "Network Activity: Reset"),
        Outcome::Established | Outcome::Opened
            if flow.transport == Transport::Tcp && flow.state() == State::Closed =>
        {
            Activity(2, "Close", "Network Activity: Close")
        }
        _ => Activity(6, "Traffic", "Network Activity: Traffic"),
    }
}

const fn status(outcome: Outcome) -> Status {
    match outcome {
        Outcome::Established | Outcome::Opened | Outcome::TwoWay => Status(1, "Success"),
        Outcome::Refused | Outcome::Unanswered | Outcome::Reset => Status(2, "Failure"),
        Outcome::Midstream | Outcome::OneWay => Status(0, "Unknown"),
    }
}

const fn direction(way: Way) -> (u8, &'static str) {
    match way {
        Way::Inbound => (1, "Inbound"),
        Way::Outbound => (2, "Outbound"),
        Way::Internal => (3, "Lateral"),
        // Other, under the name that it has here.
        Way::External => (99, "External"),
    }
}

fn ends(evidence: &Evidence, room: Room) -> (End<'_>, End<'_>) {
    let vlan = evidence.flow.vlan.ids().first().map(|&id| Digits(id.into()));
    let end = |end: Endpoint, svc_name| End { ip: Ip(end.addr), port: end.port, vlan_uid: vlan, svc_name };
    let name = registered(&evidence.claims).map(|name| Text::cut(name, room.text_max));
    (end(evidence.flow.originator, None), end(evidence.flow.responder, name))
}

/// Number and caption of an activity, and the caption of its type.
struct Activity(u8, &'static str, &'static str);

/// Number and caption.
struct Status(u8, &'static str);

struct Class {
    category_uid: u8,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
}

/// What both classes have, around what only one of them has.
struct Line<'a, B> {
    class: Class,
    activity: Activity,
    time: Millis,
    start_time: Millis,
    end_time: Millis,
    severity: (u8, &'static str),
    status: Option<Status>,
    message: &'a str,
    metadata: Metadata<'a>,
    body: B,
    unmapped: Unmapped<'a>,
}

/// The attributes of one class only.
trait Body {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

impl<B: Body> Serialize for Line<'_, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let (class, Activity(activity, activity_name, type_name)) = (&self.class, &self.activity);
        map.serialize_entry("time", &self.time)?;
        map.serialize_entry("class_uid", &class.class_uid)?;
        map.serialize_entry("class_name", class.class_name)?;
        map.serialize_entry("category_uid", &class.category_uid)?;
        map.serialize_entry("category_name", class.category_name)?;
        map.serialize_entry("activity_id", activity)?;
        map.serialize_entry("activity_name", activity_name)?;
        map.serialize_entry("type_uid", &(class.class_uid * 100 + u32::from(*activity)))?;
        map.serialize_entry("type_name", type_name)?;
        map.serialize_entry("start_time", &self.start_time)?;
        map.serialize_entry("end_time", &self.end_time)?;
        map.serialize_entry("severity_id", &self.severity.0)?;
        map.serialize_entry("severity", self.severity.1)?;
        if let Some(Status(id, name)) = &self.status {
            map.serialize_entry("status_id", id)?;
            map.serialize_entry("status", name)?;
        }
        map.serialize_entry("message", self.message)?;
        map.serialize_entry("metadata", &self.metadata)?;
        self.body.write(&mut map)?;
        map.serialize_entry("unmapped", &self.unmapped)?;
        map.end()
    }
}

struct Finding<'a> {
    count: Option<u64>,
    confidence_id: u8,
    confidence: &'static str,
    confidence_score: u8,
    finding_info: FindingInfo<'a>,
    evidences: [Evidences<'a>; 1],
    observables: [Observable; 3],
}

impl Body for Finding<'_> {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        if let Some(count) = &self.count {
            map.serialize_entry("count", count)?;
        }
        map.serialize_entry("confidence_id", &self.confidence_id)?;
        map.serialize_entry("confidence", self.confidence)?;
        map.serialize_entry("confidence_score", &self.confidence_score)?;
        map.serialize_entry("finding_info", &self.finding_info)?;
        map.serialize_entry("evidences", &self.evidences)?;
        map.serialize_entry("observables", &self.observables)
    }
}

struct NetworkActivity<'a> {
    status_detail: &'static str,
    src_endpoint: End<'a>,
    dst_endpoint: End<'a>,
    connection_info: Connection,
    traffic: Traffic,
    app_name: Option<&'static str>,
    duration: u64,
}

impl Body for NetworkActivity<'_> {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("status_detail", self.status_detail)?;
        map.serialize_entry("duration", &self.duration)?;
        map.serialize_entry("src_endpoint", &self.src_endpoint)?;
        map.serialize_entry("dst_endpoint", &self.dst_endpoint)?;
        map.serialize_entry("connection_info", &self.connection_info)?;
        map.serialize_entry("traffic", &self.traffic)?;
        if let Some(name) = self.app_name {
            map.serialize_entry("app_name", name)?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    product: Product,
    uid: &'a str,
    correlation_uid: &'a str,
    log_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_code: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_time: Option<Rfc3339>,
}

impl<'a> Metadata<'a> {
    fn new(words: &Words<'a>, time: Timestamp, log_name: &'static str, event_code: Option<Digits>) -> Self {
        let product =
            Product { name: "ghostport", vendor_name: "ghostport", version: env!("CARGO_PKG_VERSION") };
        let original_time = (time < TIME_MIN).then_some(Rfc3339(time));
        let (uid, correlation_uid) = (words.uid, words.community_id);
        Self { version: "1.5.0", product, uid, correlation_uid, log_name, event_code, original_time }
    }
}

#[derive(Serialize)]
struct Product {
    name: &'static str,
    vendor_name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct FindingInfo<'a> {
    uid: AggregateId,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<&'a str>,
    types: [Text<'a>; 1],
    first_seen_time: Millis,
    last_seen_time: Millis,
    analytic: Analytic<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attacks: Vec<Attack<'a>>,
}

impl<'a> FindingInfo<'a> {
    fn new(alert: &'a Alert, words: &Words<'a>) -> Self {
        let (rule, aggregate) = (&*alert.rule, &alert.aggregate);
        let category = Text::cut(&rule.category, NAME_BYTES_MAX);
        Self {
            uid: AggregateId::new(alert),
            title: words.message,
            desc: (!words.desc.is_empty()).then_some(words.desc),
            types: [category],
            first_seen_time: Millis::new(aggregate.first),
            last_seen_time: Millis::new(aggregate.last),
            analytic: Analytic {
                uid: Digits(rule.sid.into()),
                name: Text::cut(&rule.id, NAME_BYTES_MAX),
                type_id: 1,
                kind: "Rule",
                version: Digits(rule.rev.into()),
                category,
            },
            attacks: attacks(&rule.techniques),
        }
    }
}

#[derive(Serialize)]
struct Analytic<'a> {
    uid: Digits,
    name: Text<'a>,
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    version: Digits,
    category: Text<'a>,
}

#[derive(Serialize)]
struct Evidences<'a> {
    src_endpoint: End<'a>,
    dst_endpoint: End<'a>,
    connection_info: Connection,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process<'a>>,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    ghostport: GhostFlow<'a>,
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    name: Text<'a>,
}

#[derive(Serialize)]
struct Observable {
    name: &'static str,
    type_id: u8,
    #[serde(rename = "type")]
    kind: &'static str,
    value: Value,
}

/// What was observed; always a string.
enum Value {
    Ip(Ip),
    Port(u16),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Ip(addr) => addr.serialize(serializer),
            Self::Port(port) => Digits(u64::from(*port)).serialize(serializer),
        }
    }
}

/// One end of a flow.
#[derive(Serialize)]
struct End<'a> {
    ip: Ip,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan_uid: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    svc_name: Option<Text<'a>>,
}

#[derive(Serialize)]
struct Connection {
    uid: Digits,
    protocol_num: u8,
    protocol_name: &'static str,
    protocol_ver_id: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_flags: Option<u8>,
    direction_id: u8,
    direction: &'static str,
}

impl Connection {
    fn new(context: &Context<'_>, flow: &Flow) -> Self {
        let (direction_id, direction) = direction(context.internal.way(flow));
        let flags = flow.orig.tcp_flags | flow.resp.tcp_flags;
        Self {
            uid: Digits(flow.id),
            protocol_num: flow.transport as u8,
            protocol_name: flow.transport.name(),
            protocol_ver_id: if flow.originator.addr.is_ipv4() { 4 } else { 6 },
            tcp_flags: (flow.transport == Transport::Tcp).then_some(flags),
            direction_id,
            direction,
        }
    }
}

#[derive(Serialize)]
struct Traffic {
    bytes: u64,
    bytes_out: u64,
    bytes_in: u64,
    packets: u64,
    packets_out: u64,
    packets_in: u64,
}

/// What OCSF has no attribute for.
#[derive(Serialize)]
struct Unmapped<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    in_iface: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcap_filename: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pcap_cnt: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ghostport: Option<GhostFlow<'a>>,
}

impl<'a> Unmapped<'a> {
    fn new((context, room): (&Context<'a>, Room), flow: &Flow, ghostport: Option<GhostFlow<'a>>) -> Self {
        let (in_iface, pcap_filename) = context.origin(flow, room);
        let pcap_cnt = (!context.live).then_some(flow.first_frame);
        Self { in_iface, pcap_filename, pcap_cnt, host: context.sensor(), ghostport }
    }
}
