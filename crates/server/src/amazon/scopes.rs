//! The scopes that each operation requires (amazon-drive#oauth-scopes).
//!
//! The reference names the scopes and does not assign them to operations; their names say which
//! files they cover. The assignment of the other operations is inferred.

use super::{
    error::{AmazonError, Result},
    route::UNKNOWN,
};
use crate::{
    file_class::FileClass,
    grant::Grant,
    tree::{Node, NodeKind},
};

/// Write access.
const WRITE: &str = "clouddrive:write";

/// Scopes for reading all files. The second is the name before June 2015.
const READ_ALL: [&str; 2] = ["clouddrive:read_all", "clouddrive:read"];

const READ_IMAGE: &str = "clouddrive:read_image";
const READ_VIDEO: &str = "clouddrive:read_video";
const READ_DOCUMENT: &str = "clouddrive:read_document";
const READ_OTHER: &str = "clouddrive:read_other";

/// The scopes of Cloud Drive.
const DRIVE: [&str; 7] =
    [WRITE, READ_ALL[0], READ_ALL[1], READ_IMAGE, READ_VIDEO, READ_DOCUMENT, READ_OTHER];

/// The right that an operation requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScopeRequirement {
    /// The path is no operation.
    Nothing,
    /// Any scope of Cloud Drive.
    Any,
    /// Reading files. Only nodes that a scope covers are visible.
    Read,
    /// Changing files.
    Write,
}

use ScopeRequirement::{Any, Nothing, Read, Write};

/// The requirement of every operation.
static REQUIREMENTS: &[(&str, ScopeRequirement)] = &[
    ("amazon.account.endpoint", Any),
    ("amazon.account.info", Any),
    ("amazon.account.quota", Any),
    ("amazon.account.usage", Any),
    ("amazon.changes", Read),
    ("amazon.child.add", Write),
    ("amazon.child.list", Read),
    ("amazon.child.move", Write),
    ("amazon.child.remove", Write),
    ("amazon.content.get", Read),
    ("amazon.content.overwrite", Write),
    ("amazon.content.upload", Write),
    ("amazon.node.create", Write),
    ("amazon.node.get", Read),
    ("amazon.node.list", Read),
    ("amazon.node.patch", Write),
    ("amazon.node.purge", Write),
    ("amazon.property.delete", Write),
    ("amazon.property.get", Read),
    ("amazon.property.list", Read),
    ("amazon.property.put", Write),
    ("amazon.trash.add", Write),
    ("amazon.trash.list", Read),
    ("amazon.trash.restore", Write),
    (UNKNOWN, Nothing),
];

/// The scopes of a token.
#[derive(Clone, Debug)]
pub(super) struct AmazonScopes {
    /// `None`: all scopes.
    granted: Option<Vec<String>>,
    /// Whether the operation changes files. It may then use nodes that the token cannot read.
    is_write: bool,
}

impl AmazonScopes {
    /// Returns the scopes of a token's grant; a grant without a list has all.
    pub(super) fn from_grant(grant: &Grant) -> Self {
        let scopes = grant.scope.as_deref();
        let granted = scopes.map(|it| it.split_whitespace().map(str::to_owned).collect());
        Self { granted, is_write: false }
    }

    /// Returns whether the token has a scope, by its exact name. A token without a list of scopes
    /// has all.
    fn has(&self, scope: &str) -> bool {
        self.granted.as_ref().is_none_or(|granted| granted.iter().any(|it| it == scope))
    }

    /// Returns whether the token has a scope of Cloud Drive.
    fn has_drive_scope(&self) -> bool {
        DRIVE.iter().any(|scope| self.has(scope))
    }

    /// Checks that the token has a scope for an operation, by its name in `REQUIREMENTS`. An
    /// operation that the table does not list requires write access. After the check of an operation
    /// that changes files, [`covers`](Self::covers) accepts every node.
    ///
    /// # Errors
    /// 403 if the token has no scope that the operation requires.
    pub(super) fn check(&mut self, operation: &str) -> Result<()> {
        let found = REQUIREMENTS.iter().find(|(name, _)| *name == operation);
        let is_allowed = match found.map_or(Write, |(_, requirement)| *requirement) {
            Nothing => true,
            Any => self.has_drive_scope(),
            Read => self.reads_any(),
            Write => {
                self.is_write = true;
                self.has(WRITE)
            }
        };
        if is_allowed { Ok(()) } else { Err(AmazonError::insufficient_scope()) }
    }

    /// Returns whether the token has a scope for reading files of at least one class.
    fn reads_any(&self) -> bool {
        let partial = [READ_IMAGE, READ_VIDEO, READ_DOCUMENT, READ_OTHER];
        READ_ALL.iter().chain(&partial).any(|scope| self.has(scope))
    }

    /// Returns whether the token's scopes cover a node. Folders are covered by every scope for
    /// reading.
    pub(super) fn covers(&self, node: &Node) -> bool {
        let is_covered =
            || node.kind == NodeKind::Folder && self.reads_any() || self.has(scope_of_file(node));
        self.is_write || READ_ALL.iter().any(|scope| self.has(scope)) || is_covered()
    }
}

/// Returns the scope for reading files of a file's class, which its name and media type determine.
/// Audio files have no class of their own, so they need the scope for other files.
fn scope_of_file(node: &Node) -> &'static str {
    match FileClass::from_name(&node.name) {
        FileClass::Photo => READ_IMAGE,
        FileClass::Video => READ_VIDEO,
        FileClass::Audio => READ_OTHER,
        FileClass::Other => {
            let media_type = node.media_type.as_deref().unwrap_or_default();
            match super::account::usage_category(media_type) {
                "photo" => READ_IMAGE,
                "video" => READ_VIDEO,
                "doc" => READ_DOCUMENT,
                _ => READ_OTHER,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amazon::route::OPERATIONS;

    fn allows(scope: &str, operation: &str) -> bool {
        let grant = Grant::new("", Some(scope.to_owned()));
        AmazonScopes::from_grant(&grant).check(operation).is_ok()
    }

    #[test]
    fn every_operation_has_a_requirement_and_no_other_name_has() {
        let mut listed: Vec<_> = REQUIREMENTS.iter().map(|(name, _)| *name).collect();
        let mut operations = OPERATIONS.to_vec();
        listed.sort_unstable();
        operations.sort_unstable();
        assert_eq!(listed, operations);
    }

    #[test]
    fn a_scope_allows_its_own_operations_only() {
        assert!(allows("clouddrive:read_all", "amazon.node.get"));
        assert!(!allows("clouddrive:read_all", "amazon.node.create"));
        assert!(allows("clouddrive:write", "amazon.node.create"));
        assert!(!allows("clouddrive:write", "amazon.node.list"));
        assert!(allows("clouddrive:write", "amazon.account.quota"));
        assert!(!allows("profile", "amazon.account.quota"));
    }
}
