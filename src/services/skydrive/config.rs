//! Configuration of the service.

use std::{collections::BTreeMap, fmt, time::Duration};

use opendal::{Configurator, Error, OperatorUri, Result};
use serde::{Deserialize, Serialize};

use super::{Client, SKYDRIVE_SCHEME, SkyDrive};
use crate::{
    drive::Secret,
    services::options::{self, ConnectionFields},
    transport::Connection,
};

/// Default base URL of the API (live-connect#base-url).
const ENDPOINT: &str = "https://apis.live.net/v5.0/";

/// Default base URL of the OAuth server (live-connect#oauth).
pub(super) const OAUTH_ENDPOINT: &str = "https://login.live.com";

/// Options of the service. The keys are the same in the query of a URI, in `Operator::via_iter` and
/// in a configuration file; an unknown key is an error.
///
/// One of `access_token`, `refresh_token`, `token_file` and `lcrc` is required.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SkyDriveConfig {
    /// Root of all paths: a folder of the drive. In a URI, its path. The default is the whole
    /// drive.
    pub root: Option<String>,
    /// Name of the account in the service's info. In a URI, its host.
    pub name: Option<String>,
    /// Base URL of the API. The default is `https://apis.live.net/v5.0/`.
    pub endpoint: Option<String>,
    /// Base URL for uploads of large files; `{cid}` stands for the account's id. The default is the
    /// host of `endpoint`, or without one `https://cid-{cid}.users.storage.live.com`.
    pub storage_endpoint: Option<String>,
    /// Base URL of the OAuth server with `oauth20_token.srf`. The default is
    /// `https://login.live.com`.
    pub oauth_endpoint: Option<String>,
    /// Id of the application. Required with `refresh_token` and `token_file`.
    pub client_id: Option<String>,
    /// Secret of the application. Mobile and desktop applications have none.
    pub client_secret: Option<String>,
    /// Redirect URI that the application was registered with; each refresh sends it. The default is
    /// `oauth20_desktop.srf` at `oauth_endpoint`.
    pub redirect_uri: Option<String>,
    /// Access token, valid for an hour. It is refreshed if there is a `refresh_token` or
    /// `token_file`, too.
    pub access_token: Option<String>,
    /// Refresh token. The cloud sometimes replaces it; without a `token_file`, the new one is lost
    /// with the process.
    pub refresh_token: Option<String>,
    /// Name of an environment variable with the refresh token, instead of `refresh_token`. If the
    /// cloud replaces the token, the new one is lost with the process, and a warning is logged. See
    /// [`EnvironmentTokenStore`](crate::auth::EnvironmentTokenStore).
    pub refresh_token_env: Option<String>,
    /// Path of a file that stores tokens for later processes; see
    /// [`TokenFile`](crate::auth::TokenFile).
    pub token_file: Option<String>,
    /// Path of the file of the old command-line client, `~/.lcrc`; `~/` is the user's home.
    /// It contains the application and headers, as defaults for the other options, and the tokens.
    /// New tokens are stored there instead of `token_file`; see
    /// `TokenFile::lcrc`. Needs the feature `lcrc`.
    pub lcrc: Option<String>,
    /// Mapping of names that the cloud forbids: `default`, which is rclone's for this cloud, or rules
    /// as in rclone's `--encoding`, such as `Colon,RightSpace`. See
    /// [`NameEncoding`](crate::adapter::NameEncoding). `Raw` maps no name. Default: `Raw`.
    pub encoding: Option<String>,
    /// Hosts that may receive tokens over plain HTTP, in addition to this machine.
    ///
    /// A comma-separated list of names, with a port unless it is 80. `*` matches any part of a name
    /// up to the next dot. An example is a drive server in the network of a CI job.
    pub allow_http: Option<String>,
    /// Path of a PEM file with certificates of authorities that are trusted in addition to those of
    /// the system; `~/` is the user's home.
    pub ca_cert: Option<String>,
    /// URL of the proxy, such as `http://proxy:3128`, or `none`. Loopback addresses are connected
    /// to directly. Default: the proxy of the system.
    pub proxy: Option<String>,
    /// Maximum time to establish a connection. The format is that of `index_ttl`. Default: `timeout` of
    /// the `lcrc` file, else 10 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// Maximum time from the last byte of a request to the first byte of its response. Default:
    /// `timeout` of the `lcrc` file, else 120 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub response_timeout: Option<Duration>,
    /// Maximum time between two chunks of a body, in either direction. Default: `timeout` of the `lcrc`
    /// file, else 60 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
    /// Number of idle connections that are kept per host; 0 closes each connection after its request.
    /// Default: `pool_maxsize` of the `lcrc` file, else no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_size: Option<usize>,
    /// Headers for every request to `endpoint`. In a map of strings, one key for each:
    /// `header.NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long the id of a path is cached, as `10s`, `500ms` or a number of seconds; `0` disables
    /// the cache. The default is 10 s.
    #[serde(with = "options::span", skip_serializing_if = "Option::is_none")]
    pub index_ttl: Option<Duration>,
    /// Whether the cloud reduces photos larger than 2048 × 2048 pixels. A read then returns other
    /// bytes than were written. The default is false.
    pub downsize_photo_uploads: bool,
    /// Size in bytes from which a file is uploaded in fragments (BITS) instead of one request. The
    /// default is 16 MiB, the maximum 100 MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_from: Option<u64>,
    /// Size of the first fragment in bytes. Later ones have the size that takes about 3 s, at most
    /// 60 MB. The default is 10 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_fragment: Option<u64>,
}

