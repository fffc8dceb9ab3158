//! A folder's children: listed, and folders made (`onedrive-graph.md`, A6, A11).

use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    body::ItemBody,
    contract::Payload,
    describe::Shown,
    error::{Error, Result},
    filter::Filter,
    items, names,
    query::Query,
    reply,
    scope::{Located, Scope},
    select::{Expansion, Selection},
};
use crate::server::tree::{Listing, NewItem, Node, NodeKind, OnConflict, Order};

/// Items of a page when the client does not say (A6).
const DEFAULT_PAGE: u64 = 200;

/// Items of a page at most; more is cut down to this (A6).
pub(super) const LARGEST_PAGE: u64 = 1000;

/// Where a listing's next page starts.
const SKIP_TOKEN: &str = "$skiptoken";

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
pub(super) async fn list(scope: &Scope<'_>, address: &ItemAddress) -> Result<Response> {
    let query = &scope.visit.query;
    let selection = Selection::of(query)?;
    let top = page_size(query)?;
    let offset = query.get("skiptoken").map_or(Ok(0), offset_of)?;
    let (order, descending) = order(scope, query.get("orderby"))?;
    let counted = query.flag("count")?;
    if counted == Some(true) && query.get("filter").is_some() {
        let why = "'$count' together with '$filter' is not supported here.";
        return Err(Error::not_supported(why));
    }
    let located = scope.locate(address).await?;
    if scope.kind.is_personal() && scope.if_none_match(&located.node) {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    let above = names_below(&located);
    let from = Listing { order, descending, offset, limit: Some(top) };
    let (nodes, next) = match Filter::of(query)? {
        Some(filter) => {
            let admits = |node: &Node| filter.admits(&scope.describe(node, Shown::In(&above)));
            filtered(scope, &located.node, from, admits).await?
        }
        None => page(scope, &located.node, from).await?,
    };
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut item = scope.describe(&node, Shown::In(&above));
        let child = Located { node, above: above.clone() };
        items::expand(scope, &child, &selection, &mut item).await?;
        value.push(selection.project(item));
    }
    let mut body = collection(scope, value);
    // The number that a filter admits is known only after the last page.
    if query.get("filter").is_none() && counted != Some(false) {
        body["@odata.count"] = located.node.children.into();
    }
    if let Some(next) = next {
        body["@odata.nextLink"] = scope.visit.link(SKIP_TOKEN, &token_of(next)).into();
    }
    Ok(reply::json(StatusCode::OK, &body))
}

/// A page of a folder's children, and where the next one starts.
async fn page(
    scope: &Scope<'_>,
    folder: &Node,
    which: Listing,
) -> Result<(Vec<Node>, Option<u64>)> {
    let most = which.limit.unwrap_or(DEFAULT_PAGE);
    // One more than fits tells whether there is a next page.
    let mut nodes = children_of(scope, folder, Listing { limit: Some(most + 1), ..which }).await?;
    let more = nodes.len() as u64 > most;
    nodes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok((nodes, more.then_some(which.offset + most)))
}

/// The same of those that a filter admits.
async fn filtered(
    scope: &Scope<'_>,
    folder: &Node,
    which: Listing,
    admits: impl Fn(&Node) -> bool,
) -> Result<(Vec<Node>, Option<u64>)> {
    let wanted = which.limit.unwrap_or(DEFAULT_PAGE);
    let mut found = Vec::new();
    let mut next = Some(which.offset);
    while let Some(offset) = next
        && (found.len() as u64) < wanted
    {
        let limit = Some((wanted - found.len() as u64).max(LARGEST_PAGE / 10));
        let (nodes, after) = page(scope, folder, Listing { offset, limit, ..which }).await?;
        next = after;
        for (at, node) in (offset..).zip(nodes) {
            if found.len() as u64 == wanted {
                next = Some(at);
                break;
            }
            if admits(&node) {
                found.push(node);
            }
        }
    }
    Ok((found, next))
}

/// Children of what is no folder are none (A6, inferred).
async fn children_of(scope: &Scope<'_>, node: &Node, which: Listing) -> Result<Vec<Node>> {
    match node.kind {
        NodeKind::Folder => Ok(scope.tree().children(scope.drive(), node.no, which).await?),
        NodeKind::File | NodeKind::Notebook => Ok(Vec::new()),
    }
}

/// The names from the root down to an item, its own included.
fn names_below(located: &Located) -> Vec<String> {
    let mut names = located.above.clone();
    if !located.node.parents.is_empty() {
        names.push(located.node.name.clone());
    }
    names
}

