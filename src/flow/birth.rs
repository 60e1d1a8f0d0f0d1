//! What is known of a flow from its first packet: the compact half-open record, and the values many flows
//! share.
//!
//! A scan or a flood is millions of flows that are one SYN and nothing else. Such a flow is one cache line
//! ([`Embryo`]) until its second packet. That fits because what SYNs of one sender have in common (window,
//! options, VLAN, ...) is kept once, as a [`Profile`], and counted by its users; the table of profiles can
//! therefore never outgrow the table of flows.
//!
//! Invariant: an embryo's time is the packet clock at its SYN (a SYN from the past gets a full record).

use arrayvec::ArrayVec;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::key::{End, Key, flow_id};
use super::slab::{Linked, Links};
use super::{Basis, ConnState, Direction, EndReason, Flow, History, Side, SynHint};
use crate::time::Timestamp;
use crate::wire::{Packet, TcpFlags, Transport, Vlan};

const FRAME_BITS: u32 = 46;
const OPTIONS_MAX: usize = 12;

/// What the first packets of many flows have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Profile {
    pub(super) vlan: Vlan,
    pub(super) input: u16,
    pub(super) layer: u8,
    /// Of a SYN; zero otherwise, so that other flows share one profile.
    ttl: u8,
    window: u16,
    options: [u8; OPTIONS_MAX],
    options_len: u8,
    syn: bool,
    /// Of a SYN that is kept as an embryo.
    pub(super) flags: u8,
    pub(super) wire_len: u32,
}

impl Profile {
    pub(super) fn of(packet: &Packet<'_>) -> Self {
        let mut profile = Self {
            vlan: packet.vlan,
            input: packet.input,
            layer: packet.layer,
            ttl: 0,
            window: 0,
            options: [0; OPTIONS_MAX],
            options_len: 0,
            syn: is_opening(packet),
            flags: 0,
            wire_len: 0,
        };
        if profile.syn {
            profile.ttl = packet.ttl;
            profile.window = packet.tcp.window;
            let kinds = option_kinds(packet.tcp_options);
            profile.options[..kinds.len()].copy_from_slice(&kinds);
            profile.options_len = u8::try_from(kinds.len()).unwrap_or(0);
        }
        profile
    }

    /// With what an embryo needs on top.
    pub(super) fn of_embryo(packet: &Packet<'_>) -> Self {
        Self { flags: packet.tcp.flags.0, wire_len: packet.wire_len, ..Self::of(packet) }
    }

    pub(super) fn hint(&self) -> Option<SynHint> {
        let options = || self.options[..usize::from(self.options_len)].try_into().unwrap_or_default();
        self.syn.then(|| SynHint { ttl: self.ttl, window: self.window, options: options() })
    }
}

/// True for a SYN that asks: without ACK, reset or FIN.
pub(super) fn is_opening(packet: &Packet<'_>) -> bool {
    let flags = packet.tcp.flags;
    packet.transport == Transport::Tcp
        && flags.has(TcpFlags::SYN)
        && !flags.any(TcpFlags::ACK | TcpFlags::RST | TcpFlags::FIN)
}

/// TCP option kinds in order (RFC 9293 section 3.1): up to the end-of-list mark, the first cut or impossible
/// length, or the twelfth.
fn option_kinds(mut bytes: &[u8]) -> ArrayVec<u8, OPTIONS_MAX> {
    const END: u8 = 0;
    const NOTHING: u8 = 1;
    let mut kinds = ArrayVec::new();
    while let Some(&kind) = bytes.first() {
        if kinds.try_push(kind).is_err() || kind == END {
            break;
        }
        let length = if kind == NOTHING { 1 } else { bytes.get(1).map_or(0, |&length| usize::from(length)) };
        if length == 0 || kind != NOTHING && length < 2 {
            break;
        }
        bytes = bytes.get(length..).unwrap_or(&[]);
    }
    kinds
}

/// Profiles in use.
#[derive(Debug)]
pub(super) struct Profiles {
    numbers: HashMap<Profile, u32, RandomState>,
    entries: Vec<(Profile, u32)>,
    free: Vec<u32>,
    last: u32,
}

impl Profiles {
    pub(super) fn new() -> Self {
        Self { numbers: HashMap::default(), entries: Vec::new(), free: Vec::new(), last: 0 }
    }

    pub(super) fn get(&self, number: u32) -> &Profile {
        &self.entries[number as usize].0
    }

    /// The number of this profile, with one more user.
    pub(super) fn take(&mut self, profile: &Profile) -> u32 {
        // Packets of one sender come in rows: most often it is the profile of the packet before.
        if let Some((last, users)) = self.entries.get_mut(self.last as usize)
            && *users > 0
            && last == profile
        {
            *users += 1;
            return self.last;
        }
        let number = if let Some(&number) = self.numbers.get(profile) {
            self.entries[number as usize].1 += 1;
            number
        } else {
            let number = self.place(*profile);
            self.numbers.insert(*profile, number);
            number
        };
        self.last = number;
        number
    }

    /// One user less.
    pub(super) fn release(&mut self, number: u32) {
        let (profile, users) = &mut self.entries[number as usize];
        *users -= 1;
        if *users == 0 {
            self.numbers.remove(profile);
            self.free.push(number);
        }
    }

    fn place(&mut self, profile: Profile) -> u32 {
        if let Some(number) = self.free.pop() {
            self.entries[number as usize] = (profile, 1);
            return number;
        }
        self.entries.push((profile, 1));
        u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
    }
}

