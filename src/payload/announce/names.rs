//! Service records: where a service listens, by multicast DNS and by name servers (RFC 2782, RFC 6763
//! section 5, RFC 6762).
//!
//! By multicast a host speaks of itself: the place is the speaker's, and records whose target has other
//! addresses only (a reflector's) announce nothing. A name server speaks of others: the places are the
//! target's addresses in the same reply, and the reply is read only after its question was heard, because a
//! lone datagram from a forged address is nothing to believe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Notes;
use crate::payload::bytes::{at, be16};
use crate::payload::meeting::SRV;
use crate::payload::recognise::Carrier;
use crate::wire::Transport::{self, Tcp, Udp};

/// Service records read of one message.
const SERVICES_MAX: usize = 32;
/// Address records read of one message.
const ADDRESSES_MAX: usize = 64;
/// Records looked at in one message.
const RECORDS_MAX: usize = 256;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_SRV: u16 = 33;

/// Reads a multicast answer.
pub(super) fn multicast(notes: &mut Notes<'_, '_>) {
    let records = Records::read(notes.speech.bytes);
    let speaker = notes.speech.speaker;
    for service in &records.services {
        let mut addrs = records.addresses_of(service).peekable();
        if addrs.peek().is_none() || addrs.any(|addr| addr == speaker) {
            notes.add(service.transport, speaker, service.port, SRV, &service.labels);
        }
    }
}

/// Reads a name server's answer to a question that was heard.
pub(super) fn server(notes: &mut Notes<'_, '_>) {
    let (bytes, heard) = (unframed(notes.speech.bytes, notes), unframed(notes.speech.heard, notes));
    if be16(bytes, 0) != be16(heard, 0) || is_answer(heard) || !asks_for_service(heard) {
        return;
    }
    let records = Records::read(bytes);
    for service in &records.services {
        for addr in records.addresses_of(service) {
            notes.add(service.transport, addr, service.port, SRV, &service.labels);
        }
    }
}

/// True for an answer (RFC 1035 section 4.1.1: QR).
pub(super) fn is_answer(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 0x80 != 0)
}

/// True when the first question is for service records.
pub(super) fn asks_for_service(message: &[u8]) -> bool {
    let end = || {
        be16(message, 4).filter(|questions| *questions > 0).and_then(|_| name(message, 12, &mut Vec::new()))
    };
    end().is_some_and(|end| be16(message, end) == Some(TYPE_SRV))
}

/// A message of a stream begins behind its length (RFC 1035 section 4.2.2).
fn unframed<'a>(bytes: &'a [u8], notes: &Notes<'_, '_>) -> &'a [u8] {
    match notes.speech.carrier {
        Carrier::Datagram => bytes,
        Carrier::Stream => bytes.get(2..).unwrap_or_default(),
    }
}

/// A service record.
struct Service {
    transport: Transport,
    port: u16,
    /// `_ipp._tcp`
    labels: String,
    target: Vec<u8>,
}

/// What matters of a message.
#[derive(Default)]
struct Records {
    services: Vec<Service>,
    addresses: Vec<(Vec<u8>, IpAddr)>,
}

impl Records {
    /// Reads as many records as are here and whole.
    fn read(message: &[u8]) -> Self {
        let mut records = Self::default();
        if is_answer(message) {
            // A record that is not whole ends it: those before it count.
            let _ = records.fill(message);
        }
        records
    }

    fn fill(&mut self, message: &[u8]) -> Option<()> {
        let mut place = 12;
        for _ in 0..be16(message, 4)?.min(32) {
            place = name(message, place, &mut Vec::new())? + 4;
        }
        for _ in 0..RECORDS_MAX {
            let mut owner = Vec::new();
            let fixed = name(message, place, &mut owner)?;
            let data = fixed + 10;
            let len = usize::from(be16(message, fixed + 8)?);
            let value = message.get(data..data + len)?;
            match (be16(message, fixed)?, value) {
                (TYPE_A, [a, b, c, d]) => self.address(owner, Ipv4Addr::new(*a, *b, *c, *d).into()),
                (TYPE_AAAA, value) => {
                    let octets: Option<[u8; 16]> = value.try_into().ok();
                    if let Some(octets) = octets {
                        self.address(owner, Ipv6Addr::from(octets).into());
                    }
                }
                (TYPE_SRV, _) => self.service(message, data, &owner),
                _ => {}
            }
            place = data + len;
        }
        None
    }

