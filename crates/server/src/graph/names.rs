//! Checks names of items.

use super::error::{Error, Result};
use crate::{account_kind::AccountKind, item_names, tree::ItemKey};

/// Checks the name of an item in a folder. `above`: the names from the root down to the folder.
///
/// # Errors
/// 400 with the reason.
pub(super) fn check(
    name: &str,
    is_folder: bool,
    kind: AccountKind,
    folder: ItemKey,
    above: &[String],
) -> Result<()> {
    item_names::check(name, is_folder, kind, folder, above).map_err(|error| {
        let refusal = Error::invalid(error.message);
        match error.code {
            Some(code) => refusal.inner(code),
            None => refusal,
        }
    })
}
