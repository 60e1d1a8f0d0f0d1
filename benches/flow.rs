//! Nanoseconds per packet of the flow table at 1 k, 100 k and 1 M flows met uniformly at random, per SYN of a
//! scan, and per opened flow of the endpoints' memory.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ghostport::flow::{Config, Ears, Endpoints, EndpointsConfig, Flow, Keep, Opened, Table, Told};
use ghostport::time::Timestamp;
use ghostport::wire::{Endpoint, Packet, Role, Tcp, TcpFlags, Transport, Vlan};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

const BURST: u64 = 1024;

/// Hears nothing and wants nothing more.
struct Deaf;

impl Ears<u32> for Deaf {
    fn hear(&mut self, _: &Flow) -> (u32, Keep) {
        (0, Keep::Release)
    }
}

fn end(addr: u64, port: u16) -> Endpoint {
    Endpoint::new(IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(addr).unwrap_or(0))), port)
}

/// The packet numbered `frame` of client `client`, 67 ns after the one before: 10 Gbit/s of smallest frames.
fn packet(frame: u64, client: u64, flags: u8) -> Packet<'static> {
    let time = Timestamp::from_parts(1_700_000_000, frame * 67);
    Packet {
        frame,
        time,
        clock: time,
        layer: 0,
        input: 0,
        vlan: Vlan::default(),
        transport: Transport::Tcp,
        src: end(0x0a00_0000 + client, 40_000),
        dst: end(0xc0a8_0001, 80),
        ttl: 64,
        role: Role::Segment,
        tcp: Tcp { flags: TcpFlags(flags), seq: 1, ack: 1, window: 512 },
        tcp_options: &[],
        payload: &[],
        payload_len: 0,
        wire_len: 64,
    }
}

/// xorshift: the same sequence in every run.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn update(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("update");
    group.throughput(Throughput::Elements(BURST));
    for flows in [1_000u64, 100_000, 1_000_000] {
        let (mut table, mut out) = (Table::<u32>::new(&Config::default(), 0, 1), Told::<u32>::default());
        let (mut frame, mut state) = (0, 0x9e37_79b9);
        let mut fill = |table: &mut Table<u32>, client: u64, flags: u8| {
            frame += 1;
            table.update(&[packet(frame, client, flags)], &mut Deaf, &mut out);
            out.clear();
            frame
        };
        // Two packets each, so that all records are full ones.
        let mut last = 0;
        for client in 0..flows {
            fill(&mut table, client, TcpFlags::SYN);
            last = fill(&mut table, client, TcpFlags::ACK);
        }
        let mut out = Told::<u32>::default();
        group.bench_function(format!("{flows}_flows"), |bencher| {
            bencher.iter_batched_ref(
                || {
                    (0..BURST)
                        .map(|_| {
                            last += 1;
                            packet(last, random(&mut state) % flows, TcpFlags::ACK)
                        })
                        .collect::<Vec<_>>()
                },
                |burst| {
                    table.update(burst, &mut Deaf, &mut out);
                    out.clear();
                },
                BatchSize::SmallInput,
            );
        });
        assert_eq!(table.counters().open, flows, "a flow was lost");
    }
    group.finish();
}

fn scan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(BURST));
    let (mut table, mut out) = (Table::<u32>::new(&Config::default(), 0, 1), Told::<u32>::default());
    let mut frame = 0;
    group.bench_function("syn", |bencher| {
        bencher.iter_batched_ref(
            || {
                (0..BURST)
                    .map(|_| {
                        frame += 1;
                        packet(frame, frame % 0x00ff_ffff, TcpFlags::SYN)
                    })
                    .collect::<Vec<_>>()
            },
            |burst| {
                table.update(burst, &mut Deaf, &mut out);
                out.clear();
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn endpoints(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("endpoints");
    group.throughput(Throughput::Elements(1));
    let mut endpoints = Endpoints::new(&EndpointsConfig::default());
    let mut number = 0u64;
    group.bench_function("opened_by_one_scanner", |bencher| {
        bencher.iter(|| {
            number += 1;
            endpoints.opened(black_box(&Opened {
                transport: Transport::Tcp,
                originator: end(0x0a00_0001, 40_000),
                responder: end(0xc0a8_0000 + number % 65_536, 3007),
                time: Timestamp::from_parts(1_700_000_000, number * 1000),
                asks: true,
                bare: false,
            }));
        });
    });
    group.finish();
}

criterion_group!(benches, update, scan, endpoints);
criterion_main!(benches);
