#![no_main]

use drivedal_server::fuzzing;

libfuzzer_sys::fuzz_target!(|text: &str| fuzzing::graph(text));
