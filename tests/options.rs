//! The options one by one, on the real binary: who wins over whom, what `-w` writes, how much is said, what a
//! terminal shows, and what the small subcommands print.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{binary, skip_aloud, tree};

const QUIET: &str = "captures/registered_service/traffic.pcap";
const MALWARE: &str = "captures/suspected_malware/traffic.pcap";
const SCAN: &str = "captures/scan/traffic.pcap";

fn host_of(run: &binary::Run) -> Value {
    run.expect_code(0);
    run.stats()["host"].clone()
}

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ghostport.toml");
    fs::write(&file, "host = \"file\"\nflows = true\n").expect("writes");
    let config = file.display().to_string();
    let run = |args: &[&str], environment: Option<&str>| {
        let mut command = binary::ghostport(&[&["-r", MALWARE], args].concat());
        command.envs(environment.map(|host| ("GHOSTPORT_HOST", host)));
        host_of(&binary::finish(command, &[], Duration::from_secs(60)))
    };
    let flag = ["-c", &config, "--host", "flag"];
    assert_eq!(run(&flag, Some("environment")), "flag");
    assert_eq!(run(&flag[..2], Some("environment")), "environment");
    assert_eq!(run(&flag[..2], None), "file");
    assert_eq!(run(&[], None), Value::Null);
    let flows = binary::run(&["-r", MALWARE, "-c", &config]).events();
    assert!(flows.iter().any(|event| event["event_type"] == "flow"), "the file turns flows on");
    let mut command = binary::ghostport(&["-r", MALWARE]);
    command.env("GHOSTPORT_CONFIG", &config);
    assert_eq!(host_of(&binary::finish(command, &[], Duration::from_secs(60))), "file");
}

