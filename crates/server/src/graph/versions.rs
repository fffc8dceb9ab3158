//! The versions of a file (onedrive-graph#versions). The current version is the item itself; the tree
//! has the earlier ones.

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    content::bytes_response,
    drive_context::DriveContext,
    error::{Error, Result},
    owner::AccountIdentity,
    paging::{SKIP_TOKEN, decode_position, encode_position, page_size},
    response,
    route::VersionAction,
    timestamp::format_time,
};
use crate::{
    account_kind::AccountKind,
    download_urls,
    tree::{ItemVersion, Node, NodeKind, VERSION_COMMENT},
};

/// Number of versions that a personal drive keeps of a file, with the current one. Source:
/// "Restore a previous version of a file stored in OneDrive", support.microsoft.com.
const MAX_PERSONAL: u32 = 25;

/// Number of versions that business drives and libraries keep of a file by default, with the
/// current one. Source: "Plan your document library versioning", learn.microsoft.com.
const MAX_BUSINESS: u32 = 500;

/// Returns the number of versions that a drive of a kind keeps of a file, with the current one.
/// `limit` is the server's own; `None` for that of the cloud.
pub(super) fn max_versions(kind: AccountKind, limit: Option<u32>) -> u32 {
    limit.unwrap_or(if kind.is_personal() { MAX_PERSONAL } else { MAX_BUSINESS })
}

/// Serves `item/versions`, `item/versions/ID` and its relations.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 if the item is not a file, for
/// the content of the current version and for its deletion or restoration; 404 for a version that
/// the file does not have; 423 if a locked file is restored; 501 for a deletion on personal drives;
/// 507 if the restored bytes do not fit into the drive's quota; 500 if the storage fails.
pub(super) async fn serve(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    action: &VersionAction,
) -> Result<Response> {
    let node = context.locate(address).await?.node;
    if node.kind != NodeKind::File {
        return Err(Error::invalid("cannot list the versions: the item is not a file"));
    }
    match action {
        VersionAction::List => list(context, &node).await,
        VersionAction::Get(id) => {
            let version = match find(context, &node, id).await? {
                Some(version) => describe(context, &node, &version),
                None => describe_current(context, &node),
            };
            let version = context.request.selection.project_resource(version);
            Ok(response::json(StatusCode::OK, &version))
        }
        VersionAction::Content(id) => {
            let version = find(context, &node, id).await?.ok_or_else(|| {
                Error::invalid("You cannot get the content of the current version.")
            })?;
            if !context.pre_authenticates() {
                return bytes_response(context, &as_node(&node, &version)).await;
            }
            let url = download_url(context, &node, &version);
            response::with_location(StatusCode::FOUND, &url)
        }
        VersionAction::Restore(id) => restore(context, &node, id).await,
        VersionAction::Delete(_) if context.kind.is_personal() => Err(Error::not_supported(
            "cannot delete the version: personal drives do not support it",
        )),
        VersionAction::Delete(id) => {
            context.check_unlocked(&node)?;
            let version = find(context, &node, id).await?.ok_or_else(|| {
                Error::invalid("cannot delete the version: it is the current one")
            })?;
            context.tree().delete_version(context.drive(), node.no, version.no).await?;
            Ok(response::empty(StatusCode::NO_CONTENT))
        }
    }
}

