//! Entries that a listing leaves out, because their names cannot be part of a path or because
//! another entry has the same name.
//!
//! Such an entry does not fail the listing of its folder. It is logged and recorded here, so that a
//! caller can report it: see [`DriveHandle::take_left_out`](super::DriveHandle::take_left_out).

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use crate::drive::{Item, ItemId, ItemKind};

/// The maximum number of recorded entries. Later ones are only logged.
const RECORDED_MAX: usize = 10_000;

/// An entry that a listing left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// The path of its folder, relative to the operator's root and with a trailing slash. Empty for
    /// the root.
    pub folder: String,
    /// The name as the cloud returned it. It may be empty.
    pub name: String,
    /// The id of the item. It may be empty.
    pub id: ItemId,
    /// The kind of the item.
    pub kind: ItemKind,
    /// The reason, for a person.
    pub reason: String,
    /// The entry that the listing returned instead: it has the same name under the cloud's case
    /// folding, so the path of both leads to it. `None` if the entry was left out for another
    /// reason.
    pub twin: Option<Twin>,
}

/// The entry that a listing returned instead of another one with the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Twin {
    /// The name as the cloud returned it. Its case may differ from that of the other entry.
    pub name: String,
    /// The id of the item.
    pub id: ItemId,
}

/// The reason why an entry is left out.
pub(super) struct Reason {
    text: String,
    twin: Option<Twin>,
}

/// The entries that listings have left out since the last [`take`](Self::take).
#[derive(Debug, Default)]
pub(super) struct LeftOutEntries(Mutex<Vec<LeftOut>>);

impl LeftOutEntries {
    /// Logs an item that a listing of the folder at the operator path `folder` left out, and
    /// records it. Entries beyond [`RECORDED_MAX`] are only logged.
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

/// The names of one folder that a listing has returned, by the key of the cloud's case folding.
pub(super) type Names = HashMap<String, Twin>;

/// How a listing treats an item.
pub(super) enum Admission {
    /// The item is returned.
    Accepted,
    /// The item was returned before: pages may repeat items.
    Duplicate,
    /// The item is left out.
    LeftOut(Reason),
}

/// Decides how a listing treats an item of a folder. `folded` is the item's name in paths under the
/// cloud's case folding, and `names` has the folder's names so far; an accepted name is added to it.
pub(super) fn admit(item: &Item, folded: String, names: &mut Names) -> Admission {
    if let Some(reason) = unusable(item) {
        return Admission::LeftOut(Reason { text: reason.to_owned(), twin: None });
    }
    match names.get(&folded) {
        None => {
            names.insert(folded, Twin { name: item.name.clone(), id: item.id.clone() });
            Admission::Accepted
        }
        Some(twin) if twin.id == item.id => Admission::Duplicate,
        Some(twin) => Admission::LeftOut(Reason {
            text: format!("item {} has the same name as item {}", item.id, twin.id),
            twin: Some(twin.clone()),
        }),
    }
}

/// Returns why no path can lead to an item, or `None` if one can.
fn unusable(item: &Item) -> Option<&'static str> {
    match &*item.name {
        _ if item.id.as_str().is_empty() => Some("the cloud's description has no readable id"),
        "" => Some("the cloud returned no name"),
        "." | ".." => Some("this name cannot be part of a path"),
        name if name.contains(['/', '\0']) => {
            Some("a name with a slash or a NUL cannot be part of a path")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ItemKind;

    #[test]
    fn names_that_cannot_be_part_of_a_path_are_left_out() {
        for name in ["", ".", "..", "a/b", "/", "a\0"] {
            let item = Item::new("1", name, ItemKind::File);
            let admission = admit(&item, name.to_owned(), &mut Names::new());
            assert!(matches!(admission, Admission::LeftOut(_)), "{name:?}");
        }
        for name in ["...", ".a", "a\\b", " ", "a\nb"] {
            let item = Item::new("1", name, ItemKind::File);
            let admission = admit(&item, name.to_owned(), &mut Names::new());
            assert!(matches!(admission, Admission::Accepted), "{name:?}");
        }
    }

    #[test]
    fn the_second_item_with_a_name_is_left_out_and_a_repeated_item_is_not_reported() {
        let mut names = Names::new();
        let mut admission_of = |id: &'static str| {
            let item = Item::new(id, "a", ItemKind::File);
            admit(&item, "A".to_owned(), &mut names)
        };
        assert!(matches!(admission_of("1"), Admission::Accepted));
        assert!(matches!(admission_of("1"), Admission::Duplicate));
        let Admission::LeftOut(reason) = admission_of("2") else { panic!("accepted") };
        assert!(reason.text.contains("item 1"), "{}", reason.text);
        assert_eq!(reason.twin.map(|twin| twin.id), Some("1".into()));
    }
}
