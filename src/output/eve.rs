//! Lines in Suricata's EVE shape: the default, and what [`super::event`] describes field by field. Each line
//! is appended to a buffer that the caller reuses. Every kind of record is carried.

use serde::Serialize;

use super::again::Again;
use super::clean::Text;
use super::event::{AlertMetadata, EveAlert, EveFlow, EveTcp, Event};
use super::flat::Flat;
use super::ghost::{GhostFlow, GhostPort, Room};
use super::json::{Plain, Word};
use super::line::{Ip, write_json, write_within};
use super::place::Extra;
use super::stats::{EveStats, GhostStats, Stats};
use super::{Context, ExtraPlacement, NAME_BYTES_MAX, Record, SIGNATURE_BYTES_MAX};
use crate::bucket::PortBucket;
use crate::payload::App;
use crate::rules::{Alert, Severity};
use crate::verdict::Verdict;

/// Appends a record as an EVE line.
pub fn write(line: &mut Vec<u8>, context: &Context<'_>, record: &Record<'_>) {
    write_in(&Bare, line, context, record);
}

/// What stands around an event.
pub(super) trait Envelope {
    /// Appends the whole line of an event.
    fn write<E: Serialize>(&self, line: &mut Vec<u8>, event: &E);
}

struct Bare;

impl Envelope for Bare {
    fn write<E: Serialize>(&self, line: &mut Vec<u8>, event: &E) {
        write_json(line, event);
    }
}

/// Appends a record as an EVE line in an envelope.
pub(super) fn write_in(
    envelope: &impl Envelope,
    line: &mut Vec<u8>,
    context: &Context<'_>,
    record: &Record<'_>,
) {
    match *record {
        Record::Alert(alert) => write_alert(envelope, line, context, alert),
        Record::Flow { verdict, alerted } => write_flow(envelope, line, context, verdict, alerted),
        Record::Port { bucket, client_flows } => write_port(envelope, line, context, bucket, client_flows),
        Record::Stats(stats) => write_stats(envelope, line, context, stats),
    }
}

fn write_alert(envelope: &impl Envelope, line: &mut Vec<u8>, context: &Context<'_>, alert: &Alert) {
    let verdict = &*alert.verdict;
    let flow = &verdict.evidence.flow;
    let (next_step, community_id) = (verdict.next_step(), flow.community_ascii());
    write_within(line, |line, room| {
        let ghost = &GhostFlow::in_alert(alert, &next_step, room);
        let (ghostport, flat) = match context.extra {
            ExtraPlacement::TopLevel => (Some(ghost), None),
            ExtraPlacement::Metadata => (None, Some(Flat::flow(ghost))),
        };
        let event = Event {
            pkt_src: Some(Word("wire/pcap")),
            alert: Some(eve_alert(alert, flat)),
            direction: Some(Word("to_server")),
            flow: Some(EveFlow::in_alert(flow)),
            ghostport,
            ..about(&Record::Alert(alert), context, verdict, (&community_id, room))
        };
        envelope.write(line, &event);
    });
}

fn write_flow(
    envelope: &impl Envelope,
    line: &mut Vec<u8>,
    context: &Context<'_>,
    verdict: &Verdict,
    alerted: bool,
) {
    let flow = &verdict.evidence.flow;
    let (next_step, community_id) = (verdict.next_step(), flow.community_ascii());
    write_within(line, |line, room| {
        let ghost = GhostFlow::new(verdict, &next_step, room);
        let extra = Extra::flow(&ghost, context.extra);
        let event = Event {
            flow: Some(EveFlow::record(flow, alerted)),
            tcp: EveTcp::new(flow).map(Again),
            metadata: extra.metadata,
            ghostport: extra.ghostport,
            ..about(&Record::Flow { verdict, alerted }, context, verdict, (&community_id, room))
        };
        envelope.write(line, &event);
    });
}

fn write_port(
    envelope: &impl Envelope,
    line: &mut Vec<u8>,
    context: &Context<'_>,
    bucket: &PortBucket,
    client_flows: u64,
) {
    let extra = Extra::port(GhostPort::new(bucket, client_flows), context.extra);
    let event = Event {
        dest_port: Some(bucket.port),
        proto: Some(Word(bucket.transport.eve_name())),
        metadata: extra.metadata,
        ghostport: extra.ghostport,
        host: context.sensor(),
        ..Event::new(&Record::Port { bucket, client_flows })
    };
    envelope.write(line, &event);
}

fn write_stats(envelope: &impl Envelope, line: &mut Vec<u8>, context: &Context<'_>, stats: &Stats<'_>) {
    let extra = Extra::stats(GhostStats::new(stats), context.extra);
    let event = Event {
        stats: Some(EveStats::new(stats)),
        metadata: extra.metadata,
        ghostport: extra.ghostport,
        host: context.sensor(),
        ..Event::new(&Record::Stats(stats))
    };
    envelope.write(line, &event);
}

/// What alerts and flow records have in common.
fn about<'a, G>(
    record: &Record<'_>,
    context: &Context<'a>,
    verdict: &'a Verdict,
    (community_id, room): (&'a [u8], Room),
) -> Event<'a, G> {
    let evidence = &verdict.evidence;
    let flow = &evidence.flow;
    let (in_iface, pcap_filename) = context.origin(flow, room);
    Event {
        flow_id: Some(flow.id),
        in_iface,
        pcap_filename,
        pcap_cnt: (!context.live).then_some(flow.first_frame),
        vlan: flow.vlan.ids(),
        src_ip: Some(Ip(flow.originator.addr)),
        src_port: Some(flow.originator.port),
        dest_ip: Some(Ip(flow.responder.addr)),
        dest_port: Some(flow.responder.port),
        proto: Some(Word(flow.transport.eve_name())),
        community_id: Some(Plain(community_id)),
        app_proto: (evidence.app.app != App::Unknown).then(|| Word(evidence.app.app.spoken().name())),
        host: context.sensor(),
        ..Event::new(record)
    }
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
