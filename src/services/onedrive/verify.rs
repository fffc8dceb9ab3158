//! Verification of uploads: comparison of the sent content with the cloud's copy.

use opendal::Buffer;
use tokio::task::spawn_blocking;

use super::{AccountKind, QuickXor, model::DriveItem};
use crate::drive::{Error, ErrorKind, HashKind, Item, Result};

/// Extensions of files into which SharePoint writes properties after an upload: Office and HTML
/// files. Size and hash then differ from those of the sent content, and change again later
/// (onedrive-graph#sharepoint-rewrites-files).
const REWRITTEN: [&str; 32] = [
    "doc", "docm", "docx", "dot", "dotm", "dotx", "xls", "xlsb", "xlsm", "xlsx", "xlt", "xltm",
    "xltx", "ppt", "pptm", "pptx", "pot", "potm", "potx", "pps", "ppsm", "ppsx", "vsdm", "vsdx",
    "vssx", "vstx", "mpp", "one", "htm", "html", "mht", "aspx",
];

/// The content of an upload, to compare with the uploaded file.
pub(super) struct SentContent<'a> {
    /// Name of the file.
    pub(super) name: &'a str,
    /// Size in bytes.
    pub(super) size: u64,
    /// quickXorHash; `None` if this process has not seen all bytes.
    pub(super) hash: Option<[u8; 20]>,
}

impl SentContent<'_> {
    /// Compares size and quickXorHash with those of `item`, as far as the response has them.
    ///
    /// The kind of the account decides whether SharePoint may have rewritten the file: `wire_kind`
    /// from the response, or else `configured` from the options. A difference in such a file is
    /// only logged.
    ///
    /// # Errors
    /// `Unexpected` if the file in the cloud has other content.
    pub(super) fn verify(
        &self,
        wire_kind: Option<AccountKind>,
        configured: Option<AccountKind>,
        item: &Item,
    ) -> Result<()> {
        let other_size = item.size.filter(|size| *size != self.size);
        let cloud_hash = item.hashes.iter().find(|(kind, _)| *kind == HashKind::QuickXor);
        let hash_differs = match (self.hash, cloud_hash) {
            (Some(sent), Some((_, cloud))) => sent[..] != cloud[..],
            _ => false,
        };
        let problem = match (other_size, hash_differs) {
            (None, false) => return Ok(()),
            (Some(size), _) => format!("{} bytes were sent, the cloud has {size}", self.size),
            (None, true) => "the quickXorHash of the cloud's copy differs".to_owned(),
        };
        let sharepoint = !wire_kind.or(configured).is_some_and(AccountKind::is_personal);
        if sharepoint && may_be_rewritten(self.name) {
            tracing::warn!(
                name = self.name,
                "cannot verify the upload, because SharePoint rewrites Office and HTML files: \
                 {problem}"
            );
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!(
                "cannot verify the upload: {problem}; the damaged file {:?} is still in the cloud",
                self.name
            ),
        ))
    }
}

/// Returns whether SharePoint may rewrite a file with this name: its extension, in any letter case,
/// is one of [`REWRITTEN`].
pub(super) fn may_be_rewritten(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        REWRITTEN.iter().any(|rewritten| extension.eq_ignore_ascii_case(rewritten))
    })
}

/// Returns the kind of the account from the `driveType` of an item's parent reference; `None` if it
/// is absent or unknown.
pub(super) fn account_kind(wire: &DriveItem) -> Option<AccountKind> {
    match wire.parent_reference.as_ref()?.drive_type.as_deref()? {
        "personal" => Some(AccountKind::Personal),
        "business" => Some(AccountKind::Business),
        "documentLibrary" => Some(AccountKind::Library),
        _ => None,
    }
}

/// Adds bytes to a hash, on a blocking thread.
///
/// # Errors
/// `Unexpected` if the runtime is shutting down.
pub(super) async fn update_hash(mut hash: QuickXor, bytes: Buffer) -> Result<QuickXor> {
    let hashing = spawn_blocking(move || {
        for piece in bytes {
            hash.update(&piece);
        }
        hash
    });
    hashing.await.map_err(|error| {
        let text = "cannot hash the upload: the runtime is shutting down";
        Error::new(ErrorKind::Unexpected, text).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ItemKind;

    fn uploaded(name: &str, size: Option<u64>, hash: Option<[u8; 20]>) -> Item {
        let mut item = Item::new("1", name, ItemKind::File);
        item.size = size;
        item.hashes =
            hash.map(|hash| (HashKind::QuickXor, hash.to_vec().into())).into_iter().collect();
        item
    }

    fn verify(name: &str, item: Item, kind: Option<AccountKind>) -> Result<()> {
        SentContent { name, size: 3, hash: Some([7; 20]) }.verify(kind, None, &item)
    }

    #[test]
    fn a_different_size_or_hash_is_an_error_and_an_absent_one_is_not() {
        let business = Some(AccountKind::Business);
        assert!(verify("a.bin", uploaded("a.bin", Some(3), Some([7; 20])), business).is_ok());
        assert!(verify("a.bin", uploaded("a.bin", None, None), business).is_ok());
        let error =
            verify("a.bin", uploaded("a.bin", Some(4), Some([7; 20])), business).unwrap_err();
        assert!(error.to_string().contains("3 bytes were sent, the cloud has 4"), "{error}");
        let error =
            verify("a.bin", uploaded("a.bin", Some(3), Some([8; 20])), business).unwrap_err();
        assert!(error.to_string().contains("quickXorHash"), "{error}");
    }

    #[test]
    fn only_sharepoint_may_rewrite_files_and_only_office_and_html() {
        let changed = || uploaded("R.DocX", Some(4), Some([8; 20]));
        assert!(verify("R.DocX", changed(), Some(AccountKind::Business)).is_ok());
        assert!(verify("R.DocX", changed(), Some(AccountKind::Library)).is_ok());
        assert!(verify("R.DocX", changed(), None).is_ok(), "unknown kind of account");
        assert!(verify("R.DocX", changed(), Some(AccountKind::Personal)).is_err());
        assert!(verify("docx", changed(), Some(AccountKind::Business)).is_err());
    }

    #[tokio::test]
    async fn a_hash_is_continued_with_more_bytes() {
        let bytes: Vec<u8> = (0..333_333).map(|i| (i * 31) as u8).collect();
        let mut whole = QuickXor::new();
        whole.update(&bytes);
        let half = update_hash(QuickXor::new(), Buffer::from(bytes[..777].to_vec())).await.unwrap();
        let continued = update_hash(half, Buffer::from(bytes[777..].to_vec())).await.unwrap();
        assert_eq!(continued, whole);
    }
}
