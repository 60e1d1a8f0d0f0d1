//! Example flows and claims for the tests of this room and of the verdict.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Context, Evidence, gather};
use crate::flow::{Basis, Direction, Flow, Head, IcmpNote, Knocks, Listener, Outcome, Reach, Side, Sought};
use crate::payload::{Announcement, App, AppProto, Meeting, Sides, Strength};
use crate::registry::{Claim, ClaimKind, PortStatus};
use crate::time::Timestamp;
use crate::wire::{Endpoint, TcpFlags, Transport};

/// A flow from 10.0.0.1:50000 to 10.0.0.2 that shows nothing: no packet, no letter, direction by its SYN.
pub(crate) fn flow(transport: Transport, port: u16) -> Flow {
    let basis = if transport == Transport::Tcp { Basis::Syn } else { Basis::FirstPacket };
    Flow {
        id: 1,
        transport,
        originator: Endpoint::new([10, 0, 0, 1].into(), 50000),
        responder: Endpoint::new([10, 0, 0, 2].into(), port),
        direction: Direction { basis, confidence: 100 },
        first_frame: 1,
        start: Timestamp::from_nanos(0),
        end: Timestamp::from_nanos(0),
        ..Flow::blank()
    }
}

/// A TCP flow as its history tells it: each letter is a packet, a data letter carries 100 bytes.
pub(crate) fn tcp(port: u16, history: &str) -> Flow {
    let mut flow = flow(Transport::Tcp, port);
    for letter in history.bytes() {
        flow.history.push(letter);
        let side = if letter.is_ascii_uppercase() { &mut flow.orig } else { &mut flow.resp };
        side.packets += 1;
        side.bytes += 60;
        let flags = match letter.to_ascii_lowercase() {
            b's' => TcpFlags::SYN,
            b'h' => TcpFlags::SYN | TcpFlags::ACK,
            b'd' => TcpFlags::PSH | TcpFlags::ACK,
            b'f' => TcpFlags::FIN | TcpFlags::ACK,
            b'r' => TcpFlags::RST | TcpFlags::ACK,
            _ => TcpFlags::ACK,
        };
        side.tcp_flags |= flags;
        if letter.eq_ignore_ascii_case(&b'd') {
            side.payload_bytes += 100;
        }
    }
    flow.attempts = u16::from(flow.history.has(b'S'));
    if !flow.history.has(b'S') {
        flow.direction.basis = if flow.history.has(b'h') { Basis::SynAck } else { Basis::FirstPacket };
    }
    flow
}

/// A UDP flow with this many datagrams of 100 bytes each way.
pub(crate) fn udp(port: u16, orig: u64, resp: u64) -> Flow {
    let mut flow = flow(Transport::Udp, port);
    flow.orig = Side { packets: orig, bytes: orig * 142, payload_bytes: orig * 100, tcp_flags: 0 };
    flow.resp = Side { packets: resp, bytes: resp * 142, payload_bytes: resp * 100, tcp_flags: 0 };
    flow.attempts = u16::try_from(orig).unwrap_or(u16::MAX);
    flow
}

/// A claim of this kind that speaks these protocols.
pub(crate) fn claim(kind: ClaimKind, name: &str, speaks: &[&str]) -> Arc<Claim> {
    Arc::new(Claim {
        id: format!("3007/tcp/{name}"),
        transport: Transport::Tcp,
        ports: 3007..=3007,
        kind,
        name: name.to_owned(),
        description: String::new(),
        since: None,
        until: None,
        speaks: speaks.iter().map(|&speaks| speaks.to_owned()).collect(),
        dead: false,
        confidence: 60,
        source: "test".to_owned(),
        date: "2026-11-21".to_owned(),
        checked: false,
        url: None,
    })
}

/// Everything a [`Context`] borrows, owned, so that it can be made at random.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) outcome: Outcome,
    pub(crate) claims: Vec<Arc<Claim>>,
    pub(crate) status: PortStatus,
    pub(crate) originator_claims: Vec<Arc<Claim>>,
    pub(crate) originator_status: PortStatus,
    pub(crate) reach: Reach,
    pub(crate) long_reach: Reach,
    pub(crate) knocks: Knocks,
    pub(crate) sought: Sought,
    pub(crate) answers: u32,
    pub(crate) announcement: Option<Announcement>,
}

impl World {
    pub(crate) fn gather(&self, flow: Flow, app: AppProto) -> Evidence {
        self.shown(|context| gather(flow, app, context))
    }

