//! The folders of items: edges, states and primary folders.

use std::collections::{HashMap, HashSet};

use super::{FOLDER, HIDDEN, ItemNo, LIVE, PURGED, ROOT, SalvagedDrive, SalvagedItem, TRASHED};

impl SalvagedDrive {
    /// Replaces edges to folders that do not exist by the item's own primary folder.
    pub(super) fn settle_edges(&mut self) {
        for (item, parent) in self.edges.keys().copied().collect::<Vec<_>>() {
            // A deleted item may have been in a purged folder.
            let is_live = self.edges[&(item, parent)].live;
            let fits = |folder: &SalvagedItem| {
                folder.kind == FOLDER && !(is_live && folder.state == PURGED)
            };
            let is_wrong =
                item == ROOT || item == parent || !self.items.get(&parent).is_none_or(fits);
            let known = self.items.get(&item).and_then(|item| item.parent);
            let better = known.filter(|known| {
                *known != parent
                    && self.items.get(known).is_some_and(SalvagedItem::is_existing_folder)
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
    pub(super) fn create_missing_folders(&mut self) {
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
            let folder =
                SalvagedItem { parent, state, feed, rank: feed, ..SalvagedItem::folder(&name) };
            self.items.insert(no, folder);
            self.next = self.next.max(no + 1);
            self.moved.insert(no);
        }
    }

    /// Removes edges of items whose row is lost, which are reported, and edges that cannot be: of
    /// purged items, or to an item that is not a folder.
    pub(super) fn drop_edges_of_lost_items(&mut self) {
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
            let fits = |folder: &SalvagedItem| {
                folder.kind == FOLDER && !(edge.live && folder.state == PURGED)
            };
            items.get(item).is_some_and(|item| item.state != PURGED)
                && items.get(parent).is_some_and(fits)
        });
    }

    /// Makes states and edges consistent: only trashed items have edges that are not live. In doubt an
    /// item is not trashed. An item without an edge gets one from its primary folder.
    pub(super) fn settle_states(&mut self) {
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
            let folder =
                |no: &ItemNo| self.items.get(no).is_some_and(SalvagedItem::is_existing_folder);
            let parent = parent.filter(|parent| *parent != no && folder(parent));
            match parent {
                Some(parent) => self.place(no, parent, !is_trashed),
                None if is_trashed => self.place(no, ROOT, false),
                None => self.recover(no),
            }
        }
    }

    /// Connects every item that is not purged with the root or with a trashed item.
    pub(super) fn connect_all(&mut self) {
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
    pub(super) fn reached(&self) -> (HashSet<ItemNo>, HashSet<ItemNo>) {
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
    pub(super) fn children(&self) -> HashMap<ItemNo, Vec<ItemNo>> {
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        for ((item, parent), _) in self.edges.iter().filter(|(_, edge)| edge.live) {
            children.entry(*parent).or_default().push(*item);
        }
        children
    }

    /// Selects the primary folder of each item from its folders, so that primary folders form no circle.
    pub(super) fn settle_parents(&mut self) {
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
}
