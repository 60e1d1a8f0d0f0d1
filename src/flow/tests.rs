//! The whole table on small scripts: states and outcomes, reuse, expiry, caps, heads, and the one order of
//! the run.

use super::script::{end, syn, tcp, udp};
use super::*;
use crate::time::Timestamp;
use crate::wire::{Packet, Role, Tcp, TcpFlags, Transport};
use proptest::prelude::*;
use std::time::Duration;

const A: &str = "10.0.0.1:40000";
const B: &str = "10.0.0.2:80";

/// Answers every hearing the same way and counts them.
struct Always(Keep, u8);

impl Ears<u8> for Always {
    fn hear(&mut self, _: &Flow) -> (u8, Keep) {
        self.1 += 1;
        (self.1, self.0)
    }
}

type Told = super::Told<u8>;

fn run_with(config: &Config, keep: Keep, packets: &[Packet<'_>]) -> (Told, Counters) {
    let (mut table, mut out) = (Table::new(config, 0, 1), Told::default());
    table.update(packets, &mut Always(keep, 0), &mut out);
    let counters = table.counters();
    let clock = packets.last().map_or(Timestamp::MIN, |packet| packet.clock);
    table.finish(clock, &mut out);
    out.sort_by_key(|(order, _)| *order);
    (out, counters)
}

fn run(packets: &[Packet<'_>]) -> Told {
    run_with(&Config::default(), Keep::Listen, packets).0
}

fn closed(told: &Told) -> Vec<&Flow> {
    told.iter()
        .filter_map(|(_, event)| if let Event::Closed(flow, ..) = event { Some(&**flow) } else { None })
        .collect()
}

fn heard(told: &Told) -> Vec<&Flow> {
    told.iter()
        .filter_map(|(_, event)| if let Event::Heard(flow, ..) = event { Some(&**flow) } else { None })
        .collect()
}

/// A conversation in shorthand: `>` or `<`, flags, and `d` for four bytes of payload; numbers are kept right.
fn script(steps: &str) -> Vec<Packet<'static>> {
    let mut next = [100u32, 9000];
    let steps = steps.split_whitespace().enumerate();
    steps
        .map(|(at, step)| {
            let side = usize::from(step.starts_with('<'));
            let flags = &step[1..].replace('d', "");
            let payload: &[u8] = if step.contains('d') { b"data" } else { b"" };
            let (from, to) = if side == 0 { (A, B) } else { (B, A) };
            let ack = if flags.contains('A') { next[1 - side] } else { 0 };
            let packet = tcp(at as u64 + 1, from, to, flags, next[side], ack, payload);
            let controls = flags.bytes().filter(|flag| b"SF".contains(flag)).count();
            next[side] += u32::try_from(payload.len() + controls).unwrap();
            packet
        })
        .collect()
}

/// What each of these told flows says, all of it.
fn shown(told: &Told) -> Vec<String> {
    told.iter().map(|event| format!("{event:?}")).collect()
}

#[test]
fn a_flow_written_over_another_shows_nothing_of_that() {
    let scripts = [">S", ">S <SA >A >dPA <dPA >FA <FA >A", ">dPA >dPA", "<SA", ">A >R"].map(script);
    for (before, after) in scripts.iter().flat_map(|one| scripts.iter().map(move |other| (one, other))) {
        let mut first = run(before);
        let used = first.drain(..).filter_map(|(_, event)| match event {
            Event::Heard(flow, ..) | Event::Closed(flow, ..) => Some(flow),
            _ => None,
        });
        let mut told = Told::default();
        told.reuse(used.collect());
        let spare = told.spare();
        let mut table = Table::new(&Config::default(), 0, 1);
        table.update(after, &mut Always(Keep::Listen, 0), &mut told);
        table.finish(after.last().unwrap().clock, &mut told);
        told.sort_by_key(|(order, _)| *order);
        assert!(told.spare() < spare, "none was used");
        assert_eq!(shown(&told), shown(&run(after)));
    }
}

#[test]
fn of_living_flows_those_attempts_are_told_that_nobody_answered() {
    use Outcome as O;
    for (steps, told) in [
        (">S", Some(O::Unanswered)),
        (">S >S", Some(O::Unanswered)),
        (">S <RA", Some(O::Refused)),
        (">S <SA >A", None),
        (">S <SA >RA", None),
        (">dPA <dPA", Some(O::Midstream)),
    ] {
        let (packets, mut out) = (script(steps), Told::default());
        let mut table = Table::new(&Config::default(), 0, 1);
        table.update(&packets, &mut Always(Keep::Listen, 0), &mut out);
        out.clear();
        let living = table.living();
        table.attempts(&living, packets[0].clock, &mut out);
        let ended = |(_, event): &_| if let Event::Ended(.., what) = event { Some(*what) } else { None };
        assert_eq!(out.iter().map(ended).collect::<Vec<_>>(), Vec::from_iter(told.map(Some)), "{steps}");
    }
}

#[test]
fn states_histories_and_outcomes() {
    use ConnState as C;
    use Outcome as O;
    for (steps, state, history, outcome) in [
        (">S", C::S0, "S", O::Unanswered),
        (">S <SA", C::S1, "Sh", O::Opened),
        (">S <SA >A", C::S1, "ShA", O::Opened),
        (">S <SA >A >Ad <Ad", C::S1, "ShADd", O::Established),
        (">S <SA >A >Ad <Ad >FA <FA >A", C::Sf, "ShADdFf", O::Established),
        (">S <SA >A >FA", C::S2, "ShAF", O::Opened),
        (">S <SA >A <FA", C::S3, "ShAf", O::Opened),
        (">S <SA >R", C::Rsto, "ShR", O::Reset),
        (">S <SA >A <RA", C::Rstr, "ShAr", O::Reset),
        (">S <SA >A >Ad <Ad <R >R", C::Rstr, "ShADdrR", O::Established),
        (">S <RA", C::Rej, "Sr", O::Refused),
        (">S >R", C::Rstos0, "SR", O::Unanswered),
        (">S >F", C::Sh, "SF", O::Unanswered),
        (">S >A >Ad >FA", C::Sh, "SADF", O::OneWay),
        (">S <S <SA >SA", C::S1, "SshH", O::Opened),
        ("<SA", C::Oth, "^h", O::OneWay),
        ("<SA <RA", C::Rstrh, "^hr", O::OneWay),
        ("<SA <Ad <FA", C::Shr, "^hdf", O::OneWay),
        ("<SA >A >Ad <Ad", C::S1, "^hADd", O::Established),
        ("<SA >R", C::Rsto, "^hR", O::Reset),
        (">Ad <Ad", C::Oth, "Dd", O::Midstream),
        (">Ad >Ad", C::Oth, "D", O::OneWay),
        (">Ad <FA >FA", C::Sf, "DfF", O::Midstream),
        (">R", C::Oth, "R", O::Reset),
        (">Rd", C::Oth, "RD", O::Reset),
        (">Ad <Ad >R", C::Rsto, "DdR", O::Midstream),
        (">SF <RA", C::Rej, "QSFr", O::Refused),
        (">SFA", C::Shr, "^qhf", O::OneWay),
        (">FR", C::Oth, "IRF", O::OneWay),
    ] {
        let told = run(&script(steps));
        let flow = closed(&told)[0];
        let got = (flow.conn_state, flow.history.as_str(), flow.outcome());
        assert_eq!(got, (state, history, outcome), "{steps}");
        assert_eq!(closed(&told).len(), 1, "{steps}");
    }
}

#[test]
fn who_opened_and_how_we_know() {
    for (steps, originator, basis, confidence) in [
        (">S", A, Basis::Syn, 100),
        (">S <SA >A", A, Basis::Syn, 100),
        ("<SA", A, Basis::SynAck, 95),
        ("<Ad >Ad", B, Basis::FirstPacket, 50),
        ("<Ad <SA", A, Basis::SynAck, 95),
    ] {
        let told = run(&script(steps));
        let flow = closed(&told)[0];
        assert_eq!(flow.originator, end(originator), "{steps}");
        assert_eq!((flow.direction.basis, flow.direction.confidence), (basis, confidence), "{steps}");
    }
}

#[test]
fn an_overtaken_syn_belongs_to_its_connection() {
    let late = [
        tcp(1, B, A, "A", 9001, 101, b"hello"),
        tcp(2, A, B, "A", 101, 9001, b"data"),
        tcp(3, A, B, "S", 100, 0, b""),
    ];
    let told = run(&late);
    let flow = closed(&told)[0];
    assert_eq!((flow.originator, flow.direction.basis), (end(A), Basis::Syn));
    assert_eq!(flow.history.as_str(), "^dDS");
}

#[test]
fn retransmissions_gaps_windows_and_keep_alives_leave_their_letters() {
    let mut packets = script(">S <SA >A >Ad <Ad");
    packets.push(tcp(6, A, B, "A", 101, 9005, b"data"));
    packets.push(tcp(7, A, B, "A", 104, 9005, b"x"));
    packets.push(tcp(8, A, B, "A", 105, 9500, b""));
    let mut shut = tcp(9, B, A, "A", 9005, 105, b"");
    shut.tcp.window = 0;
    packets.push(shut);
    let told = run(&packets);
    assert_eq!(closed(&told)[0].history.as_str(), "ShADdTgaw");
    let told = run(&[&script(">S <SA >A >Ad <Ad")[..], &[tcp(6, A, B, "A", 104, 9005, b"x")]].concat());
    assert_eq!(closed(&told)[0].history.as_str(), "ShADd");
}

#[test]
fn attempts_are_counted_until_the_answer() {
    let again = |ms| syn(ms, A, B);
    let told = run(&[again(1), again(1000), again(3000)]);
    assert_eq!((closed(&told)[0].attempts, closed(&told)[0].outcome()), (3, Outcome::Unanswered));
    let refused = |ms| tcp(ms, B, A, "RA", 0, 101, b"");
    let told = run(&[again(1), refused(2), again(500), refused(501), again(1000), refused(1001)]);
    assert_eq!(
        (closed(&told).len(), closed(&told)[0].attempts, closed(&told)[0].outcome()),
        (1, 3, Outcome::Refused)
    );
    let told = run(&[udp(1, A, B, b"a"), udp(2, A, B, b"b"), udp(3, B, A, b"c"), udp(4, A, B, b"d")]);
    assert_eq!((closed(&told)[0].attempts, closed(&told)[0].outcome()), (2, Outcome::TwoWay));
}

#[test]
fn a_new_connection_on_old_ports_is_a_new_flow() {
    let mut packets = script(">S <SA >A >FA <FA >A");
    packets.push(tcp(1000, A, B, "S", 7777, 0, b""));
    let told = run(&packets);
    assert_eq!(
        closed(&told).iter().map(|f| f.ended).collect::<Vec<_>>(),
        [Some(EndReason::TcpReuse), Some(EndReason::Shutdown)]
    );
    // The old one ends before the new one opens, at the same place of the run.
    let kinds: Vec<_> =
        told.iter().map(|(order, event)| (order.frame, matches!(event, Event::Closed(..)))).collect();
    assert_eq!(kinds, [(1, false), (1000, true), (1000, false), (1000, true)]);
    for (after, flows) in [(9_000, 1), (11_000, 2)] {
        let mut packets = script(">S <SA >A");
        packets.push(tcp(after, A, B, "S", 7777, 0, b""));
        assert_eq!(closed(&run(&packets)).len(), flows, "an open connection, {after} ms later");
    }
}

#[test]
fn flows_end_when_the_packet_clock_passes_their_deadline() {
    let late = |ms| udp(ms, "10.9.9.9:1", "10.9.9.8:2", b"x");
    for (script, timeout_ms) in [
        (vec![syn(0, A, B)], 30_000),
        (script(">S <SA"), 600_002),
        (self::script(">S <RA"), 5_002),
        (vec![udp(0, A, B, b"a")], 60_000),
        (vec![udp(0, A, B, b"a"), udp(0, B, A, b"b")], 180_000),
    ] {
        for (ms, reason) in [(timeout_ms, EndReason::Shutdown), (timeout_ms + 1, EndReason::Timeout)] {
            let told = run(&[&script[..], &[late(ms)]].concat());
            let flow = closed(&told).into_iter().find(|flow| flow.originator == end(A)).unwrap();
            assert_eq!(flow.ended, Some(reason), "{ms} {:?}", script.len());
        }
        let told = run(&[&script[..], &[late(timeout_ms + 5000)]].concat());
        let place = told.iter().find(|(_, event)| matches!(event, Event::Closed(..))).unwrap().0;
        let deadline = Timestamp::from_parts(1000, timeout_ms * 1_000_000);
        assert_eq!((place.clock, place.rank), (deadline, 1));
    }
}

#[test]
fn a_flood_of_syns_cannot_push_out_what_is_established() {
    let config = Config { flows_max: SHARDS * 8, ..Config::default() };
    let mut packets = Vec::new();
    for client in 0..40 {
        let from = format!("10.1.0.{client}:1000");
        packets.push(syn(client + 1, &from, B));
        packets.push(tcp(client + 1, B, &from, "SA", 5, 101, b""));
    }
    for number in 0..5000u64 {
        // Half of the flood sends every SYN twice.
        let from = format!("10.2.{}.{}:{}", number / 250, number % 250, 2000 + number % 7);
        packets.extend((0..=number % 2).map(|_| syn(1000 + number, &from, B)));
    }
    let (told, counters) = run_with(&config, Keep::Listen, &packets);
    let forced = closed(&told).into_iter().filter(|flow| flow.ended == Some(EndReason::Forced));
    assert!(forced.clone().all(|flow| flow.conn_state == ConnState::S0));
    assert_eq!(forced.count() as u64, counters.evicted_half_open);
    assert_eq!((counters.opened, counters.evicted_other), (5040, 0));
    assert!(counters.open <= 64 * 8 && counters.half_open > 0);
    let established = closed(&told).into_iter().filter(|flow| flow.conn_state == ConnState::S1).count();
    assert_eq!(established, 40);
}

#[test]
fn without_half_open_flows_the_least_recently_used_goes() {
    let config = Config { flows_max: 1, ..Config::default() };
    let mut packets = Vec::new();
    for client in 0..200u64 {
        let from = format!("10.1.0.{client}:1000");
        packets.push(udp(client * 2000, &from, B, b"q"));
        packets.push(udp(client * 2000, B, &from, b"r"));
    }
    let (told, counters) = run_with(&config, Keep::Release, &packets);
    assert_eq!(closed(&told).len(), 200);
    assert!(counters.evicted_other > 0 && counters.open <= 64);
}

#[test]
fn the_pool_of_heads_is_bounded() {
    let config = Config { heads_max: 1, ..Config::default() };
    let packets: Vec<_> =
        (0..500u64).map(|n| udp(n, &format!("10.1.{}.{}:9", n / 250, n % 250), B, b"payload")).collect();
    let (told, counters) = run_with(&config, Keep::Listen, &packets);
    let kept = closed(&told).iter().filter(|flow| !flow.head_orig.bytes.is_empty()).count() as u64;
    assert!(kept <= 64 && kept > 0);
    assert_eq!(kept + counters.heads_refused, 500);
}

#[test]
fn heads_hold_the_first_bytes_of_both_sides() {
    let mut packets = script(">S <SA >A");
    packets.push(tcp(4, A, B, "A", 105, 9001, b" / "));
    packets.push(tcp(5, A, B, "A", 101, 9001, b"GET "));
    packets.push(tcp(6, A, B, "A", 101, 9001, b"GET "));
    packets.push(tcp(7, B, A, "A", 9001, 108, b"HTTP"));
    let told = run(&packets);
    let flow = closed(&told)[0];
    assert_eq!((flow.head_orig.bytes.as_slice(), flow.head_orig.from_start), (&b"GET  / "[..], true));
    assert_eq!((flow.head_resp.bytes.as_slice(), flow.head_resp.from_start), (&b"HTTP"[..], true));
    let told = run(&script(">Ad <Ad"));
    assert!(!closed(&told)[0].head_orig.from_start);
    let told = run(&[udp(1, A, B, b""), udp(2, A, B, b"one"), udp(3, A, B, b"two")]);
    assert_eq!(
        (closed(&told)[0].head_orig.bytes.as_slice(), closed(&told)[0].head_orig.from_start),
        (&b"one"[..], true)
    );
}

#[test]
fn later_fragments_continue_their_datagram() {
    let fragment = |ms, contiguous, payload| Packet {
        role: Role::LaterFragment { contiguous },
        ..udp(ms, A, B, payload)
    };
    let told = run(&[
        udp(1, A, B, b"one"),
        fragment(2, true, b"-and"),
        fragment(3, false, b"lost"),
        udp(4, A, B, b"two"),
        fragment(5, true, b"more"),
    ]);
    let flow = closed(&told)[0];
    assert_eq!(flow.head_orig.bytes, b"one-and");
    assert_eq!((flow.orig.packets, flow.orig.payload_bytes, flow.attempts), (5, 18, 2));
}

/// Datagrams stand for themselves: when the first said nothing, the next hearing is given the latest.
#[test]
fn a_later_datagram_is_heard_when_the_first_said_nothing() {
    let words = [&b"a"[..], b"b", b"c", b"d", b"e", b"f", b"g", b"h", b"i"];
    let packets: Vec<_> = (1..).zip(words).map(|(ms, word)| udp(ms, A, B, word)).collect();
    let told = run(&packets);
    let given: Vec<_> = heard(&told).iter().map(|flow| flow.head_orig.bytes.as_slice()).collect();
    assert_eq!(given, [b"a", b"h"]);
    let (told, _) = run_with(&Config::default(), Keep::Release, &packets);
    assert_eq!(heard(&told).len(), 1);
}

#[test]
fn flows_are_heard_when_due_and_at_most_four_times() {
    let ask = |n: u64| udp(n, A, B, b"ask");
    let asks = |count| (1..=count).map(ask).collect::<Vec<_>>();
    for (packets, want) in [
        (asks(3), vec![]),
        (asks(4), vec![4]),
        (asks(40), vec![4, 8, 12, 16]),
        ([asks(1), vec![udp(2, B, A, b"r")], (3..20).map(ask).collect()].concat(), vec![2, 6, 10, 14]),
        ([asks(4), vec![udp(5, B, A, b"r")]].concat(), vec![4, 5]),
        (vec![udp(1, A, B, &[7; 600])], vec![1]),
        (vec![udp(1, A, B, b""), udp(2, B, A, b"")], vec![]),
    ] {
        let told = run(&packets);
        let seen: Vec<_> = heard(&told).iter().map(|flow| flow.orig.packets + flow.resp.packets).collect();
        assert_eq!(seen, want);
        assert!(
            !closed(&told)[0].head_orig.bytes.is_empty() || packets[0].payload.is_empty(),
            "kept to the end"
        );
    }
    let (told, _) = run_with(&Config::default(), Keep::Release, &asks(40));
    assert_eq!((heard(&told).len(), closed(&told)[0].head_orig.bytes.len()), (1, 0));
}

#[test]
fn a_head_grows_where_more_is_wanted() {
    let long: Vec<u8> = (0..2000u16).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let config = Config::default();
    let seen = |told: &Told| heard(told).iter().map(|flow| flow.head_orig.bytes.len()).collect::<Vec<_>>();
    let packets = [
        syn(1, A, B),
        tcp(2, A, B, "A", 101, 0, &long[..1400]),
        tcp(3, A, B, "A", 1501, 0, &long[1400..]),
        tcp(4, B, A, "A", 9000, 0, b"answer"),
    ];
    let (told, _) = run_with(&config, Keep::More(1900), &packets);
    assert_eq!(seen(&told), [1400, 2000], "the packet at hand counts, and the answer makes it due");
    assert_eq!(heard(&told)[1].head_orig.bytes, long);

    let datagrams = [udp(1, A, B, &long[..1200]), udp(2, A, B, &long[1200..]), udp(3, B, A, b"r")];
    let (told, _) = run_with(&config, Keep::More(5000), &datagrams);
    assert_eq!(seen(&told), [1200, 2000]);
    assert_eq!(closed(&told)[0].head_orig.bytes, long);

    let many: Vec<_> = (1..40).map(|ms| udp(ms, A, B, &long)).collect();
    let (told, _) = run_with(&config, Keep::More(5000), &many);
    assert_eq!(seen(&told), [2000, LONG_HEAD_BYTES_MAX, LONG_HEAD_BYTES_MAX, LONG_HEAD_BYTES_MAX]);
    assert!(closed(&told)[0].head_orig.bytes.is_empty(), "the last hearing lets it go");
}

#[test]
fn a_full_pool_lets_no_head_grow() {
    let config = Config { heads_max: SHARDS, ..Config::default() };
    let packets = [udp(1, A, B, &[7; 1200]), udp(2, A, B, &[7; 1200]), udp(3, B, A, b"r")];
    let (told, counters) = run_with(&config, Keep::More(1200), &packets);
    assert_eq!((heard(&told).len(), heard(&told)[0].head_orig.bytes.len()), (1, HEAD_BYTES_MAX));
    assert_eq!(counters.heads_refused, 1);
}

#[test]
fn tapped_flows_say_everything_from_the_next_packet_on() {
    let mut packets = vec![udp(1, A, B, b"ask"), udp(2, B, A, b"answer")];
    packets.extend((3..8).map(|ms| udp(ms, A, B, &[1; 3000])));
    packets.push(udp(8, B, A, b"bye"));
    let (told, _) = run_with(&Config::default(), Keep::Tap, &packets);
    let said: Vec<_> = told
        .iter()
        .filter_map(|(_, event)| if let Event::Said(said) = event { Some(said) } else { None })
        .collect();
    assert_eq!(said.iter().map(|said| said.frame).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
    assert_eq!((said[0].bytes.len(), said[0].from_originator, said[0].note), (2048, true, 1));
    assert_eq!((&*said[5].bytes, said[5].from_originator, said[5].speaker), (&b"bye"[..], false, end(B)));
    let many: Vec<_> = (1..6000).map(|ms| udp(ms, A, B, b"x")).collect();
    let (told, counters) = run_with(&Config::default(), Keep::Tap, &many);
    let said = told.iter().filter(|(_, event)| matches!(event, Event::Said(_))).count();
    assert_eq!((said, counters.said_dropped), (4096, 6000 - 1 - 4 - 4096));
}

fn icmp(ms: u64, kind: u8, code: u8) -> Packet<'static> {
    let role = Role::IcmpError { from: end("10.0.0.254:0").addr, v6: false, kind, code };
    Packet { role, payload_len: 0, ..udp(ms, A, B, b"") }
}

#[test]
fn icmp_errors_refuse_and_count_no_packet() {
    let told = run(&[udp(1, A, B, b"q"), icmp(2, 11, 0), icmp(3, 3, 3), icmp(4, 3, 1)]);
    let flow = closed(&told)[0];
    let note = flow.icmp.unwrap();
    assert_eq!((note.kind, note.code, note.frame, flow.orig.packets), (3, 3, 3, 1));
    assert_eq!(flow.outcome(), Outcome::Refused);
    let tcp_error = Packet { transport: Transport::Tcp, ..icmp(2, 3, 10) };
    let told = run(&[syn(1, A, B), tcp_error]);
    assert_eq!((closed(&told)[0].outcome(), closed(&told)[0].conn_state), (Outcome::Refused, ConnState::S0));
}

#[test]
fn an_icmp_refusal_of_an_unseen_flow_is_a_flow_without_packets() {
    let (told, counters) = run_with(&Config::default(), Keep::Listen, &[icmp(1, 11, 0), icmp(2, 3, 3)]);
    let flow = closed(&told)[0];
    assert_eq!((counters.icmp_unmatched, counters.opened), (1, 1));
    assert_eq!((flow.originator, flow.orig.packets, flow.outcome()), (end(A), 0, Outcome::Refused));
    assert!(matches!(&told[0].1, Event::Opened(opened) if !opened.asks));
    let told = run(&[icmp(1, 3, 3), udp(2, B, A, b"q")]);
    assert_eq!((closed(&told)[0].originator, closed(&told)[0].orig.packets), (end(B), 1));
}

#[test]
fn the_opening_syn_leaves_a_hint_and_everything_is_counted() {
    let mut opening = syn(1, A, B);
    opening.tcp_options = &[2, 4, 5, 180, 4, 2];
    opening.vlan.push(7);
    opening.input = 3;
    let flows = [vec![opening], vec![opening, tcp(2, B, A, "SA", 1, 101, b"")]];
    for told in flows.iter().map(|packets| run(packets)) {
        let flow = closed(&told)[0];
        let hint = flow.syn.as_ref().unwrap();
        assert_eq!((hint.ttl, hint.window, &hint.options[..]), (64, 1000, &[2, 4][..]));
        assert_eq!((flow.vlan.ids(), flow.input, flow.first_frame), (&[7][..], 3, 1));
        assert_eq!((flow.orig.packets, flow.orig.bytes, flow.orig.tcp_flags), (1, 54, TcpFlags::SYN));
        assert!(flow.id < 1 << 53);
    }
    let ids: Vec<_> = flows.iter().map(|packets| closed(&run(packets))[0].id).collect();
    assert_eq!(ids[0], ids[1]);
}

/// Pause in ms, transport, host, port, backwards, TCP flags, sequence number, payload length.
pub(super) type Step = (u64, u8, u8, u8, u8, u8, u32, usize);

/// A random packet among few endpoints, so that flows are met again, answered, reused and evicted.
pub(super) fn any_packet() -> impl Strategy<Value = Step> {
    let gap = prop_oneof![8 => 0u64..50, 3 => 50u64..3000, 1 => 3000u64..90_000];
    (gap, 0u8..3, 0u8..12, 0u8..6, any::<bool>().prop_map(u8::from), 0u8..64, 0u32..4, 0usize..9)
}

pub(super) fn build(steps: &[Step]) -> Vec<Packet<'static>> {
    let mut ms = 0;
    let each = steps.iter().zip(1u64..);
    each.map(|(&(gap, transport, host, port, back, flags, seq, len), frame)| {
        ms += gap;
        let (a, b) = (format!("10.0.0.{host}:{}", 4000 + u16::from(port)), "10.0.1.1:80".to_owned());
        let (from, to) = if back == 1 { (b, a) } else { (a, b) };
        let transport = Transport::ALL[usize::from(transport)];
        let is_tcp = transport == Transport::Tcp;
        let flags = TcpFlags(if is_tcp { flags } else { 0 });
        let role = match seq {
            3 if len == 0 => {
                Role::IcmpError { from: end("10.0.0.254:0").addr, v6: false, kind: 3, code: flags.0 % 5 }
            }
            2 if len == 8 => Role::LaterFragment { contiguous: frame % 2 == 0 },
            _ => Role::Segment,
        };
        Packet {
            frame,
            // Now and then a packet is stamped earlier than the clock.
            time: Timestamp::from_parts(1000, (ms - if frame % 7 == 0 { gap / 2 } else { 0 }) * 1_000_000),
            role,
            tcp: Tcp { flags, seq: seq * 4, ack: 4, window: 5 },
            ..super::script::packet(transport, ms, &from, &to, &b"payload!"[..len.min(8)])
        }
    })
    .collect()
}

