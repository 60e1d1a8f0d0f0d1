//! Conversations as frames: a tap on a wire that hears made-up hosts talk. Handshakes, data with the right
//! sequence numbers and checksums, closing and refusing, datagrams and the ICMP errors that quote them.
//!
//! Everything is reproducible byte for byte: times count from [`BASE_SECONDS`], initial sequence numbers and
//! round-trip times come from a generator that is seeded with the endpoints, and nothing asks the machine for
//! anything.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    Icmpv4Type, Icmpv6Type, IpHeaders, PacketBuilder, PacketBuilderStep, TcpHeader, VlanId, icmpv4, icmpv6,
};

/// 2026-01-01 00:00:00 UTC: when every made capture begins.
pub(crate) const BASE_SECONDS: u64 = 1_767_225_600;

/// Largest TCP payload in one frame.
const SEGMENT_BYTES_MAX: usize = 1400;

const ETHERNET_BYTES: usize = 14;

/// A frame and its time in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    pub(crate) micros: u64,
    /// The frame from its Ethernet header on.
    pub(crate) bytes: Vec<u8>,
}

/// What was heard so far.
#[derive(Default)]
pub(crate) struct Tap {
    frames: Vec<Recorded>,
    vlan: Option<u16>,
}

impl Tap {
    /// Puts everything from now on into this VLAN (or into none).
    pub(crate) fn vlan(&mut self, id: Option<u16>) {
        self.vlan = id;
    }

    /// A TCP conversation that begins `millis` after the base time. Nothing is sent yet.
    pub(crate) fn tcp(&mut self, millis: u64, originator: &str, responder: &str) -> Tcp<'_> {
        let line = Line::new(self, millis, originator, responder);
        let seed = line.random.state;
        Tcp { line, next: [low_half(seed), low_half(seed >> 32)] }
    }

    /// A conversation of datagrams that begins `millis` after the base time.
    pub(crate) fn udp(&mut self, millis: u64, originator: &str, responder: &str) -> Udp<'_> {
        Udp { line: Line::new(self, millis, originator, responder) }
    }

    /// The frames in the order of their times; frames of the same time in the order in which they were made.
    pub(crate) fn frames(mut self) -> Vec<Recorded> {
        self.frames.sort_by_key(|frame| frame.micros);
        self.frames
    }
}

/// Two endpoints, a clock, and where frames go.
struct Line<'t> {
    tap: &'t mut Tap,
    micros: u64,
    ends: [SocketAddr; 2],
    random: Random,
    last: Vec<u8>,
}

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Originator = 0,
    Responder = 1,
}

impl Who {
    const fn other(self) -> Self {
        match self {
            Self::Originator => Self::Responder,
            Self::Responder => Self::Originator,
        }
    }
}

impl<'t> Line<'t> {
    fn new(tap: &'t mut Tap, millis: u64, originator: &str, responder: &str) -> Self {
        let seed = fnv(format!("{millis} {originator} {responder}").as_bytes());
        let end = |text: &str| text.parse().unwrap_or_else(|_| panic!("no endpoint: {text}"));
        Self {
            tap,
            micros: BASE_SECONDS * 1_000_000 + millis * 1000,
            ends: [end(originator), end(responder)],
            random: Random::new(seed),
            last: Vec::new(),
        }
    }

