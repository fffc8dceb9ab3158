//! Files of tokens, and the responses of token endpoints.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| drivedal::auth::fuzzing::tokens(text));
