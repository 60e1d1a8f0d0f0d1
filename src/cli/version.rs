//! What `-V` and `--version` say.

/// Version, the registry snapshot it carries, and the libpcap it runs with.
pub(crate) fn long() -> String {
    format!("{}\nIANA registry snapshot: {}", env!("CARGO_PKG_VERSION"), crate::registry::SNAPSHOT)
}
