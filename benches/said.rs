//! Verdicts and alerts to be written: one for each kind of story, out of the project's own captures.

use std::fs;
use std::sync::Arc;

use ghostport::output::{Context, ExtraPlacement};
use ghostport::pipeline::{Config, seek};
use ghostport::rules::{Alert, Rules};
use ghostport::verdict::Verdict;

const STORIES: [&str; 6] =
    ["backscatter", "misdirected", "nonstandard_port", "registered_service", "scan", "undetermined"];

/// The last verdict about one flow of each story, and all alerts about them.
pub(crate) fn said() -> (Vec<Arc<Verdict>>, Vec<Alert>) {
    let (verdicts, alerts): (Vec<_>, Vec<_>) = STORIES.into_iter().map(about).unzip();
    (verdicts, alerts.concat())
}

/// What lines are written with.
pub(crate) fn context(inputs: &[String]) -> Context<'_> {
    let internal = Rules::builtin().internal();
    Context { inputs, live: false, host: None, extra: ExtraPlacement::default(), internal }
}

/// The last verdict about the first flow of a capture's expected lines, and the alerts about it.
fn about(story: &str) -> (Arc<Verdict>, Vec<Alert>) {
    let folder = format!("{}/captures/{story}", env!("CARGO_MANIFEST_DIR"));
    let lines = fs::read_to_string(format!("{folder}/expect.jsonl")).expect("expected lines");
    let line = lines.lines().find(|line| line.contains("\"event_type\":\"flow\"")).expect("a flow");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let config = Config::silent(&[format!("{folder}/traffic.pcap")], &[]);
    let found = seek(&config, line["flow_id"].as_u64().expect("an id")).expect("a capture");
    (Arc::clone(found.verdicts.last().expect("a verdict")), found.alerts)
}
