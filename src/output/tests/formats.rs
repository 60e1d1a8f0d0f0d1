//! EVE's siblings: every kind of record, friendly and hostile, against what `ghostport schema` says and
//! against the grammars that their receivers have.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const JSON: [(&str, Write); 3] = [("ecs", ecs::write), ("ocsf", ocsf::write), ("hec", hec::write)];

/// The schemas of these, read once.
static SCHEMAS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let read = |(format, _): (&str, Write)| serde_json::from_str(&schema(format).unwrap()).unwrap();
    JSON.into_iter().map(read).collect()
});

/// Checks whole lines of a JSON format against its schema and its bound.
fn check_json(format: &str, lines: &[u8]) -> Vec<Value> {
    let place = JSON.iter().position(|(name, _)| *name == format).expect("a JSON format");
    let schema = &SCHEMAS[place];
    let text = std::str::from_utf8(lines).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let parsed = text.lines().map(|line| {
        assert!(line.len() < LINE_BYTES_MAX, "{format}: {} bytes", line.len());
        assert!(!line.chars().any(char::is_control), "{line}");
        let event: Value = serde_json::from_str(line).unwrap();
        let troubles = conform::troubles(schema, &event);
        assert!(troubles.is_empty(), "{format}: {}\n{line}", troubles.join("\n"));
        event
    });
    parsed.collect()
}

/// Names and values of a list with `special` characters escaped, as a reader of RFC 5424 or CEF finds them.
/// Panics on anything that such a reader would stumble over.
fn message(line: &str) -> (Vec<&str>, Vec<(String, String)>, &str) {
    let (head, rest) = line.split_once(" [ghostport@32473 ").expect("an element");
    let mut letters = rest.char_indices();
    let (mut pairs, mut word, mut value) = (Vec::new(), String::new(), None::<String>);
    let end = loop {
        let (at, letter) = letters.next().expect("the element ends");
        match (&mut value, letter) {
            (Some(text), '\\') => {
                let escaped = letters.next().expect("a letter").1;
                assert!(matches!(escaped, '"' | '\\' | ']'), "{line}");
                text.push(escaped);
            }
            (Some(text), '"') => {
                pairs.push((std::mem::take(&mut word), std::mem::take(text)));
                value = None;
            }
            (Some(text), letter) => {
                assert_ne!(letter, ']', "{line}");
                text.push(letter);
            }
            (None, '=') => {
                assert_eq!(letters.next().expect("a quote").1, '"');
                value = Some(String::new());
            }
            (None, ' ') => word.clear(),
            (None, ']') => break at,
            (None, letter) => word.push(letter),
        }
    };
    (head.split(' ').collect(), pairs, &rest[end + 1..])
}

