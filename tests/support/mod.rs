//! What several test modules share: the tree, the binary, Rust sources as text, packets, and the JSON they
//! become.

use std::io::Write;

use sha2::Digest;

pub(crate) mod binary;
pub(crate) mod flood;
pub(crate) mod json;
#[cfg(any(feature = "nats", feature = "kafka"))]
pub(crate) mod papers;
pub(crate) mod pcap;
pub(crate) mod quic;
pub(crate) mod source;
pub(crate) mod speech;
pub(crate) mod talk;
pub(crate) mod tree;

/// Says on stderr that a test does not run here, and why. A skipped test must be seen, so this goes past
/// libtest, which keeps what a passing test says through `eprintln`.
pub(crate) fn skip_aloud(test: &str, why: &str) {
    let line = format!("\nSKIPPED {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("stderr takes a line");
}

#[test]
fn floods_are_reproducible_and_well_formed() {
    use flood::{Flood, Traffic};
    let pinned = [
        (Traffic::Small, "bafc01aed3fe342e"),
        (Traffic::Mixed, "cea078eb16c738a4"),
        (Traffic::SynScan, "c0deb912a90c8b9a"),
        (Traffic::Turnover, "b926af88e7a177e2"),
    ];
    for (traffic, pinned) in pinned {
        let (flood, mut one) = (Flood::new(traffic, 12_000, 1000, 7), Vec::new());
        flood.write(&mut one).expect("writes to memory");
        let digest: String = sha2::Sha256::digest(&one).iter().take(8).map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, pinned, "{traffic:?}: figures were measured with other bytes");
        let (mut at, mut last, mut frames) = (24, 0, 0);
        let mut flows = std::collections::BTreeSet::new();
        while at < one.len() {
            let part = |from: usize| u32::from_le_bytes(one[from..from + 4].try_into().expect("four"));
            let now = u64::from(part(at)) * 1_000_000_000 + u64::from(part(at + 4));
            assert!(now >= last, "{traffic:?}: frame {frames} is older than the one before");
            let length = part(at + 8) as usize;
            flows.insert(ends(&one[at + 16..at + 16 + length]));
            (at, last, frames) = (at + 16 + length, now, frames + 1);
        }
        assert_eq!((frames, flows.len()), (12_000, 1000), "{traffic:?}");
    }
}

/// As many frames and flows as asked, also where they do not divide evenly or the flows are many more than
/// are under way; every flow opens, speaks in the order of its sequence numbers, and closes.
#[test]
fn a_turnover_opens_and_closes_every_flow() {
    use etherparse::{SlicedPacket, TransportSlice};
    use flood::{Flood, Traffic};
    for (packets, flows) in [(6, 1), (600, 100), (12_345, 1000), (40_000, 5000), (1009, 1)] {
        let mut file = Vec::new();
        Flood::new(Traffic::Turnover, packets, flows, 3).write(&mut file).expect("writes to memory");
        let (mut at, mut talks) = (24, std::collections::BTreeMap::new());
        while at < file.len() {
            let length = u32::from_le_bytes(file[at + 8..at + 12].try_into().expect("four")) as usize;
            let frame = &file[at + 16..at + 16 + length];
            assert_eq!(length, 60);
            talks.entry(ends(frame)).or_insert_with(Vec::new).push(frame);
            at += 16 + length;
        }
        let frames: usize = talks.values().map(Vec::len).sum();
        assert_eq!((frames as u64, talks.len() as u64), (packets, flows));
        let responders: std::collections::BTreeSet<_> = talks.values().map(|talk| &talk[0][30..38]).collect();
        assert_eq!(responders.len(), talks.len(), "each has a responder of its own");
        for talk in talks.values() {
            assert!((talk.len() as u64).abs_diff(packets / flows) <= 1, "{}", talk.len());
            let (mut next, mut flags) = ([None; 2], String::new());
            for frame in talk {
                let sliced = SlicedPacket::from_ethernet(frame).expect("well formed");
                let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("not TCP") };
                let from = usize::from(tcp.source_port() == 443);
                assert_eq!(tcp.sequence_number(), *next[from].get_or_insert(tcp.sequence_number()));
                assert!(!tcp.ack() || Some(tcp.acknowledgment_number()) == next[1 - from]);
                let said = u32::try_from(tcp.payload().len()).expect("short")
                    + u32::from(tcp.syn())
                    + u32::from(tcp.fin());
                next[from] = next[from].map(|number: u32| number.wrapping_add(said));
                flags.push(match (tcp.syn(), tcp.fin(), tcp.payload().len()) {
                    (true, false, 0) => 's',
                    (false, true, 0) => 'f',
                    (false, false, 0) => 'a',
                    _ => 'd',
                });
            }
            let (words, rest) = ((talk.len() - 6).min(4), (talk.len() - 6).saturating_sub(4));
            assert_eq!(flags, format!("ssa{}{}ffa", "d".repeat(words), "a".repeat(rest)));
        }
    }
}

/// Both ends, the lesser first.
fn ends(frame: &[u8]) -> [(Vec<u8>, u16); 2] {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    let sliced = SlicedPacket::from_ethernet(frame).expect("well formed");
    let ports = match sliced.transport.expect("TCP or UDP") {
        TransportSlice::Tcp(tcp) => [tcp.source_port(), tcp.destination_port()],
        TransportSlice::Udp(udp) => [udp.source_port(), udp.destination_port()],
        other => panic!("neither TCP nor UDP: {other:?}"),
    };
    let hosts = match sliced.net.expect("IP") {
        NetSlice::Ipv4(ip) => [ip.header().source().to_vec(), ip.header().destination().to_vec()],
        NetSlice::Ipv6(ip) => [ip.header().source().to_vec(), ip.header().destination().to_vec()],
        NetSlice::Arp(arp) => panic!("not IP: {arp:?}"),
    };
    let [from, to] = hosts;
    let mut ends = [(from, ports[0]), (to, ports[1])];
    ends.sort_unstable();
    ends
}
