//! Plain values in, facts out, in catalogue order.
//!
//! The pipeline asks the other rooms and fills a [`Context`]; nothing here asks anybody. Each helper below
//! answers one question about the flow and pushes at most a few facts; none of them knows what a fact is
//! worth.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use super::course::{Opening, is_cut, is_two_way, odd_flags, opening, refusal, unasked};
use super::fact::{Evidence, Fact, LocalProcess};
use super::os_hint::os_hint;
use super::reach::{fan_out, is_sweep_of_strays};
use super::repeat::Ground;
use super::speech::add_spoken;
use super::tenant::{bears_the_name, best, expecting, is_silent, tenant};
use crate::flow::{Basis, Flow, Knocks, Listener, Outcome, Reach, Sought};
use crate::host::Process;
use crate::payload::{Announcement, App, AppProto, Details};
use crate::registry::{Claim, ClaimKind, Claims, PortStatus, Tags, Tier};
use crate::wire::Transport;

/// Originators from which on a responder's popularity is worth saying.
const FAN_IN_MIN: u32 = 5;
/// Where the ranges in use today begin: Linux from 32768 on, the others from 49152 on.
const MODERN_EPHEMERAL_MIN: u16 = 32768;

/// What the other rooms know about a flow, as plain values. "The responder" is the flow's, direction settled.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// How the flow went so far.
    pub outcome: Outcome,
    /// Claims about the responder's port.
    pub claims: &'a Claims,
    /// Status of the responder's port.
    pub status: PortStatus,
    /// True when the registration of the responder's port itself shows signs of life.
    pub registrant_lives: bool,
    /// Whose clients draw numbers like the responder's port.
    pub clients: Option<&'static str>,
    /// Whose clients draw numbers like the originator's port.
    pub originator_clients: Option<&'static str>,
    /// Tags of the responder's port.
    pub tags: Tags,
    /// Claims about the originator's port; needed only where the direction is a guess.
    pub originator_claims: &'a [Arc<Claim>],
    /// True when one of the claims about the originator's port is a registration.
    pub originator_listed: bool,
    /// Status of the originator's port.
    pub originator_status: PortStatus,
    /// How far the originator reached lately, in the manner of this flow.
    pub reach: Reach,
    /// The same over hours.
    pub long_reach: Reach,
    /// How the originator asked the responder lately, this flow included.
    pub knocks: Knocks,
    /// Who sought the responder lately.
    pub sought: Sought,
    /// What the responder answered, this flow included.
    pub listener: Option<Listener>,
    /// What the originator's endpoint answered in other flows.
    pub originator_listener: Option<Listener>,
    /// Who announced the responder as a meeting place.
    pub announcement: Option<&'a Announcement>,
    /// The local process that listens on the responder's port.
    pub process: Option<Process>,
    /// What the flow's handshake said in the clear.
    pub details: Option<Arc<Details>>,
}

impl Context<'_> {
    /// The context of a flow about whose ports and ends nothing is known.
    #[must_use]
    pub fn bare(outcome: Outcome, status: PortStatus) -> Self {
        static NONE: LazyLock<Claims> = LazyLock::new(Claims::default);
        Self {
            outcome,
            claims: &NONE,
            status,
            registrant_lives: status == PortStatus::Active,
            clients: None,
            originator_clients: None,
            tags: Tags::default(),
            originator_claims: &[],
            originator_listed: false,
            originator_status: PortStatus::Unassigned,
            reach: Reach::default(),
            long_reach: Reach::default(),
            knocks: Knocks::default(),
            sought: Sought::default(),
            listener: None,
            originator_listener: None,
            announcement: None,
            process: None,
            details: None,
        }
    }
}

/// Everything that is known about a flow, as facts in catalogue order. Never fails, on any input.
#[must_use]
pub fn gather(flow: impl Into<Box<Flow>>, app: AppProto, context: &Context<'_>) -> Evidence {
    gather_into(Vec::with_capacity(12), flow.into(), app, context)
}

