//! One alert per story, not per flow: what flows of one story have in common is said at once, and then how
//! many there were.
//!
//! Flows of a rule are gathered by what its threshold counts by; without a threshold, or by `pair`, by
//! service and story. The first flow opens an aggregate and makes a line. Later ones are counted and told
//! together: when an interval has passed since the last line (a longer one after each, see `gap`), at once
//! when the severity got worse, and when the aggregate is closed. An aggregate that stays with its first line
//! needs no second one: nothing was left unsaid.
//!
//! Invariants: the flows of all lines of an aggregate add up to the flows it was given; memory is bounded (at
//! the cap the aggregate that was opened first is closed early, counted); time is the packets', and what is
//! said depends only on the order of flows and clocks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::rule::Rule;
use super::subject::Subject;
use super::word::By;
use crate::flow::{Distinct, Keyed, even, even_addr};
use crate::time::Timestamp;
use crate::verdict::{Story, Verdict};
use crate::wire::Transport;

/// Which line of an aggregate this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It was opened.
    First,
    /// It goes on.
    Update,
    /// It was quiet for as long as it takes, the run ended, or it had to make room. Only after a first line
    /// that did not tell everything.
    Closing,
}

impl Stage {
    /// Name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Update => "update",
            Self::Closing => "closing",
        }
    }
}

/// All flows that an alert stands for. But for `flows`, everything is since the aggregate was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// Id of the flow that opened it: together with the rule it names the aggregate.
    pub opened_by: u64,
    /// Which line of it this is.
    pub stage: Stage,
    /// Flows since its line before; of all its lines they add up to `flows_total`.
    pub flows: u64,
    /// Flows so far.
    pub flows_total: u64,
    /// Distinct addresses that asked.
    pub originators: u64,
    /// Distinct addresses that were asked.
    pub responders: u64,
    /// Distinct responder's ports, with their transport.
    pub ports: u64,
    /// True when one of the three was too large to be counted exactly (standard error 6.5 %).
    pub estimated: bool,
    /// Start of the earliest of its flows.
    pub first: Timestamp,
    /// Latest packet of its flows, as far as they were seen when they matched.
    pub last: Timestamp,
}

impl Aggregate {
    /// Of an alert about one flow alone.
    #[must_use]
    pub const fn alone(flow: u64, first: Timestamp, last: Timestamp) -> Self {
        Self {
            opened_by: flow,
            stage: Stage::First,
            flows: 1,
            flows_total: 1,
            originators: 1,
            responders: 1,
            ports: 1,
            estimated: false,
            first,
            last,
        }
    }
}

/// How alerts are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Packet time between lines of an aggregate. Default 300 s.
    pub interval: Duration,
    /// Aggregates open at once, at least 1. Default 65,536. One holds up to about 1 KB, and the latest
    /// verdict when it has more than one flow.
    pub open_max: usize,
}

impl Default for Gathering {
    fn default() -> Self {
        Self { interval: Duration::from_secs(300), open_max: 1 << 16 }
    }
}

/// What flows are counted together by: of a threshold's window and of an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    sid: u32,
    originator: Option<IpAddr>,
    responder: Option<IpAddr>,
    port: Option<(Transport, u16)>,
    /// Of aggregates of a service only: what is counted more widely is one story by the rule's own word.
    story: Option<Story>,
}

impl Key {
    /// Of the window of a threshold.
    pub(super) fn window(sid: u32, by: By, subject: &Subject<'_>) -> Self {
        let mut key = Self { sid, originator: None, responder: None, port: None, story: None };
        if matches!(by, By::Originator | By::Pair) {
            key.originator = Some(subject.originator);
        }
        if matches!(by, By::Responder | By::Pair | By::Service) {
            key.responder = Some(subject.responder.addr);
        }
        if matches!(by, By::Pair | By::Service | By::Port) {
            key.port = Some((subject.transport, subject.responder.port));
        }
        key
    }

    /// Of the aggregate of a rule with this threshold. Those who ask at a service are one story, so a pair is
    /// no aggregate of its own.
    pub(super) fn aggregate(sid: u32, by: Option<By>, subject: &Subject<'_>) -> Self {
        match by {
            None | Some(By::Pair | By::Service) => {
                Self { story: Some(subject.story), ..Self::window(sid, By::Service, subject) }
            }
            Some(by) => Self::window(sid, by, subject),
        }
    }
}

/// Flows counted.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) flows: u64,
    originators: Distinct,
    responders: Distinct,
    ports: Distinct,
    first: Timestamp,
    last: Timestamp,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            flows: 0,
            originators: Distinct::default(),
            responders: Distinct::default(),
            ports: Distinct::default(),
            first: Timestamp::MAX,
            last: Timestamp::MIN,
        }
    }
}

