//! Live capture for real: two network namespaces joined by a veth pair, a web server on 3007 in one, a client
//! in the other, ghostport watching. Namespaces have names of their own per process and go away with the
//! test, also when it fails. Without the right to make them, or without the tools, the test says so and does
//! nothing.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{binary, json, skip_aloud};

/// How soon after the answer the alert has to be there.
const ALERT_WITHIN: Duration = Duration::from_secs(2);

pub(super) const SERVER: &str = "10.199.7.1";
pub(super) const CLIENT: &str = "10.199.7.2";

#[test]
fn an_alert_for_a_service_on_3007_comes_within_two_seconds() {
    let name = "an_alert_for_a_service_on_3007_comes_within_two_seconds";
    for tool in ["ip", "curl", "python3", "kill"] {
        if Command::new(tool).arg("--version").output().is_err()
            && Command::new(tool).arg("-V").output().is_err()
        {
            return skip_aloud(name, &format!("needs {tool}"));
        }
    }
    let link = match Link::new("a") {
        Ok(link) => link,
        Err(why) => return skip_aloud(name, &format!("cannot make network namespaces: {why}")),
    };
    let _server = link.web_server(3007);
    let watcher = link.watch(&["-i", "gp0"]);
    let asked = link.ask(3007);
    let alert = watcher.expect_line(asked + ALERT_WITHIN, |event| {
        event["event_type"] == "alert" && event["dest_port"] == 3007 && event["dest_ip"] == SERVER
    });
    assert_eq!(
        (&alert["src_ip"], &alert["in_iface"]),
        (&Value::from(CLIENT), &Value::from("gp0")),
        "{alert}"
    );
    assert_eq!(alert["ghostport"]["app_proto"]["name"], "http", "{alert}");
    expect_closing_stats(watcher.stop("INT"));
}

#[test]
fn any_and_several_interfaces_are_watched_and_term_ends() {
    let name = "any_and_several_interfaces_are_watched_and_term_ends";
    let link = match Link::new("b") {
        Ok(link) => link,
        Err(why) => return skip_aloud(name, &format!("cannot make network namespaces: {why}")),
    };
    let _server = link.web_server(3007);
    for interfaces in [&["-i", "any"][..], &["-i", "gp0", "-i", "lo"]] {
        let watcher = link.watch(interfaces);
        let asked = link.ask(3007);
        watcher.expect_line(asked + ALERT_WITHIN, |event| {
            event["event_type"] == "alert" && event["dest_port"] == 3007
        });
        expect_closing_stats(watcher.stop("TERM"));
    }
}

#[test]
fn vlan_tags_are_there_whichever_way_frames_come() {
    let Some(link) = link_for("vlan_tags_are_there_whichever_way_frames_come", "d") else { return };
    // The kernel takes the tag out of the frame before it hands it over: it must be put back.
    let tagged = "import socket\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\ns.bind(('gp1', 0))\n\
                  s.send(bytes.fromhex('020000000001020000000002' '81002007' '0800'\
                  '4500002000000000401100000ac708020ac70801' '4e200c1a000c0000' '61626364'))";
    for way in ["ring", "libpcap"] {
        let watcher =
            link.watch(&["-i", "gp0", "--flows", "--capture-with", way, "vlan 7 and udp port 3098"]);
        let sent = Link::inside(&link.client, "python3", &["-c", tagged]).status().expect("python3 runs");
        assert!(sent.success());
        link.send(&link.client, SERVER, 3098, 1, 8);
        let (run, events) = watcher.stop("INT");
        run.expect_code(0);
        let [flow] = &flows(&events)[..] else { panic!("{way}: one flow, not {events:?}") };
        assert_eq!((&flow["vlan"], &flow["dest_ip"]), (&json!([7]), &json!("10.199.8.1")), "{way}: {flow}");
        let bytes = &events.last().expect("stats")["ghostport"]["bytes"];
        assert_eq!(bytes, &json!(18 + 32), "{way}: with the tag, as libpcap counts it: {events:?}");
    }
}

#[test]
fn a_filter_and_loopback_show_each_frame_once() {
    let Some(link) = link_for("a_filter_and_loopback_show_each_frame_once", "e") else { return };
    for way in ["ring", "libpcap"] {
        let watcher = link.watch(&["-i", "lo", "--flows", "--capture-with", way, "udp dst port 3098"]);
        link.send(&link.server, "127.0.0.1", 3097, 1, 8);
        link.send(&link.server, "127.0.0.1", 3098, 3, 8);
        let (run, events) = watcher.stop("INT");
        run.expect_code(0);
        let packets: u64 = flows(&events).iter().filter_map(|f| f["flow"]["pkts_toserver"].as_u64()).sum();
        let read = json::packets(events.last().expect("stats")).expect("counters")["read"].clone();
        assert_eq!((packets, read), (3, json!(3)), "{way}: {events:?}");
    }
}

