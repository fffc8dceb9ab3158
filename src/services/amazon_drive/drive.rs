//! The biased half: the client's requests as the verbs of a [`Drive`].

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::OnceCell;
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

use super::{
    changes,
    client::{Client, Deduplication, ListQuery, PAGE_MAX},
    download::{Reading, holds},
    md5::{from_hex, to_hex},
    model::{Filter, NewNode, Node, NodeKind, NodeList, Status},
    rename,
};
use crate::drive::{
    Account, Body, Capabilities, ChangePage, Conditions, Context, Cursor, DeleteTarget, Depth,
    Download, DownloadRequest, Drive, Error, ErrorKind, Extensions, HashKind, IfExists, Item,
    ItemId, ItemKind, ItemRef, ItemUpdate, ListRequest, Page, Quota, RecursiveList, Result,
    SiblingSearch, Target, WriteOptions,
};

/// The largest file, in bytes: about 50 GiB (amazon-drive#max-file-size).
const FILE_MAX: u64 = 50 << 30;

/// The longest name, in characters (amazon-drive#node-names).
const NAME_MAX: usize = 256;

/// Removals of one call. Each is a request of its own; they run side by side.
const REMOVALS: usize = 8;

/// An account's Amazon Drive.
#[derive(Debug)]
pub(super) struct Cloud {
    pub(super) client: Arc<Client>,
    pub(super) deduplication: Deduplication,
    /// How long a file is looked for whose upload timed out; `None`: the longer the larger.
    pub(super) upload_wait: Option<Duration>,
    /// Whether nothing that arrives is hashed.
    unchecked_reads: bool,
    capabilities: Capabilities,
    root: OnceCell<Root>,
}

/// What is kept of the root folder.
#[derive(Debug)]
struct Root {
    id: ItemId,
    /// `PROFILE-USER`.
    created_by: Option<String>,
}

impl Cloud {
    /// The drive that a client reaches.
    pub(super) fn new(client: Client, deduplication: Deduplication) -> Self {
        let capabilities = Capabilities {
            paths: false,
            max_single_upload: FILE_MAX,
            max_file_size: FILE_MAX,
            session: None,
            set_modified: false,
            if_not_exists: true,
            if_match: false,
            if_none_match: false,
            download_if_match: true,
            changes: true,
            copy_files: false,
            download_urls: false,
            recursive_list: RecursiveList::Root,
            delete_max_size: REMOVALS,
            multi_parent: true,
            fold,
            collision_key,
            validate_name,
            extensions: Extensions::NONE,
        };
        Self {
            client: Arc::new(client),
            deduplication,
            upload_wait: None,
            unchecked_reads: false,
            capabilities,
            root: OnceCell::new(),
        }
    }

    /// The same, looking that long for a file whose upload timed out.
    pub(super) fn with_upload_wait(self, upload_wait: Option<Duration>) -> Self {
        Self { upload_wait, ..self }
    }

    /// The same, hashing nothing that arrives if `unchecked_reads`.
    pub(super) fn with_unchecked_reads(self, unchecked_reads: bool) -> Self {
        Self { unchecked_reads, ..self }
    }

    async fn root_folder(&self, cx: &Context) -> Result<&Root> {
        self.root
            .get_or_try_init(|| async {
                let filter = Some(Filter::is("isRoot", "true"));
                let found =
                    self.client.nodes(cx, &ListQuery { filter, ..ListQuery::default() }).await?;
                let root = found.data.into_iter().find(|node| node.is_root).ok_or_else(|| {
                    Error::new(
                        ErrorKind::DriveNotFound,
                        "cannot find the root folder: the cloud names none",
                    )
                })?;
                Ok(Root { id: root.id.into(), created_by: root.created_by })
            })
            .await
    }

    /// The live child of that name, by one request.
    pub(super) async fn named(
        &self,
        cx: &Context,
        folder: &ItemId,
        name: &str,
    ) -> Result<Option<Node>> {
        let filter = Some(Filter::is("parents", folder.as_str()).and("name", name));
        let found = self.client.nodes(cx, &ListQuery { filter, ..ListQuery::default() }).await?;
        let folded = fold(name);
        let mut nodes = found.data.into_iter().filter(|node| {
            is_item(node) && node.name.as_deref().is_some_and(|found| fold(found) == folded)
        });
        Ok(nodes.next())
    }
}

#[async_trait]
impl Drive for Cloud {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// No request tells the user: the account is called by `createdBy` of its root, which holds the
    /// application's security profile and the user, or by the root's id. There is no name.
    async fn account(&self, cx: &Context) -> Result<Account> {
        let root = self.root_folder(cx).await?;
        let id = root.created_by.clone().unwrap_or_else(|| root.id.to_string());
        Ok(Account { id, name: None })
    }

    async fn quota(&self, cx: &Context) -> Result<Quota> {
        let quota = self.client.account_quota(cx).await?;
        Ok(Quota { total: quota.quota, available: quota.available })
    }

    async fn root(&self, cx: &Context) -> Result<ItemId> {
        Ok(self.root_folder(cx).await?.id.clone())
    }

    async fn item(&self, cx: &Context, at: &ItemRef, conditions: &Conditions) -> Result<Item> {
        let node = self.client.node(cx, id_of(at)?.as_str(), false).await?;
        match node.status {
            Some(Status::Available) | None => {}
            Some(_) => {
                return Err(Error::new(ErrorKind::NotFound, "the item is in the trash or gone"));
            }
        }
        let item = item_of(node);
        holds(conditions, &item)?;
        Ok(item)
    }

