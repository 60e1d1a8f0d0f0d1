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

/// How far an originator reached, within the window of packet time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Flows it opened.
    pub attempts: u64,
    /// Distinct hosts it asked.
    pub hosts: u32,
    /// Distinct ports it asked.
    pub ports: u32,
    /// Flows that were answered.
    pub answered: u64,
    /// Flows that were refused.
    pub refused: u64,
    /// Flows without any answer.
    pub unanswered: u64,
}

/// Earlier attempts of one originator at one responder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knocks {
    /// Flows.
    pub attempts: u32,
    /// Those that were answered.
    pub answered: u32,
    /// True when they came at about the same interval.
    pub regular: bool,
    /// The usual interval, when there is one.
    pub interval: Option<Duration>,
}

/// Who sought a responder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Distinct originators.
    pub originators: u32,
}
