//! One folder per story of DESIGN section 3, each on the ports where the story is at home.

use serde_json::{Value, json};

use super::{Alert, Labelled, Scenario};
use crate::support::speech;
use crate::support::talk::{Random, Tap};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        registered_service(),
        known_squatter(),
        nonstandard_port(),
        negotiated_port(),
        ephemeral_overlap(),
        scan(),
        misdirected(),
        backscatter(),
        suspected_malware(),
        unidentified_listener(),
        undetermined(),
    ]
}

/// No alert about this port.
fn no_alert_on(port: u16) -> Value {
    json!({"event_type": "alert", "ghostport": {"port": port}})
}

fn registered_service() -> Scenario {
    let mut tap = Tap::default();
    let client = |port: u16| format!("10.1.0.20:{port}");
    let [ask, answer] = speech::http("www.example.net", "ok\n");
    tap.tcp(0, &client(50_001), "10.1.1.80:80").open().ask(&ask).answer(&answer).close();
    let [ask, answer] = speech::tls("www.example.net");
    tap.tcp(100, &client(50_002), "10.1.1.80:443").open().ask(&ask).answer(&answer).close();
    let [ask, answer] = speech::ssh();
    tap.tcp(200, &client(50_003), "10.1.1.22:22").open().answer(&answer).ask(&ask).close();
    let [ask, answer] = speech::dns("www.example.net", [10, 1, 1, 80]);
    tap.udp(300, &client(50_004), "10.1.1.53:53").ask(&ask).answer(&answer);
    let [hello, ehlo, can] = speech::smtp();
    tap.tcp(400, &client(50_005), "10.1.1.25:25").open().answer(hello).ask(ehlo).answer(can).close();
    let [ask, answer] = speech::smb2();
    tap.tcp(500, &client(50_006), "10.1.1.45:445").open().ask(&ask).answer(&answer).close();
    let [hello, user, password, pass, welcome] = speech::ftp_login();
    let ftp = tap.tcp(600, &client(50_007), "10.1.1.21:21").open().answer(hello).ask(user);
    ftp.answer(password).ask(pass).answer(welcome).close();
    let label = |what, from: u16, to: &str, app| {
        let label = if to.ends_with(":53") { Labelled::udp } else { Labelled::tcp };
        let outcome = if to.ends_with(":53") { "two_way" } else { "established" };
        let flow = label(what, &client(from), to).story(&["registered_service"]).outcome(&[outcome]);
        flow.app(app).alert(Alert::Never)
    };
    let flows = vec![
        label("HTTP on 80", 50_001, "10.1.1.80:80", "http"),
        label("TLS on 443", 50_002, "10.1.1.80:443", "tls"),
        label("SSH on 22", 50_003, "10.1.1.22:22", "ssh"),
        label("DNS on 53", 50_004, "10.1.1.53:53", "dns"),
        label("SMTP on 25", 50_005, "10.1.1.25:25", "smtp"),
        label("SMB on 445", 50_006, "10.1.1.45:445", "smb"),
        label("FTP on 21", 50_007, "10.1.1.21:21", "ftp"),
    ];
    let proves = "Services that speak what their port is registered for are what they seem, and silent.";
    Scenario::new("registered_service", proves, tap.frames(), flows, vec![json!({"event_type": "alert"})])
}

fn known_squatter() -> Scenario {
    let mut tap = Tap::default();
    let [ask, answer] = speech::http("grafana.example.net", "{\"database\":\"ok\"}");
    tap.tcp(0, "10.1.0.20:50011", "10.1.1.30:3000").open().ask(&ask).answer(&answer).close();
    let [ask, answer] = speech::http("prometheus.example.net", "Prometheus Server is Healthy.\n");
    tap.tcp(500, "10.1.0.20:50012", "10.1.1.31:9090").open().ask(&ask).answer(&answer).close();
    let label = |what, from, to| {
        Labelled::tcp(what, from, to).story(&["known_squatter"]).outcome(&["established"]).app("http")
    };
    let flows = vec![
        label(
            "HTTP on 3000, registered for hbci, used by web applications",
            "10.1.0.20:50011",
            "10.1.1.30:3000",
        ),
        label("HTTP on 9090, registered for websm, used by Prometheus", "10.1.0.20:50012", "10.1.1.31:9090"),
    ];
    let proves = "A documented unofficial user of a port is recognised by what it speaks, not taken for the \
                  registrant.";
    let never =
        vec![json!({"event_type": "flow", "ghostport": {"verdict": {"story": "registered_service"}}})];
    Scenario::new("known_squatter", proves, tap.frames(), flows, never)
}

