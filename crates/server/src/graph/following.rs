//! Followed items of business drives and libraries.
//!
//! The server stores them as objects of the drive's account, by the key of the item.

use axum::response::Response;
use http::StatusCode;

use super::{
    address::ItemAddress,
    drive_context::{DriveContext, ItemWithPath},
    drive_item::View,
    error::{Error, Result},
    expand::expand_node,
    item_response::{collection, written},
    paging::{SKIP_TOKEN, decode_position, encode_position, page_size},
    response,
};
use crate::tree::{AccountObject, AccountObjectKind, AccountObjectQuery, ItemKey, TreeError};

/// `POST item/follow`: follows an item. An item that is followed already stays in its place.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 501 on personal drives; 507 if the
/// disk of the storage is full; 500 if the storage fails.
pub(super) async fn follow(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    check_kind(context)?;
    let ItemWithPath { node, parent_path } = context.locate(address).await?;
    let id = node.no.to_string();
    let object = AccountObject::new(AccountObjectKind::FollowedItem, id);
    context.tree().put_account_object(context.drive(), object).await?;
    written(context, &ItemWithPath { node, parent_path }, false).await
}

/// `POST item/unfollow`: ends the following of an item.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 404 if the item is not followed; 501
/// on personal drives; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn unfollow(
    context: &DriveContext<'_>,
    address: &ItemAddress,
) -> Result<Response> {
    check_kind(context)?;
    let id = context.locate(address).await?.node.no.to_string();
    let kind = AccountObjectKind::FollowedItem;
    context.tree().remove_account_object(context.drive(), kind, &id).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// `GET drive/following`: returns the followed items, in the order in which they were followed.
/// Items that are not live, or that the caller has no access to, are left out.
///
/// # Errors
/// 400 for a `$top` that is no number above 0, `$skip`, the page token of another listing, and a
/// thumbnail size outside of 1 to the maximum; 501 on personal drives; 500 if the storage fails.
pub(super) async fn list(context: &DriveContext<'_>) -> Result<Response> {
    check_kind(context)?;
    let query = &context.request.query;
    let top = page_size(query)?;
    let offset = query.get("skiptoken").map(decode_position).transpose()?.unwrap_or(0);
    let which = AccountObjectQuery {
        offset,
        // One more shows whether another page follows.
        limit: Some(top + 1),
        ..AccountObjectQuery::all(AccountObjectKind::FollowedItem)
    };
    let mut objects = context.tree().account_objects(context.drive(), which).await?;
    let more = objects.len() as u64 > top;
    objects.truncate(usize::try_from(top).unwrap_or(usize::MAX));
    let selection = &context.request.selection;
    let mut value = Vec::with_capacity(objects.len());
    for key in objects.iter().filter_map(|object| object.id.parse::<ItemKey>().ok()) {
        let node = match context.tree().node(context.drive(), key).await {
            Err(TreeError::NotFound) => continue,
            node => node?,
        };
        if !context.is_visible(&node).await? {
            continue;
        }
        let mut item = context.describe(&node, View::SearchResult);
        expand_node(context, &node, selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(context, value);
    if more {
        let token = encode_position(offset + top);
        body["@odata.nextLink"] = context.request.link(SKIP_TOKEN, &token).into();
    }
    Ok(response::json(StatusCode::OK, &body))
}

/// Checks that the drive is not a personal one.
///
/// # Errors
/// 501 if it is.
fn check_kind(context: &DriveContext<'_>) -> Result<()> {
    match context.kind.is_personal() {
        true => Err(Error::not_supported("following is not supported for this account.")),
        false => Ok(()),
    }
}
