//! IP fragments: whose they are, and bounded reassembly of what can not be read piece by piece.
//!
//! In the common case nothing is copied. The first fragment holds the transport header, is decoded where it
//! lies, and its ports are remembered for the later ones. Only while a datagram has no readable beginning
//! (the first fragment is tiny or came late) are its bytes held back; as soon as the beginning can be read,
//! it is joined in the [`Scratch`].
//!
//! Invariants: at most [`Limits::datagrams`] datagrams and [`Limits::held_bytes`] held bytes, the oldest go
//! first; no datagram older than [`Limits::lifetime`] is used; no byte of a datagram is handed on twice as
//! contiguous; an overlap never changes what came before (RFC 5722 forbids it for IPv6; no sane sender does
//! it in IPv4).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use arrayvec::ArrayVec;
use hashbrown::HashMap;

use crate::time::Timestamp;
use crate::wire::decoder::{Net, Walk};
use crate::wire::ip::number;
use crate::wire::span::Span;
use crate::wire::{Endpoint, Limits, Role, Scratch, Skip, Transport, Vlan};

/// What all fragments of a datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) id: u32,
    /// IPv4's protocol, part of the identity by RFC 791; 44 for IPv6.
    pub(super) protocol: u8,
    pub(super) vlan: Vlan,
}

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    /// Offset in the datagram, a multiple of 8.
    pub(super) at: u32,
    pub(super) more: bool,
    pub(super) span: Span<'a>,
}

impl Piece<'_> {
    /// Offset of the byte behind it.
    fn end(&self) -> u32 {
        self.at.saturating_add(u32::try_from(self.span.wire).unwrap_or(u32::MAX))
    }
}

/// The flow that a datagram belongs to.
#[derive(Clone, Copy, Debug)]
struct Owner {
    transport: Transport,
    src: Endpoint,
    dst: Endpoint,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The beginning can not be read yet.
    Waiting,
    /// The beginning was handed on.
    Owned(Owner),
    /// The beginning was read and is of no use, for this reason.
    Refused(Skip),
}

/// Offset and bytes of a fragment that is held back.
type Held = (u32, Box<[u8]>);

#[derive(Debug)]
struct Datagram {
    born: Timestamp,
    state: State,
    /// Bytes from the start that were handed on without a gap.
    next: u32,
    /// Length, once the last fragment was seen.
    total: Option<u32>,
    seen: Ranges,
    /// Fragments held back, by offset. None of them overlap.
    held: Vec<Held>,
}

impl Datagram {
    fn new(born: Timestamp) -> Self {
        Self { born, state: State::Waiting, next: 0, total: None, seen: Ranges::default(), held: Vec::new() }
    }

    fn held_bytes(&self) -> usize {
        self.held.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    fn hold(&mut self, piece: &Piece<'_>) {
        let place = self.held.partition_point(|(at, _)| *at < piece.at);
        self.held.insert(place, (piece.at, piece.span.bytes.into()));
    }

    /// Takes the held pieces that follow each other from `start` on, and where they end.
    fn take_run(&mut self, start: u32) -> (Vec<Held>, u32) {
        let first = self.held.partition_point(|(at, _)| *at < start);
        let mut end = start;
        let run = self.held[first..].iter().take_while(|(at, bytes)| {
            let fits = *at == end;
            end += if fits { u32::try_from(bytes.len()).unwrap_or(0) } else { 0 };
            fits
        });
        let count = run.count();
        (self.held.drain(first..first + count).collect(), end)
    }

    /// Length of the part from byte 0 on of which every fragment was seen.
    fn prefix(&self) -> u32 {
        self.seen.prefix().min(self.total.unwrap_or(u32::MAX))
    }

    /// Notes where this piece lies and how long the datagram is.
    fn place(&mut self, piece: &Piece<'_>) -> Result<Fit, Skip> {
        let end = piece.end();
        let beyond = self.total.is_some_and(|total| end > total || (!piece.more && end != total));
        if piece.at >= end || end > MAX_DATAGRAM || beyond || (piece.more && !end.is_multiple_of(8)) {
            return Err(Skip::FragmentMalformed);
        }
        if !piece.more && self.seen.end() > end.div_ceil(8) {
            return Err(Skip::FragmentMalformed);
        }
        let fit = self.seen.add(piece.at / 8, end.div_ceil(8))?;
        if !piece.more {
            self.total = Some(end);
        }
        Ok(fit)
    }
}

/// A datagram without its header; RFC 791 and RFC 8200 both count lengths in 16 bits.
const MAX_DATAGRAM: u32 = 65_535;
/// A beginning up to this long is tried again with every fragment that makes it longer; longer ones only when
/// whole.
const TRY_AGAIN: u32 = 512;
/// How long a datagram of which everything was seen answers for late copies of its fragments.
const AFTERLIFE: Duration = Duration::from_secs(2);

/// How a fragment fits to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    New,
    /// All of it was seen before.
    Again,
}

