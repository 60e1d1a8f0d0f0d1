//! The protocols that can be told by their bytes: their names, and the table that recognition is driven by.
//!
//! Adding one takes a recogniser (a function in a file of its own or beside its family), a sample
//! conversation next to it, and one row here. The row says everything else: name, other spellings, carrier,
//! first bytes.
//!
//! Invariant: a row's first bytes are a superset of what its recogniser accepts; the tests send every sample
//! through.

use std::sync::LazyLock;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::sign::First::{Any as AnyByte, Of, Range, Within, Words};
use super::sign::On::{Any, Datagram, Stream};
use super::sign::Row;
use super::{
    calls, crypto, data, mail, malware, manage, names, networks, over_http, peers, plants, remote, tools, web,
};

/// Builds the enumeration, its names and the recognition table from one list.
macro_rules! protocols {
    ($(
        $(#[$doc:meta])*
        $app:ident $name:literal $([$($alias:literal),*])?, $on:expr, $first:expr => $look:path;
    )*) => {
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

/// What the methods of RFC 9110 and a status line begin with.
const METHODS: &[u8] = b"DGHPO";

protocols! {
    /// Hypertext Transfer Protocol 1.x, RFC 9112.
    /// A proxy's too (section 3.2: CONNECT and absolute targets).
    Http "http" ["http1", "www", "webdav", "http-proxy", "http_proxy", "http_connect"], Stream,
        Range(b'A', b'Z') => web::http;
    /// HTTP/2 with prior knowledge, RFC 9113.
    Http2 "http2" ["h2", "h2c"], Stream, Of(b"P\0") => web::http2;
    /// WebSocket, RFC 6455.
    Websocket "websocket" ["ws"], Stream, Of(b"GH\x81\x82\x88\x89\x8a") => over_http::websocket;
    /// gRPC over HTTP/2.
    Grpc "grpc" [], Stream, Of(b"P\0") => over_http::grpc;
    /// The Docker Engine API over HTTP.
    Docker "docker" [], Stream, Of(METHODS) => over_http::docker;
    /// The Kubernetes API over HTTP.
    Kubernetes "kubernetes" ["k8s"], Stream, Of(METHODS) => over_http::kubernetes;
    /// Transport Layer Security, RFC 8446, and its ancestors.
    Tls "tls" ["ssl", "https"], Stream, Within(&[(20, 23), (0x80, 0xff)]) => crypto::tls;
    /// Secure Shell, RFC 4253.
    Ssh "ssh" [], Stream, Of(b"S\0") => crypto::ssh;
    /// Domain Name System, RFC 1035.
    Dns "dns" ["domain", "llmnr"], Any, AnyByte => names::dns;
    /// Multicast DNS, RFC 6762.
    Mdns "mdns" [], Datagram, Of(&[0]) => names::mdns;
    /// Simple Mail Transfer Protocol, RFC 5321.
    Smtp "smtp" ["lmtp"], Stream, Words(b"ELHMRAQNS", b"2345") => mail::smtp;
    /// File Transfer Protocol control connection, RFC 959.
    Ftp "ftp" [], Stream, Words(b"UPAEQNHFS", b"2345") => mail::ftp;
    /// Post Office Protocol 3, RFC 1939.
    Pop3 "pop3" ["pop"], Stream, Words(b"UPCSAQNL", b"+-") => mail::pop3;
    /// Internet Message Access Protocol, RFC 9051.
    Imap "imap" ["imap4"], Stream,
        Within(&[(b'*', b'*'), (b'-', b'.'), (b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')])
        => mail::imap;
    /// Network News Transfer Protocol, RFC 3977.
    Nntp "nntp" [], Stream, Words(b"MAXICLG", b"1234") => mail::nntp;
    /// Internet Relay Chat, RFC 2812.
    Irc "irc" [], Stream, Of(b":NECPUJ") => mail::irc;
    /// Extensible Messaging and Presence Protocol, RFC 6120.
    Xmpp "xmpp" ["jabber"], Stream, Of(b"<") => mail::xmpp;
    /// Simple Service Discovery Protocol, UPnP Device Architecture 2.0.
    Ssdp "ssdp" ["upnp"], Datagram, Of(b"MNH") => web::ssdp;
    /// WS-Discovery, OASIS.
    WsDiscovery "ws-discovery" ["wsd"], Datagram, Of(b"<") => web::ws_discovery;
    /// Session Initiation Protocol, RFC 3261.
    Sip "sip" [], Any, Within(&[(b'\n', b'\n'), (b'\r', b'\r'), (b'A', b'Z')]) => web::sip;
    /// Real Time Streaming Protocol, RFC 2326 and RFC 7826.
    Rtsp "rtsp" [], Any, Range(b'A', b'Z') => web::rtsp;
    /// Media Gateway Control Protocol, RFC 3435.
    Mgcp "mgcp" [], Datagram, Within(&[(b'0', b'9'), (b'A', b'Z')]) => web::mgcp;
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
    /// FTP's data connection, RFC 959 section 3.2: a file or a listing, and nothing else. Never recognised:
    /// the control conversation tells.
    FtpData "ftp-data" [], Stream, Of(&[]) => mail::ftp_data;
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
    /// H.323 call signalling and registration, H.225.0.
    H323 "h323" ["h225"], Any, Range(0, 0x7f) => calls::h323;
    /// Tabular Data Stream, [MS-TDS].
    Tds "tds" ["mssql", "ms-sql"], Stream, Of(&[1, 4, 0x10, 0x12]) => calls::tds;
    /// SQL Server Browser, [MC-SQLR].
    SqlBrowser "mssql-browser" ["ssrp", "mc-sqlr"], Datagram, Of(&[5]) => calls::sql_browser;
    /// Lotus Notes RPC (NRPC).
    NotesRpc "lotusnotes" ["nrpc", "notes", "lotus-notes"], Stream, AnyByte => calls::notes_rpc;
    /// Radmin remote administration.
    Radmin "radmin" [], Stream, Of(&[1]) => calls::radmin;
    /// Lightweight Directory Access Protocol, RFC 4511.
    Ldap "ldap" ["cldap"], Any, Of(b"0") => manage::ldap;
    /// Kerberos 5, RFC 4120.
    Kerberos "kerberos" ["krb5"], Any,
        Of(&[0, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x74, 0x75, 0x7e]) => manage::kerberos;
    /// Simple Network Management Protocol, RFC 3411 to 3418.
    Snmp "snmp" [], Any, Of(b"0") => manage::snmp;
    /// RADIUS, RFC 2865.
    Radius "radius" [], Datagram, Range(1, 45) => manage::radius;
    /// TACACS+, RFC 8907.
    Tacacs "tacacs" ["tacacs+", "tacplus"], Stream, Range(0xc0, 0xc1) => manage::tacacs;
    /// Diameter, RFC 6733.
    Diameter "diameter" [], Any, Of(&[1]) => manage::diameter;
    /// syslog, RFC 5424 and RFC 3164.
    Syslog "syslog" [], Any, Range(b'0', b'<') => manage::syslog;
    /// Border Gateway Protocol, RFC 4271.
    Bgp "bgp" [], Stream, Of(&[0xff]) => manage::bgp;
    /// Label Distribution Protocol, RFC 5036.
    Ldp "ldp" [], Any, Of(&[0]) => manage::ldp;
    /// Routing Information Protocol, RFC 2453 and RFC 2080.
    Rip "rip" ["ripng"], Datagram, Range(1, 2) => manage::rip;
    /// Hot Standby Router Protocol, RFC 2281.
    Hsrp "hsrp" [], Datagram, Range(0, 2) => manage::hsrp;
    /// NetFlow, RFC 3954, and IPFIX, RFC 7011.
    Netflow "netflow" ["ipfix", "cflow"], Datagram, Of(&[0]) => manage::netflow;
    /// sFlow 5.
    Sflow "sflow" [], Datagram, Of(&[0]) => manage::sflow;
    /// IPMI over RMCP.
    Ipmi "ipmi" ["rmcp", "asf-rmcp"], Datagram, Of(&[6]) => manage::ipmi;
    /// Dropbox LAN discovery.
    Dropbox "dropbox" [], Datagram, Of(b"{") => manage::dropbox;
    /// MySQL and MariaDB.
    Mysql "mysql" ["mariadb"], Stream, AnyByte => data::mysql;
    /// PostgreSQL.
    Pgsql "pgsql" ["postgresql", "postgres"], Stream, Of(b"\0SNRE") => data::pgsql;
    /// Oracle Net (TNS).
    Oracle "oracle" ["tns"], Stream, AnyByte => data::oracle;
    /// MongoDB.
    Mongodb "mongodb" ["mongo"], Stream, AnyByte => data::mongodb;
    /// Redis.
    Redis "redis" ["resp"], Stream, Of(b"*+-$PpIi") => data::redis;
    /// memcached.
    Memcached "memcached" ["memcache"], Any, AnyByte => data::memcached;
    /// Cassandra (CQL).
    Cassandra "cassandra" ["cql"], Stream, Of(&[3, 4, 5, 0x83, 0x84, 0x85]) => data::cassandra;
    /// Elasticsearch transport.
    Elasticsearch "elasticsearch" [], Stream, Of(b"E") => data::elasticsearch;
    /// The Elasticsearch API over HTTP.
    ElasticsearchApi "elasticsearch-api" [], Stream, Of(METHODS) => over_http::elasticsearch;
    /// Advanced Message Queuing Protocol.
    Amqp "amqp" [], Stream, Of(b"A\x01") => data::amqp;
    /// MQTT.
    Mqtt "mqtt" [], Stream, Of(&[0x10, 0x20]) => data::mqtt;
    /// Apache Kafka.
    Kafka "kafka" [], Stream, Of(&[0]) => data::kafka;
    /// NATS.
    Nats "nats" [], Stream, Of(b"ICP+") => data::nats;
    /// STOMP.
    Stomp "stomp" [], Stream, Of(b"CS") => data::stomp;
    /// ZeroMQ Message Transport Protocol.
    Zmtp "zmtp" ["zeromq", "zmq"], Stream, Of(&[0xff]) => data::zmtp;
    /// Zabbix.
    Zabbix "zabbix" [], Stream, Of(b"Z") => data::zabbix;
    /// Gearman.
    Gearman "gearman" [], Stream, Of(&[0]) => data::gearman;
    /// Modbus/TCP.
    Modbus "modbus" [], Stream, AnyByte => plants::modbus;
    /// DNP3, IEEE 1815.
    Dnp3 "dnp3" [], Any, Of(&[5]) => plants::dnp3;
    /// IEC 60870-5-104.
    Iec104 "iec104" ["iec-60870-5-104"], Stream, Of(&[0x68]) => plants::iec104;
    /// EtherNet/IP.
    Enip "enip" ["ethernet-ip", "cip"], Any, Of(&[2, 4, 0x63, 0x64, 0x65, 0x66, 0x6f, 0x70]) => plants::enip;
    /// BACnet/IP.
    Bacnet "bacnet" [], Datagram, Of(&[0x81]) => plants::bacnet;
    /// OPC UA.
    Opcua "opcua" ["opc-ua"], Stream, Of(b"HRAEOMC") => plants::opcua;
    /// Synchrophasors, IEEE C37.118.
    Synchrophasor "synchrophasor" ["c37.118", "synphasor"], Any, Of(&[0xaa]) => plants::synchrophasor;
    /// HART-IP.
    HartIp "hart-ip" ["hart_ip"], Any, Range(1, 2) => plants::hart_ip;
    /// DLMS/COSEM meters, IEC 62056.
    Iec62056 "iec62056" ["dlms"], Stream, Of(&[0x7e]) => plants::iec62056;
    /// Diagnostics over IP, ISO 13400.
    Doip "doip" [], Any, Of(&[1, 2, 3, 4, 0xff]) => plants::doip;
    /// DICOM.
    Dicom "dicom" [], Stream, Range(1, 2) => plants::dicom;
    /// HL7 version 2 over MLLP.
    Hl7 "hl7" ["mllp"], Stream, Of(&[0x0b]) => plants::hl7;
    /// Financial Information Exchange.
    Fix "fix" [], Stream, Of(b"8") => plants::fix;
    /// Veeder-Root automatic tank gauge.
    TankGauge "atg" ["veeder-root"], Stream, Of(&[1]) => plants::tank_gauge;
    /// SOCKS 5, RFC 1928.
    Socks5 "socks5" ["socks"], Stream, Of(&[5]) => peers::socks5;
    /// SOCKS 4.
    Socks4 "socks4" [], Stream, Of(&[0, 4]) => peers::socks4;
    /// STUN and TURN, RFC 8489 and RFC 8656.
    Stun "stun" ["turn"], Any, AnyByte => peers::stun;
    /// GPRS Tunnelling Protocol.
    Gtp "gtp" ["gtpv1", "gtpv2"], Datagram, Range(0x1e, 0x5f) => networks::gtp;
    /// Packet Forwarding Control Protocol, 3GPP TS 29.244.
    Pfcp "pfcp" [], Datagram, Range(0x20, 0x27) => networks::pfcp;
    /// Layer 2 Tunnelling Protocol, RFC 2661.
    L2tp "l2tp" [], Datagram, Of(&[0xc8]) => peers::l2tp;
    /// Point-to-Point Tunnelling Protocol, RFC 2637.
    Pptp "pptp" [], Stream, Of(&[0]) => peers::pptp;
    /// VXLAN, RFC 7348.
    Vxlan "vxlan" [], Datagram, Of(&[8]) => peers::vxlan;
    /// GENEVE, RFC 8926.
    Geneve "geneve" [], Datagram, Range(0, 0x3f) => peers::geneve;
    /// Teredo, RFC 4380.
    Teredo "teredo" [], Datagram, AnyByte => peers::teredo;
    /// AYIYA, draft-massar-v6ops-ayiya.
    Ayiya "ayiya" [], Datagram, Range(0x21, 0x42) => peers::ayiya;
    /// LISP control messages, RFC 9301.
    Lisp "lisp" [], Datagram, Range(0x10, 0x4f) => networks::lisp;
    /// Bidirectional Forwarding Detection, RFC 5880.
    Bfd "bfd" [], Datagram, Range(0x20, 0x3f) => networks::bfd;
    /// Precision Time Protocol, IEEE 1588.
    Ptp "ptp" ["ptpv2"], Datagram, Range(0, 0x1f) => networks::ptp;
    /// OpenFlow.
    Openflow "openflow" [], Stream, Range(1, 6) => networks::openflow;
    /// Babel, RFC 8966.
    Babel "babel" [], Datagram, Of(&[42]) => networks::babel;
    /// Service Location Protocol, RFC 2608.
    Slp "slp" ["srvloc", "svrloc"], Any, Of(&[2]) => networks::slp;
    /// Short Message Peer-to-Peer.
    Smpp "smpp" [], Stream, Of(&[0]) => networks::smpp;
    /// Session Announcement Protocol, RFC 2974.
    Sap "sap" [], Datagram, Range(0x20, 0x3f) => networks::sap;
    /// Constrained Application Protocol, RFC 7252.
    Coap "coap" [], Datagram, Range(0x40, 0x78) => networks::coap;
    /// Real-Time Publish-Subscribe, the wire of DDS.
    Rtps "rtps" ["dds"], Datagram, Of(b"R") => networks::rtps;
    /// SOME/IP, AUTOSAR.
    Someip "someip" ["some/ip"], Any, AnyByte => networks::someip;
    /// KNXnet/IP.
    Knx "knx" ["knxnet/ip", "knxip"], Any, Of(&[6]) => networks::knx;
    /// Ceph messenger.
    Ceph "ceph" [], Stream, Of(b"c") => networks::ceph;
    /// Real-time Transport Protocol, RFC 3550.
    Rtp "rtp" ["srtp"], Datagram, Of(&[0x80]) => peers::rtp;
    /// RTP Control Protocol, RFC 3550.
    Rtcp "rtcp" [], Datagram, Range(0x80, 0xbf) => peers::rtcp;
    /// Real-Time Messaging Protocol.
    Rtmp "rtmp" [], Stream, Of(&[3]) => peers::rtmp;
    /// Skinny Client Control Protocol.
    Skinny "skinny" ["sccp"], Stream, AnyByte => peers::skinny;
    /// BitTorrent, BEP 3, and uTP, BEP 29.
    Bittorrent "bittorrent" ["utp"], Any, Of(&[0x13, 0x41]) => peers::bittorrent;
    /// BitTorrent's distributed hash table, BEP 5.
    BittorrentDht "bittorrent-dht" ["bt-dht"], Datagram, Of(b"d") => peers::dht;
    /// eDonkey and eMule.
    Edonkey "edonkey" ["emule"], Stream, Of(&[0xe3, 0xc5]) => peers::edonkey;
    /// Gnutella.
    Gnutella "gnutella" [], Stream, Of(b"G") => peers::gnutella;
    /// Bitcoin.
    Bitcoin "bitcoin" [], Stream, Of(&[0xf9, 0xfa, 0x0b]) => peers::bitcoin;
    /// Stratum and its kin: mining pools.
    Stratum "stratum" ["mining"], Stream, Of(b"{") => peers::stratum;
    /// RakNet.
    Raknet "raknet" [], Datagram, Of(&[1, 2, 5, 6, 7, 8, 0x1c]) => peers::raknet;
    /// Source engine and Quake server queries.
    GameQuery "source_engine" ["quake"], Datagram, Of(&[0xff]) => peers::game_query;
    /// TeamSpeak 3.
    Teamspeak "teamspeak" [], Datagram, Of(b"T") => peers::teamspeak;
    /// WhatsApp.
    Whatsapp "whatsapp" [], Stream, Of(b"WE") => peers::whatsapp;
    /// AnyDesk.
    Anydesk "anydesk" [], Stream, Of(&[0x16]) => remote::anydesk;
    /// TeamViewer.
    Teamviewer "teamviewer" [], Any, Of(&[0, 0x11, 0x17]) => remote::teamviewer;
    /// Telnet, RFC 854.
    Telnet "telnet" [], Stream, Of(&[0xff]) => tools::telnet;
    /// Remote framebuffer (VNC), RFC 6143.
    Vnc "vnc" ["rfb"], Stream, Of(b"R") => tools::vnc;
    /// X Window System.
    X11 "x11" [], Stream, Of(b"lB\0\x01\x02") => tools::x11;
    /// Android Debug Bridge.
    Adb "adb" [], Stream, Of(b"CASO") => tools::adb;
    /// SPICE.
    Spice "spice" [], Stream, Of(b"R") => tools::spice;
    /// Network block device.
    Nbd "nbd" [], Stream, Of(b"N\0") => tools::nbd;
    /// Git.
    Git "git" [], Stream, Within(&[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]) => tools::git;
    /// Subversion.
    Svn "svn" ["subversion"], Stream, Of(b"(") => tools::svn;
    /// rsync.
    Rsync "rsync" [], Stream, Of(b"@") => tools::rsync;
    /// Apache JServ Protocol 1.3.
    Ajp "ajp" ["ajp13"], Stream, Of(b"\x12A") => tools::ajp;
    /// FastCGI.
    Fastcgi "fastcgi" [], Stream, Of(&[1]) => tools::fastcgi;
    /// Java Debug Wire Protocol.
    Jdwp "jdwp" [], Stream, Of(b"J") => tools::jdwp;
    /// Java RMI.
    Rmi "rmi" ["jrmp"], Stream, Of(b"JN") => tools::rmi;
    /// Citrix ICA and CGP.
    Citrix "citrix" ["ica"], Stream, Of(b"\x7f\x1a") => tools::citrix;
    /// checkmk agent.
    Checkmk "checkmk" ["check_mk"], Stream, Of(b"<") => tools::checkmk;
    /// Ookla speed test.
    Ookla "ookla" [], Stream, Of(b"H") => tools::ookla;
    /// ident, RFC 1413.
    Ident "ident" ["auth"], Stream, Range(b' ', b'9') => tools::ident;
    /// iSCSI, RFC 7143.
    Iscsi "iscsi" [], Stream, Of(&[3, 0x23, 0x43]) => tools::iscsi;
    /// Apple Filing Protocol over DSI.
    Afp "afp" ["dsi"], Stream, Range(0, 1) => tools::afp;
    /// NetBus 1.x.
    Netbus "netbus" [], Stream, Of(b"N") => malware::netbus;
    /// SubSeven.
    Subseven "subseven" ["sub7"], Stream, Of(b"c") => malware::subseven;
    /// Back Orifice.
    BackOrifice "backorifice" ["back-orifice"], Datagram, Of(&[0xce]) => malware::back_orifice;
    /// Gh0st RAT.
    Gh0st "gh0st" ["ghost-rat"], Stream, Of(b"G") => malware::gh0st;
    /// njRAT.
    Njrat "njrat" ["bladabindi"], Stream, Of(b"l0123456789") => malware::njrat;
    /// DarkComet.
    Darkcomet "darkcomet" [], Stream, Of(b"B1C8A0D9") => malware::darkcomet;
    /// Trinoo.
    Trinoo "trinoo" [], Any, AnyByte => malware::trinoo;
    /// Deep Throat.
    DeepThroat "deepthroat" ["deep-throat"], Any, Of(b"-A ") => malware::deep_throat;
    /// GirlFriend.
    Girlfriend "girlfriend" [], Stream, Of(b"G") => malware::girlfriend;
    /// Optix Pro.
    Optix "optix" ["optix-pro"], Stream, Of(b"0") => malware::optix;
    /// Acid Shivers.
    AcidShivers "acidshivers" ["acid-shivers"], Stream, Of(&[0x1b]) => malware::acid_shivers;
    /// LuminosityLink.
    Luminosity "luminositylink" ["luminosity"], Stream, Of(b"NG") => malware::luminosity;
    /// Houdini, also H-worm.
    Houdini "houdini" ["hworm"], Stream, AnyByte => malware::houdini;
}

impl App {
    /// The protocol of this name or of another known spelling of it, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        static NAMES: LazyLock<HashMap<&'static str, App, FixedState>> = LazyLock::new(spellings);
        let known = NAMES.get(name).copied();
        // Nearly all that is asked is written in lower case already, and much of it with every verdict.
        let is_other = || name.bytes().any(|byte| byte.is_ascii_uppercase());
        known.or_else(|| is_other().then(|| NAMES.get(&*name.to_ascii_lowercase()).copied()).flatten())
    }

    /// True for a protocol with bytes of its own. The others are known from the control conversation that
    /// announced them, and from nothing else.
    #[must_use]
    pub const fn has_signs(self) -> bool {
        !matches!(self, Self::Unknown | Self::FtpData)
    }

    /// True for the handshake of a known malicious program.
    #[must_use]
    pub const fn is_malware(self) -> bool {
        matches!(
            self,
            Self::Netbus
                | Self::Subseven
                | Self::BackOrifice
                | Self::Gh0st
                | Self::Njrat
                | Self::Darkcomet
                | Self::Trinoo
                | Self::DeepThroat
                | Self::Girlfriend
                | Self::Optix
                | Self::AcidShivers
                | Self::Luminosity
                | Self::Houdini
        )
    }

    /// True for control protocols that name meeting places, so that their later payload is wanted
    /// ([`super::announce()`]).
    #[must_use]
    pub const fn announces(self) -> bool {
        matches!(
            self,
            Self::Dcerpc
                | Self::Ftp
                | Self::Portmap
                | Self::Sunrpc
                | Self::Sip
                | Self::Rtsp
                | Self::Mgcp
                | Self::Ssdp
                | Self::SqlBrowser
                | Self::Stun
                | Self::Tftp
                | Self::Smb
                | Self::Dns
                | Self::Mdns
                | Self::Socks5
                | Self::Irc
                | Self::BittorrentDht
        )
    }

    /// True for announcing protocols whose datagrams are heard one by one from the first on, because nobody
    /// need ever answer them on their own flow ([`super::overhear()`]).
    #[must_use]
    pub const fn is_overheard(self) -> bool {
        matches!(self, Self::Ssdp | Self::Tftp | Self::Mdns)
    }

    /// The protocol that is spoken on the wire: what programs that know protocols by the names of Suricata or
    /// nDPI call it. Some of ours are uses of another one, which a server behind the same port may all offer.
    #[must_use]
    pub const fn spoken(self) -> Self {
        match self {
            Self::Docker | Self::Kubernetes | Self::ElasticsearchApi => Self::Http,
            Self::Anydesk => Self::Tls,
            other => other,
        }
    }

    /// The more general protocol that this one is built on, when one side's bytes may show no more than that.
    #[must_use]
    pub const fn family(self) -> Option<Self> {
        match self {
            Self::Mdns => Some(Self::Dns),
            Self::Portmap | Self::Nfs => Some(Self::Sunrpc),
            Self::Rdp | Self::S7comm => Some(Self::Tpkt),
            Self::Smb => Some(Self::NetbiosSsn),
            Self::Websocket | Self::Docker | Self::Kubernetes | Self::ElasticsearchApi => Some(Self::Http),
            Self::Grpc => Some(Self::Http2),
            Self::Anydesk => Some(Self::Tls),
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

/// Every name and other spelling; all are in lower case, and none is said of two protocols.
fn spellings() -> HashMap<&'static str, App, FixedState> {
    let every = std::iter::once(App::Unknown).chain(App::ALL.iter().copied());
    every
        .flat_map(|app| {
            std::iter::once(app.name()).chain(app.aliases().iter().copied()).map(move |s| (s, app))
        })
        .collect()
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
                assert_eq!(*spelling, spelling.to_ascii_lowercase());
                assert_eq!(App::from_name(&spelling.to_ascii_uppercase()), Some(*app));
            }
        }
        assert_eq!(App::from_name("SSL"), Some(App::Tls));
        assert_eq!(App::from_name("no such protocol"), None);
    }
}
