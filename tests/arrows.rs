//! The rooms and the arrows between them. The list below is the architecture: a room imports what stands
//! there and nothing else. An arrow that is not listed fails, and so does a permission that nobody uses any
//! more, because a list that allows too much stops being a picture of the crate.
//!
//! Read are `use crate::x` and every `crate::x::` path in shipped code: tests may look anywhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::source::{self, Source, is_word};

/// The road, left to right. A room may import only from rooms to its left.
const ROAD: [&str; 15] = [
    "time", "capture", "wire", "flow", "payload", "registry", "host", "evidence", "verdict", "bucket",
    "rules", "output", "sink", "pipeline", "cli",
];

/// Which room imports which. Narrower than the road: a new arrow is made here, in review, with its reason.
const ARROWS: [(&str, &[&str]); 15] = [
    ("time", &[]),
    ("capture", &["time"]),
    ("wire", &["time", "capture"]),
    ("flow", &["time", "wire"]),
    ("payload", &["time", "wire"]), // the words of a meeting place: transport, endpoint, when
    ("registry", &["wire"]),        // Transport
    ("host", &["wire"]),            // Transport, Endpoint
    ("evidence", &["wire", "flow", "payload", "registry", "host"]),
    ("verdict", &["time", "wire", "flow", "payload", "registry", "host", "evidence"]),
    ("bucket", &["time", "wire", "flow", "payload", "registry", "verdict"]),
    ("rules", &["time", "wire", "flow", "payload", "registry", "evidence", "verdict"]),
    (
        "output",
        &[
            "time", "capture", "wire", "flow", "payload", "registry", "host", "evidence", "verdict",
            "bucket", "rules",
        ],
    ),
    ("sink", &[]),
    (
        "pipeline",
        &[
            "time", "capture", "wire", "flow", "payload", "registry", "host", "evidence", "verdict",
            "bucket", "rules", "output", "sink",
        ],
    ),
    (
        "cli",
        &["capture", "wire", "flow", "registry", "host", "verdict", "rules", "output", "sink", "pipeline"],
    ),
];

#[test]
fn rooms_import_what_the_list_allows_and_use_what_it_allows() {
    let found = arrows(&sources());
    let troubles = compare(&found, &ARROWS);
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

#[test]
fn the_list_itself_points_left() {
    let troubles = pointing_right(&ARROWS);
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

#[test]
fn every_room_is_in_the_list_and_in_the_crate() {
    let lib = Source::read("src/lib.rs".as_ref());
    let declared: Vec<_> =
        lib.code.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(declared, ROAD, "src/lib.rs declares the rooms, in road order");
}

#[test]
fn the_crate_root_only_names_rooms() {
    let lib = Source::read("src/lib.rs".as_ref());
    let troubles = root_troubles(&lib);
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

#[test]
fn the_binary_uses_the_library_and_declares_nothing() {
    let main = Source::read("src/main.rs".as_ref());
    assert!(
        !main.code.split_whitespace().any(|word| word == "mod"),
        "src/main.rs recompiles a module of the library"
    );
    assert!(main.text.lines().count() <= 30, "src/main.rs parses, runs and exits; it has no room for more");
}

/// Sources of all rooms.
fn sources() -> Vec<Source> {
    source::shipped()
}

/// room → room it imports → the places that do so.
type Found = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn arrows(sources: &[Source]) -> Found {
    let mut found = Found::new();
    for source in sources {
        let Some(room) = room_of(source) else { continue };
        let to = found.entry(room.clone()).or_default();
        let shipped = source.shipped_code();
        for (at, name) in crate_paths(&shipped) {
            if name != room {
                to.entry(name).or_default().push(format!("{}:{}", source.path.display(), source.line_of(at)));
            }
        }
    }
    found
}

/// `src/flow/table.rs` and `src/time.rs` belong to rooms; `src/lib.rs` and `src/main.rs` to none.
fn room_of(source: &Source) -> Option<String> {
    let below = source.path.strip_prefix("src").ok()?;
    let first = below.iter().next()?.to_str()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (room != "lib" && room != "main").then(|| room.to_string())
}

/// First segments behind `crate::`, also inside `use crate::{a::X, b::{Y, Z}}`, with their offsets.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        let behind = at + "crate::".len();
        if code[behind..].starts_with('{') {
            paths.extend(group(code, behind));
        } else {
            paths.push((at, word_at(code, behind)));
        }
    }
    paths
}

/// First segments of each entry of the brace group at `open`.
fn group(code: &str, open: usize) -> Vec<(usize, String)> {
    let (mut depth, mut entry_begins, mut names) = (0, true, Vec::new());
    for (at, c) in code.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => entry_begins = true,
            c if depth == 1 && entry_begins && is_word(c) => {
                names.push((at, word_at(code, at)));
                entry_begins = false;
            }
            _ => {}
        }
    }
    names
}

