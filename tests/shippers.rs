//! Programs that carry our lines on, run with the recipes of `src/sink/receivers.md`, word for word but for
//! folders and ports: every line arrives, once where that is promised, as an object with everything in it,
//! and under the time of the event.
//!
//! No package server that CI reaches has these programs, so they are taken from where an environment variable
//! says or from the PATH; where there is none, the tests say so and are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ghostport::time::Timestamp;
use serde_json::Value;

use crate::sinks::{Piped, lines_of, scan};
use crate::support::{binary, skip_aloud, tree};

const LIMIT: Duration = Duration::from_secs(120);

/// The blocks of a recipe, in order, with our folders and our port in place of those that it names.
fn recipe(heading: &str, folder: &Path, port: u16) -> Vec<String> {
    let text = fs::read_to_string(tree::root().join("src/sink/receivers.md")).expect("the recipes");
    let start = text.find(&format!("\n## {heading} (")).expect("the recipe");
    let recipe = &text[start + 4..];
    let recipe = &recipe[..recipe.find("\n## ").unwrap_or(recipe.len())];
    let folder = folder.display().to_string();
    let blocks = recipe.split("\n```").skip(1).step_by(2);
    let code = blocks.map(|block| block.split_once('\n').map_or("", |(_, code)| code));
    let here = |code: &str| {
        let code = code.replace("/var/log/ghostport", &format!("{folder}/log"));
        let code = code.replace("/var/lib/", &format!("{folder}/lib/"));
        ["5170", "8080"].iter().fold(code, |code, theirs| code.replace(theirs, &port.to_string()))
    };
    code.map(here).collect()
}

/// What stands behind `-o` in a block of a recipe.
fn output(block: &str) -> String {
    let (_, spec) = block.split_once("-o ").expect("an output");
    spec.trim().trim_matches('\'').to_owned()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < until, "not so: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("an address").port()
}

/// A program that carries lines on.
struct Shipper {
    program: PathBuf,
    args: Vec<String>,
    log: PathBuf,
    port: Option<u16>,
    child: Option<Child>,
}

impl Shipper {
    /// Finds the program; `None`, aloud, where there is none.
    fn new(
        test: &str,
        (variable, name): (&str, &str),
        args: &[&str],
        log: &Path,
        port: Option<u16>,
    ) -> Option<Self> {
        let program = std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from);
        if Command::new(&program).arg("--version").stdout(Stdio::null()).status().is_err() {
            skip_aloud(test, &format!("no {name} on the PATH, nor does {variable} name one"));
            return None;
        }
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Some(Self { program, args, log: log.to_owned(), port, child: None })
    }

    fn start(&mut self) {
        let log = fs::File::options().append(true).create(true).open(&self.log).expect("a log");
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        self.child = Some(command.spawn().expect("it starts"));
        if let Some(port) = self.port {
            wait_until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
    }

    /// Ends it as a restart does, and waits.
    fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let killed = Command::new("kill").arg(child.id().to_string()).status();
        assert!(killed.expect("kill runs").success());
        let (_, hung) = binary::wait(&mut child, LIMIT);
        assert!(!hung, "it does not end: {}", self.said());
    }

    fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// What it wrote, once it has as many different lines as are expected, or has had its time.
