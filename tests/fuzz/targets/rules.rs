//! Any bytes for the room `rules`. What must hold stands in `src/rules/fuzz.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ghostport::rules::fuzz(data));
