//! What a table is given, and what it counts.

use std::time::Duration;

/// How long a flow lives after its last packet, by what is known of it. Any duration is legal; zero means
/// that a flow ends as soon as the packet clock has moved on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP of which only one side was heard: an opening without an answer, a stray segment. Default 30 s: a
    /// SYN is retried after 1, 2, 4, 8, 16 s (RFC 6298 section 5.7), so all but the last pause fit.
    pub tcp_opening: Duration,
    /// TCP of which both sides were heard. Default 10 min.
    pub tcp_established: Duration,
    /// TCP after a reset or two FINs: time for stragglers. Default 5 s.
    pub tcp_closed: Duration,
    /// UDP without an answer. Default 60 s.
    pub udp_one_way: Duration,
    /// UDP with an answer. Default 3 min.
    pub udp_two_way: Duration,
    /// SCTP. Default 5 min: a heartbeat comes every 30 s (RFC 9260 section 16).
    pub sctp: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_opening: Duration::from_secs(30),
            tcp_established: Duration::from_secs(600),
            tcp_closed: Duration::from_secs(5),
            udp_one_way: Duration::from_secs(60),
            udp_two_way: Duration::from_secs(180),
            sctp: Duration::from_secs(300),
        }
    }
}

/// Bounds and times of all tables of a run. Every worker gets the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Flows tracked at the same time, over all workers; rounded up to a multiple of [`super::SHARDS`].
    /// Default 2^21.
    pub flows_max: usize,
    /// Heads (up to 512 payload bytes of one side; a longer one counts once for every 512) held at the same
    /// time; rounded up likewise. At the bound, new flows go without. Default 2^17, which is 70 MB.
    pub heads_max: usize,
    /// How long flows live.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Self { flows_max: 1 << 21, heads_max: 1 << 17, timeouts: Timeouts::default() }
    }
}

/// What happened in a table so far. Sums of all workers do not depend on their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Flows tracked now.
    pub open: u64,
    /// Of those, flows that are one SYN and nothing else.
    pub half_open: u64,
    /// Flows ever opened.
    pub opened: u64,
    /// Flows ended by a timeout.
    pub timed_out: u64,
    /// Flows ended because a new connection used the same addresses and ports.
    pub reused: u64,
    /// Unanswered flows pushed out of a full table.
    pub evicted_half_open: u64,
    /// Other flows pushed out of a full table.
    pub evicted_other: u64,
    /// Heads not kept because the pool was at its bound.
    pub heads_refused: u64,
    /// ICMP errors that quoted no known flow and refused nothing, so that no flow was opened for them.
    pub icmp_unmatched: u64,
    /// Payload packets of tapped flows beyond the bound per flow, not handed on.
    pub said_dropped: u64,
}

impl Counters {
    /// Adds the counters of another shard or worker.
    pub fn add(&mut self, other: &Self) {
        self.open += other.open;
        self.half_open += other.half_open;
        self.opened += other.opened;
        self.timed_out += other.timed_out;
        self.reused += other.reused;
        self.evicted_half_open += other.evicted_half_open;
        self.evicted_other += other.evicted_other;
        self.heads_refused += other.heads_refused;
        self.icmp_unmatched += other.icmp_unmatched;
        self.said_dropped += other.said_dropped;
    }
}
