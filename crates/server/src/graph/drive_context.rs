//! The drive that a request is about, and the way to its items.

use std::sync::Arc;

use http::{StatusCode, header};

use super::{
    address::{Anchor, DriveRef, ItemAddress, Owner},
    drive_item::planted,
    error::{Error, Result},
    ids::Ids,
    names,
    owner::Identity,
    permissions,
    request::GraphRequest,
    special_folders,
};
use crate::{
    account::Account,
    account_kind::AccountKind,
    tree::{DriveKey, ItemKey, Node, Precondition, ROOT, Tree},
};

/// A request and its drive.
#[derive(Debug)]
pub(super) struct DriveContext<'a> {
    pub(super) request: &'a GraphRequest,
    pub(super) account: Arc<Account>,
    pub(super) kind: AccountKind,
    pub(super) ids: Ids,
    /// Whether the drive was addressed as one's own and not by its id: paths in answers begin
    /// with what it was addressed by (onedrive-graph#parent-reference-path).
    own: bool,
    /// The item that a sharing token led to.
    shared: Option<ItemKey>,
}

/// An item that is there.
#[derive(Debug)]
pub(super) struct ItemWithPath {
    pub(super) node: Node,
    /// The names from the root down to the folder it is in.
    pub(super) above: Vec<String>,
}

/// Where an item is to be.
#[derive(Debug)]
pub(super) struct NewItemLocation {
    /// The innermost folder on the way that exists.
    pub(super) folder: ItemKey,
    /// Names of the folders below it that are missing. The tree makes them with the item, so that a
    /// refused request leaves none of them.
    pub(super) missing: Vec<String>,
    /// The names from the root down to the folder that the item is to be in.
    pub(super) above: Vec<String>,
    pub(super) name: String,
    /// Who is there already.
    pub(super) occupant: Option<Node>,
}

impl NewItemLocation {
    /// Checks the names of the item and of the folders that are missing.
    ///
    /// # Errors
    /// The kind of account does not allow one of the names, or the path is too long.
    pub(super) fn check(&self, kind: AccountKind, is_folder: bool) -> Result<()> {
        let first = self.above.len() - self.missing.len();
        for (at, missing) in self.missing.iter().enumerate() {
            // Only the first one may be in the root folder.
            let folder = if at == 0 { self.folder } else { NOT_ROOT };
            names::check(missing, true, kind, folder, &self.above[..first + at])?;
        }
        let folder = if self.missing.is_empty() { self.folder } else { NOT_ROOT };
        names::check(&self.name, is_folder, kind, folder, &self.above)
    }
}

/// In place of the number of a folder that is yet to be made.
const NOT_ROOT: ItemKey = ItemKey(0);

impl<'a> DriveContext<'a> {
    /// A URL on the host that has the drive's bytes and pages.
    pub(super) fn content_url(&self, path: &str) -> String {
        self.request.content_url(self.kind, path)
    }

    /// The drive that a request names, if its token opens it.
    pub(super) async fn of(request: &'a GraphRequest, drive: &DriveRef) -> Result<Self> {
        let account = request.account().await?;
        let kind = request.kind(&account);
        let ids = Ids::new(kind, &account.cid);
        let identity = Identity::new(kind, &account);
        let mut shared = None;
        match drive {
            DriveRef::Of(Owner::Me) => {}
            DriveRef::Of(Owner::User(id)) => identity.check_user(id)?,
            DriveRef::Of(Owner::Group(id)) => identity.check_group(id)?,
            DriveRef::Of(Owner::Site(site)) => identity.check_site(site, request)?,
            DriveRef::Id { id, within } => {
                if let Some(site) = within {
                    identity.check_site(site, request)?;
                }
                if !ids.is_drive(id) {
                    return Err(Error::not_found());
                }
            }
            DriveRef::Share(token) => {
                shared = Some(permissions::open(request, &account, token).await?)
            }
        }
        let own = *drive == DriveRef::Of(Owner::Me);
        Ok(Self { shared, ..Self::of_account(request, Arc::clone(&account), own) })
    }

    /// An account's drive, where something else than a token opens it.
    pub(super) fn of_account(request: &'a GraphRequest, account: Arc<Account>, own: bool) -> Self {
        let kind = request.kind(&account);
        let ids = Ids::new(kind, &account.cid);
        Self { request, account, kind, ids, own, shared: None }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.request.state.tree
    }

    pub(super) fn drive(&self) -> DriveKey {
        self.account.drive
    }

    /// Whether the root was addressed as the root of one's own drive.
    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    /// What paths in answers begin with.
    pub(super) fn root_path(&self) -> String {
        if self.own { "/drive/root:".into() } else { format!("/drives/{}/root:", self.ids.drive()) }
    }

    /// The item of an id.
    pub(super) fn number(&self, id: &str) -> Result<ItemKey> {
        self.ids.number(id).ok_or_else(Error::not_found)
    }

    /// The item that a path begins at.
    pub(super) async fn anchor(&self, anchor: &Anchor) -> Result<ItemKey> {
        match anchor {
            Anchor::Root => Ok(ROOT),
            Anchor::Id(id) => self.number(id),
            Anchor::Special(name) => special_folders::folder(self, name).await,
            Anchor::Shared => self.shared.ok_or_else(Error::not_found),
        }
    }

