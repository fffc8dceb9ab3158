//! Tests that need a process of their own, for example because they measure its peak of memory.

use std::{env, ffi::OsStr, process::Command};

/// Set in the child process.
const CHILD: &str = "DRIVEDAL_TEST_CHILD";

/// Runs a test in a child process: this test binary, with only that test.
///
/// `name` is the name by which the harness knows the test. The test must call this function and do
/// nothing else.
///
/// # Panics
///
/// When the test fails in the child, or is not found there.
pub fn in_child_process(name: &str, test: impl FnOnce()) {
    in_child_process_with(name, &[], test, |_| ());
}

/// The same with these environment variables in the child. `check` gets the child's output.
///
/// # Panics
///
/// When the test fails in the child, or is not found there.
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
    // A wrong name runs no test, and succeeds.
    assert!(printed.contains("1 passed"), "{name} did not run");
    check(&printed);
}

/// Returns the peak of this process's memory so far, in bytes.
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
