//! What happened to flows → verdicts, buckets, alerts and lines. One judge, in the one order of the run.
//!
//! Everything that looks across flows lives here and nowhere else: who answers, who probes, who announced
//! what, which alerts were raised. Because events arrive in an order that does not depend on threads, neither
//! does anything said.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::Knowledge;
use super::crew::Events;
use super::desk::Desk;
use super::worker::{Happening, Spent};
use crate::bucket::Buckets;
use crate::evidence::{CATALOGUE, Context, Fact};
use crate::flow::{
    self, Endpoints, Ends, Event, Expected, Flow, Habits, Hints, Keyed, Known, Manner, Order, Outcome,
};
use crate::host::{Listeners, Process};
use crate::payload::{Announced, Announcement, App, AppProto, Conversations, Details, Words};
use crate::registry::{Claim, ClaimKind, Registry};
use crate::rules::{Aggregate, Alert, Gathering, Revised, Rule, Rules, Spoken, Stage, State, Values};
use crate::time::Timestamp;
use crate::verdict::{Bench, Story, Verdict};
use crate::wire::Endpoint;

/// Announced meeting places remembered.
const ANNOUNCED_MAX: usize = 65_536;
/// Sides of control conversations of which the last words are remembered.
const CONVERSATIONS_MAX: usize = 4096;
/// How long an announced meeting place counts, in packet time.
const ANNOUNCED_LIFETIME: Duration = Duration::from_secs(3600);
/// How old what we know about local sockets may be when a verdict asks.
const LISTENERS_AGE_MAX: Duration = Duration::from_secs(2);

/// Some 150 KB.
const TOLD_MAX: usize = 1024;

/// Events looked ahead for their flow, which another core has just written.
const FLOW_AHEAD: usize = 6;
/// Events looked ahead for where the search for their flow's ends begins.
const ENDS_AHEAD: usize = 4;
/// So many events later, what is known of the ends is looked ahead for. Judging two takes longer than
/// bringing anything in.
const SEARCH: usize = 2;

/// See the module.
pub(super) struct Judge {
    /// Claims and rules; swapped whole on reload.
    pub(super) knowledge: Knowledge,
    pub(super) state: State,
    /// Kept only where a table or `port` lines are wanted: in a scan of every port, adding to them was 8 % of
    /// the time, and the distinct hosts in them some of another 9 %.
    pub(super) buckets: Option<Buckets>,
    endpoints: Endpoints,
    announced: Announced,
    conversations: Conversations,
    bench: Bench,
    /// Flows that an alert stands for.
    pub(super) alerted_flows: u64,
    /// Of flows under way, by id.
    notes: Keyed<u64, Notes>,
    /// Local sockets and when they were read; `None` in replay, where the machine is not the one in the
    /// capture.
    listeners: Option<(Listeners, Option<Instant>)>,
    /// Room for what is said about one verdict; empty otherwise.
    alerts: Vec<Alert>,
    /// What lines about flows that are over told, at most [`TOLD_MAX`], for the memory: writing over it does
    /// not wait for it, and freeing it would.
    #[expect(clippy::vec_box, reason = "what is kept is the memory behind the box")]
    told: Vec<Box<Told>>,
    /// The flow that somebody asked about.
    pub(super) sought: Option<Sought>,
    /// Takes flows back to the workers.
    spent: Sender<Spent>,
}

/// What was looked ahead for and is on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Search {
    ends: Ends,
    notes: Expected,
}

/// What is kept of a flow between its verdicts.
#[derive(Debug, Default)]
struct Notes {
    /// It was answered, and the responder knows.
    answered: bool,
    /// An alert stands for it.
    alerted: bool,
    /// What its handshake said.
    details: Option<Arc<Details>>,
    /// What rules said about it.
    spoken: Spoken,
    /// What the latest line about it told.
    raised: Option<Raised>,
}

