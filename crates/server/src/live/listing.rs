//! Handler of `GET {folder}/files`: filters, sorts, pages, and streams the response.
//!
//! Pages are offsets, as in the reference. If a client adds or removes objects between two pages,
//! other objects are skipped or repeated.

use std::sync::Arc;

use axum::{body::Body, http::StatusCode, response::Response};
use bytes::Bytes;
use serde::Serialize;

use super::{
    action::ListKind,
    error::{LiveError, Result},
    facets::SortBy,
    object_access::ObjectAccess,
    object_type::ObjectType,
    objects::{ObjectView, Objects},
    query::LiveQuery,
    request::LiveRequest,
    response_format::ResponseFormat,
    route::BASE,
};
use crate::{
    account::Account,
    tree::{self, Node, Order},
};

/// Number of objects that are serialized per chunk of the response.
const CHUNK: usize = 64;

/// Parameters that the URLs of the other pages repeat.
const REPEATED: [&str; 9] = [
    "filter",
    "sort_by",
    "sort_order",
    "download",
    "pretty",
    "q",
    "locale",
    "start_time",
    "end_time",
];

/// The filter, the order and the page that a request selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageOptions {
    order: Order,
    /// Sort by `updated_time`. The tree cannot: its own order by time uses the modification time of
    /// the client.
    by_update_time: bool,
    descending: bool,
    offset: u64,
    limit: Option<u64>,
    /// Only objects of these types; `None`: all types.
    types: Option<Vec<ObjectType>>,
    /// Percent-encoded parameters that the URLs of the other pages repeat, each with a leading `&`.
    repeated: String,
}

impl PageOptions {
    /// Parses the query options of a list: order, page and filter.
    ///
    /// # Errors
    /// 400 if `sort_by`, `sort_order` or a type in `filter` is unknown, `limit` or `offset` is not
    /// a whole number, or `limit` is 0.
    pub(super) fn from_query(query: &LiveQuery) -> Result<Self> {
        let sort_by = match query.get("sort_by") {
            Some(name) => {
                Some(SortBy::parse(name).ok_or_else(|| LiveError::invalid_value("sort_by", name))?)
            }
            None => None,
        };
        let (order, by_update_time) = tree_order(sort_by.unwrap_or(SortBy::Default));
        let descending = match query.get("sort_order").map(str::to_ascii_lowercase).as_deref() {
            None | Some("ascending") => false,
            Some("descending") => true,
            Some(other) => return Err(LiveError::invalid_value("sort_order", other)),
        };
        let limit = query.number("limit")?;
        if limit == Some(0) {
            return Err(LiveError::invalid_value("limit", "0"));
        }
        let repeated = REPEATED
            .iter()
            .filter_map(|name| Some((name, query.get(name)?)))
            .map(|(name, value)| format!("&{name}={}", crate::content::encoded(value)))
            .collect();
        Ok(Self {
            order,
            by_update_time,
            descending,
            // The text of the reference counts from 1; its samples and all clients count from 0.
            offset: query.number("offset")?.unwrap_or(0),
            limit,
            types: query.get("filter").map(types).transpose()?,
            repeated,
        })
    }

    /// Returns whether the page is selected here: the tree knows neither object types nor update
    /// times.
    fn pages_in_memory(&self) -> bool {
        self.types.is_some() || self.by_update_time
    }

    /// Returns the query to the tree. It requests one child more than the page has, to detect
    /// further pages.
    fn listing(&self) -> tree::ListOptions {
        let (offset, limit) = if self.pages_in_memory() { (0, None) } else { self.window() };
        tree::ListOptions {
            order: self.order,
            descending: self.descending && !self.by_update_time,
            after: None,
            offset,
            limit,
        }
    }

    /// Returns the number of objects before the page, and how many to request: one more than the
    /// page has, to detect further pages; `None` without a limit.
    pub(super) fn window(&self) -> (u64, Option<u64>) {
        (self.offset, self.limit.map(|limit| limit.saturating_add(1)))
    }

