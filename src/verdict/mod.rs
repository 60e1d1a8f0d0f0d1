//! Evidence → verdict: stories ranked by probability, with the facts for and against. Pure: no I/O, no state.

mod story;

pub use story::Story;
