//! Every sequence of requests for a rename or a copy, with a failure of each request.

use std::collections::BTreeMap;

use super::{cloud::*, *};
use crate::{
    drive::{CopyRequest, CopyStatus, Drive, ErrorKind, IfExists, ItemUpdate, Result},
    services::skydrive::ROOT,
};

/// `a/x`, and folder `b`.
struct Tree {
    cloud: Cloud,
    a: u64,
    b: u64,
    x: u64,
}

fn tree() -> Tree {
    let cloud = Cloud::default();
    let (a, b) = (cloud.folder(0, "a"), cloud.folder(0, "b"));
    let x = cloud.file(a, "x.txt", "the source");
    cloud.file(a, "bystander", "of a");
    cloud.file(b, "bystander", "of b");
    Tree { cloud, a, b, x }
}

/// A change, and its number of requests without failures.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// Whether the file moves into `b`.
    moved: bool,
    name: &'static str,
    /// Whether a file has the new name.
    occupied: bool,
    /// Whether a file in `b` has the old name.
    in_the_way: bool,
    requests: usize,
}

const fn case(moved: bool, name: &'static str, requests: usize) -> Case {
    Case { moved, name, occupied: false, in_the_way: false, requests }
}

const RENAMES: [Case; 9] = [
    case(false, "y.txt", 1),
    case(false, "X.TXT", 1),
    case(true, "x.txt", 1),
    case(true, "y.txt", 2),
    Case { in_the_way: true, ..case(true, "y.txt", 4) },
    Case { occupied: true, ..case(false, "y.txt", 3) },
    Case { occupied: true, ..case(true, "x.txt", 3) },
    Case { occupied: true, ..case(true, "y.txt", 4) },
    Case { occupied: true, in_the_way: true, ..case(true, "y.txt", 6) },
];

const COPIES: [Case; 5] = [
    case(true, "x.txt", 1),
    case(false, "y.txt", 5),
    Case { in_the_way: true, ..case(true, "y.txt", 5) },
    Case { occupied: true, ..case(true, "x.txt", 6) },
    Case { occupied: true, ..case(true, "y.txt", 7) },
];

impl Case {
    fn tree(self) -> (Tree, Option<u64>) {
        let tree = tree();
        let folder = if self.moved { tree.b } else { tree.a };
        let occupant = self.occupied.then(|| tree.cloud.file(folder, self.name, "the old one"));
        if self.in_the_way {
            tree.cloud.file(tree.b, "x.txt", "in the way");
        }
        (tree, occupant)
    }

    async fn rename(self, tree: &Tree, occupant: Option<u64>) -> Result<Item> {
        let cloud = &tree.cloud;
        let item = cloud.item(tree.x);
        let change = ItemUpdate {
            name: (item.name != self.name).then(|| self.name.to_owned()),
            folder: self.moved.then(|| ItemRef::from_id(&cloud.id(tree.b))),
            occupant: occupant.map(|number| cloud.id(number)),
            ..ItemUpdate::default()
        };
        let cx = cloud.transport().context();
        drive().update(&cx, &ItemRef::from_id(&item.id), Some(&item), &change).await
    }

    async fn copy(self, tree: &Tree, occupant: Option<u64>) -> Result<Item> {
        let cloud = &tree.cloud;
        let item = cloud.item(tree.x);
        let folder = if self.moved { tree.b } else { tree.a };
        let to = Target {
            occupant: occupant.map(|number| cloud.id(number)),
            ..target(cloud.id(folder).as_str(), self.name)
        };
        let cx = cloud.transport().context();
        let place = ItemRef::from_id(&item.id);
        match drive().copy(&cx, CopyRequest::new(&place, &to).with_known(&item)).await? {
            CopyStatus::Done(Some(item)) => Ok(*item),
            other => panic!("{other:?}"),
        }
    }
}

/// All nodes with their names and folders.
fn picture(cloud: &Cloud) -> BTreeMap<u64, Node> {
    cloud.state().nodes.clone()
}

/// All paths below the root, with the content of files.
fn paths(cloud: &Cloud) -> BTreeMap<String, Option<String>> {
    let nodes = picture(cloud);
    let path = |node: &Node| {
        let (mut path, mut above) = (node.name.clone(), node.parent);
        while let Some(parent) = nodes.get(&above) {
            path = format!("{}/{path}", parent.name);
            above = parent.parent;
        }
        path
    };
    let text = |node: &Node| node.bytes.clone().map(|bytes| String::from_utf8(bytes).unwrap());
    nodes.values().map(|node| (path(node), text(node))).collect()
}

/// The expected paths after the change.
fn wanted(case: Case, tree: &Tree, copied: bool) -> BTreeMap<String, Option<String>> {
    let mut paths = paths(&tree.cloud);
    let source = match copied {
        true => paths["a/x.txt"].clone(),
        false => paths.remove("a/x.txt").unwrap(),
    };
    let folder = if case.moved { "b" } else { "a" };
    paths.insert(format!("{folder}/{}", case.name), source);
    paths
}

