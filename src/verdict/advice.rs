//! What an analyst does next: one line per story, with the endpoints filled in.
//!
//! Invariants: only addresses, port numbers and our own words go into a line, never a name or a byte from the
//! wire, a claim or a process. Every line of output has one, so the parts are put together without `format!`,
//! which took as long as half of the line.

use super::{Story, Verdict};
use crate::evidence::Fact;
use crate::flow::Flow;
use crate::wire::Transport;
use crate::wire::text::{address, decimal, endpoint};

impl Verdict {
    /// What an analyst does next, in one line. Safe to print and to paste into a shell.
    #[must_use]
    pub fn next_step(&self) -> String {
        let flow = &self.evidence.flow;
        let (from, to) = (&*address(flow.originator.addr), &*address(flow.responder.addr));
        let listener = || ["on ", to, ": ", &*socket_list(flow)].concat();
        match self.story {
            Story::RegisteredService => {
                ["none needed if ", to, " may offer this service; else ", &*listener()].concat()
            }
            Story::KnownSquatter | Story::NonstandardPort | Story::UnidentifiedListener => listener(),
            Story::NegotiatedPort => match self.evidence.announcement() {
                Some(announcement) => {
                    let frame = decimal(announcement.frame);
                    let (read, see) = ("read the announcement in frame ", ", and see that ");
                    [read, &*frame, see, from, " may use that service"].concat()
                }
                None => {
                    let look = "look for the control conversation of ";
                    [look, from, " and ", to, "; ", &*listener()].concat()
                }
            },
            Story::EphemeralOverlap => {
                let (client, port) =
                    (decimal(flow.responder.port.into()), decimal(flow.originator.port.into()));
                ["port ", &*client, " is only a client's; look at port ", &*port, " on ", from, " instead"]
                    .concat()
            }
            Story::Scan => ["find out who runs ", from, ", and which of its probes were answered"].concat(),
            Story::Misdirected => {
                let (find, correct) =
                    (": find what asks for ", " and correct its address, or start the service");
                ["on ", from, find, &*endpoint(flow.responder), correct].concat()
            }
            Story::Backscatter => {
                ["none on ", from, ": somebody used its address; see whether ", to, " is under attack"]
                    .concat()
            }
            Story::SuspectedMalware => {
                let look = "; look for other hosts that talk to it";
                ["isolate ", to, " and keep its memory; then ", &*listener(), look].concat()
            }
            Story::Undetermined => self.gather_more(),
        }
    }

    fn gather_more(&self) -> String {
        let flow = &self.evidence.flow;
        let has = |wanted: fn(&Fact) -> bool| self.evidence.facts.iter().any(wanted);
        if has(|fact| matches!(fact, Fact::OneSidedCapture)) {
            "capture both directions: one is missing here (asymmetric routing, or a one-way mirror port)"
                .into()
        } else if has(|fact| matches!(fact, Fact::NoOpeningSeen | Fact::TruncatedPayload)) {
            ["capture ", &*capture_filter(flow), " from its opening on, with full packets"].concat()
        } else {
            let to = address(flow.responder.addr);
            ["watch ", &*capture_filter(flow), " for longer; on ", &*to, ": ", &*socket_list(flow)].concat()
        }
    }
}

/// A BPF expression for the responder.
fn capture_filter(flow: &Flow) -> String {
    let (to, port) = (address(flow.responder.addr), decimal(flow.responder.port.into()));
    ["'host ", &*to, " and ", flow.transport.name(), " port ", &*port, "'"].concat()
}

/// The command that lists who listens. `ss` knows SCTP by `-S`.
fn socket_list(flow: &Flow) -> String {
    let list = match flow.transport {
        Transport::Tcp => "ss -tlnp 'sport = :",
        Transport::Udp => "ss -ulnp 'sport = :",
        Transport::Sctp => "ss -Slnp 'sport = :",
    };
    [list, &*decimal(flow.responder.port.into()), "'"].concat()
}