fn check_syslog(lines: &[u8]) -> Vec<Vec<(String, String)>> {
    let text = std::str::from_utf8(lines).unwrap();
    let parsed = text.lines().map(|line| {
        assert!(line.len() < COMPACT_BYTES_MAX, "{} bytes", line.len());
        assert!(!line.chars().any(char::is_control), "{line}");
        let (head, pairs, rest) = message(line);
        let [priority, _time, host, app, process, kind] = head[..] else { panic!("{line}") };
        let priority: u8 = priority.strip_prefix('<').unwrap().strip_suffix(">1").unwrap().parse().unwrap();
        assert!((129..=134).contains(&priority), "{line}");
        assert!((1..=255).contains(&host.len()) && host.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!((app, process), ("ghostport", "-"));
        let said = rest.strip_prefix(' ').unwrap();
        assert_eq!(said.is_ascii(), !said.starts_with('\u{feff}'), "{line}");
        check_order(&pairs, &syslog::KEYS, &kind.to_lowercase(), line);
        pairs
    });
    parsed.collect()
}

fn check_cef(lines: &[u8]) -> Vec<Vec<(String, String)>> {
    let text = std::str::from_utf8(lines).unwrap();
    let parsed = text.lines().map(|line| {
        assert!(line.len() < COMPACT_BYTES_MAX, "{} bytes", line.len());
        assert!(!line.chars().any(char::is_control), "{line}");
        let fields = split_unescaped(line, '|', 8);
        assert_eq!((fields.len(), fields[0], fields[1]), (8, "CEF:0", "ghostport"), "{line}");
        let severity: u8 = fields[6].parse().unwrap();
        assert!(severity <= 10);
        let pairs = extension(fields[7]);
        let kind = if fields[4].parse::<u32>().is_ok() { "alert" } else { fields[4] };
        let labels: Vec<_> = pairs.iter().filter(|(key, _)| key.ends_with("Label")).collect();
        for (label, _) in &labels {
            let key = label.strip_suffix("Label").unwrap();
            assert!(pairs.iter().any(|(known, _)| known == key), "{key} has a label and no value: {line}");
        }
        let plain: Vec<_> = pairs.iter().filter(|(key, _)| !key.ends_with("Label")).cloned().collect();
        check_order(&plain, &cef::KEYS, kind, line);
        plain
    });
    parsed.collect()
}

/// Splits at a character that has no backslash before it, into at most `count` parts.
fn split_unescaped(text: &str, at: char, count: usize) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (place, letter) in text.char_indices() {
        if !escaped && letter == at && parts.len() + 1 < count {
            parts.push(&text[start..place]);
            start = place + letter.len_utf8();
        }
        escaped = !escaped && letter == '\\';
    }
    parts.push(&text[start..]);
    parts
}

/// Keys and values of CEF: a key is the last word before a `=` without a backslash.
fn extension(text: &str) -> Vec<(String, String)> {
    let parts = split_unescaped(text, '=', usize::MAX);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let is_last = place + 1 == parts.len();
        let (value, key) = if is_last { (*part, "") } else { part.rsplit_once(' ').unwrap_or(("", part)) };
        if let Some(pair) = pairs.last_mut() {
            pair.1 = value.replace("\\=", "=").replace("\\\\", "\\");
        }
        if !is_last {
            assert!(!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text}");
            pairs.push((key.to_owned(), String::new()));
        }
    }
    pairs
}

/// Keys are those that the table has for this kind of record, in its order, each once, the required all
/// there.
fn check_order(pairs: &[(String, String)], keys: &[Key], kind: &str, line: &str) {
    let mut places = keys.iter();
    for (key, _) in pairs {
        let known = places.by_ref().find(|(name, ..)| name == key);
        let (_, _, kinds, _) = known.unwrap_or_else(|| panic!("{key} is unknown or out of order: {line}"));
        assert!(kinds.contains(&kind[..1]), "{key} is not said of a {kind}: {line}");
    }
    for (name, _, kinds, required) in keys {
        let there = pairs.iter().any(|(key, _)| key == name);
        assert!(there || !required || !kinds.contains(&kind[..1]), "{name} is missing: {line}");
    }
}

#[test]
fn samples_of_every_format_conform() {
    let inputs = ["captures/one.pcap".to_owned()];
    let verdicts = [full(), verdict(9, 3098, Story::Scan)];
    for (number, context) in contexts(&inputs, "sensor 1").iter().enumerate() {
        let all = JSON.into_iter().chain([("syslog", syslog::write as Write), ("cef", cef::write)]);
        for (format, write) in all {
            let lines = lines(write, context, &verdicts);
            let count = match format {
                "syslog" => check_syslog(&lines).len(),
                "cef" => check_cef(&lines).len(),
                json => check_json(json, &lines).len(),
            };
            // OCSF has no place for the two ports and the counters of the run.
            assert_eq!(count, if format == "ocsf" { 8 } else { 11 }, "{format}");
            if let Some(folder) = std::env::var_os("SAMPLES_TO") {
                std::fs::write(std::path::Path::new(&folder).join(format!("{number}.{format}")), &lines)
                    .unwrap();
            }
        }
    }
}

