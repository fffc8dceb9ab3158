//! `write`: a file is visible, and complete, when its writer is closed, and not before.

use bytes::Bytes;
use futures::{AsyncWriteExt, SinkExt};
use opendal::{Buffer, EntryMode, ErrorKind};
use proptest::{collection::vec, prop_oneof};

use crate::{
    CaseResult, TestContext, allow_error, cases,
    data::{bytes, children, content, exists, for_all, mode},
    expect_error, fail,
};

cases! {
    /// Writes a new file. It has these bytes and is listed.
    a_file_is_created_with_its_bytes;
    /// Overwrites a file with fewer and more bytes. It has exactly the new ones, and is listed once.
    a_file_is_replaced_whole;
    /// Writes an empty file, and overwrites a file with nothing. Both are empty.
    an_empty_file_is_created: write_can_empty;
    /// Closes a writer to which nothing was written. An empty file exists.
    a_writer_closed_without_bytes_makes_an_empty_file: write_can_empty, write_can_multi;
    /// Writes a file. The result has its kind and size, and, if any, the etag that `stat` returns.
    a_write_returns_its_metadata;
    /// Writes a file into folders that do not exist. They are created.
    missing_folders_of_a_destination_are_created;
    /// Writes a file into a missing folder of a folder that has files. The files stay.
    a_folder_with_content_stays_as_it_is_when_written_below;
    /// Writes random bytes in pieces of random lengths, also empty ones. The file has all bytes in
    /// order.
    any_split_of_a_write_gives_the_same_bytes: write_can_multi;
    /// Writes a buffer of a hundred pieces. The file has all bytes in order.
    pieces_of_one_buffer_arrive_in_order;
    /// Writes in chunks, one at a time and several concurrently. The file has all bytes in order.
    chunks_of_the_operator_give_the_same_bytes: write_can_multi;
    /// Writes through a `Sink` and through an `AsyncWrite`. Both files have all bytes.
    a_sink_and_an_async_writer_give_the_same_bytes: write_can_multi;
    /// Writes files of unknown length around and above 8 MiB. Each has all bytes.
    a_file_larger_than_the_memory_buffer_is_written: write_can_multi;
    /// Writes several pieces. The file exists only after the writer is closed.
    nothing_is_seen_before_the_writer_is_closed: write_can_multi;
    /// Aborts a write to a missing path. The file does not exist, not even after an attempt to close
    /// the writer, which fails.
    an_aborted_write_leaves_nothing: write_can_multi;
    /// Aborts a write to an existing file. It keeps its bytes.
    an_aborted_write_leaves_the_old_bytes: write_can_multi;
    /// Drops a writer of a missing path. The file does not exist, now and after another write.
    a_writer_dropped_without_close_leaves_nothing: write_can_multi;
    /// Drops a writer of an existing file. It keeps its bytes.
    a_writer_dropped_without_close_leaves_the_old_bytes: write_can_multi;
    /// Writes to a missing path with `if_not_exists`. The file is created.
    if_not_exists_creates_a_missing_file: write_with_if_not_exists;
    /// Writes to an existing file with `if_not_exists`. The result is a permanent `ConditionNotMatch`,
    /// and the file keeps its bytes.
    if_not_exists_keeps_an_existing_file: write_with_if_not_exists;
    /// Writes a file to the path of a folder, empty and with items. It fails, and the folder stays.
    a_folder_is_not_replaced_by_a_file: create_dir;
    /// Writes a file to the path of a folder. The result is a permanent `IsADirectory`.
    a_conflict_with_a_folder_has_the_exact_kind: create_dir;
    /// Writes to a path with a slash at its end. The result is `IsADirectory`, and nothing is created.
    a_path_with_a_slash_at_its_end_is_refused;
    /// Writes to paths below a file. It fails, and the file is unchanged.
    nothing_is_created_below_a_file;
    /// Writes to paths below a file. The result is a permanent `NotADirectory`.
    a_conflict_with_a_file_has_the_exact_kind;
    /// Appends pieces to a file. It has all bytes in order.
    an_appended_file_grows: write_can_append;
}

async fn a_file_is_created_with_its_bytes(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    assert_eq!(children(&test.op, "/").await?, ["file"]);
    Ok(())
}

async fn a_file_is_replaced_whole(test: &TestContext) -> CaseResult {
    for (seed, len) in [(1, 1000), (2, 10), (3, 3000)] {
        test.op.write("file", bytes(seed, len)).await?;
        assert_eq!(content(&test.op, "file").await?, bytes(seed, len));
    }
    assert_eq!(children(&test.op, "/").await?, ["file"]);
    Ok(())
}

async fn an_empty_file_is_created(test: &TestContext) -> CaseResult {
    test.op.write("empty", "").await?;
    assert_eq!(content(&test.op, "empty").await?, b"");
    test.op.write("full", bytes(1, 1000)).await?;
    test.op.write("full", "").await?;
    assert_eq!(content(&test.op, "full").await?, b"");
    Ok(())
}

