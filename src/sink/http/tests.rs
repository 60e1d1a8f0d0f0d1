//! Against a server that misbehaves on command.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::*;
use crate::sink::courier::Courier;
use crate::sink::testing::{Authority, bring_all, bring_more, server};

const LIMIT: Duration = Duration::from_secs(60);

/// What the server does with a request.
enum Act {
    /// Answers this; keeps the lines when it is a 2xx.
    Say(u16, &'static str, String),
    /// Keeps the lines, and closes in the middle of the answer.
    TakeAndBreak,
    /// Closes without reading.
    Hang,
    /// Says nothing for so long, then goes on as usual.
    Slow(Duration),
}

fn say(status: u16) -> Act {
    Act::Say(status, "", String::new())
}

/// A request as the server heard it.
#[derive(Clone, Debug)]
struct Heard {
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

type Usual = fn(&Heard) -> (u16, String);

#[derive(Default)]
struct Books {
    script: VecDeque<Act>,
    heard: Vec<Heard>,
    /// Lines that were taken, in order.
    taken: Vec<String>,
}

struct Rude {
    port: u16,
    books: Arc<Mutex<Books>>,
}

impl Rude {
    /// Does what the script says, request for request, and then the usual.
    fn start(script: Vec<Act>, usual: Usual) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), script, usual, None)
    }

    fn listen(
        listener: TcpListener,
        script: Vec<Act>,
        usual: Usual,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let books = Arc::new(Mutex::new(Books { script: script.into(), ..Books::default() }));
        let shared = Arc::clone(&books);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (books, socket, tls) = (Arc::clone(&shared), socket.unwrap(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(&mut BufReader::new(&socket), &mut &socket, &books, usual),
                    Some(config) => serve_tls(socket, config, &books, usual),
                });
            }
        });
        Self { port, books }
    }

    fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}/in{rest}", self.port)
    }

    fn taken(&self) -> Vec<String> {
        self.books.lock().unwrap().taken.clone()
    }

    fn heard(&self) -> Vec<Heard> {
        self.books.lock().unwrap().heard.clone()
    }
}

/// One request per connection is enough to see certificates.
fn serve_tls(mut socket: TcpStream, config: Arc<rustls::ServerConfig>, books: &Mutex<Books>, usual: Usual) {
    let mut tls = rustls::ServerConnection::new(config).unwrap();
    let mut stream = rustls::Stream::new(&mut tls, &mut socket);
    let mut reader = BufReader::with_capacity(1, &mut stream);
    let Some(heard) = request(&mut reader) else { return };
    let (status, body) = usual(&heard);
    books.lock().unwrap().taken.extend(heard.body.lines().map(str::to_owned));
    let _gone_is_fine = answer(&mut stream, status, "Connection: close\r\n", &body);
}

/// Serves a connection until it ends or the script ends it.
fn serve(reader: &mut impl BufRead, writer: &mut impl Write, books: &Mutex<Books>, usual: Usual) -> () {
    loop {
        if matches!(books.lock().unwrap().script.front(), Some(Act::Hang)) {
            books.lock().unwrap().script.pop_front();
            return;
        }
        let Some(heard) = request(reader) else { return };
        let act = books.lock().unwrap().script.pop_front();
        books.lock().unwrap().heard.push(heard.clone());
        let keep = || books.lock().unwrap().taken.extend(heard.body.lines().map(str::to_owned));
        let (status, headers, body) = match act {
            Some(Act::Say(status, headers, body)) => (status, headers, body),
            Some(Act::TakeAndBreak) => {
                keep();
                let _gone_is_fine =
                    writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf of");
                return;
            }
            Some(Act::Hang) => return,
            Some(Act::Slow(time)) => {
                thread::sleep(time);
                let (status, body) = usual(&heard);
                (status, "", body)
            }
            None => {
                let (status, body) = usual(&heard);
                (status, "", body)
            }
        };
        if status < 300 {
            keep();
        }
        if answer(writer, status, headers, &body).is_err() {
            return;
        }
    }
}

fn answer(writer: &mut impl Write, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} So\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    writer.write_all(head.as_bytes())?;
    writer.flush()
}

fn request(reader: &mut impl BufRead) -> Option<Heard> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    if headers.get("content-encoding").is_some_and(|name| name == "gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(body.as_slice()).read_to_end(&mut plain).ok()?;
        body = plain;
    }
    Some(Heard { path, headers, body: String::from_utf8(body).ok()? })
}

