//! The registry on the real binary: what a site knows about its own ports changes what a replay says, and the
//! questions of `explain` and `ports` are answered.

use std::collections::BTreeSet;
use std::path::Path;

use ghostport::registry::{PortStatus, Registry};
use ghostport::wire::Transport;
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

/// What a sensor saw answering and could name makes the port active, with the reason, and explains nothing:
/// the story stays what it is.
#[test]
fn what_a_sensor_saw_answering_makes_a_port_active() {
    let dir = tempfile::tempdir().unwrap();
    let trace = "captures/nonstandard_port/traffic.pcap"; // HTTP on 3098, among others
    let watched = |more: &[&str]| {
        let run = binary::run(&[&["-q", "-r", trace, "--flows", "--ports", "-o", "eve:-"], more].concat());
        run.expect_code(0);
        let flow =
            |e: &&Value| e["event_type"] == "flow" && e["dest_port"] == 3098 && e["app_proto"] == "http";
        let ghost = run.events().iter().find(flow).unwrap()["ghostport"].clone();
        (run.stdout, [ghost["status"].clone(), ghost["verdict"]["story"].clone()])
    };
    let (lines, before) = watched(&[]);
    assert_eq!(before, ["dormant", "nonstandard_port"]);
    let imported = binary::run(&["ports", "import", &written(dir.path(), "eve.json", &lines)]);
    imported.expect_code(0);
    assert!(imported.stdout.contains("source = \"seen by this sensor, 2026-"), "{}", imported.stdout);
    let claims = written(dir.path(), "seen.toml", &imported.stdout);
    assert_eq!(watched(&["--claims", &claims]).1, ["active", "nonstandard_port"]);
    let listed = ["ports", "--range", "3098-3098", "--status", "active", "--why", "--claims", &claims];
    let words = |asked: &[&str]| binary::run(asked).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = words(&listed);
    assert!(said.contains("seen answering (3098/tcp/seen; seen by this sensor, 2026-"), "{said}");
    let said = words(&["explain", "3098/tcp", "--claims", &claims]);
    assert!(said.contains("3098/tcp umm-port · registered tier · active"), "{said}");
    assert!(
        said.contains("seen by this sensor, 2026-01-01 to 2026-01-01, 2 answered flows on 2 hosts"),
        "{said}"
    );
    assert!(said.contains("[3098/tcp/seen]"), "{said}");
}

/// A listener that nobody can explain is not explained by having been seen: its port stays dormant, and its
/// alert comes again.
#[test]
fn a_riddle_seen_before_is_still_a_riddle() {
    let dir = tempfile::tempdir().unwrap();
    let watched = binary::run(&["-q", "-r", TRACE, "--flows", "-o", "eve:-"]);
    let imported = binary::run(&["ports", "import", &written(dir.path(), "eve.json", &watched.stdout)]);
    assert!(imported.expect_code(0).stdout.contains("ports = 3206"), "{}", imported.stdout);
    let claims = written(dir.path(), "seen.toml", &imported.stdout);
    assert_eq!(replay(&["--claims", &claims]), replay(&[]));
}

/// A scan that nobody answers keeps no port alive and takes none.
#[test]
fn a_scan_is_no_sign_of_life() {
    let dir = tempfile::tempdir().unwrap();
    let scan = binary::run(&["-q", "-r", "captures/scan/traffic.pcap", "--flows", "--ports", "-o", "eve:-"]);
    let flows = scan.events().into_iter().filter(|e| e["event_type"] == "flow");
    let (answered, silent): (Vec<_>, Vec<_>) = flows
        .partition(|e| ["established", "two_way"].contains(&e["ghostport"]["outcome"].as_str().unwrap()));
    assert!(silent.len() > 10);
    let eve = written(dir.path(), "eve.json", &scan.stdout);
    let imported = binary::run(&["ports", "import", &eve]);
    imported.expect_code(0);
    let ports: BTreeSet<_> = answered.iter().map(|e| e["dest_port"].as_u64().unwrap()).collect();
    assert_eq!(imported.stdout.matches("[[claim]]").count(), ports.len(), "{}", imported.stdout);
    assert!(imported.stderr.contains("lines about flows without an answer"), "{}", imported.stderr);
}

