//! Every labelled capture through the whole road, and the verdicts on the labelled flows.
//!
//! The road is the real binary: what is measured is what a user gets. Numbers are read back from its lines.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use ghostport::registry::{PortStatus, Tier};
use ghostport::verdict::{Story, log_odds};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::labels::{self, EVENTS, Label, event_of, key};

const GHOSTPORT: &str = env!("CARGO_BIN_EXE_ghostport");
/// EVE severities: 1 high, 2 medium, 3 low.
const SEVERITY_MEDIUM: u64 = 2;

/// A labelled flow and what was said about it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) label: Label,
    /// The event that the label names.
    pub(crate) truth: usize,
    /// The answer of the longest record of these endpoints.
    pub(crate) story: Story,
    /// Probability of the answer itself.
    pub(crate) answer: f64,
    /// Probability of each event of [`EVENTS`].
    pub(crate) chances: [f64; EVENTS.len()],
    /// Log-odds before any fit.
    pub(crate) sums: [f64; Story::ALL.len()],
    /// True when any record of these endpoints agrees with the label, as `score.py` counts.
    pub(crate) any_hit: bool,
}

impl Judged {
    pub(crate) fn is_hit(&self) -> bool {
        event_of(self.story) == self.truth
    }

    /// The probability of the event that the answer belongs to: how sure it was.
    pub(crate) fn confidence(&self) -> f64 {
        self.chances[event_of(self.story)]
    }

    pub(crate) fn is_development(&self) -> bool {
        hash(&self.label.capture)[0] & 1 == 0
    }

    /// 0 to 4.
    pub(crate) fn fold(&self) -> u8 {
        hash(&self.label.capture)[1] % 5
    }
}

/// All flows of a capture stay together.
fn hash(capture: &str) -> [u8; 32] {
    Sha256::digest(capture.as_bytes()).into()
}

/// What the replay of everything gave.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) judged: Vec<Judged>,
    /// Captures that are labelled and there.
    pub(crate) captures: usize,
    /// Labels about the story whose flow was not found.
    pub(crate) lost: Vec<String>,
    /// Flows in captures of which no row is labelled a scan, a flood, malware or an attack.
    pub(crate) benign_flows: u64,
    /// Alerts of severity medium or above on those flows: capture, what it says; once per rule, responder
    /// and port.
    pub(crate) false_alarms: Vec<String>,
}

/// Replays everything below `root`.
pub(crate) fn all(root: &Path) -> Run {
    let mut by_capture: BTreeMap<String, Vec<Label>> = BTreeMap::new();
    for label in labels::read(&root.join("ground_truth.tsv")) {
        by_capture.entry(label.capture.clone()).or_default().push(label);
    }
    let mut run = Run::default();
    for (capture, labels) in by_capture {
        let path = root.join(&capture);
        if path.is_file() {
            run.captures += 1;
            run.take(&capture, labels, &lines_of(&path));
        }
    }
    run
}

fn lines_of(path: &Path) -> Vec<Value> {
    let output = Command::new(GHOSTPORT)
        .args(["-q", "--flows", "-o", "eve:-", "-r"])
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .expect("ghostport starts");
    let text = String::from_utf8(output.stdout).expect("lines are UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("lines are JSON")).collect()
}

impl Run {
    fn take(&mut self, capture: &str, labels: Vec<Label>, lines: &[Value]) {
        let of_type = |wanted| lines.iter().filter(move |line| line["event_type"] == wanted);
        let mut flows: BTreeMap<_, Vec<&Value>> = BTreeMap::new();
        for flow in of_type("flow") {
            if let Some(key) = ends(flow) {
                flows.entry(key).or_default().push(flow);
            }
        }
        if !labels.iter().any(Label::is_hostile) {
            self.benign_flows += of_type("flow").count() as u64;
            let alarms: BTreeSet<_> = of_type("alert").filter_map(alarm).collect();
            self.false_alarms.extend(alarms.into_iter().map(|said| format!("{}: {said}", short(capture))));
        }
        for label in labels {
            let Some(truth) = label.event() else { continue };
            let found = flows.get(&label.key()).map_or(&[][..], Vec::as_slice);
            match judged(&label, truth, found) {
                Some(judged) => self.judged.push(judged),
                None => self.lost.push(label.id),
            }
        }
    }
}

fn judged(label: &Label, truth: usize, found: &[&Value]) -> Option<Judged> {
    // The longest record, the first of equals.
    let longest = found.iter().rev().max_by_key(|flow| packets(flow))?;
    let verdict = &longest["ghostport"]["verdict"];
    let mut chances = [0.0; EVENTS.len()];
    for ranked in verdict["stories"].as_array()? {
        chances[event_of(story(&ranked["story"])?)] += ranked["p"].as_f64()?;
    }
    let agrees = |flow: &&Value| {
        story(&flow["ghostport"]["verdict"]["story"]).is_some_and(|story| event_of(story) == truth)
    };
    Some(Judged {
        label: label.clone(),
        truth,
        story: story(&verdict["story"])?,
        answer: verdict["probability"].as_f64()?,
        chances,
        sums: sums(&longest["ghostport"])?,
        any_hit: found.iter().any(agrees),
    })
}

fn packets(flow: &Value) -> u64 {
    ["pkts_toserver", "pkts_toclient"].iter().filter_map(|side| flow["flow"][side].as_u64()).sum()
}

fn story(name: &Value) -> Option<Story> {
    Story::from_name(name.as_str()?)
}

fn sums(ghost: &Value) -> Option<[f64; Story::ALL.len()]> {
    use PortStatus::{Active, Dormant, Dynamic, Reserved, Unassigned};
    let named = |status: &PortStatus| ghost["status"] == status.name();
    let status = [Active, Dormant, Unassigned, Reserved, Dynamic].into_iter().find(named)?;
    let tier = Tier::of(u16::try_from(ghost["port"].as_u64()?).ok()?);
    let rows: Vec<Vec<(Story, f64)>> = ghost["evidence"].as_array()?.iter().map(row).collect();
    Some(log_odds(status, tier, rows.iter().map(Vec::as_slice)))
}

fn row(fact: &Value) -> Vec<(Story, f64)> {
    let weights = fact["weight"].as_object().into_iter().flatten();
    weights.filter_map(|(name, weight)| Some((Story::from_name(name)?, weight.as_f64()?))).collect()
}

fn ends(event: &Value) -> Option<(String, [(IpAddr, u16); 2])> {
    let end = |addr: &str, port: &str| {
        let port = event[port].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        Some((event[addr].as_str()?.parse().ok()?, port))
    };
    Some(key(event["proto"].as_str()?, [end("src_ip", "src_port")?, end("dest_ip", "dest_port")?]))
}

/// What an alert says, when it is of severity medium or above.
fn alarm(event: &Value) -> Option<String> {
    let alert = &event["alert"];
    (alert["severity"].as_u64()? <= SEVERITY_MEDIUM).then(|| {
        format!(
            "{} ({} {}, severity {})",
            alert["signature"].as_str().unwrap_or_default(),
            event["dest_ip"].as_str().unwrap_or_default(),
            event["dest_port"],
            alert["severity"]
        )
    })
}

/// The last part of a capture's path.
pub(crate) fn short(capture: &str) -> &str {
    capture.rsplit('/').next().unwrap_or(capture)
}
