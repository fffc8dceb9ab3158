//! Names as OneDrive takes and compares them (A1, A20).

use std::borrow::Cow;

/// Most UTF-16 units of a name.
const LONGEST: usize = 255;

/// The form under which two names in a folder are one: upper case, character by character, where
/// that is one character again. No normalisation.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase()) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(upper).collect())
}

fn upper(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

/// Why the cloud refuses a name whatever the account; `None` if it may take it. Names that only
/// some libraries or clients refuse (`CON`, `.lock`, `~$…`, `_vti_`) are the cloud's to judge.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("a name cannot be empty");
    }
    if name.contains(['"', '*', ':', '<', '>', '?', '/', '\\', '|']) {
        return Some("a name cannot have any of \" * : < > ? / \\ |");
    }
    if name.contains(char::is_control) {
        return Some("a name cannot have control characters");
    }
    if name.starts_with(' ') || name.ends_with(' ') {
        return Some("a name cannot begin or end with a space");
    }
    if name.ends_with('.') {
        return Some("a name cannot end with a dot");
    }
    if name.encode_utf16().count() > LONGEST {
        return Some("a name cannot have more than 255 UTF-16 units");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_whatever_their_case_and_nothing_else() {
        assert_eq!(fold("Müller.TXT"), fold("MÜLLER.txt"));
        assert_ne!(fold("straße"), fold("STRASSE"));
        assert_ne!(fold("e\u{301}"), fold("é"), "no normalisation");
        assert!(matches!(fold("ALL UPPER 1"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_every_account_refuses_is_known_before() {
        for name in ["", "a/b", "a\\b", "what?", "a:b", "\"", "a\tb", " a", "a ", "a.", ".", ".."] {
            assert!(refusal(name).is_some(), "{name:?}");
        }
        for name in [".profile", "50% #1 + ~&'", "CON", "漢字.txt", "a b"] {
            assert_eq!(refusal(name), None, "{name:?}");
        }
        assert!(refusal(&"😀".repeat(127)).is_none());
        assert!(refusal(&"😀".repeat(128)).is_some());
    }
}
