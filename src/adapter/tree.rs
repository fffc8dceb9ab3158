//! Paths for the items of a tree that comes in one paged answer, in any order.

use std::collections::{HashMap, HashSet};

use super::left_out::{Fit, Names, Reason, fit};
use crate::drive::{Item, ItemId};

/// The form under which two names of a folder are one.
type Fold<'a> = &'a dyn Fn(&str) -> String;
type Show<'a> = &'a mut dyn FnMut(&str, &ItemId, &Item);
type LeaveOut<'a> = &'a mut dyn FnMut(&str, &Item, Reason);

/// Puts items to their paths as soon as the way down to them is known.
pub(super) struct Tree {
    /// The listed folder.
    root: ItemId,
    /// The path that it has in entries, ending with a slash or empty.
    shown: String,
    /// Folders whose paths are known.
    paths: HashMap<ItemId, String>,
    /// Items by a parent whose path is not known yet.
    pending: HashMap<ItemId, Vec<Item>>,
    /// Items that were shown: pages repeat items.
    seen: HashSet<ItemId>,
    /// The names in each folder.
    names: HashMap<ItemId, Names>,
    /// Items may have several parents: nothing can be shown before everything is known.
    multi_parent: bool,
}

impl Tree {
    pub(super) fn new(folder: ItemId, shown: String, multi_parent: bool) -> Self {
        let paths = HashMap::from([(folder.clone(), shown.clone())]);
        let (pending, seen, names) = Default::default();
        Self { root: folder, shown, paths, pending, seen, names, multi_parent }
    }

    /// The items that were shown so far.
    pub(super) fn into_shown(self) -> HashSet<ItemId> {
        self.seen
    }

    /// Takes in a page. Calls `show` for each item whose path is known by now, with its path and
    /// its folder; an item that never gets a path is not below the listed folder. Calls `leave_out`
    /// for each item that cannot be shown, with the path of its folder and the reason.
    pub(super) fn take_in(
        &mut self,
        items: Vec<Item>,
        last: bool,
        fold: Fold<'_>,
        show: Show<'_>,
        leave_out: LeaveOut<'_>,
    ) {
        let mut known = Vec::new();
        for item in items {
            if item.id == self.root {
                continue;
            }
            let parents = match item.parents.as_slice() {
                [] => std::slice::from_ref(&self.root),
                parents if self.multi_parent => parents,
                parents => &parents[..1],
            };
            if !self.multi_parent && self.paths.contains_key(&parents[0]) {
                known.push(item);
                continue;
            }
            for parent in parents {
                self.pending.entry(parent.clone()).or_default().push(item.clone());
            }
        }
        if self.multi_parent {
            if last {
                let root = self.root.clone();
                self.show_below(&root, &self.shown, &mut vec![root.clone()], fold, show, leave_out);
            }
            return;
        }
        known.reverse();
        while let Some(item) = known.pop() {
            if !self.seen.insert(item.id.clone()) {
                continue;
            }
            let parent = item.parents.first().unwrap_or(&self.root);
            let Some(above) = self.paths.get(parent) else { continue };
            let names = self.names.entry(parent.clone()).or_default();
            match fit(&item, fold(&item.name), names) {
                Fit::Shown => {}
                Fit::Repeated => continue,
                Fit::LeftOut(reason) => {
                    leave_out(above, &item, reason);
                    continue;
                }
            }
            let path = path_of(above, &item);
            if item.is_folder() {
                self.paths.insert(item.id.clone(), path.clone());
                known.extend(self.pending.remove(&item.id).into_iter().flatten().rev());
            }
            show(&path, item.parents.first().unwrap_or(&self.root), &item);
        }
    }

