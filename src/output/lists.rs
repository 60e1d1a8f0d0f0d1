//! Rows of the lists that the subcommands print: local sockets joined with the registry, rules, and the
//! catalogue of facts.

use serde::Serialize;

use super::clean::whole;
use super::dossier::line;
use crate::evidence::CATALOGUE;
use crate::host::Listener;
use crate::registry::Registry;
use crate::rules::Policy;

/// One socket and what is known about its port.
#[derive(Debug, Serialize)]
pub struct ListenerRow {
    addr: String,
    port: u16,
    transport: &'static str,
    status: &'static str,
    tags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered: Option<String>,
    claims: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

impl ListenerRow {
    /// Joins a socket with the registry.
    #[must_use]
    pub fn new(listener: &Listener, registry: &Registry) -> Self {
        let (transport, port) = (listener.transport, listener.local.port);
        let process = listener.process.as_ref();
        Self {
            addr: listener.local.addr.to_string(),
            port,
            transport: transport.name(),
            status: registry.status(transport, port).name(),
            tags: registry.tags(transport, port).names().collect(),
            registered: registry.registered_name(transport, port).map(|name| whole(name).into_owned()),
            claims: registry.on(transport, port).iter().map(|claim| whole(&claim.id).into_owned()).collect(),
            pid: process.map(|process| process.pid),
            process: process.map(|process| whole(&process.name).into_owned()),
            user: process.and_then(|process| process.user.as_deref()).map(|user| whole(user).into_owned()),
        }
    }

    /// The row as a line for people.
    #[must_use]
    pub fn text(&self) -> String {
        let port = format!("{}/{}", self.port, self.transport);
        let owner = match (&self.process, self.pid) {
            (Some(name), Some(pid)) => format!("{name} ({pid})"),
            _ => "?".to_owned(),
        };
        let registered = self.registered.as_deref().unwrap_or("-");
        let (status, tags) = (self.status, self.tags.join(" "));
        let text = format!("{port:<10} {:<26} {owner:<28} {registered:<18} {status:<11} {tags}", self.addr);
        format!("{}\n", text.trim_end())
    }

    /// The row as a line of JSON.
    ///
    /// # Errors
    /// Never in practice: everything in it can be said in JSON.
    pub fn json(&self) -> serde_json::Result<String> {
        line(self)
    }
}

/// A fact of the catalogue.
#[derive(Serialize)]
struct FactJson {
    fact: &'static str,
    meaning: &'static str,
    check: &'static str,
}

/// The catalogue of facts as lines of JSON, in the order in which facts stand in a line.
///
/// # Errors
/// Never in practice: everything in it can be said in JSON.
pub fn facts_json() -> serde_json::Result<String> {
    CATALOGUE.iter().map(|&(fact, meaning, check)| line(&FactJson { fact, meaning, check })).collect()
}

/// The names of facts as a JSON Schema: an enumeration, and what each of them means.
pub(super) fn facts_schema() -> String {
    let names: Vec<_> = CATALOGUE.iter().map(|(fact, ..)| *fact).collect();
    let each = |&(fact, meaning, check): &_| {
        let check = format!("To check: {check}");
        serde_json::json!({"const": fact, "title": meaning, "description": check})
    };
    let meanings: Vec<_> = CATALOGUE.iter().map(each).collect();
    serde_json::json!({"enum": names, "oneOf": meanings}).to_string()
}

/// The catalogue of facts for people.
#[must_use]
pub fn facts_text() -> String {
    CATALOGUE
        .iter()
        .map(|(fact, meaning, check)| format!("{fact}\n  {meaning}\n  check: {check}\n"))
        .collect()
}

#[derive(Serialize)]
struct RuleJson<'a> {
    id: &'a str,
    sid: u32,
    rev: u32,
    title: &'a str,
    category: &'a str,
    severity: u8,
    techniques: &'a [String],
    about: &'a str,
    group: Option<&'a str>,
    place: &'a str,
    conditions: Vec<String>,
    cases: usize,
}

/// One rule as a line of JSON.
///
/// # Errors
/// Never in practice: everything in it can be said in JSON.
pub fn rule_json(policy: &Policy) -> serde_json::Result<String> {
    let rule = policy.rule();
    line(&RuleJson {
        id: &rule.id,
        sid: rule.sid,
        rev: rule.rev,
        title: rule.title.as_str(),
        category: &rule.category,
        severity: rule.severity as u8,
        techniques: &rule.techniques,
        about: policy.about(),
        group: policy.group(),
        place: policy.place(),
        conditions: policy.conditions(),
        cases: policy.cases(),
    })
}
