//! Who does the work: workers, and the judge on the calling thread, so that judging does not hold packets up.
//! Where there is only one core, one worker and the judge share a thread: handing flows over would cost more
//! than it gains.
//!
//! A worker with a source of its own reads for itself. Live, each may have one, among which the kernel
//! shares the flows out: nobody waits for another, and the judge hears bursts as they come. Several workers
//! that share a source have a reader: each sees every burst and folds only the flows of its own shards, so
//! no packet is copied or queued between threads; the events of all workers for one burst are merged by
//! [`Order`] before anyone looks at them. Queues are bounded: a slow judge makes who reads wait, and what a
//! live source loses meanwhile the kernel counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Select, Sender, bounded};

use super::worker::{Happening, Part, Totals, Worker};
use crate::capture::{self, Burst, Filled, Loss, Progress, Source};
use crate::flow::Order;
use crate::time::Timestamp;

/// Bursts under way between two threads.
const QUEUE_BURSTS_MAX: usize = 4;

/// Events of one burst, in no particular order until sorted.
pub(super) type Events = Vec<(Order, Happening)>;

/// How far the source was when a burst had been filled.
#[derive(Clone, Copy, Debug, Default)]
struct Pulse {
    progress: Progress,
    loss: Loss,
}

impl Pulse {
    fn of(source: &dyn Source) -> Self {
        Self { progress: source.progress(), loss: source.loss() }
    }
}

/// How far the whole run is behind a burst.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    pub(super) progress: Progress,
    pub(super) loss: Loss,
    pub(super) totals: Totals,
    /// The source has ended: what comes now is what was left.
    pub(super) is_over: bool,
}

impl Moment {
    fn new(pulse: Pulse, totals: Totals) -> Self {
        Self { progress: pulse.progress, loss: pulse.loss, totals, is_over: false }
    }

    fn last(pulse: Pulse, totals: Totals) -> Self {
        Self { is_over: true, ..Self::new(pulse, totals) }
    }
}

/// What the judge does with the events of one burst; false ends the run early.
pub(super) type Each<'a> = &'a mut dyn FnMut(&Burst, Events, &Moment) -> bool;

/// Runs one source for all workers, or one source for each, to the end or until `stop`.
///
/// # Errors
/// A source's error, after everything read before it has been handed on.
pub(super) fn run(
    sources: &mut [Box<dyn Source>],
    workers: Vec<Worker>,
    stop: &AtomicBool,
    each: Each<'_>,
) -> Result<(), capture::Error> {
    let has_one_core = thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    match (sources, <[Worker; 1]>::try_from(workers)) {
        ([source, ..], Ok([worker])) if has_one_core => alone(&mut **source, worker, stop, each),
        (sources, Ok(worker)) => apart(sources, worker.into(), stop, each),
        ([source], Err(workers)) => together(&mut **source, workers, stop, each),
        (sources, Err(workers)) => apart(sources, workers, stop, each),
    }
}

/// A thread that top(1) and a debugger know by name.
#[expect(clippy::expect_used, reason = "as std::thread::Scope::spawn does: nothing works without threads")]
fn hire<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    task: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, T> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, task);
    thread.expect("the system gives a thread")
}

fn alone(
    source: &mut dyn Source,
    mut worker: Worker,
    stop: &AtomicBool,
    each: Each<'_>,
) -> Result<(), capture::Error> {
    let mut burst = Burst::new();
    let mut ended = Ok(());
    while !stop.load(Ordering::Relaxed) {
        match source.fill(&mut burst) {
            Ok(Filled::End) => break,
            Ok(Filled::Frames | Filled::Idle) => {}
            Err(error) => {
                ended = Err(error);
                break;
            }
        }
        let events = worker.fold(&burst);
        if !each(&burst, sorted(events), &Moment::new(Pulse::of(source), worker.totals())) {
            break;
        }
    }
    burst.clear();
    while let Some((_, events)) = worker.finish() {
        each(&burst, sorted(events), &Moment::last(Pulse::of(source), worker.totals()));
    }
    ended
}

/// From the reader to a worker.
struct Work {
    burst: Arc<Burst>,
    pulse: Pulse,
}

/// From a worker to the judge.
struct Done {
    stage: Stage,
    events: Events,
    totals: Totals,
}

/// What a worker is done with.
enum Stage {
    Burst(Work),
    /// The input has ended.
    End(Part),
}

