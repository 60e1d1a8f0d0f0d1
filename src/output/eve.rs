//! Lines in Suricata's EVE shape. Each writer appends one whole line to a buffer that the caller reuses.

use serde::Serialize;

use super::clean::Text;
use super::event::{AlertMetadata, EveAlert, EveFlow, EveTcp, Event};
use super::flat::Flat;
use super::ghost::{GhostFlow, GhostPort, Room};
use super::place::Extra;
use super::stats::{EveStats, GhostStats, Stats};
use super::{Context, ExtraPlacement, LINE_BYTES_MAX};
use crate::bucket::PortBucket;
use crate::flow::Flow;
use crate::payload::App;
use crate::rules::{Alert, Severity};
use crate::time::Timestamp;
use crate::verdict::Verdict;

/// Longest name of an input, a sensor and the texts of a rule, in bytes before JSON escapes them.
const FILE_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 255;
const SIGNATURE_BYTES_MAX: usize = 512;

/// Appends the `alert` line of an alert.
pub fn write_alert(line: &mut Vec<u8>, context: &Context<'_>, alert: &Alert) {
    let verdict = &*alert.verdict;
    let flow = &verdict.evidence.flow;
    let (next_step, community_id) = (verdict.next_step(), flow.community_id());
    write_within(line, |line, room| {
        let ghost = GhostFlow::in_alert(alert, &next_step, room);
        let (ghostport, flat) = match context.extra {
            ExtraPlacement::TopLevel => (Some(ghost), None),
            ExtraPlacement::Metadata => (None, Some(Flat::flow(&ghost))),
        };
        let event = Event {
            pkt_src: Some("wire/pcap"),
            alert: Some(eve_alert(alert, flat)),
            direction: Some("to_server"),
            flow: Some(EveFlow::in_alert(flow)),
            ghostport,
            ..about("alert", context, verdict, &community_id)
        };
        write(line, &event);
    });
}

/// Appends the `flow` line of a finished flow. `alerted`: it raised at least one alert.
pub fn write_flow(line: &mut Vec<u8>, context: &Context<'_>, verdict: &Verdict, alerted: bool) {
    let flow = &verdict.evidence.flow;
    let (next_step, community_id) = (verdict.next_step(), flow.community_id());
    write_within(line, |line, room| {
        let extra = Extra::flow(GhostFlow::new(verdict, &next_step, room), context.extra);
        let event = Event {
            flow: Some(EveFlow::record(flow, alerted)),
            tcp: EveTcp::new(flow),
            metadata: extra.metadata,
            ghostport: extra.ghostport,
            ..about("flow", context, verdict, &community_id)
        };
        write(line, &event);
    });
}

/// Appends the `port` line of a bucket. `client_flows`: see [`crate::bucket::Buckets::client_flows`].
pub fn write_port(line: &mut Vec<u8>, context: &Context<'_>, bucket: &PortBucket, client_flows: u64) {
    let extra = Extra::port(GhostPort::new(bucket, client_flows), context.extra);
    let event = Event {
        dest_port: Some(bucket.port),
        proto: Some(bucket.transport.eve_name()),
        metadata: extra.metadata,
        ghostport: extra.ghostport,
        host: host(context),
        ..Event::new("port", bucket.last)
    };
    write(line, &event);
}

/// Appends the `stats` line.
pub fn write_stats(line: &mut Vec<u8>, context: &Context<'_>, stats: &Stats<'_>) {
    let extra = Extra::stats(GhostStats::new(stats), context.extra);
    let time = if stats.clock == Timestamp::MIN { Timestamp::default() } else { stats.clock };
    let event = Event {
        stats: Some(EveStats::new(stats)),
        metadata: extra.metadata,
        ghostport: extra.ghostport,
        host: host(context),
        ..Event::new("stats", time)
    };
    write(line, &event);
}

/// What alerts and flow records have in common.
fn about<'a, G>(
    event_type: &'static str,
    context: &Context<'a>,
    verdict: &'a Verdict,
    community_id: &'a str,
) -> Event<'a, G> {
    let evidence = &verdict.evidence;
    let flow = &evidence.flow;
    let input = context.inputs.get(usize::from(flow.input)).map(|name| Text::cut(name, FILE_BYTES_MAX));
    let (in_iface, pcap_filename) = if context.live { (input, None) } else { (None, input) };
    Event {
        flow_id: Some(flow.id),
        in_iface,
        pcap_filename,
        pcap_cnt: (!context.live).then_some(flow.first_frame),
        vlan: flow.vlan.ids(),
        src_ip: Some(flow.originator.addr),
        src_port: Some(flow.originator.port),
        dest_ip: Some(flow.responder.addr),
        dest_port: Some(flow.responder.port),
        proto: Some(flow.transport.eve_name()),
        community_id: Some(community_id),
        app_proto: (evidence.app.app != App::Unknown).then(|| evidence.app.app.spoken().name()),
        host: host(context),
        ..Event::new(event_type, time(flow))
    }
}

/// A line never bears a time before its flow's start, whatever order the capture's time stamps have.
fn time(flow: &Flow) -> Timestamp {
    flow.end.max(flow.start)
}

fn host<'a>(context: &Context<'a>) -> Option<Text<'a>> {
    context.host.map(|name| Text::cut(name, NAME_BYTES_MAX))
}

fn eve_alert(alert: &Alert, extra: Option<Flat>) -> EveAlert<'_> {
    let rule = &*alert.rule;
    EveAlert {
        action: "allowed",
        gid: 1,
        signature_id: rule.sid,
        rev: rule.rev,
        signature: Text::cut(&alert.signature, SIGNATURE_BYTES_MAX),
        category: Text::cut(&rule.category, NAME_BYTES_MAX),
        severity: rule.severity as u8,
        metadata: AlertMetadata {
            signature_severity: match rule.severity {
                Severity::High => "Critical",
                Severity::Medium => "Major",
                Severity::Low => "Minor",
                Severity::Informational => "Informational",
            },
            techniques: &rule.techniques,
            rule: Text::cut(&rule.id, NAME_BYTES_MAX),
            extra,
        },
    }
}

/// Writes a line with as much as fits: see [`Room::STEPS`].
fn write_within(line: &mut Vec<u8>, write: impl Fn(&mut Vec<u8>, Room)) {
    let start = line.len();
    for room in Room::STEPS {
        line.truncate(start);
        write(line, room);
        if line.len() - start < LINE_BYTES_MAX {
            return;
        }
    }
    debug_assert!(false, "a line of {} bytes with nothing left to cut", line.len() - start);
}

#[expect(clippy::expect_used, reason = "memory takes any bytes, and every key of ours is a string")]
fn write<E: Serialize>(line: &mut Vec<u8>, event: &E) {
    serde_json::to_writer(&mut *line, event).expect("an event is JSON");
    line.push(b'\n');
}
