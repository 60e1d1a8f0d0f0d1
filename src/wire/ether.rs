//! Ethernet and what stands between it and IP: VLAN tags, MPLS, PPPoE, LLC/SNAP and the rarer shims.
//!
//! Tags are walked in a loop, not by recursion: a frame of nothing but tags costs its length and no stack.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use crate::wire::Skip;
use crate::wire::decoder::Walk;
use crate::wire::span::Span;

/// EtherTypes (IEEE registry; IANA "IEEE 802 Numbers") and the GRE protocol types that share their number
/// space.
pub(super) mod kind {
    pub(crate) const IPV4: u16 = 0x0800;
    pub(crate) const IPV6: u16 = 0x86dd;
    pub(crate) const ARP: u16 = 0x0806;
    pub(crate) const VLAN: u16 = 0x8100;
    pub(crate) const PROVIDER_VLAN: u16 = 0x88a8;
    pub(crate) const QINQ: u16 = 0x9100;
    pub(crate) const QINQ_2: u16 = 0x9200;
    pub(crate) const QINQ_3: u16 = 0x9300;
    pub(crate) const MPLS: u16 = 0x8847;
    pub(crate) const MPLS_MULTICAST: u16 = 0x8848;
    pub(crate) const PPPOE_DISCOVERY: u16 = 0x8863;
    pub(crate) const PPPOE: u16 = 0x8864;
    pub(crate) const PPP: u16 = 0x880b;
    pub(crate) const BRIDGED: u16 = 0x6558;
    pub(crate) const ERSPAN: u16 = 0x88be;
    pub(crate) const ERSPAN_III: u16 = 0x22eb;
    pub(crate) const WCCP: u16 = 0x883e;
    pub(crate) const PROVIDER_BRIDGE: u16 = 0x88e7;
    pub(crate) const VN_TAG: u16 = 0x8926;
    pub(crate) const E_TAG: u16 = 0x893f;
    pub(crate) const CISCO_META: u16 = 0x8909;
    pub(crate) const MACSEC: u16 = 0x88e5;
    pub(crate) const FABRIC_PATH: u16 = 0x8903;
    pub(crate) const NSH: u16 = 0x894f;
    pub(crate) const JUMBO_LLC: u16 = 0x8870;

    /// True for the types that lead on to IP, and for ARP, which is as good a sign of Ethernet as they are.
    pub(crate) const fn is_followed(kind: u16) -> bool {
        matches!(kind, IPV4 | IPV6 | ARP | VLAN | PROVIDER_VLAN | QINQ | MPLS | MPLS_MULTICAST | PPPOE | NSH)
    }
}

