//! One run, all formats at once: the same records in each, under the same identifiers, every line as its
//! receiver wants it. What a line holds is checked in `src/output/tests`; the outside judge is `make judge`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::schema::{schema, troubles};
use crate::support::{binary, tree};

const FORMATS: [&str; 6] = ["eve", "ecs", "ocsf", "hec", "syslog", "cef"];
const LINE_BYTES_MAX: usize = 10_000;
/// Of the formats that are not JSON, newline included.
const COMPACT_BYTES_MAX: usize = 1024;

/// All captures of the project in all formats; each format's lines.
fn replay(folder: &Path, workers: &str) -> BTreeMap<&'static str, String> {
    let captures = tree::root().join("captures").display().to_string();
    let mut args =
        vec!["-q", "-r", &captures, "--flows", "--ports", "--host", "sensor 1", "--workers", workers];
    let outputs = FORMATS.map(|format| format!("{format}:{format}"));
    args.extend(outputs.iter().flat_map(|output| ["-o", output]));
    binary::run_in(folder, &args).expect_code(0);
    let read = |format| fs::read_to_string(folder.join(format)).expect("an output");
    FORMATS.into_iter().map(|format| (format, read(format))).collect()
}

/// The identifier that a line has.
fn id(format: &str, line: &str) -> String {
    let json = || serde_json::from_str::<Value>(line).expect("JSON");
    let text = |value: &Value| value.as_str().expect("an identifier").to_owned();
    let after = |key: &str| {
        let (_, rest) = line.split_once(key).expect("an identifier");
        rest.chars().take(32).collect()
    };
    match format {
        "ecs" => text(&json()["event"]["id"]),
        "ocsf" => text(&json()["metadata"]["uid"]),
        "hec" => text(&json()["fields"]["event_id"]),
        "syslog" => after(" id=\""),
        _ => after("externalId="),
    }
}

#[test]
fn every_format_says_the_same_records_under_the_same_identifiers() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = replay(folder.path(), "1");
    let eve: Vec<Value> = said["eve"].lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(eve.len() > 500, "{} lines", eve.len());
    let ids = |format: &str| -> Vec<String> { said[format].lines().map(|line| id(format, line)).collect() };
    let all = ids("ecs");
    assert_eq!(all.len(), eve.len());
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), eve.len(), "two records with one identifier");
    for format in ["hec", "syslog", "cef"] {
        assert_eq!(ids(format), all, "{format}");
    }
    let carried = |event: &Value| event["event_type"] == "alert" || event["event_type"] == "flow";
    let findings: Vec<_> =
        eve.iter().zip(&all).filter(|(event, _)| carried(event)).map(|(_, id)| id.clone()).collect();
    assert_eq!(ids("ocsf"), findings, "OCSF has alerts and flows");
    for (line, event) in said["hec"].lines().zip(&eve) {
        let envelope: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(&envelope["event"], event);
    }
    let again = tempfile::tempdir().expect("a folder");
    assert!(said == replay(again.path(), "3"), "another run, other workers, other bytes");
}

#[test]
fn every_line_of_every_format_is_as_its_schema_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = replay(folder.path(), "1");
    for format in ["ecs", "ocsf", "hec"] {
        let schema = schema(format);
        for line in said[format].lines() {
            assert!(line.len() < LINE_BYTES_MAX, "{format}: a line of {} bytes", line.len());
            let troubles = troubles(&schema, &serde_json::from_str(line).expect("JSON"));
            assert!(troubles.is_empty(), "{format}: {}\n{line}", troubles.join("\n"));
        }
    }
    for (format, key_end) in [("syslog", "=\""), ("cef", "=")] {
        let schema = schema(format);
        let required = |kind: &str| -> Vec<String> {
            let rows = schema["keys"].as_array().expect("keys").iter();
            let wanted = rows.filter(|row| row["required"] == true && row["in"].to_string().contains(kind));
            wanted.map(|row| format!("{}{key_end}", row["key"].as_str().expect("a key"))).collect()
        };
        let kinds = ["alert", "flow", "port", "stats"].map(|kind| (kind, required(kind)));
        for line in said[format].lines() {
            assert!(line.len() < COMPACT_BYTES_MAX, "{format}: a line of {} bytes", line.len());
            let is = |kind: &str| {
                let names = [format!(" {} [", kind.to_uppercase()), format!("|{kind}|")];
                names.iter().any(|name| line.contains(name.as_str()))
            };
            let (kind, required) = kinds.iter().find(|(kind, _)| is(kind)).unwrap_or(&kinds[0]);
            for key in required {
                assert!(line.contains(key.as_str()), "{format}: {key} is missing in {kind}: {line}");
            }
        }
    }
}

#[test]
fn the_way_of_a_flow_follows_the_networks_that_are_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ours.toml"), "internal = \"203.0.113.0/24\"").expect("writes");
    let capture = tree::root().join("captures/scan").display().to_string();
    let ways = |rules: &[&str]| -> BTreeSet<String> {
        let args = [&["-q", "-r", &capture, "--flows", "-o", "ecs:-"], rules].concat();
        let events = binary::run_in(folder.path(), &args).events();
        let ways = events.iter().filter_map(|event| event["network"]["direction"].as_str());
        ways.map(str::to_owned).collect()
    };
    assert_eq!(ways(&[]), BTreeSet::from(["inbound".to_owned()]));
    assert_eq!(ways(&["-s", "ours.toml"]), BTreeSet::from(["outbound".to_owned()]));
}

#[test]
fn what_is_no_format_is_said_with_what_there_is() {
    binary::run(&["schema", "xml"]).expect_code(2).expect_said(&["eve, ecs, ocsf, hec, syslog, cef, facts"]);
    binary::run(&["-r", "captures/scan", "-o", "xml:-"]).expect_code(2).expect_said(&["ecs, ocsf"]);
}
