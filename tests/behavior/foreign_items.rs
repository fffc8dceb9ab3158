//! Items that our requests cannot create: neither file nor folder, or with very old times.

use drivedal_server::FixtureItem;
use opendal::ErrorKind;

use drivedal_conformance::{
    CaseResult, TestContext, cases,
    data::{bytes, children, content, exists, tree},
    expect_error, fail,
};

use crate::backends::served::{case_server, drive_server};

cases! {
    a_notebook_breaks_no_listing: drive_server;
    a_notebook_has_no_bytes: drive_server;
    a_notebook_is_removed_by_its_name: drive_server;
    a_notebook_is_removed_with_its_folder: drive_server, delete_with_recursive;
    a_very_old_file_has_its_time: drive_server;
}

async fn plant(test: &TestContext, items: impl IntoIterator<Item = FixtureItem>) -> CaseResult {
    case_server(test)?.add_fixtures(items).await
}

/// Creates a folder with a file, a notebook and a folder.
async fn notebook(test: &TestContext) -> CaseResult {
    let items = [
        FixtureItem::file("a/file", bytes(1, 100)),
        FixtureItem::notebook("a/Notes"),
        FixtureItem::file("a/b/file", bytes(2, 100)),
    ];
    plant(test, items).await
}

async fn a_notebook_breaks_no_listing(test: &TestContext) -> CaseResult {
    notebook(test).await?;
    assert_eq!(children(&test.op, "a/").await?, ["a/Notes", "a/b/", "a/file"]);
    assert_eq!(tree(&test.op, "/").await?, ["a/", "a/Notes", "a/b/", "a/b/file", "a/file"]);
    assert_eq!(content(&test.op, "a/b/file").await?, bytes(2, 100));
    Ok(())
}

async fn a_notebook_has_no_bytes(test: &TestContext) -> CaseResult {
    notebook(test).await?;
    let error = expect_error(test.op.read("a/Notes").await, &[ErrorKind::Unsupported])?;
    assert!(error.to_string().contains("a/Notes"), "does not name it: {error}");
    expect_error(
        test.op.write("a/Notes", "bytes").await,
        &[ErrorKind::AlreadyExists, ErrorKind::Conflict],
    )?;
    expect_error(test.op.write("a/Notes/page", "bytes").await, &[ErrorKind::NotADirectory])?;
    assert_eq!(children(&test.op, "a/").await?, ["a/Notes", "a/b/", "a/file"]);
    Ok(())
}

async fn a_notebook_is_removed_by_its_name(test: &TestContext) -> CaseResult {
    notebook(test).await?;
    test.op.delete("a/Notes").await?;
    assert!(!exists(&test.op, "a/Notes").await?);
    assert_eq!(children(&test.op, "a/").await?, ["a/b/", "a/file"]);
    Ok(())
}

async fn a_notebook_is_removed_with_its_folder(test: &TestContext) -> CaseResult {
    notebook(test).await?;
    test.op.delete_with("a/").recursive(true).await?;
    assert_eq!(tree(&test.op, "/").await?, [""; 0]);
    Ok(())
}

async fn a_very_old_file_has_its_time(test: &TestContext) -> CaseResult {
    let time = "2009-08-07T06:05:04Z".parse().expect("it is a time");
    plant(test, [FixtureItem::file("a/file", bytes(1, 100)).modified(time)]).await?;
    let Some(modified) = test.op.stat("a/file").await?.last_modified() else {
        return fail("there is no modification time");
    };
    assert_eq!(modified.into_inner(), time);
    let entries = test.op.list("a/f").await?;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].metadata().last_modified(), Some(modified));
    Ok(())
}
