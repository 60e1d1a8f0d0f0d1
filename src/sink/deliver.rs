//! What a receiver behind a socket has to do, and nothing more: take records in order and say which of them
//! are settled.
//!
//! Queue, spool, retry, back-off, counting and complaining are done once, outside (`courier`): an implementor
//! makes one attempt per call. Invariants that every implementor keeps:
//! - A record is settled when it will never be offered again: the receiver has it (as surely as the protocol
//!   can tell), or it was refused for good and is reported in `refused`. Everything behind the settled ones
//!   comes again, so a record may arrive twice but is never skipped.
//! - Every wait is bounded, connecting and reading answers included: a call returns within
//!   [`WAIT_MAX`], however dead, slow or half-open the receiver is. It is the sink's own thread that waits.
//! - A connection is made when it is first needed and made anew in a later call after it broke; creating the
//!   implementor does not touch the network, so that a receiver that is away does not keep a run from
//!   starting.
//! - Nothing secret stands in a reason: reasons are shown to people and logged.

use std::time::Duration;

use super::{Error, Place};

/// A call of [`Deliver::deliver`] returns within this time.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);

/// Something that takes records in order.
pub(super) trait Deliver: Send {
    /// Delivers records (whole lines without their newline, at least one, about [`super::courier`]'s batch at
    /// most), in order. One attempt; may settle fewer than it was given.
    fn deliver(&mut self, records: &[&[u8]]) -> Delivered;

    /// HUP: what was read from files (certificates, secrets) is read again, and the next delivery uses a new
    /// connection.
    fn reopen(&mut self) {}
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    /// So many records, from the front, are settled: taken, or refused for good.
    pub(super) settled: usize,
    /// Of the settled, those that were refused for good.
    pub(super) refused: Option<Refused>,
    /// What is to be done about the others.
    pub(super) then: Then,
}

/// Records that a receiver will never take (HTTP 400, too long for a datagram).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// How many, at least 1.
    pub(super) count: usize,
    /// Why the last of them was refused, in the receiver's words where it has some.
    pub(super) why: String,
}

/// What is to be done about the records that are not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Offer them (or the next ones, when all are settled) at once.
    GoOn,
    /// The receiver is away, or asks for patience: offer them again later.
    Retry {
        /// When the receiver said when (Retry-After of a 429 or 503): not before this time has passed. Else
        /// the courier backs off on its own.
        after: Option<Duration>,
        /// What is the matter, without the name of the receiver: "connection refused", "503 busy".
        why: String,
    },
}

/// The receiver at a place; `None` where lines are written and not delivered.
///
/// # Errors
/// What is needed beforehand (a certificate, a secret) cannot be read. That nobody is there yet is no error.
pub(super) fn receiver(place: &Place) -> Result<Option<Box<dyn Deliver>>, Error> {
    Ok(match place {
        Place::Stdout | Place::File(..) => None,
        Place::Remote(remote) => {
            let receiver = remote.receiver();
            Some(receiver.map_err(|why| Error::Receiver { name: place.to_string(), why })?)
        }
        Place::Unix { path, is_datagram } => Some(Box::new(super::unix::Unix::new(path, *is_datagram))),
    })
}

impl Delivered {
    /// All so many were taken.
    pub(super) const fn all(settled: usize) -> Self {
        Self { settled, refused: None, then: Then::GoOn }
    }

    /// So many from the front were taken; the others later, because of this.
    pub(super) fn retry(settled: usize, why: impl ToString) -> Self {
        Self { settled, refused: None, then: Then::Retry { after: None, why: why.to_string() } }
    }
}
