//! What must hold for any rule file. Here, beside the code it tests, so that fuzzers and the tests on stable
//! run the very same sentences.

use super::Rules;
use crate::registry::{Level, Place};

/// Reads `data` as a rule file.
///
/// # Panics
/// When a file is refused without saying where, or a file that was taken cannot be tried or explained.
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
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
