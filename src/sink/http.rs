//! Batches of records as HTTP requests: lines of JSON, Splunk's event collector, `_bulk` of Elasticsearch and
//! OpenSearch.
//!
//! | the answer | what becomes of the records |
//! | --- | --- |
//! | 2xx | taken (bulk: each item has its own status; with `ack=yes`: once Splunk says they are indexed) |
//! | 408, 425, 429, 5xx, none in time, a connection that breaks | offered again, not before `Retry-After` |
//! | 400, 413, 422 | offered again in halves, so that a bad record costs only itself; alone, it is refused |
//! | 401, 403, 407 | kept and offered again: our token is wrong, not the record |
//! | 3xx | kept and offered again: the address is wrong, and following would hand over the token |
//! | other 4xx | refused: dropped and counted, with the reason |
//! | bulk item: 409 | taken: it was there already, from an attempt whose answer was lost |
//!
//! A record may arrive twice (an answer that gets lost); it then has the same event id. Bulk requests carry
//! that id as `_id`, so the receiver itself drops the second one.

mod bulk;
mod client;
mod splunk;

use std::time::{Duration, Instant};

use self::bulk::Bulk;
use self::client::{Answer, Client};
use self::splunk::Splunk;
use super::deliver::{Deliver, Delivered, Refused, Then};
use super::url::{Api, Post, Remote, Speech};

/// One call returns within this time; less than [`super::deliver::WAIT_MAX`].
const PATIENCE: Duration = Duration::from_secs(9);
/// Bytes in a request before compression, at most; one record may be longer.
const BODY_BYTES: usize = 4 << 20;

/// A receiver of requests.
pub(super) struct Http {
    client: Client,
    api: Talk,
    /// Records in a request: at most, and for now.
    batch_max: usize,
    batch: usize,
}

/// What is kept about a receiver between calls.
enum Talk {
    Lines,
    Splunk(Splunk),
    Bulk(Bulk),
}

/// What became of a batch.
enum Outcome {
    /// See there.
    Done(Delivered),
    /// Something in it was not liked: offer less of it.
    Disliked(String),
}

impl Http {
    /// Reads secrets and certificates; does not touch the network.
    ///
    /// # Errors
    /// They cannot be read; in words for the user.
    pub(super) fn new(remote: Remote) -> Result<Self, String> {
        let Speech::Http(post) = &remote.speech else { return Err("it is no HTTP address".to_owned()) };
        let Post { batch, api, .. } = (**post).clone();
        let api = match api {
            Api::Lines => Talk::Lines,
            Api::Splunk { ack } => Talk::Splunk(Splunk::new(ack)),
            Api::Bulk(index) => Talk::Bulk(Bulk::new(index)),
        };
        Ok(Self { client: Client::new(remote)?, api, batch_max: batch, batch })
    }

    fn offer(&mut self, records: &[&[u8]], until: Instant) -> Outcome {
        match &mut self.api {
            Talk::Lines => match self.client.post(&lines(records), "application/x-ndjson", &[], until) {
                Ok(answer) => whole(answer, records.len()),
                Err(why) => Outcome::Done(Delivered::retry(0, why)),
            },
            Talk::Splunk(splunk) => splunk.offer(&self.client, records, until),
            Talk::Bulk(bulk) => bulk.offer(&self.client, records, until),
        }
    }
}

impl Deliver for Http {
    fn deliver(&mut self, records: &[&[u8]]) -> Delivered {
        let until = Instant::now() + PATIENCE;
        loop {
            let batch = front(records, self.batch);
            match self.offer(batch, until) {
                Outcome::Done(delivered) => {
                    if delivered.settled == batch.len() {
                        self.batch = (self.batch * 2).min(self.batch_max);
                    }
                    return delivered;
                }
                Outcome::Disliked(why) if batch.len() == 1 => return refused(1, why),
                Outcome::Disliked(why) => {
                    self.batch = batch.len() / 2;
                    if Instant::now() >= until {
                        return Delivered::retry(0, why);
                    }
                }
            }
        }
    }

    fn reopen(&mut self) {
        self.client.reopen();
    }
}

/// As many of the first records as fit into a request.
fn front<'a, 'b>(records: &'a [&'b [u8]], batch: usize) -> &'a [&'b [u8]] {
    let mut bytes = 0;
    let fitting = records.iter().take(batch).take_while(|record| {
        bytes += record.len() + 1;
        bytes <= BODY_BYTES
    });
    &records[..fitting.count().max(1).min(records.len())]
}

fn lines(records: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::with_capacity(records.iter().map(|record| record.len() + 1).sum());
    for record in records {
        body.extend_from_slice(record);
        body.push(b'\n');
    }
    body
}

fn refused(count: usize, why: String) -> Delivered {
    Delivered { settled: count, refused: Some(Refused { count, why }), then: Then::GoOn }
}

/// What an answer means for all records of a request.
fn whole(answer: Answer, count: usize) -> Outcome {
    match fate(answer.status) {
        Fate::Taken => Outcome::Done(Delivered::all(count)),
        Fate::Disliked => Outcome::Disliked(answer.say()),
        Fate::Refused => Outcome::Done(refused(count, answer.say())),
        Fate::Later => {
            let then = Then::Retry { after: answer.retry_after, why: answer.say() };
            Outcome::Done(Delivered { settled: 0, refused: None, then })
        }
    }
}

/// What a status says about what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    Later,
    /// Of a batch, something is bad; of one record, that it is.
    Disliked,
    Refused,
}

const fn fate(status: u16) -> Fate {
    match status {
        200..=299 => Fate::Taken,
        400 | 413 | 422 => Fate::Disliked,
        401 | 403 | 407 | 408 | 425 | 429 => Fate::Later,
        402..=499 => Fate::Refused,
        _ => Fate::Later,
    }
}

#[cfg(test)]
mod tests;