impl Tally {
    pub(super) fn add(&mut self, subject: &Subject<'_>) {
        self.flows += 1;
        self.originators.insert(even_addr(subject.originator));
        self.responders.insert(even_addr(subject.responder.addr));
        let (port, transport) = (u64::from(subject.responder.port), subject.transport as u64);
        self.ports.insert(even(port << 8 | transport));
        self.first = self.first.min(subject.start);
        self.last = self.last.max(subject.time.max(subject.start));
    }

    fn merge(&mut self, other: &Self) {
        self.flows += other.flows;
        self.originators.merge(&other.originators);
        self.responders.merge(&other.responders);
        self.ports.merge(&other.ports);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// An aggregate that may still grow.
#[derive(Debug)]
struct Open {
    /// How many were opened before it.
    number: u64,
    /// With the worst severity so far.
    rule: Arc<Rule>,
    opened_by: u64,
    /// How long without a flow until it is over.
    quiet: Duration,
    /// How long until the next update: the interval, then twice as long after each, up to `quiet`. So what
    /// goes on for hours, however slowly, takes a few lines and not one a flow.
    gap: Duration,
    /// Packet clock at its latest flow.
    heard: Timestamp,
    /// Packet clock at its latest line.
    said: Timestamp,
    /// Where it stands in the queue; never after the time at which something is to be said.
    due: Timestamp,
    tally: Tally,
    /// Flows told so far.
    told: u64,
    /// The latest flow after the first.
    latest: Option<Arc<Verdict>>,
}

impl Open {
    fn tell(&mut self, stage: Stage, now: Timestamp) -> Aggregate {
        let tally = &self.tally;
        let flows = tally.flows - self.told;
        (self.told, self.said) = (tally.flows, now);
        if stage == Stage::Update {
            self.gap = self.gap.saturating_mul(2).min(self.quiet);
        }
        let sets = [&tally.originators, &tally.responders, &tally.ports];
        // An estimate may be too high, but each flow has one of each.
        let [originators, responders, ports] = sets.map(|set| set.count().min(tally.flows));
        Aggregate {
            opened_by: self.opened_by,
            stage,
            flows,
            flows_total: tally.flows,
            originators,
            responders,
            ports,
            estimated: sets.into_iter().any(|set| !set.is_exact()),
            first: tally.first,
            last: tally.last,
        }
    }

    fn is_told(&self) -> bool {
        self.told == self.tally.flows
    }

    /// The next moment at which something may be to be said if no flow comes before it.
    fn next(&self, now: Timestamp) -> Timestamp {
        if self.is_told() {
            self.heard.after(self.quiet).min(now.after(self.gap))
        } else {
            self.heard.after(self.gap)
        }
    }
}

/// When an aggregate is due, its number, and its place.
type Turn = (Timestamp, u64, u32);

/// A line that is due without a flow at hand.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) rule: Arc<Rule>,
    pub(super) aggregate: Aggregate,
    pub(super) verdict: Arc<Verdict>,
}

/// Where a flow was counted.
#[derive(Debug)]
pub(super) struct Joined {
    /// Where the verdict is to be kept; `None` for the flow that opened it.
    pub(super) place: Option<u32>,
    /// What is to be said now, and the rule with the worst severity so far.
    pub(super) line: Option<(Arc<Rule>, Aggregate)>,
}

/// All that are open.
#[derive(Debug, Default)]
pub(super) struct Aggregates {
    gathering: Gathering,
    now: Timestamp,
    /// Each where it was put, and not in one of the trees: an aggregate is 192 bytes, and tens of thousands
    /// come and go.
    open: Keyed<Key, Option<Open>>,
    opened: u64,
    /// Those that were not due yet since they were opened, in the order in which they were, which is that in
    /// which they come due: in a flood nearly all. Trees of them were a twentieth of the judge's work.
    young: VecDeque<Turn>,
    /// The others, all opened before those: places by number.
    old: BTreeMap<u64, u32>,
    /// The turns of the others.
    queue: BTreeSet<Turn>,
    /// Nobody's turn comes before this.
    next: Timestamp,
    /// Lines of aggregates that had to make room.
    evicted: Vec<Due>,
    pub(super) closed_early: u64,
}

impl Aggregates {
    pub(super) fn new(gathering: Gathering) -> Self {
        Self { gathering, now: Timestamp::MIN, next: Timestamp::MAX, ..Self::default() }
    }

    /// Where the aggregate of this key stands, if it is open.
    pub(super) fn find(&self, key: &Key) -> Option<u32> {
        self.open.place(*key)
    }

