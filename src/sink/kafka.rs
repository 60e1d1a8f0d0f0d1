//! Lines as messages to a topic of Kafka, or of what speaks its protocol.
//!
//! The producer is idempotent (`enable.idempotence`, so `acks=all`): what librdkafka sends again by itself
//! is stored once and in order. A line is settled by its delivery report. A message may be stored twice
//! when its report is lost together with the producer: a broker that is silent for [`MESSAGE_TIME`], or the
//! end of the process. Kafka drops no second one by id; whoever reads can, by the event id in the line.
//!
//! Lines of one flow have one key, its community id, so they lie in one partition, in order; and lines of
//! the same flow from other sensors, and in other formats, lie there as well. Which partition that is, is
//! reckoned as Kafka's own clients do (murmur2). Lines about no flow have no key and are spread.
//!
//! librdkafka has threads of its own; all of them end with the producer, in this file.
//!
//! | the report | what becomes of the line |
//! | --- | --- |
//! | stored | taken |
//! | too large, or `INVALID_RECORD` | offered again in halves: it is said of whole requests; alone, refused |
//! | anything else: no topic, no permission, nobody there, none in time | offered again |

use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use serde::Deserialize;

use super::ahead::{Ahead, Item};
use super::broker::{Broker, Login, Product};
use super::deliver::{Deliver, Delivered, Then};
use super::document::Document;
use super::secret::Secret;
use super::tls::Tls;
use super::url::{Papers, Remote};

/// After this time librdkafka gives a message up and reports it.
const MESSAGE_TIME: Duration = Duration::from_secs(7);
/// For the reports. One call returns within this and the end of a producer, which takes half a second and
/// whatever its threads need: less than [`super::deliver::WAIT_MAX`].
const PATIENCE: Duration = Duration::from_millis(8500);
/// Records under way at a time; not fewer than the courier brings.
const BATCH_MAX: usize = 1024;

/// A topic of Kafka.
pub(super) struct Kafka {
    config: ClientConfig,
    topic: String,
    password: Option<Secret>,
    producer: Option<BaseProducer<Reports>>,
    ahead: Ahead,
    /// Records under way at a time, for now.
    batch: usize,
}

/// What librdkafka tells us, on our own thread.
#[derive(Default)]
struct Reports(Mutex<Told>);

#[derive(Default)]
struct Told {
    /// By position in the batch.
    results: Vec<Option<Result<(), RDKafkaErrorCode>>>,
    /// What is the matter with the brokers, as far as one knows.
    trouble: Option<String>,
}

