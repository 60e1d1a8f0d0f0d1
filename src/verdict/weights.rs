//! The weight table: how much a fact speaks for or against a story, in log-odds, with a reason beside each
//! number.
//!
//! One unit multiplies the odds by 2.7, three by 20, five by 150. `Undetermined` is the zero of the scale: a
//! story whose sum is 2 is about seven times as likely as "we do not know". Numbers say what a fact is worth
//! in general; none of them was fitted to single captures. A row is small on purpose: what is not named is
//! left as it was.
//!
//! Invariants (tested): rows are sorted by effect, largest first; a row names a story once; no row but
//! `MALWARE_BYTES` and the small `SUSPICIOUS` raises `SuspectedMalware`.

use super::Story::{
    self, Backscatter, EphemeralOverlap, KnownSquatter, Misdirected, NegotiatedPort, NonstandardPort,
    RegisteredService, Scan, SuspectedMalware, Undetermined, UnidentifiedListener,
};
use crate::evidence::{Fact, Tenant, Unasked};
use crate::payload::{AppProto, Sides, Strength};
use crate::registry::{Claim, ClaimKind, PortStatus, Tier};

/// One row of the table.
type Row = &'static [(Story, f64)];

/// What holds for any port before anything was seen.
pub(super) const BASE: Row = &[
    (SuspectedMalware, -6.0), // one flow in some thousands, and only its bytes may say so
    (Backscatter, -4.0),      // rare outside telescopes, and plain to see when it happens
    (EphemeralOverlap, -4.0), // direction is settled before; what is left over is a rare mistake
    (KnownSquatter, -3.0),    // needs a claim
    (NegotiatedPort, -3.0),   // needs an announcement, which is a fact of its own
    (UnidentifiedListener, -2.5), // most of what talks is known to somebody
    (NonstandardPort, -2.0),  // most services stay off their ports (LZR, 2021), but payload has to say it
    (Scan, -2.0),             // common, but needs company
    (Misdirected, -1.5),      // likewise; a little commoner inside networks
];

/// What the port's status adds.
pub(super) const fn of_status(status: PortStatus) -> Row {
    match status {
        // In use, and this is what it is in use for.
        PortStatus::Active => &[(RegisteredService, 0.5)],
        // Nine registered ports in ten show no sign of use: whoever answers here is probably somebody else.
        PortStatus::Dormant => &[(RegisteredService, -2.0)],
        // Nothing is registered. Not impossible: claims of the user's own count as registered.
        PortStatus::Unassigned | PortStatus::Reserved | PortStatus::Dynamic => &[(RegisteredService, -4.0)],
    }
}

/// What the tier adds.
pub(super) const fn of_tier(tier: Tier) -> Row {
    match tier {
        // Needs privileges to bind: neither mappers nor clients pick these.
        Tier::WellKnown => &[
            (EphemeralOverlap, -2.0), // clients do not pick them
            (NegotiatedPort, -1.0),   // mappers rarely do: NFS, FTP from port 20
        ],
        Tier::Registered => &[],
        // What the range is for: RFC 6335 section 6.
        Tier::Dynamic => &[
            (EphemeralOverlap, 1.0), // where clients live
            (NegotiatedPort, 1.0),   // where mappers hand out ports
        ],
    }
}

