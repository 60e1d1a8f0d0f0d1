//! A line in, the reasoning out: facts for and against, and the one fact that would change the verdict.
//!
//! A line carries everything the verdict rests on (status, tier, and each fact with its weights), so the
//! arithmetic can be done again without the capture: with all facts it must give the verdict of the line, and
//! with one fact more or less it says what the verdict would have been. A flow of a capture is explained by
//! the line that would be written about it, so both ways say the same.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::clean::whole;
use super::{Context, Record, eve};
use crate::registry::{PortStatus, Registry, Tier};
use crate::rules::Alert;
use crate::verdict::{Case, Change, Story, Told, Verdict};
use crate::wire::Transport;

/// Longest line that is looked at, in bytes; ours are below [`super::LINE_BYTES_MAX`].
const LINE_BYTES_MAX: usize = 1 << 20;

/// What of a line matters here. Everything else in it is left alone.
#[derive(Debug, Deserialize)]
struct Line {
    timestamp: String,
    event_type: String,
    #[serde(default)]
    flow_id: u64,
    #[serde(default)]
    src_ip: String,
    #[serde(default)]
    src_port: u16,
    #[serde(default)]
    dest_ip: String,
    #[serde(default)]
    dest_port: u16,
    alert: Option<AlertPart>,
    /// Looked into when the line carries a verdict; `stats` and `port` lines have other things under it.
    ghostport: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct AlertPart {
    signature: String,
    signature_id: u32,
}

#[derive(Debug, Deserialize)]
struct Ghost {
    port: u16,
    transport: String,
    tier: String,
    status: String,
    verdict: VerdictPart,
    #[serde(default)]
    evidence: Vec<FactPart>,
    next_step: Option<String>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Debug, Deserialize)]
struct VerdictPart {
    story: String,
    probability: f64,
    #[serde(default)]
    stories: Vec<Chance>,
}

#[derive(Debug, Deserialize)]
struct Chance {
    story: String,
    p: f64,
}

#[derive(Debug, Deserialize)]
struct FactPart {
    fact: String,
    value: String,
    #[serde(default)]
    weight: BTreeMap<String, f64>,
}

/// How an explanation is wanted, and who knows about ports.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Claims about ports: what else could speak there.
    pub registry: &'a Registry,
    /// As a line of JSON, not as text.
    pub json: bool,
}

/// Explains one line of output; `None` for a line that carries no verdict (`port`, `stats`).
///
/// # Errors
/// The line is no JSON of ours; what is wrong with it, and what to do.
pub fn explain_line(line: &str, asked: Asked<'_>) -> Result<Option<String>, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err("the line is longer than any of ours".to_owned());
    }
    let line: Line = serde_json::from_str(line).map_err(not_ours)?;
    if !matches!(line.event_type.as_str(), "alert" | "flow") {
        return Ok(None);
    }
    let alerts = line.alert.iter().map(|alert| (alert.signature.as_str(), alert.signature_id)).collect();
    explain(&line, &[], alerts, asked).map(Some)
}

/// Explains a flow of a capture by the last of the verdicts about it, in the order in which they were given.
///
/// # Errors
/// There is no verdict.
pub fn explain_flow(
    verdicts: &[impl AsRef<Verdict>],
    alerts: &[Alert],
    context: &Context<'_>,
    asked: Asked<'_>,
) -> Result<String, String> {
    let Some((last, before)) = verdicts.split_last() else { return Err("there is no verdict".to_owned()) };
    let mut bytes = Vec::new();
    eve::write(&mut bytes, context, &Record::Flow { verdict: last.as_ref(), alerted: !alerts.is_empty() });
    let line: Line = serde_json::from_slice(&bytes).map_err(not_ours)?;
    let before: Vec<(Story, f64)> = before
        .iter()
        .map(|verdict| (verdict.as_ref().story, verdict.as_ref().probability))
        .filter(|(story, _)| *story != last.as_ref().story)
        .collect();
    let alerts = alerts.iter().map(|alert| (&*alert.signature, alert.rule.sid)).collect();
    explain(&line, &before, alerts, asked)
}

