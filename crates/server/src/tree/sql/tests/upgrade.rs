//! A data folder of version 1 is opened: its tables are migrated, nothing is lost.

use std::{fs, path::Path};

use sqlx::{AnyConnection, Connection};

use super::{
    super::{
        super::*,
        dialect::{connect, file_url},
        *,
    },
    body, bytes, on_disk, read,
};
use crate::Durability;

/// The database of a data folder of version 1, in the format of SQLite's `.dump`. The server of that
/// version wrote it.
const VERSION_1: &str = include_str!("version_1.sql");

/// The drive of the default account, and that of the account `work.business`.
pub(super) const DRIVES: [DriveKey; 2] = [DriveKey(1), DriveKey(2)];

/// Length and seed of each blob, by its number without the run.
pub(super) const BLOBS: [(i64, usize, u64); 3] = [(1, 600_000, 1), (3, 40_000, 2), (6, 20_000, 3)];

/// The bytes of the two upload sessions, the blobs of their fragments, and where those begin.
const SESSION: (usize, u64) = (656_360, 4);
const FRAGMENTS: [(i64, usize, usize); 4] =
    [(0xd, 0, 327_680), (0xe, 327_680, 655_360), (0xf, 655_360, 656_360), (0x11, 0, 327_680)];

/// A connection to the database of a folder, whatever its version.
pub(super) async fn database(data: &Path) -> AnyConnection {
    let file = data.join("tree.db");
    fs::File::options().create(true).append(true).open(&file).expect("exists");
    let url = file_url(&file).expect("a path");
    connect(&url, Some(Durability::Relaxed)).await.expect("connects")
}

/// Creates a data folder of version 1.
pub(super) async fn version_1(data: &Path) {
    let mut sql = database(data).await;
    sqlx::raw_sql(VERSION_1).execute(&mut sql).await.expect("is SQL");
    sql.close().await.expect("closes");
    let whole = bytes(SESSION.0, SESSION.1);
    let fragments = FRAGMENTS.map(|(number, from, to)| (number, whole[from..to].to_vec()));
    let blobs = BLOBS.map(|(number, length, seed)| (number, bytes(length, seed)));
    for (number, bytes) in blobs.into_iter().chain(fragments) {
        let folder = data.join(format!("blobs/{number:02x}"));
        fs::create_dir_all(&folder).expect("makes");
        fs::write(folder.join(format!("00000001{number:08x}")), bytes).expect("writes");
    }
}

#[tokio::test]
async fn a_folder_of_version_1_is_migrated_with_everything_in_it() {
    let data = tempfile::tempdir().expect("temporary folder");
    version_1(data.path()).await;
    // Twice: the second start finds the version that the first one left.
    for run in [2, 3] {
        let tree = on_disk(data.path()).await;
        tree.tidied().await;
        let [mine, work] = DRIVES;
        for (path, expected) in [
            (&["Docs", "small.txt"][..], b"small".to_vec()),
            (&["Docs", "large.bin"], bytes(600_000, 1)),
            (&["Docs", "middle.bin"], bytes(40_000, 2)),
            (&["Docs", "copy.bin"], bytes(600_000, 1)),
            (&["session.bin"], bytes(SESSION.0, SESSION.1)),
            (&["empty"], Vec::new()),
        ] {
            let nodes = tree.walk(mine, ROOT, path).await.expect("walks");
            let node = nodes.last().expect("some");
            assert_eq!(node.name, *path.last().expect("some"), "all names are found");
            assert!(read(&tree, node).await == expected, "{path:?}");
        }
        let trashed = tree.trashed(mine, ListOptions::default()).await.expect("lists");
        assert_eq!(trashed.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["old.bin"]);
        assert_eq!(trashed[0].state, ItemState::Trashed);
        let twins = tree.children(work, ROOT, ListOptions::default()).await.expect("lists");
        assert_eq!(twins.len(), 4, "names that another rule takes for the same are kept");
        let audit = tree.audit().await.expect("audits");
        assert_eq!((audit.blobs, audit.orphans, audit.missing), (7, 0, 0));
        assert_eq!(tree.sessions(mine).await.expect("counts"), 1);
        tree.close().await;

        let mut sql = database(data.path()).await;
        let server: (i64, i64) = sqlx::query_as("SELECT version, run FROM server")
            .fetch_one(&mut sql)
            .await
            .expect("a row");
        assert_eq!(server, (super::super::schema::VERSION, run));
        sql.close().await.expect("closes");
    }
}

