//! Checks of OpenDAL's options: an option that the drive cannot apply is `Unsupported`, never ignored.
//!
//! OpenDAL's own layers check most of them. An operator without these layers, and options that OpenDAL
//! considers harmless such as a content type, need the checks here.

use opendal::{
    Capability, ErrorKind, Result,
    raw::{OpCopy, OpDelete, OpList, OpRead, OpRename, OpStat, OpWrite},
};

/// An option of an operation: its name, whether the caller has set it, and whether the drive
/// supports it.
type OptionUse = (&'static str, bool, bool);

/// Checks that the drive supports all options that are set. `operation` names the operation.
///
/// # Errors
/// `Unsupported` for the first option that it does not support.
fn check<const N: usize>(operation: &str, options: [OptionUse; N]) -> Result<()> {
    match options.into_iter().find(|(_, is_set, is_supported)| *is_set && !is_supported) {
        Some((name, ..)) => Err(opendal::Error::new(
            ErrorKind::Unsupported,
            format!("cannot {operation} with the option {name}: this drive does not support it"),
        )),
        None => Ok(()),
    }
}

/// Checks the options of a `stat`.
///
/// # Errors
/// `Unsupported` for an option that the drive does not support, and for a condition on an old version.
pub(super) fn check_stat(args: &OpStat, drive: &Capability) -> Result<()> {
    let is_old = args.version().is_some();
    check(
        "stat",
        [
            ("version", is_old, drive.stat_with_version),
            ("if_match", args.if_match().is_some(), drive.stat_with_if_match && !is_old),
            (
                "if_none_match",
                args.if_none_match().is_some(),
                drive.stat_with_if_none_match && !is_old,
            ),
            (
                "if_modified_since",
                args.if_modified_since().is_some(),
                drive.stat_with_if_modified_since && !is_old,
            ),
            (
                "if_unmodified_since",
                args.if_unmodified_since().is_some(),
                drive.stat_with_if_unmodified_since && !is_old,
            ),
            (
                "if_version_match",
                args.if_version_match().is_some(),
                drive.stat_with_if_version_match,
            ),
            (
                "if_version_not_match",
                args.if_version_not_match().is_some(),
                drive.stat_with_if_version_not_match,
            ),
            (
                "override_content_type",
                args.override_content_type().is_some(),
                drive.stat_with_override_content_type,
            ),
            (
                "override_content_disposition",
                args.override_content_disposition().is_some(),
                drive.stat_with_override_content_disposition,
            ),
            (
                "override_cache_control",
                args.override_cache_control().is_some(),
                drive.stat_with_override_cache_control,
            ),
        ],
    )
}

/// Checks the options of a read.
///
/// # Errors
/// `Unsupported` for an option that the drive does not support, and for a condition on an old version.
pub(super) fn check_read(args: &OpRead, drive: &Capability) -> Result<()> {
    let is_old = args.version().is_some();
    check(
        "read",
        [
            ("version", is_old, drive.read_with_version),
            ("if_match", args.if_match().is_some(), drive.read_with_if_match && !is_old),
            (
                "if_none_match",
                args.if_none_match().is_some(),
                drive.read_with_if_none_match && !is_old,
            ),
            (
                "if_modified_since",
                args.if_modified_since().is_some(),
                drive.read_with_if_modified_since,
            ),
            (
                "if_unmodified_since",
                args.if_unmodified_since().is_some(),
                drive.read_with_if_unmodified_since,
            ),
            (
                "if_version_match",
                args.if_version_match().is_some(),
                drive.read_with_if_version_match,
            ),
            (
                "if_version_not_match",
                args.if_version_not_match().is_some(),
                drive.read_with_if_version_not_match,
            ),
            (
                "override_content_type",
                args.override_content_type().is_some(),
                drive.read_with_override_content_type,
            ),
            (
                "override_content_disposition",
                args.override_content_disposition().is_some(),
                drive.read_with_override_content_disposition,
            ),
            (
                "override_cache_control",
                args.override_cache_control().is_some(),
                drive.read_with_override_cache_control,
            ),
        ],
    )
}

/// Checks the options of a write. Its user metadata is checked when it is parsed.
///
/// # Errors
/// `Unsupported` for an option that the drive does not support.
pub(super) fn check_write(args: &OpWrite, drive: &Capability) -> Result<()> {
    check(
        "write",
        [
            ("append", args.append(), drive.write_can_append),
            ("content_type", args.content_type().is_some(), drive.write_with_content_type),
            (
                "content_disposition",
                args.content_disposition().is_some(),
                drive.write_with_content_disposition,
            ),
            (
                "content_encoding",
                args.content_encoding().is_some(),
                drive.write_with_content_encoding,
            ),
            ("cache_control", args.cache_control().is_some(), drive.write_with_cache_control),
            ("if_match", args.if_match().is_some(), drive.write_with_if_match),
            ("if_none_match", args.if_none_match().is_some(), drive.write_with_if_none_match),
            (
                "if_version_match",
                args.if_version_match().is_some(),
                drive.write_with_if_version_match,
            ),
            (
                "if_version_not_match",
                args.if_version_not_match().is_some(),
                drive.write_with_if_version_not_match,
            ),
            ("if_not_exists", args.if_not_exists(), drive.write_with_if_not_exists),
        ],
    )
}

/// Checks the options of a listing. A limit is a hint, which each drive may ignore.
///
/// # Errors
/// `Unsupported` for an option that the drive does not support.
pub(super) fn check_list(args: &OpList, drive: &Capability) -> Result<()> {
    check(
        "list",
        [
            ("start_after", args.start_after().is_some(), drive.list_with_start_after),
            ("versions", args.versions(), drive.list_with_versions),
            ("deleted", args.deleted(), drive.list_with_deleted),
        ],
    )
}

/// Checks the options of a deletion.
///
/// # Errors
/// `Unsupported` for an option that the drive does not support, and for `recursive` with a version.
pub(super) fn check_delete(args: &OpDelete, drive: &Capability) -> Result<()> {
    let is_old = args.version().is_some();
    check(
        "delete",
        [
            ("version", is_old, drive.delete_with_version),
            ("recursive", args.recursive(), drive.delete_with_recursive && !is_old),
            ("if_match", args.if_match().is_some(), drive.delete_with_if_match && !is_old),
            ("if_none_match", args.if_none_match().is_some(), drive.delete_with_if_none_match),
            (
                "if_version_match",
                args.if_version_match().is_some(),
                drive.delete_with_if_version_match,
            ),
            (
                "if_version_not_match",
                args.if_version_not_match().is_some(),
                drive.delete_with_if_version_not_match,
            ),
        ],
    )
}

/// Checks the options of a copy.
///
/// # Errors
/// `Unsupported` for an option that the drive does not support.
pub(super) fn check_copy(args: &OpCopy, drive: &Capability) -> Result<()> {
    check(
        "copy",
        [
            ("if_not_exists", args.if_not_exists(), drive.copy_with_if_not_exists),
            ("if_match", args.if_match().is_some(), drive.copy_with_if_match),
            ("if_none_match", args.if_none_match().is_some(), drive.copy_with_if_none_match),
            (
                "if_version_match",
                args.if_version_match().is_some(),
                drive.copy_with_if_version_match,
            ),
            (
                "if_version_not_match",
                args.if_version_not_match().is_some(),
                drive.copy_with_if_version_not_match,
            ),
            ("source_version", args.source_version().is_some(), drive.copy_with_source_version),
        ],
    )
}

/// Checks the options of a rename.
///
/// # Errors
/// `Unsupported` for an option that the drive does not support.
pub(super) fn check_rename(args: &OpRename, drive: &Capability) -> Result<()> {
    check("rename", [("if_not_exists", args.if_not_exists(), drive.rename_with_if_not_exists)])
}
