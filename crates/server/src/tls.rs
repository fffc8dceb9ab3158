//! TLS for the clouds' hosts: the server's certificate authority, and the certificate that it issues.
//!
//! It is for clients with fixed hosts. Each client is configured to trust the authority
//! (`SSL_CERT_FILE`, `--ca-cert` and the like); a whole machine should not. As a safeguard, the
//! authority's name constraints limit it to the hosts that the server stands in for.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    LazyConfigAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};

use crate::{
    base_url::{CLOUD_HOSTS, is_or_below},
    signed_token::write_private,
};

/// The files in the data folder with the authority's key and certificate.
const KEY: &str = "ca.key";
const CERTIFICATE: &str = "ca.pem";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Lifetime of the authority's certificate.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);

/// Lifetime of the server's certificate. It is replaced after half of it.
const LIFE: Duration = DAY.saturating_mul(4);

/// Maximum error of a client's clock.
const CLOCK_SKEW: Duration = DAY;

/// A certificate authority for the clouds' hosts.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// Creates a certificate authority with a new key.
    ///
    /// # Errors
    /// `Other` if no key can be generated.
    pub(super) fn new() -> io::Result<Self> {
        let create = || {
            let key = KeyPair::generate()?;
            let pem = params()?.self_signed(&key)?.pem();
            Ok(Self { issuer: Issuer::new(params()?, key), pem })
        };
        create().map_err(|error: rcgen::Error| io::Error::other(error))
    }

    /// Loads the authority of a data folder. A new one is created if the folder has none, one that
    /// has passed half of its lifetime, or one that does not permit all hosts of the clouds.
    ///
    /// # Errors
    /// `Other` if the key file contains no key; the operating system's error if a file cannot be
    /// read or written. The message contains its path.
    pub(super) fn load_or_create(folder: &Path) -> io::Result<Self> {
        let (key_file, pem_file) = (folder.join(KEY), folder.join(CERTIFICATE));
        let stored = match std::fs::metadata(&pem_file).and_then(|file| file.modified()) {
            Ok(created) if SystemTime::now() < created + AUTHORITY_LIFE / 2 => {
                Some(std::fs::read_to_string(&pem_file).map_err(with_path(&pem_file))?)
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(with_path(&pem_file)(error));
            }
            _ => None,
        };
        let Some(pem) = stored.filter(|pem| permits_all_hosts(pem)) else {
            let new = Self::new()?;
            let key = new.issuer.key().serialize_pem();
            write_private(&key_file, key.as_bytes()).map_err(with_path(&key_file))?;
            // Written last: where the certificate exists, the key does too.
            write_private(&pem_file, new.pem.as_bytes()).map_err(with_path(&pem_file))?;
            return Ok(new);
        };
        let key = std::fs::read_to_string(&key_file).map_err(with_path(&key_file))?;
        let invalid = |error: rcgen::Error| with_path(&key_file)(io::Error::other(error));
        let key = KeyPair::from_pem(&key).map_err(invalid)?;
        Ok(Self { issuer: Issuer::new(params().map_err(invalid)?, key), pem })
    }

    /// Returns the authority's certificate in PEM, which clients must trust.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns an acceptor of TLS handshakes for the clouds' hosts.
    ///
    /// # Errors
    /// `Other` if no key can be generated, or the certificate cannot be signed.
    pub(super) fn acceptor(self) -> io::Result<Acceptor> {
        self.acceptor_for(names())
    }

    /// Returns an acceptor of TLS handshakes for the hosts `names`.
    ///
    /// # Errors
    /// `Other` if no key can be generated, or a name cannot be encoded in a certificate.
    fn acceptor_for(self, names: Vec<String>) -> io::Result<Acceptor> {
        let current = ServerCertificate::issue(&self.issuer, names).map_err(io::Error::other)?;
        let resolver = CertificateResolver { issuer: self.issuer, current: Mutex::new(current) };
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the provider supports its own versions")
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1_only = Arc::new(config.clone());
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Acceptor { http2: Arc::new(config), http1_only })
    }
}