impl Notes {
    const fn is_empty(&self) -> bool {
        let Self { answered, alerted, details, spoken, raised } = self;
        !*answered && !*alerted && details.is_none() && spoken.is_empty() && raised.is_none()
    }
}

/// What was said of one flow.
#[derive(Debug)]
pub(super) struct Sought {
    pub(super) flow: u64,
    pub(super) verdicts: Vec<Arc<Verdict>>,
    pub(super) alerts: Vec<Alert>,
}

impl Judge {
    pub(super) fn new(
        knowledge: Knowledge,
        gathering: Gathering,
        with_buckets: bool,
        ask_host: bool,
        spent: Sender<Spent>,
    ) -> Self {
        Self {
            state: State::gathering(gathering),
            alerted_flows: 0,
            buckets: with_buckets.then(Buckets::new),
            endpoints: Endpoints::new(&flow::EndpointsConfig::default()),
            announced: Announced::new(ANNOUNCED_MAX, ANNOUNCED_LIFETIME),
            conversations: Conversations::new(CONVERSATIONS_MAX),
            bench: Bench::new(),
            notes: Keyed::default(),
            listeners: ask_host.then(|| (Listeners::new(), None)),
            alerts: Vec::new(),
            told: Vec::new(),
            sought: None,
            spent,
            knowledge,
        }
    }

    /// Takes what happened in one burst, in order.
    pub(super) fn hear_all(&mut self, mut events: Events, desk: &mut Desk) {
        let mut queue = events.drain(..);
        let mut searches = [Search::default(); SEARCH];
        for turn in (0..SEARCH).cycle() {
            let Some((order, happening)) = queue.next() else { break };
            self.look_ahead(queue.as_slice(), &mut searches[turn]);
            self.until(order.clock, desk);
            self.hear(order, happening, desk);
        }
        drop(queue);
        // When the workers have enough, it is let go.
        let _ = self.spent.try_send(Spent { flows: self.bench.spent(), events });
    }

    /// Brings in what the next events will ask for: waiting for it when it was asked for was a sixth of a run
    /// with many hosts.
    fn look_ahead(&self, coming: &[(Order, Happening)], search: &mut Search) {
        if let Some((_, Event::Heard(flow, ..) | Event::Closed(flow, ..))) = coming.get(FLOW_AHEAD) {
            flow.prefetch();
        }
        self.endpoints.fetch(search.ends);
        self.notes.fetch(search.notes);
        let (notes, (transport, originator, responder)) = match coming.get(ENDS_AHEAD) {
            Some((_, Event::Opened(flow))) => {
                (Expected::default(), (flow.transport, flow.originator, flow.responder))
            }
            Some((_, Event::Heard(flow, ..) | Event::Closed(flow, ..))) => {
                (self.notes.expect(flow.id), (flow.transport, flow.originator, flow.responder))
            }
            _ => return *search = Search::default(),
        };
        *search = Search { ends: self.endpoints.expect(transport, originator, responder), notes };
    }

    /// Moves the packet clock and says what is due by it.
    #[inline]
    pub(super) fn until(&mut self, clock: Timestamp, desk: &mut Desk) {
        if self.state.advance(clock) {
            self.due(clock, desk);
        }
    }

    #[cold]
    fn due(&mut self, clock: Timestamp, desk: &mut Desk) {
        let Knowledge { rules, registry } = &self.knowledge;
        for alert in rules.until(&mut self.state, clock, registry) {
            desk.alert(alert).into_iter().for_each(|spent| self.bench.hand_back(spent));
        }
    }

    /// The end of the run: says what alerts have left unsaid.
    pub(super) fn finish(&mut self, desk: &mut Desk) {
        let Knowledge { rules, registry } = &self.knowledge;
        for alert in rules.finish(&mut self.state, registry) {
            desk.alert(alert).into_iter().for_each(|spent| self.bench.hand_back(spent));
        }
    }

