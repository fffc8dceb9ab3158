//! Upload sessions: uploads of large files in fragments (onedrive-graph#upload-session).
//!
//! The session's URL needs no token. The tree stores the fragments; this module validates the
//! requests and describes the session's progress.

mod fragment;

use std::sync::Arc;

use axum::response::Response;
use http::{Method, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::fragment::{check, content_range};
use super::{
    address::ItemAddress,
    body::{DriveItemSource, ItemBody, MediaSource},
    contract::Payload,
    drive_context::{DriveContext, ItemWithPath},
    error::{Error, Result},
    item_response::written,
    new_item_location::NewItemLocation,
    office_rewriting,
    query::QueryOptions,
    request::GraphRequest,
    response,
    stored_facets::UPLOAD_SOURCES,
    timestamp::format_time,
    write_rights::WriteRights,
};
use crate::{
    account_scope,
    item_activity::ItemActivity,
    secret_urls::SecretUrl,
    tree::{
        Bytestream, CommitTarget, NewItem, NodeKind, OnConflict, Precondition, Role, Session,
        UploadFragment,
    },
};

/// Prefix of the path of an upload URL.
pub(super) const PREFIX: &str = "/rup/";

/// The parameter of a pre-authenticated upload URL that has the session id. Its owner can write the
/// file, so logs must not contain it.
pub(super) const SECRET_URL: SecretUrl = SecretUrl::Parameter("tempauth");

/// The parameter of an upload URL that needs a token, which has the session id.
const GUID: &str = "guid";

/// Maximum size of a file in bytes (onedrive-graph#file-size-limit).
const MAX_FILE_SIZE: u64 = 250 * 1000 * 1000 * 1000;

/// The body of `createUploadSession`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CreateSessionBody {
    item: ItemBody,
    defer_commit: bool,
}

/// The data that the tree stores with a session for this protocol. Sessions outlive the process, so
/// the serialized names must not change.
#[derive(Debug, Serialize, Deserialize)]
struct SessionState {
    /// The account's name.
    account: String,
    /// The base of the request that created the session, such as `/v1.0`.
    base: String,
    /// Whether the drive was addressed as the user's own.
    own: bool,
    /// Whether the file is created by a separate request after the last fragment.
    defer: bool,
    /// The file's times, as far as the client set them.
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
    description: Option<String>,
    /// The facets of the file: see [`UPLOAD_SOURCES`].
    #[serde(default)]
    facets: Map<String, Value>,
    /// The item version that `If-Match` requires.
    version: Option<i64>,
    /// The content version that `If-Match` requires.
    content_version: Option<i64>,
    /// Whether requests to the upload URL need a token for SharePoint.
    #[serde(default)]
    needs_token: bool,
    /// The rights of the caller of `createUploadSession` at the location of the file.
    #[serde(default)]
    rights: WriteRights,
}

