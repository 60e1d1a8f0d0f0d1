//! Every kind of scan in a folder of its own: small, and just beyond what it takes to be told from a client.
//!
//! Where nothing else is said, all flows of a folder must be called a scan, the first as well as the last.

use serde_json::{Value, json};

use super::{Labelled, Scenario};
use crate::support::talk::Tap;

/// Who scans.
const SCANNER: &str = "203.0.113.90";
/// Control bits of probes.
const FIN: u8 = 0x01;
const XMAS: u8 = 0x29;
const ACK: u8 = 0x10;
const MAIMON: u8 = FIN | ACK;

/// Ports that a scan of one host tries: some in use, some dormant, some of nobody.
const PORTS: [u16; 24] = [
    21, 22, 23, 25, 53, 80, 110, 111, 135, 139, 143, 443, 445, 993, 1207, 1433, 3007, 3098, 3206, 3306, 3389,
    5432, 5900, 8080,
];

pub(super) fn all() -> Vec<Scenario> {
    vec![
        host(),
        sweep(),
        slow(),
        udp_refused(),
        udp_silent(),
        odd("scan-null", "A scan with segments that carry no control bit at all.", 0),
        odd("scan-fin", "A scan with lone FINs, which closed ports refuse and open ones ignore.", FIN),
        odd("scan-xmas", "A scan with FIN, PSH and URG set.", XMAS),
        odd("scan-ack", "A scan with bare acknowledgements: what is not filtered refuses.", ACK),
        odd("scan-maimon", "A scan with FIN and ACK set, named after Uriel Maimon.", MAIMON),
        window(),
    ]
}

/// Where all flows are one scan.
fn all_scan() -> Vec<Value> {
    ["undetermined", "misdirected", "backscatter", "registered_service", "ephemeral_overlap"]
        .map(|story| json!({"event_type": "flow", "ghostport": {"verdict": {"story": story}}}))
        .to_vec()
}

fn first_and_last(label: fn(&'static str, &str, &str) -> Labelled, ends: [String; 4]) -> Vec<Labelled> {
    let [from_first, first, from_last, last] = ends;
    vec![
        label("the first probe", &from_first, &first).story(&["scan"]),
        label("the last probe", &from_last, &last).story(&["scan"]),
    ]
}

fn from(number: usize) -> String {
    format!("{SCANNER}:{}", 40_000 + number * 7)
}

fn at(port: u16) -> String {
    format!("10.1.7.10:{port}")
}

/// The ends of the first and the last probe of [`PORTS`].
fn ends_of_ports() -> [String; 4] {
    [from(0), at(PORTS[0]), from(PORTS.len() - 1), at(PORTS[PORTS.len() - 1])]
}

fn host() -> Scenario {
    let mut tap = Tap::default();
    for (number, port) in PORTS.into_iter().enumerate() {
        let probe = tap.tcp(number as u64 * 10, &from(number), &at(port)).syn();
        match port {
            22 | 443 => probe.syn_ack().abandon(),
            3206 => {} // filtered
            _ => probe.reset(),
        }
    }
    let mut flows = first_and_last(Labelled::tcp, ends_of_ports());
    flows.push(Labelled::tcp("an open port that it found", &from(11), &at(443)).story(&["scan"]));
    let proves = "Many ports of one host, opened half and let go: one scan, the open ports included.";
    Scenario::new("scan-host", proves, tap.frames(), flows, all_scan())
}

fn sweep() -> Scenario {
    let mut tap = Tap::default();
    let to = |number: u64| format!("10.7.{}.{}:3389", number * 8, number * 5 % 250 + 1);
    for number in 0..28_u64 {
        let probe = tap.tcp(number * 15, &format!("{SCANNER}:45000"), &to(number)).syn();
        match number {
            5 | 17 => probe.syn_ack().abandon(),
            8 | 20 => probe.reset(),
            _ => {}
        }
    }
    let scanner = format!("{SCANNER}:45000");
    let flows = first_and_last(Labelled::tcp, [scanner.clone(), to(0), scanner, to(27)]);
    let proves = "One port over a /16, mostly silence: one scan, the two that are open included.";
    Scenario::new("scan-sweep", proves, tap.frames(), flows, all_scan())
}

fn slow() -> Scenario {
    let mut tap = Tap::default();
    let to = |number: u64| format!("10.7.{}.{}:445", number * 8, number * 5 % 250 + 1);
    let from = |number: u64| format!("{SCANNER}:{}", 46_000 + number);
    for number in 0..30 {
        tap.tcp(number * 12 * 60_000, &from(number), &to(number)).syn();
    }
    let flows = vec![
        // Nobody can know yet.
        Labelled::tcp("the first probe", &from(0), &to(0)).story(&["undetermined", "scan"]),
        Labelled::tcp("two thirds on, after four hours", &from(20), &to(20)).story(&["scan"]),
        Labelled::tcp("the last probe, after six hours", &from(29), &to(29)).story(&["scan"]),
    ];
    let proves = "One probe in twelve minutes, each at another host: a scan that only a long memory shows.";
    Scenario::new("scan-slow", proves, tap.frames(), flows, vec![])
}

fn udp_refused() -> Scenario {
    let mut tap = Tap::default();
    for (number, port) in PORTS.into_iter().enumerate() {
        let probe = tap.udp(number as u64 * 50, &from(number), &at(port)).ask(b"");
        if number % 4 != 3 {
            probe.unreachable();
        }
    }
    let flows = first_and_last(Labelled::udp, ends_of_ports());
    let proves = "Empty datagrams to many ports of one host, most of them refused by ICMP.";
    Scenario::new("scan-udp", proves, tap.frames(), flows, all_scan())
}

fn udp_silent() -> Scenario {
    let mut tap = Tap::default();
    for (number, port) in PORTS.into_iter().enumerate() {
        tap.udp(number as u64 * 50, &from(number), &at(port)).ask(b"");
    }
    let flows = first_and_last(Labelled::udp, ends_of_ports());
    let proves = "Empty datagrams to many ports of one host, swallowed by a filter.";
    Scenario::new("scan-udp-silent", proves, tap.frames(), flows, all_scan())
}

fn odd(name: &str, proves: &str, flags: u8) -> Scenario {
    let mut tap = Tap::default();
    for (number, port) in PORTS.into_iter().enumerate() {
        let probe = tap.tcp(number as u64 * 20, &from(number), &at(port)).probe(flags);
        if number % 4 != 3 {
            probe.reset();
        }
    }
    Scenario::new(name, proves, tap.frames(), first_and_last(Labelled::tcp, ends_of_ports()), all_scan())
}

/// On the wire an ACK scan; the scanner reads the window of the resets.
fn window() -> Scenario {
    let mut tap = Tap::default();
    for (number, port) in PORTS.into_iter().enumerate() {
        tap.tcp(number as u64 * 20, &from(number), &at(port)).probe(ACK).reset();
    }
    let flows = first_and_last(Labelled::tcp, ends_of_ports());
    let proves =
        "Bare acknowledgements that are all refused: the window of the resets tells the scanner more.";
    Scenario::new("scan-window", proves, tap.frames(), flows, all_scan())
}
