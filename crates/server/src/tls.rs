//! TLS in the clouds' names: an authority of the server's own, and the certificate it gives out.
//!
//! For clients whose hosts are fixed. Each is told of the authority by itself (`SSL_CERT_FILE`,
//! `--ca-cert` and the like); nobody should make a whole machine trust it. Should that happen all the
//! same, its name constraints keep it to the hosts that this server stands in for.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

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

use super::{
    base_url::{CLOUD_HOSTS, is_or_below},
    signed_token::write_private,
};

/// The authority's key and certificate, in the data folder.
const KEY: &str = "ca.key";
const CERTIFICATE: &str = "ca.pem";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long the authority lives.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);

/// How long the certificate lives that is given out; another one follows at half of it.
const LIFE: Duration = DAY.saturating_mul(4);

/// How wrong a client's clock may be.
const WRONG_CLOCK: Duration = DAY;

/// Who signs for the clouds' hosts.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// One that nobody has seen before.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub(super) fn new() -> io::Result<Self> {
        let made = || {
            let key = KeyPair::generate()?;
            let pem = params()?.self_signed(&key)?.pem();
            Ok(Self { issuer: Issuer::new(params()?, key), pem })
        };
        made().map_err(|error: rcgen::Error| io::Error::other(error))
    }

    /// The one that a folder keeps; made if it has none, or one that has come to its end.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or the key in it is none; with the file.
    pub(super) fn kept_in(folder: &Path) -> io::Result<Self> {
        let (key_file, pem_file) = (folder.join(KEY), folder.join(CERTIFICATE));
        let pem = match std::fs::metadata(&pem_file).and_then(|file| file.modified()) {
            Ok(made) if SystemTime::now() < made + AUTHORITY_LIFE / 2 => {
                std::fs::read_to_string(&pem_file).map_err(about(&pem_file))?
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(about(&pem_file)(error));
            }
            _ => {
                let new = Self::new()?;
                let key = new.issuer.key().serialize_pem();
                write_private(&key_file, key.as_bytes()).map_err(about(&key_file))?;
                // Last: where it is, the key is too.
                write_private(&pem_file, new.pem.as_bytes()).map_err(about(&pem_file))?;
                return Ok(new);
            }
        };
        let key = std::fs::read_to_string(&key_file).map_err(about(&key_file))?;
        let invalid = |error: rcgen::Error| about(&key_file)(io::Error::other(error));
        let key = KeyPair::from_pem(&key).map_err(invalid)?;
        Ok(Self { issuer: Issuer::new(params().map_err(invalid)?, key), pem })
    }

    /// What clients must know, in PEM.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// What shakes hands in the clouds' names.
    ///
    /// # Errors
    /// If no certificate can be made.
    pub(super) fn acceptor(self) -> io::Result<Acceptor> {
        self.acceptor_for(names())
    }

    fn acceptor_for(self, names: Vec<String>) -> io::Result<Acceptor> {
        let given = Given::by(&self.issuer, names).map_err(io::Error::other)?;
        let names = Names { issuer: self.issuer, given: Mutex::new(given) };
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("the provider's own versions")
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(names));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let bytes = Arc::new(config.clone());
        config.alpn_protocols.insert(0, b"h2".to_vec());
        Ok(Acceptor { requests: Arc::new(config), bytes })
    }
}

/// Shakes hands: over HTTP/2 if the client likes, but not on the hosts that only have bytes. There
/// is nothing to gain there, and libcurl 7.88 may send more over HTTP/2 than it has said, if what it
/// reads from goes on behind a fragment; that is an error, and the upload is lost.
#[derive(Clone)]
pub(super) struct Acceptor {
    requests: Arc<ServerConfig>,
    bytes: Arc<ServerConfig>,
}

impl Acceptor {
    /// # Errors
    /// If the client goes away, or trusts another authority.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let greeted = LazyConfigAcceptor::new(Default::default(), stream).await?;
        let host = greeted.client_hello().server_name().unwrap_or_default().to_ascii_lowercase();
        let has_bytes = BYTES_HOSTS.iter().any(|parent| is_or_below(&host, parent));
        let config = if has_bytes { &self.bytes } else { &self.requests };
        greeted.into_stream(Arc::clone(config)).await
    }
}

