//! Every dependency may be shipped under our licence. Reads what cargo knows, so it works offline and without
//! a tool that has to be installed; `.deny.toml` says the same to cargo-deny, and the two lists are compared
//! here.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{skip_aloud, tree};

/// SPDX identifiers whose terms fit a crate under Apache-2.0 OR MIT. `bzip2-1.0.6` is a BSD-style licence.
const ALLOWED: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
    "bzip2-1.0.6",
];

/// Where dependencies come from, in the words of `cargo metadata`.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_dependency_may_be_shipped() {
    let Some(packages) = packages() else { return };
    assert!(packages.len() > 50, "{} packages", packages.len());
    let refused: Vec<_> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(allowed))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let Some(packages) = packages() else { return };
    let strangers: Vec<_> = packages
        .iter()
        .filter(|package| package["name"] != "ghostport")
        .filter(|package| package["source"] != REGISTRY)
        .map(|package| package["name"].to_string())
        .collect();
    assert!(strangers.is_empty(), "not from crates.io: {strangers:?}");
}

#[test]
fn cargo_deny_is_told_the_same() {
    let text = fs::read_to_string(tree::root().join(".deny.toml")).expect(".deny.toml is there");
    let table: toml::Table = text.parse().expect("TOML");
    let told: BTreeSet<_> = table["licenses"]["allow"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|name| name.as_str().expect("a name").to_string())
        .collect();
    let ours: BTreeSet<_> = ALLOWED.iter().map(ToString::to_string).collect();
    assert_eq!(told, ours);
}

#[test]
fn our_own_licences_are_there() {
    for (file, words) in [
        ("LICENSE-APACHE", ["Apache License", "Version 2.0, January 2004"]),
        ("LICENSE-MIT", ["Permission is hereby granted, free of charge", "WITHOUT WARRANTY OF ANY KIND"]),
    ] {
        let text = fs::read_to_string(tree::root().join(file)).expect("a licence file");
        for word in words {
            assert!(text.contains(word), "{file} must hold {word:?}");
        }
    }
    let manifest = fs::read_to_string(tree::root().join("Cargo.toml")).expect("there");
    assert!(manifest.contains("license = \"Apache-2.0 OR MIT\""));
}

/// All packages of the lock file for the platform we build on, as `cargo metadata` gives them. Those of cargo
/// features are there only where somebody has built these.
fn packages() -> Option<Vec<Value>> {
    packages_with(&["--all-features"])
        .or_else(|why| {
            skip_aloud("licences of what cargo features add", &why);
            packages_with(&[])
        })
        .map_err(|why| skip_aloud("licences", &why))
        .ok()
}

fn packages_with(features: &[&str]) -> Result<Vec<Value>, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .args(features)
        .current_dir(tree::root())
        .output()
        .expect("cargo runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Ok(metadata["packages"].as_array().expect("a list").clone())
}

/// True when an SPDX expression can be satisfied with allowed licences: one side of every `OR`, both of every
/// `AND`.
fn allowed(expression: &str) -> bool {
    let words: Vec<String> = expression
        .replace('/', " OR ") // how licences were joined before 2018
        .replace('(', " ( ")
        .replace(')', " ) ")
        .split_whitespace()
        .map(ToString::to_string)
        .collect();
    let mut at = 0;
    let fits = any_of(&words, &mut at);
    fits && at == words.len()
}

fn any_of(words: &[String], at: &mut usize) -> bool {
    let mut fits = all_of(words, at);
    while words.get(*at).is_some_and(|word| word == "OR") {
        *at += 1;
        fits |= all_of(words, at);
    }
    fits
}

fn all_of(words: &[String], at: &mut usize) -> bool {
    let mut fits = one(words, at);
    while words.get(*at).is_some_and(|word| word == "AND") {
        *at += 1;
        fits &= one(words, at);
    }
    fits
}

fn one(words: &[String], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let fits = any_of(words, at);
        *at += 1; // the closing one
        return fits;
    }
    if words.get(*at).is_some_and(|word| word == "WITH") {
        let exception = words.get(*at + 1).map_or("", String::as_str);
        *at += 2;
        return ALLOWED.contains(&format!("{word} WITH {exception}").as_str());
    }
    ALLOWED.contains(&word.as_str())
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "MIT/Apache-2.0",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(allowed(good), "{good}");
    }
    for bad in
        ["GPL-3.0", "MIT AND GPL-3.0", "LGPL-2.1 OR GPL-2.0", "", "MIT MIT", "Apache-2.0 WITH Odd-exception"]
    {
        assert!(!allowed(bad), "{bad}");
    }
}
