//! Which names of a folder are equal.
//!
//! Names are stored as sent; only their folded form is compared. The kind of the account decides how a
//! drive folds names, for all protocols: Live Connect and Amazon Cloud Drive are views of the same
//! tree. Microsoft documents case-insensitivity, the equality of NFC and NFD
//! (rclone#8634, onedrive-api-docs#351) and `æ` = `ae` on Business (onedrive-api-docs#856). The rest
//! is inferred, and implemented only in [`EXPANSIONS`] and [`NameFolding::fold`].

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// Letters that SharePoint equates with two others, after case folding: `æ` is documented, `œ` and
/// `þ` are inferred from its collation, Latin1_General_CI_AS_KS_WS.
const EXPANSIONS: [(char, &str); 3] = [('æ', "ae"), ('œ', "oe"), ('þ', "th")];

/// How the names of a drive are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameFolding {
    /// Canonical equivalence and full Unicode case folding: for a consumer's drive.
    #[default]
    Consumer,
    /// The same, and a few letters are equal to two others: for OneDrive for Business and SharePoint.
    SharePoint,
}

impl NameFolding {
    /// Returns the folded form of a name. Two names of a folder are equal if their folded forms are.
    ///
    /// ASCII letters become upper-case: earlier versions of the server stored this form of ASCII names.
    pub fn fold(self, name: &str) -> String {
        if name.is_ascii() {
            return name.to_ascii_uppercase();
        }
        // Decomposed first, so that equivalent spellings fold to equivalent ones.
        let folded = UniCase::unicode(name.nfd().collect::<String>()).to_folded_case();
        let mut folded: String = match self {
            Self::Consumer => folded.nfc().collect(),
            Self::SharePoint => expanded(&folded).nfc().collect(),
        };
        folded.make_ascii_uppercase();
        folded
    }

    /// Returns its number in the database. If the number of a drive is not that of its account, its
    /// names are folded again when it is opened. So a change of [`fold`](Self::fold) needs a new
    /// number.
    pub(super) fn code(self) -> i64 {
        match self {
            Self::Consumer => 1,
            Self::SharePoint => 2,
        }
    }
}

/// Replaces letters by their [`EXPANSIONS`].
fn expanded(text: &str) -> String {
    let mut expanded = String::with_capacity(text.len());
    for c in text.chars() {
        match EXPANSIONS.iter().find(|(letter, _)| *letter == c) {
            Some((_, letters)) => expanded.push_str(letters),
            None => expanded.push(c),
        }
    }
    expanded
}

/// Returns the form in which texts are compared without case where no drive decides: in searches,
/// filters and sort orders. It is the form of [`NameFolding::Consumer`].
pub fn fold(text: &str) -> String {
    NameFolding::Consumer.fold(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs of names, and whether they are the same name: to a consumer's drive, to SharePoint's.
    /// The client's tests have the same table.
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
            let same = |folding: NameFolding| folding.fold(one) == folding.fold(other);
            assert_eq!(same(NameFolding::Consumer), *consumer, "{one} {other}");
            assert_eq!(same(NameFolding::SharePoint), *sharepoint, "{one} {other} on SharePoint");
        }
    }

    proptest! {
        #[test]
        fn a_name_and_its_normal_forms_are_one_name(name in any::<String>()) {
            let composed: String = name.nfc().collect();
            let decomposed: String = name.nfd().collect();
            for folding in [NameFolding::Consumer, NameFolding::SharePoint] {
                prop_assert_eq!(folding.fold(&composed), folding.fold(&name));
                prop_assert_eq!(folding.fold(&decomposed), folding.fold(&name));
            }
        }
    }
}