fn not_ours(error: serde_json::Error) -> String {
    format!("not a line of ours: {error}")
}

/// What is known of a flow when it is explained.
struct Dossier<'a> {
    line: &'a Line,
    ghost: &'a Ghost,
    story: Story,
    /// Verdicts given earlier that said otherwise.
    before: &'a [(Story, f64)],
    /// Signatures and numbers of the alerts.
    alerts: Vec<(&'a str, u32)>,
    /// The single facts that would change the verdict, or why that cannot be said.
    changes: Result<Vec<Change>, &'static str>,
}

fn explain<'a>(
    line: &'a Line,
    before: &'a [(Story, f64)],
    alerts: Vec<(&'a str, u32)>,
    asked: Asked<'_>,
) -> Result<String, String> {
    let Some(ghost) = &line.ghostport else {
        return Err(
            "the line has no `ghostport` object: write it with --eve-extra toplevel to ask why".to_owned()
        );
    };
    let ghost = &Ghost::deserialize(ghost).map_err(not_ours)?;
    let story = Story::from_name(&ghost.verdict.story)
        .ok_or_else(|| format!("there is no story {:?}", whole(&ghost.verdict.story)))?;
    let changes = changes(ghost, story, asked.registry);
    let dossier = Dossier { line, ghost, story, before, alerts, changes };
    if asked.json {
        return super::dossier::line(&dossier.json()).map_err(|error| error.to_string());
    }
    let mut text = String::new();
    head(&mut text, &dossier);
    facts(&mut text, ghost, story);
    counterfactual(&mut text, &dossier);
    if let Some(step) = &ghost.next_step {
        let _ = writeln!(text, "\n  {} {}", "next:".bold(), whole(step));
    }
    Ok(text)
}

fn head(text: &mut String, dossier: &Dossier<'_>) {
    let Dossier { line, ghost, story, .. } = dossier;
    let title = match dossier.alerts.first() {
        Some((signature, sid)) => format!("{} (sid {sid})", whole(signature)),
        None => format!("flow on {}/{}", ghost.port, whole(&ghost.transport)),
    };
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{}", title.bold());
    for (signature, sid) in dossier.alerts.iter().skip(1) {
        let _ = writeln!(text, "{}", format!("{} (sid {sid})", whole(signature)).bold());
    }
    let (from, to) = (whole(&line.src_ip), whole(&line.dest_ip));
    let time = whole(&line.timestamp);
    let _ = writeln!(text, "  {time}  {from} port {} → {to} port {}", line.src_port, line.dest_port);
    let (percent, bold) = (ghost.verdict.probability * 100.0, story.name().bold().to_string());
    let _ = writeln!(text, "\n  {} {bold} ({percent:.1} %): {}", "verdict:".bold(), story.meaning());
    if let Some(second) = ghost.verdict.stories.iter().find(|chance| chance.story != story.name()) {
        let _ =
            writeln!(text, "  {} {} ({:.1} %)", "runner-up:".bold(), whole(&second.story), second.p * 100.0);
    }
    for (story, probability) in dossier.before {
        let percent = probability * 100.0;
        let _ = writeln!(text, "  {} {} ({percent:.1} %)", "judged before:".bold(), story.name());
    }
}

/// Facts by what they did for the story, strongest first; what moved nothing comes last.
fn facts(text: &mut String, ghost: &Ghost, story: Story) {
    let mut sorted: Vec<(f64, &FactPart)> = ghost
        .evidence
        .iter()
        .map(|fact| (fact.weight.get(story.name()).copied().unwrap_or(0.0), fact))
        .collect();
    sorted.sort_by(|(a, _), (b, _)| b.abs().total_cmp(&a.abs()));
    let (moving, still): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|(weight, _)| *weight != 0.0);
    let (helping, hindering): (Vec<_>, Vec<_>) = moving.into_iter().partition(|(weight, _)| *weight > 0.0);
    list(text, "facts for it", &helping);
    list(text, "facts against it", &hindering);
    list(text, "facts that leave it as it was", &still);
}

