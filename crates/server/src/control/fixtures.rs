//! Fixtures: items that a test creates and that no request of a client can create.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fixture_permissions::{FixturePermission, take_from_facets};
use crate::{
    access::is_account_name,
    account::Account,
    router,
    state::ServerState,
    tree::{
        ChildName, DriveKey, ItemKey, NewItem, NodeKind, OnConflict, Permission, Precondition,
        ROOT, TreeError, Written,
    },
};

/// An item to be created by [`Control::add_fixtures`](super::Control::add_fixtures): for example a
/// notebook, an item of another account, or an item with given times or facets. Missing folders above
/// it are created.
///
/// As JSON: `{"path": "Notes/Recipes", "kind": "notebook", "drive": "", "content": "text",
/// "content_base64": "…", "media_type": "…", "description": "…", "owner": "…", "created":
/// "2011-04-22T00:36:30Z", "modified": "…", "facets": {"live": {…}}, "permissions": [{"account":
/// "anna", "role": "write"}], "duplicate": false}`. Only `path` is required.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FixtureItem {
    /// The account's name; the default account's is empty.
    pub drive: String,
    /// The path in the drive: names separated by `/`.
    pub path: String,
    /// The kind of item.
    pub kind: FixtureKind,
    /// The content of a file as text. At most one of `content` and `content_base64` may be set;
    /// without both the file is empty.
    pub content: Option<String>,
    /// The content of a file in base64.
    pub content_base64: Option<String>,
    /// The media type of a file. `None`: derived from the name.
    pub media_type: Option<String>,
    /// The user's description.
    pub description: Option<String>,
    /// The name of the account that owns the item. `None`: the owner of the drive.
    pub owner: Option<String>,
    /// The client's time of creation. `None`: now.
    pub created: Option<Timestamp>,
    /// The client's time of the last modification. `None`: now.
    pub modified: Option<Timestamp>,
    /// Properties that only one protocol has, by the name of the protocol.
    pub facets: serde_json::Map<String, serde_json::Value>,
    /// Whether the item is created although another item of the folder has its name. Two items of one
    /// name can exist in Live Connect (live-connect#duplicate-names), but no request creates them here.
    pub duplicate: bool,
    /// The permissions that the item gets.
    pub permissions: Vec<FixturePermission>,
}

/// The kind of a fixture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FixtureKind {
    /// A file.
    #[default]
    File,
    /// A folder. An existing one is not changed.
    Folder,
    /// A OneNote notebook.
    Notebook,
}

impl FixtureItem {
    /// Creates a file with a content at a path below the root, such as `a/b.txt`. Names are not
    /// percent-encoded; slashes at the ends have no effect. Missing folders are created.
    pub fn file(path: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        let content_base64 = Some(STANDARD.encode(bytes));
        Self { path: path.into(), content_base64, ..Self::default() }
    }

    /// Creates a folder at a path below the root, such as `a/b`. Missing folders above it are
    /// created, and an existing folder remains.
    pub fn folder(path: impl Into<String>) -> Self {
        Self { path: path.into(), kind: FixtureKind::Folder, ..Self::default() }
    }

    /// Creates a notebook at a path below the root, such as `a/b`. Missing folders are created.
    pub fn notebook(path: impl Into<String>) -> Self {
        Self { path: path.into(), kind: FixtureKind::Notebook, ..Self::default() }
    }

    /// Sets the account whose drive gets the item. The default account's name is empty.
    pub fn on_drive(self, name: impl Into<String>) -> Self {
        Self { drive: name.into(), ..self }
    }

    /// Sets the name of the account that owns the item.
    pub fn owned_by(self, name: impl Into<String>) -> Self {
        Self { owner: Some(name.into()), ..self }
    }

    /// Adds a permission.
    pub fn shared(mut self, permission: FixturePermission) -> Self {
        self.permissions.push(permission);
        self
    }

    /// Sets the client's time of the last modification.
    pub fn modified(self, time: Timestamp) -> Self {
        Self { modified: Some(time), ..self }
    }

    /// Creates the item although another item of the folder has its name.
    pub fn as_duplicate(self) -> Self {
        Self { duplicate: true, ..self }
    }

    /// Returns the content of a file; no bytes if it has none.
    ///
    /// # Errors
    /// `InvalidFixture::TwoContents` if the fixture has two contents, and `Base64` for one that is
    /// not base64.
    fn bytes(&self) -> Result<Bytes, InvalidFixture> {
        match (&self.content, &self.content_base64) {
            (Some(_), Some(_)) => Err(InvalidFixture::TwoContents),
            (Some(text), None) => Ok(Bytes::from(text.clone())),
            (None, Some(text)) => Ok(Bytes::from(STANDARD.decode(text)?)),
            (None, None) => Ok(Bytes::new()),
        }
    }

    /// Returns the properties of the item.
    fn new_item(&self) -> NewItem {
        NewItem {
            folders: Vec::new(),
            description: self.description.clone(),
            media_type: self.media_type.clone(),
            client_created: self.created,
            client_modified: self.modified,
            owner: self.owner.clone(),
            facets: self.facets.clone(),
            is_duplicate: self.duplicate,
            ..NewItem::default()
        }
    }
}

/// A fixture that was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddedFixture {
    /// The account's name.
    pub drive: String,
    /// The path in the drive.
    pub path: String,
    /// The item's number in the drive.
    pub number: i64,
    /// The item's id in Live Connect.
    pub live_id: String,
}

/// A fixture that could not be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot create item {number} (`{path}`): {source}")]
pub struct FixtureError {
    /// The position among the fixtures that were given together, from 1.
    pub number: usize,
    /// The path of the fixture.
    pub path: String,
    /// The reason.
    pub source: InvalidFixture,
}

