//! Objects: got, made, changed, removed, moved, copied (live-connect#endpoints-objects,
//! live-connect#endpoints-changes, live-connect#op-quota).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    error::{LiveError, Result},
    facets::{LiveFacets, SortBy},
    fields::Fields,
    ids::{IdKind, LiveId},
    names,
    object_type::ObjectType,
    objects::time,
    request::LiveRequest,
};
use crate::tree::{
    Change, ChildName, DriveInfo, ItemKey, NewItem, Node, NodeKind, OnConflict, Precondition, ROOT,
};

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

/// The drive of the user that was asked for.
async fn drive(request: &LiveRequest) -> Result<DriveInfo> {
    let account = &request.objects.account;
    let drive = request.state().tree.drive_info(account.drive).await;
    drive.map_err(|error| LiveError::tree(error, &account.cid))
}

pub(super) async fn user(request: &LiveRequest) -> Result<Response> {
    let account = &request.objects.account;
    let drive = drive(request).await?;
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
        link: request.objects.base_url.url(&format!("/profile.aspx?cid={}", account.cid)),
        gender: None,
        locale: "en_US",
        updated_time: time(drive.created),
    };
    Ok(request.format.json(StatusCode::OK, &user))
}

pub(super) async fn quota(request: &LiveRequest) -> Result<Response> {
    let drive = drive(request).await?;
    let available = drive.quota.saturating_sub(drive.used);
    let quota = json!({ "quota": drive.quota, "available": available });
    Ok(request.format.json(StatusCode::OK, &quota))
}

/// `GET me/permissions`.
pub(super) fn permissions(request: &LiveRequest) -> Response {
    request.format.json(StatusCode::OK, &json!({ "data": [request.scopes.told()] }))
}

pub(super) async fn get(request: &LiveRequest) -> Result<Response> {
    let node = request.readable().await?;
    request.object(StatusCode::OK, &node).await
}

/// `POST {folder}`, or `POST me/albums`: albums are in the root folder.
pub(super) async fn create_folder(
    request: &LiveRequest,
    album: bool,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let fields = Fields::of(parts, body, &request.query).await?;
    let name = fields.required("name")?;
    names::check(name).map_err(|reason| bad_name(name, reason))?;
    let sort_by = match fields.text("sort_by")?.filter(|order| !order.is_empty()) {
        Some(order) => Some(SortBy::parse(order).ok_or_else(|| {
            LiveError::parameter(format!("The value '{order}' of 'sort_by' isn't valid."))
        })?),
        None => None,
    };
    let (parent, shown) = match album {
        true => (ROOT, LiveId::folder(&request.objects.account.cid, ROOT).to_string()),
        false => request.folder()?,
    };
    let facets = match (album, sort_by) {
        (false, None) => Map::new(),
        _ => LiveFacets::of_folder(album, sort_by).facets(),
    };
    let new = NewItem {
        description: fields.text("description")?.map(str::to_owned),
        facets,
        ..NewItem::default()
    };
    let written = request
        .state()
        .tree
        .make(
            ChildName::new(request.drive(), parent, name),
            NodeKind::Folder,
            new,
            OnConflict::Fail,
        )
        .await
        .map_err(|error| LiveError::in_folder(error, name, &shown))?;
    request.created(&written.node).await
}

pub(super) async fn update(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let fields = Fields::of(parts, body, &request.query).await?;
    let name = fields.text("name")?;
    if let Some(name) = name {
        names::check(name).map_err(|reason| bad_name(name, reason))?;
    }
    let description = fields.nullable("description")?;
    let song = song(&fields)?;
    if name.is_none() && description.is_none() && song.is_empty() {
        return Err(LiveError::missing("name"));
    }
    let mut node = request.node().await?;
    if let Some(name) = name.filter(|name| loses_extension(&node, name)) {
        return Err(bad_name(name, "a file's name needs its filename extension"));
    }
    if !song.is_empty() && ObjectType::of(&node) == ObjectType::Audio {
        let was = node.clone();
        let say = |extra: &mut LiveFacets| {
            extra.set_song(&was, song.clone());
            Ok(((), true))
        };
        node = request.change_facets(node, say).await?.0;
    }
    let change = Change {
        name: name.map(str::to_owned),
        description: description.map(|description| description.map(str::to_owned)),
        ..Change::default()
    };
    let node = request
        .state()
        .tree
        .update(request.drive(), node.no, change, OnConflict::Fail, Precondition::Any)
        .await
        .map_err(|error| LiveError::in_folder(error, name.unwrap_or_default(), &request.shown()))?;
    request.object(StatusCode::OK, &node).await
}

