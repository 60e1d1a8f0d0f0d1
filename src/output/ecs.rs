//! Lines in the Elastic Common Schema 8.17, for those who write to Elasticsearch, OpenSearch or Kafka without
//! a pipeline that knows EVE. Every kind of record is carried.
//!
//! Objects are nested. A key without a value is absent. Own data stands under `ghostport`, with the names and
//! types of [`super::event`]. Times are packet times in UTC, `2023-11-14T22:13:20.003000Z`, but inside
//! `ghostport`, where they look as in EVE lines.
//!
//! | key | type | in | absent when |
//! | --- | --- | --- | --- |
//! | `@timestamp` | date | all | never. As EVE's `timestamp` |
//! | `ecs.version` | `8.17.0` | all | never |
//! | `message` | string | all | never. The signature, or the record in one sentence |
//! | `event.id` | string | all | never. The same whenever it is written again: [`Record`] |
//! | `event.kind` | `alert`; flows `event`; ports, stats `metric` | all | never |
//! | `event.category` | `network`; alerts `intrusion_detection` too | alert flow | never |
//! | `event.type` | alerts `info`; flows `connection`, `end` | alert flow | never |
//! | `event.module` `event.provider` | `ghostport` | all | never |
//! | `event.dataset` | `ghostport.alert` and so on | all | never |
//! | `event.action` | string: the rule's stable name | alert | never |
//! | `event.code` | string: the rule's number | alert | never |
//! | `event.severity` | 1 worst, 4 least, as in EVE | alert | never |
//! | `event.risk_score` | 73, 47, 21, 5 by severity: Elastic's for high to low | alert | never |
//! | `event.outcome` | `success` `failure` `unknown`: did the responder take it | flow | never |
//! | `event.start` `event.end` | dates: of the aggregate, flow, bucket | alert flow port | never |
//! | `event.duration` | nanoseconds between them | alert flow port | never |
//! | `event.reason` | string: facts that speak most for the story | alert flow | none does |
//! | `rule.{id,name,category,version}` | strings; `name` is the signature | alert | never |
//! | `source.{ip,address,port}` | the originator | alert flow | never |
//! | `destination.{ip,address}` | the responder | alert flow | never |
//! | `destination.port` | the port the line is about | alert flow port | never |
//! | `source.{bytes,packets}` | sent by originators | alert flow port | never |
//! | `destination.{bytes,packets}` | sent by responders | alert flow port | never |
//! | `network.transport` | `tcp` `udp` `sctp` | alert flow port | never |
//! | `network.iana_number` | string: `6` `17` `132` | alert flow port | never |
//! | `network.bytes` `network.packets` | integers: both ways | alert flow port | never |
//! | `network.type` | `ipv4` `ipv6` | alert flow | never |
//! | `network.direction` | `inbound` `outbound` `internal` `external` | alert flow | never |
//! | `network.community_id` | string | alert flow | never |
//! | `network.protocol` | string | alert flow | nothing was recognised |
//! | `network.application` | string: what HTTP or TLS is used for | alert flow | not known |
//! | `network.vlan.id` | string: the outer tag | alert flow | untagged |
//! | `network.inner.vlan.id` | string: the inner tag | alert flow | fewer than two tags |
//! | `observer.{type,vendor,product}` | `ids` `ghostport` `ghostport` | all | never |
//! | `observer.version` | string: ghostport's | all | never |
//! | `observer.hostname` | string | all | no sensor name was given |
//! | `observer.ingress.interface.name` | string | alert flow | replaying |
//! | `log.file.path` | string: the capture | alert flow | live |
//! | `threat.framework` | `MITRE ATT&CK` | alert | the rule names no technique |
//! | `threat.tactic.{id,name}` | strings: of these techniques | alert | none is of the enterprise matrix |
//! | `threat.technique.id` | strings: `T1021` | alert | the same |
//! | `threat.technique.subtechnique.id` | strings: `T1021.004` | alert | it names none |
//! | `related.ip` | strings: originator, responder | alert flow | never |
//! | `process.{pid,name}` | of the listener | alert flow | not asked or not found |
//! | `process.executable` `process.user.name` | strings | alert flow | not known |
//! | `tls.client.server_name` | string | alert flow | not said |
//! | `tags` | `remembered` `suspicious` | alert flow port | none |
//! | `ghostport` | object | all | never |

