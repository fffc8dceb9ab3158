//! Entries that a listing cannot show: names that no path can have, names that two items have.
//!
//! Such an entry does not fail the listing of its folder. It is logged and recorded here, so that a
//! caller can report it: [`DriveHandle::take_left_out`](super::DriveHandle::take_left_out).

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use crate::drive::{Item, ItemId, ItemKind};

/// The most entries that are recorded; later ones are only logged.
const RECORDED_MAX: usize = 10_000;

/// An entry that a listing could not show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The path of the folder, as entries show it; empty for the root.
    pub folder: String,
    /// The name, as the cloud returned it; may be empty.
    pub name: String,
    /// The id of the item; may be empty.
    pub id: ItemId,
    /// Whether it is a file or a folder.
    pub kind: ItemKind,
    /// Why it is left out.
    pub reason: String,
    /// The entry with the same name, under the cloud's folding, that the listing shows instead. The
    /// path of both leads to that one. `None` if the entry is left out for another reason.
    pub twin: Option<Twin>,
}

/// The entry that a listing shows of several entries with one name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Twin {
    /// The name as the cloud returned it. It may differ in case from the others.
    pub name: String,
    /// The id of the item.
    pub id: ItemId,
}

/// Why an entry is left out.
pub(super) struct Reason {
    text: String,
    twin: Option<Twin>,
}

/// The entries left out since they were last taken.
#[derive(Debug, Default)]
pub(super) struct Recorded(Mutex<Vec<LeftOut>>);

impl Recorded {
    /// Logs an entry, and records it.
    pub(super) fn record(&self, folder: &str, item: &Item, reason: Reason) {
        let Reason { text: reason, twin } = reason;
        tracing::warn!(folder, name = item.name, id = %item.id, reason, "an entry is left out");
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() < RECORDED_MAX {
            entries.push(LeftOut {
                folder: folder.to_owned(),
                name: item.name.clone(),
                id: item.id.clone(),
                kind: item.kind,
                reason,
                twin,
            });
        }
    }

    /// Removes and returns the recorded entries.
    pub(super) fn take(&self) -> Vec<LeftOut> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The names of a folder's entries, under the cloud's folding.
pub(super) type Names = HashMap<String, Twin>;

/// Whether an entry of a folder is shown.
pub(super) enum Fit {
    Shown,
    /// The same item came before: pages may repeat items.
    Repeated,
    /// It is left out, for this reason.
    LeftOut(Reason),
}

/// Decides on an entry of the folder that `names` are of.
pub(super) fn fit(item: &Item, folded: String, names: &mut Names) -> Fit {
    if let Some(reason) = unfit(item) {
        return Fit::LeftOut(Reason { text: reason.to_owned(), twin: None });
    }
    match names.get(&folded) {
        None => {
            names.insert(folded, Twin { name: item.name.clone(), id: item.id.clone() });
            Fit::Shown
        }
        Some(twin) if twin.id == item.id => Fit::Repeated,
        Some(twin) => Fit::LeftOut(Reason {
            text: format!("item {} has a name that item {} has too", item.id, twin.id),
            twin: Some(twin.clone()),
        }),
    }
}

/// Why no path can lead to an item.
fn unfit(item: &Item) -> Option<&'static str> {
    match &*item.name {
        _ if item.id.as_str().is_empty() => {
            Some("the cloud's description of it has no id, or cannot be read")
        }
        "" => Some("the cloud returned it without a name"),
        "." | ".." => Some("no path can have this name"),
        name if name.contains(['/', '\0']) => Some("no path can have a name with a slash or a NUL"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ItemKind;

    #[test]
    fn names_that_no_path_can_have_are_left_out() {
        for name in ["", ".", "..", "a/b", "/", "a\0"] {
            let item = Item::new("1", name, ItemKind::File);
            let fit = fit(&item, name.to_owned(), &mut Names::new());
            assert!(matches!(fit, Fit::LeftOut(_)), "{name:?}");
        }
        for name in ["...", ".a", "a\\b", " ", "a\nb"] {
            let item = Item::new("1", name, ItemKind::File);
            let fit = fit(&item, name.to_owned(), &mut Names::new());
            assert!(matches!(fit, Fit::Shown), "{name:?}");
        }
    }

    #[test]
    fn of_two_items_of_one_name_the_second_is_left_out_and_a_repeated_one_is_not_reported() {
        let mut names = Names::new();
        let mut fits = |id: &'static str| {
            let item = Item::new(id, "a", ItemKind::File);
            fit(&item, "A".to_owned(), &mut names)
        };
        assert!(matches!(fits("1"), Fit::Shown));
        assert!(matches!(fits("1"), Fit::Repeated));
        let Fit::LeftOut(reason) = fits("2") else { panic!("it is shown") };
        assert!(reason.text.contains("item 1"), "{}", reason.text);
        assert_eq!(reason.twin.map(|twin| twin.id), Some("1".into()));
    }
}