    /// Ethernet and IP headers of a packet between two addresses.
    fn ip(&self, from: IpAddr, to: IpAddr) -> PacketBuilderStep<IpHeaders> {
        let ethernet = PacketBuilder::ethernet2(mac(from), mac(to));
        let vlan = self.tap.vlan.map(|id| VlanId::try_new(id).expect("12 bits"));
        match (from, to, vlan) {
            (IpAddr::V4(from), IpAddr::V4(to), None) => ethernet.ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to), None) => ethernet.ipv6(from.octets(), to.octets(), 64),
            (IpAddr::V4(from), IpAddr::V4(to), Some(id)) => {
                ethernet.single_vlan(id).ipv4(from.octets(), to.octets(), 64)
            }
            (IpAddr::V6(from), IpAddr::V6(to), Some(id)) => {
                ethernet.single_vlan(id).ipv6(from.octets(), to.octets(), 64)
            }
            _ => panic!("both ends of a conversation speak the same version of IP"),
        }
    }

    /// Records a frame and lets 0.2 to 0.9 milliseconds pass.
    fn record(&mut self, bytes: Vec<u8>) {
        self.last.clone_from(&bytes);
        self.tap.frames.push(Recorded { micros: self.micros, bytes });
        self.micros += 200 + self.random.below(700);
    }

    /// The other side's machine says that nothing can be delivered there, and quotes what was sent last.
    fn unreachable(&mut self) {
        let [to, from] = self.ends.map(|end| end.ip());
        let tag_bytes = if self.tap.vlan.is_some() { 4 } else { 0 };
        let sent = &self.last[ETHERNET_BYTES + tag_bytes..];
        let mut bytes = Vec::new();
        let ip = self.ip(from, to);
        if from.is_ipv4() {
            let quote = &sent[..sent.len().min(28)]; // RFC 792: header and 64 bits
            let kind = Icmpv4Type::DestinationUnreachable(icmpv4::DestUnreachableHeader::Port);
            ip.icmpv4(kind).write(&mut bytes, quote).expect("writes to memory");
        } else {
            let kind = Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::Port);
            ip.icmpv6(kind).write(&mut bytes, &sent[..sent.len().min(1232)]).expect("writes to memory");
        }
        self.record(bytes);
    }
}

/// A TCP conversation.
pub(crate) struct Tcp<'t> {
    line: Line<'t>,
    next: [u32; 2],
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const URG: u8 = 32;

impl Tcp<'_> {
    /// Lets time pass.
    pub(crate) fn wait(mut self, millis: u64) -> Self {
        self.line.micros += millis * 1000;
        self
    }

    /// The three packets of a handshake.
    pub(crate) fn open(self) -> Self {
        self.syn().syn_ack().acknowledge()
    }

    /// The originator asks for a connection.
    pub(crate) fn syn(mut self) -> Self {
        self.send(Who::Originator, SYN, &[]);
        self
    }

    /// The originator, unanswered, asks again: the same segment once more.
    pub(crate) fn syn_again(mut self) -> Self {
        self.next[0] = self.next[0].wrapping_sub(1);
        self.send(Who::Originator, SYN, &[]);
        self
    }

    /// The responder agrees.
    pub(crate) fn syn_ack(mut self) -> Self {
        self.send(Who::Responder, SYN | ACK, &[]);
        self
    }

    /// The originator acknowledges what it has heard.
    pub(crate) fn acknowledge(mut self) -> Self {
        self.send(Who::Originator, ACK, &[]);
        self
    }

    /// The originator says something, and the responder acknowledges it.
    pub(crate) fn ask(self, bytes: &[u8]) -> Self {
        self.say(Who::Originator, bytes)
    }

    /// The responder says something, and the originator acknowledges it.
    pub(crate) fn answer(self, bytes: &[u8]) -> Self {
        self.say(Who::Responder, bytes)
    }

    /// Both sides finish, the originator first.
    pub(crate) fn close(mut self) {
        self.send(Who::Originator, FIN | ACK, &[]);
        self.send(Who::Responder, FIN | ACK, &[]);
        self.send(Who::Originator, ACK, &[]);
    }

    /// The responder resets: a refusal when it comes first.
    pub(crate) fn reset(mut self) {
        self.send(Who::Responder, RST | ACK, &[]);
    }

    /// The originator resets: what a scanner's system says to an answer that it did not expect.
    pub(crate) fn abandon(mut self) {
        self.send(Who::Originator, RST, &[]);
    }

    /// The originator sends one segment with these control bits, whatever they mean.
    pub(crate) fn probe(mut self, flags: u8) -> Self {
        self.send(Who::Originator, flags, &[]);
        self
    }

    fn say(mut self, who: Who, bytes: &[u8]) -> Self {
        for segment in bytes.chunks(SEGMENT_BYTES_MAX) {
            self.send(who, PSH | ACK, segment);
        }
        self.send(who.other(), ACK, &[]);
        self
    }

    fn send(&mut self, who: Who, flags: u8, payload: &[u8]) {
        let (from, to) = (self.line.ends[who as usize], self.line.ends[who.other() as usize]);
        let mut header = TcpHeader::new(from.port(), to.port(), self.next[who as usize], 64_240);
        header.syn = flags & SYN != 0;
        header.fin = flags & FIN != 0;
        header.rst = flags & RST != 0;
        header.psh = flags & PSH != 0;
        header.ack = flags & ACK != 0;
        header.urg = flags & URG != 0;
        if header.ack {
            header.acknowledgment_number = self.next[who.other() as usize];
        }
        if header.syn {
            let options = [2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 0, 0]; // segment size, window scale, SACK
            header.set_options_raw(&options).expect("fits");
        }
        let mut bytes = Vec::new();
        let ip = self.line.ip(from.ip(), to.ip());
        ip.tcp_header(header).write(&mut bytes, payload).expect("writes to memory");
        self.line.record(bytes);
        let counted = payload.len() + usize::from(flags & (SYN | FIN) != 0);
        self.next[who as usize] =
            self.next[who as usize].wrapping_add(u32::try_from(counted).expect("small"));
    }
}

