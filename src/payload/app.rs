//! The protocols that can be told by their bytes: their names, and the table that recognition is driven by.
//!
//! Adding one takes a recogniser (a function in a file of its own or beside its family), a sample conversation next to
//! it, and one row here. The row says everything else: name, other spellings, carrier, first bytes.
//!
//! Invariant: a row's first bytes are a superset of what its recogniser accepts; the tests send every sample through.

use super::sign::First::{Any as AnyByte, Of, Range};
use super::sign::On::{Any, Datagram, Stream};
use super::sign::Row;
use super::{calls, crypto, mail, names, web};

/// Builds the enumeration, its names and the recognition table from one list.
macro_rules! protocols {
    ($($(#[$doc:meta])* $app:ident $name:literal $([$($alias:literal),*])?, $on:expr, $first:expr => $look:path;)*) => {
        /// A protocol. Names follow Suricata and nDPI in lower case.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum App {
            /// Nothing recognised.
            #[default]
            Unknown,
            $($(#[$doc])* $app,)*
        }

        impl App {
            /// All protocols, in the order of the table, without [`App::Unknown`].
            pub const ALL: &'static [Self] = &[$(Self::$app),*];

            /// The name, in lower case as Suricata or nDPI spell it; `unknown` for [`App::Unknown`].
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Unknown => "unknown",
                    $(Self::$app => $name,)*
                }
            }

            /// Other spellings that [`App::from_name`] accepts.
            const fn aliases(self) -> &'static [&'static str] {
                match self {
                    Self::Unknown => &["failed"],
                    $(Self::$app => &[$($($alias),*)?],)*
                }
            }
        }

        /// The recognition table.
        pub(super) const ROWS: &[Row] = &[$(Row { app: App::$app, on: $on, first: $first, look: $look },)*];
    };
}

