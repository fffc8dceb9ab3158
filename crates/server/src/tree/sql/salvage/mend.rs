//! Repairs the rows of a drive from a damaged database. Rows may be missing or wrong; afterwards every
//! remaining item is in a folder, and sizes, counts and numbers are right.
//!
//! Items whose folder is lost stay together: the folder is created again, with the name in its edge.
//! Items without any known place are moved to the folder `Recovered` in the root.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::AnyConnection;

use super::super::{
    super::{self as tree, NameFolding},
    names, row,
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
struct Item {
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
pub(in super::super) struct Drive {
    no: i64,
    folding: Option<NameFolding>,
    feed: i64,
    next: i64,
    items: BTreeMap<ItemNo, Item>,
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

impl Drive {
    /// Reads the rows of a drive.
    pub(in super::super) async fn read(sql: &mut AnyConnection, no: i64) -> sqlx::Result<Self> {
        let (folding, feed, next): (i64, i64, i64) = sqlx::query_as(
            "SELECT CAST(folding AS BIGINT), feed, next_item FROM drive WHERE no = $1",
        )
        .bind(no)
        .fetch_one(&mut *sql)
        .await?;
        type Row = (i64, String, Option<i64>, i64, i64, Option<i64>, i64, i64, i64, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT no, name, parent, CAST(kind AS BIGINT), CAST(state AS BIGINT), content, size, \
             feed, rank, children FROM item WHERE drive = $1",
        )
        .bind(no)
        .fetch_all(&mut *sql)
        .await?;
        let item = |(no, name, parent, kind, state, content, size, feed, rank, children): Row| {
            let is_new = false;
            (no, Item { name, parent, kind, state, content, size, feed, rank, children, is_new })
        };
        let edges: Vec<(i64, i64, String, i64, i64)> = sqlx::query_as(
            "SELECT item, parent, folded, CAST(live AS BIGINT), twin FROM edge WHERE drive = $1",
        )
        .bind(no)
        .fetch_all(&mut *sql)
        .await?;
        let edge = |(item, parent, folded, live, twin)| {
            ((item, parent), Edge { folded, live: live != 0, twin })
        };
        Ok(Self {
            no,
            // Names of a drive of version 2 are folded when it is opened.
            folding: row::folding(folding).ok(),
            feed,
            next,
            items: rows.into_iter().map(item).collect(),
            edges: edges.into_iter().map(edge).collect(),
            recovered: None,
            moved: BTreeSet::new(),
            lost: Vec::new(),
        })
    }

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

    fn settle_kinds(&mut self) {
        let mut root = self.items.remove(&ROOT).unwrap_or_else(|| Item::folder(""));
        root = Item { name: String::new(), parent: None, content: None, ..root };
        self.items.insert(ROOT, Item { kind: FOLDER, state: LIVE, ..root });
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

    /// Replaces edges to folders that do not exist by the item's own primary folder.
    fn settle_edges(&mut self) {
        for (item, parent) in self.edges.keys().copied().collect::<Vec<_>>() {
            // A deleted item may have been in a purged folder.
            let is_live = self.edges[&(item, parent)].live;
            let fits =
                |folder: &Item| folder.kind == FOLDER && !(is_live && folder.state == PURGED);
            let is_wrong =
                item == ROOT || item == parent || !self.items.get(&parent).is_none_or(fits);
            let known = self.items.get(&item).and_then(|item| item.parent);
            let better = known.filter(|known| {
                *known != parent && self.items.get(known).is_some_and(Item::is_existing_folder)
            });
            if !is_wrong && (self.items.contains_key(&parent) || better.is_none()) {
                continue;
            }
            let edge = self.edges.remove(&(item, parent));
            if let (Some(better), Some(edge), true) = (better, edge, item != ROOT) {
                self.edges.entry((item, better)).or_insert(edge);
            }
        }
    }

    /// Creates missing folders that other items are in.
    fn create_missing_folders(&mut self) {
        loop {
            let missing = self.edges.keys().find_map(|(item, parent)| {
                let is_missing = !self.items.contains_key(parent);
                (is_missing && self.items.contains_key(item)).then_some(*parent)
            });
            let Some(no) = missing else { return };
            let own = self.edges.range((no, i64::MIN)..=(no, i64::MAX)).next();
            let (name, parent, live) = match own {
                Some(((_, parent), edge)) => (edge.folded.clone(), Some(*parent), edge.live),
                None => (format!("folder {no}"), None, true),
            };
            let inside = self.edges.keys().filter(|(_, parent)| *parent == no);
            let are_hidden =
                inside.filter_map(|(item, _)| self.items.get(item)).all(|item| item.state != LIVE);
            // Its items are not live, so it is in the recycle bin or below a trashed folder.
            let state = match (are_hidden, live, parent) {
                (true, true, Some(_)) => HIDDEN,
                (true, ..) | (_, false, _) => TRASHED,
                _ => LIVE,
            };
            self.feed += 1;
            let feed = self.feed;
            let folder = Item { parent, state, feed, rank: feed, ..Item::folder(&name) };
            self.items.insert(no, folder);
            self.next = self.next.max(no + 1);
            self.moved.insert(no);
        }
    }

    fn drop_edges_of_lost_items(&mut self) {
        let lost: Vec<_> =
            self.edges.keys().filter(|(item, _)| !self.items.contains_key(item)).copied().collect();
        for at in lost {
            let Some(edge) = self.edges.remove(&at) else { continue };
            let above = self.items.contains_key(&at.1).then(|| self.path(at.1));
            let above = above.filter(|above| !above.is_empty()).map(|above| format!("{above}/"));
            let path = format!("{}{}", above.unwrap_or_default(), edge.folded);
            self.lost.push((path, "the row that describes it is damaged"));
        }
        let items = &self.items;
        self.edges.retain(|(item, parent), edge| {
            let fits =
                |folder: &Item| folder.kind == FOLDER && !(edge.live && folder.state == PURGED);
            items.get(item).is_some_and(|item| item.state != PURGED)
                && items.get(parent).is_some_and(fits)
        });
    }

    /// Makes states and edges consistent: only trashed items have edges that are not live. In doubt an
    /// item is not trashed. An item without an edge gets one from its primary folder.
    fn settle_states(&mut self) {
        for (no, item) in &mut self.items {
            if *no == ROOT || item.state == PURGED {
                continue;
            }
            let edges = self.edges.range_mut((*no, i64::MIN)..=(*no, i64::MAX));
            let edges: Vec<_> = edges.map(|(_, edge)| edge).collect();
            if !edges.is_empty() && edges.iter().all(|edge| edge.live) && item.state == TRASHED {
                item.state = LIVE;
            }
            for edge in edges {
                edge.live = item.state != TRASHED;
            }
        }
        let placed: HashSet<_> = self.edges.keys().map(|(item, _)| *item).collect();
        let placeless: Vec<_> = self
            .items
            .iter()
            .filter(|(no, item)| **no != ROOT && item.state != PURGED && !placed.contains(*no))
            .map(|(no, item)| (*no, item.parent, item.state == TRASHED))
            .collect();
        for (no, parent, is_trashed) in placeless {
            let folder = |no: &ItemNo| self.items.get(no).is_some_and(Item::is_existing_folder);
            let parent = parent.filter(|parent| *parent != no && folder(parent));
            match parent {
                Some(parent) => self.place(no, parent, !is_trashed),
                None if is_trashed => self.place(no, ROOT, false),
                None => self.recover(no),
            }
        }
    }

    /// Connects every item that is not purged with the root or with a trashed item.
    fn connect_all(&mut self) {
        loop {
            let (live, hidden) = self.reached();
            let lost = self.items.iter().find(|(no, item)| {
                item.state != PURGED && !live.contains(*no) && !hidden.contains(*no)
            });
            if let Some((&no, _)) = lost {
                self.recover(no);
                continue;
            }
            for (no, item) in &mut self.items {
                if live.contains(no) {
                    item.state = LIVE;
                } else if item.state != PURGED && item.state != TRASHED {
                    item.state = HIDDEN;
                }
            }
            return;
        }
    }

    /// Returns the live items, and the items in the recycle bin or below it.
    fn reached(&self) -> (HashSet<ItemNo>, HashSet<ItemNo>) {
        let children = self.children();
        let spread = |from: Vec<ItemNo>, but: &HashSet<ItemNo>| {
            let (mut reached, mut waiting) = (HashSet::new(), from);
            while let Some(no) = waiting.pop() {
                if !but.contains(&no) && reached.insert(no) {
                    waiting.extend(children.get(&no).into_iter().flatten());
                }
            }
            reached
        };
        let live = spread(vec![ROOT], &HashSet::new());
        let trashed = self.items.iter().filter(|(_, item)| item.state == TRASHED);
        let hidden = spread(trashed.map(|(no, _)| *no).collect(), &live);
        (live, hidden)
    }

    /// Returns the items of each folder by live edges.
    fn children(&self) -> HashMap<ItemNo, Vec<ItemNo>> {
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        for ((item, parent), _) in self.edges.iter().filter(|(_, edge)| edge.live) {
            children.entry(*parent).or_default().push(*item);
        }
        children
    }

    /// Selects the primary folder of each item from its folders, so that primary folders form no circle.
    fn settle_parents(&mut self) {
        for no in self.items.keys().copied().collect::<Vec<_>>() {
            let item = &self.items[&no];
            if no == ROOT || item.state == PURGED {
                continue;
            }
            let is_live = item.state == LIVE;
            let above = self.edges.range((no, i64::MIN)..=(no, i64::MAX)).map(|(at, _)| at.1);
            let above: Vec<_> =
                above.filter(|up| !is_live || self.items[up].state == LIVE).collect();
            let parent = item.parent.filter(|parent| above.contains(parent));
            let parent = parent.or(above.first().copied());
            self.change(no, |item| item.parent = parent);
        }
        for no in self.items.keys().copied().collect::<Vec<_>>() {
            let (mut seen, mut at) = (HashSet::from([no]), no);
            while let Some(up) = self.items.get(&at).and_then(|item| item.parent) {
                if !seen.insert(up) {
                    let is_trashed = self.items[&no].state != LIVE;
                    self.edges.retain(|(item, _), _| *item != no);
                    match is_trashed {
                        true => {
                            self.change(no, |item| item.state = TRASHED);
                            self.place(no, ROOT, false);
                            self.change(no, |item| item.parent = Some(ROOT));
                        }
                        false => self.recover(no),
                    }
                    break;
                }
                at = up;
            }
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

    /// Returns the items that are not purged, folders before their items. An edge that closes a circle
    /// is removed.
    fn in_order(&mut self) -> Vec<ItemNo> {
        let children = self.children();
        let tops = self.items.iter().filter(|(no, item)| item.state == TRASHED || **no == ROOT);
        let tops: Vec<_> = tops.map(|(no, _)| *no).collect();
        let (mut order, mut done, mut open) = (Vec::new(), HashSet::new(), HashSet::new());
        for top in tops {
            if done.contains(&top) {
                continue;
            }
            let mut way = vec![(top, 0)];
            open.insert(top);
            while let Some((no, next)) = way.last_mut() {
                let child = children.get(no).and_then(|children| children.get(*next)).copied();
                *next += 1;
                match child {
                    Some(child) if open.contains(&child) => {
                        self.edges.remove(&(child, *no));
                    }
                    Some(child) if done.contains(&child) => {}
                    Some(child) => {
                        open.insert(child);
                        way.push((child, 0));
                    }
                    None => {
                        open.remove(no);
                        done.insert(*no);
                        order.push(*no);
                        way.pop();
                    }
                }
            }
        }
        order.reverse();
        order
    }

    fn rank(&mut self, order: &[ItemNo]) {
        let mut ranks = HashSet::new();
        let is_sound = self.items[&ROOT].rank == 0
            && order.iter().all(|no| {
                let above = self.edges.range((*no, i64::MIN)..=(*no, i64::MAX));
                let rank = self.items[no].rank;
                (0..=self.feed).contains(&rank)
                    && ranks.insert(rank)
                    && above
                        .filter(|(_, edge)| edge.live)
                        .all(|(at, _)| self.items[&at.1].rank < rank)
            });
        if is_sound {
            return;
        }
        for &no in order {
            let rank = if no == ROOT { 0 } else { self.feed + 1 };
            self.feed = self.feed.max(rank);
            self.change(no, |item| item.rank = rank);
        }
    }

    /// Computes the sizes of folders and their child counts.
    fn add_up(&mut self, order: &[ItemNo]) {
        for item in self.items.values_mut().filter(|item| item.kind == FOLDER) {
            (item.size, item.children) = (0, 0);
        }
        for no in order.iter().rev() {
            let (size, primary) = (self.items[no].size, self.items[no].parent);
            let above = self.edges.range((*no, i64::MIN)..=(*no, i64::MAX));
            let above: Vec<_> = above.filter(|(_, edge)| edge.live).map(|(at, _)| at.1).collect();
            for folder in above {
                self.change(folder, |item| {
                    item.children += 1;
                    item.size += if primary == Some(folder) { size } else { 0 };
                });
            }
        }
    }

    fn change(&mut self, no: ItemNo, change: impl FnOnce(&mut Item)) {
        if let Some(item) = self.items.get_mut(&no) {
            change(item);
        }
    }

    fn purge(&mut self, no: ItemNo) {
        self.edges.retain(|(item, _), _| *item != no);
        self.change(no, |item| (item.state, item.content, item.size) = (PURGED, None, 0));
    }

    /// Adds an edge from a folder to an item.
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
        let folder = Item::folder(&name.unwrap_or_default());
        self.items.insert(no, Item { parent: Some(ROOT), feed, rank: feed, ..folder });
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

    /// Writes the drive. `now` is the time of items that are created again, in microseconds since 1970.
    pub(super) async fn write(self, sql: &mut AnyConnection, now: i64) -> sqlx::Result<()> {
        let set = "UPDATE drive SET feed = $2, next_item = $3 WHERE no = $1";
        let set = sqlx::query(set).bind(self.no).bind(self.feed).bind(self.next);
        set.execute(&mut *sql).await?;
        sqlx::query("DELETE FROM edge WHERE drive = $1").bind(self.no).execute(&mut *sql).await?;
        sqlx::query("DELETE FROM item WHERE drive = $1 AND (no < $2 OR no >= $3)")
            .bind(self.no)
            .bind(ROOT)
            .bind(NUMBER_MAX)
            .execute(&mut *sql)
            .await?;
        for (no, item) in self.items {
            let text = match item.is_new {
                true => {
                    "INSERT INTO item (name, parent, kind, state, content, size, children, feed, \
                     rank, drive, no, created, modified, client_created, client_modified, version, \
                     content_version) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $12, $12, 1, 1)"
                }
                false => {
                    "UPDATE item SET name = $1, parent = $2, kind = $3, state = $4, content = $5, \
                     size = $6, children = $7, feed = $8, rank = $9 \
                     WHERE drive = $10 AND no = $11 AND $12 > 0"
                }
            };
            sqlx::query(text)
                .bind(item.name)
                .bind(item.parent)
                .bind(item.kind)
                .bind(item.state)
                .bind(item.content)
                .bind(item.size)
                .bind(item.children)
                .bind(item.feed)
                .bind(item.rank)
                .bind(self.no)
                .bind(no)
                .bind(now)
                .execute(&mut *sql)
                .await?;
        }
        for ((item, parent), edge) in self.edges {
            sqlx::query(
                "INSERT INTO edge (drive, item, parent, folded, live, twin) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(self.no)
            .bind(item)
            .bind(parent)
            .bind(edge.folded)
            .bind(i64::from(edge.live))
            .bind(edge.twin)
            .execute(&mut *sql)
            .await?;
        }
        Ok(())
    }
}

impl Item {
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

    fn is_existing_folder(&self) -> bool {
        self.kind == FOLDER && self.state != PURGED
    }

    fn is_file_without_bytes(&self) -> bool {
        self.kind == FILE && self.content.is_none() && self.state != PURGED
    }
}
