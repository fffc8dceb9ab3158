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

mod access;
pub(super) mod bits;
mod bytes;
mod collections;
mod comments;
mod details;
mod error;
mod extra;
mod fields;
mod friendly;
#[cfg(fuzzing)]
pub(super) mod fuzzing;
mod ids;
mod items;
mod kinds;
mod listing;
mod names;
mod objects;
pub(super) mod pictures;
mod present;
mod query;
mod route;
mod scopes;
pub(super) mod sharing;
pub(super) mod sign_in;
#[cfg(test)]
mod walk;

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    app::{App, Exchange, FrontEnd},
    parameters,
    tree::{DriveNo, ItemNo, Node, ROOT},
    upload,
};
use access::Locale;
use error::{LiveError, Result};
pub(super) use ids::id_of;
use ids::{IdKind, LiveId};
use kinds::ObjectType;
use objects::{Objects, Shown};
use present::Presentation;
use query::Query;
use route::{Action, BASE, OPERATIONS, PREVIEW, Route, Subject, UNKNOWN, Whose};
use scopes::{PHOTOS, READ, Scopes};

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
        Route::of(request, &query).map_or(UNKNOWN, |route| match route.subject {
            Subject::Preview => PREVIEW,
            _ => route.action.operation(),
        })
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
    let declared = [route::COMMON, action.parameters()];
    if let Some((parameter, value)) = parameters::invalid(&declared, |name| query.get(name)) {
        return Err(LiveError::parameter(format!(
            "The value '{value}' of '{}' isn't valid.",
            parameter.name
        )));
    }
    if subject == Subject::Preview {
        return sharing::preview(app, &exchange.origin, &query).await;
    }
    let grant = exchange.grant?;
    let scopes = Scopes::of(&grant);
    let account = app
        .account(&grant.account)
        .await
        .map_err(|error| LiveError::tree(error, &grant.account))?;
    let shown_how = Shown {
        attachment: query.flag("download")?.unwrap_or(false),
        whole: scopes.has(READ),
        locale: Locale::of(query.get("locale"))?,
    };
    let origin = match query.flag("return_ssl_resources")? {
        Some(false) => exchange.origin.with_plain_resources(),
        Some(true) | None => exchange.origin,
    };
    let objects = Objects { app: Arc::clone(app), origin, account };
    let presentation = presentation.clone();
    let mut asked = Asked { objects, query, presentation, subject, scopes, shown_how };
    asked.own()?;
    asked.scopes.allow(&action)?;
    if let Subject::Friendly(_, name) = asked.subject {
        let folder = friendly::folder(app, &asked.objects.account, name).await?;
        asked.subject = Subject::Item(LiveId::folder(&asked.objects.account.cid, folder));
    }
    act(asked, action, parts, body).await
}

async fn act(asked: Asked, action: Action, parts: Parts, body: Body) -> Result<Response> {
    match action {
        Action::GetUser => items::user(&asked).await,
        Action::GetUserPicture => pictures::of_user(&asked),
        Action::Permissions => Ok(items::permissions(&asked)),
        Action::GetQuota => items::quota(&asked).await,
        Action::Get => items::get(&asked).await,
        Action::Update => items::update(&asked, &parts, body).await,
        Action::Delete => items::delete(&asked).await,
        Action::Move => items::move_to(&asked, &parts, body).await,
        Action::Copy => items::copy_to(&asked, &parts, body).await,
        Action::CreateFolder => items::create_folder(&asked, false, &parts, body).await,
        Action::CreateAlbum => items::create_folder(&asked, true, &parts, body).await,
        Action::ListAlbums => collections::albums(&asked).await,
        Action::List(which) => listing::list(&asked, which).await,
        Action::ListShared(which) => collections::shared(&asked, which).await,
        Action::Recent => collections::recent(&asked).await,
        Action::Search => collections::search(&asked).await,
        Action::GetContent => bytes::get_content(&asked).await,
        Action::GetPicture => pictures::of_item(&asked).await,
        Action::Link(kind) => sharing::link(&asked, kind).await,
        Action::ListComments => comments::list(&asked).await,
        Action::AddComment => comments::add(&asked, &parts, body).await,
        Action::GetComment | Action::DeleteComment | Action::ListTags | Action::GetTag => {
            of_parts(&asked, &action).await
        }
        Action::Put(name) => {
            to_the_end(async move { bytes::put(&asked, &name, &parts, body).await }).await
        }
        Action::PutContent => {
            to_the_end(async move { bytes::put_content(&asked, &parts, body).await }).await
        }
        Action::Post => {
            to_the_end(async move { bytes::post_from_page(&asked, &parts, body).await }).await
        }
    }
}

