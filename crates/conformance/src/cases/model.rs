//! Random sequences of operations have the results that a simple model of a tree predicts.
//!
//! Single promises are tested elsewhere. Here they are combined in every order, so that a service's
//! state after one operation cannot spoil the next.

use std::collections::BTreeMap;

use opendal::{EntryMode, Operator};
use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    prop_oneof,
    sample::select,
};

use crate::{
    CaseResult, TestContext, allow_error, cases,
    data::{bytes, children, content, for_all, mode, tree},
    fail,
};

cases! {
    /// Applies random sequences without copies and renames. See `any_sequence`.
    any_sequence_of_operations_matches_the_model: create_dir, delete_with_recursive;
    /// Applies random sequences with copies and renames. See `any_sequence`.
    any_sequence_with_renames_matches_the_model: create_dir, delete_with_recursive, rename;
}

/// Few names, so that paths collide.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// One operation of a sequence, with its path or paths. The paths have no slash at the end; the
/// operations on folders add it.
#[derive(Clone, Debug)]
enum Step {
    Write(String, u64),
    CreateDir(String),
    Delete(String),
    DeleteFolder(String),
    DeleteTree(String),
    Rename(String, String),
    Copy(String, String),
    // Reads may fill caches of the service.
    Stat(String),
    Read(String),
    List(String),
    Tree(String),
}

/// Generates sequences of 1 to 39 steps. `renames`: whether copies and renames are among them.
fn steps(renames: bool) -> impl Strategy<Value = Vec<Step>> {
    let path = || vec(select(&NAMES[..]), 1..4).prop_map(|names| names.join("/"));
    let changes = prop_oneof![
        4 => (path(), 1..50_u64).prop_map(|(path, seed)| Step::Write(path, seed)),
        2 => path().prop_map(Step::CreateDir),
        2 => path().prop_map(Step::Delete),
        1 => path().prop_map(Step::DeleteFolder),
        1 => path().prop_map(Step::DeleteTree),
    ];
    let moves = (path(), path(), any::<bool>()).prop_map(|(from, to, copies)| match copies {
        true => Step::Copy(from, to),
        false => Step::Rename(from, to),
    });
    let looks = prop_oneof![
        path().prop_map(Step::Stat),
        path().prop_map(Step::Read),
        path().prop_map(Step::List),
        path().prop_map(Step::Tree),
    ];
    vec(prop_oneof![4 => changes, (if renames { 3 } else { 0 }) => moves, 2 => looks], 1..40)
}

/// A tree, as the simplest drive would implement it.
#[derive(Clone, Debug, Default)]
struct Model {
    /// The items by their path, which has no slash at its end, also for a folder: the seed of a
    /// file's bytes, `None` for a folder.
    items: BTreeMap<String, Option<u64>>,
}

/// Required result of a step.
#[derive(Debug, PartialEq)]
enum Expected {
    /// The step must succeed.
    Done,
    /// The step must fail.
    Refused,
    /// Services differ here and have separate cases: the step is skipped.
    Skipped,
}

use Expected::{Done, Refused, Skipped};

impl Model {
    /// Returns whether a file has this path (no slash at its end).
    fn is_file(&self, path: &str) -> bool {
        matches!(self.items.get(path), Some(Some(_)))
    }

    /// Returns whether a folder has this path (no slash at its end). `false` for the root.
    fn is_folder(&self, path: &str) -> bool {
        matches!(self.items.get(path), Some(None))
    }

    /// Returns the paths of everything below the folder `path`, which has no slash at its end.
    fn below(&self, path: &str) -> Vec<String> {
        let folder = format!("{path}/");
        self.items.keys().filter(|item| item.starts_with(&folder)).cloned().collect()
    }

    /// Returns the folders above a path, the outermost first, without the root and without slashes
    /// at their ends.
    fn parents(path: &str) -> impl Iterator<Item = &str> {
        path.match_indices('/').map(|(at, _)| &path[..at])
    }

