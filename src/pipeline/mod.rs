//! The road on one screen: source → workers → judge → desk → scribe, with reload, shutdown and statistics. It
//! knows no protocol.
//!
//! Invariants: what is said depends on the packets and the configuration only, never on threads or on the
//! time of day; full queues make the reader wait, or what they cannot take is counted; a reload that fails
//! leaves everything as it was.

mod control;
mod crew;
mod desk;
mod judge;
mod progress;
mod recorder;
mod scribe;
mod standing;
mod worker;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use crate::capture::{self, Damage, Files, Live, LiveOptions, Source};
use crate::flow;
use crate::output::ExtraPlacement;
use crate::registry::{self, Registry};
use crate::rules::{self, Alert, Gathering, Rules, Severity};
use crate::sink::{self, Spooling, Target};
use crate::verdict::Verdict;
use crate::wire::Skip;

pub use control::now;
use control::{Command, Control};
use crew::Moment;
use desk::Desk;
use desk::say;
use judge::{Judge, Sought};
use progress::Bar;
use recorder::Tape;
use worker::{Spent, Worker};

/// Batches of judged flows on their way back to the workers: 10 MB at most.
const SPENT_BATCHES_MAX: usize = 8;

/// Where frames come from.
#[derive(Clone, Debug)]
pub enum Input {
    /// Capture files, directories, globs, `-`.
    Replay(Vec<String>),
    /// Interfaces.
    Live(Vec<String>, LiveOptions),
}

/// How the table on a terminal looks.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// With colours, where the terminal has them.
    pub color: bool,
    /// With registered names.
    pub names: bool,
    /// Columns.
    pub width: u16,
}

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where frames come from.
    pub input: Input,
    /// BPF filter expression.
    pub filter: Option<String>,
    /// Threads that follow flows, at least 1.
    pub workers: usize,
    /// Flow tracking limits and timeouts.
    pub flow: flow::Config,
    /// Where lines go.
    pub targets: Vec<Target>,
    /// Where lines for a receiver are kept until it has them; `None` for memory only.
    pub spool: Option<Spooling>,
    /// How long outputs are waited for at the end, all together; `None` for the default, which is 5 s live
    /// and no limit in replay.
    pub drain: Option<Duration>,
    /// A table on standard output at the end.
    pub terminal: Option<Terminal>,
    /// A line for every finished flow.
    pub flows: bool,
    /// A line for every responder port.
    pub ports: bool,
    /// Packets of alerting flows go here.
    pub write: Option<PathBuf>,
    /// Name of the sensor.
    pub host: Option<String>,
    /// Where our own data stands in EVE lines.
    pub extra: ExtraPlacement,
    /// Between `stats` lines, live; zero for none.
    pub stats_interval: Duration,
    /// How alerts about the same thing are gathered.
    pub gathering: Gathering,
    /// Look up the local process behind a responder, live.
    pub ask_host: bool,
    /// Show progress on standard error.
    pub progress: bool,
    /// Errors only on standard error.
    pub quiet: bool,
    /// More on standard error.
    pub verbose: u8,
    /// Rules added to the built-in ones.
    pub add_rules: Vec<PathBuf>,
    /// Rules used instead of the built-in ones.
    pub only_rules: Vec<PathBuf>,
    /// Claims added to the built-in ones.
    pub claims: Vec<PathBuf>,
}

impl Config {
    /// A replay that says nothing but what goes wrong, with these claims added and defaults for the rest.
    #[must_use]
    pub fn silent(captures: &[String], claims: &[PathBuf]) -> Self {
        Self {
            input: Input::Replay(captures.to_vec()),
            filter: None,
            workers: 1,
            flow: flow::Config::default(),
            targets: Vec::new(),
            spool: None,
            drain: None,
            terminal: None,
            flows: false,
            ports: false,
            write: None,
            host: None,
            extra: ExtraPlacement::default(),
            stats_interval: Duration::ZERO,
            ask_host: false,
            progress: false,
            quiet: true,
            verbose: 0,
            add_rules: Vec::new(),
            only_rules: Vec::new(),
            claims: claims.to_vec(),
            gathering: Gathering::default(),
        }
    }
}