/// What a fact adds.
pub(super) fn of(fact: &Fact) -> Row {
    match fact {
        Fact::Speaks(spoken) => of_speech(*spoken),
        Fact::ClaimExpects(claim) => of_expectation(claim),
        Fact::ClaimedBy { claim, may_explain } => of_claim(claim, *may_explain),
        Fact::LocalProcess(local) => local.claim.as_deref().map_or(&[], of_process),
        Fact::Retries { attempts, datagrams } => of_retries(*attempts, *datagrams),
        Fact::Knocks(knocks) => of_knocks(knocks.attempts, knocks.answered, knocks.regular),
        Fact::FanOut { repeated: true, .. } => WATCHES,
        Fact::FanOut { hosts, ports, ended, failed, scattered, .. } => {
            of_fan_out(*hosts.max(ports), *ended, *failed, *scattered)
        }
        Fact::Registered(claim) if claim.dead => DEAD,
        Fact::MalwareBytes(_) => MALWARE_BYTES,
        Fact::NoClaimExpects(Tenant::Silent) => UNEXPECTED_BUT_SILENT,
        Fact::NoClaimExpects(Tenant::Absent | Tenant::Telling) => UNEXPECTED,
        Fact::OriginatorClaimExpects(_) => EXPECTED_ON_THE_OTHER_SIDE,
        Fact::NegotiatesPorts(_) => NEGOTIATES,
        Fact::AnnouncedBy(_) => ANNOUNCED,
        Fact::Handshake => HANDSHAKE,
        Fact::HalfOpen => HALF_OPEN,
        Fact::Answered => ANSWERED,
        Fact::RefusedBy(_) => REFUSED,
        Fact::Unanswered { datagrams: false } => UNANSWERED,
        Fact::Unanswered { datagrams: true } => UNANSWERED_DATAGRAMS,
        Fact::FanIn(_) => FAN_IN,
        Fact::ListenerKnown(_) => LISTENER,
        Fact::SourceInEphemeralRange(_) => SOURCE_EPHEMERAL,
        Fact::ResponderPortEphemeral { modern, .. } => {
            if *modern {
                RESPONDER_EPHEMERAL
            } else {
                RESPONDER_ONCE_EPHEMERAL
            }
        }
        Fact::OriginatorServes => ORIGINATOR_SERVES,
        Fact::FirstPacketOnly => FIRST_PACKET,
        Fact::NoOpeningSeen => NO_OPENING,
        Fact::OneSidedCapture => ONE_SIDED,
        Fact::AnswerWithoutRequest(Unasked::Rst) => UNASKED_RST,
        Fact::AnswerWithoutRequest(Unasked::SynAck | Unasked::Icmp) => UNASKED,
        Fact::NoPayload => NO_PAYLOAD,
        Fact::PayloadUnrecognised(Tenant::Silent) => UNRECOGNISED_BUT_EXPLAINABLE,
        Fact::PayloadUnrecognised(Tenant::Telling) => UNRECOGNISED_THOUGH_TELLING,
        Fact::PayloadUnrecognised(Tenant::Absent) => UNRECOGNISED,
        Fact::TruncatedPayload => TRUNCATED,
        Fact::OddFlags(_) => ODD_FLAGS,
        Fact::TunnelCarrier => CARRIER,
        Fact::GroupResponder => GROUP,
        // Said for the reader. What they are worth is in the prior (status, tier) already.
        Fact::Registered(_) | Fact::UnassignedPort(_) | Fact::BothPortsListed | Fact::OsHint(_) => &[],
    }
}

fn of_speech(spoken: AppProto) -> Row {
    if spoken.app.is_malware() {
        return &[]; // `malware_bytes` says it, once
    }
    match (spoken.strength, spoken.sides) {
        (_, Sides::Neither) => &[],
        (Strength::Weak, _) => SPEAKS_WEAK,
        (Strength::Good, _) | (Strength::Strong, Sides::Originator | Sides::Responder) => SPEAKS_GOOD,
        (Strength::Strong, Sides::Both) => SPEAKS_STRONG,
    }
}

/// Two or three fixed bytes: one stream of noise in some thousands looks like this.
const SPEAKS_WEAK: Row = &[
    (Misdirected, -1.0),         // payload flows
    (Scan, -1.0),                // few probes speak a protocol
    (NonstandardPort, -1.0),     // where nobody expects it, it may well be chance
    (UnidentifiedListener, 1.0), // and then nobody knows what it is
    (RegisteredService, 0.5),    // where it is expected, a little is enough
    (KnownSquatter, 0.5),        // likewise
];

/// A structure that rarely occurs by chance, or a strong one from one side only.
const SPEAKS_GOOD: Row = &[
    (UnidentifiedListener, -4.0), // identified
    (Backscatter, -2.0),          // stray answers carry no greeting
    (Misdirected, -2.0),          // somebody got as far as speaking
    (Scan, -2.0),                 // a banner grabber speaks too, most probes do not
    (NonstandardPort, 1.5),       // a known protocol is here
    (RegisteredService, 1.5),     // likewise
    (KnownSquatter, 1.5),         // likewise
];

