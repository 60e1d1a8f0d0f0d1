//! `ghostport why` tells the truth: a capture in which the fact it names really comes or goes is judged as it
//! said. Each case is one capture made twice, with and without that fact, and replayed by the real binary.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::captures;
use crate::scenarios;
use crate::support::pcap::{self, Format};
use crate::support::talk::{Random, Recorded, Tap};
use crate::support::{binary, json as lines, speech};

/// How far the probability in the edited capture may be from the one foretold.
const TOLERANCE: f64 = 0.1;

/// The flow that all cases are about.
const FROM: &str = "10.6.0.20:50001";
const TO: &str = "10.6.1.10:3007";

/// Frames of a made-up conversation.
fn made(talk: impl FnOnce(&mut Tap)) -> Vec<Recorded> {
    let mut tap = Tap::default();
    talk(&mut tap);
    tap.frames()
}

/// Two answers that nobody knows.
fn noise() -> [Vec<u8>; 2] {
    [1, 2].map(|seed| [&[7][..], &Random::new(seed).bytes(40)].concat())
}

/// The flow line and the dossier of the flow from `FROM` to this responder.
fn ask(frames: &[Recorded], to: &str) -> (Value, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("traffic.pcap");
    std::fs::write(&path, pcap::write(Format::Pcap, frames)).expect("a file");
    let path = path.to_str().expect("a name");
    let [from, to] = [FROM, to].map(|end| end.parse::<SocketAddr>().expect("an endpoint"));
    let pattern = json!({
        "event_type": "flow", "src_ip": from.ip().to_string(), "src_port": from.port(),
        "dest_ip": to.ip().to_string(), "dest_port": to.port(),
    });
    let events = binary::run(&["-r", path, "--flows", "-o", "eve:-"]).events();
    let flow = events.into_iter().rfind(|event| lines::contains(event, &pattern)).expect("the flow");
    let run = binary::run(&["why", path, &flow["flow_id"].to_string(), "--json"]);
    run.expect_code(0);
    (flow, run.events().remove(0))
}

/// Holds the change that is foretold for one capture against the other.
#[track_caller]
fn is_true(change: &str, fact: &str, told: &[Recorded], edited: &[Recorded], to: &str) {
    let (flow, dossier) = ask(told, to);
    assert_eq!(dossier["verdict"]["story"], flow["ghostport"]["verdict"]["story"]);
    let changes = dossier["changes"].as_array().expect("changes");
    let foretold: Vec<_> =
        changes.iter().filter(|each| each["change"] == change && each["fact"] == fact).collect();
    let (after, _) = ask(edited, to);
    let verdict = &after["ghostport"]["verdict"];
    let there = |flow: &Value| lines::contains(&flow["ghostport"]["evidence"], &json!([{"fact": fact}]));
    assert_eq!((there(&flow), there(&after)), (change == "goes", change == "comes"), "{fact}: {after}");
    assert_ne!(verdict["story"], dossier["verdict"]["story"], "{after}");
    let [found] = foretold.as_slice() else { panic!("{fact} {change}, once: {dossier}\nbecame {after}") };
    assert_eq!(found["story"], verdict["story"], "{dossier}\nbecame {after}");
    let [p, q] = [&found["p"], &verdict["probability"]].map(|p| p.as_f64().expect("a number"));
    assert!((p - q).abs() <= TOLERANCE, "{fact}: {p} foretold, {q} found: {after}");
}

/// Both ways: with the fact, and without it.
#[track_caller]
fn hangs_on(fact: &str, with: &[Recorded], without: &[Recorded], to: &str) {
    is_true("goes", fact, with, without, to);
    is_true("comes", fact, without, with, to);
}

