//! A fact and its value: what the output says, and what the verdict weighs.
//!
//! A fact keeps what it rests on (the claim, the announcement, the counts), so that a reader can look it up.
//! Its name and value are all that leaves; the rest is for the weight table. Values of facts never carry
//! payload bytes. Those with counts stand in half of all lines, hence are put together without the formatting
//! machinery.

use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::sync::Arc;

use arrayvec::ArrayString;

use super::catalogue::CATALOGUE;
use super::repeat::Ground;
use crate::flow::{Flow, Knocks, Outcome};
use crate::host::Process;
use crate::payload::{Announcement, App, AppProto, Details};
use crate::registry::{Claim, Claims, PortStatus, Tags, Tier};

/// A flow and the facts about it.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The flow, direction settled.
    pub flow: Box<Flow>,
    /// How it went.
    pub outcome: Outcome,
    /// What is really spoken.
    pub app: AppProto,
    /// What its handshake said in the clear, where it did.
    pub details: Option<Arc<Details>>,
    /// Tier of the responder's port.
    pub tier: Tier,
    /// Status of the responder's port.
    pub status: PortStatus,
    /// Tags of the responder's port.
    pub tags: Tags,
    /// Every claim about the responder's port and transport.
    pub claims: Claims,
    /// The facts, in catalogue order.
    pub facts: Vec<Fact>,
    /// What the facts rest on, of a lone SYN.
    pub(crate) ground: Option<Ground>,
}

impl Evidence {
    /// The local process that listens on the responder's port, when that was asked and found.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::LocalProcess(local) => Some(&local.process),
            _ => None,
        })
    }

    /// The control conversation that announced the responder's port, when one did.
    #[must_use]
    pub fn announcement(&self) -> Option<&Announcement> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::AnnouncedBy(announcement) => Some(&**announcement),
            _ => None,
        })
    }
}