/// A conversation of datagrams.
pub(crate) struct Udp<'t> {
    line: Line<'t>,
}

impl Udp<'_> {
    /// Lets time pass.
    pub(crate) fn wait(mut self, millis: u64) -> Self {
        self.line.micros += millis * 1000;
        self
    }

    /// The originator sends a datagram.
    pub(crate) fn ask(self, bytes: &[u8]) -> Self {
        self.send(Who::Originator, bytes)
    }

    /// The responder sends a datagram.
    pub(crate) fn answer(self, bytes: &[u8]) -> Self {
        self.send(Who::Responder, bytes)
    }

    /// The responder's machine says that nobody listens there.
    pub(crate) fn unreachable(mut self) -> Self {
        self.line.unreachable();
        self
    }

    fn send(mut self, who: Who, payload: &[u8]) -> Self {
        let (from, to) = (self.line.ends[who as usize], self.line.ends[who.other() as usize]);
        let mut bytes = Vec::new();
        let ip = self.line.ip(from.ip(), to.ip());
        ip.udp(from.port(), to.port()).write(&mut bytes, payload).expect("writes to memory");
        self.line.record(bytes);
        self
    }
}

/// A locally administered address that follows from the IP address.
fn mac(addr: IpAddr) -> [u8; 6] {
    let tail = match addr {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            [octets[0], octets[13], octets[14], octets[15]]
        }
    };
    [2, 0, tail[0], tail[1], tail[2], tail[3]]
}

/// A small seeded generator (splitmix64): the same numbers on every machine, for ever.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound - 1`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Bytes without a pattern.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

const fn low_half(number: u64) -> u32 {
    let b = number.to_le_bytes();
    u32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

/// FNV-1a, 64 bits: a seed from a name.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn a_conversation_has_right_numbers_and_checksums() {
    let mut tap = Tap::default();
    tap.tcp(0, "10.0.0.1:40000", "10.0.0.2:3007").open().ask(b"hello").answer(b"world!").close();
    let frames = tap.frames();
    assert_eq!(frames.len(), 10);
    let mut next = std::collections::HashMap::new();
    for frame in &frames {
        let sliced = etherparse::SlicedPacket::from_ethernet(&frame.bytes).expect("well formed");
        let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("TCP") };
        let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net else { panic!("IPv4") };
        let header = tcp.to_header();
        let sum = header.calc_checksum_ipv4(&ip.header().to_header(), tcp.payload()).expect("short");
        assert_eq!(header.checksum, sum);
        let due = next.insert(
            header.source_port,
            header.sequence_number.wrapping_add(
                u32::try_from(tcp.payload().len()).expect("short")
                    + u32::from(header.syn)
                    + u32::from(header.fin),
            ),
        );
        assert!(due.is_none_or(|due| due == header.sequence_number), "sequence numbers follow on");
        if header.ack
            && let Some(&heard) = next.get(&header.destination_port)
        {
            assert_eq!(header.acknowledgment_number, heard, "everything heard is acknowledged");
        }
    }
    let times: Vec<_> = frames.iter().map(|frame| frame.micros).collect();
    assert!(times.is_sorted() && times[0] == BASE_SECONDS * 1_000_000);
}

#[test]
fn an_icmp_error_quotes_the_datagram() {
    for (from, to, quote_at) in [("10.0.0.1:5", "10.0.0.2:3206", 42), ("[fd00::1]:5", "[fd00::2]:3206", 62)] {
        let mut tap = Tap::default();
        tap.udp(0, from, to).ask(b"?").unreachable();
        let frames = tap.frames();
        let quote = &frames[1].bytes[quote_at..];
        assert_eq!(quote, &frames[0].bytes[14..14 + quote.len()]);
    }
}