#[test]
fn two_workers_share_the_flows_and_lose_none() {
    const COUNT: u64 = 200;
    let Some(link) = link_for("two_workers_share_the_flows_and_lose_none", "f") else { return };
    let options = ["-v", "--workers", "2", "-i", "gp0", "-i", "lo", "--flows", "udp dst port 3098"];
    let watcher = link.watch(&options);
    link.send(&link.client, SERVER, 3098, COUNT, 8);
    link.send(&link.server, "127.0.0.1", 3098, 2, 8);
    let (run, events) = watcher.stop("INT");
    run.expect_code(0).expect_said(&["gp0: through an AF_PACKET ring", "one for each of 2"]);
    let stats = events.last().expect("stats");
    json::identity(stats).expect("the identity holds");
    assert_eq!(json::packets(stats).expect("counters")["read"], json!(COUNT + 2), "{stats}");
    assert_eq!(stats["ghostport"]["capture"]["received"], json!(COUNT + 2), "{stats}");
    let flows = flows(&events);
    let of = |interface: &str| flows.iter().filter(|flow| flow["in_iface"] == interface).count() as u64;
    assert_eq!((of("gp0"), of("lo")), (COUNT, 2));
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let Some(link) = link_for("what_the_kernel_drops_is_counted", "g") else { return };
    let watcher = link.watch(&["-i", "gp0", "--buffer-mib", "1", "udp dst port 3098"]);
    watcher.signal("STOP");
    link.send(&link.client, SERVER, 3098, 5000, 1200);
    watcher.signal("CONT");
    thread::sleep(Duration::from_millis(500));
    let (run, events) = watcher.stop("INT");
    run.expect_code(0);
    let capture = &events.last().expect("stats")["ghostport"]["capture"];
    let read = json::packets(events.last().expect("stats")).expect("counters")["read"].as_u64();
    let [received, dropped] = ["received", "dropped_kernel"].map(|key| capture[key].as_u64().expect(key));
    assert!(dropped > 1000 && received == 5000, "{capture}");
    assert_eq!(read, Some(received - dropped), "{capture}");
}

#[test]
fn where_there_is_no_ring_libpcap_does_and_it_is_said() {
    let Some(link) = link_for("where_there_is_no_ring_libpcap_does_and_it_is_said", "h") else { return };
    ip(&["-n", &link.server, "tuntap", "add", "tun9", "mode", "tun"]).expect("a tunnel");
    ip(&["-n", &link.server, "link", "set", "tun9", "up"]).expect("up");
    for interface in ["any", "tun9"] {
        let watcher = link.watch(&["-v", "-i", interface, "--workers", "2", "--flows", "udp dst port 3098"]);
        link.send(&link.client, SERVER, 3098, 5, 8);
        let (run, events) = watcher.stop("INT");
        run.expect_code(0).expect_said(&[&format!("{interface}: through libpcap")]);
        assert_eq!(flows(&events).len(), if interface == "any" { 5 } else { 0 }, "{events:?}");
    }
}

#[test]
fn an_interface_that_comes_back_is_watched_on_and_one_that_is_gone_is_an_error() {
    let name = "an_interface_that_comes_back_is_watched_on_and_one_that_is_gone_is_an_error";
    let Some(link) = link_for(name, "i") else { return };
    let server = link.server.as_str();
    let watcher = link.watch(&["-i", "gp0", "--workers", "2", "--flows", "udp dst port 3098"]);
    for state in ["down", "up"] {
        ip(&["-n", server, "link", "set", "gp0", state]).expect("set");
        thread::sleep(Duration::from_millis(300));
    }
    link.send(&link.client, SERVER, 3098, 4, 8);
    thread::sleep(Duration::from_millis(300));
    ip(&["-n", server, "link", "del", "gp0"]).expect("deleted");
    let (run, events) = watcher.end();
    run.expect_code(4).expect_said(&["cannot watch gp0", "disappeared"]);
    assert_eq!(flows(&events).len(), 4, "{events:?}");
}

fn flows(events: &[Value]) -> Vec<Value> {
    events.iter().filter(|event| event["event_type"] == "flow").cloned().collect()
}

