//! Items that are there, and not seen for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::super::{DriveKey, ItemKey, Node, Result, TreeError};

/// Which items are not seen, and until when.
#[derive(Debug, Default)]
pub(super) struct VisibilityDelay(Mutex<HashMap<(DriveKey, ItemKey), Instant>>);

impl VisibilityDelay {
    fn hidden(&self) -> MutexGuard<'_, HashMap<(DriveKey, ItemKey), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hide(&self, drive: DriveKey, item: ItemKey, until: Instant) {
        let (mut hidden, now) = (self.hidden(), Instant::now());
        hidden.retain(|_, until| *until > now);
        hidden.insert((drive, item), until);
    }

    pub(super) fn hides(&self, drive: DriveKey, item: ItemKey) -> bool {
        self.hidden().get(&(drive, item)).is_some_and(|until| *until > Instant::now())
    }

    /// Whether anything of a drive is not seen.
    pub(super) fn hides_any(&self, drive: DriveKey) -> bool {
        let now = Instant::now();
        self.hidden().iter().any(|((of, _), until)| *of == drive && *until > now)
    }

    /// The item, if it is seen.
    pub(super) fn seen(&self, node: Node) -> Result<Node> {
        if self.hides(node.drive, node.no) { Err(TreeError::NotFound) } else { Ok(node) }
    }

    /// Everything is seen again.
    pub(super) fn clear(&self) {
        self.hidden().clear();
    }
}