/// A long literal or checked lengths, on both sides.
const SPEAKS_STRONG: Row = &[
    (UnidentifiedListener, -6.0), // identified beyond doubt
    (Scan, -3.0),                 // a conversation, not a probe
    (Misdirected, -3.0),          // it went where it wanted to go
    (Backscatter, -3.0),          // both sides take part
    (NonstandardPort, 2.0),       // a known protocol is here
    (RegisteredService, 2.0),     // likewise
    (KnownSquatter, 2.0),         // likewise
];

fn of_expectation(claim: &Claim) -> Row {
    match claim.kind {
        ClaimKind::Registered => &[
            (RegisteredService, 5.0), // the port is for this, and this is what speaks
            (NonstandardPort, -4.0),  // it belongs here
            (KnownSquatter, -2.0),    // no need of another tenant
        ],
        ClaimKind::Squatter => &[
            (KnownSquatter, 5.5),      // documented here with this protocol
            (RegisteredService, -2.0), // the registration speaks something else, or nothing known
            (NonstandardPort, 1.5),    // HTTP here may still be anybody's
        ],
        ClaimKind::FormerlyRegistered => &[
            (KnownSquatter, 3.5),      // it stayed when the registration went
            (RegisteredService, -2.0), // the registration is gone
            (NonstandardPort, 1.5),    // or somebody else speaks the same
        ],
        ClaimKind::Suspicious => &[], // never an explanation: `malware_bytes` is
    }
}

/// Known, and nobody's here.
const UNEXPECTED: Row = &[
    (NonstandardPort, 5.0),    // that is the story
    (RegisteredService, -4.0), // every claim about the port says something else
    (KnownSquatter, -1.5),     // so do the squatters we know
];

/// Known, but the registered service may speak it too: nobody wrote down what that speaks.
const UNEXPECTED_BUT_SILENT: Row = &[
    (NonstandardPort, 4.5),    // nearly always somebody's HTTP or TLS
    (RegisteredService, -2.5), // few registered services of unknown protocol are alive
    (KnownSquatter, -1.5),     // no squatter we know speaks it
];

const EXPECTED_ON_THE_OTHER_SIDE: Row = &[
    (EphemeralOverlap, 6.0), // the service is at the other end, we took its client for it
    (NonstandardPort, -3.5), // so it is not off its port
];

/// DCE/RPC, ONC RPC, FTP data, RTP: their ports come from a mapper that may have been asked before the
/// capture began.
const NEGOTIATES: Row = &[
    (NegotiatedPort, 6.5),   // this is how these protocols get their ports
    (NonstandardPort, -3.0), // no administrator put it here
];

fn of_claim(claim: &Claim, may_explain: bool) -> Row {
    match claim.kind {
        ClaimKind::Suspicious => SUSPICIOUS,
        ClaimKind::Squatter if !may_explain => &[(KnownSquatter, 0.5)], // on record, and no more
        // A vendor's word.
        ClaimKind::Squatter if claim.confidence >= 75 => &[
            (KnownSquatter, 5.0),         // its own traffic, on the port it is documented for
            (UnidentifiedListener, -1.5), // as for a registered service that we cannot read
        ],
        ClaimKind::Squatter => &[(KnownSquatter, 3.0)], // port pages only
        ClaimKind::FormerlyRegistered if may_explain => &[(KnownSquatter, 1.5)], // some never moved
        ClaimKind::FormerlyRegistered | ClaimKind::Registered => &[], // gone; said elsewhere
    }
}

/// Trojan lists of the 1990s name hundreds of ports: worth a mention, never a verdict.
const SUSPICIOUS: Row = &[(SuspectedMalware, 0.7)];

/// The registration is known to be dead (the source says so).
const DEAD: Row = &[(RegisteredService, -1.0)]; // an appliance or two may be left

/// The documented handshake.
const MALWARE_BYTES: Row = &[
    (SuspectedMalware, 12.0),     // what it takes to convince: bytes nobody else sends
    (UnidentifiedListener, -5.0), // identified
    (NonstandardPort, -3.0),      // malware off its usual port is malware
    (RegisteredService, -3.0),    // not what the port is for
];

const ANNOUNCED: Row = &[
    (NegotiatedPort, 10.0),       // the client was told to come here, and came
    (NonstandardPort, -3.0),      // nobody chose this port by hand
    (UnidentifiedListener, -3.0), // the announcement explains it
    (RegisteredService, -3.0),    // even on its own port (NFS): it was looked up
    (Scan, -2.0),                 // probes do not ask for directions
];

