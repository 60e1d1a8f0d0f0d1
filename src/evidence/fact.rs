//! The catalogue of facts.

use std::sync::Arc;

use crate::flow::{Flow, Outcome};
use crate::payload::AppProto;
use crate::registry::{Claim, PortStatus, Tags, Tier};

/// A flow and the facts about it.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The flow, direction settled.
    pub flow: Flow,
    /// How it went.
    pub outcome: Outcome,
    /// What is really spoken.
    pub app: AppProto,
    /// Tier of the responder's port.
    pub tier: Tier,
    /// Status of the responder's port.
    pub status: PortStatus,
    /// Tags of the responder's port.
    pub tags: Tags,
    /// Every claim about the responder's port and transport.
    pub claims: Vec<Arc<Claim>>,
    /// The facts, in catalogue order.
    pub facts: Vec<Fact>,
}

/// One checkable thing. [`Fact::name`] and [`Fact::value`] are what the output says.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// Payload was recognised.
    Speaks(AppProto),
}
