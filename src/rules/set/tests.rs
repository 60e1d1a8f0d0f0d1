//! Tests of the rule set: the committed rules, mistakes in files, thresholds, suppressions and expected
//! services.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::evidence::example::{any_flow, any_world};
use crate::payload::{App, Sides};
use crate::registry::{PortStatus, Tags, Tier};
use crate::rules::subject::FactNames;
use crate::rules::word::{FactName, Named};
use crate::rules::{Severity, Way};
use crate::verdict::{Story, judge};
use crate::wire::{Endpoint, Transport};

const GOOD: &str = "[[rule]]\nid = 'x'\nsid = 1100000\nrev = 1\ntitle = 'X on {port}'\nseverity = 'low'\n\
                    category = 'Misc activity'\nmatch = { story = 'scan' }\n";

fn said(text: &str) -> Vec<String> {
    let mut said = Vec::new();
    Rules::assemble(&[Place { file: "r.toml", text }], &mut said);
    said.iter()
        .map(|d| format!("{} {}:{}:{}: {}", d.level.name(), d.file, d.line, d.column, d.what))
        .collect()
}

fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    said(&GOOD.replace(from, to))
}

fn rules(text: &str) -> Rules {
    Rules::of(&[Place { file: "r.toml", text }]).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A scan of 3098 by 10.0.0.1, `seconds` into the run.
fn subject(flow: u64, seconds: i64) -> Subject<'static> {
    let originator: IpAddr = "10.0.0.1".parse().unwrap();
    Subject {
        flow,
        start: Timestamp::from_parts(seconds, 0),
        time: Timestamp::from_parts(seconds, 0),
        transport: Transport::Tcp,
        originator,
        responder: Endpoint::new("10.0.0.2".parse().unwrap(), 3098),
        way: Way::Internal.into(),
        internal: &Rules::builtin().internal.0,
        tier: Tier::Registered,
        status: PortStatus::Dormant,
        tags: Tags::default(),
        claims: Registry::builtin().on(Transport::Tcp, 3098),
        story: Story::Scan,
        probability: 0.9,
        app: App::Unknown,
        sides: Sides::Neither,
        outcome: crate::flow::Outcome::Refused,
        conn_state: crate::flow::ConnState::Rej,
        facts: FactNames::Names(Vec::new()),
        bytes: 100,
        packets: 2,
        asked_bytes: 0,
        answered_bytes: 0,
        process: None,
    }
}

/// What rules remember, and what whoever keeps the flows remembers for them.
#[derive(Default)]
struct Memory {
    state: State,
    flows: BTreeMap<u64, Spoken>,
}

fn speaks(rules: &Rules, memory: &mut Memory, subject: &Subject<'_>) -> Vec<Severity> {
    let Memory { state, flows } = memory;
    let spoken = flows.entry(subject.flow).or_default();
    let mut said = Vec::new();
    for policy in &rules.policies {
        if rules.speaks(policy, state, spoken, subject).is_some() {
            said.extend(policy.fires(subject).map(|rule| rule.severity));
        }
    }
    said
}

#[test]
fn the_compiled_in_rules_load_pass_their_cases_and_say_nothing_doubtful() {
    assert_eq!(Rules::check(&[], None), []);
    let report = Rules::builtin().test();
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!((Rules::builtin().len(), report.cases), (14, 56));
    for policy in Rules::builtin().list() {
        assert!(policy.cases() >= 2 && !policy.about().is_empty(), "{}", policy.rule.id);
        assert!(policy.rule.sid < 1_100_000);
    }
}

