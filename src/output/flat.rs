//! Our own data as names and strings, for readers that allow no key they do not know.
//!
//! Suricata's published schema leaves room in three places: `alert.metadata` (any key, by convention arrays
//! of strings), `metadata.flowbits` (strings) and `metadata.flowints` (any key). Every name begins with
//! `ghostport_`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::again::Again;
use super::ghost::{Counts, GhostAggregate, GhostFlow, GhostPlace, GhostPort, GhostTls};

/// Names, each with one or more strings.
#[derive(Debug, Default)]
pub(super) struct Flat(Vec<(&'static str, Vec<String>)>);

impl Flat {
    fn add(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((name, vec![value.into()]));
    }

    fn add_all(&mut self, name: &'static str, values: Vec<String>) {
        if !values.is_empty() {
            self.0.push((name, values));
        }
    }

    /// Names with their values, for `alert.metadata`.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        self.0.iter().map(|(name, values)| (*name, values.as_slice()))
    }

    /// As strings: `name:value`, one for each value.
    pub(super) fn bits(&self) -> Vec<String> {
        let rows = self.0.iter();
        rows.flat_map(|(name, values)| values.iter().map(move |value| format!("{name}:{value}"))).collect()
    }

    fn tls(&mut self, tls: &GhostTls<'_>) {
        if let Some(name) = &tls.sni {
            self.add("ghostport_tls_sni", name.cleaned());
        }
        self.add_all("ghostport_tls_alpn", tls.alpn.iter().map(|name| name.cleaned().into_owned()).collect());
        if let Some(version) = tls.version {
            self.add("ghostport_tls_version", version);
        }
        if let Some(ja4) = &tls.ja4 {
            self.add("ghostport_tls_ja4", ja4.cleaned());
        }
    }

    fn aggregate(&mut self, aggregate: &GhostAggregate) {
        self.add("ghostport_aggregate_id", aggregate.id.as_str());
        self.add("ghostport_aggregate_state", aggregate.state);
        for (name, count) in [
            ("ghostport_aggregate_flows", aggregate.flows),
            ("ghostport_aggregate_total", aggregate.total),
            ("ghostport_aggregate_originators", aggregate.originators),
            ("ghostport_aggregate_responders", aggregate.responders),
            ("ghostport_aggregate_ports", aggregate.ports),
        ] {
            self.add(name, count.to_string());
        }
        self.add("ghostport_aggregate_estimated", aggregate.estimated.to_string());
        self.add("ghostport_aggregate_first", aggregate.first.0.to_string());
        self.add("ghostport_aggregate_last", aggregate.last.0.to_string());
    }

    /// What there is to say about a flow.
    pub(super) fn flow(ghost: &GhostFlow<'_>) -> Self {
        let mut flat = Self::default();
        let (Again(place), Again(course), Again(verdict)) = (&ghost.place, &ghost.course, &ghost.verdict);
        flat.place(place);
        flat.add("ghostport_conn_state", course.conn_state);
        if !course.history.is_empty() {
            flat.add("ghostport_history", course.history);
        }
        flat.add("ghostport_outcome", course.outcome);
        flat.add("ghostport_direction_basis", course.direction.basis);
        flat.add("ghostport_direction_confidence", course.direction.confidence.to_string());
        if let Some(app) = &ghost.app_proto {
            flat.add("ghostport_app_proto", app.name);
            flat.add("ghostport_app_proto_sides", app.sides);
            if let Some(carries) = app.carries {
                flat.add("ghostport_app_proto_carries", carries);
            }
            if let Some(tls) = &app.tls {
                flat.tls(tls);
            }
            if let Some(quic) = &app.quic {
                flat.add("ghostport_quic_version", quic.version.cleaned());
            }
        }
        flat.add("ghostport_story", verdict.story);
        flat.add("ghostport_probability", verdict.probability.to_string());
        let stories = verdict.stories.0.iter();
        flat.add_all(
            "ghostport_stories",
            stories.map(|r| format!("{}:{}", r.story.name(), super::ghost::short(r.probability))).collect(),
        );
        let facts = ghost.evidence.rows();
        flat.add_all(
            "ghostport_evidence",
            facts.map(|(fact, _)| format!("{}={}", fact.name(), ghost.evidence.value(fact))).collect(),
        );
        flat.add_all("ghostport_claims", ghost.claims.ids().map(|id| id.cleaned().into_owned()).collect());
        if let Some(process) = &ghost.process {
            flat.add("ghostport_process_pid", process.pid.to_string());
            flat.add("ghostport_process_name", process.name.cleaned());
            if let Some(exe) = &process.exe {
                flat.add("ghostport_process_exe", exe.cleaned());
            }
            if let Some(user) = &process.user {
                flat.add("ghostport_process_user", user.cleaned());
            }
        }
        if let Some(next_step) = &ghost.next_step {
            flat.add("ghostport_next_step", next_step.cleaned());
        }
        if let Some(aggregate) = &ghost.aggregate {
            flat.aggregate(aggregate);
        }
        if let Some(revised) = &ghost.revised {
            flat.add("ghostport_revised_from", revised.from);
            if let Some(because) = revised.because {
                flat.add("ghostport_revised_because", because);
            }
        }
        if ghost.truncated {
            flat.add("ghostport_truncated", "true");
        }
        flat
    }

    /// The words about a bucket; its numbers are [`Ints::port`].
    pub(super) fn bucket(ghost: &GhostPort<'_>) -> Self {
        let mut flat = Self::default();
        flat.place(&ghost.place);
        flat.add("ghostport_first", ghost.bucket.first.0.to_string());
        flat.add("ghostport_last", ghost.bucket.last.0.to_string());
        flat
    }

    fn place(&mut self, place: &GhostPlace<'_>) {
        self.add("ghostport_tier", place.tier);
        self.add("ghostport_status", place.status);
        if let Some(name) = place.registered {
            self.add("ghostport_registered", name.cleaned());
        }
        self.add_all("ghostport_tags", place.tags.0.names().map(str::to_owned).collect());
    }
}

/// Names, each with a number: `metadata.flowints`.
#[derive(Debug, Default)]
pub(super) struct Ints(pub(super) Vec<(String, u64)>);

impl Ints {
    pub(super) fn add(&mut self, name: &str, value: u64) {
        self.0.push((format!("ghostport_{name}"), value));
    }

    /// The numbers of a bucket.
    pub(super) fn port(ghost: &GhostPort<'_>) -> Self {
        let (mut ints, bucket) = (Self::default(), &ghost.bucket);
        for (name, value) in [
            ("flows", bucket.flows),
            ("answered", bucket.answered),
            ("originators", bucket.originators),
            ("responders", bucket.responders),
            ("estimated", u64::from(bucket.estimated)),
            ("pkts_toserver", bucket.pkts_toserver),
            ("pkts_toclient", bucket.pkts_toclient),
            ("bytes_toserver", bucket.bytes_toserver),
            ("bytes_toclient", bucket.bytes_toclient),
            ("findings", bucket.findings),
            ("client_flows", bucket.client_flows),
        ] {
            ints.add(name, value);
        }
        let mut counts = |kind: &str, counts: Counts<'_>| {
            counts.each(|name, count| ints.add(&format!("{kind}_{name}"), count));
        };
        counts("outcome", bucket.outcomes);
        counts("protocol", bucket.protocols);
        counts("story", bucket.stories);
        ints
    }
}

impl Serialize for Ints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
