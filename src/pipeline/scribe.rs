//! Lines are written by a thread of their own: who judges hands records over, the scribe makes lines of them.
//!
//! Making a line takes as long as judging several flows (some 4 µs for a flow in EVE, more for some formats);
//! handing it over takes 0.3 µs. Between the two is one bounded queue of batches. There is one scribe and the
//! queue keeps its order, so the bytes are the same as if the judge wrote them itself.
//!
//! A replay with no core left for it has no other thread to gain from: there the judge is its own scribe,
//! and writes while what it judged is still in the cache. On two cores, with a line for every flow, that
//! gained some five per cent in a noisy comparison.
//!
//! When the scribe is behind, a replay waits. A live capture waits only as long as it can afford ([`Leave`]);
//! then the records are let go, and each counts as a line lost in every output that would have had it. When
//! the capture has ended there is nothing left to hold up, and the rest is waited for.
//!
//! Which way a flow goes is found out here too, and only for formats that say it: with every batch comes
//! which networks were ours when it was gathered, so a reload changes nothing about what was said before.
//!
//! Invariants: a record that no output takes is not kept for a moment, so its memory can be used again; what
//! was handed over is written, or is counted as lost.

use std::mem;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use super::standing::Standing;
use super::{Config, Input};
use crate::bucket::PortBucket;
use crate::output::{self, Context, ExtraPlacement, Record};
use crate::rules::{Alert, Internal};
use crate::sink::{self, Format, Lines};
use crate::verdict::Verdict;

/// Records handed over at once: waking the scribe for each would cost the judge as much as writing it.
const BATCH_NOTES: usize = 64;
/// Batches on their way from a live capture, which may come in bursts. With a few KB of flow and facts behind
/// each record that is some 10 MB at most.
const LIVE_BATCHES_MAX: usize = 64;
/// And from a replay, which can wait: so few that the scribe finds them where the judge left them, in the
/// cache. On one core 64 cost a tenth of a run with a line for every flow; 2, 8 and 16 are equally good.
const REPLAY_BATCHES_MAX: usize = 8;
/// Bytes of lines gathered before they are handed to an output, when there is more to write: what an output
/// writes at once, so that it takes the buffer as it is.
const BATCH_BYTES: usize = 256 * 1024;

/// A record that owns what it says.
#[derive(Debug)]
pub(super) enum Note {
    Alert(Alert),
    Flow { verdict: Arc<Verdict>, alerted: bool },
    Port { bucket: Box<PortBucket>, client_flows: u64 },
    Stats(Box<Standing>),
}

impl Note {
    /// Shows it as the record that it is. `lost`: how many lines were lost, for who says so.
    fn show<T>(&self, lost: impl FnOnce() -> u64, to: impl FnOnce(&Record<'_>) -> T) -> T {
        match self {
            Self::Alert(alert) => to(&Record::Alert(alert)),
            Self::Flow { verdict, alerted } => to(&Record::Flow { verdict, alerted: *alerted }),
            Self::Port { bucket, client_flows } => to(&Record::Port { bucket, client_flows: *client_flows }),
            Self::Stats(standing) => to(&Record::Stats(&standing.stats(lost()))),
        }
    }
}

/// Records handed over at once.
struct Bundle {
    notes: Vec<Note>,
    internal: Internal,
}

/// The judge's end of the queue.
pub(super) struct Scribe {
    outputs: Arc<Vec<Lines>>,
    batch: Vec<Note>,
    /// The networks that are ours.
    internal: Internal,
    hand: Hand,
    /// Records that were written, for the memory of their verdicts: taking a new one and letting another
    /// thread free the old one was half of what a line costs the judge.
    spent: Vec<Note>,
    /// How long may be waited; `None` for as long as it takes.
    leave: Option<Leave>,
}

/// Who writes.
enum Hand {
    /// The judge itself.
    Own(Pen),
    /// A thread that gives back what it has written.
    Another { queue: Sender<Bundle>, written: Receiver<Vec<Note>>, thread: JoinHandle<()> },
}

impl Scribe {
    /// Starts what writes to these outputs.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn start(
        config: &Config,
        inputs: &[String],
        outputs: Vec<Lines>,
        internal: Internal,
    ) -> Result<Self, sink::Error> {
        let outputs = Arc::new(outputs);
        let live = matches!(config.input, Input::Live(..));
        let pen = Pen {
            batches: outputs.iter().map(|_| Batch::default()).collect(),
            inputs: inputs.to_vec(),
            live,
            host: config.host.clone(),
            extra: config.extra,
        };
        // Each worker and the judge; workers that share a source have a reader, too.
        let busy = config.workers + 1 + usize::from(config.workers > 1);
        let has_core = thread::available_parallelism().is_ok_and(|cores| cores.get() > busy);
        let hand = match live {
            false if has_core => Hand::another(pen, &outputs, REPLAY_BATCHES_MAX)?,
            false => Hand::Own(pen),
            true => Hand::another(pen, &outputs, LIVE_BATCHES_MAX)?,
        };
        let (batch, spent) = (Vec::new(), Vec::new());
        Ok(Self { outputs, batch, internal, hand, spent, leave: live.then(Leave::new) })
    }

