//! What a request asks for: its method and address, understood.

use std::sync::LazyLock;

use http::Method;

use super::{
    address::{Address, Call, DriveRef, ItemAddress, Owner, Site},
    error::{Error, Result},
    table::{self, Route},
};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Batch,
    User(Owner),
    Drives(Owner),
    Site(Site),
    Sites,
    Drive { drive: DriveRef, what: DriveTask },
    Item { address: ItemAddress, what: ItemTask },
}

/// What is asked of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemTask {
    Get,
    Update,
    Put,
    Delete,
    DeleteForGood,
    Restore,
    ListChildren,
    CreateChild,
    GetContent,
    PutContent,
    Preview,
    CreateSession,
    Copy,
    Delta(Call),
    Search(Call),
    CreateLink,
    Invite,
    Permissions(PermissionTask),
    Thumbnails(Vec<Call>),
    Versions(VersionTask),
}

/// A request for a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DriveTask {
    Get,
    Search(Call),
    Recent,
    Shared,
}

/// A request for the permissions of an item, or for the one with an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PermissionTask {
    List,
    Get(String),
    Update(String),
    Delete(String),
}

/// A request for the versions of a file, or for the one with an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VersionTask {
    List,
    Get(String),
    Content(String),
    Delete(String),
}

impl Task {
    pub(super) fn of(method: &Method, address: Address) -> Result<Self> {
        let task = match address {
            Address::Item(address) => return Self::of_item(method, address),
            Address::Batch if *method == Method::POST => return Ok(Self::Batch),
            Address::Batch => return Err(Error::method("POST")),
            Address::User(owner) => Self::User(owner),
            Address::Drives(owner) => Self::Drives(owner),
            Address::Site(site) => Self::Site(site),
            Address::Sites => Self::Sites,
            Address::Drive { drive, calls } => Self::Drive { drive, what: DriveTask::of(calls)? },
        };
        if is_look(method) { Ok(task) } else { Err(Error::method("GET")) }
    }

    fn of_item(method: &Method, mut address: ItemAddress) -> Result<Self> {
        let mut calls = std::mem::take(&mut address.calls);
        if calls.is_empty() && *method == Method::POST && address.path == ["children"] {
            // Meant is the folder's collection, as OpenDAL's `create_dir` shows
            // (onedrive-graph#post-root-children, inferred).
            address.path.clear();
            calls.push(Call { name: "children".into(), arguments: Vec::new() });
        }
        let rest = calls.split_off(calls.len().min(1));
        let what = match calls.pop() {
            None => Self::of_the_item_itself(method)?,
            Some(call) => ItemTask::of(method, call, rest)?,
        };
        Ok(Self::Item { address, what })
    }

    fn of_the_item_itself(method: &Method) -> Result<ItemTask> {
        match *method {
            Method::GET | Method::HEAD => Ok(ItemTask::Get),
            Method::PATCH => Ok(ItemTask::Update),
            Method::PUT => Ok(ItemTask::Put),
            Method::DELETE => Ok(ItemTask::Delete),
            _ => Err(Error::method("GET, PATCH, PUT, DELETE")),
        }
    }

    /// Its route in the table.
    pub(super) fn route(&self) -> &'static Route {
        match self {
            Self::Batch => &table::BATCH,
            Self::User(_) => &table::USER,
            Self::Drives(_) => &table::DRIVES,
            Self::Site(_) => &table::SITE,
            Self::Sites => &table::SITES,
            Self::Drive { what, .. } => match what {
                DriveTask::Get => &table::DRIVE,
                DriveTask::Search(_) => &table::SEARCH,
                DriveTask::Recent => &table::RECENT,
                DriveTask::Shared => &table::SHARED,
            },
            Self::Item { what, .. } => what.route(),
        }
    }
}

impl DriveTask {
    fn of(mut calls: Vec<Call>) -> Result<Self> {
        let rest = calls.split_off(calls.len().min(1));
        let Some(call) = calls.pop() else { return Ok(Self::Get) };
        match (call.name.as_str(), rest.as_slice()) {
            ("search", []) => Ok(Self::Search(call)),
            ("recent", []) => Ok(Self::Recent),
            // `shared` is the name in the first API.
            ("sharedWithMe" | "shared", []) => Ok(Self::Shared),
            (other, _) => Err(Error::not_supported(format!("'{other}' of a drive is not served."))),
        }
    }
}

