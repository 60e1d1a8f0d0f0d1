//! Splunk's HTTP event collector. Without `ack=yes`, its 200 counts: it took the events into its queue. With
//! it, events count as delivered when it says that they are indexed; asking goes on over several calls
//! instead of sending them again.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::client::Client;
use super::{Fate, Outcome, fate, lines, whole};
use crate::sink::deliver::{Delivered, Then};

/// Between two questions whether events are indexed.
const ASK_PAUSE: Duration = Duration::from_millis(250);
/// What is not indexed by then is sent again.
const INDEXED_WITHIN: Duration = Duration::from_secs(120);

/// See the file's first words.
pub(super) struct Splunk {
    ack: bool,
    /// Splunk counts acknowledgements per channel, and a channel is one sender's.
    channel: String,
    asked: Option<Asked>,
}

/// Events that were taken and are not known to be indexed.
struct Asked {
    id: u64,
    count: usize,
    digest: u64,
    since: Instant,
}

impl Splunk {
    pub(super) fn new(ack: bool) -> Self {
        Self { ack, channel: channel(), asked: None }
    }

    pub(super) fn offer(&mut self, client: &Client, records: &[&[u8]], until: Instant) -> Outcome {
        let is_same = |asked: &Asked| records.get(..asked.count).is_some_and(|r| digest(r) == asked.digest);
        if !self.asked.as_ref().is_some_and(is_same) {
            self.asked = None;
            let headers = [("X-Splunk-Request-Channel", self.channel.as_str())];
            let answer = match client.post(&lines(records), "application/json", &headers, until) {
                Ok(answer) => answer,
                Err(why) => return Outcome::Done(Delivered::retry(0, why)),
            };
            let said: Taken = serde_json::from_slice(&answer.body).unwrap_or_default();
            let taken = fate(answer.status) == Fate::Taken;
            // A token for which acknowledgement is off gets no id: then its 200 has to do.
            let (true, true, Some(id)) = (taken, self.ack, said.ack_id) else {
                return whole(answer, records.len());
            };
            let (count, digest) = (records.len(), digest(records));
            self.asked = Some(Asked { id, count, digest, since: Instant::now() });
        }
        Outcome::Done(self.ask(client, until))
    }

    fn ask(&mut self, client: &Client, until: Instant) -> Delivered {
        let Some(asked) = &self.asked else { return Delivered::retry(0, "nothing was asked") };
        let path = client.path().split('?').next().unwrap_or_default();
        let path = path.find("/services/collector").map_or("", |at| &path[..at]);
        let path = format!("{path}/services/collector/ack?channel={}", self.channel);
        let body = format!("{{\"acks\":[{}]}}", asked.id);
        let headers = [("X-Splunk-Request-Channel", self.channel.as_str())];
        loop {
            match client.post_to(&path, body.as_bytes(), "application/json", &headers, until) {
                Ok(answer) if fate(answer.status) == Fate::Taken => {
                    let said: Acks = serde_json::from_slice(&answer.body).unwrap_or_default();
                    if said.acks.get(&asked.id.to_string()) == Some(&true) {
                        let count = asked.count;
                        self.asked = None;
                        return Delivered::all(count);
                    }
                }
                Ok(answer) => return Delivered::retry(0, answer.say()),
                Err(why) => return Delivered::retry(0, why),
            }
            if asked.since.elapsed() > INDEXED_WITHIN {
                self.asked = None;
                return Delivered::retry(0, "it took the events and did not index them in 120 s");
            }
            if Instant::now() + ASK_PAUSE >= until {
                let why = "it took the events and has not indexed them yet".to_owned();
                return Delivered {
                    settled: 0,
                    refused: None,
                    then: Then::Retry { after: Some(ASK_PAUSE), why },
                };
            }
            std::thread::sleep(ASK_PAUSE);
        }
    }
}

#[derive(Default, Deserialize)]
struct Taken {
    #[serde(rename = "ackId")]
    ack_id: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Acks {
    acks: std::collections::BTreeMap<String, bool>,
}

fn digest(records: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for record in records {
        hasher.write(record);
        hasher.write_u8(b'\n');
    }
    hasher.finish()
}

/// A name that no other sender has, in the form of a UUID.
fn channel() -> String {
    let bits = || RandomState::new().hash_one(std::process::id());
    let hex = format!("{:016x}{:016x}", bits(), bits());
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.map(|(from, to)| &hex[from..to]).join("-")
}