fn written(out: &Path, expected: usize) -> Vec<String> {
    let until = Instant::now() + LIMIT;
    loop {
        let text = fs::read_to_string(out).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.iter().collect::<BTreeSet<_>>().len() >= expected || Instant::now() > until {
            return lines;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Numbers as others write them: 1.0 may be 1.
fn even(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::from(number.as_f64().expect("a number")),
        Value::Array(values) => values.iter_mut().for_each(even),
        Value::Object(object) => object.values_mut().for_each(even),
        _ => {}
    }
}

fn object(line: &str) -> Value {
    let mut value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    even(&mut value);
    value
}

/// What Fluent Bit's file output writes: `TAG: [SECONDS.NANOSECONDS, {...}]`. The time must be the event's.
fn fluent_bit_said(line: &str) -> Value {
    let (_, rest) = line.split_once(": [").unwrap_or_else(|| panic!("{line}"));
    let (time, rest) = rest.split_once(", ").expect("a time");
    let (seconds, nanoseconds) = time.split_once('.').expect("a fraction");
    let time = Timestamp::from_parts(seconds.parse().expect("seconds"), nanoseconds.parse().expect("nine"));
    let value = object(rest.strip_suffix(']').expect("a record"));
    assert_eq!(value["timestamp"], time.text().as_str(), "not the time of the event: {line}");
    value
}

/// How often each object is there.
fn counted(values: impl Iterator<Item = Value>) -> BTreeMap<String, usize> {
    values.fold(BTreeMap::new(), |mut counts, value| {
        *counts.entry(value.to_string()).or_default() += 1;
        counts
    })
}

/// In words, what was not carried on as it should have been.
fn difference(got: &BTreeMap<String, usize>, expected: &BTreeMap<String, usize>) -> String {
    let missing: Vec<_> = expected.keys().filter(|&line| !got.contains_key(line)).collect();
    let others: Vec<_> = got.keys().filter(|&line| !expected.contains_key(line)).collect();
    let twice: usize = got.values().map(|count| count - 1).sum();
    let [first_missing, first_other] = [&missing, &others].map(|lines| lines.first());
    format!(
        "of {} lines {} are missing ({first_missing:?}), {} are others ({first_other:?}), \
         {twice} are there again",
        expected.len(),
        missing.len(),
        others.len()
    )
}

struct FluentBit {
    shipper: Shipper,
    folder: tempfile::TempDir,
    output: String,
}

impl FluentBit {
    /// Sets one up with the recipe for a file or, in its place, the input for a stream.
    fn new(test: &str, is_stream: bool) -> Option<Self> {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        for name in ["log", "lib/fluent-bit"] {
            fs::create_dir_all(folder.path().join(name)).expect("makes a folder");
        }
        let blocks = recipe("Fluent Bit", folder.path(), port);
        let [to_file, config, to_stream, stream] = blocks.as_slice() else { panic!("other blocks") };
        let before_inputs = config.split_inclusive("  inputs:\n").next().expect("inputs");
        let config = if is_stream { format!("{before_inputs}{stream}") } else { config.clone() };
        let outputs = format!(
            "\n  outputs:\n    - name: file\n      match: '*'\n      path: {}\n      file: out\n",
            folder.path().display()
        );
        let path = folder.path().join("fluent-bit.yaml");
        fs::write(&path, config + &outputs).expect("writes");
        let (path, log) = (path.display().to_string(), folder.path().join("said"));
        let program = ("GHOSTPORT_TEST_FLUENT_BIT", "fluent-bit");
        let shipper = Shipper::new(test, program, &["-c", &path], &log, is_stream.then_some(port))?;
        Some(Self { shipper, folder, output: output(if is_stream { to_stream } else { to_file }) })
    }

    /// Feeds a scan to ghostport, which writes as the recipe says; `between` comes after each of 30 pieces,
    /// and a pause after it. Gives what arrived and the lines that there were, each with how often.
    fn run(
        mut self,
        options: &[&str],
        mut between: impl FnMut(usize, &mut Shipper),
    ) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
        let folder = self.folder.path();
        let mut piped =
            Piped::start(folder, &[&["-o", &self.output, "-o", "eve:all.json"], options].concat());
        wait_until("ghostport writes", || folder.join("all.json").exists());
        self.shipper.start();
        piped.feed(&scan(6_000), 30, |number| {
            between(number, &mut self.shipper);
            thread::sleep(Duration::from_millis(300));
        });
        piped.end().expect_code(0);
        let expected = lines_of(&folder.join("all.json"));
        assert!(expected.len() > 6_000, "{} lines", expected.len());
        let lines = written(&folder.join("out"), expected.len());
        self.shipper.stop();
        let got = counted(lines.iter().map(|line| fluent_bit_said(line)));
        (got, counted(expected.iter().map(|line| object(line))))
    }
}

/// It is there all the time, but for a restart while nothing is written, and has the time to see each file
/// before the next one takes its name.
#[test]
fn fluent_bit_reads_every_line_of_a_rotating_file_once() {
    let Some(mut fluent_bit) = FluentBit::new("Fluent Bit and a rotating file", false) else { return };
    fluent_bit.output = fluent_bit.output.replace("rotate=100M", "rotate=1M").replace("keep=7", "keep=99");
    let folder = fluent_bit.folder.path().to_owned();
    let count = |file: &str| fs::read_to_string(folder.join(file)).map_or(0, |text| text.lines().count());
    let mut files = 1;
    let (got, expected) = fluent_bit.run(&[], |number, fluent_bit| {
        let there = fs::read_dir(folder.join("log")).expect("a folder").count();
        if there > files {
            wait_until("what was written is read", || count("out") >= count("all.json"));
            files = there;
        }
        if number == 15 {
            thread::sleep(Duration::from_millis(500));
            fluent_bit.stop();
            fluent_bit.start();
        }
    });
    assert!(files > 5, "{files} files");
    assert!(got == expected, "{}", difference(&got, &expected));
}

#[test]
fn fluent_bit_reads_on_where_it_was_when_it_comes_back() {
    let Some(fluent_bit) = FluentBit::new("Fluent Bit and a file after a pause", false) else { return };
    let (got, expected) = fluent_bit.run(&[], |number, fluent_bit| match number {
        8 => fluent_bit.stop(),
        16 => fluent_bit.start(),
        22 => {
            fluent_bit.stop();
            fluent_bit.start();
        }
        _ => {}
    });
    assert!(got == expected, "{}", difference(&got, &expected));
}

/// A line may come twice when a connection breaks, as documented.
#[test]
fn fluent_bit_gets_every_line_of_a_stream_though_it_goes_away() {
    let Some(fluent_bit) = FluentBit::new("Fluent Bit and a stream", true) else { return };
    let (got, expected) = fluent_bit.run(&["--spool", "spool"], |number, fluent_bit| match number {
        8 => fluent_bit.stop(),
        16 => fluent_bit.start(),
        22 => {
            fluent_bit.kill();
            fluent_bit.start();
        }
        _ => {}
    });
    assert!(got.keys().eq(expected.keys()), "{}", difference(&got, &expected));
}

/// It has inputs that pretend to be Splunk's collector and Elasticsearch: a second opinion on how we speak to
/// those.
#[test]
fn fluent_bit_understands_what_splunk_and_elasticsearch_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let [splunk, elasticsearch] = [free_port(), free_port()];
    let input = |name: &str, port: u16| {
        format!(
            "    - {{ name: {name}, tag: {name}, listen: 127.0.0.1, port: {port}, splunk_token: hunter2 }}\n"
        )
    };
    let config = format!(
        "pipeline:\n  inputs:\n{}{}  outputs:\n    - {{ name: file, match: '*', path: {} }}\n",
        input("splunk", splunk),
        input("elasticsearch", elasticsearch).replace(", splunk_token: hunter2", ""),
        folder.path().display()
    );
    fs::write(folder.path().join("fluent-bit.yaml"), config).expect("writes");
    fs::write(folder.path().join("token"), "hunter2").expect("writes");
    let (path, log) =
        (folder.path().join("fluent-bit.yaml").display().to_string(), folder.path().join("said"));
    let (test, program) = ("Fluent Bit as a receiver", ("GHOSTPORT_TEST_FLUENT_BIT", "fluent-bit"));
    let Some(mut fluent_bit) = Shipper::new(test, program, &["-c", &path], &log, Some(splunk)) else {
        return;
    };
    fluent_bit.start();
    let captures = tree::root().join("captures").display().to_string();
    let told = [
        ("splunk", "hec", format!("http://127.0.0.1:{splunk}?token=file:token")),
        ("elasticsearch", "ecs", format!("es+http://127.0.0.1:{elasticsearch}")),
    ];
    for (name, format, place) in told {
        let (there, here) = (format!("{format}:{place}"), format!("{format}:{format}"));
        let args = ["-q", "--flows", "--ports", "-r", &captures, "-o", &there, "-o", &here];
        binary::run_in(folder.path(), &args).expect_code(0);
        let expected = lines_of(&folder.path().join(format));
        let lines = written(&folder.path().join(name), expected.len());
        let record = |line: &String| {
            let (_, record) = line.split_once(", ").unwrap_or_else(|| panic!("{line}"));
            let mut record = object(record.strip_suffix(']').expect("a record"));
            record.as_object_mut().expect("an object").remove("@meta");
            record
        };
        let expected = counted(expected.iter().map(|line| object(line)));
        let got = counted(lines.iter().map(record));
        assert!(got == expected, "{name}: {}", difference(&got, &expected));
    }
}

