//! `ghostport doctor`: what this machine needs to run ghostport well, whether it has it, and what to do where
//! not.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::data;
use super::exit::Failure;
use crate::capture;
use crate::host::Listeners;
use crate::registry::{self, Registry};
use crate::rules::Rules;

/// CAP_NET_RAW, the bit that lets a process capture (capability.h).
const CAP_NET_RAW: u32 = 13;

/// One thing looked at.
struct Check {
    what: &'static str,
    good: bool,
    says: String,
}

/// Looks at everything and prints one line each; exit 0 when nothing is missing, 4 otherwise.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let checks = [registry(), rules(), interfaces(), privilege(), sockets(), cores()];
    let mut text = String::new();
    for check in &checks {
        let mark = if check.good { "ok  " } else { "lack" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark}  {:<10} {}", check.what, check.says);
    }
    data(&text)?;
    Ok(if checks.iter().all(|check| check.good) { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

fn registry() -> Check {
    let count = Registry::builtin().len();
    Check {
        what: "registry",
        good: count > 0,
        says: format!("{count} claims; IANA snapshot {}", registry::SNAPSHOT),
    }
}

fn rules() -> Check {
    let report = Rules::builtin().test();
    let says = format!(
        "{} rules, {} cases, {} failing",
        Rules::builtin().len(),
        report.cases,
        report.failures.len()
    );
    Check { what: "rules", good: report.failures.is_empty(), says }
}

fn interfaces() -> Check {
    match capture::interfaces() {
        Ok(found) => {
            let names: Vec<&str> = found.iter().filter(|i| i.up).map(|i| i.name.as_str()).collect();
            let says = format!("{} up: {}", names.len(), names.join(", "));
            Check { what: "interfaces", good: !names.is_empty(), says }
        }
        Err(error) => Check { what: "interfaces", good: false, says: error.to_string() },
    }
}

fn privilege() -> Check {
    let good = effective_capabilities().is_some_and(|bits| bits & (1 << CAP_NET_RAW) != 0);
    let says = if good {
        "may capture (CAP_NET_RAW)".to_owned()
    } else {
        let exe = std::env::current_exe()
            .map_or_else(|_| "ghostport".to_owned(), |path| path.display().to_string());
        format!(
            "may not capture: run as root, or: sudo setcap cap_net_raw+ep {exe} (replay needs no privilege)"
        )
    };
    Check { what: "privilege", good, says }
}

fn effective_capabilities() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn sockets() -> Check {
    let mut listeners = Listeners::new();
    match listeners.refresh() {
        Ok(()) => {
            let all = listeners.all();
            let owned = all.iter().filter(|l| l.process.is_some()).count();
            let says = format!("{} listening sockets, {owned} with a known owner", all.len());
            Check { what: "sockets", good: owned == all.len(), says }
        }
        Err(why) => Check { what: "sockets", good: false, says: why },
    }
}

fn cores() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Check { what: "cores", good: true, says: format!("{cores}; --workers up to {cores} is worth trying") }
}
