//! Whether the cloud has what was sent.

use opendal::Buffer;
use tokio::task::spawn_blocking;

use super::{AccountKind, QuickXor, model::DriveItem};
use crate::drive::{Error, ErrorKind, HashKind, Item, Result};

/// Files that SharePoint opens and writes properties into as soon as they arrive: size and hash are
/// then no longer those of what was sent, and not the same the next time
/// (onedrive-graph#sharepoint-rewrites-files). Office's and HTML.
const REWRITTEN: [&str; 32] = [
    "doc", "docm", "docx", "dot", "dotm", "dotx", "xls", "xlsb", "xlsm", "xlsx", "xlt", "xltm",
    "xltx", "ppt", "pptm", "pptx", "pot", "potm", "potx", "pps", "ppsm", "ppsx", "vsdm", "vsdx",
    "vssx", "vstx", "mpp", "one", "htm", "html", "mht", "aspx",
];

/// What was sent.
pub(super) struct SentContent<'a> {
    pub(super) name: &'a str,
    pub(super) bytes: u64,
    /// `None`: not all of it went through here.
    pub(super) hash: Option<[u8; 20]>,
}

impl SentContent<'_> {
    /// Compares with the cloud's answer: size and quickXorHash, as far as it tells them.
    ///
    /// # Errors
    /// `Unexpected` if the cloud has something else, but for a file that SharePoint may have
    /// rewritten: that is told in the log.
    pub(super) fn check(
        &self,
        wire_kind: Option<AccountKind>,
        configured: Option<AccountKind>,
        item: &Item,
    ) -> Result<()> {
        let size = item.size.filter(|size| *size != self.bytes);
        let theirs = item.hashes.iter().find(|(kind, _)| *kind == HashKind::QuickXor);
        let differs = match (self.hash, theirs) {
            (Some(ours), Some((_, theirs))) => ours[..] != theirs[..],
            _ => false,
        };
        let problem = match (size, differs) {
            (None, false) => return Ok(()),
            (Some(size), _) => format!("{} bytes were sent, the cloud has {size}", self.bytes),
            (None, true) => {
                "what the cloud has is not what was sent: its quickXorHash differs".to_owned()
            }
        };
        let sharepoint = !wire_kind.or(configured).is_some_and(AccountKind::is_personal);
        if sharepoint && may_be_rewritten(self.name) {
            tracing::warn!(
                name = self.name,
                "{problem}: SharePoint rewrites Office and HTML files as they arrive, so this one \
                 cannot be checked"
            );
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unexpected,
            format!("{problem}; the damaged file {:?} was left where it is", self.name),
        ))
    }
}

/// Returns whether SharePoint may rewrite a file of this name.
pub(super) fn may_be_rewritten(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        REWRITTEN.iter().any(|rewritten| extension.eq_ignore_ascii_case(rewritten))
    })
}

/// The account's kind as an item's answer tells it.
pub(super) fn kind_of(wire: &DriveItem) -> Option<AccountKind> {
    match wire.parent_reference.as_ref()?.drive_type.as_deref()? {
        "personal" => Some(AccountKind::Personal),
        "business" => Some(AccountKind::Business),
        "documentLibrary" => Some(AccountKind::Library),
        _ => None,
    }
}

/// The hash with more bytes, made on a thread of its own.
///
/// # Errors
/// `Unexpected` if the runtime is going down.
pub(super) async fn hash_on(mut hash: QuickXor, bytes: Buffer) -> Result<QuickXor> {
    let hashed = spawn_blocking(move || {
        for piece in bytes {
            hash.update(&piece);
        }
        hash
    });
    hashed.await.map_err(|died| {
        Error::new(ErrorKind::Unexpected, "the bytes could not be hashed").with_source(died)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::ItemKind;

    fn there(name: &str, size: Option<u64>, hash: Option<[u8; 20]>) -> Item {
        let mut item = Item::new("1", name, ItemKind::File);
        item.size = size;
        item.hashes =
            hash.map(|hash| (HashKind::QuickXor, hash.to_vec().into())).into_iter().collect();
        item
    }

    fn check(name: &str, item: Item, kind: Option<AccountKind>) -> Result<()> {
        SentContent { name, bytes: 3, hash: Some([7; 20]) }.check(kind, None, &item)
    }

    #[test]
    fn another_size_or_another_hash_is_an_error_and_a_missing_one_is_none() {
        let business = Some(AccountKind::Business);
        assert!(check("a.bin", there("a.bin", Some(3), Some([7; 20])), business).is_ok());
        assert!(check("a.bin", there("a.bin", None, None), business).is_ok());
        let error = check("a.bin", there("a.bin", Some(4), Some([7; 20])), business).unwrap_err();
        assert!(error.to_string().contains("3 bytes were sent, the cloud has 4"), "{error}");
        let error = check("a.bin", there("a.bin", Some(3), Some([8; 20])), business).unwrap_err();
        assert!(error.to_string().contains("quickXorHash"), "{error}");
    }

    #[test]
    fn only_sharepoint_may_change_a_file_and_only_one_of_offices_or_html() {
        let changed = || there("R.DocX", Some(4), Some([8; 20]));
        assert!(check("R.DocX", changed(), Some(AccountKind::Business)).is_ok());
        assert!(check("R.DocX", changed(), Some(AccountKind::Library)).is_ok());
        assert!(check("R.DocX", changed(), None).is_ok(), "the kind of account is not known");
        assert!(check("R.DocX", changed(), Some(AccountKind::Personal)).is_err());
        assert!(check("docx", changed(), Some(AccountKind::Business)).is_err());
    }

    #[tokio::test]
    async fn a_hash_is_continued_with_more_bytes() {
        let bytes: Vec<u8> = (0..333_333).map(|i| (i * 31) as u8).collect();
        let mut whole = QuickXor::new();
        whole.update(&bytes);
        let half = hash_on(QuickXor::new(), Buffer::from(bytes[..777].to_vec())).await.unwrap();
        let continued = hash_on(half, Buffer::from(bytes[777..].to_vec())).await.unwrap();
        assert_eq!(continued, whole);
    }
}
