//! Document libraries as lists: their items, the fields of an item, and the columns.
//!
//! Each library is a list, and each file or folder an item of it. The id of an item is its number in
//! the drive. Other lists do not exist, and lists and items cannot be created here: a client creates
//! files. Source: the reference's pages on `list`, `listItem` and `columnDefinition`.

mod columns;
mod fields;
mod items;
mod route;

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) use self::{
    items::{describe_item, list_item_number},
    route::ListAction,
};
use super::{
    address::{ItemAddress, Owner},
    analytics,
    contract::Payload,
    drive_context::DriveContext,
    drives,
    error::{Error, Result},
    owner::{AccountIdentity, system_account},
    request::GraphRequest,
    response,
    tenant::{EntityType, page},
    timestamp::format_time,
    versions,
};
use crate::{account::Account, directory::SiteProfile, tree::ROOT};

/// The type of lists.
const LIST: EntityType = EntityType {
    name: "list",
    context: "lists",
    properties: &[
        "createdBy",
        "createdDateTime",
        "description",
        "displayName",
        "eTag",
        "id",
        "lastModifiedDateTime",
        "list",
        "name",
        "parentReference",
        "webUrl",
    ],
    unimplemented: &["contentTypes", "lastModifiedBy", "sharepointIds", "subscriptions", "system"],
    is_directory_object: false,
    page_size: (200, 1000),
};

/// `GET /sites/ID/lists`: returns the document libraries of a site that the caller has access to.
///
/// # Errors
/// Those of [`GraphRequest::site_of_owner`] and [`page`]; 403 if the caller has access to no
/// library; 507 or 500 if the storage fails.
pub(super) async fn of_site(request: &GraphRequest, owner: &Owner) -> Result<Response> {
    let site = request.site_of_owner(owner).await?;
    let mut lists = Vec::with_capacity(site.libraries.len());
    for library in &site.libraries {
        let account = request.state.accounts.open(&library.account).await?;
        let context = DriveContext::for_caller(request, account).await?;
        if context.role(ROOT).await?.is_some() {
            lists.push(describe(&context).await?);
        }
    }
    if lists.is_empty() {
        return Err(Error::access_denied());
    }
    page(request, &LIST, lists)
}

/// Serves a request to the list of a site with an id or name.
///
/// # Errors
/// Those of [`GraphRequest::site_of_owner`]; 404 for an unknown list; 403 if the caller does not have
/// the role that the operation needs; those of the handler; 507 or 500 if the storage fails.
pub(super) async fn serve_of_site(
    request: &GraphRequest,
    owner: &Owner,
    id: &str,
    action: ListAction,
    payload: Payload,
) -> Result<Response> {
    let site = request.site_of_owner(owner).await?;
    let account = account_of_list(request, &site, id).await?;
    let context = DriveContext::for_caller(request, account).await?;
    context.require(ROOT, request.needs).await?;
    serve(&context, action, payload).await
}

/// Returns the account of a site's list, which has the id or the displayed name `id`.
///
/// # Errors
/// 404 if the site has no such list; 507 or 500 if the storage fails.
async fn account_of_list(
    request: &GraphRequest,
    site: &SiteProfile,
    id: &str,
) -> Result<Arc<Account>> {
    for library in &site.libraries {
        let account = request.state.accounts.open(&library.account).await?;
        let list = AccountIdentity::new(request.kind(&account), &account).list_id();
        if list.eq_ignore_ascii_case(id) || library.name.eq_ignore_ascii_case(id) {
            return Ok(account);
        }
    }
    Err(Error::not_found())
}

/// Serves a request to the list of a drive.
///
/// # Errors
/// 400 for a personal drive, which has no list; those of the handler.
pub(super) async fn serve(
    context: &DriveContext<'_>,
    action: ListAction,
    payload: Payload,
) -> Result<Response> {
    check_kind(context)?;
    match action {
        ListAction::Get => {
            LIST.check_select(context.request)?;
            let mut list = describe(context).await?;
            list["@odata.context"] = context.request.url("/$metadata#lists/$entity").into();
            Ok(response::json(StatusCode::OK, &context.request.selection.project_resource(list)))
        }
        ListAction::Drive => drives::drive(context).await,
        ListAction::Items => items::list(context).await,
        ListAction::Item(id) => Ok(items::get(context, &items::by_id(context, &id).await?)),
        ListAction::DeleteItem(id) => {
            items::delete(context, &items::by_id(context, &id).await?).await
        }
        ListAction::DriveItem(id) => {
            Ok(items::drive_item(context, &items::by_id(context, &id).await?))
        }
        ListAction::Fields(id) => Ok(fields::get(context, &items::by_id(context, &id).await?)),
        ListAction::UpdateFields(id) => {
            fields::update(context, items::by_id(context, &id).await?, payload).await
        }
        ListAction::Versions(id) => {
            versions::of_list_item(context, &items::by_id(context, &id).await?.node).await
        }
        ListAction::Version { item, version } => {
            let node = items::by_id(context, &item).await?.node;
            versions::one_of_list_item(context, &node, &version).await
        }
        ListAction::RestoreVersion { item, version } => {
            versions::restore(context, &items::by_id(context, &item).await?.node, &version).await
        }
        ListAction::Analytics { item, action } => {
            let node = items::by_id_or_guid(context, &item).await?;
            analytics::of_item(context, node.no, &action)
        }
        ListAction::Columns => columns::list(context).await,
        ListAction::Column(id) => columns::get(context, &id).await,
        ListAction::CreateColumn => columns::create(context, payload).await,
    }
}

/// Serves a request to the list item of a driveItem. `action` has no id of an item.
///
/// # Errors
/// 400 for a personal drive, which has no list; the errors of the address, as of
/// [`DriveContext::locate`]; those of the handler.
pub(super) async fn serve_item(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    action: ListAction,
    payload: Payload,
) -> Result<Response> {
    check_kind(context)?;
    let located = context.locate(address).await?;
    if located.node.no == ROOT {
        return Err(Error::not_found());
    }
    match action {
        ListAction::Fields(_) => Ok(fields::get(context, &located)),
        ListAction::UpdateFields(_) => fields::update(context, located, payload).await,
        _ => Ok(items::get(context, &located)),
    }
}

/// Checks that a drive has a list.
///
/// # Errors
/// 400 for a personal drive.
fn check_kind(context: &DriveContext<'_>) -> Result<()> {
    match context.kind.is_personal() {
        true => Err(Error::invalid("This account has no SharePoint lists.")),
        false => Ok(()),
    }
}

/// Returns the resource of a drive's list.
///
/// # Errors
/// 404 if the drive was removed meanwhile, 500 if the storage fails.
pub(super) async fn describe(context: &DriveContext<'_>) -> Result<Value> {
    let identity = AccountIdentity::new(context.kind, &context.account);
    let drive = context.tree().drive_info(context.drive()).await?;
    let root = context.tree().node(context.drive(), ROOT).await?;
    let time = |at| format_time(context.kind, at);
    let id = identity.list_id();
    Ok(json!({
        "id": id,
        "eTag": format!("\"{id},{}\"", root.version),
        "name": identity.drive_name(),
        "displayName": identity.drive_name(),
        "description": "",
        "webUrl": context.content_url(&identity.drive_path()),
        "createdDateTime": time(drive.created),
        "lastModifiedDateTime": time(root.modified),
        "createdBy": system_account(),
        "parentReference": {"siteId": identity.site().full_id(context.request)},
        "list": {"template": "documentLibrary", "hidden": false, "contentTypesEnabled": false},
    }))
}
