//! Any bytes for the room `wire`. What must hold stands in `src/wire/fuzz.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ghostport::wire::fuzz(data));
