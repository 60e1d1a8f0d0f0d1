//! Every kind of line, in both placements, friendly and hostile, against our own schema.
//!
//! `SAMPLES_TO=DIR cargo test --lib output::tests::samples` also writes the lines, for outside judges.

mod conform;
mod formats;

use std::net::Ipv6Addr;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::bucket::Buckets;
use crate::bucket::tests::verdict;
use crate::capture::Loss;
use crate::evidence::{Fact, LocalProcess};
use crate::flow::{EndReason, Outcome};
use crate::host::Process;
use crate::payload::{App, AppProto, Details};
use crate::registry::{Claim, ClaimKind};
use crate::rules::{Aggregate, Alert, Revised, Rule, Rules, Severity, Stage};
use crate::time::Timestamp;
use crate::verdict::{Story, Verdict};
use crate::wire::{Endpoint, Skip, Skips, Transport};

pub(super) fn claim(id: &str, name: &str) -> Arc<Claim> {
    Arc::new(Claim {
        id: id.to_owned(),
        transport: Transport::Tcp,
        ports: 3007..=3007,
        kind: ClaimKind::Registered,
        name: name.to_owned(),
        description: String::new(),
        since: None,
        until: None,
        speaks: Vec::new(),
        dead: true,
        confidence: 80,
        source: "IANA".to_owned(),
        date: "2026-08-17".to_owned(),
        checked: true,
        url: None,
    })
}

pub(super) fn alert(verdict: Verdict) -> Alert {
    let rule = Rule {
        id: "service-on-dormant-port".to_owned(),
        sid: 1_000_001,
        rev: 2,
        title: String::new().into(),
        category: "Potentially Bad Traffic".to_owned(),
        severity: Severity::Medium,
        techniques: vec!["T1571".to_owned()],
    };
    let signature = "http on dormant port 3007/tcp (registered: lotusmtap)".into();
    let flow = &verdict.evidence.flow;
    let aggregate = Aggregate::alone(flow.id, flow.start, flow.end);
    Alert { rule: Arc::new(rule), signature, verdict: Arc::new(verdict), aggregate, revised: None }
}

/// A verdict with everything that can be there.
pub(super) fn full() -> Verdict {
    let mut full = verdict(5, 3007, Story::NonstandardPort);
    let evidence = &mut full.evidence;
    evidence.claims =
        [claim("3007/tcp/iana", "lotusmtap"), claim("3007/tcp/miralix-om", "Miralix OM")].into();
    evidence.facts = vec![Fact::Speaks(evidence.app)];
    evidence.flow.vlan.push(12);
    full.weights = vec![&[(Story::NonstandardPort, 4.099_999_9), (Story::RegisteredService, -3.0)]];
    full
}

/// A verdict in which as much as possible is strange: lengths, characters, times, numbers.
fn hostile(length: usize, character: char) -> Verdict {
    let mut hostile = full();
    let text: String = std::iter::repeat_n(character, length).collect();
    let evidence = &mut hostile.evidence;
    evidence.claims = (0..length).map(|_| claim(&text, &text)).collect();
    evidence.facts = (0..length).map(|_| Fact::Speaks(evidence.app)).collect();
    evidence.app = AppProto::default();
    evidence.outcome = Outcome::Midstream;
    let flow = &mut evidence.flow;
    flow.originator = Endpoint::new(Ipv6Addr::from_bits(u128::MAX).into(), u16::MAX);
    flow.responder = Endpoint::new(Ipv6Addr::from_bits(u128::MAX / 3).into(), 0);
    flow.id = (1 << 53) - 1;
    (flow.start, flow.end) = (Timestamp::MAX, Timestamp::MIN);
    flow.ended = Some(EndReason::Forced);
    const ALL: [(Story, f64); Story::ALL.len()] = {
        let mut all = [(Story::Undetermined, f64::NAN); Story::ALL.len()];
        let mut place = 0;
        while place < all.len() {
            all[place].0 = Story::ALL[place];
            place += 1;
        }
        all
    };
    hostile.weights = vec![&ALL; length];
    hostile.probability = 0.1 + 0.2;
    hostile
}

