//! Live Connect REST v5.0, SkyDrive's protocol, under `/v5.0`.
//!
//! Large files come by BITS (`bits`), which has paths and words of its own.
//!
//! Served: every row of live-connect.md, A.5: users and their permissions; folders, albums, files,
//! photos, sound, films and notebooks by id, the root by `me/skydrive` or `{user}/skydrive`, four
//! folders by friendly names; lists with `limit`, `offset` (from 0), `filter`, `sort_by`,
//! `sort_order`; albums, photos, videos, recent documents, what others share, search; folders and
//! albums made, items renamed, described, moved, removed, files copied; contents by `PUT` (chunked
//! or not) and multipart `POST`, as a page where a page posts, by redirect and ticket; pictures in
//! every size, links of three kinds, previews, comments, tags; the quota. Bodies are JSON or forms,
//! the token comes in the header or as `access_token`, `MOVE` and `COPY` are methods or `?method=`,
//! and `pretty`, `callback`, `suppress_redirects`, `suppress_response_codes`, `download` and
//! `locale` do what they say. What a token's scopes do not allow is refused.
//!
//! Photos, sound and films tell what their files do (EXIF, ID3, MP4 and the like), read once when
//! they arrive. Large photos are made smaller unless `downsize_photo_uploads=false`.
//!
//! A [`Plant`](super::Plant)'s facet `live` has what nobody can ask for: `{"tags": [{"user": {"name",
//! "id"}, "x", "y", "created_time"}], "album": true, "public": true}`.
//!
//! # Inferred
//! What no source says, each in one place of the code:
//! * A name that is taken is 409; the reference names the code `resource_already_exists` only.
//! * 413 has a JSON body with code `request_body_invalid`, where the cloud sent a page.
//! * Names follow the consumer rules of Windows; devices' names are refused only where they are
//!   the whole name.
//! * With `?method=`, fields may come in the query.
//! * The root cannot be renamed, moved or removed: 400 `request_url_invalid`; so for copies of
//!   folders.
//! * A download link is good for an hour, and only for the bytes it was made for; after that it
//!   answers 401, `error="expired_token"`, as the storage host did. So for pictures' URLs.
//! * A file is a photo, sound or a film by its name. What its bytes do not tell is null, or 0 where
//!   the reference has a number. A camera's clock without a zone counts as UTC.
//! * `wl.skydrive` is enough for comments, since the old command-line client has no other.
//! * Recent documents are files of every kind, those last changed by their user first, 100 of them.
//! * What is shared with an account is what was planted there with another owner.
//! * `shared_with` is "People with a link" from the first link on, for the item and all below it;
//!   it is told in English, German, French and Spanish.
//! * Friendly folders are those that OneDrive calls special, made when they are first asked for.
//!
//! # Limits
//! URLs have the scheme of the request; with `return_ssl_resources=false` those of bytes, pictures
//! and pages are `http`, which the same port serves. Users have a plain picture, and so have sound and films without a cover.
//! Pictures are made of JPEG, PNG, GIF and BMP, up to 64 million pixels; of large photos JPEG and PNG
//! are made smaller, others and those that come by BITS stay as they are. A folder's own `sort_by` is
//! refused, since it would not be kept. A body with a `Content-Encoding` is refused with 415. A page may be led back only to
//! this machine.

pub(super) mod bits;
mod bytes;
mod collections;
mod comments;
mod details;
mod error;
mod facets;
mod fields;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod ids;
mod items;
mod listing;
mod names;
mod object_access;
mod object_type;
mod objects;
pub(super) mod pictures;
mod query;
mod request;
mod response_format;
mod route;
mod scopes;
pub(super) mod sharing;
#[cfg(test)]
mod walk;
mod well_known_folders;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    cross_site::CrossSite,
    parameters,
    protocol::{Declaration, Protocol, RequestContext, Routed},
    state::ServerState,
    upload,
};
use error::{LiveError, Result};
use ids::LiveId;
pub(super) use ids::id_of;
use object_access::Locale;
use objects::{ObjectView, Objects};
use query::Query;
use request::LiveRequest;
use response_format::{OVER_BUDGET, ResponseFormat, failure};
use route::{Action, BASE, OPERATIONS, PREVIEW, Route, Subject, UNKNOWN};
use scopes::{READ, Scopes};

/// Live Connect.
pub(super) struct Live;

/// A request as it was parsed.
pub(super) struct LiveCall {
    query: Query,
    route: Result<Route>,
}

impl Protocol for Live {
    type Request = LiveCall;

    const DECLARATION: Declaration = Declaration {
        operations: || OPERATIONS,
        secret_urls: &[],
        hash_members: &[],
        over_budget: OVER_BUDGET,
        failure,
    };

    fn route(_: &ServerState, parts: &Parts) -> Option<Routed<LiveCall>> {
        let rest = parts.uri.path().strip_prefix(BASE)?;
        if !(rest.is_empty() || rest.starts_with('/')) {
            return None;
        }
        let query = Query::of(parts.uri.query());
        let route = Route::of(parts, &query);
        let operation = route.as_ref().map_or(UNKNOWN, |route| match route.subject {
            Subject::Preview => PREVIEW,
            _ => route.action.operation(),
        });
        let cross_site = match &route {
            Ok(Route { action: Action::Post, .. }) => {
                CrossSite::FormUpload { redirect: query.get("redirect_uri").map(str::to_owned) }
            }
            _ => CrossSite::Refused,
        };
        let routed = Routed::new(operation, LiveCall { query, route }).cost(1);
        Some(Routed { cross_site, ..routed })
    }

