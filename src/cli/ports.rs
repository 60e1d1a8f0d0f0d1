//! `ghostport explain` and `ghostport ports`: questions to the registry.

use std::path::PathBuf;
use std::process::ExitCode;

use super::args::PortsArgs;
use super::exit::Failure;
use super::{data, styled};
use crate::output;
use crate::pipeline::Error;
use crate::registry::{Listed, Registry};
use crate::verdict;
use crate::wire::Transport;

/// The dossier of a port, per transport asked for.
pub(crate) fn explain(port: &str, json: bool, claims: &[PathBuf]) -> Result<ExitCode, Failure> {
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

/// `1207`, `1207/tcp`, or a service name. A bare number means TCP and UDP.
fn parse(asked: &str, registry: &Registry) -> Result<Vec<(Transport, u16)>, Failure> {
    let (name, transport) = match asked.split_once('/') {
        None => (asked, None),
        Some((name, transport)) => match Transport::from_name(&transport.to_lowercase()) {
            Some(known) => (name, Some(known)),
            None => {
                return Err(Failure::usage(format!(
                    "no transport {transport:?}; there are tcp, udp and sctp"
                )));
            }
        },
    };
    let wanted = |t: Transport| transport.is_none_or(|wanted| wanted == t);
    if let Ok(port) = name.parse::<u16>() {
        let both = [Transport::Tcp, Transport::Udp, Transport::Sctp];
        let shown =
            both.into_iter().filter(|&t| transport.map_or(t != Transport::Sctp, |wanted| wanted == t));
        return Ok(shown.map(|t| (t, port)).collect());
    }
    let named: Vec<_> = registry.named(name).into_iter().filter(|&(t, _)| wanted(t)).collect();
    if named.is_empty() || name.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Failure::usage(format!(
            "{asked:?} is no port: give a number from 0 to 65535, with /tcp, /udp or /sctp, or a service name"
        )));
    }
    Ok(named)
}

/// Ports by status, tag and transport.
pub(crate) fn list(args: &PortsArgs) -> Result<ExitCode, Failure> {
    let registry = Registry::load(&args.claims).map_err(Error::from)?;
    let wanted = |listed: &Listed<'_>| {
        args.status.as_deref().is_none_or(|status| listed.status.name() == status)
            && args.tag.as_deref().is_none_or(|tag| listed.tags.names().any(|name| name == tag))
            // Without a question, only ports about which somebody claims something.
            && (args.status.is_some() || args.tag.is_some() || listed.registered.is_some())
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
