//! Control conversations of one message each: UPnP's discovery (`LOCATION`), the SQL Server browser, TURN's
//! relayed addresses, and TFTP's requests.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Notes;
use crate::payload::bytes::{at, be16, decimal, le16, starts_nocase};
use crate::payload::meeting::SSDP;
use crate::payload::recognise::Carrier;
use crate::wire::Transport::{Tcp, Udp};

/// `LOCATION: http://10.0.0.2:49152/desc.xml` in an advertisement or a search reply (UPnP Device Architecture
/// 2.0, sections 1.2.2 and 1.3.3). Without a port it is HTTP's own, and no news. The address must be the
/// speaker's, as it is with every device that has one: a lone datagram is easily forged.
pub(super) fn ssdp(notes: &mut Notes<'_, '_>) {
    for line in notes.speech.bytes.split(|b| *b == b'\n').take(64) {
        let Some(url) = line.get(9..).filter(|_| starts_nocase(line, b"LOCATION:")) else { continue };
        let url = url.trim_ascii();
        let rest = [&b"http://"[..], b"https://"]
            .iter()
            .find_map(|scheme| starts_nocase(url, scheme).then(|| &url[scheme.len()..]));
        let place = rest.and_then(|rest| rest.split(|b| *b == b'/').next());
        let place = place.and_then(|place| std::str::from_utf8(place).ok()?.parse::<SocketAddr>().ok());
        if let Some(place) = place.filter(|place| place.ip() == notes.speech.speaker) {
            notes.add(Tcp, place.ip(), place.port(), SSDP, "");
        }
    }
}

/// `SVR_RESP` ([MC-SQLR] section 2.2.5): byte 5, a length, then `ServerName;…;InstanceName;…;tcp;1433;;` for
/// each instance. The port is at the server that answers.
pub(super) fn sql_browser(notes: &mut Notes<'_, '_>) {
    let bytes = notes.speech.bytes;
    let (Some(5), Some(len)) = (bytes.first(), le16(bytes, 1)) else { return };
    let text = &bytes[3..bytes.len().min(3 + usize::from(len))];
    let (mut instance, mut words) = (String::new(), text.split(|b| *b == b';').take(512));
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"InstanceName") {
            let name = words.next().unwrap_or_default().iter().filter(|b| b.is_ascii_graphic()).take(32);
            instance = name.copied().map(char::from).collect();
        } else if word.eq_ignore_ascii_case(b"tcp")
            && let Some(port) = words.next().and_then(decimal).and_then(|port| u16::try_from(port).ok())
        {
            notes.add(Tcp, notes.speech.speaker, port, "mssql-browser", &instance);
        }
    }
}

/// XOR-RELAYED-ADDRESS in a success reply to Allocate (RFC 8656 sections 7.3 and 18.5; RFC 8489 section 14.2
/// for the coding): where peers reach the client. Relays speak UDP unless the client asked for TCP (RFC
/// 6062), which is rare and not told apart here.
pub(super) fn relayed(notes: &mut Notes<'_, '_>) {
    const ALLOCATED: u16 = 0x0103;
    const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    let bytes = notes.speech.bytes;
    let framed = notes.speech.carrier == Carrier::Stream && at(bytes, 6, &COOKIE);
    let message = if framed { &bytes[2..] } else { bytes };
    if be16(message, 0) != Some(ALLOCATED) || !at(message, 4, &COOKIE) {
        return;
    }
    let mut place = 20;
    while let (Some(kind), Some(len)) = (be16(message, place), be16(message, place + 2)) {
        let value = message.get(place + 4..place + 4 + usize::from(len));
        if let (XOR_RELAYED_ADDRESS, Some(value)) = (kind, value)
            && let Some((addr, port)) = plain(value, &message[4..20])
        {
            notes.add(Udp, addr, port, "turn", "");
        }
        place += 4 + usize::from(len).next_multiple_of(4);
    }
}

