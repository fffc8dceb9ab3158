//! Paths for the items of a tree that comes in one paged answer, in any order.

use std::collections::{HashMap, HashSet};

use crate::drive::{Item, ItemId};

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
    /// What was shown: pages repeat items.
    seen: HashSet<ItemId>,
    /// Items may have several parents: nothing can be shown before everything is known.
    several_parents: bool,
}

impl Tree {
    pub(super) fn new(folder: ItemId, shown: String, several_parents: bool) -> Self {
        let paths = HashMap::from([(folder.clone(), shown.clone())]);
        let (pending, seen) = Default::default();
        Self { root: folder, shown, paths, pending, seen, several_parents }
    }

    /// Takes in a page and shows what has a path now: its path, its folder, itself. What never gets
    /// one is not below the folder.
    pub(super) fn take_in(
        &mut self,
        items: Vec<Item>,
        last: bool,
        show: &mut dyn FnMut(String, &ItemId, &Item),
    ) {
        let mut known = Vec::new();
        for item in items {
            if item.id == self.root {
                continue;
            }
            let parents = match item.parents.as_slice() {
                [] => std::slice::from_ref(&self.root),
                parents if self.several_parents => parents,
                parents => &parents[..1],
            };
            if !self.several_parents && self.paths.contains_key(&parents[0]) {
                known.push(item);
                continue;
            }
            for parent in parents {
                self.pending.entry(parent.clone()).or_default().push(item.clone());
            }
        }
        if self.several_parents {
            if last {
                let root = self.root.clone();
                self.show_below(&root, &self.shown, &mut vec![root.clone()], show);
            }
            return;
        }
        while let Some(item) = known.pop() {
            if !self.seen.insert(item.id.clone()) {
                continue;
            }
            let parent = item.parents.first().unwrap_or(&self.root);
            let Some(above) = self.paths.get(parent) else { continue };
            let path = path_of(above, &item);
            if item.is_folder() {
                self.paths.insert(item.id.clone(), path.clone());
                known.extend(self.pending.remove(&item.id).unwrap_or_default());
            }
            show(path, item.parents.first().unwrap_or(&self.root), &item);
        }
    }

    /// Everything below a folder, once per path; a folder that contains itself is entered once.
    fn show_below(
        &self,
        folder: &ItemId,
        path: &str,
        way: &mut Vec<ItemId>,
        show: &mut dyn FnMut(String, &ItemId, &Item),
    ) {
        let mut here = HashSet::new();
        for item in self.pending.get(folder).into_iter().flatten() {
            if !here.insert(&item.id) {
                continue;
            }
            let shown = path_of(path, item);
            show(shown.clone(), folder, item);
            if item.is_folder() && !way.contains(&item.id) {
                way.push(item.id.clone());
                self.show_below(&item.id, &shown, way, show);
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
    use crate::drive::Kind;

    fn item(id: &str, parents: &[&str], kind: Kind) -> Item {
        let mut item = Item::new(id, id, kind);
        item.parents = parents.iter().map(|id| ItemId::from(*id)).collect();
        item
    }

    fn shown(tree: &mut Tree, pages: Vec<Vec<Item>>) -> Vec<String> {
        let mut paths = Vec::new();
        let count = pages.len();
        for (n, page) in pages.into_iter().enumerate() {
            tree.take_in(page, n + 1 == count, &mut |path, _, _| paths.push(path));
        }
        paths.sort();
        paths
    }

    #[test]
    fn children_that_come_before_their_folder_wait_for_it_and_repeats_are_shown_once() {
        let mut tree = Tree::new("root".into(), "x/".into(), false);
        let pages = vec![
            vec![item("f", &["d"], Kind::File), item("lost", &["gone"], Kind::File)],
            vec![item("d", &[], Kind::Folder), item("f", &["d"], Kind::File)],
            vec![item("d", &[], Kind::Folder), item("root", &[], Kind::Folder)],
        ];
        assert_eq!(shown(&mut tree, pages), ["x/d/", "x/d/f"]);
    }

    #[test]
    fn an_item_with_two_parents_is_shown_at_both_and_a_loop_ends() {
        let mut tree = Tree::new("R".into(), String::new(), true);
        let pages = vec![vec![
            item("f", &["a", "b"], Kind::File),
            item("a", &["R", "b"], Kind::Folder),
            item("b", &["R", "a"], Kind::Folder),
        ]];
        assert_eq!(
            shown(&mut tree, pages),
            ["a/", "a/b/", "a/b/a/", "a/b/f", "a/f", "b/", "b/a/", "b/a/b/", "b/a/f", "b/f"]
        );
    }
}
