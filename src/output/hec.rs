//! EVE lines in the envelope of Splunk's HTTP Event Collector, as its `services/collector/event` takes them:
//! objects one after the other, here one a line. Every kind of record is carried.
//!
//! | key | type | absent when |
//! | --- | --- | --- |
//! | `time` | seconds since 1970 with up to six decimals | the clock was not set, see below |
//! | `host` | string: the sensor's name | none was given |
//! | `source` | string: `ghostport:` and the interface or capture file, see below | never |
//! | `sourcetype` | `suricata`, for which Splunk's add-ons have everything ready | never |
//! | `event` | object: the EVE line, see [`super::event`] | never |
//! | `fields` | object of strings, which Splunk indexes | never |
//! | `fields.event_id` | the same whenever the record is written again, see [`Record`] | never |
//! | `fields.ghostport_story` | the story | in port and stats records |
//! | `fields.ghostport_probability` | its probability: `0.98` | in port and stats records |
//! | `fields.ghostport_rule` | the rule's stable name | but in alerts |
//!
//! `source` is `ghostport` in port and stats records, which are about all inputs.
//!
//! `time` is left out where it would be before March 1973, as in a run without a packet or a capture whose
//! clock counted from zero: Splunk then takes the time of arrival instead of filing the event under the first
//! days of 1970. The EVE line has the packets' time in any case.

use serde::{Serialize, Serializer};

use super::clean::{Text, clean};
use super::eve::{self, Envelope};
use super::ghost::short;
use super::line::write_json;
use super::{Context, NAME_BYTES_MAX, Record};

/// Appends a record as an EVE line in HEC's envelope.
pub fn write(line: &mut Vec<u8>, context: &Context<'_>, record: &Record<'_>) {
    let id = record.id(context);
    let verdict = record.verdict();
    let head = Head {
        time: seconds(record),
        host: context.sensor(),
        input: verdict.and_then(|verdict| context.input(&verdict.evidence.flow)),
        fields: Fields {
            event_id: &id,
            ghostport_story: verdict.map(|verdict| verdict.story.name()),
            ghostport_probability: verdict.map(|verdict| short(verdict.probability).to_string()),
            ghostport_rule: match record {
                Record::Alert(alert) => Some(Text::cut(&alert.rule.id, NAME_BYTES_MAX)),
                _ => None,
            },
        },
    };
    eve::write_in(&head, line, context, record);
}

/// Everything but the event.
struct Head<'a> {
    time: Option<f64>,
    host: Option<Text<'a>>,
    input: Option<&'a str>,
    fields: Fields<'a>,
}

impl Envelope for Head<'_> {
    fn write<E: Serialize>(&self, line: &mut Vec<u8>, event: &E) {
        let source = Source(self.input);
        let whole = Whole {
            time: self.time,
            host: self.host,
            source,
            sourcetype: "suricata",
            event,
            fields: &self.fields,
        };
        write_json(line, &whole);
    }
}

#[derive(Serialize)]
struct Whole<'a, E> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Text<'a>>,
    source: Source<'a>,
    sourcetype: &'static str,
    event: &'a E,
    fields: &'a Fields<'a>,
}

#[derive(Serialize)]
struct Fields<'a> {
    event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ghostport_story: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ghostport_probability: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ghostport_rule: Option<Text<'a>>,
}

/// Where the packets came from.
struct Source<'a>(Option<&'a str>);

impl Serialize for Source<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(input) => {
                serializer.collect_str(&format_args!("ghostport:{}", clean(input, NAME_BYTES_MAX)))
            }
            None => serializer.serialize_str("ghostport"),
        }
    }
}

/// Seconds with the microseconds that EVE has, too. Until the year 2255 these are fewer than 2^53, so the
/// number's shortest decimal form has no digit too many.
fn seconds(record: &Record<'_>) -> Option<f64> {
    const CLOCK_IS_SET: i64 = 100_000_000;
    let time = record.time();
    let micros = time.as_nanos().div_euclid(1000);
    (time.as_seconds() >= CLOCK_IS_SET).then(|| micros as f64 / 1e6)
}
