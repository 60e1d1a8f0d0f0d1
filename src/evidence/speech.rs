//! The facts that what is spoken brings along: that it is spoken, and whether a claim expects it here.

use std::sync::Arc;

use super::fact::Fact;
use super::tenant::{expecting, tenant};
use crate::payload::{App, AppProto};
use crate::registry::Claim;

/// Protocols whose servers get their ports from a mapper or a control connection: DCE/RPC endpoint mapper
/// (C706), ONC RPC portmapper (RFC 1833), FTP data connections (RFC 959), media of SIP, RTSP and H.323 (RFC
/// 3550, ITU-T T.38).
const NEGOTIATING: [&str; 9] = ["dcerpc", "sunrpc", "nfs", "ftp-data", "rtp", "rtcp", "srtp", "t38", "h245"];

/// Adds what follows from `app` being spoken on a port with these claims, in catalogue order. `lives`: the
/// registration itself shows signs of life. `other_side`: the claim about the originator's port that expects
/// it, where the direction is a guess.
pub fn add_spoken(
    facts: &mut Vec<Fact>,
    app: AppProto,
    claims: &[Arc<Claim>],
    lives: bool,
    other_side: impl FnOnce() -> Option<Arc<Claim>>,
) {
    if app.app == App::Unknown {
        return;
    }
    if app.app.has_signs() {
        facts.push(Fact::Speaks(app));
    }
    if app.app.is_malware() {
        facts.push(Fact::MalwareBytes(app.app));
    }
    if let Some(claim) = expecting(claims, app.app) {
        facts.push(Fact::ClaimExpects(claim));
        return;
    }
    facts.push(Fact::NoClaimExpects(tenant(claims, lives)));
    facts.extend(other_side().map(Fact::OriginatorClaimExpects));
    if NEGOTIATING.contains(&app.app.name()) {
        facts.push(Fact::NegotiatesPorts(app.app));
    }
}
