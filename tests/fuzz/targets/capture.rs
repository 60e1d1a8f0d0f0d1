//! Any bytes for the room `capture`. What must hold stands in `src/capture/fuzz.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ghostport::capture::fuzz(data));
