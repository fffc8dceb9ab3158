//! Upload sessions: a large file in fragments, at a URL that needs no token
//! (onedrive-graph#upload-session).

use std::sync::Arc;

use axum::{body::Body, response::Response};
use http::{Method, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    address::ItemAddress,
    body::ItemBody,
    children::occupied,
    content::bytes,
    contract::Payload,
    drive_context::{DriveContext, ItemWithPath, NewItemLocation},
    drive_item,
    error::{Error, Result},
    items,
    query::Query,
    reply,
    request::GraphRequest,
};
use crate::{
    content_range::ContentRange,
    secret_urls::SecretUrl,
    tree::{CommitTarget, NewItem, NodeKind, OnConflict, Precondition, Session, UploadFragment},
};

/// How the path of an upload URL begins.
pub(super) const PREFIX: &str = "/rup/";

/// An upload URL's session id lets anybody send its bytes.
pub(super) const SECRET_URL: SecretUrl = SecretUrl::Parameter("tempauth");

/// Bytes of a fragment. The reference says "less than 60 MiB", clients send exactly 60.
const LARGEST_FRAGMENT: u64 = 60 * 1024 * 1024;

/// Bytes of a file (onedrive-graph#file-size-limit).
const LARGEST_FILE: u64 = 250 * 1000 * 1000 * 1000;

/// The body of `createUploadSession`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Creation {
    item: ItemBody,
    defer_commit: bool,
}

/// Data that this protocol keeps with a session.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The account's name.
    account: String,
    /// How the request's path began that opened it.
    base: String,
    /// Whether the drive was addressed as one's own.
    own: bool,
    defer: bool,
    created: Option<Timestamp>,
    modified: Option<Timestamp>,
    description: Option<String>,
    /// Versions that `If-Match` asked for: the item's, the content's.
    version: Option<i64>,
    content_version: Option<i64>,
}

/// `POST item/createUploadSession`.
pub(super) async fn create(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    payload: Payload,
) -> Result<Response> {
    let Creation { item, defer_commit } = payload.parse()?;
    let spot = scope.spot(address).await?;
    if let Some(name) = &item.name
        && scope.fold(name) != scope.fold(&spot.name)
    {
        return Err(Error::invalid(format!(
            "The name in the body, {name:?}, is not the one in the URL, {:?}.",
            spot.name
        )));
    }
    spot.check(scope.kind, false)?;
    let mut behavior = item.on_conflict(&scope.request.query)?.unwrap_or(OnConflict::Replace);
    let expect = match &spot.occupant {
        Some(node) => {
            scope.check_unlocked(node)?;
            scope.check_found_by_path(node).await?;
            if scope.if_none_match(node) {
                return Err(Error::changed());
            }
            if node.kind != NodeKind::File || behavior == OnConflict::Fail {
                return Err(Error::name_taken());
            }
            scope.if_match(Some(node))?
        }
        None => {
            if scope.request.header(header::IF_NONE_MATCH) == Some("*") {
                behavior = OnConflict::Fail;
            }
            Precondition::Any
        }
    };
    check_size(item.file_size)?;
    let (created, modified) = item.times()?;
    let kept = Kept {
        account: scope.account.name.clone(),
        base: scope.request.base.into(),
        own: scope.is_own(),
        defer: defer_commit,
        created,
        modified,
        description: item.description,
        version: if let Precondition::Version(version) = expect { Some(version) } else { None },
        content_version: match expect {
            Precondition::ContentVersion(version) => Some(version),
            _ => None,
        },
    };
    let session = Session {
        id: String::new(),
        drive: scope.drive(),
        parent: spot.folder,
        folders: spot.missing,
        name: spot.name,
        total: item.file_size,
        received: 0,
        on_conflict: behavior,
        expires: expiry(scope),
        state: serde_json::to_value(&kept).unwrap_or_default(),
    };
    let session = scope.tree().open_session(session).await?;
    let mut body = progress(scope, &session);
    body["@odata.context"] = scope.request.url("/$metadata#microsoft.graph.uploadSession").into();
    body["uploadUrl"] = upload_url(scope, &session).into();
    Ok(reply::json(StatusCode::OK, &body))
}

/// Refuses a file that no session makes. Whether the drive has room for it, the tree knows.
fn check_size(size: Option<u64>) -> Result<()> {
    if size == Some(0) {
        return Err(Error::invalid(
            "A file without bytes is put in one request, not in fragments.",
        ));
    }
    if size.is_some_and(|size| size > LARGEST_FILE) {
        let message = format!("A file has {LARGEST_FILE} bytes at most.");
        return Err(Error::new(StatusCode::PAYLOAD_TOO_LARGE, "invalidRequest", message)
            .inner("maxFileSizeExceeded"));
    }
    Ok(())
}

