//! Fragments in every order, with every wrong, and in floods.

use super::*;
use crate::wire::Decoder;
use crate::wire::samples::{Seen, feed, ipv4_part, ipv6, tcp4, udp4};
use proptest::prelude::*;

const DATA: usize = 92;

/// A UDP datagram of 100 bytes in parts of these lengths.
fn parts(lengths: &[usize]) -> Vec<Vec<u8>> {
    let payload: Vec<u8> = (0..DATA).map(|byte| u8::try_from(byte).unwrap()).collect();
    let datagram = udp4((5000, 6000), &payload).split_off(20);
    let mut at = 0;
    let mut parts = Vec::new();
    for &length in lengths {
        let end = at + length;
        let more = end < datagram.len();
        parts.push(ipv4_part(17, 77, u16::try_from(at).unwrap(), more, &datagram[at..end]));
        at = end;
    }
    parts
}

/// Feeds frames in this order; one outcome each.
fn run(frames: &[Vec<u8>]) -> Vec<Result<Vec<Seen>, Skip>> {
    let mut decoder = Decoder::new(Limits::default());
    frames.iter().map(|frame| feed(&mut decoder, 101, frame, frame.len(), 1)).collect()
}

/// The payload that reached the flow in order.
fn in_order(outcomes: &[Result<Vec<Seen>, Skip>]) -> Vec<u8> {
    let packets = outcomes.iter().flatten().flatten();
    let kept = packets.filter(|p| p.role != Role::LaterFragment { contiguous: false });
    kept.flat_map(|p| p.payload.clone()).collect()
}

fn all_bytes(payload: &[u8]) -> bool {
    payload.len() == DATA && payload.iter().enumerate().all(|(at, byte)| at == usize::from(*byte))
}

#[test]
fn in_order_nothing_waits() {
    let outcomes = run(&parts(&[40, 40, 20]));
    let roles: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().unwrap()[0].role).collect();
    let later = Role::LaterFragment { contiguous: true };
    assert_eq!(roles, [Role::Segment, later, later]);
    assert!(all_bytes(&in_order(&outcomes)));
    for outcome in outcomes {
        let packet = &outcome.unwrap()[0];
        assert_eq!((packet.src.as_str(), packet.dst.as_str()), ("172.16.0.1:5000", "172.16.0.2:6000"));
    }
}

#[test]
fn any_order_gives_all_bytes_once_the_first_is_there() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let parts = parts(&[40, 40, 20]);
    for order in orders {
        let frames: Vec<_> = order.iter().map(|&place| parts[place].clone()).collect();
        let outcomes = run(&frames);
        let first = order.iter().position(|&place| place == 0).unwrap();
        for (place, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome == &Err(Skip::FragmentWithoutFirst), place < first, "{order:?}");
        }
        // After the first, a part that comes too early is handed on at once, out of order.
        assert_eq!(all_bytes(&in_order(&outcomes)), order != [0, 2, 1], "{order:?}");
    }
}

#[test]
fn a_tiny_first_fragment_waits_for_the_transport_header() {
    let segment = tcp4().split_off(20);
    let first = ipv4_part(6, 5, 0, true, &segment[..8]);
    let second = ipv4_part(6, 5, 8, false, &segment[8..]);
    for frames in [[first.clone(), second.clone()], [second, first]] {
        let outcomes = run(&frames);
        assert_eq!(outcomes[0], Err(Skip::FragmentWithoutFirst));
        let packet = &outcomes[1].as_ref().unwrap()[0];
        assert_eq!((packet.flags, packet.payload.as_slice(), packet.role), (2, &b"hi"[..], Role::Segment));
    }
}

#[test]
fn tunnels_in_fragments_are_joined_or_read_from_the_first() {
    let gre = [&[0, 0, 8, 0][..], &tcp4()].concat();
    let frames = [ipv4_part(47, 5, 0, true, &gre[..16]), ipv4_part(47, 5, 16, false, &gre[16..])];
    let outcomes = run(&frames);
    assert_eq!(outcomes[0], Err(Skip::FragmentWithoutFirst));
    assert_eq!(outcomes[1].as_ref().unwrap()[0].dst, "10.0.0.2:3007");
}

#[test]
fn ipv6_fragments() {
    let datagram = udp4((5000, 6000), b"0123456789abcdef").split_off(20);
    let part =
        |at: u8, more: u8, bytes: &[u8]| ipv6(44, &[&[17, 0, 0, at | more, 0, 0, 0, 9], bytes].concat());
    let outcomes = run(&[part(0, 1, &datagram[..16]), part(16, 0, &datagram[16..])]);
    assert_eq!(in_order(&outcomes), b"0123456789abcdef");
}