/// A line may come twice when an answer is lost, as documented. It is killed while nothing is written, for
/// its file may not have a torn line.
#[test]
fn vector_gets_every_line_though_it_is_killed() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let blocks = recipe("Vector", folder.path(), port);
    let [config, ours] = blocks.as_slice() else { panic!("other blocks") };
    let dir = folder.path().display().to_string();
    let config = format!(
        "data_dir = \"{dir}\"\n{config}\n[sinks.out]\ntype = \"file\"\ninputs = [\"ghostport\"]\n\
         path = \"{dir}/out\"\nencoding.codec = \"json\"\nacknowledgements.enabled = true\n"
    );
    fs::write(folder.path().join("vector.toml"), config).expect("writes");
    let (path, log) = (format!("{dir}/vector.toml"), folder.path().join("said"));
    let program = ("GHOSTPORT_TEST_VECTOR", "vector");
    let Some(mut vector) = Shipper::new("Vector", program, &["-c", &path], &log, Some(port)) else { return };
    let spec = output(ours);
    let mut piped = Piped::start(folder.path(), &["-o", &spec, "-o", "eve:all.json", "--spool", "spool"]);
    vector.start();
    piped.feed(&scan(6_000), 30, |number| {
        thread::sleep(Duration::from_millis(300));
        match number {
            8 => vector.stop(),
            16 => vector.start(),
            22 => {
                vector.kill();
                vector.start();
            }
            _ => {}
        }
    });
    piped.end().expect_code(0);
    let expected = lines_of(&folder.path().join("all.json"));
    let lines = written(&folder.path().join("out"), expected.len());
    let expected = counted(expected.iter().map(|line| object(line)));
    let got = counted(lines.iter().map(|line| vector_said(line)));
    assert!(got.keys().eq(expected.keys()), "{}", difference(&got, &expected));
}

/// With the time as we write it.
fn vector_said(line: &str) -> Value {
    let mut value = object(line);
    let time = value["timestamp"].as_str().and_then(|time| time.strip_suffix('Z')).expect("a time in UTC");
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    value["timestamp"] = Value::from(format!("{whole}.{fraction:0<6}+0000"));
    value
}
