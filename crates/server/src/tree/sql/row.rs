//! Conversions between rows and values: nodes, times, codes and hashes.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{FromRow, Row, any::AnyRow, error::BoxDynError};

use super::super::{
    Content, DriveInfo, Hashes, ItemKey, ItemState, NameFolding, Node, NodeKind, OnConflict,
};

/// A query for nodes. The first literal is the `FROM` clause, which has `item i`; the others follow it.
///
/// The column `others` has the further folders of an item that is in several; for a live item, only
/// the live ones.
macro_rules! select_nodes {
    ($from:literal, $($rest:tt)*) => {
        concat!(
            "SELECT i.drive, i.no, i.name, i.parent, i.kind, i.state, i.size, i.children, \
             i.media_type, i.description, i.created, i.modified, i.client_created, \
             i.client_modified, i.version, i.content_version, i.revision, i.feed, i.owner, i.facets, \
             i.content, c.hashes, i.rank, \
             (SELECT string_agg(CAST(o.parent AS TEXT), ',' ORDER BY o.parent) \
              FROM edge o JOIN item p ON p.drive = o.drive AND p.no = o.parent \
              WHERE o.drive = i.drive AND o.item = i.no AND o.parent <> i.parent \
              AND (i.state <> 0 OR p.state = 0)) AS others, \
             m.facts \
             FROM ",
            $from,
            " LEFT JOIN content c ON c.no = i.content LEFT JOIN media m ON m.content = i.content ",
            $($rest)*
        )
    };
}
pub(super) use select_nodes;

impl FromRow<'_, AnyRow> for Node {
    /// Reads the columns of `select_nodes`.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let kind = kind(row.try_get("kind")?)?;
        let name: String = row.try_get("name")?;
        let size = unsigned(row.try_get("size")?);
        let facets: Option<String> = row.try_get("facets")?;
        Ok(Self {
            drive: row.try_get("drive")?,
            no: row.try_get("no")?,
            parents: parents(row.try_get("parent")?, row.try_get("others")?)?,
            kind,
            state: state(row.try_get("state")?)?,
            content: content(row, size)?,
            size,
            children: unsigned(row.try_get("children")?),
            media_type: media_type(row.try_get("media_type")?, kind, &name),
            name,
            description: row.try_get("description")?,
            created: time(row.try_get("created")?)?,
            modified: time(row.try_get("modified")?)?,
            client_created: time(row.try_get("client_created")?)?,
            client_modified: time(row.try_get("client_modified")?)?,
            version: row.try_get("version")?,
            content_version: row.try_get("content_version")?,
            revision: row.try_get("revision")?,
            feed: row.try_get("feed")?,
            owner: row.try_get("owner")?,
            facets: match facets {
                Some(text) => serde_json::from_str(&text).map_err(malformed)?,
                None => serde_json::Map::new(),
            },
        })
    }
}

/// A node and its rank.
pub(super) struct RankedNode {
    pub node: Node,
    pub rank: i64,
}

impl FromRow<'_, AnyRow> for RankedNode {
    /// Reads the columns of a node, and `rank`.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self { node: Node::from_row(row)?, rank: row.try_get("rank")? })
    }
}

impl FromRow<'_, AnyRow> for DriveInfo {
    /// Reads the columns of `select_drive`.
    ///
    /// # Errors
    /// `sqlx::Error` if a column is absent or its value is malformed.
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            no: row.try_get("no")?,
            cid: row.try_get("cid")?,
            quota: unsigned(row.try_get("quota")?),
            used: unsigned(row.try_get("used")?),
            feed: row.try_get("feed")?,
            created: time(row.try_get("created")?)?,
        })
    }
}

