//! What must hold for any first bytes and any control message. Here, beside the code it tests, so that
//! fuzzers and the tests on stable run the very same sentences.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Announced, App, Carrier, Details, MEETINGS_MAX, Sides, Speech, announce, listen};
use crate::time::Timestamp;
use crate::wire::Endpoint;

/// Splits `data` into the two sides of a conversation (the first byte says where), recognises it, and reads
/// it as a message of every protocol that announces.
///
/// # Panics
/// When swapping the sides changes more than the side, or a message announces too much or no real place.
pub fn fuzz(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let (orig, resp) = rest.split_at(rest.len() * usize::from(*first) / 256);
    detailed(orig, resp);
    for carrier in [Carrier::Stream, Carrier::Datagram] {
        let (one, other) = (listen(carrier, orig, resp), listen(carrier, resp, orig));
        assert_eq!(one.proto.app, other.proto.app, "sides do not matter");
        assert_eq!(one.proto.strength, other.proto.strength);
        assert_eq!(one.proto.sides, swapped(other.proto.sides));
        assert_eq!(one.asks, swapped(other.asks));
        for app in App::ALL.iter().filter(|app| app.announces()) {
            announced(*app, carrier, rest);
        }
    }
}

/// What is said of a handshake is bounded.
fn detailed(orig: &[u8], resp: &[u8]) {
    for app in [App::Tls, App::Dtls, App::Quic] {
        let Some(details) = Details::of(app, orig, resp) else { continue };
        assert!(details.alpn.len() <= 8 && details.sni.is_none_or(|name| name.len() <= 3 * 255));
    }
}

fn swapped(sides: Sides) -> Sides {
    match sides {
        Sides::Originator => Sides::Responder,
        Sides::Responder => Sides::Originator,
        same => same,
    }
}

fn announced(app: App, carrier: Carrier, bytes: &[u8]) {
    let [speaker, listener] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
    let mut meetings = Vec::new();
    let heard = bytes;
    let speech =
        Speech { carrier, bytes, from_originator: false, speaker, speaker_port: 69, listener, heard };
    announce(app, &speech, &mut meetings);
    assert!(meetings.len() <= MEETINGS_MAX, "{} meetings", meetings.len());
    let mut places = Announced::new(4, Duration::from_secs(60));
    let now = Timestamp::from_nanos(0);
    for meeting in meetings {
        assert!(meeting.port != 0 && !meeting.addr.is_unspecified(), "{meeting:?}");
        let (transport, place) = (meeting.transport, Endpoint::new(meeting.addr, meeting.port));
        places.insert(meeting, 1, now);
        assert!(places.on(transport, place, now).is_some(), "the latest is always remembered");
    }
}
