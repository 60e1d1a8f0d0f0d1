//! Turnover: conversations of smallest frames that begin and end all through the capture, each with a
//! responder of its own, so that each is a line, and an alert, of its own. A flow opens with a handshake,
//! both sides say six bytes, twice, then nothing but acknowledgements follow (as cheap as what comes after
//! the bytes that are kept of a flow), and it closes with FINs.
//!
//! Nothing is kept between frames. Frames come in rows; every row opens one flow, takes every other step of a
//! conversation in flows that opened before it (each step so many rows after the one before), and so closes
//! one. The numbers of flows and frames are exact; only at the ends of the capture rows are not full.

use std::io::{self, Write};

use super::frame::{self, End, Head, Path};
use super::{Flood, low_u32, mix, record};

/// Flows under way at a time, about; of few flows, an eighth, so that these too end all along.
const UNDER_WAY_MAX: u64 = 4096;
/// Addresses that ask; those who answer are as many as there are flows, up to 2^24.
const CLIENTS: u64 = 1 << 16;
/// Somebody listens there, so that only a rule that asks for these flows tells of them.
const PORT: u16 = 443;
/// What fills a smallest frame. No protocol's.
const WORDS: [u8; 6] = [0x9d, 0x17, 0, 6, 0xc4, 0x21];
const WORDS_BYTES: u32 = 6;
/// Frames with words, the originator's first.
const TURNS: u64 = 4;
/// Frames of a handshake, and of a close.
const EDGE: u64 = 3;

/// Writes all frames in the order of their times.
pub(super) fn write(flood: &Flood, out: &mut impl Write) -> io::Result<()> {
    // What does not divide evenly: the first flows are a frame longer.
    let (each, more) = (flood.packets / flood.flows, flood.packets % flood.flows);
    let steps = each + u64::from(more > 0);
    let rows = (UNDER_WAY_MAX.min(flood.flows / 8) / steps.max(1)).max(1);
    let (mut frame, mut written) = (Vec::with_capacity(64), 0);
    for row in 0..flood.flows + rows * steps.saturating_sub(1) {
        for step in 0..steps {
            let flow = row.checked_sub(rows * step).filter(|flow| *flow < flood.flows);
            let Some(flow) = flow else { continue };
            let length = each + u64::from(flow < more);
            if step < length {
                build(flood, flow, step, length, &mut frame);
                record(out, flood.time(written), &frame)?;
                written += 1;
            }
        }
    }
    Ok(())
}

/// Builds frame `step` of the `length` frames of a flow.
fn build(flood: &Flood, flow: u64, step: u64, length: u64, frame: &mut Vec<u8>) {
    let dice = mix(flood.seed.wrapping_add(flow));
    let last = length.saturating_sub(EDGE).max(EDGE);
    let (from, flags) = match step {
        0 => (0, frame::SYN),
        1 => (1, frame::SYN | frame::ACK),
        2 => (0, frame::ACK),
        step if step < last.min(EDGE + TURNS) => (usize::from(step % 2 == 0), frame::PSH | frame::ACK),
        step if step < last => (usize::from(step % 2 == 0), frame::ACK),
        step => [(0, frame::FIN | frame::ACK), (1, frame::FIN | frame::ACK), (0, frame::ACK)]
            [usize::try_from(step - last).unwrap_or(0).min(2)],
    };
    // What a side has sent before this frame: its SYN, its words, its FIN. The originator speaks first.
    let said = (step.clamp(EDGE, last) - EDGE).min(TURNS);
    let sent = [0, 1].map(|side| {
        let words = low_u32((said + 1 - side) / 2) * WORDS_BYTES;
        let controls = u32::from(step > side) + u32::from(step > last + side);
        low_u32(dice >> (32 * side)).wrapping_add(words).wrapping_add(controls)
    });
    let head =
        Head::Tcp { flags, seq: sent[from], ack: if step == 0 { 0 } else { sent[1 - from] }, options: false };
    let words = if flags & frame::PSH == 0 { &[][..] } else { &WORDS };
    frame::build(frame, &path(flow, dice), from, head, words);
}

fn path(flow: u64, dice: u64) -> Path {
    let [_, high, middle, low] = low_u32(flow % (1 << 24)).to_be_bytes();
    let [_, _, client_high, client_low] = low_u32(flow % CLIENTS).to_be_bytes();
    let port = 32_768 + u16::try_from(mix(dice) % 28_000).unwrap_or(0);
    let client = End::v4([172, 16, client_high, client_low], port);
    Path { ends: [client, End::v4([10, high, middle, low], PORT)], vlan: None }
}