/// Another input before it, whose clock is hours ahead, takes no announcement from a flow.
#[test]
fn an_announcement_counts_whatever_was_replayed_before_it() {
    let told = |before: &[&str]| {
        let inputs = [before, &["-r", "captures/negotiated_port/traffic.pcap"]].concat();
        let run = binary::run(&[&["-q", "--flows", "-o", "eve:-"], &inputs[..]].concat());
        run.expect_code(0);
        let events = run.events();
        let flow = events.iter().find(|e| e["event_type"] == "flow" && e["src_port"] == 50_032).cloned();
        flow.unwrap()["ghostport"]["verdict"]["story"].clone()
    };
    assert_eq!(told(&[]), "negotiated_port");
    for earlier in ["scan-slow", "misdirected", "undetermined"] {
        let earlier = format!("captures/{earlier}/traffic.pcap");
        assert_eq!(told(&["-r", &earlier]), "negotiated_port", "{earlier}");
    }
}

#[test]
fn an_announcement() {
    let to = "10.6.1.10:1207";
    let [bind, bound] = speech::rpc_bind(speech::EMSMDB, 1207);
    let [map, mapped] = speech::ept_map(speech::EMSMDB, [10, 6, 1, 10], 1207);
    let [epm_bind, epm_bound] = speech::rpc_bind(speech::EPM, 135);
    let with = made(|tap| {
        let epm = tap.tcp(0, "10.6.0.20:50000", "10.6.1.10:135").open().ask(&epm_bind).answer(&epm_bound);
        epm.ask(&map).answer(&mapped).close();
        tap.tcp(900, FROM, to).open().ask(&bind).answer(&bound).close();
    });
    // The frame that carried it is lost.
    let is_announcement = |frame: &Recorded| frame.bytes.ends_with(&mapped);
    let without: Vec<_> = with.iter().filter(|frame| !is_announcement(frame)).cloned().collect();
    assert_eq!(without.len() + 1, with.len());
    hangs_on("announced_by", &with, &without, to);
}

#[test]
fn a_refusal() {
    let with = made(|tap| tap.tcp(0, FROM, TO).syn().reset());
    hangs_on("refused_by", &with, &with[..1], TO);
    let asks = |tap: &mut Tap, refused: bool| {
        let udp = tap.udp(0, FROM, TO).ask(b"?");
        if refused {
            udp.unreachable();
        }
    };
    is_true("goes", "refused_by", &made(|tap| asks(tap, true)), &made(|tap| asks(tap, false)), TO);
}

#[test]
fn the_bytes_of_malware() {
    let [hello, login, info] = speech::netbus();
    let with = made(|tap| tap.tcp(0, FROM, TO).open().answer(hello).ask(login).answer(info).close());
    let [one, two] = noise();
    let without = made(|tap| tap.tcp(0, FROM, TO).open().answer(&one).ask(&two).answer(&one).close());
    is_true("goes", "malware_bytes", &with, &without, TO);
}

#[test]
fn what_is_spoken() {
    let [get, ok] = speech::http("stock.example.net", "42 boxes\n");
    let [one, two] = noise();
    for to in ["10.6.1.10:3098", "10.6.1.10:80", "10.6.1.10:3000"] {
        let with = made(|tap| tap.tcp(0, FROM, to).open().ask(&get).answer(&ok).close());
        let without = made(|tap| tap.tcp(0, FROM, to).open().ask(&two).answer(&one).close());
        hangs_on("speaks", &with, &without, to);
    }
}

#[test]
fn an_answer() {
    let [one, two] = noise();
    let with = made(|tap| tap.tcp(0, FROM, TO).open().ask(&one).answer(&two).close());
    let without = made(|tap| tap.tcp(0, FROM, TO).open().ask(&one).close());
    is_true("goes", "answered", &with, &without, TO);
    let with = made(|tap| drop(tap.udp(0, FROM, TO).ask(&one).answer(&two)));
    is_true("goes", "answered", &with, &with[..1], TO);
}

