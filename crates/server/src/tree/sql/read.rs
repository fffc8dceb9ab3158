//! Reads of items: one statement each.

use futures::TryStreamExt;
use sqlx::AnyConnection;

use super::{
    super::{
        DriveInfo, DriveKey, FeedRange, ItemKey, ItemState, ListOptions, ListingKey, Node,
        NodeKind, Order, ROOT, Result, TreeError,
    },
    names::{folded, folds},
    row::{RankedNode, select_nodes, signed},
};

/// Names that [`WALK`] resolves.
const STEPS: usize = 8;

macro_rules! select_drive {
    ($column:literal) => {
        concat!(
            "SELECT d.no, d.name, d.cid, d.quota, r.size + d.version_bytes AS used, d.feed, d.created FROM drive d \
             JOIN item r ON r.drive = d.no AND r.no = 100 WHERE d.",
            $column,
            " = $1"
        )
    };
}

const NODE: &str = select_nodes!("item i", "WHERE i.drive = $1 AND i.no = $2");

const CHILD: &str = select_nodes!(
    "edge e JOIN item i ON i.drive = e.drive AND i.no = e.item",
    "WHERE e.drive = $1 AND e.parent = $2 AND e.folded = ",
    folded!("$3", "$4"),
    " AND e.live = 1 AND i.state = 0 \
     AND EXISTS (SELECT 1 FROM item p WHERE p.drive = $1 AND p.no = $2 AND p.state = 0) \
     ORDER BY i.no LIMIT 1"
);

/// Every name has two parameters, one for each folding; see [`folded`].
const WALK: &str = concat!(
    "WITH RECURSIVE seg(n, folded) AS (SELECT 1, ",
    folded!("$3", "$11"),
    " UNION ALL SELECT 2, ",
    folded!("$4", "$12"),
    " UNION ALL SELECT 3, ",
    folded!("$5", "$13"),
    " UNION ALL SELECT 4, ",
    folded!("$6", "$14"),
    " UNION ALL SELECT 5, ",
    folded!("$7", "$15"),
    " UNION ALL SELECT 6, ",
    folded!("$8", "$16"),
    " UNION ALL SELECT 7, ",
    folded!("$9", "$17"),
    " UNION ALL SELECT 8, ",
    folded!("$10", "$18"),
    "), walk(no, n) AS (SELECT CAST($2 AS BIGINT), 0 UNION ALL \
     SELECT e.item, w.n + 1 FROM walk w CROSS JOIN seg s CROSS JOIN edge e \
     WHERE s.n = w.n + 1 AND e.drive = $1 AND e.parent = w.no AND e.folded = s.folded \
     AND e.live = 1 AND NOT EXISTS (SELECT 1 FROM edge o WHERE o.drive = $1 \
     AND o.parent = w.no AND o.folded = s.folded AND o.live = 1 AND o.item < e.item)) ",
    select_nodes!(
        "walk w CROSS JOIN item i",
        "WHERE i.drive = $1 AND i.no = w.no AND i.state = 0 ORDER BY w.n"
    )
);

const PATH: &str = "WITH RECURSIVE up(name, parent, height) AS (\
    SELECT name, parent, 0 FROM item WHERE drive = $1 AND no = $2 UNION ALL \
    SELECT i.name, i.parent, up.height + 1 FROM up CROSS JOIN item i \
    WHERE i.drive = $1 AND i.no = up.parent) \
    SELECT name FROM up ORDER BY height DESC";

const LINEAGE: &str = concat!(
    "WITH RECURSIVE up(no, parent, height) AS (\
     SELECT no, parent, 0 FROM item WHERE drive = $1 AND no = $2 UNION ALL \
     SELECT a.no, a.parent, up.height + 1 FROM up CROSS JOIN item a \
     WHERE a.drive = $1 AND a.no = up.parent) ",
    select_nodes!("up CROSS JOIN item i", "WHERE i.drive = $1 AND i.no = up.no ORDER BY up.height")
);

