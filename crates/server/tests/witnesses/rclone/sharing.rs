//! Links with an expiry, and permissions as metadata.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use drivedal_server::AccountKind;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::rclone::{
    client::Rclone,
    witness::{TrialResult, check},
};

/// The permissions of the uploaded file.
const PERMISSIONS: &str = "me/drive/root:/shared.txt:/permissions";

/// Writes `shared.txt` to the local folder, and uploads it.
fn upload(rclone: &Rclone) -> TrialResult {
    std::fs::write(rclone.path("shared.txt"), "shared")?;
    rclone.rclone("copyto LOCAL/shared.txt od:shared.txt").map(drop)
}

pub fn link_expires(rclone: &Rclone) -> TrialResult {
    upload(rclone)?;
    let link = rclone.rclone("link --expire 24h od:shared.txt")?;
    let permissions = rclone.graph(PERMISSIONS)?;
    let permission = &permissions["value"][0];
    let url = permission["link"]["webUrl"].as_str().unwrap_or_default();
    // For personal drives, rclone makes a URL of the content from it.
    let expected = match rclone.kind {
        AccountKind::Personal => {
            let token = URL_SAFE_NO_PAD.encode(url);
            format!("https://api.onedrive.com/v1.0/shares/u!{token}/root/content")
        }
        _ => url.to_owned(),
    };
    check("the URL of the link", link.trim(), expected.as_str())?;
    let expires = permission["expirationDateTime"].as_str().ok_or("the link does not expire")?;
    let left = expires.parse::<Timestamp>()?.duration_since(Timestamp::now());
    let day = SignedDuration::from_hours(24);
    check("it expires in a day", left <= day && left > day - SignedDuration::from_mins(5), true)?;
    let is_personal = rclone.kind == AccountKind::Personal;
    let option = match is_personal {
        true => "--onedrive-link-password=p",
        false => "--onedrive-link-scope=organization",
    };
    rclone.rclone(&format!("link {option} od:shared.txt"))?;
    let all = rclone.graph(PERMISSIONS)?;
    let all = all["value"].as_array().ok_or("no list")?;
    let is_expected = |one: &Value| match is_personal {
        true => one["hasPassword"] == true,
        false => one["link"]["scope"] == "organization",
    };
    check(option, all.iter().any(is_expected), true)
}

/// Replaces the file together with its permissions. rclone writes the permissions of files that it
/// uploads with one request only.
fn write(rclone: &Rclone, permissions: &Value) -> TrialResult {
    let local = rclone.path("shared.txt").to_string_lossy().into_owned();
    let set = format!("permissions={permissions}");
    let options = ["copyto", "--ignore-times", "--metadata", "--onedrive-upload-cutoff", "1M"];
    let permissions = ["--onedrive-metadata-permissions", "read,write", "--metadata-set", &set];
    let all = options.into_iter().chain(permissions).chain([&*local, "od:shared.txt"]);
    rclone.run(all).map(drop)
}

/// Returns the permissions in the file's metadata that are not the owner's.
fn read(rclone: &Rclone) -> TrialResult<Vec<Value>> {
    let read = "lsjson --metadata --onedrive-metadata-permissions read --stat od:shared.txt";
    let entry: Value = serde_json::from_str(&rclone.rclone(read)?)?;
    let Some(text) = entry["Metadata"]["permissions"].as_str() else { return Ok(Vec::new()) };
    let mut all: Vec<Value> = serde_json::from_str(text)?;
    all.retain(|one| one["roles"] != json!(["owner"]));
    Ok(all)
}

pub fn permissions_are_metadata(rclone: &Rclone) -> TrialResult {
    upload(rclone)?;
    let (member, hidden) = match rclone.kind {
        AccountKind::Personal => ("grantedTo", 404),
        _ => ("grantedToV2", 403),
    };
    let reader = format!("reader.{}", rclone.kind);
    let path = format!("drives/{}/root:/shared.txt", rclone.drive_id()?);
    let user = json!({"user": {"id": format!("{reader}@drivedal.example")}});
    write(rclone, &json!([{"roles": ["read"], member: user}]))?;
    let granted = read(rclone)?;
    check("permissions that are read back", granted.len(), 1)?;
    check("the role", &granted[0]["roles"], &json!(["read"]))?;
    check("the reader opens the file", rclone.status_for(&reader, &path)?, 200)?;
    let changed = json!([{"id": granted[0]["id"], "roles": ["write"], member: user}]);
    write(rclone, &changed)?;
    check("the changed role", &read(rclone)?[0]["roles"], &json!(["write"]))?;
    write(rclone, &json!([]))?;
    check("permissions after their removal", read(rclone)?, Vec::new())?;
    check("the reader has no access", rclone.status_for(&reader, &path)?, hidden)
}
