//! Searches.

use super::super::{Tree, read_tx, search_index};
use crate::tree::{ItemSearch, Node, Result, SearchPosition};

/// Items that are read at a time if only some of them have all words.
const STRIDE: u64 = 1000;

impl Tree {
    /// Returns a page of the items that a search finds, and the position of the next page; `None` on
    /// the last page. Items that change their words meanwhile may be repeated or missing.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the database cannot be read.
    pub async fn search(
        &self,
        mut search: ItemSearch,
    ) -> Result<(Vec<Node>, Option<SearchPosition>)> {
        let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
        // One word: every candidate is found.
        let stride = if search.words.len() == 1 { search.limit } else { STRIDE.max(search.limit) };
        search.limit = stride;
        let mut found = Vec::new();
        loop {
            let candidates = read_tx!(self, |sql| search_index::candidates(sql, &search))?;
            let is_last = (candidates.len() as u64) < stride;
            for node in candidates {
                if found.len() == limit {
                    return Ok((found, search.after));
                }
                search.after = Some(search.position(&node));
                if search.matches(&node) && !self.visibility.hides(node.drive, node.no) {
                    found.push(node);
                }
            }
            if is_last {
                return Ok((found, None));
            }
            if found.len() == limit {
                return Ok((found, search.after));
            }
        }
    }
}
