//! Community ID, version 1 (specification by Corelight, github.com/corelight/community-id-spec): a flow's name that
//! Zeek, Suricata and others agree on.

use base64::Engine;
use sha1::{Digest, Sha1};
use std::net::IpAddr;

use super::Flow;
use crate::wire::Endpoint;

impl Flow {
    /// The Community ID with seed 0: `1:` and the base64 of a SHA-1 over both ends, lower one first.
    #[must_use]
    pub fn community_id(&self) -> String {
        let (a, b) = (self.originator, self.responder);
        let (low, high) = if place(a) <= place(b) { (a, b) } else { (b, a) };
        let mut hash = Sha1::new();
        hash.update([0, 0]);
        hash.update(octets(low.addr));
        hash.update(octets(high.addr));
        hash.update([self.transport as u8, 0]);
        hash.update(low.port.to_be_bytes());
        hash.update(high.port.to_be_bytes());
        format!("1:{}", base64::engine::general_purpose::STANDARD.encode(hash.finalize()))
    }
}

fn place(end: Endpoint) -> (Vec<u8>, u16) {
    (octets(end.addr), end.port)
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
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
                assert_eq!(script::flow(transport, from, to).community_id(), want);
            }
        }
    }
}
