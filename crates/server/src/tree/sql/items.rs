//! Creates items, and replaces the bytes of files.

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::{
    super::{
        ChildName, Content, DriveKey, ItemKey, ItemState, NewItem, Node, NodeKind, OnConflict,
        Precondition, Result, TreeError, VERSION_COMMENT, Written,
    },
    contents::{self, NewContent},
    folders::{next_feed, take_numbers, touch},
    names::{self, NameSlot, folded},
    read,
    row::{kind_code, media_type, signed, text_of_facets},
    search_index, versions,
    writer::Tx,
};

/// The location of a new item.
pub(super) struct To {
    pub drive: DriveKey,
    pub folder: ItemKey,
    pub name: String,
}

impl From<ChildName<'_>> for To {
    /// Copies the name.
    fn from(at: ChildName<'_>) -> Self {
        Self { drive: at.drive, folder: at.folder, name: at.name.to_owned() }
    }
}

/// Returns the current time in the precision of the database, microseconds.
pub(super) fn now() -> Timestamp {
    let now = crate::account_scope::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Truncates a time to the precision of the database, microseconds.
pub(super) fn truncate_time(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

impl Precondition {
    /// Verifies that a node meets the precondition.
    ///
    /// # Errors
    /// [`TreeError::Changed`] if it has another version.
    pub(super) fn check(self, node: &Node) -> Result<()> {
        let holds = match self {
            Self::Any => true,
            Self::Version(version) => node.version == version,
            Self::ContentVersion(version) => node.content_version == version,
        };
        if holds { Ok(()) } else { Err(TreeError::Changed) }
    }
}

/// Creates a folder or a notebook, and the missing folders of [`NewItem::folders`] above it. With
/// [`OnConflict::Replace`] an existing item of that kind is returned unchanged.
///
/// # Errors
/// `TreeError::NotFound` or `NotAFolder` for the parent; `BadName`; `NameTaken` if another item has
/// the name; `Storage` for a file, or if the database fails; `NoRoom` if its disk is full.
pub(super) async fn make(
    tx: &mut Tx,
    mut to: To,
    kind: NodeKind,
    mut new: NewItem,
    on_conflict: OnConflict,
) -> Result<Written> {
    to.folder = innermost(tx, to.drive, to.folder, std::mem::take(&mut new.folders)).await?;
    make_in(tx, to, kind, new, on_conflict).await
}

/// Returns the last of nested folders with these names, the first of them in `folder`. Missing ones
/// are created. Without names it is `folder`.
///
/// # Errors
/// `TreeError::NotFound` or `NotAFolder` for `folder`, `BadName`, `NameTaken` if a file or a
/// notebook has one of the names, and `Storage` and `NoRoom` if the database fails.
pub(super) async fn innermost(
    tx: &mut Tx,
    drive: DriveKey,
    mut folder: ItemKey,
    names: Vec<String>,
) -> Result<ItemKey> {
    for name in names {
        let to = To { drive, folder, name };
        let new = NewItem::default();
        folder = make_in(tx, to, NodeKind::Folder, new, OnConflict::Replace).await?.node.no;
    }
    Ok(folder)
}

/// Creates a folder or a notebook in an existing folder; see [`make`].
///
/// # Errors
/// `TreeError::NotFound` or `NotAFolder` for the parent; `BadName`; `NameTaken` if another item has
/// the name; `Storage` for a file, or if the database fails; `NoRoom` if its disk is full.
async fn make_in(
    tx: &mut Tx,
    mut to: To,
    kind: NodeKind,
    new: NewItem,
    on_conflict: OnConflict,
) -> Result<Written> {
    names::check(&to.name)?;
    if kind == NodeKind::File {
        return Err(TreeError::Storage("cannot create a file without its bytes".into()));
    }
    let slot = names::slot(tx, to.drive, to.folder, &to.name).await?;
    if let Some((occupant, occupant_kind)) = slot.occupant.filter(|_| !new.is_duplicate) {
        match on_conflict {
            OnConflict::Replace if occupant_kind == kind => {
                let node = read::node(tx.sql(), to.drive, occupant).await?;
                return Ok(Written { node, created: false });
            }
            OnConflict::Replace | OnConflict::Fail => return Err(TreeError::NameTaken(occupant)),
            OnConflict::Rename => {
                to.name = names::find_free(tx, to.drive, &[to.folder], &to.name, kind).await?;
            }
        }
    }
    let node = add(tx, to, kind, None, new).await?;
    Ok(Written { node, created: true })
}

/// Creates a file with the name in `to`, in the folder of `to` or in the last of
/// [`NewItem::folders`] below it, which are created if they do not exist. `new` has the other
/// properties. With [`OnConflict::Replace`] the bytes of an existing file are replaced, if it meets
/// the precondition, which holds if there is no file.
///
/// # Errors
/// `TreeError::NotFound` or `NotAFolder` for the parent; `BadName`; `NameTaken` with
/// [`OnConflict::Fail`], or if a file or a notebook has the name of one of [`NewItem::folders`];
/// `NotAFile` if a folder or a notebook is to be replaced; `Changed` if the precondition fails; that of
/// [`NewItem::guard`]; `QuotaExceeded`; `Storage` and `NoRoom` if the database fails.
pub(super) async fn put(
    tx: &mut Tx,
    mut to: To,
    bytes: NewContent,
    mut new: NewItem,
    on_conflict: OnConflict,
    precondition: Precondition,
) -> Result<Written> {
    names::check(&to.name)?;
    to.folder = innermost(tx, to.drive, to.folder, std::mem::take(&mut new.folders)).await?;
    let slot = names::slot(tx, to.drive, to.folder, &to.name).await?;
    if let Some((occupant, occupant_kind)) = slot.occupant.filter(|_| !new.is_duplicate) {
        match on_conflict {
            OnConflict::Replace if occupant_kind == NodeKind::File => {
                let node = overwrite(tx, to.drive, occupant, bytes, new, precondition).await?;
                return Ok(Written { node, created: false });
            }
            OnConflict::Replace => return Err(TreeError::NotAFile(occupant)),
            OnConflict::Fail => return Err(TreeError::NameTaken(occupant)),
            OnConflict::Rename => {
                to.name =
                    names::find_free(tx, to.drive, &[to.folder], &to.name, NodeKind::File).await?;
            }
        }
    }
    new.guard.check(None)?;
    slot.admit(signed(bytes.size()))?;
    let content = bytes.insert(tx).await?;
    let node = add(tx, to, NodeKind::File, Some(content), new).await?;
    Ok(Written { node, created: true })
}

/// Creates an item in a live folder, and counts it there. Its name must be free in the folder unless
/// [`NewItem::is_duplicate`] is set. The caller has checked name and quota.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn add(
    tx: &mut Tx,
    to: To,
    kind: NodeKind,
    content: Option<Content>,
    new: NewItem,
) -> Result<Node> {
    let (feed, no) = take_numbers(tx, to.drive, 1, 1).await?;
    let now = now();
    let node = Node {
        drive: to.drive,
        no,
        parents: vec![to.folder],
        kind,
        state: ItemState::Live,
        size: content.as_ref().map_or(0, |content| content.size),
        content,
        children: 0,
        media_type: new.media_type,
        name: to.name,
        description: new.description,
        created: now,
        modified: now,
        client_created: new.client_created.map_or(now, truncate_time),
        client_modified: new.client_modified.map_or(now, truncate_time),
        version: 1,
        content_version: 1,
        revision: 1,
        feed,
        owner: new.owner,
        facets: new.facets,
    };
    insert(tx.sql(), &node).await?;
    let twin = if new.is_duplicate { no.0 } else { NO_TWIN };
    insert_edge(tx.sql(), to.drive, no, to.folder, &node.name, twin).await?;
    search_index::add(tx.sql(), to.drive, no, &node.name).await?;
    touch(tx, to.drive, to.folder, signed(node.size), 1).await?;
    Ok(with_media_type(node))
}

/// Sets the media type of a file by its name, if the client sent none, as a read does.
fn with_media_type(mut node: Node) -> Node {
    node.media_type = media_type(node.media_type, node.kind, &node.name);
    node
}

/// Inserts the row of a new, live item. Its rank is its feed number, which is larger than the rank
/// of any folder.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn insert(sql: &mut AnyConnection, node: &Node) -> Result<()> {
    sqlx::query(
        "INSERT INTO item (drive, no, name, parent, kind, state, content, size, children, \
         media_type, description, created, modified, client_created, client_modified, \
         version, content_version, feed, rank, owner, facets) \
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, 0, $8, $9, $10, $11, $12, $13, 1, 1, $14, $14, \
         $15, $16)",
    )
    .bind(node.drive)
    .bind(node.no)
    .bind(node.name.clone())
    .bind(node.parents.first().copied())
    .bind(kind_code(node.kind))
    .bind(node.content.as_ref().map(|content| content.no))
    .bind(signed(node.size))
    .bind(node.media_type.clone())
    .bind(node.description.clone())
    .bind(node.created.as_microsecond())
    .bind(node.modified.as_microsecond())
    .bind(node.client_created.as_microsecond())
    .bind(node.client_modified.as_microsecond())
    .bind(node.feed)
    .bind(node.owner.clone())
    .bind(text_of_facets(&node.facets))
    .execute(sql)
    .await?;
    Ok(())
}

