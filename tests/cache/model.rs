//! Two clients of a cloud, one with the cache: no result is older than the maximum age.
//!
//! ```text
//! DRIVEDAL_CACHE_SEQUENCES=200000 cargo test --release --test cache model
//! ```

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use drivedal::layers::cache::Consistency;
use opendal::{ErrorKind, Operator};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::time::Instant;

use crate::{
    cloud::{Cloud, EtagSupport},
    rig_with,
};

const PATHS: &[&str] = &["a", "b", "d/a", "d/b", "d/e/a", "D/a"];
const FOLDERS: &[&str] = &["/", "d/", "d/e/"];
const AGE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
enum Step {
    Stat(usize),
    Read(usize, u64, u64),
    List(usize, bool),
    /// By the client without the cache if the flag is set.
    Write(bool, usize, u8, usize),
    Delete(bool, usize),
    DeleteTree(bool, usize),
    Rename(bool, usize, usize),
    Copy(bool, usize, usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let path = || 0..PATHS.len();
    prop_oneof![
        4 => path().prop_map(Step::Stat),
        6 => (path(), 0..40_u64, 0..40_u64).prop_map(|(path, from, to)| Step::Read(path, from, to)),
        3 => (0..FOLDERS.len(), any::<bool>()).prop_map(|(at, all)| Step::List(at, all)),
        5 => (any::<bool>(), path(), any::<u8>(), 0..40_usize)
            .prop_map(|(other, path, seed, length)| Step::Write(other, path, seed, length)),
        1 => (any::<bool>(), path()).prop_map(|(other, path)| Step::Delete(other, path)),
        1 => (any::<bool>(), 1..FOLDERS.len()).prop_map(|(other, at)| Step::DeleteTree(other, at)),
        1 => (any::<bool>(), path(), path()).prop_map(|(other, a, b)| Step::Rename(other, a, b)),
        1 => (any::<bool>(), path(), path()).prop_map(|(other, a, b)| Step::Copy(other, a, b)),
        2 => (0..8_u64).prop_map(Step::Wait),
    ]
}

type Files = BTreeMap<String, Bytes>;

/// States of the cloud, with their times.
struct History {
    cloud: Cloud,
    was: Vec<(Instant, Files)>,
    /// Paths that the client with the cache has changed, each with the state after it. The client
    /// must show these changes.
    own: Vec<(String, usize)>,
    age: Duration,
}

impl History {
    /// Returns whether a result about a path matches a state that it may be of.
    fn allows(&self, about: &str, is: impl Fn(&Files) -> bool) -> bool {
        let last = self.was.len() - 1;
        if self.age.is_zero() {
            return is(&self.was[last].1);
        }
        let about = about.trim_matches('/');
        let above = |path: &str, other: &str| {
            path.is_empty() || other == path || other.starts_with(&format!("{path}/"))
        };
        let own = self.own.iter().filter(|(own, _)| above(own, about) || above(about, own));
        let first = own.map(|(_, state)| *state).max().unwrap_or_default();
        let now = Instant::now();
        // A state counts if it ended within the maximum age, or has not ended.
        (first..=last).any(|state| {
            let young = state == last || now - self.was[state + 1].0 <= self.age;
            young && is(&self.was[state].1)
        })
    }

    fn changed<const N: usize>(&mut self, by_other: bool, paths: [&str; N]) {
        self.was.push((Instant::now(), self.cloud.snapshot()));
        if !by_other {
            let state = self.was.len() - 1;
            self.own.extend(paths.map(|path| (path.trim_matches('/').to_owned(), state)));
        }
    }
}

fn listing(files: &Files, folder: &str, recursive: bool) -> Vec<(String, u64)> {
    let folder = if folder == "/" { "" } else { folder };
    let mut entries = BTreeMap::new();
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with(folder)) {
        let rest = &path[folder.len()..];
        for (at, _) in rest.match_indices('/') {
            entries.insert(path[..folder.len() + at + 1].to_owned(), 0);
            if !recursive {
                break;
            }
        }
        if recursive || !rest.contains('/') {
            entries.insert(path.clone(), bytes.len() as u64);
        }
    }
    entries.into_iter().collect()
}

fn content(seed: u8, length: usize) -> Bytes {
    crate::bytes(seed, length).into()
}

