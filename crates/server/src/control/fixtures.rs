//! Items that no request can make.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    access::is_account_name,
    router,
    state::ServerState,
    tree::{
        ChildName, DriveKey, ItemKey, NewItem, NodeKind, OnConflict, Precondition, ROOT, TreeError,
        Written,
    },
};

/// An item to be planted: a notebook, an item of somebody else's, one with times or facts of its
/// own. Folders above it are made.
///
/// As JSON: `{"path": "Notes/Recipes", "kind": "notebook", "drive": "", "content": "text",
/// "content_base64": "…", "media_type": "…", "description": "…", "owner": "…", "created":
/// "2011-04-22T00:36:30Z", "modified": "…", "facets": {"live": {…}}}`; all but `path` may be left
/// out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FixtureItem {
    /// The account's name; the default account's is empty.
    pub drive: String,
    /// Where it is to be, names separated by `/`.
    pub path: String,
    /// What it is to be.
    pub kind: FixtureKind,
    /// A file's bytes, where they are text.
    pub content: Option<String>,
    /// A file's bytes in base64.
    pub content_base64: Option<String>,
    /// A file's media type; `None`: what its name says.
    pub media_type: Option<String>,
    /// The user's description.
    pub description: Option<String>,
    /// The name of the account whose it is, where it is not the drive's.
    pub owner: Option<String>,
    /// When the user made it; `None`: now.
    pub created: Option<Timestamp>,
    /// When the user last changed it; `None`: now.
    pub modified: Option<Timestamp>,
    /// What only one protocol knows of it, under the protocol's name.
    pub facets: serde_json::Map<String, serde_json::Value>,
}

/// What a planted item is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FixtureKind {
    /// A file.
    #[default]
    File,
    /// A folder; one that is there stays as it is.
    Folder,
    /// A OneNote notebook.
    Notebook,
}

impl FixtureItem {
    /// A file with these bytes.
    pub fn file(path: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        let content_base64 = Some(STANDARD.encode(bytes));
        Self { path: path.into(), content_base64, ..Self::default() }
    }

    /// A folder.
    pub fn folder(path: impl Into<String>) -> Self {
        Self { path: path.into(), kind: FixtureKind::Folder, ..Self::default() }
    }

    /// A notebook.
    pub fn notebook(path: impl Into<String>) -> Self {
        Self { path: path.into(), kind: FixtureKind::Notebook, ..Self::default() }
    }

    /// On the drive of that account.
    pub fn on_drive(self, name: impl Into<String>) -> Self {
        Self { drive: name.into(), ..self }
    }

    /// As an item of that account.
    pub fn owned_by(self, name: impl Into<String>) -> Self {
        Self { owner: Some(name.into()), ..self }
    }

    /// Last changed by its user then.
    pub fn modified(self, time: Timestamp) -> Self {
        Self { modified: Some(time), ..self }
    }

    fn bytes(&self) -> Result<Bytes, String> {
        match (&self.content, &self.content_base64) {
            (Some(_), Some(_)) => Err("content and content_base64 are the same thing twice".into()),
            (Some(text), None) => Ok(Bytes::from(text.clone())),
            (None, Some(text)) => STANDARD
                .decode(text)
                .map(Bytes::from)
                .map_err(|error| format!("content_base64: {error}")),
            (None, None) => Ok(Bytes::new()),
        }
    }

    fn new_item(&self) -> NewItem {
        NewItem {
            folders: Vec::new(),
            description: self.description.clone(),
            media_type: self.media_type.clone(),
            client_created: self.created,
            client_modified: self.modified,
            owner: self.owner.clone(),
            facets: self.facets.clone(),
        }
    }
}

/// An item that was planted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddedFixture {
    /// The account's name.
    pub drive: String,
    /// Where it is.
    pub path: String,
    /// Its number in the drive.
    pub number: i64,
    /// What Live Connect calls it.
    pub live_id: String,
}

/// An item that was not planted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item {number} (`{path}`): {reason}")]
pub struct FixtureError {
    /// Which of those that were given together, from 1.
    pub number: usize,
    /// Where it was to be.
    pub path: String,
    /// Why it is not there.
    pub reason: String,
}

pub(super) async fn add(
    state: &Arc<ServerState>,
    items: Vec<FixtureItem>,
) -> Result<Vec<AddedFixture>, FixtureError> {
    let mut planted = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let one = add_one(state, &item).await.map_err(|reason| FixtureError {
            number: at + 1,
            path: item.path.clone(),
            reason,
        })?;
        planted.push(one);
    }
    Ok(planted)
}

async fn add_one(state: &ServerState, item: &FixtureItem) -> Result<AddedFixture, String> {
    if !(item.drive.is_empty() || is_account_name(&item.drive)) {
        return Err(format!("`{}` is not the name of an account", item.drive));
    }
    let bytes = item.bytes()?;
    if item.kind != FixtureKind::File && !bytes.is_empty() {
        return Err("only a file has content".into());
    }
    let account = state.accounts.open(&item.drive).await.map_err(told)?;
    let mut names: Vec<&str> = item.path.split('/').filter(|name| !name.is_empty()).collect();
    let name = names.pop().ok_or("a path has at least one name")?;
    let mut folder = ROOT;
    for above in names {
        let made = state.tree.make(
            ChildName::new(account.drive, folder, above),
            NodeKind::Folder,
            NewItem::default(),
            OnConflict::Replace,
        );
        folder = made.await.map_err(told)?.node.no;
    }
    let written = put(state, account.drive, folder, name, item, bytes).await.map_err(told)?;
    Ok(AddedFixture {
        drive: item.drive.clone(),
        path: item.path.clone(),
        number: written.node.no.0,
        live_id: router::live_item_id(&account.cid, &written.node),
    })
}

async fn put(
    state: &ServerState,
    drive: DriveKey,
    folder: ItemKey,
    name: &str,
    item: &FixtureItem,
    bytes: Bytes,
) -> Result<Written, TreeError> {
    let new = item.new_item();
    match item.kind {
        FixtureKind::File => {
            let body = Box::pin(futures::stream::iter([Ok(bytes)]));
            let stored = state.tree.store(body, u64::MAX).await?;
            state
                .tree
                .put(
                    ChildName::new(drive, folder, name),
                    stored,
                    new,
                    OnConflict::Fail,
                    Precondition::Any,
                )
                .await
        }
        FixtureKind::Folder => {
            let kind = NodeKind::Folder;
            state
                .tree
                .make(ChildName::new(drive, folder, name), kind, new, OnConflict::Replace)
                .await
        }
        FixtureKind::Notebook => {
            let kind = NodeKind::Notebook;
            state.tree.make(ChildName::new(drive, folder, name), kind, new, OnConflict::Fail).await
        }
    }
}

fn told(error: TreeError) -> String {
    match error {
        TreeError::NameTaken(_) => {
            "an item has this name already, and no folder here holds two of one name".into()
        }
        error => error.to_string(),
    }
}