impl<'a> Walk<'a, '_> {
    #[inline]
    pub(super) fn ethernet(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let header = Ethernet2HeaderSlice::from_slice(span.bytes).map_err(|_| Skip::LinkTruncated)?;
        let rest = Span { bytes: &span.bytes[14..], wire: span.wire - 14 };
        match header.ether_type().0 {
            kind::IPV4 => self.ipv4(rest),
            kind => self.ether_type(kind, rest),
        }
    }

    /// What an EtherType (or an IEEE 802.3 length in its place) leads to.
    pub(super) fn ether_type(&mut self, mut kind: u16, mut span: Span<'a>) -> Result<(), Skip> {
        loop {
            let (at, length) = match kind {
                kind::IPV4 => return self.ipv4(span),
                kind::IPV6 => return self.ipv6(span),
                kind::VLAN | kind::PROVIDER_VLAN | kind::QINQ | kind::QINQ_2 | kind::QINQ_3 => {
                    let tag =
                        SingleVlanHeaderSlice::from_slice(span.bytes).map_err(|_| Skip::LinkTruncated)?;
                    self.vlan.push(tag.vlan_identifier().value());
                    (2, 4)
                }
                kind::VN_TAG => (4, 6),
                kind::E_TAG => (6, 8),
                // A version, a length in units of four bytes, the options, the next type.
                kind::CISCO_META => {
                    let length = 4 + 4 * usize::from(span.u8(1).ok_or(Skip::LinkTruncated)?);
                    (length - 2, length)
                }
                kind::MACSEC => macsec(span)?,
                _ => return self.ether_type_rare(kind, span),
            };
            kind = span.u16(at).ok_or(Skip::LinkTruncated)?;
            span = span.after(length).ok_or(Skip::LinkTruncated)?;
        }
    }

    fn ether_type_rare(&mut self, kind: u16, span: Span<'a>) -> Result<(), Skip> {
        match kind {
            length @ ..=1500 => self.llc(span.first(usize::from(length))),
            kind::JUMBO_LLC => self.llc(span),
            kind::MPLS | kind::MPLS_MULTICAST => self.mpls(span),
            kind::PPPOE => self.pppoe(span),
            kind::PPPOE_DISCOVERY => Err(Skip::LinkControl),
            kind::PPP => self.ppp(span),
            kind::BRIDGED => self.deeper(|walk| walk.ethernet(span)),
            // Cisco FabricPath: a 2-byte tag between two Ethernet headers.
            kind::FABRIC_PATH => {
                let inner = span.after(2).ok_or(Skip::LinkTruncated)?;
                self.deeper(|walk| walk.ethernet(inner))
            }
            kind::PROVIDER_BRIDGE => {
                let inner = span.after(4).ok_or(Skip::LinkTruncated)?;
                self.deeper(|walk| walk.ethernet(inner))
            }
            kind::NSH => self.nsh(span),
            _ => Err(Skip::NotIp),
        }
    }

    /// A PPPoE session (RFC 2516 section 4): version and type 1, code 0, then PPP of the length it says.
    pub(super) fn pppoe(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let (Some(head), Some(length)) = (span.u16(0), span.u16(4)) else { return Err(Skip::LinkTruncated) };
        if head != 0x1100 {
            return Err(Skip::LinkControl);
        }
        self.ppp(span.beyond(6).first(usize::from(length)))
    }

    /// Service function chaining header (RFC 8300 section 2): its length in words, then the next protocol.
    fn nsh(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let words = span.u8(1).ok_or(Skip::LinkTruncated)? & 0x3f;
        let inner = span.after(4 * usize::from(words.max(2))).ok_or(Skip::LinkTruncated)?;
        let next = span.u8(3).ok_or(Skip::LinkTruncated)?;
        self.deeper(|walk| match next {
            1 => walk.ipv4(inner),
            2 => walk.ipv6(inner),
            3 => walk.ethernet(inner),
            5 => walk.mpls(inner),
            _ => Err(Skip::NotIp),
        })
    }

    /// IEEE 802.2: SNAP (RFC 1042) or one of the service access points that lead to IP.
    pub(super) fn llc(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let (Some(access), Some(control)) = (span.u16(0), span.u8(2)) else {
            return Err(Skip::LinkTruncated);
        };
        match (access, control) {
            (0xaaaa, 3) => self.snap(span.beyond(3)),
            (0x0606, 3) => self.ipv4(span.beyond(3)),
            (0xfefe, 3) => self.nlpid(span.beyond(3)),
            _ => Err(Skip::NotIp),
        }
    }

    /// SNAP: an organisation and its protocol number.
    fn snap(&mut self, span: Span<'a>) -> Result<(), Skip> {
        const BRIDGED_802: u32 = 0x80c2; // RFC 2684 section 5.2
        let (Some(head), Some(protocol)) = (span.u32(0), span.u16(3)) else {
            return Err(Skip::LinkTruncated);
        };
        let inner = span.beyond(5);
        match (head >> 8, protocol) {
            (0x00_0000 | 0x00_00f8, _) if protocol > 1500 => self.ether_type(protocol, inner),
            (BRIDGED_802, 1 | 7) => {
                // On ATM two bytes of padding stand before the frame; elsewhere (RFC 2427) none do.
                let padded = inner.u16(0) == Some(0) && inner.u16(14).is_some_and(kind::is_followed);
                self.deeper(|walk| walk.ethernet(if padded { inner.beyond(2) } else { inner }))
            }
            _ => Err(Skip::NotIp),
        }
    }

    /// A network layer protocol identifier (ISO/IEC TR 9577), as Frame Relay and ATM use them (RFC 2427).
    pub(super) fn nlpid(&mut self, span: Span<'a>) -> Result<(), Skip> {
        match span.u8(0) {
            Some(0xcc) => self.ipv4(span.beyond(1)),
            Some(0x8e) => self.ipv6(span.beyond(1)),
            Some(0x80) => self.snap(span.beyond(1)),
            Some(0) => self.nlpid_padded(span.beyond(1)),
            Some(_) => Err(Skip::NotIp),
            None => Err(Skip::LinkTruncated),
        }
    }

    /// One byte of padding may stand before the identifier, to bring the packet to an even place.
    fn nlpid_padded(&mut self, span: Span<'a>) -> Result<(), Skip> {
        match span.u8(0) {
            Some(0x80) => self.snap(span.beyond(1)),
            Some(0xcc) => self.ipv4(span.beyond(1)),
            _ => Err(Skip::NotIp),
        }
    }
}