/// True for a message of TURN's Allocate method (RFC 8656 section 17), bare or framed.
pub(super) fn allocates(head: &[u8]) -> bool {
    const METHOD_AND_ZEROS: u16 = 0xfeef; // everything but the two class bits (RFC 8489 section 5)
    const ALLOCATE: u16 = 3;
    let is = |message: &[u8]| {
        at(message, 4, &COOKIE) && be16(message, 0).is_some_and(|kind| kind & METHOD_AND_ZEROS == ALLOCATE)
    };
    is(head) || head.get(2..).is_some_and(is)
}

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// An address that was xored with the cookie and the transaction identifier.
fn plain(value: &[u8], key: &[u8]) -> Option<(IpAddr, u16)> {
    let port = be16(value, 2)? ^ be16(key, 0)?;
    let xored = |len: usize| Some(value.get(4..4 + len)?.iter().zip(key).map(|(v, k)| v ^ k));
    let mut v4 = [0; 4];
    let mut v6 = [0; 16];
    match value.get(1)? {
        1 => v4.iter_mut().zip(xored(4)?).for_each(|(to, from)| *to = from),
        2 => v6.iter_mut().zip(xored(16)?).for_each(|(to, from)| *to = from),
        _ => return None,
    }
    let addr = if value[1] == 1 { Ipv4Addr::from(v4).into() } else { Ipv6Addr::from(v6).into() };
    Some((addr, port))
}

/// A read or write request (RFC 1350 section 4): the server answers from a port of its own choice, so what is
/// known is where it will send: the endpoint that the request came from.
pub(super) fn tftp(notes: &mut Notes<'_, '_>) {
    let what = match be16(notes.speech.bytes, 0) {
        Some(1) => "read request, answered from a port of the server's choice",
        Some(2) => "write request, answered from a port of the server's choice",
        _ => return,
    };
    notes.add(Udp, notes.speech.speaker, notes.speech.speaker_port, "tftp", what);
}

#[cfg(test)]
mod tests {
    use crate::payload::announce::tests::said;
    use crate::payload::{App, Carrier};

    fn datagram(app: App, bytes: &[u8]) -> Vec<String> {
        said(app, Carrier::Datagram, bytes)
    }

    #[test]
    fn a_location_with_a_port_is_a_place() {
        let reply =
            |url: &str| datagram(App::Ssdp, format!("HTTP/1.1 200 OK\r\nLocation: {url}\r\n").as_bytes());
        assert_eq!(reply("http://10.0.0.2:49152/desc.xml"), ["tcp 10.0.0.2 49152 ssdp"]);
        for url in [
            "http://10.0.0.2/desc.xml",
            "http://[2001:db8::1]:80/",
            "http://10.0.0.9:22/",
            "ftp://10.0.0.2:21/",
            "http://name:80/",
            "http://10.0.0.2:0/",
            "",
        ] {
            assert!(reply(url).is_empty(), "{url}");
        }
    }

    #[test]
    fn the_browser_names_instances() {
        let text =
            b"ServerName;DB1;InstanceName;SHOP;IsClustered;No;Version;9.00;tcp;3007;np;\\\\DB1\\pipe;;\
                     ServerName;DB1;InstanceName;HR;tcp;3008;;";
        let reply = [&[5, u8::try_from(text.len()).unwrap(), 0][..], text].concat();
        let said = datagram(App::SqlBrowser, &reply);
        assert_eq!(said, ["tcp 10.0.0.2 3007 mssql-browser SHOP", "tcp 10.0.0.2 3008 mssql-browser HR"]);
        assert!(datagram(App::SqlBrowser, b"\x04SHOP").is_empty());
        for len in 0..reply.len() {
            let _ = datagram(App::SqlBrowser, &reply[..len]);
        }
    }

    #[test]
    fn a_relayed_address_is_where_peers_come() {
        // 10.0.0.2:3007 (0b bf), xored with 21 12 a4 42.
        let mut reply = b"\x01\x03\0\x0c\x21\x12\xa4\x42TTTTTTTTTTTT".to_vec();
        reply.extend_from_slice(&[
            0,
            0x16,
            0,
            8,
            0,
            1,
            0x0b ^ 0x21,
            0xbf ^ 0x12,
            0x0a ^ 0x21,
            0x12,
            0xa4,
            0x40,
        ]);
        assert_eq!(datagram(App::Stun, &reply), ["udp 10.0.0.2 3007 turn"]);
        for len in 0..reply.len() {
            assert!(datagram(App::Stun, &reply[..len]).is_empty());
        }
        reply[0] = 0; // the request
        assert!(datagram(App::Stun, &reply).is_empty());
    }

    #[test]
    fn a_tftp_request_says_where_it_wants_its_answer() {
        let said = datagram(App::Tftp, b"\0\x01boot.img\0octet\0");
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("udp 10.0.0.2 69 tftp read request"), "{said:?}");
        assert!(datagram(App::Tftp, b"\0\x03\0\x01data").is_empty());
    }
}
