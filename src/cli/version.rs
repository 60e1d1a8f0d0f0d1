//! What `-V` and `--version` say.

use std::sync::LazyLock;

use crate::sink::Remote;

/// Version, the registry snapshot it carries, and which of the optional receivers are built in.
pub(crate) fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{}\nIANA registry snapshot: {}\nOptional receivers: {}",
            env!("CARGO_PKG_VERSION"),
            crate::registry::SNAPSHOT,
            receivers()
        )
    });
    &LONG
}

fn receivers() -> String {
    let (with, without) = Remote::built_in();
    let said =
        |names: Vec<&str>, which: &str| (!names.is_empty()).then(|| format!("{} {which}", names.join(", ")));
    let said = [said(with, "(built in)"), said(without, "(not built in)")];
    said.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