/// Which parts of a datagram were seen: disjoint, ordered, in units of 8 bytes.
#[derive(Clone, Debug, Default)]
struct Ranges(ArrayVec<(u32, u32), 32>);

impl Ranges {
    fn add(&mut self, start: u32, end: u32) -> Result<Fit, Skip> {
        let place = self.0.partition_point(|range| range.1 < start);
        let Some(&(at, until)) = self.0.get(place) else {
            return self.insert(place, (start, end));
        };
        if at <= start && end <= until {
            return Ok(Fit::Again);
        }
        if start < until && at < end {
            return Err(Skip::FragmentMalformed);
        }
        if until == start {
            let bridge = self.0.get(place + 1).copied();
            if bridge.is_some_and(|next| next.0 < end) {
                return Err(Skip::FragmentMalformed);
            }
            self.0[place].1 = end;
            if bridge.is_some_and(|next| next.0 == end) {
                self.0[place].1 = self.0.remove(place + 1).1;
            }
            return Ok(Fit::New);
        }
        if at == end {
            self.0[place].0 = start;
            return Ok(Fit::New);
        }
        self.insert(place, (start, end))
    }

    fn insert(&mut self, place: usize, range: (u32, u32)) -> Result<Fit, Skip> {
        self.0.try_insert(place, range).map(|()| Fit::New).map_err(|_| Skip::FragmentMalformed)
    }

    /// Bytes seen from the start without a gap.
    fn prefix(&self) -> u32 {
        self.0.first().map_or(0, |range| if range.0 == 0 { range.1 * 8 } else { 0 })
    }

    /// End of the last part, in units of 8 bytes.
    fn end(&self) -> u32 {
        self.0.last().map_or(0, |range| range.1)
    }
}

/// What to do with a fragment.
enum Next<'a> {
    /// Decode this beginning of a datagram, or all of it.
    Begin { span: Span<'a>, whole: bool },
    /// Hand this on as a later part of a datagram whose flow is known.
    Later { owner: Owner, contiguous: bool, span: Span<'a> },
}

/// The datagrams of which fragments were seen.
pub(super) struct Fragments {
    datagrams_max: usize,
    held_max: usize,
    lifetime: Duration,
    /// Never iterated: its order is random.
    table: HashMap<Key, Datagram, foldhash::quality::RandomState>,
    /// The keys of the table, each once, oldest first.
    ages: VecDeque<Key>,
    held: usize,
}

impl std::fmt::Debug for Fragments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fragments").field("datagrams", &self.table.len()).field("held", &self.held).finish()
    }
}

