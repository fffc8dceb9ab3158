//! Comments and tags (live-connect#op-list-comments, live-connect#op-comment,
//! live-connect#op-tags).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    error::{LiveError, Result},
    facets::{Comment, LiveFacets, Person, Tag},
    fields::Fields,
    ids::{CommentId, TagId},
    items::no_content,
    listing::{Paging, Request},
    object_type::ObjectType,
    objects::{Objects, time},
    request::LiveRequest,
    route::BASE,
};
use crate::tree::{Node, NodeKind};

/// The longest comment, in characters (live-connect#comment-max-length).
const LONGEST: usize = 10_000;

#[derive(Serialize)]
struct CommentObject<'a> {
    id: String,
    from: super::objects::From<'a>,
    message: &'a str,
    created_time: String,
}

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

#[derive(Serialize)]
struct Collection<T> {
    data: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paging: Option<Paging>,
}

/// The page of a list that `limit` and `offset` select.
fn page<T: Serialize>(request: &LiveRequest, all: Vec<T>, list: &str) -> Result<Response> {
    let options = Request::of(&request.query)?;
    let (data, more) = options.cut(all);
    let url = request.objects.base_url.url(&format!("{BASE}/{}/{list}", request.shown()));
    let paging = options.paging(&url, more);
    Ok(request.format.json(StatusCode::OK, &Collection { data, paging }))
}

impl Objects {
    fn comment<'a>(&'a self, node: &Node, comment: &'a Comment) -> CommentObject<'a> {
        CommentObject {
            id: CommentId::new(&self.account.cid, node.no, comment.number).to_string(),
            from: self.person(&comment.from),
            message: &comment.message,
            created_time: time(comment.created),
        }
    }

    /// A tag; its place only on photos.
    fn tag<'a>(&self, node: &Node, at: usize, tag: &'a Tag) -> TagObject<'a> {
        let is_photo = ObjectType::of(node) == ObjectType::Photo;
        TagObject {
            id: TagId::new(&self.account.cid, node.no, at).to_string(),
            user: &tag.user,
            x: is_photo.then_some(tag.x),
            y: is_photo.then_some(tag.y),
            created_time: time(tag.created_time.unwrap_or(node.created)),
        }
    }
}

/// An item that can be commented.
async fn commented(request: &LiveRequest) -> Result<Node> {
    let node = request.node().await?;
    match node.kind {
        NodeKind::File => Ok(node),
        NodeKind::Folder | NodeKind::Notebook => Err(request.unsupported(&node, "comments")),
    }
}

/// `GET {item}/comments`.
pub(super) async fn list(request: &LiveRequest) -> Result<Response> {
    let node = commented(request).await?;
    let extra = LiveFacets::of(&node);
    let all =
        extra.comments.iter().map(|comment| request.objects.comment(&node, comment)).collect();
    page(request, all, "comments")
}

/// `POST {item}/comments`.
pub(super) async fn add(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let fields = Fields::of(parts, body, &request.query).await?;
    let message = fields.required("message")?;
    if message.chars().count() > LONGEST {
        return Err(LiveError::parameter(format!(
            "The value of 'message' is longer than {LONGEST} characters."
        )));
    }
    let node = commented(request).await?;
    let created = Timestamp::now();
    let (node, comment) = request
        .change_facets(node, |extra| {
            extra.last_comment += 1;
            let comment = Comment {
                number: extra.last_comment,
                from: request.objects.account.name.clone(),
                message: message.to_owned(),
                created,
            };
            extra.comments.push(comment.clone());
            Ok((comment, true))
        })
        .await?;
    let object = request.objects.comment(&node, &comment);
    let mut response = request.format.json(StatusCode::CREATED, &object);
    let location = request.objects.base_url.url(&format!("{BASE}/{}", object.id));
    // An id has no character that a header may not have.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `GET {comment}`.
pub(super) async fn get(request: &LiveRequest, id: &CommentId) -> Result<Response> {
    let node = request.node().await?;
    let extra = LiveFacets::of(&node);
    let comment = extra.comments.iter().find(|comment| comment.number == id.number);
    let comment = comment.ok_or_else(|| LiveError::not_found(id))?;
    Ok(request.format.json(StatusCode::OK, &request.objects.comment(&node, comment)))
}

/// `DELETE {comment}`.
pub(super) async fn delete(request: &LiveRequest, id: &CommentId) -> Result<Response> {
    let node = request.node().await?;
    let gone = |extra: &mut LiveFacets| {
        let before = extra.comments.len();
        extra.comments.retain(|comment| comment.number != id.number);
        match extra.comments.len() == before {
            true => Err(LiveError::not_found(id)),
            false => Ok(((), true)),
        }
    };
    request.change_facets(node, gone).await?;
    Ok(no_content())
}

/// `GET {item}/tags`.
pub(super) async fn tags(request: &LiveRequest) -> Result<Response> {
    let node = request.node().await?;
    if !matches!(ObjectType::of(&node), ObjectType::Photo | ObjectType::Video) {
        return Err(request.unsupported(&node, "tags"));
    }
    let extra = LiveFacets::of(&node);
    let tags = extra.tags.iter().enumerate();
    let all = tags.map(|(at, tag)| request.objects.tag(&node, at, tag)).collect();
    page(request, all, "tags")
}

/// `GET {tag}`.
pub(super) async fn tag(request: &LiveRequest, id: &TagId) -> Result<Response> {
    let node = request.node().await?;
    let extra = LiveFacets::of(&node);
    let tag = extra.tags.get(id.at).ok_or_else(|| LiveError::not_found(id))?;
    Ok(request.format.json(StatusCode::OK, &request.objects.tag(&node, id.at, tag)))
}
