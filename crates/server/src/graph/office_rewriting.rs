//! Rewrites uploaded Office files, as SharePoint does (onedrive-graph#sharepoint-rewrites-files).
//!
//! SharePoint stores properties in such a file, so its size and hash differ from those of the upload,
//! and differ again at the next upload of the same bytes. This module appends random bytes, which
//! has the same effect on clients.

use bytes::Bytes;
use futures::{StreamExt, stream};
use rand::Rng;

use super::{drive_context::DriveContext, error::Result};
use crate::tree::{Bytestream, NewItem, Node, Precondition, TreeError};

/// The extensions of the files that SharePoint rewrites, in lower case.
const EXTENSIONS: [&str; 8] = ["docx", "docm", "xlsx", "xlsm", "pptx", "pptm", "htm", "html"];

/// Maximum number of bytes that the server appends.
const MAX_APPENDED: usize = 4096;

/// Rewrites an uploaded file if the server does so and the file is one of Office on a business drive
/// or in a library. Returns the item as it then is: its etag changes, and the number of its versions
/// does not.
///
/// The upload itself has succeeded: a file that another request changed or deleted meanwhile, or that
/// would exceed the quota, is returned as it was uploaded.
///
/// # Errors
/// 507 if the disk of the storage is full; 500 if the storage fails.
pub(super) async fn rewrite(context: &DriveContext<'_>, node: Node) -> Result<Node> {
    let is_rewritten = context.request.state.settings.behavior.rewrites_office_files
        && !context.kind.is_personal()
        && has_extension(&node.name);
    let Some(content) = node.content.as_ref().filter(|_| is_rewritten) else { return Ok(node) };
    let tree = context.tree();
    let bytes = match tree.open_content(content, 0..content.size).await {
        Err(TreeError::Changed) => return Ok(node),
        bytes => bytes?,
    };
    let body: Bytestream = Box::pin(bytes.chain(stream::iter([Ok(appended())])));
    let stored = tree.store(body, u64::MAX).await?;
    let new = NewItem { client_modified: Some(node.client_modified), ..NewItem::default() };
    let unchanged = Precondition::Version(node.version);
    match tree.overwrite(context.drive(), node.no, stored, new, unchanged).await {
        Err(TreeError::Changed | TreeError::NotFound | TreeError::QuotaExceeded) => Ok(node),
        rewritten => Ok(rewritten?),
    }
}

/// Returns whether a file has the extension of one that SharePoint rewrites.
fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| {
        EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Returns the bytes to append: at least one.
fn appended() -> Bytes {
    let mut random = rand::rng();
    let mut bytes = vec![0; random.random_range(1..=MAX_APPENDED)];
    random.fill(bytes.as_mut_slice());
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn office_files_are_found_by_their_extension() {
        for (name, expected) in [
            ("a.docx", true),
            ("A.XLSX", true),
            ("a.html", true),
            ("docx", false),
            ("a.txt", false),
        ] {
            assert_eq!(has_extension(name), expected, "{name}");
        }
    }
}