/// Whatever the port: these stories explain themselves, and a flow that was not answered is no service.
#[test]
fn ordinary_traffic_is_silent() {
    let quiet =
        [Story::RegisteredService, Story::NegotiatedPort, Story::EphemeralOverlap, Story::Backscatter];
    for port in 0..=u16::MAX {
        let registry = Registry::builtin();
        let mut subject = subject(1, 0);
        subject.responder.port = port;
        subject.status = registry.status(Transport::Tcp, port);
        subject.tags = registry.tags(Transport::Tcp, port);
        subject.outcome = crate::flow::Outcome::Established;
        (subject.asked_bytes, subject.answered_bytes) = (100, 100);
        for story in quiet {
            subject.story = story;
            assert_eq!(speaks(Rules::builtin(), &mut Memory::default(), &subject), [], "{port}");
        }
        if subject.status == PortStatus::Active {
            for story in [Story::KnownSquatter, Story::Undetermined] {
                subject.story = story;
                assert_eq!(speaks(Rules::builtin(), &mut Memory::default(), &subject), [], "{port}");
            }
        }
        subject.story = Story::Undetermined;
        subject.outcome = crate::flow::Outcome::Unanswered;
        assert_eq!(speaks(Rules::builtin(), &mut Memory::default(), &subject), [], "{port}");
    }
}

/// At most one alert of the group for a flow, whatever the port and the story.
#[test]
fn one_alert_per_flow() {
    let registry = Registry::builtin();
    for port in 0..=u16::MAX {
        let mut subject = subject(1, 0);
        subject.responder.port = port;
        subject.status = registry.status(Transport::Tcp, port);
        subject.tags = registry.tags(Transport::Tcp, port);
        subject.outcome = crate::flow::Outcome::Established;
        (subject.asked_bytes, subject.answered_bytes) = (100, 100);
        for story in Story::ALL {
            subject.story = story;
            assert!(
                speaks(Rules::builtin(), &mut Memory::default(), &subject).len() <= 1,
                "{port} {story:?}"
            );
        }
    }
}

#[test]
fn every_mistake_has_its_place() {
    assert_eq!(said(GOOD), Vec::<String>::new());
    let one = |from: &str, to: &str| changed(from, to).join("\n");
    assert_eq!(one("'x'", "'X'"), "error r.toml:2:6: \"X\" is not an id");
    assert_eq!(one("1100000", "999999"), "error r.toml:3:7: sid 999999 is out of range");
    assert_eq!(one("rev = 1", "rev = 0"), "error r.toml:4:7: rev 0 is out of range");
    assert_eq!(one("{port}", "{prot}"), "error r.toml:5:9: {prot} stands for nothing");
    assert_eq!(one("'Misc activity'", "''"), "error r.toml:7:12: one line of text is needed here");
    assert_eq!(
        one("{ story = 'scan' }", "{ ports = 3007, status = 'dormant' }"),
        "warning r.toml:2:6: rule \"x\" looks at a port number alone"
    );
    assert_eq!(
        one("{ story = 'scan' }", "{ ports = '9-3' }"),
        "error r.toml:8:19: empty range: 9 is above 3"
    );
    assert!(one("match =", "macth =").starts_with("error r.toml:8:1: unknown field `macth`"));
    assert!(one("story =", "stroy =").starts_with("error r.toml:8:11: unknown field `stroy`"));
    assert!(one("'scan'", "'scna'").starts_with("error r.toml:8:19: unknown story `scna`"));
    assert!(one("'low'", "'mild'").starts_with("error r.toml:6:12: unknown severity `mild`"));
    let more = |line: &str| said(&format!("{GOOD}{line}\n")).join("\n");
    assert_eq!(more("techniques = ['X1']"), "error r.toml:9:15: \"X1\" is not an ATT&CK technique");
    assert_eq!(
        more("threshold = { count = 0, seconds = 1, by = 'rule' }"),
        "error r.toml:9:13: a threshold of nothing"
    );
    assert_eq!(more("unless = [{}]"), "error r.toml:9:11: an empty `unless` silences the rule");
    let twice = said(&format!("{GOOD}{GOOD}"));
    assert_eq!(
        twice,
        [
            "error r.toml:10:6: there is another rule \"x\"",
            "error r.toml:11:7: there is another rule with sid 1100000"
        ]
    );
}

