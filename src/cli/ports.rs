//! `ghostport explain` and `ghostport ports`: questions to the registry.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::{PortsAction, PortsArgs};
use super::config::terminal_width;
use super::exit::Failure;
use super::seen::{self, Sightings};
use super::{data, free, styled};
use crate::host::Listeners;
use crate::output::{self, Briefing};
use crate::pipeline::Error;
use crate::registry::{self, Listed, Registry, Service};
use crate::verdict;
use crate::wire::Transport;

/// Ports that `explain` takes at once: more is a list, not a briefing.
const EXPLAINED_MAX: usize = 256;

/// What is known of a port; of several, a paragraph each. As JSON a line for each port and transport.
pub(crate) fn explain(port: &str, json: bool, claims: &[PathBuf]) -> Result<ExitCode, Failure> {
    if let Some((port, "dccp")) = port.to_ascii_lowercase().split_once('/') {
        let Ok(port) = port.parse::<u16>() else {
            return Err(Failure::usage(format!("{port:?} is no port: give a number from 0 to 65535")));
        };
        return data(&dccp(port, json));
    }
    let registry = Registry::load(claims).map_err(Error::from)?;
    let asked = parse(port, &registry)?;
    let told = |&(transport, port): &(Transport, u16)| {
        let dossier = registry.dossier(transport, port);
        let expected = verdict::stories_to_expect(&dossier);
        (dossier, expected)
    };
    let mut text = String::new();
    if json {
        for (dossier, expected) in asked.iter().map(told) {
            text.push_str(&output::dossier_json(&dossier, &expected).map_err(anyhow::Error::from)?);
        }
        return data(&text);
    }
    let numbers: BTreeSet<u16> = asked.iter().map(|&(_, port)| port).collect();
    for &number in &numbers {
        let over: Vec<_> = asked.iter().filter(|&&(_, port)| port == number).map(told).collect();
        let dccp = if is_open(port) { Registry::dccp(number) } else { Vec::new() };
        let briefing = Briefing { over: &over, dccp: &dccp, width: terminal_width() };
        if numbers.len() == 1 {
            text.push_str(&output::brief(&briefing));
        } else {
            text.push_str(&output::in_short(&briefing));
        }
    }
    styled(&text)
}

/// True when no transport is named.
fn is_open(asked: &str) -> bool {
    !asked.contains('/')
}

/// What the registry says of a port over DCCP; more there is not, because no flow of it is followed.
fn dccp(port: u16, json: bool) -> String {
    let rows = Registry::dccp(port);
    if json {
        let names: Vec<&str> = rows.iter().map(|&(name, _)| name).collect();
        let value = serde_json::json!({"port": port, "transport": "dccp", "registered": names,
            "snapshot": registry::SNAPSHOT});
        return format!("{value}\n");
    }
    let said: Vec<String> = rows.iter().map(|(name, about)| format!("{name}, {about}")).collect();
    let said = if said.is_empty() { "not registered".to_owned() } else { said.join("; ") };
    let snapshot = registry::SNAPSHOT;
    format!("{port}/dccp  {said}\n  IANA registry as of {snapshot}; ghostport does not follow DCCP\n")
}

/// `1207`, `3000-3007`, either with `/tcp`, or a service name. Bare numbers mean TCP and UDP, and
/// SCTP where something is claimed.
fn parse(asked: &str, registry: &Registry) -> Result<Vec<(Transport, u16)>, Failure> {
    let (name, transport) = match asked.split_once('/') {
        None => (asked, None),
        Some((name, transport)) => match Transport::from_name(&transport.to_lowercase()) {
            Some(known) => (name, Some(known)),
            None => {
                return Err(Failure::usage(format!(
                    "no transport {transport:?}; there are tcp, udp, sctp and dccp"
                )));
            }
        },
    };
    let wanted = |t: Transport| transport.is_none_or(|wanted| wanted == t);
    if let Some(ports) = range(name) {
        // Over SCTP hardly a port has a meaning: it is told of where there is something to tell.
        let is_told = |&(t, port): &(Transport, u16)| {
            transport.map_or(t != Transport::Sctp || !registry.on(t, port).is_empty(), |wanted| wanted == t)
        };
        if ports.len() > EXPLAINED_MAX {
            return Err(Failure::usage(format!(
                "{} ports are too many to explain ({EXPLAINED_MAX}); see: ghostport ports --range {name}",
                ports.len()
            )));
        }
        let all = ports.flat_map(|port| Transport::ALL.map(|t| (t, port)));
        return Ok(all.filter(is_told).collect());
    }
    let named: Vec<_> = registry.named(name).into_iter().filter(|&(t, _)| wanted(t)).collect();
    if named.is_empty() || name.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::usage(format!(
            "{asked:?} is no port: give a number from 0 to 65535 or a range, with /tcp, /udp, /sctp or /dccp, \
             or a service name"
        )));
    }
    Ok(named.into_iter().take(EXPLAINED_MAX).collect())
}

