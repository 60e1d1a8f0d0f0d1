//! Flows gathered under the port they are about: the responder's, per transport.
//!
//! A bucket answers "what goes on at port N" without keeping any flow: counters, small tables keyed by things
//! of which there are few (outcomes, stories, protocols), and two estimates of how many distinct hosts took
//! part. The number of buckets is bounded by nature (three transports, 65,536 ports each) and so is the
//! memory of one.
//!
//! Invariants: every finished flow is added to exactly one bucket, so the sums over all buckets are those of
//! the flows, exactly; the same flows give the same buckets, whatever their order; no per-flow state is kept.

mod port;

pub use port::PortBucket;

use std::cmp::Reverse;

use crate::verdict::Verdict;
use crate::wire::Transport;

const PORTS: usize = 1 << 16;

/// All buckets of a run. The default is empty.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// Where the bucket of a port lies in `buckets`, plus one; 0 for none. One table per transport, made when
    /// its first flow comes: a look-up is one array access, however many ports a scan touches.
    places: [Vec<u32>; Transport::ALL.len()],
    buckets: Vec<PortBucket>,
    /// Flows that had a port as their originator's, per transport.
    client_flows: [Vec<u64>; Transport::ALL.len()],
}

impl Buckets {
    /// Without any bucket; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finished flow to the bucket of its responder's port, with the number of findings raised when it
    /// closed.
    pub fn add(&mut self, verdict: &Verdict, findings: u64) {
        let flow = &verdict.evidence.flow;
        let clients = &mut self.client_flows[slot(flow.transport)];
        if clients.is_empty() {
            clients.resize(PORTS, 0);
        }
        clients[usize::from(flow.originator.port)] += 1;
        let bucket = self.bucket(verdict);
        bucket.fold(verdict);
        bucket.findings += findings;
    }

    /// Counts findings raised while the flow still lives; the flow itself is added when it is finished.
    pub fn found(&mut self, verdict: &Verdict, findings: u64) {
        self.bucket(verdict).findings += findings;
    }

    /// The bucket of a port, when a flow was about it.
    #[must_use]
    pub fn on(&self, transport: Transport, port: u16) -> Option<&PortBucket> {
        let place = *self.places[slot(transport)].get(usize::from(port))?;
        self.buckets.get(usize::try_from(place).ok()?.checked_sub(1)?)
    }

    /// How many flows had this port as their *originator's*: a client's port, about which a flow never is.
    #[must_use]
    pub fn client_flows(&self, transport: Transport, port: u16) -> u64 {
        self.client_flows[slot(transport)].get(usize::from(port)).copied().unwrap_or(0)
    }

    /// All buckets, busiest first: by flows, then by bytes (both falling), then by port, then by transport.
    #[must_use]
    pub fn ports(&self) -> Vec<&PortBucket> {
        let mut ports: Vec<&PortBucket> = self.buckets.iter().collect();
        ports.sort_unstable_by_key(|b| (Reverse(b.flows), Reverse(b.bytes()), b.port, b.transport));
        ports
    }

    /// Number of buckets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// True when no flow was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Sums over all buckets.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.buckets.iter().fold(Totals::default(), |sum, b| Totals {
            flows: sum.flows + b.flows,
            packets: sum.packets + b.packets_to_responder + b.packets_to_originator,
            bytes: sum.bytes + b.bytes(),
            findings: sum.findings + b.findings,
        })
    }

    /// Adds the buckets of another part of the same run, as if their flows had been added here.
    pub fn merge(&mut self, other: &Self) {
        for theirs in &other.buckets {
            let place = self.place(theirs.transport, theirs.port);
            match self.buckets.get_mut(place) {
                Some(ours) => ours.merge(theirs),
                None => self.buckets.push(theirs.clone()),
            }
        }
        for (ours, theirs) in self.client_flows.iter_mut().zip(&other.client_flows) {
            if ours.is_empty() {
                ours.clone_from(theirs);
            } else {
                ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
            }
        }
    }

    fn bucket(&mut self, verdict: &Verdict) -> &mut PortBucket {
        let flow = &verdict.evidence.flow;
        let place = self.place(flow.transport, flow.responder.port);
        if place == self.buckets.len() {
            self.buckets.push(PortBucket::new(verdict));
        }
        &mut self.buckets[place]
    }

    /// Index of the port's bucket; the length of `buckets` when it is new, and the caller pushes it.
    fn place(&mut self, transport: Transport, port: u16) -> usize {
        let places = &mut self.places[slot(transport)];
        if places.is_empty() {
            places.resize(PORTS, 0);
        }
        let place = &mut places[usize::from(port)];
        if *place == 0 {
            *place = u32::try_from(self.buckets.len() + 1).unwrap_or(u32::MAX); // at most 3 × 65,536
        }
        usize::try_from(*place - 1).unwrap_or(usize::MAX)
    }
}

/// Sums over buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Finished flows.
    pub flows: u64,
    /// Packets, both ways.
    pub packets: u64,
    /// Bytes of whole frames, both ways.
    pub bytes: u64,
    /// Findings.
    pub findings: u64,
}

