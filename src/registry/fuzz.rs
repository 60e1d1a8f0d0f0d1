//! What must hold for any file of claims. Here, beside the code it tests, so that fuzzers and the tests on
//! stable run the very same sentences.

use std::collections::BTreeSet;

use super::curated;
use super::diagnostic::Place;

/// Reads `data` as a file of claims.
///
/// # Panics
/// When a file is refused without saying where, or a claim without a source, a name or a port is taken.
pub fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let place = Place { file: "any.toml", text: &text };
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    let claims = curated::claims(place, &mut ids, &mut wrong);
    for diagnostic in &wrong {
        assert!(diagnostic.to_string().contains("any.toml"), "{diagnostic}");
    }
    for (claim, _) in claims {
        assert!(!claim.source.is_empty() && !claim.name.is_empty(), "{claim:?}");
        assert!(claim.ports.start() <= claim.ports.end(), "{claim:?}");
        assert!(claim.confidence <= 100, "{claim:?}");
        assert!(ids.contains(&*claim.id), "{claim:?}");
    }
}