#[test]
fn lines_that_no_output_takes_are_said_to_be_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = |args: &[&str]| {
        let scan = tree::root().join(SCAN).display().to_string();
        let run = binary::run_in(folder.path(), &[&["-r", &scan], args].concat());
        run.expect_code(0);
        run.stderr
            .lines()
            .filter(|line| line.contains("shows nothing"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let ports = "ghostport: --ports shows nothing: no output takes port lines (ocsf has none)";
    assert_eq!(said(&["--ports", "--flows", "-o", "ocsf:ocsf"]), [ports]);
    assert_eq!(said(&["--ports", "-T", "-o", "ocsf:ocsf"]), [ports]);
    let flows = "ghostport: --flows shows nothing: no output takes flow lines";
    assert_eq!(said(&["--flows", "-o", "eve[alert]:eve"]), [flows]);
    for silent in [&["--ports", "-o", "ocsf:ocsf", "-o", "eve:-"][..], &["--ports", "-q", "-o", "ocsf:ocsf"]]
    {
        assert_eq!(said(silent), [""; 0]);
    }
}

#[test]
fn a_filter_may_stand_in_a_file_or_in_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let [filter, config] = ["filter", "config.toml"].map(|name| folder.path().join(name));
    fs::write(&filter, "tcp and\n port 12345\n").expect("writes");
    fs::write(&config, "filter = \"tcp and port 12345\"\n").expect("writes");
    let [filter, config] = [filter, config].map(|path| path.display().to_string());
    let typed = binary::run(&["-r", MALWARE, "--flows", "tcp", "and", "port", "12345"]);
    for args in [["-F", &filter], ["-c", &config]] {
        let run = binary::run(&[&["-r", MALWARE, "--flows"], &args[..]].concat());
        run.expect_code(0);
        assert_eq!(run.stdout, typed.stdout, "{args:?}");
    }
    binary::run(&["-r", MALWARE, "-F", &filter, "udp"]).expect_code(2);
    binary::run(&["-r", MALWARE, "-F", "/no/such/filter"]).expect_said(&["/no/such/filter"]);
}

#[test]
fn packets_of_alerting_flows_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("alerts.pcapng").display().to_string();
    let inputs = ["-r", SCAN, "-r", MALWARE, "-r", QUIET];
    let all = binary::run(&[&inputs[..], &["--flows", "-w", &file]].concat());
    all.expect_code(0);
    let again = binary::run(&["-r", &file, "--flows"]);
    again.expect_code(0);
    let ids = |run: &binary::Run, wanted: fn(&serde_json::Value) -> bool| {
        let events = run.events().into_iter().filter(|event| event["event_type"] == "flow" && wanted(event));
        let mut ids: Vec<_> = events.map(|event| event["community_id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    let alerting = ids(&all, |flow| flow["flow"]["alerted"] == true);
    assert!(!alerting.is_empty() && alerting.len() < ids(&all, |_| true).len());
    assert_eq!(ids(&again, |_| true), alerting, "their flows, and no others");
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_read() {
    let run = binary::run(&["-r", MALWARE, "-w", "/no/such/folder/x.pcapng"]);
    run.expect_code(78).expect_said(&["cannot write", "/no/such/folder/x.pcapng"]);
    assert!(run.stdout.is_empty());
    let good = fs::read(tree::root().join(MALWARE)).expect("committed");
    let run = binary::run_with_stdin(&["-r", "-", "-w", "/tmp/never-made.pcapng"], &good);
    assert!(run.code != Some(0) && run.stdout.is_empty(), "{}", run.stderr);
    run.expect_said(&["standard input", "-w"]);
}

#[test]
fn verbose_says_more_and_quiet_less_but_never_hides_damage() {
    let said = |more: &[&str]| {
        let run = binary::run(&[&["-r", MALWARE], more].concat());
        run.expect_code(0);
        run.stderr
    };
    assert_eq!(said(&[]), "");
    assert_eq!(said(&["-q"]), "");
    let (once, twice) = (said(&["-v"]), said(&["-vv"]));
    assert!(once.contains("rules") && once.contains("decoded"), "{once}");
    assert!(twice.len() > once.len() && twice.contains(MALWARE), "{twice}");
    let folder = tempfile::tempdir().expect("a folder");
    let cut = folder.path().join("cut.pcap");
    let good = fs::read(tree::root().join(MALWARE)).expect("committed");
    fs::write(&cut, &good[..good.len() - 3]).expect("writes");
    let run = binary::run(&["-q", "-r", &cut.display().to_string()]);
    run.expect_code(3).expect_said(&["cut.pcap", "byte"]);
}

#[test]
fn metadata_moves_ours_into_the_alert() {
    let run = binary::run(&["-r", MALWARE, "--flows", "--ports", "--eve-extra", "metadata"]);
    run.expect_code(0);
    let mut alerts = 0;
    for event in run.events() {
        assert!(event.get("ghostport").is_none(), "{event}");
        if event["event_type"] == "alert" {
            alerts += 1;
            let metadata = event["alert"]["metadata"].as_object().expect("metadata");
            let strings = |value: &Value| {
                value.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_string))
            };
            assert!(metadata.values().all(strings), "{event}");
            assert!(metadata.keys().any(|key| key.contains("story")), "{event}");
        }
    }
    assert!(alerts > 0);
}

/// What a terminal shows, by way of script(1).
fn on_a_terminal(test: &str, arguments: &str, environment: &[(&str, &str)]) -> Option<String> {
    let mut command = Command::new("script");
    let line = format!("{} -r {MALWARE} {arguments}", binary::GHOSTPORT);
    command.args(["-qec", &line, "/dev/null"]).current_dir(tree::root());
    binary::clean_environment(&mut command);
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").envs(environment.iter().copied());
    if Command::new("script").arg("-V").output().is_err() {
        skip_aloud(test, "script(1) is not here to play a terminal");
        return None;
    }
    let run = binary::finish(command, &[], Duration::from_secs(60));
    run.expect_code(0);
    Some(run.stdout)
}

#[test]
fn a_terminal_gets_a_table_and_findings_in_colour() {
    const TEST: &str = "a_terminal_gets_a_table";
    let coloured =
        |text: &str| text.contains("\x1b[3") || text.contains("\x1b[1m") || text.contains("\x1b[9");
    let Some(plain) = on_a_terminal(TEST, "", &[]) else { return };
    assert!(plain.contains("PORT") && plain.contains("FINDINGS") && plain.contains("metasage"), "{plain}");
    assert!(coloured(&plain), "{plain:?}");
    for (arguments, environment) in [("--color never", &[][..]), ("", &[("NO_COLOR", "1")])] {
        let text = on_a_terminal(TEST, arguments, environment).expect("as before");
        assert!(text.contains("FINDINGS") && !coloured(&text), "{arguments} {environment:?}: {text:?}");
    }
    let numeric = on_a_terminal(TEST, "-n", &[]).expect("as before");
    let (table, _) = numeric.split_once("FINDINGS").expect("both parts");
    assert!(!table.contains("metasage"), "-n leaves names out: {table}");
    let quiet = on_a_terminal(TEST, "-q", &[]).expect("as before");
    assert!(quiet.contains("FINDINGS") && !quiet.contains("{\"timestamp\""), "{quiet}");
    let lines = on_a_terminal(TEST, "-q -o eve:-", &[]).expect("as before");
    assert!(lines.starts_with("{\"timestamp\"") && !lines.contains("FINDINGS"), "{lines}");
}

#[test]
fn small_subcommands_print_what_they_promise() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = binary::run(&["completions", shell]);
        run.expect_code(0);
        assert!(run.stdout.contains("fail-on") && run.stdout.contains("explain"), "{shell}");
    }
    let man = binary::run(&["man"]);
    assert!(man.stdout.contains(".TH ghostport 1"), "{}", man.stdout);
    for word in ["\\-\\-fail\\-on", "\\-\\-eve\\-extra", "ghostport\\-explain"] {
        assert!(man.stdout.contains(word), "the manual has {word}");
    }
    let doctor = binary::run(&["doctor"]);
    let code = if doctor.stdout.lines().any(|line| line.starts_with("lack")) { 4 } else { 0 };
    doctor.expect_code(code);
    for word in ["registry", "rules", "interfaces", "privilege"] {
        assert!(doctor.stdout.contains(word), "{}", doctor.stdout);
    }
    let listeners = binary::run(&["listeners", "--json"]);
    listeners.expect_code(0);
    listeners.events();
    binary::run(&["schema", "parquet"]).expect_code(2).expect_said(&["parquet", "eve"]);
}

