//! Tokens, concurrent clients, other clouds, and the configuration.

use std::fs;

use drivedal_server::AccountKind;
use serde_json::Value;

use crate::rclone::{
    client::{Rclone, blocking},
    witness::{TrialResult, check},
};

pub fn renewed(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    // The token has expired: rclone refreshes it before the first request.
    rclone.configure("2001-01-01T00:00:00Z", "old")?;
    check("the text", rclone.rclone("cat od:tree/small.txt")?, "hello world".into())?;
    let config = fs::read_to_string(rclone.path("rclone.conf"))?;
    let kept = !config.contains(&format!("drivedal-dev-{}-refresh", rclone.account));
    check("the new refresh token was kept", kept, true)
}

pub fn noticed(rclone: &Rclone) -> TrialResult {
    rclone.seed()?;
    let url = rclone.server.url().join("v1.0/me/drive/root:/tree/small.txt:/content")?;
    let token = format!("drivedal-dev-{}", rclone.account);
    blocking(async move {
        let client = drivedal_test_support::http::client();
        client.put(url).bearer_auth(token).body("of another client").send().await?;
        Ok::<_, reqwest::Error>(())
    })?;
    let (same, errors) =
        rclone.try_run(["check".into(), rclone.path("from").into_os_string(), "od:tree".into()])?;
    check("the check passed", same, false)?;
    check("it names the file", errors.contains("small.txt"), true)?;
    rclone.rclone("copyto od:tree/small.txt LOCAL/from/small.txt")?;
    rclone.rclone("check LOCAL/from od:tree")?;
    Ok(())
}

pub fn in_china(rclone: &Rclone) -> TrialResult {
    // With these clouds, paths are sent as an alias in the query: `children('@a1')?@a1='…'`.
    rclone.seed()?;
    rclone.rclone("copy --onedrive-region cn LOCAL/from od:china")?;
    rclone.rclone("check --download --onedrive-region cn LOCAL/from od:china")?;
    rclone.rclone("check --download LOCAL/from od:china")?;
    Ok(())
}

pub fn configured(rclone: &Rclone) -> TrialResult {
    let drive = rclone.drive_id()?;
    let config = rclone.path("rclone.conf");
    let text = fs::read_to_string(&config)?;
    let without = text.lines().filter(|line| !line.starts_with("drive_"));
    fs::write(&config, without.collect::<Vec<_>>().join("\n"))?;
    let mut question: Value =
        serde_json::from_str(&rclone.rclone("config update od --non-interactive")?)?;
    let mut asked = Vec::new();
    while let Some(state) = question["State"].as_str().filter(|state| !state.is_empty()) {
        let name = question["Option"]["Name"].as_str().ok_or(format!("no question: {question}"))?;
        let answer = match name {
            "config_refresh_token" => "false",
            "config_type" => "onedrive",
            _ => question["Option"]["DefaultStr"].as_str().unwrap_or_default(),
        };
        asked.push(name.to_owned());
        let next = ["config", "update", "od", "--non-interactive", "--continue", "--state", state];
        let next = rclone.run(next.into_iter().chain(["--result", answer]))?;
        question = if next.trim().is_empty() { Value::Null } else { serde_json::from_str(&next)? };
    }
    check("it asked for the drive", asked.contains(&"config_driveid".into()), true)?;
    let text = fs::read_to_string(&config)?;
    check("it found the drive", text.contains(&format!("drive_id = {drive}")), true)?;
    let kind = if rclone.kind == AccountKind::Personal { "personal" } else { "business" };
    check("and its type", text.contains(&format!("drive_type = {kind}")), true)
}