#[test]
fn mistakes_in_suppress_and_expected_have_places() {
    let more = |text: &str| said(&format!("{GOOD}{text}\n")).join("\n");
    assert!(more("[[suppress]]\nreason = 'why'").contains("this would silence everything"));
    assert_eq!(
        more("[[suppress]]\nrule = 'y'\nreason = 'why'"),
        "error r.toml:10:8: there is no rule \"y\" to suppress"
    );
    assert!(more("[[suppress]]\nrule = 'x'").contains("missing field `reason`"));
    assert_eq!(
        more("[[suppress]]\nnet = '10.0.0.1/8'\nreason = 'why'"),
        "error r.toml:10:7: \"10.0.0.1/8\" has bits set behind its prefix: 10.0.0.0/8 is meant?"
    );
    let expected = "[[expected]]\nnet = '10.0.0.0/8'\nports = 1\nowner = 'me'\n";
    assert!(more(&format!("{expected}expires = 2027-01-01")).contains("any protocol would be expected"));
    assert_eq!(
        more(&format!("{expected}app_proto = 'http'\nexpires = 10:00:00")),
        "error r.toml:14:11: 10:00:00 is not a date"
    );
}

#[test]
fn a_typo_leads_to_the_word_that_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.toml");
    std::fs::write(&path, GOOD.replace("severity", "severty")).unwrap();
    let wrong = Rules::load(std::slice::from_ref(&path), None).unwrap_err().to_string();
    assert!(wrong.starts_with(&format!("{}:6:1: error: unknown field `severty`", path.display())), "{wrong}");
    assert!(wrong.contains("6 | severty = 'low'\n"), "{wrong}");
    assert!(wrong.contains("^^^^^^^"), "{wrong}");
    assert!(wrong.ends_with("help: did you mean `severity`?"), "{wrong}");
    std::fs::write(&path, GOOD).unwrap();
    assert_eq!(Rules::load(&[], Some(std::slice::from_ref(&path))).unwrap().len(), 1);
    assert_eq!(Rules::load(std::slice::from_ref(&path), None).unwrap().len(), Rules::builtin().len() + 1);
    assert!(Rules::load(&[dir.path().join("none")], None).unwrap_err().to_string().contains("No such file"));
}

#[test]
fn a_rule_speaks_once_about_a_flow_and_a_threshold_holds_back() {
    let rules = rules(&format!("{GOOD}threshold = {{ count = 2, seconds = 60, by = 'originator' }}\n"));
    let mut memory = Memory::default();
    let mut counted = |flow, seconds| speaks(&rules, &mut memory, &subject(flow, seconds)).len();
    assert_eq!((counted(1, 0), counted(1, 1), counted(2, 2), counted(3, 3)), (0, 0, 1, 1));
    assert_eq!(memory.state.counters().held_back, 0, "the one held back is part of what was said");
    memory.state.aggregates.finish();
    let mut counted = |flow, seconds| speaks(&rules, &mut memory, &subject(flow, seconds)).len();
    assert_eq!((counted(4, 60), counted(5, 61)), (0, 1), "the next window");
}

#[test]
fn a_group_speaks_again_only_with_something_worse() {
    let second = GOOD.replace("'x'", "'y'").replace("1100000", "1100001");
    let grouped = |text: &str| text.replace("rev = 1", "rev = 1\ngroup = 'g'");
    let rules = rules(&format!(
        "{}{}{}",
        grouped(GOOD),
        grouped(&second),
        grouped(&second).replace("'y'", "'z'").replace("1100001", "1100002").replace("'low'", "'high'")
    ));
    let mut memory = Memory::default();
    assert_eq!(speaks(&rules, &mut memory, &subject(1, 0)), [Severity::Low, Severity::High]);
    assert_eq!(memory.state.counters().grouped, 1);
}

#[test]
fn silence_is_counted() {
    let suppress =
        "[[suppress]]\nrule = 'x'\nnet = '10.0.0.1'\nports = '3000-3100'\nreason = 'our scanner'\n";
    let rules = rules(&format!("{GOOD}{suppress}"));
    let mut memory = Memory::default();
    assert_eq!(speaks(&rules, &mut memory, &subject(1, 0)), []);
    assert_eq!(memory.state.counters().suppressed, 1);
    assert_eq!(memory.state.silenced().get("r.toml:9"), Some(&1));
    let mut other = subject(2, 0);
    other.originator = "10.0.0.3".parse().unwrap();
    assert_eq!(speaks(&rules, &mut memory, &other), [Severity::Low]);
}