#[test]
fn ports_that_a_sensor_saw_are_not_free() {
    let dir = tempfile::tempdir().unwrap();
    let line = |port: u16, outcome: &str| {
        format!(
            "{{\"timestamp\":\"2026-11-02T00:00:00.000000+0000\",\"event_type\":\"flow\",\"dest_ip\":\"10.0.0.1\",\
             \"flow\":{{\"start\":\"2026-11-01T00:00:00.000000+0000\"}},\"ghostport\":{{\"port\":{port},\
             \"transport\":\"tcp\",\"outcome\":\"{outcome}\",\"direction\":{{\"basis\":\"syn\"}},\
             \"verdict\":{{\"story\":\"nonstandard_port\"}}}}}}\n"
        )
    };
    let text = [line(28105, "established"), line(28104, "refused"), line(28106, "opened")].concat();
    let seen = written(dir.path(), "eve.json", &text);
    let run = binary::run(&["ports", "free", "28104-28106", "--seen", &seen]);
    assert_eq!(run.expect_code(0).stdout, "28104\n28106\n");
    let imported = binary::run(&["ports", "import", &seen, "--origin", "dmz"]).stdout;
    let claims = written(dir.path(), "seen.toml", &imported);
    let run = binary::run(&["ports", "free", "28104-28106", "--claims", &claims]);
    assert_eq!(run.expect_code(0).stdout, "28104\n28106\n");
    // Damaged lines are counted and said; what was readable still counts.
    let damaged = written(dir.path(), "damaged.json", &format!("{text}no json\n{{\"event_type\":\"flow\"\n"));
    let run = binary::run(&["ports", "free", "28105", "--seen", &damaged]);
    assert_eq!(run.expect_code(3).stdout, "");
    assert!(
        run.stderr.contains("damaged.json:4: no event") && run.stderr.contains("2 damaged lines"),
        "{}",
        run.stderr
    );
    binary::run(&["ports", "import", &damaged]).expect_code(3);
}

/// Rows as they stand in IANA's registry (its XML of 2026-08-17, read by hand): port, transport, name,
/// registered, modified. `-` is reserved, `?` unassigned, `.` no date. Among them are the six ports that are
/// named on one transport and listed as unassigned on another or within a range.
const REGISTRY: [&str; 18] = [
    "0 tcp - . . | 1 tcp tcpmux . . | 4 udp ? . . | 7 udp echo . . | 9 sctp discard . 2022-02-07",
    "9 dccp discard . . | 22 tcp ssh . . | 22 sctp ssh . 2022-02-07 | 47 tcp - . . | 53 udp domain . .",
    "80 tcp http . 2021-10-01 | 80 sctp http . 2022-02-07 | 143 tcp imap . 2021-02-22 | 143 udp - . .",
    "443 udp https . 2021-10-01 | 465 tcp submissions 2017-12-12 . | 465 udp igmpv3lite . .",
    "1021 dccp exp1 . . | 1207 tcp metasage . . | 1207 udp metasage . . | 1207 sctp ? . .",
    "2049 sctp nfs . . | 3000 tcp hbci . . | 3007 tcp lotusmtap . . | 3098 udp umm-port . .",
    "3206 tcp ironmail . . | 3306 tcp mysql . . | 3324 udp active-net . . | 3980 tcp - . .",
    "4000 tcp terabase . . | 4341 udp lisp-data 2007-11-12 2021-02-17 | 4341 tcp - . .",
    "5004 dccp avt-profile-1 . . | 5060 udp sip . 2014-04-09 | 5060 sctp sip . .",
    "5316 tcp hpbladems 2011-05-23 2011-05-16 | 5316 udp ? . . | 6063 tcp x11 . .",
    "6701 tcp kti-icad-srvr . . | 6701 sctp ? . . | 6702 udp e-design-net 2006-02 . | 6702 sctp ? . .",
    "7747 tcp prgp 2008-02-22 . | 7748 tcp ? . . | 7775 tcp inetfs 2016-01-28 . | 7775 udp - . .",
    "7775 sctp ? . . | 7776 udp ? . . | 7997 tcp pushns 2011-01-31 . | 7997 udp - . . | 7997 sctp ? . .",
    "9100 tcp pdl-datastream 2002-09 . | 10321 tcp - . . | 27017 tcp mongodb 2019-02-21 .",
    "29118 sctp sgsap 2009-06-11 . | 36422 sctp x2-control 2009-09-01 .",
    "38412 sctp ng-control 2017-05-18 2017-05-19 | 44323 tcp pmwebapi 2013-10-09 . | 44323 udp ? . .",
    "44818 tcp EtherNet-IP-2 . . | 48000 tcp nimcontroller . . | 48630 tcp ? . .",
    "49001 udp nusdp-disc 2017-04-20 . | 49150 tcp inspider 2017-11-06 . | 49151 tcp - . .",
];

