//! The matrix: each of the four seed ports with every story that can occur on it, in one capture per port.
//! Every case has hosts of its own, so that what an endpoint did in one case is no evidence in another.

use serde_json::json;

use super::{Alert, Labelled, Scenario};
use crate::support::speech;
use crate::support::talk::{Random, Tap};

/// A seed port and the second byte of the addresses in its capture.
const PORTS: [(u16, u8); 4] = [(1207, 12), (3007, 30), (3098, 98), (3206, 206)];

pub(super) fn all() -> Vec<Scenario> {
    PORTS
        .into_iter()
        .map(|(port, net)| Case { port, net, tap: Tap::default(), flows: Vec::new() }.scenario())
        .collect()
}

/// A port's capture while it is being made.
struct Case {
    port: u16,
    net: u8,
    tap: Tap,
    flows: Vec<Labelled>,
}

impl Case {
    fn scenario(mut self) -> Scenario {
        self.registered();
        self.squatter();
        self.negotiated();
        self.ephemeral();
        self.scan();
        self.misdirected();
        self.backscatter();
        self.nonstandard();
        self.malware();
        self.unidentified();
        self.undetermined();
        let port = self.port;
        let client = format!("10.{}.3.10", self.net);
        let never = vec![
            json!({"event_type": "alert", "dest_ip": client}),
            json!({"event_type": "flow", "dest_ip": client}),
            json!({"event_type": "alert", "dest_ip": format!("10.{}.2.20", self.net), "dest_port": port}),
        ];
        let proves = format!(
            "Port {port} in every story that can occur on it: the number is the same everywhere, and what \
             happens there decides. {}",
            remark(port)
        );
        Scenario::new(&format!("matrix-{port}"), &proves, self.tap.frames(), self.flows, never)
    }

    /// The address `10.net.row.host`.
    fn host(&self, row: u8, host: u8) -> String {
        format!("10.{}.{row}.{host}", self.net)
    }

    /// The endpoint at the port under test.
    fn at(&self, row: u8, host: u8) -> String {
        format!("{}:{}", self.host(row, host), self.port)
    }

    /// Only 3206's registration names a protocol that is published: IronMail's POP proxy. MetaSage, Lotus
    /// Mail Tracking Agent and Universal Message Manager never published theirs, so no capture can prove
    /// them.
    fn registered(&mut self) {
        if self.port != 3206 {
            return;
        }
        let (from, to) = (format!("{}:50001", self.host(0, 10)), self.at(0, 20));
        let [hello, user, ok, stat, count] = speech::pop3();
        let talk = self.tap.tcp(0, &from, &to).open().answer(hello).ask(user).answer(ok).ask(stat);
        talk.answer(count).close();
        self.flows.push(
            Labelled::tcp("registered: a POP proxy greets", &from, &to)
                .story(&["registered_service"])
                .outcome(&["established"])
                .app("pop3"),
        );
    }

    /// Only 3007 has squatters on record (Miralix OM Server, ViewGate and Talon recorders); none published a
    /// protocol, so HTTP there may be counted as the squatter or as a protocol out of place.
    fn squatter(&mut self) {
        if self.port != 3007 {
            return;
        }
        let (from, to) = (format!("{}:50002", self.host(1, 10)), self.at(1, 20));
        let [ask, answer] = speech::http("om.example.net", "<om/>\n");
        self.tap.tcp(10_000, &from, &to).open().ask(&ask).answer(&answer).close();
        self.flows.push(
            Labelled::tcp("squatter: the contact centre's web service", &from, &to)
                .story(&["known_squatter", "nonstandard_port"])
                .app("http")
                .alert(Alert::Must),
        );
    }

