//! What control conversations said so far, as far as the next message needs it: the beginning of a message
//! that a TCP segment left unfinished, and the question that a reply does not repeat.
//!
//! [`super::announce()`] reads one message and forgets it. This keeps a little of each side of each tapped
//! conversation, so that an endpoint mapper's reply over several segments is still read, and a portmapper's
//! reply knows which transport it is about.
//!
//! Invariants: at most `talks_max` sides of conversations with at most [`TAIL_BYTES_MAX`] and
//! [`LAST_BYTES_MAX`] bytes each, the oldest forgotten first; ordered containers only. A message that was
//! lost, doubled or reordered can at worst leave a place unannounced.

use std::collections::{BTreeMap, VecDeque};

use super::announce::smb::{self, Message, Pipe};
use super::announce::{Speech, announce, is_question, unfinished};
use super::app::App;
use super::meeting::Meeting;
use super::recognise::Carrier;
use crate::wire::{Endpoint, Transport};

/// Bytes kept of an unfinished message.
pub const TAIL_BYTES_MAX: usize = 8192;
/// Bytes kept of the last message.
pub const LAST_BYTES_MAX: usize = 512;

/// One side of a conversation.
type Key = (Transport, Endpoint, Endpoint);

/// See the module.
#[derive(Debug)]
pub struct Conversations {
    talks_max: usize,
    talks: BTreeMap<Key, Talk>,
    order: VecDeque<Key>,
}

/// What one side said.
#[derive(Debug, Default)]
struct Talk {
    /// The beginning of a message that is not whole (TCP).
    tail: Vec<u8>,
    /// The beginning of the last message, where replies need their question.
    last: Vec<u8>,
    /// The endpoint mapper's pipe that this side opened (SMB).
    pipe: Option<Box<Pipe>>,
}

/// One message, and who says it to whom.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Transport protocol.
    pub transport: Transport,
    /// Who speaks.
    pub speaker: Endpoint,
    /// Who is spoken to.
    pub listener: Endpoint,
    /// True when the originator speaks, by the direction known now.
    pub from_originator: bool,
    /// The bytes, or as many as were kept.
    pub bytes: &'a [u8],
}

