//! Rows to nodes, and the values of columns.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{Row, any::AnyRow};

use super::{
    super::{Content, DriveInfo, Hashes, NameFolding, Node, NodeKind, OnConflict, Result, State},
    failure::storage,
};

/// A query for nodes: `FROM` some tables, among them `item i`, and what follows.
///
/// `others` are the further folders of an item with several; of a live one only those that are
/// live themselves.
macro_rules! select_nodes {
    ($from:literal, $($rest:tt)*) => {
        concat!(
            "SELECT i.drive, i.no, i.name, i.parent, i.kind, i.state, i.size, i.children, \
             i.media_type, i.description, i.created, i.modified, i.client_created, \
             i.client_modified, i.version, i.content_version, i.feed, i.owner, i.facets, \
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

/// Which column of [`select_nodes`] is `rank`.
const RANK: usize = 21;

/// A node of a row of [`select_nodes`].
pub(super) fn node(row: &AnyRow) -> Result<Node> {
    let kind = kind(row.try_get(4)?)?;
    let name: String = row.try_get(2)?;
    let size = unsigned(row.try_get(6)?);
    let given: Option<String> = row.try_get(8)?;
    let facets: Option<String> = row.try_get(18)?;
    Ok(Node {
        drive: row.try_get(0)?,
        no: row.try_get(1)?,
        parents: parents(row.try_get(3)?, row.try_get(22)?)?,
        kind,
        state: state(row.try_get(5)?)?,
        content: content(row, size)?,
        size,
        children: unsigned(row.try_get(7)?),
        media_type: media_type(given, kind, &name),
        name,
        description: row.try_get(9)?,
        created: time(row.try_get(10)?)?,
        modified: time(row.try_get(11)?)?,
        client_created: time(row.try_get(12)?)?,
        client_modified: time(row.try_get(13)?)?,
        version: row.try_get(14)?,
        content_version: row.try_get(15)?,
        feed: row.try_get(16)?,
        owner: row.try_get(17)?,
        facets: match facets {
            Some(text) => serde_json::from_str(&text).map_err(storage)?,
            None => serde_json::Map::new(),
        },
    })
}

/// The rank of a row of [`select_nodes`].
pub(super) fn rank(row: &AnyRow) -> Result<i64> {
    Ok(row.try_get(RANK)?)
}

/// A drive of a row of `no, name, cid, quota, used, feed, created`.
pub(super) fn drive(row: &AnyRow) -> Result<DriveInfo> {
    Ok(DriveInfo {
        no: row.try_get(0)?,
        name: row.try_get(1)?,
        cid: row.try_get(2)?,
        quota: unsigned(row.try_get(3)?),
        used: unsigned(row.try_get(4)?),
        feed: row.try_get(5)?,
        created: time(row.try_get(6)?)?,
    })
}

fn parents(primary: Option<i64>, others: Option<String>) -> Result<Vec<i64>> {
    let mut parents = Vec::from_iter(primary);
    for other in others.iter().flat_map(|others| others.split(',')) {
        parents.push(other.parse().map_err(storage)?);
    }
    Ok(parents)
}

fn content(row: &AnyRow, size: u64) -> Result<Option<Content>> {
    let (no, hashes): (Option<i64>, Option<String>) = (row.try_get(19)?, row.try_get(20)?);
    match (no, hashes) {
        (Some(no), Some(text)) => {
            let facts: Option<String> = row.try_get(23)?;
            let media = facts.map(|facts| serde_json::from_str(&facts)).transpose();
            let media = media.map_err(storage)?.map(Arc::new);
            Ok(Some(Content { no, size, hashes: hashes_of(&text)?, media }))
        }
        _ => Ok(None),
    }
}

/// A file's media type: the one that was given, else by its name.
pub(super) fn media_type(given: Option<String>, kind: NodeKind, name: &str) -> Option<String> {
    match kind {
        NodeKind::File => Some(
            given
                .unwrap_or_else(|| mime_guess::from_path(name).first_or_octet_stream().to_string()),
        ),
        NodeKind::Folder | NodeKind::Notebook => given,
    }
}

/// MD5, SHA-1, SHA-256 and quickXorHash, one after the other.
pub(super) fn text_of(hashes: &Hashes) -> String {
    let all: [&[u8]; 4] = [&hashes.md5, &hashes.sha1, &hashes.sha256, &hashes.quick_xor];
    hex::encode(all.concat())
}

/// The hashes in a text of [`text_of`].
pub(super) fn hashes_of(text: &str) -> Result<Hashes> {
    let mut all = [0; 88];
    hex::decode_to_slice(text, &mut all).map_err(storage)?;
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

/// Facets as they are kept: none at all where there are none.
pub(super) fn text_of_facets(
    facets: &serde_json::Map<String, serde_json::Value>,
) -> Option<String> {
    (!facets.is_empty()).then(|| serde_json::to_string(facets).unwrap_or_default())
}

/// What the tree counts in 64 bits; the database has one less, so nothing larger can be kept.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count of the database.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A time of the database.
pub(super) fn time(microseconds: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(microseconds).map_err(storage)
}

pub(super) fn kind_code(kind: NodeKind) -> i64 {
    match kind {
        NodeKind::Folder => 0,
        NodeKind::File => 1,
        NodeKind::Notebook => 2,
    }
}

pub(super) fn kind(code: i64) -> Result<NodeKind> {
    match code {
        0 => Ok(NodeKind::Folder),
        1 => Ok(NodeKind::File),
        2 => Ok(NodeKind::Notebook),
        _ => Err(storage(format!("there is no kind {code}"))),
    }
}

pub(super) fn state(code: i64) -> Result<State> {
    match code {
        0 => Ok(State::Live),
        1 => Ok(State::Trashed),
        2 => Ok(State::Hidden),
        3 => Ok(State::Purged),
        _ => Err(storage(format!("there is no state {code}"))),
    }
}

pub(super) fn folding(code: i64) -> Result<NameFolding> {
    [NameFolding::Consumer, NameFolding::SharePoint]
        .into_iter()
        .find(|folding| folding.code() == code)
        .ok_or_else(|| storage(format!("there is no folding {code}")))
}

pub(super) fn on_conflict_code(on_conflict: OnConflict) -> i64 {
    match on_conflict {
        OnConflict::Replace => 0,
        OnConflict::Fail => 1,
        OnConflict::Rename => 2,
    }
}

pub(super) fn on_conflict(code: i64) -> Result<OnConflict> {
    match code {
        0 => Ok(OnConflict::Replace),
        1 => Ok(OnConflict::Fail),
        2 => Ok(OnConflict::Rename),
        _ => Err(storage(format!("there is no behaviour {code}"))),
    }
}
