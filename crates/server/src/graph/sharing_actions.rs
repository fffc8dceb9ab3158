//! The actions on permissions and on shared items.

use http::Method;

use super::{
    address::PathSegment,
    error::{Error, Result},
    route::is_read,
    table::{self, GraphRoute},
};

/// An action on a shared item by its sharing token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShareAction {
    Get,
    Permission,
    Grant,
    Site,
}

/// An action on the permissions of a site, or on the one with an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SitePermissionAction {
    List,
    Create,
    Get(String),
    Update(String),
    Delete(String),
}

/// An action on the permissions of an item, or on the permission with an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PermissionAction {
    List,
    Get(String),
    Update(String),
    Delete(String),
    /// Gives users access by a link.
    Grant(String),
}

impl ShareAction {
    /// Returns the action's route in the table.
    pub(super) fn route(&self) -> &'static GraphRoute {
        match self {
            Self::Get => &table::SHARE,
            Self::Permission => &table::SHARE_PERMISSION,
            Self::Grant => &table::SHARE_GRANT,
            Self::Site => &table::SHARE_SITE,
        }
    }

    /// Returns the action of a method on the segments after a sharing token.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for another segment than `permission`,
    /// `permission/grant` and `site`.
    pub(super) fn parse(method: &Method, segments: &[PathSegment]) -> Result<Self> {
        let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
        let action = match names.as_slice() {
            [] => Self::Get,
            ["permission"] => Self::Permission,
            ["site"] => Self::Site,
            ["permission", "grant"] => {
                return match *method {
                    Method::POST => Ok(Self::Grant),
                    _ => Err(Error::method("POST")),
                };
            }
            other => {
                let path = other.join("/");
                return Err(Error::unsupported(format_args!("serve '{path}' of a shared item")));
            }
        };
        if is_read(method) { Ok(action) } else { Err(Error::method("GET")) }
    }
}

impl SitePermissionAction {
    /// Returns the action's route in the table.
    pub(super) fn route(&self) -> &'static GraphRoute {
        match self {
            Self::List => &table::SITE_PERMISSIONS,
            Self::Create => &table::SITE_PERMISSION_CREATE,
            Self::Get(_) => &table::SITE_PERMISSION_GET,
            Self::Update(_) => &table::SITE_PERMISSION_UPDATE,
            Self::Delete(_) => &table::SITE_PERMISSION_DELETE,
        }
    }

    /// Returns the action of a method on `permissions` of a site and `segments`, those after it.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for a segment after the id.
    pub(super) fn parse(method: &Method, mut segments: Vec<PathSegment>) -> Result<Self> {
        if let Some(PathSegment { name, .. }) = segments.get(1) {
            return Err(Error::unsupported(format_args!("serve '{name}' of a permission")));
        }
        match (method.clone(), segments.pop()) {
            (Method::GET | Method::HEAD, None) => Ok(Self::List),
            (Method::POST, None) => Ok(Self::Create),
            (_, None) => Err(Error::method("GET, POST")),
            (Method::GET | Method::HEAD, Some(PathSegment { name, .. })) => Ok(Self::Get(name)),
            (Method::PATCH, Some(PathSegment { name, .. })) => Ok(Self::Update(name)),
            (Method::DELETE, Some(PathSegment { name, .. })) => Ok(Self::Delete(name)),
            (_, Some(_)) => Err(Error::method("GET, PATCH, DELETE")),
        }
    }
}

impl PermissionAction {
    /// Returns the action's route in the table.
    pub(super) fn route(&self) -> &'static GraphRoute {
        match self {
            Self::List => &table::PERMISSIONS,
            Self::Get(_) => &table::PERMISSION_GET,
            Self::Update(_) => &table::PERMISSION_UPDATE,
            Self::Delete(_) => &table::PERMISSION_DELETE,
            Self::Grant(_) => &table::PERMISSION_GRANT,
        }
    }

    /// Returns the action of a method on `permissions` and `segments`, those after it.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for a segment after the id.
    pub(super) fn parse(method: &Method, mut segments: Vec<PathSegment>) -> Result<Self> {
        let rest = segments.split_off(segments.len().min(1));
        let Some(PathSegment { name: id, .. }) = segments.pop() else {
            return if is_read(method) { Ok(Self::List) } else { Err(Error::method("GET")) };
        };
        match rest.as_slice() {
            [] => {}
            [grant] if grant.name == "grant" => {
                return match *method {
                    Method::POST => Ok(Self::Grant(id)),
                    _ => Err(Error::method("POST")),
                };
            }
            [PathSegment { name, .. }, ..] => {
                return Err(Error::unsupported(format_args!("serve '{name}' of a permission")));
            }
        }
        match *method {
            Method::GET | Method::HEAD => Ok(Self::Get(id)),
            Method::PATCH => Ok(Self::Update(id)),
            Method::DELETE => Ok(Self::Delete(id)),
            _ => Err(Error::method("GET, PATCH, DELETE")),
        }
    }
}