/// Counts the item `$3` among the folder `$2` and the folders above it, by any live edge.
const IS_AMONG_FOLDERS: &str = "WITH RECURSIVE up(no) AS (SELECT CAST($2 AS BIGINT) UNION \
    SELECT e.parent FROM up CROSS JOIN edge e \
    WHERE e.drive = $1 AND e.item = up.no AND e.live = 1) \
    SELECT count(*) FROM up WHERE no = $3";

/// The children of a folder in an order. `$after` compares a child with the last one of the previous
/// page, whose values are bound from `$6` on: see [`bind_place`].
macro_rules! select_children {
    ($after:literal, $order:literal) => {
        select_nodes!(
            "edge e JOIN item i ON i.drive = e.drive AND i.no = e.item",
            "WHERE e.drive = $1 AND e.parent = $2 AND e.live = 1 AND i.state = 0 \
             AND EXISTS (SELECT 1 FROM item p WHERE p.drive = $1 AND p.no = $2 AND p.state = 0) \
             AND ($5 = 0 OR ",
            $after,
            ") ORDER BY ",
            $order,
            " LIMIT $3 OFFSET $4"
        )
    };
}

macro_rules! select_trashed {
    ($after:literal, $order:literal) => {
        select_nodes!(
            "item i",
            "WHERE i.drive = $1 AND i.state = 1 AND ($4 = 0 OR ",
            $after,
            ") ORDER BY ",
            $order,
            " LIMIT $2 OFFSET $3"
        )
    };
}

const BELOW_ROOT: &str = select_nodes!(
    "item i",
    "WHERE i.drive = $1 AND i.state = 0 AND i.rank > $2 AND i.no <> 100 ORDER BY i.rank LIMIT $3"
);

const BELOW: &str = concat!(
    "WITH RECURSIVE below(no) AS (SELECT CAST($4 AS BIGINT) UNION \
     SELECT e.item FROM below b CROSS JOIN edge e \
     WHERE e.drive = $1 AND e.parent = b.no AND e.live = 1) ",
    select_nodes!(
        "below b CROSS JOIN item i",
        "WHERE i.drive = $1 AND i.no = b.no AND i.state = 0 AND i.rank > $2 AND i.no <> $4 \
         ORDER BY i.rank LIMIT $3"
    )
);

const CHANGES: &str = select_nodes!(
    "item i",
    "WHERE i.drive = $1 AND i.feed > $2 AND i.feed <= $4 AND i.modified >= $5 \
         ORDER BY i.feed LIMIT $3"
);

/// The last feed number before all changes that the time `$2` precedes. The time of a folder's last
/// change is also that of a change in it, so only its creation counts.
const FEED_AT: &str = "SELECT COALESCE(min(i.feed) - 1, max(d.feed)) FROM drive d \
    LEFT JOIN item i ON i.drive = d.no AND i.no <> 100 \
    AND (i.modified > $2 AND (i.kind <> 0 OR i.state <> 0) OR i.created > $2) WHERE d.no = $1";

/// A query for rows of [`select_nodes`].
type ReadQuery<T = Node> = sqlx::query::QueryAs<'static, sqlx::Any, T, sqlx::any::AnyArguments>;

/// Returns the drive of the account `name`; `None` if it does not exist.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn drive_named(sql: &mut AnyConnection, name: &str) -> Result<Option<DriveInfo>> {
    Ok(sqlx::query_as(select_drive!("name")).bind(name).fetch_optional(sql).await?)
}

/// Returns the properties of a drive: its id, quota, usage, feed position and creation time.
///
/// # Errors
/// [`TreeError::NotFound`] if it does not exist, and [`TreeError::Storage`] if the database cannot
/// be read.
pub(super) async fn drive(sql: &mut AnyConnection, drive: DriveKey) -> Result<DriveInfo> {
    let found = sqlx::query_as(select_drive!("no")).bind(drive).fetch_optional(sql).await?;
    found.ok_or(TreeError::NotFound)
}

