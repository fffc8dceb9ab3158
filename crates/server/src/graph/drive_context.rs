//! The drive of a request: resolves drive references and item addresses.

use std::sync::Arc;

use http::{Method, StatusCode, header};

use super::{
    address::{Anchor, DriveRef, ItemAddress, Owner},
    check_out,
    error::{Error, Result},
    ids::IdCodec,
    labels,
    links::LinkTarget,
    request::GraphRequest,
    scopes::FileScope,
    special_folders::{self, OnMissing},
    stored_facets::{LOCKED, stored_facet},
    versions,
};
use crate::{
    account::Account,
    account_kind::AccountKind,
    account_scope,
    directory::SiteRole,
    item_activity::ItemActivity,
    permissions::{PresentedLink, Principal},
    tree::{DriveKey, ItemKey, Node, Precondition, ROOT, Role, Tree},
};

/// A request, and the drive that it addresses.
#[derive(Debug)]
pub(super) struct DriveContext<'a> {
    pub(super) request: &'a GraphRequest,
    /// The owner of the drive.
    pub(super) account: Arc<Account>,
    pub(super) kind: AccountKind,
    pub(super) ids: IdCodec,
    /// Whether the request addressed the drive as the user's own, not by an id. Paths in responses
    /// begin in the same way (onedrive-graph#parent-reference-path).
    own: bool,
    /// The user or application that the request acts for.
    pub(super) principal: Principal,
    /// The caller's role for every item of the drive. `None` if only permissions of items grant
    /// access.
    pub(super) base_role: Option<Role>,
    /// The item of the sharing token in the request; `None` if the request has no sharing token.
    shared: Option<ItemKey>,
    /// The sharing link that the request uses.
    pub(super) presented: Option<PresentedLink>,
}

/// An existing item and its path.
#[derive(Debug)]
pub(super) struct ItemWithPath {
    pub(super) node: Node,
    /// Names of the folders from below the root down to the item's parent.
    pub(super) parent_path: Vec<String>,
}

impl ItemWithPath {
    /// Returns the parent path of the item's children.
    pub(super) fn path_of_children(&self) -> Vec<String> {
        let mut names = self.parent_path.clone();
        if !self.node.parents.is_empty() {
            names.push(self.node.name.clone());
        }
        names
    }
}

impl<'a> DriveContext<'a> {
    /// Opens the drive that a request addresses. The caller may have access to some items of it only:
    /// [`require`](Self::require) checks each item.
    ///
    /// # Errors
    /// 400 for `/me` with an application's own token, a site of a personal account, and a sharing
    /// token that is no encoded URL; 401 if the token is missing, unknown, expired or for another
    /// resource; 403 if the drive belongs to another tenant than the application's token, and if it is
    /// another user's and the token is for the user's own files; 404 if no account owns the drive, and
    /// for a link that was not issued by this server, was deleted or has expired, or whose item is
    /// deleted; 507 if the account's drive cannot be created because the disk of the storage is full;
    /// 500 if the storage fails.
    pub(super) async fn open(request: &'a GraphRequest, drive: &DriveRef) -> Result<Self> {
        let account = request.account_with_drive(drive).await?;
        let mut context = Self::for_caller(request, account).await?;
        context.own = *drive == DriveRef::OwnedBy(Owner::Me);
        if let DriveRef::Share(token) = drive {
            let target = LinkTarget::from_token(request, token).await?;
            context.shared = Some(target.item);
            context.presented = target.redeem(request, &context.principal).await?;
        } else if context.base_role.is_none()
            && !request.covers_others
            && request.files != FileScope::Selected
        {
            return Err(Error::access_denied());
        }
        Ok(context)
    }