fn nonstandard_port() -> Scenario {
    let mut tap = Tap::default();
    let [ask, answer] = speech::http("stock.example.net", "42 boxes\n");
    tap.tcp(0, "10.1.0.21:50021", "10.1.1.98:3098").open().ask(&ask).answer(&answer).close();
    tap.tcp(400, "[fd00:1::21]:50022", "[fd00:1::98]:3098").open().ask(&ask).answer(&answer).close();
    let [ask, answer] = speech::ssh();
    tap.tcp(800, "10.1.0.21:50023", "10.1.1.98:1207").open().answer(&answer).ask(&ask).close();
    let [ask, answer] = speech::tls("hidden.example.net");
    tap.tcp(1200, "10.1.0.21:50024", "10.1.1.98:3206").open().ask(&ask).answer(&answer).close();
    let [ask, answer] = speech::dns("a.example.net", [10, 1, 1, 1]);
    tap.udp(1600, "10.1.0.21:50025", "10.1.1.98:3098").ask(&ask).answer(&answer);
    let label = |label: fn(&'static str, &str, &str) -> Labelled, what, from, to, app| {
        label(what, from, to).story(&["nonstandard_port"]).app(app).alert(Alert::Must)
    };
    let flows = vec![
        label(Labelled::tcp, "the custom web application", "10.1.0.21:50021", "10.1.1.98:3098", "http")
            .outcome(&["established"]),
        label(Labelled::tcp, "the same over IPv6", "[fd00:1::21]:50022", "[fd00:1::98]:3098", "http"),
        label(Labelled::tcp, "SSH that was moved out of sight", "10.1.0.21:50023", "10.1.1.98:1207", "ssh"),
        label(
            Labelled::tcp,
            "TLS where a POP proxy is registered",
            "10.1.0.21:50024",
            "10.1.1.98:3206",
            "tls",
        ),
        label(Labelled::udp, "DNS where nobody serves it", "10.1.0.21:50025", "10.1.1.98:3098", "dns")
            .outcome(&["two_way"]),
    ];
    let proves =
        "A known protocol where it does not belong is named, on IPv4 and IPv6, TCP and UDP, and flagged.";
    let never =
        vec![json!({"event_type": "flow", "ghostport": {"verdict": {"story": "registered_service"}}})];
    Scenario::new("nonstandard_port", proves, tap.frames(), flows, never)
}