    /// Returns how many results a scan needs at most: those before the page, those of the page, and
    /// one to detect further pages. `default` is the page size without a `limit`.
    pub(super) fn scan_limit(&mut self, default: u64) -> u64 {
        let limit = *self.limit.get_or_insert(default);
        self.offset.saturating_add(limit).saturating_add(1)
    }

    /// Returns whether the list contains objects of this type: always without a filter.
    pub(super) fn includes(&self, object_type: ObjectType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&object_type))
    }

    /// Restricts the list to these types, in addition to the restrictions it has.
    pub(super) fn narrow(&mut self, to: &[ObjectType]) {
        let narrowed =
            to.iter().copied().filter(|object_type| self.includes(*object_type)).collect();
        self.types = Some(narrowed);
    }

    /// Selects the page from `all`, the complete list: `offset` objects are skipped, counted from
    /// 0. The flag is whether further pages exist. An offset after the end is an empty page.
    pub(super) fn slice<T>(&self, mut all: Vec<T>) -> (Vec<T>, bool) {
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX).min(all.len());
        all.drain(..skipped);
        self.truncate(all)
    }

    /// Cuts a list to the page size. The flag is whether it was longer.
    pub(super) fn truncate<T>(&self, mut all: Vec<T>) -> (Vec<T>, bool) {
        let limit =
            self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let more = all.len() > limit;
        all.truncate(limit);
        (all, more)
    }

    /// Filters and sorts the children from the tree, and selects the page. The flag is whether
    /// further pages exist.
    fn page(&self, mut nodes: Vec<Node>) -> (Vec<Node>, bool) {
        if let Some(types) = &self.types {
            nodes.retain(|node| types.contains(&ObjectType::from_node(node)));
        }
        if self.by_update_time {
            nodes.sort_by_key(|node| node.modified);
            if self.descending {
                nodes.reverse();
            }
        }
        if self.pages_in_memory() { self.slice(nodes) } else { self.truncate(nodes) }
    }

    /// Returns the URLs of the previous and the next page of the list at `url`, a URL without a
    /// query; `None` if neither exists. `more` is whether items follow this page. Without a limit
    /// there is never a next page.
    pub(super) fn paging(&self, url: &str, more: bool) -> Option<Paging> {
        let page = |limit: u64, offset: u64| {
            format!("{url}?limit={limit}&offset={offset}{}", self.repeated)
        };
        let previous = (self.offset > 0).then(|| {
            let limit = self.limit.unwrap_or(self.offset).min(self.offset);
            page(limit, self.offset - limit)
        });
        let next =
            self.limit.filter(|_| more).map(|limit| page(limit, self.offset.saturating_add(limit)));
        (previous.is_some() || next.is_some()).then_some(Paging { previous, next })
    }
}

/// Returns the tree's order for `by`, and whether the list is sorted by update time afterwards,
/// which the tree cannot do.
fn tree_order(by: SortBy) -> (Order, bool) {
    match by {
        SortBy::Default => (Order::FoldersThenName, false),
        SortBy::Name => (Order::Name, false),
        SortBy::Updated => (Order::Number, true),
        SortBy::Size => (Order::Size, false),
    }
}

/// Parses `filter`: types in any case, separated by commas.
///
/// # Errors
/// 400 for an unknown type.
fn types(filter: &str) -> Result<Vec<ObjectType>> {
    let mut types = Vec::new();
    for word in filter.split(',') {
        match word.trim().to_ascii_lowercase().as_str() {
            "albums" => types.push(ObjectType::Album),
            "audio" => types.push(ObjectType::Audio),
            "folders" => types.push(ObjectType::Folder),
            "photos" => types.push(ObjectType::Photo),
            "videos" => types.push(ObjectType::Video),
            other => return Err(LiveError::invalid_value("filter", other)),
        }
    }
    Ok(types)
}

