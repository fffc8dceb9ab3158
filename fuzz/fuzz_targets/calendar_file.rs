//! Files of subscribed calendars, and the occurrences of their events.
#![no_main]

use drivedal_server::fuzzing;

libfuzzer_sys::fuzz_target!(|text: &str| fuzzing::calendar_file(text));
