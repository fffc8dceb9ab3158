//! Any sequence of operations leaves what a simple model of a tree says.
//!
//! The single promises are tested one by one elsewhere; here they meet in every order, so that
//! what a service remembers from one operation cannot spoil another.

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
    any_sequence_of_operations_leaves_what_the_model_says: create_dir, delete_with_recursive;
    any_sequence_that_renames_leaves_what_the_model_says: create_dir, delete_with_recursive, rename;
}

/// Few names, so that paths meet.
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Write(String, u64),
    CreateDir(String),
    Delete(String),
    DeleteFolder(String),
    DeleteTree(String),
    Rename(String, String),
    Copy(String, String),
    // What only looks may still make a service remember something.
    Stat(String),
    Read(String),
    List(String),
    Tree(String),
}

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

/// A tree as the simplest of drives would have it.
#[derive(Clone, Debug, Default)]
struct Model {
    /// `None`: a folder.
    items: BTreeMap<String, Option<u64>>,
}

/// What a step must do.
#[derive(Debug, PartialEq)]
enum Expected {
    Done,
    Refused,
    /// Services differ here, and have cases of their own: not tried.
    Contested,
}

use Expected::{Contested, Done, Refused};

impl Model {
    fn is_file(&self, path: &str) -> bool {
        matches!(self.items.get(path), Some(Some(_)))
    }

    fn is_folder(&self, path: &str) -> bool {
        matches!(self.items.get(path), Some(None))
    }

    fn below(&self, path: &str) -> Vec<String> {
        let folder = format!("{path}/");
        self.items.keys().filter(|item| item.starts_with(&folder)).cloned().collect()
    }

    /// The folders a path is in, the outermost first.
    fn above(path: &str) -> impl Iterator<Item = &str> {
        path.match_indices('/').map(|(at, _)| &path[..at])
    }

    fn below_a_file(&self, path: &str) -> bool {
        Self::above(path).any(|folder| self.is_file(folder))
    }

    fn put(&mut self, path: &str, item: Option<u64>) {
        for folder in Self::above(path) {
            self.items.insert(folder.to_owned(), None);
        }
        self.items.insert(path.to_owned(), item);
    }

    fn remove(&mut self, path: &str) {
        for gone in self.below(path) {
            self.items.remove(&gone);
        }
        self.items.remove(path);
    }

    /// Does a step and says how it must end.
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
            Step::Delete(path) if self.below_a_file(path) || self.is_folder(path) => Contested,
            Step::DeleteFolder(path) if self.below_a_file(path) || self.is_file(path) => Contested,
            Step::DeleteFolder(path) if !self.below(path).is_empty() => Refused,
            Step::DeleteTree(path) if self.below_a_file(path) => Contested,
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
                Some(None) => Contested,
                None => Refused,
            },
            Step::Stat(_) | Step::Read(_) | Step::List(_) | Step::Tree(_) => Done,
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Expected {
        let Some(item) = self.items.get(from).copied() else { return Refused };
        if to.starts_with(&format!("{from}/")) || (item.is_none() && self.is_folder(to)) {
            return Contested;
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

    /// The paths below a folder as a listing shows them.
    fn shown(&self, folder: &str, recursive: bool) -> Vec<String> {
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

fn seeded(seed: u64) -> Vec<u8> {
    bytes(seed, 10 * seed as usize)
}

/// Does a step with the service: whether it said that it was done.
async fn done(op: &Operator, model: &Model, step: &Step) -> CaseResult<bool> {
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
            // A service may say more exactly that there is a file on the way.
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
            assert_eq!(children(op, &folder).await?, model.shown(&folder, false), "list {path}");
            true
        }
        Step::Tree(path) if model.is_folder(path) => {
            let folder = folder(path);
            assert_eq!(tree(op, &folder).await?, model.shown(&folder, true), "tree {path}");
            true
        }
        Step::List(_) | Step::Tree(_) => true,
    };
    Ok(done)
}

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
            if expected == Contested {
                continue;
            }
            let done = done(&test.op, &before, step).await?;
            if done != (expected == Done) {
                return fail(format!("{step:?}: expected {expected:?}, done: {done}"));
            }
        }
        // Both who did it and who comes afterwards see the same.
        let seen = if capability.shared { test.client(&[])? } else { test.op.clone() };
        for op in [&test.op, &seen] {
            assert_eq!(tree(op, "/").await?, model.shown("", true));
            for (path, item) in &model.items {
                if let Some(seed) = item {
                    assert_eq!(content(op, path).await?, seeded(*seed), "{path}");
                }
            }
        }
        Ok(())
    })
}

async fn any_sequence_of_operations_leaves_what_the_model_says(test: &TestContext) -> CaseResult {
    any_sequence(test, false).await
}

async fn any_sequence_that_renames_leaves_what_the_model_says(test: &TestContext) -> CaseResult {
    any_sequence(test, true).await
}
