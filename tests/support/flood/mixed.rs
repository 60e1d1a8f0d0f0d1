//! The mix: a few thousand clients and a few hundred servers on an uplink. Flows begin over the whole length
//! of the capture and come to an end in it: with FINs, with a reset, or silently (datagrams). Most say a few
//! words; how much more a flow carries follows Zipf's law, so that a few carry most of the bytes. One in a
//! hundred TCP openings is never answered (and tried again), one in two hundred refused, and some flows were
//! there before the capture began. A tenth is IPv6, a twentieth of the clients sits in a VLAN.
//!
//! The numbers of packets and flows are exact: a first pass over the plans of all flows measures what the
//! first words take, and bulk gets the rest. Only flows that are under way are in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use super::frame::{self, End, Head, Path};
use super::services::{self, Bulk, SEGMENT_BYTES_MAX, Server, Service};
use super::{Flood, low_u32, mix, record};

const CLIENTS: u64 = 4000;
/// A flow that carries so many times more than the least is as rare; beyond this, none is greater.
const OCTAVES_MAX: u32 = 13;
/// Payload of bulk: somewhere in these bytes.
const NOISE_BYTES: usize = 1 << 16;

/// Writes all frames in the order of their times.
pub(super) fn write(flood: &Flood, out: &mut impl Write) -> io::Result<()> {
    let mix = Mix::new(flood);
    let length = u64::try_from(u128::from(flood.packets) * u128::from(flood.gap) / 1000).unwrap_or(u64::MAX);
    let mut under_way: BinaryHeap<Reverse<Live>> = BinaryHeap::new();
    let (mut frame, mut births, mut sizes, mut written) = (Vec::with_capacity(1600), 0, 0_u64, 0);
    while written < flood.packets {
        let birth = (births < flood.flows).then(|| mix.birth(births, length));
        let waits = under_way.peek().map(|Reverse(live)| live.due);
        if let Some(at) = birth.filter(|at| waits.is_none_or(|due| *at <= due)) {
            let plan = mix.plan(births);
            let before = mix.bulk_of(sizes);
            sizes += plan.size;
            let bulk = mix.bulk_of(sizes) - before;
            let packets = plan.words(&mix) + bulk - plan.first;
            let pause = (length.saturating_sub(at) / (packets + 1)).min(MILLISECOND * (1 + plan.dice % 40));
            under_way.push(Reverse(Live { due: at, plan, step: plan.first, bulk, pause, seq: [0; 2] }));
            births += 1;
            continue;
        }
        let Some(Reverse(mut live)) = under_way.pop() else { break };
        mix.frame(&mut live, &mut frame);
        record(out, live.due, &frame)?;
        written += 1;
        live.step += 1;
        if live.step < live.plan.words(&mix) + live.bulk {
            live.due += live.pause(&mix);
            under_way.push(Reverse(live));
        }
    }
    Ok(())
}

const MILLISECOND: u64 = 1_000_000;

/// What happens to a flow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Spoken,
    Unanswered,
    Refused,
}

/// What a flow will be; the same whenever it is asked.
#[derive(Clone, Copy)]
struct Plan {
    number: u64,
    dice: u64,
    service: usize,
    server: usize,
    fate: Fate,
    /// The first step in the capture: later ones are of flows that were there before.
    first: u64,
    /// Share of the bulk.
    size: u64,
}

impl Plan {
    /// Frames without bulk.
    fn words(&self, mix: &Mix) -> u64 {
        match (self.fate, mix.services[self.service].tcp) {
            (Fate::Unanswered, _) => 3,
            (Fate::Refused, _) => 2,
            (Fate::Spoken, tcp) => mix.turns(self) + if tcp { OPENING + CLOSING } else { 0 },
        }
    }
}

/// SYN, SYN-ACK, ACK.
const OPENING: u64 = 3;
/// FIN, FIN, ACK.
const CLOSING: u64 = 3;

/// A flow under way. In order of time; flows never share a number.
struct Live {
    due: u64,
    plan: Plan,
    step: u64,
    bulk: u64,
    pause: u64,
    /// What each side sends next.
    seq: [u32; 2],
}

impl Live {
    /// Until the next frame: a SYN is tried again after one second, then two; a host that refuses is near.
    fn pause(&self, mix: &Mix) -> u64 {
        match self.plan.fate {
            Fate::Unanswered => 1000 * MILLISECOND * self.step,
            Fate::Refused => MILLISECOND / 2,
            Fate::Spoken if self.step < self.plan.words(mix) => self.pause,
            Fate::Spoken => self.pause / 2 + super::mix(self.due) % self.pause.max(1),
        }
    }

