//! Meeting places that control conversations name: who was told to meet where.
//!
//! Each announcer reads one message of one speaker and pushes what it names; none remembers anything, so a
//! message is enough on its own. The endpoint of a [`Meeting`] is the one that another party will connect (or
//! send) to.
//!
//! Announcements are words, and words can lie: somebody may announce what he is about to scan. What that
//! buys him is kept small. A place of somebody else's never explains where its speaker goes
//! ([`Meeting::explains`]), and never overwrites what its owner said ([`super::Announced`]). Behind address
//! translation the named address is wrong and the peer's is right ([`Notes::add_named`]): the second place
//! that is announced for it is always the speaker's own, so nobody can point it at a victim. Replies of name
//! servers, of SOCKS and of the distributed hash table count only when their question was heard, and adverts
//! by datagram (UPnP, multicast DNS) only for the host that sends them: one forged datagram names nobody
//! else. Two hosts that conspire can still announce a third for each other; the fan-out of a scan weighs
//! against that, and `third party` in `what` shows it.
//!
//! Invariants: no panic on any bytes; at most [`MEETINGS_MAX`] meetings per message; never a meeting at port
//! 0 or at an unspecified address. A meeting at an address that is neither end of the conversation says
//! `third party` in `what` (FTP's bounce, RFC 2577 section 2, and honest proxies look alike).

mod epm;
mod errands;
mod ftp;
mod interfaces;
mod media;
mod names;
mod places;
mod rpc;
pub(super) mod smb;

use std::net::IpAddr;

use super::app::{App, AppProto};
use super::meeting::Meeting;
use super::recognise::{Carrier, recognise};
use crate::wire::Transport;

/// Meetings that one message may announce; further ones are dropped (a portmapper dump has a few dozen).
pub const MEETINGS_MAX: usize = 128;

/// One message of a control conversation.
#[derive(Clone, Copy, Debug)]
pub struct Speech<'a> {
    /// How it travelled.
    pub carrier: Carrier,
    /// Its bytes, or as many as were kept.
    pub bytes: &'a [u8],
    /// True when the originator speaks, by the direction known now.
    pub from_originator: bool,
    /// Who speaks.
    pub speaker: IpAddr,
    /// From which port.
    pub speaker_port: u16,
    /// Who is spoken to.
    pub listener: IpAddr,
    /// What the listener said last, as much of it as was kept: a reply may not repeat its question. May be
    /// empty.
    pub heard: &'a [u8],
}

/// Adds the meeting places that this message of a conversation in `app` names to `out`.
pub fn announce(app: App, speech: &Speech<'_>, out: &mut Vec<Meeting>) {
    let mut notes = Notes { speech, out, left: MEETINGS_MAX };
    match app {
        App::Dcerpc => epm::read(&mut notes),
        App::Ftp => ftp::read(&mut notes),
        App::Portmap | App::Sunrpc => rpc::read(&mut notes),
        App::Sip | App::Mgcp => media::session(&mut notes),
        App::Rtsp => media::rtsp(&mut notes),
        App::Ssdp => places::ssdp(&mut notes),
        App::SqlBrowser => places::sql_browser(&mut notes),
        App::Stun => places::relayed(&mut notes),
        App::Tftp => places::tftp(&mut notes),
        App::Mdns => names::multicast(&mut notes),
        App::Dns => names::server(&mut notes),
        App::Irc => errands::irc(&mut notes),
        App::Socks5 => errands::socks5(&mut notes),
        App::BittorrentDht => errands::dht(&mut notes),
        _ => {} // SMB: see `smb`
    }
}

/// True when what a conversation in `app` says after these first bytes may name meeting places: its later
/// payload is wanted. Some name theirs in the first message or never.
#[must_use]
pub fn goes_on(app: App, orig: &[u8], resp: &[u8]) -> bool {
    match app {
        App::Ssdp | App::Tftp => false,
        // Media may follow on the same flow; only who asks for a relay is worth following.
        App::Stun => [orig, resp].iter().any(|head| places::allocates(head)),
        app => app.announces(),
    }
}

/// What this datagram speaks, when it is one that announces by itself and need not be answered on its own
/// flow (TFTP's requests, UPnP's and multicast DNS's adverts). Cheap for all others.
#[must_use]
pub fn overhear(datagram: &[u8]) -> Option<AppProto> {
    let may_be = match datagram.first()? {
        0 => matches!(datagram.get(1)?, 1 | 2) || names::begins_like_multicast_answer(datagram),
        b'N' => datagram.starts_with(b"NOTIFY "),
        b'H' => datagram.starts_with(b"HTTP/1."),
        _ => false,
    };
    let heard = may_be.then(|| recognise(Carrier::Datagram, datagram, &[]));
    heard.filter(|heard| heard.app.is_overheard())
}