    /// Counts a flow, and those that a threshold held back before it. `known`: what [`Self::find`] says of
    /// the key. `within`: the threshold's window, so that an aggregate lasts at least as long.
    pub(super) fn join(
        &mut self,
        (key, known): (Key, Option<u32>),
        rule: &Arc<Rule>,
        within: Duration,
        subject: &Subject<'_>,
        held: Option<&Tally>,
    ) -> Joined {
        let place = known.unwrap_or_else(|| self.begin(key, rule, within, subject));
        let Some(open) = self.open.at_mut(place) else { return Joined { place: None, line: None } };
        let now = self.now;
        open.heard = now;
        open.tally.add(subject);
        held.into_iter().for_each(|held| open.tally.merge(held));
        let is_worse = rule.severity < open.rule.severity;
        if is_worse {
            open.rule = Arc::clone(rule);
        }
        let stage = if known.is_some() { Stage::Update } else { Stage::First };
        let is_due = stage == Stage::First || is_worse || now.since(open.said) >= open.gap;
        Joined { place: known, line: is_due.then(|| (Arc::clone(&open.rule), open.tell(stage, now))) }
    }

    /// Keeps the verdict of the latest flow, and gives back the one it kept before.
    pub(super) fn keep(&mut self, place: u32, verdict: &Arc<Verdict>) -> Option<Arc<Verdict>> {
        self.open.at_mut(place).as_mut()?.latest.replace(Arc::clone(verdict))
    }

    /// Moves the packet clock; true when something is due by it. Asked for every event, and hardly ever
    /// something is.
    #[inline]
    pub(super) fn advance(&mut self, clock: Timestamp) -> bool {
        self.now = self.now.max(clock);
        self.next <= self.now
    }

    /// Takes what is due, in the order in which it came due.
    pub(super) fn due(&mut self) -> Vec<Due> {
        let now = self.now;
        let mut lines = Vec::new();
        for (_, number, place) in self.turns() {
            let Some(open) = self.open.at_mut(place) else { continue };
            if now >= open.heard.after(open.quiet) {
                lines.extend(self.close(place));
                continue;
            }
            if !open.is_told() && now >= open.heard.after(open.gap) {
                let aggregate = open.tell(Stage::Update, now);
                let rule = Arc::clone(&open.rule);
                lines.extend(open.latest.clone().map(|verdict| Due { rule, aggregate, verdict }));
            }
            open.due = open.next(now);
            self.queue.insert((open.due, number, place));
            self.old.insert(number, place);
        }
        let first = [self.young.front(), self.queue.first()].into_iter().flatten().min();
        self.next = first.map_or(Timestamp::MAX, |(due, ..)| *due);
        lines
    }

    /// Takes out those that are due, in order.
    fn turns(&mut self) -> Vec<Turn> {
        let is_due = |turn: &Turn| turn.0 <= self.now;
        let mut turns = Vec::new();
        turns.extend(iter::from_fn(|| self.young.pop_front_if(|turn| is_due(turn))));
        while let Some(turn) = self.queue.first().copied().filter(is_due) {
            self.queue.remove(&turn);
            turns.push(turn);
        }
        turns.sort_unstable();
        turns
    }

    /// Lines of aggregates that had to make room since this was asked last.
    pub(super) fn evicted(&mut self) -> Vec<Due> {
        std::mem::take(&mut self.evicted)
    }

    /// Closes all, in the order in which they were opened.
    pub(super) fn finish(&mut self) -> Vec<Due> {
        let mut lines = Vec::new();
        while let Some(oldest) = self.oldest() {
            lines.extend(self.close(oldest));
        }
        lines
    }

    /// Takes the one that was opened first out of its turn.
    fn oldest(&mut self) -> Option<u32> {
        match self.old.pop_first() {
            Some((_, place)) => Some(place),
            None => self.young.pop_front().map(|(.., place)| place),
        }
    }

    /// Makes room, opens a new one, and says where it stands.
    fn begin(&mut self, key: Key, rule: &Arc<Rule>, within: Duration, subject: &Subject<'_>) -> u32 {
        while self.young.len() + self.old.len() >= self.gathering.open_max.max(1) {
            let Some(oldest) = self.oldest() else { break };
            self.closed_early += 1;
            let line = self.close(oldest);
            self.evicted.extend(line);
            // The next to go was not touched since it was opened.
            self.young.front().into_iter().for_each(|(.., next)| self.open.doom(*next));
        }
        let (now, number, interval) = (self.now, self.opened, self.gathering.interval);
        self.opened += 1;
        let due = now.after(interval);
        let open = Open {
            number,
            rule: Arc::clone(rule),
            opened_by: subject.flow,
            quiet: interval.max(within),
            gap: interval,
            heard: now,
            said: now,
            due,
            tally: Tally::default(),
            told: 0,
            latest: None,
        };
        let place = self.open.keep(key, Some(open));
        self.young.push_back((due, number, place));
        self.next = self.next.min(due);
        place
    }

    /// Closes one whose turn was taken, or will not come.
    fn close(&mut self, place: u32) -> Option<Due> {
        let mut open = self.open.remove(place)?;
        self.old.remove(&open.number);
        self.queue.remove(&(open.due, open.number, place));
        let aggregate = open.tell(Stage::Closing, self.now);
        open.latest.map(|verdict| Due { rule: open.rule, aggregate, verdict })
    }
}

#[cfg(test)]
mod tests;
