//! `drivedal info`

use drivedal::{
    adapter::DriveHandle,
    drive::{self, Capabilities, RecursiveList},
    services::{amazon_drive, onedrive, skydrive},
};
use serde_json::{Map, Value, json};

use crate::{
    app::{App, Workload},
    failure::{Exit, Failure, Result},
    item::ItemRecord,
    location::Location,
    options::AddressingArgs,
    remote::RemotePath,
    share::without_nulls,
};

/// Print all that is known about an item, or about a drive
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Of an item, the output is the object of the cloud, with --json on one line; -k prints a field of it. It
may contain URLs that need no token. `drivedal stat` has the same few fields for all services. Of a
remote without a path: account, quota, limits, capabilities and extensions.

Examples:
  drivedal info work:photos/a.jpg
  drivedal info -k '{name} {size}' work:photos/a.jpg
  drivedal info --json work:")]
pub(crate) struct Info {
    /// The file or folder; without a path, the drive
    #[arg(value_name = "REMOTE:[PATH]", value_parser = Location::parse)]
    item: Location,

    #[command(flatten)]
    addressing: AddressingArgs,
}

impl Info {
    /// Prints an item or a drive.
    ///
    /// # Errors
    /// `Usage` if no remote has the name or the service rejects an option; `NotFound` if the item
    /// does not exist; the failure of a request ([`Failure::from`]); `ClosedPipe` or `Failed` if
    /// results cannot be written.
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        let at = app.resolve(&self.item, self.addressing.mode(), Workload::Interactive).await?;
        let shown = match at.path.is_root() {
            true => drive_record(&at).await?,
            false => item_document(&at).await?,
        };
        app.output.value(&shown)?;
        Ok(Exit::Done)
    }
}

/// Returns an item as its cloud describes it. Of a service that is not a cloud drive, returns
/// OpenDAL's metadata.
///
/// # Errors
/// `NotFound` if the item does not exist; the failure of a request ([`Failure::from`]).
async fn item_document(at: &RemotePath) -> Result<Value> {
    let Some(handle) = &at.remote.handle else {
        let record = ItemRecord::new(&at.path, at.stat().await?.metadata());
        return Ok(serde_json::to_value(record).unwrap_or_default());
    };
    let cx = DriveHandle::context(at.operator());
    let fail = |error: drive::Error| Failure::from(DriveHandle::to_opendal_error(error)).about(at);
    let item = handle.item_ref(at.operator(), at.path.as_str()).await;
    let item = item.map_err(|error| Failure::from(error).about(at))?;
    if let Some(document) = onedrive::item_document(handle, &cx, &item).await.map_err(fail)? {
        return Ok(document);
    }
    let item = handle.item(at.operator(), at.path.as_str()).await;
    let item = item.map_err(|error| Failure::from(error).about(at))?;
    if let Some(client) = skydrive::Client::from_handle(handle) {
        return client.document(&cx, item.id.as_str(), &[]).await.map_err(fail);
    }
    if let Some(client) = amazon_drive::Client::from_handle(handle) {
        return client.node_document(&cx, item.id.as_str(), false, false).await.map_err(fail);
    }
    let record = ItemRecord::from_drive_item(&at.path, item);
    Ok(serde_json::to_value(record).unwrap_or_default())
}

/// Returns a drive with its owner, quota, limits and capabilities. Of a service that is not a cloud
/// drive, returns its name and root.
///
/// # Errors
/// The failure of a request ([`Failure::from`]). A cloud that reports no quota is no failure.
async fn drive_record(at: &RemotePath) -> Result<Value> {
    let info = at.operator().info();
    let service = json!({
        "remote": at.remote.display_name(), "service": at.remote.scheme(), "root": info.root(),
    });
    let Some(handle) = &at.remote.handle else { return Ok(service) };
    let fail = |error| Failure::from(error).about(at);
    let cx = DriveHandle::context(at.operator());
    let account = handle.account(at.operator()).await.map_err(fail)?;
    let quota = match handle.quota(at.operator()).await {
        Ok(quota) => without_nulls(json!({
            "total": quota.total, "available": quota.available, "used": quota.used,
            "deleted": quota.deleted,
        })),
        Err(error) if error.kind() == opendal::ErrorKind::Unsupported => Value::Null,
        Err(error) => return Err(fail(error)),
    };
    let resource = onedrive::configured_drive(handle, &cx).await;
    let resource = resource.map_err(|error| fail(DriveHandle::to_opendal_error(error)))?;
    let drive = resource.map(|drive| {
        without_nulls(json!({"id": drive.id, "name": drive.name, "type": drive.drive_type}))
    });
    let capabilities = handle.drive().capabilities();
    let extensions: Vec<_> =
        capabilities.extensions.entries().filter_map(|(name, has)| has.then_some(name)).collect();
    let mut record = service;
    let more = without_nulls(json!({
        "account": without_nulls(json!({"id": account.id, "name": account.name})),
        "drive": drive,
        "quota": quota,
        "limits": limits(capabilities),
        "capabilities": features(capabilities),
        "extensions": extensions,
    }));
    if let (Value::Object(record), Value::Object(more)) = (&mut record, more) {
        record.extend(more);
    }
    Ok(record)
}

/// Returns the limits of a drive, in bytes and numbers of items.
fn limits(capabilities: &Capabilities) -> Value {
    without_nulls(json!({
        "max_file_size": capabilities.max_file_size,
        "max_single_upload": capabilities.max_single_upload,
        "max_fragment": capabilities.session.map(|session| session.max_fragment),
        "max_items_per_delete": capabilities.delete_max_size,
    }))
}

/// Returns the capabilities of a drive by name: true, false, or a word.
fn features(capabilities: &Capabilities) -> Value {
    let recursive_list = match capabilities.recursive_list {
        RecursiveList::No => "no",
        RecursiveList::Root => "root",
        _ => "any",
    };
    let flags = [
        ("change_feed", capabilities.changes),
        ("copy_files", capabilities.copy_files),
        ("copy_folders", capabilities.copy_folders),
        ("several_parents", capabilities.multi_parent),
        ("set_modified", capabilities.set_modified),
        ("upload_sessions", capabilities.session.is_some()),
        ("write_if_match", capabilities.if_match),
        ("write_if_not_exists", capabilities.if_not_exists),
    ];
    let mut features: Map<_, _> =
        flags.into_iter().map(|(name, has)| (name.to_owned(), has.into())).collect();
    features.insert("recursive_list".to_owned(), recursive_list.into());
    Value::Object(features)
}
