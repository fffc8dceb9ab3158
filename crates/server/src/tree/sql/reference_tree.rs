//! A simple tree in a map. Property tests compare the real tree with it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    FIRST_ITEM, ItemKey, ItemState, NameFolding, NodeKind, OnConflict, ROOT, Result, TreeError,
};

#[derive(Clone, Debug)]
pub(super) struct ReferenceItem {
    pub name: String,
    pub kind: NodeKind,
    /// Every folder it is in, or was in when it was trashed.
    pub parents: BTreeSet<ItemKey>,
    pub primary: Option<ItemKey>,
    pub trashed: bool,
    pub purged: bool,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct ReferenceTree {
    pub items: BTreeMap<ItemKey, ReferenceItem>,
    pub quota: u64,
    pub folding: NameFolding,
    next: ItemKey,
}

/// Reads.
impl ReferenceTree {
    pub(super) fn new(quota: u64, folding: NameFolding) -> Self {
        let mut model = Self { items: BTreeMap::new(), quota, folding, next: ROOT };
        model.insert(BTreeSet::new(), String::new(), NodeKind::Folder, Vec::new());
        model.next = FIRST_ITEM;
        model
    }

    fn there(&self, no: ItemKey) -> bool {
        self.items.get(&no).is_some_and(|item| !item.trashed && !item.purged)
    }

    pub(super) fn live(&self, no: ItemKey) -> bool {
        no == ROOT || self.there(no) && self.items[&no].parents.iter().any(|up| self.live(*up))
    }

    pub(super) fn state(&self, no: ItemKey) -> ItemState {
        match &self.items[&no] {
            item if item.purged => ItemState::Purged,
            item if item.trashed => ItemState::Trashed,
            _ if self.live(no) => ItemState::Live,
            _ => ItemState::Hidden,
        }
    }

    pub(super) fn shown_parents(&self, no: ItemKey) -> Vec<ItemKey> {
        let item = &self.items[&no];
        let mut shown = Vec::from_iter(item.primary);
        if !item.purged {
            let seen = |up: &&ItemKey| !self.live(no) || self.live(**up);
            shown.extend(item.parents.iter().filter(seen).filter(|up| Some(**up) != item.primary));
        }
        shown
    }

    pub(super) fn children(&self, folder: ItemKey) -> Vec<ItemKey> {
        let inside = |no: &ItemKey| self.there(*no) && self.items[no].parents.contains(&folder);
        self.items.keys().copied().filter(inside).collect()
    }

    pub(super) fn size(&self, no: ItemKey) -> u64 {
        let item = &self.items[&no];
        let below = self.children(no).into_iter();
        let below = below.filter(|child| self.items[child].primary == Some(no));
        item.bytes.len() as u64 + below.map(|child| self.size(child)).sum::<u64>()
    }

    /// An item and all below it, each with how deep it is at most.
    fn gather(&self, top: ItemKey) -> BTreeMap<ItemKey, usize> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![(top, 0)];
        while let Some((no, depth)) = waiting.pop() {
            let deepest = found.entry(no).or_insert(depth);
            *deepest = depth.max(*deepest);
            waiting.extend(self.children(no).into_iter().map(|child| (child, depth + 1)));
        }
        found
    }

    pub(super) fn is_above(&self, no: ItemKey, folder: ItemKey) -> bool {
        self.gather(no).contains_key(&folder)
    }

    fn occupant(&self, folder: ItemKey, name: &str) -> Option<ItemKey> {
        let mut children = self.children(folder).into_iter();
        let folded = self.folding.fold(name);
        children.find(|child| self.folding.fold(&self.items[child].name) == folded)
    }

    fn live_item(&self, no: ItemKey) -> Result<&ReferenceItem> {
        if self.live(no) { Ok(&self.items[&no]) } else { Err(TreeError::NotFound) }
    }

    /// Returns the item that has a name in a live folder.
    fn slot(&self, folder: ItemKey, name: &str) -> Result<Option<ItemKey>> {
        if self.live_item(folder)?.kind != NodeKind::Folder {
            return Err(TreeError::NotAFolder(folder));
        }
        Ok(self.occupant(folder, name))
    }

    fn admit(&self, more: i64) -> Result<()> {
        if more > 0 && self.size(ROOT) as i64 + more > self.quota as i64 {
            return Err(TreeError::QuotaExceeded);
        }
        Ok(())
    }

    fn free(&self, folders: &[ItemKey], name: &str, kind: NodeKind) -> String {
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if kind == NodeKind::File => (stem, format!(".{extension}")),
            _ => (name, String::new()),
        };
        let free = |name: &String| folders.iter().all(|up| self.occupant(*up, name).is_none());
        (1..).map(|n| format!("{stem} {n}{extension}")).find(free).unwrap_or_default()
    }
}

