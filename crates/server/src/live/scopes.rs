//! What a token allows (live-connect#scopes-by-operation).

use serde_json::{Map, Value};

use super::{
    error::{LiveError, Result},
    route::Action,
};
use crate::account::Grant;

/// Reads files and folders, and everything in them.
pub(super) const READ: &str = "wl.skydrive";
/// Changes them; it has what `wl.skydrive` and `wl.contacts_skydrive` have.
pub(super) const WRITE: &str = "wl.skydrive_update";
/// Reads photos, films and albums.
pub(super) const PHOTOS: &str = "wl.photos";
const OTHERS: &str = "wl.contacts_skydrive";
const OTHERS_PHOTOS: &str = "wl.contacts_photos";

/// What a token for which nobody named scopes allows: everything here.
const ALL: &[&str] =
    &["wl.basic", OTHERS_PHOTOS, OTHERS, "wl.offline_access", PHOTOS, "wl.signin", READ, WRITE];

/// The scopes of a token.
#[derive(Clone, Debug)]
pub(super) struct Scopes(Option<String>);

impl Scopes {
    pub(super) fn of(grant: &Grant) -> Self {
        Self(grant.scope.clone())
    }

    fn granted(&self) -> Vec<&str> {
        match &self.0 {
            Some(scopes) => scopes.split_whitespace().collect(),
            None => ALL.to_vec(),
        }
    }

    /// Whether a scope is among them, by itself or by another.
    pub(super) fn has(&self, wanted: &str) -> bool {
        self.granted()
            .into_iter()
            .any(|scope| scope == wanted || scope == WRITE && (wanted == READ || wanted == OTHERS))
    }

    /// Refuses, in the reference's words, where none of these scopes is there.
    pub(super) fn require_one(&self, of: &[&str]) -> Result<()> {
        match of.is_empty() || of.iter().any(|scope| self.has(scope)) {
            true => Ok(()),
            false => Err(LiveError::unauthorized(of)),
        }
    }

    /// Whether items of all kinds may be read, and not only those that one looks at.
    pub(super) fn reads_all(&self) -> bool {
        self.has(READ)
    }

    /// Refuses what these scopes do not allow at all. What can only be known of the item is asked
    /// when it was looked at.
    pub(super) fn allow(&self, action: &Action) -> Result<()> {
        match action {
            Action::GetUser | Action::GetUserPicture | Action::Permissions => Ok(()),
            Action::GetTag | Action::ListTags => {
                self.require_one(&[PHOTOS])?;
                self.require_one(&[READ])
            }
            // The old command-line client asks for comments and has no `wl.photos`, so that
            // `wl.skydrive` has to do (inferred).
            Action::Get
            | Action::List(_)
            | Action::ListAlbums
            | Action::GetContent
            | Action::GetPicture
            | Action::ListComments
            | Action::GetComment => self.require_one(&[READ, PHOTOS]),
            Action::ListShared(_) => self.require_one(&[OTHERS, OTHERS_PHOTOS]),
            Action::GetQuota | Action::Search | Action::Recent | Action::Link(_) => {
                self.require_one(&[READ])
            }
            Action::Update
            | Action::Delete
            | Action::Move
            | Action::Copy
            | Action::CreateFolder
            | Action::CreateAlbum
            | Action::Put(_)
            | Action::Post
            | Action::PutContent
            | Action::AddComment
            | Action::DeleteComment => self.require_one(&[WRITE]),
        }
    }

    /// As `me/permissions` tells them: each with a 1.
    pub(super) fn told(&self) -> Map<String, Value> {
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
    fn one_scope_has_others_in_it() {
        let update = scopes("wl.signin wl.skydrive_update");
        assert!(update.has(READ) && update.has(OTHERS) && !update.has(PHOTOS));
        assert!(!scopes("wl.skydrive").has(WRITE));
        assert!(Scopes(None).has(PHOTOS));
    }

    #[test]
    fn what_is_not_allowed_is_refused_in_the_words_of_the_reference() {
        let refused = scopes("wl.basic").allow(&Action::Get).expect_err("no scope");
        assert_eq!((refused.status.as_u16(), refused.code), (403, "request_token_unauthorized"));
        assert_eq!(
            refused.message,
            "The provided access token does not have access to this resource. An access token with \
             one of the following scopes is required: 'wl.skydrive', 'wl.photos'."
        );
        assert!(scopes("wl.skydrive").allow(&Action::Delete).is_err());
        assert!(scopes("wl.photos").allow(&Action::ListTags).is_err());
    }
}
