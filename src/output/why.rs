//! An alert line in, the reasoning out: facts for and against, and the one fact that would change the
//! verdict.
//!
//! A line carries everything the verdict rests on (status, tier, and each fact with its weights), so the
//! arithmetic can be done again without the capture: with all facts it must give the verdict of the line, and
//! with one fact taken away it says what the verdict would have been.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::clean::whole;
use crate::registry::{PortStatus, Tier};
use crate::verdict::{Ranked, Story, weigh};

/// Longest line that is looked at, in bytes; ours are below [`super::LINE_BYTES_MAX`].
const LINE_BYTES_MAX: usize = 1 << 20;

/// What of a line matters here. Everything else in it is left alone.
#[derive(Debug, Deserialize)]
struct Line {
    timestamp: String,
    event_type: String,
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

/// Explains one line of output; `None` for a line that carries no verdict (`port`, `stats`).
///
/// # Errors
/// The line is no JSON of ours; what is wrong with it, and what to do.
pub fn explain_line(line: &str) -> Result<Option<String>, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err("the line is longer than any of ours".to_owned());
    }
    let not_ours = |error: serde_json::Error| format!("not a line of ours: {error}");
    let line: Line = serde_json::from_str(line).map_err(not_ours)?;
    if !matches!(line.event_type.as_str(), "alert" | "flow") {
        return Ok(None);
    }
    let Some(ghost) = &line.ghostport else {
        return Err(
            "the line has no `ghostport` object: write it with --eve-extra toplevel to ask why".to_owned()
        );
    };
    let ghost = &Ghost::deserialize(ghost).map_err(not_ours)?;
    let story = Story::from_name(&ghost.verdict.story)
        .ok_or_else(|| format!("there is no story {:?}", whole(&ghost.verdict.story)))?;
    let mut text = String::new();
    head(&mut text, &line, ghost, story);
    facts(&mut text, ghost, story);
    counterfactual(&mut text, ghost, story);
    if let Some(step) = &ghost.next_step {
        let _ = writeln!(text, "\n  {} {}", "next:".bold(), whole(step));
    }
    Ok(Some(text))
}

fn head(text: &mut String, line: &Line, ghost: &Ghost, story: Story) {
    let title = match &line.alert {
        Some(alert) => format!("{} (sid {})", whole(&alert.signature), alert.signature_id),
        None => format!("flow on {}/{}", ghost.port, whole(&ghost.transport)),
    };
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "{}", title.bold());
    let (from, to) = (whole(&line.src_ip), whole(&line.dest_ip));
    let time = whole(&line.timestamp);
    let _ = writeln!(text, "  {time}  {from} port {} → {to} port {}", line.src_port, line.dest_port);
    let percent = ghost.verdict.probability * 100.0;
    let _ = writeln!(
        text,
        "\n  {} {} ({percent:.1} %): {}",
        "verdict:".bold(),
        story.name().bold(),
        story.meaning()
    );
    if let Some(second) = ghost.verdict.stories.iter().find(|chance| chance.story != story.name()) {
        let _ =
            writeln!(text, "  {} {} ({:.1} %)", "runner-up:".bold(), whole(&second.story), second.p * 100.0);
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

/// Takes one fact away after the other and says which one the verdict hangs on.
fn counterfactual(text: &mut String, ghost: &Ghost, story: Story) {
    let _ = writeln!(text, "\n  {}", "what would change it".underline());
    let (Some(status), Some(tier)) = (status(&ghost.status), tier(&ghost.tier)) else {
        let _ = writeln!(text, "  cannot be said: status or tier of the line are not known here");
        return;
    };
    let rows: Vec<Vec<(Story, f64)>> = ghost.evidence.iter().map(row).collect();
    if ghost.truncated || answer(status, tier, &rows, None).story != story {
        let _ = writeln!(text, "  cannot be said: the line does not carry all of its evidence");
        return;
    }
    let mut changes: Vec<(Ranked, &FactPart)> = ghost
        .evidence
        .iter()
        .enumerate()
        .map(|(absent, fact)| (answer(status, tier, &rows, Some(absent)), fact))
        .filter(|(without, _)| without.story != story)
        .collect();
    changes.sort_by(|a, b| b.0.probability.total_cmp(&a.0.probability));
    match changes.first() {
        Some((without, fact)) => {
            let (name, value, other) = (whole(&fact.fact), whole(&fact.value), without.story.name());
            let percent = without.probability * 100.0;
            let _ = writeln!(text, "  without {name} ({value}) it would be {other} ({percent:.1} %)");
        }
        None => {
            let _ = writeln!(text, "  no single fact: whichever is taken away, it stays {}", story.name());
        }
    }
}

fn answer(status: PortStatus, tier: Tier, rows: &[Vec<(Story, f64)>], absent: Option<usize>) -> Ranked {
    let present =
        rows.iter().enumerate().filter(|(place, _)| Some(*place) != absent).map(|(_, row)| row.as_slice());
    weigh(status, tier, present)[0]
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

    #[test]
    fn foreign_lines_are_refused_and_counters_passed_over() {
        assert!(explain_line("not json").unwrap_err().contains("not a line of ours"));
        let stats = r#"{"timestamp":"x","event_type":"stats"}"#;
        assert_eq!(explain_line(stats), Ok(None));
        let bare = r#"{"timestamp":"x","event_type":"alert"}"#;
        assert!(explain_line(bare).unwrap_err().contains("--eve-extra toplevel"));
    }

    #[test]
    fn the_fact_that_decides_is_named_and_hostile_text_is_cleaned() {
        let line = r#"{"timestamp":"t","event_type":"flow","src_ip":"10.0.0.1","src_port":1,"dest_ip":"10.0.0.2",
            "dest_port":3007,"ghostport":{"port":3007,"transport":"tcp","tier":"registered","status":"dormant",
            "verdict":{"story":"nonstandard_port","probability":0.9,"stories":[{"story":"nonstandard_port","p":0.9}]},
            "evidence":[{"fact":"speaks","value":"http\u001b[2J","weight":{"nonstandard_port":9.0}}]}}"#;
        let text = explain_line(&line.replace('\n', "")).unwrap().unwrap();
        assert!(text.contains("without speaks"), "{text}");
        assert!(!text.contains("\u{1b}[2J"), "{text}");
    }
}
