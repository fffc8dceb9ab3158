//! The effective permissions of an item, and the access that they grant.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Principal;
use crate::{
    account::Account,
    account_scope,
    state::ServerState,
    tree::{
        DriveKey, ItemKey, LinkAudience, Node, Permission, PermissionKind, Role, SharingSummary,
        Tree, TreeError,
    },
};

/// A sharing link that a request presents.
#[derive(Clone, Debug)]
pub(crate) struct PresentedLink {
    /// The shared item.
    pub item: ItemKey,
    /// The id of the link among the permissions of the item.
    pub id: String,
    /// Whether the request presents the link's password, too. A link without a password needs none.
    pub is_unlocked: bool,
}

/// The permissions of an item: its own, and those that it inherits from the folders above.
#[derive(Clone, Debug)]
pub(crate) struct ItemPermissions {
    item: ItemKey,
    /// Those of the item first.
    all: Vec<Permission>,
}

/// Returns the role of a principal for an item; `None` if it has no access. `owner` is the account
/// that owns the drive; `link` is the sharing link that the request presents.
///
/// # Errors
/// [`TreeError::Storage`] if the storage fails. An item that does not exist is no error: only the
/// owner has access to it.
pub(crate) async fn access(
    state: &ServerState,
    owner: &Account,
    item: ItemKey,
    principal: &Principal,
    link: Option<&PresentedLink>,
) -> Result<Option<Role>, TreeError> {
    if principal.is_user(owner) {
        return Ok(Some(Role::Owner));
    }
    let permissions = ItemPermissions::load(&state.tree, owner.drive, item).await?;
    let owner = Principal::for_user(&state.accounts, owner);
    Ok(permissions.role(principal, &owner, link, account_scope::now()))
}

/// Returns the items that a principal has access to. The arguments are those of [`access`].
///
/// # Errors
/// [`TreeError::Storage`] if the storage fails.
pub(crate) async fn visible_items(
    state: &ServerState,
    owner: &Account,
    items: Vec<Node>,
    principal: &Principal,
    link: Option<&PresentedLink>,
) -> Result<Vec<Node>, TreeError> {
    let mut inherited: HashMap<ItemKey, bool> = HashMap::new();
    let mut visible = Vec::with_capacity(items.len());
    for item in items {
        // An item without permissions of its own has those of its folder, which is looked up once.
        let has_own = SharingSummary::from_node(&item).is_some();
        let holder = if has_own { None } else { item.parents.first().copied() };
        let is_visible = match holder.and_then(|folder| inherited.get(&folder)) {
            Some(known) => *known,
            None => {
                let holder = holder.unwrap_or(item.no);
                access(state, owner, holder, principal, link).await?.is_some()
            }
        };
        if let Some(folder) = holder {
            inherited.insert(folder, is_visible);
        }
        if is_visible {
            visible.push(item);
        }
    }
    Ok(visible)
}

impl ItemPermissions {
    /// Reads the permissions of an item.
    ///
    /// # Errors
    /// [`TreeError::Storage`] if the storage fails. An item that does not exist has none.
    pub(crate) async fn load(
        tree: &Tree,
        drive: DriveKey,
        item: ItemKey,
    ) -> Result<Self, TreeError> {
        Ok(Self::new(item, tree.permissions_above(drive, item).await?))
    }

    /// Returns the effective permissions of an item. `all` are those of the item and of the folders
    /// above it, those of the item first.
    fn new(item: ItemKey, mut all: Vec<Permission>) -> Self {
        let boundary = all.iter().find(|it| it.kind == PermissionKind::Boundary);
        if let Some(boundary) = boundary.map(|it| it.item) {
            let end = all.iter().rposition(|it| it.item == boundary).map_or(0, |last| last + 1);
            all.truncate(end);
        }
        all.retain(|it| it.kind != PermissionKind::Boundary);
        Self { item, all }
    }

    /// Returns the permissions that are in force at a time, those of the item itself first.
    pub(crate) fn valid(&self, now: Timestamp) -> impl Iterator<Item = &Permission> {
        self.all.iter().filter(move |permission| permission.is_valid(now))
    }

    /// Returns whether a permission is of the item itself, and not inherited.
    pub(crate) fn is_own(&self, permission: &Permission) -> bool {
        permission.item == self.item
    }

