//! The result of a script that uses other people's clients.

use std::process::Output;

use drivedal_server::RequestRecord;
use drivedal_test_support::witness::TrialResult;

/// Returns the result of a script that has ended. `requests` are the requests that the server
/// received from it.
///
/// # Errors
/// The script's output and its requests, if its exit status is not 0.
pub fn check(output: &Output, requests: impl IntoIterator<Item = RequestRecord>) -> TrialResult {
    if output.status.success() {
        return Ok(());
    }
    let requests = requests.into_iter();
    let requests: Vec<String> =
        requests.map(|one| format!("{} {} {:?}", one.method, one.path, one.status)).collect();
    Err(format!(
        "{}\n{}{}\nrequests:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        requests.join("\n")
    )
    .into())
}