impl Config {
    /// Lines that were asked for and nobody will see, each in a sentence. A table shows ports in any case.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let flows = ("--flows", "flow", self.flows);
        let ports = ("--ports", "port", self.ports && self.terminal.is_none());
        let is_unheard = |event: &str| !self.targets.iter().any(|target| target.takes(event, None));
        let doubts = [flows, ports].into_iter().filter(|&(_, event, wanted)| wanted && is_unheard(event));
        let doubt = |(option, event, _)| {
            let without = self.targets.iter().find(|target| !target.format.carries(event));
            let why = without.map(|target| format!(" ({} has none)", target.format.name()));
            format!("{option} shows nothing: no output takes {event} lines{}", why.unwrap_or_default())
        };
        doubts.map(doubt).collect()
    }
}

/// Why a run did not take place or did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to read, or no way to read it.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// A file of claims has a mistake.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A rule file has a mistake.
    #[error(transparent)]
    Rules(#[from] rules::Error),
    /// An output cannot be opened.
    #[error(transparent)]
    Output(#[from] sink::Error),
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Inputs that were to be read.
    pub inputs: usize,
    /// What was damaged in them.
    pub damage: Vec<Damage>,
    /// The most severe finding.
    pub worst: Option<Severity>,
    /// True when a live source failed before it was told to stop.
    pub lost_source: bool,
    /// True when there were frames and all of them were of link types that are not followed: nothing was
    /// understood.
    pub nothing_followed: bool,
    /// True when an output could not take every line.
    pub lost_lines: bool,
}

/// What is known beforehand: claims and rules.
#[derive(Clone, Debug)]
pub struct Knowledge {
    registry: Arc<Registry>,
    rules: Arc<Rules>,
}

impl fmt::Display for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rules, {} claims about ports", self.rules.len(), self.registry.len())
    }
}

/// Loads claims and rules, as a run and `-T` do.
///
/// # Errors
/// A file with a mistake, with file:line:column.
pub fn load(config: &Config) -> Result<Knowledge, Error> {
    let registry = Arc::new(Registry::load(&config.claims)?);
    let only = (!config.only_rules.is_empty()).then_some(config.only_rules.as_slice());
    let rules = Arc::new(Rules::load(&config.add_rules, only)?);
    Ok(Knowledge { registry, rules })
}

/// Reads the input to its end (or until told to stop) and says what was found.
///
/// # Errors
/// Nothing was read: a mistake in rules, an input or an output that cannot be opened.
pub fn run(config: &Config) -> Result<Report, Error> {
    follow(config, None).map(|(report, ..)| report)
}

/// What a replay said of one flow.
#[derive(Debug)]
pub struct Found {
    /// Every verdict about it, in the order in which they were given; the last one is about the whole flow.
    pub verdicts: Vec<Arc<Verdict>>,
    /// Alerts about it.
    pub alerts: Vec<Alert>,
    /// Names of the inputs, indexed by [`crate::flow::Flow::input`].
    pub inputs: Vec<String>,
    /// How the run ended.
    pub report: Report,
}

/// Reads the input to its end and remembers what was said of the flow of this id.
///
/// # Errors
/// As [`run`].
pub fn seek(config: &Config, flow: u64) -> Result<Found, Error> {
    let (report, sought, inputs) = follow(config, Some(flow))?;
    let (verdicts, alerts) = sought.map(|sought| (sought.verdicts, sought.alerts)).unwrap_or_default();
    Ok(Found { verdicts, alerts, inputs, report })
}

