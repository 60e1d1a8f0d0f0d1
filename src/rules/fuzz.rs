//! What must hold for any rule file. Here, beside the code it tests, so that fuzzers and the tests on stable
//! run the very same sentences.

use std::collections::BTreeMap;

use super::{Rules, import};
use crate::registry::{Level, Place};

/// Reads `data` as a rule file, and as one of Suricata's or Snort's.
///
/// # Panics
/// When a file is refused without saying where, a file that was taken cannot be tried or explained, or what
/// is imported of it is no good rule file.
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    imports(&text);
    let place = Place { file: "any.toml", text: &text };
    let mut said = Vec::new();
    let rules = Rules::assemble(&[place], &mut said);
    for diagnostic in &said {
        assert!(diagnostic.to_string().contains("any.toml"), "{diagnostic}");
    }
    if said.iter().any(|diagnostic| diagnostic.level == Level::Error) {
        return;
    }
    let _tried = rules.test();
    for policy in rules.list() {
        assert!(rules.find(&policy.rule.id).is_some_and(|found| found.rule.sid == policy.rule.sid));
        assert!(policy.place().starts_with("any.toml"), "{}", policy.place());
        let _explained = policy.conditions();
    }
}

/// What is written must be taken, and what is not written must be said.
fn imports(text: &str) {
    let done = import(Place { file: "any.rules", text }, &BTreeMap::new());
    let mut said = Vec::new();
    let rules = Rules::assemble(&[Place { file: "made.toml", text: &done.toml }], &mut said);
    let wrong = said.iter().find(|diagnostic| diagnostic.level == Level::Error);
    assert!(wrong.is_none(), "{}\n{wrong:?}", done.toml);
    assert_eq!(rules.len(), done.written);
    assert!(done.said.len() >= done.left_out);
}
