//! `drivedal remotes test`

use drivedal::{
    adapter::DriveHandle,
    drive::{Account, Quota},
    services::onedrive::{configured_drive, model::DriveResource},
};
use serde::Serialize;

use crate::{
    app::{App, Workload},
    config::remote_name,
    failure::{Exit, Result},
    location::Location,
    remote::OpenRemote,
    skydrive::failed,
    units::HumanSize,
};

/// Check that a remote can be reached, and print its account, drive and quota
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sends a request to the cloud. The exit code says what is wrong: 2 the options, 3 the drive does not
exist, 4 the sign-in or a permission, 7 the connection. With --json: {\"name\", \"service\", \"account\",
\"drive\", \"quota\"}.

Example:
  drivedal remotes test work")]
pub(super) struct Test {
    /// The remote
    #[arg(value_name = "NAME", value_parser = remote_name)]
    name: String,
}

/// The result of a test. A part is left out if the service does not report it.
#[derive(Serialize)]
struct TestRecord<'a> {
    name: &'a str,
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<AccountPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drive: Option<DrivePart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<QuotaPart>,
}

#[derive(Serialize)]
struct AccountPart {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct DrivePart {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    drive_type: Option<String>,
}

/// Sizes in bytes.
#[derive(Serialize)]
struct QuotaPart {
    total: u64,
    available: u64,
}

impl Test {
    /// Connects to a remote, and prints its account, drive and quota.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; the failure of a
    /// request; `ClosedPipe` or `Failed` if results cannot be written.
    pub(super) async fn run(self, app: &App) -> Result<Exit> {
        let at = Location { remote: self.name.clone(), text: String::new() };
        let remote = app.remote(&at, Workload::Interactive).await?;
        let record = test(&remote, &self.name).await.map_err(|failure| failure.about(&at))?;
        if app.output.is_json() {
            app.output.json(&record)?;
            return Ok(Exit::Done);
        }
        print(app, &record).map(|()| Exit::Done)
    }
}

/// Requests the parts of the record. A drive of Graph needs one request.
///
/// # Errors
/// The failure of a request.
async fn test<'a>(remote: &'a OpenRemote, name: &'a str) -> Result<TestRecord<'a>> {
    let mut record =
        TestRecord { name, service: remote.scheme(), account: None, drive: None, quota: None };
    let Some(handle) = &remote.handle else {
        // Another service of OpenDAL: it has no account.
        remote.operator.check().await?;
        return Ok(record);
    };
    let cx = DriveHandle::context(&remote.operator);
    let at = Location { remote: name.to_owned(), text: String::new() };
    let resource = configured_drive(handle, &cx).await.map_err(|error| failed(error, &at))?;
    if let Some(resource) = resource {
        record.set_resource(resource);
        return Ok(record);
    }
    let account = handle.account(&remote.operator).await?;
    record.account = Some(account.into());
    record.quota = Some(handle.quota(&remote.operator).await?.into());
    Ok(record)
}

impl TestRecord<'_> {
    /// Sets account, quota and drive from a drive resource of Graph.
    fn set_resource(&mut self, resource: DriveResource) {
        let owner = resource.owner.and_then(|owner| owner.user.or(owner.group));
        self.account = owner.map(|owner| AccountPart {
            id: owner.id.unwrap_or_default(),
            name: owner.display_name,
        });
        let bytes = |value: Option<i64>| u64::try_from(value?).ok();
        self.quota = resource.quota.and_then(|quota| {
            // Some libraries report zeros (onedrive-graph#quota-zero).
            let total = bytes(quota.total).filter(|total| *total > 0)?;
            Some(QuotaPart { total, available: bytes(quota.remaining)? })
        });
        let (id, name, drive_type) = (resource.id, resource.name, resource.drive_type);
        self.drive = Some(DrivePart { id, name, drive_type });
    }
}

impl From<Account> for AccountPart {
    fn from(account: Account) -> Self {
        Self { id: account.id, name: account.name }
    }
}

impl From<Quota> for QuotaPart {
    fn from(quota: Quota) -> Self {
        Self { total: quota.total, available: quota.available }
    }
}

/// Prints the record as lines of text.
///
/// # Errors
/// `ClosedPipe` or `Failed` if results cannot be written.
fn print(app: &App, record: &TestRecord<'_>) -> Result {
    let line = |key: &str, text: String| {
        app.output.line(format_args!("{key}: {}", app.output.shown(&text)))
    };
    line("service", record.service.to_owned())?;
    if let Some(account) = &record.account {
        line("account", named(account.name.as_deref(), &account.id))?;
    }
    if let Some(drive) = &record.drive {
        let kind = drive.drive_type.as_deref().map_or_else(String::new, |kind| format!(", {kind}"));
        line("drive", named(drive.name.as_deref(), &drive.id) + &kind)?;
    }
    if let Some(quota) = &record.quota {
        let (total, free) = (HumanSize(quota.total), HumanSize(quota.available));
        line("quota", format!("{total}, {free} available"))?;
    }
    Ok(())
}

/// Returns a name and an id for the user.
fn named(name: Option<&str>, id: &str) -> String {
    match name {
        Some(name) if !id.is_empty() => format!("{name} ({id})"),
        Some(name) => name.to_owned(),
        None => id.to_owned(),
    }
}
