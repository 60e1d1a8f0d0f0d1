//! What is said of many flows, when, and that none is lost.

use proptest::prelude::*;

use super::*;
use crate::bucket::tests::verdict;
use crate::registry::Registry;
use crate::rules::{Alert, Rules, Severity, Spoken, State};

const RULE: &str = "[[rule]]\nid = 'x'\nsid = 1100000\nrev = 1\ntitle = 'X on {port}'\nseverity = 'low'\n\
                    category = 'Misc activity'\nmatch = { probability = 0.1, packets = 1 }\n";
const MINUTE: i64 = 60;

fn rules(more: &str) -> Rules {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.toml");
    std::fs::write(&path, format!("{RULE}{more}\n")).unwrap();
    Rules::load(&[], Some(&[path])).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A run of one rule.
struct Run {
    rules: Rules,
    state: State,
    flows: u64,
    lines: Vec<Alert>,
}

impl Run {
    fn new(more: &str, gathering: Gathering) -> Self {
        Self { rules: rules(more), state: State::gathering(gathering), flows: 0, lines: Vec::new() }
    }

    fn until(&mut self, seconds: i64) {
        let clock = Timestamp::from_parts(seconds, 0);
        self.lines.extend(self.rules.until(&mut self.state, clock, Registry::builtin()));
    }

    /// A flow of `client` about `port`, heard `seconds` into the run.
    fn flow(&mut self, seconds: i64, client: u16, port: u16, story: Story) {
        self.until(seconds);
        self.flows += 1;
        let mut verdict = verdict(client, port, story);
        let flow = &mut verdict.evidence.flow;
        flow.id = self.flows;
        (flow.start, flow.end) = (Timestamp::from_parts(seconds, 0), Timestamp::from_parts(seconds, 1));
        let spoken = &mut Spoken::default();
        let verdict = Arc::new(verdict);
        self.rules.judge(&mut self.state, spoken, &verdict, Registry::builtin(), &mut self.lines);
    }

    fn finish(&mut self) {
        self.lines.extend(self.rules.finish(&mut self.state, Registry::builtin()));
    }

    /// State, flows of the line, and flows so far.
    fn said(&mut self) -> Vec<(&'static str, u64, u64)> {
        let lines = self.lines.drain(..).map(|line| line.aggregate);
        lines.map(|all| (all.stage.name(), all.flows, all.flows_total)).collect()
    }
}

#[test]
fn first_at_once_then_counts_then_the_end() {
    let mut run = Run::new("", Gathering::default());
    for second in [0, 1, 2] {
        run.flow(second, 1, 3007, Story::NonstandardPort);
    }
    assert_eq!(run.said(), [("first", 1, 1)]);
    run.flow(5 * MINUTE, 2, 3007, Story::NonstandardPort);
    let update = &run.lines[0];
    assert_eq!((update.aggregate.originators, update.aggregate.ports, update.aggregate.opened_by), (2, 1, 1));
    assert_eq!(update.verdict.evidence.flow.id, 4, "the line is about the latest flow");
    assert_eq!(run.said(), [("update", 3, 4)]);
    run.flow(6 * MINUTE, 2, 3007, Story::NonstandardPort);
    run.until(11 * MINUTE - 1);
    assert_eq!(run.said(), []);
    run.until(11 * MINUTE);
    assert_eq!(run.lines[0].verdict.evidence.flow.id, 5);
    assert_eq!(run.said(), [("closing", 1, 5)]);
    run.flow(12 * MINUTE, 1, 3007, Story::NonstandardPort);
    assert_eq!(run.said(), [("first", 1, 1)], "another one");
    run.until(60 * MINUTE);
    run.finish();
    assert_eq!(run.said(), [], "nothing was left unsaid");
}

#[test]
fn service_and_story_make_the_difference_and_an_originator_where_the_rule_says_so() {
    let mut run = Run::new("", Gathering::default());
    run.flow(0, 1, 3007, Story::NonstandardPort);
    run.flow(0, 1, 3007, Story::KnownSquatter);
    run.flow(0, 1, 3098, Story::NonstandardPort);
    assert_eq!(run.said().len(), 3);
    let scan = "threshold = { count = 1, seconds = 600, by = 'originator' }";
    let mut run = Run::new(scan, Gathering::default());
    (0..5000).for_each(|port| run.flow(i64::from(port) / 100, 1, port, Story::Scan));
    run.flow(50, 2, 1, Story::Scan);
    run.finish();
    let aggregate = run.lines[2].aggregate;
    assert!(aggregate.estimated && aggregate.ports.abs_diff(5000) < 1000, "{}", aggregate.ports);
    assert_eq!(run.said(), [("first", 1, 1), ("first", 1, 1), ("closing", 4999, 5000)]);
}

/// The window of the threshold is longer than the interval: what happened is told after the interval, and a
/// late flow within the window still belongs to it.
#[test]
fn a_window_keeps_an_aggregate_open() {
    let mut run = Run::new("threshold = { count = 1, seconds = 3600, by = 'pair' }", Gathering::default());
    run.flow(0, 1, 3007, Story::Scan);
    run.flow(10, 1, 3007, Story::Scan);
    run.until(5 * MINUTE + 10);
    assert_eq!(run.said(), [("first", 1, 1), ("update", 1, 2)]);
    run.flow(50 * MINUTE, 1, 3007, Story::Scan);
    assert_eq!(run.said(), [("update", 1, 3)]);
    run.until(110 * MINUTE);
    assert_eq!(run.said(), [("closing", 0, 3)]);
}

/// A probe every twelve minutes for a day: one alert, and the longer it lasts the rarer it is told.
#[test]
fn what_goes_on_for_hours_takes_a_few_lines() {
    let patient = "threshold = { count = 1, seconds = 43200, by = 'originator' }";
    let mut run = Run::new(patient, Gathering::default());
    (0..120).for_each(|probe| run.flow(i64::from(probe) * 12 * MINUTE, 1, 2000 + probe, Story::Scan));
    run.finish();
    let said = run.said();
    assert!(said.len() <= 12, "{said:?}");
    assert_eq!(said.iter().filter(|line| line.0 == "first").count(), 1);
    assert_eq!(said.iter().map(|line| line.1).sum::<u64>(), 120);
}

#[test]
fn what_a_threshold_held_back_is_counted_when_it_is_reached() {
    let mut run = Run::new("threshold = { count = 3, seconds = 60, by = 'pair' }", Gathering::default());
    run.flow(0, 2, 3007, Story::Misdirected);
    run.flow(1, 2, 3007, Story::Misdirected);
    run.flow(2, 1, 3007, Story::Misdirected);
    run.flow(3, 1, 3007, Story::Misdirected);
    assert_eq!((run.said(), run.state.counters().held_back), (vec![], 4));
    run.flow(4, 1, 3007, Story::Misdirected);
    assert_eq!((run.said(), run.state.counters().held_back), (vec![("first", 3, 3)], 2));
    run.flow(5, 2, 3007, Story::Misdirected);
    run.finish();
    assert_eq!((run.said(), run.state.counters().held_back), (vec![("closing", 3, 6)], 0));
}

#[test]
fn worse_is_said_at_once_and_never_taken_back() {
    let worse = "[[rule.severity_if]]\nseverity = 'high'\nmatch = { outcome = 'established', ports = 3098 }";
    let mut run = Run::new(
        &format!("threshold = {{ count = 1, seconds = 60, by = 'originator' }}\n{worse}"),
        Gathering::default(),
    );
    run.flow(0, 1, 3007, Story::Scan);
    run.flow(1, 1, 3098, Story::Scan);
    run.flow(2, 1, 3007, Story::Scan);
    run.finish();
    let severities: Vec<_> = run.lines.iter().map(|line| line.rule.severity).collect();
    assert_eq!(severities, [Severity::Low, Severity::High, Severity::High]);
    assert_eq!(run.said(), [("first", 1, 1), ("update", 1, 2), ("closing", 1, 3)]);
}

#[test]
fn the_oldest_makes_room_and_is_counted() {
    let gathering = Gathering { open_max: 2, ..Gathering::default() };
    let mut run = Run::new("", gathering);
    for port in [1, 1, 2, 3, 4] {
        run.flow(0, 1, port, Story::Scan);
    }
    assert_eq!(run.state.counters().closed_early, 2);
    assert_eq!(
        run.said(),
        [("first", 1, 1), ("first", 1, 1), ("closing", 1, 2), ("first", 1, 1), ("first", 1, 1)]
    );
}

/// Also when its turn has come before and it went on.
#[test]
fn the_oldest_makes_room_however_long_it_lasts() {
    let mut run = Run::new("", Gathering { open_max: 2, ..Gathering::default() });
    for (minute, port) in [(0, 1), (4, 1), (4, 2), (6, 3)] {
        run.flow(minute * MINUTE, 1, port, Story::Scan);
    }
    assert_eq!(run.said(), [("first", 1, 1), ("first", 1, 1), ("closing", 1, 2), ("first", 1, 1)]);
}

/// Time stamps at the end of what can be said do not hold anything up.
#[test]
fn the_last_moment_passes() {
    let mut run = Run::new("", Gathering::default());
    run.flow(i64::MAX, 1, 1, Story::Scan);
    run.flow(i64::MAX, 1, 1, Story::Scan);
    run.until(i64::MAX);
    run.finish();
    assert_eq!(run.lines.iter().map(|line| line.aggregate.flows).sum::<u64>(), 2);
}

impl Aggregates {
    /// What is wrong with who is where in the queues.
    fn disorder(&self) -> Option<&'static str> {
        let young: Vec<_> = self.young.iter().map(|(due, number, _)| (*number, *due)).collect();
        let is_open = |(due, number, place): &Turn| {
            self.open.at(*place).as_ref().is_some_and(|open| (open.due, open.number) == (*due, *number))
        };
        let turns = || self.young.iter().chain(&self.queue);
        [
            (turns().all(is_open), "a turn of one that is closed"),
            (self.open.len() == turns().count(), "one is open and has no turn"),
            (self.old.len() == self.queue.len(), "an old one without a turn"),
            (young.is_sorted() && young.is_sorted_by_key(|turn| turn.1), "the young ones are not in order"),
            (
                self.old.keys().next_back() < young.first().map(|turn| &turn.0) || young.is_empty(),
                "an old one is younger",
            ),
            (turns().all(|turn| turn.0 > self.now && turn.0 >= self.next), "a turn was missed"),
        ]
        .into_iter()
        .find_map(|(is_right, what)| (!is_right).then_some(what))
    }
}

