//! `drivedal remotes list`, `drivedal remotes show`

use std::collections::BTreeMap;

use drivedal::{auth::TokenFile, remote::RemoteSource};
use serde::Serialize;

use crate::{
    app::App,
    config::{Origin, SignedInAccount, remote_name},
    embedded,
    failure::{Exit, Failure, Result},
    transfer::local::blocking,
};

/// List the remotes: name, service, account and source of the configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The account is known for remotes of `drivedal login`. With --json each remote is a line: {\"name\",
\"service\", \"account\", \"from\"}.

Example:
  drivedal remotes list")]
pub(super) struct List {}

/// Print the options of a remote, without secrets
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Of a secret option only the key is printed. With --json: {\"name\", \"service\", \"account\", \"from\",
\"signed_in\", \"options\"}; a secret option is null.

Example:
  drivedal remotes show work")]
pub(super) struct Show {
    /// The remote
    #[arg(value_name = "NAME", value_parser = remote_name)]
    name: String,
}

/// Options whose values are printed. The value of any other option may be a secret.
const PUBLIC_OPTIONS: [&str; 45] = [
    "account_kind",
    "allow_http",
    "allowed_hosts",
    "bits_fragment",
    "bits_from",
    "bucket",
    "ca_cert",
    "client_certificate",
    "client_id",
    "cloud",
    "connect_timeout",
    "deduplicate",
    "defer_commit",
    "downsize_photo_uploads",
    "drive_id",
    "encoding",
    "endpoint",
    "group",
    "idle_timeout",
    "index_ttl",
    "lcrc",
    "library",
    "name",
    "no_proxy",
    "oauth_endpoint",
    "pool_size",
    "proxy",
    "read_timeout",
    "redirect_uri",
    "region",
    "request_timeout",
    "root",
    "scopes",
    "sharepoint_audience",
    "site",
    "special",
    "storage_endpoint",
    "tenant",
    "timeout",
    "token_file",
    "unchecked_reads",
    "upload_fragment",
    "upload_wait",
    "user",
    "response_timeout",
];

/// A line of the list.
#[derive(Serialize)]
struct RemoteRecord<'a> {
    name: &'a str,
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    from: String,
}

/// A remote with its options.
#[derive(Serialize)]
struct RemoteDetailsRecord<'a> {
    #[serde(flatten)]
    remote: RemoteRecord<'a>,
    /// Whether a token file has tokens. `None` if the remote has no token file.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_in: Option<bool>,
    /// The options by key. The value is `None` for an option that may be secret.
    options: BTreeMap<String, Option<String>>,
}

impl List {
    /// Prints the configured remotes: name, service, account and origin.
    ///
    /// # Errors
    /// `Usage` if the service rejects an option; `ClosedPipe` or `Failed` if results cannot be
    /// written.
    pub(super) fn run(self, app: &App) -> Result<Exit> {
        let mut records = Vec::new();
        for (name, origin) in app.origins() {
            records.push(record(app, name, origin)?);
        }
        if app.output.is_json() {
            records.iter().try_for_each(|record| app.output.json(record))?;
            return Ok(Exit::Done);
        }
        let width = |text: fn(&RemoteRecord<'_>) -> usize| {
            records.iter().map(text).max().unwrap_or_default()
        };
        let name = width(|record| record.name.len());
        let service = width(|record| record.service.len());
        let account = width(|record| record.account.as_ref().map_or(1, |it| it.chars().count()));
        for record in &records {
            let shown = record.account.as_deref().unwrap_or("-");
            app.output.line(format_args!(
                "{:name$}  {:service$}  {:account$}  {}",
                record.name,
                record.service,
                app.output.shown(shown),
                app.output.shown(&record.from),
            ))?;
        }
        Ok(Exit::Done)
    }
}

