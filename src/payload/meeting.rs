//! A meeting place that a control conversation named.

use std::net::IpAddr;

use super::app::{App, AppProto};
use crate::time::Timestamp;
use crate::wire::Transport;

/// How a service record of a name server, or of multicast DNS, announces ([`Meeting::by`]).
pub(super) const SRV: &str = "srv";
/// How a UPnP location announces.
pub(super) const SSDP: &str = "ssdp";

/// Where somebody was told to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Transport protocol.
    pub transport: Transport,
    /// Address.
    pub addr: IpAddr,
    /// Port.
    pub port: u16,
    /// Whose words these are: the address that sent the announcement.
    pub said_by: IpAddr,
    /// How it was announced: `epm`, `ftp-pasv`, `ftp-port`, `portmap`, `sdp`, `srv`, ...
    pub by: &'static str,
    /// Interface UUID and name, program number, service; may be empty.
    pub what: String,
}

impl Meeting {
    /// True when this can be why `originator` comes here. Whoever names a place of somebody else's tells
    /// others to go there: what it says never explains where it goes itself, or a scanner would only have to
    /// announce its targets to nobody.
    #[must_use]
    pub fn explains(&self, originator: IpAddr) -> bool {
        self.is_own() || self.said_by != originator
    }

    /// True when the place is the speaker's own.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.said_by == self.addr
    }

    /// True for a directory's entry (service records, UPnP): directories list services on the ports they are
    /// registered for too, where no meeting is needed to explain them.
    #[must_use]
    pub fn is_listing(&self) -> bool {
        matches!(self.by, SRV | SSDP)
    }

    /// The service that a listing names: `ipp` of `_ipp._tcp`, a name of the registry (RFC 6335 section 5.2).
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        let labels = self.what.strip_prefix('_').filter(|_| self.by == SRV)?;
        labels.split('.').next()
    }

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