impl Conversations {
    /// Remembers at most this many sides of conversations (at least one).
    #[must_use]
    pub fn new(talks_max: usize) -> Self {
        Self { talks_max: talks_max.max(1), talks: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Adds the meeting places that these words of a conversation in `app` name, and did not name before, to
    /// `out`.
    pub fn hear(&mut self, app: App, words: &Words<'_>, out: &mut Vec<Meeting>) {
        if app == App::Smb {
            self.hear_pipe(words, out);
        } else if app.announces() && !words.bytes.is_empty() {
            self.hear_words(app, words, out);
        }
    }

    /// Reads what the endpoint mapper says on its pipe as if it were said on a connection of its own.
    fn hear_pipe(&mut self, words: &Words<'_>, out: &mut Vec<Meeting>) {
        let asks = (words.transport, words.speaker, words.listener);
        let answers = (words.transport, words.listener, words.speaker);
        for message in smb::messages(words.bytes) {
            if matches!(message, Message::Open { .. }) {
                let known = self.talks.contains_key(&asks);
                self.keep(asks, Talk { pipe: Some(Box::default()), ..Talk::default() }, known);
            }
            let key =
                if matches!(message, Message::Open { .. } | Message::Asks { .. }) { asks } else { answers };
            let pipe = self.talks.get_mut(&key).and_then(|talk| talk.pipe.as_mut());
            let Some((bytes, whole)) = pipe.and_then(|pipe| pipe.hear(message)) else { continue };
            self.hear_words(App::Dcerpc, &Words { bytes, ..*words }, out);
            if !whole && let Some(talk) = self.talks.get_mut(&asks) {
                talk.tail.clear(); // the rest of it will not be heard
            }
        }
    }

    fn hear_words(&mut self, app: App, words: &Words<'_>, out: &mut Vec<Meeting>) {
        let key = (words.transport, words.speaker, words.listener);
        let stream = words.transport != Transport::Udp;
        let mut talk = self.talks.remove(&key);
        let known = talk.is_some();
        let other = self.talks.get(&(words.transport, words.listener, words.speaker));
        let heard = other.map_or(&[][..], |talk| talk.last.as_slice());
        let tail = talk.as_mut().map(|talk| std::mem::take(&mut talk.tail)).unwrap_or_default();
        let said = |bytes: &[u8], out: &mut Vec<Meeting>| {
            let speech = Speech {
                carrier: if stream { Carrier::Stream } else { Carrier::Datagram },
                bytes,
                from_originator: words.from_originator,
                speaker: words.speaker.addr,
                speaker_port: words.speaker.port,
                listener: words.listener.addr,
                heard,
            };
            announce(app, &speech, out);
        };
        let mut next = Talk::default();
        if is_question(app, words.bytes) {
            next.last = words.bytes[..words.bytes.len().min(LAST_BYTES_MAX)].to_vec();
        }
        if tail.is_empty() {
            said(words.bytes, out);
            next.tail = rest(app, stream, words.bytes);
        } else {
            let mut before = Vec::new();
            said(&tail, &mut before);
            let joined = [&tail, words.bytes].concat();
            let from = out.len();
            said(&joined, out);
            let mut place = from;
            while let Some(meeting) = out.get(place) {
                if before.contains(meeting) { drop(out.remove(place)) } else { place += 1 }
            }
            next.tail = rest(app, stream, &joined);
        }
        if known || !(next.tail.is_empty() && next.last.is_empty()) {
            self.keep(key, next, known);
        }
    }

    fn keep(&mut self, key: Key, talk: Talk, known: bool) {
        if !known {
            self.order.push_back(key);
            while self.order.len() > self.talks_max {
                if let Some(oldest) = self.order.pop_front() {
                    self.talks.remove(&oldest);
                }
            }
        }
        self.talks.insert(key, talk);
    }
}

/// What a stream's bytes leave unfinished, unless it is longer than any message that matters.
fn rest(app: App, stream: bool, bytes: &[u8]) -> Vec<u8> {
    let from = if stream { unfinished(app, bytes).min(bytes.len()) } else { bytes.len() };
    if bytes.len() - from > TAIL_BYTES_MAX { Vec::new() } else { bytes[from..].to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(bytes: &[u8]) -> Words<'_> {
        let end = |last: u8, port| Endpoint::new([10, 0, 0, last].into(), port);
        let (speaker, listener) = (end(2, 21), end(1, 40_000));
        Words { transport: Transport::Tcp, speaker, listener, from_originator: false, bytes }
    }

    #[test]
    fn a_reply_over_any_two_segments_is_announced_once() {
        let reply = b"230 ok\r\n227 Entering Passive Mode (10,0,0,2,11,191)\r\n";
        for cut in 1..reply.len() {
            let (mut talks, mut out) = (Conversations::new(8), Vec::new());
            talks.hear(App::Ftp, &words(&reply[..cut]), &mut out);
            talks.hear(App::Ftp, &words(&reply[cut..]), &mut out);
            let last = out.last().map(|m| m.port);
            assert_eq!(last, Some(3007), "{cut}: {out:?}");
        }
    }

    #[test]
    fn what_was_announced_is_not_announced_again() {
        let (mut talks, mut out) = (Conversations::new(8), Vec::new());
        talks.hear(App::Ftp, &words(b"227 ok (10,0,0,2,11,191)"), &mut out);
        talks.hear(App::Ftp, &words(b"\r\n"), &mut out);
        assert_eq!(out.len(), 1);
    }

    #[test]
    fn a_question_is_remembered_for_its_answer() {
        let call =
            b"XXXX\0\0\0\0\0\0\0\x02\0\x01\x86\xa0\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
                     \0\x01\x86\xa3\0\0\0\x03\0\0\0\x06\0\0\0\0";
        let reply = b"XXXX\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0b\xbf";
        let (mut talks, mut out) = (Conversations::new(8), Vec::new());
        let answer = Words { transport: Transport::Udp, ..words(reply) };
        let ask = Words { speaker: answer.listener, listener: answer.speaker, bytes: call, ..answer };
        talks.hear(App::Portmap, &ask, &mut out);
        talks.hear(App::Portmap, &answer, &mut out);
        assert_eq!(out.len(), 1, "{out:?}");
        assert_eq!((out[0].transport, out[0].port), (Transport::Tcp, 3007));
    }

    #[test]
    fn the_mapper_is_heard_on_its_pipe() {
        use super::super::announce::smb::tests::{create2, created2, read2, said2};
        let (mut talks, mut out) = (Conversations::new(8), Vec::new());
        let reply = epm_reply();
        let (first, second) = reply.split_at(60);
        let server = words(&[]);
        let client = Words { speaker: server.listener, listener: server.speaker, ..server };
        for (who, bytes) in [
            (client, create2(1, "epmapper")),
            (server, created2(1, 0, 7)),
            (client, read2(2, 7)),
            (server, said2(2, first)),
            (client, read2(3, 7)),
            (server, said2(3, second)),
        ] {
            talks.hear(App::Smb, &Words { bytes: &bytes, ..who }, &mut out);
        }
        assert_eq!((out.len(), out[0].port, out[0].by), (1, 1207, "epm"));
    }

    /// A response of the endpoint mapper: EMSMDB at 10.0.0.2, port 1207 (C706 chapter 12, appendix L).
    fn epm_reply() -> Vec<u8> {
        let mut tower = vec![3, 0, 19, 0, 13];
        tower.extend([0x11; 18]);
        tower.extend([2, 0, 0, 0, 1, 0, 7, 2, 0, 4, 0xb7, 1, 0, 9, 4, 0, 10, 0, 0, 2]);
        let mut pdu = vec![5, 0, 2, 3, 16, 0, 0, 0, u8::try_from(24 + tower.len()).unwrap(), 0];
        pdu.resize(24, 0);
        pdu.extend(tower);
        pdu
    }

    proptest! {
        #[test]
        fn any_words_are_safe_and_memory_is_bounded(
            said in proptest::collection::vec(
                (0..4_u16, proptest::collection::vec(any::<u8>(), 0..600)),
                0..40,
            ),
        ) {
            let (mut talks, mut out) = (Conversations::new(2), Vec::new());
            for (port, bytes) in &said {
                for app in App::ALL.iter().filter(|app| app.announces()) {
                    let mut words = words(bytes);
                    words.listener.port = *port;
                    talks.hear(*app, &words, &mut out);
                }
                prop_assert!(talks.talks.len() <= 2 && talks.order.len() <= 2);
                prop_assert!(talks.talks.values().all(|t| t.tail.len() <= TAIL_BYTES_MAX));
            }
        }
    }
}
