//! Every sample conversation against every protocol, cut at every length, and in both orders.

use super::samples::Sample;
use super::{App, Carrier, Sides, Strength, listen, recognise};
use super::{
    calls, crypto, data, mail, malware, manage, names, networks, over_http, peers, plants, remote, tools, web,
};
use proptest::prelude::*;

const FAMILIES: &[&[Sample]] = &[
    web::SAMPLES,
    over_http::SAMPLES,
    remote::SAMPLES,
    mail::SAMPLES,
    crypto::SAMPLES,
    names::SAMPLES,
    calls::SAMPLES,
    manage::SAMPLES,
    data::SAMPLES,
    plants::SAMPLES,
    peers::SAMPLES,
    networks::SAMPLES,
    tools::SAMPLES,
    malware::SAMPLES,
];

fn samples() -> impl Iterator<Item = &'static Sample> {
    FAMILIES.iter().copied().flatten()
}

#[test]
fn every_sample_is_its_protocol_in_both_orders() {
    for sample in samples() {
        let found = listen(sample.carrier, sample.asks, sample.answers);
        assert_eq!(found.proto.app, sample.app, "{sample:?}");
        let turned = listen(sample.carrier, sample.answers, sample.asks);
        assert_eq!(turned.proto.app, sample.app, "{sample:?}");
        assert_eq!(turned.proto.strength, found.proto.strength);
        assert_eq!(turned.proto.sides, swapped(found.proto.sides));
        assert_eq!(turned.asks, swapped(found.asks));
        assert_ne!(found.asks, Sides::Responder, "asks and answers are the wrong way round: {sample:?}");
        let silent = sample.asks.is_empty() || sample.answers.is_empty();
        assert_eq!(found.proto.sides == Sides::Both, !silent, "{sample:?}");
    }
}

#[test]
fn every_protocol_has_a_sample() {
    for app in App::ALL {
        assert_eq!(samples().any(|s| s.app == *app), app.has_signs(), "{app:?} has no sample");
    }
}

/// All against all: one side of one protocol beside one side of another is never a third one, and a side
/// alone is never anything but what it is or, where two protocols share a line, nothing.
#[test]
fn no_sample_is_another_protocol() {
    let kin = |a: App, b: App| a == b || a.family() == Some(b) || b.family() == Some(a);
    for sample in samples() {
        for side in [sample.asks, sample.answers] {
            let alone = recognise(sample.carrier, side, b"").app;
            assert!(alone == App::Unknown || kin(alone, sample.app), "{alone:?} from {sample:?}");
        }
        let clear = |side| recognise(sample.carrier, side, b"").app != App::Unknown;
        for other in samples().filter(|o| o.carrier == sample.carrier) {
            if !clear(sample.asks) || !clear(other.answers) {
                continue; // a line that several protocols share may go with any of them
            }
            let mixed = recognise(sample.carrier, sample.asks, other.answers).app;
            let known = mixed == App::Unknown || kin(mixed, sample.app) || kin(mixed, other.app);
            assert!(known, "{mixed:?} from {sample:?} and {other:?}");
        }
    }
}

#[test]
fn any_cut_is_safe_and_never_another_protocol() {
    let kin = |a: App, b: App| a == b || a.family() == Some(b) || b.family() == Some(a);
    for sample in samples() {
        for side in [sample.asks, sample.answers] {
            for len in 0..=side.len() {
                let found = recognise(sample.carrier, &side[..len], b"");
                let safe = found.app == App::Unknown
                    || kin(found.app, sample.app)
                    || found.strength == Strength::Weak;
                assert!(safe, "{found:?} from the first {len} of {sample:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_safe(orig in proptest::collection::vec(any::<u8>(), 0..600),
                          resp in proptest::collection::vec(any::<u8>(), 0..600), first in any::<u8>()) {
        for carrier in [Carrier::Stream, Carrier::Datagram] {
            let ours = listen(carrier, &orig, &resp);
            let turned = listen(carrier, &resp, &orig);
            prop_assert_eq!(ours.proto.app, turned.proto.app);
            prop_assert_eq!(ours.proto.sides, swapped(turned.proto.sides));
        }
        let mut orig = orig;
        orig.insert(0, first);
        let _ = recognise(Carrier::Stream, &orig, &resp);
    }

    /// Samples with a few bytes changed: the paths behind the first checks.
    #[test]
    fn damaged_samples_are_safe(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(),
                                byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let all: Vec<&Sample> = samples().collect();
        let sample = all[which.index(all.len())];
        let mut damaged = sample.asks.to_vec();
        if !damaged.is_empty() {
            let place = at.index(damaged.len());
            damaged[place] = byte;
            damaged.truncate(cut.index(damaged.len()) + 1);
        }
        let _ = recognise(sample.carrier, &damaged, sample.answers);
        let _ = recognise(sample.carrier, sample.answers, &damaged);
    }
}

fn swapped(sides: Sides) -> Sides {
    match sides {
        Sides::Originator => Sides::Responder,
        Sides::Responder => Sides::Originator,
        same => same,
    }
}
