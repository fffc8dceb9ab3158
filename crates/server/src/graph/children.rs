//! A folder's children: listed, and folders made (onedrive-graph#list-children,
//! onedrive-graph#create-folder).

use std::collections::HashMap;

use axum::{body::Body, response::Response};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    address::ItemAddress,
    body::ItemBody,
    content::bytes,
    contract::Payload,
    drive_context::{DriveContext, ItemWithPath, NewItemLocation},
    drive_item::View,
    error::{Error, Result},
    filter::Filter,
    items,
    query::Query,
    reply,
    select::{Expansion, Selection},
};
use crate::tree::{
    ChildName, ItemKey, Listing, ListingKey, NewItem, Node, NodeKind, OnConflict, Order,
    Precondition, TreeError,
};

/// Items of a page when the client does not say (onedrive-graph#page-size).
const DEFAULT_PAGE: u64 = 200;

/// Items of a page at most; more is cut down to this (onedrive-graph#page-size).
pub(super) const LARGEST_PAGE: u64 = 1000;

/// Where a listing's next page starts.
pub(super) const SKIP_TOKEN: &str = "$skiptoken";

/// How many items a page is to have.
pub(super) fn page_size(query: &Query) -> Result<u64> {
    if query.get("skip").is_some() {
        // Left out, it would give the first page again, for ever.
        return Err(Error::invalid(
            "$skip is not supported on this API. Only URLs returned by the API can be used to page.",
        ));
    }
    Ok(query.count("top")?.unwrap_or(DEFAULT_PAGE).min(LARGEST_PAGE))
}

/// `GET item/children`.
pub(super) async fn list(scope: &DriveContext<'_>, address: &ItemAddress) -> Result<Response> {
    let query = &scope.request.query;
    let selection = Selection::of(query)?;
    let top = page_size(query)?;
    let (order, descending) = order(scope, query.get("orderby"))?;
    let counted = query.flag("count")?;
    if counted == Some(true) && query.get("filter").is_some() {
        let why = "'$count' together with '$filter' is not supported here.";
        return Err(Error::not_supported(why));
    }
    let after = query.get("skiptoken").map(|token| key_of_token(token, order)).transpose()?;
    let located = scope.locate(address).await?;
    if scope.kind.is_personal() && scope.if_none_match(&located.node) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    let above = names_below(&located);
    let from = Listing { order, descending, after, limit: Some(top), ..Listing::default() };
    let (nodes, next) = match Filter::of(query)? {
        Some(filter) => {
            let admits = |node: &Node| filter.admits(&scope.describe(node, View::In(&above)));
            filtered(scope, &located.node, from, admits).await?
        }
        None => page(scope, &located.node, from).await?,
    };
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut item = scope.describe(&node, View::In(&above));
        let child = ItemWithPath { node, above: above.clone() };
        items::expand(scope, &child, &selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(scope, value);
    // The number that a filter admits is known only after the last page.
    if query.get("filter").is_none() && counted != Some(false) {
        body["@odata.count"] = located.node.children.into();
    }
    if let Some(next) = next {
        body["@odata.nextLink"] =
            scope.request.link(SKIP_TOKEN, &token_of_key(&next, order)).into();
    }
    Ok(reply::json(StatusCode::OK, &body))
}

/// A page of a folder's children, and the place of its last one if there are more.
async fn page(
    scope: &DriveContext<'_>,
    folder: &Node,
    which: Listing,
) -> Result<(Vec<Node>, Option<ListingKey>)> {
    let (order, most) = (which.order, which.limit.unwrap_or(DEFAULT_PAGE));
    // One more than fits tells whether there is a next page.
    let mut nodes = children_of(scope, folder, Listing { limit: Some(most + 1), ..which }).await?;
    let more = nodes.len() as u64 > most;
    nodes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let last = nodes.last().filter(|_| more).map(|node| ListingKey::new(node, order));
    Ok((nodes, last))
}

/// The same of those that a filter admits.
async fn filtered(
    scope: &DriveContext<'_>,
    folder: &Node,
    mut which: Listing,
    admits: impl Fn(&Node) -> bool,
) -> Result<(Vec<Node>, Option<ListingKey>)> {
    let wanted = which.limit.unwrap_or(DEFAULT_PAGE);
    let mut found = Vec::new();
    loop {
        which.limit = Some((wanted - found.len() as u64).max(LARGEST_PAGE / 10));
        let (nodes, last) = page(scope, folder, which.clone()).await?;
        for node in nodes {
            if found.len() as u64 == wanted {
                return Ok((found, which.after));
            }
            which.after = Some(ListingKey::new(&node, which.order));
            if admits(&node) {
                found.push(node);
            }
        }
        if last.is_none() || found.len() as u64 == wanted {
            return Ok((found, last));
        }
    }
}

/// Children of what is no folder are none (onedrive-graph#children-of-a-file, inferred).
async fn children_of(scope: &DriveContext<'_>, node: &Node, which: Listing) -> Result<Vec<Node>> {
    match node.kind {
        NodeKind::Folder => Ok(scope.tree().children(scope.drive(), node.no, which).await?),
        NodeKind::File | NodeKind::Notebook => Ok(Vec::new()),
    }
}

/// The names from the root down to an item, its own included.
fn names_below(located: &ItemWithPath) -> Vec<String> {
    let mut names = located.above.clone();
    if !located.node.parents.is_empty() {
        names.push(located.node.name.clone());
    }
    names
}

/// A listing as an answer's body.
pub(super) fn collection(scope: &DriveContext<'_>, value: Vec<Value>) -> Value {
    json!({
        "@odata.context": scope.request.url("/$metadata#Collection(driveItem)"),
        "value": value,
    })
}

/// `$expand=children`: adds the first page of them to an item, and the link to the next one
/// (onedrive-graph#expand-children-paging).
pub(super) async fn expand(
    scope: &DriveContext<'_>,
    located: &ItemWithPath,
    expansion: &Expansion,
    item: &mut Value,
) -> Result<()> {
    let limit = Some(expansion.top.unwrap_or(DEFAULT_PAGE).min(LARGEST_PAGE));
    let (nodes, next) = page(scope, &located.node, Listing { limit, ..Listing::default() }).await?;
    let above = names_below(located);
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut child = scope.describe(&node, View::In(&above));
        let located = ItemWithPath { node, above: above.clone() };
        items::expand(scope, &located, &expansion.selection, &mut child).await?;
        value.push(expansion.selection.project(child));
    }
    item["children"] = value.into();
    if let Some(next) = next {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &expansion.options {
            query.append_pair(&format!("${name}"), value);
        }
        query.append_pair(SKIP_TOKEN, &token_of_key(&next, Order::default()));
        let (drive, folder) = (scope.ids.drive(), scope.ids.item(located.node.no));
        let path = format!("/drives/{drive}/items/{folder}/children?{}", query.finish());
        item["children@odata.nextLink"] = scope.request.url(&path).into();
    }
    Ok(())
}

