//! What the opening SYN hints about the originator's operating system, and so about the range that its client
//! ports come from.
//!
//! Stacks differ in the initial time to live and in which TCP options they write in which order; both are
//! what passive fingerprinting has gone by for decades (p0f's signatures; Lippmann et al. 2003). Proxies,
//! load balancers and tuned hosts write what they like, so a hint is a hint: it has no weight, and where two
//! systems look alike, or nothing is typical, there is none.
//!
//! Default ranges: Linux `ip_local_port_range` 32768-60999, Windows since Vista and macOS 49152-65535,
//! FreeBSD `net.inet.ip.portrange` 10000-65535, Windows before Vista 1025-5000 (Microsoft KB 929851).

use crate::flow::SynHint;

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const SCALE: u8 = 3;
const SACK: u8 = 4;
const STAMP: u8 = 8;

/// The system a SYN looks like and where its client ports usually are; `None` when it looks like none.
pub(super) fn os_hint(syn: &SynHint) -> Option<&'static str> {
    // Hops count down from 64, 128 or 255; paths longer than 32 hops are rare.
    match (syn.ttl, syn.options.as_slice()) {
        (33..=64, [MSS, SACK, STAMP, NOP, SCALE]) => Some("linux, client ports 32768-60999"),
        (33..=64, [MSS, NOP, SCALE, NOP, NOP, STAMP, SACK, END, ..]) => {
            Some("macos or ios, client ports 49152-65535")
        }
        (33..=64, [MSS, NOP, SCALE, SACK, STAMP]) => Some("freebsd, client ports 10000-65535"),
        (97..=128, [MSS, NOP, SCALE, NOP, NOP, SACK] | [MSS, NOP, SCALE, SACK, STAMP]) => {
            Some("windows, client ports 49152-65535")
        }
        (97..=128, [MSS, NOP, NOP, SACK]) => Some("windows before vista, client ports 1025-5000"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(ttl: u8, options: &[u8]) -> Option<&'static str> {
        os_hint(&SynHint { ttl, window: 64_240, options: options.iter().copied().collect() })
    }

    #[test]
    fn typical_stacks_are_told_apart_some_hops_away() {
        let begins =
            |ttl, options: &[u8], name: &str| hint(ttl, options).is_some_and(|h| h.starts_with(name));
        assert!(begins(64, &[2, 4, 8, 1, 3], "linux"));
        assert!(begins(49, &[2, 4, 8, 1, 3], "linux"));
        assert!(begins(128, &[2, 1, 3, 1, 1, 4], "windows, "));
        assert!(begins(113, &[2, 1, 1, 4], "windows before vista"));
        assert!(begins(64, &[2, 1, 3, 1, 1, 8, 4, 0, 0], "macos"));
        assert!(begins(57, &[2, 1, 3, 4, 8], "freebsd"));
    }

    #[test]
    fn what_fits_no_stack_is_no_hint() {
        assert_eq!(hint(64, &[]), None);
        assert_eq!(hint(64, &[2]), None, "a scanner's SYN");
        assert_eq!(hint(128, &[2, 4, 8, 1, 3]), None, "linux options, another system's hops");
        assert_eq!(hint(255, &[2, 1, 3, 1, 1, 4]), None);
    }
}
