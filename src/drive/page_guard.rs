//! An end for enumerations: a cloud names each page after the one before, and might never stop.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{Error, ErrorKind, Result, Secret};

/// The most pages in a row without an item. Change feeds have been seen to send some.
const EMPTY_MAX: u32 = 1_000;

/// The most pages of one enumeration: of 200 items each, more than any cloud stores for an account.
const PAGES_MAX: usize = 1_000_000;

/// Notices pages that lead nowhere.
#[derive(Debug, Default)]
pub(crate) struct PageGuard {
    /// Hashes of the names of all pages so far.
    seen: HashSet<u64>,
    empty: u32,
}

impl PageGuard {
    /// Notes a page, the number of its items, and the name of the page that is to follow it.
    ///
    /// # Errors
    /// `Unexpected` if that page was named before, or if there are too many pages, or too many
    /// without an item.
    pub(crate) fn note(&mut self, items: usize, next: Option<&Secret>) -> Result<()> {
        let Some(next) = next else { return Ok(()) };
        self.empty = if items == 0 { self.empty + 1 } else { 0 };
        let mut hasher = DefaultHasher::new();
        next.expose().hash(&mut hasher);
        let problem = if !self.seen.insert(hasher.finish()) {
            "the cloud names a page again that it has named before".to_owned()
        } else if self.empty > EMPTY_MAX {
            format!("more than {EMPTY_MAX} pages in a row have no item")
        } else if self.seen.len() > PAGES_MAX {
            format!("there are more than {PAGES_MAX} pages")
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Unexpected, format!("cannot end the listing: {problem}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_in_a_circle_and_pages_without_end_are_errors() {
        let page = |number: u32| Secret::from(format!("page {number}"));
        let mut guard = PageGuard::default();
        for number in [1, 2, 3] {
            guard.note(1, Some(&page(number))).expect("a new page");
        }
        guard.note(0, None).expect("the end");
        let error = guard.note(1, Some(&page(1))).expect_err("a circle");
        assert!(error.to_string().contains("named before"), "{error}");

        let mut guard = PageGuard::default();
        let refused = (0..).find(|number| guard.note(0, Some(&page(*number))).is_err());
        assert_eq!(refused, Some(EMPTY_MAX));
    }
}
