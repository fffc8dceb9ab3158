//! `read`: the bytes of a file, whole and in parts.

use std::{io::SeekFrom, ops::Bound};

use futures::{AsyncReadExt, AsyncSeekExt, TryStreamExt, future::try_join_all};
use opendal::{BytesRange, ErrorKind};

use crate::{
    CaseResult, TestContext, cases,
    data::{bytes, content, for_all},
    expect_error,
};

cases! {
    /// Reads a file. The bytes are those that were written.
    a_file_gives_back_its_bytes;
    /// Reads an empty file. The result is empty.
    an_empty_file_gives_no_bytes: write_can_empty;
    /// Reads a file of 3 MiB and some bytes. The bytes are those that were written.
    a_file_of_several_mebibytes_gives_back_its_bytes;
    /// Reads by each form of a range: with and without a start or an end, inclusive, exclusive and
    /// empty. Each result has exactly those bytes.
    every_form_of_a_range_gives_its_bytes;
    /// Reads the last bytes, also more than the file has. The result has at most the whole file.
    the_last_bytes_are_all_of_a_shorter_file: read_with_suffix;
    /// Reads ranges that end after the file does. The result is `RangeNotSatisfied`.
    a_range_that_ends_past_the_end_fails;
    /// Reads ranges that start at the file's end or later. The result is `RangeNotSatisfied`, or empty
    /// if the range has no end.
    a_range_that_starts_past_the_end_gives_no_bytes;
    /// Reads ranges of an empty file. A range with bytes is a `RangeNotSatisfied`; the others are
    /// empty.
    ranges_of_an_empty_file_give_no_bytes: write_can_empty;
    /// Reads random ranges. Each result has exactly those bytes.
    any_range_gives_that_slice;
    /// Reads several ranges by one reader, backwards and repeatedly. Each result has exactly those
    /// bytes.
    a_reader_reads_ranges_in_any_order;
    /// Reads a file in chunks, one at a time and several concurrently. The bytes arrive in order.
    a_reader_in_chunks_gives_the_bytes_in_order;
    /// Fetches several ranges by one call, unsorted and overlapping. The results have the requested
    /// order.
    ranges_fetched_together_are_in_the_requested_order;
    /// Seeks from the start, the end and the current position. Each read begins there.
    a_seeking_reader_gives_the_bytes_where_it_is;
    /// Drops streams after their first piece. A later read is complete.
    a_stream_that_is_dropped_half_way_harms_nothing;
    /// Reads one file by many concurrent calls. All results are complete.
    many_readers_of_a_file_all_get_it;
    /// Reads missing paths, whole and by range. The results are `NotFound` and name the path.
    a_missing_item_is_not_found;
    /// Reads the path of a folder. The result is `IsADirectory`.
    a_folder_has_no_bytes: create_dir;
    /// Overwrites a file with more, fewer and equally many bytes. Each read returns the new ones.
    an_overwritten_file_gives_its_new_bytes;
}

async fn a_file_gives_back_its_bytes(test: &TestContext) -> CaseResult {
    let written = bytes(1, 1000);
    test.op.write("file", written.clone()).await?;
    assert_eq!(content(&test.op, "file").await?, written);
    Ok(())
}

async fn an_empty_file_gives_no_bytes(test: &TestContext) -> CaseResult {
    test.op.write("empty", "").await?;
    assert_eq!(content(&test.op, "empty").await?, b"");
    Ok(())
}

async fn a_file_of_several_mebibytes_gives_back_its_bytes(test: &TestContext) -> CaseResult {
    let written = bytes(1, (3 << 20) + 17);
    test.op.write("file", written.clone()).await?;
    // `assert_eq` would print all bytes.
    assert!(content(&test.op, "file").await? == written, "other bytes");
    Ok(())
}