impl Kafka {
    /// Reads secrets and certificates; does not touch the network.
    ///
    /// # Errors
    /// They cannot be read; in words for the user.
    pub(super) fn new(remote: &Remote, broker: &Broker) -> Result<Self, String> {
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Emerg)
            .set("client.id", "ghostport")
            .set("bootstrap.servers", broker.members(remote).join(","))
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", MESSAGE_TIME.as_millis().to_string())
            // Shorter, so that a report says what is the matter and not only that time is up.
            .set("request.timeout.ms", "5000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("topic.metadata.propagation.max.ms", "4000")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true");
        if let Product::Kafka { mechanism, compression } = broker.product {
            config.set("compression.codec", compression).set("sasl.mechanism", mechanism);
        }
        let password = match &broker.login {
            Login::Password { user, password } => {
                config.set("sasl.username", user);
                Some(Secret::read(password).map_err(|error| error.to_string())?)
            }
            _ => None,
        };
        config.set(
            "security.protocol",
            match (broker.is_tls, password.is_some()) {
                (false, false) => "plaintext",
                (true, false) => "ssl",
                (false, true) => "sasl_plaintext",
                (true, true) => "sasl_ssl",
            },
        );
        if broker.is_tls {
            // librdkafka reads them whenever a producer starts; what is wrong with them is said now.
            Tls::read(&remote.papers)?;
            name_files(&mut config, &remote.papers);
        }
        let topic = broker.topic.clone();
        Ok(Self { config, topic, password, producer: None, ahead: Ahead::default(), batch: BATCH_MAX })
    }

    fn start(&self) -> Result<BaseProducer<Reports>, String> {
        let mut config = self.config.clone();
        if let Some(password) = &self.password {
            config.set("sasl.password", password.reveal());
        }
        config.create_with_context(Reports::default()).map_err(|error| match error {
            // Its own text repeats the value.
            KafkaError::ClientConfig(_, what, key, _) => format!("{key}: {what}"),
            other => other.to_string(),
        })
    }

    /// What became of each record, in order.
    fn offer(&self, producer: &BaseProducer<Reports>, documents: &[Document<'_>]) -> Vec<Item> {
        let reports = producer.client().context();
        reports.told().results = vec![None; documents.len()];
        let mut items = Vec::with_capacity(documents.len());
        for (at, document) in documents.iter().enumerate() {
            items.push(self.ahead.became(&document.id).or_else(|| {
                let key = flow_of(document.line);
                let mut record = BaseRecord::with_opaque_to(&self.topic, at).payload(document.line);
                record.key = key.as_deref();
                let (error, _) = producer.send(record).err()?;
                let is_bad = error.rdkafka_error_code().is_some_and(is_disliked);
                let why = error.to_string();
                Some(if is_bad { Item::Refused(why) } else { Item::Later(why) })
            }));
        }
        // That not all reports came is seen by their absence.
        let _ = producer.flush(PATIENCE);
        let told = reports.told();
        let result = |(item, result): (Option<Item>, &Option<_>)| match (item, result) {
            (Some(item), _) => item,
            (None, Some(Ok(()))) => Item::Taken,
            (None, Some(Err(code))) if is_disliked(*code) && documents.len() == 1 => {
                Item::Refused(code.to_string())
            }
            (None, Some(Err(code))) => Item::Later(self.say(*code, told.trouble.as_deref())),
            (None, None) => Item::Later(told.trouble.as_deref().unwrap_or("it does not answer").to_owned()),
        };
        items.into_iter().zip(&told.results).map(result).collect()
    }

    /// Offers the first of them, as many as go at a time.
    fn attempt(&mut self, producer: &BaseProducer<Reports>, documents: &[Document<'_>]) -> Delivered {
        let batch = self.batch.min(documents.len());
        let mut items = self.offer(producer, &documents[..batch]);
        let was_disliked = batch > 1 && producer.client().context().was_disliked();
        let why = items.iter().rev().find_map(|item| match item {
            Item::Later(why) => Some(why.clone()),
            Item::Taken | Item::Refused(_) => None,
        });
        // Those whose turn has not come.
        let rest = documents[batch..].iter().map(|document| self.ahead.became(&document.id));
        items.extend(rest.map(|item| item.unwrap_or_else(|| Item::Later(why.clone().unwrap_or_default()))));
        let results = documents.iter().map(|document| document.id.clone()).zip(items).collect();
        let mut delivered = self.ahead.settle(results, |_, _, why| why.to_owned());
        self.batch = if was_disliked { batch / 2 } else { (self.batch * 2).min(BATCH_MAX) };
        match &mut delivered.then {
            then if delivered.settled >= batch => *then = Then::GoOn,
            // There is nothing to wait for: fewer are offered the next time.
            Then::Retry { after, .. } if was_disliked => *after = Some(Duration::ZERO),
            _ => {}
        }
        delivered
    }

    /// Why a message has to be offered again.
    fn say(&self, code: RDKafkaErrorCode, trouble: Option<&str>) -> String {
        use RDKafkaErrorCode as Code;
        match (code, trouble) {
            (Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition, _) => {
                let topic = &self.topic;
                format!(
                    "there is no topic {topic}; make one: kafka-topics.sh --bootstrap-server HOST:PORT --create \
                     --topic {topic}"
                )
            }
            // Why time was up is known better.
            (Code::MessageTimedOut, Some(trouble)) => trouble.to_owned(),
            _ => code.to_string(),
        }
    }
}

impl Deliver for Kafka {
    fn deliver(&mut self, records: &[&[u8]]) -> Delivered {
        let documents: Vec<_> = records.iter().map(|record| Document::read(record)).collect();
        let producer = match self.producer.take().map_or_else(|| self.start(), Ok) {
            Ok(producer) => producer,
            Err(why) => return Delivered::retry(0, why),
        };
        let delivered = self.attempt(&producer, &documents);
        // A report that is late would be taken for one about another batch.
        if producer.in_flight_count() == 0 && producer.client().fatal_error().is_none() {
            self.producer = Some(producer);
        }
        delivered
    }

    fn reopen(&mut self) {
        self.producer = None;
        if let Some(password) = &mut self.password {
            let _stays = password.reread();
        }
    }
}

impl Reports {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_disliked(&self) -> bool {
        self.told().results.iter().flatten().any(|result| result.is_err_and(is_disliked))
    }
}

impl ClientContext for Reports {
    /// What is worth saying comes as an error as well.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let mut told = self.told();
        // That all are away comes behind the reason why the last one is.
        let is_sum = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !is_sum || told.trouble.is_none() {
            told.trouble = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, at: usize) {
        let mut told = self.told();
        let result = match result {
            Ok(_) => {
                told.trouble = None;
                Ok(())
            }
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        if let Some(place) = told.results.get_mut(at) {
            *place = Some(result);
        }
    }
}

/// True for what a broker will not like better the next time. It says so of a whole request, in which one
/// message may be at fault, or all of them together.
const fn is_disliked(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::InvalidRecord)
}

fn name_files(config: &mut ClientConfig, papers: &Papers) {
    let mut name = |key: &str, path: &std::path::Path| {
        config.set(key, path.display().to_string());
    };
    if let Some(ca) = &papers.ca {
        name("ssl.ca.location", ca);
    }
    if let Some((chain, key)) = &papers.client {
        name("ssl.certificate.location", chain);
        name("ssl.key.location", key);
    }
}

/// The community id of the flow that a line is about: EVE, HEC, ECS, OCSF; the others are no JSON.
fn flow_of(line: &[u8]) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Keys<'a> {
        #[serde(borrow)]
        community_id: Option<Cow<'a, str>>,
        #[serde(borrow)]
        event: Option<Nested<'a>>,
        #[serde(borrow)]
        network: Option<Nested<'a>>,
        #[serde(borrow)]
        metadata: Option<Nested<'a>>,
    }
    #[derive(Deserialize)]
    struct Nested<'a> {
        #[serde(borrow, alias = "correlation_uid")]
        community_id: Option<Cow<'a, str>>,
    }
    let keys: Keys<'_> = serde_json::from_slice(line).ok()?;
    let nested = [keys.event, keys.network, keys.metadata].into_iter().flatten();
    keys.community_id.or_else(|| nested.filter_map(|nested| nested.community_id).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_flow_have_one_key_in_every_format() {
        for line in [
            r#"{"flow_id":1,"community_id":"1:a/b="}"#,
            r#"{"event":{"event_type":"alert","community_id":"1:a\/b="},"fields":{"event_id":"x"}}"#,
            r#"{"event":{"id":"x"},"network":{"community_id":"1:a/b="}}"#,
            r#"{"metadata":{"uid":"x","correlation_uid":"1:a/b="}}"#,
        ] {
            assert_eq!(flow_of(line.as_bytes()).as_deref(), Some("1:a/b="), "{line}");
        }
        for line in [r#"{"event_type":"stats"}"#, r#"{"event":{"id":"x"}}"#, "<13>1 - -"] {
            assert_eq!(flow_of(line.as_bytes()), None, "{line}");
        }
    }
}
