//! Request lines of all protocols: `METHOD TARGET`.
#![no_main]

use drivedal_server::fuzzing;

libfuzzer_sys::fuzz_target!(|line: &str| {
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    fuzzing::amazon_route(method, target);
    fuzzing::live(method, target);
    fuzzing::graph(target);
    fuzzing::seed_name(target);
});
