//! Plain values in, facts out, in catalogue order.
//!
//! The pipeline asks the other rooms and fills a [`Context`]; nothing here asks anybody. Each helper below answers one
//! question about the flow and pushes at most a few facts; none of them knows what a fact is worth.

use std::sync::Arc;

use super::fact::{Evidence, Fact, LocalProcess, Refusal, Unasked};
use crate::flow::{Basis, Flow, Head, Knocks, Listener, Outcome, Reach, Side, Sought};
use crate::host::Process;
use crate::payload::{Announcement, App, AppProto};
use crate::registry::{Claim, ClaimKind, PortStatus, Tags, Tier};
use crate::wire::{TcpFlags, Transport};

/// Hosts or ports from which on an originator's reach is worth saying.
const FAN_OUT_MIN: u32 = 5;
/// Originators from which on a responder's popularity is worth saying.
const FAN_IN_MIN: u32 = 5;
/// Packets of a probe with odd flags: the probe itself and a few repetitions.
const PROBE_PACKETS_MAX: u64 = 3;
/// Where the ranges in use today begin: Linux from 32768 on, the others from 49152 on.
const MODERN_EPHEMERAL_MIN: u16 = 32768;

/// Protocols whose servers get their ports from a mapper or a control connection: DCE/RPC endpoint mapper ([C706]),
/// ONC RPC portmapper (RFC 1833), FTP data connections (RFC 959), media of SIP, RTSP and H.323 (RFC 3550, ITU-T T.38).
const NEGOTIATING: [&str; 9] = ["dcerpc", "sunrpc", "nfs", "ftp-data", "rtp", "rtcp", "srtp", "t38", "h245"];

/// What the other rooms know about a flow, as plain values. "The responder" is the flow's, direction settled.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// How the flow went so far.
    pub outcome: Outcome,
    /// Claims about the responder's port.
    pub claims: &'a [Arc<Claim>],
    /// Status of the responder's port.
    pub status: PortStatus,
    /// Tags of the responder's port.
    pub tags: Tags,
    /// Claims about the originator's port.
    pub originator_claims: &'a [Arc<Claim>],
    /// Status of the originator's port.
    pub originator_status: PortStatus,
    /// How far the originator reached lately.
    pub reach: Reach,
    /// What the originator tried at the responder before this flow.
    pub knocks: Knocks,
    /// Who sought the responder lately.
    pub sought: Sought,
    /// What the responder answered in other flows.
    pub listener: Option<Listener>,
    /// What the originator's endpoint answered in other flows.
    pub originator_listener: Option<Listener>,
    /// Who announced the responder as a meeting place.
    pub announcement: Option<&'a Announcement>,
    /// The local process that listens on the responder's port.
    pub process: Option<Process>,
}

impl Context<'_> {
    /// The context of a flow about whose ports and ends nothing is known.
    #[must_use]
    pub fn bare(outcome: Outcome, status: PortStatus) -> Self {
        Self {
            outcome,
            claims: &[],
            status,
            tags: Tags::default(),
            originator_claims: &[],
            originator_status: PortStatus::Unassigned,
            reach: Reach::default(),
            knocks: Knocks::default(),
            sought: Sought::default(),
            listener: None,
            originator_listener: None,
            announcement: None,
            process: None,
        }
    }
}

/// Everything that is known about a flow, as facts in catalogue order. Never fails, on any input.
#[must_use]
pub fn gather(flow: Flow, app: AppProto, context: &Context<'_>) -> Evidence {
    let mut facts = Vec::with_capacity(12);
    add_speech(&mut facts, &flow, app, context);
    add_claims(&mut facts, app, context);
    add_course(&mut facts, &flow, context);
    add_behaviour(&mut facts, context);
    add_ports(&mut facts, &flow, context);
    add_capture(&mut facts, &flow);
    add_payload(&mut facts, &flow, app, context);
    add_oddities(&mut facts, &flow);
    Evidence {
        outcome: context.outcome,
        app,
        tier: Tier::of(flow.responder.port),
        status: context.status,
        tags: context.tags,
        claims: context.claims.to_vec(),
        flow,
        facts,
    }
}

fn add_speech(facts: &mut Vec<Fact>, flow: &Flow, app: AppProto, context: &Context<'_>) {
    if app.app == App::Unknown {
        return;
    }
    facts.push(Fact::Speaks(app));
    if app.app.is_malware() {
        facts.push(Fact::MalwareBytes(app.app));
    }
    if let Some(claim) = expecting(context.claims, app.app) {
        facts.push(Fact::ClaimExpects(claim));
        return;
    }
    let silent =
        context.claims.iter().any(|c| c.kind == ClaimKind::Registered && c.speaks.is_empty() && !c.dead);
    facts.push(Fact::NoClaimExpects { silent });
    if is_guess(flow)
        && let Some(claim) = expecting(context.originator_claims, app.app)
    {
        facts.push(Fact::OriginatorClaimExpects(claim));
    }
    if NEGOTIATING.contains(&app.app.name()) {
        facts.push(Fact::NegotiatesPorts(app.app));
    }
}