impl Show {
    /// Prints a remote with its options; the values of those that may be secret are left out.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Failed` if the tokens
    /// cannot be read; `ClosedPipe` or `Failed` if results cannot be written.
    pub(super) async fn run(self, app: &App) -> Result<Exit> {
        let origins = app.origins();
        let Some(origin) = origins.get(self.name.as_str()).cloned() else {
            return Err(app.unknown(&self.name).about(&self.name));
        };
        let remote = record(app, &self.name, origin)?;
        let (mut options, mut signed_in) = (BTreeMap::new(), None);
        if let Some(source) = app.configuration.source(&self.name) {
            options = shown_options(&source)?;
            if let Some(path) = source.get_option("token_file")? {
                let stored = blocking(move || Ok(TokenFile::new(path).read())).await?;
                let stored = stored.map_err(|error| {
                    Failure::new(Exit::Failed, error.to_string()).about(&self.name)
                })?;
                signed_in = Some(stored.is_some());
            }
        }
        let record = RemoteDetailsRecord { remote, signed_in, options };
        if app.output.is_json() {
            return app.output.json(&record).map(|()| Exit::Done);
        }
        print_text(app, &record).map(|()| Exit::Done)
    }
}

/// Prints the details of a remote as lines of text.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn print_text(app: &App, record: &RemoteDetailsRecord<'_>) -> Result {
    let line = |key: &str, value: &str| {
        app.output.line(format_args!("{key}: {}", app.output.shown(value)))
    };
    line("service", &record.remote.service)?;
    if let Some(account) = &record.remote.account {
        line("account", account)?;
    }
    line("from", &record.remote.from)?;
    match record.signed_in {
        Some(true) => line("signed in", "yes")?,
        Some(false) => {
            line("signed in", &format!("no (run `drivedal login {}`)", record.remote.name))?
        }
        None => {}
    }
    for (key, value) in &record.options {
        line(key, value.as_deref().unwrap_or("(set)"))?;
    }
    Ok(())
}

/// Returns the line of a remote.
///
/// # Errors
/// `Usage` if its URI cannot be parsed.
fn record<'a>(app: &App, name: &'a str, origin: Origin) -> Result<RemoteRecord<'a>> {
    let (service, account) = match app.configuration.source(name) {
        Some(source) => {
            let details = app.configuration.details(name);
            let account = details.and_then(|details| details.account.as_ref());
            let scheme = source.scheme().map_err(|error| Failure::from(error).about(name))?;
            (scheme, account.map(account_text))
        }
        None => (embedded::scheme(name).unwrap_or_default(), None),
    };
    Ok(RemoteRecord { name, service, account, from: origin.to_string() })
}

/// Returns the display name of an account, or its id.
pub(super) fn account_text(account: &SignedInAccount) -> String {
    account.name.clone().unwrap_or_else(|| account.id.clone())
}

/// Returns the options by key. The value is `None` for an option that may be secret.
///
/// # Errors
/// `Usage` if the service rejects an option.
fn shown_options(source: &RemoteSource) -> Result<BTreeMap<String, Option<String>>> {
    let options = source.options()?.into_iter().map(|(key, value)| {
        let is_public = PUBLIC_OPTIONS.contains(&key.as_str()) && !has_credentials(&value);
        (key, is_public.then_some(value))
    });
    Ok(options.collect())
}

/// Returns whether a text is a URL with a user name, a password or a query.
fn has_credentials(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        !url.username().is_empty() || url.password().is_some() || url.query().is_some()
    })
}

/// Returns the file that has the tokens of a remote. `None` if its options name none.
///
/// # Errors
/// `Usage` if the URI of the remote cannot be parsed.
pub(super) fn token_file(source: &RemoteSource) -> Result<Option<String>> {
    Ok(source.get_option("token_file")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_are_no_secrets_are_shown() {
        let source = RemoteSource::from_uri("onedrive://?access_token=SECRET&tenant=common")
            .option("client_secret", "SECRET")
            .option("header.x-key", "SECRET")
            .option("proxy", "http://me:SECRET@proxy:8080")
            .option("token_file", "/tokens/od.json");
        let shown = shown_options(&source).expect("options");
        let public: Vec<_> = shown.values().flatten().collect();
        assert!(!format!("{shown:?}").contains("SECRET"), "{shown:?}");
        assert_eq!(public.len(), 2, "{shown:?}");
        assert_eq!(shown.len(), 6, "{shown:?}");
    }
}
