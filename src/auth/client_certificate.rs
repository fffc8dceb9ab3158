//! Certificates of applications, and the assertions that they sign.

use std::{fmt, fs, path::Path, sync::Arc, time::Duration};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use oauth2::CsrfToken;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;

use crate::drive::{Error, ErrorKind, Result, Secret};

/// Lifetime of an assertion, which is used at once. Microsoft recommends 5 to 10 minutes.
const LIFETIME: Duration = Duration::from_secs(600);

/// Maximum size in bytes of a file with key and certificate.
const MAX_FILE: u64 = 256 << 10;

/// The algorithm that signs an assertion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionAlgorithm {
    /// RSA-PSS with SHA-256, which Microsoft recommends.
    #[default]
    Ps256,
    /// RSA-PKCS#1 with SHA-256, for servers that do not support PS256.
    Rs256,
}

/// The certificate of an application, and its private key.
///
/// An application proves its identity with an assertion: a JWT that its key signs (RFC 7523). The
/// certificate is registered with the cloud, and the key never leaves the machine.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<KeyPair>,
    /// SHA-256 of the certificate, base64url.
    thumbprint: String,
    algorithm: AssertionAlgorithm,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

impl ClientCertificate {
    /// Reads a PEM file with an RSA private key and a certificate.
    ///
    /// # Errors
    /// `InvalidInput` if the file cannot be read, and those of [`from_pem`](Self::from_pem).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |problem: &dyn fmt::Display| {
            let text = format!("cannot read the certificate {}: {problem}", path.display());
            Error::new(ErrorKind::InvalidInput, text)
        };
        let len = fs::metadata(path).map_err(|error| failed(&error))?.len();
        if len > MAX_FILE {
            return Err(failed(&format!("it is larger than {MAX_FILE} bytes")));
        }
        let pem = fs::read(path).map_err(|error| failed(&error))?;
        Self::from_pem(&pem).map_err(|error| failed(&error.message()))
    }

    /// Parses an RSA private key and a certificate, in this or the other order. Of several
    /// certificates the first one counts.
    ///
    /// # Errors
    /// `InvalidInput` if one of them is missing, if the key is encrypted or not RSA, or if it is not
    /// the key of the certificate. The message contains nothing of the key.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let invalid = |problem: &str| Error::new(ErrorKind::InvalidInput, problem);
        if pem.windows(9).any(|text| text == b"ENCRYPTED") {
            return Err(invalid(
                "its private key is encrypted (decrypt it, for example with openssl pkey)",
            ));
        }
        let certificate = CertificateDer::from_pem_slice(pem)
            .map_err(|_| invalid("it has no certificate in PEM format"))?;
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| invalid("it has no private key in PEM format"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(invalid("its private key is not an RSA key")),
        };
        let key =
            key.map_err(|_| invalid("its private key is not an RSA key of at least 2048 bits"))?;
        // A certificate contains its public key in the same encoding.
        let public = key.public_key().as_ref();
        if !certificate.windows(public.len()).any(|bytes| bytes == public) {
            return Err(invalid("its private key is not that of the certificate"));
        }
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
        Ok(Self { key: Arc::new(key), thumbprint, algorithm: AssertionAlgorithm::default() })
    }

    /// Sets the algorithm that signs assertions.
    #[must_use]
    pub fn with_algorithm(self, algorithm: AssertionAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// Returns an assertion that an application sends to the token endpoint at `audience`
    /// (onedrive-graph#client-credentials). It is valid for ten minutes.
    ///
    /// # Errors
    /// `Unexpected` if the cryptography provider fails.
    pub(super) fn assertion(&self, client_id: &str, audience: &str) -> Result<Secret> {
        let now = Timestamp::now().as_second();
        let (name, encoding): (_, &dyn RsaEncoding) = match self.algorithm {
            AssertionAlgorithm::Ps256 => ("PS256", &RSA_PSS_SHA256),
            AssertionAlgorithm::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
        };
        let header = json!({ "alg": name, "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": CsrfToken::new_random().secret(),
            "nbf": now,
            "iat": now,
            "exp": now + LIFETIME.as_secs() as i64,
        });
        let encoded = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).map_err(
            |_| {
                let text = "cannot sign the client assertion: the cryptography provider failed";
                Error::new(ErrorKind::Unexpected, text)
            },
        )?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };
    use rcgen::{CertificateParams, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm};
    use serde_json::Value;

    use super::*;

    /// Returns a new key and its certificate, in PEM format.
    fn key_and_certificate(algorithm: &'static SignatureAlgorithm) -> (String, String) {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["app.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        (key.serialize_pem(), certificate)
    }

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_is_signed_by_the_key() {
        let (key, certificate) = key_and_certificate(&PKCS_RSA_SHA256);
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &der));
        let read = ClientCertificate::from_pem(format!("{certificate}{key}").as_bytes()).unwrap();
        let algorithms: [(_, _, &'static dyn VerificationAlgorithm); 2] = [
            (AssertionAlgorithm::Ps256, "PS256", &RSA_PSS_2048_8192_SHA256),
            (AssertionAlgorithm::Rs256, "RS256", &RSA_PKCS1_2048_8192_SHA256),
        ];
        for (algorithm, name, verification) in algorithms {
            let certificate = read.clone().with_algorithm(algorithm);
            let assertion = certificate.assertion("app", "https://h/token").unwrap();
            let (signed, signature) = assertion.expose().rsplit_once('.').unwrap();
            let key = UnparsedPublicKey::new(verification, certificate.key.public_key().as_ref());
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            key.verify(signed.as_bytes(), &signature).unwrap();
            let (header, claims) = signed.split_once('.').unwrap();
            let (header, claims) = (decoded(header), decoded(claims));
            assert_eq!(header["alg"], name);
            assert_eq!(header["x5t#S256"], thumbprint);
            assert_eq!((&claims["iss"], &claims["sub"]), (&"app".into(), &"app".into()));
            assert_eq!(claims["aud"], "https://h/token");
            let (from, until) = (claims["nbf"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
            assert_eq!(until - from, 600);
            let other = certificate.assertion("app", "https://h/token").unwrap();
            assert_ne!(other, assertion, "each assertion has its own id");
        }
    }

    #[test]
    fn an_unusable_file_is_an_error_that_names_the_problem() {
        let (key, certificate) = key_and_certificate(&PKCS_RSA_SHA256);
        let (other_key, _) = key_and_certificate(&PKCS_RSA_SHA256);
        let (ec_key, _) = key_and_certificate(&PKCS_ECDSA_P256_SHA256);
        let encrypted = format!("{key}{certificate}").replace("PRIVATE", "ENCRYPTED PRIVATE");
        for (pem, expected) in [
            (String::new(), "no certificate"),
            (key, "no certificate"),
            (certificate.clone(), "no private key"),
            (encrypted, "encrypted"),
            (format!("{other_key}{certificate}"), "not that of the certificate"),
            (format!("{ec_key}{certificate}"), "not an RSA key"),
        ] {
            let text = ClientCertificate::from_pem(pem.as_bytes()).unwrap_err().to_string();
            assert!(text.contains(expected), "{expected}: {text}");
        }
        let error = ClientCertificate::read("/no/such/app.pem").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("/no/such/app.pem"), "{error}");
    }
}
