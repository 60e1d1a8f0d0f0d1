//! The next probe of a scan: the same evidence as of the one before, but for the flow itself and for counts
//! that went on.
//!
//! Scans and floods are millions of flows that are one SYN and nothing else, and gathering and weighing the
//! same dozen facts for each was a quarter of the time they took. So evidence can be turned into that of
//! another flow, and says no when that is not the whole difference.
//!
//! Invariant: evidence that was turned is what [`gather()`](super::gather()) would have made of the flow.

use std::mem::discriminant;
use std::sync::Arc;

use super::fact::{Evidence, Fact};
use super::gather::{Context, behaviour, is_group, is_modern};
use crate::flow::{Basis, Flow, Outcome, Side};
use crate::payload::{App, AppProto};
use crate::registry::{PortStatus, Tags, Tier};
use crate::wire::Transport;

/// Everything that the facts about a lone SYN rest on, but for the SYN's own header, the claims about the
/// responder's port, and what its ends did in other flows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ground {
    app: AppProto,
    outcome: Outcome,
    tier: Tier,
    status: PortStatus,
    tags: Tags,
    clients: Option<&'static str>,
    originator_clients: Option<&'static str>,
    originator_listed: bool,
    same_port: bool,
    modern: bool,
    group: bool,
    tcp_flags: u8,
}

impl Ground {
    /// `None` for everything but a lone SYN about which nobody else said anything.
    pub(super) fn of(flow: &Flow, app: AppProto, context: &Context<'_>) -> Option<Self> {
        let port = flow.responder.port;
        let is_alone = is_lone_syn(flow)
            && app.app == App::Unknown
            && context.announcement.is_none()
            && context.process.is_none()
            && context.details.is_none();
        is_alone.then(|| Self {
            app,
            outcome: context.outcome,
            tier: Tier::of(port),
            status: context.status,
            tags: context.tags,
            clients: context.clients,
            originator_clients: context.originator_clients,
            originator_listed: context.originator_listed,
            same_port: flow.originator.port == port,
            modern: is_modern(port),
            group: is_group(flow.responder.addr),
            tcp_flags: flow.orig.tcp_flags,
        })
    }
}

fn is_lone_syn(flow: &Flow) -> bool {
    flow.transport == Transport::Tcp
        && flow.direction.basis == Basis::Syn
        && flow.history.as_bytes() == b"S"
        && (flow.orig.packets, flow.orig.payload_bytes, flow.attempts) == (1, 0, 1)
        && flow.resp == Side::default()
        && flow.icmp.is_none()
        && !flow.one_sided
        && !flow.carrier
        && flow.head_orig.bytes.is_empty()
        && flow.head_resp.bytes.is_empty()
}

impl Evidence {
    /// Turns this into the evidence of another flow, when both are lone SYNs and differ in nothing but
    /// addresses, times and counts, and each fact with counts weighs the same (`weighs_as`: as the fact at
    /// this place did).
    ///
    /// Gives the flow it was about until now, whose memory is of use.
    ///
    /// # Errors
    /// The new flow, when they differ in more; then this is no evidence of anything, but its memory is of
    /// use.
    pub fn turn(
        &mut self,
        flow: Box<Flow>,
        app: AppProto,
        context: &Context<'_>,
        weighs_as: impl Fn(usize, &Fact) -> bool,
    ) -> Result<Box<Flow>, Box<Flow>> {
        let same = self.ground.is_some()
            && self.ground == Ground::of(&flow, app, context)
            && Arc::ptr_eq(&self.claims, context.claims)
            && self.flow.syn == flow.syn;
        if !same {
            return Err(flow);
        }
        let mut place = self.facts.iter().position(is_behaviour).unwrap_or(self.facts.len());
        for new in behaviour(&flow, context) {
            match self.facts.get_mut(place) {
                Some(old) if discriminant(old) == discriminant(&new) && weighs_as(place, &new) => *old = new,
                _ => return Err(flow),
            }
            place += 1;
        }
        if self.facts.get(place).is_some_and(is_behaviour) {
            return Err(flow);
        }
        Ok(std::mem::replace(&mut self.flow, flow))
    }
}

