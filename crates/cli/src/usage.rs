//! `drivedal usage`

use drivedal::{
    adapter::DriveHandle,
    services::amazon_drive::{self, Usage as CategoryUsage},
};
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    location::Location,
    share::without_nulls,
    units::HumanSize,
};

/// Print how the space of a drive is used
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "\
The cloud reports these figures. `deleted` is the space of the recycle bin; Amazon Drive adds its
categories. With --json: {\"total\", \"used\", \"available\", \"deleted\", \"percent\"}, in bytes, and for
Amazon Drive {\"categories\": {\"photos\": {\"count\", \"bytes\"}, ...}}. `drivedal du` adds up the files
of a folder.

Examples:
  drivedal usage work:
  drivedal usage -h local-amazon:"
)]
pub(crate) struct Usage {
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

impl Usage {
    /// Prints the usage of a drive.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `Unsupported` if the
    /// remote is not a cloud drive or the cloud reports no quota; the failure of a request
    /// ([`Failure::from`]); `ClosedPipe` or `Failed` if results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let remote = app.remote(&self.drive, Workload::Interactive).await?;
        let handle = remote.drive("a quota").map_err(|failure| failure.about(&self.drive))?;
        let fail = |error| Failure::from(error).about(&self.drive);
        let quota = handle.quota(&remote.operator).await.map_err(fail)?;
        let used = quota.used.unwrap_or_else(|| quota.total.saturating_sub(quota.available));
        let mut record = without_nulls(json!({
            "total": quota.total, "used": used, "available": quota.available,
            "deleted": quota.deleted, "percent": percent(used, quota.total),
        }));
        if let Some(client) = amazon_drive::Client::from_handle(handle) {
            let usage = client.account_usage(&DriveHandle::context(&remote.operator)).await;
            let usage = usage.map_err(|error| fail(DriveHandle::to_opendal_error(error)))?;
            let amount =
                |of: &CategoryUsage| json!({"count": of.total.count, "bytes": of.total.bytes});
            record["categories"] = json!({
                "documents": amount(&usage.doc), "other": amount(&usage.other),
                "photos": amount(&usage.photo), "videos": amount(&usage.video),
            });
        }
        if app.output.is_json() || app.output.is_yaml() || app.output.is_partial() {
            app.output.value(&record)?;
            return Ok(Exit::Done);
        }
        self.print(app, &record)?;
        Ok(Exit::Done)
    }

    /// Prints a usage as lines of `key: value`.
    ///
    /// # Errors
    /// `ClosedPipe` or `Failed` if results cannot be written.
    fn print(&self, app: &App, record: &Value) -> Result {
        let size = |bytes: u64| match self.human {
            true => HumanSize(bytes).to_string(),
            false => bytes.to_string(),
        };
        for key in ["total", "used", "available", "deleted"] {
            if let Some(bytes) = record[key].as_u64() {
                app.output.line(format_args!("{key}: {}", size(bytes)))?;
            }
        }
        app.output.line(format_args!("percent: {}", record["percent"]))?;
        let empty = Map::new();
        for (name, amount) in record["categories"].as_object().unwrap_or(&empty) {
            let (count, bytes) = (amount["count"].as_u64(), amount["bytes"].as_u64());
            let bytes = size(bytes.unwrap_or_default());
            app.output.line(format_args!("{name}: {bytes} in {} files", count.unwrap_or(0)))?;
        }
        Ok(())
    }
}

/// Returns the part of a total in percent, rounded down to one decimal; 0 of nothing.
fn percent(used: u64, total: u64) -> f64 {
    let tenths = (u128::from(used) * 1000).checked_div(u128::from(total)).unwrap_or_default();
    tenths as f64 / 10.0
}
