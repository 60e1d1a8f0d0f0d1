//! A line of our own back in: what it says about who answered, for `ports import` and `ports free --seen`.
//!
//! Only an answer with data counts (`established`, `two_way`): a scan that knocks at a port, or a service
//! that says no, is no sign that the port is used. And only a service that has a name keeps a port alive:
//! were a listener that nobody can explain a sign of life, having been seen once would silence it.
//!
//! Invariants: any text is read or refused, without a panic; what is kept of a line does not grow with it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::flow::{Basis, Outcome};
use crate::payload::App;
use crate::registry::{Sighting, Witness};
use crate::verdict::Story;
use crate::wire::Transport;

/// Outcomes in which both sides sent data.
const ANSWERED: [Outcome; 2] = [Outcome::Established, Outcome::TwoWay];
/// Stories of a service that lives on the port.
const SERVED: [Story; 3] = [Story::RegisteredService, Story::KnownSquatter, Story::NonstandardPort];

#[derive(Deserialize)]
struct Line {
    timestamp: String,
    event_type: String,
    flow_id: Option<u64>,
    dest_ip: Option<String>,
    flow: Option<Times>,
    ghostport: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct Times {
    start: Option<String>,
    end: Option<String>,
}

#[derive(Deserialize)]
struct Ghost {
    port: u16,
    transport: String,
    outcome: Option<String>,
    direction: Option<Direction>,
    app_proto: Option<Named>,
    verdict: Option<Told>,
    bucket: Option<Bucket>,
}

#[derive(Deserialize)]
struct Direction {
    basis: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Told {
    story: String,
}

#[derive(Deserialize)]
struct Bucket {
    flows: u64,
    outcomes: BTreeMap<String, u64>,
    protocols: BTreeMap<String, u64>,
    stories: BTreeMap<String, u64>,
    first: String,
    last: String,
}

/// What a line says about a port; nothing when it is of another kind, or not ours.
///
/// # Errors
/// What is wrong with it, in words.
pub fn sighting(line: &str) -> Result<Option<Sighting>, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| format!("no event: {error}"))?;
    if !matches!(line.event_type.as_str(), "flow" | "alert" | "port") {
        return Ok(None);
    }
    let Some(ghost) = &line.ghostport else { return Ok(None) };
    let ghost =
        Ghost::deserialize(ghost).map_err(|error| format!("no {} of ours: {error}", line.event_type))?;
    let transport = Transport::from_name(&ghost.transport).ok_or("no transport that is followed")?;
    let said = match &ghost.bucket {
        Some(bucket) => of_bucket(bucket, ghost.port, transport),
        None => of_flow(&line, &ghost, transport),
    };
    said.map(Some).ok_or_else(|| format!("no {} of ours: something is missing", line.event_type))
}

fn of_flow(line: &Line, ghost: &Ghost, transport: Transport) -> Option<Sighting> {
    let witness = if line.event_type == "alert" { Witness::Alert(line.flow_id?) } else { Witness::Flow };
    let outcome = ghost.outcome.as_deref()?;
    let answered = ANSWERED.iter().any(|known| known.name() == outcome);
    let guessed = ghost.direction.as_ref()?.basis == Basis::FirstPacket.name();
    let served = !guessed
        && SERVED.iter().any(|story| ghost.verdict.as_ref().is_some_and(|v| v.story == story.name()));
    let times = line.flow.as_ref()?;
    let app = ghost.app_proto.as_ref().filter(|_| served).and_then(|app| protocol(&app.name));
    Some(Sighting {
        witness,
        transport,
        port: ghost.port,
        flows: u64::from(answered),
        served,
        responder: Some(line.dest_ip.as_deref()?.parse().ok()?),
        protocols: app.into_iter().collect(),
        days: (day(times.start.as_ref()?)?, day(times.end.as_ref().unwrap_or(&line.timestamp))?),
    })
}

/// Of a bucket only its sums are known: which flows were answered, and by what, is certain when all were.
fn of_bucket(bucket: &Bucket, port: u16, transport: Transport) -> Option<Sighting> {
    let count = |counts: &BTreeMap<String, u64>, name: &str| counts.get(name).copied().unwrap_or(0);
    let sum = |all: &[u64]| all.iter().fold(0, |sum: u64, &flows| sum.saturating_add(flows));
    let answered = sum(&ANSWERED.map(|outcome| count(&bucket.outcomes, outcome.name())));
    let served = sum(&SERVED.map(|story| count(&bucket.stories, story.name())));
    let is_certain = answered >= bucket.flows && served >= bucket.flows;
    let protocols = bucket.protocols.keys().filter(|_| is_certain).filter_map(|name| protocol(name));
    Some(Sighting {
        witness: Witness::Port,
        transport,
        port,
        flows: answered,
        served: served > 0,
        responder: None,
        protocols: protocols.collect(),
        days: (day(&bucket.first)?, day(&bucket.last)?),
    })
}

