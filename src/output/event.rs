//! The serialised twin of what is said, and the definition of the output format.
//!
//! # Lines
//! One JSON object per line, UTF-8, shorter than [`super::LINE_BYTES_MAX`] bytes, `timestamp` first. A key
//! always has the same type. A key without a value is **absent**, never `null`; lists may be empty, except
//! where Suricata's schema wants at least one element (`vlan`, `flowbits`). A `stats` line of a run without a
//! packet bears 1970. Times are packet times, UTC, `YYYY-MM-DDTHH:MM:SS.ffffff+0000`.
//!
//! | key | type | in | absent when |
//! | --- | --- | --- | --- |
//! | `timestamp` | string | all | never. Time of the last packet of the flow, of the port, of the run |
//! | `flow_id` | integer < 2^53 | alert flow | never; the same in every run |
//! | `in_iface` | string | alert flow | replaying |
//! | `pcap_filename` | string | alert flow | live |
//! | `pcap_cnt` | integer | alert flow | live. Frame that opened the flow, from 1, over all inputs |
//! | `event_type` | `alert` `flow` `port` `stats` | all | never. `port` is ours, and the schema allows it |
//! | `vlan` | 1-2 integers, outermost first | alert flow | untagged |
//! | `src_ip` `src_port` | string, integer | alert flow | never. The originator |
//! | `dest_ip` | string | alert flow | never. The responder |
//! | `dest_port` | integer | alert flow port | never. The port the line is about |
//! | `proto` | `TCP` `UDP` `SCTP` | alert flow port | never |
//! | `pkt_src` | `wire/pcap` | alert | never |
//! | `community_id` | string | alert flow | never. Community ID v1, seed 0 |
//! | `alert` | object | alert | never |
//! | `app_proto` | string | alert flow | nothing was recognised |
//! | `direction` | `to_server` | alert | never |
//! | `flow` | object | alert flow | never |
//! | `tcp` | object | flow | not TCP |
//! | `stats` | object | stats | never. Counters under Suricata's names |
//! | `metadata` | object | flow port stats | unless `--eve-extra metadata` |
//! | `ghostport` | object | all | with `--eve-extra metadata` |
//! | `host` | string | all | no sensor name was given |
//!
//! `alert`: `action` (always `allowed`), `gid` (1), `signature_id` (1,000,000-1,999,999), `rev`, `signature`,
//! `category`, `severity` (1 worst, 4 least), `metadata`: arrays of strings: `signature_severity` (`Critical`
//! `Major` `Minor` `Informational`), `mitre_technique_id` (absent when the rule names none), `ghostport_rule`
//! (the rule's stable name), and with `--eve-extra metadata` everything of `ghostport`.
//!
//! `flow`: `pkts_toserver` `pkts_toclient` `bytes_toserver` `bytes_toclient` (whole frames; to server is
//! originator → responder), `start`, `state` (`new` `established` `closed`), and once the flow has ended
//! `end`, `age` (whole seconds), `reason` (`timeout` `forced` `shutdown` `tcp_reuse`); in flow records
//! `alerted`; in alerts the four of the 5-tuple.
//!
//! `tcp`: `tcp_flags` `tcp_flags_ts` `tcp_flags_tc` (two hexadecimal digits), `state`, and `syn` `fin` `rst`
//! `psh` `ack` `urg` `ecn` `cwr`: `true` or absent.
//!
//! # `ghostport` in alerts and flow records
//! `port` `transport` `tier` `status` `registered` (absent when the port is not registered) `tags` (may
//! be empty); `conn_state` `history` (Zeek's) `outcome`; `direction{basis, confidence 0-1}`;
//! `app_proto{name, sides, carries, tls{sni, alpn[], version, ja4}, quic{version}}` (absent when nothing
//! was recognised; `carries` when HTTP or TLS is known to be used for something: `docker`, `anydesk`;
//! `tls`, of TLS, DTLS and QUIC, and each of its keys only when seen in the first bytes of a side, at
//! most 3072: `alpn` is what the client offers, `version` what the server chose (not read in QUIC), `ja4`
//! needs the whole client hello; `quic.version` is a string: `1`, `2`, `draft-29`, `Q046`);
//! `verdict{story, probability, stories[{story,p}]}`; `evidence[{fact, value, weight{story: log-odds}}]`
//! (`value` is always a string; `weight` is absent when the fact moved nothing); `claims[]`;
//! `process{pid,name,exe,user}` (absent when not asked or not found; `exe`, `user` when not known);
//! `next_step` (absent when there is none); `revised{from, because}` (alerts only, when a line about the
//! flow told another story before: that story, and the fact that changed it, absent when no single one did);
//! `truncated` (`true`, or absent). Probabilities and weights have at most three decimals.
//!
//! # `ghostport.aggregate` in alerts
//! One alert stands for all flows that are one story: by responder, port, transport, story and rule, or
//! by what the rule's threshold counts by (a scan: by originator, with all ports). Everything else in the
//! line is about the latest of them; `severity` is the worst so far. `id` (string; the same in all its
//! lines and in every run), `state` (`first`: said at once; `update`: it goes on, after
//! `--alert-interval`, then twice that and so on up to the rule's window, or at once when the severity got
//! worse; `closing`: quiet for the interval and the window, or the run ended, or too many were open),
//! `flows` (since its line before: the sum over lines is every flow exactly once; 0 in a closing line that
//! has nothing new, and in one that only revises a story), `total` (flows so far),
//! `originators` `responders` `ports` (distinct so far; exact unless `estimated`), `first` `last`. An
//! aggregate that has no flow after its first line has no other line: nothing was left unsaid, and it is
//! over when the interval has passed.
//!
//! A line that would grow too long is cut in this order, and says `truncated`: texts to 96 bytes, 24 facts
//! and 12 claims; then 12 facts and 6 claims without weights; then neither.
//!
//! # `ghostport` in port records
//! `port` `transport` `tier` `status` `registered` `tags` as above and `bucket`: `flows` `answered` (of
//! those), `originators` `responders` (distinct addresses; exact unless `estimated`), `pkts_*` `bytes_*`,
//! `outcomes` `protocols` `stories` (objects: flows by name, without zeros), `findings`, `client_flows`
//! (flows that had the number as their *originator's* port: they are about another port and not counted
//! here), `first`, `last`.
//!
//! # `ghostport` in stats records
//! `packets{read, decoded, skipped{reason: n}}`: every reason is always there, and `read = decoded + Σ
//! skipped` exactly; `bytes`; `flows{opened, closed, open, evicted_half_open, evicted_other}`; `alerts`
//! (lines), `alerted_flows` (flows with `alerted`: those that a line stands for, without those that a
//! threshold had held back before); `rules{suppressed, expected, held_back, closed_early}` (silenced by
//! an entry of either kind; below a threshold and in no alert since; aggregates closed because too many
//! were open); `capture{received, dropped_kernel, dropped_interface}` (absent in replay); `damaged`
//! (damaged places in the input); `lines_lost` (lines an output could not take).
//!
//! # With `--eve-extra metadata`
//! Every line validates against Suricata's published `etc/schema.json` of 7.0 and 8.0. The same data has the
//! prefix `ghostport_`: in alerts `alert.metadata` (arrays of strings), in flow and port records
//! `metadata.flowbits` (`"ghostport_story:scan"`), and numbers of port and stats records in
//! `metadata.flowints`. Weights are left out.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::again::{Again, Key, Kind, Part};
use super::clean::Text;
use super::flat::Flat;
use super::json::{Plain, Word};
use super::line::Ip;
use super::place::Metadata;
use super::stats::EveStats;
use super::{Record, TECHNIQUE_BYTES_MAX, TECHNIQUES_MAX, record};
use crate::flow::{Flow, State};
use crate::time::Timestamp;
use crate::wire::{TcpFlags, Transport};

