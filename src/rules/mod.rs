//! Which verdicts become alerts: rule files, thresholds, suppressions, expected services. Policy, not
//! knowledge.
//!
//! Invariants: immutable after loading (a reload builds a new set and swaps it whole); a rule sees a verdict
//! and nothing else, so it can never match an originator's ephemeral port; a file with a mistake is refused
//! whole, with file:line:column, and the rules in force stay.

mod aggregate;
mod condition;
mod file;
mod fuzz;
mod import;
mod nets;
mod rule;
mod set;
mod state;
mod subject;
mod technique;
mod title;
mod word;

pub use aggregate::{Aggregate, Gathering, Stage};
pub use file::Policy;
#[doc(hidden)]
pub use fuzz::fuzz;
pub use import::{Imported, import};
pub use rule::{Alert, Revised, Rule, Severity};
pub use set::{Error, Judged, Rules, TestReport};
pub use state::{Counters, Spoken, State};
pub use technique::{ATTACK_VERSION, tactics};
pub use title::{Title, Values};
pub use word::{Internal, Way};
