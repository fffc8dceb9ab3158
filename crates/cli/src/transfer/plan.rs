//! The plan of a download: which items are downloaded, and which would get the same local name.
//!
//! Items are compared folder by folder, by the [rules](NameRules) of the local file system. Two
//! items clash if they would get the same name. A clash of folders includes everything below them.
//! No accepted item has the name of another item.

use super::names::NameRules;

/// An item to place below the target folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedItem<T> {
    /// Path below the target folder, with `/` between names. Empty for the target folder itself.
    pub(crate) path: String,
    pub(crate) is_folder: bool,
    /// Index of the argument that the item belongs to. Items of two arguments are never the same
    /// item.
    pub(crate) argument: usize,
    /// Entries of one path with equal facts are the same item.
    pub(crate) facts: T,
}

/// Accepted items, and groups of items that clash.
#[derive(Debug)]
pub(crate) struct DownloadPlan<T> {
    /// Sorted by path: a folder precedes its contents.
    pub(crate) accepted: Vec<PlannedItem<T>>,
    pub(crate) clashes: Vec<Vec<ClashingItem<T>>>,
}

/// One of several items that would get the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClashingItem<T> {
    /// Path below the target folder.
    pub(crate) path: String,
    pub(crate) is_folder: bool,
    /// The item at that path. If a folder was not listed itself, an item below it.
    pub(crate) example: PlannedItem<T>,
    /// Number of listed items that it stands for.
    pub(crate) items: usize,
}

/// Listed entries of one name that are the same item, with everything below it.
struct PlanNode<T> {
    name: String,
    is_folder: bool,
    items: Vec<PlannedItem<T>>,
}

impl<T: Clone + PartialEq> DownloadPlan<T> {
    /// Plans items that belong below one folder. May block on the disk.
    pub(crate) fn new(mut items: Vec<PlannedItem<T>>, rules: &NameRules) -> Self {
        items.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        let mut plan = Self { accepted: Vec::new(), clashes: Vec::new() };
        let below = items.iter().position(|item| !item.path.is_empty()).unwrap_or(items.len());
        let mut contents = items.split_off(below);
        // Arguments that become the target folder itself, such as the root of a remote.
        let tops = distinct(items);
        match tops.len() {
            0 | 1 => plan.accepted.extend(tops.into_iter().flat_map(|node| node.items).take(1)),
            _ => {
                let arguments: Vec<_> = tops.iter().map(|node| node.items[0].argument).collect();
                plan.refuse(tops, "");
                contents.retain(|item| !arguments.contains(&item.argument));
            }
        }
        plan.folder(contents, "", rules);
        plan
    }

    /// Plans the contents of a folder. `above` is its path, with a slash at the end unless it is
    /// empty.
    fn folder(&mut self, items: Vec<PlannedItem<T>>, above: &str, rules: &NameRules) {
        let mut nodes: Vec<PlanNode<T>> = Vec::new();
        let mut named: Vec<PlannedItem<T>> = Vec::new();
        let name = |item: &PlannedItem<T>| first_name(&item.path[above.len()..]).to_owned();
        for item in items {
            if named.last().is_some_and(|last| name(last) != name(&item)) {
                nodes.extend(distinct_at(std::mem::take(&mut named), above));
            }
            named.push(item);
        }
        nodes.extend(distinct_at(named, above));
        for mut group in rules.group(nodes, |node| &node.name) {
            if group.len() > 1 {
                self.refuse(group, above);
            } else if let Some(node) = group.pop() {
                let path = format!("{above}{}", node.name);
                let (here, below): (Vec<_>, Vec<_>) =
                    node.items.into_iter().partition(|item| item.path == path);
                // An entry that was listed twice is taken once.
                self.accepted.extend(here.into_iter().next());
                if !below.is_empty() {
                    self.folder(below, &format!("{path}/"), rules);
                }
            }
        }
    }