/// Writes.
impl ReferenceTree {
    fn insert(
        &mut self,
        parents: BTreeSet<ItemKey>,
        name: String,
        kind: NodeKind,
        bytes: Vec<u8>,
    ) -> ItemKey {
        let no = self.next;
        self.next.0 += 1;
        let primary = parents.first().copied();
        let item =
            ReferenceItem { name, kind, parents, primary, trashed: false, purged: false, bytes };
        self.items.insert(no, item);
        no
    }

    fn item(&mut self, no: ItemKey) -> &mut ReferenceItem {
        self.items.get_mut(&no).expect("looked up before")
    }

    /// Makes the primary folder of each live item live, and of no item purged if another is not.
    fn settle(&mut self) {
        let before = self.clone();
        for (&no, item) in &mut self.items {
            let Some(primary) = item.primary.filter(|_| before.there(no)) else { continue };
            let state = before.state(primary);
            let live = item.parents.iter().copied().find(|up| before.live(*up));
            if before.live(no) && state != ItemState::Live || state == ItemState::Purged {
                item.primary = live.or_else(|| item.parents.first().copied()).or(item.primary);
            }
        }
    }

    pub(super) fn make(
        &mut self,
        folder: ItemKey,
        name: &str,
        on_conflict: OnConflict,
    ) -> Result<ItemKey> {
        let mut name = name.to_owned();
        if let Some(there) = self.slot(folder, &name)? {
            match on_conflict {
                OnConflict::Replace if self.items[&there].kind == NodeKind::Folder => {
                    return Ok(there);
                }
                OnConflict::Rename => name = self.free(&[folder], &name, NodeKind::Folder),
                _ => return Err(TreeError::NameTaken(there)),
            }
        }
        Ok(self.insert(BTreeSet::from([folder]), name, NodeKind::Folder, Vec::new()))
    }

    pub(super) fn put(
        &mut self,
        folder: ItemKey,
        name: &str,
        bytes: Vec<u8>,
        on_conflict: OnConflict,
    ) -> Result<ItemKey> {
        let mut name = name.to_owned();
        if let Some(there) = self.slot(folder, &name)? {
            match on_conflict {
                OnConflict::Replace => return self.overwrite(there, bytes),
                OnConflict::Rename => name = self.free(&[folder], &name, NodeKind::File),
                OnConflict::Fail => return Err(TreeError::NameTaken(there)),
            }
        }
        self.admit(bytes.len() as i64)?;
        Ok(self.insert(BTreeSet::from([folder]), name, NodeKind::File, bytes))
    }

    pub(super) fn overwrite(&mut self, no: ItemKey, bytes: Vec<u8>) -> Result<ItemKey> {
        let item = self.live_item(no)?;
        if item.kind != NodeKind::File {
            return Err(TreeError::NotAFile(no));
        }
        self.admit(bytes.len() as i64 - item.bytes.len() as i64)?;
        self.item(no).bytes = bytes;
        Ok(no)
    }

    pub(super) fn update(
        &mut self,
        no: ItemKey,
        name: Option<&str>,
        parents: Option<&[ItemKey]>,
        on_conflict: OnConflict,
    ) -> Result<ItemKey> {
        let item = self.live_item(no)?.clone();
        if no == ROOT && (name.is_some() || parents.is_some()) {
            return Err(TreeError::Root);
        }
        let mut new_name = name.map_or(item.name.clone(), str::to_owned);
        let shown = self.shown_parents(no);
        let wanted = parents.map_or(shown.clone(), <[ItemKey]>::to_vec);
        if wanted == shown && new_name == item.name {
            return Ok(no);
        }
        let mut occupants = BTreeSet::new();
        for &folder in &wanted {
            let occupant = self.slot(folder, &new_name)?;
            occupants.extend(occupant.filter(|there| *there != no));
            if !shown.contains(&folder) && self.is_above(no, folder) {
                return Err(TreeError::IntoItself);
            }
        }
        let Some(&primary) = wanted.first() else { return Err(TreeError::NotFound) };
        if let Some(&first) = occupants.first() {
            let file = |no: &ItemKey| self.items[no].kind == NodeKind::File;
            match on_conflict {
                OnConflict::Fail => return Err(TreeError::NameTaken(first)),
                OnConflict::Rename => new_name = self.free(&wanted, &new_name, item.kind),
                OnConflict::Replace if !file(&no) => return Err(TreeError::NameTaken(first)),
                OnConflict::Replace => {
                    if let Some(&folder) = occupants.iter().find(|there| !file(there)) {
                        return Err(TreeError::NameTaken(folder));
                    }
                    occupants.iter().for_each(|there| self.item(*there).trashed = true);
                }
            }
        }
        // Folders in the bin are not seen, and so not left, unless the name does not fit there.
        let fits = |up: &ItemKey| self.occupant(*up, &new_name).is_none_or(|there| there == no);
        let unseen = item.parents.iter().copied().filter(|up| !self.live(*up)).filter(fits);
        let parents = unseen.chain(wanted).collect();
        *self.item(no) = ReferenceItem { name: new_name, parents, primary: Some(primary), ..item };
        Ok(no)
    }

