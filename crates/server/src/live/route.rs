//! Parses the method and the path of a request into an action on a subject
//! (live-connect#storage-endpoints).

use axum::http::{Method, header, request::Parts};

use super::{
    account_objects::{action::AccountAction, ids::AccountObjectId},
    action::{ListKind, LiveAction, PICTURE, PREVIEW},
    error::{LiveError, Result},
    ids::{CommentId, LiveId, TagId, is_cid},
    query::{LiveQuery, decode_segment},
    well_known_folders,
};
use crate::{parameters::Parameter, sharing_links::LinkKind};

/// Path prefix of Live Connect.
pub(super) const BASE: &str = "/v5.0";

/// The user in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DriveOwner {
    /// `me`: the owner of the token.
    Me,
    /// The id of a user, in lower case.
    User(String),
}

/// The subject of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A user.
    User(DriveOwner),
    /// The root folder of a user, as `skydrive`.
    Root(DriveOwner),
    /// A folder by its well-known name (live-connect#op-friendly-folders).
    WellKnownFolder(DriveOwner, &'static str),
    /// An item by its id.
    Item(LiveId),
    Comment(CommentId),
    Tag(TagId),
    /// An object outside the drive by its id.
    AccountObject(AccountObjectId),
}

/// The target of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LiveTarget {
    /// The picture of the item that a sharing link names (live-connect#op-item-preview). It needs no
    /// token.
    Preview,
    Route(LiveRoute),
}

/// The subject and the action of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LiveRoute {
    pub subject: Subject,
    pub action: LiveAction,
}

impl LiveTarget {
    /// Parses a request.
    ///
    /// # Errors
    /// 400 for an unknown path, an id that is malformed, and percent-encoded bytes that are not
    /// UTF-8; 405 for a method that the path does not support.
    pub(super) fn parse(request: &Parts, query: &LiveQuery) -> Result<Self> {
        let path = request.uri.path();
        let rest = path.strip_prefix(BASE).unwrap_or(path);
        // Clients append a path with a leading slash to `upload_location`, which already ends in
        // one.
        let segments: Vec<_> = rest
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode_segment)
            .collect::<Result<_>>()?;
        let segments: Vec<&str> = segments.iter().map(|segment| segment.as_ref()).collect();
        if let ["skydrive", "get_item_preview"] = *segments {
            let method = method(request, query)?;
            return match method == Method::GET {
                true => Ok(Self::Preview),
                false => Err(LiveError::method(method.as_str())),
            };
        }
        let (mut subject, tail) = subject(&segments)?;
        let method = method(request, query)?;
        if let Some(application) = application(&method, &subject, tail) {
            subject = Subject::AccountObject(application);
        }
        let action = action(&method, &subject, tail, is_multipart(request))?;
        Ok(Self::Route(LiveRoute { subject, action }))
    }

    /// Returns the operation name for counters, the request log and fault rules.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Preview => PREVIEW,
            Self::Route(route) => route.action.operation(),
        }
    }

    /// Returns the parameters that the reference documents for this request, without the
    /// [`COMMON`](super::action::COMMON) ones.
    pub(super) fn parameters(&self) -> &'static [Parameter] {
        match self {
            Self::Preview => PICTURE,
            Self::Route(route) => route.action.parameters(),
        }
    }
}

/// Returns the effective method: `?method=` of a `GET` or `POST`, for clients that cannot send
/// other methods.
///
/// # Errors
/// 405 if the parameter is not a method name.
fn method(request: &Parts, query: &LiveQuery) -> Result<Method> {
    match query.get("method") {
        Some(name) if request.method == Method::GET || request.method == Method::POST => {
            Method::from_bytes(name.to_ascii_uppercase().as_bytes())
                .map_err(|_| LiveError::method(name))
        }
        _ => Ok(request.method.clone()),
    }
}

/// Returns whether the body is a multipart form.
fn is_multipart(request: &Parts) -> bool {
    request.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data")
    })
}

