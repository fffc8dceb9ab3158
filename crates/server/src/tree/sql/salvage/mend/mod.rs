//! Repairs the rows of a drive from a damaged database. Rows may be missing or wrong; afterwards every
//! remaining item is in a folder, and sizes, counts and numbers are right.
//!
//! Items whose folder is lost stay together: the folder is created again, with the name in its edge.
//! Items without any known place are moved to the folder `Recovered` in the root.

mod folders;
mod order;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::{
    super::{self as tree, NameFolding},
    names,
};

/// The key of an item in its drive. In a damaged database it may have any value.
type ItemNo = i64;

const ROOT: ItemNo = tree::ROOT.0;
const FIRST_ITEM: ItemNo = tree::FIRST_ITEM.0;

const FOLDER: i64 = 0;
const FILE: i64 = 1;
const LIVE: i64 = 0;
const TRASHED: i64 = 1;
const HIDDEN: i64 = 2;
const PURGED: i64 = 3;

/// The folder for items without a known place.
const RECOVERED: &str = "Recovered";

/// Larger numbers are damaged: no drive reaches them.
const NUMBER_MAX: i64 = 1 << 53;

#[derive(Clone, Debug, PartialEq, Eq)]
struct SalvagedItem {
    name: String,
    parent: Option<ItemNo>,
    kind: i64,
    state: i64,
    content: Option<i64>,
    size: i64,
    feed: i64,
    rank: i64,
    children: i64,
    /// Whether it has no row yet.
    is_new: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Edge {
    folded: String,
    live: bool,
    twin: i64,
}

/// A drive in memory.
pub(in super::super) struct SalvagedDrive {
    no: i64,
    folding: Option<NameFolding>,
    feed: i64,
    next: i64,
    items: BTreeMap<ItemNo, SalvagedItem>,
    edges: BTreeMap<(ItemNo, ItemNo), Edge>,
    recovered: Option<ItemNo>,
    /// Items that were moved to another folder or may have another name.
    moved: BTreeSet<ItemNo>,
    lost: Vec<(String, &'static str)>,
}

/// The result of a repair.
#[derive(Debug, Default)]
pub(super) struct Mended {
    pub(super) items: u64,
    /// Paths of items that were moved, or may have another name.
    pub(super) moved: Vec<String>,
    /// Paths of lost items, and the reasons.
    pub(super) lost: Vec<(String, &'static str)>,
}

impl SalvagedDrive {
    /// Returns whether a repair would change nothing.
    pub(in super::super) fn is_sound(&mut self) -> bool {
        let before = (self.items.clone(), self.edges.clone(), self.feed, self.next);
        let mended = self.mend();
        mended.moved.is_empty()
            && mended.lost.is_empty()
            && before == (self.items.clone(), self.edges.clone(), self.feed, self.next)
    }

    /// Repairs the drive in memory.
    pub(super) fn mend(&mut self) -> Mended {
        self.settle_numbers();
        self.settle_unusable_names();
        self.settle_kinds();
        self.settle_edges();
        self.create_missing_folders();
        self.drop_edges_of_lost_items();
        self.settle_states();
        self.connect_all();
        self.settle_parents();
        self.settle_names();
        let order = self.in_order();
        self.rank(&order);
        self.add_up(&order);
        let moved = self.moved.iter().map(|no| self.path(*no)).collect();
        let there = self.items.values().filter(|item| item.state != PURGED);
        Mended { items: there.count() as u64, moved, lost: std::mem::take(&mut self.lost) }
    }

