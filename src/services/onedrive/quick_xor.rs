//! QuickXorHash, the only hash that every kind of OneDrive account provides
//! (onedrive-graph#hash-availability).
//!
//! Definition: a ring of 160 bits starts as zero. Byte `i` of the data is rotated left by `11 × i`
//! bits and XORed into the ring. At the end, the length as 64 bits is XORed into the last eight of
//! the ring's twenty bytes.
//!
//! `11 × i` modulo 160 depends only on `i` modulo 160, so bytes at the same offset of each block of
//! 160 are rotated alike. They are XORed together first, at memory speed, and rotated once at the
//! end.

use base64::{Engine, prelude::BASE64_STANDARD};

/// Period of the rotations in bytes, and size of the ring in bits.
const BLOCK: usize = 160;
/// [`BLOCK`] in 64-bit words.
const WORDS: usize = BLOCK / 8;
/// Additional rotation of each byte over the byte before, in bits.
const SHIFT: usize = 11;
/// Size of the hash in bytes.
const SIZE: usize = 20;

/// An incremental quickXorHash. It accepts the data in order, in pieces of any size.
///
/// The hasher takes 168 bytes of memory. Its [`state`](Self::state) is text, so that another process
/// can [`resume`](Self::resume) the calculation.
///
/// ```
/// use drivedal::services::onedrive::QuickXor;
///
/// let mut hash = QuickXor::new();
/// hash.update(b"hello ");
/// hash.update(b"world");
/// assert_eq!(hash.to_base64(), "aCgDG9jwBhDc4Q1yawMZAAAAAAA=");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuickXor {
    /// XOR of byte `i` of every block, stored as little-endian words.
    ring: [u64; WORDS],
    /// Number of bytes hashed.
    len: u64,
}