    /// Returns the context of an account's drive for the caller of a request. The account need not be
    /// that of the caller.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired or for another resource; 507 if the caller's drive
    /// cannot be created because the disk of the storage is full; 500 if the storage fails.
    pub(super) async fn for_caller(
        request: &'a GraphRequest,
        account: Arc<Account>,
    ) -> Result<Self> {
        let principal = request.principal().await?;
        let is_app = request.valid_grant()?.is_app;
        let mut context = Self::for_account(request, account, false);
        context.base_role = match is_app {
            true => (request.files != FileScope::Selected).then_some(Role::Owner),
            false if principal.is_user(&context.account) => Some(Role::Owner),
            false if request.covers_others => {
                request.site_role(&context.account).await?.map(|role| match role {
                    SiteRole::Visitor => Role::Read,
                    // Members can share each file.
                    SiteRole::Member | SiteRole::Owner => Role::Owner,
                })
            }
            false => None,
        };
        context.principal = principal;
        Ok(context)
    }

    /// Returns the context for an account's drive without checking the request's token. For
    /// requests that are authorized in another way, such as upload URLs. `own` is true if the drive
    /// was addressed as the user's own.
    pub(super) fn for_account(request: &'a GraphRequest, account: Arc<Account>, own: bool) -> Self {
        let kind = request.kind(&account);
        let ids = IdCodec::new(kind, &account.cid);
        let principal = Principal::for_user(&request.state.accounts, &account);
        Self {
            request,
            account,
            kind,
            ids,
            own,
            principal,
            base_role: Some(Role::Owner),
            shared: None,
            presented: None,
        }
    }

    /// Returns the number of versions that the drive keeps of a file, with the current one.
    pub(super) fn max_versions(&self) -> u32 {
        versions::max_versions(self.kind, self.request.state.settings.max_versions)
    }

    /// Returns the storage of all drives.
    pub(super) fn tree(&self) -> &Tree {
        &self.request.state.tree
    }

    /// Returns the key of the addressed drive.
    pub(super) fn drive(&self) -> DriveKey {
        self.account.drive
    }

    /// Returns whether the request addressed the drive as the user's own.
    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    /// Returns a URL on the host that serves the drive's content and web pages. `path` begins with
    /// a slash and is percent-encoded.
    pub(super) fn content_url(&self, path: &str) -> String {
        self.request.content_url(self.kind, path)
    }

    /// Returns the prefix of paths in responses, such as `/drive/root:`.
    pub(super) fn root_path(&self) -> String {
        if self.own {
            "/drive/root:".into()
        } else {
            format!("/drives/{}/root:", self.ids.drive_id())
        }
    }

    /// Returns the key of the item with an id. The item may not exist.
    ///
    /// # Errors
    /// 404 if the text is not an id of an item of this drive, in the one spelling that the server
    /// writes.
    pub(super) fn item_key(&self, id: &str) -> Result<ItemKey> {
        self.ids.item_key(id).ok_or_else(Error::not_found)
    }

    /// Returns the item that a path is relative to. Creates a special folder that does not exist,
    /// unless the request is a HEAD (onedrive-graph#head-requests). An item of an id may not exist.
    ///
    /// # Errors
    /// 400 for an unknown special folder; 403 if the token does not cover the item, or cannot
    /// create the special folder; 404 for an id of another drive, a sharing token without an item,
    /// and a HEAD of a missing special folder; 409 if a file has the name of a special folder's
    /// parent; 507 if the disk of the storage is full; 500 if the storage fails.
    pub(super) async fn anchor(&self, anchor: &Anchor) -> Result<ItemKey> {
        let item = match anchor {
            Anchor::Root => ROOT,
            Anchor::Id(id) => self.item_key(id)?,
            Anchor::Special(name) => self.special_folder(name).await?,
            Anchor::Shared => self.shared.ok_or_else(Error::not_found)?,
        };
        self.check_covered(item).await?;
        Ok(item)
    }

    /// Returns the folder with a special name, such as `documents`, and creates it if the token
    /// can.
    ///
    /// # Errors
    /// 400 for an unknown name, 404 for a HEAD of a missing folder, 403 for another request of a
    /// token that cannot create it (onedrive-graph#special-folders), 409 if a file has the name of
    /// one of its parents, 507 if the disk of the storage is full, 500 if the storage fails.
    async fn special_folder(&self, name: &str) -> Result<ItemKey> {
        let create = match (&self.request.method, self.request.writable) {
            (&Method::HEAD, _) => OnMissing::NotFound,
            _ if self.base_role != Some(Role::Owner) => OnMissing::NotFound,
            (_, FileScope::All) => OnMissing::Create,
            (_, FileScope::AppFolder) if name == special_folders::APP_ROOT => OnMissing::Create,
            _ => OnMissing::Denied,
        };
        special_folders::folder(self.tree(), self.drive(), name, create).await
    }

