//! Ids and etags. They are computed from item keys by bijections, so the server stores no table of
//! ids.
//!
//! | kind | drive id | item id | eTag |
//! |---|---|---|---|
//! | personal | `CID` | `CID!s` + 32 hexadecimal digits | `"{GUID},n"` |
//! | personal-legacy | `CID` | `CID!n`, the root `CID!101` | `a` + base64 of `CID!n.v` |
//! | business, library | `b!` + base64url | `01` + 32 base32 digits | `"{GUID},n"` |
//!
//! A cTag has the same form, with the content's version `n` and the prefix `c:` inside of the
//! quotes or the base64 (onedrive-graph#drive-ids, onedrive-graph#item-id-formats).

use base64::{
    Engine as _, engine::general_purpose::STANDARD_NO_PAD, engine::general_purpose::URL_SAFE_NO_PAD,
};

use crate::account_kind::AccountKind;
use crate::tree::{ItemKey, Node, NodeKind, Precondition, ROOT};

/// The id of the root folder of a migrated personal drive, after `!s`
/// (onedrive-graph#item-id-formats).
const PERSONAL_ROOT: u128 = 0xea8c_c6be_ffdb_43d7_976f_bc7d_a445_c639;

/// Difference between the numbers of a drive before the migration, whose root is item 101, and the
/// keys of the tree, whose root is 100 (onedrive-graph#item-id-formats).
const LEGACY_SHIFT: i64 = 101 - ROOT.0;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Converts the keys of a drive's items to ids and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdCodec {
    kind: AccountKind,
    cid: u64,
}

impl IdCodec {
    /// Returns the codec of a drive. `cid` has 16 hexadecimal digits; the tree assigns it.
    pub(super) fn new(kind: AccountKind, cid: &str) -> Self {
        Self { kind, cid: u64::from_str_radix(cid, 16).unwrap_or_default() }
    }

    /// Returns the id of the drive.
    pub(super) fn drive_id(&self) -> String {
        if self.kind.is_personal() {
            return format!("{:016X}", self.cid);
        }
        let parts = (1..=6).flat_map(|part| mix(self.cid.wrapping_add(part)).to_be_bytes());
        format!("b!{}", URL_SAFE_NO_PAD.encode(parts.collect::<Vec<_>>()))
    }

    /// Returns whether a drive id names this drive. The id of a personal drive may have either case
    /// and no leading zeros (onedrive-graph#drive-id-inconsistencies); any other must have its
    /// exact spelling.
    pub(super) fn is_drive(&self, id: &str) -> bool {
        if !self.kind.is_personal() {
            return id == self.drive_id();
        }
        let hexadecimal = id.bytes().all(|byte| byte.is_ascii_hexdigit());
        hexadecimal && id.len() <= 16 && u64::from_str_radix(id, 16) == Ok(self.cid)
    }

    /// Returns the id of an item.
    pub(super) fn item_id(&self, item: ItemKey) -> String {
        match self.kind {
            AccountKind::Personal => format!("{:016X}!s{:032x}", self.cid, self.guid(item)),
            AccountKind::PersonalLegacy => format!("{:016X}!{}", self.cid, item.0 + LEGACY_SHIFT),
            AccountKind::Business | AccountKind::Library => {
                let mut bytes = mix(self.cid).to_be_bytes()[..4].to_vec();
                bytes.extend(self.guid(item).to_be_bytes());
                format!("01{}", encode_base32(&bytes))
            }
        }
    }

    /// Returns the key of the item with an id; `None` if the text is not the one spelling of an id
    /// of this drive. The item may not exist.
    pub(super) fn item_key(&self, id: &str) -> Option<ItemKey> {
        let candidate = match self.kind {
            AccountKind::Personal => {
                let guid = u128::from_str_radix(id.get(18..)?, 16).ok()?;
                self.item_from_guid(guid)
            }
            AccountKind::PersonalLegacy => {
                id.get(17..)?.parse::<i64>().ok()?.checked_sub(LEGACY_SHIFT).map(ItemKey)?
            }
            AccountKind::Business | AccountKind::Library => {
                let bytes = decode_base32(id.strip_prefix("01")?)?;
                self.item_from_guid(u128::from_be_bytes(bytes.get(4..20)?.try_into().ok()?))
            }
        };
        // Exactly one spelling of an id is valid.
        (self.item_id(candidate) == id).then_some(candidate)
    }

