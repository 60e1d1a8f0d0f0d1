//! The head of a Suricata or Snort rule: `alert tcp $EXTERNAL_NET any -> $HOME_NET [3007,3098]`.
//!
//! Addresses become networks or "ours" and "not ours", ports become ranges. Variables are looked up in what
//! the user defined; HOME_NET and EXTERNAL_NET mean direction when nobody did.
//!
//! Invariants: reading never panics; expanding is bounded by [`EXPANSIONS_MAX`], so that variables that name
//! each other cannot run away.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// Elements a list may come to when its variables are expanded.
const EXPANSIONS_MAX: usize = 1024;

/// Definitions such as `HTTP_PORTS` = `[80,8080]`.
pub(super) type Variables = BTreeMap<String, String>;

/// One end of a rule's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    /// Ours, not ours, or either.
    pub(super) ours: Option<bool>,
    pub(super) nets: Vec<IpNet>,
    pub(super) not_nets: Vec<IpNet>,
    /// First and last port of each range; empty for any.
    pub(super) ports: Vec<(u16, u16)>,
}

/// The words of a head, each with where it starts. Blanks inside brackets do not part words; a backslash at
/// the end of a line is a blank.
pub(super) fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut start, mut depth) = (None, 0usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let blank = depth == 0 && (letter.is_whitespace() || letter == '\\');
        match (blank, start) {
            (true, Some(from)) => {
                found.push((from, &text[from..at]));
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    found.extend(start.map(|from| (from, &text[from..])));
    found
}

impl Side {
    /// Reads an address and a port of a head.
    ///
    /// # Errors
    /// What of it cannot be taken over, and whether the address (false) or the port (true) says it.
    pub(super) fn of(address: &str, port: &str, variables: &Variables) -> Result<Self, (bool, String)> {
        let mut side = Self::default();
        side.read_address(address, variables).map_err(|what| (false, what))?;
        side.ports = read_ports(port, variables).map_err(|what| (true, what))?;
        Ok(side)
    }

    /// True when it names networks.
    pub(super) fn has_nets(&self) -> bool {
        !self.nets.is_empty() || !self.not_nets.is_empty()
    }

    fn read_address(&mut self, written: &str, variables: &Variables) -> Result<(), String> {
        for (element, negated) in elements(written, variables)? {
            match (element.as_str(), negated) {
                ("any", false) => {}
                ("$HOME_NET", false) | ("$EXTERNAL_NET", true) => self.choose(true)?,
                ("$EXTERNAL_NET", false) | ("$HOME_NET", true) => self.choose(false)?,
                (text, _) if text.starts_with('$') => return Err(undefined(text)),
                (text, _) => {
                    let net = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
                    let net: IpNet = net.ok_or_else(|| format!("{text:?} is no network"))?;
                    if negated { self.not_nets.push(net.trunc()) } else { self.nets.push(net.trunc()) }
                }
            }
        }
        if self.ours.is_some() && !self.nets.is_empty() {
            return Err("networks beside HOME_NET or EXTERNAL_NET: define it with --var".to_owned());
        }
        Ok(())
    }

    fn choose(&mut self, ours: bool) -> Result<(), String> {
        match self.ours.replace(ours) {
            Some(before) if before != ours => Err("both HOME_NET and EXTERNAL_NET".to_owned()),
            _ => Ok(()),
        }
    }
}

fn read_ports(written: &str, variables: &Variables) -> Result<Vec<(u16, u16)>, String> {
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    for (element, negated) in elements(written, variables)? {
        if element == "any" && !negated {
            wanted.push((0, u16::MAX));
            continue;
        }
        if element.starts_with('$') {
            return Err(undefined(&element));
        }
        let range = port_range(&element).ok_or_else(|| format!("{element:?} is no port and no range"))?;
        if negated { unwanted.push(range) } else { wanted.push(range) }
    }
    if wanted.is_empty() {
        wanted.push((0, u16::MAX));
    }
    let left = without(wanted, unwanted);
    match left.as_slice() {
        [] => Err("no port is left".to_owned()),
        [(0, u16::MAX)] => Ok(Vec::new()),
        _ => Ok(left),
    }
}

/// `80`, `80:90`, `80:` or `:90`.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str, default| if text.is_empty() { Some(default) } else { text.parse().ok() };
    let (first, last) = match text.split_once(':') {
        Some((first, last)) if !(first.is_empty() && last.is_empty()) => {
            (number(first.trim(), 0)?, number(last.trim(), u16::MAX)?)
        }
        Some(_) => return None,
        None => (text.parse().ok()?, text.parse().ok()?),
    };
    (first <= last).then_some((first, last))
}

/// The wanted ports that are not unwanted, ascending and merged.
fn without(wanted: Vec<(u16, u16)>, unwanted: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    let mut open = vec![false; usize::from(u16::MAX) + 1];
    for (ranges, state) in [(wanted, true), (unwanted, false)] {
        for (first, last) in ranges {
            open[usize::from(first)..=usize::from(last)].fill(state);
        }
    }
    let mut left: Vec<(u16, u16)> = Vec::new();
    for port in (0..=u16::MAX).filter(|&port| open[usize::from(port)]) {
        match left.last_mut() {
            Some((_, last)) if port > 0 && *last == port - 1 => *last = port,
            _ => left.push((port, port)),
        }
    }
    left
}

fn undefined(variable: &str) -> String {
    let name = variable.trim_start_matches('$');
    format!("{variable} needs a definition: --var {name}=VALUE")
}

/// What a list comes to: its elements, each with whether it is negated; variables are expanded, except those
/// that nobody defined.
fn elements(written: &str, variables: &Variables) -> Result<Vec<(String, bool)>, String> {
    let mut found = Vec::new();
    let mut open = vec![(written.trim().to_owned(), false)];
    let mut steps = 0;
    while let Some((text, negated)) = open.pop() {
        steps += 1;
        if steps > EXPANSIONS_MAX {
            return Err("this list is too long, or its variables name each other".to_owned());
        }
        if let Some(rest) = text.strip_prefix('!') {
            open.push((rest.trim().to_owned(), !negated));
        } else if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or("a bracket is missing")?;
            let parts = split_list(inner);
            open.extend(parts.into_iter().rev().map(|part| (part.trim().to_owned(), negated)));
        } else if text.is_empty() {
            return Err("an empty element".to_owned());
        } else if let Some(value) = text.strip_prefix('$').and_then(|name| variables.get(name)) {
            open.push((value.trim().to_owned(), negated));
        } else {
            found.push((text, negated));
        }
    }
    Ok(found)
}

