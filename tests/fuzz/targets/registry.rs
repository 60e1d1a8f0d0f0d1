//! Any bytes for the room `registry`. What must hold stands in `src/registry/fuzz.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ghostport::registry::fuzz(data));
