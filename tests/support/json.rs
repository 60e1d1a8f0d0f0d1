//! The lines that come out: reading them, partial matches, and the identity of the closing record.

use serde_json::Value;

/// Parses one object per line; panics on anything else, because standard output carries data only.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => value,
            _ => panic!("a line of output is no JSON object: {line}"),
        })
        .collect()
}

/// True when `whole` has everything that `part` has: objects by key, arrays by containing, the rest by being
/// equal.
pub(crate) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|there| contains(there, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|there| contains(there, value)))
        }
        _ => whole == part,
    }
}

/// Checks `frames read = decoded + Σ skipped` in a `stats` record; says what is wrong otherwise.
pub(crate) fn identity(stats: &Value) -> Result<(), String> {
    let packets = packets(stats).ok_or_else(|| format!("no packet counters in {stats}"))?;
    let number = |name: &str| packets[name].as_u64().ok_or_else(|| format!("no {name} in {packets}"));
    let skipped = match &packets["skipped"] {
        Value::Object(reasons) => reasons.values().filter_map(Value::as_u64).sum::<u64>(),
        other => return Err(format!("skipped must be an object of reasons: {other}")),
    };
    let (read, decoded) = (number("read")?, number("decoded")?);
    if read == decoded + skipped { Ok(()) } else { Err(format!("{read} read != {decoded} + {skipped}")) }
}

/// The packet counters of a `stats` record.
pub(crate) fn packets(stats: &Value) -> Option<&Value> {
    Some(&stats["ghostport"]["packets"]).filter(|packets| packets.is_object())
}

#[test]
fn a_part_matches_inside_and_not_otherwise() {
    use serde_json::json;
    let whole = json!({"a": 1, "b": {"c": [1, 2, {"d": "e"}]}});
    assert!(contains(&whole, &json!({"b": {"c": [{"d": "e"}]}})));
    assert!(!contains(&whole, &json!({"b": {"c": [3]}})));
    assert!(!contains(&whole, &json!({"z": null})));
}

#[test]
fn the_identity_can_fail() {
    use serde_json::json;
    let skipped = json!({"icmp": 1, "not_ip": 2});
    let with =
        |read: u64| json!({"ghostport": {"packets": {"read": read, "decoded": 3, "skipped": skipped}}});
    assert!(identity(&with(6)).is_ok());
    assert!(identity(&with(7)).is_err());
    assert!(identity(&json!({"event_type": "stats"})).is_err());
}
