//! Passwords of sharing links. The server stores a salted hash.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use rand::RngCore;

/// Number of iterations of PBKDF2-HMAC-SHA-256, which slows down guesses of the passwords in a stolen
/// database.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

/// Number of bytes of the salt and of the hash.
const LENGTHS: [usize; 2] = [16, 32];

/// Returns the salted hash of a password: the base64 of the salt, a dot, and the base64 of the hash. The
/// computation takes about 20 ms, in a blocking task.
pub(crate) async fn hash_password(password: String) -> String {
    let mut salt = [0; LENGTHS[0]];
    rand::rng().fill_bytes(&mut salt);
    let hash = tokio::task::spawn_blocking(move || {
        let mut hash = [0; LENGTHS[1]];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, ITERATIONS, &salt, password.as_bytes(), &mut hash);
        hash
    });
    // The task is aborted only when the server stops. No password has a hash of zeros.
    let hash = hash.await.unwrap_or_default();
    format!("{}.{}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash))
}

/// Returns whether a text is the password with a hash of [`hash_password`]. The time does not depend on
/// the text.
pub(crate) async fn verify_password(password: String, hash: &str) -> bool {
    let Some((salt, hash)) = hash.split_once('.') else { return false };
    let decode = |text| STANDARD_NO_PAD.decode(text).ok();
    let (Some(salt), Some(hash)) = (decode(salt), decode(hash)) else { return false };
    if hash.len() != LENGTHS[1] {
        return false;
    }
    let verified = tokio::task::spawn_blocking(move || {
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::verify(algorithm, ITERATIONS, &salt, password.as_bytes(), &hash).is_ok()
    });
    verified.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_has_the_hash() {
        let hash = hash_password("hunter2".into()).await;
        assert!(!hash.contains("hunter2"));
        assert_ne!(hash, hash_password("hunter2".into()).await, "each hash has its own salt");
        assert!(verify_password("hunter2".into(), &hash).await);
        assert!(!verify_password("hunter3".into(), &hash).await);
        assert!(!verify_password("hunter2".into(), "").await);
        assert!(!verify_password("hunter2".into(), ".").await);
    }
}
