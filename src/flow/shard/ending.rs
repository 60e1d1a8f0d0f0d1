//! What becomes of the flows that still live when the input ends.
//!
//! They are named first, then asked what their attempts came to, then ended, each time in the order in which
//! they began, which is none in which they lie: so who asks brings the records in beforehand.

use std::net::IpAddr;

use super::{EMBRYO, Shard};
use crate::flow::slab::List;
use crate::flow::track::Class;
use crate::flow::{EndReason, Event, Flow, Manner, Order, Outcome, Told};
use crate::time::Timestamp;

impl<N: Copy + Default> Shard<N> {
    /// Brings in the whole of a record that is about to be told.
    pub(in crate::flow) fn prefetch_whole(&self, place: u32) {
        self.prefetch_record(place, true);
    }

    /// Names every flow that lives: its first frame and its place. Full records as they lie: along their
    /// lists each would have to be waited for.
    pub(in crate::flow) fn living(&mut self, mut each: impl FnMut(u64, u32)) {
        let mut next = self.young.front();
        while let Some(at) = next {
            each(self.embryos.get(at).frame(), at | EMBRYO);
            next = List::behind(&mut self.embryos, at);
        }
        for at in self.tracks.places() {
            let track = self.tracks.get(at);
            if track.class != Class::Gone {
                each(track.frame, at);
            }
        }
    }

    /// What a living flow's attempt would come to if it ended now: its originator, its manner, its outcome.
    /// Nothing when it was answered.
    pub(in crate::flow) fn attempt(&self, place: u32) -> Option<(IpAddr, Manner, Outcome)> {
        if place & EMBRYO != 0 {
            // A SYN and nothing else.
            let embryo = self.embryos.get(place & !EMBRYO);
            let originator = embryo.key().end(embryo.sender());
            return Some((originator.addr, Manner::Asks, Outcome::Unanswered));
        }
        let track = self.tracks.get(place);
        // Most are, and the rest of the record is not looked at.
        if track.is_answered() {
            return None;
        }
        let mut flow = Flow::blank();
        let profile = self.profiles.get(track.profile);
        track.tell(&mut flow, profile, self.icmp_of(track), Some(EndReason::Shutdown));
        let (manner, outcome) = flow.attempt()?;
        Some((flow.originator.addr, manner, outcome))
    }

    /// Ends a living flow because the input ended. As all others end, too, it stays in its list and in the
    /// index: taking a million flows out of both was an eighth of a run. No packet may come after that.
    pub(in crate::flow) fn end<D: Default>(&mut self, place: u32, clock: Timestamp, out: &mut Told<N, D>) {
        let order = |frame, layer| Order { clock, rank: Order::END, frame, layer };
        let reason = Some(EndReason::Shutdown);
        if place & EMBRYO != 0 {
            let embryo = self.embryos.get(place & !EMBRYO);
            let flow = out.flow(|flow| self.tell_embryo(embryo, flow, reason));
            let order = order(embryo.frame(), self.profiles.get(embryo.profile()).layer);
            out.push((order, Event::Closed(flow, N::default(), D::default())));
            self.embryos.remove(place & !EMBRYO);
        } else {
            let track = self.tracks.get(place);
            let (note, order) = (track.note, order(track.frame, self.profiles.get(track.profile).layer));
            let flow = out.flow(|flow| self.tell(place, flow, reason));
            out.push((order, Event::Closed(flow, note, D::default())));
            self.release_heads(place);
            self.tracks.remove(place);
        }
    }
}
