//! Token files, and responses of token endpoints.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| drivedal::auth::fuzzing::tokens(text));
