//! Ethernet frames with IPv4 or IPv6 and TCP or UDP, built in a buffer that is reused; all checksums are
//! right. By hand, because millions are made.

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// Ethernet pads to this, without the check sequence.
const FRAME_BYTES_MIN: usize = 60;

/// Maximum segment size 1,460, selective acknowledgement, window scale 7 (RFC 9293, 2018, 7323).
const SYN_OPTIONS: [u8; 12] = [2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7];

/// An address and a port. An IPv4 address stands in the first four bytes.
#[derive(Clone, Copy)]
pub(super) struct End {
    addr: [u8; 16],
    v6: bool,
    pub(super) port: u16,
}

impl End {
    pub(super) fn v4(addr: [u8; 4], port: u16) -> Self {
        let mut long = [0; 16];
        long[..4].copy_from_slice(&addr);
        Self { addr: long, v6: false, port }
    }

    pub(super) fn v6(addr: [u8; 16], port: u16) -> Self {
        Self { addr, v6: true, port }
    }

    fn addr(&self) -> &[u8] {
        if self.v6 { &self.addr } else { &self.addr[..4] }
    }
}

/// Originator and responder, and the VLAN they talk in.
#[derive(Clone, Copy)]
pub(super) struct Path {
    pub(super) ends: [End; 2],
    pub(super) vlan: Option<u16>,
}

/// What stands in front of the payload.
#[derive(Clone, Copy)]
pub(super) enum Head {
    Tcp { flags: u8, seq: u32, ack: u32, options: bool },
    Udp,
}

/// Builds the frame that end number `from` of the path sends.
pub(super) fn build(frame: &mut Vec<u8>, path: &Path, from: usize, head: Head, payload: &[u8]) {
    let (source, target) = (&path.ends[from], &path.ends[1 - from]);
    let side = u8::from(from == 1);
    frame.clear();
    frame.extend([2, 0, 0, 0, 0, 2 - side, 2, 0, 0, 0, 0, 1 + side]);
    if let Some(vlan) = path.vlan {
        frame.extend([0x81, 0]);
        frame.extend(vlan.to_be_bytes());
    }
    let (protocol, header) = match head {
        Head::Tcp { options, .. } => (6, 20 + if options { SYN_OPTIONS.len() } else { 0 }),
        Head::Udp => (17, 8),
    };
    let length = header + payload.len();
    network(frame, source, target, protocol, length);
    let start = frame.len();
    frame.extend(source.port.to_be_bytes());
    frame.extend(target.port.to_be_bytes());
    let sum_at = match head {
        Head::Tcp { flags, seq, ack, options } => {
            frame.extend(seq.to_be_bytes());
            frame.extend(ack.to_be_bytes());
            frame.extend([if options { 0x80 } else { 0x50 }, flags, 0xff, 0xff, 0, 0, 0, 0]);
            frame.extend(if options { &SYN_OPTIONS[..] } else { &[] });
            16
        }
        Head::Udp => {
            frame.extend(short(length).to_be_bytes());
            frame.extend([0, 0]);
            6
        }
    };
    frame.extend(payload);
    let pseudo = sum(source.addr()) + sum(target.addr()) + u64::from(protocol) + length as u64;
    let checksum = match folded(pseudo + sum(&frame[start..])) {
        0 if protocol == 17 => u16::MAX, // RFC 768: zero would say that there is none
        checksum => checksum,
    };
    frame[start + sum_at..start + sum_at + 2].copy_from_slice(&checksum.to_be_bytes());
    if frame.len() < FRAME_BYTES_MIN {
        frame.resize(FRAME_BYTES_MIN, 0);
    }
}

/// The EtherType and the IP header before `length` bytes.
fn network(frame: &mut Vec<u8>, source: &End, target: &End, protocol: u8, length: usize) {
    if source.v6 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(short(length).to_be_bytes());
        frame.extend([protocol, 64]);
    } else {
        frame.extend([8, 0]);
        let total = short(20 + length).to_be_bytes();
        let mut header = [0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
        let checksum = folded(sum(&header) + sum(source.addr()) + sum(target.addr()));
        header[10..].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(header);
    }
    frame.extend(source.addr());
    frame.extend(target.addr());
}

/// The sum of RFC 1071, unfolded: four bytes at a time, which folds to the same.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().map(|word| u64::from(u32::from_be_bytes(*word)));
    words.sum::<u64>() + u64::from(u32::from_be_bytes(last))
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