    async fn child(
        &self,
        cx: &Context,
        folder: &ItemRef,
        name: &str,
        seen: &mut (dyn for<'a> FnMut(SiblingSearch<'a>) + Send),
    ) -> Result<Item> {
        let Some(node) = self.named(cx, id_of(folder)?, name).await? else {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no {name:?}")));
        };
        let item = item_of(node);
        seen(SiblingSearch::Item(&item));
        Ok(item)
    }

    async fn list(&self, cx: &Context, request: ListRequest<'_>) -> Result<Page> {
        let ListRequest { folder, depth, limit, cursor: from } = request;
        let id = id_of(folder)?;
        let mut query = ListQuery {
            start_token: from.map(|cursor| cursor.0.expose().to_owned()),
            limit: Some(limit.unwrap_or(PAGE_MAX)),
            ..ListQuery::default()
        };
        let NodeList { data, next_token, .. } = match depth {
            Depth::Children => self.client.children(cx, id.as_str(), &query).await?,
            Depth::Recursive => {
                query.filter = Some(Filter::is("status", "AVAILABLE"));
                self.client.nodes(cx, &query).await?
            }
        };
        // What is below a trashed folder is as available as ever; it has no way up to the root.
        let belongs = |node: &Node| {
            is_live(node)
                && (depth == Depth::Children
                    || node.parents.as_ref().is_some_and(|parents| !parents.is_empty()))
        };
        let items = data.into_iter().filter(belongs).map(item_of).collect();
        Ok(Page { items, next: next_token.map(|token| Cursor(token.into())) })
    }

    async fn download(&self, cx: &Context, request: DownloadRequest<'_>) -> Result<Download> {
        let DownloadRequest { file, known, range, conditions } = request;
        let file = Reading::of(&self.client, cx, id_of(file)?).checked(!self.unchecked_reads);
        file.download(known, range, conditions).await
    }

    async fn upload(
        &self,
        cx: &Context,
        to: &Target,
        body: Body,
        options: &WriteOptions,
    ) -> Result<Item> {
        self.write(cx, to, body, options).await
    }

    async fn create_folder(&self, cx: &Context, at: &Target) -> Result<Item> {
        let new = NewNode::new(NodeKind::Folder, &at.name, id_of(&at.folder)?);
        Ok(item_of(self.client.create(cx, &new).await?))
    }

    async fn update(
        &self,
        cx: &Context,
        at: &ItemRef,
        item: Option<&Item>,
        change: &ItemUpdate,
    ) -> Result<Item> {
        if change.modified.is_some() {
            return Err(Error::unsupported("a modification time of the user's"));
        }
        if change.if_exists == IfExists::Rename {
            return Err(Error::unsupported("another name for an item whose name is taken"));
        }
        rename::update(&self.client, cx, at, item, change).await
    }

    async fn changes(&self, cx: &Context, since: Option<&Cursor>) -> Result<ChangePage> {
        changes::changes(&self.client, cx, since).await
    }

    async fn delete(&self, cx: &Context, items: &[DeleteTarget]) -> Vec<Result<()>> {
        let removals = items.iter().map(|removal| rename::remove(&self.client, cx, removal));
        futures::future::join_all(removals).await
    }
}

/// The item of a place; this drive is walked by id.
pub(super) fn id_of(place: &ItemRef) -> Result<&ItemId> {
    match place {
        ItemRef::Item { id, .. } => Ok(id),
        ItemRef::Path { .. } => Err(Error::unsupported("asking by path")),
    }
}

/// Whether a node is one that paths lead to.
pub(super) fn is_item(node: &Node) -> bool {
    is_live(node) && node.name.as_ref().is_some_and(|name| !name.is_empty())
}

/// Whether a node is a file or a folder that is not in the trash; it may lack a name.
fn is_live(node: &Node) -> bool {
    matches!(node.kind, NodeKind::File | NodeKind::Folder)
        && !node.is_root
        && matches!(node.status, Some(Status::Available) | None)
}

/// An item's etag is the MD5 of its bytes: `eTagResponse` changes with a rename too, and no answer
/// with bytes has been seen to carry either.
pub(super) fn item_of(node: Node) -> Item {
    let kind = match node.kind {
        NodeKind::File => ItemKind::File,
        NodeKind::Folder => ItemKind::Folder,
        NodeKind::Asset | NodeKind::Unknown => ItemKind::Opaque,
    };
    let mut item = Item::new(node.id, node.name.unwrap_or_default(), kind);
    item.parents = node.parents.into_iter().flatten().map(ItemId::from).collect();
    item.created = node.created_date;
    item.modified = node.modified_date;
    if let Some(content) = node.content_properties {
        item.size = content.size;
        item.content_type = content.content_type;
        if let Some(sum) = content.md5.as_deref().and_then(from_hex) {
            item.etag = Some(to_hex(&sum));
            item.hashes.push((HashKind::Md5, Box::new(sum)));
        }
    }
    item
}

/// Names are compared without regard to case, with no Unicode normalisation
/// (amazon-drive#node-names): character by character, by the lower case that the cloud's own
/// messages show. Which characters have one, the cloud does not say.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(name);
    }
    let lower = |c: char| {
        let mut lower = c.to_lowercase();
        match (lower.next(), lower.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    };
    Cow::Owned(name.chars().map(lower).collect())
}

/// The key of names that may be one: the drive server, which stands in for this cloud, compares names
/// as OneDrive does, with full case folding and whatever their normalisation.
fn collision_key(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return fold(name);
    }
    let decomposed: String = name.nfd().collect();
    Cow::Owned(UniCase::unicode(decomposed).to_folded_case().nfc().collect())
}

fn validate_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    (name.chars().count() > NAME_MAX).then_some("it has more than 256 characters")
}