/// Whether a new name has no extension where the old one had: "filename extension is required when
/// updating the file name", as the reference says.
fn loses_extension(node: &Node, name: &str) -> bool {
    let has_extension = |name: &str| {
        let parts = name.rsplit_once('.');
        parts.is_some_and(|(stem, extension)| !stem.is_empty() && !extension.is_empty())
    };
    node.kind == NodeKind::File && has_extension(&node.name) && !has_extension(name)
}

/// What can be said of a song (live-connect#audio-object); other objects have none of it, and leave
/// it.
fn song(fields: &Fields) -> Result<Map<String, Value>> {
    let mut said = Map::new();
    for name in ["title", "artist", "album", "album_artist", "genre"] {
        if let Some(text) = fields.nullable(name)? {
            said.insert(name.to_owned(), text.into());
        }
    }
    Ok(said)
}

pub(super) async fn delete(request: &LiveRequest) -> Result<Response> {
    let node = request.node().await?;
    request
        .state()
        .tree
        .trash(request.drive(), node.no, Precondition::Any)
        .await
        .map_err(|error| LiveError::tree(error, request.shown()))?;
    Ok(no_content())
}

/// It is gone, and there is no more to say.
pub(super) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// `MOVE`: the same item in another folder, under its name. Nothing is overwritten.
pub(super) async fn move_to(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let (to, shown) = destination(request, parts, body).await?;
    let node = request.node().await?;
    let change = Change { parents: Some(vec![to]), ..Change::default() };
    let node = request
        .state()
        .tree
        .update(request.drive(), node.no, change, OnConflict::Fail, Precondition::Any)
        .await
        .map_err(|error| LiveError::in_folder(error, &node.name, &shown))?;
    request.created(&node).await
}

/// `COPY`: a new file in another folder, under the same name. Nothing is overwritten, and folders
/// are not copied.
pub(super) async fn copy_to(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let (to, shown) = destination(request, parts, body).await?;
    let node = request.node().await?;
    if node.kind != NodeKind::File {
        return Err(LiveError::url(format!(
            "Resource type '{}' can't be copied.",
            ObjectType::of(&node).name()
        )));
    }
    let copy = request
        .state()
        .tree
        .copy(request.drive(), node.no, to, None, OnConflict::Fail)
        .await
        .map_err(|error| LiveError::in_folder(error, &node.name, &shown))?;
    request.created(&copy).await
}

/// The folder that `MOVE` and `COPY` go to. Well-known names do not do: it must be an id.
async fn destination(
    request: &LiveRequest,
    parts: &Parts,
    body: Body,
) -> Result<(ItemKey, String)> {
    let fields = Fields::of(parts, body, &request.query).await?;
    let text = fields.required("destination")?;
    let id = LiveId::parse(text).filter(|id| id.kind == IdKind::Folder).ok_or_else(|| {
        LiveError::parameter(format!(
            "The destination '{text}' isn't the ID of a folder or an album."
        ))
    })?;
    // Nothing is moved or copied from one user to another.
    if id.cid != request.objects.account.cid {
        return Err(LiveError::not_found(text));
    }
    Ok((id.number, text.to_owned()))
}

pub(super) fn bad_name(name: &str, reason: &str) -> LiveError {
    LiveError::parameter(format!("The name '{name}' isn't valid: {reason}."))
}

impl LiveRequest {
    /// An item as the whole answer.
    async fn object(&self, status: StatusCode, node: &Node) -> Result<Response> {
        let above = self.access_above(node).await?;
        let object = self.objects.object(node, self.shown_how, above);
        Ok(self.format.json(status, &object))
    }

    /// An item that is somewhere new.
    async fn created(&self, node: &Node) -> Result<Response> {
        Ok(self.located(self.object(StatusCode::CREATED, node).await?, node))
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