async fn run(
    etags: EtagSupport,
    consistency: Consistency,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let rig = rig_with(etags, |cache| {
        cache
            .consistency(consistency)
            .negative_max_age(AGE)
            .block_size(8)
            .memory(400)
            .max_entries(12)
    })
    .await;
    let age = if let Consistency::MaxAge(age) = consistency { age } else { Duration::ZERO };
    let mut history = History { cloud: rig.cloud.clone(), was: Vec::new(), own: Vec::new(), age };
    history.changed(true, []);
    for (at, step) in steps.iter().enumerate() {
        let by = |other: bool| -> &Operator { if other { &rig.other } else { &rig.cached } };
        let right = match *step {
            Step::Stat(path) => {
                let path = PATHS[path];
                let looked = match rig.cached.stat(path).await {
                    Ok(metadata) => Some(metadata.content_length()),
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                };
                history
                    .allows(path, |files| files.get(path).map(|bytes| bytes.len() as u64) == looked)
            }
            Step::Read(path, from, to) => {
                let (path, from, to) = (PATHS[path], from.min(to), from.max(to) + 1);
                let read = rig.cached.read_with(path).range(from..to).await;
                let read = read.map(|bytes| bytes.to_vec());
                let part = |files: &Files| {
                    let bytes = files.get(path)?;
                    (to <= bytes.len() as u64).then(|| bytes.slice(from as usize..to as usize))
                };
                match read {
                    Ok(read) => {
                        history.allows(path, |files| part(files).is_some_and(|part| part == read))
                    }
                    Err(error) => match error.kind() {
                        ErrorKind::NotFound => {
                            history.allows(path, |files| !files.contains_key(path))
                        }
                        ErrorKind::RangeNotSatisfied => {
                            history.allows(path, |files| part(files).is_none())
                        }
                        _ => return Err(TestCaseError::fail(error.to_string())),
                    },
                }
            }
            Step::List(folder, recursive) => {
                let folder = FOLDERS[folder];
                let listed = rig.cached.list_with(folder).recursive(recursive).await;
                let listed: Vec<_> = listed
                    .map_err(|error| TestCaseError::fail(error.to_string()))?
                    .iter()
                    .map(|entry| (entry.path().to_owned(), entry.metadata().content_length()))
                    .collect();
                history.allows(folder, |files| listing(files, folder, recursive) == listed)
            }
            Step::Write(other, path, seed, length) => {
                by(other).write(PATHS[path], content(seed, length)).await.unwrap();
                history.changed(other, [PATHS[path]]);
                true
            }
            Step::Delete(other, path) => {
                by(other).delete(PATHS[path]).await.unwrap();
                history.changed(other, [PATHS[path]]);
                true
            }
            Step::DeleteTree(other, folder) => {
                by(other).delete_with(FOLDERS[folder]).recursive(true).await.unwrap();
                history.changed(other, [FOLDERS[folder]]);
                true
            }
            Step::Rename(other, from, to) => {
                // A rename to the same path has no effect; a missing file is an error.
                if from != to {
                    let _ = by(other).rename(PATHS[from], PATHS[to]).await;
                    history.changed(other, [PATHS[from], PATHS[to]]);
                }
                true
            }
            Step::Copy(other, from, to) => {
                if from != to {
                    let _ = by(other).copy(PATHS[from], PATHS[to]).await;
                    history.changed(other, [PATHS[to]]);
                }
                true
            }
            Step::Wait(seconds) => {
                tokio::time::advance(Duration::from_secs(seconds)).await;
                true
            }
        };
        prop_assert!(right, "{consistency:?}: step {at} of {steps:?} had a result that is too old");
    }
    Ok(())
}

/// Number of sequences for each test.
fn sequences() -> u32 {
    let asked = std::env::var("DRIVEDAL_CACHE_SEQUENCES").ok();
    asked.map_or(2_000, |text| text.parse().expect("a number of sequences"))
}

fn holds(etags: EtagSupport, consistency: Consistency) {
    let config = ProptestConfig { cases: sequences(), ..ProptestConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..40), |steps| {
            runtime.block_on(run(etags, consistency, &steps))
        })
        .unwrap();
}

#[test]
fn revalidated_results_are_current() {
    holds(EtagSupport::InReads, Consistency::Revalidate);
}

#[test]
fn revalidated_results_are_current_with_if_match_reads() {
    holds(EtagSupport::IfMatch, Consistency::Revalidate);
}

#[test]
fn stale_if_error_results_are_current_while_the_cloud_is_reachable() {
    holds(EtagSupport::InReads, Consistency::StaleIfError);
}

#[test]
fn results_respect_the_maximum_age() {
    holds(EtagSupport::InReads, Consistency::MaxAge(AGE));
}

#[test]
fn results_respect_the_maximum_age_without_cached_contents() {
    holds(EtagSupport::None, Consistency::MaxAge(AGE));
}
