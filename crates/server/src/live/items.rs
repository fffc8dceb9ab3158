//! Handlers of folders and files (live-connect#endpoints-objects,
//! live-connect#endpoints-changes, live-connect#op-quota).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde_json::{Map, Value, json};

use super::{
    error::{LiveError, Result},
    facets::{LiveFacets, SortBy},
    fields::Fields,
    ids::{IdKind, LiveId},
    names,
    object_type::ObjectType,
    request::LiveRequest,
    response_format::no_content,
};
use crate::tree::{
    Change, ChildName, DriveInfo, ItemKey, NewItem, Node, NodeKind, OnConflict, Precondition, ROOT,
    Role,
};

/// Returns the drive of the request's account.
///
/// # Errors
/// 404 if the drive was removed meanwhile; 500 if the storage fails.
async fn drive(request: &LiveRequest) -> Result<DriveInfo> {
    let account = &request.objects.account;
    let drive = request.state().tree.drive_info(account.drive).await;
    drive.map_err(|error| LiveError::tree(error, &account.cid))
}

/// Handles `GET {user}/skydrive/quota`: returns the size of the drive and the available space in
/// bytes.
///
/// # Errors
/// 404 if the drive was removed meanwhile; 500 if the storage fails.
pub(super) async fn quota(request: &LiveRequest) -> Result<Response> {
    let drive = drive(request).await?;
    let available = drive.quota.saturating_sub(drive.used);
    let quota = json!({ "quota": drive.quota, "available": available });
    Ok(request.format.json(StatusCode::OK, &quota))
}

/// Handles `GET me/permissions`: returns the scopes of the token.
pub(super) fn permissions(request: &LiveRequest) -> Response {
    request.format.json(StatusCode::OK, &json!({ "data": [request.scopes.to_permissions()] }))
}

/// Handles `GET {item}`: returns the properties of the requested item.
///
/// # Errors
/// 403 if the token's scopes do not cover the item; 404 if the item does not exist, or is of
/// another kind than its id states; 500 if the storage fails.
pub(super) async fn get(request: &LiveRequest) -> Result<Response> {
    let node = request.readable_node().await?;
    request.object_response(StatusCode::OK, &node).await
}

