//! Live Connect REST v5.0, SkyDrive's protocol, under `/v5.0`.
//!
//! Large files come by BITS (`bits`), which has paths and words of its own.
//!
//! Served: `GET /me`; folders, files and notebooks by id, the root by `me/skydrive` or
//! `{user}/skydrive`; lists with `limit`, `offset` (from 0), `filter`, `sort_by`, `sort_order`;
//! folders made, items renamed, described, moved, removed, files copied; contents by `PUT`
//! (chunked or not) and multipart `POST`, by redirect and ticket; the quota. Bodies are JSON or
//! forms, the token comes in the header or as `access_token`, `MOVE` and `COPY` are methods or
//! `?method=`, and `pretty`, `callback`, `suppress_redirects`, `suppress_response_codes` and
//! `download` do what they say.
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
//!   answers 401, `error="expired_token"`, as the storage host did.
//!
//! # Limits
//! Files are of type `file`, whatever is in them, so `filter` finds albums, audio, photos and
//! videos in none; photos are kept as they come, whatever `downsize_photo_uploads` says; comments,
//! tags, pictures, links, embedding, search and friendly names of folders are answered with
//! `request_url_invalid`; scopes are granted but not enforced; a body with a `Content-Encoding` is
//! refused with 415.

pub(super) mod bits;
mod bytes;
mod error;
mod fields;
mod ids;
mod items;
mod listing;
mod names;
mod objects;
mod present;
mod query;
mod route;

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    extract::Request,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    app::{App, Exchange, FrontEnd},
    tree::{DriveNo, ItemNo, Node, ROOT},
};
use error::{LiveError, Result};
pub(super) use ids::id_of;
use ids::{IdKind, LiveId};
use objects::Objects;
use present::Presentation;
use query::Query;
use route::{Action, BASE, OPERATIONS, Route, Subject, UNKNOWN, Whose};

/// The largest body of a PUT or POST, in bytes: 100 MB (A.6).
const LARGEST_BODY: u64 = 100 << 20;

/// Serves Live Connect.
pub(super) struct Live;

#[async_trait]
impl FrontEnd for Live {
    fn operations(&self) -> &'static [&'static str] {
        OPERATIONS
    }

    fn serves(&self, path: &str) -> bool {
        path.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn operation(&self, request: &Parts) -> &'static str {
        let query = Query::of(request.uri.query());
        Route::of(request, &query).map_or(UNKNOWN, |route| route.action.operation())
    }

    async fn answer(&self, app: &Arc<App>, exchange: Exchange, request: Request) -> Response {
        let query = Query::of(request.uri().query());
        let presentation = match Presentation::of(&query, request.method()) {
            Ok(presentation) => presentation,
            Err(error) => return error.response(&Presentation::default()),
        };
        match answer(app, exchange, request, query, &presentation).await {
            Ok(response) => response,
            Err(error) => error.response(&presentation),
        }
    }

    fn failure(&self, status: StatusCode) -> Response {
        LiveError::on_demand(status).response(&Presentation::default())
    }
}

async fn answer(
    app: &Arc<App>,
    exchange: Exchange,
    request: Request,
    query: Query,
    presentation: &Presentation,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let Route { subject, action } = Route::of(&parts, &query)?;
    let grant = exchange.grant?;
    let account = app
        .account(&grant.account)
        .await
        .map_err(|error| LiveError::tree(error, &grant.account))?;
    let objects = Objects { app: Arc::clone(app), origin: exchange.origin, account };
    let asked = Asked { objects, query, presentation: presentation.clone(), subject };
    asked.own()?;
    match action {
        Action::GetUser => items::user(&asked).await,
        Action::GetQuota => items::quota(&asked).await,
        Action::Get => items::get(&asked).await,
        Action::Update => items::update(&asked, &parts, body).await,
        Action::Delete => items::delete(&asked).await,
        Action::Move => items::move_to(&asked, &parts, body).await,
        Action::Copy => items::copy_to(&asked, &parts, body).await,
        Action::CreateFolder => items::create_folder(&asked, &parts, body).await,
        Action::List => listing::list(&asked).await,
        Action::GetContent => bytes::get_content(&asked).await,
        Action::Put(name) => {
            to_the_end(async move { bytes::put(&asked, &name, &parts, body).await }).await
        }
        Action::PutContent => {
            to_the_end(async move { bytes::put_content(&asked, &parts, body).await }).await
        }
        Action::Post => to_the_end(async move { bytes::post(&asked, &parts, body).await }).await,
    }
}

/// Runs an upload in a task of its own: when its client goes away the body ends with an error, and
/// what was taken in is thrown away, instead of staying behind a future that was dropped.
async fn to_the_end(
    upload: impl Future<Output = Result<Response>> + Send + 'static,
) -> Result<Response> {
    match tokio::spawn(upload).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "an upload ended without an answer");
            Err(LiveError::on_demand(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// A request of somebody known, for something.
struct Asked {
    objects: Objects,
    query: Query,
    presentation: Presentation,
    subject: Subject,
}

impl Asked {
    fn app(&self) -> &App {
        &self.objects.app
    }

    fn drive(&self) -> DriveNo {
        self.objects.account.drive
    }

    /// Refuses what is another user's.
    fn own(&self) -> Result<()> {
        let whose = match &self.subject {
            Subject::User(Whose::Mine) | Subject::Root(Whose::Mine) => return Ok(()),
            Subject::User(Whose::User(cid)) | Subject::Root(Whose::User(cid)) => cid,
            Subject::Item(id) => &id.cid,
        };
        if *whose == self.objects.account.cid {
            Ok(())
        } else {
            Err(LiveError::not_found(self.shown()))
        }
    }

    /// The subject's id, for messages and URLs.
    fn shown(&self) -> String {
        let cid = &self.objects.account.cid;
        match &self.subject {
            Subject::User(Whose::Mine) => cid.clone(),
            Subject::User(Whose::User(cid)) => cid.clone(),
            Subject::Root(Whose::Mine) => LiveId::folder(cid, ROOT).to_string(),
            Subject::Root(Whose::User(cid)) => LiveId::folder(cid, ROOT).to_string(),
            Subject::Item(id) => id.to_string(),
        }
    }

    /// The number of the item asked for, and its id; whether it is there is not known.
    fn number(&self) -> Result<(ItemNo, String)> {
        let number = match &self.subject {
            Subject::User(_) => return Err(LiveError::not_found(self.shown())),
            Subject::Root(_) => ROOT,
            Subject::Item(id) => id.number,
        };
        Ok((number, self.shown()))
    }

    /// The number of the folder asked for, and its id; whether it is there is not known.
    fn folder(&self) -> Result<(ItemNo, String)> {
        match &self.subject {
            Subject::Item(LiveId { kind: IdKind::File, .. }) => Err(LiveError::url(format!(
                "The resource '{}' isn't a folder or an album, and nothing can be in it.",
                self.shown()
            ))),
            _ => self.number(),
        }
    }

    /// The item asked for. One that is of another kind than its id says is not there.
    async fn node(&self) -> Result<Node> {
        let (number, shown) = self.number()?;
        let node = self
            .app()
            .tree
            .node(self.drive(), number)
            .await
            .map_err(|error| LiveError::tree(error, &shown))?;
        let kind = match &self.subject {
            Subject::Item(id) => id.kind,
            Subject::User(_) | Subject::Root(_) => IdKind::Folder,
        };
        if IdKind::from(node.kind) == kind { Ok(node) } else { Err(LiveError::not_found(shown)) }
    }
}
