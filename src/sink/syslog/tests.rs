//! Against real receivers on loopback: rsyslogd where it is installed, and a socket that behaves badly.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::sink::courier::Courier;
use crate::sink::testing::{Authority, Rsyslog, bring_all, bring_more, messages, skip_aloud, until};

const LIMIT: Duration = Duration::from_secs(60);
/// How long a receiver is away; the issue's 60 s by `GHOSTPORT_TEST_AWAY=60`.
const AWAY: Duration = Duration::from_secs(3);

fn streamed(url: &str) -> Streamed {
    Streamed::new(Remote::parse("syslog", url).unwrap()).unwrap()
}

fn understood(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers
        .map(|number| {
            format!(
                "ghostport|77|ALERT|\
                 [ghostport@32473 id=\"{number}\" says=\"a \\\"quoted\\\" \\] thing\"]|finding {number}"
            )
        })
        .collect()
}

/// Sends and compares: every message once, in order, understood.
fn arrives(test: &str, globals: &str, input: &str, receiver: impl FnOnce(u16) -> Box<dyn Deliver>) {
    let dir = tempfile::tempdir().unwrap();
    let Some(rsyslog) = Rsyslog::start(dir.path(), globals, input) else {
        return skip_aloud(test, "no rsyslogd here (Debian: apt install rsyslog rsyslog-gnutls)");
    };
    let mut courier = Courier::new(receiver(rsyslog.port()));
    for from in (0..2000).step_by(500) {
        let brought = bring_more(&mut courier, &messages(from..from + 500), LIMIT);
        assert_eq!((brought.settled, brought.refused), (500, None));
        // A datagram has nothing that slows its sender down.
        until("rsyslogd wrote them", LIMIT, || rsyslog.seen().len() >= from + 500);
    }
    assert_eq!(rsyslog.seen(), understood(0..2000));
}

#[test]
fn rsyslogd_understands_datagrams() {
    // The TCP input is there so that its being up can be noticed.
    let input = "module(load=\"imudp\")\ninput(type=\"imudp\" port=\"PORT\" address=\"127.0.0.1\" \
                 rcvbufSize=\"4m\")\n\
                 module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"PORT\" address=\"127.0.0.1\")";
    arrives("syslog over UDP", "", input, |port| {
        let remote = Remote::parse("syslog", &format!("udp://127.0.0.1:{port}")).unwrap();
        Box::new(Datagrams::new(remote, 1024))
    });
}

const TCP: &str = "module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"PORT\" address=\"127.0.0.1\")";

#[test]
fn rsyslogd_understands_octet_counting() {
    arrives("syslog over TCP", "", TCP, |port| Box::new(streamed(&format!("tcp://127.0.0.1:{port}"))));
}

#[test]
fn rsyslogd_understands_lines() {
    arrives("syslog over TCP, lines", "", TCP, |port| {
        Box::new(streamed(&format!("tcp://localhost:{port}?framing=lf")))
    });
}

#[test]
fn rsyslogd_understands_tls_and_knows_us_by_our_certificate() {
    let papers = tempfile::tempdir().unwrap();
    let authority = Authority::new(papers.path(), "ours");
    let (cert, key) = authority.issue("localhost");
    let (our_cert, our_key) = authority.issue("sensor");
    let ca = authority.ca.display();
    let globals = format!(
        "defaultNetstreamDriverCAFile=\"{ca}\" defaultNetstreamDriverCertFile=\"{}\" \
         defaultNetstreamDriverKeyFile=\"{}\"",
        cert.display(),
        key.display()
    );
    let input = "module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" \
                 streamDriver.authMode=\"x509/name\" permittedPeer=[\"sensor\"])\n\
                 input(type=\"imtcp\" port=\"PORT\" address=\"127.0.0.1\")";
    if !std::path::Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so").exists() {
        return skip_aloud("syslog over TLS", "no rsyslog-gnutls here");
    }
    arrives("syslog over TLS", &globals, input, |port| {
        let (cert, key) = (our_cert.display(), our_key.display());
        Box::new(streamed(&format!("tls://localhost:{port}?ca={ca}&cert={cert}&key={key}")))
    });
}

