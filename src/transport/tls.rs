//! TLS with the system's root certificates.
//!
//! They are loaded when the first server certificate is verified: they may be several hundred
//! files, and a process that only uses plain HTTP needs none of them.

use std::sync::{Arc, OnceLock};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{self, CryptoProvider},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;

/// Returns the TLS configuration that `reqwest` would create: the process's cryptography provider
/// or else AWS-LC, and HTTP/2 before HTTP/1.1. `roots` are certificates of authorities that are
/// trusted in addition to those of the system.
///
/// # Errors
/// Fails if the process's provider supports neither TLS 1.2 nor 1.3.
pub(super) fn config(roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, Error> {
    let provider = CryptoProvider::get_default()
        .map_or_else(|| Arc::new(crypto::aws_lc_rs::default_provider()), Arc::clone);
    let verifier = Arc::new(LazySystemVerifier {
        provider: Arc::clone(&provider),
        roots,
        verifier: OnceLock::new(),
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The system's certificate verifier, created on first use.
#[derive(Debug)]
struct LazySystemVerifier {
    provider: Arc<CryptoProvider>,
    /// Further certificates of authorities.
    roots: Vec<CertificateDer<'static>>,
    verifier: OnceLock<Result<Verifier, Error>>,
}

impl ServerCertVerifier for LazySystemVerifier {
    /// Verifies a certificate with the system's root certificates, which the first call loads.
    ///
    /// # Errors
    /// Those of the system's verifier, or of loading the root certificates.
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        status: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let create = || {
            let provider = Arc::clone(&self.provider);
            Verifier::new_with_extra_roots(self.roots.iter().cloned(), provider)
        };
        let verifier = self.verifier.get_or_init(create);
        verifier.as_ref().map_err(Error::clone)?.verify_server_cert(
            certificate,
            intermediates,
            server,
            status,
            now,
        )
    }

    /// Verifies a signature of TLS 1.2 with the provider's algorithms.
    ///
    /// # Errors
    /// An error if the signature does not match the message, or the provider does not support its
    /// scheme.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, schemes)
    }

    /// Verifies a signature of TLS 1.3 with the provider's algorithms.
    ///
    /// # Errors
    /// An error if the signature does not match the message, or the provider does not support its
    /// scheme.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, schemes)
    }

    /// Returns the provider's signature schemes.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
