//! The README says what the program does: every option of `--help` stands in its table, and nothing else
//! does.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{binary, tree};

fn readme() -> String {
    fs::read_to_string(tree::root().join("README.md")).expect("README.md is there")
}

/// The part of the README under a heading.
fn section(heading: &str) -> String {
    let text = readme();
    let start = text.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let rest = &text[start + 4..];
    rest[..rest.find("\n## ").unwrap_or(rest.len())].to_string()
}

#[test]
fn every_option_is_in_the_table_and_nothing_else() {
    let run = binary::run(&["--help"]);
    run.expect_code(0);
    let offered = long_options(
        &run.stdout.lines().filter(|line| line.trim_start().starts_with('-')).collect::<Vec<_>>().join("\n"),
    );
    let table: Vec<_> =
        section("Options").lines().filter(|line| line.starts_with("| `-")).map(first_cell).collect();
    let described = long_options(&table.join("\n"));
    assert!(offered.len() > 20, "{offered:?}");
    assert_eq!(offered, described, "left: --help, right: README");
}

#[test]
fn every_story_and_every_exit_code_is_explained() {
    let stories = section("Stories");
    for story in ghostport::verdict::Story::ALL {
        assert!(stories.contains(&format!("| `{}` |", story.name())), "no row for {}", story.name());
    }
    let codes = section("Exit codes");
    for code in [0, 1, 2, 3, 4, 65, 78] {
        assert!(codes.contains(&format!("| {code} |")), "no row for {code}");
    }
}

#[test]
fn nothing_is_left_to_be_filled_in() {
    let places: Vec<_> =
        readme().lines().filter(|line| line.contains("<!-- lead:")).map(String::from).collect();
    assert!(places.is_empty(), "README.md waits for real output: {places:?}");
}

/// Words that begin with two hyphens.
fn long_options(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(ToString::to_string)
        .collect()
}

fn first_cell(line: &str) -> String {
    line.trim_start_matches("| ").split(" |").next().unwrap_or("").to_string()
}

#[test]
fn options_are_found_in_text() {
    let found = long_options("  -r, --read <FILE>  [default: --x]\n --a-b, -z");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["--a-b", "--read", "--x"]);
    assert_eq!(first_cell("| `-r`, `--read FILE` | replays |"), "`-r`, `--read FILE`");
}
