//! Zeek's history letters of one flow, each once per side, in the order of their first appearance.
//!
//! Zeek repeats C, G, T and W at powers of ten; only the first is kept here. The letters are kept by end of
//! the key, so turning a flow round costs nothing.
//!
//! Invariant: a letter that was seen has exactly one code among the first `count()` codes.

use super::History;
use super::key::End;

/// What can happen, as Zeek's `conn.log` documentation lists it (`C`, a bad checksum, is not looked for).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Letter {
    /// `S`: a SYN without ACK.
    Syn,
    /// `H`: a SYN with ACK.
    SynAck,
    /// `A`: an ACK and nothing else.
    Ack,
    /// `D`: payload.
    Data,
    /// `F`: a FIN.
    Fin,
    /// `R`: a reset.
    Reset,
    /// `T`: payload below what was already sent: retransmitted, or overtaken by a later segment.
    Again,
    /// `W`: a window of zero.
    Window,
    /// `G`: bytes that the peer acknowledged and nobody saw.
    Gap,
    /// `I`: FIN and reset at once.
    Inconsistent,
    /// `Q`: SYN together with FIN or reset.
    ManyFlags,
}

impl Letter {
    /// Its place in a set of letters.
    #[inline]
    pub(super) const fn bit(self) -> u16 {
        1 << self as u8
    }
}

const SPELLED: [u8; 11] = *b"SHADFRTWGIQ";
const CODE_BITS: usize = 5;
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
        let bit = letter.bit();
        if self.seen[end] & bit != 0 {
            return;
        }
        let count = self.count();
        self.seen[end] |= bit;
        let code = letter as u32 | u32::from(end != 0) << 4;
        self.order[count / CODES_PER_WORD] |= code << (count % CODES_PER_WORD * CODE_BITS);
    }

    /// True when `end` ever did this.
    #[inline]
    pub(super) fn saw(&self, end: End, letter: Letter) -> bool {
        self.seen[end] & letter.bit() != 0
    }

    /// True when `end` did all of this set before.
    #[inline]
    pub(super) fn saw_all(&self, end: End, letters: u16) -> bool {
        letters & !self.seen[end] == 0
    }

    /// True when `end` did more than reset: it spoke the protocol.
    pub(super) fn spoke(&self, end: End) -> bool {
        [Letter::SynAck, Letter::Ack, Letter::Data, Letter::Fin].into_iter().any(|l| self.saw(end, l))
    }

    /// The end that sent the first reset.
    pub(super) fn first_reset(&self) -> Option<End> {
        self.codes().find(|&(_, letter)| letter == b'R').map(|(end, _)| end)
    }

    /// The letters, upper case for `originator`.
    pub(super) fn history(&self, originator: End, turned: bool) -> History {
        let mut history = History::default();
        if turned {
            history.push(b'^');
        }
        for (end, letter) in self.codes() {
            history.push(if end == originator { letter } else { letter.to_ascii_lowercase() });
        }
        history
    }

    fn count(&self) -> usize {
        (self.seen[0].count_ones() + self.seen[1].count_ones()) as usize
    }

    fn codes(&self) -> impl Iterator<Item = (End, u8)> + '_ {
        (0..self.count()).map(|at| {
            let code = self.order[at / CODES_PER_WORD] >> (at % CODES_PER_WORD * CODE_BITS) & 0x1f;
            let letter = SPELLED.get((code & 0xf) as usize).copied().unwrap_or(b'?');
            ((code >> 4) as End, letter)
        })
    }
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
