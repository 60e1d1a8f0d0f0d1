//! The `ghostport` objects: what we know beyond Suricata's fields.

use std::fmt::{self, Display};
use std::sync::Arc;

use arrayvec::ArrayString;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::FILE_BYTES_MAX;
use super::again::{Again, Key, Kind, Part};
use super::clean::Text;
use super::event::Stamp;
use super::json::{Plain, Word};
use crate::bucket::PortBucket;
use crate::evidence::{Evidence, Fact, FactValue};
use crate::payload::{App, Details};
use crate::registry::{Claim, PortStatus, Tags, Tier};
use crate::rules::{Alert, Revised};
use crate::verdict::{Ranked, Story, Verdict};
use crate::wire::text::decimal;

/// How much may be said, so that a line stays within its bound. Tried in the order of [`Room::STEPS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    facts_max: usize,
    claims_max: usize,
    weights: bool,
    pub(super) text_max: usize,
    /// Of the name of an input.
    pub(super) file_max: usize,
    pub(super) truncated: bool,
}

impl Room {
    /// Everything; then texts and lists cut; then no weights; then neither evidence nor claims; then a short
    /// name of the input too, which only the formats with more around it than EVE come to.
    pub(super) const STEPS: [Self; 5] = [
        Self { facts_max: usize::MAX, claims_max: usize::MAX, text_max: 512, truncated: false, ..Self::CUT },
        Self { facts_max: 24, claims_max: 12, ..Self::CUT },
        Self { facts_max: 12, claims_max: 6, weights: false, ..Self::CUT },
        Self { facts_max: 0, claims_max: 0, weights: false, text_max: 64, ..Self::CUT },
        Self { facts_max: 0, claims_max: 0, weights: false, text_max: 64, file_max: 128, ..Self::CUT },
    ];
    const CUT: Self = Self {
        facts_max: 24,
        claims_max: 12,
        weights: true,
        text_max: 96,
        file_max: FILE_BYTES_MAX,
        truncated: true,
    };
}

/// The `ghostport` object of alerts and flow records.
#[derive(Debug, Serialize)]
pub(super) struct GhostFlow<'a> {
    #[serde(rename = "")]
    pub(super) place: Again<GhostPlace<'a>>,
    #[serde(rename = "")]
    pub(super) course: Again<GhostCourse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_proto: Option<GhostApp<'a>>,
    pub(super) verdict: Again<GhostVerdict<'a>>,
    pub(super) evidence: Facts<'a>,
    pub(super) claims: Claims<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<GhostProcess<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_step: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aggregate: Option<GhostAggregate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revised: Option<GhostRevised>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) truncated: bool,
}

/// `revised`: what the flow was alerted as before, and the fact that changed it.
#[derive(Debug, Serialize)]
pub(super) struct GhostRevised {
    pub(super) from: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) because: Option<&'static str>,
}

impl GhostRevised {
    pub(super) const fn new(revised: Revised) -> Self {
        Self { from: revised.from.name(), because: revised.because }
    }
}

impl<'a> GhostFlow<'a> {
    pub(super) fn new(verdict: &'a Verdict, next_step: &'a str, room: Room) -> Self {
        let evidence = &verdict.evidence;
        let flow = &evidence.flow;
        let text = |text| Text::cut(text, room.text_max);
        Self {
            place: Again(GhostPlace {
                port: flow.responder.port,
                transport: flow.transport.name(),
                tier: evidence.tier.name(),
                status: evidence.status.name(),
                registered: registered(&evidence.claims).map(text),
                tags: Names(evidence.tags),
            }),
            course: Again(GhostCourse {
                conn_state: flow.conn_state.name(),
                history: flow.history.as_str(),
                outcome: evidence.outcome.name(),
                direction: GhostDirection {
                    basis: flow.direction.basis.name(),
                    confidence: f64::from(flow.direction.confidence) / 100.0,
                },
            }),
            app_proto: GhostApp::new(evidence, room),
            verdict: Again(GhostVerdict {
                story: verdict.story.name(),
                probability: short(verdict.probability),
                stories: Stories(&verdict.stories),
            }),
            evidence: Facts { verdict, room },
            claims: Claims { claims: &evidence.claims, room },
            process: evidence.process().map(|process| GhostProcess {
                pid: process.pid,
                name: text(&process.name),
                exe: process.exe.as_deref().map(text),
                user: process.user.as_deref().map(text),
            }),
            next_step: (!next_step.is_empty()).then_some(Text::ours(next_step, room.text_max.max(200))),
            aggregate: None,
            revised: None,
            truncated: room.truncated,
        }
    }

