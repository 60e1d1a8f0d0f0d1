//! Industrial, building, vehicle and health protocols: Modbus, DNP3, IEC 104, EtherNet/IP, BACnet, OPC UA,
//! synchrophasors, HART-IP, DLMS, DoIP, DICOM, HL7, FIX, Veeder-Root.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{at, be16, be32, cut, le16, le32};
use super::recognise::Carrier;
use super::sign::{Sign, answers, asks, either};

/// Modbus/TCP: "Modbus Messaging on TCP/IP" section 3.1.3 (header), "Application Protocol" chapter 6 (sizes
/// by function).
pub(super) fn modbus(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::from(be16(bytes, 4)?);
    let whole = at(bytes, 2, &[0, 0]) && (3..=254).contains(&len) && len + 6 <= bytes.len();
    let function = *bytes.get(7)?;
    let count = bytes.get(8).map(|c| usize::from(*c));
    // Another frame may follow in the same segment: then it too has protocol 0.
    let next = len + 6 == bytes.len() || at(bytes, len + 8, &[0, 0, 0]);
    if !whole || !next {
        return None;
    }
    match function {
        1..=4 if len == 6 && (1..=2000).contains(&be16(bytes, 10)?) => asks(Good),
        1..=4 if len > 3 && count == Some(len - 3) => answers(Good),
        5 | 6 if len == 6 => either(Good),
        15 | 16 if len >= 8 && bytes.get(12).map(|c| usize::from(*c) + 7) == Some(len) => asks(Good),
        15 | 16 if len == 6 => answers(Good),
        43 if at(bytes, 8, &[0x0e]) => {
            if len == 5 {
                asks(Good)
            } else {
                answers(Good)
            }
        }
        0x80.. if len == 3 && matches!(bytes.get(8)?, 1..=11) => answers(Good),
        7 | 11 | 12 | 17 if len == 2 => asks(Weak),
        _ => None,
    }
}

/// DNP3: IEEE 1815 clause 9.2 (link frame: 05 64, length, control, addresses, CRC of the first eight bytes).
pub(super) fn dnp3(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let header = bytes.get(..10)?;
    let sum = !header[..8].iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa6bc } else { crc >> 1 })
    });
    if header[..2] != [0x05, 0x64] || header[2] < 5 || le16(header, 8)? != sum {
        return None;
    }
    if header[3] & 0x80 != 0 { asks(Strong) } else { answers(Strong) }
}

/// IEC 60870-5-104 section 5.1 (start 68, length, control field): U, S and I frames.
pub(super) fn iec104(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let len = usize::from(*bytes.get(1)?);
    let control = bytes.get(2..6)?;
    let follows = || matches!(bytes.get(len + 2..), Some([0x68, 4..=253, ..] | [0x68]));
    let next = len + 2 == bytes.len() || follows();
    if bytes[0] != 0x68 || !(4..=253).contains(&len) || !next || control[2] & 1 != 0 {
        return None;
    }
    match control {
        [0x07 | 0x13 | 0x43, 0, 0, 0] if len == 4 => asks(Strong),
        [0x0b | 0x23 | 0x83, 0, 0, 0] if len == 4 => answers(Strong),
        [1, 0, ..] if len == 4 => either(Good),
        [first, ..] if first & 1 == 0 && len >= 12 => {
            // Addresses have high bytes, and they are hardly ever all in use: texts have no zero.
            let asdu = bytes.get(6..10).filter(|_| bytes.iter().take(15).skip(6).any(|b| *b == 0))?;
            let known = matches!(asdu[0], 1..=40 | 45..=51 | 58..=70 | 100..=107 | 110..=113 | 120..=127);
            (known && matches!(asdu[2] & 0x3f, 1..=13 | 20..=47) && asdu[1] != 0)
                .then(|| either(Good))
                .flatten()
        }
        _ => None,
    }
}

/// EtherNet/IP: CIP volume 2, section 2-3 (encapsulation header of 24 bytes, little-endian) and, in
/// datagrams, 2-6 and 3-2 (two items: a sequenced address and connected data).
pub(super) fn enip(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let connected = bytes.starts_with(&[2, 0, 2, 0x80, 8, 0]) && at(bytes, 14, &[0xb1, 0]);
    if carrier == Carrier::Datagram && connected {
        let len = usize::from(le16(bytes, 16)?);
        let fits = len + 18 == bytes.len() || len + 18 > bytes.len() && cut(bytes);
        return fits.then(|| either(Strong)).flatten();
    }
    let (command, len) = (le16(bytes, 0)?, usize::from(le16(bytes, 2)?));
    let known = matches!(command, 0x04 | 0x63..=0x66 | 0x6f | 0x70);
    let fits = len + 24 == bytes.len() || len + 24 > bytes.len() && cut(bytes);
    let quiet = le32(bytes, 20)? == 0 && le32(bytes, 8)? <= 0x69;
    if !(known && fits && quiet) {
        return None;
    }
    match (command, len) {
        (0x63 | 0x64 | 0x04, 0) => asks(Strong),
        (0x63 | 0x64 | 0x04, _) => answers(Strong),
        (0x65, _) => {
            if le32(bytes, 4)? == 0 {
                asks(Strong)
            } else {
                answers(Strong)
            }
        }
        _ => either(Strong),
    }
}

