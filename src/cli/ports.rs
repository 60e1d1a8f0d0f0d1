//! `ghostport explain` and `ghostport ports`: questions to the registry.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::{PortsAction, PortsArgs};
use super::exit::Failure;
use super::{data, styled};
use crate::host::Listeners;
use crate::output;
use crate::pipeline::Error;
use crate::registry::{self, Listed, PortStatus, Registry, Service};
use crate::verdict;
use crate::wire::Transport;

/// Ports that `explain` takes at once: more is a list, not a briefing.
const EXPLAINED_MAX: usize = 256;
/// Where `ports free` looks: above the clients' ports of old Windows, below those of Linux.
const FREE: RangeInclusive<u16> = 5001..=32767;

/// The dossier of a port, per transport asked for.
pub(crate) fn explain(port: &str, json: bool, claims: &[PathBuf]) -> Result<ExitCode, Failure> {
    if let Some((port, "dccp")) = port.to_ascii_lowercase().split_once('/') {
        return dccp(port, json);
    }
    let registry = Registry::load(claims).map_err(Error::from)?;
    let asked = parse(port, &registry)?;
    let mut text = String::new();
    for (number, &(transport, port)) in asked.iter().enumerate() {
        let dossier = registry.dossier(transport, port);
        let expected = verdict::stories_to_expect(&dossier);
        if json {
            text.push_str(&output::dossier_json(&dossier, &expected).map_err(anyhow::Error::from)?);
        } else {
            if number > 0 {
                text.push('\n');
            }
            text.push_str(&output::dossier_text(&dossier, &expected));
        }
    }
    if json { data(&text) } else { styled(&text) }
}

/// What the registry says of a port over DCCP; more there is not, because no flow of it is followed.
fn dccp(port: &str, json: bool) -> Result<ExitCode, Failure> {
    let Ok(port) = port.parse::<u16>() else {
        return Err(Failure::usage(format!("{port:?} is no port: give a number from 0 to 65535")));
    };
    let rows = Registry::dccp(port);
    if json {
        let names: Vec<&str> = rows.iter().map(|&(name, _)| name).collect();
        let value = serde_json::json!({"port": port, "transport": "dccp", "registered": names,
            "snapshot": registry::SNAPSHOT});
        return data(&format!("{value}\n"));
    }
    let said: Vec<String> = rows.iter().map(|(name, about)| format!("{name}, {about}")).collect();
    let said = if said.is_empty() { "not registered".to_owned() } else { said.join("; ") };
    let snapshot = registry::SNAPSHOT;
    data(&format!("{port}/dccp  {said}\n  IANA registry as of {snapshot}; ghostport does not follow DCCP\n"))
}

/// `1207`, `3000-3007`, either with `/tcp`, or a service name. Bare numbers mean TCP and UDP.
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
        let shown = Transport::ALL
            .into_iter()
            .filter(|&t| transport.map_or(t != Transport::Sctp, |wanted| wanted == t));
        let shown: Vec<Transport> = shown.collect();
        if ports.len() > EXPLAINED_MAX {
            return Err(Failure::usage(format!(
                "{} ports are too many to explain ({EXPLAINED_MAX}); see: ghostport ports --range {name}",
                ports.len()
            )));
        }
        return Ok(ports.flat_map(|port| shown.clone().into_iter().map(move |t| (t, port))).collect());
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
        Some(PortsAction::Free { range, transport, seen, claims }) => {
            free(range.as_deref(), transport.as_deref(), seen, claims)
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

/// Runs of ports that nobody is known to use, one `first-last` or `port` per line.
fn free(
    range: Option<&str>,
    transport: Option<&str>,
    seen: &[PathBuf],
    claims: &[PathBuf],
) -> Result<ExitCode, Failure> {
    let registry = Registry::load(claims).map_err(Error::from)?;
    let range = asked_range(range, FREE)?;
    let used = used(seen)?;
    let transports: Vec<Transport> =
        Transport::ALL.into_iter().filter(|t| transport.is_none_or(|name| name == t.name())).collect();
    let is_free = |port: u16| {
        transports.iter().all(|&t| {
            !registry.is_claimed(t, port)
                && registry.status(t, port) == PortStatus::Unassigned
                && !used.contains(&(t, port))
        })
    };
    let mut text = String::new();
    let mut run: Option<RangeInclusive<u16>> = None;
    for port in range.filter(|&port| is_free(port)) {
        run = match run {
            Some(ports) if u32::from(*ports.end()) + 1 == u32::from(port) => Some(*ports.start()..=port),
            ended => {
                ended.iter().for_each(|ports| push_run(&mut text, ports));
                Some(port..=port)
            }
        };
    }
    run.iter().for_each(|ports| push_run(&mut text, ports));
    data(&text)
}

fn push_run(text: &mut String, ports: &RangeInclusive<u16>) {
    text.push_str(&ports.start().to_string());
    if ports.start() != ports.end() {
        text.push('-');
        text.push_str(&ports.end().to_string());
    }
    text.push('\n');
}

/// Responder ports of a sensor's EVE lines, and of what listens on this machine.
fn used(seen: &[PathBuf]) -> Result<BTreeSet<(Transport, u16)>, Failure> {
    let mut listeners = Listeners::new();
    // Where the system has no such list, the registry and the files answer alone.
    let _ = listeners.refresh();
    let mut used: BTreeSet<_> =
        listeners.all().into_iter().map(|listener| (listener.transport, listener.local.port)).collect();
    for path in seen {
        let unreadable = |error: std::io::Error| Failure::usage(format!("{}: {error}", path.display()));
        for line in BufReader::new(File::open(path).map_err(unreadable)?).lines() {
            let Ok(line) = serde_json::from_str::<serde_json::Value>(&line.map_err(unreadable)?) else {
                continue;
            };
            let port = line["dest_port"].as_u64().and_then(|port| u16::try_from(port).ok());
            let transport = line["proto"].as_str().map(str::to_lowercase);
            let transport = transport.and_then(|name| Transport::from_name(&name));
            used.extend(transport.zip(port));
        }
    }
    Ok(used)
}

/// The services of a list: a file, or what is compiled in.
fn services(list: &str) -> Result<Vec<Service>, Failure> {
    if list == "builtin" {
        return Ok(Registry::builtin().services());
    }
    let text = read(Path::new(list))?;
    registry::read_services(list, &text).map_err(|wrong| Failure::config(wrong.to_string()))
}

/// A list as claims.
fn import(file: &Path, origin: Option<&str>) -> Result<ExitCode, Failure> {
    let name = file.display().to_string();
    let services = services(&name)?;
    let origin = origin.map_or_else(|| format!("imported from {name}"), str::to_owned);
    data(&registry::claims_file(&services, &origin))
}

fn read(path: &Path) -> Result<String, Failure> {
    registry::read_text(path).map_err(|what| Failure::usage(format!("{}: {what}", path.display())))
}
