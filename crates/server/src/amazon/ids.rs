//! What Amazon calls things (amazon-drive#node-ids): 22 characters, the URL-safe base64 of 128
//! bits, as UUIDs look.
//!
//! A bijection of an account's items: the first half is the item's number, scrambled with the
//! account's id, the second half a check of the first, so that an id of another account, or one
//! that was made up, names nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::tree::{ItemKey, Node};

/// The longest id, and the shortest.
const LENGTH: usize = 22;

/// Keeps the check of a number unlike the number's own scramble.
const CHECK: u64 = 0x6163_645f_6e6f_6465;

/// The ids of one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    account: u64,
}

impl Ids {
    /// Of the account with that cid.
    pub(super) fn of(cid: &str) -> Self {
        Self { account: u64::from_str_radix(cid, 16).unwrap_or(0) }
    }

    /// The id of an item.
    pub(super) fn id(self, item: ItemKey) -> String {
        let number = scramble(item.0.cast_unsigned() ^ self.account);
        let check = scramble(number ^ self.account.rotate_left(32) ^ CHECK);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[8..].copy_from_slice(&check.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The item that an id names; `None` if it is no id of this account's.
    pub(super) fn number(self, id: &str) -> Option<ItemKey> {
        if id.len() != LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let number = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
        let item = ItemKey((unscramble(number) ^ self.account).cast_signed());
        (item.0 >= 0 && self.id(item) == id).then_some(item)
    }
}

/// What changes with every change of a node (amazon-drive#node-etag): 11 characters of the base64
/// of 64 bits.
pub(super) fn etag(node: &Node) -> String {
    let mark = scramble(node.no.0.cast_unsigned().rotate_left(32) ^ node.version.cast_unsigned());
    URL_SAFE_NO_PAD.encode(mark.to_be_bytes())
}

/// A bijection of 64 bits in which every bit of the result depends on every bit: the finalizer of
/// MurmurHash3.
fn scramble(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// The way back; the factors are the inverses modulo 2^64.
fn unscramble(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0x9cb4_b2f8_1293_37db);
    x ^= x >> 33;
    x = x.wrapping_mul(0x4f74_430c_22a5_4005);
    x ^ (x >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::ROOT;

    proptest! {
        #[test]
        fn every_item_has_an_id_of_22_characters_that_names_it(number in 0..i64::MAX, cid: u64) {
            let (ids, item) = (Ids { account: cid }, ItemKey(number));
            let id = ids.id(item);
            prop_assert_eq!(id.len(), 22);
            prop_assert!(id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'));
            prop_assert_eq!(ids.number(&id), Some(item));
        }

        #[test]
        fn what_was_made_up_names_nothing(id in "[A-Za-z0-9_-]{0,24}") {
            prop_assert_eq!(Ids::of("00000000000000aa").number(&id), None);
        }
    }

    #[test]
    fn another_accounts_id_names_nothing() {
        let id = Ids::of("0123456789abcdef").id(ROOT);
        assert_eq!(Ids::of("0123456789abcdee").number(&id), None);
    }
}
