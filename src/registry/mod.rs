//! What is claimed about a port, by whom, with the source. Data about the world; no opinion.
//!
//! Claims come from the compiled-in IANA table (`rules/iana.tsv`) and from curated files
//! (`rules/claims/*.toml`), and from files the user adds. A claim without a source is refused. How much a
//! claim weighs is not said here: that is the verdict's table.
//!
//! Of every port two bytes say what the claims on it add up to; the claims themselves are read from the
//! text in the binary when somebody asks about the port, and kept.
//!
//! Invariants: what is said of a port never changes after loading (a reload builds a new registry and swaps
//! it whole); a look-up is an array index and no hash; before anybody asks, all of it costs less than 1
//! MiB.

mod claim;
mod curated;
mod diagnostic;
mod dossier;
mod fuzz;
mod iana;
mod import;
mod outline;
mod ranges;
mod seen;
mod spec;
mod standing;
mod table;

pub use claim::{Claim, ClaimKind, Claims, PortStatus, Tags, Tier};
pub use curated::Ephemeral;
pub use diagnostic::{Diagnostic, Error, Level, Place};
pub use dossier::{Dossier, Listed};
#[doc(hidden)]
pub use fuzz::fuzz;
pub use iana::SNAPSHOT;
pub use import::{Service, claims_file, differences, read_services};
pub(crate) use ranges::Ranges;
pub use seen::{Seen, Sighting, Witness};
pub use spec::{OneOrMany, Ports, Text, parse, slug};
pub use table::{At, Registry, read_text, text_of};
