//! What one fact more or one fact less would change.
//!
//! A fact seldom comes or goes alone: without recognised bytes there is no `speaks`, nothing that a claim
//! could expect, and payload that nobody knows instead. So every question here is an edit of the list of
//! facts: what goes, what comes with it, and what the same arithmetic says then. Only facts that traffic
//! (or a look at the machine) can bring or lack are asked about; what the registry says is the same with
//! any packets.
//!
//! Invariant (tested on captures): a capture edited as an edit says is judged as the edit says.

use std::sync::Arc;
use std::time::Duration;

use super::judge::weigh;
use super::{Ranked, Story, weights};
use crate::evidence::{Fact, LocalProcess, Refusal, add_spoken, tenant};
use crate::flow::Knocks;
use crate::host::Process;
use crate::payload::{Announcement, App, AppProto, Meeting, Sides, Strength};
use crate::registry::{Claim, ClaimKind, PortStatus, Tier};
use crate::time::Timestamp;
use crate::wire::Transport;

/// Protocols of claims that are tried.
const PROTOCOLS_MAX: usize = 4;

/// A fact as a line carries it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Name in the catalogue.
    pub fact: String,
    /// Value.
    pub value: String,
    /// What it added, log-odds by story.
    pub weights: Vec<(Story, f64)>,
}

/// Everything a verdict rests on, as a line carries it, and the claims about its port.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Transport protocol.
    pub transport: Transport,
    /// Status of the responder's port.
    pub status: PortStatus,
    /// Tier of the responder's port.
    pub tier: Tier,
    /// All facts.
    pub facts: &'a [Told],
    /// Claims about the responder's port.
    pub claims: &'a [Arc<Claim>],
    /// True when the port's registration itself shows signs of life.
    pub lives: bool,
}

/// One fact that would change the verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Name of the fact.
    pub fact: &'static str,
    /// Its value, as it is or as it could be.
    pub value: String,
    /// True when the change is that it comes, false when it is there and goes.
    pub comes: bool,
    /// What the verdict would be.
    pub becomes: Ranked,
}

/// An edit of the list of facts.
#[derive(Debug)]
struct Edit {
    fact: &'static str,
    value: String,
    comes: bool,
    gone: Vec<&'static str>,
    come: Vec<Fact>,
}

