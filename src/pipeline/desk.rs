//! What is said, to whom: lines to the outputs, the table to a terminal, words to standard error, packets to
//! `-w`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::crew::Moment;
use super::judge::Judge;
use super::recorder::Wanted;
use super::scribe::{self, Note, Scribe};
use super::standing::Standing;
use super::{Config, Error, Input, Terminal};
use crate::capture::{Burst, Damage};
use crate::output::{self, Findings, Look};
use crate::rules::{Alert, Internal, Severity};
use crate::sink::{self, Keep, Lines, Pace};
use crate::time::Timestamp;
use crate::verdict::Verdict;
use crate::wire::Skip;

/// How long a live run that is told nothing else waits for its outputs at the end.
const PATIENCE: Duration = Duration::from_secs(5);
/// What each output has at least, after one that used up the time of all.
const PATIENCE_MIN: Duration = Duration::from_millis(250);
/// How long a replay gathers lines at most before somebody who watches sees them.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Desk {
    scribe: Scribe,
    inputs: Vec<String>,
    live: bool,
    /// How long the outputs are waited for at the end.
    patience: Option<Duration>,
    flows: bool,
    ports: bool,
    terminal: Option<Terminal>,
    alerts: u64,
    worst: Option<Severity>,
    findings: Findings,
    /// What `-w` is to write.
    pub(super) wanted: Option<Wanted>,
    stats_every: Option<Duration>,
    stats_at: Instant,
    /// When lines were handed over last.
    told_at: Instant,
    clock: Timestamp,
}