/// The parts of a list without its brackets; commas of inner lists do not part.
fn split_list(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut from, mut depth) = (0, 0usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Result<Vec<(u16, u16)>, String> {
        let variables = [("WEB", "[80,$MORE]"), ("MORE", "8080:8082"), ("LOOP", "[$LOOP,$LOOP]")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        read_ports(text, &Variables::from(variables))
    }

    #[test]
    fn port_lists() {
        assert_eq!(ports("any"), Ok(vec![]));
        assert_eq!(ports("[3007, 3098:3100]"), Ok(vec![(3007, 3007), (3098, 3100)]));
        assert_eq!(ports("[1000:,!2000:]"), Ok(vec![(1000, 1999)]));
        assert_eq!(ports("!:1023"), Ok(vec![(1024, 65535)]));
        assert_eq!(ports("$WEB"), Ok(vec![(80, 80), (8080, 8082)]));
        assert_eq!(ports("![$WEB,0:79]").unwrap()[0], (81, 8079));
        assert!(ports("$HTTP_PORTS").unwrap_err().contains("--var HTTP_PORTS=VALUE"));
        for wrong in ["$LOOP", "70000", "9:3", ":", "[80", "", "[80,]", "!any", "x"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses() {
        let side = |text: &str| Side::of(text, "any", &Variables::new());
        assert_eq!(side("!$HOME_NET").unwrap().ours, Some(false));
        assert_eq!(side("[10.0.0.0/8,!10.1.0.0/16]").unwrap().not_nets.len(), 1);
        assert_eq!(side("2001:db8::1").unwrap().nets[0].to_string(), "2001:db8::1/128");
        assert!(side("$SQL_SERVERS").unwrap_err().1.contains("needs a definition"));
        assert!(side("[$HOME_NET,$EXTERNAL_NET]").is_err() && side("10.0.0.300").is_err());
    }
}
