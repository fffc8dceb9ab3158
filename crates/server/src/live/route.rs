//! What a request is about: method and path to an action on a subject
//! (live-connect#storage-endpoints).

use axum::http::{Method, header, request::Parts};

use super::{
    error::{LiveError, Result},
    ids::{CommentId, LiveId, TagId, is_cid},
    query::{Query, decoded},
    well_known_folders,
};
use crate::{
    parameters::{Parameter, Values},
    sharing_links::LinkKind,
};

/// Where Live Connect lies.
pub(super) const BASE: &str = "/v5.0";

/// Whose, in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// `me`: whose token it is.
    Mine,
    /// A user's id.
    User(String),
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A user.
    User(Whose),
    /// A user's root folder, by its well-known name.
    Root(Whose),
    /// A folder with a name in the API (live-connect#op-friendly-folders).
    Friendly(Whose, &'static str),
    /// An item, by its id.
    Item(LiveId),
    Comment(CommentId),
    Tag(TagId),
    /// What a sharing link leads to (live-connect#op-item-preview).
    Preview,
}

/// Which of a folder's children are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Files,
    Albums,
    Photos,
    Videos,
}

impl Which {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "files" => Self::Files,
            "albums" => Self::Albums,
            "photos" => Self::Photos,
            "videos" => Self::Videos,
            _ => return None,
        })
    }

    /// Its segment of a path.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Albums => "albums",
            Self::Photos => "photos",
            Self::Videos => "videos",
        }
    }
}

/// What is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    GetUser,
    GetUserPicture,
    Permissions,
    GetQuota,
    Get,
    Update,
    Delete,
    Move,
    Copy,
    CreateFolder,
    CreateAlbum,
    ListAlbums,
    List(Which),
    ListShared(Which),
    Recent,
    Search,
    /// A file of this name.
    Put(String),
    Post,
    GetContent,
    PutContent,
    GetPicture,
    Link(LinkKind),
    ListComments,
    AddComment,
    GetComment,
    DeleteComment,
    ListTags,
    GetTag,
}

/// What anything else is called.
pub(super) const UNKNOWN: &str = "live.unknown";

/// What a preview is called, which needs no token.
pub(super) const PREVIEW: &str = "live.preview.get";

/// What every operation is called in counters, log and fault rules.
pub(super) const OPERATIONS: &[&str] = &[
    "live.user.get",
    "live.user.picture",
    "live.permissions.get",
    "live.quota.get",
    "live.item.get",
    "live.item.update",
    "live.item.delete",
    "live.item.move",
    "live.item.copy",
    "live.folder.create",
    "live.album.create",
    "live.albums.list",
    "live.files.list",
    "live.shared.list",
    "live.recent.list",
    "live.search",
    "live.files.put",
    "live.files.post",
    "live.content.get",
    "live.content.put",
    "live.picture.get",
    "live.link.get",
    "live.comments.list",
    "live.comments.add",
    "live.comment.get",
    "live.comment.delete",
    "live.tags.list",
    "live.tag.get",
    PREVIEW,
    UNKNOWN,
];

impl Action {
    /// What it is called in counters, log and fault rules.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::GetUser => "live.user.get",
            Self::GetUserPicture => "live.user.picture",
            Self::Permissions => "live.permissions.get",
            Self::GetQuota => "live.quota.get",
            Self::Get => "live.item.get",
            Self::Update => "live.item.update",
            Self::Delete => "live.item.delete",
            Self::Move => "live.item.move",
            Self::Copy => "live.item.copy",
            Self::CreateFolder => "live.folder.create",
            Self::CreateAlbum => "live.album.create",
            Self::ListAlbums => "live.albums.list",
            Self::List(_) => "live.files.list",
            Self::ListShared(_) => "live.shared.list",
            Self::Recent => "live.recent.list",
            Self::Search => "live.search",
            Self::Put(_) => "live.files.put",
            Self::Post => "live.files.post",
            Self::GetContent => "live.content.get",
            Self::PutContent => "live.content.put",
            Self::GetPicture => "live.picture.get",
            Self::Link(_) => "live.link.get",
            Self::ListComments => "live.comments.list",
            Self::AddComment => "live.comments.add",
            Self::GetComment => "live.comment.get",
            Self::DeleteComment => "live.comment.delete",
            Self::ListTags => "live.tags.list",
            Self::GetTag => "live.tag.get",
        }
    }
}

/// Parameters of every request (live-connect#query-parameters).
pub(super) const COMMON: &[Parameter] = &[
    Parameter::new("access_token", Values::Any),
    Parameter::new("callback", Values::Any),
    Parameter::new("download", Values::Flag),
    Parameter::new("locale", Values::Any),
    Parameter::new("method", Values::Any),
    Parameter::new("pretty", Values::Flag),
    Parameter::new("return_ssl_resources", Values::Flag),
    Parameter::new("suppress_response_codes", Values::Flag),
];

