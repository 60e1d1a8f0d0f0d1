//! Any bytes for the room `flow`. What must hold stands in `src/flow/fuzz.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ghostport::flow::fuzz(data));
