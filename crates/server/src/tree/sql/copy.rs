//! Copies items. The copies share the contents of the originals.

use serde_json::{Map, Value};

use super::{
    super::{
        DriveKey, ItemCopy, ItemKey, NewItem, Node, NodeKind, OnConflict, ROOT, Result, TreeError,
    },
    contents::{self, NewContent},
    failure::storage,
    folders::{take_numbers, touch},
    items::{self, NO_TWIN, insert_edge, now},
    names, read,
    row::{signed, text_of_facets},
    search_index, subtree, versions,
    writer::Tx,
};

/// Copies all collected items: the item at `seq` gets the key `$2 + seq`. If its primary folder is not
/// copied, the first copied one of its folders is the primary folder of the copy.
const COPY_ITEMS: &str = "INSERT INTO item (drive, no, name, parent, kind, state, content, size, \
    children, media_type, description, created, modified, client_created, client_modified, \
    version, content_version, feed, rank, facets) \
    SELECT $7, $2 + s.seq, \
    CASE WHEN s.seq = 1 THEN CAST($3 AS TEXT) ELSE i.name END, \
    CASE WHEN s.seq = 1 THEN CAST($4 AS BIGINT) ELSE $2 + COALESCE(p.seq, \
    (SELECT min(o.seq) FROM edge e JOIN subtree o ON o.item = e.parent \
    WHERE e.drive = i.drive AND e.item = i.no AND e.live = 1)) END, \
    i.kind, 0, i.content, CASE WHEN i.kind = 0 THEN 0 ELSE i.size END, i.children, \
    i.media_type, i.description, $5, $5, $5, $5, 1, 1, $6 + s.seq, $6 + s.seq, i.facets \
    FROM subtree s CROSS JOIN item i LEFT JOIN subtree p ON p.item = i.parent \
    WHERE i.drive = $1 AND i.no = s.item";

const COPY_EDGES: &str = "INSERT INTO edge (drive, item, parent, folded, twin, live) \
    SELECT $3, $2 + s.seq, $2 + p.seq, e.folded, \
    CASE WHEN e.twin = 0 THEN 0 ELSE $2 + s.seq END, 1 \
    FROM subtree s CROSS JOIN edge e CROSS JOIN subtree p \
    WHERE s.seq > 1 AND e.drive = $1 AND e.item = s.item AND e.live = 1 AND p.item = e.parent";

const SHARE_CONTENTS: &str = "UPDATE content SET refs = refs + x.n FROM ( \
    SELECT i.content AS no, count(*) AS n FROM subtree s CROSS JOIN item i \
    WHERE i.drive = $1 AND i.no = s.item AND i.content IS NOT NULL GROUP BY i.content) x \
    WHERE content.no = x.no";

/// Sets the sizes of copied folders by the copied files below them. The size of an original may differ:
/// it counts only files whose primary folder is below it.
const SIZE_FOLDERS: &str = "UPDATE item SET size = x.size FROM ( \
    WITH RECURSIVE up(no, size) AS ( \
    SELECT i.parent, i.size FROM item i \
    WHERE i.drive = $1 AND i.no > $2 + 1 AND i.no <= $2 + $3 AND i.kind <> 0 \
    UNION ALL SELECT i.parent, up.size FROM up CROSS JOIN item i \
    WHERE i.drive = $1 AND i.no = up.no AND up.no > $2 + 1) \
    SELECT no, CAST(sum(size) AS BIGINT) AS size FROM up GROUP BY no) x \
    WHERE item.drive = $1 AND item.no > $2 AND item.no <= $2 + $3 AND item.no = x.no";

/// Counts the children of copied folders. Those of an original may be more: some are not copied.
const COUNT_CHILDREN: &str = "UPDATE item SET children = (SELECT count(*) FROM edge e \
    WHERE e.drive = item.drive AND e.parent = item.no AND e.live = 1) \
    WHERE drive = $1 AND no > $2 AND no <= $2 + $3 AND kind = 0";