fn together(
    source: &mut dyn Source,
    workers: Vec<Worker>,
    stop: &AtomicBool,
    each: Each<'_>,
) -> Result<(), capture::Error> {
    thread::scope(|scope| {
        let (spare_in, spare_out) = bounded(QUEUE_BURSTS_MAX * 2);
        let mut to_workers = Vec::new();
        let mut from_workers = Vec::new();
        for mut worker in workers {
            let (work_in, work_out) = bounded::<Work>(QUEUE_BURSTS_MAX);
            let (done_in, done_out) = bounded::<Done>(QUEUE_BURSTS_MAX);
            to_workers.push(work_in);
            from_workers.push(done_out);
            hire(scope, "worker", move || work(&mut worker, &work_out, &done_in));
        }
        let reader = hire(scope, "reader", move || read(source, &to_workers, &spare_out, stop));
        collect(&from_workers, &spare_in, stop, each);
        // A reader that waits for a spare burst must see that nobody returns one any more.
        drop(spare_in);
        match reader.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Every worker reads for itself; the first source that ends or fails ends the run.
fn apart(
    sources: &mut [Box<dyn Source>],
    workers: Vec<Worker>,
    stop: &AtomicBool,
    each: Each<'_>,
) -> Result<(), capture::Error> {
    thread::scope(|scope| {
        let (mut from_workers, mut spares, mut readers) = (Vec::new(), Vec::new(), Vec::new());
        for (source, mut worker) in sources.iter_mut().zip(workers) {
            let (spare_in, spare_out) = bounded(QUEUE_BURSTS_MAX * 2);
            let (done_in, done_out) = bounded::<Done>(QUEUE_BURSTS_MAX);
            spares.push(spare_in);
            from_workers.push(done_out);
            readers.push(hire(scope, "worker", move || {
                let ended = read_and_work(&mut **source, &mut worker, &spare_out, &done_in, stop);
                stop.store(true, Ordering::Relaxed);
                end(&mut worker, &done_in);
                ended
            }));
        }
        collect_apart(&from_workers, &spares, stop, each);
        drop(spares);
        let ends = readers.into_iter().map(|reader| match reader.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ends.collect::<Vec<_>>().into_iter().collect()
    })
}

/// Fills bursts and folds them at once.
fn read_and_work(
    source: &mut dyn Source,
    worker: &mut Worker,
    spare: &Receiver<Burst>,
    done: &Sender<Done>,
    stop: &AtomicBool,
) -> Result<(), capture::Error> {
    let mut shelf = Shelf::new(spare);
    while !stop.load(Ordering::Relaxed) {
        let Some(work) = shelf.fill(source)? else { break };
        if !fold(worker, work, done) {
            break;
        }
    }
    Ok(())
}

/// Fills bursts and hands each to every worker.
fn read(
    source: &mut dyn Source,
    workers: &[Sender<Work>],
    spare: &Receiver<Burst>,
    stop: &AtomicBool,
) -> Result<(), capture::Error> {
    let mut shelf = Shelf::new(spare);
    while !stop.load(Ordering::Relaxed) {
        let Some(work) = shelf.fill(source)? else { break };
        let Some((last, others)) = workers.split_last() else { break };
        let share = |worker: &Sender<Work>| worker.send(Work { burst: Arc::clone(&work.burst), ..work });
        // The last takes ours: a burst that we still held could not be returned.
        if others.iter().any(|worker| share(worker).is_err()) || last.send(work).is_err() {
            break;
        }
    }
    Ok(())
}

/// The bursts of one reader: a few, which come back when the judge has seen them.
struct Shelf<'a> {
    spare: &'a Receiver<Burst>,
    made: usize,
    clock: Option<Timestamp>,
}

impl<'a> Shelf<'a> {
    fn new(spare: &'a Receiver<Burst>) -> Self {
        Self { spare, made: 0, clock: None }
    }

    /// The next burst of the source; `None` at its end, or when nobody returns bursts any more.
    fn fill(&mut self, source: &mut dyn Source) -> Result<Option<Work>, capture::Error> {
        let mut burst = if self.made < QUEUE_BURSTS_MAX {
            self.made += 1;
            Burst::new()
        } else {
            let Ok(burst) = self.spare.recv() else { return Ok(None) };
            burst
        };
        // The packet clock is the run's, not that of one burst's memory.
        self.clock.into_iter().for_each(|time| burst.advance(time));
        if source.fill(&mut burst)? == Filled::End {
            return Ok(None);
        }
        self.clock = Some(burst.clock());
        Ok(Some(Work { pulse: Pulse::of(source), burst: Arc::new(burst) }))
    }
}

fn work(worker: &mut Worker, bursts: &Receiver<Work>, done: &Sender<Done>) {
    for work in bursts {
        if !fold(worker, work, done) {
            return;
        }
    }
    end(worker, done);
}

/// False when the judge is gone.
fn fold(worker: &mut Worker, work: Work, done: &Sender<Done>) -> bool {
    let events = worker.fold(&work.burst);
    done.send(Done { stage: Stage::Burst(work), events, totals: worker.totals() }).is_ok()
}

fn end(worker: &mut Worker, done: &Sender<Done>) {
    while let Some((part, events)) = worker.finish() {
        if done.send(Done { stage: Stage::End(part), events, totals: worker.totals() }).is_err() {
            // The judge is gone only when it panicked; there is nobody left to tell.
            return;
        }
    }
}

/// Merges what the workers say, burst by burst, and shows it to the judge.
fn collect(workers: &[Receiver<Done>], spare: &Sender<Burst>, stop: &AtomicBool, each: Each<'_>) {
    let mut pulse = Pulse::default();
    let mut going_on = true;
    loop {
        let (mut events, mut totals, mut burst) = (Vec::new(), Totals::default(), None);
        let mut ends = Vec::new();
        for worker in workers {
            let Ok(done) = worker.recv() else {
                // It panicked; the scope hands the panic on when all have ended.
                stop.store(true, Ordering::Relaxed);
                continue;
            };
            totals.add(&done.totals);
            match done.stage {
                Stage::Burst(work) => {
                    events.extend(done.events);
                    pulse = work.pulse;
                    burst = Some(work.burst);
                }
                Stage::End(part) => ends.push((worker, Some((part, done.events, done.totals)))),
            }
        }
        let Some(burst) = burst else { return collect_ends(ends, pulse, each) };
        if going_on && !each(&burst, sorted(events), &Moment::new(pulse, totals)) {
            going_on = false;
            stop.store(true, Ordering::Relaxed);
        }
        if let Ok(burst) = Arc::try_unwrap(burst) {
            // Full only when more spares exist than the reader ever made: then this one is let go.
            let _ = spare.try_send(burst);
        }
    }
}

/// Shows the judge what workers with sources of their own say, as it comes.
fn collect_apart(workers: &[Receiver<Done>], spares: &[Sender<Burst>], stop: &AtomicBool, each: Each<'_>) {
    let mut latest = vec![(Pulse::default(), Totals::default()); workers.len()];
    let mut ends = Vec::new();
    let mut going_on = true;
    let mut select = Select::new();
    for worker in workers {
        let _index = select.recv(worker);
    }
    let mut open = workers.len();
    while open > 0 {
        let ready = select.select();
        let index = ready.index();
        let (worker, spare) = (&workers[index], &spares[index]);
        let Ok(done) = ready.recv(worker) else {
            // It panicked; the scope hands the panic on when all have ended.
            stop.store(true, Ordering::Relaxed);
            select.remove(index);
            open -= 1;
            continue;
        };
        match done.stage {
            Stage::Burst(work) => {
                latest[index] = (work.pulse, done.totals);
                let moment = moment_of(&latest);
                if going_on && !each(&work.burst, sorted(done.events), &moment) {
                    going_on = false;
                    stop.store(true, Ordering::Relaxed);
                }
                if let Ok(burst) = Arc::try_unwrap(work.burst) {
                    // As many fit as the worker ever made.
                    let _ = spare.try_send(burst);
                }
            }
            Stage::End(part) => {
                ends.push((worker, Some((part, done.events, done.totals))));
                select.remove(index);
                open -= 1;
            }
        }
    }
    let Moment { progress, loss, .. } = moment_of(&latest);
    collect_ends(ends, Pulse { progress, loss }, each);
}

/// What all workers counted last.
fn moment_of(latest: &[(Pulse, Totals)]) -> Moment {
    let mut moment = Moment::default();
    for (pulse, totals) in latest {
        moment.loss.add(pulse.loss);
        moment.totals.add(totals);
    }
    moment
}

/// A worker and what it told last of the end.
type Teller<'a> = (&'a Receiver<Done>, Option<(Part, Events, Totals)>);

/// Merges the parts of the end. A worker leaves out parts of which it has no flows.
fn collect_ends(mut tellers: Vec<Teller<'_>>, pulse: Pulse, each: Each<'_>) {
    let nothing = Burst::new();
    let mut totals: Vec<Totals> = vec![Totals::default(); tellers.len()];
    while let Some(next) = tellers.iter().filter_map(|(_, told)| told.as_ref().map(|told| told.0)).min() {
        let mut events = Vec::new();
        for ((worker, told), totals) in tellers.iter_mut().zip(&mut totals) {
            let Some((_, part, after)) = told.take_if(|told| told.0 == next) else { continue };
            events.extend(part);
            *totals = after;
            *told = worker.recv().ok().and_then(|done| match done.stage {
                Stage::End(part) => Some((part, done.events, done.totals)),
                Stage::Burst(_) => None,
            });
        }
        let mut sum = Totals::default();
        totals.iter().for_each(|totals| sum.add(totals));
        each(&nothing, sorted(events), &Moment::last(pulse, sum));
    }
}

/// The one order of the run. Stable: events of one packet keep the order in which they were pushed.
fn sorted(mut events: Events) -> Events {
    events.sort_by_key(|(order, _)| *order);
    events
}
