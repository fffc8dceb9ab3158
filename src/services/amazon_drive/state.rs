//! The state of an Amazon Drive: its client, its options and its root folder.

use std::{sync::Arc, time::Duration};

use tokio::sync::OnceCell;

use super::{
    client::{Client, Deduplication},
    names,
};
use crate::drive::{Capabilities, Extensions, ItemId, RecursiveList};

/// Maximum size of a file in bytes: about 50 GiB (amazon-drive#max-file-size).
const FILE_MAX: u64 = 50 << 30;

/// Maximum number of items of one deletion. Each takes its own request; they run concurrently.
const DELETE_MAX: usize = 8;

/// The Amazon Drive of an account.
#[derive(Debug)]
pub(super) struct NodeDrive {
    pub(super) client: Arc<Client>,
    pub(super) deduplication: Deduplication,
    /// How long to search for the file of an upload that timed out. `None` for a duration that
    /// depends on the size.
    pub(super) upload_wait: Option<Duration>,
    /// Whether downloads are not checked by their MD5.
    pub(super) unchecked_reads: bool,
    pub(super) capabilities: Capabilities,
    /// The root folder, once it was requested.
    pub(super) root: OnceCell<RootFolder>,
}

impl NodeDrive {
    /// Creates the drive of the client's account.
    pub(super) fn new(client: Client, deduplication: Deduplication) -> Self {
        let capabilities = Capabilities {
            paths: false,
            max_single_upload: FILE_MAX,
            max_file_size: FILE_MAX,
            session: None,
            set_modified: false,
            if_not_exists: true,
            if_match: false,
            if_none_match: false,
            download_if_match: true,
            delete_if_match: false,
            changes: true,
            copy_files: false,
            copy_folders: false,
            download_urls: false,
            download_url_lifetime: None,
            recursive_list: RecursiveList::Root,
            delete_max_size: DELETE_MAX,
            multi_parent: true,
            fold: names::fold,
            collision_key: names::collision_key,
            validate_name: names::validate,
            extensions: Extensions {
                search: true,
                download_urls: true,
                deleted_items: true,
                restore_deleted: true,
                purge_deleted: true,
                purge: true,
                thumbnails: true,
                properties: true,
                ..Extensions::NONE
            },
        };
        Self {
            client: Arc::new(client),
            deduplication,
            upload_wait: None,
            unchecked_reads: false,
            capabilities,
            root: OnceCell::new(),
        }
    }

    /// Sets how long to search for the file of an upload that timed out.
    pub(super) fn with_upload_wait(self, upload_wait: Option<Duration>) -> Self {
        Self { upload_wait, ..self }
    }

    /// Sets whether downloads are not checked by their MD5.
    pub(super) fn with_unchecked_reads(self, unchecked_reads: bool) -> Self {
        Self { unchecked_reads, ..self }
    }
}

/// The root folder of a drive.
#[derive(Debug)]
pub(super) struct RootFolder {
    pub(super) id: ItemId,
    /// Security profile and user, as `PROFILE-USER`. `None` if the cloud omits it.
    pub(super) created_by: Option<String>,
}
