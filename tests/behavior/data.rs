//! Bytes to write, and what is there afterwards.

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

use crate::harness::{Outcome, Stop, caught};

/// Bytes without a pattern, the same for the same seed.
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

/// Another number every time.
pub fn random() -> u64 {
    RandomState::new().hash_one(())
}

/// What a file holds.
pub async fn content(op: &Operator, path: &str) -> Outcome<Vec<u8>> {
    Ok(op.read(path).await?.to_vec())
}

/// The paths directly below a folder, or that begin with a prefix, sorted, without the folder itself.
pub async fn children(op: &Operator, folder: &str) -> Outcome<Vec<String>> {
    let entries = op.list(folder).await?;
    Ok(sorted(entries.into_iter().map(|entry| entry.path().to_owned()), folder))
}

/// Every path below a folder or a prefix, sorted, without the folder itself.
pub async fn tree(op: &Operator, folder: &str) -> Outcome<Vec<String>> {
    let entries = op.list_with(folder).recursive(true).await?;
    Ok(sorted(entries.into_iter().map(|entry| entry.path().to_owned()), folder))
}

fn sorted(paths: impl Iterator<Item = String>, folder: &str) -> Vec<String> {
    let folder = if folder.ends_with('/') { folder } else { "/" };
    let mut paths: Vec<_> = paths.filter(|path| path != folder && path != "/").collect();
    paths.sort();
    paths
}

/// Whether a path is a file, a folder, or nothing.
pub async fn mode(op: &Operator, path: &str) -> Outcome<Option<EntryMode>> {
    match op.stat(path).await {
        Ok(metadata) => Ok(Some(metadata.mode())),
        Err(error) if error.kind() == opendal::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether there is something at a path.
pub async fn exists(op: &Operator, path: &str) -> Outcome<bool> {
    Ok(mode(op, path).await?.is_some())
}

/// An operator that tries again, soon, more often than a case plans troubles.
pub fn retrying(op: &Operator) -> Operator {
    op.clone().layer(RetryLayer::new().with_min_delay(Duration::from_millis(1)).with_max_times(8))
}

/// Tries a law on values of a strategy, and on simpler ones if it is broken.
pub fn for_all<S: Strategy>(
    cases: u32,
    strategy: S,
    law: impl AsyncFn(S::Value) -> Outcome,
) -> Outcome {
    let config =
        Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new(config).run(&strategy, |value| {
        block_in_place(|| Handle::current().block_on(caught(law(value))))
            .map_err(|stop| TestCaseError::fail(stop.to_string()))
    });
    tried.map_err(|error| match error {
        TestError::Fail(why, value) => Stop::Failed(format!("{why}\nwith {value:?}")),
        TestError::Abort(why) => Stop::Failed(why.to_string()),
    })
}