const fn slot(transport: Transport) -> usize {
    match transport {
        Transport::Tcp => 0,
        Transport::Udp => 1,
        Transport::Sctp => 2,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use crate::flow::{Basis, ConnState, Direction, EndReason, Flow, Head, History, Outcome, Side};
    use crate::payload::{App, AppProto, Sides, Strength};
    use crate::registry::{Claims, PortStatus, Tags, Tier};
    use crate::time::Timestamp;
    use crate::verdict::{Ranked, Story};
    use crate::wire::{Endpoint, Vlan};
    use proptest::prelude::*;

    /// A finished flow from `10.0.x.y:50001` to port `port`.
    pub(crate) fn verdict(client: u16, port: u16, story: Story) -> Verdict {
        let [high, low] = client.to_be_bytes();
        let mut history = History::default();
        b"ShADadFf".iter().for_each(|&letter| history.push(letter));
        let flow = Box::new(Flow {
            id: (u64::from(client) << 16) + u64::from(port),
            transport: Transport::Tcp,
            originator: Endpoint::new([10, 0, high, low].into(), 50_001),
            responder: Endpoint::new([10, 1, 2, 3].into(), port),
            direction: Direction { basis: Basis::Syn, confidence: 100 },
            vlan: Vlan::default(),
            input: 0,
            first_frame: 1,
            start: Timestamp::from_parts(1_700_000_000, 0),
            end: Timestamp::from_parts(1_700_000_003, 7_000_000),
            conn_state: ConnState::Sf,
            history,
            orig: Side { packets: 5, bytes: 327, payload_bytes: 37, tcp_flags: 0x1b },
            resp: Side { packets: 3, bytes: 221, payload_bytes: 43, tcp_flags: 0x1b },
            head_orig: Head::default(),
            head_resp: Head::default(),
            icmp: None,
            syn: None,
            attempts: 1,
            one_sided: false,
            carrier: false,
            ended: Some(EndReason::Timeout),
        });
        let evidence = Evidence {
            flow,
            outcome: Outcome::Established,
            details: None,
            app: AppProto { app: App::Http, sides: Sides::Both, strength: Strength::Strong },
            tier: Tier::of(port),
            status: PortStatus::Dormant,
            tags: Tags { remembered: true, suspicious: false },
            claims: Claims::default(),
            facts: Vec::new(),
            ground: None,
        };
        let stories = vec![Ranked { story, probability: 0.98 }];
        Verdict { evidence, story, probability: 0.98, stories, weights: Vec::new() }
    }

    #[test]
    fn busiest_first_and_ties_by_port() {
        let mut buckets = Buckets::new();
        for (client, port) in [(1, 3206), (2, 3007), (3, 3007), (4, 1207)] {
            buckets.add(&verdict(client, port, Story::NonstandardPort), 0);
        }
        let order: Vec<_> = buckets.ports().iter().map(|b| b.port).collect();
        assert_eq!(order, [3007, 1207, 3206]);
        assert_eq!(buckets.on(Transport::Tcp, 3007).map(|b| b.flows), Some(2));
        assert!(buckets.on(Transport::Udp, 3007).is_none());
        assert_eq!(buckets.client_flows(Transport::Tcp, 50_001), 4);
        assert_eq!(buckets.client_flows(Transport::Sctp, 50_001), 0);
    }

    #[test]
    fn a_finding_of_a_living_flow_is_counted_where_the_flow_will_be() {
        let mut buckets = Buckets::new();
        let seen = verdict(1, 3007, Story::NonstandardPort);
        buckets.found(&seen, 1);
        assert_eq!(buckets.on(Transport::Tcp, 3007).map(|b| (b.flows, b.findings)), Some((0, 1)));
        buckets.add(&seen, 1);
        assert_eq!(buckets.totals(), Totals { flows: 1, packets: 8, bytes: 548, findings: 2 });
    }

    proptest! {
        #[test]
        fn totals_are_those_of_the_flows_and_merging_changes_nothing(
            flows in prop::collection::vec(
                (any::<u16>(), 0_u16..40, 0_usize..11, 0_u64..3, any::<bool>()), 0..300,
            ),
        ) {
            let (mut whole, mut left, mut right) = (Buckets::new(), Buckets::new(), Buckets::new());
            for &(client, port, story, findings, to_left) in &flows {
                let seen = verdict(client, port, Story::ALL[story]);
                whole.add(&seen, findings);
                if to_left { left.add(&seen, findings) } else { right.add(&seen, findings) }
            }
            left.merge(&right);
            let count = flows.len() as u64;
            let expected = Totals {
                flows: count,
                packets: count * 8,
                bytes: count * 548,
                findings: flows.iter().map(|f| f.3).sum(),
            };
            prop_assert_eq!(whole.totals(), expected);
            prop_assert_eq!(left.ports(), whole.ports());
            for bucket in whole.ports() {
                prop_assert_eq!(bucket.outcomes().map(|(_, n)| n).sum::<u64>(), bucket.flows);
                prop_assert_eq!(bucket.stories().map(|(_, n)| n).sum::<u64>(), bucket.flows);
                prop_assert_eq!(bucket.protocols().map(|(_, n)| n).sum::<u64>(), bucket.flows);
            }
        }
    }

    #[test]
    fn every_port_at_once_stays_within_its_bound() {
        let mut buckets = Buckets::new();
        for port in 0..=u16::MAX {
            buckets.add(&verdict(7, port, Story::Scan), 0);
        }
        assert_eq!((buckets.len(), buckets.totals().flows), (65_536, 65_536));
    }
}
