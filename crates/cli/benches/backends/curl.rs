//! Transfer of the large file with `curl`, for comparison.

use std::{
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Instant,
};

use drivedal_bench::{Result, Sample};
use serde_json::Value;

use crate::{Samples, contender::Contender, process::Serving};

pub const UP: &str = "curl-put-large";
pub const DOWN: &str = "curl-get-large";
/// Download by a client that hashes the bytes.
pub const DOWN_CHECKED: &str = "curl-get-large-md5";

/// Measures upload and download. Returns no measurement if `curl` is not installed.
pub fn measure(
    contender: &Contender,
    server: &Serving,
    large: &Path,
    scratch: &Path,
) -> Result<Samples> {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Ok(Vec::new());
    }
    let token = format!("Authorization: Bearer {}", contender.token());
    let answer = scratch.join("curl.json");
    let up = timed(UP, |curl| {
        curl.args(["-H", &token, "-o", &answer.to_string_lossy()])
            .args(["-F", r#"metadata={"kind": "FILE", "name": "curl"};type=application/json"#])
            .args(["-F", &format!("content=@{};filename=curl", large.display())])
            .arg(format!("{}cdproxy/nodes?suppress=deduplication", server.url));
    })?;
    let node: Value = serde_json::from_slice(&std::fs::read(answer)?)?;
    let id = node["id"].as_str().ok_or_else(|| format!("an upload by curl: {node}"))?;
    let url = match contender.scheme {
        "amazon-drive" => format!("{}cdproxy/nodes/{id}/content", server.url),
        // Live Connect has no paths, so the id must be requested first.
        "skydrive" => live_url(contender, server)?,
        _ => format!("{}v1.0/me/drive/root:/curl:/content", server.url),
    };
    let down = timed(DOWN, |curl| {
        curl.args(["-L", "-H", &token, "-o", "/dev/null", &url]);
    })?;
    let checked = timed_through(DOWN_CHECKED, Command::new("md5sum"), |curl| {
        curl.args(["-L", "-H", &token, &url]);
    })?;
    let size = std::fs::metadata(large)?.len();
    let mut samples = vec![up, down, checked];
    samples.iter_mut().for_each(|(_, sample)| sample.bytes = size);
    Ok(samples)
}

fn live_url(contender: &Contender, server: &Serving) -> Result<String> {
    let list = format!("{}v5.0/me/skydrive/files?access_token={}", server.url, contender.token());
    let listed = Command::new("curl").args(["-s", "--noproxy", "*", &list]).output()?;
    let listed: Value = serde_json::from_slice(&listed.stdout)?;
    let objects = listed["data"].as_array().ok_or("no listing")?;
    let file = objects.iter().find(|object| object["name"] == "curl").ok_or("no file")?;
    Ok(format!("{}v5.0/{}/content", server.url, file["id"].as_str().ok_or("no id")?))
}

fn timed(work: &str, arguments: impl FnOnce(&mut Command)) -> Result<(String, Sample)> {
    let mut curl = curl(arguments);
    let began = Instant::now();
    let status = curl.status()?;
    Ok(measured(work, began, status))
}

/// Measures a download whose output is read by `sink`.
fn timed_through(
    work: &str,
    mut sink: Command,
    arguments: impl FnOnce(&mut Command),
) -> Result<(String, Sample)> {
    let mut curl = curl(arguments);
    let began = Instant::now();
    let mut sent = curl.stdout(Stdio::piped()).spawn()?;
    let bytes = sent.stdout.take().ok_or("a pipe")?;
    let read = sink.stdin(bytes).stdout(Stdio::null()).status()?;
    let status = sent.wait()?;
    Ok(measured(work, began, if read.success() { status } else { read }))
}

fn curl(arguments: impl FnOnce(&mut Command)) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-S", "--fail", "--noproxy", "*", "-H", "Expect:"]);
    arguments(&mut curl);
    curl
}

fn measured(work: &str, began: Instant, status: ExitStatus) -> (String, Sample) {
    let sample = match status.success() {
        true => Sample::done(began.elapsed().as_secs_f64(), 1, 0),
        false => Sample::failed(status.to_string()),
    };
    (work.to_owned(), sample)
}