    /// Returns whether a file is at one of the paths above this one. A file at the path itself does
    /// not count.
    fn below_a_file(&self, path: &str) -> bool {
        Self::parents(path).any(|folder| self.is_file(folder))
    }

    /// Creates or replaces the item at this path (no slash at its end), and creates its missing
    /// folders. No file may be above it. `item` is the seed of a file's bytes, or `None` for a
    /// folder.
    fn put(&mut self, path: &str, item: Option<u64>) {
        for folder in Self::parents(path) {
            self.items.insert(folder.to_owned(), None);
        }
        self.items.insert(path.to_owned(), item);
    }

    /// Removes the item at this path, with everything below it. The path has no slash at its end,
    /// also for a folder. Does nothing if the item does not exist.
    fn remove(&mut self, path: &str) {
        for gone in self.below(path) {
            self.items.remove(&gone);
        }
        self.items.remove(path);
    }

    /// Applies a step and returns its required result. The tree does not change if that is
    /// `Refused` or `Skipped`.
    fn step(&mut self, step: &Step) -> Expected {
        match step {
            Step::Write(path, _) if self.below_a_file(path) || self.is_folder(path) => Refused,
            Step::Write(path, seed) => {
                self.put(path, Some(*seed));
                Done
            }
            Step::CreateDir(path) if self.below_a_file(path) || self.is_file(path) => Refused,
            Step::CreateDir(path) => {
                self.put(path, None);
                Done
            }
            Step::Delete(path) if self.below_a_file(path) || self.is_folder(path) => Skipped,
            Step::DeleteFolder(path) if self.below_a_file(path) || self.is_file(path) => Skipped,
            Step::DeleteFolder(path) if !self.below(path).is_empty() => Refused,
            Step::DeleteTree(path) if self.below_a_file(path) => Skipped,
            Step::Delete(path) | Step::DeleteFolder(path) | Step::DeleteTree(path) => {
                self.remove(path);
                Done
            }
            Step::Rename(from, to) => self.rename(from, to),
            Step::Copy(from, to) => match self.items.get(from) {
                Some(Some(_)) if from == to || self.below_a_file(to) || self.is_folder(to) => {
                    Refused
                }
                Some(Some(seed)) => {
                    self.put(to, Some(*seed));
                    Done
                }
                Some(None) => Skipped,
                None => Refused,
            },
            Step::Stat(_) | Step::Read(_) | Step::List(_) | Step::Tree(_) => Done,
        }
    }

    /// Renames the item at `from` to `to`, with everything below it, and returns the required
    /// result of this step. Neither path has a slash at its end.
    fn rename(&mut self, from: &str, to: &str) -> Expected {
        let Some(item) = self.items.get(from).copied() else { return Refused };
        if to.starts_with(&format!("{from}/")) || (item.is_none() && self.is_folder(to)) {
            return Skipped;
        }
        let in_the_way = self.is_folder(to) || (item.is_none() && self.is_file(to));
        if from == to || self.below_a_file(to) || in_the_way {
            return Refused;
        }
        let below: Vec<_> =
            self.below(from).into_iter().map(|path| (path.clone(), self.items[&path])).collect();
        self.remove(from);
        self.put(to, item);
        for (path, item) in below {
            self.items.insert(format!("{to}{}", &path[from.len()..]), item);
        }
        Done
    }

    /// Returns the sorted paths that a listing of a folder must have, without the folder itself.
    /// Those of folders end with a slash. `folder` has a slash at its end, or is empty for the
    /// root.
    fn listing(&self, folder: &str, recursive: bool) -> Vec<String> {
        let mut shown: Vec<_> = self
            .items
            .iter()
            .filter_map(|(path, item)| {
                let name = path.strip_prefix(folder)?;
                let slash = if item.is_none() { "/" } else { "" };
                (recursive || !name.contains('/')).then(|| format!("{path}{slash}"))
            })
            .collect();
        shown.sort();
        shown
    }
}

