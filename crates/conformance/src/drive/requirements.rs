//! Capabilities of a drive as requirements of cases.
#![allow(non_upper_case_globals, reason = "named as the fields of `Capabilities`")]

use drivedal::drive::{Capabilities, RecursiveList};

use super::DriveAccess;
use crate::{Requirement, TestContext};

/// Returns whether the backend gives access to a drive whose capabilities meet this condition.
fn has(test: &TestContext, has: impl FnOnce(&Capabilities) -> bool) -> bool {
    test.extension::<DriveAccess>().is_some_and(|access| has(access.capabilities()))
}

/// The backend gives access to its drive.
pub(super) const a_drive: Requirement =
    Requirement { name: "access to the drive", is_met: |test| has(test, |_| true) };

/// The drive is addressed by path.
pub(super) const paths: Requirement =
    Requirement { name: "paths", is_met: |test| has(test, |drive| drive.paths) };

/// The drive has upload sessions.
pub(super) const sessions: Requirement =
    Requirement { name: "sessions", is_met: |test| has(test, |drive| drive.session.is_some()) };

/// The drive can list the tree below its root.
pub(super) const recursive_list: Requirement = Requirement {
    name: "recursive_list",
    is_met: |test| has(test, |drive| drive.recursive_list != RecursiveList::No),
};

/// The cloud compares the etag of a file that is replaced.
pub(super) const if_match: Requirement =
    Requirement { name: "if_match", is_met: |test| has(test, |drive| drive.if_match) };

/// The drive supports reads of items that have changed.
pub(super) const if_none_match: Requirement =
    Requirement { name: "if_none_match", is_met: |test| has(test, |drive| drive.if_none_match) };

/// The drive supports downloads of one version.
pub(super) const download_if_match: Requirement = Requirement {
    name: "download_if_match",
    is_met: |test| has(test, |drive| drive.download_if_match),
};

/// The drive stores modification times.
pub(super) const set_modified: Requirement =
    Requirement { name: "set_modified", is_met: |test| has(test, |drive| drive.set_modified) };

/// The drive copies files.
pub(super) const copy_files: Requirement =
    Requirement { name: "copy_files", is_met: |test| has(test, |drive| drive.copy_files) };

/// The drive has a change feed.
pub(super) const changes: Requirement =
    Requirement { name: "changes", is_met: |test| has(test, |drive| drive.changes) };
