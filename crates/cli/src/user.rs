//! `drivedal user`

use serde::Serialize;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    skydrive::{SkyDriveRemote, failed},
};

/// Print the id and the name of the drive's owner
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --json: {\"id\", \"name\"}. The name is left out if the cloud does not provide it.

Example:
  drivedal user local-skydrive:")]
pub(crate) struct User {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,
}

#[derive(Serialize)]
struct AccountRecord {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl User {
    /// Prints the account of a drive.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the
    /// remote is not a cloud drive; the failure of the request ([`Failure::from`]); `ClosedPipe` or
    /// `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = app.remote(&self.drive, Workload::Interactive).await?;
        let account = remote.drive("an account").map_err(|failure| failure.about(&self.drive))?;
        let account = account
            .account(&remote.operator)
            .await
            .map_err(|error| Failure::from(error).about(&self.drive))?;
        let shown = AccountRecord { id: account.id, name: account.name };
        if app.output.is_yaml() || app.output.is_partial() {
            let user = match SkyDriveRemote::from_remote(&remote) {
                Some(live) => live
                    .client()?
                    .document(&live.cx, "me", &[])
                    .await
                    .map_err(|error| failed(error, &self.drive))?,
                None => serde_json::json!({ "id": shown.id, "name": shown.name }),
            };
            app.output.value(&user)?;
            return Ok(Exit::Done);
        }
        if app.output.is_json() {
            app.output.json(&shown)?;
            return Ok(Exit::Done);
        }
        app.output.line(format_args!("id: {}", app.output.shown(&shown.id)))?;
        if let Some(name) = &shown.name {
            app.output.line(format_args!("name: {}", app.output.shown(name)))?;
        }
        Ok(Exit::Done)
    }
}