/// `POST item/createUploadSession`: begins the upload of a large file in fragments, and returns the
/// URL for them.
///
/// # Errors
/// The errors of the address's anchor, as of [`DriveContext::locate`]; 400 for a body with a member
/// of another type, a name that is not allowed or differs from that of the URL, a time or conflict
/// behavior that is invalid, an empty file, the root folder, or a file in the path; 409 if the name
/// is taken and may not be replaced, by a folder, or leads to another item; 412 if `If-Match` or
/// `If-None-Match` fails; 413 over [`MAX_FILE_SIZE`]; 423 if the existing file is locked; 507 if
/// the file does not fit into the drive's quota, or the disk of the storage is full; 500 if the
/// storage fails.
pub(super) async fn create(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let CreateSessionBody { item, defer_commit } = payload.parse()?;
    let location = context.new_item_location(address).await?;
    if let Some(name) = &item.name
        && context.fold(name) != context.fold(&location.name)
    {
        return Err(Error::invalid(format!(
            "cannot create the upload session: name {name:?} in the body differs from {:?} in the URL",
            location.name
        )));
    }
    location.check(context.kind, false)?;
    let mut behavior = item.on_conflict(&context.request.query)?.unwrap_or(OnConflict::Replace);
    let expect = match &location.existing {
        Some(node) => {
            context.check_unlocked(node)?;
            context.check_found_by_path(node).await?;
            if context.if_none_match(node) {
                return Err(Error::changed());
            }
            if node.kind != NodeKind::File || behavior == OnConflict::Fail {
                return Err(Error::name_taken());
            }
            context.if_match(Some(node))?
        }
        None => {
            if context.request.header(header::IF_NONE_MATCH) == Some("*") {
                behavior = OnConflict::Fail;
            }
            Precondition::Any
        }
    };
    let rights = location.rights(context).await?;
    if behavior == OnConflict::Rename && location.existing.is_some() {
        // The file gets another name in the folder.
        context.require(location.folder, Role::Write).await?;
    }
    check_size(item.file_size)?;
    let (created, modified) = item.times()?;
    let state = SessionState {
        account: context.account.name.clone(),
        base: context.request.base.into(),
        own: context.is_own(),
        defer: defer_commit,
        created,
        modified,
        description: item.description,
        facets: source_facets(context, &item.drive_item_source, &item.media_source),
        version: if let Precondition::Version(version) = expect { Some(version) } else { None },
        content_version: match expect {
            Precondition::ContentVersion(version) => Some(version),
            _ => None,
        },
        needs_token: !context.pre_authenticates(),
        rights,
    };
    let session = Session {
        id: String::new(),
        drive: context.drive(),
        parent: location.folder,
        folders: location.missing_folders,
        name: location.name,
        total: item.file_size,
        received: 0,
        on_conflict: behavior,
        expires: expiry(context),
        state: serde_json::to_value(&state).unwrap_or_default(),
    };
    let session = context.tree().open_session(session).await?;
    let mut body = progress(context, &session);
    body["@odata.context"] = context.request.url("/$metadata#microsoft.graph.uploadSession").into();
    body["uploadUrl"] = upload_url(context, &session, state.needs_token).into();
    Ok(response::json(StatusCode::OK, &body))
}

/// Returns the facets of a file with the sources that its session declares. Personal drives do not
/// store them.
fn source_facets(
    context: &DriveContext<'_>,
    source: &Option<DriveItemSource>,
    media: &Option<MediaSource>,
) -> Map<String, Value> {
    if context.kind.is_personal() || (source.is_none() && media.is_none()) {
        return Map::new();
    }
    let mut sources = Map::new();
    if let Some(source) = source {
        sources.insert("source".into(), json!(source));
    }
    if let Some(media) = media {
        sources.insert("media".into(), json!({ "mediaSource": media }));
    }
    Map::from_iter([(UPLOAD_SOURCES.to_owned(), sources.into())])
}

/// Checks the declared size of a file in bytes; `None` if the client does not declare it. The tree
/// checks it against the drive's quota.
///
/// # Errors
/// 400 for an empty file, 413 over [`MAX_FILE_SIZE`].
fn check_size(size: Option<u64>) -> Result<()> {
    if size == Some(0) {
        return Err(Error::invalid(
            "cannot create the upload session: upload an empty file with PUT content",
        ));
    }
    if size.is_some_and(|size| size > MAX_FILE_SIZE) {
        let message =
            format!("cannot create the upload session: a file has at most {MAX_FILE_SIZE} bytes");
        return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, "invalidRequest", message)
            .inner("maxFileSizeExceeded"));
    }
    Ok(())
}

/// Returns when a session expires that is used now.
fn expiry(context: &DriveContext<'_>) -> Timestamp {
    account_scope::now() + context.request.state.settings.session_life
}

/// Returns the upload URL of a session; with `needs_token` the one that is not pre-authenticated.
/// Like the cloud's, its query has options.
fn upload_url(context: &DriveContext<'_>, session: &Session, needs_token: bool) -> String {
    let parameter = if needs_token { GUID } else { "tempauth" };
    let replace = session.on_conflict == OnConflict::Replace;
    let rename = session.on_conflict == OnConflict::Rename;
    context.content_url(&format!(
        "{PREFIX}~{}/uploadSession?{parameter}={}&overwrite={replace}&rename={rename}",
        context.account.name, session.id,
    ))
}