    pub(super) fn in_alert(alert: &'a Alert, next_step: &'a str, room: Room) -> Self {
        let aggregate = Some(GhostAggregate::new(alert));
        Self {
            aggregate,
            revised: alert.revised.map(GhostRevised::new),
            ..Self::new(&alert.verdict, next_step, room)
        }
    }
}

/// `aggregate`: all flows that an alert stands for.
#[derive(Debug, Serialize)]
pub(super) struct GhostAggregate {
    pub(super) id: AggregateId,
    pub(super) state: &'static str,
    pub(super) flows: u64,
    pub(super) total: u64,
    pub(super) originators: u64,
    pub(super) responders: u64,
    pub(super) ports: u64,
    pub(super) estimated: bool,
    pub(super) first: Stamp,
    pub(super) last: Stamp,
}

impl GhostAggregate {
    fn new(alert: &Alert) -> Self {
        let aggregate = &alert.aggregate;
        Self {
            id: AggregateId::new(alert),
            state: aggregate.stage.name(),
            flows: aggregate.flows,
            total: aggregate.flows_total,
            originators: aggregate.originators,
            responders: aggregate.responders,
            ports: aggregate.ports,
            estimated: aggregate.estimated,
            first: Stamp(aggregate.first),
            last: Stamp(aggregate.last),
        }
    }
}

/// The same in all lines of an aggregate, and in every run: the rule's number and the first flow's.
#[derive(Clone, Copy, Debug)]
pub(super) struct AggregateId(ArrayString<31>);

impl AggregateId {
    pub(super) fn new(alert: &Alert) -> Self {
        let mut id = ArrayString::new();
        for part in [&*decimal(alert.rule.sid.into()), "-", &*decimal(alert.aggregate.opened_by)] {
            id.push_str(part);
        }
        Self(id)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for AggregateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for AggregateId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain(self.0.as_bytes()).serialize(serializer)
    }
}

/// The first fields: where it was, and what is known about that port.
#[derive(Debug, Serialize)]
pub(super) struct GhostPlace<'a> {
    pub(super) port: u16,
    pub(super) transport: &'static str,
    pub(super) tier: &'static str,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registered: Option<Text<'a>>,
    pub(super) tags: Names,
}

impl Part for GhostPlace<'_> {
    const KIND: Kind = Kind::Port;

    fn say(&self, key: &mut Key) {
        let Tags { remembered, suspicious } = self.tags.0;
        key.numbers([u64::from(self.port) | u64::from(remembered) << 16 | u64::from(suspicious) << 17]);
        key.words([self.transport, self.tier, self.status]);
        key.text(self.registered);
    }
}

/// The next fields: how the flow went.
#[derive(Debug, Serialize)]
pub(super) struct GhostCourse<'a> {
    pub(super) conn_state: &'static str,
    pub(super) history: &'a str,
    pub(super) outcome: &'static str,
    pub(super) direction: GhostDirection,
}

impl Part for GhostCourse<'_> {
    const KIND: Kind = Kind::Course;

    fn say(&self, key: &mut Key) {
        key.words([self.conn_state, self.outcome, self.direction.basis]);
        key.numbers([self.direction.confidence.to_bits()]);
        key.text(Some(Text::cut(self.history, 0)));
    }
}

/// `direction`: how we know who the originator is.
#[derive(Debug, Serialize)]
pub(super) struct GhostDirection {
    pub(super) basis: &'static str,
    pub(super) confidence: f64,
}

/// `app_proto`: what the bytes say.
#[derive(Debug, Serialize)]
pub(super) struct GhostApp<'a> {
    pub(super) name: &'static str,
    pub(super) sides: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) carries: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<GhostTls<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quic: Option<GhostQuic<'a>>,
}

impl<'a> GhostApp<'a> {
    fn new(evidence: &'a Evidence, room: Room) -> Option<Self> {
        let said = evidence.app;
        let details = evidence.details.as_deref();
        let tls = details.map(|details| GhostTls::new(details, room)).filter(|tls| !tls.is_empty());
        let quic = details.and_then(|details| details.quic.as_deref());
        let quic = quic.map(|version| GhostQuic { version: Text::cut(version, 16) });
        let spoken = said.app.spoken();
        let carries = (spoken != said.app).then(|| said.app.name());
        let known = said.app != App::Unknown;
        known.then(|| Self { name: spoken.name(), sides: said.sides.name(), carries, tls, quic })
    }
}

/// `tls`: what the handshake said in the clear.
#[derive(Debug, Serialize)]
pub(super) struct GhostTls<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sni: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) alpn: Vec<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ja4: Option<Text<'a>>,
}