fn negotiated_port() -> Scenario {
    let mut tap = Tap::default();
    let (client, server) = ("10.1.0.22", "10.1.1.10");
    let [bind, bound] = speech::rpc_bind(speech::EPM, 135);
    let [map, mapped] = speech::ept_map(speech::EMSMDB, [10, 1, 1, 10], 1207);
    let epm = tap.tcp(0, &format!("{client}:50031"), &format!("{server}:135")).open();
    epm.ask(&bind).answer(&bound).ask(&map).answer(&mapped).close();
    let [bind, bound] = speech::rpc_bind(speech::EMSMDB, 1207);
    tap.tcp(900, &format!("{client}:50032"), &format!("{server}:1207"))
        .open()
        .ask(&bind)
        .answer(&bound)
        .close();
    // The same bytes to the same port of a host that announced nothing: a known protocol where it does not
    // belong.
    tap.tcp(1900, &format!("{client}:50033"), "10.1.1.11:1207").open().ask(&bind).answer(&bound).close();
    let flows = vec![
        Labelled::tcp("Outlook asks where the Exchange store is", "10.1.0.22:50031", "10.1.1.10:135")
            .story(&["registered_service"])
            .app("dcerpc")
            .alert(Alert::Never),
        Labelled::tcp("and meets it there: 1207", "10.1.0.22:50032", "10.1.1.10:1207")
            .story(&["negotiated_port"])
            .outcome(&["established"])
            .app("dcerpc")
            .fact("announced_by")
            .alert(Alert::Never),
        Labelled::tcp("the same on a host that announced nothing", "10.1.0.22:50033", "10.1.1.11:1207")
            // Exchange is on record as a past user of 1207, so both answers are right here; negotiated is
            // not.
            .story(&["nonstandard_port", "known_squatter"])
            .app("dcerpc"),
    ];
    let proves = "The endpoint mapper's reply names 1207 as Exchange's port; the flow there is explained by \
                  it, with the frame that carried it. Without the announcement the same bytes are another \
                  story.";
    let never = vec![json!({"event_type": "flow", "ghostport": {"verdict": {"story": "suspected_malware"}}})];
    Scenario::new("negotiated_port", proves, tap.frames(), flows, never)
}

fn ephemeral_overlap() -> Scenario {
    let mut tap = Tap::default();
    let [hello, server_hello] = speech::tls("www.example.net");
    let [get, ok] = speech::http("www.example.net", "ok\n");
    let [query, reply] = speech::dns("www.example.net", [10, 1, 1, 80]);
    tap.tcp(0, "10.1.0.23:3007", "10.1.1.80:443").open().ask(&hello).answer(&server_hello).close();
    tap.tcp(300, "10.1.0.23:1207", "10.1.1.80:80").open().ask(&get).answer(&ok).close();
    tap.udp(600, "10.1.0.23:3206", "10.1.1.53:53").ask(&query).answer(&reply);
    // The capture began in the middle, and the server's bytes come first: only the server's record helps.
    tap.tcp(900, "10.1.0.24:3098", "10.1.1.80:443")
        .answer(&[23, 3, 3, 0, 4, 1, 2, 3, 4])
        .ask(&[23, 3, 3, 0, 2, 9, 9]);
    let flow = |label: Labelled| label.story(&["registered_service"]).alert(Alert::Never);
    let flows = vec![
        flow(
            Labelled::tcp("a browser whose client port is 3007", "10.1.0.23:3007", "10.1.1.80:443")
                .app("tls"),
        ),
        flow(Labelled::tcp("a client port of 1207", "10.1.0.23:1207", "10.1.1.80:80").app("http")),
        flow(Labelled::udp("a resolver's client port of 3206", "10.1.0.23:3206", "10.1.1.53:53").app("dns")),
        Labelled::tcp("begun before the capture, client port 3098", "10.1.0.24:3098", "10.1.1.80:443")
            .outcome(&["midstream"])
            .alert(Alert::Never),
    ];
    let mut never: Vec<_> = [1207, 3007, 3098, 3206].map(no_alert_on).to_vec();
    never.push(json!({"event_type": "flow", "dest_ip": "10.1.0.23"}));
    never.push(json!({"event_type": "flow", "dest_ip": "10.1.0.24"}));
    let proves = "A client's source port is not a service: these flows are about 443, 80 and 53, and no \
                  alert names the client's number, even when the opening was not captured.";
    Scenario::new("ephemeral_overlap", proves, tap.frames(), flows, never)
}

