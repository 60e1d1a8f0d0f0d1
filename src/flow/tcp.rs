//! What TCP packets do to a flow: Zeek's letters, sequence numbers, who opened, and when a new connection
//! begins.
//!
//! The states are those of Zeek's `conn.log` documentation and are read off the letters, not kept.

use super::birth::is_opening;
use super::key::End;
use super::letters::{Letter, Letters};
use super::track::Track;
use super::{Basis, ConnState};
use crate::time::Timestamp;
use crate::wire::{Packet, Role, TcpFlags};
use std::time::Duration;

/// A SYN with a new sequence number on a quiet open connection begins a new one after this long. Sooner, it
/// is more likely to be an answer's echo or a blind guess (RFC 5961 section 4 makes a living peer challenge
/// it).
const REUSE_AFTER: Duration = Duration::from_secs(10);
/// A SYN so far below what its sender already sent, within the first packets, was only overtaken.
const OVERTAKEN_MAX: u32 = 65_536;

/// Notes what one segment says. The packet itself is counted by the caller afterwards.
pub(super) fn follow<N: Copy + Default>(track: &mut Track<N>, sender: End, packet: &Packet<'_>) {
    if let Role::LaterFragment { contiguous } = packet.role {
        return follow_fragment(track, sender, packet.payload_len, contiguous);
    }
    if is_next(track, sender, packet) {
        track.next[sender] = packet.tcp.seq.wrapping_add(packet.payload_len);
        return;
    }
    let flags = packet.tcp.flags;
    if flags.has(TcpFlags::SYN) {
        opening(track, sender, packet);
    }
    notice_unseen(track, sender, packet);
    note_letters(track, sender, packet);
    let controls = u32::from(flags.has(TcpFlags::SYN)) + u32::from(flags.has(TcpFlags::FIN));
    let end = packet.tcp.seq.wrapping_add(packet.payload_len).wrapping_add(controls);
    let ahead = end.wrapping_sub(track.next[sender]).cast_signed();
    if !flags.has(TcpFlags::RST) && (!track.is_known(sender) || ahead > 0) {
        track.know(sender, end);
    }
}

/// True for what nearly every segment of a conversation is: it acknowledges what was seen, and its bytes, if
/// any, are the ones that come next. Of all that is noted of segments, it adds nothing but where its sender
/// is now; asking for each by itself was half of following a packet.
#[inline]
fn is_next<N: Copy + Default>(track: &Track<N>, sender: End, packet: &Packet<'_>) -> bool {
    let (tcp, peer) = (packet.tcp, 1 - sender);
    let says = if packet.payload_len > 0 { Letter::Data } else { Letter::Ack };
    tcp.flags.0 & !TcpFlags::PSH == TcpFlags::ACK
        && tcp.window != 0
        && track.is_known(sender)
        && track.is_known(peer)
        && tcp.seq == track.next[sender]
        && tcp.ack.wrapping_sub(track.next[peer]).cast_signed() <= 0
        && track.letters.saw(sender, says)
}

/// True when this packet belongs to a new connection with the ports of an old one.
pub(super) fn begins_anew<N: Copy + Default>(
    track: &Track<N>,
    sender: End,
    packet: &Packet<'_>,
    clock: Timestamp,
) -> bool {
    let flags = packet.tcp.flags;
    if !flags.has(TcpFlags::SYN) || packet.role != Role::Segment && packet.role != Role::Carrier {
        return false;
    }
    let letters = &track.letters;
    let opened_before = letters.saw(sender, Letter::Syn) || letters.saw(sender, Letter::SynAck);
    if opened_before && track.isn[sender] == packet.tcp.seq {
        return false;
    }
    let ending = [0, 1].into_iter().any(|e| letters.saw(e, Letter::Fin) || letters.saw(e, Letter::Reset));
    if !is_opening(packet) {
        return ending && opened_before;
    }
    let midstream = track.basis == Basis::FirstPacket && track.packets() > 0;
    if midstream {
        let below = track.next[sender].wrapping_sub(packet.tcp.seq);
        return ending || !track.is_silent(sender) && (track.packets() > 4 || below > OVERTAKEN_MAX);
    }
    let answered = letters.spoke(0) && letters.spoke(1) || letters.spoke(1 - track.originator());
    ending || answered && clock.since(track.active) >= REUSE_AFTER
}

/// True when a reset or both FINs were seen.
pub(super) fn is_closed(letters: &Letters) -> bool {
    let both = |letter| letters.saw(0, letter) && letters.saw(1, letter);
    letters.saw(0, Letter::Reset) || letters.saw(1, Letter::Reset) || both(Letter::Fin)
}