/// One checkable thing. [`Fact::name`] and [`Fact::value`] are what the output says; what each means and how
/// to check it by hand stands in [`super::CATALOGUE`], in the same order.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Payload was recognised.
    Speaks(AppProto),
    /// The recognised payload is the handshake of malware.
    MalwareBytes(App),
    /// A claim about the responder's port says that what is spoken is spoken there.
    ClaimExpects(Arc<Claim>),
    /// What is spoken was recognised, and no claim about the responder's port expects it.
    NoClaimExpects(Tenant),
    /// The direction is a guess, and what is spoken belongs to the *originator's* port.
    OriginatorClaimExpects(Arc<Claim>),
    /// What is spoken usually lives on ports that were negotiated elsewhere, and no claim expects it here.
    NegotiatesPorts(App),
    /// A former registration, a squatter or a suspicious tenant is claimed for the port; at most one of each
    /// kind.
    ClaimedBy {
        /// The claim.
        claim: Arc<Claim>,
        /// True when the claim could explain the payload: both sides spoke, nothing was recognised, and we
        /// would not recognise what the claim speaks.
        may_explain: bool,
    },
    /// IANA assigns the port to this service.
    Registered(Arc<Claim>),
    /// IANA assigns the port to nobody.
    UnassignedPort(PortStatus),
    /// A control conversation named the responder's port as the place to meet.
    AnnouncedBy(Box<Announcement>),
    /// A process on this machine listens on the responder's port.
    LocalProcess(Box<LocalProcess>),
    /// The opening handshake was completed.
    Handshake,
    /// The responder was ready to open, and the originator did not complete the handshake.
    HalfOpen,
    /// Both sides sent payload.
    Answered,
    /// The responder, or a router or host on its behalf, said no.
    RefusedBy(Refusal),
    /// The originator asked and nothing came back.
    Unanswered {
        /// True for datagrams, where silence is a normal answer.
        datagrams: bool,
    },
    /// The originator repeated its opening within this flow.
    Retries {
        /// Opening attempts, at least 2.
        attempts: u16,
        /// True for datagrams: a stream that nobody has to answer looks the same.
        datagrams: bool,
    },
    /// The same originator asked the same responder several times lately, this flow included.
    Knocks(Knocks),
    /// The originator asked at many places.
    FanOut {
        /// Distinct hosts.
        hosts: u32,
        /// Distinct ports.
        ports: u32,
        /// Attempts whose end is known.
        ended: u64,
        /// Attempts of these that were refused or stayed without an answer.
        failed: u64,
        /// True when nearly every host was asked at a port of its own, as a peer-to-peer client does.
        scattered: bool,
        /// True when the same places were asked again and again, as one who watches them does.
        repeated: bool,
        /// True when it took hours, and the last minutes show nothing.
        slow: bool,
    },
    /// Many originators asked this responder; distinct ones.
    FanIn(u32),
    /// The responder answered in other flows; how many answers were seen.
    ListenerKnown(u32),
    /// The originator's port lies where operating systems pick client ports.
    SourceInEphemeralRange(&'static str),
    /// What system the opening SYN looks like, and where its client ports usually are.
    OsHint(&'static str),
    /// The responder's port lies where operating systems pick client ports.
    ResponderPortEphemeral {
        /// Whose range it is.
        systems: &'static str,
        /// True from 32768 on: a range in use today, and not only by systems of the past.
        modern: bool,
    },
    /// Both ports are assigned.
    BothPortsListed,
    /// The direction is a guess, and the originator's port is one where services live.
    OriginatorServes,
    /// Nothing but the order of packets says who opened.
    FirstPacketOnly,
    /// The opening of the connection is not in the capture.
    NoOpeningSeen,
    /// One direction is not in the capture.
    OneSidedCapture,
    /// The first packet is an answer.
    AnswerWithoutRequest(Unasked),
    /// Neither side sent payload.
    NoPayload,
    /// Both sides sent payload that nobody here knows.
    PayloadUnrecognised(Tenant),
    /// Payload does not start at the beginning of the conversation, or was cut by the capture.
    TruncatedPayload,
    /// A combination of TCP control bits that no connection begins with.
    OddFlags(&'static str),
    /// The flow carried the outer packets of a tunnel.
    TunnelCarrier,
    /// The responder is a multicast group or the broadcast address.
    GroupResponder,
}

impl Fact {
    /// Name in output and catalogue.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        CATALOGUE[self.number()].0
    }

    /// Its place in the catalogue.
    #[must_use]
    pub const fn number(&self) -> usize {
        match self {
            Self::Speaks(_) => 0,
            Self::MalwareBytes(_) => 1,
            Self::ClaimExpects(_) => 2,
            Self::NoClaimExpects(_) => 3,
            Self::OriginatorClaimExpects(_) => 4,
            Self::NegotiatesPorts(_) => 5,
            Self::ClaimedBy { .. } => 6,
            Self::Registered(_) => 7,
            Self::UnassignedPort(_) => 8,
            Self::AnnouncedBy(_) => 9,
            Self::LocalProcess(_) => 10,
            Self::Handshake => 11,
            Self::HalfOpen => 12,
            Self::Answered => 13,
            Self::RefusedBy(_) => 14,
            Self::Unanswered { .. } => 15,
            Self::Retries { .. } => 16,
            Self::Knocks(_) => 17,
            Self::FanOut { .. } => 18,
            Self::FanIn(_) => 19,
            Self::ListenerKnown(_) => 20,
            Self::SourceInEphemeralRange(_) => 21,
            Self::OsHint(_) => 22,
            Self::ResponderPortEphemeral { .. } => 23,
            Self::BothPortsListed => 24,
            Self::OriginatorServes => 25,
            Self::FirstPacketOnly => 26,
            Self::NoOpeningSeen => 27,
            Self::OneSidedCapture => 28,
            Self::AnswerWithoutRequest(_) => 29,
            Self::NoPayload => 30,
            Self::PayloadUnrecognised(_) => 31,
            Self::TruncatedPayload => 32,
            Self::OddFlags(_) => 33,
            Self::TunnelCarrier => 34,
            Self::GroupResponder => 35,
        }
    }

    /// Value in the output.
    #[must_use]
    pub fn value(&self) -> FactValue<'_> {
        use FactValue::{Counts, Made, Name, Word};
        match self {
            Self::Speaks(spoken) => Word(spoken.app.name()),
            Self::MalwareBytes(app) | Self::NegotiatesPorts(app) => Word(app.name()),
            Self::ClaimExpects(claim)
            | Self::OriginatorClaimExpects(claim)
            | Self::ClaimedBy { claim, .. } => Name(&claim.id),
            Self::Registered(claim) => Name(&claim.name),
            Self::UnassignedPort(status) => Word(status.name()),
            Self::AnnouncedBy(announcement) => Made(say_announcement(announcement)),
            Self::LocalProcess(local) => Name(&local.process.name),
            Self::RefusedBy(refusal) => refusal.value(),
            Self::Retries { attempts, .. } => Counts(say([((*attempts).into(), "")])),
            Self::Knocks(knocks) => Counts(say_knocks(knocks)),
            Self::FanOut { hosts, ports, ended, failed, slow, .. } => {
                let last = if *slow { " failed, over hours" } else { " failed" };
                let (hosts, ports) = (u64::from(*hosts), u64::from(*ports));
                Counts(say([(hosts, " hosts, "), (ports, " ports, "), (*failed, " of "), (*ended, last)]))
            }
            Self::FanIn(count) | Self::ListenerKnown(count) => Counts(say([((*count).into(), "")])),
            Self::SourceInEphemeralRange(systems)
            | Self::OsHint(systems)
            | Self::ResponderPortEphemeral { systems, .. } => Word(systems),
            Self::AnswerWithoutRequest(unasked) => Word(unasked.name()),
            Self::OddFlags(name) => Word(name),
            // The fact itself is the news.
            _ => Word("true"),
        }
    }
}

