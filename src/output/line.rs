//! One whole line of a JSON format, with as much in it as its bound allows.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::LINE_BYTES_MAX;
use super::ghost::Room;
use super::json::{Json, Plain};
use crate::time::Timestamp;
use crate::wire::text::ascii;

/// Writes a line with as much as fits: see [`Room::STEPS`].
pub(super) fn write_within(line: &mut Vec<u8>, write: impl Fn(&mut Vec<u8>, Room)) {
    let start = line.len();
    for room in Room::STEPS {
        line.truncate(start);
        write(line, room);
        if line.len() - start < LINE_BYTES_MAX {
            return;
        }
    }
    debug_assert!(false, "a line of {} bytes with nothing left to cut", line.len() - start);
}

/// Appends an event and the end of its line.
#[expect(clippy::expect_used, reason = "memory takes any bytes, and no event has a shape that JSON lacks")]
pub(super) fn write_json<E: Serialize>(line: &mut Vec<u8>, event: &E) {
    event.serialize(Json(line)).expect("an event is JSON");
    line.push(b'\n');
}

/// A number where the receiver wants a string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits(pub(super) u64);

impl Serialize for Digits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain(itoa::Buffer::new().format(self.0).as_bytes()).serialize(serializer)
    }
}

/// An address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ip(pub(super) IpAddr);

impl Serialize for Ip {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain(&ascii(self.0)).serialize(serializer)
    }
}

/// A time in RFC 3339's shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rfc3339(pub(super) Timestamp);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [text @ .., _, _, _, _] = &mut self.0.ascii();
        text[26] = b'Z';
        Plain(text).serialize(serializer)
    }
}

/// A time in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Millis(i64);

impl Millis {
    pub(super) const fn new(time: Timestamp) -> Self {
        Self(time.as_nanos().div_euclid(1_000_000))
    }
}

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