fn list(text: &mut String, title: &str, facts: &[(f64, &FactPart)]) {
    if facts.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  {}", title.underline());
    for (weight, fact) in facts {
        let shown = if *weight == 0.0 { "     ".to_owned() } else { format!("{weight:+5.1}") };
        let _ = writeln!(text, "  {shown}  {:<26} {}", whole(&fact.fact), whole(&fact.value));
    }
}

/// The single facts that would change the verdict of a line.
fn changes(ghost: &Ghost, story: Story, registry: &Registry) -> Result<Vec<Change>, &'static str> {
    let (Some(status), Some(tier)) = (status(&ghost.status), tier(&ghost.tier)) else {
        return Err("status or tier of the line are not known here");
    };
    let named = |transport: &Transport| transport.name() == ghost.transport;
    let Some(transport) = Transport::ALL.into_iter().find(named) else {
        return Err("the transport of the line is not known here");
    };
    let told =
        |fact: &FactPart| Told { fact: fact.fact.clone(), value: fact.value.clone(), weights: row(fact) };
    let facts: Vec<Told> = ghost.evidence.iter().map(told).collect();
    let claims = registry.on(transport, ghost.port);
    let lives = registry.registrant_lives(transport, ghost.port);
    let case = Case { transport, status, tier, facts: &facts, claims, lives };
    if ghost.truncated || case.answer().story != story {
        return Err("the line does not carry all of its evidence");
    }
    Ok(case.changes())
}

/// The fact that the verdict hangs on, and others that would change it.
fn counterfactual(text: &mut String, dossier: &Dossier<'_>) {
    let _ = writeln!(text, "\n  {}", "what would change it".underline());
    match &dossier.changes {
        Err(why) => {
            let _ = writeln!(text, "  cannot be said: {why}");
        }
        Ok(changes) if changes.is_empty() => {
            let _ = writeln!(text, "  no single fact: it stays {}", dossier.story.name());
        }
        Ok(changes) => changes.iter().for_each(|change| {
            let with = if change.comes { "with" } else { "without" };
            let (fact, value) = (change.fact, whole(&change.value));
            let (becomes, percent) = (change.becomes.story.name(), change.becomes.probability * 100.0);
            let _ = writeln!(text, "  {with} {fact} ({value}) it would be {becomes} ({percent:.1} %)");
        }),
    }
}

/// A dossier as JSON. A key without a value is absent.
#[derive(Serialize)]
struct DossierJson<'a> {
    timestamp: &'a str,
    flow_id: u64,
    src_ip: &'a str,
    src_port: u16,
    dest_ip: &'a str,
    dest_port: u16,
    transport: &'a str,
    alerts: Vec<AlertJson<'a>>,
    verdict: VerdictJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runner_up: Option<ChanceJson<'a>>,
    judged_before: Vec<ChanceJson<'a>>,
    facts: Vec<FactJson<'a>>,
    /// Absent when it cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<ChangeJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<&'a str>,
}

#[derive(Serialize)]
struct AlertJson<'a> {
    signature: &'a str,
    signature_id: u32,
}

#[derive(Serialize)]
struct VerdictJson<'a> {
    story: &'a str,
    probability: f64,
    meaning: &'a str,
}

#[derive(Serialize)]
struct ChanceJson<'a> {
    story: &'a str,
    p: f64,
}

#[derive(Serialize)]
struct FactJson<'a> {
    fact: &'a str,
    value: &'a str,
    /// What it added to the story of the verdict.
    weight: f64,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    change: &'static str,
    fact: &'a str,
    value: &'a str,
    story: &'static str,
    p: f64,
}