/// Parses the subject of a path from its percent-decoded segments, and returns it with the
/// remaining segments.
///
/// # Errors
/// 400 if the path is empty or names no user, item, comment or tag.
fn subject<'a>(segments: &'a [&'a str]) -> Result<(Subject, &'a [&'a str])> {
    let Some((&first, rest)) = segments.split_first() else {
        return Err(LiveError::url("The URL doesn't name a resource."));
    };
    let owner = match first {
        "me" => Some(DriveOwner::Me),
        user if is_cid(user) => Some(DriveOwner::User(user.to_ascii_lowercase())),
        _ => None,
    };
    match (owner, rest) {
        (Some(owner), ["skydrive", rest @ ..]) => match well_known_folder(rest) {
            Some((name, tail)) => Ok((Subject::WellKnownFolder(owner, name), tail)),
            None => Ok((Subject::Root(owner), rest)),
        },
        (Some(owner), rest) => Ok((Subject::User(owner), rest)),
        (None, rest) => match parse_id(first) {
            Some(subject) => Ok((subject, rest)),
            None => {
                Err(LiveError::url(format!("The requested resource ID '{first}' isn't valid.")))
            }
        },
    }
}

/// Returns the application of a path that begins with its client id, if the request changes it. Client
/// ids look like the ids of users, which cannot be changed; `GET` is the same for both.
fn application(method: &Method, subject: &Subject, tail: &[&str]) -> Option<AccountObjectId> {
    let Subject::User(DriveOwner::User(id)) = subject else { return None };
    let is_change = match tail {
        [] => *method == Method::PUT || *method == Method::DELETE,
        ["picture"] => *method == Method::PUT || *method == Method::POST,
        _ => false,
    };
    is_change.then(|| AccountObjectId::for_client(id))
}

/// Parses a well-known name at the start of `segments`, and returns it with the remaining segments;
/// `None` if the first segment is no such name.
fn well_known_folder<'a>(segments: &'a [&'a str]) -> Option<(&'static str, &'a [&'a str])> {
    let (name, tail) = segments.split_first()?;
    Some((well_known_folders::canonical_name(name)?, tail))
}

/// Parses the id of an item, a comment, a tag or an object outside the drive; `None` if it is none of
/// them.
fn parse_id(id: &str) -> Option<Subject> {
    LiveId::parse(id)
        .map(Subject::Item)
        .or_else(|| CommentId::parse(id).map(Subject::Comment))
        .or_else(|| TagId::parse(id).map(Subject::Tag))
        .or_else(|| AccountObjectId::parse(id).map(Subject::AccountObject))
}

/// Returns the action of a method on a subject. `tail` are the segments after the subject;
/// `multipart` is whether the body is a multipart form.
///
/// # Errors
/// 400 for an unknown path; 405 for a method that the path does not support.
fn action(
    method: &Method,
    subject: &Subject,
    tail: &[&str],
    multipart: bool,
) -> Result<LiveAction> {
    let action = match subject {
        Subject::User(_) => user_action(method.as_str(), tail),
        Subject::Root(_) => match root_action(method.as_str(), tail) {
            RouteMatch::NoRoute => item_action(method.as_str(), tail, multipart),
            other => other,
        },
        Subject::Item(_) | Subject::WellKnownFolder(..) => {
            item_action(method.as_str(), tail, multipart)
        }
        Subject::Comment(_) => match (tail, method.as_str()) {
            ([], "GET") => RouteMatch::Action(LiveAction::GetComment),
            ([], "DELETE") => RouteMatch::Action(LiveAction::DeleteComment),
            ([], _) => RouteMatch::OtherMethod,
            _ => RouteMatch::NoRoute,
        },
        Subject::Tag(_) => {
            get_only(method.as_str(), (tail.is_empty()).then_some(LiveAction::GetTag))
        }
        Subject::AccountObject(id) => {
            RouteMatch::from(AccountAction::on_object(method.as_str(), id.kind, tail))
        }
    };
    match action {
        RouteMatch::Action(action) => Ok(action),
        RouteMatch::OtherMethod => Err(LiveError::method(method.as_str())),
        RouteMatch::NoRoute => Err(LiveError::url(format!(
            "The URL contains the unsupported path '{}'.",
            tail.join("/")
        ))),
    }
}

