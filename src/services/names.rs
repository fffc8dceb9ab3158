//! Names as Microsoft's drives take and compare them (onedrive-graph.md, A1 and A20; inferred from
//! there for SkyDrive: live-connect.md, A.6).

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

/// Why every such cloud refuses a name; `None` if it may take it.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("a name cannot be empty");
    }
    if name.contains(['"', '*', ':', '<', '>', '?', '/', '\\', '|']) {
        return Some("a name cannot have any of \" * : < > ? / \\ |");
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_one_whatever_their_case_and_nothing_else() {
        assert_eq!(fold("Müller.TXT"), fold("MÜLLER.txt"));
        assert_eq!(fold("ΟΔΟΣ"), fold("οδος"));
        assert_eq!(fold("οδος"), fold("οδοσ"), "no rule for the end of a word");
        assert_ne!(fold("straße"), fold("STRASSE"));
        assert_ne!(fold("e\u{301}"), fold("é"), "no normalisation");
        assert!(matches!(fold("ALL UPPER 1"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_both_refuse_is_known_before() {
        for name in ["", "a/b", "a\\b", "what?", "a:b", "\"", " a", "a ", "a.", ".", ".."] {
            assert!(refusal(name).is_some(), "{name:?}");
        }
        for name in [".profile", "50% #1 + ~&'", "漢字.txt", "a b"] {
            assert_eq!(refusal(name), None, "{name:?}");
        }
        assert!(refusal(&"😀".repeat(127)).is_none());
        assert!(refusal(&"😀".repeat(128)).is_some());
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once_and_keeps_the_number_of_characters(name in any::<String>()) {
            let folded = fold(&name).into_owned();
            prop_assert_eq!(folded.chars().count(), name.chars().count());
            prop_assert_eq!(&fold(&folded), &folded);
        }
    }
}
