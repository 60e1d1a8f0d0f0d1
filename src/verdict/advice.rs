//! What an analyst does next: one line per story, with the endpoints filled in.
//!
//! Invariants: only addresses, port numbers and our own words go into a line, never a name or a byte from the
//! wire, a claim or a process. Every line of output has one, and `std` formats so slowly that this was a
//! sixth of the line, and with [`address`] still a tenth; hence the common ones are put together from pieces.

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
        let (from, to) = (|| address(flow.originator.addr), || address(flow.responder.addr));
        match self.story {
            Story::RegisteredService => {
                ["none needed if ", &to(), " may offer this service; else ", &listener(flow)].concat()
            }
            Story::KnownSquatter | Story::NonstandardPort | Story::UnidentifiedListener => listener(flow),
            Story::NegotiatedPort => match self.evidence.announcement() {
                Some(announcement) => format!(
                    "read the announcement in frame {}, and see that {} may use that service",
                    announcement.frame,
                    from()
                ),
                None => {
                    format!(
                        "look for the control conversation of {} and {}; {}",
                        from(),
                        to(),
                        listener(flow)
                    )
                }
            },
            Story::EphemeralOverlap => {
                let [port, other] = [flow.responder, flow.originator].map(|end| decimal(end.port.into()));
                ["port ", &port, " is only a client's; look at port ", &other, " on ", &from(), " instead"]
                    .concat()
            }
            Story::Scan => {
                ["find out who runs ", &from(), ", and which of its probes were answered"].concat()
            }
            Story::Misdirected => {
                let wrong = endpoint(flow.responder);
                let service = " and correct its address, or start the service";
                ["on ", &from(), ": find what asks for ", &wrong, service].concat()
            }
            Story::Backscatter => {
                let (used, attacked) = (": somebody used its address; see whether ", " is under attack");
                ["none on ", &from(), used, &to(), attacked].concat()
            }
            Story::SuspectedMalware => format!(
                "isolate {} and keep its memory; then {}; look for other hosts that talk to it",
                to(),
                listener(flow)
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
            ["watch ", &capture_filter(flow), " for longer; ", &listener(flow)].concat()
        }
    }
}

/// A BPF expression for the responder.
fn capture_filter(flow: &Flow) -> String {
    let (to, port) = (address(flow.responder.addr), decimal(flow.responder.port.into()));
    ["'host ", &to, " and ", flow.transport.name(), " port ", &port, "'"].concat()
}

/// Where to list who listens, and the command for it. `ss` knows SCTP by `-S`.
fn listener(flow: &Flow) -> String {
    let letter = match flow.transport {
        Transport::Tcp => "t",
        Transport::Udp => "u",
        Transport::Sctp => "S",
    };
    let (to, port) = (address(flow.responder.addr), decimal(flow.responder.port.into()));
    ["on ", &to, ": ss -", letter, "lnp 'sport = :", &port, "'"].concat()
}
