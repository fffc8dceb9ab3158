//! MD5 of what is sent and of what arrives: the one hash that this cloud tells.

use md5::{Digest, Md5};

use crate::services::body_hash::BodyHasher;

/// An MD5 sum.
pub type Md5Sum = [u8; 16];

impl BodyHasher for Md5 {
    fn update(&mut self, piece: &[u8]) {
        Digest::update(self, piece);
    }
}

/// 32 hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<Md5Sum> {
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

/// As 32 lower-case hexadecimal digits.
pub(super) fn to_hex(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_in_either_case_and_nothing_else_is() {
        let sum = from_hex("D41d8cd98f00b204e9800998ecf8427e").unwrap();
        assert_eq!(to_hex(&sum), "d41d8cd98f00b204e9800998ecf8427e");
        for wrong in ["", "d41d8cd98f00b204e9800998ecf8427", "+41d8cd98f00b204e9800998ecf8427e"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
