//! Routing: maps method and address to an action, and the action to its route in the table.

use std::sync::LazyLock;

use http::Method;

use super::{
    address::{Address, DriveRef, ItemAddress, Owner, PathSegment, Site},
    analytics::AnalyticsAction,
    bundles::BundleAction,
    error::{Error, Result},
    lists::ListAction,
    sharing_actions::{PermissionAction, ShareAction, SitePermissionAction},
    table::{self, GraphRoute},
    tenant::{self, TenantAction},
};

/// The action that a request performs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GraphAction {
    Batch,
    SearchQuery,
    User(Owner),
    Drives(Owner),
    Tenant(TenantAction),
    Drive { drive: DriveRef, action: DriveAction },
    Share { token: String, action: ShareAction },
    SitePermissions { site: Site, action: SitePermissionAction },
    Item { address: ItemAddress, action: ItemAction },
}

/// An action on an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemAction {
    Get,
    Update,
    Put,
    Delete,
    Purge,
    Restore,
    ListChildren,
    CreateChild,
    GetContent,
    StreamContent,
    PutContent,
    Preview,
    CreateSession,
    Copy,
    CheckOut,
    CheckIn,
    DiscardCheckOut,
    CreateMultipart,
    Follow,
    Unfollow,
    Delta(PathSegment),
    Search(PathSegment),
    CreateLink,
    Invite,
    Permissions(PermissionAction),
    Thumbnails(Vec<PathSegment>),
    Versions(VersionAction),
    /// An action on the item's listItem.
    ListItem(ListAction),
    Analytics(AnalyticsAction),
    ExtractSensitivityLabels,
    AssignSensitivityLabel,
    RetentionLabel,
    SetRetentionLabel,
    RemoveRetentionLabel,
}

/// An action on a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DriveAction {
    Get,
    Search(PathSegment),
    Recent,
    Shared,
    Following,
    /// An action on the drive's list.
    List(ListAction),
    Bundles(BundleAction),
}

/// An action on the versions of a file, or on the version with an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VersionAction {
    List,
    Get(String),
    Content(String),
    Restore(String),
    Delete(String),
}

impl GraphAction {
    /// Returns the action of a method on an address.
    ///
    /// # Errors
    /// 405 for a method that the address does not have, 501 for a segment that this server does not
    /// serve.
    pub(super) fn parse(method: &Method, address: Address) -> Result<Self> {
        let action = match address {
            Address::Item(address) => return Self::parse_item(method, address),
            Address::Share { token, segments } => {
                let action = ShareAction::parse(method, &segments)?;
                return Ok(Self::Share { token, action });
            }
            Address::SitePermissions { site, segments } => {
                let action = SitePermissionAction::parse(method, segments)?;
                return Ok(Self::SitePermissions { site, action });
            }
            Address::Batch if *method == Method::POST => return Ok(Self::Batch),
            Address::SearchQuery if *method == Method::POST => return Ok(Self::SearchQuery),
            Address::Batch | Address::SearchQuery => return Err(Error::method("POST")),
            Address::User(owner) => Self::User(owner),
            Address::Drives(owner) => Self::Drives(owner),
            Address::Site(site) => {
                let action = TenantAction::of_owner(method, Owner::Site(site), Vec::new())?;
                return Ok(Self::Tenant(action));
            }
            Address::Sites => Self::Tenant(TenantAction::Sites),
            Address::Tenant(collection) => {
                return TenantAction::List(collection).read(method).map(Self::Tenant);
            }
            Address::Organization(id) => {
                return TenantAction::Organization(id).read(method).map(Self::Tenant);
            }
            Address::OfOwner { owner, segments } => {
                return TenantAction::of_owner(method, owner, segments).map(Self::Tenant);
            }
            Address::Drive { drive, segments } => {
                if let Some(action) = DriveAction::parse_collection(method, &segments)? {
                    return Ok(Self::Drive { drive, action });
                }
                Self::Drive { drive, action: DriveAction::parse(segments)? }
            }
        };
        if is_read(method) { Ok(action) } else { Err(Error::method("GET")) }
    }

    /// Returns the action of a method on an item, and the item's address without further segments.
    ///
    /// # Errors
    /// 405 for a method that the address does not have, 501 for a segment that this server does not
    /// serve.
    fn parse_item(method: &Method, mut address: ItemAddress) -> Result<Self> {
        let mut segments = std::mem::take(&mut address.segments);
        if segments.is_empty() && *method == Method::POST && address.path == ["children"] {
            // The path addresses an item named "children", but clients such as OpenDAL's
            // `create_dir` mean the folder's collection (onedrive-graph#post-root-children,
            // inferred).
            address.path.clear();
            segments.push(PathSegment { name: "children".into(), arguments: Vec::new() });
        }
        if let Some(action) = AnalyticsAction::take(&mut segments) {
            if let Some(segment) = segments.first() {
                let name = &segment.name;
                return Err(Error::unsupported(format_args!("serve analytics of '{name}'")));
            }
            let action = ItemAction::Analytics(action.read(method)?);
            return Ok(Self::Item { address, action });
        }
        let rest = segments.split_off(segments.len().min(1));
        let action = match segments.pop() {
            None => ItemAction::on_item(method)?,
            Some(segment) => ItemAction::parse(method, segment, rest)?,
        };
        Ok(Self::Item { address, action })
    }

