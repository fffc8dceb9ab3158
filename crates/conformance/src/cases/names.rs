//! Names: supported completely, or rejected with a permanent error that contains the name.

use opendal::{Error, ErrorKind};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, children, content, exists, mode, tree},
    expect_error, fail, skip,
};

cases! {
    /// Uses names with characters that have a meaning in URLs. All are supported.
    names_with_signs_of_urls_are_taken;
    /// Uses names with brackets and other special characters. All are supported.
    names_with_other_signs_are_taken;
    /// Uses names that begin with a tilde. All are supported.
    names_with_a_leading_tilde_are_supported;
    /// Uses names in several scripts, with emoji, combining accents and ligatures. All are supported.
    names_in_many_scripts_are_taken;
    /// Uses names with dots at their beginning and inside. All are supported.
    names_with_dots_are_taken;
    /// Uses a name of 200 ASCII characters. It is supported.
    a_name_of_two_hundred_characters_is_taken;
    /// Uses a name of 200 characters outside ASCII. It is supported.
    a_name_of_two_hundred_characters_beyond_ascii_is_taken;
    /// Uses names that some services do not accept: with `\`, `:` or control characters, device names
    /// of Windows, spaces and dots at the ends. Each is stored completely, or rejected with a permanent
    /// `Unsupported` that contains the name, and nothing is created.
    a_name_is_stored_completely_or_rejected_clearly;
    /// Uses names of 256 to 1000 characters. Each is stored completely, or rejected with a permanent
    /// `Unsupported` that contains the name, and nothing is created.
    a_long_name_is_stored_completely_or_rejected_clearly;
    /// Writes files with the names that the service must reject, and files below them. Each result is
    /// an `Unsupported` that contains the name, and nothing is created.
    names_that_the_drive_does_not_take_are_refused_clearly;
    /// Creates folders with the names that the service must reject, and folders below them. Each result
    /// is an `Unsupported` that contains the name, and nothing is created.
    names_that_the_drive_does_not_take_are_refused_as_folders: create_dir;
    /// Renames a file to the names that the service must reject. Each result is an `Unsupported` that
    /// contains the name, and the file keeps its path.
    names_that_the_drive_does_not_take_are_refused_as_new_names: rename;
    /// Uses paths with the name `.`. All operations reject them.
    a_dot_is_no_name;
    /// Uses paths with the name `..`. All operations reject them.
    two_dots_are_no_name;
    /// Writes to a path with spaces at its beginning and end. The stored path has none.
    spaces_at_the_ends_of_a_path_are_not_part_of_it;
    /// Reads and overwrites a file by paths of another case, in ASCII and beyond. All are the same
    /// file.
    names_that_differ_in_case_are_one_file;
    /// Creates folders, and a file in them, by paths of another case. Each folder exists once, with its
    /// first name.
    folders_that_differ_in_case_are_one_folder: create_dir;
    /// Writes, only if it does not exist, to the path of a file in another case. The result is
    /// `ConditionNotMatch`, and the file keeps its bytes.
    if_not_exists_sees_a_name_of_another_case: write_with_if_not_exists;
    /// Deletes a file by a path of another case. It does not exist any more, and the other file stays.
    a_file_is_removed_whatever_its_case;
}