    /// Corrects the numbers of the feed and of the next item.
    fn settle_numbers(&mut self) {
        self.items.retain(|no, _| (ROOT..NUMBER_MAX).contains(no));
        let plausible = |feed: i64| if (0..NUMBER_MAX).contains(&feed) { feed } else { 0 };
        let feeds = self.items.values().map(|item| plausible(item.feed).max(plausible(item.rank)));
        self.feed = plausible(self.feed).max(feeds.max().unwrap_or(0));
        let last = self.items.keys().chain(self.edges.keys().map(|(item, _)| item));
        let last = last.copied().filter(|no| *no < NUMBER_MAX).max().unwrap_or(0);
        self.next = plausible(self.next).max(last + 1).max(FIRST_ITEM);
        let mut seen = HashSet::new();
        for (no, item) in &mut self.items {
            let is_sound = plausible(item.feed) == item.feed && seen.insert(item.feed);
            if !is_sound && *no != ROOT {
                self.feed += 1;
                item.feed = self.feed;
                seen.insert(item.feed);
            }
        }
    }

    /// Replaces names that no path can have.
    fn settle_unusable_names(&mut self) {
        for (no, item) in &mut self.items {
            if *no != ROOT && names::check(&item.name).is_err() {
                item.name = match item.name.as_str() {
                    "" => format!("item {no}"),
                    name => name.replace(['/', '\0'], "_"),
                };
                self.moved.insert(*no);
            }
        }
    }

    /// Corrects the root, and impossible kinds and states. An item with bytes is a file, one with
    /// children a folder. A file whose bytes are unknown is purged and reported.
    fn settle_kinds(&mut self) {
        let mut root = self.items.remove(&ROOT).unwrap_or_else(|| SalvagedItem::folder(""));
        root = SalvagedItem { name: String::new(), parent: None, content: None, ..root };
        self.items.insert(ROOT, SalvagedItem { kind: FOLDER, state: LIVE, ..root });
        let parents: HashSet<_> = self.edges.keys().map(|(_, parent)| *parent).collect();
        let placed: HashSet<_> = self.edges.keys().map(|(item, _)| *item).collect();
        for (no, item) in &mut self.items {
            let has_children = parents.contains(no);
            if item.content.is_some() {
                item.kind = FILE;
            } else if has_children || !(0..=2).contains(&item.kind) {
                item.kind = FOLDER;
            }
            // A purged item has neither a folder nor bytes.
            let is_there = item.content.is_some() || placed.contains(no);
            if !(0..=3).contains(&item.state) || (item.state == PURGED && is_there) {
                item.state = LIVE;
            }
        }
        let lost = self.items.iter().filter(|(_, item)| item.is_file_without_bytes());
        for no in lost.map(|(no, _)| *no).collect::<Vec<_>>() {
            self.lost.push((self.path(no), "its bytes are not known any more"));
            self.purge(no);
        }
    }

    /// Folds the names of the items again, and marks equal names in a folder. If an item and its edge
    /// have different names, either may be damaged: the item gets both, so that it is not mistaken for
    /// another one.
    fn settle_names(&mut self) {
        if let Some(folding) = self.folding {
            let mut others: BTreeMap<ItemNo, Option<String>> = BTreeMap::new();
            for ((no, _), edge) in &self.edges {
                let is_right = folding.fold(&self.items[no].name) == edge.folded;
                let other = others.entry(*no).or_insert_with(|| Some(edge.folded.clone()));
                if is_right {
                    *other = None;
                }
            }
            for (no, other) in others {
                let Some(other) = other else { continue };
                let other = other.replace(['/', '\0'], "_");
                self.change(no, |item| item.name = format!("{} (perhaps {other})", item.name));
                self.moved.insert(no);
            }
            for ((no, _), edge) in &mut self.edges {
                let folded = folding.fold(&self.items[no].name);
                if edge.folded != folded {
                    edge.folded = folded;
                    self.moved.insert(*no);
                }
            }
        }
        let mut taken = HashSet::new();
        for ((item, parent), edge) in self.edges.iter_mut().filter(|(_, edge)| edge.live) {
            if edge.twin != 0 && edge.twin != *item {
                edge.twin = 0;
            }
            if !taken.insert((*parent, edge.folded.clone(), edge.twin)) {
                edge.twin = *item;
            }
        }
    }