/// `$orderby=name|size|lastModifiedDateTime [asc|desc]`; SharePoint knows `name` and `url` only
/// (onedrive-graph#orderby-filter).
fn order(scope: &DriveContext<'_>, text: Option<&str>) -> Result<(Order, bool)> {
    let Some(text) = text else { return Ok((Order::FoldersThenName, false)) };
    let refuse = || Error::invalid(format!("$orderby: {text:?} is not supported."));
    let mut words = text.split_whitespace();
    let order = match words.next() {
        Some("name") => Order::Name,
        Some("size") if scope.kind.is_personal() => Order::Size,
        Some("lastModifiedDateTime") if scope.kind.is_personal() => Order::Modified,
        Some("url") if !scope.kind.is_personal() => {
            return Err(Error::not_supported("'$orderby' by url is not supported here."));
        }
        _ => return Err(refuse()),
    };
    match (words.next(), words.next()) {
        (None | Some("asc"), None) => Ok((order, false)),
        (Some("desc"), None) => Ok((order, true)),
        _ => Err(refuse()),
    }
}

/// Returns the token that names the last item of a page, in the cloud's own form
/// (onedrive-api-docs#774). Clients take it as opaque.
pub(super) fn token_of_key(key: &ListingKey, order: Order) -> String {
    let mut text = form_urlencoded::Serializer::new(String::from("Paged=TRUE"));
    match order {
        Order::FoldersThenName => {
            text.append_pair("p_SortBehavior", &key.group.to_string());
            text.append_pair("p_FileLeafRef", &key.name);
        }
        Order::Name => {
            text.append_pair("p_FileLeafRef", &key.name);
        }
        Order::Modified => {
            text.append_pair("p_Modified", &key.number.to_string());
        }
        Order::Size => {
            text.append_pair("p_FileSizeDisplay", &key.number.to_string());
        }
        Order::Number => {}
    }
    text.append_pair("p_ID", &key.item.to_string());
    URL_SAFE_NO_PAD.encode(text.finish())
}

/// Returns the place in a token that was made for a listing of that order.
pub(super) fn key_of_token(token: &str, order: Order) -> Result<ListingKey> {
    let read = || {
        let text = URL_SAFE_NO_PAD.decode(token).ok()?;
        let fields: HashMap<String, String> = form_urlencoded::parse(&text).into_owned().collect();
        let number = |name: &str| fields.get(name)?.parse::<i64>().ok();
        let name = || fields.get("p_FileLeafRef").cloned();
        let key = ListingKey { item: ItemKey(number("p_ID")?), ..ListingKey::default() };
        Some(match order {
            Order::FoldersThenName => {
                ListingKey { group: number("p_SortBehavior")?, name: name()?, ..key }
            }
            Order::Name => ListingKey { name: name()?, ..key },
            Order::Modified => ListingKey { number: number("p_Modified")?, ..key },
            Order::Size => ListingKey { number: number("p_FileSizeDisplay")?, ..key },
            Order::Number => key,
        })
    };
    read().ok_or_else(foreign_token)
}