/// True for the facts about what the ends of a flow did in others. They stand side by side.
fn is_behaviour(fact: &Fact) -> bool {
    matches!(fact, Fact::Knocks(_) | Fact::FanOut { .. } | Fact::FanIn(_) | Fact::ListenerKnown(_))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::evidence::example::{announcement, claim, tcp};
    use crate::evidence::gather;
    use crate::flow::{Knocks, Reach, Sought, SynHint};
    use crate::registry::{ClaimKind, Claims};
    use crate::wire::TcpFlags;

    const NOTHING: AppProto = AppProto {
        app: App::Unknown,
        sides: crate::payload::Sides::Neither,
        strength: crate::payload::Strength::Weak,
    };

    /// A probe of the hundredth host and more.
    fn probe(host: u8) -> (Flow, Context<'static>) {
        let mut flow = tcp(3007, "S");
        flow.responder.addr = [10, 0, 1, host].into();
        let hosts = 100 + u32::from(host);
        let reach =
            Reach { attempts: hosts.into(), hosts, ports: 1, unanswered: hosts.into(), ..Reach::default() };
        (flow, Context { reach, ..Context::bare(Outcome::Unanswered, PortStatus::Dormant) })
    }

    fn turned(evidence: &mut Evidence, flow: Flow, context: &Context<'_>) -> bool {
        evidence.turn(Box::new(flow), NOTHING, context, |_, _| true).is_ok()
    }

    #[test]
    fn the_next_probe_differs_in_its_flow_and_in_counts() {
        let (flow, context) = probe(1);
        let mut evidence = gather(flow, NOTHING, &context);
        let (flow, context) = probe(2);
        assert!(turned(&mut evidence, flow.clone(), &context));
        assert_eq!(format!("{evidence:?}"), format!("{:?}", gather(flow, NOTHING, &context)));
        let reach = evidence.facts.iter().find(|fact| fact.name() == "fan_out").unwrap();
        assert!(reach.value().to_string().starts_with("102 hosts"), "{}", reach.value());
    }

    #[test]
    fn what_weighs_otherwise_is_gathered_anew() {
        let (flow, context) = probe(1);
        let mut evidence = gather(flow, NOTHING, &context);
        let (flow, context) = probe(2);
        let returned = evidence.turn(Box::new(flow.clone()), NOTHING, &context, |_, _| false);
        assert_eq!(returned.unwrap_err().responder, flow.responder);
    }

    #[test]
    fn nothing_but_a_lone_syn_of_which_nobody_spoke_is_turned() {
        let announced = announcement();
        let (flow, context) = probe(1);
        let told = Context { announcement: Some(&announced), ..context.clone() };
        let mut answered = tcp(3007, "Sh");
        answered.responder = flow.responder;
        for (flow, context) in [(answered, &context), (flow.clone(), &told)] {
            let mut evidence = gather(flow.clone(), NOTHING, context);
            assert!(!turned(&mut evidence, flow, context));
        }
    }

    /// What one lone SYN may have that another has not: each digit chooses one of two or three.
    fn variant(digits: [u8; 8], claims: &[Claims; 2]) -> (Flow, Context<'_>) {
        let mut flow = tcp(if digits[0] == 0 { 3007 } else { 50_000 }, "S");
        flow.responder.addr = IpAddr::from(if digits[1] == 0 { [10, 0, 0, 2] } else { [224, 0, 0, 251] });
        flow.orig.tcp_flags = [TcpFlags::SYN, TcpFlags::SYN | 0xc0, 0][usize::from(digits[2])];
        let options = [2, 4, 8, 1, 3].into_iter().collect();
        flow.syn = (digits[3] > 0).then(|| SynHint { ttl: 64 * digits[3], window: 1024, options });
        let count = u32::from(digits[4]) * 60;
        let status = [PortStatus::Dormant, PortStatus::Active, PortStatus::Unassigned];
        let context = Context {
            claims: &claims[usize::from(digits[5]) % 2],
            clients: (digits[5] == 2).then_some("linux"),
            originator_clients: (digits[6] > 0).then_some("windows"),
            originator_listed: digits[6] == 2,
            reach: Reach { attempts: 200, hosts: count, unanswered: count.into(), ..Reach::default() },
            knocks: Knocks { attempts: count / 60, answered: 0, regular: false, interval: None },
            sought: Sought { originators: u32::from(digits[7]) * 6 },
            ..Context::bare(Outcome::Unanswered, status[usize::from(digits[7])])
        };
        (flow, context)
    }

    proptest! {
        #[test]
        fn turned_evidence_is_what_would_have_been_gathered(
            probes in prop::collection::vec(prop::array::uniform8(0u8..3), 1..12),
            same in prop::array::uniform8(0u8..3),
            varied in 0..8usize,
        ) {
            let listed = [claim(ClaimKind::Registered, "iana", &[]), claim(ClaimKind::Squatter, "om", &[])];
            let claims = [Claims::default(), Claims::from(listed)];
            let (flow, context) = variant(same, &claims);
            let mut evidence = gather(flow, NOTHING, &context);
            for mut digits in probes {
                // Most probes differ from one another in one thing.
                digits = std::array::from_fn(|at| if at == varied { digits[at] } else { same[at] });
                let (flow, context) = variant(digits, &claims);
                let plain = gather(flow.clone(), NOTHING, &context);
                if turned(&mut evidence, flow, &context) {
                    prop_assert_eq!(format!("{:?}", evidence), format!("{:?}", plain));
                } else {
                    evidence = plain;
                }
            }
        }
    }
}