/// Hosts of the clouds that are asked for bytes and nothing else, and all below them.
const BYTES_HOSTS: [&str; 5] = [
    "1drv.com",
    "content-na.drive.amazonaws.com",
    "livefilestore.com",
    "my.microsoftpersonalcontent.com",
    "sharepoint.com",
];

fn about(file: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

/// What the authority is, besides its key.
fn params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name.push(DnType::CommonName, "drivedal, for tests on this machine");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // A name stands for itself and for all below it (RFC 5280, 4.2.1.10).
    let names = CLOUD_HOSTS.iter().chain(&["localhost"]);
    let names = names.map(|name| GeneralSubtree::DnsName((*name).to_owned()));
    let loopback = [
        CidrSubnet::from_addr_prefix(Ipv4Addr::LOCALHOST.into(), 8),
        CidrSubnet::from_addr_prefix(Ipv6Addr::LOCALHOST.into(), 128),
    ];
    let permitted_subtrees = names.chain(loopback.map(GeneralSubtree::IpAddress)).collect();
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    lives(&mut params, AUTHORITY_LIFE);
    Ok(params)
}

fn lives(params: &mut CertificateParams, life: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - WRONG_CLOCK).into();
    params.not_after = (now + life).into();
}

/// A certificate, and when another one has to follow.
struct Given {
    certified: Arc<CertifiedKey>,
    until: SystemTime,
}

impl Given {
    fn by(issuer: &Issuer<'static, KeyPair>, names: Vec<String>) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        params.subject_alt_names.extend(loopback.map(SanType::IpAddress));
        params.distinguished_name.push(DnType::CommonName, "drivedal");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        lives(&mut params, LIFE);
        let certificate = params.signed_by(&key, issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let certified = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key));
        Ok(Self { certified, until: SystemTime::now() + LIFE / 2 })
    }
}

/// The hosts that a certificate is for.
fn names() -> Vec<String> {
    let clouds = CLOUD_HOSTS.iter().flat_map(|host| [(*host).to_owned(), format!("*.{host}")]);
    clouds.chain(BELOW.map(str::to_owned)).chain(["localhost".to_owned()]).collect()
}

/// Names two levels below a cloud's: one asterisk stands for one level.
const BELOW: [&str; 4] = [
    "*.storage.live.com",
    "*.users.storage.live.com",
    "*.us-east-1.amazonaws.com",
    "*.drive.amazonaws.com",
];

/// Gives out one certificate for all hosts, and the next one when it is time.
struct Names {
    issuer: Issuer<'static, KeyPair>,
    given: Mutex<Given>,
}

impl fmt::Debug for Names {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now(SystemTime::now()))
    }
}

impl Names {
    /// What is given out at that time.
    fn now(&self, now: SystemTime) -> Arc<CertifiedKey> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.until < now {
            match Given::by(&self.issuer, names()) {
                Ok(next) => *given = next,
                // The one there is lives as long again.
                Err(error) => tracing::warn!(%error, "no new certificate"),
            }
        }
        Arc::clone(&given.certified)
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
    fn another_certificate_follows_before_the_first_one_ends() {
        let issuer = Authority::new().unwrap().issuer;
        let given = Mutex::new(Given::by(&issuer, names()).unwrap());
        let names = Names { issuer, given };
        let (now, first) = (SystemTime::now(), names.now(SystemTime::now()));
        assert!(Arc::ptr_eq(&first, &names.now(now + LIFE / 4)));
        assert!(!Arc::ptr_eq(&first, &names.now(now + LIFE * 3 / 4)));
    }

    /// Whether a client that trusts the authority believes it to speak with `host`.
    async fn believes(authority: Authority, names: Vec<String>, host: &'static str) -> bool {
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
        let shaken = TlsConnector::from(Arc::new(client)).connect(host.try_into().unwrap(), near);
        let (client, _) = tokio::join!(shaken, acceptor.accept(far));
        client.is_ok()
    }

    #[tokio::test]
    async fn the_authority_is_believed_for_the_clouds_hosts_and_for_no_other() {
        for host in ["graph.microsoft.com", "cdws.us-east-1.amazonaws.com", "localhost"] {
            assert!(believes(Authority::new().unwrap(), names(), host).await, "{host}");
        }
        let others = vec!["example.com".to_owned()];
        assert!(!believes(Authority::new().unwrap(), others, "example.com").await);
    }
}