/// What is asked of an item's comments and tags.
async fn of_parts(asked: &Asked, action: &Action) -> Result<Response> {
    match (action, &asked.subject) {
        (Action::GetComment, Subject::Comment(id)) => comments::get(asked, id).await,
        (Action::DeleteComment, Subject::Comment(id)) => comments::delete(asked, id).await,
        (Action::GetTag, Subject::Tag(id)) => comments::tag(asked, id).await,
        _ => comments::tags(asked).await,
    }
}

async fn to_the_end(
    upload: impl Future<Output = Result<Response>> + Send + 'static,
) -> Result<Response> {
    let answer = upload::to_the_end(upload).await;
    answer.unwrap_or_else(|| Err(LiveError::on_demand(StatusCode::INTERNAL_SERVER_ERROR)))
}

/// A request of somebody known, for something.
struct Asked {
    objects: Objects,
    query: Query,
    presentation: Presentation,
    subject: Subject,
    scopes: Scopes,
    shown_how: Shown,
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
            Subject::User(Whose::Mine)
            | Subject::Root(Whose::Mine)
            | Subject::Friendly(Whose::Mine, _)
            | Subject::Preview => return Ok(()),
            Subject::User(Whose::User(cid))
            | Subject::Root(Whose::User(cid))
            | Subject::Friendly(Whose::User(cid), _) => cid,
            Subject::Item(id) => &id.cid,
            Subject::Comment(id) => &id.cid,
            Subject::Tag(id) => &id.cid,
        };
        if *whose == self.objects.account.cid {
            Ok(())
        } else {
            Err(LiveError::not_found(self.shown()))
        }
    }

    /// The subject's id, for messages and URLs.
    fn shown(&self) -> String {
        let mine = &self.objects.account.cid;
        let cid = |whose: &Whose| match whose {
            Whose::Mine => mine.clone(),
            Whose::User(cid) => cid.clone(),
        };
        match &self.subject {
            Subject::User(whose) => cid(whose),
            Subject::Root(whose) => LiveId::folder(&cid(whose), ROOT).to_string(),
            Subject::Friendly(whose, name) => format!("{}/skydrive/{name}", cid(whose)),
            Subject::Item(id) => id.to_string(),
            Subject::Comment(id) => id.to_string(),
            Subject::Tag(id) => id.to_string(),
            Subject::Preview => "skydrive/get_item_preview".to_owned(),
        }
    }

    /// The number of the item asked for, and its id; whether it is there is not known.
    fn number(&self) -> Result<(ItemNo, String)> {
        let number = match &self.subject {
            Subject::User(_) | Subject::Friendly(..) | Subject::Preview => {
                return Err(LiveError::not_found(self.shown()));
            }
            Subject::Root(_) => ROOT,
            Subject::Item(id) => id.number,
            Subject::Comment(id) => id.item,
            Subject::Tag(id) => id.item,
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
            Subject::Comment(_) | Subject::Tag(_) => IdKind::File,
            Subject::User(_) | Subject::Root(_) | Subject::Friendly(..) | Subject::Preview => {
                IdKind::Folder
            }
        };
        if IdKind::from(node.kind) == kind { Ok(node) } else { Err(LiveError::not_found(shown)) }
    }

    /// The item asked for, if the token's scopes let it be read.
    async fn readable(&self) -> Result<Node> {
        let node = self.node().await?;
        if !ObjectType::of(&node).is_visual() {
            self.scopes.require_one(&[READ])?;
        }
        self.scopes.require_one(&[READ, PHOTOS])?;
        Ok(node)
    }

    /// What an item's type has not got.
    fn unsupported(&self, node: &Node, path: &str) -> LiveError {
        LiveError::url(format!(
            "Resource type '{}' doesn't support the path '{path}'.",
            ObjectType::of(node).name()
        ))
    }
}