    /// Checks that the permission of the token covers an item: if it is for the application's own
    /// folder only, the item must be that folder of the user's own drive or below it.
    ///
    /// # Errors
    /// 403 if it does not, or the application's own folder does not exist; then 404 if the item
    /// does not exist, and 500 if the storage fails.
    pub(super) async fn check_covered(&self, item: ItemKey) -> Result<()> {
        if self.request.files != FileScope::AppFolder {
            return Ok(());
        }
        if !self.principal.is_user(&self.account) {
            return Err(Error::access_denied());
        }
        let (tree, drive) = (self.tree(), self.drive());
        let app_root = special_folders::APP_ROOT;
        let app_root =
            match special_folders::folder(tree, drive, app_root, OnMissing::NotFound).await {
                Err(error) if error.status == StatusCode::NOT_FOUND => {
                    return Err(Error::access_denied());
                }
                app_root => app_root?,
            };
        let mut at = item;
        while at != app_root {
            let node = tree.any_node(drive, at).await?;
            at = *node.parents.first().ok_or_else(Error::access_denied)?;
        }
        Ok(())
    }

    /// Returns the key of the item that an anchor names, if the caller has the role that the operation
    /// needs. The item may not exist.
    ///
    /// # Errors
    /// Those of [`anchor`](Self::anchor) and [`require`](Self::require).
    pub(super) async fn item_at(&self, anchor: &Anchor) -> Result<ItemKey> {
        let item = self.anchor(anchor).await?;
        self.require(item, self.request.needs).await?;
        Ok(item)
    }

    /// Returns a live item and its path.
    ///
    /// # Errors
    /// 404 if the item does not exist or is in the recycle bin, 500 if the storage fails.
    pub(super) async fn item_by_key(&self, item: ItemKey) -> Result<ItemWithPath> {
        let node = self.published(self.tree().node(self.drive(), item).await?).await?;
        let parent_path = self.parent_path(&node).await?;
        Ok(ItemWithPath { node, parent_path })
    }

    /// Returns the names of the folders from below the root down to the item's parent.
    ///
    /// # Errors
    /// 404 if a parent no longer exists, 500 if the storage fails.
    pub(super) async fn parent_path(&self, node: &Node) -> Result<Vec<String>> {
        match node.parents.first() {
            None => Ok(Vec::new()),
            Some(&folder) => self.path(folder).await,
        }
    }

    /// Returns the names from below the root down to an item; empty for the root.
    ///
    /// # Errors
    /// 404 if the item does not exist, 500 if the storage fails.
    pub(super) async fn path(&self, item: ItemKey) -> Result<Vec<String>> {
        match item {
            ROOT => Ok(Vec::new()),
            item => Ok(self.tree().path(self.drive(), item).await?),
        }
    }

    /// Returns the live item at an address, with its path.
    ///
    /// # Errors
    /// These are the errors of an address in every request: 400 for an unknown special folder; 403
    /// if the token does not cover the item, cannot create the special folder, or the caller does not
    /// have the role that the operation needs; 404 if the anchor or the item below it does not exist or
    /// is in the recycle bin, or the caller has no access to it; 409 or 507 if a missing
    /// special folder cannot be created, because a file has its name or the disk of the storage is
    /// full; 500 if the storage fails.
    pub(super) async fn locate(&self, address: &ItemAddress) -> Result<ItemWithPath> {
        self.find(address).await?.ok_or_else(Error::not_found)
    }

