//! Paths for the items of a whole tree, which a drive lists in one paged response in any order.

use std::collections::{HashMap, HashSet};

use super::{
    left_out::{Admission, Names, Reason, admit},
    name_encoding::NameEncoding,
};
use crate::drive::{Item, ItemId};

/// Returns the key under which the cloud compares a name.
type Fold<'a> = &'a dyn Fn(&str) -> String;
/// Called with the path of an item, the id of its folder, and the item.
type Accept<'a> = &'a mut dyn FnMut(&str, &ItemId, &Item);
/// Called with the path of a folder, an item in it, and the reason why the item is left out.
type LeaveOut<'a> = &'a mut dyn FnMut(&str, &Item, Reason);

/// Assigns a path to each item of a tree, as soon as all folders above the item are known.
pub(super) struct TreeAssembler {
    /// The id of the listed folder.
    root: ItemId,
    /// The operator path of the listed folder, with a trailing slash. Empty for the root.
    root_path: String,
    /// The folders whose paths are known.
    paths: HashMap<ItemId, String>,
    /// The items whose paths are not known, by the id of a parent.
    pending: HashMap<ItemId, Vec<Item>>,
    /// The items that have been processed: pages repeat items.
    processed: HashSet<ItemId>,
    /// The names in each folder.
    names: HashMap<ItemId, Names>,
    /// Items may have several parents. Paths are then assigned after the last page.
    multi_parent: bool,
    /// The mapping of names, if the operator has one.
    encoding: Option<NameEncoding>,
}

impl TreeAssembler {
    /// Creates an assembler for the folder with the id `folder` and the operator path `path`.
    pub(super) fn new(folder: ItemId, path: String, multi_parent: bool) -> Self {
        let paths = HashMap::from([(folder.clone(), path.clone())]);
        let (pending, processed, names) = Default::default();
        Self {
            root: folder,
            root_path: path,
            paths,
            pending,
            processed,
            names,
            multi_parent,
            encoding: None,
        }
    }

    /// Sets the mapping of names.
    pub(super) fn with_name_encoding(self, encoding: Option<NameEncoding>) -> Self {
        Self { encoding, ..self }
    }

    /// Returns the name of an item in paths.
    fn path_name(&self, item: &Item) -> String {
        self.encoding.map_or_else(|| item.name.clone(), |encoding| encoding.path_name(&item.name))
    }

    /// Returns the ids of the items that were accepted or left out so far.
    pub(super) fn into_returned(self) -> HashSet<ItemId> {
        self.processed
    }

    /// Adds a page of the listing. Calls `accept` for each item whose path is now known, and
    /// `leave_out` for each item that the listing leaves out. An item that never gets a path is not
    /// below the listed folder. `is_last` is true for the last page, and `fold` returns the key
    /// under which the cloud compares a name.
    pub(super) fn add_page(
        &mut self,
        items: Vec<Item>,
        is_last: bool,
        fold: Fold<'_>,
        accept: Accept<'_>,
        leave_out: LeaveOut<'_>,
    ) {
        let mut resolved = Vec::new();
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
                resolved.push(item);
                continue;
            }
            for parent in parents {
                self.pending.entry(parent.clone()).or_default().push(item.clone());
            }
        }
        if !self.multi_parent {
            self.assign_paths(resolved, fold, accept, leave_out);
        } else if is_last {
            let mut ancestors = vec![self.root.clone()];
            self.visit(&self.root, &self.root_path, &mut ancestors, fold, accept, leave_out);
        }
    }

    /// Assigns paths to items whose folders have one, and to the pending items below them.
    fn assign_paths(
        &mut self,
        mut items: Vec<Item>,
        fold: Fold<'_>,
        accept: Accept<'_>,
        leave_out: LeaveOut<'_>,
    ) {
        items.reverse();
        while let Some(item) = items.pop() {
            if !self.processed.insert(item.id.clone()) {
                continue;
            }
            let parent = item.parents.first().unwrap_or(&self.root);
            let name = self.path_name(&item);
            let Some(parent_path) = self.paths.get(parent) else { continue };
            let names = self.names.entry(parent.clone()).or_default();
            match admit(&item, fold(&name), names) {
                Admission::Accepted => {}
                Admission::Duplicate => continue,
                Admission::LeftOut(reason) => {
                    leave_out(parent_path, &item, reason);
                    continue;
                }
            }
            let path = child_path(parent_path, &name, &item);
            if item.is_folder() {
                self.paths.insert(item.id.clone(), path.clone());
                items.extend(self.pending.remove(&item.id).into_iter().flatten().rev());
            }
            accept(&path, item.parents.first().unwrap_or(&self.root), &item);
        }
    }

    /// Calls `accept` or `leave_out` for everything below a folder with the path `path`, once for
    /// each path. `ancestors` are the folder itself and the folders above it: a folder that
    /// contains itself is not entered again.
    fn visit(
        &self,
        folder: &ItemId,
        path: &str,
        ancestors: &mut Vec<ItemId>,
        fold: Fold<'_>,
        accept: Accept<'_>,
        leave_out: LeaveOut<'_>,
    ) {
        let mut visited = HashSet::new();
        let mut names = Names::new();
        for item in self.pending.get(folder).into_iter().flatten() {
            if !visited.insert(&item.id) {
                continue;
            }
            let name = self.path_name(item);
            match admit(item, fold(&name), &mut names) {
                Admission::Accepted => {}
                Admission::Duplicate => continue,
                Admission::LeftOut(reason) => {
                    leave_out(path, item, reason);
                    continue;
                }
            }
            let item_path = child_path(path, &name, item);
            accept(&item_path, folder, item);
            if item.is_folder() && !ancestors.contains(&item.id) {
                ancestors.push(item.id.clone());
                self.visit(&item.id, &item_path, ancestors, fold, accept, leave_out);
                ancestors.pop();
            }
        }
    }
}

