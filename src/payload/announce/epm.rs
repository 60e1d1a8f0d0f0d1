//! The MS-RPC endpoint mapper: replies of `ept_map` and `ept_lookup` carry protocol towers (C706 appendix I
//! and chapter "Endpoint Mapper", [MS-RPCE] section 2.2.1.2).
//!
//! A tower is found by its shape (floor count, then a floor of 19 bytes that names an interface) inside the
//! stub of a *response*, its fragments put together. That holds for NDR and NDR64 and for several PDUs in a
//! segment; a PDU over several segments is joined by [`crate::payload::Conversations`]. Requests carry towers
//! too, with a question in them; they are never read.
//!
//! A client connects to the address it asked, whatever the tower says (the tower of a server behind NAT names
//! its inside address), so both are announced.

use std::net::{IpAddr, Ipv4Addr};

use super::Notes;
use super::interfaces;
use crate::payload::bytes::{be16, le16};
use crate::payload::recognise::Carrier;
use crate::wire::Transport::{self, Tcp, Udp};

/// Reads every response in the message.
pub(super) fn read(notes: &mut Notes<'_, '_>) {
    let bytes = notes.speech.bytes;
    if notes.speech.carrier == Carrier::Datagram {
        // Version 4: packet type 2 is a response, its body follows an 80-byte header.
        if let (Some([4, 2, ..]), Some(body)) = (bytes.get(..2), bytes.get(80..)) {
            towers(body, notes);
        }
        return;
    }
    let mut stub = Vec::new();
    for pdu in pdus(bytes) {
        if pdu.kind == RESPONSE {
            stub.extend_from_slice(pdu.bytes.get(24..).unwrap_or_default());
        }
        if pdu.is_last {
            towers(&stub, notes);
            stub.clear();
        }
    }
    towers(&stub, notes);
}

/// Where the reply begins whose last fragment is not here, or not whole.
pub(super) fn unfinished(bytes: &[u8]) -> usize {
    let (mut from, mut at) = (0, 0);
    for pdu in pdus(bytes) {
        if pdu.bytes.len() < pdu.len {
            return from;
        }
        at += pdu.len;
        if pdu.is_last || pdu.kind != RESPONSE {
            from = at;
        }
    }
    // What follows the last PDU is the beginning of a header, or no RPC at all.
    if bytes.len() - at < 16 || from < at { from } else { bytes.len() }
}

/// Packet type of a response (C706 chapter 12).
const RESPONSE: u8 = 2;

/// One packet of the connection-oriented protocol, as much of it as is here.
struct Pdu<'a> {
    kind: u8,
    is_last: bool,
    len: usize,
    bytes: &'a [u8],
}

/// The packets in these bytes, the first few.
fn pdus(bytes: &[u8]) -> impl Iterator<Item = Pdu<'_>> {
    let mut left = bytes;
    let next = move || {
        let header = left.get(..16)?;
        let number = |at| if header[4] & 0x10 != 0 { le16(header, at) } else { be16(header, at) };
        let len = usize::from(number(8)?);
        if header[0] != 5 || len < 16 {
            return None;
        }
        let bytes = left.get(..len).unwrap_or(left);
        left = left.get(len..).unwrap_or_default();
        Some(Pdu { kind: header[2], is_last: header[3] & 2 != 0, len, bytes })
    };
    std::iter::from_fn(next).take(32)
}

/// Every tower in a stub: two bytes of floor count, then `13 00 0d`: 19 bytes on the left side, an interface
/// identifier.
fn towers(stub: &[u8], notes: &mut Notes<'_, '_>) {
    let mut at = 0;
    while let Some(found) = stub.get(at..).and_then(|rest| rest.windows(5).position(is_tower)) {
        at += found + 2;
        if let Some(tower) = Tower::read(&stub[at..], stub[at - 2]) {
            tower.announce(notes);
        }
    }
}

fn is_tower(window: &[u8]) -> bool {
    matches!(window, [3..=7, 0, 0x13, 0, 0x0d])
}

/// What a tower says: an interface, and where it is.
struct Tower {
    interface: [u8; 16],
    transport: Transport,
    port: u16,
    addr: Option<Ipv4Addr>,
}

impl Tower {
    /// Reads `floors` floors: each a counted left side (protocol and its data) and a counted right side.
    fn read(mut bytes: &[u8], floors: u8) -> Option<Self> {
        let interface: [u8; 16] = bytes.get(3..19)?.try_into().ok()?;
        let (mut meeting, mut addr) = (None, None);
        for _ in 0..floors {
            let left_len = usize::from(le16(bytes, 0)?);
            let left = bytes.get(2..2 + left_len)?;
            let right_len = usize::from(le16(bytes, 2 + left_len)?);
            let right = bytes.get(4 + left_len..4 + left_len + right_len)?;
            match (left, right) {
                // 0x07: TCP; 0x1f: RPC over HTTP, which is TCP too.
                ([0x07 | 0x1f], [high, low]) => meeting = Some((Tcp, u16::from_be_bytes([*high, *low]))),
                ([0x08], [high, low]) => meeting = Some((Udp, u16::from_be_bytes([*high, *low]))),
                ([0x09], [a, b, c, d]) => addr = Some(Ipv4Addr::new(*a, *b, *c, *d)),
                _ => {}
            }
            bytes = &bytes[4 + left_len + right_len..];
        }
        let (transport, port) = meeting?;
        Some(Self { interface, transport, port, addr })
    }