    /// Returns the action for a request whose body is `multipart/related`. Only the creation of a
    /// child differs.
    pub(super) fn with_related_parts(self) -> Self {
        match self {
            Self::Item { address, action: ItemAction::CreateChild } => {
                Self::Item { address, action: ItemAction::CreateMultipart }
            }
            other => other,
        }
    }

    /// Returns the action's route in the table.
    pub(super) fn route(&self) -> &'static GraphRoute {
        match self {
            Self::Batch => &table::BATCH,
            Self::SearchQuery => &table::SEARCH_QUERY,
            Self::User(_) => &table::USER,
            Self::Drives(_) => &table::DRIVES,
            Self::Tenant(action) => action.route(),
            Self::Drive { action, .. } => match action {
                DriveAction::Get => &table::DRIVE,
                DriveAction::Search(_) => &table::SEARCH,
                DriveAction::Recent => &table::RECENT,
                DriveAction::Shared => &table::SHARED,
                DriveAction::Following => &table::FOLLOWING,
                DriveAction::List(action) => action.route(),
                DriveAction::Bundles(action) => action.route(),
            },
            Self::Share { action, .. } => action.route(),
            Self::SitePermissions { action, .. } => action.route(),
            Self::Item { action, .. } => action.route(),
        }
    }
}

impl DriveAction {
    /// Returns the action on the list or the bundles of a drive; `None` if the first segment is neither
    /// `list` nor `bundles`.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for a segment that this server does not
    /// serve.
    fn parse_collection(method: &Method, segments: &[PathSegment]) -> Result<Option<Self>> {
        match segments.split_first() {
            Some((first, rest)) if first.name == "bundles" => {
                BundleAction::parse(method, rest).map(|action| Some(Self::Bundles(action)))
            }
            Some((first, rest)) if first.name == "list" => {
                let rest = tenant::names(rest.to_vec());
                let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
                ListAction::parse(method, &rest).map(|action| Some(Self::List(action)))
            }
            _ => Ok(None),
        }
    }

    /// Returns the action on a drive that the segments after it name.
    ///
    /// # Errors
    /// 501 for another segment than `search`, `recent`, `following`, `shared` and `sharedWithMe`, and for a
    /// segment after them.
    fn parse(mut segments: Vec<PathSegment>) -> Result<Self> {
        let rest = segments.split_off(segments.len().min(1));
        let Some(segment) = segments.pop() else { return Ok(Self::Get) };
        match (segment.name.as_str(), rest.as_slice()) {
            ("search", []) => Ok(Self::Search(segment)),
            ("recent", []) => Ok(Self::Recent),
            ("following", []) => Ok(Self::Following),
            // The first version of the API has the name `shared`.
            ("sharedWithMe" | "shared", []) => Ok(Self::Shared),
            (other, _) => Err(Error::unsupported(format_args!("serve '{other}' of a drive"))),
        }
    }
}

impl ItemAction {
    /// Returns the action of a method on the item itself.
    ///
    /// # Errors
    /// 405 for a method other than GET, HEAD, PATCH, PUT and DELETE.
    fn on_item(method: &Method) -> Result<Self> {
        match *method {
            Method::GET | Method::HEAD => Ok(Self::Get),
            Method::PATCH => Ok(Self::Update),
            Method::PUT => Ok(Self::Put),
            Method::DELETE => Ok(Self::Delete),
            _ => Err(Error::method("GET, PATCH, PUT, DELETE")),
        }
    }