use std::time::Duration;

use arrayvec::ArrayString;
use serde::Serialize;

use super::attack::Threat;
use super::clean::Text;
use super::ghost::{GhostFlow, GhostPort, Names, Room};
use super::line::{Digits, Ip, Rfc3339, write_json, write_within};
use super::record::{self, reasons};
use super::stats::GhostStats;
use super::{Context, NAME_BYTES_MAX, Record};
use crate::flow::{Flow, Outcome, Side};
use crate::registry::Tags;
use crate::rules::{Alert, Severity};
use crate::time::Timestamp;
use crate::verdict::Verdict;
use crate::wire::{Endpoint, Transport};

/// Appends a record as an ECS line.
pub fn write(line: &mut Vec<u8>, context: &Context<'_>, record: &Record<'_>) {
    let (id, message) = (record.id(context), record.headline());
    let said = Said { id: &id, message: &message };
    match *record {
        Record::Alert(alert) => {
            let words = Words::new(&alert.verdict);
            write_within(line, |line, room| write_json(line, &said.alert(context, alert, &words, room)));
        }
        Record::Flow { verdict, .. } => {
            let words = Words::new(verdict);
            write_within(line, |line, room| {
                let ghost = GhostFlow::new(verdict, &words.next_step, room);
                write_json(line, &said.about((context, room), record, verdict, &words, ghost));
            });
        }
        Record::Port { bucket, client_flows } => {
            let (to, from) = (bucket.bytes_to_responder, bucket.bytes_to_originator);
            let counted = |packets, bytes| End { bytes, packets, ..End::default() };
            let destination = counted(bucket.packets_to_originator, from);
            write_json(
                line,
                &Line {
                    event: Event::new(&id, record).span(bucket.first, bucket.last),
                    source: Some(counted(bucket.packets_to_responder, to)),
                    destination: Some(End { port: Some(bucket.port), ..destination }),
                    network: Some(Network {
                        bytes: bucket.bytes(),
                        packets: bucket.packets_to_responder + bucket.packets_to_originator,
                        ..Network::new(bucket.transport)
                    }),
                    tags: tags(bucket.tags),
                    ..said.line(context, record, GhostPort::new(bucket, client_flows))
                },
            );
        }
        Record::Stats(stats) => write_json(line, &said.line(context, record, GhostStats::new(stats))),
    }
}

/// What a line says beside its numbers, made once however often the line is tried.
struct Said<'a> {
    id: &'a str,
    message: &'a str,
}

struct Words {
    next_step: String,
    community_id: ArrayString<30>,
    reason: String,
}

impl Words {
    fn new(verdict: &Verdict) -> Self {
        Self {
            next_step: verdict.next_step(),
            community_id: verdict.evidence.flow.community_id(),
            reason: reasons(verdict),
        }
    }
}

impl<'a> Said<'a> {
    fn alert(
        &self,
        context: &Context<'a>,
        alert: &'a Alert,
        words: &'a Words,
        room: Room,
    ) -> Line<'a, GhostFlow<'a>> {
        let (rule, aggregate) = (&*alert.rule, &alert.aggregate);
        let ghost = GhostFlow::in_alert(alert, &words.next_step, room);
        let line = self.about((context, room), &Record::Alert(alert), &alert.verdict, words, ghost);
        let event = Event {
            kind: "alert",
            category: &["network", "intrusion_detection"],
            types: &["info"],
            action: Some(Text::cut(&rule.id, NAME_BYTES_MAX)),
            code: Some(Digits(rule.sid.into())),
            severity: Some(rule.severity as u8),
            risk_score: Some(risk(rule.severity)),
            outcome: None,
            ..line.event
        };
        Line {
            event: event.span(aggregate.first, aggregate.last),
            rule: Some(RulePart {
                id: Digits(rule.sid.into()),
                name: self.message,
                category: Text::cut(&rule.category, NAME_BYTES_MAX),
                version: Digits(rule.rev.into()),
            }),
            threat: Threat::new(&rule.techniques),
            ..line
        }
    }