/// The `twin` of an edge to an item whose name is free in the folder.
pub(super) const NO_TWIN: i64 = 0;

/// Inserts the edge from a folder to an item. `twin` is [`NO_TWIN`], or the item's key if another
/// item of the folder has the name.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn insert_edge(
    sql: &mut AnyConnection,
    drive: DriveKey,
    item: ItemKey,
    folder: ItemKey,
    name: &str,
    twin: i64,
) -> Result<()> {
    let (consumer, sharepoint) = names::folds(name);
    sqlx::query(concat!(
        "INSERT INTO edge (drive, item, parent, folded, twin, live) VALUES ($1, $2, $3, ",
        folded!("$4", "$5"),
        ", $6, 1)"
    ))
    .bind(drive)
    .bind(item)
    .bind(folder)
    .bind(consumer)
    .bind(sharepoint)
    .bind(twin)
    .execute(sql)
    .await?;
    Ok(())
}

/// Replaces the bytes of a live file, and the properties that `new` has. Returns the changed item.
///
/// # Errors
/// `TreeError::NotFound` if the item is not live; `NotAFile`; `Changed` if the precondition fails; that of
/// [`NewItem::guard`]; `QuotaExceeded`; `Storage` and `NoRoom` if the database fails.
pub(super) async fn overwrite(
    tx: &mut Tx,
    drive: DriveKey,
    item: ItemKey,
    bytes: NewContent,
    new: NewItem,
    precondition: Precondition,
) -> Result<Node> {
    let old = read::node(tx.sql(), drive, item).await?;
    new.guard.check(Some(&old))?;
    let kept = versions::keep(tx, &old, new.max_versions).await?;
    admit_over(tx, &old, bytes.size(), kept.bytes, precondition).await?;
    let content = bytes.insert(tx).await?;
    replace(tx, old, content, new, kept.is_kept).await
}

