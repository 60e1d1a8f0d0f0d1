//! ICMP and ICMPv6 errors: whose packet they quote.
//!
//! An error belongs to the flow of the packet it quotes, so that a refused UDP question or a TCP connection
//! behind a firewall is seen as refused. Everything else in ICMP has no ports and is skipped.

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use crate::wire::decoder::{Net, Walk};
use crate::wire::span::Span;
use crate::wire::{Role, Skip, Transport};

/// RFC 792: destination unreachable, source quench, time exceeded, parameter problem. A redirect (5) quotes a
/// packet too, but that packet went on its way.
const V4_ERRORS: [u8; 4] = [3, 4, 11, 12];
/// RFC 4443: destination unreachable, packet too big, time exceeded, parameter problem.
const V6_ERRORS: [u8; 4] = [1, 2, 3, 4];
const ICMP_LEN: usize = 8;
/// Extension headers followed inside a quote.
const QUOTED_EXTENSIONS: usize = 8;

impl<'a> Walk<'a, '_> {
    #[cold]
    pub(super) fn icmp(&mut self, span: Span<'a>, net: &Net, v6: bool) -> Result<(), Skip> {
        let (Some(kind), Some(code)) = (span.u8(0), span.u8(1)) else { return Err(Skip::TransportTruncated) };
        let errors = if v6 { V6_ERRORS } else { V4_ERRORS };
        if !errors.contains(&kind) {
            return Err(Skip::Icmp);
        }
        let quoted =
            span.after(ICMP_LEN).and_then(|quote| if v6 { quoted_v6(quote) } else { quoted_v4(quote) });
        let (transport, addresses, ports) = quoted.ok_or(Skip::Icmp)?;
        let place = self.place();
        let quoted = Net { src: addresses.0, dst: addresses.1, ..*net };
        self.push(transport, &quoted, ports, Span::new(&[], 0));
        if let Some(packet) = self.packet(place) {
            packet.role = Role::IcmpError { from: net.src, v6, kind, code };
        }
        Ok(())
    }
}

type Quoted = (Transport, (IpAddr, IpAddr), (u16, u16));

fn quoted_v4(quote: Span<'_>) -> Option<Quoted> {
    let header = Ipv4HeaderSlice::from_slice(quote.bytes).ok()?;
    if header.fragments_offset().value() != 0 {
        return None;
    }
    let addresses = (header.source_addr().into(), header.destination_addr().into());
    let (transport, ports) = ports_of(header.protocol().0, quote.after(header.slice().len())?)?;
    Some((transport, addresses, ports))
}

fn quoted_v6(quote: Span<'_>) -> Option<Quoted> {
    let header = Ipv6HeaderSlice::from_slice(quote.bytes).ok()?;
    let addresses = (header.source_addr().into(), header.destination_addr().into());
    let mut next = header.next_header().0;
    let mut rest = quote.after(header.slice().len())?;
    for _ in 0..QUOTED_EXTENSIONS {
        let length = match next {
            0 | 43 | 60 | 135 => (usize::from(rest.u8(1)?) + 1) * 8,
            44 if rest.u16(2)? >> 3 == 0 => 8,
            51 => (usize::from(rest.u8(1)?) + 2) * 4,
            _ => break,
        };
        next = rest.u8(0)?;
        rest = rest.after(length)?;
    }
    let (transport, ports) = ports_of(next, rest)?;
    Some((transport, addresses, ports))
}

fn ports_of(protocol: u8, rest: Span<'_>) -> Option<(Transport, (u16, u16))> {
    let transport = Transport::ALL.into_iter().find(|&transport| transport as u8 == protocol)?;
    Some((transport, (rest.u16(0)?, rest.u16(2)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::{TCP4, UDP6, behind, decode, ends, ipv4, ipv6, tcp4, udp6};

    #[test]
    fn errors_name_the_quoted_flow() {
        let packet = ipv4(1, &behind(&[3, 1, 0, 0, 0, 0, 0, 0], &tcp4()[..28]));
        assert_eq!(ends(101, &packet), [TCP4]);
        let role = decode(101, &packet).unwrap()[0].role;
        let from = "172.16.0.1".parse().unwrap();
        assert_eq!(role, Role::IcmpError { from, v6: false, kind: 3, code: 1 });
        let packet = ipv6(58, &behind(&[1, 4, 0, 0, 0, 0, 0, 0], &udp6()));
        assert_eq!(ends(101, &packet), [UDP6]);
        for length in 0..packet.len() {
            let _ = decode(101, &packet[..length]);
        }
    }

    #[test]
    fn what_quotes_no_ports_is_skipped() {
        let header = |kind: u8| [kind, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(101, &ipv4(1, &behind(&header(3), &tcp4()[..23]))), Err(Skip::Icmp));
        assert_eq!(decode(101, &ipv4(1, &behind(&header(8), &tcp4()))), Err(Skip::Icmp));
        assert_eq!(decode(101, &ipv4(1, &behind(&header(3), &ipv4(1, &[8; 8])))), Err(Skip::Icmp));
        assert_eq!(decode(101, &ipv6(58, &[135, 0, 0, 0])), Err(Skip::Icmp));
        assert_eq!(decode(101, &ipv4(1, &[])), Err(Skip::TransportTruncated));
    }
}
