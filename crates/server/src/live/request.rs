//! A request of an authenticated account, and the lookups that its handlers share.

use std::sync::Arc;

use super::{
    error::{LiveError, Result},
    facets::{LiveFacets, SortBy},
    ids::{IdKind, LiveId},
    object_access::ObjectAccess,
    object_type::ObjectType,
    objects::{ObjectView, Objects},
    query::LiveQuery,
    response_format::ResponseFormat,
    route::{DriveOwner, Subject},
    scopes::{OTHERS, READ, Scopes},
};
use crate::{
    account::Account,
    permissions::Principal,
    state::ServerState,
    tree::{
        Change, DriveKey, ItemKey, Node, OnConflict, Permission, Precondition, ROOT, TreeError,
    },
};

/// Maximum number of attempts at an update that concurrent requests interfere with.
const MAX_ATTEMPTS: usize = 8;

/// A request of an authenticated account.
pub(super) struct LiveRequest {
    pub(super) objects: Objects,
    pub(super) query: LiveQuery,
    pub(super) format: ResponseFormat,
    pub(super) subject: Subject,
    pub(super) scopes: Scopes,
    pub(super) view: ObjectView,
    /// The id of the client that the token was issued to; empty if it is valid for all.
    pub(super) client_id: String,
    /// Whether only public data may be shown: the request has no token of the account.
    pub(super) is_public: bool,
    /// The account of the token. That of `objects` owns the addressed drive.
    pub(super) caller: Arc<Account>,
    /// The caller, for the model of permissions.
    pub(super) principal: Principal,
}

impl LiveRequest {
    /// Returns the state of the server.
    pub(super) fn state(&self) -> &ServerState {
        &self.objects.state
    }

    /// Returns the addressed drive.
    pub(super) fn drive(&self) -> DriveKey {
        self.objects.account.drive
    }

    /// Rejects a subject that belongs to another user.
    ///
    /// # Errors
    /// 404 if the account's id in the subject is not that of the caller.
    pub(super) fn require_own(&self) -> Result<()> {
        match self.is_foreign() {
            false => Ok(()),
            true => Err(LiveError::not_found(self.subject_id())),
        }
    }

    /// Returns the id of the subject as clients send it, for messages and URLs, with the account's
    /// id instead of `me`.
    pub(super) fn subject_id(&self) -> String {
        let own_cid = &self.caller.cid;
        let cid = |owner: &DriveOwner| match owner {
            DriveOwner::Me => own_cid.clone(),
            DriveOwner::User(cid) => cid.clone(),
        };
        match &self.subject {
            Subject::User(owner) => cid(owner),
            Subject::Root(owner) => LiveId::folder(&cid(owner), ROOT).to_string(),
            Subject::WellKnownFolder(owner, name) => format!("{}/skydrive/{name}", cid(owner)),
            Subject::Item(id) => id.to_string(),
            Subject::Comment(id) => id.to_string(),
            Subject::Tag(id) => id.to_string(),
            Subject::AccountObject(id) => id.to_string(),
        }
    }

    /// Returns the key of the item that the request addresses: the root folder for a drive, the
    /// file for a comment or a tag. It does not check whether the item exists.
    ///
    /// # Errors
    /// 404 if the subject is a user, a well-known folder or an object outside the drive.
    pub(super) fn item_key(&self) -> Result<ItemKey> {
        match &self.subject {
            Subject::User(_) | Subject::WellKnownFolder(..) | Subject::AccountObject(_) => {
                Err(LiveError::not_found(self.subject_id()))
            }
            Subject::Root(_) => Ok(ROOT),
            Subject::Item(id) => Ok(id.number),
            Subject::Comment(id) => Ok(id.item),
            Subject::Tag(id) => Ok(id.item),
        }
    }

    /// Returns the key of the folder that the request addresses, and its id for messages and URLs.
    /// It does not check whether the folder exists, or whether an id of a folder is one of a file.
    ///
    /// # Errors
    /// 400 if the id is that of a file; 404 if the subject is a user, a well-known folder or an
    /// object outside the drive.
    pub(super) fn folder_key(&self) -> Result<(ItemKey, String)> {
        match &self.subject {
            Subject::Item(LiveId { kind: IdKind::File, .. }) => Err(LiveError::url(format!(
                "The resource '{}' isn't a folder or an album, and nothing can be in it.",
                self.subject_id()
            ))),
            _ => Ok((self.item_key()?, self.subject_id())),
        }
    }

    /// Returns the requested item.
    ///
    /// # Errors
    /// 404 if it does not exist or is in the recycle bin, if its kind is not the one that its id
    /// states, or if the subject is not an item; 500 if the storage fails.
    pub(super) async fn node(&self) -> Result<Node> {
        let node = self
            .state()
            .tree
            .node(self.drive(), self.item_key()?)
            .await
            .map_err(|error| LiveError::tree(error, self.subject_id()))?;
        let kind = match &self.subject {
            Subject::Item(id) => id.kind,
            Subject::Comment(_) | Subject::Tag(_) => IdKind::File,
            Subject::User(_)
            | Subject::Root(_)
            | Subject::WellKnownFolder(..)
            | Subject::AccountObject(_) => IdKind::Folder,
        };
        match IdKind::from(node.kind) == kind {
            true => Ok(node),
            false => Err(LiveError::not_found(self.subject_id())),
        }
    }