/// What a fact says, as text. It may hold names from the wire, from claims or of processes: writers escape
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactValue<'a> {
    /// A word of ours.
    Word(&'static str),
    /// The name or identifier of a claim, the name of a process.
    Name(&'a str),
    /// Counts, and words of ours between them.
    Counts(Counted),
    /// What was announced.
    Made(String),
}

/// As long as a fan-out with the largest counts there are.
type Counted = ArrayString<112>;

impl Deref for FactValue<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Name(name) => name,
            Self::Counts(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl fmt::Display for FactValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// Who said no, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The responder sent a TCP reset.
    Rst,
    /// An ICMP error quotes the request.
    Icmp {
        /// True for ICMPv6.
        v6: bool,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// The responder ended an association before it began (SCTP ABORT).
    Abort,
}

impl Refusal {
    fn value(self) -> FactValue<'static> {
        match self {
            Self::Rst => FactValue::Word("rst"),
            Self::Abort => FactValue::Word("abort"),
            Self::Icmp { v6, kind, code } => {
                let mut text = Counted::new();
                text.push_str(if v6 { "icmp6 " } else { "icmp " });
                text.push_str(&say([(kind.into(), "/"), (code.into(), "")]));
                FactValue::Counts(text)
            }
        }
    }
}

/// What the registry knows about the service that should be on a port, when something else may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// Nobody is registered, or the registration shows no sign of use.
    Absent,
    /// A service in use, whose protocol we would not recognise: what was heard may be it.
    Silent,
    /// A service in use, whose protocol we recognise as a rule: what was heard is probably not it.
    Telling,
}

/// Answers that came without a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// A SYN-ACK whose SYN is not in the capture, and which nobody took up.
    SynAck,
    /// A reset and nothing else.
    Rst,
    /// An ICMP error that quotes a packet nobody saw.
    Icmp,
}

impl Unasked {
    /// Name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynAck => "syn_ack",
            Self::Rst => "rst",
            Self::Icmp => "icmp",
        }
    }
}

/// A process on this machine, and the claim its name agrees with.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalProcess {
    /// The process.
    pub process: Process,
    /// The claim about the port that bears its name.
    pub claim: Option<Arc<Claim>>,
}

fn say_announcement(announcement: &Announcement) -> String {
    let Announcement { meeting, frame, .. } = announcement;
    if meeting.what.is_empty() {
        format!("frame {frame}: {}", meeting.by)
    } else {
        format!("frame {frame}: {} {}", meeting.by, meeting.what)
    }
}

fn say_knocks(knocks: &Knocks) -> Counted {
    let (attempts, answered) = (knocks.attempts.into(), knocks.answered.into());
    let mut text = say([(attempts, " times, "), (answered, " answered")]);
    if let Some(interval) = knocks.interval.filter(|_| knocks.regular) {
        // It is far below the length there is.
        let _ = write!(text, ", every {:.1} s", interval.as_secs_f64());
    }
    text
}

/// Counts, each followed by what is counted.
fn say<const N: usize>(counts: [(u64, &str); N]) -> Counted {
    let mut text = Counted::new();
    for (count, what) in counts {
        text.push_str(itoa::Buffer::new().format(count));
        text.push_str(what);
    }
    text
}
