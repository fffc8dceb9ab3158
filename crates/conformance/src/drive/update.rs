//! Renames, moves, modification times and deletions.

use drivedal::drive::{ErrorKind, IfExists, Item, ItemUpdate};

use super::{
    access::{access, by_id, expect_kind},
    requirements::{a_drive, set_modified},
};
use crate::{CaseResult, TestContext, cases, fail};

cases! {
    /// Renames and moves a file and a folder. Their ids stay the same.
    an_id_survives_a_rename_and_a_move: a_drive;
    /// Renames and moves a file by one update. It has the new name in the new folder only.
    one_update_renames_and_moves: a_drive;
    /// Moves a folder. Its file moves with it.
    a_folder_is_moved_with_its_contents: a_drive;
    /// Renames a file to the names of another file and of a folder. The results are `AlreadyExists`,
    /// and nothing changes.
    an_update_to_a_taken_name_changes_nothing: a_drive;
    /// Renames a file to the name of another one, which may be replaced. Only the renamed file is left.
    an_update_replaces_a_file_on_request: a_drive;
    /// Renames a file to the name of a folder, which may be replaced. It fails, and nothing changes.
    an_update_never_replaces_a_folder: a_drive;
    /// Moves a folder into itself and below itself. It fails, and nothing changes.
    a_folder_is_not_moved_below_itself: a_drive;
    /// Sets the modification time of a file. The item has it, in seconds.
    a_modification_time_is_stored: set_modified;
    /// Deletes existing items and a missing one by one call. It returns one result for each, in their
    /// order.
    deletions_have_one_result_each_in_order: a_drive;
    /// Deletes a folder. Everything below it is deleted too.
    a_folder_is_deleted_with_its_contents: a_drive;
}

/// Returns the update to a new name, which must not be taken.
fn rename(name: &str) -> ItemUpdate {
    let mut update = ItemUpdate::default();
    (update.name, update.if_exists) = (Some(name.to_owned()), IfExists::Fail);
    update
}

/// Returns the update to a new folder, in which the name must not be taken.
fn move_to(folder: &Item) -> ItemUpdate {
    let mut update = ItemUpdate::default();
    (update.folder, update.if_exists) = (Some(by_id(folder)), IfExists::Fail);
    update
}

async fn an_id_survives_a_rename_and_a_move(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    let items = [access.file(&place, "a file", b"1").await?, access.folder(&place, "below").await?];
    for item in items {
        let new_name = format!("{} renamed", item.name);
        let renamed = access.update(&item, &rename(&new_name)).await?;
        assert_eq!((&renamed.id, &renamed.name), (&item.id, &new_name));
        let renamed = access.item(&item.id, &place).await?;
        let moved = access.update(&renamed, &move_to(&folder)).await?;
        assert_eq!(moved.id, item.id);
        let moved = access.item(&item.id, &folder).await?;
        assert_eq!((moved.name, moved.kind), (new_name, item.kind));
    }
    assert_eq!(access.names(&place).await?, ["folder"]);
    assert_eq!(access.names(&folder).await?, ["a file renamed", "below renamed"]);
    Ok(())
}

async fn one_update_renames_and_moves(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    let file = access.file(&place, "file", b"content").await?;
    let mut update = move_to(&folder);
    update.name = Some("renamed".to_owned());
    access.update(&file, &update).await?;
    assert_eq!(access.names(&place).await?, ["folder"]);
    let Some(moved) = access.child(&folder, "renamed").await? else {
        return fail("the file is not in the new folder");
    };
    assert_eq!(access.content(&moved).await?, b"content");
    Ok(())
}

async fn a_folder_is_moved_with_its_contents(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let (from, to) = (access.folder(&place, "from").await?, access.folder(&place, "to").await?);
    access.file(&from, "file", b"content").await?;
    access.update(&from, &move_to(&to)).await?;
    assert_eq!(access.names(&place).await?, ["to"]);
    let Some(moved) = access.child(&to, "from").await? else {
        return fail("the folder is not in the new folder");
    };
    assert_eq!(access.names(&moved).await?, ["file"]);
    Ok(())
}