#[test]
fn contradictions_are_malformed_and_change_nothing() {
    let good = parts(&[40, 40, 20]);
    let overlap = ipv4_part(17, 77, 32, true, &[9; 16]);
    let beyond = ipv4_part(17, 77, 65_528, false, &[9; 16]);
    let odd = ipv4_part(17, 77, 80, true, &[9; 7]);
    let outcomes = run(&[good[0].clone(), overlap, beyond, odd, good[1].clone(), good[2].clone()]);
    for outcome in &outcomes[1..4] {
        assert_eq!(outcome, &Err(Skip::FragmentMalformed));
    }
    assert!(all_bytes(&in_order(&outcomes)));
    let after_end = ipv4_part(17, 77, 200, true, &[9; 8]);
    assert_eq!(run(&[good[2].clone(), after_end])[1], Err(Skip::FragmentMalformed));
}

#[test]
fn copies_of_frames_are_never_contiguous_twice() {
    let good = parts(&[40, 60]);
    let outcomes = run(&[good[0].clone(), good[1].clone(), good[1].clone()]);
    assert_eq!(outcomes[2].as_ref().unwrap()[0].role, Role::LaterFragment { contiguous: false });
    assert!(all_bytes(&in_order(&outcomes)));
}

#[test]
fn old_datagrams_are_forgotten() {
    let good = parts(&[40, 60]);
    let mut decoder = Decoder::new(Limits::default());
    assert!(feed(&mut decoder, 101, &good[0], 60, 0).is_ok());
    assert_eq!(feed(&mut decoder, 101, &good[1], 80, 31), Err(Skip::FragmentWithoutFirst));
}

#[test]
fn without_memory_only_what_is_in_order_is_followed() {
    let mut decoder = Decoder::new(Limits { held_bytes: 0, ..Limits::default() });
    for frame in parts(&[40, 40, 20]) {
        assert!(feed(&mut decoder, 101, &frame, frame.len(), 1).is_ok());
    }
    let segment = tcp4().split_off(20);
    for (at, more, bytes) in [(0, true, &segment[..8]), (8, false, &segment[8..])] {
        let frame = ipv4_part(6, 5, at, more, bytes);
        let outcome = feed(&mut decoder, 101, &frame, frame.len(), 1);
        assert_eq!(outcome, Err(Skip::FragmentWithoutFirst));
        assert_eq!(decoder.fragments().held, 0);
    }
}

#[test]
fn later_fragments_of_portless_protocols_say_so() {
    assert_eq!(run(&[ipv4_part(1, 1, 64, true, &[0; 8])])[0], Err(Skip::Icmp));
    assert_eq!(run(&[ipv4_part(50, 1, 64, true, &[0; 8])])[0], Err(Skip::NoPorts));
    assert_eq!(run(&[ipv4_part(17, 1, 0, true, &[])])[0], Err(Skip::TransportTruncated));
}

#[test]
fn a_flood_stays_within_its_bounds() {
    let limits = Limits { datagrams: 50, held_bytes: 10_000, ..Limits::default() };
    let mut fragments = Fragments::new(&limits);
    let scratch = Scratch::new();
    for id in 0..10_000u32 {
        let key = Key {
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 0, 2].into(),
            id: id % 700,
            protocol: 17,
            vlan: Vlan::default(),
        };
        let bytes = [0u8; 1400];
        let span = Span::new(&bytes[..8 * (1 + id as usize % 175)], 0);
        let piece = Piece { at: 8 * (id * 7919 % 8000), more: id % 5 > 0, span };
        let _ = fragments.add(&key, &piece, Timestamp::from_parts(i64::from(id / 1000), 0), &scratch);
        let held: usize = fragments.table.values().map(Datagram::held_bytes).sum();
        assert_eq!(held, fragments.held);
        assert!(held <= limits.held_bytes && fragments.table.len() <= limits.datagrams);
        assert_eq!(fragments.table.len(), fragments.ages.len());
    }
}

proptest! {
    #[test]
    fn any_fragments_keep_the_books(
        pieces in prop::collection::vec((0..3u16, 0..20u16, any::<bool>(), 0..40usize, 0..3usize), 0..60)
    ) {
        let limits = Limits { held_bytes: 300, datagrams: 2, ..Limits::default() };
        let mut decoder = Decoder::new(limits);
        let protocols = [6u8, 17, 47];
        for (id, at, more, length, protocol) in pieces {
            let bytes = [0x51; 40];
            let frame = ipv4_part(protocols[protocol], id, at * 8, more, &bytes[..length]);
            let _ = feed(&mut decoder, 101, &frame, frame.len(), 1);
            let fragments = decoder.fragments();
            let held: usize = fragments.table.values().map(Datagram::held_bytes).sum();
            prop_assert_eq!(held, fragments.held);
            prop_assert!(held <= 300 && fragments.table.len() <= 2);
        }
    }

    #[test]
    fn any_cut_and_order_keeps_every_byte_when_the_first_comes_last(cut in 1..12usize) {
        let mut frames = parts(&[cut * 8, 100 - cut * 8]);
        frames.reverse();
        prop_assert!(all_bytes(&in_order(&run(&frames))));
    }
}