/// A list so long that its entries are looked up: those about a host, those about any, and the first of both.
#[test]
fn a_long_list_silences_as_a_short_one_does() {
    let entry = |about: &str| format!("[[suppress]]\n{about}\nreason = 'known'\n");
    let others: String = (1..40).map(|host| entry(&format!("net = '192.0.2.{host}'"))).collect();
    let (rule, host) = (entry("rule = 'x'"), entry("net = '10.0.0.2'"));
    for (entries, line) in [
        (format!("{others}{host}"), Some(9 + 3 * 39)),
        (format!("{others}{rule}"), Some(9 + 3 * 39)),
        (format!("{host}{others}{rule}"), Some(9)),
        (format!("{rule}{others}{host}"), Some(9)),
        (others.clone(), None),
    ] {
        let (rules, mut memory) = (rules(&format!("{GOOD}{entries}")), Memory::default());
        assert_eq!(speaks(&rules, &mut memory, &subject(1, 0)).is_empty(), line.is_some());
        let silenced: Vec<_> = memory.state.silenced().keys().cloned().collect();
        assert_eq!(silenced, line.map(|line| format!("r.toml:{line}")).as_slice());
    }
}

#[test]
fn a_claim_can_be_suppressed_by_its_id() {
    let rules = rules(&format!("{GOOD}[[suppress]]\nclaim = '3098/tcp/iana'\nreason = 'ours'\n"));
    assert_eq!(speaks(&rules, &mut Memory::default(), &subject(1, 0)), []);
}

#[test]
fn expected_services_expire_by_packet_time_and_never_cover_malware() {
    let expected = "[[expected]]\nnet = '10.0.0.0/24'\nports = 3098\napp_proto = 'http'\nowner = 'shop'\n\
                    expires = 1970-01-02\n";
    let any = GOOD.replace("story = 'scan'", "probability = 0.1, packets = 1");
    let rules = rules(&format!("{any}{expected}"));
    let mut memory = Memory::default();
    let mut http = subject(1, 0);
    (http.app, http.story) = (App::Http, Story::NonstandardPort);
    assert_eq!(speaks(&rules, &mut memory, &http), []);
    (http.flow, http.story) = (2, Story::SuspectedMalware);
    assert_eq!(speaks(&rules, &mut memory, &http), [Severity::Low]);
    (http.flow, http.story, http.time) = (3, Story::NonstandardPort, Timestamp::from_parts(2 * 86_400, 0));
    assert_eq!(speaks(&rules, &mut memory, &http), [Severity::Low]);
    (http.flow, http.app) = (4, App::Ssh);
    assert_eq!(speaks(&rules, &mut memory, &http), [Severity::Low]);
    let counters = memory.state.counters();
    assert_eq!((counters.expected, counters.expired), (1, 1));
}

#[test]
fn a_failing_case_is_reported_with_its_place() {
    let rules = rules(&format!(
        "{GOOD}[[rule.must_match]]\nport = 1\n[[rule.must_not_match]]\nport = 1\nstory = 'scan'\n"
    ));
    let report = rules.test();
    assert_eq!(report.cases, 2);
    assert_eq!(report.failures[0], "r.toml:9: x must match this and does not");
    assert_eq!(report.failures[1], "r.toml:11: x must not match this and does");
}

#[test]
fn rules_explain_themselves() {
    let scan = Rules::builtin().find("scan").unwrap().conditions();
    assert_eq!(scan[0], "when story scan; probability at least 0.5");
    assert_eq!(scan[1], "severity informational if direction inbound or external");
    assert_eq!(scan[2], "at match 1 within 43200 s, one alert until quiet, by originator");
    assert!(Rules::builtin().find("1000030").is_some() && Rules::builtin().find("nothing").is_none());
}

#[test]
fn shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Rules>();
    shared::<Registry>();
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        said(&text);
    }

    #[test]
    fn any_change_of_a_good_file(at in 0usize..150, cut in 0usize..5, put in "(?s).{0,3}") {
        let mut text = GOOD.to_owned();
        let at = at.min(text.len());
        text.replace_range(at..(at + cut).min(GOOD.len()), &put);
        said(&text);
    }
}

