//! The whole program against receivers on loopback: what it finds arrives, also when nobody was there at
//! first, and secrets stay where they are. How each kind of receiver is spoken to, and rsyslogd, HTTP
//! servers that misbehave and foreign certificates, are tested beside the code (`src/sink`).

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::binary::{finish, ghostport, run, run_in};
use crate::support::skip_aloud;
use crate::support::tree;

const LIMIT: Duration = Duration::from_secs(60);

/// A server that takes lines and says whether it liked the request; keeps headers and lines.
#[derive(Clone, Default)]
struct Server {
    headers: Arc<Mutex<String>>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Every third request is answered 503 first.
    fn start(listener: TcpListener) -> Self {
        let server = Self::default();
        let this = server.clone();
        thread::spawn(move || {
            for (number, socket) in listener.incoming().flatten().enumerate() {
                let this = this.clone();
                thread::spawn(move || this.serve(&mut BufReader::new(&socket), &socket, number));
            }
        });
        server
    }

    fn serve(&self, reader: &mut impl BufRead, mut writer: impl Write, mut number: usize) {
        loop {
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    return;
                }
                let last = head.lines().last().unwrap_or_default().to_lowercase();
                if let Some(value) = last.strip_prefix("content-length: ") {
                    length = value.parse().expect("a number");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("the whole body");
            let is_busy = usize::is_multiple_of(number, 3);
            number += 1;
            if !is_busy {
                self.headers.lock().unwrap().push_str(&head);
                let body = String::from_utf8(body).expect("UTF-8");
                self.lines.lock().unwrap().extend(body.lines().map(str::to_owned));
            }
            let status = if is_busy { "503 Busy" } else { "200 OK" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 16\r\n\r\n{{\"errors\":false}}");
            if writer.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn lines(&self) -> BTreeSet<String> {
        self.lines.lock().unwrap().iter().cloned().collect()
    }
}

fn lines_of(path: &Path) -> BTreeSet<String> {
    fs::read_to_string(path).expect("the file").lines().map(str::to_owned).collect()
}

const ARGS: [&str; 6] = ["-q", "--flows", "--ports", "-r", "captures", "-o"];

#[test]
fn what_a_file_gets_a_busy_server_gets() {
    let dir = tempfile::tempdir().unwrap();
    let (file, token) = (dir.path().join("eve.json"), dir.path().join("token"));
    fs::write(&token, "hunter2\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Server::start(listener);
    let url = format!("eve:http://127.0.0.1:{port}/in?batch=100&token=file:{}", token.display());
    let eve = format!("eve:{}", file.display());
    let said = run(&[&ARGS[..], &[&url, "-o", &eve]].concat());
    said.expect_code(0);
    let expected = lines_of(&file);
    assert!(expected.len() > 100, "{} lines", expected.len());
    assert_eq!(server.lines(), expected);
    assert_eq!(server.lines.lock().unwrap().len(), expected.len(), "each once");
    assert!(server.headers.lock().unwrap().contains("Bearer hunter2"));
    assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
}

#[test]
fn lines_for_a_receiver_that_is_away_wait_in_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let (file, spool) = (dir.path().join("eve.json"), dir.path().join("spool"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("eve:http://127.0.0.1:{port}/in");
    let (eve, spool) = (format!("eve:{}", file.display()), spool.display().to_string());
    let args = [&ARGS[..], &[&url, "-o", &eve, "--spool", &spool, "--drain-timeout", "1"]].concat();
    run(&args).expect_code(0);
    let expected = lines_of(&file);
    let server = Server::start(TcpListener::bind(("127.0.0.1", port)).unwrap());
    let few = ["-q", "-r", "captures/scan/traffic.pcap", "-o", &url, "--spool", &spool];
    run(&few).expect_code(0);
    let got = server.lines();
    assert!(expected.is_subset(&got), "{} of {}", got.len(), expected.len());
}

#[test]
fn outputs_that_differ_in_the_index_only_have_spools_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = |index: &str| format!("ecs:es+http://127.0.0.1:{port}?index={index}");
    let (one, two, spool) = (url("one"), url("two"), dir.path().display().to_string());
    let few = ["-q", "-r", "captures/scan/traffic.pcap", "--spool", &spool, "--drain-timeout", "1", "-o"];
    let both = run(&[&few[..], &[&one, "-o", &two]].concat());
    both.expect_code(0);
    assert_eq!(both.stderr.matches("stay in the spool").count(), 2, "{}", both.stderr);
    let left = format!("for ecs:es+http://127.0.0.1:{port}/_bulk?index=two, which this run does not have");
    run(&[&few[..], &[&one]].concat()).expect_code(0).expect_said(&["lines of a former run wait", &left]);
}

#[test]
fn a_stream_of_lines_arrives_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("eve.json");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("eve:tcp://{}", listener.local_addr().unwrap());
    let reader = thread::spawn(move || {
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        text
    });
    let eve = format!("eve:{}", file.display());
    run(&[&ARGS[..], &[&url, "-o", &eve]].concat()).expect_code(0);
    assert_eq!(reader.join().unwrap(), fs::read_to_string(&file).unwrap());
}

#[test]
fn documents_are_filed_by_type_under_their_event_id() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ecs.json");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ecs:es+http://{}?gzip=no", listener.local_addr().unwrap());
    let server = Server::start(listener);
    let ecs = format!("ecs:{}", file.display());
    run(&[&ARGS[..], &[&url, "-o", &ecs]].concat()).expect_code(0);
    let heard = server.lines.lock().unwrap().clone();
    let documents: BTreeSet<String> = heard.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(documents, lines_of(&file));
    for pair in heard.chunks(2) {
        let [action, document] = pair else { panic!("an action without a document") };
        let [action, document] = [action, document].map(|line| serde_json::from_str::<Value>(line).unwrap());
        let (create, event) = (&action["create"], &document["event"]);
        assert_eq!(create["_id"], event["id"], "{document}");
        let expected = format!("logs-{}-default", event["dataset"].as_str().unwrap());
        assert_eq!(create["_index"].as_str(), Some(expected.as_str()), "{document}");
    }
}

#[test]
fn splunk_hears_an_envelope_for_every_event() {
    let dir = tempfile::tempdir().unwrap();
    let (file, token) = (dir.path().join("hec.json"), dir.path().join("token"));
    fs::write(&token, "0000-1111").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("hec:http://{}?token=file:{}", listener.local_addr().unwrap(), token.display());
    let server = Server::start(listener);
    let hec = format!("hec:{}", file.display());
    run(&[&ARGS[..], &[&url, "-o", &hec]].concat()).expect_code(0);
    assert_eq!(server.lines(), lines_of(&file));
    let headers = server.headers.lock().unwrap().to_lowercase();
    assert!(headers.starts_with("post /services/collector/event http/1.1\r\n"), "{headers}");
    assert!(headers.contains("authorization: splunk 0000-1111\r\n"), "{headers}");
}

/// rsyslogd takes apart what we put together: header, structured data, message.
#[test]
fn rsyslogd_understands_every_finding() {
    let dir = tempfile::tempdir().unwrap();
    let [file, out, config] = ["ours", "out", "rsyslog.conf"].map(|name| dir.path().join(name));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!(
        "module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\")\n\
         template(name=\"seen\" type=\"string\" string=\"<%pri%>1 %timestamp:::date-rfc3339% %hostname% \
         %app-name% %procid% %msgid% %structured-data% %msg%\\n\")\n\
         if $app-name == \"ghostport\" then action(type=\"omfile\" file=\"{}\" template=\"seen\")\n",
        out.display()
    );
    fs::write(&config, text).unwrap();
    let pid = dir.path().join("pid");
    let mut command = Command::new("/usr/sbin/rsyslogd");
    command.arg("-n").arg("-f").arg(&config).arg("-i").arg(pid);
    let Ok(mut rsyslogd) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return skip_aloud("findings to rsyslogd", "no rsyslogd here (Debian: apt install rsyslog)");
    };
    let (url, ours) = (format!("syslog:tcp://127.0.0.1:{port}"), format!("syslog:{}", file.display()));
    let said = run(&["-q", "-r", "captures", "-o", &url, "-o", &ours]);
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let until = Instant::now() + LIMIT;
    let seen = || fs::read_to_string(&out).unwrap_or_default();
    while seen().len() < expected.len() && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    rsyslogd.kill().unwrap();
    rsyslogd.wait().unwrap();
    said.expect_code(0);
    assert!(expected.lines().count() > 10, "{expected}");
    for (seen, expected) in seen().lines().zip(expected.lines()) {
        assert_eq!(seen, expected);
    }
    assert_eq!(seen().lines().count(), expected.lines().count());
}

/// Another reader of RFC 5424: syslog-ng names every parameter of the structured data.
#[test]
fn syslog_ng_takes_every_finding_apart() {
    let dir = tempfile::tempdir().unwrap();
    let [file, out, config] = ["ours", "out", "syslog-ng.conf"].map(|name| dir.path().join(name));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!(
        "@version: 3.38\nsource s {{ syslog(ip(\"127.0.0.1\") port({port}) transport(\"tcp\")); }};\n\
         destination d {{ file(\"{}\" \
         template(\"$(format-json --scope rfc5424 --scope dot-nv-pairs)\\n\")); }};\n\
         log {{ source(s); destination(d); }};\n",
        out.display()
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new("/usr/sbin/syslog-ng");
    command.args(["-F", "--no-caps", "-f"]).arg(&config);
    for (flag, name) in [("-R", "persist"), ("-p", "pid"), ("-c", "control")] {
        command.arg(flag).arg(dir.path().join(name));
    }
    let Ok(mut syslog_ng) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return skip_aloud(
            "findings to syslog-ng",
            "not here (Debian: syslog-ng-core, which displaces rsyslog)",
        );
    };
    let (url, ours) = (format!("syslog:tcp://127.0.0.1:{port}"), format!("syslog:{}", file.display()));
    let said = run(&["-q", "-r", "captures", "-o", &url, "-o", &ours]);
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let until = Instant::now() + LIMIT;
    let seen = || fs::read_to_string(&out).unwrap_or_default();
    while seen().lines().count() < expected.lines().count() && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    syslog_ng.kill().unwrap();
    syslog_ng.wait().unwrap();
    said.expect_code(0);
    assert_eq!(seen().lines().count(), expected.lines().count());
    assert!(expected.lines().count() > 10, "{expected}");
    for (seen, expected) in seen().lines().zip(expected.lines()) {
        let seen: Value = serde_json::from_str(seen).unwrap();
        let parameters = seen["_SDATA"]["ghostport@32473"].as_object().unwrap();
        let (data, message) = expected.split_once("[ghostport@32473 ").unwrap().1.split_once("\"] ").unwrap();
        assert_eq!(seen["MESSAGE"], message);
        // No value of these captures holds a quotation mark.
        let pairs: Vec<_> = data.split("\" ").filter_map(|pair| pair.split_once("=\"")).collect();
        assert_eq!(parameters.len(), pairs.len(), "{expected}");
        for (name, value) in pairs {
            assert_eq!(parameters[name], value, "{expected}");
        }
    }
}

#[test]
fn secrets_on_the_command_line_are_refused_and_not_repeated() {
    for output in ["eve:https://bob:hunter2@siem/x", "eve:https://siem/x?token=hunter2"] {
        let said = run(&["-r", "captures/scan/traffic.pcap", "-o", output]);
        said.expect_code(2).expect_said(&["env:"]);
        assert!(!said.stderr.contains("hunter2") && said.stdout.is_empty(), "{}", said.stderr);
    }
    let mut command = ghostport(&["-r", "captures/scan/traffic.pcap", "-c", "c.toml"]);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("c.toml"), "output = [\"eve:https://siem/x?password=hunter2\"]").unwrap();
    command.current_dir(dir.path());
    let said = finish(command, b"", LIMIT);
    assert!(said.code != Some(0) && !said.stderr.contains("hunter2"), "{}", said.stderr);
}

