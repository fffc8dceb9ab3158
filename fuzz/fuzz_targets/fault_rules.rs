#![no_main]

use drivedal_server::fuzzing;

libfuzzer_sys::fuzz_target!(|json: &[u8]| fuzzing::faults(json));