/// BACnet/IP: ASHRAE 135 annex J.2 (BVLC) and clause 6.2 (network layer version 1).
pub(super) fn bacnet(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let function = *bytes.get(1)?;
    if bytes[0] != 0x81 || function > 0x0c || usize::from(be16(bytes, 2)?) != bytes.len() {
        return None;
    }
    match function {
        0x09..=0x0b if at(bytes, 4, &[1]) => either(Strong),
        0x04 if at(bytes, 10, &[1]) => either(Strong),
        0x00 if bytes.len() == 6 => answers(Good),
        0x05 if bytes.len() == 6 => asks(Good),
        0x02 | 0x06 if bytes.len() == 4 => asks(Weak),
        _ => None,
    }
}

/// OPC UA: part 6, section 7.1.2 (connection protocol: type, chunk, length).
pub(super) fn opcua(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let size = le32(bytes, 4)?;
    let sound = matches!(bytes.get(3)?, b'F' | b'C' | b'A') && (8..=0x0100_0000).contains(&size);
    match bytes.get(..3)? {
        b"HEL" | b"RHE" if sound => asks(Strong),
        b"ACK" | b"ERR" if sound => answers(Strong),
        b"OPN" | b"MSG" | b"CLO" if sound => either(Strong),
        _ => None,
    }
}

/// Synchrophasors: IEEE C37.118.2 section 6.2 (sync word, size, CRC-CCITT over the whole frame).
pub(super) fn synchrophasor(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (kind, size) = (*bytes.get(1)?, usize::from(be16(bytes, 2)?));
    if bytes[0] != 0xaa
        || kind & 0x80 != 0
        || kind >> 4 > 5
        || !matches!(kind & 15, 1 | 2)
        || !(16..=16_384).contains(&size)
    {
        return None;
    }
    let says = |strength| if kind >> 4 == 4 { asks(strength) } else { answers(strength) };
    let Some(frame) = bytes.get(..size) else { return (cut(bytes)).then(|| says(Weak)).flatten() };
    let sum = frame[..size - 2].iter().fold(0xffff_u16, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 },
        )
    });
    (be16(frame, size - 2)? == sum).then(|| says(Strong)).flatten()
}

/// HART-IP: HCF specification 85, section 10.2.3 (version, type, message, status, sequence, length).
pub(super) fn hart_ip(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    let header = bytes.get(..8)?;
    let len = usize::from(be16(header, 6)?);
    let sound = matches!(header[0], 1 | 2) && matches!(header[1], 0..=2) && header[2] <= 4 && len >= 8;
    // Over TCP the next message may follow at once.
    let fits = len == bytes.len() || carrier == Carrier::Stream && bytes.get(len) == Some(&header[0]);
    let session = header[2] == 0 && len == 13
        || header[2] == 1 && len == 8
        || header[2] == 3 && len > 8
        || header[2] == 2;
    if !(sound && session && fits) {
        return None;
    }
    if header[1] == 0 { asks(Weak) } else { answers(Weak) }
}

/// DLMS/COSEM and IEC 62056-21 meters: HDLC frames of IEC 62056-46 section 6.4 (flag, format type 3, length,
/// check).
pub(super) fn iec62056(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let format = be16(bytes, 1)?;
    let len = usize::from(format & 0x07ff);
    if bytes[0] != 0x7e || format >> 12 != 0xa || len < 7 || bytes.get(len + 1) != Some(&0x7e) {
        return None;
    }
    let frame = &bytes[1..=len];
    let sum = !frame[..len - 2].iter().fold(0xffff_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 })
    });
    (le16(frame, len - 2)? == sum).then(|| either(Strong)).flatten()
}

/// Diagnostics over IP: ISO 13400-2 table 16 (version, its inverse, type, length).
pub(super) fn doip(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let (version, inverse, kind) = (bytes[0], *bytes.get(1)?, be16(bytes, 2)?);
    let len = usize::try_from(be32(bytes, 4)?).ok()?;
    let sound = version ^ inverse == 0xff
        && (matches!(version, 1..=4) || version == 0xff && matches!(kind, 1..=3))
        && len + 8 <= bytes.len().max(512);
    if !sound || len > 0x0001_0000 {
        return None;
    }
    match kind {
        1 | 2 | 3 | 5 | 7 | 0x4001 | 0x4003 => asks(Strong),
        0 | 4 | 6 | 8 | 0x4002 | 0x4004 | 0x8002 | 0x8003 => answers(Strong),
        0x8001 => either(Strong),
        _ => None,
    }
}