/// Rules that ask for one word each, for a pair of them, or for a fact, there or not.
fn one_for_each_word() -> String {
    let all = |key: &str, names: Vec<&str>| {
        names.into_iter().map(|name| format!("{key} = '{name}'")).collect::<Vec<_>>()
    };
    fn names<T: Named>() -> Vec<&'static str> {
        T::all().into_iter().map(T::name).collect()
    }
    let stories = all("story", names::<Story>());
    let statuses = all("status", names::<PortStatus>());
    let both =
        stories.iter().flat_map(|story| statuses.iter().map(move |status| format!("{story}, {status}")));
    let ports = ["[0, 443, \"440-450\"]", "\"0-32767\"", "\"32768-65535\"", "445", "[3007, \"3000-3010\"]"];
    let nets = ["'10.0.0.1'", "['10.1.2.0/24', '10.0.0.0/16']", "'::/0'", "['192.0.2.1', 'fd00::/8']"];
    let ends = ["originator", "responder", "ports = 443, responder", "responder = '10.0.0.0/8', originator"];
    let lists = [
        ports.iter().map(|ports| format!("ports = {ports}")).collect(),
        ends.into_iter().flat_map(|end| nets.map(|nets| format!("{end} = {nets}"))).collect(),
        all("outcome", names::<crate::flow::Outcome>()),
        all("tier", names::<Tier>()),
        all("transport", names::<Transport>()),
        all("app_proto", names::<App>()),
        all("fact", names::<FactName>()),
        vec!["answered = true".into(), "answered = false".into()],
        both.collect(),
        stories.clone(),
        statuses.clone(),
    ];
    let rule = |(number, asked): (usize, String)| {
        GOOD.replace("id = 'x'", &format!("id = 'x-{number}'"))
            .replace("1100000", &(1_100_000 + number).to_string())
            // The bytes say that it is not about numbers alone.
            .replace("story = 'scan'", &format!("{asked}, bytes = 0"))
    };
    lists.concat().into_iter().enumerate().map(rule).collect()
}

/// Addresses that rules name, and some that they do not.
fn any_end() -> impl Strategy<Value = IpAddr> {
    let ends = ["10.0.0.1", "10.1.2.3", "192.0.2.1", "8.8.8.8", "::ffff:10.0.0.1", "fd00::1", "2001:db8::1"];
    prop::sample::select(ends.map(|end| end.parse().unwrap()).to_vec())
}

proptest! {
    /// The rules that are not asked about a flow would not have spoken, however many there are.
    #[test]
    fn whoever_would_speak_is_asked(
        mut flow in any_flow(), (app, world) in any_world(), story in 0..11_usize,
        port in prop::sample::select(vec![443, 445, 3007, 3010, 40_000]),
        ends in [any_end(), any_end()],
    ) {
        static MANY: LazyLock<Rules> = LazyLock::new(|| {
            let text = one_for_each_word();
            Rules::of(&[DEFAULT, Place { file: "words.toml", text: &text }]).unwrap()
        });
        let rules = &*MANY;
        // Ports that rules name, and one that only a wide range covers.
        flow.responder.port = port;
        [flow.originator.addr, flow.responder.addr] = ends;
        let mut verdict = judge(world.gather(flow, app));
        // Once with the story that it is, and once with any.
        for story in [verdict.story, Story::ALL[story]] {
            verdict.story = story;
            let subject = Subject::of(&verdict, &rules.internal.0);
            let (outcome, flow) = (verdict.evidence.outcome, &verdict.evidence.flow);
            let asked: Vec<usize> = rules.concerned.by(story, outcome, flow).collect();
            prop_assert!(asked.is_sorted_by(|a, b| a < b) && asked.len() < rules.len());
            for (index, policy) in rules.policies.iter().enumerate() {
                let is_silent = policy.fires(&subject).is_none();
                prop_assert!(is_silent || asked.contains(&index), "{}", policy.rule.id);
            }
        }
    }
}
