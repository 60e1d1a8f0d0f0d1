//! `captures/`: a folder is a test. The traffic is made anew and compared byte for byte, the real binary
//! replays it, and what it says is compared line by line with `expect.jsonl`, all differences at once.
//! `BLESS=1` rewrites the files.
//!
//! Blessing writes down what is; whether it is right is decided by the labels in `tests/scenarios` and by
//! `never.jsonl`, and these are checked also while blessing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::scenarios::{self, Alert, Labelled, Scenario};
use crate::support::pcap::{self, Format};
use crate::support::{binary, json as lines, tree};

#[test]
fn every_capture_is_what_its_scenario_makes() {
    let mut troubles = Vec::new();
    for scenario in scenarios::all() {
        for (name, bytes) in made_files(&scenario) {
            let path = folder(&scenario).join(&name);
            let there = fs::read(&path).unwrap_or_default();
            let same = if name.ends_with(".gz") && !there.is_empty() {
                pcap::gunzip(&there) == pcap::gunzip(&bytes) // another version may compress differently
            } else {
                there == bytes
            };
            if same {
                continue;
            }
            if blessing() {
                fs::create_dir_all(folder(&scenario)).expect("captures/ can be written");
                fs::write(&path, bytes).expect("captures/ can be written");
            } else {
                troubles.push(format!(
                    "{} is not what tests/scenarios makes: BLESS=1 rewrites it",
                    path.display()
                ));
            }
        }
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

#[test]
fn every_folder_has_a_scenario() {
    let known: BTreeSet<_> = scenarios::all().into_iter().map(|scenario| scenario.name).collect();
    let entries = fs::read_dir(tree::root().join("captures")).expect("captures/ is there");
    let strangers: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !known.contains(name))
        .collect();
    assert!(strangers.is_empty(), "captures/ without a scenario: {strangers:?}");
}

#[test]
fn every_story_has_its_folder() {
    let names: BTreeSet<_> = scenarios::all().into_iter().map(|scenario| scenario.name).collect();
    for story in ghostport::verdict::Story::ALL {
        assert!(names.contains(story.name()), "no capture folder for the story {}", story.name());
    }
}

#[test]
fn replays_say_what_is_expected() {
    let mut troubles = String::new();
    for scenario in scenarios::all() {
        let run = replay(&scenario, &[]);
        let mut found: Vec<String> = Vec::new();
        if run.code != Some(0) {
            found.push(format!("exit {:?} (hung: {}), stderr: {}", run.code, run.hung, run.stderr));
        }
        found.extend(wrong_labels(&scenario.flows, &run.events()));
        found.extend(forbidden(&scenario.never, &run.events()));
        let path = folder(&scenario).join("expect.jsonl");
        if blessing() {
            fs::write(&path, &run.stdout).expect("captures/ can be written");
        }
        found.extend(differences(&fs::read_to_string(&path).unwrap_or_default(), &run.stdout));
        if !found.is_empty() {
            writeln!(troubles, "── {}\n{}", scenario.name, found.join("\n")).expect("writes to memory");
        }
    }
    assert!(troubles.is_empty(), "\n{troubles}");
}

/// Port buckets hold the same totals as the flows they were gathered from, and each flow is counted once.
#[test]
fn buckets_add_up_to_the_flows() {
    for scenario in scenarios::all() {
        let events = replay(&scenario, &[]).events();
        let of = |kind: &str| events.iter().filter(|e| e["event_type"] == kind).collect::<Vec<_>>();
        let (ports, flows) = (of("port"), of("flow"));
        let in_buckets = |key: &str| -> Option<u64> {
            ports.iter().map(|event| event["ghostport"]["bucket"][key].as_u64()).sum()
        };
        assert_eq!(in_buckets("flows"), Some(flows.len() as u64), "{}: flows", scenario.name);
        for key in ["pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient"] {
            let in_flows: Option<u64> = flows.iter().map(|event| event["flow"][key].as_u64()).sum();
            assert_eq!(in_buckets(key), in_flows, "{}: {key}", scenario.name);
        }
    }
}

fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// The folder of a scenario.
pub(crate) fn folder(scenario: &Scenario) -> PathBuf {
    tree::root().join("captures").join(&scenario.name)
}

/// Replays a scenario's files with flows and ports as lines, from inside its folder.
pub(crate) fn replay(scenario: &Scenario, more: &[&str]) -> binary::Run {
    let mut args = Vec::new();
    for file in &scenario.files {
        args.extend(["-r", file.name]);
    }
    args.extend(["--flows", "--ports", "-o", "eve:-"]);
    args.extend(more);
    binary::run_in(&folder(scenario), &args)
}

/// Everything in the folder but `expect.jsonl`, as the scenario makes it.
fn made_files(scenario: &Scenario) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = scenario
        .files
        .iter()
        .map(|file| (file.name.to_string(), pcap::write(file.format, &file.frames)))
        .collect();
    let never: String = scenario.never.iter().map(|part| format!("{part}\n")).collect();
    files.push(("never.jsonl".into(), never.into_bytes()));
    files.push(("README.md".into(), readme(scenario).into_bytes()));
    files
}

