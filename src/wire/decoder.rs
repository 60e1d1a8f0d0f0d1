//! The decoder: one frame in, its packets or one reason out.
//!
//! A `Walk` goes through one frame, layer by layer, each layer in a file of its own (`link`, `radio`,
//! `ether`, `ip`, `transport`, `icmp`, `tunnel`, `udp_tunnel`). Every step takes a [`Span`] and ends in a
//! packet or in a [`Skip`]; whatever re-enters a lower layer passes [`Walk::deeper`], so recursion is bounded
//! whatever the bytes say.
//!
//! Invariants: an error leaves the list of packets as it was; a step that pushed a packet never fails
//! afterwards.

use std::net::IpAddr;
use std::time::Duration;

use crate::capture::Frame;
use crate::time::Timestamp;
use crate::wire::fragment::Fragments;
use crate::wire::span::Span;
use crate::wire::{Endpoint, Packet, Role, Scratch, Skip, Tcp, Transport, Vlan};

/// What a decoder may spend on strangers' bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tunnels inside tunnels that are followed, 0 to 32. What lies deeper is [`Skip::TooDeep`].
    pub nesting: u8,
    /// Fragmented datagrams remembered at once; the oldest go first. At least 1.
    pub datagrams: usize,
    /// Bytes of fragments held back until their first fragment is there, over all datagrams.
    pub held_bytes: usize,
    /// How long a fragmented datagram is remembered, by the packet clock. RFC 1122 section 3.3.2 asks hosts
    /// for 60 to 120 seconds; common systems take 30.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nesting: 8, datagrams: 4096, held_bytes: 4 << 20, lifetime: Duration::from_secs(30) }
    }
}

/// Decodes frames. Keeps nothing from frame to frame but the fragments that wait for each other.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    fragments: Fragments,
}

impl Decoder {
    /// A decoder; allocates nothing yet. Limits outside their range are moved into it.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { nesting: limits.nesting.min(32), datagrams: limits.datagrams.max(1), ..limits };
        Self { limits, fragments: Fragments::new(&limits) }
    }

    #[cfg(test)]
    pub(super) fn fragments(&self) -> &Fragments {
        &self.fragments
    }

    /// Adds the packets of one frame to `packets`, outermost first. `clock` is the packet clock at this
    /// frame.
    ///
    /// # Errors
    /// The one reason why the frame gave no packet; `packets` is then as it was before.
    #[inline]
    pub fn decode<'a>(
        &mut self,
        frame: &Frame<'a>,
        clock: Timestamp,
        scratch: &'a Scratch,
        packets: &mut Vec<Packet<'a>>,
    ) -> Result<(), Skip> {
        let first = packets.len();
        let span = Span::new(frame.bytes, frame.wire_len as usize);
        let mut walk = Walk {
            frame,
            clock,
            scratch,
            fragments: &mut self.fragments,
            nesting: self.limits.nesting,
            first,
            vlan: Vlan::default(),
            in_fragment: false,
            carrier_in_fragment: false,
            packets,
        };
        let outcome = walk.link(frame.link, span);
        if outcome.is_err() {
            packets.truncate(first);
        }
        outcome
    }
}

/// The addresses an IP header gives to what it carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) ttl: u8,
    /// True for the joined or first fragment of a datagram: it cannot be fragmented once more by the same
    /// header chain.
    pub(super) fragmented: bool,
    /// True when the header promises more than there was on the wire: the packet was cut before it was
    /// captured.
    pub(super) short: bool,
}

/// The way through one frame.
pub(super) struct Walk<'a, 'w> {
    frame: &'w Frame<'a>,
    pub(super) clock: Timestamp,
    pub(super) scratch: &'a Scratch,
    pub(super) fragments: &'w mut Fragments,
    /// Tunnels that may still be entered.
    nesting: u8,
    /// Length of `packets` before this frame.
    first: usize,
    pub(super) vlan: Vlan,
    /// True inside the beginning of a datagram whose rest is still missing: what is too short then may become
    /// whole.
    pub(super) in_fragment: bool,
    /// True inside a UDP tunnel whose outer datagram is fragmented.
    pub(super) carrier_in_fragment: bool,
    packets: &'w mut Vec<Packet<'a>>,
}

impl<'a> Walk<'a, '_> {
    /// Runs a step one tunnel deeper.
    pub(super) fn deeper(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Skip>) -> Result<(), Skip> {
        if self.nesting == 0 {
            return Err(Skip::TooDeep);
        }
        self.nesting -= 1;
        let outcome = step(self);
        self.nesting += 1;
        outcome
    }

    /// Number of packets so far: the place of the next one.
    pub(super) fn place(&self) -> usize {
        self.packets.len()
    }

    /// A packet that was pushed before.
    pub(super) fn packet(&mut self, place: usize) -> Option<&mut Packet<'a>> {
        self.packets.get_mut(place)
    }

    /// Adds a whole segment or datagram, without TCP fields.
    #[inline]
    pub(super) fn push(&mut self, transport: Transport, net: &Net, ports: (u16, u16), payload: Span<'a>) {
        self.push_tcp(transport, net, ports, payload, Tcp::default(), &[]);
    }

    /// Adds a whole segment or datagram.
    #[inline]
    pub(super) fn push_tcp(
        &mut self,
        transport: Transport,
        net: &Net,
        ports: (u16, u16),
        payload: Span<'a>,
        tcp: Tcp,
        tcp_options: &'a [u8],
    ) {
        self.packets.push(Packet {
            frame: self.frame.number,
            time: self.frame.time,
            clock: self.clock,
            layer: u8::try_from(self.packets.len() - self.first).unwrap_or(u8::MAX),
            input: self.frame.input,
            vlan: self.vlan,
            transport,
            src: Endpoint::new(net.src, ports.0),
            dst: Endpoint::new(net.dst, ports.1),
            ttl: net.ttl,
            role: Role::Segment,
            tcp,
            tcp_options,
            payload: payload.bytes,
            payload_len: u32::try_from(payload.wire).unwrap_or(u32::MAX),
            wire_len: self.frame.wire_len,
        });
    }
}
