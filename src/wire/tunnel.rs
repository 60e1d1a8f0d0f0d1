//! Tunnels above IP that have no ports of their own: GRE in its dialects, and PPP as several tunnels carry
//! it.
//!
//! What goes wrong inside is the reason why the frame is skipped; a tunnel of unknown content is
//! [`Skip::Tunnel`].

use crate::wire::Skip;
use crate::wire::decoder::Walk;
use crate::wire::ether::kind;
use crate::wire::span::Span;

/// GRE flag bits (RFC 2784, RFC 2890; the acknowledgement bit is RFC 2637).
mod gre {
    pub(super) const CHECKSUM: u16 = 0x8000;
    pub(super) const ROUTING: u16 = 0x4000;
    pub(super) const KEY: u16 = 0x2000;
    pub(super) const SEQUENCE: u16 = 0x1000;
    pub(super) const ACKNOWLEDGEMENT: u16 = 0x0080;
    pub(super) const VERSION: u16 = 0x0007;
}

impl<'a> Walk<'a, '_> {
    /// GRE, version 0 (RFC 2784, with the source routes of RFC 1701) and 1 (PPTP, RFC 2637).
    pub(super) fn gre(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let (flags, protocol) = span.u16(0).zip(span.u16(2)).ok_or(Skip::Tunnel)?;
        let has = |bit: u16| usize::from(flags & bit != 0);
        let version = flags & gre::VERSION;
        let length = match version {
            0 => 4 + 4 * (has(gre::CHECKSUM | gre::ROUTING) + has(gre::KEY) + has(gre::SEQUENCE)),
            1 => 8 + 4 * (has(gre::SEQUENCE) + has(gre::ACKNOWLEDGEMENT)),
            _ => return Err(Skip::Tunnel),
        };
        let mut inner = span.after(length).ok_or(Skip::Tunnel)?;
        if version == 0 && has(gre::ROUTING) == 1 {
            inner = after_routes(inner)?;
        }
        if version == 1 && inner.wire == 0 {
            return Err(Skip::LinkControl); // an acknowledgement alone
        }
        let numbered = has(gre::SEQUENCE) == 1;
        self.deeper(|walk| match protocol {
            // ERSPAN type I has no header at all; type II says so with a sequence number
            // (draft-foschiano-erspan).
            kind::ERSPAN if numbered => walk.ethernet(inner.after(8).ok_or(Skip::Tunnel)?),
            kind::ERSPAN => walk.ethernet(inner),
            kind::ERSPAN_III => walk.erspan_iii(inner),
            kind::WCCP if inner.u8(0).is_some_and(|byte| byte >> 4 != 4) => {
                walk.ip(inner.after(4).ok_or(Skip::Tunnel)?)
            }
            kind::WCCP => walk.ip(inner),
            kind::PPP => walk.ppp(inner),
            kind::BRIDGED => walk.ethernet(inner),
            _ if kind::is_followed(protocol) => walk.ether_type(protocol, inner),
            _ => Err(Skip::Tunnel),
        })
    }

    /// ERSPAN type III: 12 bytes, and 8 more when the last bit says so. The frame type is Ethernet or IP.
    fn erspan_iii(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let last = span.u16(10).ok_or(Skip::Tunnel)?;
        let inner = span.after(if last & 1 == 0 { 12 } else { 20 }).ok_or(Skip::Tunnel)?;
        match last >> 10 & 0x1f {
            0 => self.ethernet(inner),
            2 => self.ip(inner),
            _ => Err(Skip::Tunnel),
        }
    }

    /// PPP (RFC 1661), with or without address and control, with or without protocol compression.
    pub(super) fn ppp(&mut self, span: Span<'a>) -> Result<(), Skip> {
        let span = match span.u16(0) {
            Some(0xff03) => span.beyond(2),
            _ => span,
        };
        let first = span.u8(0).ok_or(Skip::LinkTruncated)?;
        let (protocol, inner) = if first & 1 == 1 {
            (u16::from(first), span.beyond(1))
        } else {
            (span.u16(0).ok_or(Skip::LinkTruncated)?, span.beyond(2))
        };
        match protocol {
            0x0021 => self.ipv4(inner),
            0x0057 => self.ipv6(inner),
            0x0281 | 0x0283 => self.mpls(inner),
            0x0053 | 0x00fd | 0x8000.. => Err(Skip::LinkControl), // encrypted, compressed, control protocols
            _ => Err(Skip::NotIp),
        }
    }

    /// MPLS (RFC 3032): labels, then whatever the first bits look like, for no field says it.
    pub(super) fn mpls(&mut self, mut span: Span<'a>) -> Result<(), Skip> {
        loop {
            let label = span.u32(0).ok_or(Skip::LinkTruncated)?;
            span = span.beyond(4);
            if label & 0x100 != 0 {
                break;
            }
        }
        match span.u8(0).map(|byte| byte >> 4) {
            Some(4) if span.u8(0).is_some_and(|byte| byte & 0x0f >= 5) => self.ipv4(span),
            Some(6) if !pseudowire(span) => self.ipv6(span),
            // RFC 4385: a control word begins with four zero bits.
            Some(0) if span.after(4).is_some_and(pseudowire) => {
                self.deeper(|walk| walk.ethernet(span.beyond(4)))
            }
            Some(_) if pseudowire(span) => self.deeper(|walk| walk.ethernet(span)),
            Some(_) => Err(Skip::NotIp),
            None => Err(Skip::LinkTruncated),
        }
    }
}

