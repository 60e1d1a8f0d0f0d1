//! Tests of importing rules: what is taken over, what is left out, and that all of it passes the check. The
//! rules here are made up.

use proptest::prelude::*;

use super::*;
use crate::registry::Level;
use crate::rules::Rules;

fn imported(text: &str) -> Imported {
    let variables = [("HTTP_PORTS", "[80,8080]")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let done = import(Place { file: "s.rules", text }, &BTreeMap::from(variables));
    let mut said = Vec::new();
    Rules::assemble(&[Place { file: "made.toml", text: &done.toml }], &mut said);
    let wrong: Vec<String> =
        said.iter().filter(|d| d.level == Level::Error).map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{text}\n{}\n{wrong:?}", done.toml);
    done
}

fn said(text: &str) -> Vec<String> {
    let shown = |d: &Diagnostic| format!("{}:{}:{}: {}", d.file, d.line, d.column, d.what);
    imported(text).said.iter().map(shown).collect()
}

#[test]
fn a_rule_about_a_protocol_on_a_port() {
    let done = imported(
        r#"# a comment
alert tcp $EXTERNAL_NET any -> $HOME_NET [3007,3098:3100] (msg:"An \"odd\" shell {x}"; \
  flow:established,to_server; app-layer-protocol:ssh; reference:url,example.org/a; \
  classtype:policy-violation; metadata:mitre_technique_id T1571, x y; sid:2900001; rev:4;)
"#,
    );
    assert_eq!((done.written, done.left_out, done.said.len()), (1, 0, 0), "{:?}", done.said);
    let conditions =
        r#"ports = [3007, "3098-3100"], transport = ["tcp"], app_proto = ["ssh"], answered = true"#;
    let expected = format!(
        r#"[[rule]]
id = "imported-1300001"
sid = 1300001
rev = 4
title = "An \"odd\" shell (x)"
severity = "high"
category = "Potential Corporate Privacy Violation"
techniques = ["T1571"]
about = "Imported: sid 2900001 of s.rules, line 2. Reference: url,example.org/a."
match = {{ {conditions}, direction = ["inbound"] }}

"#
    );
    assert_eq!(done.toml, expected);
}

#[test]
fn a_rule_about_a_number_is_informational() {
    let done = imported("drop udp any any -> any $HTTP_PORTS (msg:\"x\"; priority:1; sid:1;)");
    assert!(done.toml.contains("severity = \"informational\"") && done.toml.contains("ports = [80, 8080]"));
    assert!(done.said[0].what.contains("becomes an alert"), "{:?}", done.said);
    assert!(done.said[1].what.contains("sid 1 looks at a port number alone"));
}

#[test]
fn sides_and_directions() {
    let conditions = |head: &str, options: &str| {
        let done = imported(&format!("alert tcp {head} (msg:\"x\"; {options} sid:7;)"));
        let line = done.toml.lines().find(|line| line.starts_with("match")).unwrap_or_default();
        line.replace("match = { ports = [3007], transport = [\"tcp\"]", "").replace(" }", "")
    };
    assert_eq!(conditions("any any -> any 3007", ""), "");
    assert_eq!(conditions("$HOME_NET any -> any 3007", ""), ", direction = [\"outbound\", \"internal\"]");
    assert_eq!(conditions("any 3007 -> $EXTERNAL_NET any", ""), ", direction = [\"inbound\", \"external\"]");
    let answers = conditions("$HOME_NET 3007 -> any any", "flow:from_server;");
    assert_eq!(answers, ", direction = [\"inbound\", \"internal\"]");
    let both = conditions("$HOME_NET any <> $EXTERNAL_NET 3007", "");
    assert_eq!(both, ", direction = [\"inbound\", \"outbound\"]");
    assert_eq!(conditions("10.1.2.3/8 any -> any 3007", ""), ", originator = [\"10.0.0.0/8\"]");
    assert!(imported("alert tcp !10.0.0.1 any -> any 1 (sid:3;)").toml.contains("unless = [{ originator"));
    let counted =
        imported("alert tcp any any -> any 1 (threshold:type both,track by_src,count 5,seconds 60; sid:3;)");
    assert!(counted.toml.contains("threshold = { count = 5, seconds = 60, by = \"originator\" }"));
}

#[test]
fn what_is_left_out_says_where_and_why() {
    let rule =
        |options: &str| said(&format!("alert tcp any any -> any 3007 (msg:\"x\"; {options})")).join("\n");
    assert_eq!(
        rule("content:\"a;b)\"; pcre:\"/x/\"; sid:5;"),
        "s.rules:1:41: left out: it asks for content, pcre"
    );
    assert!(rule("rev:1;").ends_with("left out: it has no sid"));
    assert!(rule("flow:not_established; sid:5;").contains("\"not_established\" is not taken over"));
    assert!(rule("app-layer-protocol:nothing; sid:5;").contains("\"nothing\" is not known"));
    let head = |head: &str| said(&format!("{head} (msg:\"x\"; sid:5;)")).join("\n");
    assert!(head("alert icmp any any -> any any").starts_with("s.rules:1:7: left out: protocol \"icmp\""));
    assert!(head("alert tcp any any -> any $SSH_PORTS").contains("--var SSH_PORTS=VALUE"));
    assert!(head("alert tcp any 1 -> any 2").contains("1:15: left out: it asks for both ports"));
    assert!(head("alert udp any 123 <> any 123").contains("it asks for both ports"));
    assert!(head("alert tcp any any -> any any").contains("names no port"));
    assert!(head("pass tcp any any -> any 1").contains("action \"pass\""));
    assert!(head("alert tcp any any").contains("seven words"));
    assert!(head("alert tcp 10.0.0.1 any <> any 1").contains("both directions between networks"));
    assert!(said("alert tcp any any -> any 1").join("").contains("it has no options"));
    let twice = "alert tcp any any -> any 1 (sid:1;)\nalert tcp any any -> any 2 (sid:900001;)\n";
    assert!(said(twice)[1].contains("sid 900001 becomes 1100001, which another rule"), "{:?}", said(twice));
}

#[test]
fn a_client_port_is_never_looked_at() {
    let wrong = said("alert tcp any 3007 -> any any (flow:to_server; sid:5;)");
    assert_eq!(wrong, ["s.rules:1:15: left out: it asks for the originator's port"]);
}

/// What may be put into a rule: what has a meaning there, and some that has none.
const PUT: &str = "(?s)[\\[\\]!$,:;()\"\\\\ \n<>a-z0-9{}é]{0,4}";

proptest! {
    #[test]
    fn any_text_is_imported_or_left_out(text in "(?s).{0,300}") {
        imported(&text);
    }

    #[test]
    fn any_change_of_a_good_rule(at in 0usize..200, cut in 0usize..9, put in PUT) {
        let good = "alert tcp [10.0.0.0/8,!$HOME_NET] any -> any [80,$HTTP_PORTS,!8080:] (msg:\"a; {b}\"; \
                    flow:established; threshold:type limit,track by_src,count 1,seconds 9; \
                    reference:url,x; metadata:a T1571; app-layer-protocol:!http; sid:77; rev:2;)";
        let mut text = good.to_owned();
        text.replace_range(at.min(good.len())..(at + cut).min(good.len()), &put);
        let done = imported(&format!("{text}\n{good}\n"));
        prop_assert!(done.written + done.left_out >= 1);
    }
}
