//! The catalogue of facts.

use std::sync::Arc;

use crate::flow::{Flow, Outcome};
use crate::host::Process;
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

impl Evidence {
    /// The local process that listens on the responder's port, when that was asked and found.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        None
    }
}

impl Fact {
    /// Name in output and catalogue.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Speaks(_) => "speaks",
        }
    }

    /// Value in the output.
    #[must_use]
    pub fn value(&self) -> String {
        match self {
            Self::Speaks(spoken) => spoken.app.name().to_owned(),
        }
    }
}
