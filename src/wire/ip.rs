//! IPv4 and IPv6: header, extension headers, and the way on to the transport, a tunnel, or the fragments.
//!
//! The addresses of a flow are those of the IP header, as everybody on the path saw them: routing headers and
//! home address options are passed, not obeyed. Wireshark, Suricata and firewalls log the same.

use etherparse::{
    IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, err,
};

use crate::wire::Skip;
use crate::wire::decoder::{Net, Walk};
use crate::wire::fragment::{Key, Piece};
use crate::wire::span::Span;

/// IP protocol numbers (IANA "Protocol Numbers").
pub(super) mod number {
    pub(crate) const HOP_BY_HOP: u8 = 0;
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const ROUTING: u8 = 43;
    pub(crate) const FRAGMENT: u8 = 44;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const AUTHENTICATION: u8 = 51;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const DESTINATION: u8 = 60;
    pub(crate) const IPIP: u8 = 94;
    pub(crate) const ETHERIP: u8 = 97;
    pub(crate) const SCTP: u8 = 132;
    pub(crate) const MOBILITY: u8 = 135;
    pub(crate) const MPLS: u8 = 137;
    pub(crate) const HIP: u8 = 139;
    pub(crate) const SHIM6: u8 = 140;
}

/// Extension headers in one chain; RFC 8200 section 4.1 knows seven kinds, each once or twice.
const EXTENSIONS: usize = 16;

