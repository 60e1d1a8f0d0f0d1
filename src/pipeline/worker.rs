//! One worker: decodes every frame, follows the flows of its shards, and asks `payload` what they speak.

use arrayvec::ArrayVec;

use super::crew::Events;
use crate::capture::{Burst, LinkType};
use crate::flow::{self, Ears, Event, Flow, Keep, Opened, Order, Said, Table};
use crate::payload::{self, App, AppProto, Carrier, Meeting, Speech};
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
    Heard(Box<Flow>, AppProto),
    /// It announced meeting places.
    Announced(Vec<Meeting>),
    /// It is over.
    Closed(Box<Flow>, AppProto),
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
    /// Link types that are not followed, the first few.
    pub(super) strange_links: ArrayVec<LinkType, 8>,
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
    fn note_link(&mut self, link: LinkType) {
        if !self.strange_links.contains(&link) {
            // The first few are enough to say what is the matter.
            let _ = self.strange_links.try_push(link);
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
                self.totals.note_link(frame.link);
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
                    let meetings = announced_in_heads(&flow, app.app);
                    if !meetings.is_empty() {
                        happenings.push((order, Happening::Announced(meetings)));
                    }
                    Happening::Heard(flow, app)
                }
                Event::Said(said) => {
                    let meetings = announced_by(&said);
                    if meetings.is_empty() {
                        continue;
                    }
                    Happening::Announced(meetings)
                }
                Event::Closed(flow, app) => {
                    // Too little was said for it to be heard while it lived.
                    let app = if app.app == App::Unknown { recognise(&flow) } else { app };
                    Happening::Closed(flow, app)
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
            app if app.announces() => Keep::Tap,
            _ => Keep::Release,
        };
        (heard, keep)
    }
}

fn recognise(flow: &Flow) -> AppProto {
    payload::recognise(carrier(flow.transport), &flow.head_orig.bytes, &flow.head_resp.bytes)
}

const fn carrier(transport: Transport) -> Carrier {
    match transport {
        Transport::Tcp | Transport::Sctp => Carrier::Stream,
        Transport::Udp => Carrier::Datagram,
    }
}

/// Meeting places named in what was kept of both sides when the flow was heard.
fn announced_in_heads(flow: &Flow, app: App) -> Vec<Meeting> {
    let mut meetings = Vec::new();
    if app.announces() {
        let sides = [(&flow.head_orig, true), (&flow.head_resp, false)];
        for (head, from_originator) in sides {
            let (speaker, listener) = if from_originator {
                (flow.originator.addr, flow.responder.addr)
            } else {
                (flow.responder.addr, flow.originator.addr)
            };
            let carrier = carrier(flow.transport);
            let speech = Speech { carrier, bytes: &head.bytes, from_originator, speaker, listener };
            payload::announce(app, &speech, &mut meetings);
        }
    }
    meetings
}

/// Meeting places named in one packet of a tapped flow.
fn announced_by(said: &Said<AppProto>) -> Vec<Meeting> {
    let mut meetings = Vec::new();
    let speech = Speech {
        carrier: carrier(said.transport),
        bytes: &said.bytes,
        from_originator: said.from_originator,
        speaker: said.speaker.addr,
        listener: said.listener.addr,
    };
    payload::announce(said.note.app, &speech, &mut meetings);
    meetings
}