/// Returns the session id in the query of an upload URL; `None` if it has none.
pub(super) fn id_in_query(query: &QueryOptions) -> Option<&str> {
    query.get("tempauth").or_else(|| query.get(GUID))
}

/// Returns the progress of a session as JSON. The expected range is `0-` at first and has an end,
/// such as `5242880-8255205`, after the first fragment. The cloud does the same (issues 75, 342 and
/// 1273 of onedrive-api-docs), and `LargeFileUploadTask` of the Python SDK depends on the end.
fn progress(context: &DriveContext<'_>, session: &Session) -> Value {
    let expected = match (session.received, session.total) {
        (received, Some(total)) if received >= total => Vec::new(),
        (received @ 1.., Some(total)) => vec![format!("{received}-{}", total - 1)],
        (received, _) => vec![format!("{received}-")],
    };
    json!({
        "expirationDateTime": format_time(context.kind, session.expires),
        "nextExpectedRanges": expected,
    })
}

/// Returns the name of the account in the path of an upload URL, with [`PREFIX`]; `None` if the
/// path does not begin with the prefix and `~`. The account may not exist.
pub(super) fn account_of(path: &str) -> Option<String> {
    path.strip_prefix(PREFIX)?.strip_prefix('~')?.split('/').next().map(str::to_owned)
}

/// Serves a request to an upload URL.
///
/// # Errors
/// 404 for a session that is unknown, ended or expired; 401 and 403 for a URL that is not
/// pre-authenticated, without a token for SharePoint that can write; 405 for another method; for a fragment and
/// a commit the errors of the two: 400, 409, 411, 412, 416; 507 if the file does not fit into the
/// drive's quota, or the disk of the storage is full; 500 if the storage fails.
pub(super) async fn serve(request: &mut GraphRequest, payload: Payload) -> Result<Response> {
    let tree = Arc::clone(&request.state.tree);
    let id = id_in_query(&request.query).ok_or_else(Error::no_session)?;
    let session = tree.session(id).await?;
    let state: SessionState =
        serde_json::from_value(session.state.clone()).map_err(|_| Error::no_session())?;
    let account = request.state.accounts.open(&state.account).await?;
    if state.needs_token {
        request.authorize_at_drive(&account, Role::Write, Some(session.parent)).await?;
    }
    request.use_base(&state.base);
    let context = DriveContext::for_account(request, account, state.own);
    match context.request.method {
        Method::GET => Ok(response::json(StatusCode::OK, &progress(&context, &session))),
        Method::DELETE => {
            context.tree().cancel(&session.id).await?;
            Ok(response::empty(StatusCode::NO_CONTENT))
        }
        Method::PUT => store_fragment(&context, session, &state, payload.into_stream()).await,
        Method::POST => commit(&context, &session, &state, state.rights.clone(), None).await,
        _ => Err(Error::method("GET, PUT, POST, DELETE")),
    }
}

/// Stores a fragment of a session. After the last one, creates the file, unless the client deferred
/// that.
///
/// # Errors
/// 400 for a `Content-Range` that is missing or malformed, a fragment over 60 MiB, a body that ends
/// early, and sizes that contradict each other; 411 without `Content-Length`; 416 if the fragment
/// does not begin where the session continues; 404 if the session ended meanwhile; 507 if the disk
/// of the storage is full; 500 if the storage fails; after the last fragment those of [`commit`].
async fn store_fragment(
    context: &DriveContext<'_>,
    session: Session,
    state: &SessionState,
    body: Bytestream,
) -> Result<Response> {
    let range = content_range(context.request)?;
    check(range, &session, context.request.content_length()?)?;
    let (at, total) = (range.first, Some(range.total));
    let (max, expires) = (range.length(), expiry(context));
    let session = context
        .tree()
        .append(&session.id, UploadFragment { at, total, body, max, expires })
        .await?;
    if session.received < range.total || state.defer {
        return Ok(response::json(StatusCode::ACCEPTED, &progress(context, &session)));
    }
    commit(context, &session, state, state.rights.clone(), None).await
}