    /// Adds the nodes as a clash: items that would get the same name. `above` is the path of their
    /// folder, as of [`folder`](Self::folder).
    fn refuse(&mut self, nodes: Vec<PlanNode<T>>, above: &str) {
        let contenders = nodes.into_iter().filter_map(|node| {
            Some(ClashingItem {
                path: format!("{above}{}", node.name),
                is_folder: node.is_folder,
                items: node.items.len(),
                example: node.items.into_iter().next()?,
            })
        });
        self.clashes.push(contenders.collect());
    }
}

/// Splits listed entries of one name into items: files, folders, and contents of folders. `above`
/// is the path of their folder, with a slash at the end unless it is empty.
fn distinct_at<T: PartialEq>(items: Vec<PlannedItem<T>>, above: &str) -> Vec<PlanNode<T>> {
    let Some(first) = items.first() else { return Vec::new() };
    let name = first_name(&first.path[above.len()..]).to_owned();
    let len = above.len() + name.len();
    let (here, below): (Vec<_>, Vec<_>) =
        items.into_iter().partition(|item| item.path.len() == len);
    let mut nodes = distinct(here);
    for item in below {
        // Contents belong to the folder of the same argument. If two folders have one name, the
        // first one gets them.
        let folder = nodes.iter_mut().find(|node| {
            node.is_folder && node.items.iter().any(|known| known.argument == item.argument)
        });
        match folder {
            Some(node) => node.items.push(item),
            None => {
                nodes.push(PlanNode { name: String::new(), is_folder: true, items: vec![item] })
            }
        }
    }
    for node in &mut nodes {
        node.name.clone_from(&name);
    }
    nodes
}

/// Splits entries of one path into items.
fn distinct<T: PartialEq>(entries: Vec<PlannedItem<T>>) -> Vec<PlanNode<T>> {
    let mut nodes: Vec<PlanNode<T>> = Vec::new();
    for entry in entries {
        match nodes.iter_mut().find(|node| node.items[0] == entry) {
            Some(node) => node.items.push(entry),
            None => nodes.push(PlanNode {
                name: String::new(),
                is_folder: entry.is_folder,
                items: vec![entry],
            }),
        }
    }
    nodes
}