/// The same for an alert, with as much around it as there can be: all texts of the rule, of the listener and
/// of the handshake are `long`.
fn hostile_alert(length: usize, character: char, long: &str, name: &str) -> Alert {
    let (text, mut verdict) = (long.to_owned(), hostile(length, character));
    let evidence = &mut verdict.evidence;
    evidence.app = full().evidence.app;
    evidence.details = Some(Arc::new(Details {
        sni: Some(text.clone()),
        alpn: vec![text.clone(); 8],
        version: Some("DTLS 1.3"),
        ja4: Some(text.clone()),
        quic: Some(text.clone()),
    }));
    let process = Process { pid: u32::MAX, name: text.clone(), exe: Some(text.clone()), user: Some(text) };
    evidence.facts.push(Fact::LocalProcess(Box::new(LocalProcess { process, claim: None })));
    let mut alert = alert(verdict);
    let aggregate = &mut alert.aggregate;
    (aggregate.flows, aggregate.flows_total, aggregate.originators) = (u64::MAX, u64::MAX, u64::MAX);
    alert.revised = Some(Revised { from: Story::UnidentifiedListener, because: Some("no_claim_expects") });
    alert.signature = format!("{long}{name}").into();
    let rule = Arc::make_mut(&mut alert.rule);
    (rule.category, rule.id) = (long.to_owned(), long.to_owned());
    rule.techniques = vec![long.to_owned(); length];
    alert
}

pub(super) fn buckets() -> Buckets {
    let mut buckets = Buckets::new();
    for client in 0..40 {
        buckets.add(&verdict(client, 3007, Story::NonstandardPort), u64::from(client == 3));
        buckets.add(&verdict(client % 3, 3098, Story::Scan), 0);
    }
    buckets.add(&full(), 1);
    buckets
}

pub(super) fn skips() -> Skips {
    let mut skips = Skips::default();
    (0..1000).for_each(|_| skips.count(Ok(())));
    [Skip::NotIp, Skip::NotIp, Skip::Icmp].into_iter().for_each(|skip| skips.count(Err(skip)));
    skips
}

fn stats(skips: &Skips, live: bool) -> Stats<'_> {
    Stats {
        clock: Timestamp::from_parts(1_700_000_009, 0),
        read: skips.decoded + skips.total(),
        bytes: 123_456,
        skips,
        flows: FlowTotals { opened: 12, open: 2, evicted_half_open: 1, evicted_other: 0 },
        alerts: 2,
        alerted_flows: 5,
        held_back: 1,
        closed_early: 0,
        suppressed: 1,
        expected: 3,
        loss: live.then_some(Loss { received: 1003, dropped_kernel: 4, dropped_interface: 0, freezes: 0 }),
        damaged: 1,
        lines_lost: 0,
    }
}