#[test]
fn the_siblings_say_what_eve_says() {
    let inputs = ["one.pcap".to_owned()];
    let context = contexts(&inputs, "")[0];
    let alert = alert(full());
    let said = |write: Write| {
        let mut line = Vec::new();
        write(&mut line, &context, &Record::Alert(&alert));
        line
    };
    let json = |write| serde_json::from_slice::<Value>(&said(write)).unwrap();
    let eve = json(eve::write);
    let (ecs, ocsf, hec) = (json(ecs::write), json(ocsf::write), json(hec::write));
    assert_eq!(hec["event"], eve);
    assert_eq!(ecs["ghostport"], eve["ghostport"]);
    let evidence = &ocsf["evidences"][0];
    assert_eq!(evidence["data"]["ghostport"], eve["ghostport"]);
    assert_eq!(ecs["source"]["ip"], eve["src_ip"]);
    assert_eq!(evidence["dst_endpoint"]["port"], eve["dest_port"]);
    assert_eq!((&ecs["rule"]["id"], &ocsf["type_uid"]), (&"1000001".into(), &200_401.into()));
    assert_eq!(hec["time"], 1_700_000_003.007);
    assert_eq!(ecs["@timestamp"], "2023-11-14T22:13:23.007000Z");
    let id = &ecs["event"]["id"];
    let (syslog, cef) = (check_syslog(&said(syslog::write)), check_cef(&said(cef::write)));
    let find = |pairs: &[(String, String)], key: &str| {
        Value::from(pairs.iter().find(|(name, _)| name == key).expect("there").1.clone())
    };
    assert_eq!((id, id), (&ocsf["metadata"]["uid"], &hec["fields"]["event_id"]));
    assert_eq!((id, id), (&find(&syslog[0], "id"), &find(&cef[0], "externalId")));
    assert_eq!(find(&syslog[0], "cid"), eve["community_id"]);
    assert_eq!(find(&cef[0], "cs6"), eve["community_id"]);
}

#[test]
fn the_way_of_a_flow_is_said_in_the_words_of_each_receiver() {
    let context = contexts(&[], "")[0];
    let (ours, foreign) = ("10.1.2.3", "2001:db8::1");
    for (from, to, way, ocsf, cef) in [
        (foreign, ours, "inbound", (1, "Inbound"), Some("0")),
        (ours, foreign, "outbound", (2, "Outbound"), Some("1")),
        (ours, ours, "internal", (3, "Lateral"), None),
        (foreign, foreign, "external", (99, "External"), None),
    ] {
        let mut verdict = full();
        let flow = &mut verdict.evidence.flow;
        (flow.originator.addr, flow.responder.addr) = (from.parse().unwrap(), to.parse().unwrap());
        let alert = alert(verdict);
        for record in [Record::Alert(&alert), Record::Flow { verdict: &alert.verdict, alerted: true }] {
            let said = |write: Write| {
                let mut line = Vec::new();
                write(&mut line, &context, &record);
                line
            };
            assert_eq!(check_json("ecs", &said(ecs::write))[0]["network"]["direction"], way);
            let line = &check_json("ocsf", &said(ocsf::write))[0];
            let connection = line.pointer("/evidences/0/connection_info").unwrap_or(&line["connection_info"]);
            assert_eq!(
                (&connection["direction_id"], &connection["direction"]),
                (&ocsf.0.into(), &ocsf.1.into())
            );
            let find = |pairs: &[(String, String)], key: &str| {
                pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
            };
            assert_eq!(find(&check_cef(&said(cef::write))[0], "deviceDirection").as_deref(), cef);
            assert_eq!(find(&check_syslog(&said(syslog::write))[0], "way").as_deref(), Some(way));
        }
    }
}