impl ItemTask {
    fn of(method: &Method, call: Call, rest: Vec<Call>) -> Result<Self> {
        let post = |task: Self| match *method {
            Method::POST => Ok(task),
            _ => Err(Error::method("POST")),
        };
        let get = |task: Self| if is_look(method) { Ok(task) } else { Err(Error::method("GET")) };
        match (call.name.as_str(), rest.as_slice()) {
            ("children", []) if *method == Method::POST => Ok(Self::CreateChild),
            ("children", []) if is_look(method) => Ok(Self::ListChildren),
            ("children", []) => Err(Error::method("GET, POST")),
            ("content", []) if *method == Method::PUT => Ok(Self::PutContent),
            ("content", []) if is_look(method) => Ok(Self::GetContent),
            ("content", []) => Err(Error::method("GET, PUT")),
            ("createUploadSession", []) => post(Self::CreateSession),
            ("preview", []) => post(Self::Preview),
            ("copy", []) => post(Self::Copy),
            ("permanentDelete", []) => post(Self::DeleteForGood),
            ("restore", []) => post(Self::Restore),
            ("createLink", []) => post(Self::CreateLink),
            ("delta", []) => get(Self::Delta(call)),
            ("search", []) => get(Self::Search(call)),
            ("invite", []) => post(Self::Invite),
            ("thumbnails", [] | [_] | [_, _]) if is_look(method) => Ok(Self::Thumbnails(rest)),
            ("thumbnails", [_, _, content]) if is_look(method) && content.name == "content" => {
                Ok(Self::Thumbnails(rest))
            }
            ("thumbnails", _) => {
                Err(Error::not_supported("Custom thumbnails of items are not served."))
            }
            ("permissions", _) => PermissionTask::of(method, rest).map(Self::Permissions),
            ("versions", _) => VersionTask::of(method, rest).map(Self::Versions),
            (other, _) => Err(Error::not_supported(format!("'{other}' of an item is not served."))),
        }
    }

    fn route(&self) -> &'static Route {
        match self {
            Self::Get => &table::ITEM_GET,
            Self::Update => &table::ITEM_UPDATE,
            Self::Put => &table::ITEM_PUT,
            Self::Delete => &table::ITEM_DELETE,
            Self::DeleteForGood => &table::PURGE,
            Self::Restore => &table::RESTORE,
            Self::ListChildren => &table::CHILDREN_LIST,
            Self::CreateChild => &table::CHILDREN_CREATE,
            Self::GetContent => &table::CONTENT_GET,
            Self::PutContent => &table::CONTENT_PUT,
            Self::Preview => &table::PREVIEW,
            Self::CreateSession => &table::SESSION_CREATE,
            Self::Copy => &table::COPY,
            Self::Delta(_) => &table::DELTA,
            Self::Search(_) => &table::SEARCH,
            Self::CreateLink => &table::LINK_CREATE,
            Self::Invite => &table::INVITE,
            Self::Permissions(task) => match task {
                PermissionTask::List => &table::PERMISSIONS,
                PermissionTask::Get(_) => &table::PERMISSION_GET,
                PermissionTask::Update(_) => &table::PERMISSION_UPDATE,
                PermissionTask::Delete(_) => &table::PERMISSION_DELETE,
            },
            Self::Thumbnails(calls) => match calls.len() {
                0 => &table::THUMBNAILS,
                1 => &table::THUMBNAIL_SET,
                2 => &table::THUMBNAIL,
                _ => &table::THUMBNAIL_CONTENT,
            },
            Self::Versions(task) => match task {
                VersionTask::List => &table::VERSIONS,
                VersionTask::Get(_) => &table::VERSION_GET,
                VersionTask::Content(_) => &table::VERSION_CONTENT,
                VersionTask::Delete(_) => &table::VERSION_DELETE,
            },
        }
    }
}

impl PermissionTask {
    fn of(method: &Method, mut calls: Vec<Call>) -> Result<Self> {
        let rest = calls.split_off(calls.len().min(1));
        let Some(Call { name: id, .. }) = calls.pop() else {
            return if is_look(method) { Ok(Self::List) } else { Err(Error::method("GET")) };
        };
        if let Some(Call { name, .. }) = rest.first() {
            return Err(Error::not_supported(format!("'{name}' of a permission is not served.")));
        }
        match *method {
            Method::GET | Method::HEAD => Ok(Self::Get(id)),
            Method::PATCH => Ok(Self::Update(id)),
            Method::DELETE => Ok(Self::Delete(id)),
            _ => Err(Error::method("GET, PATCH, DELETE")),
        }
    }
}

