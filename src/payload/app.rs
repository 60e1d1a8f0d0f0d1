//! The protocols that can be told by their bytes.

/// A protocol. Names follow Suricata and nDPI in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum App {
    /// Nothing recognised.
    #[default]
    Unknown,
    /// Hypertext Transfer Protocol 1.x, RFC 9112.
    Http,
    /// Transport Layer Security, RFC 8446.
    Tls,
    /// Secure Shell, RFC 4253.
    Ssh,
    /// Domain Name System, RFC 1035.
    Dns,
    /// Simple Mail Transfer Protocol, RFC 5321.
    Smtp,
    /// File Transfer Protocol control connection, RFC 959.
    Ftp,
    /// Server Message Block 1 to 3, [MS-SMB2].
    Smb,
    /// DCE/RPC, C706 and [MS-RPCE].
    Dcerpc,
}

impl App {
    /// Lower-case name, as Suricata and nDPI spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Ssh => "ssh",
            Self::Dns => "dns",
            Self::Smtp => "smtp",
            Self::Ftp => "ftp",
            Self::Smb => "smb",
            Self::Dcerpc => "dcerpc",
        }
    }

    /// The protocol of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        const ALL: [App; 8] =
            [App::Http, App::Tls, App::Ssh, App::Dns, App::Smtp, App::Ftp, App::Smb, App::Dcerpc];
        ALL.into_iter().find(|app| app.name() == name)
    }

    /// True for the handshakes of malware.
    #[must_use]
    pub const fn is_malware(self) -> bool {
        false
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

impl Sides {
    /// Name in the output.
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
