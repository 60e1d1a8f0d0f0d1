//! What must hold for any packets in any order. Here, beside the code it tests, so that fuzzers and the tests
//! on stable run the very same sentences.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Config, Ears, Event, Flow, Keep, LONG_HEAD_BYTES_MAX, Table, Timeouts, Told};
use crate::time::Timestamp;
use crate::wire::{Endpoint, Packet, Role, Tcp, TcpFlags, Transport, Vlan};

/// Bytes that make one packet.
const STEP: usize = 6;

type Events = Told<u8>;

/// Makes packets from `data`, among few endpoints so that they meet, and lets time pass in between.
///
/// # Panics
/// When a flow ends twice or never, a packet is counted in no flow or in two, a bound does not hold, or three
/// workers together say anything else than one alone.
pub fn fuzz(data: &[u8]) {
    let packets = packets(data);
    let small = Config { flows_max: 64, heads_max: 64, ..config() };
    for config in [config(), small] {
        let alone = run(&config, &packets, 1);
        check(&alone, &packets);
        assert_eq!(shown(&alone), shown(&run(&config, &packets, 3)), "workers do not matter");
    }
}

fn config() -> Config {
    let timeouts = Timeouts { tcp_opening: Duration::from_secs(3), ..Timeouts::default() };
    Config { flows_max: 4096, heads_max: 4096, timeouts }
}

fn packets(data: &[u8]) -> Vec<Packet<'_>> {
    let mut clock = Timestamp::from_nanos(0);
    let mut packets = Vec::new();
    for (frame, bytes) in (1..).zip(data.chunks_exact(STEP)) {
        let time = Timestamp::from_nanos(clock.as_nanos() + i64::from(bytes[4] / 8).pow(4) * 1_000_000);
        clock = clock.max(time);
        packets.push(packet(frame, time, bytes, data));
    }
    packets
}

fn packet<'a>(frame: u64, time: Timestamp, bytes: &[u8], data: &'a [u8]) -> Packet<'a> {
    let transport = Transport::ALL[usize::from(bytes[0] % 3)];
    let payload = data.get(..usize::from(bytes[5]) * 8).unwrap_or_default();
    let end = |bits: u8| {
        Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, bits & 3)), 3000 + u16::from(bits >> 2 & 3))
    };
    let role = if bytes[0] & 0xf0 == 0xf0 {
        Role::IcmpError { from: Ipv4Addr::new(10, 0, 0, 9).into(), v6: false, kind: 3, code: bytes[3] & 3 }
    } else {
        Role::Segment
    };
    let tcp = Tcp {
        flags: TcpFlags(bytes[2] & 0x3f),
        seq: bytes[3].into(),
        ack: bytes[3].wrapping_add(bytes[4]).into(),
        window: 9,
    };
    Packet {
        frame,
        time,
        clock: time,
        layer: 0,
        input: 0,
        vlan: Vlan::default(),
        transport,
        src: end(bytes[1] & 0xf),
        dst: end(bytes[1] >> 4),
        ttl: 64,
        role,
        tcp: if transport == Transport::Tcp { tcp } else { Tcp::default() },
        tcp_options: &[],
        payload,
        payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        wire_len: 60,
    }
}

/// Everything that is said, in the order of the run.
fn run(config: &Config, packets: &[Packet<'_>], workers: usize) -> Events {
    let mut all = Events::default();
    for worker in 0..workers {
        let mut table = Table::new(config, worker, workers);
        let mut clock = Timestamp::MIN;
        for some in packets.chunks(7) {
            table.update(some, &mut Fickle, &mut all);
            clock = some.last().map_or(clock, |packet| packet.clock);
            if clock.as_nanos() % 3 == 0 {
                table.expire(clock, &mut all);
            }
            let counters = table.counters();
            assert!(counters.open <= config.flows_max as u64, "the cap holds: {counters:?}");
            assert!(counters.half_open <= counters.open, "{counters:?}");
        }
        table.finish(clock, &mut all);
        assert_eq!(table.counters().open, 0, "nothing stays open");
    }
    all.sort_by_key(|(order, _)| *order);
    all
}

/// Changes its mind by the bytes it is shown, and by nothing else.
struct Fickle;

impl Ears<u8> for Fickle {
    fn hear(&mut self, flow: &Flow) -> (u8, Keep) {
        let first = flow.head_orig.bytes.first().copied().unwrap_or(0);
        (first, [Keep::Release, Keep::Listen, Keep::Tap, Keep::More(1200)][usize::from(first % 4)])
    }
}

fn check(events: &Events, packets: &[Packet<'_>]) {
    let mut ended: BTreeMap<u64, u64> = BTreeMap::new();
    let mut opened = 0u64;
    for (_, event) in events.iter() {
        match event {
            Event::Opened(_) => opened += 1,
            Event::Heard(flow, ..) => bounded(flow),
            Event::Said(said) => assert!(said.bytes.len() <= super::Said::<u8>::BYTES_MAX),
            Event::Ended(..) => panic!("nobody asked what they came to"),
            Event::Closed(flow, ..) => {
                bounded(flow);
                assert!(flow.ended.is_some() && flow.start <= flow.end, "{flow:?}");
                let twice = ended.insert(flow.id, flow.orig.packets + flow.resp.packets);
                assert!(twice.is_none(), "flow {} ends twice", flow.id);
            }
        }
    }
    assert_eq!(opened, ended.len() as u64, "what was opened is closed");
    let sent = packets.iter().filter(|packet| packet.role == Role::Segment).count();
    assert_eq!(ended.values().sum::<u64>(), sent as u64, "every packet is counted in one flow");
}

fn bounded(flow: &Flow) {
    for head in [&flow.head_orig, &flow.head_resp] {
        assert!(head.bytes.len() <= LONG_HEAD_BYTES_MAX);
    }
    assert!(flow.direction.confidence <= 100, "{flow:?}");
    assert!(flow.id < 1 << 53, "{flow:?}");
    // At most one outcome, and one that goes with the state: neither asks for more than the flow knows.
    let _one_of_eight = (flow.outcome(), flow.state(), flow.community_id());
}

fn shown(events: &Events) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}
