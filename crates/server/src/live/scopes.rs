//! The scopes of a token, and the actions that they allow (live-connect#scopes-by-operation).

use serde_json::{Map, Value};

use super::{
    action::LiveAction,
    error::{LiveError, Result},
};
use crate::grant::Grant;

/// Read access to files, folders and their content.
pub(super) const READ: &str = "wl.skydrive";
/// Write access. Includes `wl.skydrive` and `wl.contacts_skydrive`.
pub(super) const WRITE: &str = "wl.skydrive_update";
/// Read access to photos, videos and albums.
pub(super) const PHOTOS: &str = "wl.photos";
/// Read access to items that other users share.
pub(super) const OTHERS: &str = "wl.contacts_skydrive";
/// Read access to photos, videos and albums that other users share.
pub(super) const OTHERS_PHOTOS: &str = "wl.contacts_photos";

/// Scopes that include others (live-connect#scopes).
const INCLUDED: &[(&str, &[&str])] =
    &[(WRITE, &[READ, OTHERS]), ("wl.calendars_update", &["wl.calendars"])];

/// The scopes of a token that was issued without any: all scopes of this server.
const ALL: &[&str] = &[
    "wl.applications",
    "wl.applications_create",
    "wl.basic",
    "wl.birthday",
    "wl.calendars",
    "wl.calendars_update",
    "wl.contacts_birthday",
    "wl.contacts_calendars",
    "wl.contacts_create",
    OTHERS_PHOTOS,
    OTHERS,
    "wl.emails",
    "wl.events_create",
    "wl.offline_access",
    "wl.phone_numbers",
    PHOTOS,
    "wl.postal_addresses",
    "wl.share",
    "wl.signin",
    READ,
    WRITE,
    "wl.work_profile",
];

/// The scopes of a token, separated by spaces. `None`: [`ALL`].
#[derive(Clone, Debug)]
pub(super) struct Scopes(Option<String>);

impl Scopes {
    /// Returns the scopes of a grant.
    pub(super) fn from_grant(grant: &Grant) -> Self {
        Self(grant.scope.clone())
    }

    /// Returns the scopes of a request without a token: none.
    pub(super) fn none() -> Self {
        Self(Some(String::new()))
    }

    /// Returns the scopes that were granted explicitly, or all.
    fn granted(&self) -> Vec<&str> {
        match &self.0 {
            Some(scopes) => scopes.split_whitespace().collect(),
            None => ALL.to_vec(),
        }
    }

    /// Returns whether the token has a scope, by its exact name, directly or as part of another.
    pub(super) fn has(&self, required: &str) -> bool {
        let includes = |scope: &str| {
            INCLUDED.iter().any(|(whole, parts)| *whole == scope && parts.contains(&required))
        };
        self.granted().into_iter().any(|scope| scope == required || includes(scope))
    }

    /// Requires at least one of the scopes. No scopes are no requirement.
    ///
    /// # Errors
    /// 403 if the token has none of them, with the message of the reference.
    pub(super) fn require_one(&self, accepted: &[&str]) -> Result<()> {
        match accepted.is_empty() || accepted.iter().any(|scope| self.has(scope)) {
            true => Ok(()),
            false => Err(LiveError::unauthorized(accepted)),
        }
    }

    /// Rejects an action that the token's scopes allow for no item. Checks that depend on the type
    /// of the item follow after the lookup.
    ///
    /// # Errors
    /// 403 if a scope that the action requires is missing, with the message of the reference.
    pub(super) fn check_action(&self, action: &LiveAction) -> Result<()> {
        match action {
            LiveAction::GetUser | LiveAction::GetUserPicture | LiveAction::Permissions => Ok(()),
            LiveAction::Account(action) => self.require_one(action.scopes()),
            LiveAction::GetTag | LiveAction::ListTags => {
                self.require_one(&[PHOTOS])?;
                self.require_one(&[READ])
            }
            // The old command-line client reads comments without `wl.photos`, so `wl.skydrive` is
            // sufficient (inferred).
            LiveAction::Get
            | LiveAction::List(_)
            | LiveAction::ListAlbums
            | LiveAction::GetContent
            | LiveAction::GetPicture
            | LiveAction::ListComments
            | LiveAction::GetComment => self.require_one(&[READ, PHOTOS]),
            LiveAction::ListShared(_) => self.require_one(&[OTHERS, OTHERS_PHOTOS]),
            LiveAction::GetQuota
            | LiveAction::Search
            | LiveAction::Recent
            | LiveAction::Link(_) => self.require_one(&[READ]),
            LiveAction::Update
            | LiveAction::Delete
            | LiveAction::Move
            | LiveAction::Copy
            | LiveAction::CreateFolder
            | LiveAction::CreateAlbum
            | LiveAction::Put(_)
            | LiveAction::Post
            | LiveAction::PutContent
            | LiveAction::AddComment
            | LiveAction::DeleteComment => self.require_one(&[WRITE]),
        }
    }

    /// Rejects an action on an item of another user that the token's scopes allow for no item.
    ///
    /// # Errors
    /// 403 if a scope that the action requires is missing, with the message of the reference.
    pub(super) fn check_foreign(&self, action: &LiveAction) -> Result<()> {
        match action {
            LiveAction::Get
            | LiveAction::List(_)
            | LiveAction::ListAlbums
            | LiveAction::GetContent
            | LiveAction::GetPicture
            | LiveAction::ListComments
            | LiveAction::GetComment
            | LiveAction::ListTags
            | LiveAction::GetTag => self.require_one(&[OTHERS, OTHERS_PHOTOS]),
            LiveAction::Search => self.require_one(&[OTHERS]),
            // All others change the item.
            _ => self.require_one(&[WRITE]),
        }
    }

    /// Returns the scopes as the response to `me/permissions`: each has the value 1.
    pub(super) fn to_permissions(&self) -> Map<String, Value> {
        self.granted().into_iter().map(|scope| (scope.to_owned(), 1.into())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        Scopes(Some(text.to_owned()))
    }

    #[test]
    fn some_scopes_include_others() {
        let update = scopes("wl.signin wl.skydrive_update");
        assert!(update.has(READ) && update.has(OTHERS) && !update.has(PHOTOS));
        assert!(!scopes("wl.skydrive").has(WRITE));
        assert!(Scopes(None).has(PHOTOS));
    }

    #[test]
    fn missing_scopes_have_the_message_of_the_reference() {
        let refused = scopes("wl.basic").check_action(&LiveAction::Get).expect_err("no scope");
        assert_eq!((refused.status.as_u16(), refused.code), (403, "request_token_unauthorized"));
        assert_eq!(
            refused.message,
            "The provided access token does not have access to this resource. An access token with \
             one of the following scopes is required: 'wl.skydrive', 'wl.photos'."
        );
        assert!(scopes("wl.skydrive").check_action(&LiveAction::Delete).is_err());
        assert!(scopes("wl.photos").check_action(&LiveAction::ListTags).is_err());
    }
}
