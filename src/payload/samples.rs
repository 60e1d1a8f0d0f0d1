//! The shape of a sample conversation. Each family of protocols keeps its own beside its recognisers, and the
//! tests of `recognition_tests` hold every sample against every protocol.

use super::{App, Carrier};

/// A conversation built from a specification.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub app: App,
    pub carrier: Carrier,
    /// What the client says first; may be empty.
    pub asks: &'static [u8],
    /// What the server says first; may be empty.
    pub answers: &'static [u8],
}

/// A conversation over TCP.
pub(super) const fn stream(app: App, asks: &'static [u8], answers: &'static [u8]) -> Sample {
    Sample { app, carrier: Carrier::Stream, asks, answers }
}

/// A conversation over UDP.
pub(super) const fn datagram(app: App, asks: &'static [u8], answers: &'static [u8]) -> Sample {
    Sample { app, carrier: Carrier::Datagram, asks, answers }
}
