//! The ids of Live Connect (live-connect#id-formats). Ids map one-to-one to an account, the kind of
//! an item and its key, so no table is needed.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::tree::{ItemKey, Node, NodeKind, ROOT};

/// The kind of item that an id states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum IdKind {
    /// `folder.…`: folders and albums.
    Folder,
    /// `file.…`: files of all types, and notebooks.
    File,
}

impl From<NodeKind> for IdKind {
    /// Returns the kind in ids of such an item. A notebook counts as a file.
    fn from(kind: NodeKind) -> Self {
        match kind {
            NodeKind::Folder => Self::Folder,
            NodeKind::File | NodeKind::Notebook => Self::File,
        }
    }
}

/// The id of an item: `folder.{cid}` for a root folder, else `{kind}.{cid}.{CID}!{number}`. The
/// upper-case CID has no leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LiveId {
    pub kind: IdKind,
    /// The account: 16 lower-case hexadecimal digits.
    pub cid: String,
    pub number: ItemKey,
}

impl LiveId {
    /// Creates the id of an item on the drive of the account `cid`.
    pub(super) fn new(cid: &str, kind: impl Into<IdKind>, number: ItemKey) -> Self {
        Self { kind: kind.into(), cid: cid.to_owned(), number }
    }

    /// Creates the id of a folder on the drive of the account `cid`.
    pub(super) fn folder(cid: &str, number: ItemKey) -> Self {
        Self::new(cid, IdKind::Folder, number)
    }

    /// Parses an id of an item; `None` if the prefix is none of `folder`, `album` and `file`, the
    /// account's id has not 16 hexadecimal digits, the two account ids differ, or the number has
    /// leading zeros or does not fit. Hexadecimal digits may have either case, as in the reference.
    /// The item may not exist.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('.')?;
        let kind = match kind {
            "folder" | "album" => IdKind::Folder,
            "file" => IdKind::File,
            _ => return None,
        };
        let (cid, resource) = match rest.split_once('.') {
            Some((cid, resource)) => (cid, Some(resource)),
            None => (rest, None),
        };
        if !is_cid(cid) {
            return None;
        }
        let number = match (resource, kind) {
            (None, IdKind::Folder) => ROOT,
            (None, IdKind::File) => return None,
            (Some(resource), _) => {
                let (owner, number) = resource.split_once('!')?;
                if !owner.eq_ignore_ascii_case(trim_zeros(cid)) || !is_number(number) {
                    return None;
                }
                number.parse().ok()?
            }
        };
        Some(Self { kind, cid: cid.to_ascii_lowercase(), number })
    }

    /// Returns the part after the second dot: `{CID}!{number}`.
    pub(super) fn resource_id(&self) -> String {
        format!("{}!{}", trim_zeros(&self.cid).to_ascii_uppercase(), self.number)
    }
}

impl fmt::Display for LiveId {
    /// Writes the id. That of a root folder has no number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            IdKind::Folder => "folder",
            IdKind::File => "file",
        };
        if self.number == ROOT {
            write!(f, "{kind}.{}", self.cid)
        } else {
            write!(f, "{kind}.{}.{}", self.cid, self.resource_id())
        }
    }
}

/// The id of a comment: `comment.{cid}.{cid}!{item}.{CID}!{number}`. The first `{cid}` has leading
/// zeros, the others have none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CommentId {
    pub cid: String,
    pub item: ItemKey,
    pub number: u64,
}

impl CommentId {
    /// Creates the id of the comment `number` on an item of the account `cid`.
    pub(super) fn new(cid: &str, item: ItemKey, number: u64) -> Self {
        Self { cid: cid.to_owned(), item, number }
    }

    /// Parses an id of a comment, in the form that the type describes; `None` for any other text.
    /// Hexadecimal digits may have either case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (cid, item, last) = parse_item_part("comment", text)?;
        let number = parse_resource(&cid, last)?.try_into().ok()?;
        Some(Self { cid, item, number })
    }
}

impl fmt::Display for CommentId {
    /// Writes the id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cid, item, number } = self;
        let owner = trim_zeros(cid);
        write!(f, "comment.{cid}.{owner}!{item}.{}!{number}", owner.to_ascii_uppercase())
    }
}

/// The id of a tag: `tag.{cid}.{cid}!{item}.{opaque}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TagId {
    pub cid: String,
    pub item: ItemKey,
    /// Index of the tag in the item's list of tags.
    pub index: usize,
}

impl TagId {
    /// Creates the id of the tag at `index` of an item of the account `cid`.
    pub(super) fn new(cid: &str, item: ItemKey, index: usize) -> Self {
        Self { cid: cid.to_owned(), item, index }
    }

    /// Parses an id of a tag, in the form that the type describes; `None` for any other text.
    /// Hexadecimal digits may have either case.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (cid, item, last) = parse_item_part("tag", text)?;
        let bytes = URL_SAFE_NO_PAD.decode(last).ok()?;
        let index = u32::from_be_bytes(bytes.try_into().ok()?);
        Some(Self { cid, item, index: index.try_into().ok()? })
    }
}

impl fmt::Display for TagId {
    /// Writes the id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cid, item, index } = self;
        let opaque =
            URL_SAFE_NO_PAD.encode(u32::try_from(*index).unwrap_or(u32::MAX).to_be_bytes());
        write!(f, "tag.{cid}.{}!{item}.{opaque}", trim_zeros(cid))
    }
}