/// Verifies that files and folders with these names can be written, listed, read and deleted.
///
async fn check_supported(test: &TestContext, names: &[&str]) -> CaseResult {
    let op = &test.op;
    for (seed, name) in names.iter().enumerate() {
        op.write(&format!("files/{name}"), bytes(seed as u64, 100 + seed)).await?;
        op.write(&format!("folders/{name}/below"), bytes(seed as u64, 100 + seed)).await?;
    }
    let mut files: Vec<_> = names.iter().map(|name| format!("files/{name}")).collect();
    let mut folders: Vec<_> = names.iter().map(|name| format!("folders/{name}/")).collect();
    files.sort();
    folders.sort();
    assert_eq!(children(op, "files/").await?, files);
    assert_eq!(children(op, "folders/").await?, folders);
    for (seed, name) in names.iter().enumerate() {
        let (file, folder) = (format!("files/{name}"), format!("folders/{name}/"));
        assert_eq!(op.stat(&file).await?.content_length(), 100 + seed as u64, "{name}");
        assert_eq!(content(op, &file).await?, bytes(seed as u64, 100 + seed), "{name}");
        assert!(mode(op, &folder).await?.is_some_and(|mode| mode.is_dir()), "{name}");
        assert_eq!(children(op, &folder).await?, [format!("{folder}below")]);
        if op.info().capability().rename {
            // SkyDrive does not allow removing a file's extension.
            let extension = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
            let aside = extension.map_or("aside".into(), |(_, end)| format!("aside.{end}"));
            op.rename(&file, &aside).await?;
            assert!(!exists(op, &file).await?, "{name}");
            op.rename(&aside, &file).await?;
        }
        assert_eq!(content(op, &file).await?, bytes(seed as u64, 100 + seed), "{name}");
        op.delete(&file).await?;
        assert!(!exists(op, &file).await?, "{name}");
    }
    assert_eq!(children(op, "files/").await?, [""; 0]);
    Ok(())
}

async fn names_with_signs_of_urls_are_taken(test: &TestContext) -> CaseResult {
    check_supported(
        test,
        &["a#b", "a%b", "a%41b", "100%", "%2F", "a&b=c", "a+b", "a b", "it's", "a;b,c"],
    )
    .await
}

async fn names_with_other_signs_are_taken(test: &TestContext) -> CaseResult {
    check_supported(test, &["a@b!c$d", "(a)[b]{c}", "a~1", "_-", "a^b`c", "-rf", "=1+1"]).await
}

async fn names_with_a_leading_tilde_are_supported(test: &TestContext) -> CaseResult {
    check_supported(test, &["~a", "~"]).await
}

async fn names_in_many_scripts_are_taken(test: &TestContext) -> CaseResult {
    check_supported(
        test,
        &["äöüß", "日本語.txt", "Ωμέγα", "🦀🦀", "e\u{301}te\u{301}", "שלום", "İı", "ﬁn"],
    )
    .await
}

async fn names_with_dots_are_taken(test: &TestContext) -> CaseResult {
    check_supported(test, &[".hidden", "..two", "a.b.c", "a..b", ".a.b"]).await
}

async fn a_name_of_two_hundred_characters_is_taken(test: &TestContext) -> CaseResult {
    check_supported(test, &[&"a".repeat(200)]).await
}

async fn a_name_of_two_hundred_characters_beyond_ascii_is_taken(test: &TestContext) -> CaseResult {
    check_supported(test, &[&"ü".repeat(200)]).await
}

/// Verifies that a file's whole name is stored, or that the error names it and nothing was created.
///
async fn check_stored_or_rejected(test: &TestContext, name: &str) -> CaseResult {
    let (op, path) = (&test.op, format!("folder/{name}"));
    match op.write(&path, bytes(1, 100)).await {
        Ok(_) => {
            assert_eq!(children(op, "folder/").await?, [&*path]);
            assert_eq!(content(op, &path).await?, bytes(1, 100), "{name:?}");
            op.delete(&path).await?;
        }
        refusal => {
            check_rejection_error(&expect_error(refusal, &[ErrorKind::Unsupported])?, name)?;
            assert_eq!(children(op, "folder/").await?, [""; 0]);
        }
    }
    Ok(())
}

/// Verifies that the error of a rejected name is permanent, is not `Unexpected`, and contains the
/// name, literally or as Rust quotes it.
///
/// # Errors
/// `Failed` if the promise is not kept.
fn check_rejection_error(error: &Error, name: &str) -> CaseResult {
    let text = error.to_string();
    if error.is_temporary() {
        return fail(format!("{name:?}: trying again would not help: {text}"));
    }
    if error.kind() == ErrorKind::Unexpected {
        return fail(format!("{name:?}: not a kind to act on: {text}"));
    }
    if !text.contains(name) && !text.contains(&format!("{name:?}")) {
        return fail(format!("{name:?} is not named: {text}"));
    }
    Ok(())
}

