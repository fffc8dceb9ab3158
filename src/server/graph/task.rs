//! What a request asks for: its method and address, understood.

use http::Method;

use super::{
    address::{Address, Call, DriveRef, ItemAddress, Owner, Site},
    error::{Error, Result},
};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Batch,
    User(Owner),
    Drives(Owner),
    Site(Site),
    Sites,
    Drive { drive: DriveRef, calls: Vec<Call> },
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
    Permissions(Vec<Call>),
    Thumbnails(Vec<Call>),
    Versions(Vec<Call>),
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
            Address::Drive { drive, calls } => Self::Drive { drive, calls },
        };
        if is_look(method) { Ok(task) } else { Err(Error::method("GET")) }
    }

    fn of_item(method: &Method, mut address: ItemAddress) -> Result<Self> {
        let mut calls = std::mem::take(&mut address.calls);
        if calls.is_empty() && *method == Method::POST && address.path == ["children"] {
            // Meant is the folder's collection, as OpenDAL's `create_dir` shows (C5, inferred).
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

    /// What counters and fault rules call it.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Batch => "graph.batch",
            Self::User(_) => "graph.user.get",
            Self::Drives(_) => "graph.drives.list",
            Self::Site(_) => "graph.site.get",
            Self::Sites => "graph.sites.list",
            Self::Drive { calls, .. } if calls.is_empty() => "graph.drive.get",
            Self::Drive { calls, .. } if calls[0].name == "search" => "graph.search.list",
            Self::Drive { calls, .. } if calls[0].name == "recent" => "graph.recent.list",
            Self::Drive { calls, .. } if is_shared(&calls[0]) => "graph.shared.list",
            Self::Drive { .. } => UNKNOWN,
            Self::Item { what, .. } => what.operation(),
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
            ("thumbnails", _) => Ok(Self::Thumbnails(rest)),
            ("permissions", _) => Ok(Self::Permissions(rest)),
            ("versions", _) => Ok(Self::Versions(rest)),
            (other, _) => Err(Error::not_supported(format!("'{other}' of an item is not served."))),
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Get => "graph.item.get",
            Self::Update => "graph.item.update",
            Self::Put => "graph.item.put",
            Self::Delete => "graph.item.delete",
            Self::DeleteForGood => "graph.item.purge",
            Self::Restore => "graph.item.restore",
            Self::ListChildren => "graph.children.list",
            Self::CreateChild => "graph.children.create",
            Self::GetContent => "graph.content.get",
            Self::PutContent => "graph.content.put",
            Self::Preview => "graph.preview.get",
            Self::CreateSession => "graph.session.create",
            Self::Copy => "graph.copy.start",
            Self::Delta(_) => "graph.delta.list",
            Self::Search(_) => "graph.search.list",
            Self::CreateLink => "graph.link.create",
            Self::Invite | Self::Permissions(_) => "graph.permissions",
            Self::Thumbnails(_) => "graph.thumbnails.get",
            Self::Versions(_) => "graph.versions",
        }
    }
}

/// What a request is called that is none of the others.
pub(super) const UNKNOWN: &str = "graph.unknown";

/// Every name that a request may be called.
pub(super) const OPERATIONS: &[&str] = &[
    "graph.user.get",
    "graph.drives.list",
    "graph.drive.get",
    "graph.site.get",
    "graph.sites.list",
    "graph.item.get",
    "graph.item.update",
    "graph.item.put",
    "graph.item.delete",
    "graph.item.purge",
    "graph.item.restore",
    "graph.children.list",
    "graph.children.create",
    "graph.content.get",
    "graph.content.put",
    "graph.session.create",
    "graph.session.fragment",
    "graph.session.status",
    "graph.session.cancel",
    "graph.session.commit",
    "graph.copy.start",
    "graph.copy.status",
    "graph.delta.list",
    "graph.search.list",
    "graph.link.create",
    "graph.link.get",
    "graph.permissions",
    "graph.thumbnails.get",
    "graph.preview.get",
    "graph.versions",
    "graph.recent.list",
    "graph.shared.list",
    "graph.batch",
    UNKNOWN,
];

/// Whether what others share is asked for; `shared` is what the first API called it.
pub(super) fn is_shared(call: &Call) -> bool {
    matches!(call.name.as_str(), "sharedWithMe" | "shared")
}

/// What a request to an upload URL is called.
pub(super) fn of_session(method: &Method) -> &'static str {
    match *method {
        Method::PUT => "graph.session.fragment",
        Method::GET => "graph.session.status",
        Method::DELETE => "graph.session.cancel",
        Method::POST => "graph.session.commit",
        _ => UNKNOWN,
    }
}

/// Whether a method only looks.
fn is_look(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::graph::query::Query;

    fn operation(method: Method, path: &str) -> Result<&'static str> {
        let address = Address::parse(path, &Query::default())?;
        let task = Task::of(&method, address)?;
        let operation = task.operation();
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