/// The claim that best accounts for this protocol: a registration before a squatter before a former registration, and
/// a better source before a worse one. A suspicious claim never accounts for a protocol: that is for its bytes.
fn expecting(claims: &[Arc<Claim>], app: App) -> Option<Arc<Claim>> {
    let accounts = |claim: &Claim| {
        claim.kind != ClaimKind::Suspicious && claim.speaks.iter().any(|speaks| speaks == app.name())
    };
    best(claims.iter().filter(|claim| accounts(claim)))
}

fn best<'a>(claims: impl Iterator<Item = &'a Arc<Claim>>) -> Option<Arc<Claim>> {
    let worth = |claim: &Claim| {
        let kind = match claim.kind {
            ClaimKind::Registered => 3,
            ClaimKind::Squatter => 2,
            ClaimKind::FormerlyRegistered => 1,
            ClaimKind::Suspicious => 0,
        };
        (!claim.dead, kind, claim.confidence)
    };
    // The first of equals: the order of the files, the same in every run.
    claims.reduce(|best, next| if worth(next) > worth(best) { next } else { best }).cloned()
}

fn add_claims(facts: &mut Vec<Fact>, app: AppProto, context: &Context<'_>) {
    let already = facts.iter().find_map(|fact| match fact {
        Fact::ClaimExpects(claim) => Some(Arc::clone(claim)),
        _ => None,
    });
    for kind in [ClaimKind::FormerlyRegistered, ClaimKind::Squatter, ClaimKind::Suspicious] {
        let Some(claim) = best(context.claims.iter().filter(|claim| claim.kind == kind)) else { continue };
        if already.as_ref().is_some_and(|expected| expected.id == claim.id) {
            continue;
        }
        let may_explain = app.app == App::Unknown && claim.speaks.is_empty() && !claim.dead;
        facts.push(Fact::ClaimedBy { claim, may_explain });
    }
    if let Some(claim) = best(context.claims.iter().filter(|claim| claim.kind == ClaimKind::Registered)) {
        facts.push(Fact::Registered(claim));
    } else if matches!(context.status, PortStatus::Unassigned | PortStatus::Reserved | PortStatus::Dynamic) {
        facts.push(Fact::UnassignedPort(context.status));
    }
    if let Some(announcement) = context.announcement {
        facts.push(Fact::AnnouncedBy(Box::new(announcement.clone())));
    }
    if let Some(process) = &context.process {
        let claim = context.claims.iter().find(|claim| bears_the_name(claim, process)).cloned();
        facts.push(Fact::LocalProcess(Box::new(LocalProcess { process: process.clone(), claim })));
    }
}

/// True when the process is called like the claim, or like the last part of its identifier (`miralix-om`).
fn bears_the_name(claim: &Claim, process: &Process) -> bool {
    let file = process.exe.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or("");
    let last = claim.id.rsplit('/').next().unwrap_or("");
    [claim.name.as_str(), last].into_iter().any(|name| {
        !name.is_empty()
            && name != "iana"
            && (name.eq_ignore_ascii_case(&process.name) || name.eq_ignore_ascii_case(file))
    })
}

fn add_course(facts: &mut Vec<Fact>, flow: &Flow, context: &Context<'_>) {
    match opening(flow, context.outcome) {
        Opening::Completed => facts.push(Fact::Handshake),
        Opening::Half => facts.push(Fact::HalfOpen),
        Opening::None => {}
    }
    if flow.orig.payload_bytes > 0 && flow.resp.payload_bytes > 0 {
        facts.push(Fact::Answered);
    }
    let datagrams = flow.transport == Transport::Udp;
    match context.outcome {
        Outcome::Refused => facts.push(Fact::RefusedBy(refusal(flow))),
        Outcome::Unanswered => facts.push(Fact::Unanswered { datagrams }),
        Outcome::OneWay if datagrams && flow.resp.packets == 0 => facts.push(Fact::Unanswered { datagrams }),
        _ => {}
    }
    if flow.attempts > 1 {
        facts.push(Fact::Retries { attempts: flow.attempts, datagrams });
    }
}

enum Opening {
    Completed,
    Half,
    None,
}