    fn key(&self) -> (u64, u64) {
        (self.due, self.plan.number)
    }
}

impl PartialEq for Live {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Live {}

impl PartialOrd for Live {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Live {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Everything that all flows share.
struct Mix {
    seed: u64,
    flows: u64,
    octaves: u32,
    services: Vec<Service>,
    noise: Vec<u8>,
    /// Frames of bulk in all, and the sum of all sizes.
    bulk: u64,
    sizes: u64,
}

impl Mix {
    fn new(flood: &Flood) -> Self {
        let mut mix = Self {
            seed: flood.seed,
            flows: flood.flows,
            octaves: flood.flows.ilog2().saturating_sub(4).min(OCTAVES_MAX),
            services: services::all(flood.seed),
            noise: services::random(flood.seed, NOISE_BYTES),
            bulk: 0,
            sizes: 0,
        };
        let mut words = 0;
        for number in 0..flood.flows {
            let plan = mix.plan(number);
            words += plan.words(&mix) - plan.first;
            mix.sizes += plan.size;
        }
        mix.bulk = flood.packets.saturating_sub(words);
        mix
    }

    /// Frames of bulk that flows of these sizes carry together.
    fn bulk_of(&self, sizes: u64) -> u64 {
        let frames = u128::from(sizes) * u128::from(self.bulk) / u128::from(self.sizes.max(1));
        u64::try_from(frames).unwrap_or(u64::MAX)
    }

    /// Births are spread evenly, but for the first hundredth, which was there already.
    fn birth(&self, number: u64, length: u64) -> u64 {
        let spread = u128::from(length) * u128::from(number) * 95 / (100 * u128::from(self.flows));
        u64::try_from(spread).unwrap_or(u64::MAX)
    }

    fn plan(&self, number: u64) -> Plan {
        let dice = mix(self.seed.wrapping_add(number));
        let mut share = dice % 1000;
        let mut service = 0;
        while share >= self.services[service].share {
            share -= self.services[service].share;
            service += 1;
        }
        let Service { tcp, bulk, servers, .. } = &self.services[service];
        let more = mix(dice);
        // The lesser of two throws: some servers are liked better.
        let count = servers.len() as u64;
        let server = ((more >> 8) % count).min((more >> 24) % count);
        let fate = match (more >> 40) % 200 {
            0 if *tcp => Fate::Refused,
            1 | 2 if *tcp => Fate::Unanswered,
            _ => Fate::Spoken,
        };
        let old = *tcp && fate == Fate::Spoken && number < self.flows / 100;
        // Nobody types for as long as a download may last.
        let longest = if *bulk == Bulk::Chat { self.octaves.min(4) } else { self.octaves };
        let octave = more.trailing_zeros().min(longest);
        let size = match (fate, bulk) {
            (Fate::Spoken, Bulk::Transfer | Bulk::Chat) => (1 << octave) + mix(more) % (1 << octave),
            _ => 0,
        };
        let server = usize::try_from(server).unwrap_or(0);
        Plan { number, dice, service, server, fate, first: if old { OPENING } else { 0 }, size }
    }

    fn server(&self, plan: &Plan) -> &Server {
        &self.services[plan.service].servers[plan.server]
    }

    fn turns(&self, plan: &Plan) -> u64 {
        self.server(plan).turns.len() as u64
    }

    /// A client takes its ports one after the other, so no flow meets another's.
    fn path(&self, plan: &Plan) -> Path {
        let client = plan.number * 2_654_435_761 % CLIENTS;
        let round = plan.number / CLIENTS + mix(client) % 28_232;
        let port = 32_768 + u16::try_from(round % 28_232).unwrap_or(0);
        let [high, low] = u16::try_from(client).unwrap_or(0).to_be_bytes();
        let addr = [10, 20, high, low];
        let v6 = plan.dice >> 32 & 0xff < 26;
        let originator =
            if v6 { End::v6(services::long([0xfd, 0, 0, 0x20], addr), port) } else { End::v4(addr, port) };
        let vlan = client.is_multiple_of(20).then_some(20);
        Path { ends: [originator, self.server(plan).end(v6)], vlan }
    }