    /// What somebody makes of it.
    pub(crate) fn shown<T>(&self, to: impl FnOnce(&Context<'_>) -> T) -> T {
        let listener =
            (self.answers > 0).then_some(Listener { first: Timestamp::from_nanos(0), answers: self.answers });
        let is_registered = |claim: &Arc<Claim>| claim.kind == ClaimKind::Registered;
        let context = Context {
            claims: &self.claims.as_slice().into(),
            originator_claims: &self.originator_claims,
            originator_listed: self.originator_claims.iter().any(is_registered),
            originator_status: self.originator_status,
            reach: self.reach,
            long_reach: self.long_reach,
            knocks: self.knocks,
            sought: self.sought,
            listener,
            announcement: self.announcement.as_ref(),
            ..Context::bare(self.outcome, self.status)
        };
        to(&context)
    }
}

/// An announcement of the responder of the example flows.
pub(crate) fn announcement() -> Announcement {
    let meeting = Meeting {
        transport: Transport::Tcp,
        addr: [10, 0, 0, 2].into(),
        port: 3007,
        said_by: [10, 0, 0, 2].into(),
        by: "epm",
        what: String::new(),
    };
    Announcement { meeting, frame: 12, time: Timestamp::from_nanos(0) }
}

const STATUSES: [PortStatus; 5] = [
    PortStatus::Active,
    PortStatus::Dormant,
    PortStatus::Unassigned,
    PortStatus::Reserved,
    PortStatus::Dynamic,
];

/// Up to six claims of any kind.
pub(crate) fn any_claims() -> impl Strategy<Value = Vec<Arc<Claim>>> {
    let kind = prop::sample::select(vec![
        ClaimKind::Registered,
        ClaimKind::FormerlyRegistered,
        ClaimKind::Squatter,
        ClaimKind::Suspicious,
    ]);
    let speaks =
        prop::sample::select(vec![&[][..], &["http"][..], &["ssh", "tls"][..], &["nothing known"][..]]);
    let one = (kind, "[a-c]", speaks, any::<bool>(), 0..=100u8).prop_map(
        |(kind, name, speaks, dead, confidence)| {
            Arc::new(Claim { dead, confidence, ..(*claim(kind, &name, speaks)).clone() })
        },
    );
    prop::collection::vec(one, 0..6)
}

/// Any status.
pub(crate) fn any_status() -> impl Strategy<Value = PortStatus> {
    prop::sample::select(STATUSES.to_vec())
}

/// A flow of any history, on any ports.
pub(crate) fn any_flow() -> impl Strategy<Value = Flow> {
    let ends = (any::<u16>(), any::<u16>(), any::<bool>());
    let shape = ("[SsHhAaDdFfRrTtQq^]{0,30}", any::<bool>(), any::<bool>(), 0..5u16);
    let odds =
        (any::<u8>(), any::<u8>(), prop::option::of((any::<bool>(), any::<u8>(), any::<u8>())), 0..600usize);
    (ends, shape, odds).prop_map(
        |((orig, resp, datagrams), (history, one_sided, carrier, attempts), odds)| {
            let (orig_flags, resp_flags, icmp, head) = odds;
            let mut flow = tcp(resp, &history);
            flow.originator.port = orig;
            if datagrams {
                flow.transport = Transport::Udp;
            }
            flow.one_sided = one_sided;
            flow.carrier = carrier;
            flow.attempts = attempts;
            flow.orig.tcp_flags ^= orig_flags & orig_flags >> 4;
            flow.resp.tcp_flags ^= resp_flags & resp_flags >> 4;
            flow.icmp = icmp.map(|(v6, kind, code)| IcmpNote {
                from: [10, 0, 0, 9].into(),
                v6,
                kind,
                code,
                frame: 9,
            });
            flow.head_orig =
                Head { bytes: vec![0; head.min(crate::flow::HEAD_BYTES_MAX)], from_start: head % 2 == 0 };
            flow
        },
    )
}

/// What the other rooms might say, at random, with what is spoken.
pub(crate) fn any_world() -> impl Strategy<Value = (AppProto, World)> {
    let app = prop::sample::select(vec![App::Unknown, App::Http, App::Ssh, App::Dcerpc]);
    let sides = prop::sample::select(vec![Sides::Neither, Sides::Originator, Sides::Responder, Sides::Both]);
    let strength = prop::sample::select(vec![Strength::Weak, Strength::Good, Strength::Strong]);
    let spoken = (app, sides, strength).prop_map(|(app, sides, strength)| AppProto { app, sides, strength });
    let ports = (any_claims(), any_status(), any_claims(), any_status());
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    let counts = prop::array::uniform6(prop::sample::select(vec![0, 1, 4, 20, 200, u32::MAX]));
    let rest = (any::<bool>(), prop::option::of(Just(announcement())));
    (spoken, outcome, ports, counts, rest).prop_map(
        |(spoken, outcome, ports, counts, (regular, announcement))| {
            let (claims, status, originator_claims, originator_status) = ports;
            let [hosts, ports, answered, refused, unanswered, attempts] = counts;
            let reach = Reach {
                attempts: attempts.into(),
                hosts,
                ports,
                answered: answered.into(),
                half_open: answered.into(),
                refused: u64::from(refused) << 32,
                unanswered: unanswered.into(),
            };
            let interval = regular.then_some(Duration::from_secs(60));
            let knocks = Knocks { attempts: refused, answered: hosts, regular, interval };
            let sought = Sought { originators: ports };
            let world = World {
                outcome,
                claims,
                status,
                originator_claims,
                originator_status,
                reach,
                long_reach: Reach { hosts: ports, ports: hosts, ..reach },
                knocks,
                sought,
                answers: unanswered,
                announcement,
            };
            (spoken, world)
        },
    )
}
