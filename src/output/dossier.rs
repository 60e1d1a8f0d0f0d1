//! The dossier of a port and lists of ports: as text for people, as JSON for programs.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use serde::Serialize;

use super::clean::whole;
use crate::registry::{Claim, Dossier, Listed};
use crate::verdict::Expected;
use crate::wire::Transport;

/// Columns that running text is broken at.
const WIDTH: usize = 100;

/// Everything about a port, for people. Coloured; strip the codes where they are not wanted.
#[must_use]
pub fn dossier_text(dossier: &Dossier<'_>, expected: &[Expected]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{}", headline(dossier).bold());
    for line in about(dossier) {
        let _ = writeln!(text, "  {line}");
    }
    section(&mut text, "Claimed");
    if dossier.claims.is_empty() {
        let _ = writeln!(text, "  nothing");
    }
    for claim in dossier.claims {
        claim_text(&mut text, claim);
    }
    section(&mut text, &format!("Why {}", dossier.status.name()));
    for reason in &dossier.why {
        item(&mut text, "", &whole(reason));
    }
    section(&mut text, "Stories to expect");
    for story in expected {
        item(&mut text, story.story.name(), &whole(&story.because));
        item(&mut text, " ", &whole(&format!("on the wire: {}", story.tell)));
    }
    section(&mut text, "How to check");
    for (place, command) in commands(dossier.transport, dossier.port) {
        item(&mut text, place, &command);
    }
    text
}

/// What to run to see who listens, by system, and to watch the wire.
fn commands(transport: Transport, port: u16) -> Vec<(&'static str, String)> {
    let name = transport.name();
    let letter = socket_letter(transport);
    let mut commands = vec![("on Linux", format!("ss -{letter}lnp 'sport = :{port}'"))];
    match transport {
        Transport::Tcp => {
            commands.push(("on macOS", format!("sudo lsof -nP -iTCP:{port} -sTCP:LISTEN")));
            let cmdlet =
                format!("Get-NetTCPConnection -LocalPort {port} -State Listen | select OwningProcess");
            commands.push(("on Windows", cmdlet));
        }
        Transport::Udp => {
            commands.push(("on macOS", format!("sudo lsof -nP -iUDP:{port}")));
            let cmdlet = format!("Get-NetUDPEndpoint -LocalPort {port} | select OwningProcess");
            commands.push(("on Windows", cmdlet));
        }
        Transport::Sctp => {} // neither has SCTP
    }
    commands.push(("on the wire", format!("ghostport -i any --flows '{name} port {port}'")));
    commands
}

fn headline(dossier: &Dossier<'_>) -> String {
    let name =
        dossier.registered.map_or_else(|| "not registered".to_owned(), |name| whole(name).into_owned());
    let tags: String = dossier.tags.names().map(|tag| format!(" · {tag}")).collect();
    let status = dossier.status.name();
    format!(
        "{}/{}  {name}  ·  {} tier · {status}{tags}",
        dossier.port,
        dossier.transport.name(),
        dossier.tier.name()
    )
}

fn about(dossier: &Dossier<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if !dossier.description.is_empty() {
        lines.push(whole(dossier.description).into_owned());
    }
    let dates = [("registered", dossier.registered_on), ("changed", dossier.modified_on)];
    let dates: String = dates.iter().filter_map(|(what, on)| on.map(|on| format!("; {what} {on}"))).collect();
    lines.push(format!("IANA registry as of {}{dates}", dossier.snapshot));
    lines
}

fn section(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{}", title.underline());
}

fn claim_text(text: &mut String, claim: &Claim) {
    let era = match (&claim.since, &claim.until) {
        (Some(since), Some(until)) => format!(", {since} to {until}"),
        (Some(since), None) => format!(", since {since}"),
        (None, Some(until)) => format!(", until {until}"),
        (None, None) => String::new(),
    };
    let speaks = if claim.speaks.is_empty() {
        String::new()
    } else {
        format!(", speaks {}", claim.speaks.join(" or "))
    };
    let dead = if claim.dead { ", gone" } else { "" };
    let line = format!("{}{era}{speaks}{dead} (confidence {} %)", claim.name, claim.confidence);
    item(text, claim.kind.name(), &whole(&line));
    if !claim.description.is_empty() && claim.description != claim.name {
        item(text, " ", &whole(&claim.description));
    }
    item(text, " ", &format!("{}: {}", whole(&claim.id), whole(&claim.source)));
}