fn foreign_token() -> Error {
    Error::invalid("The $skiptoken is not one that this server made for this listing.")
        .inner("invalidStartIndex")
}

/// A place in the tree's own order to go on at, opaque to clients.
pub(super) fn token_of(place: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("p_ID={place}"))
}

/// The place in a token.
pub(super) fn place_of(token: &str) -> Result<u64> {
    let decoded =
        URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = decoded.and_then(|text| text.strip_prefix("p_ID=")?.parse().ok());
    place.ok_or_else(foreign_token)
}

/// `POST item/children`: makes a folder, or a file without bytes.
pub(super) async fn create(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    let Some(name) = body.name.clone() else {
        return Err(Error::invalid("The item to make has no name."));
    };
    let kind = match (&body.folder, &body.package, &body.file) {
        (Some(_), ..) => NodeKind::Folder,
        (None, Some(_), _) => return Err(Error::not_supported("A package cannot be made here.")),
        // Business makes an empty file, consumers' drives do not
        // (onedrive-graph#create-empty-file).
        (None, None, Some(_)) if !scope.kind.is_personal() && body.source_url.is_none() => {
            NodeKind::File
        }
        (None, None, _) => {
            let why = "Only folders can be made here: the body has no folder facet.";
            return Err(Error::invalid(why));
        }
    };
    let on_conflict = body.on_conflict(&scope.request.query)?.unwrap_or(OnConflict::Fail);
    let NewItemLocation { folder, missing, above, name, .. } =
        spot_in(scope, address, name, kind == NodeKind::Folder).await?;
    // Times given here are ignored: clients set them afterwards
    // (onedrive-graph#create-folder-times).
    let new =
        NewItem { folders: missing, description: body.description.clone(), ..NewItem::default() };
    let (tree, drive) = (scope.tree(), scope.drive());
    let written = match kind {
        NodeKind::File => {
            let nothing = tree.store(bytes(Body::empty()), 0).await?;
            tree.put(
                ChildName::new(drive, folder, &name),
                nothing,
                new,
                on_conflict,
                Precondition::Any,
            )
            .await
        }
        NodeKind::Folder | NodeKind::Notebook => {
            tree.make(ChildName::new(drive, folder, &name), kind, new, on_conflict).await
        }
    };
    let written = written.map_err(occupied)?;
    items::changed(scope, &ItemWithPath { node: written.node, above }, written.created).await
}

/// A name that a folder has is taken, whatever is to be put there.
pub(super) fn occupied(error: TreeError) -> Error {
    match error {
        TreeError::NotAFile(_) => Error::name_taken(),
        error => error.into(),
    }
}

/// The spot of a new item's name in the folder at an address. If that is addressed by a path and
/// missing, it is made too (onedrive-graph#auto-create-ancestors).
async fn spot_in(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    name: String,
    is_folder: bool,
) -> Result<NewItemLocation> {
    let spot = match scope.find(address).await? {
        Some(located) => NewItemLocation {
            folder: located.node.no,
            missing: Vec::new(),
            above: names_below(&located),
            name,
            occupant: None,
        },
        None => {
            let mut spot = scope.spot(address).await?;
            let folder = std::mem::replace(&mut spot.name, name);
            spot.missing.push(folder.clone());
            spot.above.push(folder);
            spot
        }
    };
    spot.check(scope.kind, is_folder)?;
    Ok(spot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place_and_no_other_text_is_one() {
        assert_eq!(place_of(&token_of(7003)).unwrap(), 7003);
        for text in ["", "7003", "x", &URL_SAFE_NO_PAD.encode("p_ID=-1")] {
            assert!(place_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_names_the_last_item_of_a_listing_in_its_order() {
        let text = String::from("a&b=ü/\u{1F600}");
        let key = |group, name: &str, number| ListingKey {
            group,
            name: name.into(),
            number,
            item: ItemKey(7),
        };
        for (order, key) in [
            (Order::FoldersThenName, key(1, &text, 0)),
            (Order::Name, key(0, &text, 0)),
            (Order::Modified, key(0, "", -5)),
            (Order::Size, key(0, "", 1 << 40)),
            (Order::Number, key(0, "", 0)),
        ] {
            assert_eq!(key_of_token(&token_of_key(&key, order), order).unwrap(), key, "{order:?}");
        }
        let by_size = token_of_key(&key(0, "", 3), Order::Size);
        assert!(key_of_token(&by_size, Order::Name).is_err(), "a token of another order");
    }

    #[test]
    fn a_page_has_200_items_and_never_more_than_1000() {
        let size = |raw| page_size(&Query::parse(Some(raw)).unwrap()).unwrap();
        assert_eq!(size(""), 200);
        assert_eq!(size("$top=7"), 7);
        assert_eq!(size("$top=5000"), 1000);
    }
}
