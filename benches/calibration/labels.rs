//! The labels beside the captures, and which stories agree with each.
//!
//! The map is the one of `README.md` and `score.py` there. Nothing in it came from ghostport.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use ghostport::verdict::Story::{
    self, Backscatter, EphemeralOverlap, KnownSquatter, Misdirected, NegotiatedPort, NonstandardPort,
    RegisteredService, Scan, SuspectedMalware, Undetermined, UnidentifiedListener,
};

/// Stories that no label tells apart are one event.
pub(crate) const EVENTS: [(&str, &[Story]); 9] = [
    ("registered", &[RegisteredService]),
    ("squatter/odd port", &[KnownSquatter, NonstandardPort]),
    ("negotiated", &[NegotiatedPort]),
    ("scan", &[Scan]),
    ("misdirected/undet.", &[Misdirected, Undetermined]),
    ("backscatter", &[Backscatter]),
    ("client's port", &[EphemeralOverlap]),
    ("malware", &[SuspectedMalware]),
    ("unidentified", &[UnidentifiedListener]),
];

/// Labels that contradict the registration they are about, or the method they name. They count as they
/// stand.
pub(crate) const DISPUTED: [(&str, &str); 6] = [
    (
        "GT0067",
        "2811/tcp is IANA's gsiftp, which is FTP with GSSAPI: what speaks there is what is registered",
    ),
    (
        "GT0094",
        "2375/tcp is IANA's docker, the REST API in plain HTTP: what speaks there is what is registered",
    ),
    ("GT0095", "8554/tcp is IANA's rtsp-alt: RTSP there is what is registered"),
    ("GT0257", "MSMQ's RPC is on 2103/tcp by default: nobody negotiated it, and IANA gave it to zephyr-clt"),
    ("GT1154", "IANA gives 8009/tcp to nvme-disc; AJP lives there without a registration: a squatter"),
    ("GT1156", "what speaks on 8080/tcp is Ookla's own protocol, not HTTP: Ookla is a squatter on http-alt"),
];

/// One labelled flow.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) id: String,
    pub(crate) capture: String,
    pub(crate) transport: String,
    pub(crate) ends: [(IpAddr, u16); 2],
    pub(crate) says: String,
    pub(crate) app: String,
}

impl Label {
    /// Index into [`EVENTS`]; none when the label is not about the story.
    pub(crate) fn event(&self) -> Option<usize> {
        Some(match self.says.as_str() {
            "registered_service" => 0,
            "known_app_on_other_port" | "squatter_on_registered_port" => 1,
            "dynamic_rpc_port" | "negotiated_data_port" => 2,
            "scan_probe" => 3,
            "failed_attempt" => 4,
            "backscatter_or_reflection(only SYN-ACKs seen)" => 5,
            _ => return None,
        })
    }

    /// True when the label says that somebody was up to no good.
    pub(crate) fn is_hostile(&self) -> bool {
        self.says.contains("scan") || self.says == "malware_or_attack_traffic" || self.says.contains("flood")
    }

    /// True when it contradicts a registration: see [`DISPUTED`].
    pub(crate) fn is_disputed(&self) -> bool {
        DISPUTED.iter().any(|(id, _)| *id == self.id)
    }

    /// Both ends, in an order that does not depend on the direction.
    pub(crate) fn key(&self) -> (String, [(IpAddr, u16); 2]) {
        key(&self.transport, self.ends)
    }
}

/// A flow's name for matching: transport and both ends, whoever asked.
pub(crate) fn key(transport: &str, mut ends: [(IpAddr, u16); 2]) -> (String, [(IpAddr, u16); 2]) {
    ends.sort_unstable();
    (transport.to_uppercase(), ends)
}

/// The event that a story belongs to.
pub(crate) fn event_of(story: Story) -> usize {
    EVENTS.iter().position(|(_, stories)| stories.contains(&story)).expect("every story is in an event")
}

/// Reads `ground_truth.tsv`, ordered by capture and row.
pub(crate) fn read(path: &Path) -> Vec<Label> {
    let text = fs::read_to_string(path).expect("the labels can be read");
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().expect("a head line").split('\t').collect();
    let column = |name| head.iter().position(|column| *column == name).expect("a known column");
    let [id, capture, transport] = ["id", "capture", "transport"].map(column);
    let [says, app] = ["expected_story", "app"].map(column);
    let ends = [("client_ip", "client_port"), ("server_ip", "server_port")]
        .map(|(addr, port)| (column(addr), column(port)));
    let mut labels: Vec<Label> = lines
        .filter_map(|line| {
            let row: Vec<&str> = line.split('\t').collect();
            let end = |(addr, port): (usize, usize)| {
                Some((row[addr].parse::<IpAddr>().ok()?, row[port].parse().unwrap_or(0)))
            };
            Some(Label {
                id: row[id].to_owned(),
                capture: row[capture].to_owned(),
                transport: row[transport].to_owned(),
                ends: [end(ends[0])?, end(ends[1])?],
                says: row[says].to_owned(),
                app: row[app].to_owned(),
            })
        })
        .collect();
    labels.sort_by(|a, b| (&a.capture, &a.id).cmp(&(&b.capture, &b.id)));
    labels
}
