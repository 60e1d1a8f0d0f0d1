//! What conditions can reach: whether several of them can hold together, and whether one lets through all
//! that another does.
//!
//! Both answers are for warnings, so they err on the silent side: "cannot hold" and "covers" are certain, and
//! the opposite is not.

use super::{Condition, OneOrMany, among};
use crate::flow::Outcome;
use crate::payload::{App, Sides};
use crate::registry::{Ports, Registry};
use crate::rules::nets::Nets;
use crate::rules::subject::AtPort;
use crate::rules::word::{Named, Way, Word};
use crate::verdict::Story;
use crate::wire::Transport;

impl Condition {
    /// Conditions on the port alone; one that is `None` asks for nothing.
    pub(in crate::rules) fn on_port(
        ports: Option<&Ports>,
        transport: Option<Transport>,
        claim: Option<&String>,
    ) -> Self {
        Self {
            ports: ports.cloned(),
            transport: transport.map(|transport| OneOrMany(vec![Word(transport)])),
            claim: claim.map(|id| OneOrMany(vec![id.clone()])),
            ..Self::default()
        }
    }

    /// Why no flow can ever meet all of these conditions; `None` when one might. Status, tags and claims are
    /// those of `registry`.
    pub(in crate::rules) fn contradiction(
        all: &[&Self],
        registry: &Registry,
        internal: &Nets,
    ) -> Option<&'static str> {
        let ways = |way: &Way| all.iter().all(|one| among(&one.direction, *way) && one.goes(*way, internal));
        let course = |outcome: Outcome, transport: Transport| {
            happens(outcome, transport)
                && all.iter().all(|one| {
                    among(&one.outcome, outcome)
                        && among(&one.transport, transport)
                        && one.answered.is_none_or(|answered| outcome.answered() == answered)
                })
        };
        if !any_port(all, registry) {
            Some("no port is like that")
        } else if !Story::all().iter().any(|story| all.iter().all(|one| among(&one.story, *story))) {
            Some("it asks for two stories at once")
        } else if !App::all().iter().any(|app| {
            all.iter().all(|one| among(&one.app_proto, *app) || among(&one.app_proto, app.spoken()))
        }) {
            Some("it asks for two protocols at once")
        } else if !Sides::all().iter().any(|sides| all.iter().all(|one| among(&one.sides, *sides))) {
            Some("it asks for different sides at once")
        } else if !Transport::ALL.iter().any(|&on| Outcome::ALL.iter().any(|&outcome| course(outcome, on))) {
            Some("no flow of this transport ends like that")
        } else if !Way::all().iter().any(ways) {
            Some("these networks do not lie in that direction")
        } else {
            None
        }
    }

    /// True when whatever `narrow` lets through, this lets through too.
    pub(in crate::rules) fn covers(&self, narrow: &Self) -> bool {
        // Taken apart, so that a new condition cannot be forgotten here.
        let Self {
            ports,
            transport,
            tier,
            status,
            tags,
            story,
            probability,
            app_proto,
            sides,
            outcome,
            conn_state,
            fact,
            answered,
            originator,
            responder,
            direction,
            bytes,
            packets,
            payload_bytes,
            answered_bytes,
            claim,
            registered,
            process,
        } = self;
        let within = |wide: &Nets, nets: &Nets| nets.iter().all(|net| wide.cover(*net));
        let least = |wide: Option<u64>, narrow: Option<u64>| wide.unwrap_or(0) <= narrow.unwrap_or(0);
        wider(ports.as_ref(), narrow.ports.as_ref(), Ports::cover)
            && superset(transport, &narrow.transport, PartialEq::eq)
            && superset(tier, &narrow.tier, PartialEq::eq)
            && superset(status, &narrow.status, PartialEq::eq)
            && superset(tags, &narrow.tags, PartialEq::eq)
            && superset(claim, &narrow.claim, PartialEq::eq)
            && superset(registered, &narrow.registered, PartialEq::eq)
            && superset(story, &narrow.story, PartialEq::eq)
            && probability.map_or(0.0, |share| share.0) <= narrow.probability.map_or(0.0, |share| share.0)
            && superset(app_proto, &narrow.app_proto, PartialEq::eq)
            && superset(sides, &narrow.sides, PartialEq::eq)
            && superset(outcome, &narrow.outcome, PartialEq::eq)
            && superset(conn_state, &narrow.conn_state, PartialEq::eq)
            && superset(fact, &narrow.fact, PartialEq::eq)
            && wider(answered.as_ref(), narrow.answered.as_ref(), PartialEq::eq)
            && wider(originator.as_ref(), narrow.originator.as_ref(), within)
            && wider(responder.as_ref(), narrow.responder.as_ref(), within)
            && superset(direction, &narrow.direction, PartialEq::eq)
            && least(*bytes, narrow.bytes)
            && least(*packets, narrow.packets)
            && least(*payload_bytes, narrow.payload_bytes)
            && least(*answered_bytes, narrow.answered_bytes)
            && superset(process, &narrow.process, PartialEq::eq)
    }

    /// True when its networks leave room for a flow that goes this way.
    fn goes(&self, way: Way, internal: &Nets) -> bool {
        let room = |nets: &Option<Nets>, inside: bool| {
            let has_room = |net: &_| if inside { internal.meet(*net) } else { !internal.cover(*net) };
            nets.as_ref().is_none_or(|nets| nets.iter().any(has_room))
        };
        let (from, to) = match way {
            Way::Inbound => (false, true),
            Way::Outbound => (true, false),
            Way::Internal => (true, true),
            Way::External => (false, false),
        };
        room(&self.originator, from) && room(&self.responder, to)
    }

    /// True when it asks for something about the port beside its number.
    const fn asks_registry(&self) -> bool {
        self.tier.is_some()
            || self.status.is_some()
            || self.tags.is_some()
            || self.claim.is_some()
            || self.registered.is_some()
    }
}

