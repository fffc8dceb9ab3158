//! Listings: pages, and the tree below a folder.

use std::collections::BTreeSet;

use drivedal::drive::{ErrorKind, Item, ItemId, ItemRef, ListRequest, RecursiveList};

use super::{
    access::{DriveAccess, access, by_id, expect_kind},
    requirements::{a_drive, recursive_list},
};
use crate::{CaseResult, TestContext, cases};

cases! {
    /// Lists a folder with pages of various sizes. The pages end, and together have each item once.
    the_pages_of_a_folder_have_each_item_once_and_end: a_drive;
    /// Lists nested folders. Each listing has only the items directly in its folder.
    a_listing_has_only_the_children_of_its_folder: a_drive;
    /// Lists a folder and requests each of its items. Name, kind, size and modification time are the
    /// same.
    a_listed_item_equals_the_requested_one: a_drive;
    /// Lists a file. The result is empty or `NotAFolder`.
    a_file_has_no_children: a_drive;
    /// Lists a tree recursively. The result has all its items, with name and kind.
    a_recursive_listing_has_the_whole_tree: recursive_list;
    /// Lists a tree recursively. The parents of each item are in the result or are the listed folder.
    a_recursive_listing_has_the_parents_of_each_item: recursive_list;
}

async fn the_pages_of_a_folder_have_each_item_once_and_end(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let mut expected = Vec::new();
    for number in 0..12 {
        let name = format!("file {number:02}");
        access.file(&place, &name, b"1").await?;
        expected.push(name);
    }
    let folder = by_id(&place);
    for limit in [None, Some(5), Some(1), Some(12)] {
        let pages = access.pages(ListRequest::new(&folder).with_limit(limit)).await?;
        let mut names: Vec<_> = pages.concat().into_iter().map(|item| item.name).collect();
        names.sort();
        assert_eq!(names, expected, "limit {limit:?}");
    }
    Ok(())
}

async fn a_listing_has_only_the_children_of_its_folder(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    access.file(&folder, "below", b"1").await?;
    access.file(&place, "beside", b"1").await?;
    assert_eq!(access.names(&place).await?, ["beside", "folder"]);
    assert_eq!(access.names(&folder).await?, ["below"]);
    Ok(())
}

async fn a_listed_item_equals_the_requested_one(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    access.folder(&place, "folder").await?;
    access.file(&place, "file", b"content").await?;
    for listed in access.children(&place).await? {
        let requested = access.item(&listed.id, &place).await?;
        let properties = |item: &Item| (item.name.clone(), item.kind, item.size, item.modified);
        assert_eq!(properties(&listed), properties(&requested));
    }
    Ok(())
}

async fn a_file_has_no_children(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let file = access.file(&place, "file", b"1").await?;
    let listed = access.drive().list(access.context(), ListRequest::new(&by_id(&file))).await;
    match listed {
        // Some clouds list a file as an empty folder.
        Ok(page) => assert!(page.items.is_empty() && page.next.is_none(), "{page:?}"),
        listed => drop(expect_kind(listed, &[ErrorKind::NotAFolder])?),
    }
    Ok(())
}

/// Creates a tree, and lists it or, if the drive lists only the whole tree, the root. Returns the
/// listed folder, the created items and the listed ones.
///
/// # Errors
/// `Failed` if an item cannot be created or the listing fails.
async fn tree(access: &DriveAccess) -> CaseResult<(ItemRef, Vec<Item>, Vec<Item>)> {
    let place = access.new_folder().await?;
    let mut created = Vec::new();
    let mut folder = place.clone();
    for level in 0..4 {
        created.push(access.file(&folder, &format!("file {level}"), b"1").await?);
        let below = access.folder(&folder, &format!("level {level}")).await?;
        created.push(below.clone());
        folder = below;
    }
    let folder = match access.capabilities().recursive_list {
        RecursiveList::Any => by_id(&place),
        _ => {
            created.push(place);
            ItemRef::from_id(&access.drive().root(access.context()).await?)
        }
    };
    let listed = access.pages(ListRequest::recursive(&folder).with_limit(3)).await?.concat();
    Ok((folder, created, listed))
}

async fn a_recursive_listing_has_the_whole_tree(test: &TestContext) -> CaseResult {
    let (_, created, listed) = tree(access(test)?).await?;
    for item in created {
        let found = listed.iter().find(|listed| listed.id == item.id);
        let properties = |item: &Item| (item.name.clone(), item.kind);
        assert_eq!(found.map(properties), Some(properties(&item)));
    }
    Ok(())
}

async fn a_recursive_listing_has_the_parents_of_each_item(test: &TestContext) -> CaseResult {
    let (folder, created, listed) = tree(access(test)?).await?;
    let ids: BTreeSet<&ItemId> = listed.iter().map(|item| &item.id).collect();
    let created: BTreeSet<&ItemId> = created.iter().map(|item| &item.id).collect();
    let ItemRef::Item { id: root, .. } = &folder else { unreachable!("by id") };
    for item in listed.iter().filter(|item| created.contains(&item.id)) {
        for parent in &item.parents {
            assert!(parent == root || ids.contains(parent), "{item:?} is below an unlisted folder");
        }
    }
    Ok(())
}