const PAGE: &[Parameter] =
    &[Parameter::new("limit", Values::Number), Parameter::new("offset", Values::Number)];

const ITEMS: &[Parameter] = &[
    Parameter::new("filter", Values::Any),
    Parameter::new("limit", Values::Number),
    Parameter::new("offset", Values::Number),
];

const SORTED: &[Parameter] = &[
    Parameter::new("filter", Values::Any),
    Parameter::new("limit", Values::Number),
    Parameter::new("offset", Values::Number),
    Parameter::new("sort_by", Values::OneOf(&["updated", "name", "size", "default"])),
    Parameter::new("sort_order", Values::OneOf(&["descending", "ascending"])),
];

const SEARCH: &[Parameter] = &[
    Parameter::new("filter", Values::Any),
    Parameter::new("limit", Values::Number),
    Parameter::new("offset", Values::Number),
    Parameter::new("q", Values::Any),
];

const REDIRECT: &[Parameter] = &[Parameter::new("suppress_redirects", Values::Flag)];

const PICTURE: &[Parameter] = &[
    Parameter::new("suppress_redirects", Values::Flag),
    Parameter::new("type", Values::OneOf(&["thumbnail", "small", "album", "normal", "full"])),
];

const USER_PICTURE: &[Parameter] = &[
    Parameter::new("suppress_redirects", Values::Flag),
    Parameter::new("type", Values::OneOf(&["small", "medium", "large"])),
];

const UPLOAD: &[Parameter] = &[
    Parameter::new("downsize_photo_uploads", Values::Flag),
    Parameter::new("overwrite", Values::OneOf(&["true", "false", "ChooseNewName"])),
    Parameter::new("redirect_uri", Values::Any),
    Parameter::new("state", Values::Any),
];

impl Action {
    /// Parameters that the reference describes for this action, besides the common ones. `overwrite`
    /// of a move or copy is not among them: clients send it, and the cloud ignored it
    /// (live-connect#move-copy-no-overwrite).
    pub(super) fn parameters(&self) -> &'static [Parameter] {
        match self {
            Self::List(_) => SORTED,
            Self::ListAlbums | Self::ListShared(_) | Self::Recent => ITEMS,
            Self::Search => SEARCH,
            Self::ListComments | Self::ListTags => PAGE,
            Self::GetContent => REDIRECT,
            Self::GetPicture => PICTURE,
            Self::GetUserPicture => USER_PICTURE,
            Self::Put(_) | Self::Post | Self::PutContent => UPLOAD,
            Self::GetUser
            | Self::Permissions
            | Self::GetQuota
            | Self::Get
            | Self::Update
            | Self::Delete
            | Self::Move
            | Self::Copy
            | Self::CreateFolder
            | Self::CreateAlbum
            | Self::Link(_)
            | Self::AddComment
            | Self::GetComment
            | Self::DeleteComment
            | Self::GetTag => &[],
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub subject: Subject,
    pub action: Action,
}

impl Route {
    /// What a request asks for.
    pub(super) fn of(request: &Parts, query: &Query) -> Result<Self> {
        let path = request.uri.path();
        let rest = path.strip_prefix(BASE).unwrap_or(path);
        // Clients join `upload_location`, which ends in a slash, with one of their own.
        let segments: Vec<_> =
            rest.split('/').filter(|one| !one.is_empty()).map(decoded).collect::<Result<_>>()?;
        let segments: Vec<&str> = segments.iter().map(|segment| segment.as_ref()).collect();
        let (subject, tail) = subject(&segments)?;
        let action = action(&method(request, query)?, &subject, tail, is_multipart(request))?;
        Ok(Self { subject, action })
    }
}

/// The method that is meant: `?method=` of a GET or POST, for clients that cannot send others.
fn method(request: &Parts, query: &Query) -> Result<Method> {
    match query.get("method") {
        Some(name) if request.method == Method::GET || request.method == Method::POST => {
            Method::from_bytes(name.to_ascii_uppercase().as_bytes())
                .map_err(|_| LiveError::method(name))
        }
        _ => Ok(request.method.clone()),
    }
}

fn is_multipart(request: &Parts) -> bool {
    request.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data")
    })
}