impl QuickXor {
    /// Returns the hasher for empty data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let offset = (self.len % BLOCK as u64) as usize;
        self.len = self.len.wrapping_add(bytes.len() as u64);
        let (head, bytes) = match offset {
            0 => (&[][..], bytes),
            _ => bytes.split_at(bytes.len().min(BLOCK - offset)),
        };
        self.mix(offset, head);
        let mut blocks = bytes.chunks_exact(BLOCK);
        // The compiler keeps a copy on the stack in registers.
        let mut ring = self.ring;
        for block in &mut blocks {
            for (word, bytes) in ring.iter_mut().zip(block.as_chunks::<8>().0) {
                *word ^= u64::from_le_bytes(*bytes);
            }
        }
        self.ring = ring;
        self.mix(0, blocks.remainder());
    }

    /// XORs less than a block into the ring, from the byte `offset` of the block on.
    fn mix(&mut self, offset: usize, bytes: &[u8]) {
        for (i, byte) in (offset..).zip(bytes) {
            self.ring[i / 8] ^= u64::from(*byte) << (i % 8 * 8);
        }
    }

    /// Returns the number of bytes hashed.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether no byte has been hashed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the hash of the bytes so far.
    pub fn finish(&self) -> [u8; SIZE] {
        let mut hash = [0; SIZE];
        let bytes = self.ring.iter().flat_map(|word| word.to_le_bytes());
        for (i, byte) in bytes.enumerate() {
            let rotation = SHIFT * i % BLOCK;
            let shifted = u16::from(byte) << (rotation % 8);
            let [low, high] = shifted.to_le_bytes();
            hash[rotation / 8] ^= low;
            hash[(rotation / 8 + 1) % SIZE] ^= high;
        }
        for (byte, length) in hash[SIZE - 8..].iter_mut().zip(self.len.to_le_bytes()) {
            *byte ^= length;
        }
        hash
    }

    /// Returns the hash of the bytes so far in base64, as Graph writes it.
    pub fn to_base64(&self) -> String {
        BASE64_STANDARD.encode(self.finish())
    }

    /// Returns the state of the hasher as text for [`resume`](Self::resume).
    pub fn state(&self) -> String {
        let mut bytes = self.len.to_le_bytes().to_vec();
        bytes.extend(self.ring.iter().flat_map(|word| word.to_le_bytes()));
        BASE64_STANDARD.encode(bytes)
    }

    /// Restores a hasher from its [`state`](Self::state). `None` if the text is malformed.
    pub fn resume(state: &str) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(state).ok()?;
        let (words, rest) = bytes.as_chunks::<8>();
        let (len, ring) = words.split_first()?;
        if !rest.is_empty() || ring.len() != WORDS {
            return None;
        }
        let mut resumed = Self { ring: [0; WORDS], len: u64::from_le_bytes(*len) };
        for (word, bytes) in resumed.ring.iter_mut().zip(ring) {
            *word = u64::from_le_bytes(*bytes);
        }
        Some(resumed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(bytes: &[u8]) -> QuickXor {
        let mut hash = QuickXor::new();
        hash.update(bytes);
        hash
    }

    /// The literal definition of onedrive-graph#quick-xor-hash, bit by bit.
    fn defined(bytes: &[u8]) -> [u8; SIZE] {
        let mut ring = [false; 160];
        for (i, byte) in bytes.iter().enumerate() {
            for bit in 0..8 {
                ring[(11 * i + bit) % 160] ^= byte >> bit & 1 == 1;
            }
        }
        let mut hash = [0; SIZE];
        for (i, bit) in ring.iter().enumerate() {
            hash[i / 8] |= u8::from(*bit) << (i % 8);
        }
        for (i, byte) in (bytes.len() as u64).to_le_bytes().iter().enumerate() {
            hash[12 + i] ^= byte;
        }
        hash
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn hashes_match_the_protocols_examples() {
        let all: Vec<u8> = (0..=255).collect();
        for (bytes, in_hex, in_base64) in [
            (vec![], "0000000000000000000000000000000000000000", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            (
                b"a".to_vec(),
                "6100000000000000000000000100000000000000",
                "YQAAAAAAAAAAAAAAAQAAAAAAAAA=",
            ),
            (
                b"abc".to_vec(),
                "6110c31800000000000000000300000000000000",
                "YRDDGAAAAAAAAAAAAwAAAAAAAAA=",
            ),
            (
                b"hello world".to_vec(),
                "6828031bd8f00610dce10d726b03190000000000",
                "aCgDG9jwBhDc4Q1yawMZAAAAAAA=",
            ),
            (vec![0], "0000000000000000000000000100000000000000", "AAAAAAAAAAAAAAAAAQAAAAAAAAA="),
            (
                vec![0xff; 20],
                "1ce738c739ce717efce31fffecc73ffef18f7ffc",
                "HOc4xznOcX784x//7Mc//vGPf/w=",
            ),
            (
                vec![0xff; 21],
                "1ce738c739ce718ef3e31fffedc73ffef18f7ffc",
                "HOc4xznOcY7z4x//7cc//vGPf/w=",
            ),
            (
                all.clone(),
                "4241847d28ac65c03b93e14287bd6bd9d6c26b26",
                "QkGEfSisZcA7k+FCh71r2dbCayY=",
            ),
            (
                vec![b'a'; 1760],
                "ffffffffffffffffffffffff1ff9ffffffffffff",
                "////////////////H/n///////8=",
            ),
            (
                vec![b'a'; 1761],
                "9effffffffffffffffffffff1ef9ffffffffffff",
                "nv//////////////Hvn///////8=",
            ),
            (
                all.repeat(300),
                "000000000000000000000000002c010000000000",
                "AAAAAAAAAAAAAAAAACwBAAAAAAA=",
            ),
        ] {
            let hash = hash(&bytes);
            assert_eq!(hex(&hash.finish()), in_hex, "{} bytes", bytes.len());
            assert_eq!(hash.to_base64(), in_base64, "{} bytes", bytes.len());
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_and_resuming_give_the_hash_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..8),
        ) {
            let mut hash = QuickXor::new();
            for piece in &pieces {
                hash.update(piece);
                hash = QuickXor::resume(&hash.state()).expect("a valid state");
            }
            prop_assert_eq!(hash.finish(), defined(&pieces.concat()));
            prop_assert_eq!(hash.len(), pieces.concat().len() as u64);
        }
    }

    #[test]
    fn malformed_state_is_rejected() {
        for state in ["", "AAAA", "%", &BASE64_STANDARD.encode([0; 169])] {
            assert_eq!(QuickXor::resume(state), None, "{state}");
        }
    }
}
