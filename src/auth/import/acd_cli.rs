//! The files of acd_cli, a client of Amazon Drive (amazon-drive#acdcli-oauth-files).

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{ImportedRemote, invalid, read_text};
use crate::{
    auth::StoredTokens,
    drive::{ErrorKind, Result, Secret},
    transport::redact_quoted,
};

/// End of the hosts of Amazon's own endpoints.
const AMAZON_HOSTS: &str = ".amazonaws.com";

/// The file `oauth_data`.
#[derive(Deserialize)]
struct OAuthData {
    access_token: Option<String>,
    refresh_token: Option<String>,
    /// Expiry in seconds since 1970. acd_cli adds it when it first reads the file.
    exp_time: Option<f64>,
}

/// The file `client_data`.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "CLIENT_ID")]
    client_id: String,
    #[serde(rename = "CLIENT_SECRET")]
    client_secret: Option<String>,
}

/// The file `endpoint_data`.
#[derive(Deserialize)]
struct EndpointData {
    #[serde(rename = "metadataUrl")]
    metadata_url: String,
    #[serde(rename = "contentUrl")]
    content_url: String,
}

/// Returns the account in acd_cli's folder, usually `~/.cache/acd_cli`.
///
/// `oauth_data` must exist; `client_data` and `endpoint_data` are optional. The endpoints of Amazon
/// itself are not imported, because the service requests them for each account.
///
/// # Errors
/// `NotFound` if `oauth_data` does not exist; `InvalidInput` if a file has another format, without
/// its values; `Unexpected` if a file cannot be read.
pub fn acd_cli(folder: impl AsRef<Path>) -> Result<ImportedRemote> {
    let folder = folder.as_ref();
    let mut remote = ImportedRemote::new(None, "amazon-drive");
    let path = folder.join("oauth_data");
    let tokens = parse_oauth_data(&read_text(&path)?, &path)?;
    match optional::<ClientData>(&folder.join("client_data"))? {
        Some(client) => {
            remote.set("client_id", client.client_id);
            if let Some(secret) = client.client_secret {
                remote.set("client_secret", secret);
            }
            remote.tokens = Some(tokens);
        }
        None => remote.note(
            "oauth_data: without client_data the tokens belong to acd_cli's own application (sign in \
             again with an application of your own)",
        ),
    }
    let path = folder.join("endpoint_data");
    if let Some(endpoint) = optional::<EndpointData>(&path)? {
        set_endpoint(&mut remote, &endpoint).map_err(|problem| invalid(&path, problem))?;
    }
    Ok(remote)
}

/// Parses the text of `oauth_data`.
///
/// # Errors
/// `InvalidInput` if it has another format.
pub(in crate::auth) fn parse_oauth_data(text: &str, path: &Path) -> Result<StoredTokens> {
    let data: OAuthData = parse(text, path)?;
    let expires_at = data.exp_time.and_then(|seconds| {
        let is_valid = seconds.is_finite() && seconds >= 0.0;
        is_valid.then(|| Timestamp::from_second(seconds as i64).ok()).flatten()
    });
    let tokens = StoredTokens {
        refresh_token: data.refresh_token.map(Secret::from),
        access_token: data.access_token.map(Secret::from),
        renew_at: expires_at,
        expires_at,
        ..StoredTokens::default()
    };
    match tokens.refresh_token {
        Some(_) => Ok(tokens),
        None => Err(invalid(path, "it has no refresh_token")),
    }
}

/// Sets the endpoint, unless it is Amazon's own.
///
/// # Errors
/// A text if one of the endpoints is not a URL.
fn set_endpoint(remote: &mut ImportedRemote, data: &EndpointData) -> Result<(), &'static str> {
    let parse = |url: &str, problem| Url::parse(url).ok().filter(Url::has_host).ok_or(problem);
    let metadata = parse(&data.metadata_url, "metadataUrl is not a URL")?;
    let content = parse(&data.content_url, "contentUrl is not a URL")?;
    if metadata.host_str().is_some_and(|host| host.ends_with(AMAZON_HOSTS)) {
        return Ok(());
    }
    remote.set("endpoint", metadata.as_str());
    if content.origin() != metadata.origin() {
        remote.set("allowed_hosts", content.authority());
    }
    Ok(())
}

/// Reads a JSON file. Returns `None` if it does not exist.
///
/// # Errors
/// `InvalidInput` if it has another format; `Unexpected` if it cannot be read.
fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match read_text(path) {
        Ok(text) => parse(&text, path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Parses a JSON text.
///
/// # Errors
/// `InvalidInput` if it has another format, without its values.
fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    serde_json::from_str(text).map_err(|error| invalid(path, &redact_quoted(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TOKENS: &str = r#"{"access_token":"Atza|1","refresh_token":"Atzr|1","expires_in":3600,
        "token_type":"bearer","exp_time":1448884800.25}"#;

    #[test]
    fn the_files_are_a_remote() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(acd_cli(folder.path()).unwrap_err().kind(), ErrorKind::NotFound);
        write("oauth_data", TOKENS);
        let remote = acd_cli(folder.path()).unwrap();
        assert!(remote.tokens.is_none() && remote.notes[0].contains("sign in again"), "{remote:?}");

        write("client_data", r#"{"CLIENT_ID":"app","CLIENT_SECRET":"hush"}"#);
        write(
            "endpoint_data",
            r#"{"customerExists":true,"contentUrl":"https://content-na.drive.amazonaws.com/cdproxy/",
                "metadataUrl":"https://cdws.us-east-1.amazonaws.com/drive/v1/","exp_time":1.5}"#,
        );
        let remote = acd_cli(folder.path()).unwrap();
        let options: Vec<_> = remote.options.iter().collect();
        assert_eq!(
            options,
            [
                (&"client_id".to_owned(), &"app".to_owned()),
                (&"client_secret".to_owned(), &"hush".to_owned()),
            ]
        );
        let tokens = remote.tokens.unwrap();
        assert_eq!(tokens.refresh_token.unwrap().expose(), "Atzr|1");
        assert_eq!(tokens.expires_at.unwrap().as_second(), 1_448_884_800);

        write(
            "endpoint_data",
            r#"{"contentUrl":"http://127.0.0.1:9/cdproxy/","metadataUrl":"http://127.0.0.1:8/drive/v1/"}"#,
        );
        let remote = acd_cli(folder.path()).unwrap();
        assert_eq!(remote.options["endpoint"], "http://127.0.0.1:8/drive/v1/");
        assert_eq!(remote.options["allowed_hosts"], "127.0.0.1:9");
    }

    #[test]
    fn another_format_is_an_error_that_names_the_file_and_no_value() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        for text in
            ["SECRET", "[]", r#"{"access_token":"SECRET"}"#, r#"{"refresh_token":["SECRET"]}"#]
        {
            write("oauth_data", text);
            let error = acd_cli(folder.path()).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let shown = error.to_string();
            assert!(shown.contains("oauth_data") && !shown.contains("SECRET"), "{shown}");
        }
        write("oauth_data", TOKENS);
        write("client_data", r#"{"CLIENT_SECRET":"SECRET"}"#);
        let error = acd_cli(folder.path()).unwrap_err().to_string();
        assert!(error.contains("client_data") && error.contains("CLIENT_ID"), "{error}");
        fs::remove_file(folder.path().join("client_data")).unwrap();
        write("endpoint_data", r#"{"metadataUrl":"nowhere","contentUrl":"https://h"}"#);
        let error = acd_cli(folder.path()).unwrap_err().to_string();
        assert!(error.contains("endpoint_data") && error.contains("metadataUrl"), "{error}");
    }
}