    /// What alerts and flow records have in common.
    fn about(
        &self,
        (context, room): (&Context<'a>, Room),
        record: &Record<'a>,
        verdict: &'a Verdict,
        words: &'a Words,
        ghostport: GhostFlow<'a>,
    ) -> Line<'a, GhostFlow<'a>> {
        let evidence = &verdict.evidence;
        let flow = &*evidence.flow;
        let (interface, file) = context.origin(flow, room);
        let line = self.line(context, record, ());
        let tls = ghostport.app_proto.as_ref().and_then(|app| app.tls.as_ref()?.sni);
        let event = Event {
            kind: "event",
            category: &["network"],
            types: &["connection", "end"],
            outcome: Some(outcome(evidence.outcome)),
            reason: (!words.reason.is_empty()).then_some(&*words.reason),
            ..line.event
        };
        Line {
            timestamp: line.timestamp,
            ecs: line.ecs,
            message: line.message,
            event: event.span(flow.start, record::end(flow)),
            rule: None,
            source: Some(End::new(flow.originator, flow.orig)),
            destination: Some(End::new(flow.responder, flow.resp)),
            network: Some(Network {
                direction: Some(context.internal.way(flow).name()),
                ..Network::about(flow, &ghostport, &words.community_id)
            }),
            observer: Observer { ingress: interface.map(Ingress::new), ..line.observer },
            log: file.map(|path| Log { file: LogFile { path } }),
            threat: None,
            related: Some(Related { ip: [Ip(flow.originator.addr), Ip(flow.responder.addr)] }),
            process: ghostport.process.as_ref().map(|process| Process {
                pid: process.pid,
                name: process.name,
                executable: process.exe,
                user: process.user.map(|name| User { name }),
            }),
            tls: tls.map(|server_name| Tls { client: TlsClient { server_name } }),
            tags: tags(evidence.tags),
            ghostport,
        }
    }

    /// What every line has.
    fn line<G>(&self, context: &Context<'a>, record: &Record<'a>, ghostport: G) -> Line<'a, G> {
        Line {
            timestamp: Rfc3339(record.time()),
            ecs: Ecs { version: "8.17.0" },
            message: self.message,
            event: Event::new(self.id, record),
            rule: None,
            source: None,
            destination: None,
            network: None,
            observer: Observer {
                kind: "ids",
                vendor: "ghostport",
                product: "ghostport",
                version: env!("CARGO_PKG_VERSION"),
                hostname: context.sensor(),
                ingress: None,
            },
            log: None,
            threat: None,
            related: None,
            process: None,
            tls: None,
            tags: None,
            ghostport,
        }
    }
}

/// Elastic's numbers for its own severities.
const fn risk(severity: Severity) -> u8 {
    match severity {
        Severity::High => 73,
        Severity::Medium => 47,
        Severity::Low => 21,
        Severity::Informational => 5,
    }
}

/// Whether the responder took the flow.
const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Established | Outcome::Opened | Outcome::TwoWay => "success",
        Outcome::Refused | Outcome::Unanswered | Outcome::Reset => "failure",
        Outcome::Midstream | Outcome::OneWay => "unknown",
    }
}

fn tags(tags: Tags) -> Option<Names> {
    tags.names().next().map(|_| Names(tags))
}

#[derive(Serialize)]
struct Line<'a, G> {
    #[serde(rename = "@timestamp")]
    timestamp: Rfc3339,
    ecs: Ecs,
    message: &'a str,
    event: Event<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RulePart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network<'a>>,
    observer: Observer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Log<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threat: Option<Threat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    related: Option<Related>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<Tls<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Names>,
    ghostport: G,
}

#[derive(Serialize)]
struct Ecs {
    version: &'static str,
}

