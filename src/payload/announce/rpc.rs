//! The portmapper: GETPORT and DUMP replies (RFC 1833 section 3), and rpcbind's universal addresses (section
//! 2.2.1).
//!
//! A reply does not repeat its question. What can be told from a reply alone: a dump and a universal address
//! say everything; a GETPORT reply is a single number, which says neither program nor transport. It is
//! announced for TCP and for UDP with `transport not said in the reply`, and only when the accepted reply
//! holds exactly one number from 1 to 65535 and the speaker does not look like the one who asks. (About 2^-16
//! of other accepted replies of exactly that length would pass, which is why this is read in portmapper
//! conversations only.)

use std::net::{IpAddr, Ipv4Addr};

use super::Notes;
use crate::payload::bytes::{be32, decimal};
use crate::payload::calls::rpc_message;
use crate::wire::Transport::{Tcp, Udp};

/// Reads one reply.
pub(super) fn read(notes: &mut Notes<'_, '_>) {
    if let Some(results) = results(notes) {
        match results.len() {
            4 => number(results, notes),
            _ if be32(results, 0) == Some(1) => dump(results, notes),
            _ => universal(results, notes),
        }
    }
}

/// What follows `accepted, success` in a reply: message type 1, reply status 0, verifier, accept status 0.
fn results<'a>(notes: &Notes<'_, 'a>) -> Option<&'a [u8]> {
    let message = rpc_message(notes.speech.bytes, notes.speech.carrier)?;
    let verifier = usize::try_from(be32(message, 16)?).ok().filter(|len| *len <= 400)?.next_multiple_of(4);
    let accepted = be32(message, 4)? == 1 && be32(message, 8)? == 0 && be32(message, 20 + verifier)? == 0;
    message.get(24 + verifier..).filter(|_| accepted)
}

/// GETPORT: one port number.
fn number(results: &[u8], notes: &mut Notes<'_, '_>) {
    if let Some(port) = be32(results, 0).and_then(|port| u16::try_from(port).ok()) {
        for transport in [Udp, Tcp] {
            notes.add(transport, notes.speech.speaker, port, "portmap", "transport not said in the reply");
        }
    }
}

/// DUMP: a list of (1, program, version, protocol, port), ended by 0.
fn dump(results: &[u8], notes: &mut Notes<'_, '_>) {
    for entry in results.chunks_exact(20) {
        let word = |index: usize| be32(entry, index * 4).unwrap_or(0);
        let transport = match word(3) {
            6 => Tcp,
            17 => Udp,
            _ => return, // rpcbind's dump has text here; it is not read
        };
        let Ok(port) = u16::try_from(word(4)) else { return };
        if word(0) != 1 {
            return;
        }
        let what = format!("program {} version {}", word(1), word(2));
        notes.add(transport, notes.speech.speaker, port, "portmap", &what);
    }
}

/// GETADDR: a universal address `h1.h2.h3.h4.p1.p2` or `ipv6.p1.p2` (RFC 5665 section 5.2.3), as a counted
/// string.
fn universal(results: &[u8], notes: &mut Notes<'_, '_>) {
    let len = be32(results, 0).and_then(|len| usize::try_from(len).ok()).filter(|len| (8..=64).contains(len));
    let fits = len.filter(|len| 4 + len.next_multiple_of(4) == results.len());
    let Some((addr, port)) = fits.and_then(|len| universal_address(&results[4..4 + len])) else { return };
    let addr = if addr.is_unspecified() { notes.speech.speaker } else { addr };
    for transport in [Udp, Tcp] {
        notes.add(transport, addr, port, "portmap", "transport not said in the reply");
    }
}

fn universal_address(text: &[u8]) -> Option<(IpAddr, u16)> {
    let mut parts = text.rsplitn(3, |b| *b == b'.');
    let mut octet = || u8::try_from(decimal(parts.next()?)?).ok();
    let (low, high) = (octet()?, octet()?);
    let host = std::str::from_utf8(parts.next()?).ok()?;
    let addr = host.parse::<Ipv4Addr>().map(IpAddr::V4).or_else(|_| host.parse()).ok()?;
    Some((addr, u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use crate::payload::announce::tests::said;
    use crate::payload::{App, Carrier};

    const ACCEPTED: &[u8] = b"XXXX\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    fn portmap(results: &[u8]) -> Vec<String> {
        said(App::Portmap, Carrier::Datagram, &[ACCEPTED, results].concat())
    }

    #[test]
    fn a_port_alone_is_for_both_transports() {
        let said = portmap(&[0, 0, 0x0b, 0xbf]);
        assert_eq!(said.len(), 2);
        assert!(said.iter().all(|s| s.contains("10.0.0.2 3007 portmap transport not said")), "{said:?}");
        assert!(portmap(&[0, 0, 0, 0]).is_empty() && portmap(&[0, 1, 0, 0]).is_empty());
    }

    #[test]
    fn a_dump_names_programs() {
        let entry = |protocol: u8, port: [u8; 2]| {
            [0, 0, 0, 1, 0, 1, 0x86, 0xa3, 0, 0, 0, 3, 0, 0, 0, protocol, 0, 0, port[0], port[1]]
        };
        let said = portmap(&[&entry(6, [8, 1])[..], &entry(17, [8, 1]), &[0, 0, 0, 0]].concat());
        assert_eq!(
            said,
            [
                "tcp 10.0.0.2 2049 portmap program 100003 version 3",
                "udp 10.0.0.2 2049 portmap program 100003 version 3"
            ]
        );
    }

    #[test]
    fn a_universal_address_is_read() {
        let said = portmap(b"\0\0\0\x0e0.0.0.0.11.191\0\0");
        assert_eq!(said.len(), 2);
        assert!(said[0].starts_with("udp 10.0.0.2 3007 portmap"));
        assert!(portmap(b"\0\0\0\x00").is_empty());
    }

    #[test]
    fn a_record_mark_comes_first_on_a_stream() {
        let bytes = [&[0x80, 0, 0, 0x1c][..], ACCEPTED, &[0, 0, 0x0b, 0xbf]].concat();
        assert_eq!(said(App::Sunrpc, Carrier::Stream, &bytes).len(), 2);
    }
}