    /// Returns the GUID of an item in ids and etags.
    fn guid(&self, item: ItemKey) -> u128 {
        if item == ROOT && self.kind == AccountKind::Personal {
            return PERSONAL_ROOT;
        }
        let high = mix(item.0 as u64 ^ self.cid);
        let low = mix(high ^ self.cid.rotate_left(32));
        u128::from(high) << 64 | u128::from(low)
    }

    /// Returns the GUID of an item in SharePoint's own API.
    pub(super) fn unique_id(&self, node: &Node) -> String {
        guid_text(self.guid(node.no)).to_lowercase()
    }

    /// Inverts [`Self::guid`].
    fn item_from_guid(&self, guid: u128) -> ItemKey {
        if guid == PERSONAL_ROOT {
            return ROOT;
        }
        ItemKey((unmix((guid >> 64) as u64) ^ self.cid) as i64)
    }

    /// Returns the key of the item whose etags have a GUID, in any case; `None` for another text. The
    /// item may not exist.
    pub(super) fn key_of_guid(&self, text: &str) -> Option<ItemKey> {
        let digits = text.replace('-', "");
        if text.len() != 36 || digits.len() != 32 {
            return None;
        }
        let guid = u128::from_str_radix(&digits, 16).ok()?;
        let key = self.item_from_guid(guid);
        (self.guid(key) == guid).then_some(key)
    }

    /// Returns the etag, which changes with every change of the item.
    pub(super) fn etag(&self, node: &Node) -> String {
        self.tag("", node.no, node.version)
    }

    /// Returns the cTag, which changes with a file's content and with a folder's descendants.
    /// `None` for folders on SharePoint, which have none (onedrive-graph#etag-ctag).
    pub(super) fn ctag(&self, node: &Node) -> Option<String> {
        if node.kind != NodeKind::File && !self.kind.is_personal() {
            return None;
        }
        Some(self.tag("c:", node.no, node.content_version))
    }

    /// Returns an etag or cTag of a version. `prefix` is `c:` for a cTag, and empty for an etag.
    fn tag(&self, prefix: &str, item: ItemKey, version: i64) -> String {
        if self.kind == AccountKind::PersonalLegacy {
            let text = format!("{prefix}{}.{version}", self.item_id(item));
            return format!("a{}", STANDARD_NO_PAD.encode(text));
        }
        format!("\"{prefix}{{{}}},{version}\"", guid_text(self.guid(item)))
    }

    /// Compares an item with a list of etags and cTags, the value of `If-Match` or `If-None-Match`.
    /// Quotes and `W/` have no effect. Returns the precondition of the first tag that matches the
    /// current item; `None` if no tag does. `*` matches without a precondition.
    pub(super) fn matches(&self, node: &Node, list: &str) -> Option<Precondition> {
        let bare = |tag: &str| tag.trim_matches('"').to_owned();
        let etag = bare(&self.etag(node));
        let ctag = self.ctag(node).map(|tag| bare(&tag));
        tags(list).find_map(|tag| match bare(tag) {
            tag if tag == "*" => Some(Precondition::Any),
            tag if tag == etag => Some(Precondition::Version(node.version)),
            tag if Some(&tag) == ctag.as_ref() => {
                Some(Precondition::ContentVersion(node.content_version))
            }
            _ => None,
        })
    }
}

/// Returns the tags of a list. A comma inside of quotes belongs to the tag, and so does the comma
/// of an unquoted `{GUID},2`.
pub(super) fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("W/").unwrap_or(rest);
        if rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let mut braced = false;
        let end = rest.find(|c: char| {
            match c {
                '"' => quoted = !quoted,
                '{' if !quoted => braced = true,
                ',' if braced && !quoted => braced = false,
                ',' if !quoted => return true,
                _ => {}
            }
            false
        });
        let (tag, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(tag.trim_end())
    })
}