/// Returns an item in any state, purged ones included.
///
/// # Errors
/// [`TreeError::NotFound`] if it never existed, and [`TreeError::Storage`] if the database cannot
/// be read.
pub(super) async fn any_node(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
) -> Result<Node> {
    let found = sqlx::query_as(NODE).bind(drive).bind(item).fetch_optional(sql).await?;
    found.ok_or(TreeError::NotFound)
}

/// Returns a live item.
///
/// # Errors
/// [`TreeError::NotFound`] if it is not live, and [`TreeError::Storage`] if the database cannot be
/// read.
pub(super) async fn node(sql: &mut AnyConnection, drive: DriveKey, item: ItemKey) -> Result<Node> {
    let node = any_node(sql, drive, item).await?;
    if node.state == ItemState::Live { Ok(node) } else { Err(TreeError::NotFound) }
}

/// Returns a live folder.
///
/// # Errors
/// [`TreeError::NotFound`] if it is not live, [`TreeError::NotAFolder`] if it is a file, and
/// [`TreeError::Storage`] if the database cannot be read.
pub(super) async fn folder(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
) -> Result<Node> {
    let node = node(sql, drive, item).await?;
    if node.kind == NodeKind::Folder { Ok(node) } else { Err(TreeError::NotAFolder(item)) }
}

/// Returns the live child of a folder with a name; the oldest if an upgrade made several names
/// equal.
///
/// # Errors
/// `TreeError::NotFound` if the folder has no such child, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn child(
    sql: &mut AnyConnection,
    drive: DriveKey,
    parent: ItemKey,
    name: &str,
) -> Result<Node> {
    // PostgreSQL cannot store or compare such a text.
    if name.contains('\0') {
        return Err(TreeError::NotFound);
    }
    let (consumer, sharepoint) = folds(name);
    let query = sqlx::query_as(CHILD).bind(drive).bind(parent).bind(consumer).bind(sharepoint);
    query.fetch_optional(sql).await?.ok_or(TreeError::NotFound)
}

/// Walks names down from the folder `anchor`, as far as they exist. Returns the items found, the
/// folder first. One statement resolves [`STEPS`] names.
///
/// # Errors
/// `TreeError::NotFound` if the folder is not live, and `TreeError::Storage` if the database cannot
/// be read.
pub(super) async fn walk(
    sql: &mut AnyConnection,
    drive: DriveKey,
    anchor: ItemKey,
    names: &[impl AsRef<str>],
) -> Result<Vec<Node>> {
    let mut found = walk_on(sql, drive, anchor, names).await?;
    if found.is_empty() {
        return Err(TreeError::NotFound);
    }
    while let Some(rest) = names.get(found.len() - 1..).filter(|rest| !rest.is_empty())
        && (found.len() - 1).is_multiple_of(STEPS)
    {
        let Some(last) = found.pop() else { break };
        let more = walk_on(sql, drive, last.no, rest).await?;
        let found_more = more.len() > 1;
        found.extend(more);
        if !found_more {
            break;
        }
    }
    Ok(found)
}

/// Walks the first [`STEPS`] names down from the folder `anchor`. Returns the items found, the
/// folder first; nothing if the folder is not live.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
async fn walk_on(
    sql: &mut AnyConnection,
    drive: DriveKey,
    anchor: ItemKey,
    names: &[impl AsRef<str>],
) -> Result<Vec<Node>> {
    let mut query: ReadQuery = sqlx::query_as(WALK).bind(drive).bind(anchor);
    // PostgreSQL cannot store or compare a text with NUL: no item has such a name.
    let names = names.iter().map(AsRef::as_ref).take_while(|name: &&str| !name.contains('\0'));
    let mut folds: Vec<_> = names.take(STEPS).map(|name| Some(folds(name))).collect();
    folds.resize(STEPS, None);
    for folded in &folds {
        query = query.bind(folded.as_ref().map(|(consumer, _)| consumer.clone()));
    }
    for folded in folds {
        query = query.bind(folded.map(|(_, sharepoint)| sharepoint));
    }
    Ok(query.fetch_all(sql).await?)
}