/// A flow that is one SYN and nothing else: one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Embryo {
    addrs: [u64; 4],
    ports: u32,
    pub(super) seq: u32,
    links: Links,
    pub(super) time: Timestamp,
    /// Frame (46 bits), profile (16 bits), IPv6, sender's end.
    packed: u64,
}

impl Embryo {
    /// True when a flow that begins with this packet fits an embryo, as far as the packet goes.
    pub(super) fn fits(packet: &Packet<'_>, clock: Timestamp) -> bool {
        is_opening(packet)
            && packet.role == crate::wire::Role::Segment
            && packet.payload_len == 0
            && packet.payload.is_empty()
            && packet.time == clock
            && packet.frame >> FRAME_BITS == 0
    }

    pub(super) fn new(key: &Key, sender: End, packet: &Packet<'_>, profile: u16) -> Self {
        let packed = packet.frame
            | u64::from(profile) << FRAME_BITS
            | u64::from(key.is_v6()) << 62
            | u64::from(sender != 0) << 63;
        let (addrs, ports, seq, time) = (key.addrs, key.ports, packet.tcp.seq, packet.time);
        Self { addrs, ports, seq, links: Links::NONE, time, packed }
    }

    #[inline]
    pub(super) fn key(&self) -> Key {
        Key::tcp(self.addrs, self.ports, self.packed >> 62 & 1 != 0)
    }

    pub(super) fn sender(&self) -> End {
        usize::from(self.packed >> 63 != 0)
    }

    pub(super) fn frame(&self) -> u64 {
        self.packed & ((1 << FRAME_BITS) - 1)
    }

    pub(super) fn profile(&self) -> u32 {
        super::key::low32(self.packed >> FRAME_BITS & 0xffff)
    }

    /// Writes the flow it stands for, all of it but the heads, at once: by way of the full record it was a
    /// twelfth of a scan.
    pub(super) fn tell(&self, flow: &mut Flow, profile: &Profile, why: Option<EndReason>) {
        // All fields are named, so that none is forgotten.
        #[rustfmt::skip]
        let Flow {
            id, transport, originator, responder, direction, vlan, input, first_frame, start, end, conn_state,
            history, orig, resp, head_orig: _, head_resp: _, icmp, syn, attempts, one_sided, carrier, ended,
        } = flow;
        let (key, asking) = (self.key(), self.sender());
        *id = flow_id(&key, self.time.as_nanos(), self.frame(), profile.layer);
        *transport = Transport::Tcp;
        *originator = key.end(asking);
        *responder = key.end(1 - asking);
        *direction = Direction { basis: Basis::Syn, confidence: 100 };
        *vlan = profile.vlan;
        *input = profile.input;
        *first_frame = self.frame();
        (*start, *end) = (self.time, self.time);
        *conn_state = ConnState::S0;
        *history = History::SYN;
        let bytes = u64::from(profile.wire_len);
        *orig = Side { packets: 1, bytes, payload_bytes: 0, tcp_flags: profile.flags };
        *resp = Side::default();
        *icmp = None;
        *syn = profile.hint();
        *attempts = 1;
        (*one_sided, *carrier) = (false, false);
        *ended = why;
    }
}

impl Linked for Embryo {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embryo_is_one_cache_line() {
        assert_eq!(size_of::<Embryo>(), 64);
    }

    #[test]
    fn an_embryo_tells_the_flow_that_a_full_record_of_it_would_tell() {
        for (src, dst) in [
            ("10.0.0.1:1000", "10.0.0.2:80"),
            ("10.0.0.2:80", "10.0.0.1:1000"),
            ("[2001:db8::1]:9", "[2001:db8::2]:7"),
            ("[2001:db8::2]:7", "[2001:db8::1]:9"),
        ] {
            let packet = super::super::script::syn(7, src, dst);
            let (key, sender) = Key::of(packet.transport, packet.src, packet.dst);
            let profile = Profile::of_embryo(&packet);
            let embryo = Embryo::new(&key, sender, &packet, 3);
            let ended = Some(EndReason::Timeout);
            let full = super::super::track::Track::<u32>::grown(&embryo, &profile);
            let [mut by_full, mut by_embryo] = [Flow::blank(), Flow::blank()];
            full.tell(&mut by_full, &profile, None, ended);
            embryo.tell(&mut by_embryo, &profile, ended);
            assert_eq!(format!("{by_embryo:?}"), format!("{by_full:?}"));
        }
    }

    #[test]
    fn option_kinds_stop_at_the_end_and_at_nonsense() {
        assert_eq!(
            option_kinds(&[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7])[..],
            [2, 4, 8, 1, 3]
        );
        assert_eq!(option_kinds(&[1, 0, 2, 4])[..], [1, 0]);
        assert_eq!(option_kinds(&[2, 0, 9])[..], [2]);
        assert_eq!(option_kinds(&[2, 1, 9])[..], [2]);
        assert_eq!(option_kinds(&[3])[..], [3]);
        assert_eq!(option_kinds(&[1; 40]).len(), OPTIONS_MAX);
    }

    #[test]
    fn profiles_live_as_long_as_their_users() {
        let mut profiles = Profiles::new();
        let packet = super::super::script::syn(1, "10.0.0.1:1000", "10.0.0.2:80");
        let (plain, other) = (Profile::of(&packet), Profile::of_embryo(&packet));
        assert_eq!([&plain, &other, &plain, &plain].map(|p| profiles.take(p)), [0, 1, 0, 0]);
        (0..3).for_each(|_| profiles.release(0));
        assert_eq!(profiles.take(&other), 1);
        assert_eq!(profiles.take(&Profile { input: 9, ..plain }), 0);
        assert_eq!((profiles.numbers.len(), profiles.get(0).input), (2, 9));
    }
}
