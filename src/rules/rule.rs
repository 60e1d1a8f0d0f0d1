//! A rule, and the alert it makes of a verdict.

use std::sync::Arc;

use super::aggregate::Aggregate;
use super::title::Title;
use crate::verdict::{Story, Verdict};

/// How bad it would be, as in EVE: 1 is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// 1
    High = 1,
    /// 2
    Medium = 2,
    /// 3
    Low = 3,
    /// 4
    Informational = 4,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::High, Self::Medium, Self::Low, Self::Informational];

    /// Name in rule files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Informational => "informational",
        }
    }
}

/// What identifies a rule in an alert. What it matches on is private to this room.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Stable name such as `service-on-dormant-port`.
    pub id: String,
    /// EVE's `signature_id`, 1,000,000 to 1,999,999.
    pub sid: u32,
    /// EVE's `rev`.
    pub rev: u32,
    /// EVE's `signature`: one line, may contain placeholders such as `{port}`.
    pub title: Title,
    /// EVE's `category`: a classification description as in Suricata's classification.config.
    pub category: String,
    /// How bad.
    pub severity: Severity,
    /// MITRE ATT&CK technique identifiers, such as `T1571`.
    pub techniques: Vec<String>,
}

/// A verdict that a rule wants somebody to see, and the flows it stands for.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The rule, with the worst severity of these flows.
    pub rule: Arc<Rule>,
    /// `title` with its placeholders filled in.
    pub signature: Arc<str>,
    /// The verdict on the latest of these flows.
    pub verdict: Arc<Verdict>,
    /// All flows it stands for.
    pub aggregate: Aggregate,
    /// Set when this flow was alerted as another story before.
    pub revised: Option<Revised>,
}

/// What an alert takes back: the flow was judged otherwise when it was first alerted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revised {
    /// The story it was alerted as.
    pub from: Story,
    /// Name of the fact that changed it most: one that came, or else one that went.
    pub because: Option<&'static str>,
}