/// True when some port meets all of them, as far as the port goes.
fn any_port(all: &[&Condition], registry: &Registry) -> bool {
    let asks = all.iter().any(|one| one.asks_registry());
    Transport::ALL.iter().any(|&transport| {
        (0..=u16::MAX)
            .filter(|&port| all.iter().all(|one| one.ports.as_ref().is_none_or(|ports| ports.contains(port))))
            .filter(|_| all.iter().all(|one| among(&one.transport, transport)))
            .any(|port| {
                !asks || {
                    let at = AtPort::of(registry, transport, port);
                    all.iter().all(|one| one.holds_for_port(&at))
                }
            })
    })
}

/// True when flows of the transport can have the outcome.
const fn happens(outcome: Outcome, transport: Transport) -> bool {
    match transport {
        Transport::Tcp => !matches!(outcome, Outcome::TwoWay),
        Transport::Udp | Transport::Sctp => {
            matches!(outcome, Outcome::TwoWay | Outcome::OneWay | Outcome::Refused)
        }
    }
}

/// True when `wide` asks for nothing, or both ask and what `wide` asks covers the other.
fn wider<T>(wide: Option<&T>, narrow: Option<&T>, covers: impl Fn(&T, &T) -> bool) -> bool {
    wide.is_none_or(|wide| narrow.is_some_and(|narrow| covers(wide, narrow)))
}

/// True when each of the words of `narrow` is covered by one of `wide`.
fn superset<T>(
    wide: &Option<OneOrMany<T>>,
    narrow: &Option<OneOrMany<T>>,
    covers: impl Fn(&T, &T) -> bool,
) -> bool {
    wider(wide.as_ref(), narrow.as_ref(), |wide, narrow| {
        narrow.0.iter().all(|one| wide.0.iter().any(|other| covers(other, one)))
    })
}
