//! rclone's configuration file.

use std::path::Path;

use ini::{Ini, ParseOption};
use jiff::Timestamp;
use serde::Deserialize;

use super::{ImportedRemote, invalid, read_text};
use crate::{
    adapter::NameEncoding,
    auth::StoredTokens,
    drive::{Result, Secret},
    transport::redact_quoted,
};

/// First line of an encrypted file, after comments.
const ENCRYPTED: &str = "RCLONE_ENCRYPT_V";

/// Options of rclone that do not change which files a remote shows.
const IRRELEVANT: [&str; 9] = [
    "type",
    "token",
    "description",
    "list_chunk",
    "no_versions",
    "hash_type",
    "disable_site_permission",
    "access_scopes",
    "delta",
];

/// A token as the Go package `oauth2` stores it.
#[derive(Deserialize)]
struct RcloneToken {
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    refresh_token: String,
    /// `None` if the expiry is unknown.
    expiry: Option<String>,
}

/// Returns the remotes of type `onedrive` in rclone's configuration file, in its order
/// (onedrive-graph#rclone-options). `rclone config file` prints its path.
///
/// # Errors
/// `NotFound` if the file does not exist; `InvalidInput` if it is encrypted or not a configuration of
/// rclone, with the section and the option; `Unexpected` if it cannot be read.
pub fn rclone(path: impl AsRef<Path>) -> Result<Vec<ImportedRemote>> {
    let path = path.as_ref();
    parse(&read_text(path)?, path)
}

/// Parses the text of the file.
///
/// # Errors
/// `InvalidInput` as for [`rclone`].
pub(in crate::auth) fn parse(text: &str, path: &Path) -> Result<Vec<ImportedRemote>> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    if first.is_some_and(|line| line.starts_with(ENCRYPTED)) {
        return Err(invalid(
            path,
            "it is encrypted (remove the password with `rclone config encryption remove`, import, and \
             set it again)",
        ));
    }
    let options =
        ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    let file = Ini::load_from_str_opt(text, options).map_err(|error| {
        // The message of the parser could quote the line.
        invalid(path, &format!("line {} is not `[section]` or `key = value`", error.line))
    })?;
    let mut remotes = Vec::new();
    for (name, section) in &file {
        let (Some(name), Some("onedrive")) = (name, section.get("type").map(str::trim)) else {
            continue;
        };
        let remote = remote(name, section)
            .map_err(|problem| invalid(path, &format!("section [{name}]: {problem}")))?;
        remotes.push(remote);
    }
    Ok(remotes)
}

/// Converts one section.
///
/// # Errors
/// A text that names the option and its problem, without its value.
fn remote(name: &str, section: &ini::Properties) -> Result<ImportedRemote, String> {
    let mut remote = ImportedRemote::new(Some(name.to_owned()), "onedrive");
    for (key, value) in section.iter() {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        match key {
            "client_id" | "client_secret" | "drive_id" | "tenant" => remote.set(key, value),
            "region" => remote.set("cloud", cloud(value)?),
            "drive_type" => match value {
                "personal" | "business" => remote.set("account_kind", value),
                "documentLibrary" => remote.set("account_kind", "library"),
                _ => remote.note(format!("drive_type: {value} is unknown")),
            },
            "encoding" => match value.parse::<NameEncoding>() {
                Ok(_) => remote.set(key, value),
                Err(error) => remote.note(format!("{key}: {error}")),
            },
            "auth_url" | "token_url" => {}
            "client_credentials" => {
                value.parse::<bool>().map_err(|_| format!("{key} is neither true nor false"))?;
            }
            key if IRRELEVANT.contains(&key) => {}
            key => remote.note(format!("{key}: this service has no such option")),
        }
    }
    set_authority(&mut remote, section)?;
    set_tokens(&mut remote, section)?;
    Ok(remote)
}

/// Returns the cloud of a region of rclone.
fn cloud(region: &str) -> Result<&'static str, String> {
    match region {
        "global" => Ok("global"),
        "us" => Ok("us-gov"),
        "de" => Ok("germany"),
        "cn" => Ok("china"),
        _ => Err("region is none of global, us, de and cn".to_owned()),
    }
}

/// Sets `oauth_endpoint` and `tenant` from the URL of the token endpoint, if the remote has one.
///
/// # Errors
/// A text if the URL is not that of a Microsoft token endpoint.
fn set_authority(remote: &mut ImportedRemote, section: &ini::Properties) -> Result<(), String> {
    let url = section.get("token_url").map(str::trim).filter(|url| !url.is_empty());
    let Some(url) = url else { return Ok(()) };
    let authority = url.strip_suffix("/oauth2/v2.0/token").and_then(|url| url.rsplit_once('/'));
    let is_authority =
        |base: &str| url::Url::parse(base).is_ok_and(|url| url.has_host() && url.query().is_none());
    match authority {
        Some((base, tenant)) if is_authority(base) && !tenant.is_empty() => {
            remote.set("oauth_endpoint", base);
            remote.set("tenant", tenant);
            Ok(())
        }
        _ => Err("token_url does not end with /TENANT/oauth2/v2.0/token".to_owned()),
    }
}