    /// Applies `change` to an item, if it exists.
    fn change(&mut self, no: ItemNo, change: impl FnOnce(&mut SalvagedItem)) {
        if let Some(item) = self.items.get_mut(&no) {
            change(item);
        }
    }

    /// Purges an item: it loses its edges and its bytes.
    fn purge(&mut self, no: ItemNo) {
        self.edges.retain(|(item, _), _| *item != no);
        self.change(no, |item| (item.state, item.content, item.size) = (PURGED, None, 0));
    }

    /// Adds an edge from a folder to an item. `live` is false for a trashed item.
    fn place(&mut self, no: ItemNo, folder: ItemNo, live: bool) {
        let name = self.items.get(&no).map(|item| item.name.clone()).unwrap_or_default();
        let folded = self.folding.map_or_else(|| name.to_ascii_uppercase(), |f| f.fold(&name));
        self.edges.insert((no, folder), Edge { folded, live, twin: 0 });
    }

    /// Moves an item to the folder for items without a known place.
    fn recover(&mut self, no: ItemNo) {
        let folder = self.recovered_folder();
        let name = |no: ItemNo| self.items.get(&no).map(|item| item.name.as_str());
        let inside = self.edges.keys().filter(|(_, parent)| *parent == folder);
        let fold = |name: &str| self.folding.unwrap_or_default().fold(name);
        let own = fold(name(no).unwrap_or_default());
        let taken = inside.filter_map(|(item, _)| name(*item)).any(|name| fold(name) == own);
        self.edges.retain(|(item, _), _| *item != no);
        self.change(no, |item| {
            if taken {
                item.name = format!("{no} {}", item.name);
            }
            (item.parent, item.state) = (Some(folder), LIVE);
        });
        self.place(no, folder, true);
        self.moved.insert(no);
    }

    /// Returns the folder for items without a known place. It is created in the root if it does not
    /// exist.
    fn recovered_folder(&mut self) -> ItemNo {
        if let Some(no) = self.recovered {
            return no;
        }
        let in_root = self.edges.keys().filter(|(_, parent)| *parent == ROOT);
        let names = in_root.filter_map(|(item, _)| self.items.get(item)).map(|item| &item.name);
        let names: HashSet<_> = names.map(|name| name.to_uppercase()).collect();
        let name = std::iter::once(RECOVERED.to_owned())
            .chain((1..).map(|n| format!("{RECOVERED} {n}")))
            .find(|name| !names.contains(&name.to_uppercase()));
        let no = self.next;
        (self.next, self.feed) = (self.next + 1, self.feed + 1);
        let feed = self.feed;
        let folder = SalvagedItem::folder(&name.unwrap_or_default());
        self.items.insert(no, SalvagedItem { parent: Some(ROOT), feed, rank: feed, ..folder });
        self.place(no, ROOT, true);
        self.recovered = Some(no);
        no
    }

    /// Returns the path of an item by primary folders, as far as it is known.
    fn path(&self, no: ItemNo) -> String {
        let (mut names, mut seen, mut at) = (Vec::new(), HashSet::new(), Some(no));
        while let Some(item) = at.filter(|no| seen.insert(*no)).and_then(|no| self.items.get(&no)) {
            names.push(item.name.as_str());
            at = item.parent;
        }
        if names.last().is_some_and(|name| name.is_empty()) {
            names.pop();
        }
        names.reverse();
        names.join("/")
    }
}

impl SalvagedItem {
    /// Creates a folder that the damaged database does not have, without parent and numbers.
    fn folder(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            parent: None,
            kind: FOLDER,
            state: LIVE,
            content: None,
            size: 0,
            feed: 0,
            rank: 0,
            children: 0,
            is_new: true,
        }
    }

    /// Returns whether it is a folder that is not purged.
    fn is_existing_folder(&self) -> bool {
        self.kind == FOLDER && self.state != PURGED
    }

    /// Returns whether it is a file that is not purged and has no content.
    fn is_file_without_bytes(&self) -> bool {
        self.kind == FILE && self.content.is_none() && self.state != PURGED
    }
}
