//! `GET {folder}/files`: filtered, sorted, in pages, written as it is sent.
//!
//! Pages go by `limit` and `offset`, as the reference has it: a client that removes or adds objects
//! between two pages skips or repeats others.

use axum::{body::Body, http::StatusCode, response::Response};
use bytes::Bytes;
use serde::Serialize;

use super::{
    error::{LiveError, Result},
    facets::SortBy,
    object_access::Access,
    object_type::ObjectType,
    objects::{ObjectView, Objects},
    query::Query,
    request::LiveRequest,
    response_format::ResponseFormat,
    route::{BASE, Which},
};
use crate::tree::{self, Node, Order};

/// How many objects are written at once.
const PIECE: usize = 64;

/// What of a folder is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    order: Order,
    /// By what `updated_time` tells, which is none of the tree's orders: it knows the time that
    /// the client told.
    by_update: bool,
    descending: bool,
    offset: u64,
    limit: Option<u64>,
    /// Only objects of these types; `None`: all.
    types: Option<Vec<ObjectType>>,
    /// Parameters that the URLs of other pages repeat, encoded, each with `&` before it.
    kept: String,
}

impl Request {
    pub(super) fn of(query: &Query) -> Result<Self> {
        let sort_by = match query.get("sort_by") {
            Some(name) => Some(SortBy::parse(name).ok_or_else(|| unknown("sort_by", name))?),
            None => None,
        };
        let (order, by_update) = ordered(sort_by.unwrap_or(SortBy::Default));
        let descending = match query.get("sort_order").map(str::to_ascii_lowercase).as_deref() {
            None | Some("ascending") => false,
            Some("descending") => true,
            Some(other) => return Err(unknown("sort_order", other)),
        };
        let limit = query.number("limit")?;
        if limit == Some(0) {
            return Err(unknown("limit", "0"));
        }
        let kept = ["filter", "sort_by", "sort_order", "download", "pretty", "q", "locale"]
            .iter()
            .filter_map(|name| Some((name, query.get(name)?)))
            .map(|(name, value)| format!("&{name}={}", crate::content::encoded(value)))
            .collect();
        Ok(Self {
            order,
            by_update,
            descending,
            // The reference's text counts from 1, its samples and every client from 0.
            offset: query.number("offset")?.unwrap_or(0),
            limit,
            types: query.get("filter").map(types).transpose()?,
            kept,
        })
    }

    /// Whether a page is cut out here: types and times of update are not the tree's business.
    fn cut_here(&self) -> bool {
        self.types.is_some() || self.by_update
    }

    /// What the tree is asked: one child more than the page has, to know whether that is all.
    fn listing(&self) -> tree::Listing {
        let (offset, limit) = if self.cut_here() {
            (0, None)
        } else {
            (self.offset, self.limit.map(|limit| limit.saturating_add(1)))
        };
        tree::Listing {
            order: self.order,
            descending: self.descending && !self.by_update,
            after: None,
            offset,
            limit,
        }
    }

    /// How many items of what was found are looked for, at most: those of the page and those before
    /// it, and one to know whether there are more. `default`: the page's where nothing was said.
    pub(super) fn wanted(&mut self, default: u64) -> u64 {
        let limit = *self.limit.get_or_insert(default);
        self.offset.saturating_add(limit).saturating_add(1)
    }

