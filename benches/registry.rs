//! What the registry costs: a start, the first question about a port, and every question after it.
//!
//! `start` is what every command pays before it does anything; `first` builds the claims of all TCP ports,
//! which a run does only for the ports it meets; `again` and `status` are what a verdict pays.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ghostport::registry::Registry;
use ghostport::wire::Transport;

fn compiled_in() -> Registry {
    Registry::load(&[]).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Asks for the claims on every TCP port.
fn ask(registry: &Registry) -> usize {
    (0..=u16::MAX).map(|port| registry.on(Transport::Tcp, port).len()).sum()
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registry");
    group.sample_size(20);
    group.bench_function("start", |bencher| bencher.iter(compiled_in));
    group.throughput(Throughput::Elements(65_536));
    group.bench_function("first", |bencher| {
        bencher.iter_batched_ref(compiled_in, |registry| ask(registry), BatchSize::PerIteration);
    });
    let registry = compiled_in();
    group.bench_function("again", |bencher| bencher.iter(|| ask(black_box(&registry))));
    group.bench_function("status", |bencher| {
        let status = |port| registry.status(Transport::Tcp, port) as usize;
        bencher.iter(|| (0..=u16::MAX).map(|port| status(black_box(port))).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
