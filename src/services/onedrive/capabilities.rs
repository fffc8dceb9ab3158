//! Capabilities and limits of OneDrive.

use std::time::Duration;

use super::{AccountKind, names};
use crate::drive::{Capabilities, Extensions, RecursiveList, SessionLimits};

/// Alignment of fragments, in bytes (onedrive-graph#session-fragment-size).
const FRAGMENT_UNIT: u64 = 320 << 10;

/// Default size of the first fragment, in bytes: 10 MiB. Smaller files need only one request.
const DEFAULT_FRAGMENT: u64 = 32 * FRAGMENT_UNIT;

/// Validity of a download URL (onedrive-graph#download-url-lifetime).
pub(super) const DOWNLOAD_URL_LIFETIME: Duration = Duration::from_secs(3600);

/// The folder that serves as the root of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RootFolder {
    /// The drive's own root.
    Drive,
    /// A special folder.
    Special,
    /// The folder behind a sharing URL.
    Shared,
}

/// Returns the capabilities of a drive. `root` is the folder that serves as the root. `kind` is `None` if the kind of account is unknown: then the capabilities are
/// those of every kind.
pub(super) fn capabilities(root: RootFolder, kind: Option<AccountKind>) -> Capabilities {
    let personal = kind.is_some_and(AccountKind::is_personal);
    // Business and SharePoint support the feed officially only for the drive's root
    // (onedrive-graph#delta-scope).
    let recursive_list = match (root, personal) {
        // No document promises the feed of another user's folder.
        (RootFolder::Shared, _) => RecursiveList::No,
        (_, true) => RecursiveList::Any,
        (RootFolder::Drive, false) => RecursiveList::Root,
        (RootFolder::Special, false) => RecursiveList::No,
    };
    Capabilities {
        paths: true,
        // onedrive-graph#simple-upload-limit.
        max_single_upload: 250_000_000,
        // onedrive-graph#file-size-limit: "250 GB".
        max_file_size: 250 << 30,
        session: Some(SessionLimits {
            min_size: DEFAULT_FRAGMENT,
            alignment: FRAGMENT_UNIT,
            default_fragment: DEFAULT_FRAGMENT,
            // onedrive-graph#largest-fragment: the largest multiple below 60 MiB.
            max_fragment: 191 * FRAGMENT_UNIT,
        }),
        set_modified: true,
        if_not_exists: true,
        if_match: true,
        if_none_match: true,
        download_if_match: true,
        delete_if_match: true,
        changes: recursive_list != RecursiveList::No,
        copy_files: true,
        copy_folders: true,
        recursive_list,
        delete_max_size: 20,
        download_urls: true,
        download_url_lifetime: Some(DOWNLOAD_URL_LIFETIME),
        multi_parent: false,
        fold: names::fold_for(kind),
        collision_key: names::collision_key_for(kind),
        validate_name: names::validate_name,
        extensions: Extensions {
            versions: true,
            // Personal drives do not have the request (onedrive-graph#versions).
            delete_versions: kind.is_some() && !personal,
            download_urls: true,
            upload_urls: true,
            search: true,
            // onedrive-graph#delta-timestamp.
            changes_since_time: kind.is_some() && recursive_list == RecursiveList::Root,
            // Graph restores items of personal drives only, and lists no recycle bin
            // (onedrive-graph#restore).
            restore_deleted: kind.is_none() || personal,
            purge: true,
            thumbnail_urls: true,
            thumbnails: true,
            previews: true,
            check_out: kind.is_some() && !personal,
            create_links: true,
            links: true,
            permissions: true,
            shared_with_me: true,
            ..Extensions::NONE
        },
    }
}

/// Sets the size of the first fragment, which is also the size from which files are uploaded in
/// fragments. `size` is rounded down to a valid size, in bytes.
pub(super) fn set_first_fragment(capabilities: &mut Capabilities, size: u64) {
    if let Some(limits) = &mut capabilities.session {
        let aligned = size / FRAGMENT_UNIT * FRAGMENT_UNIT;
        limits.default_fragment = aligned.clamp(FRAGMENT_UNIT, limits.max_fragment);
        limits.min_size = limits.default_fragment;
    }
}