/// Returns the operator path of `item`, which has the name `name` in paths, in the folder with the
/// path `parent`, which is empty or ends with a slash.
fn child_path(parent: &str, name: &str, item: &Item) -> String {
    let slash = if item.is_folder() { "/" } else { "" };
    format!("{parent}{name}{slash}")
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

    fn assigned(tree: &mut TreeAssembler, pages: Vec<Vec<Item>>) -> Vec<String> {
        let (mut paths, mut left_out) = (Vec::new(), Vec::new());
        let count = pages.len();
        for (n, page) in pages.into_iter().enumerate() {
            let mut accept = |path: &str, _: &ItemId, _: &Item| paths.push(path.to_owned());
            let mut leave_out = |folder: &str, item: &Item, _: Reason| {
                left_out.push(format!("{folder}{}", item.name));
            };
            let is_last = n + 1 == count;
            tree.add_page(page, is_last, &str::to_uppercase, &mut accept, &mut leave_out);
        }
        paths.sort();
        left_out.sort();
        paths.extend(left_out.into_iter().map(|path| format!("-{path}")));
        paths
    }

    #[test]
    fn a_child_listed_before_its_folder_gets_a_path_later_and_repeats_are_accepted_once() {
        let mut tree = TreeAssembler::new("root".into(), "x/".into(), false);
        let pages = vec![
            vec![item("f", &["d"], ItemKind::File), item("lost", &["gone"], ItemKind::File)],
            vec![item("d", &[], ItemKind::Folder), item("f", &["d"], ItemKind::File)],
            vec![item("d", &[], ItemKind::Folder), item("root", &[], ItemKind::Folder)],
        ];
        assert_eq!(assigned(&mut tree, pages), ["x/d/", "x/d/f"]);
    }

    #[test]
    fn an_item_is_left_out_with_everything_below_it() {
        for multi_parent in [false, true] {
            let mut tree = TreeAssembler::new("R".into(), "x/".into(), multi_parent);
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
            assert_eq!(assigned(&mut tree, vec![page]), ["x/a", "-x/..", "-x/A", "-x/a/b"]);
        }
    }

    #[test]
    fn an_item_with_two_parents_gets_both_paths_and_a_cycle_ends() {
        let mut tree = TreeAssembler::new("R".into(), String::new(), true);
        let pages = vec![vec![
            item("f", &["a", "b"], ItemKind::File),
            item("a", &["R", "b"], ItemKind::Folder),
            item("b", &["R", "a"], ItemKind::Folder),
        ]];
        assert_eq!(
            assigned(&mut tree, pages),
            ["a/", "a/b/", "a/b/a/", "a/b/f", "a/f", "b/", "b/a/", "b/a/b/", "b/a/f", "b/f"]
        );
    }
}