#[test]
fn what_a_receiver_needs_is_missed_before_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let capture = tree::root().join("captures/scan/traffic.pcap").display().to_string();
    for (output, expected) in [
        ("eve:https://siem/x?ca=gone.pem", "gone.pem"),
        ("eve:http://siem/x?token=env:GHOSTPORT_NO_SUCH_TOKEN", "env:GHOSTPORT_NO_SUCH_TOKEN: it is not set"),
        ("eve:http://siem/x?token=file:gone", "file:gone"),
    ] {
        let said = run_in(dir.path(), &["-r", &capture, "-o", output]);
        assert!(said.code != Some(0), "{output}");
        said.expect_said(&["cannot deliver to", expected]);
    }
}

#[cfg(not(all(feature = "nats", feature = "kafka")))]
#[test]
fn a_receiver_that_is_not_built_in_is_refused_with_the_way_to_build_it() {
    for (feature, is_built_in) in [("nats", cfg!(feature = "nats")), ("kafka", cfg!(feature = "kafka"))] {
        let output = format!("eve:{feature}://siem,siem2/ghostport");
        let said = run(&["-r", "captures/scan/traffic.pcap", "-o", &output, "-T"]);
        if !is_built_in {
            said.expect_code(2).expect_said(&["built without", &format!("--release --features {feature}")]);
            assert!(run(&["--version"]).stdout.contains("not built in"));
        }
    }
}
