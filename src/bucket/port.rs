//! What is known about one port of one transport.

use crate::flow::Outcome;
use crate::payload::App;
use crate::registry::{ClaimKind, PortStatus, Tags, Tier};
use crate::time::Timestamp;
use crate::verdict::{Story, Verdict};
use crate::wire::Transport;

use crate::flow::{Distinct, even_addr};

/// Every finished flow about one port, added up.
#[derive(Clone, Debug, PartialEq)]
pub struct PortBucket {
    /// Transport protocol.
    pub transport: Transport,
    /// The responder's port.
    pub port: u16,
    /// Tier of the port.
    pub tier: Tier,
    /// Status of the port.
    pub status: PortStatus,
    /// Tags of the port.
    pub tags: Tags,
    /// Registered service name, when there is one.
    pub registered: Option<String>,
    /// Finished flows.
    pub flows: u64,
    /// Findings raised by flows about this port.
    pub findings: u64,
    /// Distinct originator addresses.
    pub originators: Distinct,
    /// Distinct responder addresses.
    pub responders: Distinct,
    /// Packets that originators sent.
    pub packets_to_responder: u64,
    /// Packets that responders sent.
    pub packets_to_originator: u64,
    /// Bytes of whole frames that originators sent.
    pub bytes_to_responder: u64,
    /// Bytes of whole frames that responders sent.
    pub bytes_to_originator: u64,
    /// Time of the first packet of any of the flows.
    pub first: Timestamp,
    /// Time of the last packet of any of the flows.
    pub last: Timestamp,
    outcomes: [u64; Outcome::ALL.len()],
    stories: [u64; Story::ALL.len()],
    /// In the order of [`App`]; there are as many entries as protocols we know, at most.
    protocols: Vec<(App, u64)>,
}

impl PortBucket {
    /// An empty bucket for the port that a verdict is about.
    pub(super) fn new(verdict: &Verdict) -> Self {
        let evidence = &verdict.evidence;
        let flow = &evidence.flow;
        let registered = evidence.claims.iter().find(|claim| claim.kind == ClaimKind::Registered);
        Self {
            transport: flow.transport,
            port: flow.responder.port,
            tier: evidence.tier,
            status: evidence.status,
            tags: evidence.tags,
            registered: registered.map(|claim| claim.name.clone()),
            flows: 0,
            findings: 0,
            originators: Distinct::default(),
            responders: Distinct::default(),
            packets_to_responder: 0,
            packets_to_originator: 0,
            bytes_to_responder: 0,
            bytes_to_originator: 0,
            first: flow.start,
            last: flow.end,
            outcomes: [0; Outcome::ALL.len()],
            stories: [0; Story::ALL.len()],
            protocols: Vec::new(),
        }
    }

    /// Bytes of whole frames, both ways.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes_to_responder + self.bytes_to_originator
    }

    /// Flows whose responder answered with more than a refusal.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.outcomes().filter(|(outcome, _)| outcome.answered()).map(|(_, flows)| flows).sum()
    }

    /// Flows by outcome, in output order, without those that did not occur.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.into_iter().zip(self.outcomes).filter(|&(_, flows)| flows > 0)
    }

    /// Flows by story, in output order, without those that did not occur.
    pub fn stories(&self) -> impl Iterator<Item = (Story, u64)> + '_ {
        Story::ALL.into_iter().zip(self.stories).filter(|&(_, flows)| flows > 0)
    }

    /// Flows by what was spoken, in the order of [`App`]; [`App::Unknown`] where nothing was recognised.
    pub fn protocols(&self) -> impl Iterator<Item = (App, u64)> + '_ {
        self.protocols.iter().copied()
    }

    /// Adds one finished flow.
    pub(super) fn fold(&mut self, verdict: &Verdict) {
        let evidence = &verdict.evidence;
        let flow = &evidence.flow;
        self.flows += 1;
        self.originators.insert(even_addr(flow.originator.addr));
        self.responders.insert(even_addr(flow.responder.addr));
        self.packets_to_responder += flow.orig.packets;
        self.packets_to_originator += flow.resp.packets;
        self.bytes_to_responder += flow.orig.bytes;
        self.bytes_to_originator += flow.resp.bytes;
        self.first = self.first.min(flow.start);
        self.last = self.last.max(flow.end);
        self.outcomes[evidence.outcome as usize] += 1;
        self.stories[verdict.story as usize] += 1;
        self.speak(evidence.app.app.spoken(), 1);
    }

    /// Adds a bucket of the same port.
    pub(super) fn merge(&mut self, other: &Self) {
        self.flows += other.flows;
        self.findings += other.findings;
        self.originators.merge(&other.originators);
        self.responders.merge(&other.responders);
        self.packets_to_responder += other.packets_to_responder;
        self.packets_to_originator += other.packets_to_originator;
        self.bytes_to_responder += other.bytes_to_responder;
        self.bytes_to_originator += other.bytes_to_originator;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(ours, theirs)| *ours += theirs);
        self.stories.iter_mut().zip(other.stories).for_each(|(ours, theirs)| *ours += theirs);
        other.protocols.iter().for_each(|&(app, flows)| self.speak(app, flows));
    }

    fn speak(&mut self, app: App, flows: u64) {
        match self.protocols.binary_search_by_key(&app, |&(known, _)| known) {
            Ok(place) => self.protocols[place].1 += flows,
            Err(place) => self.protocols.insert(place, (app, flows)),
        }
    }
}
