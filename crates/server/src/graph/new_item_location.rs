//! The location that an address gives to a new item, or to the content of an existing one.

use super::{
    address::ItemAddress,
    drive_context::{DriveContext, ItemWithPath},
    error::{Error, Result},
    write_rights::WriteRights,
};
use crate::{
    account_kind::AccountKind,
    item_names,
    tree::{ItemKey, Node, Role},
};

/// The place where a request creates or replaces an item.
#[derive(Debug)]
pub(super) struct NewItemLocation {
    /// The innermost folder of the path that exists.
    pub(super) folder: ItemKey,
    /// Names of the path's folders that do not exist, from the outermost to the innermost. The tree
    /// creates them together with the item, so that a refused request creates none of them.
    pub(super) missing_folders: Vec<String>,
    /// Names of all folders from below the root down to the item's parent.
    pub(super) parent_path: Vec<String>,
    pub(super) name: String,
    /// The item that has this name now.
    pub(super) existing: Option<Node>,
}

impl NewItemLocation {
    /// Checks the names of the item and of the folders that will be created. `is_folder` is whether
    /// the item is a folder.
    ///
    /// # Errors
    /// 400 if the account kind does not allow one of the names, or if the path is longer than the
    /// account kind allows.
    pub(super) fn check(&self, kind: AccountKind, is_folder: bool) -> Result<()> {
        let existing = self.parent_path.len() - self.missing_folders.len();
        for (at, name) in self.missing_folders.iter().enumerate() {
            // Only the first missing folder can be a child of the root.
            let folder = if at == 0 { self.folder } else { NOT_ROOT };
            item_names::check(name, true, kind, folder, &self.parent_path[..existing + at])?;
        }
        let folder = if self.missing_folders.is_empty() { self.folder } else { NOT_ROOT };
        Ok(item_names::check(&self.name, is_folder, kind, folder, &self.parent_path)?)
    }

    /// Returns the caller's rights at the location.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn rights(&self, context: &DriveContext<'_>) -> Result<WriteRights> {
        match &self.existing {
            Some(node) => context.write_rights(self.folder, Some(node)).await,
            None if self.missing_folders.is_empty() => {
                context.write_rights_for(self.folder, &self.name).await
            }
            None => context.write_rights(self.folder, None).await,
        }
    }
}

/// Stands for a folder that does not exist yet where only the difference to the root matters.
const NOT_ROOT: ItemKey = ItemKey(0);

impl DriveContext<'_> {
    /// Returns the location that an address gives to an item. Folders of the path may be missing:
    /// the cloud creates them (onedrive-graph#auto-create-ancestors).
    ///
    /// # Errors
    /// Those of [`locate`](Self::locate) for the anchor of the address; 400 if the address names
    /// the root folder; 403 or 404 if the caller may not write there; 500 if the storage fails.
    pub(super) async fn new_item_location(&self, address: &ItemAddress) -> Result<NewItemLocation> {
        let Some((name, folders)) = address.path.split_last() else {
            return self.own_location(address).await;
        };
        let anchor = self.anchor(&address.anchor).await?;
        let mut nodes = self.tree().walk(self.drive(), anchor, &address.path).await?;
        let mut parent_path = self.path(anchor).await?;
        let existing = (nodes.len() > address.path.len()).then(|| nodes.pop()).flatten();
        parent_path.extend(nodes.iter().skip(1).map(|node| node.name.clone()));
        let folder = nodes.last().map_or(anchor, |node| node.no);
        self.require(existing.as_ref().map_or(folder, |node| node.no), Role::Write).await?;
        let found = nodes.len().saturating_sub(1).min(folders.len());
        let missing_folders = folders[found..].to_vec();
        parent_path.extend(missing_folders.iter().cloned());
        Ok(NewItemLocation { folder, missing_folders, parent_path, name: name.clone(), existing })
    }

    /// Returns the current location of an item that is addressed without a path.
    ///
    /// # Errors
    /// Those of [`locate`](Self::locate); 400 if it is the root folder.
    async fn own_location(&self, address: &ItemAddress) -> Result<NewItemLocation> {
        let item = self.item_at(&address.anchor).await?;
        let ItemWithPath { node, parent_path } = self.item_by_key(item).await?;
        let folder = node.parents.first().copied().ok_or_else(|| {
            Error::invalid("cannot write to the root folder: address an item below it")
        })?;
        let (missing_folders, name) = (Vec::new(), node.name.clone());
        Ok(NewItemLocation { folder, missing_folders, parent_path, name, existing: Some(node) })
    }
}