    pub(super) fn copy(
        &mut self,
        no: ItemKey,
        to: ItemKey,
        name: Option<&str>,
        on_conflict: OnConflict,
    ) -> Result<ItemKey> {
        if no == ROOT {
            return Err(TreeError::Root);
        }
        let item = self.live_item(no)?.clone();
        let mut name = name.map_or(item.name.clone(), str::to_owned);
        if let Some(there) = self.slot(to, &name)? {
            let files = [no, there].iter().all(|no| self.items[no].kind == NodeKind::File);
            match on_conflict {
                OnConflict::Replace if files => return self.overwrite(there, item.bytes),
                OnConflict::Rename => name = self.free(&[to], &name, item.kind),
                _ => return Err(TreeError::NameTaken(there)),
            }
        }
        let before = self.clone();
        let gathered = self.gather(no);
        let mut order: Vec<ItemKey> = gathered.keys().copied().collect();
        order.sort_by_key(|no| (gathered[no], *no));
        let copy_of = |no: &ItemKey| order.iter().position(|o| o == no).map(|seq| seq as i64);
        let base = self.next;
        for &original in &order {
            let item = before.items[&original].clone();
            let parents =
                item.parents.iter().filter_map(copy_of).map(|seq| ItemKey(base.0 + seq)).collect();
            let primary = item.primary.as_ref().and_then(copy_of).map(|seq| ItemKey(base.0 + seq));
            let copy = self.insert(parents, item.name, item.kind, item.bytes);
            let copy = self.item(copy);
            copy.primary = primary.or(copy.primary);
        }
        let top = self.item(base);
        (top.name, top.parents, top.primary) = (name, BTreeSet::from([to]), Some(to));
        if before.admit(self.size(base) as i64).is_err() {
            *self = before;
            return Err(TreeError::QuotaExceeded);
        }
        Ok(base)
    }

    pub(super) fn trash(&mut self, no: ItemKey) -> Result<ItemKey> {
        if no == ROOT {
            return Err(TreeError::Root);
        }
        self.live_item(no)?;
        self.item(no).trashed = true;
        self.settle();
        Ok(no)
    }

    pub(super) fn restore(
        &mut self,
        no: ItemKey,
        to: Option<ItemKey>,
        name: Option<&str>,
    ) -> Result<ItemKey> {
        if self.state(no) != ItemState::Trashed {
            return Err(TreeError::NotFound);
        }
        let item = self.items[&no].clone();
        let name = name.map_or(item.name.clone(), str::to_owned);
        let before: Vec<ItemKey> = match to {
            Some(folder) => vec![folder],
            None => self.shown_parents(no),
        };
        let (seen, unseen): (Vec<_>, Vec<_>) =
            before.into_iter().partition(|up| to.is_some() || self.live(*up));
        let Some(&primary) = seen.first() else { return Err(TreeError::NotFound) };
        for &folder in &seen {
            if let Some(there) = self.slot(folder, &name)? {
                return Err(TreeError::NameTaken(there));
            }
            if self.is_above(no, folder) {
                return Err(TreeError::IntoItself);
            }
            self.admit(self.size(no) as i64)?;
        }
        let fits = |up: &ItemKey| {
            !self.items[up].purged && !self.is_above(no, *up) && self.occupant(*up, &name).is_none()
        };
        let parents = seen.into_iter().chain(unseen.into_iter().filter(fits)).collect();
        let primary = Some(primary);
        *self.item(no) = ReferenceItem { name, parents, primary, trashed: false, ..item };
        self.settle();
        Ok(no)
    }

    pub(super) fn purge(&mut self, no: ItemKey) -> Result<ItemKey> {
        if no == ROOT {
            return Err(TreeError::Root);
        }
        if self.items[&no].purged {
            return Err(TreeError::NotFound);
        }
        let gathered = self.gather(no);
        let elsewhere = |below: &ItemKey| {
            let mut parents = self.items[below].parents.iter();
            *below != no && parents.any(|up| !gathered.contains_key(up))
        };
        let kept: BTreeSet<ItemKey> = gathered
            .keys()
            .filter(|below| elsewhere(below))
            .flat_map(|below| self.gather(*below).into_keys())
            .collect();
        let gone: BTreeSet<ItemKey> =
            gathered.into_keys().filter(|below| !kept.contains(below)).collect();
        for (no, item) in &mut self.items {
            if gone.contains(no) {
                item.purged = true;
                item.parents.clear();
                item.bytes.clear();
            } else if !item.trashed {
                item.parents.retain(|up| !gone.contains(up));
            }
        }
        self.settle();
        Ok(no)
    }
}
