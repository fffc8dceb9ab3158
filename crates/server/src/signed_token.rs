//! Signed texts: access tokens, refresh tokens, authorization codes and download URLs, which the server
//! does not have to store.
//!
//! A text is the URL-safe base64 of its purpose, its expiry, its claims as JSON, and an HMAC-SHA-256
//! of all that, truncated to 16 bytes. The key is stored in the data folder, so that texts remain
//! valid after a restart. A server in memory has a random key.

use std::{
    collections::HashMap,
    fmt, io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rand::RngCore;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::account_scope;

/// Number of bytes of the HMAC in a text: 128 bits, the truncation of RFC 4868.
const TAG: usize = 16;

/// Number of bytes before the claims: the purpose, and the expiry in microseconds.
const HEAD: usize = 1 + 8;

/// The purpose of a text. A text is valid for its own purpose only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Purpose {
    Access = 1,
    Refresh = 2,
    Code = 3,
    DownloadUrl = 4,
    /// A position in a change feed.
    Feed = 5,
    /// The result of a copy.
    Monitor = 6,
    /// A sharing link.
    Share = 7,
    /// A picture of an item, in any size.
    Picture = 8,
    /// A sharing link of Live Connect.
    Link = 9,
}

/// The reason why a text is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    /// This server did not sign it, or signed it for another purpose.
    #[error("the token is invalid")]
    Invalid,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
}

/// Signs and verifies texts.
#[derive(Clone)]
pub(super) struct TokenSigner {
    keyed: Hmac<Sha256>,
}

/// The names of single-use tokens that were used, until they expire.
#[derive(Debug, Default)]
pub(super) struct UsedTokens(Mutex<HashMap<String, Timestamp>>);

impl UsedTokens {
    /// Records the use of the token `name`, which expires at `expires`. Returns whether it is the
    /// first use since the server's start, or since the token expired.
    pub(super) fn first_use(&self, name: &str, now: Timestamp, expires: Timestamp) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, expires| *expires > now);
        used.insert(name.to_owned(), expires).is_none()
    }
}

impl fmt::Debug for TokenSigner {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSigner(…)")
    }
}

impl TokenSigner {
    /// Creates a signer with a random key, which is not stored.
    pub(super) fn random() -> Self {
        Self::with_key(&random_key())
    }

    /// Creates a signer with the key in a file. The file is created if it does not exist.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] if the file does not have exactly 32 bytes; another kind if
    /// it cannot be read or written.
    pub(super) fn load_or_create(file: &Path) -> io::Result<Self> {
        match std::fs::read(file) {
            Ok(key) if key.len() == 32 => Ok(Self::with_key(&key)),
            Ok(key) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it contains {} bytes, but a key has 32", key.len()),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = random_key();
                write_private(file, &key)?;
                Ok(Self::with_key(&key))
            }
            Err(error) => Err(error),
        }
    }

    /// Creates a signer whose key depends on a seed only. Anyone with the seed can sign.
    pub(super) fn seeded(seed: u64) -> Self {
        Self::with_key(&Sha256::digest(seed.to_be_bytes()))
    }

    /// Creates a signer with an HMAC key.
    fn with_key(key: &[u8]) -> Self {
        let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(key)
            .expect("HMAC accepts keys of every length");
        Self { keyed }
    }

    /// Returns a text with `claims` that is valid until `expires`.
    pub(super) fn sign(
        &self,
        purpose: Purpose,
        expires: Timestamp,
        claims: &impl Serialize,
    ) -> String {
        let mut bytes = Vec::with_capacity(128);
        bytes.push(purpose as u8);
        bytes.extend_from_slice(&expires.as_microsecond().to_be_bytes());
        serde_json::to_writer(&mut bytes, claims)
            .expect("claims are plain data, and writing to memory never fails");
        let tag = self.keyed.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the claims of a signed text, if it is valid at the time `now`.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] if the text is malformed, was not signed here for this purpose, or
    /// has claims of another form; [`TokenError::Expired`] if it expired before `now`.
    pub(super) fn verify<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        text: &str,
        now: Timestamp,
    ) -> Result<T, TokenError> {
        self.verify_at(purpose, text, |_| now)
    }

    /// Like [`verify`](Self::verify), at the time that `now` returns for the claims.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify).
    pub(super) fn verify_at<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        text: &str,
        now: impl FnOnce(&T) -> Timestamp,
    ) -> Result<T, TokenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Invalid)?;
        if bytes.len() < HEAD + TAG {
            return Err(TokenError::Invalid);
        }
        let (signed, tag) = bytes.split_at(bytes.len() - TAG);
        self.keyed
            .clone()
            .chain_update(signed)
            .verify_truncated_left(tag)
            .map_err(|_| TokenError::Invalid)?;
        if signed[0] != purpose as u8 {
            return Err(TokenError::Invalid);
        }
        let claims: T = serde_json::from_slice(&signed[HEAD..]).map_err(|_| TokenError::Invalid)?;
        let mut expires = [0; 8];
        expires.copy_from_slice(&signed[1..HEAD]);
        if now(&claims).as_microsecond() >= i64::from_be_bytes(expires) {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

/// Returns a key of random bytes.
fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    key
}

