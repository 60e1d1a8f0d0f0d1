//! `FORMAT:DEST` and `FORMAT[EVENT,EVENT]:DEST`: what to write, and where.

use std::path::PathBuf;
use std::str::FromStr;

/// Shapes of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Suricata-EVE shaped JSON lines.
    Eve,
    /// Elastic Common Schema, JSON lines.
    Ecs,
    /// Open Cybersecurity Schema Framework, JSON lines.
    Ocsf,
    /// EVE in the envelope of Splunk's HTTP Event Collector.
    Hec,
    /// RFC 5424 messages with structured data.
    Syslog,
    /// `ArcSight`'s Common Event Format.
    Cef,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Eve, Self::Ecs, Self::Ocsf, Self::Hec, Self::Syslog, Self::Cef];

    /// Name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eve => "eve",
            Self::Ecs => "ecs",
            Self::Ocsf => "ocsf",
            Self::Hec => "hec",
            Self::Syslog => "syslog",
            Self::Cef => "cef",
        }
    }

    /// True when it has lines for events of this type: OCSF has no class for sums over many events.
    #[must_use]
    pub fn carries(self, event_type: &str) -> bool {
        self != Self::Ocsf || !matches!(event_type, "port" | "stats")
    }
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard output, `-`.
    Stdout,
    /// A file (or a FIFO, or a device): appended to, and made when it is not there.
    File(PathBuf),
}

/// One output of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Shape of the lines.
    pub format: Format,
    /// Where they go.
    pub place: Place,
    /// Event types that go there, in command line order; empty for all.
    events: Vec<&'static str>,
}

impl Target {
    /// Event types that can be chosen.
    pub const EVENTS: [&'static str; 5] = ["alert", "flow", "port", "service", "stats"];

    /// Everything to standard output.
    #[must_use]
    pub const fn stdout(format: Format) -> Self {
        Self { format, place: Place::Stdout, events: Vec::new() }
    }

    /// Everything to a file.
    #[must_use]
    pub fn file(format: Format, path: impl Into<PathBuf>) -> Self {
        Self { format, place: Place::File(path.into()), events: Vec::new() }
    }

    /// Reads `eve:-`, `eve:/path/to/file`, `eve[alert,stats]:/path/to/file`.
    ///
    /// # Errors
    /// Says what is misspelt and what there is.
    pub fn parse(spec: &str) -> Result<Self, Misspelt> {
        spec.parse()
    }

    /// True when lines of this event type go there.
    #[must_use]
    pub fn takes(&self, event_type: &str) -> bool {
        self.events.is_empty() || self.events.contains(&event_type)
    }

    /// The destination, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.place {
            Place::Stdout => "standard output".to_owned(),
            Place::File(path) => path.display().to_string(),
        }
    }
}

impl FromStr for Target {
    type Err = Misspelt;

    fn from_str(spec: &str) -> Result<Self, Misspelt> {
        let misspelt = |what: String| Misspelt { spec: spec.to_owned(), what };
        let Some((format, dest)) = spec.split_once(':') else {
            return Err(misspelt("there is no ':' between format and destination".to_owned()));
        };
        let (format, events) = match format.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            Some((format, events)) => (format, parse_events(events).map_err(misspelt)?),
            None => (format, Vec::new()),
        };
        let Some(format) = Format::ALL.into_iter().find(|known| known.name() == format) else {
            return Err(misspelt(format!("there is no format {format:?}; there is: {}", formats())));
        };
        if let Some(event) = events.iter().find(|event| !format.carries(event)) {
            return Err(misspelt(format!("{} has no lines for {event} events", format.name())));
        }
        let place = match dest {
            "" => return Err(misspelt("the destination is missing; '-' is standard output".to_owned())),
            "-" => Place::Stdout,
            url if url.contains("://") => {
                return Err(misspelt(
                    format!("{format:?} lines go to '-' or to a file, not yet to {url}").to_lowercase(),
                ));
            }
            path => Place::File(path.into()),
        };
        Ok(Self { format, place, events })
    }
}

/// An output that cannot be meant: what was written, what is wrong with it, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand the output {spec:?}: {what} ({HOW})")]
pub struct Misspelt {
    spec: String,
    what: String,
}

const HOW: &str = "write it like eve:-, eve:/var/log/ghostport/eve.json or eve[alert,stats]:alerts.json";

fn formats() -> String {
    Format::ALL.map(Format::name).join(", ")
}

fn parse_events(list: &str) -> Result<Vec<&'static str>, String> {
    let known = |name: &str| Target::EVENTS.into_iter().find(|event| *event == name);
    let each = list.split(',').map(str::trim);
    each.map(|name| {
        known(name).ok_or_else(|| {
            format!("there is no event type {name:?}; there is: {}", Target::EVENTS.join(", "))
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_meant() {
        assert_eq!(Target::parse("eve:-").unwrap(), Target::stdout(Format::Eve));
        let file = Target::parse("eve[alert, stats]:/a:b.json").unwrap();
        assert_eq!(file.place, Place::File("/a:b.json".into()));
        assert!(file.takes("alert") && file.takes("stats") && !file.takes("flow"));
        assert!(Target::stdout(Format::Eve).takes("flow"));
        assert_eq!(file.name(), "/a:b.json");
    }

    #[test]
    fn says_what_is_wrong_and_what_there_is() {
        for (spec, expected) in [
            ("eve", "no ':'"),
            ("xml:-", "there is no format \"xml\"; there is: eve, ecs, ocsf, hec, syslog, cef"),
            ("EVE:-", "there is: eve"),
            ("eve:", "'-' is standard output"),
            ("eve[allert]:-", "there is no event type \"allert\"; there is: alert, flow"),
            ("ocsf[alert,stats]:-", "ocsf has no lines for stats events"),
            ("eve[]:-", "there is no event type \"\""),
            ("eve:https://siem/x", "not yet to https://siem/x"),
        ] {
            let said = Target::parse(spec).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
            assert!(said.contains("write it like eve:-"), "{said}");
        }
    }
}
