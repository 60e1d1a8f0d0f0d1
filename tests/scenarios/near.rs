//! What looks like a scan and is none, each in a folder of its own: nothing there may be called a scan, and
//! nothing there may raise an alert.

use serde_json::{Value, json};

use super::{Alert, Labelled, Scenario};
use crate::support::speech;
use crate::support::talk::Tap;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        retry(),
        nat(),
        monitor(),
        outage(),
        peer(),
        resolver(),
        mail(),
        crawler(),
        backup(),
        balancer(),
        ntp(),
        wake(),
    ]
}

/// No alert, and no scan.
fn quiet() -> Vec<Value> {
    vec![
        json!({"event_type": "alert"}),
        json!({"event_type": "flow", "ghostport": {"verdict": {"story": "scan"}}}),
    ]
}

fn near(name: &str, proves: &str, tap: Tap, flows: Vec<Labelled>) -> Scenario {
    let flows = flows.into_iter().map(|flow| flow.alert(Alert::Never)).collect();
    Scenario::new(name, proves, tap.frames(), flows, quiet())
}

fn client(host: &str, number: u64) -> String {
    format!("{host}:{}", 50_000 + number)
}

/// A host somewhere in the world.
fn somewhere(number: u64, port: u16) -> String {
    format!("198.51.{}.{}:{port}", number * 7 % 250, number * 13 % 250 + 1)
}

fn retry() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.10", number);
    let [ask, answer] = speech::http("stock.example.net", "ok\n");
    for number in 0..16 {
        tap.tcp(number * 3000, &me(number), "10.1.8.80:80").syn().reset();
    }
    tap.tcp(60_000, &me(16), "10.1.8.80:80").open().ask(&ask).answer(&answer).close();
    let flows = vec![
        Labelled::tcp("refused while the server restarts", &me(15), "10.1.8.80:80").outcome(&["refused"]),
        Labelled::tcp("and served again", &me(16), "10.1.8.80:80").story(&["registered_service"]),
    ];
    near("near-retry", "A client that asks again until its server is back.", tap, flows)
}

fn nat() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("192.0.2.1", number);
    let [ask, answer] = speech::http("www.example.net", "ok\n");
    for number in 0..30 {
        let to = somewhere(number, 80);
        let flow = tap.tcp(number * 200, &me(number), &to).syn();
        match number % 5 {
            2 => flow.reset(),
            4 => {}
            _ => flow.syn_ack().acknowledge().ask(&ask).answer(&answer).close(),
        }
    }
    let flows = vec![
        Labelled::tcp("one that is not answered", &me(4), &somewhere(4, 80)).outcome(&["unanswered"]),
        Labelled::tcp("one that is", &me(5), &somewhere(5, 80)).story(&["registered_service"]),
    ];
    near("near-nat", "Many hosts behind one address: many servers, mostly answered.", tap, flows)
}

fn monitor() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.20", number);
    let to = |target: u64| format!("10.8.0.{}:443", target + 1);
    for round in 0..3 {
        for target in 0..10 {
            let flow = tap.tcp(round * 60_000 + target * 100, &me(round * 10 + target), &to(target)).syn();
            match target {
                3 | 7 => {}
                6 => flow.reset(),
                _ => flow.syn_ack().acknowledge().close(),
            }
        }
    }
    let flows = vec![Labelled::tcp("a target that is down", &me(23), &to(3)).outcome(&["unanswered"])];
    near("near-monitor", "The same targets every minute, some of them down.", tap, flows)
}

/// Two thirds of the targets are gone at once, after they had answered: there is no doubt who is at fault.
fn outage() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.21", number);
    let to = |target: u64| format!("10.8.1.{}:443", target + 1);
    for round in 0..5 {
        for target in 0..6 {
            let flow = tap.tcp(round * 60_000 + target * 100, &me(round * 6 + target), &to(target)).syn();
            if round == 0 {
                flow.syn_ack().acknowledge().close();
            }
        }
    }
    let flows = vec![Labelled::tcp("in the third round", &me(15), &to(3)).outcome(&["unanswered"])];
    near(
        "near-outage",
        "A monitoring system that watches a site go down: the same few, again and again.",
        tap,
        flows,
    )
}

fn peer() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.30", number);
    let to = |number: u64| somewhere(number, u16::try_from(6881 + number * number * 47).expect("small"));
    for number in 0..30 {
        let flow = tap.tcp(number * 300, &me(number), &to(number)).syn();
        match number % 6 {
            1 | 4 => flow.reset(),
            3 => flow.syn_ack().acknowledge().close(),
            _ => {}
        }
    }
    let flows = vec![
        Labelled::tcp("a peer that is gone", &me(14), &to(14)).outcome(&["unanswered"]),
        Labelled::tcp("a peer that has closed its port", &me(28), &to(28)).outcome(&["refused"]),
    ];
    near(
        "near-peer",
        "A peer-to-peer client: many peers, each on a port of its own, most of them gone.",
        tap,
        flows,
    )
}

