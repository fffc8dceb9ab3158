//! Paths for the items of a tree that comes in one paged answer, in any order.

use std::collections::{HashMap, HashSet};

use crate::drive::{Item, ItemId};

/// Puts items to their paths as soon as the way down to them is known.
pub(super) struct Tree {
    /// The path that the listed folder has in entries, ending with a slash or empty.
    shown: String,
    /// The listed folder, by every id that items call it.
    roots: Vec<ItemId>,
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
        Self {
            shown,
            roots: vec![folder],
            paths,
            pending: HashMap::new(),
            seen: HashSet::new(),
            several_parents,
        }
    }

    /// Takes in a page and shows what has a path now. What never gets one is not below the folder.
    pub(super) fn take_in(
        &mut self,
        items: Vec<Item>,
        folder: Option<ItemId>,
        last: bool,
        show: &mut dyn FnMut(String, &Item),
    ) {
        let mut known = Vec::new();
        if let Some(folder) = folder
            && !self.roots.contains(&folder)
        {
            self.paths.insert(folder.clone(), self.shown.clone());
            self.roots.push(folder.clone());
            known.extend(self.pending.remove(&folder).unwrap_or_default());
        }
        for item in items {
            if self.roots.contains(&item.id) {
                continue;
            }
            if self.several_parents {
                for parent in &item.parents {
                    self.pending.entry(parent.clone()).or_default().push(item.clone());
                }
            } else if item.parents.first().is_some_and(|parent| !self.paths.contains_key(parent)) {
                self.pending.entry(item.parents[0].clone()).or_default().push(item);
            } else {
                known.push(item);
            }
        }
        if self.several_parents {
            if last {
                let root = self.shown.clone();
                for id in self.roots.clone() {
                    self.show_below(&id, &root, &mut vec![id.clone()], show);
                }
            }
            return;
        }
        while let Some(item) = known.pop() {
            if !self.seen.insert(item.id.clone()) {
                continue;
            }
            let Some(parent) = item.parents.first().and_then(|parent| self.paths.get(parent))
            else {
                continue;
            };
            let path = path_of(parent, &item);
            if item.is_folder() {
                self.paths.insert(item.id.clone(), path.clone());
                known.extend(self.pending.remove(&item.id).unwrap_or_default());
            }
            show(path, &item);
        }
    }

    /// Everything below a folder, once per path; a folder that contains itself is entered once.
    fn show_below(
        &self,
        folder: &ItemId,
        path: &str,
        way: &mut Vec<ItemId>,
        show: &mut dyn FnMut(String, &Item),
    ) {
        let mut here = HashSet::new();
        for item in self.pending.get(folder).into_iter().flatten() {
            if !here.insert(&item.id) {
                continue;
            }
            let shown = path_of(path, item);
            show(shown.clone(), item);
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

    fn shown(tree: &mut Tree, pages: Vec<Vec<Item>>, folder: Option<&str>) -> Vec<String> {
        let mut paths = Vec::new();
        let count = pages.len();
        for (n, page) in pages.into_iter().enumerate() {
            tree.take_in(page, folder.map(ItemId::from), n + 1 == count, &mut |path, _| {
                paths.push(path);
            });
        }
        paths.sort();
        paths
    }

    #[test]
    fn children_that_come_before_their_folder_wait_for_it_and_repeats_are_shown_once() {
        let mut tree = Tree::new("root".into(), "x/".into(), false);
        let pages = vec![
            vec![item("f", &["d"], Kind::File), item("lost", &["gone"], Kind::File)],
            vec![item("d", &["R"], Kind::Folder), item("f", &["d"], Kind::File)],
            vec![item("d", &["R"], Kind::Folder), item("R", &[], Kind::Folder)],
        ];
        assert_eq!(shown(&mut tree, pages, Some("R")), ["x/d/", "x/d/f"]);
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
            shown(&mut tree, pages, None),
            ["a/", "a/b/", "a/b/a/", "a/b/f", "a/f", "b/", "b/a/", "b/a/b/", "b/a/f", "b/f"]
        );
    }
}