/// True for what looks like an Ethernet header: the type is one that is followed.
fn pseudowire(span: Span<'_>) -> bool {
    span.u16(12).is_some_and(kind::is_followed)
}

/// Passes the source route entries of RFC 1701; the list ends with one of length zero.
fn after_routes(mut span: Span<'_>) -> Result<Span<'_>, Skip> {
    loop {
        let length = span.u8(3).ok_or(Skip::Tunnel)?;
        span = span.after(4 + usize::from(length)).ok_or(Skip::Tunnel)?;
        if length == 0 {
            return Ok(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::samples::{TCP4, UDP6, behind, decode, ends, ethernet, ipv4, tcp4, udp6};

    #[test]
    fn every_dialect_of_gre() {
        let inner = ethernet(0x0800, &tcp4());
        let cases: [(&[u8], &[u8]); 12] = [
            (&[0, 0, 8, 0], &tcp4()),
            (&[0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], &tcp4()),
            (&[0x40, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0], &tcp4()),
            (&[0, 0, 0x65, 0x58], &inner),
            (&[0, 0, 0x88, 0xbe], &inner),
            (&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], &inner),
            (&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &inner),
            (
                &[
                    0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0,
                    0, 0,
                ],
                &tcp4(),
            ),
            (&[0x30, 1, 0x88, 0x0b, 0, 54, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21], &tcp4()),
            (&[0x30, 0x81, 0x88, 0x0b, 0, 54, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0x21], &tcp4()),
            (&[0, 0, 0x88, 0x47, 0, 0, 1, 64], &tcp4()),
            (&[0, 0, 0x88, 0x3e, 1, 0, 0, 0], &tcp4()),
        ];
        for (header, inner) in cases {
            let packet = ipv4(47, &behind(header, inner));
            assert_eq!(ends(101, &packet), [TCP4], "{header:02x?}");
            for length in 0..packet.len() {
                let _ = decode(101, &packet[..length]);
            }
        }
        let twice = ipv4(47, &behind(&[0, 0, 8, 0], &ipv4(47, &behind(&[0, 0, 0x86, 0xdd], &udp6()))));
        assert_eq!(ends(101, &twice), [UDP6]);
        assert_eq!(ends(101, &ipv4(97, &behind(&[0x30, 0], &ethernet(0x0800, &tcp4())))), [TCP4]);
        assert_eq!(ends(101, &ipv4(137, &behind(&[0, 0, 1, 64], &tcp4()))), [TCP4]);
    }

    #[test]
    fn what_cannot_be_followed_says_why() {
        assert_eq!(decode(101, &ipv4(47, &[0, 0, 0x12, 0x34, 1, 2, 3, 4])), Err(Skip::Tunnel));
        assert_eq!(decode(101, &ipv4(47, &[0, 7, 8, 0, 1, 2, 3, 4])), Err(Skip::Tunnel));
        assert_eq!(decode(101, &ipv4(47, &[0, 0, 8, 6, 0, 0])), Err(Skip::NotIp));
        let acknowledged = [0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(decode(101, &ipv4(47, &acknowledged)), Err(Skip::LinkControl));
    }
}