#[derive(Serialize)]
struct Event<'a> {
    id: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    category: &'static [&'static str],
    #[serde(rename = "type", skip_serializing_if = "<[_]>::is_empty")]
    types: &'static [&'static str],
    module: &'static str,
    provider: &'static str,
    dataset: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Digits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk_score: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Rfc3339>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Rfc3339>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn new(id: &'a str, record: &Record<'_>) -> Self {
        Self {
            id,
            kind: "metric",
            category: &[],
            types: &[],
            module: "ghostport",
            provider: "ghostport",
            dataset: match record {
                Record::Alert(_) => "ghostport.alert",
                Record::Flow { .. } => "ghostport.flow",
                Record::Port { .. } => "ghostport.port",
                Record::Stats(_) => "ghostport.stats",
            },
            action: None,
            code: None,
            severity: None,
            risk_score: None,
            outcome: None,
            start: None,
            end: None,
            duration: None,
            reason: None,
        }
    }

    fn span(self, start: Timestamp, end: Timestamp) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let duration = Some(nanos(end.since(start)));
        Self { start: Some(Rfc3339(start)), end: Some(Rfc3339(end)), duration, ..self }
    }
}

#[derive(Serialize)]
struct RulePart<'a> {
    id: Digits,
    name: &'a str,
    category: Text<'a>,
    version: Digits,
}

/// `source` or `destination`.
#[derive(Default, Serialize)]
struct End {
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<Ip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Ip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    bytes: u64,
    packets: u64,
}

impl End {
    const fn new(endpoint: Endpoint, side: Side) -> Self {
        Self {
            ip: Some(Ip(endpoint.addr)),
            address: Some(Ip(endpoint.addr)),
            port: Some(endpoint.port),
            bytes: side.bytes,
            packets: side.packets,
        }
    }
}

#[derive(Serialize)]
struct Network<'a> {
    transport: &'static str,
    iana_number: Digits,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    family: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    community_id: Option<&'a str>,
    bytes: u64,
    packets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<Vlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner: Option<Inner>,
}

impl<'a> Network<'a> {
    const fn new(transport: Transport) -> Self {
        Self {
            transport: transport.name(),
            iana_number: Digits(transport as u64),
            family: None,
            direction: None,
            protocol: None,
            application: None,
            community_id: None,
            bytes: 0,
            packets: 0,
            vlan: None,
            inner: None,
        }
    }

    fn about(flow: &Flow, ghost: &GhostFlow<'_>, community_id: &'a str) -> Self {
        let vlan = |place: usize| flow.vlan.ids().get(place).map(|&id| Vlan { id: Digits(id.into()) });
        Self {
            family: Some(if flow.originator.addr.is_ipv4() { "ipv4" } else { "ipv6" }),
            protocol: ghost.app_proto.as_ref().map(|app| app.name),
            application: ghost.app_proto.as_ref().and_then(|app| app.carries),
            community_id: Some(community_id),
            bytes: flow.orig.bytes.saturating_add(flow.resp.bytes),
            packets: flow.orig.packets.saturating_add(flow.resp.packets),
            vlan: vlan(0),
            inner: vlan(1).map(|vlan| Inner { vlan }),
            ..Self::new(flow.transport)
        }
    }
}

#[derive(Serialize)]
struct Vlan {
    id: Digits,
}

#[derive(Serialize)]
struct Inner {
    vlan: Vlan,
}

#[derive(Serialize)]
struct Observer<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    vendor: &'static str,
    product: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ingress: Option<Ingress<'a>>,
}

#[derive(Serialize)]
struct Ingress<'a> {
    interface: Interface<'a>,
}

impl<'a> Ingress<'a> {
    const fn new(name: Text<'a>) -> Self {
        Self { interface: Interface { name } }
    }
}

#[derive(Serialize)]
struct Interface<'a> {
    name: Text<'a>,
}

#[derive(Serialize)]
struct Log<'a> {
    file: LogFile<'a>,
}

#[derive(Serialize)]
struct LogFile<'a> {
    path: Text<'a>,
}

#[derive(Serialize)]
struct Related {
    ip: [Ip; 2],
}

#[derive(Serialize)]
struct Process<'a> {
    pid: u32,
    name: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executable: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'a>>,
}

#[derive(Serialize)]
struct User<'a> {
    name: Text<'a>,
}

#[derive(Serialize)]
struct Tls<'a> {
    client: TlsClient<'a>,
}

#[derive(Serialize)]
struct TlsClient<'a> {
    server_name: Text<'a>,
}
