//! Headers and URLs from a server.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    drivedal::transport::fuzzing::headers(text);
    drivedal::transport::fuzzing::urls(text);
});
