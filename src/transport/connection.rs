//! Options of the connections of one drive: certificates, proxy, timeouts and pool size.
//!
//! An operator has one transport, but its process may use drives with different options. So the
//! options belong to the requests: a request has its [`Connection`] as an extension, and this
//! crate's transport sends it with the HTTP clients of that connection.

use std::{
    collections::HashMap,
    fmt, fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use reqwest::Proxy;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use url::Url;

use super::{http_transport::NetworkClients, timeouts::Timeouts};
use crate::drive::{Error, ErrorKind, Result};

/// Maximum size in bytes of a file with certificates. The certificates of all public authorities
/// have about 250 KiB.
const MAX_CERTIFICATES: u64 = 4 << 20;

/// The value of [`ConnectionOptions::proxy`] for connections without a proxy.
const NO_PROXY: &str = "none";

/// Options of the connections of one drive. The default is that of the transport.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectionOptions {
    /// Path of a PEM file with certificates of authorities, which are trusted in addition to those
    /// of the system.
    pub ca_cert: Option<PathBuf>,
    /// URL of the proxy for all hosts except loopback addresses, such as `http://proxy:3128`, or
    /// `none`. The default is the proxy of the system.
    pub proxy: Option<String>,
    /// The timeouts. `None`: those of the operator's transport, by default [`Timeouts::default`].
    pub timeouts: Option<Timeouts>,
    /// Number of idle connections that are kept per host for later requests; 0 closes each connection
    /// after its request. `None`: no limit.
    pub pool_size: Option<usize>,
}

impl fmt::Debug for ConnectionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionOptions")
            .field("ca_cert", &self.ca_cert)
            // The URL may contain a password.
            .field("has_proxy", &self.proxy.is_some())
            .field("timeouts", &self.timeouts)
            .field("pool_size", &self.pool_size)
            .finish()
    }
}

/// The HTTP clients for one set of [`ConnectionOptions`].
///
/// Drives with the same options share their clients, and so their connections.
#[derive(Clone)]
pub struct Connection(Arc<ConnectionClients>);

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// The clients and timeouts of a connection.
pub(super) struct ConnectionClients {
    pub(super) clients: NetworkClients,
    pub(super) timeouts: Timeouts,
}

/// Options, with the contents of the file of certificates.
type ConnectionKey = (ConnectionOptions, Vec<u8>);

/// The connections in use.
static CONNECTIONS: LazyLock<Mutex<HashMap<ConnectionKey, Weak<ConnectionClients>>>> =
    LazyLock::new(Mutex::default);

impl Connection {
    /// Returns the connection with these options, which all drives with the same options share.
    /// Returns `None` if all options have their default. Opens no connection.
    ///
    /// # Errors
    /// `InvalidInput` if the file of certificates cannot be read or has none, or if the proxy is
    /// not an HTTP URL.
    pub fn for_options(options: &ConnectionOptions) -> Result<Option<Self>> {
        if *options == ConnectionOptions::default() {
            return Ok(None);
        }
        let pem = options.ca_cert.as_deref().map(read_certificates).transpose()?;
        let key = (options.clone(), pem.unwrap_or_default());
        let mut connections = CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clients) = connections.get(&key).and_then(Weak::upgrade) {
            return Ok(Some(Self(clients)));
        }
        let clients = Arc::new(build(options, &key.1)?);
        connections.retain(|_, clients| clients.strong_count() > 0);
        connections.insert(key, Arc::downgrade(&clients));
        Ok(Some(Self(clients)))
    }

    /// Returns the clients and timeouts.
    pub(super) fn clients(&self) -> &ConnectionClients {
        &self.0
    }
}

/// Builds the clients.
///
/// # Errors
/// `InvalidInput` if a certificate is damaged or the proxy cannot be used.
fn build(options: &ConnectionOptions, pem: &[u8]) -> Result<ConnectionClients> {
    let timeouts = options.timeouts.unwrap_or_default();
    let roots = match &options.ca_cert {
        Some(path) => parse_certificates(pem, path)?,
        None => Vec::new(),
    };
    let proxy = options.proxy.as_deref().map(parse_proxy).transpose()?;
    let clients =
        NetworkClients::new(timeouts, roots, proxy, options.pool_size).map_err(|error| {
            let text = format!("cannot use the connection options: {error}");
            Error::new(ErrorKind::InvalidInput, text)
        })?;
    Ok(ConnectionClients { clients, timeouts })
}