/// Returns the names from the root to an item by primary edges; empty for the root. For a deleted
/// item it is its last path.
///
/// # Errors
/// `TreeError::NotFound` if the item does not exist, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn path(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
) -> Result<Vec<String>> {
    let names: Vec<String> = sqlx::query_scalar(PATH).bind(drive).bind(item).fetch_all(sql).await?;
    // The first name is that of the root, which is empty.
    if names.is_empty() {
        Err(TreeError::NotFound)
    } else {
        Ok(names.into_iter().skip(1).collect())
    }
}

/// Returns an item and the folders above it by primary edges, the item first and the root last.
///
/// # Errors
/// `TreeError::NotFound` if the item does not exist, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn lineage(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
) -> Result<Vec<Node>> {
    let nodes: Vec<Node> = sqlx::query_as(LINEAGE).bind(drive).bind(item).fetch_all(sql).await?;
    if nodes.is_empty() { Err(TreeError::NotFound) } else { Ok(nodes) }
}

/// Returns whether `item` is the folder `top`, or below it by any live edges; `false` also if either
/// does not exist.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn contains(
    sql: &mut AnyConnection,
    drive: DriveKey,
    top: ItemKey,
    item: ItemKey,
) -> Result<bool> {
    let query = sqlx::query_scalar(IS_AMONG_FOLDERS).bind(drive).bind(item).bind(top);
    let found: i64 = query.fetch_one(sql).await?;
    Ok(found > 0)
}

/// Returns the values for `LIMIT` and `OFFSET` of a listing.
fn limit_and_offset(which: &ListOptions) -> (i64, i64) {
    (which.limit.map_or(i64::MAX, signed), signed(which.offset))
}

/// Returns the statement that lists a folder in an order. `descending` reverses it.
pub(super) fn children_in_order(order: Order, descending: bool) -> &'static str {
    match (order, descending) {
        (Order::FoldersThenName, false) => select_children!(
            "(CASE WHEN i.kind = 0 THEN 0 ELSE 1 END, i.name, i.no) > ($6, $7, $8)",
            "CASE WHEN i.kind = 0 THEN 0 ELSE 1 END, i.name, i.no"
        ),
        (Order::FoldersThenName, true) => select_children!(
            "(CASE WHEN i.kind = 0 THEN 0 ELSE 1 END, i.name, i.no) < ($6, $7, $8)",
            "CASE WHEN i.kind = 0 THEN 0 ELSE 1 END DESC, i.name DESC, i.no DESC"
        ),
        (Order::Name, false) => {
            select_children!("(i.name, i.no) > ($6, $7)", "i.name, i.no")
        }
        (Order::Name, true) => {
            select_children!("(i.name, i.no) < ($6, $7)", "i.name DESC, i.no DESC")
        }
        (Order::Modified, false) => {
            select_children!("(i.client_modified, i.no) > ($6, $7)", "i.client_modified, i.no")
        }
        (Order::Modified, true) => select_children!(
            "(i.client_modified, i.no) < ($6, $7)",
            "i.client_modified DESC, i.no DESC"
        ),
        (Order::Size, false) => {
            select_children!("(i.size, i.no) > ($6, $7)", "i.size, i.no")
        }
        (Order::Size, true) => {
            select_children!("(i.size, i.no) < ($6, $7)", "i.size DESC, i.no DESC")
        }
        // The `+` keeps SQLite from using the primary key, which would read the whole drive.
        (Order::Number, false) => select_children!("+i.no > $6", "+i.no"),
        (Order::Number, true) => select_children!("+i.no < $6", "+i.no DESC"),
    }
}

/// Binds the last child of the previous page for [`children_in_order`]; `None` for the first page.
fn bind_place(query: ReadQuery, order: Order, after: Option<ListingKey>) -> ReadQuery {
    let query = query.bind(i64::from(after.is_some()));
    let ListingKey { group, name, number, item } = after.unwrap_or_default();
    match order {
        Order::FoldersThenName => query.bind(group).bind(name).bind(item),
        Order::Name => query.bind(name).bind(item),
        Order::Modified | Order::Size => query.bind(number).bind(item),
        Order::Number => query.bind(item),
    }
}