fn scan() -> Scenario {
    let mut tap = Tap::default();
    for number in 0..20_u16 {
        let port = if number == 16 { 3007 } else { 3191 + number }; // 3206 is among them
        let to = format!("10.1.2.10:{port}");
        let probe = tap.tcp(u64::from(number) * 20, "203.0.113.66:61000", &to).syn();
        if number % 4 == 0 {
            probe.reset();
        }
    }
    for host in 1..=15 {
        tap.tcp(5000 + host * 20, "203.0.113.67:61001", &format!("10.1.3.{host}:1207")).syn();
    }
    let flows = vec![
        Labelled::tcp("one host, twenty ports: 3206 does not answer", "203.0.113.66:61000", "10.1.2.10:3206")
            .story(&["scan"])
            .outcome(&["unanswered"])
            .fact("fan_out"),
        Labelled::tcp("and 3007 refuses", "203.0.113.66:61000", "10.1.2.10:3007")
            .story(&["scan"])
            .outcome(&["refused"])
            .fact("fan_out"),
        Labelled::tcp("one port, fifteen hosts", "203.0.113.67:61001", "10.1.3.15:1207")
            .story(&["scan"])
            .outcome(&["unanswered"])
            .fact("fan_out"),
    ];
    let proves =
        "Probes are one story, told by the fan-out of their sender and by nobody answering: not by the port.";
    let never = vec![
        json!({"event_type": "flow", "ghostport": {"verdict": {"story": "suspected_malware"}}}),
        json!({"event_type": "flow", "ghostport": {"outcome": "established"}}),
    ];
    Scenario::new("scan", proves, tap.frames(), flows, never)
}

fn misdirected() -> Scenario {
    let mut tap = Tap::default();
    for minute in 0..8_u16 {
        let from = format!("10.1.0.25:{}", 50_100 + minute);
        tap.tcp(u64::from(minute) * 60_000, &from, "10.1.1.40:3007").syn().reset();
        let from = format!("10.1.0.26:{}", 50_200 + minute);
        tap.udp(u64::from(minute) * 60_000 + 500, &from, "10.1.1.41:3206").ask(b"report 1\n").unreachable();
        let from = format!("10.1.0.27:{}", 50_300 + minute);
        tap.tcp(u64::from(minute) * 60_000 + 900, &from, "10.1.1.42:3098").syn().wait(1000).syn_again();
    }
    let label = |label: Labelled| label.story(&["misdirected"]).fact("knocks").alert(Alert::May);
    let flows = vec![
        label(Labelled::tcp("a client that is told no every minute", "10.1.0.25:50107", "10.1.1.40:3007"))
            .outcome(&["refused"]),
        label(Labelled::udp(
            "reports to a machine where nobody listens",
            "10.1.0.26:50207",
            "10.1.1.41:3206",
        ))
        .outcome(&["refused"]),
        label(Labelled::tcp("retries into silence every minute", "10.1.0.27:50307", "10.1.1.42:3098"))
            .outcome(&["unanswered"]),
    ];
    let proves = "Someone who keeps asking where nothing answers is misconfigured, not scanning: few \
                  originators, one place, a regular interval; refused by reset, by ICMP, or ignored.";
    let never = vec![json!({"event_type": "flow", "ghostport": {"verdict": {"story": "suspected_malware"}}})];
    Scenario::new("misdirected", proves, tap.frames(), flows, never)
}

fn backscatter() -> Scenario {
    let mut tap = Tap::default();
    for host in 1..=8_u64 {
        let from = format!("10.1.4.{host}:{}", 2000 + host * 97);
        tap.tcp(host * 50, &from, "198.51.100.7:3007").syn_ack().wait(1000).reset();
    }
    let stories = ["backscatter"];
    let flows = vec![
        Labelled::tcp("answers to a flood that was sent in our name", "10.1.4.8:2776", "198.51.100.7:3007")
            .story(&stories)
            .fact("answer_without_request")
            .alert(Alert::Never),
    ];
    let proves =
        "SYN-ACKs and resets that nobody here asked for come from the victim of somebody else's spoofing.";
    let never =
        vec![json!({"event_type": "flow", "ghostport": {"outcome": "established"}}), no_alert_on(3007)];
    Scenario::new("backscatter", proves, tap.frames(), flows, never)
}