fn of_process(claim: &Claim) -> Row {
    match claim.kind {
        ClaimKind::Registered => &[
            (RegisteredService, 4.0),     // the registered program has the socket
            (UnidentifiedListener, -3.0), // and explains its payload
        ],
        ClaimKind::Squatter | ClaimKind::FormerlyRegistered => &[
            (KnownSquatter, 6.0),         // the squatting program has the socket
            (UnidentifiedListener, -3.0), // and explains its payload
        ],
        ClaimKind::Suspicious => &[], // a program may be called anything
    }
}

const HANDSHAKE: Row = &[
    (Misdirected, -4.0), // somebody is at home
    (Backscatter, -4.0), // a question was asked
    (Scan, -1.0),        // connect scans do this, SYN scans do not
];

const HALF_OPEN: Row = &[
    (Misdirected, -2.0),          // the port is open
    (RegisteredService, -2.0),    // nobody wanted its service
    (Scan, 1.5),                  // how a SYN scan leaves an open port; a lost ACK looks the same
    (UnidentifiedListener, -1.0), // nothing was said
];

const ANSWERED: Row = &[
    (Misdirected, -5.0),         // it answers
    (Backscatter, -4.0),         // both sides take part
    (Scan, -3.0),                // probes seldom talk
    (UnidentifiedListener, 1.0), // something is there
    (RegisteredService, 0.5),    // and most of what is there belongs there
];

const REFUSED: Row = &[
    (RegisteredService, -7.0),    // nobody listens: whatever was asked, it is not served
    (KnownSquatter, -7.0),        // likewise
    (NonstandardPort, -7.0),      // likewise
    (UnidentifiedListener, -7.0), // likewise
    (NegotiatedPort, -3.0),       // the meeting failed, at best
    (Misdirected, 3.0),           // wrong place, or the service is down
    (Scan, 1.0),                  // what most probes get
];

const UNANSWERED: Row = &[
    (UnidentifiedListener, -6.0), // nobody listens, or nobody may ask
    (RegisteredService, -4.0),    // likewise
    (KnownSquatter, -4.0),        // likewise
    (NonstandardPort, -4.0),      // likewise
    (NegotiatedPort, -2.0),       // the meeting failed, at best
    (Misdirected, 1.5),           // a filter, a dead host, or the answer was not captured
    (Scan, 1.0),                  // what probes get behind a filter
];

/// Syslog, NetFlow, media: silence is a normal answer to datagrams.
const UNANSWERED_DATAGRAMS: Row = &[
    (UnidentifiedListener, -4.0), // nobody was heard
    (NonstandardPort, -0.5),      // perhaps nobody is there
    (Misdirected, 0.5),           // perhaps nobody is there
];

fn of_retries(attempts: u16, datagrams: bool) -> Row {
    match (attempts, datagrams) {
        (_, true) => &[],                                // a stream looks the same
        (..=2, _) => &[(Misdirected, 0.5)],              // TCP repeats a lost SYN
        (3.., _) => &[(Misdirected, 1.5), (Scan, -1.0)], // a program insists; scanners move on
    }
}

fn of_knocks(attempts: u32, answered: u32, regular: bool) -> Row {
    match (answered, attempts) {
        (0, ..=2) => &[(Misdirected, 0.5)], // twice is a retry
        (0, _) if regular => &[
            (Misdirected, 3.5), // a timer somewhere asks for what is gone
            (Scan, -2.0),       // scanners do not come back on the minute
        ],
        (0, _) => &[
            (Misdirected, 2.5), // keeps asking where nothing answers
            (Scan, -1.0),       // few places, many times
        ],
        _ => &[(Misdirected, -1.0)], // it has worked before
    }
}