async fn every_form_of_a_range_gives_its_bytes(test: &TestContext) -> CaseResult {
    let written = bytes(1, 1000);
    test.op.write("file", written.clone()).await?;
    let forms: [(BytesRange, &[u8]); 12] = [
        ((..).into(), &written),
        ((0..1000).into(), &written),
        ((0..=999).into(), &written),
        ((0..).into(), &written),
        ((0..1).into(), &written[..1]),
        ((..500).into(), &written[..500]),
        ((..=500).into(), &written[..=500]),
        ((1..999).into(), &written[1..999]),
        ((999..1000).into(), &written[999..]),
        ((500..).into(), &written[500..]),
        ((999..).into(), &written[999..]),
        ((Bound::Excluded(9), Bound::Included(20)).into(), &written[10..=20]),
    ];
    for (range, slice) in forms {
        let read = test.op.read_with("file").range(range).await?.to_vec();
        assert_eq!(read, slice, "{range:?}");
    }
    let none = test.op.read_with("file").range(7..7).await?;
    assert!(none.is_empty(), "7..7 gave {} bytes", none.len());
    Ok(())
}

async fn the_last_bytes_are_all_of_a_shorter_file(test: &TestContext) -> CaseResult {
    let written = bytes(1, 1000);
    test.op.write("file", written.clone()).await?;
    for len in [1, 500, 999, 1000, 1001, 5000] {
        let read = test.op.read_with("file").range(BytesRange::suffix(len)).await?.to_vec();
        assert_eq!(read, written[1000_usize.saturating_sub(len as usize)..], "the last {len}");
    }
    Ok(())
}

async fn a_range_that_ends_past_the_end_fails(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    for range in [990..1010, 0..1001, 999..u64::MAX / 2] {
        // A caller would take a short result for the complete range.
        expect_error(
            test.op.read_with("file").range(range).await,
            &[ErrorKind::RangeNotSatisfied],
        )?;
    }
    Ok(())
}

async fn a_range_that_starts_past_the_end_gives_no_bytes(test: &TestContext) -> CaseResult {
    test.op.write("file", bytes(1, 1000)).await?;
    for range in [1000..1001, 5000..5010] {
        expect_error(
            test.op.read_with("file").range(range).await,
            &[ErrorKind::RangeNotSatisfied],
        )?;
    }
    for range in [1000.., 5000..] {
        match test.op.read_with("file").range(range.clone()).await {
            Ok(read) => assert!(read.is_empty(), "{range:?} gave {} bytes", read.len()),
            refusal => drop(expect_error(refusal, &[ErrorKind::RangeNotSatisfied])?),
        }
    }
    Ok(())
}

async fn ranges_of_an_empty_file_give_no_bytes(test: &TestContext) -> CaseResult {
    test.op.write("empty", "").await?;
    assert!(test.op.read_with("empty").range(0..).await?.is_empty());
    assert!(test.op.read_with("empty").range(0..0).await?.is_empty());
    expect_error(test.op.read_with("empty").range(0..1).await, &[ErrorKind::RangeNotSatisfied])?;
    if test.op.info().capability().read_with_suffix {
        assert!(test.op.read_with("empty").range(BytesRange::suffix(5)).await?.is_empty());
    }
    Ok(())
}

async fn any_range_gives_that_slice(test: &TestContext) -> CaseResult {
    const LEN: usize = 100_000;
    let written = bytes(1, LEN);
    test.op.write("file", written.clone()).await?;
    for_all(32, (0..LEN, 0..LEN), async |(one, other)| {
        let (start, end) = (one.min(other), one.max(other));
        let read = test.op.read_with("file").range(start as u64..end as u64).await?;
        assert!(read.to_vec() == written[start..end], "other bytes");
        Ok(())
    })
}

async fn a_reader_reads_ranges_in_any_order(test: &TestContext) -> CaseResult {
    let written = bytes(1, 10_000);
    test.op.write("file", written.clone()).await?;
    let reader = test.op.reader("file").await?;
    for (start, end) in [(9_000, 10_000), (0, 10), (5_000, 5_001), (0, 10_000), (9_999, 10_000)] {
        let read = reader.read(start as u64..end as u64).await?.to_vec();
        assert_eq!(read, written[start..end], "{start}..{end}");
    }
    Ok(())
}

