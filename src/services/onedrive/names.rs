//! Names as OneDrive takes them (onedrive-graph#names).

use std::borrow::Cow;

use super::account_kind::AccountKind;
use crate::services::names;
pub(super) use crate::services::names::fold;

/// Returns the function that folds names as a drive of that kind compares them. A drive of unknown
/// kind compares as a consumer's, which equates fewer names.
pub(super) fn fold_of(kind: Option<AccountKind>) -> fn(&str) -> Cow<'_, str> {
    match kind {
        Some(AccountKind::Business | AccountKind::Library) => names::fold_sharepoint,
        Some(AccountKind::Personal | AccountKind::PersonalLegacy) | None => names::fold,
    }
}

/// Returns the function that gives names of a drive of that kind which may be one name the same key.
/// A drive of unknown kind may be SharePoint's, which equates more names.
pub(super) fn collision_key_of(kind: Option<AccountKind>) -> fn(&str) -> Cow<'_, str> {
    match kind {
        Some(_) => fold_of(kind),
        None => names::fold_sharepoint,
    }
}

/// Why the cloud refuses a name whatever the account; `None` if it may take it. Names that only
/// some libraries or clients refuse (`CON`, `.lock`, `~$…`, `_vti_`) are the cloud's to judge.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    if name.contains(char::is_control) {
        return Some("a name cannot have control characters");
    }
    names::refusal(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_some_accounts_refuse_is_left_to_the_cloud() {
        for name in ["CON", ".lock", "~$a.docx", "_vti_"] {
            assert_eq!(refusal(name), None, "{name:?}");
        }
        assert!(refusal("a\tb").is_some());
    }
}
