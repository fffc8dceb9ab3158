//! A data folder of version 1 is opened: its tables are migrated, nothing is lost.

use std::{fs, path::Path};

use sqlx::{AnyConnection, Connection};

use super::{
    super::{
        super::{ROOT, State},
        db::connect,
        open::url,
        *,
    },
    body, bytes, on_disk, read,
};
use crate::server::Durability;

/// The database of such a folder, as `.dump` of SQLite writes it. It was made by the server of
/// that version.
const VERSION_1: &str = include_str!("version_1.sql");

/// The drive of the default account, and that of the account `work.business`.
pub(super) const DRIVES: [DriveNo; 2] = [1, 2];

/// Length and seed of each blob, by its number without the run.
pub(super) const BLOBS: [(i64, usize, u64); 3] = [(1, 600_000, 1), (3, 40_000, 2), (6, 20_000, 3)];

/// The bytes of the two upload sessions, the blobs of their fragments, and where those begin.
const SESSION: (usize, u64) = (656_360, 4);
const FRAGMENTS: [(i64, usize, usize); 4] =
    [(0xd, 0, 327_680), (0xe, 327_680, 655_360), (0xf, 655_360, 656_360), (0x11, 0, 327_680)];

/// A connection to the database of a folder, whatever its version.
pub(super) async fn database(data: &Path) -> AnyConnection {
    let url = url(&data.join("tree.db"), "rwc").expect("a path");
    connect(&url, Some(Durability::Relaxed)).await.expect("connects")
}

/// Makes a data folder of version 1.
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
        let trashed = tree.trashed(mine, Listing::default()).await.expect("lists");
        assert_eq!(trashed.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["old.bin"]);
        assert_eq!(trashed[0].state, State::Trashed);
        let twins = tree.children(work, ROOT, Listing::default()).await.expect("lists");
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
async fn an_upload_session_of_version_1_goes_on() {
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
    tree.append(&id, 327_680, None, rest, u64::MAX, session.expires).await.expect("appends");
    let file = tree.commit(&id, NewItem::default(), Expect::Any, None).await.expect("commits");
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
    let refused = SqlTree::open(TreeOptions::folder(data.path())).await.expect_err("is refused");
    assert!(matches!(refused, OpenError::Newer { found, .. } if found == later), "{refused}");
    let mut sql = database(data.path()).await;
    let run: i64 =
        sqlx::query_scalar("SELECT run FROM server").fetch_one(&mut sql).await.expect("a row");
    assert_eq!(run, 1, "no run was begun");
}