impl Desk {
    /// Opens all outputs.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub(super) fn open(config: &Config, inputs: &[String], internal: Internal) -> Result<Self, Error> {
        let live = matches!(config.input, Input::Live(..));
        let pace = if live { Pace::Live } else { Pace::Replay };
        let keep = Keep { pace, spool: config.spool.clone() };
        let open = |target| Lines::open(target, keep.clone(), Arc::new(|what: &str| say(what)));
        let outputs = config.targets.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        for (folder, output) in
            config.spool.iter().flat_map(|spool| sink::left_behind(spool, &config.targets))
        {
            let output = output
                .map_or_else(|| "an output".to_owned(), |output| output::clean(&output, 200).into_owned());
            say(&format!(
                "the spool {} has lines of a former run for {output}, which this run does not have; it keeps them",
                folder.display(),
            ));
        }
        Ok(Self {
            scribe: Scribe::start(config, inputs, outputs, internal)?,
            inputs: inputs.to_vec(),
            live,
            // Live, a reader that is stuck must not keep us from ending; in replay everything is said.
            patience: config.drain.or(live.then_some(PATIENCE)),
            flows: config.flows,
            ports: config.ports,
            terminal: config.terminal,
            alerts: 0,
            worst: None,
            findings: Findings::new(),
            wanted: config.write.is_some().then(Wanted::default),
            stats_every: (live && !config.stats_interval.is_zero()).then_some(config.stats_interval),
            stats_at: Instant::now(),
            told_at: Instant::now(),
            clock: Timestamp::MIN,
        })
    }

    /// A flow that an alert stands for, whether or not that is said now.
    pub(super) fn alerted(&mut self, verdict: &Verdict) {
        if let Some(wanted) = &mut self.wanted {
            wanted.add(&verdict.evidence.flow);
        }
    }

    /// A line about one flow or many. Gives a verdict of an older one that is not needed any more.
    pub(super) fn alert(&mut self, alert: Alert) -> Option<Arc<Verdict>> {
        self.alerts += 1;
        self.worst = Some(self.worst.map_or(alert.rule.severity, |worst| worst.min(alert.rule.severity)));
        if let Some(terminal) = self.terminal {
            self.findings.add(&alert);
            // Whoever watches an interface wants to see it now, not when the run ends.
            if self.live
                && let Err(error) = output::print(&output::finding(&alert, look(terminal)))
            {
                say(&error.to_string());
            }
        }
        self.scribe.write(Note::Alert(alert));
        self.scribe.spent()
    }

    /// A finished flow. Gives a verdict that is not needed here any more: this one, or an older one.
    pub(super) fn flow(&mut self, verdict: Arc<Verdict>, alerted: bool) -> Option<Arc<Verdict>> {
        if let Some(wanted) = self.wanted.as_mut().filter(|_| alerted) {
            wanted.add(&verdict.evidence.flow);
        }
        if !self.flows {
            return Some(verdict);
        }
        self.scribe.write(Note::Flow { verdict, alerted });
        self.scribe.spent()
    }

    /// What comes now may be the last of the capture, which nothing holds up any more.
    pub(super) fn hear(&mut self, moment: &Moment) {
        if moment.is_over {
            self.scribe.take_all();
        }
    }

    /// The end of a burst: hands lines over, and live says how things stand now and then. False when nobody
    /// reads any more.
    pub(super) fn burst(&mut self, burst: &Burst, judge: &Judge, moment: &Moment) -> bool {
        self.clock = self.clock.max(burst.clock());
        if self.live || burst.waited || self.told_at.elapsed() >= TELL_EVERY {
            self.told_at = Instant::now();
            self.scribe.nudge();
        }
        if self.stats_every.is_some_and(|every| self.stats_at.elapsed() >= every) {
            self.stats_at = Instant::now();
            self.state(judge, moment, &[]);
        }
        !self.scribe.is_gone()
    }

    /// Port lines, where wanted, and one stats line.
    fn state(&mut self, judge: &Judge, moment: &Moment, damage: &[Damage]) {
        if let Some(buckets) = judge.buckets.as_ref().filter(|_| self.ports) {
            for bucket in buckets.ports() {
                let client_flows = buckets.client_flows(bucket.transport, bucket.port);
                self.scribe.write(Note::Port { bucket: Box::new(bucket.clone()), client_flows });
            }
        }
        self.scribe.write(Note::Stats(Box::new(self.standing(judge, moment, damage))));
    }

    fn standing(&self, judge: &Judge, moment: &Moment, damage: &[Damage]) -> Standing {
        Standing::new((self.clock, moment), judge, self.alerts, self.live, damage.len())
    }

    /// HUP: from now on these networks are ours.
    pub(super) fn turn(&mut self, internal: Internal) {
        self.scribe.turn(internal);
    }

    /// HUP: files are opened anew, so that they can be rotated.
    pub(super) fn reopen(&self) {
        self.scribe.reopen();
    }

    /// USR1: the counters, on standard error.
    pub(super) fn counters(&self, judge: &Judge, moment: &Moment) {
        say(&output::counters(&self.standing(judge, moment, &[]).stats(self.scribe.lost())));
    }

    /// The end of the run: the closing records, the table, and what was damaged.
    pub(super) fn close(mut self, judge: &Judge, moment: &Moment, damage: &[Damage]) -> Closing {
        for damage in damage {
            say(&format!("{}: damaged at byte {}: {}", damage.input, damage.offset, damage.what));
        }
        say_strange_links(&self.inputs, moment);
        self.state(judge, moment, damage);
        let standing = self.standing(judge, moment, damage);
        let outputs = self.scribe.end();
        if let (Some(terminal), Some(buckets)) = (self.terminal, &judge.buckets) {
            let stats = standing.stats(scribe::lost(&outputs));
            let picture = output::render(buckets, &self.findings, &stats, look(terminal));
            if let Err(error) = output::print(&picture) {
                say(&error.to_string());
            }
        }
        let mut lost_lines = false;
        let ending = Instant::now();
        for lines in outputs {
            // One limit for all: while the first is waited for, the others go on.
            let left = |patience: Duration| patience.saturating_sub(ending.elapsed()).max(PATIENCE_MIN);
            let closed = match self.patience {
                Some(patience) => lines.close_within(left(patience)),
                None => lines.close(),
            };
            if let Err(error) = closed {
                say(&error.to_string());
                lost_lines = true;
            }
        }
        Closing { worst: self.worst, wanted: self.wanted, lost_lines }
    }
}

fn look(terminal: Terminal) -> Look {
    Look { width: terminal.width, color: terminal.color, names: terminal.names, ..Look::default() }
}

/// What is left when the desk is closed.
#[derive(Default)]
pub(super) struct Closing {
    pub(super) worst: Option<Severity>,
    pub(super) wanted: Option<Wanted>,
    pub(super) lost_lines: bool,
}

/// Frames of a link type that is not followed are no damage, but a whole capture of them shows nothing
/// otherwise.
fn say_strange_links(inputs: &[String], moment: &Moment) {
    let count = moment.totals.skips.of(Skip::LinkType);
    if count == 0 {
        return;
    }
    let name = |input: u16| inputs.get(usize::from(input)).map_or("?", String::as_str);
    let strange = &moment.totals.strange_links;
    let links: Vec<String> =
        strange.iter().map(|&(input, link)| format!("{}: link type {}", name(input), link.0)).collect();
    let more = if strange.is_full() { ", and maybe more" } else { "" };
    say(&format!(
        "{count} frames were skipped because their link type is not followed ({}{more}); \
         https://www.tcpdump.org/linktypes.html names the numbers",
        links.join(", ")
    ));
}

/// One line to a person, on standard error.
pub(super) fn say(what: &str) {
    output::say::note(what);
}
