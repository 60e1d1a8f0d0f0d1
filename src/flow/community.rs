//! Community ID, version 1 (specification by Corelight, github.com/corelight/community-id-spec): a flow's
//! name that Zeek, Suricata and others agree on.

use std::net::IpAddr;

use arrayvec::{ArrayString, ArrayVec};
use sha1::{Digest, Sha1};

use super::Flow;

/// Bytes of a SHA-1 in base64.
const BASE64_BYTES: usize = 28;

impl Flow {
    /// The Community ID with seed 0: `1:` and the base64 of a SHA-1 over both ends, lower one first.
    #[must_use]
    pub fn community_id(&self) -> ArrayString<{ 2 + BASE64_BYTES }> {
        ArrayString::from_byte_string(&self.community_ascii()).unwrap_or_default()
    }

    /// The bytes of [`Self::community_id`]. In place: every line has one, and with memory asked for it took
    /// twice as long.
    #[must_use]
    pub fn community_ascii(&self) -> [u8; 2 + BASE64_BYTES] {
        let [a, b] = [self.originator, self.responder].map(|end| (end.addr, end.port));
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        let mut ends = ArrayVec::<u8, 40>::new();
        let mut add = |part: &[u8]| {
            let _ = ends.try_extend_from_slice(part); // two addresses of IPv6 just fit
        };
        add(&[0, 0]);
        for addr in [low.0, high.0] {
            match addr {
                IpAddr::V4(v4) => add(&v4.octets()),
                IpAddr::V6(v6) => add(&v6.octets()),
            }
        }
        add(&[self.transport as u8, 0]);
        add([low.1.to_be_bytes(), high.1.to_be_bytes()].as_flattened());
        let mut text = *b"1:0000000000000000000000000000";
        text[2..].copy_from_slice(&base64(Sha1::digest(&ends).into()));
        text
    }
}

/// RFC 4648 section 4, for this length alone: an engine for any took as long as the rest.
fn base64(digest: [u8; 20]) -> [u8; BASE64_BYTES] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut text) = ([0; 21], [b'='; BASE64_BYTES]);
    bytes[..20].copy_from_slice(&digest);
    for ([a, b, c], four) in bytes.as_chunks().0.iter().zip(text.as_chunks_mut().0) {
        let bits = u32::from_be_bytes([0, *a, *b, *c]);
        *four = [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize]);
    }
    text[BASE64_BYTES - 1] = b'=';
    text
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