/// Copies an item, and everything below it, to a folder. The copies share the contents of the
/// originals.
///
/// # Errors
/// `TreeError::Root` for the root folder; `NotFound` if the item or the folder is not live;
/// `NotAFolder` if `to` is a file; `BadName`; `NameTaken` if the name is taken and may not be
/// replaced or changed; that of [`ItemCopy::guard`]; `QuotaExceeded`; `Storage` and `NoRoom` if the database fails, and `Storage`
/// if the drives compare names differently.
pub(super) async fn copy(tx: &mut Tx, copy: ItemCopy) -> Result<Node> {
    let ItemCopy { drive, item, to_drive, to, ref name, on_conflict, ref guard, .. } = copy;
    if item == ROOT {
        return Err(TreeError::Root);
    }
    if drive != to_drive && names::folding(tx, drive).await? != names::folding(tx, to_drive).await?
    {
        return Err(storage("cannot copy to a drive that compares names differently"));
    }
    let from = read::node(tx.sql(), drive, item).await?;
    let mut name = name.clone().unwrap_or_else(|| from.name.clone());
    names::check(&name)?;
    let slot = names::slot(tx, to_drive, to, &name).await?;
    if let Some((occupant, occupant_kind)) = slot.occupant {
        match on_conflict {
            OnConflict::Replace
                if (from.kind, occupant_kind) == (NodeKind::File, NodeKind::File) =>
            {
                return copy_over(tx, from, occupant, copy).await;
            }
            OnConflict::Replace | OnConflict::Fail => return Err(TreeError::NameTaken(occupant)),
            OnConflict::Rename => {
                name = names::find_free(tx, to_drive, &[to], &name, from.kind).await?
            }
        }
    }
    guard.check(None)?;
    let gathered = subtree::gather_without(tx, drive, item, &copy.excluded).await?;
    let (feed, first) = take_numbers(tx, to_drive, gathered, gathered).await?;
    let base = first.0 - 1;
    sqlx::query(COPY_ITEMS)
        .bind(drive)
        .bind(base)
        .bind(name.clone())
        .bind(to)
        .bind(now().as_microsecond())
        .bind(feed - 1)
        .bind(to_drive)
        .execute(tx.sql())
        .await?;
    sqlx::query(SHARE_CONTENTS).bind(drive).execute(tx.sql()).await?;
    if gathered > 1 {
        sqlx::query(COPY_EDGES).bind(drive).bind(base).bind(to_drive).execute(tx.sql()).await?;
        let sized = sqlx::query(SIZE_FOLDERS).bind(to_drive).bind(base).bind(gathered);
        sized.execute(tx.sql()).await?;
        search_index::copy_gathered(tx, drive, to_drive, base).await?;
    }
    if !copy.excluded.is_empty() {
        let counted = sqlx::query(COUNT_CHILDREN).bind(to_drive).bind(base).bind(gathered);
        counted.execute(tx.sql()).await?;
    }
    drop_facets(tx, to_drive, [first.0, base + gathered], copy.dropped).await?;
    search_index::add(tx.sql(), to_drive, first, &name).await?;
    insert_edge(tx.sql(), to_drive, first, to, &name, NO_TWIN).await?;
    let copied = read::node(tx.sql(), to_drive, first).await?;
    let version_bytes = match copy.with_versions {
        true => versions::copy_gathered(tx, drive, to_drive, base).await?,
        false => 0,
    };
    slot.admit(signed(copied.size) + version_bytes)?;
    touch(tx, to_drive, to, signed(copied.size), 1).await?;
    read::node(tx.sql(), to_drive, first).await
}

/// Removes facets of copied items. `first` and `last` are the first and the last of their keys.
///
/// # Errors
/// `TreeError::Storage` if the database fails or facets are malformed, and `TreeError::NoRoom` if its
/// disk is full.
async fn drop_facets(
    tx: &mut Tx,
    drive: DriveKey,
    [first, last]: [i64; 2],
    dropped: &[(&str, Option<&str>)],
) -> Result<()> {
    for (facet, member) in dropped {
        let found: Vec<(ItemKey, String)> = sqlx::query_as(
            "SELECT no, facets FROM item WHERE drive = $1 AND no >= $2 AND no <= $3 \
             AND facets LIKE $4",
        )
        .bind(drive)
        .bind(first)
        .bind(last)
        .bind(format!("%\"{}\"%", member.unwrap_or(facet)))
        .fetch_all(tx.sql())
        .await?;
        for (item, text) in found {
            let mut facets: Map<String, Value> = serde_json::from_str(&text).map_err(storage)?;
            match (member, facets.get_mut(*facet)) {
                (None, _) => drop(facets.remove(*facet)),
                (Some(member), Some(Value::Object(members))) => drop(members.remove(*member)),
                (Some(_), _) => {}
            }
            let update = sqlx::query("UPDATE item SET facets = $3 WHERE drive = $1 AND no = $2");
            let update = update.bind(drive).bind(item).bind(text_of_facets(&facets));
            update.execute(tx.sql()).await?;
        }
    }
    Ok(())
}

/// Replaces the bytes of the file `over` in the target drive of a copy by those of the file `from`.
///
/// # Errors
/// `TreeError::NotAFile` if either is not a file, that of [`ItemCopy::guard`], `QuotaExceeded`,
/// `NotFound` if `over` is not live, and `Storage` and `NoRoom` if the database fails.
async fn copy_over(tx: &mut Tx, from: Node, over: ItemKey, copy: ItemCopy) -> Result<Node> {
    let ItemCopy { to_drive, max_versions, guard, .. } = copy;
    let content = from.content.ok_or(TreeError::NotAFile(from.no))?;
    contents::share(tx, content.no).await?;
    let media_type = from.media_type;
    let new = NewItem { media_type, max_versions, guard, ..NewItem::default() };
    let precondition = super::super::Precondition::Any;
    items::overwrite(tx, to_drive, over, NewContent::Counted(content), new, precondition).await
}
