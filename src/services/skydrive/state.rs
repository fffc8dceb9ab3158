//! The state of a SkyDrive: its client, its capabilities and the id of its root.

use std::sync::{Arc, OnceLock};

use super::{
    client::{BITS_FILE_MAX, BITS_FRAGMENT, BITS_FRAGMENT_MAX, Client, ROOT},
    names,
};
use crate::{
    drive::{
        Capabilities, Context, Extensions, ItemId, RecursiveList, Result, Secret, SessionLimits,
    },
    services::url_refresher::UrlRefresher,
};

/// Maximum size of one PUT in bytes: "100 MB" (live-connect#upload-max-size).
pub(super) const SINGLE_MAX: u64 = 100_000_000;

/// Default size in bytes from which a file is uploaded in fragments, so that an interrupted upload
/// can be resumed.
const BITS_MIN: u64 = 16 << 20;

/// The SkyDrive of an account.
#[derive(Clone, Debug)]
pub(super) struct LiveDrive {
    pub(super) client: Client,
    pub(super) downsize_photos: bool,
    pub(super) capabilities: Capabilities,
    /// Real id of the root folder, once a response contained it.
    root: Arc<OnceLock<String>>,
    /// Download URLs in place of expired ones.
    pub(super) url_refresher: UrlRefresher<Secret>,
}

/// Capabilities and limits of SkyDrive.
const CAPABILITIES: Capabilities = Capabilities {
    paths: false,
    max_single_upload: SINGLE_MAX,
    max_file_size: BITS_FILE_MAX,
    session: Some(SessionLimits {
        min_size: BITS_MIN,
        alignment: 1,
        default_fragment: BITS_FRAGMENT,
        max_fragment: BITS_FRAGMENT_MAX,
    }),
    set_modified: false,
    if_not_exists: true,
    if_match: false,
    if_none_match: false,
    download_if_match: false,
    delete_if_match: false,
    changes: false,
    copy_files: true,
    copy_folders: false,
    download_urls: true,
    // It is not documented (live-connect#source-url-lifetime).
    download_url_lifetime: None,
    recursive_list: RecursiveList::No,
    delete_max_size: 1,
    multi_parent: false,
    fold: names::fold,
    collision_key: names::fold,
    validate_name: names::validate,
    extensions: Extensions {
        download_urls: true,
        search: true,
        thumbnail_urls: true,
        thumbnails: true,
        create_links: true,
        shared_with_me: true,
        ..Extensions::NONE
    },
};

impl LiveDrive {
    /// Creates the drive of the client's account. With `downsize_photos` the cloud reduces large
    /// photos.
    pub(super) fn new(client: Client, downsize_photos: bool) -> Self {
        let (capabilities, root) = (CAPABILITIES, Arc::default());
        Self { client, downsize_photos, capabilities, root, url_refresher: UrlRefresher::default() }
    }

    /// Sets the size from which files are uploaded in fragments (inclusive), and the size of the
    /// first fragment, both in bytes. `None` keeps a default. Values are limited to 1 and more, and
    /// to at most [`SINGLE_MAX`] and the maximum size of a fragment.
    pub(super) fn with_bits(mut self, min_size: Option<u64>, fragment: Option<u64>) -> Self {
        if let Some(limits) = &mut self.capabilities.session {
            limits.min_size = min_size.unwrap_or(limits.min_size).clamp(1, SINGLE_MAX);
            limits.default_fragment =
                fragment.unwrap_or(limits.default_fragment).clamp(1, limits.max_fragment);
        }
        self
    }

    /// Returns the real id of a folder, which the root's alias stands for. A destination cannot be
    /// named by an alias (live-connect#move-destination-id-only).
    ///
    /// # Errors
    /// [Request errors](crate::drive::Error#request-errors) of the one request for the root. None
    /// for any other folder.
    pub(super) async fn real_id(&self, cx: &Context, folder: &ItemId) -> Result<String> {
        if folder.as_str() != ROOT {
            return Ok(folder.as_str().to_owned());
        }
        if let Some(id) = self.root.get() {
            return Ok(id.clone());
        }
        let root = self.client.object(cx, ROOT).await?;
        Ok(self.root.get_or_init(|| root.id).clone())
    }

    /// Stores the real id of the root from a response.
    pub(super) fn remember_root(&self, id: &str) {
        self.root.get_or_init(|| id.to_owned());
    }
}
