//! Just enough of JSON Schema 2020-12 for our own schema: a keyword it does not know is a trouble, never ignored.

use serde_json::Value;

/// What is wrong with a value; empty when it conforms.
pub(super) fn troubles(schema: &Value, value: &Value) -> Vec<String> {
    let mut troubles = Vec::new();
    check(schema, schema, value, "", &mut troubles);
    troubles
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, troubles: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().expect("a schema is an object") {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" => true,
            "properties" | "items" | "additionalProperties" | "propertyNames" => {
                within(root, schema, value, at, keyword, troubles);
                true
            }
            "$ref" => {
                let name =
                    wanted.as_str().and_then(|name| name.strip_prefix('#')).expect("a local reference");
                check(root, root.pointer(name).expect("a definition"), value, at, troubles);
                true
            }
            "oneOf" => one_of(root, wanted, value, at, troubles),
            _ => holds(keyword, wanted, value),
        };
        if !holds {
            troubles.push(format!("{at}: {value} breaks {keyword} {wanted}"));
        }
    }
}

/// Exactly one alternative holds. When none does, says why the nearest one does not.
fn one_of(root: &Value, wanted: &Value, value: &Value, at: &str, troubles: &mut Vec<String>) -> bool {
    let each = wanted.as_array().expect("alternatives").iter().map(|alternative| {
        let mut inner = Vec::new();
        check(root, alternative, value, at, &mut inner);
        inner
    });
    let each: Vec<_> = each.collect();
    let holding = each.iter().filter(|inner| inner.is_empty()).count();
    if holding == 0 {
        troubles.extend(each.into_iter().min_by_key(Vec::len).unwrap_or_default());
    }
    holding == 1
}

fn holds(keyword: &str, wanted: &Value, value: &Value) -> bool {
    let count = |n: usize| n as f64;
    let limit = wanted.as_f64().unwrap_or(f64::NAN);
    match keyword {
        "type" => match wanted.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_u64() || value.is_i64(),
            Some("number") => value.is_number(),
            other => panic!("type {other:?}"),
        },
        "const" => value == wanted,
        "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
        "minimum" => value.as_f64().is_none_or(|n| n >= limit),
        "maximum" => value.as_f64().is_none_or(|n| n <= limit),
        "minLength" => value.as_str().is_none_or(|s| count(s.chars().count()) >= limit),
        "maxLength" => value.as_str().is_none_or(|s| count(s.chars().count()) <= limit),
        "minItems" => value.as_array().is_none_or(|a| count(a.len()) >= limit),
        "maxItems" => value.as_array().is_none_or(|a| count(a.len()) <= limit),
        "required" => {
            let names = wanted.as_array().expect("names").iter().filter_map(Value::as_str);
            value.as_object().is_none_or(|object| names.into_iter().all(|name| object.contains_key(name)))
        }
        other => panic!("the tiny validator does not know {other}"),
    }
}

/// What stands inside: members of objects, elements of arrays.
fn within(root: &Value, schema: &Value, value: &Value, at: &str, keyword: &str, troubles: &mut Vec<String>) {
    let wanted = &schema[keyword];
    let members = || value.as_object().into_iter().flatten();
    match keyword {
        "items" => {
            for (place, element) in value.as_array().into_iter().flatten().enumerate() {
                check(root, wanted, element, &format!("{at}/{place}"), troubles);
            }
        }
        "properties" => {
            for (name, member) in members() {
                if let Some(wanted) = wanted.get(name) {
                    check(root, wanted, member, &format!("{at}/{name}"), troubles);
                }
            }
        }
        "propertyNames" => {
            for (name, _) in members() {
                check(root, wanted, &Value::from(name.as_str()), &format!("{at}/{name}"), troubles);
            }
        }
        _ => {
            let known = |name: &str| schema.get("properties").is_some_and(|known| known.get(name).is_some());
            for (name, member) in members().filter(|(name, _)| !known(name)) {
                match wanted {
                    Value::Bool(false) => troubles.push(format!("{at}/{name}: not allowed")),
                    Value::Bool(true) => {}
                    wanted => check(root, wanted, member, &format!("{at}/{name}"), troubles),
                }
            }
        }
    }
}
