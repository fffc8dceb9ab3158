//! Permissions of items.

use futures::future::try_join_all;

use super::{super::super::*, ephemeral, on_postgres::also_on_postgres, put, refusal};

/// Adds a permission of an item for some grantees.
async fn grant(tree: &Tree, drive: DriveKey, item: ItemKey, id: &str, grantees: &[&str]) -> Node {
    let mut permission = Permission::new(item, id, PermissionKind::Users, Role::Read);
    permission.grantees = grantees.iter().map(|grantee| (*grantee).to_owned()).collect();
    let add = |all: &mut Vec<Permission>| {
        all.push(permission);
        Ok::<_, TreeError>(())
    };
    let changed = tree.change_permissions(drive, item, add).await.expect("changes");
    changed.expect("adds").0
}

fn ids(permissions: &[Permission]) -> Vec<&str> {
    permissions.iter().map(|permission| &*permission.id).collect()
}

#[tokio::test]
async fn a_permission_is_listed_for_its_item_its_descendants_and_its_users() {
    let (tree, drive) = ephemeral().await;
    let folder = tree
        .make(
            ChildName::new(drive, ROOT, "d"),
            NodeKind::Folder,
            NewItem::default(),
            OnConflict::Fail,
        )
        .await
        .expect("makes")
        .node;
    let file = put(&tree, drive, folder.no, "f", b"x").await;
    let shared = grant(&tree, drive, folder.no, "1", &["user:anna", "user:bea"]).await;
    assert!(shared.version > folder.version && shared.feed > folder.feed, "the feed shows it");
    grant(&tree, drive, file.no, "2", &["user:anna"]).await;
    let all = tree.permissions_above(drive, file.no).await.expect("lists");
    assert_eq!(ids(&all), ["2", "1"], "those of the item are first");
    assert_eq!(ids(&tree.permissions(drive, folder.no).await.expect("lists")), ["1"]);
    let with = async |grantee: &str| {
        let shared = tree.shared_with(&[grantee.to_owned()]).await.expect("lists");
        shared.into_iter().map(|shared| shared.item).collect::<Vec<_>>()
    };
    assert_eq!(with("user:anna").await, [folder.no, file.no]);
    assert_eq!(with("user:bea").await, [folder.no]);
    assert_eq!(with("user:carl").await, []);
    // A second permission for the same audience changes nothing that the item shows.
    let again = grant(&tree, drive, folder.no, "3", &["user:carl"]).await;
    assert_eq!(again.version, shared.version);
    // A copy has none.
    let copy = tree.copy(drive, folder.no, ROOT, Some("copy"), OnConflict::Fail).await;
    let copy = copy.expect("copies");
    assert!(SharingSummary::from_node(&copy).is_none());
    assert_eq!(tree.permissions(drive, copy.no).await.expect("lists"), []);
    // In the recycle bin it keeps them, and is not listed.
    tree.trash(drive, file.no, Precondition::Any).await.expect("trashes");
    assert_eq!(with("user:anna").await, [folder.no]);
    tree.restore(drive, file.no, None, None).await.expect("restores");
    assert_eq!(with("user:anna").await, [folder.no, file.no]);
    tree.purge(drive, folder.no).await.expect("purges");
    assert_eq!(with("user:anna").await, []);
    assert_eq!(tree.permissions_above(drive, file.no).await.expect("lists"), []);
}

#[tokio::test]
async fn concurrent_changes_are_all_kept() {
    let (tree, drive) = ephemeral().await;
    let file = put(&tree, drive, ROOT, "f", b"x").await.no;
    let changes = (0..100).map(|number| {
        let tree = &tree;
        async move {
            let id = number.to_string();
            grant(tree, drive, file, &id, &[&format!("user:{number}")]).await;
            Ok::<_, TreeError>(())
        }
    });
    try_join_all(changes).await.expect("grants");
    assert_eq!(tree.permissions(drive, file).await.expect("lists").len(), 100);
    let removals = (0..100).filter(|number| number % 2 == 0).map(|number: u32| {
        let remove = move |all: &mut Vec<Permission>| {
            all.retain(|permission| permission.id != number.to_string());
            Ok::<_, TreeError>(())
        };
        tree.change_permissions(drive, file, remove)
    });
    try_join_all(removals).await.expect("removes");
    let left = tree.permissions(drive, file).await.expect("lists");
    assert_eq!(left.len(), 50);
    assert_eq!(tree.shared_with(&["user:4".to_owned()]).await.expect("lists"), []);
}

#[tokio::test]
async fn a_refused_change_leaves_the_permissions_as_they_were() {
    let (tree, drive) = ephemeral().await;
    let file = put(&tree, drive, ROOT, "f", b"x").await.no;
    let before = grant(&tree, drive, file, "1", &["user:anna"]).await;
    let refuse = |all: &mut Vec<Permission>| {
        all.clear();
        Err::<(), _>("refused")
    };
    let refused = tree.change_permissions(drive, file, refuse).await.expect("runs");
    assert_eq!(refused.expect_err("refused"), "refused");
    assert_eq!(ids(&tree.permissions(drive, file).await.expect("lists")), ["1"]);
    assert_eq!(tree.node(drive, file).await.expect("finds").version, before.version);
    tree.trash(drive, file, Precondition::Any).await.expect("trashes");
    let add = |_: &mut Vec<Permission>| Ok::<_, TreeError>(());
    let missing = tree.change_permissions(drive, file, add).await.map(drop);
    assert!(matches!(refusal(missing), TreeError::NotFound));
}

also_on_postgres!(
    a_permission_is_listed_for_its_item_its_descendants_and_its_users,
    concurrent_changes_are_all_kept,
    a_refused_change_leaves_the_permissions_as_they_were,
);