    /// Returns the action of a method on a segment after an item. `rest` are the segments after it.
    ///
    /// # Errors
    /// 405 for a method that the segment does not have, 501 for a segment that this server does not
    /// serve.
    fn parse(method: &Method, segment: PathSegment, rest: Vec<PathSegment>) -> Result<Self> {
        let post = |action: Self| match *method {
            Method::POST => Ok(action),
            _ => Err(Error::method("POST")),
        };
        let get =
            |action: Self| if is_read(method) { Ok(action) } else { Err(Error::method("GET")) };
        match (segment.name.as_str(), rest.as_slice()) {
            ("children", []) if *method == Method::POST => Ok(Self::CreateChild),
            ("children", []) if is_read(method) => Ok(Self::ListChildren),
            ("children", []) => Err(Error::method("GET, POST")),
            ("content", []) if *method == Method::PUT => Ok(Self::PutContent),
            ("content", []) if is_read(method) => Ok(Self::GetContent),
            ("content", []) => Err(Error::method("GET, PUT")),
            ("contentStream", []) => get(Self::StreamContent),
            ("createUploadSession", []) => post(Self::CreateSession),
            ("preview", []) => post(Self::Preview),
            ("copy", []) => post(Self::Copy),
            ("checkout", []) => post(Self::CheckOut),
            ("checkin", []) => post(Self::CheckIn),
            ("follow", []) => post(Self::Follow),
            ("unfollow", []) => post(Self::Unfollow),
            ("discardCheckout", []) => post(Self::DiscardCheckOut),
            ("permanentDelete", []) => post(Self::Purge),
            ("restore", []) => post(Self::Restore),
            ("createLink", []) => post(Self::CreateLink),
            ("extractSensitivityLabels", []) => post(Self::ExtractSensitivityLabels),
            ("assignSensitivityLabel", []) => post(Self::AssignSensitivityLabel),
            ("retentionLabel", []) => match *method {
                Method::GET | Method::HEAD => Ok(Self::RetentionLabel),
                Method::PATCH => Ok(Self::SetRetentionLabel),
                Method::DELETE => Ok(Self::RemoveRetentionLabel),
                _ => Err(Error::method("GET, PATCH, DELETE")),
            },
            ("delta", []) => get(Self::Delta(segment)),
            ("search", []) => get(Self::Search(segment)),
            ("invite", []) => post(Self::Invite),
            ("thumbnails", [] | [_] | [_, _]) if is_read(method) => Ok(Self::Thumbnails(rest)),
            ("thumbnails", [_, _, content]) if is_read(method) && content.name == "content" => {
                Ok(Self::Thumbnails(rest))
            }
            ("thumbnails", _) => Err(Error::unsupported("serve custom thumbnails")),
            ("listItem", _) => ListAction::parse_list_item(method, rest).map(Self::ListItem),
            ("permissions", _) => PermissionAction::parse(method, rest).map(Self::Permissions),
            ("versions", _) => VersionAction::parse(method, rest).map(Self::Versions),
            (other, _) => Err(Error::unsupported(format_args!("serve '{other}' of an item"))),
        }
    }

    /// Returns the action's route in the table.
    fn route(&self) -> &'static GraphRoute {
        match self {
            Self::Get => &table::ITEM_GET,
            Self::Update => &table::ITEM_UPDATE,
            Self::Put => &table::ITEM_PUT,
            Self::Delete => &table::ITEM_DELETE,
            Self::Purge => &table::PURGE,
            Self::Restore => &table::RESTORE,
            Self::ListChildren => &table::CHILDREN_LIST,
            Self::CreateChild => &table::CHILDREN_CREATE,
            Self::GetContent => &table::CONTENT_GET,
            Self::StreamContent => &table::CONTENT_STREAM,
            Self::PutContent => &table::CONTENT_PUT,
            Self::Preview => &table::PREVIEW,
            Self::CreateSession => &table::SESSION_CREATE,
            Self::Copy => &table::COPY,
            Self::CheckOut => &table::CHECK_OUT,
            Self::CheckIn => &table::CHECK_IN,
            Self::Follow => &table::FOLLOW,
            Self::Unfollow => &table::UNFOLLOW,
            Self::DiscardCheckOut => &table::DISCARD_CHECK_OUT,
            Self::CreateMultipart => &table::CHILDREN_MULTIPART,
            Self::Delta(_) => &table::DELTA,
            Self::Search(_) => &table::SEARCH,
            Self::CreateLink => &table::LINK_CREATE,
            Self::Invite => &table::INVITE,
            Self::ListItem(action) => action.route(),
            Self::Analytics(_) => &table::ANALYTICS,
            Self::ExtractSensitivityLabels => &table::EXTRACT_LABELS,
            Self::AssignSensitivityLabel => &table::ASSIGN_LABEL,
            Self::RetentionLabel => &table::RETENTION_LABEL,
            Self::SetRetentionLabel => &table::RETENTION_LABEL_SET,
            Self::RemoveRetentionLabel => &table::RETENTION_LABEL_REMOVE,
            Self::Permissions(action) => action.route(),
            Self::Thumbnails(segments) => match segments.len() {
                0 => &table::THUMBNAILS,
                1 => &table::THUMBNAIL_SET,
                2 => &table::THUMBNAIL,
                _ => &table::THUMBNAIL_CONTENT,
            },
            Self::Versions(action) => match action {
                VersionAction::List => &table::VERSIONS,
                VersionAction::Get(_) => &table::VERSION_GET,
                VersionAction::Content(_) => &table::VERSION_CONTENT,
                VersionAction::Restore(_) => &table::VERSION_RESTORE,
                VersionAction::Delete(_) => &table::VERSION_DELETE,
            },
        }
    }
}

