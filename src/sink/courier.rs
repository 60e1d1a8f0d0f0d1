//! Brings lines to a receiver: cuts a block into batches, offers them, backs off while the receiver is away.
//!
//! Used by whoever holds lines: the writer of a queue, or the one that empties a spool. Invariant: what is
//! taken out of a block is settled, and everything that is not settled stays in it, in order.

use std::time::{Duration, Instant};

use super::deliver::{Deliver, Refused, Then};

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

/// What became of a block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Brought {
    /// Records taken out of the block.
    pub(super) settled: u64,
    /// Of those, refused for good.
    pub(super) refused: u64,
    /// Why the last of them was refused.
    pub(super) why_refused: Option<String>,
    /// Why the rest is still there.
    pub(super) trouble: Option<String>,
}

impl Courier {
    pub(super) fn new(receiver: Box<dyn Deliver>, seed: u64) -> Self {
        Self { receiver, failures: 0, not_before: None, dice: seed | 1 }
    }

    /// How long to leave the receiver alone.
    pub(super) fn pause(&self) -> Duration {
        self.not_before.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// HUP.
    pub(super) fn reopen(&mut self) {
        self.receiver.reopen();
        self.not_before = None;
    }

    /// Brings what it can of a block of whole lines, until trouble or until `stop` says so between batches.
    pub(super) fn bring(&mut self, block: &mut Vec<u8>, stop: impl Fn() -> bool) -> Brought {
        let mut brought = Brought::default();
        let mut done = 0;
        while done < block.len() && brought.trouble.is_none() && !stop() {
            let records = batch(&block[done..]);
            let delivered = self.receiver.deliver(&records);
            let settled = delivered.settled.min(records.len());
            done += records[..settled].iter().map(|record| record.len() + 1).sum::<usize>();
            brought.settled += settled as u64;
            if let Some(Refused { count, why }) = delivered.refused {
                brought.refused += count.min(settled) as u64;
                brought.why_refused = Some(why);
            }
            if settled > 0 {
                self.failures = 0;
            }
            match delivered.then {
                Then::Retry { after, why } => {
                    self.back_off(after);
                    brought.trouble = Some(why);
                }
                // An attempt that settles nothing and complains of nothing must not be repeated in a rush.
                Then::GoOn if settled == 0 => {
                    self.back_off(None);
                    brought.trouble = Some("it takes nothing".to_owned());
                }
                Then::GoOn => self.not_before = None,
            }
        }
        block.drain(..done.min(block.len()));
        brought
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

/// The first records of a block, without their newlines.
fn batch(block: &[u8]) -> Vec<&[u8]> {
    let mut bytes = 0;
    block
        .split_inclusive(|&byte| byte == b'\n')
        .take(BATCH_RECORDS_MAX)
        .take_while(|line| {
            let is_first = bytes == 0;
            bytes += line.len();
            is_first || bytes <= BATCH_BYTES_MAX
        })
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::deliver::Delivered;

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
        (Courier::new(Box::new(Scripted { answers, taken }), 7), receiver)
    }

    #[test]
    fn what_is_not_settled_stays_and_comes_again() {
        let refused = Some(Refused { count: 1, why: "400 bad".into() });
        let (mut courier, taken) = courier(vec![
            Delivered { settled: 2, refused, then: Then::GoOn },
            Delivered::retry(1, "away"),
            Delivered::all(0),
        ]);
        let mut block = b"a\nb\nc\nd\n".to_vec();
        let brought = courier.bring(&mut block, || false);
        assert_eq!((brought.settled, brought.refused, block.as_slice()), (3, 1, &b"d\n"[..]));
        assert_eq!(brought.why_refused.as_deref(), Some("400 bad"));
        assert_eq!(brought.trouble.as_deref(), Some("away"));
        assert!(courier.pause() > PAUSE_MIN / 3 && courier.pause() <= PAUSE_MIN);
        assert_eq!(courier.bring(&mut block, || false).trouble.as_deref(), Some("it takes nothing"));
        assert_eq!(courier.bring(&mut block, || false), Brought { settled: 1, ..Brought::default() });
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
        assert_eq!(batch(&b"\n".repeat(5000)).len(), BATCH_RECORDS_MAX);
        let long = [vec![b'x'; BATCH_BYTES_MAX + 5], b"\nnext\n".to_vec()].concat();
        assert_eq!(batch(&long).len(), 1);
    }
}