    /// Each port is announced in the way that is likeliest for it.
    fn negotiated(&mut self) {
        let (client, server) = (self.host(2, 10), self.host(2, 20));
        let numbers = |port: u16| speech::ftp_numbers([10, self.net, 2, 20], port);
        let (from, to) = (format!("{client}:50004"), self.at(2, 20));
        let flow = match self.port {
            1207 => {
                let [bind, bound] = speech::rpc_bind(speech::EPM, 135);
                let [map, mapped] = speech::ept_map(speech::EMSMDB, [10, self.net, 2, 20], 1207);
                let epm = self.tap.tcp(20_000, &format!("{client}:50003"), &format!("{server}:135")).open();
                epm.ask(&bind).answer(&bound).ask(&map).answer(&mapped).close();
                let [bind, bound] = speech::rpc_bind(speech::EMSMDB, 1207);
                self.tap.tcp(21_000, &from, &to).open().ask(&bind).answer(&bound).close();
                Labelled::tcp("negotiated: Exchange, by the endpoint mapper", &from, &to)
            }
            3007 => {
                let [ask, answer] = speech::portmap(3007);
                let pmap = self.tap.udp(20_000, &format!("{client}:50003"), &format!("{server}:111"));
                pmap.ask(&ask).answer(&answer);
                let [ask, answer] = speech::mountd_null();
                self.tap.tcp(21_000, &from, &to).open().ask(&ask).answer(&answer).close();
                Labelled::tcp("negotiated: mountd, by the portmapper", &from, &to)
            }
            _ => {
                let [hello, user, password, pass, welcome] = speech::ftp_login();
                let passive = format!("227 Entering Passive Mode ({})\r\n", numbers(self.port));
                let ftp = self.tap.tcp(20_000, &format!("{client}:50003"), &format!("{server}:21")).open();
                let ftp = ftp.answer(hello).ask(user).answer(password).ask(pass).answer(welcome);
                let ftp = ftp.ask(b"PASV\r\n").answer(passive.as_bytes()).ask(b"RETR list.txt\r\n");
                ftp.answer(b"150 Opening BINARY mode data connection.\r\n").wait(2000);
                self.tap.tcp(20_900, &from, &to).open().answer(b"one\r\ntwo\r\nthree\r\n").close();
                Labelled::tcp("negotiated: a file, by FTP's PASV", &from, &to)
            }
        };
        self.flows.push(flow.story(&["negotiated_port"]).fact("announced_by").alert(Alert::Never));
    }

    fn ephemeral(&mut self) {
        let client = self.host(3, 10);
        let from = format!("{client}:{}", self.port);
        let to = format!("{}:443", self.host(3, 20));
        let [ask, answer] = speech::tls("www.example.net");
        self.tap.tcp(30_000, &from, &to).open().ask(&ask).answer(&answer).close();
        self.flows.push(
            Labelled::tcp("ephemeral overlap: only the client's port", &from, &to)
                .story(&["registered_service"])
                .app("tls")
                .alert(Alert::Never),
        );
        // The capture of this one began late, and the server's half comes first.
        let to = format!("{}:443", self.host(3, 20));
        let from = format!("{}:{}", self.host(3, 11), self.port);
        self.tap.tcp(31_000, &from, &to).answer(&[23, 3, 3, 0, 3, 1, 2, 3]).ask(&[23, 3, 3, 0, 2, 8, 9]);
        self.flows.push(
            Labelled::tcp("ephemeral overlap, begun before the capture", &from, &to)
                .outcome(&["midstream"])
                .alert(Alert::Never),
        );
    }

    fn scan(&mut self) {
        for host in 1..=15 {
            let to = self.at(4, host);
            self.tap.tcp(40_000 + u64::from(host) * 15, "203.0.113.80:61234", &to).syn();
        }
        let flow = Labelled::tcp("scan: fifteen hosts, one port", "203.0.113.80:61234", &self.at(4, 15));
        self.flows.push(flow.story(&["scan"]).outcome(&["unanswered"]).fact("fan_out"));
    }

    fn misdirected(&mut self) {
        let (client, to) = (self.host(5, 10), self.at(5, 20));
        for minute in 0..4_u16 {
            let from = format!("{client}:{}", 50_100 + minute);
            self.tap.tcp(50_000 + u64::from(minute) * 60_000, &from, &to).syn().reset();
        }
        let flow = Labelled::tcp("misdirected: refused every minute", &format!("{client}:50103"), &to);
        self.flows.push(flow.story(&["misdirected"]).outcome(&["refused"]).fact("knocks"));
    }