    fn announce(&self, notes: &mut Notes<'_, '_>) {
        let what = interfaces::describe(&self.interface);
        let speaker = notes.speech.speaker;
        notes.add(self.transport, speaker, self.port, "epm", &what);
        if let Some(addr) = self.addr.map(IpAddr::V4).filter(|addr| *addr != speaker) {
            notes.add(self.transport, addr, self.port, "epm", &what);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::payload::announce::tests::said;
    use crate::payload::{App, Carrier};

    /// The tower of an interface at TCP port 1207 (04 b7) of an address, as C706 appendix L lays it out.
    fn tower(interface: &[u8; 16], addr: [u8; 4]) -> Vec<u8> {
        let mut tower = vec![5, 0, 0x13, 0, 0x0d];
        tower.extend_from_slice(interface);
        tower.extend_from_slice(&[0, 0, 2, 0, 0, 0, 0x13, 0, 0x0d]);
        tower.extend_from_slice(&[
            0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0, 0x2b, 0x10, 0x48, 0x60,
        ]);
        tower.extend_from_slice(&[
            2, 0, 2, 0, 0, 0, 1, 0, 0x0b, 2, 0, 0, 0, 1, 0, 7, 2, 0, 4, 0xb7, 1, 0, 9, 4, 0,
        ]);
        tower.extend_from_slice(&addr);
        tower
    }

    /// A response PDU around a stub.
    fn response(kind: u8, stub: &[u8]) -> Vec<u8> {
        let len = u16::try_from(24 + stub.len()).unwrap().to_le_bytes();
        let mut pdu = vec![5, 0, kind, 3, 0x10, 0, 0, 0, len[0], len[1], 0, 0, 1, 0, 0, 0];
        pdu.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0]);
        pdu.extend_from_slice(stub);
        pdu
    }

    const EMSMDB: [u8; 16] =
        [0x00, 0xdb, 0xf1, 0xa4, 0x47, 0xca, 0x67, 0x10, 0xb3, 0x1f, 0x00, 0xdd, 0x01, 0x06, 0x62, 0xda];

    fn stub(addr: [u8; 4]) -> Vec<u8> {
        let mut stub = vec![0; 20]; // the entry handle
        stub.extend_from_slice(&[
            1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 75, 0, 0, 0, 75, 0, 0, 0,
        ]);
        stub.extend_from_slice(&tower(&EMSMDB, addr));
        stub.extend_from_slice(&[0, 0, 0, 0, 0]);
        stub
    }

    #[test]
    fn a_map_reply_names_interface_and_place() {
        let said = said(App::Dcerpc, Carrier::Stream, &response(2, &stub([10, 0, 0, 2])));
        assert_eq!(said, ["tcp 10.0.0.2 1207 epm a4f1db00-ca47-1067-b31f-00dd010662da Exchange EMSMDB"]);
    }

    #[test]
    fn an_inside_address_is_announced_beside_the_one_that_was_asked() {
        let said = said(App::Dcerpc, Carrier::Stream, &response(2, &stub([192, 0, 2, 7])));
        assert_eq!(said.len(), 2);
        assert!(
            said[0].starts_with("tcp 10.0.0.2 1207 epm") && said[1].starts_with("tcp 192.0.2.7 1207 epm")
        );
    }

    #[test]
    fn an_unspecified_address_is_the_servers_own() {
        let said = said(App::Dcerpc, Carrier::Stream, &response(2, &stub([0; 4])));
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("tcp 10.0.0.2 1207 epm"));
    }

    #[test]
    fn several_towers_and_the_wider_representation() {
        // NDR64 ([MS-RPCE] section 2.2.5): counts and pointers of eight bytes, towers as they are.
        let mut stub = vec![0; 24];
        stub.extend([2_u64, 4, 0, 2, 3, 4, 75, 75].iter().flat_map(|word| word.to_le_bytes()));
        stub.extend(tower(&EMSMDB, [10, 0, 0, 2]));
        stub.extend([0; 5]);
        stub.extend(tower(&[0x11; 16], [10, 0, 0, 2]));
        stub.extend([0; 9]);
        assert_eq!(said(App::Dcerpc, Carrier::Stream, &response(2, &stub)).len(), 2);
    }

    #[test]
    fn a_big_endian_server_is_understood() {
        // The header's numbers follow the sender's order; towers are always little-endian (C706 appendix L).
        let mut pdu = response(2, &stub([10, 0, 0, 2]));
        pdu[4] = 0;
        pdu.swap(8, 9);
        assert_eq!(said(App::Dcerpc, Carrier::Stream, &pdu).len(), 1);
        assert_eq!(super::unfinished(&pdu), pdu.len());
    }

    #[test]
    fn requests_announce_nothing() {
        assert!(said(App::Dcerpc, Carrier::Stream, &response(0, &stub([10, 0, 0, 2]))).is_empty());
    }

    #[test]
    fn a_tower_over_two_fragments_is_put_together() {
        let stub = stub([10, 0, 0, 2]);
        let (mut first, last) = (response(2, &stub[..90]), response(2, &stub[90..]));
        first[3] = 1;
        assert_eq!(super::unfinished(&first), 0);
        let whole = [first, last].concat();
        assert_eq!(super::unfinished(&whole), whole.len());
        assert_eq!(said(App::Dcerpc, Carrier::Stream, &whole).len(), 1);
    }

    #[test]
    fn every_cut_is_safe() {
        let whole = response(2, &stub([10, 0, 0, 2]));
        for len in 0..whole.len() {
            let _ = said(App::Dcerpc, Carrier::Stream, &whole[..len]);
            assert_eq!(super::unfinished(&whole[..len]), 0);
        }
    }
}
