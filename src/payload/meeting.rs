//! A meeting place that a control conversation named.

use std::net::IpAddr;

use super::app::{App, AppProto};
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

impl Meeting {
    /// What is spoken here when the bytes say `heard`: in FTP's data connections there is nothing to
    /// recognise, and their announcement leaves no doubt.
    #[must_use]
    pub fn tells(&self, heard: AppProto) -> AppProto {
        let is_data = self.by.starts_with("ftp-") && heard.app == App::Unknown;
        if is_data { AppProto { app: App::FtpData, ..heard } } else { heard }
    }
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
