//! What a rule sees of a verdict: plain values, and of the ports only the responder's.
//!
//! It is made for every verdict that some rule might speak about, millions in a scan, so it borrows, and what
//! only few rules ask for (the direction, the names of facts) is found out when one asks.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;

use super::nets::Nets;
use super::word::{Way, way};
use crate::evidence::Fact;
use crate::flow::{ConnState, Outcome};
use crate::payload::{App, Sides};
use crate::registry::{Claim, PortStatus, Registry, Tags, Tier};
use crate::time::Timestamp;
use crate::verdict::{Story, Verdict};
use crate::wire::{Endpoint, Transport};

/// A verdict as rules see it.
#[derive(Clone, Debug)]
pub(super) struct Subject<'a> {
    pub(super) flow: u64,
    pub(super) start: Timestamp,
    pub(super) time: Timestamp,
    pub(super) transport: Transport,
    pub(super) originator: IpAddr,
    pub(super) responder: Endpoint,
    /// Asked for by [`Self::way()`].
    pub(super) way: OnceCell<Way>,
    /// Networks that are ours.
    pub(super) internal: &'a Nets,
    pub(super) tier: Tier,
    pub(super) status: PortStatus,
    pub(super) tags: Tags,
    pub(super) claims: &'a [Arc<Claim>],
    pub(super) story: Story,
    pub(super) probability: f64,
    pub(super) app: App,
    pub(super) sides: Sides,
    pub(super) outcome: Outcome,
    pub(super) conn_state: ConnState,
    /// The facts the verdict rests on.
    pub(super) facts: FactNames<'a>,
    /// Frame bytes of both sides.
    pub(super) bytes: u64,
    /// Packets of both sides.
    pub(super) packets: u64,
    /// Payload bytes of the originator.
    pub(super) asked_bytes: u64,
    /// Payload bytes of the responder.
    pub(super) answered_bytes: u64,
    /// Name of the local process that listens on the responder's port, where known.
    pub(super) process: Option<&'a str>,
}

/// Facts, of which rules see the names.
#[derive(Clone, Debug)]
pub(super) enum FactNames<'a> {
    /// Of a verdict.
    Facts(&'a [Fact]),
    /// Of a rule's own case.
    Names(Vec<&'static str>),
}

impl FactNames<'_> {
    /// True when a fact of this name is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Facts(facts) => facts.iter().any(|fact| fact.name() == name),
            Self::Names(names) => names.contains(&name),
        }
    }
}

impl<'a> Subject<'a> {
    /// What rules see of this verdict.
    pub(super) fn of(verdict: &'a Verdict, internal: &'a Nets) -> Self {
        let evidence = &verdict.evidence;
        let flow = &evidence.flow;
        Self {
            flow: flow.id,
            start: flow.start,
            time: flow.end,
            transport: flow.transport,
            originator: flow.originator.addr,
            responder: flow.responder,
            way: OnceCell::new(),
            internal,
            tier: evidence.tier,
            status: evidence.status,
            tags: evidence.tags,
            claims: &evidence.claims,
            story: verdict.story,
            probability: verdict.probability,
            app: evidence.app.app,
            sides: evidence.app.sides,
            outcome: evidence.outcome,
            conn_state: flow.conn_state,
            facts: FactNames::Facts(&evidence.facts),
            bytes: flow.orig.bytes.saturating_add(flow.resp.bytes),
            packets: flow.orig.packets.saturating_add(flow.resp.packets),
            asked_bytes: flow.orig.payload_bytes,
            answered_bytes: flow.resp.payload_bytes,
            process: evidence.process().map(|process| process.name.as_str()),
        }
    }

    /// Which way the flow goes.
    pub(super) fn way(&self) -> Way {
        *self.way.get_or_init(|| way(self.internal, self.originator, self.responder.addr))
    }

    /// What was known about the responder's port beforehand.
    pub(super) const fn at_port(&self) -> AtPort<'_> {
        AtPort {
            transport: self.transport,
            port: self.responder.port,
            tier: self.tier,
            status: self.status,
            tags: self.tags,
            claims: self.claims,
        }
    }
}

/// What is known about a port before anything is seen on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtPort<'a> {
    pub(super) transport: Transport,
    pub(super) port: u16,
    pub(super) tier: Tier,
    pub(super) status: PortStatus,
    pub(super) tags: Tags,
    pub(super) claims: &'a [Arc<Claim>],
}

impl<'a> AtPort<'a> {
    /// What the registry says.
    pub(super) fn of(registry: &'a Registry, transport: Transport, port: u16) -> Self {
        Self {
            transport,
            port,
            tier: Tier::of(port),
            status: registry.status(transport, port),
            tags: registry.tags(transport, port),
            claims: registry.on(transport, port),
        }
    }
}