#[tokio::test]
async fn an_upload_session_of_version_1_continues() {
    let data = tempfile::tempdir().expect("temporary folder");
    version_1(data.path()).await;
    let mut sql = database(data.path()).await;
    let id: String =
        sqlx::query_scalar("SELECT id FROM session").fetch_one(&mut sql).await.expect("a session");
    sql.close().await.expect("closes");
    let tree = on_disk(data.path()).await;
    let session = tree.session(&id).await.expect("is there");
    assert_eq!(session.received, 327_680);
    let whole = bytes(SESSION.0, SESSION.1);
    let rest = body(&whole[327_680..]);
    tree.append(
        &id,
        UploadFragment {
            at: 327_680,
            total: None,
            body: rest,
            max: u64::MAX,
            expires: session.expires,
        },
    )
    .await
    .expect("appends");
    let file =
        tree.commit(&id, NewItem::default(), Precondition::Any, None).await.expect("commits");
    assert!(read(&tree, &file.node).await == whole);
    tree.close().await;
}

#[tokio::test]
async fn a_folder_of_a_later_version_is_refused_and_left_as_it_is() {
    let data = tempfile::tempdir().expect("temporary folder");
    on_disk(data.path()).await.close().await;
    let later = super::super::schema::VERSION + 1;
    let mut sql = database(data.path()).await;
    let raised = sqlx::query("UPDATE server SET version = $1").bind(later);
    raised.execute(&mut sql).await.expect("updates");
    sql.close().await.expect("closes");
    let refused = Tree::open(TreeOptions::folder(data.path())).await.expect_err("is refused");
    assert!(matches!(refused, OpenError::Newer { found, .. } if found == later), "{refused}");
    let mut sql = database(data.path()).await;
    let run: i64 =
        sqlx::query_scalar("SELECT run FROM server").fetch_one(&mut sql).await.expect("a row");
    assert_eq!(run, 1, "no run was begun");
}

/// As the server says it: an account's name carries its kind.
fn by_account(account: &str) -> Option<NameFolding> {
    account.ends_with(".business").then_some(NameFolding::SharePoint)
}

#[tokio::test]
async fn names_that_are_one_name_now_are_kept_and_reported() {
    let data = tempfile::tempdir().expect("temporary folder");
    version_1(data.path()).await;
    let [_, work] = DRIVES;
    for _ in 0..2 {
        let options = TreeOptions::folder(data.path());
        let options = options.folding(NameFolding::Consumer, by_account);
        let tree = Tree::open(options).await.expect("opens");
        let listed = tree.children(work, ROOT, ListOptions::default()).await.expect("lists");
        assert_eq!(listed.len(), 4, "every item is listed");
        for item in (101..=104).map(ItemKey) {
            tree.node(work, item).await.expect("every item is found by its id");
        }
        for (name, older) in
            [("ae.txt", ItemKey(101)), ("Æ.TXT", ItemKey(101)), ("caf\u{e9}.txt", ItemKey(103))]
        {
            assert_eq!(tree.child(work, ROOT, name).await.expect("is found").no, older, "{name}");
            let walked = tree.walk(work, ROOT, &[name]).await.expect("walks");
            assert_eq!(walked.iter().map(|node| node.no).collect::<Vec<_>>(), [ROOT, older]);
        }
        let conflicts = tree.name_conflicts().await.expect("lists");
        let numbers: Vec<_> =
            conflicts.iter().map(|one| (one.drive, one.folder, one.item, one.older)).collect();
        assert_eq!(
            numbers,
            [(work, ROOT, ItemKey(102), ItemKey(101)), (work, ROOT, ItemKey(104), ItemKey(103)),]
        );
        assert_eq!((&*conflicts[0].account, &*conflicts[0].name), ("work.business", "ae.txt"));
        let third = tree
            .make(
                ChildName::new(work, ROOT, "AE.txt"),
                NodeKind::Folder,
                NewItem::default(),
                OnConflict::Fail,
            )
            .await;
        assert!(matches!(third, Err(TreeError::NameTaken(ItemKey(101)))), "{third:?}");
        tree.close().await;
    }
}

