//! The portmapper: GETPORT and DUMP replies (RFC 1833 section 3), and rpcbind's universal addresses (section
//! 2.2.1).
//!
//! A reply does not repeat its question. When the question was heard (same transaction), program and
//! transport are those it names, and replies to questions that name no place announce nothing. A reply alone:
//! a dump says everything; a GETPORT reply is a single number, which says neither program nor transport. It
//! is announced for TCP and for UDP with `transport not said in the reply`, and only when the accepted reply
//! holds exactly one number from 1 to 65535. (About 2^-16
//! of other accepted replies of exactly that length would pass, which is why this is read in portmapper
//! conversations only.)

use std::net::{IpAddr, Ipv4Addr};

use super::Notes;
use crate::payload::bytes::{be32, decimal};
use crate::payload::calls::rpc_message;
use crate::wire::Transport::{self, Tcp, Udp};

/// Reads one reply.
pub(super) fn read(notes: &mut Notes<'_, '_>) {
    let Some(results) = results(notes) else { return };
    let question = question(notes);
    match (results.len(), question) {
        (_, Question::Other) => {}
        (4, Question::Unheard | Question::Port { .. }) => number(results, &question, notes),
        (_, Question::Unheard) if be32(results, 0) == Some(1) => dump(results, notes),
        (_, Question::Dump) => dump(results, notes),
        (_, Question::DumpOfText) => dump_of_text(results, notes),
        (_, Question::Unheard | Question::Address { .. }) => universal(results, &question, notes),
        _ => {}
    }
}

/// Where the record begins that is not whole.
pub(super) fn unfinished(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(mark) = be32(bytes, at) {
        let end = usize::try_from(mark & 0x7fff_ffff).ok().and_then(|len| (at + 4).checked_add(len));
        match end {
            Some(end) if end <= bytes.len() => at = end,
            _ => return at,
        }
    }
    at
}

/// What the reply answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    /// It was not heard.
    Unheard,
    /// GETPORT for a program.
    Port { program: u32, version: u32, transport: Option<Transport> },
    /// GETADDR for a program.
    Address { program: u32, version: u32, transport: Option<Transport> },
    /// DUMP of portmapper version 2.
    Dump,
    /// DUMP of rpcbind, versions 3 and 4: its entries have text.
    DumpOfText,
    /// Something that no port is the answer to.
    Other,
}

impl Question {
    /// The transports it is about, and what it asks for.
    fn about(self) -> (&'static [Transport], String) {
        let (Self::Port { program, version, transport } | Self::Address { program, version, transport }) =
            self
        else {
            return (&[Udp, Tcp], "transport not said in the reply".to_owned());
        };
        let transports: &[Transport] = match transport {
            Some(Tcp) => &[Tcp],
            Some(Udp) => &[Udp],
            _ => &[],
        };
        (transports, format!("program {program} version {version}"))
    }
}

/// The question in what the listener said last, when it has the transaction identifier of this reply.
fn question(notes: &Notes<'_, '_>) -> Question {
    let speech = notes.speech;
    let (Some(call), Some(reply)) =
        (rpc_message(speech.heard, speech.carrier), rpc_message(speech.bytes, speech.carrier))
    else {
        return Question::Unheard;
    };
    if be32(call, 0) != be32(reply, 0) || be32(call, 4) != Some(0) {
        return Question::Unheard;
    }
    asked(call).unwrap_or(Question::Other)
}

