//! The rows of a drive: reads them, and writes the repaired ones.

use std::collections::BTreeSet;

use sqlx::AnyConnection;

use super::{Edge, NUMBER_MAX, ROOT, SalvagedDrive, SalvagedItem};
use crate::tree::sql::row;

impl SalvagedDrive {
    /// Reads the rows of the drive with a number.
    ///
    /// # Errors
    /// `sqlx::Error` if a statement fails.
    pub(in crate::tree::sql) async fn read(sql: &mut AnyConnection, no: i64) -> sqlx::Result<Self> {
        let (folding, feed, next): (i64, i64, i64) = sqlx::query_as(
            "SELECT CAST(folding AS BIGINT), feed, next_item FROM drive WHERE no = $1",
        )
        .bind(no)
        .fetch_one(&mut *sql)
        .await?;
        type Row = (i64, String, Option<i64>, i64, i64, Option<i64>, i64, i64, i64, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT no, name, parent, CAST(kind AS BIGINT), CAST(state AS BIGINT), content, size, \
             feed, rank, children FROM item WHERE drive = $1",
        )
        .bind(no)
        .fetch_all(&mut *sql)
        .await?;
        let item = |(no, name, parent, kind, state, content, size, feed, rank, children): Row| {
            let is_new = false;
            (
                no,
                SalvagedItem {
                    name,
                    parent,
                    kind,
                    state,
                    content,
                    size,
                    feed,
                    rank,
                    children,
                    is_new,
                },
            )
        };
        let edges: Vec<(i64, i64, String, i64, i64)> = sqlx::query_as(
            "SELECT item, parent, folded, CAST(live AS BIGINT), twin FROM edge WHERE drive = $1",
        )
        .bind(no)
        .fetch_all(&mut *sql)
        .await?;
        let edge = |(item, parent, folded, live, twin)| {
            ((item, parent), Edge { folded, live: live != 0, twin })
        };
        Ok(Self {
            no,
            // Names of a drive of version 2 are folded when it is opened.
            folding: row::folding(folding).ok(),
            feed,
            next,
            items: rows.into_iter().map(item).collect(),
            edges: edges.into_iter().map(edge).collect(),
            recovered: None,
            moved: BTreeSet::new(),
            lost: Vec::new(),
        })
    }

    /// Writes the drive. `now` is the time of items that are created again, in microseconds since
    /// 1970.
    ///
    /// # Errors
    /// `sqlx::Error` if a statement fails.
    pub(in super::super) async fn write(
        self,
        sql: &mut AnyConnection,
        now: i64,
    ) -> sqlx::Result<()> {
        let set = "UPDATE drive SET feed = $2, next_item = $3 WHERE no = $1";
        let set = sqlx::query(set).bind(self.no).bind(self.feed).bind(self.next);
        set.execute(&mut *sql).await?;
        sqlx::query("DELETE FROM edge WHERE drive = $1").bind(self.no).execute(&mut *sql).await?;
        sqlx::query("DELETE FROM item WHERE drive = $1 AND (no < $2 OR no >= $3)")
            .bind(self.no)
            .bind(ROOT)
            .bind(NUMBER_MAX)
            .execute(&mut *sql)
            .await?;
        for (no, item) in self.items {
            let text = match item.is_new {
                true => {
                    "INSERT INTO item (name, parent, kind, state, content, size, children, feed, \
                     rank, drive, no, created, modified, client_created, client_modified, version, \
                     content_version) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $12, $12, 1, 1)"
                }
                false => {
                    "UPDATE item SET name = $1, parent = $2, kind = $3, state = $4, content = $5, \
                     size = $6, children = $7, feed = $8, rank = $9 \
                     WHERE drive = $10 AND no = $11 AND $12 > 0"
                }
            };
            sqlx::query(text)
                .bind(item.name)
                .bind(item.parent)
                .bind(item.kind)
                .bind(item.state)
                .bind(item.content)
                .bind(item.size)
                .bind(item.children)
                .bind(item.feed)
                .bind(item.rank)
                .bind(self.no)
                .bind(no)
                .bind(now)
                .execute(&mut *sql)
                .await?;
        }
        for ((item, parent), edge) in self.edges {
            sqlx::query(
                "INSERT INTO edge (drive, item, parent, folded, live, twin) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(self.no)
            .bind(item)
            .bind(parent)
            .bind(edge.folded)
            .bind(i64::from(edge.live))
            .bind(edge.twin)
            .execute(&mut *sql)
            .await?;
        }
        Ok(())
    }
}