/// A listing as an answer's body.
pub(super) fn collection(scope: &Scope<'_>, value: Vec<Value>) -> Value {
    json!({
        "@odata.context": scope.visit.url("/$metadata#Collection(driveItem)"),
        "value": value,
    })
}

/// `$expand=children`: adds the first page of them to an item, and the link to the next one
/// (`onedrive-graph.md`, A24).
pub(super) async fn expand(
    scope: &Scope<'_>,
    located: &Located,
    expansion: &Expansion,
    item: &mut Value,
) -> Result<()> {
    let limit = Some(expansion.top.unwrap_or(DEFAULT_PAGE).min(LARGEST_PAGE));
    let (nodes, next) = page(scope, &located.node, Listing { limit, ..Listing::default() }).await?;
    let above = names_below(located);
    let mut value = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut child = scope.describe(&node, Shown::In(&above));
        let located = Located { node, above: above.clone() };
        items::expand(scope, &located, &expansion.selection, &mut child).await?;
        value.push(expansion.selection.project(child));
    }
    item["children"] = value.into();
    if let Some(next) = next {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &expansion.options {
            query.append_pair(&format!("${name}"), value);
        }
        query.append_pair(SKIP_TOKEN, &token_of(next));
        let (drive, folder) = (scope.ids.drive(), scope.ids.item(located.node.no));
        let path = format!("/drives/{drive}/items/{folder}/children?{}", query.finish());
        item["children@odata.nextLink"] = scope.visit.url(&path).into();
    }
    Ok(())
}

/// `$orderby=name|size|lastModifiedDateTime [asc|desc]`; SharePoint knows `name` and `url` only
/// (A6).
fn order(scope: &Scope<'_>, text: Option<&str>) -> Result<(Order, bool)> {
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

/// A place to go on at, opaque to clients.
pub(super) fn token_of(place: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("p_ID={place}"))
}

/// The place in a token.
pub(super) fn offset_of(token: &str) -> Result<u64> {
    let decoded =
        URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let place = decoded.and_then(|text| text.strip_prefix("p_ID=")?.parse().ok());
    place.ok_or_else(|| {
        Error::invalid("The $skiptoken is not one that this server made.")
            .inner("invalidStartIndex")
    })
}

/// `POST item/children`: makes a folder, or a file without bytes.
pub(super) async fn create(
    scope: &Scope<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let body: ItemBody = payload.parse()?;
    let Some(name) = body.name.clone() else {
        return Err(Error::invalid("The item to make has no name."));
    };
    let kind = match (&body.folder, &body.package) {
        (Some(_), _) => NodeKind::Folder,
        (None, Some(_)) => return Err(Error::not_supported("A package cannot be made here.")),
        (None, None) => {
            let why = "Only folders can be made here: the body has no folder facet.";
            return Err(Error::invalid(why));
        }
    };
    let on_conflict = body.on_conflict(&scope.visit.query)?.unwrap_or(OnConflict::Fail);
    let folder = folder_to_fill(scope, address).await?;
    let above = names_below(&folder);
    names::check(&name, true, scope.kind, folder.node.no, &above)?;
    // Times given here are ignored: clients set them afterwards (A11).
    let new = NewItem { description: body.description.clone(), ..NewItem::default() };
    let written =
        scope.tree().make(scope.drive(), folder.node.no, &name, kind, new, on_conflict).await?;
    items::changed(scope, &Located { node: written.node, above }, written.created).await
}

/// The folder to make something in; one addressed by a path is made if it is missing (A3).
async fn folder_to_fill(scope: &Scope<'_>, address: &ItemAddress) -> Result<Located> {
    if let Some(located) = scope.find(address).await? {
        return Ok(located);
    }
    let spot = scope.spot(address).await?;
    names::check(&spot.name, true, scope.kind, spot.folder, &spot.above)?;
    let new = NewItem::default();
    let written = scope
        .tree()
        .make(scope.drive(), spot.folder, &spot.name, NodeKind::Folder, new, OnConflict::Replace)
        .await?;
    Ok(Located { node: written.node, above: spot.above })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place_and_no_other_text_is_one() {
        assert_eq!(offset_of(&token_of(7003)).unwrap(), 7003);
        for text in ["", "7003", "x", &URL_SAFE_NO_PAD.encode("p_ID=-1")] {
            assert!(offset_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_page_has_200_items_and_never_more_than_1000() {
        let size = |raw| page_size(&Query::parse(Some(raw)).unwrap()).unwrap();
        assert_eq!(size(""), 200);
        assert_eq!(size("$top=7"), 7);
        assert_eq!(size("$top=5000"), 1000);
    }
}