#[test]
fn a_request() {
    let with = made(|tap| drop(tap.tcp(0, FROM, TO).syn().syn_ack()));
    is_true("goes", "answer_without_request", &with[1..], &with, TO);
}

#[test]
fn many_other_probes() {
    let probes = |ports: u16| {
        made(|tap| {
            for port in 0..ports {
                let to = format!("10.6.1.10:{}", 2000 + port);
                tap.tcp(u64::from(port) * 10, "10.6.0.20:40000", &to).syn().reset();
            }
            tap.tcp(5000, FROM, TO).syn().reset();
        })
    };
    hangs_on("fan_out", &probes(100), &probes(0), TO);
}

#[test]
fn attempts_on_the_minute() {
    let knocks = |times: u16| {
        made(|tap| {
            for time in 4 - times..4 {
                let from = if time == 3 { FROM.to_owned() } else { format!("10.6.0.20:{}", 40_000 + time) };
                drop(tap.tcp(u64::from(time) * 60_000, &from, TO).syn());
            }
        })
    };
    is_true("comes", "knocks", &knocks(1), &knocks(4), TO);
}

#[test]
fn a_flow_that_is_not_there_and_a_flow_id_that_is_none() {
    let capture = "captures/scan/traffic.pcap";
    binary::run(&["why", capture, "1"]).expect_code(2).expect_said(&["no flow 1"]);
    binary::run(&["why", capture, "x"]).expect_code(2).expect_said(&["flow_id"]);
    binary::run(&["why", "/no/such/file", "1"]).expect_code(65).expect_said(&["/no/such/file"]);
}

#[test]
fn the_capture_and_the_line_say_the_same() {
    let capture = "captures/negotiated_port/traffic.pcap";
    let said = binary::run(&["-r", capture, "--flows", "-o", "eve:-"]).stdout;
    for line in said.lines().filter(|line| line.contains("\"event_type\":\"flow\"")) {
        let id = lines::lines(line)[0]["flow_id"].to_string();
        let by_line = binary::run_with_stdin(&["why", "--json"], line.as_bytes()).events().remove(0);
        let by_capture = binary::run(&["why", capture, &id, "--json"]).events().remove(0);
        for key in ["verdict", "facts", "changes", "flow_id", "dest_port"] {
            assert_eq!(by_line[key], by_capture[key], "{key}");
        }
    }
}

#[test]
fn a_flow_that_turns_out_otherwise_is_told() {
    let all = scenarios::all();
    let scenario = all.iter().find(|scenario| scenario.name == "revised").expect("a folder");
    let events = captures::replay(scenario, &[]).events();
    let revised = |story: &str, from: &str, because: &str| {
        let part = json!({"event_type": "alert", "ghostport": {
            "verdict": {"story": story}, "revised": {"from": from, "because": because},
        }});
        let told = events.iter().filter(|event| lines::contains(event, &part)).count();
        assert_eq!(told, 1, "{part} in {events:#?}");
    };
    revised("nonstandard_port", "unidentified_listener", "speaks");
    revised("negotiated_port", "undetermined", "announced_by");
    let flat = captures::replay(scenario, &["--eve-extra", "metadata"]).stdout;
    assert!(flat.contains(r#""ghostport_revised_from":["unidentified_listener"]"#), "{flat}");
}

#[test]
fn the_catalogue_is_printed_and_stands_in_the_schema() {
    let run = binary::run(&["schema", "facts", "--json"]);
    run.expect_code(0);
    let facts: Vec<_> = run.events().iter().map(|fact| fact["fact"].clone()).collect();
    assert!(facts.len() > 30 && facts[0] == "speaks", "{facts:?}");
    let schema: Value = serde_json::from_str(&binary::run(&["schema"]).stdout).expect("JSON");
    assert_eq!(schema["$defs"]["fact"]["enum"], Value::from(facts));
    let text = binary::run(&["schema", "facts"]).stdout;
    assert!(text.contains("announced_by\n"), "{text}");
}
