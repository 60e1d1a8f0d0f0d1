//! Which of a port's claims accounts for what is there: by protocol, by the name of a process, or not at all.

use std::sync::Arc;

use super::fact::Tenant;
use crate::host::Process;
use crate::payload::App;
use crate::registry::{Claim, ClaimKind};

/// The claim that best accounts for this protocol: a registration before a squatter before a former
/// registration, and a better source before a worse one. A suspicious claim never accounts for a protocol:
/// that is for its bytes.
pub(super) fn expecting(claims: &[Arc<Claim>], app: App) -> Option<Arc<Claim>> {
    // Who expects HTTP expects what is built on it.
    let fits = |speaks: &String| speaks == app.name() || app.family().is_some_and(|f| speaks == f.name());
    let accounts = |claim: &Claim| claim.kind != ClaimKind::Suspicious && claim.speaks.iter().any(fits);
    best(claims.iter().filter(|claim| accounts(claim)))
}

/// The best of some claims; of equals the first, in the order of the files. A claim that its own source gives
/// no confidence is a contradiction on record, for the reader: it never stands for the port.
pub(super) fn best<'a>(claims: impl Iterator<Item = &'a Arc<Claim>>) -> Option<Arc<Claim>> {
    let worth = |claim: &Claim| {
        let kind = match claim.kind {
            ClaimKind::Registered => 3,
            ClaimKind::Squatter => 2,
            ClaimKind::FormerlyRegistered => 1,
            ClaimKind::Suspicious => 0,
        };
        (!claim.dead, kind, claim.confidence)
    };
    // The first of equals: the order of the files, the same in every run.
    let believed = claims.filter(|claim| claim.confidence > 0);
    believed.reduce(|best, next| if worth(next) > worth(best) { next } else { best }).cloned()
}

/// What is known about the service that the port is registered for. `lives`: the registration itself shows
/// signs of life; that somebody else uses the port today brings no dead registrant back.
#[must_use]
pub fn tenant(claims: &[Arc<Claim>], lives: bool) -> Tenant {
    let is_registrant =
        |claim: &&Arc<Claim>| claim.kind == ClaimKind::Registered && !claim.dead && claim.confidence > 0;
    let mut registered = claims.iter().filter(is_registrant);
    match registered.next() {
        _ if !lives => Tenant::Absent,
        None => Tenant::Absent,
        Some(first) if is_silent(first) || registered.any(|claim| is_silent(claim)) => Tenant::Silent,
        Some(_) => Tenant::Telling,
    }
}

/// True when we would not recognise what the claim speaks: it does not say, or it names only protocols
/// unknown to us.
pub(super) fn is_silent(claim: &Claim) -> bool {
    claim.speaks.iter().all(|name| App::from_name(name).is_none_or(|app| !app.has_signs()))
}

/// True when the process is called like the claim, or like the last part of its identifier (`miralix-om`).
pub(super) fn bears_the_name(claim: &Claim, process: &Process) -> bool {
    let file = process.exe.as_deref().and_then(|path| path.rsplit('/').next()).unwrap_or("");
    let last = claim.id.rsplit('/').next().unwrap_or("");
    [claim.name.as_str(), last].into_iter().any(|name| {
        !name.is_empty()
            && name != "iana"
            && (name.eq_ignore_ascii_case(&process.name) || name.eq_ignore_ascii_case(file))
    })
}
