//! All rules in force, and what they make of a verdict.

use std::collections::BTreeSet;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use self::entries::Entries;
use self::spots::Spots;
use super::aggregate::{Aggregate, Due, Joined, Key};
use super::file::{Contents, Expected, Policy, Suppress};
use super::nets::Net;
use super::rule::{Alert, Rule, Severity};
use super::state::{Reached, Said, Spoken, State};
use super::subject::Subject;
use super::title::Values;
use super::word::Internal;
use crate::flow::{Flow, Outcome};
use crate::registry::{self, Diagnostic, Level, Place, Registry};
use crate::time::Timestamp;
use crate::verdict::{Story, Verdict};

mod entries;
mod lint;
mod spots;

/// The rules that are compiled in, so that the binary works alone.
const DEFAULT: Place<'static> =
    Place { file: "rules/default.toml", text: include_str!("../../rules/default.toml") };
/// Networks that are ours unless a file says otherwise: private, link-local, loopback (RFC 1918, 3927, 4193,
/// 4291, 6598).
const INTERNAL: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

/// The rules in force. Immutable; a reload makes a new set.
#[derive(Debug)]
pub struct Rules {
    policies: Vec<Policy>,
    suppress: Entries<Suppress>,
    expected: Entries<Expected>,
    internal: Internal,
    concerned: Concerned,
}

/// Which policies may speak about a flow: indices, each list in file order.
#[derive(Debug, Default)]
struct Concerned {
    /// Those that are not about certain networks or ports, by story and outcome. Of the built-in rules an
    /// unanswered scan concerns one, and asking all of them was 7 % of the time of a scan.
    general: [[Vec<usize>; Outcome::ALL.len()]; Story::ALL.len()],
    /// Those that are.
    certain: Spots,
}

/// Rule files that cannot be used, and everything that is wrong with them, each with `file:line:column`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] pub registry::Error);

impl Error {
    fn of(said: Vec<Diagnostic>) -> Self {
        Self(registry::Error(said))
    }
}

/// What came of the rules' own cases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestReport {
    /// Cases that were tried.
    pub cases: usize,
    /// What went wrong, each with `file:line`.
    pub failures: Vec<String>,
}

/// What the rules make of a verdict, besides what is to be said now.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// True when the flow is one of those that an alert stands for, whether or not it was said already.
    pub is_alerted: bool,
    /// A verdict that was kept for a line to come and is no longer: its memory may be used again.
    pub released: Option<Arc<Verdict>>,
}