/// What all workers together say, in the one order of the run.
fn told_by(workers: usize, config: &Config, packets: &[Packet<'_>], cuts: &[usize]) -> Vec<String> {
    let mut out = Told::default();
    for worker in 0..workers {
        let mut table = Table::new(config, worker, workers);
        let mut rest = packets;
        for &cut in cuts.iter().cycle().take(packets.len() * cuts.len().min(1) + 1) {
            let (now, later) = rest.split_at(cut.max(1).min(rest.len()));
            table.update(now, &mut ByFlow, &mut out);
            if let (Some(last), true) = (now.last(), cut % 3 != 0) {
                table.expire(last.clock, &mut out);
            }
            rest = later;
        }
        table.update(rest, &mut ByFlow, &mut out);
        let clock =
            packets.last().map_or(Timestamp::MIN, |packet| packet.clock.after(Duration::from_secs(1)));
        table.finish(clock, &mut out);
        assert_eq!(table.counters().open, 0);
    }
    out.sort_by_key(|(order, _)| *order);
    out.iter().map(|told| format!("{told:?}")).collect()
}

/// Decides by the flow alone, as real ears do.
struct ByFlow;

impl Ears<u8> for ByFlow {
    fn hear(&mut self, flow: &Flow) -> (u8, Keep) {
        let keep = [Keep::Listen, Keep::Release, Keep::Tap][usize::from(flow.originator.port % 3)];
        (u8::try_from(flow.id % 256).unwrap(), keep)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_run_does_not_depend_on_workers_or_on_when_one_asks(
        steps in proptest::collection::vec(any_packet(), 1..400),
        cuts in proptest::collection::vec(1usize..60, 1..6),
        flows_max in prop_oneof![Just(1usize), Just(128), Just(100_000)],
        short in any::<bool>(),
    ) {
        let mut config = Config { flows_max, heads_max: flows_max, ..Config::default() };
        if short {
            config.timeouts.tcp_opening = Duration::from_millis(40);
            config.timeouts.udp_one_way = Duration::ZERO;
            config.timeouts.tcp_closed = Duration::from_nanos(1);
        }
        let packets = build(&steps);
        let reference = told_by(1, &config, &packets, &[usize::MAX]);
        let opened = reference.iter().filter(|told| told.contains("Opened(")).count();
        let closed = reference.iter().filter(|told| told.contains("Closed(")).count();
        prop_assert_eq!(opened, closed);
        for (workers, cuts) in [(1, &cuts[..]), (2, &cuts[..]), (5, &[7][..]), (64, &[1][..])] {
            prop_assert_eq!(&reference, &told_by(workers, &config, &packets, cuts));
        }
    }
}