/// Parses the id of a comment or a tag. Returns the account, the item and the last part; `None` if
/// the id is of another `kind` or invalid.
fn parse_item_part<'a>(kind: &str, text: &'a str) -> Option<(String, ItemKey, &'a str)> {
    let rest = text.strip_prefix(kind)?.strip_prefix('.')?;
    let (cid, rest) = rest.split_once('.')?;
    let (item, last) = rest.split_once('.')?;
    if !is_cid(cid) {
        return None;
    }
    Some((cid.to_ascii_lowercase(), parse_resource(cid, item).map(ItemKey)?, last))
}

/// Parses `{CID}!{number}`; `None` if the account is not `cid`, or the number is not one above 0
/// without leading zeros.
fn parse_resource(cid: &str, text: &str) -> Option<i64> {
    let (owner, number) = text.split_once('!')?;
    (owner.eq_ignore_ascii_case(trim_zeros(cid)) && is_number(number))
        .then(|| number.parse().ok())?
}

/// Returns the id of an item on the drive of the account `cid`, as a string.
pub(crate) fn id_of(cid: &str, node: &Node) -> String {
    LiveId::new(cid, node.kind, node.no).to_string()
}

/// Returns whether `text` has the form of an account's id: 16 hexadecimal digits in either case.
/// The account may not exist.
pub(super) fn is_cid(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Removes the leading zeros of an account id.
fn trim_zeros(cid: &str) -> &str {
    let trimmed = cid.trim_start_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

/// Returns whether `text` is a positive decimal number without leading zeros, so that each number
/// has one spelling.
fn is_number(text: &str) -> bool {
    !text.starts_with('0') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_look_as_in_the_reference() {
        let id = |cid, kind: IdKind, number| LiveId::new(cid, kind, number).to_string();
        assert_eq!(id("8c8ce076ca27823f", IdKind::Folder, ROOT), "folder.8c8ce076ca27823f");
        assert_eq!(
            id("8c8ce076ca27823f", IdKind::Folder, ItemKey(142)),
            "folder.8c8ce076ca27823f.8C8CE076CA27823F!142"
        );
        assert_eq!(
            id("de57f4126ed7e411", IdKind::File, ItemKey(128)),
            "file.de57f4126ed7e411.DE57F4126ED7E411!128"
        );
    }

    #[test]
    fn leading_zeros_are_kept_in_the_cid_and_dropped_in_the_resource() {
        let id = "file.0bee3874468ef5b6.BEE3874468EF5B6!759";
        let parsed = LiveId::parse(id).expect("an id");
        assert_eq!((parsed.cid.as_str(), parsed.number), ("0bee3874468ef5b6", ItemKey(759)));
        assert_eq!(parsed.to_string(), id);
    }

    #[test]
    fn hexadecimal_digits_may_be_of_either_case_and_albums_are_folders() {
        let folder = LiveId::parse("folder.8c8ce076ca27823f.8C8CE076CA27823F!126");
        assert!(folder.is_some());
        for same in [
            "album.8c8ce076ca27823f.8C8CE076CA27823F!126",
            "folder.8C8CE076CA27823F.8c8ce076ca27823f!126",
        ] {
            assert_eq!(LiveId::parse(same), folder);
        }
    }

    #[test]
    fn invalid_ids_are_rejected() {
        for text in [
            "",
            "me",
            "8c8ce076ca27823f",
            "file.8c8ce076ca27823f",
            "folder.8c8ce076ca27823",
            "folder.8c8ce076ca27823g",
            "comment.8c8ce076ca27823f.8C8CE076CA27823F!1",
            "folder.8c8ce076ca27823f.8C8CE076CA27823F",
            "folder.8c8ce076ca27823f.8C8CE076CA27823F!",
            "folder.8c8ce076ca27823f.8C8CE076CA27823F!0126",
            "folder.8c8ce076ca27823f.8C8CE076CA27823F!-1",
            "folder.8c8ce076ca27823f.8C8CE076CA27823F!99999999999999999999",
            "folder.8c8ce076ca27823f.DE57F4126ED7E411!126",
            "folder.0bee3874468ef5b6.0BEE3874468EF5B6!1",
        ] {
            assert_eq!(LiveId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ids_of_comments_and_tags_look_as_in_the_reference_and_are_read_back() {
        let comment = CommentId::new("22688711f5410e6c", ItemKey(818), 979);
        assert_eq!(
            comment.to_string(),
            "comment.22688711f5410e6c.22688711f5410e6c!818.22688711F5410E6C!979"
        );
        assert_eq!(CommentId::parse(&comment.to_string()), Some(comment));
        let tag = TagId::new("0bee3874468ef5b6", ItemKey(767), 3);
        assert!(tag.to_string().starts_with("tag.0bee3874468ef5b6.bee3874468ef5b6!767."));
        assert_eq!(TagId::parse(&tag.to_string()), Some(tag));
        for text in [
            "comment.22688711f5410e6c.22688711f5410e6c!818",
            "comment.22688711f5410e6c.22688711f5410e6d!818.22688711F5410E6C!979",
            "tag.22688711f5410e6c.22688711f5410e6c!767.!",
            "tag.22688711f5410e6c.22688711f5410e6c!767.",
        ] {
            assert!(CommentId::parse(text).is_none() && TagId::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_id_is_read_back_as_it_was(cid in "[0-9a-f]{16}", number in ROOT.0..i64::MAX, file: bool) {
            let number = ItemKey(number);
            let kind = if file && number != ROOT { IdKind::File } else { IdKind::Folder };
            let id = LiveId::new(&cid, kind, number);
            prop_assert_eq!(LiveId::parse(&id.to_string()), Some(id));
        }
    }
}
