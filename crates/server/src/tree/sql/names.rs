//! Names in a folder: lookup, validation, and free names.

use std::collections::HashSet;

use super::{
    super::{DriveKey, ItemKey, ItemState, NameFolding, Node, NodeKind, Result, TreeError},
    row,
    writer::Tx,
};

/// An SQL expression for the folded form of a name. It selects one of two parameters by the folding of
/// the drive `$1`; [`folds`] returns their values.
macro_rules! folded {
    ($consumer:literal, $sharepoint:literal) => {
        concat!(
            "CASE (SELECT f.folding FROM drive f WHERE f.no = $1) WHEN 2 THEN CAST(",
            $sharepoint,
            " AS TEXT) ELSE CAST(",
            $consumer,
            " AS TEXT) END"
        )
    };
}
pub(super) use folded;

/// Returns the folded forms of a name: that of consumer drives, then that of SharePoint. Statements
/// select one by the drive's folding.
pub(super) fn folds(name: &str) -> (String, String) {
    (NameFolding::Consumer.fold(name), NameFolding::SharePoint.fold(name))
}

/// Returns how a drive folds names.
///
/// # Errors
/// `TreeError::NotFound` if the drive does not exist, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn folding(tx: &mut Tx, drive: DriveKey) -> Result<NameFolding> {
    let code: Option<i64> =
        sqlx::query_scalar("SELECT CAST(folding AS BIGINT) FROM drive WHERE no = $1")
            .bind(drive)
            .fetch_optional(tx.sql())
            .await?;
    Ok(row::folding(code.ok_or(TreeError::NotFound)?)?)
}

/// Returns whether a drive treats two names as the same.
///
/// # Errors
/// `TreeError::NotFound` if the drive does not exist, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn is_same(tx: &mut Tx, drive: DriveKey, one: &str, other: &str) -> Result<bool> {
    if one == other {
        return Ok(true);
    }
    let folding = folding(tx, drive).await?;
    Ok(folding.fold(one) == folding.fold(other))
}

/// A name in a folder, and the quota of the drive.
pub(super) struct NameSlot {
    /// The item that has the name.
    pub occupant: Option<(ItemKey, NodeKind)>,
    /// The drive's quota in bytes.
    pub quota: i64,
    /// The drive's used bytes.
    pub used: i64,
}

/// Verifies that a tree can store a name.
///
/// # Errors
/// [`TreeError::BadName`] if it is empty, or has a slash or a NUL character.
pub(super) fn check(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(TreeError::BadName("it is empty"));
    }
    if name.contains('/') {
        return Err(TreeError::BadName("it contains a slash"));
    }
    if name.contains('\0') {
        return Err(TreeError::BadName("it contains a NUL character"));
    }
    Ok(())
}

/// Looks up a name in a live folder.
///
/// # Errors
/// [`TreeError::NotFound`] if the folder is not live, [`TreeError::NotAFolder`] if it is a file,
/// and [`TreeError::Storage`] if the database cannot be read.
pub(super) async fn slot(
    tx: &mut Tx,
    drive: DriveKey,
    folder: ItemKey,
    name: &str,
) -> Result<NameSlot> {
    let (consumer, sharepoint) = folds(name);
    type Found = (i64, i64, i64, i64, Option<ItemKey>, Option<i64>);
    let found: Option<Found> = sqlx::query_as(concat!(
        "SELECT p.kind, p.state, d.quota, r.size + d.version_bytes AS used, o.no, o.kind AS its_kind \
         FROM item p JOIN drive d ON d.no = p.drive JOIN item r ON r.drive = p.drive AND r.no = 100 \
         LEFT JOIN edge e ON e.drive = p.drive AND e.parent = p.no AND e.folded = ",
        folded!("$3", "$4"),
        " AND e.live = 1 LEFT JOIN item o ON o.drive = e.drive AND o.no = e.item \
         WHERE p.drive = $1 AND p.no = $2 ORDER BY o.no LIMIT 1",
    ))
    .bind(drive)
    .bind(folder)
    .bind(consumer)
    .bind(sharepoint)
    .fetch_optional(tx.sql())
    .await?;
    let (kind, state, quota, used, occupant, its_kind) = found.ok_or(TreeError::NotFound)?;
    if row::state(state)? != ItemState::Live {
        return Err(TreeError::NotFound);
    }
    if row::kind(kind)? != NodeKind::Folder {
        return Err(TreeError::NotAFolder(folder));
    }
    let occupant = match (occupant, its_kind) {
        (Some(no), Some(kind)) => Some((no, row::kind(kind)?)),
        _ => None,
    };
    Ok(NameSlot { occupant, quota, used })
}

