//! Items: the root, ids, names, and folders that are created.

use drivedal::drive::{Conditions, ErrorKind, Item, ItemRef, ListRequest, SiblingSearch};

use super::{
    access::{access, by_id, expect_kind, target},
    requirements::{a_drive, paths},
};
use crate::{CaseResult, TestContext, cases, fail};

cases! {
    /// Requests the root twice. It is a folder, and its id is the same.
    the_root_is_a_folder_whose_id_stays: a_drive;
    /// Requests a file and a folder by path and by id. Both requests return the same item.
    an_item_by_id_equals_the_item_by_path: paths;
    /// Requests a file and a folder by name and by id. Both requests return the same item.
    an_item_by_id_equals_the_child_by_name: a_drive;
    /// Requests a file by names that differ in case or more. It is found exactly by those that the
    /// drive's `fold` equates with its own.
    a_name_is_found_in_the_form_that_the_drive_folds: a_drive;
    /// Searches for a child among several. The reported items contain the result, and no item of
    /// another folder.
    a_child_search_reports_its_result_and_no_foreign_item: a_drive;
    /// Searches for an existing child and a missing one. A search that reports completeness has
    /// reported all siblings.
    a_complete_child_search_reports_all_siblings: a_drive;
    /// Requests missing children. The result is `NotFound`.
    a_missing_child_is_not_found: a_drive;
    /// Calls verbs with a deleted file and a deleted folder. Each result is `NotFound`.
    a_deleted_item_is_not_found_by_any_verb: a_drive;
    /// Creates a folder. It has its name, is listed and is empty.
    a_new_folder_is_empty: a_drive;
    /// Creates a folder that exists. The result is `AlreadyExists`, with the id of no other item, and
    /// the folder keeps its file.
    a_folder_is_not_created_twice: a_drive;
    /// Creates a folder with the name of a file. The result is `AlreadyExists`, with the id of no other
    /// item, and the file keeps its bytes.
    a_folder_is_not_created_where_a_file_has_its_name: a_drive;
    /// Creates a folder in a deleted one. The result is `NotFound`, and nothing exists.
    a_folder_is_not_created_in_a_deleted_folder: a_drive;
}

/// Compares the properties that two responses may both contain.
fn assert_same_item(a: &Item, b: &Item) {
    assert_eq!((&a.id, &a.name, a.kind), (&b.id, &b.name, b.kind));
    if let (Some(a), Some(b)) = (a.size, b.size) {
        assert_eq!(a, b, "sizes differ");
    }
    if let (Some(a), Some(b)) = (&a.etag, &b.etag) {
        assert_eq!(a, b, "etags differ");
    }
}

async fn the_root_is_a_folder_whose_id_stays(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (drive, cx) = (access.drive(), access.context());
    let id = drive.root(cx).await?;
    assert!(drive.item(cx, &ItemRef::from_id(&id), Conditions::NONE).await?.is_folder());
    assert_eq!(drive.root(cx).await?, id);
    Ok(())
}

async fn an_item_by_id_equals_the_item_by_path(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (drive, cx) = (access.drive(), access.context());
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "a folder").await?;
    let file = access.file(&folder, "a file & more.txt", b"content").await?;
    for (path, expected) in [("a folder", &folder), ("a folder/a file & more.txt", &file)] {
        let item = ItemRef::Path { base: place.id.clone(), path: path.into() };
        let by_path = drive.item(cx, &item, Conditions::NONE).await?;
        assert_same_item(&by_path, &drive.item(cx, &by_id(expected), Conditions::NONE).await?);
    }
    Ok(())
}

async fn an_item_by_id_equals_the_child_by_name(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    let file = access.file(&place, "file", b"content").await?;
    for expected in [folder, file] {
        let Some(child) = access.child(&place, &expected.name).await? else {
            return fail(format!("{:?} is not found by its name", expected.name));
        };
        assert_same_item(&child, &access.item(&expected.id, &place).await?);
    }
    Ok(())
}

async fn a_name_is_found_in_the_form_that_the_drive_folds(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let file = access.file(&place, "Grün.Txt", b"content").await?;
    let fold = access.capabilities().fold;
    for name in ["Grün.Txt", "grün.txt", "GRÜN.TXT", "gruen.txt", "Grün"] {
        let found = access.child(&place, name).await?.map(|item| item.id);
        let expected = (fold(name) == fold(&file.name)).then(|| file.id.clone());
        assert_eq!(found, expected, "{name:?}");
    }
    Ok(())
}

