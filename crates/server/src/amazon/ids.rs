//! The ids of Amazon Cloud Drive (amazon-drive#node-ids): 22 characters, the URL-safe base64 of 128
//! bits.
//!
//! Ids map one-to-one to the items of an account, so no table is needed. The first half is the key
//! of the item, scrambled with the id of the account. The second half is a checksum of the first
//! half. An id of another account, or an invented one, is therefore invalid.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::tree::ItemKey;

/// Length of every id, in characters.
const LENGTH: usize = 22;

/// Makes the checksum of a number different from the scrambled number.
const CHECK: u64 = 0x6163_645f_6e6f_6465;

/// The ids of one account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    account: u64,
}

impl Ids {
    /// Returns the ids of the account with the cid `cid`, 16 hexadecimal digits.
    pub(super) fn for_account(cid: &str) -> Self {
        Self { account: u64::from_str_radix(cid, 16).unwrap_or(0) }
    }

    /// Returns the id of an item.
    pub(super) fn id(self, item: ItemKey) -> String {
        let number = scramble(item.0.cast_unsigned() ^ self.account);
        let check = scramble(number ^ self.account.rotate_left(32) ^ CHECK);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[8..].copy_from_slice(&check.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the item of an id; `None` if the id was not issued for this account. The item may
    /// not exist.
    pub(super) fn item_key(self, id: &str) -> Option<ItemKey> {
        if id.len() != LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let number = u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?);
        let item = ItemKey((unscramble(number) ^ self.account).cast_signed());
        (item.0 >= 0 && self.id(item) == id).then_some(item)
    }
}

/// Returns the etag of a version of a node: 11 characters, the base64 of 64 bits
/// (amazon-drive#node-etag).
pub(super) fn etag(node: ItemKey, version: i64) -> String {
    let value = scramble(node.0.cast_unsigned().rotate_left(32) ^ version.cast_unsigned());
    URL_SAFE_NO_PAD.encode(value.to_be_bytes())
}

/// A bijection on 64 bits: the finalizer of MurmurHash3. Every bit of the result depends on every
/// bit of the input.
fn scramble(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// The inverse of [`scramble`]. The factors are the inverses modulo 2^64.
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
            prop_assert_eq!(ids.item_key(&id), Some(item));
        }

        #[test]
        fn invented_ids_are_invalid(id in "[A-Za-z0-9_-]{0,24}") {
            prop_assert_eq!(Ids::for_account("00000000000000aa").item_key(&id), None);
        }
    }

    #[test]
    fn ids_of_other_accounts_are_invalid() {
        let id = Ids::for_account("0123456789abcdef").id(ROOT);
        assert_eq!(Ids::for_account("0123456789abcdee").item_key(&id), None);
    }
}