    async fn handle(call: LiveCall, context: RequestContext, parts: Parts, body: Body) -> Response {
        let format = match ResponseFormat::of(&call.query, &parts.method) {
            Ok(format) => format,
            Err(error) => return ResponseFormat::default().error(&error),
        };
        match answer(call, context, parts, body, &format).await {
            Ok(response) => response,
            Err(error) => format.error(&error),
        }
    }
}

async fn answer(
    call: LiveCall,
    context: RequestContext,
    parts: Parts,
    body: Body,
    format: &ResponseFormat,
) -> Result<Response> {
    let LiveCall { query, route } = call;
    let Route { subject, action } = route?;
    let state = context.state;
    let declared = [route::COMMON, action.parameters()];
    if let Some((parameter, value)) = parameters::invalid(&declared, |name| query.get(name)) {
        return Err(LiveError::parameter(format!(
            "The value '{value}' of '{}' isn't valid.",
            parameter.name
        )));
    }
    if subject == Subject::Preview {
        return sharing::preview(&state, &context.base_url, &query).await;
    }
    let grant = context.grant?;
    let scopes = Scopes::of(&grant);
    let account = state
        .accounts
        .open(&grant.account)
        .await
        .map_err(|error| LiveError::tree(error, &grant.account))?;
    let shown_how = ObjectView {
        attachment: query.flag("download")?.unwrap_or(false),
        whole: scopes.has(READ),
        locale: Locale::of(query.get("locale"))?,
    };
    let base_url = match query.flag("return_ssl_resources")? {
        Some(false) => context.base_url.with_plain_resources(),
        Some(true) | None => context.base_url,
    };
    let objects = Objects { state: Arc::clone(&state), base_url, account };
    let format = format.clone();
    let mut request = LiveRequest { objects, query, format, subject, scopes, shown_how };
    request.own()?;
    request.scopes.allow(&action)?;
    if let Subject::Friendly(_, name) = request.subject {
        let folder = well_known_folders::folder(&state, &request.objects.account, name).await?;
        request.subject = Subject::Item(LiveId::folder(&request.objects.account.cid, folder));
    }
    act(request, action, parts, body).await
}

async fn act(request: LiveRequest, action: Action, parts: Parts, body: Body) -> Result<Response> {
    match action {
        Action::GetUser => items::user(&request).await,
        Action::GetUserPicture => pictures::of_user(&request),
        Action::Permissions => Ok(items::permissions(&request)),
        Action::GetQuota => items::quota(&request).await,
        Action::Get => items::get(&request).await,
        Action::Update => items::update(&request, &parts, body).await,
        Action::Delete => items::delete(&request).await,
        Action::Move => items::move_to(&request, &parts, body).await,
        Action::Copy => items::copy_to(&request, &parts, body).await,
        Action::CreateFolder => items::create_folder(&request, false, &parts, body).await,
        Action::CreateAlbum => items::create_folder(&request, true, &parts, body).await,
        Action::ListAlbums => collections::albums(&request).await,
        Action::List(which) => listing::list(&request, which).await,
        Action::ListShared(which) => collections::shared(&request, which).await,
        Action::Recent => collections::recent(&request).await,
        Action::Search => collections::search(&request).await,
        Action::GetContent => bytes::get_content(&request).await,
        Action::GetPicture => pictures::of_item(&request).await,
        Action::Link(kind) => sharing::link(&request, kind).await,
        Action::ListComments => comments::list(&request).await,
        Action::AddComment => comments::add(&request, &parts, body).await,
        Action::GetComment | Action::DeleteComment | Action::ListTags | Action::GetTag => {
            of_parts(&request, &action).await
        }
        Action::Put(name) => {
            detached(async move { bytes::put(&request, &name, &parts, body).await }).await
        }
        Action::PutContent => {
            detached(async move { bytes::put_content(&request, &parts, body).await }).await
        }
        Action::Post => {
            detached(async move { bytes::post_from_page(&request, &parts, body).await }).await
        }
    }
}

/// What is asked of an item's comments and tags.
async fn of_parts(request: &LiveRequest, action: &Action) -> Result<Response> {
    match (action, &request.subject) {
        (Action::GetComment, Subject::Comment(id)) => comments::get(request, id).await,
        (Action::DeleteComment, Subject::Comment(id)) => comments::delete(request, id).await,
        (Action::GetTag, Subject::Tag(id)) => comments::tag(request, id).await,
        _ => comments::tags(request).await,
    }
}

async fn detached(
    upload: impl Future<Output = Result<Response>> + Send + 'static,
) -> Result<Response> {
    let answer = upload::detached(upload).await;
    answer.unwrap_or_else(|| Err(LiveError::on_demand(StatusCode::INTERNAL_SERVER_ERROR)))
}