proptest! {
    /// Every flow that matched is in exactly one line or still held back, whatever comes in whatever order.
    #[test]
    fn no_flow_is_lost(
        flows in prop::collection::vec((0_i64..200, 0_u16..4, 1_u16..4, 0_usize..3), 1..200),
        by in prop::sample::select(vec!["rule", "originator", "responder", "pair", "service", "port"]),
        (count, seconds) in (1_u32..5, 1_u32..900),
        (interval, open_max) in (1_u64..600, 1_usize..6),
    ) {
        let gathering = Gathering { interval: Duration::from_secs(interval), open_max };
        let threshold = format!("threshold = {{ count = {count}, seconds = {seconds}, by = '{by}' }}");
        let mut run = Run::new(&threshold, gathering);
        let mut clock = 0;
        for (step, client, port, story) in flows {
            clock += step;
            run.flow(clock, client, port, Story::ALL[story]);
            prop_assert_eq!(run.state.aggregates.disorder(), None);
        }
        run.finish();
        let told: u64 = run.lines.iter().map(|line| line.aggregate.flows).sum();
        prop_assert_eq!(told + run.state.counters().held_back, run.flows);
        prop_assert!(run.state.counters().alerts == run.lines.len() as u64);
        // Line by line, the parts add up to the whole.
        let mut sums = std::collections::BTreeMap::new();
        for line in &run.lines {
            let all = &line.aggregate;
            let sum = sums.entry(all.opened_by).or_insert(0);
            prop_assert_eq!(all.stage == Stage::First, *sum == 0);
            *sum += all.flows;
            prop_assert_eq!(*sum, all.flows_total);
            prop_assert!(all.first <= all.last && all.originators <= all.flows_total);
        }
    }
}
