//! The rules for names in Microsoft's drives: which names are valid, and which are equal
//! (onedrive-graph#case-rules, onedrive-graph#names). For SkyDrive they are inferred from OneDrive
//! (live-connect#file-names).

use std::borrow::Cow;

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// Maximum length of a name in UTF-16 units.
const NAME_MAX: usize = 255;

/// Letters that SharePoint's collation equates with two letters, in addition to case folding and
/// normalization.
/// `æ` is documented (onedrive-api-docs#856); `œ` and `þ` are inferred from that collation,
/// Latin1_General_CI_AS_KS_WS.
#[cfg(feature = "services-onedrive")]
const SHAREPOINT_EXPANSIONS: [(char, &str); 3] = [('æ', "ae"), ('œ', "oe"), ('þ', "th")];

/// Returns the canonical form of a name in a personal drive. Two names with the same canonical form
/// denote the same item. The form is NFC with full Unicode case folding.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return fold_ascii(name);
    }
    Cow::Owned(case_fold(name).nfc().collect())
}

/// Returns the canonical form of a name in OneDrive for Business and SharePoint. They also equate a
/// few letters with two letters, such as `æ` with `ae`.
#[cfg(feature = "services-onedrive")]
pub(super) fn fold_sharepoint(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return fold_ascii(name);
    }
    let expanded = case_fold(name).chars().fold(String::new(), |mut text, c| {
        match SHAREPOINT_EXPANSIONS.iter().find(|(letter, _)| *letter == c) {
            Some((_, letters)) => text.push_str(letters),
            None => text.push(c),
        }
        text
    });
    Cow::Owned(expanded.nfc().collect())
}

/// Folds the case of an ASCII name, which is already normalized.
fn fold_ascii(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Folds the case of a name. Decomposes it first, so that canonically equivalent names have
/// equivalent results.
fn case_fold(name: &str) -> String {
    UniCase::unicode(name.nfd().collect::<String>()).to_folded_case()
}

/// Returns the reason why all of these clouds reject a name. `None` if they may accept it.
pub(super) fn validate_name(name: &str) -> Option<&'static str> {
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
    if name.encode_utf16().count() > NAME_MAX {
        return Some("a name cannot have more than 255 UTF-16 units");
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs of names, and whether they are equal in a personal drive and in SharePoint. The server's
    /// tests have the same table.
    const PAIRS: &[(&str, &str, bool, bool)] = &[
        ("readme", "README", true, true),
        ("Müller.TXT", "MÜLLER.txt", true, true),
        ("ΟΔΟΣ", "οδος", true, true),
        ("οδος", "οδοσ", true, true),
        ("Straße.txt", "STRASSE.TXT", true, true),
        ("\u{dc}ber.txt", "U\u{308}ber.txt", true, true),
        ("u\u{308}ber.txt", "\u{dc}BER.TXT", true, true),
        ("\u{1100}\u{1161}", "\u{ac00}", true, true),
        ("ﬁn", "FIN", true, true),
        ("Mærsk.txt", "Maersk.txt", false, true),
        ("ÆSIR", "aesir", false, true),
        ("cœur", "COEUR", false, true),
        ("Þór", "thór", false, true),
        ("resume", "résumé", false, false),
        ("ı", "I", false, false),
        ("o", "ø", false, false),
        ("a", "ａ", false, false),
        ("か", "カ", false, false),
        ("²", "2", false, false),
    ];

    #[test]
    fn names_are_the_same_as_the_account_kind_compares_them() {
        for (one, other, consumer, sharepoint) in PAIRS {
            assert_eq!(fold(one) == fold(other), *consumer, "{one} {other}");
            let same = fold_sharepoint(one) == fold_sharepoint(other);
            assert_eq!(same, *sharepoint, "{one} {other} on SharePoint");
        }
        assert!(matches!(fold("all lower 1"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_that_both_clouds_reject_are_invalid() {
        for name in ["", "a/b", "a\\b", "what?", "a:b", "\"", " a", "a ", "a.", ".", ".."] {
            assert!(validate_name(name).is_some(), "{name:?}");
        }
        for name in [".profile", "50% #1 + ~&'", "漢字.txt", "a b"] {
            assert_eq!(validate_name(name), None, "{name:?}");
        }
        assert!(validate_name(&"😀".repeat(127)).is_none());
        assert!(validate_name(&"😀".repeat(128)).is_some());
    }

    proptest! {
        #[test]
        fn a_name_and_its_normal_forms_are_one_name(name in any::<String>()) {
            let (composed, decomposed) = (name.nfc().collect::<String>(), name.nfd().collect::<String>());
            for fold in [fold, fold_sharepoint] {
                prop_assert_eq!(fold(&composed), fold(&name));
                prop_assert_eq!(fold(&decomposed), fold(&name));
            }
        }
    }
}
