//! The dossier of a port as JSON for programs, and lists of ports. For people it is a briefing: `briefing`.

use serde::Serialize;

use super::briefing::item;
use super::clean::whole;
use crate::registry::{Claim, Dossier, Listed};
use crate::verdict::Expected;

/// Columns that the reasons of a list are broken at.
const LIST_WIDTH: usize = 100;

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
    date: &'a str,
    checked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
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
            date: &claim.date,
            checked: claim.checked,
            url: claim.url.as_deref(),
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
        item(&mut text, "- ", 2, &whole(reason), LIST_WIDTH);
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
