//! Any bytes for the room `payload`. What must hold stands in `src/payload/fuzz.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ghostport::payload::fuzz(data));