impl Rules {
    /// The rules that are compiled in.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the file is compiled in; the tests load it")]
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Rules> = OnceLock::new();
        BUILTIN.get_or_init(|| Self::of(&[DEFAULT]).expect("the compiled-in rules load"))
    }

    /// The compiled-in rules and those of the files in `add`; with `only`, those instead of the compiled-in
    /// ones.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with its place; nothing of them is used then.
    pub fn load(add: &[PathBuf], only: Option<&[PathBuf]>) -> Result<Self, Error> {
        let mut said = Vec::new();
        let texts = read(only.unwrap_or_default().iter().chain(add), &mut said);
        if !said.is_empty() {
            return Err(Error::of(said));
        }
        Self::of(&places(&texts, only.is_none()))
    }

    /// Everything wrong or doubtful in these files, beside the compiled-in rules. What is out of date at
    /// `now` is doubtful; without a `now` nothing is.
    #[must_use]
    pub fn check(files: &[PathBuf], now: Option<Timestamp>) -> Vec<Diagnostic> {
        let mut said = Vec::new();
        let texts = read(files.iter(), &mut said);
        let places = places(&texts, true);
        let rules = Self::assemble(&places, &mut said);
        if said.iter().all(|diagnostic| diagnostic.level != Level::Error) {
            rules.doubts(&places, now, &mut said);
        }
        said
    }

    /// What the rules want somebody to see of a verdict, in file order. A rule speaks at most once about a
    /// flow: `spoken` is what they said about it before, and takes what they say now; what is to be said now
    /// is added to `alerts`. The packet clock is that of the last [`Self::until`].
    pub fn judge(
        &self,
        state: &mut State,
        spoken: &mut Spoken,
        verdict: &Arc<Verdict>,
        registry: &Registry,
        alerts: &mut Vec<Alert>,
    ) -> Judged {
        let mut judged = Judged::default();
        let evidence = &verdict.evidence;
        let mut concerned = self.concerned.by(verdict.story, evidence.outcome, &evidence.flow).peekable();
        if concerned.peek().is_none() {
            return judged;
        }
        let subject = Subject::of(verdict, &self.internal.0);
        let before = alerts.len();
        for policy in concerned {
            let Some(joined) = self.speaks(&self.policies[policy], state, spoken, &subject) else {
                continue;
            };
            judged.is_alerted = true;
            let evicted = state.aggregates.evicted();
            let first =
                joined.line.map(|(rule, aggregate)| Due { rule, aggregate, verdict: Arc::clone(verdict) });
            alerts.extend(evicted.into_iter().chain(first).map(|due| alert(due, registry, &mut state.text)));
            if let Some(place) = joined.place {
                judged.released = state.aggregates.keep(place, verdict);
            }
        }
        state.counters.alerts += (alerts.len() - before) as u64;
        judged
    }

    /// Moves the packet clock, and what is to be said because of that: how aggregates went on, and which of
    /// them are over.
    #[inline]
    pub fn until(&self, state: &mut State, clock: Timestamp, registry: &Registry) -> Vec<Alert> {
        if state.advance(clock) { self.due(state, registry) } else { Vec::new() }
    }

    #[cold]
    fn due(&self, state: &mut State, registry: &Registry) -> Vec<Alert> {
        let due = state.aggregates.due();
        alerts(due, state, registry)
    }

    /// What is left to be said at the end of the run.
    pub fn finish(&self, state: &mut State, registry: &Registry) -> Vec<Alert> {
        let due = state.aggregates.finish();
        alerts(due, state, registry)
    }

    /// The alert of a rule that has spoken about this flow, now that the verdict is another: as the rule, or
    /// another of its group, would say it, or for information only when all of them would be silent. `said`
    /// is what its title was filled with then.
    #[must_use]
    pub fn again(
        &self,
        rule: &Arc<Rule>,
        said: &Values,
        aggregate: Aggregate,
        verdict: &Arc<Verdict>,
        registry: &Registry,
    ) -> Alert {
        let subject = Subject::of(verdict, &self.internal.0);
        let same = self.policies.iter().find(|policy| policy.rule.sid == rule.sid);
        let group = same.and_then(|policy| policy.group.as_ref());
        let related = self.policies.iter().filter(|policy| group.is_some() && policy.group.as_ref() == group);
        let mut speaking = same.into_iter().chain(related).filter_map(|policy| policy.fires(&subject));
        let text = &mut String::new();
        let (rule, signature) = match speaking.find(|rule| !self.is_covered(&rule.id, &subject)) {
            Some(rule) => (Arc::clone(rule), rule.title.fill(&Values::from(&**verdict), registry, text)),
            None => {
                let rule = Rule { severity: Severity::Informational, ..Rule::clone(rule) };
                let said = rule.title.fill(said, registry, text);
                (Arc::new(rule), format!("Revised to {}: {said}", verdict.story.name()).into())
            }
        };
        Alert { rule, signature, verdict: Arc::clone(verdict), aggregate, revised: None }
    }

    /// True when an entry silences the rule for this verdict; counts nothing.
    fn is_covered(&self, rule: &str, subject: &Subject<'_>) -> bool {
        let expected = |entry: &Expected| entry.covers(subject) && subject.time < entry.until;
        self.suppress.about(subject).any(|entry| entry.covers(rule, subject))
            || self.expected.about(subject).any(expected)
    }

    /// The networks that are ours.
    #[must_use]
    pub const fn internal(&self) -> &Internal {
        &self.internal
    }

    /// Every rule, in file order.
    #[must_use]
    pub fn list(&self) -> &[Policy] {
        &self.policies
    }

    /// The rule of this id or sid.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.rule.id == id || policy.rule.sid.to_string() == id)
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.policies.len()
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Tries every rule on its own cases, with the status and tags of the compiled-in registry.
    #[must_use]
    pub fn test(&self) -> TestReport {
        let mut report = TestReport::default();
        for policy in &self.policies {
            let tried =
                |case: &super::file::Case| policy.fires(&case.subject(Registry::builtin(), &self.internal.0));
            for (place, case) in &policy.must_match {
                report.cases += 1;
                let id = &policy.rule.id;
                match (tried(case), case.severity) {
                    (None, _) => report.failures.push(format!("{place}: {id} must match this and does not")),
                    (Some(rule), Some(wanted)) if rule.severity != wanted.0 => report.failures.push(format!(
                        "{place}: {id} must be of severity {} here and is {}",
                        wanted.0.name(),
                        rule.severity.name()
                    )),
                    _ => {}
                }
            }
            for (place, case) in &policy.must_not_match {
                report.cases += 1;
                if tried(case).is_some() {
                    report.failures.push(format!("{place}: {} must not match this and does", policy.rule.id));
                }
            }
        }
        report
    }

    /// Where the flow was counted, when the rule speaks about this verdict now.
    /// `spoken`: what rules have said about it.
    fn speaks(
        &self,
        policy: &Policy,
        state: &mut State,
        spoken: &mut Spoken,
        subject: &Subject<'_>,
    ) -> Option<Joined> {
        // Its grades have the same number.
        if spoken.iter().any(|said| said.sid == policy.rule.sid) {
            return None;
        }
        let rule = policy.fires(subject)?;
        let bad = rule.severity as u8;
        let said_before = spoken
            .iter()
            .filter_map(|said| said.alerted.as_ref())
            .any(|(group, severity)| policy.group.as_ref() == Some(group) && *severity <= bad);
        spoken.push(Said { sid: rule.sid, alerted: None });
        if self.silenced(&rule.id, state, subject) {
            return None;
        }
        if said_before {
            state.counters.grouped += 1;
            return None;
        }
        let key = Key::aggregate(rule.sid, policy.threshold.map(|threshold| threshold.by), subject);
        let known = state.aggregates.find(&key);
        let mut held = None;
        // The first of one is enough, and once per window is what the aggregate sees to.
        if let Some(threshold) = policy.threshold.filter(|threshold| threshold.count > 1) {
            match state.reached(rule.sid, threshold, subject, known.is_some()) {
                Reached::No => return None,
                Reached::Yes(before) => held = before,
            }
        }
        if let (Some(group), Some(last)) = (&policy.group, spoken.last_mut()) {
            last.alerted = Some((Arc::clone(group), bad));
        }
        let within = policy.threshold.map_or(Duration::ZERO, |threshold| threshold.within);
        Some(state.aggregates.join((key, known), rule, within, subject, held.as_deref()))
    }

    /// True when an entry silences the rule for this verdict; counts it.
    fn silenced(&self, rule: &str, state: &mut State, subject: &Subject<'_>) -> bool {
        if let Some(entry) = self.suppress.about(subject).find(|entry| entry.covers(rule, subject)) {
            state.counters.suppressed += 1;
            *state.silenced.entry(entry.place.clone()).or_default() += 1;
            return true;
        }
        let mut covering = self.expected.about(subject).filter(|entry| entry.covers(subject)).peekable();
        if covering.peek().is_none() {
            return false;
        }
        if let Some(entry) = covering.find(|entry| subject.time < entry.until) {
            state.counters.expected += 1;
            *state.silenced.entry(entry.place.clone()).or_default() += 1;
            return true;
        }
        state.counters.expired += 1;
        false
    }

    fn of(places: &[Place<'_>]) -> Result<Self, Error> {
        let mut said = Vec::new();
        let rules = Self::assemble(places, &mut said);
        said.retain(|diagnostic| diagnostic.level == Level::Error);
        if said.is_empty() { Ok(rules) } else { Err(Error::of(said)) }
    }

    pub(super) fn assemble(places: &[Place<'_>], said: &mut Vec<Diagnostic>) -> Self {
        let internal: Vec<_> = INTERNAL.iter().filter_map(|net| net.parse().ok().map(Net)).collect();
        let mut rules = Self {
            policies: Vec::new(),
            suppress: Entries::default(),
            expected: Entries::default(),
            internal: Internal(Arc::new(internal.into())),
            concerned: Concerned::default(),
        };
        let (mut ids, mut sids, mut named) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        let (mut suppress, mut expected) = (Vec::new(), Vec::new());
        for &place in places {
            let contents = Contents::of(place, said);
            for policy in contents.policies {
                let Rule { id, sid, .. } = &*policy.rule;
                if !ids.insert(id.clone()) {
                    let what = format!("there is another rule {id:?}");
                    let help = "choose another id, or use -S to replace all rules";
                    said.push(Diagnostic::error(place, policy.spots.id.clone(), what).help(help));
                }
                if !sids.insert(*sid) {
                    let what = format!("there is another rule with sid {sid}");
                    let help = "choose another sid";
                    said.push(Diagnostic::error(place, policy.spots.sid.clone(), what).help(help));
                }
                rules.policies.push(policy);
            }
            named.extend(contents.suppress.iter().filter_map(|entry| Some((place, entry.rule.clone()?))));
            suppress.extend(contents.suppress);
            expected.extend(contents.expected);
            rules.internal = contents.internal.map_or(rules.internal, |nets| Internal(Arc::new(nets)));
        }
        for (place, (id, span)) in named.into_iter().filter(|(_, (id, _))| !ids.contains(id)) {
            said.push(Diagnostic::error(place, span, format!("there is no rule {id:?} to suppress")));
        }
        rules.concerned = Concerned::of(&rules.policies);
        rules.suppress = Entries::of(suppress);
        rules.expected = Entries::of(expected);
        rules
    }
}

impl Concerned {
    fn of(policies: &[Policy]) -> Self {
        let mut concerned = Self::default();
        let mut general = Vec::new();
        for (index, policy) in policies.iter().enumerate() {
            if !concerned.certain.add(index, &policy.when) {
                general.push((index, &policy.when));
            }
        }
        for story in Story::ALL {
            for outcome in Outcome::ALL {
                let may_speak = general.iter().filter(|(_, when)| when.may_hold(story, outcome));
                concerned.general[story as usize][outcome as usize] =
                    may_speak.map(|(index, _)| *index).collect();
            }
        }
        concerned
    }

    /// Of a flow of this story that went like this, in file order.
    fn by(&self, story: Story, outcome: Outcome, flow: &Flow) -> impl Iterator<Item = usize> + use<'_> {
        let found = self.certain.find([flow.originator.addr, flow.responder.addr], flow.responder.port);
        let mut general = self.general[story as usize][outcome as usize].iter().copied().peekable();
        let mut certain = found.into_iter().peekable();
        iter::from_fn(move || match (general.peek(), certain.peek()) {
            (Some(a), Some(b)) if b < a => certain.next(),
            (None, _) => certain.next(),
            _ => general.next(),
        })
    }
}