fn fine(_: &Heard) -> (u16, String) {
    (200, "{}".to_owned())
}

fn receiver(format: &str, url: &str) -> Http {
    Http::new(Remote::parse(format, url).unwrap()).unwrap()
}

/// Lines with ids, as in ECS.
fn lines(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers
        .map(|n| format!("{{\"event\":{{\"id\":\"e{n}\",\"dataset\":\"ghostport.alert\"}},\"number\":{n}}}"))
        .collect()
}

fn set(lines: &[String]) -> BTreeSet<&String> {
    lines.iter().collect()
}

#[test]
fn nothing_is_lost_to_a_server_that_misbehaves() {
    let rude = Rude::start(
        vec![
            say(500),
            say(204),
            Act::Say(429, "Retry-After: 1\r\n", "slow down".to_owned()),
            Act::TakeAndBreak,
            Act::Hang,
            Act::Slow(Duration::from_millis(1500)),
            say(408),
            Act::Say(503, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", String::new()),
            Act::Say(
                503,
                "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nDate: Fri, 31 Dec 1999 23:59:58 GMT\r\n",
                String::new(),
            ),
            say(502),
        ],
        fine,
    );
    let lines = lines(0..2000);
    let started = Instant::now();
    let brought = bring_all(receiver("ecs", &rude.url("?batch=300&gzip=yes")), &lines, LIMIT);
    assert_eq!((brought.settled, brought.refused), (2000, None));
    assert!(started.elapsed() > Duration::from_millis(3500), "Retry-After and slowness take their time");
    let taken = rude.taken();
    assert_eq!(set(&taken), set(&lines), "0 lost, 0 duplicated after the ids are looked at");
    assert_eq!(taken.len(), 2300, "only the batch whose answer was lost came twice");
    assert_eq!(rude.heard()[0].headers["content-type"], "application/x-ndjson");
}

#[test]
fn a_bad_record_costs_only_itself() {
    let usual: Usual = |heard| {
        if heard.body.contains("poison") { (400, "cannot parse".to_owned()) } else { (200, String::new()) }
    };
    let rude = Rude::start(Vec::new(), usual);
    let mut lines = lines(0..1000);
    lines[333] = "poison".to_owned();
    let brought = bring_all(receiver("eve", &rude.url("")), &lines, LIMIT);
    let refused = Some(Refused { count: 1, why: "HTTP 400 cannot parse".to_owned() });
    assert_eq!((brought.settled, brought.refused), (1000, refused));
    lines.remove(333);
    assert_eq!(rude.taken(), lines, "in order, each once");
}

#[test]
fn other_refusals_are_counted_and_a_wrong_token_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "hunter2\n").unwrap();
    let rude = Rude::start(
        vec![
            Act::Say(401, "", "no token \u{1b}[31m hunter2".to_owned()),
            Act::Say(307, "Location: http://elsewhere/\r\n", String::new()),
            Act::Say(404, "", "nothing here".to_owned()),
        ],
        fine,
    );
    let url = rude.url(&format!("?batch=10&token=file:{}", dir.path().join("token").display()));
    let mut receiver = receiver("eve", &url);
    let lines = lines(0..20);
    let records: Vec<_> = lines.iter().map(String::as_bytes).collect();
    let delivered = receiver.deliver(&records);
    let Then::Retry { why, .. } = delivered.then else { panic!("a wrong token is kept") };
    assert_eq!(
        (delivered.settled, why.as_str()),
        (0, "HTTP 401 (check the token, or user and password) no token  [31m (secret)")
    );
    let Then::Retry { why, .. } = receiver.deliver(&records).then else { panic!("it is kept") };
    assert!(why.contains("redirects to http://elsewhere/"), "{why}");
    let refused = Some(Refused { count: 10, why: "HTTP 404 nothing here".to_owned() });
    assert_eq!(receiver.deliver(&records), Delivered { settled: 10, refused, then: Then::GoOn });
    assert_eq!(receiver.deliver(&records[10..]), Delivered::all(10));
    assert!(rude.heard().iter().all(|heard| heard.headers["authorization"] == "Bearer hunter2"));
}

#[test]
fn a_receiver_that_never_answers_is_given_up_in_time() {
    let rude = Rude::start(vec![Act::Slow(LIMIT)], fine);
    let started = Instant::now();
    let delivered = receiver("eve", &rude.url("")).deliver(&[b"{}"]);
    assert!(delivered.settled == 0 && started.elapsed() < crate::sink::deliver::WAIT_MAX);
    let closed = crate::sink::testing::free_port();
    let delivered = receiver("eve", &format!("http://127.0.0.1:{closed}/x")).deliver(&[b"{}"]);
    assert!(matches!(delivered.then, Then::Retry { .. }));
}