    /// Takes one thing that happened and writes what is to be said about it.
    fn hear(&mut self, order: Order, happening: Happening, desk: &mut Desk) {
        match happening {
            Event::Opened(opened) => self.endpoints.opened(&opened),
            Event::Said(said) => {
                let words = Words {
                    transport: said.transport,
                    speaker: said.speaker,
                    listener: said.listener,
                    from_originator: said.from_originator,
                    bytes: &said.bytes,
                };
                // By the packet's own time, as flows begin by theirs: the clock may be ahead of both, when
                // one input goes on after another has ended.
                self.listen(said.note.app, &words, (said.frame, said.time));
            }
            Event::Heard(flow, app, details) => {
                self.listen_to_heads(&flow, app.app, order.frame);
                let id = flow.id;
                let mut notes = self.notes_of(id, details);
                let verdict = self.verdict(flow, app, &mut notes);
                let findings = self.alerts(&verdict, &mut notes, desk);
                if let Some(buckets) = &mut self.buckets {
                    buckets.found(&verdict, findings);
                }
                self.bench.hand_back(verdict);
                if !notes.is_empty() {
                    self.notes.keep(id, notes);
                }
            }
            Event::Ended(originator, manner, outcome) => {
                self.endpoints.ended(originator, manner, outcome);
            }
            Event::Closed(flow, app, details) => {
                // When the input ends, all open flows end at once: what became of them was told before.
                if order.rank != Order::END
                    && let Some((manner, outcome)) = flow.attempt()
                {
                    self.endpoints.ended(flow.originator.addr, manner, outcome);
                }
                // What was never due is heard now; it was said in the first packet.
                self.listen_to_heads(&flow, app.app, flow.first_frame);
                let notes = self.notes_of(flow.id, details);
                self.closed(flow, app, notes, desk);
            }
        }
    }

    /// Remembers the meeting places named in what was kept of both sides, said up to this frame, unless its
    /// packets were heard one by one. It is dated by the flow's first packet: who was told to meet may have
    /// gone there before this flow was heard.
    fn listen_to_heads(&mut self, flow: &Flow, app: App, frame: u64) {
        if !app.announces() || app.is_overheard() {
            return;
        }
        let (originator, responder) = (flow.originator, flow.responder);
        let sides =
            [(&flow.head_orig, originator, responder, true), (&flow.head_resp, responder, originator, false)];
        for (head, speaker, listener, from_originator) in sides {
            let transport = flow.transport;
            let words = Words { transport, speaker, listener, from_originator, bytes: &head.bytes };
            self.listen(app, &words, (frame, flow.start));
        }
    }

    fn listen(&mut self, app: App, words: &Words<'_>, (frame, time): (u64, Timestamp)) {
        let mut meetings = Vec::new();
        self.conversations.hear(app, words, &mut meetings);
        for meeting in meetings {
            self.announced.insert(meeting, frame, time);
        }
    }

    /// Takes the notes on a flow, with what its handshake says now.
    fn notes_of(&mut self, id: u64, details: Option<Box<Details>>) -> Notes {
        let mut notes = self.notes.take(id).unwrap_or_default();
        notes.details = details.map(Arc::from).or(notes.details);
        notes
    }

    fn closed(&mut self, flow: Box<Flow>, app: AppProto, mut notes: Notes, desk: &mut Desk) {
        let verdict = self.verdict(flow, app, &mut notes);
        let findings = self.alerts(&verdict, &mut notes, desk);
        if let Some(buckets) = &mut self.buckets {
            buckets.add(&verdict, findings);
        }
        if let Some(spent) = desk.flow(verdict, notes.alerted) {
            self.bench.hand_back(spent);
        }
        if let Some(raised) = notes.raised.filter(|_| self.told.len() < TOLD_MAX) {
            self.told.push(raised.told);
        }
    }