async fn an_update_to_a_taken_name_changes_nothing(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let a = access.file(&place, "a", b"a").await?;
    let b = access.file(&place, "b", b"b").await?;
    access.folder(&place, "c").await?;
    for name in ["b", "c"] {
        let renamed = access.update(&a, &rename(name)).await;
        expect_kind(renamed, &[ErrorKind::AlreadyExists])?;
    }
    assert_eq!(access.names(&place).await?, ["a", "b", "c"]);
    assert_eq!(access.content(&a).await?, b"a");
    assert_eq!(access.content(&b).await?, b"b");
    Ok(())
}

async fn an_update_replaces_a_file_on_request(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let a = access.file(&place, "a", b"a").await?;
    let b = access.file(&place, "b", b"b").await?;
    let mut update = rename("b");
    (update.if_exists, update.occupant) = (IfExists::Replace, Some(b.id));
    access.update(&a, &update).await?;
    assert_eq!(access.names(&place).await?, ["b"]);
    let Some(left) = access.child(&place, "b").await? else { return fail("no file is left") };
    assert_eq!(access.content(&left).await?, b"a");
    Ok(())
}

async fn an_update_never_replaces_a_folder(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let file = access.file(&place, "file", b"1").await?;
    let folder = access.folder(&place, "folder").await?;
    access.file(&folder, "below", b"2").await?;
    let mut update = rename("folder");
    (update.if_exists, update.occupant) = (IfExists::Replace, Some(folder.id.clone()));
    let updated = access.update(&file, &update).await;
    expect_kind(updated, &[ErrorKind::IsAFolder, ErrorKind::AlreadyExists])?;
    assert_eq!(access.names(&place).await?, ["file", "folder"]);
    assert_eq!(access.names(&folder).await?, ["below"]);
    Ok(())
}

async fn a_folder_is_not_moved_below_itself(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    let below = access.folder(&folder, "below").await?;
    for target in [&folder, &below] {
        let moved = access.update(&folder, &move_to(target)).await;
        expect_kind(moved, &[ErrorKind::Conflict, ErrorKind::InvalidInput])?;
    }
    assert_eq!(access.names(&place).await?, ["folder"]);
    assert_eq!(access.names(&folder).await?, ["below"]);
    Ok(())
}

async fn a_modification_time_is_stored(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let file = access.file(&place, "file", b"content").await?;
    let mut update = ItemUpdate::default();
    let time = whole_seconds();
    update.modified = Some(time);
    access.update(&file, &update).await?;
    let stored = access.item(&file.id, &place).await?.modified;
    assert_eq!(stored.map(|stored| stored.as_second()), Some(time.as_second()));
    Ok(())
}

/// Returns a time in whole seconds, which every cloud can store.
fn whole_seconds() -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_391_400_246).expect("it is in the range")
}

async fn deletions_have_one_result_each_in_order(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let a = access.file(&place, "a", b"1").await?;
    let missing = access.file(&place, "b", b"1").await?;
    let c = access.folder(&place, "c").await?;
    for result in access.delete(&[&missing]).await {
        result?;
    }
    let results = access.delete(&[&a, &missing, &c]).await;
    let kinds: Vec<_> =
        results.iter().map(|result| result.as_ref().err().map(|error| error.kind())).collect();
    // Some clouds report success for an item that does not exist.
    let expected = [[None, Some(ErrorKind::NotFound), None], [None, None, None]];
    assert!(expected.iter().any(|expected| kinds == expected), "{kinds:?}");
    assert_eq!(access.names(&place).await?, Vec::<String>::new());
    Ok(())
}

async fn a_folder_is_deleted_with_its_contents(test: &TestContext) -> CaseResult {
    let access = access(test)?;
    let place = access.new_folder().await?;
    let folder = access.folder(&place, "folder").await?;
    let below = access.folder(&folder, "below").await?;
    let file = access.file(&below, "file", b"1").await?;
    for result in access.delete(&[&folder]).await {
        result?;
    }
    assert_eq!(access.names(&place).await?, Vec::<String>::new());
    for (item, parent) in [(&file, &below), (&below, &folder), (&folder, &place)] {
        expect_kind(access.item(&item.id, parent).await, &[ErrorKind::NotFound])?;
    }
    Ok(())
}