/// URLs of the neighbouring pages.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Paging {
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl ListKind {
    /// Returns the object types of the list; `None`: all types.
    pub(super) fn types(self) -> Option<&'static [ObjectType]> {
        match self {
            Self::Files => None,
            Self::Albums => Some(&[ObjectType::Album]),
            Self::Photos => Some(&[ObjectType::Photo]),
            Self::Videos => Some(&[ObjectType::Video]),
        }
    }
}

/// The object types that the scope `wl.photos` can read.
pub(super) const PHOTO_SCOPE_TYPES: &[ObjectType] =
    &[ObjectType::Album, ObjectType::Photo, ObjectType::Video];

/// Handles `GET {folder}/files`, and its subsets `photos` and `videos`.
///
/// # Errors
/// 400 if a query parameter has an invalid value or the id is that of a file; 404 if the folder
/// does not exist, or its id is that of a folder and the item a file; 500 if the storage fails.
pub(super) async fn list(request: &LiveRequest, kind: ListKind) -> Result<Response> {
    let mut options = PageOptions::from_query(&request.query)?;
    let (folder, folder_id) = request.folder_key()?;
    if let Some(types) = kind.types() {
        options.narrow(types);
    }
    if !request.reads_all() {
        options.narrow(PHOTO_SCOPE_TYPES);
    }
    let (above, own_order) = request.access_and_order(request.drive(), folder).await?;
    if let (Some(order), None) = (own_order, request.query.get("sort_by")) {
        (options.order, options.by_update_time) = tree_order(order);
    }
    let children = request.state().tree.children(request.drive(), folder, options.listing()).await;
    let children = children.map_err(|error| LiveError::in_folder(error, "", &folder_id))?;
    let (nodes, more) = options.page(children);
    let url = request.objects.base_url.url(&format!("{BASE}/{folder_id}/{}", kind.name()));
    let nodes = request.visible(nodes).await?;
    let nodes = nodes.into_iter().map(|node| ListedNode { node, above, owner: None }).collect();
    Ok(response(request, nodes, options.paging(&url, more)))
}

/// An item of a list.
pub(super) struct ListedNode {
    pub(super) node: Node,
    /// The access to the item's folder.
    pub(super) above: ObjectAccess,
    /// The account that owns the item's drive; `None` for that of the list.
    pub(super) owner: Option<Arc<Account>>,
}

/// Responds with a list.
pub(super) fn response(
    request: &LiveRequest,
    nodes: Vec<ListedNode>,
    paging: Option<Paging>,
) -> Response {
    let body = body(&request.format, &request.objects, nodes, paging, request.view);
    request.format.with_body(StatusCode::OK, body)
}

/// Returns the body of a list: in one piece if it is short, else as a stream.
fn body(
    format: &ResponseFormat,
    objects: &Objects,
    nodes: Vec<ListedNode>,
    paging: Option<Paging>,
    view: ObjectView,
) -> Body {
    let is_short = nodes.len() <= CHUNK;
    let writer = ListWriter { format: format.clone(), objects: objects.clone(), view };
    let end = writer.end(nodes.is_empty(), paging);
    let mut first = writer.begin();
    let mut nodes = nodes.into_iter();
    let chunks = std::iter::from_fn(move || {
        let mut chunk = std::mem::take(&mut first);
        let has_begun = !chunk.is_empty();
        for (at, listed) in nodes.by_ref().take(CHUNK).enumerate() {
            writer.separate(&mut chunk, has_begun && at == 0);
            chunk.extend(writer.object(&listed));
        }
        (!chunk.is_empty()).then(|| Bytes::from(chunk))
    })
    .chain([Bytes::from(end)]);
    if is_short {
        let whole: Vec<u8> = chunks.flatten().collect();
        return Body::from(whole);
    }
    Body::from_stream(futures::stream::iter(chunks.map(Ok::<_, std::io::Error>)))
}

