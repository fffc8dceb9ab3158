//! A drive's feed of changes, for the cache: by paths.
//!
//! The feed names items by id. Where a file was shown is remembered ([`Told`](super::told)), where
//! it is now is found by the folders above it. A folder takes everything below with it, under paths
//! that nobody may have shown (`a/b/c` is looked at without a look at `a`), so that a folder that
//! moved or vanished is said to change everything; and so is one that the feed tells of for the
//! first time, because where it was before is not known. Feeds tell of folders whenever something
//! in them changes: from the second time on that is known to be no move.

use std::collections::HashMap;

use async_trait::async_trait;
use opendal::{OperationContext, Result};
use tokio::sync::Mutex;

use super::{DriveHandle, error::to_opendal};
use crate::{
    drive::{self, Conditions, Context, Cursor, ErrorKind, Item, ItemId, ItemKind, ItemRef},
    layers::cache::{ChangeSource, Changes, Position},
};

/// Most pages of a feed that are read at a time; beyond, everything is said to have changed.
const PAGES_MAX: usize = 100;

/// Most folders that are remembered.
const FOLDERS_MAX: usize = 100_000;

/// Most folders on all the ways to an item.
const STEPS_MAX: usize = 1_000;

/// Where a folder is: its name, and the folders that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    name: String,
    parents: Vec<ItemId>,
}

impl Spot {
    fn of(item: &Item) -> Self {
        Self { name: item.name.clone(), parents: item.parents.clone() }
    }
}

/// A drive's changes by the paths of its operator.
#[derive(Debug)]
pub(super) struct DriveChanges {
    handle: DriveHandle,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// The drive's root by its own id.
    root: Option<ItemId>,
    /// Where the feed has said folders to be.
    heard: HashMap<ItemId, Spot>,
    /// Where folders are that the feed has not told of yet.
    asked: HashMap<ItemId, Spot>,
}

/// What one reading of the feed amounts to.
#[derive(Debug, Default)]
struct Reading {
    paths: Vec<String>,
    gone: Vec<ItemId>,
    everything: bool,
}

impl DriveChanges {
    pub(super) fn new(handle: DriveHandle) -> Self {
        handle.core.told.listen();
        Self { handle, state: Mutex::default() }
    }

    /// What the pages of the feed say.
    async fn read(&self, cx: &Context, since: &Cursor) -> drive::Result<(Reading, State, Cursor)> {
        let mut state = self.state.lock().await.clone();
        let mut reading = Reading::default();
        let mut cursor = since.clone();
        for _ in 0..PAGES_MAX {
            let page = self.handle.core.drive.changes(cx, Some(&cursor)).await?;
            reading.everything |= page.reset;
            cursor = page.next;
            for (id, kind) in page.removed {
                reading.everything |= kind != Some(ItemKind::File);
                reading.gone.push(id);
            }
            for item in page.items {
                self.take_in(cx, &mut state, &mut reading, item).await?;
            }
            if !page.more {
                return Ok((reading, state, cursor));
            }
        }
        let next = self.handle.core.drive.changes(cx, None).await?.next;
        Ok((Reading { everything: true, ..Reading::default() }, State::default(), next))
    }

    async fn take_in(
        &self,
        cx: &Context,
        state: &mut State,
        reading: &mut Reading,
        item: Item,
    ) -> drive::Result<()> {
        if state.root.as_ref() == Some(&item.id) {
            return Ok(());
        }
        if item.is_folder() {
            let spot = Spot::of(&item);
            reading.everything |= state.heard.get(&item.id) != Some(&spot);
            state.asked.remove(&item.id);
            state.heard.insert(item.id.clone(), spot);
            if state.heard.len() > FOLDERS_MAX {
                state.heard.clear();
            }
        } else {
            reading.gone.push(item.id.clone());
        }
        if !reading.everything {
            match self.ways(cx, state, &item).await? {
                Some(ways) => {
                    let below = ways.into_iter().filter_map(|way| self.below_root(way));
                    reading.paths.extend(below);
                }
                None => reading.everything = true,
            }
        }
        Ok(())
    }