/// When a session that was touched now is forgotten.
fn expiry(scope: &DriveContext<'_>) -> Timestamp {
    Timestamp::now() + scope.request.state.settings.session_life
}

/// The pre-authenticated URL of a session; like the cloud's it has a query of its own.
fn upload_url(scope: &DriveContext<'_>, session: &Session) -> String {
    let replace = session.on_conflict == OnConflict::Replace;
    let rename = session.on_conflict == OnConflict::Rename;
    scope.content_url(&format!(
        "{PREFIX}~{}/uploadSession?tempauth={}&overwrite={replace}&rename={rename}",
        scope.account.name, session.id,
    ))
}

/// The session's id in an upload URL's query.
fn session_id(request: &GraphRequest) -> Result<&str> {
    request.query.get("tempauth").ok_or_else(Error::no_session)
}

/// What a session still expects: `0-` at first, `5242880-8255205` once there are bytes, as the cloud
/// writes it (onedrive-api-docs#75, #342, #1273). A client that leans on the end: the Python SDK's
/// `LargeFileUploadTask`.
fn progress(scope: &DriveContext<'_>, session: &Session) -> Value {
    let expected = match (session.received, session.total) {
        (received, Some(total)) if received >= total => Vec::new(),
        (received @ 1.., Some(total)) => vec![format!("{received}-{}", total - 1)],
        (received, _) => vec![format!("{received}-")],
    };
    json!({
        "expirationDateTime": drive_item::time(scope.kind, session.expires),
        "nextExpectedRanges": expected,
    })
}

/// The account that an upload URL's path names.
pub(super) fn account_of(path: &str) -> Option<String> {
    path.strip_prefix(PREFIX)?.strip_prefix('~')?.split('/').next().map(str::to_owned)
}

