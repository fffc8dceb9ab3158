//! Names as OneDrive takes them (A20).

use crate::services::names;
pub(super) use crate::services::names::fold;

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
