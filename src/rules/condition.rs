//! A table of conditions: what `match`, `unless` and `severity_if` consist of. All fields that are given must
//! hold.

use std::fmt::{self, Display};

use serde::Deserialize;

use super::nets::{About, Net, Nets};
use super::subject::{AtPort, Subject};
use super::word::{FactName, Named, Share, Tag, Way, Word};
use crate::flow::{ConnState, Outcome};
use crate::payload::{App, Sides};
use crate::registry::{ClaimKind, OneOrMany, PortStatus, Ports, Tier};
use crate::verdict::Story;
use crate::wire::Transport;

mod reach;

type Words<T> = Option<OneOrMany<Word<T>>>;

/// Conditions on a verdict. Of a list, one has to hold; `tags` too: one of those listed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    /// The responder's port.
    ports: Option<Ports>,
    transport: Words<Transport>,
    tier: Words<Tier>,
    status: Words<PortStatus>,
    tags: Words<Tag>,
    story: Words<Story>,
    /// Probability of the story, at least.
    probability: Option<Share>,
    app_proto: Words<App>,
    /// Which sides the protocol was recognised on.
    sides: Words<Sides>,
    outcome: Words<Outcome>,
    /// Zeek's word for how the connection went.
    conn_state: Words<ConnState>,
    /// Facts, one of which the verdict rests on.
    fact: Words<FactName>,
    /// Whether the responder answered with more than a refusal.
    answered: Option<bool>,
    originator: Option<Nets>,
    responder: Option<Nets>,
    direction: Words<Way>,
    /// Frame bytes of both sides, at least.
    bytes: Option<u64>,
    /// Packets of both sides, at least.
    packets: Option<u64>,
    /// Payload bytes of both sides together, at least.
    payload_bytes: Option<u64>,
    /// Payload bytes of the responder, at least.
    answered_bytes: Option<u64>,
    /// Identifiers of claims, one of which stands on the port.
    claim: Option<OneOrMany<String>>,
    /// Names, one of which the port is registered to.
    registered: Option<OneOrMany<String>>,
    /// Names of local processes.
    process: Option<OneOrMany<String>>,
}

impl Condition {
    /// True when everything that is asked for holds.
    pub(super) fn holds(&self, subject: &Subject<'_>) -> bool {
        self.holds_for_port(&subject.at_port())
            && self.holds_for_conduct(subject)
            && self.holds_for_ends(subject)
    }

    /// True when it may hold for some flow of this story that went like this.
    pub(super) fn may_hold(&self, story: Story, outcome: Outcome) -> bool {
        among(&self.story, story)
            && among(&self.outcome, outcome)
            && self.answered.is_none_or(|answered| outcome.answered() == answered)
            && self.fact.as_ref().is_none_or(|facts| facts.0.iter().any(Word::is_gathered))
    }

    /// True when nothing in it depends on what the flow did: a rule like that fires by number.
    pub(super) fn is_port_alone(&self) -> bool {
        self.story.is_none()
            && self.app_proto.is_none()
            && self.sides.is_none()
            && self.outcome.is_none()
            && self.conn_state.is_none()
            && self.fact.is_none()
            && self.answered.is_none()
            && self.bytes.is_none()
            && self.packets.is_none()
            && self.payload_bytes.is_none()
            && self.answered_bytes.is_none()
            && self.process.is_none()
    }