/// The result of matching a method and a path.
enum RouteMatch {
    Action(LiveAction),
    /// The path exists, but not with this method.
    OtherMethod,
    NoRoute,
}

impl From<Option<Option<AccountAction>>> for RouteMatch {
    /// Converts the result of [`AccountAction::on_object`] and `on_collection`: `None` is no route,
    /// `Some(None)` another method.
    fn from(action: Option<Option<AccountAction>>) -> Self {
        match action {
            Some(Some(action)) => Self::Action(LiveAction::Account(action)),
            Some(None) => Self::OtherMethod,
            None => Self::NoRoute,
        }
    }
}

/// Matches a path that only supports `GET`. `action` is `None` if the path does not exist.
fn get_only(method: &str, action: Option<LiveAction>) -> RouteMatch {
    match (action, method) {
        (None, _) => RouteMatch::NoRoute,
        (Some(action), "GET") => RouteMatch::Action(action),
        (Some(_), _) => RouteMatch::OtherMethod,
    }
}

/// Matches the path after a user.
fn user_action(method: &str, tail: &[&str]) -> RouteMatch {
    if let [name] = tail
        && let Some(action) = AccountAction::on_collection(method, name)
    {
        return RouteMatch::from(Some(action));
    }
    match (tail, method) {
        (["albums"], "POST") => RouteMatch::Action(LiveAction::CreateAlbum),
        (tail, method) => get_only(
            method,
            match tail {
                [] => Some(LiveAction::GetUser),
                ["albums"] => Some(LiveAction::ListAlbums),
                ["permissions"] => Some(LiveAction::Permissions),
                ["picture"] => Some(LiveAction::GetUserPicture),
                _ => None,
            },
        ),
    }
}

/// Matches a path that only the root folder has.
fn root_action(method: &str, tail: &[&str]) -> RouteMatch {
    get_only(
        method,
        match tail {
            ["quota"] => Some(LiveAction::GetQuota),
            ["recent_docs"] => Some(LiveAction::Recent),
            ["shared"] => Some(LiveAction::ListShared(ListKind::Files)),
            ["shared", kind] => ListKind::parse(kind).map(LiveAction::ListShared),
            _ => None,
        },
    )
}

/// Matches the path after an item. `multipart`: the body is a multipart form.
fn item_action(method: &str, tail: &[&str], multipart: bool) -> RouteMatch {
    let action = match (tail, method) {
        ([], "GET") => LiveAction::Get,
        ([], "PUT") => LiveAction::Update,
        ([], "DELETE") => LiveAction::Delete,
        ([], "MOVE") => LiveAction::Move,
        ([], "COPY") => LiveAction::Copy,
        ([], "POST") if multipart => LiveAction::Post,
        ([], "POST") => LiveAction::CreateFolder,
        (["files"], "POST") => LiveAction::Post,
        (["files", name], "PUT") => LiveAction::Put((*name).to_owned()),
        (["content"], "GET") => LiveAction::GetContent,
        (["content"], "PUT") => LiveAction::PutContent,
        (["comments"], "GET") => LiveAction::ListComments,
        (["comments"], "POST") => LiveAction::AddComment,
        ([] | ["files", _] | ["content" | "comments"], _) => return RouteMatch::OtherMethod,
        (tail, method) => {
            let action = match tail {
                [kind @ ("files" | "photos" | "videos")] => {
                    ListKind::parse(kind).map(LiveAction::List)
                }
                ["search"] => Some(LiveAction::Search),
                ["picture"] => Some(LiveAction::GetPicture),
                ["tags"] => Some(LiveAction::ListTags),
                ["shared_read_link"] => Some(LiveAction::Link(LinkKind::Read)),
                ["shared_edit_link"] => Some(LiveAction::Link(LinkKind::Edit)),
                ["embed"] => Some(LiveAction::Link(LinkKind::Embed)),
                _ => None,
            };
            return get_only(method, action);
        }
    };
    RouteMatch::Action(action)
}

#[cfg(test)]
mod tests;
