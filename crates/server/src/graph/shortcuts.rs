//! Items of other drives: shortcuts to them, and the list of those that are shared with a user
//! (onedrive-graph#remote-item, onedrive-graph#shared-with-me).
//!
//! A shortcut stores the drive and the id of its target. A response shows the target as it is now, as
//! long as the user has access to it.

use std::collections::HashSet;

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    address::DriveRef,
    drive_context::DriveContext,
    drive_item::View,
    error::{Error, Result},
    expand::expand_node,
    item_response::collection,
    paging::{SKIP_TOKEN, decode_listing_key, encode_listing_key, page_size},
    response,
    stored_facets::{FACETS, stored_facet},
};
use crate::{
    permissions::Principal,
    tree::{ListingKey, Node, Order, ROOT, Role, SharedItem, TreeError},
};

/// The order in the page tokens of `sharedWithMe`: by drive, then by item.
const ORDER: Order = Order::Modified;

/// Maximum number of items that one query of the tree reads.
const SCAN_PAGE_SIZE: u64 = 1000;

/// The facet with the target of a shortcut.
pub(super) const REMOTE_ITEM: &str = "remoteItem";

/// Properties of the target that a `remoteItem` has.
const TARGET_PROPERTIES: [&str; 17] = [
    "id",
    "name",
    "size",
    "eTag",
    "cTag",
    "webUrl",
    "createdBy",
    "createdDateTime",
    "lastModifiedBy",
    "lastModifiedDateTime",
    "fileSystemInfo",
    "file",
    "folder",
    "package",
    "image",
    "specialFolder",
    "shared",
];

/// The member `remoteItem` of a request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RemoteItemBody {
    id: Option<String>,
    parent_reference: RemoteParent,
}

/// The drive of a shortcut's target.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RemoteParent {
    drive_id: Option<String>,
}

impl RemoteItemBody {
    /// Returns the facets of a shortcut to the item that the body names.
    ///
    /// # Errors
    /// 400 without an id or a drive id, and for an item of the addressed drive itself; 403 or 404 if the
    /// user has no access to the item; 500 if the storage fails.
    pub(super) async fn facets(&self, context: &DriveContext<'_>) -> Result<Map<String, Value>> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (Some(id), Some(drive)) = (given(&self.id), given(&self.parent_reference.drive_id))
        else {
            return Err(Error::invalid(
                "cannot create the shortcut: remoteItem has no id or no parentReference.driveId",
            ));
        };
        if context.ids.is_drive(&drive) {
            let message = "cannot create the shortcut: the item is in the same drive";
            return Err(Error::invalid(message));
        }
        let reference = DriveRef::Id { id: drive, site: None };
        let target = DriveContext::open(context.request, &reference).await?;
        let item = target.item_key(&id)?;
        target.require(item, Role::Read).await?;
        let node = target.tree().node(target.drive(), item).await?;
        let facet = json!({REMOTE_ITEM: target.remote_item(&node).await?});
        Ok(Map::from_iter([(FACETS.to_owned(), facet)]))
    }
}