    /// Returns whether the token's scopes allow to read items of all types of the addressed drive, and
    /// not only photos, videos and albums.
    pub(super) fn reads_all(&self) -> bool {
        self.scopes.has(if self.is_foreign() { OTHERS } else { READ })
    }

    /// Returns the requested item if the scopes of the token allow to read it: `wl.skydrive` all
    /// items, `wl.photos` only photos, videos and albums; for items of other users
    /// `wl.contacts_skydrive` and `wl.contacts_photos`.
    ///
    /// # Errors
    /// 403 without such a scope; 404 as of [`node`](Self::node); 500 if the storage fails.
    pub(super) async fn readable_node(&self) -> Result<Node> {
        let node = self.node().await?;
        // One of the two scopes was required before.
        if !self.reads_all() && !ObjectType::from_node(&node).is_visual() {
            let needed = if self.is_foreign() { OTHERS } else { READ };
            return Err(LiveError::unauthorized(&[needed]));
        }
        Ok(node)
    }

    /// Returns 400 for an item whose type does not support `path`, the last segment of the URL.
    pub(super) fn unsupported(&self, node: &Node, path: &str) -> LiveError {
        LiveError::url(format!(
            "Resource type '{}' doesn't support the path '{path}'.",
            ObjectType::from_node(node).name()
        ))
    }

    /// Returns the access to a folder of a drive and its contents (the users that can see them), and the
    /// folder's own sort order; `None` if it has none.
    ///
    /// A missing folder is [`ObjectAccess::Owner`] without an order: the caller reports it when it reads
    /// the folder.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn access_and_order(
        &self,
        drive: DriveKey,
        folder: ItemKey,
    ) -> Result<(ObjectAccess, Option<SortBy>)> {
        match self.state().tree.lineage(drive, folder).await {
            Ok(lineage) => {
                let order =
                    lineage.first().and_then(|folder| LiveFacets::from_node(folder).sort_by);
                let inherit = |above, node: &Node| ObjectAccess::from_node(node, above);
                let access = lineage.iter().rev().fold(ObjectAccess::Owner, inherit);
                Ok((access, order))
            }
            Err(TreeError::NotFound) => Ok((ObjectAccess::Owner, None)),
            Err(error) => Err(LiveError::tree(error, self.subject_id())),
        }
    }

    /// Returns the access that an item inherits from its folder.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn access_above(&self, node: &Node) -> Result<ObjectAccess> {
        match node.parents.first() {
            Some(&folder) => Ok(self.access_and_order(node.drive, folder).await?.0),
            None => Ok(ObjectAccess::Owner),
        }
    }

    /// Changes the permissions of an item of the addressed drive in one transaction. Returns the item as
    /// it is afterwards and the result of `change`.
    ///
    /// # Errors
    /// 404 if the item no longer exists; 507 if the disk of the storage is full; 500 if the storage
    /// fails.
    pub(super) async fn change_permissions<T: Send + 'static>(
        &self,
        item: ItemKey,
        change: impl FnOnce(&mut Vec<Permission>) -> T + Send + 'static,
    ) -> Result<(Node, T)> {
        let change = |all: &mut Vec<Permission>| Ok::<_, TreeError>(change(all));
        let changed = self.state().tree.change_permissions(self.drive(), item, change).await;
        let changed = changed.and_then(|changed| changed);
        changed.map_err(|error| LiveError::tree(error, self.subject_id()))
    }

    /// Changes the Live Connect data of `node`, and returns the item as it is afterwards and the
    /// result of `change`. `change` returns its result and whether it changed anything; if not,
    /// nothing is written. It may be called several times, because the update is repeated after a
    /// concurrent change.
    ///
    /// # Errors
    /// Those of `change`; 404 if the item no longer exists; 503 after [`MAX_ATTEMPTS`] concurrent
    /// changes; 507 if the disk of the storage is full; 500 if the storage fails.
    pub(super) async fn change_facets<T>(
        &self,
        mut node: Node,
        change: impl Fn(&mut LiveFacets) -> Result<(T, bool)>,
    ) -> Result<(Node, T)> {
        for _ in 0..MAX_ATTEMPTS {
            let mut facets = LiveFacets::from_node(&node);
            let (result, changed) = change(&mut facets)?;
            if !changed {
                return Ok((node, result));
            }
            facets.item = Some(node.no);
            let change = Change { facets: facets.to_map(), ..Change::default() };
            let precondition = Precondition::Version(node.version);
            let tree = &self.state().tree;
            match tree.update(self.drive(), node.no, change, OnConflict::Fail, precondition).await {
                Ok(node) => return Ok((node, result)),
                Err(TreeError::Changed) => {
                    node = tree
                        .node(self.drive(), node.no)
                        .await
                        .map_err(|error| LiveError::tree(error, self.subject_id()))?;
                }
                Err(error) => return Err(LiveError::tree(error, self.subject_id())),
            }
        }
        Err(LiveError::busy())
    }
}