/// The same with the memory of a list of facts that nobody needs any more.
#[must_use]
pub fn gather_into(mut facts: Vec<Fact>, flow: Box<Flow>, app: AppProto, context: &Context<'_>) -> Evidence {
    facts.clear();
    add_speech(&mut facts, &flow, app, context);
    add_claims(&mut facts, &flow, app, context);
    add_course(&mut facts, &flow, context);
    facts.extend(behaviour(&flow, context));
    add_ports(&mut facts, &flow, context);
    add_capture(&mut facts, &flow, context);
    add_payload(&mut facts, &flow, app, context);
    add_oddities(&mut facts, &flow, context);
    Evidence {
        ground: Ground::of(&flow, app, context),
        outcome: context.outcome,
        app,
        details: context.details.clone(),
        tier: Tier::of(flow.responder.port),
        status: context.status,
        tags: context.tags,
        claims: Arc::clone(context.claims),
        flow,
        facts,
    }
}

fn add_speech(facts: &mut Vec<Fact>, flow: &Flow, app: AppProto, context: &Context<'_>) {
    let other_side =
        || flow.direction.is_guess().then(|| expecting(context.originator_claims, app.app)).flatten();
    add_spoken(facts, app, context.claims, context.registrant_lives, other_side);
}

fn add_claims(facts: &mut Vec<Fact>, flow: &Flow, app: AppProto, context: &Context<'_>) {
    let already = facts.iter().find_map(|fact| match fact {
        Fact::ClaimExpects(claim) => Some(Arc::clone(claim)),
        _ => None,
    });
    let is_mystery = is_two_way(flow) && app.app == App::Unknown;
    for kind in [ClaimKind::FormerlyRegistered, ClaimKind::Squatter, ClaimKind::Suspicious] {
        let of_kind = || context.claims.iter().filter(|claim| claim.kind == kind);
        // What nobody recognises is explained by whom we would not recognise, though another be surer to live
        // here.
        let explains = |claim: &&Arc<Claim>| is_mystery && is_silent(claim) && !claim.dead;
        let explaining = best(of_kind().filter(explains));
        let may_explain = explaining.is_some();
        let Some(claim) = explaining.or_else(|| best(of_kind())) else { continue };
        if already.as_ref().is_some_and(|expected| expected.id == claim.id) {
            continue;
        }
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

fn add_course(facts: &mut Vec<Fact>, flow: &Flow, context: &Context<'_>) {
    match opening(flow, context.outcome) {
        Opening::Completed => facts.push(Fact::Handshake),
        Opening::Half => facts.push(Fact::HalfOpen),
        Opening::None => {}
    }
    if is_two_way(flow) {
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

/// What both ends did in other flows.
pub(super) fn behaviour(flow: &Flow, context: &Context<'_>) -> impl Iterator<Item = Fact> + use<> {
    let knocks = (context.knocks.attempts > 1).then_some(Fact::Knocks(context.knocks));
    // Connections from before the capture stray by the dozen: only a sweep of strays is worth saying.
    let may_reach = !flow.is_stray() || is_sweep_of_strays(&context.reach);
    let fan_out = may_reach.then(|| fan_out(&context.reach, &context.long_reach)).flatten();
    let originators = context.sought.originators;
    let fan_in = (originators >= FAN_IN_MIN).then_some(Fact::FanIn(originators));
    let answers = answers_to_others(flow, context);
    let known = (answers > 0).then_some(Fact::ListenerKnown(answers));
    [knocks, fan_out, fan_in, known].into_iter().flatten()
}

/// Answers of the responder that were not given to this very flow.
fn answers_to_others(flow: &Flow, context: &Context<'_>) -> u32 {
    let own = u32::from(context.outcome.answered() || flow.history.has(b'h'));
    context.listener.map_or(0, |listener| listener.answers.saturating_sub(own))
}

fn add_ports(facts: &mut Vec<Fact>, flow: &Flow, context: &Context<'_>) {
    let (orig, resp) = (flow.originator.port, flow.responder.port);
    if let Some(systems) = context.originator_clients {
        facts.push(Fact::SourceInEphemeralRange(systems));
    }
    if let Some(system) = flow.syn.as_ref().and_then(os_hint) {
        facts.push(Fact::OsHint(system));
    }
    if context.status != PortStatus::Active
        && let Some(systems) = context.clients
    {
        facts.push(Fact::ResponderPortEphemeral { systems, modern: is_modern(resp) });
    }
    let listed = || context.claims.iter().any(|claim| claim.kind == ClaimKind::Registered);
    if orig != resp && context.originator_listed && listed() {
        facts.push(Fact::BothPortsListed);
    }
    let serves = context.originator_listener.is_some_and(|listener| listener.answers > 0)
        || context.originator_status == PortStatus::Active;
    let is_known = context.status == PortStatus::Active || answers_to_others(flow, context) > 0;
    let is_expected = facts.iter().any(|fact| matches!(fact, Fact::ClaimExpects(_)));
    if flow.direction.is_guess() && orig != resp && serves && !is_known && !is_expected {
        facts.push(Fact::OriginatorServes);
    }
}

fn add_capture(facts: &mut Vec<Fact>, flow: &Flow, context: &Context<'_>) {
    let basis = flow.direction.basis;
    if basis == Basis::FirstPacket {
        facts.push(Fact::FirstPacketOnly);
    }
    let opening_seen = flow.history.has(b'S') || flow.history.has(b'h') || basis == Basis::Syn;
    if flow.transport == Transport::Tcp && !opening_seen && basis != Basis::SynAck {
        facts.push(Fact::NoOpeningSeen);
    }
    let unasked = unasked(flow);
    // A lone SYN-ACK acknowledges a SYN that nobody saw: that is this very answer, and is said once. A probe
    // acknowledges what never was.
    let is_probe = is_sweep_of_strays(&context.reach) && flow.is_stray();
    if flow.one_sided && unasked.is_none() && !is_probe {
        facts.push(Fact::OneSidedCapture);
    }
    if let Some(unasked) = unasked {
        facts.push(Fact::AnswerWithoutRequest(unasked));
    }
}

fn add_payload(facts: &mut Vec<Fact>, flow: &Flow, app: AppProto, context: &Context<'_>) {
    let (orig, resp) = (flow.orig.payload_bytes, flow.resp.payload_bytes);
    if orig == 0 && resp == 0 {
        facts.push(Fact::NoPayload);
    }
    if is_two_way(flow) && app.app == App::Unknown {
        facts.push(Fact::PayloadUnrecognised(tenant(context.claims, context.registrant_lives)));
    }
    if is_cut(flow.transport, &flow.head_orig, orig) || is_cut(flow.transport, &flow.head_resp, resp) {
        facts.push(Fact::TruncatedPayload);
    }
}

fn add_oddities(facts: &mut Vec<Fact>, flow: &Flow, context: &Context<'_>) {
    if let Some(name) = odd_flags(flow, is_sweep_of_strays(&context.reach)) {
        facts.push(Fact::OddFlags(name));
    }
    if flow.carrier {
        facts.push(Fact::TunnelCarrier);
    }
    if is_group(flow.responder.addr) {
        facts.push(Fact::GroupResponder);
    }
}

/// True when the address stands for many.
pub(super) const fn is_group(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_multicast() || addr.is_broadcast(),
        IpAddr::V6(addr) => addr.is_multicast(),
    }
}

/// True where systems of today draw client ports.
pub(super) const fn is_modern(port: u16) -> bool {
    port >= MODERN_EPHEMERAL_MIN
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::evidence::example::{claim, tcp, udp};
    use crate::evidence::{CATALOGUE, Tenant};
    use crate::flow::{Head, IcmpNote};
    use crate::payload::{Meeting, Sides, Strength};
    use crate::time::Timestamp;

    const HTTP: AppProto = AppProto { app: App::Http, sides: Sides::Both, strength: Strength::Strong };
    const NOTHING: AppProto = AppProto { app: App::Unknown, sides: Sides::Neither, strength: Strength::Weak };

    fn bare(outcome: Outcome) -> Context<'static> {
        Context::bare(outcome, PortStatus::Dormant)
    }

    /// The value of the fact of this name, as text.
    fn said(name: &str, flow: Flow, app: AppProto, context: &Context<'_>) -> Option<String> {
        let evidence = gather(flow, app, context);
        evidence.facts.iter().find(|fact| fact.name() == name).map(|fact| fact.value().to_string())
    }

    #[test]
    fn speaks_and_what_claims_expect() {
        let context = bare(Outcome::Established);
        assert_eq!(said("speaks", tcp(3007, "ShADd"), HTTP, &context).unwrap(), "http");
        assert_eq!(said("no_claim_expects", tcp(3007, "ShADd"), HTTP, &context).unwrap(), "true");
        let claims =
            [claim(ClaimKind::Squatter, "squat", &["http"]), claim(ClaimKind::Registered, "iana", &["http"])];
        let context = Context { claims: &claims.into(), ..bare(Outcome::Established) };
        assert_eq!(said("claim_expects", tcp(3007, "ShADd"), HTTP, &context).unwrap(), "3007/tcp/iana");
        assert_eq!(said("claimed_by", tcp(3007, "ShADd"), HTTP, &context).unwrap(), "3007/tcp/squat");
        assert_eq!(said("registered", tcp(3007, "ShADd"), HTTP, &context).unwrap(), "iana");
        assert_eq!(said("no_claim_expects", tcp(3007, "ShADd"), HTTP, &context), None);
        assert_eq!(said("speaks", tcp(3007, "ShADd"), NOTHING, &context), None);
    }

    #[test]
    fn what_nobody_recognises_is_explained_by_whom_we_would_not_recognise() {
        let known = Claim { confidence: 90, ..(*claim(ClaimKind::Squatter, "known", &["http"])).clone() };
        let claims = [Arc::new(known), claim(ClaimKind::Squatter, "silent", &[])];
        let context = Context { claims: &claims.into(), ..bare(Outcome::Established) };
        assert_eq!(said("claimed_by", tcp(3007, "ShADd"), NOTHING, &context).unwrap(), "3007/tcp/silent");
        assert_eq!(said("claimed_by", tcp(3007, "ShA"), NOTHING, &context).unwrap(), "3007/tcp/known");
    }

    #[test]
    fn a_suspicious_claim_explains_no_protocol() {
        let claims = [claim(ClaimKind::Suspicious, "bot", &["http"])];
        let context = Context { claims: &claims.into(), ..bare(Outcome::Established) };
        assert_eq!(said("claim_expects", tcp(3007, "ShADd"), HTTP, &context), None);
        assert_eq!(said("claimed_by", tcp(3007, "ShADd"), HTTP, &context).unwrap(), "3007/tcp/bot");
    }

    #[test]
    fn dcerpc_off_its_port_negotiates() {
        let app = AppProto { app: App::Dcerpc, ..HTTP };
        assert_eq!(
            said("negotiates_ports", tcp(49667, "ShADd"), app, &bare(Outcome::Established)).unwrap(),
            "dcerpc"
        );
        assert_eq!(said("negotiates_ports", tcp(49667, "ShADd"), HTTP, &bare(Outcome::Established)), None);
    }

    #[test]
    fn announced_by_names_the_frame() {
        let meeting = Meeting {
            transport: Transport::Tcp,
            addr: [10, 0, 0, 2].into(),
            port: 3007,
            said_by: [10, 0, 0, 2].into(),
            by: "epm",
            what: "mapi".into(),
        };
        let announcement = Announcement { meeting, frame: 12, time: Timestamp::from_nanos(0) };
        let context = Context { announcement: Some(&announcement), ..bare(Outcome::Established) };
        assert_eq!(
            said("announced_by", tcp(3007, "ShADd"), NOTHING, &context).unwrap(),
            "frame 12: epm mapi"
        );
        let evidence = gather(tcp(3007, "ShADd"), NOTHING, &context);
        assert_eq!(evidence.announcement().map(|announcement| announcement.frame), Some(12));
    }

    #[test]
    fn a_process_bears_a_claims_name_or_not() {
        let claims = [claim(ClaimKind::Squatter, "om-server", &[])];
        let process = Process { pid: 1, name: "om-server".into(), exe: None, user: None };
        let context =
            Context { claims: &claims.into(), process: Some(process), ..bare(Outcome::Established) };
        let evidence = gather(tcp(3007, "ShADd"), NOTHING, &context);
        let matched = |fact: &Fact| matches!(fact, Fact::LocalProcess(local) if local.claim.is_some());
        assert!(evidence.facts.iter().any(matched));
        assert_eq!(evidence.process().map(|process| process.pid), Some(1));
        let stranger =
            Process { pid: 2, name: "python3".into(), exe: Some("/usr/bin/python3".into()), user: None };
        let evidence = gather(tcp(3007, "ShADd"), NOTHING, &Context { process: Some(stranger), ..context });
        assert!(!evidence.facts.iter().any(matched));
        assert_eq!(evidence.process().map(|process| process.pid), Some(2));
    }

    #[test]
    fn the_course_of_a_connection() {
        for (history, handshake, half_open, answered) in [
            ("ShADd", true, false, true),
            ("ShA", true, false, false),
            ("hADd", true, false, true),
            ("Shhhh", false, true, false),
            ("ShR", false, true, false),
            ("S", false, false, false),
            ("Dd", false, false, true),
        ] {
            let context = bare(Outcome::Opened);
            let told = |name: &str| said(name, tcp(3007, history), NOTHING, &context).is_some();
            assert_eq!(
                (told("handshake"), told("half_open"), told("answered")),
                (handshake, half_open, answered),
                "{history}"
            );
        }
    }

    #[test]
    fn refusals_and_silence() {
        assert_eq!(said("refused_by", tcp(3007, "Sr"), NOTHING, &bare(Outcome::Refused)).unwrap(), "rst");
        let mut flow = udp(3007, 1, 0);
        flow.icmp = Some(IcmpNote { from: [10, 0, 0, 2].into(), v6: false, kind: 3, code: 3, frame: 2 });
        assert_eq!(said("refused_by", flow, NOTHING, &bare(Outcome::Refused)).unwrap(), "icmp 3/3");
        assert!(said("unanswered", tcp(3007, "S"), NOTHING, &bare(Outcome::Unanswered)).is_some());
        assert!(said("unanswered", udp(514, 9, 0), NOTHING, &bare(Outcome::OneWay)).is_some());
        let mut flow = tcp(3007, "SSS");
        flow.attempts = 3;
        assert_eq!(said("retries", flow, NOTHING, &bare(Outcome::Unanswered)).unwrap(), "3");
    }

    #[test]
    fn what_else_the_originator_did() {
        let knocks =
            Knocks { attempts: 4, answered: 0, regular: true, interval: Some(Duration::from_millis(59_960)) };
        let reach = Reach {
            attempts: 100,
            hosts: 90,
            ports: 2,
            answered: 10,
            refused: 30,
            unanswered: 60,
            half_open: 0,
        };
        let listener = Listener { first: Timestamp::from_nanos(0), answers: 7 };
        let context = Context {
            knocks,
            reach,
            sought: Sought { originators: 6 },
            listener: Some(listener),
            ..bare(Outcome::Unanswered)
        };
        let told = |name: &str| said(name, tcp(3007, "S"), NOTHING, &context).unwrap();
        assert_eq!(told("knocks"), "4 times, 0 answered, every 60.0 s");
        assert_eq!(told("fan_out"), "90 hosts, 2 ports, 90 of 100 failed");
        assert_eq!(told("fan_in"), "6");
        assert_eq!(told("listener_known"), "7");
        let own = Context { listener: Some(Listener { answers: 1, ..listener }), ..bare(Outcome::Opened) };
        assert_eq!(said("listener_known", tcp(3007, "ShA"), NOTHING, &own), None, "its own answer");
        assert_eq!(said("fan_out", tcp(3007, "S"), NOTHING, &bare(Outcome::Unanswered)), None);
    }

    #[test]
    fn where_ports_lie() {
        let lies = Context {
            clients: Some("windows-old"),
            originator_clients: Some("linux"),
            ..bare(Outcome::Established)
        };
        let told = |name: &str, context: &Context<'_>| said(name, tcp(3007, "S"), NOTHING, context);
        assert!(told("source_in_ephemeral_range", &lies).unwrap().contains("linux"));
        assert!(told("responder_port_ephemeral", &lies).unwrap().contains("windows-old"));
        assert_eq!(told("responder_port_ephemeral", &bare(Outcome::Established)), None);
        let claims = [claim(ClaimKind::Registered, "iana", &[])];
        let context =
            Context { claims: &claims.clone().into(), originator_listed: true, ..bare(Outcome::Opened) };
        assert!(said("both_ports_listed", tcp(3007, "S"), NOTHING, &context).is_some());
        let context = Context::bare(Outcome::Opened, PortStatus::Reserved);
        assert_eq!(said("unassigned_port", tcp(1, "S"), NOTHING, &context).unwrap(), "reserved");
    }

    #[test]
    fn a_guessed_direction_says_what_speaks_against_it() {
        let https = [claim(ClaimKind::Registered, "https", &["http"])];
        let context = Context {
            originator_claims: &https,
            originator_status: PortStatus::Active,
            ..bare(Outcome::Midstream)
        };
        for (history, expected) in [("Dd", true), ("ShADd", false)] {
            let told = |name: &str| said(name, tcp(3007, history), HTTP, &context).is_some();
            assert_eq!(told("originator_claim_expects"), expected);
            assert_eq!(told("originator_serves"), expected);
            assert_eq!(told("first_packet_only"), expected);
            assert_eq!(told("no_opening_seen"), expected);
        }
    }

    #[test]
    fn answers_without_a_question() {
        let told = |flow: Flow| said("answer_without_request", flow, NOTHING, &bare(Outcome::Midstream));
        assert_eq!(told(tcp(3007, "h")).unwrap(), "syn_ack");
        assert_eq!(told(tcp(3007, "hR")).unwrap(), "syn_ack");
        assert_eq!(told(tcp(3007, "R")).unwrap(), "rst");
        assert_eq!(told(tcp(3007, "r")).unwrap(), "rst");
        assert_eq!(told(tcp(3007, "Sr")), None);
        assert_eq!(told(tcp(3007, "hd")), None);
        let mut flow = udp(3007, 0, 0);
        flow.icmp = Some(IcmpNote { from: [10, 0, 0, 2].into(), v6: false, kind: 3, code: 3, frame: 2 });
        assert_eq!(told(flow).unwrap(), "icmp");
    }

    #[test]
    fn what_the_capture_does_not_show() {
        let told = |name: &str, flow: Flow| said(name, flow, NOTHING, &bare(Outcome::Established)).is_some();
        let mut flow = tcp(3007, "hD");
        flow.one_sided = true;
        assert!(told("one_sided_capture", flow));
        let mut flow = tcp(3007, "h");
        flow.one_sided = true;
        assert!(!told("one_sided_capture", flow), "said once, as an answer without a question");
        assert!(told("no_payload", tcp(3007, "ShA")) && !told("no_payload", tcp(3007, "ShAD")));
        assert!(told("payload_unrecognised", tcp(3007, "ShADd")));
        assert!(!told("payload_unrecognised", tcp(3007, "ShAD")));
        let mut flow = tcp(3007, "ShADd");
        assert!(!told("truncated_payload", flow.clone()), "released bytes say nothing");
        flow.head_orig = Head { bytes: vec![0; 100], from_start: true };
        assert!(!told("truncated_payload", flow.clone()));
        flow.head_orig.bytes.truncate(99);
        assert!(told("truncated_payload", flow));
    }

    #[test]
    fn tenants_by_life_and_speech() {
        let tenant_of = |lives, speaks: &[&str]| {
            let claims = [claim(ClaimKind::Registered, "iana", speaks)];
            tenant(&claims, lives)
        };
        assert_eq!(tenant_of(true, &["http"]), Tenant::Telling);
        assert_eq!(tenant_of(true, &[]), Tenant::Silent);
        assert_eq!(tenant_of(true, &["a protocol nobody here knows"]), Tenant::Silent);
        assert_eq!(tenant_of(false, &[]), Tenant::Absent);
    }

    #[test]
    fn oddities() {
        let probe = |flags| {
            let mut flow = tcp(3007, "A");
            flow.orig.tcp_flags = flags;
            said("odd_flags", flow, NOTHING, &bare(Outcome::Midstream))
        };
        assert_eq!(probe(0).unwrap(), "null");
        assert_eq!(probe(0x01).unwrap(), "fin");
        assert_eq!(probe(0x29).unwrap(), "xmas");
        assert_eq!(probe(0x03).unwrap(), "syn_fin");
        assert_eq!(probe(0x06).unwrap(), "syn_rst");
        assert_eq!(probe(0x11), None, "a connection's end");
        let reach = Reach { attempts: 24, ports: 24, hosts: 1, refused: 20, ..Reach::default() };
        let swept = |flags| {
            let mut flow = tcp(3007, "A");
            (flow.orig.tcp_flags, flow.one_sided) = (flags, true);
            let context = Context { reach, ..bare(Outcome::Midstream) };
            assert_eq!(said("one_sided_capture", flow.clone(), NOTHING, &context), None);
            said("odd_flags", flow, NOTHING, &context)
        };
        assert_eq!((swept(0x11).unwrap(), swept(0x10).unwrap()), ("fin_ack".into(), "ack".into()));
        assert_eq!(probe(0x02), None, "an opening");
        let mut flow = udp(4789, 1, 1);
        flow.carrier = true;
        assert!(said("tunnel_carrier", flow, NOTHING, &bare(Outcome::TwoWay)).is_some());
        let mut flow = udp(5353, 1, 0);
        flow.responder.addr = [224, 0, 0, 251].into();
        assert!(said("group_responder", flow, NOTHING, &bare(Outcome::OneWay)).is_some());
    }

    /// The name of the variant, as names in the catalogue are written.
    fn snake(fact: &Fact) -> String {
        let debug = format!("{fact:?}");
        let variant = debug.split(|end: char| !end.is_alphanumeric()).next().unwrap();
        let words = variant.char_indices().flat_map(|(at, letter)| {
            let gap = (at > 0 && letter.is_uppercase()).then_some('_');
            gap.into_iter().chain(letter.to_lowercase())
        });
        words.collect()
    }

    proptest! {
        #[test]
        fn facts_stand_in_catalogue_order(
            flow in crate::evidence::example::any_flow(),
            context in crate::evidence::example::any_world(),
        ) {
            let (app, world) = context;
            let evidence = world.gather(flow, app);
            let place = |fact: &Fact| CATALOGUE.iter().position(|(name, ..)| *name == fact.name());
            let places: Vec<_> = evidence.facts.iter().map(place).collect();
            prop_assert!(places.iter().all(Option::is_some), "{:?}", evidence.facts);
            prop_assert!(places.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", evidence.facts);
            prop_assert!(evidence.facts.iter().all(|fact| !fact.value().to_string().is_empty()));
            for fact in &evidence.facts {
                prop_assert_eq!(fact.name(), snake(fact));
            }
        }
    }
}
