//! What an analyst does next: one line per story, with the endpoints filled in.
//!
//! Invariants: only addresses, port numbers and our own words go into a line, never a name or a byte from the
//! wire, a claim or a process.

use super::{Story, Verdict};
use crate::evidence::Fact;
use crate::wire::Transport;

impl Verdict {
    /// What an analyst does next, in one line. Safe to print and to paste into a shell.
    #[must_use]
    pub fn next_step(&self) -> String {
        let flow = &self.evidence.flow;
        let (from, to) = (flow.originator, flow.responder);
        let listener = format!("on {}: {}", to.addr, socket_list(flow.transport, to.port));
        match self.story {
            Story::RegisteredService => {
                format!("none needed if {} may offer this service; else {listener}", to.addr)
            }
            Story::KnownSquatter | Story::NonstandardPort | Story::UnidentifiedListener => listener,
            Story::NegotiatedPort => match self.evidence.announcement() {
                Some(announcement) => format!(
                    "read the announcement in frame {}, and see that {} may use that service",
                    announcement.frame, from.addr
                ),
                None => {
                    format!("look for the control conversation of {} and {}; {listener}", from.addr, to.addr)
                }
            },
            Story::EphemeralOverlap => format!(
                "port {} is only a client's; look at port {} on {} instead",
                to.port, from.port, from.addr
            ),
            Story::Scan => format!("find out who runs {}, and which of its probes were answered", from.addr),
            Story::Misdirected => format!(
                "on {}: find what asks for {to} and correct its address, or start the service",
                from.addr
            ),
            Story::Backscatter => format!(
                "none on {}: somebody used its address; see whether {} is under attack",
                from.addr, to.addr
            ),
            Story::SuspectedMalware => format!(
                "isolate {} and keep its memory; then {listener}; look for other hosts that talk to it",
                to.addr
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
            format!("capture {} from its opening on, with full packets", capture_filter(self))
        } else {
            format!(
                "watch {} for longer; on {}: {}",
                capture_filter(self),
                flow.responder.addr,
                socket_list(flow.transport, flow.responder.port)
            )
        }
    }
}

/// A BPF expression for the responder.
fn capture_filter(verdict: &Verdict) -> String {
    let flow = &verdict.evidence.flow;
    format!("'host {} and {} port {}'", flow.responder.addr, flow.transport.name(), flow.responder.port)
}

/// The command that lists who listens. `ss` knows SCTP by `-S`.
fn socket_list(transport: Transport, port: u16) -> String {
    let letter = match transport {
        Transport::Tcp => 't',
        Transport::Udp => 'u',
        Transport::Sctp => 'S',
    };
    format!("ss -{letter}lnp 'sport = :{port}'")
}