#[test]
fn a_restarted_rsyslogd_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut rsyslog) = Rsyslog::start(dir.path(), "", TCP) else {
        return skip_aloud("rsyslogd restarted", "no rsyslogd here");
    };
    let away = std::env::var("GHOSTPORT_TEST_AWAY").ok().and_then(|text| text.parse().ok());
    let away = away.map_or(AWAY, Duration::from_secs);
    let receiver = streamed(&format!("tcp://127.0.0.1:{}", rsyslog.port()));
    let sender = thread::spawn(move || {
        let mut courier = Courier::new(Box::new(receiver));
        let (mut next, until) = (0, Instant::now() + away + Duration::from_secs(2));
        while Instant::now() < until {
            bring_more(&mut courier, &messages(next..next + 50), LIMIT + away);
            next += 50;
            thread::sleep(Duration::from_millis(5));
        }
        next
    });
    thread::sleep(Duration::from_millis(500));
    rsyslog.stop();
    thread::sleep(away);
    rsyslog.again();
    let sent = sender.join().unwrap();
    let expected: BTreeSet<_> = understood(0..sent).into_iter().collect();
    let seen =
        || rsyslog.seen().into_iter().filter(|line| line.starts_with("ghostport|")).collect::<BTreeSet<_>>();
    until("all have arrived", LIMIT, || seen().len() >= sent);
    assert_eq!(seen(), expected, "0 lost, 0 duplicated after the ids are looked at");
}

/// Takes connections one after the other; from each it reads what the script says, and then drops it with
/// whatever is unread (which makes the system say "reset").
fn rude(reads: Vec<usize>, pause: Duration) -> (u16, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, hears) = mpsc::channel();
    thread::spawn(move || {
        for read in reads {
            let (mut socket, _) = listener.accept().unwrap();
            thread::sleep(pause);
            let mut bytes = Vec::new();
            let _reset_is_fine = (&mut socket).take(read as u64).read_to_end(&mut bytes);
            heard.send(bytes).unwrap();
        }
    });
    (port, hears)
}

/// The whole frames of an octet-counted stream.
fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(space) = bytes.iter().position(|&byte| byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        let Some(frame) = bytes.get(space + 1..space + 1 + length) else { break };
        all.push(String::from_utf8(frame.to_vec()).unwrap());
        bytes = &bytes[space + 1 + length..];
    }
    all
}

#[test]
fn what_lies_unread_in_a_broken_connection_comes_again() {
    let (port, hears) = rude(vec![10_000, 0, 77, usize::MAX], Duration::from_millis(50));
    let mut courier = Courier::new(Box::new(streamed(&format!("tcp://127.0.0.1:{port}"))));
    for from in (0..2000).step_by(100) {
        bring_more(&mut courier, &messages(from..from + 100), LIMIT);
        thread::sleep(Duration::from_millis(10));
    }
    drop(courier);
    let heard: Vec<_> = hears.iter().flat_map(|bytes| frames(&bytes)).collect();
    assert_eq!(heard.iter().cloned().collect::<BTreeSet<_>>(), messages(0..2000).into_iter().collect());
}

#[test]
fn a_slow_receiver_is_waited_for_and_hears_nothing_twice() {
    let (port, hears) = rude(vec![usize::MAX], PATIENCE + Duration::from_secs(1));
    let lines: Vec<_> = (0..6000).map(|n| format!("{n} {}", "x".repeat(1000))).collect();
    let brought = bring_all(streamed(&format!("tcp://127.0.0.1:{port}")), &lines, LIMIT);
    assert_eq!(brought.settled, 6000);
    assert_eq!(frames(&hears.recv().unwrap()), lines);
}

#[test]
fn strangers_are_not_trusted_and_the_reason_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, strange) = (Authority::new(dir.path(), "ours"), Authority::new(dir.path(), "strange"));
    let (cert, key) = ours.issue("elsewhere.example");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let config = crate::sink::testing::server(&cert, &key);
        for socket in listener.incoming() {
            let tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut heard = Vec::new();
            let _refused = rustls::StreamOwned::new(tls, socket.unwrap()).read_to_end(&mut heard);
            assert!(heard.is_empty(), "nothing is said to a stranger");
        }
    });
    for (ca, expected) in [(&strange.ca, "UnknownIssuer"), (&ours.ca, "not valid for name")] {
        let mut receiver = streamed(&format!("tls://localhost:{port}?ca={}", ca.display()));
        let delivered = receiver.deliver(&[b"secret finding"]);
        let Then::Retry { why, .. } = delivered.then else { panic!("it went on") };
        assert!(delivered.settled == 0 && why.contains(expected), "{why}");
    }
}

#[test]
fn a_record_too_long_for_a_datagram_is_refused_and_counted() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    let receiver = Datagrams::new(Remote::parse("syslog", &url).unwrap(), 480);
    let lines = ["a".repeat(480), "b".repeat(481), "c".to_owned()];
    let brought = bring_all(receiver, &lines, LIMIT);
    let refused = brought.refused.unwrap();
    assert_eq!((brought.settled, refused.count), (3, 1));
    assert!(refused.why.contains("481 bytes do not fit a datagram of 480"));
    let mut bytes = [0; 1000];
    assert_eq!(socket.recv(&mut bytes).unwrap(), 480);
    assert_eq!(socket.recv(&mut bytes).unwrap(), 1);
}
