//! The names that an item can have (onedrive-graph#names).

use crate::{
    account_kind::AccountKind,
    tree::{ItemKey, ROOT},
};

/// Characters that a name must not contain, besides control characters.
const FORBIDDEN: &[char] = &['"', '*', ':', '<', '>', '?', '/', '\\', '|'];

/// Maximum length of a name, in UTF-16 units.
const MAX_NAME: usize = 255;

/// Maximum length of a path, in characters: its names and the slashes between them.
const MAX_PATH: usize = 400;

/// The reason why an item cannot have a name.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct NameError {
    /// The reason as a sentence, which Graph's error bodies contain.
    pub message: String,
    /// Graph's error code, if it has a specific one.
    pub code: Option<&'static str>,
}

/// Checks the name of an item in a folder. `is_folder` is whether the item is a folder; `folder` is
/// the key of the folder above; `above` contains the names from below the root down to it.
///
/// # Errors
/// [`NameError`] if the name is empty, has a character that accounts of this kind do not allow,
/// begins or ends with one that they do not allow there, or is reserved, if the name has more than
/// [`MAX_NAME`] UTF-16 units, and if the path has more than [`MAX_PATH`] characters.
pub(crate) fn check(
    name: &str,
    is_folder: bool,
    kind: AccountKind,
    folder: ItemKey,
    above: &[String],
) -> Result<(), NameError> {
    let invalid = |message, code| Err(NameError { message, code });
    let refuse = |why: &str| invalid(format!("The name {name:?} {why}."), None);
    if name.is_empty() {
        return invalid("The request is malformed: the name is empty.".to_owned(), None);
    }
    if let Some(bad) = name.chars().find(|c| c.is_control() || FORBIDDEN.contains(c)) {
        let message = format!("The name {name:?} contains the character {bad:?}.");
        return invalid(message, Some("nameContainsInvalidCharacters"));
    }
    if name.starts_with(' ') || name.ends_with([' ', '.']) {
        return refuse("begins with a space, or ends with a space or a period");
    }
    if is_reserved(name)
        || folder == ROOT && kind == AccountKind::Library && same_word(name, "forms")
    {
        return refuse("is reserved");
    }
    if is_folder && name.starts_with('~') && !kind.is_personal() {
        return refuse("begins with a tilde, which a folder's cannot here");
    }
    let path: usize = above.iter().map(|name| name.chars().count() + 1).sum();
    if name.encode_utf16().count() > MAX_NAME || path + name.chars().count() > MAX_PATH {
        let message = format!("The path of the item {name:?} is too long.");
        return invalid(message, Some("pathIsTooLong"));
    }
    Ok(())
}

/// Returns whether no item can have this name on any account.
fn is_reserved(name: &str) -> bool {
    let device = |device: &str| {
        name.len() == 4
            && name.get(..3).is_some_and(|start| same_word(start, device))
            && name.ends_with(|c: char| c.is_ascii_digit())
    };
    [".lock", "con", "prn", "aux", "nul", "desktop.ini"].iter().any(|word| same_word(name, word))
        || device("com")
        || device("lpt")
        || name.starts_with("~$")
        || name.to_ascii_lowercase().contains("_vti_")
}

/// Returns whether a name is a word, in any case of letters.
fn same_word(name: &str, word: &str) -> bool {
    name.eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, kind: AccountKind) -> Option<Option<&'static str>> {
        check(name, true, kind, ROOT, &[]).err().map(|error| error.code)
    }

    #[test]
    fn forbidden_names_have_their_code() {
        let characters = Some(Some("nameContainsInvalidCharacters"));
        for name in ["a\"", "a*", "a:b", "<", ">", "?", "a\\b", "|", "a\u{1}", "a/b"] {
            assert_eq!(refusal(name, AccountKind::Personal), characters, "{name:?}");
        }
        for name in
            [" a", "a ", "a.", "CON", "com0", "LPT9", ".lock", "desktop.ini", "~$a", "a_VTI_b", ""]
        {
            assert_eq!(refusal(name, AccountKind::Personal), Some(None), "{name:?}");
        }
    }

    #[test]
    fn other_names_are_allowed() {
        for name in ["#%&+'", "a.b", "…", "com", "com10", "consul", "forms", "~a", ".hidden"] {
            assert_eq!(refusal(name, AccountKind::Personal), None, "{name:?}");
        }
    }

    #[test]
    fn some_names_are_forbidden_for_some_account_kinds() {
        assert!(refusal("~a", AccountKind::Business).is_some());
        assert!(refusal("Forms", AccountKind::Library).is_some());
        assert!(
            check("Forms", true, AccountKind::Library, crate::tree::FIRST_ITEM, &["a".into()])
                .is_ok()
        );
    }

    #[test]
    fn names_and_paths_have_a_maximum_length() {
        let long = Some(Some("pathIsTooLong"));
        assert_eq!(refusal(&"é".repeat(255), AccountKind::Personal), None);
        assert_eq!(refusal(&"é".repeat(256), AccountKind::Personal), long);
        assert_eq!(refusal(&"😀".repeat(128), AccountKind::Personal), long);
        let above = ["a".repeat(255), "b".repeat(100)];
        let fits = "c".repeat(400 - 255 - 100 - 2);
        let check =
            |name: &str| check(name, true, AccountKind::Personal, crate::tree::FIRST_ITEM, &above);
        assert!(check(&fits).is_ok());
        assert_eq!(check(&format!("{fits}c")).unwrap_err().code, Some("pathIsTooLong"));
    }
}