/// A labelled paragraph; an empty label makes a bullet.
fn item(text: &mut String, label: &str, words: &str) {
    const LABEL: usize = 22;
    let (label, indent) = if label.is_empty() { ("-", 4) } else { (label, LABEL) };
    let mut line = format!("  {label:<width$}", width = indent - 2);
    let mut fresh = true;
    for word in words.split_whitespace() {
        if !fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(indent);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

const fn socket_letter(transport: Transport) -> char {
    match transport {
        Transport::Tcp => 't',
        Transport::Udp => 'u',
        Transport::Sctp => 'S',
    }
}

#[derive(Serialize)]
struct DossierJson<'a> {
    port: u16,
    transport: &'static str,
    tier: &'static str,
    status: &'static str,
    tags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_on: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_on: Option<&'a str>,
    snapshot: &'static str,
    why: &'a [String],
    claims: Vec<ClaimJson<'a>>,
    ephemeral: Vec<&'a str>,
    stories: Vec<StoryJson<'a>>,
}

#[derive(Serialize)]
struct ClaimJson<'a> {
    id: &'a str,
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    first_port: u16,
    last_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<&'a str>,
    speaks: &'a [String],
    dead: bool,
    confidence: u8,
    source: &'a str,
}

impl<'a> From<&'a Claim> for ClaimJson<'a> {
    fn from(claim: &'a Claim) -> Self {
        Self {
            id: &claim.id,
            kind: claim.kind.name(),
            name: &claim.name,
            description: &claim.description,
            first_port: *claim.ports.start(),
            last_port: *claim.ports.end(),
            since: claim.since.as_deref(),
            until: claim.until.as_deref(),
            speaks: &claim.speaks,
            dead: claim.dead,
            confidence: claim.confidence,
            source: &claim.source,
        }
    }
}

#[derive(Serialize)]
struct StoryJson<'a> {
    story: &'static str,
    because: &'a str,
    tell: &'a str,
}

/// Everything about a port as one line of JSON.
///
/// # Errors
/// Never in practice: everything in it can be said in JSON.
pub fn dossier_json(dossier: &Dossier<'_>, expected: &[Expected]) -> serde_json::Result<String> {
    let stories = expected
        .iter()
        .map(|e| StoryJson { story: e.story.name(), because: &e.because, tell: &e.tell })
        .collect();
    line(&DossierJson {
        port: dossier.port,
        transport: dossier.transport.name(),
        tier: dossier.tier.name(),
        status: dossier.status.name(),
        tags: dossier.tags.names().collect(),
        registered: dossier.registered,
        description: dossier.description,
        registered_on: dossier.registered_on,
        modified_on: dossier.modified_on,
        snapshot: dossier.snapshot,
        why: &dossier.why,
        claims: dossier.claims.iter().map(|claim| ClaimJson::from(&**claim)).collect(),
        ephemeral: dossier.ephemeral.iter().map(|range| range.name.as_str()).collect(),
        stories,
    })
}

#[derive(Serialize)]
struct ListedJson<'a> {
    port: u16,
    transport: &'static str,
    status: &'static str,
    tags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    why: &'a [String],
}

/// One port of a list as one line of JSON; `why` may be empty.
///
/// # Errors
/// Never in practice: everything in it can be said in JSON.
pub fn listed_json(listed: &Listed<'_>, why: &[String]) -> serde_json::Result<String> {
    line(&ListedJson {
        port: listed.port,
        transport: listed.transport.name(),
        status: listed.status.name(),
        tags: listed.tags.names().collect(),
        registered: listed.registered,
        why,
    })
}

/// One port of a list for people; `why` may be empty.
#[must_use]
pub fn listed_text(listed: &Listed<'_>, why: &[String]) -> String {
    let port = format!("{}/{}", listed.port, listed.transport.name());
    let tags: Vec<&str> = listed.tags.names().collect();
    let name = whole(listed.registered.unwrap_or("-"));
    let mut text = format!("{port:<11} {:<11} {name:<18} {}", listed.status.name(), tags.join(" "));
    text.truncate(text.trim_end().len());
    text.push('\n');
    for reason in why {
        item(&mut text, "", &whole(reason));
    }
    text
}

/// One line of JSON.
pub(super) fn line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|mut line| {
        line.push('\n');
        line
    })
}