/// Serializes a list in chunks.
struct ListWriter {
    format: ResponseFormat,
    objects: Objects,
    view: ObjectView,
}

impl ListWriter {
    /// Returns everything before the first object.
    fn begin(&self) -> Vec<u8> {
        let array = if self.format.pretty { "{\n  \"data\": [" } else { "{\"data\":[" };
        (self.format.prefix() + array).into_bytes()
    }

    /// Appends to `chunk` the separator that precedes an object. `first` is whether it is the first
    /// of the list.
    fn separate(&self, chunk: &mut Vec<u8>, first: bool) {
        if !first {
            chunk.push(b',');
        }
        if self.format.pretty {
            chunk.extend_from_slice(b"\n    ");
        }
    }

    /// Serializes an object of the list.
    fn object(&self, listed: &ListedNode) -> Vec<u8> {
        let ListedNode { node, above, owner } = listed;
        let Some(owner) = owner else {
            return self.format.serialize(&self.objects.object(node, self.view, *above), 2);
        };
        let objects = Objects { account: Arc::clone(owner), ..self.objects.clone() };
        let view = ObjectView { is_foreign: true, ..self.view };
        self.format.serialize(&objects.object(node, view, *above), 2)
    }

    /// Returns everything after the last object. `empty`: the list has no objects.
    fn end(&self, empty: bool, paging: Option<Paging>) -> Vec<u8> {
        let pretty = self.format.pretty;
        let mut end = if pretty && !empty { b"\n  ]".to_vec() } else { b"]".to_vec() };
        if let Some(paging) = paging {
            end.extend_from_slice(if pretty { b",\n  \"paging\": " } else { b",\"paging\":" });
            end.extend(self.format.serialize(&paging, 1));
        }
        end.extend_from_slice(if pretty { b"\n}" } else { b"}" });
        end.extend_from_slice(self.format.suffix().as_bytes());
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(query: &str) -> PageOptions {
        PageOptions::from_query(&LiveQuery::parse(Some(query))).expect("a good query")
    }

    fn paging(query: &str, more: bool) -> Option<(Option<String>, Option<String>)> {
        let paging = options(query).paging("U", more)?;
        Some((paging.previous, paging.next))
    }

    #[test]
    fn pages_link_to_their_neighbours_with_the_same_parameters() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(paging("", false), None);
        assert_eq!(paging("limit=2", false), None);
        assert_eq!(paging("limit=2", true), Some((None, text("U?limit=2&offset=2"))));
        assert_eq!(
            paging("limit=2&offset=3&sort_by=name&access_token=secret", true),
            Some((
                text("U?limit=2&offset=1&sort_by=name"),
                text("U?limit=2&offset=5&sort_by=name")
            ))
        );
        assert_eq!(
            paging("limit=5&offset=3&filter=folders,albums", false),
            Some((text("U?limit=3&offset=0&filter=folders%2Calbums"), None))
        );
        assert_eq!(paging("offset=3", false), Some((text("U?limit=3&offset=0"), None)));
    }

    #[test]
    fn the_tree_is_queried_for_one_child_more_than_the_page() {
        let listing = options("limit=2&offset=4&sort_by=Size&sort_order=descending").listing();
        assert_eq!((listing.offset, listing.limit), (4, Some(3)));
        assert_eq!((listing.order, listing.descending), (Order::Size, true));
    }

    #[test]
    fn invalid_parameters_are_rejected() {
        for query in [
            "limit=x",
            "limit=-1",
            "limit=0",
            "offset=1.5",
            "sort_by=colour",
            "sort_order=up",
            "filter=files",
            "filter=folders,x",
        ] {
            let error = PageOptions::from_query(&LiveQuery::parse(Some(query)));
            assert_eq!(
                error.map_err(|error| error.code),
                Err("request_parameter_invalid"),
                "{query}"
            );
        }
    }
}