/// `POST versions/ID/restoreVersion`: makes an earlier version of a file the current one.
///
/// # Errors
/// 400 for the current version; 404 for a version that the file does not have; 423 if the file is
/// locked; 507 if the restored bytes do not fit into the drive's quota; 500 if the storage fails.
pub(super) async fn restore(context: &DriveContext<'_>, node: &Node, id: &str) -> Result<Response> {
    context.check_unlocked(node)?;
    let version = find(context, node, id)
        .await?
        .ok_or_else(|| Error::invalid("cannot restore the version: it is the current one"))?;
    let max = context.max_versions();
    context.tree().restore_version(context.drive(), node.no, version.no, max).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `GET items/ID/versions`: returns the versions of a list item, those of its file, newest first.
///
/// # Errors
/// 500 if the storage fails.
pub(super) async fn of_list_item(context: &DriveContext<'_>, node: &Node) -> Result<Response> {
    let all = all(context, node).await?.into_iter();
    let selection = &context.request.selection;
    let value: Vec<_> =
        all.map(|(_, version)| selection.project_resource(list_item_version(version))).collect();
    let odata_context = context.request.url("/$metadata#Collection(listItemVersion)");
    Ok(response::json(StatusCode::OK, &json!({"@odata.context": odata_context, "value": value})))
}

/// `GET items/ID/versions/ID`: returns a version of a list item.
///
/// # Errors
/// 404 for a version that the file does not have, 500 if the storage fails.
pub(super) async fn one_of_list_item(
    context: &DriveContext<'_>,
    node: &Node,
    id: &str,
) -> Result<Response> {
    let all = all(context, node).await?;
    let found = all.into_iter().map(|(_, version)| version).find(|version| version["id"] == id);
    let mut version = list_item_version(found.ok_or_else(Error::not_found)?);
    version["@odata.context"] =
        context.request.url("/$metadata#microsoft.graph.listItemVersion").into();
    Ok(response::json(StatusCode::OK, &context.request.selection.project_resource(version)))
}

/// Returns a version of a file as that of its list item, which has no size and no content.
fn list_item_version(version: Value) -> Value {
    let kept = ["id", "lastModifiedBy", "lastModifiedDateTime", "publication"];
    let Value::Object(properties) = version else { return version };
    properties.into_iter().filter(|(name, _)| kept.contains(&name.as_str())).collect()
}

/// Returns a page of the versions of a file, newest first.
///
/// # Errors
/// 400 for a `$top` that is no number above 0, and the page token of another listing; 500 if the
/// storage fails.
async fn list(context: &DriveContext<'_>, node: &Node) -> Result<Response> {
    let query = &context.request.query;
    let top = usize::try_from(page_size(query)?).unwrap_or(usize::MAX);
    let after = query.get("skiptoken").map(decode_position).transpose()?;
    let mut all = all(context, node).await?;
    all.retain(|(no, _)| after.is_none_or(|last| no.cast_unsigned() < last));
    let more = all.len() > top;
    all.truncate(top);
    let next = all.last().filter(|_| more).map(|(no, _)| encode_position(no.cast_unsigned()));
    let selection = &context.request.selection;
    let value: Vec<_> =
        all.into_iter().map(|(_, version)| selection.project_resource(version)).collect();
    let mut body = json!({
        "@odata.context": context.request.url("/$metadata#Collection(driveItemVersion)"),
        "value": value,
    });
    if let Some(token) = next {
        body["@odata.nextLink"] = context.request.link(SKIP_TOKEN, &token).into();
    }
    Ok(response::json(StatusCode::OK, &body))
}

/// Returns all versions of an item as resources with their numbers, newest first; none if it is no
/// file.
///
/// # Errors
/// 500 if the storage fails.
pub(super) async fn all(context: &DriveContext<'_>, node: &Node) -> Result<Vec<(i64, Value)>> {
    if node.kind != NodeKind::File {
        return Ok(Vec::new());
    }
    let earlier = context.tree().versions(context.drive(), node.no).await?;
    let mut all = vec![(node.revision, describe_current(context, node))];
    // A file that another caller has checked out has an older current version.
    let earlier = earlier.iter().filter(|version| version.no < node.revision);
    all.extend(earlier.map(|version| (version.no, describe(context, node, version))));
    Ok(all)
}

/// Returns the earlier version of a file with an id, such as `3.0`; `None` for the current version,
/// which has the name `current` too.
///
/// # Errors
/// 404 if the file has no such version, 500 if the storage fails.
async fn find(context: &DriveContext<'_>, node: &Node, id: &str) -> Result<Option<ItemVersion>> {
    if id == "current" || id == version_id(node.revision) {
        return Ok(None);
    }
    let no = id.strip_suffix(".0").and_then(|no| no.parse().ok()).ok_or_else(Error::not_found)?;
    if id != version_id(no) || no > node.revision {
        return Err(Error::not_found());
    }
    Ok(Some(context.tree().version(context.drive(), node.no, no).await?))
}

/// Returns the id of the version with a number.
fn version_id(no: i64) -> String {
    format!("{no}.0")
}

/// Returns the current version of a file as a resource.
fn describe_current(context: &DriveContext<'_>, node: &Node) -> Value {
    let (size, owner) = (node.size, node.owner.as_deref());
    let mut resource = resource(context, node.revision, size, node.client_modified, owner);
    if let Some(comment) = node.facets.get(VERSION_COMMENT).and_then(Value::as_str) {
        resource["publication"] = publication(node.revision, comment);
    }
    resource
}

/// Returns the publication facet of a version with the comment of its check-in.
fn publication(no: i64, comment: &str) -> Value {
    json!({"level": "published", "versionId": version_id(no), "checkinComment": comment})
}

/// Returns an earlier version of a file as a resource, with its download URL.
fn describe(context: &DriveContext<'_>, node: &Node, version: &ItemVersion) -> Value {
    let (size, owner) = (version.content.size, version.owner.as_deref());
    let mut resource = resource(context, version.no, size, version.client_modified, owner);
    resource[context.download_url()] = download_url(context, node, version).into();
    if let Some(comment) = &version.comment {
        resource["publication"] = publication(version.no, comment);
    }
    resource
}

/// Returns a version as a resource. `owner` is the name of the account that owned the item, `None`
/// for the owner of the drive.
fn resource(
    context: &DriveContext<'_>,
    no: i64,
    size: u64,
    modified: Timestamp,
    owner: Option<&str>,
) -> Value {
    let identity = AccountIdentity::new(context.kind, &context.account);
    json!({
        "id": version_id(no),
        "size": size,
        "lastModifiedDateTime": format_time(context.kind, modified),
        "lastModifiedBy": identity.identity_set(owner),
    })
}

/// Returns the URL of the bytes of an earlier version.
fn download_url(context: &DriveContext<'_>, node: &Node, version: &ItemVersion) -> String {
    if !context.pre_authenticates() {
        let relation = format!("/versions/{}/content", version_id(version.no));
        return context.relation_url(node.no, &relation);
    }
    let state = &context.request.state;
    let path = download_urls::version_path(state, &context.account, node, version);
    context.content_url(&path)
}

/// Returns the item with the bytes and the time of an earlier version.
pub(super) fn as_node(node: &Node, version: &ItemVersion) -> Node {
    Node {
        size: version.content.size,
        content: Some(version.content.clone()),
        client_modified: version.client_modified,
        ..node.clone()
    }
}