#[test]
fn a_port_can_be_explained_by_number_and_by_name_and_as_json() {
    for port in ["1207", "1207/tcp", "metasage"] {
        let run = binary::run(&["explain", port]);
        run.expect_code(0);
        assert!(run.stdout.contains("1207/tcp") && run.stdout.contains("dormant"), "{}", run.stdout);
    }
    let run = binary::run(&["explain", "1207/tcp", "--json"]);
    run.expect_code(0);
    assert_eq!(run.events()[0]["port"], 1207, "{}", run.stdout);
    for wrong in ["65536", "80/quic", "no-such-service-name"] {
        let run = binary::run(&["explain", wrong]);
        assert!(run.code == Some(2) && !run.stderr.is_empty(), "{wrong}: {:?} {}", run.code, run.stderr);
    }
}

#[test]
fn why_explains_our_lines_and_says_which_are_not() {
    let lines = binary::run(&["-r", MALWARE]).stdout;
    let run = binary::run_with_stdin(&["why"], lines.as_bytes());
    run.expect_code(0);
    assert!(run.stdout.contains("what would change it"), "{}", run.stdout);
    let run = binary::run_with_stdin(&["why", "-"], format!("\x1b[2Jno line\n{lines}").as_bytes());
    run.expect_code(3).expect_said(&["-:1"]);
    assert!(run.stdout.contains("suspected_malware"), "the good lines are explained all the same");
    assert!(!run.stderr.contains('\x1b'), "{:?}", run.stderr);
    binary::run(&["why", "/no/such/file"]).expect_code(65).expect_said(&["/no/such/file"]);
}

/// Who may capture but not look into other people's processes lacks nothing; who may not capture does.
#[test]
fn doctor_fails_only_where_live_capture_would() {
    let doctor = |capabilities: [&str; 2]| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).args(capabilities);
        command.args([binary::GHOSTPORT, "doctor"]);
        command.output().ok()
    };
    let raw = ["--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw"];
    let (Some(may), Some(may_not)) = (doctor(raw), doctor(["--inh-caps=-all", "--ambient-caps=-all"])) else {
        eprintln!("skipped: there is no setpriv here");
        return;
    };
    if may.stdout.is_empty() || may_not.stdout.is_empty() {
        eprintln!("skipped: another user cannot be played here, or cannot read the binary");
        return;
    }
    let said = String::from_utf8_lossy(&may.stdout).into_owned();
    assert_eq!(may.status.code(), Some(0), "{said}");
    assert!(said.contains("may capture") && !said.contains("lack"), "{said}");
    let said = String::from_utf8_lossy(&may_not.stdout).into_owned();
    assert_eq!(may_not.status.code(), Some(4), "{said}");
    assert!(said.contains("lack  privilege") && !said.contains("lack  sockets"), "{said}");
}
