//! One at a time at a name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::Mutex as Turn;

use crate::drive::ItemId;

/// A folder, and a folded name in it.
type At = (ItemId, String);

/// Who is at work at a name in a folder, as long as somebody is.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<At, Weak<Turn<()>>>>);

impl Turns {
    /// What is locked by whoever is at work at that name.
    pub(super) fn turn(&self, parent: &ItemId, folded: &str) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        let slot = turns.entry((parent.clone(), folded.to_owned())).or_default();
        slot.upgrade().unwrap_or_else(|| {
            let turn = Arc::new(Turn::new(()));
            *slot = Arc::downgrade(&turn);
            turn
        })
    }
}