    fn backscatter(&mut self) {
        let to = format!("198.51.100.{}:{}", self.net, self.port);
        for host in 1..=3 {
            let from = format!("{}:{}", self.host(6, host), 1500 + u16::from(host) * 131);
            self.tap.tcp(60_000 + u64::from(host) * 40, &from, &to).syn_ack();
        }
        let flow = Labelled::tcp(
            "backscatter: SYN-ACKs nobody asked for",
            &format!("{}:1893", self.host(6, 3)),
            &to,
        );
        self.flows.push(flow.story(&["backscatter"]).fact("answer_without_request").alert(Alert::Never));
    }

    fn nonstandard(&mut self) {
        let (from, to) = (format!("{}:50007", self.host(7, 10)), self.at(7, 20));
        let ([ask, answer], app) = match self.port {
            1207 => (speech::ssh(), "ssh"),
            3007 => (speech::tls("recorder.example.net"), "tls"),
            3098 => (speech::http("stock.example.net", "42\n"), "http"),
            _ => (speech::smb2(), "smb"),
        };
        self.tap.tcp(70_000, &from, &to).open().ask(&ask).answer(&answer).close();
        let stories: &[&str] =
            if self.port == 3007 { &["nonstandard_port", "known_squatter"] } else { &["nonstandard_port"] };
        let flow = Labelled::tcp("nonstandard: a known protocol out of place", &from, &to);
        self.flows.push(flow.story(stories).outcome(&["established"]).app(app).alert(Alert::Must));
    }

    fn malware(&mut self) {
        let (from, to) = ("203.0.113.9:50008".to_string(), self.at(8, 20));
        let [banner, ask, info] = speech::netbus();
        self.tap.tcp(80_000, &from, &to).open().answer(banner).ask(ask).answer(info).close();
        let flow = Labelled::tcp("malware: NetBus names itself", &from, &to);
        self.flows.push(flow.story(&["suspected_malware"]).fact("malware_bytes").alert(Alert::Must));
    }

    fn unidentified(&mut self) {
        let (from, to) = (format!("{}:50009", self.host(9, 10)), self.at(9, 20));
        let mut random = Random::new(u64::from(self.port));
        let [a, b, c, d] =
            [24, 80, 33, 400].map(|length| [&[0xd7, 0x02][..], &random.bytes(length)].concat());
        self.tap.tcp(90_000, &from, &to).open().ask(&a).answer(&b).ask(&c).answer(&d).close();
        // A squatter whose protocol nobody knows might explain unknown bytes on 3007: both answers are right
        // there.
        let stories: &[&str] = if self.port == 3007 {
            &["unidentified_listener", "known_squatter"]
        } else {
            &["unidentified_listener"]
        };
        let flow = Labelled::tcp("unidentified: something answers", &from, &to);
        self.flows.push(flow.story(stories).outcome(&["established"]).alert(Alert::Must));
    }

    fn undetermined(&mut self) {
        let (from, to) = (format!("{}:50010", self.host(10, 10)), self.at(10, 20));
        self.tap.tcp(95_000, &from, &to).open().wait(200).close();
        let flow = Labelled::tcp("undetermined: opened, not a word", &from, &to);
        self.flows.push(flow.story(&["undetermined"]).outcome(&["opened"]));
    }
}

/// What cannot occur on a port, and why.
const fn remark(port: u16) -> &'static str {
    match port {
        1207 => {
            "No registered-service case: MetaSage never published its protocol. The one user on record, \
             Exchange, is the negotiated case. SoftWAR's handshake is not documented; the malware case is \
             NetBus, whose banner is."
        }
        3007 => "No registered-service case: the Lotus Mail Tracking Agent's protocol is not published.",
        3098 => {
            "No registered-service case (Universal Message Manager published nothing) and no squatter case \
             (none is on record)."
        }
        _ => "No squatter case: none is on record.",
    }
}
