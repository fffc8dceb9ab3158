//! What every service promises, operation by operation.
//!
//! ```text
//! cargo test --test behavior                     every case, every backend
//! cargo test --test behavior -- fs::rename       some of them
//! ```
//!
//! Test your own account, or any service that OpenDAL opens by URI: each case works below a fresh
//! folder with a random name and removes it.
//!
//! ```text
//! DRIVEDAL_TEST_URI='skydrive://?refresh_token=…&client_id=…' cargo test --test behavior
//! ```
//!
//! A case is an async function named by a sentence (`harness`); which backends there are, and in
//! what each is known to differ, is in `backends`. A case that needs what a backend does not
//! offer is ignored and says so.

mod backends;
mod concurrency;
mod copy;
mod create_dir;
mod data;
mod delete;
mod faults;
mod harness;
mod list;
mod model;
mod names;
mod options;
mod others;
mod planted;
mod read;
mod rename;
mod requests;
mod secrets;
mod stat;
mod write;
mod writer;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Conclusion, Trial};

use harness::Case;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases wait more than they compute.
    arguments.test_threads.get_or_insert(8);
    harness::report_panics_as_failures();
    tracing::subscriber::set_global_default(secrets::Log).expect("nothing has set one before");
    drivedal::register();

    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let groups = groups();
    let mut trials = Vec::new();
    for backend in backends::all() {
        check_known(&*backend, &groups);
        for (group, cases) in &groups {
            trials.extend(
                cases.iter().map(|case| harness::trial(runtime.handle(), &backend, group, *case)),
            );
        }
    }
    let tried = libtest_mimic::run(&arguments, trials);
    let searched = libtest_mimic::run(
        &arguments,
        vec![Trial::ignorable_test(
            "secrets::nothing_that_was_said_tells_a_secret",
            secrets::nothing_that_was_said_tells_one,
        )],
    );
    // Servers and their tasks end before the process does.
    drop(runtime);
    exit_code(&[tried, searched])
}

/// The files, one per operation, and their cases.
fn groups() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("stat", stat::cases()),
        ("read", read::cases()),
        ("write", write::cases()),
        ("writer", writer::cases()),
        ("options", options::cases()),
        ("list", list::cases()),
        ("create_dir", create_dir::cases()),
        ("delete", delete::cases()),
        ("rename", rename::cases()),
        ("copy", copy::cases()),
        ("names", names::cases()),
        ("concurrency", concurrency::cases()),
        ("others", others::cases()),
        ("planted", planted::cases()),
        ("faults", faults::cases()),
        ("requests", requests::cases()),
        ("model", model::cases()),
    ]
}

/// A known difference of a case that does not exist would never be noticed.
fn check_known(backend: &dyn backends::Backend, groups: &[(&str, Vec<Case>)]) {
    for known in backend.known().iter().flat_map(|known| known.cases) {
        let exists = groups.iter().any(|(group, cases)| {
            cases.iter().any(|case| known.split_once("::") == Some((group, case.name)))
        });
        assert!(exists, "{} is known to differ in {known}, which is no case", backend.name());
    }
}

fn exit_code(runs: &[Conclusion]) -> ExitCode {
    match runs.iter().any(Conclusion::has_failed) {
        true => ExitCode::from(101),
        false => ExitCode::SUCCESS,
    }
}
