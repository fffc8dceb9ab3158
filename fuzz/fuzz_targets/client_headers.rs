//! Headers and URLs that a server chooses.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    drivedal::http::fuzzing::headers(text);
    drivedal::http::fuzzing::urls(text);
});