/// Accepts TLS handshakes.
///
/// It offers HTTP/2, but not on hosts that serve only bytes. There it has no benefit, and libcurl 7.88
/// can send more bytes over HTTP/2 than it announced when its source continues after a fragment. That
/// is an error, and the upload fails.
#[derive(Clone)]
pub(super) struct Acceptor {
    http2: Arc<ServerConfig>,
    http1_only: Arc<ServerConfig>,
}

impl Acceptor {
    /// Performs a TLS handshake.
    ///
    /// # Errors
    /// The connection's error if the client disconnects or sends bytes that are no TLS;
    /// `InvalidData` if it breaks the protocol or does not trust the authority.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = LazyConfigAcceptor::new(Default::default(), stream).await?;
        let host = handshake.client_hello().server_name().unwrap_or_default().to_ascii_lowercase();
        let serves_bytes = BYTES_HOSTS.iter().any(|parent| is_or_below(&host, parent));
        let config = if serves_bytes { &self.http1_only } else { &self.http2 };
        handshake.into_stream(Arc::clone(config)).await
    }
}

/// Hosts of the clouds that serve only bytes, including all hosts below them.
const BYTES_HOSTS: [&str; 5] = [
    "1drv.com",
    "content-na.drive.amazonaws.com",
    "livefilestore.com",
    "my.microsoftpersonalcontent.com",
    "sharepoint.com",
];

/// Returns a function that adds a path to an I/O error.
fn with_path(file: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

/// Returns the parameters of the authority's certificate, which is limited to the clouds' hosts and
/// this machine.
///
/// # Errors
/// `rcgen::Error` if a name cannot be encoded.
fn params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name.push(DnType::CommonName, "drivedal, for tests on this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // A name includes all names below it (RFC 5280, 4.2.1.10).
    let names = CLOUD_HOSTS.iter().chain(&["localhost"]);
    let names = names.map(|name| GeneralSubtree::DnsName((*name).to_owned()));
    let loopback = [
        CidrSubnet::from_addr_prefix(Ipv4Addr::LOCALHOST.into(), 8),
        CidrSubnet::from_addr_prefix(Ipv6Addr::LOCALHOST.into(), 128),
    ];
    let permitted_subtrees = names.chain(loopback.map(GeneralSubtree::IpAddress)).collect();
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    set_validity(&mut params, AUTHORITY_LIFE);
    Ok(params)
}

/// Returns whether the certificate of an authority permits certificates for all hosts of the clouds.
/// That of an earlier version of the server may lack some; clients then reject all certificates.
fn permits_all_hosts(pem: &str) -> bool {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let Ok(der) = STANDARD.decode(text) else { return false };
    // A name is stored as its bytes.
    let has = |host: &&str| der.windows(host.len()).any(|bytes| bytes == host.as_bytes());
    CLOUD_HOSTS.iter().all(has)
}

/// Sets the validity from now on for `life`, with a tolerance for wrong clocks.
fn set_validity(params: &mut CertificateParams, life: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + life).into();
}

/// The server's certificate.
struct ServerCertificate {
    certified: Arc<CertifiedKey>,
    /// When it is replaced.
    until: SystemTime,
}

impl ServerCertificate {
    /// Issues a certificate for the hosts `names` and the loopback addresses.
    ///
    /// # Errors
    /// `rcgen::Error` if no key can be generated, or a name cannot be encoded.
    fn issue(issuer: &Issuer<'static, KeyPair>, names: Vec<String>) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        params.subject_alt_names.extend(loopback.map(SanType::IpAddress));
        params.distinguished_name.push(DnType::CommonName, "drivedal");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, LIFE);
        let certificate = params.signed_by(&key, issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key));
        Ok(Self { certified, until: SystemTime::now() + LIFE / 2 })
    }
}