fn suspected_malware() -> Scenario {
    let mut tap = Tap::default();
    let [banner, ask, info] = speech::netbus();
    tap.tcp(0, "203.0.113.9:50041", "10.1.1.50:1207").open().answer(banner).ask(ask).answer(info).close();
    tap.tcp(500, "203.0.113.9:50042", "10.1.1.50:12345").open().answer(banner).ask(ask).answer(info).close();
    // On the same listed port, another host: no malware bytes, no malware.
    let [ask, answer] = speech::http("app.example.net", "hello\n");
    tap.tcp(1000, "10.1.0.28:50043", "10.1.1.51:12345").open().ask(&ask).answer(&answer).close();
    let label = |what, from, to| {
        let flow = Labelled::tcp(what, from, to).story(&["suspected_malware"]).outcome(&["established"]);
        flow.fact("malware_bytes").alert(Alert::Must)
    };
    let flows = vec![
        label("NetBus names itself on 1207", "203.0.113.9:50041", "10.1.1.50:1207"),
        label("and on its own port 12345", "203.0.113.9:50042", "10.1.1.50:12345"),
        Labelled::tcp("a web page on the listed port 12345", "10.1.0.28:50043", "10.1.1.51:12345")
            .story(&["nonstandard_port", "known_squatter"])
            .app("http"),
    ];
    let proves = "Malware is told by its handshake on any port; a port on a list is not malware.";
    let never =
        vec![json!({"dest_ip": "10.1.1.51", "ghostport": {"verdict": {"story": "suspected_malware"}}})];
    Scenario::new("suspected_malware", proves, tap.frames(), flows, never)
}

fn unidentified_listener() -> Scenario {
    let mut tap = Tap::default();
    let mut random = Random::new(3206);
    let mut turn = |length: usize| {
        let mut bytes = vec![0xd7, 0x00];
        bytes.extend(random.bytes(length));
        bytes
    };
    let tcp = tap.tcp(0, "10.1.0.29:50051", "10.1.1.60:3206").open();
    tcp.ask(&turn(30)).answer(&turn(90)).ask(&turn(61)).answer(&turn(700)).close();
    tap.udp(600, "10.1.0.29:50052", "10.1.1.60:3206")
        .ask(&turn(40))
        .answer(&turn(44))
        .ask(&turn(17))
        .answer(&turn(99));
    let label = |label: Labelled| label.story(&["unidentified_listener"]).alert(Alert::Must);
    let flows = vec![
        label(Labelled::tcp("something answers on 3206/tcp", "10.1.0.29:50051", "10.1.1.60:3206"))
            .outcome(&["established"]),
        label(Labelled::udp("and on 3206/udp", "10.1.0.29:50052", "10.1.1.60:3206")).outcome(&["two_way"]),
    ];
    let proves = "Something answers and speaks a language nobody knows: said so, and flagged, without \
                  inventing a name.";
    let never =
        vec![json!({"event_type": "flow", "ghostport": {"verdict": {"story": "registered_service"}}})];
    Scenario::new("unidentified_listener", proves, tap.frames(), flows, never)
}

fn undetermined() -> Scenario {
    let mut tap = Tap::default();
    tap.tcp(0, "10.1.0.30:50061", "10.1.1.70:3098").open().wait(300).close();
    tap.tcp(500, "10.1.0.31:50062", "10.1.1.71:3098").acknowledge().wait(2000).acknowledge();
    tap.udp(900, "10.1.0.32:50063", "10.1.1.72:3098").ask(&[0xd7, 1, 2, 3]);
    let label = |label: Labelled| label.story(&["undetermined"]);
    let flows = vec![
        label(Labelled::tcp("opened and closed without a word", "10.1.0.30:50061", "10.1.1.70:3098"))
            .outcome(&["opened"]),
        label(Labelled::tcp("bare acknowledgements, one way", "10.1.0.31:50062", "10.1.1.71:3098"))
            .outcome(&["midstream", "one_way"]),
        label(Labelled::udp("a single datagram", "10.1.0.32:50063", "10.1.1.72:3098")).outcome(&["one_way"]),
    ];
    let proves = "Not enough evidence is a legal answer: no payload, one side only, a single datagram.";
    let never = vec![json!({"event_type": "flow", "ghostport": {"outcome": "established"}})];
    Scenario::new("undetermined", proves, tap.frames(), flows, never)
}
