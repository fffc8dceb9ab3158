//! quickXorHash, OneDrive's hash of files (onedrive-graph#quick-xor-hash).
//!
//! Byte `i` is rotated left by `11 * i` bits in a ring of 160 bits and XORed in. The length is XORed
//! into the last eight bytes. Two bytes at a distance of 1,760 are rotated by the same amount.
//! Therefore the input is first XORed into a ring of 1,760 bytes, at memory speed, which is folded
//! once at the end.

/// Bits of the hash.
const BITS: usize = 160;

/// Number of bits by which the rotation grows per byte.
const SHIFT: usize = 11;

/// Number of bytes after which the rotations repeat.
const RING: usize = BITS * SHIFT;

/// The state of a quickXorHash computation.
#[derive(Clone)]
pub(super) struct QuickXor {
    ring: [u8; RING],
    length: u64,
}

impl Default for QuickXor {
    /// Creates the state before the first byte.
    fn default() -> Self {
        Self { ring: [0; RING], length: 0 }
    }
}

impl QuickXor {
    /// Hashes the next bytes of the content.
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        let mut at = (self.length % RING as u64) as usize;
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(RING - at));
            for (kept, new) in self.ring[at..].iter_mut().zip(now) {
                *kept ^= new;
            }
            bytes = later;
            at = 0;
        }
    }

    /// Returns the hash of all bytes that were added.
    pub(super) fn finish(&self) -> [u8; BITS / 8] {
        // Bits that are rotated beyond the last byte continue in the first one.
        let mut wide = [0u8; BITS / 8 + 1];
        for (i, &byte) in self.ring.iter().enumerate() {
            let bit = i * SHIFT % BITS;
            let [low, high] = (u16::from(byte) << (bit % 8)).to_le_bytes();
            wide[bit / 8] ^= low;
            wide[bit / 8 + 1] ^= high;
        }
        wide[0] ^= wide[BITS / 8];
        let mut hash = [0; BITS / 8];
        hash.copy_from_slice(&wide[..BITS / 8]);
        for (kept, length) in hash[12..].iter_mut().zip(self.length.to_le_bytes()) {
            *kept ^= length;
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(bytes: &[u8]) -> String {
        let mut state = QuickXor::default();
        state.update(bytes);
        hex::encode(state.finish())
    }

    #[test]
    fn the_vectors_of_the_reference_are_reproduced() {
        let all: Vec<u8> = (0..=255).collect();
        for (input, expected) in [
            (Vec::new(), "0000000000000000000000000000000000000000"),
            (b"a".to_vec(), "6100000000000000000000000100000000000000"),
            (b"abc".to_vec(), "6110c31800000000000000000300000000000000"),
            (b"hello world".to_vec(), "6828031bd8f00610dce10d726b03190000000000"),
            (vec![0], "0000000000000000000000000100000000000000"),
            (vec![0xff; 20], "1ce738c739ce717efce31fffecc73ffef18f7ffc"),
            (vec![0xff; 21], "1ce738c739ce718ef3e31fffedc73ffef18f7ffc"),
            (all.clone(), "4241847d28ac65c03b93e14287bd6bd9d6c26b26"),
            (vec![b'a'; 1760], "ffffffffffffffffffffffff1ff9ffffffffffff"),
            (vec![b'a'; 1761], "9effffffffffffffffffffff1ef9ffffffffffff"),
            (all.repeat(300), "000000000000000000000000002c010000000000"),
        ] {
            assert_eq!(hash(&input), expected, "of {} bytes", input.len());
        }
    }

    /// The definition, bit by bit.
    fn by_definition(bytes: &[u8]) -> [u8; 20] {
        let mut bits = [false; BITS];
        for (i, byte) in bytes.iter().enumerate() {
            for bit in 0..8 {
                bits[(i * SHIFT + bit) % BITS] ^= byte >> bit & 1 == 1;
            }
        }
        let mut hash = [0u8; 20];
        for (i, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            hash[i / 8] |= 1 << (i % 8);
        }
        for (kept, length) in hash[12..].iter_mut().zip((bytes.len() as u64).to_le_bytes()) {
            *kept ^= length;
        }
        hash
    }

    proptest! {
        #[test]
        fn any_pieces_give_what_the_definition_gives(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..5),
        ) {
            let mut state = QuickXor::default();
            for piece in &pieces {
                state.update(piece);
            }
            prop_assert_eq!(state.finish(), by_definition(&pieces.concat()));
        }
    }
}
