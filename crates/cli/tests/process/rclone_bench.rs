//! `drivedal bench` measures a remote of rclone. `DRIVEDAL_RCLONE` names the program, by default
//! `rclone` in the PATH. If it is missing, the test is ignored, or fails if `DRIVEDAL_REQUIRE_CLIENTS`
//! is set.

use std::fs;

use drivedal_test_support::witness::{TrialResult, check, trial};
use libtest_mimic::Trial;

use crate::{
    rclone_import::program,
    shell::{Ran, Shell, tree},
};

/// Returns the test.
pub fn trial_of_bench() -> Trial {
    let missing = program().err();
    let name = "rclone_bench::a_remote_of_rclone_is_measured_and_left_empty".to_owned();
    trial(name, missing.as_deref(), bench)
}

fn bench() -> TrialResult {
    let shell = Shell::new();
    fs::create_dir(shell.path("by rclone"))?;
    let place = format!("rclone:{}", shell.path("by rclone").display());
    let mut command = shell.command(&["bench", "--rounds", "1", "--json", &place, "memory:///"]);
    command
        .args(["--files", "12", "--large", "1500K", "--ranges", "4", "--range-size", "10K"])
        .env("DRIVEDAL_RCLONE", program()?);
    let ran = Ran::new(command.output()?);
    check(&format!("exit code, {ran:?}"), ran.code, 0)?;
    let report = ran.json().pop().ok_or("no report")?;
    let results = report["results"].as_array().ok_or("no results")?;
    let results: Vec<_> = results.iter().filter(|one| one["contender"] == *place).collect();
    check("works", results.len(), 12)?;
    for result in results {
        check(&format!("status of {result}"), &result["status"], &"done".into())?;
        check("counted requests", result["requests"].is_null(), true)?;
    }
    let service = report["contenders"][0]["service"].as_str().ok_or("no service")?;
    check(&format!("version in {service}"), service.starts_with("rclone v1."), true)?;
    check("files that are left", tree(&shell.path("by rclone")), Vec::new())
}