fn readme(scenario: &Scenario) -> String {
    let names: Vec<_> = scenario.files.iter().map(|file| file.name).collect();
    let options: String = names.iter().map(|name| format!("-r {name} ")).collect();
    let mut text = format!("# {}\n{}\n\n", scenario.name, scenario.proves);
    text.push_str("| what happens | transport | originator | responder | story | outcome | alert |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for flow in &scenario.flows {
        let alert = match flow.alert {
            Alert::Must => "yes",
            Alert::Never => "never",
            Alert::May => "",
        };
        let (stories, outcomes) = (flow.stories.join(" or "), flow.outcomes.join(" or "));
        let Labelled { what, proto, originator, responder, .. } = flow;
        writeln!(
            text,
            "| {what} | {proto} | {originator} | {responder} | {stories} | {outcomes} | {alert} |"
        )
        .expect("writes to memory");
    }
    let kinds: BTreeSet<_> = scenario.files.iter().map(|file| format_name(file.format)).collect();
    let kinds: Vec<_> = kinds.into_iter().collect();
    write!(
        text,
        "\nMade by `tests/scenarios` ({}), reproducible byte for byte; `BLESS=1 cargo test` rewrites it. \
         `expect.jsonl` is what\n`ghostport {options}--flows --ports -o eve:-` says in this folder; no line \
         may match one of `never.jsonl`.\n",
        kinds.join(", ")
    )
    .expect("writes to memory");
    text
}

const fn format_name(format: Format) -> &'static str {
    match format {
        Format::Pcap => "pcap",
        Format::Pcapng => "pcapng",
        Format::PcapGz => "pcap compressed with gzip",
    }
}

/// What the output says otherwise than the labels.
fn wrong_labels(labels: &[Labelled], events: &[Value]) -> Vec<String> {
    labels.iter().flat_map(|label| wrong_label(label, events)).collect()
}

fn wrong_label(label: &Labelled, events: &[Value]) -> Vec<String> {
    let name = format!("{} ({} → {} {})", label.what, label.originator, label.responder, label.proto);
    let matching = |kind: &str| {
        let pattern = ends(label, kind);
        events.iter().filter(move |event| lines::contains(event, &pattern))
    };
    let Some(flow) = matching("flow").next_back() else {
        return vec![format!("no flow: {name}")];
    };
    let ours = &flow["ghostport"];
    let mut wrong = Vec::new();
    let mut check = |what: &str, said: &Value, allowed: &[&str]| {
        if !allowed.is_empty() && !allowed.iter().any(|right| said == right) {
            wrong.push(format!("{what} is {said} and must be {}: {name}", allowed.join(" or ")));
        }
    };
    check("story", &ours["verdict"]["story"], &label.stories);
    check("outcome", &ours["outcome"], &label.outcomes);
    check("app_proto", &flow["app_proto"], label.app.as_slice());
    if let Some(fact) = label.fact
        && !lines::contains(&ours["evidence"], &json!([{"fact": fact}]))
    {
        wrong.push(format!("no fact {fact}: {name}"));
    }
    // One alert may stand for many flows; each of them says whether one does.
    let is_alerted = flow["flow"]["alerted"] == true || matching("alert").next().is_some();
    match (label.alert, is_alerted) {
        (Alert::Must, false) => wrong.push(format!("no alert: {name}")),
        (Alert::Never, true) => wrong.push(format!("an alert: {name}")),
        _ => {}
    }
    wrong
}

/// The pattern of a record about the labelled flow.
fn ends(label: &Labelled, kind: &str) -> Value {
    let end = |text: &str| text.parse::<std::net::SocketAddr>().expect("an endpoint");
    let (from, to) = (end(&label.originator), end(&label.responder));
    json!({
        "event_type": kind, "proto": label.proto,
        "src_ip": from.ip().to_string(), "src_port": from.port(),
        "dest_ip": to.ip().to_string(), "dest_port": to.port(),
    })
}

/// Lines that match what may never be said.
fn forbidden(never: &[Value], events: &[Value]) -> Vec<String> {
    never
        .iter()
        .flat_map(|part| {
            let hits = events.iter().filter(move |event| lines::contains(event, part));
            hits.map(move |event| format!("must never appear: {part}\n  in {event}"))
        })
        .collect()
}

/// All lines that differ, both sides.
fn differences(expected: &str, got: &str) -> Vec<String> {
    let (expected, got): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
    (0..expected.len().max(got.len()))
        .filter(|&line| expected.get(line) != got.get(line))
        .map(|line| {
            let side = |lines: &[&str]| lines.get(line).map_or("(no line)".to_string(), ToString::to_string);
            format!("line {}:\n  expected {}\n  got      {}", line + 1, side(&expected), side(&got))
        })
        .collect()
}

#[test]
fn the_checks_can_fail() {
    assert_eq!(differences("a\nb\n", "a\nc\nd\n").len(), 2);
    let event = json!({
        "event_type": "flow", "proto": "TCP", "src_ip": "10.0.0.1", "src_port": 5, "dest_ip": "10.0.0.2",
        "dest_port": 3007, "app_proto": "http",
        "ghostport": {"outcome": "opened", "verdict": {"story": "scan"}},
    });
    assert_eq!(
        forbidden(&[json!({"dest_port": 3007}), json!({"dest_port": 1})], std::slice::from_ref(&event)).len(),
        1
    );
    let label = |responder: &str, story: &'static str| Labelled {
        what: "x",
        proto: "TCP",
        originator: "10.0.0.1:5".into(),
        responder: responder.into(),
        stories: vec![story],
        outcomes: vec!["opened"],
        app: Some("http"),
        fact: None,
        alert: Alert::Never,
    };
    assert!(wrong_label(&label("10.0.0.2:3007", "scan"), std::slice::from_ref(&event)).is_empty());
    assert_eq!(wrong_label(&label("10.0.0.2:3007", "misdirected"), std::slice::from_ref(&event)).len(), 1);
    assert_eq!(wrong_label(&label("10.0.0.2:3008", "scan"), std::slice::from_ref(&event)).len(), 1);
    let must = Labelled { alert: Alert::Must, fact: Some("speaks"), ..label("10.0.0.2:3007", "scan") };
    assert_eq!(wrong_label(&must, &[event]).len(), 2);
}
