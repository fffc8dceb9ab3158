//! Permissions of items, independent of protocols.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DriveKey, ItemKey, Node};
use crate::account_scope;

/// The rights to an item and everything below it, in ascending order. Each role includes those before
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads metadata and contents.
    Read,
    /// Changes, adds and deletes items.
    Write,
    /// Also manages the lists of a site. Only applications have it.
    Manage,
    /// Does everything that the owner of the drive does.
    Owner,
}

/// The users that a sharing link is for, from the smallest audience to the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkAudience {
    /// The users that the link names.
    Users,
    /// The users of the tenant of the drive's owner.
    Organization,
    /// Everyone with the link.
    Anonymous,
}

/// The kind of a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PermissionKind {
    /// For the users that it names.
    Users,
    /// For the applications that it names, when they act for themselves.
    Application,
    /// For everyone.
    Everyone,
    /// A sharing link. Users that redeemed the link are named, and have access without it.
    Link(LinkAudience),
    /// Grants nothing: the permissions of the folders above end at this item.
    Boundary,
}

impl PermissionKind {
    /// All kinds. The index is the code in the database.
    const ALL: [Self; 7] = [
        Self::Users,
        Self::Application,
        Self::Everyone,
        Self::Boundary,
        Self::Link(LinkAudience::Users),
        Self::Link(LinkAudience::Organization),
        Self::Link(LinkAudience::Anonymous),
    ];

    /// Returns the code in the database.
    pub(super) fn code(self) -> i64 {
        Self::ALL.iter().position(|kind| *kind == self).map_or(0, |index| index as i64)
    }

    /// Returns the kind of a code; `None` if no kind has it.
    pub(super) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

impl Role {
    /// All roles. The index is the code in the database.
    const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Manage, Self::Owner];

    /// Returns the code in the database.
    pub(super) fn code(self) -> i64 {
        self as i64
    }

    /// Returns the role of a code; `None` if no role has it.
    pub(super) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

/// A permission of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct Permission {
    /// The item. Its descendants inherit the permission.
    pub item: ItemKey,
    /// Unique among the permissions of the item.
    pub id: String,
    /// The kind.
    pub kind: PermissionKind,
    /// The rights that it grants.
    pub role: Role,
    /// The users or applications that it names. The tree compares them as texts.
    pub grantees: Vec<String>,
    /// The time when it was granted.
    pub created: Timestamp,
    /// The time when it ends; `None` if it does not.
    pub expires: Option<Timestamp>,
    /// Properties that the tree does not interpret.
    pub details: PermissionDetails,
}

impl Permission {
    /// Creates a permission of an item that names no users and does not expire, as of now.
    pub fn new(item: ItemKey, id: impl Into<String>, kind: PermissionKind, role: Role) -> Self {
        Self {
            item,
            id: id.into(),
            kind,
            role,
            grantees: Vec::new(),
            created: account_scope::now(),
            expires: None,
            details: PermissionDetails::default(),
        }
    }

    /// Returns whether the permission is in force at a time.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Properties of a permission that the tree does not interpret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PermissionDetails {
    /// Whether a link is for embedding the item in a page.
    #[serde(skip_serializing_if = "is_false")]
    pub embed: bool,
    /// The key of a link in Live Connect; empty for other kinds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The salted hash of a link's password; `None` without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The id of the application that created a link; `None` if the token belonged to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The address that was invited; `None` unless the permission is an invitation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited: Option<String>,
    /// Whether an invited user must sign in.
    #[serde(skip_serializing_if = "is_false")]
    pub sign_in: bool,
    /// Displayed names of applications, by their grantee.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// Returns whether a flag need not be stored.
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Returns a time in the precision of the database, microseconds.
fn truncated(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// The audience of an item, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SharingAudience {
    /// Users and applications that a permission names.
    Users,
    /// The users of the tenant, by a link.
    Organization,
    /// Everyone with a link.
    Anonymous,
    /// Everyone.
    Everyone,
}

/// A summary of the permissions of an item itself, without those of the folders above it.
///
/// The tree stores it in the item's facets, in the transaction that changes the permissions: a listing
/// shows which items are shared without another query, and a change is in the change feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharingSummary {
    /// The item. A copy has the facets of its original, whose permissions are not its own.
    item: ItemKey,
    /// The time of the oldest permission.
    pub since: Timestamp,
    /// Each audience, with the time when the last permission for it ends; `None` if one does not end.
    audiences: BTreeMap<SharingAudience, Option<Timestamp>>,
    /// Whether the permissions of the folders above end at this item.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_boundary: bool,
}

impl SharingSummary {
    /// Name of the facet.
    pub(super) const FACET: &str = "sharing";

    /// Returns the summary of the permissions of an item; `None` if it has none.
    pub(super) fn new(item: ItemKey, permissions: &[Permission]) -> Option<Self> {
        let since = truncated(permissions.iter().map(|permission| permission.created).min()?);
        let mut audiences = BTreeMap::new();
        for Permission { kind, expires, .. } in permissions {
            let audience = match kind {
                PermissionKind::Users | PermissionKind::Application => SharingAudience::Users,
                PermissionKind::Link(LinkAudience::Users) => SharingAudience::Users,
                PermissionKind::Link(LinkAudience::Organization) => SharingAudience::Organization,
                PermissionKind::Link(LinkAudience::Anonymous) => SharingAudience::Anonymous,
                PermissionKind::Everyone => SharingAudience::Everyone,
                PermissionKind::Boundary => continue,
            };
            let expires = (*expires).map(truncated);
            let ends = audiences.entry(audience).or_insert(expires);
            *ends = ends.zip(expires).map(|(one, other)| one.max(other));
        }
        let is_boundary = permissions.iter().any(|it| it.kind == PermissionKind::Boundary);
        Some(Self { item, since, audiences, is_boundary })
    }

    /// Returns the summary of an item; `None` if the item itself has no permissions.
    pub fn from_node(node: &Node) -> Option<Self> {
        let facet = node.facets.get(Self::FACET)?;
        let summary: Self = serde_json::from_value(facet.clone()).ok()?;
        (summary.item == node.no).then_some(summary)
    }

    /// Returns the largest audience at a time; `None` if all permissions have ended.
    pub fn audience(&self, now: Timestamp) -> Option<SharingAudience> {
        let is_valid = |ends: &Option<Timestamp>| ends.is_none_or(|ends| now < ends);
        self.audiences.iter().rev().find(|(_, ends)| is_valid(ends)).map(|(audience, _)| *audience)
    }
}

/// An item that is shared with a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedItem {
    /// The drive.
    pub drive: DriveKey,
    /// The name of the account that owns the drive.
    pub account: String,
    /// The item.
    pub item: ItemKey,
}
