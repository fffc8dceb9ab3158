//! Where a file is to be: `/items/{resource id of the folder}/{name}`, or
//! `/users/0x{cid}/LiveFolders/{path}/{name}`; the root folder has the second form only
//! (live-connect#bits-urls, live-connect#bits-root-folder).

use super::{
    super::ids::LiveId,
    error::{BitsError, Result},
};
use crate::{
    state::ServerState,
    tree::{DriveKey, ItemKey, NodeKind, ROOT},
};

/// How the paths begin.
pub(super) const PREFIXES: [&str; 2] = ["/items/", "/users/"];

/// A file to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Whose drive: 16 lower-case hexadecimal digits.
    pub cid: String,
    folder: Folder,
    pub name: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Folder {
    Number(ItemKey),
    Path(Vec<String>),
}

impl Address {
    /// What a path means.
    pub(super) fn of(path: &str) -> Result<Self> {
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
                let cid = whole_cid(owner).ok_or_else(BitsError::invalid)?;
                match LiveId::parse(&format!("folder.{cid}.{resource}")) {
                    Some(id) if id.number != ROOT => {
                        Ok(Self { cid, folder: Folder::Number(id.number), name })
                    }
                    Some(_) => Err(BitsError::no_path()),
                    None => Err(BitsError::invalid()),
                }
            }
            "users" => {
                let (owner, root) = (next()?, next()?);
                let owner = owner.strip_prefix("0x").or_else(|| owner.strip_prefix("0X"));
                let cid = owner.and_then(whole_cid).ok_or_else(BitsError::invalid)?;
                if !root.eq_ignore_ascii_case("LiveFolders") {
                    return Err(BitsError::invalid());
                }
                let mut names = segments.collect::<Result<Vec<_>>>()?;
                let name = names.pop().ok_or_else(BitsError::invalid)?;
                Ok(Self { cid, folder: Folder::Path(names), name })
            }
            _ => Err(BitsError::invalid()),
        }
    }

    /// The number of the folder, which is there.
    pub(super) async fn folder(&self, state: &ServerState, drive: DriveKey) -> Result<ItemKey> {
        let node = match &self.folder {
            Folder::Number(number) => state.tree.node(drive, *number).await?,
            Folder::Path(names) => {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let mut nodes = state.tree.walk(drive, ROOT, &names).await?;
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

/// An account's id with its leading zeros.
fn whole_cid(text: &str) -> Option<String> {
    let good = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    good.then(|| format!("{:0>16}", text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_its_resource_id_or_by_its_path() {
        let cid = || "0bee3874468ef5b6".to_owned();
        let by_id = Address::of("/items/BEE3874468EF5B6!110/a%20%23b%3F.txt").unwrap();
        let folder = Folder::Number(ItemKey(110));
        assert_eq!(by_id, Address { cid: cid(), folder, name: "a #b?.txt".into() });
        for owner in ["0x0bee3874468ef5b6", "0xBEE3874468EF5B6"] {
            let path = format!("/users/{owner}/LiveFolders/Music/a%25b/c");
            let folder = Folder::Path(vec!["Music".into(), "a%b".into()]);
            let address = Address { cid: cid(), folder, name: "c".into() };
            assert_eq!(Address::of(&path).unwrap(), address);
        }
        let root = Address::of("/users/0x0bee3874468ef5b6/LiveFolders//x").unwrap();
        assert_eq!(root.folder, Folder::Path(Vec::new()));
    }

    #[test]
    fn what_names_no_file_is_refused() {
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
            assert!(Address::of(path).is_err(), "{path}");
        }
    }
}