/// Sets the tokens, if the remote has some that can be refreshed.
///
/// # Errors
/// A text if the option `token` is not a token.
fn set_tokens(remote: &mut ImportedRemote, section: &ini::Properties) -> Result<(), String> {
    let is_application = section.get("client_credentials").map(str::trim) == Some("true");
    let text = section.get("token").map(str::trim).filter(|text| !text.is_empty());
    let Some(text) = text.filter(|_| !is_application) else { return Ok(()) };
    let token: RcloneToken = serde_json::from_str(text)
        .map_err(|error| format!("token: {}", redact_quoted(&error.to_string())))?;
    if !remote.options.contains_key("client_id") {
        remote.note(
            "token: it belongs to the application of rclone (sign in again with an application of \
             your own)",
        );
        return Ok(());
    }
    let secret = |text: String| Some(text).filter(|text| !text.is_empty()).map(Secret::from);
    // Without a valid time the token is used until the cloud rejects it.
    let expires_at: Option<Timestamp> = token.expiry.and_then(|time| time.parse().ok());
    let tokens = StoredTokens {
        refresh_token: secret(token.refresh_token),
        access_token: secret(token.access_token),
        renew_at: expires_at,
        expires_at,
        ..StoredTokens::default()
    };
    match tokens.refresh_token {
        Some(_) => remote.tokens = Some(tokens),
        None => remote.note("token: it has no refresh token"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ErrorKind;

    /// A file as rclone 1.74 writes it, with other kinds of remotes.
    const FILE: &str = r#"# a comment
[work]
type = onedrive
client_id = app-1
client_secret = a;b#c "d" \e
token = {"access_token":"EwA\u0026","token_type":"Bearer","refresh_token":"M.C5","expiry":"2026-11-30T12:00:00.5+01:00","expires_in":3599}
drive_id = b!abc
drive_type = documentLibrary
region = us
chunk_size = 20Mi

[disk]
type = local

[ci]
type = onedrive
client_id = app-2
client_credentials = true
tenant = contoso.com
token = {"access_token":"x"}
auth_url = http://127.0.0.1:8731/contoso.com/oauth2/v2.0/authorize
token_url = http://127.0.0.1:8731/contoso.com/oauth2/v2.0/token

[default]
type = onedrive
token = {"access_token":"SECRET","refresh_token":"SECRET"}
drive_type = personal
"#;

    fn imported(text: &str) -> Result<Vec<ImportedRemote>> {
        parse(text, Path::new("rclone.conf"))
    }

    #[test]
    fn each_section_of_onedrive_is_a_remote() {
        let remotes = imported(FILE).unwrap();
        let names: Vec<_> = remotes.iter().map(|remote| remote.name.as_deref().unwrap()).collect();
        assert_eq!(names, ["work", "ci", "default"]);
        let options = |index: usize| -> Vec<_> {
            let options = &remotes[index].options;
            options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
        };
        assert_eq!(
            options(0),
            [
                ("account_kind", "library"),
                ("client_id", "app-1"),
                ("client_secret", "a;b#c \"d\" \\e"),
                ("cloud", "us-gov"),
                ("drive_id", "b!abc"),
            ]
        );
        assert_eq!(remotes[0].notes, ["chunk_size: this service has no such option"]);
        let tokens = remotes[0].tokens.as_ref().unwrap();
        assert_eq!(tokens.refresh_token.as_ref().unwrap().expose(), "M.C5");
        assert_eq!(tokens.access_token.as_ref().unwrap().expose(), "EwA&");
        assert_eq!(tokens.expires_at.unwrap().to_string(), "2026-11-30T11:00:00.5Z");
        assert_eq!(
            options(1),
            [
                ("client_id", "app-2"),
                ("oauth_endpoint", "http://127.0.0.1:8731"),
                ("tenant", "contoso.com"),
            ]
        );
        assert!(remotes[1].tokens.is_none());
        assert!(remotes[2].tokens.is_none());
        assert!(remotes[2].notes[0].contains("application of rclone"), "{:?}", remotes[2].notes);
        assert!(!format!("{remotes:?}").contains("SECRET"));
    }

    #[test]
    fn an_encrypted_file_is_an_error_with_the_next_step() {
        let text = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA=\n";
        let error = imported(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("rclone config encryption remove"), "{error}");
    }

    #[test]
    fn an_error_names_section_and_option_and_no_value() {
        for (text, expected) in [
            (
                "[a]\ntype = onedrive\ntoken = {\"access_token\": [\"SECRET\"]}\n",
                "section [a]: token",
            ),
            ("[a]\ntype = onedrive\ntoken = SECRET\n", "section [a]: token"),
            ("[a]\ntype = onedrive\nregion = SECRET\n", "section [a]: region"),
            ("[a]\ntype = onedrive\ntoken_url = https://SECRET/token\n", "section [a]: token_url"),
            ("[a]\ntype = onedrive\nclient_credentials = SECRET\n", "client_credentials"),
            ("[a]\nSECRET\n", "line "),
            ("[SECRET\n", "line "),
        ] {
            let error = imported(text).expect_err(text).to_string();
            assert!(error.contains("rclone.conf") && error.contains(expected), "{error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
        assert!(imported("").unwrap().is_empty());
        let missing = rclone("/no/such/rclone.conf").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