/// A request to an upload URL.
pub(super) async fn answer(request: &mut GraphRequest, payload: Payload) -> Result<Response> {
    let tree = Arc::clone(&request.state.tree);
    let session = tree.session(session_id(request)?).await?;
    let kept: Kept =
        serde_json::from_value(session.state.clone()).map_err(|_| Error::no_session())?;
    request.speak_as(&kept.base);
    let account = request.state.accounts.open(&kept.account).await?;
    let scope = DriveContext::of_account(request, account, kept.own);
    match scope.request.method {
        Method::GET => Ok(reply::json(StatusCode::OK, &progress(&scope, &session))),
        Method::DELETE => {
            scope.tree().cancel(&session.id).await?;
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        Method::PUT => fragment(&scope, session, &kept, payload.into_bytes()).await,
        Method::POST => commit(&scope, &session, &kept, None).await,
        _ => Err(Error::method("GET, PUT, POST, DELETE")),
    }
}

/// Takes a fragment, and makes the file if it was the last.
async fn fragment(
    scope: &DriveContext<'_>,
    session: Session,
    kept: &Kept,
    body: Body,
) -> Result<Response> {
    let range = content_range(scope.request)?;
    check(range, &session, scope.request.content_length()?)?;
    let (at, total) = (range.first, Some(range.total));
    let (body, most, expires) = (bytes(body), range.length(), expiry(scope));
    let session = scope
        .tree()
        .append(&session.id, UploadFragment { at, total, body, max: most, expires })
        .await?;
    if session.received < range.total || kept.defer {
        return Ok(reply::json(StatusCode::ACCEPTED, &progress(scope, &session)));
    }
    commit(scope, &session, kept, None).await
}

/// Makes the file of a session that has all its bytes. Its name may be taken by now: then the
/// bytes are kept, and may be committed under another one.
async fn commit(
    scope: &DriveContext<'_>,
    session: &Session,
    kept: &Kept,
    landing: Option<(Vec<String>, CommitTarget)>,
) -> Result<Response> {
    if session.total != Some(session.received) {
        return Err(Error::invalid("The upload session is not complete: bytes are missing.")
            .inner("uploadSessionIncomplete"));
    }
    let (folders, landing) = landing.unzip();
    let new = NewItem {
        folders: folders.unwrap_or_default(),
        description: kept.description.clone(),
        client_created: kept.created,
        client_modified: kept.modified,
        ..NewItem::default()
    };
    let expect = match (kept.version, kept.content_version) {
        (Some(version), _) => Precondition::Version(version),
        (None, Some(version)) => Precondition::ContentVersion(version),
        (None, None) => Precondition::Any,
    };
    let written = scope.tree().commit(&session.id, new, expect, landing).await;
    let written = written.map_err(occupied)?;
    let above = scope.above(&written.node).await?;
    items::changed(scope, &ItemWithPath { node: written.node, above }, written.created).await
}

/// `PUT item {"@microsoft.graph.sourceUrl": uploadUrl}`: commits a session's bytes, under another
/// name or with another behaviour.
pub(super) async fn commit_as(
    scope: &DriveContext<'_>,
    address: &ItemAddress,
    body: &ItemBody,
    url: &str,
) -> Result<Response> {
    let query = url.split_once('?').map(|(_, query)| query);
    let query = Query::parse(query)?;
    let id = query.get("tempauth").ok_or_else(Error::no_session)?;
    let session = scope.tree().session(id).await?;
    let kept: Kept =
        serde_json::from_value(session.state.clone()).map_err(|_| Error::no_session())?;
    if kept.account != scope.account.name {
        return Err(Error::no_session());
    }
    let spot = scope.spot(address).await?;
    let spot = NewItemLocation { name: body.name.clone().unwrap_or(spot.name), ..spot };
    spot.check(scope.kind, false)?;
    let on_conflict = body.on_conflict(&scope.request.query)?.unwrap_or(session.on_conflict);
    let landing = CommitTarget { parent: spot.folder, name: spot.name, on_conflict };
    commit(scope, &session, &kept, Some((spot.missing, landing))).await
}

fn content_range(request: &GraphRequest) -> Result<ContentRange> {
    let text = request.header(header::CONTENT_RANGE).ok_or_else(|| {
        Error::invalid("A fragment has a Content-Range header: bytes FIRST-LAST/TOTAL.")
    })?;
    ContentRange::parse(text).ok_or_else(|| {
        Error::invalid(format!("Content-Range: {text:?} is not bytes FIRST-LAST/TOTAL."))
            .inner("invalidParameterFormat")
    })
}

/// Whether a session takes this fragment, sent with so many bytes, now.
fn check(fragment: ContentRange, session: &Session, sent: u64) -> Result<()> {
    let refused = |message: String, inner| {
        Err(Error::new(StatusCode::RANGE_NOT_SATISFIABLE, "invalidRange", message).inner(inner))
    };
    if sent != fragment.length() {
        return Err(Error::invalid(
            "Declared fragment length does not match the provided number of bytes",
        )
        .inner("fragmentLengthMismatch"));
    }
    if let Some(total) = session.total.filter(|total| *total != fragment.total) {
        return Err(Error::invalid(format!(
            "The file was declared to have {total} bytes, not {}.",
            fragment.total
        ))
        .inner("fragmentLengthMismatch"));
    }
    if fragment.first < session.received {
        return refused("Uploaded fragment overlaps with existing data.".into(), "fragmentOverlap");
    }
    if fragment.first > session.received {
        let message = format!("The upload goes on at byte {}.", session.received);
        return refused(message, "fragmentOutOfOrder");
    }
    if sent > LARGEST_FRAGMENT {
        let message = format!("A fragment has {LARGEST_FRAGMENT} bytes at most.");
        return Err(Error::invalid(message).inner("maxFragmentLengthExceeded"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{DriveKey, ROOT};

    fn refusal(range: (u64, u64, u64), received: u64, sent: u64) -> Option<&'static str> {
        let (first, last, total) = range;
        let session = Session {
            id: String::new(),
            drive: DriveKey(1),
            parent: ROOT,
            folders: Vec::new(),
            name: "f".into(),
            total: None,
            received,
            on_conflict: OnConflict::Replace,
            expires: Timestamp::UNIX_EPOCH,
            state: Value::Null,
        };
        let checked = check(ContentRange { first, last, total }, &session, sent);
        checked.err().map(|error| error.inner.unwrap_or("none"))
    }

    #[test]
    fn a_fragment_is_taken_in_its_turn_and_size_only() {
        let unit = 320 * 1024;
        assert_eq!(refusal((0, unit - 1, 3 * unit), 0, unit), None);
        assert_eq!(refusal((unit, unit + 6, unit + 7), unit, 7), None);
        assert_eq!(refusal((0, unit - 1, 3 * unit), unit, unit), Some("fragmentOverlap"));
        assert_eq!(
            refusal((2 * unit, 3 * unit - 1, 3 * unit), unit, unit),
            Some("fragmentOutOfOrder")
        );
        assert_eq!(refusal((0, unit - 1, 3 * unit), 0, unit - 1), Some("fragmentLengthMismatch"));
        // The Python SDK sends one byte more than its unit.
        assert_eq!(refusal((0, unit, 3 * unit), 0, unit + 1), None);
        let large = LARGEST_FRAGMENT;
        assert_eq!(refusal((0, large - 1, 2 * large), 0, large), None);
        let larger = large + unit;
        assert_eq!(
            refusal((0, larger - 1, 2 * large), 0, larger),
            Some("maxFragmentLengthExceeded")
        );
    }
}
