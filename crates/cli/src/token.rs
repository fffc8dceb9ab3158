//! `drivedal token`

use drivedal::adapter::DriveHandle;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    app::{App, Workload},
    config::remote_name,
    failure::{Exit, Failure, Result},
    location::Location,
    skydrive::failed,
};

/// Refresh the access token of a remote, and print its account and expiry
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The token is refreshed even if it is still valid. With --json: {\"account\",
\"expires_at\"}, and {\"access_token\"} with --show.

Examples:
  drivedal token work
  curl -H \"Authorization: Bearer $(drivedal token -q --show work)\" https://graph.microsoft.com/v1.0/me")]
pub(crate) struct Token {
    /// The remote
    #[arg(value_name = "NAME", value_parser = remote_name)]
    name: String,

    /// Print the access token; with -q nothing else
    #[arg(long)]
    show: bool,
}

#[derive(Serialize)]
struct TokenRecord {
    account: TokenAccount,
    /// When the token expires. `None` if the cloud does not report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
}

#[derive(Serialize)]
struct TokenAccount {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Token {
    /// Refreshes the access token of a remote, and prints its account and expiry; the token too
    /// with `--show`.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if its
    /// service has no tokens; `Denied` if the sign-in refuses the refresh token; the failure of a
    /// request; `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let at = Location { remote: self.name.clone(), text: String::new() };
        let about = |failure: Failure| failure.about(&at);
        let source = app.options(&self.name).await.map_err(about)?;
        let remote = app.remote(&at, Workload::Interactive).await?;
        let handle = remote.drive("tokens").map_err(about)?;
        let tokens = source.token_source().map_err(|error| about(error.into()))?;
        let tokens = tokens.ok_or_else(|| about(Failure::wrong_service(remote.scheme())))?;
        let cx = DriveHandle::context(&remote.operator);
        let access = tokens.refresh_now(&cx).await.map_err(|error| failed(error, &at))?;
        if self.show && app.output.is_quiet() && !app.output.is_json() {
            return app.output.line(access.expose()).map(|()| Exit::Done);
        }
        let account = handle.account(&remote.operator).await;
        let account = account.map_err(|error| about(error.into()))?;
        let record = TokenRecord {
            account: TokenAccount { id: account.id, name: account.name },
            expires_at: tokens.expires_at(),
            access_token: self.show.then(|| access.expose().to_owned()),
        };
        self.print(app, &record).map(|()| Exit::Done)
    }

    /// Prints the account, the expiry and, if the record has it, the token.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn print(&self, app: &App, record: &TokenRecord) -> Result {
        if app.output.is_json() {
            return app.output.json(record);
        }
        let TokenAccount { id, name } = &record.account;
        let shown = name.as_ref().map_or_else(|| id.clone(), |name| format!("{name} ({id})"));
        app.output.line(format_args!("account: {}", app.output.shown(&shown)))?;
        match record.expires_at {
            Some(time) => app.output.line(format_args!("expires: {time:.0}"))?,
            None => app.output.line("expires: unknown")?,
        }
        match &record.access_token {
            Some(token) => app.output.line(format_args!("access token: {token}")),
            None => Ok(()),
        }
    }
}
