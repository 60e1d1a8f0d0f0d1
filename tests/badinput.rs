//! Bad input is normal input. Each case: what is said (what happened, where, what to do next), the exit code,
//! and that everything readable was still reported. Nothing here may hang, and nothing unreadable may exit 0.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::binary::{self, Run};
use crate::support::pcap;
use crate::support::talk::{Recorded, Tap};
use crate::support::{json, skip_aloud, speech};

/// A folder that goes away with the test, and files in it.
struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path().join(name);
        fs::write(&path, bytes).expect("writes");
        path.display().to_string()
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn replay(path: &str) -> Run {
    let run = binary::run(&["-r", path, "--flows", "-o", "eve:-"]);
    assert!(!run.hung, "{path}: hung");
    assert!(!run.stderr.contains("panicked"), "{path}: {}", run.stderr);
    run
}

/// Two web requests to 3098: 20 frames.
fn good() -> Vec<Recorded> {
    let mut tap = Tap::default();
    let [ask, answer] = speech::http("stock.example.net", "42\n");
    for client in 1..=2_u64 {
        let from = format!("10.9.0.{client}:50001");
        tap.tcp(client * 1000, &from, "10.9.1.1:3098").open().ask(&ask).answer(&answer).close();
    }
    tap.frames()
}

/// Packets that the closing record says were read.
fn read(run: &Run) -> u64 {
    let stats = run.stats();
    json::identity(&stats).expect("the identity");
    json::packets(&stats).expect("counters")["read"].as_u64().expect("a number")
}

fn flows(run: &Run) -> usize {
    run.events().iter().filter(|event| event["event_type"] == "flow").count()
}

/// Said on stderr: the input, the byte offset, and some words.
fn expect_damage(run: &Run, path: &str, offset: usize, words: &[&str]) {
    let name = Path::new(path).file_name().expect("a name").to_string_lossy().into_owned();
    run.expect_said(&[&name, &offset.to_string()]).expect_said(words);
}

#[test]
fn a_missing_file() {
    let run = replay("/no/such/folder/trace.pcap");
    run.expect_code(65).expect_said(&["/no/such/folder/trace.pcap", "no such file"]);
    assert!(run.stdout.is_empty(), "{}", run.stdout);
}

#[test]
fn a_glob_and_a_folder_without_captures() {
    let room = Room::new();
    let glob = format!("{}/*.pcap", room.path().display());
    replay(&glob).expect_code(65).expect_said(&["*.pcap"]);
    replay(&room.path().display().to_string()).expect_code(65);
}

#[test]
fn an_empty_file() {
    let room = Room::new();
    let path = room.put("empty.pcap", &[]);
    replay(&path).expect_code(65).expect_said(&["empty.pcap", "empty"]);
}

#[test]
fn a_file_with_a_header_and_nothing_else() {
    let room = Room::new();
    let path = room.put("header.pcap", &pcap::header(pcap::ETHERNET, 65_535));
    let run = replay(&path);
    run.expect_code(0);
    assert_eq!(read(&run), 0);
}

#[test]
fn a_cut_header() {
    let room = Room::new();
    let path = room.put("cut-header.pcap", &pcap::header(pcap::ETHERNET, 65_535)[..23]);
    replay(&path).expect_code(65).expect_said(&["cut-header.pcap"]);
}

#[test]
fn garbage() {
    let room = Room::new();
    for (name, bytes) in [
        ("text.pcap", b"this is no capture file at all, it is a letter\n".repeat(20)),
        ("noise.pcap", crate::support::talk::Random::new(9).bytes(5000)),
        ("zeros.pcap", vec![0; 4096]),
    ] {
        let path = room.put(name, &bytes);
        let run = replay(&path);
        run.expect_code(65).expect_said(&[name, "pcap"]);
    }
}

#[test]
fn a_record_length_of_ffffffff() {
    let room = Room::new();
    let frames = good();
    let mut bytes = pcap::classic(pcap::ETHERNET, &frames[..10]);
    let offset = bytes.len();
    bytes.extend([0; 8]);
    bytes.extend([0xff; 8]);
    bytes.extend(frames[10..].iter().flat_map(pcap::record));
    let path = room.put("huge-record.pcap", &bytes);
    let run = replay(&path);
    run.expect_code(3);
    expect_damage(&run, &path, offset, &["4294967295"]);
    assert!(read(&run) >= 10, "the ten records before it are reported");
    assert!(flows(&run) >= 1);
}

