//! How far an originator reached, as a fact: in the last minutes, or else over hours.
//!
//! Only counts are read here. Whether they mean a scan is weighed elsewhere; what is decided is which of two
//! windows has the news, and what shape the attempts have: one who scans tries each place once, a
//! peer-to-peer client each host at a port of its own, one who watches services the same few for ever.

use super::fact::Fact;
use crate::flow::Reach;

/// Hosts or ports from which on an originator's reach is worth saying.
const FAN_OUT_MIN: u32 = 5;
/// Hosts or ports from which on it is wide.
const WIDE_MIN: u32 = 15;
/// Failures within hours from which on these are worth saying. Fewer happen to every client in a day.
const SLOW_FAILED_MIN: u64 = 15;
/// Hosts from which on resets of strays are no longer what a client hears that wakes up with old connections.
const STRAY_HOSTS_MIN: u32 = 100;
/// Attempts for each place from which on it is asked again and again. A scanner repeats what got lost, and a
/// system its SYN as another connection, but seldom more than twice each.
const REPEATS_MIN: u64 = 6;

/// What there is to say of an originator's reach, if anything.
pub(super) fn fan_out(lately: &Reach, over_hours: &Reach) -> Option<Fact> {
    let slow = places(lately) < WIDE_MIN && is_patient(over_hours);
    let reach = if slow { over_hours } else { lately };
    let (hosts, ports) = (reach.hosts, reach.ports);
    (hosts.max(ports) >= FAN_OUT_MIN).then(|| Fact::FanOut {
        hosts,
        ports,
        ended: ended(reach),
        failed: failed(reach),
        scattered: is_scattered(reach),
        repeated: is_repeated(lately) || is_repeated(over_hours),
        slow,
    })
}

/// True when bare segments that belong to nothing went to many places, and resets came back. In a capture of
/// one direction, or one that begins in the middle, nobody resets them by the dozen.
pub(super) fn is_sweep_of_strays(reach: &Reach) -> bool {
    let is_wide =
        reach.ports >= WIDE_MIN || reach.hosts >= STRAY_HOSTS_MIN && reach.refused >= WIDE_MIN.into();
    let failed = failed(reach);
    let is_vain = u128::from(failed) * 5 >= u128::from(ended(reach)) * 4;
    is_wide && is_vain && reach.refused > 0 && u128::from(reach.refused) * 4 >= u128::from(failed)
}

/// A slow scan: new places for hours, and hardly an answer. A client that works has been answered by then,
/// and one that is cut off keeps to its few places.
fn is_patient(reach: &Reach) -> bool {
    let failed = failed(reach);
    places(reach) >= WIDE_MIN
        && failed >= SLOW_FAILED_MIN
        && u128::from(failed) * 10 >= u128::from(ended(reach)) * 9
}

/// A scan of many ports on many hosts tries each pair; a peer-to-peer client tries each peer once or twice.
fn is_scattered(reach: &Reach) -> bool {
    let (hosts, ports) = (reach.hosts, reach.ports);
    let is_diagonal = hosts > 5 && ports > 5 && ports / 2 <= hosts && hosts / 2 <= ports;
    is_diagonal && reach.attempts <= u64::from(hosts.max(ports)) * 3
}

/// Even if every host was asked at every port, each was asked often. Pairs are not counted, so this misses
/// the repetitions of one who asks each host at a port of its own. Many ports are nobody's watch: a scan that
/// is run every hour stays one.
fn is_repeated(reach: &Reach) -> bool {
    let pairs = u64::from(reach.hosts) * u64::from(reach.ports);
    pairs > 0 && reach.ports < WIDE_MIN && reach.attempts / pairs >= REPEATS_MIN
}

fn places(reach: &Reach) -> u32 {
    reach.hosts.max(reach.ports)
}

fn failed(reach: &Reach) -> u64 {
    reach.refused.saturating_add(reach.unanswered)
}