#[test]
fn techniques_come_with_the_tactics_that_they_serve() {
    let mut alert = alert(full());
    let said = |write: Write, alert: &Alert| {
        let mut line = Vec::new();
        write(&mut line, &contexts(&[], "")[0], &Record::Alert(alert));
        line
    };
    // Of ICS no tactics are known here.
    Arc::make_mut(&mut alert.rule).techniques = ["T1133", "T1021.004", "T0886"].map(str::to_owned).to_vec();
    let threat = &check_json("ecs", &said(ecs::write, &alert))[0]["threat"];
    assert_eq!(threat["tactic"]["id"], json!(["TA0001", "TA0003", "TA0008"]));
    assert_eq!(threat["tactic"]["name"], json!(["Initial Access", "Persistence", "Lateral Movement"]));
    assert_eq!(threat["technique"]["id"], json!(["T1133", "T1021", "T0886"]));
    let attacks = &check_json("ocsf", &said(ocsf::write, &alert))[0]["finding_info"]["attacks"];
    let attack = |tactic: Value, technique, sub: Value| {
        let mut attack = json!({"technique": {"uid": technique}, "version": "18.1"});
        let parts = [("tactic", tactic), ("sub_technique", sub)];
        parts.into_iter().filter(|(_, part)| !part.is_null()).for_each(|(key, part)| attack[key] = part);
        attack
    };
    let tactic = |uid, name| json!({"uid": uid, "name": name});
    assert_eq!(
        attacks,
        &json!([
            attack(tactic("TA0001", "Initial Access"), "T1133", Value::Null),
            attack(tactic("TA0003", "Persistence"), "T1133", Value::Null),
            attack(tactic("TA0008", "Lateral Movement"), "T1021", json!({"uid": "T1021.004"})),
            attack(Value::Null, "T0886", Value::Null),
        ])
    );
    // As many as a rule may have, each with several tactics, in a line that is full otherwise too.
    let long = "\\".repeat(5000);
    let mut alert = hostile_alert(60, '\\', &long, "");
    Arc::make_mut(&mut alert.rule).techniques = vec!["T1078.004".to_owned(); 99];
    for (format, write) in JSON {
        check_json(format, &said(write, &alert));
    }
}

#[test]
fn an_identifier_is_of_what_is_said_and_of_who_says_it() {
    let inputs = ["one.pcap".to_owned()];
    let context = contexts(&inputs, "")[0];
    let elsewhere = Context { inputs: &[], host: Some("sensor2"), ..context };
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for context in [context, elsewhere] {
        each_record(&[full(), verdict(9, 3098, Story::Scan)], false, |record| {
            assert_eq!(record.id(&context), record.id(&context));
            seen.insert(record.id(&context));
            count += 1;
        });
    }
    assert_eq!((seen.len(), count), (22, 22), "no two records share an identifier");
    let renamed = Context { inputs: &[], ..context };
    let alert = alert(full());
    assert_eq!(Record::Alert(&alert).id(&context), Record::Alert(&alert).id(&renamed));
}

#[test]
fn what_an_analyst_works_on_keeps_its_name_through_its_life() {
    let mut uids = BTreeSet::new();
    for (stage, activity) in [(Stage::First, 1), (Stage::Update, 2), (Stage::Closing, 3)] {
        let mut alert = alert(full());
        alert.aggregate.stage = stage;
        let mut line = Vec::new();
        ocsf::write(&mut line, &contexts(&[], "")[0], &Record::Alert(&alert));
        let finding = &check_json("ocsf", &line)[0];
        assert_eq!(finding["activity_id"], activity);
        assert_eq!(finding.get("status_id").is_some(), stage == Stage::First);
        uids.insert(finding["finding_info"]["uid"].to_string());
    }
    assert_eq!(uids.len(), 1);
}