protocols! {
    /// Hypertext Transfer Protocol 1.x, RFC 9112.
    Http "http" ["http1", "www", "webdav"], Stream, Range(b'A', b'Z') => web::http;
    /// HTTP/2 with prior knowledge, RFC 9113.
    Http2 "http2" ["h2", "h2c"], Stream, Of(b"P\0") => web::http2;
    /// Transport Layer Security, RFC 8446, and its ancestors.
    Tls "tls" ["ssl", "https"], Stream, AnyByte => crypto::tls;
    /// Secure Shell, RFC 4253.
    Ssh "ssh" [], Stream, Of(b"S") => crypto::ssh;
    /// Domain Name System, RFC 1035.
    Dns "dns" ["domain", "llmnr"], Any, AnyByte => names::dns;
    /// Multicast DNS, RFC 6762.
    Mdns "mdns" [], Datagram, Of(&[0]) => names::mdns;
    /// Simple Mail Transfer Protocol, RFC 5321.
    Smtp "smtp" ["lmtp"], Stream, AnyByte => mail::smtp;
    /// File Transfer Protocol control connection, RFC 959.
    Ftp "ftp" [], Stream, AnyByte => mail::ftp;
    /// Post Office Protocol 3, RFC 1939.
    Pop3 "pop3" ["pop"], Stream, AnyByte => mail::pop3;
    /// Internet Message Access Protocol, RFC 9051.
    Imap "imap" ["imap4"], Stream, AnyByte => mail::imap;
    /// Network News Transfer Protocol, RFC 3977.
    Nntp "nntp" [], Stream, AnyByte => mail::nntp;
    /// Internet Relay Chat, RFC 2812.
    Irc "irc" [], Stream, Of(b":NECPUJ") => mail::irc;
    /// Extensible Messaging and Presence Protocol, RFC 6120.
    Xmpp "xmpp" ["jabber"], Stream, Of(b"<") => mail::xmpp;
    /// Simple Service Discovery Protocol, UPnP Device Architecture 2.0.
    Ssdp "ssdp" ["upnp"], Datagram, Of(b"MNH") => web::ssdp;
    /// WS-Discovery, OASIS.
    WsDiscovery "ws-discovery" ["wsd"], Datagram, Of(b"<") => web::ws_discovery;
    /// Session Initiation Protocol, RFC 3261.
    Sip "sip" [], Any, AnyByte => web::sip;
    /// Real Time Streaming Protocol, RFC 2326 and RFC 7826.
    Rtsp "rtsp" [], Any, Range(b'A', b'Z') => web::rtsp;
    /// Media Gateway Control Protocol, RFC 3435.
    Mgcp "mgcp" [], Datagram, AnyByte => web::mgcp;
    /// MEGACO/H.248 in text, H.248.1 annex B.
    Megaco "megaco" ["h248"], Any, Of(b"M!") => web::megaco;
    /// Datagram TLS, RFC 6347.
    Dtls "dtls" [], Datagram, Range(20, 23) => crypto::dtls;
    /// QUIC, RFC 9000.
    Quic "quic" ["gquic"], Datagram, AnyByte => crypto::quic;
    /// Internet Key Exchange, RFC 7296 and RFC 2409.
    Ike "ike" ["isakmp", "ikev1", "ikev2"], Datagram, AnyByte => crypto::ike;
    /// OpenVPN control channel.
    Openvpn "openvpn" [], Any, Of(&[0, 0x38, 0x40, 0x50]) => crypto::openvpn;
    /// WireGuard.
    Wireguard "wireguard" ["wg"], Datagram, Range(1, 4) => crypto::wireguard;
    /// NetBIOS name service, RFC 1002.
    NetbiosNs "netbios-ns" ["nbns"], Datagram, AnyByte => names::netbios_ns;
    /// NetBIOS datagram service, RFC 1002.
    NetbiosDgm "netbios-dgm" ["nbdgm"], Datagram, Range(0x10, 0x12) => names::netbios_dgm;
    /// NetBIOS session service, RFC 1002, before SMB speaks.
    NetbiosSsn "netbios-ssn" ["nbss", "netbios"], Stream, Range(0x81, 0x83) => names::netbios_ssn;
    /// Dynamic Host Configuration Protocol, RFC 2131, and BOOTP.
    Dhcp "dhcp" ["bootp"], Datagram, Range(1, 2) => names::dhcp;
    /// DHCP for IPv6, RFC 8415.
    Dhcpv6 "dhcpv6" [], Datagram, Range(1, 13) => names::dhcpv6;
    /// Trivial File Transfer Protocol, RFC 1350.
    Tftp "tftp" [], Datagram, Of(&[0]) => names::tftp;
    /// X Display Manager Control Protocol.
    Xdmcp "xdmcp" [], Datagram, Of(&[0]) => names::xdmcp;
    /// Wake on LAN.
    WakeOnLan "wake-on-lan" ["wol"], Datagram, Of(&[0xff]) => names::wake_on_lan;
    /// Network Time Protocol, RFC 5905.
    Ntp "ntp" ["sntp"], Datagram, AnyByte => names::ntp;
    /// Server Message Block 1 to 3, [MS-SMB2].
    Smb "smb" ["smb1", "smb2", "smb3", "cifs", "microsoft-ds"], Stream, Of(&[0, 0x81, 0x82]) => calls::smb;
    /// DCE/RPC, C706 and [MS-RPCE].
    Dcerpc "dcerpc" ["msrpc", "epm"], Any, Of(&[4, 5, b'n']) => calls::dcerpc;
    /// ONC RPC, RFC 5531.
    Sunrpc "sunrpc" ["rpc", "oncrpc"], Any, AnyByte => calls::sunrpc;
    /// The ONC RPC portmapper, RFC 1833.
    Portmap "portmap" ["rpcbind"], Any, AnyByte => calls::portmap;
    /// Network File System, RFC 1813 and RFC 7530.
    Nfs "nfs" [], Any, AnyByte => calls::nfs;
    /// ISO transport over TCP, RFC 1006, before its user shows.
    Tpkt "tpkt" ["cotp", "iso-tsap"], Stream, Of(&[3]) => calls::tpkt;
    /// Remote Desktop Protocol, [MS-RDPBCGR].
    Rdp "rdp" ["ms-wbt-server"], Stream, Of(&[3]) => calls::rdp;
    /// Siemens S7.
    S7comm "s7comm" ["s7"], Stream, Of(&[3]) => calls::s7comm;
    /// H.323 call signalling, H.225.0.
    H323 "h323" ["h225"], Stream, Of(&[3]) => calls::h323;
    /// Tabular Data Stream, [MS-TDS].
    Tds "tds" ["mssql", "ms-sql"], Stream, Of(&[1, 4, 0x10, 0x12]) => calls::tds;
    /// SQL Server Browser, [MC-SQLR].
    SqlBrowser "mssql-browser" ["ssrp", "mc-sqlr"], Datagram, Of(&[5]) => calls::sql_browser;
    /// Lotus Notes RPC (NRPC).
    NotesRpc "lotusnotes" ["nrpc", "notes", "lotus-notes"], Stream, AnyByte => calls::notes_rpc;
    /// Radmin remote administration.
    Radmin "radmin" [], Stream, Of(&[1]) => calls::radmin;
}