impl<'a> GhostTls<'a> {
    fn new(details: &'a Details, room: Room) -> Self {
        let text = |text: &'a String| Text::cut(text, room.text_max.min(255));
        Self {
            sni: details.sni.as_ref().map(text),
            alpn: details.alpn.iter().map(|name| Text::cut(name, 32)).collect(),
            version: details.version,
            ja4: details.ja4.as_ref().map(text),
        }
    }

    /// True when a QUIC handshake said nothing that could be read.
    fn is_empty(&self) -> bool {
        self.sni.is_none() && self.alpn.is_empty() && self.version.is_none() && self.ja4.is_none()
    }
}

/// `quic`: what the first packet's header says.
#[derive(Debug, Serialize)]
pub(super) struct GhostQuic<'a> {
    pub(super) version: Text<'a>,
}

/// `verdict`: the answer.
#[derive(Debug, Serialize)]
pub(super) struct GhostVerdict<'a> {
    pub(super) story: &'static str,
    pub(super) probability: f64,
    pub(super) stories: Stories<'a>,
}

impl Part for GhostVerdict<'_> {
    const KIND: Kind = Kind::Verdict;

    fn say(&self, key: &mut Key) {
        key.words([self.story]);
        // Eleven stories have numbers of four bits.
        let stories = self.stories.0.iter().fold(1, |stories, ranked| stories << 4 | ranked.story as u64);
        key.numbers([self.probability.to_bits(), stories]);
        self.stories.0.iter().for_each(|ranked| key.numbers([ranked.probability.to_bits()]));
    }
}

/// `process`: the local process that listens on the responder's port.
#[derive(Debug, Serialize)]
pub(super) struct GhostProcess<'a> {
    pub(super) pid: u32,
    pub(super) name: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exe: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<Text<'a>>,
}

/// Names of tags, in output order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names(pub(super) Tags);

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.names())
    }
}

/// Ranked stories, likeliest first.
#[derive(Debug)]
pub(super) struct Stories<'a>(pub(super) &'a [Ranked]);

impl Serialize for Stories<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row {
            story: &'static str,
            p: f64,
        }
        serializer.collect_seq(self.0.iter().map(|r| Row { story: r.story.name(), p: short(r.probability) }))
    }
}

/// Facts, in catalogue order, with what each added.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    verdict: &'a Verdict,
    room: Room,
}

impl<'a> Facts<'a> {
    /// The facts there is room for, with their weights where there is room for those.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'a Fact, &'static [(Story, f64)])> {
        let (verdict, with_weights) = (self.verdict, self.room.weights);
        verdict.evidence.facts.iter().enumerate().take(self.room.facts_max).map(move |(place, fact)| {
            let weights = if with_weights { verdict.weights.get(place) } else { None };
            (fact, weights.copied().unwrap_or_default())
        })
    }

    /// The value of a fact, within the room there is.
    pub(super) fn value(&self, fact: &Fact) -> String {
        super::clean(&fact.value(), self.room.text_max).into_owned()
    }
}

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(None)?;
        for (fact, weights) in self.rows() {
            let said = fact.value();
            let row = FactRow {
                fact: Word(fact.name()),
                value: match said {
                    FactValue::Word(_) | FactValue::Counts(_) => Text::ours(&said, self.room.text_max),
                    FactValue::Name(_) | FactValue::Made(_) => Text::cut(&said, self.room.text_max),
                },
                word: if let FactValue::Word(word) = said { Some(word) } else { None },
                weight: (!weights.is_empty()).then_some(Again(Weights(weights))),
            };
            match said {
                FactValue::Word(_) | FactValue::Name(_) => rows.serialize_element(&Again(row))?,
                // These seldom come back.
                FactValue::Counts(_) | FactValue::Made(_) => rows.serialize_element(&row)?,
            }
        }
        rows.end()
    }
}

/// A fact, what it says, and what it added to each story.
#[derive(Serialize)]
struct FactRow<'a> {
    fact: Word,
    value: Text<'a>,
    /// The value, when it is a word of ours: then where it lies says all.
    #[serde(skip)]
    word: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<Again<Weights>>,
}

impl Part for FactRow<'_> {
    const KIND: Kind = Kind::Fact;

    fn say(&self, key: &mut Key) {
        key.words([self.fact.0, self.word.unwrap_or_default()]);
        key.constant(self.weight.as_ref().map_or(&[], |Again(Weights(weights))| weights));
        match self.word {
            Some(_) => key.numbers([self.value.bytes_max as u64]),
            None => key.text(Some(self.value)),
        }
    }
}