/// The protocol's own spelling; nothing for what is not known.
fn protocol(name: &str) -> Option<&'static str> {
    App::from_name(name).filter(|&app| app != App::Unknown).map(App::name)
}

/// `YYYY-MM-DD` of a time stamp.
fn day(stamp: &str) -> Option<String> {
    let day = stamp.get(..10)?;
    let is_date = day.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    is_date.then(|| day.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLOW: &str = r#"{"timestamp":"2026-11-02T00:00:10.005843+0000","flow_id":7,"event_type":"flow",
        "dest_ip":"10.30.1.20","flow":{"start":"2026-11-01T23:59:59.0+0000","end":"2026-11-02T00:00:10.0+0000"},
        "ghostport":{"port":3007,"transport":"tcp","outcome":"established","direction":{"basis":"syn"},
        "app_proto":{"name":"http"},"verdict":{"story":"nonstandard_port"}}}"#;
    const PORT: &str = r#"{"timestamp":"2026-11-02T00:00:10.005843+0000","event_type":"port","ghostport":{"port":80,
        "transport":"tcp","bucket":{"flows":3,"outcomes":{"established":3},"protocols":{"http":2,"unknown":1},
        "stories":{"registered_service":3},"first":"2026-11-01T00","last":"2026-11-02T00"}}}"#;

    fn read(line: &str, from: &str, to: &str) -> Option<Sighting> {
        assert!(line.contains(from), "{from}");
        sighting(&line.replace(from, to)).unwrap()
    }

    #[test]
    fn an_answered_flow() {
        let flow = read(FLOW, "", "").unwrap();
        assert_eq!((flow.port, flow.flows, flow.served, flow.witness), (3007, 1, true, Witness::Flow));
        assert_eq!(flow.days, ("2026-11-01".to_owned(), "2026-11-02".to_owned()));
        assert_eq!(
            (flow.protocols.as_slice(), flow.responder.unwrap().to_string()),
            (&["http"][..], "10.30.1.20".to_owned())
        );
        assert_eq!(read(FLOW, "\"flow\",", "\"alert\",").unwrap().witness, Witness::Alert(7));
    }

    #[test]
    fn what_is_no_answer_and_what_is_no_service() {
        for outcome in Outcome::ALL {
            let flow = read(FLOW, "established", outcome.name()).unwrap();
            assert_eq!(flow.flows == 1, matches!(outcome, Outcome::Established | Outcome::TwoWay));
        }
        for story in ["suspected_malware", "negotiated_port", "ephemeral_overlap", "unidentified_listener"] {
            let flow = read(FLOW, "nonstandard_port", story).unwrap();
            assert!(!flow.served && flow.flows == 1 && flow.protocols.is_empty(), "{story}");
        }
        assert!(!read(FLOW, "syn", "first_packet").unwrap().served);
        assert_eq!(read(FLOW, "\"flow\",", "\"stats\","), None);
        assert_eq!(read(FLOW, "ghostport", "ours"), None);
    }

    #[test]
    fn a_bucket() {
        let port = read(PORT, "", "").unwrap();
        assert_eq!((port.port, port.flows, port.served, port.protocols), (80, 3, true, vec!["http"]));
        let mixed = read(PORT, "\"flows\":3", "\"flows\":4").unwrap();
        assert_eq!((mixed.flows, mixed.protocols.len()), (3, 0));
    }

    #[test]
    fn hostile_lines_are_refused_in_words() {
        for line in ["", "{", "[]", "7", "{\"event_type\":\"flow\"}"] {
            assert!(sighting(line).unwrap_err().starts_with("no event"), "{line}");
        }
        let huge = PORT.replace("\"established\":3", "\"established\":18446744073709551615,\"two_way\":9");
        assert_eq!(sighting(&huge).unwrap().unwrap().flows, u64::MAX);
        for (from, to) in
            [("3007", "70000"), ("\"tcp\"", "\"ddp\""), ("10.30.1.20", "x"), ("2026-11-01", "yesterday!")]
        {
            assert!(sighting(&FLOW.replace(from, to)).is_err(), "{to}");
        }
    }

    proptest! {
        #[test]
        fn any_change_of_a_line(at in 0usize..500, cut in 0usize..9, put in "(?s).{0,6}") {
            for line in [FLOW, PORT] {
                let at = at.min(line.len());
                let mut line = line.to_owned();
                line.replace_range(at..(at + cut).min(line.len()), &put);
                let _ = sighting(&line);
            }
        }
    }
}