/// Zeek's `conn_state`. Where the documentation names a SYN or SYN-ACK, one must have been seen; the rest is
/// `OTH`.
pub(super) fn conn_state(letters: &Letters, orig: End) -> ConnState {
    let resp = 1 - orig;
    let syn = letters.saw(orig, Letter::Syn);
    let syn_ack = letters.saw(resp, Letter::SynAck) || syn && letters.saw(resp, Letter::Syn);
    let (orig_spoke, resp_spoke) = (letters.spoke(orig), letters.spoke(resp) || syn_ack);
    let orig_heard = syn || orig_spoke;
    if let Some(breaker) = letters.first_reset() {
        return match (breaker == orig, orig_heard, resp_spoke) {
            (true, _, true) => ConnState::Rsto,
            (true, _, false) if syn => ConnState::Rstos0,
            (false, true, true) => ConnState::Rstr,
            (false, true, false) if syn => ConnState::Rej,
            (false, true, false) => ConnState::Rstr,
            (false, false, _) if syn_ack => ConnState::Rstrh,
            _ => ConnState::Oth,
        };
    }
    match (letters.saw(orig, Letter::Fin), letters.saw(resp, Letter::Fin)) {
        (true, true) => ConnState::Sf,
        (true, false) if resp_spoke => ConnState::S2,
        (true, false) if syn => ConnState::Sh,
        (false, true) if orig_heard => ConnState::S3,
        (false, true) if syn_ack => ConnState::Shr,
        (false, false) if syn && resp_spoke || syn_ack && orig_spoke => ConnState::S1,
        (false, false) if syn => ConnState::S0,
        _ => ConnState::Oth,
    }
}

/// Zeek's `conn_state` of transports without connections.
pub(super) fn datagram_state(orig: u64, resp: u64) -> ConnState {
    match (orig > 0, resp > 0) {
        (true, true) => ConnState::Sf,
        (true, false) => ConnState::S0,
        (false, true) => ConnState::Shr,
        (false, false) => ConnState::Oth,
    }
}

/// A SYN or SYN-ACK says who opened, whatever was thought before.
fn opening<N: Copy + Default>(track: &mut Track<N>, sender: End, packet: &Packet<'_>) {
    let answers = packet.tcp.flags.has(TcpFlags::ACK);
    let asked = track.letters.saw(sender, Letter::Syn);
    if answers {
        if track.basis == Basis::FirstPacket {
            track.decide(1 - sender, Basis::SynAck);
        }
    } else {
        if track.basis == Basis::FirstPacket || track.basis == Basis::SynAck && sender == track.originator() {
            track.decide(sender, Basis::Syn);
        }
        if sender == track.originator() && !track.letters.spoke(1 - sender) {
            track.attempted();
        }
    }
    if !asked && !track.letters.saw(sender, Letter::SynAck) {
        track.isn[sender] = packet.tcp.seq;
    }
}

/// Acknowledgements of bytes that nobody saw: a gap, or a direction that is not captured at all.
fn notice_unseen<N: Copy + Default>(track: &mut Track<N>, sender: End, packet: &Packet<'_>) {
    let flags = packet.tcp.flags;
    if !flags.has(TcpFlags::ACK) || flags.has(TcpFlags::RST) {
        return;
    }
    let (peer, ack) = (1 - sender, packet.tcp.ack);
    if !track.is_known(peer) {
        if track.is_silent(peer) && track.letters.saw(sender, Letter::Syn) {
            track.mark_unseen_acked();
        }
        return track.know(peer, ack);
    }
    let ahead = ack.wrapping_sub(track.next[peer]).cast_signed();
    if ahead <= 0 {
        return;
    }
    if track.is_silent(peer) {
        track.mark_unseen_acked();
    } else {
        track.letters.note(peer, Letter::Gap);
    }
    track.know(peer, ack);
}

fn note_letters<N: Copy + Default>(track: &mut Track<N>, sender: End, packet: &Packet<'_>) {
    let (flags, len) = (packet.tcp.flags, packet.payload_len);
    let ahead = packet.tcp.seq.wrapping_sub(track.next[sender]).cast_signed();
    let letters = [
        (flags.has(TcpFlags::SYN) && flags.any(TcpFlags::FIN | TcpFlags::RST), Letter::ManyFlags),
        (flags.has(TcpFlags::FIN | TcpFlags::RST), Letter::Inconsistent),
        (flags.has(TcpFlags::SYN) && !flags.has(TcpFlags::ACK), Letter::Syn),
        (flags.has(TcpFlags::SYN | TcpFlags::ACK), Letter::SynAck),
        (flags.has(TcpFlags::RST), Letter::Reset),
        (len > 0, Letter::Data),
        // One byte just below is a keep-alive probe (RFC 9293 section 3.8.4).
        (
            len > 0
                && track.is_known(sender)
                && !track.is_silent(sender)
                && ahead < 0
                && !(len == 1 && ahead == -1),
            Letter::Again,
        ),
        (
            len == 0 && flags.has(TcpFlags::ACK) && !flags.any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST),
            Letter::Ack,
        ),
        (packet.tcp.window == 0 && !flags.any(TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST), Letter::Window),
        (flags.has(TcpFlags::FIN), Letter::Fin),
    ];
    let said = letters.iter().fold(0, |said, &(holds, letter)| said | (letter.bit() * u16::from(holds)));
    track.letters.note_all(sender, said);
}

/// A later fragment has no header; its bytes come behind the ones before.
fn follow_fragment<N: Copy + Default>(track: &mut Track<N>, sender: End, len: u32, contiguous: bool) {
    if len > 0 {
        track.letters.note(sender, Letter::Data);
    }
    if contiguous && track.is_known(sender) {
        track.next[sender] = track.next[sender].wrapping_add(len);
    }
}