/// What a fact added to each story, in log-odds: a row of the table of weights.
struct Weights(&'static [(Story, f64)]);

impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(story, weight)| (story.name(), short(*weight))))
    }
}

impl Part for Weights {
    const KIND: Kind = Kind::Weights;

    fn say(&self, key: &mut Key) {
        key.constant(self.0);
    }
}

/// Identifiers of claims.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    claims: &'a [Arc<Claim>],
    room: Room,
}

impl<'a> Claims<'a> {
    /// Those there is room for.
    pub(super) fn ids(&self) -> impl Iterator<Item = Text<'a>> {
        let text_max = self.room.text_max;
        self.claims.iter().take(self.room.claims_max).map(move |claim| Text::cut(&claim.id, text_max))
    }
}

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.ids())
    }
}

/// The `ghostport` object of port records: a bucket.
#[derive(Debug, Serialize)]
pub(super) struct GhostPort<'a> {
    #[serde(rename = "")]
    pub(super) place: GhostPlace<'a>,
    pub(super) bucket: GhostBucket<'a>,
}

/// `bucket`: all flows about one port.
#[derive(Debug, Serialize)]
pub(super) struct GhostBucket<'a> {
    pub(super) flows: u64,
    pub(super) answered: u64,
    pub(super) originators: u64,
    pub(super) responders: u64,
    pub(super) estimated: bool,
    pub(super) pkts_toserver: u64,
    pub(super) pkts_toclient: u64,
    pub(super) bytes_toserver: u64,
    pub(super) bytes_toclient: u64,
    pub(super) outcomes: Counts<'a>,
    pub(super) protocols: Counts<'a>,
    pub(super) stories: Counts<'a>,
    pub(super) findings: u64,
    pub(super) client_flows: u64,
    pub(super) first: Stamp,
    pub(super) last: Stamp,
}

impl<'a> GhostPort<'a> {
    pub(super) fn new(bucket: &'a PortBucket, client_flows: u64) -> Self {
        Self {
            place: GhostPlace {
                port: bucket.port,
                transport: bucket.transport.name(),
                tier: Tier::name(bucket.tier),
                status: PortStatus::name(bucket.status),
                registered: bucket.registered.as_deref().map(|name| Text::cut(name, 256)),
                tags: Names(bucket.tags),
            },
            bucket: GhostBucket {
                flows: bucket.flows,
                answered: bucket.answered(),
                originators: bucket.originators.count(),
                responders: bucket.responders.count(),
                estimated: !(bucket.originators.is_exact() && bucket.responders.is_exact()),
                pkts_toserver: bucket.packets_to_responder,
                pkts_toclient: bucket.packets_to_originator,
                bytes_toserver: bucket.bytes_to_responder,
                bytes_toclient: bucket.bytes_to_originator,
                outcomes: Counts::Outcomes(bucket),
                protocols: Counts::Protocols(bucket),
                stories: Counts::Stories(bucket),
                findings: bucket.findings,
                client_flows,
                first: Stamp(bucket.first),
                last: Stamp(bucket.last),
            },
        }
    }
}

/// A count by name, without zeros.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counts<'a> {
    /// Flows by outcome.
    Outcomes(&'a PortBucket),
    /// Flows by protocol.
    Protocols(&'a PortBucket),
    /// Flows by story.
    Stories(&'a PortBucket),
}

impl Counts<'_> {
    pub(super) fn each(&self, mut say: impl FnMut(&'static str, u64)) {
        match self {
            Self::Outcomes(bucket) => bucket.outcomes().for_each(|(outcome, n)| say(outcome.name(), n)),
            Self::Protocols(bucket) => bucket.protocols().for_each(|(app, n)| say(app.name(), n)),
            Self::Stories(bucket) => bucket.stories().for_each(|(story, n)| say(story.name(), n)),
        }
    }
}

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut ended = Ok(());
        self.each(|name, count| {
            if ended.is_ok() {
                ended = map.serialize_entry(name, &count);
            }
        });
        ended.and_then(|()| map.end())
    }
}

/// The registered name among claims.
pub(super) fn registered(claims: &[Arc<Claim>]) -> Option<&str> {
    let is_registered = |claim: &&Arc<Claim>| claim.kind == crate::registry::ClaimKind::Registered;
    claims.iter().find(is_registered).map(|claim| claim.name.as_str())
}

/// Three decimals, and never a value that JSON cannot say.
pub(super) fn short(number: f64) -> f64 {
    let rounded = (number * 1000.0).round() / 1000.0;
    if rounded.is_finite() { rounded + 0.0 } else { 0.0 }
}
