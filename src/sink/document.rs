//! What a receiver that knows documents wants to know about a line: its id, so that it can drop the second
//! of two, and its type.
//!
//! Lines are not made for this room, so they are read again here; one that is no JSON is a document all the
//! same, by a hash of its bytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
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
        let keys = Keys::of(line);
        let event = keys.event.unwrap_or_default();
        let ids = [
            event.id,
            keys.metadata.and_then(|metadata| metadata.uid),
            keys.fields.and_then(|fields| fields.event_id),
            keys.ghostport.and_then(|ours| ours.event_id),
        ];
        let id = ids.into_iter().flatten().find(|id| is_plain(id) && id.len() <= ID_BYTES_MAX);
        let kind = keys.event_type.map(|Word(kind)| kind).or(event.event_type).or_else(|| {
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
#[derive(Default)]
struct Keys<'a> {
    event_type: Option<Word<'a>>,
    event: Option<EventKeys<'a>>,
    metadata: Option<UidKey<'a>>,
    fields: Option<EventIdKey<'a>>,
    ghostport: Option<EventIdKey<'a>>,
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Keys<'a> {
    /// What a line says until it is enough or is no JSON any more: of a line of another shape, stored all the
    /// same, that is nothing.
    fn of(line: &'a [u8]) -> Self {
        let mut keys = Self::default();
        // Leaving before the end is an error there.
        let _found_what_it_found = serde_json::Deserializer::from_slice(line).deserialize_map(&mut keys);
        keys
    }

    /// True for ECS, which says both at the beginning of its longest lines: reading those to the end was a
    /// third of what it takes to send them.
    fn are_enough(&self) -> bool {
        self.event.as_ref().is_some_and(|event| event.id.is_some() && event.dataset.is_some())
    }
}

impl<'a> Visitor<'a> for &mut Keys<'a> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an event")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while !self.are_enough()
            && let Some(Word(key)) = map.next_key()?
        {
            match &*key {
                "event_type" => self.event_type = map.next_value()?,
                "event" => self.event = map.next_value()?,
                "metadata" => self.metadata = map.next_value()?,
                "fields" => self.fields = map.next_value()?,
                "ghostport" => self.ghostport = map.next_value()?,
                _ => {
                    let IgnoredAny = map.next_value()?;
                }
            }
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(line: &str, id: &str, kind: &str) {
        let document = Document::read(line.as_bytes());
        assert_eq!((document.id.as_str(), &*document.kind), (id, kind), "{line}");
    }

    #[test]
    fn every_format_says_its_id_and_its_type() {
        reads(r#"{"event_type":"alert","ghostport":{"port":{},"event_id":"e1"}}"#, "e1", "alert");
        reads(
            r#"{"@timestamp":"t","event":{"id":"c1","dataset":"ghostport.flow"},"more":[1]}"#,
            "c1",
            "flow",
        );
        reads(r#"{"time":1,"event":{"event_type":"port"},"fields":{"event_id":"h1"}}"#, "h1", "port");
        reads(r#"{"metadata":{"uid":"o1"},"class_uid":2004}"#, "o1", "event");
        reads(r#"{"event\u005ftype":"stats","ghostport":{"event_id":"e2"}}"#, "e2", "stats");
    }

    #[test]
    fn what_says_nothing_has_an_id_by_its_bytes() {
        for line in ["", "no JSON", "[1]", r#"{"event":{"id":"with \" in it"}}"#, r#"{"event":7}"#] {
            reads(line, &hash(line.as_bytes()), "event");
        }
    }

    #[test]
    fn nothing_is_read_behind_what_is_enough() {
        reads(r#"{"event":{"id":"c2","dataset":"ghostport.alert"}, and this is no JSON"#, "c2", "alert");
    }
}
