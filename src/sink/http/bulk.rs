//! `_bulk` of Elasticsearch and OpenSearch: an action line before each document, a status for each in the
//! answer.
//!
//! Documents are *created* under their event id: a second attempt finds the first one there (409). Items that
//! were turned away for now are offered again alone; what became of those behind them is remembered until
//! they are settled in order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::client::Client;
use super::{Fate, Outcome, fate, whole};
use crate::sink::deliver::{Delivered, Refused, Then};
use crate::sink::url::Index;

/// Elasticsearch's limit for `_id`.
const ID_BYTES_MAX: usize = 512;

/// See the file's first words.
pub(super) struct Bulk {
    index: Index,
    /// Items that are through while one before them is not: refused with a reason, or taken.
    ahead: BTreeMap<String, Option<String>>,
}

/// What became of an item.
enum Item {
    Taken,
    Refused(String),
    Later(String),
}

impl Bulk {
    pub(super) const fn new(index: Index) -> Self {
        Self { index, ahead: BTreeMap::new() }
    }

    pub(super) fn offer(&mut self, client: &Client, records: &[&[u8]], until: Instant) -> Outcome {
        let documents: Vec<_> = records.iter().map(|record| Document::read(record)).collect();
        let open = |document: &&Document| !self.ahead.contains_key(&document.id);
        let open: Vec<_> = documents.iter().filter(open).collect();
        let mut items = Vec::new().into_iter();
        if !open.is_empty() {
            let body = self.body(&open);
            let answer = match client.post(&body, "application/x-ndjson", &[], until) {
                Ok(answer) => answer,
                Err(why) => return Outcome::Done(Delivered::retry(0, why)),
            };
            if fate(answer.status) != Fate::Taken {
                return whole(answer, records.len());
            }
            match read_items(&answer.body, open.len()) {
                Ok(read) => items = read.into_iter(),
                Err(why) => return Outcome::Done(Delivered::retry(0, why)),
            }
        }
        let mut results = Vec::with_capacity(documents.len());
        for document in documents {
            let known = self.ahead.get(&document.id).cloned();
            let item = match known {
                Some(Some(why)) => Item::Refused(why),
                Some(None) => Item::Taken,
                None => items.next().unwrap_or_else(|| Item::Later("there is no answer about it".to_owned())),
            };
            results.push((document.id, item));
        }
        Outcome::Done(self.settle(results))
    }

    fn body(&self, documents: &[&Document<'_>]) -> Vec<u8> {
        let bytes = documents.iter().map(|document| document.line.len() + 128).sum();
        let mut body = Vec::with_capacity(bytes);
        for document in documents {
            body.extend_from_slice(b"{\"create\":{\"_index\":\"");
            match &self.index {
                Index::Named(name) => body.extend_from_slice(name.as_bytes()),
                Index::Streams { namespace } => {
                    for part in ["logs-ghostport.", &document.kind, "-", namespace] {
                        body.extend_from_slice(part.as_bytes());
                    }
                }
            }
            body.extend_from_slice(b"\",\"_id\":\"");
            body.extend_from_slice(document.id.as_bytes());
            body.extend_from_slice(b"\"}}\n");
            body.extend_from_slice(document.line);
            body.push(b'\n');
        }
        body
    }

    /// Settles up to the first item that has to be offered again, and remembers those behind it.
    fn settle(&mut self, results: Vec<(String, Item)>) -> Delivered {
        self.ahead.clear();
        let all = results.len();
        let (mut settled, mut later, mut why_later) = (0, 0, None);
        let mut refused: Option<Refused> = None;
        for (id, item) in results {
            match item {
                Item::Later(why) => {
                    later += 1;
                    why_later = Some(why);
                }
                Item::Taken if later > 0 => drop(self.ahead.insert(id, None)),
                Item::Refused(why) if later > 0 => drop(self.ahead.insert(id, Some(why))),
                Item::Taken => settled += 1,
                Item::Refused(why) => {
                    settled += 1;
                    refused = Some(Refused { count: refused.map_or(0, |before| before.count) + 1, why });
                }
            }
        }
        let then = why_later.map_or(Then::GoOn, |why| Then::Retry {
            after: None,
            why: format!("it turned away {later} of {all} items: {why}"),
        });
        Delivered { settled, refused, then }
    }
}

/// A record and what its action line needs.
struct Document<'a> {
    line: &'a [u8],
    /// Event id, or a hash of the line where it has none. Needs no escapes.
    id: String,
    /// `alert`, `flow`, ...
    kind: Cow<'a, str>,
}

impl<'a> Document<'a> {
    fn read(line: &'a [u8]) -> Self {
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

#[derive(Deserialize)]
struct Items {
    errors: bool,
    #[serde(default)]
    items: Vec<Created>,
}

#[derive(Deserialize)]
struct Created {
    create: Status,
}

#[derive(Deserialize)]
struct Status {
    status: u16,
    error: Option<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
}

fn read_items(body: &[u8], count: usize) -> Result<Vec<Item>, String> {
    let answer: Items =
        serde_json::from_slice(body).map_err(|error| format!("no answer of _bulk: {error}"))?;
    if !answer.errors {
        return Ok((0..count).map(|_| Item::Taken).collect());
    }
    if answer.items.len() != count {
        return Err(format!("it answered about {} of {count} items", answer.items.len()));
    }
    Ok(answer.items.into_iter().map(|item| item.create.judge()).collect())
}

impl Status {
    fn judge(self) -> Item {
        let Self { status, error } = self;
        let say = || {
            let (kind, reason) = error.map_or((None, None), |error| (error.kind, error.reason));
            let said = [kind, reason].into_iter().flatten().collect::<Vec<_>>().join(": ");
            let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
            format!("{status} {said}").trim_end().to_owned()
        };
        match fate(status) {
            _ if status == 409 => Item::Taken,
            Fate::Taken => Item::Taken,
            Fate::Later => Item::Later(say()),
            Fate::Disliked | Fate::Refused => Item::Refused(say()),
        }
    }
}