/// The reason why a fixture could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFixture {
    /// The text is no name of an account.
    #[error("`{0}` is no account name")]
    AccountName(String),
    /// Both `content` and `content_base64` are set.
    #[error("it has both content and content_base64")]
    TwoContents,
    /// `content_base64` is malformed.
    #[error("content_base64 is malformed: {0}")]
    Base64(#[from] base64::DecodeError),
    /// A folder or notebook with a content.
    #[error("only a file has content")]
    ContentOfFolder,
    /// A permission is malformed.
    #[error("a permission is malformed: {0}")]
    Permission(String),
    /// The path has no names.
    #[error("the path is empty")]
    EmptyPath,
    /// The name is taken by another item.
    #[error("an item of the folder has this name already")]
    NameTaken,
    /// The storage failed or rejects the item.
    #[error("{0}")]
    Tree(#[source] TreeError),
}

impl From<TreeError> for InvalidFixture {
    /// Converts the error of creating an item.
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::NameTaken(_) => Self::NameTaken,
            error => Self::Tree(error),
        }
    }
}

/// Creates fixtures in order. Those before an invalid one remain.
///
/// # Errors
/// [`FixtureError`] with the number, from 1, of the first fixture that cannot be created, and the
/// reason.
pub(super) async fn add(
    state: &Arc<ServerState>,
    items: Vec<FixtureItem>,
) -> Result<Vec<AddedFixture>, FixtureError> {
    let mut added = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let one = add_one(state, &item).await.map_err(|source| FixtureError {
            number: at + 1,
            path: item.path.clone(),
            source,
        })?;
        added.push(one);
    }
    Ok(added)
}

/// Creates a fixture, and missing folders above it.
///
/// # Errors
/// [`InvalidFixture`]: `AccountName`, `TwoContents`, `Base64`, `ContentOfFolder`, `Permission` or
/// `EmptyPath` for an invalid fixture; `NameTaken` if another item has the name of the item or of a folder above
/// it; `Tree` with the tree's error, such as a full drive or a failed storage.
async fn add_one(state: &ServerState, item: &FixtureItem) -> Result<AddedFixture, InvalidFixture> {
    if !(item.drive.is_empty() || is_account_name(&item.drive)) {
        return Err(InvalidFixture::AccountName(item.drive.clone()));
    }
    let bytes = item.bytes()?;
    if item.kind != FixtureKind::File && !bytes.is_empty() {
        return Err(InvalidFixture::ContentOfFolder);
    }
    let account = state.accounts.open(&item.drive).await?;
    let mut names: Vec<&str> = item.path.split('/').filter(|name| !name.is_empty()).collect();
    let name = names.pop().ok_or(InvalidFixture::EmptyPath)?;
    let mut folder = ROOT;
    for above in names {
        let created = state.tree.make(
            ChildName::new(account.drive, folder, above),
            NodeKind::Folder,
            NewItem::default(),
            OnConflict::Replace,
        );
        folder = created.await?.node.no;
    }
    let mut item = item.clone();
    let mut permissions = take_from_facets(&mut item.facets);
    permissions.extend(std::mem::take(&mut item.permissions));
    // Before the item is created: the permissions of an invalid fixture are reported without an effect.
    for permission in &permissions {
        permission.build(state, &account, ROOT)?;
    }
    let written = write(state, account.drive, folder, name, &item, bytes).await?;
    share(state, &account, written.node.no, &permissions).await?;
    Ok(AddedFixture {
        drive: item.drive.clone(),
        path: item.path.clone(),
        number: written.node.no.0,
        live_id: router::live_item_id(&account.cid, &written.node),
    })
}

/// Adds permissions to an item.
///
/// # Errors
/// Those of [`FixturePermission::build`]; [`InvalidFixture::Tree`] if the storage fails, or the item was
/// deleted meanwhile.
async fn share(
    state: &ServerState,
    account: &Account,
    item: ItemKey,
    permissions: &[FixturePermission],
) -> Result<(), InvalidFixture> {
    if permissions.is_empty() {
        return Ok(());
    }
    let mut new = Vec::with_capacity(permissions.len());
    for permission in permissions {
        new.push(permission.build(state, account, item)?);
    }
    let add = move |all: &mut Vec<Permission>| {
        all.extend(new);
        Ok::<_, TreeError>(())
    };
    state.tree.change_permissions(account.drive, item, add).await??;
    Ok(())
}

/// Creates the item of a fixture in its folder. `bytes` is the content of a file.
///
/// # Errors
/// `TreeError::NameTaken` if another item has the name, for a folder only if that is no folder;
/// `BadName`; `QuotaExceeded`; `NotFound` if `folder` was deleted meanwhile; `Storage`, and
/// `NoRoom` if the disk is full.
async fn write(
    state: &ServerState,
    drive: DriveKey,
    folder: ItemKey,
    name: &str,
    item: &FixtureItem,
    bytes: Bytes,
) -> Result<Written, TreeError> {
    let (name, new) = (ChildName::new(drive, folder, name), item.new_item());
    let tree = &state.tree;
    match item.kind {
        FixtureKind::File => {
            let body = Box::pin(futures::stream::iter([Ok(bytes)]));
            let stored = tree.store(body, u64::MAX).await?;
            tree.put(name, stored, new, OnConflict::Fail, Precondition::Any).await
        }
        FixtureKind::Folder => tree.make(name, NodeKind::Folder, new, OnConflict::Replace).await,
        FixtureKind::Notebook => tree.make(name, NodeKind::Notebook, new, OnConflict::Fail).await,
    }
}