    /// Takes a record for the outputs that want it.
    pub(super) fn write(&mut self, note: Note) {
        if note.show(|| 0, |record| self.outputs.iter().any(|lines| takes(lines, record))) {
            self.batch.push(note);
            if self.batch.len() >= BATCH_NOTES {
                self.hand_over();
            }
        } else if let Note::Flow { .. } | Note::Alert(_) = note {
            self.spent.push(note);
        }
    }

    /// A verdict that was written, or that nobody wanted, and is not needed any more.
    pub(super) fn spent(&mut self) -> Option<Arc<Verdict>> {
        loop {
            match self.spent.pop() {
                Some(Note::Flow { verdict, .. }) => return Some(verdict),
                Some(Note::Alert(alert)) => return Some(alert.verdict),
                Some(Note::Port { .. } | Note::Stats(_)) => {}
                None => match &self.hand {
                    Hand::Own(_) => return None,
                    Hand::Another { written, .. } => self.spent = written.try_recv().ok()?,
                },
            }
        }
    }

    /// Hands over what was gathered, unless the scribe is busy anyway: then more may be gathered.
    pub(super) fn nudge(&mut self) {
        let is_busy = matches!(&self.hand, Hand::Another { queue, .. } if queue.is_full());
        if !self.batch.is_empty() && !is_busy {
            self.hand_over();
        }
        if let Hand::Own(pen) = &mut self.hand {
            pen.hand_over(&self.outputs);
        }
    }

    /// From now on these networks are ours.
    pub(super) fn turn(&mut self, internal: Internal) {
        if !self.batch.is_empty() {
            self.hand_over();
        }
        self.internal = internal;
    }

    /// The capture has ended: from now on everything is waited for.
    pub(super) fn take_all(&mut self) {
        self.leave = None;
    }

    /// HUP: files are opened anew, so that they can be rotated.
    pub(super) fn reopen(&self) {
        self.outputs.iter().for_each(Lines::reopen);
    }

    /// True when there is nobody to write for (there were readers, and all of them went away), or nobody who
    /// writes: a panic is told at the end, which then must not be far.
    pub(super) fn is_gone(&self) -> bool {
        let has_ended = matches!(&self.hand, Hand::Another { thread, .. } if thread.is_finished());
        !self.outputs.is_empty() && self.outputs.iter().all(Lines::is_gone) || has_ended
    }

    /// Lines that were lost so far.
    pub(super) fn lost(&self) -> u64 {
        lost(&self.outputs)
    }

