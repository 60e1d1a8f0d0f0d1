//! The registry on the real binary: what a site knows about its own ports changes what a replay says, and the
//! questions of `explain` and `ports` are answered.

use std::path::Path;

use serde_json::Value;

use crate::cli;
use crate::support::binary;

/// Something of no known protocol answers on 3206 here.
const TRACE: &str = "captures/unidentified_listener/traffic.pcap";

fn written(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn replay(more: &[&str]) -> (String, usize, Value) {
    let run = binary::run(&[&["-q", "-r", TRACE, "--flows", "-o", "eve:-"], more].concat());
    run.expect_code(0);
    let events = run.events();
    let of = |kind: &str| events.iter().filter(|e| e["event_type"] == kind).cloned().collect::<Vec<_>>();
    let flow = of("flow").remove(0);
    let story = flow["ghostport"]["verdict"]["story"].as_str().unwrap().to_owned();
    (story, of("alert").len(), flow["ghostport"]["status"].clone())
}

#[test]
fn a_sites_services_file_changes_the_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let list = written(dir.path(), "services", "stock-ticker 3206/tcp # our own\n");
    let imported = binary::run(&["ports", "import", &list, "--origin", "shop services 2026-11"]);
    imported.expect_code(0);
    let claims = written(dir.path(), "site.toml", &imported.stdout);
    let (before, after) = (replay(&[]), replay(&["--claims", &claims]));
    assert_eq!((before.0.as_str(), before.2.as_str()), ("unidentified_listener", Some("dormant")));
    assert_eq!((after.0.as_str(), after.2.as_str()), ("registered_service", Some("active")));
}

#[test]
fn a_suppressed_service_raises_no_alert() {
    let dir = tempfile::tempdir().unwrap();
    let rules = written(
        dir.path(),
        "expected.toml",
        "[[suppress]]\nrule = \"unidentified-listener\"\nnet = \"10.1.1.60/32\"\nreason = \"our ticker\"\n",
    );
    let (before, after) = (replay(&[]), replay(&["-s", &rules]));
    assert!(before.1 > 0);
    assert_eq!(after.1, 0);
    assert_eq!(before.0, after.0, "the verdict stays what it is");
}

#[test]
fn an_expected_file_covers_a_protocol_and_expires() {
    let dir = tempfile::tempdir().unwrap();
    let expected = |day: &str| {
        format!(
            "[[expected]]\nnet = \"10.1.1.98/32\"\nports = 3098\napp_proto = \"http\"\nowner = \"shop\"\n\
             expires = {day}\n"
        )
    };
    let alerts = |rules: &str| {
        let trace = "captures/nonstandard_port/traffic.pcap";
        let run = binary::run(&["-q", "-r", trace, "-o", "eve:-", "-s", rules]);
        run.expect_code(0);
        let events = run.events();
        let alerts = events.iter().filter(|e| e["event_type"] == "alert" && e["dest_ip"] == "10.1.1.98");
        alerts.filter(|e| e["dest_port"] == 3098 && e["app_proto"] == "http").count()
    };
    let until_later = written(dir.path(), "later.toml", &expected("2027-06-30"));
    let until_before = written(dir.path(), "before.toml", &expected("2025-06-30"));
    assert_eq!(alerts(&until_later), 0);
    assert!(alerts(&until_before) > 0);
}

#[test]
fn questions_are_answered() {
    let said = |args: &[&str]| {
        let run = binary::run(args);
        run.expect_code(0);
        run.stdout
    };
    let explained = said(&["explain", "3000-3007"]);
    assert_eq!(explained.lines().filter(|line| line.starts_with("300")).count(), 8, "{explained}");
    for (port, commands) in [
        ("3007", ["ss -tulnp 'sport = :3007'", "lsof -nP -i :3007", "netstat -ano", "--flows 'port 3007'"]),
        (
            "3007/tcp",
            ["ss -tlnp 'sport", "-iTCP:3007", "Get-NetTCPConnection -LocalPort 3007", "'tcp port 3"],
        ),
        ("3007/udp", ["ss -ulnp 'sport", "-iUDP:3007", "Get-NetUDPEndpoint -LocalPort 3007", "'udp port 3"]),
    ] {
        let explained = said(&["explain", port]);
        for command in commands {
            assert!(explained.contains(command), "{command}: {explained}");
        }
    }
    assert_eq!(said(&["explain", "3000-3007", "--json"]).lines().count(), 16);
    assert!(said(&["explain", "IronMail"]).starts_with("3206/tcp"));
    assert!(said(&["explain", "9/dccp"]).contains("discard"));
    assert!(said(&["ports", "--name", "mongo", "--transport", "tcp"]).contains("27017/tcp"));
    assert_eq!(said(&["ports", "--range", "4-4", "--transport", "tcp"]).trim(), "4/tcp       unassigned  -");
    assert_eq!(said(&["ports", "diff", "builtin", "builtin"]), "");
    let free = said(&["ports", "free", "28100-28110"]);
    assert!(free.lines().count() > 0, "{free}");
    binary::run(&["explain", "1-65535"]).expect_code(2);
    binary::run(&["ports", "free", "9-3"]).expect_code(2);
}

#[test]
fn ports_that_a_sensor_saw_are_not_free() {
    let dir = tempfile::tempdir().unwrap();
    let seen = written(dir.path(), "eve.json", "{\"dest_port\":28105,\"proto\":\"TCP\"}\nno json\n");
    let run = binary::run(&["ports", "free", "28105", "--seen", &seen]);
    assert_eq!(run.expect_code(0).stdout, "");
}

/// One screen: what a terminal of 50 lines shows, headline included.
#[test]
fn a_port_is_explained_on_one_screen() {
    const SCREEN: usize = 45;
    for port in ["1207", "3007", "3098", "3206", "443", "3007/tcp", "3000-3003"] {
        let run = binary::run(&["explain", port]);
        run.expect_code(0);
        assert!(run.stdout.lines().count() <= SCREEN, "{}", run.stdout);
        cli::snapshot(&format!("explain-{}.txt", port.replace('/', "-")), &run.stdout);
    }
}

/// Claims on more ports than anybody can mean one by one take none of them.
#[test]
fn a_wide_claim_leaves_its_numbers_free() {
    let dir = tempfile::tempdir().unwrap();
    let claims = |ports: &str| {
        let text = format!(
            "[[claim]]\nid = \"media\"\nports = \"{ports}\"\ntransport = \"udp\"\nkind = \"squatter\"\n\
             name = \"our media\"\nstatus = \"active\"\nsource = \"wiki\"\n"
        );
        written(dir.path(), "site.toml", &text)
    };
    let free = |claims: &str| {
        let run = binary::run(&["ports", "free", "28100-28110", "--claims", claims]);
        run.expect_code(0);
        run
    };
    let wide = free(&claims("20000-30000"));
    assert_eq!(wide.stdout, binary::run(&["ports", "free", "28100-28110"]).stdout);
    wide.expect_said(&["20000-30000", "our media"]);
    assert_eq!(free(&claims("28100-28110")).stdout, "");
    let all = binary::run(&["ports", "free", "28100-28110", "--all"]);
    assert_eq!(all.stdout, wide.stdout, "a pipe and --all say the same");
}
