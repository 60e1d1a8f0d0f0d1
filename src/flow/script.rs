//! Tiny packets for tests: who, to whom, flags, numbers, payload.

use super::{Basis, Direction, Flow, Side};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Packet, Role, Tcp, TcpFlags, Transport, Vlan};
use std::net::SocketAddr;

pub(super) fn end(text: &str) -> Endpoint {
    let end: SocketAddr = text.parse().unwrap();
    Endpoint::new(end.ip(), end.port())
}

/// A packet of `transport` at that many milliseconds, which is also its frame number.
pub(super) fn packet<'a>(
    transport: Transport,
    ms: u64,
    from: &str,
    to: &str,
    payload: &'a [u8],
) -> Packet<'a> {
    let time = Timestamp::from_parts(1000, ms * 1_000_000);
    let len = u32::try_from(payload.len()).unwrap();
    Packet {
        frame: ms,
        time,
        clock: time,
        layer: 0,
        input: 0,
        vlan: Vlan::default(),
        transport,
        src: end(from),
        dst: end(to),
        ttl: 64,
        role: Role::Segment,
        tcp: Tcp::default(),
        tcp_options: &[],
        payload,
        payload_len: len,
        wire_len: 54 + len,
    }
}

pub(super) fn syn(ms: u64, from: &str, to: &str) -> Packet<'static> {
    tcp(ms, from, to, "S", 100, 0, b"")
}

/// A TCP packet with the flags named by their letters.
pub(super) fn tcp<'a>(
    ms: u64,
    from: &str,
    to: &str,
    flags: &str,
    seq: u32,
    ack: u32,
    payload: &'a [u8],
) -> Packet<'a> {
    let bits = flags.bytes().fold(0, |bits, flag| {
        bits | match flag {
            b'S' => TcpFlags::SYN,
            b'A' => TcpFlags::ACK,
            b'F' => TcpFlags::FIN,
            b'R' => TcpFlags::RST,
            b'P' => TcpFlags::PSH,
            _ => 0,
        }
    });
    let tcp = Tcp { flags: TcpFlags(bits), seq, ack, window: 1000 };
    Packet { tcp, ..packet(Transport::Tcp, ms, from, to, payload) }
}

pub(super) fn udp<'a>(ms: u64, from: &str, to: &str, payload: &'a [u8]) -> Packet<'a> {
    packet(Transport::Udp, ms, from, to, payload)
}

/// A flow of one packet whose direction is that packet's.
pub(super) fn flow(transport: Transport, from: &str, to: &str) -> Flow {
    Flow {
        id: 1,
        transport,
        originator: end(from),
        responder: end(to),
        direction: Direction {
            basis: Basis::FirstPacket,
            confidence: if transport == Transport::Tcp { 50 } else { 80 },
        },
        first_frame: 1,
        start: Timestamp::default(),
        end: Timestamp::default(),
        orig: Side { packets: 1, ..Side::default() },
        ..Flow::blank()
    }
}
