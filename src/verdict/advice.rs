//! What an analyst does next: one line per story, with the endpoints filled in.
//!
//! Invariants: only addresses, port numbers and our own words go into a line, never a name or a byte from the
//! wire, a claim or a process. Every line of output has one, and `std` formats so slowly that this was a
//! sixth of the line, and with [`address`] still a tenth; hence the common ones are put together from pieces.

use super::{Story, Verdict};
use crate::evidence::Fact;
use crate::flow::Flow;
use crate::wire::Transport;
use crate::wire::text::address;

impl Verdict {
    /// What an analyst does next, in one line. Safe to print and to paste into a shell.
    #[must_use]
    pub fn next_step(&self) -> String {
        let flow = &self.evidence.flow;
        let (from, to) = (&*address(flow.originator.addr), &*address(flow.responder.addr));
        let listener = || ["on ", to, ": ", &socket_list(flow)].concat();
        match self.story {
            Story::RegisteredService => {
                ["none needed if ", to, " may offer this service; else ", &listener()].concat()
            }
            Story::KnownSquatter | Story::NonstandardPort | Story::UnidentifiedListener => listener(),
            Story::NegotiatedPort => match self.evidence.announcement() {
                Some(announcement) => format!(
                    "read the announcement in frame {}, and see that {from} may use that service",
                    announcement.frame
                ),
                None => {
                    format!("look for the control conversation of {from} and {to}; {}", listener())
                }
            },
            Story::EphemeralOverlap => format!(
                "port {} is only a client's; look at port {} on {from} instead",
                flow.responder.port, flow.originator.port
            ),
            Story::Scan => ["find out who runs ", from, ", and which of its probes were answered"].concat(),
            Story::Misdirected => format!(
                "on {from}: find what asks for {} and correct its address, or start the service",
                flow.responder
            ),
            Story::Backscatter => {
                format!("none on {from}: somebody used its address; see whether {to} is under attack")
            }
            Story::SuspectedMalware => format!(
                "isolate {to} and keep its memory; then {}; look for other hosts that talk to it",
                listener()
            ),
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
            format!("capture {} from its opening on, with full packets", capture_filter(flow))
        } else {
            format!(
                "watch {} for longer; on {}: {}",
                capture_filter(flow),
                address(flow.responder.addr),
                socket_list(flow)
            )
        }
    }
}

/// A BPF expression for the responder.
fn capture_filter(flow: &Flow) -> String {
    let to = flow.responder;
    format!("'host {} and {} port {}'", address(to.addr), flow.transport.name(), to.port)
}

/// The command that lists who listens. `ss` knows SCTP by `-S`.
fn socket_list(flow: &Flow) -> String {
    let letter = match flow.transport {
        Transport::Tcp => "t",
        Transport::Udp => "u",
        Transport::Sctp => "S",
    };
    let mut port = itoa::Buffer::new();
    ["ss -", letter, "lnp 'sport = :", port.format(flow.responder.port), "'"].concat()
}