/// Verifies that the bytes of a file may be replaced by `size` bytes. `version_bytes` is the number
/// of bytes that the versions of the drive grew by in this transaction.
///
/// # Errors
/// `TreeError::NotAFile` if it is a folder, `Changed` if the precondition fails, `QuotaExceeded` if
/// the bytes do not fit into the drive, and `Storage` if the database cannot be read.
pub(super) async fn admit_over(
    tx: &mut Tx,
    old: &Node,
    size: u64,
    version_bytes: i64,
    precondition: Precondition,
) -> Result<()> {
    if old.kind != NodeKind::File {
        return Err(TreeError::NotAFile(old.no));
    }
    precondition.check(old)?;
    let info = read::drive(tx.sql(), old.drive).await?;
    let used = signed(info.used) - version_bytes;
    let slot = NameSlot { occupant: None, quota: signed(info.quota), used };
    slot.admit(signed(size) - signed(old.size) + version_bytes)
}

/// Replaces the content of a file, and the properties that `new` has. The new content has its
/// reference already; the old one loses one, unless `is_kept` as a version. The caller has checked
/// precondition and quota.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn replace(
    tx: &mut Tx,
    mut node: Node,
    content: Content,
    new: NewItem,
    is_kept: bool,
) -> Result<Node> {
    let now = now();
    let grown = signed(content.size) - signed(node.size);
    let old = node.content.replace(content).map(|content| content.no);
    let sent_type = new.media_type.clone();
    node.size = node.content.as_ref().map_or(0, |content| content.size);
    node.media_type = new.media_type;
    node.description = new.description.or(node.description);
    node.modified = now;
    node.client_created = new.client_created.map_or(node.client_created, truncate_time);
    node.client_modified = new.client_modified.map_or(now, truncate_time);
    node.version += 1;
    node.content_version += 1;
    node.revision += 1;
    node.owner = new.owner.or(node.owner);
    // It belongs to the version before.
    node.facets.remove(VERSION_COMMENT);
    node.facets.extend(new.facets);
    node.facets.retain(|_, facet| !facet.is_null());
    node.feed = next_feed(tx, node.drive).await?;
    save(tx, &node, Some(sent_type)).await?;
    if let Some(old) = old.filter(|_| !is_kept) {
        contents::release(tx, old).await?;
    }
    for (i, folder) in node.parents.iter().enumerate() {
        touch(tx, node.drive, *folder, if i == 0 { grown } else { 0 }, 0).await?;
    }
    Ok(with_media_type(node))
}

/// Updates the row of an item, except its state and rank.
///
/// `media_type` is `None` to leave the stored type as it is: a node's own may have been derived
/// from its name. `Some(None)` removes it.
///
/// # Errors
/// `TreeError::Storage` if the database fails, and `TreeError::NoRoom` if its disk is full.
pub(super) async fn save(
    tx: &mut Tx,
    node: &Node,
    media_type: Option<Option<String>>,
) -> Result<()> {
    sqlx::query(
        "UPDATE item SET name = $3, parent = $4, content = $5, size = $6, description = $7, \
         modified = $8, client_created = $9, client_modified = $10, version = $11, \
         content_version = $12, feed = $13, owner = $14, facets = $15, \
         media_type = CASE WHEN $16 = 1 THEN CAST($17 AS TEXT) ELSE media_type END, \
         revision = $18 \
         WHERE drive = $1 AND no = $2",
    )
    .bind(node.drive)
    .bind(node.no)
    .bind(node.name.clone())
    .bind(node.parents.first().copied())
    .bind(node.content.as_ref().map(|content| content.no))
    .bind(signed(node.size))
    .bind(node.description.clone())
    .bind(node.modified.as_microsecond())
    .bind(node.client_created.as_microsecond())
    .bind(node.client_modified.as_microsecond())
    .bind(node.version)
    .bind(node.content_version)
    .bind(node.feed)
    .bind(node.owner.clone())
    .bind(text_of_facets(&node.facets))
    .bind(i64::from(media_type.is_some()))
    .bind(media_type.flatten())
    .bind(node.revision)
    .execute(tx.sql())
    .await?;
    Ok(())
}
