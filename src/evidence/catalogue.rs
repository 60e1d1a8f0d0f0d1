//! The catalogue: every fact by name, what it means, and how to check it by hand.
//!
//! `ghostport schema` prints it. The order is the order in which facts stand in a verdict: what is said, what
//! is claimed, how it went, what else the originator did, what the capture does not show.

/// Every fact: its name, what it means, and how to check it.
pub const CATALOGUE: &[(&str, &str, &str)] = &[
    (
        "speaks",
        "the first payload bytes are those of this protocol, whatever the port",
        "follow the stream and read its first bytes",
    ),
    (
        "malware_bytes",
        "the first payload bytes are the documented handshake of this malware",
        "follow the stream and compare with the handshake's source in the claim",
    ),
    (
        "claim_expects",
        "this claim about the responder's port says that this protocol is spoken there",
        "ghostport explain PORT: the claim's `speaks` and its source",
    ),
    (
        "no_claim_expects",
        "the protocol is known, and no claim about the responder's port expects it",
        "ghostport explain PORT: no claim's `speaks` names it",
    ),
    (
        "originator_claim_expects",
        "nobody saw who opened, and the protocol belongs to the originator's port",
        "ghostport explain on the originator's port",
    ),
    (
        "negotiates_ports",
        "servers of this protocol usually get their port from a mapper or a control connection",
        "look for the control conversation before the capture began",
    ),
    (
        "claimed_by",
        "a former owner, an unofficial user or a suspicious tenant of this port is on record",
        "ghostport explain PORT: the claim and its source",
    ),
    ("registered", "IANA assigns the port to this service", "the IANA registry's row for the port"),
    (
        "unassigned_port",
        "IANA assigns the port to nobody, or keeps it back",
        "the IANA registry's row for the port",
    ),
    (
        "announced_by",
        "a control conversation named this endpoint as the place to meet",
        "the named frame: endpoint mapper or portmapper reply, FTP PORT or PASV, SDP, LOCATION, TFTP request",
    ),
    (
        "local_process",
        "this process on this machine listens on the responder's port",
        "ss -tulnp, or lsof -i, on this machine",
    ),
    ("handshake", "the opening handshake was completed", "the first three packets"),
    (
        "half_open",
        "the responder was ready, and the originator did not complete the handshake",
        "SYN, SYN-ACK, and then no ACK (or a RST)",
    ),
    ("answered", "both sides sent payload", "bytes in both directions of the stream"),
    (
        "refused_by",
        "the responder, or a router or host on its behalf, said no",
        "the RST, or the ICMP error that quotes the request",
    ),
    ("unanswered", "the originator asked and nothing came back", "no packet from the responder"),
    ("retries", "the originator repeated its opening within this flow", "count the SYNs or datagrams"),
    (
        "knocks",
        "flows of this originator to this responder lately, and those that ended answered",
        "filter on both addresses and the port; compare the start times",
    ),
    (
        "fan_out",
        "hosts and ports the originator asked lately (in minutes, or else in hours), and the share that failed",
        "filter on the originator's address; count responders and refusals",
    ),
    (
        "fan_in",
        "distinct originators that asked this responder lately",
        "filter on the responder's address and port",
    ),
    (
        "listener_known",
        "answers that this responder gave in other flows",
        "filter on the responder's address and port",
    ),
    (
        "source_in_ephemeral_range",
        "the originator's port lies where these systems pick client ports",
        "RFC 6335 section 6; sysctl net.ipv4.ip_local_port_range; netsh int ipv4 show dynamicport tcp",
    ),
    (
        "os_hint",
        "the system that the opening SYN looks like, and where its client ports usually are; no proof",
        "time to live and order of TCP options of the SYN, against p0f's signatures",
    ),
    (
        "responder_port_ephemeral",
        "the responder's port lies where these systems pick client ports",
        "RFC 6335 section 6; sysctl net.ipv4.ip_local_port_range; netsh int ipv4 show dynamicport tcp",
    ),
    ("both_ports_listed", "both ports of the flow are assigned", "the IANA registry's rows for both ports"),
    (
        "originator_serves",
        "nobody saw who opened, and the originator's port is one where services live",
        "ghostport explain on the originator's port; look for other flows that it answers",
    ),
    ("first_packet_only", "nothing but the order of packets says who opened", "the flow's first packet"),
    (
        "no_opening_seen",
        "the opening of the connection is not in the capture",
        "no SYN and no SYN-ACK in the flow",
    ),
    (
        "one_sided_capture",
        "packets acknowledge bytes that are not in the capture",
        "acknowledgement numbers move on without packets from the other side",
    ),
    (
        "answer_without_request",
        "the flow is an answer (SYN-ACK, RST or ICMP error) whose question is not in the capture",
        "the flow's first packet; look for the request on other capture points",
    ),
    ("no_payload", "neither side sent payload", "stream length zero in both directions"),
    (
        "payload_unrecognised",
        "both sides sent payload, and none of the protocols that ghostport knows fits",
        "follow the stream and read its first bytes",
    ),
    (
        "truncated_payload",
        "the first bytes of the conversation are missing from the capture, or cut by its snaplen",
        "captured length below wire length, or data before the first packet",
    ),
    (
        "odd_flags",
        "TCP control bits that no connection begins with",
        "the flags of the flow's first packet: none, FIN only, FIN+PSH+URG, SYN with FIN or RST; \
         ACK or FIN+ACK when its originator sends these to many places, which reset them",
    ),
    ("tunnel_carrier", "the flow carried the outer packets of a tunnel", "decode the payload as the tunnel"),
    (
        "group_responder",
        "the responder is a multicast group or the broadcast address",
        "the responder's address",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_says_something_once() {
        for (place, (name, meaning, check)) in CATALOGUE.iter().enumerate() {
            assert!(!meaning.is_empty() && !check.is_empty(), "{name}");
            assert!(name.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()), "{name}");
            assert!(CATALOGUE[..place].iter().all(|(earlier, ..)| earlier != name), "{name} twice");
        }
    }
}
