//! Who opened, when neither SYN nor SYN-ACK says so: announced, then listener, then the port ranges, then who
//! spoke first.
//!
//! With TCP that began before the capture, the first packet seen is as likely an answer as a question, so
//! weak hints decide. A datagram that comes first nearly always asks: only strong hints turn a UDP or SCTP
//! flow round.

use super::{Basis, Direction, Flow};
use crate::wire::Transport;

/// What other rooms know of the two ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The flow's originator has answered others before.
    pub orig_listens: bool,
    /// The flow's responder has.
    pub resp_listens: bool,
    /// A control conversation announced the originator's endpoint as a meeting place.
    pub orig_announced: bool,
    /// It announced the responder's.
    pub resp_announced: bool,
}

/// Settles who is the originator. Does nothing when a SYN or SYN-ACK decided already.
pub fn settle(flow: &mut Flow, hints: &Hints) {
    if flow.direction.is_decided() {
        return;
    }
    let connection = flow.transport == Transport::Tcp;
    if hints.orig_announced != hints.resp_announced {
        return turn(flow, hints.orig_announced, Basis::Announced, 95);
    }
    let (from, to) = (tier(flow.originator.port), tier(flow.responder.port));
    // Peers of one kind (a DHT, two SIP proxies) answer others and ask: there the ports must agree as well.
    let listens = hints.orig_listens != hints.resp_listens;
    if listens && (connection || hints.resp_listens || from < to) {
        return turn(flow, hints.orig_listens, Basis::Listener, if connection { 90 } else { 85 });
    }
    if from == to {
        return;
    }
    let confidence = if from.min(to) == Tier::WellKnown { 85 } else { 65 };
    if connection {
        turn(flow, from < to, Basis::PortRange, confidence);
    } else if from > to {
        turn(flow, false, Basis::PortRange, 90);
    } else if from == Tier::WellKnown && to == Tier::Ephemeral {
        turn(flow, true, Basis::PortRange, 60);
    }
}

fn turn(flow: &mut Flow, round: bool, basis: Basis, confidence: u8) {
    let direction = Direction { basis, confidence };
    if round { flow.flip(direction) } else { flow.direction = direction }
}

/// Where a port number lies, servers' ranges first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    /// 0 to 1023 (RFC 6335 section 6: system ports).
    WellKnown,
    /// 1024 to 32767: most services without a system port; old systems' client ports too.
    Registered,
    /// 32768 and up: where today's systems take client ports from (Linux: 32768 to 60999; RFC 6335: 49152 to
    /// 65535).
    Ephemeral,
}

fn tier(port: u16) -> Tier {
    match port {
        0..1024 => Tier::WellKnown,
        1024..32_768 => Tier::Registered,
        32_768.. => Tier::Ephemeral,
    }
}

#[cfg(test)]
mod tests {
    use super::super::script;
    use super::*;

    const NONE: Hints =
        Hints { orig_listens: false, resp_listens: false, orig_announced: false, resp_announced: false };

    fn settled(transport: Transport, from: u16, to: u16, hints: Hints) -> (u16, Basis, u8) {
        let mut flow = script::flow(transport, &format!("10.0.0.1:{from}"), &format!("10.0.0.2:{to}"));
        settle(&mut flow, &hints);
        (flow.responder.port, flow.direction.basis, flow.direction.confidence)
    }

    #[test]
    fn the_table_of_hints() {
        let announced = Hints { orig_announced: true, resp_listens: true, ..NONE };
        let from_listener = Hints { orig_listens: true, ..NONE };
        let to_listener = Hints { resp_listens: true, ..NONE };
        for (transport, from, to, hints, want) in [
            (Transport::Tcp, 49_683, 50_059, NONE, (50_059, Basis::FirstPacket, 50)),
            (Transport::Tcp, 49_683, 50_059, announced, (49_683, Basis::Announced, 95)),
            (Transport::Tcp, 5228, 53_019, from_listener, (5228, Basis::Listener, 90)),
            (Transport::Tcp, 3000, 80, from_listener, (3000, Basis::Listener, 90)),
            (Transport::Tcp, 80, 52_074, NONE, (80, Basis::PortRange, 85)),
            (Transport::Tcp, 52_074, 80, NONE, (80, Basis::PortRange, 85)),
            (Transport::Tcp, 3007, 50_000, NONE, (3007, Basis::PortRange, 65)),
            (Transport::Udp, 53, 50_000, NONE, (53, Basis::PortRange, 60)),
            (Transport::Udp, 50_000, 53, NONE, (53, Basis::PortRange, 90)),
            (Transport::Udp, 1900, 59_419, NONE, (59_419, Basis::FirstPacket, 80)),
            (Transport::Udp, 1900, 59_419, from_listener, (1900, Basis::Listener, 85)),
            (Transport::Udp, 6881, 6881, from_listener, (6881, Basis::FirstPacket, 80)),
            (Transport::Udp, 50_000, 6881, from_listener, (6881, Basis::PortRange, 90)),
            (Transport::Udp, 50_000, 50_001, to_listener, (50_001, Basis::Listener, 85)),
            (Transport::Udp, 50_000, 50_001, announced, (50_000, Basis::Announced, 95)),
        ] {
            assert_eq!(settled(transport, from, to, hints), want, "{transport:?} {from} {to} {hints:?}");
        }
    }

    #[test]
    fn a_syn_is_never_overruled() {
        let mut flow = script::flow(Transport::Tcp, "10.0.0.1:80", "10.0.0.2:50000");
        flow.direction = Direction { basis: Basis::Syn, confidence: 100 };
        settle(&mut flow, &Hints { orig_announced: true, orig_listens: true, ..NONE });
        assert_eq!((flow.responder.port, flow.direction.confidence), (50_000, 100));
    }
}
