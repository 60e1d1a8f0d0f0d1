//! Meeting places that control conversations name: who was told to meet where.
//!
//! Each announcer reads one message of one speaker and pushes what it names; none remembers anything, so a
//! message is enough on its own. The endpoint of a [`Meeting`] is the one that another party will connect (or
//! send) to.
//!
//! Invariants: no panic on any bytes; at most [`MEETINGS_MAX`] meetings per message; never a meeting at port
//! 0 or at an unspecified address. A meeting at an address that is neither end of the conversation says
//! `third party` in `what` (FTP's bounce, RFC 2577 section 2, and honest proxies look alike).

mod epm;
mod ftp;
mod interfaces;
mod media;
mod places;
mod rpc;

use std::net::IpAddr;

use super::app::App;
use super::meeting::Meeting;
use super::recognise::Carrier;
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
        _ => {}
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

/// Where the message begins that these bytes of a stream leave unfinished; their length when they leave none.
pub(super) fn unfinished(app: App, bytes: &[u8]) -> usize {
    match app {
        App::Dcerpc => epm::unfinished(bytes),
        App::Ftp => bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1),
        App::Portmap | App::Sunrpc => rpc::unfinished(bytes),
        App::Sip | App::Rtsp => media::unfinished(bytes),
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
        let meeting = Meeting { transport, addr, port, by, what };
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
    fn only_announcing_protocols_announce() {
        for app in App::ALL {
            let said = said(*app, Carrier::Stream, b"227 Entering Passive Mode (10,0,0,2,11,191)\r\n");
            assert_eq!(!said.is_empty(), *app == App::Ftp);
            assert!(said.is_empty() || app.announces());
        }
    }
}