    /// The names down to an item, on every way there is; `None` if there are too many.
    async fn ways(
        &self,
        cx: &Context,
        state: &mut State,
        item: &Item,
    ) -> drive::Result<Option<Vec<Vec<String>>>> {
        let mut ways = Vec::new();
        let mut up = vec![(Spot::of(item), Vec::new())];
        let mut steps = 0;
        while let Some((spot, mut names)) = up.pop() {
            steps += 1;
            // A folder may contain itself by links.
            if steps > STEPS_MAX {
                return Ok(None);
            }
            names.push(spot.name);
            for parent in spot.parents {
                if state.root.as_ref() == Some(&parent) {
                    ways.push(names.iter().rev().cloned().collect());
                } else if let Some(above) = self.spot(cx, state, parent).await? {
                    up.push((above, names.clone()));
                }
            }
        }
        Ok(Some(ways))
    }

    /// Where a folder is; `None` if it is gone.
    async fn spot(
        &self,
        cx: &Context,
        state: &mut State,
        folder: ItemId,
    ) -> drive::Result<Option<Spot>> {
        if let Some(spot) = state.heard.get(&folder).or_else(|| state.asked.get(&folder)) {
            return Ok(Some(spot.clone()));
        }
        let place = ItemRef::from_id(&folder);
        match self.handle.core.drive.item(cx, &place, &Conditions::default()).await {
            Ok(item) => {
                let spot = Spot::of(&item);
                if state.asked.len() >= FOLDERS_MAX {
                    state.asked.clear();
                }
                state.asked.insert(folder, spot.clone());
                Ok(Some(spot))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A path as the operator has it; `None` if it is not below its root.
    fn below_root(&self, names: Vec<String>) -> Option<String> {
        let core = &self.handle.core;
        let root = core.path("/").ok()?;
        let root = root.names();
        let is_below = names.len() > root.len()
            && names.iter().zip(root).all(|(name, root)| core.fold(name) == core.fold(root));
        is_below.then(|| names[root.len()..].join("/"))
    }

    async fn begin(&self, cx: &Context) -> drive::Result<Cursor> {
        let core = &self.handle.core;
        let root = ItemRef::from_id(core.root(cx).await?);
        let root = core.drive.item(cx, &root, &Conditions::default()).await?.id;
        let begun = core.drive.changes(cx, None).await?.next;
        *self.state.lock().await = State { root: Some(root), ..State::default() };
        Ok(begun)
    }
}

#[async_trait]
impl ChangeSource for DriveChanges {
    async fn changes(&self, lent: &OperationContext, since: Option<&Position>) -> Result<Changes> {
        let cx = Context::from(lent);
        let Some(since) = since else {
            let next = position(&self.begin(&cx).await.map_err(to_opendal)?);
            return Ok(Changes { paths: Vec::new(), moved: Vec::new(), everything: false, next });
        };
        let since = Cursor(since.expose().into());
        let (reading, state, next) = self.read(&cx, &since).await.map_err(to_opendal)?;
        let mut kept = self.state.lock().await;
        // No await from here: what was read is taken in whole, or is read again.
        let core = &self.handle.core;
        let everything = reading.everything || core.told.take_lost();
        let mut moved: Vec<_> =
            reading.gone.iter().flat_map(|id| core.told.take(id)).map(String::from).collect();
        moved.extend(core.told.paths_except(|id| core.drive.covers_changes_of(id)));
        if everything {
            core.told.clear();
        }
        if everything || !reading.paths.is_empty() || !reading.gone.is_empty() {
            core.index.forget_all();
        }
        let asked = if everything { HashMap::new() } else { state.asked };
        *kept = State { root: kept.root.clone().or(state.root), heard: state.heard, asked };
        Ok(Changes { paths: reading.paths, moved, everything, next: position(&next) })
    }
}

fn position(Cursor(name): &Cursor) -> Position {
    Position::new(name.expose())
}
