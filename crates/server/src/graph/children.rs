//! The children of a folder: lists them, and creates folders and empty files
//! (onedrive-graph#list-children, onedrive-graph#create-folder).

use axum::response::Response;
use http::StatusCode;

use super::{
    address::ItemAddress,
    body::ItemBody,
    child_page::{filtered_page, page},
    contract::Payload,
    drive_context::{DriveContext, ItemWithPath},
    drive_item::View,
    error::{Error, Result},
    expand::expand,
    filter::ODataFilter,
    item_response::{collection, written},
    new_item_location::NewItemLocation,
    paging::{SKIP_TOKEN, decode_listing_key, encode_listing_key, page_size},
    remote_upload, response,
};
use crate::tree::{
    ChildName, ListOptions, NewItem, Node, NodeKind, OnConflict, Order, Precondition,
};

/// `GET item/children`: returns a page of the items in a folder.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`]; 400 for a `$top` that is no number
/// above 0, `$skip`, a `$count` that is neither `true` nor `false`, an order that the account kind
/// does not support, a filter that cannot be parsed, the page token of another listing, and a
/// thumbnail size outside of 1 to the maximum; 404 if a listed item is deleted meanwhile; 501 for
/// `$count` with `$filter`, and for an order by `url`; 500 if the storage fails.
pub(super) async fn list(context: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let query = &context.request.query;
    let selection = &context.request.selection;
    let top = page_size(query)?;
    let (order, descending) = order(context, query.get("orderby"))?;
    let counted = query.flag("count")?;
    if counted == Some(true) && query.get("filter").is_some() {
        let message = "'$count' together with '$filter' is not supported here";
        return Err(Error::not_supported(message));
    }
    let after = query.get("skiptoken").map(|token| decode_listing_key(token, order)).transpose()?;
    let located = context.locate(address).await?;
    if context.kind.is_personal() && context.if_none_match(&located.node) {
        return Ok(response::empty(StatusCode::NOT_MODIFIED));
    }
    let parent_path = located.path_of_children();
    let from = ListOptions { order, descending, after, limit: Some(top), ..ListOptions::default() };
    let (nodes, next) = match ODataFilter::from_query(query)? {
        Some(filter) => {
            let matches =
                |node: &Node| filter.matches(&context.describe(node, View::WithPath(&parent_path)));
            filtered_page(context, &located.node, from, matches).await?
        }
        None => page(context, &located.node, from).await?,
    };
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut item = context.describe(&node, View::WithPath(&parent_path));
        let child = ItemWithPath { node, parent_path: parent_path.clone() };
        expand(context, &child, selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(context, value);
    // With a filter, the number of matches is known only after the last page.
    if query.get("filter").is_none() && counted != Some(false) {
        body["@odata.count"] = located.node.children.into();
    }
    if let Some(next) = next {
        let token = encode_listing_key(&next, order);
        body["@odata.nextLink"] = context.request.link(SKIP_TOKEN, &token).into();
    }
    Ok(response::json(StatusCode::OK, &body))
}

/// Parses `$orderby=name|size|lastModifiedDateTime [asc|desc]`. Returns the order, and whether it
/// is descending. Without the option (`text` is `None`) folders are before other items. SharePoint
/// supports only `name` and `url` (onedrive-graph#orderby-filter).
///
/// # Errors
/// 400 for another property or direction, 501 for `url`.
pub(super) fn order(context: &DriveContext<'_>, text: Option<&str>) -> Result<(Order, bool)> {
    let Some(text) = text else { return Ok((Order::FoldersThenName, false)) };
    let refuse = || Error::invalid(format!("$orderby: {text:?} is not supported"));
    let mut words = text.split_whitespace();
    let order = match words.next() {
        Some("name") => Order::Name,
        Some("size") if context.kind.is_personal() => Order::Size,
        Some("lastModifiedDateTime") if context.kind.is_personal() => Order::Modified,
        Some("url") if !context.kind.is_personal() => {
            return Err(Error::not_supported("'$orderby' by url is not supported here"));
        }
        _ => return Err(refuse()),
    };
    match (words.next(), words.next()) {
        (None | Some("asc"), None) => Ok((order, false)),
        (Some("desc"), None) => Ok((order, true)),
        _ => Err(refuse()),
    }
}

/// `POST item/children`: creates a folder, a shortcut, an empty file on business drives, or a file
/// from a URL on personal drives.
///
/// # Errors
/// The errors of the address, as of [`DriveContext::locate`], but folders of a path may be missing;
/// 400 for a body without a name or a facet or with a member of another type, a name that is not
/// allowed, an unknown conflict behavior, and if the address is that of a file; 409 if the name is
/// taken; 423 if the file that is replaced is locked; 403 or 404 for the target of a shortcut; 501 for a package; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn create(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    if let Some(url) = &body.source_url {
        return remote_upload::create(context, address, &body, url).await;
    }
    let Some(name) = body.name.clone() else {
        return Err(Error::invalid("cannot create the item: it has no name"));
    };
    let kind = match (&body.folder, &body.package, &body.file) {
        // A shortcut has no children of its own, and no content.
        _ if body.remote_item.is_some() => NodeKind::File,
        (Some(_), ..) => NodeKind::Folder,
        (None, Some(_), _) => {
            return Err(Error::not_supported(
                "cannot create a package: packages are not supported",
            ));
        }
        // Business drives create an empty file, personal drives do not
        // (onedrive-graph#create-empty-file).
        (None, None, Some(_)) if !context.kind.is_personal() => NodeKind::File,
        (None, None, _) => {
            return Err(Error::invalid("cannot create the item: the body has no folder facet"));
        }
    };
    let on_conflict = body.on_conflict(&context.request.query)?.unwrap_or(OnConflict::Fail);
    let facets = match &body.remote_item {
        Some(target) => target.facets(context).await?,
        None => serde_json::Map::new(),
    };
    let location = location_in_folder(context, address, name, kind == NodeKind::Folder).await?;
    let guard = location.rights(context).await?.guard();
    let NewItemLocation { folder, missing_folders, parent_path, name, .. } = location;
    // The cloud ignores times in this request; clients set them afterwards
    // (onedrive-graph#create-folder-times).
    let new = NewItem {
        folders: missing_folders,
        description: body.description.clone(),
        facets,
        guard,
        max_versions: context.max_versions(),
        ..NewItem::default()
    };
    let tree = context.tree();
    let child = ChildName::new(context.drive(), folder, &name);
    let result = match kind {
        NodeKind::File => {
            let no_bytes = tree.store(Payload::None.into_stream(), 0).await?;
            tree.put(child, no_bytes, new, on_conflict, Precondition::Any).await
        }
        NodeKind::Folder | NodeKind::Notebook => tree.make(child, kind, new, on_conflict).await,
    };
    let result = result.map_err(Error::from_write)?;
    written(context, &ItemWithPath { node: result.node, parent_path }, result.created).await
}

/// Returns the location of a new item with a name in the folder at an address. If the folder is
/// addressed by a path and does not exist, it will be created with the item
/// (onedrive-graph#auto-create-ancestors).
///
/// # Errors
/// The errors of the address's anchor, as of [`DriveContext::locate`]; 400 if a name is not
/// allowed, or the path is longer than the account kind allows; 500 if the storage fails.
pub(super) async fn location_in_folder(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    name: String,
    is_folder: bool,
) -> Result<NewItemLocation> {
    let location = match context.find(address).await? {
        Some(located) => NewItemLocation {
            folder: located.node.no,
            missing_folders: Vec::new(),
            parent_path: located.path_of_children(),
            name,
            existing: None,
        },
        None => {
            let mut location = context.new_item_location(address).await?;
            let folder = std::mem::replace(&mut location.name, name);
            location.missing_folders.push(folder.clone());
            location.parent_path.push(folder);
            location
        }
    };
    location.check(context.kind, is_folder)?;
    Ok(location)
}