#[test]
fn a_snaplen_that_lies() {
    let room = Room::new();
    let frames = good();
    for snaplen in [0, 1, 60, u32::MAX, 0x8000_0000] {
        let mut bytes = pcap::header(pcap::ETHERNET, snaplen);
        bytes.extend(frames.iter().flat_map(pcap::record));
        let run = replay(&room.put("lie.pcap", &bytes));
        // The records are whole, whatever the header claims: they are read, and the lie is at most remarked
        // on.
        assert!(matches!(run.code, Some(0 | 3)), "snaplen {snaplen}: {:?} {}", run.code, run.stderr);
        assert_eq!((read(&run), flows(&run)), (20, 2), "snaplen {snaplen}");
    }
}

#[test]
fn a_cut_last_record() {
    let room = Room::new();
    let whole = pcap::classic(pcap::ETHERNET, &good());
    let last = whole.len() - pcap::record(&good()[19]).len();
    for cut in [last + 7, last + 16, whole.len() - 1] {
        let path = room.put("cut.pcap", &whole[..cut]);
        let run = replay(&path);
        run.expect_code(3);
        expect_damage(&run, &path, last, &[]);
        assert_eq!((read(&run), flows(&run)), (19, 2), "cut at {cut}");
    }
}

#[test]
fn a_cut_pcapng_and_a_cut_gzip() {
    let room = Room::new();
    let ng = pcap::write(pcap::Format::Pcapng, &good());
    let run = replay(&room.put("cut.pcapng", &ng[..ng.len() - 5]));
    run.expect_code(3).expect_said(&["cut.pcapng"]);
    assert_eq!(read(&run), 19);
    let gz = pcap::gzip(&pcap::classic(pcap::ETHERNET, &good()));
    let run = replay(&room.put("cut.pcap.gz", &gz[..gz.len() / 2]));
    run.expect_code(3).expect_said(&["cut.pcap.gz"]);
}

#[test]
fn an_unsupported_link_type() {
    let room = Room::new();
    let path = room.put("usb.pcap", &pcap::classic(220, &good())); // LINKTYPE_USB_LINUX_MMAPPED
    let run = replay(&path);
    run.expect_said(&["usb.pcap", "link", "220"]);
    assert!(matches!(run.code, Some(3 | 65)), "nothing of it was understood: {:?}", run.code);
    if run.code == Some(3) {
        assert_eq!(read(&run), 20, "each frame is counted under its reason");
    }
}

#[test]
fn one_bad_file_among_good_ones() {
    let room = Room::new();
    let good_path = room.put("good.pcap", &pcap::classic(pcap::ETHERNET, &good()));
    let bad = room.put("bad.pcap", b"no capture");
    let run = binary::run(&["-r", &bad, "-r", &good_path, "--flows", "-o", "eve:-"]);
    run.expect_code(3).expect_said(&["bad.pcap"]);
    assert_eq!((read(&run), flows(&run)), (20, 2), "the good file is reported in full");
}

#[test]
fn a_rule_file_with_a_typo() {
    let room = Room::new();
    let capture = room.put("good.pcap", &pcap::classic(pcap::ETHERNET, &good()));
    for (name, text, word) in [
        ("syntax.toml", "[[rule]]\nid = \"x\nsid = 1\n", "2"),
        ("unknown-key.toml", "[[rule]]\nid = \"x\"\nsidd = 1000001\n", "sidd"),
    ] {
        let path = room.put(name, text.as_bytes());
        for args in [
            &["-T", "-s", &path][..],
            &["-r", &capture, "-s", &path, "-o", "eve:-"],
            &["rules", "check", &path],
        ] {
            let run = binary::run(args);
            run.expect_code(78);
            let said = format!("{}{}", run.stdout, run.stderr);
            let place = format!("{name}:");
            assert!(said.contains(&place) && said.contains(word), "{args:?} must say where and what: {said}");
        }
    }
}

#[test]
fn missing_rules_and_a_wrong_configuration() {
    let room = Room::new();
    binary::run(&["-T", "-s", "/no/such/rules.toml"]).expect_code(78).expect_said(&["/no/such/rules.toml"]);
    let path = room.put("ghostport.toml", b"wrokers = 2\n");
    binary::run(&["-T", "-c", &path]).expect_code(78).expect_said(&["wrokers"]);
}

#[test]
fn an_unknown_interface() {
    let run = binary::run(&["-i", "nosuch0"]);
    run.expect_code(4).expect_said(&["nosuch0"]);
}

