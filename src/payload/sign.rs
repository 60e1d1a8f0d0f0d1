//! What one look at one side's bytes says, and the words the protocol table is written in.
//!
//! A recogniser is a function from the first bytes of one speaker to an optional [`Sign`]. It does not know
//! which side it looks at, because the direction of a flow may still be provisional: it says whether the
//! bytes *ask* or *answer*.
//!
//! Invariant: a recogniser reads only the bytes it is given and is quick to say no; the table spares it the
//! call when the first byte already rules it out.

use super::app::{App, Strength};
use super::recognise::Carrier;

/// What the speaker of these bytes does in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A client's words: a request, a hello, a login.
    Asks,
    /// A server's words: a banner, a reply.
    Answers,
    /// Both sides of this protocol may say this.
    Either,
}

/// A protocol seen in one side's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    /// How much it takes to look like this by chance.
    pub strength: Strength,
    /// What the speaker does.
    pub role: Role,
    /// True for words that many protocols share (`QUIT`, a single `S`): they support what the other side
    /// says, and are nothing alone.
    pub shared: bool,
}

/// A request of this strength.
pub(super) const fn asks(strength: Strength) -> Option<Sign> {
    Some(Sign { strength, role: Role::Asks, shared: false })
}

/// A reply of this strength.
pub(super) const fn answers(strength: Strength) -> Option<Sign> {
    Some(Sign { strength, role: Role::Answers, shared: false })
}

/// Something that either side may say.
pub(super) const fn either(strength: Strength) -> Option<Sign> {
    Some(Sign { strength, role: Role::Either, shared: false })
}

/// Words that support the other side's and are nothing alone.
pub(super) const fn shared(role: Role) -> Option<Sign> {
    Some(Sign { strength: Strength::Weak, role, shared: true })
}

/// A recogniser.
pub(super) type Look = fn(&[u8], Carrier) -> Option<Sign>;

/// Which carriers a protocol travels on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// TCP (and SCTP, message by message).
    Stream,
    /// UDP.
    Datagram,
    /// Both.
    Any,
}

impl On {
    /// True when a protocol on these carriers may appear on this one.
    pub(super) const fn carries(self, carrier: Carrier) -> bool {
        match self {
            Self::Any => true,
            Self::Stream => matches!(carrier, Carrier::Stream),
            Self::Datagram => matches!(carrier, Carrier::Datagram),
        }
    }
}

/// Which first bytes a protocol can begin with: the key of the dispatch.
#[derive(Clone, Copy, Debug)]
pub(super) enum First {
    /// Any byte.
    Any,
    /// One of these.
    Of(&'static [u8]),
    /// From the first to the second, both included.
    Range(u8, u8),
    /// Within one of these ranges, both ends included.
    Within(&'static [(u8, u8)]),
    /// One of these capital letters in either case, or one of these bytes.
    Words(&'static [u8], &'static [u8]),
}

impl First {
    /// True when a message may begin with this byte.
    pub(super) const fn admits(self, byte: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Range(low, high) => low <= byte && byte <= high,
            Self::Of(bytes) => holds(bytes, byte),
            Self::Words(letters, bytes) => holds(letters, byte.to_ascii_uppercase()) || holds(bytes, byte),
            Self::Within(ranges) => {
                let mut at = 0;
                while at < ranges.len() {
                    if ranges[at].0 <= byte && byte <= ranges[at].1 {
                        return true;
                    }
                    at += 1;
                }
                false
            }
        }
    }
}

/// True when `byte` is one of `bytes`; a loop, because the dispatch is built at compile time.
const fn holds(bytes: &[u8], byte: u8) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// One row of the protocol table.
#[derive(Clone, Copy)]
pub(super) struct Row {
    /// The protocol.
    pub app: App,
    /// Where it travels.
    pub on: On,
    /// What it begins with.
    pub first: First,
    /// The recogniser.
    pub look: Look,
}
