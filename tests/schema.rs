//! Output is a contract: every line of every capture, in every format, against what `ghostport schema` hands
//! out.
//!
//! The validator knows the part of JSON Schema (2020-12) that a schema of flat records needs. A keyword that
//! it does not know fails the test instead of being passed over, so it cannot promise more than it checks.

use serde_json::Value;

use crate::captures;
use crate::scenarios;
use crate::support::binary;

/// Longest line that log shippers are promised.
const LINE_BYTES_MAX: usize = 10_000;

#[test]
fn every_line_of_every_capture_fits_the_schema() {
    let schema = schema("eve");
    for scenario in scenarios::all() {
        let run = captures::replay(&scenario, &[]);
        assert!(!run.stdout.is_empty(), "{}: no output; stderr: {}", scenario.name, run.stderr);
        for line in run.stdout.lines() {
            assert!(line.len() < LINE_BYTES_MAX, "{}: a line of {} bytes", scenario.name, line.len());
            assert!(
                line.starts_with("{\"timestamp\":\""),
                "{}: timestamp comes first: {line}",
                scenario.name
            );
            let event = serde_json::from_str(line).expect("a JSON line");
            let troubles = troubles(&schema, &event);
            assert!(troubles.is_empty(), "{}: {}\n{line}", scenario.name, troubles.join("\n"));
        }
    }
}

#[test]
fn every_object_of_the_schema_is_closed() {
    for format in ["eve", "ecs", "ocsf", "hec"] {
        let mut open = Vec::new();
        find_open(&schema(format), "", &mut open);
        assert!(open.is_empty(), "{format}: these objects allow unknown fields: {open:?}");
    }
}

/// What is wrong with a value, by a schema of `ghostport schema`.
pub(crate) fn troubles(schema: &Value, value: &Value) -> Vec<String> {
    let mut troubles = Vec::new();
    check(schema, schema, value, "", &mut troubles);
    troubles
}

/// What `ghostport schema` says about a format.
pub(crate) fn schema(format: &str) -> Value {
    let run = binary::run(&["schema", format]);
    run.expect_code(0);
    serde_json::from_str(&run.stdout).expect("ghostport schema prints JSON")
}

/// Objects with named properties that allow others.
fn find_open(schema: &Value, path: &str, open: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            let closed =
                ["additionalProperties", "unevaluatedProperties"].iter().any(|key| map.contains_key(*key));
            if map.get("properties").is_some_and(Value::is_object) && map.get("type").is_some() && !closed {
                open.push(path.to_string());
            }
            for (key, value) in map {
                find_open(value, &format!("{path}/{key}"), open);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| find_open(value, path, open)),
        _ => {}
    }
}

/// Checks `value` against `schema` (a part of `root`); what is wrong goes to `troubles`, with the path to it.
fn check(root: &Value, schema: &Value, value: &Value, path: &str, troubles: &mut Vec<String>) {
    let map = match schema {
        Value::Bool(true) => return,
        Value::Bool(false) => return troubles.push(format!("{path}: nothing is allowed here")),
        Value::Object(map) => map,
        other => return troubles.push(format!("{path}: no schema: {other}")),
    };
    for (keyword, rule) in map {
        match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "definitions" | "$comment" | "title" | "description"
            | "examples" | "default" | "format" => {}
            "$ref" => {
                let target = rule.as_str().and_then(|r| r.strip_prefix('#')).and_then(|p| root.pointer(p));
                match target {
                    Some(target) => check(root, target, value, path, troubles),
                    None => troubles.push(format!("{path}: a reference that leads nowhere: {rule}")),
                }
            }
            "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" => {
                check_combined(root, map, (keyword, rule), value, path, troubles);
            }
            "type" | "enum" | "const" => check_kind(keyword, rule, value, path, troubles),
            "properties"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "patternProperties"
            | "required"
            | "propertyNames"
            | "minProperties" => check_object(root, map, keyword, value, path, troubles),
            "items" | "minItems" | "maxItems" | "uniqueItems" | "prefixItems" => {
                check_array(root, (keyword, rule), value, path, troubles);
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "minLength" | "maxLength" => {
                check_range(keyword, rule, value, path, troubles);
            }
            unknown => troubles.push(format!("{path}: this validator does not know the keyword {unknown}")),
        }
    }
}

fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), Vec<String>> {
    let mut troubles = Vec::new();
    check(root, schema, value, "", &mut troubles);
    if troubles.is_empty() { Ok(()) } else { Err(troubles) }
}

fn check_combined(
    root: &Value,
    map: &serde_json::Map<String, Value>,
    (keyword, rule): (&str, &Value),
    value: &Value,
    path: &str,
    troubles: &mut Vec<String>,
) {
    let each = rule.as_array().map_or(&[][..], Vec::as_slice);
    let count = || each.iter().filter(|schema| fits(root, schema, value).is_ok()).count();
    match keyword {
        "allOf" => each.iter().for_each(|schema| check(root, schema, value, path, troubles)),
        "anyOf" if count() == 0 => {
            troubles.push(format!("{path}: fits none of {}", alternatives(root, each, value)))
        }
        "oneOf" if count() != 1 => {
            troubles.push(format!("{path}: fits {} of {}", count(), alternatives(root, each, value)));
        }
        "not" if fits(root, rule, value).is_ok() => troubles.push(format!("{path}: fits what it must not")),
        "if" => {
            let branch = if fits(root, rule, value).is_ok() { "then" } else { "else" };
            if let Some(schema) = map.get(branch) {
                check(root, schema, value, path, troubles);
            }
        }
        _ => {}
    }
}

