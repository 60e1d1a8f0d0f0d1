//! `_bulk` of Elasticsearch and OpenSearch: an action line before each document, a status for each in the
//! answer.
//!
//! Documents are *created* under their event id: a second attempt finds the first one there (409). Items that
//! were turned away for now are offered again alone; what became of those behind them is remembered until
//! they are settled in order.

use std::time::Instant;

use serde::Deserialize;

use super::client::Client;
use super::{Fate, Outcome, fate, whole};
use crate::sink::ahead::{Ahead, Item};
use crate::sink::deliver::Delivered;
use crate::sink::document::Document;
use crate::sink::url::Index;

/// See the file's first words.
pub(super) struct Bulk {
    index: Index,
    ahead: Ahead,
}

impl Bulk {
    pub(super) fn new(index: Index) -> Self {
        Self { index, ahead: Ahead::default() }
    }

    pub(super) fn offer(&mut self, client: &Client, records: &[&[u8]], until: Instant) -> Outcome {
        let documents: Vec<_> = records.iter().map(|record| Document::read(record)).collect();
        let open = |document: &&Document| self.ahead.became(&document.id).is_none();
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
            let next =
                || items.next().unwrap_or_else(|| Item::Later("there is no answer about it".to_owned()));
            let item = self.ahead.became(&document.id).unwrap_or_else(next);
            results.push((document.id, item));
        }
        Outcome::Done(
            self.ahead
                .settle(results, |later, all, why| format!("it turned away {later} of {all} items: {why}")),
        )
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
