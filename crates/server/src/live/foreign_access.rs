//! The access of a caller to the items of another user (live-connect#access-to-shared-items).
//!
//! The member `shared_with` of an item describes this access: no access to an item of "Just me", and to a
//! shared item the role of its permission. The scopes of the token restrict it further.

use std::sync::Arc;

use super::{
    action::LiveAction,
    error::{LiveError, Result},
    ids::LiveId,
    request::LiveRequest,
    route::{DriveOwner, Subject},
    well_known_folders,
};
use crate::{
    account::Account,
    permissions::{access, visible_items},
    tree::{ItemKey, Node, ROOT, Role, TreeError},
};

/// The access that an action on an item of another user needs.
enum ForeignNeed {
    /// A role for the item.
    Item(Role),
    /// None: the list contains only items that the caller has access to.
    FilteredList,
    /// The owner only.
    Own,
}

impl ForeignNeed {
    /// Returns the access that an action needs.
    fn from_action(action: &LiveAction) -> Self {
        match action {
            LiveAction::Get
            | LiveAction::List(_)
            | LiveAction::Search
            | LiveAction::GetContent
            | LiveAction::GetPicture
            | LiveAction::ListComments
            | LiveAction::AddComment
            | LiveAction::GetComment
            | LiveAction::ListTags
            | LiveAction::GetTag => Self::Item(Role::Read),
            LiveAction::Update
            | LiveAction::Delete
            | LiveAction::Move
            | LiveAction::Copy
            | LiveAction::CreateFolder
            | LiveAction::Put(_)
            | LiveAction::Post
            | LiveAction::PutContent
            | LiveAction::Link(_)
            | LiveAction::DeleteComment => Self::Item(Role::Write),
            LiveAction::ListAlbums => Self::FilteredList,
            LiveAction::GetUser
            | LiveAction::GetUserPicture
            | LiveAction::Permissions
            | LiveAction::GetQuota
            | LiveAction::CreateAlbum
            | LiveAction::ListShared(_)
            | LiveAction::Recent
            | LiveAction::Account(_) => Self::Own,
        }
    }
}

impl LiveRequest {
    /// Returns the id of the account in the subject; `None` if the subject is the caller's own.
    fn foreign_cid(&self) -> Option<&str> {
        let cid = match &self.subject {
            Subject::User(DriveOwner::Me)
            | Subject::Root(DriveOwner::Me)
            | Subject::WellKnownFolder(DriveOwner::Me, _)
            // The objects of an account are found by the account, too.
            | Subject::AccountObject(_) => return None,
            Subject::User(DriveOwner::User(cid))
            | Subject::Root(DriveOwner::User(cid))
            | Subject::WellKnownFolder(DriveOwner::User(cid), _) => cid,
            Subject::Item(id) => &id.cid,
            Subject::Comment(id) => &id.cid,
            Subject::Tag(id) => &id.cid,
        };
        (*cid != self.caller.cid).then_some(cid)
    }

    /// Returns whether the subject belongs to another user than the caller.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign_cid().is_some()
    }

    /// Opens the drive of another user if the subject belongs to one, and checks that the caller has the
    /// access that the action needs.
    ///
    /// # Errors
    /// 403 if the token does not have the scope for items of other users, and if the caller may only read
    /// the item; 404 if the user does not exist, the caller has no access to the item, or the action is
    /// for the owner only; 500 if the storage fails.
    pub(super) async fn open_foreign(&mut self, action: &LiveAction) -> Result<()> {
        let Some(cid) = self.foreign_cid().map(str::to_owned) else { return Ok(()) };
        let not_found = LiveError::not_found(self.subject_id());
        let need = match ForeignNeed::from_action(action) {
            ForeignNeed::Own => return Err(not_found),
            need => need,
        };
        self.scopes.check_foreign(action)?;
        let owner = self.state().accounts.find_cid(&cid).await;
        let owner = owner.map_err(|error| LiveError::tree(error, &cid))?.ok_or(not_found)?;
        if let Subject::WellKnownFolder(_, name) = self.subject {
            let folder = well_known_folders::find(self.state(), &owner, name).await?;
            self.subject = Subject::Item(LiveId::folder(&owner.cid, folder));
        }
        self.objects.account = owner;
        match need {
            ForeignNeed::Item(role) => self.require_role(self.item_key()?, role).await,
            ForeignNeed::FilteredList | ForeignNeed::Own => Ok(()),
        }
    }

    /// Returns the caller's role for an item of an account; `None` without access.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn role(&self, owner: &Account, item: ItemKey) -> Result<Option<Role>> {
        let role = access(self.state(), owner, item, &self.principal, None).await;
        role.map_err(|error| LiveError::tree(error, self.subject_id()))
    }

    /// Checks that the caller has a role for an item of the addressed drive.
    ///
    /// # Errors
    /// 404 without access, 403 for a lower role, 500 if the storage fails.
    pub(super) async fn require_role(&self, item: ItemKey, role: Role) -> Result<()> {
        match self.role(&self.objects.account, item).await? {
            Some(has) if has >= role => Ok(()),
            Some(_) => Err(LiveError::forbidden(format!(
                "The resource '{}' is shared with the user for reading only.",
                self.subject_id()
            ))),
            None => Err(LiveError::not_found(self.subject_id())),
        }
    }

    /// Returns the nodes that the caller has access to.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn visible(&self, nodes: Vec<Node>) -> Result<Vec<Node>> {
        if !self.is_foreign() {
            return Ok(nodes);
        }
        let owner = &self.objects.account;
        let visible = visible_items(self.state(), owner, nodes, &self.principal, None).await;
        visible.map_err(|error| LiveError::tree(error, self.subject_id()))
    }

    /// Returns the items of other users that are shared with the caller: each with the account that owns
    /// the drive.
    ///
    /// # Errors
    /// 500 if the storage fails.
    pub(super) async fn shared_items(&self) -> Result<Vec<(Arc<Account>, Node)>> {
        let state = self.state();
        let failed = |error: TreeError| LiveError::tree(error, "me/skydrive/shared");
        let all = state.tree.shared_with(self.principal.identities()).await.map_err(failed)?;
        let mut items = Vec::with_capacity(all.len());
        for shared in all.into_iter().filter(|shared| shared.drive != self.caller.drive) {
            let owner = state.accounts.open(&shared.account).await.map_err(failed)?;
            if self.role(&owner, shared.item).await?.is_none() || shared.item == ROOT {
                continue;
            }
            match state.tree.node(shared.drive, shared.item).await {
                Ok(node) => items.push((owner, node)),
                // It was deleted meanwhile.
                Err(TreeError::NotFound) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(items)
    }
}