impl Case<'_> {
    /// What these facts add up to.
    #[must_use]
    pub fn answer(&self) -> Ranked {
        weigh(self.status, self.tier, self.facts.iter().map(|told| told.weights.as_slice()))[0]
    }

    /// The single facts that would change the story: first those that are there, the surest change first;
    /// then those that could be, the most plausible first.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let story = self.answer().story;
        let tried = |edits: Vec<Edit>| {
            let changes = edits.into_iter().map(|edit| self.tried(edit));
            changes.filter(|change| change.becomes.story != story).collect::<Vec<_>>()
        };
        let mut changes = tried(self.absences());
        changes.sort_by(|a, b| b.becomes.probability.total_cmp(&a.becomes.probability));
        for change in tried(self.presences()) {
            // One example of each kind is enough: "if it spoke http" says what "if it spoke tls" would.
            let said = |known: &Change| {
                known.comes && (known.fact, known.becomes.story) == (change.fact, change.becomes.story)
            };
            if !changes.iter().any(said) {
                changes.push(change);
            }
        }
        changes
    }

    fn tried(&self, edit: Edit) -> Change {
        let stays = self.facts.iter().filter(|told| !edit.gone.contains(&told.fact.as_str()));
        let come = edit.come.iter().map(|fact| -> &[(Story, f64)] { weights::of(fact) });
        let rows = stays.map(|told| told.weights.as_slice()).chain(come);
        let becomes = weigh(self.status, self.tier, rows)[0];
        Change { fact: edit.fact, value: edit.value, comes: edit.comes, becomes }
    }

    fn told(&self, fact: &str) -> Option<&Told> {
        self.facts.iter().find(|told| told.fact == fact)
    }

    fn has(&self, fact: &str) -> bool {
        self.told(fact).is_some()
    }

    fn datagrams(&self) -> bool {
        self.transport == Transport::Udp
    }

    /// What is true of bytes that nobody knows.
    fn unheard(&self) -> Vec<Fact> {
        let two_way = self.has("answered");
        two_way.then(|| Fact::PayloadUnrecognised(tenant(self.claims, self.lives))).into_iter().collect()
    }

    /// Facts that are there, taken away one after the other.
    fn absences(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut without = |fact: &'static str, more: &[&'static str], come: Vec<Fact>| {
            if let Some(told) = self.told(fact) {
                let gone = [&[fact], more].concat();
                edits.push(Edit { fact, value: told.value.clone(), comes: false, gone, come });
            }
        };
        let refused = || vec![Fact::RefusedBy(Refusal::Rst)];
        let unanswered = || vec![Fact::Unanswered { datagrams: self.datagrams() }];
        if self.has("speaks") {
            without("announced_by", &[], Vec::new());
        } else {
            // What is spoken was known from the announcement alone.
            let come = if self.has("no_claim_expects") || self.has("claim_expects") {
                self.unheard()
            } else {
                Vec::new()
            };
            without("announced_by", SPEECH, come);
        }
        let bytes = if self.has("malware_bytes") { "malware_bytes" } else { "speaks" };
        without(bytes, SPEECH, self.unheard());
        if self.has("payload_unrecognised") {
            let come = if self.datagrams() { unanswered() } else { Vec::new() };
            without("answered", &["payload_unrecognised", "claimed_by"], come);
        }
        without("refused_by", &[], unanswered());
        for fact in ["fan_out", "knocks", "retries", "listener_known", "fan_in", "local_process"] {
            without(fact, &[], Vec::new());
        }
        match self.told("answer_without_request").map(|told| told.value.as_str()) {
            Some("syn_ack") => without("answer_without_request", UNOPENED, vec![Fact::HalfOpen]),
            Some("icmp") if self.datagrams() => {
                without("answer_without_request", &["first_packet_only", "no_payload"], refused());
            }
            Some("icmp") => without("answer_without_request", UNOPENED, refused()),
            _ if self.has("one_sided_capture") || self.has("odd_flags") => {}
            _ => without("no_opening_seen", UNOPENED, vec![Fact::Handshake]),
        }
        edits
    }

    /// Facts that could be there, the most plausible first.
    fn presences(&self) -> Vec<Edit> {
        let mut edits = self.failures();
        let is_open = self.has("handshake") || self.has("answered");
        let can_speak = is_open && (self.has("answered") || self.has("no_payload"));
        if can_speak {
            edits.extend(self.protocols().into_iter().map(|app| self.with_speech(app)));
        }
        if is_open && !self.has("announced_by") {
            let fact = Fact::AnnouncedBy(Box::new(some_announcement(self.transport)));
            edits.push(Edit::with("a control conversation before it".to_owned(), &[], fact));
        }
        if is_open && !self.has("local_process") && !self.has("speaks") {
            edits.extend(self.claims.iter().filter(|claim| is_tenant(claim)).map(with_process));
        }
        edits
    }

    /// What an attempt that came to nothing could still have met with.
    fn failures(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        let failed = self.has("unanswered") || self.has("refused_by");
        if self.has("unanswered") {
            let refusal =
                if self.datagrams() { Refusal::Icmp { v6: false, kind: 3, code: 3 } } else { Refusal::Rst };
            edits.push(Edit::plain(&["unanswered"], Fact::RefusedBy(refusal)));
        }
        if failed && !self.has("knocks") {
            let interval = Some(Duration::from_mins(1));
            let knocks = Knocks { attempts: 4, answered: 0, regular: true, interval };
            edits.push(Edit::plain(&[], Fact::Knocks(knocks)));
        }
        if failed || self.has("half_open") {
            let (hosts, ports, ended, failed) = (1, 100, 100, 100);
            let (scattered, repeated, slow) = (false, false, false);
            let many = Fact::FanOut { hosts, ports, ended, failed, scattered, repeated, slow };
            edits.push(Edit::plain(&["fan_out"], many));
        }
        edits
    }

    /// What claims about the port say is spoken there, other than what is.
    fn protocols(&self) -> Vec<App> {
        let heard = self.told("speaks").map(|told| told.value.as_str());
        let mut apps = Vec::new();
        for name in self.claims.iter().flat_map(|claim| &claim.speaks) {
            let app = App::from_name(name).filter(|app| app.has_signs() && Some(app.name()) != heard);
            apps.extend(app.filter(|app| !apps.contains(app)));
        }
        if apps.is_empty() && heard.is_none() {
            apps.push(App::Http); // what moves to odd ports most (LZR, 2021)
        }
        apps.truncate(PROTOCOLS_MAX);
        apps
    }

    fn with_speech(&self, app: App) -> Edit {
        let spoken = AppProto { app, sides: Sides::Both, strength: Strength::Strong };
        let mut come = Vec::new();
        add_spoken(&mut come, spoken, self.claims, self.lives, || None);
        if !self.has("answered") {
            come.push(Fact::Answered);
        }
        let fact = if app.is_malware() { "malware_bytes" } else { "speaks" };
        let gone = [SPEECH, &["payload_unrecognised", "no_payload"]].concat();
        Edit { fact, value: app.name().to_owned(), comes: true, gone, come }
    }
}

/// Facts that stand and fall with recognised bytes.
const SPEECH: &[&str] = &[
    "speaks",
    "malware_bytes",
    "claim_expects",
    "no_claim_expects",
    "originator_claim_expects",
    "negotiates_ports",
];
/// Facts of a connection whose opening nobody saw.
const UNOPENED: &[&str] =
    &["no_opening_seen", "first_packet_only", "originator_serves", "originator_claim_expects"];

impl Edit {
    /// One fact more, shown as it would be.
    fn plain(gone: &[&'static str], fact: Fact) -> Self {
        Self::with(fact.value().to_string(), gone, fact)
    }

    fn with(value: String, gone: &[&'static str], fact: Fact) -> Self {
        Self { fact: fact.name(), value, comes: true, gone: gone.to_vec(), come: vec![fact] }
    }
}

fn is_tenant(claim: &Claim) -> bool {
    claim.kind != ClaimKind::Suspicious && !claim.dead
}

fn with_process(claim: &Arc<Claim>) -> Edit {
    let process = Process { pid: 0, name: claim.name.clone(), exe: None, user: None };
    Edit::plain(&[], Fact::LocalProcess(Box::new(LocalProcess { process, claim: Some(Arc::clone(claim)) })))
}

/// An announcement of which nothing matters but that it is one.
fn some_announcement(transport: Transport) -> Announcement {
    let addr = std::net::IpAddr::from([0, 0, 0, 0]);
    let meeting = Meeting { transport, addr, port: 0, said_by: addr, by: "epm", what: String::new() };
    Announcement { meeting, frame: 0, time: Timestamp::MIN }
}