#[test]
fn a_receiver_that_was_away_misses_nothing() {
    let away = std::env::var("GHOSTPORT_TEST_AWAY").ok().and_then(|text| text.parse().ok());
    let away = Duration::from_secs(away.unwrap_or(2));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (first, _) = (thread::spawn(move || drop(listener.accept().unwrap())), ());
    let mut courier = Courier::new(Box::new(receiver("eve", &format!("http://127.0.0.1:{port}/"))));
    let lines = lines(0..500);
    let back = thread::spawn(move || {
        first.join().unwrap();
        thread::sleep(away);
        Rude::listen(TcpListener::bind(("127.0.0.1", port)).unwrap(), Vec::new(), fine, None)
    });
    let brought = bring_more(&mut courier, &lines, LIMIT + away);
    assert!(brought.trouble.is_some());
    assert_eq!(back.join().unwrap().taken(), lines);
}

/// A bulk receiver that knows what it has; the first attempt of every tenth document is turned away.
fn bulk_answer(statuses: impl Iterator<Item = u16>) -> String {
    let items: Vec<Value> = statuses
        .map(|status| match status {
            201 => json!({"create": {"_index": "i", "status": 201}}),
            _ => json!({"create": {"status": status, "error": {"type": "kind", "reason": "reason"}}}),
        })
        .collect();
    let errors = items.iter().any(|item| item["create"]["status"] != 201);
    json!({"took": 1, "errors": errors, "items": items}).to_string()
}

fn bulk_usual(heard: &Heard) -> (u16, String) {
    (200, bulk_answer(heard.body.lines().step_by(2).map(|_| 201)))
}

#[test]
fn bulk_items_are_judged_one_by_one() {
    let statuses = (0..100).map(|n| match n {
        10 => 409,
        20 | 60 => 400,
        40 | 50 => 429,
        55 => 503,
        _ => 201,
    });
    let rude = Rude::start(vec![Act::Say(200, "", bulk_answer(statuses))], bulk_usual);
    let lines = lines(0..100);
    let records: Vec<_> = lines.iter().map(String::as_bytes).collect();
    let mut receiver = receiver("ecs", &format!("es+http://127.0.0.1:{}", rude.port));
    let delivered = receiver.deliver(&records);
    assert_eq!(delivered.settled, 40);
    assert_eq!(delivered.refused, Some(Refused { count: 1, why: "400 kind: reason".to_owned() }));
    let Then::Retry { why, .. } = delivered.then else { panic!("some are to be offered again") };
    assert_eq!(why, "it turned away 3 of 100 items: 503 kind: reason");
    let delivered = receiver.deliver(&records[40..]);
    let refused = Some(Refused { count: 1, why: "400 kind: reason".to_owned() });
    assert_eq!(delivered, Delivered { settled: 60, refused, then: Then::GoOn });
    let heard = rude.heard();
    assert_eq!((heard[0].path.as_str(), heard.len()), ("/_bulk", 2));
    let actions: Vec<&str> = heard[1].body.lines().step_by(2).collect();
    let action =
        |n: usize| format!("{{\"create\":{{\"_index\":\"logs-ghostport.alert-default\",\"_id\":\"e{n}\"}}}}");
    assert_eq!(actions, [40, 50, 55].map(action), "the others are not offered again");
}

#[test]
fn bulk_that_breaks_half_way_stores_each_document_once() {
    let rude = Rude::start(
        vec![Act::TakeAndBreak, say(429), say(503), Act::Hang, Act::Say(200, "", "<html>".to_owned())],
        |heard| {
            // Everything the server took before is there already.
            (200, bulk_answer(heard.body.lines().step_by(2).map(|_| 201)))
        },
    );
    let lines = lines(0..3000);
    let url = format!("es+http://127.0.0.1:{}?index=findings&batch=700", rude.port);
    let brought = bring_all(receiver("ecs", &url), &lines, LIMIT);
    assert_eq!((brought.settled, brought.refused), (3000, None));
    let taken = rude.taken();
    let stored: BTreeMap<_, _> = taken.chunks(2).map(|pair| (&pair[0], &pair[1])).collect();
    assert_eq!(stored.len(), 3000, "by _id, as the receiver keeps them");
    assert_eq!(stored.values().copied().collect::<BTreeSet<_>>(), set(&lines));
}