async fn a_reader_in_chunks_gives_the_bytes_in_order(test: &TestContext) -> CaseResult {
    let written = bytes(1, 300_001);
    test.op.write("file", written.clone()).await?;
    for concurrent in [1, 4] {
        let reader = test.op.reader_with("file").chunk(64 << 10).concurrent(concurrent).await?;
        let mut stream = reader.into_bytes_stream(1..).await?;
        let mut read = Vec::new();
        while let Some(piece) = stream.try_next().await.map_err(opendal_error)? {
            read.extend_from_slice(&piece);
        }
        assert!(read == written[1..], "other bytes, {concurrent} at a time");
    }
    Ok(())
}

async fn ranges_fetched_together_are_in_the_requested_order(test: &TestContext) -> CaseResult {
    let written = bytes(1, 100_000);
    test.op.write("file", written.clone()).await?;
    let ranges = vec![90_000..90_010, 0..7, 50_000..50_000, 3..20, 99_999..100_000];
    let reader = test.op.reader_with("file").gap(100).concurrent(3).await?;
    let fetched = reader.fetch(ranges.clone()).await?;
    for (range, read) in ranges.into_iter().zip(fetched) {
        let (start, end) = (range.start as usize, range.end as usize);
        assert_eq!(read.to_vec(), written[start..end], "{range:?}");
    }
    Ok(())
}

async fn a_seeking_reader_gives_the_bytes_where_it_is(test: &TestContext) -> CaseResult {
    let written = bytes(1, 10_000);
    test.op.write("file", written.clone()).await?;
    let mut reader = test.op.reader("file").await?.into_futures_async_read(..).await?;
    let mut piece = [0; 100];
    for (seek, at) in [
        (SeekFrom::Start(5_000), 5_000),
        (SeekFrom::Current(400), 5_500),
        (SeekFrom::End(-100), 9_900),
        (SeekFrom::Start(0), 0),
    ] {
        reader.seek(seek).await.map_err(opendal_error)?;
        reader.read_exact(&mut piece).await.map_err(opendal_error)?;
        assert_eq!(piece, written[at..at + 100], "{seek:?}");
    }
    Ok(())
}

async fn a_stream_that_is_dropped_half_way_harms_nothing(test: &TestContext) -> CaseResult {
    let written = bytes(1, 2 << 20);
    test.op.write("file", written.clone()).await?;
    for _ in 0..5 {
        let mut stream = test.op.reader("file").await?.into_stream(..).await?;
        let first = stream.try_next().await?.unwrap_or_default();
        assert!(first.to_vec() == written[..first.len()], "other bytes");
    }
    assert!(content(&test.op, "file").await? == written, "other bytes");
    Ok(())
}

async fn many_readers_of_a_file_all_get_it(test: &TestContext) -> CaseResult {
    let written = bytes(1, 50_000);
    test.op.write("file", written.clone()).await?;
    let read = try_join_all((0..16).map(|_| content(&test.op, "file"))).await?;
    assert!(read.iter().all(|read| *read == written), "other bytes");
    Ok(())
}

async fn a_missing_item_is_not_found(test: &TestContext) -> CaseResult {
    for path in ["missing", "missing/below"] {
        let error = expect_error(test.op.read(path).await, &[ErrorKind::NotFound])?;
        assert!(error.to_string().contains(path), "does not name the path {path}: {error}");
        expect_error(test.op.read_with(path).range(5..10).await, &[ErrorKind::NotFound])?;
    }
    Ok(())
}

async fn a_folder_has_no_bytes(test: &TestContext) -> CaseResult {
    test.op.create_dir("folder/").await?;
    expect_error(test.op.read("folder/").await, &[ErrorKind::IsADirectory])?;
    expect_error(test.op.read("folder").await, &[ErrorKind::IsADirectory])?;
    Ok(())
}

async fn an_overwritten_file_gives_its_new_bytes(test: &TestContext) -> CaseResult {
    for (seed, len) in [(1, 1000), (2, 10), (3, 5000), (4, 5000)] {
        let written = bytes(seed, len);
        test.op.write("file", written.clone()).await?;
        assert_eq!(content(&test.op, "file").await?, written);
    }
    Ok(())
}

/// Wraps an I/O error as an OpenDAL error.
fn opendal_error(error: std::io::Error) -> opendal::Error {
    opendal::Error::new(ErrorKind::Unexpected, error.to_string()).set_source(error)
}