#[tokio::test]
async fn a_rename_has_the_documented_requests() {
    for case in RENAMES {
        let (tree, occupant) = case.tree();
        let wanted = wanted(case, &tree, false);
        let item = case.rename(&tree, occupant).await.unwrap();
        assert_eq!(paths(&tree.cloud), wanted, "{case:?}");
        assert_eq!(tree.cloud.requests(), case.requests, "{case:?}");
        let folder = tree.cloud.id(if case.moved { tree.b } else { tree.a });
        assert_eq!(
            (item.id, &*item.name, item.parents),
            (tree.cloud.id(tree.x), case.name, vec![folder])
        );
    }
}

#[tokio::test]
async fn a_copy_has_the_documented_requests() {
    for case in COPIES {
        let (tree, occupant) = case.tree();
        let wanted = wanted(case, &tree, true);
        let item = case.copy(&tree, occupant).await.unwrap();
        assert_eq!(paths(&tree.cloud), wanted, "{case:?}");
        assert_eq!(tree.cloud.requests(), case.requests, "{case:?}");
        assert_eq!((&*item.name, item.size), (case.name, Some(10)), "{case:?}");
        assert_ne!(item.id, tree.cloud.id(tree.x));
    }
}

#[tokio::test]
async fn a_failed_rename_changes_nothing() {
    for case in RENAMES {
        for fault in FAULTS {
            for at in 0..case.requests {
                let (tree, occupant) = case.tree();
                let (before, wanted) = (picture(&tree.cloud), wanted(case, &tree, false));
                tree.cloud.fail(at, at, fault);
                match case.rename(&tree, occupant).await {
                    // After a lost response the drive requests the item.
                    Ok(_) => {
                        assert_eq!(fault, Fault::AnswerLost, "{case:?} {at}");
                        assert_eq!(paths(&tree.cloud), wanted, "{case:?} {fault:?} {at}");
                    }
                    Err(error) => {
                        assert_eq!(
                            picture(&tree.cloud),
                            before,
                            "{case:?} {fault:?} {at}: {error}"
                        );
                        assert!(!error.to_string().contains("could not be reverted"), "{error}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_rename_that_cannot_be_reverted_reports_the_remaining_changes() {
    for case in RENAMES {
        for at in 0..case.requests {
            let (tree, occupant) = case.tree();
            let before = picture(&tree.cloud);
            tree.cloud.fail(at, usize::MAX, Fault::Unreached);
            let error = case.rename(&tree, occupant).await.unwrap_err();
            let after = picture(&tree.cloud);
            for (number, node) in &before {
                let now =
                    after.get(number).unwrap_or_else(|| panic!("{case:?} {at}: {node:?} is lost"));
                assert_eq!(now.bytes, node.bytes);
                let said = error.to_string();
                // The last request alone failed: the item is where it was to be.
                let arrived = *number == tree.x && said.contains("the item has moved, but");
                if arrived {
                    assert_eq!(now.name, case.name);
                } else if now != node {
                    let id = tree.cloud.id(*number);
                    assert!(said.contains(id.as_str()), "{case:?} {at}: {id} {now:?}: {said}");
                    assert!(!error.is_temporary(), "a repetition would not find it: {said}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_failed_copy_changes_nothing() {
    for case in COPIES {
        for fault in FAULTS {
            for at in 0..case.requests {
                let (tree, occupant) = case.tree();
                let (before, wanted) = (paths(&tree.cloud), wanted(case, &tree, true));
                tree.cloud.fail(at, at, fault);
                let copied = case.copy(&tree, occupant).await;
                let mut now = paths(&tree.cloud);
                // The last request removes the temporary folder; if that fails it stays, empty.
                if at + 1 == case.requests && case.requests > 1 {
                    now.retain(|path, bytes| !(path.contains("drivedal-") && bytes.is_none()));
                }
                match copied {
                    Ok(_) => assert_eq!(now, wanted, "{case:?} {fault:?} {at}"),
                    // A single request with a lost response may have succeeded.
                    Err(_) if case.requests == 1 && fault == Fault::AnswerLost => {}
                    Err(error) => assert_eq!(now, before, "{case:?} {fault:?} {at}: {error}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_copy_finds_an_unknown_occupant() {
    for name in ["x.txt", "y.txt"] {
        let case = Case { occupied: true, ..case(true, name, 0) };
        let (tree, _) = case.tree();
        let wanted = wanted(case, &tree, true);
        case.copy(&tree, None).await.unwrap();
        assert_eq!(paths(&tree.cloud), wanted);

        let (tree, _) = case.tree();
        let before = paths(&tree.cloud);
        let (item, cx) = (tree.cloud.item(tree.x), tree.cloud.transport().context());
        let to = target(tree.cloud.id(tree.b).as_str(), name);
        let refused = drive()
            .copy(
                &cx,
                CopyRequest::new(&ItemRef::from_id(&item.id), &to)
                    .with_known(&item)
                    .with_if_exists(IfExists::Fail),
            )
            .await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(paths(&tree.cloud), before);
    }
}

#[tokio::test]
async fn unsupported_changes_are_rejected_first() {
    let Tree { cloud, a, b, x } = tree();
    let old = cloud.file(b, "old", "old");
    let before = picture(&cloud);
    let (drive, cx) = (drive(), cloud.transport().context());
    let update = async |number: u64, change: ItemUpdate| {
        let item = cloud.item(number);
        drive
            .update(&cx, &ItemRef::from_id(&item.id), Some(&item), &change)
            .await
            .unwrap_err()
            .kind()
    };
    let into = |number: u64| Some(ItemRef::from_id(&cloud.id(number)));
    let name = |name: &str| Some(name.to_owned());

    let itself = ItemUpdate { folder: into(a), ..ItemUpdate::default() };
    assert_eq!(update(a, itself).await, ErrorKind::Conflict);
    let taken = ItemUpdate { folder: into(b), name: name("old"), ..ItemUpdate::default() };
    assert_eq!(update(x, taken.clone()).await, ErrorKind::AlreadyExists);
    let occupied = ItemUpdate { occupant: Some(cloud.id(old)), ..taken.clone() };
    let fail = ItemUpdate { if_exists: IfExists::Fail, ..occupied.clone() };
    assert_eq!(update(x, fail).await, ErrorKind::AlreadyExists);
    let other = ItemUpdate { if_exists: IfExists::Rename, ..taken.clone() };
    assert_eq!(update(x, other).await, ErrorKind::Unsupported);
    let timed = ItemUpdate { modified: Some(jiff::Timestamp::UNIX_EPOCH), ..ItemUpdate::default() };
    assert_eq!(update(x, timed).await, ErrorKind::Unsupported);
    let folder =
        ItemUpdate { occupant: Some(cloud.id(b)), name: name("b"), ..ItemUpdate::default() };
    assert_eq!(update(x, folder).await, ErrorKind::IsAFolder);
    let renamed = ItemUpdate { name: name("z"), ..ItemUpdate::default() };
    let root = drive.update(&cx, &place(ROOT), None, &renamed).await;
    assert_eq!(root.unwrap_err().kind(), ErrorKind::Conflict);

    let copy = async |number: u64, to: &Target, if_exists| {
        let item = cloud.item(number);
        drive
            .copy(
                &cx,
                CopyRequest::new(&ItemRef::from_id(&item.id), to)
                    .with_known(&item)
                    .with_if_exists(if_exists),
            )
            .await
            .unwrap_err()
            .kind()
    };
    let to = target(cloud.id(b).as_str(), "x.txt");
    assert_eq!(copy(a, &to, IfExists::Replace).await, ErrorKind::Unsupported);
    assert_eq!(copy(x, &to, IfExists::Rename).await, ErrorKind::Unsupported);
    let onto_folder = Target { occupant: Some(cloud.id(a)), ..to.clone() };
    assert_eq!(copy(x, &onto_folder, IfExists::Replace).await, ErrorKind::IsAFolder);
    let onto_itself = target(cloud.id(a).as_str(), "x.txt");
    assert_eq!(copy(x, &onto_itself, IfExists::Replace).await, ErrorKind::Conflict);
    assert_eq!(picture(&cloud), before);
}

#[tokio::test]
async fn folders_move_like_files() {
    let Tree { cloud, a, b, x } = tree();
    let (drive, cx) = (drive(), cloud.transport().context());
    let item = cloud.item(a);
    let change = ItemUpdate {
        folder: Some(ItemRef::from_id(&cloud.id(b))),
        name: Some("c".to_owned()),
        ..ItemUpdate::default()
    };
    let moved = drive.update(&cx, &ItemRef::from_id(&item.id), None, &change).await.unwrap();
    assert_eq!((&*moved.name, moved.children), ("c", Some(2)));
    assert!(paths(&cloud).contains_key("b/c/x.txt"));

    let file = cloud.item(x);
    let same = ItemUpdate { name: Some(file.name.clone()), ..ItemUpdate::default() };
    let requests = cloud.requests();
    drive.update(&cx, &ItemRef::from_id(&file.id), Some(&file), &same).await.unwrap();
    assert_eq!(cloud.requests(), requests);
}

#[tokio::test]
async fn a_missing_occupant_is_ignored() {
    let case = Case { occupied: true, ..case(true, "y.txt", 0) };
    let (tree, occupant) = case.tree();
    let wanted = wanted(case, &tree, false);
    let (id, item) = (tree.cloud.id(occupant.unwrap()), tree.cloud.item(tree.x));
    tree.cloud.state().nodes.remove(&occupant.unwrap());
    let change = ItemUpdate {
        name: Some("y.txt".to_owned()),
        folder: Some(ItemRef::from_id(&tree.cloud.id(tree.b))),
        occupant: Some(id),
        ..ItemUpdate::default()
    };
    let cx = tree.cloud.transport().context();
    drive().update(&cx, &ItemRef::from_id(&item.id), Some(&item), &change).await.unwrap();
    assert_eq!(paths(&tree.cloud), wanted);
}
