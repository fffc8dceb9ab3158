//! Detection of endless listings: the cloud chooses each next page, and might never stop.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{Error, ErrorKind, Result, Secret};

/// Largest number of consecutive pages without an item. Real change feeds send some of them.
const EMPTY_MAX: u32 = 1_000;

/// Largest number of pages in one listing. With 200 items each, this is more than any cloud stores
/// in one account.
const PAGES_MAX: usize = 1_000_000;

/// Detects a listing that does not end.
#[derive(Debug, Default)]
pub(crate) struct PageGuard {
    /// Hashes of the cursors of all pages so far.
    seen: HashSet<u64>,
    /// Number of pages without an item, up to the last page.
    empty: u32,
}

impl PageGuard {
    /// Records a page with this number of items, and the cursor of the page after it.
    ///
    /// # Errors
    /// `Unexpected` if the cloud sent the cursor before, or if the listing has too many pages, or
    /// too many consecutive pages without an item.
    pub(crate) fn record(&mut self, items: usize, next: Option<&Secret>) -> Result<()> {
        let Some(next) = next else { return Ok(()) };
        self.empty = if items == 0 { self.empty + 1 } else { 0 };
        let mut hasher = DefaultHasher::new();
        next.expose().hash(&mut hasher);
        let problem = if !self.seen.insert(hasher.finish()) {
            "the cloud repeats a page that it sent before".to_owned()
        } else if self.empty > EMPTY_MAX {
            format!("more than {EMPTY_MAX} consecutive pages have no item")
        } else if self.seen.len() > PAGES_MAX {
            format!("it has more than {PAGES_MAX} pages")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Unexpected, format!("cannot complete the listing: {problem}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_pages_and_endless_empty_pages_are_errors() {
        let page = |number: u32| Secret::from(format!("page {number}"));
        let mut guard = PageGuard::default();
        for number in [1, 2, 3] {
            guard.record(1, Some(&page(number))).expect("a new page");
        }
        guard.record(0, None).expect("the end");
        let error = guard.record(1, Some(&page(1))).expect_err("a repeated page");
        assert!(error.to_string().contains("repeats a page"), "{error}");

        let mut guard = PageGuard::default();
        let refused = (0..).find(|number| guard.record(0, Some(&page(*number))).is_err());
        assert_eq!(refused, Some(EMPTY_MAX));
    }
}
