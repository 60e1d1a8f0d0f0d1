//! The whole program against a real `nats-server` with `JetStream`: every line is stored once, also when
//! the server is killed in between, and what is wrong is said without a secret.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, stream};

use crate::sinks::{Piped, scan};
use crate::support::binary::run_in;
use crate::support::papers::certificates;
use crate::support::{skip_aloud, tree};

const SUBJECT: &str = "ghostport.eve";
/// What the files with secrets hold, and nothing may show.
const SECRET: &str = "hunter2";

/// A server of our own, which keeps its stream when it is killed.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// Starts one with more in its configuration (`DIR` stands for its folder); `None`, aloud, where there is
    /// none.
    fn start(test: &str, more: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = folder.path().display().to_string();
        let text = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{dir}/store\" }}\n{}\n",
            more.replace("DIR", &dir)
        );
        fs::write(folder.path().join("conf"), text).unwrap();
        let Some(child) = spawn(folder.path()) else {
            skip_aloud(test, "no nats-server here (Debian: apt install nats-server)");
            return None;
        };
        let server = Self { child, folder, port };
        server.wait_ready();
        Some(server)
    }

    fn wait_ready(&self) {
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "nats-server: {}", self.read("log"));
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn restart(&mut self) {
        self.child = spawn(self.folder.path()).expect("it was there before");
        self.wait_ready();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// A file with a secret, as a reference.
    fn secret(&self, value: &str) -> String {
        fs::write(self.folder.path().join("secret"), value).unwrap();
        format!("file:{}", self.folder.path().join("secret").display())
    }

    fn url(&self, options: &str) -> String {
        format!("eve:nats://127.0.0.1:{}/{SUBJECT}?{options}", self.port)
    }

    /// Makes the stream.
    fn make_stream(&self, options: ConnectOptions) {
        let config = stream::Config {
            name: "ghostport".to_owned(),
            subjects: vec!["ghostport.>".to_owned()],
            allow_direct: true,
            ..stream::Config::default()
        };
        self.ask(options, async |context| drop(context.create_stream(config).await.unwrap()));
    }

    /// What the stream holds, in order: id and line.
    fn stored(&self, options: ConnectOptions) -> Vec<(String, String)> {
        self.ask(options, async |context| {
            let mut stored = Vec::new();
            let stream = context.get_stream("ghostport").await.unwrap();
            for sequence in 1..=stream.cached_info().state.last_sequence {
                let message = stream.direct_get(sequence).await.unwrap();
                let id = message.headers.get("Nats-Msg-Id").map(ToString::to_string);
                let line = String::from_utf8(message.payload.to_vec()).unwrap();
                stored.push((id.expect("every line has an id"), line));
            }
            stored
        })
    }

    fn lines(&self) -> Vec<String> {
        self.stored(ConnectOptions::new()).into_iter().map(|(_, line)| line).collect()
    }

    fn ask<T>(&self, options: ConnectOptions, what: impl AsyncFnOnce(jetstream::Context) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = options.connect(format!("nats://127.0.0.1:{}", self.port)).await.unwrap();
            what(jetstream::new(client)).await
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_is_fine = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Option<Child> {
    let log = fs::File::options().append(true).create(true).open(folder.join("log")).unwrap();
    ["nats-server", "/usr/sbin/nats-server"].into_iter().find_map(|binary| {
        let mut command = Command::new(binary);
        command.arg("-c").arg(folder.join("conf")).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log.try_clone().unwrap()).spawn().ok()
    })
}

fn lines_of(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("a file of lines").lines().map(str::to_owned).collect()
}

fn capture() -> String {
    tree::root().join("captures/scan/traffic.pcap").display().to_string()
}

#[test]
fn a_stream_stores_every_line_once_and_in_order() {
    let Some(server) = Server::start("lines to JetStream", "") else { return };
    server.make_stream(ConnectOptions::new());
    let file = server.folder.path().join("eve.json");
    let all = tree::root().join("captures").display().to_string();
    let (url, eve) = (server.url(""), format!("eve:{}", file.display()));
    for _ in 0..2 {
        // The second time, the stream knows all of them.
        let _absent_is_fine = fs::remove_file(&file);
        let args = ["-q", "--flows", "--ports", "-r", &all, "-o", &url, "-o", &eve];
        run_in(server.folder.path(), &args).expect_code(0);
        let expected = lines_of(&file);
        assert!(expected.len() > 500, "{} lines", expected.len());
        assert!(server.lines() == expected, "{} of {} lines", server.lines().len(), expected.len());
    }
    let ids: BTreeSet<_> = server.stored(ConnectOptions::new()).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), server.lines().len());
}