    /// Settles who opened, gathers the facts and weighs them.
    fn verdict(&mut self, mut flow: Box<Flow>, app: AppProto, notes: &mut Notes) -> Arc<Verdict> {
        if !flow.direction.is_decided() {
            let hints = self.hints(&flow);
            flow::settle(&mut flow, &hints);
        }
        let outcome = flow.outcome();
        if (outcome.answered() || outcome == Outcome::Reset) && !mem::replace(&mut notes.answered, true) {
            self.endpoints.answered(&flow);
        }
        let process = self.process(&flow, outcome);
        let announcement = explanation(&self.announced, &self.knowledge.registry, &flow, app.app);
        let is_silent = flow.orig.payload_bytes == 0 && flow.resp.payload_bytes == 0;
        let app = match &announcement {
            Some(announcement) if !is_silent => announcement.meeting.tells(app),
            _ => app,
        };
        let (registry, transport, port) = (&self.knowledge.registry, flow.transport, flow.responder.port);
        let manner = if flow.is_stray() { Manner::Strays } else { Manner::Asks };
        let known = self.endpoints.known(manner, transport, flow.originator, flow.responder);
        let Known { habits: Habits { reach, long_reach, knocks }, sought, .. } = known;
        let [at, at_originator] = [port, flow.originator.port].map(|port| registry.at(transport, port));
        let context = Context {
            outcome,
            claims: registry.on(transport, port),
            status: at.status,
            registrant_lives: at.registrant_lives,
            clients: registry.clients(port),
            originator_clients: registry.clients(flow.originator.port),
            tags: at.tags,
            // Only a guess may be wrong about whose claims count. Most originators' ports are never asked
            // about otherwise, and nobody needs the claims about every client's port in memory.
            originator_claims: if flow.direction.is_guess() {
                registry.on(transport, flow.originator.port)
            } else {
                &[]
            },
            originator_listed: at_originator.is_listed,
            originator_status: at_originator.status,
            reach,
            long_reach,
            knocks,
            sought,
            listener: known.listener,
            originator_listener: known.originator_listener,
            announcement: announcement.as_ref(),
            process,
            details: notes.details.clone(),
        };
        self.bench.judge(flow, app, &context)
    }

    fn hints(&self, flow: &Flow) -> Hints {
        let listens = |end| self.endpoints.listener(flow.transport, end).is_some();
        let announced = |end, peer: Endpoint| {
            let found = self.announced.on(flow.transport, end, flow.start);
            found.filter(|found| found.meeting.explains(peer.addr))
        };
        // Who asked by TFTP announced itself: that does not make its own request an answer.
        let asked_itself = |by| by == "tftp";
        let by_orig = announced(flow.originator, flow.responder);
        Hints {
            orig_listens: listens(flow.originator),
            resp_listens: listens(flow.responder),
            orig_announced: by_orig.is_some_and(|a| !asked_itself(a.meeting.by)),
            resp_announced: announced(flow.responder, flow.originator).is_some(),
        }
    }

    /// The local process behind the responder; live only, and only for flows that were answered.
    fn process(&mut self, flow: &Flow, outcome: Outcome) -> Option<Process> {
        let (listeners, read) = self.listeners.as_mut()?;
        if !outcome.answered() {
            return None;
        }
        if read.is_none_or(|at| at.elapsed() > LISTENERS_AGE_MAX) {
            // Not knowing the process is no reason to stop: the verdict simply has one fact less.
            let _ = listeners.refresh();
            *read = Some(Instant::now());
        }
        listeners.on(flow.transport, flow.responder)
    }

