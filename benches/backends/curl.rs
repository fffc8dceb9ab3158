//! The large file by `curl`, to compare with.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::{Result, contender::Contender, process::Serving, work::Measured};

pub const UP: &str = "curl up";
pub const DOWN: &str = "curl down";

/// Up and down again; nothing where there is no `curl`.
pub fn measure(
    contender: &Contender,
    server: &Serving,
    large: &Path,
    scratch: &Path,
) -> Result<Vec<Measured>> {
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
    let url = match contender.name {
        "amazon-drive" => format!("{}cdproxy/nodes/{id}/content", server.url),
        // Live Connect has no paths, and so a look for the id comes before.
        "skydrive" => live_url(contender, server)?,
        _ => format!("{}v1.0/me/drive/root:/curl:/content", server.url),
    };
    let down = timed(DOWN, |curl| {
        curl.args(["-L", "-H", &token, "-o", "/dev/null", &url]);
    })?;
    Ok(vec![up, down])
}

fn live_url(contender: &Contender, server: &Serving) -> Result<String> {
    let list = format!("{}v5.0/me/skydrive/files?access_token={}", server.url, contender.token());
    let listed = Command::new("curl").args(["-s", "--noproxy", "*", &list]).output()?;
    let listed: Value = serde_json::from_slice(&listed.stdout)?;
    let objects = listed["data"].as_array().ok_or("no listing")?;
    let file = objects.iter().find(|object| object["name"] == "curl").ok_or("no file")?;
    Ok(format!("{}v5.0/{}/content", server.url, file["id"].as_str().ok_or("no id")?))
}

fn timed(work: &str, arguments: impl FnOnce(&mut Command)) -> Result<Measured> {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-S", "--fail", "--noproxy", "*", "-H", "Expect:"]);
    arguments(&mut curl);
    let began = Instant::now();
    let status = curl.status()?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Measured {
        work: work.to_owned(),
        refused: (!status.success()).then(|| status.to_string()),
        seconds,
        requests: None,
        client_peak: None,
        server_peak: None,
    })
}
