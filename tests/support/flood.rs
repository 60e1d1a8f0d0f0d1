//! Large made captures for measuring: many flows of small packets, a mix of sizes, a scan. Streamed to any
//! writer, so that their size is bounded by the disk and not by memory. Also included by `benches/replay.rs`.
//!
//! Seeded: the same parameters give the same bytes.

use std::io::{self, Write};

/// What kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the benchmark and the tests use different kinds")]
pub(crate) enum Traffic {
    /// Minimum frames: 60 bytes without checksum sequence, 64 on the wire; TCP acknowledgements, all flows in
    /// turn.
    Small,
    /// About 700 bytes a frame on average, both directions, as on an office uplink.
    Mixed,
    /// One SYN per flow from one source, never answered.
    SynScan,
}

/// Writes a classic pcap of `packets` frames over `flows` flows, one microsecond apart.
pub(crate) fn write(
    out: &mut impl Write,
    traffic: Traffic,
    packets: u64,
    flows: u64,
    seed: u64,
) -> io::Result<()> {
    out.write_all(&[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
    let flows = flows.max(1);
    let mut frame = Vec::with_capacity(1600);
    for number in 0..packets {
        let dice = mix(seed ^ number);
        // Every flow opens before any goes on; then they are picked without a pattern.
        let flow = if number < flows { number } else { dice % flows };
        make(&mut frame, traffic, flow, number >= flows, dice, seed);
        let micros = number % 1_000_000;
        let seconds = 1_767_225_600 + number / 1_000_000;
        for part in [seconds, micros, frame.len() as u64, frame.len() as u64] {
            out.write_all(&part.to_le_bytes()[..4])?;
        }
        out.write_all(&frame)?;
    }
    Ok(())
}

/// One TCP frame of flow number `flow`.
fn make(frame: &mut Vec<u8>, traffic: Traffic, flow: u64, open: bool, dice: u64, seed: u64) {
    let backwards = open && dice & 0x100 != 0 && traffic != Traffic::SynScan;
    let payload = match (traffic, open) {
        (Traffic::Mixed, true) => {
            [0, 0, 120, 560, 1400, 1400, 1400, 250][usize::from(dice.to_le_bytes()[2] % 8)]
        }
        _ => 0,
    };
    let (originator, responder) = ends(traffic, flow, seed);
    let (from, to) = if backwards { (responder, originator) } else { (originator, responder) };
    let flags = if open && traffic != Traffic::SynScan { 0x10 } else { 0x02 };
    frame.clear();
    frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    let total = u16::try_from(40 + payload).unwrap_or(u16::MAX).to_be_bytes();
    frame.extend([0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(from.0);
    frame.extend(to.0);
    let sum = checksum(&frame[14..34]).to_be_bytes();
    frame[24..26].copy_from_slice(&sum);
    frame.extend(from.1);
    frame.extend(to.1);
    frame.extend(&dice.to_le_bytes()[..4]);
    frame.extend([0, 0, 0, u8::from(flags == 0x10), 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize((54 + payload).max(60), b'x');
}

type End = ([u8; 4], [u8; 2]);

/// Both ends of a flow: clients in 10.0.0.0/8, servers in 192.168.0.0/16, all ports of servers below 10,000.
fn ends(traffic: Traffic, flow: u64, seed: u64) -> (End, End) {
    let salt = mix(seed.wrapping_add(flow)).to_le_bytes();
    let number = u32::try_from(flow % (1 << 24)).unwrap_or(0).to_be_bytes();
    let port = |low: u16, span: u16, a: u8, b: u8| (low + u16::from_le_bytes([a, b]) % span).to_be_bytes();
    if traffic == Traffic::SynScan {
        let target = ([192, 168, number[1], number[2]], port(1, 10_000, number[3], salt[1]));
        return (([10, 66, 6, 6], port(40_000, 20_000, salt[2], salt[3])), target);
    }
    let client = ([10, number[1], number[2], number[3]], port(32_768, 28_000, salt[0], salt[1]));
    (client, ([192, 168, salt[2] % 16, salt[3]], port(1, 10_000, salt[4], salt[5])))
}

/// RFC 1071.
fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// splitmix64's mixing step.
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
