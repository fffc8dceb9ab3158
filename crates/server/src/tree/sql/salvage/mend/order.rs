//! The order of items, and the sizes and counts that depend on it.

use std::collections::HashSet;

use super::{FOLDER, ItemNo, ROOT, SalvagedDrive, TRASHED};

impl SalvagedDrive {
    /// Returns the items that are not purged, folders before their items. An edge that closes a circle
    /// is removed.
    pub(super) fn in_order(&mut self) -> Vec<ItemNo> {
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

    /// Assigns new ranks to all items if any rank is impossible: negative, used twice, or not above
    /// that of the item's folders. `order` has folders before their items.
    pub(super) fn rank(&mut self, order: &[ItemNo]) {
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

    /// Computes the sizes of folders and their child counts. `order` has folders before their
    /// items.
    pub(super) fn add_up(&mut self, order: &[ItemNo]) {
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
}