/// Returns the bytes of a file with this seed. Each seed has another size.
fn seeded(seed: u64) -> Vec<u8> {
    bytes(seed, 10 * seed as usize)
}

/// Applies a step to the service. Returns whether it succeeded; failures of changes are not errors,
/// as the model decides about them.
///
/// # Errors
/// `Failed` if a read, a `stat` or a listing has another result than `model`, which is the state
/// before the step.
async fn apply(op: &Operator, model: &Model, step: &Step) -> CaseResult<bool> {
    let folder = |path: &str| format!("{path}/");
    let done = match step {
        Step::Write(path, seed) => allow_error(op.write(path, seeded(*seed)).await).is_some(),
        Step::CreateDir(path) => allow_error(op.create_dir(&folder(path)).await).is_some(),
        Step::Delete(path) => allow_error(op.delete(path).await).is_some(),
        Step::DeleteFolder(path) => allow_error(op.delete(&folder(path)).await).is_some(),
        Step::DeleteTree(path) => allow_error(op.delete_with(path).recursive(true).await).is_some(),
        Step::Rename(from, to) => allow_error(op.rename(from, to).await).is_some(),
        Step::Copy(from, to) => allow_error(op.copy(from, to).await).is_some(),
        Step::Stat(path) => {
            let expected = match model.items.get(path) {
                Some(Some(_)) => Some(EntryMode::FILE),
                Some(None) => Some(EntryMode::DIR),
                None => None,
            };
            // A service may report more specifically that a parent is a file.
            if !model.below_a_file(path) {
                assert_eq!(mode(op, path).await?, expected, "stat {path}");
            }
            true
        }
        Step::Read(path) => {
            let read = allow_error(op.read(path).await).map(|read| read.to_vec());
            let expected = model.items.get(path).copied().flatten().map(seeded);
            assert_eq!(read, expected, "read {path}");
            true
        }
        Step::List(path) if model.is_folder(path) => {
            let folder = folder(path);
            assert_eq!(children(op, &folder).await?, model.listing(&folder, false), "list {path}");
            true
        }
        Step::Tree(path) if model.is_folder(path) => {
            let folder = folder(path);
            assert_eq!(tree(op, &folder).await?, model.listing(&folder, true), "tree {path}");
            true
        }
        Step::List(_) | Step::Tree(_) => true,
    };
    Ok(done)
}

/// Applies random sequences of steps to the service and to the model, each beginning with an empty
/// place. Both have the same results, and the same items at the end, also for a new client.
///
async fn any_sequence(test: &TestContext, renames: bool) -> CaseResult {
    let capability = test.op.info().capability();
    for_all(16, steps(renames), async |steps| {
        for left in tree(&test.op, "/").await? {
            test.op.delete_with(&left).recursive(true).await?;
        }
        let mut model = Model::default();
        for step in &steps {
            if matches!(step, Step::Copy(..)) && !capability.copy {
                continue;
            }
            let before = model.clone();
            let expected = model.step(step);
            if expected == Skipped {
                continue;
            }
            let done = apply(&test.op, &before, step).await?;
            if done != (expected == Done) {
                return fail(format!("{step:?}: expected {expected:?}, done: {done}"));
            }
        }
        // The client itself and a new client must see the same state.
        let observer = if capability.shared { test.client(&[])? } else { test.op.clone() };
        for op in [&test.op, &observer] {
            assert_eq!(tree(op, "/").await?, model.listing("", true));
            for (path, item) in &model.items {
                if let Some(seed) = item {
                    assert_eq!(content(op, path).await?, seeded(*seed), "{path}");
                }
            }
        }
        Ok(())
    })
}

async fn any_sequence_of_operations_matches_the_model(test: &TestContext) -> CaseResult {
    any_sequence(test, false).await
}

async fn any_sequence_with_renames_matches_the_model(test: &TestContext) -> CaseResult {
    any_sequence(test, true).await
}