/// Returns 128 random bits as text, for names that must not be guessed. With the option for
/// reproducible ids, they are the next ones of the account's sequence.
pub(super) fn random_name() -> String {
    URL_SAFE_NO_PAD.encode(account_scope::random_bytes::<16>())
}

/// Writes a file that only its owner can read. The file is replaced atomically.
///
/// # Errors
/// The operating system's error if it cannot be written, synced or renamed.
pub(super) fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let folder = file.parent().unwrap_or(Path::new("."));
    // `tempfile` creates it with mode 0600 on Unix.
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(file).map_err(|failed| failed.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn a_text_has_its_claims_until_it_expires() {
        let signer = TokenSigner::random();
        let text = signer.sign(Purpose::Access, time(100), &("anna", 7));
        assert_eq!(
            signer.verify::<(String, i32)>(Purpose::Access, &text, time(99)),
            Ok(("anna".into(), 7))
        );
        assert_eq!(
            signer.verify::<(String, i32)>(Purpose::Access, &text, time(100)),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn a_text_is_invalid_for_another_purpose() {
        let signer = TokenSigner::random();
        let text = signer.sign(Purpose::Refresh, time(100), &"anna");
        assert_eq!(
            signer.verify::<String>(Purpose::Access, &text, time(0)),
            Err(TokenError::Invalid)
        );
    }

    #[test]
    fn a_text_changed_in_any_character_is_refused() {
        let signer = TokenSigner::random();
        let text = signer.sign(Purpose::DownloadUrl, time(100), &(1, 2, "abc"));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(
                signer.verify::<(i64, i64, String)>(Purpose::DownloadUrl, &changed, time(0)),
                Err(TokenError::Invalid),
                "character {at}"
            );
        }
        for cut in 0..text.len() {
            assert!(
                signer
                    .verify::<(i64, i64, String)>(Purpose::DownloadUrl, &text[..cut], time(0))
                    .is_err()
            );
        }
    }

    #[test]
    fn a_key_in_a_file_outlives_the_process_and_other_keys_do_not_fit() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let text =
            TokenSigner::load_or_create(&file).expect("created").sign(Purpose::Code, time(100), &1);
        let again = TokenSigner::load_or_create(&file).expect("read");
        assert_eq!(again.verify::<i32>(Purpose::Code, &text, time(0)), Ok(1));
        assert_eq!(
            TokenSigner::random().verify::<i32>(Purpose::Code, &text, time(0)),
            Err(TokenError::Invalid)
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        TokenSigner::load_or_create(&file).expect("created");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_code_is_good_once_and_forgotten_when_it_has_expired() {
        let used = UsedTokens::default();
        assert!(used.first_use("a", time(0), time(600)));
        assert!(!used.first_use("a", time(1), time(601)));
        assert!(used.first_use("b", time(1_000), time(1_600)));
        assert_eq!(used.0.lock().expect("whole").len(), 1);
    }
}
