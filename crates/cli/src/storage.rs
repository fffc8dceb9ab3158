//! The storage of the drive server: its database, and the location of the bytes of files.
//!
//! Secrets are read from the environment: the arguments of a process are visible to other users.

use std::{env, error::Error, path::absolute};

use drivedal_server::Builder;
use opendal::{ErrorKind, Operator};
use url::Url;

use crate::failure::{Exit, Failure, Result};

/// The URL of the database, if the option is not given.
const DATABASE: &str = "DRIVEDAL_DATABASE_URL";

/// The URI of the blobs, if the option is not given. With `_` and a name appended, it is an option of
/// the service, such as `DRIVEDAL_BLOBS_SECRET_ACCESS_KEY`.
const BLOBS: &str = "DRIVEDAL_BLOBS";

/// Parts of the names of options that have secrets.
const SECRET_OPTIONS: [&str; 5] = ["secret", "password", "token", "credential", "account_key"];

/// The services that this program has for blobs.
const SERVICES: &str = if cfg!(feature = "s3") { "fs, memory and s3" } else { "fs and memory" };

/// Options of `drivedal serve` for its storage.
#[derive(Debug, clap::Args)]
pub(crate) struct StorageOptions {
    /// Keep items in this PostgreSQL database instead of SQLite
    ///
    /// The URL is for example postgres://USER@HOST/DATABASE. A password belongs in PGPASSWORD or in
    /// ~/.pgpass; DRIVEDAL_DATABASE_URL may have the whole URL.
    #[arg(long, value_name = "URL", conflicts_with = "ephemeral")]
    database: Option<String>,

    /// Keep the bytes of files in fs:DIR or s3://BUCKET/ROOT
    ///
    /// Options of the service follow: s3://BUCKET/ROOT?region=NAME&endpoint=URL. Keys belong in
    /// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. DRIVEDAL_BLOBS may have the URI, and
    /// DRIVEDAL_BLOBS_NAME the option NAME.
    #[arg(long, value_name = "URI", conflicts_with = "ephemeral")]
    blobs: Option<String>,
}

impl StorageOptions {
    /// Configures a server that is not ephemeral.
    ///
    /// # Errors
    /// `Usage` if an option is malformed or has a secret, or a service is unknown.
    pub(crate) fn configure(&self, builder: Builder) -> Result<Builder> {
        let builder = match self.database_url()? {
            Some(url) => builder.database(url),
            None => builder,
        };
        Ok(match self.blob_operator()? {
            Some(operator) => builder.blobs(operator),
            None => builder,
        })
    }

    /// Returns the URL of the database, of the option or of the environment; `None` if neither is
    /// set.
    ///
    /// # Errors
    /// `Usage` if the option is not a URL, or has a secret.
    fn database_url(&self) -> Result<Option<String>> {
        let Some(url) = &self.database else { return Ok(env::var(DATABASE).ok()) };
        let parsed = Url::parse(url)
            .map_err(|error| Failure::usage(format!("cannot use --database: {error}")))?;
        if parsed.password().is_some() || has_secret(&parsed) {
            return Err(secret_argument("--database", "PGPASSWORD, ~/.pgpass or", DATABASE));
        }
        Ok(Some(url.clone()))
    }

    /// Returns the operator of the blobs, of the option or of the environment; `None` if neither is
    /// set.
    ///
    /// # Errors
    /// `Usage` if the option has a secret, or the URI cannot be used.
    fn blob_operator(&self) -> Result<Option<Operator>> {
        let from_environment = env::var(BLOBS).ok();
        let Some(uri) = self.blobs.clone().or(from_environment) else { return Ok(None) };
        if self.blobs.is_some()
            && let Ok(parsed) = Url::parse(&uri)
            && (parsed.password().is_some() || has_secret(&parsed))
        {
            return Err(secret_argument(
                "--blobs",
                "AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN or",
                BLOBS,
            ));
        }
        let prefix = format!("{BLOBS}_");
        let options = env::vars().filter_map(|(name, value)| {
            Some((name.strip_prefix(&prefix)?.to_ascii_lowercase(), value))
        });
        operator(&uri, options.collect()).map(Some)
    }
}