/// One line. `G` is what stands under `ghostport`. `None` and empty mean that the key is absent.
#[derive(Debug, Serialize)]
pub struct Event<'a, G> {
    pub(super) timestamp: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flow_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_iface: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pcap_filename: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pcap_cnt: Option<u64>,
    pub(super) event_type: Word,
    #[serde(skip_serializing_if = "<[u16]>::is_empty")]
    pub(super) vlan: &'a [u16],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) src_ip: Option<Ip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dest_ip: Option<Ip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dest_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proto: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pkt_src: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) community_id: Option<Plain<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<EveAlert<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_proto: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) direction: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flow: Option<EveFlow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tcp: Option<Again<EveTcp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stats: Option<EveStats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ghostport: Option<G>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<Text<'a>>,
}

impl<G> Event<'_, G> {
    /// A line that says when and what kind it is, and nothing else yet.
    pub(super) fn new(record: &Record<'_>) -> Self {
        Self {
            timestamp: Stamp(record.time()),
            flow_id: None,
            in_iface: None,
            pcap_filename: None,
            pcap_cnt: None,
            event_type: Word(record.event_type()),
            vlan: &[],
            src_ip: None,
            src_port: None,
            dest_ip: None,
            dest_port: None,
            proto: None,
            pkt_src: None,
            community_id: None,
            alert: None,
            app_proto: None,
            direction: None,
            flow: None,
            tcp: None,
            stats: None,
            metadata: None,
            ghostport: None,
            host: None,
        }
    }
}

/// A time in EVE's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(pub(super) Timestamp);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain(&self.0.ascii()).serialize(serializer)
    }
}

/// `alert`.
#[derive(Debug, Serialize)]
pub struct EveAlert<'a> {
    pub(super) action: &'static str,
    pub(super) gid: u32,
    pub(super) signature_id: u32,
    pub(super) rev: u32,
    pub(super) signature: Text<'a>,
    pub(super) category: Text<'a>,
    pub(super) severity: u8,
    pub(super) metadata: AlertMetadata<'a>,
}