    /// Returns the highest role of a principal at a time; `None` without access. `owner` is the owner
    /// of the drive.
    fn role(
        &self,
        principal: &Principal,
        owner: &Principal,
        link: Option<&PresentedLink>,
        now: Timestamp,
    ) -> Option<Role> {
        self.valid(now)
            .filter(|permission| applies(permission, principal, owner, link))
            .map(|permission| permission.role)
            .max()
    }
}

/// Returns whether a permission grants its role to a principal. `owner` is the owner of the drive;
/// `link` is the sharing link that the request presents.
pub(crate) fn applies(
    permission: &Permission,
    principal: &Principal,
    owner: &Principal,
    link: Option<&PresentedLink>,
) -> bool {
    match permission.kind {
        PermissionKind::Everyone => true,
        PermissionKind::Boundary => false,
        PermissionKind::Users | PermissionKind::Application => {
            principal.is_among(&permission.grantees)
        }
        PermissionKind::Link(audience) => {
            let is_presented = link.is_some_and(|link| {
                (link.item, &link.id) == (permission.item, &permission.id)
                    && (link.is_unlocked || permission.details.password.is_none())
            });
            let admits = match audience {
                LinkAudience::Anonymous => true,
                LinkAudience::Organization => principal.is_colleague_of(owner),
                LinkAudience::Users => false,
            };
            is_presented && admits || principal.is_among(&permission.grantees)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::Grantee;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn permission(item: i64, kind: PermissionKind, role: Role) -> Permission {
        Permission::new(ItemKey(item), format!("{item}"), kind, role)
    }

    fn role(all: Vec<Permission>, principal: &Principal, link: Option<&str>) -> Option<Role> {
        let owner = Principal::for_application(None, Some("contoso"));
        let link = link.map(|id| PresentedLink {
            item: ItemKey(id.parse().expect("a number")),
            id: id.to_owned(),
            is_unlocked: false,
        });
        ItemPermissions::new(ItemKey(3), all).role(principal, &owner, link.as_ref(), NOW)
    }

    #[test]
    fn the_highest_role_of_the_item_and_its_folders_counts() {
        let anna = Principal::for_application(Some("anna"), None);
        let to_anna = |item, role| {
            let grantees = vec![Grantee::for_application("anna").to_string()];
            Permission { grantees, ..permission(item, PermissionKind::Application, role) }
        };
        let all = vec![to_anna(3, Role::Read), to_anna(2, Role::Write)];
        assert_eq!(role(all.clone(), &anna, None), Some(Role::Write));
        assert_eq!(role(all.clone(), &Principal::anonymous(), None), None);
        // Inheritance ends at a boundary.
        let boundary = permission(3, PermissionKind::Boundary, Role::Read);
        let all = vec![boundary, to_anna(3, Role::Read), to_anna(2, Role::Write)];
        assert_eq!(role(all, &anna, None), Some(Role::Read));
        let ended = Permission { expires: Some(NOW), ..to_anna(3, Role::Read) };
        assert_eq!(role(vec![ended], &anna, None), None);
    }

    #[test]
    fn a_link_is_for_its_audience() {
        let link = |audience| vec![permission(2, PermissionKind::Link(audience), Role::Write)];
        let member = Principal::for_application(None, Some("contoso"));
        let guest = Principal::for_application(None, Some("fabrikam"));
        let none = Principal::anonymous();
        for (audience, principal, expected) in [
            (LinkAudience::Anonymous, &none, Some(Role::Write)),
            (LinkAudience::Organization, &member, Some(Role::Write)),
            (LinkAudience::Organization, &guest, None),
            (LinkAudience::Organization, &none, None),
            (LinkAudience::Users, &member, None),
        ] {
            assert_eq!(role(link(audience), principal, Some("2")), expected, "{audience:?}");
            assert_eq!(role(link(audience), principal, None), None, "without the link");
            assert_eq!(role(link(audience), principal, Some("3")), None, "another link");
        }
        let mut locked = link(LinkAudience::Anonymous);
        locked[0].details.password = Some("hash".into());
        assert_eq!(role(locked, &none, Some("2")), None);
    }
}