/// Returns whether a URL has a parameter whose name is that of a secret.
fn has_secret(url: &Url) -> bool {
    url.query_pairs().any(|(name, _)| {
        let name = name.to_ascii_lowercase();
        SECRET_OPTIONS.iter().any(|part| name.contains(part))
    })
}

/// Returns `Usage` for an option with a secret. `places` and `variable` name the places where the
/// secret belongs.
fn secret_argument(option: &str, places: &str, variable: &str) -> Failure {
    Failure::usage(format!(
        "cannot use {option}: it has a secret, and other users can see the arguments of a process \
         (use {places} {variable})"
    ))
}

/// Opens the operator of a URI. `fs:DIR` takes the path as it is, relative to the working folder.
/// `options` are further options of the service.
///
/// # Errors
/// `Usage` if the scheme is unknown, the service rejects an option, or the path is not Unicode.
fn operator(uri: &str, mut options: Vec<(String, String)>) -> Result<Operator> {
    opendal::install_default();
    let (scheme, rest) = uri.split_once(':').unwrap_or((uri, ""));
    let uri = match (scheme, rest) {
        ("fs", path) if !path.starts_with("//") && !path.is_empty() => {
            let path = absolute(path).map_err(|error| unusable(scheme, error.to_string()))?;
            let path = path.to_str().ok_or_else(|| unusable(scheme, "it is not Unicode".into()))?;
            options.push(("root".into(), path.to_owned()));
            scheme.to_owned()
        }
        (_, "") => scheme.to_owned(),
        (_, rest) => format!("{scheme}://{}", rest.trim_start_matches("//")),
    };
    let operator = Operator::from_uri((uri, options)).map_err(|error| match error.kind() {
        ErrorKind::Unsupported => {
            unusable(scheme, format!("unknown scheme (this program has {SERVICES})"))
        }
        _ => {
            let source = error.source().map_or_else(String::new, |source| format!(": {source}"));
            unusable(scheme, format!("{}{source}", error.message()))
        }
    })?;
    Ok(with_retries(operator))
}

/// Returns `Usage` for blobs that cannot be used.
fn unusable(scheme: &str, reason: String) -> Failure {
    Failure::new(Exit::Usage, format!("cannot use the blobs of `{scheme}`: {reason}"))
}

/// Repeats requests to an object store that fail for a moment. A folder does not need it, and the
/// server takes only its path.
#[cfg(feature = "s3")]
fn with_retries(operator: Operator) -> Operator {
    use opendal::layers::{RetryLayer, TimeoutLayer};

    match operator.info().scheme() {
        "fs" | "memory" => operator,
        _ => operator.layer(TimeoutLayer::new()).layer(RetryLayer::new().with_jitter()),
    }
}

/// Returns the operator unchanged: without object stores nothing needs retries.
#[cfg(not(feature = "s3"))]
fn with_retries(operator: Operator) -> Operator {
    operator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_folder_or_a_bucket() {
        let info = |uri: &str| {
            let operator = operator(uri, vec![("region".into(), "us-east-1".into())]);
            let info = operator.expect("opens").info();
            (info.scheme(), info.name(), info.root())
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a b#c").to_str().expect("Unicode").to_owned();
        assert_eq!(info(&format!("fs:{path}")), ("fs", String::new(), path.clone()));
        assert_eq!(info("memory:").0, "memory");
        if cfg!(feature = "s3") {
            let expected = ("s3", "bucket".to_owned(), "/some/root/".to_owned());
            assert_eq!(info("s3://bucket/some/root"), expected);
        }
        let refused = operator("nope://bucket", Vec::new()).expect_err("is refused");
        assert!(refused.message.contains("cannot use the blobs of `nope`"), "{}", refused.message);
    }

    #[test]
    fn a_secret_in_an_argument_is_refused_and_not_printed() {
        for (database, blobs) in [
            (Some("postgres://me:hunter2@host/db"), None),
            (None, Some("s3://bucket?secret_access_key=hunter2")),
        ] {
            let options = StorageOptions {
                database: database.map(str::to_owned),
                blobs: blobs.map(str::to_owned),
            };
            let builder = options.configure(drivedal_server::Server::builder());
            let refused = builder.map(drop).expect_err("is refused");
            assert_eq!(refused.exit, Exit::Usage);
            assert!(!refused.message.contains("hunter2"), "{}", refused.message);
        }
    }
}
