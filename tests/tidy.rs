//! The style that can be checked, checked (DESIGN section 8). Every check is a function from sources to
//! complaints, so that the last test here can show that each of them is able to complain.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::source::{self, Source, words};
use crate::support::tree;

const COLUMNS_MAX: usize = 110;
const FUNCTION_LINES_MAX: usize = 70;
/// "About 600": ten per cent of grace, so that a test may be added before a file is split.
const FILE_LINES_MAX: usize = 660;
const CAPTURE_FOLDER_BYTES_MAX: u64 = 100 * 1024;

/// Where the wall clock may be asked: live capture stamps, queues and timers. The data plane runs on packet
/// time.
const CLOCK_ALLOWED: [&str; 3] = ["src/capture/live", "src/sink", "src/pipeline"];

/// Where something may be printed outside a sink.
const PRINT_ALLOWED: [&str; 3] = ["src/output", "src/cli", "src/main.rs"];

/// The only files with `unsafe`, each for the reason behind it. A file that no longer needs it fails.
const UNSAFE_FILES: [&str; 4] = [
    "src/capture/poll.rs",        // poll(2) on capture handles
    "src/capture/ring/socket.rs", // packet sockets, and the memory they share
    "src/flow/prefetch.rs",       // ask memory early
    "src/sink/unsent.rs",         // what a TCP peer has not acknowledged
];

/// What may lie at the top of the tree besides dotfiles.
const TOP_LEVEL: [&str; 13] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "Makefile",
    "README.md",
    "benches",
    "captures",
    "rules",
    "src",
    "target",
    "tests",
];

type Check = fn(&Source) -> Vec<String>;

/// Checks that look at one file of the shipped code.
const SHIPPED: [Check; 4] = [clock, prints, unreasoned_unwraps, unreasoned_lint_exceptions];

/// Checks that look at one file of any code.
const ANY: [Check; 6] = [opening, columns, file_length, function_length, unfinished, unsafe_reasons];

#[test]
fn shipped_code_is_tidy() {
    complain(source::shipped().into_iter(), &SHIPPED);
}

#[test]
fn all_code_is_tidy() {
    let paths = ["src", "tests", "benches"].into_iter().flat_map(tree::rust_files);
    complain(paths.map(|path| Source::read(&path)), &ANY);
}

#[test]
fn unsafe_stays_in_the_files_that_need_it() {
    let complaints = unsafe_files(&source::shipped(), &UNSAFE_FILES);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn no_file_is_dead() {
    let mut alive = BTreeSet::new();
    for root in [
        "src/lib.rs",
        "src/main.rs",
        "tests/main.rs",
        "benches/calibration.rs",
        "benches/wire.rs",
        "benches/flow.rs",
        "benches/live.rs",
        "benches/payload.rs",
        "benches/registry.rs",
        "benches/replay.rs",
        "benches/generate.rs",
        "benches/counts.rs",
        "benches/linear.rs",
        "benches/lines.rs",
        "benches/output.rs",
        "benches/sink.rs",
        "tests/fuzz/targets/capture.rs",
        "tests/fuzz/targets/flow.rs",
        "tests/fuzz/targets/payload.rs",
        "tests/fuzz/targets/registry.rs",
        "tests/fuzz/targets/rules.rs",
        "tests/fuzz/targets/wire.rs",
    ] {
        reach(Path::new(root), &mut alive);
    }
    let all = ["src", "tests", "benches"].into_iter().flat_map(tree::rust_files);
    let dead: Vec<_> = all.filter(|path| !alive.contains(path)).collect();
    assert!(dead.is_empty(), "no `mod` line leads to {dead:?}");
}

#[test]
fn no_rule_file_is_dead() {
    let sources: Vec<_> = tree::rust_files("src").iter().map(|path| Source::read(path).text).collect();
    let dead: Vec<_> = tree::files("rules")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e != "md" && e != "sh" && e != "py"))
        .filter(|path| !sources.iter().any(|text| text.contains(&path.display().to_string())))
        .collect();
    assert!(dead.is_empty(), "no source file compiles in {dead:?}");
}

#[test]
fn capture_folders_are_small() {
    let folders = fs::read_dir(tree::root().join("captures")).expect("captures/ is there");
    for folder in folders.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let mut files = Vec::new();
        tree::walk(&folder, &mut files);
        let bytes: u64 = files.iter().map(|file| fs::metadata(file).expect("a listed file").len()).sum();
        assert!(bytes <= CAPTURE_FOLDER_BYTES_MAX, "{} holds {bytes} bytes", folder.display());
    }
}

#[test]
fn the_top_level_holds_what_the_map_says() {
    let entries = fs::read_dir(tree::root()).expect("the root is readable");
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let strangers: Vec<_> =
        names.filter(|name| !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str())).collect();
    assert!(strangers.is_empty(), "not on the map: {strangers:?}");
}