/// Graded by the places tried and by the attempts that are known to have failed. While few have ended, their
/// share stands for all the others.
fn of_fan_out(places: u32, ended: u64, failed: u64, scattered: bool) -> Row {
    let failed_percent = u128::from(failed) * 100 / u128::from(ended.max(1));
    match (places, failed, failed_percent) {
        // Many places and not one answer yet: a busy client has had some by then.
        (15.., 1.., 100) if ended < 5 && !scattered => &[
            (Scan, 3.5),         // the first to fail of many probes under way
            (Misdirected, -0.5), // many targets
        ],
        _ if ended < 5 => &[],          // too early to say
        (.., ..=50) => &[(Scan, -1.0)], // a busy client, resolver or monitor: most of it works
        // A peer-to-peer client whose peers are gone looks like this: each host on a port of its own.
        (_, 5.., _) if scattered => &[(Scan, 1.5)],
        (100.., 15.., 75..) => &[
            (Scan, 7.0),         // nobody asks a hundred places in vain by mistake
            (Misdirected, -1.0), // many targets
        ],
        // At night two in three clients of a backup server are switched off.
        (15.., 15.., 75..) | (15.., 5.., 80..) => &[
            (Scan, 4.5),         // a sweep, or a client with a very old address book
            (Misdirected, -0.5), // many targets
        ],
        (_, 5.., _) => &[(Scan, 1.5)], // a few places in vain happen to browsers too
        _ => &[],
    }
}

/// The same places again and again, and few ports: however many are down.
const WATCHES: Row = &[(Scan, -1.0)]; // a monitor knows where it asks; who searches moves on

const FAN_IN: Row = &[
    (Backscatter, 0.5),          // a victim answers many addresses
    (RegisteredService, 0.5),    // popular things are services
    (UnidentifiedListener, 0.5), // likewise
];

const LISTENER: Row = &[
    (Misdirected, -2.0),         // it answers others
    (EphemeralOverlap, -2.0),    // client ports do not answer
    (Backscatter, -1.0),         // an open service that was asked
    (RegisteredService, 0.5),    // somebody serves here
    (NonstandardPort, 0.5),      // likewise
    (UnidentifiedListener, 0.5), // likewise
];

const SOURCE_EPHEMERAL: Row = &[(EphemeralOverlap, -0.5)]; // the originator looks like a client

const RESPONDER_EPHEMERAL: Row = &[
    (EphemeralOverlap, 1.0), // so does the responder
    (NegotiatedPort, 0.5),   // or it was handed the port
];

/// 1025-5000 and the FreeBSD range below Linux's: few pick there today.
const RESPONDER_ONCE_EPHEMERAL: Row = &[(EphemeralOverlap, 0.3)];

const ORIGINATOR_SERVES: Row = &[
    (EphemeralOverlap, 4.5), // a service "opened" to an unlisted port: it was answering
    (UnidentifiedListener, -2.0), // the listener is the other end
];

const FIRST_PACKET: Row = &[(EphemeralOverlap, 0.5)]; // for datagrams normal, for TCP a guess

const NO_OPENING: Row = &[
    (UnidentifiedListener, -2.5), // from the middle, nearly everything is unrecognisable
    (Undetermined, 1.0),          // who opened, and how, is not known
    (Misdirected, -1.0),          // an attempt has an opening
    (Scan, -0.5),                 // most probes open; ACK and FIN probes do not
];

const ONE_SIDED: Row = &[
    (Misdirected, -3.0), // the answer may be there, we cannot see it
    (Scan, -2.0),        // likewise
    (Backscatter, -2.0), // the question may be there
    (Undetermined, 2.0), // half the evidence is missing
];

const UNASKED: Row = &[
    (Backscatter, 6.0),           // an answer to somebody who used our address
    (UnidentifiedListener, -3.0), // not asked by us
    (Misdirected, -2.0),          // nobody here asked
    (RegisteredService, -2.0),    // nobody here was served
    (Scan, -2.0),                 // nobody here asked
];

/// A lone reset also ends connections that everyone has forgotten: weaker.
const UNASKED_RST: Row = &[
    (Backscatter, 6.0), // an answer to somebody who used our address, or to a connection long gone
    (UnidentifiedListener, -3.0), // resets come from where nobody listens
    (RegisteredService, -2.0), // likewise
    (Scan, -1.0),       // a scanner's own reset, at most
    (Misdirected, -1.0), // nobody here asked
];

const NO_PAYLOAD: Row = &[
    (NonstandardPort, -4.0),      // a known protocol cannot be known without bytes
    (UnidentifiedListener, -3.0), // nothing was said that could be identified
    (SuspectedMalware, -2.0),     // its bytes are not there
    (KnownSquatter, -2.0),        // nothing shows who it is
    (RegisteredService, -1.5),    // nor that it is the service
    (Undetermined, 0.5),          // nothing can be told from the content
];