    /// Says what is to be said about a verdict; the number of alerts that begin with it.
    fn alerts(&mut self, verdict: &Arc<Verdict>, notes: &mut Notes, desk: &mut Desk) -> u64 {
        let Knowledge { rules, registry } = &self.knowledge;
        let id = verdict.evidence.flow.id;
        // Then nothing more will be said about it.
        let is_over = verdict.evidence.flow.ended.is_some();
        let mut alerts = mem::take(&mut self.alerts);
        let judged = rules.judge(&mut self.state, &mut notes.spoken, verdict, registry, &mut alerts);
        if judged.is_alerted {
            self.alerted_flows += u64::from(!mem::replace(&mut notes.alerted, true));
            desk.alerted(verdict);
        }
        if let Some(released) = judged.released {
            self.bench.hand_back(released);
        }
        let begun = alerts.iter().filter(|alert| alert.aggregate.stage == Stage::First).count() as u64;
        let is_own = |alert: &Alert| alert.verdict.evidence.flow.id == id;
        if let Some(raised) = notes.raised.as_ref().filter(|raised| raised.story != verdict.story) {
            if !alerts.iter().any(is_own) {
                alerts.push(raised.again(rules, verdict, registry));
            }
            let revised = raised.revised(verdict);
            alerts.iter_mut().filter(|alert| is_own(alert)).for_each(|alert| alert.revised = Some(revised));
        }
        if let Some(sought) = self.sought.as_mut().filter(|sought| sought.flow == id) {
            sought.verdicts.push(Arc::clone(verdict));
            sought.alerts.extend(alerts.iter().filter(|alert| is_own(alert)).cloned());
        }
        for alert in alerts.drain(..) {
            if is_own(&alert) && !is_over {
                let room = notes.raised.take().map(|raised| raised.told).or_else(|| self.told.pop());
                notes.raised = Some(Raised::by(&alert, room));
            }
            desk.alert(alert).into_iter().for_each(|spent| self.bench.hand_back(spent));
        }
        self.alerts = alerts;
        begun
    }
}

/// The latest line about a flow.
#[derive(Debug)]
struct Raised {
    story: Story,
    told: Box<Told>,
}

/// What it told.
#[derive(Debug)]
struct Told {
    rule: Arc<Rule>,
    values: Values,
    aggregate: Aggregate,
    facts: FactSet,
}

/// Facts by name.
#[derive(Clone, Copy, Debug)]
struct FactSet(u64);

impl FactSet {
    fn of(verdict: &Verdict) -> Self {
        const { assert!(CATALOGUE.len() <= 64) }
        Self(verdict.evidence.facts.iter().fold(0, |set, fact| set | 1 << fact.number()))
    }

    const fn has(self, fact: &Fact) -> bool {
        self.0 & 1 << fact.number() != 0
    }
}

impl Raised {
    /// Remembers a line, in this room if there is any.
    fn by(alert: &Alert, room: Option<Box<Told>>) -> Self {
        let Alert { rule, verdict, aggregate, .. } = alert;
        let told = Told {
            rule: Arc::clone(rule),
            values: Values::from(&**verdict),
            aggregate: *aggregate,
            facts: FactSet::of(verdict),
        };
        let told = match room {
            Some(mut room) => {
                *room = told;
                room
            }
            None => Box::new(told),
        };
        Self { story: verdict.story, told }
    }

    /// Another line of the same alert, about no new flow.
    fn again(&self, rules: &Rules, verdict: &Arc<Verdict>, registry: &Registry) -> Alert {
        let Told { rule, values, aggregate, .. } = &*self.told;
        let aggregate = Aggregate { stage: Stage::Update, flows: 0, ..*aggregate };
        rules.again(rule, values, aggregate, verdict, registry)
    }

    /// How this verdict differs: the fact that speaks most for the new story among those that came, or the
    /// first of those that went. What claims say of a protocol comes with it, and is not the news.
    fn revised(&self, verdict: &Verdict) -> Revised {
        let worth = |row: &[(Story, f64)]| {
            row.iter().find(|(story, _)| *story == verdict.story).map_or(0.0, |(_, weight)| *weight)
        };
        let (before, now) = (self.told.facts, FactSet::of(verdict));
        let is_news = |fact: &Fact| {
            !before.has(fact) && !matches!(fact, Fact::ClaimExpects(_) | Fact::NoClaimExpects(_))
        };
        let came = verdict.evidence.facts.iter().zip(&verdict.weights).filter(|(fact, _)| is_news(fact));
        let most = came.max_by(|(_, a), (_, b)| worth(a).total_cmp(&worth(b))).map(|(fact, _)| fact.name());
        let went = || CATALOGUE.get((before.0 & !now.0).trailing_zeros() as usize).map(|(name, ..)| *name);
        Revised { from: self.story, because: most.or_else(went) }
    }
}

