//! Listings: given again, or forwarded and remembered.

use std::{mem, sync::Arc};

use opendal::{
    OperationContext, Result,
    raw::oio::{self, Entry, List},
};

use super::{core::Core, known::Fill};

/// A listing of a folder.
pub(super) struct CacheLister {
    core: Arc<Core>,
    lent: OperationContext,
    path: String,
    recursive: bool,
    inner: oio::Lister,
    state: State,
}

enum State {
    /// Nothing has been asked yet.
    New,
    /// From memory.
    Again(Arc<[Entry]>, usize),
    /// From the service; `None`: not to be remembered.
    Asked(Option<(Fill, Vec<Entry>)>),
}

impl CacheLister {
    pub(super) fn new(
        core: Arc<Core>,
        lent: OperationContext,
        path: &str,
        recursive: bool,
        inner: oio::Lister,
    ) -> Self {
        Self { core, lent, path: path.to_owned(), recursive, inner, state: State::New }
    }

    /// Decides where the listing comes from.
    async fn begin(&mut self) {
        let core = &self.core;
        let remembered = core.remembered_list(&self.lent, &self.path, self.recursive).await;
        core.counters.metadata(remembered.is_some());
        self.state = match remembered {
            Some(entries) => State::Again(entries, 0),
            None => {
                core.listen(&self.lent).await;
                State::Asked(Some((core.known.begin(&self.path), Vec::new())))
            }
        };
    }

    async fn forward(&mut self) -> Result<Option<Entry>> {
        let State::Asked(held) = &mut self.state else { return Ok(None) };
        let next = self.inner.next().await;
        match (&next, held.as_mut()) {
            (Ok(Some(entry)), Some((_, entries))) => {
                if entries.len() < self.core.settings.entries {
                    entries.push(entry.clone());
                } else {
                    *held = None;
                }
            }
            (Ok(None), Some(_)) => {
                let looks = self.core.settings.looks_from_listings;
                if let Some((fill, entries)) = held.take() {
                    fill.listed(&self.path, self.recursive, entries, looks);
                }
            }
            (Err(error), Some((_, entries))) => {
                let last = self.core.known.list(&self.path, self.recursive);
                if let Some((entries, _)) =
                    last.filter(|_| entries.is_empty() && self.core.may_stand_in(error))
                {
                    self.state = State::Again(entries, 0);
                    return Ok(self.again());
                }
                // A listing that went on after an error may have left something out.
                *held = None;
            }
            (_, None) => {}
        }
        next
    }

    fn again(&mut self) -> Option<Entry> {
        let State::Again(entries, at) = &mut self.state else { return None };
        let entry = entries.get(*at).cloned();
        *at += 1;
        if entry.is_none() {
            drop(mem::replace(entries, Arc::new([])));
        }
        entry
    }
}

#[deny(clippy::missing_trait_methods)]
impl List for CacheLister {
    async fn next(&mut self) -> Result<Option<Entry>> {
        if let State::New = self.state {
            self.begin().await;
        }
        match self.state {
            State::Again(..) => Ok(self.again()),
            _ => self.forward().await,
        }
    }
}