/// Handles `POST {folder}`, and `POST me/albums` with `album`. Albums are created in the root
/// folder. `parts` and `body` are those of the request.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, `name` is missing, empty or no allowed name, another
/// member is not a string, `sort_by` is unknown, or the subject is a file; 404 if the parent folder
/// does not exist; 409 if the name is in use; 413 for a body over 1 MiB; 507 if the disk of the
/// storage is full; 500 if the storage fails.
pub(super) async fn create_folder(
    request: &LiveRequest,
    album: bool,
    parts: &Parts,
    body: Body,
) -> Result<Response> {
    let fields = Fields::read(parts, body, &request.query).await?;
    let name = fields.required("name")?;
    names::check(name).map_err(|reason| LiveError::invalid_name(name, reason))?;
    let sort_by = match fields.text("sort_by")?.filter(|order| !order.is_empty()) {
        Some(order) => {
            Some(SortBy::parse(order).ok_or_else(|| LiveError::invalid_value("sort_by", order))?)
        }
        None => None,
    };
    let (parent, folder_id) = match album {
        true => (ROOT, LiveId::folder(&request.objects.account.cid, ROOT).to_string()),
        false => request.folder_key()?,
    };
    let facets = match (album, sort_by) {
        (false, None) => Map::new(),
        _ => LiveFacets::for_folder(album, sort_by).to_map(),
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
        .map_err(|error| LiveError::in_folder(error, name, &folder_id))?;
    request.created_response(&written.node).await
}

/// Handles `PUT {item}`: changes the name, the description or the audio metadata.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, a member is not a string, nothing is changed, the
/// name is not allowed or drops the file's extension, or the root folder is renamed; 404 if the
/// item does not exist; 409 if the name is in use; 413 for a body over 1 MiB; 503 if other requests
/// change the item at the same time; 507 if the disk of the storage is full; 500 if the storage
/// fails.
pub(super) async fn update(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let fields = Fields::read(parts, body, &request.query).await?;
    let name = fields.text("name")?;
    if let Some(name) = name {
        names::check(name).map_err(|reason| LiveError::invalid_name(name, reason))?;
    }
    let description = fields.nullable("description")?;
    let audio = audio_fields(&fields)?;
    if name.is_none() && description.is_none() && audio.is_empty() {
        return Err(LiveError::missing("name"));
    }
    let mut node = request.node().await?;
    if let Some(name) = name.filter(|name| loses_extension(&node, name)) {
        return Err(LiveError::invalid_name(name, "a file's name needs its filename extension"));
    }
    if !audio.is_empty() && ObjectType::from_node(&node) == ObjectType::Audio {
        let original = node.clone();
        let set = |facets: &mut LiveFacets| {
            facets.set_audio(&original, audio.clone());
            Ok(((), true))
        };
        node = request.change_facets(node, set).await?.0;
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
        .map_err(|error| {
            LiveError::in_folder(error, name.unwrap_or_default(), &request.subject_id())
        })?;
    request.object_response(StatusCode::OK, &node).await
}

/// Returns whether `name`, the new name of a file, has no extension although the present name has
/// one; `false` for folders. A name that starts with its only dot has none. The reference:
/// "filename extension is required when updating the file name".
fn loses_extension(node: &Node, name: &str) -> bool {
    let has_extension = |name: &str| {
        let parts = name.rsplit_once('.');
        parts.is_some_and(|(stem, extension)| !stem.is_empty() && !extension.is_empty())
    };
    node.kind == NodeKind::File && has_extension(&node.name) && !has_extension(name)
}

/// Returns the members that change audio metadata (live-connect#audio-object). Objects of other
/// types ignore them.
///
/// # Errors
/// 400 if one of them is not a string.
fn audio_fields(fields: &Fields) -> Result<Map<String, Value>> {
    let mut values = Map::new();
    for name in ["title", "artist", "album", "album_artist", "genre"] {
        if let Some(text) = fields.nullable(name)? {
            values.insert(name.to_owned(), text.into());
        }
    }
    Ok(values)
}

/// Handles `DELETE {item}`: moves the item to the recycle bin.
///
/// # Errors
/// 400 for the root folder; 404 if the item does not exist; 507 if the disk of the storage is full;
/// 500 if the storage fails.
pub(super) async fn delete(request: &LiveRequest) -> Result<Response> {
    let node = request.node().await?;
    request
        .state()
        .tree
        .trash(request.drive(), node.no, Precondition::Any)
        .await
        .map_err(|error| LiveError::tree(error, request.subject_id()))?;
    Ok(no_content())
}

/// Handles `MOVE`: moves an item to another folder under the same name.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, `destination` is not the id of a folder, a folder
/// would be below itself, or the root folder is moved; 404 if the item or the destination does not
/// exist, or the destination belongs to another user; 409 if the name is in use: a move never
/// overwrites; 413 for a body over 1 MiB; 507 if the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn move_to(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let (target, target_id) = destination(request, parts, body).await?;
    let node = request.node().await?;
    let change = Change { parents: Some(vec![target]), ..Change::default() };
    let node = request
        .state()
        .tree
        .update(request.drive(), node.no, change, OnConflict::Fail, Precondition::Any)
        .await
        .map_err(|error| LiveError::in_folder(error, &node.name, &target_id))?;
    request.created_response(&node).await
}

/// Handles `COPY`: copies a file to another folder under the same name.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, `destination` is not the id of a folder, or the item
/// is no file; 404 if the file or the destination does not exist, or the destination belongs to
/// another user; 409 if the name is in use: a copy never overwrites; 413 for a body over 1 MiB; 507
/// if the copy does not fit into the drive's quota, or the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn copy_to(request: &LiveRequest, parts: &Parts, body: Body) -> Result<Response> {
    let (target, target_id) = destination(request, parts, body).await?;
    let node = request.node().await?;
    if node.kind != NodeKind::File {
        return Err(LiveError::url(format!(
            "Resource type '{}' can't be copied.",
            ObjectType::from_node(&node).name()
        )));
    }
    let copy = request
        .state()
        .tree
        .copy(request.drive(), node.no, target, None, OnConflict::Fail)
        .await
        .map_err(|error| LiveError::in_folder(error, &node.name, &target_id))?;
    request.created_response(&copy).await
}

/// Returns the key and the id of the folder that the member `destination` of a `MOVE` or `COPY`
/// names. It does not check whether the folder exists.
///
/// # Errors
/// 400 if the body is neither JSON nor a form, or `destination` is missing or not the id of a
/// folder: well-known names are not accepted; 403 or 404 if the caller cannot write to the folder; 404
/// if it belongs to another user than the item; 413 for a body over 1 MiB.
async fn destination(
    request: &LiveRequest,
    parts: &Parts,
    body: Body,
) -> Result<(ItemKey, String)> {
    let fields = Fields::read(parts, body, &request.query).await?;
    let text = fields.required("destination")?;
    let id = LiveId::parse(text).filter(|id| id.kind == IdKind::Folder).ok_or_else(|| {
        LiveError::parameter(format!(
            "The destination '{text}' isn't the ID of a folder or an album."
        ))
    })?;
    // Items cannot move between users.
    if id.cid != request.objects.account.cid {
        return Err(LiveError::not_found(text));
    }
    request.require_role(id.number, Role::Write).await?;
    Ok((id.number, text.to_owned()))
}

impl LiveRequest {
    /// Responds with the object of an item.
    ///
    /// # Errors
    /// 500 if the storage fails.
    async fn object_response(&self, status: StatusCode, node: &Node) -> Result<Response> {
        let above = self.access_above(node).await?;
        let object = self.objects.object(node, self.view, above);
        Ok(self.format.json(status, &object))
    }

    /// Responds with 201, the object of an item, and its location.
    ///
    /// # Errors
    /// 500 if the storage fails.
    async fn created_response(&self, node: &Node) -> Result<Response> {
        Ok(self.with_location(self.object_response(StatusCode::CREATED, node).await?, node))
    }

    /// Adds the `Location` of an item to a response.
    pub(super) fn with_location(&self, mut response: Response, node: &Node) -> Response {
        // Scheme, host and id contain no character that is invalid in a header.
        if let Ok(location) = HeaderValue::try_from(self.objects.location(node)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}
