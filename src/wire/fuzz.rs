//! What must hold for any frames. Here, beside the code it tests, so that fuzzers and the tests on stable run
//! the very same sentences.

use super::{Decoder, Limits, Packet, Scratch, Skip, Skips};
use crate::capture::{Frame, LinkType};
use crate::time::Timestamp;

/// Link types that are followed, and one that is not.
const LINKS: [u32; 12] = [1, 0, 101, 12, 113, 276, 127, 228, 229, 9, 50, 147];

/// Decodes `data` as frames, each led by two bytes: its link type, and its length in units of four bytes.
///
/// # Panics
/// When a frame is neither decoded nor skipped, an error leaves packets behind, a success gives none, or a
/// packet says more than its frame held.
pub fn fuzz(data: &[u8]) {
    let limits = Limits { datagrams: 8, held_bytes: 4096, ..Limits::default() };
    let mut decoder = Decoder::new(limits);
    let scratch = Scratch::new();
    let mut skips = Skips::default();
    let (mut packets, mut number, mut rest) = (Vec::new(), 0, data);
    while let [link, length, more @ ..] = rest {
        let (bytes, behind) = more.split_at(more.len().min(usize::from(*length) * 4));
        (rest, number) = (behind, number + 1);
        let frame = Frame {
            number,
            time: Timestamp::from_nanos(i64::from(*link) * 1_000_000_000),
            link: LinkType(LINKS[usize::from(*link) % LINKS.len()]),
            input: 0,
            wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            bytes,
        };
        let before = packets.len();
        let outcome = decoder.decode(&frame, frame.time, &scratch, &mut packets);
        skips.count(outcome);
        check(&frame, outcome, &packets[before..]);
        if packets.len() > 4096 {
            packets.clear();
        }
    }
    assert_eq!(number, skips.decoded + skips.total(), "read = decoded + skipped");
}

fn check(frame: &Frame<'_>, outcome: Result<(), Skip>, packets: &[Packet<'_>]) {
    assert_eq!(outcome.is_ok(), !packets.is_empty(), "a packet or a reason, never both: {outcome:?}");
    for (place, packet) in packets.iter().enumerate() {
        assert_eq!((packet.frame, usize::from(packet.layer)), (frame.number, place), "places are unique");
        assert_eq!(packet.wire_len, frame.wire_len);
        assert!(packet.payload.len() <= packet.payload_len as usize, "payload ends on the wire");
        assert!(packet.tcp_options.len() <= 40 && packet.vlan.ids().len() <= 2);
    }
}
