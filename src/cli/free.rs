//! `ghostport ports free`: numbers for somebody who chooses a port.
//!
//! A number is taken when it is assigned, when a claim names it, when it was seen, or when something listens
//! on it here. A claim on a wide range says only that any of its numbers may come up (media, RPC): it takes
//! none of them, but none of them is suggested. On a terminal a few good numbers are suggested, each with the
//! reason; everywhere else, and with `--all`, standard output has one run a line, `first-last` or `port`, and
//! that stays so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::ops::RangeInclusive;

use super::data;
use super::exit::Failure;
use crate::output::say;
use crate::registry::{PortStatus, Registry};
use crate::wire::Transport;

/// Where it looks unless told: above the clients' ports of old Windows (1025-5000), below those of Linux
/// (32768-60999) and of Windows and macOS (49152-65535).
pub(super) const RANGE: RangeInclusive<u16> = 5001..=32767;
/// Ports that a claim may name and still take each of them: X11 has 64, the widest worm 72.
const TAKEN_MAX: usize = 100;
/// Free numbers next to each other that keep the middle one clear of its neighbours.
const LONG_MIN: usize = 16;
/// Numbers that are suggested.
const SUGGESTED: usize = 5;

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) registry: &'a Registry,
    pub(super) range: RangeInclusive<u16>,
    pub(super) transports: Vec<Transport>,
    /// Whether a sensor saw it answering, or something listens on it here.
    pub(super) is_used: &'a dyn Fn(Transport, u16) -> bool,
}

/// Prints free numbers.
pub(super) fn free(asked: &Asked<'_>, all: bool) -> Result<(), Failure> {
    let runs = asked.runs();
    if !all && std::io::stdout().is_terminal() {
        data(&asked.suggestions(&runs))?;
        say::note(&format!("{} runs of free numbers in all; --all lists them", runs.len()));
        return Ok(());
    }
    let mut text = String::new();
    for run in &runs {
        // Writing to a string cannot fail, here and below.
        let _ = match (run.start(), run.end()) {
            (first, last) if first == last => writeln!(text, "{first}"),
            (first, last) => writeln!(text, "{first}-{last}"),
        };
    }
    for (range, names) in asked.wide(&runs) {
        say::note(&format!("any number of {range} may come up with {names}; they are listed as free"));
    }
    data(&text)?;
    Ok(())
}

impl Asked<'_> {
    /// Free numbers, those next to each other together.
    fn runs(&self) -> Vec<RangeInclusive<u16>> {
        let mut runs: Vec<RangeInclusive<u16>> = Vec::new();
        for port in self.range.clone().filter(|&port| self.is_free(port)) {
            match runs.last_mut() {
                Some(run) if u32::from(*run.end()) + 1 == u32::from(port) => *run = *run.start()..=port,
                _ => runs.push(port..=port),
            }
        }
        runs
    }

    fn is_free(&self, port: u16) -> bool {
        self.transports.iter().all(|&transport| {
            let is_narrow = |ports: &RangeInclusive<u16>| ports.len() <= TAKEN_MAX;
            let claims = self.registry.on(transport, port);
            // A wide claim may make its whole range active; that alone takes nothing.
            let is_open = self.registry.registered_name(transport, port).is_none()
                && !matches!(
                    self.registry.status(transport, port),
                    PortStatus::Reserved | PortStatus::Dynamic
                );
            is_open && !claims.iter().any(|claim| is_narrow(&claim.ports)) && !(self.is_used)(transport, port)
        })
    }

    /// Ranges so wide that a claim on them takes none of the free numbers inside, and who claims them.
    fn wide(&self, runs: &[RangeInclusive<u16>]) -> BTreeMap<String, String> {
        let mut wide = BTreeMap::new();
        for port in runs.iter().cloned().flatten() {
            for claim in
                self.transports.iter().flat_map(|&transport| self.registry.on(transport, port).iter())
            {
                let range = format!("{}-{}", claim.ports.start(), claim.ports.end());
                wide.entry(range).or_insert_with(|| crate::output::clean(&claim.name, 80).into_owned());
            }
        }
        wide
    }

    /// A few numbers in the middle of long runs about which nobody says anything, and why. Those that few
    /// systems give to clients come first.
    fn suggestions(&self, runs: &[RangeInclusive<u16>]) -> String {
        let is_quiet = |port| self.transports.iter().all(|&t| self.registry.on(t, port).is_empty());
        let middle = |run: &RangeInclusive<u16>| run.start() + (run.end() - run.start()) / 2;
        let mut quiet: Vec<_> =
            runs.iter().filter(|run| is_quiet(*run.start()) && is_quiet(*run.end())).collect();
        quiet.sort_by_key(|run| {
            (run.len() < LONG_MIN, self.clients(middle(run)).len(), std::cmp::Reverse(run.len()))
        });
        quiet.truncate(SUGGESTED);
        quiet.sort_by_key(|run| *run.start());
        let mut text = String::new();
        for run in quiet {
            let clients = self.clients(middle(run));
            let clients = if clients.is_empty() {
                "no system's clients take it".to_owned()
            } else {
                format!("but clients of {} may take it", clients.join(", "))
            };
            let (port, first, last) = (middle(run), run.start(), run.end());
            let _ = writeln!(
                text,
                "{port:<6} unassigned, nothing claimed, seen or listening from {first} to {last}; {clients}"
            );
        }
        text
    }

    /// Systems that give a number to clients.
    fn clients(&self, port: u16) -> Vec<&str> {
        let systems = self.registry.ephemeral(port).filter(|range| !range.translates);
        systems.map(|range| range.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: RangeInclusive<u16>) -> Asked<'static> {
        let transports = Transport::ALL.to_vec();
        Asked { registry: Registry::builtin(), range, transports, is_used: &|_, _| false }
    }

    #[test]
    fn a_wide_claim_takes_nothing_and_is_mentioned() {
        let asked = asked(11000..=11999);
        let runs = asked.runs();
        assert!(runs.iter().map(ExactSizeIterator::len).sum::<usize>() > 500, "{runs:?}");
        assert!(asked.wide(&runs).contains_key("11000-11999"));
        assert_eq!(asked.suggestions(&runs), "", "none of them is suggested");
    }

    #[test]
    fn a_narrow_claim_takes_its_ports() {
        assert!(asked(6000..=6063).runs().is_empty());
        assert!(asked(27374..=27374).runs().is_empty(), "a trojan's");
    }

    #[test]
    fn suggestions_are_few_free_and_reasoned() {
        let asked = asked(RANGE);
        let text = asked.suggestions(&asked.runs());
        assert_eq!(text.lines().count(), SUGGESTED, "{text}");
        for line in text.lines() {
            let port = line.split(' ').next().unwrap().parse().unwrap();
            assert!(asked.is_free(port) && RANGE.contains(&port), "{line}");
            assert!(line.contains("unassigned") && line.contains("clients"), "{line}");
        }
    }
}