/// Namespaces for a test that needs nothing else but python3, or `None` after saying why not.
pub(super) fn link_for(test: &str, tag: &str) -> Option<Link> {
    if Command::new("python3").arg("-V").output().is_err() {
        skip_aloud(test, "needs python3");
        return None;
    }
    Link::new(tag).map_err(|why| skip_aloud(test, &format!("cannot make network namespaces: {why}"))).ok()
}

#[test]
fn namespaces_and_their_servers_come_and_go() {
    let link = match Link::new("c") {
        Ok(link) => link,
        Err(why) => return skip_aloud("namespaces_and_their_servers_come_and_go", &why),
    };
    let names = [link.server.clone(), link.client.clone()];
    let server = link.web_server(3098);
    link.ask(3098);
    assert!(!link.is_capturing());
    drop(server);
    drop(link);
    let left = Command::new("ip").args(["netns", "list"]).output().expect("ip runs");
    let left = String::from_utf8_lossy(&left.stdout).into_owned();
    assert!(names.iter().all(|name| !left.contains(name)), "{left}");
}

/// Exit 0, a closing record whose counters add up, and what the kernel dropped.
fn expect_closing_stats((run, rest): (binary::Run, Vec<Value>)) {
    run.expect_code(0);
    let stats = rest.last().unwrap_or_else(|| panic!("no closing record; stderr: {}", run.stderr));
    assert_eq!(stats["event_type"], "stats", "{stats}");
    json::identity(stats).expect("the identity holds live too");
    assert!(json::packets(stats).expect("counters")["decoded"].as_u64() > Some(5), "{stats}");
    let capture = &stats["ghostport"]["capture"];
    for counter in ["received", "dropped_kernel", "dropped_interface"] {
        assert!(capture[counter].is_u64(), "{counter} belongs into {stats}");
    }
}

/// One link at a time: what is promised within seconds is not asked for while another test floods its own.
static TURN: Mutex<()> = Mutex::new(());

/// Two namespaces and the wire between them.
pub(super) struct Link {
    pub(super) server: String,
    pub(super) client: String,
    _turn: MutexGuard<'static, ()>,
}

impl Link {
    fn new(tag: &str) -> Result<Self, String> {
        let pid = std::process::id();
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let link = Self { server: format!("gps{tag}{pid}"), client: format!("gpc{tag}{pid}"), _turn: turn };
        let (server, client) = (link.server.as_str(), link.client.as_str());
        ip(&["netns", "add", server])?; // from here on `Drop` takes away whatever was made
        ip(&["netns", "add", client])?;
        ip(&["-n", server, "link", "add", "gp0", "type", "veth", "peer", "name", "gp1", "netns", client])?;
        for (space, device, addr) in [(server, "gp0", SERVER), (client, "gp1", CLIENT)] {
            ip(&["-n", space, "addr", "add", &format!("{addr}/24"), "dev", device])?;
            ip(&["-n", space, "link", "set", device, "up"])?;
            ip(&["-n", space, "link", "set", "lo", "up"])?;
        }
        Ok(link)
    }

    /// A command inside a namespace.
    pub(super) fn inside(space: &str, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", space, program]).args(args).stdin(Stdio::null());
        binary::clean_environment(&mut command);
        command
    }