impl<'a> Walk<'a, '_> {
    /// IP of the version that the first four bits say.
    pub(super) fn ip(&mut self, span: Span<'a>) -> Result<(), Skip> {
        match span.u8(0).map(|byte| byte >> 4) {
            Some(4) => self.ipv4(span),
            Some(6) => self.ipv6(span),
            Some(_) => Err(Skip::IpMalformed),
            None => Err(Skip::IpTruncated),
        }
    }

    #[inline]
    pub(super) fn ipv4(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let header = Ipv4HeaderSlice::from_slice(span.bytes).map_err(|e| match e {
            err::ipv4::HeaderSliceError::Len(_) => Skip::IpTruncated,
            err::ipv4::HeaderSliceError::Content(_) => Skip::IpMalformed,
        })?;
        let length = header.slice().len();
        let total = usize::from(header.total_len());
        let whole = match total {
            0 => span, // an offloaded super-frame: the length did not fit
            _ if total < length => return Err(Skip::IpMalformed),
            _ => self.of_length(span, total),
        };
        let rest = Span { bytes: &whole.bytes[length..], wire: whole.wire - length };
        let net = Net {
            src: header.source_addr().into(),
            dst: header.destination_addr().into(),
            ttl: header.ttl(),
            fragmented: false,
            short: whole.wire < total,
        };
        let protocol = header.protocol().0;
        if header.is_fragmenting_payload() {
            let id = u32::from(header.identification());
            let key = Key { src: net.src, dst: net.dst, id, protocol, vlan: self.vlan };
            let at = header.fragments_offset().byte_offset();
            return self.fragment(
                key,
                Piece { at: u32::from(at), more: header.more_fragments(), span: rest },
                protocol,
                &net,
            );
        }
        self.above_ip(protocol, rest, &net)
    }

    pub(super) fn ipv6(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let header = Ipv6HeaderSlice::from_slice(span.bytes).map_err(|e| match e {
            err::ipv6::HeaderSliceError::Len(_) => Skip::IpTruncated,
            err::ipv6::HeaderSliceError::Content(_) => Skip::IpMalformed,
        })?;
        let rest = Span { bytes: &span.bytes[40..], wire: span.wire - 40 };
        let length = usize::from(header.payload_length());
        let rest = match length {
            0 => rest, // a jumbogram (RFC 2675) or an offloaded super-frame
            _ => self.of_length(rest, length),
        };
        let net = Net {
            src: header.source_addr().into(),
            dst: header.destination_addr().into(),
            ttl: header.hop_limit(),
            fragmented: false,
            short: rest.wire < length,
        };
        self.above_ip(header.next_header().0, rest, &net)
    }

    /// A packet of the length its header says. In a tunnel whose outer packet is fragmented the header knows
    /// better than the fragment how long it is; otherwise the frame does.
    #[inline]
    fn of_length(&self, span: Span<'a>, length: usize) -> Span<'a> {
        if length > span.wire && self.carrier_in_fragment {
            return Span { bytes: span.bytes, wire: length };
        }
        span.first(length)
    }

    /// What an IP header of either version carries.
    #[inline]
    pub(super) fn above_ip(&mut self, protocol: u8, span: Span<'a>, net: &Net) -> Result<(), Skip> {
        match protocol {
            number::TCP => self.tcp(span, net),
            number::UDP => self.udp(span, net),
            _ => self.above_ip_rare(protocol, span, net),
        }
    }

    #[cold]
    fn above_ip_rare(&mut self, protocol: u8, span: Span<'a>, net: &Net) -> Result<(), Skip> {
        let v6 = net.src.is_ipv6();
        match protocol {
            number::SCTP => self.sctp(span, net),
            number::ICMP => self.icmp(span, net, false),
            number::ICMPV6 => self.icmp(span, net, true),
            number::IPV4 | number::IPIP => self.deeper(|walk| walk.ip(span)),
            number::IPV6 => self.deeper(|walk| walk.ipv6(span)),
            number::GRE => self.gre(span),
            number::ETHERIP => {
                let inner = span.after(2).ok_or(Skip::Tunnel)?; // RFC 3378: a version, and nothing else
                self.deeper(|walk| walk.ethernet(inner))
            }
            number::MPLS => self.deeper(|walk| walk.mpls(span)),
            number::AUTHENTICATION => self.extensions(protocol, span, net),
            _ if v6 && is_extension(protocol) => self.extensions(protocol, span, net),
            _ => Err(Skip::NoPorts),
        }
    }

    /// A chain of extension headers, beginning with one of kind `next`. AH (RFC 4302) stands above IPv4 too.
    fn extensions(&mut self, mut next: u8, mut span: Span<'a>, net: &Net) -> Result<(), Skip> {
        for _ in 0..EXTENSIONS {
            let length = match next {
                number::AUTHENTICATION => {
                    let header = IpAuthHeaderSlice::from_slice(span.bytes).map_err(|_| Skip::IpExtension)?;
                    next = header.next_header().0;
                    header.slice().len()
                }
                number::FRAGMENT => {
                    let header =
                        Ipv6FragmentHeaderSlice::from_slice(span.bytes).map_err(|_| Skip::IpExtension)?;
                    let rest = span.after(header.slice().len()).ok_or(Skip::IpExtension)?;
                    if header.is_fragmenting_payload() && net.fragmented {
                        return Err(Skip::IpExtension);
                    }
                    if header.is_fragmenting_payload() {
                        return self.ipv6_fragment(&header, rest, net);
                    }
                    next = header.next_header().0;
                    header.slice().len()
                }
                _ if is_extension(next) => {
                    let header =
                        Ipv6RawExtHeaderSlice::from_slice(span.bytes).map_err(|_| Skip::IpExtension)?;
                    next = header.next_header().0;
                    header.slice().len()
                }
                _ => return self.above_ip(next, span, net),
            };
            span = span.after(length).ok_or(Skip::IpExtension)?;
        }
        Err(Skip::IpExtension)
    }

    fn ipv6_fragment(
        &mut self,
        header: &Ipv6FragmentHeaderSlice<'a>,
        rest: Span<'a>,
        net: &Net,
    ) -> Result<(), Skip> {
        // RFC 8200 section 4.5: only the first fragment's next header counts, so it is no part of the key.
        let (id, next) = (header.identification(), header.next_header().0);
        let key = Key { src: net.src, dst: net.dst, id, protocol: number::FRAGMENT, vlan: self.vlan };
        let at = u32::from(header.fragment_offset().byte_offset());
        self.fragment(key, Piece { at, more: header.more_fragments(), span: rest }, next, net)
    }
}

