//! The metadata of a node in a request.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    error::{AmazonError, Result},
    node::FACET,
};
use crate::tree::NewItem;

/// Maximum length of a name, in characters (amazon-drive#node-names).
const NAME_MAX: usize = 256;

/// The metadata of a node to create or to change. `None`: not in the request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub kind: Option<String>,
    pub name: Option<String>,
    pub parents: Option<Vec<String>>,
    pub labels: Option<Vec<String>>,
    pub description: Option<String>,
    pub properties: Option<Map<String, Value>>,
    pub status: Option<String>,
    pub content_properties: Option<Value>,
}

impl Metadata {
    /// Returns the name, which must be present.
    ///
    /// # Errors
    /// 400 if it is missing, empty or longer than [`NAME_MAX`] characters.
    pub(super) fn name(&self) -> Result<&str> {
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| AmazonError::invalid("name is missing"))?;
        check_name(name)?;
        Ok(name)
    }

    /// Returns the description and the facet of a new node. `local_id` is the id that the client
    /// chose for it.
    pub(super) fn new_item(&self, local_id: Option<&str>) -> NewItem {
        let mut facets = Map::new();
        let facet = self.facet(local_id);
        if !facet.is_empty() {
            facets.insert(FACET.to_owned(), Value::Object(facet));
        }
        NewItem { description: self.description.clone(), facets, ..NewItem::default() }
    }

    /// Returns the labels, the properties and the `localId`, which only Amazon Cloud Drive has, as
    /// the tree stores them. Members that the request does not have are left out. `local_id` is the
    /// id that the client chose.
    pub(super) fn facet(&self, local_id: Option<&str>) -> Map<String, Value> {
        let mut facet = Map::new();
        if let Some(labels) = &self.labels {
            facet.insert("labels".into(), labels.clone().into());
        }
        if let Some(properties) = &self.properties {
            facet.insert("properties".into(), Value::Object(properties.clone()));
        }
        if let Some(id) = local_id {
            facet.insert("localId".into(), id.into());
        }
        facet
    }

    /// Returns whether the request changes anything besides the status.
    pub(super) fn changes_anything_else(&self) -> bool {
        self.name.is_some()
            || self.parents.is_some()
            || self.labels.is_some()
            || self.description.is_some()
            || self.properties.is_some()
    }
}

/// Checks that a name has at most [`NAME_MAX`] characters.
///
/// # Errors
/// 400 if it has more.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > NAME_MAX {
        return Err(AmazonError::invalid(format!("name has more than {NAME_MAX} characters")));
    }
    Ok(())
}