fn complain(sources: impl Iterator<Item = Source>, checks: &[Check]) {
    let sources: Vec<_> = sources.collect();
    let complaints: Vec<_> =
        checks.iter().flat_map(|check| sources.iter().flat_map(check).collect::<Vec<_>>()).collect();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

fn at(source: &Source, offset: usize, what: &str) -> String {
    format!("{}:{}: {what}", source.path.display(), source.line_of(offset))
}

fn lies_in(source: &Source, places: &[&str]) -> bool {
    let path = source.path.display().to_string();
    places.iter().any(|place| path.starts_with(place))
}

/// `Instant::now` and `SystemTime::now` where time must come from packets.
fn clock(source: &Source) -> Vec<String> {
    if lies_in(source, &CLOCK_ALLOWED) {
        return Vec::new();
    }
    let code = source.shipped_code();
    let calls = ["Instant::now", "SystemTime::now", "UNIX_EPOCH.elapsed"];
    calls
        .iter()
        .flat_map(|call| {
            code.match_indices(call).map(|(offset, _)| at(source, offset, "reads the wall clock"))
        })
        .collect()
}

/// Print macros outside the rooms that talk to people.
fn prints(source: &Source) -> Vec<String> {
    if lies_in(source, &PRINT_ALLOWED) {
        return Vec::new();
    }
    let code = source.shipped_code();
    let macros = ["println", "print", "eprintln", "eprint", "dbg"];
    macros
        .iter()
        .flat_map(|name| {
            words(&code, name).into_iter().map(|offset| (offset, name.len())).collect::<Vec<_>>()
        })
        .filter(|(offset, length)| code[offset + length..].starts_with('!'))
        .map(|(offset, _)| at(source, offset, "prints: hand it to output or a sink"))
        .collect()
}

/// `.unwrap()` and `.expect("...")` without a lint attribute that gives the reason in the same function.
fn unreasoned_unwraps(source: &Source) -> Vec<String> {
    let code = source.shipped_code();
    let functions = source.functions();
    let mut complaints = Vec::new();
    for (call, lint) in [(".unwrap()", "clippy::unwrap_used"), (".expect(\"", "clippy::expect_used")] {
        for (offset, _) in code.match_indices(call) {
            let around = functions.iter().filter(|f| f.range.contains(&offset)).map(|f| f.range.start).min();
            let from = code[..around.unwrap_or(offset)].rfind(['}', ';', '{']).unwrap_or(0);
            let said = &source.text[from..offset];
            if !(said.contains(lint) && said.contains("reason")) {
                complaints.push(at(source, offset, &format!("{call} without a reason")));
            }
        }
    }
    complaints
}

/// `#[allow(...)]` and `#[expect(...)]` without `reason = "..."`.
fn unreasoned_lint_exceptions(source: &Source) -> Vec<String> {
    let code = source.shipped_code();
    let mut complaints = Vec::new();
    for opening in ["#[allow(", "#[expect(", "#![allow(", "#![expect("] {
        for (offset, _) in code.match_indices(opening) {
            let end = code[offset..].find(")]").map_or(code.len(), |length| offset + length);
            if words(&code[offset..end], "reason").is_empty() {
                complaints.push(at(source, offset, "a lint exception without a reason"));
            }
        }
    }
    complaints
}

/// A file says first what it is for.
fn opening(source: &Source) -> Vec<String> {
    let said = source.text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or("");
    if said.split_whitespace().count() >= 3 {
        Vec::new()
    } else {
        vec![at(source, 0, "must open with //! sentences")]
    }
}

fn columns(source: &Source) -> Vec<String> {
    let long = |line: &str| line.chars().count() > COLUMNS_MAX && !line.contains("://") && !is_the_road(line);
    source
        .text
        .lines()
        .enumerate()
        .filter(|(_, line)| long(line))
        .map(|(number, line)| {
            format!("{}:{}: {} columns", source.path.display(), number + 1, line.chars().count())
        })
        .collect()
}

/// The picture of the road is one line, however long, and so is a string literal that rustfmt cannot break.
fn is_the_road(line: &str) -> bool {
    line.starts_with("//!  time · capture") || line.trim_start().starts_with('"') || line.contains("r#\"")
}

fn file_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let say = || format!("{}: {lines} lines: split it by noun", source.path.display());
    if lines > FILE_LINES_MAX { vec![say()] } else { Vec::new() }
}

fn function_length(source: &Source) -> Vec<String> {
    let lines =
        |range: &std::ops::Range<usize>| source.line_of(range.end - 1) - source.line_of(range.start) + 1;
    source
        .functions()
        .iter()
        .filter(|function| lines(&function.range) > FUNCTION_LINES_MAX)
        .map(|f| at(source, f.range.start, &format!("fn {} has {} lines", f.name, lines(&f.range))))
        .collect()
}

/// Work that was left for later, and tests that never run.
fn unfinished(source: &Source) -> Vec<String> {
    let marks = [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("#[ign", "ore")];
    marks
        .iter()
        .flat_map(|mark| {
            source.code.match_indices(mark).map(|(offset, _)| at(source, offset, "is unfinished"))
        })
        .collect()
}

