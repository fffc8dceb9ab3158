//! Values of headers, signed texts and sign-in forms.
#![no_main]

use drivedal_server::fuzzing;

libfuzzer_sys::fuzz_target!(|value: &[u8]| {
    fuzzing::header(value);
    fuzzing::form(value);
});
