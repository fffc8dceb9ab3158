//! `drivedal quota`

use serde::Serialize;
use serde_json::json;

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    units::{HumanSize, old_size},
};

/// Print total, used and available bytes of a drive
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
With --json: {\"total\", \"used\", \"available\"}, in bytes.

Examples:
  drivedal quota local-skydrive:
  drivedal quota -h work:"
)]
pub(crate) struct Quota {
    /// The drive
    #[arg(value_name = "REMOTE:", value_parser = Location::parse)]
    drive: Location,

    /// Print sizes with units
    #[arg(short, long)]
    human: bool,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Serialize)]
struct QuotaRecord {
    total: u64,
    used: u64,
    available: u64,
}

impl Quota {
    /// Prints the quota of a drive.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the
    /// remote is not a cloud drive; the failure of the request ([`Failure::from`]); `ClosedPipe` or
    /// `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = app.remote(&self.drive, Workload::Interactive).await?;
        let quota = remote.drive("a quota").map_err(|failure| failure.about(&self.drive))?;
        let quota = quota
            .quota(&remote.operator)
            .await
            .map_err(|error| Failure::from(error).about(&self.drive))?;
        let (total, available) = (quota.total, quota.available);
        let shown = QuotaRecord { total, used: total.saturating_sub(available), available };
        if app.output.is_json() {
            app.output.json(&shown)?;
            return Ok(Exit::Done);
        }
        if app.output.is_yaml() || app.output.is_partial() {
            let quota = json!({ "free": old_size(available), "quota": old_size(total) });
            app.output.value(&quota)?;
            return Ok(Exit::Done);
        }
        for (key, bytes) in
            [("total", shown.total), ("used", shown.used), ("available", shown.available)]
        {
            match self.human {
                true => app.output.line(format_args!("{key}: {}", HumanSize(bytes)))?,
                false => app.output.line(format_args!("{key}: {bytes}"))?,
            }
        }
        Ok(Exit::Done)
    }
}