/// The announcement that explains this flow. When a directory lists a service where its registration puts
/// it, or where what speaks belongs, that is no news.
fn explanation(places: &Announced, registry: &Registry, flow: &Flow, app: App) -> Option<Announcement> {
    let found = places.on(flow.transport, flow.responder, flow.start)?;
    let belongs = |claim: &Claim| match app {
        // As far as anybody can tell.
        App::Unknown => claim.kind == ClaimKind::Registered && !claim.speaks.is_empty(),
        app => claim.speaks.iter().any(|name| App::from_name(name) == Some(app)),
    };
    let named =
        |claim: &Claim| found.meeting.service().is_some_and(|name| claim.name.eq_ignore_ascii_case(name));
    let claims = registry.on(flow.transport, flow.responder.port);
    let at_home = found.meeting.is_listing() && claims.iter().any(|claim| belongs(claim) || named(claim));
    (found.meeting.explains(flow.originator.addr) && !at_home).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::tests::verdict;

    fn said(story: Story, facts: Vec<Fact>) -> Arc<Verdict> {
        let mut verdict = verdict(1, 3098, story);
        verdict.weights = vec![&[]; facts.len()];
        verdict.evidence.facts = facts;
        Arc::new(verdict)
    }

    fn told(verdict: &Arc<Verdict>, room: Option<Box<Told>>) -> Raised {
        let rule = Arc::clone(Rules::builtin().list()[0].rule());
        let aggregate = Aggregate::alone(1, Timestamp::MIN, Timestamp::MIN);
        let (signature, verdict) = ("".into(), Arc::clone(verdict));
        Raised::by(&Alert { rule, signature, verdict, aggregate, revised: None }, room)
    }

    #[test]
    fn a_revision_names_what_came_or_else_the_first_that_went() {
        let other = told(&said(Story::Scan, vec![Fact::GroupResponder, Fact::TunnelCarrier]), None);
        let facts = vec![Fact::Handshake, Fact::FirstPacketOnly, Fact::NoPayload];
        let raised = told(&said(Story::Undetermined, facts), Some(other.told));
        for (facts, because) in [
            (vec![Fact::Handshake, Fact::NoPayload, Fact::GroupResponder], "group_responder"),
            (vec![Fact::Handshake], "first_packet_only"),
            (vec![Fact::Handshake, Fact::FirstPacketOnly], "no_payload"),
        ] {
            let revised = raised.revised(&said(Story::Misdirected, facts));
            assert_eq!(revised, Revised { from: Story::Undetermined, because: Some(because) });
        }
        let nothing =
            raised.revised(&said(Story::Scan, vec![Fact::Handshake, Fact::FirstPacketOnly, Fact::NoPayload]));
        assert_eq!(nothing.because, None);
    }

    /// However often a flow is judged anew, a line about it takes back what the one before said.
    #[test]
    fn a_revision_quotes_the_title_as_it_was_filled_in() {
        let registry = Registry::builtin();
        let (rules, quiet) = (Rules::builtin(), Story::RegisteredService);
        let first = told(&said(Story::NonstandardPort, Vec::new()), None);
        let again = first.again(rules, &said(quiet, Vec::new()), registry);
        let title = again.signature.strip_prefix("Revised to registered_service: ");
        let title = title.unwrap_or_else(|| panic!("{}", again.signature)).to_owned();
        let second = Raised::by(&again, Some(first.told));
        let last = second.again(rules, &said(Story::Backscatter, Vec::new()), registry);
        let expected = title.replace("nonstandard_port", quiet.name());
        assert_eq!(*last.signature, format!("Revised to backscatter: {expected}"));
    }
}