    /// python3's web server, ready to answer.
    fn web_server(&self, port: u16) -> Ended {
        let folder = tempfile::tempdir().expect("a folder");
        let text = port.to_string();
        let args = ["-m", "http.server", &text, "--bind", SERVER];
        let mut command = Self::inside(&self.server, "python3", &args);
        let child = command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Ended(child.expect("python3 starts"), Some(folder));
        let started = Instant::now();
        while !self.listens(port) {
            assert!(started.elapsed() < Duration::from_secs(20), "the web server never listens");
            thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// True when something listens, asked without a packet on the wire.
    fn listens(&self, port: u16) -> bool {
        let tables = Self::inside(&self.server, "cat", &["/proc/net/tcp"]).output().expect("cat runs");
        String::from_utf8_lossy(&tables.stdout).contains(&format!(":{port:04X} 00000000:0000 0A"))
    }

    /// Asks the web server once; gives the moment at which the answer had come.
    fn ask(&self, port: u16) -> Instant {
        let url = format!("http://{SERVER}:{port}/");
        let answer =
            Self::inside(&self.client, "curl", &["-s", "--max-time", "10", "-o", "/dev/null", &url]).status();
        assert!(answer.expect("curl runs").success(), "the server answers {url}");
        Instant::now()
    }

    /// Sends datagrams of so many bytes, each from a port of its own, and waits until they are captured.
    fn send(&self, space: &str, to: &str, port: u16, count: u64, bytes: u16) {
        let code = format!(
            "import socket\nfor i in range({count}):\n s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n \
             s.bind(('', 20000 + i))\n s.sendto(b'x' * {bytes}, ('{to}', {port}))\n s.close()"
        );
        let sent = Self::inside(space, "python3", &["-c", &code]).status().expect("python3 runs");
        assert!(sent.success(), "datagrams to {to}");
        thread::sleep(Duration::from_millis(300)); // longer than the kernel keeps a block
    }

    /// ghostport in the server's namespace with EVE lines on standard output, once it is capturing.
    fn watch(&self, interfaces: &[&str]) -> Watcher {
        self.start(&[&["-o", "eve:-"], interfaces].concat()) // an expression comes last
    }

    /// ghostport in the server's namespace, once it is capturing.
    pub(super) fn start(&self, args: &[&str]) -> Watcher {
        let mut command = Self::inside(&self.server, binary::GHOSTPORT, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (send, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut stderr = child.stderr.take().expect("piped");
        let said = thread::spawn(move || {
            let mut text = String::new();
            let _killed_is_fine = stderr.read_to_string(&mut text);
            text
        });
        let watcher = Watcher { child: Ended(child, None), lines, said };
        let started = Instant::now();
        while !self.is_capturing() {
            assert!(started.elapsed() < Duration::from_secs(20), "ghostport never opens a packet socket");
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(Duration::from_millis(200)); // where there are several, from one to the next
        watcher
    }

    /// True when there are packet sockets in the server's namespace and all of them are bound: one that is
    /// only open gets nothing yet, and on a busy machine that may take a while.
    fn is_capturing(&self) -> bool {
        let table = Self::inside(&self.server, "cat", &["/proc/net/packet"]).output().expect("cat runs");
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        let mut sockets = table.lines().skip(1).peekable();
        let is_running = |line: &str| line.split_whitespace().nth(5) == Some("1");
        sockets.peek().is_some() && sockets.all(is_running)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for space in [&self.server, &self.client] {
            let _absent_is_fine = ip(&["netns", "del", space]);
        }
    }
}

pub(super) fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_string())
    }
}

/// A child that is killed when the test lets go of it.
pub(super) struct Ended(
    Child,
    #[allow(dead_code, reason = "its folder lives as long as the server")] Option<tempfile::TempDir>,
);

impl From<Child> for Ended {
    fn from(child: Child) -> Self {
        Self(child, None)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ended_already_is_fine = self.0.kill();
        let _reaped_already_is_fine = self.0.wait();
    }
}

/// A running ghostport.
pub(super) struct Watcher {
    child: Ended,
    lines: Receiver<String>,
    said: thread::JoinHandle<String>,
}

impl Watcher {
    /// Waits for a line that fits, until the deadline.
    pub(super) fn expect_line(&self, deadline: Instant, fits: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no such line in time; there were:\n{}", seen.join("\n"));
            };
            let event: Value = serde_json::from_str(&line).expect("JSON lines");
            if fits(&event) {
                return event;
            }
            seen.push(line);
        }
    }

    fn signal(&self, signal: &str) {
        // `ip netns exec` becomes the program it runs, so the child is ghostport itself.
        let pid = self.child.0.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().expect("kill runs").success());
    }

    /// Sends a signal and gives how it ended and the lines since.
    fn stop(self, signal: &str) -> (binary::Run, Vec<Value>) {
        self.stop_within(signal, Duration::from_secs(10))
    }

    /// The same for one that has so much left to say that it takes a while.
    pub(super) fn stop_within(self, signal: &str, limit: Duration) -> (binary::Run, Vec<Value>) {
        self.signal(signal);
        self.end_within(limit)
    }

    /// How it ended, and the lines since.
    fn end(self) -> (binary::Run, Vec<Value>) {
        self.end_within(Duration::from_secs(10))
    }

    fn end_within(mut self, limit: Duration) -> (binary::Run, Vec<Value>) {
        let (code, hung) = binary::wait(&mut self.child.0, limit);
        let stderr = self.said.join().expect("reader");
        let lines: Vec<_> = self.lines.iter().collect();
        let events = json::lines(&lines.join("\n"));
        (binary::Run { code, hung, stdout: String::new(), stderr }, events)
    }
}