async fn a_writer_closed_without_bytes_makes_an_empty_file(test: &TestContext) -> CaseResult {
    let mut writer = test.op.writer("empty").await?;
    assert_eq!(writer.close().await?.content_length(), 0);
    assert_eq!(content(&test.op, "empty").await?, b"");
    Ok(())
}

async fn a_write_returns_its_metadata(test: &TestContext) -> CaseResult {
    let metadata = test.op.write("file", bytes(1, 1234)).await?;
    assert_eq!((metadata.mode(), metadata.content_length()), (EntryMode::FILE, 1234));
    if let Some(etag) = metadata.etag() {
        assert_eq!(test.op.stat("file").await?.etag(), Some(etag));
    }
    Ok(())
}

async fn missing_folders_of_a_destination_are_created(test: &TestContext) -> CaseResult {
    test.op.write("a/b/c/file", bytes(1, 10)).await?;
    assert_eq!(content(&test.op, "a/b/c/file").await?, bytes(1, 10));
    assert_eq!(children(&test.op, "a/").await?, ["a/b/"]);
    Ok(())
}

async fn a_folder_with_content_stays_as_it_is_when_written_below(test: &TestContext) -> CaseResult {
    test.op.write("a/one", bytes(1, 10)).await?;
    test.op.write("a/two", bytes(2, 10)).await?;
    test.op.write("a/b/three", bytes(3, 10)).await?;
    assert_eq!(children(&test.op, "a/").await?, ["a/b/", "a/one", "a/two"]);
    assert_eq!(content(&test.op, "a/one").await?, bytes(1, 10));
    Ok(())
}

async fn any_split_of_a_write_gives_the_same_bytes(test: &TestContext) -> CaseResult {
    let piece = prop_oneof![3 => 0..100_usize, 2 => 0..70_000_usize, 1 => 0..600_000_usize];
    for_all(10, vec(piece, 0..12), async |pieces| {
        let total = pieces.iter().sum();
        let written = bytes(total as u64, total);
        let mut writer = test.op.writer("file").await?;
        let mut at = 0;
        for len in &pieces {
            writer.write(written[at..at + len].to_vec()).await?;
            at += len;
        }
        assert_eq!(writer.close().await?.content_length(), total as u64);
        assert!(content(&test.op, "file").await? == written, "other bytes");
        Ok(())
    })
}

async fn pieces_of_one_buffer_arrive_in_order(test: &TestContext) -> CaseResult {
    let written = bytes(1, 10_000);
    let pieces = (1..=100).scan(0, |at, len| {
        let piece = written[*at..(*at + len).min(10_000)].to_vec();
        *at += piece.len();
        Some(Bytes::from(piece))
    });
    test.op.write("file", pieces.collect::<Buffer>()).await?;
    assert!(content(&test.op, "file").await? == written[..5050], "other bytes");
    Ok(())
}

async fn chunks_of_the_operator_give_the_same_bytes(test: &TestContext) -> CaseResult {
    let written = bytes(1, 1_000_003);
    for concurrent in [1, 4] {
        let writing = test.op.write_with("file", written.clone());
        let metadata = writing.chunk(64 << 10).concurrent(concurrent).await?;
        assert_eq!(metadata.content_length(), written.len() as u64);
        assert!(content(&test.op, "file").await? == written, "{concurrent} at a time");
    }
    Ok(())
}

async fn a_sink_and_an_async_writer_give_the_same_bytes(test: &TestContext) -> CaseResult {
    let written = bytes(1, 300_000);
    let mut sink = test.op.writer("sink").await?.into_sink();
    let mut writer = test.op.writer("writer").await?.into_futures_async_write();
    for piece in written.chunks(7_777) {
        sink.send(Buffer::from(piece.to_vec())).await?;
        if let Err(error) = writer.write_all(piece).await {
            return fail(error);
        }
    }
    sink.close().await?;
    if let Err(error) = writer.close().await {
        return fail(error);
    }
    for path in ["sink", "writer"] {
        assert!(content(&test.op, path).await? == written, "other bytes: {path}");
    }
    Ok(())
}

async fn a_file_larger_than_the_memory_buffer_is_written(test: &TestContext) -> CaseResult {
    // Beyond 8 MiB, drives spool bytes of unknown total length to a file.
    for len in [(8 << 20) - 1, 8 << 20, (8 << 20) + 1, (9 << 20) + 4321] {
        let written = bytes(len as u64, len);
        let mut writer = test.op.writer("file").await?;
        for piece in written.chunks(1 << 20) {
            writer.write(piece.to_vec()).await?;
        }
        assert_eq!(writer.close().await?.content_length(), len as u64);
        assert!(content(&test.op, "file").await? == written, "other bytes: {len}");
    }
    Ok(())
}

async fn nothing_is_seen_before_the_writer_is_closed(test: &TestContext) -> CaseResult {
    let mut writer = test.op.writer("file").await?;
    for seed in 0..4 {
        writer.write(bytes(seed, 100_000)).await?;
    }
    assert!(!exists(&test.op, "file").await?, "an incomplete file is visible");
    writer.close().await?;
    assert_eq!(test.op.stat("file").await?.content_length(), 400_000);
    Ok(())
}