impl DriveContext<'_> {
    /// Returns an item of this drive as the `remoteItem` of an item in another drive.
    ///
    /// # Errors
    /// 404 if a folder above the item no longer exists, 500 if the storage fails.
    pub(super) async fn remote_item(&self, node: &Node) -> Result<Value> {
        let parent_path = self.parent_path(node).await?;
        let mut item = self.describe(node, View::WithPath(&parent_path));
        let mut remote = Map::new();
        for name in TARGET_PROPERTIES {
            if let Some(value) = item.get_mut(name) {
                remote.insert(name.to_owned(), value.take());
            }
        }
        let reference = &item["parentReference"];
        let mut parent = Map::new();
        for name in ["driveId", "driveType", "id", "siteId"] {
            if let Some(value) = reference.get(name) {
                parent.insert(name.to_owned(), value.clone());
            }
        }
        remote.insert("parentReference".to_owned(), parent.into());
        Ok(remote.into())
    }

    /// Replaces the `remoteItem` of a shortcut with the target's current properties. A target that no
    /// longer exists, or that the user no longer has access to, is shown by its ids.
    ///
    /// # Errors
    /// 507 if the disk of the storage is full, 500 if the storage fails.
    pub(super) async fn refresh_shortcut(&self, node: &Node, item: &mut Value) -> Result<()> {
        let Some(stored) = stored_facet(node, REMOTE_ITEM) else { return Ok(()) };
        let (Some(id), Some(drive)) =
            (stored["id"].as_str(), stored["parentReference"]["driveId"].as_str())
        else {
            // A fixture may have any content.
            return Ok(());
        };
        let Some(account) = self.request.account_with_drive_id(drive).await? else {
            // A drive that the server does not have is that of a fixture.
            return Ok(());
        };
        let target = DriveContext::for_caller(self.request, account).await?;
        let found = async {
            let key = target.item_key(id)?;
            target.require(key, Role::Read).await?;
            let node = target.tree().node(target.drive(), key).await?;
            target.remote_item(&node).await
        };
        item[REMOTE_ITEM] = match found.await {
            Ok(remote) => remote,
            Err(error) if error.status.is_client_error() => {
                json!({"id": id, "parentReference": stored["parentReference"]})
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }
}

/// `GET drive/sharedWithMe`: returns the items of other drives that are shared with the owner of the
/// drive, and the shortcuts of the drive to other items.
///
/// # Errors
/// 400 for a `$top` that is no number above 0, `$skip`, the page token of another listing, and a
/// thumbnail size outside of 1 to the maximum; 403 or 404 if the caller does not own the drive; 404 if a
/// listed item is deleted meanwhile; 500 if the storage fails.
pub(super) async fn shared_with_me(context: &DriveContext<'_>) -> Result<Response> {
    context.require(ROOT, Role::Owner).await?;
    let query = &context.request.query;
    let top = usize::try_from(page_size(query)?).unwrap_or(usize::MAX);
    let after = query.get("skiptoken").map(|token| decode_listing_key(token, ORDER)).transpose()?;
    let after = after.map(|key| (key.number, key.item));
    let owner = Principal::for_user(&context.request.state.accounts, &context.account);
    let mut all = context.tree().shared_with(owner.identities()).await?;
    all.retain(|shared| shared.drive != context.drive());
    all.extend(shortcuts(context).await?);
    all.sort_unstable_by_key(|shared| (shared.drive, shared.item));
    all.retain(|shared| after.is_none_or(|last| (shared.drive.0, shared.item) > last));
    let mut value = Vec::new();
    let mut targets = HashSet::new();
    let mut last = None;
    for shared in all {
        if value.len() == top {
            let mut body = collection(context, value);
            let token =
                last.as_ref().map_or_else(String::new, |key| encode_listing_key(key, ORDER));
            body["@odata.nextLink"] = context.request.link(SKIP_TOKEN, &token).into();
            return Ok(response::json(StatusCode::OK, &body));
        }
        let (number, item) = (shared.drive.0, shared.item);
        last = Some(ListingKey { number, item, ..ListingKey::default() });
        if let Some(entry) = shared_entry(context, shared).await? {
            let target = entry[REMOTE_ITEM]["id"].as_str().unwrap_or_default().to_owned();
            if target.is_empty() || targets.insert(target) {
                value.push(context.request.selection.project(entry));
            }
        }
    }
    Ok(response::json(StatusCode::OK, &collection(context, value)))
}

/// Returns the shortcuts in a drive.
///
/// # Errors
/// 500 if the storage fails.
async fn shortcuts(context: &DriveContext<'_>) -> Result<Vec<SharedItem>> {
    let mut found = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let (nodes, after) =
            context.tree().below(context.drive(), ROOT, from, SCAN_PAGE_SIZE).await?;
        let shortcuts = nodes.iter().filter(|node| stored_facet(node, REMOTE_ITEM).is_some());
        found.extend(shortcuts.map(|node| SharedItem {
            drive: node.drive,
            account: context.account.name.clone(),
            item: node.no,
        }));
        next = after;
    }
    Ok(found)
}

/// Returns an entry of `sharedWithMe`; `None` if the caller no longer has access to the item.
///
/// # Errors
/// 400 for a thumbnail size outside of 1 to the maximum, 507 if the disk of the storage is full, 500 if
/// the storage fails.
async fn shared_entry(context: &DriveContext<'_>, shared: SharedItem) -> Result<Option<Value>> {
    let account = context.request.state.accounts.open(&shared.account).await?;
    let owner = DriveContext::for_caller(context.request, account).await?;
    let node = match owner.tree().node(shared.drive, shared.item).await {
        Ok(node) => node,
        Err(TreeError::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let selection = &context.request.selection;
    if stored_facet(&node, REMOTE_ITEM).is_some() {
        let mut item = owner.describe(&node, View::SearchResult);
        expand_node(&owner, &node, selection, &mut item).await?;
        return Ok(Some(item));
    }
    if owner.role(node.no).await?.is_none() {
        return Ok(None);
    }
    let remote = owner.remote_item(&node).await?;
    let mut item = Map::new();
    for name in TARGET_PROPERTIES.iter().filter(|name| !["eTag", "cTag", "shared"].contains(name)) {
        if let Some(value) = remote.get(name) {
            item.insert((*name).to_owned(), value.clone());
        }
    }
    let mut item = Value::from(item);
    item[REMOTE_ITEM] = remote;
    expand_node(&owner, &node, selection, &mut item).await?;
    Ok(Some(item))
}
