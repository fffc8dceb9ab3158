//! Runs tests in a child process, for example because they measure its peak memory.

use std::{env, ffi::OsStr, process::Command};

/// Environment variable that is set in the child process.
const CHILD: &str = "DRIVEDAL_TEST_CHILD";

/// Runs a test in a child process: this test binary, with only that test.
///
/// `name` is the name of the test in the harness. The test must call this function and do
/// nothing else.
///
/// # Panics
///
/// If the test fails in the child, or the child does not find it.
pub fn in_child_process(name: &str, test: impl FnOnce()) {
    in_child_process_with(name, &[], test, |_| ());
}

/// Like [`in_child_process`], with additional environment variables. `check` gets the child's
/// output.
///
/// # Panics
///
/// If the test fails in the child, or the child does not find it.
pub fn in_child_process_with(
    name: &str,
    variables: &[(&str, &OsStr)],
    test: impl FnOnce(),
    check: impl FnOnce(&str),
) {
    if env::var_os(CHILD).is_some_and(|child| child == name) {
        return test();
    }
    let binary = env::current_exe().expect("the test binary has a path");
    let mut command = Command::new(binary);
    let output = command
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, name)
        .envs(variables.iter().copied())
        .output();
    let output = output.expect("the test binary runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    print!("{printed}");
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}", output.status);
    // With a wrong name, the child runs no test and succeeds.
    assert!(printed.contains("1 passed"), "{name} did not run");
    check(&printed);
}

/// Returns this process's peak memory so far, in bytes.
///
/// # Panics
///
/// On systems other than Linux.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kilobytes = line.split_whitespace().nth(1).expect("a figure");
    kilobytes.parse::<u64>().expect("a number") * 1024
}
