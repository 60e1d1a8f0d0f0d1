//! The link types of the tcpdump group's registry that lead to IP, by their LINKTYPE number.
//!
//! Those that real captures of IP have: everything else is [`Skip::LinkType`]. Header layouts are those of
//! the registry's description pages (tcpdump.org/linktypes).

use crate::capture::LinkType;
use crate::wire::Skip;
use crate::wire::decoder::Walk;
use crate::wire::ether::kind;
use crate::wire::span::Span;

/// Address families as the systems number them: IPv4 everywhere 2, IPv6 anything.
const AF_INET: u32 = 2;
/// Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS.
const AF_INET6: [u32; 5] = [10, 23, 24, 28, 30];

impl<'a> Walk<'a, '_> {
    /// A whole frame of this link type.
    #[inline]
    pub(super) fn link(&mut self, link: LinkType, span: Span<'a>) -> Result<(), Skip> {
        if link == LinkType::ETHERNET { self.ethernet(span) } else { self.other_link(link.0, span) }
    }

    fn other_link(&mut self, link: u32, span: Span<'a>) -> Result<(), Skip> {
        match link {
            0 | 108 => self.loopback(span),
            12 | 14 | 101 => self.raw(span),
            228 => self.ipv4(span),
            229 => self.ipv6(span),
            113 => self.cooked(span),
            276 => self.cooked_v2(span),
            8 => self.raw(span.after(16).ok_or(Skip::LinkTruncated)?), // SLIP with direction and header
            9 | 50 | 166 | 204 => self.ppp_link(link, span),
            51 => self.pppoe(span),
            104 => self.cisco_hdlc(span),
            105 => self.wifi(span, false),
            119 => self.prism(span),
            127 => self.radiotap(span),
            163 => self.avs(span),
            192 => self.ppi(span),
            _ => self.rare_link(link, span),
        }
    }

    fn rare_link(&mut self, link: u32, span: Span<'a>) -> Result<(), Skip> {
        let behind = |n: usize| span.after(n).ok_or(Skip::LinkTruncated);
        match link {
            6 => self.token_ring(span),
            7 => self.arcnet(span, 2),
            129 => self.arcnet(span, 4),
            10 => self.llc(behind(13)?), // FDDI: frame control and two addresses
            100 => self.llc(span),       // ATM, RFC 2684 with LLC
            106 => self.llc(span).or_else(|skip| self.ip(span).map_err(|_| skip)),
            107 => self.frame_relay(span),
            109 => self.raw(behind(12)?), // OpenBSD enc: family, SPI, flags
            117 => self.packet_filter(span),
            122 => self.llc(behind(16)?), // IP over Fibre Channel, RFC 2625
            123 if span.u8(0).is_some_and(|byte| byte & 0x0f == 2) => self.llc(behind(4)?), // SunATM, LLC
            138 => self.typed(span, 16),  // IP over IEEE 1394: two 8-byte addresses, a type
            149 | 258 => self.pktap(span),
            178 => self.juniper_ethernet(span),
            226 => self.raw(behind(24)?), // Solaris ipnet
            239 => self.nflog(span),
            240 => self.ethernet(behind(4)?), // netANALYZER
            241 => self.ethernet(behind(12)?),
            274 => self.ethernet(behind(8)?), // IEEE 802.3br: preamble and start of frame
            281 | 284 => self.typed(span, 16), // switch tags of 4 bytes between addresses and type
            285 => self.typed(span, 20),
            282 => self.ethernet(behind(4)?),
            _ => Err(Skip::LinkType),
        }
    }

    /// An EtherType at this place, and what it says behind it.
    fn typed(&mut self, span: Span<'a>, at: usize) -> Result<(), Skip> {
        let kind = span.u16(at).ok_or(Skip::LinkTruncated)?;
        self.ether_type(kind, span.beyond(at + 2))
    }

    /// IP without any link layer.
    fn raw(&mut self, span: Span<'a>) -> Result<(), Skip> {
        self.ip(span)
    }

    /// BSD loopback: an address family in the byte order of the capturing host (0) or of the network (108).
    fn loopback(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let family = span.u32(0).ok_or(Skip::LinkTruncated)?;
        // One of the two readings is below 256: families are small numbers.
        let family = family.min(family.swap_bytes());
        let rest = span.beyond(4);
        match family {
            AF_INET => self.ipv4(rest),
            _ if AF_INET6.contains(&family) => self.ipv6(rest),
            // Some systems put an EtherType where the family belongs.
            _ => match span.u16(2) {
                Some(kind) if kind::is_followed(kind) => self.ether_type(kind, rest),
                _ => Err(Skip::NotIp),
            },
        }
    }

    /// Linux cooked capture: packet type, hardware type, address length and address, protocol.
    fn cooked(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let (Some(hardware), Some(protocol)) = (span.u16(2), span.u16(14)) else {
            return Err(Skip::LinkTruncated);
        };
        self.cooked_protocol(hardware, protocol, span.beyond(16))
    }

    /// Linux cooked capture version 2: protocol first, an interface number, no room for padding.
    fn cooked_v2(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let (Some(protocol), Some(hardware)) = (span.u16(0), span.u16(8)) else {
            return Err(Skip::LinkTruncated);
        };
        self.cooked_protocol(hardware, protocol, span.after(20).ok_or(Skip::LinkTruncated)?)
    }

    fn cooked_protocol(&mut self, hardware: u16, protocol: u16, span: Span<'a>) -> Result<(), Skip> {
        const NETLINK: u16 = 824;
        const IEEE80211: u16 = 801;
        const RADIOTAP: u16 = 803;
        const LLC: u16 = 0x0004;
        match (hardware, protocol) {
            (NETLINK, _) => Err(Skip::LinkControl),
            (IEEE80211, _) => self.wifi(span, false),
            (RADIOTAP, _) => self.radiotap(span),
            (_, LLC) => self.llc(span),
            (_, ..=1500) => Err(Skip::NotIp), // Linux's own small numbers: Novell raw 802.3, CAN, ...
            _ => self.ether_type(protocol, span),
        }
    }

    /// PPP, in HDLC-like framing or without, with or without a byte that tells the direction.
    fn ppp_link(&mut self, link: u32, span: Span<'a>) -> Result<(), Skip> {
        match (link, span.u16(0)) {
            (9 | 50, Some(0x0f00 | 0x8f00)) => self.cisco_hdlc(span),
            (166, Some(0x0003 | 0x0103)) => self.ppp(span.beyond(2)),
            (204, Some(_)) => self.ppp(span.beyond(1)),
            _ => self.ppp(span),
        }
    }

    /// Cisco HDLC: address, control, an EtherType. PPP in the same framing is told by its address.
    fn cisco_hdlc(&mut self, span: Span<'a>) -> Result<(), Skip> {
        const KEEPALIVE: u16 = 0x8035;
        match (span.u16(0), span.u16(2)) {
            (Some(0xff03), _) => self.ppp(span),
            (Some(_), Some(KEEPALIVE)) => Err(Skip::LinkControl),
            (Some(_), Some(kind @ 1501..)) => self.ether_type(kind, span.beyond(4)),
            (Some(_), Some(_)) => Err(Skip::NotIp),
            _ => Err(Skip::LinkTruncated),
        }
    }

    /// Token Ring: access and frame control, two addresses, a source route when the source says so, LLC.
    fn token_ring(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let (Some(control), Some(source)) = (span.u8(1), span.u8(8)) else { return Err(Skip::LinkTruncated) };
        if control >> 6 != 1 {
            return Err(Skip::LinkControl);
        }
        let route = if source & 0x80 == 0 { 0 } else { span.u8(14).ok_or(Skip::LinkTruncated)? & 0x1f };
        self.llc(span.after(14 + usize::from(route)).ok_or(Skip::LinkTruncated)?)
    }

    /// ARCNET: the protocol stands at `at`. RFC 1051 has no more header; RFC 1201 has a split flag and a
    /// number.
    fn arcnet(&mut self, span: Span<'a>, at: usize) -> Result<(), Skip> {
        const EXCEPTION: u8 = 0xff;
        const UNSPLIT: u8 = 0;
        let protocol = span.u8(at).ok_or(Skip::LinkTruncated)?;
        let rest = span.beyond(at + 1);
        let split = || -> Result<Span<'a>, Skip> {
            match rest.u8(0).ok_or(Skip::LinkTruncated)? {
                UNSPLIT => Ok(rest.beyond(3)),
                EXCEPTION => Ok(rest.beyond(7)),
                _ => Err(Skip::LinkControl), // one part of a split packet
            }
        };
        match protocol {
            0xf0 => self.ipv4(rest),
            0xd4 => self.ipv4(split()?),
            0xc4 => self.ipv6(split()?),
            _ => Err(Skip::NotIp),
        }
    }

    /// Frame Relay: a two-byte address (Q.922), then NLPID behind an unnumbered control field, or Cisco's
    /// EtherType.
    fn frame_relay(&mut self, span: Span<'a>) -> Result<(), Skip> {
        const CONTROL: u8 = 3;
        let control = span.u8(2).ok_or(Skip::LinkTruncated)?;
        if span.u8(1).is_some_and(|byte| byte & 1 == 0) {
            return Err(Skip::LinkControl); // longer addresses
        }
        match (control, span.u16(2)) {
            (CONTROL, _) => self.nlpid(span.beyond(3)),
            (_, Some(kind)) if kind > 1500 => self.ether_type(kind, span.beyond(4)),
            _ => Err(Skip::NotIp),
        }
    }

    /// OpenBSD's pflog: a header whose length stands in its first byte, rounded up to four.
    fn packet_filter(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let length = usize::from(span.u8(0).ok_or(Skip::LinkTruncated)?).next_multiple_of(4);
        self.raw(span.after(length).ok_or(Skip::LinkTruncated)?)
    }

    /// Apple's PKTAP: the length of its header, and the link type of what follows, in the host's byte order.
    fn pktap(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let word = |at: usize| span.array(at).map(u32::from_le_bytes).ok_or(Skip::LinkTruncated);
        let (length, link) = (word(0)?, word(8)?);
        let inner = span.after(length.max(12) as usize).ok_or(Skip::LinkTruncated)?;
        self.deeper(|walk| walk.link(LinkType(link), inner))
    }

    /// Juniper Ethernet: a magic number, flags, extensions when a flag says so; without layer 2 when another
    /// says so.
    fn juniper_ethernet(&mut self, span: Span<'a>) -> Result<(), Skip> {
        const MAGIC: u32 = 0x004d_4743;
        const EXTENSIONS: u8 = 0x80;
        const NO_LINK: u8 = 0x02;
        let head = span.u32(0).ok_or(Skip::LinkTruncated)?;
        if head >> 8 != MAGIC {
            return Err(Skip::LinkControl);
        }
        let [.., flags] = head.to_be_bytes();
        let extra = match flags & EXTENSIONS {
            0 => 0,
            _ => 2 + usize::from(span.u16(4).ok_or(Skip::LinkTruncated)?),
        };
        let inner = span.after(4 + extra).ok_or(Skip::LinkTruncated)?;
        if flags & NO_LINK == 0 { self.ethernet(inner) } else { self.ip(inner) }
    }

    /// Linux netfilter log: attributes of length, type and value in the host's byte order; one is the packet.
    fn nflog(&mut self, span: Span<'a>) -> Result<(), Skip> {
        const PAYLOAD: u16 = 9;
        let mut rest = span.after(4).ok_or(Skip::LinkTruncated)?;
        let little = |rest: Span<'a>, at: usize| rest.array(at).map(u16::from_le_bytes);
        while let (Some(length), Some(attribute)) = (little(rest, 0), little(rest, 2)) {
            let length = usize::from(length);
            if attribute == PAYLOAD && length >= 4 {
                return self.raw(rest.first(length).beyond(4));
            }
            match rest.after(length.next_multiple_of(4)) {
                Some(next) if length >= 4 => rest = next,
                _ => break,
            }
        }
        Err(Skip::LinkTruncated)
    }

    /// Per-Packet Information: version, flags, length and link type of what follows, little endian.
    fn ppi(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let length = span.array(2).map(u16::from_le_bytes).ok_or(Skip::LinkTruncated)?;
        let link = span.array(4).map(u32::from_le_bytes).ok_or(Skip::LinkTruncated)?;
        let inner = span.after(usize::from(length.max(8))).ok_or(Skip::LinkTruncated)?;
        self.deeper(|walk| walk.link(LinkType(link), inner))
    }
}