#[tokio::test]
async fn a_conflict_of_names_ends_when_one_item_is_removed() {
    let data = tempfile::tempdir().expect("temporary folder");
    version_1(data.path()).await;
    let [_, work] = DRIVES;
    let options = TreeOptions::folder(data.path()).folding(NameFolding::Consumer, by_account);
    let tree = Tree::open(options).await.expect("opens");
    let (fail, any) = (OnConflict::Fail, Precondition::Any);
    let renamed = |name: &str| Change { name: Some(name.to_owned()), ..Change::default() };
    // A change of case does not change the folded name.
    tree.update(work, ItemKey(102), renamed("AE.txt"), fail, any).await.expect("renames");
    let taken = tree.update(work, ItemKey(102), renamed("caf\u{e9}.txt"), fail, any).await;
    assert!(matches!(taken, Err(TreeError::NameTaken(ItemKey(103)))), "{taken:?}");
    // A copy of a folder with both of them has both.
    let folder = tree
        .make(ChildName::new(work, ROOT, "f"), NodeKind::Folder, NewItem::default(), fail)
        .await
        .expect("makes")
        .node
        .no;
    tree.trash(work, ItemKey(101), any).await.expect("trashes");
    assert_eq!(tree.child(work, ROOT, "\u{e6}.txt").await.expect("is found").no, ItemKey(102));
    let back = tree.restore(work, ItemKey(101), None, None).await;
    assert!(matches!(back, Err(TreeError::NameTaken(ItemKey(102)))), "{back:?}");
    tree.restore(work, ItemKey(101), Some(folder), None).await.expect("restores elsewhere");
    tree.update(work, ItemKey(104), renamed("other"), fail, any).await.expect("renames");
    assert_eq!(tree.name_conflicts().await.expect("lists"), []);
    tree.close().await;
}

#[tokio::test]
async fn a_folder_with_names_in_conflict_is_copied_and_an_account_changes_its_kind() {
    let data = tempfile::tempdir().expect("temporary folder");
    let open = async |folding| {
        let options = TreeOptions::folder(data.path()).folding(folding, |_| None);
        Tree::open(options).await.expect("opens")
    };
    let tree = open(NameFolding::Consumer).await;
    let drive = tree.drive("").await.expect("a drive").no;
    let new = NewItem::default;
    let folder = tree
        .make(ChildName::new(drive, ROOT, "f"), NodeKind::Folder, new(), OnConflict::Fail)
        .await;
    let folder = folder.expect("makes").node.no;
    for name in ["M\u{e6}rsk", "Maersk", "MAERSK 2"] {
        body_of(&tree, drive, folder, name).await;
    }
    assert_eq!(tree.name_conflicts().await.expect("lists"), []);
    tree.close().await;
    let tree = open(NameFolding::SharePoint).await;
    let copied = tree.copy(drive, folder, ROOT, Some("g"), OnConflict::Fail).await.expect("copies");
    assert_eq!(copied.children, 3);
    let conflicts = tree.name_conflicts().await.expect("lists");
    assert_eq!(conflicts.iter().map(|one| one.folder).collect::<Vec<_>>(), [folder, copied.no]);
    let free = tree
        .make(
            ChildName::new(drive, folder, "m\u{e6}rsk"),
            NodeKind::Folder,
            new(),
            OnConflict::Rename,
        )
        .await;
    assert_eq!(free.expect("makes").node.name, "m\u{e6}rsk 1", "and not 2, which Maersk has");
    tree.close().await;
    let tree = open(NameFolding::Consumer).await;
    assert_eq!(tree.name_conflicts().await.expect("lists"), []);
    assert_eq!(tree.child(drive, folder, "MAERSK").await.expect("is found").name, "Maersk");
    tree.close().await;
}

async fn body_of(tree: &Tree, drive: DriveKey, folder: ItemKey, name: &str) {
    super::put(tree, drive, folder, name, name.as_bytes()).await;
}
