//! Shapes of input rather than stories: files that continue each other, other formats, tags, reused ports,
//! time-outs.

use serde_json::json;

use super::{Alert, CaptureFile, Labelled, Scenario};
use crate::support::pcap::Format;
use crate::support::quic;
use crate::support::speech;
use crate::support::talk::Tap;

pub(super) fn all() -> Vec<Scenario> {
    vec![rotated(), pcapng_ipv6(), gzip_vlan(), reuse(), long_hellos()]
}

/// The two halves of a flow in two files, the later one given first.
fn rotated() -> Scenario {
    let mut tap = Tap::default();
    let [ask, answer] = speech::http("stock.example.net", "42 boxes\n");
    tap.tcp(0, "10.2.0.10:50001", "10.2.1.98:3098").open().ask(&ask).wait(1000).answer(&answer).close();
    let mut frames = tap.frames();
    let later = frames.split_off(5);
    let files = vec![
        CaptureFile { name: "traffic.00002.pcap", format: Format::Pcap, frames: later },
        CaptureFile { name: "traffic.00001.pcap", format: Format::Pcap, frames },
    ];
    let flow = Labelled::tcp("one flow over two files", "10.2.0.10:50001", "10.2.1.98:3098");
    Scenario {
        name: "rotated".into(),
        proves:
            "Rotated files are one stream, in the order of their first packets and not of the arguments: the \
             question in the first file and the answer in the second are one flow."
                .into(),
        files,
        flows: vec![
            flow.story(&["nonstandard_port"]).outcome(&["established"]).app("http").alert(Alert::Must),
        ],
        never: vec![json!({"event_type": "flow", "src_ip": "10.2.1.98"})],
    }
}

fn pcapng_ipv6() -> Scenario {
    let mut tap = Tap::default();
    let [ask, answer] = speech::ssh();
    tap.tcp(0, "[fd00:2::10]:50001", "[fd00:2::7]:3007").open().answer(&answer).ask(&ask).close();
    tap.udp(500, "[fd00:2::10]:50002", "[fd00:2::8]:3206").ask(b"anyone?").unreachable();
    let files = vec![CaptureFile { name: "traffic.pcapng", format: Format::Pcapng, frames: tap.frames() }];
    Scenario {
        name: "pcapng-ipv6".into(),
        proves: "pcapng and IPv6 give the same answers as pcap and IPv4, and an ICMPv6 error refuses the \
                 flow it quotes."
            .into(),
        files,
        flows: vec![
            Labelled::tcp("SSH on 3007", "[fd00:2::10]:50001", "[fd00:2::7]:3007")
                .story(&["nonstandard_port", "known_squatter"])
                .outcome(&["established"])
                .app("ssh")
                .alert(Alert::Must),
            Labelled::udp("no by ICMPv6", "[fd00:2::10]:50002", "[fd00:2::8]:3206").outcome(&["refused"]),
        ],
        never: vec![json!({"event_type": "flow", "dest_ip": "fd00:2::10"})],
    }
}

fn gzip_vlan() -> Scenario {
    let mut tap = Tap::default();
    tap.vlan(Some(207));
    let [ask, answer] = speech::tls("hidden.example.net");
    tap.tcp(0, "10.2.0.12:50001", "10.2.1.12:1207").open().ask(&ask).answer(&answer).close();
    let files = vec![CaptureFile { name: "traffic.pcap.gz", format: Format::PcapGz, frames: tap.frames() }];
    let flow = Labelled::tcp("TLS on 1207 inside VLAN 207", "10.2.0.12:50001", "10.2.1.12:1207");
    Scenario {
        name: "gzip-vlan".into(),
        proves: "A compressed file is read by its content, and a VLAN tag is followed and reported.".into(),
        files,
        flows: vec![
            flow.story(&["nonstandard_port"]).outcome(&["established"]).app("tls").alert(Alert::Must),
        ],
        never: vec![json!({"event_type": "stats", "ghostport": {"packets": {"decoded": 0}}})],
    }
}

