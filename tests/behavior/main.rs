//! The conformance suite (`crates/conformance`) over our services, OpenDAL's memory and files, and
//! the cases that need a drive server, planned failures or announcements.
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
//! `backends` lists the services and their known differences. A case that needs a capability that
//! a service does not have is ignored, with the reason.

mod backends;
mod faults;
mod foreign_items;
mod requests;
mod secrets;
mod writer;

use std::{
    env,
    process::{Command, ExitCode},
};

use drivedal_conformance::{Group, report_panics_as_failures, set_observer, trials};
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases mostly wait.
    arguments.test_threads.get_or_insert(8);
    report_panics_as_failures();
    set_observer(secrets::record);
    tracing::subscriber::set_global_default(secrets::Log).expect("nothing has set one before");
    // OpenDAL's services first, because ours replace its `onedrive`.
    opendal::init_default_registry();
    drivedal::register();

    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let groups = groups();
    let backends = backends::all().into_iter();
    let mut cases: Vec<Trial> =
        backends.flat_map(|backend| trials(runtime.handle(), backend, &groups)).collect();
    if !backends::is_given_by_uri() {
        cases.push(Trial::test("uri::a_service_is_tested_by_its_uri", service_by_uri));
    }
    let tried = libtest_mimic::run(&arguments, cases);
    let searched = libtest_mimic::run(
        &arguments,
        vec![Trial::ignorable_test(
            "secrets::nothing_that_was_said_tells_a_secret",
            secrets::no_recorded_text_contains_a_secret,
        )],
    );
    // Servers and their tasks must end before the process.
    drop(runtime);
    exit_code(&[tried, searched])
}

/// The conformance suite, and the cases that only our services have.
fn groups() -> Vec<Group> {
    let mut groups = drivedal_conformance::groups();
    groups.extend([
        drivedal_conformance::drive::group(),
        Group::new("writer", "Writers of our services.", writer::cases()),
        Group::new("foreign_items", "Items that other programs created.", foreign_items::cases()),
        Group::new("faults", "Failures of the cloud and the network.", faults::cases()),
        Group::new("requests", "The number of requests of each operation.", requests::cases()),
    ]);
    groups
}

/// Runs this binary with `DRIVEDAL_TEST_URI`: the service is opened, and its cases run.
fn service_by_uri() -> Result<(), Failed> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut command = Command::new(env::current_exe()?);
    command.env("DRIVEDAL_TEST_URI", format!("fs://{}", folder.path().display()));
    let output = command.arg("fs::write::").output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let passed = printed.lines().filter(|line| line.starts_with("test fs::")).count();
    match output.status.success() && passed > 0 {
        true => Ok(()),
        false => Err(format!("{}: {passed} cases\n{printed}", output.status).into()),
    }
}

fn exit_code(runs: &[Conclusion]) -> ExitCode {
    match runs.iter().any(Conclusion::has_failed) {
        true => ExitCode::from(101),
        false => ExitCode::SUCCESS,
    }
}