/// Formats a GUID as in etags: `EA8CC6BE-FFDB-43D7-976F-BC7DA445C639`.
pub(super) fn guid_text(guid: u128) -> String {
    let hex = format!("{guid:032X}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Returns the GUID of a number. It reveals nothing about the number; `salt` gives a number several
/// GUIDs.
pub(super) fn derive_guid(number: u64, salt: u64) -> String {
    let high = mix(number ^ mix(salt));
    let low = mix(high.wrapping_add(salt));
    guid_text(u128::from(high) << 64 | u128::from(low)).to_lowercase()
}

/// A bijection of 64-bit numbers with pseudorandom results (the finalizer of splitmix64).
pub(super) fn mix(mut n: u64) -> u64 {
    n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

/// The inverse of [`mix`].
fn unmix(mut n: u64) -> u64 {
    n = (n ^ n >> 31 ^ n >> 62).wrapping_mul(0x3196_42b2_d24d_8ec3);
    n = (n ^ n >> 27 ^ n >> 54).wrapping_mul(0x96de_1b17_3f11_9089);
    n ^ n >> 30 ^ n >> 60
}

/// Encodes bytes in base32 (RFC 4648). Their number must be a multiple of five, so that no padding
/// is needed.
fn encode_base32(bytes: &[u8]) -> String {
    let digits = bytes.chunks(5).flat_map(|five| {
        let group = five.iter().fold(0u64, |group, byte| group << 8 | u64::from(*byte));
        (0..8).rev().map(move |digit| BASE32[(group >> (5 * digit) & 31) as usize] as char)
    });
    digits.collect()
}

/// Decodes base32 in upper case without padding; `None` if the length is no multiple of eight, or a
/// character is no digit.
fn decode_base32(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(8) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 8 * 5);
    for eight in text.as_bytes().chunks(8) {
        let mut group = 0u64;
        for digit in eight {
            let value = BASE32.iter().position(|known| known == digit)?;
            group = group << 5 | value as u64;
        }
        bytes.extend_from_slice(&group.to_be_bytes()[3..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::FIRST_ITEM;

    fn ids(kind: AccountKind, cid: u64) -> IdCodec {
        IdCodec { kind, cid }
    }

    proptest! {
        #[test]
        fn an_id_converts_back_to_its_key(cid: u64, number in ROOT.0..i64::MAX - 1, kind in 0usize..4) {
            let (ids, item) = (ids(AccountKind::ALL[kind], cid), ItemKey(number));
            prop_assert_eq!(ids.item_key(&ids.item_id(item)), Some(item));
        }

        #[test]
        fn other_text_is_no_id(cid: u64, text in ".{0,60}", kind in 0usize..4) {
            let ids = ids(AccountKind::ALL[kind], cid);
            if let Some(item) = ids.item_key(&text) {
                prop_assert_eq!(ids.item_id(item), text);
            }
        }
    }

    #[test]
    fn the_form_of_ids_depends_on_the_account_kind() {
        let cid = 0x66d5_3be8_a505_6eca;
        let personal = ids(AccountKind::Personal, cid);
        assert_eq!(personal.drive_id(), "66D53BE8A5056ECA");
        assert_eq!(personal.item_id(ROOT), "66D53BE8A5056ECA!sea8cc6beffdb43d7976fbc7da445c639");
        assert_eq!(personal.item_id(FIRST_ITEM).len(), 16 + 2 + 32);
        let legacy = ids(AccountKind::PersonalLegacy, cid);
        assert_eq!(legacy.item_id(ROOT), "66D53BE8A5056ECA!101");
        let business = ids(AccountKind::Business, cid);
        assert!(business.drive_id().starts_with("b!"));
        assert_eq!(business.drive_id().len(), 2 + 64);
        assert!(business.item_id(FIRST_ITEM).starts_with("01"));
        assert_eq!(business.item_id(FIRST_ITEM).len(), 34);
    }

    #[test]
    fn the_case_and_zeros_of_a_personal_drive_id_do_not_matter() {
        let personal = ids(AccountKind::Personal, 0x0d53_be8a_5056_eca1);
        for id in ["0D53BE8A5056ECA1", "0d53be8a5056eca1", "D53BE8A5056ECA1"] {
            assert!(personal.is_drive(id), "{id}");
        }
        for id in ["", "0D53BE8A5056ECA2", "00D53BE8A5056ECA1", "+D53BE8A5056ECA1"] {
            assert!(!personal.is_drive(id), "{id}");
        }
    }

    #[test]
    fn a_list_of_tags_is_split_outside_quotes() {
        let list: Vec<_> = tags(r#""{A},1", W/"{B},2" ,{C},3, aQ0lE,*"#).collect();
        assert_eq!(list, [r#""{A},1""#, r#""{B},2""#, "{C},3", "aQ0lE", "*"]);
    }

    #[test]
    fn base32_follows_rfc_4648() {
        assert_eq!(encode_base32(b"fooba"), "MZXW6YTB");
        assert_eq!(decode_base32("MZXW6YTB").unwrap(), b"fooba");
    }
}