impl Policy {
    /// What identifies the rule.
    #[must_use]
    pub const fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Where it stands, `file:line`.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What it is for, in the author's words; may be empty.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Rules about the same thing, of which one speaks per flow.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// How it decides, in words, one line each.
    #[must_use]
    pub fn conditions(&self) -> Vec<String> {
        let mut lines = vec![format!("when {}", self.when)];
        lines.extend(self.unless.iter().map(|unless| format!("unless {unless}")));
        let graded = |(when, rule): &(_, Arc<Rule>)| format!("severity {} if {when}", rule.severity.name());
        lines.extend(self.grades.iter().map(graded));
        lines.extend(self.threshold.map(|threshold| {
            let (count, seconds) = (threshold.count, threshold.within.as_secs());
            format!("at match {count} within {seconds} s, one alert until quiet, by {}", threshold.by.name())
        }));
        lines.extend(
            self.group
                .as_ref()
                .map(|group| format!("once per flow within group {group}, unless worse than what was said")),
        );
        lines
    }

    /// How many cases it brings along.
    #[must_use]
    pub const fn cases(&self) -> usize {
        self.must_match.len() + self.must_not_match.len()
    }

    /// The rule, with the severity that applies, when its conditions hold.
    fn fires(&self, subject: &Subject<'_>) -> Option<&Arc<Rule>> {
        if !self.when.holds(subject) || self.unless.iter().any(|unless| unless.holds(subject)) {
            return None;
        }
        let graded = self.grades.iter().find(|(when, _)| when.holds(subject));
        Some(graded.map_or(&self.rule, |(_, rule)| rule))
    }
}

fn alerts(due: Vec<Due>, state: &mut State, registry: &Registry) -> Vec<Alert> {
    state.counters.alerts += due.len() as u64;
    due.into_iter().map(|due| alert(due, registry, &mut state.text)).collect()
}

/// `text`: where its title is filled in.
fn alert(Due { rule, aggregate, verdict }: Due, registry: &Registry, text: &mut String) -> Alert {
    let signature = rule.title.fill(&Values::from(&*verdict), registry, text);
    Alert { rule, signature, verdict, aggregate, revised: None }
}

fn read<'a>(files: impl Iterator<Item = &'a PathBuf>, said: &mut Vec<Diagnostic>) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for path in files {
        let file = Path::display(path).to_string();
        match registry::read_text(path) {
            Ok(text) => texts.push((file, text)),
            Err(what) => said.push(Diagnostic::whole(&file, what)),
        }
    }
    texts
}

fn places(texts: &[(String, String)], with_default: bool) -> Vec<Place<'_>> {
    let builtin = with_default.then_some(DEFAULT);
    builtin.into_iter().chain(texts.iter().map(|(file, text)| Place { file, text })).collect()
}

#[cfg(test)]
mod tests;
