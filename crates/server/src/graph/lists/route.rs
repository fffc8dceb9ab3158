//! The requests to a list, and their routes in the table.

use http::Method;

use crate::graph::{
    address::PathSegment,
    analytics::AnalyticsAction,
    error::{Error, Result},
    table::{self, GraphRoute},
    tenant::names,
};

/// An action on a list. Texts are ids of items or columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::graph) enum ListAction {
    Get,
    /// The drive of the list.
    Drive,
    Items,
    Item(String),
    DeleteItem(String),
    /// The driveItem of an item.
    DriveItem(String),
    Fields(String),
    UpdateFields(String),
    Versions(String),
    Version {
        item: String,
        version: String,
    },
    RestoreVersion {
        item: String,
        version: String,
    },
    /// Analytics of the item with an id, a number or a GUID.
    Analytics {
        item: String,
        action: AnalyticsAction,
    },
    Columns,
    Column(String),
    CreateColumn,
}

impl ListAction {
    /// Returns the action of a method on a list, or on the resource of it that `names` names.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for a resource or method that this
    /// server does not serve.
    pub(in crate::graph) fn parse(method: &Method, names: &[&str]) -> Result<Self> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let action = match (names, method) {
            (["items", id], &Method::DELETE) => return Ok(Self::DeleteItem((*id).to_owned())),
            (["items", id, "fields"], &Method::PATCH) => {
                return Ok(Self::UpdateFields((*id).to_owned()));
            }
            (["columns"], &Method::POST) => return Ok(Self::CreateColumn),
            (["items", id, "versions", version, "restoreVersion"], &Method::POST) => {
                let (item, version) = ((*id).to_owned(), (*version).to_owned());
                return Ok(Self::RestoreVersion { item, version });
            }
            (["items"], &Method::POST) => {
                return Err(Error::unsupported(
                    "create an item of a document library (upload a file instead)",
                ));
            }
            ([] | ["items" | "columns", _], &Method::PATCH)
            | ([] | ["columns", _], &Method::DELETE) => {
                let kind = names.first().map_or("list", |name| name.trim_end_matches('s'));
                let verb = if *method == Method::PATCH { "change" } else { "delete" };
                return Err(Error::unsupported(format_args!("{verb} a {kind}")));
            }
            (["items", "delta"], _) => {
                return Err(Error::unsupported("serve 'items/delta' of a list"));
            }
            ([], _) => Self::Get,
            (["drive"], _) => Self::Drive,
            (["items"], _) => Self::Items,
            (["items", id], _) => Self::Item((*id).to_owned()),
            (["items", id, "driveItem"], _) => Self::DriveItem((*id).to_owned()),
            (["items", id, "fields"], _) => Self::Fields((*id).to_owned()),
            (["items", id, "versions"], _) => Self::Versions((*id).to_owned()),
            (["items", id, "versions", version], _) => {
                Self::Version { item: (*id).to_owned(), version: (*version).to_owned() }
            }
            (["columns"], _) => Self::Columns,
            (["columns", id], _) => Self::Column((*id).to_owned()),
            _ => {
                let path = names.join("/");
                return Err(Error::unsupported(format_args!("serve '{path}' of a list")));
            }
        };
        match (is_read, &action) {
            (true, _) => Ok(action),
            (false, Self::Items | Self::Columns) => Err(Error::method("GET, POST")),
            (false, Self::Item(_)) => Err(Error::method("GET, PATCH, DELETE")),
            (false, Self::Fields(_)) => Err(Error::method("GET, PATCH")),
            (false, _) => Err(Error::method("GET")),
        }
    }

    /// Returns the action of a method on `listItem` of a driveItem and the segments after it.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for another segment than `fields`.
    pub(in crate::graph) fn parse_list_item(
        method: &Method,
        rest: Vec<PathSegment>,
    ) -> Result<Self> {
        let rest = names(rest);
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match (rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), method) {
            ([], &Method::PATCH) => {
                Err(Error::unsupported("change a listItem (change its fields)"))
            }
            ([], _) if is_read => Ok(Self::Item(String::new())),
            ([], _) => Err(Error::method("GET, PATCH")),
            (["fields"], &Method::PATCH) => Ok(Self::UpdateFields(String::new())),
            (["fields"], _) if is_read => Ok(Self::Fields(String::new())),
            (["fields"], _) => Err(Error::method("GET, PATCH")),
            (rest, _) => {
                let path = rest.join("/");
                Err(Error::unsupported(format_args!("serve '{path}' of a listItem")))
            }
        }
    }

    /// Returns the action's route in the table.
    pub(in crate::graph) fn route(&self) -> &'static GraphRoute {
        match self {
            Self::Get => &table::LIST,
            Self::Drive => &table::DRIVE,
            Self::Items => &table::LIST_ITEMS,
            Self::Item(_) => &table::LIST_ITEM,
            Self::DeleteItem(_) => &table::LIST_ITEM_DELETE,
            Self::DriveItem(_) => &table::LIST_DRIVE_ITEM,
            Self::Fields(_) => &table::FIELDS,
            Self::UpdateFields(_) => &table::FIELDS_UPDATE,
            Self::Versions(_) => &table::LIST_ITEM_VERSIONS,
            Self::Version { .. } => &table::LIST_ITEM_VERSION,
            Self::RestoreVersion { .. } => &table::LIST_ITEM_VERSION_RESTORE,
            Self::Analytics { .. } => &table::LIST_ITEM_ANALYTICS,
            Self::Columns => &table::COLUMNS,
            Self::Column(_) => &table::COLUMN,
            Self::CreateColumn => &table::COLUMN_CREATE,
        }
    }
}
