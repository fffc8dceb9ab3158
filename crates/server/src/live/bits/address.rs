//! The target of an upload: `/items/{resource id of the folder}/{name}`, or
//! `/users/0x{cid}/LiveFolders/{path}/{name}`. The root folder only has the second form
//! (live-connect#bits-urls, live-connect#bits-root-folder).

use super::{
    super::ids::LiveId,
    error::{BitsError, Result},
};
use crate::{
    state::ServerState,
    tree::{DriveKey, ItemKey, NodeKind, ROOT},
};

/// Path prefixes of the protocol.
pub(super) const PREFIXES: [&str; 2] = ["/items/", "/users/"];

/// The target of an upload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BitsAddress {
    /// The account of the drive: 16 lower-case hexadecimal digits.
    pub cid: String,
    folder: FolderRef,
    pub name: String,
}

/// The target folder, by key or by the names of its path.
#[derive(Debug, PartialEq, Eq)]
enum FolderRef {
    Key(ItemKey),
    Path(Vec<String>),
}

impl BitsAddress {
    /// Parses the path of a request, percent-encoded. Empty segments are ignored.
    ///
    /// # Errors
    /// 400 if it has neither form, the account's id is not hexadecimal, or a segment is not UTF-8;
    /// 404 for a root folder in the first form.
    pub(super) fn parse(path: &str) -> Result<Self> {
        let decoded = |segment: &str| {
            let text = percent_encoding::percent_decode_str(segment).decode_utf8();
            text.map(|text| text.into_owned()).map_err(|_| BitsError::invalid())
        };
        let mut segments = path.split('/').filter(|segment| !segment.is_empty()).map(decoded);
        let mut next = || segments.next().unwrap_or_else(|| Err(BitsError::invalid()));
        match next()?.as_str() {
            "items" => {
                let (resource, name) = (next()?, next()?);
                if segments.next().is_some() {
                    return Err(BitsError::invalid());
                }
                let (owner, _) = resource.split_once('!').ok_or_else(BitsError::invalid)?;
                let cid = pad_cid(owner).ok_or_else(BitsError::invalid)?;
                match LiveId::parse(&format!("folder.{cid}.{resource}")) {
                    Some(id) if id.number != ROOT => {
                        Ok(Self { cid, folder: FolderRef::Key(id.number), name })
                    }
                    Some(_) => Err(BitsError::no_path()),
                    None => Err(BitsError::invalid()),
                }
            }
            "users" => {
                let (owner, root) = (next()?, next()?);
                let owner = owner.strip_prefix("0x").or_else(|| owner.strip_prefix("0X"));
                let cid = owner.and_then(pad_cid).ok_or_else(BitsError::invalid)?;
                if !root.eq_ignore_ascii_case("LiveFolders") {
                    return Err(BitsError::invalid());
                }
                let mut names = segments.collect::<Result<Vec<_>>>()?;
                let name = names.pop().ok_or_else(BitsError::invalid)?;
                Ok(Self { cid, folder: FolderRef::Path(names), name })
            }
            _ => Err(BitsError::invalid()),
        }
    }

    /// Returns the folder on `drive` that the address puts its file into.
    ///
    /// # Errors
    /// 404 if it, or a folder of its path, does not exist or is not a folder; 500 if the storage
    /// fails.
    pub(super) async fn folder(&self, state: &ServerState, drive: DriveKey) -> Result<ItemKey> {
        let node = match &self.folder {
            FolderRef::Key(number) => state.tree.node(drive, *number).await?,
            FolderRef::Path(names) => {
                let mut nodes = state.tree.walk(drive, ROOT, names).await?;
                match nodes.pop() {
                    Some(node) if nodes.len() == names.len() => node,
                    _ => return Err(BitsError::no_path()),
                }
            }
        };
        match node.kind {
            NodeKind::Folder => Ok(node.no),
            NodeKind::File | NodeKind::Notebook => Err(BitsError::no_path()),
        }
    }
}

/// Restores the leading zeros of an account id, and returns it in lower case. `None` if it has not
/// 1 to 16 hexadecimal digits.
fn pad_cid(text: &str) -> Option<String> {
    let good = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    good.then(|| format!("{:0>16}", text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_its_resource_id_or_by_its_path() {
        let cid = || "0bee3874468ef5b6".to_owned();
        let by_id = BitsAddress::parse("/items/BEE3874468EF5B6!110/a%20%23b%3F.txt").unwrap();
        let folder = FolderRef::Key(ItemKey(110));
        assert_eq!(by_id, BitsAddress { cid: cid(), folder, name: "a #b?.txt".into() });
        for owner in ["0x0bee3874468ef5b6", "0xBEE3874468EF5B6"] {
            let path = format!("/users/{owner}/LiveFolders/Music/a%25b/c");
            let folder = FolderRef::Path(vec!["Music".into(), "a%b".into()]);
            let address = BitsAddress { cid: cid(), folder, name: "c".into() };
            assert_eq!(BitsAddress::parse(&path).unwrap(), address);
        }
        let root = BitsAddress::parse("/users/0x0bee3874468ef5b6/LiveFolders//x").unwrap();
        assert_eq!(root.folder, FolderRef::Path(Vec::new()));
    }

    #[test]
    fn invalid_addresses_are_rejected() {
        for path in [
            "/items/",
            "/items/BEE3874468EF5B6!110",
            "/items/BEE3874468EF5B6!100/a",
            "/items/BEE3874468EF5B6/a",
            "/items/BEE3874468EF5B6!110/a/b",
            "/items/!110/a",
            "/users/0bee3874468ef5b6/LiveFolders/a",
            "/users/0x0bee3874468ef5b6/Elsewhere/a",
            "/users/0x0bee3874468ef5b6/LiveFolders/",
            "/users/0xnobody/LiveFolders/a",
            "/users/0x0bee3874468ef5b6/LiveFolders/%ff",
        ] {
            assert!(BitsAddress::parse(path).is_err(), "{path}");
        }
    }
}