/// The proxy of a connection.
pub(super) enum ProxyChoice {
    /// No proxy, not even that of the system.
    Direct,
    Proxy(Box<Proxy>),
}

/// Parses the option `proxy`. The error does not contain the URL, which may have a password.
///
/// # Errors
/// `InvalidInput` if it is neither an HTTP URL nor `none`.
fn parse_proxy(text: &str) -> Result<ProxyChoice> {
    if text == NO_PROXY {
        return Ok(ProxyChoice::Direct);
    }
    let invalid = |problem: &str| {
        let text = format!("cannot use option proxy: {problem}, expected http://HOST:PORT or none");
        Error::new(ErrorKind::InvalidInput, text)
    };
    let url = Url::parse(text).map_err(|_| invalid("it is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid("it is not an HTTP URL"));
    }
    let proxy = Proxy::all(url.as_str()).map_err(|_| invalid("it is not a valid URL"))?;
    Ok(ProxyChoice::Proxy(Box::new(proxy)))
}

/// Reads the file of certificates.
///
/// # Errors
/// `InvalidInput` if it cannot be read or exceeds [`MAX_CERTIFICATES`].
fn read_certificates(path: &Path) -> Result<Vec<u8>> {
    let mut pem = Vec::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(MAX_CERTIFICATES + 1).read_to_end(&mut pem))
        .and_then(|_| match pem.len() as u64 > MAX_CERTIFICATES {
            true => Err(io::Error::other(format!("it is larger than {MAX_CERTIFICATES} bytes"))),
            false => Ok(()),
        });
    read.map(|()| pem).map_err(|error| invalid_certificates(path, &error))
}

/// Parses the certificates of a file.
///
/// # Errors
/// `InvalidInput` if it has none or one is damaged.
fn parse_certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(invalid_certificates(path, &"it has no certificate in PEM format")),
        Err(_) => Err(invalid_certificates(path, &"it has a damaged certificate")),
    }
}

fn invalid_certificates(path: &Path, problem: &dyn fmt::Display) -> Error {
    let text = format!("cannot use option ca_cert: cannot read {}: {problem}", path.display());
    Error::new(ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn drives_with_the_same_options_share_their_clients() {
        let connection = |seconds: u64| {
            let timeouts = Timeouts::default().with_connect(Duration::from_secs(seconds));
            let options =
                ConnectionOptions { timeouts: Some(timeouts), ..ConnectionOptions::default() };
            Connection::for_options(&options).unwrap().expect("a connection")
        };
        let (one, same, other) = (connection(41), connection(41), connection(42));
        assert!(Arc::ptr_eq(&one.0, &same.0));
        assert!(!Arc::ptr_eq(&one.0, &other.0));
        assert!(Connection::for_options(&ConnectionOptions::default()).unwrap().is_none());
    }

    #[test]
    fn an_invalid_option_is_named_and_a_password_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let problem = |options: ConnectionOptions| {
            let error = Connection::for_options(&options).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            format!("{error} {options:?}")
        };
        for proxy in ["SECRET", "ftp://u:SECRET@h", "http://", "socks5://u:SECRET@h:1"] {
            let proxy = Some(proxy.to_owned());
            let text = problem(ConnectionOptions { proxy, ..ConnectionOptions::default() });
            assert!(text.contains("option proxy") && !text.contains("SECRET"), "{text}");
        }
        let damaged = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        for (contents, expected) in [
            (None, "No such file"),
            (Some("nothing"), "no certificate"),
            (Some(damaged), "damaged"),
        ] {
            if let Some(contents) = contents {
                fs::write(&file, contents).unwrap();
            }
            let ca_cert = Some(file.clone());
            let text = problem(ConnectionOptions { ca_cert, ..ConnectionOptions::default() });
            assert!(text.contains("ca.pem") && text.contains(expected), "{text}");
        }
    }
}
