//! MD5 sums: the only hash that this cloud reports.

use md5::{Digest, Md5};

use crate::{
    drive::{HashKind, Item},
    services::body_hash::BodyHasher,
};

/// An MD5 sum.
pub type Md5Sum = [u8; 16];

impl BodyHasher for Md5 {
    /// Hashes the next bytes.
    fn update(&mut self, piece: &[u8]) {
        Digest::update(self, piece);
    }
}

/// Returns the MD5 of an item's content, or `None` if the cloud did not report one.
pub(super) fn md5_of(item: &Item) -> Option<Md5Sum> {
    let (_, sum) = item.hashes.iter().find(|(kind, _)| *kind == HashKind::Md5)?;
    sum.as_ref().try_into().ok()
}

/// Parses 32 hexadecimal digits of either case; returns `None` for any other text.
pub(super) fn parse_hex(text: &str) -> Option<Md5Sum> {
    let digits = text.as_bytes();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut sum = [0; 16];
    for (byte, pair) in sum.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(sum)
}

/// Formats a sum as lower-case hexadecimal digits.
pub(super) fn to_hex(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_32_hexadecimal_digits_of_either_case_are_a_sum() {
        let sum = parse_hex("D41d8cd98f00b204e9800998ecf8427e").unwrap();
        assert_eq!(to_hex(&sum), "d41d8cd98f00b204e9800998ecf8427e");
        for wrong in ["", "d41d8cd98f00b204e9800998ecf8427", "+41d8cd98f00b204e9800998ecf8427e"] {
            assert_eq!(parse_hex(wrong), None, "{wrong}");
        }
    }
}
