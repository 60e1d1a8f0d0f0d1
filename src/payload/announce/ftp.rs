//! FTP data connections: PORT and 227 (RFC 959 sections 4.1.2 and 4.2), EPRT and 229 (RFC 2428 sections 2 and
//! 3), 228 not.
//!
//! A named address that is not the speaker's is a bounce, a transfer between two servers, or the inside
//! address of a host behind address translation. Servers that refuse bounces (RFC 2577 section 3) and clients
//! that do not trust replies go to the other end of the control connection instead, so both are announced.

use std::net::{IpAddr, Ipv4Addr};

use super::Notes;
use crate::payload::bytes::{decimal, starts_nocase};
use crate::wire::Transport::Tcp;

/// Every line of the message: several commands or replies may share a segment.
pub(super) fn read(notes: &mut Notes<'_, '_>) {
    for line in notes.speech.bytes.split(|b| *b == b'\n').take(64) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let speaker = notes.speech.speaker;
        if starts_nocase(line, b"PORT ") {
            if let Some((addr, port)) = six_numbers(&line[5..]) {
                notes.add_named(Tcp, addr, port, "ftp-port", "");
            }
        } else if starts_nocase(line, b"EPRT ") {
            if let Some((addr, port)) = extended(&line[5..]) {
                notes.add_named(Tcp, addr.unwrap_or(speaker), port, "ftp-port", "");
            }
        } else if line.starts_with(b"227") {
            let digits = line.get(4..).and_then(|text| text.iter().position(u8::is_ascii_digit));
            if let Some((addr, port)) = digits.and_then(|start| six_numbers(&line[4 + start..])) {
                notes.add_named(Tcp, addr, port, "ftp-pasv", "");
            }
        } else if line.starts_with(b"229")
            && let Some(open) = line.iter().position(|b| *b == b'(')
            && let Some((_, port)) = extended(&line[open + 1..])
        {
            notes.add(Tcp, speaker, port, "ftp-pasv", ""); // RFC 2428 section 3: the address is the speaker's
        }
    }
}

/// `h1,h2,h3,h4,p1,p2`, then anything.
fn six_numbers(text: &[u8]) -> Option<(IpAddr, u16)> {
    let end =
        text.iter().position(|b| !(b.is_ascii_digit() || matches!(b, b',' | b' '))).unwrap_or(text.len());
    let mut numbers = [0_u8; 6];
    let mut words = text[..end].split(|b| *b == b',');
    for number in &mut numbers {
        *number = u8::try_from(decimal(words.next()?.trim_ascii())?).ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    Some((IpAddr::V4(Ipv4Addr::new(a, b, c, d)), u16::from_be_bytes([high, low])))
}

/// `|family|address|port|` with any delimiter; family and address are empty in a reply.
fn extended(text: &[u8]) -> Option<(Option<IpAddr>, u16)> {
    let mut fields = text.get(1..)?.split(|b| b == &text[0]);
    let (_family, addr, port) = (fields.next()?, fields.next()?, fields.next()?);
    let addr = match addr {
        [] => None,
        text => Some(std::str::from_utf8(text).ok()?.parse().ok()?),
    };
    Some((addr, u16::try_from(decimal(port)?).ok()?))
}

#[cfg(test)]
mod tests {
    use crate::payload::announce::tests::said;
    use crate::payload::{App, Carrier};

    fn ftp(text: &str) -> Vec<String> {
        said(App::Ftp, Carrier::Stream, text.as_bytes())
    }

    #[test]
    fn active_and_passive_in_both_spellings() {
        assert_eq!(ftp("PORT 10,0,0,2,11,191\r\n"), ["tcp 10.0.0.2 3007 ftp-port"]);
        assert_eq!(ftp("EPRT |1|10.0.0.2|3098|\r\n"), ["tcp 10.0.0.2 3098 ftp-port"]);
        assert_eq!(ftp("227 Entering Passive Mode (10,0,0,2,4,183).\r\n"), ["tcp 10.0.0.2 1207 ftp-pasv"]);
        assert_eq!(ftp("227 =10,0,0,2,4,183\r\n"), ["tcp 10.0.0.2 1207 ftp-pasv"]);
        assert_eq!(ftp("229 Entering Extended Passive Mode (|||1207|)\r\n"), ["tcp 10.0.0.2 1207 ftp-pasv"]);
    }

    #[test]
    fn a_foreign_address_is_a_third_party_or_an_inside_address() {
        for (line, named, by) in [
            ("PORT 192,0,2,9,11,191\r\n", "192.0.2.9", "ftp-port"),
            ("EPRT |2|2001:db8::1|3007|\r\n", "2001:db8::1", "ftp-port"),
            ("227 Entering Passive Mode (192,168,1,9,11,191)\r\n", "192.168.1.9", "ftp-pasv"),
        ] {
            let peer = format!("tcp 10.0.0.2 3007 {by} at the speaker's address, not {named}");
            assert_eq!(ftp(line), [format!("tcp {named} 3007 {by} third party"), peer]);
        }
        assert_eq!(ftp("227 ok (0,0,0,0,11,191)\r\n"), ["tcp 10.0.0.2 3007 ftp-pasv"]);
    }

    #[test]
    fn nothing_else_announces() {
        for text in [
            "PORT 10,0,0,1,11\r\n",
            "PORT 10,0,0,256,1,1\r\n",
            "227 no\r\n",
            "229 (|||0|)\r\n",
            "229 (",
            "EPRT ",
        ] {
            assert!(ftp(text).is_empty(), "{text}");
        }
    }
}
