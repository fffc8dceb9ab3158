//! Property tests: after any sequence of calls, the tree equals the reference tree.

use std::collections::{BTreeMap, HashSet};

use proptest::{collection::vec, option, prelude::*, sample::Index};

use super::{
    super::*,
    reference_tree::ReferenceTree,
    tests::{body, read},
    *,
};

/// Small enough that some calls reach it.
const QUOTA: u64 = 200_000;

/// One call.
#[derive(Clone, Debug)]
enum Call {
    Make(Index, &'static str, OnConflict),
    Put(Index, &'static str, usize, OnConflict),
    Upload(Index, &'static str, Vec<usize>, OnConflict),
    Overwrite(Index, usize),
    Update(Index, Option<&'static str>, Option<Vec<Index>>, OnConflict),
    Copy(Index, Index, Option<&'static str>, OnConflict),
    Trash(Index),
    Restore(Index, Option<Index>, Option<&'static str>),
    Purge(Index),
}

fn calls() -> impl Strategy<Value = Call> {
    let item = any::<Index>;
    let name = || {
        prop::sample::select(
            &[
                "a", "A", "b", "c.txt", "C.TXT", "d", "\u{e9}", "E\u{301}", "\u{e6}", "AE",
                "\u{df}", "ss",
            ][..],
        )
    };
    // Some in the row, some in blobs.
    let size = || prop::sample::select(&[0, 1, 700, 20_000, 40_000][..]);
    let fragments = || vec(size(), 0..4);
    let on_conflict =
        || prop::sample::select(&[OnConflict::Replace, OnConflict::Fail, OnConflict::Rename][..]);
    prop_oneof![
        4 => (item(), name(), on_conflict()).prop_map(|(a, b, c)| Call::Make(a, b, c)),
        4 => (item(), name(), size(), on_conflict()).prop_map(|(a, b, c, d)| Call::Put(a, b, c, d)),
        1 => (item(), name(), fragments(), on_conflict())
            .prop_map(|(a, b, c, d)| Call::Upload(a, b, c, d)),
        1 => (item(), size()).prop_map(|(a, b)| Call::Overwrite(a, b)),
        5 => (item(), option::of(name()), option::of(vec(item(), 0..4)), on_conflict())
            .prop_map(|(a, b, c, d)| Call::Update(a, b, c, d)),
        2 => (item(), item(), option::of(name()), on_conflict())
            .prop_map(|(a, b, c, d)| Call::Copy(a, b, c, d)),
        3 => item().prop_map(Call::Trash),
        3 => (item(), option::of(item()), option::of(name()))
            .prop_map(|(a, b, c)| Call::Restore(a, b, c)),
        1 => item().prop_map(Call::Purge),
    ]
}

/// The tree, the model, and the items of the tree at the last comparison.
struct Both {
    tree: Tree,
    drive: DriveKey,
    model: ReferenceTree,
    seen: BTreeMap<ItemKey, Node>,
    calls: u64,
}

impl Both {
    async fn new(folding: NameFolding) -> Self {
        let options = tests::on_postgres::options().await.unwrap_or_else(TreeOptions::ephemeral);
        let options = options.quota(QUOTA).folding(folding, |_| None);
        let tree = Tree::open(options).await.expect("opens");
        let drive = tree.drive("").await.expect("drive").no;
        Self {
            tree,
            drive,
            model: ReferenceTree::new(QUOTA, folding),
            seen: BTreeMap::new(),
            calls: 0,
        }
    }

    /// Returns any item that ever existed; a live one more often.
    fn item(&self, index: &Index) -> ItemKey {
        let all: Vec<ItemKey> = self.model.items.keys().copied().collect();
        let live: Vec<ItemKey> = all.iter().copied().filter(|no| self.model.live(*no)).collect();
        *index.get(&[&live[..], &live, &live, &all].concat())
    }

    fn bytes(&self, length: usize) -> Vec<u8> {
        (0..length as u64).map(|i| ((i + self.calls) * 31 % 251) as u8).collect()
    }

    async fn store(&self, bytes: &[u8]) -> Stored {
        self.tree.store(body(bytes), u64::MAX).await.expect("stores")
    }

    /// Runs the same call on both. Returns both results.
    async fn call(&mut self, call: &Call) -> (Result<ItemKey>, Result<ItemKey>) {
        self.calls += 1;
        let (new, any) = (NewItem::default(), Precondition::Any);
        match call {
            Call::Make(folder, name, on_conflict) => {
                let folder = self.item(folder);
                let made = self.tree.make(
                    ChildName::new(self.drive, folder, name),
                    NodeKind::Folder,
                    new,
                    *on_conflict,
                );
                (made.await.map(|made| made.node.no), self.model.make(folder, name, *on_conflict))
            }
            Call::Put(folder, name, size, on_conflict) => {
                let (folder, bytes) = (self.item(folder), self.bytes(*size));
                let stored = self.store(&bytes).await;
                let put = self.tree.put(
                    ChildName::new(self.drive, folder, name),
                    stored,
                    new,
                    *on_conflict,
                    any,
                );
                (
                    put.await.map(|put| put.node.no),
                    self.model.put(folder, name, bytes, *on_conflict),
                )
            }
            Call::Upload(folder, name, fragments, on_conflict) => {
                let folder = self.item(folder);
                let bytes = self.bytes(fragments.iter().sum());
                let said = self.upload(folder, name, &bytes, fragments, *on_conflict).await;
                // A session that could not be opened says so before the file could.
                (said, self.model.put(folder, name, bytes, *on_conflict))
            }
            Call::Overwrite(item, size) => {
                let (item, bytes) = (self.item(item), self.bytes(*size));
                let stored = self.store(&bytes).await;
                let said = self.tree.overwrite(self.drive, item, stored, new, any).await;
                (said.map(|node| node.no), self.model.overwrite(item, bytes))
            }
            Call::Update(item, name, parents, on_conflict) => {
                let item = self.item(item);
                let parents: Option<Vec<ItemKey>> =
                    parents.as_ref().map(|all| all.iter().map(|up| self.item(up)).collect());
                let name = name.map(str::to_owned);
                let change =
                    Change { name: name.clone(), parents: parents.clone(), ..Change::default() };
                let said = self.tree.update(self.drive, item, change, *on_conflict, any).await;
                let parents = parents.map(in_order_once);
                (
                    said.map(|node| node.no),
                    self.model.update(item, name.as_deref(), parents.as_deref(), *on_conflict),
                )
            }
            Call::Copy(item, to, name, on_conflict) => {
                let (item, to) = (self.item(item), self.item(to));
                let said = self.tree.copy(self.drive, item, to, *name, *on_conflict).await;
                (said.map(|node| node.no), self.model.copy(item, to, *name, *on_conflict))
            }
            Call::Trash(item) => {
                let item = self.item(item);
                let said = self.tree.trash(self.drive, item, any).await;
                (said.map(|node| node.no), self.model.trash(item))
            }
            Call::Restore(item, to, name) => {
                let (item, to) = (self.item(item), to.as_ref().map(|to| self.item(to)));
                let said = self.tree.restore(self.drive, item, to, *name).await;
                (said.map(|node| node.no), self.model.restore(item, to, *name))
            }
            Call::Purge(item) => {
                let item = self.item(item);
                let said = self.tree.purge(self.drive, item).await;
                (said.map(|()| item), self.model.purge(item))
            }
        }
    }

    async fn upload(
        &self,
        folder: ItemKey,
        name: &str,
        bytes: &[u8],
        fragments: &[usize],
        on_conflict: OnConflict,
    ) -> Result<ItemKey> {
        let session = tests::session(self.drive, folder, name, on_conflict);
        let session = self.tree.open_session(session).await?;
        let mut at = 0;
        for length in fragments {
            let fragment = body(&bytes[at..at + length]);
            let now = self
                .tree
                .append(
                    &session.id,
                    UploadFragment {
                        at: at as u64,
                        total: None,
                        body: fragment,
                        max: u64::MAX,
                        expires: session.expires,
                    },
                )
                .await?;
            at += length;
            assert_eq!(now.received, at as u64);
        }
        let committed =
            self.tree.commit(&session.id, NewItem::default(), Precondition::Any, None).await;
        if committed.is_err() {
            // A session survives a failed commit.
            self.tree.cancel(&session.id).await?;
        }
        committed.map(|written| written.node.no)
    }

    /// Compares the tree with the model.
    async fn compare(&mut self) {
        let (tree, drive, model) = (&self.tree, self.drive, &self.model);
        let before = self.seen.values().map(|node| node.feed).max().unwrap_or(0);
        let changed: HashSet<ItemKey> = tree
            .changes(drive, before, u64::MAX)
            .await
            .expect("changes")
            .into_iter()
            .map(|node| node.no)
            .collect();
        let mut feeds = HashSet::new();
        for (&no, item) in &model.items {
            let node = tree.any_node(drive, no).await.expect("is there");
            assert_eq!(node.state, model.state(no), "state of {no}");
            assert_eq!(node.name, item.name, "name of {no}");
            assert_eq!(node.kind, item.kind, "kind of {no}");
            assert_eq!(node.parents, model.shown_parents(no), "folders of {no}");
            let (size, children) = match item.purged {
                true => (0, 0),
                false => (model.size(no), model.children(no).len() as u64),
            };
            assert_eq!(node.size, size, "size of {no}");
            assert_eq!(node.children, children, "children of {no}");
            assert!(feeds.insert(node.feed), "a feed number came twice: {}", node.feed);
            if item.kind == NodeKind::File && !item.purged {
                assert!(read(tree, &node).await == item.bytes, "bytes of {no}");
            }
            let told = self.seen.get(&no).is_none_or(|seen| {
                (seen.state, &seen.name, seen.version) != (node.state, &node.name, node.version)
            });
            assert!(no == ROOT || told == changed.contains(&no), "feed of {no}");
            self.seen.insert(no, node);
        }
        let info = tree.drive_info(drive).await.expect("drive");
        assert_eq!(info.used, model.size(ROOT));
        assert!(feeds.iter().all(|feed| *feed <= info.feed));
        self.compare_listings().await;
        self.compare_bytes().await;
        self.compare_with_a_repaired_one().await;
    }

    async fn compare_listings(&self) {
        let (tree, drive, model) = (&self.tree, self.drive, &self.model);
        for (&no, item) in &model.items {
            let listing = tree.children(drive, no, ListOptions::default()).await;
            match (model.live(no), item.kind) {
                (false, _) => assert!(matches!(listing, Err(TreeError::NotFound)), "{no}"),
                (true, NodeKind::Folder) => {
                    let mut nos: Vec<_> =
                        listing.expect("lists").iter().map(|node| node.no).collect();
                    assert_eq!(nos, self.pages(no).await, "pages of {no}");
                    nos.sort_unstable();
                    assert_eq!(nos, model.children(no), "listing of {no}");
                    self.compare_below(no).await;
                }
                (true, _) => assert!(matches!(listing, Err(TreeError::NotAFolder(_))), "{no}"),
            }
        }
        let bin = tree.trashed(drive, ListOptions::default()).await.expect("lists");
        let bin: HashSet<ItemKey> = bin.into_iter().map(|node| node.no).collect();
        let trashed = model.items.keys().copied();
        assert_eq!(bin, trashed.filter(|no| model.state(*no) == ItemState::Trashed).collect());
    }

    /// A folder's children, in pages by key.
    async fn pages(&self, folder: ItemKey) -> Vec<ItemKey> {
        let (mut nos, mut after) = (Vec::new(), None);
        loop {
            let which = ListOptions { after, limit: Some(2), ..ListOptions::default() };
            let page = self.tree.children(self.drive, folder, which).await.expect("lists");
            let Some(last) = page.last() else { return nos };
            after = Some(ListingKey::new(last, Order::default()));
            nos.extend(page.iter().map(|node| node.no));
        }
    }

    /// Pages of the items below a folder have each item once, behind its folders.
    async fn compare_below(&self, top: ItemKey) {
        let mut told = vec![top];
        let (mut after, mut more) = (0, true);
        while more {
            let (page, next) = self.tree.below(self.drive, top, after, 3).await.expect("lists");
            for node in page {
                assert!(node.parents.iter().any(|up| told.contains(up)), "{} too early", node.no);
                assert!(!told.contains(&node.no), "{} twice", node.no);
                told.push(node.no);
            }
            more = next.is_some();
            after = next.unwrap_or(after);
        }
        let below = |no: &ItemKey| self.model.live(*no) && self.model.is_above(top, *no);
        let mut below: Vec<_> = self.model.items.keys().copied().filter(below).collect();
        told.sort_unstable();
        below.sort_unstable();
        assert_eq!(told, below, "below {top}");
    }

    /// A repair would find nothing to mend.
    async fn compare_with_a_repaired_one(&self) {
        let mut sql = self.tree.db.reader().await.expect("reads");
        let mut drive = salvage::SalvagedDrive::read(&mut sql, self.drive.0).await.expect("reads");
        assert!(drive.is_sound(), "a repair would change a sound tree");
    }

    /// Every file has a content with the right reference count, and there are no other blobs.
    async fn compare_bytes(&self) {
        let mut sql = self.tree.db.reader().await.expect("reads");
        let wrong: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM content c WHERE c.refs <> \
             (SELECT count(*) FROM item i WHERE i.content = c.no)",
        )
        .fetch_one(&mut *sql)
        .await
        .expect("counts");
        assert_eq!(wrong, 0, "contents that are not counted as often as they are used");
        let mut named: Vec<i64> = sqlx::query_scalar("SELECT blob FROM segment ORDER BY blob")
            .fetch_all(&mut *sql)
            .await
            .expect("lists");
        drop(sql);
        self.tree.blobs.finish_removals().await;
        let mut kept = self.tree.blobs.all().await.expect("lists");
        kept.sort_unstable();
        named.sort_unstable();
        assert_eq!(kept, named, "blobs");
    }
}

fn in_order_once(mut all: Vec<ItemKey>) -> Vec<ItemKey> {
    let mut seen = HashSet::new();
    all.retain(|no| seen.insert(*no));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_gives_the_tree_of_the_model(
        sharepoint: bool,
        calls in vec(calls(), 1..40),
    ) {
        compare_after_each(sharepoint, &calls);
    }
}

proptest! {
    // A new schema for each case.
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    fn any_sequence_of_calls_on_the_server(
        sharepoint: bool,
        calls in vec(calls(), 1..40),
    ) {
        compare_after_each(sharepoint, &calls);
    }
}

#[test]
#[ignore = "needs DRIVEDAL_TEST_POSTGRES"]
fn any_sequence_of_calls_on_postgresql_gives_the_tree_of_the_model() {
    tests::on_postgres::run(any_sequence_of_calls_on_the_server);
}

fn compare_after_each(sharepoint: bool, calls: &[Call]) {
    let folding = if sharepoint { NameFolding::SharePoint } else { NameFolding::Consumer };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut both = Both::new(folding).await;
        for call in calls {
            let (said, expected) = both.call(call).await;
            assert_eq!(format!("{said:?}"), format!("{expected:?}"), "{call:?}");
            both.compare().await;
        }
    });
}