impl VersionAction {
    /// Returns the action of a method on `versions` and `segments`, those after it.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for an unknown segment after the id.
    fn parse(method: &Method, mut segments: Vec<PathSegment>) -> Result<Self> {
        let rest = segments.split_off(segments.len().min(1));
        let Some(PathSegment { name: id, .. }) = segments.pop() else {
            return if is_read(method) { Ok(Self::List) } else { Err(Error::method("GET")) };
        };
        match rest.as_slice() {
            [] => match *method {
                Method::GET | Method::HEAD => Ok(Self::Get(id)),
                Method::DELETE => Ok(Self::Delete(id)),
                _ => Err(Error::method("GET, DELETE")),
            },
            [segment] if segment.name == "content" => match is_read(method) {
                true => Ok(Self::Content(id)),
                false => Err(Error::method("GET")),
            },
            [segment] if segment.name == "restoreVersion" => match *method {
                Method::POST => Ok(Self::Restore(id)),
                _ => Err(Error::method("POST")),
            },
            [segment, ..] => {
                Err(Error::unsupported(format_args!("serve '{}' of a version", segment.name)))
            }
        }
    }
}

/// The operation of a request without a route.
pub(super) const UNKNOWN: &str = "graph.unknown";

/// The names of all operations, without duplicates.
pub(super) static OPERATIONS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let mut all: Vec<_> = table::ROUTES.iter().map(|route| route.operation).collect();
    all.dedup();
    all.push(UNKNOWN);
    all
});

/// Returns the route of a request to an upload URL.
///
/// # Errors
/// 405 for a method that upload URLs do not have.
pub(super) fn session_route(method: &Method) -> Result<&'static GraphRoute> {
    match *method {
        Method::PUT => Ok(&table::SESSION_FRAGMENT),
        Method::GET => Ok(&table::SESSION_STATUS),
        Method::DELETE => Ok(&table::SESSION_CANCEL),
        Method::POST => Ok(&table::SESSION_COMMIT),
        _ => Err(Error::method("GET, PUT, POST, DELETE")),
    }
}

/// Returns the route of a request to the URL of a sharing link.
///
/// # Errors
/// 405 for a method that links do not have.
pub(super) fn link_route(method: &Method) -> Result<&'static GraphRoute> {
    match *method {
        Method::GET | Method::HEAD => Ok(&table::LINK_GET),
        Method::POST => Ok(&table::LINK_OPEN),
        _ => Err(Error::method("GET, POST")),
    }
}

/// Returns whether a method only reads.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::query::QueryOptions;

    fn operation(method: Method, path: &str) -> Result<&'static str> {
        let address = Address::parse(path, &QueryOptions::default())?;
        let action = GraphAction::parse(&method, address)?;
        let operation = action.route().operation;
        assert!(OPERATIONS.contains(&operation), "{operation} is not listed");
        Ok(operation)
    }

    #[test]
    fn method_and_address_determine_the_operation() {
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
            (Method::POST, "/me/drive/items/i/permissions/p/grant", "graph.permissions"),
            (Method::GET, "/shares/u!x", "graph.share.get"),
            (Method::GET, "/shares/u!x/driveItem", "graph.item.get"),
            (Method::GET, "/shares/u!x/root:/a:/children", "graph.children.list"),
            (Method::POST, "/shares/u!x/permission/grant", "graph.permissions"),
            (Method::GET, "/sites/root/permissions", "graph.site.permissions"),
            (Method::PATCH, "/sites/root/permissions/1", "graph.site.permissions"),
            (Method::GET, "/me/drives", "graph.drives.list"),
            (Method::POST, "/$batch", "graph.batch"),
            (Method::GET, "/users", "graph.users.list"),
            (Method::GET, "/users/a@b.example/memberOf", "graph.memberOf.list"),
            (Method::GET, "/groups/g/members", "graph.members.list"),
            (Method::GET, "/groups/g/sites/root", "graph.site.get"),
            (Method::GET, "/groups/g/sites/root/drive/root", "graph.item.get"),
            (Method::GET, "/sites/h:/sites/a:/lists/l/items/1/fields", "graph.fields.get"),
            (Method::GET, "/sites/s/lists('l')/items('1')", "graph.listItem.get"),
            (Method::GET, "/sites/s/getByPath(path='/sites/a')/drives", "graph.drives.list"),
            (Method::GET, "/sites/s/sites/t/drive", "graph.drive.get"),
            (Method::GET, "/me/photos/48x48/$value", "graph.photo.get"),
            (Method::GET, "/drives/d/items/i/listItem", "graph.listItem.get"),
        ] {
            assert_eq!(operation(method, path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn a_wrong_method_is_refused_with_the_allowed_ones() {
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