fn resolver() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.53", number);
    let [ask, answer] = speech::dns("www.example.net", [10, 1, 1, 80]);
    for number in 0..30 {
        let flow = tap.udp(number * 70, &me(number), &somewhere(number, 53)).ask(&ask);
        if number % 7 != 0 {
            flow.answer(&answer);
        }
    }
    let flows = vec![
        Labelled::udp("a server that does not answer", &me(28), &somewhere(28, 53))
            .story(&["registered_service"]),
        Labelled::udp("one that does", &me(29), &somewhere(29, 53)).story(&["registered_service"]),
    ];
    near("near-resolver", "A resolver asks name servers everywhere; a few are lame.", tap, flows)
}

fn mail() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.25", number);
    let [hello, ehlo, can] = speech::smtp();
    for number in 0..28 {
        let flow = tap.tcp(number * 400, &me(number), &somewhere(number, 25)).syn();
        match number % 7 {
            2 => flow.reset(),
            0 | 5 => {}
            _ => flow.syn_ack().acknowledge().answer(hello).ask(ehlo).answer(can).close(),
        }
    }
    let flows = vec![Labelled::tcp("an exchanger long gone", &me(14), &somewhere(14, 25))];
    near("near-mail", "A mail server delivers everywhere; three exchangers in seven are gone.", tap, flows)
}

fn crawler() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.81", number);
    let [ask, answer] = speech::http("www.example.net", "ok\n");
    for number in 0..28 {
        let flow = tap.tcp(number * 90, &me(number), &somewhere(number, 80)).syn();
        match number {
            0..9 => {} // the first links are the oldest
            9..12 => flow.reset(),
            _ => flow.syn_ack().acknowledge().ask(&ask).answer(&answer).close(),
        }
    }
    let flows = vec![Labelled::tcp("a site long gone", &me(3), &somewhere(3, 80)).outcome(&["unanswered"])];
    near("near-crawler", "A crawler that begins with a list of dead links.", tap, flows)
}

fn backup() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.40", number);
    let to = |number: u64| format!("10.8.2.{}:445", number + 1);
    let [ask, answer] = speech::smb2();
    for number in 0..30 {
        let flow = tap.tcp(number * 1500, &me(number), &to(number)).syn();
        if number % 3 == 0 {
            flow.syn_ack().acknowledge().ask(&ask).answer(&answer).close();
        }
    }
    let flows = vec![
        Labelled::tcp("a client that is switched off", &me(28), &to(28)).outcome(&["unanswered"]),
        Labelled::tcp("a client that is there", &me(27), &to(27)).story(&["registered_service"]),
    ];
    near(
        "near-backup",
        "A backup server calls its clients at night; two in three are switched off.",
        tap,
        flows,
    )
}

fn balancer() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.50", number);
    let to = |backend: u64| format!("10.8.3.{}:8080", backend + 1);
    for round in 0..2 {
        for backend in 0..16 {
            let flow = tap.tcp(round * 5000 + backend * 20, &me(round * 16 + backend), &to(backend)).syn();
            if backend % 5 == 2 { flow.reset() } else { flow.syn_ack().abandon() }
        }
    }
    let flows = vec![
        Labelled::tcp("a check of a backend that is up", &me(16), &to(0)),
        Labelled::tcp("and of one that is not", &me(18), &to(2)).outcome(&["refused"]),
    ];
    near("near-balancer", "A load balancer checks its backends by opening half, as HAProxy does.", tap, flows)
}

fn ntp() -> Scenario {
    let mut tap = Tap::default();
    let mut ask = [0; 48];
    ask[0] = 0x23; // version 4, client (RFC 5905 section 7.3)
    let mut answer = [0; 48];
    answer[..4].copy_from_slice(&[0x24, 2, 6, 0xec]); // version 4, server, stratum 2
    answer[12..16].copy_from_slice(&[10, 1, 1, 1]);
    answer[16..].fill(0xe5); // some time
    for number in 0..24 {
        let flow = tap.udp(number * 4000, "10.1.8.60:123", &somewhere(number, 123)).ask(&ask);
        if number % 4 != 1 {
            flow.answer(&answer);
        }
    }
    let flows = vec![Labelled::udp("a server that left the pool", "10.1.8.60:123", &somewhere(21, 123))];
    near("near-ntp", "A client of a pool of time servers, of which some have left.", tap, flows)
}

fn wake() -> Scenario {
    let mut tap = Tap::default();
    let me = |number| client("10.1.8.70", number);
    for number in 0..24 {
        tap.tcp(number * 30, &me(number), &somewhere(number, 443)).probe(0x11).reset();
    }
    let flows = vec![Labelled::tcp("one of its old connections", &me(20), &somewhere(20, 443))];
    near("near-wake", "A client wakes up and closes connections that its servers have forgotten.", tap, flows)
}
