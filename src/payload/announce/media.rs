//! Media sessions: SDP in SIP and MGCP (RFC 8866 sections 5.7 and 5.14, RFC 3605 for `a=rtcp`), and RTSP's
//! Transport header (RFC 2326 section 12.39).
//!
//! Media flow to the address in the connection line, which need not be the speaker's; RTP's control companion
//! uses the next port unless the description says otherwise (RFC 3550 section 11). When that is an inside
//! address (RFC 1918, RFC 6598, RFC 4193) and the words come from a public one, the other side answers to
//! where they come from (symmetric RTP, RFC 4961), so that is announced too.

use std::net::IpAddr;

use super::Notes;
use crate::payload::bytes::{contains_nocase, decimal, starts_nocase, word};
use crate::wire::Transport::{Tcp, Udp};

/// The session description in a message, if it has one.
pub(super) fn session(notes: &mut Notes<'_, '_>) {
    let mut session_addr = None;
    let mut media: Option<Media<'_>> = None;
    for line in notes.speech.bytes.split(|b| *b == b'\n').take(512) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(text) = line.strip_prefix(b"c=IN ") {
            let addr = address(text);
            match &mut media {
                Some(media) => media.addr = addr.or(media.addr),
                None => session_addr = addr,
            }
        } else if let Some(text) = line.strip_prefix(b"m=") {
            if let Some(done) = media.take() {
                done.announce(notes);
            }
            media = Media::of(text, session_addr);
        } else if let (Some(text), Some(media)) = (line.strip_prefix(b"a=rtcp:"), &mut media) {
            media.control = number(word(text).0);
        }
    }
    if let Some(done) = media {
        done.announce(notes);
    }
}

/// One media line and what belongs to it.
struct Media<'a> {
    kind: &'a [u8],
    first: u16,
    tcp: bool,
    rtp: bool,
    control: Option<u16>,
    addr: Option<IpAddr>,
}

impl<'a> Media<'a> {
    /// `audio 49170 RTP/AVP 0`; the port may be followed by `/count`.
    fn of(text: &'a [u8], addr: Option<IpAddr>) -> Option<Self> {
        let (kind, rest) = word(text);
        let (place, rest) = word(rest);
        let first = number(place.split(|b| *b == b'/').next()?)?;
        let profile = word(rest).0;
        let tcp = starts_nocase(profile, b"TCP");
        Some(Self { kind, first, tcp, rtp: contains_nocase(profile, b"RTP/"), control: None, addr })
    }

    fn announce(&self, notes: &mut Notes<'_, '_>) {
        let kind: String = self
            .kind
            .iter()
            .filter(|b| b.is_ascii_alphanumeric())
            .take(16)
            .copied()
            .map(char::from)
            .collect();
        let speaker = notes.speech.speaker;
        let addr = self.addr.unwrap_or(speaker);
        let translated = is_inside(addr) && !is_inside(speaker);
        let add = if translated { Notes::add_named } else { Notes::add };
        add(notes, if self.tcp { Tcp } else { Udp }, addr, self.first, "sdp", &kind);
        if self.rtp && !self.tcp && self.first != 0 {
            let control = self.control.or(self.first.checked_add(1)).unwrap_or(0);
            add(notes, Udp, addr, control, "sdp", &format!("{kind} rtcp"));
        }
    }
}

/// True for addresses that mean nothing outside.
fn is_inside(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// `IP4 10.0.0.1` or `IP4 10.0.0.1/127`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let (_, addr) = word(text);
    let addr = addr.split(|b| *b == b'/').next()?.trim_ascii();
    std::str::from_utf8(addr).ok()?.parse().ok()
}

/// RTSP's `Transport:` headers: `server_port` at the server, `client_port` at the client. A reply repeats the
/// client's.
pub(super) fn rtsp(notes: &mut Notes<'_, '_>) {
    let reply = notes.speech.bytes.starts_with(b"RTSP/");
    let (server, client) = match reply {
        true => (notes.speech.speaker, notes.speech.listener),
        false => (notes.speech.listener, notes.speech.speaker),
    };
    let bytes = notes.speech.bytes;
    for line in bytes.split(|b| *b == b'\n').take(64).filter(|line| starts_nocase(line, b"Transport:")) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        for offer in line["Transport:".len()..].split(|b| *b == b',').take(8) {
            transport(offer.trim_ascii(), (server, client), notes);
        }
    }
    session(notes);
}

/// One of the transports that are offered, between these ends.
fn transport(offer: &[u8], (server, client): (IpAddr, IpAddr), notes: &mut Notes<'_, '_>) {
    let field = |name: &[u8]| {
        let value = offer.split(|b| *b == b';').find_map(|field| field.trim_ascii().strip_prefix(name))?;
        Some(value.strip_prefix(b"\"").unwrap_or(value))
    };
    if starts_nocase(offer, b"RTP/AVP/TCP") || field(b"interleaved=").is_some() {
        return; // the media stay on this connection (RFC 2326 section 10.12)
    }
    let named =
        |value: Option<&[u8]>| value.and_then(|v| std::str::from_utf8(v).ok()?.parse::<IpAddr>().ok());
    let source = named(field(b"source=")).unwrap_or(server);
    let destination = named(field(b"destination=")).unwrap_or(client);
    for (name, addr) in [(&b"server_port="[..], source), (b"client_port=", destination)] {
        let Some(range) = field(name) else { continue };
        for (index, place) in range.split(|b| *b == b'-').take(2).enumerate() {
            let what = if index == 0 { "rtp" } else { "rtcp" };
            notes.add(Udp, addr, number(place).unwrap_or(0), "rtsp", what);
        }
    }
}