    fn address(&mut self, owner: Vec<u8>, addr: IpAddr) {
        if self.addresses.len() < ADDRESSES_MAX {
            self.addresses.push((owner, addr));
        }
    }

    /// Priority, weight, port, target.
    fn service(&mut self, message: &[u8], data: usize, owner: &[u8]) {
        let mut target = Vec::new();
        let (Some(port), Some(_)) = (be16(message, data + 4), name(message, data + 6, &mut target)) else {
            return;
        };
        if let Some((labels, transport)) = service_labels(owner)
            && self.services.len() < SERVICES_MAX
        {
            self.services.push(Service { transport, port, labels, target });
        }
    }

    fn addresses_of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = IpAddr> + 'a {
        self.addresses.iter().filter(|(owner, _)| *owner == service.target).map(|(_, addr)| *addr)
    }
}

/// `_ipp._tcp` of `Printer._ipp._tcp.local`, and the transport it names. Services over anything but TCP go by
/// `_udp` (RFC 6763 section 7).
fn service_labels(owner: &[u8]) -> Option<(String, Transport)> {
    let labels: Vec<_> = Labels(owner).collect();
    let (service, protocol) = labels.windows(2).find_map(|pair| match pair {
        [service, protocol] if service.starts_with(b"_") && is_protocol(protocol) => {
            Some((*service, *protocol))
        }
        _ => None,
    })?;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if service.len() > 32 || !service.iter().all(plain) {
        return None;
    }
    let transport = if protocol == b"_tcp" { Tcp } else { Udp };
    let text = [service, protocol].map(|label| String::from_utf8_lossy(label).into_owned());
    Some((text.join("."), transport))
}

fn is_protocol(label: &[u8]) -> bool {
    matches!(label, b"_tcp" | b"_udp")
}

/// The labels of an expanded name: each counted.
struct Labels<'a>(&'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first()?;
        let label = rest.get(..usize::from(*len))?;
        self.0 = &rest[label.len()..];
        Some(label)
    }
}

/// Expands the name at `start` (RFC 1035 section 4.1.4) in lower case, counted labels without the root, and
/// says where what follows it begins. At most 255 bytes; pointers must lead backwards, which ends any loop.
fn name(message: &[u8], start: usize, out: &mut Vec<u8>) -> Option<usize> {
    const NAME_MAX: usize = 255;
    let (mut place, mut end, mut floor) = (start, None, start);
    loop {
        match *message.get(place)? {
            0 => return Some(end.unwrap_or(place + 1)),
            len @ 1..=63 => {
                let label = message.get(place + 1..place + 1 + usize::from(len))?;
                out.push(len);
                out.extend(label.iter().map(u8::to_ascii_lowercase));
                if out.len() > NAME_MAX {
                    return None;
                }
                place += 1 + label.len();
            }
            0xc0.. => {
                let target = usize::from(be16(message, place)? & 0x3fff);
                end = end.or(Some(place + 2));
                if target >= floor {
                    return None;
                }
                (place, floor) = (target, target);
            }
            _ => return None,
        }
    }
}