#[test]
fn documents_are_named_after_their_event_and_filed_under_its_type() {
    let named = |line: &str, id: &str, kind: &str| {
        let body = Bulk::new(crate::sink::url::Index::Streams { namespace: "x".into() });
        let rude = Rude::start(Vec::new(), bulk_usual);
        let mut http = receiver("ecs", &format!("es+http://127.0.0.1:{}", rude.port));
        http.api = Talk::Bulk(body);
        assert_eq!(http.deliver(&[line.as_bytes()]), Delivered::all(1));
        let expected = format!("{{\"create\":{{\"_index\":\"logs-ghostport.{kind}-x\",\"_id\":\"{id}\"}}}}");
        assert_eq!(rude.heard()[0].body.lines().next(), Some(expected.as_str()));
    };
    named(r#"{"event":{"id":"a1","dataset":"ghostport.flow"}}"#, "a1", "flow");
    named(r#"{"event_type":"alert","ghostport":{"event_id":"b2","port":7}}"#, "b2", "alert");
    named(r#"{"metadata":{"uid":"c3","version":"1.5.0"}}"#, "c3", "event");
    named(r#"{"event":{"event_type":"port"},"fields":{"event_id":"d4"}}"#, "d4", "port");
    // No id, or one that would break out of the action line: a hash of the line. sha256sum says the same.
    named("{}", "44136fa355b3678a1146ad16f7e8649e", "event");
    let evil = r#"{"event":{"id":"\"}}\n{\"delete\":{}}"}}"#;
    named(evil, &hash_of(evil), "event");
}

fn hash_of(line: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(line).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn splunk_gets_its_token_and_is_asked_until_it_has_indexed() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "0000-1111").unwrap();
    let rude = Rude::start(
        vec![
            Act::Say(503, "", r#"{"text":"Server is busy","code":9}"#.to_owned()),
            Act::Say(200, "", r#"{"text":"Success","code":0,"ackId":7}"#.to_owned()),
            Act::Say(200, "", r#"{"acks":{"7":false}}"#.to_owned()),
            Act::Say(200, "", r#"{"acks":{"7":true}}"#.to_owned()),
        ],
        fine,
    );
    let url = format!("http://127.0.0.1:{}?ack=yes&token=file:{}", rude.port, token.display());
    let brought = bring_all(receiver("hec", &url), &lines(0..50), LIMIT);
    assert_eq!((brought.settled, brought.refused), (50, None));
    let heard = rude.heard();
    assert_eq!(heard.len(), 4, "events that were taken are not sent again while Splunk indexes them");
    assert!(heard.iter().all(|heard| heard.headers["authorization"] == "Splunk 0000-1111"));
    let channel = heard[1].headers["x-splunk-request-channel"].clone();
    assert_eq!(channel.len(), 36);
    assert_eq!(heard[1].path, "/services/collector/event");
    assert_eq!(heard[2].path, format!("/services/collector/ack?channel={channel}"));
    assert_eq!(heard[2].body, "{\"acks\":[7]}");
}

#[test]
fn certificates_are_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, strange) = (Authority::new(dir.path(), "ours"), Authority::new(dir.path(), "strange"));
    let (cert, key) = ours.issue("localhost");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let rude = Rude::listen(listener, Vec::new(), fine, Some(server(&cert, &key)));
    let url = |ca: &std::path::Path| format!("https://localhost:{}/?ca={}", rude.port, ca.display());
    let delivered = receiver("eve", &url(&strange.ca)).deliver(&[b"{\"secret\":1}"]);
    let Then::Retry { why, .. } = delivered.then else { panic!("a stranger is not trusted") };
    assert!(why.contains("UnknownIssuer") && rude.taken().is_empty(), "{why}");
    assert_eq!(receiver("eve", &url(&ours.ca)).deliver(&[b"{\"finding\":1}"]), Delivered::all(1));
    assert_eq!(rude.taken(), ["{\"finding\":1}"]);
    let named_otherwise = url(&ours.ca).replace("localhost", "127.0.0.1");
    let delivered = receiver("eve", &named_otherwise).deliver(&[b"{}"]);
    assert!(matches!(delivered.then, Then::Retry { why, .. } if why.contains("certificate")));
    let missing = Http::new(Remote::parse("eve", &url("/no/such.pem".as_ref())).unwrap());
    assert!(missing.err().unwrap().contains("/no/such.pem"));
}