/// Returns the live children of a folder that `which` selects, in its order.
///
/// # Errors
/// `TreeError::NotFound` if the folder is not live, `TreeError::NotAFolder` for a file, and
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn children(
    sql: &mut AnyConnection,
    drive: DriveKey,
    parent: ItemKey,
    which: ListOptions,
) -> Result<Vec<Node>> {
    let text = children_in_order(which.order, which.descending);
    let (limit, offset) = limit_and_offset(&which);
    let query = sqlx::query_as(text).bind(drive).bind(parent).bind(limit).bind(offset);
    let nodes = bind_place(query, which.order, which.after).fetch_all(&mut *sql).await?;
    if nodes.is_empty() {
        folder(sql, drive, parent).await?;
    }
    Ok(nodes)
}

/// Returns items of the recycle bin, newest first; with `descending` oldest first. See
/// [`Tree::trashed`](super::super::Tree::trashed).
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn trashed(
    sql: &mut AnyConnection,
    drive: DriveKey,
    which: ListOptions,
) -> Result<Vec<Node>> {
    // An item does not change in the recycle bin, so its feed number is that of its deletion.
    let text = if which.descending {
        select_trashed!("i.feed > $5", "i.feed")
    } else {
        select_trashed!("i.feed < $5", "i.feed DESC")
    };
    let (limit, offset) = limit_and_offset(&which);
    let query: ReadQuery = sqlx::query_as(text).bind(drive).bind(limit).bind(offset);
    let query = query.bind(i64::from(which.after.is_some()));
    Ok(query.bind(which.after.map_or(0, |key| key.number)).fetch_all(sql).await?)
}

/// Returns at most `limit` live items below the folder `top` whose rank is above `after`, parents
/// before children, and the rank of the last one as the cursor of the next page; `None` on the last
/// page.
///
/// # Errors
/// `TreeError::NotFound` if the folder is not live, `TreeError::NotAFolder` for a file, and
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn below(
    sql: &mut AnyConnection,
    drive: DriveKey,
    top: ItemKey,
    after: i64,
    limit: u64,
) -> Result<(Vec<Node>, Option<i64>)> {
    let text = if top == ROOT { BELOW_ROOT } else { BELOW };
    let mut query: ReadQuery<RankedNode> =
        sqlx::query_as(text).bind(drive).bind(after).bind(signed(limit.saturating_add(1)));
    if top != ROOT {
        query = query.bind(top);
    }
    let mut rows = query.fetch(&mut *sql);
    let (mut nodes, mut last, mut more) = (Vec::new(), after, false);
    while let Some(row) = rows.try_next().await? {
        more = nodes.len() as u64 == limit;
        if !more {
            last = row.rank;
            nodes.push(row.node);
        }
    }
    drop(rows);
    if nodes.is_empty() {
        folder(sql, drive, top).await?;
    }
    Ok((nodes, more.then_some(last)))
}

/// Returns at most `limit` items of any state in a part of the feed, in the feed's order.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn changes(
    sql: &mut AnyConnection,
    drive: DriveKey,
    range: FeedRange,
    limit: u64,
) -> Result<Vec<Node>> {
    let query = sqlx::query_as(CHANGES).bind(drive).bind(range.after).bind(signed(limit));
    Ok(query.bind(range.end).bind(range.changed_since).fetch_all(sql).await?)
}

/// Returns the last feed number of a drive before all changes after a time, in microseconds since
/// 1970. Changes of folders that only move or rename them do not count.
///
/// # Errors
/// `TreeError::NotFound` if the drive does not exist, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn feed_at(sql: &mut AnyConnection, drive: DriveKey, time: i64) -> Result<i64> {
    let feed: Option<i64> =
        sqlx::query_scalar(FEED_AT).bind(drive).bind(time).fetch_one(sql).await?;
    feed.ok_or(TreeError::NotFound)
}