/// `alert.metadata`: arrays of strings, which Elastic's pipeline lifts or flattens.
#[derive(Debug)]
pub struct AlertMetadata<'a> {
    pub(super) signature_severity: &'static str,
    pub(super) techniques: &'a [String],
    pub(super) rule: Text<'a>,
    pub(super) extra: Option<Flat>,
}

impl Serialize for AlertMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("signature_severity", &[self.signature_severity])?;
        if !self.techniques.is_empty() {
            let techniques = self.techniques.iter().take(TECHNIQUES_MAX);
            let techniques: Vec<_> = techniques.map(|id| Text::cut(id, TECHNIQUE_BYTES_MAX)).collect();
            map.serialize_entry("mitre_technique_id", &techniques)?;
        }
        map.serialize_entry("ghostport_rule", &[self.rule])?;
        for (name, values) in self.extra.iter().flat_map(Flat::entries) {
            map.serialize_entry(name, values)?;
        }
        map.end()
    }
}

/// `flow`.
#[derive(Debug, Serialize)]
pub struct EveFlow {
    pkts_toserver: u64,
    pkts_toclient: u64,
    bytes_toserver: u64,
    bytes_toclient: u64,
    start: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u64>,
    state: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_ip: Option<Ip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_ip: Option<Ip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
}

impl EveFlow {
    /// As it stands in a flow record.
    pub(super) fn record(flow: &Flow, alerted: bool) -> Self {
        Self { alerted: Some(alerted), ..Self::new(flow) }
    }

    /// As it stands in an alert: with the 5-tuple.
    pub(super) fn in_alert(flow: &Flow) -> Self {
        Self {
            src_ip: Some(Ip(flow.originator.addr)),
            src_port: Some(flow.originator.port),
            dest_ip: Some(Ip(flow.responder.addr)),
            dest_port: Some(flow.responder.port),
            ..Self::new(flow)
        }
    }

    fn new(flow: &Flow) -> Self {
        let ended = flow.ended;
        Self {
            pkts_toserver: flow.orig.packets,
            pkts_toclient: flow.resp.packets,
            bytes_toserver: flow.orig.bytes,
            bytes_toclient: flow.resp.bytes,
            start: Stamp(flow.start),
            end: ended.map(|_| Stamp(record::end(flow))),
            age: ended.map(|_| flow.end.since(flow.start).as_secs()),
            state: Word(flow.state().name()),
            reason: ended.map(|reason| Word(reason.name())),
            alerted: None,
            src_ip: None,
            src_port: None,
            dest_ip: None,
            dest_port: None,
        }
    }
}

/// `tcp`: the control bits of the whole flow. A bit is `true` or absent, as Suricata writes it.
#[derive(Debug, Serialize)]
pub struct EveTcp {
    tcp_flags: Hex,
    tcp_flags_ts: Hex,
    tcp_flags_tc: Hex,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    syn: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fin: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    rst: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    psh: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ack: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    urg: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ecn: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cwr: bool,
    state: &'static str,
}

impl EveTcp {
    pub(super) fn new(flow: &Flow) -> Option<Self> {
        const ECE: u8 = 0x40;
        const CWR: u8 = 0x80;
        if flow.transport != Transport::Tcp {
            return None;
        }
        let all = TcpFlags(flow.orig.tcp_flags | flow.resp.tcp_flags);
        Some(Self {
            tcp_flags: Hex(all.0),
            tcp_flags_ts: Hex(flow.orig.tcp_flags),
            tcp_flags_tc: Hex(flow.resp.tcp_flags),
            syn: all.has(TcpFlags::SYN),
            fin: all.has(TcpFlags::FIN),
            rst: all.has(TcpFlags::RST),
            psh: all.has(TcpFlags::PSH),
            ack: all.has(TcpFlags::ACK),
            urg: all.has(TcpFlags::URG),
            ecn: all.has(ECE),
            cwr: all.has(CWR),
            state: match flow.state() {
                State::Closed => "closed",
                State::Established => "established",
                State::New if all.has(TcpFlags::SYN) => "syn_sent",
                State::New => "none",
            },
        })
    }
}

impl Part for EveTcp {
    const KIND: Kind = Kind::Tcp;

    // The rest follows from the bits of both sides.
    fn say(&self, key: &mut Key) {
        key.words([self.state]);
        key.numbers([u64::from(self.tcp_flags_ts.0), u64::from(self.tcp_flags_tc.0)]);
    }
}

/// A byte as two hexadecimal digits.
#[derive(Clone, Copy, Debug)]
struct Hex(u8);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        Plain(&[self.0 >> 4, self.0 & 15].map(|digit| DIGITS[usize::from(digit)])).serialize(serializer)
    }
}
