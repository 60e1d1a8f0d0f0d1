//! What happened to flows → verdicts, buckets, alerts and lines. One judge, in the one order of the run.
//!
//! Everything that looks across flows lives here and nowhere else: who answers, who probes, who announced
//! what, which alerts were raised. Because events arrive in an order that does not depend on threads, neither
//! does anything said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::Knowledge;
use super::crew::Events;
use super::desk::Desk;
use super::worker::Happening;
use crate::bucket::Buckets;
use crate::evidence::{self, Context};
use crate::flow::{self, Endpoints, Flow, Hints, Order, Outcome};
use crate::host::{Listeners, Process};
use crate::payload::{Announced, AppProto};
use crate::rules::State;
use crate::verdict::{Bench, Verdict};

/// Announced meeting places remembered.
const ANNOUNCED_MAX: usize = 65_536;
/// How long an announced meeting place counts, in packet time.
const ANNOUNCED_LIFETIME: Duration = Duration::from_secs(3600);
/// How old what we know about local sockets may be when a verdict asks.
const LISTENERS_AGE_MAX: Duration = Duration::from_secs(2);

/// Flow ids: they are hashes already, and never iterated over, so a fast fixed hash is enough.
type Flows = HashSet<u64, FixedState>;

/// See the module.
pub(super) struct Judge {
    /// Claims and rules; swapped whole on reload.
    pub(super) knowledge: Knowledge,
    pub(super) state: State,
    pub(super) buckets: Buckets,
    endpoints: Endpoints,
    announced: Announced,
    bench: Bench,
    /// Flows under way that raised an alert, by id.
    alerted: Flows,
    /// Flows under way that were answered, by id.
    answered: Flows,
    /// Local sockets and when they were read; `None` in replay, where the machine is not the one in the
    /// capture.
    listeners: Option<(Listeners, Option<Instant>)>,
}

impl Judge {
    pub(super) fn new(knowledge: Knowledge, ask_host: bool) -> Self {
        Self {
            state: State::new(),
            buckets: Buckets::default(),
            endpoints: Endpoints::new(&flow::EndpointsConfig::default()),
            announced: Announced::new(ANNOUNCED_MAX, ANNOUNCED_LIFETIME),
            bench: Bench::new(),
            alerted: Flows::default(),
            answered: Flows::default(),
            listeners: ask_host.then(|| (Listeners::new(), None)),
            knowledge,
        }
    }

    /// Takes what happened in one burst, in order.
    pub(super) fn hear_all(&mut self, events: Events, desk: &mut Desk) {
        for (order, happening) in events {
            self.hear(order, happening, desk);
        }
    }

    /// Takes one thing that happened and writes what is to be said about it.
    fn hear(&mut self, order: Order, happening: Happening, desk: &mut Desk) {
        match happening {
            Happening::Opened(opened) => self.endpoints.opened(&opened),
            Happening::Announced(meetings) => {
                for meeting in meetings {
                    self.announced.insert(meeting, order.frame, order.clock);
                }
            }
            Happening::Heard(flow, app) => {
                let verdict = self.verdict(*flow, app);
                let findings = self.alerts(&verdict, desk);
                self.buckets.found(&verdict, findings);
            }
            Happening::Ended(originator, outcome) => self.endpoints.ended(originator, outcome),
            Happening::Closed(flow, app) => {
                // When the input ends, all open flows end at once: what became of them was told before.
                if order.rank != Order::END {
                    self.endpoints.closed(&flow, flow.outcome());
                }
                self.closed(*flow, app, desk);
            }
        }
    }

    fn closed(&mut self, flow: Flow, app: AppProto, desk: &mut Desk) {
        let id = flow.id;
        let verdict = self.verdict(flow, app);
        self.answered.remove(&id);
        let findings = self.alerts(&verdict, desk);
        self.buckets.add(&verdict, findings);
        let alerted = self.alerted.remove(&id);
        desk.flow(&verdict, alerted);
    }

    /// Settles who opened, gathers the facts and weighs them.
    fn verdict(&mut self, mut flow: Flow, app: AppProto) -> Arc<Verdict> {
        if !flow.direction.is_decided() {
            let hints = self.hints(&flow);
            flow::settle(&mut flow, &hints);
        }
        let outcome = flow.outcome();
        if (outcome.answered() || outcome == Outcome::Reset) && self.answered.insert(flow.id) {
            self.endpoints.answered(&flow);
        }
        let process = self.process(&flow, outcome);
        let (registry, transport, port) = (&self.knowledge.registry, flow.transport, flow.responder.port);
        let (reach, knocks) =
            self.endpoints.reach_and_knocks(flow.originator.addr, transport, flow.responder);
        let context = Context {
            outcome,
            claims: registry.on(transport, port),
            status: registry.status(transport, port),
            tags: registry.tags(transport, port),
            originator_claims: registry.on(transport, flow.originator.port),
            originator_status: registry.status(transport, flow.originator.port),
            reach,
            knocks,
            sought: self.endpoints.sought(transport, flow.responder),
            listener: self.endpoints.listener(transport, flow.responder),
            originator_listener: self.endpoints.listener(transport, flow.originator),
            announcement: self.announced.on(transport, flow.responder, flow.start),
            process,
        };
        Arc::new(self.bench.judge(evidence::gather(flow, app, &context)))
    }

    fn hints(&self, flow: &Flow) -> Hints {
        let listens = |end| self.endpoints.listener(flow.transport, end).is_some();
        let announced = |end| self.announced.on(flow.transport, end, flow.start).is_some();
        Hints {
            orig_listens: listens(flow.originator),
            resp_listens: listens(flow.responder),
            orig_announced: announced(flow.originator),
            resp_announced: announced(flow.responder),
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

    fn alerts(&mut self, verdict: &Arc<Verdict>, desk: &mut Desk) -> u64 {
        let alerts = self.knowledge.rules.judge(&mut self.state, verdict, &self.knowledge.registry);
        for alert in &alerts {
            self.alerted.insert(verdict.evidence.flow.id);
            desk.alert(alert);
        }
        alerts.len() as u64
    }
}