async fn a_name_is_stored_completely_or_rejected_clearly(test: &TestContext) -> CaseResult {
    for name in [
        "a\\b",
        "a:b",
        "a*b",
        "a?b",
        "a\"b",
        "a<b",
        "a>b",
        "a|b",
        "dot.",
        "CON",
        "aux.txt",
        " x",
        "tab\there",
        "bell\u{7}",
        "a\u{200f}b",
    ] {
        check_stored_or_rejected(test, name).await?;
    }
    for folder in ["x ", " x", "dot.", "a:b"] {
        let path = format!("{folder}/file");
        match test.op.write(&path, bytes(1, 100)).await {
            Ok(_) => assert_eq!(content(&test.op, &path).await?, bytes(1, 100), "{path:?}"),
            refusal => {
                check_rejection_error(&expect_error(refusal, &[ErrorKind::Unsupported])?, folder)?
            }
        }
    }
    Ok(())
}

async fn a_long_name_is_stored_completely_or_rejected_clearly(test: &TestContext) -> CaseResult {
    for len in [256, 300, 1000] {
        check_stored_or_rejected(test, &"a".repeat(len)).await?;
    }
    Ok(())
}

/// # Errors
/// `Failed` if the promise is not kept; `Skipped` if the service accepts every name.
async fn names_that_the_drive_does_not_take_are_refused_clearly(test: &TestContext) -> CaseResult {
    if test.expectations.rejected_names.is_empty() {
        return skip("takes every name");
    }
    test.op.write("folder/there", bytes(1, 10)).await?;
    for name in test.expectations.rejected_names {
        for path in [format!("folder/{name}"), format!("folder/{name}/below")] {
            check_rejection_error(
                &expect_error(test.op.write(&path, bytes(2, 10)).await, &[ErrorKind::Unsupported])?,
                name,
            )?;
        }
    }
    assert_eq!(tree(&test.op, "/").await?, ["folder/", "folder/there"]);
    Ok(())
}

/// # Errors
/// `Failed` if the promise is not kept; `Skipped` if the service accepts every name.
async fn names_that_the_drive_does_not_take_are_refused_as_folders(
    test: &TestContext,
) -> CaseResult {
    if test.expectations.rejected_names.is_empty() {
        return skip("takes every name");
    }
    for name in test.expectations.rejected_names {
        for path in [format!("folder/{name}/"), format!("folder/{name}/below/")] {
            check_rejection_error(
                &expect_error(test.op.create_dir(&path).await, &[ErrorKind::Unsupported])?,
                name,
            )?;
        }
    }
    assert_eq!(tree(&test.op, "folder/").await?, [""; 0]);
    Ok(())
}

/// # Errors
/// `Failed` if the promise is not kept; `Skipped` if the service accepts every name.
async fn names_that_the_drive_does_not_take_are_refused_as_new_names(
    test: &TestContext,
) -> CaseResult {
    if test.expectations.rejected_names.is_empty() {
        return skip("takes every name");
    }
    test.op.write("a/file", bytes(1, 10)).await?;
    test.op.write("b/there", bytes(2, 10)).await?;
    for name in test.expectations.rejected_names {
        for path in [format!("a/{name}"), format!("b/{name}"), format!("c/{name}/below")] {
            check_rejection_error(
                &expect_error(test.op.rename("a/file", &path).await, &[ErrorKind::Unsupported])?,
                name,
            )?;
        }
    }
    assert_eq!(content(&test.op, "a/file").await?, bytes(1, 10));
    assert_eq!(children(&test.op, "b/").await?, ["b/there"]);
    Ok(())
}

