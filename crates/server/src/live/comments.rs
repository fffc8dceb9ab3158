//! Handlers of comments and tags (live-connect#op-list-comments, live-connect#op-comment,
//! live-connect#op-tags).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde::Serialize;

use super::{
    error::{LiveError, Result},
    facets::{Comment, LiveFacets, Person, Tag},
    fields::Fields,
    ids::{CommentId, TagId},
    listing::{PageOptions, Paging},
    object_type::ObjectType,
    objects::{Objects, UserName, time},
    request::LiveRequest,
    response_format::no_content,
    route::BASE,
};
use crate::{
    account_scope,
    tree::{Node, NodeKind},
};

/// Maximum length of a comment, in characters (live-connect#comment-max-length).
const MAX_MESSAGE: usize = 10_000;

/// The JSON object of a comment.
#[derive(Serialize)]
struct CommentObject<'a> {
    id: String,
    from: UserName<'a>,
    message: &'a str,
    created_time: String,
}

/// The JSON object of a tag.
#[derive(Serialize)]
struct TagObject<'a> {
    id: String,
    user: &'a Person,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<f64>,
    created_time: String,
}

/// A page of a list.
#[derive(Serialize)]
struct Collection<T> {
    data: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paging: Option<Paging>,
}

/// Responds with the page of `all` that `limit` and `offset` select. `list` is the last segment of
/// the list's path.
///
/// # Errors
/// 400 if a query parameter of [`PageOptions`] has an invalid value.
fn page_response<T: Serialize>(request: &LiveRequest, all: Vec<T>, list: &str) -> Result<Response> {
    let options = PageOptions::from_query(&request.query)?;
    let (data, more) = options.slice(all);
    let url = request.objects.base_url.url(&format!("{BASE}/{}/{list}", request.subject_id()));
    let paging = options.paging(&url, more);
    Ok(request.format.json(StatusCode::OK, &Collection { data, paging }))
}

impl Objects {
    /// Returns the JSON object of a comment on `node`.
    fn comment<'a>(&'a self, node: &Node, comment: &'a Comment) -> CommentObject<'a> {
        CommentObject {
            id: CommentId::new(&self.account.cid, node.no, comment.number).to_string(),
            from: self.person(&comment.from),
            message: &comment.message,
            created_time: time(comment.created),
        }
    }

    /// Returns the JSON object of a tag, which is the file's tag with this index, from 0. Only tags
    /// of photos have a position.
    fn tag<'a>(&self, node: &Node, index: usize, tag: &'a Tag) -> TagObject<'a> {
        let is_photo = ObjectType::from_node(node) == ObjectType::Photo;
        TagObject {
            id: TagId::new(&self.account.cid, node.no, index).to_string(),
            user: &tag.user,
            x: is_photo.then_some(tag.x),
            y: is_photo.then_some(tag.y),
            created_time: time(tag.created_time.unwrap_or(node.created)),
        }
    }
}

/// Returns the item of the request if it can have comments: only files can.
///
/// # Errors
/// 404 if the item does not exist; 400 if it is not a file; 500 if the storage fails.
async fn commentable_node(request: &LiveRequest) -> Result<Node> {
    let node = request.node().await?;
    match node.kind {
        NodeKind::File => Ok(node),
        NodeKind::Folder | NodeKind::Notebook => Err(request.unsupported(&node, "comments")),
    }
}

/// Handles `GET {item}/comments`: returns the comments on a file, or a page of them.
///
/// # Errors
/// 400 if the item is not a file, `limit` or `offset` is not a whole number, or `limit` is 0; 404
/// if it does not exist; 500 if the storage fails.
pub(super) async fn list(request: &LiveRequest) -> Result<Response> {
    let node = commentable_node(request).await?;
    let facets = LiveFacets::from_node(&node);
    let all =
        facets.comments.iter().map(|comment| request.objects.comment(&node, comment)).collect();
    page_response(request, all, "comments")
}