impl VersionTask {
    fn of(method: &Method, mut calls: Vec<Call>) -> Result<Self> {
        let rest = calls.split_off(calls.len().min(1));
        let Some(Call { name: id, .. }) = calls.pop() else {
            return if is_look(method) { Ok(Self::List) } else { Err(Error::method("GET")) };
        };
        match rest.as_slice() {
            [] => match *method {
                Method::GET | Method::HEAD => Ok(Self::Get(id)),
                Method::DELETE => Ok(Self::Delete(id)),
                _ => Err(Error::method("GET, DELETE")),
            },
            [call] if call.name == "content" => match is_look(method) {
                true => Ok(Self::Content(id)),
                false => Err(Error::method("GET")),
            },
            [call, ..] => {
                Err(Error::not_supported(format!("'{}' of a version is not served.", call.name)))
            }
        }
    }
}

/// The operation of a request that is none of the others.
pub(super) const UNKNOWN: &str = "graph.unknown";

/// Every operation, once.
pub(super) static OPERATIONS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut all: Vec<_> = table::ROUTES.iter().map(|route| route.operation).collect();
    all.dedup();
    all.push(UNKNOWN);
    all
});

/// The route of a request to an upload URL.
pub(super) fn of_session(method: &Method) -> Option<&'static Route> {
    match *method {
        Method::PUT => Some(&table::SESSION_FRAGMENT),
        Method::GET => Some(&table::SESSION_STATUS),
        Method::DELETE => Some(&table::SESSION_CANCEL),
        Method::POST => Some(&table::SESSION_COMMIT),
        _ => None,
    }
}

/// Whether a method only looks.
fn is_look(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::query::Query;

    fn operation(method: Method, path: &str) -> Result<&'static str> {
        let address = Address::parse(path, &Query::default())?;
        let task = Task::of(&method, address)?;
        let operation = task.route().operation;
        assert!(OPERATIONS.contains(&operation), "{operation} is not listed");
        Ok(operation)
    }

    #[test]
    fn method_and_address_say_what_is_asked_for() {
        for (method, path, expected) in [
            (Method::GET, "/me/drive/root:/a", "graph.item.get"),
            (Method::HEAD, "/me/drive/root:/a", "graph.item.get"),
            (Method::PATCH, "/drives/d/items/i", "graph.item.update"),
            (Method::PUT, "/drives/d/items/i:/a:/content", "graph.content.put"),
            (Method::GET, "/drives/d/items/i/content", "graph.content.get"),
            (Method::GET, "/me/drive/root/children", "graph.children.list"),
            (Method::POST, "/me/drive/root:/a:/children", "graph.children.create"),
            (Method::GET, "/me/drive/root:/children", "graph.item.get"),
            (Method::POST, "/me/drive/root:/children", "graph.children.create"),
            (Method::POST, "/me/drive/items/i/microsoft.graph.copy", "graph.copy.start"),
            (Method::GET, "/me/drive/items/root/delta()", "graph.delta.list"),
            (Method::GET, "/me/drive/search(q='a')", "graph.search.list"),
            (Method::GET, "/me/drive/recent()", "graph.recent.list"),
            (Method::GET, "/drives/d/sharedWithMe", "graph.shared.list"),
            (Method::GET, "/me/drive/items/i/thumbnails/0/small", "graph.thumbnails.get"),
            (Method::POST, "/me/drive/root:/a:/preview", "graph.preview.get"),
            (Method::POST, "/me/drive/items/i/invite", "graph.permissions"),
            (Method::DELETE, "/me/drive/items/i/versions/1.0", "graph.versions"),
            (Method::GET, "/me/drives", "graph.drives.list"),
            (Method::POST, "/$batch", "graph.batch"),
        ] {
            assert_eq!(operation(method, path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn a_method_that_does_not_fit_is_refused_with_those_that_do() {
        for (method, path, allowed) in [
            (Method::POST, "/me/drive/root:/a", "GET, PATCH, PUT, DELETE"),
            (Method::GET, "/me/drive/items/i/copy", "POST"),
            (Method::DELETE, "/me/drive", "GET"),
            (Method::PATCH, "/me/drive/root/children", "GET, POST"),
        ] {
            let error = operation(method, path).unwrap_err();
            assert_eq!(error.status, http::StatusCode::METHOD_NOT_ALLOWED, "{path}");
            assert_eq!(error.headers[0].1, allowed, "{path}");
        }
    }
}