/// Searches for a child. Returns the items that the search reports, and whether they are all
/// siblings. A missing child is not an error.
///
/// # Errors
/// `Failed` if the request fails otherwise.
async fn search(test: &TestContext, folder: &Item, name: &str) -> CaseResult<(Vec<Item>, bool)> {
    let access = access(test)?;
    let (mut items, mut is_complete) = (Vec::new(), false);
    let mut record = |seen: SiblingSearch<'_>| match seen {
        SiblingSearch::Item(item) => items.push(item.clone()),
        _ => is_complete = true,
    };
    let found = access.drive().child(access.context(), &by_id(folder), name, &mut record).await;
    if let Err(error) = found
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error.into());
    }
    Ok((items, is_complete))
}

async fn a_child_search_reports_its_result_and_no_foreign_item(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    access.file(&folder, "not a sibling", b"1").await?;
    let mut ids = vec![folder.id];
    for name in ["a", "b", "c"] {
        ids.push(access.file(&place, name, b"1").await?.id);
    }
    let (items, _) = search(test, &place, "b").await?;
    assert!(items.iter().any(|item| item.id == ids[2]), "without the result: {items:?}");
    assert!(items.iter().all(|item| ids.contains(&item.id)), "a foreign item: {items:?}");
    Ok(())
}

async fn a_complete_child_search_reports_all_siblings(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(access.file(&place, name, b"1").await?.id);
    }
    for name in ["b", "missing"] {
        let (items, is_complete) = search(test, &place, name).await?;
        let missing = ids.iter().filter(|id| items.iter().all(|item| item.id != **id)).count();
        assert!(!is_complete || missing == 0, "complete without {missing} items: {items:?}");
    }
    Ok(())
}

async fn a_missing_child_is_not_found(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    access.file(&place, "file", b"1").await?;
    assert!(access.child(&place, "missing").await?.is_none());
    assert!(access.child(&place, "file2").await?.is_none());
    Ok(())
}

async fn a_deleted_item_is_not_found_by_any_verb(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let (drive, cx) = (access.drive(), access.context());
    let place = access.new_folder().await?;
    let (file, folder) = (access.file(&place, "f", b"1").await?, access.folder(&place, "d").await?);
    for result in access.delete(&[&file, &folder]).await {
        result?;
    }
    let missing = &[ErrorKind::NotFound];
    expect_kind(drive.item(cx, &by_id(&file), Conditions::NONE).await, missing)?;
    expect_kind(drive.item(cx, &by_id(&folder), Conditions::NONE).await, missing)?;
    let file_ref = by_id(&file);
    let request = drivedal::drive::DownloadRequest::new(&file_ref);
    expect_kind(drive.download(cx, request).await, missing)?;
    expect_kind(drive.list(cx, ListRequest::new(&by_id(&folder))).await, missing)?;
    let mut update = drivedal::drive::ItemUpdate::default();
    update.name = Some("renamed".into());
    expect_kind(access.update(&file, &update).await, missing)?;
    assert_eq!(access.names(&place).await?, Vec::<String>::new());
    Ok(())
}

async fn a_new_folder_is_empty(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "A new folder").await?;
    assert!(folder.is_folder());
    assert_eq!(folder.name, "A new folder");
    assert_eq!(access.names(&folder).await?, Vec::<String>::new());
    assert_eq!(access.names(&place).await?, ["A new folder"]);
    Ok(())
}

async fn a_folder_is_not_created_twice(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    let file = access.file(&folder, "file", b"1").await?;
    let error = expect_kind(access.folder(&place, "folder").await, &[ErrorKind::AlreadyExists])?;
    assert!(error.existing().is_none_or(|id| *id == folder.id), "of another item: {error:?}");
    assert_eq!(access.names(&place).await?, ["folder"]);
    assert_eq!(access.item(&file.id, &folder).await?.id, file.id);
    Ok(())
}

async fn a_folder_is_not_created_where_a_file_has_its_name(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let file = access.file(&place, "taken", b"1").await?;
    let error = expect_kind(access.folder(&place, "taken").await, &[ErrorKind::AlreadyExists])?;
    assert!(error.existing().is_none_or(|id| *id == file.id), "of another item: {error:?}");
    assert_eq!(access.content(&file).await?, b"1");
    Ok(())
}

async fn a_folder_is_not_created_in_a_deleted_folder(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    for result in access.delete(&[&folder]).await {
        result?;
    }
    let at = target(&folder, "below");
    let created = access.drive().create_folder(access.context(), &at).await;
    expect_kind(created, &[ErrorKind::NotFound])?;
    assert_eq!(access.names(&place).await?, Vec::<String>::new());
    Ok(())
}
