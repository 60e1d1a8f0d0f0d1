//! What writing costs: nanoseconds per line, apart from judging.
//!
//! The verdicts are those of the project's own captures, one for each kind of story, asked for once before
//! measuring. `flow/all` and `alert/all` go round all of them, so that the branch predictor does not learn
//! one line by heart; each line is appended to a batch of 64 KiB, as in a run, and the batch is forgotten.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot go on stops and says what it measured; its macros write no docs"
)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ghostport::output::{Record, Write, cef, ecs, eve, hec, ocsf, syslog};
use ghostport::verdict::Verdict;

mod said;

/// Bytes of lines that a run gathers before it hands them over.
const BATCH_BYTES: usize = 64 * 1024;

const ALERTS: [(&str, Write); 6] = [
    ("alert/all", eve::write),
    ("alert/ecs", ecs::write),
    ("alert/ocsf", ocsf::write),
    ("alert/hec", hec::write),
    ("alert/syslog", syslog::write),
    ("alert/cef", cef::write),
];

fn lines(criterion: &mut Criterion) {
    let inputs = ["traffic.pcap".to_owned()];
    let context = said::context(&inputs);
    let (verdicts, alerts) = said::said();
    let flow = |batch: &mut Vec<u8>, verdict: &Arc<Verdict>| {
        eve::write(batch, &context, &Record::Flow { verdict, alerted: true });
    };
    measure(criterion, "flow/one", &verdicts[..1], flow);
    measure(criterion, "flow/all", &verdicts, flow);
    for (name, write) in ALERTS {
        measure(criterion, name, &alerts, |batch, alert| write(batch, &context, &Record::Alert(alert)));
    }
}

fn measure<T>(criterion: &mut Criterion, name: &str, things: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    let mut batch = Vec::new();
    things.iter().for_each(|thing| write(&mut batch, thing));
    println!("output/{name}: {} bytes a line", batch.len() / things.len());
    let mut group = criterion.benchmark_group("output");
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |bencher| {
        let mut round = things.iter().cycle();
        bencher.iter(|| {
            if batch.len() >= BATCH_BYTES {
                batch.clear();
            }
            if let Some(thing) = round.next() {
                write(&mut batch, black_box(thing));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, lines);
criterion_main!(benches);
