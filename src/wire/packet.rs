//! What decoding gives: one packet of one flow, with the family and the layers below forgotten.

use std::fmt;
use std::net::IpAddr;

use crate::time::Timestamp;

/// Transport protocols that have ports. The number is the IP protocol number (IANA "Protocol Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Transport {
    /// Transmission Control Protocol, RFC 9293.
    Tcp = 6,
    /// User Datagram Protocol, RFC 768.
    Udp = 17,
    /// Stream Control Transmission Protocol, RFC 9260.
    Sctp = 132,
}

impl Transport {
    /// All of them, in the order of their protocol numbers.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// Lower-case name, as in `3007/tcp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// Upper-case name, as EVE's `proto`.
    #[must_use]
    pub const fn eve_name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }

    /// The transport of this lower-case name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

/// An address and a port: one end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv4 or IPv6 address; a mapped address stays IPv6.
    pub addr: IpAddr,
    /// Port number.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint.
    #[must_use]
    pub const fn new(addr: IpAddr, port: u16) -> Self {
        Self { addr, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&super::text::endpoint(*self))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first two VLAN identifiers of a frame, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vlan {
    ids: [u16; 2],
    count: u8,
}

impl Vlan {
    /// Adds an identifier (12 bits, IEEE 802.1Q); the third and deeper ones are not kept.
    pub fn push(&mut self, id: u16) {
        if let Some(place) = self.ids.get_mut(usize::from(self.count)) {
            *place = id & 0x0fff;
            self.count += 1;
        }
    }

    /// The identifiers, outermost first; at most two.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        &self.ids[..usize::from(self.count)]
    }
}

/// TCP control bits (RFC 9293 section 3.1), as they stand in the header's 14th byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers: the sender opens.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field counts.
    pub const ACK: u8 = 0x10;
    /// Urgent pointer counts.
    pub const URG: u8 = 0x20;

    /// True when all of these bits are set.
    #[must_use]
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }

    /// True when any of these bits is set.
    #[must_use]
    pub const fn any(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// The TCP header fields that flow tracking needs; all zero for other transports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Control bits.
    pub flags: TcpFlags,
    /// Sequence number of the first payload byte (of the SYN itself when SYN is set).
    pub seq: u32,
    /// Next sequence number expected; meaningful when ACK is set.
    pub ack: u32,
    /// Receive window as sent, unscaled.
    pub window: u16,
}

/// What this packet is to its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A whole segment or datagram, or the first fragment of one.
    Segment,
    /// A later fragment whose ports are known from the first one. It has no transport header of its own:
    /// `tcp` is zero, and `payload` continues the datagram only when `contiguous` says so.
    LaterFragment {
        /// True when its bytes follow directly on the bytes of the datagram that were handed on before.
        contiguous: bool,
    },
    /// The outer packet of a tunnel whose inside was decoded too (VXLAN, GENEVE, GTP-U, Teredo): counted, and
    /// its head kept like any other, but the flows inside are packets of their own.
    Carrier,
    /// An ICMP error that quotes a packet of this flow. `src` and `dst` are those of the *quoted* packet: the
    /// flow's sender is the one who is being told. It adds no packet to the flow's counters.
    IcmpError {
        /// Who sent the error.
        from: IpAddr,
        /// True for ICMPv6 (RFC 4443), false for ICMP (RFC 792).
        v6: bool,
        /// ICMP type: 3 destination unreachable, 11 time exceeded; ICMPv6: 1 destination unreachable, ...
        kind: u8,
        /// ICMP code.
        code: u8,
    },
}

/// One decoded packet. Lent: it lives as long as its burst.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Number of the frame that carried it, from 1.
    pub frame: u64,
    /// When the frame was captured.
    pub time: Timestamp,
    /// The packet clock at this frame: the latest time of the run so far. Timeouts are measured with it.
    pub clock: Timestamp,
    /// Which of the packets of that frame this is: 0 for the outermost. `(frame, layer)` is unique in a run.
    pub layer: u8,
    /// Index of the input (file or interface) it came from.
    pub input: u16,
    /// VLAN identifiers of the frame.
    pub vlan: Vlan,
    /// Transport protocol.
    pub transport: Transport,
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// Time to live or hop limit as received; 0 when not known.
    pub ttl: u8,
    /// What it is to its flow.
    pub role: Role,
    /// TCP header fields; zero for other transports.
    pub tcp: Tcp,
    /// Raw TCP option bytes of a SYN or SYN-ACK as captured; empty for everything else.
    pub tcp_options: &'a [u8],
    /// Payload bytes above the transport header that were captured, without link padding.
    pub payload: &'a [u8],
    /// Payload bytes above the transport header on the wire; at least `payload.len()`.
    pub payload_len: u32,
    /// Bytes of the whole frame on the wire: what EVE counts in `bytes_toserver`.
    pub wire_len: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vlans_keep_the_outer_two() {
        let mut vlan = Vlan::default();
        assert!(vlan.ids().is_empty());
        for id in [0xf007, 8, 9] {
            vlan.push(id);
        }
        assert_eq!(vlan.ids(), [7, 8]);
    }

    #[test]
    fn names_go_both_ways() {
        for transport in Transport::ALL {
            assert_eq!(Transport::from_name(transport.name()), Some(transport));
        }
        assert_eq!(Transport::from_name("TCP"), None);
        assert_eq!(Endpoint::new("::1".parse().unwrap(), 80).to_string(), "[::1]:80");
    }
}
