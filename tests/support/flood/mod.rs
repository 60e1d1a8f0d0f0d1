//! Large made captures for measuring: many flows of smallest frames, a realistic mix, a scan. Streamed to any
//! writer, so that their size is bounded by the disk and not by memory. The tests use small ones;
//! `benches/generate.rs` writes the large ones, and other benchmarks include this folder too (with `speech`
//! and `quic` beside it).
//!
//! Seeded: the same [`Flood`] gives the same bytes, on any machine (integers only, no clock, no map).

use std::io::{self, Write};

mod frame;
mod mixed;
mod services;
mod turnover;

use frame::{End, Head, Path};

/// What kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Minimum frames: 60 bytes without check sequence, 64 on the wire. Every flow opens with a SYN; then
    /// acknowledgements of flows that are picked without a pattern.
    Small,
    /// Clients and servers of an office uplink: see [`mixed`].
    Mixed,
    /// One SYN per flow from one source, never answered: host by host of a /16, then the next port.
    SynScan,
    /// Conversations that begin and end all along, each with a responder of its own: see [`turnover`].
    Turnover,
}

/// A capture to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flood {
    /// Its kind.
    pub(crate) traffic: Traffic,
    /// Frames in all.
    pub(crate) packets: u64,
    /// Flows in all. [`Traffic::Mixed`] needs about seven packets for each, and stops short of some with
    /// less; [`Traffic::Turnover`] needs six, and closes none with less.
    pub(crate) flows: u64,
    /// Another seed, another capture of the same kind.
    pub(crate) seed: u64,
    /// Picoseconds from frame to frame, on average: 67,200 is 10 Gbit/s of smallest frames.
    pub(crate) gap: u64,
}

impl Flood {
    /// With the spacing that goes with the kind: line rate; a gigabit uplink that is busy; five million
    /// probes a second; so slow that closed flows are long forgotten when the capture ends.
    pub(crate) fn new(traffic: Traffic, packets: u64, flows: u64, seed: u64) -> Self {
        let gap = match traffic {
            Traffic::Small => 67_200,
            Traffic::Mixed => 6_000_000,
            Traffic::SynScan => 200_000,
            Traffic::Turnover => 10_000_000,
        };
        Self { traffic, packets, flows: flows.max(1), seed, gap }
    }

    /// Writes it as a classic pcap with nanoseconds, little endian, Ethernet.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&[0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
        match self.traffic {
            Traffic::Small => self.write_small(out),
            Traffic::Mixed => mixed::write(self, out),
            Traffic::SynScan => self.write_scan(out),
            Traffic::Turnover => turnover::write(self, out),
        }
    }

    fn write_small(&self, out: &mut impl Write) -> io::Result<()> {
        let mut frame = Vec::with_capacity(64);
        for number in 0..self.packets {
            let dice = mix(self.seed ^ number);
            // Every flow opens before any goes on.
            let (flow, open) = if number < self.flows { (number, false) } else { (dice % self.flows, true) };
            let salt = mix(self.seed.wrapping_add(flow)).to_le_bytes();
            let [_, high, middle, low] = low_u32(flow % (1 << 24)).to_be_bytes();
            let port = |low: u16, span: u16, a: u8, b: u8| low + u16::from_le_bytes([a, b]) % span;
            let client = End::v4([10, high, middle, low], port(32_768, 28_000, salt[0], salt[1]));
            let server = End::v4([192, 168, salt[2] % 16, salt[3]], port(1, 10_000, salt[4], salt[5]));
            // Each side says where it is and where it knows the other to be, as one does that waits.
            let answers = open && dice & 0x100 != 0;
            let begins = [5, 6].map(|place| low_u32(mix(self.seed.wrapping_add(flow) ^ place)));
            let [from, to] = if answers { [begins[1], begins[0]] } else { begins };
            let head = Head::Tcp {
                flags: if open { frame::ACK } else { frame::SYN },
                seq: from.wrapping_add(u32::from(open)),
                ack: if open { to.wrapping_add(1) } else { 0 },
                options: false,
            };
            let path = Path { ends: [client, server], vlan: None };
            frame::build(&mut frame, &path, usize::from(answers), head, &[]);
            record(out, self.time(number), &frame)?;
        }
        Ok(())
    }

    fn write_scan(&self, out: &mut impl Write) -> io::Result<()> {
        let mut frame = Vec::with_capacity(64);
        for number in 0..self.packets {
            let flow = number % self.flows;
            // An odd factor visits every host of the /16 once a round; every round asks for another port.
            let [_, _, high, low] = low_u32(flow * 40_503 % (1 << 16)).to_be_bytes();
            let port = u16::try_from(1 + (flow >> 16) % 65_535).unwrap_or(1);
            let target = End::v4([192, 168, high, low], port);
            let path = Path { ends: [End::v4([10, 66, 6, 6], 54_321), target], vlan: None };
            let seq = low_u32(mix(self.seed ^ flow));
            let head = Head::Tcp { flags: frame::SYN, seq, ack: 0, options: false };
            frame::build(&mut frame, &path, 0, head, &[]);
            record(out, self.time(number), &frame)?;
        }
        Ok(())
    }

    /// Nanoseconds since the capture began at which frame `number` is due.
    fn time(&self, number: u64) -> u64 {
        u64::try_from(u128::from(number) * u128::from(self.gap) / 1000).unwrap_or(u64::MAX)
    }
}

/// 2026-01-01 00:00:00 UTC.
const BASE_SECONDS: u64 = 1_767_225_600;
const NANOS: u64 = 1_000_000_000;

fn record(out: &mut impl Write, nanos: u64, frame: &[u8]) -> io::Result<()> {
    let mut header = [0; 16];
    let length = frame.len() as u64;
    let parts = [BASE_SECONDS + nanos / NANOS, nanos % NANOS, length, length];
    for (place, part) in header.chunks_exact_mut(4).zip(parts) {
        place.copy_from_slice(&low_u32(part).to_le_bytes());
    }
    out.write_all(&header)?;
    out.write_all(frame)
}

fn low_u32(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap_or(0)
}

/// splitmix64's mixing step.
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
