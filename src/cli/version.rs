//! What `-V` and `--version` say.

use std::sync::LazyLock;

/// Version, the registry snapshot it carries, and the libpcap it runs with.
pub(crate) fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        format!("{}\nIANA registry snapshot: {}", env!("CARGO_PKG_VERSION"), crate::registry::SNAPSHOT)
    });
    &LONG
}