fn opening(flow: &Flow, outcome: Outcome) -> Opening {
    if flow.transport != Transport::Tcp {
        let completed = flow.transport == Transport::Sctp
            && matches!(outcome, Outcome::Established | Outcome::Opened | Outcome::Reset);
        return if completed { Opening::Completed } else { Opening::None };
    }
    let history = &flow.history;
    if !history.has(b'h') {
        Opening::None
    } else if history.has(b'A') || history.has(b'D') || history.has(b'F') {
        Opening::Completed
    } else if history.has(b'S') {
        Opening::Half
    } else {
        Opening::None
    }
}

fn refusal(flow: &Flow) -> Refusal {
    match flow.icmp {
        Some(note) if note.refuses() => Refusal::Icmp { v6: note.v6, kind: note.kind, code: note.code },
        _ if flow.transport == Transport::Sctp => Refusal::Abort,
        _ => Refusal::Rst,
    }
}

fn add_behaviour(facts: &mut Vec<Fact>, context: &Context<'_>) {
    if context.knocks.attempts > 0 {
        facts.push(Fact::Knocks(context.knocks));
    }
    let Reach { hosts, ports, .. } = context.reach;
    if hosts.max(ports) >= FAN_OUT_MIN {
        facts.push(fan_out(&context.reach));
    }
    if context.sought.originators >= FAN_IN_MIN {
        facts.push(Fact::FanIn(context.sought.originators));
    }
    if let Some(listener) = context.listener
        && listener.answers > 0
    {
        facts.push(Fact::ListenerKnown(listener.answers));
    }
}

/// Attempts whose end is not known yet say nothing: a busy client has many open flows.
fn fan_out(reach: &Reach) -> Fact {
    let failed = reach.refused.saturating_add(reach.unanswered);
    let ended = failed.saturating_add(reach.answered).max(1);
    let percent = u128::from(failed) * 100 / u128::from(ended);
    let (hosts, ports) = (reach.hosts, reach.ports);
    Fact::FanOut {
        hosts,
        ports,
        failed,
        failed_percent: u8::try_from(percent).unwrap_or(100),
        scattered: ports > 5 && hosts > 5 && ports / 2 <= hosts && hosts / 2 <= ports && {
            // A scan of many ports on many hosts tries each pair; a peer-to-peer client tries each peer once or twice.
            reach.attempts <= u64::from(hosts.max(ports)) * 3
        },
    }
}

fn add_ports(facts: &mut Vec<Fact>, flow: &Flow, context: &Context<'_>) {
    let (orig, resp) = (flow.originator.port, flow.responder.port);
    if let Some(systems) = ephemeral_of(orig) {
        facts.push(Fact::SourceInEphemeralRange(systems));
    }
    if context.status != PortStatus::Active
        && let Some(systems) = ephemeral_of(resp)
    {
        facts.push(Fact::ResponderPortEphemeral { systems, modern: resp >= MODERN_EPHEMERAL_MIN });
    }
    let listed = |claims: &[Arc<Claim>]| claims.iter().any(|claim| claim.kind == ClaimKind::Registered);
    if orig != resp && listed(context.claims) && listed(context.originator_claims) {
        facts.push(Fact::BothPortsListed);
    }
    let serves = context.originator_listener.is_some_and(|listener| listener.answers > 0)
        || context.originator_status == PortStatus::Active;
    let is_known = context.status == PortStatus::Active || context.listener.is_some();
    let is_expected = facts.iter().any(|fact| matches!(fact, Fact::ClaimExpects(_)));
    if is_guess(flow) && orig != resp && serves && !is_known && !is_expected {
        facts.push(Fact::OriginatorServes);
    }
}

/// True when neither the packets of the opening, nor an announcement, nor a known listener decided the direction.
fn is_guess(flow: &Flow) -> bool {
    matches!(flow.direction.basis, Basis::PortRange | Basis::FirstPacket)
}

/// Whose client port range the port lies in: RFC 6335 section 6 and Windows since Vista, macOS (49152-65535), Linux
/// (`ip_local_port_range`, 32768-60999), FreeBSD (`net.inet.ip.portrange`, 10000-65535), Windows before Vista (1025-5000,
/// Microsoft KB 929851).
const fn ephemeral_of(port: u16) -> Option<&'static str> {
    match port {
        1025..=5000 => Some("windows before vista 1025-5000"),
        10000..=32767 => Some("freebsd 10000-65535"),
        32768..=49151 => Some("linux 32768-60999, freebsd 10000-65535"),
        49152..=60999 => Some("iana, windows and macos 49152-65535, linux 32768-60999, freebsd 10000-65535"),
        61000..=65535 => Some("iana, windows and macos 49152-65535, freebsd 10000-65535"),
        _ => None,
    }
}