impl NameSlot {
    /// Verifies that `bytes` more fit into the drive's quota. Zero and less always fit.
    ///
    /// # Errors
    /// [`TreeError::QuotaExceeded`] if they do not fit.
    pub(super) fn admit(&self, bytes: i64) -> Result<()> {
        if bytes > 0 && self.used.saturating_add(bytes) > self.quota {
            return Err(TreeError::QuotaExceeded);
        }
        Ok(())
    }
}

/// Returns the first of `name 1.ext`, `name 2.ext`, … that is free in all of the folders. Only a
/// file's name has an extension.
///
/// # Errors
/// `TreeError::NotFound` if the drive does not exist, and `TreeError::Storage` if the database
/// cannot be read.
pub(super) async fn find_free(
    tx: &mut Tx,
    drive: DriveKey,
    folders: &[ItemKey],
    name: &str,
    kind: NodeKind,
) -> Result<String> {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if kind == NodeKind::File && !stem.is_empty() => {
            (stem, format!(".{extension}"))
        }
        _ => (name, String::new()),
    };
    let folding = folding(tx, drive).await?;
    let mut taken = HashSet::new();
    for folder in folders {
        // `!` is the next code point after the space: the range has all names with this prefix.
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT folded FROM edge WHERE drive = $1 AND parent = $2 AND live = 1 \
             AND folded > $3 AND folded < $4",
        )
        .bind(drive)
        .bind(folder)
        .bind(folding.fold(&format!("{stem} ")))
        .bind(folding.fold(&format!("{stem}!")))
        .fetch_all(tx.sql())
        .await?;
        taken.extend(names);
    }
    let mut number = 1u64;
    loop {
        let candidate = format!("{stem} {number}{extension}");
        if !taken.contains(&folding.fold(&candidate)) {
            return Ok(candidate);
        }
        number += 1;
    }
}

/// Returns whether the rank of a folder of the item is not below the item's rank, so that a listing
/// would have the item before its folder.
///
/// # Errors
/// `TreeError::Storage` if the database cannot be read.
pub(super) async fn is_outranked(tx: &mut Tx, node: &Node) -> Result<bool> {
    let above: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM edge e JOIN item p ON p.drive = e.drive AND p.no = e.parent \
         JOIN item i ON i.drive = e.drive AND i.no = e.item \
         WHERE e.drive = $1 AND e.item = $2 AND e.live = 1 AND p.rank >= i.rank",
    )
    .bind(node.drive)
    .bind(node.no)
    .fetch_one(tx.sql())
    .await?;
    Ok(above > 0)
}

/// Inserts the edge to an item from a folder in the recycle bin, unless the name is taken there.
/// Returns whether it was inserted.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn insert_edge_from_trashed(
    tx: &mut Tx,
    node: &Node,
    folder: ItemKey,
) -> Result<bool> {
    let (consumer, sharepoint) = folds(&node.name);
    let kept = sqlx::query(concat!(
        "INSERT INTO edge (drive, item, parent, folded, twin, live) \
         SELECT $1, $2, $3, n.folded, 0, 1 FROM (SELECT ",
        folded!("$4", "$5"),
        " AS folded) n WHERE NOT EXISTS (SELECT 1 FROM edge x WHERE x.drive = $1 \
         AND x.parent = $3 AND x.folded = n.folded AND x.live = 1) ON CONFLICT DO NOTHING",
    ))
    .bind(node.drive)
    .bind(node.no)
    .bind(folder)
    .bind(consumer)
    .bind(sharepoint)
    .execute(tx.sql())
    .await?;
    Ok(kept.rows_affected() > 0)
}