#[test]
fn a_spot_check_against_the_registry() {
    let registry = Registry::builtin();
    let rows: Vec<&str> = REGISTRY.iter().flat_map(|line| line.split(" | ")).collect();
    assert!(rows.len() >= 40);
    for row in rows {
        let words: Vec<&str> = row.split(' ').collect();
        let (port, name) = (words[0].parse().unwrap(), words[2]);
        let Some(transport) = Transport::from_name(words[1]) else {
            assert_eq!((words[1], Registry::dccp(port)[0].0), ("dccp", name), "{row}");
            continue;
        };
        let dossier = registry.dossier(transport, port);
        let dates = [dossier.registered_on, dossier.modified_on].map(|date| date.unwrap_or("."));
        match name {
            "?" => assert_eq!((dossier.registered, dossier.status), (None, PortStatus::Unassigned), "{row}"),
            "-" => assert_eq!((dossier.registered, dossier.status), (None, PortStatus::Reserved), "{row}"),
            name => assert_eq!((dossier.registered, dates), (Some(name), [words[3], words[4]]), "{row}"),
        }
    }
}

/// What was assigned and is not any more says since when, as far as the sources know.
#[test]
fn former_assignments_have_their_dates() {
    let registry = Registry::builtin();
    let former = |transport, port: u16| {
        registry.on(transport, port).iter().find(|claim| claim.id.ends_with("/iana-former")).cloned()
    };
    let ports = [
        2, 3, 47, 61, 143, 359, 831, 832, 833, 993, 1301, 1302, 2200, 3071, 3980, 4341, 4342, 5030, 5153,
        6789, 10321,
    ];
    let keys = [Transport::Tcp, Transport::Udp].into_iter().flat_map(|t| (0..=u16::MAX).map(move |p| (t, p)));
    let gone: Vec<_> = keys.filter(|&(t, p)| former(t, p).is_some()).collect();
    assert_eq!(gone.len(), 34);
    assert_eq!(gone.iter().map(|&(_, port)| port).collect::<BTreeSet<_>>(), ports.into());
    for (transport, port) in gone {
        let claim = former(transport, port).unwrap();
        let (_, when) = claim.source.split_once("; named in that of 2015-07-15, ").unwrap();
        assert!(when.starts_with("de-assigned 20") || when.starts_with("gone by 20"), "{port}: {when}");
        assert_eq!(claim.until.is_some(), when.starts_with("de-assigned"), "{port}");
        assert!(registry.tags(transport, port).remembered, "{port}");
    }
    let run = binary::run(&["explain", "3980/tcp"]);
    let said = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["acms", "2006-06 to 2020-12-29", "named in that of 2015-07-15, de-assigned 2020-12-29"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// IANA's own remarks: ends of assignments without a name in the sources, and uses that nobody registered.
#[test]
fn the_registrys_notes_are_queryable() {
    let said = |args: &[&str]| binary::run(args).expect_code(0).stdout.clone();
    let removed = said(&["ports", "--range", "1030-1030", "--tag", "remembered", "--why"]);
    assert!(removed.contains("an earlier assignment was removed from the registry 2013-05-24"), "{removed}");
    // Text for people is broken into lines.
    let told = |port: &str| said(&["explain", port]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told("8077/tcp").contains("removed from the registry 2024-01-05"));
    assert!(told("3000/tcp").contains("unassigned but widespread use"));
    let noted = said(&["ports", "--name", "iana-note", "--transport", "tcp"]);
    assert_eq!(noted.lines().count(), 178, "{noted}");
    assert!(told("4000/tcp").contains("also used by ICQ"));
    assert!(told("7499/udp").contains("noted by IANA as used without an assignment"));
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
