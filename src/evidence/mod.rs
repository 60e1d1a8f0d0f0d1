//! A flow, and everything the other rooms say about it, as a list of facts. Nothing is weighed here.
//!
//! A fact is named, documented and can be checked by hand in the capture or the registry. Facts that speak for opposite
//! stories stand side by side; the verdict weighs them.

mod fact;

pub use fact::{Evidence, Fact};
