//! What a receiver that knows documents wants to know about a line: its id, so that it can drop the second
//! of two, and its type.
//!
//! Lines are not made for this room, so they are read again here; one that is no JSON is a document all the
//! same, by a hash of its bytes.

use std::borrow::Cow;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The narrowest limit of a receiver for an id: Elasticsearch's for `_id`.
const ID_BYTES_MAX: usize = 512;

/// A record, and what has to be known about it beside its bytes.
pub(super) struct Document<'a> {
    pub(super) line: &'a [u8],
    /// Event id, or a hash of the line where it has none: the same whenever the line is offered. Needs no
    /// escapes in JSON or in a header.
    pub(super) id: String,
    /// `alert`, `flow`, ...
    pub(super) kind: Cow<'a, str>,
}

impl<'a> Document<'a> {
    pub(super) fn read(line: &'a [u8]) -> Self {
        // A line of another shape is stored all the same.
        let keys: Keys<'a> = serde_json::from_slice(line).unwrap_or_default();
        let event = keys.event.unwrap_or_default();
        let ids = [
            event.id,
            keys.metadata.and_then(|metadata| metadata.uid),
            keys.fields.and_then(|fields| fields.event_id),
            keys.ghostport.and_then(|ours| ours.event_id),
        ];
        let id = ids.into_iter().flatten().find(|id| is_plain(id) && id.len() <= ID_BYTES_MAX);
        let kind = keys.event_type.or(event.event_type).or_else(|| {
            event.dataset.and_then(|name| Some(Cow::Owned(name.strip_prefix("ghostport.")?.to_owned())))
        });
        let kind = kind.filter(|kind| kind.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        Self {
            line,
            id: id.map_or_else(|| hash(line), Cow::into_owned),
            kind: kind.unwrap_or(Cow::Borrowed("event")),
        }
    }
}

fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\')
}

/// 128 bits in hexadecimal digits.
fn hash(line: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(line).iter().take(16).fold(String::with_capacity(32), |mut id, byte| {
        let _never_fails = write!(id, "{byte:02x}");
        id
    })
}

/// Where the formats keep id and event type: EVE and HEC, ECS, OCSF.
#[derive(Default, Deserialize)]
struct Keys<'a> {
    #[serde(borrow)]
    event_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<EventKeys<'a>>,
    #[serde(borrow)]
    metadata: Option<UidKey<'a>>,
    #[serde(borrow)]
    fields: Option<EventIdKey<'a>>,
    #[serde(borrow)]
    ghostport: Option<EventIdKey<'a>>,
}

#[derive(Default, Deserialize)]
struct EventKeys<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    dataset: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct UidKey<'a> {
    #[serde(borrow)]
    uid: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct EventIdKey<'a> {
    #[serde(borrow)]
    event_id: Option<Cow<'a, str>>,
}