const fn is_extension(protocol: u8) -> bool {
    use number::{AUTHENTICATION, DESTINATION, FRAGMENT, HIP, HOP_BY_HOP, MOBILITY, ROUTING, SHIM6};
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HIP | SHIM6
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::{behind, decode, ends, ipv4, ipv6, tcp4, udp6};

    const INNER: &str = "tcp [fe00::1]:1000 [fe00::2]:3007";

    /// Headers before `next`: hop by hop, routing with a segment left, AH, an atomic fragment, destination
    /// options.
    fn chain(next: u8) -> Vec<u8> {
        let mut route = [0u8; 24];
        (route[0], route[1], route[3]) = (51, 2, 1);
        let authentication = [&[44, 4, 0, 0][..], &[0; 20]].concat();
        let rest = [&[60, 0, 0, 0, 0, 0, 0, 9][..], &[next, 0, 1, 4, 0, 0, 0, 0]].concat();
        [&[43, 0, 1, 4, 0, 0, 0, 0][..], &route, &authentication, &rest].concat()
    }

    #[test]
    fn extension_headers_are_passed() {
        let segment = &tcp4()[20..];
        let packet = ipv6(0, &behind(&chain(6), segment));
        assert_eq!(ends(101, &packet), [INNER]);
        for length in 0..packet.len() {
            assert!(decode(101, &packet[..length]).is_err() || length >= packet.len() - segment.len() + 14);
        }
        assert_eq!(ends(101, &ipv4(51, &behind(&[6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1], segment))).len(), 1);
    }

    #[test]
    fn a_chain_ends_somewhere() {
        let long: Vec<u8> = [60, 0, 1, 4, 0, 0, 0, 0].repeat(100);
        assert_eq!(decode(101, &ipv6(60, &long)), Err(Skip::IpExtension));
        assert_eq!(decode(101, &ipv6(60, &[6, 200, 0, 0, 0, 0, 0, 0])), Err(Skip::IpExtension));
        assert_eq!(decode(101, &ipv6(59, &[])), Err(Skip::NoPorts));
        assert_eq!(decode(101, &ipv4(50, &[0; 40])), Err(Skip::NoPorts));
        assert_eq!(decode(101, &ipv4(136, &[0; 40])), Err(Skip::NoPorts));
    }

    #[test]
    fn contradictions_are_malformed() {
        let mut short = tcp4();
        short[3] = 19;
        assert_eq!(decode(101, &short), Err(Skip::IpMalformed));
        assert_eq!(decode(228, &udp6()), Err(Skip::IpMalformed));
        assert_eq!(decode(101, &[0x50; 60]), Err(Skip::IpMalformed));
        assert_eq!(decode(101, &[]), Err(Skip::IpTruncated));
    }

    #[test]
    fn ip_in_ip_gives_the_inner_packet() {
        assert_eq!(ends(101, &ipv4(4, &tcp4())).len(), 1);
        assert_eq!(ends(101, &ipv4(94, &tcp4())), ends(101, &tcp4()));
        assert_eq!(ends(101, &ipv4(41, &udp6())), ends(101, &udp6()));
        assert_eq!(ends(101, &ipv6(4, &tcp4())), ends(101, &tcp4()));
        assert_eq!(ends(101, &ipv6(41, &udp6())), ends(101, &udp6()));
        let nested = |depth: usize| (0..depth).fold(tcp4(), |inner, _| ipv4(4, &inner));
        assert_eq!(ends(101, &nested(8)), ends(101, &tcp4()));
        assert_eq!(decode(101, &nested(9)), Err(Skip::TooDeep));
    }
}
