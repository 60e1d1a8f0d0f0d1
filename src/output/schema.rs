//! What a format's lines look like, for `ghostport schema FORMAT`.
//!
//! JSON formats have a JSON Schema (2020-12) that forbids unknown keys. EVE's stands whole in its file; the
//! others borrow from it what they have in common with it, so the two cannot come to differ. The compact
//! formats have a list of their keys in the order in which they are written.

use serde_json::{Value, json};

use super::{COMPACT_BYTES_MAX, Key, cef, lists, syslog};

/// The description of a format's lines, by the format's name. The catalogue of facts is written into JSON
/// Schemas: each name, what it means and how to check it.
#[must_use]
pub fn schema(format: &str) -> Option<String> {
    match format {
        "eve" => Some(eve()),
        "ecs" => with_eve(include_str!("ecs.schema.json")),
        "ocsf" => with_eve(include_str!("ocsf.schema.json")),
        "hec" => with_eve(include_str!("hec.schema.json")),
        "syslog" => keys(
            "RFC 5424: <PRI>1 TIMESTAMP HOSTNAME ghostport - MSGID [ghostport@32473 KEYS] MSG",
            &syslog::KEYS,
        ),
        "cef" => keys("CEF:0|ghostport|ghostport|VERSION|SIGNATURE-ID|NAME|SEVERITY|KEYS", &cef::KEYS),
        _ => None,
    }
}

fn eve() -> String {
    const PLACE: &str = "\"the catalogue of facts\"";
    include_str!("eve.schema.json").replace(PLACE, &lists::facts_schema())
}

/// A schema with EVE's definitions beside its own.
fn with_eve(own: &str) -> Option<String> {
    let (mut own, eve) = (parse(own)?, parse(&eve())?);
    let (ours, theirs) = (own.get_mut("$defs")?.as_object_mut()?, eve.get("$defs")?.as_object()?);
    for (name, definition) in theirs {
        ours.entry(name.clone()).or_insert_with(|| definition.clone());
    }
    pretty(&own)
}

fn keys(shape: &str, keys: &[Key]) -> Option<String> {
    let row = |&(name, meaning, kinds, required): &Key| {
        let kinds: Vec<_> = ["alert", "flow", "port", "stats"]
            .into_iter()
            .filter(|kind| kinds.contains(&kind[..1]))
            .collect();
        json!({"key": name, "is": meaning, "in": kinds, "required": required})
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    pretty(&json!({"line": shape, "bytes_max": COMPACT_BYTES_MAX, "keys": rows}))
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn pretty(value: &Value) -> Option<String> {
    serde_json::to_string_pretty(value).ok().map(|text| text + "\n")
}
