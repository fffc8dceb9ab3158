//! Detection of changes to a file between two downloads of its bytes.

use jiff::Timestamp;

use super::path::ResolvedPath;
use crate::drive::{Download, Error, ErrorKind, Item, ItemId, Result};

/// The version of a file that is being read.
pub(super) struct ContentVersion {
    /// The size of the file in bytes.
    pub(super) total: u64,
    /// `None` if the first download was addressed by path and returned no item.
    pub(super) item: Option<ItemVersion>,
    /// The etag of the first download, if it had one.
    pub(super) etag: Option<String>,
}

/// The properties of an item that stay the same as long as its bytes do.
pub(super) struct ItemVersion {
    id: ItemId,
    etag: Option<String>,
    size: Option<u64>,
    modified: Option<Timestamp>,
}

impl ContentVersion {
    /// Returns the version of the bytes that `download` returns. `resolved` is the path that was
    /// downloaded; its item is used if the download returned none.
    pub(super) fn from_download(resolved: &ResolvedPath, download: &Download) -> Self {
        let item = download.item.as_deref().or(resolved.item.as_deref());
        let item = item.map(|item| ItemVersion {
            id: item.id.clone(),
            etag: item.etag.clone().or_else(|| download.etag.clone()),
            size: Some(download.total),
            modified: item.modified,
        });
        Self { total: download.total, item, etag: download.etag.clone() }
    }

    /// Returns whether another version could be detected.
    pub(super) fn is_detectable(&self) -> bool {
        self.item.is_some() || self.etag.is_some()
    }

    /// Checks that the file still has this size. `total` is the size in bytes that a later download
    /// reports.
    ///
    /// # Errors
    /// `ConditionNotMatch` if the sizes differ.
    pub(super) fn check_total(&self, total: u64) -> Result<()> {
        match total == self.total {
            true => Ok(()),
            false => Err(changed(&format!("it had {} bytes, and has {total} now", self.total))),
        }
    }
}

impl ItemVersion {
    /// Checks that an item still has these bytes: the same id, and the same etag, size and
    /// modification time as far as both are known.
    ///
    /// # Errors
    /// `ConditionNotMatch` if one of them differs.
    pub(super) fn check(&self, now: &Item) -> Result<()> {
        /// Returns whether both values are known and not equal.
        fn differ<T: PartialEq>(before: Option<&T>, now: Option<&T>) -> bool {
            matches!((before, now), (Some(before), Some(now)) if before != now)
        }
        let have_etags = self.etag.is_some() && now.etag.is_some();
        let reason = if self.id != now.id {
            "another file has its name now"
        } else if differ(self.etag.as_ref(), now.etag.as_ref()) {
            "it has another etag now"
        } else if differ(self.size.as_ref(), now.size.as_ref()) {
            "it has another size now"
        } else if !have_etags && differ(self.modified.as_ref(), now.modified.as_ref()) {
            "it has another modification time now"
        } else {
            return Ok(());
        };
        Err(changed(reason))
    }
}

/// Returns the `ConditionNotMatch` error for a file that was changed between two downloads.
fn changed(reason: &str) -> Error {
    Error::new(
        ErrorKind::ConditionNotMatch,
        format!("cannot continue reading: the file was changed while it was read ({reason})"),
    )
}
