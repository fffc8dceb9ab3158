//! The RSA key that signs id tokens.
//!
//! It is created on first use, because few programs request id tokens and a key takes a noticeable
//! time to generate. With a data folder it is stored there, so that id tokens can be verified after
//! a restart.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::signed_token::write_private;

/// The file in the data folder with the key, as PKCS#8 in DER.
const FILE: &str = "id-token.key";

/// The RSA key that signs id tokens.
pub(crate) struct SigningKey {
    /// The file that stores the key; `None` for a server in memory.
    file: Option<PathBuf>,
    loaded: OnceCell<LoadedKey>,
}

/// A key with its public half as JSON Web Key.
struct LoadedKey {
    pair: KeyPair,
    /// The name of the key, in the header of each id token.
    id: String,
    jwk: Value,
}

impl fmt::Debug for SigningKey {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Creates a key that is not stored.
    pub(crate) fn in_memory() -> Self {
        Self { file: None, loaded: OnceCell::new() }
    }

    /// Uses the key of a data folder. The first use creates it if the folder has none.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { file: Some(folder.join(FILE)), loaded: OnceCell::new() }
    }

    /// Returns the JSON Web Key Set with the public key.
    ///
    /// # Errors
    /// `InvalidData` if the stored key is malformed; another kind if the key cannot be read,
    /// written or generated.
    pub(crate) async fn key_set(&self) -> io::Result<Value> {
        Ok(json!({ "keys": [self.load().await?.jwk] }))
    }

    /// Returns the claims as a JSON Web Token, signed with RS256.
    ///
    /// # Errors
    /// `InvalidData` if the stored key is malformed; another kind if the key cannot be read,
    /// created or used.
    pub(crate) async fn sign(&self, claims: &Value) -> io::Result<String> {
        let key = self.load().await?;
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": key.id });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; key.pair.public_modulus_len()];
        key.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| io::Error::other("the id token could not be signed"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Returns the claims of a JSON Web Token that this key signed; `None` if it did not. The caller
    /// checks the claims.
    ///
    /// # Errors
    /// `InvalidData` if the stored key is malformed; another kind if the key cannot be read,
    /// written or generated.
    pub(crate) async fn verify(&self, token: &str) -> io::Result<Option<Value>> {
        let key = self.load().await?;
        let claims = || {
            let (signed, signature) = token.rsplit_once('.')?;
            let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pair.public_key().as_ref())
                .verify(signed.as_bytes(), &signature)
                .ok()?;
            let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
            serde_json::from_slice(&claims).ok()
        };
        Ok(claims())
    }

    /// Loads or creates the key at the first use.
    ///
    /// # Errors
    /// `InvalidData` if the file contains no RSA key; another kind if it cannot be read or written,
    /// or no key can be generated.
    async fn load(&self) -> io::Result<&LoadedKey> {
        let load = || async {
            let file = self.file.clone();
            tokio::task::spawn_blocking(move || load_or_create(file.as_deref())).await?
        };
        self.loaded.get_or_try_init(load).await
    }
}

/// Loads the key in a file, or creates one and stores it there. Without a file it is not stored.
///
/// # Errors
/// `InvalidData` if the file contains no RSA key; another kind if it cannot be read or written, or
/// no key can be generated.
fn load_or_create(file: Option<&Path>) -> io::Result<LoadedKey> {
    let stored = match file.map(std::fs::read) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Some(Err(error)) => return Err(error),
    };
    if let Some(key) = stored {
        let pair = KeyPair::from_pkcs8(&key).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{FILE} contains no RSA key"))
        })?;
        return LoadedKey::new(pair);
    }
    let failed = |_| io::Error::other("an RSA key could not be generated");
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    if let Some(file) = file {
        let key: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        write_private(file, key.as_ref())?;
    }
    LoadedKey::new(pair)
}

impl LoadedKey {
    /// Creates the key from a pair, with its id and its public half.
    ///
    /// # Errors
    /// `Other` if the public key has an unknown encoding.
    fn new(pair: KeyPair) -> io::Result<Self> {
        let (modulus, exponent) = integers(pair.public_key().as_ref())
            .ok_or_else(|| io::Error::other("the RSA key has an unknown encoding"))?;
        let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
        // The thumbprint of RFC 7638.
        let members = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(members));
        let jwk = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e });
        Ok(Self { pair, id, jwk })
    }
}

/// Returns the modulus and the exponent of an RSAPublicKey in DER (RFC 8017, A.1.1), without
/// leading zeros; `None` if it is malformed.
fn integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = element(der, 0x30)?;
    let (modulus, rest) = element(sequence, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    let trim = |bytes: &'_ [u8]| bytes.iter().take_while(|byte| **byte == 0).count();
    Some((&modulus[trim(modulus)..], &exponent[trim(exponent)..]))
}

/// Returns the content of a DER element with a tag, and the bytes after the element; `None` if it
/// has another tag or is malformed.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stored_key_verifies_tokens_of_the_process_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let token = SigningKey::in_folder(folder.path()).sign(&json!({"sub": "a"})).await;
        let token = token.expect("signed");
        let again = SigningKey::in_folder(folder.path());
        let key = again.load().await.expect("loaded");
        let (signed, signature) = token.rsplit_once('.').expect("a signature");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pair.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .expect("valid");
        let set = again.key_set().await.expect("keys");
        let modulus = set["keys"][0]["n"].as_str().expect("a modulus");
        assert_eq!(URL_SAFE_NO_PAD.decode(modulus).expect("base64").len(), 256);
        assert_eq!(set["keys"][0]["e"], "AQAB");
    }

    #[tokio::test]
    async fn a_file_without_a_key_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), "nonsense").expect("written");
        let error = SigningKey::in_folder(folder.path()).key_set().await.expect_err("no key");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