    /// Builds the frame of the flow's present step.
    fn frame(&self, live: &mut Live, frame: &mut Vec<u8>) {
        let (plan, path) = (live.plan, self.path(&live.plan));
        if live.step == plan.first {
            live.seq = [low_u32(plan.dice), low_u32(plan.dice >> 32)];
        }
        let mut words = Vec::new();
        let (from, flags, payload) = match plan.fate {
            Fate::Unanswered => (0, frame::SYN, &[][..]),
            Fate::Refused if live.step == 0 => (0, frame::SYN, &[][..]),
            Fate::Refused => (1, frame::RST | frame::ACK, &[][..]),
            Fate::Spoken => self.spoken(live, &mut words),
        };
        if !self.services[plan.service].tcp {
            return frame::build(frame, &path, from, Head::Udp, payload);
        }
        let opens = flags & frame::SYN != 0;
        let ack = if flags & frame::ACK == 0 { 0 } else { live.seq[1 - from] };
        let head = Head::Tcp { flags, seq: live.seq[from], ack, options: opens };
        frame::build(frame, &path, from, head, payload);
        let controls = u32::from(plan.fate == Fate::Spoken && flags & (frame::SYN | frame::FIN) != 0);
        // A SYN that is refused is acknowledged all the same; one that is tried again keeps its number.
        let refused = u32::from(plan.fate == Fate::Refused && opens);
        let sent = u32::try_from(payload.len()).unwrap_or(0) + controls + refused;
        live.seq[from] = live.seq[from].wrapping_add(sent);
    }

    /// Who speaks at this step of a conversation, with which flags, and what.
    fn spoken<'a>(&'a self, live: &Live, words: &'a mut Vec<u8>) -> (usize, u8, &'a [u8]) {
        let (plan, step) = (&live.plan, live.step);
        let (opening, talks) = (if self.services[plan.service].tcp { OPENING } else { 0 }, self.turns(plan));
        if step < opening {
            return [(0, frame::SYN, &[][..]), (1, frame::SYN | frame::ACK, &[]), (0, frame::ACK, &[])]
                [usize::try_from(step).unwrap_or(0)];
        }
        let said = step - opening;
        if said < talks {
            return self.turn(plan, usize::try_from(said).unwrap_or(0), words);
        }
        if said < talks + live.bulk {
            return self.bulk(plan, said - talks);
        }
        // One in twenty is reset by the client in the middle of closing.
        match said - talks - live.bulk {
            0 => (0, frame::FIN | frame::ACK, &[]),
            1 => (1, frame::FIN | frame::ACK, &[]),
            _ if plan.dice >> 48 & 0xff < 13 => (0, frame::RST, &[]),
            _ => (0, frame::ACK, &[]),
        }
    }

    /// The first words, with what differs from flow to flow.
    fn turn<'a>(&'a self, plan: &Plan, at: usize, words: &'a mut Vec<u8>) -> (usize, u8, &'a [u8]) {
        let service = &self.services[plan.service];
        let turn = &self.server(plan).turns[at];
        words.extend(&turn.bytes);
        // A client's random stands in its hello only, a datagram's identifier in the answer too.
        if at == 0 || !service.tcp {
            let fresh = words.get_mut(service.fresh.clone()).unwrap_or(&mut []);
            for (number, part) in (plan.dice..).zip(fresh.chunks_mut(8)) {
                part.copy_from_slice(&mix(number).to_le_bytes()[..part.len()]);
            }
        }
        (turn.from, frame::PSH | frame::ACK, words)
    }

    /// Five full segments and an acknowledgement, of every fifth flow upwards; or a little both ways.
    fn bulk(&self, plan: &Plan, at: u64) -> (usize, u8, &[u8]) {
        let dice = mix(plan.dice ^ at);
        let service = &self.services[plan.service];
        let sender = usize::from(!plan.dice.is_multiple_of(5));
        let (from, length) = match (service.bulk, at % 6) {
            (Bulk::Chat, _) => (usize::from(dice & 1 == 1), 40 + usize::from(dice.to_le_bytes()[1])),
            (_, 5) if service.tcp => (1 - sender, 0),
            (_, 5) => (1 - sender, 32),
            _ if service.tcp => (sender, SEGMENT_BYTES_MAX),
            _ => (sender, 1250),
        };
        let start = usize::from(low_u32(dice >> 32).to_le_bytes()[0]) * 64;
        (from, frame::ACK, &self.noise[start..start + length])
    }
}
