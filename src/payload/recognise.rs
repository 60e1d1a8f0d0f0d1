//! First bytes of both sides → one protocol: dispatch on the first byte, then weigh the two sides against
//! each other.
//!
//! A table built at compile time holds, per carrier and first byte, the set of recognisers that can apply;
//! only those are asked. Both sides are read alike, so it does not matter which one is called the originator.
//!
//! Invariants: no allocation, no panic, no input but the bytes; swapping the sides swaps the answer's side
//! and nothing else.

use arrayvec::ArrayVec;

use super::app::{App, AppProto, ROWS, Sides, Strength};
use super::sign::{Role, Sign};

/// How the bytes travelled: all that recognition needs to know about the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// TCP: bytes from the beginning of a stream.
    Stream,
    /// UDP or SCTP: one message.
    Datagram,
}

/// What the bytes say, with who seems to be asking whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The protocol.
    pub proto: AppProto,
    /// Who speaks like a client: a hint at the direction, independent of any port. [`Sides::Neither`] when
    /// the words could be either side's, [`Sides::Both`] when both sides ask (a contradiction).
    pub asks: Sides,
}

/// The protocol that both sides' first bytes (each may be empty) speak; [`App::Unknown`] when they say
/// nothing, or when they contradict each other with equal strength.
#[must_use]
pub fn recognise(carrier: Carrier, orig: &[u8], resp: &[u8]) -> AppProto {
    listen(carrier, orig, resp).proto
}

/// Like [`recognise`], and who seems to be asking.
#[must_use]
pub fn listen(carrier: Carrier, orig: &[u8], resp: &[u8]) -> Heard {
    let (ours, theirs) = (side(carrier, orig), side(carrier, resp));
    let silent = (orig.is_empty(), resp.is_empty());
    let mut best: Option<Candidate> = None;
    let mut tied = false;
    for candidate in candidates(&ours, &theirs, silent) {
        match best.map(|b| candidate.rank().cmp(&b.rank())) {
            None | Some(std::cmp::Ordering::Greater) => (best, tied) = (Some(candidate), false),
            Some(std::cmp::Ordering::Equal) => match best {
                Some(b) if candidate.app.family() == Some(b.app) => best = Some(candidate),
                // Two that are built on the same: that much is sure.
                Some(b) if b.sibling(&candidate).is_some() => best = b.sibling(&candidate),
                Some(b) => tied |= b.app != candidate.app && b.app.family() != Some(candidate.app),
                None => {}
            },
            Some(std::cmp::Ordering::Less) => {}
        }
    }
    match best {
        Some(found) if !tied => found.heard(),
        _ => Heard::default(),
    }
}

/// Signs kept per side. More than a handful never match the same bytes; the rest are the weakest and are
/// dropped.
const SIGNS_MAX: usize = 8;
type Signs = ArrayVec<(App, Sign), SIGNS_MAX>;

/// One reading of the whole conversation.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    app: App,
    sides: Sides,
    strength: Strength,
    asks: Sides,
}

impl Candidate {
    /// Stronger first; at equal strength, agreement of both sides first.
    fn rank(&self) -> (Strength, bool) {
        (self.strength, self.sides == Sides::Both)
    }

    /// What this and an equal reading have in common, when both are built on the same protocol.
    fn sibling(self, other: &Self) -> Option<Self> {
        let app = self.app.family().filter(|f| self.app != other.app && other.app.family() == Some(*f))?;
        let common = |one, two| if one == two { one } else { Sides::Both };
        let (sides, asks) = (common(self.sides, other.sides), common(self.asks, other.asks));
        Some(Self { app, sides, asks, ..self })
    }

    fn heard(self) -> Heard {
        let proto = AppProto { app: self.app, sides: self.sides, strength: self.strength };
        Heard { proto, asks: self.asks }
    }
}