/// The subject of a path, and what follows it.
fn subject<'a>(segments: &'a [&'a str]) -> Result<(Subject, &'a [&'a str])> {
    let Some((&first, rest)) = segments.split_first() else {
        return Err(LiveError::url("The URL doesn't name a resource."));
    };
    let whose = match first {
        "me" => Some(Whose::Mine),
        user if is_cid(user) => Some(Whose::User(user.to_ascii_lowercase())),
        _ => None,
    };
    match (whose, rest) {
        (Some(whose), ["skydrive", name, rest @ ..])
            if well_known_folders::known(name).is_some() =>
        {
            Ok((
                Subject::Friendly(whose, well_known_folders::known(name).unwrap_or_default()),
                rest,
            ))
        }
        (Some(whose), ["skydrive", rest @ ..]) => Ok((Subject::Root(whose), rest)),
        (Some(whose), rest) => Ok((Subject::User(whose), rest)),
        (None, ["get_item_preview"]) if first == "skydrive" => Ok((Subject::Preview, &[])),
        (None, rest) => match known(first) {
            Some(subject) => Ok((subject, rest)),
            None => {
                Err(LiveError::url(format!("The requested resource ID '{first}' isn't valid.")))
            }
        },
    }
}

/// What an id is the id of.
fn known(id: &str) -> Option<Subject> {
    LiveId::parse(id)
        .map(Subject::Item)
        .or_else(|| CommentId::parse(id).map(Subject::Comment))
        .or_else(|| TagId::parse(id).map(Subject::Tag))
}

/// What a method does with what a path names.
fn action(method: &Method, subject: &Subject, tail: &[&str], multipart: bool) -> Result<Action> {
    let action = match subject {
        Subject::User(_) => of_user(method.as_str(), tail),
        Subject::Root(_) => match of_root(method.as_str(), tail) {
            Found::Nothing => of_item(method.as_str(), tail, multipart),
            found => found,
        },
        Subject::Item(_) | Subject::Friendly(..) => of_item(method.as_str(), tail, multipart),
        Subject::Comment(_) => match (tail, method.as_str()) {
            ([], "GET") => Found::Action(Action::GetComment),
            ([], "DELETE") => Found::Action(Action::DeleteComment),
            ([], _) => Found::Method,
            _ => Found::Nothing,
        },
        Subject::Tag(_) => get(method.as_str(), (tail.is_empty()).then_some(Action::GetTag)),
        // Answered before anybody asks what to do with it.
        Subject::Preview => get(method.as_str(), Some(Action::GetPicture)),
    };
    match action {
        Found::Action(action) => Ok(action),
        Found::Method => Err(LiveError::method(method.as_str())),
        Found::Nothing => Err(LiveError::url(format!(
            "The URL contains the unsupported path '{}'.",
            tail.join("/")
        ))),
    }
}

/// What there is for a method and a path.
enum Found {
    Action(Action),
    /// The path, for other methods.
    Method,
    Nothing,
}

/// What is only for GET; `None`: there is nothing.
fn get(method: &str, action: Option<Action>) -> Found {
    match (action, method) {
        (None, _) => Found::Nothing,
        (Some(action), "GET") => Found::Action(action),
        (Some(_), _) => Found::Method,
    }
}

fn of_user(method: &str, tail: &[&str]) -> Found {
    match (tail, method) {
        (["albums"], "POST") => Found::Action(Action::CreateAlbum),
        (tail, method) => get(
            method,
            match tail {
                [] => Some(Action::GetUser),
                ["albums"] => Some(Action::ListAlbums),
                ["permissions"] => Some(Action::Permissions),
                ["picture"] => Some(Action::GetUserPicture),
                _ => None,
            },
        ),
    }
}

fn of_root(method: &str, tail: &[&str]) -> Found {
    get(
        method,
        match tail {
            ["quota"] => Some(Action::GetQuota),
            ["recent_docs"] => Some(Action::Recent),
            ["shared"] => Some(Action::ListShared(Which::Files)),
            ["shared", which] => Which::parse(which).map(Action::ListShared),
            _ => None,
        },
    )
}

fn of_item(method: &str, tail: &[&str], multipart: bool) -> Found {
    let action = match (tail, method) {
        ([], "GET") => Action::Get,
        ([], "PUT") => Action::Update,
        ([], "DELETE") => Action::Delete,
        ([], "MOVE") => Action::Move,
        ([], "COPY") => Action::Copy,
        ([], "POST") if multipart => Action::Post,
        ([], "POST") => Action::CreateFolder,
        (["files"], "POST") => Action::Post,
        (["files", name], "PUT") => Action::Put((*name).to_owned()),
        (["content"], "GET") => Action::GetContent,
        (["content"], "PUT") => Action::PutContent,
        (["comments"], "GET") => Action::ListComments,
        (["comments"], "POST") => Action::AddComment,
        ([] | ["files", _] | ["content" | "comments"], _) => return Found::Method,
        (tail, method) => {
            let only_get = match tail {
                [which @ ("files" | "photos" | "videos")] => Which::parse(which).map(Action::List),
                ["search"] => Some(Action::Search),
                ["picture"] => Some(Action::GetPicture),
                ["tags"] => Some(Action::ListTags),
                ["shared_read_link"] => Some(Action::Link(LinkKind::Read)),
                ["shared_edit_link"] => Some(Action::Link(LinkKind::Edit)),
                ["embed"] => Some(Action::Link(LinkKind::Embed)),
                _ => None,
            };
            return get(method, only_get);
        }
    };
    Found::Action(action)
}

#[cfg(test)]
mod tests;
