//! Endpoints with an index, which may be outdated.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use drivedal_transfer::{
    DeleteRefusal, Endpoint, EntryType, FailureCause, Plan, SyncOutcome, TreeEntry, TreeIndex,
};
use opendal::Operator;

use super::{Folder, memory, run};

/// An index with entries that the test gives it.
#[derive(Debug, Default)]
struct FakeIndex {
    folders: Mutex<BTreeMap<String, Vec<TreeEntry>>>,
    is_unusable: AtomicBool,
    opened: AtomicU64,
    discarded: AtomicU64,
    closed: Mutex<Vec<bool>>,
}

impl FakeIndex {
    /// Returns an index of a tree: sizes of files by their paths.
    fn with(files: &[(&str, u64)]) -> Arc<Self> {
        let mut folders = BTreeMap::from([(String::new(), Vec::new())]);
        for (path, size) in files {
            let (folder, name) = match path.rsplit_once('/') {
                Some((folder, name)) => (format!("{folder}/"), name),
                None => (String::new(), *path),
            };
            if !folders.contains_key(&folder) {
                let name = folder.trim_end_matches('/');
                let entry = TreeEntry::new(name, EntryType::Folder);
                folders.entry(String::new()).or_default().push(entry);
            }
            let mut entry = TreeEntry::new(name, EntryType::File);
            entry.size = Some(*size);
            folders.entry(folder).or_default().push(entry);
        }
        Arc::new(Self { folders: Mutex::new(folders), ..Self::default() })
    }
}

#[async_trait::async_trait]
impl TreeIndex for FakeIndex {
    async fn open(&self) -> bool {
        self.opened.fetch_add(1, Relaxed);
        !self.is_unusable.load(Relaxed)
    }

    async fn list(
        &self,
        folder: &str,
        add: &mut (dyn FnMut(TreeEntry) -> io::Result<()> + Send),
    ) -> Result<bool, FailureCause> {
        let folders = self.folders.lock().expect("not poisoned");
        let Some(entries) = folders.get(folder) else { return Ok(false) };
        for entry in entries {
            add(entry.clone())?;
        }
        Ok(true)
    }

    async fn discard(&self) {
        self.discarded.fetch_add(1, Relaxed);
        self.folders.lock().expect("not poisoned").clear();
    }

    async fn close(&self, changed: bool) {
        self.closed.lock().expect("not poisoned").push(changed);
    }
}

async fn source(files: &[&str]) -> Operator {
    let operator = memory();
    for path in files {
        operator.write(&format!("root/{path}"), "1").await.expect("written");
    }
    operator
}

fn endpoint(operator: &Operator, index: &Arc<FakeIndex>) -> Endpoint {
    Endpoint::new(operator.clone(), "root").with_index(Arc::clone(index) as _)
}

#[tokio::test]
async fn an_outdated_index_of_the_source_deletes_nothing() {
    let source = source(&["a", "new", "d/b"]).await;
    // The index lacks `new`, which both sides have.
    let index = FakeIndex::with(&[("a", 1), ("d/b", 1)]);
    let target = Folder::with(&[("a", "1"), ("new", "1"), ("d/b", "1"), ("d/old", "1")]);
    let plan = || Plan::sync(endpoint(&source, &index), target.endpoint());
    let report = plan().ignore_errors(true).run().await.unwrap();
    assert_eq!(report.outcome(), SyncOutcome::Failed);
    assert_eq!(report.delete_refusal, Some(DeleteRefusal::SourceIncomplete));
    assert_eq!(target.tree(), ["a=1", "d/b=1", "d/old=1", "new=1"]);
    assert_eq!(index.discarded.load(Relaxed), 1);
    let text = report.failures[0].to_string();
    assert!(text.contains("its change feed did not report all entries"), "{text}");
    // The index is empty now, so the next run lists.
    let report = run(plan()).await;
    assert_eq!(report.deleted, 1);
    assert_eq!(target.tree(), ["a=1", "d/b=1", "new=1"]);
}

#[tokio::test]
async fn an_index_replaces_listings_and_its_absence_is_verified() {
    let source = source(&["a", "d/b"]).await;
    let index = FakeIndex::with(&[("a", 1), ("d/b", 1)]);
    let target = Folder::with(&[("a", "1"), ("d/old", "1"), ("gone/c", "1")]);
    let report = run(Plan::sync(endpoint(&source, &index), target.endpoint())).await;
    assert_eq!((report.created, report.deleted, report.folders_deleted), (1, 2, 1));
    assert_eq!(target.tree(), ["a=1", "d/b=1"]);
    assert_eq!(*index.closed.lock().expect("not poisoned"), [false]);
    assert_eq!(index.discarded.load(Relaxed), 0);
}

#[tokio::test]
async fn a_move_and_a_check_do_not_use_an_index() {
    let source = Folder::with(&[("a", "1")]);
    let target = memory();
    // An index that claims that the target has the file already.
    let index = FakeIndex::with(&[("a", 1)]);
    let to = endpoint(&target, &index);
    let report = Plan::check(source.endpoint(), to.clone()).run().await.unwrap();
    assert_eq!(report.outcome(), SyncOutcome::Differences);
    run(Plan::move_files(source.endpoint(), to)).await;
    assert_eq!(target.read("root/a").await.expect("moved").to_vec(), b"1");
    assert_eq!(index.opened.load(Relaxed), 0);
}

#[tokio::test]
async fn an_index_of_the_target_is_closed_with_the_changes_of_the_run() {
    let source = Folder::with(&[("a", "1")]);
    let target = memory();
    for (is_unusable, expected) in [(true, true), (false, false)] {
        let index = FakeIndex::with(&[("a", 1)]);
        index.is_unusable.store(is_unusable, Relaxed);
        let report = run(Plan::copy(source.endpoint(), endpoint(&target, &index))).await;
        assert_eq!(report.outcome() == SyncOutcome::Changed, expected);
        assert_eq!(*index.closed.lock().expect("not poisoned"), [expected]);
    }
}
