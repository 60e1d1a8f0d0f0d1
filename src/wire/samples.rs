//! Frames for the tests of this room, built byte by byte.

use etherparse::PacketBuilder;

use crate::capture::{Frame, LinkType};
use crate::time::Timestamp;
use crate::wire::{Decoder, Limits, Packet, Role, Scratch, Skip, Transport};

/// What a test wants to know of a packet, free of its burst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) layer: u8,
    pub(super) transport: Transport,
    pub(super) src: String,
    pub(super) dst: String,
    pub(super) role: Role,
    pub(super) flags: u8,
    pub(super) options: usize,
    pub(super) payload: Vec<u8>,
    pub(super) payload_len: u32,
    pub(super) vlan: Vec<u16>,
}

/// Decodes one frame and checks the contract of [`Decoder::decode`].
pub(super) fn feed(
    decoder: &mut Decoder,
    link: u32,
    bytes: &[u8],
    wire_len: usize,
    seconds: i64,
) -> Result<Vec<Seen>, Skip> {
    let scratch = Scratch::new();
    let time = Timestamp::from_parts(seconds, 0);
    let wire_len = u32::try_from(wire_len).unwrap();
    let frame = Frame { number: 1, time, link: LinkType(link), input: 0, wire_len, bytes };
    let mut packets = Vec::new();
    let outcome = decoder.decode(&frame, time, &scratch, &mut packets);
    assert_eq!(outcome.is_ok(), !packets.is_empty(), "{outcome:?}");
    for (place, packet) in packets.iter().enumerate() {
        assert_eq!(usize::from(packet.layer), place);
        assert!(packet.payload_len as usize >= packet.payload.len());
        assert_eq!(packet.wire_len, wire_len);
        if let Role::LaterFragment { .. } | Role::IcmpError { .. } = packet.role {
            assert_eq!(packet.tcp, crate::wire::Tcp::default());
        }
    }
    outcome.map(|()| packets.iter().map(seen).collect())
}

/// One frame through a new decoder.
pub(super) fn decode(link: u32, bytes: &[u8]) -> Result<Vec<Seen>, Skip> {
    feed(&mut Decoder::new(Limits::default()), link, bytes, bytes.len(), 1)
}

/// The endpoints of each packet, outermost first.
pub(super) fn ends(link: u32, bytes: &[u8]) -> Vec<String> {
    let packets = decode(link, bytes).unwrap_or_else(|skip| panic!("skipped: {}", skip.name()));
    packets.iter().map(|p| format!("{} {} {}", p.transport.name(), p.src, p.dst)).collect()
}

fn seen(packet: &Packet<'_>) -> Seen {
    Seen {
        layer: packet.layer,
        transport: packet.transport,
        src: packet.src.to_string(),
        dst: packet.dst.to_string(),
        role: packet.role,
        flags: packet.tcp.flags.0,
        options: packet.tcp_options.len(),
        payload: packet.payload.to_vec(),
        payload_len: packet.payload_len,
        vlan: packet.vlan.ids().to_vec(),
    }
}

/// What [`ends`] says of [`tcp4`].
pub(super) const TCP4: &str = "tcp 10.0.0.1:1000 10.0.0.2:3007";
/// What [`ends`] says of [`udp6`].
pub(super) const UDP6: &str = "udp [fd00::1]:2000 [fd00::2]:53";

/// IPv4 with a TCP SYN, one option, and "hi".
pub(super) fn tcp4() -> Vec<u8> {
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1000, 3007, 7, 512).syn();
    let builder = builder.options(&[etherparse::TcpOptionElement::MaximumSegmentSize(1460)]).unwrap();
    let mut bytes = Vec::new();
    builder.write(&mut bytes, b"hi").unwrap();
    bytes
}

/// IPv4 with UDP and this payload.
pub(super) fn udp4(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(ports.0, ports.1);
    builder.write(&mut bytes, payload).unwrap();
    bytes
}

/// IPv6 with UDP and "hello".
pub(super) fn udp6() -> Vec<u8> {
    let (mut src, mut dst) = ([0u8; 16], [0u8; 16]);
    (src[0], src[15], dst[0], dst[15]) = (0xfd, 1, 0xfd, 2);
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(src, dst, 64).udp(2000, 53).write(&mut bytes, b"hello").unwrap();
    bytes
}

/// An IPv4 header of this protocol before these bytes.
pub(super) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_part(protocol, 0, 0, false, payload)
}

/// An IPv4 fragment.
pub(super) fn ipv4_part(protocol: u8, id: u16, at: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap();
    let place = (at / 8) | if more { 0x2000 } else { 0 };
    let mut bytes = vec![0x45, 0];
    for word in [total, id, place] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend([64, protocol, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2]);
    bytes.extend(payload);
    bytes
}

/// An IPv6 header of this next header before these bytes.
pub(super) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend([next, 64]);
    let mut addresses = [0u8; 32];
    (addresses[0], addresses[15], addresses[16], addresses[31]) = (0xfe, 1, 0xfe, 2);
    bytes.extend(addresses);
    bytes.extend(payload);
    bytes
}

/// These bytes behind a header.
pub(super) fn behind(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [header, payload].concat()
}

/// An Ethernet header with this type.
pub(super) fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    behind(&[&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &kind.to_be_bytes()].concat(), payload)
}