impl Fragments {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            datagrams_max: limits.datagrams,
            held_max: limits.held_bytes,
            lifetime: limits.lifetime,
            table: HashMap::default(),
            ages: VecDeque::new(),
            held: 0,
        }
    }

    fn add<'a>(
        &mut self,
        key: &Key,
        piece: &Piece<'a>,
        clock: Timestamp,
        scratch: &'a Scratch,
    ) -> Result<Next<'a>, Skip> {
        self.make_room(key, clock, piece.span.bytes.len());
        let room = self.held + piece.span.bytes.len() <= self.held_max;
        let datagram = self.table.entry(*key).or_insert_with(|| {
            self.ages.push_back(*key);
            Datagram::new(clock)
        });
        let begun = !matches!(datagram.state, State::Waiting);
        let over = datagram.total.is_some_and(|total| datagram.prefix() == total);
        let age = clock.since(datagram.born);
        if age > self.lifetime || (begun && (piece.at == 0 || (over && age > AFTERLIFE))) {
            // Too old, or the identification is used again, or the frame was captured twice: begin anew.
            self.held -= datagram.held_bytes();
            *datagram = Datagram::new(clock);
        }
        let before = datagram.held_bytes();
        let next = match datagram.state {
            State::Refused(skip) => Err(skip),
            State::Waiting => datagram.wait(piece, room, scratch),
            State::Owned(owner) => datagram.go_on(piece, owner, scratch),
        };
        self.held = self.held + datagram.held_bytes() - before;
        next
    }

    /// Forgets what is too old, and the oldest while there are too many.
    fn make_room(&mut self, key: &Key, clock: Timestamp, bytes: usize) {
        while let Some(oldest) = self.ages.front() {
            let born = self.table.get(oldest).map_or(Timestamp::MIN, |datagram| datagram.born);
            let full = self.table.len() >= self.datagrams_max && !self.table.contains_key(key);
            let fits = self.held == 0 || self.held + bytes <= self.held_max;
            if clock.since(born) <= self.lifetime && !full && fits {
                break;
            }
            if let Some(datagram) = self.ages.pop_front().and_then(|oldest| self.table.remove(&oldest)) {
                self.held -= datagram.held_bytes();
            }
        }
    }

    /// Notes what came of the beginning of a datagram, and gives its fragments back when they are still
    /// needed.
    fn begun(&mut self, key: &Key, outcome: Result<Owner, Skip>) {
        if let Some(datagram) = self.table.get_mut(key) {
            datagram.state = match outcome {
                Ok(owner) => State::Owned(owner),
                Err(skip) => State::Refused(skip),
            };
            if outcome.is_err() {
                self.held -= datagram.held_bytes();
                datagram.held = Vec::new();
            }
        }
    }

    /// Takes the beginning back that could not be read yet; without room for it the datagram is given up.
    fn wait_on(&mut self, key: &Key, span: Span<'_>) {
        if self.held + span.bytes.len() > self.held_max {
            return self.begun(key, Err(Skip::FragmentWithoutFirst));
        }
        if let Some(datagram) = self.table.get_mut(key) {
            datagram.next = 0;
            datagram.hold(&Piece { at: 0, more: true, span });
            self.held += span.bytes.len();
        }
    }
}

impl Datagram {
    /// A fragment of a datagram whose beginning was not read yet.
    fn wait<'a>(&mut self, piece: &Piece<'a>, room: bool, scratch: &'a Scratch) -> Result<Next<'a>, Skip> {
        match self.place(piece) {
            Ok(Fit::New) => (),
            Ok(Fit::Again) => return Err(Skip::FragmentWithoutFirst),
            // A first fragment that contradicts the rest still tells its ports.
            Err(_) if piece.at == 0 => return Ok(Next::Begin { span: piece.span, whole: true }),
            Err(skip) => return Err(skip),
        }
        let prefix = self.prefix();
        let whole = self.total == Some(prefix);
        if piece.at == 0 && prefix == piece.end() {
            self.next = u32::try_from(piece.span.bytes.len()).unwrap_or(u32::MAX);
            return Ok(Next::Begin { span: piece.span, whole: false });
        }
        if piece.span.is_cut() || !room {
            return Err(Skip::FragmentWithoutFirst);
        }
        self.hold(piece);
        if prefix <= piece.at || !(whole || piece.at == 0 || prefix <= TRY_AGAIN) {
            return Err(Skip::FragmentWithoutFirst);
        }
        let (run, end) = self.take_run(0);
        self.next = end;
        let bytes = scratch.join(run.iter().map(|(_, bytes)| &bytes[..]));
        Ok(Next::Begin { span: Span::new(bytes, 0), whole: self.total == Some(end) })
    }