    /// Everything below a folder, once per path; a folder that contains itself is entered once.
    fn show_below(
        &self,
        folder: &ItemId,
        path: &str,
        way: &mut Vec<ItemId>,
        fold: Fold<'_>,
        show: Show<'_>,
        leave_out: LeaveOut<'_>,
    ) {
        let mut here = HashSet::new();
        let mut names = Names::new();
        for item in self.pending.get(folder).into_iter().flatten() {
            if !here.insert(&item.id) {
                continue;
            }
            match fit(item, fold(&item.name), &mut names) {
                Fit::Shown => {}
                Fit::Repeated => continue,
                Fit::LeftOut(reason) => {
                    leave_out(path, item, reason);
                    continue;
                }
            }
            let shown = path_of(path, item);
            show(&shown, folder, item);
            if item.is_folder() && !way.contains(&item.id) {
                way.push(item.id.clone());
                self.show_below(&item.id, &shown, way, fold, show, leave_out);
                way.pop();
            }
        }
    }
}

fn path_of(parent: &str, item: &Item) -> String {
    let slash = if item.is_folder() { "/" } else { "" };
    format!("{parent}{}{slash}", item.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ItemKind;

    fn item(id: &str, parents: &[&str], kind: ItemKind) -> Item {
        let mut item = Item::new(id, id, kind);
        item.parents = parents.iter().map(|id| ItemId::from(*id)).collect();
        item
    }

    fn shown(tree: &mut Tree, pages: Vec<Vec<Item>>) -> Vec<String> {
        let (mut paths, mut left_out) = (Vec::new(), Vec::new());
        let count = pages.len();
        for (n, page) in pages.into_iter().enumerate() {
            let mut show = |path: &str, _: &ItemId, _: &Item| paths.push(path.to_owned());
            let mut leave_out = |folder: &str, item: &Item, _: Reason| {
                left_out.push(format!("{folder}{}", item.name));
            };
            let last = n + 1 == count;
            tree.take_in(page, last, &str::to_uppercase, &mut show, &mut leave_out);
        }
        paths.sort();
        left_out.sort();
        paths.extend(left_out.into_iter().map(|path| format!("-{path}")));
        paths
    }

    #[test]
    fn children_that_come_before_their_folder_wait_for_it_and_repeats_are_shown_once() {
        let mut tree = Tree::new("root".into(), "x/".into(), false);
        let pages = vec![
            vec![item("f", &["d"], ItemKind::File), item("lost", &["gone"], ItemKind::File)],
            vec![item("d", &[], ItemKind::Folder), item("f", &["d"], ItemKind::File)],
            vec![item("d", &[], ItemKind::Folder), item("root", &[], ItemKind::Folder)],
        ];
        assert_eq!(shown(&mut tree, pages), ["x/d/", "x/d/f"]);
    }

    #[test]
    fn what_cannot_be_shown_is_left_out_with_what_is_below_it() {
        for multi_parent in [false, true] {
            let mut tree = Tree::new("R".into(), "x/".into(), multi_parent);
            let named = |id: &str, name: &str, parent: &str, kind| Item {
                name: name.to_owned(),
                ..item(id, &[parent], kind)
            };
            let page = vec![
                named("1", "..", "R", ItemKind::Folder),
                named("2", "below", "1", ItemKind::File),
                named("3", "a", "R", ItemKind::File),
                named("4", "A", "R", ItemKind::File),
                named("5", "a/b", "R", ItemKind::File),
            ];
            assert_eq!(shown(&mut tree, vec![page]), ["x/a", "-x/..", "-x/A", "-x/a/b"]);
        }
    }

    #[test]
    fn an_item_with_two_parents_is_shown_at_both_and_a_loop_ends() {
        let mut tree = Tree::new("R".into(), String::new(), true);
        let pages = vec![vec![
            item("f", &["a", "b"], ItemKind::File),
            item("a", &["R", "b"], ItemKind::Folder),
            item("b", &["R", "a"], ItemKind::Folder),
        ]];
        assert_eq!(
            shown(&mut tree, pages),
            ["a/", "a/b/", "a/b/a/", "a/b/f", "a/f", "b/", "b/a/", "b/a/b/", "b/a/f", "b/f"]
        );
    }
}