impl App {
    /// The protocol of this name or of another known spelling of it, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let spelt = |app: Self| app.aliases().iter().any(|alias| alias.eq_ignore_ascii_case(name));
        let every = || std::iter::once(Self::Unknown).chain(Self::ALL.iter().copied());
        every().find(|app| app.name().eq_ignore_ascii_case(name)).or_else(|| every().find(|app| spelt(*app)))
    }

    /// True for the handshake of a known malicious program.
    #[must_use]
    pub const fn is_malware(self) -> bool {
        false
    }

    /// True for control protocols that name meeting places, so that their later payload is wanted
    /// ([`super::announce`]).
    #[must_use]
    pub const fn announces(self) -> bool {
        matches!(
            self,
            Self::Dcerpc | Self::Ftp | Self::Portmap | Self::Sunrpc | Self::Sip | Self::Rtsp | Self::Mgcp
        )
    }

    /// The more general protocol that this one is built on, when one side's bytes may show no more than that.
    #[must_use]
    pub const fn family(self) -> Option<Self> {
        match self {
            Self::Mdns => Some(Self::Dns),
            Self::Portmap | Self::Nfs => Some(Self::Sunrpc),
            Self::Rdp | Self::S7comm => Some(Self::Tpkt),
            Self::Smb => Some(Self::NetbiosSsn),
            _ => None,
        }
    }
}

/// What the bytes say, which sides said it, and how strong that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppProto {
    /// The protocol.
    pub app: App,
    /// Who speaks it.
    pub sides: Sides,
    /// How much it takes to look like this by chance.
    pub strength: Strength,
}

/// Which sides a protocol was recognised on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sides {
    /// Neither.
    #[default]
    Neither,
    /// Only the originator's bytes say so.
    Originator,
    /// Only the responder's bytes say so.
    Responder,
    /// Both sides speak it.
    Both,
}

impl Sides {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neither => "neither",
            Self::Originator => "originator",
            Self::Responder => "responder",
            Self::Both => "both",
        }
    }
}

/// How much it takes to look like this by chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Two or three fixed bytes.
    #[default]
    Weak,
    /// A structure that rarely occurs by chance.
    Good,
    /// A long literal, or a structure with checked lengths on both sides.
    Strong,
}

impl Strength {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Good => "good",
            Self::Strong => "strong",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_go_both_ways() {
        let mut seen = std::collections::BTreeSet::new();
        for app in std::iter::once(&App::Unknown).chain(App::ALL) {
            assert_eq!(App::from_name(app.name()), Some(*app));
            assert_eq!(app.name(), app.name().to_ascii_lowercase());
            for spelling in std::iter::once(&app.name()).chain(app.aliases()) {
                assert!(seen.insert(*spelling), "{spelling} is said of two protocols");
            }
        }
        assert_eq!(App::from_name("SSL"), Some(App::Tls));
        assert_eq!(App::from_name("no such protocol"), None);
    }
}