/// What a call to program 100000 asks for; `None` for any other call.
fn asked(call: &[u8]) -> Option<Question> {
    const PORTMAPPER: u32 = 100_000;
    if be32(call, 12)? != PORTMAPPER {
        return None;
    }
    let opaque = |at| usize::try_from(be32(call, at)?).ok().filter(|len| *len <= 400);
    let verifier = 32 + opaque(28)?.next_multiple_of(4);
    let arguments = call.get(verifier + 8 + opaque(verifier + 4)?.next_multiple_of(4)..)?;
    let word = |at| be32(arguments, at);
    match (be32(call, 16)?, be32(call, 20)?) {
        (2, 3) => {
            let transport = match word(8)? {
                6 => Some(Tcp),
                17 => Some(Udp),
                _ => None,
            };
            Some(Question::Port { program: word(0)?, version: word(4)?, transport })
        }
        (2, 4) => Some(Question::Dump),
        (3 | 4, 3) => {
            let transport = transport_of(text(arguments, 8)?.0);
            Some(Question::Address { program: word(0)?, version: word(4)?, transport })
        }
        (3 | 4, 4) => Some(Question::DumpOfText),
        _ => None,
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
fn number(results: &[u8], question: &Question, notes: &mut Notes<'_, '_>) {
    if let Some(port) = be32(results, 0).and_then(|port| u16::try_from(port).ok()) {
        let (transports, what) = question.about();
        for transport in transports {
            notes.add(*transport, notes.speech.speaker, port, "portmap", &what);
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
            _ => return dump_of_text(results, notes),
        };
        let Ok(port) = u16::try_from(word(4)) else { return };
        if word(0) != 1 {
            return;
        }
        let what = format!("program {} version {}", word(1), word(2));
        notes.add(transport, notes.speech.speaker, port, "portmap", &what);
    }
}

/// DUMP of rpcbind: a list of (1, program, version, network identifier, universal address, owner), ended by
/// 0 (RFC 1833 section 2.1).
fn dump_of_text(results: &[u8], notes: &mut Notes<'_, '_>) {
    let mut place = 0;
    while be32(results, place) == Some(1) {
        let word = |at: usize| be32(results, place + at).unwrap_or(0);
        let what = format!("program {} version {}", word(4), word(8));
        let entry = text(results, place + 12).and_then(|(network, end)| {
            let (addr, end) = text(results, end)?;
            Some((network, addr, text(results, end)?.1))
        });
        let Some((network, addr, end)) = entry else { return };
        if let (Some(transport), Some((addr, port))) = (transport_of(network), universal_address(addr)) {
            let addr = if addr.is_unspecified() { notes.speech.speaker } else { addr };
            notes.add(transport, addr, port, "portmap", &what);
        }
        place = end;
    }
}

/// A counted string, padded to four bytes, and where what follows it begins.
fn text(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let len = usize::try_from(be32(bytes, at)?).ok().filter(|len| *len <= 255)?;
    Some((bytes.get(at + 4..at + 4 + len)?, at + 4 + len.next_multiple_of(4)))
}

/// Network identifiers (RFC 5665 section 5.1.1): others have no ports.
fn transport_of(network: &[u8]) -> Option<Transport> {
    match network {
        b"tcp" | b"tcp6" => Some(Tcp),
        b"udp" | b"udp6" => Some(Udp),
        _ => None,
    }
}

/// GETADDR: a universal address `h1.h2.h3.h4.p1.p2` or `ipv6.p1.p2` (RFC 5665 section 5.2.3), as a counted
/// string.
fn universal(results: &[u8], question: &Question, notes: &mut Notes<'_, '_>) {
    let len = be32(results, 0).and_then(|len| usize::try_from(len).ok()).filter(|len| (8..=64).contains(len));
    let fits = len.filter(|len| 4 + len.next_multiple_of(4) == results.len());
    let Some((addr, port)) = fits.and_then(|len| universal_address(&results[4..4 + len])) else { return };
    let addr = if addr.is_unspecified() { notes.speech.speaker } else { addr };
    let (transports, what) = question.about();
    for transport in transports {
        notes.add(*transport, addr, port, "portmap", &what);
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
    use crate::payload::announce::tests::{said, speech};
    use crate::payload::{App, Carrier, Speech, announce};

    const ACCEPTED: &[u8] = b"Xid1\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

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

    /// A call of the portmapper with these version, procedure and arguments.
    fn call(version: u8, procedure: u8, arguments: &[u8]) -> Vec<u8> {
        let mut call = b"Xid1\0\0\0\0\0\0\0\x02\0\x01\x86\xa0".to_vec();
        call.extend_from_slice(&[0, 0, 0, version, 0, 0, 0, procedure]);
        call.extend_from_slice(&[0; 16]);
        call.extend_from_slice(arguments);
        call
    }

    fn answered(call: &[u8], results: &[u8]) -> Vec<String> {
        let reply = [ACCEPTED, results].concat();
        let mut out = Vec::new();
        let speech = Speech { heard: call, ..speech(Carrier::Datagram, &reply) };
        announce(App::Portmap, &speech, &mut out);
        out.iter().map(|m| format!("{} {} {}", m.transport.name(), m.port, m.what)).collect()
    }

    #[test]
    fn the_question_says_program_and_transport() {
        let nfs = |protocol: u8| [0, 1, 0x86, 0xa3, 0, 0, 0, 3, 0, 0, 0, protocol, 0, 0, 0, 0];
        let port = [0, 0, 0x0b, 0xbf];
        assert_eq!(answered(&call(2, 3, &nfs(6)), &port), ["tcp 3007 program 100003 version 3"]);
        assert_eq!(answered(&call(2, 3, &nfs(17)), &port), ["udp 3007 program 100003 version 3"]);
        assert!(answered(&call(2, 1, &nfs(17)), &port).is_empty(), "SET answers with a number too");
        let getaddr = b"\0\x01\x86\xa3\0\0\0\x03\0\0\0\x04tcp6\0\0\0\0\0\0\0\0";
        let said = answered(&call(4, 3, getaddr), b"\0\0\0\x0e0.0.0.0.11.191\0\0");
        assert_eq!(said, ["tcp 3007 program 100003 version 3"]);
        let mut other = call(2, 3, &nfs(6));
        other[0] = b'Y';
        assert_eq!(answered(&other, &port).len(), 2, "another transaction");
        for len in 0..call(2, 3, &nfs(6)).len() {
            let _ = answered(&call(2, 3, &nfs(6))[..len], &port);
        }
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
    fn a_dump_of_text_is_read() {
        let text = |text: &str| {
            let mut bytes = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
            bytes.extend(text.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let entry = |network: &str, addr: &str| {
            let program = [0, 0, 0, 1, 0, 1, 0x86, 0xa3, 0, 0, 0, 3];
            [&program[..], &text(network), &text(addr), &text("superuser")].concat()
        };
        let list =
            [entry("local", "/run/rpcbind.sock"), entry("tcp", "0.0.0.0.8.1"), entry("udp6", "::.8.1")];
        let list = [&list.concat()[..], &[0, 0, 0, 0]].concat();
        let want = ["tcp 2049 program 100003 version 3", "udp 2049 program 100003 version 3"];
        assert_eq!(answered(&call(4, 4, &[]), &list), want);
        assert_eq!(portmap(&list).len(), 2, "the question was not heard");
        for len in 0..list.len() {
            assert!(answered(&call(4, 4, &[]), &list[..len]).len() <= 2);
        }
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