/// Returns the first name of a path.
fn first_name(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, path::Path};

    use proptest::prelude::*;

    use super::*;

    fn item(argument: usize, path: &str, facts: u8) -> PlannedItem<u8> {
        let is_folder = path.is_empty() || path.ends_with('/');
        PlannedItem { path: path.trim_end_matches('/').to_owned(), is_folder, argument, facts }
    }

    /// Rules that ignore case.
    fn ignoring_case() -> NameRules {
        NameRules::with_key(|name| name.to_lowercase().into())
    }

    fn paths(plan: &DownloadPlan<u8>) -> (Vec<&str>, Vec<Vec<&str>>) {
        (
            plan.accepted.iter().map(|item| item.path.as_str()).collect(),
            plan.clashes
                .iter()
                .map(|group| group.iter().map(|one| one.path.as_str()).collect())
                .collect(),
        )
    }

    #[test]
    fn items_of_one_name_are_refused_and_the_rest_is_accepted() {
        let listed = ["", "README", "readme", "Docs/", "Docs/a", "docs/", "docs/b", "x/", "x/y"];
        let items: Vec<_> = listed.iter().map(|path| item(0, path, 0)).collect();
        let plan = DownloadPlan::new(items.clone(), &ignoring_case());
        assert_eq!(
            paths(&plan),
            (vec!["", "x", "x/y"], vec![vec!["Docs", "docs"], vec!["README", "readme"]])
        );
        assert_eq!(plan.clashes[0][0].items, 2);
        let plan = DownloadPlan::new(items, &NameRules::exact());
        assert_eq!((plan.accepted.len(), plan.clashes.len()), (listed.len(), 0));
    }

    #[test]
    fn two_entries_of_one_path_are_one_item_if_their_facts_are_equal() {
        let twice = |facts| vec![item(0, "a", 1), item(0, "a", facts), item(0, "b", 1)];
        assert_eq!(
            paths(&DownloadPlan::new(twice(1), &NameRules::exact())),
            (vec!["a", "b"], vec![])
        );
        assert_eq!(
            paths(&DownloadPlan::new(twice(2), &NameRules::exact())),
            (vec!["b"], vec![vec!["a", "a"]])
        );
    }

    #[test]
    fn a_file_and_a_folder_of_one_name_clash_whether_or_not_the_folder_is_listed() {
        for listed in [vec!["a", "a/", "a/b"], vec!["a", "a/b"]] {
            let items = listed.iter().map(|path| item(0, path, 0)).collect();
            let plan = DownloadPlan::new(items, &NameRules::exact());
            assert_eq!(paths(&plan), (vec![], vec![vec!["a", "a"]]), "{listed:?}");
        }
    }

    #[test]
    fn folders_of_two_arguments_are_not_merged() {
        let items = vec![item(0, "x/", 0), item(0, "x/a", 0), item(1, "x/", 0), item(1, "x/b", 0)];
        let plan = DownloadPlan::new(items, &NameRules::exact());
        assert_eq!(paths(&plan), (vec![], vec![vec!["x", "x"]]));
        // The root of one remote, and a folder of another remote.
        let items = vec![item(0, "", 0), item(0, "a", 0), item(0, "b", 0), item(1, "a", 0)];
        let plan = DownloadPlan::new(items, &NameRules::exact());
        assert_eq!(paths(&plan), (vec!["", "b"], vec![vec!["a", "a"]]));
        let items = vec![item(0, "", 0), item(0, "a", 0), item(1, "", 0), item(2, "c", 0)];
        let plan = DownloadPlan::new(items, &NameRules::exact());
        assert_eq!(paths(&plan), (vec!["c"], vec![vec!["", ""]]));
    }

    fn listed() -> impl Strategy<Value = Vec<PlannedItem<u8>>> {
        let path = prop::collection::vec("[aAbB]{1,2}", 0..4).prop_map(|names| names.join("/"));
        let one = (path, any::<bool>(), 0..3_usize, 0..2_u8).prop_map(
            |(path, is_folder, argument, facts)| {
                let is_folder = is_folder || path.is_empty();
                PlannedItem { path, is_folder, argument, facts }
            },
        );
        prop::collection::vec(one, 0..30)
    }

    proptest! {
        #[test]
        fn no_two_accepted_targets_are_one_name_and_no_item_is_lost(items in listed()) {
            let rules = ignoring_case();
            let plan = DownloadPlan::new(items.clone(), &rules);
            let mut targets: HashMap<String, &PlannedItem<u8>> = HashMap::new();
            for item in &plan.accepted {
                prop_assert!(targets.insert(item.path.to_lowercase(), item).is_none(), "{item:?}");
            }
            for item in &plan.accepted {
                for above in Path::new(&item.path).ancestors().skip(1) {
                    let above = above.to_str().expect("text");
                    if let Some(folder) = targets.get(&above.to_lowercase()) {
                        prop_assert!(folder.is_folder, "{item:?} is below a file");
                        prop_assert_eq!(&folder.path, above, "below a folder of another name");
                    }
                }
                // All items below a folder use the same spelling of its name.
                for other in &plan.accepted {
                    for (one, two) in item.path.split('/').zip(other.path.split('/')) {
                        if one.to_lowercase() != two.to_lowercase() { break; }
                        prop_assert_eq!(one, two);
                    }
                }
            }
            let refused = |item: &PlannedItem<u8>| plan.clashes.iter().flatten().any(|one| {
                item.path == one.path
                    || (one.is_folder
                        && (one.path.is_empty() || item.path.starts_with(&format!("{}/", one.path))))
            });
            for item in &items {
                prop_assert!(plan.accepted.contains(item) || refused(item), "{item:?} is lost");
            }
            for clash in &plan.clashes {
                prop_assert!(clash.len() > 1);
            }
        }
    }
}
