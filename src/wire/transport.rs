//! TCP, UDP and SCTP headers: ports, flags and where the payload begins.
//!
//! Two things make a header shorter than it should be: the capture cut it (then ports and flags are taken as
//! far as they reach), or the datagram is a fragment (then the rest may still come, so it is an error here
//! and the fragment waits).

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use crate::wire::decoder::{Net, Walk};
use crate::wire::span::Span;
use crate::wire::{Role, Skip, Tcp, TcpFlags, Transport};

/// Bytes of a TCP header up to and including the flags (RFC 9293 section 3.1).
const TCP_THROUGH_FLAGS: usize = 14;
const TCP_MIN: usize = 20;
const UDP_LEN: usize = 8;
const SCTP_LEN: usize = 12;

impl<'a> Walk<'a, '_> {
    #[inline]
    pub(super) fn tcp(&mut self, span: Span<'a>, net: &Net) -> Result<(), Skip> {
        let Ok(header) = TcpHeaderSlice::from_slice(span.bytes) else { return self.cut_tcp(span, net) };
        let bytes = header.slice();
        let tcp = Tcp {
            flags: TcpFlags(bytes[13]),
            seq: header.sequence_number(),
            ack: header.acknowledgment_number(),
            window: header.window_size(),
        };
        let options = if tcp.flags.has(TcpFlags::SYN) { &bytes[TCP_MIN..] } else { &[] };
        let payload = Span { bytes: &span.bytes[bytes.len()..], wire: span.wire - bytes.len() };
        let ports = (header.source_port(), header.destination_port());
        self.push_tcp(Transport::Tcp, net, ports, payload, tcp, options);
        Ok(())
    }

    /// A TCP header that is not whole, or whose data offset is wrong.
    #[cold]
    fn cut_tcp(&mut self, span: Span<'a>, net: &Net) -> Result<(), Skip> {
        let (Some(src), Some(dst), Some(offset), Some(flags)) =
            (span.u16(0), span.u16(2), span.u8(12), span.u8(TCP_THROUGH_FLAGS - 1))
        else {
            return Err(Skip::TransportTruncated);
        };
        let length = usize::from(offset >> 4) * 4;
        if length < TCP_MIN {
            return Err(Skip::TransportMalformed);
        }
        if !span.is_cut() && (self.in_fragment || !net.short) {
            // The IP header says that there is no more: promised by the data offset alone, or still to come.
            let come = self.in_fragment || span.bytes.len() < TCP_MIN;
            return Err(if come { Skip::TransportTruncated } else { Skip::TransportMalformed });
        }
        let tcp = Tcp {
            flags: TcpFlags(flags),
            seq: span.u32(4).unwrap_or(0),
            ack: span.u32(8).unwrap_or(0),
            window: span.u16(14).unwrap_or(0),
        };
        let options =
            if tcp.flags.has(TcpFlags::SYN) { span.bytes.get(TCP_MIN..).unwrap_or(&[]) } else { &[] };
        self.push_tcp(Transport::Tcp, net, (src, dst), span.beyond(length), tcp, options);
        Ok(())
    }

    #[inline]
    pub(super) fn udp(&mut self, span: Span<'a>, net: &Net) -> Result<(), Skip> {
        let Ok(header) = UdpHeaderSlice::from_slice(span.bytes) else { return self.cut_udp(span, net) };
        let ports = (header.source_port(), header.destination_port());
        // RFC 768: the length counts the header. Zero is a jumbogram (RFC 2675) or an offloaded super-frame;
        // more than there is stands in every first fragment.
        let payload = match usize::from(header.length()) {
            0 => span,
            length if length < UDP_LEN => return Err(Skip::TransportMalformed),
            length => span.first(length),
        }
        .beyond(UDP_LEN);
        let place = self.place();
        self.push(Transport::Udp, net, ports, payload);
        let before = std::mem::replace(&mut self.carrier_in_fragment, self.in_fragment);
        let inside = self.udp_inside(ports, payload);
        self.carrier_in_fragment = before;
        if inside.is_ok()
            && let Some(outer) = self.packet(place)
        {
            outer.role = Role::Carrier;
        }
        Ok(())
    }

    /// A UDP header of which the capture kept the ports only.
    #[cold]
    fn cut_udp(&mut self, span: Span<'a>, net: &Net) -> Result<(), Skip> {
        let (Some(src), Some(dst), true) = (span.u16(0), span.u16(2), span.is_cut()) else {
            return Err(Skip::TransportTruncated);
        };
        let length = span
            .u16(4)
            .map_or(span.wire, |length| usize::from(length).clamp(UDP_LEN, span.wire.max(UDP_LEN)));
        self.push(Transport::Udp, net, (src, dst), span.first(length).beyond(UDP_LEN));
        Ok(())
    }

    /// SCTP (RFC 9260 section 3): the payload is the user data of the first DATA or I-DATA chunk.
    #[cold]
    pub(super) fn sctp(&mut self, span: Span<'a>, net: &Net) -> Result<(), Skip> {
        let (Some(src), Some(dst)) = (span.u16(0), span.u16(2)) else { return Err(Skip::TransportTruncated) };
        if span.bytes.len() < SCTP_LEN && !span.is_cut() {
            return Err(Skip::TransportTruncated);
        }
        self.push(Transport::Sctp, net, (src, dst), user_data(span.beyond(SCTP_LEN)));
        Ok(())
    }
}