/// Returns the error for a value that the column must not have.
pub(super) fn malformed(error: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

/// Returns an item's folders: the primary one, then those of `others`, keys separated by commas.
///
/// # Errors
/// `sqlx::Error` if a key is malformed.
fn parents(primary: Option<ItemKey>, others: Option<String>) -> sqlx::Result<Vec<ItemKey>> {
    let mut parents = Vec::from_iter(primary);
    for other in others.iter().flat_map(|others| others.split(',')) {
        parents.push(other.parse().map_err(malformed)?);
    }
    Ok(parents)
}

/// Reads the columns of an item's content; `None` if the item has none, as a folder. `size` is the
/// item's size in bytes.
///
/// # Errors
/// `sqlx::Error` if a column is absent or its value is malformed.
pub(super) fn content(row: &AnyRow, size: u64) -> sqlx::Result<Option<Content>> {
    let no: Option<i64> = row.try_get("content")?;
    let hashes: Option<Vec<u8>> = row.try_get("hashes")?;
    match (no, hashes) {
        (Some(no), Some(hashes)) => {
            let facts: Option<String> = row.try_get("facts")?;
            let media = facts.map(|facts| serde_json::from_str(&facts)).transpose();
            let media = media.map_err(malformed)?.map(Arc::new);
            Ok(Some(Content { no, size, hashes: hashes_from_bytes(&hashes)?, media }))
        }
        _ => Ok(None),
    }
}

/// Returns the media type of an item: `given`, or a guess from the name. `None` for a folder
/// without one.
pub(super) fn media_type(given: Option<String>, kind: NodeKind, name: &str) -> Option<String> {
    match kind {
        NodeKind::File => Some(
            given
                .unwrap_or_else(|| mime_guess::from_path(name).first_or_octet_stream().to_string()),
        ),
        NodeKind::Folder | NodeKind::Notebook => given,
    }
}

/// Bytes of all hashes of a content in the column `content.hashes`.
pub(super) const HASHES: usize = 88;

/// Returns the value of the column `content.hashes`: MD5, SHA-1, SHA-256 and quickXorHash, in this
/// order.
pub(super) fn bytes_from_hashes(hashes: &Hashes) -> Vec<u8> {
    let all: [&[u8]; 4] = [&hashes.md5, &hashes.sha1, &hashes.sha256, &hashes.quick_xor];
    all.concat()
}

/// Parses a value of [`bytes_from_hashes`].
///
/// # Errors
/// [`sqlx::Error::Decode`] if it does not have [`HASHES`] bytes.
pub(super) fn hashes_from_bytes(stored: &[u8]) -> sqlx::Result<Hashes> {
    let all: &[u8; HASHES] = stored.try_into().map_err(malformed)?;
    let mut hashes = Hashes::default();
    let (md5, rest) = all.split_at(16);
    let (sha1, rest) = rest.split_at(20);
    let (sha256, quick_xor) = rest.split_at(32);
    hashes.md5.copy_from_slice(md5);
    hashes.sha1.copy_from_slice(sha1);
    hashes.sha256.copy_from_slice(sha256);
    hashes.quick_xor.copy_from_slice(quick_xor);
    Ok(hashes)
}

/// Returns the value of the column `item.facets`; `None` for no facets.
pub(super) fn text_of_facets(
    facets: &serde_json::Map<String, serde_json::Value>,
) -> Option<String> {
    (!facets.is_empty()).then(|| serde_json::to_string(facets).unwrap_or_default())
}

/// Converts a count to the database's signed integers. Larger values become the maximum.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Converts a count of the database. Negative values become 0.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Converts a time of the database.
///
/// # Errors
/// [`sqlx::Error::Decode`] if it is out of range.
pub(super) fn time(microseconds: i64) -> sqlx::Result<Timestamp> {
    Timestamp::from_microsecond(microseconds).map_err(malformed)
}

/// Returns the number of a kind in the column `item.kind`.
pub(super) fn kind_code(kind: NodeKind) -> i64 {
    match kind {
        NodeKind::Folder => 0,
        NodeKind::File => 1,
        NodeKind::Notebook => 2,
    }
}

/// Returns the kind for a number of [`kind_code`].
///
/// # Errors
/// `sqlx::Error::Decode` for an unknown number.
pub(super) fn kind(code: i64) -> sqlx::Result<NodeKind> {
    match code {
        0 => Ok(NodeKind::Folder),
        1 => Ok(NodeKind::File),
        2 => Ok(NodeKind::Notebook),
        _ => Err(malformed(format!("unknown kind {code}"))),
    }
}

/// Returns the state for a number in the column `item.state`.
///
/// # Errors
/// `sqlx::Error::Decode` for an unknown number.
pub(super) fn state(code: i64) -> sqlx::Result<ItemState> {
    match code {
        0 => Ok(ItemState::Live),
        1 => Ok(ItemState::Trashed),
        2 => Ok(ItemState::Hidden),
        3 => Ok(ItemState::Purged),
        _ => Err(malformed(format!("unknown state {code}"))),
    }
}

/// Returns the folding for a number of [`NameFolding::code`].
///
/// # Errors
/// `sqlx::Error::Decode` for an unknown number.
pub(super) fn folding(code: i64) -> sqlx::Result<NameFolding> {
    [NameFolding::Consumer, NameFolding::SharePoint]
        .into_iter()
        .find(|folding| folding.code() == code)
        .ok_or_else(|| malformed(format!("unknown folding {code}")))
}

/// Returns the number of a conflict behaviour in the column `session.on_conflict`.
pub(super) fn on_conflict_code(on_conflict: OnConflict) -> i64 {
    match on_conflict {
        OnConflict::Replace => 0,
        OnConflict::Fail => 1,
        OnConflict::Rename => 2,
    }
}

/// Returns the conflict behaviour for a number of [`on_conflict_code`].
///
/// # Errors
/// `sqlx::Error::Decode` for an unknown number.
pub(super) fn on_conflict(code: i64) -> sqlx::Result<OnConflict> {
    match code {
        0 => Ok(OnConflict::Replace),
        1 => Ok(OnConflict::Fail),
        2 => Ok(OnConflict::Rename),
        _ => Err(malformed(format!("unknown conflict behaviour {code}"))),
    }
}