/// True when the datagram begins like a multicast answer: identifier zero, QR (RFC 6762 section 18).
pub(super) fn begins_like_multicast_answer(datagram: &[u8]) -> bool {
    at(datagram, 0, &[0, 0]) && is_answer(datagram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::announce::tests::{said, speech};
    use crate::payload::{App, Meeting, Speech, announce};

    /// `labels` as a name.
    fn dns_name(text: &str) -> Vec<u8> {
        let mut name = Vec::new();
        for label in text.split('.') {
            name.push(u8::try_from(label.len()).unwrap());
            name.extend(label.as_bytes());
        }
        name.push(0);
        name
    }

    fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
        let len = u16::try_from(data.len()).unwrap().to_be_bytes();
        [owner, &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 120], &len, data].concat()
    }

    fn srv(owner: &[u8], port: u16, target: &[u8]) -> Vec<u8> {
        record(owner, TYPE_SRV, &[&[0, 0, 0, 0], &port.to_be_bytes()[..], target].concat())
    }

    /// A header: identifier, flags, questions, answers.
    fn header(id: u8, flags: u8, questions: u8, answers: u8) -> Vec<u8> {
        vec![0, id, flags, 0, 0, questions, 0, answers, 0, 0, 0, 0]
    }

    fn printer(port: u16, addr: [u8; 4]) -> Vec<u8> {
        let host = dns_name("printer.local");
        let owner = dns_name("Office Printer._ipp._tcp.local");
        [header(0, 0x84, 0, 2), srv(&owner, port, &host), record(&host, TYPE_A, &addr)].concat()
    }

    #[test]
    fn a_host_speaks_of_itself_by_multicast() {
        let mdns = |bytes: &[u8]| said(App::Mdns, Carrier::Datagram, bytes);
        assert_eq!(mdns(&printer(3007, [10, 0, 0, 2])), ["tcp 10.0.0.2 3007 srv _ipp._tcp"]);
        assert!(mdns(&printer(3007, [10, 0, 0, 99])).is_empty(), "of another host");
        assert!(mdns(&printer(0, [10, 0, 0, 2])).is_empty());
        let alone = [header(0, 0x84, 0, 1), srv(&dns_name("a._sip._udp.local"), 3098, &dns_name("a.local"))];
        assert_eq!(mdns(&alone.concat()), ["udp 10.0.0.2 3098 srv _sip._udp"]);
        let mut question = printer(3007, [10, 0, 0, 2]);
        question[2] = 0;
        assert!(mdns(&question).is_empty());
    }

    #[test]
    fn every_cut_is_safe() {
        let whole = printer(3007, [10, 0, 0, 2]);
        for len in 0..whole.len() {
            assert!(said(App::Mdns, Carrier::Datagram, &whole[..len]).len() <= 1);
            assert!(said(App::Dns, Carrier::Datagram, &whole[..len]).is_empty());
        }
    }

    fn answered(heard: &[u8], bytes: &[u8]) -> Vec<(String, u16, String)> {
        let mut out: Vec<Meeting> = Vec::new();
        announce(App::Dns, &Speech { heard, ..speech(Carrier::Datagram, bytes) }, &mut out);
        out.into_iter().map(|m| (m.addr.to_string(), m.port, m.what)).collect()
    }

    #[test]
    fn a_name_server_speaks_of_others_when_it_was_asked() {
        let question = [&dns_name("_ldap._tcp.example.net")[..], &[0, 33, 0, 1]].concat();
        let ask = [header(7, 1, 1, 0), question.clone()].concat();
        // The owner is a pointer to the question, the target's suffix a pointer into it.
        let target = [&[3, b'd', b'c', b'1', 0xc0, 23][..]].concat();
        let host = [&[3, b'D', b'C', b'1', 0xc0, 23][..]].concat();
        let records = [srv(&[0xc0, 12], 3268, &target), record(&host, TYPE_A, &[10, 0, 0, 7])].concat();
        let reply = [header(7, 0x81, 1, 2), question, records].concat();
        let (addr, what) = ("10.0.0.7".to_owned(), "_ldap._tcp; third party".to_owned());
        assert_eq!(answered(&ask, &reply), [(addr, 3268, what)]);
        assert!(answered(&[], &reply).is_empty(), "nobody asked");
        let mut other = ask.clone();
        other[1] = 8;
        assert!(answered(&other, &reply).is_empty(), "another question");
        for len in 0..reply.len() {
            assert!(answered(&ask, &reply[..len]).is_empty());
        }
    }

    #[test]
    fn names_cannot_run_in_circles() {
        let mut message = header(0, 0x84, 0, 1);
        message.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 1, 1, 0xc0, 12, 0]);
        assert!(said(App::Mdns, Carrier::Datagram, &message).is_empty());
        let forward = [&header(0, 0x84, 0, 1)[..], &[0xc0, 14, 0xc0, 12]].concat();
        assert_eq!(name(&forward, 12, &mut Vec::new()), None);
        let long = [&[63; 64][..]; 8].concat();
        assert_eq!(name(&long, 0, &mut Vec::new()), None);
    }

    #[test]
    fn labels_are_plain_text() {
        assert_eq!(service_labels(b"\x05_a\x1b[m\x04_tcp"), None);
        assert_eq!(service_labels(b"\x01x\x04_ipp"), None);
    }
}