#[test]
fn an_output_that_cannot_be_written() {
    let room = Room::new();
    let capture = room.put("good.pcap", &pcap::classic(pcap::ETHERNET, &good()));
    let run = binary::run(&["-r", &capture, "-o", "eve:/no/such/folder/eve.json"]);
    assert!(matches!(run.code, Some(2 | 78)), "{:?} {}", run.code, run.stderr);
    run.expect_said(&["/no/such/folder/eve.json"]);
    let run = binary::run(&["-r", &capture, "-o", "parquet:-"]);
    assert!(matches!(run.code, Some(2 | 78)), "{:?} {}", run.code, run.stderr);
    run.expect_said(&["parquet"]);
}

#[test]
fn a_file_that_may_not_be_read() {
    let Some(nobody) = Nobody::new("a_file_that_may_not_be_read") else { return };
    let room = Room::new();
    let path = room.put("secret.pcap", &pcap::classic(pcap::ETHERNET, &good()));
    open_to_all(room.path());
    set_mode(Path::new(&path), "600");
    let run = nobody.run(&["-r", &path, "-o", "eve:-"]);
    run.expect_code(65).expect_said(&["secret.pcap", "permission"]);
}

#[test]
fn an_interface_that_may_not_be_watched() {
    let Some(nobody) = Nobody::new("an_interface_that_may_not_be_watched") else { return };
    let run = nobody.run(&["-i", "lo"]);
    run.expect_code(4).expect_said(&["permission", "lo"]);
    // What to do next: a capability, a group, or root.
    let said = run.stderr.to_lowercase();
    assert!(["cap_net_raw", "setcap", "sudo", "root"].iter().any(|way| said.contains(way)), "{said}");
}

/// A way to run the binary without rights: as the user nobody, by setpriv, with a copy that nobody may
/// execute.
struct Nobody {
    room: Room,
    binary: PathBuf,
}

impl Nobody {
    fn new(test: &str) -> Option<Self> {
        let usable = Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--bounding-set=-all",
                "--inh-caps=-all",
                "true",
            ])
            .output();
        if !usable.is_ok_and(|output| output.status.success()) {
            skip_aloud(test, "needs root and setpriv to become nobody");
            return None;
        }
        let room = Room::new();
        let binary = room.path().join("ghostport");
        fs::copy(binary::GHOSTPORT, &binary).expect("copies");
        open_to_all(room.path());
        set_mode(&binary, "755");
        Some(Self { room, binary })
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ]);
        command.arg(&self.binary).args(args).current_dir(self.room.path());
        binary::clean_environment(&mut command);
        binary::finish(command, &[], Duration::from_secs(60))
    }
}

fn open_to_all(path: &Path) {
    set_mode(path, "755");
}

fn set_mode(path: &Path, mode: &str) {
    assert!(Command::new("chmod").arg(mode).arg(path).status().expect("chmod runs").success());
}

/// What is doubtful passes, unless nothing doubtful may; what other programs' rules come to passes the check.
#[test]
fn rules_that_are_doubtful_and_rules_of_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (theirs, ours) = (path("their.rules"), path("ours.toml"));
    let text = "alert tcp $EXTERNAL_NET any -> $HOME_NET 3098 (msg:\"x\"; sid:1;)\n\
                alert tcp any any -> any 3098 (msg:\"y\"; content:\"z\"; sid:2;)\n";
    fs::write(&theirs, text).expect("writes");
    let run = binary::run(&["rules", "import", &theirs]);
    run.expect_code(0).expect_said(&["their.rules:2:41: warning: left out: it asks for content"]);
    fs::write(&ours, &run.stdout).expect("writes");
    let doubt = format!("{ours}:2:6: warning: rule \"imported-1100001\" looks at a port number alone");
    binary::run(&["rules", "check", &ours]).expect_code(0).expect_said(&[&doubt]);
    binary::run(&["rules", "check", "--strict", &ours]).expect_code(78).expect_said(&[&doubt, "1 doubt"]);
    binary::run(&["rules", "check", "--strict"]).expect_code(0);
    fs::write(&theirs, "alert icmp any any -> any any (sid:3;)\n").expect("writes");
    binary::run(&["rules", "import", &theirs]).expect_code(78).expect_said(&["none of 1 rule"]);
    binary::run(&["rules", "import", &theirs, "--var", "X"]).expect_code(2);
}
