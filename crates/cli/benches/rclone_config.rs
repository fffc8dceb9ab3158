//! Configuration of rclone for a drive server.

use std::error::Error;

use serde_json::json;

/// Returns the configuration that `rclone config` would write.
///
/// # Errors
/// If the server cannot be reached or does not name its drive.
pub fn config(
    url: &url::Url,
    kind: &str,
    token: &str,
    runtime: &tokio::runtime::Runtime,
) -> Result<String, Box<dyn Error>> {
    let drive: serde_json::Value = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let answer = client.get(url.join("v1.0/me/drive")?).bearer_auth(token).send().await?;
        Ok::<_, Box<dyn Error>>(serde_json::from_slice(&answer.bytes().await?)?)
    })?;
    let drive_id = drive["id"].as_str().ok_or("the drive has no id")?;
    let tokens = json!({
        "access_token": token, "token_type": "Bearer",
        "refresh_token": format!("{token}-refresh"), "expiry": "2099-01-01T00:00:00Z",
    });
    let url = url.as_str().trim_end_matches('/');
    Ok(format!(
        "[cloud]\ntype = onedrive\nclient_id = id\nclient_secret = secret\ntoken = {tokens}\n\
         drive_id = {drive_id}\ndrive_type = {kind}\ntenant_url = {url}/_api\n\
         auth_url = {url}/common/oauth2/v2.0/authorize\n\
         token_url = {url}/common/oauth2/v2.0/token\n"
    ))
}
