//! Tunnels above UDP: VXLAN, GENEVE, GTP-U, Teredo, L2TP.
//!
//! A port alone proves nothing, so a header must be right in every bit that is fixed and its inside must
//! decode. On the documented port that is enough. On any other port only what cannot be chance is taken for a
//! tunnel: an inner IPv4 header whose checksum is right and whose length fits, or Teredo's own address prefix
//! with the exact length.
//!
//! Invariant: an error only says that this is no tunnel that can be followed; the outer datagram stands as it
//! is.

use etherparse::{Ethernet2HeaderSlice, Ipv4HeaderSlice, Ipv6HeaderSlice};

use crate::wire::Skip;
use crate::wire::decoder::Walk;
use crate::wire::ether::kind;
use crate::wire::span::Span;

impl<'a> Walk<'a, '_> {
    /// Follows what a UDP datagram carries, when it is a tunnel.
    #[inline]
    pub(super) fn udp_inside(&mut self, ports: (u16, u16), payload: Span<'a>) -> Result<(), Skip> {
        // No tunnel header with an inner header is shorter than Teredo's: 40 bytes; GTP-U's: 8 + 20.
        let Some(head) = payload.bytes.first_chunk::<28>() else { return Err(Skip::Tunnel) };
        let listed = |port: u16| matches!(port, 1701 | 2152 | 3544 | 4789 | 4790 | 6081 | 8472);
        if listed(ports.1) {
            return self.deeper(|walk| walk.listed_tunnel(ports.1, payload));
        }
        if listed(ports.0) {
            return self.deeper(|walk| walk.listed_tunnel(ports.0, payload));
        }
        match head {
            [0x30..=0x37, 0xff, ..] | [0x60..=0x6f, ..] => self.unlisted_tunnel(payload),
            [0x08, 0, 0, 0, _, _, _, 0, ..] | [0..=0x3f, _, 0x65, 0x58, _, _, _, 0, ..] => {
                self.unlisted_tunnel(payload)
            }
            _ => Err(Skip::Tunnel),
        }
    }

    #[cold]
    fn listed_tunnel(&mut self, port: u16, span: Span<'a>) -> Result<(), Skip> {
        match port {
            1701 => self.l2tp(span),
            2152 => self.ip(gtp(span, self.in_fragment).ok_or(Skip::Tunnel)?),
            3544 => self.ipv6(teredo(span, self.in_fragment).ok_or(Skip::Tunnel)?),
            6081 => {
                let (protocol, inner) = geneve(span).ok_or(Skip::Tunnel)?;
                self.tunnelled(protocol, inner)
            }
            _ => {
                let (protocol, inner) = vxlan(span).ok_or(Skip::Tunnel)?;
                self.tunnelled(protocol, inner)
            }
        }
    }

    /// On a port that is not a tunnel's: the inside must prove itself.
    #[cold]
    fn unlisted_tunnel(&mut self, span: Span<'a>) -> Result<(), Skip> {
        if let Some(inner) = gtp(span, self.in_fragment).filter(|inner| is_sound_ipv4(*inner)) {
            return self.deeper(|walk| walk.ipv4(inner));
        }
        if let Some(inner) = teredo(span, false).filter(|inner| is_teredo_ipv6(*inner)) {
            return self.deeper(|walk| walk.ipv6(inner));
        }
        match vxlan(span).or_else(|| geneve(span)) {
            Some((kind::BRIDGED, inner)) if is_sound_ethernet(inner) => {
                self.deeper(|walk| walk.ethernet(inner))
            }
            _ => Err(Skip::Tunnel),
        }
    }

    fn tunnelled(&mut self, protocol: u16, inner: Span<'a>) -> Result<(), Skip> {
        match protocol {
            kind::BRIDGED => self.ethernet(inner),
            _ if kind::is_followed(protocol) => self.ether_type(protocol, inner),
            _ => Err(Skip::Tunnel),
        }
    }

    /// L2TP version 2 data messages (RFC 2661 section 3.1): PPP behind optional length, sequence numbers and
    /// offset.
    fn l2tp(&mut self, span: Span<'a>) -> Result<(), Skip> {
        const CONTROL: u16 = 0x8000;
        const LENGTH: u16 = 0x4000;
        const SEQUENCE: u16 = 0x0800;
        const OFFSET: u16 = 0x0200;
        const RESERVED: u16 = 0x34f0;
        let flags = span.u16(0).ok_or(Skip::Tunnel)?;
        let mut at = 2;
        if flags & 0x000f != 2 || flags & (CONTROL | RESERVED) != 0 {
            return Err(Skip::Tunnel);
        }
        let mut span = span;
        if flags & LENGTH != 0 {
            let length = usize::from(span.u16(at).ok_or(Skip::Tunnel)?);
            if length > span.wire {
                return Err(Skip::Tunnel);
            }
            span = span.first(length);
            at += 2;
        }
        at += 4 + if flags & SEQUENCE != 0 { 4 } else { 0 };
        if flags & OFFSET != 0 {
            at += 2 + usize::from(span.u16(at).ok_or(Skip::Tunnel)?);
        }
        self.ppp(span.after(at).ok_or(Skip::Tunnel)?)
    }
}

