//! Zeek's history letters of one flow, each once per side, in the order of their first appearance.
//!
//! Zeek repeats C, G, T and W at powers of ten; only the first is kept here. The letters are kept by end of
//! the key, so turning a flow round costs nothing.
//!
//! Invariant: a letter that was seen has exactly one code among the first `count()` codes.

use super::History;
use super::key::End;

/// What can happen, as Zeek's `conn.log` documentation lists it (`C`, a bad checksum, is not looked for), in
/// the order in which several things that one segment says are noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Letter {
    /// `Q`: SYN together with FIN or reset.
    ManyFlags,
    /// `I`: FIN and reset at once.
    Inconsistent,
    /// `S`: a SYN without ACK.
    Syn,
    /// `H`: a SYN with ACK.
    SynAck,
    /// `R`: a reset. Before its payload, which is only the sender's reason (RFC 9293 section 3.5.3).
    Reset,
    /// `D`: payload.
    Data,
    /// `T`: payload below what was already sent: retransmitted, or overtaken by a later segment.
    Again,
    /// `A`: an ACK and nothing else.
    Ack,
    /// `W`: a window of zero.
    Window,
    /// `F`: a FIN.
    Fin,
    /// `G`: bytes that the peer acknowledged and nobody saw.
    Gap,
}

impl Letter {
    /// Its place in a set of letters.
    #[inline]
    pub(super) const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// By code; the upper half for who is the originator.
const SPELLED: [u8; 32] = *b"qishrdtawfg?????QISHRDTAWFG?????";
/// Bit of a code that is set for the higher end.
const HIGHER: u32 = 1 << 4;
const CODE_BITS: usize = 5;
const CODE_MASK: u32 = (1 << CODE_BITS) - 1;
const CODES_PER_WORD: usize = 6;

/// The letters of both ends: 22 at most, five bits each.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Letters {
    seen: [u16; 2],
    order: [u32; 4],
}

impl Letters {
    /// Notes that `end` did this.
    #[inline]
    pub(super) fn note(&mut self, end: End, letter: Letter) {
        self.note_all(end, letter.bit());
    }

    /// Notes that `end` did all of this set.
    #[inline]
    pub(super) fn note_all(&mut self, end: End, letters: u16) {
        // Hardly any packet says something new: a branch for each letter was a tenth of following it.
        let mut new = letters & !self.seen[end];
        while new != 0 {
            let (count, letter) = (self.count(), new.trailing_zeros());
            new &= new - 1;
            self.seen[end] |= 1 << letter;
            let code = letter | if end == 0 { 0 } else { HIGHER };
            self.order[count / CODES_PER_WORD] |= code << (count % CODES_PER_WORD * CODE_BITS);
        }
    }

    /// True when `end` ever did this.
    #[inline]
    pub(super) fn saw(&self, end: End, letter: Letter) -> bool {
        self.seen[end] & letter.bit() != 0
    }

    /// True when `end` did more than reset: it spoke the protocol.
    pub(super) fn spoke(&self, end: End) -> bool {
        [Letter::SynAck, Letter::Ack, Letter::Data, Letter::Fin].into_iter().any(|l| self.saw(end, l))
    }

    /// The end that sent the first reset.
    pub(super) fn first_reset(&self) -> Option<End> {
        let is_reset = |code: &u32| code & !HIGHER == Letter::Reset as u32;
        let first = |code| usize::from(code & HIGHER != 0);
        // Hardly any flow has one.
        let any = (self.seen[0] | self.seen[1]) & Letter::Reset.bit() != 0;
        any.then(|| self.codes().find(is_reset).map(first)).flatten()
    }

    /// The letters, upper case for `originator`.
    pub(super) fn history(&self, originator: End, turned: bool) -> History {
        let mut history = History::default();
        if turned {
            history.push(b'^');
        }
        // The bit that tells the ends apart tells upper from lower case, too, once it stands for the
        // originator.
        let turn = if originator == 0 { HIGHER } else { 0 };
        self.codes().for_each(|code| history.push(spelled(code ^ turn)));
        history
    }

    fn count(&self) -> usize {
        (self.seen[0].count_ones() + self.seen[1].count_ones()) as usize
    }

    fn codes(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self
            .order
            .iter()
            .flat_map(|word| (0..CODES_PER_WORD).map(move |at| word >> (at * CODE_BITS) & CODE_MASK));
        words.take(self.count())
    }
}

fn spelled(code: u32) -> u8 {
    SPELLED[(code & CODE_MASK) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_letters_of_both_sides_fit_in_order() {
        let all = [
            Letter::Syn,
            Letter::SynAck,
            Letter::Ack,
            Letter::Data,
            Letter::Fin,
            Letter::Reset,
            Letter::Again,
            Letter::Window,
            Letter::Gap,
            Letter::Inconsistent,
            Letter::ManyFlags,
        ];
        let mut letters = Letters::default();
        for letter in all {
            for end in [1, 0, 1] {
                letters.note(end, letter);
            }
        }
        assert_eq!(letters.history(1, false).as_str(), "SsHhAaDdFfRrTtWwGgIiQq");
        assert_eq!(letters.history(0, true).as_str(), "^sShHaAdDfFrRtTwWgGiIqQ");
        assert_eq!(letters.first_reset(), Some(1));
    }
}
