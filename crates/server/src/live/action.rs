//! The actions of the protocol: their names in counters, and the query parameters that they read
//! (live-connect#storage-endpoints).

use super::account_objects::action::AccountAction;
use crate::{
    parameters::{Parameter, Values},
    sharing_links::LinkKind,
};

/// Which objects of a folder a list contains. Photos, albums and videos are subsets of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    Files,
    Albums,
    Photos,
    Videos,
}

impl ListKind {
    /// Parses a path segment; `None` if it names no list.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "files" => Self::Files,
            "albums" => Self::Albums,
            "photos" => Self::Photos,
            "videos" => Self::Videos,
            _ => return None,
        })
    }

    /// Returns the path segment of the list.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Albums => "albums",
            Self::Photos => "photos",
            Self::Videos => "videos",
        }
    }
}

/// An action on a `Subject`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LiveAction {
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
    List(ListKind),
    ListShared(ListKind),
    Recent,
    Search,
    /// Uploads a file with this name into a folder.
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
    /// An action on an object outside the drive.
    Account(AccountAction),
}

/// Operation name of requests that match no route.
pub(super) const UNKNOWN: &str = "live.unknown";

/// Operation name of a link preview, the only operation that needs no token.
pub(super) const PREVIEW: &str = "live.preview.get";

/// All operation names, for counters, the request log and fault rules.
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
    "live.contacts.list",
    "live.contact.create",
    "live.contact.get",
    "live.friends.list",
    "live.calendars.list",
    "live.calendar.create",
    "live.calendar.get",
    "live.calendar.update",
    "live.calendar.delete",
    "live.events.list",
    "live.event.create",
    "live.event.get",
    "live.event.update",
    "live.event.delete",
    "live.activity.create",
    "live.applications.list",
    "live.application.create",
    "live.application.get",
    "live.application.update",
    "live.application.delete",
    "live.application.picture",
    "live.application.picture.put",
    PREVIEW,
    UNKNOWN,
];

impl LiveAction {
    /// Returns the operation name for counters, the request log and fault rules.
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
            Self::Account(action) => action.operation(),
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

/// The parameters of a picture, and of a link preview.
pub(super) const PICTURE: &[Parameter] = &[
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

impl LiveAction {
    /// Returns the parameters that the reference documents for this action, without the [`COMMON`]
    /// ones. `overwrite` of a move or copy is not included: clients send it, and the cloud ignored
    /// it (live-connect#move-copy-no-overwrite).
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
            Self::Account(action) => action.parameters(),
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

    /// Returns whether the subject may belong to another user. The handler checks the rights then.
    pub(super) fn is_across_users(&self) -> bool {
        matches!(
            self,
            Self::GetUser
                | Self::GetUserPicture
                | Self::Account(AccountAction::ListCalendars | AccountAction::ListEvents)
        )
    }
}
