//! `ghostport listeners` and `-D`: what this machine has to offer.

use std::process::ExitCode;

use super::data;
use super::exit::Failure;
use crate::capture;
use crate::host::Listeners;
use crate::output;
use crate::registry::Registry;

/// Local listening sockets joined with the registry, one a line.
pub(crate) fn list(json: bool) -> Result<ExitCode, Failure> {
    let mut listeners = Listeners::new();
    listeners.refresh().map_err(|why| Failure::from(capture::Error::Unreadable { input: "/proc".into(), why }))?;
    let registry = Registry::builtin();
    let rows: Vec<_> = listeners.all().into_iter().map(|l| output::ListenerRow::new(l, registry)).collect();
    data(&if json { output::listeners_json(&rows) } else { output::listeners_table(&rows) })
}

/// Interfaces that can be watched.
pub(crate) fn interfaces() -> Result<ExitCode, Failure> {
    let interfaces = capture::interfaces().map_err(crate::pipeline::Error::from)?;
    let mut text = String::new();
    for interface in &interfaces {
        text.push_str(&interface.to_string());
        text.push('\n');
    }
    data(text.as_bytes())
}