/// Creates the file of a complete session. If the name was taken meanwhile, the session keeps the
/// bytes, and the client can commit them under another name. `target` replaces the session's own
/// missing folders and location. `rights` are those at the location.
///
/// # Errors
/// 400 if bytes are missing, a file is in the path, or a thumbnail size is outside of 1 to the
/// maximum; 403 if the file would be created in a folder that the caller cannot change; 404 if the
/// session ended or the folder was deleted meanwhile; 409 if the name is taken; 412 if `If-Match` no
/// longer holds; 423 if the file that is replaced is locked; 507 if the file does not fit into the drive's quota, or the
/// disk of the storage is full; 500 if the storage fails.
async fn commit(
    context: &DriveContext<'_>,
    session: &Session,
    state: &SessionState,
    rights: WriteRights,
    target: Option<(Vec<String>, CommitTarget)>,
) -> Result<Response> {
    if session.total != Some(session.received) {
        return Err(Error::invalid("cannot create the file: the upload session is not complete")
            .inner("uploadSessionIncomplete"));
    }
    let (folders, target) = target.unzip();
    let new = NewItem {
        folders: folders.unwrap_or_default(),
        guard: rights.guard(),
        description: state.description.clone(),
        client_created: state.created,
        client_modified: state.modified,
        facets: state.facets.clone(),
        max_versions: context.max_versions(),
        ..NewItem::default()
    };
    let expect = match (state.version, state.content_version) {
        (Some(version), _) => Precondition::Version(version),
        (None, Some(version)) => Precondition::ContentVersion(version),
        (None, None) => Precondition::Any,
    };
    let result = context.tree().commit(&session.id, new, expect, target).await;
    let result = result.map_err(Error::from_write)?;
    let node = office_rewriting::rewrite(context, result.node).await?;
    context.count_activity(node.no, ItemActivity::of_write(result.created));
    let parent_path = context.parent_path(&node).await?;
    written(context, &ItemWithPath { node, parent_path }, result.created).await
}

/// `PUT item {"@microsoft.graph.sourceUrl": uploadUrl}`: commits a session under another name or
/// with another conflict behavior. `url` is the upload URL of the session, percent-encoded.
///
/// # Errors
/// The errors of the address's anchor, as of [`DriveContext::locate`]; 404 for an URL without a
/// session, a session that is unknown, ended, expired or of another account, and a folder that was
/// deleted meanwhile; 400 for a name that is not allowed, an unknown conflict behavior, a file in
/// the path, or if bytes are missing; 409 if the name is taken; 412 if `If-Match` of the session no
/// longer holds; 507 if the file does not fit into the drive's quota, or the disk of the storage is
/// full; 500 if the storage fails.
pub(super) async fn commit_as(
    context: &DriveContext<'_>,
    address: &ItemAddress,
    body: &ItemBody,
    url: &str,
) -> Result<Response> {
    let query = url.split_once('?').map(|(_, query)| query);
    let query = QueryOptions::parse(query)?;
    let id = id_in_query(&query).ok_or_else(Error::no_session)?;
    let session = context.tree().session(id).await?;
    let state: SessionState =
        serde_json::from_value(session.state.clone()).map_err(|_| Error::no_session())?;
    if state.account != context.account.name {
        return Err(Error::no_session());
    }
    let location = context.new_item_location(address).await?;
    let location = match &body.name {
        Some(name) if *name != location.name => {
            NewItemLocation { name: name.clone(), existing: None, ..location }
        }
        _ => location,
    };
    location.check(context.kind, false)?;
    let rights = location.rights(context).await?;
    let on_conflict = body.on_conflict(&context.request.query)?.unwrap_or(session.on_conflict);
    let target = CommitTarget { parent: location.folder, name: location.name, on_conflict };
    commit(context, &session, &state, rights, Some((location.missing_folders, target))).await
}
