//! What several test modules share: the tree, the binary, Rust sources as text, packets, and the JSON they
//! become.

use std::io::Write;

pub(crate) mod binary;
pub(crate) mod flood;
pub(crate) mod json;
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
    for traffic in [flood::Traffic::Small, flood::Traffic::Mixed, flood::Traffic::SynScan] {
        let [mut one, mut two] = [Vec::new(), Vec::new()];
        for file in [&mut one, &mut two] {
            flood::write(file, traffic, 3000, 1000, 7).expect("writes to memory");
        }
        assert!(one == two, "{traffic:?}");
        let (mut at, mut flows, mut frames) = (24, std::collections::BTreeSet::new(), 0);
        while at < one.len() {
            let length = usize::from(u16::from_le_bytes([one[at + 8], one[at + 9]]));
            let frame = &one[at + 16..at + 16 + length];
            let sliced = etherparse::SlicedPacket::from_ethernet(frame).expect("well formed");
            assert!(sliced.transport.is_some());
            let mut ends = [(&frame[26..30], &frame[34..36]), (&frame[30..34], &frame[36..38])];
            ends.sort_unstable();
            flows.insert(ends);
            (at, frames) = (at + 16 + length, frames + 1);
        }
        assert_eq!((frames, flows.len()), (3000, 1000), "{traffic:?}");
    }
}
