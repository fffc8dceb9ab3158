//! Removes the leftovers of a crash: expired upload sessions, and blobs that no content names.

use std::{fmt::Write as _, sync::Arc};

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::{super::Result, db::Db, failure::storage, session};
use crate::blobs::Blobs;

/// Blobs that are looked up with one statement.
const GROUP: usize = 64;

/// Removes the leftovers, and logs failures. If the blobs are `foreign`, for this reason, they are
/// kept.
pub(super) async fn run(db: Arc<Db>, blobs: Arc<Blobs>, foreign: Option<&'static str>) {
    if let Err(error) = db.write(|tx| Box::pin(session::forget_expired(tx))).await {
        tracing::warn!(%error, "cannot remove expired upload sessions");
    }
    if let Some(reason) = foreign {
        tracing::warn!(
            "blobs that no file names are kept: {reason}. `drivedal serve --repair` sorts them out"
        );
    } else if let Err(error) = remove_orphans(&db, &blobs).await {
        tracing::warn!(%error, "cannot remove blobs that no file names");
    }
}

/// Removes the blobs of earlier runs that no content names. No row can name them later: this
/// process, which has the database to itself, names only blobs of its own run.
///
/// # Errors
/// `TreeError::Storage` if the blobs cannot be listed or the database cannot be read. Failed
/// removals are not reported.
async fn remove_orphans(db: &Db, blobs: &Blobs) -> Result<()> {
    let lookup = lookup();
    let groups = blobs.list_earlier_runs(GROUP).await.map_err(storage)?;
    let mut groups = std::pin::pin!(groups);
    while let Some(group) = groups.try_next().await.map_err(storage)? {
        let mut query = sqlx::query_scalar::<_, i64>(lookup.clone());
        for i in 0..GROUP {
            query = query.bind(group.get(i).copied().unwrap_or(-1));
        }
        let named = {
            let mut reader = db.reader().await?;
            query.fetch_all(&mut *reader).await?
        };
        blobs.remove(group.into_iter().filter(|blob| !named.contains(blob)));
    }
    Ok(())
}

/// Returns the statement that finds the named ones of [`GROUP`] blobs.
fn lookup() -> SqlStr {
    let mut text = String::from("SELECT blob FROM segment WHERE blob IN (");
    for i in 1..=GROUP {
        let _ = write!(text, "{}${i}", if i == 1 { "" } else { ", " });
    }
    text.push(')');
    AssertSqlSafe(text).into_sql_str()
}
