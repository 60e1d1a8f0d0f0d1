//! Exit codes, and why a command did not do what it was asked.
//!
//! 0 ran · 1 a finding at or above `--fail-on` · 2 usage · 3 some input damaged · 4 capture or privilege · 65
//! input unreadable (EX_DATAERR) · 74 an output did not take every line (EX_IOERR) · 78 bad configuration or
//! rules (EX_CONFIG).

use std::fmt;
use std::process::ExitCode;

use crate::pipeline::{Error, Report};
use crate::rules::Severity;

const FINDING: u8 = 1;
const USAGE: u8 = 2;
const DAMAGED: u8 = 3;
pub(super) const CAPTURE: u8 = 4;
const UNREADABLE: u8 = 65;
const LOST: u8 = 74;
pub(super) const CONFIG: u8 = 78;

/// A command that failed: what to say and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    pub(crate) fn usage(message: String) -> Self {
        Self { message, code: USAGE }
    }

    pub(crate) fn config(message: String) -> Self {
        Self { message, code: CONFIG }
    }

    /// From resolving arguments: a mistake in a file is configuration, the rest is usage.
    pub(crate) fn from_config(error: anyhow::Error) -> Self {
        let code = if error.is::<super::config::Usage>() { USAGE } else { CONFIG };
        Self { message: format!("{error:#}"), code }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use crate::capture::Error as Capture;
        let code = match &error {
            Error::Capture(Capture::Unreadable { .. }) => UNREADABLE,
            Error::Capture(Capture::Filter { .. }) => USAGE,
            Error::Capture(_) => CAPTURE,
            Error::Registry(_) | Error::Rules(_) | Error::Output(_) => CONFIG,
        };
        Self { message: error.to_string(), code }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { message: format!("{error:#}"), code: CONFIG }
    }
}

/// The exit code of a run that came to its end.
pub(crate) fn code(report: &Report, fail_on: Option<Severity>) -> ExitCode {
    let found = fail_on.is_some_and(|least| report.worst.is_some_and(|worst| worst <= least));
    let unreadable = report.damage.iter().filter(|damage| damage.unreadable).count();
    ExitCode::from(if report.lost_source {
        CAPTURE
    } else if report.nothing_followed || unreadable > 0 && unreadable == report.inputs {
        UNREADABLE
    } else if found {
        FINDING
    } else if report.lost_lines {
        LOST
    } else if !report.damage.is_empty() {
        DAMAGED
    } else {
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Damage;

    fn report(damage: &[bool], inputs: usize, worst: Option<Severity>) -> Report {
        let damage = damage
            .iter()
            .map(|&unreadable| Damage { input: "x".into(), offset: 0, what: "y".into(), unreadable })
            .collect();
        Report { damage, inputs, worst, ..Report::default() }
    }

    #[test]
    fn codes_are_the_contract() {
        let shown = |r: &Report, f| format!("{:?}", code(r, f));
        let is = |n: u8| format!("{:?}", ExitCode::from(n));
        assert_eq!(shown(&report(&[], 1, None), None), is(0));
        assert_eq!(shown(&report(&[], 1, Some(Severity::Medium)), None), is(0));
        assert_eq!(shown(&report(&[], 1, Some(Severity::Medium)), Some(Severity::Medium)), is(1));
        assert_eq!(shown(&report(&[], 1, Some(Severity::Medium)), Some(Severity::High)), is(0));
        assert_eq!(shown(&report(&[true], 1, None), None), is(65));
        assert_eq!(shown(&report(&[true], 2, None), None), is(3));
        assert_eq!(shown(&report(&[false], 1, Some(Severity::Low)), Some(Severity::Low)), is(1));
    }
}
