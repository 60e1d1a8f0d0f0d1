//! `ghostport doctor`: what this machine needs to run ghostport well, whether it has it, and what to do where
//! not.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::data;
use super::exit::{CAPTURE, CONFIG, Failure};
use crate::capture;
use crate::host::Listeners;
use crate::registry::{self, Registry};
use crate::rules::Rules;

/// CAP_NET_RAW, the bit that lets a process capture (capability.h).
const CAP_NET_RAW: u32 = 13;

/// How a thing is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Worth knowing; nothing fails for it.
    Note,
    /// Missing; the exit code says what fails for it.
    Lack(u8),
}

impl State {
    const fn good_or(good: bool, otherwise: Self) -> Self {
        if good { Self::Good } else { otherwise }
    }
}

/// One thing looked at.
struct Check {
    what: &'static str,
    state: State,
    says: String,
}

/// Looks at everything and prints one line each; exit 0 when live capture would work, 4 when it would not,
/// and 78 when what is compiled in does not hold.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let checks = [registry(), rules(), interfaces(), privilege(), live(), sockets(), cores()];
    let mut text = String::new();
    for check in &checks {
        let mark = match check.state {
            State::Good => "ok  ",
            State::Note => "note",
            State::Lack(_) => "lack",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{mark}  {:<10} {}", check.what, check.says);
    }
    data(&text)?;
    Ok(ExitCode::from(code(&checks)))
}

/// The exit code of the first thing that is missing.
fn code(checks: &[Check]) -> u8 {
    let lacking = checks.iter().find_map(|check| match check.state {
        State::Lack(code) => Some(code),
        State::Good | State::Note => None,
    });
    lacking.unwrap_or(0)
}

fn registry() -> Check {
    let count = Registry::builtin().len();
    Check {
        what: "registry",
        state: State::good_or(count > 0, State::Lack(CONFIG)),
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
    let state = State::good_or(report.failures.is_empty(), State::Lack(CONFIG));
    Check { what: "rules", state, says }
}

fn interfaces() -> Check {
    match capture::interfaces() {
        Ok(found) => {
            let names: Vec<&str> = found.iter().filter(|i| i.up).map(|i| i.name.as_str()).collect();
            let says = format!("{} up: {}", names.len(), names.join(", "));
            let state = State::good_or(!names.is_empty(), State::Lack(CAPTURE));
            Check { what: "interfaces", state, says }
        }
        Err(error) => Check { what: "interfaces", state: State::Lack(CAPTURE), says: error.to_string() },
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
    Check { what: "privilege", state: State::good_or(good, State::Lack(CAPTURE)), says }
}

/// Which way live frames come.
fn live() -> Check {
    let (state, says) = match capture::ring_works() {
        Ok(()) => (State::Good, "AF_PACKET rings (TPACKET_V3), one per worker and interface".to_owned()),
        Err(why) => (State::Note, format!("through libpcap: no AF_PACKET ring here ({why})")),
    };
    Check { what: "live", state, says }
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
            if owned == all.len() {
                return Check { what: "sockets", state: State::Good, says };
            }
            let says =
                format!("{says}; alerts on the others name no process (root sees those of other users)");
            Check { what: "sockets", state: State::Note, says }
        }
        Err(why) => Check { what: "sockets", state: State::Note, says: why },
    }
}

fn cores() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Check {
        what: "cores",
        state: State::Good,
        says: format!("{cores}; --workers up to {cores} is worth trying"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_fails_nothing_and_a_lack_says_what() {
        let check = |state| Check { what: "x", state, says: String::new() };
        assert_eq!(code(&[check(State::Good), check(State::Note)]), 0);
        assert_eq!(code(&[check(State::Note), check(State::Lack(CAPTURE)), check(State::Good)]), CAPTURE);
    }
}