/// Every link type that is followed, for the tests that throw bytes at all of them.
#[cfg(test)]
pub(super) const FOLLOWED: [u32; 47] = [
    0, 1, 6, 7, 8, 9, 10, 12, 14, 50, 51, 100, 101, 104, 105, 106, 107, 108, 109, 113, 117, 119, 122, 123,
    127, 129, 138, 149, 163, 166, 178, 192, 204, 226, 228, 229, 239, 240, 241, 258, 274, 276, 281, 282, 284,
    285, 9999,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::{TCP4, UDP6, behind, decode, ends, ethernet, tcp4, udp6};
    use proptest::prelude::*;

    /// Every followed link type that can carry a bare header before IPv4.
    fn framed() -> Vec<(u32, Vec<u8>)> {
        let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
        let llc = |header: &[u8]| [header, &snap].concat();
        let tap = [&[12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0][..], &ethernet(0x0800, &[])].concat();
        vec![
            (0, vec![2, 0, 0, 0]),
            (0, vec![0, 0, 0, 2]),
            (108, vec![0, 0, 0, 2]),
            (0, vec![0x0f, 0, 8, 0]),
            (1, ethernet(0x0800, &[])),
            (6, llc(&[0x10, 0x40, 0, 0, 0, 0, 0, 1, 0x82, 0, 0, 0, 0, 2, 2, 0x30])),
            (7, vec![1, 2, 0xf0]),
            (129, vec![1, 2, 0, 0, 0xd4, 0, 0, 1]),
            (8, vec![0; 16]),
            (9, vec![0x21]),
            (9, vec![0xff, 3, 0, 0x21]),
            (50, vec![0x0f, 0, 8, 0]),
            (51, vec![0x11, 0, 0, 1, 0, 48, 0, 0x21]),
            (166, vec![1, 3, 0, 0x21]),
            (204, vec![0, 0xff, 3, 0, 0x21]),
            (10, llc(&[0x50, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2])),
            (12, vec![]),
            (101, vec![]),
            (228, vec![]),
            (100, snap.to_vec()),
            (106, vec![]),
            (106, snap.to_vec()),
            (104, vec![0x0f, 0, 8, 0]),
            (105, llc(&[&[8, 1][..], &[0; 22]].concat())),
            (105, llc(&[&[0x88, 3][..], &[0; 30]].concat())),
            (127, llc(&[&[0, 0, 9, 0, 2, 0, 0, 0, 0, 8, 1][..], &[0; 22]].concat())),
            (127, llc(&[&[0, 0, 9, 0, 2, 0, 0, 0, 0x20, 0x88, 1][..], &[0; 26]].concat())),
            (119, llc(&[&[0, 0, 0, 0x44, 16, 0, 0, 0][..], &[0; 8], &[8, 1], &[0; 22]].concat())),
            (163, llc(&[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 8][..], &[8, 1], &[0; 22]].concat())),
            (192, [&[0, 0, 8, 0, 1, 0, 0, 0][..], &ethernet(0x0800, &[])].concat()),
            (107, vec![0x18, 0x41, 3, 0xcc]),
            (107, vec![0x18, 0x41, 8, 0]),
            (109, vec![0; 12]),
            (113, vec![0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0]),
            (276, vec![8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]),
            (117, [&[9, 2][..], &[0; 10]].concat()),
            (122, llc(&[0; 16])),
            (123, llc(&[2, 0, 0, 5])),
            (138, [&[0; 16][..], &[8, 0]].concat()),
            (149, tap.clone()),
            (258, tap),
            (178, behind(&[0x4d, 0x47, 0x43, 0x80, 0, 1, 9], &ethernet(0x0800, &[]))),
            (226, vec![0; 24]),
            (239, vec![2, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0, 52, 0, 9, 0]),
            (281, [&ethernet(0, &[])[..12], &[0, 0, 0, 1, 8, 0]].concat()),
        ]
    }

    #[test]
    fn every_link_type_leads_to_ip() {
        for (link, header) in framed() {
            assert_eq!(ends(link, &behind(&header, &tcp4())), [TCP4], "link type {link}, {header:02x?}");
        }
        for family in AF_INET6 {
            let family = u8::try_from(family).unwrap();
            assert_eq!(ends(0, &behind(&[family, 0, 0, 0], &udp6())), [UDP6]);
            assert_eq!(ends(0, &behind(&[0, 0, 0, family], &udp6())), [UDP6]);
        }
        assert_eq!(ends(101, &udp6()), [UDP6]);
        assert_eq!(ends(229, &udp6()), [UDP6]);
        assert_eq!(decode(147, &tcp4()), Err(Skip::LinkType));
    }

    #[test]
    fn no_length_of_any_frame_panics() {
        for (link, header) in framed() {
            let frame = behind(&header, &tcp4());
            for length in 0..frame.len() {
                let _ = decode(link, &frame[..length]);
            }
        }
    }

    #[test]
    fn control_frames_are_no_data() {
        assert_eq!(decode(105, &[0x80; 40]), Err(Skip::LinkControl));
        assert_eq!(decode(105, &[&[8, 0x41][..], &[0; 40]].concat()), Err(Skip::LinkControl));
        assert_eq!(decode(104, &[0x0f, 0, 0x80, 0x35, 0]), Err(Skip::LinkControl));
        assert_eq!(decode(113, &[0, 0, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0]), Err(Skip::LinkControl));
    }

    proptest! {
        #[test]
        fn any_bytes_hold_the_contract(
            place in 0..FOLLOWED.len(),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = decode(FOLLOWED[place], &bytes);
        }

        #[test]
        fn any_change_to_a_good_frame_holds_the_contract(
            place in 0..44usize,
            changes in prop::collection::vec((0..100usize, any::<u8>()), 0..8),
            length in 0..100usize,
        ) {
            let framed = framed();
            let (link, header) = &framed[place % framed.len()];
            let mut frame = behind(header, &tcp4());
            for (at, byte) in changes {
                if let Some(old) = frame.get_mut(at) {
                    *old = byte;
                }
            }
            frame.truncate(length.max(20));
            let _ = decode(*link, &frame);
        }
    }
}
