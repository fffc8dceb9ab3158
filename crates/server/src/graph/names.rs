//! Checks the names of items.

use super::error::{Error, Result};
use crate::{account_kind::AccountKind, item_names, tree::ItemKey};

/// Checks the name of an item in a folder. `is_folder` is whether the item is a folder;
/// `parent_path` has the names from below the root down to the folder.
///
/// # Errors
/// 400 if the account kind does not allow the name.
pub(super) fn check(
    name: &str,
    is_folder: bool,
    kind: AccountKind,
    folder: ItemKey,
    parent_path: &[String],
) -> Result<()> {
    item_names::check(name, is_folder, kind, folder, parent_path).map_err(|error| {
        let refused = Error::invalid(error.message);
        match error.code {
            Some(code) => refused.inner(code),
            None => refused,
        }
    })
}