impl SkyDriveConfig {
    /// Creates the unbiased client with these options.
    ///
    /// # Errors
    /// `ConfigInvalid` if no option gives a token, `client_id` is missing for a refresh, a URL, a
    /// host, a header or the proxy cannot be parsed, or the file of certificates cannot be read,
    /// and if the `lcrc` file cannot be read.
    pub fn client(&self) -> Result<Client> {
        let endpoint = self.endpoint.as_deref().unwrap_or(ENDPOINT);
        let plain_http = options::plain_http(SKYDRIVE_SCHEME, self.allow_http.as_deref())?;
        let client = Client::new(endpoint, self.token_source()?).map_err(invalid)?;
        let client = client.with_plain_http(plain_http).with_connection(self.connection()?);
        let client = match (&self.storage_endpoint, &self.endpoint) {
            (Some(storage), _) => client
                .with_storage(storage)
                .map_err(|error| config_error(format!("storage_endpoint: {error}")))?,
            // The token for another server must not be sent to the cloud.
            (None, Some(_)) => match url::Url::parse(endpoint) {
                Ok(url) => {
                    let origin = url.origin().ascii_serialization();
                    client.with_storage(&origin).map_err(invalid)?
                }
                Err(error) => return Err(config_error(format!("endpoint: {error}"))),
            },
            (None, None) => client,
        };
        let mut headers = self.lcrc_defaults()?.headers;
        headers.extend(self.headers.clone());
        Ok(client.with_headers(options::header_map(SKYDRIVE_SCHEME, &headers)?))
    }

    /// Returns the connection of these options. `None` if none of them is set.
    ///
    /// # Errors
    /// `ConfigInvalid` if the file of certificates cannot be read or has none, or the proxy is
    /// neither an HTTP URL nor `none`; if the `lcrc` file cannot be read.
    pub(super) fn connection(&self) -> Result<Option<Connection>> {
        let lcrc = self.lcrc_defaults()?;
        let fields = ConnectionFields {
            scheme: SKYDRIVE_SCHEME,
            ca_cert: self.ca_cert.as_deref(),
            proxy: self.proxy.as_deref(),
            connect_timeout: self.connect_timeout.or(lcrc.connect_timeout),
            response_timeout: self.response_timeout.or(lcrc.read_timeout),
            idle_timeout: self.idle_timeout.or(lcrc.read_timeout),
            pool_size: self.pool_size.or(lcrc.pool_size),
        };
        fields.connection()
    }
}

/// Returns the `ConfigInvalid` error of this service with the text `problem`.
pub(super) fn config_error(problem: impl Into<String>) -> Error {
    options::invalid_option(SKYDRIVE_SCHEME, problem)
}