/// Verifies that all operations reject these paths and change nothing.
///
async fn check_rejected_paths(test: &TestContext, paths: &[&str]) -> CaseResult {
    let op = &test.op;
    op.write("a/b/file", bytes(1, 100)).await?;
    op.write("file", bytes(2, 100)).await?;
    for path in paths {
        let folder = format!("{path}/");
        let tried = [
            ("write", op.write(path, bytes(3, 10)).await.err()),
            ("read", op.read(path).await.err()),
            ("stat", op.stat(path).await.err()),
            ("list", op.list(&folder).await.err()),
            ("create_dir", op.create_dir(&folder).await.err()),
            ("delete", op.delete(path).await.err()),
            ("delete recursively", op.delete_with(path).recursive(true).await.err()),
        ];
        for (verb, error) in tried {
            let Some(error) = error else {
                return fail(format!("{verb} takes {path:?}"));
            };
            expect_error::<()>(Err(error), &[ErrorKind::Unsupported, ErrorKind::NotFound])?;
        }
        if op.info().capability().rename {
            expect_error(
                op.rename("file", path).await,
                &[ErrorKind::Unsupported, ErrorKind::NotFound],
            )?;
            expect_error(
                op.rename(path, "elsewhere").await,
                &[ErrorKind::Unsupported, ErrorKind::NotFound],
            )?;
        }
    }
    assert_eq!(tree(op, "/").await?, ["a/", "a/b/", "a/b/file", "file"]);
    assert_eq!(content(op, "a/b/file").await?, bytes(1, 100));
    assert_eq!(content(op, "file").await?, bytes(2, 100));
    Ok(())
}

async fn a_dot_is_no_name(test: &TestContext) -> CaseResult {
    check_rejected_paths(test, &["./file", "a/./b/file", "a/b/."]).await
}

async fn two_dots_are_no_name(test: &TestContext) -> CaseResult {
    check_rejected_paths(test, &["../file", "a/../file", "a/b/../../file", "a/b/.."]).await
}

async fn spaces_at_the_ends_of_a_path_are_not_part_of_it(test: &TestContext) -> CaseResult {
    test.op.write(" a/file ", bytes(1, 100)).await?;
    assert_eq!(children(&test.op, "/").await?, ["a/"]);
    assert_eq!(children(&test.op, "a/").await?, ["a/file"]);
    assert_eq!(content(&test.op, "a/file").await?, bytes(1, 100));
    Ok(())
}

async fn names_that_differ_in_case_are_one_file(test: &TestContext) -> CaseResult {
    let op = &test.op;
    op.write("a/Read.Me", bytes(1, 100)).await?;
    for path in ["a/Read.Me", "a/read.me", "A/READ.ME"] {
        assert_eq!(content(op, path).await?, bytes(1, 100), "{path}");
        assert_eq!(op.stat(path).await?.content_length(), 100, "{path}");
    }
    op.write("a/read.me", bytes(2, 50)).await?;
    assert_eq!(content(op, "a/Read.Me").await?, bytes(2, 50));
    assert_eq!(children(op, "a/").await?.len(), 1);
    op.write("a/ÄÖÜ", bytes(3, 30)).await?;
    assert_eq!(content(op, "a/äöü").await?, bytes(3, 30));
    Ok(())
}

async fn folders_that_differ_in_case_are_one_folder(test: &TestContext) -> CaseResult {
    let op = &test.op;
    op.create_dir("Folder/").await?;
    op.create_dir("folder/Below/").await?;
    op.write("FOLDER/below/file", bytes(1, 100)).await?;
    assert_eq!(tree(op, "/").await?, ["Folder/", "Folder/Below/", "Folder/Below/file"]);
    Ok(())
}

async fn if_not_exists_sees_a_name_of_another_case(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 100)).await?;
    let writing = test.op.write_with("FILE", bytes(2, 100)).if_not_exists(true);
    expect_error(writing.await, &[ErrorKind::ConditionNotMatch])?;
    assert_eq!(content(&test.op, "file").await?, bytes(1, 100));
    Ok(())
}

async fn a_file_is_removed_whatever_its_case(test: &TestContext) -> CaseResult {
    test.op.write("a/File", bytes(1, 100)).await?;
    test.op.write("a/Other", bytes(2, 100)).await?;
    test.op.stat("a/File").await?;
    test.op.delete("A/fILE").await?;
    assert!(!exists(&test.op, "a/File").await?);
    assert_eq!(children(&test.op, "a/").await?, ["a/Other"]);
    Ok(())
}
