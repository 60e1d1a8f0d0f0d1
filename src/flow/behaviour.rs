//! What an endpoint did across flows, in plain numbers.

use std::time::Duration;

use crate::time::Timestamp;

/// An endpoint that has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// First answer seen.
    pub first: Timestamp,
    /// Answers seen.
    pub answers: u32,
}

/// How an attempt begins. Reach is counted for each apart: in a capture that begins in the middle, every
/// connection looks like a stray segment once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// With a request: a SYN, or a datagram.
    Asks,
    /// With a bare TCP segment that belongs to nothing that was seen: no SYN, no reset, no payload.
    Strays,
}

/// What is known of both ends of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the originator did.
    pub habits: Habits,
    /// Who asked for the responder.
    pub sought: Sought,
    /// What is known of the responder's answers.
    pub listener: Option<Listener>,
    /// What is known of answers from the originator's end.
    pub originator_listener: Option<Listener>,
}

/// What is known of one originator and its attempts at one responder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// How far it reached within the last five to ten minutes.
    pub reach: Reach,
    /// How far it reached within the last six to twelve hours.
    pub long_reach: Reach,
    /// How it asked the responder.
    pub knocks: Knocks,
}

/// How far an originator reached, within a window of packet time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Flows it opened.
    pub attempts: u64,
    /// Distinct hosts it asked; exact up to 14 per half window, about 6.5 % off beyond.
    pub hosts: u32,
    /// Distinct ports it asked; likewise.
    pub ports: u32,
    /// Flows that were answered.
    pub answered: u64,
    /// Flows that were answered with a SYN-ACK that the originator did not take up.
    pub half_open: u64,
    /// Flows that were refused.
    pub refused: u64,
    /// Flows without any answer.
    pub unanswered: u64,
}

/// Earlier attempts of one originator at one responder, as long as that is among its last eight targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knocks {
    /// Flows.
    pub attempts: u32,
    /// Those that were answered.
    pub answered: u32,
    /// True when the last three to eight intervals differ little: standard deviation at most a fifth of the
    /// mean.
    pub regular: bool,
    /// The mean of those intervals, when there is one.
    pub interval: Option<Duration>,
}

/// Who sought a responder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Distinct originators, without those who reach widely; exact up to 14, about 6.5 % off beyond.
    pub originators: u32,
}