    /// True when it asks for nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.to_string().is_empty()
    }

    fn holds_for_port(&self, at: &AtPort<'_>) -> bool {
        self.ports.as_ref().is_none_or(|ports| ports.contains(at.port))
            && among(&self.transport, at.transport)
            && among(&self.tier, at.tier)
            && among(&self.status, at.status)
            && self.tags.as_ref().is_none_or(|tags| {
                tags.0.iter().any(|tag| match tag.0 {
                    Tag::Remembered => at.tags.remembered,
                    Tag::Suspicious => at.tags.suspicious,
                })
            })
            && self.claim.as_ref().is_none_or(|ids| at.claims.iter().any(|claim| ids.0.contains(&claim.id)))
            && self.registered.as_ref().is_none_or(|names| {
                let registered = |kind| kind == ClaimKind::Registered;
                at.claims.iter().any(|claim| registered(claim.kind) && names.0.contains(&claim.name))
            })
    }

    fn holds_for_conduct(&self, subject: &Subject<'_>) -> bool {
        among(&self.story, subject.story)
            && self.probability.is_none_or(|least| subject.probability >= least.0)
            && (among(&self.app_proto, subject.app) || among(&self.app_proto, subject.app.spoken()))
            && among(&self.sides, subject.sides)
            && among(&self.outcome, subject.outcome)
            && among(&self.conn_state, subject.conn_state)
            && self.fact.as_ref().is_none_or(|facts| facts.0.iter().any(|fact| subject.facts.has(fact.0.0)))
            && self.answered.is_none_or(|answered| subject.outcome.answered() == answered)
            && self.bytes.is_none_or(|least| subject.bytes >= least)
            && self.packets.is_none_or(|least| subject.packets >= least)
            && self
                .payload_bytes
                .is_none_or(|least| subject.asked_bytes.saturating_add(subject.answered_bytes) >= least)
            && self.answered_bytes.is_none_or(|least| subject.answered_bytes >= least)
    }

    fn holds_for_ends(&self, subject: &Subject<'_>) -> bool {
        let within = |nets: &Option<Nets>, addr| nets.as_ref().is_none_or(|nets| nets.contains(addr));
        within(&self.originator, subject.originator)
            && within(&self.responder, subject.responder.addr)
            && self.direction.as_ref().is_none_or(|ways| ways.0.contains(&Word(subject.way())))
            && self.process.as_ref().is_none_or(|names| {
                subject.process.is_some_and(|process| names.0.iter().any(|name| name == process))
            })
    }
}

impl About for Condition {
    fn nets(&self) -> Option<&Nets> {
        [&self.originator, &self.responder].into_iter().flatten().min_by_key(|nets| nets.iter().len())
    }

    fn ports(&self) -> Option<&Ports> {
        self.ports.as_ref()
    }
}

fn among<T: Copy + PartialEq>(words: &Words<T>, value: T) -> bool {
    words.as_ref().is_none_or(|words| words.0.iter().any(|word| word.0 == value))
}

/// What it asks for, in words: `status dormant; answered true`.
impl Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut asked: Vec<String> = Vec::new();
        let mut say = |what: &str, value: Option<String>| {
            asked.extend(value.map(|value| format!("{what} {value}")));
        };
        say("ports", self.ports.as_ref().map(Ports::to_string));
        say("transport", words(&self.transport));
        say("tier", words(&self.tier));
        say("status", words(&self.status));
        say("tags", words(&self.tags));
        say("claim", self.claim.as_ref().map(|ids| ids.0.join(" or ")));
        say("registered to", self.registered.as_ref().map(|names| names.0.join(" or ")));
        say("story", words(&self.story));
        say("probability at least", self.probability.map(|share| share.0.to_string()));
        say("app_proto", words(&self.app_proto));
        say("sides", words(&self.sides));
        say("outcome", words(&self.outcome));
        say("conn_state", words(&self.conn_state));
        say("fact", words(&self.fact));
        say("answered", self.answered.map(|answered| answered.to_string()));
        say("originator in", self.originator.as_ref().map(shown));
        say("responder in", self.responder.as_ref().map(shown));
        say("direction", words(&self.direction));
        say("bytes at least", self.bytes.map(|least| least.to_string()));
        say("packets at least", self.packets.map(|least| least.to_string()));
        say("payload bytes at least", self.payload_bytes.map(|least| least.to_string()));
        say("responder's payload bytes at least", self.answered_bytes.map(|least| least.to_string()));
        say("process", self.process.as_ref().map(|names| names.0.join(" or ")));
        f.write_str(&asked.join("; "))
    }
}

fn words<T: Named>(words: &Words<T>) -> Option<String> {
    let words = words.as_ref()?;
    Some(words.0.iter().map(|word| word.0.name()).collect::<Vec<_>>().join(" or "))
}

fn shown(nets: &Nets) -> String {
    nets.iter().map(Net::to_string).collect::<Vec<_>>().join(" or ")
}
