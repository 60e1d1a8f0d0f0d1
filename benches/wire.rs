//! What decoding costs: nanoseconds per packet, for the frames that networks are made of.
//!
//! Each measurement decodes a burst of 256 frames into a list that is reused, as a worker does.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use ghostport::capture::{Burst, Frame, LinkType};
use ghostport::time::Timestamp;
use ghostport::wire::{Decoder, Limits, Scratch};

const FRAMES: u64 = 256;

fn ipv4_tcp(vlan: bool) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2([1; 6], [2; 6]);
    let mut bytes = Vec::new();
    let written = if vlan {
        let ip = ethernet.single_vlan(etherparse::VlanId::ZERO).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        ip.tcp(40_000, 443, 1, 512).ack(1).write(&mut bytes, &[7; 6])
    } else {
        let ip = ethernet.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        ip.tcp(40_000, 443, 1, 512).ack(1).write(&mut bytes, &[7; 10])
    };
    assert!(written.is_ok());
    bytes
}

fn ipv6_udp() -> Vec<u8> {
    let mut bytes = Vec::new();
    let ip = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv6([0xfd; 16], [0xfe; 16], 64);
    assert!(ip.udp(40_000, 53).write(&mut bytes, &[7; 40]).is_ok());
    bytes
}

fn vxlan() -> Vec<u8> {
    let inner = [&[8, 0, 0, 0, 0, 0, 9, 0][..], &ipv4_tcp(false)].concat();
    let mut bytes = Vec::new();
    let ip = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([10, 0, 1, 1], [10, 0, 1, 2], 64);
    assert!(ip.udp(40_000, 4789).write(&mut bytes, &inner).is_ok());
    bytes
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire/decode");
    group.throughput(Throughput::Elements(FRAMES));
    let cases = [
        ("ipv4_tcp_64", ipv4_tcp(false)),
        ("vlan_ipv4_tcp_64", ipv4_tcp(true)),
        ("ipv6_udp", ipv6_udp()),
        ("vxlan", vxlan()),
    ];
    for (name, bytes) in cases {
        let mut burst = Burst::new();
        let wire_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        for number in 0..FRAMES {
            let (time, link) = (Timestamp::from_nanos(1), LinkType::ETHERNET);
            burst.push(Frame { number, time, link, input: 0, wire_len, bytes: &bytes });
        }
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            let mut decoder = Decoder::new(Limits::default());
            let scratch = Scratch::new();
            let mut packets = Vec::with_capacity(1024);
            b.iter(|| {
                packets.clear();
                for frame in burst.frames() {
                    let _ = decoder.decode(&frame, burst.clock(), &scratch, &mut packets);
                }
                black_box(&packets);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