    /// Returns the live item at an address; `None` if the anchor exists and the path below it does
    /// not.
    ///
    /// # Errors
    /// Those of [`locate`](Self::locate), except 404 for the path below the anchor.
    pub(super) async fn find(&self, address: &ItemAddress) -> Result<Option<ItemWithPath>> {
        let anchor = self.anchor(&address.anchor).await?;
        if address.path.is_empty() {
            self.require(anchor, self.request.needs).await?;
            return self.item_by_key(anchor).await.map(Some);
        }
        let mut nodes = self.tree().walk(self.drive(), anchor, &address.path).await?;
        let found = nodes.last().map_or(anchor, |node| node.no);
        if nodes.len() <= address.path.len() {
            // Whether a name exists is shown only to those who can list the folder.
            self.require(found, Role::Read).await?;
            return Ok(None);
        }
        self.require(found, self.request.needs).await?;
        let mut parent_path = self.path(anchor).await?;
        let Some(node) = nodes.pop() else { return Ok(None) };
        parent_path.extend(nodes.into_iter().skip(1).map(|node| node.name));
        let node = self.published(node).await?;
        Ok(Some(ItemWithPath { node, parent_path }))
    }

    /// Returns the precondition in the `If-Match` header, a list of etags and cTags. The header has
    /// no effect if no item exists yet (`node` is `None`; onedrive-graph#simple-upload-headers).
    ///
    /// # Errors
    /// 412 if none of the tags is that of the item's current version or content.
    pub(super) fn if_match(&self, node: Option<&Node>) -> Result<Precondition> {
        match (self.request.header(header::IF_MATCH), node) {
            (Some(tags), Some(node)) => self.ids.matches(node, tags).ok_or_else(Error::changed),
            _ => Ok(Precondition::Any),
        }
    }

    /// Returns whether `If-None-Match` names the current version or content of an item; `false`
    /// without the header.
    pub(super) fn if_none_match(&self, node: &Node) -> bool {
        self.request
            .header(header::IF_NONE_MATCH)
            .is_some_and(|tags| self.ids.matches(node, tags).is_some())
    }

    /// Returns the form in which names of this drive are compared, which ignores case as the
    /// account kind does.
    pub(super) fn fold(&self, name: &str) -> String {
        self.kind.folding().fold(name)
    }

    /// Checks that the item's name resolves to the item and not to an older one with the same name,
    /// which a write by name would replace.
    ///
    /// # Errors
    /// 409 if the name resolves to another item; 404 if the item or its folder was deleted
    /// meanwhile; 500 if the storage fails.
    pub(super) async fn check_found_by_path(&self, node: &Node) -> Result<()> {
        let Some(&folder) = node.parents.first() else { return Ok(()) };
        let found = self.tree().child(self.drive(), folder, &node.name).await?;
        if found.no == node.no { Ok(()) } else { Err(Error::name_taken()) }
    }

    /// Checks that an item is not locked: by the control interface, as a record of a retention label, or
    /// because another caller has checked it out.
    ///
    /// # Errors
    /// 423 if it is locked; 401 if it is checked out and the request has no valid token.
    pub(super) fn check_unlocked(&self, node: &Node) -> Result<()> {
        match stored_facet(node, LOCKED) {
            Some(_) => Err(Error::locked("The resource you are attempting to access is locked")),
            None if labels::is_locked(node) => {
                Err(Error::locked("cannot change the item: its retention label locks the record"))
            }
            None => check_out::check_not_by_another(self, node),
        }
    }

    /// Counts an action of the caller on an item, for analytics. Requests without a valid token, such as
    /// those to upload URLs, count for the owner of the drive.
    pub(super) fn count_activity(&self, item: ItemKey, activity: ItemActivity) {
        let actor = self.caller().unwrap_or_else(|_| self.account.name.clone());
        let activities = &self.request.state.item_activities;
        activities.add(self.drive(), item, activity, actor, account_scope::now());
    }

    /// Returns the caller: the name of the account of the token, or `app:` and the id of the
    /// application for its own token.
    ///
    /// # Errors
    /// 401 if the token is missing, unknown, expired or for another resource.
    pub(super) fn caller(&self) -> Result<String> {
        let grant = self.request.valid_grant()?;
        Ok(match grant.is_app {
            true => format!("app:{}", grant.client.as_deref().unwrap_or_default()),
            false => grant.account.clone(),
        })
    }
}
