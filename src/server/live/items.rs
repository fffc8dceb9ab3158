//! Objects: got, made, changed, removed, moved, copied (A.5, rows 1, 2, 7 to 11, 19).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde::Serialize;
use serde_json::json;

use super::{
    Asked,
    error::{LiveError, Result},
    fields::Fields,
    ids::{IdKind, LiveId},
    names,
    objects::{ObjectType, time},
};
use crate::server::tree::{Change, Expect, ItemNo, NewItem, Node, NodeKind, OnConflict};

/// `GET /me`, with the structures that need no scope of their own.
#[derive(Serialize)]
struct User<'a> {
    id: &'a str,
    name: &'a str,
    first_name: &'a str,
    last_name: Option<&'a str>,
    link: String,
    gender: Option<&'a str>,
    locale: &'a str,
    updated_time: String,
}

pub(super) async fn user(asked: &Asked) -> Result<Response> {
    let account = &asked.objects.account;
    let drive = asked
        .app()
        .tree
        .drive_info(account.drive)
        .await
        .map_err(|error| LiveError::tree(error, &account.cid))?;
    let name = account.display_name();
    let (first_name, last_name) = match name.split_once(' ') {
        Some((first, last)) => (first, Some(last)),
        None => (name, None),
    };
    let user = User {
        id: &account.cid,
        name,
        first_name,
        last_name,
        link: asked.objects.origin.url(&format!("/profile.aspx?cid={}", account.cid)),
        gender: None,
        locale: "en_US",
        updated_time: time(drive.created),
    };
    Ok(asked.presentation.json(StatusCode::OK, &user))
}

pub(super) async fn quota(asked: &Asked) -> Result<Response> {
    let account = &asked.objects.account;
    let drive = asked
        .app()
        .tree
        .drive_info(account.drive)
        .await
        .map_err(|error| LiveError::tree(error, &account.cid))?;
    let available = drive.quota.saturating_sub(drive.used);
    let quota = json!({ "quota": drive.quota, "available": available });
    Ok(asked.presentation.json(StatusCode::OK, &quota))
}

pub(super) async fn get(asked: &Asked) -> Result<Response> {
    let node = asked.node().await?;
    Ok(asked.object(StatusCode::OK, &node))
}

pub(super) async fn create_folder(asked: &Asked, request: &Parts, body: Body) -> Result<Response> {
    let fields = Fields::of(request, body, &asked.query).await?;
    let name = fields.required("name")?;
    names::check(name).map_err(|reason| bad_name(name, reason))?;
    let (parent, shown) = asked.folder()?;
    let new = NewItem {
        description: fields.text("description")?.map(str::to_owned),
        ..NewItem::default()
    };
    let written = asked
        .app()
        .tree
        .make(asked.drive(), parent, name, NodeKind::Folder, new, OnConflict::Fail)
        .await
        .map_err(|error| LiveError::in_folder(error, name, &shown))?;
    Ok(asked.created(&written.node))
}

pub(super) async fn update(asked: &Asked, request: &Parts, body: Body) -> Result<Response> {
    let fields = Fields::of(request, body, &asked.query).await?;
    let name = fields.text("name")?;
    if let Some(name) = name {
        names::check(name).map_err(|reason| bad_name(name, reason))?;
    }
    let description = fields.nullable("description")?;
    if name.is_none() && description.is_none() {
        return Err(LiveError::missing("name"));
    }
    let node = asked.node().await?;
    let change = Change {
        name: name.map(str::to_owned),
        description: description.map(|description| description.map(str::to_owned)),
        ..Change::default()
    };
    let node = asked
        .app()
        .tree
        .update(asked.drive(), node.no, change, OnConflict::Fail, Expect::Any)
        .await
        .map_err(|error| LiveError::in_folder(error, name.unwrap_or_default(), &asked.shown()))?;
    Ok(asked.object(StatusCode::OK, &node))
}

pub(super) async fn delete(asked: &Asked) -> Result<Response> {
    let node = asked.node().await?;
    asked
        .app()
        .tree
        .trash(asked.drive(), node.no, Expect::Any)
        .await
        .map_err(|error| LiveError::tree(error, asked.shown()))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// `MOVE`: the same item in another folder, under its name. Nothing is overwritten.
pub(super) async fn move_to(asked: &Asked, request: &Parts, body: Body) -> Result<Response> {
    let (to, shown) = destination(asked, request, body).await?;
    let node = asked.node().await?;
    let change = Change { parents: Some(vec![to]), ..Change::default() };
    let node = asked
        .app()
        .tree
        .update(asked.drive(), node.no, change, OnConflict::Fail, Expect::Any)
        .await
        .map_err(|error| LiveError::in_folder(error, &node.name, &shown))?;
    Ok(asked.created(&node))
}

/// `COPY`: a new file in another folder, under the same name. Nothing is overwritten, and folders
/// are not copied.
pub(super) async fn copy_to(asked: &Asked, request: &Parts, body: Body) -> Result<Response> {
    let (to, shown) = destination(asked, request, body).await?;
    let node = asked.node().await?;
    if node.kind != NodeKind::File {
        return Err(LiveError::url(format!(
            "Resource type '{}' can't be copied.",
            ObjectType::of(&node).name()
        )));
    }
    let copy = asked
        .app()
        .tree
        .copy(asked.drive(), node.no, to, None, OnConflict::Fail)
        .await
        .map_err(|error| LiveError::in_folder(error, &node.name, &shown))?;
    Ok(asked.created(&copy))
}

/// The folder that `MOVE` and `COPY` go to. Well-known names do not do: it must be an id.
async fn destination(asked: &Asked, request: &Parts, body: Body) -> Result<(ItemNo, String)> {
    let fields = Fields::of(request, body, &asked.query).await?;
    let text = fields.required("destination")?;
    let id = LiveId::parse(text).filter(|id| id.kind == IdKind::Folder).ok_or_else(|| {
        LiveError::parameter(format!(
            "The destination '{text}' isn't the ID of a folder or an album."
        ))
    })?;
    // Nothing is moved or copied from one user to another.
    if id.cid != asked.objects.account.cid {
        return Err(LiveError::not_found(text));
    }
    Ok((id.number, text.to_owned()))
}

pub(super) fn bad_name(name: &str, reason: &str) -> LiveError {
    LiveError::parameter(format!("The name '{name}' isn't valid: {reason}."))
}

impl Asked {
    /// An item as the whole answer.
    fn object(&self, status: StatusCode, node: &Node) -> Response {
        self.presentation.json(status, &self.objects.object(node, false))
    }

    /// An item that is somewhere new.
    fn created(&self, node: &Node) -> Response {
        self.located(self.object(StatusCode::CREATED, node), node)
    }

    /// An answer that says where an item is.
    pub(super) fn located(&self, mut response: Response, node: &Node) -> Response {
        // Scheme, host and id have no character that a header may not have.
        if let Ok(location) = HeaderValue::try_from(self.objects.location(node)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}
