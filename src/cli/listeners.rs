//! `ghostport listeners` and `-D`: what this machine has to offer.

use std::process::ExitCode;

use super::data;
use super::exit::Failure;
use crate::capture;
use crate::host::Listeners;
use crate::output::ListenerRow;
use crate::pipeline::Error;
use crate::registry::Registry;

/// Local listening sockets joined with the registry, one a line.
pub(crate) fn list(json: bool) -> Result<ExitCode, Failure> {
    let mut listeners = Listeners::new();
    listeners
        .refresh()
        .map_err(|why| Error::from(capture::Error::Unreadable { input: "/proc".into(), why }))?;
    let registry = Registry::builtin();
    let mut text = String::new();
    for listener in listeners.all() {
        let row = ListenerRow::new(listener, registry);
        text.push_str(&if json { row.json().map_err(anyhow::Error::from)? } else { row.text() });
    }
    data(&text)
}

/// Interfaces that can be watched.
pub(crate) fn interfaces() -> Result<ExitCode, Failure> {
    let interfaces = capture::interfaces().map_err(Error::from)?;
    let mut text = String::new();
    for interface in &interfaces {
        text.push_str(&interface.to_string());
        text.push('\n');
    }
    data(&text)
}