/// The same five numbers twice, and a conversation that falls silent for a day: all by the packets' clock.
fn reuse() -> Scenario {
    const DAY_MILLIS: u64 = 24 * 3600 * 1000;
    let mut tap = Tap::default();
    let [ask, answer] = speech::http("stock.example.net", "42 boxes\n");
    tap.tcp(0, "10.2.0.13:50001", "10.2.1.13:3098").syn().reset();
    tap.tcp(5000, "10.2.0.13:50001", "10.2.1.13:3098").open().ask(&ask).answer(&answer).close();
    tap.udp(6000, "10.2.0.13:50002", "10.2.1.13:3206").ask(b"\xd7first").wait(DAY_MILLIS).ask(b"\xd7second");
    let flows = vec![
        Labelled::tcp("the second connection with the same ports", "10.2.0.13:50001", "10.2.1.13:3098")
            .story(&["nonstandard_port"])
            .outcome(&["established"])
            .app("http"),
    ];
    let proves = "Reused ports make a new flow, and flows expire by the time that packets carry: a day \
                  passes in a millisecond of replay.";
    let never = vec![
        json!({"event_type": "flow", "proto": "TCP", "flow": {"pkts_toserver": 7}}),
        json!({"event_type": "flow", "proto": "UDP", "flow": {"pkts_toserver": 2}}),
    ];
    Scenario::new("reuse", proves, tap.frames(), flows, never)
}

/// Hellos that are longer than the first 512 bytes, over TCP and in QUIC.
fn long_hellos() -> Scenario {
    let mut tap = Tap::default();
    let [_, ask, answer] = speech::tls13("long.example.net");
    tap.tcp(0, "10.2.0.14:50001", "10.2.1.14:443").open().ask(&ask).answer(&answer).close();
    let [hello, ..] = speech::tls13("quic.example.net");
    let (id, server) = (*b"\x83\x94\xc8\xf0\x3e\x51\x57\x08", b"\x5a-short-header-and-what-it-hides");
    // The second half goes first inside each packet, and the hello needs both.
    let first = [quic::crypto(&hello, 300, 900), quic::crypto(&hello, 0, 300)].concat();
    let second = [vec![1], quic::crypto(&hello, 1200, hello.len()), quic::crypto(&hello, 900, 1200)].concat();
    for (millis, port, version) in [(1000, "50002", quic::V1), (2000, "50003", quic::V2)] {
        let client = format!("10.2.0.14:{port}");
        let talk = tap.udp(millis, &client, "10.2.1.14:443");
        let talk = talk.ask(&quic::initial(&version, id, 0, &first));
        talk.ask(&quic::initial(&version, id, 1, &second)).answer(server);
    }
    // Only the first of two was captured.
    tap.udp(3000, "10.2.0.14:50004", "10.2.1.14:443")
        .ask(&quic::initial(&quic::V1, id, 0, &first))
        .answer(server);
    let flow = |what, from: &str| {
        let flow = Labelled::udp(what, &format!("10.2.0.14:{from}"), "10.2.1.14:443").outcome(&["two_way"]);
        flow.story(&["registered_service"]).app("quic").alert(Alert::Never)
    };
    let tls = Labelled::tcp("a long hello over TCP", "10.2.0.14:50001", "10.2.1.14:443");
    Scenario::new(
        "quic",
        "Hellos with post-quantum key shares are longer than a segment: over TCP they are gathered, and in \
         QUIC they are gathered from two Initial packets, decrypted, and put in order. What was not captured \
         is not said.",
        tap.frames(),
        vec![
            tls.story(&["registered_service"]).outcome(&["established"]).app("tls").alert(Alert::Never),
            flow("QUIC version 1", "50002"),
            flow("QUIC version 2", "50003"),
            flow("half a hello", "50004"),
        ],
        vec![json!({"event_type": "flow", "src_port": 50004, "ghostport": {"app_proto": {"tls": {}}}})],
    )
}
