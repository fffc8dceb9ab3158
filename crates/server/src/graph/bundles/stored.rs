//! Bundles in the storage: objects of the drive's account.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    graph::{drive_context::DriveContext, error::Result},
    tree::{AccountObject, AccountObjectKind, AccountObjectQuery, ItemKey, Node, TreeError},
};

/// The properties of a bundle. The storage has them as JSON, so the serialized names must not change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BundleProperties {
    pub(super) name: String,
    /// `None` for a bundle that is no album.
    pub(super) album: Option<Album>,
    /// The items, in the order in which they were added.
    pub(super) items: Vec<ItemKey>,
    /// Incremented by every change.
    pub(super) version: i64,
    /// Incremented by every change of the items.
    pub(super) content_version: i64,
}

/// The properties of an album.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Album {
    /// The photo that represents the album; `None` if the client did not select one.
    pub(super) cover: Option<ItemKey>,
}

/// A bundle and its properties.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    pub(super) object: AccountObject,
    pub(super) properties: BundleProperties,
}

impl Bundle {
    /// Returns the bundle that an object stores; `None` if its fields are damaged.
    pub(super) fn from_object(object: AccountObject) -> Option<Self> {
        let properties = serde_json::from_value(Value::Object(object.fields.clone())).ok()?;
        Some(Self { object, properties })
    }

    /// Returns the bundles of a drive in the order of their creation.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn all(context: &DriveContext<'_>) -> Result<Vec<Self>> {
        let query = AccountObjectQuery::all(AccountObjectKind::Bundle);
        let objects = context.tree().account_objects(context.drive(), query).await?;
        Ok(objects.into_iter().filter_map(Self::from_object).collect())
    }

    /// Returns the items of the bundle that are live.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn live_items(&self, context: &DriveContext<'_>) -> Result<Vec<Node>> {
        let mut nodes = Vec::with_capacity(self.properties.items.len());
        for item in &self.properties.items {
            match context.tree().node(context.drive(), *item).await {
                Ok(node) => nodes.push(node),
                Err(TreeError::NotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(nodes)
    }
}

impl BundleProperties {
    /// Stores the properties in an object.
    pub(super) fn store(&self, object: &mut AccountObject) {
        if let Ok(Value::Object(fields)) = serde_json::to_value(self) {
            object.fields = fields;
        }
    }
}
