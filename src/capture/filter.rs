//! A BPF expression applied to the frames of files, compiled by libpcap once per link type.
//!
//! Which link types a file holds is known only when it is read, so an expression counts as wrong only when it
//! compiles for none of the usual ones; on a link type it cannot be used with, no frame passes, and that is
//! said once.
//!
//! Invariants: a frame is judged by its captured bytes (`len`, `less` and `greater` see the captured length);
//! at most [`PROGRAMS_MAX`] programs are kept.

use pcap::{BpfProgram, Capture, Linktype};

use super::Error;
use super::burst::LinkType;

/// Most link types that one run compiles the expression for.
const PROGRAMS_MAX: usize = 64;

/// Link types tried before an expression is called wrong: an expression about 802.11 frames is none about
/// Ethernet.
const USUAL: [LinkType; 7] = [
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::NULL,
    LinkType(105), // IEEE 802.11
    LinkType(127), // IEEE 802.11 with radiotap
];

/// A filter expression and what it was compiled to.
pub(super) struct Filter {
    expression: String,
    programs: Vec<(LinkType, Option<BpfProgram>)>,
    /// Link types that it cannot be used with, not yet reported.
    pub(super) refusals: Vec<String>,
}

impl Filter {
    /// Compiles the expression.
    ///
    /// # Errors
    /// [`Error::Filter`] when it compiles for no usual link type, with what libpcap says about Ethernet.
    pub(super) fn new(expression: &str) -> Result<Self, Error> {
        let mut first = None;
        for link in USUAL {
            match compile(expression, link) {
                Ok(_) => {
                    return Ok(Self {
                        expression: expression.into(),
                        programs: Vec::new(),
                        refusals: Vec::new(),
                    });
                }
                Err(why) => first = first.or(Some(why)),
            }
        }
        Err(Error::Filter { why: format!("{} (in: {expression})", first.unwrap_or_default()) })
    }

    /// True when the frame passes.
    pub(super) fn passes(&mut self, link: LinkType, bytes: &[u8]) -> bool {
        let known = self.programs.iter().position(|(known, _)| *known == link);
        let index = known.unwrap_or_else(|| self.learn(link));
        matches!(self.programs.get(index), Some((_, Some(program))) if program.filter(bytes))
    }

    /// Compiles for another link type; gives its index.
    fn learn(&mut self, link: LinkType) -> usize {
        if self.programs.len() >= PROGRAMS_MAX {
            return usize::MAX;
        }
        let program = compile(&self.expression, link).map_err(|why| {
            let link = link.0;
            self.refusals
                .push(format!("frames of link type {link} are left out: the filter fails on it ({why})"));
        });
        self.programs.push((link, program.ok()));
        if self.programs.len() == PROGRAMS_MAX {
            self.refusals
                .push("too many link types for a filter: frames of further ones are left out".into());
        }
        self.programs.len() - 1
    }
}

fn compile(expression: &str, link: LinkType) -> Result<BpfProgram, String> {
    let handle = Capture::dead(Linktype(dlt(link))).map_err(|error| super::said(&error))?;
    handle.compile(expression, true).map_err(|error| super::said(&error))
}

/// libpcap's own number of a link type. Savefiles and the library differ in a few, libpcap's pcap-common.c.
fn dlt(link: LinkType) -> i32 {
    match link.0 {
        100 => 11, // ATM with RFC 1483 encapsulation
        101 => 12, // raw IP
        102 => 15, // SLIP of BSD/OS
        103 => 16, // PPP of BSD/OS
        other => i32::try_from(other).unwrap_or(i32::MAX),
    }
}

/// The savefile number of one of libpcap's own numbers.
pub(super) fn link_type(dlt: i32) -> LinkType {
    LinkType(match dlt {
        11 => 100,
        12 => 101,
        15 => 102,
        16 => 103,
        other => u32::try_from(other).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with an IPv4 UDP packet from port 53.
    const DNS: [u8; 42] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10,
        0, 0, 2, 0, 53, 0x30, 0x39, 0, 8, 0, 0,
    ];

    #[test]
    fn one_expression_serves_several_link_types() {
        let mut filter = Filter::new("udp port 53").unwrap();
        assert!(filter.passes(LinkType::ETHERNET, &DNS));
        assert!(filter.passes(LinkType::RAW, &DNS[14..]));
        assert!(filter.passes(LinkType::RAW_BSD, &DNS[14..]));
        assert!(!filter.passes(LinkType::ETHERNET, &DNS[..20]));
        assert!(!filter.passes(LinkType::ETHERNET, &[]));
        assert!(filter.refusals.is_empty());
    }

    #[test]
    fn a_wrong_expression_is_refused_and_an_unusual_one_is_not() {
        let Err(Error::Filter { why }) = Filter::new("tcp prot 80") else { panic!("it must be refused") };
        assert!(why.contains("tcp prot 80"), "{why}");
        assert!(Filter::new("type mgt").is_ok());
        assert!(Filter::new("tcp\0").is_err());
    }

    #[test]
    fn link_types_it_cannot_be_used_with_are_said_once_and_bounded() {
        let mut filter = Filter::new("udp").unwrap();
        for _ in 0..3 {
            assert!(!filter.passes(LinkType(9999), &DNS));
        }
        assert_eq!(filter.refusals.len(), 1);
        for link in 20_000..30_000 {
            assert!(!filter.passes(LinkType(link), &DNS));
        }
        assert!(filter.programs.len() == PROGRAMS_MAX && filter.refusals.len() <= PROGRAMS_MAX + 1);
    }
}