/// User data of the first SCTP chunk that carries any; empty when none does.
fn user_data(mut chunks: Span<'_>) -> Span<'_> {
    const DATA: u8 = 0;
    const I_DATA: u8 = 64; // RFC 8260
    while let (Some(kind), Some(length)) = (chunks.u8(0), chunks.u16(2)) {
        let header = match kind {
            DATA => 16,
            I_DATA => 20,
            _ => 0,
        };
        let length = usize::from(length);
        if header > 0 && length >= header {
            return chunks.first(length).beyond(header);
        }
        // A chunk is padded to a multiple of four; one shorter than its own header would never end.
        match chunks.after(length.next_multiple_of(4)) {
            Some(next) if length >= 4 => chunks = next,
            _ => break,
        }
    }
    Span::new(&[], 0)
}

#[cfg(test)]
mod tests {
    use crate::wire::samples::{behind, decode, ends, ethernet, feed, ipv4, tcp4, udp4, udp6};
    use crate::wire::{Decoder, Limits, Skip};

    #[test]
    fn padding_and_fcs_are_no_payload() {
        let plain = decode(1, &ethernet(0x0800, &tcp4())).unwrap();
        assert_eq!((plain[0].payload.as_slice(), plain[0].payload_len), (&b"hi"[..], 2));
        assert_eq!((plain[0].flags, plain[0].options), (2, 4));
        let padded = decode(1, &behind(&ethernet(0x0800, &tcp4()), &[0xee; 18])).unwrap();
        assert_eq!(padded, plain);
        let udp = decode(1, &behind(&ethernet(0x86dd, &udp6()), &[0xee; 4])).unwrap();
        assert_eq!(udp[0].payload, b"hello");
    }

    #[test]
    fn a_cut_capture_keeps_what_it_can() {
        let frame = ethernet(0x0800, &tcp4());
        for length in 0..frame.len() {
            let mut decoder = Decoder::new(Limits::default());
            let outcome = feed(&mut decoder, 1, &frame[..length], frame.len(), 1);
            match length {
                0..14 => assert_eq!(outcome, Err(Skip::LinkTruncated)),
                14..34 => assert_eq!(outcome, Err(Skip::IpTruncated)),
                34..48 => assert_eq!(outcome, Err(Skip::TransportTruncated)),
                _ => assert_eq!(outcome.unwrap()[0].payload_len, 2, "{length}"),
            }
        }
        let frame = ethernet(0x0800, &udp4((1, 2), b"0123456789"));
        let cut = feed(&mut Decoder::new(Limits::default()), 1, &frame[..39], frame.len(), 1).unwrap();
        assert_eq!((cut[0].payload.len(), cut[0].payload_len), (0, 10));
    }

    #[test]
    fn lengths_that_lie() {
        let mut tso = tcp4();
        tso[2..4].fill(0);
        assert_eq!(decode(101, &behind(&tso, &[7; 3000])).unwrap()[0].payload.len(), 3002);
        let udp = |length: u16| {
            let mut bytes = udp4((1, 2), b"0123");
            bytes[24..26].copy_from_slice(&length.to_be_bytes());
            decode(101, &bytes).map(|packets| packets[0].payload_len)
        };
        assert_eq!((udp(0), udp(60_000), udp(10)), (Ok(4), Ok(4), Ok(2)));
        assert_eq!(udp(7), Err(Skip::TransportMalformed));
        let mut tcp = tcp4();
        tcp[32] = 0x40;
        assert_eq!(decode(101, &tcp), Err(Skip::TransportMalformed));
        tcp[32] = 0xf0;
        assert_eq!(decode(101, &tcp), Err(Skip::TransportMalformed));
    }

    #[test]
    fn sctp_payload_is_the_first_user_data() {
        let header = [0x13, 0x88, 0x0f, 0xa0, 0, 0, 0, 1, 0, 0, 0, 0];
        let sack = [3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];
        let data = [0, 3, 0, 19, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c', 0];
        let frame = ipv4(132, &[&header[..], &sack, &data].concat());
        assert_eq!(ends(101, &frame), ["sctp 172.16.0.1:5000 172.16.0.2:4000"]);
        assert_eq!(decode(101, &frame).unwrap()[0].payload, b"abc");
        for length in 0..frame.len() {
            let _ = decode(101, &frame[..length]);
        }
        assert!(decode(101, &ipv4(132, &behind(&header, &[1, 0, 0, 0]))).unwrap()[0].payload.is_empty());
    }
}
