//! Rules for the names of items in OneDrive (onedrive-graph#names).

use std::borrow::Cow;

use super::account_kind::AccountKind;
use crate::services::names;
pub(super) use crate::services::names::fold;

/// Returns the function that folds names as drives of this kind compare them. Drives of unknown
/// kind compare as personal drives, which treat fewer names as equal.
pub(super) fn fold_for(kind: Option<AccountKind>) -> fn(&str) -> Cow<'_, str> {
    match kind {
        Some(AccountKind::Business | AccountKind::Library) => names::fold_sharepoint,
        Some(AccountKind::Personal | AccountKind::PersonalLegacy) | None => names::fold,
    }
}

/// Returns the function that maps names to the same key if a drive of this kind may treat them as
/// one name. A drive of unknown kind may be a SharePoint drive, which treats more names as equal.
pub(super) fn collision_key_for(kind: Option<AccountKind>) -> fn(&str) -> Cow<'_, str> {
    match kind {
        Some(_) => fold_for(kind),
        None => names::fold_sharepoint,
    }
}

/// Returns the reason why every kind of account rejects a name; `None` if the name may be valid.
///
/// Names that only some libraries or clients reject (`CON`, `.lock`, `~$…`, `_vti_`) are left to
/// the cloud.
pub(super) fn validate_name(name: &str) -> Option<&'static str> {
    if name.contains(char::is_control) {
        return Some("a name cannot have control characters");
    }
    names::validate_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_only_some_accounts_reject_are_left_to_the_cloud() {
        for name in ["CON", ".lock", "~$a.docx", "_vti_"] {
            assert_eq!(validate_name(name), None, "{name:?}");
        }
        assert!(validate_name("a\tb").is_some());
    }
}
