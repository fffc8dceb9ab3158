//! The model of permissions: the access of a user or an application to an item.
//!
//! All protocols use [`access`]. The owner of a drive has all rights. Every other access is a
//! [`Permission`](crate::tree::Permission) of the item or of a folder above it:
//!
//! | kind | grants its role to |
//! |---|---|
//! | users | the named users, such as the recipients of an invitation |
//! | application | the named applications, when they act for themselves |
//! | everyone | everyone, with and without a token |
//! | link | every member of its audience that presents the link; the users that redeemed it |
//! | boundary | no principal: the permissions of the folders above end at the item |
//!
//! The tree stores permissions and selects them by item and by grantee; their meaning is here.

mod item_permissions;
mod links;
mod password;
mod principal;

pub(crate) use self::{
    item_permissions::{ItemPermissions, PresentedLink, access, applies, visible_items},
    links::{LinkType, NewLink, ShareClaims, find_or_add, share_claims},
    password::{hash_password, verify_password},
    principal::{Grantee, Principal, find_user},
};
