//! Words of names, by which items are searched.

use super::{DriveKey, ItemKey, NameFolding, Node};

/// Maximum number of words of a name that the index has. A name has at most 255 characters.
const MAX_WORDS: usize = 64;

/// Returns the words of a text: its runs of letters and digits, folded so that case, accents'
/// encoding and ligatures do not matter. Each word occurs once; the order is that of the code points.
pub fn words(text: &str) -> Vec<String> {
    let folded = NameFolding::SharePoint.fold(text);
    let mut words: Vec<_> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
        .map(str::to_owned)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// A search of a drive: the live items that have, for each of the words, a word in their name that
/// begins with it.
#[derive(Clone, Debug)]
pub struct ItemSearch {
    /// The drive.
    pub drive: DriveKey,
    /// As [`words`] returns them; at least one.
    pub words: Vec<String>,
    /// Finds only items that the server changed at this time or before, in microseconds since 1970;
    /// `None` for all. An index that lags does so.
    pub until: Option<i64>,
    /// The position after which the page begins; `None` for the first page.
    pub after: Option<SearchPosition>,
    /// Maximum number of items on a page.
    pub limit: u64,
}

/// The position of an item in the result of a search.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SearchPosition {
    /// The first word of the item's name that the search found, in the order of the code points.
    pub word: String,
    /// The item.
    pub item: ItemKey,
}

impl ItemSearch {
    /// Returns the word that the index is read by: the longest one, which fewest names have.
    pub(super) fn leading_word(&self) -> &str {
        self.words.iter().max_by_key(|word| word.len()).map_or("", String::as_str)
    }

    /// Returns the position of a found item.
    pub(super) fn position(&self, node: &Node) -> SearchPosition {
        let leading = self.leading_word();
        let word = words(&node.name).into_iter().find(|word| word.starts_with(leading));
        SearchPosition { word: word.unwrap_or_default(), item: node.no }
    }

    /// Returns whether the name of an item has all words of the search.
    pub(super) fn matches(&self, node: &Node) -> bool {
        let of_name = words(&node.name);
        self.words.iter().all(|word| of_name.iter().any(|own| own.starts_with(word.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_without_case() {
        assert_eq!(words("Report_2024 (final).DOCX"), ["2024", "DOCX", "FINAL", "REPORT"]);
        assert_eq!(words("a-a.A"), ["A"]);
        assert_eq!(words("Ünïcode"), words("U\u{308}NI\u{308}CODE"));
        assert_eq!(words("Ægis"), words("aegis"));
        assert_eq!(words("…"), [""; 0]);
    }
}