/// Converts an error of a constructor to `ConfigInvalid`.
pub(super) fn invalid(error: crate::drive::Error) -> Error {
    config_error(error.to_string())
}

impl Configurator for SkyDriveConfig {
    type Builder = SkyDrive;

    /// Parses `skydrive://NAME/ROOT?KEY=VALUE&…`; name and root are optional.
    ///
    /// # Errors
    /// `ConfigInvalid` for a key that is no option, or a value that is not of the option's type.
    fn from_uri(uri: &OperatorUri) -> Result<Self> {
        let (root, name) = options::root_and_name(SKYDRIVE_SCHEME, uri)?;
        let mut config = Self::from_iter(uri.options().clone())?;
        config.root = root.or(config.root);
        config.name = name.or(config.name);
        Ok(config)
    }

    /// Parses options by key, as in a configuration file.
    ///
    /// # Errors
    /// `ConfigInvalid` for a key that is no option, or a value that is not of the option's type.
    fn from_iter(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let (mut config, headers) = options::from_pairs::<Self>(SKYDRIVE_SCHEME, pairs)?;
        config.headers.extend(headers);
        Ok(config)
    }

    fn into_builder(self) -> SkyDrive {
        SkyDrive { config: self }
    }
}

impl fmt::Debug for SkyDriveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |text: &Option<String>| text.as_deref().map(Secret::from);
        let Self { root, name, endpoint, storage_endpoint, oauth_endpoint, .. } = self;
        f.debug_struct("SkyDriveConfig")
            .field("root", root)
            .field("name", name)
            .field("endpoint", endpoint)
            .field("storage_endpoint", storage_endpoint)
            .field("oauth_endpoint", oauth_endpoint)
            .field("client_id", &self.client_id)
            .field("client_secret", &hidden(&self.client_secret))
            .field("redirect_uri", &self.redirect_uri)
            .field("access_token", &hidden(&self.access_token))
            .field("refresh_token", &hidden(&self.refresh_token))
            .field("refresh_token_env", &self.refresh_token_env)
            .field("token_file", &self.token_file)
            .field("lcrc", &self.lcrc)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("index_ttl", &self.index_ttl)
            .field("downsize_photo_uploads", &self.downsize_photo_uploads)
            .field("bits_from", &self.bits_from)
            .field("bits_fragment", &self.bits_fragment)
            .field("encoding", &self.encoding)
            .field("allow_http", &self.allow_http)
            .field("ca_cert", &self.ca_cert)
            .field("proxy", &hidden(&self.proxy))
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("pool_size", &self.pool_size)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use opendal::ErrorKind;

    use super::*;

    fn config(uri: &str) -> Result<SkyDriveConfig> {
        SkyDriveConfig::from_uri(&OperatorUri::new(uri, []).unwrap())
    }

    #[test]
    fn a_uri_has_all_options() {
        let config = config(
            "skydrive://me/photos/2012?endpoint=http%3A%2F%2F127.0.0.1%3A8%2Fv5.0%2F\
             &access_token=a%2Bb&index_ttl=500ms&downsize_photo_uploads=true&bits_from=70000&bits_fragment=50000\
             &header.X-One=1&header.x-two=two%20words",
        )
        .unwrap();
        assert_eq!(config.root.as_deref(), Some("photos/2012"));
        assert_eq!(config.name.as_deref(), Some("me"));
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:8/v5.0/"));
        assert_eq!(config.access_token.as_deref(), Some("a+b"));
        assert_eq!(config.index_ttl, Some(Duration::from_millis(500)));
        assert!(config.downsize_photo_uploads);
        assert_eq!((config.bits_from, config.bits_fragment), (Some(70_000), Some(50_000)));
        let headers = options::header_map(SKYDRIVE_SCHEME, &config.headers).unwrap();
        assert_eq!(
            (&headers["x-one"], &headers["x-two"]),
            (&"1".parse().unwrap(), &"two words".parse().unwrap())
        );
        config.client().unwrap();
    }

    #[test]
    fn a_uri_without_options_has_the_defaults() {
        let config = config("skydrive://?access_token=a").unwrap();
        let expected =
            SkyDriveConfig { access_token: Some("a".to_owned()), ..SkyDriveConfig::default() };
        assert_eq!(config, expected);
        assert_eq!(
            serde_json::from_str::<SkyDriveConfig>("{}").unwrap(),
            SkyDriveConfig::default()
        );
    }

    #[test]
    fn large_uploads_use_the_host_of_the_endpoint() {
        let storage = |query: &str| {
            let config = config(&format!("skydrive://?access_token=a{query}")).unwrap();
            config.client().unwrap().storage
        };
        assert_eq!(storage(""), "https://cid-{cid}.users.storage.live.com");
        let endpoint = "&endpoint=http%3A%2F%2F127.0.0.1%3A8%2Fv5.0%2F";
        assert_eq!(storage(endpoint), "http://127.0.0.1:8");
        let both = format!("{endpoint}&storage_endpoint=http%3A%2F%2Fcid-%7Bcid%7D.h%3A9%2Fb%2F");
        assert_eq!(storage(&both), "http://cid-{cid}.h:9/b");
    }

    #[test]
    fn options_can_be_serialized() {
        let config = SkyDriveConfig {
            refresh_token: Some("r".to_owned()),
            headers: [("x-one".to_owned(), "1".to_owned())].into(),
            index_ttl: Some(Duration::from_secs(90)),
            ..SkyDriveConfig::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<SkyDriveConfig>(&json).unwrap(), config);
        let ttl = |json: &str| serde_json::from_str::<SkyDriveConfig>(json).unwrap().index_ttl;
        assert_eq!(ttl(r#"{"index_ttl": 3}"#), Some(Duration::from_secs(3)));
        assert_eq!(ttl(r#"{"index_ttl": "0"}"#), Some(Duration::ZERO));
        assert_eq!(ttl(r#"{"index_ttl": "1m 5s"}"#), Some(Duration::from_secs(65)));
    }

    #[test]
    fn an_error_names_the_invalid_option() {
        let refused = |uri: &str| {
            let error = config(uri).and_then(|config| config.client()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            error.to_string()
        };
        for (uri, expected) in [
            ("skydrive://", "one of access_token, refresh_token, token_file and lcrc"),
            ("skydrive://?lcrc=%2Fno%2Fsuch%2Ffile", "/no/such/file"),
            ("skydrive://?refresh_token=r", "client_id"),
            ("skydrive://?token_file=t", "client_id"),
            ("skydrive://?acces_token=a", "acces_token"),
            ("skydrive://?access_token=a&endpoint=nowhere", "endpoint"),
            ("skydrive://?access_token=a&endpoint=ftp%3A%2F%2Fh", "neither http nor https"),
            ("skydrive://?access_token=a&endpoint=http%3A%2F%2Fu%3Ap%40h%2F", "user"),
            ("skydrive://?access_token=a&storage_endpoint=nowhere", "storage_endpoint"),
            ("skydrive://?refresh_token=r&client_id=c&oauth_endpoint=nowhere", "sign-in service"),
            ("skydrive://?access_token=a&index_ttl=soon", "soon"),
            ("skydrive://?access_token=a&index_ttl=-1s", "-1s"),
            ("skydrive://?access_token=a&downsize_photo_uploads=maybe", "maybe"),
            ("skydrive://?access_token=a&header.x%20y=1", "header.x y"),
            ("skydrive://?access_token=a&header.x=%00", "header.x"),
            ("skydrive://secret@me/?access_token=a", "neither user nor password"),
        ] {
            let text = refused(uri);
            assert!(text.contains(expected), "{uri}: {text}");
        }
    }

    #[test]
    fn debug_output_has_no_secrets() {
        let config = config(
            "skydrive://?client_id=app&client_secret=SECRET1&access_token=SECRET2\
             &refresh_token=SECRET3&header.cookie=SECRET4",
        )
        .unwrap();
        let builder = config.clone().into_builder();
        let client = config.client().unwrap();
        let output = format!("{config:?} {config:#?} {builder:?} {client:?} {client:#?}");
        assert!(
            output.contains("app") && output.contains("cookie") && !output.contains("SECRET"),
            "{output}"
        );
    }
}