/// Gives records of every kind about these verdicts, one after the other.
fn each_record(verdicts: &[Verdict], live: bool, mut say: impl FnMut(&Record<'_>)) {
    for verdict in verdicts {
        say(&Record::Alert(&alert(verdict.clone())));
        let mut living = verdict.clone();
        living.evidence.flow.ended = None;
        let mut many = alert(living);
        many.aggregate.stage = Stage::Closing;
        (many.aggregate.flows, many.aggregate.flows_total, many.aggregate.estimated) = (0, u64::MAX, true);
        say(&Record::Alert(&many));
        say(&Record::Flow { verdict, alerted: true });
        let mut datagram = verdict.clone();
        datagram.evidence.flow.transport = Transport::Udp;
        say(&Record::Flow { verdict: &datagram, alerted: false });
    }
    let buckets = buckets();
    for bucket in buckets.ports() {
        say(&Record::Port { bucket, client_flows: buckets.client_flows(bucket.transport, bucket.port) });
    }
    say(&Record::Stats(&stats(&skips(), live)));
}

/// One line of every kind about these verdicts.
fn lines(write: Write, context: &Context<'_>, verdicts: &[Verdict]) -> Vec<u8> {
    let mut lines = Vec::new();
    each_record(verdicts, context.live, |record| write(&mut lines, context, record));
    lines
}

fn contexts<'a>(inputs: &'a [String], host: &'a str) -> Vec<Context<'a>> {
    let mut contexts = Vec::new();
    for extra in [ExtraPlacement::TopLevel, ExtraPlacement::Metadata] {
        for live in [false, true] {
            let internal = Rules::builtin().internal();
            contexts.push(Context { inputs, live, host: live.then_some(host), extra, internal });
        }
    }
    contexts
}

fn check(lines: &[u8]) -> Vec<Value> {
    let schema: Value = serde_json::from_str(&schema("eve").unwrap()).unwrap();
    let text = std::str::from_utf8(lines).unwrap();
    assert!(text.ends_with('\n'));
    let parsed = text.lines().map(|line| {
        assert!(line.len() < LINE_BYTES_MAX, "{} bytes", line.len());
        assert!(line.starts_with("{\"timestamp\":"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line}");
        let event: Value = serde_json::from_str(line).unwrap();
        let troubles = conform::troubles(&schema, &event);
        assert!(troubles.is_empty(), "{}\n{line}", troubles.join("\n"));
        event
    });
    parsed.collect()
}

#[test]
fn samples_conform_to_the_schema() {
    let inputs = ["captures/one.pcap".to_owned()];
    for (number, context) in contexts(&inputs, "sensor1").iter().enumerate() {
        let lines = lines(eve::write, context, &[full(), verdict(9, 3098, Story::Scan)]);
        let events = check(&lines);
        if let Some(folder) = std::env::var_os("SAMPLES_TO") {
            let name = format!("{number}-{:?}.ndjson", context.extra);
            std::fs::write(std::path::Path::new(&folder).join(name), &lines).unwrap();
        }
        let is_ours = |event: &Value| event.get("ghostport").is_some();
        let top = context.extra == ExtraPlacement::TopLevel;
        assert!(events.iter().all(|event| is_ours(event) == top));
    }
}

#[test]
fn an_alert_says_what_the_contract_says() {
    let inputs = ["one.pcap".to_owned()];
    let context = contexts(&inputs, "")[0];
    let mut line = Vec::new();
    eve::write(&mut line, &context, &Record::Alert(&alert(full())));
    let event = &check(&line)[0];
    let ghost = &event["ghostport"];
    assert_eq!(event["src_port"], 50_001);
    assert_eq!(event["timestamp"], "2023-11-14T22:13:23.007000+0000");
    assert_eq!(event["flow"]["age"], 3);
    assert_eq!(event["vlan"], serde_json::json!([12]));
    assert_eq!(event["alert"]["metadata"]["mitre_technique_id"][0], "T1571");
    assert_eq!(ghost["registered"], "lotusmtap");
    assert_eq!(ghost["direction"], serde_json::json!({"basis": "syn", "confidence": 1.0}));
    assert_eq!(ghost["verdict"]["stories"][0]["p"], 0.98);
    assert_eq!(ghost["evidence"][0]["value"], "http");
    assert_eq!(ghost["evidence"][0]["weight"]["nonstandard_port"], 4.1);
    assert_eq!(ghost["claims"][1], "3007/tcp/miralix-om");
    assert_eq!(ghost.get("truncated"), None);
    let aggregate = &ghost["aggregate"];
    assert_eq!(aggregate["id"], format!("1000001-{}", event["flow_id"]));
    assert_eq!((&aggregate["state"], &aggregate["flows"]), (&"first".into(), &1.into()));
}

#[test]
fn metadata_says_the_same_in_strings() {
    let inputs = ["one.pcap".to_owned()];
    let context = contexts(&inputs, "")[2];
    let mut line = Vec::new();
    eve::write(&mut line, &context, &Record::Alert(&alert(full())));
    eve::write(&mut line, &context, &Record::Flow { verdict: &full(), alerted: true });
    let events = check(&line);
    let metadata = &events[0]["alert"]["metadata"];
    assert_eq!(metadata["ghostport_story"][0], "nonstandard_port");
    assert_eq!(metadata["ghostport_aggregate_state"][0], "first");
    assert_eq!(metadata["ghostport_aggregate_flows"][0], "1");
    assert_eq!(metadata["ghostport_evidence"][0], "speaks=http");
    let bits = events[1]["metadata"]["flowbits"].as_array().unwrap();
    assert!(bits.contains(&"ghostport_probability:0.98".into()), "{bits:?}");
}

#[test]
fn frames_read_are_decoded_plus_skipped() {
    let inputs = [];
    let mut line = Vec::new();
    eve::write(&mut line, &contexts(&inputs, "")[0], &Record::Stats(&stats(&skips(), false)));
    let event = &check(&line)[0];
    let packets = &event["ghostport"]["packets"];
    let skipped: u64 = packets["skipped"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(packets["read"].as_u64().unwrap(), packets["decoded"].as_u64().unwrap() + skipped);
    assert_eq!(packets["skipped"].as_object().unwrap().len(), Skip::ALL.len());
}

#[test]
fn nothing_read_is_a_line_too() {
    let mut line = Vec::new();
    let empty = Skips::default();
    let stats = Stats { clock: Timestamp::MIN, read: 0, ..stats(&empty, false) };
    eve::write(&mut line, &contexts(&[], "")[0], &Record::Stats(&stats));
    assert_eq!(check(&line)[0]["timestamp"], "1970-01-01T00:00:00.000000+0000");
}

#[test]
fn what_is_cut_says_so() {
    let inputs = ["one.pcap".to_owned()];
    for (length, facts) in [(200, None), (30, Some(24))] {
        let mut line = Vec::new();
        let record = Record::Flow { verdict: &hostile(length, 'x'), alerted: true };
        eve::write(&mut line, &contexts(&inputs, "")[0], &record);
        let ghost = &check(&line)[0]["ghostport"];
        assert_eq!(ghost["truncated"], true);
        let kept = ghost["evidence"].as_array().unwrap().len();
        assert!(facts.is_none_or(|facts| kept <= facts) && kept < length, "{kept}");
    }
}

#[test]
fn the_schema_forbids_what_it_does_not_know() {
    let schema: Value = serde_json::from_str(&schema("eve").unwrap()).unwrap();
    let mut line = Vec::new();
    eve::write(&mut line, &contexts(&[], "")[0], &Record::Flow { verdict: &full(), alerted: true });
    let good: Value = serde_json::from_slice(&line).unwrap();
    assert!(conform::troubles(&schema, &good).is_empty());
    for (place, value) in [
        ("/ghostport", serde_json::json!({"port": 1})),
        ("/flow/pkts_toserver", "5".into()),
        ("/ghostport/outcome", "fine".into()),
        ("/ghostport/verdict/stories/0", serde_json::json!({"story": "scan", "p": 1, "q": 0})),
        ("/event_type", "service".into()),
        ("/timestamp", "now".into()),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value;
        assert!(!conform::troubles(&schema, &bad).is_empty(), "{place} passed");
    }
    let mut bad = good;
    bad["surprise"] = 1.into();
    assert!(!conform::troubles(&schema, &bad).is_empty());
    assert!(super::schema("xml").is_none());
}

#[test]
fn every_protocol_has_a_name_of_its_own() {
    assert_eq!(App::Unknown.name(), "unknown");
}