/// All recognisers that this side's first byte admits, asked once each.
fn side(carrier: Carrier, bytes: &[u8]) -> Signs {
    let mut signs = Signs::new();
    let Some(first) = bytes.first() else { return signs };
    let sets = match carrier {
        Carrier::Stream => &STREAM,
        Carrier::Datagram => &DATAGRAM,
    };
    for (part, set) in sets[usize::from(*first)].iter().enumerate() {
        let mut left = *set;
        while left != 0 {
            let row = &ROWS[part * 64 + left.trailing_zeros() as usize];
            left &= left - 1;
            if let Some(sign) = (row.look)(bytes, carrier)
                && signs.try_push((row.app, sign)).is_err()
            {
                return signs;
            }
        }
    }
    signs
}

/// The readings: what both sides agree on, then what each says alone.
fn candidates(ours: &Signs, theirs: &Signs, silent: (bool, bool)) -> impl Iterator<Item = Candidate> {
    let both = ours.iter().flat_map(move |o| theirs.iter().filter_map(move |r| agree(*o, *r)));
    let orig = ours.iter().filter_map(move |o| alone(*o, Sides::Originator, silent.1));
    let resp = theirs.iter().filter_map(move |r| alone(*r, Sides::Responder, silent.0));
    both.chain(orig).chain(resp)
}

/// Both sides say the same, or one names the family that the other belongs to.
fn agree((app_o, o): (App, Sign), (app_r, r): (App, Sign)) -> Option<Candidate> {
    let app = match (app_o, app_r) {
        _ if app_o == app_r => app_o,
        _ if app_o.family() == Some(app_r) => app_o,
        _ if app_r.family() == Some(app_o) => app_r,
        _ => return None,
    };
    let asks = asking(o.role, r.role);
    let strongest = o.strength.max(r.strength);
    let strength = match (o.strength, r.strength) {
        _ if asks == Sides::Both || (o.role == Role::Answers && r.role == Role::Answers) => strongest,
        (Strength::Good, Strength::Good) => Strength::Strong,
        (Strength::Weak, Strength::Weak) => Strength::Good,
        _ => strongest,
    };
    Some(Candidate { app, sides: Sides::Both, strength, asks })
}

/// Only one side says so. A weak sign does not outweigh another side that spoke and was not understood; words
/// that many share say nothing alone.
fn alone((app, sign): (App, Sign), sides: Sides, other_silent: bool) -> Option<Candidate> {
    if sign.shared || sign.strength == Strength::Weak && !other_silent {
        return None;
    }
    let other = if sides == Sides::Originator { Sides::Responder } else { Sides::Originator };
    let asks = match sign.role {
        Role::Asks => sides,
        Role::Answers => other,
        Role::Either => Sides::Neither,
    };
    Some(Candidate { app, sides, strength: sign.strength, asks })
}

/// Who asks, when both sides were understood.
fn asking(o: Role, r: Role) -> Sides {
    match (o, r) {
        (Role::Asks, Role::Asks) => Sides::Both,
        (Role::Asks, _) | (Role::Either, Role::Answers) => Sides::Originator,
        (_, Role::Asks) | (Role::Answers, Role::Either) => Sides::Responder,
        _ => Sides::Neither,
    }
}

/// A set of table rows, as bits.
type Set = [u64; ROWS.len().div_ceil(64)];

static STREAM: [Set; 256] = index(Carrier::Stream);
static DATAGRAM: [Set; 256] = index(Carrier::Datagram);

/// The rows that each first byte admits.
const fn index(carrier: Carrier) -> [Set; 256] {
    let mut sets = [[0; ROWS.len().div_ceil(64)]; 256];
    let mut row = 0;
    while row < ROWS.len() {
        let mut byte = 0;
        while byte < 256 {
            #[expect(clippy::cast_possible_truncation, reason = "byte is below 256")]
            if ROWS[row].on.carries(carrier) && ROWS[row].first.admits(byte as u8) {
                sets[byte][row / 64] |= 1 << (row % 64);
            }
            byte += 1;
        }
        row += 1;
    }
    sets
}