    /// Whether an object of that type is wanted.
    pub(super) fn takes(&self, object_type: ObjectType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&object_type))
    }

    /// Wants only those of these types that are wanted already.
    pub(super) fn narrow(&mut self, to: &[ObjectType]) {
        let narrowed = to.iter().copied().filter(|one| self.takes(*one)).collect();
        self.types = Some(narrowed);
    }

    /// The page's part of items that were found from the first on.
    pub(super) fn cut<T>(&self, mut all: Vec<T>) -> (Vec<T>, bool) {
        let skipped = usize::try_from(self.offset).unwrap_or(usize::MAX).min(all.len());
        all.drain(..skipped);
        self.ended(all)
    }

    fn ended<T>(&self, mut all: Vec<T>) -> (Vec<T>, bool) {
        let limit =
            self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let more = all.len() > limit;
        all.truncate(limit);
        (all, more)
    }

    /// The page's items, and whether there are more behind it.
    fn page(&self, mut nodes: Vec<Node>) -> (Vec<Node>, bool) {
        if let Some(types) = &self.types {
            nodes.retain(|node| types.contains(&ObjectType::of(node)));
        }
        if self.by_update {
            nodes.sort_by_key(|node| node.modified);
            if self.descending {
                nodes.reverse();
            }
        }
        if self.cut_here() { self.cut(nodes) } else { self.ended(nodes) }
    }

    /// Where the pages before and behind are.
    pub(super) fn paging(&self, url: &str, more: bool) -> Option<Paging> {
        let page =
            |limit: u64, offset: u64| format!("{url}?limit={limit}&offset={offset}{}", self.kept);
        let previous = (self.offset > 0).then(|| {
            let limit = self.limit.unwrap_or(self.offset).min(self.offset);
            page(limit, self.offset - limit)
        });
        let next =
            self.limit.filter(|_| more).map(|limit| page(limit, self.offset.saturating_add(limit)));
        (previous.is_some() || next.is_some()).then_some(Paging { previous, next })
    }
}

/// The tree's order, and whether the page is sorted by the time of the last update instead.
fn ordered(by: SortBy) -> (Order, bool) {
    match by {
        SortBy::Default => (Order::FoldersThenName, false),
        SortBy::Name => (Order::Name, false),
        SortBy::Updated => (Order::Number, true),
        SortBy::Size => (Order::Size, false),
    }
}

fn unknown(name: &str, value: &str) -> LiveError {
    LiveError::parameter(format!("The value '{value}' of '{name}' isn't valid."))
}

/// The types that `filter` lets through.
fn types(filter: &str) -> Result<Vec<ObjectType>> {
    let mut types = Vec::new();
    for word in filter.split(',') {
        match word.trim().to_ascii_lowercase().as_str() {
            "albums" => types.push(ObjectType::Album),
            "audio" => types.push(ObjectType::Audio),
            "folders" => types.push(ObjectType::Folder),
            "photos" => types.push(ObjectType::Photo),
            "videos" => types.push(ObjectType::Video),
            other => return Err(unknown("filter", other)),
        }
    }
    Ok(types)
}

/// Where other pages are.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Paging {
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Which {
    /// The types of objects that are meant; `None`: all.
    pub(super) fn types(self) -> Option<&'static [ObjectType]> {
        match self {
            Self::Files => None,
            Self::Albums => Some(&[ObjectType::Album]),
            Self::Photos => Some(&[ObjectType::Photo]),
            Self::Videos => Some(&[ObjectType::Video]),
        }
    }
}

/// What `wl.photos` lets see.
pub(super) const VISUAL: &[ObjectType] = &[ObjectType::Album, ObjectType::Photo, ObjectType::Video];

/// Lists a folder.
pub(super) async fn list(request: &LiveRequest, which: Which) -> Result<Response> {
    let mut options = Request::of(&request.query)?;
    let (folder, shown) = request.folder()?;
    if let Some(types) = which.types() {
        options.narrow(types);
    }
    if !request.scopes.reads_all() {
        options.narrow(VISUAL);
    }
    let (above, own_order) = request.access_and_order(folder).await?;
    if let (Some(order), None) = (own_order, request.query.get("sort_by")) {
        (options.order, options.by_update) = ordered(order);
    }
    let children = request.state().tree.children(request.drive(), folder, options.listing()).await;
    let children = children.map_err(|error| LiveError::in_folder(error, "", &shown))?;
    let (nodes, more) = options.page(children);
    let url = request.objects.base_url.url(&format!("{BASE}/{shown}/{}", which.name()));
    let nodes = nodes.into_iter().map(|node| (node, above)).collect();
    Ok(answer(request, nodes, options.paging(&url, more)))
}