/// Why each alternative does not fit, shortened.
fn alternatives(root: &Value, each: &[Value], value: &Value) -> String {
    let why: Vec<_> = each
        .iter()
        .map(|schema| fits(root, schema, value).err().map_or("fits".into(), |troubles| troubles.join("; ")))
        .collect();
    format!("{} alternatives: [{}]", each.len(), why.join("] ["))
}

fn check_kind(keyword: &str, rule: &Value, value: &Value, path: &str, troubles: &mut Vec<String>) {
    let right = match keyword {
        "const" => rule == value,
        "enum" => rule.as_array().is_some_and(|allowed| allowed.contains(value)),
        _ => match rule {
            Value::String(kind) => is_kind(kind, value),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).any(|kind| is_kind(kind, value)),
            _ => false,
        },
    };
    if !right {
        troubles.push(format!("{path}: {value} is not of {keyword} {rule}"));
    }
}

fn is_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

fn check_object(
    root: &Value,
    map: &serde_json::Map<String, Value>,
    keyword: &str,
    value: &Value,
    path: &str,
    troubles: &mut Vec<String>,
) {
    let Some(object) = value.as_object() else { return };
    let rule = &map[keyword];
    match keyword {
        "required" => {
            let missing = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
            missing
                .filter(|name| !object.contains_key(*name))
                .for_each(|name| troubles.push(format!("{path}: {name} is missing")));
        }
        "properties" => {
            for (name, schema) in rule.as_object().into_iter().flatten() {
                if let Some(value) = object.get(name) {
                    check(root, schema, value, &format!("{path}/{name}"), troubles);
                }
            }
        }
        "additionalProperties" => {
            let known = |name: &str| map.get("properties").is_some_and(|p| p.get(name).is_some());
            for (name, value) in object.iter().filter(|(name, _)| !known(name)) {
                check(root, rule, value, &format!("{path}/{name}"), troubles);
            }
        }
        "propertyNames" => {
            for name in object.keys() {
                check(root, rule, &Value::String(name.clone()), &format!("{path}/{name}"), troubles);
            }
        }
        "minProperties" => {
            if rule.as_u64().is_none_or(|least| (object.len() as u64) < least) {
                troubles.push(format!("{path}: fewer than {rule} fields"));
            }
        }
        other => troubles.push(format!("{path}: this validator does not know the keyword {other}")),
    }
}

fn check_array(
    root: &Value,
    (keyword, rule): (&str, &Value),
    value: &Value,
    path: &str,
    troubles: &mut Vec<String>,
) {
    let Some(array) = value.as_array() else { return };
    let count = array.len() as u64;
    match keyword {
        "items" => {
            for (place, value) in array.iter().enumerate() {
                check(root, rule, value, &format!("{path}/{place}"), troubles);
            }
        }
        "minItems" if rule.as_u64().is_none_or(|least| count < least) => {
            troubles.push(format!("{path}: fewer than {rule} items"));
        }
        "maxItems" if rule.as_u64().is_none_or(|most| count > most) => {
            troubles.push(format!("{path}: more than {rule} items"));
        }
        "uniqueItems" if (1..array.len()).any(|at| array[..at].contains(&array[at])) => {
            troubles.push(format!("{path}: an item twice"));
        }
        "prefixItems" => troubles.push(format!("{path}: this validator does not know the keyword {keyword}")),
        _ => {}
    }
}

fn check_range(keyword: &str, rule: &Value, value: &Value, path: &str, troubles: &mut Vec<String>) {
    let limit = rule.as_f64().unwrap_or(f64::NAN);
    let number = value.as_f64();
    let length = value.as_str().map(|text| text.chars().count() as f64);
    let right = match keyword {
        "minimum" => number.is_none_or(|n| n >= limit),
        "maximum" => number.is_none_or(|n| n <= limit),
        "exclusiveMinimum" => number.is_none_or(|n| n > limit),
        "exclusiveMaximum" => number.is_none_or(|n| n < limit),
        "minLength" => length.is_none_or(|n| n >= limit),
        "maxLength" => length.is_none_or(|n| n <= limit),
        _ => false,
    };
    if !right {
        troubles.push(format!("{path}: {value} breaks {keyword} {rule}"));
    }
}

#[test]
fn the_validator_can_fail() {
    use serde_json::json;
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {
            "a": {"type": "integer", "minimum": 1, "maximum": 4},
            "b": {"type": "array", "items": {"$ref": "#/$defs/name"}, "maxItems": 2},
            "c": {"oneOf": [{"const": 1}, {"type": "string", "minLength": 3}]},
        },
        "$defs": {"name": {"enum": ["x", "y"]}},
    });
    let count = |value: Value| fits(&schema, &schema, &value).err().map_or(0, |troubles| troubles.len());
    assert_eq!(count(json!({"a": 1, "b": ["x", "y"], "c": "12-x"})), 0);
    for wrong in [
        json!({}),
        json!({"a": 0}),
        json!({"a": 5}),
        json!({"a": 1.5}),
        json!({"a": "1"}),
        json!({"a": 1, "z": 1}),
        json!({"a": 1, "b": ["z"]}),
        json!({"a": 1, "b": ["x", "x", "x"]}),
        json!({"a": 1, "c": 2}),
        json!({"a": 1, "c": "1"}),
        json!([]),
    ] {
        assert_eq!(count(wrong.clone()), 1, "{wrong}");
    }
    assert_eq!(
        fits(&json!({"surprise": 1}), &json!({"surprise": 1}), &json!(1)).err().map(|t| t.len()),
        Some(1)
    );
    let mut open = Vec::new();
    find_open(&json!({"type": "object", "properties": {}}), "", &mut open);
    assert_eq!(open.len(), 1);
}