    /// A live item by its number.
    pub(super) async fn by_number(&self, item: ItemKey) -> Result<ItemWithPath> {
        let node = self.tree().node(self.drive(), item).await?;
        let above = self.above(&node).await?;
        Ok(ItemWithPath { node, above })
    }

    /// The names from the root down to the folder that an item is in.
    pub(super) async fn above(&self, node: &Node) -> Result<Vec<String>> {
        match node.parents.first() {
            None | Some(&ROOT) => Ok(Vec::new()),
            Some(&folder) => Ok(self.tree().path(self.drive(), folder).await?),
        }
    }

    /// The live item at an address.
    pub(super) async fn locate(&self, address: &ItemAddress) -> Result<ItemWithPath> {
        self.find(address).await?.ok_or_else(Error::not_found)
    }

    /// The live item at an address, if its anchor is there and the path leads to something.
    pub(super) async fn find(&self, address: &ItemAddress) -> Result<Option<ItemWithPath>> {
        let anchor = self.anchor(&address.anchor).await?;
        if address.path.is_empty() {
            return self.by_number(anchor).await.map(Some);
        }
        let mut nodes = self.walk(anchor, &address.path).await?;
        if nodes.len() <= address.path.len() {
            return Ok(None);
        }
        let mut above = self.tree().path(self.drive(), anchor).await?;
        let Some(node) = nodes.pop() else { return Ok(None) };
        above.extend(nodes.into_iter().skip(1).map(|node| node.name));
        Ok(Some(ItemWithPath { node, above }))
    }

    async fn walk(&self, anchor: ItemKey, path: &[String]) -> Result<Vec<Node>> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        Ok(self.tree().walk(self.drive(), anchor, &names).await?)
    }

    /// Where an address wants an item to be. Folders on the way may be missing: the cloud makes them
    /// (onedrive-graph#auto-create-ancestors).
    pub(super) async fn spot(&self, address: &ItemAddress) -> Result<NewItemLocation> {
        let Some((name, folders)) = address.path.split_last() else {
            return self.spot_of_item(address).await;
        };
        let anchor = self.anchor(&address.anchor).await?;
        let mut nodes = self.walk(anchor, &address.path).await?;
        let mut above = self.tree().path(self.drive(), anchor).await?;
        let occupant = (nodes.len() > address.path.len()).then(|| nodes.pop()).flatten();
        above.extend(nodes.iter().skip(1).map(|node| node.name.clone()));
        let folder = nodes.last().map_or(anchor, |node| node.no);
        let found = nodes.len().saturating_sub(1).min(folders.len());
        let missing = folders[found..].to_vec();
        above.extend(missing.iter().cloned());
        Ok(NewItemLocation { folder, missing, above, name: name.clone(), occupant })
    }

    /// The spot of an item that is addressed without a path: its own.
    async fn spot_of_item(&self, address: &ItemAddress) -> Result<NewItemLocation> {
        let anchor = self.anchor(&address.anchor).await?;
        let ItemWithPath { node, above } = self.by_number(anchor).await?;
        let folder = node.parents.first().copied().ok_or_else(|| {
            Error::invalid("The root folder cannot be written: name an item in it.")
        })?;
        let (missing, name) = (Vec::new(), node.name.clone());
        Ok(NewItemLocation { folder, missing, above, name, occupant: Some(node) })
    }

    /// What `If-Match` allows to be changed. It has no effect where nothing is there yet
    /// (onedrive-graph#simple-upload-headers).
    pub(super) fn if_match(&self, node: Option<&Node>) -> Result<Precondition> {
        match (self.request.header(header::IF_MATCH), node) {
            (Some(tags), Some(node)) => self.ids.matches(node, tags).ok_or_else(Error::changed),
            _ => Ok(Precondition::Any),
        }
    }

    /// Whether `If-None-Match` names an item as it is.
    pub(super) fn if_none_match(&self, node: &Node) -> bool {
        self.request
            .header(header::IF_NONE_MATCH)
            .is_some_and(|tags| self.ids.matches(node, tags).is_some())
    }

    /// The folded form of a name in this drive.
    pub(super) fn fold(&self, name: &str) -> String {
        self.kind.folding().fold(name)
    }

    /// Refuses an item whose name leads to an older one: what is written by name would replace that.
    pub(super) async fn check_found_by_path(&self, node: &Node) -> Result<()> {
        let Some(&folder) = node.parents.first() else { return Ok(()) };
        let found = self.tree().child(self.drive(), folder, &node.name).await?;
        if found.no == node.no { Ok(()) } else { Err(Error::name_taken()) }
    }

    /// Refuses to touch an item that is locked: planted so by the control interface.
    pub(super) fn check_unlocked(&self, node: &Node) -> Result<()> {
        match planted(node, "locked") {
            Some(_) => Err(Error::new(
                StatusCode::LOCKED,
                "resourceLocked",
                "The resource you are attempting to access is locked",
            )),
            None => Ok(()),
        }
    }
}