/// Each `unsafe` has a SAFETY comment in the lines above.
fn unsafe_reasons(source: &Source) -> Vec<String> {
    const LINES_ABOVE: usize = 8;
    let lines: Vec<_> = source.text.lines().collect();
    words(&source.code, "unsafe")
        .into_iter()
        .filter(|&offset| {
            let line = source.line_of(offset);
            let above = &lines[line.saturating_sub(LINES_ABOVE + 1)..line];
            !above.iter().any(|line| line.contains("SAFETY:"))
        })
        .map(|offset| at(source, offset, "unsafe without a SAFETY comment above"))
        .collect()
}

/// `unsafe` outside the list, and files in the list that no longer need to be.
fn unsafe_files(sources: &[Source], allowed: &[&str]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources {
        let path = source.path.display().to_string();
        if let Some(&offset) = words(&source.code, "unsafe").first() {
            if !allowed.contains(&path.as_str()) {
                complaints.push(at(source, offset, "unsafe outside the listed files"));
            }
            used.insert(path);
        }
    }
    complaints.extend(
        allowed.iter().filter(|path| !used.contains(**path)).map(|path| format!("{path} is safe now")),
    );
    complaints
}

/// Follows `mod` lines (and `#[path]`) from a root file.
fn reach(path: &Path, alive: &mut BTreeSet<PathBuf>) {
    if !tree::root().join(path).is_file() || !alive.insert(path.to_path_buf()) {
        return;
    }
    let source = Source::read(path);
    let mut told = None;
    for (line, code) in source.text.lines().zip(source.code.lines()) {
        if let Some(named) = line.trim().strip_prefix("#[path = \"") {
            told = named.strip_suffix("\"]").map(ToString::to_string);
        }
        let Some(name) =
            code.trim().strip_suffix(';').and_then(|l| l.rsplit_once("mod ")).map(|(_, name)| name)
        else {
            continue;
        };
        let beside = path.parent().expect("a file lies in a folder");
        match told.take() {
            Some(named) => reach(&normal(&beside.join(named)), alive),
            None => {
                let folder = folder_of(path);
                reach(&folder.join(format!("{name}.rs")), alive);
                reach(&folder.join(name).join("mod.rs"), alive);
            }
        }
    }
}

/// Where the modules that a file declares lie.
fn folder_of(path: &Path) -> PathBuf {
    let is_root = path.file_name().is_some_and(|n| n == "mod.rs" || n == "lib.rs" || n == "main.rs")
        || path.parent().is_some_and(|parent| parent == Path::new("benches"));
    if is_root {
        path.parent().expect("a file lies in a folder").to_path_buf()
    } else {
        path.with_extension("")
    }
}

/// The path without `x/..`.
fn normal(path: &Path) -> PathBuf {
    let mut parts = Vec::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.into_iter().collect()
}

#[test]
fn every_check_can_complain() {
    let source = |text: &str| Source::new("src/flow/x.rs".as_ref(), text);
    let cases: [(Check, String, &str); 10] = [
        (clock, "fn f() { Instant::now(); }".into(), "// Instant::now()"),
        (prints, "fn f() { eprintln!(); }".into(), "fn f() { writeln!(w, \"println!()\"); }"),
        (
            unreasoned_unwraps,
            "fn f() { x.expect(\"y\"); }".into(),
            "#[cfg(test)]\nmod t { fn f() { x.unwrap(); } }",
        ),
        (
            unreasoned_lint_exceptions,
            "#[allow(dead_code)]\nfn f() {}".into(),
            "#[expect(clippy::expect_used, reason = \"r\")]\nfn f() { x.expect(\"y\"); }",
        ),
        (opening, "fn f() {}".into(), "//! What it is for."),
        (columns, format!("{}x", " ".repeat(COLUMNS_MAX)), "short"),
        (file_length, "\n".repeat(FILE_LINES_MAX + 1), "\n"),
        (function_length, format!("fn f() {{{}}}", "\n".repeat(FUNCTION_LINES_MAX)), "fn f() {\n}"),
        (unfinished, ["fn f() { to", "do!() }"].concat(), "// to be done"),
        (unsafe_reasons, "fn f() { unsafe { g() } }".into(), "// SAFETY: g is fine.\nunsafe { g() }"),
    ];
    for (number, (check, bad, good)) in cases.iter().enumerate() {
        assert_eq!(check(&source(bad)).len(), 1, "check {number} must complain about {bad:?}");
        assert!(
            check(&source(good)).is_empty(),
            "check {number} must accept {good:?}: {:?}",
            check(&source(good))
        );
    }
    let reasoned = source("#[expect(clippy::expect_used, reason = \"r\")]\nfn f() { x.expect(\"y\"); }");
    assert!(unreasoned_unwraps(&reasoned).is_empty());
    assert_eq!(unsafe_files(&[source("unsafe {}")], &["src/gone.rs"]).len(), 2);
}