/// Returns the hosts of the server's certificate.
fn names() -> Vec<String> {
    let clouds = CLOUD_HOSTS.iter().flat_map(|host| [(*host).to_owned(), format!("*.{host}")]);
    let lower = LOWER_NAMES.map(str::to_owned);
    clouds.chain(lower).chain(["localhost".to_owned()]).collect()
}

/// Names at least two levels below a cloud's host: an asterisk matches one level only.
const LOWER_NAMES: [&str; 4] = [
    "*.storage.live.com",
    "*.users.storage.live.com",
    "*.us-east-1.amazonaws.com",
    "*.drive.amazonaws.com",
];

/// Provides one certificate for all hosts, and replaces it in time.
struct CertificateResolver {
    issuer: Issuer<'static, KeyPair>,
    current: Mutex<ServerCertificate>,
}

impl fmt::Debug for CertificateResolver {
    /// Omits the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateResolver").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CertificateResolver {
    /// Returns the current certificate, whatever host the client names. Never `None`.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certificate(SystemTime::now()))
    }
}

impl CertificateResolver {
    /// Returns the certificate to use at a time.
    fn certificate(&self, now: SystemTime) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.until < now {
            match ServerCertificate::issue(&self.issuer, names()) {
                Ok(next) => *current = next,
                // The current one is valid for the same time again.
                Err(error) => tracing::warn!(%error, "cannot issue a new certificate"),
            }
        }
        Arc::clone(&current.certified)
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::{
        TlsConnector,
        rustls::{
            ClientConfig, RootCertStore,
            pki_types::{CertificateDer, pem::PemObject},
        },
    };

    use super::*;

    #[test]
    fn the_certificate_is_replaced_before_it_expires() {
        let issuer = Authority::new().unwrap().issuer;
        let current = Mutex::new(ServerCertificate::issue(&issuer, names()).unwrap());
        let resolver = CertificateResolver { issuer, current };
        let (now, first) = (SystemTime::now(), resolver.certificate(SystemTime::now()));
        assert!(Arc::ptr_eq(&first, &resolver.certificate(now + LIFE / 4)));
        assert!(!Arc::ptr_eq(&first, &resolver.certificate(now + LIFE * 3 / 4)));
    }

    #[test]
    fn an_authority_that_lacks_a_host_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::load_or_create(folder.path()).unwrap();
        let again = Authority::load_or_create(folder.path()).unwrap();
        assert_eq!(first.pem(), again.pem());
        let key = KeyPair::generate().unwrap();
        let old = CertificateParams::new(["sharepoint.com".into()]).unwrap();
        let old = old.self_signed(&key).unwrap().pem();
        std::fs::write(folder.path().join(CERTIFICATE), &old).unwrap();
        let replaced = Authority::load_or_create(folder.path()).unwrap();
        assert_ne!(replaced.pem(), old);
        assert!(permits_all_hosts(replaced.pem()));
    }

    /// Returns whether a client that trusts the authority accepts a certificate for `names` on
    /// `host`.
    async fn accepts(authority: Authority, names: Vec<String>, host: &'static str) -> bool {
        let mut roots = RootCertStore::empty();
        let authority_s = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
        roots.add(authority_s).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let acceptor = authority.acceptor_for(names).unwrap();
        let (near, far) = tokio::io::duplex(1 << 16);
        let handshake =
            TlsConnector::from(Arc::new(client)).connect(host.try_into().unwrap(), near);
        let (client, _) = tokio::join!(handshake, acceptor.accept(far));
        client.is_ok()
    }

    #[tokio::test]
    async fn clients_accept_the_authority_for_the_clouds_hosts_only() {
        for host in ["graph.microsoft.com", "cdws.us-east-1.amazonaws.com", "localhost"] {
            assert!(accepts(Authority::new().unwrap(), names(), host).await, "{host}");
        }
        let others = vec!["example.com".to_owned()];
        assert!(!accepts(Authority::new().unwrap(), others, "example.com").await);
    }
}