/// GTP-U version 1 (3GPP TS 29.281 section 5): a G-PDU and its extension headers; inside is IP.
fn gtp(span: Span<'_>, in_fragment: bool) -> Option<Span<'_>> {
    const G_PDU: u8 = 0xff;
    const ANY_OPTION: u8 = 0x07;
    const EXTENSION: u8 = 0x04;
    let (flags, length) = (span.u8(0)?, usize::from(span.u16(2)?) + 8);
    // Version 1, protocol type GTP, spare bit zero.
    if flags & 0xf8 != 0x30 || span.u8(1)? != G_PDU || (length > span.wire && !in_fragment) {
        return None;
    }
    let span = span.first(length);
    if flags & ANY_OPTION == 0 {
        return span.after(8);
    }
    let mut rest = span.after(12)?;
    let mut next = if flags & EXTENSION == 0 { 0 } else { span.u8(11)? };
    while next != 0 {
        let length = usize::from(rest.u8(0)?) * 4;
        next = rest.u8(length.checked_sub(1)?)?;
        rest = rest.after(length)?;
    }
    Some(rest)
}

/// VXLAN (RFC 7348), with a group policy (draft-smith-vxlan-group-policy) or as VXLAN-GPE
/// (draft-ietf-nvo3-vxlan-gpe): the EtherType of the inside, and the inside.
fn vxlan(span: Span<'_>) -> Option<(u16, Span<'_>)> {
    let [flags, a, b, next, _, _, _, reserved] = span.array(0)?;
    let inner = span.after(8)?;
    match (flags, a, b, next, reserved) {
        (0x08, 0, 0, 0, 0) | (0x88, 0..=0x7f, _, _, 0) => Some((kind::BRIDGED, inner)),
        (0x0c, 0, 0, 1, 0) => Some((kind::IPV4, inner)),
        (0x0c, 0, 0, 2, 0) => Some((kind::IPV6, inner)),
        (0x0c, 0, 0, 3, 0) => Some((kind::BRIDGED, inner)),
        _ => None,
    }
}

/// GENEVE (RFC 8926 section 3.4): the EtherType of the inside, and the inside.
fn geneve(span: Span<'_>) -> Option<(u16, Span<'_>)> {
    let [version, flags, a, b, _, _, _, reserved] = span.array(0)?;
    if version >> 6 != 0 || flags & 0xbf != 0 || reserved != 0 {
        return None; // another version, a control packet, or reserved bits set
    }
    Some((u16::from_be_bytes([a, b]), span.after(8 + 4 * usize::from(version & 0x3f))?))
}

/// Teredo (RFC 4380 section 5.1.1): an authentication and an origin indication may come before the IPv6
/// packet.
fn teredo(span: Span<'_>, in_fragment: bool) -> Option<Span<'_>> {
    let mut span = span;
    if span.u16(0)? == 1 {
        span = span.after(13 + usize::from(span.u8(2)?) + usize::from(span.u8(3)?))?;
    }
    if span.u16(0)? == 0 {
        span = span.after(8)?;
    }
    let length = 40 + usize::from(span.u16(4)?);
    let exact = length == span.wire || (length > span.wire && in_fragment);
    (span.u8(0)? >> 4 == 6 && exact).then_some(span)
}

/// True when an address of this IPv6 packet is a Teredo address (2001::/32, RFC 4380 section 2.6).
fn is_teredo_ipv6(span: Span<'_>) -> bool {
    let is_teredo = |octets: [u8; 16]| octets.starts_with(&[0x20, 0x01, 0, 0]);
    Ipv6HeaderSlice::from_slice(span.bytes)
        .is_ok_and(|header| is_teredo(header.source()) || is_teredo(header.destination()))
}

/// True for an IPv4 header with the right checksum whose total length fits.
fn is_sound_ipv4(span: Span<'_>) -> bool {
    Ipv4HeaderSlice::from_slice(span.bytes).is_ok_and(|header| {
        let sum: u32 = header
            .slice()
            .chunks_exact(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        let total = usize::from(header.total_len());
        folded == 0xffff && (header.slice().len()..=span.wire).contains(&total)
    })
}

/// True for an Ethernet header above a sound IPv4 header.
fn is_sound_ethernet(span: Span<'_>) -> bool {
    Ethernet2HeaderSlice::from_slice(span.bytes).is_ok_and(|header| header.ether_type().0 == kind::IPV4)
        && span.after(14).is_some_and(is_sound_ipv4)
}

#[cfg(test)]
mod tests {
    use crate::wire::samples::{TCP4, UDP6, behind, decode, ends, ethernet, tcp4, udp4, udp6};
    use crate::wire::{Role, Transport};
    use proptest::prelude::*;

    const GTP: [u8; 8] = [0x30, 0xff, 0, 46, 0, 0, 0, 1];

    fn teredo6() -> Vec<u8> {
        let mut inner = udp6();
        inner[8..12].copy_from_slice(&[0x20, 1, 0, 0]);
        inner
    }

    fn tunnels() -> Vec<(u16, Vec<u8>, &'static str)> {
        let inner = ethernet(0x0800, &tcp4());
        let gtp_ext = [0x34, 0xff, 0, 54, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 0, 0];
        let teredo = "udp [2001::1]:2000 [fd00::2]:53";
        let auth = [&[0, 1, 1, 2, 9, 8, 8][..], &[0; 9], &[0, 0, 1, 2, 3, 4, 5, 6]].concat();
        vec![
            (4789, behind(&[8, 0, 0, 0, 0, 0, 9, 0], &inner), TCP4),
            (8472, behind(&[0x88, 0, 0, 5, 0, 0, 9, 0], &inner), TCP4),
            (4790, behind(&[0x0c, 0, 0, 1, 0, 0, 9, 0], &tcp4()), TCP4),
            (4790, behind(&[0x0c, 0, 0, 2, 0, 0, 9, 0], &udp6()), UDP6),
            (6081, behind(&[0, 0, 0x65, 0x58, 0, 0, 9, 0], &inner), TCP4),
            (6081, behind(&[1, 0x40, 0x86, 0xdd, 0, 0, 9, 0, 1, 2, 3, 0], &udp6()), UDP6),
            (2152, behind(&GTP, &tcp4()), TCP4),
            (2152, behind(&gtp_ext, &tcp4()), TCP4),
            (3544, teredo6(), teredo),
            (3544, behind(&auth, &teredo6()), teredo),
            (1701, behind(&[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21], &tcp4()), TCP4),
            (1701, behind(&[0x4a, 2, 0, 64, 0, 1, 0, 2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x21], &tcp4()), TCP4),
            (50_000, behind(&GTP, &tcp4()), TCP4),
            (50_000, behind(&[8, 0, 0, 0, 0, 0, 9, 0], &inner), TCP4),
            (50_000, behind(&[0, 0, 0x65, 0x58, 0, 0, 9, 0], &inner), TCP4),
            (50_000, teredo6(), teredo),
        ]
    }

    #[test]
    fn the_carrier_comes_first_and_then_the_inside() {
        for (port, payload, inner) in tunnels() {
            for ports in [(40_000, port), (port, 40_000)] {
                let packet = udp4(ports, &payload);
                let outer = format!("udp 192.0.2.1:{} 192.0.2.2:{}", ports.0, ports.1);
                assert_eq!(
                    ends(101, &packet),
                    [outer.as_str(), inner],
                    "port {port}, {:02x?}",
                    &payload[..8]
                );
                let packets = decode(101, &packet).unwrap();
                assert_eq!((packets[0].role, packets[1].role), (Role::Carrier, Role::Segment));
                assert_eq!(packets[0].payload, payload);
            }
        }
    }

    #[test]
    fn a_tunnel_cut_anywhere_is_at_least_its_outer_packet() {
        for (port, payload, _) in tunnels() {
            for length in 0..payload.len() {
                let packets = decode(101, &udp4((40_000, port), &payload[..length])).unwrap();
                assert_eq!(packets[0].transport, Transport::Udp);
                assert_eq!(packets[0].role == Role::Carrier, packets.len() > 1);
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_tunnel_stays_a_datagram() {
        let arp = ethernet(0x0806, &[0; 28]);
        let mut bad_checksum = tcp4();
        bad_checksum[10] ^= 1;
        for (port, payload) in [
            (4789, behind(&[8, 0, 0, 0, 0, 0, 9, 0], &arp)),
            (4789, vec![0x12; 60]),
            (2152, behind(&[0x32, 1, 0, 4], &[0; 40])),
            (6081, behind(&[0, 0x80, 0x65, 0x58, 0, 0, 9, 0], &arp)),
            (50_000, behind(&GTP, &bad_checksum)),
            (50_000, udp6()),
        ] {
            let packets = decode(101, &udp4((40_000, port), &payload)).unwrap();
            assert_eq!((packets.len(), packets[0].role), (1, Role::Segment), "port {port}");
        }
    }

    proptest! {
        #[test]
        fn any_change_to_a_tunnel_holds_the_contract(
            place in 0..16usize,
            changes in prop::collection::vec((0..130usize, any::<u8>()), 0..6),
        ) {
            let (port, payload, _) = tunnels().swap_remove(place);
            let mut packet = udp4((40_000, port), &payload);
            for (at, byte) in changes {
                if let Some(old) = packet.get_mut(at) {
                    *old = byte;
                }
            }
            let _ = decode(101, &packet);
        }
    }
}