    /// A later fragment of a datagram whose beginning was handed on.
    fn go_on<'a>(&mut self, piece: &Piece<'a>, owner: Owner, scratch: &'a Scratch) -> Result<Next<'a>, Skip> {
        let again = self.place(piece)? == Fit::Again;
        if again || piece.at != self.next {
            return Ok(Next::Later { owner, contiguous: false, span: piece.span });
        }
        self.next += u32::try_from(piece.span.bytes.len()).unwrap_or(0);
        let (run, end) = self.take_run(self.next);
        self.next = end;
        let mut span = piece.span;
        if !run.is_empty() {
            let held = run.iter().map(|(_, bytes)| &bytes[..]);
            span = Span::new(scratch.join(std::iter::once(piece.span.bytes).chain(held)), 0);
        }
        Ok(Next::Later { owner, contiguous: true, span })
    }
}

impl<'a> Walk<'a, '_> {
    /// One fragment of a datagram whose first header above IP is `protocol`, when this is the first fragment.
    #[cold]
    pub(super) fn fragment(
        &mut self,
        key: Key,
        piece: Piece<'a>,
        protocol: u8,
        net: &Net,
    ) -> Result<(), Skip> {
        if let (true, Some(skip)) = (piece.at > 0, portless(key.protocol)) {
            return Err(skip);
        }
        match self.fragments.add(&key, &piece, self.clock, self.scratch)? {
            Next::Begin { span, whole } => self.begin(&key, span, whole, protocol, net),
            Next::Later { owner, contiguous, span } => {
                let (src, dst) = (owner.src, owner.dst);
                let net = Net { src: src.addr, dst: dst.addr, ..*net };
                let place = self.place();
                self.push(owner.transport, &net, (src.port, dst.port), span);
                if let Some(packet) = self.packet(place) {
                    packet.role = Role::LaterFragment { contiguous };
                }
                Ok(())
            }
        }
    }

    fn begin(&mut self, key: &Key, span: Span<'a>, whole: bool, protocol: u8, net: &Net) -> Result<(), Skip> {
        let outer = std::mem::replace(&mut self.in_fragment, !whole && !span.is_cut());
        let place = self.place();
        let net = Net { fragmented: true, ..*net };
        let outcome = self.above_ip(protocol, span, &net);
        let waits = self.in_fragment;
        self.in_fragment = outer;
        match outcome {
            Ok(()) => {
                let owner = self.packet(place).map(|packet| Owner {
                    transport: packet.transport,
                    src: packet.src,
                    dst: packet.dst,
                });
                self.fragments.begun(key, owner.ok_or(Skip::Tunnel));
                Ok(())
            }
            Err(skip) if waits && is_short(skip) => {
                self.fragments.wait_on(key, span);
                Err(Skip::FragmentWithoutFirst)
            }
            Err(skip) => {
                self.fragments.begun(key, Err(skip));
                Err(skip)
            }
        }
    }
}

/// The reason to skip a later fragment when its protocol can not carry ports.
fn portless(protocol: u8) -> Option<Skip> {
    match protocol {
        number::ICMP => Some(Skip::Icmp),
        number::TCP | number::UDP | number::SCTP | number::FRAGMENT | number::AUTHENTICATION => None,
        number::IPV4 | number::IPV6 | number::GRE | number::IPIP | number::ETHERIP | number::MPLS => None,
        _ => Some(Skip::NoPorts),
    }
}

/// Reasons that more bytes may take away.
fn is_short(skip: Skip) -> bool {
    matches!(
        skip,
        Skip::TransportTruncated | Skip::IpTruncated | Skip::IpExtension | Skip::LinkTruncated | Skip::Tunnel
    )
}

#[cfg(test)]
mod tests;
