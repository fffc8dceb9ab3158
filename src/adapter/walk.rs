//! The way down the folders of a drive that is walked by id.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    core::{Core, Found},
    index::{Folder, Look},
};
use crate::drive::{
    Conditions, Context, Error, ErrorKind, Item, ItemKind, ItemRef, Result, SiblingSearch,
};

/// One way down.
pub(super) struct Walk<'a> {
    core: &'a Core,
    cx: &'a Context,
    age: Duration,
    /// An id on the way was known beforehand and may be stale by now.
    pub(super) remembered: bool,
    /// The last folder was listed whole, so what it does not have is not there.
    pub(super) listed: bool,
}

impl<'a> Walk<'a> {
    /// By what is known for no longer than `age`.
    pub(super) fn new(core: &'a Core, cx: &'a Context, age: Duration) -> Self {
        Self { core, cx, age, remembered: false, listed: false }
    }

    /// From the root to the item of that path.
    pub(super) async fn down(&mut self, names: &[String]) -> Result<Found> {
        let root = self.core.root(self.cx).await?.clone();
        let mut found = Found {
            item: Some(Arc::new(Item::new(root.clone(), "", ItemKind::Folder))),
            place: ItemRef::from_id(&root),
            asked_now: false,
            edge: None,
            remembered: false,
        };
        for name in names {
            let parent = match &found.item {
                Some(item) if item.is_folder() => item.id.clone(),
                _ => {
                    return Err(Error::new(
                        ErrorKind::NotFound,
                        format!("there is nothing below a file: {name:?}"),
                    ));
                }
            };
            let folder = Folder::Id(parent.clone());
            let (item, asked_now) = self.step(&folder, &ItemRef::from_id(&parent), name).await?;
            found = Found {
                place: ItemRef::Item { id: item.id.clone(), parent: Some(parent) },
                item: Some(item),
                asked_now,
                edge: Some((folder, self.core.fold(name))),
                remembered: self.remembered,
            };
        }
        Ok(found)
    }

    /// The child of that name, and whether it was asked for now.
    pub(super) async fn step(
        &mut self,
        folder: &Folder,
        place: &ItemRef,
        name: &str,
    ) -> Result<(Arc<Item>, bool)> {
        let core = self.core;
        let folded = core.fold(name);
        self.listed = false;
        match core.index.look(folder, &folded, core.settings.index_ttl) {
            Look::Known(item, at) if at.elapsed() <= self.age => {
                self.remembered = true;
                return Ok((item, false));
            }
            Look::Known(item, _) => {
                if let Some(item) = self.still_there(folder, &folded, &item).await? {
                    return Ok((item, true));
                }
            }
            Look::Absent if !self.age.is_zero() => {
                self.listed = true;
                return Err(Error::new(ErrorKind::NotFound, format!("there is no {name:?}")));
            }
            Look::Absent | Look::Unknown => {}
        }
        let asked = Instant::now();
        let (mut items, mut all) = (Vec::new(), false);
        let mut seen = |what: SiblingSearch<'_>| match what {
            SiblingSearch::Item(item) => {
                items.push((core.fold(&item.name), Arc::new(item.clone())))
            }
            SiblingSearch::Complete => all = true,
        };
        let child = core.drive.child(self.cx, place, name, &mut seen).await;
        self.listed = all;
        core.index.learn(folder, items, all, asked);
        let child = match child {
            // A status means that the cloud did not find the folder, or one of its pages.
            Err(error) if error.kind() == ErrorKind::NotFound && error.status().is_some() => {
                return Err(self.lookup_error(place, name, error).await);
            }
            child => Arc::new(child?),
        };
        core.index.set(folder, folded, Arc::clone(&child), asked);
        Ok((child, true))
    }

    /// Returns the error of a lookup by name that ended with a 404: `NotFound` if the folder does
    /// not exist, and something else if it does, because the child may exist too.
    async fn lookup_error(&self, folder: &ItemRef, name: &str, error: Error) -> Error {
        match self.core.drive.item(self.cx, folder, &Conditions::default()).await {
            Err(gone) if gone.kind() == ErrorKind::NotFound => error,
            Err(failure) => failure,
            Ok(found) => Error::new(
                ErrorKind::Unexpected,
                format!("cannot look for {name:?} in the folder {:?}: {error}", found.name),
            )
            .with_source(error),
        }
    }

    /// Asks an item itself whether it is still in that folder under that name: one small request,
    /// where looking for the name would list the folder.
    async fn still_there(
        &self,
        folder: &Folder,
        folded: &str,
        known: &Item,
    ) -> Result<Option<Arc<Item>>> {
        let (core, asked) = (self.core, Instant::now());
        let Folder::Id(parent) = folder else { return Ok(None) };
        match core.drive.item(self.cx, &ItemRef::from_id(&known.id), &Conditions::default()).await {
            Ok(item) if item.parents.contains(parent) && core.fold(&item.name) == folded => {
                let item = Arc::new(item);
                core.index.set(folder, folded.to_owned(), Arc::clone(&item), asked);
                Ok(Some(item))
            }
            Ok(_) => {
                core.index.doubt(folder, folded);
                Ok(None)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                core.index.doubt(folder, folded);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
