//! The requests to bundles, and their routes in the table.

use http::Method;

use crate::graph::{
    address::PathSegment,
    error::{Error, Result},
    route::ItemAction,
    table::{self, GraphRoute},
    tenant::names,
};

/// An action on the bundles of a drive. Texts are ids of bundles and items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::graph) enum BundleAction {
    List,
    Create,
    Get(String),
    Update(String),
    Delete(String),
    ListItems(String),
    AddItem(String),
    RemoveItem { bundle: String, item: String },
}

impl BundleAction {
    /// Returns the action of a method on `bundles` of a drive and `segments`, those after it.
    ///
    /// # Errors
    /// 405 for a method that the resource does not have, 501 for a segment that this server does not
    /// serve.
    pub(in crate::graph) fn parse(method: &Method, segments: &[PathSegment]) -> Result<Self> {
        let names = names(segments.to_vec());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match (names.as_slice(), method) {
            ([], _) if is_read => Ok(Self::List),
            ([], &Method::POST) => Ok(Self::Create),
            ([], _) => Err(Error::method("GET, POST")),
            ([id], _) if is_read => Ok(Self::Get((*id).to_owned())),
            ([id], &Method::PATCH) => Ok(Self::Update((*id).to_owned())),
            ([id], &Method::DELETE) => Ok(Self::Delete((*id).to_owned())),
            ([_], _) => Err(Error::method("GET, PATCH, DELETE")),
            ([id, "children"], _) if is_read => Ok(Self::ListItems((*id).to_owned())),
            ([id, "children"], &Method::POST) => Ok(Self::AddItem((*id).to_owned())),
            ([_, "children"], _) => Err(Error::method("GET, POST")),
            ([id, "children", item], &Method::DELETE) => {
                Ok(Self::RemoveItem { bundle: (*id).to_owned(), item: (*item).to_owned() })
            }
            ([_, "children", _], _) => Err(Error::method("DELETE")),
            ([_, rest @ ..], _) => {
                let path = rest.join("/");
                Err(Error::unsupported(format_args!("serve '{path}' of a bundle")))
            }
        }
    }

    /// Returns the action on the bundle with an id that an action on an item means.
    ///
    /// # Errors
    /// 501 for an action that this server does not apply to bundles.
    pub(in crate::graph) fn of_item(id: &str, action: &ItemAction) -> Result<Self> {
        let id = id.to_owned();
        match action {
            ItemAction::Get => Ok(Self::Get(id)),
            ItemAction::Update => Ok(Self::Update(id)),
            ItemAction::Delete => Ok(Self::Delete(id)),
            ItemAction::ListChildren => Ok(Self::ListItems(id)),
            ItemAction::CreateChild => Ok(Self::AddItem(id)),
            _ => Err(Error::unsupported("apply this request to a bundle")),
        }
    }

    /// Returns the action's route in the table.
    pub(in crate::graph) fn route(&self) -> &'static GraphRoute {
        match self {
            Self::List => &table::BUNDLES,
            Self::Create => &table::BUNDLE_CREATE,
            Self::Get(_) => &table::BUNDLE_GET,
            Self::Update(_) => &table::BUNDLE_UPDATE,
            Self::Delete(_) => &table::BUNDLE_DELETE,
            Self::ListItems(_) => &table::BUNDLE_ITEMS,
            Self::AddItem(_) => &table::BUNDLE_ADD,
            Self::RemoveItem { .. } => &table::BUNDLE_REMOVE,
        }
    }
}
