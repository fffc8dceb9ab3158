//! Test data, and functions that read back the state of a service.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use opendal::{EntryMode, Operator, layers::RetryLayer};
use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};
use tokio::{runtime::Handle, task::block_in_place};

use crate::{CaseError, CaseResult, catch_panic};

/// Returns bytes without a pattern. The same seed gives the same bytes.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    });
    words.flatten().take(len).collect()
}

/// Returns a number that differs on each call.
pub fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// Returns the bytes of the file at a path of the operator, without a slash at its end.
///
/// # Errors
/// `Failed` if it cannot be read, also if it does not exist.
pub async fn content(op: &Operator, path: &str) -> CaseResult<Vec<u8>> {
    Ok(op.read(path).await?.to_vec())
}

/// Returns the sorted paths directly below a folder (`folder` ends with a slash) or with a prefix
/// (without one), without the folder itself. Paths of folders end with a slash. A folder that does
/// not exist is empty.
///
/// # Errors
/// `Failed` if the listing fails.
pub async fn children(op: &Operator, folder: &str) -> CaseResult<Vec<String>> {
    let entries = op.list(folder).await?;
    Ok(sorted(entries.into_iter().map(|entry| entry.path().to_owned()), folder))
}

/// Returns the sorted paths of the tree below a folder (`folder` ends with a slash) or a prefix
/// (without one), without the folder itself. Paths of folders end with a slash. A folder that does
/// not exist is empty.
///
/// # Errors
/// `Failed` if the listing fails.
pub async fn tree(op: &Operator, folder: &str) -> CaseResult<Vec<String>> {
    let entries = op.list_with(folder).recursive(true).await?;
    Ok(sorted(entries.into_iter().map(|entry| entry.path().to_owned()), folder))
}

/// Returns the sorted paths without the listed folder itself. `folder` is the listed path; if it is
/// a prefix, nothing but the root is removed.
fn sorted(paths: impl Iterator<Item = String>, folder: &str) -> Vec<String> {
    let folder = if folder.ends_with('/') { folder } else { "/" };
    let mut paths: Vec<_> = paths.filter(|path| path != folder && path != "/").collect();
    paths.sort();
    paths
}

/// Returns whether a path, as `stat` takes it, is a file or a folder; `None` if `stat` fails with
/// `NotFound`.
///
/// # Errors
/// `Failed` if `stat` fails with another kind.
pub async fn mode(op: &Operator, path: &str) -> CaseResult<Option<EntryMode>> {
    match op.stat(path).await {
        Ok(metadata) => Ok(Some(metadata.mode())),
        Err(error) if error.kind() == opendal::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether a path, as `stat` takes it, exists.
///
/// # Errors
/// `Failed` if `stat` fails with another kind than `NotFound`.
pub async fn exists(op: &Operator, path: &str) -> CaseResult<bool> {
    Ok(mode(op, path).await?.is_some())
}

/// Adds retries with short pauses, more of them than any case plans failures.
pub fn retrying(op: &Operator) -> Operator {
    op.clone().layer(RetryLayer::new().with_min_delay(Duration::from_millis(1)).with_max_times(8))
}

/// Verifies a property for values of a strategy, and shrinks a value that breaks it.
///
/// It blocks: call it in a multi-threaded runtime.
///
/// # Errors
/// The simplest failure that was found, with its value.
pub fn for_all<S: Strategy>(
    cases: u32,
    strategy: S,
    law: impl AsyncFn(S::Value) -> CaseResult,
) -> CaseResult {
    let config =
        Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&strategy, |value| {
        block_in_place(|| Handle::current().block_on(catch_panic(law(value))))
            .map_err(|stop| TestCaseError::fail(stop.to_string()))
    });
    tried.map_err(|error| match error {
        TestError::Fail(why, value) => CaseError::Failed(format!("{why}\nwith {value:?}")),
        TestError::Abort(why) => CaseError::Failed(why.to_string()),
    })
}