/// Handles `POST {item}/comments`: adds a comment of the user with the `message` in the body, and
/// returns it.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, `message` is missing, empty, not a string or longer
/// than [`MAX_MESSAGE`] characters, or the item is not a file; 404 if the item does not exist; 413
/// for a body over 1 MiB; 503 if other requests change the item at the same time; 507 if the disk
/// of the storage is full; 500 if the storage fails.
pub(super) async fn add(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let fields = Fields::read(parts, body, &request.query).await?;
    let message = fields.required("message")?;
    if message.chars().count() > MAX_MESSAGE {
        return Err(LiveError::parameter(format!(
            "The value of 'message' is longer than {MAX_MESSAGE} characters."
        )));
    }
    let node = commentable_node(request).await?;
    let created = account_scope::now();
    let (node, comment) = request
        .change_facets(node, |facets| {
            facets.last_comment += 1;
            let comment = Comment {
                number: facets.last_comment,
                from: request.caller.name.clone(),
                message: message.to_owned(),
                created,
            };
            facets.comments.push(comment.clone());
            Ok((comment, true))
        })
        .await?;
    let object = request.objects.comment(&node, &comment);
    let mut response = request.format.json(StatusCode::CREATED, &object);
    let location = request.objects.base_url.url(&format!("{BASE}/{}", object.id));
    // An id contains no character that is invalid in a header.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Handles `GET {comment}`: returns the comment with this id.
///
/// # Errors
/// 404 if the item or the comment does not exist; 500 if the storage fails.
pub(super) async fn get(request: &LiveRequest, id: &CommentId) -> Result<Response> {
    let node = request.node().await?;
    let facets = LiveFacets::from_node(&node);
    let comment = facets.comments.iter().find(|comment| comment.number == id.number);
    let comment = comment.ok_or_else(|| LiveError::not_found(id))?;
    Ok(request.format.json(StatusCode::OK, &request.objects.comment(&node, comment)))
}

/// Handles `DELETE {comment}`: removes the comment with this id.
///
/// # Errors
/// 404 if the item or the comment does not exist; 503 if other requests change the item at the same
/// time; 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn delete(request: &LiveRequest, id: &CommentId) -> Result<Response> {
    let node = request.node().await?;
    let remove = |facets: &mut LiveFacets| {
        let before = facets.comments.len();
        facets.comments.retain(|comment| comment.number != id.number);
        match facets.comments.len() == before {
            true => Err(LiveError::not_found(id)),
            false => Ok(((), true)),
        }
    };
    request.change_facets(node, remove).await?;
    Ok(no_content())
}

/// Handles `GET {item}/tags`. Only photos and videos have tags.
///
/// # Errors
/// 400 if the item is no photo or video, `limit` or `offset` is not a whole number, or `limit` is
/// 0; 404 if the item does not exist; 500 if the storage fails.
pub(super) async fn tags(request: &LiveRequest) -> Result<Response> {
    let node = request.node().await?;
    if !matches!(ObjectType::from_node(&node), ObjectType::Photo | ObjectType::Video) {
        return Err(request.unsupported(&node, "tags"));
    }
    let facets = LiveFacets::from_node(&node);
    let tags = facets.tags.iter().enumerate();
    let all = tags.map(|(index, tag)| request.objects.tag(&node, index, tag)).collect();
    page_response(request, all, "tags")
}

/// Handles `GET {tag}`: returns the tag with this id, whose index counts from 0. A tag is a person
/// in a photo or video.
///
/// # Errors
/// 404 if the item or the tag does not exist; 500 if the storage fails.
pub(super) async fn tag(request: &LiveRequest, id: &TagId) -> Result<Response> {
    let node = request.node().await?;
    let facets = LiveFacets::from_node(&node);
    let tag = facets.tags.get(id.index).ok_or_else(|| LiveError::not_found(id))?;
    Ok(request.format.json(StatusCode::OK, &request.objects.tag(&node, id.index, tag)))
}
