//! What is claimed about a port, by whom, with the source. Data about the world; no opinion.
//!
//! Claims come from the compiled-in IANA table (`rules/iana.tsv`) and from curated files
//! (`rules/claims/*.toml`), and from files the user adds. A claim without a source is refused. How much a
//! claim weighs is not said here: that is the verdict's table.
//!
//! Invariants: immutable after loading (a reload builds a new one and swaps it whole); `on` costs two array
//! look-ups and no hash.

mod claim;
mod curated;
mod diagnostic;
mod dossier;
mod fuzz;
mod iana;
mod import;
mod seen;
mod spec;
mod standing;
mod table;

pub use claim::{Claim, ClaimKind, PortStatus, Tags, Tier};
pub use curated::Ephemeral;
pub use diagnostic::{Diagnostic, Error, Level, Place};
pub use dossier::{Dossier, Listed};
#[doc(hidden)]
pub use fuzz::fuzz;
pub use iana::SNAPSHOT;
pub use import::{Service, claims_file, differences, read_services};
pub use seen::{Seen, Sighting, Witness};
pub use spec::{OneOrMany, Ports, Text, parse, slug};
pub use table::{Registry, read_text, text_of};
