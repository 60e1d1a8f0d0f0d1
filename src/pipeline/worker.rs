//! One worker: decodes every frame, follows the flows of its shards, and asks `payload` what they speak.

use std::collections::VecDeque;
use std::mem;

use arrayvec::ArrayVec;
use crossbeam_channel::Receiver;

use super::crew::Events;
use crate::capture::{Burst, LinkType};
use crate::flow::{self, Ears, Event, Flow, Keep, Living, Table, Told};
use crate::payload::{self, App, AppProto, Carrier, Details};
use crate::time::Timestamp;
use crate::wire::{Decoder, Limits, Packet, Scratch, Skip, Skips, Transport};

/// Packets folded at a time: enough to hide memory latency, few enough to stay in the first-level cache.
const CHUNK_PACKETS: usize = 64;

/// What the judge is done with, for its memory: what one thread allocates and another frees takes longer than
/// filling it.
#[derive(Debug)]
pub(super) struct Spent {
    #[expect(clippy::vec_box, reason = "what goes back is the memory behind the box")]
    pub(super) flows: Vec<Box<Flow>>,
    /// Empty.
    pub(super) events: Events,
}

/// What happened to a flow, payload already asked about.
pub(super) type Happening = Event<AppProto, Option<Box<Details>>>;

/// A part of the end of the input, in the order in which parts are told: first what was due, then what
/// became of every flow that is still open, then these flows, each time by the frames they began with. The
/// same for any number of workers.
///
/// In parts because a flow in full is ten times as large as in the table: telling a million at once took
/// 500 MB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Due,
    Outcomes(u64),
    Flows(u64),
}

/// Empty lists for events that are kept.
const LISTS_MAX: usize = 4;
/// Events for which an empty list may have room: one that held the timeouts of a whole table is let go.
const LIST_EVENTS_MAX: usize = 16_384;
/// Flows for which memory is at hand, where it came back: more than most bursts end.
const SPARE_FLOWS: usize = 4096;
/// Frames whose flows make one part of the end: about 2 MB of flows at most, which stay in the cache until
/// they are judged.
const PART_FRAMES: u64 = 4096;

/// The flows that are open when the input ends, and how much of it has been told.
struct Ending {
    living: Vec<Living>,
    outcomes: usize,
    flows: usize,
}

/// What one worker counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    /// Frames read.
    pub(super) frames: u64,
    /// Bytes of these frames on the wire.
    pub(super) bytes: u64,
    /// What became of them.
    pub(super) skips: Skips,
    /// What the flow tables counted.
    pub(super) flows: flow::Counters,
    /// Inputs with link types that are not followed, the first few.
    pub(super) strange_links: ArrayVec<(u16, LinkType), 8>,
    /// True when no other worker sees the same frames.
    apart: bool,
}

impl Totals {
    /// Adds another worker's. Where every worker sees all frames, they are counted by the first only.
    pub(super) fn add(&mut self, other: &Self) {
        if self.frames == 0 || other.apart {
            self.frames += other.frames;
            self.bytes += other.bytes;
            self.skips.add(&other.skips);
            other.strange_links.iter().for_each(|&(input, link)| self.note_link(input, link));
        }
        self.flows.add(&other.flows);
    }

    #[cold]
    fn note_link(&mut self, input: u16, link: LinkType) {
        if !self.strange_links.contains(&(input, link)) {
            // The first few are enough to say what is the matter.
            let _ = self.strange_links.try_push((input, link));
        }
    }
}

/// See the module.
pub(super) struct Worker {
    decoder: Decoder,
    table: Table<AppProto>,
    events: Told<AppProto, Option<Box<Details>>>,
    spent: Receiver<Spent>,
    /// Lists for events, empty.
    lists: Vec<Events>,
    /// Details of what was heard since the last burst, in the order of their events.
    heard: VecDeque<Heard>,
    clock: Timestamp,
    totals: Totals,
    ending: Option<Ending>,
}

impl Worker {
    /// Worker `index` of `workers`.
    pub(super) fn new(config: &flow::Config, index: usize, workers: usize, spent: Receiver<Spent>) -> Self {
        Self {
            decoder: Decoder::new(Limits::default()),
            table: Table::new(config, index, workers),
            events: Told::default(),
            spent,
            lists: Vec::new(),
            heard: VecDeque::new(),
            clock: Timestamp::MIN,
            totals: Totals::default(),
            ending: None,
        }
    }

    /// A worker with a source of its own, one of so many: it follows every flow that it sees.
    pub(super) fn apart(config: &flow::Config, workers: usize, spent: Receiver<Spent>) -> Self {
        let share = |most: usize| most.div_ceil(workers.max(1));
        let (flows_max, heads_max) = (share(config.flows_max), share(config.heads_max));
        let mut worker = Self::new(&flow::Config { flows_max, heads_max, ..*config }, 0, 1, spent);
        worker.totals.apart = true;
        worker
    }

