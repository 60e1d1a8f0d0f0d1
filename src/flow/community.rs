//! Community ID, version 1 (specification by Corelight, github.com/corelight/community-id-spec): a flow's
//! name that Zeek, Suricata and others agree on.

use std::net::IpAddr;

use arrayvec::{ArrayString, ArrayVec};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::Flow;
use crate::wire::Endpoint;

/// Bytes of a SHA-1 in base64.
const BASE64_BYTES: usize = 28;

impl Flow {
    /// The Community ID with seed 0: `1:` and the base64 of a SHA-1 over both ends, lower one first. In
    /// place: every line has one, and with memory asked for it took twice as long.
    #[must_use]
    pub fn community_id(&self) -> ArrayString<{ 2 + BASE64_BYTES }> {
        let (a, b) = (place(self.originator), place(self.responder));
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        let mut ends = ArrayVec::<u8, 40>::new();
        ends.extend([0, 0]);
        ends.extend(low.0.into_iter().chain(high.0));
        ends.extend([self.transport as u8, 0]);
        ends.extend(low.1.to_be_bytes().into_iter().chain(high.1.to_be_bytes()));
        let mut text = *b"1:0000000000000000000000000000";
        // The place is as long as the text.
        let _ = STANDARD.encode_slice(Sha1::digest(&ends), &mut text[2..]);
        ArrayString::from_byte_string(&text).unwrap_or_default()
    }
}

fn place(end: Endpoint) -> (ArrayVec<u8, 16>, u16) {
    let octets = match end.addr {
        IpAddr::V4(v4) => v4.octets().into_iter().collect(),
        IpAddr::V6(v6) => v6.octets().into(),
    };
    (octets, end.port)
}

#[cfg(test)]
mod tests {
    use super::super::script;
    use crate::wire::Transport;

    #[test]
    fn agrees_with_the_published_examples() {
        for (transport, a, b, want) in [
            (Transport::Tcp, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (Transport::Udp, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            (Transport::Sctp, "192.168.170.8:7", "192.168.170.56:80", "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
            (
                Transport::Tcp,
                "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943",
                "[2607:f8b0:400c:c03::1a]:25",
                "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            ),
        ] {
            for (from, to) in [(a, b), (b, a)] {
                assert_eq!(&*script::flow(transport, from, to).community_id(), want);
            }
        }
    }
}