fn follow(config: &Config, sought: Option<u64>) -> Result<(Report, Option<Sought>, Vec<String>), Error> {
    let knowledge = load(config)?;
    let mut sources = open(config)?;
    let inputs = sources.first().map(|source| source.inputs().to_vec()).unwrap_or_default();
    if !config.quiet {
        config.doubts().iter().for_each(|doubt| say(doubt));
    }
    let mut desk = Desk::open(config, &inputs, knowledge.rules.internal().clone())?;
    let live = matches!(config.input, Input::Live(..));
    if config.verbose > 0 {
        say(&format!("{knowledge}; inputs: {}; workers: {}", inputs.len(), config.workers.max(1)));
    }
    let with_buckets = config.ports || config.terminal.is_some();
    let (spent_in, spent_out) = bounded(SPENT_BATCHES_MAX);
    let mut judge = Judge::new(knowledge, config.gathering, with_buckets, live && config.ask_host, spent_in);
    judge.sought = sought.map(|flow| Sought { flow, verdicts: Vec::new(), alerts: Vec::new() });
    let mut tape = Tape::start(config, live)?;
    let control = Control::start();
    let mut bar = Bar::new(config.progress && !live);
    let mut last = Moment::default();
    if live && !config.quiet {
        say(&format!("watching {}; Ctrl-C ends", inputs.join(", ")));
    }

    let workers = workers(config, sources.len(), &spent_out);
    let ended = crew::run(&mut sources, workers, &control.stop, &mut |burst, events, moment| {
        desk.hear(moment);
        judge.hear_all(events, &mut desk);
        // In replay only what happens to flows moves the clock: where a burst ends is no part of the order.
        if live {
            judge.until(burst.clock(), &mut desk);
        }
        for command in control.commands.try_iter() {
            match command {
                Command::Reload => reload(config, &mut judge, &mut desk),
                Command::Counters => desk.counters(&judge, moment),
            }
        }
        tape.follow(burst, desk.wanted.as_ref());
        bar.show(&moment.progress, burst.len());
        last.clone_from(moment);
        desk.burst(burst, &judge, moment)
    });
    bar.clear();
    if config.verbose > 0 {
        desk.counters(&judge, &last);
    }
    if config.verbose > 1 {
        inputs.iter().for_each(|input| say(&format!("read: {input}")));
    }
    if let Err(error) = &ended {
        say(&error.to_string());
    }
    last.is_over = true;
    desk.hear(&last);
    judge.finish(&mut desk);
    let damage: Vec<Damage> = sources.iter().flat_map(|source| source.damage()).cloned().collect();
    let closing = desk.close(&judge, &last, &damage);
    tape.finish(config, closing.wanted.as_ref());
    let (frames, skips) = (last.totals.frames, &last.totals.skips);
    let report = Report {
        inputs: inputs.len(),
        damage,
        worst: closing.worst,
        lost_source: ended.is_err(),
        nothing_followed: frames > 0 && skips.of(Skip::LinkType) == frames,
        lost_lines: closing.lost_lines,
    };
    Ok((report, judge.sought, inputs))
}

/// One source, or live one for each worker.
fn open(config: &Config) -> Result<Vec<Box<dyn Source>>, Error> {
    let filter = config.filter.as_deref();
    Ok(match &config.input {
        Input::Replay(specs) => vec![Box::new(Files::open(specs, filter)?)],
        Input::Live(interfaces, options) => {
            let options = LiveOptions { filter: config.filter.clone(), ..options.clone() };
            let lives = Live::several(interfaces, &options, config.workers)?;
            if config.verbose > 0 {
                lives.iter().take(1).flat_map(Live::ways).for_each(|way| say(way));
            }
            lives.into_iter().map(|live| Box::new(live) as Box<dyn Source>).collect()
        }
    })
}

fn workers(config: &Config, sources: usize, spent: &Receiver<Spent>) -> Vec<Worker> {
    let workers = config.workers.max(1);
    let worker = |index| match sources {
        0 | 1 => Worker::new(&config.flow, index, workers, spent.clone()),
        _ => Worker::apart(&config.flow, workers, spent.clone()),
    };
    (0..workers).map(worker).collect()
}

/// HUP: outputs are opened anew, rules and claims are loaded anew; a mistake in them leaves the old ones in
/// force.
fn reload(config: &Config, judge: &mut Judge, desk: &mut Desk) {
    desk.reopen();
    match load(config) {
        Ok(knowledge) => {
            say(&format!("reloaded: {knowledge}"));
            desk.turn(knowledge.rules.internal().clone());
            judge.knowledge = knowledge;
        }
        Err(error) => say(&format!("not reloaded, the old rules stay in force: {error}")),
    }
}
