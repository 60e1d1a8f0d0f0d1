//! Verdicts that change while their flow lives, after an alert was raised.

use super::{Alert, Labelled, Scenario};
use crate::support::speech;
use crate::support::talk::{Random, Tap};

pub(super) fn all() -> Vec<Scenario> {
    let mut tap = Tap::default();
    let [banner, _] = speech::ssh();
    let ssh = "10.5.1.22:1207";
    tap.tcp(0, "10.5.0.20:50001", ssh).open().ask(b"\r\n").answer(b"SS").answer(b"H-2.0-late\r\n");
    // Who calls says where it listens; what is called speaks there at once and answers the call later.
    let (caller, called) = ("10.5.0.30", "10.5.1.60");
    let [invite, ok] = call(caller, 3098);
    let (from, to) = (format!("{caller}:5060"), format!("{called}:5060"));
    tap.udp(1000, &from, &to).ask(invite.as_bytes()).wait(1000).answer(ok.as_bytes());
    let [one, two] = [11, 12].map(|seed| [&[7][..], &Random::new(seed).bytes(80)].concat());
    let (voice, ear) = (format!("{called}:40000"), format!("{caller}:3098"));
    tap.udp(1100, &voice, &ear).ask(&one).answer(&two).wait(1500).ask(&two).answer(&one);
    let mut frames = tap.frames();
    frames.extend(later(&banner));
    let flows = vec![
        Labelled::tcp("a banner that comes in pieces", "10.5.0.20:50001", ssh)
            .story(&["nonstandard_port"])
            .app("ssh")
            .alert(Alert::Must),
        Labelled::udp("early media: the call that announces it is answered later", &voice, &ear)
            .story(&["negotiated_port"])
            .fact("announced_by")
            .alert(Alert::Must),
    ];
    let proves = "A flow that was alerted as one story and turns out to be another is told: a second alert \
                  says what it was taken for, and the fact that changed it.";
    vec![Scenario::new("revised", proves, frames, flows, vec![])]
}

/// Something a few seconds later, so that the end of the input is not the end of everything at once.
fn later(banner: &[u8]) -> Vec<crate::support::talk::Recorded> {
    let mut tap = Tap::default();
    tap.tcp(9000, "10.5.0.21:50002", "10.5.1.22:22").open().ask(banner).close();
    tap.frames()
}

/// An INVITE that says where the caller listens, and its answer (RFC 3261, RFC 8866).
fn call(addr: &str, port: u16) -> [String; 2] {
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 {addr}\r\ns=-\r\nc=IN IP4 {addr}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    );
    let common = format!(
        "Via: SIP/2.0/UDP {addr}:5060;branch=z9hG4bK1\r\nFrom: <sip:a@{addr}>;tag=1\r\nTo: <sip:b@example.net>\r\n\
         Call-ID: 1@{addr}\r\nCSeq: 1 INVITE\r\n"
    );
    let length = body.len();
    [
        format!(
            "INVITE sip:b@example.net SIP/2.0\r\n{common}Content-Type: application/sdp\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ),
        format!("SIP/2.0 180 Ringing\r\n{common}Content-Length: 0\r\n\r\n"),
    ]
}
