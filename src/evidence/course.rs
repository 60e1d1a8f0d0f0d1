//! What the packets of one flow show by themselves: how it opened, who said no, what is odd.
//!
//! Readings of counters, letters and control bits; nothing here knows claims, payload meaning or other flows.
//! Every function is total: hostile captures reach all of them.

use super::fact::{Refusal, Unasked};
use crate::flow::{Flow, Head, Outcome, Side};
use crate::wire::{TcpFlags, Transport};

/// Packets of a probe with odd flags: the probe itself and a few repetitions.
const PROBE_PACKETS_MAX: u64 = 3;

/// True when both sides sent payload.
pub(super) fn is_two_way(flow: &Flow) -> bool {
    flow.orig.payload_bytes > 0 && flow.resp.payload_bytes > 0
}

/// How far the opening handshake came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// To its end.
    Completed,
    /// The responder was ready; the originator did not go on.
    Half,
    /// Not seen.
    None,
}

/// How far the opening handshake came, by the letters of the history (for SCTP by the outcome).
pub(super) fn opening(flow: &Flow, outcome: Outcome) -> Opening {
    if flow.transport != Transport::Tcp {
        let completed = flow.transport == Transport::Sctp
            && matches!(outcome, Outcome::Established | Outcome::Opened | Outcome::Reset);
        return if completed { Opening::Completed } else { Opening::None };
    }
    let went_on = || b"ADF".iter().any(|&letter| flow.history.has(letter));
    if flow.is_half_open() {
        Opening::Half
    } else if flow.history.has(b'h') && went_on() {
        Opening::Completed
    } else {
        Opening::None
    }
}

/// Who said no. Asked only about flows that were refused.
pub(super) fn refusal(flow: &Flow) -> Refusal {
    match flow.icmp {
        Some(note) if note.refuses() => Refusal::Icmp { v6: note.v6, kind: note.kind, code: note.code },
        _ if flow.transport == Transport::Sctp => Refusal::Abort,
        _ => Refusal::Rst,
    }
}

/// The answer that this flow is, when its question is not in the capture.
pub(super) fn unasked(flow: &Flow) -> Option<Unasked> {
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

/// True when kept bytes start in the middle, or are fewer than both the wire and our own limit allow.
/// Released bytes say nothing; of datagrams only the first is kept, so only their beginning can be judged.
pub(super) fn is_cut(transport: Transport, head: &Head, payload_bytes: u64) -> bool {
    let kept = head.bytes.len();
    let wanted = usize::try_from(payload_bytes).unwrap_or(usize::MAX).min(crate::flow::HEAD_BYTES_MAX);
    kept > 0 && (!head.from_start || (transport == Transport::Tcp && kept < wanted))
}

/// The name of a probe by its control bits. With payload or a longer conversation it is no probe. An
/// acknowledgement or the end of a connection that nobody saw is one only when it is one of many (`swept`).
pub(super) fn odd_flags(flow: &Flow, swept: bool) -> Option<&'static str> {
    const FIN: u8 = TcpFlags::FIN;
    const ACK: u8 = TcpFlags::ACK;
    const FIN_ACK: u8 = TcpFlags::FIN | TcpFlags::ACK;
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
        ACK if swept && flow.is_stray() => Some("ack"),
        FIN_ACK if swept && flow.is_stray() => Some("fin_ack"),
        // All bits of one side are or-ed: only in a single packet do SYN and FIN stand side by side.
        _ if flow.orig.packets == 1 && flags.has(TcpFlags::SYN | TcpFlags::FIN) => Some("syn_fin"),
        _ if flow.orig.packets == 1 && flags.has(TcpFlags::SYN | TcpFlags::RST) => Some("syn_rst"),
        _ => None,
    }
}