#[test]
fn a_server_that_is_killed_and_comes_back_misses_nothing() {
    let Some(mut server) = Server::start("a nats-server that is killed", "") else { return };
    server.make_stream(ConnectOptions::new());
    let folder = tempfile::tempdir().unwrap();
    let url = server.url("");
    let mut piped = Piped::start(folder.path(), &["-o", &url, "-o", "eve:all.json"]);
    piped.feed(&scan(6_000), 30, |number| {
        match number {
            8 => server.kill(),
            16 => server.restart(),
            // At once: nobody has noticed.
            22 => {
                server.kill();
                server.restart();
            }
            _ => {}
        }
        thread::sleep(Duration::from_millis(250));
    });
    let said = piped.end();
    said.expect_code(0).expect_said(&["cannot deliver to nats://", "can deliver to nats://"]);
    let (expected, got) = (lines_of(&folder.path().join("all.json")), server.lines());
    let [all, stored] = [&expected, &got].map(|lines| lines.iter().collect::<BTreeSet<_>>());
    assert!(expected.len() > 6_000, "{} lines", expected.len());
    assert_eq!((stored.len(), got.len()), (all.len(), all.len()), "each once");
    assert!(stored == all, "other lines");
}

#[test]
fn without_a_stream_it_is_said_how_to_make_one_and_tried_again() {
    let Some(server) = Server::start("a subject without a stream", "") else { return };
    let (url, capture) = (server.url(""), capture());
    let folder = tempfile::tempdir().unwrap();
    let said = thread::scope(|scope| {
        let running = scope.spawn(|| run_in(folder.path(), &["-q", "-r", &capture, "-o", &url]));
        thread::sleep(Duration::from_secs(2));
        server.make_stream(ConnectOptions::new());
        running.join().unwrap()
    });
    said.expect_code(0)
        .expect_said(&["no stream takes the subject ghostport.eve", "nats stream add ghostport"]);
    assert!(!server.lines().is_empty());
}

#[test]
fn what_a_stream_never_takes_is_counted_and_the_rest_arrives() {
    let Some(server) = Server::start("a line too long for NATS", "max_payload: 1500") else { return };
    server.make_stream(ConnectOptions::new());
    let folder = tempfile::tempdir().unwrap();
    let args = ["-q", "-r", &capture(), "--flows", "-o", &server.url(""), "-o", "eve:all.json"];
    let said = run_in(folder.path(), &args);
    let (long, short): (Vec<_>, Vec<_>) =
        lines_of(&folder.path().join("all.json")).into_iter().partition(|line| line.len() > 1300);
    assert!(!long.is_empty() && !short.is_empty(), "{} long, {} short", long.len(), short.len());
    said.expect_said(&["refuses lines, which are lost and counted", "max payload"]);
    let got: BTreeSet<_> = server.lines().into_iter().collect();
    assert!(short.iter().all(|line| got.contains(line)), "{}", said.stderr);
}

#[test]
fn without_permission_it_is_said_and_nothing_is_lost() {
    let users =
        "{ user: u, password: p, permissions: { publish: [\"$JS.API.>\"] } }, { user: a, password: p }";
    let more = format!("authorization {{ users: [{users}] }}");
    let Some(server) = Server::start("a subject that may not be published to", &more) else { return };
    let admin = || ConnectOptions::with_user_and_password("a".to_owned(), "p".to_owned());
    server.make_stream(admin());
    let (folder, secret) = (tempfile::tempdir().unwrap(), server.secret("p"));
    let run = |user: &str| {
        let url = server.url(&format!("user={user}&password={secret}"));
        let args = ["-q", "-r", &capture(), "--spool", "spool", "--drain-timeout", "2", "-o", &url];
        run_in(folder.path(), &args)
    };
    run("u").expect_said(&["cannot deliver to nats://", "permissions violation", "stay in the spool"]);
    assert!(server.stored(admin()).is_empty());
    run("a").expect_code(0);
    assert!(!server.stored(admin()).is_empty());
}

