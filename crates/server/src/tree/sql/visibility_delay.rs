//! Items that exist, and are hidden for a time, as in a cloud that is not yet consistent.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::super::{DriveKey, ItemKey, Node, Result, TreeError};

/// The hidden items, and the time at which each becomes visible.
#[derive(Debug, Default)]
pub(super) struct VisibilityDelay(Mutex<HashMap<(DriveKey, ItemKey), Instant>>);

impl VisibilityDelay {
    /// Locks the hidden items.
    fn hidden(&self) -> MutexGuard<'_, HashMap<(DriveKey, ItemKey), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hides an item until a time.
    pub(super) fn hide(&self, drive: DriveKey, item: ItemKey, until: Instant) {
        let (mut hidden, now) = (self.hidden(), Instant::now());
        hidden.retain(|_, until| *until > now);
        hidden.insert((drive, item), until);
    }

    /// Returns whether an item is hidden now. The time `until` which it was hidden is exclusive.
    pub(super) fn hides(&self, drive: DriveKey, item: ItemKey) -> bool {
        self.hidden().get(&(drive, item)).is_some_and(|until| *until > Instant::now())
    }

    /// Returns whether any item of a drive is hidden.
    pub(super) fn hides_any(&self, drive: DriveKey) -> bool {
        let now = Instant::now();
        self.hidden().iter().any(|((of, _), until)| *of == drive && *until > now)
    }

    /// Returns the item unless it is hidden.
    ///
    /// # Errors
    /// [`TreeError::NotFound`] if it is hidden.
    pub(super) fn visible(&self, node: Node) -> Result<Node> {
        if self.hides(node.drive, node.no) { Err(TreeError::NotFound) } else { Ok(node) }
    }

    /// Makes all items of a drive visible: their keys may be those of other items now.
    pub(super) fn clear_drive(&self, drive: DriveKey) {
        self.hidden().retain(|(of, _), _| *of != drive);
    }

    /// Makes all items visible.
    pub(super) fn clear(&self) {
        self.hidden().clear();
    }
}
