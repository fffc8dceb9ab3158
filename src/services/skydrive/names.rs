//! Names as SkyDrive takes and compares them (live-connect.md, A.6; inferred there from the rules
//! of OneDrive's personal accounts).

use std::borrow::Cow;

/// Most UTF-16 units of a name.
const LONGEST: usize = 255;

/// Names of devices, which Windows keeps for itself.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// The form under which two names in a folder are one: upper case, character by character, where
/// that is one character again.
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

/// Why the cloud refuses a name; `None` if it takes it.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("a name cannot be empty");
    }
    if name.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']) {
        return Some("a name cannot have any of \\ / : * ? \" < > |");
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
    if is_device(name) {
        return Some("the name is one that Windows keeps for a device");
    }
    None
}

fn is_device(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && matches!(name.as_bytes()[3..], [b'1'..=b'9'])
    };
    DEVICES.iter().any(|device| device.eq_ignore_ascii_case(name))
        || numbered("COM")
        || numbered("LPT")
}

/// A name that nobody has, with the extension of `name`: the cloud wants it kept (A.5, row 8).
pub(super) fn temporary(name: &str) -> String {
    let extension = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.chars().count() <= 16 => extension,
        _ => "tmp",
    };
    format!("drivedal-{}.{extension}", super::multipart::random())
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
    fn what_the_cloud_refuses_is_known_before() {
        for name in
            ["", "a/b", "a\\b", "what?", " a", "a ", "a.", ".", "..", "con", "NUL", "Com7", "lpt1"]
        {
            assert!(refusal(name).is_some(), "{name:?}");
        }
        for name in
            [".profile", "a b", "con.txt", "com0", "com10", "COMé", "ö#%&+'~", "漢字.txt", "e"]
        {
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

        #[test]
        fn a_temporary_name_is_one_the_cloud_takes(name in "[^/\\\\:*?\"<>|]{1,80}") {
            prop_assume!(refusal(&name).is_none());
            let (one, other) = (temporary(&name), temporary(&name));
            prop_assert_eq!(refusal(&one), None);
            prop_assert_ne!(one, other);
        }
    }
}