/// Attempts whose end is not known yet say nothing: a busy client has many open flows. What was left half
/// open counts half: scanners do that, and so do load balancers when they look after their backends.
fn ended(reach: &Reach) -> u64 {
    failed(reach).saturating_add(reach.answered).saturating_add(reach.half_open / 2)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::flow::{Endpoints, EndpointsConfig, Habits, Manner, Opened, Outcome};
    use crate::time::Timestamp;
    use crate::wire::{Endpoint, Transport};

    /// What is known of an originator that asked `count` places, one every `every` milliseconds, in vain.
    fn after(count: u32, every: i64, place: impl Fn(u32) -> (u32, u16)) -> Habits {
        let mut endpoints = Endpoints::new(&EndpointsConfig::default());
        let originator = Endpoint::new(IpAddr::from([203, 0, 113, 5]), 50_000);
        let to = |number| {
            let (host, port) = place(number);
            Endpoint::new(IpAddr::V4((0x0a07_0000 + host).into()), port)
        };
        for number in 0..count {
            let time = Timestamp::from_nanos(i64::from(number) * every * 1_000_000);
            let (transport, responder) = (Transport::Tcp, to(number));
            endpoints.opened(&Opened { transport, originator, responder, time, asks: true, bare: false });
            endpoints.ended(originator.addr, Manner::Asks, Outcome::Unanswered);
        }
        endpoints.habits(originator.addr, Manner::Asks, Transport::Tcp, to(0))
    }

    #[test]
    fn scans_at_full_size() {
        let said = |habits: Habits| match fan_out(&habits.reach, &habits.long_reach) {
            Some(Fact::FanOut { hosts, ports, failed, repeated: false, scattered: false, slow, .. }) => {
                (hosts, ports, failed, slow)
            }
            other => panic!("{other:?}"),
        };
        let (hosts, ports, failed, slow) = said(after(65_536, 2, |number| (number, 445)));
        assert!((52_000..79_000).contains(&hosts) && ports == 1 && failed == 65_536 && !slow, "{hosts}");
        let port = |number: u32| u16::try_from(number % 65_536).unwrap();
        let (hosts, ports, failed, slow) = said(after(65_536, 2, |number| (9, port(number))));
        assert!(hosts == 1 && (52_000..79_000).contains(&ports) && failed == 65_536 && !slow, "{ports}");
        // One host in a quarter of an hour, for two days.
        let (hosts, ports, failed, slow) = said(after(192, 900_000, |number| (number, 22)));
        assert!((24..=60).contains(&hosts) && ports == 1 && failed == u64::from(hosts) && slow, "{hosts}");
    }

    fn vain(attempts: u64, hosts: u32, ports: u32) -> Reach {
        Reach { attempts, hosts, ports, unanswered: attempts, ..Reach::default() }
    }

    #[test]
    fn a_scan_tries_pairs_and_a_peer_scatters() {
        let scattered = |attempts, hosts, ports| is_scattered(&vain(attempts, hosts, ports));
        assert!(scattered(250, 200, 190)); // peers, each on its port
        assert!(!scattered(1000, 1, 1000)); // ports of one host
        assert!(!scattered(250, 250, 1)); // one port of many hosts
        assert!(!scattered(2540, 254, 10)); // ten ports of a network
        assert!(!scattered(1_000_000, 1000, 1000)); // all ports of many hosts
    }

    #[test]
    fn who_watches_repeats() {
        let said = |lately, over_hours| match fan_out(&lately, &over_hours) {
            Some(Fact::FanOut { repeated, slow, .. }) => Some((repeated, slow)),
            _ => None,
        };
        assert_eq!(said(vain(4, 4, 1), vain(4, 4, 1)), None);
        assert_eq!(said(vain(400, 40, 1), vain(400, 40, 1)), Some((true, false)));
        assert_eq!(said(vain(40, 40, 1), vain(4000, 40, 2)), Some((true, false)), "the long window knows");
        assert_eq!(said(vain(80, 40, 1), vain(80, 40, 1)), Some((false, false)), "every SYN twice");
        assert_eq!(said(vain(200, 1, 20), vain(2000, 1, 20)), Some((false, false)), "a scan every hour");
        assert_eq!(said(vain(1, 1, 1), vain(40, 40, 1)), Some((false, true)));
        assert_eq!(said(vain(20, 20, 1), vain(40, 40, 1)), Some((false, false)), "the last minutes say it");
        let works = Reach { answered: 10, ..vain(40, 40, 1) };
        assert_eq!(said(vain(1, 1, 1), works), None, "one in five answered");
    }

    #[test]
    fn half_open_counts_half() {
        let checks = Reach { half_open: 12, unanswered: 4, ..vain(16, 16, 1) };
        let Some(Fact::FanOut { ended, failed, .. }) = fan_out(&checks, &checks) else { panic!("wide") };
        assert_eq!((ended, failed), (10, 4));
    }

    #[test]
    fn strays_sweep_when_they_are_reset() {
        let reach = Reach { refused: 6, unanswered: 18, ..vain(24, 1, 24) };
        assert!(is_sweep_of_strays(&reach));
        assert!(!is_sweep_of_strays(&Reach { refused: 0, ..reach }), "one direction captured");
        assert!(!is_sweep_of_strays(&Reach { answered: 20, ..reach }), "connections that go on");
        assert!(!is_sweep_of_strays(&Reach { hosts: 24, ports: 1, ..reach }), "few of many hosts reset");
        let hosts = |hosts| Reach { hosts, ports: 1, refused: 24, unanswered: 0, ..reach };
        assert!(is_sweep_of_strays(&hosts(200)) && !is_sweep_of_strays(&hosts(24)), "a client that woke up");
    }
}
