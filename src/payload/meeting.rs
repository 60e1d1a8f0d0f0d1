//! A meeting place that a control conversation named.

use std::net::IpAddr;

use crate::time::Timestamp;
use crate::wire::Transport;

/// Where somebody was told to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Transport protocol.
    pub transport: Transport,
    /// Address.
    pub addr: IpAddr,
    /// Port.
    pub port: u16,
    /// How it was announced: `epm`, `ftp-pasv`, `ftp-port`, `portmap`, `sdp`, ...
    pub by: &'static str,
    /// Interface UUID and name, program number; may be empty.
    pub what: String,
}

/// A meeting place, and where in the capture it was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The meeting place.
    pub meeting: Meeting,
    /// Frame that carried it.
    pub frame: u64,
    /// When.
    pub time: Timestamp,
}