const UNRECOGNISED: Row = &[
    (UnidentifiedListener, 4.0), // something speaks, and nothing explains it
    (NonstandardPort, -3.0),     // no known protocol
    (RegisteredService, -1.0),   // known services are mostly recognised
];

const UNRECOGNISED_BUT_EXPLAINABLE: Row = &[
    (NonstandardPort, -3.0),     // no known protocol
    (UnidentifiedListener, 2.5), // it may be anybody
    (RegisteredService, 1.5),    // the port is in use, and we cannot read what it is for
];

/// Recognisers miss what is encrypted, padded or odd: one conversation in some ten or twenty.
const UNRECOGNISED_THOUGH_TELLING: Row = &[
    (UnidentifiedListener, 3.5), // what lives here would have been recognised
    (NonstandardPort, -3.0),     // no known protocol
    (RegisteredService, -0.5),   // or it is the service in a mood we do not know
];

const TRUNCATED: Row = &[
    (UnidentifiedListener, -1.0), // the telling bytes may be missing
    (Undetermined, 0.5),          // likewise
];

const ODD_FLAGS: Row = &[
    (Scan, 6.0),         // made by hand: RFC 9293 has no such opening
    (Misdirected, -3.0), // programs that err still open properly
];

const CARRIER: Row = &[
    (UnidentifiedListener, -4.0), // what is inside was decoded
    (RegisteredService, 2.0),     // tunnels mostly run on their ports
    (NonstandardPort, -1.0),      // tunnels are configured, not strayed
];

const GROUP: Row = &[
    (Misdirected, -3.0),          // a group is not expected to answer
    (Scan, -2.0),                 // discovery, not probing
    (UnidentifiedListener, -2.0), // groups do not listen, members do
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::example::{any_flow, any_world};

    fn check(row: Row, may_accuse: bool) {
        for (place, (story, weight)) in row.iter().enumerate() {
            assert!(weight.is_finite() && *weight != 0.0, "{row:?}");
            assert!(row[..place].iter().all(|(earlier, _)| earlier != story), "{story:?} twice in {row:?}");
            assert!(*story != SuspectedMalware || *weight < 1.0 || may_accuse, "{row:?}");
        }
        assert!(
            row.windows(2).all(|pair| pair[0].1.abs() >= pair[1].1.abs()),
            "not sorted by effect: {row:?}"
        );
    }

    #[test]
    fn priors_are_sound() {
        check(BASE, false);
        for status in [PortStatus::Active, PortStatus::Dormant, PortStatus::Reserved] {
            check(of_status(status), false);
        }
        for tier in [Tier::WellKnown, Tier::Registered, Tier::Dynamic] {
            check(of_tier(tier), false);
        }
    }

    #[test]
    fn malware_bytes_alone_accuse() {
        check(MALWARE_BYTES, true);
        assert!(MALWARE_BYTES[0].0 == SuspectedMalware && SUSPICIOUS[0].1 < 1.0);
    }

    #[test]
    fn retries_knocks_and_reach_grade() {
        for row in [of_retries(2, false), of_retries(9, false), of_retries(9, true)] {
            check(row, false);
        }
        for (attempts, answered, regular) in [(1, 0, false), (9, 0, false), (9, 0, true), (9, 1, true)] {
            check(of_knocks(attempts, answered, regular), false);
        }
        let scan = |row: Row| row.iter().find(|(story, _)| *story == Scan).map_or(0.0, |(_, weight)| *weight);
        let grades = [(20, 40, 20), (8, 4, 4), (8, 6, 6), (20, 4, 4), (20, 6, 6), (100, 15, 15)];
        let weights = grades.map(|(places, ended, failed)| scan(of_fan_out(places, ended, failed, false)));
        assert!(weights.windows(2).all(|pair| pair[0] < pair[1]), "{weights:?}");
        assert!(scan(of_fan_out(1000, 900, 900, true)) < scan(of_fan_out(20, 15, 15, false)));
        assert!(of_fan_out(20, 4, 3, false).is_empty(), "one answer, and it is too early to say");
    }

    proptest! {
        #[test]
        fn every_row_that_evidence_can_reach_is_sound(flow in any_flow(), (app, world) in any_world()) {
            for fact in &world.gather(flow, app).facts {
                check(of(fact), false);
            }
        }
    }
}