/// Where the next type stands behind a MACsec tag (IEEE 802.1AE clause 9), and where the tag ends.
fn macsec(span: Span<'_>) -> Result<(usize, usize), Skip> {
    const CHANGED: u8 = 0x0c; // encrypted, or changed text
    const CHANNEL: u8 = 0x20;
    let control = span.u8(0).ok_or(Skip::LinkTruncated)?;
    if control & CHANGED != 0 {
        return Err(Skip::LinkControl);
    }
    let length = if control & CHANNEL == 0 { 6 } else { 14 };
    Ok((length, length + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::{TCP4, UDP6, behind, decode, ends, ethernet, tcp4, udp6};

    fn tagged(tags: &[(u16, u16)], payload: &[u8]) -> Vec<u8> {
        let mut inner = behind(&0x0800u16.to_be_bytes(), payload);
        for (kind, id) in tags.iter().rev() {
            inner = [&kind.to_be_bytes()[..], &id.to_be_bytes(), &inner].concat();
        }
        [&ethernet(0, &[])[..12], &inner].concat()
    }

    #[test]
    fn tags_of_any_depth() {
        let two = decode(1, &tagged(&[(0x88a8, 5), (0x8100, 0xe007)], &tcp4())).unwrap();
        assert_eq!(two[0].vlan, [5, 7]);
        let many: Vec<_> = (0..300).map(|id| (0x9100, id)).collect();
        assert_eq!(decode(1, &tagged(&many, &tcp4())).unwrap()[0].vlan, [0, 1]);
        assert_eq!(decode(1, &tagged(&many, &[])[..500]), Err(Skip::LinkTruncated));
    }

    #[test]
    fn mpls_guesses_what_it_carries() {
        let labels = [0, 1, 0, 64, 0, 2, 1, 64];
        assert_eq!(ends(1, &ethernet(0x8847, &behind(&labels, &tcp4()))), [TCP4]);
        assert_eq!(ends(1, &ethernet(0x8847, &behind(&labels, &udp6()))), [UDP6]);
        let inner = ethernet(0x0800, &tcp4());
        assert_eq!(ends(1, &ethernet(0x8847, &behind(&labels, &inner))), [TCP4]);
        let word = behind(&[0, 0, 0, 9], &inner);
        assert_eq!(ends(1, &ethernet(0x8847, &behind(&labels, &word))), [TCP4]);
    }

    #[test]
    fn shims_before_ip() {
        let snap = behind(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &tcp4());
        let length = u16::try_from(snap.len()).unwrap();
        let inner = ethernet(0x0800, &tcp4());
        let shims: [(u16, Vec<u8>); 10] = [
            (length, behind(&snap, &[0; 20])),
            (length, behind(&[6, 6, 3], &tcp4())),
            (0x8864, behind(&[0x11, 0, 0, 1, 0, 50, 0, 0x21], &tcp4())),
            (0x8926, behind(&[0, 0, 0, 1, 8, 0], &tcp4())),
            (0x893f, behind(&[0, 0, 0, 1, 0, 0, 8, 0], &tcp4())),
            (0x8909, behind(&[1, 1, 0, 1, 0, 5, 8, 0], &tcp4())),
            (0x88e5, behind(&[0x20, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0], &tcp4())),
            (0x88e7, behind(&[0, 0, 0, 1], &inner)),
            (0x8903, behind(&[0, 1], &inner)),
            (0x894f, behind(&[0, 2, 1, 1, 0, 0, 1, 255], &tcp4())),
        ];
        for (kind, payload) in shims {
            let frame = ethernet(kind, &payload);
            assert_eq!(ends(1, &frame), [TCP4], "type {kind:#06x}");
            for length in 0..frame.len() {
                let _ = decode(1, &frame[..length]);
            }
        }
    }

    #[test]
    fn what_is_no_ip_says_so() {
        assert_eq!(decode(1, &ethernet(0x0806, &[0; 28])), Err(Skip::NotIp));
        assert_eq!(decode(1, &ethernet(0x8863, &[0; 28])), Err(Skip::LinkControl));
        assert_eq!(decode(1, &ethernet(38, &[0x42, 0x42, 3, 0, 0])), Err(Skip::NotIp));
        assert_eq!(decode(1, &ethernet(0x88e5, &[0x2c; 40])), Err(Skip::LinkControl));
        assert_eq!(decode(1, &[0; 13]), Err(Skip::LinkTruncated));
    }
}