fn word_at(code: &str, at: usize) -> String {
    code[at..].chars().take_while(|c| is_word(*c)).collect()
}

/// Arrows that are not allowed, and permissions that are not used.
fn compare(found: &Found, allowed: &[(&str, &[&str])]) -> Vec<String> {
    let mut troubles = Vec::new();
    let nothing = BTreeMap::new();
    for (room, to) in found {
        let permitted = allowed.iter().find(|(name, _)| name == room).map_or(&[][..], |(_, to)| to);
        for (target, places) in to {
            if !permitted.contains(&target.as_str()) {
                troubles.push(format!("{room} → {target} is not in the list: {}", places.join(", ")));
            }
        }
    }
    for (room, permitted) in allowed {
        let used: BTreeSet<_> = found.get(*room).unwrap_or(&nothing).keys().map(String::as_str).collect();
        for target in *permitted {
            if !used.contains(target) {
                troubles.push(format!(
                    "{room} → {target} is allowed and not used: take it out of tests/arrows.rs"
                ));
            }
        }
    }
    troubles
}

/// Permissions that point to the right of the road.
fn pointing_right(allowed: &[(&str, &[&str])]) -> Vec<String> {
    let place = |room: &str| ROAD.iter().position(|name| *name == room).unwrap_or(usize::MAX);
    let mut troubles = Vec::new();
    for (room, permitted) in allowed {
        for target in *permitted {
            if place(target) >= place(room) {
                troubles.push(format!("{room} → {target} points right"));
            }
        }
    }
    troubles
}

/// Whatever the crate root holds beside module lines and lint attributes.
fn root_troubles(lib: &Source) -> Vec<String> {
    lib.code
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with("#!["))
        .filter(|(_, line)| !(line.starts_with("pub mod ") && line.ends_with(';')))
        .map(|(number, line)| format!("src/lib.rs:{number}: the root only names rooms: {line}"))
        .collect()
}

#[test]
fn the_checks_can_fail() {
    let made = |path: &str, text: &str| Source::new(path.as_ref(), text);
    let sources = [
        made("src/wire/mod.rs", "use crate::{time::Timestamp, flow::{Flow, Key}};\nuse crate::wire::Packet;"),
        made("src/flow/a.rs", "fn f() -> crate::cli::X { \"crate::sink::Y\" } // crate::host::Z"),
        made("src/flow/b.rs", "#[cfg(test)]\nmod tests { use crate::pipeline::Run; }"),
    ];
    let found = arrows(&sources);
    let troubles = compare(&found, &[("wire", &["time", "capture"]), ("flow", &[])]);
    assert_eq!(troubles.len(), 3, "{troubles:?}");
    assert!(troubles[0].starts_with("flow → cli is not in the list: src/flow/a.rs:1"));
    assert!(troubles[1].starts_with("wire → flow is not in the list"));
    assert!(troubles[2].starts_with("wire → capture is allowed and not used"));
    assert_eq!(pointing_right(&[("wire", &["flow"]), ("flow", &["wire"])]).len(), 1);
    assert_eq!(root_troubles(&made("src/lib.rs", "pub mod time;\npub use time::Timestamp;\n#![x]")).len(), 1);
}
