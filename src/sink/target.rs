//! `FORMAT:DEST` and `FORMAT[EVENT,EVENT]:DEST`: what to write, and where.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::filter::{self, Filter};
use super::rotate::Rotation;
use super::url::{self, Remote};

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
    File(PathBuf, Rotation),
    /// A Unix socket, of a stream or of datagrams.
    Unix {
        /// Its path.
        path: PathBuf,
        /// A datagram for each line, else a stream of lines.
        is_datagram: bool,
    },
    /// A receiver on the network.
    Remote(Box<Remote>),
}

impl Place {
    fn parse(format: Format, dest: &str) -> Result<Self, String> {
        let (scheme, rest) = match dest {
            "" => return Err("the destination is missing; '-' is standard output".to_owned()),
            "-" => return Ok(Self::Stdout),
            _ => dest.split_once("://").unwrap_or(("", dest)),
        };
        match scheme {
            "" => {
                let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
                let rotation =
                    if options.is_empty() { Rotation::default() } else { Rotation::parse(options)? };
                Ok(Self::File(path.into(), rotation))
            }
            "unix" | "unixgram" if Path::new(rest).is_absolute() => {
                Ok(Self::Unix { path: rest.into(), is_datagram: scheme == "unixgram" })
            }
            "unix" | "unixgram" => Err(format!("{rest:?} is no absolute path; write {scheme}:///run/socket")),
            _ if Remote::SCHEMES.contains(&scheme) => {
                Ok(Self::Remote(Box::new(Remote::parse(format.name(), dest)?)))
            }
            _ => {
                let remote = Remote::SCHEMES.join("://, ");
                Err(format!("there is no destination {scheme}://; there is: {DESTINATIONS}, {remote}://"))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path, _) => write!(f, "{}", path.display()),
            Self::Unix { path, is_datagram: false } => write!(f, "unix://{}", path.display()),
            Self::Unix { path, is_datagram: true } => write!(f, "unixgram://{}", path.display()),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

/// One output of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Shape of the lines.
    pub format: Format,
    /// Where they go.
    pub place: Place,
    /// Lines that go there.
    filter: Filter,
}

impl Target {
    /// Event types that can be chosen.
    pub const EVENTS: [&'static str; 5] = filter::EVENTS;

    /// Everything to standard output.
    #[must_use]
    pub fn stdout(format: Format) -> Self {
        Self { format, place: Place::Stdout, filter: Filter::default() }
    }

    /// Everything to a file.
    #[must_use]
    pub fn file(format: Format, path: impl Into<PathBuf>) -> Self {
        let place = Place::File(path.into(), Rotation::default());
        Self { format, place, filter: Filter::default() }
    }

    /// Reads `eve:-`, `eve:/path/to/file?rotate=100M&keep=7`, `eve[alert:medium+,stats]:unix:///path`.
    ///
    /// # Errors
    /// Says what is misspelt and what there is.
    pub fn parse(spec: &str) -> Result<Self, Misspelt> {
        spec.parse()
    }

    /// True when its format has lines of this event type, and they go there, and those of this severity (1 is
    /// the worst) where it has one.
    #[must_use]
    pub fn takes(&self, event_type: &str, severity: Option<u8>) -> bool {
        self.format.carries(event_type) && self.filter.takes(event_type, severity)
    }

    /// The destination, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.place.to_string()
    }

    /// The name of the folder of its spool: the same in the next run, and another for another output.
    pub(super) fn spool_name(&self) -> String {
        let query = if let Place::Remote(remote) = &self.place { remote.query() } else { "" };
        let readable = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        let readable: String = self.to_string().chars().map(readable).take(40).collect();
        format!("{readable}-{:08x}", crc32fast::hash(format!("{self} {query}").as_bytes()))
    }
}

impl fmt::Display for Target {
    /// Which lines go where, without what is only about how.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}:{}", self.format.name(), self.filter, self.place)?;
        match &self.place {
            Place::Remote(remote) if !remote.distinction().is_empty() => {
                write!(f, "?{}", remote.distinction())
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Target {
    type Err = Misspelt;

    fn from_str(spec: &str) -> Result<Self, Misspelt> {
        let read = || -> Result<Self, String> {
            let (format, filter, dest) = parts(spec)?;
            let Some(format) = Format::ALL.into_iter().find(|known| known.name() == format) else {
                return Err(format!("there is no format {format:?}; there is: {}", formats()));
            };
            let filter = filter.map(Filter::parse).transpose()?.unwrap_or_default();
            if let Some(event) = filter.events().find(|event| !format.carries(event)) {
                return Err(format!("{} has no lines for {event} events", format.name()));
            }
            Ok(Self { format, place: Place::parse(format, dest)?, filter })
        };
        read().map_err(|what| Misspelt { spec: url::shown(spec), what })
    }
}

/// Format, filter and destination. A filter has colons of its own.
fn parts(spec: &str) -> Result<(&str, Option<&str>, &str), String> {
    let colon = || "there is no ':' between format and destination".to_owned();
    let end = spec.find([':', '[']).ok_or_else(colon)?;
    let (format, rest) = spec.split_at(end);
    if let Some(dest) = rest.strip_prefix(':') {
        return Ok((format, None, dest));
    }
    let (filter, rest) = rest[1..].split_once(']').ok_or("there is no ']' behind the '['")?;
    Ok((format, Some(filter), rest.strip_prefix(':').ok_or_else(colon)?))
}

/// Several outputs in one text, separated by commas; those in brackets, and those between the members of a
/// cluster (`kafka://a:9092,b:9092/topic`), separate nothing.
pub fn split_specs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut commas = text.match_indices(',').map(|(at, _)| at);
        let end = commas.find(|&at| !is_inside(&text[..at])).unwrap_or(text.len());
        rest = text.get(end + 1..);
        Some(&text[..end])
    })
}

/// True when a comma behind this would be inside an output.
fn is_inside(before: &str) -> bool {
    before.rfind('[') > before.rfind(']') || url::is_among_members(before)
}

/// An output that cannot be meant: what was written, what is wrong with it, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot understand the output {spec:?}: {what} ({HOW})")]
pub struct Misspelt {
    spec: String,
    what: String,
}

const HOW: &str = "write it like eve:-, eve:/var/log/ghostport/eve.json or eve[alert,stats]:alerts.json";
const DESTINATIONS: &str = "'-', a file, unix:///path, unixgram:///path";

fn formats() -> String {
    Format::ALL.map(Format::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_meant() {
        assert_eq!(Target::parse("eve:-").unwrap(), Target::stdout(Format::Eve));
        let file = Target::parse("eve[alert, stats]:/a:b.json").unwrap();
        assert_eq!(file.place, Place::File("/a:b.json".into(), Rotation::default()));
        let takes = |event| file.takes(event, None);
        assert!(takes("alert") && takes("stats") && !takes("flow"));
        assert!(Target::stdout(Format::Eve).takes("flow", None));
        assert_eq!(file.name(), "/a:b.json");
        let severe = Target::parse("eve[alert:high+]:unix:///run/x").unwrap();
        assert!(severe.takes("alert", Some(1)) && !severe.takes("alert", Some(2)));
        assert_eq!(severe.name(), "unix:///run/x");
        let Place::File(path, rotation) = Target::parse("eve:x.json?rotate=1M&keep=2").unwrap().place else {
            panic!("a file");
        };
        assert_eq!((path, rotation.size, rotation.keep), ("x.json".into(), Some(1 << 20), Some(2)));
    }

    #[test]
    fn spools_have_names_of_their_own() {
        let name = |spec: &str| Target::parse(spec).unwrap().spool_name();
        assert!(name("eve:unix:///a/b").starts_with("eve-unix----a-b-"));
        assert_ne!(name("eve:unix:///a/b"), name("eve:unix:///a-b"));
        assert_ne!(name("eve:unix:///a/b"), name("eve[alert]:unix:///a/b"));
        assert_eq!(name("eve[stats,alert]:unix:///a/b"), name("eve[alert,stats]:unix:///a/b"));
        let es = "ecs:es+http://h?index=one&token=env:T";
        for other in ["index=two&token=env:T", "index=one&token=env:U", "index=one&token=env:T&q.a=b"] {
            assert_ne!(name(es), name(&format!("ecs:es+http://h?{other}")));
        }
        assert_eq!(name(es), name("ecs:es+http://h:9200/?token=env:T&gzip=yes&batch=5&index=one"));
        let shown = Target::parse(es).unwrap().to_string();
        assert_eq!(shown, "ecs:es+http://h:9200/_bulk?index=one&token=env:T");
    }

    #[test]
    fn commas_in_brackets_separate_nothing() {
        let specs: Vec<_> = split_specs("eve[alert,stats]:a.json,eve:-").collect();
        assert_eq!(specs, ["eve[alert,stats]:a.json", "eve:-"]);
        let specs: Vec<_> =
            split_specs("eve:kafka+tls://[::1]:1,b/t,eve:tcp://h,eve[flow]:nats://a,b,").collect();
        assert_eq!(specs, ["eve:kafka+tls://[::1]:1,b/t", "eve:tcp://h", "eve[flow]:nats://a,b,"]);
        assert_eq!(split_specs("a,").collect::<Vec<_>>(), ["a", ""]);
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
            ("eve:gopher://siem/x", "no destination gopher://; there is: '-', a file, unix:///path"),
            ("eve:unix://x", "no absolute path"),
            ("eve[alert:-", "no ']'"),
            ("eve[alert]-", "no ':'"),
            ("eve:a?size=3", "there is: rotate=100M"),
            ("eve:gopher://siem/x", "es+https://"),
            ("eve:https://bob:hunter2@siem/x", "output \"eve:https://...@siem/x\": a user or a password"),
            ("eve:https://siem/x?token=hunter2", "token=env:VARIABLE"),
        ] {
            let said = Target::parse(spec).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
            assert!(said.contains("write it like eve:-") && !said.contains("hunter2"), "{said}");
        }
    }
}