/// `3007` or `3000-3007`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (low <= high).then_some(low..=high)
}

fn asked_range(text: Option<&str>, otherwise: RangeInclusive<u16>) -> Result<RangeInclusive<u16>, Failure> {
    text.map_or(Ok(otherwise), |text| {
        range(text).ok_or_else(|| Failure::usage(format!("{text:?} is no range of ports such as 3000-3007")))
    })
}

/// `ghostport ports`: a list, or one of its subcommands.
pub(crate) fn run(args: &PortsArgs) -> Result<ExitCode, Failure> {
    match &args.action {
        None => list(args),
        Some(PortsAction::Diff { old, new }) => {
            data(&registry::differences(&services(old)?, &services(new)?))
        }
        Some(PortsAction::Free { range, transport, all, seen, claims }) => {
            let registry = Registry::load(claims).map_err(Error::from)?;
            let range = asked_range(range.as_deref(), free::RANGE)?;
            let is_meant = |t: &Transport| transport.as_deref().is_none_or(|name| name == t.name());
            let transports = Transport::ALL.into_iter().filter(is_meant).collect();
            let sightings = Sightings::of(seen)?;
            let listening = listening();
            let is_used = |t, port| listening.contains(&(t, port)) || sightings.seen.answered(t, port);
            let asked = free::Asked { registry: &registry, range, transports, is_used: &is_used };
            free::free(&asked, *all)?;
            Ok(sightings.code())
        }
        Some(PortsAction::Import { file, origin }) => import(file, origin.as_deref()),
    }
}

/// Ports by status, tag, range, name and transport.
fn list(args: &PortsArgs) -> Result<ExitCode, Failure> {
    let registry = Registry::load(&args.claims).map_err(Error::from)?;
    let range = asked_range(args.range.as_deref(), 0..=u16::MAX)?;
    let needle = args.name.as_deref().map(str::to_lowercase);
    let is_named = |listed: &Listed<'_>, needle: &str| {
        let claims = registry.on(listed.transport, listed.port);
        claims.iter().any(|c| c.name.to_lowercase().contains(needle) || c.id.contains(needle))
    };
    let asked = args.status.is_some() || args.tag.is_some() || needle.is_some() || args.range.is_some();
    let wanted = |listed: &Listed<'_>| {
        range.contains(&listed.port)
            && args.status.as_deref().is_none_or(|status| listed.status.name() == status)
            && args.tag.as_deref().is_none_or(|tag| listed.tags.names().any(|name| name == tag))
            && needle.as_deref().is_none_or(|needle| is_named(listed, needle))
            // Without a question, only ports about which somebody claims something.
            && (asked || listed.registered.is_some())
    };
    let mut text = String::new();
    for transport in Transport::ALL {
        if args.transport.as_deref().is_some_and(|name| name != transport.name()) {
            continue;
        }
        for listed in registry.ports(transport).filter(wanted) {
            let why = if args.why { registry.why(transport, listed.port) } else { Vec::new() };
            if args.json {
                text.push_str(&output::listed_json(&listed, &why).map_err(anyhow::Error::from)?);
            } else {
                text.push_str(&output::listed_text(&listed, &why));
            }
        }
    }
    data(&text)
}

/// What listens on this machine.
fn listening() -> BTreeSet<(Transport, u16)> {
    let mut listeners = Listeners::new();
    // Where the system has no such list, the registry and the files answer alone.
    let _ = listeners.refresh();
    listeners.all().into_iter().map(|listener| (listener.transport, listener.local.port)).collect()
}

/// The services of a list: a file, or what is compiled in.
fn services(list: &str) -> Result<Vec<Service>, Failure> {
    if list == "builtin" {
        return Ok(Registry::builtin().services());
    }
    services_of(list, seen::open(Path::new(list))?)
}

fn services_of(name: &str, file: impl Read) -> Result<Vec<Service>, Failure> {
    let text = registry::text_of(file).map_err(|what| Failure::usage(format!("{name}: {what}")))?;
    registry::read_services(name, &text).map_err(|wrong| Failure::config(wrong.to_string()))
}

/// A list, or what a sensor saw, as claims.
fn import(path: &Path, origin: Option<&str>) -> Result<ExitCode, Failure> {
    let name = path.display().to_string();
    let mut file = seen::open(path)?;
    if seen::is_eve(&mut file) {
        return seen::import(path, &mut file, origin);
    }
    let services = services_of(&name, file)?;
    let origin = origin.map_or_else(|| format!("imported from {name}"), str::to_owned);
    data(&registry::claims_file(&services, &origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_explained_over_dccp() {
        for port in 0..=u16::MAX {
            assert!(dccp(port, false).starts_with(&format!("{port}/dccp  ")), "{port}");
            let value: serde_json::Value = serde_json::from_str(&dccp(port, true)).unwrap();
            assert_eq!((&value["port"], &value["transport"]), (&port.into(), &"dccp".into()));
        }
    }
}