async fn an_aborted_write_leaves_nothing(test: &TestContext) -> CaseResult {
    for len in [1, 100_000, 9 << 20] {
        let mut writer = test.op.writer("file").await?;
        writer.write(bytes(1, len)).await?;
        writer.write(bytes(2, len)).await?;
        writer.abort().await?;
        assert!(!exists(&test.op, "file").await?, "{len} bytes, twice");
        expect_error(writer.close().await, &[ErrorKind::Unexpected])?;
        assert!(!exists(&test.op, "file").await?, "closed after it was aborted");
    }
    Ok(())
}

async fn an_aborted_write_leaves_the_old_bytes(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    let mut writer = test.op.writer("file").await?;
    writer.write(bytes(2, 100_000)).await?;
    writer.write(bytes(3, 100_000)).await?;
    writer.abort().await?;
    assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    Ok(())
}

async fn a_writer_dropped_without_close_leaves_nothing(test: &TestContext) -> CaseResult {
    let mut writer = test.op.writer("file").await?;
    writer.write(bytes(1, 100_000)).await?;
    writer.write(bytes(2, 100_000)).await?;
    drop(writer);
    assert!(!exists(&test.op, "file").await?);
    // The file must not appear later either.
    test.op.write("other", bytes(3, 10)).await?;
    assert_eq!(children(&test.op, "/").await?, ["other"]);
    Ok(())
}

async fn a_writer_dropped_without_close_leaves_the_old_bytes(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    let mut writer = test.op.writer("file").await?;
    writer.write(bytes(2, 100_000)).await?;
    drop(writer);
    assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    Ok(())
}

async fn if_not_exists_creates_a_missing_file(test: &TestContext) -> CaseResult {
    test.op.write_with("a/file", bytes(1, 1000)).if_not_exists(true).await?;
    assert_eq!(content(&test.op, "a/file").await?, bytes(1, 1000));
    Ok(())
}

async fn if_not_exists_keeps_an_existing_file(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    let writing = test.op.write_with("file", bytes(2, 500)).if_not_exists(true);
    let error = expect_error(writing.await, &[ErrorKind::ConditionNotMatch])?;
    assert!(!error.is_temporary(), "trying again would not help: {error}");
    assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    Ok(())
}

async fn a_folder_is_not_replaced_by_a_file(test: &TestContext) -> CaseResult {
    test.op.create_dir("empty/").await?;
    test.op.write("full/below", bytes(1, 10)).await?;
    for folder in ["empty", "full"] {
        expect_error(
            test.op.write(folder, bytes(2, 10)).await,
            &[ErrorKind::IsADirectory, ErrorKind::Unexpected],
        )?;
        assert_eq!(mode(&test.op, &format!("{folder}/")).await?, Some(EntryMode::DIR));
    }
    assert_eq!(content(&test.op, "full/below").await?, bytes(1, 10));
    Ok(())
}

async fn a_conflict_with_a_folder_has_the_exact_kind(test: &TestContext) -> CaseResult {
    test.op.create_dir("folder/").await?;
    let error =
        expect_error(test.op.write("folder", bytes(2, 10)).await, &[ErrorKind::IsADirectory])?;
    assert!(!error.is_temporary(), "trying again would not help: {error}");
    Ok(())
}

async fn a_path_with_a_slash_at_its_end_is_refused(test: &TestContext) -> CaseResult {
    expect_error(test.op.write("folder/", bytes(1, 10)).await, &[ErrorKind::IsADirectory])?;
    assert!(!exists(&test.op, "folder").await?);
    Ok(())
}

async fn nothing_is_created_below_a_file(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    for path in ["file/below", "file/below/further"] {
        expect_error(
            test.op.write(path, bytes(2, 10)).await,
            &[ErrorKind::NotADirectory, ErrorKind::AlreadyExists, ErrorKind::Unexpected],
        )?;
        allow_error(test.op.stat(path).await);
    }
    assert_eq!(content(&test.op, "file").await?, bytes(1, 1000));
    assert_eq!(children(&test.op, "/").await?, ["file"]);
    Ok(())
}

async fn a_conflict_with_a_file_has_the_exact_kind(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    for path in ["file/below", "file/below/further"] {
        let refusal = test.op.write(path, bytes(2, 10)).await;
        let error = expect_error(refusal, &[ErrorKind::NotADirectory])?;
        assert!(!error.is_temporary(), "trying again would not help: {error}");
    }
    Ok(())
}

async fn an_appended_file_grows(test: &TestContext) -> CaseResult {
    let written = bytes(1, 3000);
    for piece in written.chunks(1000) {
        test.op.write_with("file", piece.to_vec()).append(true).await?;
    }
    assert_eq!(content(&test.op, "file").await?, written);
    Ok(())
}