/// DICOM: part 8, section 9.3 (A-ASSOCIATE request and accept: type, length, version 1, titles of 16
/// characters).
pub(super) fn dicom(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let sound =
        at(bytes, 1, &[0]) && at(bytes, 6, &[0, 1, 0, 0]) && (68..=0x0001_0000).contains(&be32(bytes, 2)?);
    let titled = bytes.get(10..42).is_some_and(|titles| titles.iter().all(|b| matches!(b, 0x20..=0x7e)));
    match bytes[0] {
        1 if sound && titled => asks(Strong),
        2 if sound && titled => answers(Strong),
        _ => None,
    }
}

/// HL7 over MLLP: HL7 transport specification (vertical tab, then a message header segment).
pub(super) fn hl7(bytes: &[u8], _: Carrier) -> Option<Sign> {
    bytes.starts_with(b"\x0bMSH|").then(|| either(Strong)).flatten()
}

/// FIX: the standard header begins with the version (tag 8) and the body length (tag 9).
pub(super) fn fix(bytes: &[u8], _: Carrier) -> Option<Sign> {
    (bytes.starts_with(b"8=FIX") && at(bytes, 5, b".4.") || bytes.starts_with(b"8=FIXT.1.1\x019="))
        .then(|| either(Strong))
        .flatten()
}

/// Veeder-Root tank gauges: TLS-350 serial interface manual (start of header, `I` or `S`, three-digit
/// function, tank).
pub(super) fn tank_gauge(bytes: &[u8], _: Carrier) -> Option<Sign> {
    let command = bytes.get(1..7)?;
    let function =
        matches!(command[0], b'I' | b'i' | b'S' | b's') && command[3..].iter().all(u8::is_ascii_digit);
    let coded = command[1..3].iter().all(u8::is_ascii_hexdigit);
    if bytes[0] != 1 || !function || !coded {
        return None;
    }
    if bytes.len() > 12 { answers(Good) } else { asks(Good) }
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(
        App::Modbus,
        b"\0\x01\0\0\0\x06\x01\x03\0\x6b\0\x03",
        b"\0\x01\0\0\0\x09\x01\x03\x06\x02\x2b\0\0\0\x64",
    ),
    stream(App::Modbus, b"", b"\0\0\0\0\0\x03\x01\x80\x01"),
    stream(App::Dnp3, b"\x05\x64\x05\xc0\x01\0\0\x04\xe9\x21", b"\x05\x64\x05\x40\x01\0\0\x04\x9d\x40"),
    stream(App::Iec104, b"\x68\x04\x07\0\0\0", b"\x68\x04\x0b\0\0\0"),
    stream(App::Iec104, b"\x68\x04\x01\0\x42\0", b"\x68\x0e\0\0\0\0\x64\x01\x06\0\x01\0\0\0\0\x14"),
    stream(
        App::Enip,
        b"\x65\0\x04\0\0\0\0\0\0\0\0\0CCCCCCCC\0\0\0\0\x01\0\0\0",
        b"\x65\0\x04\0\x01\0\0\0\0\0\0\0CCCCCCCC\0\0\0\0\x01\0\0\0",
    ),
    datagram(App::Enip, b"\x02\0\x02\x80\x08\0CCCCSSSS\xb1\0\x02\0\x01\0", b""),
    datagram(App::Bacnet, b"\x81\x0b\0\x0c\x01\x20\xff\xff\0\xff\x10\x08", b"\x81\x0b\0\x08\x01\0\x10\0"),
    stream(App::Opcua, b"HELF\x20\0\0\0\0\0\0\0", b"ACKF\x1c\0\0\0\0\0\0\0"),
    stream(App::Synchrophasor, b"\xaa\x41\0\x12\0\x07TTTTFFFF\0\x05\xfd\x21", b""),
    datagram(
        App::HartIp,
        b"\x01\0\0\0\0\x01\0\x0d\x01\0\0\x27\x10",
        b"\x01\x01\0\0\0\x01\0\x0d\x01\0\0\x27\x10",
    ),
    stream(App::Iec62056, b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e", b""),
    stream(
        App::Doip,
        b"\x02\xfd\0\x05\0\0\0\x07\x0e\0\0\0\0\0\0",
        b"\x02\xfd\0\x06\0\0\0\x09\x0e\0\x10\x01\x10\0\0\0\0",
    ),
    stream(
        App::Dicom,
        b"\x01\0\0\0\0\xcd\0\x01\0\0ANY-SCP         ECHOSCU         ",
        b"\x02\0\0\0\0\xb8\0\x01\0\0ANY-SCP         ECHOSCU         ",
    ),
    stream(App::Hl7, b"\x0bMSH|^~\\&|A|B|", b"\x0bMSH|^~\\&|B|A|"),
    stream(App::Fix, b"8=FIX.4.2\x019=65\x0135=A\x01", b"8=FIX.4.2\x019=65\x0135=A\x01"),
    stream(App::TankGauge, b"\x01I20100\n", b"\x01I20100\r\n01/01/2026 00:00\r\n"),
];