/// Where the message begins that is not whole: its head has not ended, or its body is shorter than
/// `Content-Length` says. One message per look; pipelined ones are rare here.
pub(super) fn unfinished(bytes: &[u8]) -> usize {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return 0 };
    let declared = bytes[..head].split(|b| *b == b'\n').find_map(|line| {
        let compact = starts_nocase(line, b"l:") || starts_nocase(line, b"l :");
        let field = compact || starts_nocase(line, b"Content-Length");
        let value = line.split(|b| *b == b':').nth(1).filter(|_| field)?;
        usize::try_from(decimal(value.trim_ascii())?).ok()
    });
    if declared.is_some_and(|len| bytes.len() < head + 4 + len) { 0 } else { bytes.len() }
}

fn number(digits: &[u8]) -> Option<u16> {
    u16::try_from(decimal(digits)?).ok()
}

#[cfg(test)]
mod tests {
    use crate::payload::announce::tests::said;
    use crate::payload::{App, Carrier};

    #[test]
    fn media_lines_meet_at_the_connection_address() {
        let text = "SIP/2.0 200 OK\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 10.0.0.2\r\n\
                    m=audio 3098 RTP/AVP 0\r\na=rtcp:3206\r\n\
                    m=video 4000/2 RTP/AVP 31\r\nc=IN IP4 192.0.2.1\r\n\
                    m=image 5000 udptl t38\r\nm=audio 0 RTP/AVP 8\r\n";
        assert_eq!(
            said(App::Sip, Carrier::Datagram, text.as_bytes()),
            [
                "udp 10.0.0.2 3098 sdp audio",
                "udp 10.0.0.2 3206 sdp audio rtcp",
                "udp 192.0.2.1 4000 sdp video; third party",
                "udp 192.0.2.1 4001 sdp video rtcp; third party",
                "udp 10.0.0.2 5000 sdp image",
            ]
        );
    }

    #[test]
    fn an_inside_address_is_announced_with_the_speakers() {
        use crate::payload::announce::tests::speech;
        use crate::payload::{Speech, announce};
        let text = b"SIP/2.0 200 OK\r\n\r\nv=0\r\nc=IN IP4 192.168.1.9\r\nm=audio 3098 RTP/AVP 0\r\n";
        let said = |speaker: &str| {
            let (mut out, speaker) = (Vec::new(), speaker.parse().unwrap());
            announce(App::Sip, &Speech { speaker, ..speech(Carrier::Datagram, text) }, &mut out);
            out.into_iter().map(|m| (m.addr.to_string(), m.port)).collect::<Vec<_>>()
        };
        let place = |addr: &str, port| (addr.to_owned(), port);
        let inside = [place("192.168.1.9", 3098), place("192.168.1.9", 3099)];
        assert_eq!(said("10.0.0.2"), inside, "a proxy within");
        let public = [place("203.0.113.7", 3098), place("203.0.113.7", 3099)];
        let both = [&inside[0], &public[0], &inside[1], &public[1]].map(Clone::clone);
        assert_eq!(said("203.0.113.7"), both);
    }

    #[test]
    fn interleaved_media_meet_nowhere() {
        for transport in ["RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP/TCP;unicast;client_port=3006-3007"]
        {
            let text = format!("RTSP/1.0 200 OK\r\nTransport: {transport}\r\n\r\n");
            assert!(said(App::Rtsp, Carrier::Stream, text.as_bytes()).is_empty(), "{transport}");
        }
    }

    #[test]
    fn a_body_that_is_not_there_yet_is_awaited() {
        let unfinished = super::unfinished;
        assert_eq!(unfinished(b"SIP/2.0 200 OK\r\nCo"), 0);
        assert_eq!(unfinished(b"SIP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nv=0"), 0);
        assert_eq!(unfinished(b"SIP/2.0 200 OK\r\nl: 3\r\n\r\nv=0"), 27);
        assert_eq!(unfinished(b"SIP/2.0 200 OK\r\n\r\n"), 18);
    }

    #[test]
    fn rtsp_names_both_ends() {
        let text = "RTSP/1.0 200 OK\r\nTransport: RTP/AVP;unicast;client_port=3006-3007;server_port=\
          6000-6001\r\n\r\n";
        assert_eq!(
            said(App::Rtsp, Carrier::Stream, text.as_bytes()),
            [
                "udp 10.0.0.2 6000 rtsp rtp",
                "udp 10.0.0.2 6001 rtsp rtcp",
                "udp 10.0.0.1 3006 rtsp rtp",
                "udp 10.0.0.1 3007 rtsp rtcp",
            ]
        );
    }
}