/// A user's key pair of NATS, made for this test.
const NKEY: (&str, &str) = (
    "SUANB6JKUZMV7NXS3X2X74YFMOBPCHA3WVWV43ADKGOPKN4DT6MJCMF5QU",
    "UCTFOYF4VKWPHOEWJ5E4S6B5NZKRXUW3AMHXWMQJMDKLPDRE5KB2ABCZ",
);

#[test]
fn who_we_are_is_shown_and_never_said() {
    let users = [
        (format!("user: u, password: {SECRET}"), "user=u&password=", SECRET),
        (format!("token: {SECRET}"), "token=", SECRET),
        (format!("users: [{{ nkey: {} }}]", NKEY.1), "nkey=", NKEY.0),
    ];
    for (config, option, secret) in users {
        let Some(server) = Server::start(option, &format!("authorization {{ {config} }}")) else { return };
        let ours = || match option {
            "token=" => ConnectOptions::with_token(secret.to_owned()),
            "nkey=" => ConnectOptions::with_nkey(secret.to_owned()),
            _ => ConnectOptions::with_user_and_password("u".to_owned(), secret.to_owned()),
        };
        server.make_stream(ours());
        let folder = tempfile::tempdir().unwrap();
        let wrong = if option == "nkey=" { "SUAnothing-of-the-kind" } else { "hunter3" };
        let (url, capture) = (server.url(&format!("{option}{}", server.secret(wrong))), capture());
        let args = ["-q", "-r", &capture, "--spool", "spool", "--drain-timeout", "2", "-o", &url];
        let said = run_in(folder.path(), &args);
        assert!(said.stderr.contains("cannot deliver to nats://"), "{option} {}", said.stderr);
        assert!(!said.stderr.contains(wrong) && server.stored(ours()).is_empty(), "{}", said.stderr);
        server.secret(secret);
        let said = run_in(folder.path(), &args);
        said.expect_code(0);
        assert!(!said.stderr.contains(secret) && !server.stored(ours()).is_empty(), "{}", said.stderr);
        assert!(!server.read("log").contains(secret));
    }
}

#[test]
fn a_credentials_file_is_understood_and_another_file_refused_at_once() {
    let operator = include_str!("support/nats/operator.conf");
    let creds = include_str!("support/nats/user.creds");
    let Some(server) = Server::start("a credentials file of NATS", operator) else { return };
    let ours = || ConnectOptions::with_credentials(creds).unwrap();
    server.make_stream(ours());
    let folder = tempfile::tempdir().unwrap();
    let run = |text: &str| {
        let url = server.url(&format!("creds={}", server.secret(text)));
        run_in(folder.path(), &["-q", "-r", &capture(), "-o", &url])
    };
    let said = run(SECRET);
    said.expect_said(&["creds= is no credentials file"]);
    assert!(said.code != Some(0) && !said.stderr.contains(SECRET), "{}", said.stderr);
    run(creds).expect_code(0);
    assert!(!server.stored(ours()).is_empty());
}

#[test]
fn a_server_with_a_certificate_is_trusted_only_by_its_authority() {
    let papers = tempfile::tempdir().unwrap();
    certificates(papers.path());
    let dir = papers.path().display().to_string();
    let tls =
        "tls { cert_file: \"P/crt.pem\", key_file: \"P/key.pem\", ca_file: \"P/ca.pem\", verify: true }";
    let Some(server) = Server::start("NATS inside TLS", &tls.replace('P', &dir)) else { return };
    let [ca, crt, key] = ["ca", "crt", "key"].map(|name| papers.path().join(name).with_extension("pem"));
    let ours = || {
        ConnectOptions::new()
            .add_root_certificates(ca.clone())
            .add_client_certificate(crt.clone(), key.clone())
    };
    server.make_stream(ours());
    let url = |options: &str| server.url(&options.replace('P', &dir)).replace("nats:", "nats+tls:");
    let (url_bad, url_good) =
        (url("cert=P/crt.pem&key=P/key.pem"), url("ca=P/ca.pem&cert=P/crt.pem&key=P/key.pem"));
    let capture = capture();
    let folder = tempfile::tempdir().unwrap();
    let bad = ["-q", "-r", &capture, "--spool", "spool", "--drain-timeout", "2", "-o", &url_bad];
    run_in(folder.path(), &bad).expect_said(&["cannot deliver to nats+tls://", "certificate"]);
    assert!(server.stored(ours()).is_empty());
    run_in(folder.path(), &["-q", "-r", &capture, "-o", &url_good]).expect_code(0);
    assert!(!server.stored(ours()).is_empty());
}
