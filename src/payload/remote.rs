//! Remote support tools: AnyDesk and TeamViewer, as far as their bytes are documented.

use super::app::Strength::Weak;
use super::bytes::{at, contains};
use super::crypto;
use super::recognise::Carrier;
use super::sign::{Role, Sign, either, shared};

/// `AnyDesk`: TLS to names under `net.anydesk.com` (its help centre's firewall page), with certificates that
/// its own `AnyNet Root CA` issued (nDPI, `tls.c`: the issuer's name), visible up to TLS 1.2.
pub(super) fn anydesk(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    const NAME: &[u8] = b".net.anydesk.com";
    const ISSUER: &[u8] = b"AnyNet Root CA";
    let sign = crypto::tls(bytes, carrier)?;
    // Of the two hellos (RFC 8446 section 4), only the client's names a server, and certificates follow the
    // server's. Of other records nobody knows where the conversation is.
    let is_named = match bytes.get(5) {
        Some(1) => contains(bytes, NAME),
        Some(2) => contains(bytes, ISSUER),
        _ => contains(bytes, NAME) || contains(bytes, ISSUER),
    };
    is_named.then_some(sign)
}

/// `TeamViewer`: frames over TCP begin with 17 24 or 11 30, over UDP 17 24 follows eleven bytes of which the
/// first is zero (nDPI, `teamviewer.c`). Two bytes are nothing alone: over TCP both sides must agree.
pub(super) fn teamviewer(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    match carrier {
        Carrier::Stream => {
            let framed = bytes.starts_with(&[0x17, 0x24]) || bytes.starts_with(&[0x11, 0x30]);
            (framed && bytes.len() > 4).then(|| shared(Role::Either)).flatten()
        }
        Carrier::Datagram => (bytes[0] == 0 && at(bytes, 11, &[0x17, 0x24])).then(|| either(Weak)).flatten(),
    }
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, datagram, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(
        App::Anydesk,
        b"\x16\x03\x01\x00\x60\x01\x00\x00\x5c\x03\x03RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR\x00\x00\
          \x02\x13\x01\x01\x00\x00\x23\x00\x00\x00\x1f\x00\x1d\x00\x00\x1arelay-1234.net.anydesk.com",
        b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ\x00\x13\x01",
    ),
    stream(App::Teamviewer, b"\x17\x24\x0a\x20\0\x01\x02", b"\x17\x24\x0b\x20\0\x01\x02"),
    datagram(
        App::Teamviewer,
        b"\0\x80\x01\x02\x03\x04\x05\x06\x07\x08\x09\x17\x24\x3b\0",
        b"\0\x80\x01\x02\x03\x04\x05\x06\x07\x08\x09\x17\x24\x3b\0",
    ),
];