fn add_capture(facts: &mut Vec<Fact>, flow: &Flow) {
    let basis = flow.direction.basis;
    if basis == Basis::FirstPacket {
        facts.push(Fact::FirstPacketOnly);
    }
    let opening_seen = flow.history.has(b'S') || flow.history.has(b'h') || basis == Basis::Syn;
    if flow.transport == Transport::Tcp && !opening_seen && basis != Basis::SynAck {
        facts.push(Fact::NoOpeningSeen);
    }
    let unasked = unasked(flow);
    // A lone SYN-ACK acknowledges a SYN that nobody saw: that is this very answer, and is said once.
    if flow.one_sided && unasked.is_none() {
        facts.push(Fact::OneSidedCapture);
    }
    if let Some(unasked) = unasked {
        facts.push(Fact::AnswerWithoutRequest(unasked));
    }
}

fn unasked(flow: &Flow) -> Option<Unasked> {
    if flow.orig.packets == 0 && flow.resp.packets == 0 && flow.icmp.is_some() {
        return Some(Unasked::Icmp);
    }
    if flow.transport != Transport::Tcp || flow.orig.payload_bytes > 0 || flow.resp.payload_bytes > 0 {
        return None;
    }
    let syn_ack = flow.history.has(b'h') && !flow.history.has(b'S');
    if syn_ack && (flow.orig.packets == 0 || only_resets(flow.orig)) {
        return Some(Unasked::SynAck);
    }
    let silent = Side::default();
    let alone =
        (only_resets(flow.orig) && flow.resp == silent) || (only_resets(flow.resp) && flow.orig == silent);
    alone.then_some(Unasked::Rst)
}

fn only_resets(side: Side) -> bool {
    let flags = TcpFlags(side.tcp_flags);
    side.packets > 0 && flags.has(TcpFlags::RST) && !flags.any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::PSH)
}

fn add_payload(facts: &mut Vec<Fact>, flow: &Flow, app: AppProto, context: &Context<'_>) {
    let (orig, resp) = (flow.orig.payload_bytes, flow.resp.payload_bytes);
    if orig == 0 && resp == 0 {
        facts.push(Fact::NoPayload);
    }
    if orig > 0 && resp > 0 && app.app == App::Unknown {
        let explainable = context.status == PortStatus::Active
            && context
                .claims
                .iter()
                .any(|claim| claim.kind == ClaimKind::Registered && claim.speaks.is_empty());
        facts.push(Fact::PayloadUnrecognised { explainable });
    }
    if is_cut(flow.transport, &flow.head_orig, orig) || is_cut(flow.transport, &flow.head_resp, resp) {
        facts.push(Fact::TruncatedPayload);
    }
}

/// True when kept bytes start in the middle, or are fewer than both the wire and our own limit allow. Released bytes say
/// nothing; of datagrams only the first is kept, so only their beginning can be judged.
fn is_cut(transport: Transport, head: &Head, payload_bytes: u64) -> bool {
    let kept = head.bytes.len();
    let wanted = usize::try_from(payload_bytes).unwrap_or(usize::MAX).min(crate::flow::HEAD_BYTES_MAX);
    kept > 0 && (!head.from_start || (transport == Transport::Tcp && kept < wanted))
}

fn add_oddities(facts: &mut Vec<Fact>, flow: &Flow) {
    if let Some(name) = odd_flags(flow) {
        facts.push(Fact::OddFlags(name));
    }
    if flow.carrier {
        facts.push(Fact::TunnelCarrier);
    }
    let group = match flow.responder.addr {
        std::net::IpAddr::V4(addr) => addr.is_multicast() || addr.is_broadcast(),
        std::net::IpAddr::V6(addr) => addr.is_multicast(),
    };
    if group {
        facts.push(Fact::GroupResponder);
    }
}

/// The name of a probe by its control bits. With payload or a longer conversation it is no probe.
fn odd_flags(flow: &Flow) -> Option<&'static str> {
    const FIN: u8 = TcpFlags::FIN;
    const XMAS: u8 = TcpFlags::FIN | TcpFlags::PSH | TcpFlags::URG;
    let is_short =
        flow.orig.packets > 0 && flow.orig.packets <= PROBE_PACKETS_MAX && flow.orig.payload_bytes == 0;
    if flow.transport != Transport::Tcp || !is_short || flow.resp.payload_bytes > 0 {
        return None;
    }
    let flags = TcpFlags(flow.orig.tcp_flags);
    match flow.orig.tcp_flags {
        0 => Some("null"),
        FIN => Some("fin"),
        XMAS => Some("xmas"),
        // All bits of one side are or-ed: only in a single packet do SYN and FIN stand side by side.
        _ if flow.orig.packets == 1 && flags.has(TcpFlags::SYN | TcpFlags::FIN) => Some("syn_fin"),
        _ if flow.orig.packets == 1 && flags.has(TcpFlags::SYN | TcpFlags::RST) => Some("syn_rst"),
        _ => None,
    }
}
