//! Brings lines to a receiver: offers the first of a block, takes out what is settled, backs off while the
//! receiver is away.
//!
//! Used by whoever holds lines: the writer of a queue, or the one that empties a spool. Invariant: what is
//! taken out of a block is settled, and everything that is not settled stays in it, in order.

use std::iter;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::deliver::{Deliver, Delivered, Refused, Then};

/// Records offered at a time, at most.
const BATCH_RECORDS_MAX: usize = 1024;
/// Bytes offered at a time; one record may be longer.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// First pause after a failed attempt; doubled by each further one.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// What a receiver may ask for at most.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(300);

/// A receiver and how things stand with it.
pub(super) struct Courier {
    receiver: Box<dyn Deliver>,
    failures: u32,
    not_before: Option<Instant>,
    dice: u64,
}

/// What became of the front of a block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Brought {
    /// Records taken out of the block.
    pub(super) settled: u64,
    /// Of those, the ones that were refused for good.
    pub(super) refused: Option<Refused>,
    /// Why the receiver is to be left alone for [`Courier::pause`].
    pub(super) trouble: Option<String>,
}

impl Courier {
    pub(super) fn new(receiver: Box<dyn Deliver>) -> Self {
        // The time of day: sensors that lost the same receiver at once must not come back at once.
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.subsec_nanos());
        let dice = u64::from(seed ^ std::process::id()) << 1 | 1;
        Self { receiver, failures: 0, not_before: None, dice }
    }

    /// How long to leave the receiver alone.
    pub(super) fn pause(&self) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// HUP: a new connection, and no patience with what was before.
    pub(super) fn reopen(&mut self) {
        self.receiver.reopen();
        self.not_before = None;
    }

    /// Brings the first lines of a block, a batch at most, and takes out what is settled.
    pub(super) fn bring(&mut self, block: &mut Vec<u8>) -> Brought {
        if block.is_empty() {
            return Brought::default();
        }
        let records = batch(block);
        let Delivered { settled, refused, then } = self.receiver.deliver(&records);
        let settled = settled.min(records.len());
        if settled > 0 {
            (self.failures, self.not_before) = (0, None);
        }
        let trouble = match then {
            Then::Retry { after, why } => Some((after, why)),
            // An attempt that settles nothing and complains of nothing must not be repeated in a rush.
            Then::GoOn => (settled == 0).then(|| (None, "it takes nothing".to_owned())),
        };
        let bytes: usize = records[..settled].iter().map(|record| record.len() + 1).sum();
        block.drain(..bytes.min(block.len()));
        let trouble = trouble.map(|(after, why)| {
            self.back_off(after);
            why
        });
        Brought { settled: settled as u64, refused, trouble }
    }

    fn back_off(&mut self, asked: Option<Duration>) {
        let doubled = PAUSE_MIN.saturating_mul(1 << self.failures.min(16)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        // Between half of it and all of it, so that many sensors do not come back at the same moment.
        let pause = asked.map_or_else(
            || doubled / 2 + doubled.mul_f64(self.roll() / 2.0),
            |asked| asked.min(ASKED_PAUSE_MAX).max(PAUSE_MIN),
        );
        self.not_before = Some(Instant::now() + pause);
    }

    /// A number from 0 to 1, by xorshift: jitter needs no better dice.
    fn roll(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        f64::from(u32::try_from(self.dice >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }
}

/// The records of a block, without their newlines.
pub(super) fn records(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest).or_else(|| (!rest.is_empty()).then_some(rest.len()))?;
        let line = rest.get(..end)?;
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line)
    })
}

/// The first of them.
fn batch(block: &[u8]) -> Vec<&[u8]> {
    let mut bytes = 0;
    records(block)
        .take(BATCH_RECORDS_MAX)
        .take_while(|line| {
            let is_first = bytes == 0;
            bytes += line.len() + 1;
            is_first || bytes <= BATCH_BYTES_MAX
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers by a script; what it settled stands in `taken`.
    struct Scripted {
        answers: Vec<Delivered>,
        taken: std::sync::mpsc::Sender<Vec<u8>>,
    }

    impl Deliver for Scripted {
        fn deliver(&mut self, records: &[&[u8]]) -> Delivered {
            let answer =
                if self.answers.is_empty() { Delivered::all(records.len()) } else { self.answers.remove(0) };
            for record in &records[..answer.settled] {
                self.taken.send(record.to_vec()).unwrap();
            }
            answer
        }
    }

    fn courier(answers: Vec<Delivered>) -> (Courier, std::sync::mpsc::Receiver<Vec<u8>>) {
        let (taken, receiver) = std::sync::mpsc::channel();
        (Courier::new(Box::new(Scripted { answers, taken })), receiver)
    }

    #[test]
    fn what_is_not_settled_stays_and_comes_again() {
        let refused = Some(Refused { count: 1, why: "400 bad".into() });
        let (mut courier, taken) = courier(vec![
            Delivered { settled: 2, refused: refused.clone(), then: Then::GoOn },
            Delivered::retry(1, "away"),
            Delivered::all(0),
        ]);
        let mut block = b"a\nb\nc\nd\n".to_vec();
        assert_eq!(courier.bring(&mut block), Brought { settled: 2, refused, trouble: None });
        assert_eq!(block, b"c\nd\n");
        let brought = courier.bring(&mut block);
        assert_eq!((brought.settled, brought.trouble.as_deref()), (1, Some("away")));
        assert!(courier.pause() > PAUSE_MIN / 3 && courier.pause() <= PAUSE_MIN);
        assert_eq!(courier.bring(&mut block).trouble.as_deref(), Some("it takes nothing"));
        assert_eq!(courier.bring(&mut block), Brought { settled: 1, ..Brought::default() });
        assert_eq!((courier.pause(), block.len()), (Duration::ZERO, 0));
        let taken: Vec<_> = taken.try_iter().flatten().collect();
        assert_eq!(taken, b"abcd");
    }

    #[test]
    fn pauses_grow_to_a_limit_and_what_the_receiver_asks_is_done() {
        let (mut courier, _taken) = courier(Vec::new());
        for _ in 0..100 {
            courier.back_off(None);
            assert!(courier.pause() <= PAUSE_MAX);
        }
        assert!(courier.pause() > PAUSE_MAX / 3);
        courier.back_off(Some(Duration::from_secs(77)));
        assert!(courier.pause() > Duration::from_secs(76));
        courier.back_off(Some(Duration::MAX));
        assert!(courier.pause() <= ASKED_PAUSE_MAX);
    }

    #[test]
    fn batches_are_bounded_and_a_long_record_goes_alone() {
        assert_eq!(batch(b"a\n\nb\n"), [&b"a"[..], b"", b"b"]);
        assert_eq!(batch(b"a\nno end"), [&b"a"[..], b"no end"]);
        assert_eq!(batch(&b"\n".repeat(5000)).len(), BATCH_RECORDS_MAX);
        let long = [vec![b'x'; BATCH_BYTES_MAX + 5], b"\nnext\n".to_vec()].concat();
        assert_eq!(batch(&long).len(), 1);
    }
}
