//! A flow, and everything the other rooms say about it, as a list of facts. Nothing is weighed here.
//!
//! A fact is named, documented ([`CATALOGUE`]) and can be checked by hand in the capture or the registry.
//! Facts that speak for opposite stories stand side by side; the verdict weighs them. [`gather()`] is a pure
//! function of plain values ([`Context`]): it asks nobody, so a test can say what the world looks like
//! without building one.
//!
//! Invariants: facts stand in catalogue order; each name occurs at most once per flow, except `claimed_by`,
//! which may occur once per kind of claim; the number of facts per flow is bounded by the catalogue, whatever
//! the input.

mod catalogue;
mod course;
#[cfg(test)]
pub(crate) mod example;
mod fact;
mod gather;
mod os_hint;
mod reach;
mod repeat;
mod speech;
mod tenant;

pub use catalogue::CATALOGUE;
pub use fact::{Evidence, Fact, FactValue, LocalProcess, Refusal, Tenant, Unasked};
pub use gather::{Context, gather, gather_into};
pub use speech::add_spoken;
pub use tenant::tenant;
