//! `-w`: the packets of alerting flows, for somebody to look at.
//!
//! In replay the capture is read a second time, because an alert comes after the packets it is about; every
//! frame of an alerting flow is written, from its first packet to its last. Live there is no second time: the
//! burst that raised the alert and everything after it is written.

use std::collections::HashMap;

use super::desk::say;
use super::{Config, Error, Input};
use crate::capture::{self, Burst, Files, Filled, Frame, PcapngWriter, Source};
use crate::flow::Flow;
use crate::sink;
use crate::time::Timestamp;
use crate::wire::{Decoder, Endpoint, Limits, Packet, Scratch, Transport};

/// Flows whose packets are wanted; the oldest wish stays, later ones beyond this are counted.
const FLOWS_MAX: usize = 65_536;

type Key = (Transport, Endpoint, Endpoint);

/// Which frames are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    spans: HashMap<Key, Vec<(Timestamp, Timestamp)>>,
    count: usize,
    /// Flows that were not taken because the list was full.
    pub(super) refused: u64,
}

impl Wanted {
    /// Wants the frames of this flow, from its start to its end (open end while it lives).
    pub(super) fn add(&mut self, flow: &Flow) {
        if self.count >= FLOWS_MAX {
            self.refused += 1;
            return;
        }
        let end = if flow.ended.is_some() { flow.end } else { Timestamp::MAX };
        let spans = self.spans.entry(key(flow.transport, flow.originator, flow.responder)).or_default();
        match spans.iter_mut().find(|(start, _)| *start == flow.start) {
            Some(span) => span.1 = end,
            None => {
                spans.push((flow.start, end));
                self.count += 1;
            }
        }
    }

    /// True when no flow is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    fn has(&self, packet: &Packet<'_>) -> bool {
        let spans = self.spans.get(&key(packet.transport, packet.src, packet.dst));
        spans.is_some_and(|spans| spans.iter().any(|(start, end)| (*start..=*end).contains(&packet.time)))
    }
}

fn key(transport: Transport, one: Endpoint, other: Endpoint) -> Key {
    (transport, one.min(other), one.max(other))
}

/// The recording of a run; does nothing without `-w`.
pub(super) struct Tape {
    recorder: Option<Recorder>,
    live: bool,
}

impl Tape {
    /// Makes the file, so that a mistake in its name is said before anything is read.
    ///
    /// # Errors
    /// The file cannot be made, or the input can be read only once.
    pub(super) fn start(config: &Config, live: bool) -> Result<Self, Error> {
        let Some(path) = &config.write else { return Ok(Self { recorder: None, live }) };
        if let Input::Replay(specs) = &config.input
            && specs.iter().any(|spec| spec == "-")
        {
            return Err(unreadable(
                "-",
                "-w reads its input twice, and standard input can be read once: save it first",
            ));
        }
        let writer = PcapngWriter::create(path)
            .map_err(|error| sink::Error::Open { path: path.clone(), why: error })?;
        Ok(Self { recorder: Some(Recorder::new(writer)), live })
    }

    /// Live: writes what is wanted of this burst.
    pub(super) fn follow(&mut self, burst: &Burst, wanted: Option<&Wanted>) {
        if let (true, Some(recorder), Some(wanted)) = (self.live, &mut self.recorder, wanted)
            && !wanted.is_empty()
            && let Err(error) = recorder.burst(burst, wanted)
        {
            say(&format!("-w: {error}; no more packets are written"));
            self.recorder = None;
        }
    }

    /// Replay: reads the input again and writes what is wanted. Completes the file.
    pub(super) fn finish(self, config: &Config, wanted: Option<&Wanted>) {
        let (Some(mut recorder), Some(wanted)) = (self.recorder, wanted) else { return };
        let again = if self.live { Ok(()) } else { recorder.again(config, wanted) };
        let written = recorder.written;
        match again.and_then(|()| recorder.writer.finish().map(drop)) {
            Ok(()) if wanted.refused > 0 => {
                say(&format!(
                    "-w: {written} packets; {} alerting flows were too many to remember",
                    wanted.refused
                ));
            }
            Ok(()) => {}
            Err(error) => say(&format!("-w: {error} after {written} packets")),
        }
    }
}

fn unreadable(input: &str, why: &str) -> Error {
    capture::Error::Unreadable { input: input.to_owned(), why: why.to_owned() }.into()
}

/// Writes wanted frames.
struct Recorder {
    decoder: Decoder,
    writer: PcapngWriter,
    clock: Timestamp,
    written: u64,
}

impl Recorder {
    fn new(writer: PcapngWriter) -> Self {
        Self { decoder: Decoder::new(Limits::default()), writer, clock: Timestamp::MIN, written: 0 }
    }

    fn again(&mut self, config: &Config, wanted: &Wanted) -> std::io::Result<()> {
        let Input::Replay(specs) = &config.input else { return Ok(()) };
        if wanted.is_empty() {
            return Ok(());
        }
        let mut source = Files::open(specs, config.filter.as_deref()).map_err(std::io::Error::other)?;
        let mut burst = Burst::new();
        while source.fill(&mut burst).map_err(std::io::Error::other)? != Filled::End {
            self.burst(&burst, wanted)?;
        }
        Ok(())
    }

    /// Writes the frames of a burst that are wanted.
    fn burst(&mut self, burst: &Burst, wanted: &Wanted) -> std::io::Result<()> {
        let scratch = Scratch::new();
        let mut packets = Vec::new();
        for frame in burst.frames() {
            self.clock = self.clock.max(frame.time);
            packets.clear();
            let decoded = self.decoder.decode(&frame, self.clock, &scratch, &mut packets).is_ok();
            if decoded && packets.iter().any(|packet| wanted.has(packet)) {
                self.frame(&frame)?;
            }
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>) -> std::io::Result<()> {
        self.writer.write(frame)?;
        self.written += 1;
        Ok(())
    }
}