impl Dossier<'_> {
    fn json(&self) -> DossierJson<'_> {
        let Self { line, ghost, story, .. } = self;
        let weight = |fact: &FactPart| fact.weight.get(story.name()).copied().unwrap_or(0.0);
        let fact = |fact| FactJson::of(fact, weight(fact));
        let runner_up = ghost.verdict.stories.iter().find(|chance| chance.story != story.name());
        let (probability, meaning) = (ghost.verdict.probability, story.meaning());
        let alert = |&(signature, signature_id): &_| AlertJson { signature, signature_id };
        DossierJson {
            timestamp: &line.timestamp,
            flow_id: line.flow_id,
            src_ip: &line.src_ip,
            src_port: line.src_port,
            dest_ip: &line.dest_ip,
            dest_port: line.dest_port,
            transport: &ghost.transport,
            alerts: self.alerts.iter().map(alert).collect(),
            verdict: VerdictJson { story: story.name(), probability, meaning },
            runner_up: runner_up.map(|second| ChanceJson { story: &second.story, p: second.p }),
            judged_before: self.before.iter().map(|&(s, p)| ChanceJson { story: s.name(), p }).collect(),
            facts: ghost.evidence.iter().map(fact).collect(),
            changes: self.changes.as_ref().ok().map(|all| all.iter().map(ChangeJson::of).collect()),
            next_step: ghost.next_step.as_deref(),
        }
    }
}

impl<'a> FactJson<'a> {
    fn of(fact: &'a FactPart, weight: f64) -> Self {
        Self { fact: &fact.fact, value: &fact.value, weight }
    }
}

impl<'a> ChangeJson<'a> {
    fn of(change: &'a Change) -> Self {
        let Change { fact, value, comes, becomes } = change;
        let change = if *comes { "comes" } else { "goes" };
        Self { change, fact, value, story: becomes.story.name(), p: becomes.probability }
    }
}

fn row(fact: &FactPart) -> Vec<(Story, f64)> {
    fact.weight.iter().filter_map(|(story, weight)| Story::from_name(story).map(|s| (s, *weight))).collect()
}

fn status(name: &str) -> Option<PortStatus> {
    use PortStatus::{Active, Dormant, Dynamic, Reserved, Unassigned};
    [Active, Dormant, Unassigned, Reserved, Dynamic].into_iter().find(|status| status.name() == name)
}

fn tier(name: &str) -> Option<Tier> {
    [Tier::WellKnown, Tier::Registered, Tier::Dynamic].into_iter().find(|tier| tier.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(line: &str) -> Result<Option<String>, String> {
        explain_line(line, Asked { registry: Registry::builtin(), json: false })
    }

    #[test]
    fn foreign_lines_are_refused_and_counters_passed_over() {
        assert!(explained("not json").unwrap_err().contains("not a line of ours"));
        let stats = r#"{"timestamp":"x","event_type":"stats"}"#;
        assert_eq!(explained(stats), Ok(None));
        let bare = r#"{"timestamp":"x","event_type":"alert"}"#;
        assert!(explained(bare).unwrap_err().contains("--eve-extra toplevel"));
    }

    #[test]
    fn the_fact_that_decides_is_named_and_hostile_text_is_cleaned() {
        let line = r#"{"timestamp":"t","event_type":"flow","src_ip":"10.0.0.1","src_port":1,"dest_ip":"10.0.0.2",
            "dest_port":3007,"ghostport":{"port":3007,"transport":"tcp","tier":"registered","status":"dormant",
            "verdict":{"story":"nonstandard_port","probability":0.9,"stories":[{"story":"nonstandard_port","p":0.9}]},
            "evidence":[{"fact":"speaks","value":"http\u001b[2J","weight":{"nonstandard_port":9.0}}]}}"#;
        let text = explained(&line.replace('\n', "")).unwrap().unwrap();
        assert!(text.contains("without speaks"), "{text}");
        assert!(!text.contains("\u{1b}[2J"), "{text}");
    }
}