/// Items, each with who can see the folder it is in, as the answer.
pub(super) fn answer(
    request: &LiveRequest,
    nodes: Vec<(Node, Access)>,
    paging: Option<Paging>,
) -> Response {
    let body = body(&request.format, &request.objects, nodes, paging, request.shown_how);
    request.format.body(StatusCode::OK, body)
}

/// The answer's body: whole if it is short, else written piece by piece as the client takes it.
fn body(
    format: &ResponseFormat,
    objects: &Objects,
    nodes: Vec<(Node, Access)>,
    paging: Option<Paging>,
    shown: ObjectView,
) -> Body {
    let short = nodes.len() <= PIECE;
    let writer = Writer { format: format.clone(), objects: objects.clone(), shown };
    let end = writer.end(nodes.is_empty(), paging);
    let mut first = writer.begin();
    let mut nodes = nodes.into_iter();
    let pieces = std::iter::from_fn(move || {
        let mut piece = std::mem::take(&mut first);
        let begun = !piece.is_empty();
        for (at, (node, above)) in nodes.by_ref().take(PIECE).enumerate() {
            writer.separate(&mut piece, begun && at == 0);
            piece.extend(writer.object(&node, above));
        }
        (!piece.is_empty()).then(|| Bytes::from(piece))
    })
    .chain([Bytes::from(end)]);
    if short {
        let whole: Vec<u8> = pieces.flatten().collect();
        return Body::from(whole);
    }
    Body::from_stream(futures::stream::iter(pieces.map(Ok::<_, std::io::Error>)))
}

/// Writes the pieces of a listing.
struct Writer {
    format: ResponseFormat,
    objects: Objects,
    shown: ObjectView,
}

impl Writer {
    fn begin(&self) -> Vec<u8> {
        let array = if self.format.pretty { "{\n  \"data\": [" } else { "{\"data\":[" };
        (self.format.opening() + array).into_bytes()
    }

    /// What stands before an object.
    fn separate(&self, piece: &mut Vec<u8>, first: bool) {
        if !first {
            piece.push(b',');
        }
        if self.format.pretty {
            piece.extend_from_slice(b"\n    ");
        }
    }

    fn object(&self, node: &Node, above: Access) -> Vec<u8> {
        self.format.value(&self.objects.object(node, self.shown, above), 2)
    }

    fn end(&self, empty: bool, paging: Option<Paging>) -> Vec<u8> {
        let pretty = self.format.pretty;
        let mut end = if pretty && !empty { b"\n  ]".to_vec() } else { b"]".to_vec() };
        if let Some(paging) = paging {
            end.extend_from_slice(if pretty { b",\n  \"paging\": " } else { b",\"paging\":" });
            end.extend(self.format.value(&paging, 1));
        }
        end.extend_from_slice(if pretty { b"\n}" } else { b"}" });
        end.extend_from_slice(self.format.closing().as_bytes());
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(query: &str) -> Request {
        Request::of(&Query::of(Some(query))).expect("a good query")
    }

    fn paging(query: &str, more: bool) -> Option<(Option<String>, Option<String>)> {
        let paging = options(query).paging("U", more)?;
        Some((paging.previous, paging.next))
    }

    #[test]
    fn pages_name_their_neighbours_and_keep_what_was_asked() {
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
    fn one_child_more_is_asked_for_than_the_page_has() {
        let listing = options("limit=2&offset=4&sort_by=Size&sort_order=descending").listing();
        assert_eq!((listing.offset, listing.limit), (4, Some(3)));
        assert_eq!((listing.order, listing.descending), (Order::Size, true));
    }

    #[test]
    fn parameters_that_mean_nothing_are_refused() {
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
            let error = Request::of(&Query::of(Some(query)));
            assert_eq!(
                error.map_err(|error| error.code),
                Err("request_parameter_invalid"),
                "{query}"
            );
        }
    }
}