    /// Waits until all lines are with the outputs, and gives those back.
    pub(super) fn end(mut self) -> Vec<Lines> {
        self.take_all();
        self.hand_over();
        match self.hand {
            Hand::Own(mut pen) => pen.hand_over(&self.outputs),
            Hand::Another { queue, thread, .. } => {
                drop(queue);
                if let Err(panic) = thread.join() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
        Arc::into_inner(self.outputs).unwrap_or_default()
    }

    fn hand_over(&mut self) {
        let queue = match &mut self.hand {
            Hand::Own(pen) => {
                pen.write_each(&self.outputs, &self.batch, &self.internal);
                // What was not asked for until now is let go.
                mem::swap(&mut self.spent, &mut self.batch);
                return self.batch.clear();
            }
            Hand::Another { queue, .. } => queue,
        };
        let notes = mem::replace(&mut self.batch, Vec::with_capacity(BATCH_NOTES));
        let bundle = Bundle { notes, internal: self.internal.clone() };
        // The scribe is gone only when it panicked, which is told at the end.
        let Some(leave) = &mut self.leave else { return drop(queue.send(bundle)) };
        let (left, begun) = (leave.left(), Instant::now());
        let sent = queue.send_timeout(bundle, left);
        leave.used(begun.elapsed());
        if let Err(SendTimeoutError::Timeout(bundle)) = sent {
            self.let_go(&bundle.notes);
        }
    }

    fn let_go(&self, notes: &[Note]) {
        for lines in self.outputs.iter() {
            let is_ours = |note: &&Note| note.show(|| 0, |record| takes(lines, record));
            match notes.iter().filter(is_ours).count() {
                0 => {}
                count => lines.lose(count as u64, "there were more lines than could be made in time"),
            }
        }
    }
}

impl Hand {
    fn another(pen: Pen, outputs: &Arc<Vec<Lines>>, batches_max: usize) -> Result<Self, sink::Error> {
        let (queue, notes) = bounded(batches_max);
        let (back, written) = bounded(batches_max);
        let outputs = Arc::clone(outputs);
        let thread = thread::Builder::new()
            .name("scribe".to_owned())
            .spawn(move || pen.write_all(&outputs, &notes, &back))
            .map_err(sink::Error::Stdout)?;
        Ok(Self::Another { queue, written, thread })
    }
}

fn takes(lines: &Lines, record: &Record<'_>) -> bool {
    lines.target().takes(record.event_type(), record.severity().map(|severity| severity as u8))
}

/// Lines that these outputs lost so far.
pub(super) fn lost(outputs: &[Lines]) -> u64 {
    outputs.iter().map(|lines| lines.counters().lost).sum()
}

/// How long a live capture may be held up by the scribe: a share of its time, saved up to a limit that the
/// kernel's buffer bridges. So a burst of lines is waited for, and a flood of them costs at most that share
/// of the packets.
struct Leave {
    saved: Duration,
    since: Instant,
}

impl Leave {
    const SHARE: u32 = 20;
    const MAX: Duration = Duration::from_millis(50);

    fn new() -> Self {
        Self { saved: Self::MAX, since: Instant::now() }
    }

    fn left(&mut self) -> Duration {
        let passed = mem::replace(&mut self.since, Instant::now()).elapsed();
        self.saved = (self.saved + passed / Self::SHARE).min(Self::MAX);
        self.saved
    }

    fn used(&mut self, time: Duration) {
        self.saved = self.saved.saturating_sub(time);
    }
}

/// The thread's half.
struct Pen {
    /// Lines not handed over yet, by output.
    batches: Vec<Batch>,
    inputs: Vec<String>,
    live: bool,
    host: Option<String>,
    extra: ExtraPlacement,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

impl Pen {
    fn write_all(mut self, outputs: &[Lines], queue: &Receiver<Bundle>, back: &Sender<Vec<Note>>) {
        for Bundle { notes, internal } in queue {
            self.write_each(outputs, &notes, &internal);
            // What comes next may take its time; live, nobody is to wait for alerts until a flood is over.
            if self.live || queue.is_empty() {
                self.hand_over(outputs);
            }
            // Where nobody takes them, their memory is let go.
            let _ = back.try_send(notes);
        }
    }

    fn write_each(&mut self, outputs: &[Lines], notes: &[Note], internal: &Internal) {
        for note in notes {
            if matches!(note, Note::Stats(_)) {
                self.hand_over(outputs); // what it says about lost lines is about all before it
            }
            note.show(|| lost(outputs), |record| self.write(outputs, internal, record));
        }
    }

    fn hand_over(&mut self, outputs: &[Lines]) {
        for (lines, batch) in outputs.iter().zip(&mut self.batches) {
            batch.hand_to(lines);
        }
    }

    /// One record to all who take it: written once for each format in use, at the end of the first one's
    /// batch, however many outputs have it.
    fn write(&mut self, outputs: &[Lines], internal: &Internal, record: &Record<'_>) {
        let context = Context {
            inputs: &self.inputs,
            live: self.live,
            host: self.host.as_deref(),
            extra: self.extra,
            internal,
        };
        for format in Format::ALL {
            let is_for = |lines: &Lines| lines.target().format == format && takes(lines, record);
            let mut takers = outputs.iter().zip(&mut self.batches).filter(|(lines, _)| is_for(lines));
            let Some((to, batch)) = takers.next() else { continue };
            let start = batch.bytes.len();
            writer(format)(&mut batch.bytes, &context, record);
            for (to, other) in takers {
                other.bytes.extend_from_slice(&batch.bytes[start..]);
                other.has_one_more(to);
            }
            batch.has_one_more(to);
        }
    }
}

impl Batch {
    fn has_one_more(&mut self, to: &Lines) {
        self.lines += 1;
        if self.bytes.len() >= BATCH_BYTES {
            self.hand_to(to);
        }
    }

    fn hand_to(&mut self, lines: &Lines) {
        if self.lines > 0 {
            // A reader that went away is noticed at the end of a burst.
            let _ = lines.swap(&mut self.bytes, mem::take(&mut self.lines));
        }
    }
}

/// Who writes a format.
const fn writer(format: Format) -> output::Write {
    match format {
        Format::Eve => output::eve::write,
        Format::Ecs => output::ecs::write,
        Format::Ocsf => output::ocsf::write,
        Format::Hec => output::hec::write,
        Format::Syslog => output::syslog::write,
        Format::Cef => output::cef::write,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{self, example::udp};
    use crate::flow::Outcome;
    use crate::payload::{App, AppProto, Sides, Strength};
    use crate::registry::PortStatus;
    use crate::rules::Rules;
    use crate::sink::{Pace, Target};
    use crate::verdict::judge;

    #[test]
    fn verdicts_that_were_written_or_not_wanted_come_back() {
        let dir = tempfile::tempdir().unwrap();
        for spec in ["eve", "eve[alert]"] {
            let target = Target::parse(&format!("{spec}:{}", dir.path().join(spec).display())).unwrap();
            let lines = Lines::open(&target, Pace::Replay, Arc::new(|_: &str| {})).unwrap();
            let (mut scribe, go) = scribe(vec![lines], None);
            go.send(()).unwrap();
            let verdict = dns();
            for _ in 0..BATCH_NOTES {
                scribe.write(Note::Flow { verdict: Arc::clone(&verdict), alerted: false });
            }
            let begun = Instant::now();
            while Arc::strong_count(&verdict) > 1 {
                drop(scribe.spent());
                assert!(begun.elapsed() < Duration::from_secs(20), "they do not come back");
            }
            assert!(scribe.spent().is_none());
            scribe.end();
        }
    }

    #[test]
    fn who_writes_makes_no_difference() {
        let dir = tempfile::tempdir().unwrap();
        let (verdict, count) = (dns(), BATCH_NOTES * 2 + 1);
        let [own, another] = ["own", "another"].map(|name| {
            let path = dir.path().join(name);
            let lines = Lines::open(&Target::file(Format::Eve, &path), Pace::Replay, Arc::new(|_: &str| {}));
            let (mut scribe, go) = scribe(vec![lines.unwrap()], None);
            go.send(()).unwrap();
            if name == "own" {
                scribe.hand = Hand::Own(pen(&scribe.outputs));
            }
            for alerted in (0..count).map(|number| number % 2 == 0) {
                scribe.write(Note::Flow { verdict: Arc::clone(&verdict), alerted });
                drop(scribe.spent());
            }
            scribe.end().iter().for_each(Lines::flush);
            std::fs::read_to_string(path).unwrap()
        });
        assert_eq!((own.lines().count(), Arc::strong_count(&verdict)), (count, 1));
        assert_eq!(own, another);
    }

    #[test]
    fn a_line_says_the_way_by_the_networks_that_were_ours_when_it_was_handed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (path, rules) = (dir.path().join("ecs.json"), dir.path().join("ours.toml"));
        std::fs::write(&rules, "internal = \"192.0.2.0/24\"").unwrap();
        let reloaded = Rules::load(&[rules], None).unwrap();
        let lines = Lines::open(&Target::file(Format::Ecs, &path), Pace::Replay, Arc::new(|_: &str| {}));
        let (mut scribe, go) = scribe(vec![lines.unwrap()], None);
        go.send(()).unwrap();
        let verdict = dns();
        let note = || Note::Flow { verdict: Arc::clone(&verdict), alerted: false };
        scribe.write(note());
        scribe.turn(reloaded.internal().clone());
        scribe.write(note());
        scribe.end().iter().for_each(Lines::flush);
        let text = std::fs::read_to_string(&path).unwrap();
        let ways: Vec<_> = text.lines().map(|line| line.contains(r#""direction":"internal""#)).collect();
        assert_eq!(ways, [true, false], "{text}");
    }

    fn dns() -> Arc<Verdict> {
        let app = AppProto { app: App::Dns, sides: Sides::Both, strength: Strength::Strong };
        let context = evidence::Context::bare(Outcome::TwoWay, PortStatus::Active);
        Arc::new(judge(evidence::gather(udp(53, 1, 1), app, &context)))
    }

    fn stats(_: usize) -> Note {
        Note::Stats(Box::default())
    }

    fn pen(outputs: &[Lines]) -> Pen {
        Pen {
            batches: outputs.iter().map(|_| Batch::default()).collect(),
            inputs: Vec::new(),
            live: true,
            host: None,
            extra: ExtraPlacement::default(),
        }
    }

    /// One whose thread begins when it is told to, with room for one batch.
    fn scribe(outputs: Vec<Lines>, leave: Option<Leave>) -> (Scribe, Sender<()>) {
        let outputs = Arc::new(outputs);
        let (theirs, (queue, notes), (go, may_go)) = (Arc::clone(&outputs), bounded(1), bounded::<()>(1));
        let (back, written) = bounded(1);
        let pen = pen(&outputs);
        let thread = thread::spawn(move || {
            may_go.recv().unwrap();
            pen.write_all(&theirs, &notes, &back);
        });
        let internal = Rules::builtin().internal().clone();
        let (batch, spent) = (Vec::new(), Vec::new());
        let hand = Hand::Another { queue, written, thread };
        (Scribe { outputs, batch, internal, hand, spent, leave }, go)
    }

    #[test]
    fn a_scribe_that_is_behind_costs_a_live_run_lines_that_are_counted_and_little_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        let (say, said) = bounded(9);
        let open = |spec: &str| {
            let target = Target::parse(&format!("{spec}:{}", path.display())).unwrap();
            let say = say.clone();
            Lines::open(&target, Pace::Live, Arc::new(move |what: &str| say.send(what.to_owned()).unwrap()))
                .unwrap()
        };
        // OCSF has no line for what is sent, so it cannot lose any.
        let (mut scribe, go) =
            scribe(vec![open("eve"), open("ocsf"), open("eve[alert]")], Some(Leave::new()));
        let begun = Instant::now();
        (0..BATCH_NOTES * 10).map(stats).for_each(|note| scribe.write(note));
        // Nothing saved is left after the first, and little comes in so short a time.
        assert!(begun.elapsed() < Leave::MAX * 40, "{:?}", begun.elapsed());
        let counters = |scribe: &Scribe, at: usize| scribe.outputs[at].counters();
        assert_eq!(counters(&scribe, 0).lost, 9 * BATCH_NOTES as u64);
        assert_eq!((counters(&scribe, 1).sent, counters(&scribe, 2).sent), (0, 0));
        assert_eq!(scribe.lost(), 9 * BATCH_NOTES as u64);
        let said: Vec<_> = said.try_iter().collect();
        assert!(
            said.len() == 1 && said[0].ends_with("more lines than could be made in time; 64 so far"),
            "{said:?}"
        );
        go.send(()).unwrap();
        let outputs = scribe.end();
        outputs.iter().for_each(Lines::flush);
        assert_eq!(outputs[0].counters().sent, 10 * BATCH_NOTES as u64);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), BATCH_NOTES);
    }

    #[test]
    fn what_is_over_and_what_is_replayed_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        for leave in [None, Some(Leave::new())] {
            let target = Target::file(Format::Eve, &path);
            let lines = Lines::open(&target, Pace::Replay, Arc::new(|_: &str| {})).unwrap();
            let (mut scribe, go) = scribe(vec![lines], leave);
            scribe.take_all();
            let late = thread::spawn(move || {
                thread::sleep(Leave::MAX * 4);
                go.send(()).unwrap();
            });
            (0..BATCH_NOTES * 10 + 1).map(stats).for_each(|note| scribe.write(note));
            for lines in scribe.end() {
                let counters = lines.close().unwrap();
                assert_eq!((counters.sent, counters.lost), (10 * BATCH_NOTES as u64 + 1, 0));
            }
            late.join().unwrap();
        }
    }
}
