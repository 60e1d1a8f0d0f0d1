//! One worker: decodes every frame, follows the flows of its shards, and asks `payload` what they speak.

use arrayvec::ArrayVec;

use super::crew::Events;
use crate::capture::{Burst, LinkType};
use crate::flow::{self, Ears, Event, Flow, Keep, Opened, Order, Said, Table};
use crate::payload::{self, App, AppProto, Carrier, Details};
use crate::time::Timestamp;
use crate::wire::{Decoder, Limits, Packet, Scratch, Skip, Skips, Transport};

/// Packets folded at a time: enough to hide memory latency, few enough to stay in the first-level cache.
const CHUNK_PACKETS: usize = 64;

/// What happened to a flow, payload already asked about.
#[derive(Debug)]
pub(super) enum Happening {
    /// Its first packet.
    Opened(Opened),
    /// Enough was said to judge it.
    Heard(Box<Flow>, AppProto, Option<Box<Details>>),
    /// A control conversation went on.
    Said(Said<AppProto>),
    /// It is over.
    Closed(Box<Flow>, AppProto, Option<Box<Details>>),
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
}

impl Totals {
    /// Adds another worker's. Frames are counted by the first only, since every worker sees all of them.
    pub(super) fn add(&mut self, other: &Self) {
        if self.frames == 0 {
            self.frames = other.frames;
            self.bytes = other.bytes;
            self.skips = other.skips.clone();
            self.strange_links = other.strange_links.clone();
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
    events: Vec<(Order, Event<AppProto>)>,
    clock: Timestamp,
    totals: Totals,
}

impl Worker {
    /// Worker `index` of `workers`.
    pub(super) fn new(config: &flow::Config, index: usize, workers: usize) -> Self {
        Self {
            decoder: Decoder::new(Limits::default()),
            table: Table::new(config, index, workers),
            events: Vec::new(),
            clock: Timestamp::MIN,
            totals: Totals::default(),
        }
    }

    /// Decodes the burst, folds its packets into flows, lets time pass, and returns what happened.
    pub(super) fn fold(&mut self, burst: &Burst) -> Events {
        let scratch = Scratch::new();
        let mut packets: Vec<Packet<'_>> = Vec::with_capacity(CHUNK_PACKETS * 2);
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
                self.table.update(&packets, &mut Listener, &mut self.events);
                packets.clear();
            }
        }
        self.table.update(&packets, &mut Listener, &mut self.events);
        self.clock = self.clock.max(burst.clock());
        self.table.expire(self.clock, &mut self.events);
        self.happenings()
    }

    /// Ends all flows.
    pub(super) fn finish(&mut self) -> Events {
        self.table.finish(self.clock, &mut self.events);
        self.happenings()
    }

    /// What was counted so far.
    pub(super) fn totals(&self) -> Totals {
        Totals { flows: self.table.counters(), ..self.totals.clone() }
    }

    fn happenings(&mut self) -> Events {
        let mut happenings = Vec::with_capacity(self.events.len());
        for (order, event) in self.events.drain(..) {
            let happening = match event {
                Event::Opened(opened) => Happening::Opened(opened),
                Event::Heard(flow, app) => {
                    let details = details(&flow, app);
                    Happening::Heard(flow, app, details)
                }
                Event::Said(said) => Happening::Said(said),
                Event::Closed(flow, app) => {
                    // Too little was said for it to be heard while it lived.
                    let app = if app.app == App::Unknown { recognise(&flow) } else { app };
                    let details = details(&flow, app);
                    Happening::Closed(flow, app, details)
                }
            };
            happenings.push((order, happening));
        }
        happenings
    }
}

/// Answers the table when it asks what a flow speaks.
struct Listener;

impl Ears<AppProto> for Listener {
    fn hear(&mut self, flow: &Flow) -> (AppProto, Keep) {
        let heard = recognise(flow);
        let keep = match heard.app {
            App::Unknown => Keep::Listen,
            app if payload::goes_on(app, &flow.head_orig.bytes, &flow.head_resp.bytes) => Keep::Tap,
            _ => Keep::Release,
        };
        (heard, keep)
    }
}

fn recognise(flow: &Flow) -> AppProto {
    payload::recognise(carrier(flow.transport), &flow.head_orig.bytes, &flow.head_resp.bytes)
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
