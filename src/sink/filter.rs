//! Which lines an output takes: `[alert:medium+,stats]`.

use std::fmt;

/// Event types, and a least severity for those that have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// In command line order; empty for everything.
    events: Vec<(&'static str, Option<u8>)>,
}

impl fmt::Display for Filter {
    /// As it is written, in one order; nothing for everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut events = self.events.clone();
        events.sort_unstable();
        for (place, (event, least)) in events.iter().enumerate() {
            write!(f, "{}{event}", if place == 0 { "[" } else { "," })?;
            if let Some(name) = least.and_then(|least| SEVERITIES.get(usize::from(least) - 1)) {
                write!(f, ":{name}+")?;
            }
        }
        f.write_str(if events.is_empty() { "" } else { "]" })
    }
}

/// Event types that can be chosen.
pub(super) const EVENTS: [&str; 5] = ["alert", "flow", "port", "service", "stats"];
/// The one that has a severity.
const SEVERE: &str = "alert";
/// Severities, the worst, which is 1, first.
const SEVERITIES: [&str; 4] = ["high", "medium", "low", "informational"];

impl Filter {
    /// Reads what stands between the brackets.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        let events = list.split(',').map(|item| parse_item(item.trim())).collect::<Result<_, _>>()?;
        Ok(Self { events })
    }

    /// The types that are named.
    pub(super) fn events(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.events.iter().map(|(event, _)| *event)
    }

    /// True when a line of this type, and of this severity (1 is the worst) where it has one, goes there.
    pub(super) fn takes(&self, event_type: &str, severity: Option<u8>) -> bool {
        self.events.is_empty()
            || self.events.iter().any(|&(event, least)| {
                event == event_type && least.is_none_or(|least| severity.is_none_or(|given| given <= least))
            })
    }
}

fn parse_item(item: &str) -> Result<(&'static str, Option<u8>), String> {
    let (name, severity) = item.split_once(':').map_or((item, None), |(name, rest)| (name, Some(rest)));
    let Some(event) = EVENTS.into_iter().find(|event| *event == name) else {
        return Err(format!("there is no event type {name:?}; there is: {}", EVENTS.join(", ")));
    };
    let Some(severity) = severity else { return Ok((event, None)) };
    if event != SEVERE {
        return Err(format!("{event} lines have no severity; {SEVERE} lines have one"));
    }
    let known = SEVERITIES.iter().zip(1..).find(|(known, _)| severity.strip_suffix('+') == Some(known));
    match known {
        Some((_, number)) => Ok((event, Some(number))),
        None => Err(format!(
            "there is no severity {severity:?}; there is, each with those that are worse: {}+",
            SEVERITIES.join("+, ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_types_and_severities_that_are_named() {
        let filter = Filter::parse("alert:medium+, stats").unwrap();
        for (event, severity, expected) in [
            ("alert", Some(1), true),
            ("alert", Some(2), true),
            ("alert", Some(3), false),
            ("stats", None, true),
            ("flow", None, false),
        ] {
            assert_eq!(filter.takes(event, severity), expected, "{event} {severity:?}");
        }
        assert_eq!(filter.to_string(), "[alert:medium+,stats]");
        assert_eq!(Filter::parse("stats,alert").unwrap().to_string(), "[alert,stats]");
        assert_eq!(Filter::default().to_string(), "");
        assert!(Filter::parse("alert").unwrap().takes("alert", Some(4)));
        assert!(Filter::default().takes("port", None));
    }

    #[test]
    fn mistakes_say_what_there_is() {
        for (list, expected) in [
            ("allert", "no event type \"allert\"; there is: alert, flow"),
            (
                "alert:medium",
                "no severity \"medium\"; there is, each with those that are worse: high+, medium+",
            ),
            ("alert:worst+", "no severity \"worst+\""),
            ("flow:high+", "flow lines have no severity"),
            ("", "no event type \"\""),
        ] {
            let said = Filter::parse(list).unwrap_err();
            assert!(said.contains(expected), "{said}");
        }
    }
}