/// False for payload of a conversation in `app` that cannot name a place: few packets of chatty protocols do.
#[must_use]
pub fn wants(app: App, payload: &[u8]) -> bool {
    match app {
        App::Smb => smb::messages(payload).next().is_some(),
        App::Dns => [0, 2].iter().any(|skip| payload.get(*skip..).is_some_and(names::asks_for_service)),
        App::Mdns => names::is_answer(payload),
        App::Irc => errands::offers(payload),
        App::BittorrentDht => errands::is_about_peers(payload),
        _ => true,
    }
}

/// True for a message whose answer is not to be understood, or not to be believed, without it.
pub(super) fn is_question(app: App, bytes: &[u8]) -> bool {
    match app {
        App::Portmap | App::Sunrpc | App::Socks5 => true,
        App::Dns | App::BittorrentDht => wants(app, bytes),
        _ => false,
    }
}

/// Where the message begins that these bytes of a stream leave unfinished; their length when they leave none.
pub(super) fn unfinished(app: App, bytes: &[u8]) -> usize {
    match app {
        App::Dcerpc => epm::unfinished(bytes),
        App::Portmap | App::Sunrpc => rpc::unfinished(bytes),
        App::Sip | App::Rtsp => media::unfinished(bytes),
        App::Ftp => bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1),
        _ => bytes.len(),
    }
}

/// Where an announcer writes.
struct Notes<'a, 'b> {
    speech: &'a Speech<'b>,
    out: &'a mut Vec<Meeting>,
    left: usize,
}

impl Notes<'_, '_> {
    /// Notes a place that the speaker names by address, and, when that is not where its words come from, the
    /// same port at the speaker's own: behind address translation the named address is an inside one, and
    /// others go by the address they see. Nobody can point the second place at somebody else.
    fn add_named(&mut self, transport: Transport, addr: IpAddr, port: u16, by: &'static str, what: &str) {
        let speaker = self.speech.speaker;
        self.add(transport, addr, port, by, what);
        if addr.is_unspecified() {
            self.add(transport, speaker, port, by, what);
        } else if addr != speaker && !addr.is_multicast() {
            let separator = if what.is_empty() { "" } else { "; " };
            let what = format!("{what}{separator}at the speaker's address, not {addr}");
            self.add(transport, speaker, port, by, &what);
        }
    }

    /// Notes a meeting place, unless it is no place at all, was said already, or the message names too many.
    fn add(&mut self, transport: Transport, addr: IpAddr, port: u16, by: &'static str, what: &str) {
        if port == 0 || addr.is_unspecified() || addr.is_multicast() || self.left == 0 {
            return;
        }
        let third = addr != self.speech.speaker && addr != self.speech.listener;
        let what = match (third, what.is_empty()) {
            (false, _) => what.to_owned(),
            (true, true) => "third party".to_owned(),
            (true, false) => format!("{what}; third party"),
        };
        let meeting = Meeting { transport, addr, port, said_by: self.speech.speaker, by, what };
        if !self.out.contains(&meeting) {
            self.out.push(meeting);
            self.left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A speech from 10.0.0.2 to 10.0.0.1.
    pub(super) fn speech(carrier: Carrier, bytes: &[u8]) -> Speech<'_> {
        let (speaker, listener) = ("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap());
        Speech { carrier, bytes, from_originator: false, speaker, speaker_port: 69, listener, heard: &[] }
    }

    /// What is announced, as `transport addr port by what`.
    pub(super) fn said(app: App, carrier: Carrier, bytes: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        announce(app, &speech(carrier, bytes), &mut out);
        let line = |m: &Meeting| format!("{} {} {} {} {}", m.transport.name(), m.addr, m.port, m.by, m.what);
        out.iter().map(|m| line(m).trim_end().to_owned()).collect()
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            for app in App::ALL {
                for carrier in [Carrier::Stream, Carrier::Datagram] {
                    let _ = said(*app, carrier, &bytes);
                }
            }
        }
    }

    #[test]
    fn adverts_are_overheard_and_nothing_else() {
        let overheard = |datagram: &[u8]| overhear(datagram).map(|heard| heard.app);
        assert_eq!(overheard(b"\0\x01boot.img\0octet\0"), Some(App::Tftp));
        let notify = b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\n\r\n";
        assert_eq!(overheard(notify), Some(App::Ssdp));
        for other in [&b""[..], b"\0", b"\0\x01", b"HTTP/1.1 200 OK", b"\0\0\x84", b"M-SEARCH * HTTP/1.1\r\n"]
        {
            assert_eq!(overheard(other), None);
        }
    }

    #[test]
    fn only_announcing_protocols_announce() {
        for app in App::ALL {
            let said = said(*app, Carrier::Stream, b"227 Entering Passive Mode (10,0,0,2,11,191)\r\n");
            assert_eq!(!said.is_empty(), *app == App::Ftp);
            assert!(said.is_empty() || app.announces());
        }
    }
}