    /// Decodes the burst, folds its packets into flows, lets time pass, and returns what happened.
    pub(super) fn fold(&mut self, burst: &Burst) -> Events {
        let scratch = Scratch::new();
        let mut packets: Vec<Packet<'_>> = Vec::with_capacity(CHUNK_PACKETS * 2);
        let mut listener = Listener { heard: mem::take(&mut self.heard) };
        for frame in burst.frames() {
            self.clock = self.clock.max(frame.time);
            let outcome = self.decoder.decode(&frame, self.clock, &scratch, &mut packets);
            self.totals.skips.count(outcome);
            if outcome == Err(Skip::LinkType) {
                self.totals.note_link(frame.input, frame.link);
            }
            self.totals.frames += 1;
            self.totals.bytes += u64::from(frame.wire_len);
            if packets.len() >= CHUNK_PACKETS {
                self.table.update(&packets, &mut listener, &mut self.events);
                packets.clear();
            }
        }
        self.table.update(&packets, &mut listener, &mut self.events);
        self.heard = listener.heard;
        self.clock = self.clock.max(burst.clock());
        self.table.expire(self.clock, &mut self.events);
        self.happenings()
    }

    /// Ends all flows, part by part; nothing when all are told.
    pub(super) fn finish(&mut self) -> Option<(Part, Events)> {
        let Some(ending) = &mut self.ending else {
            self.table.expire(self.clock, &mut self.events);
            let living = self.table.living();
            self.ending = Some(Ending { living, outcomes: 0, flows: 0 });
            return Some((Part::Due, self.happenings()));
        };
        if let Some((number, living)) = part(&ending.living, &mut ending.outcomes) {
            self.table.attempts(living, self.clock, &mut self.events);
            return Some((Part::Outcomes(number), self.happenings()));
        }
        let (number, living) = part(&ending.living, &mut ending.flows)?;
        self.table.end(living, self.clock, &mut self.events);
        Some((Part::Flows(number), self.happenings()))
    }

    /// What was counted so far.
    pub(super) fn totals(&self) -> Totals {
        Totals { flows: self.table.counters(), ..self.totals.clone() }
    }

    /// Sees to it that the next flows have memory, as far as some came back.
    fn restock(&mut self) {
        while self.events.spare() < SPARE_FLOWS
            && let Ok(spent) = self.spent.try_recv()
        {
            self.events.reuse(spent.flows);
            // A worker may get back what another one sent, again and again.
            if self.lists.len() < LISTS_MAX && spent.events.capacity() <= LIST_EVENTS_MAX {
                self.lists.push(spent.events);
            }
        }
    }

    /// What was told since this was asked last, with what the payload said beside it.
    fn happenings(&mut self) -> Events {
        for (_, event) in self.events.iter_mut() {
            match event {
                Event::Heard(.., details) => {
                    *details = self.heard.pop_front().and_then(|heard| heard.details);
                }
                Event::Closed(flow, app, said)
                    if !flow.head_orig.bytes.is_empty() || !flow.head_resp.bytes.is_empty() =>
                {
                    // Too little was said for it to be heard while it lived.
                    if app.app == App::Unknown {
                        *app = recognise(flow);
                    }
                    *said = details(flow, *app);
                }
                _ => {}
            }
        }
        self.restock();
        mem::replace(&mut *self.events, self.lists.pop().unwrap_or_default())
    }
}

/// The flows from `at` on that began within one stretch of frames, and its number; moves `at` behind them.
fn part<'a>(living: &'a [Living], at: &mut usize) -> Option<(u64, &'a [Living])> {
    let rest = living.get(*at..)?;
    let number = rest.first()?.frame / PART_FRAMES;
    let part = &rest[..rest.partition_point(|living| living.frame / PART_FRAMES == number)];
    *at += part.len();
    Some((number, part))
}

/// Answers the table when it asks what a flow speaks.
struct Listener {
    heard: VecDeque<Heard>,
}

/// What a hearing brought to light.
#[derive(Debug)]
struct Heard {
    /// The flow and the packets it had: who wants more is asked again about the same packet, and the last
    /// answer counts.
    moment: (u64, u64),
    details: Option<Box<Details>>,
}

impl Listener {
    fn note(&mut self, flow: &Flow, details: Option<Box<Details>>) {
        let moment = (flow.id, flow.orig.packets + flow.resp.packets);
        self.heard.pop_back_if(|last| last.moment == moment);
        self.heard.push_back(Heard { moment, details });
    }
}

impl Ears<AppProto> for Listener {
    fn hear(&mut self, flow: &Flow) -> (AppProto, Keep) {
        let heard = recognise(flow);
        let (orig, resp) = (&flow.head_orig.bytes, &flow.head_resp.bytes);
        let (details, wanted) = Details::read(heard.app, orig, resp);
        self.note(flow, details);
        let keep = match heard.app {
            App::Unknown => Keep::Listen,
            app if payload::goes_on(app, orig, resp) => Keep::Tap,
            _ => wanted.map_or(Keep::Release, Keep::More),
        };
        (heard, keep)
    }

    fn overhear(&mut self, datagram: &[u8]) -> Option<AppProto> {
        payload::overhear(datagram)
    }

    fn wants(&mut self, note: AppProto, payload: &[u8]) -> bool {
        payload::wants(note.app, payload)
    }
}

/// By the first bytes of each side, no matter how many more were kept.
fn recognise(flow: &Flow) -> AppProto {
    let [orig, resp] = [&flow.head_orig, &flow.head_resp].map(|head| head.first());
    payload::recognise(carrier(flow.transport), orig, resp)
}

fn details(flow: &Flow, app: AppProto) -> Option<Box<Details>> {
    Details::of(app.app, &flow.head_orig.bytes, &flow.head_resp.bytes)
}

const fn carrier(transport: Transport) -> Carrier {
    match transport {
        Transport::Tcp | Transport::Sctp => Carrier::Stream,
        Transport::Udp => Carrier::Datagram,
    }
}