#[test]
fn splunk_chooses_the_time_where_there_was_no_clock() {
    let empty = Skips::default();
    let stats = Stats { clock: Timestamp::MIN, ..stats(&empty, false) };
    let mut line = Vec::new();
    hec::write(&mut line, &contexts(&[], "")[0], &Record::Stats(&stats));
    let event = &check_json("hec", &line)[0];
    assert_eq!((event.get("time"), &event["source"]), (None, &"ghostport".into()));
}

#[test]
fn an_old_capture_keeps_its_time_in_ocsf() {
    let mut old = full();
    let flow = &mut old.evidence.flow;
    (flow.start, flow.end) = (Timestamp::from_parts(5, 0), Timestamp::from_parts(7, 0));
    let mut lines = Vec::new();
    for verdict in [&old, &full()] {
        ocsf::write(&mut lines, &contexts(&[], "")[0], &Record::Flow { verdict, alerted: false });
    }
    let [old, new] = &check_json("ocsf", &lines)[..] else { panic!("two lines") };
    assert_eq!((&old["time"], &old["end_time"]), (&1_000_000_001_000_i64.into(), &7000.into()));
    assert_eq!(old["metadata"]["original_time"], "1970-01-01T00:00:07.000000Z");
    assert_eq!((&new["time"], new["metadata"].get("original_time")), (&new["end_time"], None));
}

#[test]
fn escapes_are_those_of_the_receivers() {
    let mut alert = alert(full());
    alert.signature = r#"a|b\c=d]e"f ü"#.into();
    Arc::make_mut(&mut alert.rule).category = r#"x]y"z\=|"#.to_owned();
    let context = contexts(&[], "")[0];
    let (mut syslog, mut cef) = (Vec::new(), Vec::new());
    syslog::write(&mut syslog, &context, &Record::Alert(&alert));
    cef::write(&mut cef, &context, &Record::Alert(&alert));
    check_syslog(&syslog);
    check_cef(&cef);
    let (syslog, cef) = (String::from_utf8(syslog).unwrap(), String::from_utf8(cef).unwrap());
    assert!(syslog.contains(r#"category="x\]y\"z\\=|""#), "{syslog}");
    assert!(syslog.ends_with("] \u{feff}a|b\\c=d]e\"f ü\n"), "{syslog}");
    assert!(cef.contains(r#"|a\|b\\c=d]e"f ü|7|"#), "{cef}");
    assert!(cef.contains(r#" cat=x]y"z\\\=| "#), "{cef}");
}

#[test]
fn what_json_doubles_fits_too() {
    let long = "\\".repeat(5000);
    let inputs = [long.clone()];
    let alert = hostile_alert(60, '\\', &long, "");
    for context in contexts(&inputs, &long) {
        for record in [Record::Alert(&alert), Record::Flow { verdict: &alert.verdict, alerted: false }] {
            for (format, write) in JSON {
                let mut line = Vec::new();
                write(&mut line, &context, &record);
                assert_eq!(check_json(format, &line).len(), 1);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_hostile_record_gives_whole_short_lines_in_every_format(
        length in 0_usize..120,
        character in any::<char>(),
        name in any::<String>(),
        size in 0_usize..5000,
    ) {
        let long: String = std::iter::repeat_n(character, size).collect();
        let inputs = [long.clone()];
        let alert = hostile_alert(length, character, &long, &name);
        for context in contexts(&inputs, &long) {
            let said = |write: Write| {
                let mut lines = Vec::new();
                write(&mut lines, &context, &Record::Alert(&alert));
                write(&mut lines, &context, &Record::Flow { verdict: &alert.verdict, alerted: false });
                lines
            };
            prop_assert_eq!(check(&said(eve::write)).len(), 2);
            for (format, write) in JSON {
                prop_assert_eq!(check_json(format, &said(write)).len(), 2);
            }
            prop_assert_eq!(check_syslog(&said(syslog::write)).len(), 2);
            prop_assert_eq!(check_cef(&said(cef::write)).len(), 2);
        }
    }
}
